"""What happened in a run, as a timeline with a row for each place and kind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from joulewright.model import Happening, Timeline
from joulewright.report.clock import span_text, stamp, zone_label
from joulewright.report.figure import LegendEntry

LEAST_BAR_PX = 4
"""Width of what takes no time."""

_OF_JOBS = ("job-restart", "migration", "deadline-missed")
_MOST_ROWS = 24
_MOST_ITEMS = 400
_ROW_PX = 24
_COLOURS = {
    "grid-outage": "generator",
    "site-loss": "cooling",
    "demand-response": "price",
    "curtailment": "export",
    "generator-failure": "carbon",
    "generator-trip": "carbon",
    "accelerator-failure": "training",
    "price-spike": "solar",
    "telemetry-gap": "fixed",
    "job-restart": "wind",
    "migration": "inference",
    "deadline-missed": "battery",
    "shed-load": "unserved",
    "shed-critical-load": "load",
}
_OTHER = "work"
_TIE = "\xa0"


@dataclass(frozen=True, kw_only=True)
class Tally:
    """How often something of one kind happened, and for how long in all [h]."""

    kind: str
    count: int
    hours: float


def words(kind: str) -> str:
    """A kind of happening as people say it.

    Examples
    --------
    >>> words("grid-outage")
    'grid outage'
    """
    return kind.replace("-", " ")


def tallies(happenings: Iterable[Happening]) -> list[Tally]:
    """Number and hours by kind, in the order of first occurrence."""
    groups: dict[str, list[Happening]] = {}
    for item in happenings:
        groups.setdefault(item.kind, []).append(item)
    return [
        Tally(kind=kind, count=len(items), hours=sum(item.end_h - item.start_h for item in items))
        for kind, items in groups.items()
    ]


def tally_text(tally: Tally) -> str:
    """Number, kind and hours.

    Examples
    --------
    >>> tally_text(Tally(kind="grid-outage", count=2, hours=7.5)), tally_text(Tally(kind="migration", count=1, hours=0))
    ('2\xa0× grid outage (7.5\xa0h)', '1\xa0× migration')
    """
    lasts = span_text(round(tally.hours, 2)).replace(" ", _TIE)
    return f"{tally.count}{_TIE}× {words(tally.kind)}" + (f" ({lasts})" if tally.hours > 0 else "")


def told(happenings: Iterable[Happening], most: int = 6) -> str:
    """What happened in one line; empty where nothing did."""
    listed = tallies(happenings)
    rest = len(listed) - most
    return ", ".join(tally_text(item) for item in listed[:most]) + (f" and {rest} other kinds" if rest > 0 else "")


def timeline_view(
    name: str, happenings: Sequence[Happening], timeline: Timeline, axis: Mapping[str, Any], *, clock: str = "UTC"
) -> dict[str, Any]:
    """View of a ``gantt`` chart: rows by place and kind, or by kind where there are many places.

    Parameters
    ----------
    name : str
        Of the run.
    happenings : sequence of Happening
        In order of time; the first 400 are drawn.
    timeline : Timeline
        Horizon of the run.
    axis : mapping
        Time axis over all steps.
    clock : str
        IANA time zone of that axis.
    """
    rows: dict[tuple[str, str], list[dict[str, Any]]] = {}
    by_place = len({_place(item) for item in happenings}) <= _MOST_ROWS
    for item in happenings[:_MOST_ITEMS]:
        label, short = (_place(item), item.where) if by_place else (words(item.kind), "")
        short = "jobs" if item.kind in _OF_JOBS else short
        rows.setdefault((label, short), []).append(_item(item, timeline, clock))
    listed = [{"name": label, "short": short, "items": items} for (label, short), items in sorted(rows.items())]
    return {
        "name": name,
        "axis": dict(axis),
        "rows": listed or [{"name": "", "items": []}],
        "named": True,
        "pitch": _ROW_PX,
        "note": _note(name, happenings),
    }


def _note(name: str, happenings: Sequence[Happening]) -> str:
    what = told(happenings, most=12) or "nothing"
    drawn = f" The first {_MOST_ITEMS} of {len(happenings)} are drawn." if len(happenings) > _MOST_ITEMS else ""
    return f"{name}: {what}.{drawn}" if name else f"{what[0].upper()}{what[1:]}.{drawn}"


def _place(item: Happening) -> str:
    return words(item.kind) if item.kind in _OF_JOBS else f"{item.where}: {words(item.kind)}"


def _item(item: Happening, timeline: Timeline, clock: str) -> dict[str, Any]:
    key = _COLOURS.get(item.kind, _OTHER)
    span = [round(hours / timeline.step_h, 3) for hours in (item.start_h, max(item.start_h, item.end_h))]
    facts = [["Where", item.where], ["Begins", instant_text(timeline, item.start_h, clock)]]
    if item.end_h > item.start_h:
        facts.append(["Lasts", span_text(round(item.end_h - item.start_h, 2))])
    return {
        "name": words(item.kind),
        "key": key,
        "window": None,
        "runs": [[*span, 1.0, key]],
        "facts": facts,
        "reason": item.detail,
    }


def instant_text(timeline: Timeline, hours: float, clock: str = "UTC") -> str:
    """Instant so many hours after the start, on the clock of an IANA time zone."""
    return f"{stamp(timeline.start + timedelta(hours=hours), clock)} {zone_label(clock)}"


def kinds_legend(happenings: Iterable[Happening]) -> list[LegendEntry]:
    """A colour for each kind that occurs."""
    kinds = dict.fromkeys(item.kind for item in happenings)
    return [LegendEntry(key=_COLOURS.get(kind, _OTHER), name=words(kind)) for kind in kinds]


def happening_row(item: Happening, timeline: Timeline, clock: str = "UTC") -> list[str]:
    """Cells of a table: when, for how long, what, where, in detail."""
    lasts = span_text(round(item.end_h - item.start_h, 2)) if item.end_h > item.start_h else "a moment"
    return [instant_text(timeline, item.start_h, clock), lasts, words(item.kind), item.where, item.detail]


ROW_HEADER = ("Begins", "Lasts", "What", "Where", "In detail")
"""Header of :func:`happening_row`."""
