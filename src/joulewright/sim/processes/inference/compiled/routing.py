"""Which replica a request goes to, and which replicas are on."""

from __future__ import annotations

import math
from typing import Any

from joulewright.sim.compiler import compiled, inlined
from joulewright.sim.processes.inference.arrays import (
    ASLEEP,
    CONSOLIDATE,
    DRAINING,
    ON,
    PREFIXES,
    ROUND_ROBIN,
    STARTING,
    World,
)
from joulewright.sim.processes.inference.compiled.energy import rest
from joulewright.sim.processes.inference.compiled.prefixes import forget, known_tokens


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
        r.state, r.ready_s = STARTING, time_s + w.pools[r.pool].load_s
        w.due_s[number] = r.ready_s
    elif r.state == DRAINING:
        r.state = ON


@compiled
def switch_off(w: World, number: int) -> None:
    """Switch off a replica without work that is billed up to now; what it had in its memory is lost."""
    w.replicas[number].state = ASLEEP
    forget(w, number)


@compiled
def quietest(w: World, first: int, last: int, time_s: float) -> Any:
    """Replica with the fewest requests of those that are on, or else loading; if there is none, one is woken."""
    number = least_outstanding(w, first, last, ON)
    if number < 0:
        number = least_outstanding(w, first, last, STARTING)
    if number < 0:
        number = max(least_outstanding(w, first, last, DRAINING), first)
        wake(w, number, time_s)
    return number


@compiled
def best_known(w: World, name_at: int, names: int) -> int:
    """Replica with room that knows most of a prompt, of several the one with the fewest requests; -1 if none does."""
    run = w.run[0]
    best, most, least = -1, 0, 0
    for number in range(run.first_decoder):
        r = w.replicas[number]
        load = r.running + r.waiting
        if r.state == ON and load < run.fill:
            known = known_tokens(w, number, name_at, names)
            if known > most or (known == most and best >= 0 and load < least):
                best, most, least = number, known, load
    return best


@compiled
def route(w: World, time_s: float, name_at: int, names: int) -> Any:
    """Replica of the first pool for a request that arrives now, with the blocks of its prompt."""
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
    elif run.router == PREFIXES:
        number = best_known(w, name_at, names)
        if number >= 0:
            return number
    return quietest(w, 0, count, time_s)


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
def wanted_replicas(w: World, pool: Any, decoding: bool, time_s: float, outstanding: int) -> Any:
    """Replicas of a pool that the schedule, the queue or the rate asks for."""
    run = w.run[0]
    if pool.schedule_last > 0:
        while pool.schedule_at + 1 < pool.schedule_last and w.schedule_s[pool.schedule_at + 1] <= time_s:
            pool.schedule_at += 1
        return w.schedule[pool.schedule_at]
    load = float(outstanding)
    if pool.rate_weight > 0.0:
        arrived = run.sent - run.transfers if decoding else run.arrived
        pool.rate += pool.rate_weight * ((arrived - pool.arrivals_then) / pool.interval_s - pool.rate)
        pool.arrivals_then = arrived
        load = pool.rate
    return max(math.ceil(load / pool.per_replica), pool.least_replicas)


@compiled
def control(w: World, index: int, time_s: float) -> None:
    """Switch replicas of a pool on, or off after a calm time."""
    pool = w.pools[index]
    first, last = pool.first, pool.last
    on, outstanding = 0, w.run[0].transfers if index == 1 else 0
    for number in range(first, last):
        r = w.replicas[number]
        on += r.state == STARTING or r.state == ON
        outstanding += r.running + r.waiting
    wanted = min(wanted_replicas(w, pool, index == 1, time_s, outstanding), last - first)
    if wanted >= on:
        pool.calm_s = time_s
    for state in (DRAINING, ASLEEP):
        for number in range(first, last):
            if on < wanted and w.replicas[number].state == state:
                wake(w, number, time_s)
                on += 1
    if time_s - pool.calm_s < pool.hold_s:
        return
    for number in range(last - 1, first - 1, -1):
        r = w.replicas[number]
        if on > wanted and r.state == ON:
            on -= 1
            if r.running + r.waiting == 0:
                rest(w, r, time_s)
                switch_off(w, number)
            else:
                r.state = DRAINING
