"""Builds the report of jobs with precedence under one or several schedulers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from joulewright.model.dag import DagCluster
from joulewright.report.clock import stamp
from joulewright.report.dag_boxes import decision_box, validity_box
from joulewright.report.dag_charts import (
    bound_section,
    means_section,
    split_section,
    stretch_section,
    tradeoff_section,
)
from joulewright.report.dag_figures import length
from joulewright.report.dag_timeline import timeline_section
from joulewright.report.dag_view import DagView
from joulewright.report.document import Masthead, Section, badge, render_document
from joulewright.report.figure import Figures
from joulewright.report.markup import Child, Markup, table
from joulewright.report.numbers import number, percent, plural, whole
from joulewright.report.sources import fact_list, horizon_text, licence_notice, run_facts
from joulewright.study.dag import DagComparison
from joulewright.study.dag_inputs import DagInput
from joulewright.study.dag_signal import DagSignalInput

_MOST_JOBS = 200


def render_dag_report(
    found: DagComparison, source: DagInput, signal: DagSignalInput, *, document: Mapping[str, Any] | None = None
) -> str:
    """The report as one HTML page that needs no network.

    Parameters
    ----------
    found : DagComparison
        Runs of one or several schedulers.
    source, signal
        What was run, and what played.
    document : mapping, optional
        Command, time and versions for the last section.
    """
    view, figures = DagView(found=found, source=source, signal=signal), Figures()
    return render_document(_masthead(view), _sections(view, figures, document or {}), figures)


def _sections(view: DagView, figures: Figures, document: Mapping[str, Any]) -> list[Section]:
    """Every section in reading order; what does not apply has no content."""
    proof = "How far the figures can be trusted."
    return [
        Section(name="decision", title="Decision", content=decision_box(view)),
        Section(name="validity", title="Validity", content=validity_box(view), lead=proof),
        Section(name="tradeoff", title="Trade-off", content=tradeoff_section(view, figures)),
        Section(name="split", title="Work and shift", content=split_section(view, figures)),
        Section(name="timeline", title="Executors over time", content=timeline_section(view, figures)),
        Section(name="stretch", title="Stretch", content=stretch_section(view, figures)),
        Section(name="bound", title="Fluid bound", content=bound_section(view, figures)),
        Section(name="means", title="Figures", content=means_section(view, figures)),
        Section(name="jobs", title="Jobs", content=[_jobs(view)]),
        Section(name="sources", title="Provenance", content=_sources(view, document)),
    ]


def _sources(view: DagView, document: Mapping[str, Any]) -> list[Markup]:
    cluster = view.found.cluster
    return sources(view.source, view.signal, cluster, schedulers=view.names, document=document)


def _masthead(view: DagView) -> Masthead:
    found = view.found
    tasks = sum(stage.tasks for job in found.jobs for stage in job.stages)
    start = stamp(view.signal.timeline.at(found.starts[0]), "UTC")
    sizes = (plural(len(found.jobs), "job"), plural(tasks, "task"), plural(found.cluster.executors, "executor"))
    facts = (
        f"{', '.join(sizes)}, {plural(len(view.names), 'scheduler')}",
        f"{'First start' if len(found.starts) > 1 else 'Start'} {start} UTC; signal: {view.signal.name}.",
    )
    return Masthead(kind=_kind(view), name=view.source.name, facts=facts, badges=badges(view.source, view.signal))


def _kind(view: DagView) -> str:
    return "schedulers of jobs with precedence" if view.others else "run of jobs with precedence"


def badges(source: DagInput, signal: DagSignalInput) -> list[Markup]:
    """What of the inputs is made up."""
    made_up = [what for what, is_so in (("jobs", source.kind == "generated"), ("signal", signal.synthetic)) if is_so]
    if made_up:
        return [badge(f"synthetic {' and '.join(made_up)}", "warn")]
    return [badge("measured inputs", "good")] if source.kind in ("spark", "tables") else []


def _jobs(view: DagView) -> Markup:
    """Jobs in the runs of the first start and seed."""
    runs = view.found.shown
    times = {name: run.completion_times_ms for name, run in runs.items()}
    rows: list[list[Child]] = []
    show = view.figures["mean_completion_ms"].show
    for position, job in enumerate(view.found.jobs[:_MOST_JOBS]):
        own = [show(float(times[name][position])) for name in view.names]
        rows.append(
            [
                job.name,
                show(float(job.arrival_ms)),
                whole(len(job.stages)),
                whole(sum(stage.tasks for stage in job.stages)),
                show(float(job.critical_path_ms)),
                *own,
            ]
        )
    more = len(view.found.jobs) - len(rows)
    left = f"; the first {_MOST_JOBS} of {whole(len(view.found.jobs))}" if more else ""
    header = ["Job", "Arrives", "Stages", "Tasks", "Critical path", *(f"Takes under {name}" for name in view.names)]
    return table(f"Jobs of the first start and seed{left}", header, rows)


def sources(
    source: DagInput,
    signal: DagSignalInput,
    cluster: DagCluster,
    *,
    schedulers: Sequence[str],
    document: Mapping[str, Any],
) -> list[Markup]:
    """Inputs, cluster, schedulers, and how the run was made."""
    facts = [
        *input_facts(source),
        *signal_fact_rows(signal),
        ("Cluster", cluster_text(cluster)),
        ("Schedulers", ", ".join(schedulers)),
        *references(document),
        *run_facts(document, {}),
    ]
    return [fact_list(facts), licence_notice()]


def references(document: Mapping[str, Any]) -> Iterator[tuple[str, Child]]:
    """Publications that a run builds on."""
    for item in document.get("references") or ():
        yield "Reference", item["text"]


def input_facts(source: DagInput) -> Iterator[tuple[str, Child]]:
    """Where jobs are from."""
    yield "Jobs", source.name
    if source.sha256:
        yield "SHA-256 of the jobs", source.sha256


def signal_fact_rows(signal: DagSignalInput) -> Iterator[tuple[str, Child]]:
    """Where a signal is from."""
    yield "Signal", signal.name
    if signal.note:
        yield "What it says about itself", signal.note
    if signal.sha256:
        yield "SHA-256 of the signal", signal.sha256
    yield "Horizon of the signal", horizon_text(signal.timeline)


def cluster_text(cluster: DagCluster) -> str:
    """Size, power, delay and failures of a cluster."""
    powers = f"{number(cluster.busy_power_kw)} kW with a task and {number(cluster.idle_power_kw)} kW without"
    moving = f"{number(cluster.moving_delay_ms / 1000.0)} s to change jobs"
    failures = cluster.task_failure_fraction
    failing = f", {percent(failures)} of the attempts of tasks fail" if failures else ""
    if math.isfinite(cluster.mean_up_ms):
        failing += f", executors fail after {length(cluster.mean_up_ms)} on average and are away for "
        failing += length(cluster.repair_ms)
    return f"{plural(cluster.executors, 'executor')}, {powers}, {moving}{failing}"
