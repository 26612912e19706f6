"""Laws of the serving simulator: parts of a trace, more replicas, order, seeds, streams and budgets."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joulewright.physics.inference.deployment import coefficients, deploy
from joulewright.sim.processes.inference import (
    Autoscaling,
    Disaggregation,
    Intensity,
    RequestTrace,
    ServiceBudget,
    ServingOptions,
    join_traces,
    merge_traces,
    simulate_serving,
)
from joulewright.sim.processes.inference.generate import TokenLengths, generate_requests, stream_requests

ENGINE = coefficients(deploy("Llama-3.1-8B", "H100"))
QUICK = settings(max_examples=30, deadline=None)
LENGTHS = TokenLengths(kind="lognormal", mean_tokens=120.0, most_tokens=900)


def drawn(seed: int, count: int = 60, rate_per_s: float = 20.0) -> RequestTrace:
    return generate_requests(
        count, rate_per_s=rate_per_s, input_tokens=LENGTHS, output_tokens=LENGTHS, seed=seed, variation=1.5
    )


@QUICK
@given(st.integers(0, 10_000), st.sampled_from([0.5, 1.0]), st.booleans())
def test_a_trace_split_where_the_system_is_empty_and_joined_changes_nothing(
    seed: int, bin_s: float, carbon: bool
) -> None:
    first, late = drawn(seed), drawn(seed + 1)
    second = RequestTrace(
        arrival_s=late.arrival_s + 500.0, input_tokens=late.input_tokens, output_tokens=late.output_tokens
    )
    options = ServingOptions(bin_s=bin_s, max_sequences=16)
    intensity = Intensity(50.0, np.linspace(100.0, 500.0, 40)) if carbon else None
    common = {"options": options, "intensity": intensity, "replicas": 2, "router": "least-outstanding"}
    whole = simulate_serving(join_traces([first, second]), ENGINE, span_s=(0.0, 1000.0), **common)
    early = simulate_serving(first, ENGINE, span_s=(0.0, 400.0), **common)
    late_run = simulate_serving(second, ENGINE, span_s=(400.0, 1000.0), **common)
    rows = np.concatenate([early.world.rows, late_run.world.rows])
    for name in whole.world.rows.dtype.names or ():
        np.testing.assert_array_equal(whole.world.rows[name], rows[name])
    assert whole.steps == early.steps + late_run.steps
    joined = np.concatenate([early.series["power_w"].to_numpy(), late_run.series["power_w"].to_numpy()])
    np.testing.assert_allclose(whole.series["power_w"], joined, rtol=1e-12)
    assert whole.total_energy_j == pytest.approx(early.total_energy_j + late_run.total_energy_j, rel=1e-12)
    if carbon:
        parts = sum(early.carbon_g.values()) + sum(late_run.carbon_g.values())
        assert sum(whole.carbon_g.values()) == pytest.approx(parts, rel=1e-12)


@given(st.integers(1, 50), st.sampled_from(["loaded", "unloaded"]))
@settings(max_examples=10, deadline=None)
def test_twice_the_replicas_at_no_load_take_twice_the_idle_energy(replicas: int, idle: str) -> None:
    # A request after the span of interest, whose own steps are the same in both.
    trace = RequestTrace(arrival_s=[1000.0], input_tokens=[1], output_tokens=[1])
    options = ServingOptions(idle=idle)
    one = simulate_serving(trace, ENGINE, replicas=replicas, options=options)
    two = simulate_serving(trace, ENGINE, replicas=2 * replicas, options=options)
    assert np.array_equal(two.world.series[:1000], 2.0 * one.world.series[:1000])


@QUICK
@given(st.integers(0, 10_000), st.booleans(), st.floats(50.0, 500.0))
def test_carbon_of_requests_idle_and_host_is_that_of_the_series(seed: int, pools: bool, flat: float) -> None:
    trace = drawn(seed)
    options = ServingOptions(
        bin_s=0.5, disaggregation=Disaggregation(decode_replicas=2, link_bytes_s=1e9) if pools else None
    )
    varied = Intensity(1.5, np.random.default_rng(seed).uniform(50.0, 500.0, 200))
    for intensity in (varied, Intensity(300.0, np.array([flat]))):
        found = simulate_serving(trace, ENGINE, options=options, intensity=intensity)
        active = found.carbon_g["prefill"] + found.carbon_g["decode"]
        assert found.world.rows["carbon_g"].sum() == pytest.approx(active, rel=1e-9)
        assert found.by_tenant["carbon_g"].sum() == pytest.approx(active, rel=1e-9)
    assert sum(found.carbon_g.values()) == pytest.approx(found.total_energy_j / 3.6e6 * flat, rel=1e-9)


@QUICK
@given(
    st.integers(0, 10_000),
    st.sampled_from(["round-robin", "least-outstanding", "power-aware"]),
    st.booleans(),
    st.booleans(),
)
def test_books_close_with_pools_and_scaling(seed: int, router: str, scaled: bool, pooled: bool) -> None:
    rule = Autoscaling(requests_per_replica=3.0, interval_s=0.5, hold_s=1.0, load_s=0.7, load_energy_j=100.0, off_w=3.0)
    pools = Disaggregation(decode_replicas=2, link_bytes_s=1e10, latency_s=0.01)
    options = ServingOptions(
        autoscaling=rule if scaled else None, disaggregation=pools if pooled else None, max_sequences=8
    )
    small = ENGINE._replace(kv_capacity_tokens=4000.0)
    trace = drawn(seed)
    found = simulate_serving(trace, small, replicas=3, router=router, options=options, span_s=(0.0, 60.0))
    active = found.energy_j["prefill"] + found.energy_j["decode"]
    assert found.request_energy_j.sum() == pytest.approx(active, rel=1e-9)
    assert found.world.replicas["active_j"].sum() == pytest.approx(active, rel=1e-9)
    assert found.series["power_w"].sum() * options.bin_s == pytest.approx(found.total_energy_j, rel=1e-9)
    assert found.served == len(trace)
    assert np.all(found.world.replicas["now_s"] == found.end_s)
    rows = found.requests
    assert (rows["first_token_s"] > rows["arrival_s"]).all()
    assert (rows["finish_s"] >= rows["first_token_s"]).all()
    # On, loading or off: every replica is billed for all of the time.
    on_s = (found.energy_j["idle"] / small.loaded_idle_w) + found.busy_s
    rest_s = found.energy_j["loading"] / (100.0 / 0.7) + found.energy_j["off"] / 3.0
    assert on_s + rest_s == pytest.approx(found.world.replicas.size * 60.0, rel=1e-9)


@QUICK
@given(st.integers(0, 10_000), st.permutations(["a", "b", "c"]))
def test_names_and_order_of_tenants_change_nothing(seed: int, names: list[str]) -> None:
    parts = {name: drawn(seed + at, count=20) for at, name in enumerate(["a", "b", "c"])}
    straight = simulate_serving(merge_traces(parts), ENGINE)
    turned = simulate_serving(merge_traces({name: parts[name] for name in names}), ENGINE)
    one, other = (run.by_tenant.sort("tenant") for run in (straight, turned))
    assert one.equals(other)
    assert one["requests"].to_list() == [20, 20, 20]


@QUICK
@given(st.integers(0, 10_000))
def test_equal_seeds_give_equal_runs(seed: int) -> None:
    one, other = (simulate_serving(drawn(seed), ENGINE, replicas=2) for _ in range(2))
    assert one.requests.equals(other.requests)
    assert one.series.equals(other.series)


@QUICK
@given(st.integers(0, 10_000), st.integers(1, 60), st.booleans(), st.booleans())
def test_a_trace_in_parts_gives_the_same_sums(seed: int, size: int, scaled: bool, pooled: bool) -> None:
    trace = drawn(seed)
    rule = Autoscaling(rate_per_replica_s=9.0, least_replicas=0, interval_s=0.3, hold_s=0.5, load_s=0.4, off_w=2.0)
    options = ServingOptions(
        context_tokens=4096,
        autoscaling=rule if scaled else None,
        disaggregation=Disaggregation(decode_replicas=2, link_bytes_s=1e10) if pooled else None,
    )
    whole = simulate_serving(trace, ENGINE, replicas=2, options=options)
    parts = [trace.part(first, min(first + size, len(trace))) for first in range(0, len(trace), size)]
    found = simulate_serving(parts, ENGINE, replicas=2, options=options)
    assert (found.steps, found.served, found.makespan_s) == (whole.steps, whole.served, whole.makespan_s)
    assert found.by_tenant.equals(whole.by_tenant)
    assert np.array_equal(found.world.series, whole.world.series)
    for name in ("ttft_s", "tpot_s", "e2e_s"):
        assert found.mean(name) == pytest.approx(whole.mean(name), rel=1e-12)
        for fraction in (0.0, 1.0):
            assert found.quantile(name, fraction) == pytest.approx(whole.quantile(name, fraction), rel=5.1e-3)


def test_memory_does_not_grow_with_the_requests() -> None:
    lengths = TokenLengths(mean_tokens=20.0)
    parts = stream_requests(100_000, rate_per_s=1000.0, input_tokens=lengths, output_tokens=lengths, seed=1, part=5000)
    found = simulate_serving(parts, ENGINE, replicas=4, options=ServingOptions(context_tokens=4096))
    assert found.served == 100_000
    assert found.world.rows.size == 0
    assert found.world.slots.size == 4096


@QUICK
@given(
    st.integers(0, 10_000),
    st.sampled_from(["energy_kwh", "carbon_g", "tokens", "gpu_h"]),
    st.floats(0.05, 1.2),
    st.integers(1, 3),
    st.tuples(st.booleans(), st.booleans(), st.sampled_from([0.0, 3600.0, 86_400.0])),
    st.tuples(st.sampled_from([None, 1.0, 60_000.0, 200_000.0]), st.sampled_from([1.0, 0.3]), st.booleans()),
)
def test_no_day_exceeds_its_budget(
    seed: int,
    kind: str,
    share: float,
    replicas: int,
    more: tuple[bool, bool, float],
    span: tuple[float | None, float, bool],
) -> None:
    (pooled, scaled, midnight_s), (end_s, base_share, streamed) = more, span
    trace = generate_requests(
        150, rate_per_s=150 / 170_000.0, input_tokens=LENGTHS, output_tokens=LENGTHS, seed=seed, variation=4.0
    )
    intensity = Intensity(3600.0, 300.0 + 200.0 * np.sin(np.arange(200)))
    common = {"replicas": replicas, "intensity": intensity, "span_s": (0.0, end_s)}
    rule = Autoscaling(
        requests_per_replica=1.0, least_replicas=0, hold_s=0.0, interval_s=300.0, load_energy_j=9000.0, off_w=5.0
    )
    pools = Disaggregation(decode_replicas=2, link_bytes_s=1e10)
    what: dict[str, Any] = {"context_tokens": 4096}
    what |= {"bin_s": 60.0, "autoscaling": rule if scaled else None, "disaggregation": pools if pooled else None}
    free = simulate_serving(trace, ENGINE, options=ServingOptions(**what), **common)
    # Loading takes 150 W, more than rest.
    rest_w = max(ENGINE.loaded_idle_w + ENGINE.host_idle_w, 150.0 if scaled else 0.0)
    base_j = base_share * free.world.replicas.size * rest_w * 86_400.0
    worst_day = intensity.kg_per_mwh[:192].reshape(8, 24).mean(axis=1).max()
    used = {
        "energy_kwh": (base_j + share * free.request_energy_j.sum()) / 3.6e6,
        "carbon_g": (base_j * worst_day + share * free.request_energy_j.sum() * 300.0) / 3.6e6,
        "tokens": share * trace.scheduled_tokens,
        "gpu_h": share * free.busy_s / 3600.0,
    }
    budget = ServiceBudget(**{kind: used[kind], "midnight_s": midnight_s})
    options = ServingOptions(**what, budget=budget)
    parts = (trace.part(first, first + 50) for first in range(0, 150, 50))
    found = simulate_serving(parts if streamed else trace, ENGINE, options=options, **common)
    bins = np.arange(found.world.series.shape[0])
    days = (bins - int(midnight_s // 60) + 1440) // 1440
    energy_j = np.bincount(days, weights=found.world.series.sum(axis=1))
    grams = intensity.kg_per_mwh[np.minimum(bins // 60, 199)] * found.world.series.sum(axis=1) / 3.6e6
    tokens, gpu_s = (found.world.days[name][: energy_j.size] for name in ("tokens", "gpu_s"))
    by_day = {
        "energy_kwh": energy_j / 3.6e6,
        "carbon_g": np.bincount(days, weights=grams),
        "tokens": tokens,
        "gpu_h": gpu_s / 3600.0,
    }
    # Replicas that are always on can exceed a limit by rest alone, on days on which nothing is served.
    kept = (by_day[kind] <= used[kind] * (1.0 + 1e-9)) | ((gpu_s == 0.0) & (not scaled and base_share < 1.0))
    assert np.all(kept)
    assert gpu_s.sum() == pytest.approx(found.busy_s)
    assert tokens.sum() == found.by_tenant.select(pl.sum_horizontal("input_tokens", "output_tokens")).item()
    if not streamed:
        served = found.requests.filter(found.requests["status"] == "served")
        expected = np.bincount(
            ((served["arrival_s"] - midnight_s + 86_400.0) // 86_400.0).cast(int).to_numpy(),
            weights=(served["input_tokens"] + served["output_tokens"]).to_numpy(),
            minlength=tokens.size,
        )
        assert np.array_equal(tokens, expected)
    assert found.served + found.refused == len(trace)
    assert found.world.run["reserved_j"][0] == pytest.approx(0.0, abs=1e-6)


@QUICK
@given(
    st.integers(0, 10_000),
    st.floats(0.02, 1.5),
    st.tuples(st.sampled_from([1.0, 300.0, 4000.0]), st.sampled_from([None, 1e4, 1e6])),
    st.sampled_from([None, 1.0, 5000.0]),
    st.booleans(),
)
def test_loading_stays_within_a_budget(
    seed: int, share: float, load: tuple[float, float | None], end_s: float | None, pooled: bool
) -> None:
    # All within one day, and without requests nothing is used: the budget holds to the last joule.
    trace = drawn(seed, count=6, rate_per_s=6 / 3000.0)
    rule = Autoscaling(
        requests_per_replica=2.0, least_replicas=0, hold_s=0.0, load_s=load[0], load_energy_j=load[1], interval_s=5.0
    )
    pools = Disaggregation(decode_replicas=2, link_bytes_s=1e5, latency_s=20.0) if pooled else None
    what: dict[str, Any] = {"autoscaling": rule, "disaggregation": pools}
    common: dict[str, Any] = {"replicas": 2, "span_s": (0.0, end_s)}
    free = simulate_serving(trace, ENGINE, options=ServingOptions(**what), **common)
    for limit_j in (share * free.total_energy_j, 20.0 * share * free.total_energy_j):
        budget = ServiceBudget(energy_kwh=limit_j / 3.6e6)
        found = simulate_serving(trace, ENGINE, options=ServingOptions(**what, budget=budget), **common)
        assert found.total_energy_j <= limit_j * (1.0 + 1e-9)
        assert found.world.run["reserved_s"][0] == pytest.approx(0.0, abs=1e-6)
