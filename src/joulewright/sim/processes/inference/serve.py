"""Replay requests on replicas of an inference engine with continuous batching."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from joulewright.errors import TraceError
from joulewright.physics.inference.deployment import Deployment, coefficients
from joulewright.physics.inference.step import StepCoefficients
from joulewright.sim.processes.inference.arrays import FULL_SLOTS, Requests
from joulewright.sim.processes.inference.names import BlockNames, with_names
from joulewright.sim.processes.inference.options import Intensity, Router, ServingOptions
from joulewright.sim.processes.inference.requests import RequestTrace
from joulewright.sim.processes.inference.result import ServingResult
from joulewright.sim.processes.inference.setup import ServingSetup
from joulewright.sim.processes.inference.world import build_world, with_slots, with_time

_LONGEST_SERIES = 20_000_000
_MOST_DECISIONS = 1e8
_NONE = np.empty(0, dtype=np.int64)
NO_REQUESTS = Requests(np.empty(0), _NONE, _NONE, _NONE, _NONE)


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
        Until when rest must be paid is known of one trace and of a list; with an energy or carbon budget rest until
        midnight is set aside for others.
    engine : Deployment or StepCoefficients
        One replica.
    replicas : int
        Replicas; with disaggregation those of the prefill pool.
    router : {"round-robin", "least-outstanding", "power-aware", "prefix-aware"}
        In turn; fewest requests waiting or running; the first with room, so that the last ones stay idle or off; or, of
        those with room, the one that knows most of the prompt, and the one with the fewest requests if none knows any.
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
    setup = ServingSetup(
        engine=engine, options=chosen, replicas=replicas, router=router, intensity=intensity, span_s=span_s
    )
    recording = isinstance(trace, RequestTrace)
    parts: Iterator[RequestTrace] = iter([trace] if isinstance(trace, RequestTrace) else trace)
    first = next(parts, None)
    if first is None:
        raise TraceError("there are no requests: the traces are empty")
    last = trace if isinstance(trace, RequestTrace) else trace[-1] if isinstance(trace, Sequence) else None
    last_arrival_s = np.inf if last is None else float(last.arrival_s[-1])
    loop = _Loop(setup, first, recording=recording, last_arrival_s=last_arrival_s)
    for part in chain([first], parts):
        loop.feed(part)
    return loop.finish(first if recording else None)


def prepare_kernels() -> None:
    """Compile the loop, or read it from the cache, so that the next run does not wait for it."""
    from joulewright.physics.inference.deployment import deploy

    one = np.ones(1, dtype=np.int64)
    trace = RequestTrace(arrival_s=np.zeros(1), input_tokens=one, output_tokens=one)
    simulate_serving(trace, deploy("Llama-3.1-8B", "H100-SXM"))


class _Loop:
    """Feeds traces to the compiled loop and gives it room."""

    def __init__(self, setup: ServingSetup, first: RequestTrace, *, recording: bool, last_arrival_s: float) -> None:
        self.setup, self.options, self.tenants = setup, setup.options, first.tenants
        self.start_s = self.last_s = float(setup.span_s[0])
        self.offered = 0
        self.names = None if self.options.prefix_cache is None else BlockNames(first)
        self._check_length(max(float(first.arrival_s[-1]), setup.span_s[1] or 0.0))
        self.world = build_world(setup, first, recording=recording, last_arrival_s=last_arrival_s)

    def feed(self, trace: RequestTrace) -> None:
        """Let the requests of a trace arrive."""
        self._check(trace)
        self.world.run["next"] = 0
        self.last_s = float(trace.arrival_s[-1])
        self.world = with_time(self.world, self.last_s)
        starts = _NONE
        if self.names is not None:
            numbers = self.names.number(trace)
            self.world = with_names(self.world, numbers, len(self.names))
            starts = _NONE if trace.block_at is None else trace.block_at
        self._run(Requests(trace.arrival_s, trace.input_tokens, trace.output_tokens, trace.tenant, starts), -np.inf)
        self.offered += len(trace)

    def finish(self, trace: RequestTrace | None) -> ServingResult:
        """Serve what is left and close the books."""
        self._run(NO_REQUESTS, np.inf)
        run = self.world.run[0]
        close_s = max(float(run["last_finish_s"]), self.last_s, self.setup.span_s[1] or 0.0)
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
            self._check_length(2.0 * float(reached))
            self.world = with_time(self.world, 2.0 * float(reached))

    def _check(self, trace: RequestTrace) -> None:
        if trace.tenants != self.tenants:
            raise TraceError(f"a trace has the tenants {trace.tenants}, the first has {self.tenants}; they must agree")
        if trace.arrival_s[0] < self.last_s:
            raise TraceError(
                f"the trace begins at {trace.arrival_s[0]:g} s, before {self.last_s:g} s, where the span or the trace "
                "before it stands; give traces in order and a span that contains them"
            )
        self._check_length(float(trace.arrival_s[-1]))
        total = trace.input_tokens + trace.output_tokens
        self._check_limit(total, self.options.context_tokens, "the context window")
        room = int(self.world.engines["blocks"].min()) * self.options.block_tokens
        self._check_limit(total, room, "the cache of a replica")

    def _check_limit(self, tokens: NDArray[np.int64], limit: int | None, name: str) -> None:
        wrong = np.flatnonzero(tokens > limit) if limit is not None else np.empty(0)
        if wrong.size:
            row = int(wrong[0])
            raise TraceError(
                f"request {self.offered + row} needs {tokens[row]} tokens; {name} holds {limit}: shorten or leave out "
                f"the {wrong.size} such requests, or set a larger context, cache or tensor_parallel"
            )

    def _check_length(self, last_s: float) -> None:
        bin_s, margin_s = self.options.bin_s, self.setup.margin_s
        bins = (last_s + margin_s - self.start_s) / bin_s
        if bins > _LONGEST_SERIES:
            raise TraceError(
                f"the run reaches {last_s:g} s and what then starts {margin_s:g} s more, which is {bins:.3g} bins of "
                f"{bin_s:g} s; at most {_LONGEST_SERIES} are kept: set a longer bin_s, or a span_s that begins nearer "
                "to the first request"
            )
        for rule in self.options.scaling:
            decisions = 0.0 if rule is None else (last_s - self.start_s) / rule.interval_s
            if decisions > _MOST_DECISIONS:
                raise TraceError(
                    f"the run reaches {last_s:g} s, which is {decisions:.3g} decisions of autoscaling; at most "
                    f"{_MOST_DECISIONS:g} are made: set an interval_s of at least "
                    f"{(last_s - self.start_s) / _MOST_DECISIONS:.3g} s"
                )
