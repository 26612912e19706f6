"""Routing rules on two sites, worked by hand.

An accelerator of the tiny service serves 1000 token/s at 5 kW, 4 kW more than idle, behind a PUE of 1.5: a million
tokens take 1000 s and 1.6667 kWh.
"""

from __future__ import annotations

import numpy as np
import pytest

from joulewright.errors import PolicyError
from joulewright.model import CarbonPolicy, Region, Route, ServingPoint
from joulewright.policy.observation import JobObservation
from joulewright.policy.registry import make
from joulewright.policy.routing.rules import energy_per_mtoken_mwh
from joulewright.policy.routing.waterfill import Room, accelerator_worth, latency_preference, waterfill
from joulewright.testing.observations import facts_of, observe


@pytest.fixture
def pair(tiny):
    """Sites ``a`` (near west) and ``b`` (far) with prices and intensities."""

    def build(*services, prices=(50.0, 50.0), carbon=(400.0, 400.0), regions=None, counts=(100, 100), **changes):
        sites = [
            tiny.site(
                name=name,
                grid=tiny.grid(carbon=intensity, import_price_per_mwh=price),
                fleets=(tiny.fleet(count=count),),
                **changes.get(name, {}),
            )
            for name, price, intensity, count in zip("ab", prices, carbon, counts)
        ]
        regions = regions or (Region(name="west", latency_ms={"a": 5.0, "b": 40.0}),)
        return tiny.scenario(
            *sites,
            inference=services or (tiny.service(),),
            regions=regions,
            carbon=CarbonPolicy(price_per_t=changes.get("price_per_t", 0.0)),
        )

    return build


def served(rule, scenario, **seen):
    made = make(rule)
    found, _ = made.step(made.init(facts_of(scenario)), observe(scenario, **seen))
    return {
        (service, route.region, route.site): rate for service, routes in found.items() for route, rate in routes.items()
    }


def test_nearest_ignores_prices(pair):
    assert served("nearest", pair(prices=(90.0, 10.0))) == {("chat", "west", "a"): 2e4}


def test_cheapest_follows_the_price_and_the_carbon_price(pair):
    assert served("cheapest", pair(prices=(50.0, 49.0))) == {("chat", "west", "b"): 2e4}
    assert served("cheapest", pair(prices=(50.0, 50.0))) == {("chat", "west", "a"): 2e4}
    dirty = pair(prices=(50.0, 49.0), carbon=(400.0, 450.0), price_per_t=30.0)  # 62 against 62.5
    assert served("cheapest", dirty) == {("chat", "west", "a"): 2e4}


def test_cleanest_follows_carbon(pair):
    assert served("cleanest", pair(carbon=(400.0, 300.0), prices=(10.0, 90.0))) == {("chat", "west", "b"): 2e4}


def test_a_site_with_surplus_pays_what_it_would_earn(pair, tiny):
    scenario = pair(prices=(40.0, 50.0))
    sun = {"sites": {"b": {"renewable_mw": {"roof": 9.0}, "load_mw": 1.0}}}
    assert served("cheapest", scenario, **sun) == {("chat", "west", "b"): 2e4}  # 30 against 40
    assert served("cleanest", scenario, **sun) == {("chat", "west", "b"): 2e4}
    assert served("cheapest", pair(prices=(20.0, 50.0)), **sun) == {("chat", "west", "a"): 2e4}


def test_weights_trade_money_carbon_and_latency(pair):
    # 10 per MWh x 1.6667e-3 = 0.016667 per Mtoken against 35 ms: equal at 4.76e-4 per Mtoken and ms.
    scenario = pair(prices=(50.0, 40.0))
    assert served("weighted:latency_price_per_mtoken_ms=0.0004", scenario) == {("chat", "west", "b"): 2e4}
    assert served("weighted:latency_price_per_mtoken_ms=0.0005", scenario) == {("chat", "west", "a"): 2e4}
    # 100 kg at 100 per t are 10 per MWh.
    dirty = pair(prices=(50.0, 40.0), carbon=(400.0, 510.0))
    assert served("weighted:latency_price_per_mtoken_ms=0", dirty) == {("chat", "west", "a"): 2e4}
    free = "weighted:latency_price_per_mtoken_ms=0,carbon_price_per_t=0"
    assert served(free, dirty) == {("chat", "west", "b"): 2e4}


def test_demand_spills_to_the_next_site_and_then_stays_unserved(pair, tiny):
    scenario = pair(tiny.service(demand=9e4), counts=(60, 20))
    assert served("nearest", scenario) == {("chat", "west", "a"): 6e4, ("chat", "west", "b"): 2e4}


