"""Builds the report of jobs with precedence at several sites."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from joulewright.report.boxes import Finding, finding_list, sentence_list, tile
from joulewright.report.clock import stamp
from joulewright.report.dag_boxes import ONE_RUN, deadline_finding, future_finding
from joulewright.report.dag_figures import amount, length
from joulewright.report.dag_page import badges, cluster_text, input_facts, references, signal_fact_rows
from joulewright.report.dag_sites_terminal import service_rows, site_rows
from joulewright.report.dag_timeline import use_lanes
from joulewright.report.document import Masthead, Section, render_document
from joulewright.report.figure import Chart, Figures, LegendEntry
from joulewright.report.markup import Child, Markup, element, table
from joulewright.report.numbers import number, percent, plural, quantity, whole
from joulewright.report.palette import site_key
from joulewright.report.sources import fact_list, licence_notice, run_facts
from joulewright.study.dag_inputs import DagInput
from joulewright.study.dag_profile import executor_profile
from joulewright.study.dag_sites import DagSitesStudy

_MOST_ROWS = 200


def render_dag_sites_report(
    found: DagSitesStudy, source: DagInput, *, document: Mapping[str, Any] | None = None
) -> str:
    """The report as one HTML page that needs no network.

    Parameters
    ----------
    found : DagSitesStudy
        The run and its sites.
    source : DagInput
        Where the jobs are from.
    document : mapping, optional
        Command, placement, schedulers, references and notes of the run.
    """
    facts, figures = document or {}, Figures()
    sections = [
        Section(name="decision", title="Decision", content=_decision(found, facts)),
        Section(name="validity", title="Validity", content=_validity(found, facts)),
        Section(name="sites", title="Sites", content=_sites(found, figures)),
        Section(name="timeline", title="Executors over time", content=_timeline(found, figures)),
        Section(name="transfers", title="Transfers", content=_transfers(found)),
        Section(name="jobs", title="Jobs", content=[_jobs(found)]),
        Section(name="sources", title="Provenance", content=_sources(found, source, facts)),
    ]
    return render_document(_masthead(found, source), sections, figures)


def _masthead(found: DagSitesStudy, source: DagInput) -> Masthead:
    executors = sum(item.cluster.executors for item in found.inputs)
    sizes = (plural(len(found.run.jobs), "job"), plural(len(found.inputs), "site"), plural(executors, "executor"))
    kind = "run of jobs with precedence at several sites"
    facts = (f"{', '.join(sizes)}.", f"Start {stamp(found.start, 'UTC')} UTC.")
    signals = [item.signal for item in found.inputs]
    made_up = next((signal for signal in signals if signal.synthetic), signals[0])
    return Masthead(kind=kind, name=source.name, facts=facts, badges=badges(source, made_up))


def _decision(found: DagSitesStudy, facts: Mapping[str, Any]) -> list[Markup]:
    run, signal = found.run, found.inputs[0].signal
    headline = (
        f"{plural(len(run.jobs), 'job')} at {plural(len(found.inputs), 'site')} take {length(run.makespan_ms)} and "
        f"{quantity(run.energy_kwh, 'kWh')}: {amount(signal, run.cost)}."
    )
    rules = f"Placement {facts.get('placement', 'not named')}, scheduler {', '.join(facts.get('schedulers', ()))}."
    tiles = [
        tile(signal.quantity.capitalize(), amount(signal, run.cost)),
        tile("Of it for transfers", amount(signal, run.transfer_cost)),
        *(tile(title, text) for title, text in service_rows(found)),
    ]
    return [
        element("p", headline, class_="headline"),
        element("p", rules, class_="lead"),
        element("dl", tiles, class_="tiles"),
    ]


def _validity(found: DagSitesStudy, facts: Mapping[str, Any]) -> list[Markup]:
    findings = [
        ONE_RUN,
        future_finding(found.know_future),
    ]
    if (late := deadline_finding([found.figures()["missed_deadlines"]])) is not None:
        findings.append(late)
    made_up = [item.name for item in found.inputs if item.signal.synthetic]
    if made_up:
        text = f"At {', '.join(made_up)}."
        findings.append(Finding(mood="warn", title="Signals are made up", text=text))
    if not found.run.transfers:
        text = "No job has its data at another site, so places cost nothing to change."
        if any(job.home is not None for job in found.run.jobs):
            text = "Every job ran where its data is, or had none to send."
        findings.append(Finding(mood="good", title="Nothing was sent", text=text))
    notes = list(facts.get("notes") or ())
    return [finding_list(findings), *([sentence_list(notes)] if notes else [])]


def _sites(found: DagSitesStudy, figures: Figures) -> list[Markup]:
    """Cost by site, transfers apart."""
    signal = found.inputs[0].signal
    frame, run = found.sites_frame(), found.run
    names = [*frame["site"].to_list(), "transfers"]
    values = [signal.amount_factor * cost for cost in (*frame["cost"].to_list(), run.transfer_cost)]
    keys = [*(site_key(at) for at in range(len(found.inputs))), "import"]
    header, rows = site_rows(found)
    title = f"{signal.quantity.capitalize()} by site [{signal.amount}]"
    chart = Chart(
        name="sites",
        kind="bars",
        title=title,
        label=f"Bars of the {signal.quantity} of each site and of all transfers, in {signal.amount}.",
        caption="Idle executors of every site draw power until the last job of all sites has ended.",
        views=[
            {
                "name": "",
                "categories": names,
                "series": [{"key": "site0", "name": signal.quantity, "values": values, "keys": keys}],
            }
        ],
        settings={"unit": signal.amount},
        table=table("Sites and transfers", header, rows[:-1], foot=rows[-1]),
    )
    return [figures.add(chart)]


def _timeline(found: DagSitesStudy, figures: Figures) -> list[Markup]:
    """One chart for each site that had jobs, chosen above it."""
    views, used = [], []
    for at, item in enumerate(found.inputs):
        run = found.local_run(at)
        if not run.jobs:
            continue
        profile = executor_profile(run)
        used.append((item.name, profile))
        share = run.busy_ms / (run.makespan_ms * run.cluster.executors)
        note = (
            f"{item.name}: {plural(len(run.jobs), 'job')}, executors {percent(share)} in use until its last job ends."
        )
        lanes = use_lanes(figures, run, profile, signal=item.signal, step=found.steps[at])
        views.append({"name": item.name, "note": note, **lanes})
    idle = [item.name for item, run in zip(found.inputs, found.run.runs) if not run.jobs]
    rows = [
        [name, number(float(profile.by_job.sum(axis=0).mean())), number(float(profile.held_back.mean()))]
        for name, profile in used
    ]
    chart = Chart(
        name="timeline",
        kind="lanes",
        title="Executors by job, above the signal of the site",
        label="Executors with tasks of each job piled up over time, executors held back above them, and the signal.",
        caption="Held back are executors that idle while tasks could start, those whose input is on the way left out."
        + (f" No job ran at {', '.join(idle)}." if idle else ""),
        views=views,
        group="site",
        selector="Site",
        legend=[LegendEntry(key="idle", name="Held back")],
        toggles=False,
        table=table("Executors until the last job of the site ends, means", ["Site", "With tasks", "Held back"], rows),
    )
    return [figures.add(chart)]


def _transfers(found: DagSitesStudy) -> list[Markup]:
    frame, signal = found.transfers_frame(), found.inputs[0].signal
    if not frame.height:
        return [element("p", "Nothing was sent between sites.")]
    rows: list[list[Child]] = [
        [row["job"], row["source"], row["target"], quantity(row["size_gb"], "GB"), length(row["start_ms"]),
         length(row["finish_ms"] - row["start_ms"]), quantity(row["energy_kwh"], "kWh"), amount(signal, row["cost"])]
        for row in frame.head(_MOST_ROWS).to_dicts()
    ]  # fmt: skip
    header = ["Job", "From", "To", "Size", "Starts after", "Takes", "Energy", signal.quantity.capitalize()]
    left = f"; the first {_MOST_ROWS} of {whole(frame.height)}" if frame.height > _MOST_ROWS else ""
    return [table(f"Transfers: inputs when jobs are placed, results when they have ended{left}", header, rows,
                  text=(0, 1, 2))]  # fmt: skip


def _jobs(found: DagSitesStudy) -> Markup:
    frame = found.jobs_frame()
    waits = np.asarray(frame["ready_ms"] - frame["arrival_ms"]).tolist()
    rows: list[list[Child]] = [
        [row["job"], row["home"] or "any", row["site"], length(row["arrival_ms"]), length(wait) if wait else "at once",
         length(row["completion_time_ms"]), number(row["stretch"])]
        for row, wait in zip(frame.head(_MOST_ROWS).to_dicts(), waits)
    ]  # fmt: skip
    header = ["Job", "Home", "Site", "Arrives", "Input there after", "Takes", "Stretch"]
    left = f"; the first {_MOST_ROWS} of {whole(frame.height)}" if frame.height > _MOST_ROWS else ""
    return table(f"Jobs, transfers in their times{left}", header, rows, text=(0, 1, 2))


def _sources(found: DagSitesStudy, source: DagInput, facts: Mapping[str, Any]) -> list[Markup]:
    listed = [*input_facts(source), *_site_facts(found), *_links(facts), *references(facts), *run_facts(facts, {})]
    return [fact_list(listed), licence_notice()]


def _links(facts: Mapping[str, Any]) -> Iterator[tuple[str, Child]]:
    for name, link in (facts.get("links") or {}).items():
        pace = "any rate" if link["gb_per_s"] is None else f"{number(link['gb_per_s'])} GB/s"
        text = f"{pace}, {length(link['latency_ms'])} more, {number(link['kwh_per_gb'])} kWh/GB"
        yield ("Links" if name == "all" else f"Link {name}"), text


def _site_facts(found: DagSitesStudy) -> Iterator[tuple[str, Child]]:
    for item in found.inputs:
        yield f"Site {item.name}", cluster_text(item.cluster)
        yield from signal_fact_rows(item.signal)
