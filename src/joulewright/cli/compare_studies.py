"""``jw compare`` with study folders: policies of all of them, and plans beside them, against the first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from joulewright.cli.output import Output
from joulewright.errors import DataError, ScenarioError

if TYPE_CHECKING:
    from joulewright.study.contest import Contender
    from joulewright.study.result import StudyResult


def compare_studies(paths: Sequence[Path], output: Output, *, baselines: bool, fail_if: str | None) -> int:
    """Compare every policy of the studies, and every plan, with the first of them.

    Raises
    ------
    click.UsageError
        If baselines are asked for.
    ScenarioError
        If studies or runs differ in currency or horizon, or in what their samples are.
    DataError
        If a folder cannot be read, or a run holds no plan.
    """
    from joulewright.cli.gate import check_gate
    from joulewright.report.study_terminal import contender_table, difference_tables
    from joulewright.study.contest import gate_rows, versus_first

    if baselines:
        raise click.UsageError(
            "--baselines belongs to runs of jw plan; in a study the oracle stands beside the policies"
        )
    study, contenders = gather(paths)
    comparisons = versus_first(contenders, study.inference)
    rows = gate_rows(contenders, study.inference)
    if not output.json:
        output.show(
            contender_table({item.name: item.estimates(study.inference) for item in contenders}, study.currency)
        )
        for table in difference_tables(comparisons, study.currency):
            output.show(table)
    if fail_if is not None:
        check_gate(fail_if, {item.name: rows[item.name] for item in contenders if not item.foresees}, output)
    return output.document(
        {"currency": study.currency, "plans": rows, "comparisons": [asdict(item) for item in comparisons]}
    )


def gather(paths: Sequence[Path]) -> tuple[StudyResult, tuple[Contender, ...]]:
    """The first study, and all contenders in the order of the folders.

    Raises
    ------
    ScenarioError
        If folders differ in currency or horizon.
    DataError
        If a folder cannot be read, or a run holds no plan.
    """
    from joulewright.study.contest import contenders_of, refuse_unlike
    from joulewright.study.folder import is_study, read_study

    studies = {str(path): read_study(path) for path in paths if is_study(path)}
    refuse_unlike(studies)
    first = next(iter(studies.values()))
    found: list[Contender] = []
    for path in paths:
        study = studies.get(str(path))
        prefix = str(path) if len(studies) > 1 else ""
        found += [_plan(path, first)] if study is None else contenders_of(study, prefix)
    return first, tuple(found)


def _plan(path: Path, first: StudyResult) -> Contender:
    """A run folder as a contender."""
    from joulewright.io import read_run
    from joulewright.study import figures
    from joulewright.study.contest import Contender

    run = read_run(path)
    for what, wanted in (("currency", first.currency), ("timeline", first.timeline)):
        if getattr(run.scenario, what) != wanted:
            raise ScenarioError(f"{path} has {what} {getattr(run.scenario, what)} and the study has {wanted}")
    if run.result.ledger is None:
        raise DataError(f"{path} ended as {run.result.status!r} without a plan, so there is nothing to compare")
    return Contender(name=str(path), constant=figures(run.result))