def test_accelerators_that_train_are_not_taken(pair, tiny):
    job = tiny.job()
    running = JobObservation(
        job=job, status="running", remaining_h=1.0, site="a", fleet="gpus", accelerators=90.0, status_h=1.0
    )
    found = served("nearest", pair(), jobs=[running])
    assert found == {("chat", "west", "a"): 1e4, ("chat", "west", "b"): 1e4}


def test_latency_residency_and_hosting_are_kept(pair, tiny):
    near = tiny.service(demand=12e4, latency_limit_ms=20.0)
    assert served("cheapest", pair(near, prices=(90.0, 10.0))) == {("chat", "west", "a"): 1e5}
    hosted = tiny.service(sites=("b",))
    assert served("nearest", pair(hosted)) == {("chat", "west", "b"): 2e4}
    resident = (Region(name="west", latency_ms={"a": 5.0, "b": 40.0}, residency=("b",)),)
    assert served("nearest", pair(regions=resident)) == {("chat", "west", "b"): 2e4}
    nowhere = (Region(name="west", latency_ms={}),)
    assert served("nearest", pair(regions=nowhere)) == {}


def test_a_region_with_few_routes_comes_first(pair, tiny):
    regions = (
        Region(name="west", latency_ms={"a": 5.0, "b": 40.0}),
        Region(name="south", latency_ms={"a": 10.0}),
    )
    service = tiny.service(demand_token_s={name: np.full(2, 7e4) for name in ("west", "south")})
    found = served("nearest", pair(service, regions=regions))
    assert found == {("chat", "south", "a"): 7e4, ("chat", "west", "a"): 3e4, ("chat", "west", "b"): 4e4}


def test_the_service_worth_most_comes_first(pair, tiny):
    cheap = tiny.service(name="cheap", demand=8e4, revenue_per_mtoken=1.0, unserved_penalty_per_mtoken=0.0)
    dear = tiny.service(name="dear", demand=8e4, revenue_per_mtoken=2.0, unserved_penalty_per_mtoken=0.0)
    fast = tiny.service(
        name="fast",
        revenue_per_mtoken=1.0,
        unserved_penalty_per_mtoken=0.5,
        serving=ServingPoint(throughput_token_s=2000.0, active_power_mw=0.005),
    )
    must = tiny.service(name="must")
    assert accelerator_worth(must) == float("inf")
    assert accelerator_worth(fast) == pytest.approx(0.003)
    scenario = pair(cheap, dear, counts=(100, 20))
    assert served("nearest", scenario) == {
        ("dear", "west", "a"): 8e4,
        ("cheap", "west", "a"): 2e4,
        ("cheap", "west", "b"): 2e4,
    }


def test_no_service_needs_no_route(tiny):
    assert served("cheapest", tiny.scenario()) == {}


def test_energy_of_a_million_tokens(tiny):
    scenario = tiny.scenario(inference=(tiny.service(),), regions=(Region(name="west", latency_ms={"a": 1.0}),))
    site = observe(scenario).sites["a"]
    found = energy_per_mtoken_mwh(scenario.inference[0], scenario.sites[0].fleets[0], site)
    assert found == pytest.approx(0.004 * 1.5 * 1000.0 / 3600.0)


def test_filling_many_steps_at_once_and_keeping_power(pair, tiny):
    scenario = pair(tiny.service(latency_limit_ms=20.0))
    room = Room(
        accelerators={("a", "gpus"): np.array([100.0, 5.0, 100.0])},
        power_mw={"a": np.array([1.0, 1.0, 0.06])},
        pue={"a": np.full(3, 1.5)},
    )
    # 4 kW x 1.5 each: 0.06 MW carry 10 accelerators.
    demand = {"chat": {"west": np.array([2e4, 2e4, 2e4])}}
    found = waterfill(scenario, demand, room, latency_preference(scenario))
    assert found["chat"][Route(region="west", site="a", fleet="gpus")].tolist() == pytest.approx([2e4, 5e3, 1e4])
    assert room.accelerators["a", "gpus"].tolist() == pytest.approx([80.0, 0.0, 90.0])
    assert room.power_mw["a"].tolist() == pytest.approx([0.88, 0.97, 0.0])


@pytest.mark.parametrize("option", ["carbon_price_per_t", "latency_price_per_mtoken_ms"])
def test_negative_weights_are_refused(option):
    with pytest.raises(PolicyError, match=f"{option} is -1"):
        make(f"weighted:{option}=-1")
