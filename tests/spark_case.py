"""Lines of small Spark event logs, and a plant without Spark."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from joulewright.live.spark import AbstractSparkPlant, Progress
from joulewright.model.dag import DagJob, DagStage

START = 1_700_000_000_000
"""Start of every application [ms since the epoch]."""


def stage(number: int, parents: tuple[int, ...] = (), *, tasks: int = 1, data: int | None = None) -> dict[str, Any]:
    return {
        "Stage ID": number,
        "Stage Name": f"map{number} at program.py:1",
        "Number of Tasks": tasks,
        "Parent IDs": list(parents),
        "RDD Info": [{"RDD ID": number + 100 if data is None else data}],
    }


def job(number: int, at_ms: int, stages: list[dict[str, Any]], **properties: str) -> dict[str, Any]:
    return {
        "Event": "SparkListenerJobStart",
        "Job ID": number,
        "Submission Time": START + at_ms,
        "Stage Infos": stages,
        "Properties": {key.replace("__", "."): value for key, value in properties.items()},
    }


def job_end(number: int, at_ms: int, result: str = "JobSucceeded") -> dict[str, Any]:
    return {
        "Event": "SparkListenerJobEnd",
        "Job ID": number,
        "Completion Time": START + at_ms,
        "Job Result": {"Result": result},
    }


def task(
    number: int, stage: int, times_ms: tuple[int, int], *, executor: str = "0", part: int = 0, reason: str = "Success"
) -> dict[str, Any]:
    return {
        "Event": "SparkListenerTaskEnd",
        "Stage ID": stage,
        "Task End Reason": {"Reason": reason},
        "Task Info": {
            "Task ID": number,
            "Index": part,
            "Partition ID": part,
            "Executor ID": executor,
            "Launch Time": START + times_ms[0],
            "Finish Time": START + times_ms[1],
        },
    }


def executor(name: str, at_ms: int, cores: int = 1) -> dict[str, Any]:
    return {
        "Event": "SparkListenerExecutorAdded",
        "Timestamp": START + at_ms,
        "Executor ID": name,
        "Executor Info": {"Total Cores": cores},
    }


def removed(name: str, at_ms: int) -> dict[str, Any]:
    return {"Event": "SparkListenerExecutorRemoved", "Timestamp": START + at_ms, "Executor ID": name}


def began() -> dict[str, Any]:
    return {"Event": "SparkListenerApplicationStart", "Timestamp": START, "App Name": "test"}


def ended(at_ms: int) -> dict[str, Any]:
    return {"Event": "SparkListenerApplicationEnd", "Timestamp": START + at_ms}


def text(*events: dict[str, Any] | str) -> str:
    return "".join((event if isinstance(event, str) else json.dumps(event)) + "\n" for event in events)


def write(path: Path, *events: dict[str, Any] | str) -> Path:
    path.write_text(text(*events), encoding="utf-8")
    return path


def simple() -> list[dict[str, Any]]:
    """Two executors; a map of two tasks (40 and 60 ms) and a sum of one (30 ms), from 100 to 200 ms; ends at 250."""
    return [
        began(),
        executor("0", 50),
        executor("1", 90),
        job(0, 100, [stage(0, tasks=2), stage(1, (0,))]),
        task(0, 0, (100, 140), executor="0", part=0),
        task(1, 0, (100, 160), executor="1", part=1),
        task(2, 1, (165, 195), executor="0"),
        job_end(0, 200),
        ended(250),
    ]


class TimedPlant(AbstractSparkPlant):
    """Executors that take tasks in the order in which stages were submitted; each look is 10 ms later."""

    def __init__(self, executors: int, *, failing: int = -1) -> None:
        self.clock_ms, self.wanted, self.failing = 0, executors, failing
        self.stages: dict[int, tuple[DagStage, list[int]]] = {}
        self.shares: dict[int, int] = {}
        self.began: dict[int, int] = {}
        self.busy: list[int] = []

    def now_ms(self) -> int:
        return self.clock_ms

    def submit(self, number: int, job: DagJob, stage: DagStage, executors: int) -> None:
        assert number not in self.stages
        self.stages[number], self.shares[number] = (stage, []), executors
        self.began[number] = self.clock_ms

    def resize(self, executors: int) -> None:
        assert executors >= 0
        self.wanted = executors

    def wait(self) -> None:
        for stage, ends in self.stages.values():
            while len(ends) < stage.tasks and self.running() < self.wanted:
                ends.append(self.clock_ms + stage.task_ms[len(ends)])
        self.busy.append(self.running())
        self.clock_ms += 10

    def running(self) -> int:
        return sum(end > self.clock_ms for _, ends in self.stages.values() for end in ends)

    def progress(self) -> Mapping[int, Progress]:
        found = {}
        for number, (stage, ends) in self.stages.items():
            done = sum(end <= self.clock_ms for end in ends)
            error = "out of memory" if number == self.failing and done else ""
            found[number] = Progress(started=len(ends), done=done, ended=done == stage.tasks, error=error)
        return found
