"""Jobs that a rule decides on, and the run of one job on one fleet."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

import numpy as np

from joulewright.model import Scenario
from joulewright.model.timeline import FloatArray
from joulewright.policy.jobs.calendar import Calendar
from joulewright.policy.jobs.runs import cheapest_runs, cheapest_sizes, cheapest_start, earliest_runs, earliest_sizes
from joulewright.policy.observation import JobObservation, Observation
from joulewright.policy.routing.waterfill import Place

_TOLERANCE = 1e-9
_ENOUGH = 1.0 - 1e-6


@dataclass(frozen=True, kw_only=True)
class Task:
    """A job that a rule decides on.

    Attributes
    ----------
    item : JobObservation
        The job and its state.
    limit_h : float
        Time until its deadline, or until the end of the horizon where it may not run beyond it [h].
    least_h : float
        Shortest time in which the rest of it can be done on any fleet it may use [h].
    """

    item: JobObservation
    limit_h: float
    least_h: float

    @property
    def slack_h(self) -> float:
        """Time it can wait [h]; negative when it can no longer end in time."""
        return self.limit_h - self.least_h

    @property
    def elastic(self) -> bool:
        """Whether its size may change."""
        return self.item.job.kind == "elastic"

    def held_h(self) -> float:
        """Time that a run is too young to end [h]; 0 where it does not run."""
        return max(0.0, self.item.job.min_run_h - self.item.status_h) if self.item.status == "running" else 0.0


Key = Callable[[Task], tuple[Any, ...]]
"""Order of jobs: the lowest comes first."""


def tasks_of(scenario: Scenario, observation: Observation) -> list[Task]:
    """Jobs that something can be decided for: those that wait, are paused, or run and are divisible."""
    found = []
    steps = observation.step + observation.steps_left
    end = scenario.timeline.start + timedelta(hours=steps * observation.step_h)
    for item in observation.jobs.values():
        if item.status == "moving" or (item.status == "running" and item.job.kind == "rigid"):
            continue
        last = item.job.deadline if item.job.beyond else min(item.job.deadline, end)
        speeds = [fastest(scenario, item, place) for place in candidates(scenario, item)]
        if speeds:
            limit_h = (last - observation.time).total_seconds() / 3600.0
            found.append(Task(item=item, limit_h=limit_h, least_h=item.remaining_h / max(speeds)))
    return found


def candidates(scenario: Scenario, item: JobObservation) -> list[Place]:
    """Fleets where the job may run; the one it has begun on, if it has."""
    if item.site is not None and item.fleet is not None:
        return [(item.site, item.fleet)]
    return [
        (site.name, fleet.name)
        for site, fleet in scenario.fleets()
        if item.job.allows(site.name) and item.job.fits(fleet)
    ]


def speed_on(scenario: Scenario, item: JobObservation, place: Place) -> float:
    """Speed of the job on a fleet relative to its declared duration."""
    fleet = scenario.site(place[0]).fleet(place[1])
    return item.job.accelerator_speed.get(fleet.accelerator, 1.0)


def fastest(scenario: Scenario, item: JobObservation, place: Place) -> float:
    """Speed of the job on a fleet at its largest size."""
    return speed_on(scenario, item, place) * (item.job.speed_points[-1][1] if item.job.kind == "elastic" else 1.0)


class Terms(NamedTuple):
    """Accelerators that fit and cost of one in each step, hours of work, and whether the earliest run is wanted."""

    most: FloatArray
    cost: FloatArray
    hours: float
    earliest: bool


def sizes(calendar: Calendar, task: Task, terms: Terms) -> FloatArray | None:
    """Accelerators of the job in each step of its best run on one fleet, shape ``(H,)``, or None if it does not fit."""
    build = {"rigid": _rigid, "pausable": _pausable, "elastic": _elastic}[task.item.job.kind]
    return build(calendar, task, terms)


def _rigid(calendar: Calendar, task: Task, terms: Terms) -> FloatArray | None:
    job, step_h = task.item.job, calendar.step_h
    length = max(terms.hours, 1e-6) / step_h
    starts = math.floor((task.limit_h - terms.hours) / step_h + 1e-6) + 1
    found = cheapest_start(terms.cost, terms.most >= job.gpus * _ENOUGH, length=length, starts=starts)
    if found is None:
        return None
    held = np.zeros(calendar.steps)
    held[found[0] : found[0] + max(1, math.ceil(length - _TOLERANCE))] = job.gpus
    return held


def _pausable(calendar: Calendar, task: Task, terms: Terms) -> FloatArray | None:
    job, step_h, window = task.item.job, calendar.step_h, _window(calendar, task)
    work = max(1, math.ceil(terms.hours / step_h * _share(calendar, task) - _TOLERANCE))
    if work > window:
        return None
    fits, cost = (terms.most >= job.gpus * _ENOUGH)[:window], terms.cost[:window]
    shortest, held = max(1, math.ceil(job.min_run_h / step_h - _TOLERANCE)), held_steps(task, step_h)
    if terms.earliest:
        mask = earliest_runs(fits, work=work, shortest=shortest, held=held or 0)
    else:
        # The last steps are left for the work that a restart loses.
        spare = math.ceil(job.restart_loss_h / step_h - _TOLERANCE)
        price = job.restart_loss_h / step_h * float(np.abs(cost).mean()) + 1e-6 * float(np.abs(cost).max())
        choices = (
            cheapest_runs(cost[:stop], fits[:stop], work=work, shortest=shortest, held=held, restart_cost=price)
            for stop in sorted({window - spare, window})
            if stop >= work
        )
        mask = next((choice for choice in choices if choice is not None), None)
    if mask is None:
        return None
    taken = np.zeros(calendar.steps)
    taken[: mask.size] = mask * float(job.gpus)
    return taken


def _elastic(calendar: Calendar, task: Task, terms: Terms) -> FloatArray | None:
    job, window = task.item.job, _window(calendar, task)
    work = terms.hours / calendar.step_h * _share(calendar, task)
    if terms.earliest:
        found = earliest_sizes(job.speed_points, terms.most[:window], work=work)
    else:
        found = cheapest_sizes(job.speed_points, terms.cost[:window], terms.most[:window], work=work)
    if found is None:
        return None
    taken = np.zeros(calendar.steps)
    taken[:window] = found
    # A job that would lose work by stopping, or is too young to, shrinks to its least size instead.
    held = held_steps(task, calendar.step_h)
    lossy = held is not None and job.restart_loss_h > 0.0 and terms.most[0] >= job.smallest
    if taken[0] == 0.0 and (held or lossy):
        taken[0] = job.smallest
    return taken


def _window(calendar: Calendar, task: Task) -> int:
    """Whole steps until the deadline, as far as the calendar goes."""
    return max(0, min(calendar.steps, math.floor(task.limit_h / calendar.step_h + _TOLERANCE)))


def _share(calendar: Calendar, task: Task) -> float:
    """Part of the work to do in the time looked at: all, or in proportion where the deadline lies behind it."""
    ahead_h = calendar.steps * calendar.step_h
    return 1.0 if task.limit_h <= ahead_h + 1e-6 else ahead_h / task.limit_h


def held_steps(task: Task, step_h: float) -> int | None:
    """Steps that a running job must still run; None if it does not run."""
    return None if task.item.status != "running" else math.ceil(task.held_h() / step_h - _TOLERANCE)
