"""Opening files: kinds, hashes, caching, damage and size."""

from __future__ import annotations

import gzip
import hashlib
import os
import subprocess
import sys
import textwrap
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from joulewright.errors import ScenarioError
from joulewright.io.series import SeriesReference, forget_tables, read_series
from joulewright.io.series import opening as opening_module
from joulewright.io.series.opening import open_table
from joulewright.io.series.table import MAX_TEXT_BYTES, digest, size_text
from joulewright.model import Timeline

ROWS = "2022-07-04T00:00Z,1\n2022-07-04T01:00Z,2\n2022-07-04T02:00Z,3\n2022-07-04T03:00Z,4\n"
PLAIN = "utc,load_mw\n" + ROWS


def test_plain_file(read_text):
    result = read_text(PLAIN)
    assert result.values.tolist() == [1.0, 2.0, 3.0, 4.0]
    assert result.values.dtype == "float64"
    assert result.facts == {
        "file": "series.csv",
        "column": "load_mw",
        "unit": "MW",
        "sha256": hashlib.sha256(PLAIN.encode()).hexdigest(),
        "rows": 4,
        "interpolated": 0,
        "estimated_fraction": 0.0,
        "label": "start",
        "time_zone": "offset",
        "step_s": 3600,
        "note": None,
    }


def test_gzip_is_found_by_content_and_hashed_as_stored(read_text):
    packed = gzip.compress(PLAIN.encode())
    result = read_text(packed, name="series.csv")
    assert result.values.tolist() == [1.0, 2.0, 3.0, 4.0]
    assert result.facts["sha256"] == hashlib.sha256(packed).hexdigest()


def test_gzip_of_several_members(read_text):
    packed = gzip.compress(b"utc,load_mw\n") + gzip.compress(ROWS.encode())
    assert read_text(packed, name="series.csv.gz").values.tolist() == [1.0, 2.0, 3.0, 4.0]


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + PLAIN,
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\r"),
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", "\t"),
        PLAIN + "\n\n",
        PLAIN.replace("2022-07-04T02", "\n2022-07-04T02"),
        '"utc","load_mw"\n' + ROWS.replace("2022", '"2022').replace("Z", 'Z"'),
        "# synthetic\n#more\n\n" + PLAIN,
        "load_mw,utc\n" + "\n".join(",".join(reversed(line.split(","))) for line in ROWS.split()),
    ],
    ids=["bom", "crlf", "cr", "semicolon", "tab", "blank-end", "blank-middle", "quotes", "comments", "time-last"],
)
def test_dialects(read_text, text):
    assert read_text(text).values.tolist() == [1.0, 2.0, 3.0, 4.0]


def test_first_comment_line_is_the_note(read_text):
    assert read_text("#  synthetic, seed 7 \n# other\n" + PLAIN).facts["note"] == "synthetic, seed 7"


def test_parquet_with_aware_and_text_stamps(read_text, tmp_path):
    instants = [datetime(2022, 7, 4, hour, tzinfo=UTC) for hour in range(6)]
    for name, stamps in (("aware", instants), ("text", [instant.isoformat() for instant in instants])):
        path = tmp_path / f"{name}.parquet"
        pl.DataFrame({"utc": stamps, "load_mw": range(6), "unused": ["x"] * 6}).write_parquet(path)
        result = read_text(path)
        assert result.values.tolist() == [0.0, 1.0, 2.0, 3.0]
        assert result.facts["sha256"] == digest(path)
        assert result.facts["rows"] == 6


def test_parquet_in_local_time(read_text, tmp_path):
    path = tmp_path / "local.parquet"
    pl.DataFrame({"time": [datetime(2022, 7, 4, hour) for hour in range(2, 6)], "load_mw": [1, 2, 3, 4]}).write_parquet(
        path
    )
    result = read_text(path, time_zone="Europe/Berlin")
    assert result.values.tolist() == [1.0, 2.0, 3.0, 4.0]
    assert result.facts["time_zone"] == "Europe/Berlin"


def test_parquet_of_days(read_text, tmp_path):
    path = tmp_path / "days.parquet"
    days = pl.date_range(datetime(2022, 7, 1), datetime(2022, 7, 10), eager=True)
    pl.DataFrame({"utc_date": days, "load_mw": range(10)}).write_parquet(path)
    assert read_text(path, step=86_400).values.tolist() == [3.0, 4.0, 5.0, 6.0]


