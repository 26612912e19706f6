"""Calibration of the step model on measured runs, with the error on runs that were held out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import numpy as np

from joulewright.errors import ScenarioError
from joulewright.model.timeline import FloatArray
from joulewright.physics.accelerator import Accelerator
from joulewright.physics.inference.calibration_stages import (
    OVERHEADS,
    Batch,
    Stage,
    State,
    fit_both,
    fit_dense,
    fit_experts,
)
from joulewright.physics.inference.constants import EngineConstants, FittedKind, constants_for
from joulewright.physics.inference.measurements import Measurement
from joulewright.physics.inference.ml_energy import PROMPT_GUESSES
from joulewright.physics.inference.precision import KERNELS, model_kind
from joulewright.physics.inference.workload import MeanStep

LEAST_ROWS = 6
"""Fewest runs of a kind (dense, with experts) that a fit is made from."""
_KINDS = {"dense": "runs of dense models", "experts": "runs of models with experts"}
_BY_MODEL = "leave one model out"
_BITS = {"bf16": 16, "fp8": 8, "mxfp4": 4}


@dataclass(frozen=True, kw_only=True)
class FitError:
    """Mean absolute relative errors of one kind of model.

    Attributes
    ----------
    kind : str
        ``dense`` or ``experts``.
    method : str
        ``leave one model out`` or ``5 folds``.
    runs : int
        Runs that were predicted.
    time, power, energy : float
        Error of step time, power and energy per token on runs that were not fitted, as fractions.
    fitted_time, fitted_power, fitted_energy : float
        The same on the runs that were fitted.
    """

    kind: str
    method: str
    runs: int
    time: float
    power: float
    energy: float
    fitted_time: float
    fitted_power: float
    fitted_energy: float


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """Prediction of a run by a fit without it."""

    run: Measurement
    iteration_s: float
    power_w: float

    @property
    def energy_per_output_token_j(self) -> float:
        """Predicted energy per token of all accelerators [J]."""
        return self.power_w * self.run.gpus * self.iteration_s / self.run.sequences


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Fitted constants and what is known about them.

    Attributes
    ----------
    constants : EngineConstants
        Fitted constants, with their expected errors.
    accelerator : str
        Device that they hold for.
    prompts : mapping of str to (float, float)
        Estimated prompt [token] and cached share by workload where the measurements do not state them.
    errors : tuple of FitError
        Held-out and fitted errors.
    warnings : tuple of str
        What the measurements cannot tell.
    held_out : tuple of HeldOut
        Every held-out prediction, in the order of the rows.
    """

    constants: EngineConstants
    accelerator: str
    prompts: Mapping[str, tuple[float, float]]
    errors: tuple[FitError, ...]
    warnings: tuple[str, ...]
    held_out: tuple[HeldOut, ...] = field(default=(), repr=False)

    def as_dict(self) -> dict[str, Any]:
        """Plain document for JSON, without the single predictions."""
        return {
            "schema": "joulewright/calibration/1",
            "accelerator": self.accelerator,
            "constants": asdict(self.constants),
            "prompts": {key: list(value) for key, value in self.prompts.items()},
            "errors": [asdict(item) for item in self.errors],
            "warnings": list(self.warnings),
        }


def calibration_from_dict(document: Mapping[str, Any]) -> Calibration:
    """A calibration from the document of :meth:`Calibration.as_dict`.

    Raises
    ------
    ScenarioError
        If the schema is another one, or a key of the constants is unknown or absent.

    References
    ----------
    See :func:`calibrate`.
    """
    if document.get("schema") != "joulewright/calibration/1":
        raise ScenarioError(
            f"schema of the calibration is {document.get('schema')!r}; allowed is 'joulewright/calibration/1'"
        )
    known = {item.name for item in fields(EngineConstants)}
    given = dict(document.get("constants", {}))
    if set(given) - known:
        raise ScenarioError(f"constants hold {sorted(set(given) - known)}; allowed is {', '.join(sorted(known))}")
    try:
        if given.get("fitted") is not None:
            given["fitted"] = tuple(FittedKind(*item) for item in given["fitted"])
        constants = EngineConstants(**given)
        errors = tuple(FitError(**item) for item in document.get("errors", ()))
    except TypeError as error:
        raise ScenarioError(f"the calibration is incomplete: {error}") from error
    return Calibration(
        constants=constants,
        accelerator=str(document.get("accelerator", "")),
        prompts={key: (float(value[0]), float(value[1])) for key, value in document.get("prompts", {}).items()},
        errors=errors,
        warnings=tuple(document.get("warnings", ())),
    )


