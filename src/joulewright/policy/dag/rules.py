"""Scheduling rules as numbers, which the compiled simulator follows as the schedulers do in Python."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from joulewright.model.timeline import FloatArray, IntArray


class JobOrder(IntEnum):
    """Which job is served first."""

    ARRIVAL = 0
    SHORTEST_WORK = 1
    LONGEST_PATH = 2


class JobCap(IntEnum):
    """How many executors a job may get from elsewhere."""

    GRANTED = 0
    """Whole cluster, counted over all grants of its life."""
    HELD = 1
    """Whole cluster, counted as held now."""
    FAIR = 2
    """An equal share of the cluster, rounded up."""
    WEIGHTED = 3
    """A share in proportion to its weight, rounded up."""


class StageOrder(IntEnum):
    """Which stage of a job is served first."""

    RUNNABLE = 0
    """Stages whose parents have ended, in the order they came to it, then the others in their order."""
    LONGEST_PATH = 1


class Score(IntEnum):
    """What makes a stage more probable."""

    CRITICAL_PATH = 0
    SHORT_JOB = 1


class Limit(IntEnum):
    """Most executors that a sampling scheduler lets a job have."""

    NONE = 0
    FAIR = 1
    """An equal share of the cluster, rounded up."""
    WORK = 2
    """Remaining work over the longest chain of tasks left, rounded up."""


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """What a run gives a scheduler beforehand.

    Attributes
    ----------
    executors : int
        Size of the cluster.
    signal, low, high : ndarray
        Per step, shape ``(T,)``: the signal kept within the expected bounds, and these.
    share : ndarray
        Renewable share expected at each step for it and the steps after it, shape ``(T, W)``; empty without one.
    """

    executors: int
    signal: FloatArray
    low: FloatArray
    high: FloatArray
    share: FloatArray


@dataclass(frozen=True, kw_only=True)
class CompiledRule:
    """A scheduler as numbers.

    Attributes
    ----------
    job_order, job_cap, stage_order : int
        See the enumerations; they rule unless ``sampled``.
    sampled : bool
        True to draw stages with probability proportional to ``exp(score / temperature)``.
    score, temperature, stay
        Kind of score, and what a stage of the source job gains.
    limit : int
        Most executors a job may have where ``sampled``.
    quota : ndarray
        Most active executors per step, shape ``(T,)``; empty without one.
    green_fraction : float
        Weight of the brown window in GreenHadoop; negative without it.
    base_psi, high_psi, shrink : ndarray
        Per step, shape ``(T,)``: threshold of the least important stage, of the most important one, and the factor on
        the parallelism; empty without deferral.
    gamma : float
        Carbon-awareness of the deferral.
    """

    job_order: JobOrder = JobOrder.ARRIVAL
    job_cap: JobCap = JobCap.GRANTED
    stage_order: StageOrder = StageOrder.RUNNABLE
    sampled: bool = False
    score: Score = Score.CRITICAL_PATH
    temperature: float = 1.0
    stay: float = 0.0
    limit: Limit = Limit.NONE
    quota: IntArray
    green_fraction: float = -1.0
    base_psi: FloatArray
    high_psi: FloatArray
    shrink: FloatArray
    gamma: float = 0.0
