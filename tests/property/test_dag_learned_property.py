"""Properties of the learned DAG scheduler: what must not matter does not, and every run ends."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joulewright.data.dag_generator import generate_dag_jobs
from joulewright.model.dag import DagCluster, DagJob, DagSignal, DagStage
from joulewright.policy.dag import make_dag_scheduler
from joulewright.policy.dag.learned import Network, load_network
from joulewright.policy.dag.learned.features import JobGraph, JobShape, Observation, job_graph
from joulewright.policy.dag.learned.network import weight_shapes
from joulewright.sim.processes.dag import simulate_dag
from joulewright.study.dag_training.cases import TrainingCase
from joulewright.study.dag_training.experience import Explorer, experience

KINDS = st.sampled_from(["tpch-like", "layered", "fork-join"])
SIGNAL = DagSignal(step_ms=1_000_000_000, values=np.ones(1))


def random_network(seed: int) -> Network:
    random = np.random.default_rng(seed)
    return Network({name: 0.5 * random.standard_normal(shape) for name, shape in weight_shapes().items()})


def random_state(job: DagJob, random: np.random.Generator) -> list[int]:
    """Some tasks left in every stage, and whether its parents ended."""
    left = [int(random.integers(1, stage.tasks + 1)) for stage in job.stages]
    return [count if random.random() < 0.5 else -1 - count for count in left]


def scores(network: Network, seen: Observation) -> np.ndarray:
    return network.judge(seen, [network.embed(graph) for graph in seen.graphs])[0]


def observation(graphs: list[JobGraph], rows: np.ndarray) -> Observation:
    """An offer in which every stage is in the frontier."""
    sizes = [graph.waiting.size for graph in graphs]
    return Observation(
        graphs=tuple(graphs),
        jobs=rows,
        used=(0,) * len(graphs),
        stages=tuple(range(sum(sizes))),
        stage_job=np.repeat(np.arange(len(graphs)), sizes),
        stage_at=np.concatenate([np.arange(size) for size in sizes]),
        executors=10,
    )


@settings(max_examples=40, deadline=None)
@given(KINDS, st.integers(0, 1000), st.integers(0, 1000))
def test_the_order_of_jobs_does_not_matter(kind: str, seed: int, chance: int) -> None:
    random, network = np.random.default_rng(chance), random_network(seed)
    jobs = generate_dag_jobs(kind, jobs=4, seed=seed)
    graphs = [job_graph(JobShape(job, 10), random_state(job, random)) for job in jobs]
    rows, order = random.standard_normal((4, 12)), random.permutation(4)
    first = scores(network, observation(graphs, rows))
    other = scores(network, observation([graphs[at] for at in order], rows[order]))
    parts = np.split(first, np.cumsum([graph.waiting.size for graph in graphs])[:-1])
    assert other == pytest.approx(np.concatenate([parts[at] for at in order]), rel=1e-9, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(KINDS, st.integers(0, 1000), st.integers(0, 1000))
def test_the_order_of_stages_does_not_matter(kind: str, seed: int, chance: int) -> None:
    random, network = np.random.default_rng(chance), random_network(seed)
    job = generate_dag_jobs(kind, jobs=1, seed=seed)[0]
    state, order = random_state(job, random), random.permutation(len(job.stages))
    mixed = DagJob(name="mixed", arrival_ms=0, stages=tuple(job.stages[at] for at in order))
    stages, summary = network.embed(job_graph(JobShape(job, 10), state))
    others, same = network.embed(job_graph(JobShape(mixed, 10), [state[at] for at in order]))
    assert others == pytest.approx(stages[order], rel=1e-9, abs=1e-9)
    assert same == pytest.approx(summary, rel=1e-9, abs=1e-9)


@settings(max_examples=10, deadline=None)
@given(KINDS, st.integers(0, 1000), st.integers(2, 50))
def test_the_unit_of_time_does_not_matter(kind: str, seed: int, factor: int) -> None:
    jobs = generate_dag_jobs(kind, jobs=4, seed=seed, mean_gap_ms=5000.0)
    slow = tuple(
        DagJob(
            name=job.name,
            arrival_ms=factor * job.arrival_ms,
            stages=tuple(
                DagStage(name=stage.name, parents=stage.parents, task_ms=tuple(factor * ms for ms in stage.task_ms))
                for stage in job.stages
            ),
        )
        for job in jobs
    )
    first = simulate_dag(jobs, DagCluster(executors=7), SIGNAL, make_dag_scheduler("learned"))
    other = simulate_dag(
        slow, DagCluster(executors=7, moving_delay_ms=2000 * factor), SIGNAL, make_dag_scheduler("learned")
    )
    assert other.completion_ms.tolist() == (factor * first.completion_ms).tolist()


@settings(max_examples=30, deadline=None)
@given(st.data(), st.integers(1, 6), st.integers(0, 1000))
def test_any_network_ends_every_job(data: Any, executors: int, seed: int) -> None:
    jobs = []
    for number in range(data.draw(st.integers(1, 4))):
        stages: list[DagStage] = []
        for position in range(data.draw(st.integers(1, 4))):
            parents = data.draw(st.sets(st.integers(0, position - 1), max_size=2)) if position else set()
            tasks = tuple(data.draw(st.lists(st.integers(1, 60), min_size=1, max_size=6)))
            stages.append(DagStage(name=f"s{position}", parents=tuple(f"s{p}" for p in parents), task_ms=tasks))
        limit = data.draw(st.one_of(st.none(), st.integers(1, executors)))
        arrival = data.draw(st.integers(0, 80))
        jobs.append(DagJob(name=f"j{number}", arrival_ms=arrival, stages=tuple(stages), max_executors=limit))
    cluster = DagCluster(executors=executors, moving_delay_ms=data.draw(st.integers(0, 20)))
    case = TrainingCase(jobs=tuple(jobs), cluster=cluster, seed=seed)
    seen = experience(case, Explorer(random_network(seed), np.random.default_rng(seed)))
    assert (seen.run.completion_ms > 0).all()
    for decision in seen.decisions:
        assert decision.allowed[decision.limit]
        assert decision.allowed[-1]
    fixed = case.run(make_dag_scheduler("sap:minimum=1+spade:gamma=1+learned"))
    assert (fixed.completion_ms >= [job.arrival_ms + job.critical_path_ms for job in jobs]).all()


def test_scores_follow_weights_smoothly() -> None:
    """The score is linear in the last layer of its head: a step in a weight moves it by the hidden value times it."""
    network, random = load_network(), np.random.default_rng(3)
    job = generate_dag_jobs("layered", jobs=1, seed=2)[0]
    seen = observation([job_graph(JobShape(job, 10), random_state(job, random))], random.standard_normal((1, 12)))
    before = scores(network, seen)
    weights = {name: value.copy() for name, value in network.weights.items()}
    steps = []
    for step in (1e-3, 2e-3):
        changed = weights | {"stage.2.weight": weights["stage.2.weight"] + step}
        steps.append(scores(Network(changed), seen) - before)
    assert steps[1] == pytest.approx(2.0 * steps[0], rel=1e-9)
    biased = scores(Network(weights | {"stage.2.bias": weights["stage.2.bias"] + 0.5}), seen)
    assert biased == pytest.approx(before + 0.5)
