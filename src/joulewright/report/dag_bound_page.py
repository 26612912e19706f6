"""Builds the report of the least that jobs with precedence must cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from joulewright.report.boxes import Finding, finding_list, sentence_list, tile
from joulewright.report.clock import stamp
from joulewright.report.dag_figures import amount
from joulewright.report.dag_page import badges, sources
from joulewright.report.document import Masthead, Section, render_document
from joulewright.report.figure import Chart, Figures, LegendEntry, panel
from joulewright.report.markup import Markup, element, table
from joulewright.report.numbers import number, percent, plural
from joulewright.report.study_view import utc_axis
from joulewright.study.dag_bounds import Allowance, DagBounds
from joulewright.study.dag_inputs import DagInput
from joulewright.study.dag_signal import DagSignalInput


def render_bound_report(
    found: DagBounds, source: DagInput, signal: DagSignalInput, *, document: Mapping[str, Any] | None = None
) -> str:
    """The report as one HTML page that needs no network.

    Parameters
    ----------
    found : DagBounds
        Bounds and the schedule beside them.
    source, signal
        What was run, and what played.
    document : mapping, optional
        Command, time, versions and notes for the last sections.
    """
    figures, facts = Figures(), document or {}
    run = found.run
    sections = [
        Section(name="decision", title="Headroom", content=_headroom(found, signal)),
        Section(name="validity", title="Validity", content=_validity(found, facts)),
        Section(name="bounds", title="Bounds", content=_bars(found, signal, figures)),
        Section(name="work", title="When the bound works", content=_lanes(found, signal, figures)),
        Section(
            name="sources",
            title="Provenance",
            content=sources(source, signal, run.cluster, schedulers=[found.name], document=facts),
        ),
    ]
    return render_document(_masthead(found, source, signal), sections, figures)


def _masthead(found: DagBounds, source: DagInput, signal: DagSignalInput) -> Masthead:
    start = stamp(signal.timeline.at(found.start), "UTC")
    sizes = f"{plural(len(found.run.jobs), 'job')} on {plural(found.run.cluster.executors, 'executor')}"
    facts = (f"{sizes}; {found.sentence()}.", f"Start {start} UTC; signal: {signal.name}.")
    return Masthead(
        kind="fluid bound of jobs with precedence", name=source.name, facts=facts, badges=badges(source, signal)
    )


def _known(found: DagBounds) -> list[tuple[Allowance, float]]:
    return [(item, item.bound.cost) for item in found.items if item.bound is not None]


def _name(item: Allowance) -> str:
    return f"{item.allowance_h:g} h more" if item.allowance_h else "at the horizon"


def _headroom(found: DagBounds, signal: DagSignalInput) -> list[Markup]:
    known, cost = _known(found), found.run.cost
    own = amount(signal, cost)
    if not known:
        text = f"{found.name} costs {own}; there is no bound: {found.items[0].missing}."
        return [element("p", text, class_="headline")]
    first, least = known[0]
    text = f"No schedule {_name(first)} costs less than {amount(signal, least)}; {found.name} costs {own}"
    if found.given:
        headline = f"{text} in its own time."
    else:
        headline = f"{text}, so at most {_below(signal, cost, least)} can be saved at equal makespan."
    tiles = [tile(f"{found.name}", own)]
    tiles += [
        tile(f"Bound {_name(item)}", amount(signal, value), f"{_below(signal, cost, value)} less")
        for item, value in known
    ]
    return [element("p", headline, class_="headline"), element("dl", tiles, class_="tiles")]


def _below(signal: DagSignalInput, cost: float, bound: float) -> str:
    """How far a bound lies below a cost: in per cent, or as an amount where the cost is not positive."""
    return percent(1.0 - bound / cost) if cost > 0.0 else amount(signal, cost - bound)


def _validity(found: DagBounds, facts: Mapping[str, Any]) -> list[Markup]:
    reasons = dict.fromkeys(item.missing for item in found.items if item.missing)
    findings = [
        Finding(
            mood="good",
            title="Solved as a linear programme",
            text="Precedence, moving delay and whole executors are left out: a valid bound, not always reachable.",
        )
    ]
    for reason in reasons:
        names = ", ".join(f"{item.allowance_h:g} h" for item in found.items if item.missing == reason)
        text = f"With {names} more: {reason}."
        findings.append(Finding(mood="warn", title="Some bounds are missing", text=text))
    if found.run.cluster.idle_power_kw:
        text = "Idle executors draw power in the schedule; the bound counts tasks only."
        findings.append(Finding(mood="warn", title="Idle draw is not in the bound", text=text))
    notes = list(facts.get("notes") or ())
    return [finding_list(findings), *([sentence_list(notes)] if notes else [])]


def _bars(found: DagBounds, signal: DagSignalInput, figures: Figures) -> list[Markup]:
    known, factor = _known(found), signal.amount_factor
    names = [found.name, *(f"bound +{item.allowance_h:g} h" for item, _ in known)]
    costs = [found.run.cost, *(value for _, value in known)]
    rows = [
        [name, number(factor * value), percent(value / costs[0]) if costs[0] > 0.0 else "n/a"]
        for name, value in zip(names, costs)
    ]
    keys = ["site0", *["import"] * len(known)]
    series = {"key": "import", "name": signal.quantity, "values": [factor * value for value in costs], "keys": keys}
    title = f"{signal.quantity.capitalize()} of the schedule and the bounds [{signal.amount}]"
    chart = Chart(
        name="bounds",
        kind="bars",
        title=title,
        label="Bars of the cost of the schedule and of the bound for each allowance.",
        caption="More time can only lower the bound: the same work may wait for cleaner hours.",
        views=[{"name": "", "categories": names, "series": [series]}],
        settings={"unit": signal.amount},
        table=table(title, ["", f"{signal.quantity.capitalize()} [{signal.amount}]", f"Of {found.name}"], rows),
    )
    return [figures.add(chart)]


def _lanes(found: DagBounds, signal: DagSignalInput, figures: Figures) -> list[Markup]:
    known = _known(found)
    if not known:
        return []
    chart = Chart(
        name="work",
        kind="lanes",
        title="Executors at the bound, above the signal",
        label="Executors in use at the bound and in the schedule over time, and the signal.",
        caption="The bound fills the lowest hours after the arrivals; the line is what the schedule used.",
        views=[_lane_view(found, signal, figures, item) for item, _ in known],
        group="allowance",
        selector="Allowance",
        legend=[
            LegendEntry(key="energy", name="At the bound"),
            LegendEntry(key="load", name=found.name, line=True),
        ],
        toggles=False,
        table=_work_table(found),
    )
    return [figures.add(chart)]


def _lane_view(found: DagBounds, signal: DagSignalInput, figures: Figures, item: Allowance) -> dict[str, Any]:
    run, steps = found.run, item.steps
    used = run.busy_per_step_ms[:steps] / float(run.signal.step_ms)
    work = item.bound.work.sum(axis=0) if item.bound is not None else used
    series = [
        figures.series("energy", "At the bound", work, area=0.75),
        figures.series("load", found.name, used),
    ]
    axis = utc_axis(signal.timeline, step_h=run.signal.step_h, first=found.start, steps=steps)
    top = panel("Executors", "executors", height=200, series=series, max=run.cluster.executors)
    line = figures.series("carbon", "Signal", run.signal.values[:steps])
    return {
        "name": _name(item),
        "axis": axis,
        "panels": [top, panel("Signal", signal.unit or "1", height=110, series=[line])],
    }


def _work_table(found: DagBounds) -> Markup:
    """Executors by hour at every bound."""
    known = _known(found)
    steps = max(item.steps for item, _ in known)
    used = found.run.busy_per_step_ms / float(found.run.signal.step_ms)
    works = [item.bound.work.sum(axis=0) for item, _ in known if item.bound is not None]
    rows = [
        [
            f"{step * found.run.signal.step_h:g} h",
            number(float(found.run.signal.values[step])),
            number(float(used[step])),
            *(number(float(work[step])) if step < work.size else "" for work in works),
        ]
        for step in range(min(steps, 200))
    ]
    header = ["Step", "Signal", found.name, *(f"Bound {_name(item)}" for item, _ in known)]
    return table("Executors in use in each step, the first 200 steps", header, rows)
