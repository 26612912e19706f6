"""The order of things within a step ``[t, t + step)``.

1. Events that begin or end at ``t`` take effect; jobs end, checkpoints arrive and jobs are released at ``t``.
2. Signals are observed, through telemetry that may have gaps, and a forecast is issued.
3. The policy decides on work: actions on jobs are carried out in their order, then demand is routed over the
   accelerators that are left.
4. Jobs go from event to event through the step. A policy with ``between_ticks`` is asked again for actions on jobs
   whenever one arrives, ends, fails or gets its checkpoint; routes stay.
5. The mean load of the step follows.
6. The policy decides on power, knowing the load. Physics clips what cannot be; the grid closes the balance.
7. Batteries, generators, metered peaks and carbon take their new state.
8. The step is recorded.

Shed load is counted, but does not slow down the jobs: a policy that wants them to stop pauses them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from joulewright.errors import JoulewrightError, PolicyError
from joulewright.model import Scenario
from joulewright.policy.base import AbstractPolicy
from joulewright.policy.decision import PowerDecision, SitePower, WorkDecision
from joulewright.policy.observation import JobObservation, Observation
from joulewright.sim.journal import Journal
from joulewright.sim.kernel import Kernel
from joulewright.sim.observe import Glance, Observer, demand_rows
from joulewright.sim.processes.job_state import Place
from joulewright.sim.processes.jobs import JobProcess, OnChange
from joulewright.sim.rows import Layout, Notebook
from joulewright.sim.serving import Serving
from joulewright.sim.site_run import FleetWork, Load, SiteRun

Decision = TypeVar("Decision", WorkDecision, PowerDecision)
_AT_REST = SitePower()


class World:
    """Everything that has a state: jobs, services and sites.

    Parameters
    ----------
    truth : Scenario
        The facts as they turn out.
    policy : str
        Specification of the policy, for messages.
    hold_to_boundary : bool
        Whether accelerators stay held to the end of a job's last step, as in a plan.
    on_change : callable or None
        Called with the time [h] when jobs change within a step.
    """

    def __init__(self, truth: Scenario, *, policy: str, hold_to_boundary: bool, on_change: OnChange | None) -> None:
        self.truth = truth
        self.kernel = Kernel()
        self.jobs = JobProcess(
            truth, self.kernel, policy=policy, hold_to_boundary=hold_to_boundary, on_change=on_change
        )
        self.journal = Journal(truth.timeline.step_h)
        self.serving = Serving(truth)
        self.sites = tuple(SiteRun(truth, position, self.journal) for position in range(len(truth.sites)))
        self.places = tuple((site.name, fleet) for site, fleet in truth.fleets())
        self.layout = Layout(truth, self.serving.lanes, self.serving.demands)
        self._available = [float(fleet.available[0]) for _, fleet in self.places]
        self._demand = demand_rows(truth)

    def begin(self, step: int) -> None:
        """Let everything take effect that begins or ends with a step."""
        time_h = step * self.truth.timeline.step_h
        self.journal.step = step
        for site in self.sites:
            site.look(step)
        now = [count for site in self.sites for count in site.present.available_accelerators.values()]
        for (site_name, fleet), before, count in zip(self.places, self._available, now, strict=True):
            if count != before:
                self.jobs.set_available(site_name, fleet.name, count, time_h)
        self._available = now
        self.kernel.run(max(time_h, self.kernel.now), inclusive=True)
        for site_name, fleet in self.places:
            self.jobs.reserve(site_name, fleet.name, 0.0)

    def serve(self, decision: WorkDecision, step: int) -> None:
        """Route demand over the accelerators that do not train."""
        self.serving.serve(decision.routes_token_s, self._demand.at(step), self.free(), self.journal)
        for (site_name, fleet), busy in zip(self.places, self.serving.accelerators(), strict=True):
            self.jobs.reserve(site_name, fleet.name, busy)

    def free(self) -> list[float]:
        """Accelerators that neither train nor are reserved, by fleet in file order."""
        return [self.jobs.free(site_name, fleet.name) for site_name, fleet in self.places]

    def loads_now(self, jobs: dict[str, JobObservation]) -> list[Load]:
        """Load of every site with the work that runs now."""
        training = {(site_name, fleet.name): 0.0 for site_name, fleet in self.places}
        fleets = {(site_name, fleet.name): fleet for site_name, fleet in self.places}
        for entry in jobs.values():
            if entry.status == "running" and entry.site is not None and entry.fleet is not None:
                key = (entry.site, entry.fleet)
                training[key] += entry.accelerators * entry.job.power_on(fleets[key])
        held = {key: (self.jobs.held(*key), power_mw) for key, power_mw in training.items()}
        return self._loads(held)

    def mean_loads(self) -> list[Load]:
        """Mean load of every site in the step that ends now."""
        return self._loads(self.jobs.take_interval())

    def _loads(self, training: Mapping[Place, tuple[float, float]]) -> list[Load]:
        work = iter(
            FleetWork(
                training=training[site_name, fleet.name][0],
                serving=busy,
                training_mw=training[site_name, fleet.name][1],
                serving_mw=power_mw,
            )
            for (site_name, fleet), busy, power_mw in zip(
                self.places, self.serving.accelerators(), self.serving.power_mw(), strict=True
            )
        )
        return [site.load([next(work) for _ in site.site.fleets]) for site in self.sites]


@dataclass(kw_only=True, slots=True)
class Player:
    """A policy with its state."""

    policy: AbstractPolicy
    state: Any


class Ticker:
    """Takes a policy through the steps of a scenario.

    Parameters
    ----------
    truth : Scenario
        The facts as they turn out.
    player : Player
        The policy.
    observer : Observer
        What it sees.
    notebook : Notebook or None
        Where steps are recorded.

    Attributes
    ----------
    world : World
        What has a state.
    """

    _glance: Glance

    def __init__(self, truth: Scenario, player: Player, observer: Observer, notebook: Notebook | None) -> None:
        self._player, self._observer, self._notebook = player, observer, notebook
        self._timeline = truth.timeline
        asks = player.policy.between_ticks
        self.world = World(
            truth,
            policy=player.policy.specification,
            hold_to_boundary=not asks,
            on_change=self._between if asks else None,
        )

    def run(self, step: int) -> int:
        """Run one step; the number of steps that wait in the notebook."""
        world, step_h = self.world, self._timeline.step_h
        # 1. Events.
        world.begin(step)
        # 2. Signals and forecast.
        glance = self._glance = self._observer.look(step, [site.present for site in world.sites])
        # 3. Work.
        observation = self._look_around(glance, self._timeline.at(step), step * step_h)
        work = self._ask(self._player.policy.work, observation, WorkDecision)
        world.jobs.apply(work.actions, step * step_h)
        self._checked(observation.time, world.serve, work, step)
        # 4. Jobs.
        world.kernel.run((step + 1) * step_h)
        # 5. Load.
        loads = world.mean_loads()
        # 6. and 7. Power, and new states.
        observation = self._observation(glance, observation.time, loads, dict(observation.jobs))
        power = self._ask(self._player.policy.power, observation, PowerDecision)
        flows = self._checked(observation.time, self._settle, power, loads)
        # 8. Record.
        if self._notebook is None:
            return 0
        rows = [site.row(load, flow) for site, load, flow in zip(world.sites, loads, flows, strict=True)]
        return self._notebook.add(rows, [*world.serving.served_token_s, *world.serving.unserved_token_s])

    def _between(self, time_h: float) -> None:
        """Ask for actions on jobs within a step."""
        time = self._timeline.start + timedelta(hours=time_h)
        observation = self._look_around(self._glance, time, time_h)
        work = self._ask(self._player.policy.work, observation, WorkDecision)
        self.world.jobs.apply(work.actions, time_h)

    def _look_around(self, glance: Glance, time: datetime, time_h: float) -> Observation:
        jobs = self.world.jobs.observe(time_h)
        return self._observation(glance, time, self.world.loads_now(jobs), jobs)

    def _observation(
        self, glance: Glance, time: datetime, loads: Sequence[Load], jobs: dict[str, JobObservation]
    ) -> Observation:
        world, free = self.world, iter(self.world.free())
        views = [
            site.view(load, [next(free) for _ in site.site.fleets])
            for site, load in zip(world.sites, loads, strict=True)
        ]
        carbon = {site.site.name: site.carbon_kg for site in world.sites}
        return self._observer.observation(glance, time, views, jobs, carbon | {"system": sum(carbon.values())})

    def _settle(self, decision: PowerDecision, loads: Sequence[Load]) -> list[Any]:
        world = self.world
        unknown = sorted(set(decision.sites) - {site.site.name for site in world.sites})
        if unknown:
            raise PolicyError(
                f"power is decided for {unknown[0]!r}; there are {[site.site.name for site in world.sites]}"
            )
        return [
            site.settle(decision.sites.get(site.site.name, _AT_REST), load)
            for site, load in zip(world.sites, loads, strict=True)
        ]

    def _ask(self, method: Any, observation: Observation, kind: type[Decision]) -> Decision:
        decision, self._player.state = self._checked(observation.time, method, self._player.state, observation)
        if not isinstance(decision, kind):
            raise self._refusal(observation.time, f"the policy decided {decision!r}; it must be a {kind.__name__}")
        return decision

    def _checked(self, time: datetime, call: Any, *arguments: Any) -> Any:
        """Call with errors that name the policy and the time."""
        try:
            return call(*arguments)
        except JoulewrightError as error:
            raise self._refusal(time, str(error)) from error

    def _refusal(self, time: datetime, sentence: str) -> PolicyError:
        return PolicyError(f"{self._player.policy.specification} at {time.isoformat()}: {sentence}")
