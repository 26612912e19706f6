"""Our solar, wind and battery models against NREL's System Advisor Model, within stated tolerances."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import numpy as np
import pytest

from joulewright.errors import MissingExtraError, ScenarioError
from joulewright.model import Battery, Timeline
from joulewright.physics import battery, irradiance, solar, sun, wind
from joulewright.physics.sam_model import battery_run_sam, solar_per_unit_sam, wind_per_unit_sam

pytest.importorskip("PySAM", reason="the extra sam is not installed")

YEAR = Timeline(start=datetime(2022, 1, 1, tzinfo=UTC), step_s=3600, steps=8760)
PLACES = {"san-jose": (37.4, -121.9), "berlin": (52.5, 13.4), "houston": (29.76, -95.37), "sydney": (-33.9, 151.2)}


@pytest.fixture(params=PLACES.values(), ids=PLACES)
def place(request) -> dict[str, float]:
    return {"latitude_deg": request.param[0], "longitude_deg": request.param[1]}


def sunshine(timeline: Timeline, place: dict[str, float]) -> dict[str, np.ndarray]:
    """Seeded clouds under a clear sky, taken at mid-interval as SAM does."""
    generator = np.random.default_rng(7)
    middles = timeline.starts() + np.timedelta64(timeline.step_s // 2, "s")
    zenith = sun.apparent_zenith_deg(sun.sun_position(middles, **place)[0])
    hours = np.arange(timeline.steps) * timeline.step_h
    ghi = irradiance.haurwitz_w_m2(zenith) * irradiance.cloud_attenuation(generator.beta(0.5, 0.6, timeline.steps))
    dni, dhi = irradiance.split_erbs(ghi, zenith, sun.extraterrestrial_w_m2(sun.day_of_year(middles)))
    return {
        "ghi_w_m2": ghi,
        "dni_w_m2": dni,
        "dhi_w_m2": dhi,
        "temperature_c": 14.0 - 9.0 * np.cos(hours * 2 * np.pi / 8760) + 5.0 * np.sin(hours * 2 * np.pi / 24),
        "wind_speed_m_s": generator.weibull(2.0, timeline.steps) * 4.0,
    }


def test_solar_year_against_pvwatts(place):
    """Within 2 % of the yearly energy and 2 % of the rating root-mean-square, hour by hour."""
    series = sunshine(YEAR, place)
    own = solar.solar_per_unit(YEAR, **place, **series)
    theirs = solar_per_unit_sam(YEAR, **place, **series)
    assert theirs.mean() > 0.1
    assert own.sum() == pytest.approx(theirs.sum(), rel=0.02)
    assert np.sqrt(np.mean((own - theirs) ** 2)) <= 0.02
    assert np.corrcoef(own, theirs)[0, 1] > 0.998


@pytest.mark.parametrize(
    "timeline",
    [
        Timeline(start=datetime(2024, 1, 1, tzinfo=UTC), step_s=3600, steps=8784),
        Timeline(start=datetime(2022, 6, 27, tzinfo=UTC), step_s=300, steps=2016),
        Timeline(start=datetime(2023, 7, 1, tzinfo=UTC), step_s=1800, steps=17_520),
    ],
    ids=["leap-year", "week-of-five-minutes", "half-hours-from-july"],
)
def test_solar_of_other_horizons(timeline):
    place = {"latitude_deg": 37.4, "longitude_deg": -121.9}
    series = sunshine(timeline, place)
    own = solar.solar_per_unit(timeline, **place, **series)
    theirs = solar_per_unit_sam(timeline, **place, **series)
    assert theirs.shape == (timeline.steps,)
    assert own.sum() == pytest.approx(theirs.sum(), rel=0.02)
    assert np.sqrt(np.mean((own - theirs) ** 2)) <= 0.025


def test_solar_options_move_both_models_alike():
    place = {"latitude_deg": 37.4, "longitude_deg": -121.9}
    series = sunshine(YEAR, place)
    options = {"tilt_deg": 10.0, "azimuth_deg": 250.0, "losses_fraction": 0.05, "dc_ac_ratio": 1.5}
    own = solar.solar_per_unit(YEAR, **place, **series, **options)
    theirs = solar_per_unit_sam(YEAR, **place, **series, **options)
    assert own.sum() == pytest.approx(theirs.sum(), rel=0.02)
    assert own.max() == pytest.approx(1.0)
    assert theirs.max() == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("curve", ["cubic", "generic-230", "generic-300", "generic-400"])
def test_wind_year_against_windpower(curve):
    """Within 0.5 % of the yearly energy and 1 % of the rating root-mean-square; SAM corrects density otherwise."""
    generator = np.random.default_rng(3)
    series = {
        "wind_speed_m_s": generator.weibull(2.0, YEAR.steps) * 6.0,
        "temperature_c": generator.normal(12.0, 9.0, YEAR.steps),
        "pressure_pa": generator.normal(100_500.0, 900.0, YEAR.steps),
    }
    own = wind.wind_per_unit(YEAR, curve=curve, **series)
    theirs = wind_per_unit_sam(YEAR, curve=curve, **series)
    assert theirs.mean() > 0.2
    assert own.sum() == pytest.approx(theirs.sum(), rel=0.005)
    assert np.sqrt(np.mean((own - theirs) ** 2)) <= 0.01


def test_wind_of_any_horizon_and_height():
    """At the density of the curves both give the same power, at any number of steps."""
    steps = Timeline(start=datetime(2022, 3, 1, tzinfo=UTC), step_s=900, steps=300)
    speed = np.linspace(0.0, 17.9, 300)
    air = {"temperature_c": 15.0 + 0.0065 * 120.0, "pressure_pa": 101_325.0 + 12.5 * 120.0}
    tower = {"measurement_height_m": 50.0, "hub_height_m": 120.0, "roughness_m": 0.1, "wake_fraction": 0.1}
    own = wind.wind_per_unit(steps, wind_speed_m_s=speed, **air, **tower)
    theirs = wind_per_unit_sam(steps, wind_speed_m_s=speed, **air, **tower)
    assert theirs == pytest.approx(own, abs=1e-3)


def daily_cycles(days: int) -> tuple[np.ndarray, np.ndarray]:
    """0.6 MW for four hours in the evening, and at night until the battery is full."""
    hour = np.arange(24 * days) % 24
    return np.where((hour >= 1) & (hour < 8), 0.6, 0.0), np.where((hour >= 18) & (hour < 22), 0.6, 0.0)


CELL = Battery(
    name="b",
    energy_mwh=4.0,
    charge_limit_mw=2.0,
    discharge_limit_mw=2.0,
    charge_efficiency=0.99,
    discharge_efficiency=0.99,
    initial_energy_mwh=2.0,
    min_energy_mwh=0.4,
)


@pytest.mark.parametrize("chemistry", ["lfp", "nmc"])
def test_battery_energy_balance(chemistry):
    """With the round trip of whole days our recursion follows SAM's state of charge within 2 %."""
    charge, discharge = daily_cycles(20)
    run = battery_run_sam(CELL, charge, discharge, step_h=1.0, chemistry=chemistry)
    cycle = slice(24 * 5, 24 * 19)
    returned = run.discharge_mw[cycle].sum() / run.charge_mw[cycle].sum()
    gained = run.state_fraction[24 * 19] - run.state_fraction[24 * 5]
    assert abs(gained) < 0.01
    assert 0.95 < returned < 1.0
    # SAM counts charge, we count energy: one unit of its state holds this much.
    whole = run.discharge_mw[cycle].sum() / np.maximum(-np.diff(run.state_fraction), 0.0)[cycle].sum()
    side = np.sqrt(returned)
    ours = Battery(
        **{**CELL.__dict__, "energy_mwh": whole / side, "charge_efficiency": side, "discharge_efficiency": side}
    )
    state = [run.state_fraction[24 * 5] * ours.energy_mwh]
    for inward, outward in zip(run.charge_mw[cycle], run.discharge_mw[cycle], strict=True):
        state.append(float(battery.next_energy_mwh(ours, state[-1], inward, outward, step_h=1.0)))
    expected = run.state_fraction[24 * 5 : 24 * 19 + 1]
    assert np.abs(np.array(state) / ours.energy_mwh - expected).max() < 0.02


