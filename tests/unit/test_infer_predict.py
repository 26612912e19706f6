"""Predictions by level, interpolation of measured runs, validation and the baseline."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulewright.errors import ScenarioError
from joulewright.io.language_model_file import read_measurements
from joulewright.physics.inference.calibrate import mean_errors
from joulewright.physics.inference.constants import CONSTANT_SETS
from joulewright.physics.inference.deployment import coefficients, deploy
from joulewright.physics.inference.measured import interpolate, leave_one_batch_out
from joulewright.physics.inference.measurements import parse_measurements
from joulewright.physics.inference.mfu import mfu_power_w
from joulewright.physics.inference.ml_energy import ml_energy_row
from joulewright.physics.inference.predict import Predictor, validate, wanted
from joulewright.physics.inference.workload import BatchWorkload, mean_step

PUBLIC = {
    "model_id": "Qwen/Qwen3-30B-A3B-Instruct-2507",
    "gpu_model": "H100",
    "num_gpus": "2",
    "tensor_parallel": "1",
    "expert_parallel": "2",
    "weight_precision": "bfloat16",
    "task": "lm-arena-chat",
    "max_num_seqs": "64",
    "avg_batch_size": "64",
    "avg_output_len": "900",
    "output_throughput_tokens_per_sec": "3200",
    "avg_power_watts": "900",
}


def run(sequences, iteration_s, power_w, **changes):
    row = {
        "model": "Llama-3.1-8B",
        "accelerator": "H100",
        "sequences": str(sequences),
        "output_tokens": "400",
        "input_tokens": "300",
        "iteration_s": str(iteration_s),
        "power_w": str(power_w),
    }
    return parse_measurements([row | changes])[0]


def modelled(sequences, factor=1.0, power_w=500.0, **changes):
    """A run that the step model predicts, its time multiplied."""
    asked = run(sequences, 0.01, power_w, **changes)
    mean = mean_step(coefficients(asked.deployment()), asked.batch())
    return replace(asked, iteration_s=float(mean.time_s[0]) * factor, power_w=float(mean.power_w[0]))


def test_interpolation_is_linear_in_logarithms():
    runs = [run(8, 0.008, 400.0), run(32, 0.032, 400.0), run(128, 0.032, 484.0)]
    middle = interpolate(runs, 16.0)
    assert (middle.iteration_s, middle.power_w, middle.inside) == (pytest.approx(0.016), pytest.approx(400.0), True)
    assert interpolate(runs, 64.0).power_w == pytest.approx(440.0)  # sqrt(400 x 484)
    beyond = interpolate(runs, 512.0)
    assert (beyond.iteration_s, beyond.inside) == (pytest.approx(0.032), False)
    assert interpolate(runs[:1], 8.0) is None
    assert interpolate([*runs[:1], run(8, 0.010, 400.0)], 8.0) is None


@given(st.lists(st.tuples(st.floats(1.0, 512.0), st.floats(0.005, 0.1)), min_size=2, max_size=8), st.floats(1.0, 512.0))
def test_interpolation_stays_between_the_runs(points, at):
    template = run(8, 0.01, 500.0)
    runs = [replace(template, sequences=n, iteration_s=t) for n, t in points]
    found = interpolate(runs, at)
    if found is not None:
        assert min(t for _, t in points) * (1 - 1e-9) <= found.iteration_s <= max(t for _, t in points) * (1 + 1e-9)


def test_only_batches_between_others_are_left_out():
    runs = [run(8, 0.01, 500.0), run(16, 0.01, 500.0), run(32, 0.01, 500.0), run(16, 0.01, 500.0, gpus="2")]
    assert [item.sequences for item, _ in leave_one_batch_out(runs)] == [16.0]


def test_runs_of_other_lengths_are_not_averaged():
    """The engine is the step model, so that mixing prompts is the only way to be wrong."""
    short = [modelled(n, input_tokens="200", output_tokens="300") for n in (4, 16, 64)]
    long = [modelled(n, input_tokens="8000", output_tokens="300") for n in (4, 16, 64)]
    asked = modelled(30, input_tokens="200", output_tokens="300")
    for others in (short[::2] + long[1:2], short + long):
        (row,) = validate([asked], references=others)
        assert row.prediction.level == "interpolated"
        assert max(map(abs, row.errors)) < 0.01
    for run, guess in leave_one_batch_out(short + long):
        assert (guess.iteration_s, guess.power_w) == (
            pytest.approx(run.iteration_s, rel=0.01),
            pytest.approx(run.power_w, rel=0.01),
        )
    # Runs of other lengths alone are no table to interpolate, but carry their errors over.
    (row,) = validate([asked], references=long)
    assert row.prediction.level == "corrected"
    assert max(map(abs, row.errors)) < 0.01


def test_a_prompt_that_is_unknown_is_not_that_of_a_run_that_states_it():
    known = [modelled(n) for n in (4, 64)]
    (found,) = Predictor(known).predict([replace(known[0], sequences=16.0, input_tokens=None)])
    assert found.level == "corrected"


def test_errors_of_the_step_model_are_interpolated():
    """Twice as long as modelled at 8, as modelled at 32: 2 ** 0.5 between, whatever the curve of the model."""
    asked = modelled(16)
    (found,) = Predictor([modelled(8, 2.0), modelled(32)]).predict([asked])
    assert found.level == "interpolated"
    assert found.iteration_s / asked.iteration_s == pytest.approx(2.0**0.5, rel=1e-6)
    assert found.power_w == pytest.approx(asked.power_w, rel=1e-6)


def test_levels_from_measured_to_uncalibrated():
    table = [modelled(n, 1.2) for n in (8, 16, 64)]
    predictor = Predictor(table)
    inside, outside, other, far = predictor.predict(
        [
            modelled(32),
            modelled(256),
            modelled(32, workload="code"),
            modelled(32, model="Qwen3-32B", gpus="2"),
        ]
    )
    assert [item.level for item in (inside, outside, other, far)] == [
        "interpolated",
        "corrected",
        "corrected",
        "step model",
    ]
    assert inside.expected_error == (None, None, None) or max(inside.expected_error) < 0.1
    # Times 20 % longer than modelled carry over to the same model, and hardly to others.
    assert outside.iteration_s / modelled(256).iteration_s > 1.08
    assert far.iteration_s / modelled(32, model="Qwen3-32B", gpus="2").iteration_s == pytest.approx(1.0, abs=0.08)
    assert far.expected_error == (0.0521, 0.0575, 0.0515)
    unknown = modelled(8, accelerator="L40S", power_w=200.0)
    (found,) = Predictor().predict([unknown])
    assert (found.level, found.expected_error) == ("uncalibrated", (None, None, None))


def test_a_deployment_is_predicted_as_its_mean_step():
    deployment = deploy("Qwen3-30B-A3B", "H100")
    batch = BatchWorkload(sequences=32.0, input_tokens=500.0, output_tokens=300.0)
    (found,) = Predictor().predict([wanted(deployment, batch)])
    mean = mean_step(coefficients(deployment), batch)
    assert found.iteration_s == pytest.approx(float(mean.time_s[0]))
    assert found.energy_per_output_token_j == pytest.approx(float(mean.energy_per_output_token_j[0]))
    assert found.expected_error == (0.0752, 0.0999, 0.0929)


def test_unusual_caches_need_runs_to_interpolate():
    nemotron = [run(n, 0.01 * n / 8, 500.0, model="Nemotron-Nano-9B-v2") for n in (8, 32)]
    asked = replace(nemotron[0], sequences=16.0)
    (found,) = Predictor(nemotron).predict([asked])
    assert (found.level, found.iteration_s) == ("interpolated", pytest.approx(0.02))
    with pytest.raises(ScenarioError, match=r"interpolation of measurements"):
        Predictor().predict([asked])


def test_validation_never_uses_a_run_for_itself():
    runs = [modelled(n, 1.3) for n in (8, 16, 64)]
    alone = validate(runs, references=runs)
    assert {row.prediction.level for row in alone} == {"step model"}
    assert [row.errors[0] for row in alone] == pytest.approx([1 / 1.3 - 1] * 3)
    assert [row.errors[1] for row in alone] == pytest.approx([0.0] * 3)
    # The same runs under another label are others.
    helped = validate(runs, references=[replace(item, workload="other") for item in runs])
    assert {row.prediction.level for row in helped} == {"corrected"}
    assert all(abs(row.errors[0]) < abs(1 / 1.3 - 1) for row in helped)


def test_rows_of_the_public_benchmark():
    (found,) = parse_measurements([PUBLIC])
    assert (found.gpus, found.expert_parallel, found.power_w) == (2, 2, 450.0)
    assert found.iteration_s == pytest.approx(0.02)  # 64 sequences at 3,200 token/s
    # 1,024 requests in batches of 64 are 15 batches after the first.
    assert found.age_fraction == pytest.approx(1.0 - 0.9 * (1.0 - np.exp(-15.0)) / 15.0)
    assert found.input_tokens is None
    with pytest.raises(ScenarioError, match=r"weight_precision is 'fp5'"):
        ml_energy_row(PUBLIC | {"weight_precision": "fp5"})
    for value in ("nan", "many", "0"):
        with pytest.raises(ScenarioError, match=r"row 2: avg_batch_size is"):
            parse_measurements([PUBLIC | {"avg_batch_size": value}])


@pytest.mark.parametrize(
    ("share", "idle_w", "board_w", "power_w"),
    [
        (0.00892, 100.0, 400.0, 119.281),
        (0.05, 100.0, 400.0, 164.439),
        (0.2, 100.0, 400.0, 270.057),
        (0.3, 100.0, 400.0, 325.869),
        (0.9, 100.0, 400.0, 400.0),
        (0.05, 60.0, 700.0, 197.471),
        (0.3, 60.0, 700.0, 541.855),
        (0.1, 30.0, 300.0, 124.214),
    ],
)
def test_the_baseline_of_earlier_work(share, idle_w, board_w, power_w):
    assert float(mfu_power_w(share, idle_w=idle_w, board_w=board_w)) == pytest.approx(power_w, rel=1e-4)


def test_the_baseline_refuses_percentages():
    with pytest.raises(ScenarioError, match=r"share of peak operations is 30; allowed is 0 to 1"):
        mfu_power_w(30.0, idle_w=60.0, board_w=700.0)


def test_interpolation_of_public_runs(shared):
    runs = read_measurements(shared / "data/inference/mlenergy_v3_h100.csv")
    found = leave_one_batch_out(runs)
    times, powers = np.array([guess[:2] for _, guess in found]).T
    time, power, energy = mean_errors([item for item, _ in found], times, powers)
    assert len(found) > 150
    assert time <= 0.025
    assert power <= 0.02
    assert energy <= 0.027


def test_known_runs_with_the_first_constants(shared):
    # Public run and prediction of the first set, which takes all prompts of a step at their mean.
    runs = read_measurements(shared / "data/inference/mlenergy_v3_h100.csv")
    chat = next(r for r in runs if r.model.name == "Llama-3.1-8B" and 60 < r.sequences < 65)
    assert chat.iteration_s * 1e3 == pytest.approx(12.418, rel=1e-3)
    assert chat.power_w == pytest.approx(610.35, rel=1e-3)
    assert chat.energy_per_output_token_j == pytest.approx(0.11858, rel=1e-3)
    k = coefficients(replace(chat.deployment(), constants=CONSTANT_SETS["H100-1"]))
    tokens, context = chat.sequences * (1 + 329 / chat.output_tokens), 329 + 0.95 * chat.output_tokens
    from joulewright.physics.inference.step import step

    found = step(
        k,
        tokens=tokens,
        sequences=chat.sequences,
        kv_tokens=chat.sequences * context,
        attention_pairs=chat.sequences * context * (1 + 0.5 * 329 / chat.output_tokens),
    )
    assert (found.time_s * 1e3, found.power_w) == (pytest.approx(12.662, rel=1e-3), pytest.approx(541.71, rel=1e-3))
