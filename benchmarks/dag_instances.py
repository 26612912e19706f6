"""Data-processing jobs of measured queries with one duration per task, and a year's carbon intensity of a grid."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.instances import grid_folder, read_zone
from joulewright.model.dag import DagJob, DagSignal, DagStage

STEP_MS = 60_000
"""An hour of the signal is played in a minute."""
LEAD_STEPS = 24
"""Hours of signal before the first job, so that forecasts from the past have one."""
ZONES = ("CA-ON", "DE-LU", "US-CAL-CISO", "US-MIDA-PJM", "US-TEX-ERCO")

_SIZES = ("2g", "10g", "50g")
_QUERIES = 22
_MEAN_GAP_MS = 30_000


def tables() -> Path:
    """Measured stages of the queries; the file may be absent."""
    return grid_folder().parent / "dag" / "tpch_dags_2g_10g_50g.json"


def drawn_jobs(path: Path, *, draw: int, count: int, lead_ms: int = 0) -> tuple[DagJob, ...]:
    """Jobs with Poisson arrivals and exact durations, as the reference set of small instances draws them.

    Parameters
    ----------
    path : Path
        See :func:`tables`.
    draw : int
        Which draw; 0 to 2 with 11 jobs are the jobs of the reference set.
    count : int
        Jobs; the first arrives at ``lead_ms``, the others after gaps of 30 s on average.
    lead_ms : int
        Added to every arrival [ms].
    """
    measured, random = _read(path), np.random.RandomState(10_000_000 + draw)
    jobs, arrival_ms = [], lead_ms
    for number in range(count):
        arrival_ms += int(random.exponential(_MEAN_GAP_MS)) if number else 0
        # The first job draws its query before its size, the others after it.
        size = random.randint(len(_SIZES)) if number else None
        query = random.randint(_QUERIES) + 1
        size = random.randint(len(_SIZES)) if size is None else size
        name = f"{_SIZES[size]}-{query}"
        stages = tuple(
            _stage(
                str(position), facts, np.random.RandomState((draw * 1_000_003 + number * 1009 + position * 31) % 2**32)
            )
            for position, facts in enumerate(measured[name])
        )
        jobs.append(DagJob(name=f"{name}@{arrival_ms}", arrival_ms=arrival_ms, stages=stages))
    return tuple(jobs)


def zone_signal(zone: str, start: int, steps: int) -> DagSignal:
    """Direct carbon intensity of a zone in 2022 from hour ``start`` on [g/kWh]."""
    values = _intensity(grid_folder(), zone)[start : start + steps]
    return DagSignal(step_ms=STEP_MS, values=values)


def german_signal(start: int, steps: int) -> DagSignal:
    """Carbon intensity that the reference set plays, Germany 2021, from hour ``start`` on [g/kWh]."""
    with (tables().parent / "DE_2021H1_carbon.csv").open(newline="", encoding="utf-8") as file:
        values = [float(row["carbon_intensity_avg"]) for row in csv.DictReader(file)]
    return DagSignal(step_ms=STEP_MS, values=np.array(values[start : start + steps]))


@lru_cache(maxsize=2)
def _read(path: Path) -> Mapping[str, Any]:
    tables: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return tables


@lru_cache(maxsize=8)
def _intensity(folder: Path, zone: str) -> np.ndarray:
    return read_zone(folder, zone, 2022).columns["ci_direct_g_kwh"]


def _stage(name: str, facts: Mapping[str, Any], random: np.random.RandomState) -> DagStage:
    durations = _durations(facts)
    return DagStage(
        name=name,
        parents=tuple(map(str, facts["parents"])),
        task_ms=tuple(int(durations[random.randint(len(durations))]) for _ in range(facts["num_tasks"])),
    )


def _durations(facts: Mapping[str, Any]) -> list[int]:
    """Durations of later waves at the most executors, else of first waves less the fresh ones, else fresh ones [ms]."""
    counts = sorted(map(int, facts["first_wave_ms"]))
    first: list[int] = []
    for count in counts:
        kept = list(facts["first_wave_ms"][str(count)])
        for value in facts["fresh_ms"].get(str(count), []):
            if value in kept:
                kept.remove(value)
        first = kept or first
    most = str(counts[-1])
    return facts["rest_wave_ms"].get(most) or first or facts["fresh_ms"][most]
