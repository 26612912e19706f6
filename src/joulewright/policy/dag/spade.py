"""SPADE: defer unimportant stages while the signal is high, over any scheduler that draws stages."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from joulewright.errors import PolicyError
from joulewright.policy.dag.base import NO_STAGE, AbstractDagScheduler, AbstractDagView, Grant
from joulewright.policy.dag.rules import CompiledRule, Conditions
from joulewright.policy.dag.sampled import AbstractSampledScheduler, Softmax
from joulewright.policy.dag.wrapper import AbstractWrapper


def check_bounds(low: float, high: float, gamma: float = 0.0) -> None:
    """Refuse bounds and awareness that have no meaning.

    Raises
    ------
    PolicyError
        If ``low`` exceeds ``high``, one is not finite, or ``gamma`` is no number of 0 to 1.
    """
    if not 0.0 <= gamma <= 1.0:
        raise PolicyError(f"gamma is {gamma!r}; allowed is 0 (does not look at the signal) to 1")
    if not (math.isfinite(low) and math.isfinite(high)) or low > high:
        raise PolicyError(f"the bounds of the signal are L = {low!r} and U = {high!r}; L must not exceed U")


def psi(importance: float, low: float, high: float, gamma: float) -> float:
    """Highest signal at which a stage of some importance is scheduled [unit of the signal].

    Parameters
    ----------
    importance : float
        Probability of the stage over the greatest one, 0 to 1.
    low, high : float
        Least and greatest signal expected, L and U [unit of the signal].
    gamma : float
        Carbon-awareness, 0 to 1.

    Returns
    -------
    float
        ``A + (U - A) (exp(gamma r) - 1) / (exp(gamma) - 1)`` with ``A = gamma L + (1 - gamma) U``: U for the most
        important stage whatever gamma, and U for every stage at gamma 0.

    Raises
    ------
    PolicyError
        If a number is out of range.

    References
    ----------
    Lechowicz et al. (2025), Carbon- and Precedence-Aware Scheduling for Data Processing Clusters, SIGCOMM,
    arXiv 2502.09717.

    Examples
    --------
    >>> psi(0.0, 200.0, 600.0, 0.5), psi(1.0, 200.0, 600.0, 0.5)
    (400.0, 600.0)
    """
    check_bounds(low, high, gamma)
    if not 0.0 <= importance <= 1.0:
        raise PolicyError(f"the importance of a stage is {importance!r}; allowed is 0 to 1")
    if gamma == 0.0 or low == high:
        return high
    least = gamma * low + (1.0 - gamma) * high
    return least + (high - least) * (math.expm1(gamma * importance) / math.expm1(gamma))


def shrink_factor(signal: float, low: float, high: float, *, gamma: float, scale_free: bool = False) -> float:
    """Factor ``min(exp(gamma (L - c)), 1 - min(0.9, gamma))`` on the executors of a stage.

    With ``scale_free`` the exponent is ``gamma (L - c) / (U - L)``, which does not depend on the unit of the signal:
    in g/kWh the published one is nearly zero a few grams above L.
    """
    gap = low - signal
    if scale_free:
        gap = gap / (high - low) if high > low else 0.0
    return min(math.exp(min(0.0, gamma * gap)), 1.0 - min(0.9, gamma))


def shrunk(executors: int, factor: float, gamma: float) -> int:
    """Executors granted of ``executors`` wanted, one at least.

    Examples
    --------
    >>> [shrunk(10, shrink_factor(200.0 + gap, 200.0, 600.0, gamma=0.5), 0.5) for gap in (0, 1, 2, 5, 200)]
    [7, 7, 7, 5, 5]
    """
    lost = executors - min(math.ceil(executors * factor), executors)
    return max(1, int(executors - gamma * lost))


@dataclass(frozen=True, kw_only=True)
class Spade(AbstractWrapper):
    """Schedules the drawn stage if the signal is at most :func:`psi` of its importance, else waits.

    Attributes
    ----------
    gamma : float
        Carbon-awareness, 0 to 1; 0 is the base scheduler.
    window_h, forecast
        What L and U come from, see :class:`~joulewright.policy.dag.outlook.Foresight`.
    scale_free : bool
        See :func:`shrink_factor`.
    base : AbstractSampledScheduler
        Draws the stage.

    Notes
    -----
    Progress: while no executor runs or moves nothing is deferred; and as U is at least the present, the most important
    stage never is. Deferred executors are offered again when the signal steps, a job arrives or executors come free.
    Information used: that of the base, and L and U of the forecast.

    References
    ----------
    Lechowicz et al. (2025), arXiv 2502.09717: there PCAPS.
    """

    sources: ClassVar[tuple[str, ...]] = ("lechowicz2025",)
    gamma: float = 0.5
    scale_free: bool = False
    base: AbstractDagScheduler = field(default_factory=Softmax)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_bounds(0.0, 0.0, self.gamma)
        if not isinstance(self.base, AbstractSampledScheduler):
            raise PolicyError(
                f"spade needs a scheduler that draws stages, not {type(self.base).__name__}; use softmax or another "
                "AbstractSampledScheduler"
            )

    def answer(self, view: AbstractDagView) -> Grant:
        """Who gets executors of the present offer, or that they wait."""
        base = self.base
        if not isinstance(base, AbstractSampledScheduler):
            raise PolicyError(f"spade cannot defer over {type(base).__name__}")
        choice = base.choose(view)
        if choice.stage == NO_STAGE or self.gamma == 0.0:
            return Grant(choice.stage, choice.executors)
        threshold = psi(choice.importance, view.low, view.high, self.gamma)
        if threshold < view.signal and view.working:
            return Grant(NO_STAGE, deferred=True)
        factor = shrink_factor(view.signal, view.low, view.high, gamma=self.gamma, scale_free=self.scale_free)
        return Grant(choice.stage, shrunk(choice.executors, factor, self.gamma))

    def compiled(self, conditions: Conditions) -> CompiledRule | None:
        """The same decisions for the compiled simulator."""
        rule = self.base.compiled(conditions)
        if rule is None:
            return None
        gamma, bounds = self.gamma, list(zip(conditions.low.tolist(), conditions.high.tolist()))
        shrink = [
            shrink_factor(signal, low, high, gamma=gamma, scale_free=self.scale_free)
            for signal, (low, high) in zip(conditions.signal.tolist(), bounds)
        ]
        return replace(
            rule,
            gamma=gamma,
            base_psi=np.array([psi(0.0, low, high, gamma) for low, high in bounds]),
            high_psi=conditions.high,
            shrink=np.array(shrink),
        )
