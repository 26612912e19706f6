"""Comparison of the plan with named baselines."""

from __future__ import annotations

from collections.abc import Sequence

from joulewright.account import Change, Ledger
from joulewright.report.alternatives import Rival
from joulewright.report.figure import Chart, Figures, LegendEntry
from joulewright.report.markup import Child, Markup, element, table
from joulewright.report.numbers import compact, number, percent, scaled_money, signed, whole, without_noise
from joulewright.report.view import ReportView

_THIS_PLAN = "This plan"


def rivals_section(view: ReportView, figures: Figures, rivals: Sequence[Rival]) -> list[Markup]:
    """Benefit and carbon side by side, the split of every carbon change, and the table; nothing without rivals."""
    if not rivals:
        return []
    currency = view.scenario.currency
    benefit, money = scaled_money([view.ledger.benefit, *(rival.benefit for rival in rivals)], currency)
    carbon = [view.ledger.carbon_kg / 1e3, *(rival.carbon_kg / 1e3 for rival in rivals)]
    names = [_THIS_PLAN, *(f"{rival.name}{' *' if rival.violations else ''}" for rival in rivals)]
    pair = [
        _bars("rivals-benefit", "Benefit", (names, benefit, "training"), money),
        _bars("rivals-carbon", "Operational carbon", (names, carbon, "carbon"), "t"),
    ]
    broken = any(rival.violations for rival in rivals)
    note = "* breaks limits of the scenario, so it could not be carried out as it stands." if broken else None
    built = [element("div", [figures.add(chart) for chart in pair], class_="figures pairs")]
    built.append(element("p", note, class_="lead") if note else Markup(""))
    changes = [(rival.name, rival.change) for rival in rivals if rival.change is not None]
    if changes:
        built.append(figures.add(_split(changes)))
    return [*built, _table(view, rivals)]


def _bars(name: str, title: str, data: tuple[list[str], list[float], str], unit: str) -> Chart:
    names, values, key = data
    series = {"key": key, "name": title, "values": values, "keys": [key, *["work"] * (len(values) - 1)]}
    return Chart(
        name=name,
        kind="bars",
        title=f"{title} [{unit}]",
        label=f"Bars of {title.lower()} in {unit} for this plan and every baseline.",
        views=[{"name": "", "categories": names, "series": [series]}],
        settings={"unit": unit},
        table=table(f"{title} [{unit}]", ["Plan", title], [[n, number(v)] for n, v in zip(names, values, strict=True)]),
    )


def _split(changes: Sequence[tuple[str, Change]]) -> Chart:
    parts = {
        "Less or more work": ("work", [change.less_work_kg / 1e3 for _, change in changes]),
        "Cleaner or dirtier energy": ("energy", [change.cleaner_energy_kg / 1e3 for _, change in changes]),
    }
    rows = [
        [
            name,
            *(_tonnes(part) for part in (change.total_kg, change.less_work_kg, change.cleaner_energy_kg)),
            percent(change.work_fraction, 4),
        ]
        for name, change in changes
    ]
    return Chart(
        name="rivals-split",
        kind="bars",
        title="Where the change in carbon comes from [t]",
        label="Stacked bars of the change in carbon from each baseline to this plan, split into work and energy, in t.",
        caption="Carbon of this plan less that of each baseline: bars to the right are what the plan emits more, bars "
        "to the left what it emits less. Only cleaner energy is an improvement: doing less work saves carbon without "
        "making any work cleaner.",
        views=[
            {
                "name": "",
                "categories": [name for name, _ in changes],
                "series": [{"key": key, "name": name, "values": values} for name, (key, values) in parts.items()],
            }
        ],
        settings={"unit": "t", "stacked": True},
        legend=[LegendEntry(key=key, name=name) for name, (key, _) in parts.items()],
        table=table(
            "Operational carbon of this plan less that of each baseline [t]: + for more, − for less",
            ["Baseline", "Plan emits", "By work", "By energy", "Work done, plan to baseline"],
            rows,
        ),
    )


def _tonnes(change_kg: float) -> str:
    """Change in t with its sign."""
    change_t = without_noise(change_kg) / 1e3
    return signed(number(change_t), change_t)


def _table(view: ReportView, rivals: Sequence[Rival]) -> Markup:
    ours, currency = view.ledger, view.scenario.currency
    own = Rival(
        name=_THIS_PLAN,
        description="Compute and energy planned together.",
        benefit=ours.benefit,
        cost=ours.cost,
        carbon_kg=ours.carbon_kg,
        violations=len(view.solved.violations),
        change=None,
        ledger=ours,
    )
    rows: list[list[Child]] = []
    for rival in (own, *rivals):
        service = _service(rival.ledger)
        versus = ours.benefit - rival.benefit
        rows.append(
            [
                [rival.name, element("small", rival.description) if rival.description else None],
                compact(rival.benefit, currency),
                "–" if rival is own else signed(compact(versus, currency), versus),
                compact(rival.cost, currency),
                number(rival.carbon_kg / 1e3),
                *service,
                element("span", str(rival.violations), class_="badge bad" if rival.violations else "badge good"),
            ]
        )
    header = ["Plan", "Benefit", "This plan earns", "Cost", "Carbon [t]"]
    header += ["Jobs done", "Tokens served", "Unserved [MWh]", "Broken limits"]
    return table("This plan and its baselines, priced by the same ledger", header, rows)


def _service(ledger: Ledger | None) -> list[str]:
    if ledger is None:
        return ["n/a"] * 3
    served = ledger.figure("service", "served share")
    return [
        whole(ledger.total("jobs", "done")),
        "n/a" if served is None else percent(served, 4),
        number(ledger.total("energy", "unserved")),
    ]
