"""What a step consists of: decodes, chunks of prompts, admission."""

from __future__ import annotations

from typing import Any

from joulewright.sim.compiler import compiled, inlined
from joulewright.sim.processes.inference.arrays import J_PER_KWH, World
from joulewright.sim.processes.inference.compiled.prefixes import cached, shared_blocks, trim
from joulewright.sim.processes.inference.compiled.sequences import preempt, start_decoding
from joulewright.sim.processes.inference.compiled.step import blocks_for, effective_tokens


@inlined
def add_chunk(w: World, number: int, at: int, budget: int) -> Any:
    r, q = w.replicas[number], w.slots[at]
    q.chunk = min(q.target - q.done, budget)
    w.chunks[number, r.chunks] = at
    r.chunks += 1
    return q.chunk


@inlined
def admit(w: World, number: int, budget: int) -> Any:
    """Admit the first waiting request if it fits; tokens of the budget that it takes, 0 if it does not."""
    run, r = w.run[0], w.replicas[number]
    at = r.waiting_head
    q = w.slots[at]
    needed = blocks_for(run, q.target + q.transferred)
    if needed > r.free_blocks and (
        run.paged == 0 or q.transferred == 1 or needed - shared_blocks(w, number, at) > r.free_blocks
    ):
        return 0
    r.waiting_head = q.after
    if q.after < 0:
        r.waiting_tail = -1
    r.waiting -= 1
    r.free_blocks -= needed
    q.before, q.after = r.tail, -1
    if r.tail >= 0:
        w.slots[r.tail].after = at
    else:
        r.head = at
    r.tail = at
    r.running += 1
    q.replica = number
    if q.transferred:
        q.transferred, q.done = 0, q.target
        start_decoding(w, number, at)
        return 1
    if q.names > 0 or run.hit_fraction > 0.0:
        q.done = cached(w, number, at)
        if q.preemptions == 0:
            q.cached = q.done
    return add_chunk(w, number, at, budget)


@inlined
def fill_step(w: World, number: int) -> None:
    """Blocks for the decodes, then chunks of running and of admitted requests within the token budget."""
    run, r = w.run[0], w.replicas[number]
    place, preempted, r.chunks = r.step % run.block_tokens, False, 0
    while w.crossing[number, place] > r.free_blocks:
        preempt(w, number)
        preempted = True
    r.free_blocks -= w.crossing[number, place]
    if run.paged:
        trim(w, number)
    budget = run.token_budget - r.decoding
    if r.partial >= 0:
        budget -= add_chunk(w, number, r.partial, budget)
    if preempted:
        return
    while r.waiting_head >= 0 and budget > 0 and r.running < run.max_sequences:
        taken = admit(w, number, budget)
        if taken == 0:
            return
        budget -= taken
        if run.paged:
            trim(w, number)


@compiled
def chunk_sums(w: World, r: Any, number: int) -> Any:
    """Tokens, tokens of context read and attention pairs of the chunks of a step."""
    engine = w.engines[r.pool]
    tokens, kv_tokens, pairs = 0, 0.0, 0.0
    for index in range(r.chunks):
        q = w.slots[w.chunks[number, index]]
        seen = effective_tokens(engine, q.done)
        tokens += q.chunk
        kv_tokens += seen
        pairs += q.chunk * (seen + 0.5 * q.chunk)
    return tokens, kv_tokens, pairs


@compiled
def book_chunks(w: World, r: Any, number: int, token_j: float, ratio: float) -> None:
    engine = w.engines[r.pool]
    for index in range(r.chunks):
        q = w.slots[w.chunks[number, index]]
        seen = effective_tokens(engine, q.done)
        pairs = q.chunk * (seen + 0.5 * q.chunk)
        used_j = q.chunk * token_j + ratio * (engine.kv_token_j * seen + engine.pair_j * pairs)
        q.prefill_j += used_j
        q.carbon_g += used_j * r.intensity / J_PER_KWH
