"""The array form of PVWatts against pvlib, function by function and over a year."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import numpy as np
import pytest

from joulewright.errors import MissingExtraError
from joulewright.model import Timeline
from joulewright.physics import irradiance, solar, sun
from joulewright.physics.pvlib_model import solar_per_unit_pvlib

pytestmark = [
    # pvlib 0.16 still uses a name that pandas 3 deprecates.
    pytest.mark.filterwarnings("ignore:DatetimeIndex.dayofyear:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:DatetimeIndex.dayofyear:FutureWarning"),
]
pvlib = pytest.importorskip("pvlib", reason="the extra solar is not installed")
pandas = pytest.importorskip("pandas", reason="the extra solar is not installed")

YEAR = Timeline(start=datetime(2022, 1, 1, tzinfo=UTC), step_s=3600, steps=8760)
PLACES = {"san-jose": (37.4, -121.9), "berlin": (52.5, 13.4), "houston": (29.76, -95.37), "sydney": (-33.9, 151.2)}


@pytest.fixture(params=PLACES.values(), ids=PLACES)
def place(request) -> dict[str, float]:
    return {"latitude_deg": request.param[0], "longitude_deg": request.param[1]}


@pytest.fixture
def weather() -> dict[str, np.ndarray]:
    generator = np.random.default_rng(7)
    hour = np.arange(YEAR.steps)
    return {
        "cloud": generator.beta(0.5, 0.6, YEAR.steps),
        "temperature_c": 14.0 - 9.0 * np.cos(hour * 2 * np.pi / 8760) + 5.0 * np.sin(hour * 2 * np.pi / 24),
        "wind_speed_m_s": generator.weibull(2.0, YEAR.steps) * 4.0,
    }


def sky_at(instants: np.ndarray, cloud: np.ndarray, place: dict[str, float]) -> dict[str, np.ndarray]:
    zenith, _ = sun.sun_position(instants, **place)
    zenith = sun.apparent_zenith_deg(zenith)
    ghi = irradiance.haurwitz_w_m2(zenith) * irradiance.cloud_attenuation(cloud)
    dni, dhi = irradiance.split_erbs(ghi, zenith, sun.extraterrestrial_w_m2(sun.day_of_year(instants)))
    return {"ghi_w_m2": ghi, "dni_w_m2": dni, "dhi_w_m2": dhi}


def test_sun_position_over_a_year(place):
    instants = YEAR.starts()[::7] + np.timedelta64(1800, "s")
    zenith, azimuth = sun.sun_position(instants, **place)
    times = pandas.DatetimeIndex(instants, tz="UTC")
    full = pvlib.solarposition.get_solarposition(times, place["latitude_deg"], place["longitude_deg"])
    assert np.abs(zenith - full["zenith"].to_numpy()).max() < 0.05
    high = zenith > 3.0
    turn = (azimuth - full["azimuth"].to_numpy() + 180.0) % 360.0 - 180.0
    assert np.abs(turn[high & (zenith < 90.0)]).max() < 0.1


def test_functions_equal_their_namesakes():
    zenith = np.linspace(0.0, 89.0, 90)
    ghi = np.linspace(1000.0, 5.0, 90)
    outside = sun.extraterrestrial_w_m2(172)
    assert irradiance.haurwitz_w_m2(zenith) == pytest.approx(
        pvlib.clearsky.haurwitz(pandas.Series(zenith))["ghi"].to_numpy()
    )
    erbs = pvlib.irradiance.erbs(ghi, zenith, 172)
    assert irradiance.split_erbs(ghi, zenith, outside)[1] == pytest.approx(erbs["dhi"], rel=1e-9)
    facing = irradiance.incidence_cosine(zenith, 200.0, tilt_deg=30.0, surface_azimuth_deg=170.0)
    assert facing == pytest.approx(pvlib.irradiance.aoi_projection(30.0, 170.0, zenith, 200.0), abs=1e-12)
    angles = np.degrees(np.arccos(facing))
    lit = facing > 0.02
    assert irradiance.glass_transmission(facing)[lit] == pytest.approx(pvlib.iam.physical(angles)[lit], abs=1e-9)
    sky = irradiance.transpose(facing, zenith, (600.0, 90.0, 500.0), outside, tilt_deg=30.0)[1]
    theirs = pvlib.irradiance.haydavies(30.0, 170.0, 90.0, 600.0, float(outside), zenith, 200.0)
    assert sky == pytest.approx(theirs, rel=1e-9)
    load = np.linspace(0.0, 1.2, 60)
    assert solar.inverter_power(load) == pytest.approx(pvlib.inverter.pvwatts(load, 1.0) / 0.96)


def test_year_against_model_chain_on_the_same_hours(place, weather):
    middles = YEAR.starts() + np.timedelta64(1800, "s")
    series = sky_at(middles, weather.pop("cloud"), place) | weather
    own = solar.solar_per_unit(YEAR, **place, **series)
    theirs = solar_per_unit_pvlib(YEAR, **place, **series)
    assert own.sum() == pytest.approx(theirs.sum(), rel=0.02)
    assert np.sqrt(np.mean((own - theirs) ** 2)) <= 0.02
    assert np.corrcoef(own, theirs)[0, 1] > 0.999


def test_sampling_within_the_hour_beats_the_mid_interval(place, weather):
    """Against pvlib at 5 min steps, our hourly figures are closer than pvlib's own hourly ones."""
    fine = Timeline(start=YEAR.start, step_s=300, steps=120 * 24 * 12)
    hours = Timeline(start=YEAR.start, step_s=3600, steps=120 * 24)
    slow = {name: values[: hours.steps] for name, values in weather.items()}
    cloud = slow.pop("cloud")
    dense = sky_at(fine.starts() + np.timedelta64(150, "s"), np.repeat(cloud, 12), place)
    repeated = {name: np.repeat(values, 12) for name, values in slow.items()}
    truth = solar_per_unit_pvlib(fine, **place, **dense, **repeated).reshape(-1, 12).mean(axis=1)
    means = {name: values.reshape(-1, 12).mean(axis=1) for name, values in dense.items()}
    errors = {
        "own": solar.solar_per_unit(hours, **place, ghi_w_m2=means["ghi_w_m2"], **slow) - truth,
        "pvlib": solar_per_unit_pvlib(hours, **place, **means, **slow) - truth,
    }
    rmse = {name: float(np.sqrt(np.mean(error**2))) for name, error in errors.items()}
    assert rmse["own"] < 0.25 * rmse["pvlib"]
    assert abs(errors["own"].sum()) < 1e-3 * truth.sum()


def test_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pvlib.location", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'joulewright\[solar\]'"):
        solar_per_unit_pvlib(YEAR, latitude_deg=0.0, longitude_deg=0.0, ghi_w_m2=0, dni_w_m2=0, dhi_w_m2=0)
