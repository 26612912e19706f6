"""Tables of list items: typed cells, line numbers and problems."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import polars as pl
import pytest

from joulewright.errors import ScenarioError
from joulewright.io.series import read_table
from joulewright.io.series.rows import cell_value

JOBS = """# made by hand
name,gpus,duration,release,sites,migratable,speed,value,note
8192,64,60 h,2022-07-04T06:00:00Z,west;texas,true,"[[1, 1.0], [2, 1.8]]",1e5,
pretrain,128,2.5,2022-07-04 08:00+02:00,west,FALSE,,900000.5,"a, b"
"""


def test_text_rows(tmp_path):
    path = tmp_path / "jobs.csv"
    path.write_text(JOBS)
    first, second = read_table(path)
    assert (first.line, second.line) == (3, 4)
    assert first.values == {
        "name": "8192",
        "gpus": 64,
        "duration": "60 h",
        "release": datetime(2022, 7, 4, 6, tzinfo=UTC),
        "sites": ["west", "texas"],
        "migratable": True,
        "speed": [[1, 1.0], [2, 1.8]],
        "value": 1e5,
    }
    assert second.values == {
        "name": "pretrain",
        "gpus": 128,
        "duration": 2.5,
        "release": datetime(2022, 7, 4, 8, tzinfo=timezone(timedelta(hours=2))),
        "sites": ["west"],
        "migratable": False,
        "value": 900000.5,
        "note": "a, b",
    }


def test_column_roles_can_be_chosen(tmp_path):
    path = tmp_path / "regions.csv"
    path.write_text("name,code,residency\n1,007,a; b\n")
    (row,) = read_table(path, text=("name", "code"), lists=("residency",))
    assert row.values == {"name": "1", "code": "007", "residency": ["a", "b"]}


def test_parquet_rows(tmp_path):
    path = tmp_path / "jobs.parquet"
    frame = pl.DataFrame(
        {
            "name": ["a", "b"],
            "gpus": [8, None],
            "release": [datetime(2022, 7, 4, tzinfo=UTC)] * 2,
            "sites": [["west"], None],
            "duration": ["60 h", "  7 "],
        }
    )
    frame.write_parquet(path)
    first, second = read_table(path)
    assert first.line == 1
    assert first.values["release"] == datetime(2022, 7, 4, tzinfo=UTC)
    assert first.values["sites"] == ["west"]
    assert first.values["gpus"] == 8
    assert second.line == 2
    assert set(second.values) == {"name", "release", "duration"}
    assert second.values["duration"] == "  7 "


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("-7", -7),
        ("+7", 7),
        (".5", 0.5),
        ("5.", 5.0),
        ("1E-3", 0.001),
        ("1_000", "1_000"),
        ("nan", "nan"),
        ("0x10", "0x10"),
        ("True", True),
        ("no", "no"),
        ("2022-07-04", "2022-07-04"),
        ("2022-07-04T00:00", datetime(2022, 7, 4)),
        ("2022-99-04T00:00", "2022-99-04T00:00"),
        ("1e", "1e"),
    ],
)
def test_cells(cell, value):
    assert cell_value(cell) == value
    assert type(cell_value(cell)) is type(value)


def test_malformed_json_stays_text(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('name,speed\na,"[1, 2"\n')
    assert read_table(path)[0].values["speed"] == "[1, 2"


@pytest.mark.parametrize(
    ("text", "code", "line", "words"),
    [
        ("name,gpus\na,1,2\n", "D007", 2, "3 cells"),
        ("name,gpus,gpus\na,1,2\n", "D005", None, "appears 2 times"),
        ("", "D004", None, "empty"),
        (None, "D001", None, "does not exist"),
    ],
)
def test_problems(tmp_path, text, code, line, words):
    path = tmp_path / "jobs.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ScenarioError, match=words) as caught:
        read_table(path, display="jobs.csv", key="training")
    (found,) = caught.value.problems
    assert (found.code, found.line, found.file, found.key) == (code, line, "jobs.csv", "training")


def test_too_many_rows(tmp_path, monkeypatch):
    monkeypatch.setattr("joulewright.io.series.rows.MAX_TABLE_ROWS", 1)
    path = tmp_path / "jobs.csv"
    path.write_text("name\na\nb\n")
    with pytest.raises(ScenarioError, match="the table has 2 rows; up to 1 are read"):
        read_table(path)
