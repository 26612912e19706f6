"""What every kind of event does to the series of a scenario, with numbers worked by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from joulewright.errors import ScenarioError
from joulewright.model import Event, EventRate, FlexibleConnection, Scenario
from joulewright.model.disturbance import apply_events, event_problems, event_steps

STEPS = 6


@pytest.fixture
def scenario(tiny) -> Scenario:
    site = tiny.site(
        STEPS,
        grid=tiny.grid(STEPS),
        renewables=(tiny.plant(0.5, STEPS),),
        generators=(tiny.generator(STEPS),),
        fleets=(tiny.fleet(STEPS), tiny.fleet(STEPS, "old", availability=0.6)),
        fixed_it_power_mw=2.0,
        fixed_facility_power_mw=1.0,
    )
    return tiny.scenario(site, tiny.site(STEPS, "b"), steps=STEPS)


@pytest.fixture
def event(tiny):
    def make(kind: str, first: float = 2.0, stop: float = 4.0, **changes) -> Event:
        return Event(kind=kind, site="a", start=tiny.at(first), end=tiny.at(stop), **changes)

    return make


def after(scenario: Scenario, *events: Event):
    return apply_events(scenario, events).site("a")


def test_an_outage_closes_the_connection_in_both_directions(scenario, event) -> None:
    grid = after(scenario, event("grid-outage")).grid
    assert grid.import_limit_mw.tolist() == [100.0, 100.0, 0.0, 0.0, 100.0, 100.0]
    assert grid.export_limit_mw.tolist() == [50.0, 50.0, 0.0, 0.0, 50.0, 50.0]


def test_a_call_caps_import_and_a_looser_one_does_not_lift_the_cap(scenario, event) -> None:
    grid = after(scenario, event("demand-response", limit_mw=8.0), event("demand-response", 1, 5, limit_mw=30.0)).grid
    assert grid.import_limit_mw.tolist() == [100.0, 30.0, 8.0, 8.0, 30.0, 100.0]


def test_curtailment_takes_the_flexible_part_and_may_go_deeper(scenario, event, tiny) -> None:
    site = scenario.site("a")
    terms = FlexibleConnection(
        firm_limit_mw=60.0, flexible_limit_mw=np.full(STEPS, 40.0), curtailed=np.arange(STEPS) == 0
    )
    flexible = replace(site, grid=replace(site.grid, flexible=terms))
    whole = scenario.with_changes(sites=(flexible, scenario.site("b")))
    grid = after(whole, event("curtailment"), event("curtailment", 3, 5, limit_mw=5.0)).grid
    assert grid.import_limit_mw.tolist() == [100.0, 100.0, 60.0, 5.0, 5.0, 100.0]
    assert grid.flexible.curtailed.tolist() == [True, False, True, True, True, False]
    plain = after(scenario, event("curtailment")).grid
    assert plain.import_limit_mw.tolist() == [100.0] * STEPS  # nothing flexible, no limit of its own


def test_a_price_spike_leaves_the_fee_and_pulls_a_relative_export_price(scenario, event) -> None:
    site = scenario.site("a")
    linked = replace(site.grid, import_fee_per_mwh=np.full(STEPS, 8.0), export_factor=0.5, export_offset_per_mwh=-1.0)
    whole = scenario.with_changes(sites=(replace(site, grid=linked), scenario.site("b")))
    grid = after(whole, event("price-spike", price_per_mwh=2000.0)).grid
    assert grid.import_price_per_mwh.tolist() == [50.0, 50.0, 2008.0, 2008.0, 50.0, 50.0]
    assert grid.export_price_per_mwh.tolist() == [30.0, 30.0, 999.0, 999.0, 30.0, 30.0]
    free = after(scenario, event("price-spike", price_per_mwh=2000.0)).grid
    assert free.export_price_per_mwh.tolist() == [30.0] * STEPS


def test_failures_take_the_named_component_only(scenario, event) -> None:
    site = after(scenario, event("generator-failure", component="turbine"))
    assert site.generators[0].availability.tolist() == [1.0, 1.0, 0.0, 0.0, 1.0, 1.0]
    assert site.fleets[0].availability.tolist() == [1.0] * STEPS
    fleet = after(scenario, event("generator-failure", component="old")).fleets
    assert fleet[1].availability.tolist() == [0.6, 0.6, 0.0, 0.0, 0.6, 0.6]
    assert fleet[0].availability.tolist() == [1.0] * STEPS


def test_accelerator_failures_add_up_and_never_go_below_nothing(scenario, event) -> None:
    lost = [
        event("accelerator-failure", component="gpus", lost_fraction=0.25),
        event("accelerator-failure", 3, 5, component="gpus", lost_fraction=0.5),
        event("accelerator-failure", component="old", lost_fraction=0.75),
    ]
    fleets = after(scenario, *lost).fleets
    assert fleets[0].availability.tolist() == [1.0, 1.0, 0.75, 0.25, 0.5, 1.0]
    assert fleets[1].availability.tolist() == [0.6, 0.6, 0.0, 0.0, 0.6, 0.6]
    everything = after(scenario, event("accelerator-failure", component="gpus")).fleets[0]
    assert everything.availability.tolist() == [1.0, 1.0, 0.0, 0.0, 1.0, 1.0]


def test_the_loss_of_a_site_takes_supply_and_load(scenario, event) -> None:
    site = after(scenario, event("site-loss"))
    for values in (
        site.grid.import_limit_mw,
        site.grid.export_limit_mw,
        site.fleets[0].availability,
        site.generators[0].availability,
        site.renewables[0].per_unit,
        site.fixed_it_power_mw,
        site.fixed_facility_power_mw,
    ):
        assert np.flatnonzero(values == 0.0).tolist() == [2, 3]


def test_a_telemetry_gap_changes_nothing_physical(scenario, event) -> None:
    changed = apply_events(scenario, [event("telemetry-gap")])
    assert changed.events_applied
    assert changed.site("a").grid.import_limit_mw.tolist() == [100.0] * STEPS


def test_other_sites_and_the_scenario_itself_stay_as_they_are(scenario, event) -> None:
    changed = apply_events(scenario, [event("site-loss")])
    assert changed.site("b") is scenario.site("b")
    assert scenario.site("a").grid.import_limit_mw.tolist() == [100.0] * STEPS
    assert (scenario.events_applied, changed.events_applied) == (False, True)
    assert [one.kind for one in changed.events] == ["site-loss"]


def test_no_events_mean_no_events(scenario, event) -> None:
    listed = scenario.with_changes(events=(event("site-loss"),))
    plain = apply_events(listed, [])
    assert (plain.events, plain.events_applied) == ((), False)


def test_an_event_disturbs_every_step_it_touches(scenario, event) -> None:
    timeline = scenario.timeline
    assert event_steps(timeline, event("site-loss", 1.5, 2.01)) == (1, 3)
    assert event_steps(timeline, event("site-loss", -5.0, 1.0)) == (0, 1)
    assert event_steps(timeline, event("site-loss", 5.0, 50.0)) == (5, 6)
    assert event_steps(timeline, event("site-loss", 40.0, 50.0)) == (6, 6)
    assert event_steps(timeline, event("site-loss", -9.0, -5.0)) == (0, 0)


def test_events_are_applied_once(scenario, event) -> None:
    changed = apply_events(scenario, [event("accelerator-failure", component="gpus", lost_fraction=0.5)])
    with pytest.raises(ScenarioError, match=r"already hold 1 events.*apply_events=False"):
        apply_events(changed, [event("site-loss")])


BAD = [
    ({"kind": "black-hole"}, ["no such kind", "grid-outage"]),
    ({"site": "q"}, ["no such site", "['a', 'b']"]),
    ({"component": "turbin"}, ["no component 'turbin'", "turbine"]),
]


@pytest.mark.parametrize(("changes", "words"), BAD)
def test_problems_of_an_event(scenario, event, changes, words) -> None:
    (problem,) = event_problems(scenario, replace(event("site-loss"), **changes))
    assert all(word in problem for word in words)
    with pytest.raises(ScenarioError):
        apply_events(scenario, [replace(event("site-loss"), **changes)])


def test_times_of_an_event(scenario, event) -> None:
    assert "ends" in event_problems(scenario, event("site-loss", 4.0, 4.0))[0]
    naive = replace(event("site-loss"), start=event("site-loss").start.replace(tzinfo=None))
    assert "time zone" in event_problems(scenario, naive)[0]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rate_per_h": -1e-4}, "-0.0001 1/h"),
        ({"rate_per_h": float("nan")}, "nan 1/h"),
        ({"duration_h": 0.0}, "0 h"),
        ({"duration_h": float("inf")}, "inf h"),
    ],
)
def test_rates_that_cannot_be(changes, words) -> None:
    values = {"name": "x", "kind": "site-loss", "site": "a", "rate_per_h": 0.1, "duration_h": 1.0}
    with pytest.raises(ScenarioError, match=words):
        EventRate(**(values | changes))
