"""Properties of every run of DAG jobs: order, capacity, conservation, determinism, and equal loops."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from joulewright.model.dag import DagCluster, DagJob, DagSignal, DagStage
from joulewright.policy.dag import make_dag_scheduler
from joulewright.sim.processes.dag import DagRun, fluid_bound, price_runs, simulate_dag, split_dag_change

NAMES = (
    "fifo",
    "fifo:count=held",
    "fair",
    "weighted-fair",
    "shortest-work",
    "critical-path",
    "softmax:score=short-job",
    "sap:minimum=1",
    "sap:minimum=2,forecast=perfect+fair",
    "green-hadoop",
    "green-hadoop:forecast=perfect+critical-path",
    "spade:gamma=1,forecast=perfect",
    "spade:scale_free=yes",
    "sap:minimum=1+spade:gamma=0.7",
)


@st.composite
def dag_jobs(draw: Any, executors: int) -> tuple[DagJob, ...]:
    jobs = []
    for number in range(draw(st.integers(1, 4))):
        stages: list[DagStage] = []
        for position in range(draw(st.integers(1, 4))):
            parents = draw(st.lists(st.sampled_from(range(position)), unique=True, max_size=3)) if position else []
            durations = draw(st.lists(st.integers(1, 60), min_size=1, max_size=6))
            stages.append(
                DagStage(name=f"s{position}", parents=tuple(f"s{p}" for p in parents), task_ms=tuple(durations))
            )
        limit = draw(st.one_of(st.none(), st.integers(1, executors)))
        jobs.append(
            DagJob(
                name=f"j{number}",
                arrival_ms=draw(st.integers(0, 80)),
                stages=tuple(stages),
                weight=draw(st.sampled_from([1.0, 2.5])),
                max_executors=limit,
            )
        )
    return tuple(jobs)


@st.composite
def cases(draw: Any) -> tuple[tuple[DagJob, ...], DagCluster, DagSignal, str, int]:
    executors = draw(st.integers(2, 6))
    cluster = DagCluster(
        executors=executors,
        moving_delay_ms=draw(st.sampled_from([0, 1, 7])),
        task_failure_fraction=draw(st.sampled_from([0.0, 0.3])),
    )
    random = np.random.default_rng(draw(st.integers(0, 99)))
    signal = DagSignal(step_ms=25, values=random.uniform(50.0, 500.0, 4000), renewable_fraction=random.random(4000))
    name = draw(st.sampled_from(NAMES))
    return draw(dag_jobs(executors)), cluster, signal, name, draw(st.integers(0, 50))


def run_of(case: tuple[tuple[DagJob, ...], DagCluster, DagSignal, str, int], engine: Any = "auto") -> DagRun:
    jobs, cluster, signal, name, seed = case
    return simulate_dag(jobs, cluster, signal, make_dag_scheduler(name), seed=seed, engine=engine)


@settings(max_examples=150, deadline=None)
@given(cases())
def test_both_loops_do_the_same(case: Any) -> None:
    plain, compiled = run_of(case, "plain"), run_of(case, "compiled")
    for name in ("task", "executor", "start_ms", "finish_ms", "failed", "completion_ms"):
        assert np.array_equal(getattr(plain, name), getattr(compiled, name))
    assert (plain.events, plain.answers, plain.deferrals) == (compiled.events, compiled.answers, compiled.deferrals)
    again = run_of(case, "compiled")
    assert np.array_equal(again.finish_ms, compiled.finish_ms)


@settings(max_examples=150, deadline=None)
@given(cases())
def test_order_capacity_and_conservation(case: Any) -> None:
    jobs, cluster = case[:2]
    run = run_of(case)
    done = ~run.failed
    durations = np.array([value for job in jobs for stage in job.stages for value in stage.task_ms])
    assert sorted(run.task[done].tolist()) == list(range(durations.size))
    assert np.array_equal((run.finish_ms - run.start_ms)[done], durations[run.task[done]])
    ends, starts = np.empty_like(durations), np.full(durations.size, 1 << 60)
    np.minimum.at(starts, run.task, run.start_ms)
    ends[run.task[done]] = run.finish_ms[done]
    owner, first = [], 0
    for number, job in enumerate(jobs):
        slices = []
        for stage in job.stages:
            slices.append(slice(first, first + stage.tasks))
            first += stage.tasks
            owner += [number] * stage.tasks
        for position, parents in enumerate(job.parents):
            for parent in parents:
                assert starts[slices[position]].min() >= ends[slices[parent]].max()
        assert starts[slices[0].start : first].min() >= job.arrival_ms + cluster.moving_delay_ms
        assert run.completion_ms[number] == ends[slices[0].start : first].max()
    check_executors(run, np.array(owner))


def check_executors(run: DagRun, owner: Any) -> None:
    """No executor runs two tasks at once, and it takes the moving delay to change jobs; no job exceeds its limit."""
    for executor in range(run.cluster.executors):
        mine = run.executor == executor
        starts, ends, jobs = run.start_ms[mine], run.finish_ms[mine], owner[run.task[mine]]
        gaps = starts[1:] - ends[:-1]
        assert (gaps >= 0).all()
        assert (gaps[jobs[1:] != jobs[:-1]] >= run.cluster.moving_delay_ms).all()
    for number, job in enumerate(run.jobs):
        if job.max_executors is not None:
            mine = owner[run.task] == number
            starts, ends = run.start_ms[mine], run.finish_ms[mine]
            assert max(((starts <= t) & (t < ends)).sum() for t in starts) <= job.max_executors


@settings(max_examples=60, deadline=None)
@given(cases())
def test_no_run_costs_less_than_the_bound_and_changes_add_up(case: Any) -> None:
    jobs, cluster, signal = case[:3]
    run, base = run_of(case), simulate_dag(jobs, cluster, signal, make_dag_scheduler("fifo"))
    assert price_runs(run.start_ms, run.finish_ms, signal) >= fluid_bound(
        jobs, cluster, signal, run.makespan_ms
    ).cost * (1.0 - 1e-9)
    assert run.busy_per_step_ms.sum() == run.busy_ms
    change = split_dag_change(base, run)
    assert abs(change.total - (run.cost - base.cost)) <= 1e-9 * base.cost
    product = change.work_ratio * change.overhead_ratio * change.shift_ratio
    assert abs(product - run.cost / base.cost) <= 1e-9


@settings(max_examples=40, deadline=None)
@given(cases(), st.floats(0.01, 100.0))
def test_the_unit_of_the_signal_changes_no_decision_of_a_quota(case: Any, scale: float) -> None:
    """Thresholds scale with the signal; ties may fall either way, so the values are in general position."""
    jobs, cluster, signal, _, seed = case
    scaled = DagSignal(step_ms=signal.step_ms, values=signal.values * scale)
    scheduler = make_dag_scheduler("sap:minimum=1,forecast=perfect,window_h=24")
    one, two = (simulate_dag(jobs, cluster, item, scheduler, seed=seed) for item in (signal, scaled))
    assert np.array_equal(one.finish_ms, two.finish_ms)
