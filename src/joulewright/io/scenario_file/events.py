"""Known events and what they do to the series of their site."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from joulewright.io.scenario_file.document import Document
from joulewright.io.scenario_file.fields import did_you_mean
from joulewright.io.scenario_file.tables import Table
from joulewright.model import BoolArray, Event, Fleet, FloatArray, Generator, RenewablePlant, Timeline

_NEEDED = {"demand-response": "limit", "generator-failure": "component", "price-spike": "price"}
_TAKEN = {
    "grid-outage": set[str](),
    "demand-response": {"limit"},
    "curtailment": {"limit"},
    "generator-failure": {"component"},
    "site-loss": set[str](),
    "price-spike": {"price"},
}


def read_events(document: Document, tables: Sequence[Table], sites: Sequence[Table], timeline: Timeline) -> list[Event]:
    """Every event that is well formed; problems of the others go to the document."""
    by_name = {site.name: site for site in sites}
    found = [_event(document, table, by_name, timeline) for table in tables]
    return [event for event in found if event is not None]


def _event(document: Document, table: Table, sites: dict[str, Table], timeline: Timeline) -> Event | None:
    kind, start, end = table["kind"], table["start"], table["end"]
    if kind is not None:
        _check_keys(document, table, kind)
    site = _place(document, table, sites)
    if start is not None and end is not None:
        if end <= start:
            message = f"the event ends {end.isoformat()}, not after its start {start.isoformat()}"
            document.add("T035", table.at("end"), message, help="end is the first instant after the event")
        elif end <= timeline.start or start >= timeline.end:
            message = f"the event of {start.isoformat()} lies outside the horizon and changes nothing"
            document.add("T036", table.at("start"), message, severity="warning", help="correct its dates or remove it")
    if table.wrong or site is None:
        return None
    return Event(
        kind=kind,
        site=table["site"],
        start=start,
        end=end,
        limit_mw=table["limit"],
        notice_h=table["notice"],
        component=table["component"],
        price_per_mwh=table["price"],
    )


def _place(document: Document, table: Table, sites: dict[str, Table]) -> Table | None:
    """Site of an event; None after reporting that there is none."""
    if table["site"] is None:
        return None
    site = sites.get(table["site"])
    if site is None:
        help = did_you_mean(table["site"], list(sites))
        document.add("S008", table.at("site"), f"there is no site {table['site']!r}", help=help)
        return None
    names = [part.name for key in ("generator", "fleet") for part in site.items(key)]
    if table["component"] is not None and table["component"] not in names:
        message = f"site {site.name!r} has no generator or fleet {table['component']!r}"
        document.add("S008", table.at("component"), message, help=did_you_mean(table["component"], names))
    return site


def _check_keys(document: Document, table: Table, kind: str) -> None:
    needed = _NEEDED.get(kind)
    if needed is not None and needed not in table.given:
        document.add("S003", table.path, f"event of kind {kind!r} has no {needed}", help=f"add {needed}")
        table.wrong.add(needed)
    for key in ("limit", "component", "price"):
        if key in table.given and key not in _TAKEN[kind]:
            message = f"{key} does not apply to an event of kind {kind!r}"
            takers = [other for other, keys in _TAKEN.items() if key in keys]
            document.add("S014", table.at(key), message, help=f"remove it; it belongs to {', '.join(takers)}")


@dataclass(frozen=True, kw_only=True)
class SiteEvents:
    """The events of one site on the horizon.

    Attributes
    ----------
    events : tuple of Event
        In file order.
    timeline : Timeline
        The horizon.
    """

    events: tuple[Event, ...]
    timeline: Timeline

    def steps(self, *kinds: str, component: str | None = None) -> BoolArray:
        """Steps that overlap an event of these kinds (and this component), shape ``(T,)``."""
        members = np.zeros(self.timeline.steps, dtype=np.bool_)
        for event in self.events:
            if event.kind in kinds and (component is None or event.component == component):
                members[self._window(event)] = True
        return members

    def has(self, kind: str) -> bool:
        """Whether there is an event of this kind."""
        return any(event.kind == kind for event in self.events)

    def spiked(self, price: FloatArray) -> FloatArray:
        """Energy price with price spikes, shape ``(T,)``."""
        changed = price.copy()
        for event in self.events:
            if event.kind == "price-spike" and event.price_per_mwh is not None:
                changed[self._window(event)] = event.price_per_mwh
        return changed

    def capped(self, limit: FloatArray) -> FloatArray:
        """Import limit [MW] after demand response, curtailment with a limit, outages and site loss."""
        changed = limit.copy()
        for event in self.events:
            if event.kind in ("demand-response", "curtailment") and event.limit_mw is not None:
                window = self._window(event)
                changed[window] = np.minimum(changed[window], event.limit_mw)
        return self.cut(changed)

    def cut(self, limit: FloatArray) -> FloatArray:
        """Limit [MW] that outages and the loss of the site bring to zero."""
        return np.where(self.steps("grid-outage", "site-loss"), 0.0, limit)

    def without_site(self, values: FloatArray) -> FloatArray:
        """Series that the loss of the site brings to zero."""
        return np.where(self.steps("site-loss"), 0.0, values)

    def applied_to(self, part: Any) -> Any:
        """A plant, generator or fleet with its availability after failures and site loss.

        Examples
        --------
        Without events the same object comes back.
        """
        if not self.events:
            return part
        if isinstance(part, RenewablePlant):
            return replace(part, per_unit=self.without_site(part.per_unit))
        if isinstance(part, (Generator, Fleet)):
            failed = self.steps("generator-failure", component=part.name) | self.steps("site-loss")
            return replace(part, availability=np.where(failed, 0.0, part.availability))
        return part

    def _window(self, event: Event) -> slice:
        first = max(0, self.timeline.floor(event.start))
        return slice(first, max(first, self.timeline.ceil(event.end)))
