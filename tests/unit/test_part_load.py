"""Part-load fuel curves, their straight stand-in and start times, worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from joulewright.errors import ScenarioError
from joulewright.physics import generator, part_load

PARABOLA = part_load.QuadraticFuel(
    constant_per_mw_h=80.0, linear_per_mw_h=180.0, quadratic_per_mw_h=70.0, emission_kg_per_unit=2.68
)
POINTS = part_load.PiecewiseFuel(points=((0.25, 120.0), (0.5, 180.0), (1.0, 330.0)), emission_kg_per_unit=2.68)


def test_quadratic_flow():
    # 4 MW at half load: 4 (80 + 90 + 17.5).
    flow = part_load.part_load_fuel_per_h([0.0, 2.0, 4.0], [False, True, True], PARABOLA, capacity_mw=4.0)
    assert flow.tolist() == [0.0, 750.0, 1320.0]


def test_piecewise_flow_holds_beyond_its_points():
    flow = part_load.part_load_fuel_per_h([0.1, 0.5, 0.75, 1.0], True, POINTS, capacity_mw=1.0)
    assert flow.tolist() == [120.0, 180.0, 255.0, 330.0]


def test_a_unit_that_is_off_burns_nothing():
    assert part_load.part_load_fuel_per_h(0.0, False, POINTS, capacity_mw=1.0) == 0.0
    assert part_load.part_load_fuel_per_h(0.0, True, PARABOLA, capacity_mw=1.0) == 80.0


@pytest.mark.parametrize("curve", [PARABOLA, POINTS])
@pytest.mark.parametrize("least", [0.25, 0.4])
def test_straight_line_is_exact_at_both_ends_and_its_error_is_the_largest(curve, least):
    line, error = part_load.linear_fuel(curve, min_load_fraction=least, capacity_mw=2.0)
    loads = np.union1d(np.linspace(least, 1.0, 1001), 0.5)
    straight = generator.fuel_per_h(2.0 * loads, True, line, capacity_mw=2.0)
    curved = part_load.part_load_fuel_per_h(2.0 * loads, True, curve, capacity_mw=2.0)
    assert straight[[0, -1]] == pytest.approx(curved[[0, -1]])
    assert (straight - curved).max() == pytest.approx(error, rel=1e-4)
    assert (straight - curved).min() >= -1e-9


def test_error_of_a_parabola_by_hand():
    # c (1 - l)^2 / 4 at half way: 70 x 0.36 / 4 = 6.3 per MW.
    assert part_load.linear_fuel(PARABOLA, min_load_fraction=0.4)[1] == pytest.approx(6.3)


def test_a_straight_curve_loses_nothing():
    straight = part_load.QuadraticFuel(
        constant_per_mw_h=80.0, linear_per_mw_h=250.0, quadratic_per_mw_h=0.0, emission_kg_per_unit=2.68
    )
    line, error = part_load.linear_fuel(straight, min_load_fraction=0.3)
    diesel = generator.FUELS["diesel"]
    assert (line.no_load_per_mw_h, line.per_mwh) == pytest.approx((diesel.no_load_per_mw_h, diesel.per_mwh))
    assert error == pytest.approx(0.0, abs=1e-9)


def test_start_within_a_step_and_over_several():
    assert part_load.ready_fraction([True, True], start_h=0.1, step_h=1.0).tolist() == [0.9, 1.0]
    assert part_load.ready_fraction([True] * 4, start_h=2.5, step_h=1.0).tolist() == [0.0, 0.0, 0.5, 1.0]
    assert part_load.ready_fraction([False, True, False, True], start_h=0.5, step_h=1.0).tolist() == [0, 0.5, 0, 0.5]


def test_start_that_began_before_the_horizon():
    ready = part_load.ready_fraction([True, True], start_h=2.0, step_h=1.0, before=(True, 1.5))
    assert ready.tolist() == [0.5, 1.0]
    assert part_load.ready_fraction([True], start_h=1.0, step_h=1.0, before=(False, 9.0)).tolist() == [0.0]
    assert part_load.ready_fraction([True], start_h=0.0, step_h=1.0).tolist() == [1.0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: part_load.PiecewiseFuel(points=((0.5, 1.0),), emission_kg_per_unit=1.0), "at least two"),
        (
            lambda: part_load.PiecewiseFuel(points=((0.5, 1.0), (0.5, 2.0)), emission_kg_per_unit=1.0),
            r"loads \[0.5, 0.5\]; they must increase",
        ),
        (lambda: part_load.PiecewiseFuel(points=((0.0, 1.0), (1.5, 2.0)), emission_kg_per_unit=1.0), "load .* is 1.5"),
        (lambda: part_load.PiecewiseFuel(points=((0.0, -1.0), (1.0, 2.0)), emission_kg_per_unit=1.0), "is -1"),
        (lambda: part_load.part_load_fuel_per_h(1.5, True, POINTS, capacity_mw=1.0), "generator output is 1.5 MW"),
        (lambda: part_load.linear_fuel(POINTS, min_load_fraction=1.0), "least load is 1"),
        (lambda: part_load.ready_fraction([True], start_h=-1.0, step_h=1.0), "start time is -1 h"),
        (lambda: part_load.ready_fraction([True], start_h=1.0, step_h=0.0), "step is 0 h"),
    ],
)
def test_bad_values_are_refused(call, message):
    with pytest.raises(ScenarioError, match=message):
        call()
