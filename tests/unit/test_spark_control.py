"""Schedulers that command a cluster: decisions, shares and numbers of executors on a plant made for tests."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from joulewright.errors import LiveError, MissingExtraError, PolicyError, ScenarioError
from joulewright.live.spark import (
    Board,
    ControlRecord,
    Progress,
    control,
    pools_text,
    require_spark,
    spark_settings,
)
from joulewright.live.spark.controller import Sizing
from joulewright.model.dag import DagCluster, DagJob, DagSignal, DagStage
from joulewright.policy.dag import (
    NO_STAGE,
    AbstractDagScheduler,
    AbstractSampledScheduler,
    Choice,
    Grant,
    Spade,
    make_dag_scheduler,
    psi,
    sap_quota,
)

SIGNAL = DagSignal(step_ms=100, values=np.tile([600.0, 600.0, 200.0, 300.0], 50))


def diamond(name: str, arrival_ms: int = 0, **changes: Any) -> DagJob:
    stages = (
        DagStage(name="load", task_ms=(40,) * 4),
        DagStage(name="left", task_ms=(60, 60), parents=("load",)),
        DagStage(name="right", task_ms=(20, 20), parents=("load",)),
        DagStage(name="join", task_ms=(30,), parents=("left", "right")),
    )
    return DagJob(name=name, arrival_ms=arrival_ms, stages=stages, **changes)


JOBS = (diamond("a"), diamond("b", 50), diamond("c", 90))


@pytest.fixture
def run(spark_case: Any) -> Any:
    """Run jobs under a scheduler on a plant without Spark."""

    def call(text: str, jobs: tuple[DagJob, ...] = JOBS, **options: Any) -> tuple[ControlRecord, Any]:
        plant = spark_case.TimedPlant(4)
        board = Board(jobs, DagCluster(executors=4), SIGNAL, make_dag_scheduler(text))
        return control(board, plant, limit_ms=20_000, **options), plant

    return call


@pytest.mark.parametrize(
    "text",
    [
        "fifo",
        "fair",
        "shortest-work",
        "critical-path",
        "softmax",
        "sap:minimum=1",
        "spade",
        "sap:minimum=2+spade:gamma=1",
        "water-level:allowance_h=2",
        "planned:allowance_h=2",
    ],
)
def test_every_stage_runs_once_and_after_its_parents(text: str, run: Any) -> None:
    record, plant = run(text)
    ends = {number: max(ends) for number, (_, ends) in plant.stages.items()}
    assert sorted(plant.stages) == list(range(12))
    for first in (0, 4, 8):
        for child, parents in ((1, (0,)), (2, (0,)), (3, (1, 2))):
            assert all(plant.began[first + child] >= ends[first + parent] for parent in parents)
    assert [target.executors for target in record.targets if not 1 <= target.executors <= 4] == []
    assert max(plant.busy) <= 4
    given = {(decision.job, decision.stage) for decision in record.decisions if decision.executors}
    assert len(given) == 12


def test_fifo_does_not_look_at_the_signal(run: Any) -> None:
    record, plant = run("fifo")
    assert record.deferrals == 0
    # Four tasks of 40 ms at once, then left and right of the first job; nothing waits for the signal.
    assert [plant.began[number] for number in (0, 1, 2)] == [0, 40, 40]
    assert record.targets == ((0, 4),)


def test_sap_starts_nothing_beyond_its_quota(run: Any) -> None:
    record, _ = run("sap:minimum=1,forecast=perfect")
    given = [decision for decision in record.decisions if decision.executors]
    for decision in given:
        quota = sap_quota(decision.signal, decision.low, decision.high, executors=4, minimum=1)
        assert decision.active + decision.executors <= quota
    assert {decision.signal for decision in given} == {600.0, 300.0, 200.0}
    assert record.deferrals > 0
    # One executor at 600 g; all at the lowest signal.
    assert record.targets[0] == (0, 1)
    assert {target.executors for target in record.targets if target.at_ms // 100 % 4 == 2} >= {4}


def test_executors_are_taken_back_at_a_step_but_end_their_tasks(spark_case: Any) -> None:
    """Twelve tasks of 150 ms, the first four begun at 200 g; at 400 ms the signal rises to 600 g and the quota to 1."""
    signal = DagSignal(step_ms=200, values=np.tile([600.0, 200.0], 50))
    job = DagJob(name="long", arrival_ms=200, stages=(DagStage(name="s", task_ms=(150,) * 12),))
    plant = spark_case.TimedPlant(4)
    board = Board((job,), DagCluster(executors=4), signal, make_dag_scheduler("sap:minimum=1,forecast=perfect"))
    record = control(board, plant, limit_ms=5000)
    assert record.targets == ((0, 4), (400, 1), (600, 4))
    # At 350 ms each took another task, which ends at 500 ms although one executor is wanted from 400 ms on.
    assert [plant.busy[at_ms // 10] for at_ms in (340, 390, 490, 500, 590, 600)] == [4, 4, 4, 1, 1, 4]


def test_spade_waits_only_while_something_runs_and_the_signal_is_above_its_threshold(run: Any) -> None:
    record, _ = run("spade:gamma=0.9,forecast=perfect")
    deferred = [decision for decision in record.decisions if decision.deferred]
    assert deferred
    for decision in deferred:
        assert decision.busy > 0
        assert decision.signal > psi(0.0, decision.low, decision.high, 0.9)
    cheap = [decision for decision in record.decisions if decision.signal == 200.0]
    assert cheap
    assert not [decision for decision in cheap if decision.deferred]


def test_spade_waits_at_a_step_while_tasks_run(spark_case: Any) -> None:
    """Of twelve tasks begun at 100 g four run on when the signal rises to 600 g: the first draw there waits as well."""
    signal = DagSignal(step_ms=200, values=np.tile([100.0, 600.0], 50))
    first = DagJob(name="long", arrival_ms=0, stages=(DagStage(name="s", task_ms=(150,) * 12),))
    wanted = Drawn([1.0, 0.0])
    board = Board((first,), DagCluster(executors=4), signal, Spade(gamma=0.1, forecast="perfect", base=wanted))
    record = control(board, spark_case.TimedPlant(4), limit_ms=5000)
    at_step = [decision for decision in record.decisions if decision.at_ms == 200]
    assert [(decision.deferred, decision.active, decision.busy) for decision in at_step] == [(True, 0, 4)]
    assert record.targets[1] == (200, 1)


def test_figures_of_a_stage_that_ended_stand(spark_case: Any) -> None:
    """A status tracker forgets old stages: what it says of them later counts for nothing."""
    board = Board((diamond("a"),), DagCluster(executors=4), SIGNAL, make_dag_scheduler("fifo"))
    board.look(0, {})
    list(board.offer())
    board.look(50, {0: Progress(started=4, done=4, ended=True)})
    left_ms = board.remaining_ms(0)
    board.look(60, {0: Progress(started=0, done=0, ended=True)})
    assert (board.states[0].started, board.states[0].done) == (4, 4)
    assert board.remaining_ms(0) == left_ms == 190
    assert board.open_jobs == 1


def test_executors_taken_back_are_offered_as_their_tasks_end(spark_case: Any) -> None:
    """Four tasks run on at the step and all wait; when two of them end those are offered once more."""
    signal = DagSignal(step_ms=100, values=np.array([100.0, 600.0, 600.0, 100.0]))
    job = DagJob(name="long", arrival_ms=0, stages=(DagStage(name="s", task_ms=(150,) * 12),))
    base = Drawn([1.0, 0.0, 1.0])
    board = Board((job,), DagCluster(executors=4), signal, Spade(gamma=0.1, forecast="perfect", base=base))
    assert board.look(0, {})
    list(board.offer())
    board.first_grant(0)
    assert board.look(100, {0: Progress(started=4, done=0)})
    assert [(given, item.busy) for _, given, item in board.offer()] == [(0, 4)]
    assert not board.look(120, {0: Progress(started=4, done=0)})
    assert board.look(150, {0: Progress(started=4, done=2)})
    assert next((given > 0, item.active, item.busy) for _, given, item in board.offer()) == (True, 0, 2)


class Drawn(AbstractSampledScheduler):
    """The first stage of the frontier with importances that are given."""

    def __init__(self, importances: list[float]) -> None:
        self.left = importances

    def choose(self, view: Any) -> Choice:
        stage = next((stage for job in view.jobs() for stage in view.frontier(job)), NO_STAGE)
        return Choice(stage, view.offered, self.left.pop(0) if self.left else 0.0)


def test_spade_that_does_not_look_is_its_base(run: Any) -> None:
    assert run("spade:gamma=0+softmax")[0] == run("softmax")[0]
    assert run("spade")[0] == run("spade")[0]


@pytest.mark.parametrize("text", ["fifo", "water-level:allowance_h=0", "planned:allowance_h=0"])
def test_who_may_not_wait_keeps_all_executors_at_a_step(text: str, spark_case: Any) -> None:
    """Planners whose jobs must end as soon as a queue's are as quick as one, though steps take all executors back."""
    jobs, cluster = tuple(diamond(f"{number}", 50 * number) for number in range(6)), DagCluster(executors=4)
    plant = spark_case.TimedPlant(4)
    control(Board(jobs, replace(cluster, moving_delay_ms=0), SIGNAL, make_dag_scheduler(text)), plant, limit_ms=5000)
    assert max(end for _, ends in plant.stages.values() for end in ends) == 550


