"""Wind profile, density, power curves and losses against hand-worked numbers and published vectors."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from joulewright.errors import ScenarioError
from joulewright.model import Timeline
from joulewright.physics import wind

HOURS = Timeline(start=datetime(2022, 1, 1, tzinfo=UTC), step_s=3600, steps=3)


def test_hub_wind_vectors():
    assert wind.hub_wind_speed_m_s(6.0, 10.0, 80.0) == pytest.approx(8.075401, abs=1e-6)
    assert wind.hub_wind_speed_m_s(6.0, 10.0, 80.0, shear=0.14) == pytest.approx(8.027565, abs=1e-6)
    assert wind.hub_wind_speed_m_s(6.0, 10.0, 80.0, roughness_m=0.15) == pytest.approx(8.970839, abs=1e-6)


def test_density_vector():
    # Hub 100 m above a surface pressure of 101325 Pa: 12.5 Pa lower per metre.
    assert wind.air_density_kg_m3(10.0, 101_325.0 - 1250.0) == pytest.approx(1.231231, abs=1e-6)


def test_standard_pressure_falls_with_elevation():
    assert wind.standard_pressure_pa(0.0) == 101_325.0
    assert wind.standard_pressure_pa(1000.0) == pytest.approx(89_875, rel=1e-3)


def test_cubic_curve_vectors():
    speeds = [2.9, 5.0, 8.0, 11.5, 12.0, 25.0, 25.1]
    wanted = [0.0, 86.419753, 427.689594, 1324.955908, 1500.0, 1500.0, 0.0]
    assert 1500 * wind.curve_power(speeds, "cubic") == pytest.approx(wanted, abs=1e-6)


def test_thin_air_gives_less_power_and_keeps_the_cut_out():
    speeds = [5.0, 8.0, 11.5, 25.0, 25.1]
    wanted = [76.941370, 382.682951, 1100.760166, 1500.0, 0.0]
    assert 1500 * wind.curve_power(speeds, "cubic", density_kg_m3=1.1) == pytest.approx(wanted, abs=1e-6)


def test_dense_air_gives_more_power_up_to_the_cut_out():
    speeds = np.array([3.0, 8.0, 24.9, 25.0, 25.1])
    dense = wind.curve_power(speeds, "cubic", density_kg_m3=1.35)
    assert dense[1] > wind.curve_power(8.0, "cubic")[0]
    assert dense[2:].tolist() == [1.0, 1.0, 0.0]


def test_density_varies_by_step():
    found = wind.curve_power([8.0, 8.0], "cubic", density_kg_m3=[1.225, 1.1])
    assert 1500 * found == pytest.approx([427.689594, 382.682951], abs=1e-6)


def test_cubic_curve_with_other_speeds():
    points = dict(wind.cubic_curve(3.5, 13.0, 20.0))
    assert points[3.5] == 0.0
    assert points[5.0] == pytest.approx((125 - 3.5**3) / (2197 - 3.5**3))
    assert points[13.0] == points[20.0] == 1.0


@pytest.mark.parametrize("specific_power", [230.0, 300.0, 400.0])
def test_generic_curve_rises_to_its_rating(specific_power):
    speeds, fractions = wind.power_curve(f"generic-{specific_power:.0f}")
    assert fractions[0] == 0.0
    assert (np.diff(fractions) >= 0.0).all()
    assert fractions[-1] == 1.0
    assert speeds[-1] == 25.0
    # Mean of (1 + 0.1 g)^3 over gusts is 1.03, so at 6 m/s: 0.5 x 1.225 x 0.44 x 216 x 1.03 / specific power.
    assert np.interp(6.0, speeds, fractions) == pytest.approx(
        0.5 * 1.225 * 0.44 * 216 * 1.03 / specific_power, rel=2e-3
    )


def test_larger_rotors_give_more_in_weak_wind():
    fractions = [wind.curve_power(7.0, f"generic-{size}")[0] for size in (230, 300, 400)]
    assert fractions[0] > fractions[1] > fractions[2]


def test_user_curve_and_losses():
    power = wind.wind_per_unit(
        HOURS,
        wind_speed_m_s=[2.0, 7.5, 12.0],
        hub_height_m=10.0,
        temperature_c=15.065,
        pressure_pa=101_450.0,
        curve=[(3, 0), (12, 1), (25, 1)],
        wake_fraction=0.1,
        losses_fraction=0.2,
    )
    # At 15 degC and 101325 Pa the density is the reference, so 7.5 m/s is half-way up the ramp.
    assert power == pytest.approx([0.0, 0.5 * 0.72, 0.72], abs=1e-4)


def test_elevation_lowers_density_and_power():
    low = wind.wind_per_unit(HOURS, wind_speed_m_s=5.0, elevation_m=0.0)
    high = wind.wind_per_unit(HOURS, wind_speed_m_s=5.0, elevation_m=2000.0)
    assert (high < low).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"wind_speed_m_s": -3.0}, r"wind speed is -3 m/s; allowed is 0 to 150 m/s"),
        ({"wind_speed_m_s": [1.0, 2.0]}, r"wind speed has shape \(2,\)"),
        ({"shear": 0.2, "roughness_m": 0.1}, r"both shear 0\.2 and roughness 0\.1 m"),
        ({"roughness_m": 20.0}, r"roughness is 20 m; allowed is above 0 and below the heights \(10 m\)"),
        ({"curve": "vestas"}, r"wind curve is 'vestas'; allowed are \['cubic'"),
        ({"curve": [(3, 0)]}, "at least two points"),
        ({"curve": [(3, 0), (3, 1)]}, "must increase"),
        ({"curve": [(3, 0), (12, 1500)]}, r"wind curve power is 1500 \(1 of 2 values\); allowed is 0 to 1"),
        ({"wake_fraction": 5.0}, "wind wake losses is 5; allowed is 0 to 1"),
        ({"pressure_pa": 1013.0}, "air pressure is 1013 Pa"),
        ({"hub_height_m": 0.0}, "hub height is 0 m"),
    ],
)
def test_bad_wind_input_is_refused(changes, message):
    with pytest.raises(ScenarioError, match=message):
        wind.wind_per_unit(HOURS, **({"wind_speed_m_s": 8.0} | changes))
