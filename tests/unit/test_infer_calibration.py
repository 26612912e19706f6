"""Measurements, calibration on runs with known constants, and its warnings."""

from __future__ import annotations

import csv
import math
from dataclasses import asdict, replace

import numpy as np
import pytest

from joulewright.errors import DataError, ScenarioError
from joulewright.io.language_model_file import read_calibration, read_measurements, write_calibration
from joulewright.physics.inference.calibrate import calibrate, calibration_from_dict, predict_runs
from joulewright.physics.inference.constants import CONSTANT_SETS
from joulewright.physics.inference.deployment import coefficients, deploy
from joulewright.physics.inference.fitting import Parameter, fit
from joulewright.physics.inference.measurements import parse_measurements
from joulewright.physics.inference.step import step
from joulewright.physics.inference.workload import BatchWorkload, mean_step

TRUTH = replace(CONSTANT_SETS["H100-2"], eta_b=0.80, t_layer_s=40e-6, t_logit_s=3e-10, p0_w=180.0, kv_power_w=500.0)
MODELS = (("Llama-3.1-8B", 1), ("Qwen3-8B", 1), ("Qwen3-32B", 2), ("Llama-3.1-70B", 4))
ROW = {
    "model": "Llama-3.1-8B",
    "accelerator": "H100",
    "sequences": "64",
    "output_tokens": "400",
    "input_tokens": "300",
    "iteration_s": "0.012",
    "power_w": "550",
}


def rows(models=MODELS, *, batches=(8, 16, 32, 64, 128, 256), constants=TRUTH, prompt=True, noise=0.0):
    """Runs that the step model with known constants would have measured."""
    found, random = [], np.random.default_rng(1)
    for name, gpus in models:
        k = coefficients(deploy(name, "H100", tensor_parallel=gpus, constants=constants))
        for n in batches:
            for answer in (200.0, 1500.0):
                mean = mean_step(k, BatchWorkload(sequences=n, input_tokens=700.0, output_tokens=answer))
                spread = np.exp(noise * random.normal(size=2))
                found.append(
                    {
                        "model": name,
                        "accelerator": "H100",
                        "gpus": str(gpus),
                        "sequences": str(n),
                        "output_tokens": str(answer),
                        "input_tokens": "700" if prompt else "",
                        "iteration_ms": repr(float(mean.time_s[0] * spread[0] * 1e3)),
                        "power_w": repr(float(mean.power_w[0] * spread[1])),
                    }
                )
    return found


def test_mean_of_steps_is_a_step_when_prompts_are_cached():
    k = coefficients(deploy("Llama-3.1-8B", "H100"))
    mean = mean_step(k, BatchWorkload(sequences=64.0, input_tokens=100.0, output_tokens=400.0, cached_fraction=1.0))
    context = 100.0 + 0.5 * 400.0
    plain = step(k, tokens=64.0, sequences=64.0, kv_tokens=64 * context, attention_pairs=64 * context)
    assert mean.time_s[0] == pytest.approx(plain.time_s, rel=1e-12)
    assert mean.energy_per_output_token_j[0] == pytest.approx(plain.energy_j / 64.0, rel=1e-12)


def test_prompts_between_decodes_cost_more_than_their_mean():
    k = coefficients(deploy("Llama-3.1-8B", "H100"))
    mean = mean_step(k, BatchWorkload(sequences=64.0, input_tokens=330.0, output_tokens=400.0))
    tokens, context = 64.0 * (1.0 + 330.0 / 400.0), 330.0 + 200.0
    smooth = step(k, tokens=tokens, sequences=64.0, kv_tokens=64 * context, attention_pairs=64 * context)
    assert mean.time_s[0] > smooth.time_s
    # Very many prompts per step leave nothing to average over.
    many = mean_step(k, BatchWorkload(sequences=50_000.0, input_tokens=330.0, output_tokens=10.0))
    tokens = 50_000.0 * 34.0
    pairs = 50_000.0 * (335.0 + 33.0 * 165.0)
    smooth = step(k, tokens=tokens, sequences=5e4, kv_tokens=5e4 * 335.0, attention_pairs=pairs)
    assert many.time_s[0] == pytest.approx(smooth.time_s, rel=1e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sequences": 0.0}, "running sequences is 0"),
        ({"output_tokens": 0.5}, "answer is 0.5 tokens"),
        ({"cached_fraction": 57.0}, "cached share of a prompt is 57"),
        ({"length_factor": 0.9}, "length factor is 0.9"),
        ({"input_tokens": math.nan}, "prompt is nan"),
    ],
)
def test_batches_out_of_range(change, message):
    values = {"sequences": 8.0, "input_tokens": 10.0, "output_tokens": 10.0} | change
    with pytest.raises(ScenarioError, match=message):
        mean_step(coefficients(deploy("Llama-3.1-8B", "H100")), BatchWorkload(**values))


