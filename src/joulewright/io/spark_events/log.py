"""A Spark event log as jobs with precedence and as the run that was executed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from joulewright.errors import ScenarioError
from joulewright.io.spark_events.events import AttemptFacts, JobFacts, SparkFacts, StageFacts, UnreadableError
from joulewright.io.spark_events.lines import CutOffError, log_files, log_lines
from joulewright.io.spark_events.run import SparkRun
from joulewright.io.spark_events.slots import Assignment, assign_slots
from joulewright.model.dag import DagJob, DagStage

JOB_PROPERTY = "joulewright.job"
STAGE_PROPERTY = "joulewright.stage"
AFTER_PROPERTY = "joulewright.after"
ARRIVAL_PROPERTY = "joulewright.arrival_ms"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class SparkLog:
    """What a Spark event log holds.

    Attributes
    ----------
    jobs : tuple of DagJob
        Shape ``(J,)``, by submission, with the durations that were measured.
    run : SparkRun
        The executed schedule.
    unreadable : tuple of str
        Each line that could not be read, with its number and the reason.
    notes : tuple of str
        What the jobs and the run do not show, with counts: what had not ended, was skipped, failed or was adjusted.
    complete : bool
        True if the log tells the end of its application.
    """

    jobs: tuple[DagJob, ...]
    run: SparkRun
    unreadable: tuple[str, ...]
    notes: tuple[str, ...]
    complete: bool


def read_spark_events(path: str | Path, *, origin: datetime | None = None, until: datetime | None = None) -> SparkLog:
    """Read the event log of one Spark application.

    Parameters
    ----------
    path : str or Path
        A log file, plain or by its ending ``.gz`` or ``.zstd``, a folder ``eventlog_v2_*`` of rolled files, or a
        folder that holds one such folder.
    origin : datetime, optional
        Zero of all times, with a time zone; Spark jobs submitted before it are left out. Without it the start of the
        application.
    until : datetime, optional
        Spark jobs submitted from here on are left out, and executors count no longer.

    Returns
    -------
    SparkLog
        Jobs, run, unreadable lines and notes.

    Raises
    ------
    DataError
        If a file cannot be read.
    ScenarioError
        If the log holds no stage with a task that succeeded.

    Notes
    -----
    A job is a Spark job (an action), all Spark jobs of one SQL execution, or all with one value of the local property
    ``joulewright.job``; then ``joulewright.stage`` names the action, ``joulewright.after`` those it waits for (by
    commas), and ``joulewright.arrival_ms`` is the arrival [ms since the epoch], else that of the first submission.
    The duration of a task is that of its last successful attempt from launch to finish, as the driver saw them.
    Precedence follows ``Parent IDs``; a stage skipped because its output existed stands for the one that made it.
    """
    facts, unreadable, lines = SparkFacts(), [], 0
    notes = []
    for file in log_files(Path(path)):
        number = 0
        try:
            for number, line in enumerate(log_lines(file), start=1):
                if not line.strip():
                    continue
                lines += 1
                try:
                    facts.read(line)
                except UnreadableError as error:
                    unreadable.append(f"{file.name}, line {number}: {error}")
        except CutOffError:
            notes.append(f"{file.name} is cut off after line {number}")
    first = min((job.submitted_ms for job in facts.jobs.values()), default=0)
    origin_ms = _since_epoch_ms(origin, first if facts.began_ms is None else facts.began_ms)
    left_out = facts.cut(origin_ms, _since_epoch_ms(until, 1 << 62))
    notes += [f"{left_out} jobs were submitted outside the time asked for"] if left_out else []
    build = _Build(facts, origin_ms)
    if not build.jobs:
        example = f"; the first: {unreadable[0]}" if unreadable else ""
        raise ScenarioError(
            f"{path} holds no stage with a task that succeeded in {lines} lines, {len(unreadable)} of them unreadable"
            f"{example}; give the event log of a Spark application (spark.eventLog.enabled=true)"
        )
    return SparkLog(
        jobs=build.jobs,
        run=build.run(),
        unreadable=tuple(unreadable),
        notes=(*notes, *build.notes()),
        complete=facts.ended_ms is not None,
    )


def _since_epoch_ms(moment: datetime | None, otherwise: int) -> int:
    return otherwise if moment is None else round((moment - _EPOCH) / timedelta(milliseconds=1))


@dataclass(kw_only=True)
class _Group:
    """Spark jobs that are one job with precedence."""

    name: str
    members: list[JobFacts]
    stages: list[tuple[StageFacts, JobFacts]]


class _Build:
    """Jobs and run from facts; all times become those since the origin."""

    def __init__(self, facts: SparkFacts, origin_ms: int) -> None:
        self.facts, self.origin_ms = facts, origin_ms
        self.attempts = sorted(facts.attempts, key=lambda item: (item.start_ms, item.finish_ms))
        self.assignment: Assignment = assign_slots(facts, self.attempts)
        self.counted = _counted(self.attempts)
        self.crossing, self.short = 0, 0
        self.groups = [group for group in _groups(facts, set(self.counted)) if group.stages]
        self.home = {stage.number: group.name for group in self.groups for stage, _ in group.stages}
        self.jobs = tuple(self._job(group) for group in self.groups)

    def _job(self, group: _Group) -> DagJob:
        properties = group.members[0].properties
        arrival = properties.get(ARRIVAL_PROPERTY, "")
        began = int(arrival) if arrival.isdecimal() else min(job.submitted_ms for job in group.members)
        names = {stage.number: _stage_name(stage, job) for stage, job in group.stages}
        stages = []
        for stage, job in group.stages:
            attempts = self.counted[stage.number].values()
            self.short += sum(attempt.finish_ms == attempt.start_ms for attempt in attempts)
            stages.append(
                DagStage(
                    name=names[stage.number],
                    task_ms=tuple(max(1, attempt.finish_ms - attempt.start_ms) for attempt in attempts),
                    parents=tuple(names[parent] for parent in self._parents(stage, job, group)),
                )
            )
        return DagJob(name=group.name, arrival_ms=began - self.origin_ms, stages=tuple(stages))

    def _parents(self, stage: StageFacts, job: JobFacts, group: _Group) -> tuple[int, ...]:
        """Stages of the same group that had to end, through skipped stages and declared precedence."""
        listed = {item.number: item for member in group.members for item in member.stages}
        found: list[int] = []
        for number in stage.parents:
            data = listed[number].data if number in listed else None
            same = [
                s.number for s, _ in group.stages if data is not None and s.data == data and s.number < stage.number
            ]
            if self.home.get(number) == group.name:
                found.append(number)
            elif number in self.home:
                self.crossing += 1
            elif same:
                found.append(max(same))
        if not stage.parents:
            found += _declared(job, group)
        return tuple(dict.fromkeys(found))

    def run(self) -> SparkRun:
        """The schedule as executed."""
        numbers: dict[tuple[int, int], int] = {}
        for group in self.groups:
            for stage, _ in group.stages:
                numbers |= {
                    (stage.number, part): len(numbers) + at for at, part in enumerate(self.counted[stage.number])
                }
        owners = {stage.number: (name, _stage_name(stage, job)) for name, stage, job in _owned(self.facts)}
        rows: list[Any] = []
        for attempt, slot in zip(self.attempts, self.assignment.slots):
            counts = self.counted.get(attempt.stage, {}).get(attempt.partition)
            job, name = owners.get(attempt.stage, ("", f"{attempt.stage}-stage"))
            pool = self.facts.pools.get(attempt.stage, "default")
            task = numbers.get((attempt.stage, attempt.partition), -1)
            times = (attempt.start_ms - self.origin_ms, attempt.finish_ms - self.origin_ms)
            place = (attempt.executor, self.assignment.number(attempt, slot))
            rows.append((job, name, task, *place, pool, *times, attempt is not counts))
        columns = ("job", "stage", "task", "executor", "slot", "pool", "start_ms", "finish_ms", "failed")
        return SparkRun(
            origin=_EPOCH + timedelta(milliseconds=self.origin_ms),
            jobs=self.jobs,
            schedule=pl.DataFrame(rows, schema=columns, orient="row"),
            executors=self._executors(),
            completion_ms=np.array([self._end_ms(group) - self.origin_ms for group in self.groups], dtype=np.int64),
        )

    def _executors(self) -> pl.DataFrame:
        rows = [
            (held.name, number, held.added_ms - self.origin_ms, held.removed_ms - self.origin_ms)
            for held in self.assignment.executors.values()
            for number in held.numbers
        ]
        return pl.DataFrame(rows, schema=("executor", "slot", "added_ms", "removed_ms"), orient="row")

    def _end_ms(self, group: _Group) -> int:
        finishes = [item.finish_ms for stage, _ in group.stages for item in self.counted[stage.number].values()]
        return max([*finishes, *(job.ended_ms for job in group.members if job.ended_ms is not None)])

    def notes(self) -> Iterable[str]:
        """What is not in the jobs or was adjusted."""
        facts, cuts = self.facts, self.assignment.cuts_ms
        tried = {attempt.stage for attempt in self.attempts}
        untried = [(stage, job) for _, stage, job in _owned(facts) if stage.number not in tried]
        open_jobs = sum(job.ended_ms is None for job in facts.jobs.values())
        counted = sum(map(len, self.counted.values()))
        lost = len({(item.stage, item.partition) for item in self.attempts}) - counted
        found = (
            (
                facts.ended_ms is None,
                f"the application has no end: {open_jobs} jobs and {len(facts.running)} tasks ran on",
            ),
            (sum(job.ended_ms is not None and not job.succeeded for job in facts.jobs.values()), "{} jobs failed"),
            (sum(job.succeeded for _, job in untried), "{} stages were skipped, since their output existed"),
            (sum(not job.succeeded for _, job in untried), "{} stages never began"),
            (len(facts.jobs) - sum(len(group.members) for group in self.groups), "{} jobs ran no task of their own"),
            (lost, "{} tasks never succeeded; the jobs hold the others"),
            (len(self.attempts) - counted, "{} attempts of tasks did not count: failed, killed or done again"),
            (self.crossing, "{} stages waited for a stage of another job, which the jobs do not show"),
            (self.short, "{} tasks took less than 1 ms and count as 1 ms"),
            (
                len(cuts),
                f"{{}} finishes were cut by up to {max(cuts, default=0)} ms: the slot had its next task by then",
            ),
            (len(self.assignment.unknown), "{} executors were never added; they count from their first task"),
        )
        return [text.format(int(count)) for count, text in found if count]


def _counted(attempts: Iterable[AttemptFacts]) -> dict[int, dict[int, AttemptFacts]]:
    """Last successful attempt by stage and partition, partitions in order."""
    found: dict[int, dict[int, AttemptFacts]] = defaultdict(dict)
    for attempt in attempts:
        before = found[attempt.stage].get(attempt.partition) if attempt.succeeded else None
        if attempt.succeeded and (before is None or attempt.finish_ms >= before.finish_ms):
            found[attempt.stage][attempt.partition] = attempt
    return {stage: dict(sorted(parts.items())) for stage, parts in found.items() if parts}


def _group_name(job: JobFacts) -> str:
    execution = job.properties.get("spark.sql.execution.root.id") or job.properties.get("spark.sql.execution.id")
    return job.properties.get(JOB_PROPERTY) or (f"sql-{execution}" if execution else f"job-{job.number}")


def _owned(facts: SparkFacts) -> Iterable[tuple[str, StageFacts, JobFacts]]:
    """Every stage once, with the first job that lists it and the name of its group."""
    seen: set[int] = set()
    for job in sorted(facts.jobs.values(), key=lambda item: (item.submitted_ms, item.number)):
        for stage in sorted(job.stages, key=lambda item: item.number):
            if stage.number not in seen:
                seen.add(stage.number)
                yield _group_name(job), stage, job


def _groups(facts: SparkFacts, ran: set[int]) -> list[_Group]:
    groups: dict[str, _Group] = {}
    for job in sorted(facts.jobs.values(), key=lambda item: (item.submitted_ms, item.number)):
        name = _group_name(job)
        groups.setdefault(name, _Group(name=name, members=[], stages=[])).members.append(job)
    for name, stage, job in _owned(facts):
        if stage.number in ran:
            groups[name].stages.append((stage, job))
    return list(groups.values())


def _declared(job: JobFacts, group: _Group) -> list[int]:
    """Last stages of the actions that an action of the same group is declared to wait for."""
    names = {name.strip() for name in job.properties.get(AFTER_PROPERTY, "").split(",")} - {""}
    own = [(stage, member) for stage, member in group.stages if member.properties.get(STAGE_PROPERTY) in names]
    inner = {parent for stage, _ in own for parent in stage.parents}
    return [stage.number for stage, _ in own if stage.number not in inner]


def _stage_name(stage: StageFacts, job: JobFacts) -> str:
    return f"{stage.number}-{job.properties.get(STAGE_PROPERTY) or stage.operation}"
