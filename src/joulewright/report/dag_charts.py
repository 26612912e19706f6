"""Figures of a comparison of schedulers: carbon against service, what changed and why, stretch, bounds."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from joulewright.report.curves import duration_curve
from joulewright.report.dag_figures import amount, change, signed_amount
from joulewright.report.dag_view import DagView
from joulewright.report.figure import Chart, Figures, LegendEntry, Selector
from joulewright.report.markup import Markup, element, table
from joulewright.report.numbers import number, percent
from joulewright.report.study_figures import Figure, coverage_text, range_text
from joulewright.report.study_intervals import IntervalRow, interval_view
from joulewright.study.result import Estimate

_MEANS = ("change_cost", "cost_ratio", "mean_completion_ratio", "p95_completion_ratio", "makespan_ratio", "shift_ratio",
          "work_ratio", "above_bound_fraction", "headroom_share", "mean_stretch")  # fmt: skip
_PARTS = (("change_work", "work", "Work"), ("change_overhead", "fixed", "Idle draw"),
          ("change_shift", "energy", "Shift to other hours"))  # fmt: skip
_NOTHING = 1e-12
_LEVELS = (0, 5, 25, 50, 75, 95, 100)


def tradeoff_section(view: DagView, figures: Figures) -> list[Markup]:
    """Carbon against completion time, in per cent of the base, with bounds; nothing for one scheduler or no ratios."""
    if not (view.others and view.relative):
        return []
    points = [_point(view, name) for name in view.names]
    known = [point for point in points if point is not None]
    if len(known) < 2:
        return []
    what = view.signal.quantity.capitalize()
    rows = [
        [name, *(view.text(name, key) for key in ("cost_ratio", "mean_completion_ratio", "makespan_ratio"))]
        for name in view.names
    ]
    chart = Chart(
        name="tradeoff",
        kind="scatter",
        title=f"{what} against completion time",
        label=f"{what} against mean completion time of each scheduler in per cent of {view.found.base}, fluid bounds.",
        caption=f"Both in per cent of {view.found.base} (the diamond), means of the ratios of each run{_bars(view)}. "
        "Lower and further left is better. No schedule of the same length costs less than the line of the fluid bound; "
        "those that take longer may.",
        views=[{"name": "", "points": known, "levels": _levels(view)}],
        settings={"x": f"mean completion time [% of {view.found.base}]", "y": f"{what} [%]"},
        legend=[LegendEntry(key=view.key(name), name=name) for name in view.names],
        toggles=False,
        table=table("Change against the first scheduler", ["Scheduler", what, "Mean completion", "Makespan"], rows),
    )
    return [figures.add(chart)]


def _bars(view: DagView) -> str:
    if view.found.samples < 2:
        return ""
    return f" with their {coverage_text(view.found.inference.confidence)}s"


def _point(view: DagView, name: str) -> dict[str, Any] | None:
    x, y = view.estimate(name, "mean_completion_ratio"), view.estimate(name, "cost_ratio")
    if x is None or y is None:
        return None
    facts = [
        [view.figures[key].title, view.text(name, key)]
        for key in ("cost", "cost_ratio", "mean_completion_ms", "mean_completion_ratio", "above_bound_fraction")
    ]
    return {
        "name": name,
        "key": view.key(name),
        "x": _scaled(x),
        "y": _scaled(y),
        "facts": [fact for fact in facts if fact[1]],
        "current": name == view.found.base,
    }


def _scaled(value: Estimate) -> list[float | None]:
    """Mean and ends in per cent; no ends where they are rounding."""
    half = value.half_width
    if half is None or half < 1e-9:
        return [100.0 * value.mean, None, None]
    return [100.0 * end for end in (value.mean, value.low, value.high) if end is not None]


def bound_ratios(view: DagView) -> dict[float, float]:
    """Mean ratio of the bound to the base, by allowance [h], over the starts where the signal is long enough.

    Nothing where a cost is not positive, because a mean over the other starts is none over all.
    """
    if not view.relative:
        return {}
    known = view.found.bounds.drop_nulls("cost").filter(pl.col("reference") > 0.0)
    ratios = known.group_by("allowance_h", maintain_order=True).agg((pl.col("cost") / pl.col("reference")).mean())
    return {float(row[0]): float(row[1]) for row in ratios.iter_rows()}


def _levels(view: DagView) -> list[dict[str, Any]]:
    found = bound_ratios(view)
    wanted = [item for item in found.items() if item[0] in (0.0, max(found))]
    return [
        {
            "y": 100.0 * ratio,
            "name": "fluid bound, same makespan" if allowance_h == 0.0 else f"fluid bound, {allowance_h:g} h more",
            "key": "load" if allowance_h == 0.0 else "import",
            "dashed": allowance_h > 0.0,
        }
        for allowance_h, ratio in wanted
    ]


def split_section(view: DagView, figures: Figures) -> list[Markup]:
    """How much of the change is less work, and how much the same energy at another time."""
    names = [name for name in view.others if view.mean(name, "change_shift") is not None]
    if not names:
        return []
    parts = [item for item in _PARTS if item[0] != "change_overhead" or view.has_overhead]
    unit, factor = view.signal.amount, view.signal.amount_factor
    amounts = {figure: [factor * (view.mean(name, figure) or 0.0) for name in names] for figure, *_ in parts}
    series = [{"key": key, "name": title, "values": amounts[figure]} for figure, key, title in parts]
    rows = []
    for name in names:
        means = [view.mean(name, figure) or 0.0 for figure, *_ in parts]
        ratios = [view.text(name, key) for key in ("work_ratio", "shift_ratio")]
        rows.append([name, *(signed_amount(view.signal, value) for value in (*means, sum(means))), *ratios])
    listed = table(
        f"Change of {view.signal.quantity} and its parts",
        ["Scheduler", *(title for *_, title in parts), "Whole change", "Work", "Mean intensity"],
        rows,
    )
    if not any(abs(value) > _NOTHING for values in amounts.values() for value in values):
        return [element("p", f"No scheduler differs from {view.found.base} in {view.signal.quantity}."), listed]
    chart = Chart(
        name="split",
        kind="bars",
        title=f"Where the change of {view.signal.quantity} comes from [{unit}]",
        label=f"Stacked bars of the change against {view.found.base}, split into work and shift, in {unit}.",
        caption=f"Change against {view.found.base}, means over the runs; bars to the left are savings. The parts sum "
        "to the whole change. Only the shift is awareness of the signal: using executors for less time "
        "costs less without any hour being cleaner.",
        views=[{"name": "", "categories": names, "series": series}],
        settings={"unit": unit, "stacked": True},
        legend=[LegendEntry(key=key, name=title) for _, key, title in parts],
        table=listed,
    )
    return [figures.add(chart)]


def stretch_section(view: DagView, figures: Figures) -> list[Markup]:
    """Distribution of the stretch of jobs, all runs together."""
    series, rows = [], []
    for name in view.names:
        values = view.found.completions.filter(pl.col("scheduler") == name)["stretch"].to_numpy().astype(float)
        series.append(figures.series(view.key(name), name, duration_curve(values)))
        rows.append([name, *(number(float(np.percentile(values, level))) for level in _LEVELS)])
    chart = Chart(
        name="stretch",
        kind="curve",
        title="How much longer jobs take than they must",
        label="Stretch of jobs sorted from the greatest, one line for each scheduler.",
        caption="Stretch is the completion time of a job over its critical path, which is the shortest possible on any "
        "number of executors. All runs together, sorted; lower is better. The axis is logarithmic.",
        views=[{"name": "", "series": series}],
        settings={"unit": "times", "axis": "Stretch [times]", "share": "share of jobs", "reached": "by", "log": True},
        legend=[LegendEntry(key=view.key(name), name=name, line=True) for name in view.names],
        table=table("Percentiles of the stretch", ["Scheduler", *(f"{level} %" for level in _LEVELS)], rows),
    )
    return [figures.add(chart)]


def means_section(view: DagView, figures: Figures) -> list[Markup]:
    """Means of the figures with their intervals, and the table of all of them."""
    whole_table = means_table(view)
    # Ratios of costs that only some samples have are no means over the runs.
    left_out = ("change_cost",) if view.relative else ("cost_ratio", "shift_ratio", "above_bound_fraction")
    shown = [figure for key in _MEANS if key not in left_out and _differs(view, figure := view.figures[key])]
    if not view.others or not shown:
        return [whole_table]
    views = [_means_view(view, figure) for figure in shown]
    caption = "Dots are means; the axis does not start at zero."
    if view.found.samples > 1:
        bars = f"bars their {coverage_text(view.found.inference.confidence)}s"
        caption = f"Dots are means, {bars}; the axis does not start at zero."
    chart = Chart(
        name="means",
        kind="intervals",
        title="Mean of every scheduler over the runs",
        label="Mean of each scheduler with its interval, one row for each.",
        caption=caption,
        views=views,
        selectors=[Selector(group="figure", title="Figure", choices=[figure.title for figure in shown])],
        table=whole_table,
    )
    return [figures.add(chart)]


def _differs(view: DagView, figure: Figure) -> bool:
    means = [view.mean(name, figure.key) for name in view.names]
    known = [value for value in means if value is not None]
    return bool(known) and max(known) - min(known) > 1e-9


def _means_view(view: DagView, figure: Figure) -> dict[str, Any]:
    rows = []
    for name in view.names:
        value = view.estimate(name, figure.key)
        if value is not None:
            facts = [["Mean", figure.show(value.mean)], ["Interval", range_text(value, figure.show)]]
            text = view.text(name, figure.key)
            rows.append(IntervalRow(name=name, colour=f"q-{view.key(name)}", value=value, text=text, facts=facts))
    axis = figure.title.removeprefix("Change of ").capitalize()
    return interval_view(figure.title, axis, rows, figure, currency="")


def means_table(view: DagView) -> Markup:
    """Every figure of every scheduler."""
    shown = [
        figure
        for figure in view.figures.values()
        if any(view.mean(name, figure.key) for name in view.names) and not (_is_relative(figure) and not view.others)
    ]
    rows = [[name, *(view.text(name, figure.key) or "n/a" for figure in shown)] for name in view.names]
    half = f", ± half of the {coverage_text(view.found.inference.confidence)}" if view.found.samples > 1 else ""
    return table(f"Means over the runs{half}", ["Scheduler", *(figure.title for figure in shown)], rows)


def _is_relative(figure: Figure) -> bool:
    return figure.show is change or figure.key.startswith("change_") or figure.key == "headroom_share"


def bound_section(view: DagView, figures: Figures) -> list[Markup]:
    """The fluid bound by allowance beside the schedulers, in per cent of the base."""
    ratios = bound_ratios(view)
    if not ratios:
        return []
    bounds = {"bound" if hours == 0.0 else f"bound +{hours:g} h": 100.0 * ratio for hours, ratio in ratios.items()}
    schedulers = {name: 100.0 * (view.mean(name, "cost_ratio") or 0.0) for name in view.names}
    names = [*schedulers, *bounds]
    keys = [*(view.key(name) for name in schedulers), *["import"] * len(bounds)]
    values = [*schedulers.values(), *bounds.values()]
    cost = view.mean(view.found.base, "cost") or 0.0
    rows = [
        [name, percent(value / 100.0), amount(view.signal, cost * value / 100.0)] for name, value in zip(names, values)
    ]
    chart = Chart(
        name="bound",
        kind="bars",
        title=f"What could be reached [% of the {view.signal.quantity} of {view.found.base}]",
        label="Bars of the cost of each scheduler and of the fluid bounds in per cent of the base.",
        caption="The bound takes the jobs as a fluid that may run whenever they have arrived: no precedence, no moves, "
        "no whole executors, within the makespan of the base or some hours more. No schedule of the same length costs "
        "less; how much of it can be reached is not known.",
        views=[
            {
                "name": "",
                "categories": names,
                "series": [{"key": "import", "name": "Cost", "values": values, "keys": keys}],
            }
        ],
        settings={"unit": "%"},
        table=table("Schedulers and fluid bounds, means", ["", f"Of {view.found.base}", "Mean"], rows),
    )
    return [figures.add(chart)]
