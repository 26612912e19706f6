"""Quantity strings, column names and conversions, against numbers worked by hand."""

from __future__ import annotations

import timeit

import pytest

from joulewright.errors import UnitError
from joulewright.units import (
    DIMENSIONS,
    conversion,
    currency_of,
    internal_unit,
    key_suffix,
    no_unit,
    parse_quantity,
    suffix_unit,
    unit_of_column,
)

READ = [
    ("60 MW", "power", 60.0),
    ("1_000 kW", "power", 1.0),
    ("640 W", "power", 0.00064),
    ("1.5 GW", "power", 1500.0),
    ("10 MWh/h", "power", 10.0),
    ("250 kWh", "energy", 0.25),
    ("3.6e9 J", "energy", 1.0),
    ("2 GWh", "energy", 2000.0),
    ("60 h", "time", 60.0),
    ("15 min", "time", 0.25),
    ("90 s", "time", 0.025),
    ("2 days", "time", 48.0),
    ("1 week", "time", 168.0),
    ("900 lbCO2/MWh", "carbon_intensity", 408.233133),
    ("900 lb/MWh", "carbon_intensity", 408.233133),
    ("0.4 kg/kWh", "carbon_intensity", 400.0),
    ("1 t/MWh", "carbon_intensity", 1000.0),
    ("731.59 kg/MWh", "carbon_intensity", 731.59),
    ("731.59 gCO2e/kWh", "carbon_intensity", 731.59),
    ("5 kgCO2eq/MWh", "carbon_intensity", 5.0),
    ("5 kg CO2e/MWh", "carbon_intensity", 5.0),
    ("5200 t", "mass", 5_200_000.0),
    ("5200 tCO2", "mass", 5_200_000.0),
    ("1 Mt", "mass", 1e9),
    ("88 %", "fraction", 0.88),
    ("0.88", "fraction", 0.88),
    ("5 MW/min", "ramp", 300.0),
    ("15 MW/h", "ramp", 15.0),
    ("0.15 EUR/kWh", "energy_price", 150.0),
    ("-2 USD/MWh", "energy_price", -2.0),
    ("12 USD/kW/month", "demand_rate", 12_000.0),
    ("0.4 USD/Mtoken", "token_price", 0.4),
    ("40 USD/Gtoken", "token_price", 0.04),
    ("25 USD/t", "mass_price", 25.0),
    ("0.025 USD/kg", "mass_price", 25.0),
    ("2500 USD", "money", 2500.0),
    ("100 USD/h", "money_rate", 100.0),
    ("0.02 USD/GB", "data_price", 0.02),
    ("2400 token/s", "token_rate", 2400.0),
    ("144_000 token/min", "token_rate", 2400.0),
    ("980 GB", "data", 980.0),
    ("1 TB", "data", 1000.0),
    ("8 Gbit", "data", 1.0),
    ("1 GiB", "data", 1.073741824),
    ("100 Gbit/s", "data_rate", 100.0),
    ("1 GB/s", "data_rate", 8.0),
    ("32 ms", "latency", 32.0),
    ("0.032 s", "latency", 32.0),
    ("1.8 L/kWh", "water_intensity", 1.8),
    ("1 m3/MWh", "water_intensity", 1.0),
    ("15 degC", "temperature", 15.0),
    ("95 degF", "temperature", 35.0),
    ("273.15 K", "temperature", 0.0),
    ("37.4 deg", "angle", 37.4),
    ("36 km/h", "speed", 10.0),
    ("1013.25 hPa", "pressure", 101_325.0),
    ("1 kW/m2", "irradiance", 1000.0),
    ("80 m", "length", 80.0),
    ("0.1 %/h", "rate", 0.001),
    ("2.4 %/day", "rate", 0.001),
    ("73.05 %/month", "rate", 0.001),
    ("30 kg/h", "mass_rate", 30.0),
    ("50 Wh/GB", "data_energy", 5e-5),
    ("+.5 MW", "power", 0.5),
    ("5.MW", "power", 5.0),
    ("60MW", "power", 60.0),
    ("  60   MW  ", "power", 60.0),
    ("1e-3 GW", "power", 1.0),
    ("5 MW / min", "ramp", 300.0),
]


