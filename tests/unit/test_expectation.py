"""Windows as a planner wants them: present states, soft limits, long views and jobs that hold accelerators."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from joulewright.account import settle
from joulewright.model import CarbonPolicy, DemandWindow, Region
from joulewright.policy.observation import GeneratorState
from joulewright.policy.planned.expectation import Expectation, Guidance, Occupied, softened
from joulewright.policy.planned.long_view import coarser, look_far, wants_long_view
from joulewright.testing.observations import observe


@pytest.fixture
def plant(tiny):
    """Two days of a site with everything, dearer and windier by the hour."""
    steps = 48
    hours = np.arange(steps, dtype=float)
    day = DemandWindow(name="monday", price_per_mw=10.0, members=hours < 24, peak_so_far_mw=2.0)
    next_day = DemandWindow(name="tuesday", price_per_mw=10.0, members=hours >= 24)
    free = DemandWindow(name="free", price_per_mw=0.0, members=hours >= 0)
    site = tiny.site(
        steps,
        grid=tiny.grid(steps, import_price_per_mwh=40.0 + hours, demand_windows=(day, next_day, free)),
        fixed_facility_power_mw=3.0,
        renewables=(tiny.plant(hours / 48.0, steps),),
        batteries=(tiny.battery(wear_cost_per_mwh=2.0),),
        generators=(tiny.generator(steps, emission_kg_per_mwh=500.0, start_cost=80.0),),
    )
    return tiny.scenario(site, steps=steps)


def window_of(expectation, observation, steps, **options):
    return expectation.window(observation, expectation.signals(observation, steps), steps=steps, **options)


def test_a_window_begins_now(plant):
    (site,) = window_of(Expectation(), observe(plant, step=10), 6).sites
    np.testing.assert_allclose(site.grid.import_price_per_mwh, 50.0 + np.arange(6))
    np.testing.assert_allclose(site.renewables[0].per_unit, (10.0 + np.arange(6)) / 48.0)
    assert [window.name for window in site.grid.demand_windows] == ["monday"]


def test_states_are_those_of_the_present(plant):
    state = {
        "energy_mwh": {"store": 12.0},
        "generators": {"turbine": GeneratorState(on=True, hours=2.0, output_mw=4.0)},
        "peak_mw": {"monday": 5.0},
    }
    (site,) = window_of(Expectation(), observe(plant, 3, sites={"a": state}), 6).sites
    assert site.batteries[0].initial_energy_mwh == 10.0
    assert (site.generators[0].initially_on, site.generators[0].initial_output_mw) == (True, 4.0)
    assert site.grid.demand_windows[0].peak_so_far_mw == 5.0


def test_energy_is_worth_keeping_before_the_end_and_asked_for_at_it(plant):
    """At a mean price of 42.5, stored energy saves 0.5 and costs 1 / 0.8 to replace; half a cycle's wear is paid."""
    seen = observe(plant, step=0)
    (early,) = window_of(Expectation(), seen, 6).sites
    assert early.batteries[0].terminal_value_per_mwh == pytest.approx(42.5 * (0.5 + 1.25) / 2.0 - 1.0)
    assert early.batteries[0].least_final_energy_mwh == 0.0
    (last,) = window_of(Expectation(), observe(plant, step=42), 6).sites
    assert last.batteries[0].terminal_value_per_mwh is None
    assert last.batteries[0].least_final_energy_mwh == pytest.approx(5.0)


def test_no_more_is_asked_for_than_can_be_charged(plant):
    """Two hours at 5 MW and 80 % bring 8 MWh, but one hour only 4 MWh."""
    empty = {"a": {"energy_mwh": {"store": 0.0}}}
    (site,) = window_of(Expectation(), observe(plant, 47, sites=empty), 1).sites
    assert site.batteries[0].least_final_energy_mwh == pytest.approx(4.0)


def test_a_start_has_to_be_earned(plant):
    """80 for a start of 10 MW over four hours are 2 per MWh."""
    (site,) = window_of(Expectation(), observe(plant, step=0), 6).sites
    np.testing.assert_allclose(site.generators[0].fuel_cost_per_mwh, 62.0)


def test_carbon_that_is_scarce_has_a_price(plant):
    guidance = Guidance(carbon_price_per_kg={"a": 0.1}, peak_mw={"a/monday": 8.0})
    priced = plant.with_changes(carbon=CarbonPolicy(price_per_t=5.0))
    (site,) = window_of(Expectation(), observe(priced, step=0), 3, guidance=guidance).sites
    np.testing.assert_allclose(site.grid.import_price_per_mwh, 40.0 + np.arange(3) + 0.1 * 400.0)
    np.testing.assert_allclose(site.generators[0].fuel_cost_per_mwh, 62.0 + 50.0)
    assert site.grid.demand_windows[0].peak_so_far_mw == 8.0


def test_jobs_hold_accelerators_and_draw_power(plant):
    taken = Occupied()
    taken.add(("a", "gpus"), (0, 3, 6), (40.0, 0.01, 0.25))
    taken.add(("a", "gpus"), (-2, 1, 6), (10.0, 0.01, 1.0))
    taken.add(("a", "gpus"), (4, 9, 6), (20.0, 0.01, 0.5))
    (site,) = window_of(Expectation(), observe(plant, step=0), 6, occupied=taken).sites
    np.testing.assert_allclose(site.fleets[0].available, [50.0, 60.0, 60.0, 100.0, 80.0, 80.0])
    np.testing.assert_allclose(site.fixed_it_power_mw, [0.5, 0.4, 0.1, 0.0, 0.2, 0.2])


