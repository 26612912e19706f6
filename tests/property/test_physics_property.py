"""Properties of the physics that hold for every input."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from joulewright.model import Battery, Timeline
from joulewright.physics import battery, cooling, generator, irradiance, solar, sun, transfer, wind

fractions = st.floats(0.0, 1.0)
DAY = Timeline(start=datetime(2024, 2, 29, tzinfo=UTC), step_s=3600, steps=24)


@given(
    latitude=st.floats(-89.0, 89.0),
    longitude=st.floats(-180.0, 180.0),
    day=st.integers(0, 366),
    cloud=fractions,
    ratio=st.floats(0.5, 2.0),
)
def test_solar_stays_within_its_rating_and_is_dark_at_night(latitude, longitude, day, cloud, ratio):
    start = datetime.fromtimestamp(1_700_000_000 // 86_400 * 86_400 + 86_400 * day, UTC)
    steps = Timeline(start=start, step_s=1800, steps=48)
    power = solar.solar_per_unit(
        steps, latitude_deg=latitude, longitude_deg=longitude, cloud_cover_fraction=cloud, dc_ac_ratio=ratio
    )
    assert ((power >= 0.0) & (power <= 1.0)).all()
    zenith, _ = sun.sun_position(solar.sample_instants(steps)[:, 0], latitude_deg=latitude, longitude_deg=longitude)
    assert (power[zenith > 91.0] == 0.0).all()


@given(clear=fractions, extra=fractions)
def test_more_cloud_never_gives_more_power(clear, extra):
    place = {"latitude_deg": 40.0, "longitude_deg": 0.0, "tilt_deg": 0.0}
    less = solar.solar_per_unit(DAY, cloud_cover_fraction=clear, **place)
    more = solar.solar_per_unit(DAY, cloud_cover_fraction=clear + (1.0 - clear) * extra, **place)
    # Diffuse light needs no glass correction, so a fraction of a percent may come back.
    assert more.sum() <= less.sum() * 1.005


@given(ghi=st.floats(0.0, 1200.0), zenith=st.floats(0.0, 120.0), day=st.integers(1, 366))
def test_beam_and_diffuse_add_up_to_the_global_irradiance(ghi, zenith, day):
    dni, dhi = irradiance.split_erbs(ghi, zenith, sun.extraterrestrial_w_m2(day))
    assert dni >= 0.0
    assert 0.0 <= dhi <= ghi + 1e-9
    assert abs(dni * max(np.cos(np.radians(zenith)), 0.0) + dhi - ghi) < 1e-6


@given(zenith=st.floats(0.0, 89.0), dni=st.floats(0.0, 1000.0), dhi=st.floats(0.0, 400.0))
def test_a_horizontal_plane_receives_the_global_irradiance(zenith, dni, dhi):
    cosine = np.cos(np.radians(zenith))
    parts = irradiance.transpose(cosine, zenith, (dni, dhi, dni * cosine + dhi), tilt_deg=0.0)
    assert abs(sum(float(part) for part in parts) - (dni * cosine + dhi)) < 1e-6 * (1.0 + dni + dhi)


@given(speed=st.floats(0.0, 40.0), gain=st.floats(0.0, 5.0), density=st.floats(0.9, 1.4))
def test_wind_power_is_monotone_below_the_cut_out(speed, gain, density):
    stronger = min(speed + gain, 25.0)
    low, high = wind.curve_power([min(speed, 25.0), stronger], "generic-300", density_kg_m3=density)
    assert 0.0 <= low <= high + 1e-12 <= 1.0 + 1e-12
    assert wind.curve_power(25.0 + max(gain, 1e-6), "generic-300", density_kg_m3=density)[0] == 0.0


@given(speed=st.floats(0.0, 25.0), thin=st.floats(0.9, 1.4), thick=fractions)
def test_denser_air_never_gives_less_power(speed, thin, thick):
    low, high = wind.curve_power([speed, speed], "cubic", density_kg_m3=[thin, thin + (1.4 - thin) * thick])
    assert high >= low - 1e-12


batteries = st.builds(
    Battery,
    name=st.just("b"),
    energy_mwh=st.floats(2.0, 100.0),
    min_energy_mwh=st.floats(0.0, 1.0),
    charge_limit_mw=st.floats(0.0, 50.0),
    discharge_limit_mw=st.floats(0.0, 50.0),
    charge_efficiency=st.floats(0.5, 1.0),
    discharge_efficiency=st.floats(0.5, 1.0),
    self_discharge_per_h=st.floats(0.0, 0.05),
    initial_energy_mwh=st.just(1.5),
)


@given(cell=batteries, fill=fractions, share=fractions, step_h=st.floats(0.01, 24.0), charging=st.booleans())
def test_feasible_power_keeps_storage_within_its_limits(cell, fill, share, step_h, charging):
    energy = cell.min_energy_mwh + fill * (cell.energy_mwh - cell.min_energy_mwh)
    charge, discharge = battery.power_range_mw(cell, energy, step_h=step_h)
    flows = (share * charge, 0.0) if charging else (0.0, share * discharge)
    after = battery.next_energy_mwh(cell, energy, *flows, step_h=step_h)
    retained = energy * battery.storage_coefficients(step_h, cell.self_discharge_per_h)[0]
    assert after <= cell.energy_mwh + 1e-9
    assert after >= min(cell.min_energy_mwh, retained) - 1e-9


@given(cell=batteries, step_h=st.floats(0.01, 24.0), charge=st.floats(0.0, 5.0), discharge=st.floats(0.0, 5.0))
def test_splitting_a_step_changes_nothing(cell, step_h, charge, discharge):
    whole = battery.next_energy_mwh(cell, 1.5, charge, discharge, step_h=step_h)
    half = battery.next_energy_mwh(cell, 1.5, charge, discharge, step_h=step_h / 2.0)
    twice = battery.next_energy_mwh(cell, half, charge, discharge, step_h=step_h / 2.0)
    assert abs(whole - twice) < 1e-9 * (1.0 + abs(whole))


@given(temperature=st.floats(-40.0, 50.0), load=st.floats(0.05, 0.9), limit=st.none() | st.floats(-5.0, 20.0))
def test_pue_is_at_least_one(temperature, load, limit):
    plant = cooling.ChillerPlant(load_fraction=load, free_cooling_below_c=limit)
    pue, unmet = cooling.chiller_pue(temperature, plant)
    assert 1.0 <= pue < 2.5
    assert unmet >= 0.0


@given(heat=st.floats(0.0, 2.0), more=st.floats(0.0, 1.0), temperature=st.floats(10.0, 45.0))
def test_more_heat_needs_at_least_as_much_power(heat, more, temperature):
    power, unmet = cooling.chiller_power_mw([heat, heat + more], temperature, capacity_mw=1.0)
    assert power[1] >= power[0] - 1e-12
    assert (power >= (np.array([heat, heat + more]) - unmet) / 8.0 - 1e-12).all()


@given(on=st.lists(st.booleans(), min_size=1, max_size=30), up=st.floats(0.0, 4.0), down=st.floats(0.0, 4.0))
def test_only_switches_can_be_too_early(on, up, down):
    early = generator.short_run_steps(on, step_h=0.5, min_up_h=up, min_down_h=down)
    state = np.array([False, *on])
    assert not (early & (state[1:] == state[:-1])).any()
    if up <= 0.5 and down <= 0.5:
        assert not early.any()


@given(size=st.integers(0, 100_000), bandwidth=st.floats(0.1, 1000.0))
def test_transfer_time_scales_with_size(size, bandwidth):
    assert transfer.transfer_h(2.0 * size, bandwidth) == 2.0 * transfer.transfer_h(size, bandwidth)
