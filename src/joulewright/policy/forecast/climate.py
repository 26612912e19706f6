"""Running means of a signal by hour of day and kind of day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np

from joulewright.model import Timeline
from joulewright.model.timeline import FloatArray, IntArray


class _Running(NamedTuple):
    """Means of the groups of one grouping as they grow.

    ``code`` is group times T plus step, ascending; ``mean`` the mean of the group up to and including that step;
    ``before`` the mean of each group in the history, not a number where it has none.
    """

    code: IntArray
    mean: FloatArray
    before: FloatArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Averages:
    """Means of past values by group, for any step, from one sort of the steps.

    Attributes
    ----------
    past : mapping of str to FloatArray
        Observed values by signal, shape ``(T,)``.
    timeline : Timeline
        The horizon.
    by : {"hour", "month", "daytype"}
        Groups within an hour of day.
    history : mapping of str to FloatArray
        Values before the horizon, shape ``(H,)``.
    """

    past: Mapping[str, FloatArray]
    timeline: Timeline
    by: Literal["hour", "month", "daytype"] = "hour"
    history: Mapping[str, FloatArray] = field(default_factory=dict)
    _tables: dict[tuple[str, str], _Running] = field(default_factory=dict, init=False)
    _steps: dict[str, IntArray] = field(default_factory=dict, init=False)

    def expected(self, past: FloatArray, key: str, step: int, stop: int) -> FloatArray:
        """Mean of each step's group up to and including ``step``, shape ``(stop - step,)``."""
        values = np.full(stop - step, np.nan)
        for level in ("hour", "all") if self.by == "hour" else (self.by, "hour", "all"):
            if not np.isnan(values).any():
                break
            table, groups = self._table(key, past, level), self._steps[level][step:stop]
            at = np.searchsorted(table.code, groups * self.timeline.steps + step, side="right") - 1
            seen = (at >= 0) & (table.code[at] // self.timeline.steps == groups)
            values = np.where(np.isnan(values), np.where(seen, table.mean[at], table.before[groups]), values)
        return values

    def _table(self, key: str, past: FloatArray, level: str) -> _Running:
        if level not in self._steps:
            self._steps[level] = _groups(self.timeline, np.arange(self.timeline.steps), level)
        if (key, level) not in self._tables:
            self._tables[key, level] = self._running(key, past, level)
        return self._tables[key, level]

    def _running(self, key: str, past: FloatArray, level: str) -> _Running:
        steps = self.timeline.steps
        groups = self._steps[level]
        older = np.asarray(self.history.get(key, ()), dtype=np.float64)
        old_groups = _groups(self.timeline, np.arange(-older.size, 0), level)
        count = np.bincount(old_groups, minlength=_GROUPS).astype(np.float64)
        total = np.bincount(old_groups, weights=older, minlength=_GROUPS)
        order = np.argsort(groups, kind="stable")
        ordered, values = groups[order], past[order]
        first = np.searchsorted(ordered, ordered)
        parts = np.split(
            values, np.flatnonzero(np.diff(ordered)) + 1
        )  # each sum on its own: no rounding from elsewhere
        sums = np.concatenate([np.cumsum(part) for part in parts])
        mean = (total[ordered] + sums) / (count[ordered] + np.arange(steps) - first + 1)
        before = np.divide(total, count, out=np.full(_GROUPS, np.nan), where=count > 0)
        return _Running(ordered * steps + order, mean, before)


_GROUPS = 24 * 12


def _groups(timeline: Timeline, steps: IntArray, level: str) -> IntArray:
    """Number of the group of each step (negative ones lie before the horizon), shape as ``steps``."""
    seconds = int(timeline.start.timestamp()) + steps * timeline.step_s
    hours = seconds // 3600 % 24
    if level == "all":
        return np.zeros_like(hours)
    if level == "month":
        return hours + 24 * (seconds.astype("datetime64[s]").astype("datetime64[M]").astype(np.int64) % 12)
    if level == "daytype":
        weekday = (seconds // 86_400 + 3) % 7
        return hours + 24 * (weekday >= 5)
    return hours
