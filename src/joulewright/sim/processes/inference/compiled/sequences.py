"""Sequences of a replica: what each used, when it ends, and the order of admission."""

from __future__ import annotations

from typing import Any

from joulewright.sim.compiler import compiled, inlined
from joulewright.sim.processes.inference.arrays import J_PER_KWH, WHEEL, World
from joulewright.sim.processes.inference.compiled.prefixes import release
from joulewright.sim.processes.inference.compiled.step import blocks_for, effective_tokens


@inlined
def settle(w: World, r: Any, at: int) -> None:
    """Book on a sequence what it used since it was booked last.

    Its context grows by ``slope`` per step: running sums of the shared part, of the ratio f of actual to raw energy and
    of f times the step give its sum over any run of steps.
    """
    q, engine = w.slots[at], w.engines[r.pool]
    ratio = r.ratio - q.ratio_mark
    moment = r.moment - q.moment_mark
    contexts = (q.context - q.slope * (q.start_step - r.origin)) * ratio + q.slope * moment
    used_j = r.shared - q.shared_mark + (engine.kv_token_j + engine.pair_j) * contexts
    q.decode_j += used_j
    q.carbon_g += used_j * r.intensity / J_PER_KWH
    q.context += q.slope * (r.step - q.start_step)
    q.start_step = r.step
    q.shared_mark, q.ratio_mark, q.moment_mark = r.shared, r.ratio, r.moment


@compiled
def settle_all(w: World, r: Any) -> None:
    at = r.head
    while at >= 0:
        if w.slots[at].done == w.slots[at].target:
            settle(w, r, at)
        at = w.slots[at].after


@compiled
def rebase(w: World, r: Any) -> None:
    """Begin running sums anew, so that they stay small and differences of them exact."""
    if r.decoding:
        settle_all(w, r)
        at = r.head
        while at >= 0:
            q = w.slots[at]
            q.shared_mark = q.ratio_mark = q.moment_mark = 0.0
            at = q.after
    r.shared = r.ratio = r.moment = 0.0
    r.origin = r.step


@inlined
def due_step(engine: Any, q: Any) -> Any:
    """Step with the last token of a sequence that decodes, or the one in which its window fills if that is before."""
    last = q.joined_step + q.output - q.generated - 1
    return min(last, q.joined_step + engine.window - q.target - 1) if q.growing else last


@inlined
def into_wheel(w: World, number: int, at: int) -> None:
    r, q = w.replicas[number], w.slots[at]
    place = min(due_step(w.engines[r.pool], q), r.step + WHEEL - 1) % WHEEL
    first = w.wheel[number, place]
    q.wheel_at, q.wheel_before, q.wheel_after = place, -1, first
    if first >= 0:
        w.slots[first].wheel_before = at
    w.wheel[number, place] = at


@inlined
def out_of_wheel(w: World, number: int, at: int) -> None:
    q = w.slots[at]
    if q.wheel_before >= 0:
        w.slots[q.wheel_before].wheel_after = q.wheel_after
    else:
        w.wheel[number, q.wheel_at] = q.wheel_after
    if q.wheel_after >= 0:
        w.slots[q.wheel_after].wheel_before = q.wheel_before


@inlined
def start_decoding(w: World, number: int, at: int) -> None:
    """A sequence whose context is in the cache decodes from the coming step on."""
    run, r, q = w.run[0], w.replicas[number], w.slots[at]
    engine = w.engines[r.pool]
    q.joined_step = q.start_step = r.step
    q.context, q.slope, q.growing = effective_tokens(engine, q.target), engine.global_fraction, 0
    if q.target < engine.window:
        q.growing, q.slope = 1, 1.0
    r.decoding += 1
    r.growing += q.growing
    r.full_context += q.target
    r.short_context += min(q.target, engine.window)
    w.crossing[number, (r.step - q.target) % run.block_tokens] += 1
    q.shared_mark, q.ratio_mark, q.moment_mark = r.shared, r.ratio, r.moment
    into_wheel(w, number, at)


@inlined
def stop_decoding(w: World, number: int, at: int) -> Any:
    """Take a sequence out of the sums; the tokens that it has in the cache."""
    run, r, q = w.run[0], w.replicas[number], w.slots[at]
    settle(w, r, at)
    steps = r.step - q.joined_step
    context = q.target + steps
    q.generated += steps
    r.decoding -= 1
    r.growing -= q.growing
    r.full_context -= context
    r.short_context -= min(context, w.engines[r.pool].window)
    w.crossing[number, (q.joined_step - q.target) % run.block_tokens] -= 1
    return context


@inlined
def leave(w: World, number: int, at: int, context: int) -> None:
    """Take a sequence out of the order of admission and free its blocks."""
    r, q = w.replicas[number], w.slots[at]
    if q.before >= 0:
        w.slots[q.before].after = q.after
    else:
        r.head = q.after
    if q.after >= 0:
        w.slots[q.after].before = q.before
    else:
        r.tail = q.before
    r.running -= 1
    r.free_blocks += blocks_for(w.run[0], context)
    if q.held > 0:
        release(w, number, at)


@compiled
def preempt(w: World, number: int) -> None:
    """The sequence admitted last loses its cache and waits first in line."""
    r = w.replicas[number]
    at = r.tail
    q = w.slots[at]
    context = q.target
    if at == r.partial:
        r.partial = -1
    else:
        out_of_wheel(w, number, at)
        context = stop_decoding(w, number, at)
    leave(w, number, at, context)
    q.target, q.done = q.input + q.generated, 0
    q.preemptions += 1
    r.preemptions += 1
    q.after = r.waiting_head
    r.waiting_head = at
    if q.after < 0:
        r.waiting_tail = at
    r.waiting += 1
