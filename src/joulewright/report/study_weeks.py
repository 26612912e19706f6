"""The worst weeks: when a policy cost, emitted or shed the most, in which run, and what happened then."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np

from joulewright.model.timeline import FloatArray
from joulewright.report.figure import Chart, Figures, panel
from joulewright.report.happenings import told
from joulewright.report.markup import Child, Markup, table
from joulewright.report.numbers import compact, energy, number, tonnes
from joulewright.report.study_fans import Quantity, fan_series, quantities_of
from joulewright.report.study_policies import title_of
from joulewright.report.study_view import Entrant, StudyView, choice, spread
from joulewright.study.result import RunOutcome

_WEEK_H, _DAY_H = 168.0, 24.0
_SHORT_H = 2 * _WEEK_H
_MOST_VIEWS = 36
_TINY = 1e-6


@dataclass(frozen=True, kw_only=True)
class Measure:
    """What makes a week bad: a name and the band whose sum over the week counts."""

    key: str
    title: str


MEASURES = (
    Measure(key="energy_cost_per_h", title="Energy cost"),
    Measure(key="carbon_kg_per_h", title="Carbon"),
    Measure(key="unserved_mw", title="Unserved load"),
)


@dataclass(frozen=True, kw_only=True, eq=False)
class WorstWeek:
    """The worst week of a policy in one measure.

    Attributes
    ----------
    entrant : Entrant
        Whose.
    measure : Measure
        In what.
    run : RunOutcome
        In which run.
    week : int
        Number of the week from the start.
    value, usual : float
        Sum over that week, and the median over all weeks of all runs.
    """

    entrant: Entrant
    measure: Measure
    run: RunOutcome
    week: int
    value: float
    usual: float


def piece_hours(view: StudyView) -> float:
    """Length of what is called a week here [h]: seven days, or one day on a horizon shorter than two weeks."""
    return _WEEK_H if view.study.timeline.hours >= _SHORT_H or view.bin_h > _DAY_H else _DAY_H


def piece_sums(values: FloatArray, bin_h: float, piece_h: float) -> FloatArray:
    """Sums over complete pieces of the horizon of mean values per hour, shape ``(N, W)``.

    Examples
    --------
    >>> piece_sums(np.array([[1.0, 2.0, 3.0, 4.0, 9.0]]), 12.0, 24.0).tolist()
    [[36.0, 84.0]]
    """
    size = max(1, round(piece_h / bin_h))
    whole = values.shape[1] // size
    return np.asarray(bin_h * values[:, : whole * size].reshape(values.shape[0], whole, size).sum(axis=2))


def worst_weeks(view: StudyView, entrant: Entrant) -> Iterator[WorstWeek]:
    """The worst week of an entrant in each measure that is ever above zero."""
    piece_h = piece_hours(view)
    for measure in MEASURES:
        runs = [run for run in entrant.good if run.band(measure.key) is not None]
        values = entrant.bands(measure.key, "")
        if values is None:
            continue
        sums = piece_sums(values, view.bin_h, piece_h)
        if sums.size == 0 or float(sums.max()) <= _TINY:
            continue
        row, week = np.unravel_index(int(np.argmax(sums)), sums.shape)
        yield WorstWeek(
            entrant=entrant,
            measure=measure,
            run=runs[int(row)],
            week=int(week),
            value=float(sums[row, week]),
            usual=float(np.median(sums)),
        )


def week_section(view: StudyView, figures: Figures) -> list[Markup]:
    """The table of worst weeks and a look into each; nothing where no run kept its series."""
    found = [item for entrant in view.entrants for item in worst_weeks(view, entrant)]
    if not found:
        return []
    return [figures.add(_chart(view, found, figures))]


def piece_word(view: StudyView) -> str:
    """``week`` or ``day``."""
    return "week" if piece_hours(view) == _WEEK_H else "day"


def _table(view: StudyView, found: Sequence[WorstWeek]) -> Markup:
    word = piece_word(view)
    rows: list[list[Child]] = []
    for item in found:
        times = f"{number(item.value / item.usual, 2)} times" if item.usual > _TINY else "usually none"
        rows.append(
            [
                title_of(item.entrant, variant=view.varied),
                item.measure.title,
                span_of(view, item.week),
                view.run_name(item.run),
                amount(view, item.measure, item.value),
                times,
                told(happened(view, item)) or "nothing out of the ordinary",
            ]
        )
    header = ["Policy", "Worst in", word.capitalize(), "Run", f"In that {word}", "Of the usual", "What happened then"]
    return table(f"The worst {word} of every policy over all its runs", header, rows, text=(0, 1, 2, 3, 6))


def span_of(view: StudyView, week: int) -> str:
    """When a week or a day begins, in UTC."""
    piece_h = piece_hours(view)
    first = view.study.timeline.start + timedelta(hours=week * piece_h)
    date = f"{first.day} {first:%b %Y}"
    if piece_h == _WEEK_H:
        return f"from {date}"
    clock = "" if (first.hour, first.minute) == (0, 0) else f", {first:%H:%M} for 24 h"
    return f"{first:%a} {date}{clock}"


def amount(view: StudyView, measure: Measure, value: float) -> str:
    """Sum over a week with its unit."""
    if measure.key == "energy_cost_per_h":
        return compact(value, view.study.currency)
    return tonnes(value) if measure.key == "carbon_kg_per_h" else energy(value)


def happened(view: StudyView, item: WorstWeek) -> Iterable[Any]:
    """What happened in that run in that week."""
    piece_h = piece_hours(view)
    first, stop = item.week * piece_h, (item.week + 1) * piece_h
    return [event for event in item.run.happenings if event.start_h < stop and max(event.end_h, event.start_h) >= first]


def _chart(view: StudyView, found: Sequence[WorstWeek], figures: Figures) -> Chart:
    """A look into the worst weeks: the run beside all runs of the policy."""
    measures = [measure for measure in MEASURES if any(item.measure is measure for item in found)]
    policies = view.study.policies
    variants = list(spread(view.variants, max(1, _MOST_VIEWS // (len(policies) * len(measures)))))
    by_place = {(item.entrant.variant, item.entrant.policy, item.measure.key): item for item in found}
    word = piece_word(view)
    views = [
        _view(view, by_place.get((variant, policy, measure.key)), measure, figures)
        for variant in variants
        for policy in policies
        for measure in measures
    ]
    variant_choice = [choice("variant", "Variant", variants)] if view.varied else []
    return Chart(
        name="weeks",
        kind="lanes",
        title=f"The worst {word} and what was usual then",
        label=f"Lines of the run with the worst {word} over the bands of all runs of the policy.",
        caption=f"Line: that run; bands: all runs of the policy at the same time. The worst {word} is shaded. All "
        "sites together. Times are UTC.",
        views=views,
        selectors=[
            *variant_choice,
            choice("policy", "Policy", policies),
            choice("measure", "Worst in", [measure.title for measure in measures]),
        ],
        table=_table(view, found),
        opened=True,
    )


def _view(view: StudyView, item: WorstWeek | None, measure: Measure, figures: Figures) -> dict[str, Any]:
    word = piece_word(view)
    if item is None:
        note = f"No run of this policy has a {word} with {measure.title.lower()}."
        return {"name": measure.title, "axis": view.axis(0, 1), "panels": [], "note": note}
    size = max(1, round(piece_hours(view) / view.bin_h))
    around = size if word == "day" else 2 * size
    first, stop = item.week * size, (item.week + 1) * size
    span = range(max(0, first - around), min(view.bins, stop + around))
    title, place = title_of(item.entrant, variant=view.varied), "in the week" if word == "week" else "on"
    return {
        "name": f"{title}, {measure.title.lower()}",
        "axis": view.axis(span.start, span.stop),
        "panels": _panels(view, item, span, figures),
        "mark": [first - span.start, stop - span.start],
        "note": f"{title}: {amount(view, measure, item.value)} {place} {span_of(view, item.week)}, "
        f"{view.run_name(item.run)}. Then: {told(happened(view, item)) or 'nothing out of the ordinary'}.",
    }


def _panels(view: StudyView, item: WorstWeek, span: range, figures: Figures) -> list[dict[str, Any]]:
    """The measure first, then load, import, shortage and price, each with the run's own line on top of the bands."""
    panels = []
    for quantity in _quantities(view, item):
        band, everyone = item.run.band(quantity.key), item.entrant.bands(quantity.key, "")
        if band is None or everyone is None:
            continue
        cut = slice(span.start, span.stop)
        series = fan_series(quantity.scale * everyone[:, cut], quantity, figures)[:2] if len(everyone) > 1 else []
        own = figures.series(quantity.colour, "this run", quantity.scale * band.values[cut], group=quantity.title)
        panels.append(panel(quantity.title, quantity.unit, height=quantity.height, series=[*series, own]))
    return panels


def _quantities(view: StudyView, item: WorstWeek) -> list[Quantity]:
    """The panels: what is measured stands first; shortages only where there is one."""
    currency = view.study.currency
    known = {quantity.key: quantity for quantity in quantities_of(currency)}
    known |= {
        "energy_cost_per_h": Quantity(
            key="energy_cost_per_h", title="Energy cost", colour="energy", unit=f"{currency}/h", height=130
        ),
        "carbon_kg_per_h": Quantity(
            key="carbon_kg_per_h", title="Carbon", colour="carbon", unit="t/h", height=130, scale=1e-3
        ),
    }
    keys = dict.fromkeys(
        (item.measure.key, "facility_load_mw", "grid_import_mw", "unserved_mw", "import_price_per_mwh")
    )
    shed = item.run.band("unserved_mw")
    quiet = shed is None or float(shed.values.max(initial=0.0)) <= _TINY
    return [known[key] for key in keys if not (key == "unserved_mw" and quiet)]
