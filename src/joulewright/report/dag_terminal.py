"""Tables of runs of jobs with precedence for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from joulewright.report.dag_figures import amount, dag_figures, sampled_text
from joulewright.report.numbers import percent
from joulewright.report.study_figures import Figure
from joulewright.report.terminal import add_text_row, text_table
from joulewright.study.dag import DagComparison
from joulewright.study.dag_signal import DagSignalInput

if TYPE_CHECKING:
    from rich.table import Table

_CARBON = ("cost", "cost_ratio", "change_cost", "change_work", "change_overhead", "change_shift",
           "above_bound_fraction", "headroom_share")  # fmt: skip
_SERVICE = ("mean_completion_ms", "p95_completion_ms", "mean_completion_ratio", "makespan_ms", "makespan_ratio",
            "busy_ms", "mean_stretch", "deferrals", "failed_attempts", "missed_deadlines")  # fmt: skip
_AGAINST_BASE = ("cost_ratio", "change_cost", "change_work", "change_overhead", "change_shift", "headroom_share",
                 "mean_completion_ratio", "makespan_ratio")  # fmt: skip
_ONLY_WHERE_ANY = ("change_overhead", "failed_attempts", "deferrals")


def shown_figures(found: DagComparison, signal: DagSignalInput, keys: Sequence[str]) -> list[Figure]:
    """Figures of these keys that any scheduler has, those against the base only where there are others."""
    longest = float(found.runs["makespan_ms"].cast(float).max() or 0.0)  # type: ignore[arg-type]
    several = len(found.schedulers) > 1

    def wanted(key: str) -> bool:
        if key in _AGAINST_BASE and not several:
            return False
        if key == "change_cost" and not found.runs["cost_ratio"].null_count():
            return False
        known = found.runs[key].drop_nulls()
        return known.len() > 0 and (key not in _ONLY_WHERE_ANY or bool((known.abs() > 1e-9).any()))

    by_key = {figure.key: figure for figure in dag_figures(signal, longest)}
    return [by_key[key] for key in keys if wanted(key)]


def comparison_tables(found: DagComparison, signal: DagSignalInput) -> list[Table]:
    """What schedulers cost, and how they served the jobs: means with half of their intervals."""
    tables = []
    for title, keys in ((signal.quantity.capitalize(), _CARBON), ("Service", _SERVICE)):
        figures = shown_figures(found, signal, keys)
        table = text_table(title, ["scheduler", *(figure.title for figure in figures)], whole_names=True)
        for name in found.schedulers:
            own = [figure_text(found, name, figure) for figure in figures]
            add_text_row(table, [name, *own])
        tables.append(table)
    return tables


def figure_text(found: DagComparison, scheduler: str, figure: Figure) -> str:
    """Mean of a figure with half its interval, and of how many starts; empty where it has no meaning."""
    if scheduler == found.base and figure.key in _AGAINST_BASE:
        return ""
    value = found.estimate(scheduler, figure.key)
    if value is None:
        return ""
    return sampled_text(value, figure, found.samples)


def bound_table(rows: Sequence[tuple[float, float | None, str]], reference: float, signal: DagSignalInput) -> Table:
    """Bounds by allowance [h], or why there is none, and how far below the reference they lie."""
    table = text_table("Fluid bound", ["time allowed beyond the horizon", signal.quantity, "below the schedule"])
    for allowance_h, cost, missing in rows:
        known = cost is not None and reference > 0.0
        below = percent(1.0 - cost / reference) if cost is not None and known else "n/a"
        add_text_row(table, [f"{allowance_h:g} h", f"n/a: {missing}" if cost is None else amount(signal, cost), below])
    return table
