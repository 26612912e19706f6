"""Stored energy of the batteries with charge, discharge and price."""

from __future__ import annotations

from typing import Any

import numpy as np

from joulewright.model.timeline import FloatArray
from joulewright.report.clock import zone_label
from joulewright.report.figure import Chart, Figures, LegendEntry, panel
from joulewright.report.markup import Markup, table
from joulewright.report.numbers import energy, number
from joulewright.report.view import ReportView, SiteView


def storage_section(view: ReportView, figures: Figures) -> list[Markup]:
    """One chart with all sites that have a battery; nothing without one."""
    sites = [site for site in view.sites if site.site.batteries]
    if not sites:
        return []
    everywhere = len(sites) == len(view.sites)
    chart = Chart(
        name="storage",
        kind="lanes",
        title="Battery energy",
        label="Stored energy of the batteries over time, with their charge and discharge and the import price.",
        caption=f"Energy stored at the start of each step, and power at the terminals.{view.window_note}",
        views=[_view(view, site, figures) for site in sites],
        group="site" if everywhere else "storage",
        legend=[
            LegendEntry(key="battery", name="Battery discharge up, charge down"),
            LegendEntry(key="price", name="Import price", line=True),
        ],
        toggles=False,
        table=_table(view, sites),
    )
    return [figures.add(chart)]


def _sum(view: ReportView, parts: list[FloatArray], extra: int = 0) -> FloatArray:
    return sum(parts, np.zeros(view.scenario.timeline.steps + extra))


def _view(view: ReportView, site: SiteView, figures: Figures) -> dict[str, Any]:
    plans = list(site.plan.batteries.values())
    stored = _sum(view, [plan.energy_mwh for plan in plans], 1)[view.window.start : view.window.stop + 1]
    capacity = sum(battery.energy_mwh for battery in site.site.batteries)
    discharge = view.cut(_sum(view, [plan.discharge_mw for plan in plans]))
    charge = view.cut(_sum(view, [plan.charge_mw for plan in plans]))
    level = figures.series("battery", "Stored energy", stored, area=0.35, boundary=True)
    moved = [
        figures.series("battery", "Discharge", discharge, area=1.0),
        figures.series("battery", "Charge", charge, area=0.55, down=True),
    ]
    panels = [
        panel("Stored energy", "MWh", height=150, series=[level], min=0, max=round(capacity, 3)),
        panel("Discharge and charge", "MW", height=110, series=moved),
    ]
    if site.site.grid is not None:
        price = figures.series("price", "Import price", view.cut(site.site.grid.import_price_per_mwh))
        panels.append(panel("Import price", f"{view.scenario.currency}/MWh", height=64, series=[price]))
    cycles = view.ledger.total("battery", "cycles", site.name)
    return {
        "name": site.name,
        "axis": view.axis(site),
        "panels": panels,
        "note": f"{site.name} holds {energy(capacity)} and goes through {number(cycles)} full cycles over the horizon. "
        f"Times are {zone_label(site.zone)}.",
    }


def _table(view: ReportView, sites: list[SiteView]) -> Markup:
    rows = []
    for site in sites:
        for battery in site.site.batteries:
            plan = site.plan.batteries[battery.name]
            rows.append(
                [
                    site.name,
                    battery.name,
                    number(battery.energy_mwh),
                    number(view.step_h * float(plan.charge_mw.sum())),
                    number(view.step_h * float(plan.discharge_mw.sum())),
                    number(view.ledger.figure("battery", f"cycles/{battery.name}", site.name) or 0.0),
                    number(float(plan.energy_mwh[0])),
                    number(float(plan.energy_mwh[-1])),
                ]
            )
    return table(
        "Batteries over the horizon",
        [
            "Site",
            "Battery",
            "Capacity [MWh]",
            "Charged [MWh]",
            "Discharged [MWh]",
            "Full cycles",
            "Stored first [MWh]",
            "Stored last [MWh]",
        ],
        rows,
        text=range(2),
    )
