"""Every run in one table whose columns can be sorted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from joulewright.report.markup import Child, Markup, element
from joulewright.report.numbers import number, whole
from joulewright.report.study_figures import figures_of
from joulewright.report.study_policies import differs
from joulewright.report.study_view import StudyView
from joulewright.study.result import ORACLE, RunOutcome
from joulewright.study.summary import figure_of

_MOST_ROWS = 1500


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column: its title, the value a run has in it, and how that is written; text is aligned left."""

    title: str
    value: Callable[[RunOutcome], str | float | None]
    show: Callable[[float], str] = number

    def cell(self, run: RunOutcome, *, first: bool) -> Markup:
        """Cell of a run, with the plain value to sort by; the first one of a row is its header."""
        value, tag, scope = self.value(run), "th" if first else "td", "row" if first else None
        if value is None or isinstance(value, str):
            return element(tag, value or "", data_value=value or "", scope=scope)
        return element(tag, self.show(value), data_value=f"{value:.12g}", class_="n", scope=scope)


def run_section(view: StudyView) -> list[Markup]:
    """The table; nothing without runs."""
    outcomes = view.study.outcomes
    if not outcomes:
        return []
    columns = columns_of(view)
    kept = outcomes[:_MOST_ROWS]
    more = f"; the first {whole(_MOST_ROWS)} of {whole(len(outcomes))}" if len(outcomes) > _MOST_ROWS else ""
    return [sortable(f"Every run{more}. Choose a title to sort by it.", columns, kept)]


def columns_of(view: StudyView) -> list[Column]:
    """Key, figures that apply, jobs, cut decisions and effort."""
    study = view.study
    columns = [Column(title="Policy", value=_policy)]
    if view.varied:
        columns.append(Column(title="Variant", value=lambda run: run.key.variant))
    columns.append(Column(title="Seed", value=lambda run: float(run.key.seed), show=whole))
    if study.years:
        columns.append(Column(title="Year", value=lambda run: _float(run.key.year), show=lambda year: f"{year:.0f}"))
    columns += [
        Column(title=figure.title, value=_figure(figure.key), show=figure.show)
        for figure in figures_of(study.currency)
        if differs(view, figure)
    ]
    if any(run.jobs is not None for run in study.outcomes):
        columns += [
            Column(title="Jobs finished", value=_job("finished"), show=whole),
            Column(title="Restarts", value=_job("restarts"), show=whole),
            Column(title="Moves", value=_job("moves"), show=whole),
            Column(title="Work lost [h]", value=_job("lost_h")),
            Column(title="Mean wait [h]", value=_job("mean_wait_h")),
        ]
    columns.append(Column(title="Steps cut", value=_cut, show=whole))
    columns.append(
        Column(title="Happenings", value=lambda run: float(len(run.happenings)) if run.ok else None, show=whole)
    )
    columns.append(Column(title="CPU [s]", value=lambda run: run.cpu_s))
    columns.append(Column(title="Status", value=_status))
    return columns


def _policy(run: RunOutcome) -> str:
    return "perfect foresight" if run.key.policy == ORACLE else run.key.policy


def _figure(key: str) -> Callable[[RunOutcome], float | None]:
    return lambda run: figure_of(run, key)


def _job(name: str) -> Callable[[RunOutcome], float | None]:
    return lambda run: None if run.jobs is None else _float(getattr(run.jobs, name))


def _float(value: float | None) -> float | None:
    return None if value is None else float(value)


def _cut(run: RunOutcome) -> float | None:
    return float(sum(run.clips.values())) if run.ok else None


def _status(run: RunOutcome) -> str:
    if not run.ok:
        return f"failed: {run.error}"
    return "ok, finished before" if run.cached else "ok"


def sortable(caption: str, columns: Sequence[Column], runs: Sequence[RunOutcome]) -> Markup:
    """Table whose titles are buttons that sort by their column."""

    def head(column: Column) -> Child:
        text = isinstance(column.value(runs[0]), str)
        return element(
            "th",
            element("button", column.title, type="button", data_sort=True),
            scope="col",
            class_=None if text else "n",
        )

    body = [element("tr", [column.cell(run, first=place == 0) for place, column in enumerate(columns)]) for run in runs]
    return element(
        "div",
        element(
            "table",
            element("caption", caption),
            element("thead", element("tr", [head(column) for column in columns])),
            element("tbody", body),
            class_="sortable",
        ),
        class_="table",
        tabindex=0,
        role="region",
        aria_label=caption,
    )
