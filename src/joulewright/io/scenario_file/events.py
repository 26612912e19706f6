"""Known events, and how often chance brings further ones, as the scenario file gives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from joulewright.io.scenario_file.document import Document
from joulewright.io.scenario_file.tables import Table
from joulewright.model import Event, EventRate, Timeline

_NEEDED = {
    "demand-response": ("limit",),
    "generator-failure": ("component",),
    "price-spike": ("price",),
    "accelerator-failure": ("component",),
}
_TAKEN = {
    "grid-outage": set[str](),
    "demand-response": {"limit"},
    "curtailment": {"limit"},
    "generator-failure": {"component"},
    "site-loss": set[str](),
    "price-spike": {"price"},
    "accelerator-failure": {"component", "lost", "accelerators"},
    "telemetry-gap": {"signals"},
}
_OF_SOME_KINDS = ("limit", "component", "price", "lost", "accelerators", "signals")
_SITE_SIGNALS = ("pue", "fixed_it_power_mw", "fixed_facility_power_mw")
_GRID_SIGNALS = (
    "import_price_per_mwh", "export_price_per_mwh", "carbon_kg_per_mwh", "import_limit_mw", "export_limit_mw",
)  # fmt: skip


def read_events(document: Document, tables: Sequence[Table], sites: Sequence[Table], timeline: Timeline) -> list[Event]:
    """Every event that is well formed; problems of the others go to the document."""
    by_name = {site.name: site for site in sites}
    found = [_event(document, table, by_name, timeline) for table in tables]
    return [event for event in found if event is not None]


def read_chances(document: Document, tables: Sequence[Table], sites: Sequence[Table]) -> list[EventRate]:
    """Every chance that is well formed; problems of the others go to the document."""
    by_name = {site.name: site for site in sites}
    found = [_chance(document, table, by_name) for table in tables]
    return [chance for chance in found if chance is not None]


def _event(document: Document, table: Table, sites: Mapping[str, Table], timeline: Timeline) -> Event | None:
    start, end = table["start"], table["end"]
    what = _disturbance(document, table, sites)
    if start is not None and end is not None:
        if end <= start:
            message = f"the event ends {end.isoformat()}, not after its start {start.isoformat()}"
            document.add("T035", table.at("end"), message, help="end is the first instant after the event")
        elif end <= timeline.start or start >= timeline.end:
            message = f"the event of {start.isoformat()} lies outside the horizon and changes nothing"
            document.add("T036", table.at("start"), message, severity="warning", help="correct its dates or remove it")
    return None if what is None or end <= start else Event(start=start, end=end, **what)


def _chance(document: Document, table: Table, sites: Mapping[str, Table]) -> EventRate | None:
    what = _disturbance(document, table, sites)
    often = _one_of(document, table, ("rate", "mean_time_between"), 'rate = "4 /year"')
    lasts = _one_of(document, table, ("mean_duration", "duration"), 'mean_duration = "3 h"')
    if what is None or often is None or lasts is None:
        return None
    rate = table["rate"] if often == "rate" else 1.0 / table["mean_time_between"]
    return EventRate(
        name=table.name, rate_per_h=rate, duration_h=table[lasts], fixed_duration=lasts == "duration", **what
    )


def _one_of(document: Document, table: Table, keys: tuple[str, str], example: str) -> str | None:
    """Which of two keys is given; None after reporting that none, both or a wrong one is."""
    given = [key for key in keys if key in table.given]
    if len(given) == 2:
        message = f"{table.kind} {table.name!r} gives both {keys[0]} and {keys[1]}"
        document.add("S009", table.at(given[1]), message, help="keep one of them")
    elif not given and not table.wrong & set(keys):
        document.add("S003", table.path, f"{table.kind} {table.name!r} has no {keys[0]}", help=f"add {example}")
    return given[0] if len(given) == 1 and given[0] not in table.wrong else None


def _disturbance(document: Document, table: Table, sites: Mapping[str, Table]) -> dict[str, Any] | None:
    """What an event or a chance does, as arguments of the model; None after reporting why it cannot be."""
    if table["kind"] is not None:
        _check_keys(document, table, table["kind"])
    site = _place(document, table, sites)
    if site is None:
        return None
    lost = _lost_fraction(document, table, site)
    _check_signals(document, table, site)
    if table.wrong:
        return None
    return {
        "kind": table["kind"],
        "site": table["site"],
        "limit_mw": table["limit"],
        "notice_h": table["notice"],
        "component": table["component"],
        "price_per_mwh": table["price"],
        "lost_fraction": lost,
        "signals": table["signals"] or (),
    }


def _place(document: Document, table: Table, sites: Mapping[str, Table]) -> Table | None:
    """Site of an event; None after reporting that there is none."""
    if table["site"] is None:
        return None
    site = sites.get(table["site"])
    if site is None:
        message = f"there is no site {table['site']!r}"
        document.add_unknown(table.at("site"), message, sites, kind="site", name=table["site"])
        return None
    kinds = ("fleet",) if table["kind"] == "accelerator-failure" else ("generator", "fleet")
    names = [part.name for key in kinds for part in site.items(key)]
    if table["component"] is not None and table["component"] not in names:
        message = f"site {site.name!r} has no {' or '.join(kinds)} {table['component']!r}"
        document.add_unknown(table.at("component"), message, names, kind="site", name=table["component"])
        table.wrong.add("component")
    return site


def _check_keys(document: Document, table: Table, kind: str) -> None:
    for needed in _NEEDED.get(kind, ()):
        if needed not in table.given:
            message = f"{table.kind} of kind {kind!r} has no {needed}"
            document.add("S003", table.path, message, help=f"add {needed}")
            table.wrong.add(needed)
    for key in _OF_SOME_KINDS:
        if key in table.given and key not in _TAKEN[kind]:
            message = f"{key} does not apply to an event of kind {kind!r}"
            takers = [other for other, keys in _TAKEN.items() if key in keys]
            document.add("S014", table.at(key), message, help=f"remove it; it belongs to {', '.join(takers)}")


def _lost_fraction(document: Document, table: Table, site: Table) -> float | None:
    """Share of its fleet that an accelerator failure takes."""
    if table["kind"] != "accelerator-failure":
        return None
    given = _one_of(document, table, ("lost", "accelerators"), 'lost = "25 %" or accelerators = 512')
    if given is None:
        table.wrong.add("lost")
        return None
    fleets = [fleet for fleet in site.items("fleet") if fleet.name == table["component"]]
    count = fleets[0]["count"] if fleets else None
    if given == "lost" or not count:
        return float(table["lost"] or 0.0)
    if table["accelerators"] > count:
        message = f"{table['accelerators']} accelerators fail; the fleet {fleets[0].name!r} has {count}"
        document.add("P003", table.at("accelerators"), message, help='lower it, or write lost = "100 %"')
    return min(1.0, float(table["accelerators"]) / float(count))


def _check_signals(document: Document, table: Table, site: Table) -> None:
    """Report names under ``signals`` that are no signals of the site."""
    plants = [f"{part.name}/per_unit" for key in ("solar", "wind") for part in site.items(key)]
    known = [*(_GRID_SIGNALS if site["grid"] is not None else ()), *plants, *_SITE_SIGNALS]
    for name in table["signals"] or ():
        if name not in known:
            message = f"site {site.name!r} has no signal {name!r}"
            document.add_unknown(table.at("signals"), message, known, kind="site", name=name)
            table.wrong.add("signals")
