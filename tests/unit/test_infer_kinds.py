"""Calibration by kind of model: what was fitted, what keeps which value, and what is called calibrated."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest

from joulewright.physics.accelerator import find_accelerator
from joulewright.physics.inference.calibrate import Calibration, calibrate, calibration_from_dict
from joulewright.physics.inference.constants import CONSTANT_SETS, EngineConstants, constants_for
from joulewright.physics.inference.deployment import coefficients, deploy
from joulewright.physics.inference.measurements import Measurement, parse_measurements
from joulewright.physics.inference.precision import model_kind
from joulewright.physics.inference.predict import Predictor
from joulewright.physics.inference.workload import BatchWorkload, mean_step
from joulewright.study.inference_deployment import standing_of

DENSE = (("Llama-3.1-8B", 1), ("Qwen3-14B", 1), ("Llama-3.1-70B", 4))
EXPERTS = (("Qwen3-30B-A3B", 2), ("Mixtral-8x7B", 2), ("Qwen3-235B-A22B", 8))


def truth(device: str, **changes: float) -> EngineConstants:
    """An engine that is neither the shipped set nor the general guesses."""
    share = find_accelerator(device).board_power_w / 700.0
    watts = {"p0_w": 120.0, "weight_power_w": 450.0, "kv_power_w": 600.0, "compute_power_w": 800.0,
             "expert_power_w": 1200.0, "expert_overhead_power_w": 300.0, "expert_sequence_power_w": 200.0}  # fmt: skip
    scaled = {key: share * value for key, value in watts.items()}
    return replace(CONSTANT_SETS["H100-2"], name="truth", eta_b=0.8, **scaled | changes)


@cache
def measured(
    models: tuple[tuple[str, int], ...], device: str = "H100-SXM", *, precision: str = "bf16", t_layer_s: float = 7e-5
) -> tuple[Measurement, ...]:
    """Runs of two prompt lengths and four batches that the step model gives with known constants."""
    rows = []
    for name, gpus in models:
        k = coefficients(
            deploy(name, device, tensor_parallel=gpus, precision=precision, memory_utilization=1.0, overhead_bytes=0.0,
                   constants=truth(device, t_layer_s=t_layer_s))
        )  # fmt: skip
        for prompt in (300.0, 3000.0):
            for sequences in (1, 8, 32, 64):
                mean = mean_step(k, BatchWorkload(sequences, prompt, 300.0))
                rows.append(
                    {"model": name, "accelerator": device, "gpus": str(gpus), "precision": precision,
                     "sequences": str(sequences), "input_tokens": str(prompt), "output_tokens": "300",
                     "iteration_s": repr(float(mean.time_s[0])), "power_w": repr(float(mean.power_w[0]))}
                )  # fmt: skip
    return parse_measurements(rows)


@cache
def fitted(*parts: tuple[Measurement, ...]) -> Calibration:
    return calibrate([run for part in parts for run in part], name="mine")


def worst(found: Calibration, runs: tuple[Measurement, ...]) -> float:
    guesses = Predictor(calibration=found).predict(runs)
    return max(abs(guess.iteration_s / run.iteration_s - 1.0) for guess, run in zip(guesses, runs))


def test_formats_without_runs_keep_the_shipped_overhead() -> None:
    shipped = CONSTANT_SETS["H100-2"]
    found = fitted(measured(DENSE), measured(EXPERTS))
    assert found.constants.t_held_fp8_s == shipped.t_held_fp8_s
    assert found.constants.t_expert_mxfp4_s == shipped.t_expert_mxfp4_s
    assert found.constants.t_expert_s != shipped.t_expert_s
    # The engine has the shipped overheads, so that formats that were not fitted are predicted well.
    assert worst(found, measured((("Qwen3-30B-A3B", 2), ("Qwen3-235B-A22B", 8)), precision="fp8")) < 0.1
    assert worst(found, measured((("gpt-oss-120b", 1),), precision="mxfp4")) < 0.1
    assert any("in 8 bits: their overhead stays that of H100-2" in text for text in found.warnings)
    assert any("in 4 bits: their overhead stays that of H100-2" in text for text in found.warnings)


def test_predictions_of_runs_left_out_never_rest_on_the_shipped_overhead() -> None:
    """The only eight-bit model is left out in a fold, where the shipped value may rest on its very runs."""
    runs = (*measured(EXPERTS[:2]), *measured((("Qwen3-235B-A22B", 8),), precision="fp8"))
    found = fitted(measured(DENSE), runs)
    left = [item for item in found.held_out if item.run.precision == "fp8"]
    assert len(left) == 8
    # 128 experts of 94 layers: 1 us instead of 5.8 us for each is 58 ms, more than the whole step.
    assert all(item.iteration_s < 0.9 * item.run.iteration_s for item in left)
    general = calibrate([*measured(DENSE), *measured(EXPERTS[:2])], held_out=False, general=True)
    assert general.constants.t_held_fp8_s == 1e-6


def test_errors_by_format() -> None:
    runs = (*measured(EXPERTS[:2]), *measured((("Qwen3-30B-A3B", 2), ("Qwen3-235B-A22B", 8)), precision="fp8"))
    found = fitted(measured(DENSE), runs)
    by_kind = {item.kind: item for item in found.constants.fitted}
    assert set(by_kind) == {"dense", "experts bf16", "experts fp8"}
    held = [item for item in found.held_out if item.run.precision == "fp8"]
    mean = sum(abs(item.iteration_s / item.run.iteration_s - 1.0) for item in held) / len(held)
    assert by_kind["experts fp8"].time_error == pytest.approx(mean)
    status, errors = found.constants.standing("experts mxfp4")
    assert errors == (None, None, None)
    assert status.startswith("uncalibrated: no runs of models with experts in 4 bits; calibrated: ")
    again = calibration_from_dict(found.as_dict())
    assert again.constants == found.constants


def test_runs_of_experts_alone_fit_the_rest_of_the_model_too() -> None:
    """An engine whose layers take 90 us, on an accelerator whose general constants say otherwise."""
    runs = measured(EXPERTS, "H200-SXM", t_layer_s=9e-5)
    found = fitted(runs)
    (error,) = found.errors
    assert (error.kind, error.fitted_time < 0.03, error.fitted_power < 0.03) == ("experts", True, True)
    assert found.constants.t_layer_s == pytest.approx(9e-5, rel=0.3)
    assert found.constants.p0_w != constants_for(find_accelerator("H200-SXM")).p0_w
    assert any(
        text.startswith("0 runs of dense models are too few to fit, which takes 6: constants outside the experts are "
                        "fitted to models with experts")
        for text in found.warnings
    )  # fmt: skip


def test_what_was_never_fitted_is_uncalibrated() -> None:
    experts, dense = fitted(measured(EXPERTS, "H200-SXM", t_layer_s=9e-5)), fitted(measured(DENSE, "A100-SXM"))
    for found, known, unknown in ((experts, "Qwen3-30B-A3B", "Llama-3.1-8B"), (dense, "Llama-3.1-8B", "Qwen3-30B-A3B")):
        for model, level in ((known, "step model"), (unknown, "uncalibrated")):
            deployment = deploy(model, found.accelerator, tensor_parallel=2, constants=found.constants)
            standing = standing_of(deployment)
            assert standing.level == level
            assert standing.status.startswith("uncalibrated") == (level == "uncalibrated")
            assert (standing.time_error is None) == (level == "uncalibrated")
    run = measured(EXPERTS[:1], "A100-SXM")[0]
    (guess,) = Predictor(calibration=dense).predict([run])
    assert (guess.level, guess.expected_error) == ("uncalibrated", (None, None, None))
    assert any(
        text.startswith("0 runs of models with experts are too few to fit, which takes 6: their constants are those of "
                        "A100-1") for text in dense.warnings
    )  # fmt: skip


@pytest.mark.parametrize(
    ("device", "model", "level"),
    [
        ("H100", "Llama-3.1-8B", "step model"),
        ("H100", "gpt-oss-120b", "step model"),
        ("B200", "Llama-3.1-8B", "step model"),
        ("B200", "gpt-oss-120b", "uncalibrated"),
        ("RTX-PRO-6000", "gpt-oss-20b", "uncalibrated"),
        ("L40S", "Llama-3.1-8B", "uncalibrated"),
    ],
)
def test_shipped_sets_stand_by_kind(device: str, model: str, level: str) -> None:
    assert standing_of(deploy(model, device)).level == level


def test_constants_that_do_not_say_what_they_were_fitted_on_are_believed() -> None:
    own = replace(CONSTANT_SETS["H100-2"], fitted=None)
    assert own.standing("experts fp8") == (own.status, (0.0664, 0.0931, 0.1017))
    assert own.standing("dense") == (own.status, (0.0521, 0.0575, 0.0515))


def test_kinds() -> None:
    dense, experts = deploy("Llama-3.1-8B", "H100"), deploy("Qwen3-30B-A3B", "H100")
    assert model_kind(dense.model, "fp8") == "dense"
    kinds = [model_kind(experts.model, name) for name in ("bf16", "fp16", "fp8", "int8", "mxfp4", "int4")]
    assert kinds == [f"experts {name}" for name in ("bf16", "bf16", "fp8", "fp8", "mxfp4", "mxfp4")]