def calibrate(
    runs: Sequence[Measurement], *, name: str = "calibrated", held_out: bool = True, general: bool = False
) -> Calibration:
    """Constants of one accelerator from measured runs.

    Parameters
    ----------
    runs : sequence of Measurement
        Runs on one accelerator type.
    name : str
        Name of the fitted set.
    held_out : bool
        Whether the error on runs that were not fitted is found; it takes one fit for each model.
    general : bool
        Whether overheads of formats without runs are general guesses instead of the shipped ones. Fits that predict
        runs left out need it, as the shipped set may rest on those very runs.

    Raises
    ------
    ScenarioError
        If the runs are of several accelerators, or of neither kind of model there are at least :data:`LEAST_ROWS`.

    Notes
    -----
    Step time, power and energy per token of all runs are fitted at once in logarithms, first the dense models, then
    the constants of experts with the others held. Priors are weak and general: they are not taken from the runs. The
    achieved share of peak operations stays at 0.70, the value of matrix products, because runs without prompt lengths
    cannot tell it from the length of the prompts; unknown prompts are estimated, one for each workload. With too few
    runs of dense models their constants are fitted to the models with experts, jointly. Overheads of expert layers in
    formats without runs stay those of the shipped set, or general guesses where it has none.

    References
    ----------
    See :func:`joulewright.physics.inference.fitting.fit` and :func:`joulewright.physics.inference.step.step`; Agrawal
    et al. (2024), Vidur, arXiv:2405.05465 (profiles of matrix products).
    """
    device = _one_accelerator(runs)
    usable = [run for run in runs if run.model.kv_layout == "standard"]
    kinds = {
        "dense": [run for run in usable if not run.model.experts],
        "experts": [run for run in usable if run.model.experts],
    }
    enough = {kind: items for kind, items in kinds.items() if len(items) >= LEAST_ROWS}
    if not enough:
        raise ScenarioError(
            f"the measurements hold {len(kinds['dense'])} usable runs of dense models and {len(kinds['experts'])} of "
            f"models with experts; a fit needs at least {LEAST_ROWS} of one kind"
        )
    shipped = constants_for(device)
    state = State(constants=replace(shipped, name=name), prompts={})
    warnings = [*_skipped(runs, usable, kinds, enough), *_absent(kinds, enough, shipped, general=general)]
    errors, predictions = [], []
    for kind, items in enough.items():
        stage = fit_dense if kind == "dense" else fit_experts if "dense" in enough else fit_both
        fitted, outcome = stage(items, state, device, general=general)
        warnings += [f"{kind}: {text}" for text in outcome.warnings]
        if held_out:
            method, found = _hold_out(items, state, device, stage)
            predictions += found
            errors.append(_fit_error(kind, method, items, predict_runs(items, fitted.constants, fitted.prompts), found))
        state = fitted
    return Calibration(
        constants=_with_errors(
            state.constants, errors, [run for items in enough.values() for run in items], predictions
        ),
        accelerator=device.name,
        prompts=state.prompts,
        errors=tuple(errors),
        warnings=tuple(warnings),
        held_out=tuple(sorted(predictions, key=lambda item: item.run.row)),
    )


def predict_runs(
    runs: Sequence[Measurement], constants: EngineConstants, prompts: Mapping[str, tuple[float, float]]
) -> MeanStep:
    """Mean steps that the step model gives for runs, shape ``(R,)``; unknown prompts take the estimate.

    References
    ----------
    See :func:`joulewright.physics.inference.workload.mean_step`.
    """
    return Batch(runs).predict(constants, prompts)


def guessed_prompts(
    runs: Sequence[Measurement], prompts: Mapping[str, tuple[float, float]]
) -> Mapping[str, tuple[float, float]]:
    """Prompt and cached share by workload: the estimates, and general guesses where there is none.

    References
    ----------
    See :func:`calibrate`.
    """
    guesses = {}
    for run in runs:
        if run.input_tokens is None and run.workload not in prompts:
            prompt, _, cached = PROMPT_GUESSES.get(run.workload, (500.0, 0.5, 0.0))
            guesses[run.workload] = (prompt, cached)
    return {**prompts, **guesses}


def _hold_out(
    runs: Sequence[Measurement], state: State, device: Accelerator, stage: Stage
) -> tuple[str, list[HeldOut]]:
    names = list(dict.fromkeys(run.model_name for run in runs))
    if len(names) > 1:
        method, label = _BY_MODEL, [names.index(run.model_name) for run in runs]
    else:
        method, label = "5 folds", [item % 5 for item in range(len(runs))]
    found = []
    for fold in sorted(set(label)):
        kept = [run for run, item in zip(runs, label) if item != fold]
        left = [run for run, item in zip(runs, label) if item == fold]
        fitted, _ = stage(kept, state, device, general=True)
        steps = predict_runs(left, fitted.constants, guessed_prompts(left, fitted.prompts))
        found += [
            HeldOut(run=run, iteration_s=float(time_s), power_w=float(power_w))
            for run, time_s, power_w in zip(left, steps.time_s, steps.power_w)
        ]
    return method, found


