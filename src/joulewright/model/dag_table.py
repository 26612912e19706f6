"""Stages of a job as arrays of numbers, for those who run it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, chain
from typing import NamedTuple

import numpy as np

from joulewright.model.dag_stage import DagStage
from joulewright.model.timeline import IntArray

STAGE_COLUMNS = (
    "tasks", "first_task", "path_ms", "parents_at", "parents_end", "children_at", "children_end", "open_parents",
    "measured_at", "measured_end",
)  # fmt: skip
"""What a row of ``JobTable.stages`` holds; positions count from the first of the job."""


class JobTable(NamedTuple):
    """A job as arrays.

    Attributes
    ----------
    stages : ndarray
        Shape ``(V, 10)``, see ``STAGE_COLUMNS``.
    parents, children : ndarray
        Positions of stages, those of the first stage first.
    task_ms : ndarray
        Durations [ms].
    measured : ndarray
        Numbers of executors of all wave tables.
    ends : ndarray
        For each of ``measured``, where its fresh, first and rest durations end in ``drawn_ms``.
    drawn_ms : ndarray
        Durations of all wave tables [ms].
    work_ms : int
        Sum of ``task_ms`` [executor-ms].
    """

    stages: IntArray
    parents: IntArray
    children: IntArray
    task_ms: IntArray
    measured: IntArray
    ends: IntArray
    drawn_ms: IntArray
    work_ms: int


def job_table(
    stages: Sequence[DagStage],
    parents: Sequence[Sequence[int]],
    children: Sequence[Sequence[int]],
    path_ms: Sequence[int],
) -> JobTable:
    """Arrays of the stages of a job, each with its parents, its children and the longest chain behind it [ms]."""
    tables = [stage.waves for stage in stages]
    measured = [() if table is None else table.executors for table in tables]
    drawn = [
        values
        for table in tables
        if table is not None
        for lists in zip(table.fresh_ms, table.first_ms, table.rest_ms)
        for values in lists
    ]
    task_ms = _joined([stage.task_ms for stage in stages])
    columns = [
        [stage.tasks for stage in stages],
        *_spans([stage.task_ms for stage in stages])[:1],
        path_ms,
        *_spans(parents),
        *_spans(children),
        [len(above) for above in parents],
        *_spans(measured),
    ]
    return JobTable(
        stages=np.array(columns, dtype=np.int64).T.copy(),
        parents=_joined(parents),
        children=_joined(children),
        task_ms=task_ms,
        measured=_joined(measured),
        ends=np.array(list(accumulate(map(len, drawn))), dtype=np.int64),
        drawn_ms=_joined(drawn),
        work_ms=int(task_ms.sum()),
    )


def _joined(lists: Sequence[Sequence[int]]) -> IntArray:
    return np.fromiter(chain.from_iterable(lists), dtype=np.int64, count=sum(map(len, lists)))


def _spans(lists: Sequence[Sequence[int]]) -> tuple[list[int], list[int]]:
    """Where each list begins and ends in the joined one."""
    ends = list(accumulate(map(len, lists)))
    return [0, *ends[:-1]], ends
