"""Generators: linear fuel curve, emissions, ramps, and times between starts and stops."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from joulewright.model.site import Generator
from joulewright.model.timeline import BoolArray, FloatArray

_ROUNDING, _ROUNDING_H = 1e-7, 1e-6


@dataclass(frozen=True, kw_only=True)
class FuelCurve:
    """Fuel of a generator, linear in its output.

    Attributes
    ----------
    no_load_per_mw_h : float
        Fuel of every hour on, per MW of rating [fuel unit/MW/h].
    per_mwh : float
        Further fuel of output [fuel unit/MWh].
    emission_kg_per_unit : float
        Carbon of the fuel [kg/fuel unit].
    """

    no_load_per_mw_h: float
    per_mwh: float
    emission_kg_per_unit: float


FUELS: dict[str, FuelCurve] = {
    "diesel": FuelCurve(no_load_per_mw_h=80.0, per_mwh=250.0, emission_kg_per_unit=2.68),
    "gas-turbine": FuelCurve(no_load_per_mw_h=0.0, per_mwh=1000.0 / 0.38, emission_kg_per_unit=0.202),
}
"""Typical curves, in litres of diesel and kWh of gas; replace them by the data sheet of the machine.

Diesel burns 0.08 L/h per kW of rating and 0.25 L/kWh, the common default of microgrid sizing tools; the turbine
has an efficiency of 38 %. Emission factors: IPCC 2006 Guidelines, volume 2, table 2.2.
"""


def fuel_per_h(output_mw: ArrayLike, on: ArrayLike, curve: FuelCurve, *, capacity_mw: float) -> FloatArray:
    """Fuel flow [fuel unit/h], broadcast shapes.

    Parameters
    ----------
    output_mw : array_like
        Output [MW], 0 while off.
    on : array_like of bool
        Commitment.
    curve : FuelCurve
        Coefficients F0 and F1.
    capacity_mw : float
        Rated power [MW].

    Notes
    -----
    ``fuel = F0 P_rated on + F1 P``.

    References
    ----------
    Barley and Winn (1996), Optimal dispatch strategy in remote hybrid power systems, Solar Energy 58(4-6), 165-179.

    Examples
    --------
    >>> fuel_per_h([0.0, 1.0], [False, True], FUELS["diesel"], capacity_mw=2.0).tolist()  # 80 x 2 + 250 x 1
    [0.0, 410.0]
    """
    running = np.asarray(on, dtype=np.float64)
    flow: FloatArray = curve.no_load_per_mw_h * capacity_mw * running + curve.per_mwh * np.asarray(output_mw)
    return flow


def emission_coefficients(curve: FuelCurve, *, capacity_mw: float) -> tuple[float, float]:
    """Carbon of output [kg/MWh] and of every hour on [kg/h] that a fuel curve implies.

    References
    ----------
    See :func:`fuel_per_h`; carbon is fuel times the emission factor of the fuel.

    Examples
    --------
    >>> emission_coefficients(FUELS["diesel"], capacity_mw=2.0)  # 250 x 2.68 and 160 x 2.68
    (670.0, 428.8)
    """
    factor = curve.emission_kg_per_unit
    return curve.per_mwh * factor, curve.no_load_per_mw_h * capacity_mw * factor


def ramp_excess_mw(
    output_mw: ArrayLike,
    on: ArrayLike,
    *,
    ramp_mw_per_h: float,
    min_load_mw: float,
    step_h: float,
    before: tuple[float, bool] = (0.0, False),
) -> FloatArray:
    """How far each change of output exceeds the ramp limit [MW], shape ``(T,)``; 0 where it is kept.

    Parameters
    ----------
    output_mw, on : array_like
        Output [MW] and commitment, shape ``(T,)``.
    ramp_mw_per_h : float
        Largest change per hour while on [MW/h].
    min_load_mw : float
        Least power while on [MW]; a start or stop may jump by it even where the ramp is smaller.
    step_h : float
        Length of a step [h].
    before : tuple of (float, bool)
        Output [MW] and commitment before the first step.

    Notes
    -----
    With R the ramp over one step, output rises by at most R while on and by max(R, P_min) in the step of a start;
    stops mirror starts.

    References
    ----------
    Morales-Espana, Latorre and Ramos (2013), IEEE Trans. Power Systems 28(4), doi:10.1109/TPWRS.2013.2251373.

    Examples
    --------
    >>> ramp_excess_mw([4.0, 9.0], [True, True], ramp_mw_per_h=2.0, min_load_mw=4.0, step_h=1.0).tolist()
    [0.0, 3.0]
    """
    output = np.concatenate(([before[0]], np.asarray(output_mw, dtype=np.float64)))
    running = np.concatenate(([before[1]], np.asarray(on, dtype=np.bool_)))
    ramp = ramp_mw_per_h * step_h
    allowed = np.where(running[1:] != running[:-1], max(ramp, min_load_mw), ramp)
    excess: FloatArray = np.maximum(np.abs(np.diff(output)) - allowed, 0.0)
    return excess


def short_run_steps(
    on: ArrayLike,
    *,
    step_h: float,
    min_up_h: float = 0.0,
    min_down_h: float = 0.0,
    before: tuple[bool, float] = (False, 8760.0),
) -> BoolArray:
    """Steps in which a unit switches too early, shape ``(T,)``.

    Parameters
    ----------
    on : array_like of bool
        Commitment, shape ``(T,)``.
    step_h : float
        Length of a step [h].
    min_up_h, min_down_h : float
        Shortest time on and off [h], rounded up to whole steps.
    before : tuple of (bool, float)
        State before the first step and how long it has lasted [h].

    Notes
    -----
    A run that the end of the horizon cuts short breaks no rule.

    References
    ----------
    Rajan and Takriti (2005), IBM Research Report RC23628.

    Examples
    --------
    >>> short_run_steps([True, False, False, True], step_h=1.0, min_up_h=2.0, min_down_h=2.0).tolist()
    [False, True, False, False]
    """
    state = np.concatenate(([before[0]], np.asarray(on, dtype=np.bool_)))
    switches = np.flatnonzero(state[1:] != state[:-1])
    begins = np.concatenate(([-before[1] / step_h], switches.astype(np.float64)))
    lasted = np.diff(begins)
    needed = np.where(state[switches], min_up_h, min_down_h) / step_h
    early = np.zeros(state.size - 1, dtype=np.bool_)
    early[switches] = lasted < np.where(np.arange(switches.size) == 0, needed, np.ceil(needed - 1e-9)) - 1e-9
    return early


class OutputRange(NamedTuple):
    """Output a generator can have in the next step [MW], whether it may run and whether it may be off."""

    low_mw: float
    high_mw: float
    may_run: bool
    may_stop: bool


def output_range(
    generator: Generator, *, on: bool, hours: float, output_mw: float, usable_mw: float, step_h: float
) -> OutputRange:
    """What a generator can do in the next step, by its ramp, shortest times, least load and availability.

    Parameters
    ----------
    generator : Generator
        Minimum load and times, ramp.
    on, hours, output_mw : bool, float, float
        State after the step before, how long it has lasted [h], and the output [MW].
    usable_mw : float
        Rated power times availability [MW]; below the least load the unit is off.
    step_h : float
        Length of the step [h].

    Notes
    -----
    With R the ramp over one step, output changes by at most R while on and by ``max(R, P_min)`` when it starts or
    stops. Limits hold up to the rounding of a solver, 1e-7 of their size.

    References
    ----------
    Morales-Espana, Latorre and Ramos (2013), IEEE Trans. Power Systems 28(4), doi:10.1109/TPWRS.2013.2251373.

    Examples
    --------
    >>> unit = Generator(name="g", capacity_mw=10, availability=np.ones(1), fuel_cost_per_mwh=np.ones(1),
    ...                  min_load_mw=4.0, ramp_mw_per_h=2, min_up_h=3)
    >>> output_range(unit, on=True, hours=1.0, output_mw=6.0, usable_mw=10.0, step_h=1.0)
    OutputRange(low_mw=4.0, high_mw=8.0, may_run=True, may_stop=False)
    """
    ramp_mw = math.inf if generator.ramp_mw_per_h is None else generator.ramp_mw_per_h * step_h
    jump_mw = max(ramp_mw, generator.min_load_mw)
    if usable_mw <= 0.0 or usable_mw < generator.min_load_mw - _ROUNDING * max(1.0, usable_mw):
        return OutputRange(0.0, 0.0, may_run=False, may_stop=True)
    if not on:
        rested = hours >= generator.min_down_h - _ROUNDING_H
        return OutputRange(generator.min_load_mw, min(usable_mw, jump_mw), may_run=rested, may_stop=True)
    high = min(usable_mw, output_mw + ramp_mw)
    low = min(high, max(generator.min_load_mw, output_mw - ramp_mw))
    slow = output_mw > jump_mw and output_mw - jump_mw > _ROUNDING * max(1.0, jump_mw)
    return OutputRange(low, high, may_run=True, may_stop=hours >= generator.min_up_h - _ROUNDING_H and not slow)
