"""Pausable and elastic jobs: run now, pause, run again.

A pausable job runs at full size or not at all; an elastic one runs at a convex combination of its
(accelerators, speed) points. Both stay at one site unless they may migrate. Work: ``sum of h speed run - loss (runs - 1) >=
duration``, written as shares of the duration on each fleet. Runs last at least the minimum run time
(Rajan and Takriti 2005). A migration moves the checkpoint over a link: the job pauses for the transfer and pays for the data;
where it is follows a flow between fleets, which is exact and tight.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from joulewright.account import coefficients
from joulewright.errors import InfeasibleError
from joulewright.physics.transfer import transfer_h
from joulewright.plan.constraints.assignment import no_place
from joulewright.plan.inputs import JobGroup, Placement
from joulewright.plan.model import Model
from joulewright.plan.program import Block, Term


@dataclass(frozen=True, eq=False)
class _Run:
    """Columns of one job on one fleet over the steps ``first..last``."""

    place: Placement
    name: str
    running: Block
    begun: Block | None
    first: int
    count: int


def add_divisible(model: Model) -> None:
    """Add run, start and site variables and all rows of the divisible jobs."""
    for group in model.inputs.divisible:
        first, stop = _window(model, group)
        if not group.placements or stop <= first:
            if group.job.required:
                raise InfeasibleError(no_place(model.inputs, group))
            model.builder.variable("rejected_divisible", 1, lambda _, n=group.job.name: n, lower=1.0, upper=1.0)  # type: ignore[misc]
            continue
        _add_job(model, group, (first, stop))


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


def _add_job(model: Model, group: JobGroup, window: tuple[int, int]) -> None:
    job, builder = group.job, model.builder
    needs_begun = job.min_run_h > 0.0 or job.restart_loss_h > 0.0
    runs = [_add_run(model, group, place, (window, needs_begun)) for place in group.placements]
    rejected = None
    if not job.required:
        builder.offset -= job.value
        rejected = builder.variable(
            "rejected_divisible", 1, lambda _: job.name, upper=1.0, cost=job.value, integer=True
        )
    work = [_work_term(model, group, run) for run in runs]
    for run in runs:
        if job.restart_loss_h > 0.0 and run.begun is not None:
            work.append(Term(0, run.begun.index, -_share(model, group, run, job.restart_loss_h)))
    loss = max((_share(model, group, run, job.restart_loss_h) for run in runs), default=0.0)
    if rejected is not None:
        work.append(Term(0, rejected.index, 1.0 - loss))
    # More than the last step's worth of extra work is waste that negative prices would otherwise reward.
    spare = (1.0 - 1e-6) * min(_slowest_step(model, group, run) for run in runs)
    builder.add_rows("work", 1, lambda _: job.name, work, lower=1.0 - loss, upper=1.0 - loss + spare)
    _tie_to_sites(model, group, runs, rejected)
    if job.running_since is not None or job.start is not None:
        pinned = [Term(0, run.running.index[0], 1.0) for run in runs]
        if rejected is not None:
            pinned.append(Term(0, rejected.index, 1.0))
        builder.add_rows("pinned_start", 1, lambda _: job.name, pinned, lower=1.0)


def _add_run(
    model: Model, group: JobGroup, place: Placement, parts: tuple[tuple[int, int], bool]
) -> _Run:
    (first, stop), needs_begun = parts
    job, builder, count = group.job, model.builder, stop - first
    name = f"{job.name},{place.fleet.site.name}/{place.fleet.fleet.name}"

    def label(position: int) -> str:
        return f"{name},{model.inputs.step_label(first + position)}"

    steps = np.arange(first, stop)
    running = builder.variable("running", count, label, upper=1.0, integer=True)
    idle = place.fleet.fleet.idle_power_mw
    site = place.fleet.site_position
    if job.kind == "pausable":
        _use(model, place, (steps, running, float(job.gpus)), idle=idle, site=site)
    else:
        points = job.speed_points
        mixes = []
        for item, (size, _) in enumerate(points):
            mix = builder.variable("size", count, lambda p, item=item: f"{label(p)},{item}", upper=1.0)  # type: ignore[misc]
            _use(model, place, (steps, mix, size), idle=idle, site=site)
            mixes.append(Term(steps - first, mix.index, 1.0))
        builder.add_rows(
            "size_mix", count, label, [*mixes, Term(steps - first, running.index, -1.0)], lower=0.0, upper=0.0
        )
    begun = None
    if needs_begun:
        begun = _add_begun(model, group, (running, label, first))
    return _Run(place, name, running, begun, first, count)


def _use(
    model: Model, place: Placement, parts: tuple[np.ndarray, Block, float], *, idle: float, site: int
) -> None:
    """Let the columns hold ``gpus`` accelerators and draw their power."""
    steps, columns, gpus = parts
    model.capacity[place.fleet.position].append(Term(steps, columns.index, gpus))
    model.it_power[site].append(Term(steps, columns.index, gpus * (place.power_mw - idle)))


def _add_begun(model: Model, group: JobGroup, parts: tuple[Block, object, int]) -> Block:
    """Starts of runs, and minimum run length unless the window ends first."""
    running, _, first = parts
    builder, job, count = model.builder, group.job, running.size

    def label(position: int) -> str:
        return running.label(position)

    begun = builder.variable("begun", count, label, upper=1.0)
    rows = np.arange(count)
    builder.add_rows(
        "begin",
        count,
        label,
        [
            Term(rows, begun.index, 1.0),
            Term(rows, running.index, -1.0),
            Term(rows[1:], running.index[:-1], 1.0),
        ],
        lower=0.0,
    )
    timeline = model.inputs.scenario.timeline
    shortest = min(
        timeline.steps_for(job.min_run_h),
        min((place.steps for place in group.placements), default=1) if job.kind == "pausable" else count,
    )
    if shortest > 1:
        offsets = np.arange(min(shortest, count))
        at = np.repeat(rows, offsets.size)
        source = at - np.tile(offsets, count)
        inside = source >= 0
        terms = [Term(at[inside], begun.index[source[inside]], 1.0), Term(rows, running.index, -1.0)]
        builder.add_rows("min_run", count, label, terms, upper=0.0)
        # A run may not begin so late that it cannot reach its minimum length.
        late = rows > count - shortest
        late[0] = False
        tail = np.flatnonzero(late)
        if tail.size:
            builder.add_rows("min_run_tail", tail.size, label, [Term(np.arange(tail.size), begun.index[tail], 1.0)], upper=0.0)
    return begun


def _share(model: Model, group: JobGroup, run: _Run, hours: float) -> float:
    """Hours of work on a fleet as a share of the whole job."""
    return hours / group.job.duration_on(run.place.fleet.fleet, model.inputs.scenario.timeline)


def _slowest_step(model: Model, group: JobGroup, run: _Run) -> float:
    """Least work of a step in which the job runs, as a share of the whole job."""
    slowest = group.job.speed_points[0][1] if group.job.kind == "elastic" else 1.0
    return _share(model, group, run, model.inputs.step_h) * slowest


def _work_term(model: Model, group: JobGroup, run: _Run) -> Term:
    per_step = _share(model, group, run, model.inputs.step_h)
    if group.job.kind == "pausable":
        return Term(0, run.running.index, per_step)
    columns, values = [], []
    blocks = [block for block in model.builder.variables["size"] if block.label(0).startswith(f"{run.name},")]
    for block, (_, speed) in zip(blocks, group.job.speed_points, strict=True):
        columns.append(block.index)
        values.append(np.full(block.size, per_step * speed))
    return Term(0, np.concatenate(columns), np.concatenate(values))


def _tie_to_sites(model: Model, group: JobGroup, runs: list[_Run], rejected: Block | None) -> None:
    """One fleet for the whole job, or one fleet per step where it may migrate."""
    job, builder = group.job, model.builder
    if len(runs) == 1:
        return
    if job.migratable:
        _add_migration(model, group, runs, rejected)
        return
    chosen = builder.variable(
        "fleet_choice", len(runs), lambda position: runs[position].name, upper=1.0, integer=True
    )
    terms = [Term(0, chosen.index, 1.0)]
    if rejected is not None:
        terms.append(Term(0, rejected.index, 1.0))
    builder.add_rows("one_fleet", 1, lambda _: job.name, terms, lower=1.0, upper=1.0)
    for position, run in enumerate(runs):
        rows = np.arange(run.count)
        builder.add_rows(
            "at_fleet",
            run.count,
            run.running.label,
            [Term(rows, run.running.index, 1.0), Term(rows, chosen.index[position], -1.0)],
            upper=0.0,
        )


def _add_migration(model: Model, group: JobGroup, runs: list[_Run], rejected: Block | None) -> None:
    """Location as a flow from fleet to fleet; a move blocks running for the transfer time."""
    builder, scenario, count = model.builder, model.inputs.scenario, runs[0].count
    rows = np.arange(count)
    places = [
        builder.variable("location", count, lambda p, run=run: run.running.label(p), upper=1.0)  # type: ignore[misc]
        for run in runs
    ]
    inflow: list[list[Term]] = [[Term(rows[1:], place.index[:-1], 1.0), Term(rows, place.index, -1.0)] for place in places]
    blocked: list[list[Term]] = [[] for _ in runs]
    for source, origin in enumerate(runs):
        for target, goal in enumerate(runs):
            delay = _transfer_steps(model, group, origin, goal)
            if source == target or delay is None:
                continue
            cost = coefficients.transfer_cost(scenario, group.job, origin.place.fleet.site.name, goal.place.fleet.site.name)
            move = builder.variable(
                "move", count, lambda p, a=origin, b=goal: f"{a.name}>{b.running.label(p)}", upper=1.0, cost=cost, integer=True  # type: ignore[misc]
            )
            inflow[source].append(Term(rows[1:], move.index[1:], -1.0))
            inflow[target].append(Term(rows[1:], move.index[1:], 1.0))
            for shift in range(delay):
                blocked[target].append(Term(rows[shift:], move.index[: count - shift], 1.0))
    begin = [Term(0, place.index[0], 1.0) for place in places]
    if rejected is not None:
        begin.append(Term(0, rejected.index, 1.0))
    builder.add_rows("first_location", 1, lambda _: group.job.name, begin, lower=1.0, upper=1.0)
    for run, place, flow, stops in zip(runs, places, inflow, blocked, strict=True):
        free_start = np.zeros(count)
        free_start[0] = 1.0
        builder.add_rows("location_flow", count, run.running.label, flow, lower=-free_start, upper=0.0)
        at = [Term(rows, run.running.index, 1.0), Term(rows, place.index, -1.0), *stops]
        builder.add_rows("at_location", count, run.running.label, at, upper=0.0)


def _transfer_steps(model: Model, group: JobGroup, origin: _Run, goal: _Run) -> int | None:
    """Steps a move takes; None where no link joins the sites."""
    here, there = origin.place.fleet.site.name, goal.place.fleet.site.name
    if here == there:
        return 0
    link = model.inputs.scenario.link(here, there)
    if link is None:
        return None
    hours = transfer_h(group.job.checkpoint_gb, link.bandwidth_gbit_s)
    return model.inputs.scenario.timeline.steps_for(hours)
