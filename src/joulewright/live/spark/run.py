"""Run jobs with precedence on a real Spark under a scheduler, and read back what happened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from joulewright.io.spark_events import SparkLog, read_spark_events
from joulewright.live.spark.board import Board
from joulewright.live.spark.controller import ControlRecord, control
from joulewright.live.spark.session import Action, SparkPlant
from joulewright.model.dag import DagCluster, DagJob, DagSignal
from joulewright.policy.dag.base import AbstractDagScheduler

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class SparkOutcome:
    """What a controller did, and what Spark says happened.

    Attributes
    ----------
    record : ControlRecord
        Decisions and numbers of executors wanted.
    log : SparkLog
        The event log; its times count from when the trace began to play, so ``log.run.priced(signal)`` is the account.
    """

    record: ControlRecord
    log: SparkLog


def run_on_spark(
    jobs: Sequence[DagJob],
    signal: DagSignal,
    schedulers: Mapping[str, AbstractDagScheduler],
    action: Action,
    *,
    executors: int,
    folder: Path,
    master: str | None = None,
    settings: Mapping[str, str] | None = None,
    limit_s: float = 600.0,
    hold_s: float = 10.0,
    seed: int = 0,
) -> Mapping[str, SparkOutcome]:
    """Run jobs on Spark under one scheduler after the other, each time while the signal plays from its beginning.

    Parameters
    ----------
    jobs : sequence of DagJob
        What to run; the durations are what schedulers expect.
    signal : DagSignal
        What plays in real time: a step lasts ``step_ms``, whatever ``step_h`` it stands for.
    schedulers : mapping of str to AbstractDagScheduler
        See :func:`joulewright.policy.dag.make_dag_scheduler`; ``fifo`` does not look at the signal.
    action : callable
        Runs one stage on Spark, see :class:`~joulewright.live.spark.session.StageCall`.
    executors : int
        How many there are at most, K.
    folder : Path
        Where the event log of the one application goes; it must not hold another.
    master : str, optional
        Where Spark runs; workers inside this process, each with one core, without it.
    settings : mapping of str to str
        Further settings of Spark.
    limit_s : float
        When to give up on one scheduler [s].
    hold_s : float
        How long an executor is kept for which there is no work [s].
    seed : int
        Of the draws of the schedulers.

    Returns
    -------
    mapping of str to SparkOutcome
        Decisions and the part of the event log, by the names of the schedulers.

    Raises
    ------
    MissingExtraError
        If pyspark is not installed.
    LiveError
        If there is no Java runtime, Spark does not start or is lost, executors do not come, a stage fails, or jobs are
        left at the limit.
    """
    cluster = DagCluster(executors=executors)
    boards = {name: Board(jobs, cluster, signal, scheduler, seed=seed) for name, scheduler in schedulers.items()}
    folder.mkdir(parents=True, exist_ok=True)
    master = f"local-cluster[{executors},1,512]" if master is None else master
    records: dict[str, tuple[ControlRecord, datetime, datetime]] = {}
    with SparkPlant(jobs, action, master=master, executors=executors, folder=folder, settings=settings) as plant:
        for name, board in boards.items():
            plant.begin()
            record = control(board, plant, limit_ms=round(limit_s * 1000.0), hold_ms=round(hold_s * 1000.0))
            origin, end_ms = _EPOCH + timedelta(milliseconds=plant.began_ms), plant.now_ms()
            records[name] = (record, origin, origin + timedelta(milliseconds=end_ms))
    return {
        name: SparkOutcome(record=record, log=read_spark_events(folder, origin=origin, until=until))
        for name, (record, origin, until) in records.items()
    }
