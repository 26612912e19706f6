"""What the adapter asks of Spark, on stand-ins for its objects: a real one runs in the tests of whole programs."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from joulewright.errors import LiveError
from joulewright.live.spark import SparkPlant, StageCall, session
from joulewright.model.dag import DagJob, DagStage

JOB = DagJob(
    name="etl",
    arrival_ms=500,
    stages=(DagStage(name="load", task_ms=(5, 5)), DagStage(name="sum", task_ms=(5,), parents=("load",))),
)


class Backend:
    """The side of a session that gives executors."""

    def __init__(self, names: list[str]) -> None:
        self.names, self.leaving = names, []  # type: ignore[var-annotated]

    def getExecutorIds(self) -> Any:
        return SimpleNamespace(size=lambda: len(self.names), apply=self.names.__getitem__)

    def isExecutorActive(self, name: str) -> bool:
        return name not in self.leaving

    def decommissionExecutor(self, name: str, reason: str, *_: bool) -> None:
        assert reason == "signal"
        self.leaving.append(name)


class Context:
    """A session: two executors, of which ``1`` has a task, and a status tracker for stage groups."""

    def __init__(self, conf: dict[str, str]) -> None:
        if conf["spark.master"] == "nonsense":
            raise ValueError("Could not parse Master URL: 'nonsense'" + " at line" * 100)
        self.conf, self.backend, self.requested, self.properties = conf, Backend(["0", "1"]), [], []  # type: ignore[var-annotated]
        self.applicationId, self.stopped = "app-1", False
        busy = SimpleNamespace(isExecutorBusy=lambda name: name == "1")
        spark = SimpleNamespace(
            schedulerBackend=lambda: self.backend,
            taskScheduler=lambda: busy,
            requestTotalExecutors=lambda count, *_: self.requested.append(count),
        )
        self._jsc = SimpleNamespace(sc=lambda: spark)
        scheduler = SimpleNamespace(ExecutorDecommissionInfo=lambda reason, _: reason)
        self._jvm = SimpleNamespace(
            PythonUtils=SimpleNamespace(toScalaMap=dict),
            org=SimpleNamespace(apache=SimpleNamespace(spark=SimpleNamespace(scheduler=scheduler))),
            scala=SimpleNamespace(Option=SimpleNamespace(empty=lambda: None)),
        )

    def parallelize(self, values: range, parts: int) -> Any:
        assert len(values) == parts == 16
        return SimpleNamespace(foreach=lambda task: task(0))

    def setLocalProperty(self, key: str, value: str) -> None:
        self.properties.append((key, value))

    def setJobGroup(self, group: str, words: str) -> None:
        self.properties.append((group, words))

    def statusTracker(self) -> Any:
        return SimpleNamespace(
            getJobIdsForGroup=lambda group: [7, 8] if group == "1-0" else [],
            getJobInfo=lambda job: SimpleNamespace(stageIds=[3, 4]) if job == 7 else None,
            getStageInfo=lambda stage: SimpleNamespace(numCompletedTasks=1, numActiveTasks=2) if stage == 3 else None,
        )

    def stop(self) -> None:
        self.stopped = True


class Conf(dict[str, str]):
    """Settings."""

    def set(self, key: str, value: str) -> None:
        self[key] = value


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Make an adapter to the stand-ins."""
    pytest.importorskip("py4j", reason="py4j comes with joulewright[spark]")
    monkeypatch.setattr(session, "require_spark", lambda: SimpleNamespace(SparkConf=Conf, SparkContext=Context))

    def make(action: Any = lambda call: call.stage.name, **options: Any) -> SparkPlant:
        values = {"master": "spark://head:7077", "executors": 2, "folder": tmp_path, "poll_s": 0.01} | options
        return SparkPlant([JOB], action, **values)

    return make


def finished(plant: SparkPlant) -> Any:
    """Progress once all that was submitted has ended."""
    for _ in range(500):
        found = plant.progress()
        if all(item.ended for item in found.values()):
            return found
        time.sleep(0.01)
    raise TimeoutError("the stages did not end")


def test_stages_get_their_pool_names_and_inputs(plant: Any, tmp_path: Path) -> None:
    calls: list[StageCall] = []
    with plant(lambda call: calls.append(call) or call.stage.name) as made:
        made.begin()
        made.submit(0, JOB, JOB.stages[0], 2)
        # Of the jobs of its group one is gone and one has a stage that is told about.
        first = finished(made)[0]
        assert (first.started, first.done, first.ended, first.error) == (3, 1, True, "")
        # What ended is told once and then no longer asked for.
        assert made.progress() == {}
        made.submit(1, JOB, JOB.stages[1], 1)
        assert finished(made)[1].done == 0
        context = calls[0].context
        assert dict(context.properties[:4]) == {
            "spark.scheduler.pool": "etl/2",
            "joulewright.job": "etl",
            "joulewright.stage": "load",
            "joulewright.after": "",
        }
        assert ("joulewright.arrival_ms", str(made.began_ms + 500)) in context.properties
        assert ("1-0", "etl: load") in context.properties
        assert ("joulewright.after", "load") in context.properties
    assert calls[1].inputs == {"load": "load"}
    assert context.stopped
    assert 'name="etl/2"' in (tmp_path / "pools.xml").read_text(encoding="utf-8")


def test_an_action_that_fails(plant: Any) -> None:
    def broken(call: StageCall) -> None:
        raise OSError("disk full " + "x" * 1000)

    with plant(broken) as made:
        made.begin()
        made.submit(0, JOB, JOB.stages[0], 1)
        error = finished(made)[0].error
    assert error.startswith("OSError: disk full")
    assert len(error) == 300


def test_idle_executors_leave_first_and_once(plant: Any) -> None:
    with plant() as made:
        made.begin()
        context = made._context
        made.resize(2)
        assert (context.requested, context.backend.leaving) == ([], [])
        made.resize(1)
        made.resize(1)
        assert (context.requested, context.backend.leaving) == ([1], ["0"])
        made.resize(0)
        assert (context.requested, context.backend.leaving) == ([1, 0], ["0", "1"])
        made.resize(2)
        assert context.requested == [1, 0, 2]


def test_a_session_begins_again_with_all_executors(plant: Any) -> None:
    with plant() as made:
        made.begin()
        made.submit(0, JOB, JOB.stages[0], 1)
        finished(made)
        made.begin()
        assert made.progress() == {}
        assert 0 <= made.now_ms() < 60_000


def test_executors_that_do_not_come(plant: Any) -> None:
    with plant(executors=3) as made:
        with pytest.raises(
            LiveError, match=r"2 of 3 executors came within 0.05 s; look at the workers of spark://head"
        ):
            made.begin(limit_s=0.05)
        assert made._context.requested == []


def test_spark_that_does_not_start_or_is_lost(plant: Any) -> None:
    from py4j.protocol import Py4JError

    with pytest.raises(LiveError, match="does not start with master 'nonsense': ValueError: Could not parse"):
        plant(master="nonsense").__enter__()
    with pytest.raises(LiveError, match="was lost: Py4JError: gone"), plant() as made:
        raise Py4JError("gone")
    assert made._context.stopped


def test_own_settings_go_first(plant: Any) -> None:
    with plant(settings={"spark.executor.memory": "1g"}) as made:
        conf = made._context.conf
    assert (conf["spark.executor.memory"], conf["spark.scheduler.mode"], conf["spark.executor.cores"]) == (
        "1g",
        "FAIR",
        "1",
    )