def test_rows_become_runs():
    (run,) = parse_measurements([ROW | {"gpus": "2", "power_w": "", "total_power_w": "900"}])
    assert (run.power_w, run.gpus, run.precision, run.workload) == (450.0, 2, "bf16", "requests")
    assert run.energy_per_output_token_j == pytest.approx(900.0 * 0.012 / 64.0)
    (run,) = parse_measurements([{**ROW, "iteration_s": "", "iteration_ms": "12"}])
    assert run.iteration_s == pytest.approx(0.012)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"power_w": "nan"}, "row 2: power_w is nan; allowed is a finite number above 0"),
        ({"power_w": "2200"}, "power_w is 2200 W on H100-SXM of 700 W; is it the sum over accelerators"),
        ({"power_w": "0.55"}, "power_w is 0.55 W, far below the idle 70 W .* is it in kW"),
        ({"iteration_s": "25"}, "iteration_s is 25 s; .* Give milliseconds as iteration_ms"),
        ({"iteration_s": "12 ms"}, "iteration_s is '12 ms'; give a plain number"),
        ({"cached_fraction": "57"}, "cached_fraction is 57; .* in percent"),
        ({"length_factor": "0.5"}, "length_factor is 0.5"),
        ({"output_tokens": "0.4"}, "output_tokens is 0.4"),
        ({"sequences": "-8"}, "sequences is -8"),
        ({"gpus": "1.5"}, "gpus is 1.5; give a whole number"),
        ({"model": ""}, "model is empty; give it, or drop the row"),
        ({"iteration_s": "0.001"}, "the step takes 0.001 s, but 1 x H100-SXM need 0.00479 s to read the weights"),
        ({"iteration_s": "12"}, r"the step takes 12 s, \d+ times what 1 x H100-SXM could do; is it in milliseconds"),
        ({"gpus": "2", "power_w": "900"}, "power_w is 900 W on H100-SXM of 700 W; is it the sum"),
        ({"gpus": "3"}, "row 2: tensor_parallel is 3; it must divide the 32 query heads"),
        ({"precision": "fp5"}, "row 2: precision 'fp5' is unknown"),
        ({"model": "Llama-3.1-70B"}, "row 2: Llama-3.1-70B in bf16 does not fit"),
        ({"model": "GPT-9"}, "'GPT-9' is not in the catalogue"),
        ({"accelerator": "H900"}, "accelerator 'H900' is not in the catalogue"),
    ],
)
def test_unusable_rows(change, message):
    with pytest.raises(ScenarioError, match=message):
        parse_measurements([ROW | change])


@pytest.mark.parametrize(
    ("name", "renamed", "message"),
    [
        ("power_w", "power (kW)", r"no column power_w or total_power_w; .*; rename 'power \(kW\)' if it is power_w"),
        ("iteration_s", "tokens", "no column iteration_s or iteration_ms or output_tokens_per_s; their columns are"),
        ("model", "name", "no column model; their columns are"),
    ],
)
def test_an_absent_column_is_told_once(name, renamed, message):
    row = {renamed if key == name else key: value for key, value in ROW.items()}
    with pytest.raises(ScenarioError, match=message):
        parse_measurements([row] * 3)


def test_spellings_of_engines_are_understood():
    row = {key: value for key, value in ROW.items() if key != "iteration_s"}
    row |= {"accelerator": "NVIDIA H100 80GB HBM3", "precision": "BFloat16", "output_tokens_per_s": "4000"}
    (run,) = parse_measurements([row])
    assert (run.accelerator.name, run.precision) == ("H100-SXM", "bf16")
    assert run.iteration_s == pytest.approx(64.0 / 4000.0)


def test_every_unusable_row_is_listed():
    with pytest.raises(ScenarioError, match=r"2 rows of the measurements cannot be used:\nrow 3: .*\nrow 4: "):
        parse_measurements([ROW, ROW | {"power_w": "x"}, ROW | {"sequences": "inf"}])
    with pytest.raises(ScenarioError, match=r"^25 rows .*\nrow 2 and 24 more: power_w is 'x'; give a plain number"):
        parse_measurements([ROW | {"power_w": "x"}] * 25)
    with pytest.raises(ScenarioError, match=r"\.\.\. and 5 more$"):
        parse_measurements([ROW | {"power_w": f"x{number}"} for number in range(25)])
    with pytest.raises(ScenarioError, match=r"the measurements hold 0 rows"):
        parse_measurements([])


