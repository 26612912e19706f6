"""Quantity strings such as ``"60 MW"`` and column names such as ``price_usd_mwh``, read into internal units.

A quantity is a number and a unit, where a unit is one or more symbols divided from left to right:
``12 USD/kW/month`` is 12 USD per kW and month. Symbols are case-sensitive; ``CO2``, ``CO2e`` and ``CO2eq`` may follow a
mass. Every dimension has one internal unit (:func:`internal_unit`), and all factors are exact ratios of integers, so
that ``700 kW`` is the float nearest to 0.7 MW.

References
----------
The pound is 0.45359237 kg exactly (international yard and pound agreement, 1959); currencies are ISO 4217 codes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from math import gcd, isinf

from joulewright.errors import UnitError

__all__ = [
    "DIMENSIONS",
    "LARGEST",
    "conversion",
    "currency_of",
    "internal_unit",
    "key_suffix",
    "no_unit",
    "parse_quantity",
    "suffix_unit",
    "unit_of_column",
]

DIMENSIONS: Mapping[str, str] = {
    "power": "MW",
    "energy": "MWh",
    "time": "h",
    "mass": "kg",
    "carbon_intensity": "kg/MWh",
    "energy_price": "XXX/MWh",
    "fraction": "1",
    "latency": "ms",
    "mass_rate": "kg/h",
    "rate": "1/h",
    "ramp": "MW/h",
    "money": "XXX",
    "money_rate": "XXX/h",
    "mass_price": "XXX/t",
    "demand_rate": "XXX/MW/month",
    "token_price": "XXX/Mtoken",
    "token_rate": "token/s",
    "data": "GB",
    "data_rate": "Gbit/s",
    "data_price": "XXX/GB",
    "data_energy": "MWh/GB",
    "water_intensity": "L/kWh",
    "temperature": "degC",
    "angle": "deg",
    "length": "m",
    "speed": "m/s",
    "irradiance": "W/m2",
    "pressure": "Pa",
}
"""Internal unit of every dimension; ``XXX`` stands for the currency of the scenario."""

LARGEST = 1e15
"""No value of any dimension is larger, in its internal unit: beyond it sums of floats lose whole units."""

_RATE_PERIODS_S = {"month": 2_629_800, "year": 31_557_600}
"""Mean month of 365.25/12 days and year of 365.25 days [s], used only where a *rate* is given per month or year."""

_Vector = tuple[tuple[str, int], ...]
_Unit = tuple[int, int, _Vector]


def _family(base: str, symbols: str, *, per: str = "") -> dict[str, _Unit]:
    """Units ``symbol=numerator[:denominator]`` of one base quantity, optionally divided by another."""
    vector: _Vector = ((base, 1), (per, -1)) if per else ((base, 1),)
    units = {}
    for item in symbols.split():
        symbol, _, ratio = item.partition("=")
        numerator, _, denominator = ratio.partition(":")
        units[symbol] = (int(numerator), int(denominator or 1), tuple(sorted(vector)))
    return units


_SYMBOLS: dict[str, _Unit] = {
    "1": (1, 1, ()),
    "%": (1, 100, ()),
    **_family("energy", "J=1 kJ=1000 MJ=1000000 GJ=1000000000 Wh=3600 kWh=3600000"),
    **_family("energy", "MWh=3600000000 GWh=3600000000000 TWh=3600000000000000"),
    **_family("energy", "W=1 kW=1000 MW=1000000 GW=1000000000", per="time"),
    **_family("time", "ms=1:1000 s=1 min=60 h=3600 day=86400 days=86400 week=604800"),
    **_family("mass", "g=1 kg=1000 t=1000000 kt=1000000000 Mt=1000000000000 lb=45359237:100000"),
    **_family("data", "bit=1 kbit=1000 Mbit=1000000 Gbit=1000000000 Tbit=1000000000000"),
    **_family("data", "B=8 kB=8000 MB=8000000 GB=8000000000 TB=8000000000000 PB=8000000000000000"),
    **_family("data", "MiB=8388608 GiB=8589934592 TiB=8796093022208"),
    **_family("token", "token=1 ktoken=1000 Mtoken=1000000 Gtoken=1000000000"),
    **_family("volume", "mL=1:1000 L=1 m3=1000"),
    **_family("length", "m=1 km=1000"),
    "m2": (1, 1, (("length", 2),)),
    **_family("pressure", "Pa=1 hPa=100 mbar=100 kPa=1000 bar=100000"),
    **_family("angle", "deg=1"),
    **_family("month", "month=1"),
    **_family("year", "year=1 y=1"),
    **_family("temperature", "degC=1 K=1 degF=5:9"),
}
_ZERO_POINT_C = {"degC": 0.0, "K": -273.15, "degF": -160.0 / 9.0}
_CURRENCY: _Vector = (("currency", 1),)

_ISO_TEXT = """
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP
CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF
IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD
MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB
RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD
UYU UZS VED VES VND VUV WST XAF XCD XCG XOF XPF XXX YER ZAR ZMW ZWG
"""
_ISO_4217 = frozenset(_ISO_TEXT.split())
_WORDS_NOT_CURRENCIES = frozenset({"all", "cup", "mad", "pen", "top", "try", "xxx"})
_COLUMN_SYMBOLS = {
    "pct": "%", "percent": "%", "fraction": "1", "c": "degC", "celsius": "degC", "f": "degF", "hours": "h",
    "minutes": "min", "seconds": "s", "kmh": "km/h", "b": "B", "mb": "MB", "tokens": "token", "eur": "EUR",
}  # fmt: skip

_QUANTITY = re.compile(r"\s*([+-]?(?:\d+(?:_\d+)*\.?(?:\d+(?:_\d+)*)?|\.\d+)(?:[eE][+-]?\d+)?)\s*(.*?)\s*", re.DOTALL)
_CARBON = re.compile(r"(g|kg|t|kt|Mt|lb) ?CO[2₂](?:e|eq)?")


def parse_quantity(text: str, dimension: str, *, currency: str | None = None, key: str | None = None) -> float:
    """Value of a quantity string in the internal unit of its dimension.

    Parameters
    ----------
    text : str
        Number and unit, e.g. ``"5 MW/min"``; the unit may be left out only where the dimension has none.
    dimension : str
        A key of :data:`DIMENSIONS`.
    currency : str, optional
        ISO 4217 code that a currency in the unit must equal; amounts are never converted.
    key : str, optional
        Name of the key, used in the help of an error.

    Returns
    -------
    float
        Value in ``DIMENSIONS[dimension]``.

    Raises
    ------
    UnitError
        ``U001`` no unit, ``U002`` unknown unit, ``U003`` other dimension or currency, ``U004`` malformed.

    Examples
    --------
    >>> parse_quantity("5 MW/min", "ramp"), parse_quantity("900 lbCO2/MWh", "carbon_intensity")
    (300.0, 408.233133)
    >>> parse_quantity("88 %", "fraction"), parse_quantity("12 USD/kW/month", "demand_rate")
    (0.88, 12000.0)
    """
    match = _QUANTITY.fullmatch(text)
    example = internal_unit(dimension, currency)
    if match is None or match[2].startswith((",", ".")) or isinf(float(match[1])):
        raise UnitError(
            f"{text!r} is not a number and a unit; expected {_describe(dimension, currency)}",
            code="U004",
            help=f'write it as "1000 {example}" or "1_000.5 {example}", without thousands commas',
        )
    number, unit = match.groups()
    if not unit:
        if dimension != "fraction":
            raise no_unit(number, dimension, currency=currency, key=key)
        unit = "1"
    try:
        numerator, denominator, offset = _factor(unit, dimension, currency)
    except UnitError as error:
        raise UnitError(f"{error} in {text.strip()!r}", code=error.code, help=error.help) from None
    return float(number) * numerator / denominator + offset


def no_unit(number: object, dimension: str, *, currency: str | None = None, key: str | None = None) -> UnitError:
    """Error U001 for a bare number where a unit is needed, showing both ways to write it."""
    unit = internal_unit(dimension, currency)
    name = key or "key"
    return UnitError(
        f"{number} has no unit; expected {_describe(dimension, currency)}",
        code="U001",
        help=f'write {name} = "{number} {unit}" or {name}{key_suffix(dimension, currency)} = {number}',
    )


def conversion(unit: str, dimension: str, *, currency: str | None = None) -> tuple[float, float]:
    """Scale and offset that turn a value in ``unit`` into the internal unit: ``internal = value * scale + offset``.

    Raises
    ------
    UnitError
        ``U002`` unknown unit, ``U003`` other dimension or currency.

    Examples
    --------
    >>> conversion("USD/kWh", "energy_price"), conversion("degF", "temperature")[0] * 9
    ((1000.0, 0.0), 5.0)
    """
    numerator, denominator, offset = _factor(unit.strip(), dimension, currency)
    return numerator / denominator, offset


def internal_unit(dimension: str, currency: str | None = None) -> str:
    """Internal unit of a dimension with the currency filled in.

    Examples
    --------
    >>> internal_unit("energy_price", "EUR")
    'EUR/MWh'
    """
    return DIMENSIONS[dimension].replace("XXX", currency or "USD")


def key_suffix(dimension: str, currency: str | None = None) -> str:
    """Ending of a key that holds a bare number of this dimension.

    Examples
    --------
    >>> key_suffix("power"), key_suffix("energy_price", "EUR")
    ('_mw', '_eur_per_mwh')
    """
    return "_" + internal_unit(dimension, currency).lower().replace("/", "_per_")


def currency_of(unit: str) -> str | None:
    """The ISO 4217 code inside a unit, or None.

    Examples
    --------
    >>> currency_of("EUR/MWh"), currency_of("kg/MWh")
    ('EUR', None)
    """
    return next((part for part in unit.split("/") if part in _ISO_4217), None)


@lru_cache(maxsize=4096)
def unit_of_column(name: str) -> str | None:
    """Unit spelled by the end of a column or key name, or None.

    Examples
    --------
    >>> unit_of_column("price_usd_mwh"), unit_of_column("ci_gco2e_per_kwh"), unit_of_column("wind_kmh")
    ('USD/MWh', 'gCO2e/kWh', 'km/h')
    >>> unit_of_column("availability") is None
    True
    """
    words = name.lower().split("_")
    for first in range(max(1, len(words) - 5), len(words)):
        unit = None if words[first - 1] == "per" else suffix_unit("_".join(words[first:]))
        if unit is not None:
            return unit
    return None


@lru_cache(maxsize=4096)
def suffix_unit(suffix: str) -> str | None:
    """Unit spelled by a whole suffix such as ``usd_per_mwh``, or None.

    Examples
    --------
    >>> suffix_unit("usd_per_mwh"), suffix_unit("limit_mw")
    ('USD/MWh', None)
    """
    words = suffix.lower().split("_")
    if words[0] == "per":
        return None
    symbols = [_column_symbol(word) for word in words if word != "per"]
    unit = "/".join(symbol for symbol in symbols if symbol is not None)
    return unit if None not in symbols and _vector(unit) in _BY_VECTOR else None


def _column_symbol(word: str) -> str | None:
    if word in _COLUMN_SYMBOLS:
        return _COLUMN_SYMBOLS[word]
    if word.upper() in _ISO_4217 and word not in _WORDS_NOT_CURRENCIES:
        return word.upper()
    mass, marker, rest = word.partition("co2")
    symbol = _LOWER.get(mass)
    if symbol is None or symbol == "1" or (marker and _SYMBOLS[symbol][2] != (("mass", 1),)):
        return None
    return symbol + "CO2" + rest if marker else symbol


@lru_cache(maxsize=4096)
def _resolve(unit: str) -> tuple[int, int, _Vector, str | None]:
    """Numerator, denominator, dimension vector and currency of a unit.

    Raises
    ------
    UnitError
        U002 for an unknown symbol.
    """
    numerator = denominator = 1
    exponents: dict[str, int] = {}
    currency = None
    parts = [part.strip() for part in unit.split("/")]
    if len(parts) > 1 and not parts[0]:
        parts[0] = "1"  # "4 /year"
    for position, symbol in enumerate(parts):
        if symbol in _ISO_4217:
            factor: _Unit = (1, 1, _CURRENCY)
            currency = symbol
        else:
            carbon = _CARBON.fullmatch(symbol)
            found = _SYMBOLS.get(carbon[1] if carbon else symbol)
            if found is None:
                raise UnitError(f"unknown unit {symbol!r}", code="U002", help=_hint(unit, symbol))
            factor = found
        sign = -1 if position else 1
        numerator, denominator = (
            (numerator * factor[1], denominator * factor[0]) if position else (factor[0], factor[1])
        )
        for base, exponent in factor[2]:
            exponents[base] = exponents.get(base, 0) + sign * exponent
    common = gcd(numerator, denominator)
    vector = tuple(sorted((base, exponent) for base, exponent in exponents.items() if exponent))
    return numerator // common, denominator // common, vector, currency


@lru_cache(maxsize=4096)
def _factor(unit: str, dimension: str, currency: str | None) -> tuple[int, int, float]:
    """Exact ratio and offset from ``unit`` to the internal unit of ``dimension``.

    Raises
    ------
    UnitError
        U002, or U003 when the unit is of another dimension or in another currency.
    """
    numerator, denominator, vector, code = _resolve(unit)
    period_s = _RATE_PERIODS_S.get(vector[0][0]) if dimension == "rate" and len(vector) == 1 else None
    if period_s is not None and vector[0][1] == -1:
        denominator, vector = denominator * period_s, (("time", -1),)
    inner_numerator, inner_denominator, wanted, _ = _resolve(DIMENSIONS[dimension])
    if vector != wanted:
        raise UnitError(
            f"expected {_describe(dimension, currency)}, got {_name(vector, unit)}",
            code="U003",
            help=_other_dimension_help(unit, dimension, currency),
        )
    if code is not None and currency is not None and code != currency:
        raise UnitError(
            f"expected {currency}, got {code}",
            code="U003",
            help=f"state every amount in {currency}; currencies are never converted",
        )
    offset = 0.0
    if dimension == "temperature":
        offset = _ZERO_POINT_C[unit]
    numerator, denominator = numerator * inner_denominator, denominator * inner_numerator
    common = gcd(numerator, denominator)
    return numerator // common, denominator // common, offset


def _vector(unit: str) -> _Vector | None:
    try:
        return _resolve(unit)[2]
    except UnitError:
        return None


def _describe(dimension: str, currency: str | None) -> str:
    unit = internal_unit(dimension, currency)
    return dimension.replace("_", " ") + ("" if unit == "1" else f" ({unit})")


def _name(vector: _Vector, unit: str) -> str:
    dimension = _BY_VECTOR.get(vector)
    return f"the unit {unit!r}" if dimension is None else dimension.replace("_", " ")


def _other_dimension_help(unit: str, dimension: str, currency: str | None) -> str:
    if "m" in unit.split("/") and dimension in ("time", "latency", "ramp", "demand_rate"):
        return 'write "min" for minutes or "month" for months; "m" is the metre'
    return f"write the value in {internal_unit(dimension, currency)}, or check that it belongs to this key"


def _hint(unit: str, symbol: str) -> str:
    """The closest known spelling of an unknown symbol."""
    closest = _LOWER.get(symbol.lower()) or _COLUMN_SYMBOLS.get(symbol.lower())
    if closest is None and symbol.upper() in _ISO_4217:
        closest = symbol.upper()
    if closest is None:
        from difflib import get_close_matches

        closest = next(iter(get_close_matches(symbol, [*_SYMBOLS, "USD", "EUR"], n=1, cutoff=0.5)), None)
    if closest is None:
        return f"units are, for example, {', '.join(('MW', 'MWh', 'kg/MWh', 'h', '%', 'USD/MWh'))}"
    corrected = "/".join(closest if part.strip() == symbol else part for part in unit.split("/"))
    return f"did you mean {corrected!r}? Units are case-sensitive"


_LOWER = {symbol.lower(): symbol for symbol in reversed(_SYMBOLS)}
_BY_VECTOR: dict[_Vector, str] = {}
for _dimension, _unit in DIMENSIONS.items():
    _BY_VECTOR.setdefault(_resolve(_unit)[2], _dimension)
