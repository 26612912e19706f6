"""Random numbers of the compiled loop: those of :mod:`joulewright.sim.processes.dag.durations`."""

from __future__ import annotations

from typing import Any

import numpy as np

from joulewright.sim.compiler import inlined


@inlined
def mixed(number: Any) -> Any:
    """A number in which every bit depends on every bit of another."""
    number = np.uint64(number + np.uint64(0x9E3779B97F4A7C15))
    number = np.uint64((number ^ (number >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9))
    number = np.uint64((number ^ (number >> np.uint64(27))) * np.uint64(0x94D049BB133111EB))
    return number ^ (number >> np.uint64(31))


@inlined
def uniform(seed: Any, purpose: int, first: int, second: int) -> float:
    """A number in (0, 1) that belongs to a seed, a purpose and two keys."""
    number = mixed(mixed(seed) ^ np.uint64(purpose))
    number = mixed(mixed(number ^ np.uint64(first)) ^ np.uint64(second))
    return (float(number >> np.uint64(11)) + 0.5) / 9007199254740992.0
