"""Interpolation of the errors of the step model between measured runs of one deployment, the most accurate there is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from joulewright.model.timeline import FloatArray
from joulewright.physics.inference.calibrate import Calibration, guessed_prompts, predict_runs
from joulewright.physics.inference.constants import EngineConstants, constants_for
from joulewright.physics.inference.measurements import Measurement

_ALIKE = math.log(1.3)


class Configuration(NamedTuple):
    """What two runs must share for one to be interpolated between others.

    Attributes
    ----------
    model_name, accelerator, precision, gpus, expert_parallel, workload : str or int
        As in :class:`joulewright.physics.inference.measurements.Measurement`.
    """

    model_name: str
    accelerator: str
    precision: str
    gpus: int
    expert_parallel: int
    workload: str


class Interpolated(NamedTuple):
    """Step time [s] and power of one accelerator [W], or factors on them; whether the batch is within the measured."""

    iteration_s: float
    power_w: float
    inside: bool


def configuration(run: Measurement) -> Configuration:
    """Configuration of a run."""
    return Configuration(
        model_name=run.model_name,
        accelerator=run.accelerator.name,
        precision=run.precision,
        gpus=run.gpus,
        expert_parallel=run.expert_parallel,
        workload=run.workload,
    )


def interpolate(
    runs: Sequence[Measurement], sequences: float, *, steps: FloatArray | None = None
) -> Interpolated | None:
    """Step time and power at a batch from runs of one configuration; None with fewer than two different batches.

    Parameters
    ----------
    runs : sequence of Measurement
        Runs of one configuration and like lengths, any order.
    sequences : float
        Running sequences.
    steps : array, optional
        What the step model gives for the runs, shape ``(R, 2)`` [s, W]. The outcome is then the factor on what it gives
        for the batch asked for.

    Notes
    -----
    The logarithms of time and power, or of their ratios to the step model, are linear in the logarithm of the batch
    between neighbours, and held beyond the ends. Runs whose batches differ by less than 1 % are averaged first.

    References
    ----------
    Interpolation on logarithms; its error on the runs at hand is what :func:`leave_one_batch_out` finds.
    """
    batch, time, power = _points(runs, np.ones((len(runs), 2)) if steps is None else steps)
    if batch.size < 2:
        return None
    at = np.log2(sequences)
    inside = bool(batch[0] - 0.015 <= at <= batch[-1] + 0.015)
    return Interpolated(float(np.exp(np.interp(at, batch, time))), float(np.exp(np.interp(at, batch, power))), inside)


def alike(first: Measurement, second: Measurement) -> bool:
    """True where prompts and answers are near enough for the error of the step model to carry over.

    Notes
    -----
    Prompts, answers and length factors within a factor of 1.3, cached shares within 0.1; a prompt that is unknown is
    like another unknown one of the same workload only.

    References
    ----------
    A choice: answers of one workload of the ML.ENERGY benchmark differ by up to 1.24 between batches.
    """
    if (first.input_tokens is None) != (second.input_tokens is None):
        return False
    pairs = [
        (first.output_tokens, second.output_tokens),
        (first.length_factor, second.length_factor),
        (first.input_tokens or 1.0, second.input_tokens or 1.0),
    ]
    near = all(abs(math.log(one / other)) < _ALIKE for one, other in pairs)
    return near and abs(first.cached_fraction - second.cached_fraction) < 0.1


def best_constants(run: Measurement, calibration: Calibration | None) -> EngineConstants:
    """Constants of a calibration of the accelerator of a run, or else the best known ones of that accelerator.

    References
    ----------
    See :func:`joulewright.physics.inference.constants.constants_for`.
    """
    if calibration is not None and calibration.accelerator == run.accelerator.name:
        return calibration.constants
    return constants_for(run.accelerator)


def model_steps(runs: Sequence[Measurement], calibration: Calibration | None = None) -> FloatArray:
    """Step time and power of one accelerator that the step model gives for runs, shape ``(R, 2)`` [s, W].

    Raises
    ------
    ScenarioError
        If the cache of a model has another layout.

    References
    ----------
    See :func:`joulewright.physics.inference.workload.mean_step`.
    """
    prompts = guessed_prompts(runs, {} if calibration is None else calibration.prompts)
    found = np.empty((len(runs), 2))
    names = np.array([run.accelerator.name for run in runs])
    for name in dict.fromkeys(names.tolist()):
        rows = np.flatnonzero(names == name)
        some = [runs[int(row)] for row in rows]
        steps = predict_runs(some, best_constants(some[0], calibration), prompts)
        found[rows, 0], found[rows, 1] = steps.time_s, steps.power_w
    return found


def table_steps(runs: Sequence[Measurement], calibration: Calibration | None = None) -> FloatArray:
    """As :func:`model_steps`, with ones for runs that the step model cannot describe.

    References
    ----------
    See :func:`model_steps`.
    """
    found = np.ones((len(runs), 2))
    shaped = [row for row, run in enumerate(runs) if run.model.kv_layout == "standard"]
    if shaped:
        found[shaped] = model_steps([runs[row] for row in shaped], calibration)
    return found


def leave_one_batch_out(
    runs: Sequence[Measurement], *, calibration: Calibration | None = None
) -> list[tuple[Measurement, Interpolated]]:
    """Every run whose batch lies between others of its configuration, with its interpolation from those others.

    Parameters
    ----------
    runs : sequence of Measurement
        Runs of any configurations.
    calibration : Calibration or None
        Constants of the step model whose errors are interpolated; None takes the best known ones.

    References
    ----------
    See :func:`interpolate`.
    """
    steps = table_steps(runs, calibration)
    groups: dict[Configuration, list[int]] = {}
    for row, run in enumerate(runs):
        groups.setdefault(configuration(run), []).append(row)
    found = []
    for group in groups.values():
        for row in group:
            run = runs[row]
            others = [item for item in group if not _same_batch(runs[item], run) and alike(runs[item], run)]
            guess = interpolate([runs[item] for item in others], run.sequences, steps=steps[others])
            if guess is not None and guess.inside:
                time_s, power_w = (float(value) for value in steps[row])
                found.append((run, Interpolated(time_s * guess.iteration_s, power_w * guess.power_w, True)))
    return found


def _same_batch(first: Measurement, second: Measurement) -> bool:
    return abs(math.log2(first.sequences / second.sequences)) < 0.015


def _points(runs: Sequence[Measurement], steps: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Logarithms of batch, and of time and power over those of steps, with close batches averaged."""
    rows = sorted(
        (math.log2(run.sequences), math.log(run.iteration_s / time_s), math.log(run.power_w / power_w))
        for run, (time_s, power_w) in zip(runs, steps.tolist())
    )
    groups: list[list[tuple[float, float, float]]] = []
    for row in rows:
        if groups and row[0] - groups[-1][0][0] < 0.015:
            groups[-1].append(row)
        else:
            groups.append([row])
    table = np.array([np.mean(group, axis=0) for group in groups]).reshape(-1, 3)
    return table[:, 0], table[:, 1], table[:, 2]
