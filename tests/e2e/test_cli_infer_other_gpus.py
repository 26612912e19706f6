"""``jw infer calibrate`` and ``validate`` on other accelerators, own models, and constants of another accelerator."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from joulewright.physics.accelerator import find_accelerator
from joulewright.physics.inference.constants import constants_for
from joulewright.physics.inference.deployment import coefficients, deploy
from joulewright.physics.inference.workload import BatchWorkload, mean_step

COLUMNS = ("model", "accelerator", "gpus", "sequences", "input_tokens", "output_tokens", "iteration_ms", "power_w")
FITTED = {"Llama-3.1-8B": 1, "Qwen3-14B": 1, "Llama-3.1-70B": 8}
UNSEEN = {"Qwen3-8B": 1, "Qwen3-32B": 4}
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


def measure(path: Path, accelerator: str, models: dict[str, int], *, names: dict[str, str] | None = None) -> Path:
    """Runs of an engine that is slower and thriftier than the general constants say, with noise."""
    random = np.random.default_rng(1)
    known = constants_for(find_accelerator(accelerator))
    truth = replace(known, eta_b=0.72, t0_s=0.0, t_layer_s=9e-5, t_seq_s=3e-5, p0_w=0.8 * known.p0_w, name="truth")
    rows = [",".join(COLUMNS)]
    for model, gpus in models.items():
        k = coefficients(deploy(model, accelerator, tensor_parallel=gpus, constants=truth))
        for sequences in (1, 4, 16, 64):
            mean = mean_step(k, BatchWorkload(sequences=sequences, input_tokens=600.0, output_tokens=300.0))
            noise = random.lognormal(0.0, 0.02, 2)
            power_w = min(float(mean.power_w[0] * noise[1]), k.board_w)
            name = (names or {}).get(model, model)
            rows.append(f"{name},{accelerator},{gpus},{sequences},600,300,{1e3 * mean.time_s[0] * noise[0]},{power_w}")
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
