"""From a schedule back to the integer columns of the joint model, to hold them or to start a search there."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from joulewright.model import JobSchedule, Schedule, TrainingJob
from joulewright.model.timeline import FloatArray, IntArray
from joulewright.physics.transfer import transfer_h
from joulewright.plan.inputs import JobGroup
from joulewright.plan.model import JointProgram, Run


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
            index = starts.placements[int(item)].fleet
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
            else:
                raise ValueError(f"job {name!r} must run, but has no segments in the schedule")


def _by_label(joint: JointProgram, family: str) -> dict[str, int]:
    blocks = joint.program.variables.get(family, [])
    return {block.label(item): block.first + item for block in blocks for item in range(block.size)}


def _hold_divisible(joint: JointProgram, group: JobGroup, entry: JobSchedule, values: FloatArray) -> None:
    name, rejections = group.job.name, _by_label(joint, "rejected_divisible")
    if not entry.segments:
        if name not in rejections:
            raise ValueError(f"job {name!r} must run, but has no segments in the schedule")
        values[rejections[name]] = 1.0
        return
    choices = _by_label(joint, "fleet_choice")
    for segment in entry.segments:
        run = find_run(joint, name, (segment.site, segment.fleet))
        if not run.first <= segment.first_step < segment.stop_step <= run.first + run.count:
            span = f"{joint.inputs.step_label(segment.first_step)} for {segment.stop_step - segment.first_step} steps"
            raise ValueError(f"job {name!r} cannot run from {span}, which leaves its window")
        values[run.running.index[segment.first_step - run.first : segment.stop_step - run.first]] = 1.0
        if run.name in choices:
            values[choices[run.name]] = 1.0
    for column in _moves(joint, group.job, entry):
        values[column] = 1.0


def find_run(joint: JointProgram, job: str, place: tuple[str, str]) -> Run:
    """Columns of a divisible job on ``(site, fleet)``.

    Raises
    ------
    ValueError
        If the job may not run there.
    """
    for run in joint.runs.get(job, ()):
        if (run.place.fleet.site.name, run.place.fleet.fleet.name) == place:
            return run
    raise ValueError(f"job {job!r} cannot run on {'/'.join(place)}")


def _moves(joint: JointProgram, job: TrainingJob, entry: JobSchedule) -> Iterator[int]:
    """Columns of the moves between segments on different fleets; the state arrives as the job goes on."""
    scenario, columns = joint.inputs.scenario, _by_label(joint, "move")
    for one, other in pairwise(entry.segments):
        if (one.site, one.fleet) == (other.site, other.fleet):
            continue
        link, delay = scenario.link(one.site, other.site), 0
        if link is not None and one.site != other.site:
            delay = scenario.timeline.steps_for(transfer_h(job.checkpoint_gb, link.bandwidth_gbit_s))
        leaves = joint.inputs.step_label(other.first_step - delay)
        label = f"{job.name},{one.site}/{one.fleet}>{job.name},{other.site}/{other.fleet},{leaves}"
        if label not in columns:
            raise ValueError(f"job {job.name!r} cannot move from {one.site} to {other.site} at {leaves}")
        yield columns[label]
