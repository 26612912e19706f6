"""Paired differences between policies and between variants, with their intervals and tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from joulewright.report.figure import Chart, Figures
from joulewright.report.markup import Child, Markup, table
from joulewright.report.numbers import plural, signed, whole
from joulewright.report.study_figures import (
    Figure,
    chance_text,
    contest,
    coverage_text,
    figure_named,
    of_variants,
    range_text,
)
from joulewright.report.study_intervals import IntervalRow, interval_view
from joulewright.report.study_verdict import LEVEL
from joulewright.report.study_view import StudyView, choice
from joulewright.study.result import Comparison

_MOST_ROWS = 24
_TABLE_ROWS = 400
_TINY = 1e-9


def difference_section(view: StudyView, figures: Figures) -> list[Markup]:
    """One chart of all differences with their table; nothing with one policy on one variant."""
    listed = list(view.study.comparisons)
    if not listed:
        return []
    keys = [key for key in dict.fromkeys(item.figure for item in listed) if _moves(listed, key)]
    shown = [figure_named(key, view.study.currency) for key in keys or [listed[0].figure]]
    kinds = {"Policies": [item for item in listed if not of_variants(item)]}
    kinds["Variants"] = [item for item in listed if of_variants(item)]
    offered = [name for name, items in kinds.items() if items]
    views = [
        _view(view, figure, [item for item in kinds[name] if item.figure == figure.key])
        for name in offered
        for figure in shown
    ]
    chart = Chart(
        name="differences",
        kind="intervals",
        title="Differences, pair by pair",
        label="Mean of the paired differences with its interval, one row for each comparison, and a line at zero.",
        caption=_caption(listed),
        views=views,
        selectors=[
            *([choice("compared", "Compare", offered)] if len(offered) > 1 else []),
            choice("difference", "Figure", [figure.title for figure in shown]),
        ],
        settings={"zero": True},
        table=_table(view, listed),
        opened=True,
    )
    return [figures.add(chart)]


def _moves(listed: Sequence[Comparison], key: str) -> bool:
    """Whether any pair differs in the figure."""
    found = (item.difference for item in listed if item.figure == key)
    return any(abs(value.mean) > _TINY or (value.half_width or 0.0) > _TINY for value in found)


def _caption(listed: Sequence[Comparison]) -> str:
    confidence = coverage_text(listed[0].difference.confidence)
    if all(item.difference.count < 2 for item in listed):
        return "One pair for each difference: no interval, no test. More seeds would tell merit from luck."
    left_out = sum(item.left_out for item in listed if item.figure == listed[0].figure)
    lost = f" {plural(left_out, 'pair')} left out because a run failed." if left_out else ""
    return (
        f"Runs that met the same chance are compared with each other; bars are {confidence}s. Green is better and red "
        f"is worse than the reference by more than chance (corrected p below {LEVEL:g}), grey may be chance.{lost}"
    )


def _view(view: StudyView, figure: Figure, listed: Sequence[Comparison]) -> dict[str, Any]:
    """One row for each comparison, the first ones where there are many."""
    rows = [
        IntervalRow(
            name=": ".join(part for part in _row_name(item) if part),
            colour=_colour(item, figure),
            value=item.difference,
            text=f"{_mean_text(item, figure)}, {_chance(item)}",
            facts=_facts(item, figure),
        )
        for item in listed[:_MOST_ROWS]
    ]
    left = len(listed) - len(rows)
    more = f" {plural(left, 'further comparison')} in the table only." if left > 0 else ""
    references = dict.fromkeys(item.reference_variant if of_variants(item) else item.reference for item in listed)
    note = f"Each less {', '.join(references)}.{more}" if references else "Nothing differs in this figure."
    title = f"Difference in {figure.title.lower()}"
    return interval_view(figure.title, title, rows, figure, currency=view.study.currency, note=note)


def _chance(item: Comparison) -> str:
    return f"{'' if item.adjusted_p_value is None else 'p '}{chance_text(item.adjusted_p_value)}"


def _row_name(item: Comparison) -> tuple[str, str]:
    """Policy and variant, what is varied last."""
    return (item.policy, item.variant) if of_variants(item) else (item.variant, item.policy)


def _mean_text(item: Comparison, figure: Figure) -> str:
    return signed(figure.show(item.difference.mean), item.difference.mean)


def _colour(item: Comparison, figure: Figure) -> str:
    if item.adjusted_p_value is None or item.adjusted_p_value >= LEVEL or not figure.better:
        return "muted"
    return "good" if item.difference.mean * figure.better > 0 else "bad"


def _facts(item: Comparison, figure: Figure) -> list[list[str]]:
    return [
        ["Mean difference", _mean_text(item, figure)],
        ["Interval", range_text(item.difference, figure.show)],
        ["p, corrected", chance_text(item.adjusted_p_value)],
        ["Pairs", whole(item.difference.count)],
    ]


def _table(view: StudyView, listed: Sequence[Comparison]) -> Markup:
    noted = any(item.note for item in listed)
    rows: list[list[Child]] = []
    for item in listed[:_TABLE_ROWS]:
        figure = figure_named(item.figure, view.study.currency)
        rows.append(
            [
                contest(item),
                figure.title,
                _mean_text(item, figure),
                range_text(item.difference, figure.show),
                chance_text(item.p_value),
                chance_text(item.adjusted_p_value),
                plural(item.difference.count, item.samples.removesuffix("s")),
                *([item.note] if noted else []),
            ]
        )
    more = f"; the first {_TABLE_ROWS} of {whole(len(listed))}" if len(listed) > _TABLE_ROWS else ""
    coverage = coverage_text(listed[0].difference.confidence)
    header = [
        "Compared",
        "Figure",
        "Mean difference",
        coverage.capitalize(),
        "p",
        "p, corrected",
        "Pairs",
        *(["Note"] if noted else []),
    ]
    return table(f"Paired differences{more}", header, rows, text=(0, 1, 7))
