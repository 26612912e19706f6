"""When to run a job, given what each step costs and whether the job fits: exact answers for one job at a time.

All functions count in steps from now; ``cost`` and ``fits`` have shape ``(H,)``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from joulewright.model.timeline import BoolArray, FloatArray

_TOLERANCE = 1e-9


def cheapest_start(cost: FloatArray, fits: BoolArray, *, length: float, starts: int) -> tuple[int, float] | None:
    """Start in ``range(starts)`` of a run without a break that costs least, and its cost; None where it fits nowhere.

    Parameters
    ----------
    cost : FloatArray
        Cost of running through each step; steps behind the last one cost their mean and always fit.
    fits : BoolArray
        Whether the job fits.
    length : float
        Length of the run [steps]; the last step counts by the part used.
    starts : int
        Starts allowed; the earliest of equally cheap ones is taken.

    Examples
    --------
    >>> cheapest_start(np.array([5.0, 1.0, 3.0, 9.0]), np.ones(4, dtype=bool), length=1.5, starts=3)  # 1 + 3 / 2
    (1, 2.5)
    """
    whole = math.floor(length + _TOLERANCE)
    part = max(0.0, length - whole)
    covered = whole + (part > _TOLERANCE)
    starts = min(starts, cost.size)
    if starts < 1:
        return None
    behind = np.full(covered, float(cost.mean()))
    summed = np.concatenate(([0.0], np.cumsum(np.concatenate((cost, behind)))))
    missing = np.concatenate(([0], np.cumsum(np.concatenate((~fits, np.zeros(covered, dtype=bool))))))
    begin = np.arange(starts)
    total = summed[begin + whole] - summed[begin]
    if covered > whole:
        total = total + part * (summed[begin + covered] - summed[begin + whole])
    total = np.where(missing[begin + covered] > missing[begin], np.inf, total)
    least = float(total.min())
    if not math.isfinite(least):
        return None
    # Differences of sums carry rounding: what differs by no more counts as equal.
    equal = least + _TOLERANCE * float(np.abs(cost).max(initial=0.0)) * covered
    best = int(np.argmax(total <= equal))
    return best, float(total[best])


def earliest_runs(fits: BoolArray, *, work: int, shortest: int, held: int) -> BoolArray | None:
    """Steps in which a job runs that always runs when it fits, or None if it does not end.

    Parameters
    ----------
    fits : BoolArray
        Whether the job fits.
    work : int
        Steps to run.
    shortest : int
        Least steps of a run; a run that ends the job may be shorter.
    held : int
        Steps that the job must run first in any case, because its run is younger than ``shortest``.

    Examples
    --------
    >>> fits = np.array([True, False, True, True, True])
    >>> earliest_runs(fits, work=2, shortest=2, held=0).astype(int)
    array([0, 0, 1, 1, 0])
    """
    if work > fits.size:
        return None
    mask = np.zeros(fits.size, dtype=bool)
    mask[: min(held, work)] = True
    left, step = work - held, held
    running = held > 0
    while left > 0 and step < fits.size:
        needed = 1 if running else min(shortest, left)
        running = step + needed <= fits.size and bool(fits[step : step + needed].all())
        if running:
            mask[step : step + needed] = True
            left -= needed
        step += needed if running else 1
    return mask if left <= 0 else None


def cheapest_runs(
    cost: FloatArray, fits: BoolArray, *, work: int, shortest: int, held: int | None, restart_cost: float
) -> BoolArray | None:
    """Steps in which a pausable job runs at least cost, or None if it cannot end.

    Parameters
    ----------
    cost, fits : array
        Cost of running through each step, and whether the job fits.
    work : int
        Steps to run.
    shortest : int
        Least steps of a run; a run that ends the job may be shorter.
    held : int or None
        None if the job is off; else the steps that it must still run.
    restart_cost : float
        Cost of each begin of a run.

    Notes
    -----
    Dynamic programming backwards over (step, work left, on or off): on a step the job goes on or stops, off it waits or
    starts a run of the shortest length. The result is optimal for one job at the given costs.

    Examples
    --------
    >>> cost = np.array([5.0, 1.0, 9.0, 1.0])
    >>> cheapest_runs(cost, np.ones(4, dtype=bool), work=2, shortest=1, held=None, restart_cost=0.0).astype(int)
    array([0, 1, 0, 1])
    >>> cheapest_runs(cost, np.ones(4, dtype=bool), work=2, shortest=1, held=None, restart_cost=6.0).astype(int)
    array([1, 1, 0, 0])
    """
    if work > cost.size:
        return None
    forced = min(held or 0, work)
    on, off = _values(cost, fits, work=work, shortest=shortest, restart_cost=restart_cost)
    mask = np.zeros(cost.size, dtype=bool)
    mask[:forced] = True
    step, left, running = forced, work - forced, held is not None
    if not np.isfinite((on if running else off)[step, left]):
        return None
    while left > 0:
        if running and on[step, left] == off[step, left]:
            running = False
        if running:
            run = 1
        elif off[step, left] == off[step + 1, left]:
            step += 1
            continue
        else:
            run = min(shortest, left)
            running = True
        mask[step : step + run] = True
        step, left = step + run, left - run
    return mask


def _values(
    cost: FloatArray, fits: BoolArray, *, work: int, shortest: int, restart_cost: float
) -> tuple[FloatArray, FloatArray]:
    """Least cost to go by step and work left, while on and while off, each of shape ``(H + 1, work + 1)``."""
    steps = cost.size
    to_end, whole = _first_runs(cost, fits, shortest=min(shortest, work), restart_cost=restart_cost)
    on, off = (np.full((steps + 1, work + 1), np.inf) for _ in range(2))
    on[:, 0] = off[:, 0] = 0.0
    least = to_end.shape[1] + 1
    for step in range(steps - 1, -1, -1):
        row = off[step]
        row[1:] = off[step + 1, 1:]
        np.minimum(row[1:least], to_end[step], out=row[1:least])
        if np.isfinite(whole[step]):
            np.minimum(row[least:], whole[step] + on[step + least, : work + 1 - least], out=row[least:])
        on[step, 1:] = row[1:]
        if fits[step]:
            np.minimum(on[step, 1:], cost[step] + on[step + 1, :-1], out=on[step, 1:])
    return on, off


def _first_runs(
    cost: FloatArray, fits: BoolArray, *, shortest: int, restart_cost: float
) -> tuple[FloatArray, FloatArray]:
    """Cost of beginning in each step with a run of 1 to ``shortest - 1`` steps, and of ``shortest``; infinite where it
    does not fit. Shapes ``(H, shortest - 1)`` and ``(H,)``.
    """
    steps = cost.size
    price = np.concatenate((np.where(fits, cost, np.inf), np.full(shortest, np.inf)))
    total = np.full(steps, restart_cost)
    runs = np.empty((steps, shortest))
    for length in range(shortest):
        total = total + price[length : length + steps]
        runs[:, length] = total
    return runs[:, :-1], runs[:, -1]


def sizes_by_speed(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Upper hull of (accelerators, speed) from off: the sizes at which an elastic job gets most for the last one added.

    Examples
    --------
    >>> sizes_by_speed([(512.0, 0.28), (2048.0, 1.0), (4096.0, 1.8)])
    [(512.0, 0.28), (2048.0, 1.0), (4096.0, 1.8)]
    >>> sizes_by_speed([(4.0, 0.1), (8.0, 1.0)])
    [(8.0, 1.0)]
    """
    hull: list[tuple[float, float]] = [(0.0, 0.0)]
    for size, speed in sorted(points):
        while len(hull) > 1 and _slope(hull[-2], hull[-1]) < _slope(hull[-1], (size, speed)):
            hull.pop()
        hull.append((size, speed))
    return hull[1:]


