"""What the events of a Spark application say: its jobs, stages, attempts of tasks and executors.

Only these events are looked at; all others of the listener protocol are passed over. Keys are those that
``org.apache.spark.util.JsonProtocol`` writes since Spark 3.0.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

_EXCERPT = 40


class UnreadableError(ValueError):
    """A line that says nothing usable; the text is the reason."""


@dataclass(kw_only=True)
class StageFacts:
    """A stage as listed by the first job that names it."""

    number: int
    operation: str
    parents: tuple[int, ...]
    tasks: int
    data: int | None
    """First data set of the stage, which equals that of the stage whose output it reuses."""


@dataclass(kw_only=True)
class JobFacts:
    """A Spark job, which is one action of a program."""

    number: int
    submitted_ms: int
    stages: tuple[StageFacts, ...]
    properties: Mapping[str, str]
    ended_ms: int | None = None
    succeeded: bool = False


@dataclass(kw_only=True)
class AttemptFacts:
    """An attempt of a task that ended."""

    stage: int
    partition: int
    executor: str
    start_ms: int
    finish_ms: int
    succeeded: bool


@dataclass(kw_only=True)
class ExecutorFacts:
    """An executor from when it was added until it was removed."""

    name: str
    cores: int
    added_ms: int
    removed_ms: int | None = None


@dataclass
class SparkFacts:
    """All that was read, with times since the epoch [ms]."""

    jobs: dict[int, JobFacts] = field(default_factory=dict)
    pools: dict[int, str] = field(default_factory=dict)
    attempts: list[AttemptFacts] = field(default_factory=list)
    running: set[int] = field(default_factory=set)
    """Tasks that began and did not end."""
    executors: dict[str, ExecutorFacts] = field(default_factory=dict)
    cpus_per_task: int = 1
    began_ms: int | None = None
    ended_ms: int | None = None
    last_ms: int = 0

    def read(self, line: str) -> None:
        """Take in a line.

        Raises
        ------
        UnreadableError
            If it is no event, or one of those looked at without what it must have.
        """
        try:
            event = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UnreadableError(f"not JSON: {_excerpt(line)}") from error
        if not isinstance(event, dict) or not isinstance(event.get("Event"), str):
            raise UnreadableError(f"no event: {_excerpt(line)}")
        handler = _HANDLERS.get(event["Event"])
        if handler is not None:
            handler(self, event)

    def cut(self, from_ms: int, until_ms: int) -> int:
        """Leave out jobs submitted outside a time, their tasks, and executors beyond it; how many jobs that were."""
        kept = {number: job for number, job in self.jobs.items() if from_ms <= job.submitted_ms < until_ms}
        if len(kept) < len(self.jobs):
            stages = {stage.number for job in kept.values() for stage in job.stages}
            self.attempts = [attempt for attempt in self.attempts if attempt.stage in stages]
        lost, self.jobs = len(self.jobs) - len(kept), kept
        end_ms = self.last_ms if self.ended_ms is None else self.ended_ms
        for name, executor in list(self.executors.items()):
            removed_ms = end_ms if executor.removed_ms is None else executor.removed_ms
            executor.added_ms, executor.removed_ms = max(executor.added_ms, from_ms), min(removed_ms, until_ms)
            if executor.added_ms >= executor.removed_ms:
                del self.executors[name]
        return lost

    def time(self, event: Mapping[str, Any], *path: str) -> int:
        """A time of an event, which also tells how far the log goes."""
        value = _whole(event, *path)
        self.last_ms = max(self.last_ms, value)
        return value


def _environment(facts: SparkFacts, event: Mapping[str, Any]) -> None:
    found = _texts(event.get("Spark Properties")).get("spark.task.cpus", "1")
    if not found.isdecimal() or int(found) < 1:
        raise UnreadableError(f"spark.task.cpus is {found!r}; it is a number of at least 1")
    facts.cpus_per_task = int(found)


def _application_start(facts: SparkFacts, event: Mapping[str, Any]) -> None:
    facts.began_ms = facts.time(event, "Timestamp")


def _application_end(facts: SparkFacts, event: Mapping[str, Any]) -> None:
    facts.ended_ms = facts.time(event, "Timestamp")


def _executor_added(facts: SparkFacts, event: Mapping[str, Any]) -> None:
    name, cores = str(_needed(event, "Executor ID")), _whole(event, "Executor Info", "Total Cores")
    facts.executors[name] = ExecutorFacts(name=name, cores=cores, added_ms=facts.time(event, "Timestamp"))


def _executor_removed(facts: SparkFacts, event: Mapping[str, Any]) -> None:
    executor = facts.executors.get(str(_needed(event, "Executor ID")))
    moment = facts.time(event, "Timestamp")
    if executor is not None and moment >= executor.added_ms:
        executor.removed_ms = moment


def _job_start(facts: SparkFacts, event: Mapping[str, Any]) -> None:
    number, stages = _whole(event, "Job ID"), _needed(event, "Stage Infos")
    if not isinstance(stages, list):
        raise UnreadableError(f"Stage Infos are {_excerpt(stages)}; expected a list")
    job = JobFacts(
        number=number,
        submitted_ms=facts.time(event, "Submission Time"),
        stages=tuple(_stage(item) for item in stages),
        properties=_texts(event.get("Properties")),
    )
    facts.jobs[number] = job
    for stage in job.stages:
        facts.pools.setdefault(stage.number, job.properties.get("spark.scheduler.pool", "default"))


def _stage(item: Any) -> StageFacts:
    parents, data = _needed(item, "Parent IDs"), item.get("RDD Info") or [{}]
    if not isinstance(parents, list) or not all(_is_whole(parent) for parent in parents):
        raise UnreadableError(f"Parent IDs are {_excerpt(parents)}; expected a list of whole numbers")
    first = data[0].get("RDD ID") if isinstance(data, list) and isinstance(data[0], dict) else None
    return StageFacts(
        number=_whole(item, "Stage ID"),
        operation=str(item.get("Stage Name", "stage")).split(" at ")[0] or "stage",
        parents=tuple(dict.fromkeys(parents)),
        tasks=_whole(item, "Number of Tasks"),
        data=first if _is_whole(first) else None,
    )


def _job_end(facts: SparkFacts, event: Mapping[str, Any]) -> None:
    job, moment = facts.jobs.get(_whole(event, "Job ID")), facts.time(event, "Completion Time")
    if job is None:
        raise UnreadableError(f"job {event['Job ID']} ends without having begun")
    if moment < job.submitted_ms:
        raise UnreadableError(f"job {job.number} ends at {moment} before it begins at {job.submitted_ms}")
    job.ended_ms, job.succeeded = moment, _needed(event, "Job Result", "Result") == "JobSucceeded"


def _task_start(facts: SparkFacts, event: Mapping[str, Any]) -> None:
    facts.time(event, "Task Info", "Launch Time")
    facts.running.add(_whole(event, "Task Info", "Task ID"))


def _task_end(facts: SparkFacts, event: Mapping[str, Any]) -> None:
    info = _needed(event, "Task Info")
    start, finish = facts.time(info, "Launch Time"), facts.time(info, "Finish Time")
    if finish < start:
        raise UnreadableError(f"task {info.get('Task ID')} ends at {finish} before it begins at {start}")
    partition = info.get("Partition ID", -1)
    attempt = AttemptFacts(
        stage=_whole(event, "Stage ID"),
        # An attempt of a stage numbers its own tasks; their partition is written since Spark 3.3.
        partition=partition if _is_whole(partition) else _whole(info, "Index"),
        executor=str(_needed(info, "Executor ID")),
        start_ms=start,
        finish_ms=finish,
        succeeded=_needed(event, "Task End Reason", "Reason") == "Success",
    )
    facts.running.discard(_whole(info, "Task ID"))
    facts.attempts.append(attempt)


_HANDLERS: Mapping[str, Callable[[SparkFacts, Mapping[str, Any]], None]] = {
    "SparkListenerEnvironmentUpdate": _environment,
    "SparkListenerApplicationStart": _application_start,
    "SparkListenerApplicationEnd": _application_end,
    "SparkListenerExecutorAdded": _executor_added,
    "SparkListenerExecutorRemoved": _executor_removed,
    "SparkListenerJobStart": _job_start,
    "SparkListenerJobEnd": _job_end,
    "SparkListenerTaskStart": _task_start,
    "SparkListenerTaskEnd": _task_end,
}


def _needed(event: Any, *path: str) -> Any:
    for key in path:
        if not isinstance(event, dict) or event.get(key) is None:
            raise UnreadableError(f"no {' / '.join(path)}")
        event = event[key]
    return event


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 62


def _whole(event: Any, *path: str) -> int:
    value = _needed(event, *path)
    if not _is_whole(value):
        raise UnreadableError(f"{' / '.join(path)} is {_excerpt(value)}; expected a whole number from 0")
    number: int = value
    return number


def _texts(properties: Any) -> dict[str, str]:
    return {key: str(value) for key, value in properties.items()} if isinstance(properties, dict) else {}


def _excerpt(value: Any) -> str:
    text = repr(value.strip() if isinstance(value, str) else value)
    return text if len(text) <= _EXCERPT else text[:_EXCERPT] + "..."
