"""Interpolation of measured runs of the same deployment in the batch, the most accurate prediction there is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from joulewright.physics.inference.measurements import Measurement


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
    """Step time [s] and power of one accelerator [W], and whether the batch lies within the measured ones."""

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


def interpolate(runs: Sequence[Measurement], sequences: float) -> Interpolated | None:
    """Step time and power at a batch from runs of one configuration; None with fewer than two different batches.

    Parameters
    ----------
    runs : sequence of Measurement
        Runs of one configuration, any order.
    sequences : float
        Running sequences.

    Notes
    -----
    The logarithms of time and power are linear in the logarithm of the batch between neighbours, and held beyond the
    ends. Runs whose batches differ by less than 1 % are averaged first.

    References
    ----------
    Interpolation on logarithms; its error on the runs at hand is what :func:`leave_one_batch_out` finds.
    """
    batch, time, power = _points(runs)
    if batch.size < 2:
        return None
    at = np.log2(sequences)
    inside = bool(batch[0] - 0.015 <= at <= batch[-1] + 0.015)
    return Interpolated(float(np.exp(np.interp(at, batch, time))), float(np.exp(np.interp(at, batch, power))), inside)


def leave_one_batch_out(runs: Sequence[Measurement]) -> list[tuple[Measurement, Interpolated]]:
    """Every run whose batch lies between others of its configuration, with its interpolation from those others.

    References
    ----------
    See :func:`interpolate`.
    """
    groups: dict[Configuration, list[Measurement]] = {}
    for run in runs:
        groups.setdefault(configuration(run), []).append(run)
    found = []
    for group in groups.values():
        for run in group:
            others = [item for item in group if not _same_batch(item, run)]
            guess = interpolate(others, run.sequences)
            if guess is not None and guess.inside:
                found.append((run, guess))
    return found


def _same_batch(first: Measurement, second: Measurement) -> bool:
    return abs(math.log2(first.sequences / second.sequences)) < 0.015


def _points(runs: Sequence[Measurement]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logarithms of batch, time and power with close batches averaged."""
    rows = sorted((np.log2(run.sequences), np.log(run.iteration_s), np.log(run.power_w)) for run in runs)
    groups: list[list[tuple[float, float, float]]] = []
    for row in rows:
        if groups and row[0] - groups[-1][0][0] < 0.015:
            groups[-1].append(row)
        else:
            groups.append([row])
    table = np.array([np.mean(group, axis=0) for group in groups]).reshape(-1, 3)
    return table[:, 0], table[:, 1], table[:, 2]
