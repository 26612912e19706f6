"""Mean completion time of the learned scheduler against the plain ones, on job sequences that it never saw."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.dag_instances import tables
from benchmarks.dag_reference import EXECUTORS, folder, jobs_of
from benchmarks.registry import Measurement, case
from joulewright.data.dag_generator import generate_dag_jobs
from joulewright.io.dag_files import read_tpch_tables
from joulewright.model.dag import DagCluster, DagJob
from joulewright.model.timeline import FloatArray
from joulewright.policy.dag import make_dag_scheduler
from joulewright.policy.dag.learned import about_network
from joulewright.study.dag_training.cases import HELD_OUT, KINDS, TrainingCase, training_case
from joulewright.study.statistics import estimate

LEARNED = "learned"
OTHERS = ("fifo", "fair", "weighted-fair", "shortest-work", "critical-path")
_SEED = 2_000_000
_LARGE_JOBS, _LARGE_EXECUTORS, _LARGE_LOAD = 40, 60, 1.0
_QUERIES, _QUERY_GAP_MS = 20, 30_000.0


@case("dag-learned", "Mean completion time of the learned DAG scheduler against fifo, fair, shortest work and others")
def measure(smoke: bool) -> Measurement:
    """Geometric means of ratios over sequences, with 95 % intervals; below one the learned scheduler is faster."""
    count = 2 if smoke else 60
    sets = {
        "generated": [training_case(_SEED, number, HELD_OUT) for number in range(0, 2 * count, 2)],
        "generated_waves": [training_case(_SEED, number, HELD_OUT) for number in range(1, 2 * count, 2)],
        "large": [_large(number, waves=False) for number in range(1 if smoke else 15)],
        "large_waves": [_large(number, waves=True) for number in range(1 if smoke else 15)],
        "fixed_small": _fixed_small(),
        "tpch": _queries(1 if smoke else 20),
    }
    ratios: dict[str, float | None] = {}
    figures: dict[str, float | None] = {}
    conditions: dict[str, Any] = {"learned": dict(about_network()), "sequences": {k: len(v) for k, v in sets.items()}}
    for name, cases in sets.items():
        found = _compare(cases)
        figures |= {f"{key}_{name}": value for key, value in found[0].items()}
        ratios |= {f"{key}_{name}": value for key, value in found[1].items()}
    return Measurement(figures=figures, ratios=ratios, conditions=conditions)


def _compare(cases: Sequence[TrainingCase]) -> tuple[Mapping[str, float | None], Mapping[str, float | None]]:
    """Figures, and ratios of the learned scheduler to each other one and to the best of them on average."""
    names = [f"{LEARNED}_vs_{other}{end}" for other in (*OTHERS, "best") for end in ("", "_low", "_high")]
    ratios: dict[str, float | None] = dict.fromkeys(names)
    if not cases:
        return {"answers_per_s": None, "mean_completion_s": None}, ratios
    begun, answers, own = time.process_time(), 0, []
    for item in cases:
        run = item.run(make_dag_scheduler(LEARNED))
        answers += run.answers
        own.append(float(run.completion_times_ms.mean()))
    taken_s = time.process_time() - begun
    logs = {other: np.log(own) - np.log(_times(cases, other)) for other in OTHERS}
    # The best plain scheduler of a set is known only afterwards, which favours it.
    logs["best"] = max(logs.values(), key=lambda values: float(values.mean()))
    for other, values in logs.items():
        interval = estimate(values)
        ratios[f"{LEARNED}_vs_{other}"] = float(np.exp(interval.mean))
        if interval.low is not None and interval.high is not None:
            ratios[f"{LEARNED}_vs_{other}_low"] = float(np.exp(interval.low))
            ratios[f"{LEARNED}_vs_{other}_high"] = float(np.exp(interval.high))
    return {"answers_per_s": answers / taken_s, "mean_completion_s": float(np.mean(own)) / 1000.0}, ratios


def _times(cases: Sequence[TrainingCase], name: str) -> FloatArray:
    """Mean completion time of each case [ms], shape ``(C,)``."""
    scheduler = make_dag_scheduler(name)
    return np.array([item.run(scheduler).completion_times_ms.mean() for item in cases])


def _large(number: int, *, waves: bool) -> TrainingCase:
    """More jobs on more executors than were trained on."""
    kind, seed = KINDS[number % len(KINDS)], _SEED + number
    made = generate_dag_jobs(kind, jobs=_LARGE_JOBS, seed=seed, waves=waves)
    gap_ms = float(np.mean([job.work_ms for job in made])) / (_LARGE_EXECUTORS * _LARGE_LOAD)
    jobs = generate_dag_jobs(kind, jobs=_LARGE_JOBS, seed=seed, mean_gap_ms=gap_ms, waves=waves)
    return TrainingCase(jobs=jobs, cluster=DagCluster(executors=_LARGE_EXECUTORS), seed=number)


def _fixed_small() -> list[TrainingCase]:
    """Sequences of the reference set, with exact durations; none where it is absent."""
    files = sorted(folder().glob("jobs_exp*.json"))
    return [TrainingCase(jobs=jobs_of(path), cluster=DagCluster(executors=EXECUTORS), seed=0) for path in files]


def _queries(count: int) -> list[TrainingCase]:
    """Random queries with measured durations that arrive at random; none where the tables are absent."""
    if not tables().exists():
        return []
    measured = read_tpch_tables(tables())
    names, found = sorted(measured), []
    for number in range(count):
        random = np.random.default_rng([_SEED, number])
        arrivals = np.append(0.0, np.cumsum(random.exponential(_QUERY_GAP_MS, _QUERIES - 1))).astype(int).tolist()
        picks = random.choice(names, _QUERIES).tolist()
        jobs = tuple(
            DagJob(name=f"{pick}@{at}", arrival_ms=arrival, stages=measured[pick])
            for at, (pick, arrival) in enumerate(zip(picks, arrivals))
        )
        found.append(TrainingCase(jobs=jobs, cluster=DagCluster(executors=EXECUTORS), seed=number))
    return found
