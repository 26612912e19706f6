"""DAG jobs in files and generated ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from joulewright.data.dag_generator import generate_dag_jobs
from joulewright.errors import DataError, ScenarioError
from joulewright.io.dag_files import read_dag_jobs, read_tpch_tables, write_dag_jobs
from joulewright.model.dag import DagJob, DagStage

STAGE = {"name": "s", "task_ms": [5]}
JOB = {"name": "a", "arrival_ms": 0, "stages": [STAGE]}


@pytest.mark.parametrize("ending", ["json", "parquet"])
@pytest.mark.parametrize("waves", [True, False])
def test_files_return_what_was_written(tmp_path: Path, ending: str, waves: bool) -> None:
    jobs = generate_dag_jobs("layered", jobs=3, seed=2, waves=waves)
    stages = (DagStage(name="s", task_ms=(5,), output_gb=0.25), *jobs[0].stages)
    numbers = {"weight": 2.0, "max_executors": 4, "deadline_ms": 10_000_000, "input_gb": 1.5}
    full = DagJob(name="z", arrival_ms=3, stages=stages, home="east", **numbers)  # type: ignore[arg-type]
    path = write_dag_jobs(tmp_path / f"jobs.{ending}", (*jobs, full))
    assert read_dag_jobs(path) == (*jobs, full)


@pytest.mark.parametrize(
    ("job", "words"),
    [
        ({**JOB, "colour": 1}, "unknown keys .'colour'."),
        ({"name": "a", "stages": [STAGE]}, "no 'arrival_ms'"),
        ({**JOB, "arrival_ms": 0.5}, "expected a whole number"),
        ({**JOB, "arrival_ms": True}, "expected a whole number"),
        ({**JOB, "weight": "much"}, "expected a number"),
        ({**JOB, "home": 3}, "name of a site"),
        ({**JOB, "input_gb": "1"}, "input_gb of job 'a' of jobs.json is '1'; expected a number"),
        ({**JOB, "stages": [{**STAGE, "output_gb": -1}]}, "output_gb -1.0"),
        ({**JOB, "stages": {}}, "expected a list"),
        ({**JOB, "stages": [{"name": "s"}]}, "no 'task_ms'"),
        ({**JOB, "stages": [{**STAGE, "task_ms": 5}]}, "list of whole numbers"),
        ({**JOB, "stages": [{**STAGE, "parents": "t"}]}, "list of names"),
        ({**JOB, "stages": [{**STAGE, "parents": ["t"]}]}, "no stage of the job"),
        ({**JOB, "stages": [{**STAGE, "waves": {"executors": [1]}}]}, "no 'fresh_ms'"),
        ({**JOB, "stages": ["s"]}, "expected an object"),
        ("a", "expected an object"),
    ],
)
def test_documents_that_are_refused(tmp_path: Path, job: Any, words: str) -> None:
    path = tmp_path / "jobs.json"
    path.write_text(json.dumps({"schema_version": "joulewright/dag-jobs/1", "jobs": [job]}), encoding="utf-8")
    with pytest.raises(ScenarioError, match=words):
        read_dag_jobs(path)


def test_files_that_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "jobs.json"
    with pytest.raises(DataError, match="cannot be read"):
        read_dag_jobs(path)
    path.write_text('{"jobs": [', encoding="utf-8")
    with pytest.raises(ScenarioError, match="line 1"):
        read_dag_jobs(path)
    path.write_text("[]", encoding="utf-8")
    with pytest.raises(ScenarioError, match="expected an object"):
        read_dag_jobs(path)
    path.write_text('{"jobs": []}', encoding="utf-8")
    with pytest.raises(ScenarioError, match="schema_version None"):
        read_dag_jobs(path)
    broken = tmp_path / "jobs.parquet"
    broken.write_bytes(b"PAR1")
    with pytest.raises(ScenarioError, match="Parquet"):
        read_dag_jobs(broken)


def test_measured_queries(shared: Path) -> None:
    """Counts of stages and tasks as published for the set."""
    tables = read_tpch_tables(shared / "data/dag/tpch_dags_2g_10g_50g.json")
    assert len(tables) == 66
    assert sum(len(stages) for stages in tables.values()) == 606
    for size, tasks in (("2g", 20065), ("10g", 21188), ("50g", 27157)):
        stages = [stage for name, item in tables.items() if name.startswith(size + "-") for stage in item]
        assert sum(stage.tasks for stage in stages) == tasks
    for name, stages in tables.items():
        assert DagJob(name=name, arrival_ms=0, stages=stages).critical_path_ms > 0


def test_fresh_durations_are_taken_out_of_the_first_ones(tmp_path: Path) -> None:
    """At 10 executors nothing is left, so the list of 5 holds; the key 2 is below the smallest one used."""
    table = {
        "parents": [],
        "num_tasks": 4,
        "first_wave_ms": {"2": [9], "5": [8, 8, 7], "10": [6]},
        "rest_wave_ms": {"5": [], "10": [3]},
        "fresh_ms": {"5": [8], "10": [6]},
    }
    path = tmp_path / "tables.json"
    path.write_text(json.dumps({"q": [table]}), encoding="utf-8")
    (stage,) = read_tpch_tables(path)["q"]
    assert isinstance(stage, DagStage)
    assert stage.waves is not None
    assert stage.waves.executors == (5, 10)
    assert stage.waves.first_ms == ((8, 7), (8, 7))
    assert stage.waves.fresh_ms == ((8,), (6,))
    assert stage.waves.rest_ms == ((), (3,))
    path.write_text(json.dumps({"q": [{**table, "first_wave_ms": {}}]}), encoding="utf-8")
    with pytest.raises(ScenarioError, match="no durations at 5"):
        read_tpch_tables(path)


@pytest.mark.parametrize("kind", ["layered", "fork-join", "tpch-like"])
def test_generated_jobs_repeat_and_differ(kind: str) -> None:
    jobs = generate_dag_jobs(kind, jobs=12, seed=5)
    assert jobs == generate_dag_jobs(kind, jobs=12, seed=5)
    assert jobs[:4] == generate_dag_jobs(kind, jobs=4, seed=5)
    assert jobs != generate_dag_jobs(kind, jobs=12, seed=6)
    assert len({job.stages for job in jobs}) == 12
    arrivals = [job.arrival_ms for job in jobs]
    assert arrivals[0] == 0
    assert arrivals == sorted(arrivals)
    if kind == "tpch-like":
        assert all(sum(not children for children in job.children) == 1 for job in jobs)
        assert all(2 <= len(job.stages) <= 18 for job in jobs)


def test_more_executors_make_tasks_longer() -> None:
    job = generate_dag_jobs("tpch-like", jobs=1, seed=5, waves=True)[0]
    table = job.stages[0].waves
    assert table is not None
    assert sum(table.first_ms[-1]) > 1.3 * sum(table.first_ms[0])


def test_generators_refuse_what_they_cannot_make() -> None:
    with pytest.raises(ScenarioError, match="'star'"):
        generate_dag_jobs("star", jobs=1)
    with pytest.raises(ScenarioError, match="0 jobs"):
        generate_dag_jobs("layered", jobs=0)
