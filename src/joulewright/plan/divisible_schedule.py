"""Segments of pausable and elastic jobs from a solution."""

from __future__ import annotations

import numpy as np

from joulewright.model import FloatArray, Segment
from joulewright.plan.inputs import JobGroup
from joulewright.plan.model import JointProgram


def divisible_segments(joint: JointProgram, group: JobGroup, values: FloatArray) -> tuple[Segment, ...]:
    """Uninterrupted pieces of equal size, in time order."""
    segments: list[Segment] = []
    for place in group.placements:
        name = f"{group.job.name},{place.fleet.site.name}/{place.fleet.fleet.name},"
        for block in joint.program.variables.get("running", []):
            if not block.label(0).startswith(name):
                continue
            first = _first_step(joint, block.label(0))
            running = np.rint(block.values(values)) > 0.5
            held = (
                running * float(group.job.gpus) if group.job.kind == "pausable" else _sizes(joint, group, name, values)
            )
            held = np.where(running, held, 0.0)
            segments += _pieces(held, first, (place.fleet.site.name, place.fleet.fleet.name))
    return tuple(sorted(segments, key=lambda segment: segment.first_step))


def _first_step(joint: JointProgram, label: str) -> int:
    timeline = joint.inputs.scenario.timeline
    wanted = label.rsplit(",", 1)[1]
    return next(step for step in range(timeline.steps) if timeline.label(step) == wanted)


def _sizes(joint: JointProgram, group: JobGroup, name: str, values: FloatArray) -> FloatArray:
    blocks = [block for block in joint.program.variables["size"] if block.label(0).startswith(name)]
    sizes = [size for size, _ in group.job.speed_points]
    return np.sum([block.values(values) * size for block, size in zip(blocks, sizes, strict=True)], axis=0)


def _pieces(held: FloatArray, first: int, place: tuple[str, str]) -> list[Segment]:
    pieces = []
    held = np.round(held, 9)
    edges = np.flatnonzero(np.diff(np.concatenate([[0.0], held, [0.0]])))
    for begin, end in zip(edges[:-1], edges[1:], strict=True):
        if held[begin] > 0.0:
            pieces.append(
                Segment(
                    site=place[0],
                    fleet=place[1],
                    first_step=first + int(begin),
                    stop_step=first + int(end),
                    accelerators=float(held[begin]),
                )
            )
    return pieces
