"""Every kind of bad input, through the command line: exit 3, all problems at once, nothing written."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Edit = tuple[str, str]

#: Name, edits of the small scenario, and what the words for people must contain.
BAD: list[tuple[str, list[Edit], list[str]]] = [
    ("unknown key", [("import_limit", "imprt_limit")], ["imprt_limit", "did you mean", "import_limit"]),
    ("wrong unit", [('power = "4 MW"', 'power = "4 MWh"')], ["4 MWh", "power", "MW"]),
    ("unknown unit", [('power = "4 MW"', 'power = "4 mw"')], ["4 mw", "MW"]),
    ("bare number", [('power = "4 MW"', "power = 4")], ["power", "4", "MW", "power_mw"]),
    ("not a quantity", [('power = "4 MW"', 'power = "plenty"')], ["plenty"]),
    ("negative capacity", [('energy = "8 MWh"', 'energy = "-8 MWh"')], ["-8", ">= 0"]),
    ("efficiency in percent", [('"90 %"', "88")], ["88", "0.88", "88 %"]),
    (
        "deadline before release",
        [("deadline = 2022-07-04T20:00:00Z", "deadline = 2022-07-04T01:00:00Z")],
        ["tune", "deadline", "release"],
    ),
    ("job longer than its window", [('duration = "5 h"', 'duration = "30 h"')], ["tune", "30 h", "18 h"]),
    ("job larger than every fleet", [("gpus = 2048", "gpus = 9000")], ["tune", "9000", "4096"]),
    ("duplicate site", [('name = "east"', 'name = "west"')], ["west", "twice"]),
    ("unknown site in a link", [('between = ["west", "east"]', 'between = ["west", "north"]')], ["north", "west"]),
    ("unknown site of a job", [("gpus = 2048", 'gpus = 2048\nsites = ["wst"]')], ["wst", "west"]),
    ("missing series file", [("series.csv", "serie.csv")], ["serie.csv", "does not exist", "series.csv"]),
    ("missing column", [("west_usd_mwh", "west_usd_mhw")], ["west_usd_mhw", "west_usd_mwh"]),
    (
        "wrong schema version",
        [("joulewright/scenario/1", "joulewright/scenario/7")],
        ["joulewright/scenario/7", "scenario/1"],
    ),
    ("no schema", [('schema = "joulewright/scenario/1"\n', "")], ["schema"]),
    ("end before start", [("end = 2022-07-05", "end = 2022-07-03")], ["end", "start"]),
    ("time without zone", [("start = 2022-07-04T00:00:00Z", "start = 2022-07-04T00:00:00")], ["start", "Z"]),
    ("step of two days", [('step = "1 h"', 'step = "2 days"')], ["step", "1 day"]),
    ("step does not divide the horizon", [('step = "1 h"', 'step = "7 h"')], ["step"]),
    ("no toml", [("[time]", "[time")], ["scenario.toml:4"]),
    ("unknown kind", [('kind = "average", scope', 'kind = "avrage", scope')], ["avrage", "average"]),
    ("unknown accelerator", [("H100-SXM", "H100-SXN")], ["H100-SXN", "H100-SXM"]),
    ("other currency", [('value = "50000 USD"', 'value = "50000 EUR"')], ["EUR", "USD"]),
]


@pytest.mark.parametrize(("edits", "words"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_bad_scenario(
    edits: list[Edit], words: list[str], edited: Callable[..., Path], jw: Callable[..., object], tmp_path: Path
) -> None:
    scenario = edited(*edits)
    outcome = jw("check", scenario)
    assert outcome.status == 3, outcome.stderr
    for word in words:
        assert word in outcome.stderr, outcome.stderr
    assert outcome.stdout == ""
    before = sorted(tmp_path.iterdir())
    assert jw("plan", scenario, "-o", tmp_path / "run").status == 3
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("streams", [("stdout", "stderr"), ("stderr",), ("stdout",)], ids="+".join)
@pytest.mark.parametrize(("flags", "edits", "status"), [((), BAD[0][1], 3), (("--json",), BAD[0][1], 3), ((), [], 0)])
def test_a_reader_that_left_changes_no_exit_status(
    streams: tuple[str, ...], flags: tuple[str, ...], edits: list[Edit], status: int, edited: Callable[..., Path]
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    given = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | dict.fromkeys(streams, writing)
    command = [sys.executable, "-m", "joulewright.cli.main", "check", str(edited(*edits)), *flags]
    with subprocess.Popen(command, text=True, **given) as process:
        os.close(writing)
        said = process.communicate(timeout=60)
    assert process.returncode == status, said
    assert "BrokenPipe" not in "".join(text or "" for text in said)


def _rows(path: Path) -> list[str]:
    return (path / "series.csv").read_text(encoding="utf-8").splitlines()


def _without_offset_at_the_change(folder: Path) -> None:
    """Local stamps of a night on which the clock shows 02:00 twice."""
    rows = _rows(folder)
    rows[1:] = [row.replace("Z,", ",") for row in rows[1:]]
    rows[4:4] = [rows[3]]
    (folder / "series.csv").write_text("\n".join(rows[:-1]) + "\n", encoding="utf-8")


def _cell(row: int, value: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        rows = _rows(folder)
        cells = rows[row].split(",")
        cells[1] = value
        rows[row] = ",".join(cells)
        (folder / "series.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")

    return change


def _keep(chosen: slice) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        rows = _rows(folder)
        (folder / "series.csv").write_text("\n".join([rows[0], *rows[1:][chosen]]) + "\n", encoding="utf-8")

    return change


def _drop(row: int) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        rows = _rows(folder)
        del rows[row]
        (folder / "series.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")

    return change


def _write(text: str) -> Callable[[Path], None]:
    return lambda folder: (folder / "series.csv").write_text(text, encoding="utf-8") and None


BAD_SERIES: list[tuple[str, Callable[[Path], None], list[str]]] = [
    ("empty file", _write(""), ["series.csv", "empty"]),
    ("header only", _write("utc,west_usd_mwh,east_usd_mwh,west_g_kwh,east_g_kwh\n"), ["series.csv", "no rows"]),
    ("non-numeric cell", _cell(5, "n/a?"), ["series.csv:6", "n/a?"]),
    ("gap of NaN", _cell(7, "NaN"), ["series.csv", "max_gap"]),
    ("missing hour", _drop(9), ["series.csv", "2022-07-04"]),
    ("two 02:00 without offset", _without_offset_at_the_change, ["series.csv", "02:00"]),
    ("series too short", _keep(slice(0, 20)), ["series.csv", "2022-07-04"]),
    ("series starts late", _keep(slice(3, None)), ["series.csv", "2022-07-04"]),
    ("rows out of order", _keep(slice(None, None, -1)), ["series.csv"]),
]


@pytest.mark.parametrize(("spoil", "words"), [case[1:] for case in BAD_SERIES], ids=[case[0] for case in BAD_SERIES])
def test_bad_series(
    spoil: Callable[[Path], None], words: list[str], small: Path, jw: Callable[..., object], tmp_path: Path
) -> None:
    spoil(tmp_path)
    outcome = jw("check", small)
    assert outcome.status == 3, outcome.stderr
    for word in words:
        assert word in outcome.stderr, outcome.stderr


def test_declared_step_differs_from_the_stamps(edited, jw) -> None:
    scenario = edited(('column = "west_usd_mwh" }', 'column = "west_usd_mwh", step = "30 min" }'))
    outcome = jw("check", scenario)
    assert outcome.status == 3
    assert "30 min" in outcome.stderr


def test_a_leap_day_is_a_day_like_any_other(edited, jw, tmp_path) -> None:
    scenario = edited(
        ("start = 2022-07-04T00:00:00Z", "start = 2024-02-29T00:00:00Z"),
        ("end = 2022-07-05T00:00:00Z", "end = 2024-03-01T00:00:00Z"),
        ("release = 2022-07-04T02:00:00Z", "release = 2024-02-29T02:00:00Z"),
        ("deadline = 2022-07-04T20:00:00Z", "deadline = 2024-02-29T20:00:00Z"),
    )
    series = tmp_path / "series.csv"
    series.write_text(series.read_text().replace("2022-07-04", "2024-02-29"))
    assert jw("check", scenario).status == 0
    series.write_text(series.read_text().replace("2024-02-29", "2024-02-28"))
    assert jw("check", scenario).status == 3


def test_hour_ending_solar_declared_as_start_is_a_warning(edited, jw, tmp_path, series_of) -> None:
    """The centre of two clear days' irradiance lies one hour after solar noon: the stamps end their hours."""
    noon_h = 12.0  # at longitude 0 within a few minutes
    rows = ["utc,ghi_w_m2"]
    for hour in range(48):
        ghi = max(0.0, 800.0 - 22.0 * (hour % 24 - 0.5 - noon_h) ** 2)
        rows.append(f"2022-07-{4 + hour // 24:02d}T{hour % 24:02d}:00:00Z,{ghi:.1f}")
    (tmp_path / "series.csv").write_text(series_of(48), encoding="utf-8")
    (tmp_path / "sun.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    scenario = edited(
        ("end = 2022-07-05", "end = 2022-07-06"),
        (
            'name = "west"\npue = 1.2',
            'name = "west"\npue = 1.2\n'
            'location = { latitude = 40.0, longitude = 0.0, time_zone = "UTC" }\n'
            'weather = { file = "sun.csv", ghi = "ghi_w_m2", temperature = "20 degC", label = "start" }',
        ),
        ("[[site.battery]]", '[[site.solar]]\nname = "roof"\ncapacity = "2 MW"\n[[site.battery]]'),
    )
    outcome = jw("check", scenario)
    assert outcome.status == 0, outcome.stderr
    assert "warning[T012]" in outcome.stderr
    assert 'label = "end"' in outcome.stderr
    assert jw("check", scenario, "--strict").status == 3


