"""What actions on jobs change in an observation before anything else is decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from joulewright.policy.decision import JobAction
from joulewright.policy.observation import JobObservation, JobStatus, Observation


def after_actions(observation: Observation, actions: Sequence[JobAction]) -> Observation:
    """The observation with the jobs as they are once ``actions`` are carried out.

    Only ``jobs`` changes: who runs where on how many accelerators. Actions on unknown jobs are passed over; carrying
    them out is what reports them.
    """
    if not actions:
        return observation
    jobs = dict(observation.jobs)
    for action in actions:
        if action.job not in jobs:
            continue
        if action.kind == "reject":
            del jobs[action.job]
        else:
            jobs[action.job] = _after(jobs[action.job], action)
    return replace(observation, jobs=jobs)


def _after(item: JobObservation, action: JobAction) -> JobObservation:
    size = float(item.job.gpus) if action.accelerators is None else action.accelerators
    site, fleet = action.site or item.site, action.fleet or item.fleet
    if action.kind == "start":
        return replace(item, status="running", site=site, fleet=fleet, accelerators=size, status_h=0.0)
    if action.kind == "resize":
        return replace(item, accelerators=size)
    status: JobStatus = "paused" if action.kind == "pause" else "moving"
    return replace(item, status=status, site=site, fleet=fleet, accelerators=0.0, status_h=0.0)
