"""Which replica a request goes to, and which replicas are on."""

from __future__ import annotations

import math
from typing import Any

from joulewright.sim.compiler import compiled, inlined
from joulewright.sim.processes.inference.arrays import ASLEEP, CONSOLIDATE, DRAINING, ON, ROUND_ROBIN, STARTING, World
from joulewright.sim.processes.inference.compiled.energy import rest


@compiled
def least_outstanding(w: World, begin: int, end: int, state: int) -> int:
    """Replica of a state with the fewest requests, -1 if none is in it."""
    best, least = -1, 0
    for number in range(begin, end):
        r = w.replicas[number]
        if r.state == state and (best < 0 or r.running + r.waiting < least):
            best, least = number, r.running + r.waiting
    return best


@compiled
def wake(w: World, number: int, time_s: float) -> None:
    r = w.replicas[number]
    if r.state == ASLEEP:
        rest(w, r, time_s)
        r.state, r.ready_s = STARTING, time_s + w.run[0].load_s
        w.due_s[number] = r.ready_s
    elif r.state == DRAINING:
        r.state = ON


@compiled
def route(w: World, time_s: float) -> Any:
    """Replica of the first pool for a request that arrives now."""
    run = w.run[0]
    count = run.first_decoder
    if run.router == ROUND_ROBIN:
        for offset in range(count):
            number = (run.turn + offset) % count
            if w.replicas[number].state == ON:
                run.turn = number + 1
                return number
    elif run.router == CONSOLIDATE:
        for number in range(count):
            r = w.replicas[number]
            if r.state == ON and r.running + r.waiting < run.fill:
                return number
    number = least_outstanding(w, 0, count, ON)
    if number < 0:
        number = least_outstanding(w, 0, count, STARTING)
    if number < 0:
        number = max(least_outstanding(w, 0, count, DRAINING), 0)
        wake(w, number, time_s)
    return number


@inlined
def enqueue(w: World, number: int, at: int, time_s: float) -> None:
    r, q = w.replicas[number], w.slots[at]
    if r.stepping == 0 and r.running + r.waiting == 0 and r.state != STARTING:
        rest(w, r, time_s)
        w.due_s[number] = r.now_s
    q.after, q.replica = -1, number
    if r.waiting_tail >= 0:
        w.slots[r.waiting_tail].after = at
    else:
        r.waiting_head = at
    r.waiting_tail = at
    r.waiting += 1


@compiled
def wanted_replicas(w: World, time_s: float, outstanding: int) -> Any:
    """Replicas that the schedule, the queue or the rate asks for."""
    run = w.run[0]
    if w.schedule.size:
        while run.schedule_at + 1 < w.schedule.size and w.schedule_s[run.schedule_at + 1] <= time_s:
            run.schedule_at += 1
        return w.schedule[run.schedule_at]
    load = float(outstanding)
    if run.rate_weight > 0.0:
        run.rate += run.rate_weight * ((run.arrived - run.arrivals_then) / run.interval_s - run.rate)
        run.arrivals_then = run.arrived
        load = run.rate
    return max(math.ceil(load / run.per_replica), run.least_replicas)


@compiled
def control(w: World, time_s: float) -> None:
    """Switch replicas on, or off after a calm time."""
    run = w.run[0]
    on, outstanding, count = 0, 0, run.first_decoder
    for number in range(count):
        r = w.replicas[number]
        on += r.state == STARTING or r.state == ON
        outstanding += r.running + r.waiting
    wanted = min(wanted_replicas(w, time_s, outstanding), count)
    if wanted >= on:
        run.calm_s = time_s
    for state in (DRAINING, ASLEEP):
        for number in range(count):
            if on < wanted and w.replicas[number].state == state:
                wake(w, number, time_s)
                on += 1
    if time_s - run.calm_s < run.hold_s:
        return
    for number in range(count - 1, -1, -1):
        r = w.replicas[number]
        if on > wanted and r.state == ON:
            on -= 1
            if r.running + r.waiting == 0:
                rest(w, r, time_s)
                r.state = ASLEEP
            else:
                r.state = DRAINING
