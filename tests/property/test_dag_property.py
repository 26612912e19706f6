"""Properties of every run of DAG jobs: order, capacity, conservation, determinism, and equal loops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joulewright.data.dag_generator import generate_dag_jobs
from joulewright.model.dag import DagCluster, DagJob, DagLink, DagLinks, DagSignal, DagSite, DagStage
from joulewright.policy.dag import dag_placements, dag_schedulers, make_dag_scheduler
from joulewright.sim.processes.dag import (
    DagRun,
    fluid_bound,
    price_runs,
    simulate_dag,
    simulate_dag_sites,
    split_dag_change,
)
from joulewright.sim.processes.dag.outages import outage_events

NAMES = (
    "fifo",
    "fifo:count=held",
    "fair",
    "weighted-fair",
    "shortest-work",
    "critical-path",
    "softmax:score=short-job",
    "softmax:limit=fair",
    "spade:gamma=0.5+softmax:limit=work",
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
        mean_up_ms=draw(st.sampled_from([float("inf"), 40.0, 300.0])),
        repair_ms=draw(st.sampled_from([1, 30])),
    )
    random = np.random.default_rng(draw(st.integers(0, 99)))
    values = random.uniform(draw(st.sampled_from([50.0, -20.0])), 500.0, 4000)
    signal = DagSignal(step_ms=25, values=values, renewable_fraction=random.random(4000))
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
    jobs, cluster, _, _, seed = case
    run = run_of(case)
    check_run(run, [job.arrival_ms for job in jobs])
    events = outage_events(cluster, seed, run.makespan_ms)
    for event in events[events["back"] == 0]:
        mine = run.executor == event["executor"]
        back_ms = event["time_ms"] + cluster.repair_ms
        # Nothing runs on an executor that is down.
        assert not ((run.start_ms[mine] < back_ms) & (run.finish_ms[mine] > event["time_ms"])).any()
    assert run.down_start_ms.size == (events["back"] == 0).sum()


def check_run(run: DagRun, arrivals_ms: Sequence[int]) -> None:
    """Every task done once, behind its parents and the arrival of its job."""
    done = ~run.failed
    durations = np.array([value for job in run.jobs for stage in job.stages for value in stage.task_ms])
    assert sorted(run.task[done].tolist()) == list(range(durations.size))
    assert np.array_equal((run.finish_ms - run.start_ms)[done], durations[run.task[done]])
    assert ((run.finish_ms - run.start_ms)[run.failed] <= durations[run.task[run.failed]]).all()
    ends, starts = np.empty_like(durations), np.full(durations.size, 1 << 60)
    np.minimum.at(starts, run.task, run.start_ms)
    ends[run.task[done]] = run.finish_ms[done]
    owner, first = [], 0
    for number, job in enumerate(run.jobs):
        slices = []
        for stage in job.stages:
            slices.append(slice(first, first + stage.tasks))
            first += stage.tasks
            owner += [number] * stage.tasks
        for position, parents in enumerate(job.parents):
            for parent in parents:
                assert starts[slices[position]].min() >= ends[slices[parent]].max()
        assert starts[slices[0].start : first].min() >= arrivals_ms[number] + run.cluster.moving_delay_ms
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


@pytest.mark.parametrize("name", sorted(dag_schedulers()))
@pytest.mark.parametrize("mean_up_ms", [float("inf"), 20_000.0])
def test_every_scheduler_keeps_to_the_limits_of_jobs(name: str, mean_up_ms: float) -> None:
    jobs = tuple(
        replace(job, max_executors=number % 3 + 1)
        for number, job in enumerate(generate_dag_jobs("fork-join", jobs=3, seed=3))
    )
    values = 300.0 + 200.0 * np.sin(np.arange(400) * np.pi / 12.0)
    signal = DagSignal(step_ms=60_000, values=values, renewable_fraction=1.0 - values / 600.0)
    cluster = DagCluster(executors=30, mean_up_ms=mean_up_ms, repair_ms=5_000)
    run = simulate_dag(jobs, cluster, signal, make_dag_scheduler(name), seed=2)
    check_run(run, [job.arrival_ms for job in jobs])


@st.composite
def site_cases(draw: Any) -> tuple[tuple[DagJob, ...], tuple[DagSite, ...], DagLinks, str, str, int]:
    sites = []
    for name in ("east", "west", "north")[: draw(st.integers(1, 3))]:
        cluster = DagCluster(
            executors=draw(st.integers(2, 5)),
            moving_delay_ms=draw(st.sampled_from([0, 3])),
            idle_power_kw=draw(st.sampled_from([0.0, 0.2])),
            mean_up_ms=draw(st.sampled_from([float("inf"), 100.0])),
            repair_ms=20,
        )
        random = np.random.default_rng(draw(st.integers(0, 99)))
        signal = DagSignal(step_ms=25, values=random.uniform(50.0, 500.0, 4000), renewable_fraction=random.random(4000))
        sites.append(DagSite(name=name, cluster=cluster, signal=signal))
    homes = st.sampled_from([None, *(site.name for site in sites)])
    sizes = st.sampled_from([0.0, 0.5, 2.0])
    jobs = tuple(
        replace(
            job,
            home=draw(homes),
            input_gb=draw(sizes),
            stages=(*job.stages[:-1], replace(job.stages[-1], output_gb=draw(sizes))),
        )
        for job in draw(dag_jobs(2))
    )
    link = DagLink(gb_per_s=draw(st.sampled_from([10.0, 100.0])), latency_ms=3, kwh_per_gb=0.01)
    placement, name = draw(st.sampled_from(sorted(dag_placements()))), draw(st.sampled_from(NAMES[:7]))
    return jobs, tuple(sites), DagLinks(default=link), placement, name, draw(st.integers(0, 50))


@settings(max_examples=60, deadline=None)
@given(site_cases())
def test_sites_hold_all_that_single_runs_hold(case: Any) -> None:
    jobs, sites, links, placement, name, seed = case
    one, two = (
        simulate_dag_sites(
            jobs,
            sites,
            placement=placement,
            scheduler=make_dag_scheduler(name),
            links=links,
            seed=seed,
            engine=engine,  # type: ignore[arg-type]
        )
        for engine in ("plain", "compiled")
    )
    assert np.array_equal(one.site_of, two.site_of)
    assert np.array_equal(one.completion_ms, two.completion_ms)
    assert (one.cost, one.transfers) == (two.cost, two.transfers)
    for at, run in enumerate(one.runs):
        mine = one.site_of == at
        assert run.jobs == tuple(job for job, here in zip(jobs, mine) if here)
        if run.jobs:
            check_run(run, one.arrival_ms[mine].tolist())
            assert (one.completion_ms[mine] >= run.completion_ms).all()
    for sent in one.transfers:
        assert one.sites[sent.source].name != one.sites[sent.target].name
        assert sent.finish_ms - sent.start_ms == links.default.transfer_ms(sent.size_gb)
    parts = sum(figures["cost"] for figures in one.by_site().values()) + one.transfer_cost
    assert abs(one.cost - parts) <= 1e-9 * one.cost
