"""Values of series that nobody means, such as a price with a slipped exponent: warnings, since records fall."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from joulewright.errors import Diagnostic
from joulewright.model import Timeline
from joulewright.model.timeline import FloatArray
from joulewright.units import internal_unit

_USUAL: Mapping[str, tuple[float, float]] = {
    "carbon_intensity": (0.0, 3e3),
    "power": (-1e5, 1e5),
    "token_rate": (0.0, 1e11),
    "speed": (0.0, 113.2),
    "irradiance": (0.0, 2e3),
    "pressure": (3e4, 1.1e5),
}
"""By dimension, in internal units: lignite stays below 1500 kg/MWh, no data centre comes near 100 GW, the highest gust
on record is 113.2 m/s (WMO, Barrow Island 1996), clouds never raised irradiance to 2000 W/m2 (the sun sends 1361), and
no pressure at sea level was above 1.09e5 Pa."""

_PRICE, _PRICE_ANY = 1e5, 1e9
_SPIKE = 100.0


def implausible(values: FloatArray, dimension: str, timeline: Timeline, *, currency: str, what: str) -> str:
    """What is hard to believe about a series, empty if nothing is.

    Parameters
    ----------
    values : FloatArray
        In internal units, shape ``(T,)``.
    dimension : str
        As named in :mod:`joulewright.units`.
    timeline : Timeline
        Horizon of T steps.
    currency : str
        Of prices.
    what : str
        Name of the series in the sentence.

    Notes
    -----
    A price is doubted above 100 000 per MWh and 100 times the median of the series, which lets weak currencies pass,
    and above 1e9 in any currency.
    """
    low, high = usual_range(values, dimension)
    doubted = np.flatnonzero((values < low) | (values > high))
    if not doubted.size:
        return ""
    first, unit = int(doubted[0]), internal_unit(dimension, currency)
    count = f"{doubted.size} of {values.size} steps" if doubted.size > 1 else "1 step"
    return (
        f"{what} is {values[first]:g} {unit} at {timeline.label(first)} UTC; "
        f"usual is {low:g} to {high:g} {unit} ({count} beyond)"
    )


def usual_range(values: FloatArray, dimension: str) -> tuple[float, float]:
    """Lowest and highest value that need no second look, in internal units.

    Examples
    --------
    >>> usual_range(np.array([30.0, 50.0, 1e6]), "energy_price")
    (-100000.0, 100000.0)
    >>> usual_range(np.array([1.5e6, 1.6e6, 1.7e6]), "energy_price")
    (-160000000.0, 160000000.0)
    """
    if dimension == "energy_price":
        most = min(max(_PRICE, _SPIKE * float(np.median(np.abs(values)))), _PRICE_ANY)
        return -most, most
    return _USUAL.get(dimension, (-np.inf, np.inf))


def doubt(message: str, *, file: str, key: str | None) -> Diagnostic:
    """The warning with that message."""
    return Diagnostic(
        code="P020",
        severity="warning",
        message=message,
        file=file,
        key=key,
        help="check the cell and its unit; leave it empty, with max_gap, where the value is unknown",
    )
