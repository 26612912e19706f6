"""What the planner returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from joulewright.account import Ledger
from joulewright.check import Violation
from joulewright.model import Schedule
from joulewright.model.timeline import FloatArray

Status = Literal["optimal", "gap-reached", "time-limit", "work-limit", "search-ended", "interrupted"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Duals:
    """Marginal prices of the linear relaxation with all integer decisions held.

    Attributes
    ----------
    power_price_per_mwh : mapping of str to FloatArray
        What one more MWh of facility load would cost at a site [currency/MWh], each of shape ``(T,)``.
    carbon_price_per_t : float
        What one tonne less in the system budget would cost [currency/t].
    site_carbon_price_per_t : mapping of str to float
        Likewise for the budgets of single sites.
    import_limit_price_per_mw, export_limit_price_per_mw : mapping of str to FloatArray
        What one more MW of the limit in one step would save [currency/MW], each of shape ``(T,)``.
    accelerator_price_per_h : mapping of str to FloatArray
        What one more accelerator for an hour would save, by ``site/fleet`` [currency/h], each of shape ``(T,)``.
    """

    power_price_per_mwh: Mapping[str, FloatArray]
    carbon_price_per_t: float
    site_carbon_price_per_t: Mapping[str, float]
    import_limit_price_per_mw: Mapping[str, FloatArray]
    export_limit_price_per_mw: Mapping[str, FloatArray]
    accelerator_price_per_h: Mapping[str, FloatArray]


@dataclass(frozen=True, kw_only=True, eq=False)
class PlanResult:
    """A plan with the proof of how good it is.

    Attributes
    ----------
    schedule : Schedule or None
        The best plan that passes the checks; None where a limit came first.
    ledger : Ledger or None
        Its figures.
    status : str
        ``optimal`` (proved to the requested gap by the exact strategy), ``gap-reached``, ``time-limit``,
        ``work-limit``, ``search-ended`` (no neighbourhood improves any more) or ``interrupted``.
    objective : float or None
        Benefit of the plan, churn cost subtracted [currency].
    bound : float
        No plan has a higher benefit [currency]; recomputed from duals, or from the search tree where ``bound_source``
        says so.
    gap : float or None
        ``(bound - objective) / cost``.
    cost : float
        The plan's costs without job values and revenues [currency]: the gap's denominator.
    churn_cost : float
        Price paid for leaving the previous plan [currency].
    strategy, solver : str
        What produced it.
    bound_source : str
        ``lagrangian`` or ``search-tree``.
    seconds, cpu_s, work : float
        Wall time, CPU time of this process [s] and deterministic work units.
    seed, threads : int
        As asked for.
    duals : Duals or None
        Marginal prices.
    violations : tuple of Violation
        Always empty for a plan; baselines may break limits.
    trace : tuple of (float, float or None, float)
        CPU seconds, benefit and bound over time.
    notes : tuple of str
        What a reader must know: rounding, limits that cut, assumptions.
    options : mapping
        The options as plain values.
    """

    schedule: Schedule | None
    ledger: Ledger | None
    status: Status
    objective: float | None
    bound: float
    gap: float | None
    cost: float
    strategy: str
    solver: str
    seconds: float
    cpu_s: float
    work: float
    seed: int
    threads: int
    churn_cost: float = 0.0
    bound_source: str = "lagrangian"
    duals: Duals | None = None
    violations: tuple[Violation, ...] = ()
    trace: tuple[tuple[float, float | None, float], ...] = ()
    notes: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def feasible(self) -> bool:
        """Whether there is a plan and it breaks no limit."""
        return self.schedule is not None and not self.violations
