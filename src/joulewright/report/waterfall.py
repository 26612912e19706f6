"""Where the plan's carbon comes from, and what other series and reporting methods say about the same plan."""

from __future__ import annotations

from typing import Any

from joulewright.account import MethodFigure, carbon_methods
from joulewright.report.figure import Chart, Figures
from joulewright.report.markup import Child, Markup, table
from joulewright.report.numbers import number, percent, tonnes
from joulewright.report.view import ReportView

_MOST_STEPS = 16
_LEAST_KG = 0.5
_FAR_BUDGET = 1.5


def carbon_section(view: ReportView, figures: Figures) -> list[Markup]:
    """The waterfall, the other figures beside it and the table of methods."""
    methods = carbon_methods(view.scenario, view.schedule)
    built = [figures.add(_waterfall(view))]
    beside = _beside(view, methods)
    if len(beside) > 1:
        built.append(figures.add(_beside_chart(view, beside, methods)))
    else:
        built.append(_method_table(view, methods))
    return built


def waterfall_steps(view: ReportView) -> list[dict[str, Any]]:
    """Contributions to operational carbon [kg] under the deciding series, largest first, small ones merged."""
    ledger = view.ledger
    steps: list[dict[str, Any]] = []
    for site in view.sites:
        own = ledger.total("carbon", "generator", site.name) + ledger.total("carbon", "start-up", site.name)
        parts = (
            ("import", "grid import", ledger.total("carbon", "import", site.name)),
            ("generator", "generators", own),
            ("export", "export credit", ledger.total("carbon", "export credit", site.name)),
        )
        steps += [
            {"key": key, "name": f"{site.name}, {name}", "kg": kg} for key, name, kg in parts if abs(kg) >= _LEAST_KG
        ]
    steps.sort(key=lambda step: -step["kg"])
    if len(steps) > _MOST_STEPS:
        rest = steps[_MOST_STEPS - 1 :]
        merged = {"key": "idle", "name": f"{len(rest)} smaller parts", "kg": sum(step["kg"] for step in rest)}
        steps = [*steps[: _MOST_STEPS - 1], merged]
    return steps


def _waterfall(view: ReportView) -> Chart:
    steps, carbon = waterfall_steps(view), view.scenario.carbon
    items = [{"key": step["key"], "name": step["name"], "value": step["kg"] / 1e3} for step in steps]
    total = view.ledger.carbon_kg
    items.append({"key": "carbon", "name": f"Total of this {view.noun}", "value": total / 1e3, "total": True})
    budget = ""
    if carbon.budget_kg is not None:
        left = carbon.budget_kg - carbon.used_kg
        budget = f" The budget for this horizon is {tonnes(left)}."
        if left <= _FAR_BUDGET * total:
            items.append({"key": "idle", "name": "Budget", "value": left / 1e3, "total": True})
    rows = [[step["name"], number(step["kg"] / 1e3), percent(step["kg"] / total) if total else "n/a"] for step in steps]
    return Chart(
        name="waterfall",
        kind="waterfall",
        title="Operational carbon by source [t]",
        label="Waterfall from grid import and generators of each site to the total, in t.",
        caption=f"Under the {carbon.kind} {carbon.scope} series, which drives decisions. Embodied carbon of hardware "
        f"that is already bought is not part of an operating {view.noun}.{budget}",
        views=[{"name": "", "items": items}],
        settings={"unit": "t"},
        table=table(
            "Operational carbon by source [t]",
            ["Source", "Carbon", "Share"],
            rows,
            foot=["Total", number(total / 1e3), "100 %"],
        ),
    )


def _beside(view: ReportView, methods: tuple[MethodFigure, ...]) -> list[tuple[str, float, str]]:
    """Name, kg and colour of every complete figure for the same plan."""
    decides = view.ledger.carbon_series
    series = view.ledger.carbon_by_series_kg
    found = [
        (key, kg, "carbon" if key == decides else "work")
        for key, kg in sorted(series.items(), key=lambda item: item[0] != decides)
        if kg is not None
    ]
    on_site = sum(f.value or 0.0 for f in methods if not f.site and f.method.startswith("scope 1"))
    market = (f for f in methods if not f.site and f.unit == "kg" and f.method.startswith("market"))
    found += [(f.method.replace("-based", ""), f.value + on_site, "work") for f in market if f.value is not None]
    return found


def _beside_chart(view: ReportView, beside: list[tuple[str, float, str]], methods: tuple[MethodFigure, ...]) -> Chart:
    score = next((f.value for f in methods if not f.site and f.method.startswith("24/7")), None)
    credit = view.ledger.total("export credit by series", view.ledger.carbon_series)
    sentences = [
        f"The same {view.noun} under every declared series and method, on-site generation included. The first decides."
    ]
    if score is not None:
        sentences.append(f"24/7 carbon-free score: {percent(score)}.")
    if credit > _LEAST_KG:
        counted = "is counted" if view.scenario.carbon.credit_export else "is not counted"
        sentences.append(f"A credit for exported energy would be {tonnes(credit)}; it {counted}.")
    return Chart(
        name="methods",
        kind="bars",
        title=f"Other carbon figures for the same {view.noun} [t]",
        label=f"Bars of the {view.noun}'s carbon under every declared series and reporting method, in t.",
        caption=" ".join(sentences),
        views=[
            {
                "name": "",
                "categories": [name for name, _, _ in beside],
                "series": [
                    {
                        "key": "work",
                        "name": "Carbon",
                        "values": [kg / 1e3 for _, kg, _ in beside],
                        "keys": [key for *_, key in beside],
                    }
                ],
            }
        ],
        settings={"unit": "t"},
        table=_method_table(view, methods),
    )


def _method_table(view: ReportView, methods: tuple[MethodFigure, ...]) -> Markup:
    places = [*(site.name for site in view.sites), ""]
    cells = {(figure.method, figure.site): figure for figure in methods}
    rows: list[list[Child]] = []
    for method in dict.fromkeys(figure.method for figure in methods):
        found = [cells.get((method, place)) for place in places]
        unit = next((figure.unit for figure in found if figure is not None), "kg")
        notes = dict.fromkeys(figure.note for figure in found if figure is not None and figure.note)
        shown = "%" if unit == "fraction" else "t"
        rows.append([method, shown, *(_figure_text(figure) for figure in found), "; ".join(notes)])
    return table(
        "Carbon by reporting method; n/a where the scenario lacks a factor",
        ["Method", "Unit", *(site.name for site in view.sites), "All sites", "Rule or source"],
        rows,
        text=(0, 1, len(places) + 2),
    )


def _figure_text(figure: MethodFigure | None) -> str:
    if figure is None or figure.value is None:
        return "n/a"
    return number(100 * figure.value) if figure.unit == "fraction" else number(figure.value / 1e3)
