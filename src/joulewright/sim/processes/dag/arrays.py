"""Jobs, executors and rules as arrays of records, which the compiled loop reads and changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from joulewright.errors import ScenarioError
from joulewright.model.dag import DagCluster, DagJob
from joulewright.policy.dag.rules import CompiledRule, Conditions

IntArray = NDArray[np.int64]
RecordArray = NDArray[np.void]

ROOM_BITS = 27
"""Bits of the sequence number in a key of an event; the time has the other 36."""
LAST_TIME_MS = 1 << 36

_NONE = -1


def _integers(names: str) -> list[tuple[str, str]]:
    return [(name, "i8") for name in names.split()]


STAGE = np.dtype(
    _integers(
        "job tasks first_task path_ms parents_at parents_end children_at children_end open_parents rank started done "
        "promised moving present promise_head promise_tail measured_at measured_end chosen"
    )
)
JOB = np.dtype(
    [
        *_integers(
            "arrival_ms first_stage end_stage limit attached coming promised_here granted open_stages unstarted "
            "unstarted_ms parked_head parked_tail parked promise_head promise_tail completion_ms"
        ),
        ("weight", "f8"),
    ]
)
EXECUTOR = np.dtype(_integers("job stage moving_to running failing task attempt pool before after"))
PROMISE = np.dtype(_integers("stage count after"))
ROW = np.dtype([("task", "i4"), ("executor", "i4"), ("start_ms", "i8"), ("finish_ms", "i8"), ("failed", "i8")])
STEP = np.dtype([("signal", "f8"), ("quota", "i8"), ("base_psi", "f8"), ("high_psi", "f8"), ("shrink", "f8")])
RUN = np.dtype(
    [
        *_integers(
            "now_ms step source offered active busy working sequence ranks deferred offers_made answers deferrals "
            "events queued_ms green_quota rows round status live arrived spare leaves"
        ),
        ("seed", "u8"),
    ]
)
RULE = np.dtype(
    _integers("executors moving_delay_ms warm_up_ms step_ms job_order job_cap stage_order sampled score has_quota")
    + [(name, "f8") for name in ("temperature", "stay", "green_fraction", "gamma", "failure_fraction")]
)


class World(NamedTuple):
    """Everything the loop works on; shapes ``(J + 1,)`` with the pool last, ``(V,)``, ``(K,)`` and so on."""

    run: RecordArray
    rule: RecordArray
    jobs: RecordArray
    stages: RecordArray
    executors: RecordArray
    promises: RecordArray
    parents: IntArray
    children: IntArray
    task_ms: IntArray
    measured: IntArray
    lists: IntArray
    drawn_ms: IntArray
    order: IntArray
    live: IntArray
    free: IntArray
    keys: IntArray
    steps: RecordArray
    share: NDArray[np.float64]
    rows: RecordArray


@dataclass(frozen=True)
class _Lists:
    """What stages point to: edges, expected durations, and the lists of measured durations with where each begins."""

    parents: list[int]
    children: list[int]
    task_ms: list[int]
    measured: list[int]
    begins: list[int]
    drawn_ms: list[int]


def build_world(
    jobs: Sequence[DagJob],
    cluster: DagCluster,
    rule: CompiledRule,
    *,
    conditions: Conditions,
    step_ms: int,
    seed: int,
    room: int,
) -> World:
    """Arrays at time 0; ``room`` attempts can be recorded."""
    job_rows, stage_rows, lists = _facts(jobs, cluster)
    count, leaves = cluster.executors, 1 << max(1, (cluster.executors - 1).bit_length())
    workers = np.full(count, _NONE, dtype=np.int64).astype(EXECUTOR)
    for name in ("running", "failing", "attempt"):
        workers[name] = 0
    workers["pool"] = len(jobs)
    workers["before"], workers["after"] = np.arange(-1, count - 1), np.append(np.arange(1, count), _NONE)
    promises = np.zeros(2 * count + 2, dtype=PROMISE)
    promises["after"] = np.append(np.arange(1, promises.size), _NONE)
    run = np.zeros(1, dtype=RUN)
    run["seed"], run["leaves"], run["source"] = seed, leaves, _NONE
    return World(
        run=run,
        rule=_rule(rule, cluster, step_ms),
        jobs=job_rows,
        stages=stage_rows,
        executors=workers,
        promises=promises,
        parents=_integer_array(lists.parents),
        children=_integer_array(lists.children),
        task_ms=_integer_array(lists.task_ms),
        measured=_integer_array(lists.measured),
        lists=_integer_array(lists.begins),
        drawn_ms=_integer_array(lists.drawn_ms),
        order=np.argsort(job_rows["arrival_ms"][:-1], kind="stable"),
        live=np.zeros(len(jobs), dtype=np.int64),
        free=np.zeros(count, dtype=np.int64),
        keys=np.full(2 * leaves, np.iinfo(np.int64).max),
        steps=_steps(rule, conditions),
        share=np.ascontiguousarray(conditions.share),
        rows=np.zeros(room, dtype=ROW),
    )


def _integer_array(values: Sequence[int]) -> IntArray:
    return np.array(values, dtype=np.int64)


def _facts(jobs: Sequence[DagJob], cluster: DagCluster) -> tuple[RecordArray, RecordArray, _Lists]:
    lists = _Lists([], [], [], [], [0], [])
    job_rows: list[tuple[float, ...]] = []
    stage_rows: list[tuple[int, ...]] = []
    for number, job in enumerate(jobs):
        first = len(stage_rows)
        stage_rows += _stage_rows(number, job, first, lists)
        limit = cluster.executors if job.max_executors is None else job.max_executors
        tasks = sum(stage.tasks for stage in job.stages)
        state = (0, 0, 0, 0, len(job.stages), tasks, job.work_ms, _NONE, _NONE, 0, _NONE, _NONE, _NONE, job.weight)
        job_rows.append((job.arrival_ms, first, len(stage_rows), limit, *state))
    count = cluster.executors
    job_rows.append((0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, count - 1, count, _NONE, _NONE, _NONE, 0.0))
    if max(lists.task_ms) >= LAST_TIME_MS:
        raise ScenarioError(f"a task takes {max(lists.task_ms)} ms; the compiled loop counts to {LAST_TIME_MS} ms")
    return np.array(job_rows, dtype=JOB), np.array(stage_rows, dtype=STAGE), lists


def _stage_rows(number: int, job: DagJob, first: int, lists: _Lists) -> list[tuple[int, ...]]:
    """Rows of the stages of a job, whose first has number ``first``; what they point to is added to ``lists``."""
    rows: list[tuple[int, ...]] = []
    for stage, path_ms, above, below in zip(job.stages, job.path_ms, job.parents, job.children):
        parents_at, children_at, measured_at = len(lists.parents), len(lists.children), len(lists.measured)
        facts = (number, stage.tasks, len(lists.task_ms), path_ms)
        lists.parents.extend(first + parent for parent in above)
        lists.children.extend(first + child for child in below)
        lists.task_ms.extend(stage.task_ms)
        if stage.waves is not None:
            lists.measured.extend(stage.waves.executors)
            for measured in zip(stage.waves.fresh_ms, stage.waves.first_ms, stage.waves.rest_ms):
                for values in measured:
                    lists.drawn_ms.extend(values)
                    lists.begins.append(len(lists.drawn_ms))
        edges = (parents_at, len(lists.parents), children_at, len(lists.children), len(above))
        state = (_NONE, 0, 0, 0, 0, 0, _NONE, _NONE, measured_at, len(lists.measured), _NONE)
        rows.append((*facts, *edges, *state))
    return rows


def _rule(rule: CompiledRule, cluster: DagCluster, step_ms: int) -> RecordArray:
    row = np.zeros(1, dtype=RULE)
    values: dict[str, Any] = {
        "executors": cluster.executors,
        "moving_delay_ms": cluster.moving_delay_ms,
        "warm_up_ms": cluster.warm_up_ms,
        "failure_fraction": cluster.task_failure_fraction,
        "step_ms": step_ms,
        "has_quota": rule.quota.size > 0,
    }
    for name in RULE.names or ():
        row[name] = values[name] if name in values else getattr(rule, name)
    return row


def _steps(rule: CompiledRule, conditions: Conditions) -> RecordArray:
    steps = np.zeros(conditions.signal.size, dtype=STEP)
    steps["signal"] = conditions.signal
    for name in ("quota", "base_psi", "high_psi", "shrink"):
        values = getattr(rule, name)
        if values.size:
            steps[name] = values
    return steps
