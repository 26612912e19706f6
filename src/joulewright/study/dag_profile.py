"""How a run used its executors over time, in pieces that a picture can show however many tasks there were."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from joulewright.model.dag import DagSignal
from joulewright.model.timeline import FloatArray, IntArray
from joulewright.policy.dag import AbstractDagScheduler
from joulewright.policy.dag.base import RunFacts
from joulewright.sim.processes.dag.result import DagRun, busy_per_step
from joulewright.sim.processes.dag.simulate import dag_conditions

MOST_PIECES = 480
_LEAST_EXECUTORS = 1e-9


@dataclass(frozen=True, kw_only=True, eq=False)
class ExecutorProfile:
    """Mean use of the executors in pieces of equal length.

    Attributes
    ----------
    piece_ms : int
        Length of a piece [ms of the run]; a whole part or a multiple of a step of the signal.
    piece_h : float
        What it stands for in the signal [h].
    by_job : ndarray
        Executors with tasks of each job, shape ``(J, P)``.
    held_back : ndarray
        Executors without a task while tasks could have started, at most as many as those tasks, shape ``(P,)``:
        moving, parked, refused by a quota or deferred.
    signal : ndarray
        Mean signal, shape ``(P,)``.
    quota : ndarray or None
        Most active executors that the scheduler allowed, where that follows from the signal alone, shape ``(P,)``.
    """

    piece_ms: int
    piece_h: float
    by_job: FloatArray
    held_back: FloatArray
    signal: FloatArray
    quota: FloatArray | None = None


def executor_profile(run: DagRun, scheduler: AbstractDagScheduler | None = None) -> ExecutorProfile:
    """Mean use of the executors of a run, in at most :data:`MOST_PIECES` pieces.

    Parameters
    ----------
    run : DagRun
        Shape ``(R,)`` attempts of ``J`` jobs.
    scheduler : AbstractDagScheduler, optional
        What decided, for its quota.
    """
    signal = run.signal
    piece_ms = _piece(signal.step_ms, run.makespan_ms)
    pieces = -(-run.makespan_ms // piece_ms)
    grid = DagSignal(step_ms=piece_ms, values=np.zeros(pieces))
    owners, waits = _owners(run), _waits(run)
    by_job = np.array(
        [busy_per_step(run.start_ms[owners == job], run.finish_ms[owners == job], grid) for job in range(len(run.jobs))]
    ) / float(piece_ms)
    waiting = busy_per_step(*waits, grid) / float(piece_ms)
    idle = np.clip(run.cluster.executors - by_job.sum(axis=0), 0.0, None)
    held_back = np.minimum(waiting, idle)
    held_back[held_back < _LEAST_EXECUTORS] = 0.0
    quota = None if scheduler is None else _quota(run, scheduler)
    return ExecutorProfile(
        piece_ms=piece_ms,
        piece_h=piece_ms / signal.step_ms * signal.step_h,
        by_job=by_job,
        held_back=held_back,
        signal=_pieces(signal.values, signal.step_ms, piece_ms, pieces),
        quota=None if quota is None else _pieces(quota, signal.step_ms, piece_ms, pieces),
    )


def _piece(step_ms: int, length_ms: int) -> int:
    """Length of a piece [ms]: several steps, or the smallest whole part of one that leaves few enough pieces.

    Examples
    --------
    >>> _piece(60_000, 600_000), _piece(60_000, 60_000_000), _piece(7, 7), _piece(3_600_000, 7000)
    (1250, 180000, 1, 15)
    """
    if length_ms > MOST_PIECES * step_ms:
        return step_ms * -(-length_ms // (MOST_PIECES * step_ms))
    part = max(1, min(step_ms, MOST_PIECES * step_ms // length_ms))
    while step_ms % part:
        part -= 1
    return step_ms // part


def _pieces(values: FloatArray, step_ms: int, piece_ms: int, pieces: int) -> FloatArray:
    """Mean of a series in each piece, shape ``(P,)``."""
    if piece_ms <= step_ms:
        part: FloatArray = values[np.arange(pieces) * piece_ms // step_ms]
        return part
    group = piece_ms // step_ms
    first = np.arange(pieces) * group
    counts = np.diff(np.append(first, min(values.size, pieces * group)))
    mean: FloatArray = np.add.reduceat(values[: pieces * group], first) / counts
    return mean


def _owners(run: DagRun) -> IntArray:
    """Job of every attempt, shape ``(R,)``."""
    tasks = [sum(stage.tasks for stage in job.stages) for job in run.jobs]
    owners: IntArray = np.repeat(np.arange(len(tasks)), tasks)[run.task]
    return owners


def _waits(run: DagRun) -> tuple[IntArray, IntArray]:
    """When each task could have started and when it did [ms], both of shape ``(N,)``."""
    count = sum(stage.tasks for job in run.jobs for stage in job.stages)
    started = np.full(count, np.iinfo(np.int64).max)
    ended = np.zeros(count, dtype=np.int64)
    np.minimum.at(started, run.task, run.start_ms)
    np.maximum.at(ended, run.task, run.finish_ms)
    ready, first = np.empty(count, dtype=np.int64), 0
    for job in run.jobs:
        bounds = first + np.cumsum([0, *(stage.tasks for stage in job.stages)])
        for position, parents in enumerate(job.parents):
            since = [job.arrival_ms, *(int(ended[bounds[p] : bounds[p + 1]].max()) for p in parents)]
            ready[bounds[position] : bounds[position + 1]] = max(since)
        first = int(bounds[-1])
    return ready, started


def _quota(run: DagRun, scheduler: AbstractDagScheduler) -> FloatArray | None:
    begun = scheduler.begun(RunFacts(jobs=run.jobs, cluster=run.cluster, signal=run.signal))
    rule = begun.compiled(dag_conditions(run.cluster, run.signal, begun))
    return None if rule is None or not rule.quota.size else rule.quota.astype(float)
