"""Laws of events: order, locality, monotonicity."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from joulewright.model import Event, Scenario
from joulewright.model.disturbance import apply_events, event_steps
from joulewright.policy.signals import signal_series

STEPS = 30
CAPS = ["grid-outage", "demand-response", "generator-failure", "site-loss", "accelerator-failure", "telemetry-gap"]
COMPONENT = {"generator-failure": "turbine", "accelerator-failure": "gpus"}


def scenario_of(tiny) -> Scenario:
    site = tiny.site(
        STEPS,
        generators=(tiny.generator(STEPS),),
        renewables=(tiny.plant(0.4, STEPS),),
        fixed_it_power_mw=np.arange(STEPS),
    )
    return tiny.scenario(site, tiny.site(STEPS, "b"), steps=STEPS)


@st.composite
def events(draw, kinds=CAPS):
    kind = draw(st.sampled_from(kinds))
    first, length = draw(st.floats(-10.0, 40.0)), draw(st.floats(0.01, 25.0))
    from datetime import UTC, datetime

    start = datetime(2022, 7, 4, tzinfo=UTC) + timedelta(hours=first)
    return Event(
        kind=kind,
        site="a",
        start=start,
        end=start + timedelta(hours=length),
        limit_mw=draw(st.floats(0.0, 120.0)) if kind == "demand-response" else None,
        component=COMPONENT.get(kind),
        lost_fraction=draw(st.floats(0.0, 1.0)) if kind == "accelerator-failure" else None,
    )


def state(scenario: Scenario) -> dict[str, np.ndarray]:
    site = scenario.site("a")
    return signal_series(scenario) | {"on": site.generators[0].availability, "fleet": site.fleets[0].availability}


@settings(max_examples=60, deadline=None)
@given(many=st.lists(events(), max_size=5), order=st.randoms(use_true_random=False))
def test_the_order_of_events_does_not_matter(tiny, many, order) -> None:
    scenario, shuffled = scenario_of(tiny), list(many)
    order.shuffle(shuffled)
    one, two = state(apply_events(scenario, many)), state(apply_events(scenario, shuffled))
    assert all(np.allclose(one[key], two[key], atol=1e-12) for key in one)


@settings(max_examples=60, deadline=None)
@given(many=st.lists(events(), min_size=1, max_size=4), one_more=events())
def test_a_further_event_lets_nothing_more_through(tiny, many, one_more) -> None:
    scenario = scenario_of(tiny)
    before, after = state(apply_events(scenario, many)), state(apply_events(scenario, [*many, one_more]))
    for key in before:
        assert (after[key] <= before[key] + 1e-12).all()
        assert (after[key] >= 0.0).all()


@settings(max_examples=60, deadline=None)
@given(one=events([*CAPS, "price-spike"]))
def test_an_event_acts_in_its_own_steps_only(tiny, one) -> None:
    scenario = scenario_of(tiny)
    first, stop = event_steps(scenario.timeline, one)
    outside = np.r_[0:first, stop:STEPS]
    before, after = state(scenario), state(apply_events(scenario, [one]))
    for key in before:
        assert np.array_equal(before[key][outside], after[key][outside]), key


@settings(max_examples=60, deadline=None)
@given(one=events(["grid-outage", "demand-response", "generator-failure", "site-loss"]))
def test_saying_a_thing_twice_changes_nothing(tiny, one) -> None:
    scenario = scenario_of(tiny)
    once, twice = state(apply_events(scenario, [one])), state(apply_events(scenario, [one, one]))
    assert all(np.array_equal(once[key], twice[key]) for key in once)
