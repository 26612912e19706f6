"""What a run consists of besides its requests: engines, replicas, router and time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from joulewright.errors import ScenarioError
from joulewright.physics.inference.step import StepCoefficients, step_values
from joulewright.sim.processes.inference.options import ROUTERS, Intensity, Router, ServingOptions

_LEAST_MARGIN_S = 600.0


@dataclass(frozen=True, kw_only=True, eq=False)
class ServingSetup:
    """Everything of a run but its requests.

    Attributes
    ----------
    engine : StepCoefficients
        A replica of the first pool.
    options : ServingOptions
        Limits, caches, pools, scaling and budgets.
    replicas : int
        Replicas of the first pool.
    router : str
        Which of them gets a request.
    intensity : Intensity or None
        Carbon intensity over time.
    span_s : tuple of (float, float or None)
        Time over which replicas are billed [s].

    Raises
    ------
    ScenarioError
        If a value is out of range or does not fit another.
    """

    engine: StepCoefficients
    options: ServingOptions
    replicas: int
    router: Router
    intensity: Intensity | None
    span_s: tuple[float, float | None]

    def __post_init__(self) -> None:
        start_s, end_s = self.span_s
        if not (0.0 <= start_s < math.inf) or not (end_s is None or start_s <= end_s < math.inf):
            raise ScenarioError(f"span_s is {self.span_s} s; it must begin at 0 or later and not end before that")
        count = self.replicas
        if isinstance(count, bool) or not isinstance(count, (int, np.integer)) or not 1 <= count <= 100_000:
            raise ScenarioError(f"replicas is {count!r}; allowed is a whole number from 1 to 100000")
        if self.router not in ROUTERS:
            raise ScenarioError(f"there is no router {self.router!r}; use {', '.join(ROUTERS)}")
        if self.router == "prefix-aware" and self.options.prefix_cache is None:
            raise ScenarioError(
                "router is 'prefix-aware', but no prefix_cache is given, so that no replica knows a prompt; give one "
                "(and a trace that names blocks), or use least-outstanding"
            )
        self._check_schedules()
        self._check_budget()

    @property
    def engines(self) -> tuple[StepCoefficients, StepCoefficients]:
        """Coefficients of the first pool and of the decode pool."""
        pools = self.options.disaggregation
        return self.engine, self.engine if pools is None or pools.decode_engine is None else pools.decode_engine

    @property
    def sizes(self) -> tuple[int, int]:
        """Replicas of the first pool and of the decode pool."""
        pools = self.options.disaggregation
        return self.replicas, 0 if pools is None else pools.decode_replicas

    @property
    def bins_per_intensity(self) -> int:
        """Bins of the power series in a step of the carbon intensity.

        Raises
        ------
        ScenarioError
            If they do not divide it.
        """
        if self.intensity is None:
            return 1
        step_s, bin_s = self.intensity.step_s, self.options.bin_s
        bins = round(step_s / bin_s)
        if bins < 1 or abs(bins * bin_s - step_s) > 1e-9 * step_s:
            raise ScenarioError(
                f"bin_s is {bin_s:g} s and the carbon intensity has steps of {step_s:g} s; use a divisor of that"
            )
        return bins

    @property
    def margin_s(self) -> float:
        """Longest time from an event to what it starts: a step with a full cache, loading, a transfer [s]."""
        longest = 0.0
        for engine in self.engines:
            room = float(int(engine.kv_capacity_tokens))
            tokens = min(float(self.options.token_budget), room)
            sequences = float(self.options.max_sequences)
            longest = max(longest, float(step_values(engine, tokens, sequences, room, tokens * room)[0]))
        for rule in self.options.scaling:
            longest += 0.0 if rule is None else rule.load_s
        if self.options.disaggregation is not None:
            k, pools = self.engine, self.options.disaggregation
            whole_bytes = k.kv_capacity_tokens * k.kv_bytes_per_token * k.gpus / k.stages
            longest += pools.latency_s + whole_bytes / pools.link_bytes_s
        return max(longest, _LEAST_MARGIN_S)

    def _check_schedules(self) -> None:
        for name, rule, count in zip(("", "decode "), self.options.scaling, self.sizes):
            if rule is None:
                continue
            most = max((wanted for _, wanted in rule.schedule), default=rule.least_replicas)
            if most > count:
                raise ScenarioError(
                    f"autoscaling wants {most} {name}replicas, which is more than the {count} {name}replicas there "
                    "are; raise them, or give each pool a rule of its own"
                )

    def _check_budget(self) -> None:
        budget, bin_s = self.options.budget, self.options.bin_s
        if budget is None:
            return
        if budget.carbon_g is not None and self.intensity is None:
            raise ScenarioError("the budget limits carbon, but no carbon intensity is given; pass intensity")
        for name, span_s in (("a day of 86400 s", 86_400.0), (f"its midnight at {budget.midnight_s:g} s", None)):
            bins = (budget.midnight_s if span_s is None else span_s) / bin_s
            if abs(bins - round(bins)) > 1e-9 * max(bins, 1.0):
                raise ScenarioError(f"bin_s is {bin_s:g} s; with a daily budget it must divide {name}")