def mean_errors(runs: Sequence[Measurement], time_s: FloatArray, power_w: FloatArray) -> tuple[float, float, float]:
    """Mean absolute relative errors of step time, power and energy per token.

    References
    ----------
    Definition of the mean absolute percentage error, as a fraction.
    """
    measured_s = np.array([run.iteration_s for run in runs])
    measured_w = np.array([run.power_w for run in runs])
    time, power = np.asarray(time_s) / measured_s, np.asarray(power_w) / measured_w
    return tuple(float(np.mean(np.abs(ratio - 1.0))) for ratio in (time, power, time * power))  # type: ignore[return-value]


def _fit_error(
    kind: str, method: str, runs: Sequence[Measurement], fitted: MeanStep, found: Sequence[HeldOut]
) -> FitError:
    inside = mean_errors(runs, fitted.time_s, fitted.power_w)
    outside = _held_errors(found)
    return FitError(
        kind=kind,
        method=method,
        runs=len(found),
        time=outside[0],
        power=outside[1],
        energy=outside[2],
        fitted_time=inside[0],
        fitted_power=inside[1],
        fitted_energy=inside[2],
    )


def _with_errors(
    constants: EngineConstants,
    errors: Sequence[FitError],
    runs: Sequence[Measurement],
    predictions: Sequence[HeldOut],
) -> EngineConstants:
    found: dict[str, Any] = {}
    for kind, prefix in (("dense", ""), ("experts", "expert_")):
        # Folds within one model say nothing of others.
        item = next((error for error in errors if (error.kind, error.method) == (kind, _BY_MODEL)), None)
        for key in ("time", "power", "energy"):
            found[f"{prefix}{key}_error"] = None if item is None else getattr(item, key)
    by_model = {error.kind for error in errors if error.method == _BY_MODEL}
    fitted = []
    for kind in dict.fromkeys(model_kind(run.model, run.precision) for run in runs):
        held = [item for item in predictions if model_kind(item.run.model, item.run.precision) == kind]
        known = held and kind.split()[0] in by_model
        fitted.append(FittedKind(kind, *(_held_errors(held) if known else ())))
    status = f"calibrated: {len(runs)} runs on {runs[0].accelerator.name}"
    return replace(constants, status=status, fitted=tuple(fitted), **found)


def _held_errors(found: Sequence[HeldOut]) -> tuple[float, float, float]:
    times, powers = np.array([(item.iteration_s, item.power_w) for item in found]).T
    return mean_errors([item.run for item in found], times, powers)


def _one_accelerator(runs: Sequence[Measurement]) -> Accelerator:
    names = sorted({run.accelerator.name for run in runs})
    if len(names) != 1:
        raise ScenarioError(
            f"the measurements are of {len(names)} accelerators ({', '.join(names)}); calibrate one at a time, with "
            "--accelerator on the command line"
        )
    return runs[0].accelerator


def _absent(
    kinds: Mapping[str, Sequence[Measurement]],
    enough: Mapping[str, Sequence[Measurement]],
    shipped: EngineConstants,
    *,
    general: bool,
) -> list[str]:
    """What is said of kinds and formats without enough runs."""
    instead = {
        "dense": "constants outside the experts are fitted to models with experts from general values, and dense "
        "models",
        "experts": f"their constants are those of {shipped.name}, and models with experts",
    }
    found = [
        f"{len(kinds[kind])} {_KINDS[kind]} are too few to fit, which takes {LEAST_ROWS}: {text} count as uncalibrated"
        for kind, text in instead.items()
        if kind not in enough
    ]
    there = {KERNELS[run.precision] for run in enough.get("experts", ())}
    for kernel, (name, guess_s) in OVERHEADS.items() if there else ():
        if kernel not in there:
            kept = not general and getattr(shipped, name) > 0.0
            found.append(
                f"no runs of models with experts in {_BITS[kernel]} bits: their overhead "
                + (f"stays that of {shipped.name}" if kept else f"is a general guess of {guess_s:g} s")
                + ", and they count as uncalibrated"
            )
    return found


def _skipped(
    runs: Sequence[Measurement],
    usable: Sequence[Measurement],
    kinds: Mapping[str, Sequence[Measurement]],
    enough: Mapping[str, Sequence[Measurement]],
) -> list[str]:
    found = []
    if len(usable) < len(runs):
        names = sorted({run.model.name for run in runs if run.model.kv_layout != "standard"})
        found.append(
            f"{len(runs) - len(usable)} runs of {', '.join(names)} are not fitted: their cache has another layout"
        )
    for kind, items in enough.items():
        models = {run.model_name for run in items}
        if len(models) == 1:
            found.append(f"all {_KINDS[kind]} are of {next(iter(models))}: their error on other models is unknown")
        batches = [run.sequences for run in items]
        if max(batches) < 2.0 * min(batches):
            found.append(
                f"all {_KINDS[kind]} have about {max(batches):g} running sequences: other batches are extrapolations"
            )
    unknown = sorted({run.workload for run in usable if run.input_tokens is None})
    if unknown:
        found.append(f"prompts of {', '.join(unknown)} are unknown and were estimated; add input_tokens to do better")
    return found
