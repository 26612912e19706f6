"""Choices of a serving simulation: engine limits, prefix cache, pools, scaling and latency objectives."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

import numpy as np

from joulewright.errors import ScenarioError
from joulewright.model.timeline import FloatArray
from joulewright.physics.inference.step import StepCoefficients
from joulewright.sim.processes.inference.budgets import ServiceBudget

Router = Literal["round-robin", "least-outstanding", "power-aware", "prefix-aware"]
ROUTERS: tuple[Router, ...] = ("round-robin", "least-outstanding", "power-aware", "prefix-aware")
LEAST_INTERVAL_S = 1e-3
"""Shortest time between decisions of autoscaling [s]."""


@dataclass(frozen=True, kw_only=True)
class PrefixCache:
    """Blocks of prompts that are kept, the least recently used dropped first.

    Attributes
    ----------
    blocks : int, "free" or None
        Blocks of the trace that fit into a store beside the replicas; None keeps all. With ``free`` each replica keeps
        blocks where it has computed them, as long as no sequence needs the room, and sequences with the same blocks
        share them.
    shared : bool
        One store for all replicas, or one each, which is lost when the replica goes off; ``free`` always is one each.

    Raises
    ------
    ScenarioError
        If ``blocks`` is no positive whole number.
    """

    blocks: int | Literal["free"] | None = None
    shared: bool = True

    def __post_init__(self) -> None:
        if self.blocks is not None and self.blocks != "free":
            _whole(self.blocks, "blocks of the prefix cache", 1)

    @property
    def common(self) -> bool:
        """Whether all replicas have one store."""
        return self.shared and self.blocks != "free"


@dataclass(frozen=True, kw_only=True)
class Disaggregation:
    """A decode pool behind the prefill pool; the prefill pool has the replicas of the simulation.

    Attributes
    ----------
    decode_replicas : int
        Replicas of the decode pool; requests go to the one with the fewest.
    link_bytes_s, latency_s : float
        Rate of the link that a prompt's cache goes over [B/s], and its latency [s].
    decode_engine : StepCoefficients or None
        Coefficients of the decode pool; None takes those of the prefill pool.

    Raises
    ------
    ScenarioError
        If a value is out of range.
    """

    decode_replicas: int
    link_bytes_s: float
    latency_s: float = 0.0
    decode_engine: StepCoefficients | None = None

    def __post_init__(self) -> None:
        _whole(self.decode_replicas, "decode_replicas", 1)
        _real(self.link_bytes_s, "link_bytes_s", "B/s", positive=True)
        _real(self.latency_s, "latency_s", "s")


@dataclass(frozen=True, kw_only=True)
class Autoscaling:
    """Switching the replicas of a pool on and off, by requests in it, by their rate, or by a schedule.

    Exactly one of ``requests_per_replica``, ``rate_per_replica_s`` and ``schedule`` says how many are wanted. A replica
    that is to go off takes no further requests and finishes those it has.

    Attributes
    ----------
    requests_per_replica : float or None
        Waiting and running requests that one replica shall have; in a decode pool with those whose cache is on its way.
    rate_per_replica_s : float or None
        Arrivals at the pool that one replica shall have [1/s], averaged over ``rate_window_s``.
    schedule : tuple of (float, int)
        Times [s] in rising order, and the replicas wanted from then on.
    least_replicas : int
        Replicas that stay on; with 0 the first request wakes one.
    interval_s, hold_s, rate_window_s : float
        Time between decisions, at least 0.001, time of less demand before replicas go off, and the window of the rate
        [s].
    load_s : float
        Time that loading the model takes [s].
    load_energy_j : float or None
        Energy of that per replica, host included [J]; None takes the power of rest and of the resting host for that
        time, which is less than storage and memory draw while they work.
    off_w : float
        Power of a replica that is off [W].

    Raises
    ------
    ScenarioError
        If a value is out of range, or not exactly one rule is given.
    """

    requests_per_replica: float | None = None
    rate_per_replica_s: float | None = None
    schedule: tuple[tuple[float, int], ...] = ()
    least_replicas: int = 1
    interval_s: float = 10.0
    hold_s: float = 60.0
    rate_window_s: float = 60.0
    load_s: float = 60.0
    load_energy_j: float | None = None
    off_w: float = 0.0

    def __post_init__(self) -> None:
        rules = [self.requests_per_replica is not None, self.rate_per_replica_s is not None, bool(self.schedule)]
        if sum(rules) != 1:
            raise ScenarioError(
                f"autoscaling has {sum(rules)} rules; give one of requests_per_replica, rate_per_replica_s and schedule"
            )
        for name, unit, positive in (
            ("interval_s", "s", True),
            ("hold_s", "s", False),
            ("rate_window_s", "s", True),
            ("load_s", "s", bool(self.load_energy_j)),
            ("load_energy_j", "J", False),
            ("off_w", "W", False),
        ):
            if getattr(self, name) is not None:
                _real(getattr(self, name), name, unit, positive=positive)
        if self.interval_s < LEAST_INTERVAL_S:
            raise ScenarioError(f"interval_s is {self.interval_s!r} s; allowed is at least {LEAST_INTERVAL_S:g} s")
        for name in ("requests_per_replica", "rate_per_replica_s"):
            if getattr(self, name) is not None:
                _real(getattr(self, name), name, "", positive=True)
        _whole(self.least_replicas, "least_replicas", 0)
        times = [time for time, _ in self.schedule]
        if any(later <= earlier for earlier, later in pairwise(times)) or not all(map(math.isfinite, times)):
            raise ScenarioError(f"the times of the schedule are {times} s; they must rise")
        for _, count in self.schedule:
            _whole(count, "replicas of the schedule", 0)


@dataclass(frozen=True, kw_only=True)
class LatencyObjectives:
    """What a request must keep to count as met; None asks for nothing.

    Attributes
    ----------
    ttft_s, tpot_s, e2e_s : float or None
        Longest time to the first token, time per output token after it, and time to the end [s].
    """

    ttft_s: float | None = None
    tpot_s: float | None = None
    e2e_s: float | None = None

    def __post_init__(self) -> None:
        for name in ("ttft_s", "tpot_s", "e2e_s"):
            if getattr(self, name) is not None:
                _real(getattr(self, name), name, "s", positive=True)


@dataclass(frozen=True, eq=False)
class Intensity:
    """Carbon intensity over time, from 0 s on.

    Attributes
    ----------
    step_s : float
        Length of a step [s].
    kg_per_mwh : array_like
        Intensity of each step [kg/MWh, the same as g/kWh], shape ``(K,)``.

    Raises
    ------
    ScenarioError
        If the step is not positive, or a value is negative or not finite.
    """

    step_s: float
    kg_per_mwh: FloatArray

    def __post_init__(self) -> None:
        _real(self.step_s, "step of the carbon intensity", "s", positive=True)
        values = np.require(self.kg_per_mwh, np.float64, ["C", "W"])
        wrong = np.flatnonzero(~(np.isfinite(values) & (values >= 0.0)))
        if values.ndim != 1 or values.size == 0 or wrong.size:
            found = f"{values[wrong[0]]} at step {wrong[0]}" if wrong.size else f"of shape {values.shape}"
            raise ScenarioError(f"the carbon intensity is {found}; give one finite value of at least 0 kg/MWh per step")
        object.__setattr__(self, "kg_per_mwh", values)


@dataclass(frozen=True, kw_only=True)
class ServingOptions:
    """Limits of the engine, and what the simulation includes.

    Attributes
    ----------
    max_sequences : int
        Sequences that run at once in a replica.
    token_budget : int
        Tokens of a step.
    block_tokens : int
        Tokens of a block of the cache.
    context_tokens : int or None
        Longest prompt with its output [token]; None takes the model's, where a deployment is given.
    idle : {"loaded", "unloaded"}
        Power of a replica without work: with the model resident and clocks up, or that of an idle device.
    prefix_hit_fraction : float
        Share of each prompt found in a cache, down to whole blocks [-].
    prefix_cache : PrefixCache or None
        Cache of the blocks that the trace names; None keeps none.
    waiting_limit : int or None
        Requests that wait at a replica before further ones are refused.
    fill_sequences : int or None
        Requests that the power-aware and the prefix-aware router give one replica before others; None takes
        ``max_sequences``.
    bin_s : float
        Step of the power series [s].
    water_l_per_kwh : float
        Water usage effectiveness [l/kWh].
    disaggregation, autoscaling, budget, objectives
        Decode pool, switching of replicas, limits per day and latency objectives, where wanted.
    decode_autoscaling : Autoscaling or None
        Switching of the decode pool; None takes the rule of ``autoscaling`` for it, too.

    Raises
    ------
    ScenarioError
        If a value is out of range or parts exclude each other.
    """

    max_sequences: int = 256
    token_budget: int = 2048
    block_tokens: int = 16
    context_tokens: int | None = None
    idle: Literal["loaded", "unloaded"] = "loaded"
    prefix_hit_fraction: float = 0.0
    prefix_cache: PrefixCache | None = None
    waiting_limit: int | None = None
    fill_sequences: int | None = None
    bin_s: float = 1.0
    water_l_per_kwh: float = 0.0
    disaggregation: Disaggregation | None = None
    autoscaling: Autoscaling | None = None
    decode_autoscaling: Autoscaling | None = None
    budget: ServiceBudget | None = None
    objectives: LatencyObjectives = field(default_factory=LatencyObjectives)

    def __post_init__(self) -> None:
        for name in ("max_sequences", "token_budget", "block_tokens"):
            _whole(getattr(self, name), name, 1)
        for name in ("context_tokens", "waiting_limit", "fill_sequences"):
            if getattr(self, name) is not None:
                _whole(getattr(self, name), name, 1)
        if self.max_sequences > self.token_budget:
            raise ScenarioError(
                f"max_sequences is {self.max_sequences} and token_budget {self.token_budget}; every running sequence "
                "needs a token of the budget: raise token_budget or lower max_sequences"
            )
        if self.idle not in ("loaded", "unloaded"):
            raise ScenarioError(f"idle is {self.idle!r}; use 'loaded' or 'unloaded'")
        if not 0.0 <= self.prefix_hit_fraction < 1.0:
            raise ScenarioError(f"prefix_hit_fraction is {self.prefix_hit_fraction}; allowed is 0 up to below 1")
        _real(self.bin_s, "bin_s", "s", positive=True)
        _real(self.water_l_per_kwh, "water_l_per_kwh", "l/kWh")
        if self.decode_autoscaling is not None and self.disaggregation is None:
            raise ScenarioError("decode_autoscaling is given, but there is no decode pool; give disaggregation as well")
        self._check_names()

    @property
    def scaling(self) -> tuple[Autoscaling | None, Autoscaling | None]:
        """Rules of the first pool and of the decode pool."""
        decode = self.decode_autoscaling or self.autoscaling
        return self.autoscaling, None if self.disaggregation is None else decode

    def _check_names(self) -> None:
        if self.prefix_cache is not None and self.prefix_hit_fraction > 0.0:
            raise ScenarioError(
                f"prefix_hit_fraction is {self.prefix_hit_fraction} and a prefix_cache is given; hits come from a "
                "stated share or from the blocks that the trace names: leave one of them out"
            )


def _whole(value: object, name: str, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not least <= value < 1 << 31:
        raise ScenarioError(f"{name} is {value!r}; allowed is a whole number of at least {least}")


def _real(value: float, name: str, unit: str, *, positive: bool = False) -> None:
    if not math.isfinite(value) or value < 0.0 or (positive and value == 0.0):
        allowed = "a positive number" if positive else "a number of at least 0"
        raise ScenarioError(f"{name} is {value!r} {unit}; allowed is {allowed}".replace("  ", " "))
