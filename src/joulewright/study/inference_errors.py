"""Measured runs beside their predictions: one frame by run, one with mean errors by group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from joulewright.model.timeline import FloatArray
from joulewright.physics.inference.calibrate import guessed_prompts
from joulewright.physics.inference.deployment import coefficients
from joulewright.physics.inference.measurements import Measurement
from joulewright.physics.inference.mfu import mfu_power_w

QUANTITIES = ("iteration_s", "power_w", "energy_per_output_token_j")
_GROUPINGS = (("kind", ["kind"]), ("level", ["kind", "level"]), ("model", ["kind", "model"]),
              ("configuration", ["kind", "model", "precision", "gpus", "workload"]))  # fmt: skip


class Compared(NamedTuple):
    """A measured run, its predicted step time [s] and power of one accelerator [W], and by which predictor."""

    run: Measurement
    iteration_s: float
    power_w: float
    level: str


def runs_frame(rows: Sequence[Compared]) -> pl.DataFrame:
    """One row for each run: what it was, measured and predicted figures, relative errors, and the MFU baseline.

    Errors are predicted over measured less 1; times in s, power of one accelerator in W, energy of all in J per token.
    """
    baseline = mfu_powers_w([row.run for row in rows])
    found = []
    for row, mfu_w in zip(rows, baseline.tolist(), strict=True):
        run = row.run
        predicted = {
            "iteration_s": row.iteration_s,
            "power_w": row.power_w,
            "energy_per_output_token_j": row.power_w * run.gpus * row.iteration_s / run.sequences,
        }
        columns: dict[str, Any] = {
            "row": run.row,
            "kind": "experts" if run.model.experts else "dense",
            "model": run.model_name,
            "accelerator": run.accelerator.name,
            "precision": run.precision,
            "gpus": run.gpus,
            "workload": run.workload,
            "sequences": run.sequences,
            "level": row.level,
        }
        for name in QUANTITIES:
            measured = float(getattr(run, name))
            columns |= {
                f"measured_{name}": measured,
                f"predicted_{name}": predicted[name],
                f"error_{name}": predicted[name] / measured - 1.0,
            }
        found.append(columns | {"mfu_power_w": mfu_w, "error_mfu_power_w": mfu_w / run.power_w - 1.0})
    return pl.DataFrame(found).fill_nan(None)


def groups_frame(runs: pl.DataFrame) -> pl.DataFrame:
    """Mean absolute relative errors by kind, level, model and configuration, in one frame.

    Columns: ``grouping`` (by what), ``group``, ``kind``, ``runs``, ``levels``, ``time_error``, ``power_error``,
    ``energy_error``, ``mfu_power_error`` as fractions, and ``power_bias``, the mean of the signed errors.
    """
    errors = dict(zip(("time_error", "power_error", "energy_error"), (f"error_{name}" for name in QUANTITIES)))
    means = [pl.col(column).abs().mean().alias(name) for name, column in errors.items()]
    frames = []
    for grouping, keys in _GROUPINGS:
        own = keys if len(keys) == 1 else keys[1:]
        grouped = runs.group_by(keys, maintain_order=True).agg(
            pl.len().alias("runs"),
            pl.col("level").unique(maintain_order=True).str.join(", ").alias("levels"),
            *means,
            pl.col("error_mfu_power_w").abs().mean().alias("mfu_power_error"),
            pl.col("error_power_w").mean().alias("power_bias"),
        )
        named = grouped.with_columns(
            grouping=pl.lit(grouping), group=pl.concat_str([pl.col(key).cast(pl.String) for key in own], separator=" ")
        )
        frames.append(
            named.select("grouping", "group", "kind", "runs", "levels", *errors, "mfu_power_error", "power_bias")
        )
    return pl.concat(frames).with_columns(pl.col("runs").cast(pl.Int64))


def mfu_powers_w(runs: Sequence[Measurement]) -> FloatArray:
    """Power of one accelerator by the share of peak operations alone, at the measured step time [W], shape ``(R,)``.

    Unknown prompts take the general guess of their workload; not a number for caches of another layout.
    """
    prompts = guessed_prompts(runs, {})
    found = np.full(len(runs), np.nan)
    for place, run in enumerate(runs):
        if run.model.kv_layout != "standard":
            continue
        k, device = coefficients(run.deployment()), run.accelerator
        prompt = run.input_tokens if run.input_tokens is not None else prompts[run.workload][0]
        tokens = run.sequences * (1.0 + prompt / run.output_tokens)
        context = prompt + run.output_tokens * run.length_factor * run.age_fraction / 2.0
        flops = k.flops_per_token * tokens + k.flops_per_token_context * run.sequences * context
        share = min(flops / (run.iteration_s * k.raw_flops_per_s), 1.0)
        found[place] = float(mfu_power_w(share, idle_w=device.idle_power_w, board_w=device.board_power_w))
    return found
