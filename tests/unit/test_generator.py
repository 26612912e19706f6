"""Fuel curve, emissions, ramps and minimum times, worked by hand."""

from __future__ import annotations

import pytest

from joulewright.physics import generator

DIESEL = generator.FUELS["diesel"]


def test_fuel_is_linear_in_output():
    # 2 MW diesel: 160 L/h while on, plus 250 L/MWh.
    fuel = generator.fuel_per_h([0.0, 1.0, 2.0], [False, True, True], DIESEL, capacity_mw=2.0)
    assert fuel.tolist() == [0.0, 410.0, 660.0]


def test_full_load_of_the_gas_turbine_has_its_efficiency():
    fuel_kwh = generator.fuel_per_h(10.0, True, generator.FUELS["gas-turbine"], capacity_mw=10.0)
    assert 10_000.0 / fuel_kwh == pytest.approx(0.38)


def test_emissions_follow_from_fuel():
    per_mwh, per_hour = generator.emission_coefficients(DIESEL, capacity_mw=2.0)
    assert (per_mwh, per_hour) == pytest.approx((670.0, 428.8))
    fuel = float(generator.fuel_per_h(1.5, True, DIESEL, capacity_mw=2.0))
    assert per_mwh * 1.5 + per_hour == pytest.approx(fuel * DIESEL.emission_kg_per_unit)


def test_ramp_scales_with_the_step():
    output, on = [4.0, 6.0, 5.0], [True, True, True]
    limits = {"ramp_mw_per_h": 2.0, "min_load_mw": 1.0, "before": (4.0, True)}
    assert generator.ramp_excess_mw(output, on, step_h=1.0, **limits).tolist() == [0.0, 0.0, 0.0]
    assert generator.ramp_excess_mw(output, on, step_h=0.25, **limits).tolist() == [0.0, 1.5, 0.5]


def test_starts_and_stops_may_jump_by_the_least_load():
    excess = generator.ramp_excess_mw(
        [4.0, 5.0, 0.0], [True, True, False], ramp_mw_per_h=1.0, min_load_mw=4.0, step_h=1.0
    )
    assert excess.tolist() == [0.0, 0.0, 1.0]


def test_minimum_times():
    on = [False, True, True, False, False, True]
    assert generator.short_run_steps(on, step_h=1.0, min_up_h=2.0, min_down_h=2.0).tolist() == [False] * 6
    early = generator.short_run_steps(on, step_h=1.0, min_up_h=3.0, min_down_h=3.0)
    assert early.tolist() == [False, False, False, True, False, True]


def test_minimum_times_round_up_to_whole_steps():
    on = [True, False, False]
    # 1.5 h is two steps of 1 h, three steps of 0.5 h.
    assert generator.short_run_steps(on, step_h=1.0, min_up_h=1.5).tolist() == [False, True, False]
    assert generator.short_run_steps([True] * 3 + [False], step_h=0.5, min_up_h=1.5).tolist() == [False] * 4


def test_state_before_the_horizon_counts():
    early = generator.short_run_steps([False, False], step_h=1.0, min_up_h=5.0, before=(True, 4.0))
    assert early.tolist() == [True, False]
    kept = generator.short_run_steps([True, False], step_h=1.0, min_up_h=5.0, before=(True, 4.0))
    assert kept.tolist() == [False, False]


def test_the_end_of_the_horizon_breaks_no_rule():
    assert generator.short_run_steps([False, True], step_h=1.0, min_up_h=5.0).tolist() == [False, False]
