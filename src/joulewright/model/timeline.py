"""The time grid every series of a scenario lives on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from joulewright.errors import ScenarioError

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]

_TOLERANCE_STEPS = 1e-9


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """A horizon cut into half-open steps ``[start, start + step)``, labelled at their start.

    Attributes
    ----------
    start : datetime
        First instant, time-zone aware; kept in UTC.
    step_s : int
        Length of a step [s], 1 s to 1 day.
    steps : int
        Number of steps T; stored energy lives on the T + 1 boundaries.

    Examples
    --------
    >>> week = Timeline(start=datetime(2022, 7, 4, tzinfo=UTC), step_s=3600, steps=168)
    >>> week.end.isoformat(), week.step_h
    ('2022-07-11T00:00:00+00:00', 1.0)
    """

    start: datetime
    step_s: int
    steps: int

    def __post_init__(self) -> None:
        if self.start.tzinfo is None:
            raise ScenarioError(
                f"time.start {self.start.isoformat()} has no time zone; write it as 2022-07-04T00:00:00Z"
            )
        if not 1 <= self.step_s <= 86_400:
            raise ScenarioError(f"time.step is {self.step_s} s; allowed are 1 s to 1 day")
        if self.steps < 1:
            raise ScenarioError(f"time.end must lie after time.start; the horizon has {self.steps} steps")
        object.__setattr__(self, "start", self.start.astimezone(UTC))

    @property
    def step_h(self) -> float:
        """Length of a step [h]."""
        return self.step_s / 3600.0

    @property
    def hours(self) -> float:
        """Length of the horizon [h]."""
        return self.steps * self.step_s / 3600.0

    @property
    def end(self) -> datetime:
        """First instant after the horizon (UTC)."""
        return self.start + timedelta(seconds=self.step_s * self.steps)

    def starts(self) -> NDArray[np.datetime64]:
        """Start of every step as naive-UTC ``datetime64[s]``, shape ``(T,)``."""
        first = np.datetime64(self.start.replace(tzinfo=None), "s")
        return first + np.arange(self.steps) * np.timedelta64(self.step_s, "s")

    def position(self, instant: datetime) -> float:
        """Steps between the start of the horizon and ``instant`` (may be negative or fractional)."""
        return (instant - self.start).total_seconds() / self.step_s

    def floor(self, instant: datetime) -> int:
        """Index of the last boundary at or before ``instant``."""
        return math.floor(self.position(instant) + _TOLERANCE_STEPS)

    def ceil(self, instant: datetime) -> int:
        """Index of the first boundary at or after ``instant``."""
        return math.ceil(self.position(instant) - _TOLERANCE_STEPS)

    def at(self, boundary: int) -> datetime:
        """Instant of a boundary index (UTC)."""
        return self.start + timedelta(seconds=self.step_s * boundary)

    def steps_for(self, duration_h: float) -> int:
        """Whole steps that hold ``duration_h`` hours, rounded up."""
        return max(0, math.ceil(duration_h * 3600.0 / self.step_s - _TOLERANCE_STEPS))

    def label(self, step: int) -> str:
        """Name of a step in rows, columns and messages, e.g. ``2022-07-05T17:00``."""
        instant = self.at(step)
        return instant.strftime("%Y-%m-%dT%H:%M" if self.step_s % 60 == 0 else "%Y-%m-%dT%H:%M:%S")
