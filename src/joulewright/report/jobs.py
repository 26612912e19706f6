"""Timeline of the training jobs by site, with the reasons on hover and in a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from joulewright.check.span import begin, freed, stop
from joulewright.model import JobSchedule, Segment, Timeline, TrainingJob
from joulewright.report.clock import at_position, zone_label
from joulewright.report.figure import Chart, Figures, LegendEntry
from joulewright.report.markup import Markup, table
from joulewright.report.numbers import number, plural
from joulewright.report.reasons import job_grid_facts, job_reason, job_rows
from joulewright.report.view import ReportView

_MOST_NAMED = 60
_MOST_SHOWN = 600
_TABLE_ROWS = 300
_ROW_PX = 24
_LANE_PX = (18, 10)
_MANY_LANES = 40

Placed = tuple[TrainingJob, JobSchedule]


def job_section(view: ReportView, figures: Figures) -> list[Markup]:
    """The timeline, or nothing without training jobs."""
    jobs = _in_order(view)
    if not jobs:
        return []
    named = len(jobs) <= _MOST_NAMED
    steps = range(view.scenario.timeline.steps) if named or not view.is_long else view.window
    shown = [job for job in jobs if _meets(view.scenario.timeline, job, steps)]
    left_out = len(shown) - _MOST_SHOWN
    shown = shown[:_MOST_SHOWN]
    rows = _named_rows(view, shown, steps) if named else _packed_rows(view, shown, steps)
    clock = view.common_zone()
    chart = Chart(
        name="jobs",
        kind="gantt",
        title="Training jobs",
        label="Timeline of the training jobs: a pale window from release to deadline and a bar for each run.",
        caption=_caption(view, jobs, named=named, left_out=left_out),
        views=[
            {
                "name": "",
                "axis": view.axis(clock, steps=steps),
                "rows": rows,
                "named": named,
                "pitch": _ROW_PX if named else _LANE_PX[len(rows) > _MANY_LANES],
            }
        ],
        legend=[LegendEntry(key=site.key, name=site.name) for site in view.sites if site.site.fleets],
        toggles=False,
        table=_job_table(view, jobs),
    )
    return [figures.add(chart)]


def _in_order(view: ReportView) -> list[Placed]:
    """Jobs by site, then by start; those that never run last."""
    order = {site.name: position for position, site in enumerate(view.sites)}
    jobs = [(job, view.schedule.jobs[job.name]) for job in view.scenario.training]

    def place(item: Placed) -> tuple[int, int]:
        entry = item[1]
        return (len(order), 0) if entry.rejected else (order[entry.segments[0].site], entry.start_step)

    return sorted(jobs, key=place)


def _caption(view: ReportView, jobs: Sequence[Placed], *, named: bool, left_out: int) -> str:
    clock = view.common_zone()
    zone = "UTC, because the sites' clocks differ" if clock is None else zone_label(clock.zone)
    parts = [_tally(view, jobs)]
    parts.append(
        "The outline is the time from release to deadline. Point at a bar for the reasons; the table lists them too."
        if named
        else "Each row holds jobs that follow each other on one fleet. Point at a bar for the reasons."
    )
    if not named and view.is_long:
        parts.append(view.window_note.strip())
    if left_out > 0:
        parts.append(f"{plural(left_out, 'further job')} not drawn.")
    return f"{' '.join(parts)} Times are {zone}."


def _tally(view: ReportView, jobs: Sequence[Placed]) -> str:
    """How many jobs run, or how they went in a simulated run."""
    absent = sum(entry.rejected for _, entry in jobs)
    present = plural(len(jobs) - absent, "job")
    if view.result is not None:
        return f"{present} run, {plural(absent, 'job')} rejected." if absent else f"All {present} run."
    unfinished = sum(record.start_h is not None and record.end_h is None for record in view.records.values())
    failed = sum(segment.lost_h is not None for _, entry in jobs for segment in entry.segments)
    more = [
        f"{unfinished} not finished at the end" if unfinished else "",
        f"{plural(absent, 'job')} never started" if absent else "",
        f"{plural(failed, 'run')} ended by a failure" if failed else "",
    ]
    told = ", ".join([f"{present} ran", *(part for part in more if part)])
    return f"{told[0].upper()}{told[1:]}."


def _meets(timeline: Timeline, item: Placed, steps: range) -> bool:
    """Whether any run of the job, or the window of a rejected one, lies in ``steps``."""
    job, entry = item
    spans: Iterable[tuple[float, float]] = [(s.first_step, s.stop_step) for s in entry.segments] or [
        (timeline.position(job.release), timeline.position(job.deadline))
    ]
    return any(start < steps.stop and stop > steps.start for start, stop in spans)


def _item(view: ReportView, placed: Placed, steps: range, *, window: bool) -> dict[str, Any]:
    job, entry = placed
    timeline = view.scenario.timeline
    release, deadline = timeline.position(job.release), timeline.position(job.deadline)

    def run(segment: Segment) -> list[float | str]:
        """Start, end, share of the largest size, and the colour of its site."""
        span = (round(begin(segment) - steps.start, 3), round(stop(segment) - steps.start, 3))
        return [*span, round(segment.accelerators / job.largest, 3), view.site(segment.site).key]

    bounds = [round(max(release, steps.start) - steps.start, 3), round(min(deadline, steps.stop) - steps.start, 3)]
    return {
        "name": job.name,
        "key": "idle" if entry.rejected else view.site(entry.segments[0].site).key,
        "window": bounds if window or entry.rejected else None,
        "runs": [run(segment) for segment in entry.segments],
        "facts": job_rows(view, job, entry),
        "reason": job_reason(view, job, entry),
    }


def _named_rows(view: ReportView, jobs: Sequence[Placed], steps: range) -> list[dict[str, Any]]:
    return [{"name": job.name, "items": [_item(view, (job, entry), steps, window=True)]} for job, entry in jobs]


def _packed_rows(view: ReportView, jobs: Sequence[Placed], steps: range) -> list[dict[str, Any]]:
    """As few rows per fleet as possible, each holding jobs that do not overlap."""
    timeline = view.scenario.timeline
    groups: dict[str, list[tuple[float, list[dict[str, Any]]]]] = {}
    for job, entry in jobs:
        if entry.rejected:
            label = "rejected" if view.result is not None else "never ran"
            start, end = timeline.position(job.release), timeline.position(job.deadline)
        else:
            first, last = entry.segments[0], entry.segments[-1]
            label, start, end = f"{first.site} · {first.fleet}", begin(first), freed(last)
        lanes = groups.setdefault(label, [])
        item = _item(view, (job, entry), steps, window=False)
        for position, (free, items) in enumerate(lanes):
            if free <= start:
                items.append(item)
                lanes[position] = (end, items)
                break
        else:
            lanes.append((end, [item]))
    return [
        {"name": label if position == 0 else "", "items": items}
        for label, lanes in groups.items()
        for position, (_, items) in enumerate(lanes)
    ]


def _job_table(view: ReportView, jobs: Sequence[Placed]) -> Markup:
    clock = view.common_zone()
    rows: list[list[str]] = []
    for job, entry in jobs[:_TABLE_ROWS]:
        facts = job_grid_facts(view, job, entry)
        where, start, end = _where_and_when(view, entry)
        rows.append(
            [
                job.name,
                where,
                start,
                end,
                job_reason(view, job, entry),
                number(facts.energy_mwh),
                number(facts.grid_cost),
                number(facts.grid_carbon_kg / 1000.0),
            ]
        )
    more = "" if len(jobs) <= _TABLE_ROWS else f"; the first {_TABLE_ROWS} of {len(jobs)}"
    zone = "UTC" if clock is None else zone_label(clock.zone)
    simulated = view.result is None
    return table(
        f"Training jobs{more}. Times are {zone}; cost and carbon are those of the same energy from the grid then.",
        [
            "Job",
            "Site",
            *(("Start", "End", "What happened") if simulated else ("First step", "Last step", "Why")),
            "Energy [MWh]",
            f"Grid cost [{view.scenario.currency}]",
            "Grid carbon [t]",
        ],
        rows,
        text=range(5),
    )


def _where_and_when(view: ReportView, entry: JobSchedule) -> tuple[str, str, str]:
    """Sites, first and last step of a plan; in a simulated run the instants at which the job started and ended."""
    if entry.rejected:
        return "rejected" if view.result is not None else "never ran", "", ""
    timeline, clock = view.scenario.timeline, view.common_zone()
    first, last = entry.segments[0], entry.segments[-1]
    where = ", ".join(sorted({segment.site for segment in entry.segments}))
    if view.result is None:
        zone = ZoneInfo("UTC" if clock is None else clock.zone)
        instants = (at_position(timeline, begin(first)), at_position(timeline, stop(last)))
        start, end = (f"{instant.astimezone(zone):%Y-%m-%d %H:%M}" for instant in instants)
        return where, start, end
    local = timeline.starts() if clock is None else clock.local
    steps = (min(first.first_step, timeline.steps - 1), min(last.stop_step, timeline.steps) - 1)
    start, end = (str(local[step])[:16].replace("T", " ") for step in steps)
    return where, start, end
