"""A schedule in files that a job scheduler, a router and an energy-management system can follow.

Every row is an instruction that holds from ``start`` to ``end`` (UTC, half-open):

=========  ===================================================================================================
record     meaning
=========  ===================================================================================================
job        run ``name`` on ``accelerators`` of ``fleet`` at ``site``; its work ends at ``work_end``
rejected   do not run job ``name``
routing    serve ``token_s`` of service ``name`` from ``region`` on ``accelerators`` of ``fleet`` at ``site``
set point  hold ``quantity`` of component ``name`` at ``power_mw``; ``on`` is the commitment of a generator
=========  ===================================================================================================

``power_mw`` of jobs and routing is IT power. Quantities of set points are ``import``, ``export``, ``unserved``,
``renewable``, ``charge``, ``discharge`` and ``generation``, none negative.

A plan gives an elastic job fractions of accelerators. Rows of jobs hold whole ones, rounded by
:func:`joulewright.io.whole_sizes.whole_sizes` within the range of the job and the accelerators that are free. Set
points are those of the plan, so the load of a step may differ from them by the power of one accelerator for each
elastic job. ``accelerators`` of routing are a mean over the step at full throughput and stay fractions.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any, Literal

import polars as pl

from joulewright.errors import DataError
from joulewright.io.atomic import write_file
from joulewright.io.frames import INSTANT, jobs_frame, routing_frame, set_points_frame
from joulewright.io.whole_sizes import whole_sizes
from joulewright.model import Scenario, Schedule

ExportFormat = Literal["csv", "parquet", "json"]

SCHEDULE_SCHEMA = "joulewright/schedule/1"

_COLUMNS: dict[str, Any] = {
    "record": pl.String,
    "name": pl.String,
    "quantity": pl.String,
    "region": pl.String,
    "site": pl.String,
    "fleet": pl.String,
    "start": INSTANT,
    "end": INSTANT,
    "work_end": INSTANT,
    "accelerators": pl.Float64,
    "token_s": pl.Float64,
    "power_mw": pl.Float64,
    "on": pl.Boolean,
}


def export_schedule(
    path: str | Path, scenario: Scenario, schedule: Schedule, format: ExportFormat | None = None
) -> Path:
    """Write a schedule as CSV, Parquet or JSON.

    Parameters
    ----------
    path : str or Path
        Target file.
    scenario : Scenario
        What was planned.
    schedule : Schedule
        The plan; sizes of elastic jobs are made whole.
    format : {"csv", "parquet", "json"}, optional
        Taken from the ending of ``path`` when absent.

    Returns
    -------
    Path
        The file. CSV and Parquet hold the table described in :mod:`joulewright.io.exports`; JSON holds its rows as
        ``jobs``, ``rejected``, ``routing`` and ``set_points``, without empty cells, and in ``work_change_h`` by how
        much whole accelerators change the work of elastic jobs, as hours at their reference size [h].

    Raises
    ------
    DataError
        If the format is unknown or the file cannot be written; an earlier file is then unchanged.
    """
    target = Path(path)
    chosen = format or target.suffix.lstrip(".").lower()
    frame = schedule_frame(scenario, schedule)
    if chosen == "parquet":
        content = parquet_bytes(frame)
    elif chosen == "csv":
        content = _as_text(frame).write_csv().encode()
    elif chosen == "json":
        content = json.dumps(schedule_document(scenario, schedule), indent=1).encode()
    else:
        raise DataError(f"schedule format {chosen!r} is unknown; use csv, parquet or json")
    write_file(target, content)
    return target


def schedule_frame(scenario: Scenario, schedule: Schedule) -> pl.DataFrame:
    """The schedule as one tidy table, described in :mod:`joulewright.io.exports`."""
    return _instructions(scenario, whole_sizes(scenario, schedule)[0])


def _instructions(scenario: Scenario, schedule: Schedule) -> pl.DataFrame:
    jobs = jobs_frame(scenario, schedule).rename({"job": "name"})
    jobs = jobs.with_columns(pl.col("status").replace({"planned": "job"}).alias("record"))
    routing = routing_frame(scenario, schedule).rename({"service": "name"})
    points = set_points_frame(scenario, schedule).rename({"component": "name"})
    parts = [jobs, routing.with_columns(record=pl.lit("routing")), points.with_columns(record=pl.lit("set point"))]
    whole = pl.concat(parts, how="diagonal")
    return whole.select(pl.col(name).cast(kind) for name, kind in _COLUMNS.items())


def schedule_document(scenario: Scenario, schedule: Schedule) -> dict[str, Any]:
    """The schedule as a JSON document with text instants."""
    schedule, work_change_h = whole_sizes(scenario, schedule)
    rows = _as_text(_instructions(scenario, schedule)).to_dicts()
    by_record: dict[str, list[dict[str, Any]]] = {"job": [], "rejected": [], "routing": [], "set point": []}
    for row in rows:
        by_record[row.pop("record")].append({name: value for name, value in row.items() if value is not None})
    timeline = scenario.timeline
    return {
        "schema_version": SCHEDULE_SCHEMA,
        "scenario": scenario.name,
        "planner": schedule.planner,
        "start": timeline.start.isoformat().replace("+00:00", "Z"),
        "step_s": timeline.step_s,
        "steps": timeline.steps,
        "jobs": by_record["job"],
        "rejected": [row["name"] for row in by_record["rejected"]],
        "routing": by_record["routing"],
        "set_points": by_record["set point"],
        "work_change_h": work_change_h,
    }


def parquet_bytes(frame: pl.DataFrame) -> bytes:
    """A frame as the content of a Parquet file."""
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


def _as_text(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col(INSTANT).dt.strftime("%Y-%m-%dT%H:%M:%SZ"))
