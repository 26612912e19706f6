"""Numbers as people read them: thin spaces, a true minus, sensible digits, units."""

from __future__ import annotations

import math
from collections.abc import Sequence

THIN = "\u202f"  # narrow no-break space: groups digits and ties a number to its unit
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_POWERS = ((1e9, "bn"), (1e6, "M"), (1e3, "k"))


def _grouped(value: float, decimals: int) -> str:
    text = f"{value:,.{decimals}f}".replace(",", THIN)
    if not text.strip("-0." + THIN):
        text = text.lstrip("-")
    return text.replace("-", "−")


def number(value: float, digits: int = 3) -> str:
    """``value`` with at least ``digits`` significant digits; whole digits are never cut.

    Examples
    --------
    >>> number(0.012345), number(12.345), number(1234567.8).replace(THIN, "_"), number(-0.5)
    ('0.0123', '12.3', '1_234_568', '−0.500')
    """
    if not math.isfinite(value):
        return "n/a"
    if value == 0.0:
        return "0"
    magnitude = math.floor(math.log10(abs(value)))
    if magnitude < -4:
        return scientific(value)
    return _grouped(value, max(0, digits - 1 - magnitude))


def whole(value: float) -> str:
    """Rounded to an integer."""
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


def quantity(value: float, unit: str, digits: int = 3) -> str:
    """Number and unit, tied by a thin space.

    Examples
    --------
    >>> quantity(41.26, "MW").replace(THIN, "_")
    '41.3_MW'
    """
    return f"{number(value, digits)}{THIN}{unit}"


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


def compact(value: float, unit: str, digits: int = 3) -> str:
    """Large amounts with k, M or bn.

    Examples
    --------
    >>> compact(1234567.0, "USD").replace(THIN, "_"), compact(950.4, "USD").replace(THIN, "_")
    ('1.23_M_USD', '950_USD')
    """
    for power, letter in _POWERS:
        if abs(value) >= power * (10.0 if letter == "k" else 1.0):
            return f"{number(value / power, digits)}{THIN}{letter}{THIN}{unit}"
    return quantity(value, unit, digits)


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


def energy(value_mwh: float) -> str:
    """Energy in MWh, GWh or TWh [MWh in].

    Examples
    --------
    >>> energy(12345.6).replace(THIN, "_"), energy(42.0).replace(THIN, "_")
    ('12.3_GWh', '42.0_MWh')
    """
    for power, unit in ((1e6, "TWh"), (1e3, "GWh")):
        if abs(value_mwh) >= 10.0 * power:
            return quantity(value_mwh / power, unit)
    return quantity(value_mwh, "MWh")


def tonnes(value_kg: float) -> str:
    """Carbon in tonnes [kg in].

    Examples
    --------
    >>> tonnes(1234567.0).replace(THIN, "_")
    '1_235_t'
    """
    # Less than a gram is the noise of sums, not carbon.
    return quantity(0.0 if abs(value_kg) < 1e-3 else value_kg / 1000.0, "t")


def percent(fraction: float, digits: int = 3) -> str:
    """Fraction as per cent, without trailing zeros.

    Examples
    --------
    >>> percent(0.1234).replace(THIN, "_"), percent(0.03).replace(THIN, "_")
    ('12.3_%', '3_%')
    """
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
