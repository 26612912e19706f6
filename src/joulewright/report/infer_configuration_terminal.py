"""Tables of a choice of configurations for a terminal, made from the document of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from joulewright.report.infer_figures import duration, grams, kilowatt_hours, optional
from joulewright.report.infer_terminal import plain_table
from joulewright.report.numbers import number, plain, plural, quantity

if TYPE_CHECKING:
    from rich.table import Table

Document = Mapping[str, Any]
FIGURES: Mapping[str, tuple[str, str, float]] = {
    "energy_kwh": ("Energy", "kWh", 1.0),
    "carbon_kg": ("Operational carbon", "kg CO2e", 1.0),
    "embodied_kg": ("Embodied carbon", "kg CO2e", 1.0),
    "cost": ("Cost", "", 1.0),
    "tpot_s": ("Time per output token", "ms", 1e3),
}
"""Title, unit and factor of each figure that configurations are compared by."""


def shown(figure: str, value: float) -> str:
    """A figure in the unit that reads best."""
    if figure == "energy_kwh":
        return kilowatt_hours(value)
    if figure in ("carbon_kg", "embodied_kg"):
        return grams(1e3 * value)
    return duration(value) if figure == "tpot_s" else number(value)


def configuration_sentence(document: Document) -> str:
    """What to take."""
    best = document["best"]
    hours, owned = len(best["replicas"]), best["gpus"]
    return (
        f"Least {document['minimise']}: {best['configuration']}, up to {plural(max(best['replicas']), 'replica')} on "
        f"{plain(owned)} accelerator{'' if owned == 1 else 's'}, {shown('energy_kwh', best['energy_kwh'])} in "
        f"{plural(hours, 'hour')}."
    )


def known_figures(document: Document) -> list[str]:
    """Figures that any configuration has."""
    return [name for name in FIGURES if any(row[name] is not None for row in document["configurations"])]


def configuration_header(document: Document) -> list[str]:
    """Columns of :func:`configuration_rows`."""
    return ["Configuration", "", "Replicas", "Accelerators", "Rate of a replica", "TTFT",
            *(FIGURES[name][0] for name in known_figures(document))]  # fmt: skip


def configuration_rows(document: Document, *, pareto: bool) -> list[list[str]]:
    """Configurations, the best first; with ``pareto`` only the best and the Pareto set."""
    rows = []
    for row in document["configurations"]:
        if pareto and not (row["pareto"] or row["best"]):
            continue
        marks = [word for word in ("best", "pareto") if row[word]] + ([] if row["met"] else ["not met"])
        rows.append(
            [
                row["configuration"],
                ", ".join(marks),
                str(row["most_replicas"]),
                plain(row["gpus"]),
                quantity(row["capacity_per_s"], "req/s"),
                optional(row["ttft_s"], duration),
                *("n/a" if row[name] is None else shown(name, row[name]) for name in known_figures(document)),
            ]
        )
    return rows


def best_rows(document: Document) -> list[list[str]]:
    """Which configuration has the least of each figure."""
    by_label = {row["configuration"]: row for row in document["configurations"]}
    return [
        [FIGURES[name][0], label, shown(name, by_label[label][name])] for name, label in document["best_by"].items()
    ]


def refusal_rows(document: Document) -> list[list[str]]:
    """Candidates that cannot serve, equal reasons together."""
    reasons: dict[str, list[str]] = {}
    for row in document["refused"]:
        reasons.setdefault(row["reason"], []).append(row["label"])
    return [[", ".join(labels[:3]) + (f" and {len(labels) - 3} more" if len(labels) > 3 else ""), reason]
            for reason, labels in reasons.items()]  # fmt: skip


def configuration_tables(document: Document) -> list[Table]:
    """Pareto set, best by figure, and what was refused."""
    header, rows = configuration_header(document), configuration_rows(document, pareto=True)
    tables = [plain_table("Pareto set", header, rows, text_columns=2)]
    if document["best_by"]:
        own = best_rows(document)
        tables.append(plain_table("Best by figure", ["", "Configuration", "Value"], own, text_columns=2))
    if document["refused"]:
        tables.append(wrapped_table("Refused", ["Configuration", "Reason"], refusal_rows(document)))
    return tables


def wrapped_table(title: str, header: list[str], rows: list[list[str]]) -> Table:
    """A table of text whose cells may take several lines."""
    from joulewright.report.terminal import add_text_row, text_table

    table = text_table(title, header, text_columns=len(header))
    for row in rows:
        add_text_row(table, row)
    return table
