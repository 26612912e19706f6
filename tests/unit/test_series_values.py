"""Values: units, ranges, gaps, estimated marks, resampling, labels and coverage of the horizon."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from joulewright.errors import Diagnostic, ScenarioError
from joulewright.io.series.resample import fill_gaps, gaps, resample
from joulewright.io.series.solar_noon import looks_solar, noon_delay_min
from joulewright.model import Timeline

START = datetime(2022, 7, 4, tzinfo=UTC)


def csv_of(cells, *, column="load_mw", start=START, minutes=60, extra=""):
    """CSV text of equally spaced rows; a None leaves its row out."""
    rows = [f"{start + timedelta(minutes=minutes * i):%Y-%m-%dT%H:%M},{cell}" for i, cell in enumerate(cells)]
    kept = [row for row, cell in zip(rows, cells, strict=True) if cell is not None]
    return "\n".join([f"utc,{column}{extra}", *kept]) + "\n"


def codes(result):
    return [item.code for item in result.diagnostics]


@pytest.mark.parametrize(
    ("column", "options", "expected"),
    [
        ("load_mw", {}, 90.0),
        ("load_kw", {}, 0.09),
        ("load_w", {}, 90e-6),
        ("load [GW]", {}, 90_000.0),
        ("load (kW)", {}, 0.09),
        ("load", {"unit": "kW"}, 0.09),
        ("load_mw", {"unit": "kW"}, 0.09),
        ("ci_g_kwh", {"dimension": "carbon_intensity"}, 90.0),
        ("ci_gco2e_per_kwh", {"dimension": "carbon_intensity"}, 90.0),
        ("ci", {"dimension": "carbon_intensity", "unit": "lb/MWh"}, 90 * 0.45359237),
        ("ci_t_mwh", {"dimension": "carbon_intensity"}, 90_000.0),
        ("price_usd_mwh", {"dimension": "energy_price", "currency": "USD"}, 90.0),
        ("price", {"dimension": "energy_price", "unit": "EUR/kWh"}, 90_000.0),
        ("wind_kmh", {"dimension": "speed"}, 25.0),
        ("cloud_pct", {"dimension": "fraction"}, 0.9),
        ("availability", {"dimension": "fraction"}, 90.0),
        ("temp_c", {"dimension": "temperature"}, 90.0),
        ("temp", {"dimension": "temperature", "unit": "degF"}, 58 / 1.8),
        ("west_token_s", {"dimension": "token_rate"}, 90.0),
        ("heat_j", {"dimension": "energy"}, 90 / 3.6e9),
    ],
)
def test_units(read_text, column, options, expected):
    result = read_text(csv_of([90] * 4, column=column), column=column, **options)
    assert result.values.tolist() == pytest.approx([expected] * 4, rel=1e-14)


@pytest.mark.parametrize(
    ("column", "options", "code", "words"),
    [
        ("load", {}, "U001", "column 'load' has no unit; expected power (MW)"),
        ("load", {"unit": "MEGA"}, "U002", "unknown unit 'MEGA'"),
        ("load_kg", {}, "U003", "expected power (MW), got mass"),
        ("price_eur_mwh", {"dimension": "energy_price", "currency": "USD"}, "U003", "expected USD, got EUR"),
        ("ci_mw", {"dimension": "carbon_intensity"}, "U003", "expected carbon intensity (kg/MWh), got power"),
    ],
)
def test_wrong_units(problem_of, column, options, code, words):
    found = problem_of(csv_of([90] * 4, column=column), column=column, key="site.a.load", **options)
    assert (found.code, found.key) == (code, "site.a.load")
    assert words in found.message
    assert found.help


def test_no_unit_shows_both_ways_out(problem_of):
    found = problem_of(csv_of([90] * 4, column="load"), column="load")
    assert found.help == 'declare unit = "MW", or end the column name in its unit: load_mw'


@pytest.mark.parametrize(("minutes", "expected"), [(60, 0.25), (15, 1.0), (120, 0.125)])
def test_energy_per_step_becomes_mean_power(read_text, minutes, expected):
    """250 kWh in an hour is 0.25 MW; in a quarter of an hour it is 1 MW."""
    text = csv_of([250] * 64, column="meter_kwh", minutes=minutes)
    result = read_text(text, column="meter_kwh")
    assert result.values.tolist() == pytest.approx([expected] * 4, rel=1e-14)
    assert "U005" in codes(result)


@pytest.mark.parametrize(
    ("cells", "options", "message"),
    [
        ([1, 2, -3, -4], {"dimension": "carbon_intensity", "unit": "g/kWh"}, "-3 g/kWh in column 'load_mw' is outside"),
        ([1, 2, -3, 4], {"minimum": 0.0}, "-3 MW in column 'load_mw' is outside the allowed range, at least 0 MW"),
        ([1, 2, 9, 4], {"maximum": 8.0}, "9 MW in column 'load_mw' is outside the allowed range, at most 8 MW"),
        (
            [10, 20, 150, 4],
            {"dimension": "fraction", "unit": "%", "minimum": 0.0, "maximum": 1.0},
            "150 % in column 'load_mw' is outside the allowed range, 0 to 1",
        ),
    ],
)
def test_range(problem_of, cells, options, message):
    found = problem_of(csv_of(cells), range_code="P004", **options)
    assert (found.code, found.line) == ("P004", 4)
    assert found.message.startswith(message)


def test_range_counts_all_and_ignores_rows_outside_the_horizon(problem_of, read_text):
    text = csv_of([1, -3, 2, -4, 5, 6, 7, 8, -9], column="ci_g_kwh")
    options = {"column": "ci_g_kwh", "dimension": "carbon_intensity"}
    assert problem_of(text, **options).message.endswith("at least 0 kg/MWh; 2 such values in all")
    assert read_text(text, start="2022-07-04T04:00+00:00", **options).values.tolist() == [5.0, 6.0, 7.0, 8.0]


def test_negative_prices_are_fine(read_text):
    text = csv_of([-5, 2, 3, 4], column="price_eur_mwh")
    assert read_text(text, column="price_eur_mwh", dimension="energy_price").values[0] == -5.0


@pytest.mark.parametrize(
    ("cell", "help"),
    [
        ("abc", "leave the cell empty"),
        ("1.2.3", "leave the cell empty"),
        ("inf", "leave the cell empty"),
        ("1e999", "leave the cell empty"),
        ("#REF!", "leave the cell empty"),
        ("12 MW", "leave the cell empty"),
    ],
)
def test_cell_that_is_not_a_number(problem_of, cell, help):
    found = problem_of(csv_of([1, 2, cell, 4]))
    assert (found.code, found.line) == ("D006", 4)
    assert found.message == f"{cell!r} in column 'load_mw' is not a finite number"
    assert help in found.help


def test_decimal_comma(problem_of):
    found = problem_of(csv_of([1, 2, "3,5", 4]).replace("Z,", "Z;").replace(",load", ";load").replace("0,", "0;"))
    assert found.help == "write the decimal point as a point: 3.5"


@pytest.mark.parametrize("cell", ["", " ", "NaN", "nan", "NA", "n/a", "null", "None", "-"])
def test_missing_value(problem_of, read_text, cell):
    text = csv_of([1, 2, cell, 4])
    found = problem_of(text)
    assert (found.code, found.line) == ("T011", 4)
    assert found.message == "no values for 1 h from 2022-07-04T02:00Z to 2022-07-04T03:00Z"
    assert 'max_gap = "1 h"' in found.help
    assert read_text(text, max_gap_h=1.0).values.tolist() == [1.0, 2.0, 3.0, 4.0]


def test_missing_rows_and_cells_form_one_gap(problem_of, read_text):
    text = csv_of([0, None, "", None, 8, 9, None, 11])
    assert problem_of(text, steps=8).code == "T009"
    found = problem_of(text, steps=8, step_s=3600)
    assert (found.code, found.line) == ("T011", 3)
    assert found.message == (
        "no values for 3 h from 2022-07-04T01:00Z to 2022-07-04T04:00Z; 2 such gaps in all, the longest 3 h"
    )
    assert 'max_gap = "3 h"' in found.help
    found = problem_of(text, steps=8, step_s=3600, max_gap_h=2.0)
    assert found.message == "no values for 3 h from 2022-07-04T01:00Z to 2022-07-04T04:00Z"
    result = read_text(text, steps=8, step_s=3600, max_gap_h=3.0)
    assert result.values.tolist() == [0.0, 2.0, 4.0, 6.0, 8.0, 9.0, 10.0, 11.0]
    assert result.facts["interpolated"] == 4
    assert result.facts["estimated_fraction"] == 0.5
    assert [str(item).splitlines()[0] for item in result.diagnostics if item.code in ("T015", "D010")] == [
        "note[T015]: 4 values of column 'load_mw' are interpolated",
        "note[D010]: 50.0% of column 'load_mw' is estimated or interpolated",
    ]


def test_gap_across_the_start_of_the_horizon_uses_the_value_before_it(read_text):
    result = read_text(csv_of([4, "", "", 10, 11, 12]), start="2022-07-04T02:00+00:00", max_gap_h=2.0)
    assert result.values.tolist() == [8.0, 10.0, 11.0, 12.0]
    assert result.facts["interpolated"] == 1


def test_gap_outside_the_horizon_is_no_problem(read_text):
    result = read_text(csv_of(["", "", 3, 4, 5, 6, None, 8]), start="2022-07-04T02:00+00:00")
    assert result.values.tolist() == [3.0, 4.0, 5.0, 6.0]


@pytest.mark.parametrize("cells", [["", 2, 3, 4], [1, 2, 3, ""]])
def test_gap_at_the_edge_of_the_file_cannot_be_interpolated(problem_of, cells):
    found = problem_of(csv_of(cells), max_gap_h=5.0)
    assert found.code == "T011"
    assert found.help == "there is no value beside the gap to interpolate from; fill it in the file"


def test_a_column_without_any_value(problem_of):
    found = problem_of(csv_of([""] * 4))
    assert found.code == "T011"
    assert "no values for 4 h" in found.message


@pytest.mark.parametrize(
    ("marks", "fraction"), [(["0", "1", "1", "0"], 0.5), (["0"] * 4, 0.0), (["0", "", "0", "0"], 0.25)]
)
def test_estimated_marks(read_text, marks, fraction):
    text = csv_of([f"{i},{mark}" for i, mark in enumerate(marks)], extra=",load_estimated")
    result = read_text(text, estimated="load_estimated")
    assert result.facts["estimated_fraction"] == fraction
    assert ("D010" in codes(result)) is (fraction > 0)


def test_estimated_marks_are_zero_or_one(problem_of):
    text = csv_of([f"{i},{mark}" for i, mark in enumerate(["0", "2", "0", "0"])], extra=",mark")
    found = problem_of(text, estimated="mark")
    assert (found.code, found.line) == ("D006", 3)
    assert found.message == "2 in column 'mark' is neither 0 (measured) nor 1 (estimated)"


def test_estimated_counts_the_horizon_only(read_text):
    text = csv_of([f"1,{int(i < 6)}" for i in range(12)], extra=",mark")
    assert read_text(text, estimated="mark", start="2022-07-04T04:00+00:00").facts["estimated_fraction"] == 0.5


@pytest.mark.parametrize(
    ("start", "steps", "words"),
    [
        ("2022-07-03T23:00+00:00", 4, "the horizon needs 2022-07-03T23:00Z to 2022-07-04T03:00Z"),
        ("2022-07-04T02:00+00:00", 4, "the series covers 2022-07-04T00:00Z to 2022-07-04T05:00Z"),
        ("2023-07-04T02:00+00:00", 4, "the horizon needs 2023-07-04T02:00Z"),
    ],
)
def test_series_shorter_than_the_horizon(problem_of, start, steps, words):
    found = problem_of(csv_of([1, 2, 3, 4, 5]), start=start, steps=steps)
    assert found.code == "T013"
    assert words in found.message


def test_label_end_shifts_by_one_step(read_text, problem_of):
    text = csv_of([1, 2, 3, 4, 5])
    assert read_text(text, label="end", start="2022-07-03T23:00+00:00").values.tolist() == [1.0, 2.0, 3.0, 4.0]
    assert "covers 2022-07-03T23:00Z to 2022-07-04T04:00Z" in problem_of(text, label="end", steps=5).message


def label_findings(result):
    return [(item.severity, item.code) for item in result.diagnostics if item.code in ("T012", "T016")]


@pytest.mark.parametrize(
    ("name", "declared", "label", "findings"),
    [
        ("utc", "start", "start", []),
        ("utc", None, "start", [("note", "T016")]),
        ("hour_ending_utc", None, "end", [("warning", "T016")]),
        ("hour_ending_utc", "end", "end", []),
        ("hour_ending_utc", "start", "start", [("warning", "T012")]),
        ("period_start_utc", None, "start", []),
        ("period_start_utc", "end", "end", [("warning", "T012")]),
    ],
)
def test_label_of_the_time_column(read_text, name, declared, label, findings):
    result = read_text(csv_of(range(7)).replace("utc", name), label=declared, start="2022-07-04T01:00+00:00")
    assert result.facts["label"] == label
    assert label_findings(result) == findings


def sunlight(longitude_deg, *, delay_h=0.0, step_min=60, days=6):
    """CSV of a half-sine day from 6 to 18 local solar time, as interval means by mid-point."""
    lines = []
    for i in range(days * 24 * 60 // step_min):
        stamp = START + timedelta(minutes=step_min * i)
        middle_h = stamp.hour + stamp.minute / 60 + step_min / 120 + longitude_deg / 15 - 4.5 / 60
        lines.append(f"{max(0.0, math.sin((middle_h - delay_h - 6) * math.pi / 12)):.4f}")
    return csv_of(lines, column="solar_mw", minutes=step_min)


@pytest.mark.parametrize("longitude_deg", [13.4, -121.9, 151.2])
@pytest.mark.parametrize("step_min", [30, 60])
def test_hour_ending_solar_data_declared_as_start(read_text, longitude_deg, step_min):
    options = {"column": "solar_mw", "longitude_deg": longitude_deg, "steps": 96, "start": "2022-07-04T12:00+00:00"}
    good = read_text(sunlight(longitude_deg, step_min=step_min), label="start", **options)
    assert label_findings(good) == []
    late = sunlight(longitude_deg, delay_h=step_min / 60, step_min=step_min)
    result = read_text(late, label="start", **options)
    assert label_findings(result) == [("warning", "T012")]
    warning = next(item for item in result.diagnostics if item.code == "T012")
    assert "looks hour-ENDING" in warning.message
    assert f"{step_min} min late against solar noon at longitude {longitude_deg:g}" in warning.message
    assert 'set label = "end"' in warning.help
    assert label_findings(read_text(late, label="end", **options)) == []
    result = read_text(sunlight(longitude_deg, step_min=step_min), label="end", **options)
    assert any("looks hour-BEGINNING" in item.message for item in result.diagnostics)


def test_noon_is_compared_only_where_it_can_be(read_text):
    late = sunlight(13.4, delay_h=1.0)
    options = {"column": "solar_mw", "steps": 96, "start": "2022-07-04T12:00+00:00", "label": "start"}
    assert label_findings(read_text(late, **options)) == []
    steady = csv_of(["5"] * 144, column="solar_mw")
    assert label_findings(read_text(steady, longitude_deg=13.4, **options)) == []
    assert not looks_solar("load_mw", np.tile(np.r_[np.zeros(12), np.ones(12)], 3), 3600)
    assert not looks_solar("solar_mw", np.tile(np.r_[np.zeros(12), np.ones(12)], 3), 900)
    assert not looks_solar("solar_mw", np.r_[np.zeros(12), np.ones(12)], 3600)
    assert not looks_solar("solar_mw", np.zeros(72), 3600)


def test_noon_delay_of_a_single_hour():
    """At Greenwich on 4 July solar noon is at 12:04:30, so light from 12 to 13 h is centred 25.5 min after it."""
    values = np.zeros(24)
    values[12] = 1.0
    delay = noon_delay_min(values, first_s=int(START.timestamp()), step_s=3600, longitude_deg=0.0)
    assert delay == pytest.approx(25.5, abs=0.3)


@pytest.mark.parametrize(
    ("minutes", "cells", "expected", "words"),
    [
        (30, [1, 3, 5, 7, 9, 11, 13, 15], [2.0, 6.0, 10.0, 14.0], "values of 30 min are averaged to steps of 1 h"),
        (120, [1, 3], [1.0, 1.0, 3.0, 3.0], "values of 2 h are held to steps of 1 h"),
        (90, [1, 4, 7], [1.0, 2.5, 4.0, 7.0], "values of 90 min are weighted to steps of 1 h"),
    ],
)
def test_resampling_keeps_energy(read_text, minutes, cells, expected, words):
    result = read_text(csv_of(cells, minutes=minutes))
    assert result.values.tolist() == expected
    assert words in [item.message for item in result.diagnostics]


def test_horizon_between_stamps(read_text):
    """From 00:15 each hour holds three quarters of one value and one quarter of the next."""
    result = read_text(csv_of([0, 4, 8, 12, 16]), start="2022-07-04T00:15+00:00")
    assert result.values.tolist() == [1.0, 5.0, 9.0, 13.0]


def test_resample_refuses_what_it_does_not_have():
    timeline = Timeline(start=START, step_s=3600, steps=4)
    first_s = int(START.timestamp())
    for shift, count in ((3600, 9), (-3600, 4), (0, 3)):
        with pytest.raises(ValueError, match="wanted is"):
            resample(np.zeros(count), timeline, first_s=first_s + shift, step_s=3600)


def test_the_result_is_a_copy():
    timeline = Timeline(start=START, step_s=3600, steps=4)
    source = np.zeros(6)
    resample(source, timeline, first_s=int(START.timestamp()), step_s=3600)[:] = 1.0
    assert source.sum() == 0.0


def test_gaps_and_filling():
    missing = np.array([True, False, True, True, False, True])
    assert gaps(missing) == [(0, 1), (2, 4), (5, 6)]
    assert gaps(np.zeros(3, dtype=bool)) == []
    assert fill_gaps(np.array([0.0, np.nan, 2.0]), np.array([False, True, False])).tolist() == [0.0, 1.0, 2.0]


def test_problems_of_one_file_carry_file_and_key(read_text):
    with pytest.raises(ScenarioError) as caught:
        read_text("utc,load_mw\n2022-07-04T00:00,x\n2022-07-04T01:00,1\n", steps=2, key="site.west.fixed_load")
    (found,) = caught.value.problems
    assert isinstance(found, Diagnostic)
    assert str(found).splitlines()[:2] == [
        "error[D006]: 'x' in column 'load_mw' is not a finite number",
        "  --> series.csv:2  site.west.fixed_load",
    ]
