"""Data-processing jobs in files: our JSON and Parquet formats, and tables of measured TPC-H stages.

JSON is one document, ``{"schema_version": "joulewright/dag-jobs/1", "jobs": [...]}``. Parquet has one row per stage
with the same names, those of the job repeated in each of its rows, which follow each other.

================  ===============================================================================================
key of a job      meaning
================  ===============================================================================================
``name``          unique
``arrival_ms``    whole number from 0
``stages``        list, see below (in Parquet the rows; ``job`` is the name there and ``name`` the stage)
``weight``        optional, 1 when absent
``max_executors`` optional
``deadline_ms``   optional; studies count the jobs that miss it, schedulers do not look at it
``home``          optional: name of the site where its input lies
``input_gb``      optional, 0 when absent
================  ===============================================================================================

================  ===============================================================================================
key of a stage    meaning
================  ===============================================================================================
``name``          unique in the job
``parents``       list of names; optional
``task_ms``       list of whole numbers from 1: the duration of each task
``waves``         optional: ``executors``, ``fresh_ms``, ``first_ms`` and ``rest_ms``, lists of equal length; the last
                  three hold lists (in Parquet four columns)
``output_gb``     optional, 0 when absent
================  ===============================================================================================
"""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from joulewright.errors import DataError, ScenarioError
from joulewright.io.atomic import write_file
from joulewright.model.dag import DagJob, DagStage, WaveTable

GZIP_MAGIC = b"\x1f\x8b"
DAG_SCHEMA = "joulewright/dag-jobs/1"

_JOB_KEYS = ("name", "arrival_ms", "stages", "weight", "max_executors", "deadline_ms", "home", "input_gb")
_STAGE_KEYS = ("name", "parents", "task_ms", "waves", "output_gb")
_WAVE_KEYS = ("executors", "fresh_ms", "first_ms", "rest_ms")
_SMALLEST_COUNT = 5


def read_dag_jobs(path: str | Path) -> tuple[DagJob, ...]:
    """Jobs of a file in the format of this module; ``.parquet`` files are Parquet, all others JSON, gzipped or not.

    Raises
    ------
    DataError
        If the file cannot be read.
    ScenarioError
        If it is neither, a key is unknown, missing or of the wrong type, or the jobs themselves are invalid.
    """
    source = Path(path)
    if source.suffix == ".parquet":
        return tuple(_job(item, source.name) for item in _from_rows(source))
    document = _document(source)
    if document.get("schema_version") != DAG_SCHEMA or not isinstance(document.get("jobs"), list):
        raise ScenarioError(
            f"{source.name} has schema_version {document.get('schema_version')!r} and the keys {sorted(document)}; "
            f"expected {DAG_SCHEMA!r} with a list of jobs"
        )
    return tuple(_job(item, source.name) for item in document["jobs"])


def write_dag_jobs(path: str | Path, jobs: Sequence[DagJob]) -> Path:
    """Write jobs as JSON, or as Parquet where the ending is ``.parquet``.

    Raises
    ------
    DataError
        If the file cannot be written; an earlier file is then unchanged.
    """
    target = Path(path)
    if target.suffix == ".parquet":
        buffer = io.BytesIO()
        _frame(jobs).write_parquet(buffer)
        write_file(target, buffer.getvalue())
    else:
        document = {"schema_version": DAG_SCHEMA, "jobs": [_job_document(job) for job in jobs]}
        write_file(target, json.dumps(document, separators=(",", ":")).encode())
    return target


def read_tpch_tables(path: str | Path) -> dict[str, tuple[DagStage, ...]]:
    """Stages of measured queries, from a JSON object of lists of stages by name.

    A stage has ``parents`` (positions), ``num_tasks``, and ``first_wave_ms``, ``rest_wave_ms`` and ``fresh_ms``: lists
    of durations by number of executors. Durations that are fresh are counted among the first ones in such files and are
    taken out of them; a list that is empty then takes that of the next smaller number. Numbers below 5 are left out.

    Returns
    -------
    dict of str to tuple of DagStage
        By name, in the order of the file; put them into jobs with :class:`~joulewright.model.dag.DagJob`.

    Raises
    ------
    DataError
        If the file cannot be read.
    ScenarioError
        If it is no JSON object, or a stage lacks a key or has no durations.
    """
    source = Path(path)
    return {name: _tpch_stages(name, stages) for name, stages in _document(source).items()}


