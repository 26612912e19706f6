"""Jobs with precedence from wherever they come: files of several formats, Spark logs, or the shipped generator."""

from __future__ import annotations

import dataclasses
import hashlib
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from joulewright.data.dag_generator import generate_dag_jobs
from joulewright.errors import DataError, ScenarioError
from joulewright.io.dag_files import GZIP_MAGIC, read_dag_jobs, read_tpch_tables
from joulewright.model.dag import DagJob, DagStage, WaveTable

GENERATED = "generated:"
_HEAD_BYTES = 4096
_GZIP_WINDOW = 16 + zlib.MAX_WBITS
_PACKED = (".gz", ".zstd")
_DRAWN = {"jobs": "20", "seed": "1", "gap_ms": "30000", "waves": "false"}


@dataclass(frozen=True, kw_only=True)
class DagInput:
    """Jobs and where they are from.

    Attributes
    ----------
    jobs : tuple of DagJob
        Shape ``(J,)``.
    name : str
        What a person gave: a file, or the kind that was generated.
    kind : {"generated", "jobs", "spark", "tables"}
        Format that was found.
    sha256 : str
        Of the file; empty for generated jobs and folders.
    notes : tuple of str
        What was assumed or left out.
    """

    jobs: tuple[DagJob, ...]
    name: str
    kind: str
    sha256: str = ""
    notes: tuple[str, ...] = ()

    @property
    def compressed(self) -> bool:
        """Whether the jobs are short ones that usually meet a signal played fast: an hour in a minute."""
        return self.kind in ("generated", "tables")

    @property
    def exact(self) -> bool:
        """Whether every task has one duration, whoever schedules it."""
        return is_exact(self.jobs)


def is_exact(jobs: Sequence[DagJob]) -> bool:
    """Whether no stage has durations that depend on the number of executors."""
    return all(stage.waves is None for job in jobs for stage in job.stages)


def read_dag_input(text: str, draw: str = "") -> DagInput:
    """Jobs that a text names; formats are told apart by content, gzipped or not.

    Parameters
    ----------
    text : str
        ``generated:KIND,jobs=20,seed=1,gap_ms=30000,waves=false`` with a kind of
        :func:`~joulewright.data.dag_generator.generate_dag_jobs`, or a path: our JSON or Parquet format
        (:mod:`joulewright.io.dag_files`), a Spark event log (a file, packed or not, or a folder), or a table of
        measured TPC-H stages.
    draw : str
        For a table only: how jobs are drawn from it, the same options as behind ``KIND``.

    Raises
    ------
    DataError
        If the file cannot be read.
    ScenarioError
        If the jobs are invalid, or an option is unknown.

    Examples
    --------
    >>> found = read_dag_input("generated:fork-join,jobs=3,seed=2")
    >>> found.kind, len(found.jobs), found.exact
    ('generated', 3, True)
    """
    if text.startswith(GENERATED):
        if draw:
            raise ScenarioError(f"jobs that are generated take their options behind the kind: {text},{draw}")
        kind, _, rest = text.removeprefix(GENERATED).partition(",")
        options = _options(rest, text)
        jobs = generate_dag_jobs(kind.strip(), mean_gap_ms=options.pop("gap_ms"), **options)
        return DagInput(jobs=jobs, name=text, kind="generated", notes=("The jobs are made up, not measured.",))
    path = Path(text)
    head = "" if path.is_dir() else _head(path)
    if path.is_dir() or '"Event"' in head or (path.suffix in _PACKED and not head.lstrip().startswith("{")):
        found = _spark(path)
    elif '"first_wave_ms"' in head:
        found = _tables(path, draw)
    else:
        found = DagInput(jobs=read_dag_jobs(path), name=str(path), kind="jobs")
    if draw and found.kind != "tables":
        raise ScenarioError(f"{path} holds jobs, not a table to draw from; leave {draw!r} out")
    return found if path.is_dir() else dataclasses.replace(found, sha256=hashlib.sha256(path.read_bytes()).hexdigest())


