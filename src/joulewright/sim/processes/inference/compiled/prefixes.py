"""Prefix cache: blocks in the order of their last use."""

from __future__ import annotations

from typing import Any

from joulewright.sim.compiler import compiled, inlined
from joulewright.sim.processes.inference.arrays import World


@inlined
def unchain(w: World, pool: int, block: int) -> None:
    cache = w.caches[pool]
    before, after = w.cache_before[pool, block], w.cache_after[pool, block]
    if before >= 0:
        w.cache_after[pool, before] = after
    else:
        cache.head = after
    if after >= 0:
        w.cache_before[pool, after] = before
    else:
        cache.tail = before
    w.cache_before[pool, block] = -2
    cache.count -= 1


@compiled
def touch(w: World, pool: int, block: int) -> None:
    """Put a block in front and drop the last ones beyond the size of the cache."""
    cache = w.caches[pool]
    if w.cache_before[pool, block] != -2:
        unchain(w, pool, block)
    w.cache_before[pool, block], w.cache_after[pool, block] = -1, cache.head
    if cache.head >= 0:
        w.cache_before[pool, cache.head] = block
    else:
        cache.tail = block
    cache.head = block
    cache.count += 1
    if cache.count > w.run[0].cache_blocks:
        unchain(w, pool, cache.tail)


@compiled
def cached(w: World, number: int, at: int) -> Any:
    """Tokens of a prompt that need no computing; the last one always does."""
    run, q = w.run[0], w.slots[at]
    known = int(run.hit_fraction * q.input) // run.block_tokens * run.block_tokens
    if w.hash_at.size:
        pool = 0 if run.shared_cache else number
        first, last = w.hash_at[q.request], w.hash_at[q.request + 1]
        hit = first
        while hit < last and w.cache_before[pool, w.hashes[hit]] != -2:
            hit += 1
        known = (hit - first) * run.cache_block_tokens
        # From the end, so that the beginning of a prompt is dropped last.
        for block in range(last - 1, first - 1, -1):
            touch(w, pool, w.hashes[block])
    return min(known, q.target - 1)
