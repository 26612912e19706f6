"""Builds the report of a plan: one HTML file that needs no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from joulewright.model import Scenario
from joulewright.plan.result import PlanResult
from joulewright.report.alternatives import Rival, read_front, read_rivals
from joulewright.report.decision import decision_section
from joulewright.report.document import Masthead, Section, badge, render_document, write_document
from joulewright.report.figure import Figures
from joulewright.report.markup import Markup
from joulewright.report.numbers import plural
from joulewright.report.operation import (
    SYNTHETIC,
    account_sections,
    emission_section,
    horizon_facts,
    operation_sections,
)
from joulewright.report.rivals import rivals_section
from joulewright.report.sources import is_synthetic
from joulewright.report.tradeoff import front_section
from joulewright.report.validity import validity_section
from joulewright.report.view import ReportView, build_view

_PROOF = "What was proved and checked, and what was assumed."


def write_report(
    path: Path | str,
    *,
    scenario: Scenario,
    result: PlanResult,
    comparisons: Sequence[Any] = (),
    pareto: Sequence[Any] = (),
    run_document: Mapping[str, Any] | None = None,
) -> Path:
    """Write the report of a plan as one HTML file and return its path.

    Parameters
    ----------
    path : Path or str
        File to write; an existing one is replaced.
    scenario : Scenario
        What was planned.
    result : PlanResult
        The plan with its ledger.
    comparisons : sequence
        Rows with ``name`` and ``ledger`` (or ``benefit``, ``cost`` and ``carbon_kg``), and optionally ``description``,
        ``violations`` and ``change``.
    pareto : sequence
        Rows with ``benefit``, ``carbon_kg`` and ``abatement_cost_per_t``.
    run_document : mapping or None
        The run document: command, versions and input hashes for the last section.

    Raises
    ------
    ValueError
        If the result holds no plan.
    DataError
        If the file cannot be written.
    """
    text = render_report(
        scenario=scenario, result=result, comparisons=comparisons, pareto=pareto, run_document=run_document
    )
    return write_document(path, text)


def render_report(
    *,
    scenario: Scenario,
    result: PlanResult,
    comparisons: Sequence[Any] = (),
    pareto: Sequence[Any] = (),
    run_document: Mapping[str, Any] | None = None,
) -> str:
    """The report as text; see :func:`write_report` for the parameters.

    Raises
    ------
    ValueError
        If the result holds no plan.
    """
    if result.schedule is None or result.ledger is None:
        raise ValueError(f"the result with status {result.status!r} holds no plan; there is nothing to report")
    view = build_view(scenario, result, result.schedule, result.ledger, run_document or {})
    figures = Figures()
    rivals = read_rivals(comparisons, view.ledger)
    return render_document(_masthead(view), _sections(view, figures, rivals, pareto), figures)


def _sections(view: ReportView, figures: Figures, rivals: tuple[Rival, ...], pareto: Sequence[Any]) -> list[Section]:
    """Every section in reading order; what does not apply has no content."""
    return [
        Section(name="decision", title="Decision", content=decision_section(view, rivals)),
        Section(name="validity", title="Validity", content=validity_section(view), lead=_PROOF),
        *operation_sections(view, figures),
        Section(name="rivals", title="Comparison with baselines", content=rivals_section(view, figures, rivals)),
        emission_section(view, figures),
        Section(name="front", title="Price of carbon", content=front_section(view, figures, read_front(pareto))),
        *account_sections(view),
    ]


def _masthead(view: ReportView) -> Masthead:
    badges = [_status_badge(view)]
    if is_synthetic(view.scenario):
        badges.append(badge(SYNTHETIC, "warn"))
    return Masthead(
        kind="joint compute and energy plan", name=view.scenario.name, facts=horizon_facts(view), badges=badges
    )


def _status_badge(view: ReportView) -> Markup:
    count = len(view.solved.violations)
    return badge(f"breaks {plural(count, 'limit')}", "bad") if count else badge("keeps every limit", "good")