@pytest.mark.parametrize(("text", "dimension", "value"), READ)
def test_quantity(text: str, dimension: str, value: float) -> None:
    assert parse_quantity(text, dimension) == pytest.approx(value, rel=1e-12)


def test_factors_are_exact_ratios_so_that_decimals_stay_decimals() -> None:
    assert parse_quantity("700 kW", "power") == 0.7
    assert parse_quantity("900 lb/MWh", "carbon_intensity") == 408.233133
    assert parse_quantity("0.1 %/h", "rate") == 0.001


REFUSED = [
    ("60", "power", "U001", ["60 has no unit", "power (MW)"], ['"60 MW"', "_mw = 60"]),
    ("0.1", "rate", "U001", ["rate (1/h)"], []),
    ("60 mw", "power", "U002", ["'mw'", "'60 mw'"], ["'MW'"]),
    ("60 KW", "power", "U002", ["'KW'"], ["'kW'"]),
    ("60 MWH", "energy", "U002", ["'MWH'"], ["'MWh'"]),
    ("5 mw/min", "ramp", "U002", ["'mw'"], ["'MW/min'"]),
    ("5 hours", "time", "U002", ["'hours'"], ["'h'"]),
    ("5 usd/MWh", "energy_price", "U002", ["'usd'"], ["'USD/MWh'"]),
    ("5 tokn/s", "token_rate", "U002", ["'tokn'"], ["'token/s'"]),
    ("5 quux", "power", "U002", ["'quux'"], ["MW"]),
    ("5 MW/", "power", "U002", ["''"], []),
    ("5 MWCO2", "power", "U002", ["'MWCO2'"], []),
    ("250 kWh", "power", "U003", ["expected power (MW)", "got energy"], []),
    ("100 MW", "energy", "U003", ["expected energy (MWh)", "got power"], []),
    ("5 USD/MWh", "power", "U003", ["got energy price"], []),
    ("5 kg/kW", "power", "U003", ["got the unit 'kg/kW'"], []),
    ("15 m", "time", "U003", ["got length"], ["min", "month"]),
    ("12 USD/kW/m", "demand_rate", "U003", [], ["month"]),
    ("88 %", "power", "U003", ["got fraction"], []),
    ("2 %/month", "fraction", "U003", [], []),
    ("12 USD/kW", "demand_rate", "U003", ["USD/MW/month"], []),
    ("abc", "power", "U004", ["'abc'"], []),
    ("", "power", "U004", ["''"], []),
    ("MW", "power", "U004", ["'MW'"], []),
    ("1,000 kW", "power", "U004", ["'1,000 kW'"], ["commas"]),
    ("1.000.000 kW", "power", "U004", ["1.000.000"], []),
    ("nan MW", "power", "U004", ["nan"], []),
    ("inf MW", "power", "U004", ["inf"], []),
    ("1e999 MW", "power", "U004", ["1e999"], []),
    ("--5 MW", "power", "U004", ["--5"], []),
    ("1__0 MW", "power", "U002", ["__0"], []),
]


@pytest.mark.parametrize(("text", "dimension", "code", "facts", "ways"), REFUSED)
def test_refusal(text: str, dimension: str, code: str, facts: list[str], ways: list[str]) -> None:
    with pytest.raises(UnitError) as caught:
        parse_quantity(text, dimension)
    assert caught.value.code == code
    for fact in facts:
        assert fact in str(caught.value)
    for way in ways:
        assert way in caught.value.help


def test_currencies_are_compared_and_never_converted() -> None:
    assert parse_quantity("5 EUR/MWh", "energy_price", currency="EUR") == 5.0
    with pytest.raises(UnitError, match=r"expected USD, got EUR in '5 EUR/MWh'") as caught:
        parse_quantity("5 EUR/MWh", "energy_price", currency="USD")
    assert caught.value.code == "U003"
    assert "USD" in caught.value.help
    with pytest.raises(UnitError) as unknown:
        parse_quantity("5 ABC/MWh", "energy_price", currency="USD")
    assert unknown.value.code == "U002"


