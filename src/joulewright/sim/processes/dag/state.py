"""State of stages, jobs and executors in the plain loop."""

from __future__ import annotations

from collections import deque

from joulewright.model.dag import DagJob, WaveTable

NO_TASK = -1
DEFERRED = -2
"""Target of a promise to wait and be offered again; ``NO_STAGE`` is one to wait."""


class StageState:
    """State of a stage."""

    __slots__ = (
        "children", "done", "first_task", "fresh", "job", "lost", "moving", "number", "open_parents", "parents",
        "path_ms", "present", "promised", "promises", "rank", "started", "task_ms", "tasks", "waves",
    )  # fmt: skip

    def __init__(self, number: int, job: JobState, first_task: int) -> None:
        stage = job.facts.stages[number - job.first_stage]
        self.number, self.job, self.first_task = number, job, first_task
        self.tasks, self.task_ms = stage.tasks, stage.task_ms
        self.waves: WaveTable | None = stage.waves
        self.path_ms = job.facts.path_ms[number - job.first_stage]
        self.parents: list[StageState] = []
        self.children: list[StageState] = []
        self.open_parents = 0
        self.rank = -1
        self.started = self.fresh = self.done = self.promised = self.moving = self.present = 0
        self.promises: deque[list[int]] = deque()
        self.lost: list[int] = []

    @property
    def unassigned(self) -> int:
        """Tasks not started and promised to nobody."""
        return self.tasks - self.started - self.promised - self.moving


class JobState:
    """State of a job, and of the pool of executors in none."""

    __slots__ = (
        "attached", "coming", "ended_ms", "facts", "first_stage", "granted", "number", "open_stages", "parked",
        "promised_here", "promises", "stages", "unstarted", "unstarted_ms",
    )  # fmt: skip

    def __init__(self, number: int, facts: DagJob, first_stage: int) -> None:
        self.number, self.facts, self.first_stage = number, facts, first_stage
        self.stages: list[StageState] = []
        self.parked: dict[int, None] = {}
        self.promises: deque[list[int]] = deque()
        self.attached = self.coming = self.promised_here = self.granted = 0
        self.open_stages = len(facts.stages)
        self.unstarted = sum(stage.tasks for stage in facts.stages)
        self.unstarted_ms = facts.work_ms
        self.ended_ms = -1


class ExecutorState:
    """State of an executor."""

    __slots__ = ("asked", "attempt", "failing", "job", "moving", "moving_to", "row", "running", "stage", "task")

    def __init__(self) -> None:
        self.job: JobState | None = None
        self.stage: StageState | None = None
        self.moving_to: StageState | None = None
        self.running = False
        self.moving = False
        self.failing = False
        self.task, self.attempt, self.row = NO_TASK, 0, -1
        self.asked = -1
