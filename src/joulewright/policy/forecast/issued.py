"""Forecasts as they are issued: what is expected, corrected for the present and for the events known by then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from joulewright.errors import PolicyError
from joulewright.model import Event, FlexibleConnection, GridConnection, Scenario, Timeline, cut_series
from joulewright.model.disturbance import SIGNAL_EVENTS, SiteEvents, event_steps
from joulewright.model.timeline import FloatArray
from joulewright.policy.forecast.base import AbstractExpectation, AbstractForecastSource, Facts, Knowledge
from joulewright.policy.forecast.place import SignalPlace
from joulewright.policy.signals import replace_signals


class ForecastSource(AbstractForecastSource):
    """Issues forecasts from what is expected of undisturbed signals.

    Parameters
    ----------
    facts : Facts
        The run.
    expectation : AbstractExpectation
        What is expected, events left aside.
    knows : {"past", "record", "truth"}
        ``past`` holds series that are no signals (availability, fuel cost, limits of IT power) at their present value;
        the others take them as calendars from the scenario.
    """

    def __init__(self, facts: Facts, expectation: AbstractExpectation, knows: Knowledge = "past") -> None:
        self.facts = facts
        self.expectation = expectation
        self.knows = knows
        self._grids = {site.name: site.grid for site in facts.undisturbed.sites}
        self._known = _known_from(facts.timeline, facts.events)

    def issue(self, step: int) -> IssuedForecast:
        """The forecast that is issued at the start of a step.

        Raises
        ------
        PolicyError
            If the step is outside the horizon.
        """
        check_step(self.facts.timeline, step)
        return IssuedForecast(source=self, step=step)

    def grid(self, site: str | None, step: int, stop: int) -> GridConnection | None:
        """Connection of a site on the steps ``[step, stop)``; None without one."""
        grid = None if site is None else self._grids[site]
        if grid is None or grid.import_fee_per_mwh is None:
            return grid
        return replace(grid, import_fee_per_mwh=grid.import_fee_per_mwh[step:stop])

    def known_events(self, step: int) -> tuple[Event, ...]:
        """Events that are known at a step and not over, in the order given."""
        if not self.facts.events:
            return ()
        known, stop = self._known
        return tuple(self.facts.events[at] for at in np.flatnonzero((known <= step) & (stop > step)))


@dataclass(frozen=True, kw_only=True, eq=False)
class IssuedForecast:
    """What is expected from a step on.

    Attributes
    ----------
    source : ForecastSource
        Who issues it.
    step : int
        When.
    """

    source: ForecastSource
    step: int

    def series(self, key: str, steps: int) -> FloatArray:
        """Expected values of a signal; the first is what telemetry shows now.

        Parameters
        ----------
        key : str
            As :func:`joulewright.policy.signals.signal_keys` lists it.
        steps : int
            How many, at least 1; fewer come back where the horizon ends.

        Returns
        -------
        FloatArray
            A new array of shape ``(min(steps, steps left),)``.

        Raises
        ------
        PolicyError
            If there is no such signal, ``steps`` is not positive or a value is not finite.
        """
        place, stop = self._place(key), last_step(self.source.facts.timeline, self.step, steps)
        return self._corrected(place, self.source.expectation.values(place, self.step, stop), stop)

    def members(self, key: str, steps: int, count: int) -> FloatArray:
        """Equally likely futures of a signal, all beginning with what telemetry shows now.

        Parameters
        ----------
        key : str
            As :func:`joulewright.policy.signals.signal_keys` lists it.
        steps, count : int
            Steps and members, at least 1 each.

        Returns
        -------
        FloatArray
            Shape ``(count, min(steps, steps left))``. Row m of one signal belongs to row m of every other signal that
            is asked for with the same numbers of steps and members.

        Raises
        ------
        PolicyError
            As :meth:`series`.
        """
        if count < 1:
            raise PolicyError(f"{count} members of a forecast are asked for; at least 1 is allowed")
        place, stop = self._place(key), last_step(self.source.facts.timeline, self.step, steps)
        return self._corrected(place, self.source.expectation.members(place, self.step, stop, count), stop)

    def window(self, steps: int) -> Scenario:
        """The scenario that is expected for the next steps, without training jobs and with the known events applied.

        Raises
        ------
        PolicyError
            As :meth:`series`.
        """
        source, facts = self.source, self.source.facts
        stop = last_step(facts.timeline, self.step, steps)
        timeline = self._timeline(stop)
        sites = _held(facts.undisturbed.sites, self.step, stop) if source.knows == "past" else None
        base = facts.undisturbed.with_changes(
            timeline=timeline,
            sites=tuple(
                SiteEvents(events=self._by_site.get(site.name, ()), timeline=timeline).site(site)
                for site in sites or cut_series(facts.undisturbed.sites, self.step, stop)
            ),
            inference=cut_series(facts.undisturbed.inference, self.step, stop),
            training=(),
            events=(),
        )
        return replace_signals(base, {key: self.series(key, steps) for key in facts.places})

    @cached_property
    def _by_site(self) -> dict[str, tuple[Event, ...]]:
        """Known events by site."""
        found: dict[str, list[Event]] = {}
        for event in self.source.known_events(self.step):
            found.setdefault(event.site, []).append(event)
        return {site: tuple(events) for site, events in found.items()}

    def _timeline(self, stop: int) -> Timeline:
        whole = self.source.facts.timeline
        return Timeline(start=whole.at(self.step), step_s=whole.step_s, steps=stop - self.step)

    def _place(self, key: str) -> SignalPlace:
        place = self.source.facts.places.get(key)
        if place is None:
            raise PolicyError(f"there is no signal {key!r}; there are {list(self.source.facts.places)}")
        return place

    def _corrected(self, place: SignalPlace, values: FloatArray, stop: int) -> FloatArray:
        """Values with the known events and the present, checked; ``values`` may be changed."""
        facts, step = self.source.facts, self.step
        events = self._by_site.get(place.site or "", ())
        if any(event.kind in SIGNAL_EVENTS for event in events):
            here = SiteEvents(events=events, timeline=self._timeline(stop))
            values = here.disturbed(place.quantity, values, self.source.grid(place.site, step, stop))
        values[..., 0] = facts.present[place.key][step]
        if not np.isfinite(values).all():
            self._refuse(place, values)
        return values

    def _refuse(self, place: SignalPlace, values: FloatArray) -> None:
        timeline = self.source.facts.timeline
        at = int(np.argwhere(~np.isfinite(values))[0][-1])
        raise PolicyError(
            f"the forecast of {place.key!r} issued at {timeline.label(self.step)} is {values[..., at].flat[0]} for "
            f"step {timeline.label(self.step + at)}; every value must be a finite number: correct the forecast or use "
            "another forecaster for this signal"
        )


def check_step(timeline: Timeline, step: int) -> None:
    """Refuse a step outside the horizon.

    Raises
    ------
    PolicyError
        If it is outside.
    """
    if not 0 <= step < timeline.steps:
        raise PolicyError(f"a forecast is asked for at step {step}; the horizon has [0, {timeline.steps})")


def last_step(timeline: Timeline, step: int, steps: int) -> int:
    """End of a window of ``steps`` steps, at most the end of the horizon.

    Raises
    ------
    PolicyError
        If the window is empty.
    """
    if steps < 1:
        raise PolicyError(f"a forecast of {steps} steps is asked for; at least 1 is allowed")
    return min(step + steps, timeline.steps)


def _known_from(timeline: Timeline, events: Sequence[Event]) -> tuple[np.ndarray, np.ndarray]:
    """Step from which each event is known, and the step after its last one, shape ``(E,)`` each."""
    spans = [event_steps(timeline, event) for event in events]
    notice = [timeline.position(event.start) - event.notice_h / timeline.step_h for event in events]
    known = [min(first, np.ceil(at - 1e-9)) for (first, _), at in zip(spans, notice, strict=True)]
    return np.array(known), np.array([stop for _, stop in spans])


def _held(value: Any, step: int, stop: int) -> Any:
    """A component whose series stay as they are at ``step``; calendars of tariffs, which are bool, go on."""
    if isinstance(value, np.ndarray):
        return value[step:stop] if value.dtype == np.bool_ else np.full(stop - step, value[step])
    if isinstance(value, FlexibleConnection):
        return None
    if isinstance(value, tuple):
        return tuple(_held(item, step, stop) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{item.name: _held(getattr(value, item.name), step, stop) for item in fields(value)})
    return value
