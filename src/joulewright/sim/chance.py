"""Random events: arrivals and durations drawn from rates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from datetime import timedelta

from joulewright.errors import ScenarioError
from joulewright.model import Event, EventRate, Scenario
from joulewright.model.disturbance import event_problems
from joulewright.sim.random import stream

_SHORTEST_S = 1.0
_SHARED = tuple(item.name for item in fields(Event) if item.name not in ("start", "end"))


def draw_events(scenario: Scenario, rates: Sequence[EventRate], seed: int) -> tuple[Event, ...]:
    """Events that chance brings within the horizon.

    Parameters
    ----------
    scenario : Scenario
        Gives the horizon and the components; its own events and chances are left aside.
    rates : sequence of EventRate
        Usually ``scenario.chances``. Each has two streams of random numbers of its own, called after its name, so that
        adding a rate changes no other one, another duration changes no arrival and a longer horizon starts alike.
    seed : int
        Equal seeds give equal events.

    Returns
    -------
    tuple of Event
        In order of their start; an event may end after the horizon. Nothing has failed when the horizon begins.

    Raises
    ------
    ScenarioError
        If a rate names a site or component that does not exist, or two rates have one name.

    Notes
    -----
    Arrivals are a Poisson process: times between starts are exponential with mean ``1 / rate_per_h``. Durations are
    exponential with mean ``duration_h``, or fixed, and last 1 s at least. Events of one rate may overlap.

    References
    ----------
    Ross (2014), Introduction to Probability Models, 11th ed., section 5.3 (the Poisson process).

    Examples
    --------
    Four starts a year on average, over 100 years:

    >>> from datetime import UTC, datetime
    >>> import numpy as np
    >>> from joulewright.model import Site, Timeline
    >>> days = Timeline(start=datetime(2022, 1, 1, tzinfo=UTC), step_s=86400, steps=36525)
    >>> idle = {"pue": np.ones(36525), "fixed_it_power_mw": np.zeros(36525), "fixed_facility_power_mw": np.zeros(36525)}
    >>> site = Site(name="a", **idle)
    >>> rate = EventRate(name="loss", kind="site-loss", site="a", rate_per_h=4 / 8766, duration_h=3)
    >>> 340 < len(draw_events(Scenario(name="s", timeline=days, sites=(site,)), [rate], seed=0)) < 460
    True
    """
    problems = [problem for rate in rates for problem in event_problems(scenario, rate)]
    names = [rate.name for rate in rates]
    problems += [f"two chances are called {name!r}; names must be unique" for name in {*names} if names.count(name) > 1]
    if problems:
        raise ScenarioError(problems)
    drawn = [event for rate in rates for event in _draw(scenario, rate, seed)]
    return tuple(sorted(drawn, key=lambda event: event.start))


def _draw(scenario: Scenario, rate: EventRate, seed: int) -> Iterator[Event]:
    if rate.rate_per_h == 0.0:
        return
    arrivals, durations = (stream(seed, f"chance/{rate.name}/{part}") for part in ("arrivals", "durations"))
    shared = {name: getattr(rate, name) for name in _SHARED}
    at_h = arrivals.exponential(1.0 / rate.rate_per_h)
    while at_h < scenario.timeline.hours:
        lasts_h = rate.duration_h if rate.fixed_duration else durations.exponential(rate.duration_h)
        start = scenario.timeline.start + timedelta(hours=at_h)
        yield Event(start=start, end=start + timedelta(seconds=max(_SHORTEST_S, lasts_h * 3600.0)), **shared)
        at_h += arrivals.exponential(1.0 / rate.rate_per_h)
