"""A serving simulation with all that belongs to it: requests, deployment, carbon, water and figures."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from joulewright.errors import ScenarioError
from joulewright.physics.inference.deployment import Deployment, coefficients
from joulewright.physics.inference.steady import RequestShape, steady_state
from joulewright.sim.processes.inference import (
    Disaggregation,
    RequestTrace,
    ServingOptions,
    ServingResult,
    simulate_serving,
)
from joulewright.sim.processes.inference.options import Router
from joulewright.sim.processes.inference.result import J_PER_KWH, LATENCIES
from joulewright.study.inference_deployment import Standing, deployment_facts, standing_of
from joulewright.study.inference_intensity import IntensityInput
from joulewright.study.inference_requests import TraceInput
from joulewright.study.inference_use import budget_rows, cached_fraction, pool_rows, rest_notes

QUANTILES = (0.5, 0.9, 0.99)
_FULL, _DONE, _NEAR = 0.97, 0.9, 0.9
_SHARES = (*np.linspace(0.0, 0.9, 46).tolist(), *np.linspace(0.905, 0.995, 19).tolist(), 0.999, 1.0)
"""Shares of the requests at which a distribution of latencies is kept where the requests themselves are not."""


@dataclass(frozen=True, kw_only=True)
class NamedPools(Disaggregation):
    """A decode pool whose accelerator is given by name.

    Attributes
    ----------
    decode_accelerator : str or None
        Name as in :class:`~joulewright.study.inference_deployment.DeploymentChoice`; None takes the hardware of the
        prefill pool.
    """

    decode_accelerator: str | None = None


@dataclass(frozen=True, kw_only=True)
class ServingChoice:
    """What is simulated besides requests and deployment.

    Attributes
    ----------
    replicas : int
        Replicas; with disaggregation those of the prefill pool.
    router : {"round-robin", "least-outstanding", "power-aware", "prefix-aware"}
        Who gets a request.
    options : ServingOptions
        Engine limits, caches, pools, scaling, budgets and objectives.
    end_s : float or None
        Time until which replicas are billed at least [s]; with requests that follow a demand at least its end.
    decode : Deployment or None
        A replica of the decode pool of ``options.disaggregation``; None takes that of the prefill pool.
    water_l_per_kwh : float or None
        Water usage effectiveness [l/kWh].
    """

    replicas: int = 1
    router: Router = "round-robin"
    options: ServingOptions
    end_s: float | None = None
    decode: Deployment | None = None
    water_l_per_kwh: float | None = None

    def __post_init__(self) -> None:
        if self.decode is not None and self.options.disaggregation is None:
            raise ScenarioError("a replica of a decode pool is given, but there is none; give disaggregation as well")
        value = self.water_l_per_kwh
        if value is not None and not (math.isfinite(value) and value >= 0.0):
            raise ScenarioError(f"the water usage effectiveness is {value} l/kWh; allowed is at least 0")


@dataclass(frozen=True, kw_only=True, eq=False)
class ServingStudy:
    """Outcome of :func:`study_serving`."""

    requests: TraceInput
    deployment: Deployment
    choice: ServingChoice
    carbon: IntensityInput | None
    result: ServingResult

    @property
    def standing(self) -> Standing:
        """Predictor and its expected error."""
        return standing_of(self.deployment)

    @cached_property
    def latencies(self) -> pl.DataFrame:
        """Mean and quantiles of each latency over served requests [s]; null where no request counts."""
        rows = []
        for name in LATENCIES:
            quantiles = {f"p{100 * share:g}_s": self.result.quantile(name, share) for share in QUANTILES}
            rows.append({"latency": name.removesuffix("_s"), "mean_s": self.result.mean(name), **quantiles})
        return pl.DataFrame(rows).with_columns(pl.col("^.*_s$").fill_nan(None))

    @cached_property
    def energy(self) -> pl.DataFrame:
        """Energy by phase and in total, per token of output, with carbon and water where they are known."""
        result, rows = self.result, []
        tokens = int(result.by_tenant["output_tokens"].sum())
        carbon = None if self.carbon is None else result.carbon_g
        total_j = result.total_energy_j
        for phase, energy_j in [*result.energy_j.items(), ("total", total_j)]:
            grams = None if carbon is None else sum(carbon.values()) if phase == "total" else carbon[phase]
            water = self.choice.water_l_per_kwh
            rows.append(
                {
                    "phase": phase,
                    "energy_kwh": energy_j / J_PER_KWH,
                    "share": energy_j / total_j if total_j else 0.0,
                    "per_output_token_j": energy_j / tokens if tokens else None,
                    "carbon_g": grams,
                    "water_l": None if water is None else energy_j / J_PER_KWH * water,
                }
            )
        return pl.DataFrame(rows, schema_overrides={"carbon_g": pl.Float64, "water_l": pl.Float64})

    @cached_property
    def tenants(self) -> pl.DataFrame:
        """One row for each tenant; water from the energy of its steps where it is known, null where nothing counts."""
        frame = self.result.by_tenant.with_columns(pl.col(pl.Float64).fill_nan(None))
        if self.choice.water_l_per_kwh is not None:
            used_j = pl.col("prefill_j") + pl.col("decode_j")
            frame = frame.with_columns(water_l=used_j / J_PER_KWH * self.choice.water_l_per_kwh)
        return frame if self.carbon is not None else frame.drop("carbon_g")

    @cached_property
    def overloaded(self) -> dict[str, float] | None:
        """What was served and what would be needed, where more arrives than replicas keep up with; else None."""
        found = dict(self.result.overload()) if self._recorded else self._streamed_load()
        full = found["busy_fraction"] > _FULL and found["served_fraction"] < _DONE
        crowded = self._rate_per_s() > _NEAR * self.choice.replicas * self._limit_per_s()
        return found if full and crowded and found["needed_replicas"] > self.choice.replicas else None

    @property
    def _recorded(self) -> bool:
        """Whether each request was kept."""
        return isinstance(self.requests.trace, RequestTrace)

    def _streamed_load(self) -> dict[str, float]:
        """As :meth:`ServingResult.overload`; the share that is served while requests arrive is that of the time."""
        result, tally = self.result, self.requests.tally
        span_s = max(tally.last_s, self.choice.options.bin_s)
        offered = (tally.input_tokens + tally.output_tokens - tally.requests) / span_s
        replica_s = result.world.replicas.size * max(result.end_s - result.start_s, span_s)
        pace = result.scheduled_tokens / result.busy_s if result.busy_s else math.inf
        return {
            "arrival_span_s": span_s,
            "offered_token_s": offered,
            "served_fraction": result.served / result.offered * min(1.0, span_s / max(result.makespan_s, span_s)),
            "busy_fraction": result.busy_s / replica_s,
            "needed_replicas": float(math.ceil(offered / pace)),
        }

    def _rate_per_s(self) -> float:
        tally = self.requests.tally
        return tally.requests / max(tally.last_s, self.choice.options.bin_s)

    def _limit_per_s(self) -> float:
        """Requests that a replica keeps up with by the closed form; 0 where that does not hold."""
        options, tally = self.choice.options, self.requests.tally
        if options.disaggregation is not None:
            return 0.0
        shape = RequestShape(
            input_tokens=max(1.0, (1.0 - options.prefix_hit_fraction) * tally.input_tokens / tally.requests),
            output_tokens=tally.output_tokens / tally.requests,
            length_factor=max(1.0, tally.requests * tally.output_squares / tally.output_tokens**2),
        )
        try:
            state = steady_state(
                coefficients(self.deployment),
                shape,
                rate_per_s=[0.0],
                token_budget=options.token_budget,
                max_sequences=options.max_sequences,
            )
        except ScenarioError:  # not one mean request fits into the cache
            return 0.0
        return state.limit_per_s

    @property
    def notes(self) -> list[str]:
        """What a reader must know."""
        notes = [*self.requests.notes, *(() if self.carbon is None else self.carbon.notes)]
        over, result = self.overloaded, self.result
        if over is not None:
            notes.append(
                f"Demand is above capacity: {100.0 * over['served_fraction']:.1f} % of the requests have their answer "
                f"when the last one arrives; {over['offered_token_s']:.0f} token/s arrive, and about "
                f"{over['needed_replicas']:.0f} replicas would keep up."
            )
        if not self._recorded:
            notes.append("The requests are too many to be kept; latencies are from distributions within 0.5 %.")
        if result.refused:
            reasons = ", ".join(f"{count} {reason}" for reason, count in result.refusals.items())
            notes.append(f"{result.refused} of {result.offered} requests were refused: {reasons}.")
        notes += rest_notes(result)
        if result.preemptions:
            notes.append(f"{result.preemptions} times a sequence lost its cache and was computed again.")
        clipped = 100.0 * result.clipped_s / result.busy_s if result.busy_s else 0.0
        if clipped >= 0.05:
            notes.append(f"The power limit held for {clipped:.1f} % of the busy time.")
        return notes

    def document(self) -> dict[str, Any]:
        """Everything but rows of requests and the power series, for manifests and ``--json``."""
        result = self.result
        return {
            "requests": self.requests.facts(),
            "deployment": deployment_facts(self.deployment),
            "standing": asdict(self.standing),
            "replicas": self.choice.replicas,
            "pools": pool_rows(result, self.deployment, self.choice.decode),
            "decode_deployment": None if self.choice.decode is None else deployment_facts(self.choice.decode),
            "decode_standing": None if self.choice.decode is None else asdict(standing_of(self.choice.decode)),
            "router": self.choice.router,
            "options": self._options(),
            "water_l_per_kwh": self.choice.water_l_per_kwh,
            "carbon_intensity": None if self.carbon is None else self.carbon.facts(),
            "figures": {key: value if math.isfinite(value) else None for key, value in result.figures().items()},
            "latencies": self.latencies.to_dicts(),
            "distributions": None if self._recorded else self._distributions(),
            "energy": self.energy.to_dicts(),
            "tenants": self.tenants.to_dicts(),
            "cached_fraction": cached_fraction(result),
            "budget_use": budget_rows(result),
            "served": result.served,
            "refusals": dict(result.refusals),
            "overload": self.overloaded,
            "span_s": [result.start_s, result.end_s],
            "notes": self.notes,
        }

    def _options(self) -> dict[str, Any]:
        """The options; of the engine of a decode pool there are the facts of its deployment."""
        found = asdict(self.choice.options)
        if found["disaggregation"] is not None:
            del found["disaggregation"]["decode_engine"]
        return found

    def _distributions(self) -> dict[str, list[list[float]]]:
        """Shares of the requests and the longest time of each [s], by latency; empty where no request counts."""
        found = {}
        for name in LATENCIES:
            pairs = [[share, self.result.quantile(name, share)] for share in _SHARES]
            found[name.removesuffix("_s")] = [pair for pair in pairs if math.isfinite(pair[1])]
        return found

    def tables(self) -> dict[str, pl.DataFrame]:
        """Frames of the run folder by name; no requests where they are too many to be kept."""
        found = {"series": self.result.series, "tenants": self.tenants}
        if not self._recorded:
            return found
        requests = self.result.requests
        return {"requests": requests if self.carbon is not None else requests.drop("carbon_g"), **found}


def study_serving(
    requests: TraceInput, deployment: Deployment, choice: ServingChoice, *, carbon: IntensityInput | None = None
) -> ServingStudy:
    """Serve requests on a deployment.

    Parameters
    ----------
    requests : TraceInput
        What arrives.
    deployment : Deployment
        One replica.
    choice : ServingChoice
        Replicas, router and options.
    carbon : IntensityInput or None
        Carbon intensity from the start of the trace on.

    Raises
    ------
    ScenarioError, TraceError
        As :func:`joulewright.sim.processes.inference.simulate_serving`, or if there is a prefix cache for requests
        that do not name blocks of their prompts.

    Examples
    --------
    >>> from joulewright.study.inference_deployment import DeploymentChoice
    >>> from joulewright.study.inference_requests import read_trace
    >>> one = DeploymentChoice(model="Llama-3.1-8B", accelerator="H100").deploy()
    >>> found = study_serving(read_trace("poisson:requests=50"), one, ServingChoice(options=ServingOptions()))
    >>> found.result.served, found.energy["phase"].to_list()[-1]
    (50, 'total')
    """
    if choice.options.prefix_cache is not None and getattr(requests.trace, "block_hashes", None) is None:
        raise ScenarioError(
            f"{requests.name} names no blocks of prompts, so that the prefix cache stays empty; give a trace with "
            "hash_ids, or a share of each prompt that is found in a cache (prefix_hit_fraction)"
        )
    options, ends = choice.options, [end for end in (choice.end_s, requests.end_s) if end is not None]
    if choice.decode is not None and options.disaggregation is not None:
        pools = replace(options.disaggregation, decode_engine=coefficients(choice.decode))
        options = replace(options, disaggregation=pools)
    result = simulate_serving(
        requests.trace,
        deployment,
        replicas=choice.replicas,
        router=choice.router,
        options=options,
        intensity=None if carbon is None else carbon.intensity,
        span_s=(0.0, max(ends, default=None)),
    )
    return ServingStudy(requests=requests, deployment=deployment, choice=choice, carbon=carbon, result=result)