def test_limit_of_a_job(run: Any) -> None:
    _, plant = run("fifo", (diamond("a", max_executors=2),))
    assert plant.shares[0] == 2
    assert [plant.began[number] for number in (1, 2, 3)] == [80, 140, 160]


def test_executors_without_work_are_held_for_a_while(run: Any) -> None:
    chain = DagJob(
        name="chain",
        arrival_ms=0,
        stages=(
            DagStage(name="wide", task_ms=(20,) * 4),
            DagStage(name="thin", task_ms=(100,), parents=("wide",)),
            DagStage(name="again", task_ms=(20,) * 4, parents=("thin",)),
        ),
    )
    assert run("fifo", (chain,), hold_ms=1000)[0].targets == ((0, 4),)
    assert run("fifo", (chain,), hold_ms=30)[0].targets == ((0, 4), (40, 1), (120, 4))


def test_sizing() -> None:
    sizing = Sizing(3, 100)
    assert sizing.look(0, 3, held_back=False) == 3
    assert sizing.look(60, 1, held_back=False) == 3
    assert sizing.look(110, 1, held_back=False) == 1
    assert sizing.look(120, 2, held_back=False) == 2
    assert sizing.look(121, 0, held_back=True) == 0


def test_a_late_job_wakes_the_loop(run: Any) -> None:
    _, plant = run("spade", (diamond("a", 1234),), hold_ms=100)
    assert plant.began[0] == 1240
    assert plant.wanted >= 1


