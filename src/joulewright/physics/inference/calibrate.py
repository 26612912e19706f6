"""Calibration of the step model on measured runs, with the error on runs that were held out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import numpy as np

from joulewright.errors import ScenarioError
from joulewright.model.timeline import FloatArray
from joulewright.physics.accelerator import Accelerator
from joulewright.physics.inference.constants import EngineConstants, constants_for
from joulewright.physics.inference.deployment import coefficients
from joulewright.physics.inference.fitting import Fit, Parameter, fit
from joulewright.physics.inference.measurements import Measurement
from joulewright.physics.inference.ml_energy import PROMPT_GUESSES
from joulewright.physics.inference.step import StepCoefficients
from joulewright.physics.inference.workload import BatchWorkload, MeanStep, mean_step

LEAST_ROWS = 6
"""Fewest runs of a kind (dense, with experts) that a fit is made from."""
_KINDS = {"dense": "runs of dense models", "experts": "runs of models with experts"}
_BY_MODEL = "leave one model out"
_ENERGY_WEIGHT = 1.5
_DENSE_ETA_C = 0.70


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


def calibrate(runs: Sequence[Measurement], *, name: str = "calibrated", held_out: bool = True) -> Calibration:
    """Constants of one accelerator from measured runs.

    Parameters
    ----------
    runs : sequence of Measurement
        Runs on one accelerator type.
    name : str
        Name of the fitted set.
    held_out : bool
        Whether the error on runs that were not fitted is found; it takes one fit for each model.

    Raises
    ------
    ScenarioError
        If the runs are of several accelerators, or of neither kind of model there are at least :data:`LEAST_ROWS`.

    Notes
    -----
    Step time, power and energy per token of all runs are fitted at once in logarithms, first the dense models, then
    the constants of experts with the others held. Priors are weak and general: they are not taken from the runs. The
    achieved share of peak operations stays at 0.70, the value of matrix products, because runs without prompt lengths
    cannot tell it from the length of the prompts; unknown prompts are estimated, one for each workload. Overheads of
    expert layers in formats without runs keep their general value.

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
    state = _State(constants=replace(constants_for(device), name=name), prompts={})
    warnings = _skipped(runs, usable, kinds, enough)
    errors, predictions = [], []
    for kind, items in enough.items():
        stage = _STAGES[kind]
        fitted, outcome = stage(items, state, device)
        warnings += [f"{kind}: {text}" for text in outcome.warnings]
        if held_out:
            method, found = _hold_out(items, state, device, stage)
            predictions += found
            errors.append(_fit_error(kind, method, items, predict_runs(items, fitted.constants, fitted.prompts), found))
        state = fitted
    return Calibration(
        constants=_with_errors(state.constants, errors, sum(map(len, enough.values())), device),
        accelerator=device.name,
        prompts=state.prompts,
        errors=tuple(errors),
        warnings=tuple(warnings),
        held_out=tuple(sorted(predictions, key=lambda item: item.run.row)),
    )


@dataclass(frozen=True, kw_only=True)
class _State:
    """Constants and estimated prompts so far."""

    constants: EngineConstants
    prompts: Mapping[str, tuple[float, float]]


def predict_runs(
    runs: Sequence[Measurement], constants: EngineConstants, prompts: Mapping[str, tuple[float, float]]
) -> MeanStep:
    """Mean steps that the step model gives for runs, shape ``(R,)``; unknown prompts take the estimate.

    References
    ----------
    See :func:`joulewright.physics.inference.workload.mean_step`.
    """
    return _Batch(runs).predict(constants, prompts)


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


class _Batch:
    """Runs as arrays; the coefficients of equal deployments are found once."""

    def __init__(self, runs: Sequence[Measurement]) -> None:
        deployments = [run.deployment() for run in runs]
        keys = [(item.model.name, item.precision, item.tensor_parallel, item.expert_parallel) for item in deployments]
        unique = list(dict.fromkeys(keys))
        self._unique = [deployments[keys.index(key)] for key in unique]
        self._index = np.array([unique.index(key) for key in keys])
        self._runs = runs
        self.time_s = np.array([run.iteration_s for run in runs])
        self.power_w = np.array([run.power_w for run in runs])

    def predict(self, constants: EngineConstants, prompts: Mapping[str, tuple[float, float]]) -> MeanStep:
        rows = [coefficients(replace(item, constants=constants)) for item in self._unique]
        table = np.array(rows)[self._index].T
        return mean_step(StepCoefficients(*table), self._workload(prompts))

    def residuals(self, constants: EngineConstants, prompts: Mapping[str, tuple[float, float]]) -> FloatArray:
        found = self.predict(constants, prompts)
        time, power = np.log(found.time_s / self.time_s), np.log(found.power_w / self.power_w)
        return np.concatenate((time, power, _ENERGY_WEIGHT * (time + power)))

    def _workload(self, prompts: Mapping[str, tuple[float, float]]) -> BatchWorkload:
        batches = []
        for run in self._runs:
            guess = prompts.get(run.workload, (None, None)) if run.input_tokens is None else (None, None)
            batches.append(run.batch(*guess))
        return BatchWorkload(*(np.array(column, dtype=np.float64) for column in zip(*batches)))


_Stage = Callable[[Sequence[Measurement], _State, Accelerator], tuple[_State, Fit]]


