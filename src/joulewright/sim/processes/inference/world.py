"""The arrays of a run at its start, and more room in them as it goes on."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from joulewright.errors import ScenarioError
from joulewright.model.timeline import IntArray
from joulewright.sim.processes.inference import arrays
from joulewright.sim.processes.inference.arrays import RecordArray, World
from joulewright.sim.processes.inference.options import ROUTERS, Autoscaling
from joulewright.sim.processes.inference.requests import RequestTrace
from joulewright.sim.processes.inference.setup import ServingSetup

_NO_WINDOW = 1 << 60
_NO_LIMIT = 1 << 62
_SPARE_S = 1400.0


def build_world(setup: ServingSetup, trace: RequestTrace, *, recording: bool, last_arrival_s: float) -> World:
    """Arrays before the first arrival; ``recording`` keeps a row for each request of the trace.

    The last arrival of all traces is infinite where it is not known.
    """
    options, total = setup.options, sum(setup.sizes)
    run, engines = _run(setup), _engines(setup)
    pools = _pools(setup, engines)
    _set_blocks(setup, run, trace.block_tokens)
    run["recording"], run["span_end_s"] = recording, max(setup.span_s[1] or 0.0, last_arrival_s)
    caches = 1 if run["shared_cache"][0] else total
    steps = [step for rule in options.scaling if rule is not None for step in rule.schedule]
    intensity = np.empty(0) if setup.intensity is None else setup.intensity.kg_per_mwh
    world = World(
        run=run,
        engines=engines,
        pools=pools,
        replicas=_replicas(setup, pools, engines),
        due_s=np.full(total, math.inf),
        slots=np.zeros(0, dtype=arrays.SLOT),
        transfers=np.zeros(0, dtype=arrays.TRANSFER),
        wheel=np.full((total, arrays.WHEEL), -1, dtype=np.int64),
        crossing=np.zeros((total, options.block_tokens), dtype=np.int64),
        chunks=np.zeros((total, options.max_sequences), dtype=np.int64),
        series=np.zeros((0, len(arrays.COLUMNS))),
        intensity=intensity,
        intensity_sum=np.append(0.0, np.cumsum(intensity)),
        rows=np.zeros(len(trace) if recording else 0, dtype=arrays.ROW),
        tenants=np.zeros(len(trace.tenants), dtype=arrays.TENANT),
        histograms=np.zeros((0 if recording else len(trace.tenants), 3, arrays.BUCKETS), dtype=np.int64),
        days=np.zeros(0, dtype=arrays.DAY),
        schedule_s=np.array([time for time, _ in steps]),
        schedule=np.array([count for _, count in steps], dtype=np.int64),
        hashes=np.empty(0, dtype=np.int64),
        caches=np.zeros(caches, dtype=arrays.CACHE),
        cache_before=_no_blocks(caches),
        cache_after=_no_blocks(caches),
    )
    world.caches["head"] = world.caches["tail"] = -1
    return with_time(with_slots(world, 4096), max(float(trace.arrival_s[-1]), setup.span_s[1] or 0.0))


def with_slots(world: World, more: int) -> World:
    """The world with room for further requests in flight."""
    before = world.slots.size
    slots = np.zeros(before + more, dtype=arrays.SLOT)
    slots[:before] = world.slots
    slots["after"][before:] = np.append(np.arange(before + 1, before + more), world.run["free_slot"][0])
    world.run["free_slot"] = before
    transfers = np.zeros(before + more, dtype=arrays.TRANSFER)
    transfers[:before] = world.transfers
    return world._replace(slots=slots, transfers=transfers)


def with_time(world: World, until_s: float) -> World:
    """The world with a series that reaches a time and the margin behind it."""
    run = world.run[0]
    start_s, bin_s = float(run["start_s"]), float(run["bin_s"])
    bins = math.ceil((until_s - start_s + float(run["margin_s"]) + _SPARE_S) / bin_s) + 1
    missing = bins - world.series.shape[0]
    if missing <= 0:
        return world
    series = np.concatenate([world.series, np.zeros((missing, world.series.shape[1]))])
    days = np.zeros(int((start_s + bins * bin_s) / arrays.DAY_S) + 3, dtype=arrays.DAY)
    days[: world.days.size] = world.days
    return world._replace(series=series, days=days)


def _run(setup: ServingSetup) -> RecordArray:
    run = np.zeros(1, dtype=arrays.RUN)
    options, start_s = setup.options, setup.span_s[0]
    rules = [rule for rule in options.scaling if rule is not None]
    first_bin = math.floor(start_s / options.bin_s)
    values: dict[str, Any] = {
        "free_slot": -1,
        "router": ROUTERS.index(setup.router),
        "fill": options.fill_sequences or options.max_sequences,
        "first_decoder": setup.sizes[0],
        "replicas": sum(setup.sizes),
        "max_sequences": options.max_sequences,
        "token_budget": options.token_budget,
        "block_tokens": options.block_tokens,
        "bins_per_intensity": setup.bins_per_intensity,
        "waiting_limit": options.waiting_limit or _NO_LIMIT,
        "cache_blocks": _NO_LIMIT,
        "shared_cache": 1,
        "hit_fraction": options.prefix_hit_fraction,
        "bin_s": options.bin_s,
        "first_bin": first_bin,
        "start_s": first_bin * options.bin_s,
        "scaled": bool(rules),
        "load_s": sum(rule.load_s for rule in rules),
        "margin_s": setup.margin_s,
        "log_growth": math.log(arrays.GROWTH),
    }
    if setup.intensity is not None:
        values["worst_intensity"] = setup.intensity.kg_per_mwh.max()
    if options.disaggregation is not None:
        values["transfer_bytes_s"] = options.disaggregation.link_bytes_s
        values["transfer_latency_s"] = options.disaggregation.latency_s
    for name in ("ttft_s", "tpot_s", "e2e_s"):
        objective = getattr(options.objectives, name)
        values[f"objective_{name}"] = math.inf if objective is None else objective
    _set(run, values)
    if options.budget is not None:
        energy_kwh, carbon_g, tokens, gpu_h = options.budget.limits
        limits = {"limit_j": energy_kwh * arrays.J_PER_KWH, "limit_g": carbon_g, "limit_gpu_s": gpu_h * 3600.0}
        bounded = min(limits.values()) < math.inf
        _set(run, {"budgeted": 1, "bounded": bounded, **limits, "limit_tokens": tokens})
        run["midnight_s"] = options.budget.midnight_s
    return run


def _set(records: RecordArray, values: dict[str, Any], number: int = 0) -> None:
    for name, value in values.items():
        records[name][number] = value


def _set_blocks(setup: ServingSetup, run: RecordArray, name_tokens: int) -> None:
    """Room for blocks of prompts, where a prefix cache is wanted."""
    cache, block_tokens = setup.options.prefix_cache, setup.options.block_tokens
    if cache is None:
        return
    paged = cache.blocks == "free"
    if paged and name_tokens % block_tokens:
        raise ScenarioError(
            f"block_tokens is {block_tokens} and the trace names blocks of {name_tokens} tokens; to keep those in the "
            "cache of a replica it must be a divisor"
        )
    _set(
        run,
        {
            "cache_blocks": cache.blocks if isinstance(cache.blocks, int) else _NO_LIMIT,
            "shared_cache": cache.common,
            "cache_block_tokens": name_tokens,
            "paged": paged,
            "blocks_per_name": name_tokens // block_tokens,
        },
    )


def _no_blocks(caches: int) -> IntArray:
    return np.empty((caches, 0), dtype=np.int64)


def _engines(setup: ServingSetup) -> RecordArray:
    options = setup.options
    found = np.zeros(2, dtype=arrays.ENGINE)
    for number, k in enumerate(setup.engines):
        parts = k.gpus / k.stages
        values: dict[str, float] = {
            **k._asdict(),
            "kv_token_j": parts * k.kv_w * k.kv_bytes_per_token / k.raw_bytes_per_s,
            "pair_j": parts * k.compute_w * k.flops_per_token_context / k.raw_flops_per_s,
            "token_j": parts * k.compute_w * k.flops_per_token / k.raw_flops_per_s,
            "rest_w": k.gpus * (k.loaded_idle_w if options.idle == "loaded" else k.idle_w),
            "host_rest_w": k.gpus * k.host_idle_w,
            "host_step_w": k.gpus * k.host_active_w,
            "cache_bytes_per_token": k.kv_bytes_per_token * parts,
            "window": _NO_WINDOW if math.isinf(k.window_tokens) else int(k.window_tokens),
            "blocks": int(k.kv_capacity_tokens) // options.block_tokens,
        }
        _set(found, values, number)
    return found


def _pools(setup: ServingSetup, engines: RecordArray) -> RecordArray:
    """Replicas and rules of the pools; their schedules lie one after the other."""
    found = np.zeros(2, dtype=arrays.POOL)
    first = steps = 0
    for number, (rule, size) in enumerate(zip(setup.options.scaling, setup.sizes)):
        _set(found, {"first": first, "last": first + size, "tick_s": math.inf, "schedule_at": steps}, number)
        if rule is not None:
            steps += len(rule.schedule)
            rest_w = float(engines["rest_w"][number] + engines["host_rest_w"][number])
            rule_values = _rule(rule, rest_w)
            _set(found, {**rule_values, "tick_s": setup.span_s[0], "calm_s": setup.span_s[0]}, number)
            found["schedule_last"][number] = steps if rule.schedule else 0
        first += size
    return found


def _rule(rule: Autoscaling, rest_w: float) -> dict[str, float]:
    by_rate = rule.rate_per_replica_s is not None
    load_w = rest_w if rule.load_energy_j is None else rule.load_energy_j / max(rule.load_s, 5e-324)
    return {
        "least_replicas": rule.least_replicas,
        "interval_s": rule.interval_s,
        "hold_s": 0.0 if rule.schedule else rule.hold_s,
        "load_s": rule.load_s,
        "load_w": load_w,
        "off_w": rule.off_w,
        "per_replica": rule.requests_per_replica or rule.rate_per_replica_s or 1.0,
        "rate_weight": -math.expm1(-rule.interval_s / rule.rate_window_s) if by_rate else 0.0,
    }


def _replicas(setup: ServingSetup, pools: RecordArray, engines: RecordArray) -> RecordArray:
    """Replicas without work, those on that rules want at first."""
    states = np.zeros(sum(setup.sizes), dtype=arrays.REPLICA)
    for name in ("head", "tail", "partial", "waiting_head", "waiting_tail"):
        states[name] = -1
    states["pool"][setup.replicas :] = 1
    states["state"] = arrays.ON
    states["free_blocks"] = engines["blocks"][states["pool"]]
    states["now_s"] = setup.span_s[0]
    for pool, rule in zip(pools, setup.options.scaling):
        if rule is not None:
            awake = rule.schedule[0][1] if rule.schedule else rule.least_replicas
            states["state"][pool["first"] + awake : pool["last"]] = arrays.ASLEEP
    return states
