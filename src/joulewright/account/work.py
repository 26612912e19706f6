"""How much of the work is done, late or left, and what it would take on reference hardware."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from joulewright.model import Fleet, JobSchedule, Scenario, Segment, TrainingJob

_DONE = 1.0 - 1e-6
_GAP_STEPS = 1e-6


@dataclass(frozen=True, kw_only=True)
class JobOutcome:
    """What a schedule achieves for one job.

    Attributes
    ----------
    done : bool
        True when the whole work is delivered.
    late : bool
        True when it ends after its deadline.
    horizon_fraction : float
        Part of the whole work that is delivered within the horizon, in [0, 1].
    """

    done: bool
    late: bool
    horizon_fraction: float


def job_outcome(scenario: Scenario, job: TrainingJob, entry: JobSchedule) -> JobOutcome:
    """Outcome of one job.

    Notes
    -----
    Work is counted in fractions of the job: hours on a fleet divided by the hours the whole job takes on it.
    A restart (a segment that does not continue the one before it on the same fleet) costs ``restart_loss_h``, and
    work that a failure undid does not count.

    Raises
    ------
    KeyError
        If a segment names a site or fleet that does not exist.
    """
    if entry.rejected:
        return JobOutcome(done=_ended_before(scenario, job), late=False, horizon_fraction=0.0)
    segments = sorted(entry.segments, key=lambda segment: segment.first_step)
    before = _elapsed_fraction(scenario, job, _fleet(scenario, segments[0]))
    inside, beyond = 0.0, 0.0
    previous: Segment | None = None
    for segment in segments:
        hours = segment_hours(scenario, segment)
        inside_h = min(hours, max(0, scenario.timeline.steps - segment.first_step) * scenario.timeline.step_h)
        loss_h = 0.0 if previous is None or continues(previous, segment) else job.restart_loss_h
        whole_h = whole_hours(job, _fleet(scenario, segment))
        speed = speed_at(job, segment.accelerators)
        inside += (inside_h * speed - loss_h - (segment.lost_h or 0.0)) / whole_h
        beyond += (hours - inside_h) * speed / whole_h
        previous = segment
    done = before + inside + beyond >= _DONE
    return JobOutcome(
        done=done,
        late=_ends_late(scenario, job, segments[-1]),
        horizon_fraction=min(max(inside, 0.0), max(0.0, 1.0 - before)),
    )


def continues(previous: Segment, segment: Segment) -> bool:
    """Whether ``segment`` follows ``previous`` without a break on the same fleet (its size may change)."""
    if previous.lost_h is not None or (previous.site, previous.fleet) != (segment.site, segment.fleet):
        return False
    end = previous.stop_step - (1.0 - previous.last_fraction) * previous.frees_at_end
    return abs(end - (segment.first_step + 1.0 - segment.first_fraction)) <= _GAP_STEPS


def segment_hours(scenario: Scenario, segment: Segment) -> float:
    """Hours in which the segment runs [h]."""
    cut = 2.0 - segment.first_fraction - segment.last_fraction
    return (segment.stop_step - segment.first_step - cut) * scenario.timeline.step_h


def whole_hours(job: TrainingJob, fleet: Fleet) -> float:
    """Hours the whole job takes at ``job.gpus`` accelerators of ``fleet`` [h]."""
    return job.duration_h / job.accelerator_speed.get(fleet.accelerator, 1.0)


def speed_at(job: TrainingJob, accelerators: float) -> float:
    """Speed relative to ``job.gpus`` accelerators.

    Only an elastic job has more than one: it follows the segments between its concave points.
    """
    if job.kind != "elastic":
        return 1.0
    sizes, speeds = zip(*job.speed_points, strict=True)
    return float(np.interp(accelerators, sizes, speeds))


def reference_energy_mwh(scenario: Scenario, job: TrainingJob) -> float:
    """IT energy of the whole job at its declared size on the first fleet it may use [MWh].

    It depends on the scenario alone, so it measures work: two schedules that complete the same jobs
    have the same figure whatever hardware they chose. Zero when no fleet is large enough.
    """
    for site, fleet in scenario.fleets():
        if job.allows(site.name) and job.fits(fleet):
            return job.gpus * job.power_on(fleet) * whole_hours(job, fleet)
    return 0.0


def _fleet(scenario: Scenario, segment: Segment) -> Fleet:
    return scenario.site(segment.site).fleet(segment.fleet)


def _elapsed_fraction(scenario: Scenario, job: TrainingJob, fleet: Fleet) -> float:
    whole_h = whole_hours(job, fleet)
    return 1.0 - job.duration_on(fleet, scenario.timeline) / whole_h if whole_h > 0.0 else 1.0


def _ended_before(scenario: Scenario, job: TrainingJob) -> bool:
    """Whether a job that runs already has no work left at the start of the horizon."""
    left = [job.duration_on(fleet, scenario.timeline) for site, fleet in scenario.fleets() if job.allows(site.name)]
    return job.running_since is not None and max(left, default=1.0) == 0.0


def _ends_late(scenario: Scenario, job: TrainingJob, last: Segment) -> bool:
    seconds = (last.stop_step - 1 + last.last_fraction) * scenario.timeline.step_s
    return scenario.timeline.start + timedelta(seconds=round(seconds, 3)) > job.deadline
