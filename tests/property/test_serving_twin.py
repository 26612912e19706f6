"""The compiled serving loop gives the numbers of the plain one, and its books close."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from joulewright.physics.inference.deployment import coefficients, deploy
from joulewright.physics.inference.step import StepCoefficients, step_values
from joulewright.sim.processes.inference import (
    Autoscaling,
    Disaggregation,
    PrefixCache,
    RequestTrace,
    ServingOptions,
    simulate_serving,
)
from joulewright.sim.processes.inference.compiled.step import step_kernel
from joulewright.sim.processes.inference.options import ROUTERS
from joulewright.sim.processes.inference.plain import serve_plainly
from joulewright.sim.processes.inference.result import ServingResult

SMALL = coefficients(deploy("Llama-3.1-8B", "H100"))
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def engines() -> st.SearchStrategy[StepCoefficients]:
    """Deployments with and without experts, windows, several accelerators, caps and a small cache."""

    def engine(capacity: int, window: float, experts: bool, cap: float, gpus: int) -> StepCoefficients:
        k = SMALL._replace(
            kv_capacity_tokens=float(capacity),
            window_tokens=window,
            global_fraction=1.0 if window == float("inf") else 1.0 / 6.0,
            limit_w=cap,
            gpus=float(gpus),
            stages=float(2 if gpus == 4 else 1),
            seconds_per_token=0.0 if gpus == 1 else 1e-6,
        )
        if experts:
            k = k._replace(weight_bytes=2e9, expert_bytes=14e9, experts=16.0, experts_per_token=2.0)
            k = k._replace(
                expert_rate_per_token=0.1335,
                expert_popularity_variance=0.5,
                expert_w=300.0,
                sequence_w=90.0,
                expert_fixed_s=1e-3,
            )
        return k

    return st.builds(
        engine,
        st.sampled_from([480, 1000, 100_000]),
        st.sampled_from([float("inf"), 20.0, 64.0]),
        st.booleans(),
        st.sampled_from([700.0, 450.0, 300.0]),
        st.sampled_from([1, 2, 4]),
    )


NAME_TOKENS = 32
"""Tokens of a block that the traces name: two blocks of the cache."""


@st.composite
def traces(draw: st.DrawFn) -> RequestTrace:
    """Up to 40 requests of up to 400 tokens, with ties and with gaps, some with equal beginnings."""
    count = draw(st.integers(1, 40))
    gaps = draw(st.lists(st.sampled_from([0.0, 0.003, 0.05, 1.7]), min_size=count, max_size=count))
    inputs = draw(st.lists(st.integers(1, 250), min_size=count, max_size=count))
    outputs = draw(st.lists(st.integers(1, 150), min_size=count, max_size=count))
    names: list[list[int]] = []
    for tokens in inputs:
        own = 1000 * (len(names) + 1)
        alike = draw(st.integers(0, 4)) if names else 0
        before = names[draw(st.integers(0, len(names) - 1))][:alike] if names else []
        blocks = -(-tokens // NAME_TOKENS)
        names.append((before + list(range(own, own + blocks)))[:blocks])
    return RequestTrace(
        arrival_s=np.cumsum(gaps),
        input_tokens=inputs,
        output_tokens=outputs,
        block_hashes=[name for row in names for name in row],
        block_at=np.cumsum([0, *map(len, names)]),
        block_tokens=NAME_TOKENS,
    )


FREE = PrefixCache(blocks="free")
CACHES = [FREE, FREE, FREE, PrefixCache(), PrefixCache(blocks=6), PrefixCache(blocks=3, shared=False)]


@st.composite
def rules(draw: st.DrawFn) -> Autoscaling:
    """Rules by queue, by rate and by time, with or without a replica that stays on."""
    kind: dict[str, Any] = draw(
        st.sampled_from(
            [
                {"requests_per_replica": 3.0},
                {"rate_per_replica_s": 8.0, "rate_window_s": 0.5},
                {"schedule": ((0.0, 0), (0.4, 1), (1.1, 0), (2.0, 1))},
            ]
        )
    )
    return Autoscaling(
        **kind,
        least_replicas=draw(st.integers(0, 1)),
        interval_s=draw(st.sampled_from([0.07, 0.5, 20.0])),
        hold_s=draw(st.sampled_from([0.0, 0.6])),
        load_s=draw(st.sampled_from([0.0, 0.3, 3000.0])),
        load_energy_j=draw(st.sampled_from([None, 0.0])),
        off_w=4.0,
    )


@st.composite
def choices(draw: st.DrawFn, *, pooled: bool = False, scaled: bool = False) -> dict[str, Any]:
    cache = draw(st.sampled_from([None, *CACHES]))
    pools = Disaggregation(
        decode_replicas=draw(st.integers(1, 3)),
        link_bytes_s=draw(st.sampled_from([1e8, 1e12])),
        latency_s=draw(st.sampled_from([0.0, 0.02])),
    )
    options = ServingOptions(
        max_sequences=draw(st.sampled_from([2, 7, 64])),
        token_budget=draw(st.sampled_from([64, 200, 2048])),
        prefix_hit_fraction=draw(st.sampled_from([0.0, 0.4])) if cache is None else 0.0,
        prefix_cache=cache,
        fill_sequences=draw(st.sampled_from([None, 3])),
        bin_s=draw(st.sampled_from([0.01, 1.0, 60.0])),
        disaggregation=pools if pooled else None,
        autoscaling=draw(rules()) if scaled else None,
        decode_autoscaling=draw(st.one_of(st.none(), rules())) if scaled and pooled else None,
    )
    return {
        "replicas": draw(st.integers(1, 3)),
        "router": draw(st.sampled_from(ROUTERS if cache is not None else ROUTERS[:3])),
        "options": options,
    }


def compare(engine: StepCoefficients, trace: RequestTrace, chosen: dict[str, Any]) -> ServingResult:
    """Serve with both loops; every request and every joule must agree."""
    found = simulate_serving(trace, engine, **chosen)
    requests, fleet = serve_plainly(trace, engine, **chosen)
    assert found.steps == sum(len(replica.steps) for replica in fleet)
    assert found.preemptions == sum(request.preemptions for request in requests)
    rows = found.world.rows
    for name in ("first_token_s", "finish_s", "prefill_j", "decode_j", "preemptions"):
        np.testing.assert_allclose(rows[name], [getattr(request, name) for request in requests], rtol=1e-9, atol=1e-12)
    assert rows["cached"].tolist() == [request.found for request in requests]
    spent = {name: [replica.spent_s[name] for replica in fleet] for name in ("idle", "loading", "off")}
    rule = chosen["options"].scaling
    for at, pool in enumerate(rule):
        of_pool = found.world.replicas["pool"] == at
        assert pool is not None or not np.any(np.array(spent["off"])[of_pool])
    assert found.energy_j["idle"] == pytest.approx(
        sum(spent["idle"]) * engine.loaded_idle_w * engine.gpus, rel=1e-9, abs=1e-9
    )
    assert found.energy_j["off"] == pytest.approx(sum(spent["off"]) * 4.0, rel=1e-9, abs=1e-9)
    rest_w = (engine.loaded_idle_w + engine.host_idle_w) * engine.gpus
    loading_j = [
        replica.spent_s["loading"] * rest_w
        for replica, at in zip(fleet, found.world.replicas["pool"].tolist())
        if (pool := rule[at]) is not None and pool.load_energy_j is None
    ]
    assert found.energy_j["loading"] == pytest.approx(sum(loading_j), rel=1e-9, abs=1e-9)
    np.testing.assert_allclose(found.world.replicas["now_s"], [replica.now_s for replica in fleet], rtol=1e-12)
    return found


@QUICK
@given(engines(), traces(), choices())
def test_the_compiled_loop_equals_the_plain_one(
    engine: StepCoefficients, trace: RequestTrace, chosen: dict[str, Any]
) -> None:
    compare(engine, trace, chosen)


@QUICK
@given(engines(), traces(), choices(pooled=True))
def test_a_decode_pool_equals_the_plain_one(
    engine: StepCoefficients, trace: RequestTrace, chosen: dict[str, Any]
) -> None:
    compare(engine, trace, chosen)


@QUICK
@given(engines(), traces(), st.booleans().flatmap(lambda pooled: choices(pooled=pooled, scaled=True)))
def test_scaled_pools_equal_the_plain_ones(
    engine: StepCoefficients, trace: RequestTrace, chosen: dict[str, Any]
) -> None:
    found = compare(engine, trace, chosen)
    # Every second of every replica is a step, rest, loading or off, and the books hold each joule once.
    active = found.energy_j["prefill"] + found.energy_j["decode"]
    assert found.request_energy_j.sum() == pytest.approx(active, rel=1e-9)
    assert found.series["power_w"].sum() * found.options.bin_s == pytest.approx(found.total_energy_j, rel=1e-9)
    assert np.all(found.world.replicas["now_s"] == found.end_s)
    assert found.end_s == found.makespan_s
    assert np.all(found.world.replicas["free_blocks"] == found.world.engines["blocks"][0])


@QUICK
@given(engines(), traces(), choices())
def test_books_close(engine: StepCoefficients, trace: RequestTrace, chosen: dict[str, Any]) -> None:
    found = simulate_serving(trace, engine, **chosen)
    active = found.energy_j["prefill"] + found.energy_j["decode"]
    assert found.request_energy_j.sum() == pytest.approx(active, rel=1e-9)
    assert found.world.replicas["active_j"].sum() == pytest.approx(active, rel=1e-9)
    whole = found.request_energy_j.sum() + found.energy_j["idle"] + found.energy_j["host"]
    assert found.series["power_w"].sum() * found.options.bin_s == pytest.approx(whole, rel=1e-9)
    assert found.by_tenant["prefill_j"].sum() + found.by_tenant["decode_j"].sum() == pytest.approx(active, rel=1e-9)
    replica_s = found.world.replicas.size * found.end_s
    host_s = found.energy_j["host"] / engine.gpus
    expected = found.busy_s * engine.host_active_w + (replica_s - found.busy_s) * engine.host_idle_w
    assert host_s == pytest.approx(expected, rel=1e-9)
    repeated = found.preemptions > 0 or found.world.rows["cached"].sum() > 0
    if not repeated:
        assert found.scheduled_tokens == trace.scheduled_tokens
    assert np.all(found.world.replicas["free_blocks"] == found.world.engines["blocks"][0])
    assert not found.world.crossing.any()
    assert np.all(found.world.wheel == -1)


@QUICK
@given(
    engines(),
    st.integers(1, 4096),
    st.integers(1, 256),
    st.floats(0.0, 1e6),
    st.floats(0.0, 1e8),
)
def test_the_step_is_that_of_physics(
    engine: StepCoefficients, tokens: int, sequences: int, kv_tokens: float, pairs: float
) -> None:
    counts = (float(tokens), float(sequences), kv_tokens, pairs)
    plain = step_values(engine, *counts)
    time_s, power_w, raw_w, ratio, shared_j = step_kernel(engine, *counts)
    assert (time_s, power_w, raw_w) == pytest.approx((plain[0], plain[6], plain[7]), rel=1e-12)
    parts = engine.gpus / engine.stages
    read_j = parts * engine.kv_w * engine.kv_bytes_per_token * kv_tokens / engine.raw_bytes_per_s
    flops = engine.flops_per_token * tokens + engine.flops_per_token_context * pairs
    raw_j = shared_j + read_j + parts * engine.compute_w * flops / engine.raw_flops_per_s
    assert ratio * raw_j == pytest.approx(plain[8], rel=1e-9)
    assert shared_j > 0.0
