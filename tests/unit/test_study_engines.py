"""Engines: every piece of work once, and a lost process costs no more than its own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from types import ModuleType

import pytest

from joulewright.errors import DataError, ScenarioError
from joulewright.study.engines import ENGINES, Crash, LocalEngine, SerialEngine, Work, make_engine
from joulewright.study.engines.local import available_cores


@pytest.mark.parametrize("engine", [SerialEngine(), LocalEngine(jobs=2)], ids=["serial", "local"])
def test_every_piece_of_work_once_with_its_own_shared_bytes(engine, workers: ModuleType) -> None:
    work = [Work(shared=position % 2, payload=f"p{position}") for position in range(5)]
    found = list(engine.run(workers.echo, [b"a", b"bbb"], work))
    assert sorted(found) == [(position, ((1, 3)[position % 2], f"p{position}")) for position in range(5)]


def test_a_process_that_ends_costs_its_own_work_only(workers: ModuleType) -> None:
    payloads = ["a", "exit", "b", "kill", "c", "d"]
    work = [Work(shared=0, payload=payload) for payload in payloads]
    found = dict(LocalEngine(jobs=2).run(workers.die, [b""], work))
    assert {position: found[position] for position in (0, 2, 4, 5)} == {0: "a", 2: "b", 4: "c", 5: "d"}
    assert found[1] == Crash("the worker process ended with status 7")
    assert found[3] == Crash("the worker process ended with signal SIGKILL")


def test_only_crashes(workers: ModuleType) -> None:
    work = [Work(shared=0, payload="exit")] * 3
    found = list(LocalEngine(jobs=1).run(workers.die, [b""], work))
    assert [position for position, _ in found] == [0, 1, 2]
    assert all(isinstance(result, Crash) for _, result in found)


def test_work_is_spread_over_other_processes(workers: ModuleType) -> None:
    found = [pid for _, pid in LocalEngine(jobs=2).run(workers.process, [b""], [Work(shared=0, payload=None)] * 8)]
    assert len(set(found)) == 2
    assert os.getpid() not in found


def test_processes_end_when_the_caller_stops_early(workers: ModuleType) -> None:
    running = LocalEngine(jobs=2).run(workers.process, [b""], [Work(shared=0, payload=None)] * 20)
    pids = {next(running)[1] for _ in range(6)}
    running.close()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_no_work_starts_nothing(workers: ModuleType) -> None:
    assert list(LocalEngine(jobs=2).run(workers.echo, [], [])) == []
    assert list(SerialEngine().run(workers.echo, [], [])) == []


def test_a_script_without_a_guard_is_told_so(tmp_path: Path) -> None:
    """A spawned process runs the script again; it must end at once instead of starting processes for ever."""
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(
            """
            import operator
            from joulewright.study.engines import LocalEngine, Work
            list(LocalEngine(jobs=1).run(operator.add, [b""], [Work(shared=0, payload=b"x")]))
            """
        )
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert '`if __name__ == "__main__":`' in done.stderr


def test_engines_by_name() -> None:
    assert isinstance(make_engine("serial"), SerialEngine)
    assert make_engine("local", jobs=3).jobs == 3
    assert make_engine("local").jobs == available_cores() >= 1
    assert set(ENGINES) == {"local", "serial", "dask"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"name": "slurm"}, "there are local, serial, dask"),
        ({"name": "local", "jobs": 0}, "takes 1 or more"),
        ({"name": "serial", "jobs": 2}, "takes 1 or more"),
        ({"name": "dask"}, "takes an address"),
        ({"name": "local", "address": "tcp://a:1"}, "takes an address"),
    ],
)
def test_engines_that_are_refused(arguments, words: str) -> None:
    with pytest.raises(ScenarioError, match=words):
        make_engine(**arguments)


def test_an_address_nobody_answers_at(workers: ModuleType) -> None:
    pytest.importorskip("distributed", reason="the dask extra is not installed")
    started = time.monotonic()
    with pytest.raises(DataError, match=r"no Dask scheduler answers at 'tcp://127\.0\.0\.1:9'"):
        list(make_engine("dask", address="tcp://127.0.0.1:9").run(workers.echo, [], []))
    assert time.monotonic() - started < 10.0


def test_an_address_that_is_none(workers: ModuleType) -> None:
    pytest.importorskip("distributed", reason="the dask extra is not installed")
    with pytest.raises(DataError, match="which looks like tcp://"):
        list(make_engine("dask", address="nonsense://x").run(workers.echo, [], []))
