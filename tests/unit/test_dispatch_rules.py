"""Dispatch rules on one site, worked by hand.

The battery of the tiny site holds 5 of 10 MWh behind 5 MW, charges at 0.8 and discharges at 0.5: in an hour it can give
2.5 MW and take 5 MW. The horizon is long enough that the final energy asks for nothing yet.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from joulewright.errors import PolicyError
from joulewright.model import DemandWindow, Location
from joulewright.policy.observation import GeneratorState
from joulewright.policy.registry import make
from joulewright.testing.observations import PresentOnly, facts_of, observe

STEPS = 48


@pytest.fixture
def decide(tiny):
    """Decide one step at a site with the given load, solar power, components and changes of what is seen."""

    def call(rule, *, load, solar=0.0, step=0, state=None, price_per_t=0.0, battery=None, generator=None, **changes):
        from joulewright.model import CarbonPolicy

        batteries = {"batteries": (tiny.battery(**(battery or {})),)} if battery is not False else {}
        generators = {"generators": (tiny.generator(STEPS, **generator),)} if generator is not None else {}
        location = changes.pop("location", None)
        site = tiny.site(STEPS, grid=tiny.grid(STEPS), location=location, **batteries, **generators)
        scenario = tiny.scenario(site, steps=STEPS, carbon=CarbonPolicy(price_per_t=price_per_t))
        seen = observe(scenario, step, sites={"a": {"load_mw": load, "renewable_mw": {"roof": solar}, **changes}})
        made = make(rule) if isinstance(rule, str) else rule
        state = made.init(facts_of(scenario)) if state is None else state
        return made.step(state, seen, seen.sites["a"])

    return call


def power(result):
    decision = result[0]
    return dict(decision.charge_mw), dict(decision.discharge_mw), dict(decision.generator_mw)


# Grid first


def test_grid_first_rests_whatever_the_sun_does(decide):
    assert power(decide("grid-first", load=20.0)) == ({}, {}, {})
    assert power(decide("grid-first", load=5.0, solar=70.0)) == ({}, {}, {})


def test_a_short_shortage_is_bridged_by_the_battery(decide):
    # 5 MWh x 0.5 over 2 h hold 1.25 MW: 1 MW is bridged.
    assert power(decide("grid-first", load=11.0, import_limit_mw=10.0, generator={})) == ({}, {"store": 1.0}, {})


def test_a_longer_shortage_starts_the_generator(decide):
    found = power(decide("grid-first", load=13.0, import_limit_mw=10.0, generator={}))
    assert found == ({}, {}, {"turbine": 3.0})


def test_the_battery_helps_a_generator_that_cannot_keep_up(decide):
    generator = {"min_load_mw": 1.0, "ramp_mw_per_h": 2.0}
    found = power(decide("grid-first", load=13.0, import_limit_mw=10.0, generator=generator))
    assert found == ({}, {"store": 1.0}, {"turbine": 2.0})


def test_a_running_generator_stays_as_long_as_the_grid_cannot_carry_the_load(decide):
    on = {"generators": {"turbine": GeneratorState(on=True, hours=5.0, output_mw=3.0)}}
    assert power(decide("grid-first", load=10.5, import_limit_mw=10.0, generator={}, **on))[2] == {"turbine": 0.5}
    assert power(decide("grid-first", load=10.0, import_limit_mw=10.0, generator={}, **on))[2] == {}


def test_islanding_takes_everything_there_is(decide):
    generator = {"capacity_mw": 4.0}
    found = power(decide("grid-first", load=20.0, import_limit_mw=0.0, export_limit_mw=0.0, generator=generator))
    assert found == ({}, {"store": 2.5}, {"turbine": 4.0})


def test_the_reserve_is_used_in_a_shortage_only(decide):
    rule = "solar-first:reserve_fraction=0.2"  # keeps 2 MWh: 3 MWh x 0.5 are free
    assert power(decide(rule, load=20.0))[1] == {"store": 1.5}
    assert power(decide(rule, load=20.0, import_limit_mw=0.0))[1] == {"store": 2.5}


# Solar first


def test_solar_first_takes_surplus_and_covers_deficit(decide):
    assert power(decide("solar-first", load=5.0, solar=8.0)) == ({"store": 3.0}, {}, {})
    assert power(decide("solar-first", load=8.0, solar=6.0)) == ({}, {"store": 2.0}, {})
    assert power(decide("solar-first", load=8.0, solar=8.0)) == ({}, {}, {})


def test_solar_first_stops_at_the_limits_of_the_battery(decide):
    assert power(decide("solar-first", load=0.0, solar=30.0))[0] == {"store": 5.0}
    assert power(decide("solar-first", load=9.0, energy_mwh={"store": 1.0}))[1] == {"store": 0.5}
    assert power(decide("solar-first", load=9.0, energy_mwh={"store": 0.0}))[1] == {}
    assert power(decide("solar-first", load=0.0, solar=9.0, energy_mwh={"store": 10.0}))[0] == {}


def test_a_battery_returns_to_its_final_energy_at_half_its_charging_power(decide):
    # The last step must end with 5 MWh: 1 MWh is missing, 1 / 0.8 MW.
    last = decide("grid-first", load=1.0, step=STEPS - 1, energy_mwh={"store": 4.0})
    assert power(last)[0] == {"store": 1.25}
    # Two steps before the end 2 h x 2.5 MW x 0.8 = 4 MWh can still come: from 4 MWh nothing is due, from 0.5 some is.
    assert power(decide("grid-first", load=1.0, step=STEPS - 3, energy_mwh={"store": 4.0}))[0] == {}
    assert power(decide("grid-first", load=1.0, step=STEPS - 3, energy_mwh={"store": 0.5}))[0] == {"store": 0.625}
    # And what could not come back any more is not given away: 5 - 4 = 1 MWh must stay.
    assert power(decide("solar-first", load=9.0, step=STEPS - 3, energy_mwh={"store": 2.0}))[1] == {"store": 0.5}


def test_a_terminal_value_asks_for_no_final_energy(decide):
    battery = {"terminal_value_per_mwh": 20.0}
    found = decide("solar-first", load=9.0, step=STEPS - 1, battery=battery, energy_mwh={"store": 4.0})
    assert power(found)[1] == {"store": 2.0}


def test_what_the_final_energy_asks_for_gives_way_to_load(decide):
    found = decide("grid-first", load=10.0, step=STEPS - 1, energy_mwh={"store": 4.0}, import_limit_mw=10.5)
    assert power(found)[0] == {"store": pytest.approx(0.5)}


def test_batteries_share_in_file_order(tiny):
    batteries = (tiny.battery("one", discharge_limit_mw=1.0), tiny.battery("two"))
    scenario = tiny.scenario(tiny.site(STEPS, grid=tiny.grid(STEPS), batteries=batteries), steps=STEPS)
    rule, seen = make("solar-first"), observe(scenario, sites={"a": {"load_mw": 3.0}})
    found, _ = rule.step(rule.init(facts_of(scenario)), seen, seen.sites["a"])
    assert found.discharge_mw == {"one": 1.0, "two": 2.0}


def test_surplus_is_curtailed_rather_than_sold_at_a_negative_price(decide):
    found, _ = decide("grid-first", load=1.0, solar=9.0, export_price_per_mwh=-5.0)
    assert found.export_limit_mw == 0.0
    assert decide("grid-first", load=1.0, solar=9.0)[0].export_limit_mw is None


def test_surplus_that_cannot_be_sold_charges_unless_the_battery_is_to_rest(decide):
    rule = "price-threshold:low_per_mwh=1,high_per_mwh=40"  # would discharge at 50
    assert power(decide(rule, load=1.0, solar=9.0, export_limit_mw=5.0))[0] == {"store": 5.0}
    assert power(decide("grid-first", load=1.0, solar=9.0, export_limit_mw=5.0))[0] == {}


# Time of use


def test_time_of_use_follows_the_clock(decide):
    assert power(decide("time-of-use", load=5.0, step=2)) == ({"store": 5.0}, {}, {})
    assert power(decide("time-of-use", load=5.0, step=17)) == ({}, {"store": 2.5}, {})
    assert power(decide("time-of-use", load=5.0, solar=6.0, step=12)) == ({"store": 1.0}, {}, {})
    assert power(decide("time-of-use", load=5.0, step=12)) == ({}, {}, {})


def test_time_of_use_is_local(decide):
    place = Location(latitude_deg=37.0, longitude_deg=-122.0, time_zone="America/Los_Angeles")
    assert power(decide("time-of-use", load=5.0, step=0, location=place))[1] == {"store": 2.5}  # 17:00 the day before


def test_charging_keeps_the_metered_peak_and_the_connection(decide):
    assert power(decide("time-of-use", load=5.0, peak_mw={"month": 7.0}))[0] == {"store": 2.0}
    assert power(decide("time-of-use:keep_peak=no", load=5.0, peak_mw={"month": 7.0}))[0] == {"store": 5.0}
    assert power(decide("time-of-use", load=5.0, peak_mw={"month": 4.0}))[0] == {}
    assert power(decide("time-of-use", load=5.0, import_limit_mw=8.0))[0] == {"store": 3.0}


@pytest.mark.parametrize("hours", ["6", "6-", "a-b", "6-6", "24-3", "3-25", "1-2/", ""])
def test_wrong_hours_are_refused(hours):
    from joulewright.policy.dispatch import TimeOfUse

    with pytest.raises(PolicyError, match="hours"):
        TimeOfUse(charge_hours=hours)


def test_hours_that_overlap_are_refused():
    with pytest.raises(PolicyError, match=r"\[5\] are in charge_hours and in discharge_hours"):
        make("time-of-use:charge_hours=0-6,discharge_hours=5-6/7-8")
    assert make("time-of-use:charge_hours=none").charge_hours == "none"


# Thresholds


def test_given_thresholds_decide(decide):
    rule = "price-threshold:low_per_mwh=40,high_per_mwh=60"
    assert power(decide(rule, load=5.0, import_price_per_mwh=40.0)) == ({"store": 5.0}, {}, {})
    assert power(decide(rule, load=5.0, import_price_per_mwh=60.0)) == ({}, {"store": 2.5}, {})
    assert power(decide(rule, load=5.0, import_price_per_mwh=50.0)) == ({}, {}, {})
    assert power(decide(rule, load=5.0, solar=7.0, import_price_per_mwh=50.0)) == ({"store": 2.0}, {}, {})


def test_thresholds_are_learned_from_the_past(decide):
    ideal = {"charge_efficiency": 1.0, "discharge_efficiency": 1.0}
    _, state = decide("price-threshold", load=5.0, import_price_per_mwh=10.0, battery=ideal)
    # Quartiles of 10 and 100 are 32.5 and 77.5.
    found, _ = decide("price-threshold", load=4.0, import_price_per_mwh=100.0, battery=ideal, state=state)
    assert found.discharge_mw == {"store": 4.0}
    found, _ = decide("price-threshold", load=4.0, import_price_per_mwh=10.0, battery=ideal, state=state)
    assert found.charge_mw == {}  # all that is known is 10: no spread


def test_a_spread_that_does_not_pay_for_losses_and_wear_is_left(decide):
    states = {}
    for name, battery in {
        "lossy": {},  # 77.5 x 0.4 < 32.5
        "worn": {"charge_efficiency": 1.0, "discharge_efficiency": 1.0, "wear_cost_per_mwh": 46.0},
        "good": {"charge_efficiency": 1.0, "discharge_efficiency": 1.0, "wear_cost_per_mwh": 44.0},
    }.items():
        _, state = decide("price-threshold", load=4.0, import_price_per_mwh=10.0, battery=battery)
        states[name] = decide("price-threshold", load=4.0, import_price_per_mwh=100.0, battery=battery, state=state)[0]
    assert [bool(found.discharge_mw) for found in states.values()] == [False, False, True]


def test_the_window_forgets(decide):
    ideal = {"charge_efficiency": 1.0, "discharge_efficiency": 1.0}
    rule, state = "price-threshold:window_h=2", None
    for price in (10.0, 100.0, 100.0):
        _, state = decide(rule, load=4.0, import_price_per_mwh=price, battery=ideal, state=state)
    found, _ = decide(rule, load=4.0, import_price_per_mwh=100.0, battery=ideal, state=state)
    assert found.discharge_mw == {}
    assert state[1][1] == (100.0, 100.0)


def test_thresholds_may_come_from_the_forecast(tiny):
    prices = np.tile([20.0, 90.0], STEPS // 2)
    battery = tiny.battery(charge_efficiency=1.0, discharge_efficiency=1.0)
    site = tiny.site(STEPS, grid=tiny.grid(STEPS, import_price_per_mwh=prices), batteries=(battery,))
    scenario = tiny.scenario(site, steps=STEPS)
    for rule, ahead in (("price-threshold:learn=forecast", True), ("price-threshold", False)):
        made, seen = make(rule), observe(scenario, 1, sites={"a": {"load_mw": 3.0}})
        found, _ = made.step(made.init(facts_of(scenario)), seen, seen.sites["a"])
        assert bool(found.discharge_mw) is ahead
    hidden = replace(seen, forecast=PresentOnly(seen.forecast))
    made = make("price-threshold:learn=forecast")
    with pytest.raises(PolicyError, match="declare 'forecast'"):
        made.step(made.init(facts_of(scenario)), hidden, hidden.sites["a"])


def test_carbon_thresholds(decide):
    rule = "carbon-threshold:low_kg_per_mwh=300,high_kg_per_mwh=500"
    assert power(decide(rule, load=5.0, carbon_kg_per_mwh=300.0)) == ({"store": 5.0}, {}, {})
    assert power(decide(rule, load=5.0, carbon_kg_per_mwh=500.0)) == ({}, {"store": 2.5}, {})
    ideal = {"charge_efficiency": 1.0, "discharge_efficiency": 1.0}
    _, state = decide("carbon-threshold", load=5.0, carbon_kg_per_mwh=100.0, battery=ideal)
    assert power(decide("carbon-threshold", load=2.0, carbon_kg_per_mwh=400.0, battery=ideal, state=state))[1] == {
        "store": 2.0
    }


# Peak shaving


def test_peak_shaving_keeps_a_given_target(decide):
    assert power(decide("peak-shaving:target_mw=6", load=8.0)) == ({}, {"store": 2.0}, {})
    assert power(decide("peak-shaving:target_mw=6", load=4.0)) == ({"store": 2.0}, {}, {})
    assert power(decide("peak-shaving:target_mw=6", load=4.0, import_limit_mw=5.0)) == ({"store": 1.0}, {}, {})


def test_peak_shaving_learns_the_metered_peak(decide):
    _, state = decide("peak-shaving", load=4.0, peak_mw={"month": 6.0})
    assert power(decide("peak-shaving", load=8.0, peak_mw={"month": 6.0}, state=state))[1] == {"store": 2.0}
    # The lower of two windows counts, but not below the mean load of 6 MW.
    found = decide("peak-shaving", load=8.0, peak_mw={"month": 9.0, "evening": 0.0}, state=state)
    assert power(found)[1] == {"store": 2.0}


def test_peak_shaving_without_demand_charges_learns_what_it_could_not_avoid(decide):
    _, state = decide("peak-shaving", load=4.0)
    assert state[1].peak_mw == 4.0
    found, state = decide("peak-shaving", load=10.0, state=state)  # mean 7: 3 MW over, 2.5 MW can be given
    assert found.discharge_mw == {"store": 2.5}
    assert state[1].peak_mw == pytest.approx(7.5)


# Generators


def test_a_generator_runs_when_it_is_cheaper_than_the_grid(decide):
    assert power(decide("solar-first", load=5.0, battery=False, generator={}, import_price_per_mwh=70.0))[2] == {
        "turbine": 5.0
    }
    assert power(decide("solar-first", load=5.0, battery=False, generator={}))[2] == {}
    backup = decide("solar-first:generators=backup", load=5.0, battery=False, generator={}, import_price_per_mwh=70.0)
    assert power(backup)[2] == {}


def test_carbon_counts_at_its_price(decide):
    # Grid 50 + 0.1 x 400 = 90, generator 60 + 0.1 x 200 = 80.
    clean = {"emission_kg_per_mwh": 200.0}
    assert power(decide("solar-first", load=5.0, battery=False, generator=clean, price_per_t=100.0))[2]
    dirty = {"emission_kg_per_mwh": 400.0}
    assert not power(decide("solar-first", load=5.0, battery=False, generator=dirty, price_per_t=100.0))[2]


def test_a_start_must_pay_off(decide):
    unit = {"start_cost": 100.0}  # over 4 h and 5 MW: 5 per MWh
    assert power(decide("solar-first", load=5.0, battery=False, generator=unit, import_price_per_mwh=66.0))[2]
    assert not power(decide("solar-first", load=5.0, battery=False, generator=unit, import_price_per_mwh=64.0))[2]
    on = {"generators": {"turbine": GeneratorState(on=True, hours=9.0, output_mw=5.0)}}
    kept = decide("solar-first", load=5.0, battery=False, generator=unit, import_price_per_mwh=64.0, **on)
    assert power(kept)[2] == {"turbine": 5.0}


def test_the_present_fuel_cost_counts_not_that_of_the_first_step(decide):
    seen = {"fuel_cost_per_mwh": {"turbine": 30.0}}
    assert power(decide("solar-first", load=5.0, battery=False, generator={}, **seen))[2] == {"turbine": 5.0}


def test_no_generator_runs_below_its_least_load_to_save_money(decide):
    unit = {"min_load_mw": 6.0}
    assert not power(decide("solar-first", load=5.0, battery=False, generator=unit, import_price_per_mwh=90.0))[2]


def test_cheaper_generators_run_first(tiny):
    units = (tiny.generator(STEPS, "dear", fuel_cost_per_mwh=65.0), tiny.generator(STEPS, "cheap", capacity_mw=2.0))
    site = tiny.site(STEPS, grid=tiny.grid(STEPS, import_price_per_mwh=70.0), generators=units)
    scenario = tiny.scenario(site, steps=STEPS)
    rule, seen = make("solar-first"), observe(scenario, sites={"a": {"load_mw": 5.0}})
    found, _ = rule.step(rule.init(facts_of(scenario)), seen, seen.sites["a"])
    assert found.generator_mw == {"cheap": 2.0, "dear": 3.0}


def state(on, hours, output):
    return GeneratorState(on=on, hours=hours, output_mw=output)


def test_range_of_a_generator(tiny):
    unit = tiny.generator(1, min_load_mw=4.0, ramp_mw_per_h=2.0, min_up_h=3.0, min_down_h=2.0)
    assert state(True, 3.0, 4.0).output_range(unit, usable_mw=10.0, step_h=1.0) == (4.0, 6.0, True, True)
    assert state(True, 3.0, 9.0).output_range(unit, usable_mw=10.0, step_h=1.0) == (
        7.0,
        10.0,
        True,
        False,
    )  # too high to stop
    assert state(False, 2.0, 0.0).output_range(unit, usable_mw=10.0, step_h=1.0) == (4.0, 4.0, True, True)
    assert not state(False, 1.0, 0.0).output_range(unit, usable_mw=10.0, step_h=1.0).may_run
    assert state(True, 1.0, 6.0).output_range(unit, usable_mw=3.0, step_h=1.0) == (0.0, 0.0, False, True)  # failed
    assert state(True, 9.0, 9.0).output_range(unit, usable_mw=5.0, step_h=1.0).high_mw == 5.0


def test_a_young_generator_runs_on_and_its_surplus_charges(decide):
    on = {"generators": {"turbine": state(True, 1.0, 6.0)}, "export_limit_mw": 0.0}
    found = decide("solar-first", load=1.0, generator={"min_up_h": 3.0, "min_load_mw": 4.0}, **on)
    assert power(found)[0] == {"store": 3.0}
    assert power(found)[2] == {"turbine": 4.0}


# Options


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("solar-first:reserve_fraction=1.5", "reserve_fraction is 1.5; allowed is 0 to 1"),
        ("solar-first:generators=never", "generators is 'never'; allowed are economic, backup"),
        ("solar-first:hold_h=0", "hold_h is 0 h"),
        ("grid-first:hold_h=inf", "hold_h is inf h"),
        ("peak-shaving:target_mw=-1", "target_mw is -1 MW; allowed is at least 0 MW"),
        ("peak-shaving:target_mw=nan", "target_mw is nan MW"),
        ("price-threshold:low_quantile=0.8", "high_quantile is 0.75; allowed is 0.8 to 1"),
        ("price-threshold:low_per_mwh=60,high_per_mwh=50", "low threshold is 60, above the high one, 50"),
        ("price-threshold:learn=future", "learn is 'future'; allowed are past, forecast"),
        ("carbon-threshold:window_h=0", "window_h is 0 h"),
        ("solar-first:reserve=1", "no option 'reserve'"),
        ("time-of-use:keep_peak=maybe", "keep_peak"),
    ],
)
def test_options_out_of_range_are_refused(rule, message):
    with pytest.raises(PolicyError) as caught:
        make(rule)
    assert message in str(caught.value)


def test_demand_windows_of_the_scenario_reach_the_rule(tiny):
    window = DemandWindow(name="month", price_per_mw=9.0, members=np.ones(STEPS, dtype=bool), peak_so_far_mw=6.0)
    site = tiny.site(STEPS, grid=tiny.grid(STEPS, demand_windows=(window,)), batteries=(tiny.battery(),))
    scenario = tiny.scenario(site, steps=STEPS)
    rule, seen = make("peak-shaving"), observe(scenario, sites={"a": {"load_mw": 4.0}})
    found, _ = rule.step(rule.init(facts_of(scenario)), seen, seen.sites["a"])
    assert found.charge_mw == {"store": 2.0}
