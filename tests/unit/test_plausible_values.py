"""Values of a scenario that nobody means: refused beyond every unit, doubted beyond what was ever seen."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from joulewright.io.scenario_file.plausible import implausible
from joulewright.model import Timeline

PRICE = 'price = "50 USD/MWh"'
PRICES = [40.0] * 23
COLUMN = 'price = { file = "series.csv", column = "p_usd_mwh" }'


@pytest.mark.parametrize("value", [1e300, -1e300, 1.1e15, -1.1e15])
def test_a_value_beyond_every_unit_is_refused(files, value: float) -> None:
    files.hourly({"p_usd_mwh": [*PRICES, value]})
    (problem,) = files.problems((PRICE, COLUMN))
    assert (problem.code, problem.line, problem.severity) == ("D008", 25, "error")
    assert f"{value:g} USD/MWh" in problem.message
    assert "-1e+15 to 1e+15 USD/MWh" in problem.message


def test_a_factor_carries_no_value_beyond_every_unit(files) -> None:
    files.hourly({"p_usd_mwh": [*PRICES, 50.0]})
    (problem,) = files.problems((PRICE, COLUMN.replace(" }", ", factor = 1e14 }")))
    assert problem.code == "D008"
    assert "-1e+15 to 1e+15 USD/MWh" in problem.message


@pytest.mark.parametrize(
    ("edit", "code", "words"),
    [
        ((PRICE, 'price = "-1e16 USD/MWh"'), "P001", "-1e+15 to 1e+15 USD/MWh"),
        (('energy = "8 MWh"', 'energy = "1e200 MWh"'), "P003", "0 to 1e+15 MWh"),
        (('import_limit = "20 MW"', "import_limit_mw = 2e15"), "P001", "0 to 1e+15 MW"),
    ],
)
def test_a_constant_beyond_every_unit_is_refused(files, edit: tuple[str, str], code: str, words: str) -> None:
    problem = files.problems(edit)[0]
    assert problem.code in (code, "P003")
    assert words in problem.message


@pytest.mark.parametrize(
    ("column", "usual", "value", "edit"),
    [
        ("p_usd_mwh", 40.0, 2e5, (PRICE, COLUMN)),
        ("p_usd_mwh", 40.0, -2e5, (PRICE, COLUMN)),
        ("q_mw", 20.0, 2e5, ('import_limit = "20 MW"', 'import_limit = { file = "series.csv", column = "q_mw" }')),
    ],
)
def test_a_value_hard_to_believe_is_a_warning_and_stays(files, column, usual, value, edit) -> None:
    files.hourly({column: [*[usual] * 23, value]})
    (warning,) = [item for item in files.read(edit).diagnostics if item.severity == "warning"]
    assert warning.code == "P020"
    assert f"{value:g}" in warning.message
    assert "2022-07-04T23:00" in warning.message
    assert "1 step" in warning.message


def test_high_prices_that_happen_are_no_warning(files) -> None:
    files.hourly({"p_usd_mwh": [*PRICES, 99_000.0]})
    assert not [item for item in files.read((PRICE, COLUMN)).diagnostics if item.severity == "warning"]


@pytest.mark.parametrize(
    ("dimension", "usual", "absurd"),
    [
        ("carbon_intensity", 1100.0, 3001.0),
        ("token_rate", 5e6, 2e11),
        ("speed", 40.0, 114.0),
        ("irradiance", 1400.0, 2001.0),
        ("pressure", 101_325.0, 1013.25),
        ("energy_price", 1.5e6, 2e9),
    ],
)
def test_usual_ranges(dimension: str, usual: float, absurd: float) -> None:
    day = Timeline(start=datetime(2022, 7, 4, tzinfo=UTC), step_s=3600, steps=24)
    values = np.full(24, usual)
    given = {"timeline": day, "currency": "IDR", "what": "column 'x'"}
    assert implausible(values, dimension, **given) == ""
    values[[5, 9]] = absurd
    message = implausible(values, dimension, **given)
    assert message.startswith(f"column 'x' is {absurd:g}")
    assert "2022-07-04T05:00" in message
    assert "2 of 24 steps beyond" in message
