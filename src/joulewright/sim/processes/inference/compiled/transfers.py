"""Transfers of caches from the prefill pool: a heap by time."""

from __future__ import annotations

from typing import Any

from joulewright.sim.compiler import compiled, inlined
from joulewright.sim.processes.inference.arrays import World


@inlined
def sooner(one: Any, other: Any) -> Any:
    return one.time_s < other.time_s or (one.time_s == other.time_s and one.order < other.order)


@inlined
def swap(one: Any, other: Any) -> None:
    one.time_s, other.time_s = other.time_s, one.time_s
    one.order, other.order = other.order, one.order
    one.slot, other.slot = other.slot, one.slot


@compiled
def send(w: World, at: int, now_s: float) -> None:
    """Send the cache of a prompt to the decode pool."""
    run, q = w.run[0], w.slots[at]
    seconds = run.transfer_latency_s + q.target * w.engines[0].cache_bytes_per_token / run.transfer_bytes_s
    place = run.transfers
    item = w.transfers[place]
    item.time_s, item.order, item.slot = now_s + seconds, run.sent, at
    run.transfers += 1
    run.sent += 1
    while place > 0 and sooner(w.transfers[place], w.transfers[(place - 1) // 2]):
        swap(w.transfers[place], w.transfers[(place - 1) // 2])
        place = (place - 1) // 2


@compiled
def received(w: World) -> Any:
    """Take the soonest transfer from the heap; its slot."""
    run = w.run[0]
    at = w.transfers[0].slot
    run.transfers -= 1
    swap(w.transfers[0], w.transfers[run.transfers])
    place = 0
    while 2 * place + 1 < run.transfers:
        below = 2 * place + 1
        if below + 1 < run.transfers and sooner(w.transfers[below + 1], w.transfers[below]):
            below += 1
        if not sooner(w.transfers[below], w.transfers[place]):
            break
        swap(w.transfers[below], w.transfers[place])
        place = below
    w.slots[at].transferred = 1
    return at
