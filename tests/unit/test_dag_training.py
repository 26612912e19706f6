"""Training of the learned DAG scheduler as far as it needs no torch: cases, teachers, worth of decisions, batches."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from joulewright.errors import MissingExtraError
from joulewright.model.dag import DagCluster, DagJob, DagSignal, DagStage
from joulewright.policy.dag import make_dag_scheduler
from joulewright.policy.dag.learned import Thinker, load_network
from joulewright.policy.dag.learned.network import LIMIT_SHARES
from joulewright.sim.processes.dag import DagRun
from joulewright.study.dag_training.__main__ import main
from joulewright.study.dag_training.batch import make_batch
from joulewright.study.dag_training.cases import CHECKING, HELD_OUT, TrainingCase, training_case
from joulewright.study.dag_training.experience import (
    Experience,
    Explorer,
    Teacher,
    advantages,
    cost_to_go,
    experience,
)
from joulewright.study.dag_training.torch_network import import_torch
from joulewright.study.dag_training.training import TrainingPlan, numpy_scores, taught


def simple(arrival_ms: int, name: str) -> DagJob:
    return DagJob(name=name, arrival_ms=arrival_ms, stages=(DagStage(name="s", task_ms=(1,)),))


def made_run(arrivals: list[int], ends: list[int]) -> DagRun:
    none = np.zeros(0, dtype=np.int64)
    return DagRun(
        jobs=tuple(simple(arrival, f"j{number}") for number, arrival in enumerate(arrivals)),
        cluster=DagCluster(executors=1),
        signal=DagSignal(step_ms=1, values=np.ones(1)),
        task=none,
        executor=none,
        start_ms=none,
        finish_ms=none,
        failed=none.astype(bool),
        completion_ms=np.array(ends),
        events=0,
        answers=0,
        deferrals=0,
    )


def explored(case: TrainingCase, seed: int) -> Experience:
    return experience(case, Explorer(load_network(), np.random.default_rng(seed)))


def test_cost_to_go_is_the_time_that_jobs_spend() -> None:
    run = made_run([0, 10], [30, 50])
    # With a long horizon: both wait from 10 to 30, the second alone to 50.
    found = cost_to_go(run, np.array([0.0, 10.0, 40.0, 60.0]), 1e9)
    assert found == pytest.approx([70.0, 60.0, 10.0, 0.0], rel=1e-6)
    discounted = cost_to_go(run, np.array([0.0]), 10.0)
    assert discounted == pytest.approx([10.0 * (1 - np.exp(-3)) + 10.0 * (np.exp(-1) - np.exp(-5))])


def test_advantages_compare_runs_of_one_sequence() -> None:
    case = training_case(0, 2)
    seen = explored(case, 0)
    fast = Experience(decisions=seen.decisions[:1], run=seen.run)
    slow = Experience(decisions=seen.decisions[:1], run=replace(seen.run, completion_ms=seen.run.completion_ms + 1000))
    found = advantages([fast, slow])
    assert found[0][0] > 0.0
    assert found[1] == pytest.approx(-found[0])
    assert np.concatenate(found).std() == pytest.approx(1.0)
    same = advantages([fast, Experience(decisions=fast.decisions, run=fast.run)])
    assert [values.tolist() for values in same] == [[0.0], [0.0]]


def test_streams_of_cases_share_no_jobs() -> None:
    names = [
        training_case(0, number, stream).jobs[0].stages for number in range(4) for stream in (0, CHECKING, HELD_OUT)
    ]
    assert len(set(names)) == len(names)
    for number in range(6):
        case = training_case(5, number)
        assert (case.jobs[0].stages[0].waves is not None) == bool(number % 2)


def test_a_teacher_keeps_jobs_at_its_cap_and_serves_the_short_one_first() -> None:
    wide = [
        DagJob(name=n, arrival_ms=0, stages=(DagStage(name="s", task_ms=(ms,) * 8),)) for n, ms in (("a", 9), ("b", 2))
    ]
    case = TrainingCase(jobs=tuple(wide), cluster=DagCluster(executors=8, moving_delay_ms=1), seed=0)
    first, second = experience(case, Teacher(fair_shares=1.0)).decisions[:2]
    assert (first.observation.stages[first.stage], LIMIT_SHARES[first.limit]) == (1, 0.5)
    assert (second.observation.stages[second.stage], LIMIT_SHARES[second.limit]) == (0, 0.5)
    greedy = experience(case, Teacher(fair_shares=10.0)).decisions[0]
    assert LIMIT_SHARES[greedy.limit] == 1.0


def test_the_better_teacher_is_taken() -> None:
    case = training_case(0, 1)
    runs = [experience(case, Teacher(fair_shares=shares)).run.completion_times_ms.mean() for shares in (1.0, 3.0)]
    assert taught(case).run.completion_times_ms.mean() == min(runs)


def test_an_explorer_repeats_itself_with_its_seed() -> None:
    case = training_case(0, 0)
    runs = [explored(case, seed).run.completion_ms.tolist() for seed in (4, 4, 5)]
    assert runs[0] == runs[1] != runs[2]


def test_a_batch_holds_every_state_once_and_every_decision() -> None:
    decisions = explored(training_case(0, 4), 1).decisions
    batch = make_batch(decisions)
    graphs = {graph for decision in decisions for graph in decision.observation.graphs}
    assert batch.features.shape[0] == sum(graph.waiting.size for graph in graphs)
    assert batch.job_graph.size == sum(len(decision.observation.graphs) for decision in decisions)
    assert len(graphs) < batch.job_graph.size
    assert batch.row_decision[batch.chosen].tolist() == list(range(len(decisions)))
    assert batch.job_decision[batch.row_job].tolist() == batch.row_decision.tolist()
    for at, decision in enumerate(decisions):
        row = int(batch.chosen[at])
        job = decision.observation.graphs[int(decision.observation.stage_job[decision.stage])]
        expected = job.features[int(decision.observation.stage_at[decision.stage])]
        assert batch.features[batch.row_stage[row]].tolist() == expected.tolist()
        assert batch.allowed[at, decision.limit]
    edges = sum(int(graph.shape.below.sum()) for graph in graphs)
    assert sum(children.size for _, _, children in batch.levels) == edges


def test_scores_kept_from_job_to_job_equal_those_worked_out_anew() -> None:
    case, kept = training_case(0, 3), []

    class Keeping(Thinker):
        def think(self, view):
            opinion = super().think(view)
            if opinion is not None:
                kept.append(opinion.scores)
            return opinion

    recorder = Explorer(load_network(), np.random.default_rng(0))
    recorder._thinker = Keeping(load_network())
    scores, limits = numpy_scores(load_network(), experience(case, recorder))
    assert np.concatenate(kept) == pytest.approx(scores, abs=1e-12)
    assert limits.shape == (len(kept), len(LIMIT_SHARES))


@pytest.mark.parametrize(("name", "value"), [("rollouts", 1), ("seed", -1), ("check_every", 0), ("lessons", -1)])
def test_a_plan_out_of_range_is_refused(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=rf"{name} of the training is {value}"):
        TrainingPlan(**{name: value})


def test_without_torch_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'joulewright\[train\]'"):
        import_torch()
    target = tmp_path / "weights.npz"
    found = CliRunner().invoke(main, ["-o", str(target)])
    assert found.exit_code == 1
    assert "joulewright[train]" in found.output
    assert not target.exists()


@pytest.mark.parametrize("waves", [0, 1])
def test_the_shipped_weights_beat_the_plain_schedulers_where_they_never_were(waves: int) -> None:
    cases = [training_case(77, 2 * number + waves, HELD_OUT) for number in range(8)]
    plain = ("fifo", "fair", "shortest-work", "critical-path")
    logs = {
        name: np.mean([np.log(case.run(make_dag_scheduler(name)).completion_times_ms.mean()) for case in cases])
        for name in (*plain, "learned")
    }
    assert logs["learned"] < min(logs[name] for name in plain)
