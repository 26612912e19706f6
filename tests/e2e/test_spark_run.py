"""SAP and SPADE command a real Spark: the example runs, and its decisions and its event log are checked.

Spark runs in a process of its own, once for all tests here; it is stopped after less than four minutes.
"""

from __future__ import annotations

import importlib.util
import os
import pickle
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from joulewright.io.spark_events import read_spark_events
from joulewright.policy.dag import psi, sap_quota
from joulewright.sim.processes.dag import split_dag_change

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
TIMEOUT_S = 230
PROGRAM = """
import pickle, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import spark_carbon as example
from joulewright.errors import LiveError
from joulewright.live.spark import run_on_spark
outcomes = example.compare(Path(sys.argv[2]) / "log")
example.show(outcomes)
given = {"jobs": example.JOBS, "signal": example.SIGNAL, "executors": example.EXECUTORS}
try:
    run_on_spark(example.JOBS, example.SIGNAL, {}, print, executors=1, folder=Path("none"), master="nonsense")
except LiveError as error:
    given["refused"] = str(error)
(Path(sys.argv[2]) / "outcomes").write_bytes(pickle.dumps((given, dict(outcomes))))
"""


def absent() -> str:
    """What is missing to run Spark; empty if nothing is."""
    if importlib.util.find_spec("pyspark") is None:
        return "pyspark is not installed: pip install 'joulewright[spark]'"
    if shutil.which("java") is None and not os.environ.get("JAVA_HOME"):
        return "there is no Java runtime, for example openjdk-17-jre-headless"
    return ""


pytestmark = pytest.mark.skipif(bool(absent()), reason=absent() or "Spark is there")


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What was given, the outcome of every scheduler, the folder of the log and what was printed."""
    folder = tmp_path_factory.mktemp("spark")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(EXAMPLES), str(folder)],
        cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    given, outcomes = pickle.loads((folder / "outcomes").read_bytes())
    return given, outcomes, folder / "log", done.stdout


@pytest.mark.parametrize("name", ["agnostic", "SAP", "SPADE"])
def test_all_tasks_ran_once_and_in_order(spark: Any, name: str) -> None:
    given, outcomes, _, _ = spark
    log = outcomes[name].log
    assert (log.unreadable, log.complete) == ((), True)
    assert [(job.name, job.arrival_ms) for job in log.jobs] == [(job.name, job.arrival_ms) for job in given["jobs"]]
    for ran, planned in zip(log.jobs, given["jobs"], strict=True):
        stages = {stage.name.split("-")[1]: stage for stage in ran.stages}
        assert {key: stage.tasks for key, stage in stages.items()} == {
            stage.name: stage.tasks for stage in planned.stages
        }
        for stage in planned.stages:
            assert {parent.split("-")[1] for parent in stages[stage.name].parents} == set(stage.parents)
            assert min(stages[stage.name].task_ms) >= min(stage.task_ms)
    # No task was stopped or tried again, although executors came and went.
    assert log.run.schedule["failed"].sum() == 0
    times = {
        key[0]: (rows["start_ms"].min(), rows["finish_ms"].max()) for key, rows in log.run.schedule.group_by("stage")
    }
    for job in log.jobs:
        for stage in job.stages:
            assert times[stage.name][0] >= job.arrival_ms
            assert all(times[stage.name][0] >= times[parent][1] for parent in stage.parents)
    for _, rows in log.run.schedule.group_by("slot"):
        assert all(before[1] <= after[0] for before, after in pairwise(rows.select("start_ms", "finish_ms").rows()))


def test_the_agnostic_run_keeps_all_executors(spark: Any) -> None:
    given, outcomes, _, _ = spark
    record, log = outcomes["agnostic"].record, outcomes["agnostic"].log
    assert record.deferrals == 0
    assert record.targets[0].executors == given["executors"]
    assert not [decision for decision in record.decisions if decision.deferred]
    assert log.run.slots == given["executors"]


def test_sap_keeps_to_its_quota(spark: Any) -> None:
    given, outcomes, _, _ = spark
    record, log = outcomes["SAP"].record, outcomes["SAP"].log
    assert record.deferrals > 0
    for decision in record.decisions:
        quota = sap_quota(decision.signal, decision.low, decision.high, executors=given["executors"], minimum=1)
        assert decision.active + decision.executors <= quota or decision.deferred
    wanted = [target.executors for target in record.targets]
    assert wanted[0] == 1
    assert max(wanted) == given["executors"]
    # Spark followed: executors left, and others came for them.
    assert log.run.executors["executor"].n_unique() > given["executors"]
    assert log.run.slots >= 2


def test_spade_waits_and_shrinks_in_dirty_hours(spark: Any) -> None:
    _, outcomes, _, _ = spark
    dirty = [decision for decision in outcomes["SPADE"].record.decisions if decision.signal > 500.0]
    assert dirty
    for decision in dirty:
        if decision.deferred:
            assert decision.busy > 0
            assert psi(0.0, decision.low, decision.high, 0.8) < decision.signal
        else:
            # The shrink leaves one of up to three executors at 370 g above the lowest signal expected.
            assert decision.executors <= 1
    assert outcomes["SPADE"].log.run.executors["executor"].n_unique() >= 3


@pytest.mark.parametrize("name", ["agnostic", "SAP", "SPADE"])
def test_carbon_of_the_event_log(spark: Any, name: str) -> None:
    """Priced task by task in Python."""
    given, outcomes, _, _ = spark
    signal, run = given["signal"], outcomes[name].log.run
    carbon = 0.0
    for start, finish in run.schedule.select("start_ms", "finish_ms").rows():
        while start < finish:
            step = start // signal.step_ms
            stop = min(finish, (step + 1) * signal.step_ms)
            carbon += (stop - start) / signal.step_ms * signal.values[step]
            start = stop
    assert run.priced(signal).cost == pytest.approx(carbon, rel=1e-12)
    priced = run.priced(signal, idle_power_kw=0.3)
    change = split_dag_change(outcomes["agnostic"].log.run.priced(signal, idle_power_kw=0.3), priced)
    assert change.work + change.overhead + change.shift == pytest.approx(change.total)
    assert change.work_ratio * change.overhead_ratio * change.shift_ratio == pytest.approx(
        priced.cost / (priced.cost - change.total)
    )


def test_a_master_that_there_is_not(spark: Any) -> None:
    refused = spark[0]["refused"]
    assert refused.startswith("Spark does not start with master 'nonsense': ")
    assert len(refused) < 400


def test_one_log_for_all(spark: Any) -> None:
    _, outcomes, folder, printed = spark
    log = read_spark_events(folder)
    assert log.run.schedule.height >= sum(outcome.log.run.schedule.height for outcome in outcomes.values())
    assert {job.name for job in log.jobs} >= {"north", "south", "west"}
    for words in ("agnostic", "SAP", "SPADE", "other hours", "executors wanted"):
        assert words in printed
