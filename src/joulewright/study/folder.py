"""Study folders: every run of a study and what they say, in files that can be read again.

==================  ===========================================================================================
file                content
==================  ===========================================================================================
study.json          schema version, command, versions, what was asked for, means, differences, one row per run
outcomes.parquet    one row for each run: variant, policy, seed, year, status, figures, regret, CPU time, error
state.json          the whole result as a :mod:`joulewright.io.codec` document
state.parquet       its arrays
runs/NAME           trajectories, see :mod:`joulewright.io.trajectory_folder`; only where they were asked for
==================  ===========================================================================================
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from joulewright.io.atomic import write_folder
from joulewright.io.codec import encode
from joulewright.io.exports import parquet_bytes
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
from joulewright.io.trajectory_folder import write_trajectory
from joulewright.model import Trajectory
from joulewright.study.result import RunKey, RunOutcome, StudyResult

STUDY_SCHEMA = "joulewright/study/1"

_MANIFEST, _FAMILY, _RUNS = "study.json", "joulewright/study/", "runs"


def write_study(path: str | Path, study: StudyResult, *, command: Sequence[str] = ()) -> Path:
    """Write a study folder; it replaces an earlier one, its trajectories and its report only when it is complete.

    Parameters
    ----------
    path : str or Path
        Folder that is new, empty or an earlier study.
    study : StudyResult
        What was found.
    command : sequence of str
        Command line that made it.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    DataError
        If the path is a file, holds other files than a study, or cannot be written.
    """
    target = Path(path)
    refuse_study_target(target)
    contents = {**state_files(study), "outcomes.parquet": parquet_bytes(outcomes_frame(study))}
    manifest = {**_manifest(study, list(command)), "files": seals(contents)}
    outdated = (_RUNS, "report.html")
    write_folder(target, {**contents, _MANIFEST: json_bytes(manifest, indent=1)}, outdated=outdated)
    return target


def refuse_study_target(path: Path) -> None:
    """Refuse a folder that a study must not replace.

    Raises
    ------
    DataError
        If it holds something else than a study.
    """
    refuse_foreign(path, _MANIFEST, _FAMILY)


def write_trajectories(
    path: Path, study: StudyResult, trajectory_of: Callable[[RunOutcome], Trajectory | None]
) -> list[Path]:
    """Write the trajectory of every run that has one below a study folder, one after the other.

    Parameters
    ----------
    path : Path
        The study folder.
    study : StudyResult
        Whose runs.
    trajectory_of : callable
        Gives the trajectory of an outcome, or None.

    Returns
    -------
    list of Path
        Folders written.
    """
    names = run_names(study)
    written = []
    for outcome in study.outcomes:
        trajectory = trajectory_of(outcome)
        if trajectory is not None:
            written.append(write_trajectory(path / _RUNS / names[outcome.key], trajectory))
    return written


def read_study(path: str | Path) -> StudyResult:
    """Read a study folder.

    Raises
    ------
    DataError
        If the folder is missing, is no study, has another schema version, or a file is missing or was changed.
    """
    folder = Path(path)
    return read_state(StudyResult, folder, read_manifest(folder, _MANIFEST, STUDY_SCHEMA, made_by="jw simulate"))


def is_study(path: Path) -> bool:
    """Whether a folder holds a study of any schema version."""
    return is_sealed(path, _MANIFEST, _FAMILY)


def run_names(study: StudyResult) -> dict[RunKey, str]:
    """Folder name of every run: its key without signs that file systems mind, numbered where two are alike.

    Examples
    --------
    >>> _plain("receding-horizon:window_h=48, seed 3")
    'receding-horizon-window_h=48-seed-3'
    """
    found: dict[RunKey, str] = {}
    for outcome in study.outcomes:
        name, number = _plain(str(outcome.key)), 2
        while name in found.values():
            name, number = f"{_plain(str(outcome.key))}-{number}", number + 1
        found[outcome.key] = name
    return found


def _plain(text: str) -> str:
    return re.sub(r"[^\w.=+-]+", "-", text).strip("-.")[:150]


def outcomes_frame(study: StudyResult) -> pl.DataFrame:
    """One row for each run: key, status, every figure, regret, CPU time, and why it failed."""
    names = dict.fromkeys(name for outcome in study.outcomes for name in outcome.figures)
    rows = [_row(outcome, names) for outcome in study.outcomes]
    schema: dict[str, Any] = {
        "variant": pl.String,
        "policy": pl.String,
        "seed": pl.Int64,
        "year": pl.Int64,
        "status": pl.String,
        **dict.fromkeys(names, pl.Float64),
        **dict.fromkeys(("regret", "regret_fraction", "cpu_s"), pl.Float64),
        "cached": pl.Boolean,
        "error": pl.String,
        "input_sha256": pl.String,
    }
    return pl.DataFrame(rows, schema=schema)


def _row(outcome: RunOutcome, names: Mapping[str, None]) -> dict[str, Any]:
    key = outcome.key
    figures = {name: outcome.figures.get(name) for name in names}
    return {
        **{"variant": key.variant, "policy": key.policy, "seed": key.seed, "year": key.year, "status": outcome.status},
        **{name: None if value is None else float(value) for name, value in figures.items()},
        **{name: getattr(outcome, name) for name in ("regret", "regret_fraction", "cpu_s", "cached", "error")},
        "input_sha256": outcome.input_sha256,
    }


def _manifest(study: StudyResult, command: list[str]) -> dict[str, Any]:
    names = ("variants", "policies", "seeds", "years", "forecast", "summaries", "comparisons", "notes", "provenance")
    timeline, runs = study.timeline, run_names(study)
    listed = [
        {"name": runs[outcome.key], **_row(outcome, {}), "jobs": encode(outcome.jobs)[0]} for outcome in study.outcomes
    ]
    return {
        "schema_version": STUDY_SCHEMA,
        "name": study.name,
        "currency": study.currency,
        "command": command,
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions(),
        "horizon": {"start": timeline.start.isoformat(), "end": timeline.end.isoformat(), "step_s": timeline.step_s},
        **{name: encode(getattr(study, name))[0] for name in names},
        "runs": encode(listed)[0],
    }
