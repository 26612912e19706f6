"""Very many rigid jobs in fleets of accelerators: who waits, who runs, what it draws and emits.

The lean counterpart of :mod:`joulewright.sim.processes.jobs`: jobs come as arrays, one rule decides, no step clock.
At equal times jobs end before others arrive, and both in the order of the table.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from joulewright.errors import ScenarioError
from joulewright.model.timeline import FloatArray, IntArray
from joulewright.sim.kernel import Kernel

Order = Literal["arrival", "deadline"]

_END, _ARRIVAL = 0, 1
_NOWHERE = -1


@dataclass(frozen=True, kw_only=True, eq=False)
class JobTable:
    """Jobs as columns, each of shape ``(J,)``.

    Attributes
    ----------
    arrival_h : FloatArray
        When they are asked for, from 0 on [h].
    duration_h : FloatArray
        Running time at relative speed 1 [h].
    accelerators : FloatArray
        Accelerators each holds while it runs.
    deadline_h : FloatArray or None
        When they should have ended [h]; None if there are no deadlines.

    Raises
    ------
    ScenarioError
        If columns differ in length or hold values outside their range.
    """

    arrival_h: FloatArray
    duration_h: FloatArray
    accelerators: FloatArray
    deadline_h: FloatArray | None = None

    def __post_init__(self) -> None:
        for name, least in (("arrival_h", 0.0), ("duration_h", 0.0), ("accelerators", 1.0), ("deadline_h", -math.inf)):
            values = getattr(self, name)
            if values is None:
                continue
            if values.shape != self.arrival_h.shape or values.ndim != 1:
                raise ScenarioError(f"{name} has shape {values.shape}; arrival_h has {self.arrival_h.shape}")
            wrong = np.flatnonzero(~(np.isfinite(values) & (values >= least)))
            if wrong.size:
                found = values[wrong[0]]
                raise ScenarioError(
                    f"{name} of job {wrong[0]} is {found:g}; allowed is any finite number of at least {least:g}"
                )


@dataclass(frozen=True, kw_only=True, eq=False)
class QueuePool:
    """A fleet that jobs of a table run on.

    Attributes
    ----------
    name : str
        For tables.
    count : float
        Accelerators.
    power_mw : float
        Facility power of one accelerator at work [MW].
    kg_per_mwh : FloatArray
        Carbon intensity of each step of the horizon [kg/MWh], shape ``(T,)``.
    step_h : float
        Length of a step [h].
    speed : float
        Relative speed of its accelerators.

    Raises
    ------
    ScenarioError
        If a number lies outside its range.
    """

    name: str
    count: float
    power_mw: float
    kg_per_mwh: FloatArray
    step_h: float = 1.0
    speed: float = 1.0

    def __post_init__(self) -> None:
        for name in ("count", "step_h", "speed"):
            if not 0.0 < getattr(self, name) < math.inf:
                raise ScenarioError(f"{name} of pool {self.name!r} is {getattr(self, name):g}; allowed is above 0")
        if not 0.0 <= self.power_mw < math.inf:
            raise ScenarioError(f"power_mw of pool {self.name!r} is {self.power_mw:g}; allowed is 0 MW or more")
        if self.kg_per_mwh.ndim != 1 or not self.kg_per_mwh.size or not np.isfinite(self.kg_per_mwh).all():
            raise ScenarioError(
                f"kg_per_mwh of pool {self.name!r} has shape {self.kg_per_mwh.shape}; give a finite value for each step"
            )


@dataclass(frozen=True, kw_only=True, eq=False)
class QueueOutcome:
    """Where and when every job ran, arrays of shape ``(J,)``.

    Attributes
    ----------
    start_h, end_h : FloatArray
        Start and end of the run [h]; NaN where the job had not started when the kernel stopped.
    pool : IntArray
        Index of its pool; -1 where it had not started.
    events : int
        Kernel events handled.
    """

    start_h: FloatArray
    end_h: FloatArray
    pool: IntArray
    events: int


class _Waiting(Protocol):
    def add(self, rank: int) -> None: ...

    def take(self, free: float) -> int: ...

    def __len__(self) -> int: ...


class _Line:
    """Jobs that wait in line: only the first may go."""

    __slots__ = ("_ranks", "_sizes")

    def __init__(self, sizes: list[float]) -> None:
        self._sizes = sizes
        self._ranks: list[int] = []

    def __len__(self) -> int:
        return len(self._ranks)

    def add(self, rank: int) -> None:
        heapq.heappush(self._ranks, rank)

    def take(self, free: float) -> int:
        """The first in line if it needs at most ``free`` accelerators, else -1."""
        if self._ranks and self._sizes[self._ranks[0]] <= free:
            return heapq.heappop(self._ranks)
        return _NOWHERE


class _Room:
    """Jobs that wait in a room: the first that fits may go.

    A binary tree over all ranks holds the least size that waits below every node, so that adding and finding take
    ``log2 J`` steps however many wait.
    """

    __slots__ = ("_count", "_least", "_leaves", "_sizes")

    def __init__(self, sizes: list[float]) -> None:
        self._sizes = sizes
        self._leaves = 1 << max(0, len(sizes) - 1).bit_length()
        self._least = [math.inf] * (2 * self._leaves)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, rank: int) -> None:
        self._count += 1
        least, node, size = self._least, self._leaves + rank, self._sizes[rank]
        while node and size < least[node]:
            least[node] = size
            node >>= 1

    def take(self, free: float) -> int:
        """The first rank that needs at most ``free`` accelerators, else -1."""
        least = self._least
        if least[1] > free:
            return _NOWHERE
        node, leaves = 1, self._leaves
        while node < leaves:
            node += node
            if least[node] > free:
                node += 1
        rank = node - leaves
        self._count -= 1
        least[node] = math.inf
        node >>= 1
        while node:
            left, right = least[node + node], least[node + node + 1]
            least[node] = left if left < right else right
            node >>= 1
        return rank


class JobQueue:
    """Jobs of a table queue for accelerators of some pools.

    Parameters
    ----------
    table : JobTable
        The jobs.
    pools : sequence of QueuePool
        Tried in this order.
    order : {"arrival", "deadline"}
        Who comes first.
    backfill : bool
        True lets the first job that fits go; False makes all wait for the first in line.
    kernel : Kernel or None
        What it lives on, with its time in hours; None makes a new one.

    Raises
    ------
    ScenarioError
        If a job fits no pool, there is no pool, or the order asks for deadlines and there are none.

    Notes
    -----
    No accelerator idles while a job that may go fits: every arrival tries all pools, and every end tries the pool it
    frees, the only one where something new can fit. With ``order="deadline"`` and ``backfill=False`` this is
    non-preemptive earliest deadline first.

    References
    ----------
    First fit and earliest deadline first: Pinedo (2016), Scheduling, chapters 3 and 14, doi:10.1007/978-3-319-26580-3.

    Examples
    --------
    >>> table = JobTable(arrival_h=np.array([0.0, 0.0]), duration_h=np.array([2.0, 1.0]),
    ...                  accelerators=np.array([8.0, 8.0]))
    >>> pool = QueuePool(name="pod", count=8.0, power_mw=0.001, kg_per_mwh=np.full(4, 500.0))
    >>> JobQueue(table, [pool]).run().start_h
    array([0., 2.])
    """

    __slots__ = (
        "_arrival",
        "_free",
        "_hours",
        "_job",
        "_kernel",
        "_place",
        "_rank",
        "_size",
        "_start",
        "_strict",
        "_table",
        "_waiting",
    )

    def __init__(
        self,
        table: JobTable,
        pools: Sequence[QueuePool],
        *,
        order: Order = "arrival",
        backfill: bool = True,
        kernel: Kernel | None = None,
    ) -> None:
        _check_fit(table, pools, order)
        self._kernel = Kernel() if kernel is None else kernel
        self._table = table
        key = table.arrival_h if order == "arrival" or table.deadline_h is None else table.deadline_h
        by_arrival = np.argsort(table.arrival_h, kind="stable")
        # Jobs are numbered by arrival inside; the waiting room knows them by rank.
        ranking = np.argsort(key[by_arrival], kind="stable")
        self._job = ranking.tolist()
        self._rank = np.argsort(ranking).tolist()
        self._arrival = table.arrival_h[by_arrival].tolist()
        self._size = table.accelerators[by_arrival].tolist()
        self._hours = [(table.duration_h[by_arrival] / pool.speed).tolist() for pool in pools]
        self._free = [float(pool.count) for pool in pools]
        self._start = [math.nan] * len(self._arrival)
        self._place = [_NOWHERE] * len(self._arrival)
        sizes = [self._size[job] for job in self._job]
        self._waiting: _Waiting = _Room(sizes) if backfill else _Line(sizes)
        self._strict = not backfill
        if self._arrival:
            self._kernel.schedule(self._arrival[0], self._arrive, 0, priority=_ARRIVAL)

    def run(self, until_h: float = math.inf) -> QueueOutcome:
        """Run to a time [h] or until all jobs have ended."""
        self._kernel.run(until_h)
        table, starts, places = self._table, np.array(self._start), np.array(self._place, dtype=np.int64)
        back = np.argsort(np.argsort(table.arrival_h, kind="stable"))
        start_h, pool = starts[back], places[back]
        hours = np.full(start_h.size, math.nan)
        for index, own in enumerate(self._hours):
            hours = np.where(pool == index, np.array(own)[back], hours)
        return QueueOutcome(start_h=start_h, end_h=start_h + hours, pool=pool, events=self._kernel.handled)

    def _arrive(self, job: int) -> None:
        following = job + 1
        if following < len(self._arrival):
            self._kernel.schedule(self._arrival[following], self._arrive, following, priority=_ARRIVAL)
        if not (self._strict and len(self._waiting)):
            size = self._size[job]
            for pool, free in enumerate(self._free):
                if size <= free:
                    self._begin(job, pool)
                    return
        self._waiting.add(self._rank[job])

    def _begin(self, job: int, pool: int) -> None:
        kernel = self._kernel
        self._free[pool] -= self._size[job]
        self._start[job] = kernel.now
        self._place[job] = pool
        kernel.schedule(kernel.now + self._hours[pool][job], self._end, job)

    def _end(self, job: int) -> None:
        pool = self._place[job]
        free = self._free
        free[pool] += self._size[job]
        if len(self._waiting):
            rank = self._waiting.take(free[pool])
            while rank >= 0:
                self._begin(self._job[rank], pool)
                rank = self._waiting.take(free[pool])


def _check_fit(table: JobTable, pools: Sequence[QueuePool], order: Order) -> None:
    if not pools:
        raise ScenarioError("the queue has no pool; give at least one")
    largest = max(pool.count for pool in pools)
    wrong = np.flatnonzero(table.accelerators > largest)
    if wrong.size:
        needed = table.accelerators[wrong[0]]
        raise ScenarioError(f"job {wrong[0]} needs {needed:g} accelerators; the largest pool has {largest:g}")
    if order not in ("arrival", "deadline"):
        raise ScenarioError(f"order is {order!r}; allowed are 'arrival' and 'deadline'")
    if order == "deadline" and table.deadline_h is None:
        raise ScenarioError("order is 'deadline', but the table has no deadline_h; add it or use order='arrival'")


@dataclass(frozen=True, kw_only=True)
class QueueFigures:
    """Headline figures of a queue over a horizon.

    Attributes
    ----------
    started, ended, late : int
        Jobs that started and ended within the horizon, and those that ended after their deadline or not at all.
    mean_wait_h, max_wait_h : float
        Time from arrival to start of the jobs that started [h].
    mean_stretch : float
        Mean of (wait + run) / run of the jobs that started.
    utilisation : float
        Accelerator hours used per accelerator hour there is, in [0, 1].
    energy_mwh, carbon_kg : float
        Facility energy of the jobs within the horizon [MWh] and its carbon [kg].
    """

    started: int
    ended: int
    late: int
    mean_wait_h: float
    max_wait_h: float
    mean_stretch: float
    utilisation: float
    energy_mwh: float
    carbon_kg: float


def job_energy(
    table: JobTable, pools: Sequence[QueuePool], outcome: QueueOutcome
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Accelerator hours, energy [MWh] and carbon [kg] of every job within the horizon, each of shape ``(J,)``.

    Notes
    -----
    With ``C(t)`` the integral of the carbon intensity from 0 to ``t``, a job that draws ``P`` MW from ``a`` to ``b``
    emits ``P (C(b) - C(a))``; ``C`` is linear within steps, so one prefix sum serves all jobs.
    """
    used_h, energy_mwh, carbon_kg = (np.zeros(outcome.start_h.size) for _ in range(3))
    for index, pool in enumerate(pools):
        ran = outcome.pool == index
        clock = pool.step_h * np.arange(pool.kg_per_mwh.size + 1)
        integral = np.concatenate([[0.0], np.cumsum(pool.step_h * pool.kg_per_mwh)])
        begin, end = (np.minimum(values[ran], clock[-1]) for values in (outcome.start_h, outcome.end_h))
        size = table.accelerators[ran]
        used_h[ran] = size * (end - begin)
        energy_mwh[ran] = pool.power_mw * used_h[ran]
        emitted = np.interp(end, clock, integral) - np.interp(begin, clock, integral)
        carbon_kg[ran] = pool.power_mw * size * emitted
    return used_h, energy_mwh, carbon_kg


