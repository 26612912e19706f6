"""Unit conversion: scaling, round trips and refusals hold for any number and unit."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulewright.errors import UnitError
from joulewright.units import DIMENSIONS, conversion, parse_quantity, unit_of_column

numbers = st.floats(min_value=-1e9, max_value=1e9, allow_nan=False).filter(lambda x: x == 0 or abs(x) > 1e-9)
SAME = [
    ("power", ("W", 1e-6), ("kW", 1e-3), ("MW", 1.0), ("GW", 1e3), ("MWh/h", 1.0), ("J/s", 1e-6)),
    ("energy", ("Wh", 1e-6), ("kWh", 1e-3), ("MWh", 1.0), ("GJ", 1 / 3.6)),
    ("carbon_intensity", ("g/kWh", 1.0), ("kg/MWh", 1.0), ("t/GWh", 1.0), ("lb/MWh", 0.45359237)),
    ("time", ("s", 1 / 3600), ("min", 1 / 60), ("h", 1.0), ("day", 24.0)),
    ("energy_price", ("USD/kWh", 1000.0), ("USD/MWh", 1.0), ("USD/GWh", 1e-3)),
]


@given(number=numbers, case=st.sampled_from(SAME), pick=st.integers(min_value=0, max_value=10))
def test_units_scale(number: float, case: tuple, pick: int) -> None:
    dimension, *units = case
    unit, factor = units[pick % len(units)]
    assert parse_quantity(f"{number!r} {unit}", dimension) == pytest.approx(number * factor, rel=1e-12, abs=1e-300)


@given(number=numbers, dimension=st.sampled_from(sorted(DIMENSIONS)))
def test_a_value_in_its_internal_unit_is_itself(number: float, dimension: str) -> None:
    unit = DIMENSIONS[dimension].replace("XXX", "CHF")
    text = f"{number!r} {unit}" if unit != "1" else repr(number)
    assert parse_quantity(text, dimension, currency="CHF") == number


@given(number=numbers, case=st.sampled_from(SAME), pick=st.integers(min_value=0, max_value=10))
def test_parsing_agrees_with_conversion(number: float, case: tuple, pick: int) -> None:
    dimension, *units = case
    unit, _ = units[pick % len(units)]
    scale, offset = conversion(unit, dimension)
    assert parse_quantity(f"{number!r} {unit}", dimension) == pytest.approx(number * scale + offset, rel=1e-12)


@given(text=st.text(max_size=20), dimension=st.sampled_from(sorted(DIMENSIONS)))
def test_any_text_is_a_finite_number_or_a_unit_error(text: str, dimension: str) -> None:
    code, value = "", 0.0
    try:
        value = parse_quantity(text, dimension)
    except UnitError as error:
        code = error.code
    assert math.isfinite(value)
    assert code in {"", "U001", "U002", "U003", "U004"}


@given(first=st.sampled_from(sorted(DIMENSIONS)), second=st.sampled_from(sorted(DIMENSIONS)))
def test_a_unit_of_another_dimension_is_refused(first: str, second: str) -> None:
    unit = DIMENSIONS[first]
    kin = {"time", "latency"}
    if first == second or {first, second} <= kin:
        assert conversion(unit, second)[0] > 0
        return
    with pytest.raises(UnitError) as caught:
        conversion(unit, second)
    assert caught.value.code == "U003"


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz_0123456789", max_size=30))
def test_the_unit_of_any_column_can_be_resolved(name: str) -> None:
    unit = unit_of_column(name)
    if unit is not None:
        matching = []
        for dimension in DIMENSIONS:
            try:
                matching.append(conversion(unit, dimension))
            except UnitError:
                continue
        assert matching
