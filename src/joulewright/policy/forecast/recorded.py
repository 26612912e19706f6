"""Forecasts that were recorded when they were issued, played back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from joulewright.errors import PolicyError
from joulewright.model import Event, Scenario, Timeline
from joulewright.model.timeline import FloatArray
from joulewright.policy.forecast.base import AbstractForecaster, Facts, Knowledge
from joulewright.policy.forecast.issued import ForecastSource
from joulewright.policy.forecast.past import AnalogueExpectation, diurnal_values

_MS_PER_H = 3_600_000.0


@dataclass(frozen=True, kw_only=True, eq=False)
class RecordedSeries:
    """Issued forecasts of one signal.

    Attributes
    ----------
    issued : ndarray of datetime64
        When each was issued (naive UTC), ascending, shape ``(N,)``.
    lead_h : FloatArray
        Start of each interval after the issue [h], ascending, shape ``(L,)``; the last interval is as long as the one
        before it.
    values : FloatArray
        Forecasts in the unit of the signal, shape ``(N, L)``; a value that is not a number is an error when it is used.

    Raises
    ------
    PolicyError
        If shapes do not fit or times do not ascend.
    """

    issued: NDArray[np.datetime64]
    lead_h: FloatArray
    values: FloatArray

    def __post_init__(self) -> None:
        shape = (self.issued.size, self.lead_h.size)
        if self.values.shape != shape or 0 in shape:
            raise PolicyError(f"recorded values have shape {self.values.shape}; issue times and leads make {shape}")
        if (np.diff(self.issued) <= np.timedelta64(0)).any() or (np.diff(self.lead_h) <= 0.0).any():
            raise PolicyError("issue times and leads of recorded forecasts must ascend, each once")

    @classmethod
    def by_valid_time(cls, timeline: Timeline, values: FloatArray) -> RecordedSeries:
        """One forecast for each step, shape ``(T,)``, whenever it was issued: known from the start of the horizon."""
        leads = np.arange(timeline.steps, dtype=np.float64) * timeline.step_h
        return cls(issued=timeline.starts()[:1], lead_h=leads, values=np.asarray(values, dtype=np.float64)[None, :])

    @property
    def reach_h(self) -> float:
        """End of the last interval after the issue [h]."""
        last = self.lead_h[-1] - self.lead_h[-2] if self.lead_h.size > 1 else 1.0
        return float(self.lead_h[-1] + last)

    def at(self, now: np.datetime64, targets: NDArray[np.datetime64]) -> tuple[FloatArray, NDArray[np.bool_]]:
        """Values of the newest forecast issued by ``now`` and where it reaches, both of the shape of ``targets``."""
        row = int(np.searchsorted(self.issued, now, side="right")) - 1
        if row < 0:
            return np.zeros(targets.shape), np.zeros(targets.shape, dtype=np.bool_)
        lead_h = (targets - self.issued[row]) / np.timedelta64(1, "ms") / _MS_PER_H
        column = np.searchsorted(self.lead_h, lead_h + 1e-9, side="right") - 1
        inside = (column >= 0) & (lead_h < self.reach_h - 1e-9)
        return self.values[row, np.maximum(column, 0)], inside


@dataclass(frozen=True, kw_only=True, eq=False)
class RecordedForecaster(AbstractForecaster):
    """Recorded forecasts where there are any, the same hour of the last day elsewhere.

    Attributes
    ----------
    recordings : mapping of str to RecordedSeries
        By signal key; :func:`joulewright.io.read_forecast` reads them from files.

    Raises
    ------
    PolicyError
        If there is no recording at all.
    """

    recordings: Mapping[str, RecordedSeries] = field(default_factory=dict)

    knows: ClassVar[Knowledge] = "record"

    def __post_init__(self) -> None:
        if not isinstance(self.recordings, Mapping) or not self.recordings:
            raise PolicyError(
                "the forecaster 'recorded' needs recordings: make RecordedForecaster(recordings={signal: ...}) in "
                "Python or read them with joulewright.io.read_forecast"
            )

    @property
    def specification(self) -> str:
        """Name and what is recorded."""
        return f"recorded of {', '.join(self.recordings)}"

    def prepare(
        self, truth: Scenario, undisturbed: Scenario, events: Sequence[Event], generator: np.random.Generator
    ) -> ForecastSource:
        """Get ready for one run.

        Raises
        ------
        PolicyError
            If there is a recording of an unknown signal.
        """
        facts = Facts.of(truth, undisturbed, events)
        unknown = sorted(set(self.recordings) - set(facts.places))
        if unknown:
            raise PolicyError(f"there is a recording of {unknown[0]!r}; signals are {list(facts.places)}")
        starts, step_s = facts.timeline.starts(), facts.timeline.step_s

        def expected(past: FloatArray, key: str, step: int, stop: int) -> FloatArray:
            usual = diurnal_values(past, step, stop, step_s=step_s)
            if key not in self.recordings:
                return usual
            values, inside = self.recordings[key].at(starts[step], starts[step:stop])
            return np.where(inside, values, usual)

        return ForecastSource(facts, AnalogueExpectation(facts, expected, generator), self.knows)
