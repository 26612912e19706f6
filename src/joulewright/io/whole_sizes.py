"""Whole accelerators for elastic jobs, which a plan may give fractions of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import floor

from joulewright.account import site_load
from joulewright.account.work import continues, segment_hours, speed_at
from joulewright.model import JobSchedule, Scenario, Schedule, Segment, TrainingJob
from joulewright.model.timeline import FloatArray

_TINY = 1e-6


@dataclass(kw_only=True)
class _Piece:
    """One step of an elastic job: as planned in ``run``, and the whole accelerators it gets."""

    job: TrainingJob
    run: Segment
    size: int
    hours_h: float

    @property
    def place(self) -> tuple[str, str]:
        return self.run.site, self.run.fleet

    def work_h(self, accelerators: float) -> float:
        """Work of this step at so many accelerators, as hours at the reference size [h]."""
        return self.hours_h * speed_at(self.job, accelerators)


def whole_sizes(scenario: Scenario, schedule: Schedule) -> tuple[Schedule, dict[str, float]]:
    """The schedule with whole accelerators, and by how much the work of each changed job differs [h].

    Every step is first rounded down. Then the steps with the largest remainders get one accelerator more, as long as
    their job is short of the work it had and the fleet has an accelerator left. Starts, breaks and energy stay.

    Parameters
    ----------
    scenario : Scenario
        What was planned.
    schedule : Schedule
        The plan.

    Returns
    -------
    Schedule
        The same one where all sizes are whole already.
    dict of str to float
        By job whose sizes were rounded: work gained, as hours at its reference size on accelerators of relative
        speed 1 [h]. It is less than one accelerator achieves in a step, and negative only where no step of the job
        has an accelerator to spare.

    Notes
    -----
    These are largest remainders (Hamilton's method) within capacity. With proportional speed accelerator-hours stay
    the same, rounded up to a whole accelerator in one step. Power follows the whole sizes: in a step it differs from
    the plan by less than one accelerator of each elastic job, unless a full step passes its share to another.
    """
    entries = {job.name: schedule.jobs.get(job.name, JobSchedule(job=job.name)) for job in scenario.training}
    jobs = [job for job in scenario.training if any(run.accelerators % 1.0 for run in entries[job.name].segments)]
    if not jobs:
        return schedule, {}
    pieces = [piece for job in jobs for piece in _pieces(scenario, job, entries[job.name].segments)]
    short_h = {job.name: 0.0 for job in jobs}
    for piece in pieces:
        short_h[piece.job.name] += piece.work_h(piece.run.accelerators) - piece.work_h(piece.size)
    free = _free(scenario, _with_sizes(schedule, jobs, pieces))
    order = sorted(pieces, key=lambda piece: (round(piece.size - piece.run.accelerators, 6), piece.run.first_step))
    while _raised(order, short_h, free):
        pass
    return _with_sizes(schedule, jobs, pieces), {name: round(0.0 - hours, 9) for name, hours in short_h.items()}


def _pieces(scenario: Scenario, job: TrainingJob, segments: Sequence[Segment]) -> Iterator[_Piece]:
    for segment in segments:
        speed = job.accelerator_speed.get(scenario.site(segment.site).fleet(segment.fleet).accelerator, 1.0)
        for run in _steps(segment):
            hours_h = speed * segment_hours(scenario, run)
            yield _Piece(job=job, run=run, size=floor(run.accelerators + _TINY), hours_h=hours_h)


def _steps(segment: Segment) -> Iterator[Segment]:
    """The segment step by step."""
    first, last = segment.first_step, segment.stop_step - 1
    for step in range(first, last + 1):
        run = replace(segment, first_step=step, stop_step=step + 1)
        if step > first:
            run = replace(run, first_fraction=1.0)
        yield run if step == last else replace(run, last_fraction=1.0, frees_at_end=False, lost_h=None)


def _free(scenario: Scenario, schedule: Schedule) -> dict[tuple[str, str], FloatArray]:
    """Accelerators that neither train nor serve, by site and fleet, each of shape ``(T,)``."""
    return {
        (site.name, name): site.fleet(name).available - used
        for site in scenario.sites
        for name, used in site_load(scenario, schedule, site).accelerators_in_use.items()
    }


def _raised(pieces: Sequence[_Piece], short_h: dict[str, float], free: Mapping[tuple[str, str], FloatArray]) -> bool:
    """Give one accelerator to every step that may have it, in order, while its job is short of work."""
    raised = False
    for piece in pieces:
        gain_h = piece.work_h(piece.size + 1) - piece.work_h(piece.size)
        room = free[piece.place][piece.run.first_step]
        wanted = gain_h > 0.0 and short_h[piece.job.name] > _TINY * gain_h
        if wanted and piece.size < piece.job.largest and room >= 1.0 - _TINY:
            piece.size += 1
            short_h[piece.job.name] -= gain_h
            free[piece.place][piece.run.first_step] -= 1.0
            raised = True
    return raised


def _with_sizes(schedule: Schedule, jobs: Sequence[TrainingJob], pieces: Sequence[_Piece]) -> Schedule:
    found: dict[str, list[Segment]] = {job.name: [] for job in jobs}
    for piece in pieces:
        runs, run = found[piece.job.name], replace(piece.run, accelerators=float(piece.size))
        if runs and runs[-1].accelerators == run.accelerators and continues(runs[-1], run):
            begun = runs[-1]
            runs[-1] = replace(run, first_step=begun.first_step, first_fraction=begun.first_fraction)
        elif piece.size:
            runs.append(run)
    changed = {name: replace(schedule.jobs[name], segments=tuple(runs)) for name, runs in found.items()}
    return replace(schedule, jobs={**schedule.jobs, **changed})
