"""Builds the report of one simulated run: one HTML file that needs no network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from joulewright.account import settle
from joulewright.check import violations
from joulewright.model import Clip, Trajectory
from joulewright.report.bottlenecks import bottlenecks
from joulewright.report.boxes import Finding, finding_list, sentence_list
from joulewright.report.decision import decision_tiles
from joulewright.report.document import Masthead, Section, badge, render_document, write_document
from joulewright.report.figure import Chart, Figures
from joulewright.report.happenings import (
    LEAST_BAR_PX,
    ROW_HEADER,
    happening_row,
    kinds_legend,
    tallies,
    tally_text,
    timeline_view,
)
from joulewright.report.markup import Markup, details, element, table
from joulewright.report.numbers import compact, energy, number, plural, tonnes
from joulewright.report.operation import (
    SYNTHETIC,
    account_sections,
    emission_section,
    horizon_facts,
    operation_sections,
)
from joulewright.report.sources import is_synthetic
from joulewright.report.validity import (
    assumption_parts,
    broken_list,
    data_findings,
    diagnostic_parts,
    residual_finding,
    unserved_finding,
)
from joulewright.report.view import ReportView, build_view

_TABLE_ROWS = 300
_MOST_NAMES = 4
_PROOF = "What was checked, what physics did not allow, and what was assumed."
_LEAD = "Events, failures, restarts, moves and shed load."


def write_trajectory_report(
    path: Path | str, trajectory: Trajectory, *, run_document: Mapping[str, Any] | None = None
) -> Path:
    """Write the report of one simulated run as one HTML file and return its path.

    Parameters
    ----------
    path : Path or str
        File to write; an existing one is replaced only when the new one is complete.
    trajectory : Trajectory
        What happened.
    run_document : mapping or None
        Command and versions for the last section.

    Raises
    ------
    DataError
        If the file cannot be written.
    """
    return write_document(path, render_trajectory_report(trajectory, run_document=run_document))


def render_trajectory_report(trajectory: Trajectory, *, run_document: Mapping[str, Any] | None = None) -> str:
    """The report as text; see :func:`write_trajectory_report`."""
    scenario, schedule = trajectory.scenario, trajectory.schedule
    document = {"policy": trajectory.policy, "seed": trajectory.seed, **(run_document or {})}
    view = build_view(scenario, None, schedule, settle(scenario, schedule), document, records=trajectory.jobs)
    figures = Figures()
    sections = [
        Section(name="decision", title="Outcome", content=_outcome(view, trajectory)),
        Section(name="validity", title="Validity", content=_validity(view, trajectory), lead=_PROOF),
        Section(name="happenings", title="What happened", content=_timeline(view, trajectory, figures), lead=_LEAD),
        *operation_sections(view, figures),
        emission_section(view, figures),
        *account_sections(view),
    ]
    return render_document(_masthead(view, trajectory), sections, figures)


def _masthead(view: ReportView, trajectory: Trajectory) -> Masthead:
    shed = view.ledger.total("energy", "unserved")
    badges = [badge(f"seed {trajectory.seed}", "plain")]
    badges.append(badge(f"{energy(shed)} shed", "bad") if shed > 1e-6 else badge("all load served", "good"))
    if is_synthetic(view.scenario):
        badges.append(badge(SYNTHETIC, "warn"))
    facts = (f"Policy: {trajectory.policy}", *horizon_facts(view))
    return Masthead(kind="simulated run", name=view.scenario.name, facts=facts, badges=badges)


def _outcome(view: ReportView, trajectory: Trajectory) -> list[Markup]:
    happened = [f"{text[0].upper()}{text[1:]}." for text in map(tally_text, tallies(trajectory.happenings))]
    limits = list(bottlenecks(view))
    return [
        element("p", headline(view, trajectory), class_="headline"),
        element("dl", decision_tiles(view), class_="tiles"),
        *([element("h3", "What happened"), sentence_list(happened)] if happened else []),
        *([element("h3", "What limited it"), sentence_list(limits)] if limits else []),
    ]


def headline(view: ReportView, trajectory: Trajectory) -> str:
    """One or two sentences: how the run went under its policy."""
    ledger, records = view.ledger, trajectory.jobs.values()
    finished = sum(record.end_h is not None for record in records)
    work = f"{finished} of {plural(len(trajectory.jobs), 'training job')} finished, and " if records else ""
    amount = compact(abs(ledger.benefit), view.scenario.currency)
    earned = f"the run {'earned' if ledger.benefit >= 0 else 'cost'} {amount}"
    text = f"Under {trajectory.policy}, {work}{earned} with {tonnes(ledger.carbon_kg)} of carbon."
    shed = ledger.total("energy", "unserved")
    return f"{text} {energy(shed)} of load was shed." if shed > 1e-6 else text


def _validity(view: ReportView, trajectory: Trajectory) -> list[Markup]:
    broken = violations(trajectory.scenario, trajectory.schedule)
    findings = (
        _clip_finding(trajectory.clips),
        _limit_finding(len(broken)),
        residual_finding(view),
        unserved_finding(view),
        *data_findings(view),
    )
    parts = [finding_list(findings), *assumption_parts(view, notes=trajectory.notes)]
    if trajectory.clips:
        parts.append(details(f"Decisions that were cut ({len(trajectory.clips)})", _clip_table(view, trajectory.clips)))
    if broken:
        parts.append(details(f"Limits of a plan that this run breaks ({len(broken)})", broken_list(broken)))
    return [*parts, *diagnostic_parts(view)]


def _clip_finding(clips: tuple[Clip, ...]) -> Finding:
    steps = sum(clip.count for clip in clips)
    if not steps:
        return Finding(mood="good", title="No decision was cut", text="Physics allowed all that the policy asked for.")
    named = list(dict.fromkeys(f"{clip.component} ({clip.quantity})" for clip in clips))
    more = " and others" if len(named) > _MOST_NAMES else ""
    text = f"More was asked for than physics allows: {', '.join(named[:_MOST_NAMES])}{more}."
    return Finding(mood="warn", title=f"Decisions cut in {plural(steps, 'step')}", text=text)


def _limit_finding(broken: int) -> Finding:
    if not broken:
        return Finding(
            mood="good",
            title="Keeps every limit of a plan",
            text="Checked by code that is independent of the simulator and derives everything from facts and actions.",
        )
    text = "What a plan must keep and this run did not, such as load without a price that was shed; listed below."
    return Finding(mood="warn", title=f"Breaks {plural(broken, 'limit')} of a plan", text=text)


def _clip_table(view: ReportView, clips: tuple[Clip, ...]) -> Markup:
    rows = [
        [clip.component, clip.quantity, str(clip.count), str(clip.step), number(clip.asked), number(clip.allowed)]
        for clip in clips
    ]
    header = ["Component", "Quantity", "Steps", "First step", "Asked for then", "Allowed then"]
    return table("Decisions cut to what physics allows, in the unit of the quantity", header, rows, text=range(2))


def _timeline(view: ReportView, trajectory: Trajectory, figures: Figures) -> list[Markup]:
    listed = trajectory.happenings
    if not listed:
        return []
    timeline = view.scenario.timeline
    site = view.common_zone()
    axis, clock = view.axis(site, steps=range(timeline.steps)), "UTC" if site is None else site.zone
    more = f"; the first {_TABLE_ROWS} of {len(listed)}" if len(listed) > _TABLE_ROWS else ""
    chart = Chart(
        name="happenings",
        kind="gantt",
        title="When it happened",
        label="Timeline with a row for each place and kind and a bar for each time it happened.",
        caption=f"Point at a bar for details. Times are {axis['zone']}.",
        views=[timeline_view("", listed, timeline, axis, clock=clock)],
        settings={"least": LEAST_BAR_PX},
        legend=kinds_legend(listed),
        toggles=False,
        table=table(
            f"What happened, in order of time{more}",
            ROW_HEADER,
            [happening_row(item, timeline, clock) for item in listed[:_TABLE_ROWS]],
            text=range(5),
        ),
    )
    return [figures.add(chart)]
