"""Forecasts: what each forecaster knows, what it issues and how good it is."""

from joulewright.policy.forecast.base import (
    AbstractExpectation,
    AbstractForecaster,
    AbstractForecastSource,
    Facts,
)
from joulewright.policy.forecast.day_ahead import DayAheadForecaster
from joulewright.policy.forecast.issued import ForecastSource, IssuedForecast
from joulewright.policy.forecast.naming import forecasters, make_forecaster, register_forecaster
from joulewright.policy.forecast.past import (
    AnalogueExpectation,
    ClimatologyForecaster,
    DiurnalPersistenceForecaster,
    PersistenceForecaster,
)
from joulewright.policy.forecast.perfect import PerfectForecaster
from joulewright.policy.forecast.place import SignalPlace, signal_places
from joulewright.policy.forecast.recorded import RecordedForecaster, RecordedSeries
from joulewright.policy.forecast.skill import SkillRow, skill
from joulewright.policy.forecast.telemetry import last_known, stale_steps

__all__ = [
    "AbstractExpectation",
    "AbstractForecastSource",
    "AbstractForecaster",
    "AnalogueExpectation",
    "ClimatologyForecaster",
    "DayAheadForecaster",
    "DiurnalPersistenceForecaster",
    "Facts",
    "ForecastSource",
    "IssuedForecast",
    "PerfectForecaster",
    "PersistenceForecaster",
    "RecordedForecaster",
    "RecordedSeries",
    "SignalPlace",
    "SkillRow",
    "forecasters",
    "last_known",
    "make_forecaster",
    "register_forecaster",
    "signal_places",
    "skill",
    "stale_steps",
]
