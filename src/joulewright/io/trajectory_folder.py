"""Trajectory folders: what one simulated run did, step by step, in files that can be read again.

===================  ==========================================================================================
file                 content
===================  ==========================================================================================
trajectory.json      schema version, policy, seed, horizon, headline figures, happenings, clips, notes
series.parquet       one row for each site and step: load, flows, stored energy, prices, carbon intensities
schedule.parquet     one row for each run of a job, and for each job that never ran
routing.parquet      one row for each step of every inference route in use
ledger.parquet       every figure of the ledger
state.json           the whole trajectory as a :mod:`joulewright.io.codec` document
state.parquet        its arrays
===================  ==========================================================================================
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from joulewright.account import Ledger, settle
from joulewright.io.atomic import write_folder
from joulewright.io.codec import encode
from joulewright.io.exports import parquet_bytes
from joulewright.io.frames import jobs_frame, routing_frame, series_frame
from joulewright.io.sealed import (
    is_sealed,
    json_bytes,
    read_manifest,
    read_state,
    refuse_foreign,
    seals,
    state_files,
    versions,
)
from joulewright.model import Trajectory

TRAJECTORY_SCHEMA = "joulewright/trajectory/1"

_MANIFEST, _FAMILY = "trajectory.json", "joulewright/trajectory/"


def write_trajectory(path: str | Path, trajectory: Trajectory) -> Path:
    """Write a trajectory folder; it replaces an earlier one and its report only when it is complete.

    Parameters
    ----------
    path : str or Path
        Folder that is new, empty or an earlier trajectory.
    trajectory : Trajectory
        What happened.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    DataError
        If the path is a file, holds other files, or cannot be written.
    """
    target = Path(path)
    refuse_foreign(target, _MANIFEST, _FAMILY)
    scenario, schedule = trajectory.scenario, trajectory.schedule
    ledger = settle(scenario, schedule)
    tables = {
        "series.parquet": series_frame(scenario, schedule),
        "schedule.parquet": jobs_frame(scenario, schedule),
        "routing.parquet": routing_frame(scenario, schedule),
        "ledger.parquet": ledger.frame(),
    }
    contents = {**state_files(trajectory), **{name: parquet_bytes(frame) for name, frame in tables.items()}}
    manifest = {**_manifest(trajectory, ledger), "files": seals(contents)}
    write_folder(target, {**contents, _MANIFEST: json_bytes(manifest, indent=1)}, outdated=("report.html",))
    return target


def read_trajectory(path: str | Path) -> Trajectory:
    """Read a trajectory folder.

    Parameters
    ----------
    path : str or Path
        Folder that :func:`write_trajectory` made.

    Returns
    -------
    Trajectory
        Equal to what was written.

    Raises
    ------
    DataError
        If the folder is missing, is no trajectory, has another schema version, or a file is missing or was changed.
    """
    folder = Path(path)
    manifest = read_manifest(folder, _MANIFEST, TRAJECTORY_SCHEMA, made_by="jw simulate")
    return read_state(Trajectory, folder, manifest)


def is_trajectory(path: Path) -> bool:
    """Whether a folder holds a trajectory of any schema version."""
    return is_sealed(path, _MANIFEST, _FAMILY)


def _manifest(trajectory: Trajectory, ledger: Ledger) -> dict[str, Any]:
    timeline = trajectory.scenario.timeline
    return {
        "schema_version": TRAJECTORY_SCHEMA,
        "name": trajectory.scenario.name,
        "currency": trajectory.scenario.currency,
        "policy": trajectory.policy,
        "seed": trajectory.seed,
        "versions": versions(),
        "horizon": {
            "start": timeline.start.isoformat(),
            "end": timeline.end.isoformat(),
            "step_s": timeline.step_s,
            "steps": timeline.steps,
        },
        "headline": encode(ledger.summary())[0],
        "happenings": encode(trajectory.happenings)[0],
        "clips": encode(trajectory.clips)[0],
        "notes": [*trajectory.notes, *ledger.notes],
    }
