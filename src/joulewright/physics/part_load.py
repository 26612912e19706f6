"""Part-load fuel of generators beyond the straight line, its linear stand-in for planning, and start times."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from joulewright.errors import ScenarioError
from joulewright.model.timeline import FloatArray
from joulewright.physics.generator import FuelCurve, fuel_per_h
from joulewright.physics.ranges import checked


@dataclass(frozen=True, kw_only=True)
class QuadraticFuel:
    """Fuel of a generator, quadratic in its load; coefficients are flows at the rating per MW of rating.

    Attributes
    ----------
    constant_per_mw_h, linear_per_mw_h, quadratic_per_mw_h : float
        a, b and c [fuel unit/MW/h] of ``a + b x + c x^2`` with the load x within [0, 1].
    emission_kg_per_unit : float
        Carbon of the fuel [kg/fuel unit].

    References
    ----------
    See :func:`part_load_fuel_per_h`.
    """

    constant_per_mw_h: float
    linear_per_mw_h: float
    quadratic_per_mw_h: float
    emission_kg_per_unit: float

    def fuel_per_mw_h(self, load_fraction: FloatArray) -> FloatArray:
        """Fuel flow of a running unit per MW of rating [fuel unit/MW/h], same shape as the load."""
        return self.constant_per_mw_h + load_fraction * (self.linear_per_mw_h + self.quadratic_per_mw_h * load_fraction)


@dataclass(frozen=True, kw_only=True)
class PiecewiseFuel:
    """Fuel of a generator by points of its data sheet, joined by straight lines and held beyond the ends.

    Attributes
    ----------
    points : tuple of (float, float)
        Load [-] and fuel flow per MW of rating [fuel unit/MW/h]; at least two, loads increasing within [0, 1].
    emission_kg_per_unit : float
        Carbon of the fuel [kg/fuel unit].

    Raises
    ------
    ScenarioError
        If there are fewer than two points, loads do not increase, or a value is out of range.

    References
    ----------
    See :func:`part_load_fuel_per_h`.
    """

    points: tuple[tuple[float, float], ...]
    emission_kg_per_unit: float

    def __post_init__(self) -> None:
        table = np.asarray(self.points, dtype=np.float64)
        if table.ndim != 2 or table.shape[0] < 2 or table.shape[1] != 2:
            raise ScenarioError(f"fuel points have shape {table.shape}; give at least two [load, fuel per MW and h]")
        loads = checked(table[:, 0], "load of a fuel point", 0.0, 1.0)
        checked(table[:, 1], "fuel of a point", 0.0, unit="per MW and h")
        if (np.diff(loads) <= 0.0).any():
            raise ScenarioError(f"fuel points have loads {loads.tolist()}; they must increase")

    def fuel_per_mw_h(self, load_fraction: FloatArray) -> FloatArray:
        """Fuel flow of a running unit per MW of rating [fuel unit/MW/h], same shape as the load."""
        table = np.asarray(self.points, dtype=np.float64)
        return np.asarray(np.interp(load_fraction, table[:, 0], table[:, 1]), dtype=np.float64)


PartLoadFuel = QuadraticFuel | PiecewiseFuel
"""Either curve."""


def part_load_fuel_per_h(output_mw: ArrayLike, on: ArrayLike, curve: PartLoadFuel, *, capacity_mw: float) -> FloatArray:
    """Fuel flow of a part-load curve [fuel unit/h], broadcast shapes; 0 while off.

    Parameters
    ----------
    output_mw : array_like
        Output [MW], 0 while off.
    on : array_like of bool
        Commitment.
    curve : QuadraticFuel or PiecewiseFuel
        Fuel by load.
    capacity_mw : float
        Rated power [MW].

    Raises
    ------
    ScenarioError
        If the output lies outside 0 and the capacity.

    Notes
    -----
    ``fuel = P_rated f(P / P_rated)`` while on, with f quadratic or piecewise linear.

    References
    ----------
    Wood and Wollenberg (1996), Power Generation, Operation, and Control, 2nd ed., chapter 2 (input-output curves).

    Examples
    --------
    >>> curve = QuadraticFuel(constant_per_mw_h=80.0, linear_per_mw_h=200.0, quadratic_per_mw_h=50.0,
    ...                       emission_kg_per_unit=2.68)
    >>> part_load_fuel_per_h([0.0, 1.0], [False, True], curve, capacity_mw=2.0).tolist()  # 2 (80 + 100 + 12.5)
    [0.0, 385.0]
    """
    rating = float(checked(capacity_mw, "capacity", 1e-9, unit="MW"))
    load = checked(output_mw, "generator output", 0.0, rating * (1.0 + 1e-9), unit="MW") / rating
    flow: FloatArray = np.where(np.asarray(on, dtype=np.bool_), rating * curve.fuel_per_mw_h(load), 0.0)
    return flow


def linear_fuel(
    curve: PartLoadFuel, *, min_load_fraction: float = 0.0, capacity_mw: float = 1.0
) -> tuple[FuelCurve, float]:
    """The straight fuel curve that is exact at the least and at the full load, as the planner needs it.

    Parameters
    ----------
    curve : QuadraticFuel or PiecewiseFuel
        Fuel by load.
    min_load_fraction : float
        Least load while on [-], within [0, 1).
    capacity_mw : float
        Rated power [MW], for the second result.

    Returns
    -------
    linear : FuelCurve
        No-load fuel [fuel unit/MW/h] and fuel of output [fuel unit/MWh].
    largest_error_per_h : float
        Largest difference of the flow to the curve between the two loads [fuel unit/h]; positive where the line lies
        above it, which is everywhere for a convex curve.

    Notes
    -----
    With l the least load: ``F1 = (f(1) - f(l)) / (1 - l)`` and ``F0 = f(1) - F1``.

    References
    ----------
    See :func:`part_load_fuel_per_h`; the chord of a convex function lies above it.

    Examples
    --------
    >>> curve = QuadraticFuel(constant_per_mw_h=80.0, linear_per_mw_h=200.0, quadratic_per_mw_h=50.0,
    ...                       emission_kg_per_unit=2.68)
    >>> line, error = linear_fuel(curve)  # 80 + 250 x; half way 205 against 192.5
    >>> line.no_load_per_mw_h, line.per_mwh, error
    (80.0, 250.0, 12.5)
    """
    least = float(checked(min_load_fraction, "least load", 0.0, 0.999))
    low, full = curve.fuel_per_mw_h(np.array([least, 1.0])).tolist()
    slope = (full - low) / (1.0 - least)
    line = FuelCurve(no_load_per_mw_h=full - slope, per_mwh=slope, emission_kg_per_unit=curve.emission_kg_per_unit)
    output = capacity_mw * _breakpoints(curve, least)
    straight = fuel_per_h(output, True, line, capacity_mw=capacity_mw)
    errors = straight - part_load_fuel_per_h(output, True, curve, capacity_mw=capacity_mw)
    return line, float(errors[np.argmax(np.abs(errors))])


def _breakpoints(curve: PartLoadFuel, least: float) -> FloatArray:
    """Loads between which a line and the curve differ most: half way for a parabola, at the points for the other."""
    inner = [(least + 1.0) / 2.0] if isinstance(curve, QuadraticFuel) else [x for x, _ in curve.points if x > least]
    return np.array([least, *inner, 1.0])


def ready_fraction(
    commanded: ArrayLike, *, start_h: float, step_h: float, before: tuple[bool, float] = (False, 0.0)
) -> FloatArray:
    """Share of each step in which a unit that is commanded on can deliver power, shape ``(T,)``.

    Parameters
    ----------
    commanded : array_like of bool
        Command on or off for each step, shape ``(T,)``.
    start_h : float
        Time from the command to delivery [h].
    step_h : float
        Length of a step [h].
    before : tuple of (bool, float)
        Command before the first step and how long it has lasted [h].

    Notes
    -----
    A command that lasts since time a delivers in ``[t, t + h)`` from ``a + start`` on: the share is
    ``clip((t + h - a - start) / h, 0, 1)``. A stop takes effect at once.

    References
    ----------
    Definition of the start-up time of a generating set, ISO 8528-1:2018.

    Examples
    --------
    >>> ready_fraction([True, True, False, True], start_h=0.25, step_h=1.0).tolist()
    [0.75, 1.0, 0.0, 0.75]
    """
    hours = float(checked(step_h, "step", 1e-9, unit="h"))
    delay = float(checked(start_h, "start time", 0.0, unit="h"))
    on = np.asarray(commanded, dtype=np.bool_)
    steps = np.arange(on.size)
    was = np.concatenate(([before[0]], on[:-1]))
    since = np.maximum.accumulate(np.where(on & ~was, steps * hours, -np.inf))
    since = np.where(np.isneginf(since), -before[1], since)
    share: FloatArray = np.clip(((steps + 1.0) * hours - since - delay) / hours, 0.0, 1.0)
    return np.where(on, share, 0.0)
