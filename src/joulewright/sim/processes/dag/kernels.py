"""The event model compiled: what :mod:`joulewright.sim.processes.dag.plain` does, with the same numbers.

Everything the loop calls stands in this file, because the cache on disk notices changes of this file only. Events wait
in a tournament tree over executors: an executor has one event at most, its key holds time and order of setting out.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np

from joulewright.sim.processes.dag.arrays import ROOM_BITS, World

_Function = TypeVar("_Function", bound=Callable[..., Any])

STUCK, FULL, LONG = 1, 2, 3
"""Why a loop stopped early: nothing can happen any more, no room to record, more events than keys."""

_NEVER = (1 << 63) - 1
_NEVER_MS = 1 << 62
_LAST_SEQUENCE = (1 << ROOM_BITS) - 1
_FRESH, _FIRST, _REST = 0, 1, 2
_ANSWER, _DURATION, _MEASURED, _FAILURE, _FAILURE_PART = 1, 2, 3, 4, 5


def _jit(**options: Any) -> Callable[[_Function], _Function]:
    """Compile on the first call and keep the result on disk.

    Without reference counts: nothing is created, and counting those of the arrays of a world takes most of the time.
    """
    compiler: Any = numba.njit
    return cast(
        Callable[[_Function], _Function],
        compiler(cache=True, nogil=True, error_model="numpy", _nrt=False, **options),
    )


_compiled = _jit()
_inlined = _jit(forceinline=True)
"""For what every event calls."""


@_inlined
def _mixed(number: Any) -> Any:
    number = np.uint64(number + np.uint64(0x9E3779B97F4A7C15))
    number = np.uint64((number ^ (number >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9))
    number = np.uint64((number ^ (number >> np.uint64(27))) * np.uint64(0x94D049BB133111EB))
    return number ^ (number >> np.uint64(31))


@_inlined
def _uniform(seed: Any, purpose: int, first: int, second: int) -> float:
    number = _mixed(_mixed(seed) ^ np.uint64(purpose))
    number = _mixed(_mixed(number ^ np.uint64(first)) ^ np.uint64(second))
    return (float(number >> np.uint64(11)) + 0.5) / 9007199254740992.0


@_inlined
def _set_key(w: World, number: int, key: int) -> None:
    """Enter the key of an executor and find the least one again."""
    keys = w.keys
    at = w.run[0].leaves + number
    keys[at] = key
    while at > 1:
        other = keys[at ^ 1]
        if other < key:
            key = other
        at >>= 1
        keys[at] = key


@_inlined
def _push(w: World, number: int, time: int) -> None:
    run = w.run[0]
    if run.sequence >= _LAST_SEQUENCE or time >= 1 << (63 - ROOM_BITS):
        run.status = LONG
    _set_key(w, number, (time << ROOM_BITS) | run.sequence)
    run.sequence += 1


@_inlined
def _next_executor(w: World) -> Any:
    keys, at, leaves = w.keys, 1, w.run[0].leaves
    while at < leaves:
        at <<= 1
        if keys[at] != keys[1]:
            at += 1
    return at - leaves


# Executors.


@_inlined
def _unassigned(stage: Any) -> Any:
    return stage.tasks - stage.started - stage.promised - stage.moving


@_inlined
def _leave_stage(w: World, worker: Any) -> None:
    if worker.stage >= 0:
        w.stages[worker.stage].present -= 1
        worker.stage = -1


@_compiled
def _leave_job(w: World, worker: Any) -> None:
    if worker.job >= 0:
        w.jobs[worker.job].attached -= 1
        worker.job = -1
    worker.task = -1


@_compiled
def _unpark(w: World, number: int) -> None:
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


@_compiled
def _join(w: World, number: int, at: int) -> None:
    worker, pool = w.executors[number], w.jobs[at]
    worker.pool, worker.before, worker.after = at, pool.parked_tail, -1
    if pool.parked_tail >= 0:
        w.executors[pool.parked_tail].after = number
    else:
        pool.parked_head = number
    pool.parked_tail = number
    pool.parked += 1


@_compiled
def _park(w: World, number: int, job: int) -> None:
    worker = w.executors[number]
    _leave_stage(w, worker)
    if job < 0:
        _leave_job(w, worker)
        job = w.jobs.size - 1
    _join(w, number, job)


@_compiled
def _move(w: World, number: int, target: int) -> None:
    worker, stage, run = w.executors[number], w.stages[target], w.run[0]
    _leave_stage(w, worker)
    _leave_job(w, worker)
    worker.moving_to = target
    stage.moving += 1
    w.jobs[stage.job].coming += 1
    run.working += 1
    _push(w, number, run.now_ms + w.rule[0].moving_delay_ms)


@_compiled
def _fall_back(w: World, number: int) -> None:
    worker = w.executors[number]
    if worker.job >= 0:
        job, best = w.jobs[worker.job], -1
        for at in range(job.first_stage, job.end_stage):
            stage = w.stages[at]
            if stage.rank >= 0 and _unassigned(stage) > 0 and (best < 0 or stage.rank < w.stages[best].rank):
                best = at
        if best >= 0:
            _start(w, number, best)
            return
    w.run[0].source = worker.job
    for index in range(w.run[0].live):
        at = _next_frontier(w, w.live[index], -1)
        if at >= 0:
            _move(w, number, at)
            return
    _park(w, number, worker.job)


@_inlined
def _start(w: World, number: int, at: int) -> None:
    worker, stage = w.executors[number], w.stages[at]
    kind = _REST
    if worker.stage != at:
        kind = _FRESH if worker.task < 0 else _FIRST
        _leave_stage(w, worker)
        worker.stage = at
        stage.present += 1
    job = w.jobs[stage.job]
    worker.task, worker.attempt = stage.first_task + stage.started, 0
    stage.started += 1
    job.unstarted -= 1
    job.unstarted_ms -= w.task_ms[worker.task]
    _attempt(w, number, stage, kind)


@_inlined
def _attempt(w: World, number: int, stage: Any, kind: int) -> None:
    worker, run, rule = w.executors[number], w.run[0], w.rule[0]
    task = worker.task
    duration = w.task_ms[task]
    if stage.measured_end > stage.measured_at:
        duration = _drawn(w, stage, worker, kind)
    if rule.failure_fraction > 0.0:
        worker.failing = _uniform(run.seed, _FAILURE, task, worker.attempt) < rule.failure_fraction
        if worker.failing:
            duration = max(1, int(duration * _uniform(run.seed, _FAILURE_PART, task, worker.attempt)))
    worker.running = 1
    run.working += 1
    end = run.now_ms + duration
    if run.rows < w.rows.size:
        row = w.rows[run.rows]
        row.task, row.executor, row.start_ms, row.finish_ms, row.failed = task, number, run.now_ms, end, worker.failing
        run.rows += 1
    else:
        run.status = FULL
    _push(w, number, end)


@_inlined
def _drawn(w: World, stage: Any, worker: Any, kind: int) -> Any:
    """Duration of a task from the lists of its stage [ms]."""
    seed, first, last = w.run[0].seed, stage.measured_at, stage.measured_end - 1
    count, at = w.jobs[stage.job].attached, last
    if count <= w.measured[first]:
        at = first
    else:
        for upper in range(first + 1, last + 1):
            if count <= w.measured[upper]:
                low, high = w.measured[upper - 1], w.measured[upper]
                chance = _uniform(seed, _MEASURED, worker.task, worker.attempt)
                at = upper - 1 if chance < (high - count) / (high - low) else upper
                break
    lists = w.lists
    at *= 3
    fresh = lists[at + 1] - lists[at]
    first_count = lists[at + 2] - lists[at + 1]
    use, warm = (at + 1 if first_count else at), 0
    if kind == _FRESH:
        use, warm = (at, 0) if fresh else (at + 1, 1)
    elif kind == _REST and lists[at + 3] > lists[at + 2]:
        use = at + 2
    chance = _uniform(seed, _DURATION, worker.task, worker.attempt)
    duration = w.drawn_ms[lists[use] + int(chance * (lists[use + 1] - lists[use]))]
    return duration + warm * w.rule[0].warm_up_ms


# Schedulers.


@_inlined
def _held(job: Any) -> Any:
    return job.attached + job.coming + job.promised_here


@_inlined
def _next_frontier(w: World, number: int, after: int) -> Any:
    """First stage of the frontier of a job behind ``after``; -1 if there is none."""
    job, run = w.jobs[number], w.run[0]
    if job.limit < w.rule[0].executors and number != run.source and _held(job) >= job.limit:
        return -1
    for at in range(max(job.first_stage, after + 1), job.end_stage):
        stage = w.stages[at]
        if _unassigned(stage) <= 0 or stage.chosen == run.round:
            continue
        ready = True
        for edge in range(stage.parents_at, stage.parents_end):
            if _unassigned(w.stages[w.parents[edge]]) > 0:
                ready = False
                break
        if ready:
            return at
    return -1


@_compiled
def _best_stage(w: World, number: int) -> Any:
    longest = w.rule[0].stage_order == 1
    best = at = _next_frontier(w, number, -1)
    while at >= 0:
        stage, first = w.stages[at], w.stages[best]
        if longest:
            if stage.path_ms > first.path_ms:
                best = at
        elif stage.rank >= 0 and (first.rank < 0 or stage.rank < first.rank):
            best = at
        at = _next_frontier(w, number, at)
    return best


@_compiled
def _waiting(w: World, job: Any) -> bool:
    if job.unstarted == 0:
        return False
    for at in range(job.first_stage, job.end_stage):  # noqa: SIM110
        if _unassigned(w.stages[at]) > 0:
            return True
    return False


@_compiled
def _listed(w: World) -> tuple[int, int]:
    """Stage and executors that a list scheduler answers; stage -1 for none."""
    run, rule = w.run[0], w.rule[0]
    if run.source >= 0:
        at = _best_stage(w, run.source)
        if at >= 0:
            return at, run.offered
    total = 0.0
    if rule.job_cap >= 2:
        for index in range(run.live):
            job = w.jobs[w.live[index]]
            if _waiting(w, job):
                total += job.weight if rule.job_cap == 3 else 1.0
    best, best_key, best_room = -1, math.inf, 0
    for index in range(run.live):
        job = w.jobs[w.live[index]]
        cap = rule.executors
        if rule.job_cap >= 2 and total > 0.0:
            cap = math.ceil(rule.executors * (job.weight if rule.job_cap == 3 else 1.0) / total)
        room = cap - (job.granted if rule.job_cap == 0 else _held(job))
        if room <= 0 or not _waiting(w, job):
            continue
        at = _best_stage(w, w.live[index])
        if at < 0:
            continue
        if rule.job_order == 0:
            best, best_room = at, room
            break
        key = float(job.unstarted_ms) if rule.job_order == 1 else -float(w.stages[at].path_ms)
        if key < best_key:
            best, best_key, best_room = at, key, room
    if best < 0:
        return -1, 0
    return best, max(1, min(_unassigned(w.stages[best]), best_room, run.offered))


@_compiled
def _measure(w: World, number: int, at: int) -> float:
    return float(w.stages[at].path_ms) if w.rule[0].score == 0 else float(w.jobs[number].unstarted_ms)


@_compiled
def _score(w: World, number: int, at: int, largest: float) -> float:
    rule, share = w.rule[0], _measure(w, number, at) / largest
    score = share if rule.score == 0 else 1.0 - share
    return score + rule.stay if number == w.run[0].source else score


@_compiled
def _sampled(w: World) -> tuple[int, int, float]:
    """Stage, executors and relative importance that a sampling scheduler answers; stage -1 for none."""
    run, rule = w.run[0], w.rule[0]
    largest = 0.0
    for index in range(run.live):
        at = _next_frontier(w, w.live[index], -1)
        while at >= 0:
            largest = max(largest, _measure(w, w.live[index], at))
            at = _next_frontier(w, w.live[index], at)
    best, best_key, best_score, top = -1, -math.inf, 0.0, -math.inf
    for index in range(run.live):
        at = _next_frontier(w, w.live[index], -1)
        while at >= 0:
            score = _score(w, w.live[index], at, largest)
            top = max(top, score)
            chance = _uniform(run.seed, _ANSWER, run.answers, at)
            key = score / rule.temperature - math.log(-math.log(chance))
            if key > best_key:
                best, best_key, best_score = at, key, score
            at = _next_frontier(w, w.live[index], at)
    if best < 0:
        return -1, 0, 1.0
    return best, min(_unassigned(w.stages[best]), run.offered), math.exp((best_score - top) / rule.temperature)


@_compiled
def _answer(w: World) -> tuple[int, int, bool]:
    """Stage, executors, and whether there is work that shall wait."""
    run, rule, step = w.run[0], w.rule[0], w.steps[w.run[0].step]
    room = rule.executors
    if rule.has_quota or rule.green_fraction >= 0.0:
        room = (step.quota if rule.has_quota else run.green_quota) - run.active
        if room <= 0:
            if run.busy > 0:
                return -1, 0, True
            room = 1
    if not rule.sampled:
        at, amount = _listed(w)
        return at, min(amount, room), False
    at, amount, importance = _sampled(w)
    if at >= 0 and rule.gamma > 0.0:
        rise = math.expm1(rule.gamma * importance) / math.expm1(rule.gamma)
        psi = step.base_psi + (step.high_psi - step.base_psi) * rise
        if psi < step.signal and run.busy > 0:
            return -1, 0, True
        kept = amount - min(math.ceil(amount * step.shrink), amount)
        amount = max(1, int(amount - rule.gamma * kept))
    return at, min(amount, room), False


@_compiled
def _green_quota(w: World) -> Any:
    """Quota of GreenHadoop for the work queued now."""
    run, rule = w.run[0], w.rule[0]
    work, capacity = float(run.queued_ms // rule.step_ms), float(rule.executors)
    rest = 1.0 - (run.now_ms % rule.step_ms) / rule.step_ms
    share = w.share[run.step]
    width = share.size
    while width > 1 and math.isnan(share[width - 1]):
        width -= 1
    green = brown = width
    got_green = got_brown = 0.0
    for ahead in range(width):
        part = rest if ahead == 0 else 1.0
        got_green += part * math.floor(share[ahead] * capacity)
        got_brown += part * capacity
        if green == width and got_green >= work:
            green = ahead + 1
        if brown == width and got_brown >= work:
            brown = ahead + 1
    window = max(1, math.ceil((1.0 - rule.green_fraction) * green + rule.green_fraction * brown))
    renewable = 0.0
    for ahead in range(min(window, width)):
        renewable += (rest if ahead == 0 else 1.0) * share[ahead] * capacity
    lacking = max(0.0, (work - renewable) / window)
    return min(rule.executors, max(1, int(share[0] * capacity + lacking)))


# Offers and promises.


@_compiled
def _promise(w: World, source_stage: int, source_job: int, target: int, count: int) -> None:
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


@_compiled
def _offer(w: World, free: int, count: int, source: int) -> None:
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
    while run.offered > 0:
        at, amount, deferred = _answer(w)
        run.answers += 1
        if at < 0:
            if deferred:
                run.deferred = 1
                run.deferrals += 1
            _promise(w, from_stage, from_job, -1, run.offered)
            break
        stage = w.stages[at]
        job = w.jobs[stage.job]
        amount = min(amount, _unassigned(stage), run.offered)
        if stage.job != source:
            if job.limit < w.rule[0].executors:
                amount = min(amount, job.limit - _held(job))
            job.promised_here += amount
            job.granted += amount
        stage.chosen = run.round
        stage.promised += amount
        _promise(w, from_stage, from_job, at, amount)
        run.offered -= amount
        run.active += amount
        run.busy += amount
    run.round += 1
    _keep_promises(w, free, from_stage, from_job)


@_compiled
def _keep_promises(w: World, free: int, from_stage: int, from_job: int) -> None:
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
        _unpark(w, number)
        _follow(w, number, entry.stage)


@_compiled
def _follow(w: World, number: int, target: int) -> None:
    worker = w.executors[number]
    if target < 0:
        _park(w, number, worker.job if worker.job >= 0 and w.jobs[worker.job].unstarted > 0 else -1)
        return
    stage = w.stages[target]
    stage.promised -= 1
    if worker.job != stage.job:
        w.jobs[stage.job].promised_here -= 1
    if stage.started == stage.tasks:
        _fall_back(w, number)
    elif worker.job != stage.job:
        _move(w, number, target)
    elif stage.rank >= 0:
        _start(w, number, target)
    else:
        _park(w, number, stage.job)


@_compiled
def _offer_parked(w: World, at: int) -> None:
    """Offer all that are parked in a job, or in the pool."""
    pool = w.jobs[at]
    free, number = 0, pool.parked_head
    while number >= 0:
        w.free[free] = number
        free += 1
        number = w.executors[number].after
    _offer(w, free, free, at if at < w.jobs.size - 1 else -1)


# Events.


@_compiled
def _queue_changed(w: World) -> None:
    run = w.run[0]
    run.queued_ms = 0
    for index in range(run.live):
        run.queued_ms += w.jobs[w.live[index]].unstarted_ms
    if w.rule[0].green_fraction >= 0.0:
        run.green_quota = _green_quota(w)


@_compiled
def _arrive(w: World, offer: bool) -> None:
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
    _queue_changed(w)
    if offer:
        run.offers_made = 1
        _offer_parked(w, w.jobs.size - 1)


@_compiled
def _end_job(w: World, number: int) -> None:
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
        _unpark(w, parked)
        _join(w, parked, w.jobs.size - 1)
    job.attached = job.coming = 0
    at = 0
    while w.live[at] != number:
        at += 1
    for index in range(at + 1, run.live):
        w.live[index - 1] = w.live[index]
    run.live -= 1
    _queue_changed(w)


@_compiled
def _stage_drained(w: World, number: int, at: int, runnable: bool) -> None:
    """An executor ended the task of a stage that has none left to start."""
    run, worker, stage = w.run[0], w.executors[number], w.stages[at]
    run.offers_made = 1
    owner, present, followed = stage.job, stage.present, stage.promise_head >= 0
    w.free[0] = number
    if followed:
        _keep_promises(w, 1, at, owner)
    if runnable:
        if not followed:
            _park(w, number, owner)
        _offer_parked(w, owner)
        return
    if w.jobs[owner].open_stages == 0:
        _end_job(w, owner)
    if not followed:
        w.free[0] = number
        _offer(w, 1, present, owner if worker.job == owner else -1)


@_inlined
def _task_end(w: World, number: int) -> None:
    run, worker = w.run[0], w.executors[number]
    at = worker.stage
    stage = w.stages[at]
    worker.running = 0
    run.working -= 1
    run.events += 1
    if worker.failing:
        worker.attempt += 1
        _attempt(w, number, stage, _REST)
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
        _start(w, number, at)
    else:
        _set_key(w, number, _NEVER)
        _stage_drained(w, number, at, runnable)


@_compiled
def _executor_arrival(w: World, number: int) -> None:
    run, worker = w.run[0], w.executors[number]
    target = worker.moving_to
    worker.moving_to = -1
    run.working -= 1
    run.events += 1
    _set_key(w, number, _NEVER)
    if target < 0:
        _fall_back(w, number)
        return
    stage = w.stages[target]
    stage.moving -= 1
    job = w.jobs[stage.job]
    job.coming -= 1
    worker.job = stage.job
    job.attached += 1
    if stage.started == stage.tasks:
        _fall_back(w, number)
    elif stage.rank >= 0:
        _start(w, number, target)
    else:
        _park(w, number, stage.job)


@_compiled
def _offer_again(w: World) -> None:
    run = w.run[0]
    run.deferred = 0
    _offer_parked(w, w.jobs.size - 1)
    # No job arrives or ends in an offer.
    for index in range(run.live):
        _offer_parked(w, w.live[index])


@_compiled
def dag_kernel(w: World) -> None:
    """Handle all events until every job has ended; ``w.run`` tells what became of it."""
    run, rule, last_step, jobs = w.run[0], w.rule[0], w.steps.size - 1, w.jobs.size - 1
    while run.arrived < jobs and w.jobs[w.order[run.arrived]].arrival_ms == 0:
        _arrive(w, False)
    _offer_parked(w, jobs)
    arrival = w.jobs[w.order[run.arrived]].arrival_ms if run.arrived < jobs else _NEVER_MS
    while (run.live > 0 or run.arrived < jobs) and run.status == 0:
        key = w.keys[1]
        event = key >> ROOM_BITS if key != _NEVER else _NEVER_MS
        wake = (run.now_ms // rule.step_ms + 1) * rule.step_ms if run.deferred else _NEVER_MS
        time = min(arrival, event, wake)
        if time == _NEVER_MS:
            run.status = STUCK
            return
        run.now_ms = time
        run.step = min(time // rule.step_ms, last_step)
        run.offers_made = 0
        if arrival == time:
            _arrive(w, True)
            arrival = w.jobs[w.order[run.arrived]].arrival_ms if run.arrived < jobs else _NEVER_MS
        elif wake == time:
            run.offers_made = 1
        else:
            number = _next_executor(w)
            if w.executors[number].running:
                _task_end(w, number)
            else:
                _executor_arrival(w, number)
        if run.deferred and run.offers_made:
            _offer_again(w)
