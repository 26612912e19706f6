"""What events do to the series of a scenario."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import get_args

import numpy as np

from joulewright.errors import ScenarioError
from joulewright.model.event import Event, EventKind, EventRate
from joulewright.model.fleet import Fleet
from joulewright.model.scenario import Scenario
from joulewright.model.site import Generator, GridConnection, Site
from joulewright.model.timeline import BoolArray, FloatArray, Timeline

SIGNAL_EVENTS: frozenset[EventKind] = frozenset(
    {"grid-outage", "demand-response", "curtailment", "site-loss", "price-spike"}
)
"""Kinds that change signals; the others change what is available or what is seen."""

_LOST_WITH_SITE = frozenset({"per_unit", "fixed_it_power_mw", "fixed_facility_power_mw"})


@dataclass(frozen=True, kw_only=True)
class SiteEvents:
    """Events of one site on some steps.

    Attributes
    ----------
    events : tuple of Event
        In the order in which they are applied.
    timeline : Timeline
        The steps; an event disturbs every step it overlaps.
    """

    events: tuple[Event, ...]
    timeline: Timeline

    def steps(self, *kinds: EventKind, component: str | None = None) -> BoolArray:
        """Steps that overlap an event of these kinds (and this component), shape ``(T,)``."""
        members = np.zeros(self.timeline.steps, dtype=np.bool_)
        for event, window in self._windows(*kinds):
            if component is None or event.component == component:
                members[window] = True
        return members

    def spiked(self, price: FloatArray, *, factor: float = 1.0, added: FloatArray | float = 0.0) -> FloatArray:
        """Price that is ``factor x energy price + added`` during price spikes, shape ``(..., T)``."""
        changed = price.copy()
        extra = np.broadcast_to(added, price.shape[-1:])
        for event, window in self._windows("price-spike"):
            if event.price_per_mwh is not None:
                changed[..., window] = factor * event.price_per_mwh + extra[window]
        return changed

    def disturbed(self, quantity: str, values: FloatArray, grid: GridConnection | None = None) -> FloatArray:
        """A signal during the events.

        Parameters
        ----------
        quantity : str
            Last part of the signal's key, e.g. ``import_limit_mw`` or ``per_unit``.
        values : FloatArray
            Without events, shape ``(..., T)``.
        grid : GridConnection, optional
            Connection of the site, whose fee has the same T steps.

        Returns
        -------
        FloatArray
            Shape ``(..., T)``; signals that no event changes come back as they are.
        """
        if quantity in _LOST_WITH_SITE:
            return self._zero_during(values, "site-loss")
        if quantity == "export_limit_mw":
            return self._zero_during(values, "grid-outage", "site-loss")
        if quantity == "import_limit_mw":
            return self._zero_during(self._capped(values, grid), "grid-outage", "site-loss")
        if quantity == "import_price_per_mwh":
            fee = None if grid is None else grid.import_fee_per_mwh
            return self.spiked(values, added=0.0 if fee is None else fee)
        if quantity == "export_price_per_mwh" and grid is not None and grid.export_factor is not None:
            return self.spiked(values, factor=grid.export_factor, added=grid.export_offset_per_mwh)
        return values

    def site(self, site: Site) -> Site:
        """The site with its series as they are during the events."""
        if not self.events:
            return site
        plants = tuple(replace(plant, per_unit=self.disturbed("per_unit", plant.per_unit)) for plant in site.renewables)
        return replace(
            site,
            grid=None if site.grid is None else self._grid(site.grid),
            renewables=plants,
            generators=tuple(self._generator(generator) for generator in site.generators),
            fleets=tuple(self._fleet(fleet) for fleet in site.fleets),
            fixed_it_power_mw=self.disturbed("fixed_it_power_mw", site.fixed_it_power_mw),
            fixed_facility_power_mw=self.disturbed("fixed_facility_power_mw", site.fixed_facility_power_mw),
        )

    def _grid(self, grid: GridConnection) -> GridConnection:
        flexible = grid.flexible
        if flexible is not None:
            flexible = replace(flexible, curtailed=flexible.curtailed | self.steps("curtailment"))
        return replace(
            grid,
            flexible=flexible,
            import_limit_mw=self.disturbed("import_limit_mw", grid.import_limit_mw, grid),
            export_limit_mw=self.disturbed("export_limit_mw", grid.export_limit_mw, grid),
            import_price_per_mwh=self.disturbed("import_price_per_mwh", grid.import_price_per_mwh, grid),
            export_price_per_mwh=self.disturbed("export_price_per_mwh", grid.export_price_per_mwh, grid),
        )

    def _capped(self, limit: FloatArray, grid: GridConnection | None) -> FloatArray:
        """Import limit [MW] under calls; curtailment takes the flexible part of the connection, if there is one."""
        changed = limit.copy()
        for event, window in self._windows("demand-response", "curtailment"):
            if event.kind == "curtailment" and grid is not None and grid.flexible is not None:
                changed[..., window] = np.minimum(changed[..., window], grid.flexible.firm_limit_mw)
            if event.limit_mw is not None:
                changed[..., window] = np.minimum(changed[..., window], event.limit_mw)
        return changed

    def _zero_during(self, values: FloatArray, *kinds: EventKind) -> FloatArray:
        return np.where(self.steps(*kinds), 0.0, values)

    def _generator(self, generator: Generator) -> Generator:
        failed = self.steps("generator-failure", component=generator.name) | self.steps("site-loss")
        return replace(generator, availability=np.where(failed, 0.0, generator.availability))

    def _fleet(self, fleet: Fleet) -> Fleet:
        """Failures that overlap take different accelerators, so their shares add up."""
        lost = np.zeros(self.timeline.steps)
        for event, window in self._windows("accelerator-failure"):
            if event.component == fleet.name:
                lost[window] += 1.0 if event.lost_fraction is None else event.lost_fraction
        failed = self.steps("generator-failure", component=fleet.name) | self.steps("site-loss")
        left = np.maximum(0.0, fleet.availability - lost)
        return replace(fleet, availability=np.where(failed, 0.0, left))

    def _windows(self, *kinds: EventKind) -> Iterator[tuple[Event, slice]]:
        for event in self.events:
            if event.kind in kinds:
                yield event, slice(*event_steps(self.timeline, event))


def event_steps(timeline: Timeline, event: Event) -> tuple[int, int]:
    """First step that an event disturbs and the step after its last one, within the horizon.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> day = Timeline(start=datetime(2022, 7, 4, tzinfo=UTC), step_s=3600, steps=24)
    >>> event_steps(day, Event(kind="site-loss", site="a", start=datetime(2022, 7, 4, 6, 30, tzinfo=UTC),
    ...                        end=datetime(2022, 7, 4, 8, tzinfo=UTC)))
    (6, 8)
    """
    first = min(max(0, timeline.floor(event.start)), timeline.steps)
    return first, min(max(first, timeline.ceil(event.end)), timeline.steps)


def apply_events(scenario: Scenario, events: Sequence[Event]) -> Scenario:
    """The scenario as it is with these events.

    Parameters
    ----------
    scenario : Scenario
        Undisturbed: its series do not hold events yet, whatever its own ``events`` list.
    events : sequence of Event
        What happens; parts of an event outside the horizon change nothing.

    Returns
    -------
    Scenario
        Its ``events`` are those given, and ``events_applied`` says that the series hold them.

    Raises
    ------
    ScenarioError
        If the series hold events already, or an event is of an unknown kind, names a site or component that does
        not exist, has no time zone or ends before it starts.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> day = Timeline(start=datetime(2022, 7, 4, tzinfo=UTC), step_s=3600, steps=4)
    >>> site = Site(name="a", pue=np.ones(4), fixed_it_power_mw=np.full(4, 2.0), fixed_facility_power_mw=np.zeros(4))
    >>> loss = Event(kind="site-loss", site="a", start=day.at(1), end=day.at(3))
    >>> disturbed = apply_events(Scenario(name="s", timeline=day, sites=(site,)), [loss])
    >>> disturbed.site("a").fixed_it_power_mw.tolist(), disturbed.events_applied
    ([2.0, 0.0, 0.0, 2.0], True)
    """
    if events and scenario.events_applied:
        raise ScenarioError(
            f"the series of scenario {scenario.name!r} already hold {len(scenario.events)} events; "
            "read it with apply_events=False and apply all events together"
        )
    problems = [problem for event in events for problem in event_problems(scenario, event)]
    if problems:
        raise ScenarioError(problems)
    sites = tuple(
        SiteEvents(events=tuple(e for e in events if e.site == site.name), timeline=scenario.timeline).site(site)
        for site in scenario.sites
    )
    return scenario.with_changes(sites=sites, events=tuple(events), events_applied=bool(events))


def event_problems(scenario: Scenario, event: Event | EventRate) -> list[str]:
    """What is wrong with an event or a chance in this scenario, in plain words."""
    what = f"{'event' if isinstance(event, Event) else 'chance'} of kind {event.kind!r} at {event.site!r}"
    kinds, sites = get_args(EventKind), {site.name: site for site in scenario.sites}
    problems = []
    if event.kind not in kinds:
        problems.append(f"{what}: there is no such kind; there are {', '.join(kinds)}")
    if event.site not in sites:
        problems.append(f"{what}: there is no such site; there are {sorted(sites)}")
    elif event.component is not None:
        site = sites[event.site]
        parts = [*(unit.name for unit in site.generators), *(fleet.name for fleet in site.fleets)]
        if event.component not in parts:
            problems.append(f"{what}: there is no component {event.component!r}; there are {parts}")
    if isinstance(event, Event):
        if event.start.tzinfo is None or event.end.tzinfo is None:
            problems.append(f"{what}: start {event.start.isoformat()} or end has no time zone; write it in UTC")
        elif event.end <= event.start:
            problems.append(f"{what}: it ends {event.end.isoformat()}, not after its start {event.start.isoformat()}")
    return problems