@pytest.mark.parametrize(
    ("frame", "code", "words"),
    [
        ({"utc": [1, 2], "load_mw": [1, 2]}, "T002", "type Int64, not time stamps"),
        ({"utc": [datetime(2022, 7, 4, tzinfo=UTC), None], "load_mw": [1, 2]}, "T002", "1 time stamps"),
        ({"utc": [datetime(2022, 7, 4, 0, 0, 0, 5000), datetime(2022, 7, 4, 1)], "load_mw": [1, 2]}, "T002", "row 1"),
        ({"utc": [], "load_mw": []}, "D004", "no rows"),
    ],
)
def test_parquet_problems(problem_of, tmp_path, frame, code, words):
    path = tmp_path / "bad.parquet"
    pl.DataFrame(frame).write_parquet(path)
    found = problem_of(path)
    assert found.code == code
    assert words in found.message


@pytest.mark.parametrize(("values", "words"), [(["a"] * 6, "type String"), ([float("inf")] * 6, "row 1 of column")])
def test_parquet_values_that_are_not_numbers(problem_of, tmp_path, values, words):
    path = tmp_path / "bad.parquet"
    stamps = [datetime(2022, 7, 4, hour, tzinfo=UTC) for hour in range(6)]
    pl.DataFrame({"utc": stamps, "load_mw": values}).write_parquet(path)
    found = problem_of(path)
    assert found.code == "D006"
    assert words in found.message


def test_damaged_parquet(problem_of):
    found = problem_of(b"PAR1 and then nothing", name="bad.parquet")
    assert found.code == "D002"
    assert "damaged" in found.message


def test_missing_file_names_its_neighbour(problem_of, tmp_path):
    (tmp_path / "prices.csv").write_text(PLAIN)
    found = problem_of(tmp_path / "price.csv", key="site.west.grid.price")
    assert (found.code, found.file, found.key) == ("D001", "price.csv", "site.west.grid.price")
    assert "did you mean 'prices.csv'?" in found.help


def test_missing_folder(problem_of, tmp_path):
    assert "does not exist; paths are relative to the scenario file" in problem_of(tmp_path / "no" / "a.csv").help
    (tmp_path / "empty").mkdir()
    assert "holds no files" in problem_of(tmp_path / "empty" / "a.csv").help


def test_folder_instead_of_file(problem_of, tmp_path):
    found = problem_of(tmp_path)
    assert found.code == "D002"
    assert "Is a directory" in found.message


@pytest.mark.parametrize(
    ("content", "code", "line", "words"),
    [
        (b"", "D004", None, "is empty"),
        (b"\n \n# note\n", "D004", None, "is empty"),
        (b"utc,load_mw\n", "D004", 1, "no rows"),
        (b"\0" * 100, "D002", None, "NUL"),
        ("utc,load_mw\n2022-07-04T00:00Z,1\nä".encode("latin-1"), "D002", 3, "0xe4"),
        (gzip.compress(PLAIN.encode())[:-9], "D002", None, "ends too early"),
        (gzip.compress(PLAIN.encode())[:-8] + b"\0" * 8, "D002", None, "damaged"),
        (PLAIN.replace(",3", ",3,9").encode(), "D007", 4, "3 cells; the header has 2"),
        (b'"utc",load_mw\n2022-07-04T00:00Z\n', "D007", 2, "1 cells; the header has 2"),
    ],
    ids=["empty", "blank", "no-rows", "binary", "latin-1", "short-gzip", "bad-gzip", "long-row", "short-row"],
)
def test_damaged_text(problem_of, content, code, line, words):
    found = problem_of(content)
    assert (found.code, found.line) == (code, line)
    assert words in found.message


def test_missing_and_double_columns(problem_of):
    found = problem_of(PLAIN, column="laod_mw")
    assert (found.code, found.message) == ("D005", "there is no column 'laod_mw'")
    assert found.help == "did you mean 'load_mw'? columns are: utc, load_mw"
    found = problem_of("utc,load_mw,load_mw\n2022-07-04T00:00Z,1,2\n2022-07-04T01:00Z,1,2\n")
    assert (found.code, found.message) == ("D005", "the column name 'load_mw' appears 2 times")


def test_all_problems_at_once(read_text):
    with pytest.raises(ScenarioError) as caught:
        read_text("hour,load\n2022-07-04T00:00,1\n", column="lod", estimated="mark")
    assert [problem.code for problem in caught.value.problems] == ["U001", "D005", "D005", "T018"]


