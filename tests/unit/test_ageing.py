"""Rainflow counting, depth laws, Miner's rule and replacements, worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from joulewright.errors import ScenarioError
from joulewright.physics import ageing

QUADRATIC = ageing.DepthLaw(full_depth_cycles=1000.0, exponent=2.0)


def listed(series: object) -> list[tuple[float, float]]:
    cycles = ageing.rainflow(series)
    return list(zip(cycles.depth_fraction.round(9).tolist(), cycles.count.tolist(), strict=True))


def test_the_example_of_the_standard():
    """ASTM E1049-85 figure 6: -2, 1, -3, 5, -1, 3, -4, 4, -2 has ranges 3, 4, 4, 6, 8, 8 and 9."""
    cycles = ageing.rainflow([-2.0, 1.0, -3.0, 5.0, -1.0, 3.0, -4.0, 4.0, -2.0])
    assert sorted(zip(cycles.depth_fraction.tolist(), cycles.count.tolist(), strict=True)) == [
        (3.0, 0.5), (4.0, 0.5), (4.0, 1.0), (6.0, 0.5), (8.0, 0.5), (8.0, 0.5), (9.0, 0.5),
    ]  # fmt: skip


def test_a_day_of_one_cycle_is_two_halves():
    assert listed([0.2, 0.5, 0.9, 0.9, 0.6, 0.2]) == [(0.7, 0.5), (0.7, 0.5)]


def test_positions_of_a_cycle_lead_back_to_the_series():
    series = np.array([0.1, 0.8, 0.5, 0.6, 0.1])
    cycles = ageing.rainflow(series)
    assert (cycles.first.tolist()[0], cycles.last.tolist()[0]) == (2, 3)
    assert cycles.mean_fraction[0] == pytest.approx(0.55)
    assert np.abs(series[cycles.last] - series[cycles.first]) == pytest.approx(cycles.depth_fraction)


@pytest.mark.parametrize("series", [[], [0.5], [0.5, 0.5, 0.5]])
def test_a_battery_at_rest_has_no_cycle(series):
    assert listed(series) == []
    assert ageing.depth_damage(ageing.rainflow(series)) == 0.0


def test_reversals_keep_the_ends_and_skip_plateaus():
    assert ageing.reversals([0.2, 0.4, 0.6, 0.6, 0.3, 0.3, 0.5]).tolist() == [0, 2, 4, 6]
    assert ageing.reversals([0.5, 0.5, 0.7]).tolist() == [0, 2]


def test_deep_cycles_cost_more_than_their_share():
    assert ageing.cycle_life([1.0, 0.5, 0.1], QUADRATIC) == pytest.approx([1000.0, 4000.0, 1e5])
    assert ageing.cycle_life(0.0, QUADRATIC) == np.inf
    one_deep = ageing.depth_damage(ageing.rainflow([0.0, 1.0, 0.0]), QUADRATIC)
    two_shallow = ageing.depth_damage(ageing.rainflow([0.0, 0.5, 0.0, 0.5, 0.0]), QUADRATIC)
    assert (one_deep, two_shallow) == pytest.approx((1e-3, 5e-4))


def test_default_law_is_the_published_fit():
    assert 1.0 / ageing.cycle_life(0.5) == pytest.approx(5.24e-4 * 0.5**2.03)


def test_exponent_one_counts_throughput_alone():
    series = np.array([0.5, 0.9, 0.3, 0.7, 0.1, 0.5])
    damage = ageing.depth_damage(ageing.rainflow(series), ageing.DepthLaw(full_depth_cycles=1000.0, exponent=1.0))
    discharged = -np.minimum(np.diff(series), 0.0).sum() * 10.0
    # Charged and discharged energy are equal, so full cycles count either of them.
    assert damage == pytest.approx(ageing.throughput_damage(discharged, usable_mwh=10.0, rated_cycles=1000.0))


def test_throughput():
    assert ageing.throughput_damage([0.0, 6e4], usable_mwh=10.0, rated_cycles=6000.0) == pytest.approx([0.0, 1.0])


def test_replacements_of_a_constant_fade():
    plan = ageing.replacement_schedule(0.06, years=10)
    # 20 % are lost every 3.333 years: after 3.333 and 6.667; the third life ends with the horizon.
    assert plan.years == pytest.approx([10.0 / 3.0, 20.0 / 3.0])
    assert plan.replacements.tolist() == [0, 0, 0, 1, 0, 0, 1, 0, 0, 0]
    assert plan.capacity_fraction == pytest.approx([0.94, 0.88, 0.82, 0.96, 0.9, 0.84, 0.98, 0.92, 0.86, 0.8])


def test_a_year_can_use_up_two_batteries():
    plan = ageing.replacement_schedule([0.0, 0.5, 0.0])
    assert plan.replacements.tolist() == [0, 2, 0]
    assert plan.years == pytest.approx([1.4, 1.8])
    assert plan.capacity_fraction == pytest.approx([1.0, 0.9, 0.9])


def test_no_fade_no_replacement():
    plan = ageing.replacement_schedule([0.0, 0.0])
    assert (plan.years.size, plan.replacements.tolist(), plan.capacity_fraction.tolist()) == (0, [0, 0], [1.0, 1.0])


def test_aged_battery_keeps_its_shares(tiny):
    store = tiny.battery(min_energy_mwh=2.0, terminal_energy_mwh=4.0)
    old = ageing.aged_battery(store, 0.8)
    assert (old.energy_mwh, old.min_energy_mwh, old.initial_energy_mwh) == pytest.approx((8.0, 1.6, 4.0))
    assert old.terminal_energy_mwh == pytest.approx(3.2)
    assert old.charge_limit_mw == store.charge_limit_mw
    assert ageing.aged_battery(tiny.battery(), 1.0) == tiny.battery()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ageing.rainflow([0.5, np.nan]), "state of charge is nan"),
        (lambda: ageing.rainflow([[0.5, 0.6]]), r"shape \(1, 2\)"),
        (lambda: ageing.cycle_life(1.5), "depth of cycle is 1.5"),
        (lambda: ageing.DepthLaw(exponent=0.0), "exponent of the depth law is 0"),
        (lambda: ageing.throughput_damage(-1.0, usable_mwh=1.0, rated_cycles=10.0), "discharged energy is -1 MWh"),
        (lambda: ageing.throughput_damage(1.0, usable_mwh=0.0, rated_cycles=10.0), "usable capacity is 0 MWh"),
        (lambda: ageing.replacement_schedule(-0.1, years=3), "fade per year is -0.1 1/a"),
        (lambda: ageing.replacement_schedule(0.1), "give a series of as many years"),
        (lambda: ageing.replacement_schedule([0.1, 0.1], years=3), "of 3 years"),
        (lambda: ageing.replacement_schedule([0.1], end_of_life_fraction=1.0), "end of life is 1"),
    ],
)
def test_bad_values_are_refused(call, message):
    with pytest.raises(ScenarioError, match=message):
        call()


def test_bad_ages_are_refused(tiny):
    with pytest.raises(ScenarioError, match="capacity left is 0"):
        ageing.aged_battery(tiny.battery(), 0.0)
