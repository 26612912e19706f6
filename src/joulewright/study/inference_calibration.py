"""Calibration of constants and validation of predictions on a user's own measurements."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

import polars as pl

from joulewright.errors import ScenarioError
from joulewright.io.language_model_file import read_measurements, unread_measurement_columns
from joulewright.physics.inference.calibrate import Calibration, calibrate, predict_runs
from joulewright.physics.inference.constants import constants_for
from joulewright.physics.inference.measured import configuration
from joulewright.physics.inference.measurements import Measurement
from joulewright.physics.inference.predict import Predictor
from joulewright.study.inference_deployment import Catalogues, calibration_of
from joulewright.study.inference_errors import Compared, groups_frame, runs_frame

LeaveOut = Literal["none", "model", "batch"]
_SAME_BATCH, _BATCH_FOLDS = 1.01, 8


@dataclass(frozen=True, kw_only=True, eq=False)
class MeasurementInput:
    """Measured runs and the file that they come from."""

    runs: tuple[Measurement, ...]
    name: str
    sha256: str
    notes: tuple[str, ...] = ()

    def facts(self) -> dict[str, Any]:
        """For manifests and documents."""
        return {
            "source": self.name,
            "sha256": self.sha256,
            "runs": len(self.runs),
            "accelerators": sorted({run.accelerator.name for run in self.runs}),
            "models": list(dict.fromkeys(run.model_name for run in self.runs)),
        }


def read_measured(
    path: Path, *, catalogues: Catalogues | None = None, accelerator: str | None = None
) -> MeasurementInput:
    """Measured runs of a CSV file, of one accelerator where it is named.

    Raises
    ------
    DataError
        If the file cannot be read.
    ScenarioError
        If rows are unusable, or none is of the accelerator.
    """
    known = catalogues or Catalogues()
    runs = read_measurements(path, models=known.models, accelerators=dict(known.accelerators))
    if accelerator is not None:
        wanted = known.accelerator(accelerator).name
        kept = tuple(run for run in runs if run.accelerator.name == wanted)
        if not kept:
            there = ", ".join(sorted({run.accelerator.name for run in runs}))
            raise ScenarioError(f"{path.name} has no runs on {wanted}; there are runs on {there}")
        runs = kept
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    notes = tuple(f"{path.name}: {text}" for text in unread_measurement_columns(path))
    return MeasurementInput(runs=runs, name=str(path), sha256=digest, notes=notes)


@dataclass(frozen=True, kw_only=True, eq=False)
class CalibrationStudy:
    """Fitted constants with every run beside its prediction, by a fit without it where that was asked for."""

    measured: MeasurementInput
    calibration: Calibration
    runs: pl.DataFrame

    def tables(self) -> dict[str, pl.DataFrame]:
        """Frames of the run folder by name."""
        return {"runs": self.runs, "groups": groups_frame(self.runs)}

    def constants(self) -> list[dict[str, Any]]:
        """Fitted numbers beside those that ship for the accelerator."""
        found, device = self.calibration.constants, self.measured.runs[0].accelerator
        shipped = constants_for(device)
        rows = []
        for item in fields(found):
            value = getattr(found, item.name)
            if isinstance(value, float) and not item.name.endswith("_error"):
                rows.append({"constant": item.name, "fitted": value, "shipped": getattr(shipped, item.name)})
        return rows

    def document(self) -> dict[str, Any]:
        """For manifests and ``--json``."""
        found = self.calibration.as_dict()
        return {
            "measurements": self.measured.facts(),
            "accelerator": found["accelerator"],
            "name": self.calibration.constants.name,
            "status": self.calibration.constants.status,
            "constants": self.constants(),
            "prompts": found["prompts"],
            "errors": found["errors"],
            "fitted": [item._asdict() for item in self.calibration.constants.fitted or ()],
            "groups": groups_frame(self.runs).to_dicts(),
            "held_out": bool(self.calibration.held_out),
            "notes": [*self.measured.notes, *found["warnings"]],
        }


def study_calibration(
    measured: MeasurementInput, *, name: str = "calibrated", held_out: bool = True
) -> CalibrationStudy:
    """Fit constants to measured runs of one accelerator.

    Parameters
    ----------
    measured : MeasurementInput
        Runs of one accelerator type.
    name : str
        Name of the fitted set.
    held_out : bool
        Whether predictions are by fits without the run's model.

    Raises
    ------
    ScenarioError
        As :func:`joulewright.physics.inference.calibrate.calibrate`.
    """
    found = calibrate(measured.runs, name=name, held_out=held_out)
    if held_out:
        rows = [Compared(item.run, item.iteration_s, item.power_w, "step model") for item in found.held_out]
    else:
        fitted = [run for run in measured.runs if run.model.kv_layout == "standard"]
        steps = predict_runs(fitted, found.constants, found.prompts)
        rows = [
            Compared(run, time_s, power_w, "step model")
            for run, time_s, power_w in zip(fitted, steps.time_s.tolist(), steps.power_w.tolist())
        ]
    return CalibrationStudy(measured=measured, calibration=found, runs=runs_frame(rows))


@dataclass(frozen=True, kw_only=True, eq=False)
class ValidationStudy:
    """Measured runs beside predictions that have not seen them."""

    measured: MeasurementInput
    references: MeasurementInput | None
    constants: str
    """What the user named, or the sets that predictions rest on."""
    leave_out: LeaveOut
    runs: pl.DataFrame
    skipped: tuple[str, ...]

    def tables(self) -> dict[str, pl.DataFrame]:
        """Frames of the run folder by name."""
        return {"runs": self.runs, "groups": groups_frame(self.runs)}

    def document(self) -> dict[str, Any]:
        """For manifests and ``--json``."""
        return {
            "measurements": self.measured.facts(),
            "references": None if self.references is None else self.references.facts(),
            "constants": self.constants,
            "leave_out": self.leave_out,
            "groups": groups_frame(self.runs).to_dicts(),
            "notes": [*self.measured.notes, *(self.references.notes if self.references else ()), *self.skipped],
        }


def study_validation(
    measured: MeasurementInput,
    *,
    constants: str | None = None,
    references: MeasurementInput | None = None,
    leave_out: LeaveOut = "none",
) -> ValidationStudy:
    """Compare predictions with measured runs.

    Parameters
    ----------
    measured : MeasurementInput
        Runs to compare with.
    constants : str or None
        Name of a set, or path of a calibration; None takes the best known of each accelerator, and with
        ``leave_out="model"`` those fitted to the other models.
    references : MeasurementInput or None
        Further runs that predictions may lean on.
    leave_out : {"none", "model", "batch"}
        What of the measured runs predictions of a run must not lean on: ``none`` uses none of them, ``model`` all runs
        of other models, ``batch`` runs of other batches, of a configuration at least seven of eight.

    Raises
    ------
    ScenarioError, DataError
        If the constants cannot be read, or no run can be predicted.
    """
    given = _calibration(constants, measured)
    more, repeated = _unseen(references, measured)
    rows: list[Compared] = []
    skipped = [f"{repeated} references are runs to predict and are left out"] if repeated else []
    used: dict[str, None] = {}
    for asked, others in _folds(measured.runs, leave_out):
        calibration = given
        if calibration is None and leave_out == "model":
            calibration = _fitted(others, asked[0])
        used[calibration.constants.name if calibration else constants_for(asked[0].accelerator).name] = None
        predictor = Predictor([*others, *more], calibration=calibration)
        for run in asked:
            try:
                (found,) = predictor.predict([run])
            except ScenarioError as error:
                skipped.append(f"row {run.row} ({run.model_name}) is left out: {error}")
                continue
            rows.append(Compared(run, found.iteration_s, found.power_w, found.level))
    if not rows:
        raise ScenarioError(f"no run of {measured.name} can be predicted: {skipped[0]}")
    rows.sort(key=lambda row: row.run.row)
    return ValidationStudy(
        measured=measured,
        references=references,
        constants=constants or ", ".join(used),
        leave_out=leave_out,
        runs=runs_frame(rows),
        skipped=_gathered(skipped),
    )


def _folds(runs: Sequence[Measurement], leave_out: LeaveOut) -> list[tuple[list[Measurement], list[Measurement]]]:
    """Runs to predict together, and those that the predictions may lean on."""
    if leave_out == "none":
        devices = dict.fromkeys(run.accelerator.name for run in runs)
        return [([run for run in runs if run.accelerator.name == name], []) for name in devices]
    if leave_out == "model":
        groups = dict.fromkeys((run.model_name, run.accelerator.name) for run in runs)
        return [
            (
                [run for run in runs if (run.model_name, run.accelerator.name) == (model, device)],
                [run for run in runs if run.model_name != model],
            )
            for model, device in groups
        ]
    fold = _batch_folds(runs)
    return [
        (
            [run for run, place in zip(runs, fold) if place == number],
            [run for run, place in zip(runs, fold) if place != number],
        )
        for number in sorted(set(fold))
    ]


def _batch_folds(runs: Sequence[Measurement]) -> list[int]:
    """Fold of each run: neighbouring batches of one configuration are in different ones, close batches in one."""
    fold, last = [0] * len(runs), dict[object, tuple[float, int]]()
    for place in sorted(range(len(runs)), key=lambda at: runs[at].sequences):
        run, key = runs[place], configuration(runs[place])
        batch, number = last.get(key, (0.0, -1))
        if run.sequences > _SAME_BATCH * batch:
            batch, number = run.sequences, number + 1
        last[key] = (batch, number)
        fold[place] = number % _BATCH_FOLDS
    return fold


def _fitted(others: Sequence[Measurement], asked: Measurement) -> Calibration | None:
    """Constants fitted to the other models on the same accelerator; None where they are too few."""
    try:
        runs = [run for run in others if run.accelerator == asked.accelerator]
        return calibrate(runs, name="fitted to the other models", held_out=False, general=True)
    except (ScenarioError, IndexError):
        return None


def _calibration(constants: str | None, measured: MeasurementInput) -> Calibration | None:
    """The constants that a user names; they must be of the accelerator of every run."""
    if constants is None:
        return None
    found = calibration_of(constants)
    others = sorted({run.accelerator.name for run in measured.runs} - {found.accelerator})
    if others:
        own = sum(run.accelerator.name == found.accelerator for run in measured.runs)
        way_out = f"keep those {own} runs with --accelerator {found.accelerator}" if own else "calibrate it"
        raise ScenarioError(
            f"the constants {constants} are of {found.accelerator}, but {len(measured.runs) - own} runs of "
            f"{measured.name} are on {', '.join(others)}; {way_out}, or leave the constants out"
        )
    return found


def _unseen(references: MeasurementInput | None, measured: MeasurementInput) -> tuple[list[Measurement], int]:
    """References that are no run to predict, and how many are."""
    if references is None:
        return [], 0
    asked = [replace(run, row=0) for run in measured.runs]
    kept = [run for run in references.runs if replace(run, row=0) not in asked]
    return kept, len(references.runs) - len(kept)


def _gathered(skipped: Sequence[str]) -> tuple[str, ...]:
    if len(skipped) <= 3:
        return tuple(skipped)
    return (*skipped[:3], f"{len(skipped) - 3} further runs are left out for such reasons")
