"""Report of a choice of configurations: the best, the Pareto set, replicas over the day, what was refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from joulewright.report.boxes import Finding, finding_list, sentence_list, tile
from joulewright.report.document import Masthead, Section
from joulewright.report.figure import Chart, Figures, LegendEntry, panel
from joulewright.report.infer_charts import (
    Axis,
    elapsed_axis,
    flag_findings,
    predictor_finding,
    provenance,
    xy_chart,
    xy_series,
)
from joulewright.report.infer_configuration_terminal import (
    FIGURES,
    best_rows,
    configuration_header,
    configuration_rows,
    configuration_sentence,
    known_figures,
    refusal_rows,
    shown,
)
from joulewright.report.infer_figures import duration
from joulewright.report.markup import Child, Markup, element, table
from joulewright.report.numbers import number, percent, plain, plural, quantity, whole
from joulewright.report.sources import fact_list

Tables = Mapping[str, pl.DataFrame]
Document = Mapping[str, Any]
_MOST_SHOWN = 6


def configuration_masthead(document: Document) -> Masthead:
    """Top of the page."""
    need = document["need"]
    rates = need["rate_per_s"]
    facts = (
        f"{number(min(rates))} to {number(max(rates))} requests/s over {plural(len(rates), 'hour')}, "
        f"{number(need['input_tokens'])} tokens in and {number(need['output_tokens'])} out on average",
        f"{objectives_text(need['objectives'])}; least {document['minimise']}",
    )
    return Masthead(kind="configuration of a service", name=need["model"], facts=facts, badges=[])


def objectives_text(objectives: Document) -> str:
    """Objectives of a service in words."""
    who = "the mean" if objectives["quantile"] is None else f"{percent(objectives['quantile'])} of the requests"
    limits = [
        f"{what} within {duration(objectives[key])}"
        for key, what in (("ttft_s", "first token"), ("tpot_s", "every further token"))
        if objectives[key] is not None
    ]
    return f"For {who}: {', '.join(limits)}" if limits else "No latency objective"


def configuration_sections(document: Document, tables: Tables, figures: Figures) -> list[Section]:
    """Every section in reading order."""
    refused = [table("Refused, equal reasons together", ["Configuration", "Reason"], refusal_rows(document),
                     text=(0, 1))] if document["refused"] else []  # fmt: skip
    every = table(
        "Configurations that were simulated",
        configuration_header(document),
        configuration_rows(document, pareto=False),
        text=(0, 1),
    )
    return [
        Section(name="decision", title="Decision", content=_decision(document)),
        Section(name="validity", title="Validity", content=_validity(document)),
        Section(name="front", title="Pareto set", content=_front(document, figures)),
        Section(name="day", title="Replicas over the day", content=_day(document, tables["replicas"], figures)),
        Section(name="curve", title="Throughput and power", content=_curve(document, figures)),
        Section(name="configurations", title="Configurations", content=[every]),
        Section(name="refused", title="Refused", content=refused),
        Section(name="sources", title="Provenance", content=provenance(document, _sources(document))),
    ]


def _decision(document: Document) -> list[Markup]:
    best = document["best"]
    tiles = [tile("Accelerators", plain(best["gpus"]), f"up to {plural(max(best['replicas']), 'replica')}")]
    known = [name for name in known_figures(document) if best[name] is not None]
    tiles += [tile(FIGURES[name][0], shown(name, best[name])) for name in known]
    if best["ttft_s"] is not None:
        tiles.append(tile("Time to first token", duration(best["ttft_s"]), "in the worst hour"))
    least = [
        (f"Least {figure[0].lower()}{figure[1:]}", f"{value}: {label}") for figure, label, value in best_rows(document)
    ]
    return [
        element("p", configuration_sentence(document), class_="headline"),
        element("dl", tiles, class_="tiles"),
        *([fact_list(least)] if least else []),
    ]


def _validity(document: Document) -> list[Markup]:
    findings = [predictor_finding(document["standing"]), *_findings(document), *flag_findings(document["standing"])]
    notes = list(document["notes"])
    return [finding_list(findings), *([sentence_list(notes)] if notes else [])]


def _findings(document: Document) -> Iterator[Finding]:
    rows = document["configurations"]
    missed = sum(not row["met"] for row in rows)
    if missed:
        text = f"{whole(missed)} of {whole(len(rows))} leave requests unserved for want of accelerators."
        yield Finding(mood="warn", title="Not all requests are served", text=text)
    else:
        text = f"{whole(document['simulations'])} simulations; every configuration keeps the objectives in every hour."
        yield Finding(mood="good", title="Objectives are kept when simulated", text=text)
    if document["pruned"]:
        text = f"{plural(document['pruned'], 'candidate')} whose bounds rule them out were not simulated."
        yield Finding(mood="good", title="Search is complete", text=text)


def _front(document: Document, figures: Figures) -> list[Markup]:
    """Every pair of the objective's figure with another; the chosen point is the diamond."""
    known = known_figures(document)
    first = next((name for name in ("carbon_kg", "cost", "energy_kwh") if name in known), "energy_kwh")
    charts = []
    for other in known:
        if other == first or (first == "carbon_kg" and other == "energy_kwh"):
            continue
        listed = table(
            "Pareto set",
            configuration_header(document),
            configuration_rows(document, pareto=True),
            text=(0, 1),
        )
        charts.append(
            xy_chart(
                f"front-{other.rsplit('_', 1)[0].replace('_', '-')}",
                (_axis(first), _axis(other)),
                _points(document, first, other),
                figures,
                title=f"{FIGURES[other][0]} against {FIGURES[first][0].lower()}",
                table=listed,
                around=True,
            )
        )
    return [element("div", charts, class_="figures pairs")] if charts else []


