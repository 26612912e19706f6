"""What happens when an executor fails as a whole, and when it comes back."""

from __future__ import annotations

from joulewright.sim.compiler import compiled
from joulewright.sim.processes.dag.arrays import World
from joulewright.sim.processes.dag.kernels.executors import join, leave_job, leave_stage, unpark
from joulewright.sim.processes.dag.kernels.keys import NEVER, set_key
from joulewright.sim.processes.dag.kernels.offers import offer_parked


@compiled
def outage(w: World) -> None:
    """Handle the next failure or repair."""
    run = w.run[0]
    event = w.outages[run.outage]
    run.outage += 1
    number = event.executor
    if event.back:
        run.down -= 1
        w.executors[number].down = 0
        join(w, number, w.jobs.size - 1)
        run.offers_made = 1
        offer_parked(w, w.jobs.size - 1)
    else:
        run.down += 1
        _fail(w, number)
        run.again = run.offers_made = 1


@compiled
def _fail(w: World, number: int) -> None:
    """Take a failed executor out of everything it is in."""
    run, worker = w.run[0], w.executors[number]
    at, owner = worker.stage, worker.job
    if worker.pool >= 0:
        unpark(w, number)
    else:
        run.working -= 1
        set_key(w, number, NEVER)
        if worker.running:
            _lose_task(w, number)
        elif worker.moving_to >= 0:
            target = w.stages[worker.moving_to]
            target.moving -= 1
            owner = target.job
            w.jobs[owner].coming -= 1
            worker.moving_to = -1
    if owner >= 0:
        w.jobs[owner].granted = max(0, w.jobs[owner].granted - 1)
    leave_stage(w, worker)
    leave_job(w, worker)
    worker.down = 1
    if at >= 0:
        _drop_promises(w, at)


@compiled
def _lose_task(w: World, number: int) -> None:
    """Return the task of an executor to those not started, and end its attempt."""
    worker, row = w.executors[number], w.rows[w.executors[number].row]
    stage = w.stages[worker.stage]
    job = w.jobs[stage.job]
    stage.started -= 1
    w.lost[worker.task], stage.lost = stage.lost, worker.task
    job.unstarted += 1
    job.unstarted_ms += w.task_ms[worker.task]
    row.finish_ms, row.failed = w.run[0].now_ms, 1
    worker.running = 0


@compiled
def _drop_promises(w: World, at: int) -> None:
    """Drop the last promises of a stage while there are more than executors to follow them."""
    stage = w.stages[at]
    over, entry = -stage.present, stage.promise_head
    while entry >= 0:
        over += w.promises[entry].count
        entry = w.promises[entry].after
    while over > 0:
        over -= 1
        _drop_last(w, at)


@compiled
def _drop_last(w: World, at: int) -> None:
    stage, tail = w.stages[at], w.stages[at].promise_tail
    last = w.promises[tail]
    target = last.stage
    last.count -= 1
    if last.count == 0:
        before, entry = -1, stage.promise_head
        while entry != tail:
            before, entry = entry, w.promises[entry].after
        if before >= 0:
            w.promises[before].after = -1
        else:
            stage.promise_head = -1
        stage.promise_tail = before
        last.after = w.run[0].spare
        w.run[0].spare = tail
    if target >= 0:
        w.stages[target].promised -= 1
        if w.stages[target].job != stage.job:
            job = w.jobs[w.stages[target].job]
            job.promised_here -= 1
            job.granted = max(0, job.granted - 1)
