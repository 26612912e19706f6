"""Builds the report of a study: one HTML file that needs no network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from joulewright.report.clock import span_text, stamp
from joulewright.report.document import Masthead, Section, badge, render_document, write_document
from joulewright.report.figure import Figures
from joulewright.report.markup import Child, Markup
from joulewright.report.numbers import plural
from joulewright.report.sources import fact_list, file_table, files_of, horizon_text, licence_notice, run_facts
from joulewright.report.study_decision import decision_box
from joulewright.report.study_differences import difference_section
from joulewright.report.study_fans import fan_section
from joulewright.report.study_policies import policy_section, regret_section
from joulewright.report.study_runs import run_section
from joulewright.report.study_sweep import sweep_section
from joulewright.report.study_timeline import timeline_section
from joulewright.report.study_validity import validity_box
from joulewright.report.study_view import StudyView
from joulewright.report.study_weeks import piece_word, week_section
from joulewright.study.result import StudyResult

_PROOF = "How far the figures can be trusted."


def write_study_report(target: Path | str, study: StudyResult, *, document: Mapping[str, Any] | None = None) -> Path:
    """Write the report of a study as one HTML file and return its path.

    Parameters
    ----------
    target : Path or str
        File to write; an existing one is replaced only when the new one is complete.
    study : StudyResult
        What was found.
    document : mapping or None
        Command and time for the last section, as in ``study.json``.

    Raises
    ------
    DataError
        If the file cannot be written.
    """
    return write_document(target, render_study_report(study, document=document))


def render_study_report(study: StudyResult, *, document: Mapping[str, Any] | None = None) -> str:
    """The report as text; see :func:`write_study_report`."""
    view, figures = StudyView(study=study), Figures()
    return render_document(_masthead(view), _sections(view, figures, document or {}), figures)


def _sections(view: StudyView, figures: Figures, document: Mapping[str, Any]) -> list[Section]:
    """Every section in reading order; what does not apply has no content."""
    word = piece_word(view)
    return [
        Section(name="decision", title="Decision", content=decision_box(view)),
        Section(name="validity", title="Validity", content=validity_box(view), lead=_PROOF),
        Section(name="policies", title="Policies", content=policy_section(view, figures)),
        Section(name="regret", title="Regret", content=regret_section(view, figures)),
        Section(name="differences", title="Paired differences", content=difference_section(view, figures)),
        Section(name="sweep", title="Sweep", content=sweep_section(view, figures)),
        Section(name="fans", title="Over time", content=fan_section(view, figures)),
        Section(name="weeks", title=f"Worst {word}s", content=week_section(view, figures)),
        Section(name="timeline", title="What happened", content=timeline_section(view, figures)),
        Section(name="runs", title="Every run", content=run_section(view)),
        Section(name="sources", title="Provenance", content=_sources(view, document)),
    ]


def _masthead(view: StudyView) -> Masthead:
    study, timeline = view.study, view.study.timeline
    runs = plural(sum(len(entrant.runs) for entrant in view.entrants), "run")
    sizes = [plural(len(study.policies), "policy", "policies"), plural(len(study.seeds), "seed")]
    sizes += [plural(len(study.years), "year")] if study.years else []
    sizes += [plural(len(view.variants), "variant")] if view.varied else []
    facts = (
        f"{stamp(timeline.start, 'UTC')} to {stamp(timeline.end, 'UTC')} UTC ({span_text(timeline.hours)}, steps of "
        f"{span_text(timeline.step_h)})",
        f"{runs}: {', '.join(sizes)}. Forecasts: {study.forecast or 'none'}.",
    )
    failed = len(study.failed)
    badges = [badge(f"{plural(failed, 'run')} failed", "bad") if failed else badge("no run failed", "good")]
    if any(file.synthetic for file in files_of(view.scenario_facts)):
        badges.append(badge("synthetic data", "warn"))
    return Masthead(kind="study of policies", name=study.name, facts=facts, badges=badges)


def _sources(view: StudyView, document: Mapping[str, Any]) -> list[Markup]:
    study = view.study
    known = {**document, "versions": document.get("versions") or study.provenance.get("versions")}
    # Overrides of the first variant stand in its provenance; they are told by the variants.
    facts = [*_own_facts(view), *run_facts(known, {})]
    files = file_table(view.scenario_facts)
    return [fact_list(facts), *([] if files is None else [files]), licence_notice()]


def _own_facts(view: StudyView) -> Iterator[tuple[str, Child]]:
    study = view.study
    yield "Scenario", study.name
    yield "Horizon", horizon_text(study.timeline)
    yield "Policies", ", ".join(study.policies)
    yield "Seeds", ", ".join(map(str, study.seeds))
    if study.years:
        yield "Years", ", ".join(map(str, study.years))
    for variant in study.variants:
        if variant.overrides:
            yield "Changed with --set", ", ".join(variant.overrides)
    yield "Forecasts", study.forecast or "none"
