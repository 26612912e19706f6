"""Simulating a candidate: capacity of a replica, replicas of every hour, and what the day takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from joulewright.errors import ScenarioError
from joulewright.model.timeline import FloatArray
from joulewright.study.configuration.day import DayPlan, Operation, plan_day
from joulewright.study.configuration.prospect import Prospect, Weights, mean_shape
from joulewright.study.configuration.result import Configuration
from joulewright.study.configuration.trial import Trial, Trials

_LEAST_SHARE = 0.01
"""Capacities below this share of the bound are not looked for."""
_BACK_OFF, _GUESS, _LOADS = 0.97, 0.8, 3


class _Hour(NamedTuple):
    replicas: int
    wanted: int
    served_per_s: float
    trial: Trial


_NOTHING = _Hour(0, 0, 0.0, Trial(0.0, 0.0, 0.0, True))


def with_capacity(found: Prospect, trials: Trials) -> Prospect:
    """The candidate with the rate that a replica serves within the objectives and their margin, and its power.

    Raises
    ------
    ScenarioError
        If even a hundredth of the bound is too much; the message has the times found.

    Notes
    -----
    Bisection on the rate with the same requests at every rate, between 0 and the bound of the closed form.
    """
    if not trials.need.rate_per_s.any():
        return replace(found, simulated=True)
    least, low, high, rate = _LEAST_SHARE * found.most_per_s, 0.0, found.most_per_s, found.most_per_s
    while low < found.most_per_s and high - low > trials.verification.capacity_fraction * low:
        trial = trials.run(found.engine, found.options, replicas=1, rate_per_s=rate)
        low, high = (rate, high) if trial.met else (low, rate)
        if high <= least:
            raise ScenarioError(_too_slow(trial, rate, trials))
        middle = 0.5 * (low + high)
        rate = max(middle, least) if low > 0.0 or high < found.most_per_s else _GUESS * high
    return _with_power(replace(found, most_per_s=low, simulated=True), trials)


def _with_power(found: Prospect, trials: Trials) -> Prospect:
    """The candidate with its power scaled to simulations at loads of the day and at the capacity."""
    rate = trials.need.rate_per_s[trials.need.rate_per_s > 0.0]
    loads = np.quantile(rate / found.replicas(rate), np.linspace(0.0, 1.0, _LOADS))
    loads = np.unique(np.append(loads, found.most_per_s))
    ratio = [
        trials.run(found.engine, found.options, replicas=1, rate_per_s=load).power_w
        / float(np.interp(load, found.load_per_s, found.power_w))
        for load in loads.tolist()
    ]
    scale = np.interp(found.load_per_s, np.append(0.0, loads), np.append(1.0, ratio))
    return replace(found, power_w=found.power_w * scale)


def evaluate(
    found: Prospect,
    trials: Trials,
    *,
    operation: Operation,
    weights: Weights,
    plan_weight: Callable[[Prospect], tuple[FloatArray, float]],
) -> Configuration:
    """Simulate a candidate over all hours.

    Parameters
    ----------
    found : Prospect
        The candidate, from :func:`with_capacity`.
    trials : Trials
        Simulations of the service.
    operation : Operation
        How replicas are run.
    weights : Weights
        Carbon intensity and price of each hour.
    plan_weight : callable
        Weight of a kWh in each hour and of the price of an hour, by which replicas stay loaded or not.

    Raises
    ------
    ScenarioError
        If it is too slow at any rate.
    """
    rates = trials.need.rate_per_s
    by_rate = {rate: _verified(found, trials, rate) if rate else _NOTHING for rate in np.unique(rates).tolist()}
    hours = [by_rate[rate] for rate in rates.tolist()]
    kwh_weight, hour_weight = plan_weight(found)
    plan = plan_day(
        np.array([hour.replicas for hour in hours], dtype=np.int64),
        found.costs,
        least=operation.least_replicas,
        kwh_weight=kwh_weight,
        hour_weight=hour_weight,
    )
    return _configuration(found, trials, hours, plan, weights=weights)


def _configuration(
    found: Prospect, trials: Trials, hours: Sequence[_Hour], plan: DayPlan, *, weights: Weights
) -> Configuration:
    """Figures of the day from its hours and its plan."""
    served = np.array([hour.served_per_s for hour in hours])
    serving = np.array([hour.replicas for hour in hours], dtype=np.int64)
    owned = int(plan.loaded.max())
    power_w = np.array([hour.trial.power_w for hour in hours]) + (plan.loaded - serving) * found.costs.standby_w
    power_w += (owned - plan.loaded) * found.costs.off_w
    kwh = power_w / 1e3 + np.roll(plan.loads, -1) * found.costs.load_kwh
    embodied = found.costs.embodied_kg_per_h
    low, mid, high = (value * owned * len(hours) for value in embodied or (0.0, 0.0, 0.0))
    return Configuration(
        label=found.candidate.label,
        deployment=found.deployment,
        options=found.options,
        capacity_per_s=found.most_per_s,
        replicas=serving,
        loaded=plan.loaded,
        loads=plan.loads,
        served_per_s=served,
        unserved_per_s=trials.need.rate_per_s - served,
        power_w=power_w,
        energy_kwh=float(kwh.sum()),
        carbon_kg=_dot(kwh, weights.intensity_g_per_kwh, 1e-3),
        cost=_cost(kwh, weights, found, plan),
        embodied_range_kg=None if embodied is None else (low, mid, high),
        ttft_s=max(hour.trial.ttft_s for hour in hours),
        tpot_s=max(hour.trial.tpot_s for hour in hours),
        gpus=owned * found.gpus,
        gpus_needed=max(owned, *(hour.wanted for hour in hours)) * found.gpus,
        curve=found.curve(mean_shape(trials).output_tokens),
    )


def _verified(found: Prospect, trials: Trials, rate_per_s: float) -> _Hour:
    """Replicas for a rate that keep the objectives with fresh requests; with too few, the rate that they serve."""
    wanted = int(found.replicas(np.array(rate_per_s)))
    most, capacity = 2 * wanted + 4, found.most_per_s
    while True:
        replicas = int(min(wanted, found.most_replicas))
        served = rate_per_s if replicas == wanted else min(rate_per_s, replicas * capacity)
        trial = trials.run(found.engine, found.options, replicas=replicas, rate_per_s=served, fresh=1)
        if trial.met:
            return _Hour(replicas, wanted, served, trial)
        if replicas < wanted:
            capacity *= _BACK_OFF
        wanted += 1
        if wanted > most:
            raise ScenarioError(_too_slow(trial, rate_per_s / replicas, trials))


def _too_slow(trial: Trial, rate_per_s: float, trials: Trials) -> str:
    objectives, margin = trials.need.objectives, trials.verification.margin_fraction
    kind = "mean" if objectives.quantile is None else f"{objectives.quantile:g} quantile"
    parts = [
        f"{name} {1e3 * value:.4g} ms of at most {1e3 * limit:g} ms"
        for name, value, limit in (
            ("TTFT", trial.ttft_s, objectives.ttft_s),
            ("TPOT", trial.tpot_s, objectives.tpot_s),
        )
        if limit is not None
    ]
    return (
        f"simulated at {rate_per_s:.3g} requests/s for a replica, the {kind} is {' and '.join(parts)}, with a margin "
        f"of {margin:g}; relax the objective or use faster accelerators"
    )


def _dot(kwh: FloatArray, weight: FloatArray | None, scale: float) -> float | None:
    return None if weight is None else float(kwh @ weight) * scale


def _cost(kwh: FloatArray, weights: Weights, found: Prospect, plan: DayPlan) -> float | None:
    energy = _dot(kwh, weights.price_per_kwh, 1.0)
    return None if energy is None else energy + int(plan.loaded.sum()) * found.costs.price_per_h
