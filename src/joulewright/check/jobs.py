"""Training jobs: assignment, window, continuity, work, size and place (equations 1 and 2)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from joulewright.check.span import TOLERANCE_STEPS, begin, freed, goes_on, running_hours
from joulewright.check.violation import Judge, Limit, Violation
from joulewright.model import Fleet, Scenario, Schedule, Segment, TrainingJob


def jobs(judge: Judge, scenario: Scenario, schedule: Schedule) -> Iterator[Violation]:
    """Everything that each job asks of its own segments."""
    for job in scenario.training:
        entry = schedule.jobs[job.name]
        if not entry.segments:
            yield from _rejection(judge, scenario, job)
            continue
        segments = sorted(entry.segments, key=lambda segment: (segment.first_step, segment.stop_step))
        yield from _places(judge, scenario, job, segments)
        yield from _window(judge, scenario, job, segments)
        yield from _sizes(judge, job, segments)
        yield from _overlaps(judge, job, segments)
        if job.kind == "rigid":
            yield from _rigid_run(judge, scenario, job, segments)
        else:
            yield from _divisible_work(judge, scenario, job, segments)
            yield from _shortest_runs(judge, scenario, job, segments)


def _rejection(judge: Judge, scenario: Scenario, job: TrainingJob) -> Iterator[Violation]:
    left_h = [job.duration_on(fleet, scenario.timeline) for site, fleet in scenario.fleets() if job.allows(site.name)]
    if job.required and max(left_h, default=job.duration_h) > 0.0:
        reason = "is mandatory" if job.mandatory else "runs already" if job.running_since else "has no value to lose"
        yield judge.fact("assignment", job.name, f"job {job.name!r} is rejected, but it {reason}")


def _places(judge: Judge, scenario: Scenario, job: TrainingJob, segments: list[Segment]) -> Iterator[Violation]:
    for segment in segments:
        where = f"{segment.site}/{segment.fleet}"
        if not job.allows(segment.site):
            allowed = [job.site] if job.site is not None else list(job.sites or ())
            message = f"job {job.name!r} runs at {segment.site!r}; allowed sites are {allowed}"
            yield judge.fact("eligibility", job.name, message, segment.first_step)
        fleet = _fleet(scenario, segment)
        if fleet.count < job.smallest:
            message = f"job {job.name!r} needs {job.smallest} accelerators; {where} has {fleet.count}"
            yield judge.fact("eligibility", job.name, message, segment.first_step)
    for one, other in itertools.pairwise(segments):
        if one.site != other.site:
            yield from _move(judge, scenario, job, one, other)


def _move(judge: Judge, scenario: Scenario, job: TrainingJob, one: Segment, other: Segment) -> Iterator[Violation]:
    """A change of site: only for migratable jobs, over a link, and not faster than the state moves."""
    move = f"job {job.name!r} moves from {one.site} to {other.site}"
    if job.kind == "rigid" or not job.migratable:
        yield judge.fact("single-site", job.name, f"{move}, but it is not migratable", other.first_step)
        return
    links = [link for link in scenario.links if set(link.between) == {one.site, other.site}]
    if not links:
        yield judge.fact("transfer", job.name, f"{move}, but no link joins them", other.first_step)
        return
    hours = 8.0 * job.checkpoint_gb / links[0].bandwidth_gbit_s / 3600.0
    limit = Limit(
        constraint="transfer", where=job.name, quantity="Pause to move the state", unit="steps", sense="at least"
    )
    pause = begin(other) - freed(one)
    needed = hours / scenario.timeline.step_h
    if begin(other).is_integer() and freed(one).is_integer():
        needed = scenario.timeline.steps_for(hours)
    yield from judge.scalar(limit, pause, needed, other.first_step)


def _window(judge: Judge, scenario: Scenario, job: TrainingJob, segments: list[Segment]) -> Iterator[Violation]:
    timeline, first = scenario.timeline, segments[0]
    first_step, found = first.first_step, begin(first)
    # A run that begins on a boundary begins in a whole step, as in a plan; one within a step at its own time.
    whole = found.is_integer()
    release = max(0.0, timeline.ceil(job.release) if whole else timeline.position(job.release))
    start = Limit(constraint="window", where=job.name, quantity="First step", unit="steps", sense="at least")
    if job.running_since is None:
        yield from judge.scalar(start, found, release, first_step)
    yield from _deadline(judge, scenario, job, segments)
    limit = Limit(constraint="pinned", where=job.name, quantity="First step", unit="steps", sense="equal")
    if job.running_since is not None:
        yield from judge.scalar(limit, found, 0, first_step)
    elif job.start is not None:
        pinned = timeline.ceil(job.start) if whole else timeline.position(job.start)
        yield from judge.scalar(limit, found, max(release, pinned), first_step)


def _deadline(judge: Judge, scenario: Scenario, job: TrainingJob, segments: list[Segment]) -> Iterator[Violation]:
    timeline = scenario.timeline
    last = max(segments, key=freed)
    found = freed(last)
    deadline = float(timeline.floor(job.deadline)) if found.is_integer() else timeline.position(job.deadline)
    if not (job.beyond and job.kind == "rigid"):
        deadline = min(deadline, timeline.steps)
    limit = Limit(constraint="window", where=job.name, quantity="End boundary", unit="steps")
    yield from judge.scalar(limit, found, deadline, last.stop_step)


def _sizes(judge: Judge, job: TrainingJob, segments: list[Segment]) -> Iterator[Violation]:
    least = Limit(constraint="size", where=job.name, quantity="Size", unit="accelerators", sense="at least")
    most = replace(least, sense="at most")
    for segment in segments:
        yield from judge.scalar(least, segment.accelerators, job.smallest, segment.first_step)
        yield from judge.scalar(most, segment.accelerators, job.largest, segment.first_step)


def _overlaps(judge: Judge, job: TrainingJob, segments: list[Segment]) -> Iterator[Violation]:
    for one, other in itertools.pairwise(segments):
        if begin(other) < freed(one) - TOLERANCE_STEPS:
            message = f"job {job.name!r} runs twice in steps {other.first_step} to {one.stop_step - 1}"
            yield judge.fact("overlap", job.name, message, other.first_step)


def _rigid_run(judge: Judge, scenario: Scenario, job: TrainingJob, segments: list[Segment]) -> Iterator[Violation]:
    broken = next((index for index, run in enumerate(segments[:-1]) if run.lost_h is None), None)
    if broken is not None:
        message = f"job {job.name!r} is rigid but runs in {len(segments)} pieces; it must run once without a break"
        yield judge.fact("continuity", job.name, message, segments[broken + 1].first_step)
        return
    run, timeline = segments[0], scenario.timeline
    needed_h = job.duration_on(_fleet(scenario, run), timeline)
    if len(segments) == 1 and begin(run).is_integer():
        limit = Limit(constraint="duration", where=job.name, quantity="Length of the run", unit="steps", sense="equal")
        wrong = list(judge.scalar(limit, run.stop_step - run.first_step, timeline.steps_for(needed_h), run.first_step))
        yield from wrong
        if wrong:
            return
    # What a failure undid is run again, and so is what every restart costs.
    again_h = sum(piece.lost_h or 0.0 for piece in segments) + (len(segments) - 1) * job.restart_loss_h
    hours = sum(running_hours(timeline, piece) for piece in segments) - again_h
    limit = Limit(constraint="duration", where=job.name, quantity="Running time", unit="h", sense="equal")
    yield from judge.scalar(limit, hours, needed_h, run.first_step)


def _divisible_work(judge: Judge, scenario: Scenario, job: TrainingJob, segments: list[Segment]) -> Iterator[Violation]:
    """Work of a pausable or elastic job in hours at its reference size on the fleet of its first segment.

    Work on another fleet is converted by the ratio of the two fleets' speeds for this job. The sum may
    exceed what is needed, but by less than the work of the last step: otherwise that step runs for nothing.
    An elastic job may hold its mean size by taking turns between two sizes, which is slower: what runs for
    nothing is judged at the least speed of that mean, the chord of the speed curve.
    """
    timeline = scenario.timeline
    own_speed = _speed_of(job, _fleet(scenario, segments[0]))
    done_h = least_h = last_step_h = 0.0
    for position, segment in enumerate(segments):
        ratio, rate, least = _speed_of(job, _fleet(scenario, segment)) / own_speed, 1.0, 1.0
        if job.kind == "elastic":
            sizes, speeds = np.array(job.speed_points).T
            rate = float(np.interp(segment.accelerators, sizes, speeds))
            least = float(np.interp(segment.accelerators, sizes[[0, -1]], speeds[[0, -1]]))
        restarts = position > 0 and not goes_on(segments[position - 1], segment)
        hours, lost_h = running_hours(timeline, segment), restarts * job.restart_loss_h + (segment.lost_h or 0.0)
        done_h += (hours * rate - lost_h) * ratio
        least_h += (hours * least - lost_h) * ratio
        last_step_h = min(hours, timeline.step_h * segment.last_fraction) * rate * ratio
    needed_h = job.duration_on(_fleet(scenario, segments[0]), timeline)
    limit = Limit(constraint="duration", where=job.name, quantity="Work done", unit="h", sense="at least")
    end = segments[-1].stop_step
    yield from judge.scalar(limit, done_h, needed_h, end)
    if least_h - needed_h >= last_step_h * (1.0 - 1e-9):
        message = (
            f"job {job.name!r} needs {needed_h:.9g} h of work but runs for {done_h:.9g} h; its last step is not needed"
        )
        yield judge.fact("duration", job.name, message, end)


def _shortest_runs(judge: Judge, scenario: Scenario, job: TrainingJob, segments: list[Segment]) -> Iterator[Violation]:
    """Every uninterrupted run lasts ``min_run_h``, or as long as the whole job if that is shorter.

    A run that a failure ends is exempt, and so is one that ends with the job, or the horizon, within a step.
    """
    timeline = scenario.timeline
    runs: list[list[Segment]] = []
    for segment in segments:
        if runs and goes_on(runs[-1][-1], segment):
            runs[-1].append(segment)
        else:
            runs.append([segment])
    fastest = job.speed_points[-1][1] if job.kind == "elastic" else 1.0
    limit = Limit(constraint="min-run", where=job.name, quantity="Uninterrupted run", unit="h", sense="at least")
    for run in runs:
        if run[-1].lost_h is not None or (run[-1] is segments[-1] and run[-1].frees_at_end):
            continue
        whole_h = job.duration_on(_fleet(scenario, run[-1]), timeline) / max(1.0, fastest)
        ran_h = timeline.step_h * (freed(run[-1]) - begin(run[0]))
        if job.running_since is not None and begin(run[0]) == 0.0:
            ran_h += (timeline.start - job.running_since).total_seconds() / 3600.0
        yield from judge.scalar(limit, ran_h, min(job.min_run_h, whole_h), run[0].first_step)


def _fleet(scenario: Scenario, segment: Segment) -> Fleet:
    return scenario.site(segment.site).fleet(segment.fleet)


def _speed_of(job: TrainingJob, fleet: Fleet) -> float:
    return job.accelerator_speed.get(fleet.accelerator, 1.0)