def test_a_stage_that_fails(spark_case: Any) -> None:
    plant = spark_case.TimedPlant(4, failing=1)
    board = Board(JOBS, DagCluster(executors=4), SIGNAL, make_dag_scheduler("fifo"))
    with pytest.raises(LiveError, match="stage 'left' of job 'a' failed: out of memory"):
        control(board, plant, limit_ms=10_000)


def test_a_limit_of_time(spark_case: Any) -> None:
    board = Board(JOBS, DagCluster(executors=1), SIGNAL, make_dag_scheduler("fifo"))
    with pytest.raises(LiveError, match="2 jobs were left after 500 ms, the limit is 500 ms"):
        control(board, spark_case.TimedPlant(1), limit_ms=500)


def test_jobs_that_do_not_fit() -> None:
    with pytest.raises(ScenarioError, match="asks for 9 executors"):
        Board((diamond("a", max_executors=9),), DagCluster(executors=4), SIGNAL, make_dag_scheduler("fifo"))


@pytest.mark.parametrize("grant", [Grant(3, 1), Grant(0, 0), Grant(99, 1), Grant(-7, 1)])
def test_schedulers_that_break_their_contract(grant: Grant, spark_case: Any) -> None:
    class Odd(AbstractDagScheduler):
        def answer(self, view: Any) -> Grant:
            return grant

    board = Board(JOBS, DagCluster(executors=4), SIGNAL, Odd())
    with pytest.raises(PolicyError, match=r"Odd answers -?\d+ executors for stage -?\d+ at 0 ms"):
        control(board, spark_case.TimedPlant(4), limit_ms=100)


