"""A divisible job moves between fleets: its state crosses a link while the job waits.

Where the job is follows a flow: ``at[f, t] = at[f, t-1] + moves into f - moves out of f``. It runs only where it is,
not while its state is on the way, and it runs as soon as the state has arrived: moving later costs the same, and
this keeps a move from passing through a site without using it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from joulewright.account import coefficients
from joulewright.model import TrainingJob
from joulewright.physics.transfer import transfer_h
from joulewright.plan.model import Model, Run
from joulewright.plan.program import Block, Labeller, Term


@dataclass(frozen=True, eq=False)
class _Move:
    """Moves from one fleet to another, by the step in which the state leaves."""

    source: int
    target: int
    delay: int
    block: Block


def add_migration(model: Model, job: TrainingJob, runs: Sequence[Run], rejected: Block | None) -> None:
    """Add locations and moves of a job that may change its fleet."""
    count = runs[0].count
    places = [model.builder.variable("location", count, run.running.label, upper=1.0) for run in runs]
    moves = list(_moves(model, job, runs))
    begin = [Term(0, place.index[0], 1.0) for place in places]
    if rejected is not None:
        begin.append(Term(0, rejected.index, 1.0))
    model.builder.add_rows("first_location", 1, lambda _: job.name, begin, lower=1.0, upper=1.0)
    for position, (run, place) in enumerate(zip(runs, places, strict=True)):
        _add_flow(model, run, place, [move for move in moves if position in (move.source, move.target)])
        _add_presence(model, run, place, [move for move in moves if move.target == position])


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


def _add_flow(model: Model, run: Run, place: Block, moves: list[_Move]) -> None:
    """The job is where it was, unless it moves; where it begins is free."""
    rows = np.arange(1, run.count)
    flow = [Term(rows - 1, place.index[:-1], 1.0), Term(rows - 1, place.index[1:], -1.0)]
    for move in moves:
        sign = 1.0 if run.running.label == move.block.label else -1.0
        flow.append(Term(rows - 1, move.block.index[1:], sign))
    model.builder.add_rows("location_flow", rows.size, run.label_from(1), flow, lower=0.0, upper=0.0)
