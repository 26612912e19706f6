"""Tables of a study for a terminal: means with their intervals, and what of the differences is more than chance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from joulewright.report.numbers import number, percent, signed
from joulewright.report.study_figures import Show, chance_text, contest, figures_of, interval_text, range_text
from joulewright.report.terminal import add_text_row, text_table
from joulewright.study.result import ORACLE, Comparison, Estimate, StudyResult

if TYPE_CHECKING:
    from rich.table import Table

_SIGNIFICANT = 0.05


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
        groups.setdefault(contest(item, variants=variants), []).append(item)
    tables = []
    for title, items in groups.items():
        table = text_table(title, ["", "difference", "interval", "p, corrected", "pairs"], whole_names=True)
        for item in items:
            name, show = shown.get(item.figure, (item.figure, number))
            style = "" if item.significant(_SIGNIFICANT) else "dim"
            add_text_row(table, [name, *_difference(item, show)], style=style)
        tables.append(table)
    return tables


def _difference(item: Comparison, show: Show) -> list[str]:
    found = item.difference
    chance = chance_text(item.adjusted_p_value)
    return [signed(show(found.mean), found.mean), range_text(found, show), chance, str(found.count)]


def _columns(currency: str) -> dict[str, tuple[str, Show]]:
    """Titles of the columns, the figures they show and how."""
    return {figure.title.lower(): (figure.key, figure.show) for figure in figures_of(currency)}


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