def _document(source: Path) -> dict[str, Any]:
    try:
        content = source.read_bytes()
    except OSError as error:
        raise DataError(f"{source} cannot be read: {error}") from error
    try:
        document = json.loads((gzip.decompress(content) if content[:2] == GZIP_MAGIC else content).decode("utf-8"))
    except json.JSONDecodeError as error:
        raise ScenarioError(f"{source} is not JSON: line {error.lineno}, column {error.colno}: {error.msg}") from error
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise ScenarioError(f"{source} is no text in UTF-8, gzipped or not: {error}") from error
    if not isinstance(document, dict):
        raise ScenarioError(f"{source} holds a {type(document).__name__}; expected an object")
    return document


def _keys(item: Any, place: str, allowed: Sequence[str], needed: Sequence[str]) -> Mapping[str, Any]:
    """The item, if it is an object with the right keys."""
    if not isinstance(item, dict):
        raise ScenarioError(f"{place} is {item!r}; expected an object")
    unknown, missing = sorted(set(item) - set(allowed)), [key for key in needed if item.get(key) is None]
    if unknown or missing:
        found = f"unknown keys {unknown}" if unknown else f"no {missing[0]!r}"
        raise ScenarioError(f"{place} has {found}; it takes {', '.join(allowed)}")
    return item