def test_the_key_is_named_in_both_spellings() -> None:
    with pytest.raises(UnitError) as caught:
        parse_quantity("60", "power", key="import_limit")
    assert caught.value.help == 'write import_limit = "60 MW" or import_limit_mw = 60'
    assert no_unit(0.4, "token_price", currency="EUR", key="revenue").help == (
        'write revenue = "0.4 EUR/Mtoken" or revenue_eur_per_mtoken = 0.4'
    )


COLUMNS = [
    ("price_usd_mwh", "USD/MWh"),
    ("price_eur_per_mwh", "EUR/MWh"),
    ("ci_direct_g_kwh", "g/kWh"),
    ("ci_gco2e_per_kwh", "gCO2e/kWh"),
    ("ci_kgco2eq_mwh", "kgCO2eq/MWh"),
    ("eia_avg_ci_g_kwh", "g/kWh"),
    ("temp_c", "degC"),
    ("temp_degf", "degF"),
    ("cloud_pct", "%"),
    ("rh_percent", "%"),
    ("low_carbon_pct", "%"),
    ("availability_fraction", "1"),
    ("wind_kmh", "km/h"),
    ("wind_m_s", "m/s"),
    ("load_mw", "MW"),
    ("gen_oth_mw", "MW"),
    ("Load_MW", "MW"),
    ("ppa_mwh", "MWh"),
    ("ghi_w_m2", "W/m2"),
    ("west_token_s", "token/s"),
    ("west_tokens_per_s", "token/s"),
    ("pressure_hpa", "hPa"),
    ("link_gbit_s", "Gbit/s"),
    ("rate_usd_kw_month", "USD/kW/month"),
    ("duration_h", "h"),
    ("curtailed_hours", "h"),
    ("round_trip_ms", "ms"),
    ("cost_usd", "USD"),
    ("load_c_mw", "MW"),
    ("load_b_kw", "kW"),
    ("price_per_mwh", None),
    ("load_all", None),
    ("availability", None),
    ("mw", None),
    ("price", None),
]


@pytest.mark.parametrize(("name", "unit"), COLUMNS)
def test_unit_of_column(name: str, unit: str | None) -> None:
    assert unit_of_column(name) == unit


def test_suffix_must_be_a_unit_as_a_whole() -> None:
    assert suffix_unit("usd_per_mwh") == "USD/MWh"
    assert suffix_unit("limit_mw") is None
    assert suffix_unit("per_mwh") is None
    assert suffix_unit("mw") == "MW"


@pytest.mark.parametrize("dimension", sorted(DIMENSIONS))
def test_internal_units_convert_to_themselves(dimension: str) -> None:
    assert conversion(internal_unit(dimension), dimension) == (1.0, 0.0)
    assert conversion(internal_unit(dimension, "EUR"), dimension, currency="EUR") == (1.0, 0.0)


@pytest.mark.parametrize("dimension", sorted(set(DIMENSIONS) - {"fraction", "rate"}))
def test_key_suffix_reads_back_as_the_internal_unit(dimension: str) -> None:
    unit = suffix_unit(key_suffix(dimension, "EUR").removeprefix("_"))
    assert unit is not None
    assert conversion(unit, dimension, currency="EUR") == (1.0, 0.0)


def test_conversion_of_temperatures_has_an_offset() -> None:
    scale, offset = conversion("degF", "temperature")
    assert 212.0 * scale + offset == pytest.approx(100.0)
    assert conversion("K", "temperature") == (1.0, -273.15)


def test_currency_of() -> None:
    assert currency_of("USD/MWh") == "USD"
    assert currency_of("EUR") == "EUR"
    assert currency_of("kg/MWh") is None


def test_a_quantity_is_parsed_within_20_microseconds() -> None:
    parse_quantity("5 MW/min", "ramp")
    best = min(timeit.repeat(lambda: parse_quantity("5 MW/min", "ramp"), number=1000, repeat=5)) / 1000
    assert best < 20e-6
