"""How far DAG runs are from the reference set: carbon of every scheme, times of every task, recomputed carbon."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.dag_reference import DEFECTS, EXECUTORS, SCHEMES, SOUND, folder, jobs_of, results, schedule, signal_of
from benchmarks.registry import Measurement, case
from joulewright.model.dag import DagCluster, DagJob, DagSignal
from joulewright.policy.dag import make_dag_scheduler
from joulewright.sim.processes.dag import DagRun, price_runs, simulate_dag

_MS_PER_HOUR = 60_000.0


@case("dag-parity", "Largest difference of DAG runs to reference runs: carbon, task times and recomputed carbon")
def measure(smoke: bool) -> Measurement:
    """Run every scheme on every instance; schemes without a sound reference rule are documented differences."""
    names = [f"max_rel_carbon_{scheme}" for scheme in SCHEMES]
    figures: dict[str, float | None] = dict.fromkeys([*names, "max_rel_recomputed", "wrong_task_times"])
    where = folder()
    if not (where / "results.csv").exists():
        return Measurement(figures=figures, conditions={"reference": "not measured: the reference set is absent"})
    expected = results(where / "results.csv")
    starts = sorted({row["start"] for row in expected if (where / f"carbon_start{row['start']}.csv").exists()}, key=int)
    signals = {start: signal_of(where / f"carbon_start{start}.csv") for start in starts}
    exps = ["0"] if smoke else ["0", "1", "2"]
    jobs = {exp: jobs_of(where / f"jobs_exp{exp}.json") for exp in exps}
    runs = 0
    for row in expected:
        scheme = row["scheme"]
        if scheme not in SCHEMES or row["exp"] not in jobs or row["start"] not in signals:
            continue
        found = _run(scheme, jobs[row["exp"]], signals[row["start"]])
        wanted = float(row["carbon_exec_hours_x_g"])
        key = f"max_rel_carbon_{scheme}"
        figures[key] = max(figures[key] or 0.0, abs(found.cost - wanted) / wanted)
        runs += 1
    carbon = {row["scheme"]: float(row["carbon_ms_g_per_kwh"]) for row in _first(expected)}
    figures["max_rel_recomputed"] = max(
        abs(_recomputed(scheme, signals["0"]) - value / _MS_PER_HOUR) / (value / _MS_PER_HOUR)
        for scheme, value in carbon.items()
    )
    figures["wrong_task_times"] = float(sum(_wrong_times(scheme, jobs["0"], signals["0"]) for scheme in SOUND))
    conditions: dict[str, Any] = {
        "runs": runs,
        "starts": starts,
        "executors": EXECUTORS,
        "documented_differences": DEFECTS,
        "recomputed_schedules": sorted(carbon),
    }
    return Measurement(figures=figures, conditions=conditions)


def _first(expected: list[dict[str, str]]) -> list[dict[str, str]]:
    return [row for row in expected if row["start"] == "0" and row["exp"] == "0"]


def _run(scheme: str, jobs: tuple[DagJob, ...], signal: DagSignal) -> DagRun:
    return simulate_dag(jobs, DagCluster(executors=EXECUTORS), signal, make_dag_scheduler(SCHEMES[scheme]))


def _recomputed(scheme: str, signal: DagSignal) -> float:
    rows = schedule(folder() / f"schedule_{scheme}_start0_exp0.csv")
    return price_runs([int(row["start_ms"]) for row in rows], [int(row["finish_ms"]) for row in rows], signal)


def _wrong_times(scheme: str, jobs: tuple[DagJob, ...], signal: DagSignal) -> int:
    """Tasks whose executor, start or finish differs."""
    found = _run(scheme, jobs, signal)
    keys = [(job.name, stage.name, str(task)) for job in jobs for stage in job.stages for task in range(stage.tasks)]
    times = np.column_stack([found.executor, found.start_ms, found.finish_ms]).tolist()
    mine = {keys[task]: time for task, time in zip(found.task.tolist(), times)}
    rows = schedule(folder() / f"schedule_{scheme}_start0_exp0.csv")
    wanted = {
        (f"{row['job']}@{row['arrival_ms']}", row["node"], row["task"]): [
            int(row["executor"]),
            int(row["start_ms"]),
            int(row["finish_ms"]),
        ]
        for row in rows
    }
    return sum(mine.get(key) != value for key, value in wanted.items()) + abs(len(mine) - len(wanted))
