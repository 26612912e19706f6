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

from pathlib import Path

import numpy as np
import polars as pl

from joulewright.sim.processes.dag import DagRun
from joulewright.study.table_folder import TableFolder

DAG_RUN_SCHEMA = "joulewright/dag-run/1"
DAG_FOLDER = TableFolder(
    manifest="dag.json",
    schema=DAG_RUN_SCHEMA,
    tables=("runs", "summary", "jobs", "bounds", "tasks", "steps", "sites", "transfers"),
)
"""The folder as the table above says."""


def is_dag_run(path: Path) -> bool:
    """Whether a folder holds a run of jobs with precedence."""
    return DAG_FOLDER.holds(path)


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
