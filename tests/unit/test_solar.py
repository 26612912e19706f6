"""Sun, irradiance and PVWatts chain against hand-worked numbers and published vectors."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from joulewright.errors import ScenarioError
from joulewright.model import Timeline
from joulewright.physics import irradiance, solar, sun


def at(text: str) -> np.ndarray:
    return np.array([text], "M8[s]")


@pytest.mark.parametrize(
    ("latitude", "longitude", "instant", "zenith", "azimuth"),
    [
        (52.5, 13.4, "2025-06-21T11:00", 29.1058, 176.1082),
        (52.5, 13.4, "2025-12-21T11:00", 75.9471, 178.9210),
        (29.76, -95.37, "2025-03-20T18:00", 30.3961, 165.6750),
        (1.35, 103.8, "2025-09-22T05:00", 1.2901, 208.4816),
        (37.85, -122.26, "2020-01-01T20:30", 60.9812, 184.5983),
    ],
)
def test_sun_position_matches_full_ephemeris(latitude, longitude, instant, zenith, azimuth):
    found_zenith, found_azimuth = sun.sun_position(at(instant), latitude_deg=latitude, longitude_deg=longitude)
    assert found_zenith[0] == pytest.approx(zenith, abs=0.05)
    # Degrees on the sky: next to the zenith the azimuth itself is ill-conditioned.
    assert (found_azimuth[0] - azimuth) * np.sin(np.radians(zenith)) == pytest.approx(0.0, abs=0.05)


def test_refraction_lifts_the_sun():
    assert sun.apparent_zenith_deg(29.1058) == pytest.approx(29.0964, abs=2e-3)
    assert sun.apparent_zenith_deg(90.0) == pytest.approx(89.52, abs=0.03)
    assert sun.apparent_zenith_deg([100.0, 150.0]).tolist() == [100.0, 150.0]


def test_sun_in_the_southern_hemisphere_stands_in_the_north_at_noon():
    zenith, azimuth = sun.sun_position(at("2025-12-21T02:00"), latitude_deg=-33.9, longitude_deg=151.2)
    assert zenith[0] == pytest.approx(33.9 - 23.44, abs=0.5)
    assert min(azimuth[0], 360.0 - azimuth[0]) < 15.0


def test_extraterrestrial_irradiance():
    assert sun.extraterrestrial_w_m2(172) == pytest.approx(1321.6236, abs=1e-4)
    # Day 1: 1366.1 (1.00011 + 0.034221 + 0.000719) by hand.
    assert sun.extraterrestrial_w_m2(1) == pytest.approx(1366.1 * 1.03505, rel=1e-12)


def test_day_of_year_counts_leap_days():
    days = sun.day_of_year(np.array(["2023-01-01T00:00", "2023-12-31T23:00", "2024-12-31T23:00"], "M8[s]"))
    assert days.tolist() == [1.0, 365.0, 366.0]


def test_haurwitz_clear_sky_by_hand():
    assert irradiance.haurwitz_w_m2(60.0) == pytest.approx(1098 * 0.5 * np.exp(-0.118), rel=1e-12)
    assert irradiance.haurwitz_w_m2([90.0, 100.0]).tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("latitude", "longitude", "kwh"), [(52.5, 13.4, 1705.4), (29.76, -95.37, 2348.2), (1.35, 103.8, 2677.2)]
)
def test_haurwitz_year_sums(latitude, longitude, kwh):
    instants = np.arange(np.datetime64("2025-01-01T00:15", "s"), np.datetime64("2026-01-01", "s"), np.timedelta64(1800))
    zenith, _ = sun.sun_position(instants, latitude_deg=latitude, longitude_deg=longitude)
    total = irradiance.haurwitz_w_m2(sun.apparent_zenith_deg(zenith)).sum() * 0.5 / 1000.0
    assert total == pytest.approx(kwh, rel=2e-3)


def test_clouds_attenuate_to_a_quarter():
    assert irradiance.cloud_attenuation([0.0, 0.5, 1.0]) == pytest.approx([1.0, 1 - 0.75 * 0.5**3.4, 0.25])
    with pytest.raises(ScenarioError, match=r"cloud cover is 80 .*allowed is 0 to 1"):
        irradiance.cloud_attenuation([0.2, 80.0])


@pytest.mark.parametrize(
    ("ghi", "dni", "dhi"), [(400.0, 175.5371, 287.1669), (100.0, None, 98.9406), (800.0, None, 132.0)]
)
def test_erbs_vectors(ghi, dni, dhi):
    found_dni, found_dhi = irradiance.split_erbs(ghi, 50.0, sun.extraterrestrial_w_m2(172))
    assert found_dhi == pytest.approx(dhi, abs=1e-3)
    assert found_dni == pytest.approx((ghi - dhi) / np.cos(np.radians(50.0)) if dni is None else dni, abs=2e-3)


def test_erbs_gives_no_beam_at_a_low_sun_or_at_night():
    dni, dhi = irradiance.split_erbs([30.0, 0.0], [88.0, 120.0], 1366.1)
    assert dni.tolist() == [0.0, 0.0]
    assert dhi.tolist() == [30.0, 0.0]


@pytest.mark.parametrize(
    ("tilt", "toward", "sky", "total"),
    [
        (38.0, 180.0, "hay-davies", 935.9229),
        (38.0, 180.0, "isotropic", 918.7921),
        (20.0, 180.0, "hay-davies", 923.7915),
        (0.0, 180.0, "hay-davies", 819.0419),
        (90.0, 90.0, "hay-davies", 155.2089),
    ],
)
def test_transposition_vectors(tilt, toward, sky, total):
    facing = irradiance.incidence_cosine(29.0964, 176.1082, tilt_deg=tilt, surface_azimuth_deg=toward)
    parts = irradiance.transpose(facing, 29.0964, (800.0, 120.0, 819.0419), 1321.6236, tilt_deg=tilt, sky=sky)
    assert sum(float(part) for part in parts) == pytest.approx(total, abs=2e-3)


def test_transposition_parts():
    facing = irradiance.incidence_cosine(29.0964, 176.1082, tilt_deg=38.0, surface_azimuth_deg=180.0)
    parts = irradiance.transpose(facing, 29.0964, (800.0, 120.0, 819.0419), 1321.6236, tilt_deg=38.0)
    assert [float(part) for part in parts] == pytest.approx([789.8079, 124.4114, 21.7035], abs=2e-3)


def test_plane_facing_away_gets_no_beam():
    facing = irradiance.incidence_cosine(60.0, 0.0, tilt_deg=90.0, surface_azimuth_deg=180.0)
    assert facing < 0.0
    assert irradiance.transpose(facing, 60.0, (500.0, 0.0, 0.0), tilt_deg=90.0)[0] == 0.0
    assert irradiance.glass_transmission(facing) == 0.0


def test_glass_transmission_vectors():
    angles = np.array([0.0, 20.0, 40.0, 60.0, 70.0, 80.0, 85.0, 90.0])
    wanted = [1.0, 0.999503, 0.993007, 0.946003, 0.859720, 0.634117, 0.400879, 0.0]
    assert irradiance.glass_transmission(np.cos(np.radians(angles))) == pytest.approx(wanted, abs=1e-6)


def test_cell_temperature_vectors():
    assert solar.cell_temperature_c(800.0, 20.0, 3.0) == pytest.approx(40.567090221385065)
    found = solar.cell_temperature_c(1000.0, 10.0, 0.0, mounting="open-rack-glass-glass")
    assert found == pytest.approx(44.11703066106086)


def test_dc_power_vectors():
    power = 1000 * solar.dc_power([1000.0, 800.0, 200.0, 0.0], [25.0, 45.0, 10.0, 0.0])
    assert power == pytest.approx([1000.0, 740.8, 211.1, 0.0])


def test_inverter_vectors():
    load = np.array([0.0, 5.0, 50.0, 100.0, 500.0, 800.0, 1000.0, 1100.0]) / 1000.0
    wanted = [0, 0, 43.18306526927467, 92.16278924976653, 481.0957766939919, 769.4065788108333, 960, 960]
    assert 960.0 * solar.inverter_power(load) == pytest.approx(wanted)


def test_default_losses_follow_from_their_parts():
    parts = np.array([2, 3, 0, 2, 2, 0.5, 1.5, 1, 0, 3]) / 100.0
    assert pytest.approx(1.0 - np.prod(1.0 - parts), rel=1e-12) == solar.LOSSES_FRACTION


def test_default_tilt_follows_latitude():
    assert solar.default_tilt_deg(0.0) == pytest.approx(1.3793)
    # Horner by hand at 40 deg: 1.3793 + 48.044 - 23.0464 + 5.152576.
    assert solar.default_tilt_deg(40.0) == pytest.approx(31.529476)
    # At -40 deg: 0.41657 + 56.864 - 38.4816 + 13.96992 = 32.76889.
    assert solar.default_tilt_deg(-40.0) == pytest.approx(32.76889)


def day(hours: int = 24, step_s: int = 3600, start: datetime = datetime(2022, 6, 21, tzinfo=UTC)) -> Timeline:
    return Timeline(start=start, step_s=step_s, steps=hours * 3600 // step_s)


BERLIN = {"latitude_deg": 52.5, "longitude_deg": 13.4}


def test_hourly_steps_equal_the_mean_of_five_minute_steps():
    hourly = solar.solar_per_unit(day(), cloud_cover_fraction=0.4, **BERLIN)
    fine = solar.solar_per_unit(day(step_s=300), cloud_cover_fraction=0.4, **BERLIN)
    assert hourly == pytest.approx(fine.reshape(24, 12).mean(axis=1), abs=1.5e-3)


def test_one_day_step_equals_the_mean_of_its_hours():
    whole = solar.solar_per_unit(day(step_s=86_400), cloud_cover_fraction=0.2, **BERLIN)
    assert whole[0] == pytest.approx(solar.solar_per_unit(day(), cloud_cover_fraction=0.2, **BERLIN).mean(), rel=1e-9)


def test_measured_irradiance_gives_what_the_clear_sky_gave():
    hours = day()
    fine = day(step_s=300)
    zenith, _ = sun.sun_position(solar.sample_instants(fine)[:, 0], **BERLIN)
    zenith = sun.apparent_zenith_deg(zenith)
    ghi = irradiance.haurwitz_w_m2(zenith)
    dni, dhi = irradiance.split_erbs(ghi, zenith, sun.extraterrestrial_w_m2(172))
    means = [part.reshape(24, 12).mean(axis=1) for part in (ghi, dni, dhi)]
    clear = solar.solar_per_unit(hours, cloud_cover_fraction=0.0, **BERLIN)
    assert solar.solar_per_unit(hours, ghi_w_m2=means[0], **BERLIN) == pytest.approx(clear, abs=2e-3)
    split = solar.solar_per_unit(hours, dni_w_m2=means[1], dhi_w_m2=means[2], **BERLIN)
    assert split == pytest.approx(clear, abs=8e-3)
    all_three = solar.solar_per_unit(hours, ghi_w_m2=means[0], dni_w_m2=means[1], dhi_w_m2=means[2], **BERLIN)
    assert all_three == pytest.approx(split, abs=2e-3)


def test_clipping_at_the_rating_and_losses():
    bright = solar.solar_per_unit(day(), cloud_cover_fraction=0.0, dc_ac_ratio=2.0, losses_fraction=0.0, **BERLIN)
    assert bright.max() == 1.0
    lossless = solar.solar_per_unit(day(), cloud_cover_fraction=0.0, losses_fraction=0.0, dc_ac_ratio=0.5, **BERLIN)
    lossy = solar.solar_per_unit(day(), cloud_cover_fraction=0.0, losses_fraction=0.5, dc_ac_ratio=0.5, **BERLIN)
    assert 0.4 < lossy.sum() / lossless.sum() < 0.5


def test_southern_plants_face_north_by_default():
    sydney = {"latitude_deg": -33.9, "longitude_deg": 151.2, "cloud_cover_fraction": 0.0}
    june = day(start=datetime(2022, 6, 20, 14, tzinfo=UTC))
    default = solar.solar_per_unit(june, **sydney).sum()
    assert default == pytest.approx(solar.solar_per_unit(june, azimuth_deg=0.0, **sydney).sum())
    assert default > 1.5 * solar.solar_per_unit(june, azimuth_deg=180.0, **sydney).sum()


def test_polar_night_is_dark():
    december = day(start=datetime(2022, 12, 21, tzinfo=UTC))
    power = solar.solar_per_unit(december, latitude_deg=78.2, longitude_deg=15.6, ghi_w_m2=0.0)
    assert power.tolist() == [0.0] * 24


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "neither cloud cover nor irradiance"),
        ({"dni_w_m2": 100.0}, "only one of direct normal and diffuse"),
        ({"cloud_cover_fraction": 60.0}, "cloud cover is 60; allowed is 0 to 1"),
        ({"ghi_w_m2": -1.0}, r"global irradiance is -1 W/m2; allowed is 0 to 2000 W/m2"),
        ({"ghi_w_m2": [1.0, 2.0]}, r"global irradiance has shape \(2,\); the horizon has 24 steps"),
        ({"cloud_cover_fraction": float("nan")}, "cloud cover is nan"),
        ({"cloud_cover_fraction": 0.0, "latitude_deg": 95.0}, "latitude is 95 deg"),
        ({"cloud_cover_fraction": 0.0, "losses_fraction": 14.0}, "solar losses is 14; allowed is 0 to 1"),
        ({"cloud_cover_fraction": 0.0, "tilt_deg": -5.0}, "tilt is -5 deg"),
        ({"cloud_cover_fraction": 0.0, "wind_speed_m_s": -1.0}, "wind speed is -1 m/s; allowed is at least 0 m/s"),
        ({"cloud_cover_fraction": 0.0, "temperature_c": 300.0}, "temperature is 300 degC"),
    ],
)
def test_bad_weather_is_refused(changes, message):
    with pytest.raises(ScenarioError, match=message):
        solar.solar_per_unit(day(), **(BERLIN | changes))


def test_unknown_mounting_lists_the_known_ones():
    with pytest.raises(ScenarioError, match=r"mounting is 'roof'; allowed are \['close-mount"):
        solar.SolarModules(mounting="roof")