def test_battery_stays_within_its_limits_and_fades():
    charge, discharge = daily_cycles(200)
    run = battery_run_sam(CELL, 10.0 * charge, 10.0 * discharge, step_h=1.0, chemistry="nmc")
    assert run.charge_mw.max() <= 2.0 + 1e-6
    assert run.discharge_mw.max() <= 2.0 + 1e-6
    assert run.state_fraction.min() >= 0.1 - 0.01
    assert 0.9 < run.capacity_fraction[-1] < 1.0
    assert run.state_fraction.shape == (run.charge_mw.size + 1,)


def test_what_sam_does_not_offer_is_refused():
    sunny = {"latitude_deg": 0.0, "longitude_deg": 0.0, "dni_w_m2": 0.0, "dhi_w_m2": 0.0}
    day = Timeline(start=YEAR.start, step_s=3600, steps=24)
    thin = solar.SolarModules(temperature_coefficient_per_k=-0.002)
    with pytest.raises(ScenarioError, match=r"temperature coefficient is -0\.002 1/K"):
        solar_per_unit_sam(day, **sunny, modules=thin)
    with pytest.raises(ScenarioError, match="diffuse irradiance is -1 W/m2"):
        solar_per_unit_sam(day, **(sunny | {"dhi_w_m2": -1.0}))
    with pytest.raises(ScenarioError, match=r"battery chemistry is 'lead'; allowed are \['lfp', 'nmc'\]"):
        battery_run_sam(CELL, [0.0], [0.0], step_h=1.0, chemistry="lead")


@pytest.mark.parametrize("module", ["Pvwattsv8", "Windpower", "BatteryStateful"])
def test_missing_extra_is_named(monkeypatch, module):
    monkeypatch.setitem(sys.modules, f"PySAM.{module}", None)
    day = Timeline(start=YEAR.start, step_s=3600, steps=24)
    calls = {
        "Pvwattsv8": lambda: solar_per_unit_sam(day, latitude_deg=0.0, longitude_deg=0.0, dni_w_m2=0, dhi_w_m2=0),
        "Windpower": lambda: wind_per_unit_sam(day, wind_speed_m_s=5.0),
        "BatteryStateful": lambda: battery_run_sam(CELL, [0.0], [0.0], step_h=1.0),
    }
    with pytest.raises(MissingExtraError, match=r"pip install 'joulewright\[sam\]'"):
        calls[module]()
