"""Prefix cache: blocks in the order of their last use."""

from __future__ import annotations

from typing import Any

from joulewright.sim.compiler import compiled, inlined
from joulewright.sim.processes.inference.arrays import ABSENT, World


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
    w.cache_before[pool, block] = ABSENT
    cache.count -= 1


@inlined
def put(w: World, pool: int, block: int) -> None:
    """Put a block in front of the chain."""
    cache = w.caches[pool]
    w.cache_before[pool, block], w.cache_after[pool, block] = -1, cache.head
    if cache.head >= 0:
        w.cache_before[pool, cache.head] = block
    else:
        cache.tail = block
    cache.head = block
    cache.count += 1


@compiled
def touch(w: World, pool: int, block: int) -> None:
    """Put a block in front and drop the last one beyond the size of the store."""
    if w.cache_before[pool, block] != ABSENT:
        unchain(w, pool, block)
    put(w, pool, block)
    if w.caches[pool].count > w.run[0].cache_blocks:
        unchain(w, pool, w.caches[pool].tail)


@compiled
def forget(w: World, number: int) -> None:
    """Empty the chain of a replica that goes off."""
    if not w.run[0].shared_cache:
        while w.caches[number].count > 0:
            unchain(w, number, w.caches[number].tail)


@compiled
def trim(w: World, number: int) -> None:
    """Drop blocks for which the room that no sequence uses has become too small."""
    while w.caches[number].count * w.run[0].blocks_per_name > w.replicas[number].free_blocks:
        unchain(w, number, w.caches[number].tail)


@compiled
def shared_blocks(w: World, number: int, at: int) -> Any:
    """Blocks of the replica's cache that a request need not take, as running sequences hold them."""
    q, found = w.slots[at], 0
    for index in range(q.name_at, q.name_at + q.names):
        found += w.cache_before[number, w.hashes[index]] < ABSENT
    return found * w.run[0].blocks_per_name


@compiled
def hold(w: World, number: int, at: int) -> None:
    """Let a sequence whose room is taken hold its blocks; what others hold too is given back."""
    q, r = w.slots[at], w.replicas[number]
    for index in range(q.name_at, q.name_at + q.names):
        block = w.hashes[index]
        if w.cache_before[number, block] > ABSENT:
            unchain(w, number, block)
        elif w.cache_before[number, block] < ABSENT:
            r.free_blocks += w.run[0].blocks_per_name
        w.cache_before[number, block] -= 1
    q.held = q.names


@compiled
def release(w: World, number: int, at: int) -> None:
    """Let go of the blocks of a sequence whose room is free; from the end, as the beginning shall be dropped last."""
    q, r = w.slots[at], w.replicas[number]
    for index in range(q.name_at + q.held - 1, q.name_at - 1, -1):
        block = w.hashes[index]
        w.cache_before[number, block] += 1
        if w.cache_before[number, block] < ABSENT:
            r.free_blocks -= w.run[0].blocks_per_name
        else:
            put(w, number, block)
    q.held = 0


@compiled
def known_tokens(w: World, number: int, name_at: int, names: int) -> Any:
    """Tokens of the longest beginning of a prompt that the cache of a replica, or of all, has."""
    run = w.run[0]
    pool, hit = 0 if run.shared_cache else number, 0
    while hit < names and w.cache_before[pool, w.hashes[name_at + hit]] != ABSENT:
        hit += 1
    return hit * run.cache_block_tokens


@compiled
def cached(w: World, number: int, at: int) -> Any:
    """Tokens of a prompt that need no computing; the last one always does."""
    run, q = w.run[0], w.slots[at]
    known = int(run.hit_fraction * q.input) // run.block_tokens * run.block_tokens
    if q.names > 0:
        known = known_tokens(w, number, q.name_at, q.names)
        if run.paged:
            hold(w, number, at)
        else:
            for index in range(q.name_at + q.names - 1, q.name_at - 1, -1):
                touch(w, 0 if run.shared_cache else number, w.hashes[index])
    return min(known, q.target - 1)