def _slope(one: tuple[float, float], other: tuple[float, float]) -> float:
    return (other[1] - one[1]) / (other[0] - one[0])


def cheapest_sizes(
    points: Sequence[tuple[float, float]], cost: FloatArray, most: FloatArray, *, work: float
) -> FloatArray | None:
    """Accelerators of an elastic job in each step that do the work at least cost, or None if it cannot end.

    Parameters
    ----------
    points : sequence of (float, float)
        Sizes and speeds.
    cost : FloatArray
        Cost of one accelerator through each step, shape ``(H,)``.
    most : FloatArray
        Accelerators that fit in each step, shape ``(H,)``.
    work : float
        Work left, as steps at speed 1.

    Notes
    -----
    Greedy by cost per work of the next accelerators, over all steps: with concave speed no other sizes cost less, but
    for the last ones taken, which may do more than is left.

    References
    ----------
    Hanafy, Liang, Bashir, Irwin and Shenoy (2023), CarbonScaler, algorithm 1, doi:10.1145/3626788.

    Examples
    --------
    >>> points = [(1.0, 1.0), (2.0, 1.5)]
    >>> cheapest_sizes(points, np.array([1.0, 9.0, 1.0]), np.full(3, 2.0), work=3.0)  # 1.5 + 1.5, not 1 + 1 + 1
    array([2., 0., 2.])
    """
    hull = [(0.0, 0.0), *sizes_by_speed(points)]
    scores, gains, tops = [], [], []
    for one, other in pairwise(hull):
        top = np.where(one[0] > 0.0, np.clip(most, one[0], other[0]), other[0])
        share = np.where(most + _TOLERANCE >= top, (top - one[0]) / (other[0] - one[0]), 0.0)
        scores.append(cost / _slope(one, other))
        gains.append(share * (other[1] - one[1]))
        tops.append(np.where(share > 0.0, top, 0.0))
    gain = np.concatenate(gains)
    order = np.argsort(np.concatenate(scores), kind="stable")
    order = order[gain[order] > 0.0]
    done = np.cumsum(gain[order])
    count = int(np.searchsorted(done, work - _TOLERANCE)) + 1
    if count > order.size:
        return None
    sizes = np.zeros(cost.size)
    np.maximum.at(sizes, order[:count] % cost.size, np.concatenate(tops)[order[:count]])
    return sizes


def earliest_sizes(points: Sequence[tuple[float, float]], most: FloatArray, *, work: float) -> FloatArray | None:
    """Accelerators of an elastic job that always takes as many as fit, or None if it does not end.

    Examples
    --------
    >>> earliest_sizes([(1.0, 1.0), (2.0, 1.5)], np.array([2.0, 0.5, 4.0, 1.0]), work=2.5)
    array([2., 0., 2., 0.])
    """
    sizes, speeds = (np.array(values) for values in zip(*sorted(points)))
    taken = np.where(most + _TOLERANCE >= sizes[0], np.minimum(most, sizes[-1]), 0.0)
    done = np.cumsum(np.where(taken > 0.0, np.interp(taken, sizes, speeds), 0.0))
    count = int(np.searchsorted(done, work - _TOLERANCE)) + 1
    if count > done.size:
        return None
    taken[count:] = 0.0
    return taken
