"""Blocks of prompts under numbers that are small, as traces with block hashes come in."""

from __future__ import annotations

import numpy as np

from joulewright.errors import TraceError
from joulewright.model.timeline import IntArray
from joulewright.sim.processes.inference import arrays
from joulewright.sim.processes.inference.arrays import World
from joulewright.sim.processes.inference.requests import RequestTrace

_NONE = np.empty(0, dtype=np.int64)


class BlockNames:
    """Numbers of the block hashes seen so far.

    Raises
    ------
    TraceError
        If the first trace names no blocks.

    Examples
    --------
    >>> one = RequestTrace(arrival_s=[0.0], input_tokens=[8], output_tokens=[1], block_hashes=[70, 9], block_at=[0, 2],
    ...                    block_tokens=4)
    >>> BlockNames(one).number(one).tolist()
    [1, 0]
    """

    def __init__(self, first: RequestTrace) -> None:
        if first.block_hashes is None:
            raise TraceError(
                "a prefix_cache is given, but the trace names no blocks of prompts; give a trace with hash_ids, or "
                "state prefix_hit_fraction"
            )
        self.block_tokens = first.block_tokens
        self._hashes, self._numbers = _NONE, _NONE

    def __len__(self) -> int:
        return int(self._hashes.size)

    def number(self, trace: RequestTrace) -> IntArray:
        """Numbers of the blocks of a trace, shape ``(B,)``; new ones count on.

        Raises
        ------
        TraceError
            If its blocks have another length.
        """
        if trace.block_hashes is None:
            return _NONE
        if trace.block_tokens != self.block_tokens:
            raise TraceError(
                f"a trace has blocks of {trace.block_tokens} tokens, the first has {self.block_tokens}; they must agree"
            )
        new = np.setdiff1d(trace.block_hashes, self._hashes)
        hashes = np.concatenate([self._hashes, new])
        numbers = np.concatenate([self._numbers, np.arange(len(self), len(self) + new.size)])
        order = np.argsort(hashes)
        self._hashes, self._numbers = hashes[order], numbers[order]
        found: IntArray = self._numbers[np.searchsorted(self._hashes, trace.block_hashes)]
        return found


def with_names(world: World, numbers: IntArray, known: int) -> World:
    """The world with the blocks of a further trace behind those of requests in flight, and room for all known ones."""
    slots = world.slots
    live = np.ones(slots.size, dtype=bool)
    at = int(world.run["free_slot"][0])
    while at >= 0:
        live[at] = False
        at = int(slots["after"][at])
    live &= slots["names"] > 0
    begins, counts = slots["name_at"][live], slots["names"][live]
    kept = [world.hashes[begin : begin + count] for begin, count in zip(begins.tolist(), counts.tolist())]
    slots["name_at"][live] = np.cumsum(counts) - counts
    world.run["name_base"] = counts.sum()
    caches, before = world.cache_before.shape
    more = np.full((caches, known - before), arrays.ABSENT, dtype=np.int64)
    return world._replace(
        hashes=np.concatenate([*kept, numbers]),
        cache_before=np.hstack([world.cache_before, more]),
        cache_after=np.hstack([world.cache_after, more]),
    )
