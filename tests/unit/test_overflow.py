"""Planned routes that do not fit go elsewhere."""

from __future__ import annotations

import pytest

from joulewright.model import Region, Route
from joulewright.policy.routing.overflow import rerouted
from joulewright.testing.observations import observe

NEAR, FAR = (Route(region="west", site=site, fleet="gpus") for site in ("a", "b"))


@pytest.fixture
def world(tiny):
    """Two sites of 100 accelerators; one region, nearer to a; an accelerator serves 1000 token/s."""
    region = Region(name="west", latency_ms={"a": 5.0, "b": 9.0})
    service = tiny.service(2, demand=90_000.0)
    return tiny.scenario(tiny.site(2), tiny.site(2, name="b"), steps=2, regions=(region,), inference=(service,))


def throughput(world):
    return world.inference[0].serving.throughput_token_s


def test_what_fits_is_left_as_planned_to_the_last_bit(world):
    planned = {world.inference[0].name: {NEAR: 0.1 + 0.2, FAR: 7.0 / 3.0}}
    assert rerouted(world, observe(world, 0), planned) == planned


def test_what_does_not_fit_is_served_at_the_next_site(world):
    """120 accelerators' worth planned at a, which has 100: 20 go to b."""
    name, rate = world.inference[0].name, throughput(world)
    found = rerouted(world, observe(world, 0), {name: {NEAR: 120.0 * rate}})
    assert found[name] == pytest.approx({NEAR: 100.0 * rate, FAR: 20.0 * rate})


def test_what_fits_nowhere_stays_unserved(world):
    name, rate = world.inference[0].name, throughput(world)
    found = rerouted(world, observe(world, 0), {name: {NEAR: 120.0 * rate, FAR: 130.0 * rate}})
    assert sum(found[name].values()) == pytest.approx(200.0 * rate)


def test_demand_that_the_plan_leaves_unserved_stays_so(world):
    name = world.inference[0].name
    assert rerouted(world, observe(world, 0), {name: {}}) == {name: {}}
