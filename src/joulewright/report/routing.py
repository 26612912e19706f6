"""Where inference demand is served: shares over time and the matrix of regions and sites."""

from __future__ import annotations

from typing import Any

import numpy as np

from joulewright.model import InferenceService, ServiceSchedule
from joulewright.model.timeline import FloatArray
from joulewright.report.figure import Chart, Figures, LegendEntry, panel
from joulewright.report.markup import Markup, element, table
from joulewright.report.numbers import number, percent, plain
from joulewright.report.view import ReportView, SiteView

_MTOKEN_PER_TOKEN_S_HOUR = 3600.0 / 1e6
_SCALES = ((1e6, "Mtoken/s"), (1e3, "ktoken/s"), (1.0, "token/s"))
_ALL = "all regions"


def routing_section(view: ReportView, figures: Figures) -> list[Markup]:
    """One chart with a selector of service and region, and the matrix; nothing without inference."""
    services = [(service, view.schedule.services[service.name]) for service in view.scenario.inference]
    if not services:
        return []
    peak = max((float(total_demand(service).max(initial=0.0)) for service, _ in services), default=0.0)
    scale, unit = next(item for item in _SCALES if peak >= item[0] or item[0] == 1.0)
    views = []
    for service, plan in services:
        regions = [_ALL, *service.demand_token_s] if len(service.demand_token_s) > 1 else list(service.demand_token_s)
        prefix = f"{service.name}, " if len(services) > 1 else ""
        views += [
            _view(view, (service, plan), figures, label=f"{prefix}{name}", region=name, scaling=(scale, unit))
            for name in regions
        ]
    chart = Chart(
        name="routing",
        kind="lanes",
        title="Inference routing",
        label="Stacked areas of tokens served by each site over time, and the mean network round trip.",
        caption="Tokens served by each site, and the mean network round trip weighted with tokens. "
        + ("Times are UTC." if view.common_zone() is None else "")
        + view.window_note,
        views=views,
        group="routing",
        selector="Demand from",
        legend=[
            *(LegendEntry(key=site.key, name=site.name) for site in _serving(view)),
            *([LegendEntry(key="unserved", name="Unserved")] if view.ledger.total("tokens", "unserved") > 0.0 else []),
            LegendEntry(key="load", name="Round trip", line=True),
        ],
        table=_service_table(view),
    )
    return [figures.add(chart), *(_matrix(view, service, plan) for service, plan in services)]


def total_demand(service: InferenceService) -> FloatArray:
    """Demand of all regions [token/s], shape ``(T,)``."""
    return np.asarray(np.sum(list(service.demand_token_s.values()), axis=0))


def _serving(view: ReportView) -> list[SiteView]:
    used = {route.site for plan in view.schedule.services.values() for route in plan.routes}
    return [site for site in view.sites if site.name in used]


def _view(
    view: ReportView,
    planned: tuple[InferenceService, ServiceSchedule],
    figures: Figures,
    *,
    label: str,
    region: str,
    scaling: tuple[float, str],
) -> dict[str, Any]:
    """Two panels: tokens served by site and the mean round trip, for one region or all of them."""
    (service, plan), (scale, unit) = planned, scaling
    served: dict[str, FloatArray] = {}
    weighted = np.zeros(view.scenario.timeline.steps)
    for route, rate in zip(plan.routes, plan.served_token_s, strict=True):
        if region in (_ALL, route.region):
            served[route.site] = served.get(route.site, 0.0) + rate
            weighted += rate * view.scenario.region(route.region).latency_ms.get(route.site, 0.0)
    total = sum(served.values(), np.zeros_like(weighted))
    latency = np.divide(weighted, total, out=np.full_like(weighted, np.nan), where=total > 0)
    unserved = sum(
        (rate for name, rate in plan.unserved_token_s.items() if region in (_ALL, name)), np.zeros_like(weighted)
    )
    series = [
        figures.series(site.key, site.name, view.cut(served[site.name]) / scale, area=1.0, group="Served")
        for site in view.sites
        if site.name in served
    ]
    if float(unserved.max(initial=0.0)) > 0.0:
        series.append(figures.series("unserved", "Unserved", view.cut(unserved) / scale, area=1.0))
    trip = figures.series("load", "Round trip", view.cut(latency))
    limit = "" if service.latency_limit_ms is None else f" (limit {plain(service.latency_limit_ms)} ms)"
    panels = [
        panel("Served", unit, height=220, series=series, shares=True),
        panel(f"Round trip{limit}", "ms", height=70, series=[trip], min=0),
    ]
    return {"name": label, "axis": view.axis(view.common_zone()), "panels": panels}


def _mtoken(view: ReportView, rate: FloatArray) -> float:
    return view.step_h * _MTOKEN_PER_TOKEN_S_HOUR * float(rate.sum())


def _matrix(view: ReportView, service: InferenceService, plan: ServiceSchedule) -> Markup:
    """Share of each region's tokens by site, with the round trip."""
    sites = [site for site in view.sites if service.sites is None or site.name in service.sites]
    rows = []
    for region, demand in service.demand_token_s.items():
        asked = _mtoken(view, demand)
        latency = view.scenario.region(region).latency_ms
        served = {site.name: 0.0 for site in sites}
        for route, rate in zip(plan.routes, plan.served_token_s, strict=True):
            if route.region == region:
                served[route.site] = served.get(route.site, 0.0) + _mtoken(view, rate)
        left = _mtoken(view, plan.unserved_token_s.get(region, np.zeros(1)))
        cells = [_cell(served[site.name] / asked if asked else 0.0, latency.get(site.name)) for site in sites]
        rows.append([region, *cells, _cell(left / asked if asked else 0.0, None), f"{number(asked)} Mtoken"])
    body = [
        element("tr", element("th", row[0], scope="row"), row[1:-1], element("td", row[-1], class_="n")) for row in rows
    ]
    header = ["Region", *(site.name for site in sites), "Unserved", "Asked for"]
    caption = f"{service.name}: share of each region's tokens by serving site, and network round trip"
    return element(
        "div",
        element(
            "table",
            element("caption", caption),
            element("thead", element("tr", [element("th", cell, scope="col") for cell in header])),
            element("tbody", body),
        ),
        class_="table matrix",
        tabindex=0,
        role="region",
        aria_label=caption,
    )


def _cell(share: float, latency_ms: float | None) -> Markup:
    text = "–" if share < 5e-5 else percent(share, 2)
    note = None if latency_ms is None else element("small", f"{plain(latency_ms)} ms")
    return element("td", text, note, class_="share", style=f"--share:{100 * share:.1f}%")


def _service_table(view: ReportView) -> Markup:
    rows = []
    for service in view.scenario.inference:
        ledger = view.ledger
        share = ledger.figure("service", f"served share/{service.name}")
        latency = ledger.figure("service", f"mean latency/{service.name}")
        rows.append(
            [
                service.name,
                number(ledger.figure("tokens", f"asked/{service.name}") or 0.0),
                number(ledger.figure("tokens", f"served/{service.name}") or 0.0),
                "n/a" if share is None else percent(share, 4),
                "n/a" if latency is None else number(latency),
            ]
        )
    return table(
        "Inference services over the horizon",
        ["Service", "Asked for [Mtoken]", "Served [Mtoken]", "Served share", "Mean round trip [ms]"],
        rows,
    )
