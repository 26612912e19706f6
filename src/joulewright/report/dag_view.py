"""Runs of jobs with precedence prepared for the sections of their report."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from joulewright.report.dag_figures import dag_figures, sampled_text
from joulewright.report.palette import site_key
from joulewright.report.study_figures import Figure
from joulewright.report.study_view import utc_axis
from joulewright.study.dag import DagComparison
from joulewright.study.dag_inputs import DagInput
from joulewright.study.dag_signal import DagSignalInput
from joulewright.study.result import Estimate

_LEAST_CHANGE = 1e-9


@dataclass(frozen=True, kw_only=True, eq=False)
class DagView:
    """A comparison with its inputs."""

    found: DagComparison
    source: DagInput
    signal: DagSignalInput

    @property
    def names(self) -> tuple[str, ...]:
        """Schedulers, the base first."""
        return tuple(self.found.schedulers)

    @property
    def others(self) -> tuple[str, ...]:
        """Schedulers but the base."""
        return self.names[1:]

    @cached_property
    def figures(self) -> dict[str, Figure]:
        """Figures by key."""
        longest = max(run.makespan_ms for run in self.found.shown.values())
        return {figure.key: figure for figure in dag_figures(self.signal, float(longest))}

    @cached_property
    def has_overhead(self) -> bool:
        """Whether idle executors draw power, so that energy per work may differ."""
        return self.found.cluster.idle_power_kw > 0.0

    @cached_property
    def relative(self) -> bool:
        """Whether every sample has a change of cost in per cent: all costs are positive."""
        known = [self.estimate(name, "cost_ratio") for name in self.names]
        return all(item is not None and item.count == self.found.samples for item in known)

    @property
    def change(self) -> str:
        """Figure by which costs are compared: a ratio, or an amount where not every sample has one."""
        return "cost_ratio" if self.relative else "change_cost"

    def beyond(self, scheduler: str) -> float:
        """Mean of :attr:`change` less that of the base, 0 where it is not clear which costs less."""
        neutral = 1.0 if self.relative else 0.0
        found = self.estimate(scheduler, self.change)
        scale = 1.0 if self.relative else abs(self.mean(self.found.base, "cost") or 0.0)
        if found is None or abs(found.mean - neutral) <= _LEAST_CHANGE * scale:
            return 0.0
        if found.low is None or found.high is None or found.high < neutral or found.low > neutral:
            return found.mean - neutral
        return 0.0

    def text(self, scheduler: str, figure: str) -> str:
        """Mean of a figure with half its interval and what it is a mean of; empty where no run has it."""
        value = self.estimate(scheduler, figure)
        return "" if value is None else sampled_text(value, self.figures[figure], self.found.samples)

    def key(self, scheduler: str) -> str:
        """Colour key of a scheduler."""
        return site_key(self.names.index(scheduler))

    def estimate(self, scheduler: str, figure: str) -> Estimate | None:
        """See :meth:`joulewright.study.dag.DagComparison.estimate`."""
        return self.found.estimate(scheduler, figure)

    def mean(self, scheduler: str, figure: str) -> float | None:
        """Mean of a figure; None where no run has it."""
        found = self.estimate(scheduler, figure)
        return None if found is None else found.mean


def signal_axis(signal: DagSignalInput, piece_h: float, pieces: int, step: int = 0) -> dict[str, Any]:
    """Time axis of pieces from a step of the signal on, in UTC."""
    started = signal.timeline.at(step)
    axis = utc_axis(signal.timeline, step_h=piece_h, first=0, steps=pieces)
    return axis | {"start_ms": round(started.timestamp() * 1000.0)}
