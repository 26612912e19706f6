"""Pausable and elastic jobs: run now, pause, run again.

A pausable job runs at full size or not at all; an elastic one runs at a convex combination of its
(accelerators, speed) points. Work: ``sum of h speed run - loss (runs - 1) >= duration``, written as shares of the
duration on each fleet. Runs last at least the minimum run time (Rajan and Takriti 2005). The job stays on one
fleet unless it may migrate (:mod:`joulewright.plan.constraints.migration`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from joulewright.model import TrainingJob
from joulewright.plan.constraints.assignment import no_place
from joulewright.plan.constraints.migration import FirstAndLast, add_migration
from joulewright.plan.inputs import JobGroup, Placement
from joulewright.plan.model import Model, Run
from joulewright.plan.program import Block, Labeller, Term

_STEP_TOLERANCE = 1e-5
"""Ten times the feasibility tolerance of HiGHS for integer programs."""


def add_divisible(model: Model) -> None:
    """Add run, start and fleet variables and all rows of the divisible jobs."""
    for group in model.inputs.divisible:
        window = _window(model, group)
        possible = bool(group.placements) and window[0] < window[1]
        if not possible and group.job.required:
            raise no_place(model.inputs, group)
        rejected = _rejection(model, group, possible=possible)
        if possible:
            runs = tuple(_add_run(model, group, place, window) for place in group.placements)
            model.runs[group.job.name] = runs
            places = add_migration if group.job.migratable and len(runs) > 1 else _add_fleet_choice
            _add_work(model, group, runs, places(model, group.job, runs, rejected))
            _add_pinned_start(model, group, runs, rejected)


def _window(model: Model, group: JobGroup) -> tuple[int, int]:
    """Steps in which the job may run; as early as possible where shifting is switched off."""
    job, timeline = group.job, model.inputs.scenario.timeline
    first, stop = job.first_step(timeline), min(job.last_boundary(timeline), timeline.steps)
    if job.running_since is not None:
        first = 0
    elif job.start is not None:
        first = max(first, timeline.ceil(job.start))
    if "shifting" in model.without and group.placements:
        fastest = job.speed_points[-1][1] if job.kind == "elastic" else 1.0
        hours = max(place.steps for place in group.placements) * timeline.step_h / min(1.0, fastest)
        stop = min(stop, first + timeline.steps_for(hours))
    return first, stop


def _rejection(model: Model, group: JobGroup, *, possible: bool) -> Block | None:
    """Rejection of an optional job, certain where it has no place; its value is a constant of the objective."""
    job = group.job
    value = job.value if possible else 0.0
    model.builder.offset -= value
    if job.required:
        return None
    return model.builder.variable(
        "rejected_divisible",
        1,
        lambda _: job.name,
        lower=float(not possible),
        upper=1.0,
        cost=value,
        integer=possible,
    )


def _add_run(model: Model, group: JobGroup, place: Placement, window: tuple[int, int]) -> Run:
    job, builder, (first, stop) = group.job, model.builder, window
    name, count = f"{job.name},{place.fleet.site.name}/{place.fleet.fleet.name}", stop - first
    label, rows = model.label(name, first=first), np.arange(count)
    running = builder.variable("running", count, label, upper=1.0, integer=True)
    begun = None
    if job.min_run_h > 0.0 or job.restart_loss_h > 0.0:
        begun = builder.variable("begun", count, label, upper=1.0)
    sizes = _size_variables(model, group, label, count)
    run = Run(place, name, first, running, sizes, begun)
    if sizes:
        mixes = [Term(rows, size.index, 1.0) for size in sizes]
        mixes.append(Term(rows, running.index, -1.0))
        builder.add_rows("size_mix", count, label, mixes, lower=0.0, upper=0.0)
    for block, gpus, _ in _levels(group, run):
        more_mw = place.power_mw - place.fleet.fleet.idle_power_mw
        model.capacity[place.fleet.position].append(Term(rows + first, block.index, gpus))
        model.it_power[place.fleet.site_position].append(Term(rows + first, block.index, gpus * more_mw))
    if begun is not None:
        _add_begun(model, group, run, begun)
    return run


def _size_variables(model: Model, group: JobGroup, label: Labeller, count: int) -> tuple[Block, ...]:
    """Weights of an elastic job's (accelerators, speed) points; none for a pausable job."""
    if group.job.kind == "pausable":
        return ()

    def numbered(item: int) -> Labeller:
        return lambda position: f"{label(position)},{item}"

    points = range(len(group.job.speed_points))
    return tuple(model.builder.variable("size", count, numbered(item), upper=1.0) for item in points)


def _levels(group: JobGroup, run: Run) -> list[tuple[Block, float, float]]:
    """Columns that hold accelerators while the job runs, with how many and how fast they work."""
    if not run.sizes:
        return [(run.running, float(group.job.gpus), 1.0)]
    return [(block, gpus, speed) for block, (gpus, speed) in zip(run.sizes, group.job.speed_points, strict=True)]


