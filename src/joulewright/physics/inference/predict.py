"""Prediction of a stationary batch by the best means at hand, which the answer names with its expected error."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from joulewright.model.timeline import FloatArray
from joulewright.physics.inference.calibrate import Calibration, mean_errors
from joulewright.physics.inference.constants import Errors
from joulewright.physics.inference.deployment import Deployment
from joulewright.physics.inference.measured import (
    alike,
    best_constants,
    interpolate,
    leave_one_batch_out,
    model_steps,
    table_steps,
)
from joulewright.physics.inference.measurements import Measurement
from joulewright.physics.inference.precision import model_kind
from joulewright.physics.inference.workload import BatchWorkload

LEVELS = ("interpolated", "corrected", "step model", "uncalibrated")
"""From the most to the least accurate: between measured batches, step model corrected by measured runs, alone."""
_NOISE, _GENERAL, _SHAPE, _KIND, _BATCH = 0.003, 0.01, 0.02, 0.01, 2.0


class Prediction(NamedTuple):
    """Prediction of one batch.

    Attributes
    ----------
    iteration_s, power_w, energy_per_output_token_j : float
        Step time [s], power of one accelerator [W] and energy of all of them per token [J].
    level : str
        One of :data:`LEVELS`.
    expected_error : tuple of float or None
        Mean absolute relative error to expect of time, power and energy; None if nobody measured it.
    """

    iteration_s: float
    power_w: float
    energy_per_output_token_j: float
    level: str
    expected_error: Errors


class Predictor:
    """Predicts batches from measured runs where they fit, and from the step model elsewhere.

    Parameters
    ----------
    runs : sequence of Measurement
        Measured runs to lean on; may be empty.
    calibration : Calibration or None
        Constants and prompts to use; None takes the best known constants of each accelerator.

    References
    ----------
    Rasmussen and Williams (2006), Gaussian Processes for Machine Learning, sections 2.2 and 2.7 (the correction), and
    equation 5.12 (its error with one run left out).
    """

    def __init__(self, runs: Sequence[Measurement] = (), *, calibration: Calibration | None = None) -> None:
        self._calibration = calibration
        self._runs = [run for run in runs if run.model.kv_layout == "standard"]
        self._tables = list(runs)
        self._steps = table_steps(self._tables, calibration)
        self._table_error = _table_error(self._tables, calibration)
        if self._runs:
            measured = np.array([(run.iteration_s, run.power_w) for run in self._runs])
            shaped = [run.model.kv_layout == "standard" for run in self._tables]
            self._residuals = np.log(measured / self._steps[shaped])
            covariance = _covariance(self._runs, self._runs) + _NOISE * np.eye(len(self._runs))
            self._weights = np.linalg.solve(covariance, self._residuals)
            left_out = self._weights / np.diag(np.linalg.inv(covariance))[:, None]
            self._correction_error = _mean_error(left_out)

    def predict(self, asked: Sequence[Measurement]) -> list[Prediction]:
        """Predictions of batches; measured time and power of what is asked are not looked at.

        Parameters
        ----------
        asked : sequence of Measurement
            Batches.

        Returns
        -------
        list of Prediction
            In the order asked.

        Raises
        ------
        ScenarioError
            If a model has a cache of another layout and there are no runs of its configuration to interpolate.

        References
        ----------
        See :class:`Predictor`.
        """
        return [self._one(item) for item in asked]

    def _one(self, asked: Measurement) -> Prediction:
        rows = [row for row, run in enumerate(self._tables) if _same_configuration(run, asked)]
        same = [self._tables[row] for row in rows]
        table = interpolate(same, asked.sequences, steps=self._steps[rows])
        if table is not None and (table.inside or asked.model.kv_layout != "standard"):
            error = self._table_error if table.inside else (None, None, None)
            time_s, power_w = table_steps([asked], self._calibration)[0].tolist()
            # Measured means may exceed the board power a little, predictions only as far as those did.
            most_w = max(asked.accelerator.board_power_w, *(run.power_w for run in same))
            value = (time_s * table.iteration_s, min(power_w * table.power_w, most_w))
            return _prediction(asked, value, LEVELS[0], error)
        time_s, power_w = model_steps([asked], self._calibration)[0].tolist()
        constants = best_constants(asked, self._calibration)
        status, error = constants.standing(model_kind(asked.model, asked.precision))
        level = LEVELS[3] if status.startswith("uncalibrated") else LEVELS[2]
        if not self._runs:
            return _prediction(asked, (time_s, power_w), level, error)
        factors = np.exp(_covariance([asked], self._runs) @ self._weights)[0]
        value = (time_s * float(factors[0]), min(power_w * float(factors[1]), asked.accelerator.board_power_w))
        if any(_same_shape(run, asked) for run in self._runs):
            return _prediction(asked, value, LEVELS[1], self._correction_error)
        return _prediction(asked, value, level, error)


class ValidationRow(NamedTuple):
    """A measured run and its prediction."""

    run: Measurement
    prediction: Prediction

    @property
    def errors(self) -> tuple[float, float, float]:
        """Signed relative errors of time, power and energy per token."""
        return (
            self.prediction.iteration_s / self.run.iteration_s - 1.0,
            self.prediction.power_w / self.run.power_w - 1.0,
            self.prediction.energy_per_output_token_j / self.run.energy_per_output_token_j - 1.0,
        )


def validate(
    runs: Sequence[Measurement], *, references: Sequence[Measurement] = (), calibration: Calibration | None = None
) -> list[ValidationRow]:
    """Measured runs against predictions that have not seen them, row by row with the level that was used.

    Parameters
    ----------
    runs : sequence of Measurement
        Runs to compare with.
    references : sequence of Measurement
        Other runs that predictions may lean on; a run is never predicted from itself.
    calibration : Calibration or None
        Constants; None takes the best known of each accelerator.

    References
    ----------
    See :class:`Predictor`.
    """
    known = {id(run) for run in runs}
    predictor = Predictor([run for run in references if id(run) not in known], calibration=calibration)
    return [ValidationRow(run, found) for run, found in zip(runs, predictor.predict(runs))]


def wanted(deployment: Deployment, batch: BatchWorkload, *, workload: str = "requests") -> Measurement:
    """What :meth:`Predictor.predict` is asked for, from a deployment and a batch of plain numbers.

    References
    ----------
    See :class:`Predictor`.
    """
    sequences, prompt, answer, cached, factor, age = (float(np.asarray(item)) for item in batch)
    return Measurement(
        model_name=deployment.model.name,
        model=deployment.model,
        accelerator=deployment.accelerator,
        precision=deployment.precision,
        gpus=deployment.tensor_parallel,
        expert_parallel=deployment.expert_parallel,
        workload=workload,
        sequences=sequences,
        output_tokens=answer,
        input_tokens=prompt,
        cached_fraction=cached,
        length_factor=factor,
        age_fraction=age,
        iteration_s=math.nan,
        power_w=math.nan,
        row=0,
    )


def _prediction(asked: Measurement, value: tuple[float, float], level: str, error: Errors) -> Prediction:
    time_s, power_w = value
    return Prediction(time_s, power_w, power_w * asked.gpus * time_s / asked.sequences, level, error)


def _table_error(runs: Sequence[Measurement], calibration: Calibration | None) -> Errors:
    found = leave_one_batch_out(runs, calibration=calibration)
    if not found:
        return None, None, None
    times, powers = np.array([(item.iteration_s, item.power_w) for _, item in found]).T
    return mean_errors([run for run, _ in found], times, powers)


def _mean_error(residuals: FloatArray) -> Errors:
    both = np.column_stack((residuals, residuals.sum(axis=1)))
    time, power, energy = np.abs(np.expm1(both)).mean(axis=0).tolist()
    return time, power, energy


def _same_configuration(run: Measurement, asked: Measurement) -> bool:
    names = {run.model_name, run.model.name} & {asked.model_name, asked.model.name}
    if not names or (run.model_name != asked.model_name and asked.model_name != asked.model.name):
        return False
    keys = ("accelerator", "precision", "gpus", "expert_parallel", "workload")
    return all(getattr(run, key) == getattr(asked, key) for key in keys) and alike(run, asked)


def _same_shape(run: Measurement, asked: Measurement) -> bool:
    return _shape(run) == _shape(asked)


def _shape(run: Measurement) -> tuple[str, int, int, int]:
    return run.accelerator.name, run.model.layers, run.model.hidden, run.model.experts


def _kind(run: Measurement) -> tuple[str, str, bool]:
    return run.accelerator.name, run.precision, run.model.experts > 0


def _covariance(rows: Sequence[Measurement], columns: Sequence[Measurement]) -> FloatArray:
    """Prior covariance of the logarithmic errors of the step model for two lists of runs."""

    def equal(first: Sequence[object], second: Sequence[object]) -> FloatArray:
        codes = {value: code for code, value in enumerate(dict.fromkeys([*first, *second]))}
        left, right = np.array([codes[item] for item in first]), np.array([codes[item] for item in second])
        same: FloatArray = np.equal.outer(left, right).astype(np.float64)
        return same

    gap = np.log2([[run.sequences] for run in rows]) - np.log2([run.sequences for run in columns])
    shape = equal([_shape(run) for run in rows], [_shape(run) for run in columns])
    kind = equal(
        *([(run.accelerator.name, run.precision, run.model.experts > 0) for run in item] for item in (rows, columns))
    )
    gpus = equal([run.gpus for run in rows], [run.gpus for run in columns])
    near = np.exp(-0.5 * (gap / _BATCH) ** 2)
    total: FloatArray = _GENERAL * shape + near * (
        _SHAPE * shape * (0.6 + 0.4 * gpus) * (0.7 + 0.3 * kind) + _KIND * kind * (0.5 + 0.5 * gpus)
    )
    total *= 0.5 + 0.5 * equal([run.workload for run in rows], [run.workload for run in columns])
    return total
