"""Folders of runs of jobs with precedence: what was asked for and what came out, written as a whole.

======================  =======================================================================================
file                    content
======================  =======================================================================================
dag.json                schema version, kind, command, versions, inputs with their hashes, figures, file hashes
runs.parquet            one row for each scheduler, start and seed
summary.parquet         means of every figure with their intervals
jobs.parquet            one row for each run and job
bounds.parquet          fluid bounds by start and allowance
tasks.parquet           of a single run: one row for each attempt of a task
steps.parquet           of a single run: busy time, energy, signal and cost of each step
sites.parquet           of a run at several sites: one row for each, transfers left out
transfers.parquet       of a run at several sites: one row for each transfer of data
report.html             the same for people
======================  =======================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from joulewright.io.atomic import write_folder
from joulewright.io.exports import parquet_bytes
from joulewright.io.sealed import PACKAGES, is_sealed, json_bytes, refuse_foreign, seals, versions
from joulewright.sim.processes.dag import DagRun

DAG_RUN_SCHEMA = "joulewright/dag-run/1"

_MANIFEST, _FAMILY = "dag.json", "joulewright/dag-run/"
_TABLES = ("runs", "summary", "jobs", "bounds", "tasks", "steps", "sites", "transfers")


def manifest_of(kind: str, facts: Mapping[str, Any], *, command: Sequence[str]) -> dict[str, Any]:
    """Head of a manifest: schema, kind, command, time and versions, then the facts."""
    return {
        "schema_version": DAG_RUN_SCHEMA,
        "kind": kind,
        "command": list(command),
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions((*PACKAGES, "numba")),
        **facts,
    }


def write_dag_folder(
    path: str | Path, manifest: Mapping[str, Any], tables: Mapping[str, pl.DataFrame], *, report: str | None = None
) -> Path:
    """Write a folder; it replaces an earlier one only when it is complete.

    Parameters
    ----------
    path : str or Path
        Folder that is new, empty or an earlier one of the same family.
    manifest : mapping
        From :func:`manifest_of`.
    tables : mapping of str to polars.DataFrame
        Parquet files by name without ending, see the table of the module.
    report : str, optional
        Page for people.

    Raises
    ------
    DataError
        If the path is a file, holds something else, or cannot be written.
    """
    target = Path(path)
    refuse_dag_target(target)
    contents = {f"{name}.parquet": parquet_bytes(frame) for name, frame in tables.items()}
    document = {**manifest, "files": seals(contents)}
    outdated = [*(f"{name}.parquet" for name in _TABLES), "report.html"]
    page = {} if report is None else {"report.html": report.encode("utf-8")}
    write_folder(target, {**contents, **page, _MANIFEST: json_bytes(document, indent=1)}, outdated=outdated)
    return target


def is_dag_run(path: Path) -> bool:
    """Whether a folder holds a run of jobs with precedence."""
    return is_sealed(path, _MANIFEST, _FAMILY)


def refuse_dag_target(path: Path) -> None:
    """Refuse a folder that must not be replaced.

    Raises
    ------
    DataError
        If it holds something else.
    """
    refuse_foreign(path, _MANIFEST, _FAMILY)


def tasks_frame(run: DagRun) -> pl.DataFrame:
    """One row for each attempt of a task: job, stage, task within it, executor, start and finish [ms], failed."""
    jobs: list[str] = []
    stages: list[str] = []
    tasks: list[int] = []
    for job in run.jobs:
        for stage in job.stages:
            jobs += [job.name] * stage.tasks
            stages += [stage.name] * stage.tasks
            tasks += range(stage.tasks)
    kinds = {"job": pl.String, "stage": pl.String, "task": pl.Int64}
    named = pl.DataFrame({"job": jobs, "stage": stages, "task": tasks}, schema=kinds)
    columns = {name: getattr(run, name) for name in ("executor", "start_ms", "finish_ms", "failed")}
    return named.select(pl.all().gather(run.task)).with_columns(
        **{name: pl.Series(values) for name, values in columns.items()}
    )


def steps_frame(run: DagRun) -> pl.DataFrame:
    """One row for each step until the end of the run: busy time, energy, signal and cost."""
    steps = -(-run.makespan_ms // run.signal.step_ms)
    energy, values = run.energy_kwh[:steps], run.signal.values[:steps]
    return pl.DataFrame(
        {
            "start_ms": np.arange(steps) * run.signal.step_ms,
            "busy_ms": run.busy_per_step_ms[:steps],
            "energy_kwh": energy,
            "signal": values,
            "cost": energy * values,
        }
    )
