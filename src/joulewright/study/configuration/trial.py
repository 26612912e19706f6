"""Simulations that show whether replicas keep the objectives at a rate, and what they draw."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from joulewright.errors import ScenarioError
from joulewright.physics.inference.step import StepCoefficients
from joulewright.sim.processes.inference import RequestTrace, ServingOptions, simulate_serving
from joulewright.sim.processes.inference.generate import generate_requests
from joulewright.sim.processes.inference.options import ROUTERS, Router
from joulewright.study.configuration.need import ServiceNeed

_BINS, _MOST_REQUESTS = 64, 1 << 16
_LEAST_RATE_PER_S = 1e-3
"""Lower rates are tried at this one, where requests hardly ever meet; power above waiting is then in proportion."""
_RESIDENCES = 8.0
"""Times that an answer takes which a simulation lasts at least."""


@dataclass(frozen=True, kw_only=True)
class Verification:
    """How configurations are tried.

    Attributes
    ----------
    requests : int
        Requests of a simulation at least; busy fleets get more, for at least eight times the mean time of a request.
    warm_up_fraction : float
        First part of the time that does not count [-].
    margin_fraction : float
        What times must stay below their objectives [-], as other random numbers give other times.
    capacity_fraction : float
        How exactly the capacity of a replica is found [-].
    router : {"round-robin", "least-outstanding", "power-aware"}
        How requests find a replica.
    most_replicas : int
        Larger fleets are tried with so many replicas at the same rate per replica: with more replicas the router
        evens loads out better, not worse.

    Raises
    ------
    ScenarioError
        If a value is out of range.
    """

    requests: int = 2048
    warm_up_fraction: float = 0.2
    margin_fraction: float = 0.1
    capacity_fraction: float = 0.02
    router: Router = "least-outstanding"
    most_replicas: int = 8

    def __post_init__(self) -> None:
        for name, low, high in (
            ("requests", 100, _MOST_REQUESTS),
            ("warm_up_fraction", 0.0, 0.9),
            ("margin_fraction", 0.0, 0.9),
            ("capacity_fraction", 1e-4, 0.5),
            ("most_replicas", 1, 1024),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ScenarioError(f"{name} is {value}; allowed is {low} to {high}")
        if self.router not in ROUTERS:
            raise ScenarioError(f"there is no router {self.router!r}; use {', '.join(ROUTERS)}")


class Trial(NamedTuple):
    """Statistic of the times [s], mean power of all replicas with their host share [W], and the verdict."""

    ttft_s: float
    tpot_s: float
    power_w: float
    met: bool


class Trials:
    """Simulations of one service; equal arguments give equal trials.

    Parameters
    ----------
    need : ServiceNeed
        The service.
    verification : Verification
        How to try.
    seed : int
        The same requests come in every trial with the same seed and size, closer together at a higher rate.

    References
    ----------
    Common random numbers: Glasserman and Yao (1992), Management Science 38(6), doi:10.1287/mnsc.38.6.884.
    """

    def __init__(self, need: ServiceNeed, verification: Verification, seed: int) -> None:
        self.need, self.verification, self.seed = need, verification, seed
        self.count = 0
        self._traces: dict[tuple[int, int], RequestTrace] = {}

    def requests(self, count: int, fresh: int = 0) -> RequestTrace:
        """Requests at one per second, of which the last arrives after exactly ``count`` seconds."""
        key = (count, fresh)
        if key not in self._traces:
            drawn = generate_requests(
                count,
                rate_per_s=1.0,
                input_tokens=self.need.input_tokens,
                output_tokens=self.need.output_tokens,
                seed=self.seed + fresh,
                variation=self.need.variation,
            )
            arrival_s = drawn.arrival_s * (count / drawn.arrival_s[-1])
            self._traces[key] = replace(drawn, arrival_s=arrival_s)
        return self._traces[key]

    def run(
        self, engine: StepCoefficients, options: ServingOptions, *, replicas: int, rate_per_s: float, fresh: int = 0
    ) -> Trial:
        """Serve the requests at a rate for all replicas [1/s]; ``fresh`` chooses other random numbers."""
        self.count += 1
        tried = min(replicas, self.verification.most_replicas)
        wanted = rate_per_s * tried / replicas
        rate = max(wanted, _LEAST_RATE_PER_S)
        unit = self.requests(self._size(options, tried, rate), fresh)
        trace = RequestTrace(
            arrival_s=unit.arrival_s / rate, input_tokens=unit.input_tokens, output_tokens=unit.output_tokens
        )
        span_s = float(trace.arrival_s[-1])
        result = simulate_serving(
            trace,
            engine,
            replicas=tried,
            router=self.verification.router,
            options=replace(options, bin_s=span_s / _BINS),
        )
        first = math.ceil(self.verification.warm_up_fraction * _BINS)
        counted = trace.arrival_s >= span_s * first / _BINS
        ttft_s, tpot_s = (
            self.need.objectives.statistic(values[counted & ~np.isnan(values)])
            for values in (result.requests[name].fill_null(np.nan).to_numpy() for name in ("ttft_s", "tpot_s"))
        )
        margin = self.verification.margin_fraction
        waiting_w = tried * engine.gpus * (engine.loaded_idle_w + engine.host_idle_w)
        power_w = float(result.series["power_w"].to_numpy()[first:_BINS].mean())
        return Trial(
            ttft_s=ttft_s,
            tpot_s=tpot_s,
            power_w=(waiting_w + (power_w - waiting_w) * wanted / rate) * replicas / tried,
            met=self.need.objectives.met(ttft_s, tpot_s, margin_fraction=margin),
        )

    def _size(self, options: ServingOptions, replicas: int, rate_per_s: float) -> int:
        """Requests of a trial, a power of two so that traces are used again."""
        limit_s = self.need.objectives.tpot_s
        running = float(options.max_sequences * replicas)
        if limit_s is not None:
            running = min(running, rate_per_s * self.need.output_tokens.expected_tokens * limit_s)
        wanted = max(self.verification.requests, _RESIDENCES * running)
        return min(1 << math.ceil(math.log2(wanted)), _MOST_REQUESTS)