def test_what_a_scheduler_sees(spark_case: Any) -> None:
    class Curious(AbstractDagScheduler):
        def answer(self, view: Any) -> Grant:
            seen.append((view.held(0), view.granted(0), view.remaining_ms(0), list(view.frontier(0)), view.waiting(0)))
            return Grant(next(iter(view.frontier(0)), -1), 3)

    seen: list[Any] = []
    signal = DagSignal(step_ms=100, values=np.full(50, 5.0), renewable_fraction=np.full(50, 0.5))
    board = Board((diamond("a"),), DagCluster(executors=4), signal, Curious())
    control(board, spark_case.TimedPlant(4), limit_ms=5000)
    assert board.expected_share(0)[0] == 0.5
    assert (board.job_of(2), board.weight(0), board.path_ms(0), board.runnable_rank(3)) == (0, 1.0, 130, 3)
    assert (board.stages(0), board.facts(0).name) == (range(4), "a")
    # Four tasks of 40, two of 60, two of 20 and one of 30 ms; a stage is answered once in an offer.
    assert seen[0] == (0, 0, 350, [0], True)
    assert seen[1] == (3, 3, 350, [], True)
    # Three ended at 40 ms and one was not begun: one executor is enough for what is left of the first stage.
    assert seen[2] == (1, 1, 230, [], True)


def test_green_hadoop_has_its_share(spark_case: Any) -> None:
    signal = DagSignal(step_ms=100, values=np.ones(50), renewable_fraction=np.full(50, 0.5))
    board = Board(JOBS, DagCluster(executors=4), signal, make_dag_scheduler("green-hadoop"))
    assert control(board, spark_case.TimedPlant(4), limit_ms=5000).targets


def test_pools() -> None:
    root = ElementTree.fromstring(pools_text((diamond('a<"b">&'), diamond("c")), 2))
    assert [pool.get("name") for pool in root] == ['a<"b">&/1', 'a<"b">&/2', "c/1", "c/2"]
    assert [(pool.findtext("weight"), pool.findtext("minShare")) for pool in root] == [("1", "1"), ("2", "2")] * 2


def test_settings(tmp_path: Path) -> None:
    local = spark_settings("local-cluster[2,1,512]", tmp_path)
    assert local["spark.eventLog.dir"] == tmp_path.as_uri()
    assert local["spark.dynamicAllocation.enabled"] == "false"
    assert "spark.driver.host" not in spark_settings("spark://head:7077", tmp_path)
    assert local["spark.driver.host"] == "127.0.0.1"


def test_spark_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "pyspark", None)
    with pytest.raises(MissingExtraError, match=r"joulewright\[spark\]"):
        require_spark()
    monkeypatch.setitem(sys.modules, "pyspark", sys)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(LiveError, match="Java runtime"):
        require_spark()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "java").touch()
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert require_spark() is sys