def test_file_is_read_once_until_it_changes(tmp_path, monkeypatch):
    path = tmp_path / "a.csv"
    path.write_text("utc,a_mw,b_mw\n2022-07-04T00:00Z,1,5\n2022-07-04T01:00Z,2,6\n")
    timeline = Timeline(start=datetime(2022, 7, 4, tzinfo=UTC), step_s=3600, steps=2)
    forget_tables()
    first = read_series(SeriesReference(path=path, column="a_mw", dimension="power"), timeline)
    table = open_table(path)
    second = read_series(SeriesReference(path=path, column="b_mw", dimension="power"), timeline)
    assert open_table(path) is table
    assert opening_module._open.cache_info().misses == 1
    assert (first.values.tolist(), second.values.tolist()) == ([1.0, 2.0], [5.0, 6.0])
    path.write_text("utc,a_mw\n2022-07-04T00:00Z,7\n2022-07-04T01:00Z,8.5\n")
    again = read_series(SeriesReference(path=path, column="a_mw", dimension="power"), timeline)
    assert again.values.tolist() == [7.0, 8.5]
    assert again.facts["sha256"] != first.facts["sha256"]


def test_huge_files_are_refused_without_reading_them(problem_of, tmp_path):
    path = tmp_path / "huge.csv"
    path.write_text(PLAIN)
    os.truncate(path, 3_200_000_000)
    found = problem_of(path)
    assert found.code == "D003"
    assert found.message == "the file holds 3.2 GB; files up to 2.1 GB are read"
    os.truncate(path, MAX_TEXT_BYTES + 1)
    found = problem_of(path)
    assert found.code == "D003"
    assert "268.4 MB of text or more" in found.message
    assert "sink_parquet" in found.help


def test_gzip_bomb_is_refused(problem_of, monkeypatch):
    monkeypatch.setattr("joulewright.io.series.text_table.MAX_TEXT_BYTES", 1_000_000)
    found = problem_of(gzip.compress(b"0" * 2_000_000))
    assert found.code == "D003"
    assert "1.0 MB of text or more" in found.message


def test_too_many_rows_are_refused(problem_of, tmp_path, monkeypatch):
    monkeypatch.setattr("joulewright.io.series.text_table.MAX_ROWS", 3)
    monkeypatch.setattr("joulewright.io.series.parquet_table.MAX_ROWS", 3)
    assert problem_of(PLAIN).message == "the file has 4 rows, more than 3"
    path = tmp_path / "a.parquet"
    pl.DataFrame({"utc": ["2022-07-04"] * 4, "load_mw": [1] * 4}).write_parquet(path)
    assert problem_of(path).message == "the file has 4 rows, more than 3"


def test_huge_file_under_a_memory_ceiling(tmp_path):
    for name, size in (("a.csv", 3 * 2**30), ("b.csv", MAX_TEXT_BYTES)):
        (tmp_path / name).touch()
        os.truncate(tmp_path / name, size)
    program = f"""
        import resource
        from pathlib import Path
        from joulewright.errors import ScenarioError
        from joulewright.io.series.findings import Findings
        from joulewright.io.series.opening import open_table
        resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))
        for name in ("a.csv", "b.csv"):
            try:
                open_table(Path({str(tmp_path)!r}) / name)
            except ScenarioError as error:
                print(error.problems[0].code)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        check=False,
    )
    assert (done.stdout.split(), done.stderr) == (["D003", "D002"], "")


def test_csv_needs_no_data_frame_library(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(PLAIN)
    program = f"""
        import sys
        from datetime import datetime, UTC
        from pathlib import Path
        from joulewright.io.series import SeriesReference, read_series
        from joulewright.model import Timeline
        timeline = Timeline(start=datetime(2022, 7, 4, tzinfo=UTC), step_s=3600, steps=4)
        read_series(SeriesReference(path=Path({str(path)!r}), column="load_mw", dimension="power"), timeline)
        print(sorted({{"polars", "pandas", "scipy", "xarray", "pyarrow", "difflib"}} & set(sys.modules)))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_size_text():
    assert (size_text(3_200_000_000), size_text(268_435_456), size_text(10)) == ("3.2 GB", "268.4 MB", "0.0 MB")


def test_a_path_may_be_given_with_a_display_name(tmp_path):
    reference = SeriesReference(path=Path("/data/a.csv"), column="x", dimension="power")
    assert reference.file == "/data/a.csv"
    assert SeriesReference(path=Path("/data/a.csv"), column="x", dimension="power", display="a.csv").file == "a.csv"
