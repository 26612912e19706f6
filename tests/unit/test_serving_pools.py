"""Scaled pools, prefix caches in free memory, days and long waits of the serving simulator, by hand: 0.1 s a step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from joulewright.errors import ScenarioError, TraceError
from joulewright.sim.processes.inference import (
    Autoscaling,
    Disaggregation,
    PrefixCache,
    RequestTrace,
    ServiceBudget,
    ServingOptions,
    simulate_serving,
)
from joulewright.sim.processes.inference.plain import serve_plainly
from serving_case import TOY

LINK = {"link_bytes_s": 1e12}


def requests(arrivals: list[float], inputs: int, outputs: int) -> RequestTrace:
    count = len(arrivals)
    return RequestTrace(arrival_s=arrivals, input_tokens=[inputs] * count, output_tokens=[outputs] * count)


def named(blocks: list[list[int]], tokens: int = 600, *, gap_s: float = 1.0, outputs: int = 2) -> RequestTrace:
    return RequestTrace(
        arrival_s=gap_s * np.arange(len(blocks)),
        input_tokens=[tokens] * len(blocks),
        output_tokens=[outputs] * len(blocks),
        block_hashes=[name for row in blocks for name in row],
        block_at=np.cumsum([0, *(len(row) for row in blocks)]),
    )


# Both pools scaled.


def test_the_first_transfer_wakes_a_decode_pool_scaled_to_zero() -> None:
    rule = Autoscaling(requests_per_replica=4.0, least_replicas=0, load_s=5.0, load_energy_j=500.0, off_w=2.0)
    options = ServingOptions(disaggregation=Disaggregation(decode_replicas=1, **LINK), decode_autoscaling=rule)
    found = simulate_serving(requests([1.0], 100, 3), TOY, options=options)
    # The prompt takes until 1.1 s, then the pool loads, and two steps follow.
    assert found.requests["first_token_s"][0] == pytest.approx(1.1)
    assert found.requests["finish_s"][0] == pytest.approx(6.3)
    assert found.energy_j["off"] == pytest.approx(2.0 * 1.1)
    assert found.energy_j["loading"] == pytest.approx(500.0)
    assert found.energy_j["idle"] == pytest.approx(50.0 * (6.3 - 0.1))
    assert found.energy_j["decode"] == pytest.approx(2 * 20.0)


def test_a_drained_decode_replica_finishes_its_work() -> None:
    rule = Autoscaling(schedule=((0.0, 2), (1.0, 1)), interval_s=1.0, load_s=1.0, off_w=5.0)
    options = ServingOptions(disaggregation=Disaggregation(decode_replicas=2, **LINK), decode_autoscaling=rule)
    found = simulate_serving(requests([0.0, 0.0], 100, 31), TOY, options=options, span_s=(0.0, 10.0))
    assert found.requests["replica"].to_list() == [1, 2]
    # 30 steps from 0.1 s on; the second replica is to go off at 1 s and does at 3.1 s.
    assert found.requests["finish_s"].to_list() == pytest.approx([3.1, 3.1])
    assert found.energy_j["off"] == pytest.approx(5.0 * 6.9)
    assert found.energy_j["idle"] == pytest.approx(50.0 * (9.9 + 7.0 + 0.1))


def test_pools_scale_by_their_own_load() -> None:
    # Prompts are short and answers long: the queue of answers grows, that of prompts does not.
    rule = Autoscaling(requests_per_replica=10.0, interval_s=1.0, hold_s=0.0, load_s=0.5)
    options = ServingOptions(disaggregation=Disaggregation(decode_replicas=4, **LINK), autoscaling=rule)
    trace = requests(np.arange(0.05, 10.0, 0.1).tolist(), 10, 60)
    found = simulate_serving(trace, TOY, replicas=4, options=options)
    assert (found.world.replicas["busy_s"] > 0.0).tolist() == [True, False, False, False] + [True] * 4
    # 10 arrivals a second stay 6 s: 60 in flight want 6 of 4 replicas; afterwards the pool shrinks to one.
    assert found.requests["replica"].unique().sort().to_list() == [4, 5, 6, 7]


def test_a_rate_of_transfers_asks_for_decoders() -> None:
    rule = Autoscaling(rate_per_replica_s=1.0, rate_window_s=1.0, interval_s=10.0, load_s=0.0, hold_s=0.0)
    options = ServingOptions(disaggregation=Disaggregation(decode_replicas=8, **LINK), decode_autoscaling=rule)
    found = simulate_serving(requests(np.arange(0.05, 60.0, 0.25).tolist(), 10, 2), TOY, options=options)
    # Four transfers a second, all of 40 in each interval of 10 s arrived.
    assert (found.world.replicas["state"][1:] == 2).sum() == 4


def test_each_pool_has_its_own_schedule() -> None:
    first, second = (Autoscaling(schedule=schedule) for schedule in (((0.0, 1), (5.0, 3)), ((0.0, 2),)))
    pools = Disaggregation(decode_replicas=2, **LINK)
    options = ServingOptions(disaggregation=pools, autoscaling=first, decode_autoscaling=second)
    assert simulate_serving(requests([0.0], 10, 2), TOY, replicas=3, options=options).served == 1
    with pytest.raises(ScenarioError, match="autoscaling wants 3 decode replicas, which is more than the 2 decode"):
        simulate_serving(
            requests([0.0], 10, 2),
            TOY,
            replicas=3,
            options=ServingOptions(disaggregation=pools, autoscaling=first),
        )


# Time.


def test_a_run_ends_with_its_last_request_whatever_still_loads_or_decides() -> None:
    rule = Autoscaling(requests_per_replica=1.0, interval_s=0.15, load_s=1000.0, load_energy_j=1e6)
    slow = Autoscaling(requests_per_replica=1.0, interval_s=3600.0)
    for options in (ServingOptions(autoscaling=rule), ServingOptions(autoscaling=slow)):
        found = simulate_serving(requests([0.0, 0.0], 10, 4), TOY, replicas=2, options=options)
        assert found.end_s == found.makespan_s == pytest.approx(0.4)
        assert np.all(found.world.replicas["now_s"] == found.end_s)
        starts_s = 0.15 if options.autoscaling is rule else 0.4
        assert found.energy_j["loading"] == pytest.approx(
            1000.0 * (0.4 - starts_s) if options.autoscaling is rule else 0.0
        )


def test_long_loads_and_transfers_are_booked_when_they_are() -> None:
    rule = Autoscaling(requests_per_replica=1.0, least_replicas=0, load_s=5000.0, load_energy_j=1e6)
    found = simulate_serving(requests([1.0], 10, 2), TOY, options=ServingOptions(autoscaling=rule))
    series = found.series
    assert series["loading_w"].to_list()[1:5001] == pytest.approx([200.0] * 5000)
    assert series["loading_w"][0] == 0.0
    assert series["prefill_w"][5001] == pytest.approx(20.0)
    slow = Disaggregation(decode_replicas=1, latency_s=5000.0, **LINK)
    found = simulate_serving(requests([1.0], 10, 2), TOY, options=ServingOptions(disaggregation=slow))
    assert found.series["idle_w"].to_list()[2:5001] == pytest.approx([100.0] * 4999)
    assert found.requests["finish_s"][0] == pytest.approx(5001.2)


def test_steps_longer_than_the_spare_time_of_the_series() -> None:
    crawling = TOY._replace(fixed_s=4000.0)
    found = simulate_serving(requests([1.0], 10, 3), crawling)
    assert (found.series["prefill_w"] + found.series["decode_w"]).to_list()[1:12_001] == pytest.approx([200.0] * 12_000)


def test_waits_that_need_too_long_a_series_are_refused() -> None:
    rule = Autoscaling(requests_per_replica=1.0, load_s=1e9)
    with pytest.raises(TraceError, match=r"what then starts 1e\+09 s more"):
        simulate_serving(requests([1.0], 10, 3), TOY, options=ServingOptions(autoscaling=rule))


# Days.


def test_days_begin_at_the_midnight_that_is_given() -> None:
    trace = requests([0.0, 10.0, 200.0, 86_490.0, 86_500.0], 100, 10)
    budget = ServiceBudget(tokens=120.0, midnight_s=100.0)
    found = simulate_serving(trace, TOY, options=ServingOptions(budget=budget, bin_s=50.0))
    assert found.requests["status"].to_list() == ["served", "token budget", "served", "token budget", "served"]
    with pytest.raises(ScenarioError, match=r"bin_s is 60 s; with a daily budget it must divide its midnight at 100 s"):
        simulate_serving(trace, TOY, options=ServingOptions(budget=budget, bin_s=60.0))


def test_a_step_across_midnight_counts_on_both_days() -> None:
    found = simulate_serving(
        requests([99.95], 100, 1),
        TOY,
        options=ServingOptions(budget=ServiceBudget(gpu_h=1.0, midnight_s=100.0), bin_s=10.0),
    )
    assert found.world.days["gpu_s"][:2].tolist() == pytest.approx([0.05, 0.05])
    assert found.world.days["energy_j"][:2].tolist() == pytest.approx([60.0 * 99.95 + 11.5, 11.5])


def test_a_budget_counts_what_a_loading_replica_has_drawn() -> None:
    # Loading draws what rest does. A request can take 253 J and takes 170 J above rest: there is room for one.
    rule = Autoscaling(requests_per_replica=9.0, least_replicas=0, load_s=100.0, load_energy_j=6000.0)
    limit_j = 60.0 * 200.0 + 253.0
    options = ServingOptions(autoscaling=rule, budget=ServiceBudget(energy_kwh=1.000001 * limit_j / 3.6e6), bin_s=10.0)
    found = simulate_serving(requests([0.0, 90.0], 100, 10), TOY, options=options, span_s=(0.0, 200.0))
    assert found.requests["status"].to_list() == ["served", "energy budget"]
    assert found.total_energy_j <= limit_j


# Prefix caches.


def test_blocks_stay_in_free_memory_until_sequences_need_it() -> None:
    # 128 blocks of 16; a request takes 38, of which its one full block of 512 tokens is 32. While it runs the other 90
    # hold two more names, so the third oldest name is lost.
    small = TOY._replace(kv_capacity_tokens=2048.0)
    trace = named([[1, 9], [1, 9], [4, 9], [5, 9], [6, 9], [1, 9], [5, 9]])
    options = ServingOptions(prefix_cache=PrefixCache(blocks="free"))
    found = simulate_serving(trace, small, options=options)
    assert found.requests["cached_tokens"].to_list() == [0, 512, 0, 0, 0, 0, 512]
    assert found.scheduled_tokens == trace.scheduled_tokens - 2 * 512
    requests_, _ = serve_plainly(trace, small, options=options)
    assert [request.found for request in requests_] == [0, 512, 0, 0, 0, 0, 512]


def test_sequences_with_the_same_beginning_share_its_room() -> None:
    # 64 blocks: two requests of 38 do not fit, but 32 of them are the same.
    small = TOY._replace(kv_capacity_tokens=1024.0)
    trace = named([[1, 2], [1, 3]], gap_s=0.0)
    found = simulate_serving(trace, small)
    assert found.requests["finish_s"].to_list() == pytest.approx([0.2, 0.4])
    shared = simulate_serving(trace, small, options=ServingOptions(prefix_cache=PrefixCache(blocks="free")))
    assert shared.requests["finish_s"].to_list() == pytest.approx([0.2, 0.2])
    assert shared.requests["cached_tokens"].to_list() == [0, 512]
    assert shared.world.replicas["free_blocks"].tolist() == [64]
    # Two names may be the same within a prompt, too.
    twice = named([[7, 7], [7, 7]], tokens=1024 - 16)
    found = simulate_serving(twice, small, options=ServingOptions(prefix_cache=PrefixCache(blocks="free")))
    assert found.world.replicas["free_blocks"].tolist() == [64]


def test_a_preempted_sequence_finds_its_prompt_again() -> None:
    # 68 blocks hold both prompts and two more for each; the second gives way to the first, which takes 36 at most, and
    # its prompt, 32, stays.
    small = TOY._replace(kv_capacity_tokens=68.0 * 16)
    trace = named([[1], [2]], tokens=512, gap_s=0.0, outputs=64)
    plain = simulate_serving(trace, small)
    kept = simulate_serving(trace, small, options=ServingOptions(prefix_cache=PrefixCache(blocks="free")))
    assert (plain.preemptions, kept.preemptions) == (1, 1)
    assert plain.requests["cached_tokens"].to_list() == [0, 0]
    assert kept.requests["cached_tokens"].to_list() == [0, 0]
    assert plain.scheduled_tokens - kept.scheduled_tokens == 512
    # With two blocks less the first needs that room.
    less = TOY._replace(kv_capacity_tokens=66.0 * 16)
    lost = simulate_serving(trace, less, options=ServingOptions(prefix_cache=PrefixCache(blocks="free")))
    assert lost.requests["cached_tokens"].to_list() == [0, 0]


def test_a_replica_that_goes_off_forgets() -> None:
    rule = Autoscaling(schedule=((0.0, 1), (10.0, 0), (20.0, 1)), interval_s=10.0, load_s=1.0)
    trace = RequestTrace(
        arrival_s=[0.0, 5.0, 30.0, 35.0],
        input_tokens=[600] * 4,
        output_tokens=[2] * 4,
        block_hashes=[1] * 4,
        block_at=range(5),
    )
    for cache, expected in (
        (PrefixCache(blocks="free"), [0, 512, 0, 512]),
        (PrefixCache(shared=False), [0, 512, 0, 512]),
        (PrefixCache(), [0, 512, 512, 512]),
    ):
        options = ServingOptions(autoscaling=rule, prefix_cache=cache)
        assert simulate_serving(trace, TOY, options=options).requests["cached_tokens"].to_list() == expected


def test_a_router_finds_the_replica_that_knows_the_prompt() -> None:
    trace = named([[1, 5], [2, 5], [3, 5], [1, 9], [2, 8], [1, 7], [4, 4]], gap_s=1.0)
    caches = ServingOptions(prefix_cache=PrefixCache(blocks="free"))
    found = simulate_serving(trace, TOY, replicas=2, router="prefix-aware", options=caches)
    # All are idle at each arrival: unknown prompts go to the first replica, and known ones are there.
    assert found.requests["replica"].to_list() == [0, 0, 0, 0, 0, 0, 0]
    # With requests at the same time names part, and later ones follow them.
    together = RequestTrace(
        arrival_s=[0.0, 0.0, 1.0, 1.0, 2.0, 2.0],
        input_tokens=[600] * 6,
        output_tokens=[2] * 6,
        block_hashes=[1, 2, 2, 1, 1, 1],
        block_at=range(7),
    )
    found = simulate_serving(together, TOY, replicas=2, router="prefix-aware", options=caches)
    assert found.requests["replica"].to_list() == [0, 1, 1, 0, 0, 0]
    assert found.requests["cached_tokens"].to_list() == [0, 0, 512, 512, 512, 512]
    # A replica that is full knows nothing.
    full = ServingOptions(prefix_cache=PrefixCache(blocks="free"), fill_sequences=1)
    found = simulate_serving(together, TOY, replicas=2, router="prefix-aware", options=full)
    assert found.requests["replica"].to_list() == [0, 1, 1, 0, 0, 1]


@pytest.mark.parametrize("cache", [PrefixCache(), PrefixCache(blocks=9, shared=False), PrefixCache(blocks="free")])
@pytest.mark.parametrize("size", [1, 3, 7])
def test_blocks_are_known_across_traces(cache: PrefixCache, size: int) -> None:
    generator = np.random.default_rng(4)
    trace = named([[-5, int(name), 100 + at] for at, name in enumerate(generator.integers(1, 5, 40))], 1500, gap_s=0.02)
    options: dict[str, Any] = {"options": ServingOptions(prefix_cache=cache, context_tokens=4096), "replicas": 2}
    small = TOY._replace(kv_capacity_tokens=8000.0)
    whole = simulate_serving(trace, small, **options)
    parts = (trace.part(first, min(first + size, len(trace))) for first in range(0, len(trace), size))
    found = simulate_serving(parts, small, **options)
    assert whole.by_tenant["cached_tokens"][0] > 512 * 20
    assert found.by_tenant.equals(whole.by_tenant)
    assert (found.steps, found.makespan_s) == (whole.steps, whole.makespan_s)


def test_caches_that_cannot_be() -> None:
    with pytest.raises(TraceError, match="the trace names no blocks of prompts; give a trace with hash_ids"):
        simulate_serving(requests([0.0], 10, 1), TOY, options=ServingOptions(prefix_cache=PrefixCache()))
    options = ServingOptions(prefix_cache=PrefixCache(blocks="free"), block_tokens=100)
    with pytest.raises(ScenarioError, match="block_tokens is 100 and the trace names blocks of 512 tokens"):
        simulate_serving(named([[1]]), TOY, options=options)
    other = RequestTrace(
        arrival_s=[9.0], input_tokens=[5], output_tokens=[1], block_hashes=[1], block_at=[0, 1], block_tokens=8
    )
    with pytest.raises(TraceError, match="a trace has blocks of 8 tokens, the first has 512"):
        simulate_serving([named([[1]]), other], TOY, options=ServingOptions(prefix_cache=PrefixCache()))


# Edges of the engine.


def test_a_request_that_fills_the_context_and_the_cache_exactly() -> None:
    exact = TOY._replace(kv_capacity_tokens=160.0)
    options = ServingOptions(context_tokens=160)
    found = simulate_serving(requests([0.0, 0.0], 150, 10), exact, options=options)
    assert found.requests["finish_s"].to_list() == pytest.approx([1.0, 2.0])
    with pytest.raises(TraceError, match="request 0 needs 161 tokens; the context window holds 160"):
        simulate_serving(requests([0.0], 151, 10), exact, options=options)


def test_no_cache_is_too_small_to_finish() -> None:
    # Twelve requests whose answers outgrow the cache many times over: the oldest always goes on.
    tight = TOY._replace(kv_capacity_tokens=320.0)
    found = simulate_serving(requests([0.0] * 12, 10, 300), tight)
    assert found.served == 12
    assert found.preemptions > 12
    finish = found.requests["finish_s"].to_numpy()
    assert np.all(np.diff(finish) >= 0.0)


def test_as_many_decodes_as_the_budget_leave_no_room_for_prompts() -> None:
    options = ServingOptions(max_sequences=4, token_budget=4)
    found = simulate_serving(requests([0.0] * 6, 1, 5), TOY, options=options)
    # Four at once for five steps, then the other two; single-token prompts need a step of the budget each.
    assert found.requests["first_token_s"].to_list() == pytest.approx([0.1] * 4 + [0.6] * 2)
    slow = simulate_serving(requests([0.0] * 2, 9, 2), TOY, options=ServingOptions(max_sequences=4, token_budget=4))
    # Chunks of 4, 4 and 1 + 3; then a decode and 3, then 3 at once with nothing else to decode.
    assert slow.requests["first_token_s"].to_list() == pytest.approx([0.3, 0.5])
