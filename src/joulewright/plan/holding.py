"""From a schedule back to the integer columns of the joint model, to hold them or to start a search there."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from joulewright.model import JobSchedule, Schedule, Segment
from joulewright.plan.inputs import JobGroup
from joulewright.plan.model import JointProgram
from joulewright.plan.placement import place_cheaply
from joulewright.plan.program import Block, FloatArray, IntArray


def integer_values(joint: JointProgram, schedule: Schedule) -> tuple[IntArray, FloatArray]:
    """Integer columns of a joint model without direction binaries and their values in a schedule.

    Parameters
    ----------
    joint : JointProgram
        The model of the schedule's scenario.
    schedule : Schedule
        A plan or a baseline.

    Returns
    -------
    IntArray, FloatArray
        Columns and values, of equal shape.

    Raises
    ------
    ValueError
        If a job runs where or when the model has no column for it.
    """
    values = np.zeros(joint.program.cost.size)
    _hold_rigid(joint, schedule, values)
    for group in joint.inputs.divisible:
        _hold_divisible(joint, group, schedule.jobs[group.names[0]], values)
    for block in joint.program.variables.get("on", []):
        site, _, name = block.label(0).rsplit(",", 1)[0].partition("/")
        if site in schedule.sites:
            values[block.index] = schedule.sites[site].generators[name].on
    columns = np.flatnonzero(joint.program.integer).astype(np.int64)
    return columns, values[columns]


def greedy_assignment(joint: JointProgram) -> tuple[IntArray, FloatArray]:
    """Start and rejection columns of the rigid jobs and their values in the greedy placement.

    Raises
    ------
    ValueError
        If a job that must run was put where the model has no column for it.
    """
    values = np.zeros(joint.program.cost.size)
    _hold_rigid(joint, place_cheaply(joint.inputs), values)
    blocks = [block for name in ("start", "rejected") for block in joint.program.variables.get(name, [])]
    columns = np.concatenate([block.index for block in blocks] or [np.empty(0, np.int64)])
    return columns, values[columns]


def start_column(joint: JointProgram, group: int, place: tuple[str, str], step: int) -> int:
    """Column of a start of a group of rigid jobs on ``(site, fleet)``.

    Raises
    ------
    ValueError
        If the model has none.
    """
    starts = joint.starts
    if starts is not None:
        for item in np.flatnonzero((starts.group == group) & (starts.step == step)):
            index = starts.placements[item].fleet
            if (index.site.name, index.fleet.name) == place:
                return int(starts.block.index[item])
    name = joint.inputs.rigid[group].job.name
    raise ValueError(f"job {name!r} cannot start on {'/'.join(place)} at {joint.inputs.step_label(step)}")


def _hold_rigid(joint: JointProgram, schedule: Schedule, values: FloatArray) -> None:
    rejections = _by_label(joint, "rejected")
    for position, group in enumerate(joint.inputs.rigid):
        for name in group.names:
            entry = schedule.jobs[name]
            if entry.segments:
                first = entry.segments[0]
                values[start_column(joint, position, (first.site, first.fleet), first.first_step)] += 1.0
            elif group.job.name in rejections:
                values[rejections[group.job.name]] += 1.0


def _by_label(joint: JointProgram, family: str) -> dict[str, int]:
    blocks = joint.program.variables.get(family, [])
    return {block.label(item): block.first + item for block in blocks for item in range(block.size)}


def _hold_divisible(joint: JointProgram, group: JobGroup, entry: JobSchedule, values: FloatArray) -> None:
    name, rejections = group.job.name, _by_label(joint, "rejected_divisible")
    if not entry.segments:
        values[rejections[name]] = 1.0
        return
    choices = _by_label(joint, "fleet_choice")
    for segment in entry.segments:
        block, offset = running_block(joint, name, segment)
        values[block.index[segment.first_step - offset : segment.stop_step - offset]] = 1.0
        chosen = choices.get(f"{name},{segment.site}/{segment.fleet}")
        if chosen is not None:
            values[chosen] = 1.0
    for column in _moves(joint, name, entry):
        values[column] = 1.0


def running_block(joint: JointProgram, job: str, place: Segment) -> tuple[Block, int]:
    """Run columns of a divisible job on the fleet of a segment, and the step of the first one.

    Raises
    ------
    ValueError
        If the job may not run there.
    """
    head = f"{job},{place.site}/{place.fleet},"
    labels = {joint.inputs.step_label(step): step for step in range(joint.inputs.steps)}
    for block in joint.program.variables.get("running", []):
        label = block.label(0)
        if label.startswith(head):
            return block, labels[label.removeprefix(head)]
    raise ValueError(f"job {job!r} cannot run on {place.site}/{place.fleet}")


def _moves(joint: JointProgram, name: str, entry: JobSchedule) -> Iterator[int]:
    """Columns of the moves between consecutive segments; a job leaves as soon as it stops."""
    for one, other in zip(entry.segments, entry.segments[1:], strict=False):
        if (one.site, one.fleet) == (other.site, other.fleet):
            continue
        head = (
            f"{name},{one.site}/{one.fleet}>{name},{other.site}/{other.fleet},{joint.inputs.step_label(one.stop_step)}"
        )
        column = _by_label(joint, "move").get(head)
        if column is not None:
            yield column