def _whole(value: Any, place: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ScenarioError(f"{place} is {value!r}; expected a whole number")
    return value


def _number(value: Any, place: str, absent: float) -> float:
    if value is None:
        return absent
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ScenarioError(f"{place} is {value!r}; expected a number")
    return float(value)


def _wholes(values: Any, place: str) -> tuple[int, ...]:
    if not isinstance(values, list):
        raise ScenarioError(f"{place} is {values!r}; expected a list of whole numbers")
    return tuple(_whole(value, place) for value in values)


def _job(item: Any, file: str) -> DagJob:
    name = item.get("name") if isinstance(item, dict) else None
    place = f"job {name!r} of {file}"
    found = _keys(item, place, _JOB_KEYS, ("name", "arrival_ms", "stages"))
    home = found.get("home")
    if home is not None and not isinstance(home, str):
        raise ScenarioError(f"home of {place} is {home!r}; expected the name of a site")
    optional = {
        key: _whole(found[key], f"{key} of {place}")
        for key in ("max_executors", "deadline_ms")
        if found.get(key) is not None
    }
    if not isinstance(found["stages"], list):
        raise ScenarioError(f"stages of {place} are {found['stages']!r}; expected a list")
    return DagJob(
        name=str(name),
        arrival_ms=_whole(found["arrival_ms"], f"arrival_ms of {place}"),
        stages=tuple(_stage(stage, place) for stage in found["stages"]),
        weight=_number(found.get("weight"), f"weight of {place}", 1.0),
        home=home,
        input_gb=_number(found.get("input_gb"), f"input_gb of {place}", 0.0),
        **optional,
    )


def _stage(item: Any, job: str) -> DagStage:
    place = f"stage {item.get('name') if isinstance(item, dict) else item!r} of {job}"
    found = _keys(item, place, _STAGE_KEYS, ("name", "task_ms"))
    parents, waves = found.get("parents"), found.get("waves")
    if not isinstance(parents if parents is not None else [], list):
        raise ScenarioError(f"parents of {place} are {parents!r}; expected a list of names")
    table = None
    if waves is not None:
        lists = _keys(waves, f"waves of {place}", _WAVE_KEYS, _WAVE_KEYS)
        measured = {key: tuple(_wholes(values, f"{key} of {place}") for values in lists[key]) for key in _WAVE_KEYS[1:]}
        table = WaveTable(executors=_wholes(lists["executors"], f"executors of {place}"), **measured)
    return DagStage(
        name=str(found["name"]),
        task_ms=_wholes(found["task_ms"], f"task_ms of {place}"),
        parents=tuple(map(str, parents or ())),
        waves=table,
        output_gb=_number(found.get("output_gb"), f"output_gb of {place}", 0.0),
    )


def _job_document(job: DagJob) -> dict[str, Any]:
    document: dict[str, Any] = {"name": job.name, "arrival_ms": job.arrival_ms, "weight": job.weight}
    optional = ("max_executors", "deadline_ms", "home")
    document |= {key: getattr(job, key) for key in optional if getattr(job, key) is not None}
    document |= {"input_gb": job.input_gb} if job.input_gb else {}
    return document | {"stages": [_stage_document(stage) for stage in job.stages]}


def _stage_document(stage: DagStage) -> dict[str, Any]:
    document: dict[str, Any] = {"name": stage.name, "parents": list(stage.parents), "task_ms": list(stage.task_ms)}
    document |= {"output_gb": stage.output_gb} if stage.output_gb else {}
    if stage.waves is not None:
        table = stage.waves
        document["waves"] = {
            "executors": list(table.executors),
            **{key: [list(values) for values in getattr(table, key)] for key in _WAVE_KEYS[1:]},
        }
    return document


def _frame(jobs: Iterable[DagJob]) -> pl.DataFrame:
    columns: dict[str, Any] = {
        "job": pl.String,
        "arrival_ms": pl.Int64,
        "weight": pl.Float64,
        "max_executors": pl.Int64,
        "deadline_ms": pl.Int64,
        "home": pl.String,
        "input_gb": pl.Float64,
        "name": pl.String,
        "parents": pl.List(pl.String),
        "task_ms": pl.List(pl.Int64),
        "output_gb": pl.Float64,
        "executors": pl.List(pl.Int64),
        **dict.fromkeys(_WAVE_KEYS[1:], pl.List(pl.List(pl.Int64))),
    }
    rows = []
    for job in jobs:
        facts = _job_document(job)
        for stage in facts.pop("stages"):
            waves = stage.pop("waves", {})
            rows.append(dict.fromkeys(columns) | facts | {"job": job.name} | stage | waves)
    return pl.DataFrame(rows, schema=columns)


def _from_rows(source: Path) -> list[dict[str, Any]]:
    """Jobs as in JSON from the rows of a Parquet file."""
    try:
        rows = pl.read_parquet(source).to_dicts()
    except OSError as error:
        raise DataError(f"{source} cannot be read: {error}") from error
    except pl.exceptions.PolarsError as error:
        raise ScenarioError(f"{source} is no Parquet file: {error}") from error
    jobs: list[dict[str, Any]] = []
    for row in rows:
        place = f"a row of {source.name}"
        _keys(row, place, ("job", *_JOB_KEYS, *_STAGE_KEYS, *_WAVE_KEYS), ("job", "arrival_ms", "name", "task_ms"))
        waves = {key: row.pop(key, None) for key in _WAVE_KEYS}
        stage = {key: row.pop(key, None) for key in ("name", "parents", "task_ms", "output_gb")}
        if waves["executors"] is not None:
            stage["waves"] = waves
        row["name"] = row.pop("job")
        if not jobs or jobs[-1]["name"] != row["name"]:
            jobs.append(row | {"stages": []})
        jobs[-1]["stages"].append(stage)
    return jobs


def _tpch_stages(name: str, stages: Any) -> tuple[DagStage, ...]:
    needed = ("parents", "num_tasks", "first_wave_ms", "rest_wave_ms", "fresh_ms")
    made = []
    for position, item in enumerate(stages):
        place = f"stage {position} of {name!r}"
        found = _keys(item, place, (*needed, *item), needed)
        kinds = [{int(count): values for count, values in found[key].items()} for key in needed[2:]]
        counts = sorted(count for count in kinds[0] if count >= _SMALLEST_COUNT)
        table = _tpch_table(counts, *kinds)
        every = [value for lists in kinds for values in lists.values() for value in values]
        if not every or not table.executors:
            raise ScenarioError(f"{place} has no durations at {_SMALLEST_COUNT} executors or more; found {counts}")
        expected = max(1, round(sum(every) / len(every)))
        made.append(
            DagStage(
                name=str(position),
                parents=tuple(str(parent) for parent in found["parents"]),
                task_ms=(expected,) * int(found["num_tasks"]),
                waves=table,
            )
        )
    return tuple(made)


def _tpch_table(counts: Sequence[int], first: Any, rest: Any, fresh: Any) -> WaveTable:
    latest: tuple[int, ...] = ()
    kept: list[tuple[int, tuple[int, ...], tuple[int, ...], tuple[int, ...]]] = []
    for count in counts:
        new = fresh.get(count, [])
        latest = tuple((Counter(first[count]) - Counter(new)).elements()) or latest
        if latest or new:
            kept.append((count, tuple(new), latest, tuple(rest.get(count, []))))
    return WaveTable(
        executors=tuple(row[0] for row in kept),
        fresh_ms=tuple(row[1] for row in kept),
        first_ms=tuple(row[2] for row in kept),
        rest_ms=tuple(row[3] for row in kept),
    )
