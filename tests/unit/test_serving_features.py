"""Pools, scaling, caches, routers, budgets and preemption of the serving simulator by hand: every step takes 0.1 s."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from joulewright.errors import ScenarioError, TraceError
from joulewright.physics.inference.deployment import deploy
from joulewright.sim.processes.inference import (
    Autoscaling,
    Disaggregation,
    Intensity,
    LatencyObjectives,
    PrefixCache,
    RequestTrace,
    ServiceBudget,
    ServingOptions,
    simulate_serving,
)
from serving_case import TOY


def requests(arrivals: list[float], inputs: Any, outputs: Any, **more: Any) -> RequestTrace:
    count = len(arrivals)
    return RequestTrace(arrival_s=arrivals, input_tokens=[inputs] * count, output_tokens=[outputs] * count, **more)


def test_one_request_by_hand() -> None:
    found = simulate_serving(requests([1.0], 100, 3), TOY, span_s=(0.0, 2.0))
    row = found.requests.row(0, named=True)
    assert (row["ttft_s"], row["tpot_s"], row["e2e_s"]) == pytest.approx((0.1, 0.1, 0.3))
    assert (row["prefill_j"], row["decode_j"]) == pytest.approx((20.0, 40.0))
    assert found.energy_j == pytest.approx(
        {"prefill": 20.0, "decode": 40.0, "idle": 85.0, "loading": 0.0, "off": 0.0, "host": 0.3 * 30.0 + 1.7 * 10.0}
    )
    assert found.series["power_w"].to_list() == pytest.approx([60.0, 60.0 + 0.7 * 60.0 + 0.3 * 30.0])
    assert found.mean_power_w == pytest.approx(found.total_energy_j / 2.0)
    assert found.steps == 3
    assert found.scheduled_tokens == 102


def test_an_unloaded_idle_replica_draws_less() -> None:
    found = simulate_serving(requests([1.0], 100, 1), TOY, options=ServingOptions(idle="unloaded"))
    assert found.energy_j["idle"] == pytest.approx(40.0)


def test_shared_power_of_a_mixed_step_goes_by_tokens() -> None:
    # The second prompt of 99 tokens shares a step with one decode.
    trace = RequestTrace(arrival_s=[0.0, 0.05], input_tokens=[10, 99], output_tokens=[2, 1])
    found = simulate_serving(trace, TOY)
    assert found.requests["prefill_j"].to_list() == pytest.approx([20.0, 20.0 * 0.99])
    assert found.requests["decode_j"].to_list() == pytest.approx([20.0 * 0.01, 0.0])


def test_preemption_recomputes_prompt_and_answer() -> None:
    # Four blocks: both requests need a third one at the fourth step, so the second waits for the first to end.
    small = TOY._replace(kv_capacity_tokens=64.0)
    found = simulate_serving(requests([0.0, 0.0], 30, 10), small)
    assert found.requests["finish_s"].to_list() == pytest.approx([1.0, 1.7])
    assert found.requests["first_token_s"].to_list() == pytest.approx([0.1, 0.1])
    assert found.requests["preemptions"].to_list() == [0, 1]
    assert found.steps == 17
    # 30 + 9 for the first; 30 + 2, then 33 again and 6 for the second.
    assert found.scheduled_tokens == 39 + 32 + 33 + 6


def test_the_decode_pool_gets_the_cache_over_the_link() -> None:
    pools = Disaggregation(decode_replicas=1, link_bytes_s=1e4, latency_s=0.05)
    found = simulate_serving(requests([0.0], 100, 3), TOY, options=ServingOptions(disaggregation=pools))
    row = found.requests.row(0, named=True)
    assert (row["first_token_s"], row["finish_s"]) == pytest.approx((0.1, 0.1 + 0.15 + 0.2))
    assert found.world.replicas["steps"].tolist() == [1, 2]
    assert row["replica"] == 1
    assert (row["prefill_j"], row["decode_j"]) == pytest.approx((20.0, 40.0))


def test_transfers_are_taken_in_the_order_of_their_arrival() -> None:
    pools = Disaggregation(decode_replicas=1, link_bytes_s=1e3)
    trace = RequestTrace(arrival_s=[0.0, 0.0], input_tokens=[300, 100], output_tokens=[2, 2])
    found = simulate_serving(trace, TOY, replicas=2, options=ServingOptions(disaggregation=pools))
    assert found.requests["finish_s"].to_list() == pytest.approx([0.1 + 3.0 + 0.1, 0.1 + 1.0 + 0.1])


def test_single_token_answers_stay_in_the_prefill_pool() -> None:
    pools = Disaggregation(decode_replicas=2, link_bytes_s=1e3)
    found = simulate_serving(requests([0.0], 100, 1), TOY, options=ServingOptions(disaggregation=pools))
    assert found.makespan_s == pytest.approx(0.1)
    assert found.world.replicas["steps"].tolist() == [1, 0, 0]


def test_a_schedule_switches_replicas() -> None:
    rule = Autoscaling(schedule=((0.0, 1), (100.0, 2), (200.0, 1)), load_s=30.0, load_energy_j=300.0, off_w=5.0)
    found = simulate_serving(
        requests([0.0], 100, 1), TOY, replicas=2, options=ServingOptions(autoscaling=rule), span_s=(0.0, 300.0)
    )
    # The second: 100 s off, 30 s loading, 70 s idle, 100 s off.
    assert found.energy_j["off"] == pytest.approx(5.0 * 200.0)
    assert found.energy_j["loading"] == pytest.approx(300.0)
    assert found.energy_j["idle"] == pytest.approx(50.0 * (299.9 + 70.0))
    assert found.energy_j["host"] == pytest.approx(10.0 * (299.9 + 70.0) + 30.0 * 0.1)


def test_a_queue_wakes_a_replica_that_must_load_first() -> None:
    rule = Autoscaling(requests_per_replica=2.0, interval_s=1.0, hold_s=0.0, load_s=5.0, least_replicas=1)
    trace = requests([0.0] * 4 + [7.0], 100, 200)
    found = simulate_serving(
        trace, TOY, replicas=2, router="least-outstanding", options=ServingOptions(autoscaling=rule)
    )
    # At 0 s the tick comes before the requests, at 1 s the second replica begins to load, at 6 s it takes requests.
    assert found.requests["replica"].to_list() == [0, 0, 0, 0, 1]
    assert found.energy_j["off"] == pytest.approx(0.0)
    assert found.world.replicas["busy_s"].tolist() == pytest.approx([20.0, 20.0])
    assert found.requests["finish_s"][4] == pytest.approx(27.0)


def test_the_first_request_wakes_a_service_scaled_to_zero() -> None:
    rule = Autoscaling(rate_per_replica_s=10.0, least_replicas=0, load_s=5.0, interval_s=10.0, hold_s=0.0)
    found = simulate_serving(requests([1.0], 100, 1), TOY, options=ServingOptions(autoscaling=rule))
    assert found.requests["ttft_s"][0] == pytest.approx(5.1)


def test_a_rate_asks_for_replicas() -> None:
    rule = Autoscaling(rate_per_replica_s=1.0, rate_window_s=1.0, interval_s=10.0, load_s=0.0, hold_s=0.0)
    trace = requests(np.arange(0.05, 60.0, 0.25).tolist(), 10, 1)
    found = simulate_serving(
        trace, TOY, replicas=8, router="least-outstanding", options=ServingOptions(autoscaling=rule)
    )
    on = (found.world.replicas["busy_s"] > 0.0) | (found.world.replicas["state"] == 2)
    assert on.sum() == 4


@pytest.mark.parametrize(
    ("router", "expected"),
    [("round-robin", [0, 1, 2, 0, 1]), ("least-outstanding", [0, 1, 2, 0, 1]), ("power-aware", [0, 0, 1, 1, 2])],
)
def test_routers(router: Any, expected: list[int]) -> None:
    options = ServingOptions(fill_sequences=2)
    found = simulate_serving(requests([0.0] * 5, 100, 5), TOY, replicas=3, router=router, options=options)
    assert found.requests["replica"].to_list() == expected


def test_least_outstanding_sees_what_has_ended() -> None:
    trace = RequestTrace(arrival_s=[0.0, 0.0, 0.15], input_tokens=[10] * 3, output_tokens=[9, 1, 1])
    found = simulate_serving(trace, TOY, replicas=2, router="least-outstanding")
    assert found.requests["replica"].to_list() == [0, 1, 1]


def test_a_stated_share_of_prompts_is_cached() -> None:
    found = simulate_serving(requests([0.0], 100, 2), TOY, options=ServingOptions(prefix_hit_fraction=0.5))
    assert found.requests["cached_tokens"][0] == 48  # three blocks of 16
    assert found.scheduled_tokens == 53


def hashed(blocks: list[list[int]], tokens: int = 600) -> RequestTrace:
    return RequestTrace(
        arrival_s=np.arange(len(blocks), dtype=float),
        input_tokens=[tokens] * len(blocks),
        output_tokens=[2] * len(blocks),
        block_hashes=[name for row in blocks for name in row],
        block_at=np.cumsum([0, *(len(row) for row in blocks)]),
        block_tokens=512,
    )


def test_equal_beginnings_of_prompts_are_cached() -> None:
    options = ServingOptions(prefix_cache=PrefixCache())
    found = simulate_serving(hashed([[7, 8], [7, 9], [5, 8], [7, 8]]), TOY, options=options)
    # The last token of a prompt is always computed.
    assert found.requests["cached_tokens"].to_list() == [0, 512, 0, 599]


def test_the_least_recently_used_block_is_dropped() -> None:
    options = ServingOptions(prefix_cache=PrefixCache(blocks=2))
    found = simulate_serving(hashed([[1], [2], [1], [3], [2], [1]], tokens=512), TOY, options=options)
    assert found.requests["cached_tokens"].to_list() == [0, 0, 511, 0, 0, 0]


def test_replicas_have_a_cache_each_unless_they_share() -> None:
    trace = hashed([[1], [1], [1]], tokens=512)
    for shared, expected in ((True, [0, 511, 511]), (False, [0, 0, 511])):
        options = ServingOptions(prefix_cache=PrefixCache(shared=shared))
        found = simulate_serving(trace, TOY, replicas=2, options=options)
        assert found.requests["cached_tokens"].to_list() == expected


def test_tokens_of_a_day_are_limited() -> None:
    trace = requests([0.0, 10.0, 20.0, 86_410.0], 100, 10)
    found = simulate_serving(trace, TOY, options=ServingOptions(budget=ServiceBudget(tokens=250.0), bin_s=60.0))
    assert found.requests["status"].to_list() == ["served", "served", "token budget", "served"]
    assert found.refusals == {"token budget": 1}
    assert found.by_tenant["refused_tokens"].to_list() == [110]
    assert found.requests["finish_s"][2] is None


def test_a_full_queue_refuses() -> None:
    options = ServingOptions(max_sequences=1, token_budget=100, waiting_limit=2)
    found = simulate_serving(requests([0.0, 0.05, 0.06, 0.07], 100, 10), TOY, options=options)
    assert found.requests["status"].to_list() == ["served", "served", "served", "queue full"]
    assert found.met_fraction == 0.75


def test_energy_is_limited_by_what_requests_can_still_use() -> None:
    # A request takes 1 s at 200 W and 30 W of host, 170 J above the idle 60 W, and 253 J with one more chunk at most.
    # Rest is reserved up to 100 s.
    trace = requests([0.0, 20.0, 40.0], 100, 10)
    limit = (60.0 * 100.0 + 2 * 170.0 + 253.0 + 1e-6) / 3.6e6
    options = ServingOptions(budget=ServiceBudget(energy_kwh=limit), bin_s=10.0)
    found = simulate_serving(trace, TOY, options=options, span_s=(0.0, 100.0))
    assert found.requests["status"].to_list() == ["served", "served", "served"]
    tight = ServingOptions(budget=ServiceBudget(energy_kwh=(60.0 * 100.0 + 252.0) / 3.6e6), bin_s=10.0)
    refused = simulate_serving(trace, TOY, options=tight, span_s=(0.0, 100.0))
    assert refused.requests["status"].to_list() == ["energy budget"] * 3
    assert refused.total_energy_j == pytest.approx(6000.0)


def test_accelerator_time_and_carbon_are_limited() -> None:
    trace = requests([0.0, 20.0, 40.0], 100, 10)
    options = ServingOptions(budget=ServiceBudget(gpu_h=2.2 / 3600.0), bin_s=10.0)
    found = simulate_serving(trace, TOY, options=options)
    assert found.requests["status"].to_list() == ["served", "served", "GPU-hour budget"]
    intensity = Intensity(100.0, np.array([400.0, 200.0]))
    most_g = 400.0 * (6000.0 + 253.0) / 3.6e6
    for limit_g, status in ((1.0001 * most_g, "served"), (0.9999 * most_g, "carbon budget")):
        options = ServingOptions(budget=ServiceBudget(carbon_g=limit_g), bin_s=10.0)
        found = simulate_serving(trace, TOY, options=options, intensity=intensity, span_s=(0.0, 100.0))
        assert found.requests["status"][0] == status
        assert sum(found.carbon_g.values()) <= limit_g


def test_carbon_follows_the_time_of_the_draw() -> None:
    # Prefill from 9.95 s, half before the intensity changes at 10 s; the two decodes after it.
    intensity = Intensity(10.0, np.array([400.0, 100.0, 0.0]))
    options = ServingOptions(water_l_per_kwh=1.8)
    found = simulate_serving(requests([9.95], 100, 3), TOY, options=options, intensity=intensity, span_s=(0.0, 20.0))
    expected = (20.0 * 250.0 + 40.0 * 100.0) / 3.6e6
    assert found.requests["carbon_g"][0] == pytest.approx(expected)
    assert found.carbon_g["prefill"] + found.carbon_g["decode"] == pytest.approx(expected)
    assert found.carbon_g["idle"] == pytest.approx((50.0 * 9.95 * 400.0 + 50.0 * 9.75 * 100.0) / 3.6e6)
    assert found.by_tenant["carbon_g"][0] == pytest.approx(expected)
    assert found.water_l["prefill"] == pytest.approx(20.0 / 3.6e6 * 1.8)
    for water_l in (found.requests["water_l"][0], found.by_tenant["water_l"][0]):
        assert water_l == pytest.approx(60.0 / 3.6e6 * 1.8)


def test_objectives_and_quantiles() -> None:
    objectives = LatencyObjectives(ttft_s=0.15, tpot_s=0.2, e2e_s=0.35)
    trace = RequestTrace(arrival_s=[0.0, 1.0, 1.01], input_tokens=[9] * 3, output_tokens=[3, 5, 3])
    found = simulate_serving(trace, TOY, options=ServingOptions(objectives=objectives))
    # 0.3 s; 0.5 s; and 0.09 s of waiting for a step.
    assert found.met_fraction == pytest.approx(1.0 / 3.0)
    assert found.quantile("e2e_s", 0.5) == pytest.approx(0.39)
    assert found.mean("ttft_s") == pytest.approx((0.1 + 0.1 + 0.19) / 3.0)
    figures = found.figures()
    assert figures["p50_tpot_s"] == pytest.approx(0.1)
    assert figures["energy_per_output_token_j"] == pytest.approx(found.total_energy_j / 11.0)


def test_demand_above_capacity_is_told() -> None:
    options = ServingOptions(max_sequences=10, token_budget=100)
    found = simulate_serving(requests(np.linspace(0.0, 10.0, 101).tolist(), 91, 10), TOY, options=options)
    told = found.overload()
    assert told["offered_token_s"] == pytest.approx(101 * 100 / 10.0)
    assert told["served_fraction"] < 0.9
    assert told["needed_replicas"] == 2.0
    enough = simulate_serving(requests([0.0, 10.0], 91, 10), TOY)
    assert enough.overload()["needed_replicas"] == 1.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"context_tokens": 150}, r"request 1 needs 201 tokens; the context window holds 150"),
        ({}, r"request 1 needs 201 tokens; the cache of a replica holds 160"),
    ],
)
def test_requests_that_are_too_long(options: dict[str, Any], message: str) -> None:
    trace = RequestTrace(arrival_s=[0.0, 1.0], input_tokens=[10, 200], output_tokens=[1, 1])
    with pytest.raises(TraceError, match=message):
        simulate_serving(trace, TOY._replace(kv_capacity_tokens=160.0), options=ServingOptions(**options))


def test_the_context_of_the_model_is_the_limit() -> None:
    with pytest.raises(TraceError, match=r"needs 140001 tokens; the context window holds 131072"):
        simulate_serving(requests([0.0], 140_000, 1), deploy("Llama-3.1-8B", "H100"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"replicas": 0}, "replicas is 0; allowed is a whole number from 1"),
        ({"router": "random"}, "there is no router 'random'; use round-robin, least-outstanding, power-aware, prefix"),
        ({"span_s": (5.0, 1.0)}, r"span_s is \(5.0, 1.0\) s"),
        ({"span_s": (float("nan"), None)}, "span_s"),
        ({"options": ServingOptions(budget=ServiceBudget(carbon_g=1.0))}, "no carbon intensity is given"),
        ({"options": ServingOptions(budget=ServiceBudget(tokens=1.0), bin_s=7.0)}, "must divide a day of 86400 s"),
        ({"options": ServingOptions(autoscaling=Autoscaling(schedule=((0.0, 3),)))}, "more than the 1 replicas"),
        ({"options": ServingOptions(bin_s=7.0), "intensity": Intensity(10.0, np.ones(3))}, "use a divisor of that"),
    ],
)
def test_refused_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        simulate_serving(requests([0.0], 10, 1), TOY, **arguments)


def test_an_intensity_that_ends_too_early() -> None:
    with pytest.raises(TraceError, match="the carbon intensity has only 2 steps"):
        simulate_serving(requests([25.0], 10, 1), TOY, intensity=Intensity(10.0, np.ones(2)))
    with pytest.raises(TraceError, match="had no carbon intensity"):
        _ = simulate_serving(requests([0.0], 10, 1), TOY).carbon_g


def test_traces_must_follow_each_other() -> None:
    first, early = requests([5.0], 10, 1), requests([4.0], 10, 1)
    with pytest.raises(TraceError, match="begins at 4 s, before 5 s"):
        simulate_serving([first, early], TOY)
    with pytest.raises(TraceError, match="there are no requests"):
        simulate_serving([], TOY)
    with pytest.raises(TraceError, match="they must agree"):
        simulate_serving([first, requests([6.0], 10, 1, tenants=("other",))], TOY)
    with pytest.raises(TraceError, match=r"begins at 4 s, before 4\.5 s"):
        simulate_serving(early, TOY, span_s=(4.5, None))
    with pytest.raises(TraceError, match="bins of 1 s"):
        simulate_serving(requests([1e9], 10, 1), TOY)


def test_the_compiled_loop_is_kept_under_a_stamp_of_its_sources() -> None:
    from joulewright.physics.inference import step
    from joulewright.sim.compiler import source_stamp
    from joulewright.sim.processes.inference import arrays
    from joulewright.sim.processes.inference.compiled import loop

    cells = [cell.cell_contents for cell in loop.serve_kernel.py_func.__closure__]  # type: ignore[attr-defined]
    files = [Path(module.__file__) for module in (arrays, step)]
    assert cells == [source_stamp(Path(loop.__file__).parent, *files)]


def test_tenants_have_their_own_figures() -> None:
    trace = RequestTrace(
        arrival_s=[0.0, 1.0, 2.0],
        input_tokens=[10, 20, 30],
        output_tokens=[1, 3, 5],
        tenant=[0, 1, 1],
        tenants=("a", "b"),
    )
    found = simulate_serving(trace, TOY)
    rows = found.by_tenant.rows_by_key("tenant", named=True, unique=True)
    assert rows["a"]["tpot_s"] == 0.0
    assert rows["b"]["tpot_s"] == pytest.approx(0.1)
    assert rows["b"]["e2e_s"] == pytest.approx(0.4)
    assert (rows["b"]["input_tokens"], rows["b"]["output_tokens"]) == (50, 8)
    assert rows["b"]["decode_j"] == pytest.approx(6 * 20.0)
    assert found.quantile("e2e_s", 1.0, tenant="b") == pytest.approx(0.5)
    assert np.isnan(found.quantile("tpot_s", 0.5, tenant="a"))
    with pytest.raises(TraceError, match="there is no tenant 'c'; known are a, b"):
        found.quantile("e2e_s", 0.5, tenant="c")
    with pytest.raises(TraceError, match="there is no quantile"):
        found.quantile("e2e", 0.5)
    with pytest.raises(TraceError, match="there is no latency"):
        found.mean("e2e")


def test_several_traces_keep_no_rows() -> None:
    found = simulate_serving([requests([0.0], 10, 3)], TOY, options=ServingOptions(waiting_limit=1))
    with pytest.raises(TraceError, match="of which no rows are kept"):
        _ = found.requests
    assert found.quantile("tpot_s", 0.5) == pytest.approx(0.1, rel=5.1e-3)
    assert found.mean("tpot_s") == pytest.approx(0.1)
    assert found.refusals == {}
    assert found.figures()["requests"] == 1.0


def test_a_service_that_refuses_everything() -> None:
    options = ServingOptions(budget=ServiceBudget(tokens=1.0))
    found = simulate_serving(requests([0.0, 0.0], 10, 3), TOY, options=options)
    assert (found.served, found.refused, found.steps, found.total_energy_j) == (0, 2, 0, 0.0)
    assert found.mean_power_w == 0.0
    assert np.isnan(found.mean("ttft_s"))
    assert found.figures()["met_fraction"] == 0.0
    assert found.overload()["served_fraction"] == 0.0
    assert found.requests["finish_s"].null_count() == 2
