"""Numbers as people read them: thin spaces, a true minus, sensible digits, units."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

THIN = "\u202f"  # narrow no-break space: groups digits and ties a number to its unit
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_POWERS = ((1e9, "bn"), (1e6, "M"), (1e3, "k"))


@dataclass(frozen=True, kw_only=True)
class Detail:
    """What figures that stand side by side share: a mean and half its interval, or the ends of an interval.

    Attributes
    ----------
    largest : float
        Magnitude that decides between k, M and bn.
    step : float
        Difference that must be visible, to its second digit; positive.
    """

    largest: float
    step: float

    def times(self, factor: float) -> Detail:
        """The same in another unit."""
        return Detail(largest=self.largest * factor, step=self.step * factor)

    @property
    def decimals(self) -> int:
        """Digits after the point down to the second digit of ``step``; differences like rounding errors ask for none.

        Examples
        --------
        >>> [Detail(largest=13.3, step=step).decimals for step in (250.0, 0.00533, 1e-12)]
        [0, 4, 0]
        """
        wanted = max(0, 1 - _magnitude(self.step, 2))
        return wanted if wanted <= _MOST_DECIMALS else 0


_MOST_DECIMALS = 9
_LEAST_STEP = 1e-3
"""Differences below this part of a thousand, a million or a billion are shown in the unit below."""


def _magnitude(value: float, digits: int) -> int:
    """Power of ten of the first digit once ``value`` is rounded to ``digits`` significant ones."""
    return int(f"{value:.{digits - 1}e}".partition("e")[2])


def _grouped(value: float, decimals: int) -> str:
    text = f"{value:,.{decimals}f}".replace(",", THIN)
    if not text.strip("-0." + THIN):
        text = text.lstrip("-")
    return text.replace("-", "−")


def number(value: float, digits: int = 3, *, detail: Detail | None = None) -> str:
    """``value`` with at least ``digits`` significant digits, more where ``detail`` asks; whole digits are never cut.

    Examples
    --------
    >>> number(0.012345), number(12.345), number(1234567.8).replace(THIN, "_"), number(-0.5)
    ('0.0123', '12.3', '1_234_568', '−0.500')
    >>> number(13.3157, detail=Detail(largest=13.3157, step=0.00533))
    '13.3157'
    """
    if not math.isfinite(value):
        return "n/a"
    if value == 0.0:
        return "0"
    finest = 0 if detail is None else detail.decimals
    magnitude = _magnitude(value, digits)
    if magnitude < -4:
        return scientific(value)
    return _grouped(value, max(finest, digits - 1 - magnitude))


def whole(value: float, *, detail: Detail | None = None) -> str:
    """Rounded to an integer, unless ``detail`` asks for more."""
    if detail is not None:
        return number(value, 1, detail=detail)
    return _grouped(value, 0) if math.isfinite(value) else "n/a"


def scientific(value: float, decimals: int = 1) -> str:
    """Power-of-ten notation.

    Examples
    --------
    >>> scientific(3.21e-9)
    '3.2 × 10⁻⁹'
    """
    mantissa, exponent = f"{value:.{decimals}e}".split("e")
    return f"{mantissa} × 10{str(int(exponent)).translate(_SUPERSCRIPT)}".replace("-", "−")


def quantity(value: float, unit: str, digits: int = 3, *, detail: Detail | None = None) -> str:
    """Number and unit, tied by a thin space.

    Examples
    --------
    >>> quantity(41.26, "MW").replace(THIN, "_")
    '41.3_MW'
    """
    return f"{number(value, digits, detail=detail)}{THIN}{unit}"


def _trimmed(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def plain(value: float) -> str:
    """A figure that was given, without trailing zeros.

    Examples
    --------
    >>> plain(60.0), plain(12.5)
    ('60', '12.5')
    """
    return _trimmed(number(value))


def compact(value: float, unit: str, digits: int = 3, *, detail: Detail | None = None) -> str:
    """Large amounts with k, M or bn.

    Examples
    --------
    >>> compact(1234567.0, "USD").replace(THIN, "_"), compact(950.4, "USD").replace(THIN, "_")
    ('1.23_M_USD', '950_USD')
    >>> beside = Detail(largest=13.3157e6, step=5330.0)
    >>> [compact(value, "USD", detail=beside).replace(THIN, "_") for value in (13.3157e6, 5330.0)]
    ['13.3157_M_USD', '0.00533_M_USD']
    """
    size = abs(value) if detail is None else detail.largest
    for power, letter in _POWERS:
        visible = detail is None or detail.step >= _LEAST_STEP * power
        if visible and size >= power * (10.0 if letter == "k" else 1.0):
            inner = None if detail is None else detail.times(1.0 / power)
            return quantity(value / power, f"{letter}{THIN}{unit}", digits, detail=inner)
    return quantity(value, unit, digits, detail=detail)


def scaled_money(values: Sequence[float], currency: str) -> tuple[list[float], str]:
    """Amounts in one unit for a chart: the currency, or thousands, millions or billions of it.

    Examples
    --------
    >>> scaled_money([2.5e6, -1e6], "USD")
    ([2.5, -1.0], 'M USD')
    """
    most = max((abs(value) for value in values), default=0.0)
    power, letter = next(((power, f"{letter} ") for power, letter in _POWERS if most >= power), (1.0, ""))
    return [value / power for value in values], f"{letter}{currency}"


def energy(value_mwh: float, *, detail: Detail | None = None) -> str:
    """Energy in MWh, GWh or TWh [MWh in].

    Examples
    --------
    >>> energy(12345.6).replace(THIN, "_"), energy(42.0).replace(THIN, "_")
    ('12.3_GWh', '42.0_MWh')
    """
    size = abs(value_mwh) if detail is None else detail.largest
    for power, unit in ((1e6, "TWh"), (1e3, "GWh")):
        if size >= 10.0 * power:
            return quantity(value_mwh / power, unit, detail=None if detail is None else detail.times(1.0 / power))
    return quantity(value_mwh, "MWh", detail=detail)


def tonnes(value_kg: float, *, detail: Detail | None = None) -> str:
    """Carbon in tonnes [kg in].

    Examples
    --------
    >>> tonnes(1234567.0).replace(THIN, "_")
    '1_235_t'
    """
    inner = None if detail is None else detail.times(1e-3)
    return quantity(without_noise(value_kg) / 1000.0, "t", detail=inner)


def without_noise(value_kg: float) -> float:
    """Carbon or a change of it [kg], 0 below a gram: that is the noise of sums and solvers.

    Examples
    --------
    >>> without_noise(-1.2e-10), without_noise(-0.25)
    (0.0, -0.25)
    """
    return 0.0 if abs(value_kg) < 1e-3 else value_kg


def percent(fraction: float, digits: int = 3, *, detail: Detail | None = None) -> str:
    """Fraction as per cent, without trailing zeros unless ``detail`` asks for digits.

    Examples
    --------
    >>> percent(0.1234).replace(THIN, "_"), percent(0.03).replace(THIN, "_")
    ('12.3_%', '3_%')
    """
    if detail is not None:
        return quantity(100.0 * fraction, "%", digits, detail=detail.times(100.0))
    return f"{_trimmed(number(100.0 * fraction, digits))}{THIN}%"


def signed(text: str, value: float) -> str:
    """``text`` with a plus sign in front where ``value`` is positive."""
    return f"+{text}" if value > 0 else text


def plural(count: int, noun: str, many: str = "") -> str:
    """``1 job``, ``2 jobs``; ``many`` is the plural where it takes more than an ``s``.

    Examples
    --------
    >>> plural(1, "job"), plural(1200, "job").replace(THIN, "_"), plural(2, "policy", "policies")
    ('1 job', '1_200 jobs', '2 policies')
    """
    return f"{whole(count)} {noun if count == 1 else many or noun + 's'}"
