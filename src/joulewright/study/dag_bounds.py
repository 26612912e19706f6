"""The least that jobs with precedence must cost within the time a scheduler takes, and with some hours more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from joulewright.model.dag import DagCluster, DagJob, DagSignal
from joulewright.policy.dag import AbstractDagScheduler
from joulewright.sim.processes.dag import DagRun, FluidBound, fluid_bound, simulate_dag
from joulewright.study.dag_headroom import bound_fails
from joulewright.study.dag_start import horizon_steps, refuse_overrun

TOO_SHORT = "the signal is too short"


@dataclass(frozen=True, kw_only=True, eq=False)
class Allowance:
    """A bound with some hours more: ``bound`` is None where ``missing`` says why."""

    allowance_h: float
    steps: int
    bound: FluidBound | None
    missing: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class DagBounds:
    """Bounds beside the schedule they are compared with.

    Attributes
    ----------
    run : DagRun
        Of the scheduler, in the signal from the start on.
    name : str
        Of the scheduler.
    start : int
        Step of the whole signal at which the jobs begin to arrive.
    steps : int
        Horizon without allowance, in steps.
    given : bool
        Whether the horizon was given; else it is the makespan of the run.
    items : tuple of Allowance
        Least allowance first.
    """

    run: DagRun
    name: str
    start: int
    steps: int
    given: bool
    items: tuple[Allowance, ...]

    def frame(self) -> pl.DataFrame:
        """One row for each allowance: steps, cost of the bound and of the schedule, why there is no bound."""
        rows = [
            (item.allowance_h, item.steps, None if item.bound is None else item.bound.cost, self.run.cost, item.missing)
            for item in self.items
        ]
        columns: dict[str, Any] = {"allowance_h": pl.Float64, "steps": pl.Int64, "cost": pl.Float64}
        return pl.DataFrame(rows, schema={**columns, "reference": pl.Float64, "missing": pl.String}, orient="row")

    def work_frame(self) -> pl.DataFrame:
        """One row for each allowance and step: executors in use at the bound, and the signal."""
        values = self.run.signal.values
        parts = [
            pl.DataFrame(
                {
                    "allowance_h": [item.allowance_h] * item.steps,
                    "step": range(item.steps),
                    "executors": item.bound.work.sum(axis=0),
                    "signal": values[: item.steps],
                }
            )
            for item in self.items
            if item.bound is not None
        ]
        return pl.concat(parts) if parts else pl.DataFrame()

    def document(self) -> dict[str, Any]:
        """Figures for manifests and ``--json``."""
        return {
            "scheduler": self.name,
            "start_step": self.start,
            "makespan_ms": self.run.makespan_ms,
            "horizon_steps": self.steps,
            "reference": self.run.cost,
            "bounds": self.frame().to_dicts(),
        }

    def sentence(self) -> str:
        """What the bounds are for."""
        hours = self.steps * self.run.signal.step_h
        whose = "as given" if self.given else f"which {self.name} takes"
        return f"horizon: {hours:g} h of the signal ({self.steps} step{'s' if self.steps > 1 else ''}), {whose}"


def bound_dag(
    jobs: Sequence[DagJob],
    cluster: DagCluster,
    signal: DagSignal,
    scheduler: AbstractDagScheduler,
    *,
    name: str = "scheduler",
    start: int = 0,
    end_h: float | None = None,
    allowances_h: Sequence[float] = (0.0, 6.0, 12.0, 24.0),
) -> DagBounds:
    """Fluid bounds at the makespan of a scheduler, or at a given horizon, and beyond.

    Parameters
    ----------
    jobs, cluster, signal, scheduler
        As in :func:`~joulewright.sim.processes.dag.simulate_dag`; durations must be exact.
    name : str
        Of the scheduler, for people.
    start : int
        Step of the signal at which the jobs begin to arrive.
    end_h : float, optional
        Horizon instead of the makespan [h of the signal].
    allowances_h : sequence of float
        Time beyond the horizon [h of the signal].

    Raises
    ------
    InfeasibleError
        If the work does not fit into a horizon.
    TraceError
        If the run takes longer than the signal lasts.
    """
    played = signal.later(start)
    run = simulate_dag(jobs, cluster, played, scheduler)
    refuse_overrun(played, int(run.finish_ms.max()), run=f"the run of {name!r}")
    end_ms = run.makespan_ms if end_h is None else end_h / signal.step_h * signal.step_ms
    items = []
    for allowance_h in sorted(allowances_h):
        steps = horizon_steps(signal, end_ms, allowance_h)
        missing = TOO_SHORT if steps > played.values.size else bound_fails(cluster, played, steps)
        bound = None if missing else fluid_bound(jobs, cluster, played, steps * signal.step_ms)
        items.append(Allowance(allowance_h=allowance_h, steps=steps, bound=bound, missing=missing))
    horizon = horizon_steps(signal, end_ms)
    return DagBounds(run=run, name=name, start=start, steps=horizon, given=end_h is not None, items=tuple(items))
