"""The cost-carbon front and what avoiding the next tonne costs."""

from __future__ import annotations

from typing import Any

from joulewright.report.alternatives import FrontPoint
from joulewright.report.figure import Chart, Figures, LegendEntry
from joulewright.report.markup import Markup, table
from joulewright.report.numbers import compact, number, percent, quantity, scaled_money
from joulewright.report.view import ReportView


def front_section(view: ReportView, figures: Figures, front: list[FrontPoint]) -> list[Markup]:
    """The front with this plan marked; nothing without points."""
    if not front:
        return []
    currency = view.scenario.currency
    ours = FrontPoint(
        benefit=view.ledger.benefit,
        carbon_kg=view.ledger.carbon_kg,
        abatement_cost_per_t=None if view.duals is None else view.duals.carbon_price_per_t,
        gap=None if view.result is None else view.result.gap,
        current=True,
    )
    listed = sorted([*front, ours], key=lambda point: (point.carbon_kg, point.benefit))
    benefits, money = scaled_money([point.benefit for point in listed], currency)
    points = [
        _point(point, currency, position) | {"y": benefit}
        for position, (point, benefit) in enumerate(zip(listed, benefits, strict=True))
    ]
    rows = [
        [
            "This plan" if point.current else f"Point {position + 1}",
            number(point.carbon_kg / 1e3),
            number(point.benefit),
            "n/a" if point.abatement_cost_per_t is None else number(point.abatement_cost_per_t),
            "n/a" if point.gap is None else percent(point.gap),
        ]
        for position, point in enumerate(listed)
    ]
    chart = Chart(
        name="front",
        kind="front",
        title="What less carbon costs",
        label=f"Front of benefit in {money} against operational carbon in t, this plan marked.",
        caption="Every point is the best plan found for its amount of carbon: benefit is the value of work and revenue "
        "less all costs. The diamond is this plan.",
        views=[{"name": "", "points": points}],
        settings={"x": "operational carbon [t]", "y": f"Benefit [{money}]"},
        legend=[LegendEntry(key="training", name="Front"), LegendEntry(key="generator", name="This plan")],
        toggles=False,
        table=table(
            "The front, cleanest plan first",
            ["Plan", "Carbon [t]", f"Benefit [{currency}]", f"Cost of the last avoided tonne [{currency}/t]", "Gap"],
            rows,
        ),
    )
    return [figures.add(chart)]


def _point(point: FrontPoint, currency: str, position: int) -> dict[str, Any]:
    facts = [["Carbon", quantity(point.carbon_kg / 1e3, "t")], ["Benefit", compact(point.benefit, currency)]]
    if point.abatement_cost_per_t is not None:
        facts.append(["Last avoided tonne", quantity(point.abatement_cost_per_t, f"{currency}/t")])
    return {
        "x": point.carbon_kg / 1e3,
        "name": "This plan" if point.current else f"Point {position + 1}",
        "facts": facts,
        "current": point.current,
    }
