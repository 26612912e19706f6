"""Planning schedulers on any jobs: all run once, in order, and never later than allowed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from joulewright.model.dag import DagCluster, DagJob, DagSignal, DagStage
from joulewright.plan.dag import StageWork, TimingSteps, plan_timing
from joulewright.policy.dag import Planned, WaterLevel
from joulewright.policy.dag.planner import greedy_time_ms, water_level
from joulewright.policy.dag.planner.watch import most_movers
from joulewright.sim.processes.dag import fluid_bound, simulate_dag


@st.composite
def dag_jobs(draw: Any, executors: int) -> tuple[DagJob, ...]:
    jobs = []
    for number in range(draw(st.integers(1, 4))):
        stages: list[DagStage] = []
        for position in range(draw(st.integers(1, 4))):
            parents = draw(st.lists(st.sampled_from(range(position)), unique=True, max_size=3)) if position else []
            durations = draw(st.lists(st.integers(1, 60), min_size=1, max_size=8))
            stages.append(
                DagStage(name=f"s{position}", parents=tuple(f"s{p}" for p in parents), task_ms=tuple(durations))
            )
        limit = draw(st.one_of(st.none(), st.integers(1, executors)))
        arrival = draw(st.integers(0, 80))
        jobs.append(DagJob(name=f"j{number}", arrival_ms=arrival, stages=tuple(stages), max_executors=limit))
    return tuple(jobs)


@st.composite
def runs(draw: Any) -> tuple[tuple[DagJob, ...], DagCluster, DagSignal]:
    executors = draw(st.integers(1, 6))
    cluster = DagCluster(executors=executors, moving_delay_ms=draw(st.sampled_from([0, 3, 11])))
    values = draw(st.lists(st.floats(1.0, 600.0), min_size=3, max_size=12))
    signal = DagSignal(step_ms=draw(st.integers(7, 60)), values=np.resize(np.array(values), 8000))
    return draw(dag_jobs(executors)), cluster, signal


def worst_end_ms(jobs: tuple[DagJob, ...], cluster: DagCluster) -> float:
    """By when all ends if it begins at the last arrival and idles never."""
    stages = [stage for job in jobs for stage in job.stages]
    limits = [job.work_ms for job in jobs if job.max_executors is not None]
    moves = sum(most_movers(stage.tasks, stage.work_ms, cluster) for stage in stages)
    least = min([cluster.executors, *(job.max_executors or cluster.executors for job in jobs)])
    limited = (max(limits, default=0) + moves * cluster.moving_delay_ms) / least if limits else 0.0
    greedy = greedy_time_ms(
        sum(stage.work_ms for stage in stages),
        max(job.critical_path_ms for job in jobs),
        executors=cluster.executors,
        moving_ms=cluster.moving_delay_ms,
        moves=moves,
        stages=4,
        running_ms=60.0,
    )
    return max(job.arrival_ms for job in jobs) + greedy + limited


@settings(max_examples=40, deadline=None)
@given(case=runs(), later=st.floats(0.0, 2000.0), planned=st.booleans(), perfect=st.booleans())
def test_never_later_than_allowed(case: Any, later: float, planned: bool, perfect: bool) -> None:
    jobs, cluster, signal = case
    end_ms = worst_end_ms(jobs, cluster) + later
    kind = Planned if planned else WaterLevel
    scheduler = kind(
        finish_by_h=end_ms / signal.step_ms, forecast="perfect" if perfect else "diurnal-persistence", window_h=40
    )
    found = simulate_dag(jobs, cluster, signal, scheduler)
    assert found.makespan_ms <= end_ms
    tasks = sum(stage.tasks for job in jobs for stage in job.stages)
    assert sorted(found.task.tolist()) == list(range(tasks))
    bound = fluid_bound(jobs, cluster, signal, found.makespan_ms)
    assert bound.cost <= found.cost * (1.0 + 1e-9)
    _check_order(found, jobs)


def _check_order(found: Any, jobs: tuple[DagJob, ...]) -> None:
    start, finish = np.empty(found.task.size), np.empty(found.task.size)
    start[found.task], finish[found.task] = found.start_ms, found.finish_ms
    first = 0
    for job in jobs:
        spans = {}
        for stage in job.stages:
            spans[stage.name] = (start[first : first + stage.tasks], finish[first : first + stage.tasks])
            first += stage.tasks
        for stage in job.stages:
            assert spans[stage.name][0].min() >= job.arrival_ms
            for parent in stage.parents:
                assert spans[stage.name][0].min() >= spans[parent][1].max()


@settings(max_examples=50, deadline=None)
@given(
    case=runs(),
    allowance=st.floats(0.0, 5.0),
    stretch=st.floats(1.0, 2.0),
    planned=st.booleans(),
    failing=st.sampled_from([0.0, 0.3]),
    mean_up_ms=st.sampled_from([float("inf"), 40.0, 300.0]),
)
def test_every_run_ends(
    case: Any, allowance: float, stretch: float, planned: bool, failing: float, mean_up_ms: float
) -> None:
    jobs, cluster, signal = case
    kind = Planned if planned else WaterLevel
    cluster = replace(cluster, task_failure_fraction=failing, mean_up_ms=mean_up_ms, repair_ms=30)
    found = simulate_dag(jobs, cluster, signal, kind(allowance_h=allowance, stretch=stretch))
    assert (found.completion_ms > 0).all()


@settings(max_examples=100, deadline=None)
@given(
    prices=st.lists(st.integers(0, 9), min_size=1, max_size=8),
    share=st.floats(0.01, 1.0),
)
def test_the_level_is_the_least_that_holds_the_work(prices: list[int], share: float) -> None:
    price, room = np.array(prices, dtype=float), np.full(len(prices), 3.0)
    work = share * room.sum()
    level = water_level(price, room, work)
    assert room[price <= level].sum() >= work * (1.0 - 1e-9)
    assert room[price < level].sum() < work


@settings(max_examples=60, deadline=None)
@given(
    price=st.lists(st.floats(1.0, 9.0), min_size=4, max_size=4),
    works=st.lists(st.floats(1.0, 30.0), min_size=1, max_size=5),
)
def test_a_plan_places_all_work_that_fits_and_keeps_children_behind(price: list[float], works: list[float]) -> None:
    """A chain of stages within four steps of 10 ms; two executors have room for all."""
    edges = np.arange(0.0, 50.0, 10.0)
    steps = TimingSteps(begin_ms=edges[:-1], end_ms=edges[1:], price=np.array(price), room_ms=np.full(4, 100.0))
    stages = [
        StageWork(work_ms=work, width=2, earliest_ms=0.0, latest_ms=40.0, parents=(position - 1,) if position else ())
        for position, work in enumerate(works)
    ]
    plan = plan_timing(stages, steps)
    assert np.allclose(plan.sum(axis=1), works)
    progress = np.cumsum(plan, axis=1) / np.array(works)[:, None]
    assert (progress[1:] <= progress[:-1] + 1e-6).all()
