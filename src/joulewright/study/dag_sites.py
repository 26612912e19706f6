"""Jobs with precedence at several sites whose signals share a clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import polars as pl

from joulewright.errors import ScenarioError
from joulewright.model.dag import DagCluster, DagJob, DagLinks, DagSite
from joulewright.policy.dag import AbstractDagPlacement, AbstractDagScheduler
from joulewright.sim.processes.dag import DagRun, DagSitesRun, simulate_dag_sites
from joulewright.study.dag_changes import deadline_notes, late_ms, missed_deadlines
from joulewright.study.dag_folder import steps_frame, tasks_frame
from joulewright.study.dag_foresight import seers
from joulewright.study.dag_signal import DagSignalInput
from joulewright.study.dag_start import refuse_overrun


@dataclass(frozen=True, kw_only=True, eq=False)
class SiteInput:
    """A site before a start is chosen: name, executors, and the whole signal with its clock and unit."""

    name: str
    cluster: DagCluster
    signal: DagSignalInput


@dataclass(frozen=True, kw_only=True, eq=False)
class DagSitesStudy:
    """A run at several sites with what was read for it.

    Attributes
    ----------
    inputs : tuple of SiteInput
        In the order of ``run.sites``.
    run : DagSitesRun
        What became of the jobs.
    steps : tuple of int
        Step of each whole signal at which jobs begin to arrive.
    know_future : tuple of str
        Of ``placement`` and ``scheduler``, those with a perfect forecast or known arrivals.
    """

    inputs: tuple[SiteInput, ...]
    run: DagSitesRun
    steps: tuple[int, ...]
    know_future: tuple[str, ...] = ()

    @property
    def start(self) -> datetime:
        """When jobs begin to arrive."""
        return self.inputs[0].signal.timeline.at(self.steps[0])

    def sites_frame(self) -> pl.DataFrame:
        """One row for each site: jobs, executors, executor time, energy, mean signal and cost without transfers."""
        facts = self.run.by_site()
        rows: list[dict[str, Any]] = []
        for item in self.inputs:
            own = facts[item.name]
            mean = own["cost"] / own["energy_kwh"] if own["energy_kwh"] else None
            rows.append({"site": item.name, "executors": item.cluster.executors, **own, "mean_signal": mean})
        return pl.DataFrame(rows, schema_overrides={"mean_signal": pl.Float64})

    def transfers_frame(self) -> pl.DataFrame:
        """One row for each transfer: job, sites, size, times, energy and cost."""
        names = [item.name for item in self.inputs]
        rows = [
            (self.run.jobs[one.job].name, names[one.source], names[one.target], one.size_gb, one.start_ms,
             one.finish_ms, one.energy_kwh, one.cost)
            for one in self.run.transfers
        ]  # fmt: skip
        columns: dict[str, Any] = {"job": pl.String, "source": pl.String, "target": pl.String, "size_gb": pl.Float64,
                                   "start_ms": pl.Int64, "finish_ms": pl.Int64, "energy_kwh": pl.Float64,
                                   "cost": pl.Float64}  # fmt: skip
        return pl.DataFrame(rows, schema=columns, orient="row")

    def jobs_frame(self) -> pl.DataFrame:
        """One row for each job: home, site, when its input was there, completion with transfers, stretch, deadline."""
        run, names = self.run, [item.name for item in self.inputs]
        times = run.completion_times_ms
        return pl.DataFrame(
            {
                "job": [job.name for job in run.jobs],
                "home": [job.home for job in run.jobs],
                "site": [names[at] for at in run.site_of],
                "arrival_ms": [job.arrival_ms for job in run.jobs],
                "ready_ms": run.arrival_ms,
                "completion_ms": run.completion_ms,
                "completion_time_ms": times,
                "stretch": [taken / job.critical_path_ms for taken, job in zip(times.tolist(), run.jobs)],
                "deadline_ms": [job.deadline_ms for job in run.jobs],
                "late_ms": [late_ms(job.deadline_ms, end) for job, end in zip(run.jobs, run.completion_ms.tolist())],
            },
            schema_overrides={"home": pl.String, "deadline_ms": pl.Int64, "late_ms": pl.Int64},
        )

    def figures(self) -> dict[str, float | None]:
        """Figures of the run, and how many deadlines were missed (None without one)."""
        return {**self.run.figures(), "missed_deadlines": missed_deadlines(self.jobs_frame()["late_ms"])}

    def notes(self) -> list[str]:
        """Missed deadlines."""
        return deadline_notes(self.jobs_frame().with_columns(scheduler=pl.lit("This run")), ["This run"])

    def tasks_frame(self) -> pl.DataFrame:
        """One row for each attempt of a task, see :func:`~joulewright.study.dag_folder.tasks_frame`, and its site."""
        return self._stacked([tasks_frame(run) for run in self.run.runs])

    def steps_frame(self) -> pl.DataFrame:
        """One row for each site and step, see :func:`~joulewright.study.dag_folder.steps_frame`."""
        return self._stacked([steps_frame(run) for run in self.run.runs])

    def local_run(self, at: int) -> DagRun:
        """The run of a site whose jobs arrive when their input does."""
        run, mine = self.run.runs[at], self.run.site_of == at
        arrivals = self.run.arrival_ms[mine].tolist()
        return replace(run, jobs=tuple(replace(job, arrival_ms=when) for job, when in zip(run.jobs, arrivals)))

    def _stacked(self, frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
        return pl.concat(
            frame.select(pl.lit(item.name).alias("site"), pl.all()) for item, frame in zip(self.inputs, frames)
        )


def run_dag_sites(
    jobs: Sequence[DagJob],
    inputs: Sequence[SiteInput],
    *,
    placement: AbstractDagPlacement,
    scheduler: AbstractDagScheduler,
    links: DagLinks,
    start: str | None = None,
    seed: int = 0,
) -> DagSitesStudy:
    """Run jobs at several sites from one instant on.

    Parameters
    ----------
    jobs, placement, scheduler, links, seed
        As in :func:`~joulewright.sim.processes.dag.simulate_dag_sites`.
    inputs : sequence of SiteInput
        Signals of one unit; hours must take equally long in all of them.
    start : str, optional
        When jobs begin to arrive: an instant, or hours into the signal of the first site. The first instant that all
        signals have when absent. What played before is known.

    Raises
    ------
    ScenarioError
        If units or clocks do not fit together, or as in ``simulate_dag_sites``.
    TraceError
        If the run outlasts the signal of a site.
    """
    steps = _common_steps(inputs, start)
    sites = [
        DagSite(name=item.name, cluster=item.cluster, signal=item.signal.signal.later(step))
        for item, step in zip(inputs, steps)
    ]
    run = simulate_dag_sites(jobs, sites, placement=placement, scheduler=scheduler, links=links, seed=seed)
    for one, site in zip(run.runs, sites):
        end_ms = max(run.makespan_ms, one.end_ms or 0)
        refuse_overrun(site.signal, end_ms, series=f"the signal of site {site.name!r}")
    know = seers({"placement": placement, "scheduler": scheduler})
    return DagSitesStudy(inputs=tuple(inputs), run=run, steps=steps, know_future=know)


def _common_steps(inputs: Sequence[SiteInput], start: str | None) -> tuple[int, ...]:
    """Step of each signal at which the run begins."""
    if not inputs:
        raise ScenarioError("there is no site; give at least one")
    units = {item.signal.unit or "1": item.name for item in inputs}
    if len(units) > 1:
        found = ", ".join(f"{unit} at {name!r}" for unit, name in units.items())
        raise ScenarioError(f"the signals of the sites have different units, so costs have no sum: {found}")
    if start is None:
        when = max(item.signal.timeline.start for item in inputs)
    else:
        first = inputs[0].signal
        when = first.timeline.at(first.step_at(start))
    return tuple(_step_of(item, when) for item in inputs)


def _step_of(item: SiteInput, when: datetime) -> int:
    timeline = item.signal.timeline
    steps = (when - timeline.start).total_seconds() / timeline.step_s
    if not 0 <= steps < timeline.steps:
        raise ScenarioError(
            f"the run begins at {when:%Y-%m-%dT%H:%MZ}, but the signal of site {item.name!r} goes from "
            f"{timeline.start:%Y-%m-%dT%H:%MZ} to {timeline.end:%Y-%m-%dT%H:%MZ}; give signals that overlap, or --start"
        )
    if steps != int(steps):
        raise ScenarioError(
            f"the run begins at {when:%Y-%m-%dT%H:%MZ}, within a step of {timeline.step_h:g} h of the signal of site "
            f"{item.name!r}; give a --start at which steps of all signals begin"
        )
    return int(steps)
