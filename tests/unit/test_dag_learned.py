"""The learned DAG scheduler: features and scores worked by hand, weight files, answers, and names."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from joulewright.errors import DataError, PolicyError
from joulewright.model.dag import DagCluster, DagJob, DagSignal, DagStage, WaveTable
from joulewright.policy.dag import AbstractDagView, Choice, Learned, make_dag_scheduler
from joulewright.policy.dag.learned import Network, about_network, load_network, save_network
from joulewright.policy.dag.learned.features import (
    JOB_FEATURES,
    STAGE_FEATURES,
    JobShape,
    Memory,
    Observation,
    job_graph,
    observe,
)
from joulewright.policy.dag.learned.network import LIMIT_SHARES, PARTS, limit_of, weight_shapes
from joulewright.sim.processes.dag import simulate_dag

SIGNAL = DagSignal(step_ms=1_000_000, values=np.ones(2))
SHIPPED = resources.files("joulewright.data").joinpath("learned_scheduler.npz")


def chain(name: str = "a", arrival_ms: int = 0, **changes: Any) -> DagJob:
    """A stage of four tasks before a stage of one: 4 x 10 ms, then 20 ms."""
    stages = (
        DagStage(name="map", task_ms=(10, 10, 10, 10)),
        DagStage(name="sum", task_ms=(20,), parents=("map",)),
    )
    return DagJob(name=name, arrival_ms=arrival_ms, stages=stages, **changes)


class Watching(Learned):
    """The learned scheduler, with something to look at in every view."""

    look: Callable[[AbstractDagView], None]

    def choose(self, view: AbstractDagView) -> Choice:
        type(self).look(view)
        return super().choose(view)


def watch(look: Callable[[AbstractDagView], None], jobs: tuple[DagJob, ...], executors: int = 8, **options: Any) -> Any:
    kind = type("Watcher", (Watching,), {"look": staticmethod(look)})
    return simulate_dag(jobs, DagCluster(executors=executors, moving_delay_ms=5), SIGNAL, kind(**options))


def first_observation(jobs: tuple[DagJob, ...], executors: int = 8) -> Observation:
    seen: list[Observation | None] = []
    watch(lambda view: seen.append(observe(view, Memory())), jobs, executors)
    assert seen[0] is not None
    return seen[0]


def passing(**factors: float | dict[int, float]) -> Network:
    """A network whose parts pass on a weighted sum of inputs; parts that are not named give zero."""
    weights = {name: np.zeros(shape) for name, shape in weight_shapes().items()}
    for part, inputs in factors.items():
        chosen = inputs if isinstance(inputs, dict) else {0: inputs}
        for index, factor in chosen.items():
            weights[f"{part}.0.weight"][index, 0] = factor
        for layer in range(1, len(PARTS[part]) - 1):
            weights[f"{part}.{layer}.weight"][0, 0] = 1.0
    return Network(weights)


X, E, U = len(STAGE_FEATURES), 8, len(JOB_FEATURES)


def test_features_of_a_stage_are_shares_of_its_job() -> None:
    graph = job_graph(JobShape(chain(), 8), (2, -1 - 1))
    # Two of four tasks of 10 ms left; work 60 ms, critical path 30 ms, 8 executors.
    first = [0.5, 20 / 60, 10 / 30, 1.0, np.log(1.25), 1.0]
    second = [1.0, 20 / 60, 20 / 30, 20 / 30, np.log(1.125), 0.0]
    assert graph.features == pytest.approx(np.array([first, second]), rel=1e-12)
    assert (graph.tasks, graph.work_ms, graph.path_ms) == (3.0, 40.0, 30.0)
    done = job_graph(JobShape(chain(), 8), (0, 1))
    assert done.waiting.tolist() == [False, True]
    assert done.path_ms == 20.0


def test_features_of_jobs_compare_them() -> None:
    big = DagJob(name="b", arrival_ms=0, stages=(DagStage(name="s", task_ms=(180,)),))
    seen = first_observation((chain(), big))
    assert (seen.stages, seen.stage_job.tolist(), seen.stage_at.tolist()) == ((0, 2), [0, 1], [0, 0])
    assert seen.used == (0, 0)
    half = 0.5 * np.log([60 / 120, 180 / 120])
    paths = 0.5 * np.log([30 / 105, 180 / 105])
    expected = np.array(
        [
            [0, 0, 0, 1, 0, half[0], paths[0], 30 / (30 + 60 / 8), np.log(1 + 5 / 8), 0, np.log(2) / 3, 1],
            [0, 0, 0, 1, 0, half[1], paths[1], 180 / (180 + 180 / 8), np.log(1 + 1 / 8), 0, np.log(2) / 3, 1],
        ]
    )
    assert seen.jobs == pytest.approx(expected, rel=1e-12)


def test_offered_executors_do_not_count_as_used() -> None:
    rows: list[tuple[int, ...]] = []

    def look(view: AbstractDagView) -> None:
        seen = observe(view, Memory())
        if seen is not None:
            own = seen.jobs[:, 0].tolist()
            rows.append((view.source_job, view.offered, *seen.used, *map(int, own)))

    watch(look, (chain(),), executors=2)
    # The pool offers two; later the first executor that finds no task left offers the job's executors.
    assert rows[0] == (-1, 2, 0, 0)
    assert all(row[2] == 2 - row[1] and row[3] == 1 for row in rows[1:] if row[0] == 0)


def test_growth_is_that_of_the_first_wave() -> None:
    waves = WaveTable(executors=(5, 10), fresh_ms=((), ()), first_ms=((10, 30), (40,)), rest_ms=((), ()))
    job = DagJob(name="w", arrival_ms=0, stages=(DagStage(name="s", task_ms=(20,), waves=waves),))
    assert JobShape(job, 4).growth == pytest.approx(np.log(2.0))
    assert JobShape(chain(), 4).growth == 0.0


def test_levels_put_children_before_parents() -> None:
    stages = [
        DagStage(name="d", task_ms=(1,), parents=("b", "c")),
        DagStage(name="b", task_ms=(1,), parents=("a",)),
        DagStage(name="c", task_ms=(1,)),
        DagStage(name="a", task_ms=(1,)),
    ]
    shape = JobShape(DagJob(name="j", arrival_ms=0, stages=tuple(stages)), 4)
    assert [level.tolist() for level in shape.levels] == [[1, 2], [3]]
    assert shape.below.tolist() == [[0, 0, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0]]


def test_scores_of_two_stages_worked_by_hand() -> None:
    graph = job_graph(JobShape(chain(), 8), (2, -1 - 1))
    network = passing(
        prepare=2.0,
        message=3.0,
        combine=0.5,
        job={X: 1.0},
        whole=1.0,
        stage={0: 1.0, E: 10.0, 2 * E + U: 100.0},
        limit={0: 1.0, 2 * E + U: 16.0},
    )
    stages, summary = network.embed(graph)
    # Child: 2 x 1. Parent: 2 x 0.5 + 0.5 x (3 x 2) = 4. Job: the mean of both.
    assert stages[:, 0].tolist() == [4.0, 2.0]
    assert summary[0] == 3.0
    seen = Observation(
        graphs=(graph,),
        jobs=np.zeros((1, U)),
        used=(0,),
        stages=(0,),
        stage_job=np.array([0]),
        stage_at=np.array([0]),
        executors=8,
    )
    scores, jobs = network.judge(seen, [(stages, summary)])
    assert jobs.shape == (1, 2 * E + U)
    assert scores.tolist() == [4.0 + 10.0 * 3.0 + 100.0 * 3.0]
    assert network.limit_scores(jobs[0], jobs=1).tolist() == [3.0 + 16.0 * share for share in LIMIT_SHARES]


def test_negative_values_pass_at_a_fifth_in_every_hidden_layer() -> None:
    graph = job_graph(JobShape(chain(), 8), (4, -1 - 1))
    stages, summary = passing(prepare=-1.0, job={X: 1.0}).embed(graph)
    assert stages[:, 0] == pytest.approx([-0.2, -0.2])
    assert summary[0] == pytest.approx(-0.04)


def test_a_stage_without_tasks_left_is_no_part_of_its_job() -> None:
    _, summary = passing(job={0: 1.0}).embed(job_graph(JobShape(chain(), 8), (0, 1)))
    assert summary[0] == 1.0


def test_probabilities_stand_on_the_frontier_alone() -> None:
    found: list[tuple[dict[int, float], list[int]]] = []
    scheduler = Learned(temperature=0.5)

    def look(view: AbstractDagView) -> None:
        found.append((scheduler.probabilities(view), [s for job in view.jobs() for s in view.frontier(job)]))

    watch(look, (chain("a"), chain("b", 3), chain("c", 40)), executors=3)
    assert any(len(frontier) > 1 for _, frontier in found)
    assert any(not frontier for _, frontier in found)
    for probabilities, frontier in found:
        assert list(probabilities) == frontier
        assert not frontier or sum(probabilities.values()) == pytest.approx(1.0, abs=1e-12)


def test_importance_is_the_probability_over_the_greatest() -> None:
    scheduler, seen = Learned(temperature=2.0), []

    def look(view: AbstractDagView) -> None:
        probabilities, choice = scheduler.probabilities(view), scheduler.choose(view)
        if probabilities:
            seen.append((choice.importance, probabilities[choice.stage] / max(probabilities.values())))

    watch(look, (chain("a"), chain("b"), chain("c")), executors=2)
    assert seen
    assert [found for found, _ in seen] == pytest.approx([wanted for _, wanted in seen])


def test_limits_are_rounded_up_and_leave_one() -> None:
    assert [limit_of(share, 1) for share in LIMIT_SHARES] == [1] * 8
    assert [limit_of(share, 100) for share in LIMIT_SHARES] == [7, 13, 19, 25, 38, 50, 75, 100]


@pytest.mark.parametrize("slope", [-50.0, 50.0])
def test_the_limit_head_sets_how_many_executors_a_job_gets(slope: float, tmp_path: Path) -> None:
    path = tmp_path / "weights.npz"
    save_network(path, passing(limit={2 * E + U: slope}), {"seed": 0})
    grants: list[Choice] = []
    scheduler = Learned(weights=str(path))
    wide = DagJob(name="wide", arrival_ms=0, stages=(DagStage(name="s", task_ms=(10,) * 20),))
    watch(lambda view: grants.append(scheduler.choose(view)), (wide,), executors=16, weights=str(path))
    assert grants[0].executors == (16 if slope > 0 else 1)


@pytest.mark.parametrize(
    "name", ["learned", "learned:temperature=0.01", "spade:gamma=1+learned", "sap:minimum=2+spade+learned"]
)
def test_names_make_schedulers_that_end_every_job(name: str) -> None:
    jobs = tuple(chain(f"j{number}", 7 * number) for number in range(6))
    signal = DagSignal(step_ms=50, values=100.0 + 50.0 * np.sin(np.arange(400.0)))
    cluster = DagCluster(executors=4, moving_delay_ms=5, task_failure_fraction=0.1)
    runs = [simulate_dag(jobs, cluster, signal, make_dag_scheduler(name), seed=3) for _ in range(2)]
    assert (runs[0].completion_ms >= 30).all()
    assert runs[0].completion_ms.tolist() == runs[1].completion_ms.tolist()


def test_one_scheduler_may_serve_several_runs() -> None:
    scheduler = make_dag_scheduler("learned")
    first = [chain(f"j{number}") for number in range(3)]
    other = [DagJob(name="x", arrival_ms=0, stages=(DagStage(name="s", task_ms=(5, 5)),)), *first]
    cluster = DagCluster(executors=3, moving_delay_ms=5)
    expected = simulate_dag(other, cluster, SIGNAL, make_dag_scheduler("learned"))
    simulate_dag(first, cluster, SIGNAL, scheduler)
    assert simulate_dag(other, cluster, SIGNAL, scheduler).completion_ms.tolist() == expected.completion_ms.tolist()


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("inf"), float("nan")])
def test_a_temperature_must_be_positive(temperature: float) -> None:
    with pytest.raises(PolicyError, match="temperature"):
        Learned(temperature=temperature)


def damaged(tmp_path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """The shipped file with its arrays changed, checksum left alone unless the change sees to it."""
    with SHIPPED.open("rb") as file, np.load(file) as archive:
        arrays = {name: archive[name] for name in archive.files}
    change(arrays)
    path = tmp_path / "changed.npz"
    with path.open("wb") as file:
        np.savez(file, **arrays)
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda arrays: arrays.pop("job.0.bias"), "'job.0.bias' is missing"),
        (lambda arrays: arrays.update(extra=np.zeros(2)), "'extra' is unknown"),
        (lambda arrays: arrays["stage.0.bias"].__setitem__(0, 9.0), "checksum"),
        (lambda arrays: arrays.pop("about"), "no weight file"),
        (lambda arrays: arrays.update(about=np.array("not json")), "no weight file"),
    ],
)
def test_a_damaged_weight_file_is_refused(
    change: Callable[[dict[str, Any]], object], message: str, tmp_path: Path
) -> None:
    path = damaged(tmp_path, change)
    with pytest.raises(DataError, match=message):
        Learned(weights=str(path))


@pytest.mark.parametrize("content", [b"", b"weights", b"PK\x03\x04broken"])
def test_a_file_of_another_kind_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "other.npz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"other\.npz is no weight file"):
        make_dag_scheduler(f"learned:weights={path}")
    with pytest.raises(DataError, match="absent"):
        load_network(str(tmp_path / "absent.npz"))


def test_weights_of_another_network_are_refused() -> None:
    weights = {name: np.zeros(shape) for name, shape in weight_shapes().items()}
    with pytest.raises(DataError, match=r"'whole\.0\.weight' has shape \(3, 16\), not \(20, 16\)"):
        Network(weights | {"whole.0.weight": np.zeros((3, 16))})
    with pytest.raises(DataError, match="not finite"):
        Network(weights | {"limit.2.bias": np.array([np.nan])})


def test_equal_weights_give_equal_files(tmp_path: Path) -> None:
    network, digests = load_network(), set()
    for name in ("one.npz", "two.npz"):
        save_network(tmp_path / name, network, {"seed": 0})
        digests.add(hashlib.sha256((tmp_path / name).read_bytes()).hexdigest())
    assert len(digests) == 1
    again = load_network(str(tmp_path / "one.npz"))
    assert all(np.array_equal(again.weights[name], network.weights[name]) for name in weight_shapes())


def test_the_shipped_weights_are_small_and_say_where_they_come_from() -> None:
    with SHIPPED.open("rb") as file:
        assert len(file.read()) < 100_000
    about = about_network()
    assert about["command"].startswith("python -m joulewright.study.dag_training --seed ")
    assert set(about["versions"]) == {"joulewright", "numpy", "python", "torch"}
    assert {"plan", "training_set", "sha256", "seed"} <= set(about)


def test_neither_weights_nor_torch_are_loaded_before_they_are_needed() -> None:
    code = (
        "import sys, joulewright.policy.dag, joulewright.study.dag_training.training\n"
        "from joulewright.policy.dag.learned.weights import load_network\n"
        "print('torch' in sys.modules, load_network.cache_info().currsize)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False", "0"]
