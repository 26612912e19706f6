"""Jobs, executors and rules as arrays of records, which the compiled loop reads and changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from joulewright.model.dag import DagCluster, DagJob
from joulewright.model.dag_table import STAGE_COLUMNS, JobTable
from joulewright.model.timeline import IntArray
from joulewright.policy.dag.rules import CompiledRule, Conditions
from joulewright.sim.processes.dag.outages import OUTAGE_EVENT

RecordArray = NDArray[np.void]

_ORDER_BITS = 27
"""Bits of a key of an event below its time, for up to 2048 executors."""

_NONE = -1


def _integers(names: str) -> list[tuple[str, str]]:
    return [(name, "i8") for name in names.split()]


STAGE = np.dtype(
    _integers(
        "job tasks first_task path_ms parents_at parents_end children_at children_end open_parents rank started done "
        "promised moving present lost fresh promise_head promise_tail measured_at measured_end chosen"
    )
)
JOB = np.dtype(
    [
        *_integers(
            "arrival_ms first_stage end_stage limit attached coming promised_here granted open_stages unstarted "
            "unstarted_ms parked_head parked_tail parked room promise_head promise_tail completion_ms"
        ),
        ("weight", "f8"),
    ]
)
EXECUTOR = np.dtype(_integers("job stage moving_to running failing task attempt row down pool before after asked"))
PROMISE = np.dtype(_integers("stage count after"))
ROW = np.dtype([("task", "i4"), ("executor", "i4"), ("start_ms", "i8"), ("finish_ms", "i8"), ("failed", "i8")])
STEP = np.dtype([("signal", "f8"), ("quota", "i8"), ("base_psi", "f8"), ("high_psi", "f8"), ("shrink", "f8")])
RUN = np.dtype(
    [
        *_integers(
            "now_ms step source offered active busy working sequence ranks deferred again moment offers_made answers "
            "deferrals events queued_ms green_quota rows round status live arrived spare leaves stamp "
            "owner_bits time_bits last_sequence last_ms begun placed until_ms outage down"
        ),
        ("seed", "u8"),
    ]
)
RULE = np.dtype(
    _integers(
        "executors moving_delay_ms warm_up_ms step_ms executors_fail job_order job_cap stage_order sampled score "
        "has_quota limit"
    )
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
    lost: IntArray
    outages: RecordArray
    rows: RecordArray


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
    tables = [job.table for job in jobs]
    first_stage = np.append(0, np.cumsum([len(job.stages) for job in jobs]))
    job_rows, task_ms = _jobs(jobs, cluster, first_stage), _joined([table.task_ms for table in tables])
    count, leaves = cluster.executors, 1 << max(1, (cluster.executors - 1).bit_length())
    workers = np.full(count, _NONE, dtype=np.int64).astype(EXECUTOR)
    for name in ("running", "failing", "attempt", "down"):
        workers[name] = 0
    workers["pool"] = len(jobs)
    workers["before"], workers["after"] = np.arange(-1, count - 1), np.append(np.arange(1, count), _NONE)
    promises = np.zeros(2 * count + 2, dtype=PROMISE)
    promises["after"] = np.append(np.arange(1, promises.size), _NONE)
    drawn_at = _begins([table.drawn_ms for table in tables])
    run = np.zeros(1, dtype=RUN)
    run["seed"], run["leaves"], run["source"] = seed, leaves, _NONE
    # A key is the time, then the order of setting out, then the executor; the order has room for several of each.
    owner_bits = leaves.bit_length() - 1
    time_bits = max(_ORDER_BITS, 2 * owner_bits + 4)
    run["owner_bits"], run["time_bits"], run["last_ms"] = owner_bits, time_bits, 1 << (63 - time_bits)
    run["last_sequence"] = (1 << (time_bits - owner_bits)) - 4 * leaves
    return World(
        run=run,
        rule=_rule(rule, cluster, step_ms),
        jobs=job_rows,
        stages=_stages(tables, first_stage),
        executors=workers,
        promises=promises,
        parents=_joined([table.parents for table in tables], first_stage),
        children=_joined([table.children for table in tables], first_stage),
        task_ms=task_ms,
        measured=_joined([table.measured for table in tables]),
        lists=np.append(0, _joined([table.ends for table in tables], drawn_at)),
        drawn_ms=_joined([table.drawn_ms for table in tables]),
        order=np.zeros(len(jobs), dtype=np.int64),
        live=np.zeros(len(jobs), dtype=np.int64),
        free=np.zeros(count, dtype=np.int64),
        keys=np.full(2 * leaves, np.iinfo(np.int64).max),
        steps=_steps(rule, conditions),
        share=np.ascontiguousarray(conditions.share),
        lost=np.zeros(task_ms.size if cluster.executors_fail else 1, dtype=np.int64),
        outages=np.zeros(0, dtype=OUTAGE_EVENT),
        rows=np.zeros(room, dtype=ROW),
    )


def _jobs(jobs: Sequence[DagJob], cluster: DagCluster, first_stage: IntArray) -> RecordArray:
    """Rows of the jobs, the pool last."""
    count, rows = cluster.executors, np.zeros(len(jobs) + 1, dtype=JOB)
    rows["first_stage"][:-1], rows["end_stage"][:-1] = first_stage[:-1], first_stage[1:]
    rows["arrival_ms"][:-1] = [job.arrival_ms for job in jobs]
    rows["limit"][:-1] = [count if job.max_executors is None else job.max_executors for job in jobs]
    rows["open_stages"][:-1] = [len(job.stages) for job in jobs]
    rows["unstarted"][:-1] = [job.table.task_ms.size for job in jobs]
    rows["unstarted_ms"][:-1] = [job.table.work_ms for job in jobs]
    rows["weight"][:-1] = [job.weight for job in jobs]
    for name in ("parked_head", "parked_tail", "promise_head", "promise_tail", "completion_ms"):
        rows[name] = _NONE
    rows[-1:][["parked_tail", "parked"]] = (count - 1, count)
    rows["parked_head"][-1] = 0
    return rows


def _stages(tables: Sequence[JobTable], first_stage: IntArray) -> RecordArray:
    """Rows of the stages of all jobs; what they point to is counted over all jobs."""
    names = STAGE.names or ()
    rows = np.zeros((int(first_stage[-1]), len(names)), dtype=np.int64)
    rows[:, [names.index(name) for name in STAGE_COLUMNS]] = np.concatenate([table.stages for table in tables])
    numbers = np.arange(len(tables))
    rows[:, names.index("job")] = np.repeat(numbers, np.diff(first_stage))
    shifts = {
        "first_task": _begins([table.task_ms for table in tables]),
        "parents_at": _begins([table.parents for table in tables]),
        "children_at": _begins([table.children for table in tables]),
        "measured_at": _begins([table.measured for table in tables]),
    }
    shifts |= {name.replace("_at", "_end"): shift for name, shift in shifts.items()}
    for name, shift in shifts.items():
        rows[:, names.index(name)] += np.repeat(shift[:-1], np.diff(first_stage))
    for name in ("rank", "lost", "promise_head", "promise_tail", "chosen"):
        rows[:, names.index(name)] = _NONE
    return rows.view(STAGE)[:, 0]


def _begins(arrays: Sequence[IntArray]) -> IntArray:
    """Where each array begins in the joined one, and its end, shape ``(N + 1,)``."""
    return np.append(0, np.cumsum([array.size for array in arrays]))


def _joined(arrays: Sequence[IntArray], shifts: IntArray | None = None) -> IntArray:
    """Arrays one behind another, with a number of each added to its items."""
    joined = np.concatenate(arrays)
    if shifts is not None:
        joined += np.repeat(shifts[: len(arrays)], [array.size for array in arrays])
    return joined


def _rule(rule: CompiledRule, cluster: DagCluster, step_ms: int) -> RecordArray:
    row = np.zeros(1, dtype=RULE)
    values: dict[str, Any] = {
        "executors": cluster.executors,
        "moving_delay_ms": cluster.moving_delay_ms,
        "warm_up_ms": cluster.warm_up_ms,
        "failure_fraction": cluster.task_failure_fraction,
        "step_ms": step_ms,
        "executors_fail": cluster.executors_fail,
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
