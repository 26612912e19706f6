"""Facts of data-processing jobs: stages of tasks with precedence, the executors they run on, the signal that plays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from joulewright.errors import ScenarioError
from joulewright.model.dag_cluster import DagCluster, DagSignal
from joulewright.model.dag_site import DagLink, DagLinks, DagSite
from joulewright.model.dag_stage import LONGEST_MS, DagStage, WaveTable, stage_problems
from joulewright.model.dag_table import JobTable, job_table

__all__ = [
    "DagCluster",
    "DagJob",
    "DagLink",
    "DagLinks",
    "DagSignal",
    "DagSite",
    "DagStage",
    "JobTable",
    "WaveTable",
    "check_jobs",
]


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
    home : str or None
        Site where its input lies and its result is wanted; None if that does not matter.
    input_gb : float
        What has to be sent to another site before the job can begin there [GB].

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
    home: str | None = None
    input_gb: float = 0.0

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

    @cached_property
    def work_ms(self) -> int:
        """Sum of all task durations [executor-ms]."""
        return sum(stage.work_ms for stage in self.stages)

    @property
    def output_gb(self) -> float:
        """Size of what the stages without children leave [GB]."""
        return sum(stage.output_gb for stage, below in zip(self.stages, self.children) if not below)

    @cached_property
    def table(self) -> JobTable:
        """The stages as arrays."""
        return job_table(self.stages, self.parents, self.children, self.path_ms)

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


def _job_problems(job: DagJob) -> list[str]:
    problems = []
    if not 0 <= job.arrival_ms <= LONGEST_MS:
        problems.append(f"job {job.name!r} arrives at {job.arrival_ms!r} ms; allowed is 0 to {LONGEST_MS} ms")
    if not 0.0 < job.weight < math.inf:
        problems.append(f"job {job.name!r} has weight {job.weight!r}; allowed is any positive number")
    if job.max_executors is not None and job.max_executors < 1:
        problems.append(f"job {job.name!r} has max_executors {job.max_executors!r}; allowed is 1 or more")
    if not 0.0 <= job.input_gb < math.inf:
        problems.append(f"job {job.name!r} has input_gb {job.input_gb!r}; allowed is any finite number of at least 0")
    if not job.stages:
        problems.append(f"job {job.name!r} has no stage; give at least one")
    names = [stage.name for stage in job.stages]
    problems += [
        f"job {job.name!r} has two stages {name!r}" for name in sorted({n for n in names if names.count(n) > 1})
    ]
    for stage in job.stages:
        problems += stage_problems(stage, f"stage {stage.name!r} of job {job.name!r}", names)
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
