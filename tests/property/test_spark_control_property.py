"""Properties of every run that a scheduler commands: order, shares, quota and progress, on a plant without Spark."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from joulewright.live.spark import Board, control
from joulewright.model.dag import DagCluster, DagJob, DagSignal, DagStage
from joulewright.policy.dag import make_dag_scheduler, sap_quota

NAMES = ("fifo", "fair", "critical-path", "softmax", "sap:minimum=1+fair", "spade:gamma=1", "sap:minimum=1+spade")


@st.composite
def runs(draw: Any) -> tuple[tuple[DagJob, ...], DagCluster, DagSignal, str]:
    executors = draw(st.integers(1, 4))
    jobs = []
    for number in range(draw(st.integers(1, 3))):
        stages = []
        for position in range(draw(st.integers(1, 4))):
            parents = draw(st.lists(st.sampled_from(range(position)), unique=True)) if position else []
            durations = draw(st.lists(st.integers(1, 60), min_size=1, max_size=5))
            stages.append(DagStage(name=f"{position}", parents=tuple(map(str, parents)), task_ms=tuple(durations)))
        limit = draw(st.one_of(st.none(), st.integers(1, executors)))
        arrival_ms = draw(st.integers(0, 120))
        jobs.append(DagJob(name=f"j{number}", arrival_ms=arrival_ms, stages=tuple(stages), max_executors=limit))
    values = draw(st.lists(st.integers(100, 600), min_size=1, max_size=30))
    signal = DagSignal(step_ms=draw(st.integers(10, 90)), values=np.array(values, dtype=float))
    return tuple(jobs), DagCluster(executors=executors), signal, draw(st.sampled_from(NAMES))


@settings(max_examples=150, deadline=None)
@given(case=runs(), hold_ms=st.sampled_from([0, 40, 10_000]))
def test_every_run_ends_and_keeps_its_rules(case: Any, hold_ms: int, spark_case: Any) -> None:
    jobs, cluster, signal, name = case
    plant = spark_case.TimedPlant(cluster.executors)
    board = Board(jobs, cluster, signal, make_dag_scheduler(name))
    record = control(board, plant, limit_ms=60_000, hold_ms=hold_ms)
    ends = {number: max(ends) for number, (_, ends) in plant.stages.items()}
    assert len(ends) == sum(len(job.stages) for job in jobs)
    for number, state in enumerate(board.states):
        assert plant.began[number] >= jobs[state.job].arrival_ms
        assert all(plant.began[number] >= ends[parent] for parent in state.parents)
        assert 1 <= plant.shares[number] <= (jobs[state.job].max_executors or cluster.executors)
    assert all(0 <= target.executors <= cluster.executors for target in record.targets)
    for decision in record.decisions:
        assert 0 <= decision.active <= decision.active + decision.executors <= cluster.executors
        assert decision.active <= decision.busy
        assert decision.busy > 0 or not decision.deferred
        if name.startswith("sap"):
            bounds = (decision.low, decision.high)
            quota = sap_quota(decision.signal, *bounds, executors=cluster.executors, minimum=1)
            assert decision.active + decision.executors <= max(quota, decision.active)
    assert record.deferrals == sum(decision.deferred for decision in record.decisions)