def jobs_from_tables(
    tables: Mapping[str, Sequence[DagStage]], *, jobs: int, seed: int, gap_ms: float, waves: bool
) -> tuple[DagJob, ...]:
    """Queries of a table drawn with equal chance, at exponential times; the first arrives at 0.

    Parameters
    ----------
    tables : mapping of str to sequence of DagStage
        As :func:`~joulewright.io.dag_files.read_tpch_tables` gives them.
    jobs, seed : int
        How many, and of which draw; equal seeds give equal jobs.
    gap_ms : float
        Mean time between arrivals [ms].
    waves : bool
        True keeps durations that depend on the number of executors; else every task gets one of those measured at the
        greatest number, later ones of a stage where there are any, so that work does not depend on the scheduler.

    Raises
    ------
    ScenarioError
        If there is nothing to draw, or a number is out of range.
    """
    if not tables or jobs < 1 or seed < 0 or not 0.0 <= gap_ms < np.inf:
        raise ScenarioError(
            f"{jobs!r} jobs of {len(tables)} queries with a gap of {gap_ms!r} ms and seed {seed!r}; give at least "
            "1 job and 1 query, and a gap and a seed of at least 0"
        )
    names, arrival, made = list(tables), 0, []
    for number in range(jobs):
        random = np.random.default_rng([seed, number])
        arrival += int(random.exponential(gap_ms)) if number else 0
        name = names[int(random.integers(len(names)))]
        stages = tuple(stage if waves else _exact(stage, random) for stage in tables[name])
        made.append(DagJob(name=f"{name}@{number}", arrival_ms=arrival, stages=stages))
    return tuple(made)


def _exact(stage: DagStage, random: np.random.Generator) -> DagStage:
    table: WaveTable | None = stage.waves
    if table is None:
        return stage
    measured = table.rest_ms[-1] or table.first_ms[-1] or table.fresh_ms[-1]
    drawn = random.choice(np.array(measured), stage.tasks).tolist()
    return DagStage(name=stage.name, parents=stage.parents, task_ms=tuple(drawn))


def _head(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_HEAD_BYTES)
    except OSError as error:
        known = f"a file, or {GENERATED}tpch-like,jobs=20,seed=1"
        raise DataError(f"the jobs {str(path)!r} cannot be read: {error.strerror or error}; give {known}") from error
    if content[:2] == GZIP_MAGIC:
        try:
            content = zlib.decompressobj(_GZIP_WINDOW).decompress(content, _HEAD_BYTES)
        except zlib.error:
            return ""
    return content.decode("utf-8", errors="replace")


def _tables(path: Path, draw: str) -> DagInput:
    options = _options(draw, draw)
    jobs = jobs_from_tables(read_tpch_tables(path), **options)
    chosen = ", ".join(f"{key}={str(value).lower()}" for key, value in options.items())
    note = f"{path.name} is a table of measured queries; jobs were drawn from it with {chosen}."
    return DagInput(jobs=jobs, name=str(path), kind="tables", notes=(note,))


def _spark(path: Path) -> DagInput:
    from joulewright.io.spark_events import read_spark_events

    log = read_spark_events(path)
    notes = list(log.notes)
    if log.unreadable:
        notes.insert(
            0, f"Lines of {path.name} that cannot be read: {len(log.unreadable)}, the first {log.unreadable[0]}"
        )
    return DagInput(jobs=log.jobs, name=str(path), kind="spark", notes=tuple(notes))


def _options(text: str, shown: str) -> dict[str, Any]:
    """Options of a draw, defaults filled in."""
    given: dict[str, str] = {}
    for item in filter(None, text.split(",")):
        key, equals, value = (part.strip() for part in item.partition("="))
        if not equals or key not in _DRAWN:
            close = get_close_matches(key, _DRAWN, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(_DRAWN)}"
            raise ScenarioError(f"{item!r} in {shown!r} is no option of a draw; {hint}")
        given[key] = value
    chosen = _DRAWN | given
    if chosen["waves"] not in ("true", "false"):
        raise ScenarioError(f"waves is {chosen['waves']!r} in {shown!r}; allowed are true and false")
    numbers = {key: _number(key, chosen[key], shown) for key in ("jobs", "seed", "gap_ms")}
    whole = {key: int(numbers[key]) for key in ("jobs", "seed")}
    return {**whole, "gap_ms": numbers["gap_ms"], "waves": chosen["waves"] == "true"}


def _number(key: str, text: str, shown: str) -> float:
    try:
        return float(text) if key == "gap_ms" else int(text)
    except ValueError as error:
        raise ScenarioError(f"{key} is {text!r} in {shown!r}; expected a number") from error
