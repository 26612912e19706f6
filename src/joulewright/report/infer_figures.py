"""How figures of serving are written: times, energies and masses in the unit that reads best."""

from __future__ import annotations

from collections.abc import Callable

from joulewright.report.numbers import quantity

_TIMES = ((2.0 * 3600.0, 3600.0, "h"), (120.0, 60.0, "min"), (1.0, 1.0, "s"), (0.0, 1e-3, "ms"))
_ENERGIES = ((1e4, 1e3, "MWh"), (1.0, 1.0, "kWh"), (0.0, 1e-3, "Wh"))
_MASSES = ((1e7, 1e6, "t CO2e"), (1e3, 1e3, "kg CO2e"), (0.0, 1.0, "g CO2e"))


def duration(value_s: float) -> str:
    """A time [s in].

    Examples
    --------
    >>> [duration(value).replace("\\u202f", " ") for value in (0.0132, 1.5, 300.0, 7200.0)]
    ['13.2 ms', '1.50 s', '5.00 min', '2.00 h']
    """
    return _in_best(value_s, _TIMES)


def kilowatt_hours(value_kwh: float) -> str:
    """An energy [kWh in].

    Examples
    --------
    >>> [kilowatt_hours(value).replace("\\u202f", " ") for value in (0.0132, 1.5, 25_000.0)]
    ['13.2 Wh', '1.50 kWh', '25.0 MWh']
    """
    return _in_best(value_kwh, _ENERGIES)


def grams(value_g: float) -> str:
    """A mass of emissions [g in].

    Examples
    --------
    >>> grams(1234.0).replace("\\u202f", " ")
    '1.23 kg CO2e'
    """
    return _in_best(value_g, _MASSES)


def joules(value_j: float) -> str:
    """An energy per token [J in]."""
    return quantity(value_j, "J") if value_j >= 0.1 or value_j == 0.0 else quantity(1e3 * value_j, "mJ")


def optional(value: float | None, show: Callable[[float], str]) -> str:
    """A figure, or ``n/a`` where there is none."""
    return "n/a" if value is None else show(value)


def _in_best(value: float, sizes: tuple[tuple[float, float, str], ...]) -> str:
    if value == 0.0:
        return quantity(0.0, next(unit for _, size, unit in sizes if size == 1.0))
    size, unit = next((size, unit) for least, size, unit in sizes if abs(value) >= least)
    return quantity(value / size, unit)
