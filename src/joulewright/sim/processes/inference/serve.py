"""Replay requests on replicas of an inference engine with continuous batching."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from joulewright.errors import ScenarioError, TraceError
from joulewright.physics.inference.deployment import Deployment, coefficients
from joulewright.physics.inference.step import StepCoefficients
from joulewright.sim.processes.inference.arrays import FULL_SLOTS, Requests, World
from joulewright.sim.processes.inference.options import ROUTERS, Intensity, Router, ServingOptions
from joulewright.sim.processes.inference.requests import RequestTrace
from joulewright.sim.processes.inference.result import ServingResult
from joulewright.sim.processes.inference.world import build_world, with_slots, with_time

_LONGEST_SERIES = 20_000_000
_NONE = np.empty(0, dtype=np.int64)
NO_REQUESTS = Requests(np.empty(0), _NONE, _NONE, _NONE)


def simulate_serving(
    trace: RequestTrace | Iterable[RequestTrace],
    engine: Deployment | StepCoefficients,
    *,
    replicas: int = 1,
    router: Router = "round-robin",
    options: ServingOptions | None = None,
    intensity: Intensity | None = None,
    span_s: tuple[float, float | None] = (0.0, None),
) -> ServingResult:
    """Serve every request; a pure function of its arguments.

    Parameters
    ----------
    trace : RequestTrace or iterable of RequestTrace
        One trace gives a row per request. Several, one after the other on one clock and with the same tenants, are
        taken one at a time: memory then holds one of them and what is in flight, and figures are sums and quantiles.
        An answer in a later trace may be at most as long as ``options.context_tokens``, or else as the longest in the
        first.
    engine : Deployment or StepCoefficients
        One replica.
    replicas : int
        Replicas; with disaggregation those of the prefill pool.
    router : {"round-robin", "least-outstanding", "power-aware"}
        In turn; fewest requests waiting or running; or the first with room, so that the last ones stay idle or off.
    options : ServingOptions or None
        Limits of the engine, caches, pools, scaling, budgets.
    intensity : Intensity or None
        Carbon intensity from 0 s on.
    span_s : tuple of (float, float or None)
        Time over which replicas are billed [s]; None as the end stands for the end of the last request, which a later
        end extends.

    Returns
    -------
    ServingResult
        Times, energy and what was refused.

    Raises
    ------
    ScenarioError
        If an option does not fit the engine.
    TraceError
        If a request is longer than the context or the cache, or a trace begins before its predecessor ends.

    Notes
    -----
    A step: every sequence past its prompt gets a token; a prompt begun earlier gets what remains of the token budget;
    waiting requests are admitted first come, first served, while budget, sequences and blocks for their prompt are
    left. If a decode needs a block and none is free, the sequence admitted last loses its cache, goes to the head of
    the queue and computes prompt and answer so far again; nothing is admitted in such a step. The time of the step is
    that of :func:`joulewright.physics.inference.step.step`. Its energy is split by what each sequence caused: bytes of
    its cache and operations are its own, weights and the power without traffic are shared by tokens.

    References
    ----------
    Kwon et al. (2023), Efficient Memory Management for Large Language Model Serving with PagedAttention, SOSP,
    doi:10.1145/3600006.3613165; Agrawal et al. (2024), Taming Throughput-Latency Tradeoff in LLM Inference with
    Sarathi-Serve, OSDI (chunked prefill); Patel et al. (2024), Splitwise, ISCA (separate pools).

    Examples
    --------
    >>> from joulewright.physics.inference.deployment import deploy
    >>> trace = RequestTrace(arrival_s=[0.0, 0.0], input_tokens=[100, 3000], output_tokens=[3, 2])
    >>> run = simulate_serving(trace, deploy("Llama-3.1-8B", "RTX-PRO-6000"))
    >>> run.steps, round(run.makespan_s, 4)
    (3, 0.1774)
    """
    chosen = options or ServingOptions()
    if isinstance(engine, Deployment):
        if chosen.context_tokens is None:
            chosen = replace(chosen, context_tokens=engine.model.context_tokens)
        engine = coefficients(engine)
    _check(replicas, router, chosen, intensity, span_s)
    recording = isinstance(trace, RequestTrace)
    parts: Iterator[RequestTrace] = iter([trace] if isinstance(trace, RequestTrace) else trace)
    first = next(parts, None)
    if first is None:
        raise TraceError("there are no requests: the traces are empty")
    _check_length(span_s[0], max(float(first.arrival_s[-1]), span_s[1] or 0.0), chosen.bin_s)
    longest = first.output_tokens.max() if recording else max(first.output_tokens.max(), chosen.context_tokens or 0)
    world = build_world(
        first,
        engine,
        chosen,
        replicas=replicas,
        router=router,
        intensity=intensity,
        span_s=span_s,
        recording=recording,
        longest_output=int(longest),
    )
    loop = _Loop(world, chosen, first.tenants, start_s=span_s[0])
    for part in chain([first], parts):
        loop.feed(part)
    return loop.finish(first if recording else None, end_s=span_s[1])


def prepare_kernels() -> None:
    """Compile the loop, or read it from the cache, so that the next run does not wait for it."""
    from joulewright.physics.inference.deployment import deploy

    one = np.ones(1, dtype=np.int64)
    trace = RequestTrace(arrival_s=np.zeros(1), input_tokens=one, output_tokens=one)
    simulate_serving(trace, deploy("Llama-3.1-8B", "H100-SXM"))


class _Loop:
    """Feeds traces to the compiled loop and gives it room."""

    def __init__(self, world: World, options: ServingOptions, tenants: tuple[str, ...], *, start_s: float) -> None:
        self.world, self.options, self.tenants = world, options, tenants
        self.start_s = self.last_s = float(start_s)
        self.offered = 0

    def feed(self, trace: RequestTrace) -> None:
        """Let the requests of a trace arrive."""
        self._check(trace)
        self.world.run["next"] = 0
        self.last_s = float(trace.arrival_s[-1])
        self.world = with_time(self.world, self.last_s)
        self._run(Requests(trace.arrival_s, trace.input_tokens, trace.output_tokens, trace.tenant), -np.inf)
        self.offered += len(trace)

    def finish(self, trace: RequestTrace | None, *, end_s: float | None) -> ServingResult:
        """Serve what is left and close the books."""
        self._run(NO_REQUESTS, np.inf)
        run, idle_since = self.world.run[0], self.world.replicas["now_s"]
        close_s = max(float(run["last_finish_s"]), float(idle_since.max()), self.last_s, end_s or 0.0)
        self.world = with_time(self.world, close_s)
        self._run(NO_REQUESTS, close_s)
        self._run(NO_REQUESTS, close_s, closing=True)
        if run["short"]:
            steps = self.world.intensity.size
            raise TraceError(
                f"the run ends at {close_s:g} s, but the carbon intensity has only {steps} steps; give a longer one"
            )
        return ServingResult(
            world=self.world,
            options=self.options,
            tenants=self.tenants,
            trace=trace,
            start_s=self.start_s,
            end_s=close_s,
            offered=self.offered,
        )

    def _run(self, requests: Requests, end_s: float, *, closing: bool = False) -> None:
        from joulewright.sim.processes.inference.compiled.loop import serve_kernel

        while True:
            serve_kernel(self.world, requests, end_s, closing)
            if self.world.run["status"][0] == 0:
                return
            self._make_room()

    def _make_room(self) -> None:
        run = self.world.run[0]
        if run["status"] == FULL_SLOTS:
            self.world = with_slots(self.world, self.world.slots.size)
        else:
            reached = run["start_s"] + self.world.series.shape[0] * run["bin_s"]
            _check_length(self.start_s, 2.0 * float(reached), self.options.bin_s)
            self.world = with_time(self.world, 2.0 * float(reached))

    def _check(self, trace: RequestTrace) -> None:
        if trace.tenants != self.tenants:
            raise TraceError(f"a trace has the tenants {trace.tenants}, the first has {self.tenants}; they must agree")
        if trace.arrival_s[0] < self.last_s:
            raise TraceError(
                f"the trace begins at {trace.arrival_s[0]:g} s, before {self.last_s:g} s, where the span or the trace "
                "before it stands; give traces in order and a span that contains them"
            )
        _check_length(self.start_s, float(trace.arrival_s[-1]), self.options.bin_s)
        total = trace.input_tokens + trace.output_tokens
        self._check_limit(total, self.options.context_tokens, "the context window")
        room = int(self.world.engines["blocks"].min()) * self.options.block_tokens
        self._check_limit(total, room, "the cache of a replica")
        self._check_limit(trace.output_tokens, int(self.world.run["wheel_mask"][0]) - 1, "the longest answer expected")

    def _check_limit(self, tokens: NDArray[np.int64], limit: int | None, name: str) -> None:
        wrong = np.flatnonzero(tokens > limit) if limit is not None else np.empty(0)
        if wrong.size:
            row = int(wrong[0])
            raise TraceError(
                f"request {self.offered + row} needs {tokens[row]} tokens; {name} holds {limit}: shorten or leave out "
                f"the {wrong.size} such requests, or set a larger context, cache or tensor_parallel"
            )


def _check(
    replicas: int, router: str, options: ServingOptions, intensity: Intensity | None, span_s: tuple[float, float | None]
) -> None:
    start_s, end_s = span_s
    if not (0.0 <= start_s < np.inf) or not (end_s is None or start_s <= end_s < np.inf):
        raise ScenarioError(f"span_s is {span_s} s; it must begin at 0 or later and not end before that")
    if isinstance(replicas, bool) or not isinstance(replicas, (int, np.integer)) or not 1 <= replicas <= 100_000:
        raise ScenarioError(f"replicas is {replicas!r}; allowed is a whole number from 1 to 100000")
    if router not in ROUTERS:
        raise ScenarioError(f"there is no router {router!r}; use {', '.join(ROUTERS)}")
    if options.budget is None:
        return
    if options.budget.carbon_g is not None and intensity is None:
        raise ScenarioError("the budget limits carbon, but no carbon intensity is given; pass intensity")
    per_day = 86_400.0 / options.bin_s
    if abs(per_day - round(per_day)) > 1e-9 * per_day:
        raise ScenarioError(f"bin_s is {options.bin_s:g} s; with a daily budget it must divide a day of 86400 s")


def _check_length(start_s: float, last_s: float, bin_s: float) -> None:
    bins = (last_s - start_s) / bin_s
    if bins > _LONGEST_SERIES:
        raise TraceError(
            f"the run reaches {last_s:g} s, which is {bins:.3g} bins of {bin_s:g} s; at most {_LONGEST_SERIES} are "
            "kept: set a longer bin_s, or a span_s that begins nearer to the first request"
        )
