"""The serving loop in plain Python: replicas behind a router, without pools, scaling and budgets.

Written to be read and to hold the compiled loop to: a step walks over all its sequences.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

from joulewright.errors import ScenarioError
from joulewright.physics.inference.step import StepCoefficients, step
from joulewright.sim.processes.inference.options import Router, ServingOptions
from joulewright.sim.processes.inference.requests import RequestTrace


@dataclass(eq=False)
class PlainRequest:
    """A request and what became of it; times in s, energy in J."""

    arrival_s: float
    input_tokens: int
    output_tokens: int
    generated: int = 0
    cached: int = 0
    """Tokens of context in the cache."""
    prompt: int = 0
    """Tokens to have there before the next token can come: the prompt, and after preemption the answer so far."""
    preemptions: int = 0
    first_token_s: float = math.nan
    finish_s: float = math.nan
    prefill_j: float = 0.0
    decode_j: float = 0.0


@dataclass(eq=False)
class PlainReplica:
    """One replica: its queue, its sequences in the order of admission, and its books."""

    k: StepCoefficients
    options: ServingOptions
    waiting: deque[PlainRequest] = field(default_factory=deque)
    running: list[PlainRequest] = field(default_factory=list)
    chunks: list[tuple[PlainRequest, int]] = field(default_factory=list)
    now_s: float = 0.0
    end_s: float = math.inf
    idle_s: float = 0.0
    steps: list[list[tuple[int, int]]] = field(default_factory=list)
    """Tokens in the cache before, and scheduled in, each step of each sequence."""

    @property
    def outstanding(self) -> int:
        """Requests that wait or run."""
        return len(self.waiting) + len(self.running)

    def advance(self, until_s: float) -> None:
        """Complete steps that end by a time, and begin those before it."""
        while True:
            if self.chunks:
                if self.end_s > until_s:
                    return
                self._complete()
            if not self.outstanding or self.now_s >= until_s:
                return
            self._begin()

    def _blocks(self, tokens: int) -> int:
        return math.ceil(tokens / self.options.block_tokens)

    def _free_blocks(self) -> int:
        held = sum(self._blocks(max(request.cached, request.prompt)) for request in self.running)
        return int(self.k.kv_capacity_tokens) // self.options.block_tokens - held

    def _begin(self) -> None:
        """Schedule a step and book its energy."""
        preempted = self._find_blocks()
        budget = self.options.token_budget
        decodes = [request for request in self.running if request.cached >= request.prompt]
        self.chunks = [(request, 1) for request in decodes]
        budget -= len(decodes)
        for request in self.running:
            if request.cached < request.prompt:
                budget -= self._chunk(request, budget)
        while self.waiting and not preempted and budget > 0 and len(self.running) < self.options.max_sequences:
            request = self.waiting[0]
            # Blocks that decodes of this step take are gone.
            growing = sum(request.cached % self.options.block_tokens == 0 for request in decodes)
            if self._blocks(request.prompt) > self._free_blocks() - growing:
                break
            self.running.append(self.waiting.popleft())
            hit = int(self.options.prefix_hit_fraction * request.input_tokens)
            hit -= hit % self.options.block_tokens
            request.cached = min(hit, request.prompt - 1)
            budget -= self._chunk(request, budget)
        self._book(len(decodes))

    def _find_blocks(self) -> bool:
        """Preempt from the end of the order of admission until every decode has a block."""
        preempted = False
        while True:
            decodes = [request for request in self.running if request.cached >= request.prompt]
            needed = sum(request.cached % self.options.block_tokens == 0 for request in decodes)
            if needed <= self._free_blocks():
                return preempted
            last = self.running.pop()
            last.prompt, last.cached = last.input_tokens + last.generated, 0
            last.preemptions += 1
            self.waiting.appendleft(last)
            preempted = True

    def _chunk(self, request: PlainRequest, budget: int) -> int:
        tokens = min(request.prompt - request.cached, budget)
        self.chunks.append((request, tokens))
        return tokens

    def _seen(self, context: int) -> float:
        k = self.k
        return k.global_fraction * context + (1.0 - k.global_fraction) * min(context, k.window_tokens)

    def _book(self, decodes: int) -> None:
        k = self.k
        seen = [self._seen(request.cached) for request, _ in self.chunks]
        pairs = [tokens * (context + 0.5 * tokens) for context, (_, tokens) in zip(seen, self.chunks)]
        total = sum(tokens for _, tokens in self.chunks)
        found = step(k, tokens=total, sequences=len(self.running), kv_tokens=sum(seen), attention_pairs=sum(pairs))
        self.end_s = self.now_s + float(found.time_s)
        # Each sequence has caused its reads of the cache and its operations; the rest is shared by tokens.
        parts = k.gpus / k.stages
        read_j = [parts * k.kv_w * k.kv_bytes_per_token * context / k.raw_bytes_per_s for context in seen]
        done = [
            k.flops_per_token * tokens + k.flops_per_token_context * pair
            for pair, (_, tokens) in zip(pairs, self.chunks)
        ]
        done_j = [parts * k.compute_w * flops / k.raw_flops_per_s for flops in done]
        plain_s = parts * sum(done) / (k.gpus * k.raw_flops_per_s * float(found.compute_utilization))
        raw_j = float(found.raw_power_w) * plain_s * k.gpus
        ratio = float(found.energy_j) / raw_j
        shared_j = (raw_j - sum(read_j) - sum(done_j)) / total
        for number, (request, tokens) in enumerate(self.chunks):
            used_j = ratio * (tokens * shared_j + read_j[number] + done_j[number])
            if number < decodes:
                request.decode_j += used_j
            else:
                request.prefill_j += used_j
        self.steps.append([(request.cached, tokens) for request, tokens in self.chunks])

    def _complete(self) -> None:
        self.now_s = self.end_s
        for request, tokens in self.chunks:
            request.cached += tokens
            if request.cached < request.prompt:
                continue
            request.generated += 1
            if request.generated == 1:
                request.first_token_s = self.now_s
            if request.generated == request.output_tokens:
                request.finish_s = self.now_s
                self.running.remove(request)
        self.chunks = []


def serve_plainly(
    trace: RequestTrace,
    k: StepCoefficients,
    *,
    replicas: int = 1,
    router: Router = "round-robin",
    options: ServingOptions | None = None,
) -> tuple[list[PlainRequest], list[PlainReplica]]:
    """Serve every request as :func:`~joulewright.sim.processes.inference.serve.simulate_serving` does.

    Returns
    -------
    requests, replicas : list of PlainRequest, list of PlainReplica
        After the end.

    Raises
    ------
    ScenarioError
        If the options ask for more than this loop does.
    """
    options = options or ServingOptions()
    if options.disaggregation or options.autoscaling or options.budget or options.prefix_cache:
        raise ScenarioError("the plain loop has no pools, scaling, budgets and block hashes; leave them out")
    fleet = [PlainReplica(k, options) for _ in range(replicas)]
    columns = (trace.arrival_s.tolist(), trace.input_tokens.tolist(), trace.output_tokens.tolist())
    requests = [PlainRequest(*row) for row in zip(*columns)]
    for number, request in enumerate(requests):
        for replica in fleet:
            replica.advance(request.arrival_s)
        request.prompt = request.input_tokens
        chosen = _route(fleet, number, router, options)
        if not chosen.outstanding and not chosen.chunks:
            chosen.idle_s += max(request.arrival_s - chosen.now_s, 0.0)
            chosen.now_s = request.arrival_s
        chosen.waiting.append(request)
    for replica in fleet:
        replica.advance(math.inf)
    return requests, fleet


def _route(fleet: list[PlainReplica], number: int, router: Router, options: ServingOptions) -> PlainReplica:
    if router == "round-robin":
        return fleet[number % len(fleet)]
    fill = options.fill_sequences or options.max_sequences
    if router == "power-aware":
        for replica in fleet:
            if replica.outstanding < fill:
                return replica
    return min(fleet, key=lambda replica: replica.outstanding)
