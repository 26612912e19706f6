"""What a receding-horizon policy carries from step to step."""

from __future__ import annotations

from typing import Any

from joulewright.policy.base import AbstractJobRule, PolicyFacts
from joulewright.policy.decision import JobAction, PowerDecision, WorkDecision
from joulewright.policy.effect import after_actions
from joulewright.policy.observation import Observation
from joulewright.policy.planned.expectation import Occupied
from joulewright.policy.planned.horizon import Horizon
from joulewright.policy.planned.horizon_options import HorizonOptions
from joulewright.policy.planned.job_plan import JobPlan, hold_running
from joulewright.policy.planned.recourse import site_power
from joulewright.policy.registry import make
from joulewright.policy.routing.overflow import rerouted


class HorizonState:
    """The plan of a run and what decides its jobs.

    Parameters
    ----------
    facts : PolicyFacts
        What the policy may know before the first step.
    options : HorizonOptions
        Lengths and futures of the plan.
    jobs : str
        ``milp``, or the name of a job rule.
    jobs_every : int
        Steps between plans of jobs.
    """

    def __init__(self, facts: PolicyFacts, options: HorizonOptions, *, jobs: str, jobs_every: int) -> None:
        self._options = options
        self._plant = facts.scenario
        self._horizon = Horizon(facts.scenario, options)
        self._jobs: JobPlan | RuleWork
        if jobs == "milp":
            self._jobs = JobPlan(facts, window=options.window, every=jobs_every)
        else:
            rule: AbstractJobRule = make(jobs, "jobs")
            self._jobs = RuleWork(rule, facts)

    def work(self, observation: Observation) -> WorkDecision:
        """Actions on jobs, then a plan of the rest if one is due."""
        actions: tuple[JobAction, ...] = self._jobs.actions(observation, self._horizon)
        if self._horizon.is_due(observation, news=bool(actions)):
            steps = min(self._options.window, observation.steps_left)
            occupied = self._jobs.occupied(after_actions(observation, actions), steps)
            self._horizon.plan(observation, occupied)
        routes = rerouted(self._plant, after_actions(observation, actions), self._horizon.routes(observation))
        return WorkDecision(actions=actions, routes_token_s=routes)

    def power(self, observation: Observation, cover: str) -> PowerDecision:
        """Power of every site; imports that are to be expected count for the peaks."""
        found = {}
        for name, site in observation.sites.items():
            point = self._horizon.point(observation, name)
            settled = site_power(site, point, step_h=observation.step_h, cover=cover)
            found[name] = settled.power
            for window in site.peak_mw:
                self._horizon.pay(f"{name}/{window}", max(0.0, settled.net_import_mw))
        return PowerDecision(sites=found)


class RuleWork:
    """A job rule with its state; jobs that run are expected to go on until their work is done.

    Parameters
    ----------
    rule : AbstractJobRule
        What decides.
    facts : PolicyFacts
        What it may know before the first step.
    """

    def __init__(self, rule: AbstractJobRule, facts: PolicyFacts) -> None:
        self._rule = rule
        self._scenario = facts.scenario
        self._state: Any = rule.init(facts)

    def actions(self, observation: Observation, _horizon: object) -> tuple[JobAction, ...]:
        """What the rule does now."""
        actions, self._state = self._rule.step(self._state, observation)
        return actions

    def occupied(self, observation: Observation, steps: int) -> Occupied:
        """Accelerators and power of running jobs in the next steps."""
        taken = Occupied()
        for item in observation.jobs.values():
            if item.status == "running":
                hold_running(taken, self._scenario, observation, item, steps=steps)
        return taken
