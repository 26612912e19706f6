"""The reference set of data-processing jobs: jobs, signals, schedules and results."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np

from benchmarks.microgrid_year import reference_folder
from joulewright.model.dag import DagJob, DagSignal, DagStage

EXECUTORS = 50
SCHEMES = {
    "spark_fifo": "fifo",
    "dynamic_partition": "fair",
    "green_hadoop": "green-hadoop:forecast=perfect",
    "cap_fifo": "sap:minimum=20,forecast=perfect+fifo",
    "cap_partition": "sap:minimum=20,forecast=perfect+fair",
}
"""Scheduler of each scheme that needs no trained network."""
SOUND = ("spark_fifo", "dynamic_partition")
DEFECTS = {
    "green_hadoop": "the reference reads the renewable share in percent as if it were a fraction",
    "cap_fifo": "the reference counts executors by grants that never fall, hands out one at a time, can stop for ever",
    "cap_partition": "the reference's thresholds lack alpha in their base and it hands out one or two at a time",
}


def folder() -> Path:
    """Where the reference set lies; it may be absent."""
    return reference_folder().parent / "dag" / "fixed_small"


def jobs_of(path: Path) -> tuple[DagJob, ...]:
    """Jobs of a file with exact durations; the name of a job carries its arrival, which makes it unique."""
    document = json.loads(path.read_text(encoding="utf-8"))
    return tuple(
        DagJob(
            name=f"{job['name']}@{job['arrival_ms']}",
            arrival_ms=job["arrival_ms"],
            stages=tuple(
                DagStage(
                    name=str(node["node"]),
                    parents=tuple(map(str, node["parents"])),
                    task_ms=tuple(node["durations_ms"]),
                )
                for node in job["nodes"]
            ),
        )
        for job in document["jobs"]
    )


def signal_of(path: Path) -> DagSignal:
    """Carbon intensity and renewable share, an hour played in a minute."""
    rows = _rows(path)
    return DagSignal(
        step_ms=60_000,
        values=np.array([float(row["carbon_g_per_kwh"]) for row in rows]),
        renewable_fraction=np.array([float(row["renewable_pct"]) for row in rows]) / 100.0,
    )


def results(path: Path) -> list[dict[str, str]]:
    """Rows of runs that finished all jobs."""
    return [row for row in _rows(path) if int(row["n_done"]) == int(row["n_jobs"])]


def schedule(path: Path) -> list[dict[str, str]]:
    """Rows of a reference schedule."""
    return _rows(path)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
