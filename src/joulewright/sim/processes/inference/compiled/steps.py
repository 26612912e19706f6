"""Steps of a replica from beginning to end, and requests that end with one."""

from __future__ import annotations

import math
from typing import Any

from joulewright.sim.compiler import compiled, inlined
from joulewright.sim.processes.inference.arrays import (
    BUCKETS,
    DRAINING,
    FULL_SERIES,
    LEAST_S,
    ON,
    PREFILL,
    REBASE_STEPS,
    SERVED,
    STARTING,
    WHEEL,
    World,
)
from joulewright.sim.processes.inference.compiled.energy import bill, rest
from joulewright.sim.processes.inference.compiled.routing import switch_off
from joulewright.sim.processes.inference.compiled.schedule import book_chunks, chunk_sums, fill_step
from joulewright.sim.processes.inference.compiled.sequences import (
    due_step,
    into_wheel,
    leave,
    rebase,
    settle,
    settle_all,
    start_decoding,
    stop_decoding,
)
from joulewright.sim.processes.inference.compiled.step import step_kernel
from joulewright.sim.processes.inference.compiled.transfers import send


@inlined
def begin(w: World, number: int) -> bool:
    """Schedule the next step of a replica and bill it; False if the series has no room."""
    run, r = w.run[0], w.replicas[number]
    if r.now_s + run.margin_s > run.start_s + w.series.shape[0] * run.bin_s:
        run.status = FULL_SERIES
        return False
    if r.decoding == 0 or r.step - r.origin >= REBASE_STEPS:
        rebase(w, r)
    fill_step(w, number)
    engine, decodes = w.engines[r.pool], r.decoding
    context = engine.global_fraction * r.full_context + (1.0 - engine.global_fraction) * r.short_context
    tokens, kv_tokens, pairs = 0, 0.0, 0.0
    if r.chunks:
        tokens, kv_tokens, pairs = chunk_sums(w, r, number)
    every, own = float(tokens + decodes), context + 0.5 * decodes
    time_s, power_w, raw_w, ratio, shared_j = step_kernel(
        engine, every, float(r.running), context + kv_tokens, own + pairs
    )
    token_j = ratio * (shared_j / every + engine.token_j)
    decode_j = decodes * token_j + ratio * (engine.kv_token_j * context + engine.pair_j * own)
    prefill_j = tokens * token_j + ratio * (engine.kv_token_j * kv_tokens + engine.pair_j * pairs)
    r.end_s = r.now_s + time_s
    signal = bill(w, r.now_s, r.end_s, PREFILL, prefill_j, decode_j, engine.host_step_w * time_s, engine.gpus * time_s)
    if signal != r.intensity:
        settle_all(w, r)
        r.intensity = signal
    if r.chunks:
        book_chunks(w, r, number, token_j, ratio)
    r.shared += token_j + 0.5 * ratio * engine.pair_j
    r.ratio += ratio
    r.moment += ratio * (r.step - r.origin)
    r.stepping = 1
    r.steps += 1
    r.tokens += every
    r.busy_s += time_s
    r.active_j += power_w * time_s * engine.gpus
    if power_w < raw_w:
        r.clipped_s += time_s
    return True


@inlined
def bucket(w: World, value: float) -> Any:
    if value <= LEAST_S:
        return 0
    return min(int(math.log(value / LEAST_S) / w.run[0].log_growth), BUCKETS - 1)


