"""What ``jw dag simulate`` and ``compare`` do: read, run, write, show."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import click
import polars as pl

from joulewright.cli.dag_options import DagRequest
from joulewright.cli.options import check_writable
from joulewright.cli.output import Output, plain
from joulewright.cli.progress import StudyLine
from joulewright.errors import PolicyError
from joulewright.model.dag import DagCluster
from joulewright.policy.citations import reference_list
from joulewright.policy.dag import AbstractDagScheduler, dag_schedulers
from joulewright.sim.processes.dag import simulate_dag
from joulewright.study.dag import DagComparison, compare_dag, named_schedulers
from joulewright.study.dag_folder import DAG_FOLDER, steps_frame, tasks_frame
from joulewright.study.dag_inputs import DagInput, read_dag_input
from joulewright.study.dag_signal import DagSignalInput, read_signal, synthetic_signal
from joulewright.study.dag_start import spread_starts
from joulewright.study.result import Estimate, Inference

_MS_PER_H = 3_600_000.0
_SHORT_HOUR_MS = 60_000.0
_SPARE_H = 48.0
_NONE = Estimate(mean=0.0)


@dataclass(frozen=True, kw_only=True)
class Samples:
    """From where and how often schedulers run: number of starts, starts that were named, seeds, interval."""

    starts: int
    given: tuple[str, ...]
    seeds: int
    interval: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Prepared:
    """What is run."""

    jobs: DagInput
    cluster: DagCluster
    signal: DagSignalInput
    notes: tuple[str, ...]

    def facts(self) -> dict[str, Any]:
        """Inputs and cluster for manifests and documents."""
        cluster = plain(asdict(self.cluster))
        return {"jobs": jobs_facts(self.jobs), "signal": signal_facts(self.signal), "cluster": cluster}


def jobs_facts(source: DagInput) -> dict[str, Any]:
    """Where jobs are from and how many."""
    return {
        "source": source.name,
        "kind": source.kind,
        "sha256": source.sha256 or None,
        "jobs": len(source.jobs),
        "tasks": sum(stage.tasks for job in source.jobs for stage in job.stages),
    }


def signal_facts(signal: DagSignalInput) -> dict[str, Any]:
    """Where a signal is from, its clock and its units."""
    return {
        "source": signal.name,
        "sha256": signal.sha256 or None,
        "unit": signal.unit,
        "synthetic": signal.synthetic,
        "start": signal.timeline.start.isoformat(),
        "end": signal.timeline.end.isoformat(),
        "step_s": signal.timeline.step_s,
        "step_ms": signal.signal.step_ms,
        "amount": signal.amount,
        "amount_factor": signal.amount_factor,
        "cost_unit": f"{signal.amount_factor:g} {signal.amount}",
    }


def list_schedulers(output: Output) -> int:
    """Print the schedulers there are."""
    rows = list(dag_schedulers().items())
    output.table(["scheduler", "who gets executors"], rows, text_columns=2)
    return output.document({"schedulers": [dict(zip(("name", "summary"), row, strict=True)) for row in rows]})


def prepare(request: DagRequest, output: Output) -> Prepared:
    """Read everything, and say what was assumed.

    Raises
    ------
    click.UsageError
        If there are no jobs.
    ScenarioError, DataError
        If an input cannot be used, or the folder to write not be written.
    """
    source, hour_ms, notes = read_jobs(request, output)
    signal = signal_of(request, hour_ms)
    notes += signal_notes(signal)
    for note in notes:
        output.say(f"note: {note}")
    return Prepared(jobs=source, cluster=cluster_of(request), signal=signal, notes=tuple(notes))


def read_jobs(request: DagRequest, output: Output) -> tuple[DagInput, float, list[str]]:
    """The jobs, how long an hour of the signal takes in their run [ms], and what was assumed.

    Raises
    ------
    click.UsageError
        If there are no jobs.
    ScenarioError, DataError
        If they cannot be used, or the folder to write not be written.
    """
    output.no_progress = request.no_progress
    if request.jobs is None:
        raise click.UsageError("JOBS is missing; give a file, or generated:tpch-like,jobs=20,seed=1")
    if request.folder is not None:
        check_writable(request.folder, purpose="the run")
        DAG_FOLDER.refuse(request.folder)
    source = read_dag_input(request.jobs, request.draw)
    notes = list(source.notes)
    hour_ms = _SHORT_HOUR_MS if source.compressed else _MS_PER_H
    if request.hour is not None:
        hour_ms = request.hour * _MS_PER_H
    elif source.compressed:
        notes.append(
            'An hour of the signal takes 1 min of the run, as is usual for such jobs; --hour "1 h" changes it.'
        )
    return source, hour_ms, notes


def signal_notes(signal: DagSignalInput) -> list[str]:
    """What was assumed of a signal."""
    made_up = [f"The signal is made up, not measured: {signal.name}."] if signal.synthetic else []
    return [*signal.warnings, *made_up]


def cluster_of(request: DagRequest) -> DagCluster:
    """The executors that are asked for."""
    return DagCluster(
        executors=request.executors,
        moving_delay_ms=round(request.moving_delay * _MS_PER_H),
        busy_power_kw=request.power,
        idle_power_kw=request.idle_power,
        task_failure_fraction=request.task_failures,
        mean_up_ms=math.inf if request.mean_up is None else request.mean_up * _MS_PER_H,
        repair_ms=round(request.repair * _MS_PER_H),
    )


def signal_of(request: DagRequest, hour_ms: float) -> DagSignalInput:
    """The signal that is asked for, whose hour takes ``hour_ms``.

    Raises
    ------
    click.UsageError
        If something is said about a file that is missing.
    """
    reading = {name: getattr(request, name) for name in ("column", "unit", "renewable", "time_zone")}
    if request.signal is not None:
        return read_signal(request.signal, hour_ms=hour_ms, max_gap_h=request.max_gap, **reading)
    given = [f"--{name.replace('_', '-')}" for name, value in reading.items() if value is not None]
    if given:
        raise click.UsageError(f"{given[0]} belongs to --signal FILE, which is missing")
    return synthetic_signal(request.zone, hour_ms=hour_ms)


def schedulers_of(texts: Sequence[str]) -> dict[str, AbstractDagScheduler]:
    """The schedulers by text.

    Raises
    ------
    click.UsageError
        If one does not exist, has wrong options, or is given twice.
    """
    try:
        return named_schedulers(texts)
    except PolicyError as error:
        raise click.UsageError(f"--scheduler: {error}; jw dag simulate --list shows the schedulers") from error


def simulate_one(request: DagRequest, scheduler: str, *, seed: int, start: str | None, output: Output) -> int:
    """Run one scheduler, write and show what it did; the exit status."""
    schedulers = schedulers_of([scheduler])
    ready = prepare(request, output)
    first = 0 if start is None else ready.signal.step_at(start)
    found = _compare(ready, schedulers, (first,), (seed,), output=output, inference=Inference())
    run = found.shown[scheduler]
    more = {"tasks": tasks_frame(run), "steps": steps_frame(run)}
    return conclude("simulate", request, ready, found, output=output, more=more)


def compare_several(request: DagRequest, texts: Sequence[str], samples: Samples, output: Output) -> int:
    """Run several schedulers, write and show how they differ; the exit status.

    Raises
    ------
    click.UsageError
        If starts are counted and named.
    """
    if samples.given and samples.starts > 1:
        raise click.UsageError(f"--starts {samples.starts} and --start both say where runs begin; give one of them")
    schedulers = schedulers_of(texts)
    ready = prepare(request, output)
    starts = tuple(dict.fromkeys(ready.signal.step_at(text) for text in samples.given)) or (0,)
    if samples.starts > 1:
        starts = _spread(ready, schedulers[texts[0]], samples.starts)
    interval: Any = samples.interval
    found = _compare(
        ready, schedulers, starts, tuple(range(samples.seeds)), output=output, inference=Inference(interval=interval)
    )
    return conclude("compare", request, ready, found, output=output)


def _spread(ready: Prepared, base: AbstractDagScheduler, count: int) -> tuple[int, ...]:
    """Starts from which runs of twice the length of the first scheduler's, and two days more, fit."""
    signal = ready.signal.signal
    run = simulate_dag(ready.jobs.jobs, ready.cluster, signal, base)
    spare_ms = _SPARE_H / signal.step_h * signal.step_ms
    return spread_starts(signal, 2.0 * run.makespan_ms + spare_ms, count)


