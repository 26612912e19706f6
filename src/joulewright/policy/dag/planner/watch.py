"""What a planning scheduler keeps in mind of a run: jobs seen so far, their allowed ends and what is left of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from joulewright.model.dag import DagCluster, DagJob
from joulewright.policy.dag.base import AbstractDagView, RunFacts
from joulewright.policy.dag.planner.ends import Allowance, greedy_time_ms

_LOOKS = 0.01
"""Part of a step after which chains are looked at again."""


@dataclass
class Remainder:
    """What is left of a job; the most it can be where the view does not tell.

    Attributes
    ----------
    work_ms : float
        Work of the tasks not started [executor-ms].
    path_ms : float
        Longest chain of tasks that are not finished [ms].
    moves, stages : int
        Most moves into the job, and most stages on a chain.
    running_ms : float
        Longest task that may be running now or later [ms].
    limited_ms : float
        Work over the limit of the job, where that is below the cluster [ms].
    """

    work_ms: float = 0.0
    path_ms: float = 0.0
    moves: int = 0
    stages: int = 0
    running_ms: float = 0.0
    limited_ms: float = 0.0


class WatchedJob:
    """A job with its allowed end.

    Attributes
    ----------
    facts : DagJob
        Its stages.
    first_stage : int
        Number of its first stage.
    end_ms : float
        By when it may end [ms].
    order : list of int
        Positions of stages, parents first.
    last_work_ms : list of list of int
        Per stage, the work of its last 0, 1, .. tasks [executor-ms]: tasks start in their order.
    longest_ms : list of int
        Longest task of each stage [ms].
    remainder : Remainder
        What is left of it.
    """

    def __init__(self, facts: DagJob, first_stage: int, end_ms: float) -> None:
        self.facts, self.first_stage, self.end_ms = facts, first_stage, end_ms
        self.last_work_ms = [[0, *accumulate(reversed(stage.task_ms))] for stage in facts.stages]
        self.longest_ms = [max(stage.task_ms) for stage in facts.stages]
        self.order = sorted(range(len(facts.stages)), key=lambda item: -facts.path_ms[item])
        self.depth = [0] * len(facts.stages)
        for position in reversed(self.order):
            self.depth[position] = 1 + max((self.depth[child] for child in facts.children[position]), default=0)
        self.remainder = Remainder()
        self._seen_ms = self._looked_ms = -1

    def done(self, view: AbstractDagView, position: int) -> bool:
        """Whether a stage is known to have ended: one of its children can run."""
        return any(view.runnable_rank(self.first_stage + child) >= 0 for child in self.facts.children[position])

    def look(self, view: AbstractDagView, number: int, cluster: DagCluster) -> None:
        """Bring the remainder up to date; chains and moves, which only shrink, not at every event."""
        left_ms = view.remaining_ms(number)
        if left_ms == self._seen_ms:
            return
        self._seen_ms = left_ms
        if self._looked_ms < 0 or view.now_ms - self._looked_ms >= _LOOKS * view.step_ms:
            self._looked_ms = view.now_ms
            self.remainder = self._chains(view, cluster)
        self.remainder.work_ms = left_ms
        limit = self.facts.max_executors
        if limit is not None and limit < cluster.executors:
            self.remainder.limited_ms = (left_ms + cluster.moving_delay_ms * self.remainder.moves) / limit

    def _chains(self, view: AbstractDagView, cluster: DagCluster) -> Remainder:
        found = Remainder()
        for position in self.order:
            if self.done(view, position):
                continue
            left = view.unassigned(self.first_stage + position)
            found.path_ms = max(found.path_ms, self.facts.path_ms[position])
            found.stages = max(found.stages, self.depth[position])
            found.running_ms = max(found.running_ms, self.longest_ms[position])
            if left > 0:
                found.moves += most_movers(left, self.last_work_ms[position][left], cluster)
        return found


class Queue:
    """The jobs as a queue of work that never waits, and the allowed ends that follow from it."""

    def __init__(self, facts: RunFacts, allowance: Allowance) -> None:
        self._cluster, self._allowance = facts.cluster, allowance
        self._hour_ms = facts.signal.step_ms / facts.signal.step_h
        self._ended_ms = 0.0

    def end_ms(self, job: DagJob) -> float:
        """Allowed end of the next job of the queue [ms]."""
        cluster = self._cluster
        limit = min(cluster.executors, job.max_executors or cluster.executors)
        self._ended_ms = max(self._ended_ms, float(job.arrival_ms)) + job.work_ms / cluster.executors
        alone_ms = max(job.critical_path_ms, job.work_ms / limit) + cluster.moving_delay_ms
        return self._allowance.end_ms(job.arrival_ms, max(self._ended_ms, job.arrival_ms + alone_ms), self._hour_ms)


class Watch:
    """Jobs that have arrived so far.

    Attributes
    ----------
    jobs : dict of int to WatchedJob
        Those that have not ended, by number, in order of arrival.
    arrived_ms : float
        Work of all that ever arrived [executor-ms].
    first_arrival_ms : int
        Of the first job; -1 before it [ms].
    """

    def __init__(self, facts: RunFacts, allowance: Allowance) -> None:
        self._cluster, self._queue = facts.cluster, Queue(facts, allowance)
        self.jobs: dict[int, WatchedJob] = {}
        self.arrived_ms, self.first_arrival_ms = 0.0, -1

    def refresh(self, view: AbstractDagView) -> bool:
        """Look at every job; true if one is new."""
        present = view.jobs()
        new = [number for number in present if number not in self.jobs]
        for number in new:
            facts = view.facts(number)
            if self.first_arrival_ms < 0:
                self.first_arrival_ms = facts.arrival_ms
            self.jobs[number] = WatchedJob(facts, view.stages(number).start, self._queue.end_ms(facts))
            self.arrived_ms += facts.work_ms
        self.jobs = {number: self.jobs[number] for number in present}
        for number, job in self.jobs.items():
            job.look(view, number, self._cluster)
        return bool(new)

    def ends(self) -> list[float]:
        """Allowed ends of the jobs, each once, rising [ms]."""
        return sorted({job.end_ms for job in self.jobs.values()})

    def within(self, end_ms: float) -> list[Remainder]:
        """What is left of the jobs whose allowed end is not later [ms]."""
        return [job.remainder for job in self.jobs.values() if job.end_ms <= end_ms]

    def urgent_end_ms(self, next_ms: float) -> float:
        """Latest allowed end that is lost if its jobs and all with earlier ends wait until ``next_ms`` [ms]."""
        latest = -math.inf
        for end_ms in self.ends():
            if next_ms + _greedy_ms(self.within(end_ms), self._cluster) > end_ms:
                latest = end_ms
        return latest


def most_movers(tasks: int, work_ms: float, cluster: DagCluster) -> int:
    """Most executors that are sent to a stage from other jobs: they shall work at least as long as they move.

    Examples
    --------
    >>> most_movers(200, 20_000.0, DagCluster(executors=100, moving_delay_ms=2000))
    10
    """
    delay_ms = cluster.moving_delay_ms
    worth = math.ceil(work_ms / delay_ms) if delay_ms > 0 else cluster.executors
    return max(1, min(tasks, cluster.executors, worth))


def _greedy_ms(items: Sequence[Remainder], cluster: DagCluster) -> float:
    time_ms = greedy_time_ms(
        sum(item.work_ms for item in items),
        max(item.path_ms for item in items),
        executors=cluster.executors,
        moving_ms=cluster.moving_delay_ms,
        moves=sum(item.moves for item in items),
        stages=max(item.stages for item in items),
        running_ms=max(item.running_ms for item in items),
    )
    return time_ms + max(item.limited_ms for item in items)
