"""Properties of ageing, windows, migration, grid, towers and part load that hold for every input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulewright.physics import ageing, cooling_tower, generator, grid, migration, part_load, windows

fractions = st.floats(0.0, 1.0)
states = st.lists(fractions, min_size=0, max_size=60)
sizes = st.floats(0.0, 5000.0)
links = st.floats(0.01, 1000.0)
bits = st.lists(st.booleans(), max_size=60)


@given(series=states)
def test_cycles_hold_every_change_of_state(series):
    """A full cycle goes there and back, a half one there: together they are the total variation."""
    cycles = ageing.rainflow(series)
    assert 2.0 * (cycles.count * cycles.depth_fraction).sum() == pytest.approx(np.abs(np.diff(series)).sum(), abs=1e-9)
    if cycles.count.size:
        assert cycles.depth_fraction.max() == pytest.approx(np.ptp(series), abs=1e-12)


@given(series=states, times=st.integers(1, 4))
def test_damage_does_not_depend_on_the_step_or_the_sign(series, times):
    damage = ageing.depth_damage(ageing.rainflow(series))
    held = ageing.depth_damage(ageing.rainflow(np.repeat(series, times)))
    mirrored = ageing.depth_damage(ageing.rainflow(1.0 - np.asarray(series)))
    assert held == pytest.approx(damage)
    assert mirrored == pytest.approx(damage, rel=1e-6, abs=1e-15)


@given(fade=st.lists(st.floats(0.0, 0.9), min_size=1, max_size=30), end=st.floats(0.3, 0.95))
def test_capacity_is_lost_or_replaced(fade, end):
    plan = ageing.replacement_schedule(fade, end_of_life_fraction=end)
    assert ((plan.capacity_fraction >= end - 1e-7) & (plan.capacity_fraction <= 1.0 + 1e-12)).all()
    lost = 1.0 - plan.capacity_fraction[-1] + (1.0 - end) * plan.replacements.sum()
    assert lost == pytest.approx(sum(fade))
    assert plan.years.size == plan.replacements.sum()
    counted = np.histogram(plan.years, np.arange(len(fade) + 1))[0]
    assert np.cumsum(counted) == pytest.approx(np.cumsum(plan.replacements), abs=1)
    assert (np.diff(plan.years) >= 0.0).all()


@given(surplus=bits, gap=st.integers(0, 5), step_h=st.floats(0.01, 24.0))
def test_windows_hold_every_surplus_step_once(surplus, gap, step_h):
    exact = windows.surplus_windows(surplus, step_h=step_h)
    assert exact.length_h.sum() == pytest.approx(step_h * sum(surplus))
    merged = windows.surplus_windows(surplus, step_h=step_h, max_gap_steps=gap)
    assert merged.length_h.size <= exact.length_h.size
    assert merged.length_h.sum() >= exact.length_h.sum() - 1e-9
    apart = merged.first_step[1:] - merged.stop_step[:-1]
    assert (apart > gap).all()
    inside = np.zeros(len(surplus), bool)
    for first, stop in zip(merged.first_step, merged.stop_step, strict=True):
        inside[first:stop] = True
    assert not (np.asarray(surplus, bool) & ~inside).any()


@given(
    lengths=st.lists(st.tuples(st.floats(0.01, 100.0), st.booleans()), min_size=1, max_size=20),
    at=st.lists(st.floats(0.0, 150.0), min_size=2, max_size=10),
)
def test_survival_falls_from_one(lengths, at):
    length, cut = (np.array(part) for part in zip(*lengths, strict=True))
    survival = windows.window_survival(length, np.sort(at), open_ended=cut)
    assert windows.window_survival(length, 0.0, open_ended=cut) == 1.0
    assert ((survival >= 0.0) & (survival <= 1.0)).all()
    assert (np.diff(survival) <= 0.0).all()
    # Censored windows last longer than they seem.
    assert (survival >= windows.window_survival(length, np.sort(at)) - 1e-12).all()


@given(size=sizes, link=links, more=st.floats(1.0, 10.0), cold=st.floats(0.0, 900.0), overlapped=st.booleans())
def test_larger_checkpoints_and_slower_links_never_help(size, link, more, cold, overlapped):
    terms = migration.MigrationTerms(provisioning_s=cold, overlapped=overlapped)
    base = migration.migration_s(size, link, terms)
    assert migration.migration_s(size * more, link, terms) >= base
    assert migration.migration_s(size, link * more, terms) <= base
    serial = migration.MigrationTerms(provisioning_s=cold)
    assert base <= migration.migration_s(size, link, serial)


@given(window=st.floats(0.0, 100.0), link=links, cold=st.floats(0.0, 900.0), overlapped=st.booleans())
def test_the_largest_checkpoint_takes_its_share(window, link, cold, overlapped):
    terms = migration.MigrationTerms(provisioning_s=cold, overlapped=overlapped)
    size = migration.largest_checkpoint_gb(window, link, terms)
    if size > 0.0:
        needed = migration.shortest_window_h(migration.migration_s(size, link, terms))
        assert needed == pytest.approx(window, rel=1e-9)


@given(
    limits=st.tuples(st.floats(0.0, 100.0), st.floats(0.0, 100.0)),
    before=st.floats(-100.0, 100.0),
    ramp=st.floats(0.0, 500.0),
    step_h=st.floats(0.01, 24.0),
)
def test_exchange_stays_within_limits_and_ramp(limits, before, ramp, step_h):
    low, high = grid.net_import_range_mw(*limits, previous_net_import_mw=before, ramp_mw_per_h=ramp, step_h=step_h)
    assert -limits[1] <= low <= high <= limits[0]
    if -limits[1] <= before <= limits[0]:
        assert low <= before <= high
        for net in (float(low), float(high)):
            excess = grid.grid_ramp_excess_mw([net], ramp_mw_per_h=ramp, step_h=step_h, before_mw=before)
            assert excess[0] <= 1e-9


@given(
    heat=st.floats(0.0, 1000.0), dry=st.floats(-15.0, 48.0), humidity=st.floats(0.06, 1.0), cycles=st.floats(1.5, 10.0)
)
def test_tower_water_is_balanced_and_linear_in_heat(heat, dry, humidity, cycles):
    tower = cooling_tower.Tower(concentration_cycles=cycles, drift_fraction=1e-5)
    wet = cooling_tower.wet_bulb_c(dry, humidity)
    water, double = (cooling_tower.tower_water(factor * heat, dry, wet, tower) for factor in (1.0, 2.0))
    assert double.makeup_l_per_h == pytest.approx(2.0 * water.makeup_l_per_h)
    # Solids that come with the makeup leave with blowdown and drift, at the cycles' concentration.
    leaving = cycles * (water.blowdown_l_per_h + water.drift_l_per_h)
    assert leaving == pytest.approx(water.makeup_l_per_h, rel=1e-6)
    assert 0.0 <= water.evaporation_l_per_h <= 3000.0 * heat + 1e-9


@given(dry=st.floats(-15.0, 48.0), humidity=st.floats(0.06, 1.0))
def test_tower_plants_stay_plausible(dry, humidity):
    result = cooling_tower.tower_cooling(dry, humidity)
    assert 1.0 < result.pue < 1.6
    assert 0.0 <= result.free_fraction <= 1.0
    assert 0.0 < result.water_l_per_it_kwh < 6.0


@given(a=st.floats(0.0, 200.0), b=st.floats(0.0, 400.0), c=st.floats(0.0, 200.0), least=st.floats(0.0, 0.9))
def test_the_straight_fuel_curve_never_understates_a_convex_one(a, b, c, least):
    curve = part_load.QuadraticFuel(
        constant_per_mw_h=a, linear_per_mw_h=b, quadratic_per_mw_h=c, emission_kg_per_unit=1.0
    )
    line, error = part_load.linear_fuel(curve, min_load_fraction=least)
    loads = np.linspace(least, 1.0, 50)
    over = generator.fuel_per_h(loads, True, line, capacity_mw=1.0) - curve.fuel_per_mw_h(loads)
    assert (over >= -1e-9).all()
    assert (over <= error + 1e-9).all()


@given(commanded=bits, start_h=st.floats(0.0, 5.0), pieces=st.integers(1, 4))
def test_start_times_do_not_depend_on_the_step(commanded, start_h, pieces):
    whole = part_load.ready_fraction(commanded, start_h=start_h, step_h=1.0)
    fine = part_load.ready_fraction(
        np.repeat(np.asarray(commanded, bool), pieces), start_h=start_h, step_h=1.0 / pieces
    )
    assert fine.reshape(-1, pieces).mean(axis=1) == pytest.approx(whole, abs=1e-9)
