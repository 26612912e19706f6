"""Offers of executors, and the promises that answer them."""

from __future__ import annotations

from joulewright.sim.compiler import compiled, inlined
from joulewright.sim.processes.dag.arrays import World
from joulewright.sim.processes.dag.kernels.executors import fall_back, move, park, park_before, start, unpark
from joulewright.sim.processes.dag.kernels.frontier import at_limit, held, unassigned
from joulewright.sim.processes.dag.kernels.schedulers import answer, waiting
from joulewright.sim.processes.dag.state import DEFERRED


@inlined
def promise(w: World, source_stage: int, source_job: int, target: int, count: int) -> None:
    """Append a promise to those of a stage, or of a job where the stage is negative."""
    run = w.run[0]
    spare = run.spare
    entry = w.promises[spare]
    run.spare = entry.after
    entry.stage, entry.count, entry.after = target, count, -1
    if source_stage >= 0:
        stage = w.stages[source_stage]
        if stage.promise_tail >= 0:
            w.promises[stage.promise_tail].after = spare
        else:
            stage.promise_head = spare
        stage.promise_tail = spare
    else:
        job = w.jobs[source_job]
        if job.promise_tail >= 0:
            w.promises[job.promise_tail].after = spare
        else:
            job.promise_head = spare
        job.promise_tail = spare


@compiled
def work_waits(w: World) -> bool:
    """Whether a task promised to nobody could be given an executor of the present offer."""
    for index in range(w.run[0].live):
        number = w.live[index]
        if waiting(w, w.jobs[number]) and not at_limit(w, number):
            return True
    return False


@compiled
def offer(w: World, free: int, count: int, source: int) -> None:
    """Ask for ``count`` executors, of which the first ``free`` of ``w.free`` can go at once."""
    if free == 0:
        return
    run, worker = w.run[0], w.executors[w.free[0]]
    from_stage, from_job = worker.stage, worker.job
    if from_job < 0:
        from_job = w.jobs.size - 1
    run.source, run.offered = source, count
    run.active, run.busy = run.working - (count - free), run.working
    run.round += 1
    for index in range(free):
        w.executors[w.free[index]].asked = run.moment
    while run.offered > 0:
        at, amount, deferred = answer(w)
        run.answers += 1
        if at < 0:
            if deferred:
                run.deferred = 1
                run.deferrals += work_waits(w)
            # Where executors fail, work that there is not now may be lost and back before the promise is followed.
            waits = deferred or w.rule[0].executors_fail
            promise(w, from_stage, from_job, DEFERRED if waits else -1, run.offered)
            break
        stage = w.stages[at]
        job = w.jobs[stage.job]
        amount = min(amount, unassigned(stage), run.offered)
        if stage.job != source:
            if job.limit < w.rule[0].executors:
                amount = min(amount, job.limit - held(job))
            job.promised_here += amount
            job.granted += amount
        stage.chosen = run.round
        stage.promised += amount
        promise(w, from_stage, from_job, at, amount)
        run.offered -= amount
        run.active += amount
        run.busy += amount
    run.round += 1
    keep_promises(w, free, from_stage, from_job)


@compiled
def keep_promises(w: World, free: int, from_stage: int, from_job: int) -> None:
    """Let the first ``free`` executors of ``w.free`` follow promises of a stage or job."""
    for index in range(free):
        head = w.stages[from_stage].promise_head if from_stage >= 0 else w.jobs[from_job].promise_head
        if head < 0:
            return
        entry = w.promises[head]
        entry.count -= 1
        if entry.count == 0:
            after = entry.after
            entry.after = w.run[0].spare
            w.run[0].spare = head
            if from_stage >= 0:
                w.stages[from_stage].promise_head = after
                if after < 0:
                    w.stages[from_stage].promise_tail = -1
            else:
                w.jobs[from_job].promise_head = after
                if after < 0:
                    w.jobs[from_job].promise_tail = -1
        number = w.free[index]
        unpark(w, number)
        follow(w, number, entry.stage)


@inlined
def follow(w: World, number: int, target: int) -> None:
    """Let an executor follow a promise."""
    worker = w.executors[number]
    if target < 0:
        park(w, number, worker.job if worker.job >= 0 and w.jobs[worker.job].unstarted > 0 else -1)
        return
    stage = w.stages[target]
    stage.promised -= 1
    if worker.job != stage.job:
        w.jobs[stage.job].promised_here -= 1
    if stage.started == stage.tasks:
        fall_back(w, number)
    elif worker.job != stage.job:
        move(w, number, target)
    elif stage.rank >= 0:
        start(w, number, target)
    else:
        park_before(w, number, stage.job)


@compiled
def offer_parked(w: World, at: int) -> None:
    """Offer those parked in a job, or in the pool, that were not offered in this event."""
    pool, moment = w.jobs[at], w.run[0].moment
    free, number = 0, pool.parked_head
    while number >= 0:
        if w.executors[number].asked != moment:
            w.free[free] = number
            free += 1
        number = w.executors[number].after
    offer(w, free, free, at if at < w.jobs.size - 1 else -1)
