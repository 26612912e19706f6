"""Budgets: what a request can use at most, and whether its day has room for it."""

from __future__ import annotations

import math
from typing import Any

from joulewright.sim.compiler import compiled
from joulewright.sim.processes.inference.arrays import (
    DAY_S,
    J_PER_KWH,
    REFUSED_CARBON,
    REFUSED_ENERGY,
    REFUSED_GPU,
    REFUSED_TOKENS,
    SERVED,
    World,
)
from joulewright.sim.processes.inference.compiled.energy import day_of, rest
from joulewright.sim.processes.inference.compiled.step import effective_tokens, step_kernel


@compiled
def upper_bound(w: World, tokens_in: int, tokens_out: int) -> Any:
    """Energy and accelerator time that a request cannot exceed when it shares steps with others.

    Sharing a step never costs more than steps of one's own, as the time of a step is at most the sum of those of its
    parts. Chunks are at least as long as the decodes of a full engine leave, but for the first.
    """
    run, first, second = w.run[0], w.engines[0], w.engines[w.engines.size - 1]
    chunk, done, energy, busy = max(run.token_budget - run.max_sequences, 1), 0, 0.0, 0.0
    while done <= tokens_in:
        taken = max(min(chunk, tokens_in - done), 1)
        seen = effective_tokens(first, done)
        time_s, power_w, _, ratio, _ = step_kernel(first, taken, 1.0, seen, taken * (seen + 0.5 * taken))
        energy += power_w * time_s * max(1.0, 1.0 / ratio) * first.gpus + first.host_step_w * time_s
        busy += time_s * first.gpus
        done += taken
    seen = effective_tokens(second, tokens_in + tokens_out)
    time_s, power_w, _, ratio, _ = step_kernel(second, 1.0, 1.0, seen, seen + 0.5)
    energy += (tokens_out - 1) * (power_w * time_s * max(1.0, 1.0 / ratio) * second.gpus + second.host_step_w * time_s)
    return energy, busy + (tokens_out - 1) * time_s * second.gpus


@compiled
def rest_power(w: World, time_s: float) -> Any:
    """Most power of all replicas without work [W], after billing rest up to now."""
    power = 0.0
    for number in range(w.run[0].replicas):
        r = w.replicas[number]
        if r.stepping == 0:
            rest(w, r, time_s)
        engine, pool = w.engines[r.pool], w.pools[r.pool]
        power += max(engine.rest_w + engine.host_rest_w, pool.load_w, pool.off_w)
    return power


@compiled
def carbon_of_rest(w: World, power_w: float, begin_s: float, end_s: float) -> float:
    """Carbon of a constant power [g]."""
    step_s = w.run[0].bins_per_intensity * w.run[0].bin_s
    first, last = int(begin_s / step_s), math.ceil(end_s / step_s)
    total = 0.0
    for number in range(first, last):
        share = min(end_s, (number + 1) * step_s) - max(begin_s, number * step_s)
        total += share * w.intensity[min(number, w.intensity.size - 1)]
    return total * power_w / J_PER_KWH


@compiled
def refusal(w: World, time_s: float, tokens_in: int, tokens_out: int) -> int:
    """Why a request cannot be admitted within the budgets of its day and of the next, or that it can."""
    run = w.run[0]
    number = day_of(w, time_s)
    day, end_s = w.days[number], run.midnight_s + number * DAY_S
    if day.tokens + tokens_in + tokens_out > run.limit_tokens:
        return REFUSED_TOKENS
    most_j, most_s = upper_bound(w, tokens_in, tokens_out)
    flight_j, flight_s = run.reserved_j + most_j, run.reserved_s + most_s
    if day.gpu_s + flight_s > run.limit_gpu_s:
        return REFUSED_GPU
    # Replicas rest at most until the span ends and what is in flight then has ended, one after the other.
    power, last_s = rest_power(w, time_s), run.span_end_s + flight_s
    today_s, next_s = min(end_s, last_s), max(min(end_s + DAY_S, last_s), end_s)
    if max(day.energy_j + power * max(today_s - time_s, 0.0), power * (next_s - end_s)) + flight_j > run.limit_j:
        return REFUSED_ENERGY
    if run.limit_g < math.inf:
        today_g = day.carbon_g + carbon_of_rest(w, power, time_s, today_s)
        flight_g = flight_j * run.worst_intensity / J_PER_KWH
        if max(today_g, carbon_of_rest(w, power, end_s, next_s)) + flight_g > run.limit_g:
            return REFUSED_CARBON
    return SERVED


@compiled
def reserve(w: World, q: Any, time_s: float) -> None:
    """Book the tokens of an admitted request on its day, and what it can use at most until it ends."""
    run = w.run[0]
    w.days[day_of(w, time_s)].tokens += q.input + q.output
    q.reserved_j, q.reserved_s = upper_bound(w, q.input, q.output)
    run.reserved_j += q.reserved_j
    run.reserved_s += q.reserved_s
