"""Tables of a study for a terminal: means with their intervals, and what of the differences is more than chance."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from joulewright.report.numbers import compact, energy, number, percent, quantity, signed, tonnes
from joulewright.report.terminal import add_text_row, text_table
from joulewright.study.result import ORACLE, Comparison, Estimate, StudyResult

if TYPE_CHECKING:
    from rich.table import Table

Show = Callable[[float], str]

_SIGNIFICANT = 0.05
_ROUNDING = 1e-9
_NOTHING = 1e-6


def study_table(study: StudyResult) -> Table:
    """One row for each policy on each variant: mean and half of the confidence interval of the headline figures."""
    shown = _shown(study.currency, [summary.figures for summary in study.summaries])
    confidence = {item.confidence for summary in study.summaries for item in summary.figures.values()}
    sampled = len(study.seeds) + len(study.years) > 1
    coverage = f", ± {percent(max(confidence))} interval" if confidence and sampled else ""
    table = text_table(f"{study.name}: means{coverage}", ["policy", *shown, "runs"], whole_names=True)
    for variant in study.variants:
        if variant.name:
            add_text_row(table, [variant.name, *[""] * len(shown), ""], style="bold")
        for summary in study.summaries:
            if summary.variant == variant.name:
                cells = [interval_text(summary.figures.get(name), show) for name, show in shown.values()]
                good = str(summary.runs - summary.failed)
                runs = f"{good} of {summary.runs}" if summary.failed else good
                style = "red" if summary.failed else "dim" if summary.policy == ORACLE else ""
                add_text_row(table, [summary.policy, *cells, runs], style=style)
    return table


def contender_table(figures: Mapping[str, Mapping[str, Estimate]], currency: str) -> Table:
    """One row for each contender by name: mean and half of the interval of the headline figures."""
    shown = _shown(currency, figures.values())
    table = text_table("Comparison", ["", *shown])
    for contender, found in figures.items():
        add_text_row(table, [contender, *(interval_text(found.get(name), show) for name, show in shown.values())])
    return table


def difference_tables(comparisons: Iterable[Comparison], currency: str) -> list[Table]:
    """Paired differences with their intervals and corrected p-values, a table for each pair where anything differs."""
    shown = {name: (title, show) for title, (name, show) in _columns(currency).items()}
    listed = [item for item in comparisons if item.difference.mean or item.difference.half_width]
    variants = len({(item.variant, item.reference_variant) for item in listed}) > 1
    groups: dict[str, list[Comparison]] = {}
    for item in listed:
        groups.setdefault(_contest(item, variants=variants), []).append(item)
    tables = []
    for contest, items in groups.items():
        table = text_table(contest, ["", "difference", "interval", "p, corrected", "pairs"], whole_names=True)
        for item in items:
            title, show = shown.get(item.figure, (item.figure, number))
            style = "" if item.significant(_SIGNIFICANT) else "dim"
            add_text_row(table, [title, *_difference(item, show)], style=style)
        tables.append(table)
    return tables


def interval_text(estimate: Estimate | None, show: Show) -> str:
    """A mean, with half its interval where that is more than rounding; empty without a value.

    Examples
    --------
    >>> interval_text(Estimate(mean=2.0, low=1.5, high=2.5, count=3), lambda value: f"{value:.1f}")
    '2.0 ± 0.5'
    """
    if estimate is None:
        return ""
    half = estimate.half_width
    if half is None or half <= _ROUNDING * abs(estimate.mean):
        return show(estimate.mean)
    return f"{show(estimate.mean)} ± {show(half)}"


def _difference(item: Comparison, show: Show) -> list[str]:
    found, half = item.difference, item.difference.half_width
    if found.low is None or found.high is None or half is None:
        interval = "none"
    elif half <= _ROUNDING * abs(found.mean):
        interval = "all pairs alike"
    else:
        interval = f"{show(found.low)} to {show(found.high)}"
    chance = "not tested" if item.adjusted_p_value is None else number(item.adjusted_p_value, 2)
    return [signed(show(found.mean), found.mean), interval, chance, str(found.count)]


def _contest(item: Comparison, *, variants: bool) -> str:
    """What is compared with what, in words."""
    if item.variant != item.reference_variant:
        return f"{item.policy}: {item.variant} less {item.reference_variant}"
    where = f"{item.variant}: " if variants and item.variant else ""
    return f"{where}{item.policy} less {item.reference}"


def _columns(currency: str) -> dict[str, tuple[str, Show]]:
    """Titles of the columns, the figures they show and how."""

    def money(value: float) -> str:
        return compact(0.0 if abs(value) < _NOTHING else value, currency)

    def share(value: float) -> str:
        return percent(0.0 if abs(value) < _NOTHING else value)

    return {
        "benefit": ("benefit", money),
        "cost": ("cost", money),
        "carbon": ("carbon_kg", tonnes),
        "unserved": ("unserved_mwh", energy),
        "curtailed": ("curtailed_mwh", energy),
        "peak import": ("peak_import_mw", lambda value: quantity(value, "MW")),
        "deadlines met": ("deadlines_met", number),
        "served": ("served_fraction", lambda value: percent(value, 4)),
        "regret": ("regret", money),
        "regret share": ("regret_fraction", share),
    }


_ONLY_WHERE_ANY = ("unserved_mwh", "deadlines_met")
_DIFFERENCES_ONLY = ("curtailed_mwh", "peak_import_mw")


def _shown(currency: str, rows: Iterable[Mapping[str, Estimate]]) -> Mapping[str, tuple[str, Show]]:
    """Columns of means that have a value in some row; some only where it is not zero."""
    listed = list(rows)

    def wanted(name: str) -> bool:
        found = [row[name].mean for row in listed if name in row]
        return bool(found) and (name not in _ONLY_WHERE_ANY or any(found))

    return {
        title: column
        for title, column in _columns(currency).items()
        if column[0] not in _DIFFERENCES_ONLY and wanted(column[0])
    }