def test_known_constants_are_found_again():
    runs = parse_measurements(rows())
    found = calibrate(runs)
    assert found.constants.eta_b == pytest.approx(TRUTH.eta_b, rel=0.05)  # its prior is 0.87
    assert found.constants.p0_w == pytest.approx(TRUTH.p0_w, rel=0.25)
    (error,) = found.errors
    assert (error.kind, error.method, error.runs) == ("dense", "leave one model out", 48)
    assert max(error.time, error.power, error.energy) < 0.02
    assert max(error.fitted_time, error.fitted_power, error.fitted_energy) < 0.01
    assert found.constants.status == "calibrated: 48 runs on H100-SXM"
    assert found.constants.power_error == error.power
    assert [item.run.row for item in found.held_out] == list(range(2, 50))
    assert found.held_out[0].energy_per_output_token_j == pytest.approx(runs[0].energy_per_output_token_j, rel=0.05)


def test_outliers_do_not_decide():
    text = rows(noise=0.01)
    for number in (3, 20, 40):
        text[number]["power_w"] = "690"
    found = calibrate(parse_measurements(text), held_out=False)
    clean = predict_runs(parse_measurements(rows()), found.constants, {})
    truth = np.array([float(row["power_w"]) for row in rows()])
    assert np.abs(clean.power_w / truth - 1.0).mean() < 0.02


def test_unknown_prompts_are_estimated_and_said():
    found = calibrate(parse_measurements(rows(prompt=False)), held_out=False)
    prompt, cached = found.prompts["requests"]
    assert prompt == pytest.approx(700.0, rel=0.3)
    assert cached == 0.0
    assert any(text.startswith("prompts of requests are unknown") for text in found.warnings)


def test_one_model_is_held_out_in_folds_and_warned_about():
    found = calibrate(parse_measurements(rows(MODELS[:1], batches=(8, 16, 64))))
    assert [item.method for item in found.errors] == ["5 folds"]
    assert any("is hardly informed by the runs (uncertain by" in text for text in found.warnings)
    assert any("cannot be told apart" in text for text in found.warnings)


def test_a_parameter_that_no_run_depends_on_is_named():
    names = [Parameter(name=name, guess=1.0, spread=1.0, low=0.01, high=100.0) for name in ("used", "unused")]
    x = np.linspace(1.0, 2.0, 20)
    found = fit(names, lambda values: np.log(values["used"] * x / (2.0 * x)))
    assert found.values["used"] == pytest.approx(2.0, rel=0.01)
    assert found.values["unused"] == pytest.approx(1.0)
    assert any("unused is not identifiable" in text for text in found.warnings)
    assert any(text.startswith("unused is hardly informed by the runs (uncertain by 172 %)") for text in found.warnings)
    tight = [Parameter(name="used", guess=1.0, spread=1.0, low=0.5, high=1.5)]
    bound = fit(tight, lambda values: np.log(values["used"] * x / (2.0 * x)))
    assert bound.warnings[0] == "used ends at its bound of 1.5"


def test_models_with_experts_have_constants_of_their_own():
    models = (("Qwen3-30B-A3B", 1), ("gpt-oss-20b", 1))
    found = calibrate(parse_measurements(rows(models, batches=(8, 32, 128), constants=CONSTANT_SETS["H100-2"])))
    (error,) = found.errors
    assert error.kind == "experts"
    assert error.fitted_time < 0.02
    assert found.constants.time_error is None
    assert found.constants.expert_time_error == error.time
    assert found.constants.standing("dense")[1] == (None, None, None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            rows(MODELS[:1], batches=(8, 16)),
            "hold 4 usable runs of dense models and 0 of models with experts; a fit needs at",
        ),
        ([*rows(MODELS[:1]), ROW | {"accelerator": "A100", "power_w": "300"}], "2 accelerators .*; calibrate one"),
    ],
)
def test_runs_that_cannot_be_fitted(text, message):
    with pytest.raises(ScenarioError, match=message):
        calibrate(parse_measurements(text))


def test_runs_of_another_layout_are_left_out_and_said():
    text = [*rows(MODELS[:2]), ROW | {"model": "Nemotron-Nano-9B-v2"}, ROW | {"model": "Qwen3-30B-A3B"}]
    found = calibrate(parse_measurements(text), held_out=False)
    assert "1 runs of Nemotron-Nano-9B-v2 are not fitted: their cache has another layout" in found.warnings
    assert any(text.startswith("1 runs of models with experts are too few to fit") for text in found.warnings)
    assert found.constants.status == "calibrated: 24 runs on H100-SXM"


