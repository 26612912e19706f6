"""What a battery and a generator can do in a step of what is asked of them."""

from __future__ import annotations

from joulewright.model import Battery, Generator
from joulewright.physics.battery import next_energy_mwh, power_range_mw
from joulewright.policy.observation import GeneratorState

SLACK = 1e-7
"""Share of a limit above 1 MW or MWh, or of 1, that counts as rounding of a solver; what exceeds it more is clipped."""


def battery_power(
    battery: Battery, energy_mwh: float, charge_mw: float, discharge_mw: float, *, step_h: float
) -> tuple[float, float]:
    """Charge and discharge that a battery can do of those asked [MW].

    One terminal cannot do both: the smaller of the two is taken off both. Stored energy stays within its bounds up
    to rounding; self-discharge may still take it below its minimum.

    Examples
    --------
    >>> cell = Battery(name="b", energy_mwh=10, charge_limit_mw=5, discharge_limit_mw=5,
    ...                charge_efficiency=0.5, discharge_efficiency=0.5, initial_energy_mwh=5)
    >>> battery_power(cell, 9.0, 4.0, 0.0, step_h=1.0)  # 1 MWh of room behind an efficiency of one half
    (2.0, 0.0)
    >>> battery_power(cell, 5.0, 3.0, 1.0, step_h=1.0)
    (2.0, 0.0)
    """
    if charge_mw == discharge_mw == 0.0:
        return charge_mw, discharge_mw
    both = min(charge_mw, discharge_mw)
    if both > SLACK:
        charge_mw, discharge_mw = charge_mw - both, discharge_mw - both
    if _within(charge_mw, battery.charge_limit_mw) and _within(discharge_mw, battery.discharge_limit_mw):
        after = float(next_energy_mwh(battery, energy_mwh, charge_mw, discharge_mw, step_h=step_h))
        if _within(battery.min_energy_mwh, after) and _within(after, battery.energy_mwh):
            return charge_mw, discharge_mw
    most_charge, most_discharge = power_range_mw(battery, energy_mwh, step_h=step_h)
    return min(charge_mw, float(most_charge)), min(discharge_mw, float(most_discharge))


def generator_output(
    generator: Generator, before: GeneratorState, asked_mw: float | None, *, usable_mw: float, step_h: float
) -> tuple[bool, float, float]:
    """Whether a generator runs in a step, its output, and the least it could come down to [MW].

    Parameters
    ----------
    generator : Generator
        Minimum load and times, ramp.
    before : GeneratorState
        State after the step before.
    asked_mw : float or None
        Output wanted; None asks it to be off.
    usable_mw : float
        Rated power times availability; below the minimum load it is forced off.
    step_h : float
        Length of the step [h].

    Notes
    -----
    A stop before ``min_up_h``, or from an output that the ramp cannot bring down, leaves it on at its least output; a
    start before ``min_down_h`` leaves it off. Output is then brought into the range of minimum load, ramp and usable
    power; in the step of a start or stop it may jump by the larger of ramp and minimum load.

    Examples
    --------
    >>> import numpy as np
    >>> unit = Generator(name="g", capacity_mw=10, min_load_mw=4, min_up_h=3, ramp_mw_per_h=2,
    ...                  availability=np.ones(1), fuel_cost_per_mwh=np.ones(1))
    >>> young = GeneratorState(on=True, hours=1.0, output_mw=9.0)
    >>> generator_output(unit, young, None, usable_mw=10.0, step_h=1.0)  # may not stop, comes down by the ramp
    (True, 7.0, 7.0)
    """
    able = before.output_range(generator, usable_mw=usable_mw, step_h=step_h)
    if not able.may_run or (asked_mw is None and able.may_stop):
        return False, 0.0, 0.0
    if asked_mw is None:
        return True, able.low_mw, able.low_mw
    if _within(able.low_mw, asked_mw) and _within(asked_mw, able.high_mw):
        return True, asked_mw, min(able.low_mw, asked_mw)
    return True, min(max(asked_mw, able.low_mw), able.high_mw), able.low_mw


def _within(value: float, limit: float) -> bool:
    """Whether a value keeps an upper limit up to the rounding of a solver."""
    return value <= limit + SLACK * max(1.0, abs(limit))
