"""Executors over time, coloured by job, above the signal."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from joulewright.report.dag_view import DagView, signal_axis
from joulewright.report.figure import Chart, Figures, LegendEntry, panel
from joulewright.report.markup import Markup, table
from joulewright.report.numbers import number, percent, plural, whole
from joulewright.report.palette import SITE_KEYS
from joulewright.sim.processes.dag import DagRun
from joulewright.study.dag_profile import ExecutorProfile, executor_profile
from joulewright.study.dag_signal import DagSignalInput

_MOST_SCHEDULERS = 8
_LEAST_AMOUNT = 1e-3
_TABLE_ROWS = 48


def timeline_section(view: DagView, figures: Figures) -> list[Markup]:
    """One chart for each scheduler, chosen above it: the run of the first start and seed."""
    names = view.names[:_MOST_SCHEDULERS]
    profiles = {name: _profile(view, name) for name in names}
    views = [_view(view, figures, name, profiles[name]) for name in names]
    # The legend stays whichever scheduler is chosen; where only some have a quota, their notes name the line.
    legend = [LegendEntry(key="idle", name="Held back")]
    if all(profile.quota is not None for profile in profiles.values()):
        legend.append(LegendEntry(key="load", name="Quota", line=True))
    more = len(view.names) - len(names)
    chart = Chart(
        name="timeline",
        kind="lanes",
        title="Executors by job, above the signal",
        label="Executors with tasks of each job piled up over time, executors held back above them, and the signal.",
        caption=_caption(view) + (f" {plural(more, 'further scheduler')} not shown." if more else ""),
        views=views,
        group="scheduler",
        selector="Scheduler",
        legend=legend,
        toggles=False,
        table=_table(view, profiles[names[0]], names[0]),
    )
    return [figures.add(chart)]


def _profile(view: DagView, name: str) -> ExecutorProfile:
    found = view.found
    return executor_profile(found.shown[name], found.schedulers[name])


def _caption(view: DagView) -> str:
    signal, many = view.found.signal, len(view.found.starts) * len(view.found.seeds) > 1
    minutes = signal.step_ms / signal.step_h / 60_000.0
    colours = f"{len(SITE_KEYS)} colours repeat"
    first = "The run is that of the first start and seed. " if many else ""
    return (
        f"Each job has a colour in the order of the file ({colours}); point at the picture for names. Held back "
        "are executors that idle while tasks could start: they move, are parked, or the scheduler has them wait. "
        f"{first}An hour of the signal takes {number(minutes)} min of the run."
    )


def _view(view: DagView, figures: Figures, name: str, profile: ExecutorProfile) -> dict[str, Any]:
    run = view.found.shown[name]
    lanes = use_lanes(figures, run, profile, signal=view.signal, step=view.found.starts[0])
    quota = " The line is the quota." if profile.quota is not None else ""
    return {"name": name, "note": _note(view, name, run) + quota, **lanes}


def use_lanes(
    figures: Figures, run: DagRun, profile: ExecutorProfile, *, signal: DagSignalInput, step: int
) -> dict[str, Any]:
    """Axis and panels of a run that began in a step of a signal: executors by job, and the signal below."""
    pieces = profile.signal.size
    busy = profile.by_job.sum(axis=0)
    above = [
        figures.series("idle", "Held back", busy + profile.held_back, opacity=0.8) | {"low": figures.blobs.add(busy)}
    ]
    if profile.quota is not None:
        above.append(figures.series("load", "Quota", profile.quota))
    executors = panel(
        "Executors",
        "executors",
        height=260,
        series=above,
        max=run.cluster.executors,
        pile=_pile(figures, run, profile),
    )
    title = "Carbon intensity" if signal.quantity == "carbon" else "Signal"
    line = figures.series("carbon", title, profile.signal)
    return {
        "axis": signal_axis(signal, profile.piece_h, pieces, step),
        "panels": [executors, panel(title, signal.unit or "1", height=110, series=[line])],
    }


def _pile(figures: Figures, run: DagRun, profile: ExecutorProfile) -> dict[str, Any]:
    """Executors of each job with any, piece by piece."""
    amounts = profile.by_job.T
    pieces, owners = np.nonzero(amounts > _LEAST_AMOUNT)
    counts = np.bincount(pieces, minlength=profile.signal.size)
    return {
        "title": "Executors with tasks",
        "keys": list(SITE_KEYS),
        "names": [job.name for job in run.jobs],
        "counts": figures.blobs.add(counts.astype(float)),
        "owners": figures.blobs.add(owners.astype(float)),
        "amounts": figures.blobs.add(amounts[pieces, owners]),
    }


def _note(view: DagView, name: str, run: DagRun) -> str:
    used = run.busy_ms / (run.makespan_ms * run.cluster.executors)
    cost = view.figures["cost"].show(run.cost)
    length = view.figures["makespan_ms"].show(run.makespan_ms)
    deferred = f", {plural(run.deferrals, 'deferral')}" if run.deferrals else ""
    return f"{name}: {length}, {cost}, executors {percent(used)} in use{deferred}."


def _table(view: DagView, profile: ExecutorProfile, name: str) -> Markup:
    """Means over at most a few dozen spans of time, for one scheduler."""
    pieces = profile.signal.size
    edges = np.unique(np.linspace(0, pieces, min(pieces, _TABLE_ROWS) + 1).round().astype(int))
    rows = []
    for first, stop in pairwise(edges.tolist()):
        busy = profile.by_job[:, first:stop].mean(axis=1)
        main = int(busy.argmax())
        rows.append(
            [
                f"{first * profile.piece_h:.4g} to {stop * profile.piece_h:.4g} h",
                number(float(busy.sum())),
                number(float(profile.held_back[first:stop].mean())),
                whole(int((busy > _LEAST_AMOUNT).sum())),
                view.found.jobs[main].name if busy[main] > 0.0 else "none",
                number(float(profile.signal[first:stop].mean())),
            ]
        )
    unit = f" [{view.signal.unit}]" if view.signal.unit else ""
    header = ["Time in the signal", "Executors with tasks", "Held back", "Jobs", "Most for", f"Signal{unit}"]
    return table(f"Executors of {name}, means", header, rows, text=(0, 4))
