"""What happens at each kind of event."""

from __future__ import annotations

from joulewright.sim.compiler import compiled, inlined
from joulewright.sim.processes.dag.arrays import World
from joulewright.sim.processes.dag.durations import REST
from joulewright.sim.processes.dag.kernels.executors import attempt, fall_back, join, park, park_before, start, unpark
from joulewright.sim.processes.dag.kernels.offers import keep_promises, offer, offer_parked
from joulewright.sim.processes.dag.kernels.schedulers import green_quota
from joulewright.sim.processes.dag.state import DEFERRED


@compiled
def queue_changed(w: World) -> None:
    """Sum up the work not started, after a job arrived or ended."""
    run = w.run[0]
    run.queued_ms = 0
    for index in range(run.live):
        run.queued_ms += w.jobs[w.live[index]].unstarted_ms
    if w.rule[0].green_fraction >= 0.0:
        run.green_quota = green_quota(w)


@compiled
def arrive(w: World, offered: bool) -> None:
    """Let the next job arrive."""
    run = w.run[0]
    number = w.order[run.arrived]
    run.arrived += 1
    w.live[run.live] = number
    run.live += 1
    job = w.jobs[number]
    for at in range(job.first_stage, job.end_stage):
        if w.stages[at].open_parents == 0:
            w.stages[at].rank = run.ranks
            run.ranks += 1
    queue_changed(w)
    if offered:
        run.offers_made = 1
        offer_parked(w, w.jobs.size - 1)


@compiled
def end_job(w: World, number: int) -> None:
    """Free the executors of a job that has ended."""
    run, job = w.run[0], w.jobs[number]
    job.completion_ms = run.now_ms
    for index in range(w.executors.size):
        worker = w.executors[index]
        if worker.job == number:
            worker.job, worker.stage, worker.task = -1, -1, -1
        if worker.moving_to >= 0 and w.stages[worker.moving_to].job == number:
            worker.moving_to = -1
    while job.parked_head >= 0:
        parked = job.parked_head
        unpark(w, parked)
        join(w, parked, w.jobs.size - 1)
    job.attached = job.coming = 0
    at = 0
    while w.live[at] != number:
        at += 1
    for index in range(at + 1, run.live):
        w.live[index - 1] = w.live[index]
    run.live -= 1
    queue_changed(w)


@inlined
def stage_drained(w: World, number: int, at: int, runnable: bool) -> None:
    """An executor ended the task of a stage that has none left to start."""
    run, worker, stage = w.run[0], w.executors[number], w.stages[at]
    run.offers_made = 1
    owner, present, followed = stage.job, stage.present, stage.promise_head >= 0
    w.free[0] = number
    if followed:
        run.again |= w.promises[stage.promise_head].stage == DEFERRED
        keep_promises(w, 1, at, owner)
    if runnable:
        if not followed:
            park(w, number, owner)
        offer_parked(w, owner)
        return
    if w.jobs[owner].open_stages == 0:
        end_job(w, owner)
    if not followed:
        w.free[0] = number
        offer(w, 1, present, owner if worker.job == owner else -1)


@inlined
def task_end(w: World, number: int) -> None:
    """Handle the end of an attempt."""
    run, worker = w.run[0], w.executors[number]
    at = worker.stage
    stage = w.stages[at]
    worker.running = 0
    run.working -= 1
    run.events += 1
    if worker.failing:
        worker.attempt += 1
        attempt(w, number, stage, REST)
        return
    stage.done += 1
    runnable = False
    if stage.done == stage.tasks:
        w.jobs[stage.job].open_stages -= 1
        for edge in range(stage.children_at, stage.children_end):
            child = w.stages[w.children[edge]]
            child.open_parents -= 1
            if child.open_parents == 0:
                child.rank = run.ranks
                run.ranks += 1
                runnable = True
    if stage.started < stage.tasks:
        start(w, number, at)
    else:
        stage_drained(w, number, at, runnable)


@inlined
def executor_arrival(w: World, number: int) -> None:
    """Handle the arrival of an executor that moved."""
    run, worker = w.run[0], w.executors[number]
    target = worker.moving_to
    worker.moving_to = -1
    run.working -= 1
    run.events += 1
    if target < 0:
        fall_back(w, number)
        return
    stage = w.stages[target]
    stage.moving -= 1
    job = w.jobs[stage.job]
    job.coming -= 1
    worker.job = stage.job
    job.attached += 1
    if stage.started == stage.tasks:
        fall_back(w, number)
    elif stage.rank >= 0:
        start(w, number, target)
    else:
        park_before(w, number, stage.job)


@compiled
def offer_again(w: World) -> None:
    """Offer all idle executors, now or at the next event that brings offers."""
    run = w.run[0]
    if run.offers_made == 0:
        run.deferred = 1
        return
    offer_parked(w, w.jobs.size - 1)
    # No job arrives or ends in an offer.
    for index in range(run.live):
        offer_parked(w, w.live[index])
