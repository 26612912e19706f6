"""Energy over time: bins of the series, days of the budget, replicas at rest."""

from __future__ import annotations

from typing import Any

from joulewright.sim.compiler import compiled, inlined
from joulewright.sim.processes.inference.arrays import ASLEEP, DAY_S, HOST, IDLE, J_PER_KWH, LOADING, World


@inlined
def intensity_at(w: World, at: int) -> Any:
    """Carbon intensity of a bin [g/kWh]."""
    if w.intensity.size == 0:
        return 0.0
    number = (at + w.run[0].first_bin) // w.run[0].bins_per_intensity
    if number >= w.intensity.size:
        w.run[0].short = 1
        number = w.intensity.size - 1
    return w.intensity[number]


@inlined
def day_of(w: World, time_s: float) -> Any:
    """Number of the day that a time lies in."""
    return min(int((time_s - w.run[0].midnight_s) / DAY_S + 1.0), w.days.size - 1)


@inlined
def enter(w: World, at: int, column: int, first_j: float, second_j: float, host_j: float, gpu_s: float) -> None:
    """Book energies of this column, the next and the host in a bin."""
    w.series[at, column] += first_j
    w.series[at, column + 1] += second_j
    w.series[at, HOST] += host_j
    run = w.run[0]
    if run.budgeted:
        day = w.days[day_of(w, (at + run.first_bin + 0.5) * run.bin_s)]
        energy = first_j + second_j + host_j
        day.energy_j += energy
        day.carbon_g += energy * intensity_at(w, at) / J_PER_KWH
        day.gpu_s += gpu_s


@compiled
def spread(
    w: World, begin_s: float, end_s: float, column: int, first: float, second: float, host: float, gpus: float
) -> float:
    """Book powers, drawn evenly, in every bin of a time; the carbon intensity summed over it [g/kWh s]."""
    run = w.run[0]
    last = w.series.shape[0] - 1
    at = min(int((begin_s - run.start_s) / run.bin_s), last)
    low, total = begin_s, 0.0
    while low < end_s:
        high = run.start_s + (at + 1) * run.bin_s
        if high > end_s or at == last:
            high = end_s
        part = max(high - low, 0.0)
        enter(w, at, column, part * first, part * second, part * host, part * gpus)
        total += part * intensity_at(w, at)
        low, at = max(high, low), min(at + 1, last)
    return total


@inlined
def bill(
    w: World, begin_s: float, end_s: float, column: int, first_j: float, second_j: float, host_j: float, gpu_s: float
) -> Any:
    """Book energies drawn evenly over a time; the mean carbon intensity of it [g/kWh]."""
    run = w.run[0]
    at = int((begin_s - run.start_s) / run.bin_s)
    if at < w.series.shape[0] and end_s <= run.start_s + (at + 1) * run.bin_s:
        enter(w, at, column, first_j, second_j, host_j, gpu_s)
        return intensity_at(w, at)
    each = 1.0 / (end_s - begin_s)
    return each * spread(w, begin_s, end_s, column, each * first_j, each * second_j, each * host_j, each * gpu_s)


@compiled
def rest(w: World, r: Any, until_s: float) -> None:
    """Bill a replica without work up to a time: off; or loading until it is ready, then idle."""
    if until_s <= r.now_s:
        return
    engine, pool = w.engines[r.pool], w.pools[r.pool]
    if r.state == ASLEEP:
        spread(w, r.now_s, until_s, LOADING, 0.0, pool.off_w, 0.0, 0.0)
    else:
        loaded_s = max(r.now_s, min(r.ready_s, until_s))
        spread(w, r.now_s, loaded_s, LOADING, pool.load_w, 0.0, 0.0, 0.0)
        spread(w, loaded_s, until_s, IDLE, engine.rest_w, 0.0, engine.host_rest_w, 0.0)
    r.now_s = until_s
