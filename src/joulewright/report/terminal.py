"""Tables of a plan and of comparisons for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from joulewright.account import Ledger
from joulewright.model import Scenario
from joulewright.plan.result import PlanResult
from joulewright.report.alternatives import read_front, read_rivals
from joulewright.report.numbers import (
    THIN,
    compact,
    energy,
    number,
    percent,
    quantity,
    signed,
    tonnes,
    whole,
    without_noise,
)

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table


def plan_table(scenario: Scenario, result: PlanResult) -> Table:
    """Headline figures of a plan by site.

    Raises
    ------
    ValueError
        If the result holds no plan.
    """
    ledger = result.ledger
    if ledger is None:
        raise ValueError(f"the result with status {result.status!r} holds no plan; there is nothing to show")
    names = [site.name for site in scenario.sites]
    table = text_table(f"{scenario.name}: {result.strategy} plan", ["", *names, "all"])
    for title, figures in _site_rows(scenario, ledger, names):
        add_text_row(table, [title, *figures])
    table.add_section()
    for title, figure in _plan_rows(scenario, result, ledger):
        add_text_row(table, [title, *[""] * len(names), figure])
    return table


def comparison_table(ledger: Ledger, comparisons: Iterable[Any], *, name: str = "this plan") -> Table:
    """A plan and what it is compared with; rows as in :func:`joulewright.report.write_report`.

    Changes of carbon go from the row to the plan, as in the report: positive where the plan emits more.
    """
    currency = ledger.currency
    table = text_table("Comparison", ["plan", "benefit", "plan earns", "cost", "carbon", "plan emits", "by work",
                                  "by energy", "broken limits"], caption=_SIGNS)  # fmt: skip
    ours = (compact(ledger.benefit, currency), "", compact(ledger.cost, currency), tonnes(ledger.carbon_kg))
    add_text_row(table, [name, *ours, *[""] * 4], style="bold")
    for rival in read_rivals(comparisons, ledger):
        gain, change = ledger.benefit - rival.benefit, rival.change
        split = (None, None) if change is None else (change.less_work_kg, change.cleaner_energy_kg)
        add_text_row(
            table,
            [
                rival.name,
                compact(rival.benefit, currency),
                signed(compact(gain, currency), gain),
                compact(rival.cost, currency),
                tonnes(rival.carbon_kg),
                *(_change(part) for part in (ledger.carbon_kg - rival.carbon_kg, *split)),
                whole(rival.violations),
            ],
            style="red" if rival.violations else "",
        )
    return table


_SIGNS = (
    "plan earns: benefit of the first plan less the row's. plan emits: its carbon less the row's, + for more and − for "
    "less, which is the sum of what comes by more or less work and by dirtier or cleaner energy."
)


def _change(value_kg: float | None) -> str:
    return "" if value_kg is None else signed(tonnes(value_kg), without_noise(value_kg))


def front_table(pareto: Iterable[Any], currency: str) -> Table:
    """The cost-carbon front, cleanest plan first; rows as in :func:`joulewright.report.write_report`."""
    table = text_table("Cost and carbon", ["carbon", "benefit", f"last avoided tonne [{currency}/t]", "gap"])
    for point in read_front(pareto):
        price = "" if point.abatement_cost_per_t is None else number(point.abatement_cost_per_t)
        gap = "" if point.gap is None else percent(point.gap)
        add_text_row(table, [tonnes(point.carbon_kg), compact(point.benefit, currency), price, gap])
    return table


def as_text(renderable: RenderableType, *, width: int = 120) -> str:
    """Plain text of a table, without colours."""
    from rich.console import Console

    console = Console(width=width, color_system=None, force_terminal=False, highlight=False, record=False)
    with console.capture() as captured:
        console.print(renderable)
    return captured.get()


def text_table(
    title: str, columns: Sequence[str], *, text_columns: int = 1, whole_names: bool = False, caption: str = ""
) -> Table:
    """An empty table; the first ``text_columns`` are text, never cut with ``whole_names``, the others are numbers."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=Text(title.replace(THIN, " ")),
        caption=Text(caption.replace(THIN, " ")) if caption else None,
        box=SIMPLE_HEAD,
        title_justify="left",
        title_style="bold",
        caption_justify="left",
        pad_edge=False,
    )
    for position, column in enumerate(columns):
        is_text = position < text_columns
        table.add_column(Text(column), justify="left" if is_text else "right", no_wrap=is_text and whole_names)
    return table


def add_text_row(table: Table, cells: Sequence[str], style: str = "") -> None:
    """Add a row as literal text: names are no markup, and thin spaces become plain ones."""
    from rich.text import Text

    table.add_row(*(Text(cell.replace(THIN, " ")) for cell in cells), style=style)


def _site_rows(scenario: Scenario, ledger: Ledger, names: Sequence[str]) -> Iterable[tuple[str, list[str]]]:
    """Energy, cost and carbon by site and in all."""

    def line(title: str, section: str, item: str | None, show: Any) -> tuple[str, list[str]]:
        return title, [*(show(ledger.total(section, item, name)) for name in names), show(ledger.total(section, item))]

    yield line("electricity used", "energy", "facility load", energy)
    for title, item in (
        ("grid import", "import"),
        ("solar and wind used", "renewable"),
        ("generators", "generator"),
        ("battery discharge", "discharge"),
        ("grid export", "export"),
        ("unserved", "unserved"),
    ):
        if ledger.total("energy", item) > 0.0:
            yield line(title, "energy", item, energy)
    peaks = [ledger.figure("peak", "import", name) or 0.0 for name in names]
    yield "highest import", [*(quantity(peak, "MW") for peak in peaks), ""]
    yield line("cost", "cost", None, lambda value: compact(value, scenario.currency))
    apart = ledger.total("cost", site="")
    if apart > 0.0:
        yield "of it not by site", [*[""] * len(names), compact(apart, scenario.currency)]
    yield line("operational carbon", "carbon", None, tonnes)


def _plan_rows(scenario: Scenario, result: PlanResult, ledger: Ledger) -> Iterable[tuple[str, str]]:
    """Figures of the whole plan."""
    yield "value", compact(ledger.total("value"), scenario.currency)
    yield "benefit", compact(ledger.benefit, scenario.currency)
    if scenario.training:
        yield "training jobs done", f"{whole(ledger.total('jobs', 'done'))} of {whole(len(scenario.training))}"
    share = ledger.figure("service", "served share")
    if share is not None:
        yield "inference served", percent(share, 4)
    yield "certified gap", "none" if result.gap is None else percent(result.gap, 2)
    yield "broken limits", whole(len(result.violations))
