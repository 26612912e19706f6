"""``jw infer calibrate`` and ``validate`` on other accelerators, own models, and constants of another accelerator."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from joulewright.physics.accelerator import find_accelerator
from joulewright.physics.inference.constants import constants_for
from joulewright.physics.inference.deployment import coefficients, deploy
from joulewright.physics.inference.workload import BatchWorkload, mean_step

COLUMNS = (
    *("model", "accelerator", "gpus", "sequences", "input_tokens", "output_tokens", "workload", "iteration_ms"),
    "power_w",
)
FITTED = {"Llama-3.1-8B": 1, "Qwen3-14B": 1, "Llama-3.1-70B": 8}
UNSEEN = {"Qwen3-8B": 1, "Qwen3-32B": 4}
EXPERTS = {"Qwen3-30B-A3B": 2, "Mixtral-8x7B": 4, "Qwen3-235B-A22B": 8}
LENGTHS = ((600, 300, "chat"), (6000, 300, "chat"), (1500, 40, "code"))
"""Prompt, answer and label of the requests; two lengths share a label."""
CONFIG = {
    "num_hidden_layers": 36,
    "hidden_size": 4096,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "intermediate_size": 12288,
    "vocab_size": 151936,
    "max_position_embeddings": 40960,
}


def measure(
    path: Path,
    accelerator: str,
    models: dict[str, int],
    *,
    names: dict[str, str] | None = None,
    lengths: tuple[tuple[int, int, str], ...] = LENGTHS[:1],
) -> Path:
    """Runs of an engine that is slower and thriftier than the general constants say, with noise."""
    random = np.random.default_rng(1)
    known = constants_for(find_accelerator(accelerator))
    truth = replace(
        known, name="truth", eta_b=0.72, t0_s=0.0, t_layer_s=9e-5, t_seq_s=3e-5, p0_w=0.8 * known.p0_w,
        eta_expert=0.5, t_expert_s=4e-5, expert_variety=0.6, expert_popularity_variance=1.0,
    )  # fmt: skip
    rows = [",".join(COLUMNS)]
    for model, gpus in models.items():
        k = coefficients(deploy(model, accelerator, tensor_parallel=gpus, constants=truth))
        for sequences, (prompt, answer, workload) in product((1, 4, 16, 64), lengths):
            mean = mean_step(k, BatchWorkload(sequences=sequences, input_tokens=prompt, output_tokens=answer))
            noise = random.lognormal(0.0, 0.02, 2)
            power_w = min(float(mean.power_w[0] * noise[1]), k.board_w)
            what = f"{(names or {}).get(model, model)},{accelerator},{gpus},{sequences},{prompt},{answer},{workload}"
            rows.append(f"{what},{1e3 * mean.time_s[0] * noise[0]},{power_w}")
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def kind(document: dict[str, Any]) -> dict[str, Any]:
    (found,) = (row for row in document["groups"] if row["grouping"] == "kind")
    return found


@pytest.mark.parametrize("accelerator", ["B200", "A100-SXM", "MI300X"])
def test_constants_of_another_accelerator_predict_models_that_were_not_fitted(
    jw: Any, tmp_path: Path, accelerator: str
) -> None:
    fitted = measure(tmp_path / "fitted.csv", accelerator, FITTED)
    unseen = measure(tmp_path / "unseen.csv", accelerator, UNSEEN)
    constants = tmp_path / "constants.json"
    assert jw("infer", "calibrate", fitted, "-o", constants, "-q").status == 0
    before = kind(jw("infer", "validate", unseen, "--json").document)
    found = jw("infer", "validate", unseen, "--constants", constants, "--json").document
    after = kind(found)
    assert after["time_error"] < min(0.1, before["time_error"])
    assert after["power_error"] < min(0.08, before["power_error"])
    assert after["energy_error"] < 0.12
    assert found["constants"] == str(constants)
    curve = jw(
        "infer", "curve", "--model", "Qwen3-8B", "--accelerator", accelerator, "--constants", constants, "--json"
    )
    (deployment,) = curve.document["deployments"]
    assert deployment["standing"]["status"] == f"calibrated: 12 runs on {accelerator}"


def test_runs_on_an_accelerator_that_the_constants_are_not_of(jw: Any, tmp_path: Path) -> None:
    both = tmp_path / "both.csv"
    lines = [
        measure(tmp_path / "part.csv", name, {"Llama-3.1-8B": 1, "Qwen3-14B": 1}).read_text("utf-8").splitlines()
        for name in ("B200", "A100-SXM")
    ]
    both.write_text("\n".join(lines[0] + lines[1][1:]) + "\n", encoding="utf-8")
    fit = tmp_path / "fit.json"
    outcome = jw("infer", "calibrate", both, "-o", fit)
    assert (outcome.status, fit.exists()) == (3, False)
    assert "2 accelerators (A100-SXM, B200); calibrate one at a time, with --accelerator" in outcome.stderr
    assert jw("infer", "calibrate", both, "--accelerator", "B200", "-o", fit, "-q").status == 0
    for constants, way_out in ((fit, "keep those 8 runs with --accelerator B200"), ("H100-2", "calibrate it")):
        outcome = jw("infer", "validate", both, "--constants", constants)
        assert outcome.status == 3
        assert way_out in outcome.stderr
    assert "8 runs of" in jw("infer", "validate", both, "--constants", fit).stderr
    kept = jw("infer", "validate", both, "--constants", fit, "--accelerator", "B200", "--json")
    assert kept.document["measurements"]["runs"] == 8
    assert jw("infer", "validate", both, "--json").document["constants"] == "B200-1, A100-1"
    for leave_out in ("model", "batch"):
        frame = jw("infer", "validate", both, "--leave-out", leave_out, "-o", tmp_path / leave_out)
        assert frame.status == 0, frame.stderr
        assert set(pl.read_parquet(tmp_path / leave_out / "runs.parquet")["accelerator"]) == {"B200", "A100-SXM"}


@pytest.mark.parametrize("command", ["curve", "simulate"])
def test_a_named_set_of_another_accelerator_is_refused(jw: Any, command: str) -> None:
    trace = ["even:rate=1,requests=3"] if command == "simulate" else []
    options = ("--model", "Llama-3.1-8B", "--accelerator", "L40S", "--constants", "H100-2")
    outcome = jw("infer", command, *trace, *options)
    assert outcome.status == 3
    assert "the constants H100-2 are of H100-SXM, but the service runs on L40S" in outcome.stderr


def test_models_of_configurations_beside_the_measurements(jw: Any, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    runs = measure(tmp_path / "runs.csv", "H100-SXM", {"Qwen3-8B": 1, "Llama-3.1-8B": 1}, names={"Qwen3-8B": "mine"})
    document = jw("infer", "calibrate", runs, "--json", "-o", tmp_path / "fit").document
    assert document["measurements"]["models"] == ["mine", "Llama-3.1-8B"]
    runs.write_text(runs.read_text("utf-8").replace("mine,", "mine/config.json,"), encoding="utf-8")
    assert jw("infer", "calibrate", runs, "-o", tmp_path / "again").status == 0
    runs.write_text(runs.read_text("utf-8").replace("mine/config.json,", "other.json,"), encoding="utf-8")
    outcome = jw("infer", "calibrate", runs, "-o", tmp_path / "third")
    assert (outcome.status, (tmp_path / "third").exists()) == (6, False)
    assert "language model 'other.json' cannot be read: there is no file" in outcome.stderr


def test_runs_are_never_predicted_from_themselves(jw: Any, tmp_path: Path) -> None:
    runs = measure(tmp_path / "runs.csv", "H100-SXM", {"Llama-3.1-8B": 1})
    document = jw("infer", "validate", runs, "--references", runs, "--json").document
    assert kind(document)["levels"] == "step model"
    assert "4 references are runs to predict and are left out" in document["notes"]


@pytest.mark.parametrize("accelerator", ["B200", "H200-SXM"])
def test_models_with_experts_on_another_accelerator(jw: Any, tmp_path: Path, accelerator: str) -> None:
    """Runs of experts alone, of several lengths under one label: fitted, interpolated, and no word on dense models."""
    runs = measure(tmp_path / "runs.csv", accelerator, EXPERTS, lengths=LENGTHS)
    constants = tmp_path / "constants.json"
    document = jw("infer", "calibrate", runs, "-o", constants, "--json").document
    (errors,) = document["errors"]
    assert errors["kind"] == "experts"
    assert max(errors["fitted_time"], errors["fitted_power"]) < 0.04
    assert max(errors["time"], errors["power"]) < 0.15
    (fitted,) = document["fitted"]
    assert (fitted["kind"], fitted["time_error"]) == ("experts bf16", errors["time"])
    notes = "\n".join(document["notes"])
    assert "0 runs of dense models are too few to fit" in notes
    assert "no runs of models with experts in 8 bits: their overhead is a general guess" in notes
    left = jw("infer", "validate", runs, "--leave-out", "batch", "--json").document
    # Neighbours are sixteenfold apart, and the constants of experts on these accelerators are guesses.
    levels = {row["levels"]: row for row in left["groups"] if row["grouping"] == "level"}
    assert max(levels["interpolated"][key] for key in ("time_error", "power_error", "energy_error")) < 0.11
    for model, level in (("Qwen3-30B-A3B", "step model"), ("Llama-3.1-8B", "uncalibrated")):
        curve = jw("infer", "curve", "--model", model, "--accelerator", accelerator, "--constants", constants, "--json")
        standing = curve.document["deployments"][0]["standing"]
        assert standing["level"] == level
        assert standing["time_error"] == (errors["time"] if level == "step model" else None)


def test_dense_models_of_several_lengths_on_another_accelerator(jw: Any, tmp_path: Path) -> None:
    fitted = measure(tmp_path / "fitted.csv", "A100-SXM", FITTED, lengths=LENGTHS)
    unseen = measure(tmp_path / "unseen.csv", "A100-SXM", UNSEEN, lengths=LENGTHS)
    constants = tmp_path / "constants.json"
    assert jw("infer", "calibrate", fitted, "-o", constants, "-q").status == 0
    found = kind(jw("infer", "validate", unseen, "--constants", constants, "--json").document)
    assert max(found["time_error"], found["power_error"]) < 0.06
    batches = kind(jw("infer", "validate", fitted, "--leave-out", "batch", "--json").document)
    assert max(batches["time_error"], batches["power_error"]) < 0.06
    # One short prompt between two others of the same label and a long one: the long one must not be averaged in.
    rows = fitted.read_text("utf-8").splitlines()
    own = [row for row in rows if row.startswith("Llama-3.1-8B,") and ",chat," in row]
    (tmp_path / "asked.csv").write_text("\n".join([rows[0], own[2]]) + "\n", encoding="utf-8")
    (tmp_path / "others.csv").write_text("\n".join([rows[0], own[0], own[4], own[3]]) + "\n", encoding="utf-8")
    asked = jw("infer", "validate", tmp_path / "asked.csv", "--references", tmp_path / "others.csv", "--json").document
    assert kind(asked)["levels"] == "interpolated"
    assert kind(asked)["time_error"] < 0.06


def test_a_scenario_takes_a_calibration(jw: Any, tmp_path: Path, files: Any) -> None:
    runs = measure(tmp_path / "runs.csv", "A100-SXM", FITTED)
    assert jw("infer", "calibrate", runs, "-o", files.folder / "fit", "-q").status == 0
    plain = 'throughput = "2400 token/s"\nactive_power = "640 W"\n'
    profile = 'profile = "Llama-3.1-8B"\ninput_tokens = 500\noutput_tokens = 250\n'
    loads_mwh = []
    for constants in ("", 'constants = "fit"\n'):
        scenario = files.path(files.edit((plain, profile + 'sites = ["b"]\n' + constants)))
        checked = jw("check", scenario, "--json")
        assert checked.status == 0, checked.stderr
        planned = jw("plan", scenario, "--json", "--time-limit", "20")
        assert planned.status == 0, planned.stderr
        loads_mwh.append(planned.document["figures"]["facility_load_mwh"])
    # The slower, thriftier engine of the calibration, beside training that draws most of 40 MWh.
    assert abs(loads_mwh[1] - loads_mwh[0]) > 0.01
    scenario = files.path(files.edit((plain, profile + 'constants = "elsewhere"\n')))
    refused = jw("check", scenario)
    assert refused.status == 3
    assert "constants 'elsewhere' are neither a file nor a known set" in refused.stdout + refused.stderr
