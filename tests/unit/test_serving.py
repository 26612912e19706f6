"""Routing of demand in the simulator: what may be used, what is cut, what stays unserved."""

from __future__ import annotations

import math

import pytest

from joulewright.errors import PolicyError
from joulewright.model import Region, Route
from joulewright.sim.journal import Journal
from joulewright.sim.serving import Serving

WEST_A, WEST_B = Route(region="west", site="a", fleet="gpus"), Route(region="west", site="b", fleet="gpus")
EAST_A, EAST_B = Route(region="east", site="a", fleet="gpus"), Route(region="east", site="b", fleet="gpus")


@pytest.fixture
def serving(tiny):
    """Serving of a service of 1000 token/s per accelerator from two regions at two sites."""

    def make(**changes):
        regions = (
            Region(name="west", latency_ms={"a": 40.0, "b": 10.0}),
            Region(name="east", latency_ms={"a": 10.0, "b": 90.0}),
        )
        demand = {"west": tiny.series(3e4, 2), "east": tiny.series(2e4, 2)}
        service = tiny.service(demand_token_s=demand, **({"latency_limit_ms": 60.0} | changes))
        sites = (tiny.site(name="a"), tiny.site(name="b"))
        return Serving(tiny.scenario(*sites, regions=regions, inference=(service,)))

    return make


def serve(serving, routes, demand=(3e4, 2e4), free=(100.0, 100.0)):
    """Rates by route, unserved rates and clips of one step."""
    journal = Journal(1.0)
    serving.serve(routes, demand, free, journal)
    rates = {lane.route: rate for lane, rate in zip(serving.lanes, serving.served_token_s, strict=True) if rate > 0.0}
    return rates, serving.unserved_token_s, journal.clips()


def test_lanes_are_what_latency_allows_nearest_first(serving):
    assert [lane.route for lane in serving().lanes] == [WEST_B, WEST_A, EAST_A]
    assert [lane.route for lane in serving(sites=("b",)).lanes] == [WEST_B]


def test_what_fits_is_served_as_asked(serving):
    rates, unserved, clips = serve(serving(), {"chat": {WEST_A: 1e4, WEST_B: 2e4, EAST_A: 1.5e4}})
    assert rates == {WEST_B: 2e4, WEST_A: 1e4, EAST_A: 1.5e4}
    assert unserved == [0.0, 5e3]
    assert clips == ()


def test_accelerators_and_power_follow_the_rates(serving):
    found = serving()
    serve(found, {"chat": {WEST_A: 1e4, WEST_B: 2e4, EAST_A: 1.5e4}})
    assert found.accelerators() == pytest.approx([25.0, 20.0])
    assert found.power_mw() == pytest.approx([0.125, 0.1])


def test_more_than_the_demand_is_cut_in_proportion_and_counted(serving):
    rates, unserved, clips = serve(serving(), {"chat": {WEST_A: 2e4, WEST_B: 4e4}})
    assert rates == {WEST_B: pytest.approx(2e4), WEST_A: pytest.approx(1e4)}
    assert unserved == [0.0, 2e4]
    assert [(clip.component, clip.quantity, clip.asked, clip.allowed) for clip in clips] == [
        ("chat/west", "served_token_s", 6e4, 3e4)
    ]


def test_more_than_a_fleet_carries_is_cut_in_proportion_and_counted(serving):
    rates, unserved, clips = serve(serving(), {"chat": {WEST_A: 3e4, EAST_A: 2e4}}, free=(25.0, 0.0))
    assert rates == {WEST_A: pytest.approx(1.5e4), EAST_A: pytest.approx(1e4)}
    assert unserved == pytest.approx([1.5e4, 1e4])
    assert [(clip.component, clip.quantity, clip.asked, clip.allowed) for clip in clips] == [
        ("a/gpus", "serving_accelerators", pytest.approx(50.0), 25.0)
    ]


def test_shares_are_kept_when_nothing_is_decided(serving):
    found = serving()
    serve(found, {"chat": {WEST_A: 1e4, WEST_B: 2e4}})
    rates, unserved, _ = serve(found, None, demand=(6e4, 1e4))
    assert rates == {WEST_B: pytest.approx(4e4), WEST_A: pytest.approx(2e4)}
    assert unserved == [0.0, 1e4]
    serve(found, None, demand=(0.0, 0.0))
    rates, _, _ = serve(found, None)
    assert rates == {WEST_B: pytest.approx(2e4), WEST_A: pytest.approx(1e4)}


def test_nothing_is_served_before_anything_is_decided(serving):
    assert serve(serving(), None)[:2] == ({}, [3e4, 2e4])


def test_an_empty_decision_serves_nothing(serving):
    assert serve(serving(), {})[:2] == ({}, [3e4, 2e4])


def test_rounding_of_a_plan_is_neither_cut_nor_unserved(serving):
    asked = 3e4 * (1.0 + 1e-12)
    rates, unserved, clips = serve(serving(), {"chat": {WEST_B: asked}})
    assert rates == {WEST_B: asked}
    assert (unserved[0], clips) == (0.0, ())


@pytest.mark.parametrize(
    ("routes", "words"),
    [
        ({"talk": {WEST_A: 1.0}}, r"'talk' is routed; the scenario has the services \['chat'\]"),
        ({"chat": {Route(region="north", site="a", fleet="gpus"): 1.0}}, "no demand in 'north'"),
        ({"chat": {Route(region="west", site="c", fleet="gpus"): 1.0}}, "c/gpus, which does not exist"),
        ({"chat": {Route(region="west", site="a", fleet="tpus"): 1.0}}, "a/tpus, which does not exist"),
        ({"chat": {EAST_B: 1.0}}, "cannot serve 'east' at 'b': latency 90 ms, limit 60 ms"),
        ({"chat": {WEST_A: -1.0}}, "west -> a/gpus is given -1.0 token/s"),
        ({"chat": {WEST_A: math.nan}}, "is given nan token/s"),
        ({"chat": {WEST_A: math.inf}}, "is given inf token/s"),
    ],
)
def test_routes_that_cannot_be_are_refused(serving, routes, words):
    with pytest.raises(PolicyError, match=words):
        serve(serving(), routes)


def test_residency_and_hosting_are_named_in_the_refusal(serving):
    with pytest.raises(PolicyError, match=r"sites of the service \('b',\)"):
        serve(serving(sites=("b",)), {"chat": {WEST_A: 1.0}})
