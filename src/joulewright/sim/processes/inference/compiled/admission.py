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

GROUPS = 32
"""Groups of chunks of a long prompt, each bounded by the dearer one of its first and its last."""


@compiled
def most_of_step(k: Any, tokens: float, seen: float) -> Any:
    """Energy [J] and accelerator time [s] of a step with one sequence, which it cannot exceed when it shares one."""
    time_s, power_w, _, ratio, _ = step_kernel(k, tokens, 1.0, seen, tokens * (seen + 0.5 * tokens))
    return power_w * time_s * max(1.0, 1.0 / ratio) * k.gpus + k.host_step_w * time_s, time_s * k.gpus


@compiled
def upper_bound(w: World, tokens_in: int, tokens_out: int) -> Any:
    """Energy and accelerator time that a request cannot exceed when it shares steps with others.

    Sharing a step never costs more than steps of one's own, as the time of a step is at most the sum of those of its
    parts. Chunks are at least as long as the decodes of a full engine leave, but for the first.
    """
    run, first, second = w.run[0], w.engines[0], w.engines[w.engines.size - 1]
    chunk = max(run.token_budget - run.max_sequences, 1)
    chunks = tokens_in // chunk
    size = max(1, math.ceil(chunks / GROUPS))
    energy, busy = most_of_step(first, 1.0, effective_tokens(first, tokens_in))
    if tokens_in % chunk:
        more_j, more_s = most_of_step(first, tokens_in % chunk, effective_tokens(first, chunks * chunk))
        energy, busy = energy + more_j, busy + more_s
    for begin in range(0, chunks, size):
        count = min(size, chunks - begin)
        one_j, one_s = most_of_step(first, chunk, effective_tokens(first, begin * chunk))
        other_j, other_s = most_of_step(first, chunk, effective_tokens(first, (begin + count - 1) * chunk))
        energy, busy = energy + count * max(one_j, other_j), busy + count * max(one_s, other_s)
    more_j, more_s = most_of_step(second, 1.0, effective_tokens(second, tokens_in + tokens_out))
    return energy + (tokens_out - 1) * more_j, busy + (tokens_out - 1) * more_s


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
def intensity_until(w: World, time_s: float) -> Any:
    """Carbon intensity summed over time from 0 s on [g/kWh s]; after its last step that of the last."""
    step_s = w.run[0].bins_per_intensity * w.run[0].bin_s
    number = min(int(time_s / step_s), w.intensity.size - 1)
    return w.intensity_sum[number] * step_s + (time_s - number * step_s) * w.intensity[number]


@compiled
def refusal_by_energy(w: World, time_s: float, flight_j: float, flight_s: float) -> int:
    """Why what is in flight, at most that energy and that long, leaves no room for rest, or that it does.

    Replicas rest until the span ends, or what is in flight now if that is later. Days after this one matter where that
    can be in flight, or, with autoscaling, where replicas can rest that it wakes.
    """
    run, number = w.run[0], day_of(w, time_s)
    day, power = w.days[number], rest_power(w, time_s)
    begin_s, used_j, used_g = time_s, day.energy_j, day.carbon_g
    until_s = time_s + flight_s
    last_s = max(run.span_end_s, until_s)
    if run.scaled:
        # Later days have more rest than the next one only in grams.
        known_s = w.intensity.size * run.bins_per_intensity * run.bin_s if run.limit_g < math.inf else 0.0
        until_s = min(last_s, max(run.midnight_s + (number + 1) * DAY_S, known_s))
    while True:
        end_s = min(run.midnight_s + number * DAY_S, last_s)
        if used_j + power * (end_s - begin_s) + flight_j > run.limit_j:
            return REFUSED_ENERGY
        if run.limit_g < math.inf:
            used_g += power * (intensity_until(w, end_s) - intensity_until(w, begin_s)) / J_PER_KWH
            if used_g + flight_j * run.worst_intensity / J_PER_KWH > run.limit_g:
                return REFUSED_CARBON
        if end_s >= until_s:
            return SERVED
        number, begin_s, used_j, used_g = number + 1, end_s, 0.0, 0.0


@compiled
def refusal(w: World, time_s: float, tokens_in: int, tokens_out: int) -> Any:
    """Why a request cannot be admitted within the budgets, or that it can; the most energy and time it can take."""
    run, engine = w.run[0], w.engines[0]
    day = w.days[day_of(w, time_s)]
    if day.tokens + tokens_in + tokens_out > run.limit_tokens:
        return REFUSED_TOKENS, 0.0, 0.0
    if not run.bounded:
        return SERVED, 0.0, 0.0
    most_j, most_s = upper_bound(w, tokens_in, tokens_out)
    if day.gpu_s + run.reserved_s + most_s > run.limit_gpu_s:
        return REFUSED_GPU, most_j, most_s
    # What is in flight loads at the same time, is sent at the same time and then served, at worst one by one.
    flight_s = run.load_s + (run.reserved_s + most_s) / min(engine.gpus, w.engines[1].gpus)
    if run.first_decoder < run.replicas:
        sent_bytes = max(run.longest_input, tokens_in) * engine.cache_bytes_per_token
        flight_s += run.transfer_latency_s + sent_bytes / run.transfer_bytes_s
    return refusal_by_energy(w, time_s, run.reserved_j + most_j, flight_s), most_j, most_s


@compiled
def reserve(w: World, q: Any, time_s: float) -> None:
    """Book the tokens of an admitted request on its day, and what it can use at most until it ends."""
    run = w.run[0]
    w.days[day_of(w, time_s)].tokens += q.input + q.output
    run.reserved_j += q.reserved_j
    run.reserved_s += q.reserved_s
    run.longest_input = max(run.longest_input, q.input)
