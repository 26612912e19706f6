"""Facts of data-processing jobs: stages of tasks with precedence, the executors they run on, the signal that plays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from joulewright.errors import ScenarioError
from joulewright.model.timeline import FloatArray


@dataclass(frozen=True, kw_only=True)
class WaveTable:
    """Task durations measured at several numbers of executors, from which one is drawn per task.

    Attributes
    ----------
    executors : tuple of int
        Numbers of executors of the job at which was measured, increasing, shape ``(N,)``.
    fresh_ms, first_ms, rest_ms : tuple of tuple of int
        Durations per number of executors [ms]: of the first task of an executor in the job, of its first task in the
        stage, and of later tasks in the stage. A list may be empty; then the next one below is used, see
        :mod:`joulewright.sim.processes.dag.durations`.
    """

    executors: tuple[int, ...]
    fresh_ms: tuple[tuple[int, ...], ...]
    first_ms: tuple[tuple[int, ...], ...]
    rest_ms: tuple[tuple[int, ...], ...]

    def problems(self, place: str) -> list[str]:
        """What is wrong with the table; empty when nothing is."""
        found = []
        if not self.executors or self.executors[0] < 1 or list(self.executors) != sorted(set(self.executors)):
            found.append(f"{place}: executor counts are {self.executors!r}; give increasing numbers of at least 1")
        for name, lists in (("fresh_ms", self.fresh_ms), ("first_ms", self.first_ms), ("rest_ms", self.rest_ms)):
            if len(lists) != len(self.executors):
                found.append(f"{place}: {name} has {len(lists)} lists for {len(self.executors)} executor counts")
            bad = next((value for values in lists for value in values if value <= 0), None)
            if bad is not None:
                found.append(f"{place}: {name} holds a duration of {bad!r} ms; durations are at least 1 ms")
        for index, lists_at in enumerate(zip(self.fresh_ms, self.first_ms, self.rest_ms)):
            if not (lists_at[0] or lists_at[1]):
                count = self.executors[index] if index < len(self.executors) else "?"
                found.append(f"{place}: at {count} executors neither fresh_ms nor first_ms holds a duration")
        return found


@dataclass(frozen=True, kw_only=True)
class DagStage:
    """Tasks of one kind that may run side by side once every parent stage has ended.

    Attributes
    ----------
    name : str
        Unique within the job.
    task_ms : tuple of int
        Duration of each task [ms], shape ``(N,)``; with ``waves`` it is the expected one, which schedulers see.
    parents : tuple of str
        Stages of the same job that must have ended.
    waves : WaveTable, optional
        Durations that depend on the number of executors; without it ``task_ms`` is exact.
    """

    name: str
    task_ms: tuple[int, ...]
    parents: tuple[str, ...] = ()
    waves: WaveTable | None = None

    @property
    def tasks(self) -> int:
        """Number of tasks."""
        return len(self.task_ms)

    @property
    def work_ms(self) -> int:
        """Sum of the task durations [executor-ms]."""
        return sum(self.task_ms)


@dataclass(frozen=True, kw_only=True)
class DagJob:
    """A job of stages with precedence.

    Attributes
    ----------
    name : str
        Unique within a run.
    arrival_ms : int
        When it becomes known [ms from the start of the run].
    stages : tuple of DagStage
        Shape ``(V,)``, in any order.
    weight : float
        Share of the cluster under weighted fair scheduling, relative to other jobs.
    max_executors : int or None
        Most executors that may be held at once; None for all of the cluster.
    deadline_ms : int or None
        When it should have ended [ms from the start of the run]; a statement to report against, not a limit.

    Raises
    ------
    ScenarioError
        If the stages are no directed acyclic graph, a parent is missing, a stage has no task or a task no duration.

    Examples
    --------
    >>> map_stage = DagStage(name="map", task_ms=(4, 4, 2))
    >>> job = DagJob(name="a", arrival_ms=0, stages=(map_stage, DagStage(name="sum", task_ms=(3,), parents=("map",))))
    >>> job.work_ms, job.critical_path_ms
    (13, 7)
    """

    name: str
    arrival_ms: int
    stages: tuple[DagStage, ...]
    weight: float = 1.0
    max_executors: int | None = None
    deadline_ms: int | None = None

    def __post_init__(self) -> None:
        problems = _job_problems(self)
        if problems:
            raise ScenarioError(problems)

    @cached_property
    def parents(self) -> tuple[tuple[int, ...], ...]:
        """Positions of the parents of every stage, shape ``(V,)``."""
        at = {stage.name: position for position, stage in enumerate(self.stages)}
        return tuple(tuple(at[parent] for parent in stage.parents) for stage in self.stages)

    @cached_property
    def children(self) -> tuple[tuple[int, ...], ...]:
        """Positions of the children of every stage, shape ``(V,)``."""
        found: list[list[int]] = [[] for _ in self.stages]
        for position, parents in enumerate(self.parents):
            for parent in parents:
                found[parent].append(position)
        return tuple(map(tuple, found))

    @property
    def work_ms(self) -> int:
        """Sum of all task durations [executor-ms]."""
        return sum(stage.work_ms for stage in self.stages)

    @cached_property
    def path_ms(self) -> tuple[int, ...]:
        """Longest chain of tasks from each stage to the end, its own longest task included [ms], shape ``(V,)``."""
        longest = [0] * len(self.stages)
        for position in reversed(self._order):
            behind = max((longest[child] for child in self.children[position]), default=0)
            longest[position] = max(self.stages[position].task_ms) + behind
        return tuple(longest)

    @property
    def critical_path_ms(self) -> int:
        """Shortest time the job takes on any number of executors [ms]."""
        return max(self.path_ms)

    @cached_property
    def _order(self) -> tuple[int, ...]:
        return _topological([list(parents) for parents in self.parents])


@dataclass(frozen=True, kw_only=True)
class DagCluster:
    """Identical executors, each running one task at a time.

    Attributes
    ----------
    executors : int
        How many.
    moving_delay_ms : int
        Time an executor needs to change to another job, the first one included [ms].
    warm_up_ms : int
        Added to the first task of an executor in a job whose :class:`WaveTable` has no ``fresh_ms`` [ms].
    busy_power_kw, idle_power_kw : float
        Draw of an executor that runs a task, and of one that does not [kW]; idle draw ends with the run.
    task_failure_fraction : float
        Chance that an attempt of a task fails, after a random part of its duration; the executor then tries again.

    Raises
    ------
    ScenarioError
        If a number is out of range.
    """

    executors: int
    moving_delay_ms: int = 2000
    warm_up_ms: int = 1000
    busy_power_kw: float = 1.0
    idle_power_kw: float = 0.0
    task_failure_fraction: float = 0.0

    def __post_init__(self) -> None:
        problems = []
        if self.executors < 1:
            problems.append(f"a cluster of {self.executors!r} executors; it takes at least 1")
        for name in ("moving_delay_ms", "warm_up_ms", "busy_power_kw", "idle_power_kw"):
            value = getattr(self, name)
            if not 0.0 <= value < math.inf:
                problems.append(f"{name} of the cluster is {value!r}; allowed is any finite number of at least 0")
        if not 0.0 <= self.task_failure_fraction <= 0.9:
            problems.append(
                f"task_failure_fraction is {self.task_failure_fraction!r}; allowed is 0 to 0.9, "
                "because a task is tried until it succeeds"
            )
        if problems:
            raise ScenarioError(problems)


@dataclass(frozen=True, kw_only=True)
class DagSignal:
    """What the energy of each step costs: carbon, price or any other series.

    Attributes
    ----------
    step_ms : int
        Length of a step [ms of the run]. A trace played faster than it was recorded has a shorter one.
    values : ndarray
        Per step, shape ``(T,)``; a time t belongs to step ``floor(t / step_ms)`` [g/kWh, or currency/MWh].
    renewable_fraction : ndarray, optional
        Share of renewable energy, 0 to 1, shape ``(T,)``.
    step_h : float
        What a step stands for [h]: 1 for hourly traces, however fast they are played.

    Raises
    ------
    ScenarioError
        If a value is not finite, a fraction out of range or the shapes differ.
    """

    step_ms: int
    values: FloatArray
    renewable_fraction: FloatArray | None = None
    step_h: float = 1.0

    def __post_init__(self) -> None:
        problems = []
        values = np.ascontiguousarray(self.values, dtype=float)
        object.__setattr__(self, "values", values)
        if self.step_ms < 1 or not 0.0 < self.step_h < math.inf:
            problems.append(f"a signal with steps of {self.step_ms!r} ms and {self.step_h!r} h; both must be positive")
        if values.ndim != 1 or not values.size:
            problems.append(f"the signal has shape {values.shape}; give one number for each step")
        elif not np.isfinite(values).all():
            step = int(np.flatnonzero(~np.isfinite(values))[0])
            problems.append(f"the signal is {values[step]!r} in step {step}; every value must be finite")
        if self.renewable_fraction is not None:
            share = np.ascontiguousarray(self.renewable_fraction, dtype=float)
            object.__setattr__(self, "renewable_fraction", share)
            problems += _share_problems(share, values)
        if problems:
            raise ScenarioError(problems)


def check_jobs(jobs: Sequence[DagJob], cluster: DagCluster) -> None:
    """Refuse jobs that cannot run together on a cluster.

    Raises
    ------
    ScenarioError
        If there is no job, two have one name, or one asks for more executors than exist.
    """
    problems = [] if jobs else ["there is no job to run; give at least one"]
    seen: set[str] = set()
    for job in jobs:
        if job.name in seen:
            problems.append(f"two jobs are called {job.name!r}; names must be unique")
        seen.add(job.name)
        if job.max_executors is not None and job.max_executors > cluster.executors:
            problems.append(
                f"job {job.name!r} asks for {job.max_executors} executors, but the cluster has {cluster.executors}; "
                "lower max_executors or enlarge the cluster"
            )
    if problems:
        raise ScenarioError(problems)


def _share_problems(share: FloatArray, values: FloatArray) -> list[str]:
    if share.shape != values.shape:
        return [f"renewable_fraction has shape {share.shape}, the signal has {values.shape}; they must agree"]
    bad = np.flatnonzero(~((share >= 0.0) & (share <= 1.0)))
    if bad.size:
        return [
            f"renewable_fraction is {share[bad[0]]!r} in step {bad[0]}; it is a fraction of 0 to 1, not a percentage"
        ]
    return []


def _job_problems(job: DagJob) -> list[str]:
    problems = []
    if job.arrival_ms < 0:
        problems.append(f"job {job.name!r} arrives at {job.arrival_ms!r} ms; allowed is 0 or later")
    if not 0.0 < job.weight < math.inf:
        problems.append(f"job {job.name!r} has weight {job.weight!r}; allowed is any positive number")
    if job.max_executors is not None and job.max_executors < 1:
        problems.append(f"job {job.name!r} has max_executors {job.max_executors!r}; allowed is 1 or more")
    if not job.stages:
        problems.append(f"job {job.name!r} has no stage; give at least one")
    names = [stage.name for stage in job.stages]
    problems += [
        f"job {job.name!r} has two stages {name!r}" for name in sorted({n for n in names if names.count(n) > 1})
    ]
    for stage in job.stages:
        problems += _stage_problems(stage, f"stage {stage.name!r} of job {job.name!r}", names)
    if problems:
        return problems
    circle = _circle(job)
    if circle:
        problems.append(
            f"the stages of job {job.name!r} form a cycle: {' -> '.join(circle)}; remove one of these edges"
        )
    elif job.deadline_ms is not None and job.deadline_ms < job.arrival_ms + job.critical_path_ms:
        problems.append(
            f"job {job.name!r} arrives at {job.arrival_ms} ms and its critical path takes {job.critical_path_ms} ms, "
            f"so it cannot end by its deadline of {job.deadline_ms} ms; allowed is "
            f"{job.arrival_ms + job.critical_path_ms} ms or later"
        )
    return problems


def _stage_problems(stage: DagStage, place: str, names: Sequence[str]) -> list[str]:
    problems = []
    if not stage.task_ms:
        problems.append(f"{place} has no task; give the duration of at least one")
    bad = next(((task, value) for task, value in enumerate(stage.task_ms) if not value > 0), None)
    if bad is not None:
        problems.append(f"{place}: task {bad[0]} takes {bad[1]!r} ms; durations are at least 1 ms")
    problems += [
        f"{place} has parent {parent!r}, which is no stage of the job; there are {', '.join(names)}"
        for parent in stage.parents
        if parent not in names
    ]
    if len(set(stage.parents)) < len(stage.parents):
        problems.append(f"{place} lists a parent twice: {', '.join(stage.parents)}")
    if stage.waves is not None:
        problems += stage.waves.problems(place)
    return problems


def _topological(parents: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """Positions so that parents come first; those on or behind a cycle are left out."""
    waiting = [len(items) for items in parents]
    children: list[list[int]] = [[] for _ in parents]
    for position, items in enumerate(parents):
        for parent in items:
            children[parent].append(position)
    order = [position for position, count in enumerate(waiting) if not count]
    for position in order:
        for child in children[position]:
            waiting[child] -= 1
            if not waiting[child]:
                order.append(child)
    return tuple(order)


def _circle(job: DagJob) -> list[str]:
    """Names along a cycle, the first repeated at the end and each a parent of the next; empty without a cycle."""
    reached = set(_topological(job.parents))
    position = next((item for item in range(len(job.stages)) if item not in reached), None)
    if position is None:
        return []
    walk: list[int] = []
    # Every stage outside the order has a parent outside it, so walking to parents must come round.
    while position not in walk:
        walk.append(position)
        position = next(parent for parent in job.parents[position] if parent not in reached)
    circle = [*walk[walk.index(position) :], position]
    return [job.stages[item].name for item in reversed(circle)]
