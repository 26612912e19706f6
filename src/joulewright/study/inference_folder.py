"""Folders of runs of ``jw infer``: what was asked for and what came out, written as a whole.

======================  =======================================================================================
file                    content
======================  =======================================================================================
infer.json              schema version, kind, command, versions, inputs with their hashes, figures, file hashes
requests.parquet        of a simulation: one row for each request
series.parquet          of a simulation: mean power of each bin by phase
tenants.parquet         of a simulation: one row for each tenant
rates.parquet           of curves: steady state by deployment and rate
batches.parquet         of curves: a step by deployment and batch
summary.parquet         of curves: figures at some shares of the highest rate
runs.parquet            of a calibration or validation: measured runs beside their predictions
groups.parquet          of a calibration or validation: mean errors by group
configurations.parquet  of a configuration: every one that keeps the limits
replicas.parquet        of a configuration: replicas and power over the day
calibration.json        of a calibration: the fitted constants
report.html             the same for people
======================  =======================================================================================
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from joulewright.io.atomic import write_folder
from joulewright.io.exports import parquet_bytes
from joulewright.io.sealed import (
    PACKAGES,
    is_sealed,
    json_bytes,
    read_manifest,
    refuse_foreign,
    seals,
    verified,
    versions,
)
from joulewright.study.inference_deployment import CALIBRATION_FILE

INFER_RUN_SCHEMA = "joulewright/serving-run/1"

_MANIFEST, _FAMILY = "infer.json", "joulewright/serving-run/"
_TABLES = ("requests", "series", "tenants", "rates", "batches", "summary", "runs", "groups", "configurations",
           "replicas")  # fmt: skip


def infer_manifest(kind: str, facts: Mapping[str, Any], *, command: Sequence[str]) -> dict[str, Any]:
    """Head of a manifest: schema, kind, command, time and versions, then the facts."""
    return {
        "schema_version": INFER_RUN_SCHEMA,
        "kind": kind,
        "command": list(command),
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions((*PACKAGES, "numba")),
        **facts,
    }


def write_infer_folder(
    path: str | Path,
    manifest: Mapping[str, Any],
    tables: Mapping[str, pl.DataFrame],
    *,
    report: str | None = None,
    calibration: Mapping[str, Any] | None = None,
) -> Path:
    """Write a folder; it replaces an earlier one only when it is complete.

    Parameters
    ----------
    path : str or Path
        Folder that is new, empty or an earlier one of the same family.
    manifest : mapping
        From :func:`infer_manifest`.
    tables : mapping of str to polars.DataFrame
        Parquet files by name without ending, see the table of the module.
    report : str, optional
        Page for people.
    calibration : mapping, optional
        Fitted constants.

    Raises
    ------
    DataError
        If the path is a file, holds something else, or cannot be written.
    """
    target = Path(path)
    refuse_infer_target(target)
    contents = {f"{name}.parquet": parquet_bytes(frame) for name, frame in tables.items()}
    if calibration is not None:
        contents[CALIBRATION_FILE] = json_bytes(calibration, indent=1)
    document = {**manifest, "files": seals(contents)}
    outdated = [*(f"{name}.parquet" for name in _TABLES), "report.html", CALIBRATION_FILE]
    page = {} if report is None else {"report.html": report.encode("utf-8")}
    write_folder(target, {**contents, **page, _MANIFEST: json_bytes(document, indent=1)}, outdated=outdated)
    return target


def read_infer_folder(path: str | Path) -> tuple[dict[str, Any], dict[str, pl.DataFrame]]:
    """Manifest and tables of a folder.

    Raises
    ------
    DataError
        If it is no such folder, or a file of it was changed.
    """
    folder = Path(path)
    manifest = read_manifest(folder, _MANIFEST, INFER_RUN_SCHEMA, made_by="jw infer")
    names = [name for name in _TABLES if f"{name}.parquet" in manifest["files"]]
    return manifest, {
        name: pl.read_parquet(io.BytesIO(verified(folder, f"{name}.parquet", manifest))) for name in names
    }


def is_infer_run(path: Path) -> bool:
    """Whether a folder holds a run of ``jw infer``."""
    return is_sealed(path, _MANIFEST, _FAMILY)


def refuse_infer_target(path: Path) -> None:
    """Refuse a folder that must not be replaced.

    Raises
    ------
    DataError
        If it holds something else.
    """
    refuse_foreign(path, _MANIFEST, _FAMILY)