class Counting:
    """A forecast that counts how often the whole scenario is asked for."""

    def __init__(self, forecast):
        self.forecast, self.asked = forecast, 0

    def series(self, key, steps):
        return self.forecast.series(key, steps)

    def window(self, steps):
        self.asked += 1
        return self.forecast.window(steps)


def test_the_scenario_is_asked_for_once_a_day_and_when_there_is_news(plant):
    expectation, asked = Expectation(), []
    for step in range(24):
        seen = observe(plant, step=step)
        counting = Counting(seen.forecast)
        now = replace(seen, forecast=counting, notices=("a call at ten",) if step >= 9 else ())
        if step >= 15:
            now = replace(now, sites={"a": replace(now.sites["a"], usable_mw={"turbine": 0.0})})
        window_of(expectation, now, 12)
        asked.append(counting.asked > 0)
    assert [step for step in range(24) if asked[step]][:3] == [0, 9, 15]


def test_every_shortage_has_a_price_above_all_others(plant, tiny):
    """Ten times the highest price of 87, which is less than 1,000, and the demand charges of 20 per MW and hour."""
    hard = plant.with_changes(inference=(tiny.service(48),), regions=(Region(name="west", latency_ms={"a": 5.0}),))
    soft = softened(hard)
    assert soft.sites[0].unserved_power_penalty_per_mwh == pytest.approx(1020.0)
    # A million tokens keep an accelerator of 5 kW busy for 1,000 s.
    assert soft.inference[0].unserved_penalty_per_mtoken == pytest.approx(2.0 * 1020.0 * 0.005 / 3.6)
    assert soft.carbon.excess_price_per_t == pytest.approx(1020.0)
    given = softened(softened(hard).with_changes(carbon=CarbonPolicy(excess_price_per_t=7.0)))
    assert given.carbon.excess_price_per_t == 7.0


def test_coarser_steps_keep_energy_and_membership(plant):
    coarse = coarser(plant, 5)
    assert coarse.timeline.steps == 10
    assert coarse.timeline.step_h == 5.0
    price = coarse.sites[0].grid.import_price_per_mwh
    np.testing.assert_allclose(price[:2], [42.0, 47.0])
    assert price[-1] == pytest.approx(np.mean([85.0, 86.0, 87.0]))
    monday, tuesday, _ = (window.members for window in coarse.sites[0].grid.demand_windows)
    assert monday.tolist() == [True] * 5 + [False] * 5
    assert tuesday.tolist() == [False] * 4 + [True] * 6
    assert coarser(plant, 1) is plant


def test_a_long_view_is_wanted_for_charges_and_budgets(plant, tiny):
    assert wants_long_view(plant)
    assert not wants_long_view(tiny.scenario())
    assert wants_long_view(tiny.scenario(carbon=CarbonPolicy(budget_kg=1.0)))
    assert wants_long_view(tiny.scenario(tiny.site(carbon_budget_kg=1.0)))


def test_the_long_view_expects_the_peak_that_will_come(tiny):
    """An hour of 6 MW cannot be carried by a battery of 1 MW: the peak is 5 MW, whatever happens before."""
    steps = 24
    load = np.full(steps, 2.0)
    load[20] = 6.0
    window = DemandWindow(name="month", price_per_mw=500.0, members=np.ones(steps, bool))
    battery = tiny.battery(charge_limit_mw=1.0, discharge_limit_mw=1.0)
    grid = tiny.grid(steps, demand_windows=(window,))
    site = tiny.site(steps, fleets=(), grid=grid, fixed_facility_power_mw=load, batteries=(battery,))
    scenario = tiny.scenario(site, steps=steps)
    assert look_far(observe(scenario), scenario, 12).peak_mw["a/month"] < 3.0
    assert look_far(observe(scenario), scenario, 24).peak_mw["a/month"] == pytest.approx(5.0, rel=1e-4)


def test_a_budget_that_binds_has_a_price(tiny):
    """A turbine at 60 with half the carbon of the grid at 50: 10 per 200 kg."""
    steps = 4
    turbine = tiny.generator(steps, emission_kg_per_mwh=200.0)
    site = tiny.site(steps, fleets=(), fixed_facility_power_mw=1.0, generators=(turbine,))
    budget = CarbonPolicy(budget_kg=1200.0)
    scenario = tiny.scenario(site, steps=steps, carbon=budget)
    prices = look_far(observe(scenario), scenario, 1).carbon_price_per_kg
    assert prices["a"] == pytest.approx(1.02 * 10.0 / 200.0, rel=1e-3)
    spent = replace(observe(scenario), carbon_kg={"system": 1200.0})
    assert look_far(spent, scenario, 1).carbon_price_per_kg["a"] > 1.0
    free = tiny.scenario(site, steps=steps, carbon=CarbonPolicy(budget_kg=9999.0))
    assert look_far(observe(free), free, 1).carbon_price_per_kg["a"] == pytest.approx(0.0, abs=1e-6)
    assert settle(scenario, tiny.schedule(scenario)).carbon_kg == pytest.approx(1600.0)
