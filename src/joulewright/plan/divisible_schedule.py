"""Segments of pausable and elastic jobs from a solution."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from joulewright.model import Segment, TrainingJob
from joulewright.model.timeline import FloatArray
from joulewright.plan.model import JointProgram, Run


def divisible_segments(joint: JointProgram, job: TrainingJob, values: FloatArray) -> tuple[Segment, ...]:
    """Uninterrupted pieces of equal size, in time order."""
    segments = [segment for run in joint.runs.get(job.name, ()) for segment in _pieces(job, run, values)]
    return tuple(sorted(segments, key=lambda segment: segment.first_step))


def _pieces(job: TrainingJob, run: Run, values: FloatArray) -> list[Segment]:
    held = np.round(np.where(run.running.values(values) > 0.5, _accelerators(job, run, values), 0.0), 9)
    edges = np.flatnonzero(np.diff(np.concatenate([[0.0], held, [0.0]])))
    return [
        Segment(
            site=run.place.fleet.site.name,
            fleet=run.place.fleet.fleet.name,
            first_step=run.first + int(begin),
            stop_step=run.first + int(end),
            accelerators=float(held[begin]),
        )
        for begin, end in pairwise(edges)
        if held[begin] > 0.0
    ]


def _accelerators(job: TrainingJob, run: Run, values: FloatArray) -> FloatArray:
    """Accelerators held in each step while the job runs, shape ``(steps of the window,)``."""
    held = np.zeros(run.count)
    for block, (gpus, _) in zip(run.sizes, job.speed_points, strict=False):
        held += gpus * block.values(values)
    return held if run.sizes else held + float(job.gpus)
