"""DAG runs against reference runs: executors and times of every task, carbon, steps and bounds."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.case_dag_parity import measure
from benchmarks.case_dag_speed import measure as measure_speed
from benchmarks.dag_reference import SOUND, jobs_of, results, signal_of

from joulewright.model.dag import DagCluster
from joulewright.policy.dag import make_dag_scheduler
from joulewright.sim.processes.dag import fluid_bound, simulate_dag

SMALL = "reference/dag/fixed_small"


def test_carbon_and_times_of_the_reference(shared: Path) -> None:
    assert (shared / SMALL).is_dir()
    found = measure(False)
    for scheme in SOUND:
        assert (found.figures[f"max_rel_carbon_{scheme}"] or 0.0) < 1e-12
    assert found.figures["max_rel_recomputed"] is not None
    assert found.figures["max_rel_recomputed"] < 1e-12
    assert found.figures["wrong_task_times"] == 0.0


@pytest.mark.parametrize("engine", ["plain", "compiled"])
@pytest.mark.parametrize(("scheme", "name"), [("spark_fifo", "fifo"), ("dynamic_partition", "fair")])
def test_ends_and_answers_of_the_reference(shared: Path, engine: str, scheme: str, name: str) -> None:
    folder = shared / SMALL
    rows = [row for row in results(folder / "results.csv") if row["scheme"] == scheme and row["start"] == "0"]
    assert len(rows) == 3
    signal = signal_of(folder / "carbon_start0.csv")
    for row in rows:
        jobs = jobs_of(folder / f"jobs_exp{row['exp']}.json")
        run = simulate_dag(
            jobs,
            DagCluster(executors=50),
            signal,
            make_dag_scheduler(name),
            engine=engine,  # type: ignore[arg-type]
        )
        assert run.makespan_ms == float(row["ect_ms"])
        assert run.completion_times_ms.mean() == pytest.approx(float(row["mean_jct_ms"]), rel=1e-12)
        assert run.answers == int(row["steps"])
        assert run.busy_ms == int(row["busy_exec_ms"])
        figures = run.figures()
        assert figures["p95_completion_ms"] == pytest.approx(float(row["p95_jct_ms"]), rel=1e-12)


#: Published bounds for the signal that starts at row 0: (exp, hours beyond the end of FIFO) to bound.
BOUNDS = {("0", 0): 59906.3588, ("0", 24): 54629.5109, ("1", 0): 35643.6029, ("2", 24): 38780.9411}


@pytest.mark.parametrize(("exp", "more_h"), BOUNDS)
def test_bounds_of_the_reference(shared: Path, exp: str, more_h: int) -> None:
    folder = shared / SMALL
    jobs, signal = jobs_of(folder / f"jobs_exp{exp}.json"), signal_of(folder / "carbon_start0.csv")
    cluster = DagCluster(executors=50)
    end_ms = simulate_dag(jobs, cluster, signal, make_dag_scheduler("fifo")).makespan_ms
    bound = fluid_bound(jobs, cluster, signal, end_ms + more_h * signal.step_ms)
    assert bound.cost == pytest.approx(BOUNDS[exp, more_h], abs=1e-4)


def test_the_speed_case_measures_equal_runs() -> None:
    found = measure_speed(True)
    assert found.conditions["events"] > found.conditions["tasks"]
    assert all(value is not None and value > 0.0 for value in found.ratios.values())
