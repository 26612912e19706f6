"""Recorded forecasts from files."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from joulewright.errors import ScenarioError
from joulewright.io import read_forecast

CARBON, PRICE = "a/carbon_kg_per_mwh", "a/import_price_per_mwh"
HEAD = "issued_utc,valid_utc,f_g_per_kwh,p_usd_per_kwh\n"
ROWS = (
    "2022-07-04T00:00,2022-07-04T00:00,7,0.05\n2022-07-04T00:00,2022-07-04T01:00,8,0.06\n"
    "2022-07-04T12:00,2022-07-04T12:00,17,0.07\n2022-07-04T12:00,2022-07-04T13:00,18,0.08\n"
)
ISSUED = {"issued": "issued_utc", "time": "valid_utc"}


@pytest.fixture(scope="module")
def day(tiny):
    return tiny.scenario(tiny.site(24), steps=24).timeline


def table(tmp_path, text: str):
    path = tmp_path / "forecast.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_one_row_for_each_issue_and_time(tmp_path, day) -> None:
    made = read_forecast(table(tmp_path, HEAD + ROWS), day, {CARBON: "f_g_per_kwh", PRICE: "p_usd_per_kwh"}, **ISSUED)
    carbon = made.recordings[CARBON]
    assert carbon.issued.tolist() == day.starts()[[0, 12]].tolist()
    assert carbon.lead_h.tolist() == [0.0, 1.0]
    assert carbon.values.tolist() == [[7.0, 8.0], [17.0, 18.0]]
    assert made.recordings[PRICE].values[0].tolist() == pytest.approx([50.0, 60.0])
    assert made.specification == f"recorded of {CARBON}, {PRICE}"


def test_rows_in_any_order_and_absent_ones(tmp_path, day) -> None:
    rows = ROWS.splitlines(keepends=True)
    made = read_forecast(table(tmp_path, HEAD + "".join(rows[3:0:-1])), day, {CARBON: "f_g_per_kwh"}, **ISSUED)
    values = made.recordings[CARBON].values
    assert np.isnan(values[0, 0])
    assert values[0, 1] == 8.0


def test_one_row_for_each_time(tmp_path, day) -> None:
    text = "utc,forecast\n" + "".join(f"2022-07-04T{hour:02d}:00,{hour + 0.5}\n" for hour in range(24))
    made = read_forecast(table(tmp_path, text), day, {CARBON: "forecast"}, units={"forecast": "lb/MWh"})
    assert made.recordings[CARBON].values[0, 3] == pytest.approx(3.5 * 0.45359237)
    assert made.recordings[CARBON].lead_h[-1] == 23.0


def test_parquet(tmp_path, day) -> None:
    path = tmp_path / "forecast.parquet"
    instants = pl.Series([day.at(0), day.at(1)]).dt.cast_time_unit("us")
    pl.DataFrame({"issued": [day.at(0)] * 2, "valid": instants, "x_kg_per_mwh": [1.0, 2.0]}).write_parquet(path)
    made = read_forecast(path, day, {CARBON: "x_kg_per_mwh"}, issued="issued", time="valid")
    assert made.recordings[CARBON].values.tolist() == [[1.0, 2.0]]


BAD = [
    (ROWS, {"a/colour": "f_g_per_kwh"}, ISSUED, "'a/colour' is no signal key"),
    (ROWS, {CARBON: "f_g_per_kwh"}, {"issued": "issued_utc"}, "time is not given"),
    (ROWS, {CARBON: "g"}, ISSUED | {"units": {"g": "g/kWh"}}, "D005"),
    (ROWS, {CARBON: "p_usd_per_kwh"}, ISSUED, "U003"),
    (ROWS, {CARBON: "f_g_per_kwh"}, ISSUED | {"issued": "when"}, "D005"),
    (ROWS.replace("17", "soon"), {CARBON: "f_g_per_kwh"}, ISSUED, "D006"),
    (ROWS.replace("T12", "T25"), {CARBON: "f_g_per_kwh"}, ISSUED, "T002"),
    (ROWS, {CARBON: "f_g_per_kwh"}, {"time": "valid_utc"}, "T013|T006|T009|T005"),
]


@pytest.mark.parametrize(("rows", "columns", "options", "words"), BAD)
def test_bad_files(tmp_path, day, rows, columns, options, words) -> None:
    with pytest.raises(ScenarioError, match=words):
        read_forecast(table(tmp_path, HEAD + rows), day, columns, **options)


def test_no_file(tmp_path, day) -> None:
    with pytest.raises(ScenarioError, match="D001"):
        read_forecast(tmp_path / "none.csv", day, {CARBON: "f_g_per_kwh"}, **ISSUED)


def test_stamps_without_zone(tmp_path, day) -> None:
    text = (HEAD + ROWS).replace("_utc", "")
    with pytest.raises(ScenarioError, match="T018"):
        read_forecast(table(tmp_path, text), day, {CARBON: "f_g_per_kwh"}, issued="issued", time="valid")
    made = read_forecast(
        table(tmp_path, text), day, {CARBON: "f_g_per_kwh"}, issued="issued", time="valid", zone="+02:00"
    )
    assert made.recordings[CARBON].issued[0] == np.datetime64("2022-07-03T22:00")
