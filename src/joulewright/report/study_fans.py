"""Fan charts: how load, import, prices, storage and cost spread over the runs of a policy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from joulewright.model.timeline import FloatArray
from joulewright.report.clock import span_text
from joulewright.report.figure import Chart, Figures, Selector, panel
from joulewright.report.markup import Markup, table
from joulewright.report.numbers import number, plural
from joulewright.report.study_policies import title_of
from joulewright.report.study_view import ALL_SITES, Entrant, StudyView, choice, spread
from joulewright.study.result import ORACLE

_MOST_VIEWS = 60
_DAY_H = 24.0
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_TINY = 1e-9


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """One panel: the band it shows, its title, colour, unit and height; a value times ``scale`` is in the unit."""

    key: str
    title: str
    colour: str
    unit: str
    height: int = 110
    scale: float = 1.0
    daily: bool = False
    only_where_any: bool = False


def quantities_of(currency: str) -> tuple[Quantity, ...]:
    """Panels of a fan chart from top to bottom."""
    return (
        Quantity(key="facility_load_mw", title="Facility load", colour="load", unit="MW", height=130),
        Quantity(key="grid_import_mw", title="Grid import", colour="training", unit="MW", height=130),
        Quantity(
            key="unserved_mw", title="Unserved load", colour="generator", unit="MW", height=70, only_where_any=True
        ),
        Quantity(key="import_price_per_mwh", title="Import price", colour="price", unit=f"{currency}/MWh"),
        Quantity(key="carbon_kg_per_mwh", title="Carbon intensity", colour="carbon", unit="kg/MWh"),
        Quantity(
            key="state_of_charge_fraction", title="State of charge", colour="battery", unit="%", height=100, scale=100.0
        ),
        Quantity(
            key="energy_cost_per_h",
            title="Energy cost per day",
            colour="energy",
            unit=f"k {currency}",
            scale=_DAY_H / 1e3,
            daily=True,
        ),
    )


def fan_section(view: StudyView, figures: Figures) -> list[Markup]:
    """One chart with selectors of policy, variant and place; nothing where no run kept its series."""
    if not view.places or not view.bins:
        return []
    policies = [*view.study.policies, *([ORACLE] if _oracle_everywhere(view) else [])]
    room = max(1, _MOST_VIEWS // (len(policies) * len(view.places)))
    variants = list(spread(view.variants, room))
    entrants = {(entrant.variant, entrant.policy): entrant for entrant in (*view.entrants, *view.oracles)}
    chosen = [entrants[variant, policy] for variant in variants for policy in policies]
    shown = _shown(view, chosen)
    if not shown:
        return []
    chart = Chart(
        name="fans",
        kind="lanes",
        title="What is usual and what is rare" if _most_runs(view) > 1 else "How the run went",
        label="Median and bands of load, import, price, carbon intensity, state of charge and cost over the runs.",
        caption=_caption(view, len(variants)),
        views=[
            fan_view(view, entrant, place, shown, figures)
            for variant in variants
            for policy in policies
            for place in view.places
            for entrant in [entrants[variant, policy]]
        ],
        selectors=_selectors(view, variants, policies),
        table=_table(view, chosen, shown),
    )
    return [figures.add(chart)]


def _oracle_everywhere(view: StudyView) -> bool:
    return len(view.oracles) == len(view.variants) and all(entrant.good for entrant in view.oracles)


def _selectors(view: StudyView, variants: Sequence[str], policies: Sequence[str]) -> list[Selector]:
    names = ["perfect foresight" if policy == ORACLE else policy for policy in policies]
    places = [place or ALL_SITES for place in view.places]
    found = [choice("variant", "Variant", variants)] if view.varied else []
    return [
        *found,
        choice("policy", "Policy", names),
        choice("place", "Place", places),
    ]


def _shown(view: StudyView, entrants: Sequence[Entrant]) -> list[Quantity]:
    """Quantities that some run kept somewhere, and that are not zero everywhere where that would be dull."""
    found = []
    for quantity in quantities_of(view.study.currency):
        arrays = [entrant.bands(quantity.key, place) for entrant in entrants for place in view.places]
        known = [values for values in arrays if values is not None]
        if known and not (quantity.only_where_any and max(float(values.max(initial=0.0)) for values in known) <= _TINY):
            found.append(quantity)
    return found


def _most_runs(view: StudyView) -> int:
    return max((len(entrant.good) for entrant in view.entrants), default=0)


def _caption(view: StudyView, variants: int) -> str:
    runs = _most_runs(view)
    parts = []
    if runs > 1:
        parts.append(
            f"Line: median over {plural(runs, 'run')}; dark band: the middle half of them; pale band: the middle 90 %."
        )
    if 1 < runs < 1.0 / _QUANTILES[0]:
        parts.append("With so few runs the pale band is close to the lowest and highest one.")
    parts.append(f"Each point is the mean of {span_text(view.bin_h)}. Times are UTC.")
    if variants < len(view.variants):
        parts.append(f"Shown for {variants} of {plural(len(view.variants), 'variant')}.")
    return " ".join(parts)


def fan_view(
    view: StudyView, entrant: Entrant, place: str, shown: Sequence[Quantity], figures: Figures
) -> dict[str, Any]:
    """Panels of one policy at one place."""
    panels = []
    for quantity in shown:
        values = entrant.bands(quantity.key, place)
        if values is not None:
            series = fan_series(_prepared(view, quantity, values), quantity, figures)
            panels.append(panel(quantity.title, quantity.unit, height=quantity.height, series=series))
    where = place or ALL_SITES
    name = f"{title_of(entrant, variant=view.varied)}, {where}"
    lost = "" if panels else " kept no series: its runs failed."
    return {"name": name, "axis": view.axis(), "panels": panels, "note": f"{name}{lost}"}


def _prepared(view: StudyView, quantity: Quantity, values: FloatArray) -> FloatArray:
    scaled = values[:, : view.bins] * quantity.scale
    return daily_means(scaled, view.bin_h) if quantity.daily else scaled


def daily_means(values: FloatArray, bin_h: float) -> FloatArray:
    """Means of each day from the start, held for all pieces of the day, shape ``(N, B)``; longer pieces stay.

    Examples
    --------
    >>> daily_means(np.array([[1.0, 3.0, 5.0]]), 12.0).tolist()
    [[2.0, 2.0, 5.0]]
    """
    if bin_h >= _DAY_H:
        return values
    days = np.floor(np.arange(values.shape[1]) * bin_h / _DAY_H + 1e-9).astype(int)
    firsts = np.flatnonzero(np.diff(days, prepend=-1))
    counts = np.diff(firsts, append=values.shape[1])
    means = np.add.reduceat(values, firsts, axis=1) / counts
    return np.asarray(np.repeat(means, counts, axis=1))


def fan_series(values: FloatArray, quantity: Quantity, figures: Figures) -> list[dict[str, Any]]:
    """Bands and median of a quantity over runs, shape ``(N, B)``; the line alone for one run."""
    group = quantity.title
    if values.shape[0] == 1:
        return [figures.series(quantity.colour, "the one run", values[0], group=group)]
    low, first, middle, third, high = np.quantile(values, _QUANTILES, axis=0)
    colour = quantity.colour
    return [
        figures.series(colour, "90 % of the runs", high, low=figures.blobs.add(low), opacity=0.18, group=group),
        figures.series(colour, "half of the runs", third, low=figures.blobs.add(first), opacity=0.35, group=group),
        figures.series(colour, "median", middle, group=group),
    ]


def _table(view: StudyView, entrants: Sequence[Entrant], shown: Sequence[Quantity]) -> Markup:
    """Mean over the horizon of each run: median over the runs and middle 90 %."""
    rows = []
    for entrant in entrants:
        for place in view.places:
            for quantity in shown:
                values = entrant.bands(quantity.key, place)
                if values is None:
                    continue
                means = quantity.scale * values.mean(axis=1)
                low, middle, high = (float(value) for value in np.quantile(means, (0.05, 0.5, 0.95)))
                name = title_of(entrant, variant=view.varied)
                where = place or ALL_SITES
                rows.append(
                    [name, where, f"{quantity.title} [{quantity.unit}]", number(middle), number(low), number(high)]
                )
    header = [
        "Policy",
        "Place",
        "Mean over the horizon",
        "Median of the runs",
        "5 % of them below",
        "5 % of them above",
    ]
    return table("Means over the horizon and their spread over the runs", header, rows, text=range(3))
