"""A candidate before it is simulated: whether it can work at all, and bounds of what it can reach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from joulewright.errors import ScenarioError
from joulewright.model.timeline import FloatArray, IntArray
from joulewright.model.workload import ServingCurve
from joulewright.physics.inference.deployment import Deployment, coefficients
from joulewright.physics.inference.mig import slice_layout
from joulewright.physics.inference.profile import LatencyLimits, serving_profile
from joulewright.physics.inference.steady import RequestShape, steady_state
from joulewright.physics.inference.step import StepCoefficients, step_values
from joulewright.sim.processes.inference.options import ServingOptions
from joulewright.study.configuration.day import Operation, ReplicaCosts, replica_costs
from joulewright.study.configuration.need import ServiceNeed
from joulewright.study.configuration.space import Candidate
from joulewright.study.configuration.trial import Trials

DENSE_FRACTION, EXPERT_FRACTION, SIMULATED_FRACTION = 0.8, 0.55, 0.9
"""Simulated energies are at least these shares of the closed form for dense models and for mixtures of experts, and of
what other simulations of the same candidate led to expect. The closed form spreads prompts evenly over steps, while in
a simulation some steps have long prompts and others none, which touch fewer experts."""
_SLACK = 0.85
"""Closed-form means of the time per token are taken as at most so much too long for the statistic of a simulation."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Prospect:
    """A candidate that is possible.

    Attributes
    ----------
    candidate : Candidate
        The combination.
    deployment, engine, options : Deployment, StepCoefficients, ServingOptions
        One replica.
    costs : ReplicaCosts
        Of one replica besides its work.
    most_per_s : float
        Rate that a replica is never given more of [1/s]: 90 % of what it could just keep up with, or where the
        closed form of the mean time per token breaks the objective by far.
    simulated : bool
        Whether ``most_per_s`` and ``power_w`` come from simulations.
    most_replicas : float
        Replicas that accelerators are there for; infinite without a limit.
    gpus : float
        Accelerators of a replica, a fraction for a slice.
    load_per_s, power_w : FloatArray
        Power of a replica with its host share [W] over its rate [1/s], shape ``(P,)``.
    """

    candidate: Candidate
    deployment: Deployment
    engine: StepCoefficients
    options: ServingOptions
    costs: ReplicaCosts
    most_per_s: float
    simulated: bool
    most_replicas: float
    gpus: float
    load_per_s: FloatArray
    power_w: FloatArray

    def replicas(self, rate_per_s: FloatArray) -> IntArray:
        """Fewest replicas at which none gets more than the most, within 1e-9."""
        return np.ceil(rate_per_s / self.most_per_s * (1.0 - 1e-9)).astype(np.int64)

    def curve(self, output_tokens: float) -> ServingCurve:
        """Power of an accelerator [MW] over its rate of output tokens, up to the most that a replica gets."""
        load = np.append(self.load_per_s[self.load_per_s < self.most_per_s], self.most_per_s)
        gpus = self.deployment.gpus
        power_mw = np.interp(load, self.load_per_s, self.power_w) * 1e-6 / gpus
        return ServingCurve(
            accelerators=gpus,
            rate_token_s=tuple((load * output_tokens / gpus).tolist()),
            power_mw=tuple(power_mw.tolist()),
        )


def prospect(candidate: Candidate, trials: Trials, operation: Operation, available: int | None) -> Prospect:
    """What can be said about a candidate without simulating it.

    Raises
    ------
    ScenarioError
        If it cannot serve: the model does not fit, the combination is not possible, a request does not fit into the
        cache, even one request at a time is too slow, or there are too few accelerators for one replica.
    """
    need = trials.need
    deployment, options = candidate.deployment(need.model), candidate.options(need.model)
    room = int(deployment.kv_capacity_tokens) // options.block_tokens * options.block_tokens
    if need.longest_tokens > room:
        raise ScenarioError(
            f"a request can have {need.longest_tokens} tokens, but the cache holds {room}; "
            f"{'use a larger slice' if candidate.slice else 'use more accelerators'} or a smaller format, or shorten "
            "requests (means of input and output tokens; constant lengths have no tail)"
        )
    gpus = float(deployment.gpus)
    if candidate.slice is not None:
        gpus = 1.0 / slice_layout(candidate.accelerator).profile(candidate.slice).most
    most = np.inf if available is None else np.floor(available / gpus * (1.0 + 1e-9))
    if most < max(1, operation.least_replicas):
        raise ScenarioError(
            f"a replica takes {gpus:g} accelerators and {max(1, operation.least_replicas)} are loaded at least; "
            f"gpus_available is {available}"
        )
    engine = coefficients(deployment)
    shape = mean_shape(trials)
    profile = serving_profile(
        deployment,
        shape,
        limits=LatencyLimits(tpot_s=_longest_tpot_s(trials, engine, shape, options)),
        token_budget=options.token_budget,
        max_sequences=options.max_sequences,
    )
    load = np.array(profile.curve.rate_token_s) * deployment.gpus / shape.output_tokens
    return Prospect(
        candidate=candidate,
        deployment=deployment,
        engine=engine,
        options=options,
        costs=replica_costs(deployment, engine, operation),
        most_per_s=float(load[-1]),
        simulated=False,
        most_replicas=float(most),
        gpus=gpus,
        load_per_s=load,
        power_w=np.array(profile.curve.power_mw) * 1e6 * deployment.gpus,
    )


