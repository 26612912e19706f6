"""Run DAG jobs at several sites: each is placed at one of them when it arrives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np

from joulewright.errors import PolicyError, ScenarioError
from joulewright.model.dag import DagJob, DagLinks, DagSignal, DagSite, check_jobs
from joulewright.model.timeline import FloatArray, IntArray
from joulewright.policy.citations import sources_of
from joulewright.policy.dag.base import AbstractDagScheduler
from joulewright.policy.dag.placement import AbstractDagPlacement, SiteNow, make_dag_placement
from joulewright.sim.processes.dag.outages import down_times
from joulewright.sim.processes.dag.plain_state import NEVER_MS
from joulewright.sim.processes.dag.result import DagRun, busy_per_step
from joulewright.sim.processes.dag.simulate import Engine, Loop, check_seed_and_engine, collect, make_loop


@dataclass(frozen=True, kw_only=True)
class DagTransfer:
    """Data sent between two sites.

    Attributes
    ----------
    job : int
        Position of the job it belongs to.
    source, target : int
        Positions of the sites.
    size_gb : float
        Amount [GB].
    start_ms, finish_ms : int
        When [ms].
    energy_kwh : float
        Energy, half at either end [kWh].
    cost : float
        Its cost at the signals of both ends over the time it takes [g with a signal in g/kWh].
    """

    job: int
    source: int
    target: int
    size_gb: float
    start_ms: int
    finish_ms: int
    energy_kwh: float
    cost: float


@dataclass(frozen=True, kw_only=True)
class DagSitesRun:
    """What became of jobs at several sites.

    Attributes
    ----------
    jobs, sites
        What was run.
    site_of : ndarray
        Position of the site of each job, shape ``(J,)``.
    arrival_ms, completion_ms : ndarray
        When the input of each job was at its site, and when its result was at its home [ms], shape ``(J,)``.
    runs : tuple of DagRun
        One per site, with the jobs placed there; idle executors of all sites draw power until the last job has ended.
    transfers : tuple of DagTransfer
        In the order of the jobs, input before result.
    """

    jobs: tuple[DagJob, ...]
    sites: tuple[DagSite, ...]
    site_of: IntArray
    arrival_ms: IntArray
    completion_ms: IntArray
    runs: tuple[DagRun, ...]
    transfers: tuple[DagTransfer, ...]

    @property
    def makespan_ms(self) -> int:
        """When the last result was at its home [ms]."""
        return int(self.completion_ms.max())

    @property
    def completion_times_ms(self) -> IntArray:
        """Completion less arrival of each job, transfers included [ms], shape ``(J,)``."""
        return self.completion_ms - np.array([job.arrival_ms for job in self.jobs], dtype=np.int64)

    @property
    def sources(self) -> tuple[str, ...]:
        """Where the scheduler was published, for :func:`joulewright.cite`."""
        return sources_of(*self.runs)

    @property
    def transfer_cost(self) -> float:
        """Cost of all transfers [g with a signal in g/kWh]."""
        return sum(transfer.cost for transfer in self.transfers)

    @property
    def transfer_kwh(self) -> float:
        """Energy of all transfers [kWh]."""
        return sum(transfer.energy_kwh for transfer in self.transfers)

    @property
    def cost(self) -> float:
        """Cost of all sites and transfers [g with a signal in g/kWh]."""
        return sum(run.cost for run in self.runs) + self.transfer_cost

    @property
    def energy_kwh(self) -> float:
        """Energy of all sites and transfers [kWh]."""
        return sum(float(run.energy_kwh.sum()) for run in self.runs) + self.transfer_kwh

    def by_site(self) -> Mapping[str, Mapping[str, float]]:
        """Jobs, energy and cost of every site by its name, transfers left out."""
        return {
            site.name: {
                "jobs": len(run.jobs),
                "busy_ms": run.busy_ms,
                "energy_kwh": float(run.energy_kwh.sum()),
                "cost": run.cost,
            }
            for site, run in zip(self.sites, self.runs)
        }

    def figures(self) -> Mapping[str, float]:
        """The figures a comparison shows; the key ends in the unit."""
        times = self.completion_times_ms
        return {
            "cost": self.cost,
            "energy_kwh": self.energy_kwh,
            "transfer_cost": self.transfer_cost,
            "transfer_kwh": self.transfer_kwh,
            "transfer_gb": sum(transfer.size_gb for transfer in self.transfers),
            "busy_ms": sum(run.busy_ms for run in self.runs),
            "makespan_ms": self.makespan_ms,
            "mean_completion_ms": float(times.mean()),
            "p95_completion_ms": float(np.percentile(times, 95)),
        }


def simulate_dag_sites(
    jobs: Sequence[DagJob],
    sites: Sequence[DagSite],
    *,
    placement: AbstractDagPlacement | str,
    scheduler: AbstractDagScheduler,
    links: DagLinks | None = None,
    seed: int = 0,
    engine: Engine = "auto",
) -> DagSitesRun:
    """Place every job when it arrives, and run each site until all jobs have ended.

    Parameters
    ----------
    jobs : sequence of DagJob
        Shape ``(J,)``; ``home``, ``input_gb`` and ``output_gb`` say what has to be sent.
    sites : sequence of DagSite
        Clusters with their signals.
    placement : AbstractDagPlacement or str
        Sees the present of all sites; a text is read by :func:`~joulewright.policy.dag.make_dag_placement`.
    scheduler : AbstractDagScheduler
        Decides within each site by the signal of that site.
    links : DagLinks, optional
        Without them data gets everywhere at once.
    seed, engine
        As in :func:`~joulewright.sim.processes.dag.simulate.simulate_dag`. The luck of a task does not depend on the
        site.

    Raises
    ------
    ScenarioError
        If names are not unique, a home or a link names no site, or a job asks for more executors than any site has.
    PolicyError
        If the placement names no site, the scheduler breaks its contract, or it knows jobs before they arrive and there
        are several sites: which jobs a site gets is not known before.

    Notes
    -----
    A job runs at one site from its first task to its last. Its input is sent when it is placed, its result when it
    has ended; both add to its completion time.
    """
    rule = make_dag_placement(placement) if isinstance(placement, str) else placement
    net = DagLinks() if links is None else links
    _check_sites(jobs, sites, net)
    if scheduler.knows_arrivals and len(sites) > 1:
        raise PolicyError(
            f"{type(scheduler).__name__} knows jobs before they arrive, but which of {len(sites)} sites gets them is "
            "decided when they do; leave out known_arrivals, or run one site"
        )
    check_seed_and_engine(seed, engine)
    state = _State(jobs, sites, net, [rule.outlook.issue(site.signal, site.signal.values) for site in sites])
    loops: list[Loop] = []
    for site in sites:
        with _at(site):
            loops.append(make_loop(jobs, site.cluster, site.signal, scheduler, seed=int(seed), engine=engine))
    order = sorted(range(len(jobs)), key=lambda number: jobs[number].arrival_ms)
    for placed, number in enumerate(order):
        _advance(sites, loops, jobs[number].arrival_ms)
        choices = [state.now(number, at, loop.pending_ms()) for at, loop in enumerate(loops)]
        chosen = rule.place(jobs[number], choices, placed)
        if not 0 <= chosen < len(sites):
            raise PolicyError(f"{type(rule).__name__} answers site {chosen!r}; there are 0 to {len(sites) - 1}")
        loops[chosen].place(number, state.send_input(number, chosen))
    _advance(sites, loops)
    completion_ms = np.max([loop.completion_ms() for loop in loops], axis=0)
    return DagSitesRun(
        jobs=tuple(jobs),
        sites=tuple(sites),
        site_of=state.site_of,
        arrival_ms=state.arrival_ms,
        completion_ms=state.send_results(completion_ms),
        runs=_runs(jobs, sites, loops, scheduler, site_of=state.site_of),
        transfers=tuple(sorted(state.transfers, key=lambda transfer: (transfer.job, transfer.start_ms))),
    )


@contextmanager
def _at(site: DagSite) -> Iterator[None]:
    """Name the site in errors."""
    try:
        yield
    except (PolicyError, ScenarioError) as error:
        raise type(error)(f"site {site.name!r}: {error}") from error


def _advance(sites: Sequence[DagSite], loops: Sequence[Loop], until_ms: int = NEVER_MS) -> None:
    for site, loop in zip(sites, loops):
        with _at(site):
            loop.advance(until_ms)


class _State:
    """Where jobs are and what is sent for them."""

    def __init__(
        self, jobs: Sequence[DagJob], sites: Sequence[DagSite], links: DagLinks, issued: Sequence[FloatArray]
    ) -> None:
        self.jobs, self.sites, self.links, self.issued = jobs, sites, links, issued
        self.site_of = np.zeros(len(jobs), dtype=np.int64)
        self.arrival_ms = np.zeros(len(jobs), dtype=np.int64)
        self.transfers: list[DagTransfer] = []
        at = {site.name: position for position, site in enumerate(sites)}
        self._homes = [None if job.home is None else at[job.home] for job in jobs]

    def now(self, number: int, at: int, pending_ms: int) -> SiteNow:
        """A site as the placement of a job sees it."""
        job, site, home = self.jobs[number], self.sites[at], self._homes[number]
        signal = site.signal
        step = _step(signal, job.arrival_ms)
        transfer_ms, cost = 0, 0.0
        if home is not None and home != at:
            link = self.links.between(self.sites[home].name, site.name)
            transfer_ms = link.transfer_ms(job.input_gb)
            ends = [_mean_signal(self.sites[end].signal, job.arrival_ms, job.arrival_ms) for end in (home, at)]
            cost = link.kwh_per_gb * (job.input_gb + job.output_gb) * sum(ends) / 2.0
        expected = self.issued[at][step]
        return SiteNow(
            name=site.name,
            executors=site.cluster.executors,
            pending_ms=pending_ms,
            expected=expected[~np.isnan(expected)],
            step_ms=signal.step_ms,
            into_step_ms=job.arrival_ms - step * signal.step_ms,
            kwh_per_ms=site.cluster.busy_power_kw * signal.step_h / signal.step_ms,
            transfer_ms=transfer_ms,
            transfer_cost=cost,
            is_home=home == at,
        )

    def send_input(self, number: int, chosen: int) -> int:
        """Send the input of a job to its site; the time it is there [ms]."""
        job = self.jobs[number]
        there_ms = self._send(number, self._homes[number], chosen, job.input_gb, start_ms=job.arrival_ms)
        self.site_of[number], self.arrival_ms[number] = chosen, there_ms
        return there_ms

    def send_results(self, ended_ms: IntArray) -> IntArray:
        """Send the result of every job home; the times they are there [ms], shape ``(J,)``."""
        return np.array(
            [
                self._send(number, int(self.site_of[number]), self._homes[number], job.output_gb, start_ms=int(ended))
                for number, (job, ended) in enumerate(zip(self.jobs, ended_ms))
            ],
            dtype=np.int64,
        )

    def _send(self, number: int, source: int | None, target: int | None, size_gb: float, *, start_ms: int) -> int:
        if source is None or target is None or source == target or size_gb == 0.0:
            return start_ms
        link = self.links.between(self.sites[source].name, self.sites[target].name)
        finish_ms, energy_kwh = start_ms + link.transfer_ms(size_gb), size_gb * link.kwh_per_gb
        means = [_mean_signal(self.sites[end].signal, start_ms, finish_ms) for end in (source, target)]
        sent = DagTransfer(
            job=number,
            source=source,
            target=target,
            size_gb=size_gb,
            start_ms=start_ms,
            finish_ms=finish_ms,
            energy_kwh=energy_kwh,
            cost=energy_kwh * sum(means) / 2.0,
        )
        self.transfers.append(sent)
        return finish_ms


def _check_sites(jobs: Sequence[DagJob], sites: Sequence[DagSite], links: DagLinks) -> None:
    if not sites:
        raise ScenarioError(["there is no site; give at least one"])
    names = [site.name for site in sites]
    problems = [f"two sites are called {name!r}; names must be unique" for name in set(names) if names.count(name) > 1]
    problems += [
        f"job {job.name!r} has its home at {job.home!r}, which is no site; there are {', '.join(names)}"
        for job in jobs
        if job.home is not None and job.home not in names
    ]
    problems += [
        f"a link leads to {name!r}, which is no site; there are {', '.join(names)}"
        for pair in links.pairs
        for name in pair
        if name not in names
    ]
    if problems:
        raise ScenarioError(problems)
    check_jobs(jobs, max((site.cluster for site in sites), key=lambda cluster: cluster.executors))


def _step(signal: DagSignal, time_ms: int) -> int:
    return min(time_ms // signal.step_ms, signal.values.size - 1)


def _mean_signal(signal: DagSignal, start_ms: int, finish_ms: int) -> float:
    if finish_ms == start_ms:
        return float(signal.values[_step(signal, start_ms)])
    inside = busy_per_step(np.array([start_ms]), np.array([finish_ms]), signal)
    return float(inside @ signal.values) / (finish_ms - start_ms)


def _runs(
    jobs: Sequence[DagJob],
    sites: Sequence[DagSite],
    loops: Sequence[Loop],
    scheduler: AbstractDagScheduler,
    *,
    site_of: IntArray,
) -> tuple[DagRun, ...]:
    """Runs of the sites, each with its own jobs and tasks counted anew."""
    owner = np.repeat(np.arange(len(jobs)), [job.table.task_ms.size for job in jobs])
    end_ms = int(max(loop.completion_ms().max() for loop in loops))
    runs = []
    for at, (site, loop) in enumerate(zip(sites, loops)):
        here = site_of == at
        anew = np.cumsum(here[owner]) - 1
        whole = collect(loop, jobs, site.cluster, site.signal, scheduler=scheduler)
        down_start_ms, down_finish_ms = down_times(site.cluster, loop.seed, end_ms)
        runs.append(
            replace(
                whole,
                jobs=tuple(job for job, mine in zip(jobs, here) if mine),
                task=anew[whole.task],
                completion_ms=whole.completion_ms[here],
                down_start_ms=down_start_ms,
                down_finish_ms=down_finish_ms,
                end_ms=end_ms,
            )
        )
    return tuple(runs)
