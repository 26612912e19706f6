"""Tables of calibrations and validations for a terminal, made from the document of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from joulewright.report.infer_figures import optional
from joulewright.report.infer_terminal import plain_table
from joulewright.report.numbers import number, percent, scientific, signed, whole

if TYPE_CHECKING:
    from rich.table import Table

Document = Mapping[str, Any]
GROUP_HEADER = ["", "Kind", "Runs", "Predictor", "Time", "Power", "Energy per token", "Power bias", "MFU-only power"]
ERROR_HEADER = ["Kind", "Held out", "Runs", "Time", "Power", "Energy per token", "Fitted: time", "power", "energy"]
CONSTANT_HEADER = ["Constant", "Fitted", "Shipped"]


def group_rows(document: Document, grouping: str) -> list[list[str]]:
    """Mean absolute relative errors of the groups of one grouping."""
    rows = []
    for row in sorted(document["groups"], key=lambda row: str(row["kind"])):
        if row["grouping"] != grouping:
            continue
        errors = [optional(row[key], percent) for key in ("time_error", "power_error", "energy_error")]
        bias = signed(percent(row["power_bias"]), row["power_bias"])
        baseline = optional(row["mfu_power_error"], percent)
        rows.append([row["group"], row["kind"], whole(row["runs"]), row["levels"], *errors, bias, baseline])
    return rows


def error_rows(document: Document) -> list[list[str]]:
    """Held-out and fitted errors of a calibration, dense models and those with experts apart."""
    keys = ("time", "power", "energy", "fitted_time", "fitted_power", "fitted_energy")
    return [
        [row["kind"], row["method"], whole(row["runs"]), *(percent(row[key]) for key in keys)]
        for row in document["errors"]
    ]


def constant_rows(document: Document) -> list[list[str]]:
    """Fitted constants beside those that ship; what is zero in both is left out."""
    return [
        [row["constant"], _shown(row["fitted"]), _shown(row["shipped"])]
        for row in document["constants"]
        if row["fitted"] or row["shipped"]
    ]


def _shown(value: float | None) -> str:
    if value is None:
        return "n/a"
    return number(value) if value == 0.0 or abs(value) >= 1e-3 else scientific(value)


def calibration_tables(document: Document) -> list[Table]:
    """Errors, constants and errors by model."""
    tables = [plain_table("Mean absolute errors", ERROR_HEADER, error_rows(document), text_columns=2)]
    tables.append(plain_table(f"Constants of {document['accelerator']}", CONSTANT_HEADER, constant_rows(document)))
    tables.append(plain_table("By model", GROUP_HEADER, group_rows(document, "model"), text_columns=2))
    return tables if document["errors"] else tables[1:]


def validation_tables(document: Document) -> list[Table]:
    """Errors by kind, by predictor and by configuration."""
    return [
        plain_table("Mean absolute errors", GROUP_HEADER, group_rows(document, "kind"), text_columns=2),
        plain_table("By predictor", GROUP_HEADER, group_rows(document, "level"), text_columns=2),
        plain_table("By model, precision, accelerators and workload", GROUP_HEADER,
                    group_rows(document, "configuration"), text_columns=2),
    ]  # fmt: skip
