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

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from joulewright.io.sealed import json_bytes
from joulewright.study.inference_deployment import CALIBRATION_FILE
from joulewright.study.table_folder import TableFolder

INFER_RUN_SCHEMA = "joulewright/serving-run/2"
INFER_FOLDER = TableFolder(
    manifest="infer.json",
    schema=INFER_RUN_SCHEMA,
    tables=("requests", "series", "tenants", "rates", "batches", "summary", "runs", "groups", "configurations",
            "replicas"),
    extras=(CALIBRATION_FILE,),
)  # fmt: skip
"""The folder as the table above says."""


def infer_manifest(kind: str, facts: Mapping[str, Any], *, command: Sequence[str]) -> dict[str, Any]:
    """Head of a manifest, see :meth:`~joulewright.study.table_folder.TableFolder.head`."""
    return INFER_FOLDER.head(kind, facts, command=command)


def write_infer_folder(
    path: str | Path,
    manifest: Mapping[str, Any],
    tables: Mapping[str, pl.DataFrame],
    *,
    report: str | None = None,
    calibration: Mapping[str, Any] | None = None,
) -> Path:
    """Write a folder, see :meth:`~joulewright.study.table_folder.TableFolder.write`.

    Parameters
    ----------
    path, manifest, tables, report
        As there.
    calibration : mapping, optional
        Fitted constants.

    Raises
    ------
    DataError
        If the path is a file, holds something else, or cannot be written.
    """
    extras = {} if calibration is None else {CALIBRATION_FILE: json_bytes(calibration, indent=1)}
    return INFER_FOLDER.write(path, manifest, tables, report=report, extras=extras)


def read_infer_folder(path: str | Path) -> tuple[dict[str, Any], dict[str, pl.DataFrame]]:
    """Manifest and tables of a folder.

    Raises
    ------
    DataError
        If it is no such folder, or a file of it was changed.
    """
    return INFER_FOLDER.read(path, made_by="jw infer")


def is_infer_run(path: Path) -> bool:
    """Whether a folder holds a run of ``jw infer``."""
    return INFER_FOLDER.holds(path)


def refuse_infer_target(path: Path) -> None:
    """Refuse a folder that must not be replaced.

    Raises
    ------
    DataError
        If it holds something else.
    """
    INFER_FOLDER.refuse(path)