def test_all_problems_are_listed_at_once(edited, jw) -> None:
    scenario = edited(
        ('power = "4 MW"', "power = 4"),
        ("gpus = 2048", "gpuz = 2048"),
        ('between = ["west", "east"]', 'between = ["west", "north"]'),
        ('duration = "5 h"', 'duration = "5 MW"'),
    )
    outcome = jw("check", scenario, "--json")
    assert outcome.status == 3
    document = outcome.document
    assert document["error"]["code"] == "invalid-input"
    errors = [finding for finding in document["diagnostics"] if finding["severity"] == "error"]
    assert len(errors) >= 4
    assert {"code", "severity", "message", "file", "line", "column", "key", "help"} <= set(errors[0])
    assert all(finding["file"].endswith("scenario.toml") for finding in errors)
    lines = [finding["line"] for finding in errors]
    assert all(isinstance(line, int) for line in lines)


def test_missing_scenario_file(jw, tmp_path) -> None:
    outcome = jw("check", tmp_path / "nothing.toml")
    assert outcome.status == 3
    assert "does not exist" in outcome.stderr
    assert "jw init" in outcome.stderr


def test_a_folder_as_scenario(jw, tmp_path) -> None:
    assert jw("check", tmp_path).status == 3


def test_bad_override(small, jw) -> None:
    outcome = jw("check", small, "--set", "site.west.batery.cells.energy=3 MWh")
    assert outcome.status == 3
    assert "batery" in outcome.stderr
    outcome = jw("check", small, "--set", "no equals sign")
    assert outcome.status == 3
    assert "no equals sign" in outcome.stderr


def test_a_huge_file_is_refused_early(edited, jw, tmp_path) -> None:
    """A sparse file of 2 GB takes no disk; reading it all would take minutes and memory."""
    with (tmp_path / "huge.csv").open("wb") as stream:
        stream.write(b"utc,west_usd_mwh\n")
        stream.truncate(2_000_000_000)
    scenario = edited(("series.csv", "huge.csv"))
    outcome = jw("check", scenario)
    assert outcome.status == 3
    assert "huge.csv" in outcome.stderr


def test_a_damaged_gzip_file(edited, jw, tmp_path) -> None:
    packed = gzip.compress((tmp_path / "series.csv").read_bytes())
    (tmp_path / "series.csv.gz").write_bytes(packed[: len(packed) // 2])
    outcome = jw("check", edited(("series.csv", "series.csv.gz")))
    assert outcome.status == 3
    assert "gzip" in outcome.stderr
