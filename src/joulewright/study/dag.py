"""Schedulers of jobs with precedence side by side: over many starts in a signal, with what a fluid could reach."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from joulewright.errors import InfeasibleError, PolicyError, ScenarioError
from joulewright.model.dag import DagCluster, DagJob, DagSignal
from joulewright.policy.citations import sources_of
from joulewright.policy.dag import AbstractDagScheduler, make_dag_scheduler
from joulewright.sim.processes.dag import DagRun, FluidBound, fluid_bound, simulate_dag
from joulewright.study.dag_changes import (
    changes_of,
    complete_samples,
    deadline_notes,
    gap_notes,
    late_ms,
    missed_deadlines,
)
from joulewright.study.dag_foresight import seers
from joulewright.study.dag_headroom import bound_fails, share_of_headroom
from joulewright.study.dag_inputs import is_exact
from joulewright.study.dag_start import horizon_steps, refuse_overrun
from joulewright.study.result import Estimate, Inference
from joulewright.study.statistics import estimate

KEYS = ("scheduler", "start", "seed")
"""Columns that name a run; ``start`` is a step of the signal."""

_HEADROOM = ("bound", "above_bound_fraction", "saved", "headroom", "headroom_share")


@dataclass(frozen=True, kw_only=True)
class DagProgress:
    """How far a comparison is: runs done of all, and time [s]; nothing is ever found or failed."""

    done: int
    total: int
    elapsed_s: float
    found: int = 0
    failed: int = 0

    @property
    def eta_s(self) -> float | None:
        """Expected time until the end [s], once a run has ended."""
        return self.elapsed_s / self.done * (self.total - self.done) if self.done else None


@dataclass(frozen=True, kw_only=True, eq=False)
class DagComparison:
    """What schedulers did with the same jobs.

    Attributes
    ----------
    jobs, cluster, signal
        What was run.
    schedulers : mapping of str to AbstractDagScheduler
        By name; the first is what the others are compared with.
    starts, seeds : tuple of int
        Steps of the signal at which runs begin, and seeds.
    runs : polars.DataFrame
        One row per scheduler, start and seed: the figures of :meth:`~joulewright.sim.processes.dag.DagRun.figures`,
        then ``missed_deadlines`` (null if no job has one), then
        :data:`~joulewright.study.dag_changes.CHANGES`, then ``bound`` (least cost of any schedule that ends in the
        same step, or null where it is not known),
        ``above_bound_fraction`` (cost over it, less 1), ``saved`` against the first scheduler, ``headroom`` (cost of
        the first scheduler less the bound at *its* makespan) and ``headroom_share`` (one over the other; above 1 is
        possible for a run that takes longer).
    completions : polars.DataFrame
        One row per run and job: ``arrival_ms``, ``completion_ms``, ``completion_time_ms``, ``stretch``,
        ``deadline_ms`` and ``late_ms`` beyond it (both null without one).
    bounds : polars.DataFrame
        One row per start and allowance: ``allowance_h`` beyond the makespan of the first scheduler, ``cost`` of the
        bound (null where it is not known, see the notes) and ``reference`` (cost of the first scheduler).
    shown : mapping of str to DagRun
        Runs of the first start and seed.
    notes : tuple of str
        What was left out, and why; missed deadlines.
    """

    jobs: tuple[DagJob, ...]
    cluster: DagCluster
    signal: DagSignal
    schedulers: Mapping[str, AbstractDagScheduler]
    starts: tuple[int, ...]
    seeds: tuple[int, ...]
    runs: pl.DataFrame
    completions: pl.DataFrame
    bounds: pl.DataFrame
    shown: Mapping[str, DagRun]
    notes: tuple[str, ...] = ()
    inference: Inference = field(default_factory=Inference)

    @property
    def base(self) -> str:
        """What the others are compared with."""
        return next(iter(self.schedulers))

    @property
    def sources(self) -> tuple[str, ...]:
        """Where the schedulers were published, for :func:`joulewright.cite`."""
        return sources_of(*self.schedulers.values())

    @property
    def know_future(self) -> tuple[str, ...]:
        """Schedulers with a perfect forecast or known arrivals."""
        return seers(self.schedulers)

    @property
    def sampled(self) -> str:
        """What is sampled: ``start``, or ``seed`` where several runs begin together."""
        return "seed" if len(self.starts) == 1 and len(self.seeds) > 1 else "start"

    @property
    def samples(self) -> int:
        """Independent samples: starts, or seeds where all runs begin together."""
        return len(self.starts) if len(self.starts) > 1 else len(self.seeds)

    def estimate(self, scheduler: str, figure: str) -> Estimate | None:
        """Mean of a figure over the samples with its interval; None where no run has it.

        Seeds that share a start meet the same signal, so they are averaged before the interval is taken over starts.
        A sample counts if all of its runs have the figure. The share of the headroom is all that was saved over all
        headroom, because a start may have next to none.
        """
        if figure == "headroom_share":
            saved, room = (self._samples(scheduler, name) for name in ("saved", "headroom"))
            return share_of_headroom(saved, room, self.inference, reference=self._samples(self.base, "cost"))
        values = self._samples(scheduler, figure)
        return estimate(values, self.inference) if values else None

    def _samples(self, scheduler: str, figure: str) -> list[float]:
        return complete_samples(self.runs, scheduler, figure, self.sampled)

    def summary(self) -> pl.DataFrame:
        """One row per scheduler and figure: ``mean``, ``low`` and ``high`` (null without an interval), ``count``."""
        rows = []
        for name, figure in itertools.product(self.schedulers, self.runs.columns[len(KEYS) :]):
            found = self.estimate(name, figure)
            if found is not None:
                rows.append((name, figure, found.mean, found.low, found.high, found.count))
        columns: dict[str, Any] = {"scheduler": pl.String, "figure": pl.String}
        columns |= {"mean": pl.Float64, "low": pl.Float64, "high": pl.Float64, "count": pl.Int64}
        return pl.DataFrame(rows, schema=columns, orient="row")


def compare_dag(
    jobs: Sequence[DagJob],
    cluster: DagCluster,
    signal: DagSignal,
    schedulers: Sequence[str] | Mapping[str, AbstractDagScheduler],
    *,
    starts: Sequence[int] = (0,),
    seeds: Sequence[int] = (0,),
    allowances_h: Sequence[float] = (0.0, 6.0, 12.0, 24.0),
    inference: Inference | None = None,
    progress: Callable[[DagProgress], None] | None = None,
) -> DagComparison:
    """Run every scheduler from every start under every seed.

    Parameters
    ----------
    jobs, cluster, signal
        As in :func:`~joulewright.sim.processes.dag.simulate_dag`.
    schedulers : sequence of str, or mapping of str to AbstractDagScheduler
        Texts for :func:`~joulewright.policy.dag.make_dag_scheduler`, or schedulers by name; the first is the base.
    starts : sequence of int
        Steps of the signal at which jobs begin to arrive; schedulers know what played before.
    seeds : sequence of int
        See :func:`~joulewright.sim.processes.dag.simulate_dag`.
    allowances_h : sequence of float
        Time beyond the makespan of the base for which the fluid bound is found [h of the signal]; empty finds none,
        that of each run included.
    inference : Inference, optional
        Intervals and their coverage.
    progress : callable, optional
        Called after every run.

    Raises
    ------
    PolicyError
        If a scheduler does not exist, has wrong options, or is given twice.
    ScenarioError
        If the jobs cannot run on the cluster, or there is no scheduler, start or seed.
    TraceError
        If a run takes longer than the signal lasts: the hours it needs and those there are.

    Examples
    --------
    >>> from joulewright.data.dag_generator import generate_dag_jobs
    >>> import numpy as np
    >>> jobs = generate_dag_jobs("fork-join", jobs=3, seed=1)
    >>> signal = DagSignal(step_ms=60_000, values=np.tile([300.0, 100.0], 40))
    >>> found = compare_dag(jobs, DagCluster(executors=8), signal, ["fifo", "fair"], starts=[0, 1])
    >>> found.runs.height, found.base, found.samples
    (4, 'fifo', 2)
    """
    named = dict(schedulers) if isinstance(schedulers, Mapping) else named_schedulers(schedulers)
    case = _Case(jobs=tuple(jobs), cluster=cluster, signal=signal, schedulers=named)
    _check(starts, seeds, named)
    pairs = list(itertools.product(starts, seeds))
    began, total = time.monotonic(), len(pairs) * len(named)
    for done, ((start, seed), name) in enumerate(itertools.product(pairs, named), 1):
        case.add(name, start, seed, bounded=bool(allowances_h))
        if progress is not None:
            progress(DagProgress(done=done, total=total, elapsed_s=time.monotonic() - began))
    for start in starts:
        case.add_bounds(start, seeds[0], allowances_h)
    found = DagComparison(
        jobs=case.jobs,
        cluster=cluster,
        signal=signal,
        schedulers=named,
        starts=tuple(starts),
        seeds=tuple(seeds),
        runs=_frame(case.runs),
        completions=pl.DataFrame(case.completions, schema_overrides={"deadline_ms": pl.Int64, "late_ms": pl.Int64}),
        bounds=pl.DataFrame(case.bounds, schema=_BOUNDS, orient="row"),
        shown={name: case.shown[name] for name in named},
        inference=inference or Inference(),
    )
    return replace(found, notes=(*_notes(found), *dict.fromkeys(case.notes)))


def _notes(found: DagComparison) -> list[str]:
    names = tuple(found.schedulers)
    gaps = gap_notes(found.runs, names[1:], unit=found.sampled, samples=found.samples)
    return [*deadline_notes(found.completions, names), *gaps]


_BOUNDS: dict[str, Any] = {
    "start": pl.Int64,
    "allowance_h": pl.Float64,
    "steps": pl.Int64,
    "cost": pl.Float64,
    "reference": pl.Float64,
}


def named_schedulers(texts: Sequence[str]) -> dict[str, AbstractDagScheduler]:
    """The schedulers that texts name, by text.

    Raises
    ------
    PolicyError
        If one does not exist, has wrong options, or is given twice.
    """
    twice = next((text for text in texts if texts.count(text) > 1), None)
    if twice is not None:
        raise PolicyError(
            f"scheduler {twice!r} is given {texts.count(twice)} times; give each once, and more seeds for more runs"
        )
    return {text: make_dag_scheduler(text) for text in texts}


def _check(starts: Sequence[int], seeds: Sequence[int], schedulers: Mapping[str, AbstractDagScheduler]) -> None:
    empty = next(
        (what for what, found in (("scheduler", schedulers), ("start", starts), ("seed", seeds)) if not found), ""
    )
    if empty:
        raise ScenarioError(f"there is no {empty} to compare; give at least one")


@dataclass(kw_only=True, eq=False)
class _Case:
    """Collects the rows of a comparison."""

    jobs: tuple[DagJob, ...]
    cluster: DagCluster
    signal: DagSignal
    schedulers: Mapping[str, AbstractDagScheduler]
    runs: list[dict[str, Any]] = field(default_factory=list)
    completions: list[dict[str, Any]] = field(default_factory=list)
    bounds: list[tuple[Any, ...]] = field(default_factory=list)
    shown: dict[str, DagRun] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    bases: dict[tuple[int, int], DagRun] = field(default_factory=dict)
    found: dict[tuple[int, int], FluidBound | None] = field(default_factory=dict)

    def add(self, name: str, start: int, seed: int, *, bounded: bool) -> None:
        """Run one scheduler and keep its rows."""
        run = simulate_dag(self.jobs, self.cluster, self.signal.later(start), self.schedulers[name], seed=seed)
        refuse_overrun(run.signal, int(run.finish_ms.max()), run=f"the run of {name!r}")
        base = self.bases.setdefault((start, seed), run)
        self.shown.setdefault(name, run)
        key = dict(zip(KEYS, (name, start, seed)))
        late = [late_ms(job.deadline_ms, end) for job, end in zip(self.jobs, run.completion_ms.tolist())]
        row = key | dict(run.figures()) | {"missed_deadlines": missed_deadlines(late)}
        row |= changes_of(base, run) | dict.fromkeys(_HEADROOM)
        if bounded:
            row |= self.headroom(start, base, run)
        self.runs.append(row)
        rows = zip(self.jobs, run.completion_ms.tolist(), run.completion_times_ms.tolist(), run.stretch.tolist(), late)
        self.completions += [
            {
                **key,
                "job": job.name,
                "arrival_ms": job.arrival_ms,
                "completion_ms": end,
                "completion_time_ms": taken,
                "stretch": stretch,
                "deadline_ms": job.deadline_ms,
                "late_ms": late,
            }
            for job, end, taken, stretch, late in rows
        ]

    def headroom(self, start: int, base: DagRun, run: DagRun) -> dict[str, float | None]:
        """How far the run is from the bound of its own length, and how much of that of the base it reached."""
        own, ahead = (self.bound(start, horizon_steps(self.signal, item.makespan_ms)) for item in (run, base))
        if own is None or ahead is None:
            return {}
        above = run.cost / own.cost - 1.0 if own.cost > 0.0 else None
        saved, headroom = base.cost - run.cost, base.cost - ahead.cost
        return dict(zip(_HEADROOM, (own.cost, above, saved, headroom, ahead.achieved_share(base.cost, run.cost))))

    def bound(self, start: int, steps: int) -> FluidBound | None:
        """The fluid bound of a horizon, found once; None where there is none."""
        if not is_exact(self.jobs):
            self.notes.append(
                "Durations depend on the number of executors, so that the work is not known beforehand: there is no "
                "fluid bound."
            )
            return None
        if (start, steps) not in self.found:
            self.found[start, steps] = self._solved(start, steps)
        return self.found[start, steps]

    def _solved(self, start: int, steps: int) -> FluidBound | None:
        if start + steps > self.signal.values.size:
            return None
        failing = bound_fails(self.cluster, self.signal.later(start), steps)
        if failing:
            self.notes.append(f"No fluid bound from some starts: {failing}.")
            return None
        try:
            return fluid_bound(self.jobs, self.cluster, self.signal.later(start), steps * self.signal.step_ms)
        except InfeasibleError as error:
            self.notes.append(f"No fluid bound over {steps} steps: {error}")
            return None

    def add_bounds(self, start: int, seed: int, allowances_h: Iterable[float]) -> None:
        """Bounds beyond the makespan of the base."""
        base = self.bases[start, seed]
        for allowance_h in allowances_h:
            steps = horizon_steps(self.signal, base.makespan_ms, allowance_h)
            found = self.bound(start, steps)
            if start + steps > self.signal.values.size and is_exact(self.jobs):
                self.notes.append(f"The signal is too short for a bound {allowance_h:g} h after the end of some runs.")
            cost = None if found is None else found.cost
            self.bounds.append((start, allowance_h, steps, cost, base.cost))


def _frame(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    counts = (*KEYS[1:], "busy_ms", "makespan_ms", "deferrals", "failed_attempts", "missed_deadlines")
    kinds: dict[str, Any] = {name: pl.Int64 if name in counts else pl.Float64 for name in rows[0]}
    return pl.DataFrame(rows, schema={**kinds, "scheduler": pl.String})
