"""Runs of DAG jobs worked by hand, event by event, with both loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from joulewright.errors import InfeasibleError, PolicyError, ScenarioError, TraceError
from joulewright.model.dag import DagCluster, DagJob, DagSignal, DagStage, WaveTable
from joulewright.policy.dag import (
    NO_STAGE,
    AbstractDagScheduler,
    AbstractDagView,
    Fifo,
    Grant,
    make_dag_scheduler,
)
from joulewright.sim.processes.dag import DagRun, fluid_bound, price_runs, simulate_dag, split_dag_change
from joulewright.sim.processes.dag.durations import measured_at, uniform

FLAT = DagSignal(step_ms=1000, values=np.full(1000, 2.0))
BOTH = pytest.mark.parametrize("engine", ["plain", "compiled"])


def chain(name: str = "a", arrival_ms: int = 0, **facts: Any) -> DagJob:
    """Two tasks of 10 ms, then one of 5 ms."""
    stages = (DagStage(name="map", task_ms=(10, 10)), DagStage(name="sum", task_ms=(5,), parents=("map",)))
    return DagJob(name=name, arrival_ms=arrival_ms, stages=stages, **facts)


def times(run: DagRun) -> list[tuple[int, int, int, int]]:
    """(task, executor, start, finish) in the order of starts."""
    return list(zip(run.task.tolist(), run.executor.tolist(), run.start_ms.tolist(), run.finish_ms.tolist()))


@BOTH
def test_two_stages_on_two_executors(engine: Any) -> None:
    """Both move for 3 ms, run until 13; the last stage starts on the first executor to end, without a move."""
    run = simulate_dag([chain()], DagCluster(executors=2, moving_delay_ms=3), FLAT, Fifo(), engine=engine)
    assert times(run)[:2] == [(0, 0, 3, 13), (1, 1, 3, 13)]
    assert times(run)[2][0] == 2
    assert times(run)[2][2:] == (13, 18)
    assert run.completion_ms.tolist() == [18]
    assert run.busy_ms == 25
    # Two arrivals after moving and three ends of tasks.
    assert run.events == 5


@BOTH
def test_one_executor_serves_the_second_job_after_a_move(engine: Any) -> None:
    """Job a: 3..13, 13..23, 23..28; the executor moves 28..31 and runs job b as it did a."""
    cluster = DagCluster(executors=1, moving_delay_ms=3)
    run = simulate_dag([chain(), chain("b", 7)], cluster, FLAT, Fifo(), engine=engine)
    assert [row[2:] for row in times(run)] == [(3, 13), (13, 23), (23, 28), (31, 41), (41, 51), (51, 56)]
    assert run.completion_ms.tolist() == [28, 56]
    assert run.completion_times_ms.tolist() == [28, 49]
    assert run.stretch.tolist() == [28 / 15, 49 / 15]


@BOTH
def test_shares_and_limits(engine: Any) -> None:
    """Eight tasks each: fifo gives the first job all four executors, fair two each, a limit of one just one."""
    wide = [DagJob(name=n, arrival_ms=0, stages=(DagStage(name="s", task_ms=(10,) * 8),)) for n in "ab"]
    cluster = DagCluster(executors=4, moving_delay_ms=0)

    def ends(name: str, jobs: list[DagJob]) -> list[int]:
        run = simulate_dag(jobs, cluster, FLAT, make_dag_scheduler(name), engine=engine)
        return run.completion_ms.tolist()

    assert ends("fifo", wide) == [20, 40]
    assert ends("fair", wide) == [40, 40]
    heavy = [wide[0], DagJob(name="b", arrival_ms=0, stages=wide[1].stages, weight=3.0)]
    assert ends("weighted-fair", heavy)[1] < ends("weighted-fair", wide)[1]
    narrow = [DagJob(name="a", arrival_ms=0, stages=wide[0].stages, max_executors=1), wide[1]]
    assert ends("fifo", narrow) == [80, 30]


@BOTH
def test_the_shortest_job_and_the_longest_path_come_first(engine: Any) -> None:
    long = DagJob(name="long", arrival_ms=0, stages=(DagStage(name="s", task_ms=(10, 10, 10)),))
    short = DagJob(name="short", arrival_ms=0, stages=(DagStage(name="s", task_ms=(4,)),))
    cluster = DagCluster(executors=1, moving_delay_ms=0)
    run = simulate_dag([long, short], cluster, FLAT, make_dag_scheduler("shortest-work"), engine=engine)
    assert run.completion_ms.tolist() == [34, 4]
    fork = (
        DagStage(name="root", task_ms=(1,)),
        DagStage(name="light", task_ms=(2,), parents=("root",)),
        DagStage(name="heavy", task_ms=(9,), parents=("root",)),
    )
    job = DagJob(name="f", arrival_ms=0, stages=fork)
    order = simulate_dag([job], cluster, FLAT, make_dag_scheduler("critical-path"), engine=engine).task.tolist()
    assert order == [0, 2, 1]
    assert simulate_dag([job], cluster, FLAT, Fifo(), engine=engine).task.tolist() == [0, 1, 2]


@BOTH
def test_spade_never_defers_on_an_idle_cluster_and_wakes_with_the_signal(engine: Any) -> None:
    """Signal 100, then 1: one job starts at once; if then the lesser of the others is drawn, both wait until 20."""
    signal = DagSignal(step_ms=20, values=np.array([100.0, *[1.0] * 99]))
    jobs = [
        DagJob(name=f"{size}", arrival_ms=0, stages=(DagStage(name="s", task_ms=(size,)),)) for size in (50, 40, 30)
    ]
    scheduler = make_dag_scheduler("spade:gamma=1,forecast=perfect+softmax:temperature=1")
    cluster = DagCluster(executors=3, moving_delay_ms=0)
    seen = set()
    for seed in range(20):
        run = simulate_dag(jobs, cluster, signal, scheduler, seed=seed, engine=engine)
        starts = tuple(run.start_ms.tolist())
        assert starts == ((0, 20, 20) if run.deferrals else (0, 0, 0))
        seen.add(starts)
    assert len(seen) == 2


@BOTH
def test_sap_caps_what_is_active(engine: Any) -> None:
    """In the dirty step one of four executors may work; in the clean one all."""
    signal = DagSignal(step_ms=20, values=np.array([100.0, *[1.0] * 99]))
    job = DagJob(name="a", arrival_ms=0, stages=(DagStage(name="s", task_ms=(10,) * 6),))
    scheduler = make_dag_scheduler("sap:minimum=1,forecast=perfect+fifo:count=held")
    run = simulate_dag([job], DagCluster(executors=4, moving_delay_ms=0), signal, scheduler, engine=engine)
    assert [row[2] for row in times(run)] == [0, 10, 20, 20, 20, 20]
    assert run.busy_per_step_ms[:3].tolist() == [20, 40, 0]


@BOTH
def test_failed_tasks_are_tried_again(engine: Any) -> None:
    job = DagJob(name="a", arrival_ms=0, stages=(DagStage(name="s", task_ms=(100,) * 200),))
    cluster = DagCluster(executors=10, task_failure_fraction=0.5)
    run = simulate_dag([job], cluster, FLAT, Fifo(), seed=4, engine=engine)
    assert sorted(run.task[~run.failed].tolist()) == list(range(200))
    assert 140 < run.failed.sum() < 270
    assert run.busy_ms > 200 * 100
    assert (run.finish_ms - run.start_ms)[run.failed].max() <= 100


def test_waves_by_hand() -> None:
    """One executor: first task of the job takes the fresh 30, the second the rest 10; without a fresh list 20 + 7."""
    table = WaveTable(executors=(1,), fresh_ms=((30,),), first_ms=((20,),), rest_ms=((10,),))
    bare = WaveTable(executors=(1,), fresh_ms=((),), first_ms=((20,),), rest_ms=((),))
    cluster = DagCluster(executors=1, moving_delay_ms=0, warm_up_ms=7)
    for waves, wanted in ((table, [30, 10]), (bare, [27, 20])):
        stages = (
            DagStage(name="s", task_ms=(15, 15), waves=waves),
            DagStage(name="t", task_ms=(15,), parents=("s",), waves=table),
        )
        job = DagJob(name="a", arrival_ms=0, stages=stages)
        for engine in ("plain", "compiled"):
            run = simulate_dag([job], cluster, FLAT, Fifo(), engine=engine)  # type: ignore[arg-type]
            assert (run.finish_ms - run.start_ms).tolist() == [*wanted, 20]


def test_the_nearer_number_of_executors_is_drawn_more_often() -> None:
    drawn = [measured_at((10, 20), 11, uniform(0, 1, task, 0)) for task in range(4000)]
    assert np.mean(drawn) == pytest.approx(0.1, abs=0.02)
    assert [measured_at((10, 20), count, 0.5) for count in (1, 10, 20, 99)] == [0, 0, 1, 1]


def test_energy_with_idle_draw_and_its_split() -> None:
    """One task of 10 ms on two executors until 10 ms: busy 1 kW, idle 0.5 kW; a step of 10 ms stands for an hour."""
    signal = DagSignal(step_ms=10, values=np.array([100.0, 40.0]))
    job = DagJob(name="a", arrival_ms=0, stages=(DagStage(name="s", task_ms=(10,)),))
    late = DagJob(name="a", arrival_ms=10, stages=job.stages)
    cluster = DagCluster(executors=2, moving_delay_ms=0, idle_power_kw=0.5)
    run = simulate_dag([job], cluster, signal, Fifo())
    assert run.energy_kwh.tolist() == [1.5, 0.0]
    assert run.cost == 150.0
    after = simulate_dag([late], cluster, signal, Fifo())
    # Both idle through the first step, then as before: 100 * 1 + 40 * 1.5.
    assert after.cost == 160.0
    change = split_dag_change(run, after)
    assert change.total == pytest.approx(10.0, rel=1e-14)
    assert change.work == 0.0
    assert change.overhead_ratio == pytest.approx(2.5 / 1.5)
    assert change.work_ratio * change.overhead_ratio * change.shift_ratio == pytest.approx(160.0 / 150.0)
    assert change.makespan_ratio == 2.0
    assert run.figures()["mean_signal"] == 100.0


def test_a_split_needs_positive_costs() -> None:
    run = simulate_dag([chain()], DagCluster(executors=1), DagSignal(step_ms=1000, values=np.zeros(9)), Fifo())
    with pytest.raises(ValueError, match="must be positive"):
        split_dag_change(run, run)


def test_a_signal_shorter_than_the_run_is_an_error() -> None:
    run = simulate_dag([chain()], DagCluster(executors=1), DagSignal(step_ms=10, values=np.ones(3)), Fifo())
    with pytest.raises(TraceError, match="signal of 3 steps of 10 ms ends at 30 ms"):
        _ = run.cost
    with pytest.raises(TraceError, match="longer signal"):
        price_runs([0], [31], DagSignal(step_ms=10, values=np.ones(3)))


def test_the_bound_by_hand() -> None:
    """20 executor-ms on one executor in steps of 10 ms: the two cheapest after the arrival in the middle of step 0."""
    signal = DagSignal(step_ms=10, values=np.array([1.0, 8.0, 2.0, 4.0]))
    job = DagJob(name="a", arrival_ms=5, stages=(DagStage(name="s", task_ms=(20,)),))
    cluster = DagCluster(executors=1)
    bound = fluid_bound([job], cluster, signal, 40)
    assert bound.cost == pytest.approx(0.5 * 1.0 + 1.0 * 2.0 + 0.5 * 4.0)
    assert bound.work.sum() == pytest.approx(2.0)
    assert bound.achieved_share(14.5, 9.5) == pytest.approx(0.5)
    assert bound.achieved_share(bound.cost, bound.cost) is None
    with pytest.raises(InfeasibleError, match="do not fit"):
        fluid_bound([job], cluster, signal, 20)
    with pytest.raises(InfeasibleError, match="longer signal"):
        fluid_bound([job], cluster, signal, 50)


def test_a_bound_that_does_not_hold_the_work_names_the_job_that_is_too_long() -> None:
    """Alone 60 ms on 50 executors fit into a step of 10 ms; with a limit of 5, or 9 ms late, they do not."""
    signal, cluster = DagSignal(step_ms=10, values=np.ones(9)), DagCluster(executors=50)
    small, tasks = chain(), (DagStage(name="s", task_ms=(10,) * 6),)
    limited = DagJob(name="slow", arrival_ms=0, stages=tasks, max_executors=5)
    words = (
        "6 executor-steps of job 'slow', .* at 0 ms, do not fit into 1 step: its max_executors of 5 can do 5 .*; .* or"
    )
    with pytest.raises(InfeasibleError, match=words):
        fluid_bound([small, limited], cluster, signal, 10)
    late = DagJob(name="late", arrival_ms=9, stages=tasks)
    with pytest.raises(InfeasibleError, match=r"6 .* job 'late', .* 9 ms, .* the 50 executors can do 5 .* more time$"):
        fluid_bound([small, late], cluster, signal, 10)
    many = [DagJob(name=f"j{at}", arrival_ms=0, stages=tasks) for at in range(9)]
    with pytest.raises(InfeasibleError, match="54 executor-steps of work do not fit into 1 step of 50 executors"):
        fluid_bound(many, cluster, signal, 10)


class Answering(AbstractDagScheduler):
    """Gives the same answer whatever is asked."""

    def __init__(self, grant: Grant) -> None:
        self.grant = grant

    def answer(self, view: AbstractDagView) -> Grant:
        return self.grant


@pytest.mark.parametrize(
    ("grant", "words"),
    [
        (Grant(NO_STAGE), r"nothing runs .* \(a\)"),
        (Grant(0, 0), "answers 0 executors"),
        (Grant(99, 1), "stage 99"),
        (Grant(1, 1), "not in the frontier"),
    ],
)
def test_schedulers_that_break_the_contract(grant: Grant, words: str) -> None:
    with pytest.raises(PolicyError, match=words):
        simulate_dag([chain()], DagCluster(executors=2), FLAT, Answering(grant))


def test_what_else_is_refused() -> None:
    cluster = DagCluster(executors=2)
    with pytest.raises(PolicyError, match="no compiled rule"):
        simulate_dag([chain()], cluster, FLAT, Answering(Grant(0, 1)), engine="compiled")
    with pytest.raises(ValueError, match="seed is -1"):
        simulate_dag([chain()], cluster, FLAT, Fifo(), seed=-1)
    with pytest.raises(ValueError, match="no engine 'fast'"):
        simulate_dag([chain()], cluster, FLAT, Fifo(), engine="fast")  # type: ignore[arg-type]
    with pytest.raises(PolicyError, match="renewable_fraction"):
        simulate_dag([chain()], cluster, FLAT, make_dag_scheduler("green-hadoop"))
    words = "counts to 68719476736 ms with 2 executors; .* shorter .* earlier"
    with pytest.raises(ScenarioError, match=words):
        simulate_dag([chain(arrival_ms=(1 << 36) - 1)], cluster, FLAT, Fifo(), engine="compiled")
