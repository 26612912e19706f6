"""The arrays of a run at its start, and more room in them as it goes on."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from joulewright.errors import ScenarioError
from joulewright.physics.inference.step import StepCoefficients
from joulewright.sim.processes.inference import arrays
from joulewright.sim.processes.inference.arrays import World
from joulewright.sim.processes.inference.options import ROUTERS, Intensity, Router, ServingOptions
from joulewright.sim.processes.inference.requests import RequestTrace

_NO_WINDOW = 1 << 60


def engines_of(first: StepCoefficients, options: ServingOptions) -> tuple[StepCoefficients, StepCoefficients]:
    """Coefficients of the first pool and of the decode pool."""
    pools = options.disaggregation
    return first, first if pools is None or pools.decode_engine is None else pools.decode_engine


def build_world(
    trace: RequestTrace,
    engine: StepCoefficients,
    options: ServingOptions,
    *,
    replicas: int,
    router: Router,
    intensity: Intensity | None,
    span_s: tuple[float, float | None],
    recording: bool,
    longest_output: int,
) -> World:
    """Arrays before the first arrival; ``span_s`` is the time over which replicas are billed [s]."""
    decoders = options.disaggregation.decode_replicas if options.disaggregation else 0
    total = replicas + decoders
    run = _run(options, engine, replicas=replicas, total=total, router=router, intensity=intensity)
    run["first_bin"] = math.floor(span_s[0] / options.bin_s)
    run["start_s"], run["recording"] = run["first_bin"] * options.bin_s, recording
    run["span_end_s"] = math.inf if span_s[1] is None else span_s[1]
    run["tick_s"] = run["calm_s"] = span_s[0]
    engines = _engines(engines_of(engine, options), options)
    states = np.zeros(total, dtype=arrays.REPLICA)
    for name in ("head", "tail", "partial", "waiting_head", "waiting_tail"):
        states[name] = -1
    states["pool"][replicas:] = 1
    states["state"] = arrays.ON
    states["free_blocks"] = engines["blocks"][states["pool"]]
    states["now_s"] = span_s[0]
    schedule = _schedule(run, states, options, replicas)
    unique, hashes = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    if options.prefix_cache is not None and trace.block_hashes is not None:
        unique, hashes = np.unique(trace.block_hashes, return_inverse=True)
    pools = 1 if run["shared_cache"][0] else total
    wheel = 1 << (longest_output + 2).bit_length()
    run["wheel_mask"] = wheel - 1
    world = World(
        run=run,
        engines=engines,
        replicas=states,
        due_s=np.full(total, math.inf),
        slots=np.zeros(0, dtype=arrays.SLOT),
        transfers=np.zeros(0, dtype=arrays.TRANSFER),
        wheel=np.full((total, wheel), -1, dtype=np.int64),
        crossing=np.zeros((total, options.block_tokens), dtype=np.int64),
        chunks=np.zeros((total, options.max_sequences), dtype=np.int64),
        series=np.zeros((0, len(arrays.COLUMNS))),
        intensity=np.empty(0) if intensity is None else intensity.kg_per_mwh,
        rows=np.zeros(len(trace) if recording else 0, dtype=arrays.ROW),
        tenants=np.zeros(len(trace.tenants), dtype=arrays.TENANT),
        histograms=np.zeros((0 if recording else len(trace.tenants), 3, arrays.BUCKETS), dtype=np.int64),
        days=np.zeros(0, dtype=arrays.DAY),
        schedule_s=np.array([time for time, _ in schedule]),
        schedule=np.array([count for _, count in schedule], dtype=np.int64),
        hash_at=trace.block_at if unique.size and trace.block_at is not None else np.empty(0, dtype=np.int64),
        hashes=hashes.astype(np.int64),
        caches=np.full(pools, -1, dtype=np.int64).astype(arrays.CACHE),
        cache_before=np.full((pools, unique.size), -2, dtype=np.int64),
        cache_after=np.full((pools, unique.size), -2, dtype=np.int64),
    )
    world.caches["count"] = 0
    run["cache_block_tokens"] = trace.block_tokens
    return with_time(with_slots(world, 4096), max(float(trace.arrival_s[-1]), span_s[1] or 0.0))


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
    start_s, bin_s = float(world.run["start_s"][0]), float(world.run["bin_s"][0])
    bins = math.ceil((until_s - start_s + 2000.0) / bin_s) + 1
    missing = bins - world.series.shape[0]
    if missing <= 0:
        return world
    series = np.concatenate([world.series, np.zeros((missing, world.series.shape[1]))])
    days = np.zeros(int((start_s + bins * bin_s) / arrays.DAY_S) + 2, dtype=arrays.DAY)
    days[: world.days.size] = world.days
    return world._replace(series=series, days=days)


def _run(
    options: ServingOptions,
    engine: StepCoefficients,
    *,
    replicas: int,
    total: int,
    router: Router,
    intensity: Intensity | None,
) -> Any:
    run = np.zeros(1, dtype=arrays.RUN)
    infinite = math.inf
    limits = options.budget.limits if options.budget else (infinite,) * 4
    pools, objectives, cache = options.disaggregation, options.objectives, options.prefix_cache
    values: dict[str, Any] = {
        "free_slot": -1,
        "router": ROUTERS.index(router),
        "fill": options.fill_sequences or options.max_sequences,
        "first_decoder": replicas,
        "replicas": total,
        "max_sequences": options.max_sequences,
        "token_budget": options.token_budget,
        "block_tokens": options.block_tokens,
        "bins_per_intensity": 1 if intensity is None else _bins(intensity.step_s, options.bin_s),
        "worst_intensity": 0.0 if intensity is None else intensity.kg_per_mwh.max(),
        "budgeted": options.budget is not None,
        "waiting_limit": options.waiting_limit or 1 << 62,
        "cache_blocks": 1 << 62 if cache is None or cache.blocks is None else cache.blocks,
        "shared_cache": cache is None or cache.shared,
        "hit_fraction": options.prefix_hit_fraction,
        "bin_s": options.bin_s,
        "transfer_bytes_s": pools.link_bytes_s if pools else infinite,
        "transfer_latency_s": pools.latency_s if pools else 0.0,
        "limit_j": limits[0] * 3.6e6,
        "limit_g": limits[1],
        "limit_tokens": limits[2],
        "limit_gpu_s": limits[3] * 3600.0,
        "log_growth": math.log(arrays.GROWTH),
        "objective_ttft_s": infinite if objectives.ttft_s is None else objectives.ttft_s,
        "objective_tpot_s": infinite if objectives.tpot_s is None else objectives.tpot_s,
        "objective_e2e_s": infinite if objectives.e2e_s is None else objectives.e2e_s,
    }
    for name, value in values.items():
        run[name] = value
    return run


def _bins(step_s: float, bin_s: float) -> int:
    bins = round(step_s / bin_s)
    if bins < 1 or abs(bins * bin_s - step_s) > 1e-9 * step_s:
        raise ScenarioError(
            f"bin_s is {bin_s:g} s and the carbon intensity has steps of {step_s:g} s; use a divisor of that"
        )
    return bins


def _engines(pools: tuple[StepCoefficients, StepCoefficients], options: ServingOptions) -> Any:
    found = np.zeros(2, dtype=arrays.ENGINE)
    for number, k in enumerate(pools):
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
        for name, value in values.items():
            found[name][number] = value
    return found


def _schedule(run: Any, states: Any, options: ServingOptions, replicas: int) -> tuple[tuple[float, int], ...]:
    """Set the rule of autoscaling; its schedule, empty without one."""
    rule = options.autoscaling
    if rule is None:
        return ()
    if max((count for _, count in rule.schedule), default=rule.least_replicas) > replicas:
        raise ScenarioError(f"autoscaling wants more than the {replicas} replicas there are; raise replicas")
    values = {
        "scaling": 1,
        "least_replicas": rule.least_replicas,
        "interval_s": rule.interval_s,
        "hold_s": 0.0 if rule.schedule else rule.hold_s,
        "load_s": rule.load_s,
        "load_w": rule.load_energy_j / rule.load_s if rule.load_s > 0.0 else 0.0,
        "off_w": rule.off_w,
        "per_replica": rule.requests_per_replica or rule.rate_per_replica_s or 1.0,
    }
    if rule.rate_per_replica_s is not None:
        values["rate_weight"] = -math.expm1(-rule.interval_s / rule.rate_window_s)
    for name, value in values.items():
        run[name] = value
    awake = rule.schedule[0][1] if rule.schedule else rule.least_replicas
    states["state"][awake:] = arrays.ASLEEP
    return rule.schedule
