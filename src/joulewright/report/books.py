"""The ledger as a table: sites across, figures down."""

from __future__ import annotations

from collections.abc import Sequence

from joulewright.account import SECTIONS
from joulewright.report.markup import Child, Markup, details, element, table
from joulewright.report.numbers import number, whole
from joulewright.report.view import ReportView

_OPEN = ("cost", "value", "energy")
_TITLES = {"it energy": "IT energy", "tokens": "Inference tokens", "jobs": "Training jobs"}
_MOST_ROWS = 200
_TOTALLED = ("cost", "value", "carbon")
_ADDITIVE = (*_TOTALLED, "energy", "it energy", "work")


def ledger_section(view: ReportView) -> list[Markup]:
    """One table per section of the ledger, the main ones open."""
    ledger, currency = view.ledger, view.scenario.currency
    head = table(
        f"The {view.noun} in three lines",
        ["Figure", f"[{currency}]"],
        [
            ["Value of finished work, revenue and stored energy", number(ledger.total("value"))],
            ["All costs", number(ledger.cost)],
        ],
        foot=["Benefit: value less cost", number(ledger.benefit)],
    )
    parts = [head]
    for section in SECTIONS:
        body = _section_table(view, section)
        if body is not None:
            parts.append(details(_title(section), body, open_=section in _OPEN))
    notes = [element("li", note) for note in ledger.notes]
    if notes:
        parts.append(element("ul", notes, class_="plain"))
    return parts


def _title(section: str) -> str:
    return _TITLES.get(section, section.capitalize())


def _order(section: str, item: str) -> int:
    """Place of an item in the ledger's vocabulary, so that parts of one item stand together."""
    known = SECTIONS[section]
    base = item.split("/")[0]
    return known.index(base) if base in known else len(known)


def _section_table(view: ReportView, section: str) -> Markup | None:
    rows = list(view.ledger.select(section))
    if not rows:
        return None
    present = {row.site for row in rows}
    places = [place for place in (*(site.name for site in view.sites), "") if place in present]
    cells = {(row.item, row.unit, row.site): row.value for row in rows}
    lines = sorted(dict.fromkeys((row.item, row.unit) for row in rows), key=lambda line: _order(section, line[0]))
    additive = section in _ADDITIVE
    body = [
        _line(view, item, unit, [cells.get((item, unit, place)) for place in places], additive=additive)
        for item, unit in lines[:_MOST_ROWS]
    ]
    header = ["Item", "Unit", *(place or "Not by site" for place in places), *(["All"] if additive else [])]
    more = "" if len(lines) <= _MOST_ROWS else f"; the first {_MOST_ROWS} of {len(lines)} items"
    foot = _totals(view, section, places) if section in _TOTALLED else None
    return table(f"{_title(section)}{more}", header, body, text=range(2), foot=foot)


def _line(view: ReportView, item: str, unit: str, values: Sequence[float | None], *, additive: bool) -> list[Child]:
    """Item, unit, a figure for each place and, where they add up, their sum."""
    show = whole if unit == "count" else number
    line: list[Child] = [item.replace("/", " · "), view.scenario.currency if unit == "currency" else unit]
    line += ["" if value is None else show(value) for value in values]
    return [*line, number(sum(value for value in values if value is not None))] if additive else line


def _totals(view: ReportView, section: str, places: Sequence[str]) -> list[Child]:
    sums = [view.ledger.total(section, site=place) for place in places]
    unit = "kg" if section == "carbon" else view.scenario.currency
    return ["Total", unit, *(number(value) for value in sums), number(view.ledger.total(section))]