def test_folds_within_one_model_are_no_error_on_others():
    found = calibrate(parse_measurements(rows(MODELS[:1])))
    assert [item.method for item in found.errors] == ["5 folds"]
    assert found.constants.time_error is found.constants.power_error is found.constants.energy_error is None
    assert any("their error on other models is unknown" in text for text in found.warnings)
    same = calibrate(parse_measurements(rows(MODELS[:1], batches=(32,)) * 6), held_out=False)
    assert "all runs of dense models have about 32 running sequences: other batches are extrapolations" in same.warnings


def test_calibrations_round_trip_through_files(tmp_path):
    found = calibrate(parse_measurements(rows(MODELS[:2])))
    path = tmp_path / "calibration.json"
    write_calibration(path, found)
    again = read_calibration(path)
    assert again == replace(found, held_out=(), prompts=dict(found.prompts))
    assert deploy("Llama-3.1-8B", "H100", constants=again.constants).constants == found.constants
    for change, message in (
        ({"schema": "other/2"}, "schema of the calibration is 'other/2'"),
        ({"constants": {"speed": 3.0}}, r"constants hold \['speed'\]"),
        ({"constants": {"name": "x"}}, "the calibration is incomplete"),
    ):
        with pytest.raises(ScenarioError, match=message):
            calibration_from_dict(found.as_dict() | change)
    path.write_text("{")
    with pytest.raises(DataError, match=r"is not JSON"):
        read_calibration(path)


def test_measurements_from_a_file(tmp_path):
    path = tmp_path / "runs.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(ROW))
        writer.writeheader()
        writer.writerow(ROW)
    assert read_measurements(path)[0].power_w == 550.0
    with pytest.raises(DataError, match=r"cannot be read"):
        read_measurements(tmp_path / "absent.csv")


def test_a_fit_does_not_lean_on_the_shipped_set(monkeypatch):
    """Runs held out were fitted for that set, so that nothing of it may enter a fit."""
    models = (("Llama-3.1-8B", 1), ("Qwen3-32B", 2), ("Qwen3-30B-A3B", 1), ("Llama-4-Scout-17B-16E", 4))
    runs = parse_measurements(rows(models, batches=(8, 64)))
    plain = calibrate(runs, held_out=False)
    other = replace(
        CONSTANT_SETS["H100-2"],
        **dict.fromkeys(("eta_b", "eta_expert", "expert_variety"), 0.5),
        **dict.fromkeys(("t0_s", "t_seq_s", "t_logit_s", "t_layer_s", "t_allreduce_s"), 1e-3),
        **dict.fromkeys(("t_expert_s", "t_held_fp8_s", "t_expert_mxfp4_s"), 1e-3),
        **dict.fromkeys(("p0_w", "weight_power_w", "kv_power_w", "compute_power_w", "expert_power_w"), 9.0),
        **dict.fromkeys(("expert_sequence_power_w", "expert_overhead_power_w", "expert_popularity_variance"), 9.0),
    )
    monkeypatch.setattr("joulewright.physics.inference.calibrate.constants_for", lambda device: other)
    again = calibrate(runs, held_out=False)
    # Formats without runs keep the shipped overhead, unless the fit predicts runs left out.
    kept = {key: getattr(plain.constants, key) for key in ("t_held_fp8_s", "t_expert_mxfp4_s")}
    assert again.constants.t_held_fp8_s == 1e-3
    assert replace(again.constants, **kept) == plain.constants
    assert calibrate(runs, held_out=False, general=True).constants.t_held_fp8_s == 1e-6


def test_public_runs_are_predicted_within_the_goals(shared):
    found = calibrate(read_measurements(shared / "data/inference/mlenergy_v3_h100.csv"))
    dense, experts = found.errors
    assert (dense.kind, dense.runs, experts.kind, experts.runs) == ("dense", 68, "experts", 142)
    assert dense.time <= 0.06
    assert dense.power <= 0.07
    assert dense.energy <= 0.055
    # The step model alone; runs of other models of the same shape bring the energy below 10 %.
    assert experts.time <= 0.10
    assert experts.power <= 0.10
    assert experts.energy <= 0.105
    shipped = CONSTANT_SETS["H100-2"]
    for key, value in asdict(shipped).items():
        if key not in {"name", "status", "fitted"} and value is not None:
            assert getattr(found.constants, key) == pytest.approx(value, rel=5e-3), key
    for before, after in zip(sorted(shipped.fitted), sorted(found.constants.fitted), strict=True):
        assert before.kind == after.kind
        assert before[1:] == pytest.approx(after[1:], rel=5e-3)
