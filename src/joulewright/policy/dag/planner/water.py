"""The cheap rule: run while the signal is at most the level to which the work fills the cheapest steps."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from joulewright.model.timeline import FloatArray
from joulewright.policy.dag.base import AbstractDagScheduler, AbstractDagView, RunFacts
from joulewright.policy.dag.planner.levels import water_level
from joulewright.policy.dag.planner.timed import AbstractTimedRun, AbstractTimedScheduler
from joulewright.policy.dag.planner.watch import WatchedJob


@dataclass(frozen=True, kw_only=True)
class WaterLevel(AbstractTimedScheduler):
    """Releases a stage while the signal over its run is at most the water level of the work to be done by its end.

    Pour what is left of all jobs with an allowed end up to some time into the steps before it, cheapest first, beside
    the work expected to arrive: the level is the price of the dearest step that is needed. A stage obeys the highest
    level among its own end and later ones. No program is solved: each end takes one sort of the steps, the last one a
    heap of them as well, and only when an executor is free and a stage could start.

    Notes
    -----
    Information used: what has arrived with precedence and expected task durations, the forecast and the allowed ends.
    The same latest start as :class:`~joulewright.policy.dag.planner.planned.Planned`.
    """

    def begun(self, facts: RunFacts) -> AbstractDagScheduler:
        """The rule for one run."""
        return _WaterLevelRun(self, facts)


class _WaterLevelRun(AbstractTimedRun):
    def __init__(self, parameters: WaterLevel, facts: RunFacts) -> None:
        super().__init__(parameters, facts)
        self._levels: dict[float, float] = {}
        self._price: FloatArray = np.empty(0)

    def plan(self, view: AbstractDagView, *, new: bool) -> None:
        """Forget the levels: with every task they sink, and with time they rise."""
        self._levels = {}

    def _find_levels(self, view: AbstractDagView) -> None:
        """Find the level of every allowed end."""
        ends, level = self.watch.ends(), -math.inf
        self._price = self.expected(view.step, max(2, self.room_ms(view, ends[-1]).size))
        for end_ms in reversed(ends):
            inside = self.watch.within(end_ms)
            # The last chain cannot fill the cluster.
            room_ms = self.room_ms(view, end_ms - max(item.path_ms for item in inside))
            price = self._price[: room_ms.size]
            if end_ms == ends[-1]:
                room_ms = self.room_left_ms(view, price, room_ms)
            level = max(level, water_level(price, room_ms, sum(item.work_ms for item in inside)))
            self._levels[end_ms] = level

    def released(self, view: AbstractDagView, job: WatchedJob, stage: int) -> int:
        """All tasks, or none."""
        if not self._levels:
            self._find_levels(view)
        position, left = stage - job.first_stage, view.unassigned(stage)
        work_ms = job.last_work_ms[position][left]
        run_ms = max(job.longest_ms[position], work_ms / view.executors)
        beyond = max(0.0, 1.0 - ((view.step + 1) * view.step_ms - view.now_ms) / run_ms)
        dearest = max(self._price[0], (1.0 - beyond) * self._price[0] + beyond * self._price[1])
        return left if dearest <= self._levels[job.end_ms] else 0
