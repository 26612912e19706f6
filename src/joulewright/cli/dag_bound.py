"""What ``jw dag bound`` does: the least that jobs must cost within some horizons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from joulewright.cli.dag_options import DagRequest
from joulewright.cli.dag_run import Prepared, finish, prepare, schedulers_of, write
from joulewright.cli.output import Output
from joulewright.errors import ScenarioError
from joulewright.policy.citations import reference_list
from joulewright.study.dag_bounds import DagBounds, bound_dag


def find_bounds(
    request: DagRequest, scheduler: str, *, end_h: float | None, allow: str, start: str | None, output: Output
) -> int:
    """Find, write and show the bounds; the exit status.

    Raises
    ------
    ScenarioError
        If durations depend on the number of executors.
    """
    allowances = allowances_of(allow)
    ready_scheduler = schedulers_of([scheduler])[scheduler]
    ready = prepare(request, output)
    if not ready.jobs.exact:
        raise ScenarioError(
            f"durations in {ready.jobs.name} depend on the number of executors, so that the work is not known "
            "beforehand and has no bound; give jobs of exact durations (waves=false)"
        )
    found = bound_dag(
        ready.jobs.jobs,
        ready.cluster,
        ready.signal.signal,
        ready_scheduler,
        name=scheduler,
        start=0 if start is None else ready.signal.step_at(start),
        end_h=end_h,
        allowances_h=allowances,
    )
    facts = {**ready.facts(), **found.document(), "notes": list(ready.notes)}
    facts["references"] = reference_list(found.run.sources)

    def report(manifest: Mapping[str, Any]) -> str:
        from joulewright.report.dag_bound_page import render_bound_report

        return render_bound_report(found, ready.jobs, ready.signal, document=manifest)

    tables = {"bounds": found.frame(), "steps": found.work_frame()}
    written = write("bound", request, facts, tables, render=report)
    _show(found, ready, output)
    return finish(facts, written, output)


def allowances_of(text: str) -> tuple[float, ...]:
    """Hours allowed beyond a horizon.

    Raises
    ------
    click.BadParameter
        If one is no number of at least 0.

    Examples
    --------
    >>> allowances_of("0,6,24")
    (0.0, 6.0, 24.0)
    """
    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise click.BadParameter(f"--allow {text!r} is no list of hours such as 0,6,12,24") from error
    if not all(0.0 <= value < float("inf") for value in found):
        raise click.BadParameter(f"--allow {text!r} holds a number that is not at least 0 and finite")
    return tuple(sorted(set(found)))


def _show(found: DagBounds, ready: Prepared, output: Output) -> None:
    if output.json:
        return
    from joulewright.report.dag_terminal import bound_table

    costs = [(item.allowance_h, None if item.bound is None else item.bound.cost, item.missing) for item in found.items]
    output.data(found.sentence())
    output.show(bound_table(costs, found.run.cost, ready.signal))
