"""Training jobs in a moving plan: starts are planned with the joint model, what runs is load."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np

from joulewright.account.coefficients import carbon_price_per_kg
from joulewright.errors import InfeasibleError, SolverError
from joulewright.model import InferenceService, JobSchedule, Scenario, TrainingJob
from joulewright.model.timeline import FloatArray
from joulewright.plan.free_generators import relax_generators
from joulewright.plan.options import PlanOptions
from joulewright.plan.planner import plan
from joulewright.policy.base import PolicyFacts
from joulewright.policy.decision import JobAction
from joulewright.policy.jobs.task import Task, speed_on, tasks_of
from joulewright.policy.observation import JobObservation, Observation
from joulewright.policy.planned.expectation import Guidance, Occupied
from joulewright.policy.planned.horizon import Horizon
from joulewright.policy.planned.job_steps import PlannedJobs

_GAP, _WORK = 0.002, 0.25
_LEAST_VALUE = 1e-6
_URGENT = 100.0
_FURTHEST_H = 336.0
_ROOM_FACTOR = 1.5
_RESERVE = 0.05


class JobPlan:
    """Plans the starts of waiting jobs and turns the plan into actions.

    Waiting jobs are planned together with the energy of the window, start binaries and all; jobs that run are load.
    A job that may start after the window has the cost of waiting as its value: what its energy would cost at the best
    later time, as prices are expected. A pausable or elastic job is planned whole once the window holds one and a half
    times the hours it needs, and keeps its plan; until then, a longer one runs by the rule ``cheapest-window``. A job
    that can no longer meet its deadline starts as soon as it can if it is required, and is rejected otherwise.
    Accelerators for 5 % more demand than expected are left to serving.

    Parameters
    ----------
    facts : PolicyFacts
        What the policy may know before the first step.
    window, every : int
        Steps that are planned, and steps between plans; arrivals are planned at once.
    seed : int
        Seed of the search.
    """

    def __init__(self, facts: PolicyFacts, *, window: int, every: int, seed: int = 0) -> None:
        self._scenario: Scenario = facts.scenario
        self._jobs = PlannedJobs(facts)
        self._window = window
        self._every = every
        self._seed = seed
        self._plans: dict[str, JobSchedule] = {}
        self._seen: frozenset[str] = frozenset()
        self._planned_at: int | None = None

    def actions(self, observation: Observation, horizon: Horizon) -> tuple[JobAction, ...]:
        """Actions of this step; plans anew where it is time."""
        if not observation.jobs:
            return ()
        self._plans = {name: entry for name, entry in self._plans.items() if name in observation.jobs}
        tasks = {task.item.job.name: task for task in tasks_of(self._scenario, observation)}
        window_h = min(self._window, observation.steps_left) * observation.step_h
        end = observation.time + timedelta(hours=window_h)
        long = {name for name, task in tasks.items() if name not in self._plans and _is_too_long(task, window_h, end)}
        waiting = {
            name: task
            for name, task in tasks.items()
            if name not in long and task.slack_h >= 0.0 and self._is_open(task.item)
        }
        if waiting and self._is_due(observation, frozenset(waiting)):
            self._plan(observation, horizon, waiting)
        patient = frozenset(waiting) - frozenset(self._plans)
        return self._jobs.actions(observation, self._plans, patient=patient, long=long)

    def occupied(self, observation: Observation, steps: int) -> Occupied:
        """Accelerators and power of jobs that run or are to run in the next steps."""
        taken, now = Occupied(), observation.step
        for name, item in observation.jobs.items():
            entry = self._plans.get(name)
            if item.status == "running" and (item.job.kind == "rigid" or entry is None):
                hold_running(taken, self._scenario, observation, item, steps=steps)
                continue
            for part in () if entry is None else entry.segments:
                power_mw = item.job.power_on(self._scenario.site(part.site).fleet(part.fleet))
                span = (part.first_step - now, part.stop_step - now, steps)
                taken.add((part.site, part.fleet), span, (part.accelerators, power_mw, part.last_fraction))
        return taken

    def _is_open(self, item: JobObservation) -> bool:
        """Whether the job is still to be placed: it waits, or has paused without a plan."""
        if item.status not in ("waiting", "paused"):
            return False
        return item.job.kind == "rigid" or item.job.name not in self._plans

    def _is_due(self, observation: Observation, names: frozenset[str]) -> bool:
        if self._planned_at is None or not names <= self._seen:
            return True
        return observation.step >= self._planned_at + self._every

    def _plan(self, observation: Observation, horizon: Horizon, waiting: Mapping[str, Task]) -> None:
        steps = min(self._window, observation.steps_left)
        for name in waiting:
            self._plans.pop(name, None)
        self._seen, self._planned_at = frozenset(waiting), observation.step
        expectation, guidance = horizon.expectation, horizon.guidance(observation)
        window = expectation.window(
            observation,
            expectation.signals(observation, steps),
            steps=steps,
            occupied=self.occupied(observation, steps),
            guidance=guidance,
        )
        bare = relax_generators(expectation.scenario(observation, window))
        bare = bare.with_changes(
            carbon=replace(bare.carbon, budget_kg=None), inference=tuple(_reserved(item) for item in bare.inference)
        )
        jobs = tuple(_Placing(self._scenario, observation, bare, guidance).jobs(waiting))
        options = PlanOptions(gap=_GAP, work_limit=_WORK, threads=1, seed=self._seed)
        try:
            result = plan(bare.with_changes(training=jobs), options)
        except (InfeasibleError, SolverError):
            # Jobs wait for the next plan; those that cannot wait any longer start without one.
            return
        for entry in () if result.schedule is None else result.schedule.jobs.values():
            if not entry.rejected:
                self._plans[entry.job] = entry.shifted(observation.step)


def _is_too_long(task: Task, window_h: float, end: datetime) -> bool:
    """Whether a pausable or elastic job that may go on after the window has too little room in it to be planned."""
    job = task.item.job
    return job.kind != "rigid" and job.deadline > end and window_h < _ROOM_FACTOR * task.least_h


def _reserved(service: InferenceService) -> InferenceService:
    """The service with some more demand, since a rigid job cannot make room for it later."""
    demand = {region: (1.0 + _RESERVE) * series for region, series in service.demand_token_s.items()}
    return replace(service, demand_token_s=demand)


def hold_running(
    taken: Occupied, scenario: Scenario, observation: Observation, item: JobObservation, *, steps: int
) -> None:
    """Hold what a running job holds until its work is done, if it keeps its size."""
    if item.site is None or item.fleet is None:
        return
    place, job = (item.site, item.fleet), item.job
    rate = speed_on(scenario, item, place)
    if job.kind == "elastic":
        rate *= float(np.interp(item.accelerators, *np.array(job.speed_points).T))
    needed = item.remaining_h / (rate * observation.step_h)
    stop = max(1, math.ceil(needed - 1e-9))
    power_mw = job.power_on(scenario.site(place[0]).fleet(place[1]))
    taken.add(place, (0, stop, steps), (item.accelerators, power_mw, min(1.0, max(0.0, needed - (stop - 1)))))


class _Placing:
    """Waiting jobs as a window sees them: optional, at the worth of not having to run later."""

    def __init__(self, scenario: Scenario, observation: Observation, window: Scenario, guidance: Guidance) -> None:
        self._scenario = scenario
        self._observation = observation
        self._timeline = window.timeline
        far = max(window.timeline.steps, round(_FURTHEST_H / observation.step_h))
        self._prices = _run_prices(observation, window, guidance, min(far, observation.steps_left))

    def jobs(self, waiting: Mapping[str, Task]) -> Iterator[TrainingJob]:
        """The jobs that can be planned in this window."""
        timeline = self._timeline
        for task in waiting.values():
            item, job = task.item, task.item.job
            slack = math.floor(task.slack_h / self._observation.step_h + 1e-9)
            start = None if job.start is None or job.start < timeline.start else job.start
            site = item.site or job.site
            job = replace(job, release=timeline.start, duration_h=item.remaining_h, start=start, site=site)
            cost = self._later_cost(job, slack)
            worth = _URGENT * cost if job.required else job.value
            if job.kind != "rigid":
                job = replace(job, deadline=min(job.deadline, timeline.end))
            elif slack >= timeline.steps:
                worth = min(worth, cost)
            beyond = job.beyond or job.deadline > timeline.end
            yield replace(job, beyond=beyond, mandatory=False, value=max(_LEAST_VALUE, worth))

    def _later_cost(self, job: TrainingJob, slack: int) -> float:
        """Expected energy cost of the best start after the window, or of the last one if that lies in it."""
        costs = []
        for site, fleet in self._scenario.fleets():
            if not (job.allows(site.name) and job.fits(fleet)):
                continue
            prices = self._prices[site.name]
            hours = job.duration_h / job.accelerator_speed.get(fleet.accelerator, 1.0)
            length = min(prices.size, max(1, math.ceil(hours / self._observation.step_h)))
            total = np.concatenate([[0.0], np.cumsum(prices)])
            runs = total[length:] - total[:-length]
            last = min(slack, runs.size - 1)
            first = min(self._timeline.steps, last)
            extra_mw = job.gpus * (job.power_on(fleet) - fleet.idle_power_mw)
            costs.append(extra_mw * float(runs[first : last + 1].min()))
        return min(costs, default=0.0)


def _run_prices(observation: Observation, window: Scenario, guidance: Guidance, steps: int) -> dict[str, FloatArray]:
    """Expected cost of one MW of IT power by site in each step, carbon included [currency/MW], shape ``(steps,)``."""
    found = {}
    for site in window.sites:
        price = np.zeros(steps)
        if site.grid is not None:
            price = price + observation.forecast.series(f"{site.name}/import_price_per_mwh", steps)
            per_kg = carbon_price_per_kg(window) + guidance.carbon_price_per_kg.get(site.name, 0.0)
            if per_kg and window.deciding_intensity(site) is not None:
                price = price + per_kg * observation.forecast.series(f"{site.name}/carbon_kg_per_mwh", steps)
        found[site.name] = observation.step_h * float(site.pue.mean()) * price
    return found
