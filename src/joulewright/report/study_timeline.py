"""Event timelines: what happened in a chosen run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from joulewright.model import Happening
from joulewright.report.figure import Chart, Figures
from joulewright.report.happenings import (
    LEAST_BAR_PX,
    ROW_HEADER,
    Tally,
    happening_row,
    kinds_legend,
    tallies,
    timeline_view,
    words,
)
from joulewright.report.markup import Child, Markup, table
from joulewright.report.numbers import plain, plural, whole
from joulewright.report.study_policies import title_of
from joulewright.report.study_view import Entrant, StudyView, choice, sample_name, spread, utc_axis
from joulewright.study.result import RunOutcome

_MOST_RUNS, _MOST_VIEWS = 12, 72
_TABLE_ROWS = 400

Sample = tuple[int, int | None]


def timeline_section(view: StudyView, figures: Figures) -> list[Markup]:
    """One chart with selectors of policy and run, and the totals by kind; nothing where nothing happened."""
    everything = [item for entrant in view.entrants for run in entrant.good for item in run.happenings]
    if not everything:
        return []
    policies = view.study.policies
    samples = chosen_samples(view)
    room = max(1, _MOST_VIEWS // (len(policies) * len(samples)))
    variants = list(spread(view.variants, room))
    entrants = [entrant for variant in variants for entrant in view.at(variant)]
    runs = [(entrant, sample, _run_of(entrant, sample)) for entrant in entrants for sample in samples]
    variant_choice = [choice("variant", "Variant", variants)] if view.varied else []
    chart = Chart(
        name="timeline",
        kind="gantt",
        title="What happened in one run",
        label="Timeline of one run with a row for each place and kind and a bar for each time something happened.",
        caption=_caption(view, len(samples)),
        views=[_view(view, entrant, sample, run) for entrant, sample, run in runs],
        settings={"least": LEAST_BAR_PX},
        selectors=[
            *variant_choice,
            choice("policy", "Policy", policies),
            choice("run", "Run", [sample_name(*sample) for sample in samples]),
        ],
        legend=kinds_legend(everything),
        toggles=False,
        table=_table(view, [(entrant, run) for entrant, _, run in runs if run is not None]),
    )
    return [figures.add(chart), _totals(view)]


def chosen_samples(view: StudyView) -> list[Sample]:
    """Seeds and years to show: all where they are few, else the worst one of every policy and the first ones."""
    keys = dict.fromkeys((run.key.seed, run.key.year) for entrant in view.entrants for run in entrant.runs)
    if len(keys) <= _MOST_RUNS:
        return list(keys)
    worst = dict.fromkeys(_worst(entrant) for entrant in view.entrants if entrant.good)
    chosen = set([*worst, *keys][: max(_MOST_RUNS, min(len(worst), 2 * _MOST_RUNS))])
    return [key for key in keys if key in chosen]


def _worst(entrant: Entrant) -> Sample:
    """Run with the lowest benefit."""
    run = min(entrant.good, key=lambda one: one.figures.get("benefit") or 0.0)
    return run.key.seed, run.key.year


def _run_of(entrant: Entrant, sample: Sample) -> RunOutcome | None:
    return next((run for run in entrant.runs if (run.key.seed, run.key.year) == sample), None)


def _caption(view: StudyView, shown: int) -> str:
    total = max(len(entrant.runs) for entrant in view.entrants)
    part = (
        f" {shown} of {plural(total, 'run')} can be chosen, the worst of every policy among them."
        if shown < total
        else ""
    )
    return f"Point at a bar for details.{part} Times are UTC."


def _view(view: StudyView, entrant: Entrant, sample: Sample, run: RunOutcome | None) -> dict[str, Any]:
    timeline = view.study.timeline
    axis = utc_axis(timeline, step_h=timeline.step_h, first=0, steps=timeline.steps)
    name = f"{title_of(entrant, variant=view.varied)}, {sample_name(*sample)}"
    happenings: Sequence[Happening] = () if run is None else run.happenings
    found = timeline_view(name, happenings, timeline, axis)
    if run is not None and not run.ok:
        found["note"] = f"{name} failed: {run.error}"
    return found


def _totals(view: StudyView) -> Markup:
    """Mean number and hours per run of everything that happens, one column for each policy."""
    entrants = view.entrants
    found = [
        {tally.kind: tally for tally in tallies(item for run in entrant.good for item in run.happenings)}
        for entrant in entrants
    ]
    kinds = dict.fromkeys(kind for item in found for kind in item)
    rows: list[list[Child]] = []
    for kind in kinds:
        cells: list[Child] = [words(kind)]
        for entrant, item in zip(entrants, found, strict=True):
            runs = max(1, len(entrant.good))
            tally = item.get(kind)
            cells.append("0" if tally is None else _mean_text(tally, runs))
        rows.append(cells)
    header = ["What", *(title_of(entrant, variant=view.varied) for entrant in entrants)]
    return table("Mean number per run, and hours it lasts in all", header, rows)


def _mean_text(tally: Tally, runs: int) -> str:
    hours = f" ({plain(tally.hours / runs)} h)" if tally.hours > 0 else ""
    return f"{plain(tally.count / runs)}{hours}"


def _table(view: StudyView, runs: Sequence[tuple[Entrant, RunOutcome]]) -> Markup:
    listed = [
        [title_of(entrant, variant=view.varied), view.run_name(run), *happening_row(item, view.study.timeline)]
        for entrant, run in runs
        for item in run.happenings
    ]
    more = f"; the first {_TABLE_ROWS} of {whole(len(listed))}" if len(listed) > _TABLE_ROWS else ""
    header = ["Policy", "Run", *ROW_HEADER]
    return table(f"What happened in the runs that can be chosen{more}", header, listed[:_TABLE_ROWS], text=range(7))
