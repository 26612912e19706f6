"""Perfect foresight: what will happen, unannounced events included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from joulewright.errors import PolicyError
from joulewright.model import Event, Scenario, scenario_window
from joulewright.model.timeline import FloatArray
from joulewright.policy.forecast.base import AbstractForecaster, AbstractForecastSource, Knowledge
from joulewright.policy.forecast.issued import check_step, last_step
from joulewright.policy.signals import signal_series


@dataclass(frozen=True, kw_only=True)
class PerfectForecaster(AbstractForecaster):
    """The future itself: a bound on what forecasts can be worth, never a policy that could be run.

    Examples
    --------
    >>> PerfectForecaster().knows
    'truth'
    """

    knows: ClassVar[Knowledge] = "truth"

    @property
    def specification(self) -> str:
        """Name and parameters, as the command line takes them."""
        return "perfect"

    def prepare(
        self, truth: Scenario, undisturbed: Scenario, events: Sequence[Event], generator: np.random.Generator
    ) -> PerfectSource:
        """Get ready for one run."""
        return PerfectSource(truth)


class PerfectSource(AbstractForecastSource):
    """Issues the truth."""

    def __init__(self, truth: Scenario) -> None:
        self.truth = truth.with_changes(training=())
        self.values = signal_series(truth)

    def issue(self, step: int) -> PerfectForecast:
        """The truth from a step on.

        Raises
        ------
        PolicyError
            If the step is outside the horizon.
        """
        check_step(self.truth.timeline, step)
        return PerfectForecast(source=self, step=step)


@dataclass(frozen=True, kw_only=True, eq=False)
class PerfectForecast:
    """The truth from ``step`` on."""

    source: PerfectSource
    step: int

    def series(self, key: str, steps: int) -> FloatArray:
        """True values of a signal, shape ``(min(steps, steps left),)``.

        Raises
        ------
        PolicyError
            If there is no such signal or ``steps`` is not positive.
        """
        if key not in self.source.values:
            raise PolicyError(f"there is no signal {key!r}; there are {list(self.source.values)}")
        return self.source.values[key][self.step : last_step(self.source.truth.timeline, self.step, steps)].copy()

    def window(self, steps: int) -> Scenario:
        """The scenario of the next steps as it will be, without training jobs.

        Raises
        ------
        PolicyError
            If ``steps`` is not positive.
        """
        return scenario_window(self.source.truth, self.step, last_step(self.source.truth.timeline, self.step, steps))

    def members(self, key: str, steps: int, count: int) -> FloatArray:
        """The truth ``count`` times, shape ``(count, min(steps, steps left))``.

        Raises
        ------
        PolicyError
            As :meth:`series`, or if ``count`` is not positive.
        """
        if count < 1:
            raise PolicyError(f"{count} members of a forecast are asked for; at least 1 is allowed")
        return np.tile(self.series(key, steps), (count, 1))
