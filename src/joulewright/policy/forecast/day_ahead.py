"""Day-ahead forecasts: the truth with an error of the size that real forecasts have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import ClassVar

import numpy as np

from joulewright.model import Event, Scenario
from joulewright.model.timeline import FloatArray
from joulewright.policy.forecast.base import AbstractExpectation, AbstractForecaster, Facts, Knowledge
from joulewright.policy.forecast.error_paths import KINDS, ErrorPaths
from joulewright.policy.forecast.issued import ForecastSource
from joulewright.policy.forecast.place import SignalPlace
from joulewright.policy.options import check_number, rule_text
from joulewright.policy.signals import signal_series


@dataclass(frozen=True, kw_only=True)
class DayAheadForecaster(AbstractForecaster):
    """Truth plus an artificial error; it uses the true future and says so in ``knows``.

    Errors are zero for the present and grow with lead time to the sizes below, which are standard deviations of the
    logarithm of forecast over truth; prices have additive errors relative to the mean size of the price.

    Attributes
    ----------
    carbon_error_fraction : float
        Carbon intensity. 0.19 gives a mean absolute error of 15 % of the mean intensity, as the CarbonCast day-ahead
        forecasts of CISO have over 26,280 hours of 2020 to 2022 (14.9 %; root mean square 18.5 %).
    price_error_fraction : float
        Energy prices; an assumption of the order that open benchmarks of day-ahead prices report. 0.15 gives a mean
        absolute error of 12 % of the mean price.
    solar_error_fraction, wind_error_fraction : float
        Available power; assumptions of the order that the reviews below report. 0.25 and 0.35 give root mean square
        errors of about 10 and 13 % of capacity at usual output; a value above the rating counts as the rating.
    demand_error_fraction : float
        Demand of services and fixed load; an assumption, well above the error of the load of whole power systems.
    memory_h : float
        Time in which the correlation of errors falls to 1/e [h]. 10.6 h is a correlation of 0.91 after 1 h, as the same
        CISO errors have.
    shared_fraction : float
        Correlation between sites, in [0, 1]. 0.2 is the mean correlation of departures of carbon intensity from its
        mean of month and hour between CISO, ERCOT, PJM, DE-LU and Ontario in 2022.
    error_scale : float
        Factor on all sizes; 0 gives the truth with announced events only.

    Raises
    ------
    PolicyError
        If an option is negative, not finite, or ``shared_fraction`` is above 1.

    References
    ----------
    Maji, Shenoy and Sitaraman (2022), CarbonCast, BuildSys, doi 10.1145/3563357.3564079 (carbon intensity).
    Lago, Marcjasz, De Schutter and Weron (2021), Applied Energy 293:116983, doi 10.1016/j.apenergy.2021.116983 (price).
    Antonanzas et al. (2016), Solar Energy 136:78-111, doi 10.1016/j.solener.2016.06.069 (solar).
    Foley, Leahy, Marvuglia and McKeogh (2012), Renewable Energy 37:1-8, doi 10.1016/j.renene.2011.05.033 (wind).
    Hong and Fan (2016), Int. J. Forecasting 32:914-938, doi 10.1016/j.ijforecast.2015.11.011 (load).

    Examples
    --------
    >>> DayAheadForecaster(error_scale=0.5).specification
    'day-ahead:error_scale=0.5'
    """

    carbon_error_fraction: float = 0.19
    price_error_fraction: float = 0.15
    solar_error_fraction: float = 0.25
    wind_error_fraction: float = 0.35
    demand_error_fraction: float = 0.10
    memory_h: float = 10.6
    shared_fraction: float = 0.2
    error_scale: float = 1.0

    knows: ClassVar[Knowledge] = "truth"

    def __post_init__(self) -> None:
        for item in fields(self):
            check_number(item.name, getattr(self, item.name), high=1.0 if item.name == "shared_fraction" else 100.0)

    @property
    def specification(self) -> str:
        """Name and parameters, as the command line takes them."""
        return rule_text("day-ahead", self)

    def prepare(
        self, truth: Scenario, undisturbed: Scenario, events: Sequence[Event], generator: np.random.Generator
    ) -> ForecastSource:
        """Get ready for one run."""
        facts = Facts.of(truth, undisturbed, events)
        expectation = NoisyTruth(facts=facts, forecaster=self, entropy=int(generator.integers(2**63)))
        return ForecastSource(facts, expectation, self.knows)


@dataclass(frozen=True, kw_only=True, eq=False)
class NoisyTruth(AbstractExpectation):
    """Undisturbed truth with errors.

    A value is ``truth x exp(e - v/2)`` with the error e and its variance v, so that its mean is the truth; a price is
    ``truth + e``.

    Attributes
    ----------
    facts : Facts
        The run.
    forecaster : DayAheadForecaster
        Sizes of the errors.
    entropy : int
        Seed.
    """

    facts: Facts
    forecaster: DayAheadForecaster
    entropy: int

    def values(self, place: SignalPlace, step: int, stop: int) -> FloatArray:
        """Expected values on the steps ``[step, stop)``, shape ``(stop - step,)``."""
        truth = self._truth[place.key][step:stop]
        if self._sizes[place.key] == 0.0:
            return truth.copy()
        errors = self._paths.errors(self._rows[place.key], place.kind, step, stop)
        return self._disturbed(place, truth, errors)

    def members(self, place: SignalPlace, step: int, stop: int, count: int) -> FloatArray:
        """Futures around the forecast with fresh errors of the same law, shape ``(count, stop - step)``."""
        middle = self.values(place, step, stop)
        if self._sizes[place.key] == 0.0:
            return np.tile(middle, (count, 1))
        drawn = self._ensemble(step, stop - step, count)[..., self._rows[place.key], KINDS.index(place.kind)]
        return self._disturbed(place, middle, drawn.T)

    def _disturbed(self, place: SignalPlace, middle: FloatArray, errors: FloatArray) -> FloatArray:
        size = self._sizes[place.key]
        if place.kind == "price":
            return middle + size * errors
        variance = size**2 * (1.0 - self._paths.decay(middle.size) ** 2)
        return np.clip(middle * np.exp(size * errors - variance / 2.0), place.low, place.high)

    def _ensemble(self, step: int, steps: int, count: int) -> FloatArray:
        wanted = (step, steps, count)
        if wanted not in self._last_ensemble:
            self._last_ensemble.clear()
            self._last_ensemble[wanted] = self._paths.members(step, steps, count)
        return self._last_ensemble[wanted]

    @cached_property
    def _last_ensemble(self) -> dict[tuple[int, int, int], FloatArray]:
        return {}

    @cached_property
    def _truth(self) -> dict[str, FloatArray]:
        return signal_series(self.facts.undisturbed)

    @cached_property
    def _rows(self) -> dict[str, int]:
        """Place of each signal among the error paths: its site, or a place of its own for demand."""
        names = [place.site or place.key for place in self.facts.places.values()]
        rows = {name: row for row, name in enumerate(dict.fromkeys(names))}
        return {key: rows[place.site or key] for key, place in self.facts.places.items()}

    @cached_property
    def _paths(self) -> ErrorPaths:
        return ErrorPaths(
            max(self._rows.values(), default=0) + 1,
            self.facts.timeline.step_h,
            self.forecaster.memory_h,
            shared_fraction=self.forecaster.shared_fraction,
            entropy=self.entropy,
        )

    @cached_property
    def _sizes(self) -> dict[str, float]:
        """Standard deviation of the error of each signal at long lead times."""
        return {key: self._size(place) for key, place in self.facts.places.items()}

    def _size(self, place: SignalPlace) -> float:
        if place.kind == "known":
            return 0.0
        fraction: float = getattr(self.forecaster, f"{place.kind}_error_fraction")
        size = self.forecaster.error_scale * fraction
        if place.kind != "price":
            return size
        paid = self._truth[f"{place.site}/import_price_per_mwh"]
        mean = float(np.mean(np.abs(paid)))
        return size * mean * (_slope(paid, self._truth[place.key]) if place.quantity.startswith("export") else 1.0)


def _slope(paid: FloatArray, received: FloatArray) -> float:
    """How much the export price moves with the import price, in [0, 1]: the spread between both must not open up."""
    centred = paid - paid.mean()
    spread = float(centred @ centred)
    return 0.0 if spread == 0.0 else min(1.0, max(0.0, float(centred @ (received - received.mean())) / spread))
