"""Compiled loops of the online rules over slots and starts; the rules and their symbols stand in the other modules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

from joulewright.model.timeline import BoolArray, FloatArray

_Function = TypeVar("_Function", bound=Callable[..., Any])


def _compiled(function: _Function) -> _Function:
    """Compile on the first call and keep the result on disk."""
    return cast(_Function, numba.njit(cache=True, nogil=True, error_model="numpy")(function))


@_compiled
def threshold_run(prices: FloatArray, idle: FloatArray, running: FloatArray, on: bool) -> BoolArray:
    """Slots in which a double-threshold rule runs; the forced tail comes before the thresholds."""
    slots, work = prices.size, idle.size
    chosen = np.zeros(slots, dtype=np.bool_)
    done = 0
    for slot in range(slots):
        if done == work:
            break
        on = slots - slot <= work - done or prices[slot] <= (running[done] if on else idle[done])
        if on:
            chosen[slot] = True
            done += 1
    return chosen


@_compiled
def threshold_costs(
    trace: FloatArray, starts: NDArray[np.int64], slots: int, idle: FloatArray, running: FloatArray, switching: float
) -> FloatArray:
    """Cost of the same rule from each start, shape ``(starts,)``."""
    work = idle.size
    costs = np.empty(starts.size)
    for index in range(starts.size):
        first = starts[index]
        must = first + slots - work
        done, slot, cost = 0, first, 0.0
        limit, on = idle[0], False
        while done < work:
            price = trace[slot]
            if price <= limit or slot - done >= must:
                if not on:
                    cost += switching
                    on = True
                cost += price
                done += 1
                if done < work:
                    limit = running[done]
            elif on:
                cost += switching
                on = False
                limit = idle[done]
            slot += 1
        costs[index] = cost + switching
    return costs


@_compiled
def conversion_run(up: FloatArray, down: FloatArray, rate: float, before: float) -> FloatArray:
    """Shares of a conversion rule; ``up`` and ``down`` are the progress at which more, or less, stops paying."""
    slots = up.size
    shares = np.zeros(slots)
    done, last = 0.0, before
    for slot in range(slots):
        left = 1.0 - done
        if left <= 1e-12:
            break
        most = min(rate, left)
        if (slots - slot - 1) * rate < left - 1e-9 * rate:
            last = most
        else:
            last = min(max(last, up[slot] - done), down[slot] - done)
            last = min(max(last, 0.0), most)
        shares[slot] = last
        done += last
    return shares


@_compiled
def conversion_costs(
    trace: FloatArray,
    starts: NDArray[np.int64],
    slots: int,
    up: FloatArray,
    down: FloatArray,
    rate: float,
    switching: float,
) -> FloatArray:
    """Cost of the same rule from each start, shape ``(starts,)``."""
    costs = np.empty(starts.size)
    slack = 1e-9 * rate
    for index in range(starts.size):
        slot = starts[index]
        stop = slot + slots
        done, last, cost = 0.0, 0.0, 0.0
        # In slots after this one the rest no longer fits unless the job runs at the full rate.
        free = stop - 1 - (1.0 - slack) / rate
        while slot < stop:
            if last == 0.0:
                while slot <= free and up[slot] <= done:
                    slot += 1
            share = min(rate, 1.0 - done)
            if slot <= free:
                share = min(max(min(max(last, up[slot] - done), down[slot] - done), 0.0), share)
            cost += trace[slot] * share + switching * abs(share - last)
            done += share
            last = share
            slot += 1
            if 1.0 - done <= 1e-12:
                break
            free = stop - 1 - (1.0 - done - slack) / rate
        costs[index] = cost + switching * last
    return costs


@_compiled
def cheapest_costs(trace: FloatArray, starts: NDArray[np.int64], slots: int, works: NDArray[np.int64]) -> FloatArray:
    """Sum of the cheapest slots of each window, shape ``(starts, works)``; the window slides with its order kept."""
    costs = np.empty((starts.size, works.size))
    window = np.empty(slots)
    held = -1
    for index in range(starts.size):
        first = starts[index]
        if first == held + 1 and held >= 0:
            old, new = trace[held], trace[first + slots - 1]
            place = np.searchsorted(window, old)
            while place > 0 and window[place - 1] > new:
                window[place] = window[place - 1]
                place -= 1
            while place < slots - 1 and window[place + 1] < new:
                window[place] = window[place + 1]
                place += 1
            window[place] = new
        elif first != held:
            window[:] = np.sort(trace[first : first + slots])
        held = first
        for column in range(works.size):
            total = 0.0
            for place in range(works[column]):
                total += window[place]
            costs[index, column] = total
    return costs


@_compiled
def pause_resume_table(prices: FloatArray, work: int, switching: float, on: bool) -> tuple[float, NDArray[np.uint8]]:
    """Least cost of ``work`` slots, and from which state (0 off, 1 on) each state was best reached."""
    slots = prices.size
    came = np.zeros((slots, work + 1, 2), dtype=np.uint8)
    off = np.full(work + 1, np.inf)
    running = np.full(work + 1, np.inf)
    if on:
        running[0] = 0.0
    else:
        off[0] = 0.0
    for slot in range(slots):
        for done in range(min(work, slot + 1), -1, -1):
            start = stay = np.inf
            if done > 0:
                start, stay = off[done - 1] + switching, running[done - 1]
            came[slot, done, 1] = stay <= start
            stop = running[done] + switching
            came[slot, done, 0] = stop < off[done]
            off[done] = min(off[done], stop)
            running[done] = min(start, stay) + prices[slot]
    return min(off[work], running[work] + switching), came
