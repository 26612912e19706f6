"""Storage coefficients, feasible power and ageing, worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from joulewright.errors import ScenarioError
from joulewright.model import Battery
from joulewright.physics import battery as physics

CELL = Battery(
    name="b",
    energy_mwh=10.0,
    min_energy_mwh=1.0,
    charge_limit_mw=5.0,
    discharge_limit_mw=4.0,
    charge_efficiency=0.9,
    discharge_efficiency=0.8,
    initial_energy_mwh=5.0,
)


def test_coefficients_without_self_discharge():
    assert physics.storage_coefficients(0.25, 0.0) == (1.0, 0.25)
    # A rate that vanishes joins the limit without a jump.
    retention, effective_h = physics.storage_coefficients(1.0, 1e-9)
    assert retention == pytest.approx(1.0, abs=2e-9)
    assert effective_h == pytest.approx(1.0, abs=1e-9)


def test_coefficients_solve_the_differential_equation():
    retention, effective_h = physics.storage_coefficients(2.0, 0.5)
    assert retention == pytest.approx(math.exp(-1.0))
    assert effective_h == pytest.approx(2.0 * (1.0 - math.exp(-1.0)))
    energy, pieces = 5.0, 200_000
    for _ in range(pieces):
        energy += (3.0 - 0.5 * energy) * 2.0 / pieces
    assert retention * 5.0 + effective_h * 3.0 == pytest.approx(energy, rel=1e-5)


def test_two_half_steps_equal_one_step():
    whole = physics.storage_coefficients(1.0, 0.03)
    half = physics.storage_coefficients(0.5, 0.03)
    assert half[0] ** 2 == pytest.approx(whole[0], rel=1e-14)
    assert half[0] * half[1] + half[1] == pytest.approx(whole[1], rel=1e-14)


def test_energy_after_a_step():
    # 5 + 0.5 x 0.9 x 2 and 5 - 0.5 x 2 / 0.8.
    assert physics.next_energy_mwh(CELL, 5.0, 2.0, 0.0, step_h=0.5) == pytest.approx(5.9)
    assert physics.next_energy_mwh(CELL, 5.0, 0.0, 2.0, step_h=0.5) == pytest.approx(3.75)
    batch = physics.next_energy_mwh(CELL, [5.0, 5.0], [2.0, 0.0], [0.0, 2.0], step_h=0.5)
    assert batch == pytest.approx([5.9, 3.75])


def test_feasible_power_reaches_the_limits_exactly():
    charge, discharge = physics.power_range_mw(CELL, [8.2, 5.0, 1.4, 0.5], step_h=1.0)
    # 1.8 / 0.9, limited to 5, limited to 5, limited to 5; limited to 4, (5 - 1) x 0.8, 0.4 x 0.8, empty.
    assert charge == pytest.approx([2.0, 5.0, 5.0, 5.0])
    assert discharge == pytest.approx([4.0, 3.2, 0.32, 0.0])
    assert physics.next_energy_mwh(CELL, 8.2, charge[0], 0.0, step_h=1.0) == pytest.approx(10.0)
    assert physics.next_energy_mwh(CELL, 5.0, 0.0, discharge[1], step_h=1.0) == pytest.approx(1.0)


def test_c_rates_limit_power():
    charge, discharge = physics.c_rate_limits_mw([200.0, 160.0], charge_per_h=0.25, discharge_per_h=0.5)
    assert (charge.tolist(), discharge.tolist()) == ([50.0, 40.0], [100.0, 80.0])
    with pytest.raises(ScenarioError, match="charge C-rate is -1 1/h"):
        physics.c_rate_limits_mw(1.0, charge_per_h=-1.0, discharge_per_h=1.0)


def test_cycles_count_discharged_energy():
    assert physics.equivalent_cycles(np.full(4, 2.0), step_h=0.5, usable_mwh=8.0) == 0.5


def test_fade_is_linear_and_never_negative():
    left = physics.remaining_capacity_fraction([0.0, 10.0, 200.0], [0.0, 3000.0, 0.0])
    assert left == pytest.approx([1.0, 0.8, 0.0])
    assert physics.remaining_capacity_fraction(0.0, 100.0, fade_per_cycle=1e-3) == pytest.approx(0.9)


def test_bad_values_are_refused():
    with pytest.raises(ScenarioError, match="step is 0 h; allowed is above 0 h"):
        physics.storage_coefficients(0.0, 0.0)
    with pytest.raises(ScenarioError, match=r"self-discharge is -0\.1 1/h; allowed is at least 0 1/h"):
        physics.storage_coefficients(1.0, -0.1)
    with pytest.raises(ScenarioError, match="usable capacity is 0 MWh"):
        physics.equivalent_cycles([1.0], step_h=1.0, usable_mwh=0.0)
