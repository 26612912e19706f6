"""``jw check``: read a scenario and list every problem it has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from joulewright.cli.options import common, overrides
from joulewright.cli.output import current
from joulewright.errors import ScenarioError

if TYPE_CHECKING:
    from joulewright.model.scenario import Scenario


@click.command(name="check")
@click.argument("scenario", metavar="SCENARIO")
@overrides
@click.option("--strict", is_flag=True, help="Treat warnings as errors.")
@common
def command(scenario: str, overrides: tuple[str, ...], strict: bool) -> int:
    """Read SCENARIO (a TOML file) and list every problem it has; nothing is solved."""
    from joulewright.io.scenario_file import read_scenario

    output = current()
    facts = read_scenario(scenario, overrides)
    if strict and any(finding.severity == "warning" for finding in facts.diagnostics):
        raise ScenarioError(facts.diagnostics)
    for finding in facts.diagnostics:
        if finding.severity != "note" or output.verbose:
            output.finding(finding)
    what = contents(facts)
    output.data(f"{facts.name}: ok, " + ", ".join(f"{count} {word}" for word, count in what["counts"].items()))
    return output.document({"scenario": what, "diagnostics": [finding.as_dict() for finding in facts.diagnostics]})


def contents(scenario: Scenario) -> dict[str, Any]:
    """What a scenario holds, for ``jw check`` and ``jw data describe``."""
    severities = [finding.severity for finding in scenario.diagnostics]
    counts = {
        "sites": len(scenario.sites),
        "training jobs": len(scenario.training),
        "inference services": len(scenario.inference),
        "steps": scenario.timeline.steps,
        "warnings": severities.count("warning"),
        "notes": severities.count("note"),
    }
    return {
        "name": scenario.name,
        "currency": scenario.currency,
        "start": scenario.timeline.start.isoformat(),
        "end": scenario.timeline.end.isoformat(),
        "step_s": scenario.timeline.step_s,
        "counts": counts,
    }
