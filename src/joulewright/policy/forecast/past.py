"""Forecasters that know the past only: persistence, the same hour of an earlier day, climatology."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np

from joulewright.errors import PolicyError
from joulewright.model import Event, Scenario
from joulewright.model.timeline import FloatArray
from joulewright.policy.forecast.base import AbstractExpectation, AbstractForecaster, Facts, Knowledge
from joulewright.policy.forecast.climate import Averages
from joulewright.policy.forecast.issued import ForecastSource
from joulewright.policy.forecast.place import SignalPlace
from joulewright.policy.options import check_choice, rule_text

_DAY_S = 86_400


@dataclass(frozen=True, kw_only=True)
class PersistenceForecaster(AbstractForecaster):
    """Everything stays as it is now: the benchmark of very short horizons.

    Examples
    --------
    >>> PersistenceForecaster().specification
    'persistence'
    """

    knows: ClassVar[Knowledge] = "past"

    @property
    def specification(self) -> str:
        """Name and parameters, as the command line takes them."""
        return "persistence"

    def prepare(
        self, truth: Scenario, undisturbed: Scenario, events: Sequence[Event], generator: np.random.Generator
    ) -> ForecastSource:
        """Get ready for one run."""
        return _source(Facts.of(truth, undisturbed, events), _now, generator)


@dataclass(frozen=True, kw_only=True)
class DiurnalPersistenceForecaster(AbstractForecaster):
    """The value of the same hour on the last day (or the same weekday) that has been seen.

    Attributes
    ----------
    weekly : bool
        True to look seven days back; where that lies before the horizon, the last day is taken, then the present.
    """

    weekly: bool = False

    knows: ClassVar[Knowledge] = "past"

    @property
    def specification(self) -> str:
        """Name and parameters, as the command line takes them."""
        return rule_text("diurnal-persistence", self)

    def prepare(
        self, truth: Scenario, undisturbed: Scenario, events: Sequence[Event], generator: np.random.Generator
    ) -> ForecastSource:
        """Get ready for one run."""
        facts = Facts.of(truth, undisturbed, events)
        step_s, weekly = facts.timeline.step_s, self.weekly
        return _source(
            facts,
            lambda past, key, step, stop: diurnal_values(past, step, stop, step_s=step_s, weekly=weekly),
            generator,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class ClimatologyForecaster(AbstractForecaster):
    """The mean of all earlier values at the same hour of day (UTC) of the same month or type of day.

    Where a group has no value yet, the mean of the hour is taken, then that of everything seen so far.

    Attributes
    ----------
    by : {"hour", "month", "daytype"}
        Hour of day only, by calendar month, or by working day and weekend.
    history : mapping of str to FloatArray
        Earlier values by signal key, shape ``(H,)``, that end where the horizon begins and have its step; signals
        without history start with none.

    Raises
    ------
    PolicyError
        If ``by`` is none of these, or a history holds values that are not finite.
    """

    by: Literal["hour", "month", "daytype"] = "hour"
    history: Mapping[str, FloatArray] = field(default_factory=dict)

    knows: ClassVar[Knowledge] = "past"

    def __post_init__(self) -> None:
        check_choice("by", self.by, ("hour", "month", "daytype"))
        if not isinstance(self.history, Mapping):
            raise PolicyError(f"history is {self.history!r}; it takes arrays by signal key and is given in Python only")
        for key, values in self.history.items():
            if np.ndim(values) != 1 or not np.isfinite(values).all():
                raise PolicyError(f"the history of {key!r} has shape {np.shape(values)}; it takes finite values (H,)")

    @property
    def specification(self) -> str:
        """Name and parameters, as the command line takes them."""
        return "climatology" if self.by == "hour" else f"climatology:by={self.by}"

    def prepare(
        self, truth: Scenario, undisturbed: Scenario, events: Sequence[Event], generator: np.random.Generator
    ) -> ForecastSource:
        """Get ready for one run.

        Raises
        ------
        PolicyError
            If there is history of an unknown signal.
        """
        facts = Facts.of(truth, undisturbed, events)
        unknown = sorted(set(self.history) - set(facts.places))
        if unknown:
            raise PolicyError(f"there is history of {unknown[0]!r}; signals are {list(facts.places)}")
        averages = Averages(past=facts.past, timeline=facts.timeline, by=self.by, history=self.history)
        return ForecastSource(facts, AnalogueExpectation(facts, averages.expected, generator))


Expected = Callable[[FloatArray, str, int, int], FloatArray]
"""Past values (T,) of a signal, its key, step and stop to expected values ``(stop - step,)``."""


class AnalogueExpectation(AbstractExpectation):
    """Expected values from the past, with members that repeat errors made on earlier days at the same hour.

    Member m adds the errors of one earlier day, the same day for every signal, so that members keep the correlations
    between hours, signals and sites that the errors had. Without a whole earlier day all members are alike.

    Parameters
    ----------
    facts : Facts
        The run.
    expected : callable
        Past values, key, step and stop to expected values.
    generator : numpy.random.Generator
        Decides which days are drawn.

    References
    ----------
    Efron (1979), Bootstrap methods, Annals of Statistics 7(1):1-26, doi 10.1214/aos/1176344552 (resampled residuals).
    """

    def __init__(self, facts: Facts, expected: Expected, generator: np.random.Generator) -> None:
        self._facts = facts
        self._expected = expected
        self._entropy = int(generator.integers(2**63))

    def values(self, place: SignalPlace, step: int, stop: int) -> FloatArray:
        """Expected values on the steps ``[step, stop)``, shape ``(stop - step,)``."""
        return np.clip(self._expected(self._facts.past[place.key], place.key, step, stop), place.low, place.high)

    def members(self, place: SignalPlace, step: int, stop: int, count: int) -> FloatArray:
        """Equally likely futures on these steps, shape ``(count, stop - step)``."""
        middle, past = self.values(place, step, stop), self._facts.past[place.key]
        day = max(1, round(_DAY_S / self._facts.timeline.step_s))
        first, last = max(1, -(-(stop - step - 1) // day)), step // day
        if first > last:
            return np.tile(middle, (count, 1))
        last = max(first, last - 1)  # on the very first day forecasts have nothing to go by
        drawn = np.random.default_rng([self._entropy, step]).integers(first, last + 1, size=count)
        errors = {days: self._error(past, place.key, step - days * day, stop - step) for days in set(drawn.tolist())}
        return np.clip(np.stack([middle + errors[days] for days in drawn.tolist()]), place.low, place.high)

    def _error(self, past: FloatArray, key: str, issued: int, steps: int) -> FloatArray:
        return past[issued : issued + steps] - self._expected(past, key, issued, issued + steps)


def _source(facts: Facts, expected: Expected, generator: np.random.Generator) -> ForecastSource:
    return ForecastSource(facts, AnalogueExpectation(facts, expected, generator))


def _now(past: FloatArray, key: str, step: int, stop: int) -> FloatArray:
    return np.full(stop - step, past[step])


def diurnal_values(past: FloatArray, step: int, stop: int, *, step_s: int, weekly: bool = False) -> FloatArray:
    """Values of the same time on the last day (of the last week) by ``step``, shape ``(stop - step,)``.

    Examples
    --------
    >>> diurnal_values(np.arange(30.0), 25, 30, step_s=3600).tolist()
    [25.0, 2.0, 3.0, 4.0, 5.0]
    """
    targets = np.arange(step, stop)
    found = np.full(stop - step, -1)
    for days in (7, 1) if weekly else (1,):
        period = days * _DAY_S / step_s
        back = np.ceil((targets - step) / period - 1e-9) * period
        earlier = np.minimum(np.rint(targets - back), step).astype(np.int64)
        found = np.where(found < 0, earlier, found)
    values: FloatArray = np.where(found < 0, past[step], past[np.maximum(found, 0)])
    return values
