"""Tables of services on slices for a terminal, made from the document of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from joulewright.report.infer_configuration_terminal import refusal_rows, wrapped_table
from joulewright.report.infer_figures import duration
from joulewright.report.infer_terminal import plain_table
from joulewright.report.numbers import percent, plural, quantity

if TYPE_CHECKING:
    from rich.table import Table

Document = Mapping[str, Any]
SHARE_HEADER = ["Service", "Slice", "Number", "Rate of each", "Can serve", "Load", "TTFT", "TPOT", "Above idle"]
PLACEMENT_HEADER = ["Accelerators", "Slices, with the memory slice at which each begins"]


def power_text(power_w: float) -> str:
    """A power [W in] in the unit that reads best."""
    return quantity(power_w, "W") if power_w < 1e4 else quantity(1e-3 * power_w, "kW")


def cost_text(document: Document) -> str:
    """What the packing costs in the unit of its objective."""
    cost, unit = document["packing_cost"], document["packing_cost_unit"]
    if unit == "W":
        return power_text(cost)
    return quantity(1e3 * cost, "g CO2e/h") if unit == "kg CO2e/h" else quantity(cost, unit)


def slices_sentence(document: Document) -> str:
    """What to cut."""
    if not document["accelerators"]:
        return f"No service asks for anything, so that no {document['accelerator']} is needed."
    named = (("carbon_kg_per_h", "operational"), ("embodied_kg_per_h", "embodied"))
    known = [f"{quantity(1e3 * document[key], 'g CO2e/h')} {what}" for key, what in named if document[key] is not None]
    more = f", {' and '.join(known)}" if document["carbon_kg_per_h"] is not None else ""
    return (
        f"Least {document['minimise']}: {document['accelerators']} x {document['accelerator']} cut into "
        f"{plural(document['slices'], 'slice')} for {plural(len(document['services']), 'service')}, "
        f"{power_text(document['power_w'])} at the busiest hour{more}."
    )


def share_rows(document: Document) -> list[list[str]]:
    """Slices of each service, what each gets, and how it fared when simulated."""
    return [
        [
            row["service"],
            row["profile"],
            str(row["slices"]),
            quantity(row["rate_per_s"], "req/s"),
            quantity(row["capacity_per_s"], "req/s"),
            percent(row["rate_per_s"] / row["capacity_per_s"]),
            duration(row["ttft_s"]),
            duration(row["tpot_s"]),
            quantity(row["above_idle_w"], "W"),
        ]
        for row in document["shares"]
    ]


def placement_rows(document: Document) -> list[list[str]]:
    """Accelerators that are cut alike, and their slices."""
    return [
        [
            str(item["accelerators"]),
            ", ".join(f"{part['service']} {part['profile']} at {part['start']}" for part in item["slices"]),
        ]
        for item in document["placements"]
    ]


def slices_tables(document: Document) -> list[Table]:
    """Placements, slices of each service, and what was refused."""
    tables = [
        wrapped_table(f"{document['accelerator']} as they are cut", PLACEMENT_HEADER, placement_rows(document)),
        plain_table("Slices of each service", SHARE_HEADER, share_rows(document), text_columns=2),
    ]
    if document["refused"]:
        tables.append(wrapped_table("Refused", ["Service and slice", "Reason"], refusal_rows(document)))
    return tables
