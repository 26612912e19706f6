"""A divisible job moves between fleets: its state crosses a link while the job waits.

Where the job is follows a flow: ``at[f, t] = at[f, t-1] + moves into f - moves out of f``. It runs only where it is,
not while its state is on the way, and it runs as soon as the state has arrived: moving later costs the same, and
this keeps a move from passing through a site that it does not use.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from joulewright.account import coefficients
from joulewright.model import TrainingJob
from joulewright.model.timeline import IntArray
from joulewright.physics.transfer import transfer_h
from joulewright.plan.model import Model, Run
from joulewright.plan.program import Block, Labeller, Term

FirstAndLast = tuple[IntArray, IntArray]
"""Columns that say on which fleet a job is at the begin and at the end of its window; none is 1 if it is rejected."""


@dataclass(frozen=True, eq=False)
class _Move:
    """Moves from one fleet to another, by the step in which the state leaves."""

    source: int
    target: int
    delay: int
    block: Block


def add_migration(model: Model, job: TrainingJob, runs: Sequence[Run], rejected: Block | None) -> FirstAndLast:
    """Add locations and moves of a job that may change its fleet."""
    places = [model.builder.variable("location", run.count, run.running.label, upper=1.0) for run in runs]
    begin = [Term(0, place.index[0], 1.0) for place in places]
    if rejected is not None:
        begin.append(Term(0, rejected.index, 1.0))
    model.builder.add_rows("first_location", 1, lambda _: job.name, begin, lower=1.0, upper=1.0)
    moves = list(_moves(model, job, runs))
    for position, (run, place) in enumerate(zip(runs, places, strict=True)):
        incoming = [move for move in moves if move.target == position]
        _add_flow(model, (run, place), incoming, [move for move in moves if move.source == position])
        _add_presence(model, (run, place), incoming)
        for move in incoming:
            _add_arrival(model, run, move)
        if job.restart_loss_h > 0.0 and job.accelerator_speed:
            _add_visits(model, run, [move for move in moves if move.source == position])
    first, last = (np.array([place.index[end] for place in places]) for end in (0, -1))
    return first, last


def _moves(model: Model, job: TrainingJob, runs: Sequence[Run]) -> Iterator[_Move]:
    for source, origin in enumerate(runs):
        for target, goal in enumerate(runs):
            delay = _transfer_steps(model, job, origin, goal)
            if source == target or delay is None:
                continue
            steps = np.arange(goal.count)
            here, there = origin.place.fleet.site.name, goal.place.fleet.site.name
            block = model.builder.variable(
                "move",
                goal.count,
                _labeller(origin, goal),
                upper=((steps > 0) & (steps + delay < goal.count)).astype(float),
                cost=coefficients.transfer_cost(model.inputs.scenario, job, here, there),
                integer=True,
            )
            yield _Move(source, target, delay, block)


def _labeller(origin: Run, goal: Run) -> Labeller:
    return lambda position: f"{origin.name}>{goal.running.label(position)}"


def _transfer_steps(model: Model, job: TrainingJob, origin: Run, goal: Run) -> int | None:
    """Steps a move takes; None where no link joins the sites."""
    here, there = origin.place.fleet.site.name, goal.place.fleet.site.name
    if here == there:
        return 0
    scenario = model.inputs.scenario
    link = scenario.link(here, there)
    return None if link is None else scenario.timeline.steps_for(transfer_h(job.checkpoint_gb, link.bandwidth_gbit_s))


def _add_flow(model: Model, parts: tuple[Run, Block], incoming: list[_Move], outgoing: list[_Move]) -> None:
    """The job is where it was unless it moves; where it begins is free."""
    run, place = parts
    rows = np.arange(run.count - 1)
    flow = [Term(rows, place.index[:-1], 1.0), Term(rows, place.index[1:], -1.0)]
    flow += [Term(rows, move.block.index[1:], 1.0) for move in incoming]
    flow += [Term(rows, move.block.index[1:], -1.0) for move in outgoing]
    label = run.running.label
    model.builder.add_rows("location_flow", rows.size, lambda row: label(row + 1), flow, lower=0.0, upper=0.0)


def _add_presence(model: Model, parts: tuple[Run, Block], incoming: list[_Move]) -> None:
    """The job runs only where it is, and not while its state is on the way there."""
    run, place = parts
    rows = np.arange(run.count)
    terms = [Term(rows, run.running.index, 1.0), Term(rows, place.index, -1.0)]
    for move in incoming:
        shifts = range(min(move.delay, run.count))
        terms += [Term(rows[shift:], move.block.index[: run.count - shift], 1.0) for shift in shifts]
    model.builder.add_rows("at_location", run.count, run.running.label, terms, upper=0.0)


def _add_arrival(model: Model, run: Run, move: _Move) -> None:
    """A move ends with the job running."""
    rows = np.arange(max(0, run.count - move.delay))
    terms = [Term(rows, move.block.index[: rows.size], 1.0), Term(rows, run.running.index[move.delay :], -1.0)]
    model.builder.add_rows("arrival", rows.size, move.block.label, terms, upper=0.0)


def _add_visits(model: Model, run: Run, outgoing: list[_Move]) -> None:
    """The job has run where it leaves, so where it begins is where it first runs: speeds differ by fleet."""
    rows, label = np.arange(run.count), run.running.label
    visited = model.builder.variable("visited", run.count, label, upper=1.0)
    grows = [Term(rows, visited.index, 1.0), Term(rows[1:], visited.index[:-1], -1.0)]
    grows.append(Term(rows, run.running.index, -1.0))
    model.builder.add_rows("visit", run.count, label, grows, upper=0.0)
    for move in outgoing:
        terms = [Term(rows[1:], move.block.index[1:], 1.0), Term(rows[1:], visited.index[:-1], -1.0)]
        model.builder.add_rows("departure", run.count, move.block.label, terms, upper=0.0)
