"""One run of a study, as a function that any process on any machine can carry out."""

from __future__ import annotations

import pickle
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import get_args

from joulewright.account import settle
from joulewright.errors import DataError, SolverError
from joulewright.io.sealed import pack
from joulewright.model import JobRecord, Scenario, Schedule, Trajectory
from joulewright.model.event import EventKind
from joulewright.policy.base import AbstractPolicy
from joulewright.policy.forecast import AbstractForecaster
from joulewright.policy.planned.expectation import softened
from joulewright.policy.planned.oracle import oracle_plan
from joulewright.policy.planned.regret import owed_energy_cost
from joulewright.sim.simulate import Simulation, simulate
from joulewright.study.bands import bands_of
from joulewright.study.containment import Containment
from joulewright.study.regret import NO_CONTROL
from joulewright.study.result import ORACLE, JobSummary, RunKey, RunOutcome
from joulewright.study.store import software


@dataclass(frozen=True, kw_only=True, eq=False)
class RunTask:
    """What a process is asked to do.

    Attributes
    ----------
    key : RunKey
        Which run.
    policy : str or AbstractPolicy
        Specification of the policy, or the policy itself.
    forecast : str or AbstractForecaster
        Specification of the forecaster, or the forecaster itself.
    series : bool
        Whether the trajectory is wanted beside the outcome.
    software : str
        Hash of the software that asks; a worker with another one refuses.
    """

    key: RunKey
    policy: str | AbstractPolicy
    forecast: str | AbstractForecaster
    series: bool
    software: str


@dataclass(frozen=True, kw_only=True)
class RunReturn:
    """What comes back: the outcome and, where it was asked for, the packed trajectory."""

    outcome: RunOutcome
    trajectory: bytes | None = None


def freeze(scenario: Scenario) -> bytes:
    """A scenario as bytes that travel to workers."""
    return pickle.dumps(scenario, protocol=pickle.HIGHEST_PROTOCOL)


def run_task(content: bytes, task: RunTask) -> RunReturn:
    """Carry out one run; whatever its policy raises makes it a failed one.

    Parameters
    ----------
    content : bytes
        The undisturbed scenario from :func:`freeze`.
    task : RunTask
        What to do.
    """
    started = time.process_time()
    with Containment() as attempt:
        return _carried_out(pickle.loads(content), task, started)
    return RunReturn(outcome=RunOutcome(key=task.key, status="failed", error=attempt.error, cpu_s=_since(started)))


def _carried_out(scenario: Scenario, task: RunTask, started: float) -> RunReturn:
    if task.software != software():
        raise DataError(
            "this worker has another version of joulewright or of what it computes with than the study; install the "
            "same versions on all workers"
        )
    if task.key.policy == ORACLE:
        trajectory, standing = _foreseen(scenario, task.key.seed)
        figures = settle(trajectory.scenario, trajectory.schedule).summary()
    else:
        found = simulate(scenario, task.policy, seed=task.key.seed, forecaster=task.forecast)
        trajectory, standing, figures = _kept(found), {}, dict(found.figures)
    outcome = RunOutcome(
        key=task.key,
        figures=figures,
        standing={**standing, "benefit": priced_benefit(trajectory)},
        bands=bands_of(trajectory.scenario, trajectory.schedule),
        happenings=trajectory.happenings,
        jobs=job_summary(trajectory.jobs),
        clips={f"{clip.component} {clip.quantity}": clip.count for clip in trajectory.clips},
        notes=trajectory.notes,
        cpu_s=_since(started),
    )
    return RunReturn(outcome=outcome, trajectory=pack(trajectory) if task.series else None)


def _foreseen(scenario: Scenario, seed: int) -> tuple[Trajectory, dict[str, float]]:
    """The oracle's plan of what happens, as if it had been carried out, and what regret is measured by.

    Raises
    ------
    SolverError
        If no plan is found within the limits of an oracle.
    """
    idle = _kept(simulate(scenario, NO_CONTROL, seed=seed, forecaster="perfect"))
    truth = idle.scenario
    result = oracle_plan(truth)
    if result.schedule is None:
        raise SolverError(f"the oracle's search ended as {result.status!r} without a plan")
    trajectory = Trajectory(
        scenario=truth,
        schedule=result.schedule,
        policy=ORACLE,
        seed=seed,
        jobs=planned_records(truth, result.schedule),
        happenings=tuple(item for item in idle.happenings if item.kind in get_args(EventKind)),
        notes=result.notes,
    )
    return trajectory, {"bound": result.bound, "no_control_cost": settle(softened(truth), idle.schedule).cost}


def _kept(found: Simulation) -> Trajectory:
    if found.trajectory is None:
        raise TypeError(f"the simulation of {found.policy!r} kept no trajectory")
    return found.trajectory


def priced_benefit(trajectory: Trajectory) -> float:
    """Benefit with shortages and missing stored energy priced as the oracle sees them [currency]."""
    scenario, schedule = trajectory.scenario, trajectory.schedule
    return settle(softened(scenario), schedule).benefit - owed_energy_cost(scenario, schedule)


def _since(started: float) -> float:
    return time.process_time() - started


def planned_records(scenario: Scenario, schedule: Schedule) -> dict[str, JobRecord]:
    """How the training jobs go if a plan is carried out as it stands; a job that ends later has no end."""
    timeline, found = scenario.timeline, {}
    for job in scenario.training:
        segments = schedule.jobs[job.name].segments
        last = segments[-1] if segments else None
        inside = last is not None and last.stop_step <= timeline.steps
        found[job.name] = JobRecord(
            job=job.name,
            release_h=timeline.position(job.release) * timeline.step_h,
            start_h=segments[0].first_step * timeline.step_h if segments else None,
            end_h=(last.stop_step - 1.0 + last.last_fraction) * timeline.step_h if last and inside else None,
            restarts=max(0, len(segments) - 1),
            moves=sum(one.site != other.site for one, other in pairwise(segments)),
        )
    return found


def job_summary(records: Mapping[str, JobRecord]) -> JobSummary | None:
    """How the jobs of a run went; None without jobs.

    Examples
    --------
    >>> job_summary({"a": JobRecord(job="a", release_h=2.0, start_h=5.0), "b": JobRecord(job="b", release_h=0.0)})
    ... # doctest: +ELLIPSIS
    JobSummary(jobs=2, started=1, finished=0, ..., mean_wait_h=3.0, longest_wait_h=3.0)
    """
    jobs = list(records.values())
    if not jobs:
        return None
    waits = [job.start_h - job.release_h for job in jobs if job.start_h is not None]
    return JobSummary(
        jobs=len(jobs),
        started=len(waits),
        finished=sum(job.end_h is not None for job in jobs),
        restarts=sum(job.restarts for job in jobs),
        moves=sum(job.moves for job in jobs),
        lost_h=sum(job.lost_h for job in jobs),
        mean_wait_h=sum(waits) / len(waits) if waits else None,
        longest_wait_h=max(waits, default=None),
    )
