"""The serving loop in plain Python, without budgets and carbon.

Written to be read and to hold the compiled loop to.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field
from itertools import pairwise

from joulewright.errors import ScenarioError
from joulewright.physics.inference.step import StepCoefficients
from joulewright.sim.processes.inference.options import Autoscaling, Router, ServingOptions
from joulewright.sim.processes.inference.plain_cache import PlainCache
from joulewright.sim.processes.inference.plain_replica import PlainReplica, PlainRequest, State
from joulewright.sim.processes.inference.requests import RequestTrace
from joulewright.sim.processes.inference.setup import ServingSetup


@dataclass(eq=False)
class PlainPool:
    """Replicas that are scaled together."""

    replicas: list[PlainReplica]
    rule: Autoscaling | None
    tick_s: float = 0.0
    calm_s: float = 0.0
    rate: float = 0.0
    counted: int = 0
    """Arrivals up to the decision before."""

    def __post_init__(self) -> None:
        if self.rule is None:
            self.tick_s = math.inf
            return
        awake = self.rule.schedule[0][1] if self.rule.schedule else self.rule.least_replicas
        for replica in self.replicas[awake:]:
            replica.state = "off"

    def advance(self, until_s: float) -> None:
        """Bring all replicas to a time."""
        for replica in self.replicas:
            replica.advance(until_s)

    def quietest(self, time_s: float) -> PlainReplica:
        """The one with the fewest requests of those that are on, or else loading; if there is none, one is woken."""
        states: tuple[State, ...] = ("on", "loading", "draining", "off")
        for state in states:
            found = [replica for replica in self.replicas if replica.state == state]
            if found:
                break
        chosen = self.replicas[0] if state == "off" else min(found, key=lambda replica: replica.outstanding)
        self._wake(chosen, time_s)
        return chosen

    def control(self, time_s: float, *, coming: int, arrived: int) -> None:
        """Switch replicas on, or off after a calm time."""
        rule = self.rule
        if rule is None:
            return
        self.tick_s += rule.interval_s
        load = float(coming + sum(replica.outstanding for replica in self.replicas))
        if rule.rate_per_replica_s is not None:
            weight = -math.expm1(-rule.interval_s / rule.rate_window_s)
            self.rate += weight * ((arrived - self.counted) / rule.interval_s - self.rate)
            self.counted, load = arrived, self.rate
        per_replica = rule.requests_per_replica or rule.rate_per_replica_s or 1.0
        wanted = max(math.ceil(load / per_replica), rule.least_replicas)
        for number, (begin_s, count) in enumerate(rule.schedule):
            if number == 0 or begin_s <= time_s:
                wanted = count
        self._switch(min(wanted, len(self.replicas)), time_s, hold_s=0.0 if rule.schedule else rule.hold_s)

    def _switch(self, wanted: int, time_s: float, *, hold_s: float) -> None:
        on = sum(replica.state in ("on", "loading") for replica in self.replicas)
        if wanted >= on:
            self.calm_s = time_s
        asleep = [replica for state in ("draining", "off") for replica in self.replicas if replica.state == state]
        for replica in asleep[: max(wanted - on, 0)]:
            self._wake(replica, time_s)
        if time_s - self.calm_s < hold_s:
            return
        awake = [replica for replica in reversed(self.replicas) if replica.state == "on"]
        for replica in awake[: max(on - wanted, 0)]:
            replica.state = "draining"
            if not replica.outstanding:
                replica.rest(time_s)
                replica.switch_off()

    def _wake(self, replica: PlainReplica, time_s: float) -> None:
        if replica.state == "draining":
            replica.state = "on"
        if replica.state == "off":
            replica.rest(time_s)
            replica.state, replica.ready_s = "loading", time_s + (self.rule.load_s if self.rule else 0.0)


@dataclass(eq=False)
class PlainFleet:
    """The pools, the router and what is on its way between pools."""

    setup: ServingSetup
    pools: tuple[PlainPool, PlainPool]
    turn: int = 0
    arrived: int = 0
    sent: int = 0
    ways: list[tuple[float, int, PlainRequest]] = field(default_factory=list)
    """Transfers as a heap by time and order."""

    @property
    def replicas(self) -> list[PlainReplica]:
        """Those of the first pool, then those of the decode pool."""
        return [replica for pool in self.pools for replica in pool.replicas]

    @property
    def busy(self) -> bool:
        """Whether any request is in flight."""
        return bool(self.ways) or any(replica.outstanding for replica in self.replicas)

    def send(self, request: PlainRequest, time_s: float) -> None:
        """Send the cache of a prompt to the decode pool."""
        k, way = self.setup.engine, self.setup.options.disaggregation
        if way is not None:
            sent_bytes = request.prompt * k.kv_bytes_per_token * k.gpus / k.stages
            seconds = way.latency_s + sent_bytes / way.link_bytes_s
            heapq.heappush(self.ways, (time_s + seconds, self.sent, request))
            self.sent += 1

    def reach(self, time_s: float) -> None:
        """Bring everything to a time, with decisions on the way; after the last request there is none."""
        while self.busy or time_s < math.inf:
            number = 1 if self.pools[1].tick_s < self.pools[0].tick_s else 0
            pool = self.pools[number]
            tick_s = pool.tick_s
            if tick_s == math.inf or tick_s > time_s:
                break
            self._flow(tick_s)
            if self.busy or time_s < math.inf:
                coming = len(self.ways) if number else 0
                arrived = self.sent - len(self.ways) if number else self.arrived
                pool.control(tick_s, coming=coming, arrived=arrived)
        self._flow(time_s)

    def enqueue(self, request: PlainRequest, replica: PlainReplica, time_s: float) -> None:
        """Let a request wait at a replica."""
        if not replica.outstanding and not replica.chunks and replica.state != "loading":
            replica.rest(time_s)
        replica.waiting.append(request)

    def route(self, request: PlainRequest) -> PlainReplica:
        """Replica of the first pool for a request that arrives."""
        fleet, options = self.pools[0].replicas, self.setup.options
        fill = options.fill_sequences or options.max_sequences
        open_ = [replica for replica in fleet if replica.state == "on" and replica.outstanding < fill]
        if self.setup.router == "round-robin":
            for offset in range(len(fleet)):
                number = (self.turn + offset) % len(fleet)
                if fleet[number].state == "on":
                    self.turn = number + 1
                    return fleet[number]
        elif self.setup.router == "power-aware" and open_:
            return open_[0]
        elif self.setup.router == "prefix-aware" and open_:
            best = max(open_, key=lambda replica: (replica.known(request), -replica.outstanding))
            if best.known(request):
                return best
        return self.pools[0].quietest(request.arrival_s)

    def _flow(self, time_s: float) -> None:
        prompts, answers = self.pools
        prompts.advance(time_s)
        while self.ways and self.ways[0][0] <= time_s:
            soon_s, _, request = heapq.heappop(self.ways)
            answers.advance(soon_s)
            request.transferred = True
            self.enqueue(request, answers.quietest(soon_s), soon_s)
        answers.advance(time_s)


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
    if options.budget or options.waiting_limit:
        raise ScenarioError("the plain loop has no budgets and no limit of waiting requests; leave them out")
    setup = ServingSetup(
        engine=k, options=options, replicas=replicas, router=router, intensity=None, span_s=(0.0, None)
    )
    fleet = _fleet(setup, trace.block_tokens)
    requests = _requests(trace)
    for request in requests:
        fleet.reach(request.arrival_s)
        fleet.enqueue(request, fleet.route(request), request.arrival_s)
        fleet.arrived += 1
    fleet.reach(math.inf)
    end_s = max(request.finish_s for request in requests)
    fleet.reach(end_s)
    for replica in fleet.replicas:
        replica.rest(end_s)
    return requests, fleet.replicas


def _fleet(setup: ServingSetup, name_tokens: int) -> PlainFleet:
    options, store = setup.options, PlainCache()
    common = options.prefix_cache is not None and options.prefix_cache.common
    pools = tuple(
        PlainPool(
            [
                PlainReplica(engine, options, cache=store if common else PlainCache(), name_tokens=name_tokens)
                for _ in range(size)
            ],
            rule,
        )
        for engine, size, rule in zip(setup.engines, setup.sizes, options.scaling)
    )
    fleet = PlainFleet(setup, (pools[0], pools[1]))
    if options.disaggregation is not None:
        for replica in pools[0].replicas:
            replica.send = fleet.send
    return fleet


def _requests(trace: RequestTrace) -> list[PlainRequest]:
    names: list[list[int]] = [[]] * len(trace)
    if trace.block_hashes is not None and trace.block_at is not None:
        hashes = trace.block_hashes.tolist()
        names = [hashes[begin:end] for begin, end in pairwise(trace.block_at.tolist())]
    columns = (trace.arrival_s.tolist(), trace.input_tokens.tolist(), trace.output_tokens.tolist(), names)
    return [
        PlainRequest(arrival_s=arrival, input_tokens=inputs, output_tokens=outputs, names=blocks, prompt=inputs)
        for arrival, inputs, outputs, blocks in zip(*columns)
    ]
