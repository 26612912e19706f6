"""Report of steady-state curves: power, energy per token, latencies and utilisation against rate and batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from joulewright.report.boxes import finding_list, sentence_list, tile
from joulewright.report.document import Masthead, Section
from joulewright.report.figure import Figures
from joulewright.report.infer_charts import (
    Axis,
    flag_findings,
    predictor_finding,
    provenance,
    spans_decades,
    xy_chart,
    xy_series,
)
from joulewright.report.infer_figures import joules
from joulewright.report.infer_terminal import DEPLOYMENT_HEADER, SHARE_HEADER, deployment_rows, share_rows
from joulewright.report.markup import Markup, element, table
from joulewright.report.numbers import number, quantity
from joulewright.report.palette import site_key

Tables = Mapping[str, pl.DataFrame]
Document = Mapping[str, Any]
_RATE, _BATCH = Axis(name="Rate", unit="requests/s"), Axis(name="Batch", unit="sequences", log=True)
_ROWS = 12
_QUEUES = (
    "Requests come at random, and times hold mean queues, which grow without bound towards the highest rate and are "
    "counted up to 98 % of it; the simulator has their spread and bursts."
)
_MOST_FACTOR = 8.0
"""Energy per token is drawn up to so many times its least: it is unbounded where nobody asks."""


def curve_masthead(document: Document) -> Masthead:
    """Top of the page."""
    shape, names = document["shape"], [item["name"] for item in document["deployments"]]
    model = document["deployments"][0]["model"]
    facts = (
        f"{number(shape['input_tokens'])} tokens in, {number(shape['output_tokens'])} out; {', '.join(names)}",
        "One replica in steady state, requests at random times.",
    )
    return Masthead(kind="serving curves", name=model, facts=facts, badges=[])


def curve_sections(document: Document, tables: Tables, figures: Figures) -> list[Section]:
    """Every section in reading order."""
    rates, batches = tables["rates"], tables["batches"]
    return [
        Section(name="decision", title="Result", content=_result(document)),
        Section(name="validity", title="Validity", content=_validity(document)),
        Section(name="energy", title="Energy per token", content=_energy(rates, batches, figures)),
        Section(name="power", title="Power", content=_power(rates, batches, figures)),
        Section(name="latency", title="Latency", content=_latency(rates, figures)),
        Section(name="utilization", title="Utilisation", content=_utilization(rates, figures)),
        Section(name="numbers", title="Figures", content=_figures(document)),
        Section(name="sources", title="Provenance", content=provenance(document, [])),
    ]


def _result(document: Document) -> list[Markup]:
    items = document["deployments"]
    best = min(items, key=lambda item: item["best_energy_per_output_token_j"])
    fastest = max(items, key=lambda item: item["limit_per_s"] / item["gpus"])
    text = (
        f"{best['name']} takes the least energy: {joules(best['best_energy_per_output_token_j'])} per output token at "
        f"its highest rate of {quantity(best['limit_per_s'], 'requests/s')}."
    )
    if len(items) > 1:
        text += f" {fastest['name']} serves most per accelerator."
    tiles = [
        tile(item["name"], quantity(item["limit_per_s"], "req/s"), f"{joules(item['best_energy_per_output_token_j'])} "
             "per output token at best")
        for item in items
    ]  # fmt: skip
    return [element("p", text, class_="headline"), element("dl", tiles, class_="tiles")]


def _validity(document: Document) -> list[Markup]:
    findings = []
    for item in document["deployments"]:
        findings += [predictor_finding(item["standing"]), *flag_findings(item["standing"])]
    notes = [*document["notes"], _QUEUES]
    distinct = list({(finding.title, finding.text): finding for finding in findings}.values())
    return [finding_list(distinct), sentence_list(notes)]


def _energy(rates: pl.DataFrame, batches: pl.DataFrame, figures: Figures) -> list[Markup]:
    column = "energy_with_host_j"
    most = _MOST_FACTOR * float(rates[column].min() or 0.0)  # type: ignore[arg-type]
    shown = rates.filter(pl.col(column) <= most)
    low = "Idle power is shared by few tokens at low rates; curves end at the rate that a replica just keeps up with."
    charts = [
        _chart(
            "energy-rate",
            (_RATE, Axis(name="Energy", unit="J/token")),
            shown,
            ("rate_per_s", column),
            figures=figures,
            title="Energy per output token against rate, with the servers' share",
            caption=low,
        ),
        _chart(
            "energy-batch",
            (_BATCH, Axis(name="Energy", unit="J/token", log=True)),
            batches,
            ("batch", "energy_per_output_token_j"),
            figures=figures,
            title="Energy per output token against batch",
            caption="Accelerators only, while steps follow each other.",
        ),
    ]
    return [element("div", charts, class_="figures pairs")]


def _power(rates: pl.DataFrame, batches: pl.DataFrame, figures: Figures) -> list[Markup]:
    power = Axis(name="Power", unit="W")
    charts = [
        _chart(
            "power-rate",
            (_RATE, power),
            rates,
            ("rate_per_s", "power_per_accelerator_w"),
            figures=figures,
            title="Power of an accelerator against rate",
        ),
        _chart(
            "power-batch",
            (_BATCH, power),
            batches,
            ("batch", "power_per_accelerator_w"),
            figures=figures,
            title="Power of an accelerator against batch",
        ),
    ]
    return [element("div", charts, class_="figures pairs")]


def _latency(rates: pl.DataFrame, figures: Figures) -> list[Markup]:
    times = rates.with_columns(pl.col("ttft_s", "tpot_s") * 1e3)
    charts = [
        _chart(
            "ttft",
            (_RATE, Axis(name="Time to first token", unit="ms", log=spans_decades(times["ttft_s"].drop_nulls()))),
            times,
            ("rate_per_s", "ttft_s"),
            figures=figures,
            title="Time to the first token",
        ),
        _chart(
            "tpot",
            (_RATE, Axis(name="Time per output token", unit="ms")),
            times,
            ("rate_per_s", "tpot_s"),
            figures=figures,
            title="Time per output token",
        ),
    ]
    return [element("div", charts, class_="figures pairs")]


def _utilization(rates: pl.DataFrame, figures: Figures) -> list[Markup]:
    named = (("weight_utilization", "Memory traffic of weights"), ("kv_utilization", "Memory traffic of the cache"),
             ("compute_utilization", "Operations"), ("busy_fraction", "Time in steps"))  # fmt: skip
    shares = rates.with_columns(pl.col([key for key, _ in named]) * 100.0)
    charts = [
        _chart(
            key.replace("_", "-"),
            (_RATE, Axis(name=title, unit="%")),
            shares,
            ("rate_per_s", key),
            figures=figures,
            title=title,
        )
        for key, title in named
    ]
    return [element("div", charts, class_="figures pairs")]


def _chart(
    name: str,
    axes: tuple[Axis, Axis],
    frame: pl.DataFrame,
    columns: tuple[str, str],
    *,
    figures: Figures,
    title: str,
    caption: str | None = None,
) -> Markup:
    """One line for each deployment; the table has some of its points."""
    names = frame["deployment"].unique(maintain_order=True).to_list()
    series, rows = [], []
    for position, deployment in enumerate(names):
        own = frame.filter(pl.col("deployment") == deployment).select(columns).drop_nulls()
        x, y = own[columns[0]].to_numpy(), own[columns[1]].to_numpy()
        series.append(xy_series(site_key(position), deployment, x, y))
        every = max(1, own.height // _ROWS)
        rows += [[deployment, number(float(left)), number(float(right))] for left, right in own.rows()[::every]]
    listed = table(title, ["Deployment", axes[0].title, axes[1].title], rows)
    return xy_chart(name, axes, series, figures, title=title, table=listed, caption=caption)


def _figures(document: Document) -> list[Markup]:
    return [
        table("Deployments", DEPLOYMENT_HEADER, deployment_rows(document), text=(0, 5)),
        table("Steady state at shares of the highest rate", SHARE_HEADER, share_rows(document)),
    ]
