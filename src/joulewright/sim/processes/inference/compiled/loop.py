"""The loop over arrivals, transfers and decisions."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from joulewright.physics.inference import step as engine_step
from joulewright.sim.compiler import compiled, kept, source_stamp
from joulewright.sim.processes.inference.arrays import (
    FULL_SERIES,
    FULL_SLOTS,
    REFUSED_QUEUE,
    SERVED,
    Requests,
    World,
)
from joulewright.sim.processes.inference.compiled.admission import refusal, reserve
from joulewright.sim.processes.inference.compiled.energy import rest
from joulewright.sim.processes.inference.compiled.routing import control, enqueue, quietest, route
from joulewright.sim.processes.inference.compiled.steps import advance
from joulewright.sim.processes.inference.compiled.transfers import received


@compiled
def refuse(w: World, tenant: Any, tokens: int, reason: int) -> None:
    """Book a request that is not admitted."""
    run = w.run[0]
    tenant.refused += 1
    tenant.refused_tokens += tokens
    run.refusals += 1
    if run.recording:
        row = w.rows[run.arrived]
        row.status, row.replica = reason, -1


@compiled
def names_of(w: World, requests: Requests, index: int) -> Any:
    """Where the blocks of a prompt begin, and how many can be found again: of a cache in pages full ones only."""
    run = w.run[0]
    if requests.block_at.size == 0:
        return 0, 0
    first, names = requests.block_at[index], requests.block_at[index + 1] - requests.block_at[index]
    if run.paged:
        names = min(names, requests.input_tokens[index] // run.cache_block_tokens)
    return run.name_base + first, names


@compiled
def arrive(w: World, requests: Requests, index: int) -> None:
    """Route a request, or refuse it."""
    run, time_s = w.run[0], requests.arrival_s[index]
    tokens_in, tokens_out = requests.input_tokens[index], requests.output_tokens[index]
    reason, number, most_j, most_s = SERVED, 0, 0.0, 0.0
    if run.budgeted:
        reason, most_j, most_s = refusal(w, time_s, tokens_in, tokens_out)
    name_at, names = names_of(w, requests, index)
    if reason == SERVED:
        number = route(w, time_s, name_at, names)
        if w.replicas[number].waiting >= run.waiting_limit:
            reason = REFUSED_QUEUE
    if reason != SERVED:
        refuse(w, w.tenants[requests.tenant[index]], tokens_in + tokens_out, reason)
        return
    at = run.free_slot
    q = w.slots[at]
    run.free_slot = q.after
    run.live += 1
    q.request, q.arrival_s, q.tenant = run.arrived, time_s, requests.tenant[index]
    q.input, q.output, q.target = tokens_in, tokens_out, tokens_in
    q.generated = q.done = q.cached = q.preemptions = q.transferred = 0
    q.name_at, q.names, q.held = name_at, names, 0
    q.prefill_j = q.decode_j = q.carbon_g = 0.0
    q.reserved_j, q.reserved_s = most_j, most_s
    if run.budgeted:
        reserve(w, q, time_s)
    enqueue(w, number, at, time_s)


@compiled
def advance_pool(w: World, first: int, last: int, time_s: float) -> bool:
    """Bring replicas to a time; False if the series has no room."""
    for number in range(first, last):  # noqa: SIM110 (no generators in compiled code)
        if w.due_s[number] <= time_s and not advance(w, number, time_s):
            return False
    return True


@compiled
def flow(w: World, time_s: float) -> bool:
    """Bring all replicas to a time, the prefill pool first."""
    run = w.run[0]
    first, last = run.first_decoder, run.replicas
    if not advance_pool(w, 0, first, time_s):
        return False
    while run.transfers > 0 and w.transfers[0].time_s <= time_s:
        soon_s = w.transfers[0].time_s
        if not advance_pool(w, first, last, soon_s):
            return False
        number = quietest(w, first, last, soon_s)
        enqueue(w, number, received(w), soon_s)
    return advance_pool(w, first, last, time_s)


@compiled
def reach(w: World, time_s: float) -> bool:
    """Bring everything to a time, with the decisions of autoscaling on the way; after the last request there is none.

    False if the series has no room.
    """
    run = w.run[0]
    while run.live > 0 or time_s < math.inf:
        index = 1 if w.pools[1].tick_s < w.pools[0].tick_s else 0
        pool = w.pools[index]
        if pool.tick_s == math.inf or pool.tick_s > time_s:
            break
        if pool.tick_s + run.margin_s > run.start_s + w.series.shape[0] * run.bin_s:
            run.status = FULL_SERIES
            return False
        if not flow(w, pool.tick_s):
            return False
        if run.live > 0 or time_s < math.inf:
            control(w, index, pool.tick_s)
            pool.tick_s += pool.interval_s
    return flow(w, time_s)


@compiled
def _serve(w: World, requests: Requests, end_s: float) -> None:
    run = w.run[0]
    run.status = 0
    while True:
        time_s = requests.arrival_s[run.next] if run.next < requests.arrival_s.size else end_s
        if run.next < requests.arrival_s.size and run.free_slot < 0:
            run.status = FULL_SLOTS
        if run.status or not reach(w, time_s) or time_s == end_s:
            return
        arrive(w, requests, run.next)
        run.next += 1
        run.arrived += 1


@compiled
def _close(w: World, end_s: float) -> None:
    for number in range(w.replicas.size):
        rest(w, w.replicas[number], end_s)


def _entry(stamp: int) -> Callable[[World, Requests, float, bool], None]:
    def serve(w: World, requests: Requests, end_s: float, closing: bool) -> None:
        if closing:
            _close(w, end_s)
        elif stamp:
            _serve(w, requests, end_s)

    return kept(serve)


_HERE = Path(__file__).parent
serve_kernel = _entry(source_stamp(_HERE, _HERE.parent / "arrays.py", Path(engine_step.__file__)))
"""Let requests arrive from ``run.next`` on, and with an infinite end serve them all; or bill rest up to the end.

``run.status`` tells why it stopped before that.
"""
