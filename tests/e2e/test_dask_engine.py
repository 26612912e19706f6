"""A real Dask scheduler with three worker processes, one of which is killed in the middle."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from joulewright.errors import DataError
from joulewright.model import Scenario
from joulewright.study import runner
from joulewright.study.engines import SerialEngine, Work, make_engine
from joulewright.study.request import StudyRequest
from joulewright.study.runner import run_study
from joulewright.study.store import RunStore

pytest.importorskip("distributed", reason="the dask extra is not installed")

TESTS = Path(__file__).resolve().parents[1]
WORKERS = 3


class Cluster:
    """A scheduler and its workers as processes."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{port}"
        self.folder = folder
        self.scheduler = self._start("scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard")
        self.workers = [
            self._start(
                "worker", self.address, "--no-nanny", "--nthreads", "1", "--no-dashboard", "--memory-limit", "0"
            )
            for _ in range(WORKERS)
        ]

    def _start(self, kind: str, *arguments: str) -> subprocess.Popen[bytes]:
        paths = [str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])]
        return subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "distributed.cli.dask_" + kind, *arguments],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def wait_for_workers(self, count: int, limit_s: float = 40.0) -> None:
        from distributed import Client

        with Client(self.address, timeout=limit_s, set_as_default=False) as client:
            client.wait_for_workers(count, timeout=limit_s)

    def close(self) -> None:
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def workers() -> Iterator[ModuleType]:
    sys.path.insert(0, str(TESTS))
    yield import_module("study_workers")
    sys.path.remove(str(TESTS))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    found = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        found.wait_for_workers(WORKERS)
        yield found
    finally:
        found.close()


@pytest.mark.filterwarnings("default")
def test_a_cluster_that_fails_piece_by_piece(
    cluster: Cluster, workers: ModuleType, tmp_path: Path, tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One cluster for all three parts: starting one takes longer than they do."""
    the_study_is_the_same_as_here(cluster, workers, tmp_path, tiny.scenario(), monkeypatch)
    a_lost_worker_loses_and_doubles_nothing(cluster, workers)
    a_lost_scheduler_is_reported(cluster, workers)


def the_study_is_the_same_as_here(
    cluster: Cluster, workers: ModuleType, folder: Path, scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "policies_of", lambda request: {name: name for name in request.policies})
    request = StudyRequest(scenario=scenario, policies=("fast", "slow", "broken"), seeds=(0, 1, 2))
    engines = {"dask": make_engine("dask", address=cluster.address), "serial": SerialEngine()}
    found = {
        name: run_study(request, engine=engine, store=RunStore(folder / name), function=workers.run_by_hand)
        for name, engine in engines.items()
    }
    one, other = found["dask"], found["serial"]
    assert not any(outcome.cached for outcome in (*one.outcomes, *other.outcomes))
    assert [(item.key, item.status, item.figures) for item in one.outcomes] == [
        (item.key, item.status, item.figures) for item in other.outcomes
    ]
    assert (one.summaries, one.comparisons) == (other.summaries, other.comparisons)


def a_lost_worker_loses_and_doubles_nothing(cluster: Cluster, workers: ModuleType) -> None:
    work = [Work(shared=position % 2, payload=position) for position in range(24)]
    running = make_engine("dask", address=cluster.address).run(workers.slow, [b"0.2", b"0.3"], work)
    found = [next(running) for _ in range(4)]
    cluster.workers[0].kill()
    found += running
    assert sorted(found) == [(position, position) for position in range(24)]


def a_lost_scheduler_is_reported(cluster: Cluster, workers: ModuleType) -> None:
    work = [Work(shared=0, payload=position) for position in range(6)]
    running = make_engine("dask", address=cluster.address).run(workers.slow, [b"0.5"], work)
    next(running)
    cluster.scheduler.kill()
    with pytest.raises(DataError, match="was lost; runs that had finished are kept"):
        list(running)
