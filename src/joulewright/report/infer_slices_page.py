"""Report of services on slices: how accelerators are cut, who gets what, what was refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from joulewright.report.boxes import Finding, finding_list, sentence_list, tile
from joulewright.report.document import Masthead, Section
from joulewright.report.figure import Chart, Figures, LegendEntry
from joulewright.report.infer_charts import flag_findings, predictor_finding, provenance
from joulewright.report.infer_configuration_page import objectives_text
from joulewright.report.infer_configuration_terminal import refusal_rows
from joulewright.report.infer_slices_terminal import (
    PLACEMENT_HEADER,
    SHARE_HEADER,
    cost_text,
    placement_rows,
    power_text,
    share_rows,
    slices_sentence,
)
from joulewright.report.markup import Child, Markup, details, element, table
from joulewright.report.numbers import number, percent, plural, quantity, whole

Tables = Mapping[str, pl.DataFrame]
Document = Mapping[str, Any]
_COLOURS = ("inference", "training", "solar", "battery", "generator", "wind", "price", "carbon", "fixed", "cooling")
_MOST_ROWS = 40
_CELL = (
    "background:var(--raised);border-left:4px solid var(--q-{colour});border-radius:4px;padding:.2rem .35rem;"
    "font-size:.78rem;line-height:1.3;min-width:0;grid-column:{first} / span {width}"
)
_LINE = "display:block;overflow:hidden;text-overflow:ellipsis;white-space:nowrap"


def slices_masthead(document: Document) -> Masthead:
    """Top of the page."""
    names = ", ".join(service["name"] for service in document["services"])
    facts = (
        f"{document['accelerator']} with {document['memory_slices']} memory and {document['compute_slices']} compute "
        "slices each",
        f"For the busiest hour of {names}; least {document['minimise']}",
    )
    return Masthead(kind="services on slices", name=document["accelerator"], facts=facts, badges=[])


def slices_sections(document: Document, tables: Tables, figures: Figures) -> list[Section]:
    """Every section in reading order."""
    del tables  # the document has all of it
    refused = [table("Refused, equal reasons together", ["Service and slice", "Reason"], refusal_rows(document),
                     text=(0, 1))] if document["refused"] else []  # fmt: skip
    return [
        Section(name="decision", title="Decision", content=_decision(document)),
        Section(name="validity", title="Validity", content=_validity(document)),
        Section(name="placement", title="Placement", content=_placement(document)),
        Section(name="services", title="Services", content=_services(document, figures)),
        Section(name="refused", title="Refused", content=refused),
        Section(name="sources", title="Provenance", content=provenance(document, _sources(document))),
    ]


def _decision(document: Document) -> list[Markup]:
    cut = sum(
        item["accelerators"] * part["memory_slices"] for item in document["placements"] for part in item["slices"]
    )
    there = document["accelerators"] * document["memory_slices"]
    tiles = [
        tile("Accelerators", whole(document["accelerators"]), plural(document["slices"], "slice")),
        tile(
            "Memory that is cut",
            percent(cut / there) if there else "n/a",
            "the rest is free for others" if cut < there else None,
        ),
        tile("Power", power_text(document["power_w"]), "with idle parts and servers"),
    ]
    if document["carbon_kg_per_h"] is not None:
        mean = quantity(document["intensity_g_per_kwh"], "g/kWh")
        tiles.append(tile("Operational carbon", quantity(1e3 * document["carbon_kg_per_h"], "g CO2e/h"), f"at {mean}"))
    if document["embodied_kg_per_h"] is not None:
        each = "of the accelerators in use, spread over their lifetime"
        tiles.append(tile("Embodied carbon", quantity(1e3 * document["embodied_kg_per_h"], "g CO2e/h"), each))
    if document["minimise"] != "accelerators":
        tiles.append(tile("Objective", cost_text(document), f"least {document['minimise']}, with slices at capacity"))
    return [element("p", slices_sentence(document), class_="headline"), element("dl", tiles, class_="tiles")]


def _validity(document: Document) -> list[Markup]:
    findings = []
    if document["shares"]:
        text = "Every slice was simulated at its share of the busiest hour with requests that it was not chosen by."
        findings.append(Finding(mood="good", title="Objectives are kept when simulated", text=text))
    for standing in {item["constants"]: item for item in document["standings"]}.values():
        findings += [predictor_finding(standing), *flag_findings(standing)]
    return [finding_list(findings), sentence_list(list(document["notes"]))]


def _placement(document: Document) -> list[Markup]:
    """One bar for all accelerators that are cut alike, each slice as wide as its memory."""
    colours = _colours(document)
    shown = document["placements"][:_MOST_ROWS]
    width = document["memory_slices"]
    bars = [
        element(
            "div",
            element("p", f"{plural(item['accelerators'], 'accelerator')}", class_="lead", style="margin:.6rem 0 .2rem"),
            element(
                "div",
                [_slice(part, colours[part["service"]]) for part in item["slices"]],
                style=f"display:grid;grid-template-columns:repeat({width},minmax(0,1fr));gap:3px;"
                "border:1px solid var(--line);border-radius:6px;padding:3px",
            ),
        )
        for item in shown
    ]
    left = len(document["placements"]) - len(shown)
    note = "Each box is an accelerator, each field a slice as wide as its part of the memory; blanks are free."
    return [
        element("p", note + (f" {plural(left, 'further cut')} are in the table." if left else ""), class_="lead"),
        element("div", bars, class_="slices", role="img", aria_label="Slices of each accelerator by service."),
        details(
            "Show as a table",
            table(
                f"{document['accelerator']} as they are cut", PLACEMENT_HEADER, placement_rows(document), text=(0, 1)
            ),
        ),
    ]


def _slice(part: Mapping[str, Any], colour: str) -> Markup:
    style = _CELL.format(colour=colour, first=part["start"] + 1, width=part["memory_slices"])
    lines = [element("b", part["service"], style=_LINE), element("span", part["profile"], style=_LINE)]
    return element("div", lines, style=style, title=f"{part['service']}: {part['profile']} at {part['start']}")


def _colours(document: Document) -> dict[str, str]:
    return {service["name"]: _COLOURS[at % len(_COLOURS)] for at, service in enumerate(document["services"])}


def _services(document: Document, figures: Figures) -> list[Markup]:
    shares, colours = document["shares"], _colours(document)
    asked = table(
        "Services at their busiest hour",
        ["Service", "Model", "Rate [1/s]", "Tokens in", "Tokens out", "Objectives"],
        [
            [item["name"], item["model"], number(item["rate_per_s"]), number(item["input_tokens"]),
             number(item["output_tokens"]), objectives_text(item["objectives"])]
            for item in document["services"]
        ],
        text=(0, 1, 5),
    )  # fmt: skip
    if not shares:
        return [asked]
    owners = [row["service"] for row in shares]
    chart = Chart(
        name="load",
        kind="bars",
        title="Load of the slices [%]",
        label="Bars of what each kind of slice gets, as a share of what it can serve in time.",
        caption="Rate of a slice over the highest at which it keeps the objectives with a margin.",
        views=[{"name": "", "categories": [f"{row['service']} {row['profile']}" for row in shares], "series": [
            {"key": "inference", "name": "Load", "values": [100.0 * row["rate_per_s"] / row["capacity_per_s"]
             for row in shares], "keys": [colours[name] for name in owners]}]}],
        settings={"unit": "%"},
        legend=[LegendEntry(key=colours[name], name=name) for name in dict.fromkeys(owners)],
        toggles=False,
        table=table("Slices of each service", SHARE_HEADER, share_rows(document), text=(0, 1)),
        opened=True,
    )  # fmt: skip
    return [asked, figures.add(chart)]


def _sources(document: Document) -> Iterator[tuple[str, Child]]:
    for service in document["services"]:
        yield f"Service {service['name']}", f"{service['model']}, {objectives_text(service['objectives'])}"
    if document["intensity_g_per_kwh"] is not None:
        yield "Carbon intensity", quantity(document["intensity_g_per_kwh"], "g/kWh")