def _longest_tpot_s(
    trials: Trials, engine: StepCoefficients, shape: RequestShape, options: ServingOptions
) -> float | None:
    """The longest closed-form mean of the time per token that may keep the objective [s]; None without one.

    Raises
    ------
    ScenarioError
        If even one request at a time takes longer.
    """
    limit_s = trials.need.objectives.tpot_s
    if limit_s is None:
        return None
    alone = steady_state(
        engine, shape, rate_per_s=[0.0], token_budget=options.token_budget, max_sequences=options.max_sequences
    )
    tpot_s, most_s = float(alone.tpot_s[0]), limit_s * (1.0 - trials.verification.margin_fraction) / _SLACK
    if tpot_s > most_s:
        raise ScenarioError(
            f"a request alone takes {1e3 * tpot_s:.3g} ms per output token; asked for are {1e3 * limit_s:g} ms: relax "
            "tpot, or use more or faster accelerators for a replica"
        )
    return most_s


def mean_shape(trials: Trials) -> RequestShape:
    """Means of the lengths that trials use."""
    unit = trials.requests(trials.verification.requests)
    output = unit.output_tokens.astype(np.float64)
    return RequestShape(
        input_tokens=float(unit.input_tokens.mean()),
        output_tokens=float(output.mean()),
        length_factor=max(1.0, float((output**2).mean() / output.mean() ** 2)),
    )


class Weights(NamedTuple):
    """Grams of CO2e and price of a kWh in each hour, shape ``(H,)``; None where not given."""

    intensity_g_per_kwh: FloatArray | None
    price_per_kwh: FloatArray | None


class Bound(NamedTuple):
    """Lower bounds, each ``elastic + fixed``: the elastic part is that of energy, which is not exact."""

    unserved: float
    elastic: dict[str, float]
    fixed: dict[str, float]


def lower_bound(found: Prospect, need: ServiceNeed, operation: Operation, weights: Weights) -> Bound:
    """What a candidate cannot go below.

    Notes
    -----
    A replica gets at most ``most_per_s`` by definition, so an hour needs at least ``ceil(rate / most)`` replicas; that
    bounds what is served, embodied carbon and prices of accelerators exactly. Each then gets at most
    ``rate / replicas``, and the power of the hour is at least the rate times the least energy per request at any such
    load. That energy is taken as a fraction of the closed form or of other simulations. Every token after the first
    waits for a step with at least one token, which bounds the time per token.
    """
    fewest = np.minimum(found.replicas(need.rate_per_s), found.most_replicas)
    served = np.minimum(need.rate_per_s, fewest * found.most_per_s)
    idle = np.maximum(operation.least_replicas - fewest, 0.0) * (served == 0.0)
    kwh = _fraction(found) * _least_power_w(found, served, fewest) / 1e3
    kwh += idle * found.costs.standby_w / 1e3
    elastic = {"energy_kwh": float(kwh.sum()), "embodied_kg": 0.0, "tpot_s": 0.0}
    fixed = {"energy_kwh": 0.0, "tpot_s": 0.0, "embodied_kg": 0.0}
    if served.any() and need.output_tokens.expected_tokens >= 2.0:
        fixed["tpot_s"] = float(step_values(found.engine, 1.0, 1.0, 1.0, 1.0)[0])
    owned = max(float(fewest.max()), operation.least_replicas)
    if found.costs.embodied_kg_per_h is not None:
        fixed["embodied_kg"] = owned * found.costs.embodied_kg_per_h[1] * need.hours
    if weights.intensity_g_per_kwh is not None:
        elastic["carbon_kg"], fixed["carbon_kg"] = float(kwh @ weights.intensity_g_per_kwh) / 1e3, 0.0
    if weights.price_per_kwh is not None:
        elastic["cost"] = float(kwh @ weights.price_per_kwh)
        fixed["cost"] = float(np.maximum(fewest, operation.least_replicas).sum()) * found.costs.price_per_h
    return Bound(float((need.rate_per_s - served).sum() * 3600.0), elastic, fixed)


def _fraction(found: Prospect) -> float:
    if found.simulated:
        return SIMULATED_FRACTION
    return EXPERT_FRACTION if found.deployment.model.experts else DENSE_FRACTION


def _least_power_w(found: Prospect, served_per_s: FloatArray, fewest: FloatArray) -> FloatArray:
    """Least expected power of any number of replicas from the fewest on that share a rate [W]."""
    load = served_per_s / np.maximum(fewest, 1.0)
    joule = np.minimum.accumulate(found.power_w[1:] / found.load_per_s[1:])
    at = np.searchsorted(found.load_per_s[1:], load, side="right")
    more = np.where(at > 0, served_per_s * joule[np.maximum(at - 1, 0)], np.inf)
    return np.asarray(np.minimum(fewest * np.interp(load, found.load_per_s, found.power_w), more))