def _compare(
    ready: Prepared,
    schedulers: Mapping[str, AbstractDagScheduler],
    starts: tuple[int, ...],
    seeds: tuple[int, ...],
    *,
    output: Output,
    inference: Inference,
) -> DagComparison:
    line = StudyLine(enabled=output.shows_progress)
    try:
        return compare_dag(
            ready.jobs.jobs,
            ready.cluster,
            ready.signal.signal,
            schedulers,
            starts=starts,
            seeds=seeds,
            inference=inference,
            progress=line,
        )
    finally:
        line.close()


def conclude(
    kind: str,
    request: DagRequest,
    ready: Prepared,
    found: DagComparison,
    *,
    output: Output,
    more: Mapping[str, pl.DataFrame] | None = None,
) -> int:
    """Write the folder, show the figures and return the exit status."""
    summary, notes = found.summary(), [*ready.notes, *found.notes]
    tables = {"runs": found.runs, "summary": summary, "jobs": found.completions, "bounds": found.bounds, **(more or {})}
    facts = {
        **ready.facts(),
        "schedulers": list(found.schedulers),
        "starts": [ready.signal.timeline.at(step).isoformat() for step in found.starts],
        "seeds": list(found.seeds),
        "know_future": list(found.know_future),
        "summary": summary.to_dicts(),
        "notes": notes,
        "references": reference_list(found.sources),
    }

    def report(manifest: Mapping[str, Any]) -> str:
        from joulewright.report.dag_page import render_dag_report

        return render_dag_report(replace(found, notes=tuple(notes)), ready.jobs, ready.signal, document=manifest)

    written = write(kind, request, facts, tables, render=report)
    if not output.json:
        from joulewright.report.dag_terminal import comparison_tables

        for table in comparison_tables(found, ready.signal):
            output.show(table)
    longer = [name for name in found.schedulers if (found.estimate(name, "headroom_share") or _NONE).mean > 1.0]
    if longer:
        output.say(
            f"note: more than the headroom is saved only by taking longer than {found.base}: {', '.join(longer)}"
        )
    for note in found.notes:
        output.say(f"note: {note}")
    listed = {"runs": found.runs.to_dicts(), "bounds": found.bounds.to_dicts()}
    return finish({**facts, **listed}, written, output)


def write(
    kind: str,
    request: DagRequest,
    facts: Mapping[str, Any],
    tables: Mapping[str, pl.DataFrame],
    *,
    render: Callable[[Mapping[str, Any]], str],
) -> list[str]:
    """Write the folder that was asked for, with the report that ``render`` makes of its manifest; the paths written."""
    if request.folder is None:
        return []
    manifest = DAG_FOLDER.head(kind, facts, command=sys.argv)
    folder = DAG_FOLDER.write(request.folder, manifest, tables, report=render(manifest) if request.report else None)
    return [str(folder), *([str(folder / "report.html")] if request.report else [])]


def finish(facts: Mapping[str, Any], written: Sequence[str], output: Output) -> int:
    """Name the sources and what was written, and print the document; the exit status."""
    output.references(facts["references"])
    for path in written:
        output.say(f"written: {path}")
    return output.document({**facts, "written": written})
