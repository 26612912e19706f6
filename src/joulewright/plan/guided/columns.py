"""Which columns belong to which step, and which are integral."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from joulewright.model.timeline import IntArray
from joulewright.plan.guided.board import JobBoard
from joulewright.plan.model import JointProgram

_STATES = frozenset({"energy"})


@dataclass(frozen=True, eq=False)
class Columns:
    """Roles of the columns.

    Attributes
    ----------
    step : IntArray
        Step of every energy and routing column and of pausable and elastic runs, -1 for columns of no single step.
    state : NDArray of bool
        Stored energy: a value on the boundary at the start of its step.
    units : IntArray
        Generator commitment columns.
    divisible : IntArray
        Integer columns of pausable and elastic jobs.
    shared : IntArray
        Peaks and other continuous columns of no single step.
    jobs : tuple of IntArray
        Integer columns of every job group.
    """

    step: IntArray
    state: NDArray[np.bool_]
    units: IntArray
    divisible: IntArray
    shared: IntArray
    jobs: tuple[IntArray, ...]


def classify(joint: JointProgram, board: JobBoard) -> Columns:
    """Roles of the columns of a joint program."""
    program, steps = joint.program, joint.inputs.steps
    step = np.full(program.cost.size, -1, dtype=np.int64)
    state = np.zeros(program.cost.size, bool)
    job_families = {
        "start",
        "rejected",
        "rejected_divisible",
        "running",
        "begun",
        "size",
        "fleet_choice",
        "location",
        "move",
    }
    for name, blocks in program.variables.items():
        for block in blocks:
            if name not in job_families and block.size in (steps, steps + 1):
                step[block.index.ravel()] = np.arange(block.size)
                state[block.index.ravel()] = name in _STATES
    for run in (run for runs in joint.runs.values() for run in runs):
        for block in (run.running, *run.sizes, *(() if run.begun is None else (run.begun,))):
            step[block.index.ravel()] = run.first + np.arange(block.size)
    units = _family(joint, "on")
    other = program.integer.copy()
    other[board.bound_columns] = False
    other[units] = False
    shared = [block.index.ravel() for name in ("peak", "excess_carbon") for block in program.variables.get(name, [])]
    return Columns(
        step=step,
        state=state,
        units=units,
        divisible=np.flatnonzero(other),
        shared=np.concatenate(shared) if shared else np.empty(0, np.int64),
        jobs=tuple(_job_columns(joint, board)),
    )


def _job_columns(joint: JointProgram, board: JobBoard) -> Iterator[IntArray]:
    """Integer columns of each rigid group, then of each pausable or elastic job."""
    for group in range(board.count.size):
        own = [board.columns[board.group == group], board.rejection[board.optional == group]]
        yield np.concatenate(own).astype(np.int64)
    parts: dict[str, list[IntArray]] = {}
    for name in ("running", "fleet_choice", "move", "rejected_divisible"):
        for block in joint.program.variables.get(name, []):
            parts.setdefault(block.label(0).split(",")[0], []).append(block.index.ravel())
    for blocks in parts.values():
        yield np.concatenate(blocks)


def _family(joint: JointProgram, name: str) -> IntArray:
    blocks = [block.index.ravel() for block in joint.program.variables.get(name, [])]
    return np.concatenate(blocks) if blocks else np.empty(0, np.int64)
