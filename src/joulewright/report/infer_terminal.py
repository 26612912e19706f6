"""Tables of ``jw infer`` for a terminal, made from the document of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from joulewright.report.infer_facts import run_facts
from joulewright.report.infer_figures import duration, grams, joules, kilowatt_hours, optional
from joulewright.report.numbers import number, percent, quantity, whole
from joulewright.report.terminal import add_text_row, text_table

if TYPE_CHECKING:
    from rich.table import Table

Document = Mapping[str, Any]
LATENCY_NAMES = {
    "ttft": "time to first token",
    "tpot": "time per output token",
    "e2e": "end to end",
}


def serving_tables(document: Document) -> list[Table]:
    """Latencies, energy, and what the run was, of a simulation."""
    tables = [_latencies(document), _energy(document), _facts("Run", run_facts(document))]
    if len(document["tenants"]) > 1:
        tables.append(_tenants(document))
    return tables


def latency_rows(document: Document) -> list[list[str]]:
    """Name, mean and quantiles of each latency."""
    keys = ("mean_s", "p50_s", "p90_s", "p99_s")
    return [
        [LATENCY_NAMES[row["latency"]], *(optional(row[key], duration) for key in keys)]
        for row in document["latencies"]
    ]


def energy_header(document: Document) -> list[str]:
    """Columns of :func:`energy_rows`."""
    more = [title for key, title in (("carbon_g", "Carbon"), ("water_l", "Water")) if _any(document, key)]
    return ["Phase", "Energy", "Share", "Per output token", *more]


def energy_rows(document: Document) -> list[list[str]]:
    """Energy by phase, phases without any left out."""
    rows = []
    for row in document["energy"]:
        if row["energy_kwh"] == 0.0 and row["phase"] != "total":
            continue
        cells = [
            row["phase"],
            kilowatt_hours(row["energy_kwh"]),
            percent(row["share"]),
            optional(row["per_output_token_j"], joules),
        ]
        if _any(document, "carbon_g"):
            cells.append(optional(row["carbon_g"], grams))
        if _any(document, "water_l"):
            cells.append(optional(row["water_l"], lambda value: quantity(value, "L")))
        rows.append(cells)
    return rows


def _any(document: Document, key: str) -> bool:
    return any(row[key] is not None for row in document["energy"])


def _latencies(document: Document) -> Table:
    return plain_table("Latency", ["", "mean", "p50", "p90", "p99"], latency_rows(document))


def _energy(document: Document) -> Table:
    return plain_table("Energy", energy_header(document), energy_rows(document))


def tenant_rows(document: Document) -> list[list[str]]:
    """Tenants with their requests, tokens, mean times and energy."""
    rows = []
    for row in document["tenants"]:
        steps_kwh = (row["prefill_j"] + row["decode_j"]) / 3.6e6
        rows.append(
            [
                row["tenant"],
                whole(row["requests"]),
                whole(row["refused"]),
                whole(row["output_tokens"]),
                *(optional(row[key] if row["requests"] else None, duration) for key in ("ttft_s", "tpot_s", "e2e_s")),
                kilowatt_hours(steps_kwh),
                *([grams(row["carbon_g"])] if "carbon_g" in row else []),
                *([quantity(row["water_l"], "L")] if "water_l" in row else []),
            ]
        )
    return rows


def tenant_header(document: Document) -> list[str]:
    """Columns of :func:`tenant_rows`."""
    first = document["tenants"][0]
    more = [title for key, title in (("carbon_g", "Carbon"), ("water_l", "Water")) if key in first]
    return ["Tenant", "Served", "Refused", "Output tokens", "TTFT", "TPOT", "E2E", "Energy of steps", *more]


def _tenants(document: Document) -> Table:
    return plain_table("Tenants", tenant_header(document), tenant_rows(document))


def curve_tables(document: Document) -> list[Table]:
    """Deployments side by side, and figures at some shares of their highest rates."""
    return [
        plain_table("Deployments", DEPLOYMENT_HEADER, deployment_rows(document)),
        plain_table("Steady state, at shares of the highest rate", SHARE_HEADER, share_rows(document), text_columns=1),
    ]


DEPLOYMENT_HEADER = ["Deployment", "Highest rate", "Output", "Least energy", "Cache", "Constants", "Expected error"]
SHARE_HEADER = ["Deployment", "Share", "Rate", "Running", "TTFT", "TPOT", "Power per accelerator",
                "Power of all, with host", "Energy per output token", "Same, with host"]  # fmt: skip


def deployment_rows(document: Document) -> list[list[str]]:
    """Name, limits and standing of each deployment."""
    rows = []
    for item in document["deployments"]:
        standing = item["standing"]
        errors = [standing[key] for key in ("time_error", "power_error", "energy_error")]
        shown = "unknown" if None in errors else " / ".join(percent(value) for value in errors)
        rows.append(
            [
                item["name"],
                quantity(item["limit_per_s"], "req/s"),
                quantity(item["limit_token_s"], "token/s"),
                joules(item["best_energy_per_output_token_j"]),
                f"{whole(item['kv_capacity_tokens'])} tokens",
                f"{standing['constants']} ({standing['level']})",
                shown,
            ]
        )
    return rows


def share_rows(document: Document) -> list[list[str]]:
    """Figures at shares of the highest rate."""
    return [
        [
            row["deployment"],
            percent(row["share"]),
            quantity(row["rate_per_s"], "req/s"),
            number(row["sequences"]),
            duration(row["ttft_s"]),
            duration(row["tpot_s"]),
            quantity(row["power_per_accelerator_w"], "W"),
            quantity(row["replica_power_with_host_w"], "W"),
            optional(row["energy_per_output_token_j"], joules),
            optional(row["energy_with_host_j"], joules),
        ]
        for row in document["summary"]
    ]


def _facts(title: str, facts: Iterator[tuple[str, str]]) -> Table:
    return plain_table(title, ["", ""], [list(fact) for fact in facts], text_columns=2)


def plain_table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]], *, text_columns: int = 1) -> Table:
    """A table of literal text whose first columns are never cut."""
    table = text_table(title, header, text_columns=text_columns, whole_names=True)
    for row in rows:
        add_text_row(table, row)
    return table
