"""How well inference is predicted on runs that were not fitted, and how well an engine's log is replayed."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.registry import Measurement as Outcome
from benchmarks.registry import case
from joulewright.io.request_files import read_engine_log
from joulewright.physics.accelerator import find_accelerator
from joulewright.physics.inference.calibrate import calibrate, guessed_prompts, mean_errors
from joulewright.physics.inference.deployment import coefficients, deploy
from joulewright.physics.inference.measured import leave_one_batch_out
from joulewright.physics.inference.measurements import Measurement, parse_measurements
from joulewright.physics.inference.mfu import mfu_power_w
from joulewright.physics.inference.predict import validate
from joulewright.sim.processes.inference import ServingOptions, simulate_serving

_NAMES = ("iteration_mape_lomo", "power_mape_lomo", "energy_token_mape_lomo")


def folder() -> Path:
    """Where the measured runs and logs lie; it may be absent."""
    root = Path(__file__).resolve().parents[1]
    return Path(os.environ.get("JOULEWRIGHT_SHARED", root.parent / "shared")) / "data" / "inference"


@case("infer-accuracy", "Errors of time, power and energy per token on held-out runs, and of a replayed engine log")
def measure(smoke: bool) -> Outcome:
    """Leave one model out, dense and with experts apart; the baseline and the replay beside it."""
    source = folder() / "mlenergy_v3_h100.csv"
    if not source.exists():
        return Outcome(figures=dict.fromkeys(_NAMES), conditions={"reference": "not measured: the runs are absent"})
    with source.open(encoding="utf-8") as file:
        runs = parse_measurements(csv.DictReader(file))
    shaped = [run for run in runs if run.model.kv_layout == "standard"]
    dense = [run for run in shaped if not run.model.experts]
    experts = [run for run in shaped if run.model.experts]
    figures: dict[str, float | None] = {}
    conditions: dict[str, Any] = {"runs": len(runs), "dense": len(dense), "experts": len(experts)}
    table = _calibrated(dense if smoke else shaped, figures, conditions)
    if not smoke:
        table |= _corrected(figures, "_moe", shaped, lambda run: run.model_name)
        _corrected(figures, "_moe_family", shaped, lambda run: run.model.name.removesuffix("-FP8"))
    found = [pair for pair in leave_one_batch_out(runs) if pair[0].model.experts]
    _add(figures, "_moe_interpolated", [run for run, _ in found], [tuple(guess[:2]) for _, guess in found])
    figures["mfu_power_mape"] = _baseline(dense)
    figures |= _replayed()
    return Outcome(figures=figures, conditions=conditions | {"by_model": table})


def _calibrated(
    runs: Sequence[Measurement], figures: dict[str, float | None], conditions: dict[str, Any]
) -> dict[str, list[float]]:
    """Held-out errors of the step model, and those of each model."""
    found = calibrate(runs)
    for kind, suffix in (("dense", ""), ("experts", "_moe_step_model")):
        kept = [item for item in found.held_out if (item.run.model.experts > 0) == (kind == "experts")]
        if kept:
            pairs = [(item.iteration_s, item.power_w) for item in kept]
            _add(figures, suffix, [item.run for item in kept], pairs)
    conditions["constants"] = found.as_dict()["constants"]
    conditions["prompts"] = dict(found.prompts)
    table = {}
    for name in dict.fromkeys(item.run.model_name for item in found.held_out if not item.run.model.experts):
        kept = [item for item in found.held_out if item.run.model_name == name]
        times, powers = np.array([(item.iteration_s, item.power_w) for item in kept]).T
        table[name] = [round(value, 4) for value in mean_errors([item.run for item in kept], times, powers)]
    return table


def _corrected(
    figures: dict[str, float | None], suffix: str, runs: Sequence[Measurement], label: Callable[[Measurement], str]
) -> dict[str, list[float]]:
    """Errors on models with experts of the step model corrected by runs of the other models."""
    left, pairs, table = [], [], {}
    for name in dict.fromkeys(label(run) for run in runs if run.model.experts):
        kept = [run for run in runs if label(run) != name]
        asked = [run for run in runs if label(run) == name]
        rows = validate(asked, references=kept, calibration=calibrate(kept, held_out=False))
        left += asked
        pairs += [(row.prediction.iteration_s, row.prediction.power_w) for row in rows]
        errors = np.abs([row.errors for row in rows]).mean(axis=0)
        table[name] = [round(float(value), 4) for value in errors]
    _add(figures, suffix, left, pairs)
    return table


def _add(
    figures: dict[str, float | None], suffix: str, runs: Sequence[Measurement], pairs: Sequence[tuple[float, ...]]
) -> None:
    times, powers = np.array(pairs).T
    for name, error in zip(_NAMES, mean_errors(runs, times, powers)):
        figures[f"{name}{suffix}"] = error


def _baseline(runs: Sequence[Measurement]) -> float:
    """Error of power from the share of peak operations, at the measured step time."""
    prompts = guessed_prompts(runs, {})
    errors = []
    for run in runs:
        k = coefficients(run.deployment())
        prompt = prompts[run.workload][0]
        tokens = run.sequences * (1.0 + prompt / run.output_tokens)
        context = prompt + run.output_tokens * run.length_factor * run.age_fraction / 2.0
        flops = k.flops_per_token * tokens + k.flops_per_token_context * run.sequences * context
        device = run.accelerator
        share = min(flops / (run.iteration_s * k.raw_flops_per_s), 1.0)
        power_w = float(mfu_power_w(share, idle_w=device.idle_power_w, board_w=device.board_power_w))
        errors.append(abs(power_w / run.power_w - 1.0))
    return float(np.mean(errors))


def _replayed() -> dict[str, float | None]:
    """Errors of the mean latencies of a log that an engine wrote on one RTX PRO 6000."""
    path = folder() / "vllm_rtxpro6000_llama8b" / "requests.jsonl"
    if not path.exists():
        return dict.fromkeys(("vllm_ttft_err", "vllm_tpot_err", "vllm_e2e_err"))
    log = read_engine_log(path)
    options = ServingOptions(max_sequences=128, token_budget=2048)
    found = simulate_serving(log.trace, deploy("Llama-3.1-8B", find_accelerator("RTX-PRO-6000")), options=options)
    measured = {"ttft": log.ttft_s, "tpot": log.tpot_s, "e2e": log.e2e_s}
    return {
        f"vllm_{name}_err": abs(found.mean(f"{name}_s") / float(np.nanmean(values)) - 1.0)
        for name, values in measured.items()
    }
