"""``jw compare``: put runs or studies, or a run and its baselines, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import click

from joulewright.cli.gate import check_gate
from joulewright.cli.options import common
from joulewright.cli.output import Output, current
from joulewright.errors import DataError, ScenarioError

if TYPE_CHECKING:
    from joulewright.io import NamedPlan, Run
    from joulewright.plan.options import PlanOptions
    from joulewright.plan.result import PlanResult


@click.command(name="compare")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--baselines", is_flag=True, help="Run the baselines of the first RUN and add them to its report.")
@click.option("--fail-if", metavar="EXPR", help="Exit with 7 if EXPR holds for any RUN, e.g. 'gap > 0.01'.")
@common
def command(runs: tuple[Path, ...], baselines: bool, fail_if: str | None) -> int:
    """Put RUNs side by side, as a table and in the report of the first; studies with paired differences."""
    from joulewright.io import read_run
    from joulewright.study import figures
    from joulewright.study.folder import is_study

    output = current()
    if any(is_study(path) for path in runs):
        from joulewright.cli.compare_studies import compare_studies

        return compare_studies(runs, output, baselines=baselines, fail_if=fail_if)
    found = {str(path): read_run(path) for path in runs}
    first = next(iter(found.values()))
    refuse_strangers(found)
    others = add_comparisons(first, found, output, baselines=baselines)
    if not output.json:
        show_table(first, others, output)
    plans = {name: run.result for name, run in found.items()} | {item.name: item.result for item in others}
    rows = {name: figures(result) for name, result in plans.items()}
    if fail_if is not None:
        check_gate(fail_if, {name: rows[name] for name in found}, output)
    return output.document({"currency": first.scenario.currency, "plans": rows})


def refuse_strangers(runs: Mapping[str, Run]) -> None:
    """Refuse to put unlike things side by side: other currency, other horizon.

    Raises
    ------
    ScenarioError
        If a run differs from the first one in that.
    """
    name, first = next(iter(runs.items()))
    problems = []
    for other, run in runs.items():
        for what in ("currency", "timeline"):
            one, two = getattr(first.scenario, what), getattr(run.scenario, what)
            if one != two:
                problems.append(f"{other} has {what} {two} and {name} has {one}; such runs cannot be compared")
    if problems:
        raise ScenarioError(problems)


def show_table(first: Run, others: tuple[NamedPlan, ...], output: Output) -> None:
    """Print the first run and the others.

    Raises
    ------
    DataError
        If the search of the first run ended without a plan.
    """
    from joulewright.report.terminal import comparison_table

    if first.result.ledger is None:
        raise DataError(f"{first.path} ended as {first.result.status!r} without a plan, so there is nothing to compare")
    output.show(comparison_table(first.result.ledger, others, name=str(first.path)))


def add_comparisons(first: Run, runs: Mapping[str, Run], output: Output, *, baselines: bool) -> tuple[NamedPlan, ...]:
    """Plans beside the first run; what is new is written into its folder and report."""
    from joulewright.cli.runs import Study, run_baselines, write_study
    from joulewright.io import NamedPlan

    known = {item.name: item for item in first.comparisons}
    others = {name: NamedPlan(name=name, result=run.result) for name, run in list(runs.items())[1:]}
    fresh = {}
    if baselines:
        options = options_of(first.result)
        fresh = {item.name: item for item in run_baselines(first.scenario, options, output)}
    merged = {**known, **{name: item for name, item in others.items() if item.ledger is not None}, **fresh}
    if merged.keys() != known.keys() or fresh:
        study = Study(
            scenario=first.scenario, result=first.result, comparisons=tuple(merged.values()), pareto=first.pareto
        )
        for path in write_study(first.path, study, command=first.document["command"]):
            output.say(f"written: {path}")
    return tuple(merged.values())


def options_of(result: PlanResult) -> PlanOptions:
    """Options a run was planned with, as far as they were kept."""
    from joulewright.plan.options import PlanOptions

    known = {item.name for item in fields(PlanOptions)}
    kept = {name: value for name, value in result.options.items() if name in known}
    return PlanOptions(**{**kept, "without": frozenset(kept.get("without", ())), "churn_cost": 0.0})
