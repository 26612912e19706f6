"""Which stages may get executors."""

from __future__ import annotations

from typing import Any

from joulewright.sim.compiler import inlined
from joulewright.sim.processes.dag.arrays import World


@inlined
def unassigned(stage: Any) -> Any:
    """Tasks of a stage not started and promised to nobody."""
    return stage.tasks - stage.started - stage.promised - stage.moving


@inlined
def held(job: Any) -> Any:
    """Executors in a job, moving to it or promised to it."""
    return job.attached + job.coming + job.promised_here


@inlined
def at_limit(w: World, number: int) -> Any:
    """Whether a job may have no executor of the present source."""
    job = w.jobs[number]
    return job.limit < w.rule[0].executors and number != w.run[0].source and held(job) >= job.limit


@inlined
def next_frontier(w: World, number: int, after: int) -> Any:
    """First stage of the frontier of a job behind ``after``; -1 if there is none."""
    job, run = w.jobs[number], w.run[0]
    if at_limit(w, number):
        return -1
    for at in range(max(job.first_stage, after + 1), job.end_stage):
        stage = w.stages[at]
        if unassigned(stage) <= 0 or stage.chosen == run.round:
            continue
        ready = True
        for edge in range(stage.parents_at, stage.parents_end):
            if unassigned(w.stages[w.parents[edge]]) > 0:
                ready = False
                break
        if ready:
            return at
    return -1
