"""Means of every policy with their intervals, and its regret against perfect foresight."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from joulewright.report.figure import Chart, Figures
from joulewright.report.markup import Child, Markup, table
from joulewright.report.numbers import percent, plural, whole
from joulewright.report.study_figures import Figure, coverage_text, figure_named, figures_of, interval_text
from joulewright.report.study_intervals import IntervalRow, interval_view
from joulewright.report.study_view import Entrant, StudyView, choice, spread
from joulewright.study.result import ORACLE

_MOST_VARIANTS = 24
_TOGETHER = 12
_ONLY_WHERE_ANY = ("unserved_mwh", "curtailed_mwh", "deadlines_met", "served_fraction")
_REGRETS = ("regret", "regret_fraction")
_TINY = 1e-9


def policy_section(view: StudyView, figures: Figures) -> list[Markup]:
    """Intervals of the headline figures and the table of all of them."""
    shown = [
        figure for figure in figures_of(view.study.currency) if figure.key not in _REGRETS and differs(view, figure)
    ]
    variants = list(spread(view.variants, _MOST_VARIANTS))
    if not shown or not any(entrant.good for entrant in view.entrants):
        return []
    if len(view.entrants) + len(view.oracles) < 2:
        return [means_table(view)]
    views = [_view(view, figure, _contenders(view, [variant])) for figure in shown for variant in variants]
    selectors = [choice("figure", "Figure", [figure.title for figure in shown])]
    if view.varied:
        selectors.append(choice("variant", "Variant", variants))
    return [
        figures.add(
            Chart(
                name="means",
                kind="intervals",
                title="Mean of every policy over its runs",
                label="Mean of each policy with its interval, one row for each policy.",
                caption=f"Dots are means, bars their {_coverage(view)}. The axis does not start at zero.{_more(view)}",
                views=views,
                selectors=selectors,
                table=means_table(view),
            )
        )
    ]


def regret_section(view: StudyView, figures: Figures) -> list[Markup]:
    """What perfect foresight would have earned more, per policy and variant; nothing without an oracle."""
    if not any(entrant.estimate("regret") for entrant in view.entrants):
        return []
    figure = figure_named("regret", view.study.currency)
    variants = list(spread(view.variants, _MOST_VARIANTS))
    together = len(view.entrants) <= _TOGETHER
    groups = [variants] if together else [[variant] for variant in variants]
    views = [_view(view, figure, _contenders(view, group, oracle=False), name=", ".join(group)) for group in groups]
    chart = Chart(
        name="regret",
        kind="intervals",
        title="Regret: what perfect foresight would have earned more",
        label="Bars of regret with their intervals, one for each policy and variant.",
        caption="Bound on the benefit of any decisions under the same chance, less the benefit of the policy; the "
        f"share is that of the cost without control. Shorter is better; thin bars: {_coverage(view)}.{_more(view)}",
        views=views,
        selectors=[] if together else [choice("variant", "Variant", variants)],
        settings={"bars": True, "zero": True},
        table=_regret_table(view),
    )
    return [figures.add(chart)]


def _coverage(view: StudyView) -> str:
    if view.samples < 2:
        return "intervals, which one run does not have"
    return f"{coverage_text(view.study.inference.confidence)}s of the mean"


def _more(view: StudyView) -> str:
    left = len(view.variants) - _MOST_VARIANTS
    return f" {plural(left, 'further variant')} in the table only." if left > 0 else ""


def differs(view: StudyView, figure: Figure) -> bool:
    """Whether any entrant has the figure, and anything but zero of those that often do not apply."""
    found = [entrant.estimate(figure.key) for entrant in view.entrants]
    known = [value for value in found if value is not None]
    if figure.key in _ONLY_WHERE_ANY:
        means = {round(value.mean, 9) for value in known}
        return len(means) > 1 or (figure.key == "unserved_mwh" and any(abs(mean) > _TINY for mean in means))
    return bool(known)


def _contenders(view: StudyView, variants: Iterable[str], *, oracle: bool = True) -> list[Entrant]:
    wanted = set(variants)
    found = [entrant for entrant in view.entrants if entrant.variant in wanted]
    return [*found, *(entrant for entrant in view.oracles if oracle and entrant.variant in wanted)]


def _view(view: StudyView, figure: Figure, entrants: Sequence[Entrant], *, name: str | None = None) -> dict[str, Any]:
    """One row for each entrant that has the figure."""
    several = len({entrant.variant for entrant in entrants}) > 1
    rows = [
        IntervalRow(
            name=title_of(entrant, variant=several),
            colour=f"q-{entrant.key}",
            value=value,
            text=_row_text(figure, entrant),
            facts=[["Mean", figure.show(value.mean)], ["Runs", _runs_text(entrant)]],
        )
        for entrant in entrants
        if (value := entrant.estimate(figure.key)) is not None
    ]
    title = figure.title if name is None else name
    return interval_view(title, figure.title, rows, figure, currency=view.study.currency)


def _row_text(figure: Figure, entrant: Entrant) -> str:
    text = interval_text(entrant.estimate(figure.key), figure.show)
    share = entrant.estimate("regret_fraction") if figure.key == "regret" else None
    return text if share is None else f"{text} ({percent(share.mean)})"


def title_of(entrant: Entrant, *, variant: bool) -> str:
    """Name of an entrant; ``variant`` says whether that must be told."""
    name = "perfect foresight" if entrant.policy == ORACLE else entrant.policy
    return f"{entrant.variant}: {name}" if variant and entrant.variant else name


def _runs_text(entrant: Entrant) -> str:
    good, total = len(entrant.good), len(entrant.runs)
    return whole(good) if good == total else f"{whole(good)} of {whole(total)}"


def means_table(view: StudyView) -> Markup:
    """Every mean with half its interval, one row for each policy on each variant."""
    shown = [figure for figure in figures_of(view.study.currency) if differs(view, figure)]
    rows: list[list[Child]] = []
    for variant in view.variants:
        for entrant in _contenders(view, [variant]):
            cells = [interval_text(entrant.estimate(figure.key), figure.show) or "n/a" for figure in shown]
            rows.append([title_of(entrant, variant=view.varied), *cells, _runs_text(entrant)])
    caption = "Means over the runs" + (f", ± half of the {_coverage(view)}" if view.samples > 1 else "")
    return table(caption, ["Policy", *(figure.title for figure in shown), "Runs"], rows)


def _regret_table(view: StudyView) -> Markup:
    rows = []
    for variant in view.variants:
        for entrant in _contenders(view, [variant]):
            cells = [
                interval_text(entrant.estimate(key), figure_named(key, view.study.currency).show) or "n/a"
                for key in _REGRETS
            ]
            rows.append([title_of(entrant, variant=view.varied), *cells, _runs_text(entrant)])
    header = ["Policy", f"Regret [{view.study.currency}]", "Share of the cost without control", "Runs"]
    return table("Regret; that of perfect foresight is what its plan may lack", header, rows)
