"""Executors that fail as a whole, limits of sampling schedulers, and keys counted anew, with both loops."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from joulewright.data.dag_generator import generate_dag_jobs
from joulewright.model.dag import DagCluster, DagJob, DagSignal, DagStage
from joulewright.policy.dag import Fifo, make_dag_scheduler
from joulewright.sim.processes.dag import DagRun, simulate_dag
from joulewright.sim.processes.dag.compiled import CompiledRun
from joulewright.sim.processes.dag.outages import down_times, first_outages, more_outages, outage_events
from joulewright.sim.processes.dag.simulate import dag_conditions

FLAT = DagSignal(step_ms=1000, values=np.full(1000, 2.0))
BOTH = pytest.mark.parametrize("engine", ["plain", "compiled"])


def wide(name: str = "a", tasks: int = 2, size_ms: int = 100) -> DagJob:
    return DagJob(name=name, arrival_ms=0, stages=(DagStage(name="s", task_ms=(size_ms,) * tasks),))


def seed_with_one_failure(cluster: DagCluster) -> tuple[int, int, int]:
    """A seed, and the executor and time of the only failure before 400 ms, which is between 10 and 60 ms."""
    for seed in range(2000):
        events = outage_events(cluster, seed, 400)
        if (events["back"] == 0).sum() == 1 and 10 <= events["time_ms"][0] <= 60:
            return seed, int(events["executor"][0]), int(events["time_ms"][0])
    raise RuntimeError("no seed has a single early failure")


def attempts(run: DagRun) -> list[tuple[int, int, int, bool]]:
    """(executor, start, finish, failed) in the order of starts."""
    columns = (run.executor.tolist(), run.start_ms.tolist(), run.finish_ms.tolist(), run.failed.tolist())
    return list(zip(*columns))


@BOTH
@pytest.mark.parametrize("repair_ms", [20, 390])
def test_a_lost_task_starts_anew_elsewhere(engine: Any, repair_ms: int) -> None:
    """Two tasks of 100 ms on two executors, of which one fails at t.

    Back after 20 ms it takes the task again. Back too late, the other one takes it when its own is done.
    """
    cluster = DagCluster(executors=2, moving_delay_ms=0, mean_up_ms=900.0, repair_ms=repair_ms, idle_power_kw=1.0)
    seed, bad, at = seed_with_one_failure(cluster)
    run = simulate_dag([wide()], cluster, FLAT, Fifo(), seed=seed, engine=engine)
    good = 1 - bad
    found = attempts(run)
    assert sorted(found[:2]) == sorted([(bad, 0, at, True), (good, 0, 100, False)])
    start = at + 20 if repair_ms == 20 else 100
    assert found[2:] == [(bad if repair_ms == 20 else good, start, start + 100, False)]
    assert run.completion_ms.tolist() == [start + 100]
    assert run.busy_ms == at + 200
    # Busy and idle draw the same, and an executor that is down nothing.
    down = repair_ms if repair_ms == 20 else start + 100 - at
    assert run.energy_kwh.sum() == pytest.approx((2 * (start + 100) - down) / 1000.0)
    assert run.figures()["executor_failures"] == 1


@BOTH
def test_a_run_goes_on_when_all_executors_were_down(engine: Any) -> None:
    """Ten tasks of 40 ms, failures every 30 ms on average: a task ends in spite of them."""
    cluster = DagCluster(executors=2, moving_delay_ms=1, mean_up_ms=30.0, repair_ms=200)
    run = simulate_dag([wide(tasks=10, size_ms=40)], cluster, FLAT, Fifo(), seed=3, engine=engine)
    assert sorted(run.task[~run.failed].tolist()) == list(range(10))
    assert run.failed.sum() > 5
    assert (run.finish_ms - run.start_ms)[~run.failed].tolist() == [40] * 10


def test_outages_do_not_depend_on_how_far_one_looks() -> None:
    cluster = DagCluster(executors=5, mean_up_ms=100.0, repair_ms=10)
    short, long = outage_events(cluster, 1, 2_000), outage_events(cluster, 1, 20_000)
    assert np.array_equal(short, long[: short.size])
    assert np.diff(long["time_ms"]).min() >= 0
    failures = long[long["back"] == 0]
    # 5 executors for 20,000 ms, one failure every 110 ms each.
    assert failures.size == pytest.approx(5 * 20_000 / 110.0, rel=0.1)
    events, until_ms = first_outages(cluster, 1)
    more, further_ms = more_outages(cluster, 1, until_ms, events.size)
    assert further_ms > until_ms
    assert np.array_equal(events, more[: events.size])
    begins, ends = down_times(cluster, 1, 1_000)
    assert (ends - begins).max() == 10
    assert ends.max() <= 1_000
    assert outage_events(DagCluster(executors=5), 1, 1_000).size == 0


@BOTH
def test_a_task_is_lost_after_the_last_executor_was_told_to_wait(engine: Any) -> None:
    """Of three tasks the longest is lost at 56, while the other executor has nothing more to do when its own ends.

    It comes free at 56 in a job that may hold no second executor: unless it is asked again nobody takes the lost task.
    """
    cluster = DagCluster(executors=2, moving_delay_ms=0, mean_up_ms=40.0, repair_ms=1)
    stages = (DagStage(name="one", task_ms=(1,)), DagStage(name="two", task_ms=(1, 2)))
    job = DagJob(name="a", arrival_ms=54, stages=stages)
    run = simulate_dag([job], cluster, FLAT, make_dag_scheduler("softmax:limit=work"), seed=0, engine=engine)
    assert run.failed.sum() == 1
    assert run.completion_ms[0] <= 60


@BOTH
def test_limits_of_sampled_jobs(engine: Any) -> None:
    """Fair: two of four executors for either job. Work: 80 ms of work behind a chain of 50 ms is worth two."""
    cluster = DagCluster(executors=4, moving_delay_ms=0)

    def ends(text: str, *jobs: DagJob) -> list[int]:
        return simulate_dag(jobs, cluster, FLAT, make_dag_scheduler(text), engine=engine).completion_ms.tolist()

    both = (wide("a", 8, 10), wide("b", 8, 10))
    assert ends("softmax:limit=fair", *both) == [40, 40]
    assert sorted(ends("softmax:stay=5", *both))[0] == 20
    stages = (DagStage(name="map", task_ms=(10,) * 4), DagStage(name="sum", task_ms=(40,), parents=("map",)))
    chain = DagJob(name="c", arrival_ms=0, stages=stages)
    assert ends("softmax", chain) == [50]
    assert ends("softmax:limit=work", chain) == [60]
    assert ends("spade:gamma=0+softmax:limit=work", chain) == [60]


def test_keys_are_counted_anew_when_they_run_out() -> None:
    """With room for few orders of setting out the run is the same."""
    jobs, cluster = generate_dag_jobs("fork-join", jobs=6, seed=2), DagCluster(executors=7)
    wanted = simulate_dag(jobs, cluster, FLAT, Fifo(), engine="plain")
    conditions = dag_conditions(cluster, FLAT, Fifo())
    rule = Fifo().compiled(conditions)
    assert rule is not None
    run = CompiledRun(jobs, cluster, rule, conditions=conditions, step_ms=FLAT.step_ms, seed=0)
    run.world.run["last_sequence"] = 30
    run.place_all()
    run.advance()
    assert run.world.run["sequence"][0] < 60
    assert wanted.events > 100
    assert np.array_equal(run.columns()[3], wanted.finish_ms)
    assert np.array_equal(run.columns()[1], wanted.executor)


def test_room_to_record_grows() -> None:
    """Far more attempts than tasks: lost ones are recorded too."""
    cluster = DagCluster(executors=3, moving_delay_ms=0, mean_up_ms=20.0, repair_ms=1)
    runs = [
        simulate_dag([wide(tasks=20, size_ms=60)], cluster, FLAT, Fifo(), seed=1, engine=engine)
        for engine in ("plain", "compiled")
    ]
    assert runs[0].task.size > 2 * 20 + 2 * cluster.executors
    assert np.array_equal(runs[0].finish_ms, runs[1].finish_ms)
    assert math.isfinite(runs[0].cost)
