"""Budgets against the end of a run, loading without a stated energy, and edges of the books; 0.1 s and 20 J a step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from joulewright.errors import ScenarioError, TraceError
from joulewright.physics.inference.deployment import coefficients, deploy
from joulewright.sim.processes.inference import (
    Autoscaling,
    Disaggregation,
    Intensity,
    PrefixCache,
    RequestTrace,
    ServiceBudget,
    ServingOptions,
    ServingResult,
    simulate_serving,
)
from joulewright.sim.processes.inference.plain import serve_plainly
from serving_case import TOY


def requests(arrivals: list[float], inputs: int = 100, outputs: int = 10, **more: Any) -> RequestTrace:
    count = len(arrivals)
    return RequestTrace(arrival_s=arrivals, input_tokens=[inputs] * count, output_tokens=[outputs] * count, **more)


def limited(limit_j: float, trace: Any, *, end_s: float | None = None, **options: Any) -> ServingResult:
    budget = ServiceBudget(energy_kwh=limit_j / 3.6e6)
    return simulate_serving(trace, TOY, options=ServingOptions(budget=budget, **options), span_s=(0.0, end_s))


# Until when replicas are paid for.


@pytest.mark.parametrize("end_s", [1.0, None])
def test_rest_is_set_aside_until_the_last_arrival_not_only_until_the_end_that_is_asked_for(end_s: float | None) -> None:
    trace = requests([0.0, 3600.0])
    # 3,600 s at 60 W and at most 253 J; less room than that refuses the first request.
    enough = limited(60.0 * 3600.0 + 253.0 + 1e-3, trace, end_s=end_s)
    assert enough.requests["status"][0] == "served"
    tight = limited(60.0 * 3600.0 + 252.0, trace, end_s=end_s)
    assert tight.requests["status"][0] == "energy budget"
    assert tight.total_energy_j <= 60.0 * 3600.0 + 252.0


def test_the_end_of_traces_in_a_list_is_known_and_of_a_stream_it_is_not() -> None:
    trace = requests([0.0, 3600.0])
    parts, limit_j = [trace.part(0, 1), trace.part(1, 2)], 60.0 * 3602.0 + 2 * 253.0
    assert limited(limit_j, parts).refused == 0
    # More may come until midnight: 82,800 s of rest are left at the second.
    assert limited(limit_j, iter(parts)).refused == 2
    assert limited(60.0 * 86_400.0 + 2 * 253.0, iter(parts)).refused == 0


@pytest.mark.parametrize(("limit_j", "served"), [(0.99, 0), (1.0, 1)])
def test_loading_and_transfers_are_set_aside(limit_j: float, served: int) -> None:
    # Two pools of 1,000 W for 120 s each, a cache that takes 2 s, and 1.1 s of steps.
    rule = Autoscaling(requests_per_replica=4.0, least_replicas=0, load_s=120.0, load_energy_j=120_000.0)
    pools = Disaggregation(decode_replicas=1, link_bytes_s=1000.0, latency_s=1.0)
    most_j = 2000.0 * (120.0 + 2.0 + 120.0 + 1.1) + 253.0 + 1e-3
    found = limited(limit_j * most_j, requests([0.0]), autoscaling=rule, disaggregation=pools)
    assert found.served == served
    assert found.total_energy_j <= limit_j * most_j


def test_a_request_whose_replica_must_load_is_refused_where_loading_alone_is_too_much() -> None:
    rule = Autoscaling(requests_per_replica=4.0, least_replicas=0, load_s=120.0, load_energy_j=100_000.0)
    found = limited(10_800.0, requests([0.0]), end_s=1.0, autoscaling=rule)
    assert (found.served, found.total_energy_j) == (0, 0.0)


def test_the_next_day_counts_only_where_it_can_be_reached() -> None:
    # A day of rest takes 5.184 MJ, more than the limit; only two hours of the first day are left.
    trace = requests([0.0, 20_000.0])
    for midnight_s, statuses in ((7200.0, ["served", "energy budget"]), (0.5, ["energy budget"] * 2)):
        budget = ServiceBudget(energy_kwh=500_000.0 / 3.6e6, midnight_s=midnight_s)
        options = ServingOptions(budget=budget, bin_s=0.5)
        found = simulate_serving(trace, TOY, options=options)
        assert found.requests["status"].to_list() == statuses


def test_replicas_that_a_request_wakes_may_rest_on_the_dirtiest_day_to_come() -> None:
    rule = Autoscaling(requests_per_replica=1.0, least_replicas=0, hold_s=1e9, load_s=0.0)
    intensity = Intensity(86_400.0, np.array([10.0, 10.0, 900.0, 10.0]))
    for limit_g, status in ((60.0 * 86_400.0 * 900.0 / 3.6e6 + 10.0, "served"), (1000.0, "carbon budget")):
        options = ServingOptions(autoscaling=rule, budget=ServiceBudget(carbon_g=limit_g), bin_s=60.0)
        found = simulate_serving(requests([5.0]), TOY, options=options, intensity=intensity, span_s=(0.0, 4 * 86_400.0))
        assert found.requests["status"][0] == status
        assert found.world.days["carbon_g"].max() <= limit_g


def test_what_rest_alone_takes_of_a_budget_is_told() -> None:
    # 1,800 s at 100 and 1,800 s at 500 g/kWh before midnight, then 1,801 s.
    budget = ServiceBudget(carbon_g=500.0, energy_kwh=1.0, midnight_s=3600.0)
    intensity = Intensity(1800.0, np.array([100.0, 500.0, 200.0, 200.0]))
    found = simulate_serving(
        requests([0.0, 5400.0]),
        TOY,
        replicas=2,
        options=ServingOptions(budget=budget),
        intensity=intensity,
        span_s=(0.0, 5401.0),
    )
    told = found.rest_of_budget
    assert set(told) == {"energy_kwh", "carbon_g"}
    assert told["energy_kwh"] == pytest.approx((120.0 * 3600.0 / 3.6e6, 1.0))
    assert told["carbon_g"] == pytest.approx((120.0 * 1800.0 * 600.0 / 3.6e6, 500.0))
    assert found.refused == 0
    assert simulate_serving(requests([0.0]), TOY).rest_of_budget == {}
    tokens = ServingOptions(budget=ServiceBudget(tokens=1.0))
    assert simulate_serving(requests([0.0]), TOY, options=tokens).rest_of_budget == {}


def test_what_the_most_of_a_long_prompt_is_hardly_depends_on_the_size_of_chunks() -> None:
    # Chunks of a token: a limit of the steps that a request really takes, and one more.
    trace = requests([0.0], 5000, 1)
    for count, status in ((5000, "GPU-hour budget"), (5001, "served")):
        budget = ServiceBudget(gpu_h=(count * 0.1 + 1e-6) / 3600.0)
        options = ServingOptions(budget=budget, token_budget=256, max_sequences=256)
        assert simulate_serving(trace, TOY, options=options).requests["status"][0] == status
    # Where context makes steps slower the bound lies above the sum over all chunks, but not far.
    slower = TOY._replace(kv_bytes_per_token=1.0, bytes_per_s=1e5)
    exact_s = sum(0.1 + context * 1e-5 for context in range(5001))
    for share, status in ((0.999, "GPU-hour budget"), (1.02, "served")):
        budget = ServiceBudget(gpu_h=share * exact_s / 3600.0)
        options = ServingOptions(budget=budget, token_budget=256, max_sequences=256)
        assert simulate_serving(trace, slower, options=options).requests["status"][0] == status


# Scaling.


@pytest.mark.parametrize(("idle", "power_w"), [("loaded", 60.0), ("unloaded", 50.0)])
def test_loading_takes_the_power_of_rest_with_the_host_unless_stated(idle: Any, power_w: float) -> None:
    for stated, expected_j in ((None, 30.0 * power_w), (0.0, 0.0), (900.0, 900.0)):
        rule = Autoscaling(requests_per_replica=1.0, least_replicas=0, load_s=30.0, load_energy_j=stated)
        found = simulate_serving(requests([0.0]), TOY, options=ServingOptions(autoscaling=rule, idle=idle))
        assert found.energy_j["loading"] == pytest.approx(expected_j)
        assert found.energy_j["host"] == pytest.approx(30.0 * 1.0)
    assert Autoscaling(requests_per_replica=1.0, load_s=0.0).load_energy_j is None


def test_decisions_that_are_too_many_are_refused() -> None:
    with pytest.raises(ScenarioError, match=r"interval_s is 1e-09 s; allowed is at least 0\.001 s"):
        Autoscaling(requests_per_replica=1.0, interval_s=1e-9)
    rule = Autoscaling(requests_per_replica=1.0, interval_s=1e-3)
    options = ServingOptions(autoscaling=rule, bin_s=3600.0)
    with pytest.raises(TraceError, match=r"1e\+09 decisions .* set an interval_s of at least 0\.01"):
        simulate_serving(requests([1e6]), TOY, options=options)
    with pytest.raises(TraceError, match="decisions"):
        simulate_serving(requests([0.0]), TOY, options=options, span_s=(0.0, 1e6))
    slow = ServingOptions(decode_autoscaling=rule, disaggregation=Disaggregation(decode_replicas=1, link_bytes_s=1.0))
    with pytest.raises(TraceError, match="decisions"):
        simulate_serving(requests([1e6]), TOY, options=slow)


# Engine and books.


@pytest.mark.parametrize("window", [float("inf"), 150.0, 900.0])
def test_long_answers_go_round_the_wheel(window: float) -> None:
    engine = coefficients(deploy("Llama-3.1-8B", "H100"))._replace(window_tokens=window, global_fraction=0.25)
    lengths = [1, 2, 255, 256, 257, 258, 511, 512, 513, 1500]
    trace = RequestTrace(
        arrival_s=np.linspace(0.0, 3.0, 10), input_tokens=[100] * 10, output_tokens=lengths, tenants=("all",)
    )
    found = simulate_serving(trace, engine, replicas=2)
    plain, _ = serve_plainly(trace, engine, replicas=2)
    for name in ("finish_s", "decode_j", "prefill_j"):
        np.testing.assert_allclose(found.world.rows[name], [getattr(one, name) for one in plain], rtol=1e-9, atol=1e-12)
    assert np.all(found.world.wheel == -1)


def test_memory_of_replicas_does_not_grow_with_answers() -> None:
    short = simulate_serving(requests([0.0]), TOY, replicas=50)
    long = simulate_serving(requests([0.0], 10, 5000), TOY, replicas=50)
    assert long.world.wheel.shape == short.world.wheel.shape
    assert long.world.wheel.nbytes <= 50 * 2048
    streamed = simulate_serving(
        iter([requests([0.0]), requests([9.0], 10, 5000)]), TOY, options=ServingOptions(context_tokens=131_072)
    )
    assert streamed.served == 2
    assert streamed.makespan_s == pytest.approx(9.0 + 500.0)


def test_tokens_found_again_after_preemption_are_not_tokens_of_the_prompt_found() -> None:
    # 19 blocks, of which each request takes up to ten: the second is preempted, and finds its beginning once more.
    small = TOY._replace(kv_capacity_tokens=304.0)
    trace = requests([0.0, 0.0, 0.05], 100, 60)
    for options in (
        ServingOptions(prefix_hit_fraction=0.5),
        ServingOptions(prefix_cache=PrefixCache()),
    ):
        named = requests(
            [0.0, 0.0, 0.05], 100, 60, block_hashes=[1, 2, 1, 2, 1, 2], block_at=[0, 2, 4, 6], block_tokens=64
        )
        found = simulate_serving(trace if options.prefix_cache is None else named, small, options=options)
        rows = found.requests
        assert found.preemptions > 0
        assert (rows["cached_tokens"] <= rows["input_tokens"]).all()
        expected = [48] * 3 if options.prefix_cache is None else [0, 99, 99]
        assert rows["cached_tokens"].to_list() == expected
        assert found.by_tenant["cached_tokens"][0] == sum(expected)


def test_figures_of_what_nobody_got_are_not_numbers() -> None:
    trace = requests([0.0, 1.0], 100, 10, tenant=[0, 1], tenants=("a", "b"))
    found = simulate_serving(trace, TOY, options=ServingOptions(budget=ServiceBudget(tokens=110.0)))
    rows = {row["tenant"]: row for row in found.by_tenant.to_dicts()}
    assert (rows["a"]["ttft_s"], rows["a"]["e2e_s"]) == pytest.approx((0.1, 1.0))
    assert rows["b"]["refused"] == 1
    assert [rows["b"][name] for name in ("ttft_s", "tpot_s", "e2e_s")] == [None] * 3
    none = simulate_serving(trace, TOY, options=ServingOptions(budget=ServiceBudget(tokens=1.0)))
    assert np.isnan(none.figures()["energy_per_output_token_j"])


def test_a_router_by_prefixes_needs_a_prefix_cache() -> None:
    message = "router is 'prefix-aware', but no prefix_cache is given.*least-outstanding"
    for options in (ServingOptions(), ServingOptions(prefix_hit_fraction=0.4)):
        with pytest.raises(ScenarioError, match=message):
            simulate_serving(requests([0.0]), TOY, router="prefix-aware", options=options)
