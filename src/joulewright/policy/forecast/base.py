"""Forecasters, what they are given and the forecasts they issue."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from joulewright.model import Event, Scenario, Timeline
from joulewright.model.timeline import FloatArray
from joulewright.policy.forecast.place import SignalPlace, signal_places
from joulewright.policy.forecast.telemetry import last_known, stale_steps
from joulewright.policy.observation import AbstractForecast
from joulewright.policy.signals import signal_series

Knowledge = Literal["past", "record", "truth"]


class AbstractForecastSource(ABC):
    """A forecaster at work on one run."""

    @abstractmethod
    def issue(self, step: int) -> AbstractForecast:
        """The forecast that is issued at the start of a step.

        Raises
        ------
        PolicyError
            If the step is outside the horizon.
        """


class AbstractForecaster(ABC):
    """Parameters of a way to forecast; frozen, so that one object serves many runs.

    Attributes
    ----------
    knows : {"past", "record", "truth"}
        What its forecasts are made from: past observations only, forecasts recorded elsewhere, or the true future
        (with or without an artificial error). Announced events are known to all.
    """

    knows: ClassVar[Knowledge] = "past"

    @property
    @abstractmethod
    def specification(self) -> str:
        """Name and parameters, as the command line takes them."""

    @abstractmethod
    def prepare(
        self, truth: Scenario, undisturbed: Scenario, events: Sequence[Event], generator: np.random.Generator
    ) -> AbstractForecastSource:
        """Get ready for one run.

        Parameters
        ----------
        truth : Scenario
            What happens, events applied.
        undisturbed : Scenario
            The same without events.
        events : sequence of Event
            What was applied; each is known from ``start - notice_h``.
        generator : numpy.random.Generator
            Source of all random numbers of the run's forecasts.
        """


class AbstractExpectation(ABC):
    """What a forecaster expects of the signals, events left aside. Arrays it returns are new."""

    @abstractmethod
    def values(self, place: SignalPlace, step: int, stop: int) -> FloatArray:
        """Expected values on the steps ``[step, stop)``, issued at ``step``, shape ``(stop - step,)``."""

    @abstractmethod
    def members(self, place: SignalPlace, step: int, stop: int, count: int) -> FloatArray:
        """Equally likely futures on these steps, shape ``(count, stop - step)``, consistent between signals."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Facts:
    """What happens in a run and what telemetry shows of it.

    Attributes
    ----------
    truth, undisturbed : Scenario
        With and without events.
    events : tuple of Event
        All of them.
    places : mapping of str to SignalPlace
        Every signal by key.
    present : mapping of str to FloatArray
        What telemetry shows, shape ``(T,)``; stale values are the last ones known.
    past : mapping of str to FloatArray
        The same with events taken out, shape ``(T,)``: what a forecaster learns from. At step k it may read ``[:k+1]``.
    """

    truth: Scenario
    undisturbed: Scenario
    events: tuple[Event, ...]
    places: Mapping[str, SignalPlace]
    present: Mapping[str, FloatArray]
    past: Mapping[str, FloatArray]

    @classmethod
    def of(cls, truth: Scenario, undisturbed: Scenario, events: Sequence[Event]) -> Facts:
        """Facts of a run."""
        stale = stale_steps(truth, events)

        def shown(scenario: Scenario) -> dict[str, FloatArray]:
            series = signal_series(scenario)
            return {key: last_known(values, stale[key]) if key in stale else values for key, values in series.items()}

        return cls(
            truth=truth,
            undisturbed=undisturbed,
            events=tuple(events),
            places=signal_places(truth),
            present=shown(truth),
            past=shown(undisturbed),
        )

    @property
    def timeline(self) -> Timeline:
        """Horizon of the run."""
        return self.truth.timeline
