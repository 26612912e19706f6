"""A replica of the plain serving loop: a step walks over all its sequences."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from joulewright.physics.inference.step import StepCoefficients, step
from joulewright.sim.processes.inference.options import ServingOptions
from joulewright.sim.processes.inference.plain_cache import PlainCache

State = Literal["off", "loading", "on", "draining"]


@dataclass(eq=False)
class PlainRequest:
    """A request and what became of it; times in s, energy in J."""

    arrival_s: float
    input_tokens: int
    output_tokens: int
    names: list[int] = field(default_factory=list)
    """Blocks of its prompt."""
    held: list[int] = field(default_factory=list)
    """Those that it holds in the cache of its replica."""
    generated: int = 0
    cached: int = 0
    """Tokens of context in the cache."""
    prompt: int = 0
    """Tokens to have there before the next token can come: the prompt, and after preemption the answer so far."""
    found: int = 0
    """Tokens of the prompt that came from a prefix cache at its first admission."""
    transferred: bool = False
    """Whether the cache of its prompt has come over the link and takes no computing."""
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
    cache: PlainCache = field(default_factory=PlainCache)
    name_tokens: int = 512
    send: Callable[[PlainRequest, float], None] | None = None
    """Takes requests with their first token to a decode pool."""
    waiting: deque[PlainRequest] = field(default_factory=deque)
    running: list[PlainRequest] = field(default_factory=list)
    chunks: list[tuple[PlainRequest, int]] = field(default_factory=list)
    now_s: float = 0.0
    end_s: float = math.inf
    state: State = "on"
    ready_s: float = 0.0
    spent_s: dict[str, float] = field(default_factory=lambda: {"idle": 0.0, "loading": 0.0, "off": 0.0})
    """Time without work by kind."""
    steps: list[list[tuple[int, int]]] = field(default_factory=list)
    """Tokens in the cache before, and scheduled in, each step of each sequence."""

    @property
    def outstanding(self) -> int:
        """Requests that wait or run."""
        return len(self.waiting) + len(self.running)

    @property
    def paged(self) -> bool:
        """Whether blocks of prompts stay where sequences leave room."""
        return self.options.prefix_cache is not None and self.options.prefix_cache.blocks == "free"

    def known(self, request: PlainRequest) -> int:
        """Blocks at the beginning of a prompt that are in the prefix cache."""
        return self.cache.hits(self._names(request))

    def rest(self, until_s: float) -> None:
        """Pass time without work."""
        ready_s = min(max(self.now_s, self.ready_s), until_s)
        if until_s <= self.now_s:
            return
        if self.state == "off":
            self.spent_s["off"] += until_s - self.now_s
        else:
            self.spent_s["loading"] += ready_s - self.now_s
            self.spent_s["idle"] += until_s - ready_s
        self.now_s = until_s

    def switch_off(self) -> None:
        """Go off, without work; blocks of prompts are lost unless they lie elsewhere."""
        self.state = "off"
        if self.options.prefix_cache is None or not self.options.prefix_cache.common:
            self.cache.trim(0)

    def advance(self, until_s: float) -> None:
        """Complete steps that end by a time, and begin those before it."""
        if self.state == "loading":
            if self.ready_s > until_s:
                return
            self.state = "on"
            if self.waiting:
                self.rest(self.ready_s)
        while True:
            if self.chunks:
                if self.end_s > until_s:
                    return
                self._complete()
            if not self.outstanding and self.state == "draining":
                self.switch_off()
            if not self.outstanding or self.now_s >= until_s:
                return
            self._begin()

    def _blocks(self, tokens: int) -> int:
        return math.ceil(tokens / self.options.block_tokens)

    def _free_blocks(self) -> int:
        held = sum(self._blocks(max(request.cached, request.prompt)) for request in self.running)
        per_name = self.name_tokens // self.options.block_tokens
        return int(self.k.kv_capacity_tokens) // self.options.block_tokens - held + self.cache.repeated() * per_name

    def _trim(self, growing: int = 0) -> None:
        if self.paged:
            self.cache.trim((self._free_blocks() - growing) // (self.name_tokens // self.options.block_tokens))

    def _names(self, request: PlainRequest) -> list[int]:
        """Blocks of a prompt that this replica can have: with pages only full ones."""
        return request.names[: request.input_tokens // self.name_tokens] if self.paged else request.names

    def _begin(self) -> None:
        """Schedule a step and book its energy."""
        preempted = self._find_blocks()
        budget = self.options.token_budget
        decodes = [request for request in self.running if request.cached >= request.prompt]
        self.chunks = [(request, 1) for request in decodes]
        budget -= len(decodes)
        # Blocks that decodes of this step take are gone.
        growing = self._growing(decodes)
        self._trim(growing)
        for request in self.running:
            if request.cached < request.prompt:
                budget -= self._chunk(request, budget)
        while self.waiting and not preempted and budget > 0 and len(self.running) < self.options.max_sequences:
            request = self.waiting[0]
            if not self._fits(request, growing):
                break
            self.running.append(self.waiting.popleft())
            if request.transferred:
                request.transferred, request.cached = False, request.prompt
                self.chunks.insert(len(decodes), (request, 1))
                decodes.append(request)
                growing = self._growing(decodes)
                budget -= 1
            else:
                request.cached = self._found(request)
                if request.preemptions == 0:
                    request.found = request.cached
                budget -= self._chunk(request, budget)
            self._trim(growing)
        self._book(len(decodes))

    def _growing(self, decodes: list[PlainRequest]) -> int:
        return sum(request.cached % self.options.block_tokens == 0 for request in decodes)

    def _fits(self, request: PlainRequest, growing: int) -> bool:
        needed = self._blocks(request.prompt + request.transferred)
        if self.paged and not request.transferred:
            shared = sum(name in self.cache.held for name in self._names(request))
            needed -= shared * (self.name_tokens // self.options.block_tokens)
        return needed <= self._free_blocks() - growing

    def _found(self, request: PlainRequest) -> int:
        """Tokens of a prompt that are known; its blocks are from now on."""
        options, names = self.options, self._names(request)
        found = int(options.prefix_hit_fraction * request.input_tokens)
        found -= found % options.block_tokens
        if options.prefix_cache is not None and names:
            found = self.known(request) * self.name_tokens
            if self.paged:
                request.held = names
                self.cache.hold(names)
            else:
                most = options.prefix_cache.blocks
                self.cache.touch(names, most if isinstance(most, int) else math.inf)
        return min(found, request.prompt - 1)

    def _leave(self, request: PlainRequest) -> None:
        self.running.remove(request)
        self.cache.release(request.held)
        request.held = []

    def _find_blocks(self) -> bool:
        """Preempt from the end of the order of admission until every decode has a block."""
        preempted = False
        while True:
            decodes = [request for request in self.running if request.cached >= request.prompt]
            if self._growing(decodes) <= self._free_blocks():
                return preempted
            last = self.running[-1]
            self._leave(last)
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
                self._leave(request)
            elif self.send is not None:
                self._leave(request)
                self.send(request, self.now_s)
        self.chunks = []
