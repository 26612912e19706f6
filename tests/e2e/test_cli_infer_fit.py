"""``jw infer calibrate`` and ``validate``: files, tables, documents, and every kind of bad input."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from joulewright.physics.inference.constants import CONSTANT_SETS
from joulewright.physics.inference.deployment import coefficients, deploy
from joulewright.physics.inference.workload import BatchWorkload, mean_step

TRUTH = replace(CONSTANT_SETS["H100-1"], name="truth", p0_w=230.0, eta_b=0.8)
HEADER = "model,accelerator,gpus,sequences,input_tokens,output_tokens,iteration_s,power_w\n"


def measured(models: dict[str, int], *, factor: float = 1.0) -> str:
    """Rows that known constants would give, power times a factor."""
    rows = []
    for model, gpus in models.items():
        k = coefficients(deploy(model, "H100", tensor_parallel=gpus, constants=TRUTH))
        for sequences in (8, 16, 32, 64, 128, 256):
            found = mean_step(k, BatchWorkload(sequences=sequences, input_tokens=400.0, output_tokens=300.0))
            time_s, power_w = float(found.time_s[0]), factor * float(found.power_w[0])
            rows.append(f"{model},H100,{gpus},{sequences},400,300,{time_s!r},{power_w!r}")
    return HEADER + "\n".join(rows) + "\n"


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Two models, six batches each."""
    path = tmp_path / "runs.csv"
    path.write_text(measured({"Llama-3.1-8B": 1, "Llama-3.1-70B": 4}), encoding="utf-8")
    return path