def _fit_dense(runs: Sequence[Measurement], state: _State, device: Accelerator) -> tuple[_State, Fit]:
    board = device.board_power_w
    parameters = [
        Parameter(name="eta_b", guess=0.87, spread=0.05, low=0.3, high=1.0),
        Parameter(name="t_layer_s", guess=50e-6, spread=0.5, low=1e-7, high=2e-3),
        Parameter(name="t_logit_s", guess=2.3e-10, spread=0.6, low=1e-12, high=1e-8),
        Parameter(name="p0_w", guess=0.285 * board, spread=0.3, low=0.05 * board, high=0.8 * board),
        Parameter(name="weight_power_w", guess=0.5 * board, spread=0.4, low=0.01 * board, high=4.0 * board),
        Parameter(name="kv_power_w", guess=0.7 * board, spread=0.5, low=0.01 * board, high=4.0 * board),
        Parameter(name="compute_power_w", guess=board, spread=0.3, low=0.05 * board, high=4.0 * board),
    ]
    if any(run.gpus > 1 for run in runs):
        parameters.append(Parameter(name="t_allreduce_s", guess=12e-6, spread=0.4, low=1e-7, high=5e-4))
    start = replace(state.constants, eta_c=_DENSE_ETA_C, t0_s=0.0, t_seq_s=0.0)
    return _fit(runs, replace(state, constants=start), parameters)


def _fit_experts(runs: Sequence[Measurement], state: _State, device: Accelerator) -> tuple[_State, Fit]:
    board = device.board_power_w
    parameters = [
        Parameter(name="eta_expert", guess=0.65, spread=0.4, low=0.05, high=1.0),
        Parameter(name="expert_variety", guess=0.8, spread=0.3, low=0.05, high=1.0),
        Parameter(name="expert_popularity_variance", guess=0.5, spread=0.7, low=0.01, high=20.0),
        Parameter(name="expert_power_w", guess=0.7 * board, spread=0.5, low=0.01 * board, high=5.0 * board),
        Parameter(name="expert_sequence_power_w", guess=0.4 * board, spread=0.7, low=0.01 * board, high=board),
        Parameter(name="expert_overhead_power_w", guess=0.4 * board, spread=0.7, low=0.01 * board, high=board),
    ]
    formats = {run.precision for run in runs}
    # Formats without runs keep the guess: constants of an earlier fit may rest on the very runs held out now.
    changes: dict[str, Any] = {}
    for name, guess_s, names in (
        ("t_expert_s", 30e-6, {"bf16", "fp16"}),
        ("t_held_fp8_s", 1e-6, {"fp8", "int8"}),
        ("t_expert_mxfp4_s", 30e-6, {"mxfp4", "int4"}),
    ):
        changes[name] = guess_s
        if formats & names:
            parameters.append(Parameter(name=name, guess=guess_s, spread=1.0, low=0.003 * guess_s, high=2e-3))
    return _fit(runs, replace(state, constants=replace(state.constants, **changes)), parameters)


_STAGES: Mapping[str, _Stage] = {"dense": _fit_dense, "experts": _fit_experts}


def _fit(runs: Sequence[Measurement], state: _State, parameters: list[Parameter]) -> tuple[_State, Fit]:
    batch = _Batch(runs)
    names = [item.name for item in parameters]
    unknown = [
        workload
        for workload in dict.fromkeys(run.workload for run in runs if run.input_tokens is None)
        if workload not in state.prompts
    ]
    every = parameters + [item for workload in unknown for item in _nuisances(workload)]

    def applied(values: Mapping[str, float]) -> _State:
        prompts = {
            workload: (values[f"prompt of {workload}"], values.get(f"cached share of {workload}", 0.0))
            for workload in unknown
        }
        changes: dict[str, Any] = {name: values[name] for name in names}
        constants = replace(state.constants, **changes)
        return _State(constants=constants, prompts={**state.prompts, **prompts})

    def residuals(values: Mapping[str, float]) -> FloatArray:
        now = applied(values)
        return batch.residuals(now.constants, now.prompts)

    outcome = fit(every, residuals)
    return applied(outcome.values), outcome


def _nuisances(workload: str) -> list[Parameter]:
    prompt, spread, cached = PROMPT_GUESSES.get(workload, (500.0, 0.5, 0.0))
    found = [Parameter(name=f"prompt of {workload}", guess=prompt, spread=spread, low=1.0, high=100_000.0)]
    if cached:
        found.append(Parameter(name=f"cached share of {workload}", guess=cached, spread=0.5, low=0.01, high=0.95))
    return found


def _hold_out(
    runs: Sequence[Measurement], state: _State, device: Accelerator, stage: _Stage
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
        fitted, _ = stage(kept, state, device)
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
    times, powers = np.array([item.iteration_s for item in found]), np.array([item.power_w for item in found])
    outside = mean_errors([item.run for item in found], times, powers)
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
    constants: EngineConstants, errors: Sequence[FitError], runs: int, device: Accelerator
) -> EngineConstants:
    found: dict[str, Any] = {}
    for kind, prefix in (("dense", ""), ("experts", "expert_")):
        # Folds within one model say nothing of others.
        item = next((error for error in errors if (error.kind, error.method) == (kind, _BY_MODEL)), None)
        for key in ("time", "power", "energy"):
            found[f"{prefix}{key}_error"] = None if item is None else getattr(item, key)
    return replace(constants, status=f"calibrated: {runs} runs on {device.name}", **found)


def _one_accelerator(runs: Sequence[Measurement]) -> Accelerator:
    names = sorted({run.accelerator.name for run in runs})
    if len(names) != 1:
        raise ScenarioError(
            f"the measurements are of {len(names)} accelerators ({', '.join(names)}); calibrate one at a time, with "
            "--accelerator on the command line"
        )
    return runs[0].accelerator


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
    found += [
        f"{len(items)} {_KINDS[kind]} are too few to fit, which takes {LEAST_ROWS}: constants for such models are the "
        "shipped ones"
        for kind, items in kinds.items()
        if items and kind not in enough
    ]
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
