"""Steady state of a service on several deployments side by side: power, energy and times against rate and batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from joulewright.errors import ScenarioError
from joulewright.model.timeline import FloatArray
from joulewright.physics.inference.deployment import Deployment, coefficients
from joulewright.physics.inference.steady import (
    RequestShape,
    SteadyState,
    check_context,
    host_power_w,
    mean_batch,
    steady_state,
)
from joulewright.physics.inference.step import StepCoefficients, step
from joulewright.physics.inference.workload import BatchWorkload, mean_step
from joulewright.study.inference_deployment import (
    Catalogues,
    DeploymentChoice,
    deployment_facts,
    deployment_name,
    standing_of,
)

_SHARES = (0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
"""Shares of the highest rate in the summary."""
_UTILIZATIONS = ("weight_utilization", "kv_utilization", "compute_utilization")


@dataclass(frozen=True, kw_only=True)
class CurveLimits:
    """Limits of a step, and how many rates are looked at."""

    token_budget: int = 2048
    max_sequences: int = 256
    points: int = 200

    def __post_init__(self) -> None:
        if not 2 <= self.points <= 100_000:
            raise ScenarioError(f"points is {self.points}; allowed is 2 to 100000")


@dataclass(frozen=True, kw_only=True, eq=False)
class DeploymentCurve:
    """One deployment: its steady state over the rates, shape ``(R,)``, and frames by rate, share of it and batch."""

    name: str
    deployment: Deployment
    state: SteadyState
    rates: pl.DataFrame
    shares: pl.DataFrame
    batches: pl.DataFrame

    @property
    def limit_per_s(self) -> float:
        """Highest rate of requests that a replica keeps up with [1/s]."""
        return self.state.limit_per_s

    @property
    def best_energy_j(self) -> float:
        """Least energy of the accelerators per token of output [J], which is at the highest rates."""
        return float(self.state.energy_per_output_token_j.min())


@dataclass(frozen=True, kw_only=True, eq=False)
class CurveStudy:
    """Curves of the deployments that work, and why others do not, by name."""

    shape: RequestShape
    limits: CurveLimits
    curves: tuple[DeploymentCurve, ...]
    refused: dict[str, str]

    @property
    def summary(self) -> pl.DataFrame:
        """Figures at some shares of each deployment's highest rate."""
        return pl.concat([curve.shares.with_columns(share=pl.Series(_SHARES)) for curve in self.curves])

    def tables(self) -> dict[str, pl.DataFrame]:
        """Frames of the run folder by name."""
        return {
            "rates": pl.concat([curve.rates for curve in self.curves]),
            "batches": pl.concat([curve.batches for curve in self.curves]),
            "summary": self.summary,
        }

    def document(self) -> dict[str, Any]:
        """For manifests and ``--json``."""
        return {
            "shape": asdict(self.shape),
            "limits": asdict(self.limits),
            "deployments": [
                deployment_facts(curve.deployment)
                | {
                    "name": curve.name,
                    "limit_per_s": curve.limit_per_s,
                    "limit_token_s": curve.limit_per_s * self.shape.output_tokens,
                    "best_energy_per_output_token_j": curve.best_energy_j,
                    "standing": asdict(standing_of(curve.deployment)),
                }
                for curve in self.curves
            ],
            "refused": dict(self.refused),
            "summary": self.summary.to_dicts(),
            "notes": [f"{name} is left out: {reason}" for name, reason in self.refused.items()],
        }


def study_curves(
    choices: Sequence[DeploymentChoice],
    shape: RequestShape,
    *,
    limits: CurveLimits | None = None,
    catalogues: Catalogues | None = None,
) -> CurveStudy:
    """Steady-state curves of several deployments of a service.

    Parameters
    ----------
    choices : sequence of DeploymentChoice
        Deployments; those that cannot work are listed with their reason.
    shape : RequestShape
        Lengths of the requests.
    limits : CurveLimits, optional
        Limits of a step and number of points.
    catalogues : Catalogues, optional
        The user's own models and accelerators.

    Raises
    ------
    ScenarioError
        If no deployment works, with the reason of each.

    Examples
    --------
    >>> pair = [DeploymentChoice(model="Llama-3.1-70B", accelerator=name) for name in ("H100", "4xH100")]
    >>> found = study_curves(pair, RequestShape(input_tokens=500, output_tokens=250))
    >>> [curve.name for curve in found.curves], list(found.refused)
    (['4 x H100-SXM'], ['H100'])
    """
    chosen = limits or CurveLimits()
    curves: list[DeploymentCurve] = []
    refused: dict[str, str] = {}
    problems: list[object] = []
    for choice in choices:
        try:
            curves.append(_curve(choice.deploy(catalogues), shape, chosen))
        except ScenarioError as error:
            refused[choice.accelerator] = str(error)
            problems += error.problems
    if not curves:
        raise ScenarioError(problems or "no accelerator is given; name at least one")
    return CurveStudy(shape=shape, limits=chosen, curves=_distinct(curves), refused=refused)


