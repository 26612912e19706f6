"""What executors do: park, move, start tasks."""

from __future__ import annotations

from typing import Any

from joulewright.sim.compiler import compiled, inlined
from joulewright.sim.processes.dag.arrays import World
from joulewright.sim.processes.dag.durations import FIRST, FRESH, REST
from joulewright.sim.processes.dag.kernels.draws import uniform
from joulewright.sim.processes.dag.kernels.frontier import next_frontier, unassigned
from joulewright.sim.processes.dag.kernels.keys import push
from joulewright.sim.processes.dag.streams import DURATION, FAILURE, FAILURE_PART, MEASURED


@inlined
def leave_stage(w: World, worker: Any) -> None:
    """Take an executor off its stage."""
    if worker.stage >= 0:
        w.stages[worker.stage].present -= 1
        worker.stage = -1


@inlined
def leave_job(w: World, worker: Any) -> None:
    """Take an executor out of its job; it forgets its last task."""
    if worker.job >= 0:
        w.jobs[worker.job].attached -= 1
        worker.job = -1
    worker.task = -1


@inlined
def unpark(w: World, number: int) -> None:
    """Take an executor out of the job or pool it is parked in."""
    worker = w.executors[number]
    if worker.pool < 0:
        return
    pool = w.jobs[worker.pool]
    if worker.before >= 0:
        w.executors[worker.before].after = worker.after
    else:
        pool.parked_head = worker.after
    if worker.after >= 0:
        w.executors[worker.after].before = worker.before
    else:
        pool.parked_tail = worker.before
    pool.parked -= 1
    worker.pool = -1


@inlined
def join(w: World, number: int, at: int) -> None:
    """Park an executor in a job or the pool, behind the others."""
    worker, pool = w.executors[number], w.jobs[at]
    worker.pool, worker.before, worker.after = at, pool.parked_tail, -1
    if pool.parked_tail >= 0:
        w.executors[pool.parked_tail].after = number
    else:
        pool.parked_head = number
    pool.parked_tail = number
    pool.parked += 1


@inlined
def park(w: World, number: int, job: int) -> None:
    """Park an executor in its job, or in the pool where ``job`` is negative."""
    worker = w.executors[number]
    leave_stage(w, worker)
    if job < 0:
        leave_job(w, worker)
        job = w.jobs.size - 1
    join(w, number, job)


@inlined
def park_before(w: World, number: int, job: int) -> None:
    """Park in front of a stage whose parents have not ended; they may have lost tasks that nobody else takes."""
    w.run[0].deferred |= w.rule[0].executors_fail
    park(w, number, job)


@inlined
def move(w: World, number: int, target: int) -> None:
    """Set out for a stage of another job."""
    worker, stage, run = w.executors[number], w.stages[target], w.run[0]
    leave_stage(w, worker)
    leave_job(w, worker)
    worker.moving_to = target
    stage.moving += 1
    w.jobs[stage.job].coming += 1
    run.working += 1
    push(w, number, run.now_ms + w.rule[0].moving_delay_ms)


@compiled
def fall_back(w: World, number: int) -> None:
    """Find work for an executor without a destination."""
    worker = w.executors[number]
    if worker.job >= 0:
        job, best = w.jobs[worker.job], -1
        for at in range(job.first_stage, job.end_stage):
            stage = w.stages[at]
            if stage.rank >= 0 and unassigned(stage) > 0 and (best < 0 or stage.rank < w.stages[best].rank):
                best = at
        if best >= 0:
            start(w, number, best)
            return
    w.run[0].source = worker.job
    for index in range(w.run[0].live):
        at = next_frontier(w, w.live[index], -1)
        if at >= 0:
            move(w, number, at)
            return
    park(w, number, worker.job)


@inlined
def start(w: World, number: int, at: int) -> None:
    """Start the next task of a stage."""
    worker, stage = w.executors[number], w.stages[at]
    kind = REST
    if worker.stage != at:
        kind = FRESH if worker.task < 0 else FIRST
        leave_stage(w, worker)
        worker.stage = at
        stage.present += 1
    job = w.jobs[stage.job]
    if stage.lost >= 0:
        worker.task = stage.lost
        stage.lost = w.lost[worker.task]
    else:
        worker.task = stage.first_task + stage.fresh
        stage.fresh += 1
    worker.attempt = 0
    stage.started += 1
    job.unstarted -= 1
    job.unstarted_ms -= w.task_ms[worker.task]
    attempt(w, number, stage, kind)


@inlined
def attempt(w: World, number: int, stage: Any, kind: int) -> None:
    """Begin an attempt of the task of an executor."""
    worker, run, rule = w.executors[number], w.run[0], w.rule[0]
    task = worker.task
    duration = w.task_ms[task]
    if stage.measured_end > stage.measured_at:
        duration = drawn(w, stage, worker, kind)
    if rule.failure_fraction > 0.0:
        worker.failing = uniform(run.seed, FAILURE, task, worker.attempt) < rule.failure_fraction
        if worker.failing:
            duration = max(1, int(duration * uniform(run.seed, FAILURE_PART, task, worker.attempt)))
    worker.running = 1
    run.working += 1
    end = run.now_ms + duration
    worker.row = run.rows
    row = w.rows[run.rows]
    row.task, row.executor, row.start_ms, row.finish_ms, row.failed = task, number, run.now_ms, end, worker.failing
    run.rows += 1
    push(w, number, end)


@inlined
def drawn(w: World, stage: Any, worker: Any, kind: int) -> Any:
    """Duration of a task from the lists of its stage [ms]."""
    seed, first, last = w.run[0].seed, stage.measured_at, stage.measured_end - 1
    count, at = w.jobs[stage.job].attached, last
    if count <= w.measured[first]:
        at = first
    else:
        for upper in range(first + 1, last + 1):
            if count <= w.measured[upper]:
                low, high = w.measured[upper - 1], w.measured[upper]
                chance = uniform(seed, MEASURED, worker.task, worker.attempt)
                at = upper - 1 if chance < (high - count) / (high - low) else upper
                break
    lists = w.lists
    at *= 3
    fresh = lists[at + 1] - lists[at]
    first_count = lists[at + 2] - lists[at + 1]
    use, warm = (at + 1 if first_count else at), 0
    if kind == FRESH:
        use, warm = (at, 0) if fresh else (at + 1, 1)
    elif kind == REST and lists[at + 3] > lists[at + 2]:
        use = at + 2
    chance = uniform(seed, DURATION, worker.task, worker.attempt)
    duration = w.drawn_ms[lists[use] + int(chance * (lists[use + 1] - lists[use]))]
    return duration + warm * w.rule[0].warm_up_ms
