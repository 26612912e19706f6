"""The planner: a linear program of stages with precedence, solved again and again as the run goes on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from joulewright.errors import PolicyError
from joulewright.plan.dag.timing import StageWork, TimingSteps, plan_timing
from joulewright.policy.dag.base import AbstractDagScheduler, AbstractDagView, RunFacts
from joulewright.policy.dag.planner.timed import AbstractTimedRun, AbstractTimedScheduler
from joulewright.policy.dag.planner.watch import Queue, WatchedJob

_ENOUGH = 0.5
_SPARE = 2.0


@dataclass(frozen=True, kw_only=True)
class Planned(AbstractTimedScheduler):
    """Solves when stages do their work, starts what the plan places in the present step, and plans again.

    Attributes
    ----------
    replans_per_step : int
        Plans in a step of the signal, at equal distances; every arrival brings a further one.
    known_arrivals : bool
        True to plan with jobs before they arrive, a bound rather than a policy; nothing is then anticipated.

    Notes
    -----
    See :func:`~joulewright.plan.dag.timing.plan_timing`. Information used: what has arrived with precedence and
    expected task durations, the forecast and the allowed ends. Guarantee: when durations are exact, a run ends by the
    latest allowed end or, where later, by the latest arrival and what
    :func:`~joulewright.policy.dag.planner.ends.greedy_time_ms` says of all work known then; all jobs start to be
    served without regard to the signal when waiting another step could break it.
    """

    replans_per_step: int = 2
    known_arrivals: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.replans_per_step < 1:
            raise PolicyError(f"replans_per_step is {self.replans_per_step!r}; allowed is 1 or more")

    @property
    def knows_arrivals(self) -> bool:
        """Whether it plans with jobs before they arrive."""
        return self.known_arrivals

    def begun(self, facts: RunFacts) -> AbstractDagScheduler:
        """The planner of one run."""
        return _PlannedRun(self, facts)


class _PlannedRun(AbstractTimedRun):
    def __init__(self, parameters: Planned, facts: RunFacts) -> None:
        super().__init__(parameters, facts)
        self._every_ms = facts.signal.step_ms / parameters.replans_per_step
        self._slot = -1
        self._widths: dict[int, int] = {}
        self._coming: list[WatchedJob] = []
        if parameters.known_arrivals:
            queue = Queue(facts, parameters.allowance())
            jobs = sorted(facts.jobs, key=lambda job: job.arrival_ms)
            self._coming = [WatchedJob(job, 0, queue.end_ms(job)) for job in jobs]
        self._oracle = parameters.known_arrivals

    def plan(self, view: AbstractDagView, *, new: bool) -> None:
        """Solve anew after an arrival or when it is time."""
        slot = int(view.now_ms // self._every_ms)
        if not new and slot == self._slot:
            return
        self._slot = slot
        numbers: list[int] = []
        stages: list[StageWork] = []
        for job in self.watch.jobs.values():
            at, left = self._arrived(view, job)
            stages += self._stages(job, at, left, first=len(stages))
            numbers += [job.first_stage + position for position in job.order if left[position] > 0]
        self._coming = [job for job in self._coming if job.facts.arrival_ms > view.now_ms]
        for job in self._coming:
            at = [float(job.facts.arrival_ms)] * len(job.order)
            stages += self._stages(job, at, [stage.tasks for stage in job.facts.stages], first=len(stages))
        self._widths = {}
        if numbers:
            steps = self._steps(view, stages)
            placed = plan_timing(stages, steps)[:, 0].tolist()
            left_ms = float(steps.end_ms[0] - steps.begin_ms[0])
            self._widths = {n: _width(stage, amount, left_ms) for n, stage, amount in zip(numbers, stages, placed)}

    def _arrived(self, view: AbstractDagView, job: WatchedJob) -> tuple[list[float], list[int]]:
        """When each stage of a job can run at the earliest, but for its parents [ms], and the tasks it has left."""
        left = [max(0, view.unassigned(job.first_stage + position)) for position in range(len(job.order))]
        return [float(view.now_ms)] * len(job.order), left

    def _stages(self, job: WatchedJob, at: list[float], left: Sequence[int], *, first: int) -> list[StageWork]:
        """What is left of a job; ``at`` becomes the time at which its stages can run by their parents."""
        cluster, facts = self.facts.cluster, job.facts
        limit = min(cluster.executors, facts.max_executors or cluster.executors)
        made: list[StageWork] = []
        place: dict[int, int] = {}
        for position in job.order:
            parents = facts.parents[position]
            # Parents with no task left to start may still run, for less than their longest task.
            at[position] = max([at[position], *(at[p] + job.longest_ms[p] * (left[p] > 0) for p in parents)])
            if not left[position]:
                continue
            place[position] = first + len(made)
            work_ms, width = float(job.last_work_ms[position][left[position]]), min(left[position], limit)
            behind_ms = facts.path_ms[position] - job.longest_ms[position]
            made.append(
                StageWork(
                    work_ms=work_ms,
                    width=width,
                    earliest_ms=at[position],
                    latest_ms=max(job.end_ms - behind_ms, at[position] + work_ms / width),
                    parents=tuple(place[parent] for parent in parents if parent in place),
                )
            )
        return made

    def _steps(self, view: AbstractDagView, stages: Sequence[StageWork]) -> TimingSteps:
        """The present step, those just before an allowed end, and the cheapest ones, which hold all work twice."""
        last_ms = max(view.now_ms + 1.0, *(stage.latest_ms for stage in stages))
        room_ms = self.room_ms(view, last_ms)
        price = self.expected(view.step, room_ms.size)
        begin_ms = np.maximum((view.step + np.arange(room_ms.size)) * float(view.step_ms), view.now_ms)
        end_ms = np.minimum((view.step + 1.0 + np.arange(room_ms.size)) * view.step_ms, last_ms)
        if not self._oracle:
            room_ms = self.room_left_ms(view, price, room_ms)
        order = np.argsort(price, kind="stable")
        held = np.searchsorted(np.cumsum(room_ms[order]), _SPARE * sum(stage.work_ms for stage in stages))
        kept = np.zeros(price.size, dtype=bool)
        kept[order[: held + 1]] = kept[0] = True
        for stage in stages:
            at = min(room_ms.size, math.ceil(stage.latest_ms / view.step_ms) - view.step)
            kept[max(0, at - 2) : at] = True
        return TimingSteps(begin_ms=begin_ms[kept], end_ms=end_ms[kept], price=price[kept], room_ms=room_ms[kept])

    def released(self, view: AbstractDagView, job: WatchedJob, stage: int) -> int:
        """What the plan places in the present step."""
        return self._widths.get(stage, 0)


def _width(stage: StageWork, placed_ms: float, left_ms: float) -> int:
    """Executors for work placed in the present step: all if that is most of the stage, a share if it is too long."""
    if placed_ms >= _ENOUGH * stage.work_ms:
        return stage.width
    if placed_ms > 0.0 and stage.work_ms > stage.width * left_ms:
        return math.ceil(placed_ms / left_ms)
    return 0