def _add_begun(model: Model, group: JobGroup, run: Run, begun: Block) -> None:
    """Starts of runs, and a minimum run length."""
    rows, running = np.arange(run.count), run.running
    terms = [
        Term(rows, begun.index, 1.0),
        Term(rows, running.index, -1.0),
        Term(rows[1:], running.index[:-1], 1.0),
    ]
    model.builder.add_rows("begin", run.count, running.label, terms, lower=0.0)
    # Beginnings that are none would let a job waste power where prices are negative.
    real = [Term(rows, begun.index, 1.0), Term(rows, running.index, -1.0)]
    model.builder.add_rows("begin_running", run.count, running.label, real, upper=0.0)
    rest = [Term(rows, begun.index, 1.0), Term(rows[1:], running.index[:-1], 1.0)]
    model.builder.add_rows("begin_rested", run.count, running.label, rest, upper=1.0)
    shortest = _shortest_run(model, group, run)
    if shortest <= 1:
        return
    offsets = np.tile(np.arange(min(shortest, run.count)), run.count)
    at = np.repeat(rows, offsets.size // run.count)
    source = at - offsets
    # A job that runs already has part of its first run behind it.
    inside = (source > 0) | ((source == 0) & (offsets < shortest - _steps_before(model, group)))
    terms = [Term(at[inside], begun.index[source[inside]], 1.0), Term(rows, running.index, -1.0)]
    model.builder.add_rows("min_run", run.count, running.label, terms, upper=0.0)
    # A run may not begin so late that the window ends before its minimum length.
    late = rows[max(1, run.count - shortest + 1) :]
    if late.size:
        terms = [Term(np.arange(late.size), begun.index[late], 1.0)]
        model.builder.add_rows(
            "min_run_tail", late.size, lambda position: running.label(int(late[position])), terms, upper=0.0
        )


def _shortest_run(model: Model, group: JobGroup, run: Run) -> int:
    """Fewest steps of a run: the minimum, but not more than the whole job takes at its highest speed."""
    job, timeline = group.job, model.inputs.scenario.timeline
    fastest = job.speed_points[-1][1] if job.kind == "elastic" else 1.0
    whole_h = job.duration_on(run.place.fleet.fleet, timeline) / max(1.0, fastest)
    return min(timeline.steps_for(job.min_run_h), timeline.steps_for(whole_h))


def _steps_before(model: Model, group: JobGroup) -> int:
    """Whole steps for which the job has already run when the horizon begins."""
    since = group.job.running_since
    return 0 if since is None else -model.inputs.scenario.timeline.ceil(since)


def _add_fleet_choice(model: Model, job: TrainingJob, runs: Sequence[Run], rejected: Block | None) -> FirstAndLast:
    """One fleet for the whole job."""
    builder = model.builder
    chosen = builder.variable("fleet_choice", len(runs), lambda position: runs[position].name, upper=1.0, integer=True)
    terms = [Term(0, chosen.index, 1.0)]
    if rejected is not None:
        terms.append(Term(0, rejected.index, 1.0))
    builder.add_rows("one_fleet", 1, lambda _: job.name, terms, lower=1.0, upper=1.0)
    if len(runs) == 1 and job.required:
        return chosen.index, chosen.index
    for run, choice in zip(runs, chosen.index, strict=True):
        rows = np.arange(run.count)
        there = [Term(rows, run.running.index, 1.0), Term(rows, choice, -1.0)]
        builder.add_rows("at_fleet", run.count, run.running.label, there, upper=0.0)
    return chosen.index, chosen.index


def _add_work(model: Model, group: JobGroup, runs: Sequence[Run], places: FirstAndLast) -> None:
    """All work is done, and less than the last step's worth beyond it, which negative prices would otherwise reward.

    Rows count steps on the slowest fleet, so that a solver's tolerance is a small part of a step. Every run is
    charged a loss, which the first one gets back.
    """
    job, timeline = group.job, model.inputs.scenario.timeline
    whole = np.array([job.duration_on(run.place.fleet.fleet, timeline) / timeline.step_h for run in runs])
    per_step = whole.max() / whole
    loss = per_step * job.restart_loss_h / timeline.step_h
    work = []
    for position, run in enumerate(runs):
        work += [Term(0, block.index, per_step[position] * speed) for block, _, speed in _levels(group, run)]
        if run.begun is not None:
            work.append(Term(0, run.begun.index, -loss[position]))
    first, last = places
    spare = (1.0 - _STEP_TOLERANCE) * per_step * [_levels(group, run)[0][2] for run in runs]
    least = [*work, Term(0, first, loss - whole.max())]
    most = [*work, Term(0, first, loss), Term(0, last, -whole.max() - spare)]
    model.builder.add_rows("work", 1, lambda _: job.name, least, lower=0.0)
    model.builder.add_rows("work_limit", 1, lambda _: job.name, most, upper=0.0)


def _add_pinned_start(model: Model, group: JobGroup, runs: Sequence[Run], rejected: Block | None) -> None:
    """A job with a pinned start, or one that already runs, runs in the first step of its window."""
    job = group.job
    if job.running_since is None and job.start is None:
        return
    pinned = [Term(0, run.running.index[0], 1.0) for run in runs]
    if rejected is not None:
        pinned.append(Term(0, rejected.index, 1.0))
    model.builder.add_rows("pinned_start", 1, lambda _: job.name, pinned, lower=1.0)
