"""Forecasters by name: built-in, registered by a program, or found through entry points."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from importlib.metadata import entry_points
from typing import Any

from joulewright.errors import PolicyError
from joulewright.policy.forecast.base import AbstractForecaster
from joulewright.policy.forecast.day_ahead import DayAheadForecaster
from joulewright.policy.forecast.past import (
    ClimatologyForecaster,
    DiurnalPersistenceForecaster,
    PersistenceForecaster,
)
from joulewright.policy.forecast.perfect import PerfectForecaster
from joulewright.policy.forecast.recorded import RecordedForecaster
from joulewright.policy.registry import Entry, build, parse

ENTRY_POINT_GROUP = "joulewright.forecasters"

_BUILT_IN: Mapping[str, tuple[Callable[..., Any], str]] = {
    "day-ahead": (DayAheadForecaster, "The truth with an error like that of real day-ahead forecasts."),
    "persistence": (PersistenceForecaster, "Everything stays as it is now."),
    "diurnal-persistence": (DiurnalPersistenceForecaster, "The same hour of the last day, or of the last week."),
    "climatology": (ClimatologyForecaster, "The mean of the hour of day so far, by month or type of day."),
    "perfect": (PerfectForecaster, "The future itself."),
    "recorded": (RecordedForecaster, "Forecasts that were recorded when they were issued."),
}
_ADDED: dict[str, Entry] = {}


def register_forecaster(name: str, *, summary: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate a frozen dataclass to register it under ``name``.

    Raises
    ------
    PolicyError
        If the name is taken.
    """

    def add(factory: Callable[..., Any]) -> Callable[..., Any]:
        if name in _BUILT_IN or name in _ADDED:
            raise PolicyError(f"two forecasters are called {name!r}; choose another name for {factory!r}")
        _ADDED[name] = Entry(name=name, kind="forecast", summary=summary, factory=factory)
        return factory

    return add


def forecasters() -> Mapping[str, Entry]:
    """Every forecaster by name; entry points are imported first.

    Examples
    --------
    >>> list(forecasters())[:3]
    ['day-ahead', 'persistence', 'diurnal-persistence']
    """
    for point in entry_points(group=ENTRY_POINT_GROUP):
        point.load()
    built_in = {
        name: Entry(name=name, kind="forecast", summary=summary, factory=factory)
        for name, (factory, summary) in _BUILT_IN.items()
    }
    return {**built_in, **_ADDED}


def make_forecaster(text: str) -> AbstractForecaster:
    """The forecaster that ``text`` names, with its options.

    Raises
    ------
    PolicyError
        If there is no such forecaster, or an option is unknown or not of the right type.

    Examples
    --------
    >>> make_forecaster("diurnal-persistence:weekly=yes")
    DiurnalPersistenceForecaster(weekly=True)
    """
    name, options = parse(text)
    known = forecasters()
    if name not in known:
        close = get_close_matches(name, known, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else f"; there are {', '.join(known)}"
        raise PolicyError(f"there is no forecaster {name!r}{hint}")
    made: AbstractForecaster = build(known[name], options)
    return made
