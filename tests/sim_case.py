"""Policies and scenarios that tests of the simulator share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from joulewright.model import JobSchedule, Scenario, Schedule, Segment
from joulewright.physics.transfer import transfer_h
from joulewright.policy.base import AbstractPolicy, PolicyFacts
from joulewright.policy.decision import JobAction, PowerDecision, SitePower, WorkDecision
from joulewright.policy.observation import Observation
from joulewright.sim.simulate import Simulation, simulate


def idle_work(observation: Observation) -> WorkDecision:
    """No job runs and nothing is served."""
    return WorkDecision(routes_token_s={})


def no_power(observation: Observation) -> PowerDecision:
    """The grid alone."""
    return PowerDecision()


@dataclass(frozen=True, kw_only=True)
class Scripted(AbstractPolicy):
    """A policy made of two functions of the observation; it may keep the observations it was given."""

    on_work: Callable[[Observation], Any] = idle_work
    on_power: Callable[[Observation], Any] = no_power
    between_ticks: bool = False
    keep: bool = True
    seen: list[Observation] = field(default_factory=list)
    facts: list[PolicyFacts] = field(default_factory=list)

    @property
    def specification(self) -> str:
        return "scripted"

    def init(self, facts: PolicyFacts) -> Any:
        self.facts.append(facts)
        return 0

    def work(self, state: Any, observation: Observation) -> tuple[Any, Any]:
        if self.keep:
            self.seen.append(observation)
        return self.on_work(observation), state + 1

    def power(self, state: Any, observation: Observation) -> tuple[Any, Any]:
        if self.keep:
            self.seen.append(observation)
        return self.on_power(observation), state


@dataclass(frozen=True, kw_only=True)
class Replay(AbstractPolicy):
    """Does what a schedule says, step by step."""

    schedule: Schedule

    @property
    def specification(self) -> str:
        return self.schedule.planner

    def init(self, facts: PolicyFacts) -> Any:
        return facts.scenario

    def work(self, state: Any, observation: Observation) -> tuple[WorkDecision, Any]:
        step = observation.step
        actions = [
            action
            for name, entry in self.schedule.jobs.items()
            if name in observation.jobs
            for action in _actions(state, entry, observation)
        ]
        routes = {
            name: {route: float(rates[step]) for route, rates in zip(entry.routes, entry.served_token_s, strict=True)}
            for name, entry in self.schedule.services.items()
        }
        return WorkDecision(actions=tuple(actions), routes_token_s=routes), state

    def power(self, state: Any, observation: Observation) -> tuple[PowerDecision, Any]:
        step = observation.step
        sites = {
            name: SitePower(
                charge_mw={battery: float(plan.charge_mw[step]) for battery, plan in flows.batteries.items()},
                discharge_mw={battery: float(plan.discharge_mw[step]) for battery, plan in flows.batteries.items()},
                generator_mw={
                    unit: float(plan.output_mw[step]) for unit, plan in flows.generators.items() if plan.on[step]
                },
                import_limit_mw=float(flows.grid_import_mw[step]),
                export_limit_mw=float(flows.grid_export_mw[step]),
                renewable_limit_mw={name: float(used[step]) for name, used in flows.renewable_used_mw.items()},
            )
            for name, flows in self.schedule.sites.items()
        }
        return PowerDecision(sites=sites), state


def _actions(scenario: Scenario, entry: JobSchedule, observation: Observation) -> list[JobAction]:
    """Start, resize and pause as the segments say; state is moved as late as the next segment allows."""
    step, seen = observation.step, observation.jobs[entry.job]
    segments = sorted(entry.segments, key=lambda segment: segment.first_step)
    begins = next((segment for segment in segments if segment.first_step == step), None)
    actions = []
    if seen.status == "running" and any(segment.stop_step == step for segment in segments):
        if begins is None or (begins.site, begins.fleet) != (seen.site, seen.fleet):
            actions.append(JobAction(job=entry.job, kind="pause"))
        elif begins.accelerators != seen.accelerators:
            actions.append(_to(entry.job, "resize", begins))
    elif begins is not None and seen.status in ("waiting", "paused") and seen.site in (None, begins.site):
        actions.append(_to(entry.job, "start", begins))
    later = next((segment for segment in segments if segment.first_step >= step), None)
    if later is not None and seen.site not in (None, later.site) and (actions or seen.status == "paused"):
        link = scenario.link(str(seen.site), later.site)
        assert link is not None
        steps = scenario.timeline.steps_for(transfer_h(seen.job.checkpoint_gb, link.bandwidth_gbit_s))
        if step == later.first_step - steps:
            actions.append(_to(entry.job, "migrate", later))
    return actions


def _to(job: str, kind: Any, segment: Segment) -> JobAction:
    return JobAction(job=job, kind=kind, site=segment.site, fleet=segment.fleet, accelerators=segment.accelerators)


def replay(scenario: Scenario, schedule: Schedule, **options: Any) -> Simulation:
    """The schedule carried out in its own scenario, undisturbed."""
    options = {"forecaster": "perfect", "events": ()} | options
    return simulate(scenario, Replay(schedule=schedule), **options)


def run(scenario: Scenario, **options: Any) -> Simulation:
    """A scripted run; functions ``work`` and ``power`` of the observation, the rest goes to ``simulate``."""
    script = {key: options.pop(key) for key in ("on_work", "on_power", "between_ticks") if key in options}
    options = {"forecaster": "perfect"} | options
    return simulate(scenario, Scripted(keep=False, **script), **options)


def imbalance_mw(simulation: Simulation) -> float:
    """Largest power that appears from or vanishes into nothing at any site in any step [MW]."""
    from joulewright.account import site_load

    trajectory = simulation.trajectory
    assert trajectory is not None
    worst = 0.0
    for site in trajectory.scenario.sites:
        flows = trajectory.schedule.sites[site.name]
        supply = flows.grid_import_mw + flows.unserved_mw - flows.grid_export_mw
        for used in flows.renewable_used_mw.values():
            supply = supply + used
        for unit in flows.generators.values():
            supply = supply + unit.output_mw
        for store in flows.batteries.values():
            supply = supply + store.discharge_mw - store.charge_mw
        load = site_load(trajectory.scenario, trajectory.schedule, site).facility_mw
        worst = max(worst, float(np.abs(supply - load).max()))
    return worst
