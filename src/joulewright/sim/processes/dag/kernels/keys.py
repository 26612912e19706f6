"""Events in a tournament tree over executors.

An executor has one event at most; its key holds time, order of setting out and the executor, in this order.
"""

from __future__ import annotations

from joulewright.sim.compiler import compiled, inlined
from joulewright.sim.processes.dag.arrays import World

NEVER = (1 << 63) - 1
"""Key of an executor without an event."""
NEVER_MS = 1 << 62
_LONG = 3


@inlined
def set_key(w: World, number: int, key: int) -> None:
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


@inlined
def push(w: World, number: int, time: int) -> None:
    """Let an executor have an event."""
    run = w.run[0]
    if time >= run.last_ms:
        run.status = _LONG
    set_key(w, number, (time << run.time_bits) | (run.sequence << run.owner_bits) | number)
    run.sequence += 1


@compiled
def count_anew(w: World) -> None:
    """Number the orders of setting out from zero."""
    run, keys = w.run[0], w.keys
    run.sequence = 0
    while keys[1] != NEVER:
        key = keys[1]
        number = key & (run.leaves - 1)
        w.free[run.sequence] = (key >> run.time_bits << run.time_bits) | (run.sequence << run.owner_bits) | number
        run.sequence += 1
        set_key(w, number, NEVER)
    for index in range(run.sequence):
        set_key(w, w.free[index] & (run.leaves - 1), w.free[index])
