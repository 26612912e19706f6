"""Stages of data-processing jobs, and task durations that depend on the number of executors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

LONGEST_MS = (1 << 36) - 1
"""Longest duration and latest arrival, about 26 months [ms]: what a run can count to."""

_DURATIONS = f"durations are at least 1 ms and at most {LONGEST_MS} ms"


@dataclass(frozen=True, kw_only=True)
class WaveTable:
    """Task durations measured at several numbers of executors, from which one is drawn per task.

    Attributes
    ----------
    executors : tuple of int
        Numbers of executors of the job at which was measured, increasing, shape ``(N,)``.
    fresh_ms, first_ms, rest_ms : tuple of tuple of int
        Durations per number of executors [ms]: of the first task of an executor in the job, of its first task in the
        stage, and of later tasks in the stage. A list may be empty; then the next one below is used, see
        :mod:`joulewright.sim.processes.dag.durations`.
    """

    executors: tuple[int, ...]
    fresh_ms: tuple[tuple[int, ...], ...]
    first_ms: tuple[tuple[int, ...], ...]
    rest_ms: tuple[tuple[int, ...], ...]

    def problems(self, place: str) -> list[str]:
        """What is wrong with the table; empty when nothing is."""
        found = []
        if not self.executors or self.executors[0] < 1 or list(self.executors) != sorted(set(self.executors)):
            found.append(f"{place}: executor counts are {self.executors!r}; give increasing numbers of at least 1")
        for name, lists in (("fresh_ms", self.fresh_ms), ("first_ms", self.first_ms), ("rest_ms", self.rest_ms)):
            if len(lists) != len(self.executors):
                found.append(f"{place}: {name} has {len(lists)} lists for {len(self.executors)} executor counts")
            bad = next((value for values in lists for value in values if not 0 < value <= LONGEST_MS), None)
            if bad is not None:
                found.append(f"{place}: {name} holds a duration of {bad!r} ms; {_DURATIONS}")
        for index, lists_at in enumerate(zip(self.fresh_ms, self.first_ms, self.rest_ms)):
            if not (lists_at[0] or lists_at[1]):
                count = self.executors[index] if index < len(self.executors) else "?"
                found.append(f"{place}: at {count} executors neither fresh_ms nor first_ms holds a duration")
        return found


@dataclass(frozen=True, kw_only=True)
class DagStage:
    """Tasks of one kind that may run side by side once every parent stage has ended.

    Attributes
    ----------
    name : str
        Unique within the job.
    task_ms : tuple of int
        Duration of each task [ms], shape ``(N,)``; with ``waves`` it is the expected one, which schedulers see.
    parents : tuple of str
        Stages of the same job that must have ended.
    waves : WaveTable, optional
        Durations that depend on the number of executors; without it ``task_ms`` is exact.
    output_gb : float
        Size of its result [GB]; what stages without children leave is sent home from another site.
    """

    name: str
    task_ms: tuple[int, ...]
    parents: tuple[str, ...] = ()
    waves: WaveTable | None = None
    output_gb: float = 0.0

    @property
    def tasks(self) -> int:
        """Number of tasks."""
        return len(self.task_ms)

    @property
    def work_ms(self) -> int:
        """Sum of the task durations [executor-ms]."""
        return sum(self.task_ms)


def stage_problems(stage: DagStage, place: str, names: Sequence[str]) -> list[str]:
    """What is wrong with a stage of a job whose stages have these names; empty when nothing is."""
    problems = []
    if not stage.task_ms:
        problems.append(f"{place} has no task; give the duration of at least one")
    if not 0.0 <= stage.output_gb < math.inf:
        problems.append(f"{place} has output_gb {stage.output_gb!r}; allowed is any finite number of at least 0")
    bad = next(((task, value) for task, value in enumerate(stage.task_ms) if not 0 < value <= LONGEST_MS), None)
    if bad is not None:
        problems.append(f"{place}: task {bad[0]} takes {bad[1]!r} ms; {_DURATIONS}")
    problems += [
        f"{place} has parent {parent!r}, which is no stage of the job; there are {', '.join(names)}"
        for parent in stage.parents
        if parent not in names
    ]
    if len(set(stage.parents)) < len(stage.parents):
        problems.append(f"{place} lists a parent twice: {', '.join(stage.parents)}")
    if stage.waves is not None:
        problems += stage.waves.problems(place)
    return problems
