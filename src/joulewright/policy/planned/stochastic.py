"""Receding horizon over several futures."""

from __future__ import annotations

from dataclasses import dataclass, replace

from joulewright.policy.options import check_number, rule_text
from joulewright.policy.planned.horizon_options import HorizonOptions
from joulewright.policy.planned.receding_horizon import AbstractHorizonPolicy
from joulewright.policy.registry import register


@register("stochastic", kind="policy", summary="receding horizon over several futures, with an option to avoid risk")
@dataclass(frozen=True, kw_only=True)
class Stochastic(AbstractHorizonPolicy):
    """Plan the next hours for several futures at once: first decisions are shared, later ones may differ.

    Attributes
    ----------
    members : int
        Futures, drawn from the forecast's ensemble; with one it is the forecast and ``receding-horizon``.
    risk_aversion : float
        Weight of the dearest futures against the mean of all, within [0, 1].
    tail_fraction : float
        Part of the futures that counts as the dearest, within (0, 1].

    Notes
    -----
    Information used: as receding-horizon, with the ensemble of the forecast. Batteries and generators share the
    decisions of the first ``every_h`` hours, routes those of the first step. With ``risk_aversion`` the objective is
    a weighted sum of mean and conditional value at risk of the window's cost.

    References
    ----------
    Rockafellar and Uryasev (2000), Journal of Risk 2(3), 21-41, doi:10.21314/JOR.2000.038; Birge and Louveaux (2011),
    Introduction to Stochastic Programming, 2nd ed., section 2.4, doi:10.1007/978-1-4614-0237-4.
    """

    members: int = 8
    risk_aversion: float = 0.0
    tail_fraction: float = 0.25

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("members", self.members, low=1.0, high=200.0)
        check_number("risk_aversion", self.risk_aversion, high=1.0)
        check_number("tail_fraction", self.tail_fraction, low=1e-6, high=1.0)

    @property
    def specification(self) -> str:
        """Name and parameters, as the command line takes them."""
        return rule_text("stochastic", self)

    def horizon_options(self, step_h: float) -> HorizonOptions:
        """The options in steps, with the futures."""
        return replace(
            super().horizon_options(step_h),
            members=self.members,
            risk_aversion=self.risk_aversion,
            tail_fraction=self.tail_fraction,
        )