def _distinct(curves: Sequence[DeploymentCurve]) -> tuple[DeploymentCurve, ...]:
    names = [curve.name for curve in curves]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ScenarioError(f"{twice} is given {names.count(twice)} times; give every deployment once")
    return tuple(curves)


def _curve(deployment: Deployment, shape: RequestShape, limits: CurveLimits) -> DeploymentCurve:
    check_context(shape, deployment.model)
    k, name = coefficients(deployment), deployment_name(deployment)

    def state_at(rate_per_s: FloatArray) -> SteadyState:
        return steady_state(
            k, shape, rate_per_s=rate_per_s, token_budget=limits.token_budget, max_sequences=limits.max_sequences
        )

    most_per_s = state_at(np.zeros(1)).limit_per_s
    state = state_at(np.linspace(0.0, most_per_s, limits.points))
    return DeploymentCurve(
        name=name,
        deployment=deployment,
        state=state,
        rates=_rates(name, k, shape, state),
        shares=_rates(name, k, shape, state_at(most_per_s * np.array(_SHARES))),
        batches=_batches(name, k, shape, limits),
    )


def _rates(name: str, k: StepCoefficients, shape: RequestShape, state: SteadyState) -> pl.DataFrame:
    output = state.rate_per_s * shape.output_tokens
    replica_w = (state.power_w + host_power_w(k, state.busy_fraction)) * k.gpus
    energy = np.where(state.rate_per_s > 0.0, state.energy_per_output_token_j, np.nan)
    with_host = np.divide(replica_w, output, out=np.full(output.size, np.nan), where=output > 0.0)
    columns: dict[str, Any] = {
        "rate_per_s": state.rate_per_s,
        "output_token_s": output,
        "sequences": state.sequences,
        "busy_fraction": state.busy_fraction,
        "power_per_accelerator_w": state.power_w,
        "replica_power_with_host_w": replica_w,
        "energy_per_output_token_j": energy,
        "energy_with_host_j": with_host,
        "ttft_s": state.ttft_s,
        "tpot_s": state.tpot_s,
        **{key: getattr(state, key) for key in _UTILIZATIONS},
    }
    return pl.DataFrame({"deployment": [name] * output.size, **columns}).fill_nan(None)


def _batches(name: str, k: StepCoefficients, shape: RequestShape, limits: CurveLimits) -> pl.DataFrame:
    most = int(min(limits.max_sequences, k.kv_capacity_tokens / shape.context_tokens, limits.token_budget))
    batch = np.unique(np.geomspace(1.0, max(most, 1), 60).round())
    found = mean_step(
        k,
        BatchWorkload(
            sequences=batch,
            input_tokens=shape.input_tokens,
            output_tokens=shape.output_tokens,
            length_factor=shape.length_factor,
        ),
    )
    columns: dict[str, Any] = {
        "batch": batch,
        "output_token_s": batch / found.time_s,
        "step_s": found.time_s,
        "power_per_accelerator_w": found.power_w,
        "energy_per_output_token_j": found.energy_per_output_token_j,
        **utilization(k, shape, batch),
    }
    return pl.DataFrame({"deployment": [name] * batch.size, **columns})


def utilization(k: StepCoefficients, shape: RequestShape, sequences: FloatArray) -> dict[str, FloatArray]:
    """Utilisation of memory by weights and cache, and of operations, in a step of the mean composition [-].

    Examples
    --------
    >>> one = coefficients(DeploymentChoice(model="Llama-3.1-8B", accelerator="H100").deploy())
    >>> found = utilization(one, RequestShape(input_tokens=500, output_tokens=250), np.array([1.0, 64.0]))
    >>> bool(found["weight_utilization"][0] > found["weight_utilization"][1])  # longer steps read weights less often
    True
    """
    tokens, running, kv_tokens, pairs = mean_batch(k, shape, sequences)
    found = step(k, tokens=tokens, sequences=running, kv_tokens=kv_tokens, attention_pairs=pairs)
    return {key: np.asarray(getattr(found, key)) for key in _UTILIZATIONS}
