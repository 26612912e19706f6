"""How high the signal may be while work has to be done: the level to which work fills the cheapest steps."""

from __future__ import annotations

import math
from heapq import heappop, heappush

import numpy as np

from joulewright.model.timeline import FloatArray


def water_level(prices: FloatArray, room: FloatArray, work: float) -> float:
    """Price of the dearest step that work needs when it fills the cheapest steps first.

    Parameters
    ----------
    prices, room : ndarray
        Price of each step [unit of the signal] and what it can take [executor-ms], shape ``(T,)`` each.
    work : float
        What is to be placed [executor-ms].

    Returns
    -------
    float
        Infinity if the steps cannot take the work, minus infinity if there is none.

    Examples
    --------
    >>> prices, room = np.array([5.0, 2.0, 9.0]), np.array([10.0, 10.0, 10.0])
    >>> water_level(prices, room, 10.0), water_level(prices, room, 11.0), water_level(prices, room, 31.0)
    (2.0, 5.0, inf)
    """
    if work <= 0.0:
        return -math.inf
    order = np.argsort(prices, kind="stable")
    filled = np.cumsum(room[order])
    # Rounding of the sum must not push work that fits exactly into a dearer step.
    index = int(np.searchsorted(filled, work * (1.0 - 1e-12)))
    return float(prices[order[index]]) if index < filled.size else math.inf


def room_after_reserve(prices: FloatArray, room: FloatArray, arriving: FloatArray) -> FloatArray:
    """What is left of each step once work that is expected to arrive has taken the cheapest steps it can reach.

    Parameters
    ----------
    prices, room : ndarray
        As in :func:`water_level`.
    arriving : ndarray
        Work expected to arrive in each step, which may use that step and later ones [executor-ms], shape ``(T,)``.

    Notes
    -----
    Sets of steps that work can reach are nested, so the most restricted work choosing the cheapest room first gives
    the cheapest whole. Work that finds no room is dropped.

    Examples
    --------
    >>> room_after_reserve(np.array([1.0, 3.0, 2.0]), np.full(3, 10.0), np.array([0.0, 12.0, 4.0])).tolist()
    [10.0, 4.0, 0.0]
    """
    left = room.astype(float).tolist()
    cheapest: list[tuple[float, int]] = []
    for step in range(prices.size - 1, -1, -1):
        heappush(cheapest, (float(prices[step]), step))
        wanted = float(arriving[step])
        while wanted > 0.0 and cheapest:
            other = cheapest[0][1]
            taken = min(wanted, left[other])
            left[other] -= taken
            wanted -= taken
            if left[other] <= 0.0:
                heappop(cheapest)
    return np.array(left)
