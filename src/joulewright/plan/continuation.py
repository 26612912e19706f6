"""Planning on from an earlier plan: keep what runs, drop what is done, and know where everything was meant to be."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np

from joulewright.errors import Diagnostic, ScenarioError
from joulewright.model import Fleet, JobSchedule, Scenario, Schedule, Segment, TrainingJob

_DONE = 1e-9


@dataclass(frozen=True)
class _State:
    """A job at the new start: what to plan for it (None once it is done), and what to say about it."""

    job: TrainingJob | None
    note: str = ""


def continue_from(
    scenario: Scenario, previous_scenario: Scenario, previous_schedule: Schedule
) -> tuple[Scenario, Schedule]:
    """A scenario in which earlier decisions have taken their course, and the earlier plan on its time line.

    Jobs that have ended by the new start are dropped. A rigid job that runs across it goes on at its site. A pausable
    or elastic job keeps the work it has done and, unless it may migrate, its site. All others may be planned anew; the
    returned schedule says where they were meant to be, for ``PlanOptions.previous`` with a ``churn_cost``.

    Parameters
    ----------
    scenario : Scenario
        What is to be planned now.
    previous_scenario, previous_schedule : Scenario, Schedule
        An earlier plan.

    Returns
    -------
    Scenario, Schedule
        The scenario with its jobs adjusted and a diagnostic for each of them, and the jobs of the earlier plan with
        their steps counted from the new start; it has no services and sites.

    Raises
    ------
    ScenarioError
        If a job runs at a site or on a fleet that the scenario no longer has.

    Notes
    -----
    Stored energy, generator states, metered peaks and used carbon are inputs of the new scenario and stay as they are.
    """
    old = {job.name: job for job in previous_scenario.training}
    jobs, notes, problems = [], [], []
    for job in scenario.training:
        entry = previous_schedule.jobs.get(job.name)
        if entry is None or entry.rejected or job.name not in old:
            jobs.append(job)
            continue
        problem = _lost_place(scenario, previous_scenario, entry)
        if problem:
            problems.append(problem)
            continue
        state = _advance(scenario, previous_scenario, job, entry)
        if state.job is not None:
            jobs.append(state.job)
        if state.note:
            notes.append(Diagnostic(code="T039", severity="note", message=state.note, key=f"training.{job.name}"))
    if problems:
        raise ScenarioError(problems)
    moved = scenario.with_changes(training=tuple(jobs), diagnostics=(*scenario.diagnostics, *notes))
    entries = {job.name: _translated(scenario, previous_scenario, previous_schedule, job.name) for job in jobs}
    return moved, Schedule(planner=previous_schedule.planner, jobs=entries, services={}, sites={})


def _lost_place(scenario: Scenario, previous: Scenario, entry: JobSchedule) -> str:
    """What is wrong if a job runs across the new start on a fleet that no longer exists."""
    known = {(site.name, fleet.name) for site, fleet in scenario.fleets()}
    for segment in entry.segments:
        begin, end = _span(previous, segment)
        if begin < scenario.timeline.start < end and (segment.site, segment.fleet) not in known:
            return (
                f"training.{entry.job} runs on {segment.site}/{segment.fleet} when the horizon begins, which the "
                f"scenario does not have; fleets are {sorted('/'.join(place) for place in known)}"
            )
    return ""


def _span(scenario: Scenario, segment: Segment) -> tuple[datetime, datetime]:
    timeline = scenario.timeline
    unused = timedelta(seconds=timeline.step_s * (1.0 - segment.last_fraction))
    return timeline.at(segment.first_step), timeline.at(segment.stop_step) - unused


def _advance(scenario: Scenario, previous: Scenario, job: TrainingJob, entry: JobSchedule) -> _State:
    now = scenario.timeline.start
    begin, end = _span(previous, entry.segments[0])[0], _span(previous, entry.segments[-1])[1]
    if begin >= now:
        return _State(job)
    if end <= now:
        return _State(None, f"job {job.name!r} ended at {end.isoformat()} and is not planned again")
    if job.kind == "rigid":
        site = entry.segments[0].site
        pinned = replace(job, running_since=begin, site=site, start=None)
        return _State(pinned, f"job {job.name!r} runs at {site} since {begin.isoformat()} and goes on")
    return _advance_divisible(scenario, previous, job, entry)


def _advance_divisible(scenario: Scenario, previous: Scenario, job: TrainingJob, entry: JobSchedule) -> _State:
    """A job that may pause: less work is left, and it goes on where it was."""
    now = scenario.timeline.start
    passed = [segment for segment in entry.segments if _span(previous, segment)[0] < now]
    last = passed[-1]
    fleet = previous.site(last.site).fleet(last.fleet)
    done_h = sum(_work_h(previous, job, segment, now) for segment in passed)
    done_h -= job.restart_loss_h * _restarts(passed) * _speed(job, fleet)
    begin, end = _span(previous, last)
    running = begin < now < end
    left_h = job.duration_h - done_h
    if not running:
        left_h += job.restart_loss_h * _speed(job, fleet)
    if left_h <= _DONE:
        return _State(None, f"job {job.name!r} has done its {job.duration_h:g} h of work and is not planned again")
    # The horizon's own count of time since ``running_since`` must leave exactly what is left.
    since_h = (now - begin).total_seconds() / 3600.0 if running else 0.0
    kept = replace(
        job,
        duration_h=left_h + since_h * _speed(job, fleet),
        running_since=begin if running else None,
        site=job.site if job.migratable else last.site,
        start=None,
    )
    state = "runs" if running else "has paused"
    return _State(kept, f"job {job.name!r} {state} at {last.site}; {left_h:g} of {job.duration_h:g} h of work are left")


def _speed(job: TrainingJob, fleet: Fleet) -> float:
    return job.accelerator_speed.get(fleet.accelerator, 1.0)


def _work_h(previous: Scenario, job: TrainingJob, segment: Segment, now: datetime) -> float:
    """Work of a segment up to now, as hours at the reference size and speed 1 [h]."""
    begin, end = _span(previous, segment)
    hours = max(0.0, (min(end, now) - begin).total_seconds() / 3600.0)
    rate = 1.0
    if job.kind == "elastic":
        sizes, speeds = np.array(job.speed_points).T
        rate = float(np.interp(segment.accelerators, sizes, speeds))
    return hours * rate * _speed(job, previous.site(segment.site).fleet(segment.fleet))


def _restarts(segments: list[Segment]) -> int:
    """Runs after the first one; pieces of other size that follow each other are one run."""
    return sum(
        one.stop_step != other.first_step or (one.site, one.fleet) != (other.site, other.fleet)
        for one, other in pairwise(segments)
    )


def _translated(scenario: Scenario, previous: Scenario, schedule: Schedule, name: str) -> JobSchedule:
    """Segments that have not ended, in steps of the new time line; those that run begin in step 0."""
    entry = schedule.jobs.get(name, JobSchedule(job=name))
    timeline, segments = scenario.timeline, []
    for segment in entry.segments:
        begin, stop = previous.timeline.at(segment.first_step), previous.timeline.at(segment.stop_step)
        first, last = max(0, timeline.floor(begin)), timeline.ceil(stop)
        if last > 0 and first < timeline.steps:
            segments.append(replace(segment, first_step=first, stop_step=last))
    return JobSchedule(job=name, segments=tuple(segments))
