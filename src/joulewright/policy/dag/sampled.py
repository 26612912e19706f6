"""Schedulers that give every stage of the frontier a probability and draw one."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from joulewright.errors import PolicyError
from joulewright.policy.dag.base import NO_STAGE, AbstractDagScheduler, AbstractDagView, Grant
from joulewright.policy.dag.rules import CompiledRule, Conditions, Limit, Score

_LIMITS = {"none": Limit.NONE, "fair": Limit.FAIR, "work": Limit.WORK}


class Choice(NamedTuple):
    """A stage drawn from the frontier.

    Attributes
    ----------
    stage : int
        Its number; ``NO_STAGE`` when the frontier is empty.
    executors : int
        What it can use of the offer.
    importance : float
        Its probability over the greatest one of the frontier, in (0, 1].
    """

    stage: int
    executors: int
    importance: float


class AbstractSampledScheduler(AbstractDagScheduler):
    """A scheduler that says how probable a stage is; a base for deferral by importance."""

    @abstractmethod
    def choose(self, view: AbstractDagView) -> Choice:
        """Draw a stage of the frontier."""

    def answer(self, view: AbstractDagView) -> Grant:
        """Who gets executors of the present offer."""
        choice = self.choose(view)
        return Grant(choice.stage, choice.executors)


@dataclass(frozen=True, kw_only=True)
class Softmax(AbstractSampledScheduler):
    """Draws stages with probability proportional to ``exp(score / temperature)``.

    Attributes
    ----------
    score : str
        ``critical-path``: the longest chain behind the stage over the longest one in the frontier; ``short-job``: one
        less the remaining work of its job over the greatest one.
    temperature : float
        Small ones draw the best stage nearly always. It sets how much less important the others are, so that the
        carbon-awareness of a deferral is not comparable between temperatures.
    stay : float
        Added to the score of stages of the source job, whose executors need not move.
    limit : str
        Most executors a job may get from elsewhere: ``none``; ``fair``: an equal share of the cluster, rounded up;
        ``work``: its remaining work over the longest chain of tasks left, rounded up. With that many a greedy schedule
        takes at most twice as long as with any number (Graham 1966: ``T <= W/P + T_longest``). Jobs at their limit are
        not drawn, except for their own executors.

    Notes
    -----
    The draw is the stage with the greatest ``score / temperature + G`` with independent standard Gumbel numbers G
    (Gumbel 1954), which depend on nothing but the seed, the number of the answer and the stage.
    """

    score: str = "critical-path"
    temperature: float = 0.3
    stay: float = 1.0
    limit: str = "none"

    def __post_init__(self) -> None:
        if self.score not in ("critical-path", "short-job"):
            raise PolicyError(f"softmax has no score {self.score!r}; use critical-path or short-job")
        if self.limit not in _LIMITS:
            raise PolicyError(f"softmax has no limit {self.limit!r}; use {', '.join(_LIMITS)}")
        if not 0.0 < self.temperature < math.inf or not math.isfinite(self.stay):
            raise PolicyError(
                f"softmax has temperature {self.temperature!r} and stay {self.stay!r}; the temperature must be positive"
            )

    def choose(self, view: AbstractDagView) -> Choice:
        """Draw a stage of the frontier."""
        rooms = self._rooms(view)
        stages = [stage for job in rooms for stage in view.frontier(job)]
        if not stages:
            return Choice(NO_STAGE, 0, 1.0)
        scores = self._scores(view, stages)
        best, best_key = 0, -math.inf
        for index, stage in enumerate(stages):
            key = scores[index] / self.temperature - math.log(-math.log(view.draw(stage)))
            if key > best_key:
                best, best_key = index, key
        chosen = stages[best]
        importance = math.exp((scores[best] - max(scores)) / self.temperature)
        return Choice(chosen, min(view.unassigned(chosen), view.offered, rooms[view.job_of(chosen)]), importance)

    def _rooms(self, view: AbstractDagView) -> dict[int, int]:
        """Executors that each job may get, without those that may get none."""
        jobs = view.jobs()
        if self.limit == "none":
            return dict.fromkeys(jobs, view.executors)
        waiting = sum(view.waiting(job) for job in jobs) if self.limit == "fair" else 0
        rooms = {}
        for job in jobs:
            most = view.executors
            if job != view.source_job and waiting:
                most = math.ceil(view.executors / waiting)
            elif job != view.source_job and self.limit == "work":
                longest = max((view.path_ms(stage) for stage in view.frontier(job)), default=0)
                most = max(1, math.ceil(view.remaining_ms(job) / longest)) if longest else 0
            rooms[job] = most if job == view.source_job else most - view.held(job)
        return {job: room for job, room in rooms.items() if room > 0}

    def _scores(self, view: AbstractDagView, stages: list[int]) -> list[float]:
        by_path = self.score == "critical-path"
        sizes = [float(view.path_ms(s) if by_path else view.remaining_ms(view.job_of(s))) for s in stages]
        shares = [size / max(sizes) for size in sizes]
        own = [self.stay if view.job_of(stage) == view.source_job else 0.0 for stage in stages]
        return [(share if by_path else 1.0 - share) + bonus for share, bonus in zip(shares, own)]

    def compiled(self, conditions: Conditions) -> CompiledRule | None:
        """The same decisions for the compiled simulator."""
        none = np.empty(0)
        return CompiledRule(
            sampled=True,
            score=Score.CRITICAL_PATH if self.score == "critical-path" else Score.SHORT_JOB,
            temperature=self.temperature,
            stay=self.stay,
            limit=_LIMITS[self.limit],
            quota=np.empty(0, dtype=np.int64),
            base_psi=none,
            high_psi=none,
            shrink=none,
        )