def queue_figures(table: JobTable, pools: Sequence[QueuePool], outcome: QueueOutcome) -> QueueFigures:
    """Waiting, stretch, utilisation, energy and carbon over the horizon of the pools.

    Examples
    --------
    Two jobs of an hour share one place: the second waits an hour and takes twice its own time.

    >>> table = JobTable(arrival_h=np.zeros(2), duration_h=np.ones(2), accelerators=np.full(2, 8.0))
    >>> pool = QueuePool(name="pod", count=8.0, power_mw=0.001, kg_per_mwh=np.array([500.0, 100.0, 0.0, 0.0]))
    >>> found = queue_figures(table, [pool], JobQueue(table, [pool]).run())
    >>> found.mean_wait_h, found.mean_stretch, found.utilisation, round(found.carbon_kg, 9)
    (0.5, 1.5, 0.5, 4.8)
    """
    horizon_h = max(pool.step_h * pool.kg_per_mwh.size for pool in pools)
    used_h, energy_mwh, carbon_kg = job_energy(table, pools, outcome)
    started = outcome.start_h < horizon_h
    ended = outcome.end_h <= horizon_h
    wait_h = (outcome.start_h - table.arrival_h)[started]
    run_h = (outcome.end_h - outcome.start_h)[started]
    stretch = np.divide(wait_h + run_h, run_h, out=np.ones(run_h.size), where=run_h > 0.0)
    on_time = ended if table.deadline_h is None else ended & (outcome.end_h <= table.deadline_h)
    there_h = sum(pool.count * pool.step_h * pool.kg_per_mwh.size for pool in pools)
    return QueueFigures(
        started=int(started.sum()),
        ended=int(ended.sum()),
        late=int((~on_time).sum()),
        mean_wait_h=float(wait_h.mean()) if wait_h.size else 0.0,
        max_wait_h=float(wait_h.max(initial=0.0)),
        mean_stretch=float(stretch.mean()) if stretch.size else 1.0,
        utilisation=float(used_h.sum() / there_h),
        energy_mwh=float(energy_mwh.sum()),
        carbon_kg=float(carbon_kg.sum()),
    )
