"""From the cells of a column to values in internal units."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from joulewright.errors import UnitError
from joulewright.io.series.axis import Axis
from joulewright.io.series.findings import SeriesError
from joulewright.io.series.reference import SeriesReference
from joulewright.io.series.table import ColumnTable
from joulewright.io.series.window import Window
from joulewright.model.timeline import FloatArray
from joulewright.units import LARGEST, conversion, internal_unit, key_suffix, unit_of_column

_FLOORS = {"carbon_intensity": 0.0, "token_rate": 0.0, "speed": 0.0, "water_intensity": 0.0}
"""Dimensions that are never negative, whatever the reference says."""

_BRACKETS = re.compile(r"[\[(]([^\])]+)[\])]\s*$")


@dataclass(frozen=True, kw_only=True)
class ColumnUnit:
    """How raw values become internal ones: ``internal = raw * scale + offset``.

    Attributes
    ----------
    name : str
        Unit in the file.
    scale, offset : float
        Of one value; ``scale`` is per hour of step when ``per_step`` is True.
    per_step : bool
        True for energy per interval where mean power is wanted.
    """

    name: str
    scale: float
    offset: float
    per_step: bool = False


def column_unit(reference: SeriesReference) -> ColumnUnit:
    """Unit of the column as declared, or as its name spells it (``price_usd_mwh``, ``load [kW]``).

    Raises
    ------
    SeriesError
        U001 no unit, U002 unknown unit, U003 another dimension or currency.
    """
    column, dimension, currency = reference.column, reference.dimension, reference.currency
    bracket = _BRACKETS.search(column)
    name = reference.unit or (bracket[1] if bracket else unit_of_column(column))
    if name is None and dimension == "fraction":
        name = "1"
    if name is None:
        unit = internal_unit(dimension, currency)
        raise SeriesError(
            "U001",
            f"column {column!r} has no unit; expected {dimension.replace('_', ' ')} ({unit})",
            help=f'declare unit = "{unit}", or end the column name in its unit: '
            f"{column}{key_suffix(dimension, currency)}",
        )
    try:
        scale, offset = conversion(name, dimension, currency=currency)
    except UnitError as error:
        if dimension == "power" and error.code == "U003" and _is_energy(name):
            return ColumnUnit(name=name, scale=conversion(name, "energy")[0], offset=0.0, per_step=True)
        raise SeriesError(
            error.code, f"column {column!r} in {name!r}: {error}", help=f"{error.help}; or declare another unit"
        ) from error
    return ColumnUnit(name=name, scale=scale, offset=offset)


def column_values(
    table: ColumnTable, axis: Axis, window: Window, *, reference: SeriesReference, unit: ColumnUnit
) -> FloatArray:
    """Values in internal units on the steps of the window; NaN where a row or value is missing.

    Raises
    ------
    SeriesError
        D006 a cell is not a number, D008 (or the reference's own code) a value lies outside the allowed range.
    """
    first, stop = window.rows(axis)
    raw = table.numbers(reference.column, first, stop)
    values = raw * (unit.scale * 3600.0 / window.step_s if unit.per_step else unit.scale) + unit.offset
    low = max(_FLOORS.get(reference.dimension, -np.inf), -np.inf if reference.minimum is None else reference.minimum)
    high = np.inf if reference.maximum is None else reference.maximum
    beyond = np.abs(values) > LARGEST
    outside = np.flatnonzero((values < low) | (values > high) | beyond)
    if outside.size:
        row = int(outside[0])
        if beyond[row]:
            low, high = max(low, -LARGEST), min(high, LARGEST)
        internal = internal_unit(reference.dimension, reference.currency)
        more = "" if outside.size == 1 else f"; {outside.size} such values in all"
        raise SeriesError(
            reference.range_code,
            f"{raw[row]:g} {unit.name} in column {reference.column!r} is outside the allowed range, "
            f"{_range_text(low, high, internal)}{more}",
            line=table.line(first + row),
            help="correct the file or its unit; leave a cell empty where the value is missing",
        )
    return _on_grid(values, axis.position[first:stop] - window.first, window.size)


def estimated_share(table: ColumnTable, axis: Axis, window: Window, *, column: str | None) -> FloatArray:
    """1 where the companion column marks a value as estimated, or has no mark; else 0; zeros without a column.

    Raises
    ------
    SeriesError
        With code D006 if a mark is neither 0 nor 1.
    """
    if column is None:
        return np.zeros(window.size)
    first, stop = window.rows(axis)
    marks = table.numbers(column, first, stop)
    wrong = np.flatnonzero(~np.isnan(marks) & (marks != 0) & (marks != 1))
    if wrong.size:
        row = int(wrong[0])
        raise SeriesError(
            "D006",
            f"{marks[row]:g} in column {column!r} is neither 0 (measured) nor 1 (estimated)",
            line=table.line(first + row),
        )
    grid = _on_grid(marks, axis.position[first:stop] - window.first, window.size)
    return np.where(np.isnan(grid), 1.0, grid)


def _on_grid(values: FloatArray, position: np.ndarray, size: int) -> FloatArray:
    if len(values) == size:
        return values
    grid = np.full(size, np.nan)
    grid[position] = values
    return grid


def _is_energy(unit: str) -> bool:
    try:
        conversion(unit, "energy")
    except UnitError:
        return False
    return True


def _range_text(low: float, high: float, unit: str) -> str:
    limits = f"at least {low:g}" if np.isinf(high) else f"at most {high:g}" if np.isinf(low) else f"{low:g} to {high:g}"
    return limits if unit == "1" else f"{limits} {unit}"
