"""From an order of jobs and an objective to actions: every job is given its run in the calendar, one after the other.

1. Rigid jobs that run, and moves under way, keep what they hold; serving comes next (see ``calendar``).
2. Jobs whose run is too young to end come first, then required jobs, then the order of the rule counts. Divisible jobs
   that run are placed anew: they give way to required jobs, to serving and to a shortage of power by pausing or
   shrinking.
3. Every job is placed where and when its objective is lowest and keeps its place until the next step: later jobs
   cannot take it. A part of the time to its deadline is left free for forecasts that turn out wrong.
4. A required job that fits nowhere as a whole starts as soon as its accelerators are free, even if it will run late
   or leave load to batteries. An optional divisible one runs whenever it fits.
5. An optional job that cannot end by its deadline even on free accelerators is rejected, or stays paused if it has
   begun; a required one runs as soon and as long as it can.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from joulewright.model import Scenario
from joulewright.model.timeline import FloatArray
from joulewright.policy.decision import ActionKind, JobAction
from joulewright.policy.jobs.calendar import Calendar, Objective
from joulewright.policy.jobs.task import Key, Task, Terms, candidates, fastest, held_steps, sizes, speed_on, tasks_of
from joulewright.policy.observation import Observation
from joulewright.policy.routing.waterfill import Place

__all__ = ["Mover", "Placer", "Run", "Task", "actions_of", "decide", "ordered", "speed_on", "tasks_of", "with_margin"]

MOST_STEPS = 2016
"""Steps a rule looks ahead at most: a week of 5 min steps."""

_TOLERANCE = 1e-9
_ACTION_ORDER: dict[ActionKind, int] = {"reject": 0, "pause": 1, "migrate": 2, "resize": 3, "start": 4}


@dataclass(frozen=True, kw_only=True, eq=False)
class Run:
    """A way to run a job.

    Attributes
    ----------
    place : (str, str)
        Site and fleet.
    each_mw : FloatArray
        Facility power of one accelerator beyond idling [MW], shape ``(H,)``.
    accelerators : FloatArray
        Held in each step, shape ``(H,)``.
    cost : float
        In the objective.
    moves : bool
        Whether the job moves there first.
    """

    place: Place
    each_mw: FloatArray
    accelerators: FloatArray
    cost: float
    moves: bool = False


Mover = Callable[["Placer", Task, Run | None], Run | None]
"""A better run at another site than the best one here (None where there is none), or None to stay."""


def decide(
    scenario: Scenario,
    observation: Observation,
    *,
    objective: Objective | None,
    key: Key,
    look_ahead_h: float,
    margin_fraction: float = 0.0,
    mover: Mover | None = None,
) -> tuple[JobAction, ...]:
    """Actions of this moment.

    Parameters
    ----------
    scenario : Scenario
        Parameters of the plant.
    observation : Observation
        The present, the jobs and the forecast.
    objective : Objective or None
        What is minimised; None runs every job as early as it fits.
    key : callable
        Order among required jobs, and among optional ones: the lowest comes first.
    look_ahead_h : float
        How far ahead forecasts are used [h].
    margin_fraction : float
        Part of the time to a deadline that is left free where it can be.
    mover : callable, optional
        Looks for better sites of jobs that may move.
    """
    tasks = tasks_of(scenario, observation)
    if not tasks:
        return ()
    longest_h = min(look_ahead_h, max(task.limit_h for task in tasks))
    steps = max(1, math.ceil(longest_h / observation.step_h - _TOLERANCE))
    calendar = Calendar(scenario, observation, min(steps, observation.steps_left, MOST_STEPS))
    placer = Placer(scenario, calendar, objective, margin_fraction=margin_fraction)

    def rank(task: Task) -> tuple[Any, ...]:
        young = bool(held_steps(task, observation.step_h))
        return (not young, not task.item.job.required, *key(task), task.item.job.name)

    actions: list[JobAction] = []
    for task in sorted(tasks, key=rank):
        actions.extend(actions_of(task, placer.place(task, mover=mover)))
    return ordered(actions)


def ordered(actions: Iterable[JobAction]) -> tuple[JobAction, ...]:
    """Actions that free accelerators before those that take some."""
    return tuple(sorted(actions, key=lambda action: _ACTION_ORDER[action.kind]))


class Placer:
    """Gives jobs their runs in a calendar.

    Parameters
    ----------
    scenario : Scenario
        Parameters of the plant.
    calendar : Calendar
        What is free.
    objective : Objective or None
        What is minimised; None runs every job as early as it fits.
    margin_fraction : float
        Part of the time to a deadline that is left free where it can be.
    """

    def __init__(
        self, scenario: Scenario, calendar: Calendar, objective: Objective | None, *, margin_fraction: float = 0.0
    ) -> None:
        self.scenario, self.calendar, self.objective = scenario, calendar, objective
        self.margin_fraction = margin_fraction

    def place(self, task: Task, *, mover: Mover | None = None) -> Run | None:
        """Book the best run of the job and return it; None if it does not run in the time looked at."""
        places = [place for place in candidates(self.scenario, task.item) if place in self.calendar.free]
        best = None
        for margin in sorted({self.margin_fraction, 0.0}, reverse=True):
            if best is None:
                early = with_margin(task, margin)
                runs = (self.run_at(early, place) for place in places)
                best = min((run for run in runs if run is not None), key=lambda run: run.cost, default=None)
        if mover is not None:
            best = mover(self, task, best) or best
        if best is None:
            best = self._kept(task, places)
        if best is None and (task.item.job.required or task.slack_h >= 0.0):
            best = self._forced(task, places)
        if best is not None:
            self.calendar.book(best.place, best.each_mw, best.accelerators)
        return best

    def run_at(self, task: Task, place: Place, *, delay_steps: int = 0, extra_h: float = 0.0) -> Run | None:
        """Best run of the job on one fleet, not before ``delay_steps`` and with ``extra_h`` more work, or None.

        The earliest run, which is also that of a job with a pinned start, costs the steps to its end.
        """
        job, calendar = task.item.job, self.calendar
        objective = self.objective if job.start is None else None
        each = calendar.extra_mw(place, job, self.scenario)
        most = calendar.most(place, each)
        most[:delay_steps] = 0.0
        hours = (task.item.remaining_h + extra_h) / speed_on(self.scenario, task.item, place)
        ahead = np.arange(calendar.steps, dtype=np.float64)
        cost = ahead
        if objective is not None:
            # An hour of delay costs the same however the work is cut, so each part of it carries its share.
            late = objective.money * job.delay_cost_per_h * calendar.step_h / max(hours, calendar.step_h)
            running = calendar.sites[place[0]].running_cost(job.gpus * each, objective)
            cost = _rounded((running + late * ahead) * calendar.step_h / job.gpus)
        held = sizes(calendar, task, Terms(most, cost, hours, objective is None))
        if held is None:
            return None
        total = float(np.flatnonzero(held)[-1] + 1) if objective is None else float(held @ cost)
        return Run(place=place, each_mw=each, accelerators=held, cost=total)

    def _kept(self, task: Task, places: list[Place]) -> Run | None:
        """The rest of a run that is too young to end."""
        steps = held_steps(task, self.calendar.step_h)
        if not steps or not places:
            return None
        return self._run_now(task, places[0], float(task.item.job.smallest), task.held_h())

    def _forced(self, task: Task, places: list[Place]) -> Run | None:
        """A run now on the fleet with most room, for a job that fits nowhere as a whole."""
        job = task.item.job
        if job.kind == "rigid" and not job.required:
            return None
        room = {place: float(self._room_now(task, place)) for place in places}
        best = max(room, key=lambda place: room[place], default=None)
        if best is None or room[best] < job.smallest * (1.0 - 1e-6):
            return None
        size = min(float(job.largest), room[best]) if task.elastic else float(job.gpus)
        hours = task.item.remaining_h / fastest(self.scenario, task.item, best)
        return self._run_now(task, best, size, hours)

    def _room_now(self, task: Task, place: Place) -> float:
        """Accelerators that fit now; a required job may use more power than is expected to be there."""
        if task.item.job.required:
            return float(self.calendar.free[place][0])
        each = self.calendar.extra_mw(place, task.item.job, self.scenario)
        return float(self.calendar.most(place, each)[0])

    def _run_now(self, task: Task, place: Place, size: float, hours: float) -> Run:
        calendar = self.calendar
        held = np.where(np.arange(calendar.steps) * calendar.step_h < max(hours, 1e-6) - _TOLERANCE, size, 0.0)
        each = calendar.extra_mw(place, task.item.job, self.scenario)
        return Run(place=place, each_mw=each, accelerators=held, cost=0.0)


def with_margin(task: Task, margin_fraction: float) -> Task:
    """The task with a part of the time to its deadline left free."""
    return replace(task, limit_h=task.limit_h * (1.0 - margin_fraction))


def _rounded(cost: FloatArray) -> FloatArray:
    """Costs without the rounding that would break ties by chance."""
    largest = float(np.abs(cost).max(initial=0.0))
    return cost if largest == 0.0 else np.round(cost / largest, 10) * largest


def actions_of(task: Task, run: Run | None) -> Iterator[JobAction]:
    """What to do now so that the job follows ``run``."""
    item, name = task.item, task.item.job.name
    if run is not None and run.moves:
        size = float(run.accelerators[np.flatnonzero(run.accelerators)[0]]) if task.elastic else None
        yield JobAction(job=name, kind="migrate", site=run.place[0], fleet=run.place[1], accelerators=size)
        return
    now = 0.0 if run is None else float(run.accelerators[0])
    if run is None or now == 0.0:
        hopeless = task.slack_h < -1e-6 and not item.job.required
        if item.status == "running":
            yield JobAction(job=name, kind="pause")
        elif item.status == "waiting" and item.site is None and hopeless:
            yield JobAction(job=name, kind="reject")
    elif item.status != "running":
        size = now if task.elastic else None
        yield JobAction(job=name, kind="start", site=run.place[0], fleet=run.place[1], accelerators=size)
    elif task.elastic and abs(now - item.accelerators) > 1e-6 * item.job.largest:
        yield JobAction(job=name, kind="resize", accelerators=now)
