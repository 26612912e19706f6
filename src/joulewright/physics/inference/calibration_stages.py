"""What a calibration fits, in stages: dense models, then experts with the others held, or both at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from joulewright.model.timeline import FloatArray
from joulewright.physics.accelerator import Accelerator
from joulewright.physics.inference.constants import EngineConstants
from joulewright.physics.inference.deployment import coefficients
from joulewright.physics.inference.fitting import Fit, Parameter, fit
from joulewright.physics.inference.measurements import Measurement
from joulewright.physics.inference.ml_energy import PROMPT_GUESSES
from joulewright.physics.inference.precision import KERNELS
from joulewright.physics.inference.step import StepCoefficients
from joulewright.physics.inference.workload import BatchWorkload, MeanStep, mean_step

OVERHEADS = {"bf16": ("t_expert_s", 30e-6), "fp8": ("t_held_fp8_s", 1e-6), "mxfp4": ("t_expert_mxfp4_s", 30e-6)}
"""Constant of the overhead of expert layers by kernel, and its general guess [s]."""
_ENERGY_WEIGHT = 1.5
_DENSE_ETA_C = 0.70


@dataclass(frozen=True, kw_only=True)
class State:
    """Constants and estimated prompts so far.

    Attributes
    ----------
    constants : EngineConstants
        What a stage starts from, or has found.
    prompts : mapping of str to (float, float)
        Prompt [token] and cached share by workload.
    """

    constants: EngineConstants
    prompts: Mapping[str, tuple[float, float]]


class Batch:
    """Runs as arrays of shape ``(R,)``; the coefficients of equal deployments are found once.

    Parameters
    ----------
    runs : sequence of Measurement
        Runs with caches of the standard layout.
    """

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
        """Mean steps that constants give, shape ``(R,)``.

        References
        ----------
        See :func:`joulewright.physics.inference.workload.mean_step`.
        """
        rows = [coefficients(replace(item, constants=constants)) for item in self._unique]
        table = np.array(rows)[self._index].T
        return mean_step(StepCoefficients(*table), self._workload(prompts))

    def residuals(self, constants: EngineConstants, prompts: Mapping[str, tuple[float, float]]) -> FloatArray:
        """Logarithmic errors of time, power and, weighted, energy, shape ``(3 R,)``.

        References
        ----------
        See :func:`joulewright.physics.inference.fitting.fit`.
        """
        found = self.predict(constants, prompts)
        time, power = np.log(found.time_s / self.time_s), np.log(found.power_w / self.power_w)
        return np.concatenate((time, power, _ENERGY_WEIGHT * (time + power)))

    def _workload(self, prompts: Mapping[str, tuple[float, float]]) -> BatchWorkload:
        batches = []
        for run in self._runs:
            guess = prompts.get(run.workload, (None, None)) if run.input_tokens is None else (None, None)
            batches.append(run.batch(*guess))
        return BatchWorkload(*(np.array(column, dtype=np.float64) for column in zip(*batches)))


class Stage(Protocol):
    """A stage: what it finds from runs and from what is known already."""

    def __call__(
        self, runs: Sequence[Measurement], state: State, device: Accelerator, *, general: bool
    ) -> tuple[State, Fit]: ...


def fit_dense(runs: Sequence[Measurement], state: State, device: Accelerator, *, general: bool) -> tuple[State, Fit]:
    """Constants outside the experts, from runs of dense models and general values.

    References
    ----------
    See :func:`joulewright.physics.inference.calibrate.calibrate`.
    """
    return _fit(runs, _bare(state), _dense_parameters(runs, device.board_power_w))


def fit_experts(runs: Sequence[Measurement], state: State, device: Accelerator, *, general: bool) -> tuple[State, Fit]:
    """Constants of experts, with the others as they are.

    References
    ----------
    See :func:`joulewright.physics.inference.calibrate.calibrate`.
    """
    parameters, overheads = _expert_parameters(runs, state.constants, device.board_power_w, general=general)
    return _fit(runs, replace(state, constants=replace(state.constants, **overheads)), parameters)


def fit_both(runs: Sequence[Measurement], state: State, device: Accelerator, *, general: bool) -> tuple[State, Fit]:
    """Constants of experts and all others at once, from runs of models with experts.

    References
    ----------
    See :func:`joulewright.physics.inference.calibrate.calibrate`.
    """
    parameters, overheads = _expert_parameters(runs, state.constants, device.board_power_w, general=general)
    bare = _bare(state)
    start = replace(bare, constants=replace(bare.constants, **overheads))
    return _fit(runs, start, [*_dense_parameters(runs, device.board_power_w), *parameters])


def _bare(state: State) -> State:
    """Without the constants that dense models are not fitted with."""
    return replace(state, constants=replace(state.constants, eta_c=_DENSE_ETA_C, t0_s=0.0, t_seq_s=0.0))


def _dense_parameters(runs: Sequence[Measurement], board: float) -> list[Parameter]:
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
    return parameters


def _expert_parameters(
    runs: Sequence[Measurement], known: EngineConstants, board: float, *, general: bool
) -> tuple[list[Parameter], dict[str, Any]]:
    """What is fitted for experts, and the overheads of layers by format that a fit starts from."""
    parameters = [
        Parameter(name="eta_expert", guess=0.65, spread=0.4, low=0.05, high=1.0),
        Parameter(name="expert_variety", guess=0.8, spread=0.3, low=0.05, high=1.0),
        Parameter(name="expert_popularity_variance", guess=0.5, spread=0.7, low=0.01, high=20.0),
        Parameter(name="expert_power_w", guess=0.7 * board, spread=0.5, low=0.01 * board, high=5.0 * board),
        Parameter(name="expert_sequence_power_w", guess=0.4 * board, spread=0.7, low=0.01 * board, high=board),
        Parameter(name="expert_overhead_power_w", guess=0.4 * board, spread=0.7, low=0.01 * board, high=board),
    ]
    there = {KERNELS[run.precision] for run in runs}
    overheads: dict[str, Any] = {}
    for kernel, (name, guess_s) in OVERHEADS.items():
        overheads[name] = guess_s if general or kernel in there else getattr(known, name) or guess_s
        if kernel in there:
            parameters.append(Parameter(name=name, guess=guess_s, spread=1.0, low=0.003 * guess_s, high=2e-3))
    return parameters, overheads


def _fit(runs: Sequence[Measurement], state: State, parameters: list[Parameter]) -> tuple[State, Fit]:
    batch = Batch(runs)
    names = [item.name for item in parameters]
    unknown = [
        workload
        for workload in dict.fromkeys(run.workload for run in runs if run.input_tokens is None)
        if workload not in state.prompts
    ]
    every = parameters + [item for workload in unknown for item in _nuisances(workload)]

    def applied(values: Mapping[str, float]) -> State:
        prompts = {
            workload: (values[f"prompt of {workload}"], values.get(f"cached share of {workload}", 0.0))
            for workload in unknown
        }
        changes: dict[str, Any] = {name: values[name] for name in names}
        constants = replace(state.constants, **changes)
        return State(constants=constants, prompts={**state.prompts, **prompts})

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
