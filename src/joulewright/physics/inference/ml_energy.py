"""Rows of the ML.ENERGY benchmark v3 as measurements."""

from __future__ import annotations

import math
from collections.abc import Mapping

from joulewright.errors import ScenarioError

_MARKS = ("model_id", "avg_batch_size", "output_throughput_tokens_per_sec", "avg_power_watts")
_PRECISIONS = {"bfloat16": "bf16", "float16": "fp16", "fp8": "fp8", "mxfp4": "mxfp4"}
LENGTH_FACTORS = {"lm-arena-chat": 1.9, "gpqa": 1.35}
"""``E[o^2] / E[o]^2`` of the answers by task, as measured for several models; other tasks take 1.9."""
PROMPT_GUESSES = {"lm-arena-chat": (500.0, 0.5, 0.4), "gpqa": (300.0, 0.3, 0.0), "sourcegraph-fim": (2000.0, 0.4, 0.0)}
"""Prompt [token], its spread in logarithms, and the cached share of it; the benchmark does not state prompts.

Chats have several turns, each of which repeats the ones before.
"""
_REPEATS = {"gpqa": (198, ((128, 1), (256, 2), (384, 3), (512, 4), (768, 5), (1024, 6)), 12)}
_OTHER_REPEATS = (1024, ((192, 1), (1024, 2)), 3)


def is_ml_energy(row: Mapping[str, str]) -> bool:
    """True for rows with the columns of that benchmark.

    References
    ----------
    See :func:`ml_energy_row`.
    """
    return all(mark in row for mark in _MARKS)


def ml_energy_row(row: Mapping[str, str]) -> dict[str, str]:
    """A row of the benchmark under the names of :func:`joulewright.physics.inference.measurements.parse_measurements`.

    Raises
    ------
    ScenarioError
        If a value that the conversion needs is not a positive number.

    Notes
    -----
    The mean step time is the mean batch over the output throughput, since every running sequence emits one token per
    step. The power column is the sum over accelerators. Rows with expert parallelism state a tensor parallel degree
    of 1, although attention is spread over all accelerators. A run serves a fixed set of requests, so that sequences
    are younger than in an endless run: with d batches after the first, by ``1 - (kappa - 1) (1 - e^-d) / d``.

    References
    ----------
    Chung et al. (2025), The ML.ENERGY Benchmark, arXiv:2505.06371; its public configuration files state how many
    requests a run serves.

    Examples
    --------
    >>> row = {"model_id": "Qwen/Qwen3-8B", "avg_batch_size": "8", "output_throughput_tokens_per_sec": "800",
    ...        "avg_power_watts": "450", "num_gpus": "1", "gpu_model": "H100", "weight_precision": "bfloat16",
    ...        "avg_output_len": "600", "task": "lm-arena-chat", "max_num_seqs": "8"}
    >>> float(ml_energy_row(row)["iteration_s"])
    0.01
    """
    sequences, rate = _value(row, "avg_batch_size"), _value(row, "output_throughput_tokens_per_sec")
    task, gpus = row.get("task", ""), _value(row, "num_gpus")
    expert_parallel = float(row.get("expert_parallel") or 1)
    precision = row.get("weight_precision", "")
    if precision not in _PRECISIONS:
        raise ScenarioError(f"weight_precision is {precision!r}; allowed is {', '.join(_PRECISIONS)}")
    factor = LENGTH_FACTORS.get(task, 1.9)
    return {
        "model": row["model_id"],
        "accelerator": row.get("gpu_model", ""),
        "precision": _PRECISIONS[precision],
        "gpus": f"{gpus:g}",
        "expert_parallel": f"{max(expert_parallel, 1.0):g}",
        "workload": task,
        "sequences": repr(sequences),
        "output_tokens": row.get("avg_output_len", ""),
        "iteration_s": repr(sequences / rate),
        "total_power_w": row["avg_power_watts"],
        "length_factor": repr(factor),
        "age_fraction": repr(_age(task, sequences, _value(row, "max_num_seqs"), factor)),
    }


def _age(task: str, sequences: float, limit: float, factor: float) -> float:
    requests, steps, most = _REPEATS.get(task, _OTHER_REPEATS)
    repeats = next((repeat for bound, repeat in steps if limit <= bound), most)
    batches = max(requests * repeats / sequences - 1.0, 0.3)
    return 1.0 - (factor - 1.0) * -math.expm1(-batches) / batches


def _value(row: Mapping[str, str], key: str) -> float:
    text = row.get(key) or ""
    try:
        value = float(text)
    except ValueError:
        raise ScenarioError(f"{key} is {text!r}; give a number") from None
    if not (math.isfinite(value) and value > 0.0):
        raise ScenarioError(f"{key} is {text}; allowed is a finite number above 0, so drop or correct the row")
    return value
