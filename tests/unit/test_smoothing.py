"""Smoothing of power swings, against hand-worked series and the Fourier series of a square wave."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joulewright.errors import ScenarioError
from joulewright.model.timeline import FloatArray
from joulewright.physics.smoothing import (
    PowerFloor,
    SwingBattery,
    SwingLimits,
    amplitude_spectrum,
    band_amplitude,
    largest_ramps,
    largest_range,
    smooth_with_battery,
    smooth_with_floor,
    swing_violations,
)

FLOOR = PowerFloor(floor_w=500.0, limit_w=1000.0, ramp_up_w_per_s=200.0, ramp_down_w_per_s=100.0, hysteresis_s=1.0)
SQUARE = np.tile(np.repeat([10e6, 0.0], 50), 60)
LOADS = st.lists(st.floats(0.0, 1000.0), min_size=1, max_size=40).map(np.array)


def test_floor_ramps_and_hysteresis_by_hand() -> None:
    found = smooth_with_floor(np.array([200.0, *[900.0] * 5, *[300.0] * 8]), 0.5, FLOOR)
    expected = [500, 600, 700, 800, 900, 900, 900, 900, 850, 800, 750, 700, 650, 600]
    assert found.power_w.tolist() == expected
    assert (found.waste_j, found.deficit_j) == (2025.0, 300.0)


def test_a_load_within_the_limits_is_untouched() -> None:
    calm = np.array([500.0, 550.0, 600.0, 600.0])
    found = smooth_with_floor(calm, 0.5, FLOOR)
    assert found.power_w.tolist() == calm.tolist()
    assert found.waste_j == found.deficit_j == 0.0


@settings(deadline=None)
@given(LOADS, st.floats(0.05, 2.0))
def test_the_floor_keeps_its_promises(load: FloatArray, step_s: float) -> None:
    found = smooth_with_floor(load, step_s, FLOOR)
    change = np.diff(found.power_w) / step_s
    assert (found.power_w >= FLOOR.floor_w).all()
    assert (found.power_w <= FLOOR.limit_w).all()
    assert (change <= FLOOR.ramp_up_w_per_s + 1e-6).all()
    assert (change >= -FLOOR.ramp_down_w_per_s - 1e-6).all()
    balance = float((found.power_w - load).sum() * step_s)
    assert found.waste_j - found.deficit_j == pytest.approx(balance, abs=1e-6)


@settings(deadline=None)
@given(LOADS, st.floats(0.1, 1.0), st.floats(10.0, 500.0), st.floats(0.8, 1.0))
def test_a_battery_balances_every_step(load: FloatArray, step_s: float, power_w: float, efficiency: float) -> None:
    battery = SwingBattery(power_w=power_w, energy_j=500.0, efficiency_fraction=efficiency, restore_s=30.0)
    found = smooth_with_battery(load, step_s, battery, ramp_up_w_per_s=50.0, ramp_down_w_per_s=50.0)
    assert found.stored_j is not None
    assert (np.abs(found.power_w - load) <= power_w + 1e-9).all()
    assert (found.stored_j >= -1e-9).all()
    assert (found.stored_j <= 500.0 + 1e-9).all()
    gained = float(found.stored_j[-1]) - 250.0
    assert float((found.power_w - load).sum()) * step_s == pytest.approx(gained + found.waste_j, abs=1e-6)
    assert found.waste_j >= -1e-6


def test_a_battery_hides_a_square_wave() -> None:
    battery = SwingBattery(power_w=6e6, energy_j=2e8)
    limits = SwingLimits(ramp_up_w_per_s=1e6, ramp_down_w_per_s=1e6, ramp_window_s=0.01, bands=((0.5, 2.0, 2e6),))
    assert len(swing_violations(SQUARE, 0.01, limits)) == 3
    smooth = smooth_with_battery(SQUARE, 0.01, battery, ramp_up_w_per_s=1e6, ramp_down_w_per_s=1e6)
    # At first the mean is that of the start, a swing of 10 MW that the battery cannot take.
    after = smooth.power_w[3000:]
    assert swing_violations(after, 0.01, limits) == ()


def test_a_battery_too_small_lets_the_swing_through() -> None:
    battery = SwingBattery(power_w=1e6, energy_j=2e8)
    smooth = smooth_with_battery(SQUARE, 0.01, battery, ramp_up_w_per_s=1e6, ramp_down_w_per_s=1e6)
    # The swing of 10 MW is cut by 1 MW from above and below.
    assert largest_range(smooth.power_w[3000:], 0.01, 2.0) == pytest.approx(8e6, rel=1e-6)


def test_the_spectrum_of_a_square_wave() -> None:
    hertz, amplitude = amplitude_spectrum(np.tile(np.repeat([10.0, 0.0], 500), 20), 0.001)
    for harmonic, expected in ((1, 6.366), (3, 2.122), (5, 1.273)):
        assert float(amplitude[np.argmin(abs(hertz - harmonic))]) == pytest.approx(expected, rel=1e-3)
    assert band_amplitude(SQUARE / 1e6, 0.01, 0.1, 2.0) == pytest.approx(6.366, rel=2e-3)
    # The harmonics at 3 and 5 Hz together.
    assert band_amplitude(SQUARE / 1e6, 0.01, 2.5, 6.0) == pytest.approx(np.hypot(2.122, 1.273), rel=5e-3)


def test_a_band_limits_its_oscillations_together() -> None:
    # The harmonics of the square wave at 3 and 5 Hz have 2.122 and 1.273 MW, 2.475 MW together.
    for most_w, broken in ((2.4e6, True), (2.6e6, False)):
        found = swing_violations(SQUARE, 0.01, SwingLimits(bands=((2.5, 6.0, most_w),)))
        assert bool(found) == broken
    (told,) = swing_violations(SQUARE, 0.01, SwingLimits(bands=((2.5, 6.0, 2.4e6),)))
    assert told.startswith("oscillations in 2.5-6 Hz have 2.4")
    assert told.endswith("e+06 W together; allowed are 2.4e+06 W")
    # Twice as long a series says the same.
    twice = [band_amplitude(np.tile(SQUARE, times), 0.01, 2.5, 6.0) for times in (1, 2)]
    assert twice[0] == pytest.approx(twice[1], rel=1e-9)


@settings(deadline=None)
@given(LOADS)
def test_the_spectrum_keeps_the_variance(load: FloatArray) -> None:
    """Parseval: half the squared amplitudes sum to the variance, the highest frequency of an even series in full."""
    _, amplitude = amplitude_spectrum(load, 1.0)
    weight = np.full(amplitude.size, 0.5)
    weight[0] = 1.0
    if load.size % 2 == 0:
        weight[-1] = 1.0
    assert float((weight * amplitude**2).sum()) == pytest.approx(float(load.var()), abs=1e-6)


@settings(deadline=None)
@given(LOADS, st.integers(1, 10))
def test_ramps_and_ranges_match_a_plain_search(load: FloatArray, window: int) -> None:
    span = min(window, load.size - 1)
    plain = max(float(np.ptp(load[first : first + span + 1])) for first in range(load.size - span))
    assert largest_range(load, 1.0, float(window)) == pytest.approx(plain)
    if span:
        change = [(load[at + span] - load[at]) / span for at in range(load.size - span)]
        assert largest_ramps(load, 1.0, float(window)) == pytest.approx(
            (max(0.0, *change, 0.0), max(0.0, -min(change)))
        )


def test_violations_quote_what_was_found() -> None:
    limits = SwingLimits(ramp_up_w_per_s=5.0, ramp_down_w_per_s=100.0, range_w=40.0, range_window_s=2.0)
    found = swing_violations(np.array([0.0, 50.0, 50.0]), 1.0, limits)
    assert found == (
        "power rises by 50 W/s; allowed are 5 W/s over 1 s",
        "power moves by 50 W within 2 s; allowed are 40 W",
    )
    assert swing_violations(np.array([7.0]), 1.0, limits) == ()


@pytest.mark.parametrize(
    ("power", "step_s", "message"),
    [
        ([-1.0], 1.0, r"power_w is -1 W; allowed is at least 0 W"),
        ([float("nan")], 1.0, "power_w is nan"),
        ([], 1.0, r"power_w has shape \(0,\)"),
        ([1.0], 0.0, "step_s is 0.0 s; it must be positive"),
    ],
)
def test_bad_series_are_refused(power: list[float], step_s: float, message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        smooth_with_floor(np.array(power), step_s, FLOOR)


def test_bad_parameters_are_refused() -> None:
    with pytest.raises(ScenarioError, match=r"floor_w is 900 W and limit_w 800 W"):
        PowerFloor(floor_w=900, limit_w=800, ramp_up_w_per_s=1, ramp_down_w_per_s=0)
    with pytest.raises(ScenarioError, match=r"efficiency_fraction is 97.0; it is a fraction"):
        SwingBattery(power_w=1.0, energy_j=1.0, efficiency_fraction=97.0)
    with pytest.raises(ScenarioError, match="both must be positive"):
        smooth_with_battery(
            SQUARE, 0.01, SwingBattery(power_w=1.0, energy_j=1.0), ramp_up_w_per_s=0.0, ramp_down_w_per_s=1.0
        )
    with pytest.raises(ScenarioError, match=r"cannot be read from steps of 1.0 s; allowed is 0 < low < high <= 0.5 Hz"):
        band_amplitude(np.ones(10), 1.0, 0.1, 2.0)