@compiled
def end_request(w: World, at: int, now_s: float) -> None:
    """Book a request that ended, and free its slot."""
    run, q = w.run[0], w.slots[at]
    ttft, e2e = q.first_token_s - q.arrival_s, now_s - q.arrival_s
    tpot = (now_s - q.first_token_s) / (q.output - 1) if q.output > 1 else 0.0
    tenant = w.tenants[q.tenant]
    tenant.requests += 1
    tenant.timed += q.output > 1
    tenant.input += q.input
    tenant.output += q.output
    tenant.cached += q.cached
    tenant.preemptions += q.preemptions
    tenant.ttft_s += ttft
    tenant.tpot_s += tpot
    tenant.e2e_s += e2e
    tenant.prefill_j += q.prefill_j
    tenant.decode_j += q.decode_j
    tenant.carbon_g += q.carbon_g
    if ttft <= run.objective_ttft_s and tpot <= run.objective_tpot_s and e2e <= run.objective_e2e_s:
        tenant.met += 1
    if run.recording:
        row = w.rows[q.request]
        row.first_token_s, row.finish_s = q.first_token_s, now_s
        row.prefill_j, row.decode_j, row.carbon_g = q.prefill_j, q.decode_j, q.carbon_g
        row.replica, row.preemptions, row.cached, row.status = q.replica, q.preemptions, q.cached, SERVED
    else:
        w.histograms[q.tenant, 0, bucket(w, ttft)] += 1
        w.histograms[q.tenant, 1, bucket(w, tpot)] += q.output > 1
        w.histograms[q.tenant, 2, bucket(w, e2e)] += 1
    run.reserved_j -= q.reserved_j
    run.reserved_s -= q.reserved_s
    run.last_finish_s = max(run.last_finish_s, now_s)
    run.served += 1
    run.live -= 1
    q.after = run.free_slot
    run.free_slot = at


@compiled
def wheel_turn(w: World, number: int, at: int, step: int) -> None:
    """Sequences of one place of the wheel: some have their last token, the window of some is full, others go on."""
    r = w.replicas[number]
    engine = w.engines[r.pool]
    w.wheel[number, step % WHEEL] = -1
    while at >= 0:
        q = w.slots[at]
        following = q.wheel_after
        if q.joined_step + q.output - q.generated - 1 == step:
            leave(w, number, at, stop_decoding(w, number, at))
            end_request(w, at, r.now_s)
        else:
            if due_step(engine, q) == step:
                settle(w, r, at)
                q.slope, q.growing = engine.global_fraction, 0
                r.growing -= 1
            into_wheel(w, number, at)
        at = following


@compiled
def end_chunks(w: World, number: int) -> None:
    """Chunks of the step are in the cache; prompts that are complete give a token."""
    run, r = w.run[0], w.replicas[number]
    r.partial = -1
    for index in range(r.chunks):
        at = w.chunks[number, index]
        q = w.slots[at]
        q.done += q.chunk
        if q.done < q.target:
            r.partial = at
            continue
        q.generated += 1
        if q.generated == 1:
            q.first_token_s = r.now_s
        if q.generated == q.output:
            leave(w, number, at, q.target)
            end_request(w, at, r.now_s)
        elif number < run.first_decoder < run.replicas:
            leave(w, number, at, q.target)
            send(w, at, r.now_s)
        else:
            start_decoding(w, number, at)


@inlined
def complete(w: World, number: int) -> None:
    r = w.replicas[number]
    r.now_s, r.stepping = r.end_s, 0
    step = r.step
    r.step += 1
    if r.decoding:
        r.full_context += r.decoding
        r.short_context += r.growing
        at = w.wheel[number, step % WHEEL]
        if at >= 0:
            wheel_turn(w, number, at, step)
    if r.chunks:
        end_chunks(w, number)


@compiled
def advance(w: World, number: int, until_s: float) -> bool:
    """Complete steps that end by a time and begin those before it; False if the series has no room."""
    r = w.replicas[number]
    if r.state == STARTING:
        if r.ready_s > until_s:
            return True
        r.state = ON
        if r.waiting > 0:
            rest(w, r, r.ready_s)
    while True:
        if r.stepping:
            w.due_s[number] = r.end_s
            if r.end_s > until_s:
                return True
            complete(w, number)
        if r.running + r.waiting == 0:
            w.due_s[number] = math.inf
            if r.state == DRAINING:
                switch_off(w, number)
            return True
        w.due_s[number] = r.now_s
        if r.now_s >= until_s:
            return True
        if not begin(w, number):
            return False