def _points(document: Document, across: str, up: str) -> list[dict[str, Any]]:
    """Configurations by how they fared: others, those of the Pareto set, the chosen one."""
    rows = [row for row in document["configurations"] if row[across] is not None and row[up] is not None]
    groups = (
        ("work", "other", [row for row in rows if not (row["pareto"] or row["best"])]),
        ("training", "Pareto set", [row for row in rows if row["pareto"] and not row["best"]]),
        ("generator", "chosen", [row for row in rows if row["best"]]),
    )
    return [
        xy_series(
            key,
            name,
            [row[across] * FIGURES[across][2] for row in own],
            [row[up] * FIGURES[up][2] for row in own],
            mode="points",
            symbol="diamond" if name == "chosen" else "circle",
            size=16 if name == "chosen" else 10,
            names=[row["configuration"] for row in own],
        )
        for key, name, own in groups
        if own
    ]


def _axis(figure: str) -> Axis:
    title, unit, _ = FIGURES[figure]
    return Axis(name=title, unit=unit or "money")


def _day(document: Document, replicas: pl.DataFrame, figures: Figures) -> list[Markup]:
    names = replicas["configuration"].unique(maintain_order=True).to_list()[:_MOST_SHOWN]
    views = [_day_view(replicas.filter(pl.col("configuration") == name), name, figures) for name in names]
    first = replicas.filter(pl.col("configuration") == names[0])
    rows = [
        [f"{row['hour']}:00", number(row["rate_per_s"]), whole(row["replicas"]), whole(row["loaded"]),
         quantity(row["power_w"] / 1e3, "kW")]
        for row in first.iter_rows(named=True)
    ]  # fmt: skip
    chart = Chart(
        name="day",
        kind="lanes",
        title="Replicas that serve, requests and power by hour",
        label="Replicas that serve and that only wait, requests per second and mean power in each hour.",
        caption="Replicas that wait keep their model loaded where that takes less than loading it again.",
        views=views,
        group="configuration",
        selector="Configuration",
        legend=[LegendEntry(key="inference", name="serving"), LegendEntry(key="idle", name="waiting")],
        toggles=False,
        table=table(f"Hours of {names[0]}", ["Hour", "Requests [1/s]", "Serving", "Loaded", "Power"], rows),
    )
    return [figures.add(chart)]


def _day_view(own: pl.DataFrame, name: str, figures: Figures) -> dict[str, Any]:
    serving = own["replicas"].cast(pl.Float64).to_numpy()
    waiting = own["loaded"].cast(pl.Float64).to_numpy() - serving
    layers = [
        figures.series("inference", "serving", serving, area=1.0),
        figures.series("idle", "waiting", waiting.clip(min=0.0), area=1.0),
    ]
    power = figures.series("training", "power", own["power_w"].to_numpy() / 1e3)
    return {
        "name": name,
        "axis": elapsed_axis(3600.0, own.height),
        "panels": [
            panel("Replicas", "replicas", height=150, series=layers),
            panel("Requests", "requests/s", height=90,
                  series=[figures.series("load", "requests", own["rate_per_s"].to_numpy())]),
            panel("Power", "kW", height=90, series=[power]),
        ],
    }  # fmt: skip


def _curve(document: Document, figures: Figures) -> list[Markup]:
    curve = document["best"]["curve"]
    rate, power = curve["rate_token_s"], [1e6 * value for value in curve["power_mw"]]
    every = max(1, len(rate) // 12)
    rows = [[number(left), number(right)] for left, right in list(zip(rate, power))[::every]]
    axes = (Axis(name="Output of an accelerator", unit="token/s"), Axis(name="Power of an accelerator", unit="W"))
    return [
        xy_chart(
            "throughput",
            axes,
            [xy_series("inference", document["best"]["configuration"], rate, power)],
            figures,
            title=f"Power of {document['best']['configuration']} with its host share",
            table=table("Power against output", [axes[0].title, axes[1].title], rows),
        )
    ]


def _sources(document: Document) -> Iterator[tuple[str, Child]]:
    best = document["best"]
    yield "Service", f"{document['need']['model']}, {objectives_text(document['need']['objectives'])}"
    yield "Chosen", f"{best['configuration']} ({best['name']}), {best['precision']}"
    yield "Simulations", whole(document["simulations"])
