"""Day-ahead capacity curves: how much flexible load a cluster may carry in each hour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from joulewright.errors import InfeasibleError, PolicyError, SolverError
from joulewright.model.timeline import FloatArray
from joulewright.plan.program import Builder, Term
from joulewright.policy.online.exact import slot_label, solve
from joulewright.policy.online.guarantee import checked_prices


class CapacityCurve(NamedTuple):
    """Power by hour, shape ``(T,)``, its carbon, its peak and the weighted sum that was minimised."""

    power_mw: FloatArray
    carbon_kg: float
    peak_mw: float
    objective: float


@dataclass(frozen=True, kw_only=True, eq=False)
class CapacityPlanner:
    """Spread a day's flexible energy over its hours against carbon and peak.

    Attributes
    ----------
    inflexible_mw : FloatArray
        Load that does not move, shape ``(T,)``.
    flexible_mwh : float
        Energy that moves within the day.
    limit_mw : float
        Most power in any hour.
    most_change : float
        Flexible load in an hour is at most 1 + this times its mean, and at least 0.
    step_h : float
        Length of a step.

    Notes
    -----
    min sum CI P h + lambda_p max P with P = inflexible + mean (1 + delta), sum delta = 0, -1 <= delta <= most_change,
    P <= limit. Published form not checked in detail; no ratio: the optimum of the forecast it is given.

    References
    ----------
    Radovanovic et al. (2021), arXiv:2106.11750.

    Examples
    --------
    >>> planner = CapacityPlanner(inflexible_mw=np.zeros(2), flexible_mwh=2.0, limit_mw=5.0, most_change=0.5)
    >>> planner.plan([100.0, 300.0], peak_price_per_mw=0.0).power_mw
    array([1.5, 0.5])
    """

    inflexible_mw: FloatArray
    flexible_mwh: float
    limit_mw: float
    most_change: float = 2.0
    step_h: float = 1.0
    sources: ClassVar[tuple[str, ...]] = ("radovanovic2021",)

    def plan(self, forecast_kg_per_mwh: ArrayLike, *, peak_price_per_mw: float) -> CapacityCurve:
        """Capacity curve for a day-ahead forecast of the carbon intensity.

        Parameters
        ----------
        forecast_kg_per_mwh : array
            Shape ``(T,)`` [kg/MWh].
        peak_price_per_mw : float
            lambda_p: weight of the peak [kg/MW].

        Raises
        ------
        PolicyError
            If shapes differ or a parameter is negative.
        InfeasibleError
            If the limit leaves no room for the load.
        """
        values = checked_prices(forecast_kg_per_mwh)
        fixed = np.asarray(self.inflexible_mw, dtype=float)
        if fixed.shape != values.shape or min(self.flexible_mwh, peak_price_per_mw, self.most_change) < 0.0:
            raise PolicyError(
                f"inflexible load has shape {fixed.shape}, the forecast {values.shape}; flexible_mwh "
                f"{self.flexible_mwh:g}, peak price {peak_price_per_mw:g} and most_change {self.most_change:g} "
                "must be at least 0"
            )
        hours = values.size
        mean = self.flexible_mwh / (hours * self.step_h)
        rows = np.arange(hours)
        builder = Builder()
        top = min(mean * (1.0 + self.most_change), max(self.limit_mw, 0.0))
        moved = builder.variable("flexible", hours, slot_label, upper=top, cost=values * self.step_h)
        peak = builder.variable("peak", 1, slot_label, upper=max(self.limit_mw, 0.0), cost=peak_price_per_mw)
        below = [Term(rows, moved.index, 1.0), Term(rows, peak.index[0], -1.0)]
        builder.add_rows("peak", hours, slot_label, below, upper=-fixed)
        energy = Term(0, moved.index, self.step_h)
        builder.add_rows("energy", 1, slot_label, [energy], lower=self.flexible_mwh, upper=self.flexible_mwh)
        try:
            found = solve(builder.compile())
        except SolverError as error:
            raise InfeasibleError(
                f"no hour-by-hour load keeps within limit_mw = {self.limit_mw:g}: the inflexible load reaches "
                f"{fixed.max():g} MW and {self.flexible_mwh:g} MWh must fit beside it"
            ) from error
        power = fixed + moved.values(found.values)
        carbon = float(np.dot(power, values)) * self.step_h
        return CapacityCurve(power, carbon, float(power.max()), carbon + peak_price_per_mw * float(power.max()))
