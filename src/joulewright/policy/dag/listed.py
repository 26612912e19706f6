"""Schedulers that go through a list: an order of jobs, a cap on each, an order of stages."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from joulewright.policy.dag.base import NO_JOB, NO_STAGE, AbstractDagScheduler, AbstractDagView, Grant
from joulewright.policy.dag.rules import CompiledRule, Conditions, JobCap, JobOrder, StageOrder


@dataclass(frozen=True, kw_only=True)
class ListRule:
    """How a list scheduler orders and caps."""

    job_order: JobOrder = JobOrder.ARRIVAL
    job_cap: JobCap = JobCap.HELD
    stage_order: StageOrder = StageOrder.RUNNABLE


class AbstractListScheduler(AbstractDagScheduler):
    """A scheduler that is a :class:`ListRule`.

    Executors of a job serve its stages first; otherwise the first job of the order that is below its cap and has a
    stage in the frontier gets as many as the stage has tasks for and the cap allows, one at least.
    """

    @property
    @abstractmethod
    def rule(self) -> ListRule:
        """The orders and the cap."""

    def answer(self, view: AbstractDagView) -> Grant:
        """Who gets executors of the present offer."""
        return list_answer(view, self.rule)

    def compiled(self, conditions: Conditions) -> CompiledRule | None:
        """The same decisions for the compiled simulator."""
        rule, none = self.rule, np.empty(0)
        return CompiledRule(
            job_order=rule.job_order,
            job_cap=rule.job_cap,
            stage_order=rule.stage_order,
            quota=np.empty(0, dtype=np.int64),
            base_psi=none,
            high_psi=none,
            shrink=none,
        )


def list_answer(view: AbstractDagView, rule: ListRule) -> Grant:
    """Answer of a list scheduler."""
    source = view.source_job
    if source != NO_JOB:
        stage = _best_stage(view, view.frontier(source), rule.stage_order)
        if stage != NO_STAGE:
            return Grant(stage, view.offered)
    jobs = view.jobs()
    total = _total(view, jobs, rule.job_cap)
    best, best_key, best_room = NO_STAGE, math.inf, 0
    for job in jobs:
        used = view.granted(job) if rule.job_cap == JobCap.GRANTED else view.held(job)
        room = _cap(view, job, rule.job_cap, total) - used
        if room <= 0 or not view.waiting(job):
            continue
        stage = _best_stage(view, view.frontier(job), rule.stage_order)
        if stage == NO_STAGE:
            continue
        if rule.job_order == JobOrder.ARRIVAL:
            best, best_room = stage, room
            break
        key = view.remaining_ms(job) if rule.job_order == JobOrder.SHORTEST_WORK else -view.path_ms(stage)
        if key < best_key:
            best, best_key, best_room = stage, key, room
    if best == NO_STAGE:
        return Grant(NO_STAGE)
    return Grant(best, max(1, min(view.unassigned(best), best_room, view.offered)))


def _total(view: AbstractDagView, jobs: Iterable[int], kind: JobCap) -> float:
    """Sum of weights of the jobs with unassigned tasks, by which a share is divided."""
    if kind not in (JobCap.FAIR, JobCap.WEIGHTED):
        return 0.0
    return sum((view.weight(job) if kind == JobCap.WEIGHTED else 1.0) for job in jobs if view.waiting(job))


def _cap(view: AbstractDagView, job: int, kind: JobCap, total: float) -> int:
    if kind not in (JobCap.FAIR, JobCap.WEIGHTED) or total <= 0.0:
        return view.executors
    weight = view.weight(job) if kind == JobCap.WEIGHTED else 1.0
    return math.ceil(view.executors * weight / total)


def _best_stage(view: AbstractDagView, stages: Iterable[int], order: StageOrder) -> int:
    """First stage of the order among some of one job; ``NO_STAGE`` if there is none."""
    if order == StageOrder.LONGEST_PATH:
        return max(stages, key=view.path_ms, default=NO_STAGE)
    best, best_rank = NO_STAGE, math.inf
    for stage in stages:
        rank = view.runnable_rank(stage)
        if best == NO_STAGE or 0 <= rank < best_rank:
            best, best_rank = stage, rank if rank >= 0 else math.inf
    return best
