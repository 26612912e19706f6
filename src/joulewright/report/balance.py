"""Power balance of every site: what supplies it and what uses it, step by step."""

from __future__ import annotations

from typing import Any

import numpy as np

from joulewright.report.clock import step_stamp, zone_label
from joulewright.report.figure import Chart, Figures, LegendEntry, panel
from joulewright.report.markup import Markup, element, table
from joulewright.report.numbers import energy, number, percent, quantity
from joulewright.report.view import SOURCES, USES, Flow, ReportView, SiteView

_GROUPS = {False: "Supply", True: "Use"}


def balance_section(view: ReportView, figures: Figures) -> list[Markup]:
    """Figures of the power balance."""
    built = [figures.add(_balance_chart(view, figures))]
    if view.is_long:
        built.append(figures.add(_monthly_chart(view, figures), selector=False))
    return built


def _legend(view: ReportView) -> list[LegendEntry]:
    """One entry for every flow that occurs at any site, in the order of the stacks."""
    present = {flow.name for site in view.sites for flow in site.flows}
    return [LegendEntry(key=key, name=name) for key, name in (*SOURCES, *USES) if name in present]


def _balance_chart(view: ReportView, figures: Figures) -> Chart:
    return Chart(
        name="balance",
        kind="lanes",
        title="Power balance",
        label="Stacked areas of power supplied (up) and used (down) in each step, with price and carbon intensity.",
        caption=f"Supply is stacked upwards, use downwards; both sides are equal in every step.{view.window_note}",
        views=[_site_view(view, site, figures) for site in view.sites],
        group="site",
        legend=[
            *_legend(view),
            LegendEntry(key="price", name="Import price", line=True),
            LegendEntry(key="carbon", name="Carbon intensity", line=True),
        ],
        table=_daily_table(view),
    )


def _site_view(view: ReportView, site: SiteView, figures: Figures) -> dict[str, Any]:
    """Three panels on one clock: power, price and the deciding carbon intensity."""
    flows = [
        figures.series(
            flow.key, flow.name, view.cut(flow.values_mw), area=1.0, down=flow.down, group=_GROUPS[flow.down]
        )
        for flow in site.flows
    ]
    panels = [panel("Power", "MW", height=330, series=flows)]
    grid, intensity = site.site.grid, view.scenario.deciding_intensity(site.site)
    if grid is not None:
        price = figures.series("price", "Import price", view.cut(grid.import_price_per_mwh))
        panels.append(panel("Import price", f"{view.scenario.currency}/MWh", height=74, series=[price]))
    if intensity is not None:
        carbon = figures.series("carbon", "Carbon intensity", view.cut(intensity.kg_per_mwh))
        title = f"Carbon intensity, {intensity.kind} {intensity.scope}"
        panels.append(panel(title, "kg/MWh", height=74, series=[carbon]))
    return {"name": site.name, "axis": view.axis(site), "panels": panels, "note": _note(view, site)}


def _note(view: ReportView, site: SiteView) -> str:
    """The site's peak import and how much of its load on-site sources cover."""
    load_mwh = view.step_h * float(site.load.facility_mw.sum())
    parts = [f"Times are {zone_label(site.zone)}."]
    if site.site.grid is not None and site.plan.grid_import_mw.any():
        step = int(np.argmax(site.plan.grid_import_mw))
        peak, limit = float(site.plan.grid_import_mw[step]), float(site.site.grid.import_limit_mw[step])
        share = f", {percent(peak / limit)} of its limit then" if limit > 0 else ""
        when = step_stamp(view.scenario.timeline, step, site.zone)
        parts.append(f"Highest import at {site.name}: {quantity(peak, 'MW')} on {when}{share}.")
    own = sum(float(flow.values_mw.sum()) for flow in site.flows if flow.key in ("solar", "wind", "generator"))
    if load_mwh > 0 and own > 0:
        parts.append(f"On-site plants generate {percent(view.step_h * own / load_mwh)} of what it uses.")
    return " ".join(parts)


def _periods(view: ReportView, site: SiteView, unit: str) -> tuple[list[str], np.ndarray]:
    """Local calendar days or months of the horizon and the number of the one each step lies in."""
    labels, inverse = np.unique(site.local.astype(f"datetime64[{unit}]"), return_inverse=True)
    return [str(label) for label in labels], inverse


def _sums(view: ReportView, flow: Flow, period: np.ndarray) -> np.ndarray:
    return view.step_h * np.bincount(period, weights=flow.values_mw)


def _daily_table(view: ReportView) -> Markup:
    """Energy by site and local day (by month on a long horizon)."""
    unit, name = ("M", "month") if view.is_long else ("D", "day")
    columns = _legend(view)
    rows = []
    for site in view.sites:
        labels, period = _periods(view, site, unit)
        sums = {flow.name: _sums(view, flow, period) for flow in site.flows}
        rows += [
            [site.name, label, *(number(sums[c.name][p]) if c.name in sums else "0" for c in columns)]
            for p, label in enumerate(labels)
        ]
    caption = f"Energy by site and local {name} [MWh]"
    return table(caption, ["Site", name.capitalize(), *(c.name for c in columns)], rows, text=range(2))


def _monthly_chart(view: ReportView, figures: Figures) -> Chart:
    views = []
    for site in view.sites:
        labels, period = _periods(view, site, "M")
        months = [f"{np.datetime64(label).item():%b %Y}" for label in labels]
        series = [
            figures.series(flow.key, flow.name, _sums(view, flow, period) / 1e3, down=flow.down) for flow in site.flows
        ]
        used = energy(view.step_h * float(site.load.facility_mw.sum()))
        note = f"{site.name} uses {used} over the horizon."
        views.append({"name": site.name, "categories": months, "series": series, "note": note})
    return Chart(
        name="months",
        kind="columns",
        title="Energy by month",
        label="Stacked bars of energy supplied (up) and used (down) in each month.",
        caption="The whole horizon; the site is the one selected above.",
        views=views,
        settings={"axis": "Energy [GWh]", "unit": "GWh"},
        group="site",
        table=element("p", "The table of the power balance above lists the same figures in MWh."),
    )
