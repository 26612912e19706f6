"""Schedulers that release stages by the signal within allowed ends, and serve what is released without delay."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from joulewright.errors import PolicyError
from joulewright.model.timeline import FloatArray
from joulewright.policy.dag.base import NO_JOB, NO_STAGE, AbstractDagScheduler, AbstractDagView, Grant, RunFacts
from joulewright.policy.dag.outlook import Outlook
from joulewright.policy.dag.planner.ends import Allowance
from joulewright.policy.dag.planner.levels import room_after_reserve
from joulewright.policy.dag.planner.watch import Watch, WatchedJob, most_movers

_WAIT = Grant(NO_STAGE, deferred=True)


@dataclass(frozen=True, kw_only=True)
class AbstractTimedScheduler(AbstractDagScheduler):
    """Parameters that planning schedulers share.

    Attributes
    ----------
    allowance_h, stretch, finish_by_h
        By when jobs may end, see :class:`~joulewright.policy.dag.planner.ends.Allowance`.
    window_h, forecast
        See :class:`~joulewright.policy.dag.outlook.Outlook`; beyond the window its last day repeats.
    anticipate : float
        Factor on the work that is expected to arrive, see the notes; 0 expects none.
    efficiency : float
        Share of the executors' time that can be filled with tasks, for chains and moves leave gaps; in (0, 1].
    reserve_h : float
        How long before ``finish_by_h`` what has arrived is to be done, for the sake of what arrives last [h].

    Raises
    ------
    PolicyError
        If a number is out of range.

    Notes
    -----
    Arrivals that have lasted for a time E go on at their mean rate and last at least s longer with probability
    ``E / (E + s)``: what follows for a duration of unknown scale of which the present is a random instant.

    References
    ----------
    Gott (1993), Implications of the Copernican principle for our future prospects, Nature 363, doi 10.1038/363315a0.
    """

    sources: ClassVar[tuple[str, ...]] = ("graham1969",)
    allowance_h: float = 24.0
    stretch: float = 1.0
    finish_by_h: float | None = None
    window_h: float = 48.0
    forecast: str = "diurnal-persistence"
    anticipate: float = 1.0
    efficiency: float = 0.9
    reserve_h: float = 1.0

    def __post_init__(self) -> None:
        self.allowance()
        Outlook(window_h=self.window_h, forecast=self.forecast)
        if not 0.0 <= self.anticipate < math.inf:
            raise PolicyError(f"anticipate is {self.anticipate!r}; allowed is any factor of at least 0")
        if not 0.0 < self.efficiency <= 1.0:
            raise PolicyError(f"efficiency is {self.efficiency!r}; allowed is any fraction above 0 and up to 1")
        if not 0.0 <= self.reserve_h < math.inf:
            raise PolicyError(f"reserve_h is {self.reserve_h!r}; allowed is any number of hours of at least 0")

    def allowance(self) -> Allowance:
        """By when jobs may end."""
        return Allowance(allowance_h=self.allowance_h, stretch=self.stretch, finish_by_h=self.finish_by_h)

    @property
    def outlook(self) -> Outlook:
        """The forecast of the signal."""
        return Outlook(window_h=self.window_h, forecast=self.forecast)

    def answer(self, view: AbstractDagView) -> Grant:
        """Refused: these are parameters, and what decides belongs to a run.

        Raises
        ------
        PolicyError
            Always.
        """
        raise PolicyError(
            f"{type(self).__name__} keeps a memory of its run: call begun() first, as simulate_dag does; "
            "it cannot be the base of another scheduler"
        )


class AbstractTimedRun(AbstractDagScheduler):
    """A planning scheduler in one run: what it decides are releases; order and the latest start are the same for all.

    Attributes
    ----------
    facts : RunFacts
        The run.
    watch : Watch
        Jobs seen so far.
    parameters : AbstractTimedScheduler
        What it was asked for.
    """

    def __init__(self, parameters: AbstractTimedScheduler, facts: RunFacts) -> None:
        self.parameters, self.facts = parameters, facts
        self.watch = Watch(facts, parameters.allowance())
        self._issued = parameters.outlook.issue(facts.signal, facts.signal.values)
        hour_ms = facts.signal.step_ms / facts.signal.step_h
        self._reserve_ms = 0.0 if parameters.finish_by_h is None else parameters.reserve_h * hour_ms
        self._looked_ms = -1
        self._urgent_end_ms = -math.inf

    @property
    def outlook(self) -> Outlook:
        """The forecast of the signal."""
        return self.parameters.outlook

    @abstractmethod
    def plan(self, view: AbstractDagView, *, new: bool) -> None:
        """Decide what may start from now on; ``new`` after jobs arrived."""

    @abstractmethod
    def released(self, view: AbstractDagView, job: WatchedJob, stage: int) -> int:
        """Most executors that the stage may get now; 0 to wait."""

    def expected(self, step: int, steps: int) -> FloatArray:
        """Signal expected at ``step`` for it and those after it, shape ``(steps,)``."""
        row: FloatArray = self._issued[step]
        known: FloatArray = row[~np.isnan(row)]
        if known.size >= steps:
            return known[:steps]
        day = min(known.size, max(1, round(24.0 / self.facts.signal.step_h)))
        return np.concatenate([known, np.resize(known[-day:], steps - known.size)])

    def room_ms(self, view: AbstractDagView, end_ms: float) -> FloatArray:
        """Work that can be done in each step from now to an end [executor-ms], shape ``(T,)``."""
        end_ms = max(end_ms - self._reserve_ms, view.now_ms + 1.0)
        steps = max(1, math.ceil(end_ms / view.step_ms) - view.step)
        begins = (view.step + np.arange(steps)) * float(view.step_ms)
        length = np.minimum(begins + view.step_ms, end_ms) - np.maximum(begins, view.now_ms)
        room_ms: FloatArray = np.maximum(0.0, length) * (view.executors * self.parameters.efficiency)
        return room_ms

    def room_left_ms(self, view: AbstractDagView, price: FloatArray, room_ms: FloatArray) -> FloatArray:
        """Room when the work that is expected to arrive has taken its part [executor-ms], shape ``(T,)``."""
        elapsed_ms = max(view.now_ms - self.watch.first_arrival_ms, view.step_ms)
        rate = self.parameters.anticipate * self.watch.arrived_ms / elapsed_ms
        arriving = room_ms * (rate / (view.executors * self.parameters.efficiency))
        ahead_ms = np.maximum(0.0, (view.step + 0.5 + np.arange(room_ms.size)) * view.step_ms - view.now_ms)
        # Nothing says when arrivals cease: as likely as not they last as long again as they have so far.
        return room_after_reserve(price, room_ms, arriving * (elapsed_ms / (elapsed_ms + ahead_ms)))

    def answer(self, view: AbstractDagView) -> Grant:
        """Who gets executors of the present offer."""
        if view.now_ms != self._looked_ms:
            self._looked_ms = view.now_ms
            new = self.watch.refresh(view)
            next_ms = (view.now_ms // view.step_ms + 1) * view.step_ms
            self._urgent_end_ms = self.watch.urgent_end_ms(next_ms + self._reserve_ms)
            if self.watch.jobs:
                self.plan(view, new=new)
        # None that still runs: a task promised to it could start earlier on an idle one. It is offered when it is free.
        free = view.offered - (view.busy - view.active)
        if free <= 0:
            return _WAIT
        for job, stage in self._candidates(view):
            most = self._most(view, job, stage)
            if most > 0:
                return Grant(stage, min(most, free))
        return _WAIT

    def _most(self, view: AbstractDagView, job: WatchedJob, stage: int) -> int:
        left = view.unassigned(stage)
        most = left if job.end_ms <= self._urgent_end_ms else min(left, self.released(view, job, stage))
        if most > 0 and view.job_of(stage) != view.source_job:
            work_ms = job.last_work_ms[stage - job.first_stage][left]
            most = min(most, most_movers(left, work_ms, self.facts.cluster))
        return most

    def _candidates(self, view: AbstractDagView) -> Iterator[tuple[WatchedJob, int]]:
        """Stages that can run, those of the source first, then by allowed end and by the longest chain left."""
        jobs = self.watch.jobs
        if view.source_job != NO_JOB:
            yield from self._of_job(view, view.source_job)
        for number in sorted(jobs, key=lambda item: (jobs[item].end_ms, -jobs[item].remainder.path_ms)):
            if number != view.source_job:
                yield from self._of_job(view, number)

    def _of_job(self, view: AbstractDagView, number: int) -> Iterator[tuple[WatchedJob, int]]:
        job = self.watch.jobs.get(number)
        if job is not None:
            ready = [stage for stage in view.frontier(number) if view.runnable_rank(stage) >= 0]
            for stage in sorted(ready, key=view.path_ms, reverse=True):
                yield job, stage
