"""Planning schedulers of DAG jobs: levels, allowed ends, the timing program and small runs worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from joulewright.errors import PolicyError
from joulewright.model.dag import DagCluster, DagJob, DagSignal, DagStage, WaveTable
from joulewright.plan.dag import StageWork, TimingSteps, plan_timing
from joulewright.policy.dag import Allowance, Planned, WaterLevel, make_dag_scheduler
from joulewright.policy.dag.planner import greedy_time_ms, room_after_reserve, water_level
from joulewright.sim.processes.dag import DagRun, simulate_dag

ONE = DagCluster(executors=1, moving_delay_ms=0)


def job(name: str, arrival_ms: int, *task_ms: int) -> DagJob:
    return DagJob(name=name, arrival_ms=arrival_ms, stages=(DagStage(name="only", task_ms=task_ms),))


def signal(*values: float) -> DagSignal:
    return DagSignal(step_ms=10, values=np.array(values))


def run(text: str, jobs: list[DagJob], plays: DagSignal, cluster: DagCluster = ONE) -> DagRun:
    return simulate_dag(jobs, cluster, plays, make_dag_scheduler(text))


def exactly(name: str, options: str) -> str:
    return f"{name}:{options},forecast=perfect,anticipate=0,efficiency=1,reserve_h=0"


@pytest.mark.parametrize("name", ["planned", "water-level"])
def test_two_jobs_take_the_two_cheapest_hours(name: str) -> None:
    """Work of 20 ms on one executor and steps of 10 ms at 9, 1, 5, 7, ..: step 1 and step 2, at 10 + 50 = 60 over 10.

    FIFO takes steps 0 and 1, at 90 + 10 = 100 over 10. The second job is not known before it arrives in step 0.
    """
    jobs, plays = [job("a", 0, 10), job("b", 5, 10)], signal(9, 1, 5, 7, 7, 7, 7, 7)
    found = run(exactly(name, "finish_by_h=8"), jobs, plays)
    assert sorted(found.start_ms.tolist()) == [10, 20]
    assert found.cost == pytest.approx(6.0)
    assert run("fifo", jobs, plays).cost == pytest.approx(10.0)


@pytest.mark.parametrize("name", ["planned", "water-level"])
def test_a_child_waits_for_its_own_cheap_hour(name: str) -> None:
    """Parent and child of 10 ms each at 1, 9, 2, 9, ..: the parent at once, the child in step 2 and not before."""
    chain = DagJob(
        name="chain",
        arrival_ms=0,
        stages=(DagStage(name="sum", task_ms=(10,), parents=("map",)), DagStage(name="map", task_ms=(10,))),
    )
    found = run(exactly(name, "finish_by_h=9"), [chain], signal(1, 9, 2, 9, 9, 9, 9, 9, 9))
    assert found.start_ms.tolist() == [0, 20]


@pytest.mark.parametrize("name", ["planned", "water-level"])
def test_the_latest_start_ends_all_waiting(name: str) -> None:
    """It gets cheaper for ever, yet 10 ms of work must end by 50 ms: bound 10 + 10 + 10 = 30, so step 2 is the last."""
    falling = signal(*range(30, 0, -1))
    found = run(exactly(name, "finish_by_h=5"), [job("a", 0, 10)], falling)
    assert found.start_ms.tolist() == [20]
    reserved = run(exactly(name, "finish_by_h=5").replace("reserve_h=0", "reserve_h=1"), [job("a", 0, 10)], falling)
    assert reserved.start_ms.tolist() == [10]


@pytest.mark.parametrize("name", ["planned", "water-level"])
def test_jobs_that_have_not_arrived_change_nothing(name: str) -> None:
    plays = signal(*(5.0 + 3.0 * np.sin(np.arange(60))))
    known = [job("a", 0, 7, 9, 4), job("b", 12, 8, 8)]
    late = job("c", 95, 30, 30)
    for options in ("finish_by_h=20", "allowance_h=10"):
        text = f"{name}:{options},forecast=perfect"
        alone, together = run(text, known, plays), run(text, [*known, late], plays)
        before = alone.start_ms < 95
        assert np.array_equal(alone.start_ms[before], together.start_ms[: before.sum()])


@pytest.mark.parametrize("name", ["planned", "water-level"])
def test_how_the_tasks_of_a_later_job_last_changes_nothing(name: str) -> None:
    """Durations of the last job are measured ones or exact; nobody knows before it arrives."""
    plays = signal(*(5.0 + 3.0 * np.sin(np.arange(60))))
    cluster = DagCluster(executors=3, moving_delay_ms=0)
    table = WaveTable(executors=(1,), fresh_ms=((9,),), first_ms=((9,),), rest_ms=((9,),))
    known = [job("a", 0, 7, 19, 24, 5), job("b", 0, *(8,) * 9), job("c", 2, 3, 31, 12)]
    runs = [
        run(
            f"{name}:allowance_h=3,forecast=perfect",
            [*known, DagJob(name="late", arrival_ms=85, stages=(DagStage(name="s", task_ms=(9, 9), waves=waves),))],
            plays,
            cluster,
        )
        for waves in (None, table)
    ]
    exact, drawn = (item.start_ms[item.start_ms < 85].tolist() for item in runs)
    assert exact == drawn


def test_known_arrivals_leave_the_cheap_hour_to_those_who_need_it() -> None:
    """At 2, 1, 9, ..: a waits for step 1 and pushes b, which comes then, to 9; who knows b runs a at 2."""
    jobs, plays = [job("a", 0, 10), job("b", 10, 10)], signal(2, 1, 9, 9, 9, 9, 9, 9)
    assert run(exactly("planned", "finish_by_h=8"), jobs, plays).cost == pytest.approx(10.0)
    assert run(exactly("planned", "finish_by_h=8,known_arrivals=yes"), jobs, plays).cost == pytest.approx(3.0)


def test_a_forecast_of_no_change_makes_nobody_wait() -> None:
    found = run("water-level:forecast=persistence", [job("a", 3, 10)], signal(*range(50, 0, -1)))
    assert found.start_ms.tolist() == [3]


@pytest.mark.parametrize("name", ["planned:replans_per_step=3", "water-level:stretch=2"])
def test_durations_that_are_not_exact_and_failing_executors(name: str) -> None:
    from joulewright.data.dag_generator import generate_dag_jobs

    jobs = generate_dag_jobs("tpch-like", jobs=3, seed=5, waves=True)
    cluster = DagCluster(executors=20, task_failure_fraction=0.1)
    plays = DagSignal(step_ms=60_000, values=300.0 + 100.0 * np.sin(np.arange(400.0)))
    separator = "," if ":" in name else ":"
    found = run(f"{name}{separator}allowance_h=6", list(jobs), plays, cluster)
    assert (found.completion_ms > 0).all()


def test_more_work_than_fits_is_no_failure() -> None:
    jobs = [job("a", 0, *(10,) * 20)]
    found = run(exactly("planned", "finish_by_h=2"), jobs, signal(*range(40, 0, -1)))
    assert found.makespan_ms == 200


def test_levels_by_hand() -> None:
    prices, room = np.array([5.0, 2.0, 9.0]), np.array([10.0, 10.0, 10.0])
    assert water_level(prices, room, 0.0) == -math.inf
    assert [water_level(prices, room, work) for work in (5.0, 10.0, 10.5, 20.0, 30.0, 30.5)] == [
        2,
        2,
        5,
        5,
        9,
        math.inf,
    ]
    # 4 that arrive last must take the last step, 12 that arrive before take its other 6 and then step 1.
    left = room_after_reserve(np.array([1.0, 3.0, 2.0]), room, np.array([0.0, 12.0, 4.0]))
    assert left.tolist() == [10.0, 4.0, 0.0]
    assert room_after_reserve(prices, room, np.array([0.0, 0.0, 99.0])).tolist() == [10.0, 10.0, 0.0]


def test_allowed_ends_by_hand() -> None:
    """A queue would end the job at 80 of an arrival at 60; an hour lasts 10."""
    assert Allowance(allowance_h=3.0).end_ms(60, 80.0, 10.0) == 110.0
    assert Allowance(allowance_h=0.0, stretch=1.5).end_ms(60, 80.0, 10.0) == 90.0
    assert Allowance(finish_by_h=20.0).end_ms(60, 80.0, 10.0) == 200.0
    assert Allowance(finish_by_h=5.0).end_ms(60, 80.0, 10.0) == 80.0


def test_the_bound_of_greedy_runs_by_hand() -> None:
    """(100 + 2 * 6) / 4 + 5 + 20 + 2 * 2 * 3 = 65."""
    found = greedy_time_ms(100.0, 20.0, executors=4, moving_ms=2.0, moves=6, stages=3, running_ms=5.0)
    assert found == 65.0


def test_the_program_respects_windows_widths_and_parents() -> None:
    """A parent of 20 on one executor within 20 ms needs steps 0 and 1; its child of 20 may be no further than it.

    Room 20 in each of four steps of 10 ms at 1, 3, 2, 4. The parent takes 10 in step 0 and 10 in step 1; half of the
    child, no more, may go into step 0, and the rest is cheapest in step 2.
    """
    edges = np.arange(0.0, 50.0, 10.0)
    steps = TimingSteps(
        begin_ms=edges[:-1], end_ms=edges[1:], price=np.array([1.0, 3.0, 2.0, 4.0]), room_ms=np.full(4, 20.0)
    )
    parent = StageWork(work_ms=20.0, width=1, earliest_ms=0.0, latest_ms=20.0)
    child = StageWork(work_ms=20.0, width=2, earliest_ms=0.0, latest_ms=40.0, parents=(0,))
    assert plan_timing([parent, child], steps).tolist() == [[10.0, 10.0, 0.0, 0.0], [10.0, 0.0, 10.0, 0.0]]
    later = StageWork(work_ms=20.0, width=2, earliest_ms=10.0, latest_ms=40.0, parents=(0,))
    assert plan_timing([parent, later], steps)[1].tolist() == [0.0, 0.0, 20.0, 0.0]
    beyond = StageWork(work_ms=50.0, width=1, earliest_ms=0.0, latest_ms=40.0)
    assert plan_timing([beyond], steps).sum() == pytest.approx(40.0)
    assert plan_timing([], steps).shape == (0, 4)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("planned:allowance_h=-1", "allowance_h is -1.0"),
        ("planned:allowance_h=inf", "allowance_h is inf"),
        ("water-level:stretch=0.9", "stretch is 0.9"),
        ("water-level:finish_by_h=0", "finish_by_h is 0.0"),
        ("planned:efficiency=0", "efficiency is 0.0"),
        ("planned:efficiency=1.5", "efficiency is 1.5"),
        ("planned:anticipate=-2", "anticipate is -2.0"),
        ("water-level:reserve_h=-1", "reserve_h is -1.0"),
        ("planned:replans_per_step=0", "replans_per_step is 0"),
        ("water-level:window_h=0", "window is 0.0 h"),
        ("water-level:forecast=tea-leaves", "tea-leaves"),
        ("planned:known_arrivals=perhaps", "known_arrivals"),
        ("water-level+fifo", "wraps no other"),
    ],
)
def test_bad_options(text: str, words: str) -> None:
    with pytest.raises(PolicyError, match=words):
        make_dag_scheduler(text)


def test_what_keeps_a_memory_is_no_base() -> None:
    with pytest.raises(PolicyError, match="cannot be the base"):
        run("sap:minimum=1+planned", [job("a", 0, 10)], signal(*range(1, 50)))


def test_names_and_equal_runs() -> None:
    assert make_dag_scheduler("planned:finish_by_h=30") == Planned(finish_by_h=30.0)
    scheduler, jobs, plays = (
        WaterLevel(forecast="perfect"),
        [job("a", 0, 9, 9), job("b", 4, 9)],
        signal(*range(40, 0, -1)),
    )
    first, second = (simulate_dag(jobs, ONE, plays, scheduler) for _ in range(2))
    assert np.array_equal(first.start_ms, second.start_ms)
