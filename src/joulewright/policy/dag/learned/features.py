"""What the network is told: numbers without a unit about stages and jobs, so that clusters and jobs of any size fit.

Times are divided by times and numbers of tasks by the number of executors; multiplying all durations by a factor
changes no feature. Features of a stage need nothing but its own job, so that what follows from them is kept until the
job changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from joulewright.model.dag import DagJob
from joulewright.model.timeline import FloatArray, IntArray
from joulewright.policy.dag.base import AbstractDagView

STAGE_FEATURES = (
    "tasks left over tasks",
    "work left over the work of the job",
    "mean task over the critical path of the job",
    "path to the end over the critical path of the job",
    "log(1 + tasks left / executors)",
    "1 when its parents have ended",
)
JOB_FEATURES = (
    "1 for the job that the executors come from",
    "executors held over the cluster",
    "log(1 + executors held over an equal share)",
    "executors offered over the cluster",
    "executors active over the cluster",
    "half the log of work left over its mean among the jobs, at most 2.5 in size",
    "half the log of the path left over its mean among the jobs, at most 2.5 in size",
    "path left over the sum of path left and work left per executor",
    "log(1 + tasks left / executors)",
    "log of how much longer a task takes at the most executors measured than at the fewest",
    "log of the number of jobs that wait, over 3",
    "work left over the work of the job",
)


class JobShape:
    """Facts of a job that do not change while it runs.

    Attributes
    ----------
    below : ndarray
        1 where the column is a child of the row, shape ``(V, V)``.
    levels : tuple of ndarray
        Stages whose longest chain to the end has 1, 2, ... edges, so that children come before parents.
    tasks, mean_ms, path_ms : ndarray
        Per stage, shape ``(V,)``: number of tasks, mean of their durations [ms], longest chain to the end [ms].
    work_ms : float
        Sum of all durations [executor-ms].
    growth : float
        Log of the ratio of mean first-wave durations at the most and the fewest executors measured; 0 without waves.
    """

    def __init__(self, job: DagJob, executors: int) -> None:
        count = len(job.stages)
        self.executors = executors
        self.below = np.zeros((count, count))
        for position, children in enumerate(job.children):
            self.below[position, list(children)] = 1.0
        self.levels = _levels(job.children)
        self.tasks = np.array([stage.tasks for stage in job.stages], dtype=float)
        self.mean_ms = np.array([stage.work_ms for stage in job.stages]) / self.tasks
        self.path_ms = np.array(job.path_ms, dtype=float)
        self.work_ms = float(job.work_ms)
        self.growth = _growth(job)

    @cached_property
    def steady(self) -> FloatArray:
        """Stage features that never change, shape ``(V, 2)``."""
        steady: FloatArray = np.column_stack([self.mean_ms, self.path_ms]) / self.path_ms.max()
        return steady


@dataclass(frozen=True, eq=False)
class JobGraph:
    """A job in one state.

    Attributes
    ----------
    shape : JobShape
        Its facts.
    features : ndarray
        See :data:`STAGE_FEATURES`, shape ``(V, 6)``.
    waiting : ndarray of bool
        Stages with tasks that nobody is promised to, shape ``(V,)``.
    tasks, work_ms, path_ms : float
        Such tasks, their expected work [executor-ms] and the longest chain from one of them to the end [ms].
    """

    shape: JobShape
    features: FloatArray
    waiting: NDArray[np.bool_]
    tasks: float
    work_ms: float
    path_ms: float


@dataclass(frozen=True, eq=False)
class Observation:
    """One question to the network: n jobs with waiting tasks, of whose stages F are in the frontier.

    Attributes
    ----------
    graphs : tuple of JobGraph
        Shape ``(n,)``.
    jobs : ndarray
        See :data:`JOB_FEATURES`, shape ``(n, 12)``.
    used : tuple of int
        Executors of each job that stay with it whatever is answered, shape ``(n,)``.
    stages : tuple of int
        Numbers of the frontier stages, shape ``(F,)``.
    stage_job, stage_at : ndarray
        Position of the job of each among ``graphs``, and of the stage in its job, shape ``(F,)``.
    executors : int
        Size of the cluster.
    """

    graphs: tuple[JobGraph, ...]
    jobs: FloatArray
    used: tuple[int, ...]
    stages: tuple[int, ...]
    stage_job: IntArray
    stage_at: IntArray
    executors: int


class Memory:
    """What was worked out about the jobs of one run, so that only jobs that changed are looked at again."""

    def __init__(self) -> None:
        self.shapes: dict[int, JobShape] = {}
        self.graphs: dict[int, tuple[tuple[int, ...], JobGraph]] = {}

    def graph(self, view: AbstractDagView, job: int) -> JobGraph:
        """The job in its present state; the same object while nothing in it changes."""
        # One number per stage: tasks left, below zero while a parent runs.
        state = tuple(
            left if view.runnable_rank(stage) >= 0 else -1 - left
            for stage, left in ((stage, view.unassigned(stage)) for stage in view.stages(job))
        )
        known = self.graphs.get(job)
        if known is not None and known[0] == state:
            return known[1]
        shape = self.shapes.get(job)
        if shape is None:
            shape = self.shapes[job] = JobShape(view.facts(job), view.executors)
        graph = job_graph(shape, state)
        self.graphs[job] = (state, graph)
        return graph


def job_graph(shape: JobShape, state: Sequence[int]) -> JobGraph:
    """A job with ``state[v]`` tasks left in stage v, or ``-1 - state[v]`` while a parent of v has not ended."""
    raw = np.array(state)
    left = np.where(raw < 0, -1 - raw, raw).astype(float)
    waiting = left > 0.0
    work = left * shape.mean_ms
    features = np.empty((left.size, len(STAGE_FEATURES)))
    features[:, 0] = left / shape.tasks
    features[:, 1] = work / shape.work_ms
    features[:, 2:4] = shape.steady
    features[:, 4] = np.log1p(left / shape.executors)
    features[:, 5] = raw >= 0
    path = float(shape.path_ms[waiting].max(initial=0.0))
    return JobGraph(shape, features, waiting, float(left.sum()), float(work.sum()), path)


def observe(view: AbstractDagView, memory: Memory) -> Observation | None:
    """The present offer; None when the frontier is empty."""
    graphs: list[JobGraph] = []
    used: list[int] = []
    stages: list[int] = []
    stage_job: list[int] = []
    stage_at: list[int] = []
    own = -1
    for job in view.jobs():
        graph = memory.graph(view, job)
        if not graph.tasks:
            continue
        first = view.stages(job).start
        for stage in view.frontier(job):
            stages.append(stage)
            stage_job.append(len(graphs))
            stage_at.append(stage - first)
        offered = 0
        if job == view.source_job:
            own, offered = len(graphs), view.offered
        used.append(view.held(job) - offered)
        graphs.append(graph)
    if not stages:
        return None
    return Observation(
        tuple(graphs),
        _job_rows(view, graphs, used=used, own=own),
        tuple(used),
        tuple(stages),
        np.array(stage_job),
        np.array(stage_at),
        view.executors,
    )


def _job_rows(view: AbstractDagView, graphs: Sequence[JobGraph], *, used: Sequence[int], own: int) -> FloatArray:
    count, executors = len(graphs), view.executors
    facts = np.array([(g.work_ms, g.path_ms, g.tasks, g.shape.growth, g.shape.work_ms) for g in graphs])
    work, path, held = facts[:, 0], facts[:, 1], np.array(used, dtype=float)
    rows = np.zeros((count, len(JOB_FEATURES)))
    if own >= 0:
        rows[own, 0] = 1.0
    rows[:, 1] = held / executors
    rows[:, 2] = np.log1p(held * (count / executors))
    rows[:, 3] = view.offered / executors
    rows[:, 4] = view.active / executors
    rows[:, 5:7] = np.clip(0.5 * np.log(facts[:, :2] / facts[:, :2].mean(axis=0)), -2.5, 2.5)
    rows[:, 7] = path / (path + work / executors)
    rows[:, 8] = np.log1p(facts[:, 2] / executors)
    rows[:, 9] = facts[:, 3]
    rows[:, 10] = np.log(count) / 3.0
    rows[:, 11] = work / facts[:, 4]
    return rows


def _levels(children: Sequence[Sequence[int]]) -> tuple[IntArray, ...]:
    height = [-1] * len(children)
    open_stages = list(range(len(children)))
    while open_stages:
        later = []
        for stage in open_stages:
            below = [height[child] for child in children[stage]]
            if -1 in below:
                later.append(stage)
            else:
                height[stage] = 1 + max(below, default=-1)
        open_stages = later
    heights = np.array(height)
    return tuple(np.flatnonzero(heights == level) for level in range(1, int(heights.max()) + 1))


def _growth(job: DagJob) -> float:
    measured = [stage.waves for stage in job.stages if stage.waves is not None]
    if not measured:
        return 0.0
    few, many = (sum(float(np.mean(waves.first_ms[at] or waves.fresh_ms[at])) for waves in measured) for at in (0, -1))
    return float(np.log(many / few))
