"""Duration curves: how often a level of load, price, carbon intensity or net import is reached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from joulewright.model.timeline import FloatArray
from joulewright.report.figure import Chart, Figures, LegendEntry
from joulewright.report.markup import Markup, element, table
from joulewright.report.numbers import number
from joulewright.report.view import ReportView, SiteView

_MOST_POINTS = 400
_LEVELS = (0, 1, 5, 10, 25, 50, 75, 90, 95, 99, 100)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Quantity:
    """One chart: identifier, title, unit and a line for each site that has the quantity."""

    name: str
    title: str
    unit: str
    lines: Sequence[tuple[SiteView, FloatArray]]


def curve_section(view: ReportView, figures: Figures) -> list[Markup]:
    """Four small charts, one line per site."""
    grids = [(site, site.site.grid) for site in view.sites if site.site.grid is not None]
    carbon = [
        (site, series) for site, _ in grids if (series := view.scenario.deciding_intensity(site.site)) is not None
    ]
    quantities = (
        _Quantity(
            name="load", title="Facility load", unit="MW", lines=[(site, site.load.facility_mw) for site in view.sites]
        ),
        _Quantity(name="net", title="Net import", unit="MW", lines=[(site, site.net_import_mw) for site, _ in grids]),
        _Quantity(
            name="price",
            title="Import price",
            unit=f"{view.scenario.currency}/MWh",
            lines=[(site, grid.import_price_per_mwh) for site, grid in grids],
        ),
        _Quantity(
            name="carbon",
            title="Carbon intensity",
            unit="kg/MWh",
            lines=[(site, series.kg_per_mwh) for site, series in carbon],
        ),
    )
    charts = [_chart(quantity, figures) for quantity in quantities if quantity.lines]
    return [element("div", [figures.add(chart) for chart in charts], class_="figures pairs")]


def duration_curve(values: FloatArray) -> FloatArray:
    """Values sorted from the largest to the smallest, thinned evenly to at most 400 points with both ends kept.

    Examples
    --------
    >>> duration_curve(np.array([2.0, 5.0, 3.0])).tolist()
    [5.0, 3.0, 2.0]
    """
    ordered = np.sort(values)[::-1]
    if ordered.size <= _MOST_POINTS:
        return ordered
    thinned: FloatArray = ordered[np.linspace(0, ordered.size - 1, _MOST_POINTS).round().astype(int)]
    return thinned


def _chart(quantity: _Quantity, figures: Figures) -> Chart:
    title, unit, lines = quantity.title, quantity.unit, quantity.lines
    rows = [[f"{level} %", *(number(_reached(values, level)) for _, values in lines)] for level in _LEVELS]
    series = [
        figures.series(site.key, site.name, duration_curve(values), dashed=site.repeated) for site, values in lines
    ]
    return Chart(
        name=f"curve-{quantity.name}",
        kind="curve",
        title=title,
        label=f"Duration curve of {title.lower()} in {unit}, one line per site.",
        views=[{"name": "", "series": series}],
        settings={"unit": unit, "axis": f"{title} [{unit}]"},
        legend=[LegendEntry(key=site.key, name=site.name, line=True, dashed=site.repeated) for site, _ in lines],
        table=table(
            f"{title} [{unit}] that is reached or exceeded in this share of the time",
            ["Share of time", *(site.name for site, _ in lines)],
            rows,
        ),
    )


def _reached(values: FloatArray, level_percent: float) -> float:
    """Value that is reached or exceeded in this share of the steps."""
    return float(np.percentile(values, 100.0 - level_percent))
