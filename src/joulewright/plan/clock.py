"""Limits, progress and the trace of a solve."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from joulewright.plan.options import PlanOptions, Progress
from joulewright.plan.result import Status


@dataclass(eq=False)
class Clock:
    """Counts time and work and says when to stop.

    Benefits are maximised; ``bound`` only falls and ``objective`` only rises.

    Attributes
    ----------
    options : PlanOptions
        The limits.
    work : float
        Deterministic units used so far.
    objective, bound : float or None, float
        Best benefit and its bound [currency].
    cost : float
        Costs of the best plan, the gap's denominator [currency].
    """

    options: PlanOptions
    work: float = 0.0
    objective: float | None = None
    bound: float = float("inf")
    cost: float = 0.0
    trace: list[tuple[float, float | None, float]] = field(default_factory=list)
    _wall: float = field(default_factory=time.monotonic)
    _cpu: float = field(default_factory=time.process_time)

    @property
    def elapsed_s(self) -> float:
        """Wall time since the start [s]."""
        return time.monotonic() - self._wall

    @property
    def cpu_s(self) -> float:
        """CPU time of this process since the start [s]."""
        return time.process_time() - self._cpu

    @property
    def gap(self) -> float | None:
        """Certified gap as a fraction of the plan's costs; None without a plan."""
        return None if self.objective is None else relative_gap(self.objective, self.bound, self.cost)

    def remaining_s(self) -> float:
        """Wall time left [s]."""
        limit = self.options.time_limit_s
        return float("inf") if limit is None else max(0.0, limit - self.elapsed_s)

    def remaining_work(self) -> float:
        """Work units left."""
        limit = self.options.work_limit
        return float("inf") if limit is None else max(0.0, limit - self.work)

    def why_stop(self) -> Status | None:
        """The reason to stop now, or None."""
        if self.options.should_stop is not None and self.options.should_stop():
            return "interrupted"
        gap = self.gap
        if gap is not None and gap <= self.options.gap:
            return "gap-reached"
        if self.remaining_work() <= 0.0:
            return "work-limit"
        return "time-limit" if self.remaining_s() <= 0.0 else None

    def report(self, phase: str) -> None:
        """Record the moment and tell whoever listens."""
        point = (self.cpu_s, self.objective, self.bound)
        if not self.trace or self.trace[-1][1:] != point[1:]:
            self.trace.append(point)
        if self.options.progress is not None:
            self.options.progress(
                Progress(
                    phase=phase,
                    elapsed_s=self.elapsed_s,
                    cpu_s=self.cpu_s,
                    objective=self.objective,
                    bound=self.bound,
                    gap=self.gap,
                )
            )


def relative_gap(objective: float, bound: float, cost: float) -> float:
    """``(bound - objective) / cost``, never below zero; infinite for a plan without costs that is not optimal."""
    distance = max(0.0, bound - objective)
    if distance <= 1e-9 * max(1.0, abs(objective)):
        return 0.0
    return distance / cost if cost > 0.0 else float("inf")
