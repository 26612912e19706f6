"""Facts of DAG jobs: what is derived from them, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from joulewright.errors import ScenarioError
from joulewright.model.dag import DagCluster, DagJob, DagSignal, DagStage, WaveTable, check_jobs


def job(*stages: DagStage, **facts: Any) -> DagJob:
    return DagJob(**({"name": "a", "arrival_ms": 0, "stages": stages} | facts))


def stage(name: str, *parents: str, task_ms: tuple[int, ...] = (10,)) -> DagStage:
    return DagStage(name=name, parents=parents, task_ms=task_ms)


def test_paths_follow_the_longest_task_of_each_stage() -> None:
    """Diamond: 5 -> {7, 2} -> 4 and a stage in file order before its parent."""
    diamond = job(
        stage("end", "left", "right", task_ms=(4,)),
        stage("start", task_ms=(5, 1)),
        stage("left", "start", task_ms=(7, 7)),
        stage("right", "start", task_ms=(2,)),
    )
    assert diamond.path_ms == (4, 16, 11, 6)
    assert diamond.critical_path_ms == 16
    assert diamond.work_ms == 5 + 1 + 14 + 2 + 4
    assert diamond.parents == ((2, 3), (), (1,), (1,))
    assert diamond.children == ((), (2, 3), (0,), (0,))


@pytest.mark.parametrize(
    ("stages", "words"),
    [
        ((stage("x", "z"), stage("y", "x"), stage("z", "y")), ["cycle", "x", "y", "z", "->"]),
        ((stage("x", "x"),), ["cycle: x -> x"]),
        ((stage("ok"), stage("x", "y"), stage("y", "x"), stage("tail", "y")), ["cycle"]),
        ((stage("x", "nowhere"),), ["nowhere", "no stage of the job"]),
        ((stage("x", task_ms=()),), ["'x'", "no task"]),
        ((stage("x", task_ms=(5, 0)),), ["task 1 takes 0 ms"]),
        ((stage("x", task_ms=(-3,)),), ["takes -3 ms"]),
        ((stage("x"), stage("x")), ["two stages 'x'"]),
        ((stage("w"), stage("x", "w", "w")), ["parent twice"]),
        ((), ["no stage"]),
    ],
)
def test_stages_that_are_no_dag_are_refused(stages: tuple[DagStage, ...], words: list[str]) -> None:
    with pytest.raises(ScenarioError) as caught:
        job(*stages)
    assert all(word in str(caught.value) for word in words)


def test_sizes_of_results() -> None:
    """Only what stages without children leave goes home."""
    ends = [
        DagStage(name=name, task_ms=(1,), parents=("x",), output_gb=size) for name, size in (("y", 2.0), ("z", 3.0))
    ]
    assert job(DagStage(name="x", task_ms=(1,), output_gb=9.0), *ends).output_gb == 5.0
    with pytest.raises(ScenarioError, match="output_gb nan"):
        job(DagStage(name="x", task_ms=(1,), output_gb=float("nan")))


def test_the_arrays_of_a_job() -> None:
    """Columns: tasks, first task, path, parents, children, open parents, measured; edges and durations behind them."""
    table = WaveTable(executors=(2, 4), fresh_ms=((1,), ()), first_ms=((2, 3), (4,)), rest_ms=((), (5,)))
    waves = DagStage(name="y", task_ms=(7,), parents=("x",), waves=table)
    found = job(stage("x", task_ms=(5, 1)), waves).table
    assert found.stages.tolist() == [[2, 0, 12, 0, 0, 0, 1, 0, 0, 0], [1, 2, 7, 0, 1, 1, 1, 1, 0, 2]]
    assert (found.parents.tolist(), found.children.tolist()) == ([0], [1])
    assert (found.task_ms.tolist(), found.work_ms) == ([5, 1, 7], 13)
    assert found.measured.tolist() == [2, 4]
    assert found.ends.tolist() == [1, 3, 3, 3, 4, 5]
    assert found.drawn_ms.tolist() == [1, 2, 3, 4, 5]


def test_a_cycle_is_named_along_its_edges() -> None:
    with pytest.raises(ScenarioError, match=r"x -> y -> z -> x|y -> z -> x -> y|z -> x -> y -> z"):
        job(stage("x", "z"), stage("y", "x"), stage("z", "y"), stage("behind", "z"))


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"arrival_ms": -1}, "arrives at -1 ms"),
        ({"arrival_ms": 10**15}, "arrives at 1000000000000000 ms; allowed is 0 to 68719476735 ms"),
        ({"weight": 0.0}, "weight 0.0"),
        ({"weight": float("nan")}, "weight nan"),
        ({"max_executors": 0}, "max_executors 0"),
        ({"input_gb": -0.5}, "input_gb -0.5"),
        ({"arrival_ms": 5, "deadline_ms": 14}, "15 ms or later"),
    ],
)
def test_numbers_of_a_job_out_of_range(facts: dict[str, Any], words: str) -> None:
    with pytest.raises(ScenarioError, match=words):
        job(stage("x"), **facts)


@pytest.mark.parametrize("length_ms", [1 << 36, 1 << 40, 10**19])
def test_tasks_that_take_years_are_refused(length_ms: int) -> None:
    words = f"stage 'x' of job 'a': task 1 takes {length_ms} ms; durations are at least 1 ms and at most 68719476735 ms"
    with pytest.raises(ScenarioError, match=words):
        job(DagStage(name="x", task_ms=(5, length_ms)))
    waves = WaveTable(executors=(2,), fresh_ms=((1, length_ms),), first_ms=((),), rest_ms=((),))
    with pytest.raises(ScenarioError, match=f"fresh_ms holds a duration of {length_ms} ms; .* at most 68719476735 ms"):
        job(DagStage(name="x", task_ms=(5,), waves=waves))
    assert job(DagStage(name="x", task_ms=((1 << 36) - 1,))).work_ms == (1 << 36) - 1


def test_a_deadline_at_the_critical_path_is_allowed() -> None:
    assert job(stage("x"), arrival_ms=5, deadline_ms=15).deadline_ms == 15


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"executors": 0}, "at least 1"),
        ({"moving_delay_ms": -1}, "moving_delay_ms"),
        ({"idle_power_kw": float("inf")}, "idle_power_kw"),
        ({"task_failure_fraction": 1.0}, "0 to 0.9"),
        ({"mean_up_ms": 0.0}, "mean_up_ms of the cluster is 0.0"),
        ({"mean_up_ms": float("nan")}, "mean_up_ms of the cluster is nan"),
        ({"repair_ms": 0}, "repair_ms of the cluster is 0"),
        ({"moving_delay_ms": 10**19}, "moving_delay_ms of the cluster is 10000000000000000000; .* 68719476735 ms"),
        ({"warm_up_ms": 1 << 36}, "warm_up_ms of the cluster is 68719476736; .* 68719476735 ms"),
    ],
)
def test_numbers_of_a_cluster_out_of_range(facts: dict[str, Any], words: str) -> None:
    with pytest.raises(ScenarioError, match=words):
        DagCluster(**({"executors": 2} | facts))


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"values": [1.0, float("nan")]}, "step 1"),
        ({"values": []}, "shape"),
        ({"step_ms": 0}, "positive"),
        ({"renewable_fraction": [0.5]}, "must agree"),
        ({"renewable_fraction": [0.5, 26.0]}, "not a percentage"),
    ],
)
def test_signals_out_of_range(facts: dict[str, Any], words: str) -> None:
    arrays = {key: np.array(value) if isinstance(value, list) else value for key, value in facts.items()}
    with pytest.raises(ScenarioError, match=words):
        DagSignal(**({"step_ms": 10, "values": np.ones(2)} | arrays))


def test_jobs_that_do_not_fit_a_cluster() -> None:
    big = job(stage("x"), max_executors=5)
    with pytest.raises(ScenarioError, match="asks for 5 executors, but the cluster has 4"):
        check_jobs([big], DagCluster(executors=4))
    with pytest.raises(ScenarioError, match="two jobs are called 'a'"):
        check_jobs([big, big], DagCluster(executors=5))
    with pytest.raises(ScenarioError, match="no job"):
        check_jobs([], DagCluster(executors=5))


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (WaveTable(executors=(), fresh_ms=(), first_ms=(), rest_ms=()), "increasing"),
        (WaveTable(executors=(5, 2), fresh_ms=((1,), (1,)), first_ms=((), ()), rest_ms=((), ())), "increasing"),
        (WaveTable(executors=(2,), fresh_ms=((),), first_ms=((),), rest_ms=((3,),)), "neither"),
        (WaveTable(executors=(2,), fresh_ms=((0,),), first_ms=((),), rest_ms=((),)), "at least 1 ms"),
        (WaveTable(executors=(2,), fresh_ms=((1,),), first_ms=(), rest_ms=((),)), "0 lists for 1"),
    ],
)
def test_wave_tables_out_of_range(table: WaveTable, words: str) -> None:
    with pytest.raises(ScenarioError, match=words):
        job(DagStage(name="x", task_ms=(5,), waves=table))


def test_a_later_signal_keeps_what_played_before() -> None:
    share = np.linspace(0.0, 1.0, 5)
    whole = DagSignal(step_ms=10, values=np.arange(5.0), renewable_fraction=share)
    late = whole.later(2).later(1)
    assert late.values.tolist() == [3.0, 4.0]
    assert late.before(late.values).tolist() == [0.0, 1.0, 2.0]
    assert late.renewable_fraction is not None
    assert late.before(late.renewable_fraction).tolist() == share[:3].tolist()
    assert late.before(np.ones(2)).size == 0
    assert whole.later(0) is whole
    assert whole.before(whole.values).size == 0
    for step in (-1, 5):
        with pytest.raises(ScenarioError, match=rf"begins in step {step} of a signal with 5 steps"):
            whole.later(step)


def test_a_past_of_another_kind_is_refused() -> None:
    past = DagSignal(step_ms=10, values=np.ones(2))
    for other in ({"step_ms": 20}, {"step_h": 0.5}, {"renewable_fraction": np.ones(3)}):
        with pytest.raises(ScenarioError, match=r"the past of the signal has other steps"):
            DagSignal(**{"step_ms": 10, "values": np.ones(3), "past": past, **other})
