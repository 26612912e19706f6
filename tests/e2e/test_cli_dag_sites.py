"""``jw dag simulate --site``: files, documents, tables, references, and every kind of bad input."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from joulewright.data.dag_generator import generate_dag_jobs
from joulewright.io.dag_files import write_dag_jobs

GENERATED = "generated:fork-join,jobs=4,seed=1"
TWO = ("--site", "east:executors=6", "--site", "west:zone=CA-ON,executors=4")
MOVED = ("--home", "east:input_gb=2", "--link", "east/west:gb_per_s=1,kwh_per_gb=0.1", "--placement", "lowest-signal")


@pytest.fixture
def series(tmp_path: Path) -> Path:
    rows = [f"2022-07-{4 + hour // 24:02d}T{hour % 24:02d}:00Z,{hour},{hour * 2}" for hour in range(48)]
    path = tmp_path / "signal.csv"
    path.write_text("utc,ci_g_kwh,price_eur_mwh\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return path


def test_a_folder_of_several_sites(jw, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    outcome = jw("dag", "simulate", GENERATED, *TWO, *MOVED, "--scheduler", "spade", "-o", folder, "--json")
    assert outcome.status == 0, outcome.stderr
    assert "reference: Lechowicz, A. et al." in outcome.stderr
    document, manifest = outcome.document, json.loads((folder / "dag.json").read_text("utf-8"))
    assert manifest["kind"] == "sites"
    for name, seal in manifest["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == seal["sha256"]
    east, west = document["sites"]
    assert (east["site"], east["jobs"], west["jobs"]) == ("east", 0, 4)
    assert (west["signal"]["source"], west["cluster"]["executors"]) == ("synthetic year of CA-ON", 4)
    assert len(document["transfers"]) == 4
    assert {row["target"] for row in document["transfers"]} == {"west"}
    assert document["figures"]["transfer_kwh"] == pytest.approx(0.8)
    sent = sum(row["cost"] for row in document["transfers"])
    assert sent + east["cost"] + west["cost"] == pytest.approx(document["figures"]["cost"])
    assert document["references"][0]["bibtex"].startswith("@inproceedings{lechowicz2025")
    assert document["links"]["all"]["gb_per_s"] is None
    tables = {"sites", "jobs", "transfers", "tasks", "steps"}
    assert {path.name for path in folder.iterdir()} == {
        "dag.json",
        "report.html",
        *(f"{one}.parquet" for one in tables),
    }
    jobs, steps = pl.read_parquet(folder / "jobs.parquet"), pl.read_parquet(folder / "steps.parquet")
    assert jobs["site"].to_list() == ["west"] * 4
    assert ((jobs["ready_ms"] - jobs["arrival_ms"]) == 2000).all()
    assert steps["cost"].sum() == pytest.approx(east["cost"] + west["cost"])
    again = jw("dag", "simulate", GENERATED, "-o", folder, "-q", "--no-report")
    assert again.status == 0
    assert not (folder / "transfers.parquet").exists()


def test_sites_in_a_terminal(jw) -> None:
    outcome = jw("dag", "simulate", GENERATED, *TWO, *MOVED)
    assert outcome.status == 0, outcome.stderr
    for words in ("Sites", "east", "west", "transfers (8.00", "Mean completion time", "all"):
        assert words in outcome.stdout
    assert "synthetic year of CA-ON" in outcome.stderr
    quiet = jw("dag", "simulate", GENERATED, *TWO, "-q")
    assert (quiet.status, quiet.stderr) == (0, "")


def test_homes_of_a_file_stay(jw, tmp_path: Path) -> None:
    first, *rest = generate_dag_jobs("fork-join", jobs=3, seed=1)
    path = write_dag_jobs(tmp_path / "jobs.json", [replace(first, home="west", input_gb=5.0), *rest])
    options = ("--placement", "home", "--home", "east:input_gb=1", "--json", "-q")
    document = jw("dag", "simulate", path, *TWO, *options).document
    assert [row["jobs"] for row in document["sites"]] == [2, 1]
    assert document["transfers"] == []


def test_options_of_a_site_come_before_those_for_all(jw, series: Path) -> None:
    options = (
        "--signal",
        series,
        "--column",
        "ci_g_kwh",
        "--executors",
        "9",
        "--idle-power",
        "50 W",
        "--hour",
        "1 min",
    )
    sites = ("--site", "plain", "--site", "own:executors=3,idle_power=0.2 kW,mean_up=1 h,repair=2 min",
             "--site", "other:zone=DE-LU", "--site", f"again:signal={series}")  # fmt: skip
    document = jw(
        "dag", "simulate", GENERATED, *options, *sites, "--start", "2022-07-04T06:00Z", "--json", "-q"
    ).document
    assert document["start"] == "2022-07-04T06:00:00+00:00"
    clusters = [row["cluster"] for row in document["sites"]]
    assert [one["executors"] for one in clusters] == [9, 3, 9, 9]
    assert [one["idle_power_kw"] for one in clusters] == pytest.approx([0.05, 0.2, 0.05, 0.05])
    assert (clusters[1]["mean_up_ms"], clusters[1]["repair_ms"]) == (3_600_000.0, 120_000)
    made_up = [row["signal"]["synthetic"] for row in document["sites"]]
    assert made_up == [False, False, True, False]


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("--link", "all:gb_per_s=1"), 2, ["--link belongs to --site"]),
        (("--placement", "home"), 2, ["--placement belongs to --site"]),
        (("--home", "east"), 2, ["--home belongs to --site"]),
        ((*TWO, "--placement", "nearby"), 2, ["no placement 'nearby'", "least-cost"]),
        ((*TWO, "--placement", "least-cost:most_delay_ms=-1"), 2, ["most_delay_ms is -1.0"]),
        ((*TWO, "--site", "east"), 3, ["two sites are called 'east'"]),
        ((*TWO, "--home", "north"), 3, ["home at 'north'", "there are east, west"]),
        ((*TWO, "--home", "east:input_gb=-3"), 3, ["input_gb", "-3"]),
        ((*TWO, "--home", "east:input=3"), 2, ["has no 'input'", "did you mean 'input_gb'"]),
        ((*TWO, "--link", "east/north:gb_per_s=1"), 3, ["a link leads to 'north'"]),
        ((*TWO, "--link", "east:gb_per_s=1"), 2, ["names no pair", "ONE/OTHER"]),
        ((*TWO, "--link", "east/east:gb_per_s=1"), 2, ["names no pair"]),
        ((*TWO, "--link", "all:gb_per_s=0"), 3, ["0.0 GB/s", "any positive number"]),
        ((*TWO, "--link", "all:gb_per_s=fast"), 2, ["gb_per_s is 'fast', which is no number"]),
        ((*TWO, "--link", "east/west:latency_ms=1", "--link", "west/east:latency_ms=2"), 2, ["given twice"]),
        (("--site", ":executors=3"), 2, ["begins with no name"]),
        (("--site", "east:executors"), 2, ["'executors' of 'east' is not of the form name=value"]),
        (("--site", "east:executors=2.5"), 2, ["executors is '2.5', which is no whole number"]),
        (("--site", "east:executors=0"), 3, ["a cluster of 0 executors"]),
        (("--site", "east:power=3"), 2, ["--site east: power", "unit"]),
        (("--site", "east:exec=3"), 2, ["has no 'exec'", "did you mean 'executors'"]),
        (("--site", "east:zone=MARS"), 3, ["no zone 'MARS'"]),
        (("--site", "east:zone=DE-LU,signal=a.csv"), 2, ["a signal and a zone"]),
        (("--site", "east:signal=absent.csv"), 3, ["absent.csv"]),
        (("--site", "east:signal=signal.csv,column=ci_g_kwh", "--site", "west:signal=signal.csv,column=price_eur_mwh"),
         3, ["different units", "EUR/MWh at 'west'"]),
        (("--site", "east:signal=signal.csv", "--site", "west", "--start", "9999"), 3, ["9999", "outside the signal"]),
        (("--site", "east:signal=signal.csv,column=ci_g_kwh,executors=1", "--start", "47"), 3,
         ["of the signal of site 'east', which holds 1 h"]),
    ],
)  # fmt: skip
def test_bad_sites(
    arguments: tuple[str, ...], status: int, words: list[str], jw, series: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    outcome = jw("dag", "simulate", GENERATED, *arguments, "-q", "-o", "run")
    assert outcome.status == status, outcome.stderr
    assert outcome.stdout == ""
    for word in words:
        assert word in outcome.stderr
    assert [path.name for path in tmp_path.iterdir()] == [series.name]