def test_calibrate_and_use_the_constants(jw, runs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "fit"
    outcome = jw("infer", "calibrate", runs, "--accelerator", "H100", "-o", folder)
    assert outcome.status == 0, outcome.stderr
    for words in ("Mean absolute errors", "leave one model out", "eta_b", "MFU-only power"):
        assert words in outcome.stdout
    names = {path.name for path in folder.iterdir()}
    assert names == {"infer.json", "calibration.json", "report.html", "runs.parquet", "groups.parquet"}
    document = jw("infer", "calibrate", runs, "--json", "-o", tmp_path / "constants.json").document
    (errors,) = document["errors"]
    assert errors["fitted_power"] < 0.02
    assert document["written"] == [str(tmp_path / "constants.json")]
    frame = pl.read_parquet(folder / "runs.parquet")
    assert frame.height == 12
    assert frame["error_power_w"].abs().mean() == pytest.approx(errors["power"])
    simulated = [
        jw("infer", "simulate", "even:rate=2,requests=20", "--model", "Llama-3.1-8B", "--accelerator", "H100",
           "--constants", where, "--json").document
        for where in (folder, tmp_path / "constants.json")
    ]  # fmt: skip
    assert simulated[0]["figures"] == simulated[1]["figures"]
    assert simulated[0]["standing"]["constants"] == "calibrated"
    assert simulated[0]["standing"]["power_error"] == pytest.approx(errors["power"])


def test_validate_says_how_far_off_and_by_which_predictor(jw, tmp_path: Path, runs: Path) -> None:
    (tmp_path / "off.csv").write_text(measured({"Llama-3.1-8B": 1}, factor=0.8), encoding="utf-8")
    assert jw("infer", "calibrate", runs, "-o", tmp_path / "fit", "-q").status == 0
    options = ("--constants", tmp_path / "fit", "--json", "-q")
    right = jw("infer", "validate", runs, *options).document
    off = jw("infer", "validate", tmp_path / "off.csv", *options).document
    kinds = [next(row for row in found["groups"] if row["grouping"] == "kind") for found in (right, off)]
    assert kinds[0]["power_error"] < 0.02
    assert kinds[1]["power_bias"] == pytest.approx(1.25 * (1.0 + kinds[0]["power_bias"]) - 1.0, abs=0.02)
    assert kinds[1]["levels"] == "step model"
    assert all(row["mfu_power_error"] > 0.1 for row in kinds)


def test_validate_by_other_batches_interpolates(jw, runs: Path, tmp_path: Path) -> None:
    outcome = jw("infer", "validate", runs, "--leave-out", "batch", "-o", tmp_path / "run")
    assert outcome.status == 0, outcome.stderr
    frame = pl.read_parquet(tmp_path / "run" / "runs.parquet")
    inside = frame.filter(pl.col("sequences").is_between(9, 200))
    assert set(inside["level"]) == {"interpolated"}
    assert inside["error_power_w"].abs().max() < 0.05
    assert "interpolated" in outcome.stdout


def test_validate_leans_on_references(jw, runs: Path, tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text(HEADER + runs.read_text("utf-8").splitlines()[3] + "\n", encoding="utf-8")
    (tmp_path / "rest.csv").write_text(measured({"Llama-3.1-8B": 1}).replace(",32,400", ",34,400"), encoding="utf-8")
    document = jw("infer", "validate", tmp_path / "one.csv", "--references", tmp_path / "rest.csv", "--json").document
    assert document["groups"][0]["levels"] == "interpolated"
    assert document["references"]["runs"] == 6


def test_the_measured_runs_of_the_benchmark(jw, shared: Path, tmp_path: Path) -> None:
    path = shared / "data" / "inference" / "mlenergy_v3_h100.csv"
    if not path.is_file():
        pytest.skip("the measured runs are not among the reference data")
    document = jw("infer", "validate", path, "--leave-out", "batch", "--json").document
    kinds = {row["group"]: row for row in document["groups"] if row["grouping"] == "kind"}
    assert kinds["experts"]["power_error"] < 0.04
    assert kinds["experts"]["energy_error"] < 0.04
    assert kinds["dense"]["mfu_power_error"] > 0.25


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("calibrate", "absent.csv"), 6, ["absent.csv"]),
        (("calibrate", "NAN"), 3, ["row 2", "power_w is nan"]),
        (("calibrate", "BLANK"), 3, ["row 2", "power_w is empty"]),
        (("calibrate", "EMPTY"), 3, ["0 rows"]),
        (("calibrate", "FEW"), 3, ["at least 6"]),
        (("calibrate", "SUM"), 3, ["is it the sum over accelerators"]),
        (("calibrate", "KILO"), 3, ["is it in kW"]),
        (("calibrate", "RUNS", "--accelerator", "B200"), 3, ["no runs on B200", "H100-SXM"]),
        (("calibrate", "RUNS", "-o", "."), 6, ["is not a serving-run folder"]),
        (("validate", "RUNS", "--constants", "H100-99"), 3, ["neither a file nor a known set"]),
        (("validate", "RUNS", "--constants", "RUNS"), 6, ["not JSON"]),
        (("validate", "RUNS", "--constants", "OTHER"), 3, ["schema"]),
        (("validate", "RUNS", "--leave-out", "some"), 2, ["--leave-out"]),
        (("validate", "RUNS", "--references", "absent.csv"), 6, ["absent.csv"]),
        (("validate",), 2, ["MEASUREMENTS"]),
    ],
)  # fmt: skip
def test_bad_measurements(
    arguments: tuple[str, ...], status: int, words: list[str], jw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = "Llama-3.1-8B,H100,1,8,400,300,0.01,"
    files = {
        "NAN": HEADER + row + "nan\n",
        "BLANK": HEADER + row + "\n",
        "EMPTY": HEADER,
        "FEW": HEADER + row + "500\n",
        "SUM": HEADER + row + "4000\n",
        "KILO": HEADER + row + "0.5\n",
        "RUNS": measured({"Llama-3.1-8B": 1}),
        "OTHER": json.dumps({"schema": "other/1"}),
    }
    for name, text in files.items():
        (tmp_path / f"{name.lower()}.csv").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    given = [f"{item.lower()}.csv" if item in files else item for item in arguments]
    before = sorted(path.name for path in tmp_path.iterdir())
    target = [] if "-o" in given else ["-o", "run"]
    outcome = jw("infer", *given, *target)
    assert outcome.status == status, outcome.stderr
    for word in words:
        assert word in outcome.stderr
    assert outcome.stdout == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_configure_with_constants_of_the_user(jw, runs: Path, tmp_path: Path) -> None:
    """A calibration knows its accelerator; the other keeps the shipped set, and a note says so."""
    rates = ("--rate", "6", "--rate", "2", "--lengths", "constant", "--requests", "200", "--tpot", "50 ms")
    pair = ("--accelerator", "H100", "--accelerator", "L40S", "--tensor-parallel", "1", "--max-sequences", "64")
    assert jw("infer", "calibrate", runs, "-o", tmp_path / "fitted", "--name", "mine", "-q").status == 0
    command = ("infer", "configure", "--model", "Llama-3.1-8B", *rates, *pair, "--json")
    shipped, outcome = jw(*command), jw(*command, "--constants", tmp_path / "fitted")
    assert outcome.status == 0, outcome.stderr
    assert "No constants are given for L40S (L40S-uncalibrated)" in outcome.stderr
    assert "No constants" not in shipped.stderr
    before, after = (
        {row["configuration"].split()[0]: row["energy_kwh"] for row in document["configurations"]}
        for document in (shipped.document, outcome.document)
    )
    assert set(after) == {"H100-SXM", "L40S"}
    assert after["L40S"] == before["L40S"]
    assert after["H100-SXM"] > 1.02 * before["H100-SXM"]  # a stepping engine draws 230 W instead of 198 W


def test_columns_that_nobody_reads_are_told(jw, tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    row = "Llama-3.1-8B,H100,1,8,400,300,0.01,500"
    path.write_text(f"{HEADER.rstrip()},driver\n{row},560.35\n", encoding="utf-8")
    document = jw("infer", "validate", path, "--json").document
    assert "runs.csv: the column 'driver' is not read" in document["notes"]
    path.write_text(path.read_text("utf-8").replace("driver", "precisions"), encoding="utf-8")
    outcome = jw("infer", "validate", path)
    assert outcome.status == 3
    assert "column 'precisions' is not read; rename it to precision, or drop it" in outcome.stderr
