"""Power swings of synchronous training: smoothing on the accelerator or by a battery, and what a grid allows."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from joulewright.errors import ScenarioError
from joulewright.model.timeline import FloatArray
from joulewright.physics.ranges import checked


@dataclass(frozen=True, kw_only=True)
class PowerFloor:
    """Smoothing on the accelerator: a least power, ramps, and a wait before power falls.

    Attributes
    ----------
    floor_w, limit_w : float
        Least and most power [W]; below the floor energy is burnt.
    ramp_up_w_per_s, ramp_down_w_per_s : float
        Fastest change [W/s].
    hysteresis_s : float
        Time that the load must stay below the output before power falls [s].

    Raises
    ------
    ScenarioError
        If a value is out of range.
    """

    floor_w: float
    limit_w: float
    ramp_up_w_per_s: float
    ramp_down_w_per_s: float
    hysteresis_s: float = 0.0

    def __post_init__(self) -> None:
        problems = [
            f"{key} is {getattr(self, key)} W/s; it must be positive"
            for key in ("ramp_up_w_per_s", "ramp_down_w_per_s")
            if not getattr(self, key) > 0.0
        ]
        if not 0.0 <= self.floor_w <= self.limit_w < math.inf:
            problems.append(f"floor_w is {self.floor_w} W and limit_w {self.limit_w} W; allowed is 0 <= floor <= limit")
        if not self.hysteresis_s >= 0.0:
            problems.append(f"hysteresis_s is {self.hysteresis_s} s; allowed is at least 0 s")
        if problems:
            raise ScenarioError(problems)


@dataclass(frozen=True, kw_only=True)
class SwingBattery:
    """A battery behind the meter that takes swings off the grid.

    Attributes
    ----------
    power_w, energy_j : float
        Limits of its power and energy [W, J].
    efficiency_fraction : float
        Of charging and of discharging each [-].
    initial_fraction : float
        Stored energy at the start [-], which it returns to over ``restore_s``.
    averaging_s, restore_s : float
        Time constants of the mean load that the grid follows, and with which the stored energy returns [s].

    Raises
    ------
    ScenarioError
        If a value is out of range.
    """

    power_w: float
    energy_j: float
    efficiency_fraction: float = 0.97
    initial_fraction: float = 0.5
    averaging_s: float = 10.0
    restore_s: float = 120.0

    def __post_init__(self) -> None:
        problems = [
            f"{key} is {getattr(self, key)}; it must be positive"
            for key in ("power_w", "energy_j", "averaging_s", "restore_s")
            if not 0.0 < getattr(self, key) < math.inf
        ]
        problems += [
            f"{key} is {getattr(self, key)}; it is a fraction above 0 up to 1"
            for key in ("efficiency_fraction", "initial_fraction")
            if not 0.0 < getattr(self, key) <= 1.0
        ]
        if problems:
            raise ScenarioError(problems)


@dataclass(frozen=True, kw_only=True, eq=False)
class SmoothedPower:
    """Power after smoothing.

    Attributes
    ----------
    power_w : FloatArray
        Seen by the grid [W], shape ``(T,)``.
    waste_j : float
        Energy burnt or lost in the battery [J].
    deficit_j : float
        Energy that the load wanted and did not get: work that is delayed [J].
    stored_j : FloatArray or None
        Energy in the battery after each step [J], shape ``(T,)``.
    """

    power_w: FloatArray
    waste_j: float
    deficit_j: float
    stored_j: FloatArray | None = None


def smooth_with_floor(power_w: FloatArray, step_s: float, floor: PowerFloor) -> SmoothedPower:
    """Smooth power on the accelerator, as power profiles of recent devices do.

    Parameters
    ----------
    power_w : FloatArray
        What the work would draw [W], shape ``(T,)``; the output starts at its first value within the limits.
    step_s : float
        Length of a step [s].
    floor : PowerFloor
        Floor, ramps and hysteresis.

    Raises
    ------
    ScenarioError
        If the power is negative or not finite, or the step not positive.

    References
    ----------
    NVIDIA GB200 power smoothing (floor, ramp rates, ramp-down hysteresis), as in Choukse et al. (2025), "Power
    Stabilization for AI Training Datacenters", arXiv:2508.14318.

    Examples
    --------
    >>> floor = PowerFloor(floor_w=500.0, limit_w=1000.0, ramp_up_w_per_s=200.0, ramp_down_w_per_s=100.0)
    >>> smooth_with_floor(np.array([500.0, 900.0, 900.0, 300.0]), 1.0, floor).power_w.tolist()
    [500.0, 700.0, 900.0, 800.0]
    """
    wanted = _checked(power_w, step_s)
    target = np.clip(wanted, floor.floor_w, floor.limit_w).tolist()
    rise, fall = floor.ramp_up_w_per_s * step_s, floor.ramp_down_w_per_s * step_s
    output, below_s, smoothed = target[0], 0.0, []
    for aim in target:
        if aim >= output:
            below_s = 0.0
            output += min(aim - output, rise)
        else:
            below_s += step_s
            if below_s > floor.hysteresis_s + 1e-9 * step_s:
                output -= min(output - aim, fall)
        smoothed.append(output)
    result = np.array(smoothed)
    return SmoothedPower(
        power_w=result,
        waste_j=float(np.maximum(result - wanted, 0.0).sum() * step_s),
        deficit_j=float(np.maximum(wanted - result, 0.0).sum() * step_s),
    )


def smooth_with_battery(
    power_w: FloatArray, step_s: float, battery: SwingBattery, *, ramp_up_w_per_s: float, ramp_down_w_per_s: float
) -> SmoothedPower:
    """Let a battery take what changes faster than the ramps; the load itself is untouched.

    Parameters
    ----------
    power_w : FloatArray
        Load [W], shape ``(T,)``.
    step_s : float
        Length of a step [s].
    battery : SwingBattery
        Where it is full, empty or too weak the grid sees the rest of the swing.
    ramp_up_w_per_s, ramp_down_w_per_s : float
        Fastest change of the grid power [W/s].

    Raises
    ------
    ScenarioError
        If a value is out of range.

    Notes
    -----
    The grid follows the exponential mean of the load plus a slow correction ``(E_0 - E) / restore_s`` within the ramps;
    the battery gives the difference within its power and energy.

    Examples
    --------
    >>> battery = SwingBattery(power_w=100.0, energy_j=1e6, efficiency_fraction=1.0, averaging_s=1e-9, restore_s=1e9)
    >>> found = smooth_with_battery(np.array([0.0, 50.0, 50.0]), 1.0, battery, ramp_up_w_per_s=20, ramp_down_w_per_s=20)
    >>> found.power_w.round(3).tolist(), round(500000 - float(found.stored_j[-1]), 3)
    ([0.0, 20.0, 40.0], 40.0)
    """
    if not (ramp_up_w_per_s > 0.0 and ramp_down_w_per_s > 0.0):
        raise ScenarioError(f"ramps are {ramp_up_w_per_s} and {ramp_down_w_per_s} W/s; both must be positive")
    load = _checked(power_w, step_s)
    rest_j = battery.initial_fraction * battery.energy_j
    efficiency, stored = battery.efficiency_fraction, rest_j
    grid, mean, output, energy = float(load[0]), float(load[0]), [], []
    gain = 1.0 - math.exp(-step_s / battery.averaging_s)
    for wanted in load.tolist():
        mean += gain * (wanted - mean)
        aim = max(0.0, mean + (rest_j - stored) / battery.restore_s)
        grid += min(max(aim - grid, -ramp_down_w_per_s * step_s), ramp_up_w_per_s * step_s)
        most = min(battery.power_w, stored * efficiency / step_s)
        least = -min(battery.power_w, (battery.energy_j - stored) / efficiency / step_s)
        given = min(max(wanted - grid, least), most)
        grid = wanted - given
        stored -= step_s * (given / efficiency if given > 0.0 else given * efficiency)
        output.append(grid)
        energy.append(stored)
    result = np.array(output)
    drawn_j = float((result - load).sum() * step_s)
    return SmoothedPower(power_w=result, waste_j=drawn_j - (stored - rest_j), deficit_j=0.0, stored_j=np.array(energy))


@dataclass(frozen=True, kw_only=True)
class SwingLimits:
    """What a grid connection allows; None is no limit.

    Attributes
    ----------
    ramp_up_w_per_s, ramp_down_w_per_s : float or None
        Fastest change over ``ramp_window_s`` [W/s].
    ramp_window_s : float
        Time over which a ramp is measured [s].
    range_w : float or None
        Largest difference within ``range_window_s`` [W].
    range_window_s : float
        Length of the sliding window [s].
    bands : tuple of (float, float, float)
        Lowest and highest frequency [Hz] and the largest amplitude of all oscillations in between together, as
        :func:`band_amplitude` has it [W]; a single one counts with its own.
    """

    ramp_up_w_per_s: float | None = None
    ramp_down_w_per_s: float | None = None
    ramp_window_s: float = 1.0
    range_w: float | None = None
    range_window_s: float = 60.0
    bands: tuple[tuple[float, float, float], ...] = ()


def swing_violations(power_w: FloatArray, step_s: float, limits: SwingLimits) -> tuple[str, ...]:
    """What a power series breaks, each with the value found and the limit; empty when nothing.

    Raises
    ------
    ScenarioError
        If the power is negative or not finite, or a band lies above half the sampling rate.

    Examples
    --------
    >>> swing_violations(np.array([0.0, 50.0]), 1.0, SwingLimits(ramp_up_w_per_s=20.0))
    ('power rises by 50 W/s; allowed are 20 W/s over 1 s',)
    """
    power = _checked(power_w, step_s)
    up, down = largest_ramps(power, step_s, limits.ramp_window_s)
    found = [
        f"power {verb} by {value:.6g} W/s; allowed are {limit:.6g} W/s over {limits.ramp_window_s:g} s"
        for verb, value, limit in (
            ("rises", up, limits.ramp_up_w_per_s),
            ("falls", down, limits.ramp_down_w_per_s),
        )
        if limit is not None and value > limit * (1.0 + 1e-9)
    ]
    if limits.range_w is not None:
        swing = largest_range(power, step_s, limits.range_window_s)
        if swing > limits.range_w * (1.0 + 1e-9):
            found.append(
                f"power moves by {swing:.6g} W within {limits.range_window_s:g} s; allowed are {limits.range_w:.6g} W"
            )
    for low, high, most in limits.bands:
        amplitude = band_amplitude(power, step_s, low, high)
        if amplitude > most * (1.0 + 1e-9):
            found.append(
                f"oscillations in {low:g}-{high:g} Hz have {amplitude:.6g} W together; allowed are {most:.6g} W"
            )
    return tuple(found)


def largest_ramps(power_w: FloatArray, step_s: float, window_s: float) -> tuple[float, float]:
    """Fastest rise and fall over a window [W/s].

    Examples
    --------
    >>> largest_ramps(np.array([0.0, 30.0, 60.0, 20.0]), 1.0, 2.0)
    (30.0, 5.0)
    """
    steps = max(1, min(round(window_s / step_s), power_w.size - 1))
    if power_w.size < 2:
        return 0.0, 0.0
    change = (power_w[steps:] - power_w[:-steps]) / (steps * step_s)
    return float(max(0.0, change.max())), float(max(0.0, -change.min()))


def largest_range(power_w: FloatArray, step_s: float, window_s: float) -> float:
    """Largest difference of power within a sliding window [W].

    Examples
    --------
    >>> largest_range(np.array([0.0, 30.0, 60.0, 20.0]), 1.0, 1.0)
    40.0
    """
    from scipy.ndimage import maximum_filter1d, minimum_filter1d

    width = min(power_w.size, max(1, round(window_s / step_s)) + 1)
    spread = maximum_filter1d(power_w, width) - minimum_filter1d(power_w, width)
    first = width // 2
    # Windows that reach over an end repeat its value, so they are parts of full ones and change nothing.
    return float(spread[first : power_w.size - width + first + 1].max())


def amplitude_spectrum(power_w: FloatArray, step_s: float) -> tuple[FloatArray, FloatArray]:
    """Frequencies [Hz] and amplitudes of the oscillations [W], shape ``(T // 2 + 1,)``; the mean is taken out.

    Examples
    --------
    A square wave of 10 W from peak to peak has an amplitude of ``4 / pi * 5`` W at its own frequency.

    >>> hertz, amplitude = amplitude_spectrum(np.tile(np.repeat([10.0, 0.0], 500), 20), 0.001)
    >>> round(float(amplitude[np.argmax(amplitude)]), 3), float(hertz[np.argmax(amplitude)].round(3))
    (6.366, 1.0)
    """
    spectrum = np.abs(np.fft.rfft(power_w - power_w.mean())) / power_w.size
    spectrum[1 : (power_w.size + 1) // 2] *= 2.0
    return np.asarray(np.fft.rfftfreq(power_w.size, step_s), dtype=np.float64), spectrum


def band_amplitude(power_w: FloatArray, step_s: float, low_hz: float, high_hz: float) -> float:
    """Amplitude that all oscillations between two frequencies have together [W].

    Notes
    -----
    The root of the sum of squared one-sided amplitudes, by Parseval the square root of twice the power in the band: of
    one oscillation its own amplitude, however long the series is. The sum of amplitudes instead would grow with the
    length of the series, as does the number of frequencies over which one oscillation spreads.

    References
    ----------
    Choukse et al. (2025), arXiv:2508.14318: specifications of sites limit bands of frequencies, not single lines.

    Raises
    ------
    ScenarioError
        If the band is empty or lies above half the sampling rate.
    """
    if not 0.0 < low_hz < high_hz <= 0.5 / step_s * (1.0 + 1e-9):
        raise ScenarioError(
            f"the band {low_hz}-{high_hz} Hz cannot be read from steps of {step_s} s; "
            f"allowed is 0 < low < high <= {0.5 / step_s:g} Hz"
        )
    hertz, amplitude = amplitude_spectrum(power_w, step_s)
    inside = (hertz >= low_hz) & (hertz <= high_hz)
    return float(np.sqrt((amplitude[inside] ** 2).sum()))


def _checked(power_w: FloatArray, step_s: float) -> FloatArray:
    if not 0.0 < step_s < math.inf:
        raise ScenarioError(f"step_s is {step_s} s; it must be positive")
    power = checked(power_w, "power_w", 0.0, unit="W")
    if power.ndim != 1 or not power.size:
        raise ScenarioError(f"power_w has shape {power.shape}; give one value for each step")
    return power
