"""State of a run in plain Python as schedulers see it, and what executors do to it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from heapq import heappush

from joulewright.model.dag import DagCluster, DagJob
from joulewright.policy.dag.base import NO_JOB, AbstractDagScheduler, AbstractDagView
from joulewright.policy.dag.rules import Conditions
from joulewright.sim.processes.dag.durations import FIRST, FRESH, REST, measured_at, uniform, wave_ms
from joulewright.sim.processes.dag.outages import first_outages
from joulewright.sim.processes.dag.record import RunRecord
from joulewright.sim.processes.dag.state import NO_TASK, ExecutorState, JobState, StageState
from joulewright.sim.processes.dag.streams import ANSWER, DURATION, FAILURE, FAILURE_PART, MEASURED

NEVER_MS = 1 << 62
"""Later than anything."""


class PlainState(AbstractDagView):
    """Jobs and executors of one run, and what executors do: park, move, start tasks."""

    def __init__(
        self,
        jobs: Sequence[DagJob],
        cluster: DagCluster,
        scheduler: AbstractDagScheduler,
        *,
        conditions: Conditions,
        step_ms: int,
        seed: int,
    ) -> None:
        self.cluster, self.scheduler, self.seed, self.conditions = cluster, scheduler, seed, conditions
        self.step_ms, self.executors = step_ms, cluster.executors
        self.now_ms = self.step = self.offered = self.active = self.busy = self.queued_ms = self.queued_ms_at = 0
        self.source_job = NO_JOB
        self._build(jobs)
        self._workers = [ExecutorState() for _ in range(cluster.executors)]
        self._pool: dict[int, None] = dict.fromkeys(range(cluster.executors))
        self._pool_promises: deque[list[int]] = deque()
        self._live: dict[int, None] = {}
        self._arrivals: list[tuple[int, int]] = []
        self._outages, self._outages_until_ms = first_outages(cluster, seed)
        self._next_outage = self._down = 0
        self._outside_ms = NEVER_MS
        self._begun = False
        self._heap: list[tuple[int, int, int]] = []
        self._sequence = self._ranks = self._busy = 0
        self._chosen: set[int] = set()
        self._deferred = self._again = self._offers_made = False
        self._moment = 0
        self.record = RunRecord(len(jobs))

    def _build(self, jobs: Sequence[DagJob]) -> None:
        self._jobs: list[JobState] = []
        self._stages: list[StageState] = []
        task = 0
        for number, facts in enumerate(jobs):
            job = JobState(number, facts, len(self._stages))
            for position in range(len(facts.stages)):
                stage = StageState(job.first_stage + position, job, task)
                job.stages.append(stage)
                task += stage.tasks
            for stage, parents in zip(job.stages, facts.parents):
                stage.parents = [job.stages[parent] for parent in parents]
                stage.open_parents = len(parents)
                for parent in stage.parents:
                    parent.children.append(stage)
            self._jobs.append(job)
            self._stages += job.stages

    # What a scheduler sees.

    def jobs(self) -> Sequence[int]:
        """Jobs that arrived and have not ended, in order of arrival."""
        return list(self._live)

    def frontier(self, job: int) -> Iterator[int]:
        """Stages of a job that may be answered now, in their order."""
        if self._at_limit(job):
            return
        for stage in self._jobs[job].stages:
            if stage.unassigned > 0 and stage.number not in self._chosen:
                for parent in stage.parents:
                    if parent.unassigned > 0:
                        break
                else:
                    yield stage.number

    def _at_limit(self, job: int) -> bool:
        """Whether a job may have no executor of the present source."""
        limit = self._jobs[job].facts.max_executors
        return limit is not None and job != self.source_job and self.held(job) >= limit

    def runnable_rank(self, stage: int) -> int:
        """When all its parents had ended, as a rank among stages; -1 while they have not."""
        return self._stages[stage].rank

    def unassigned(self, stage: int) -> int:
        """Tasks of a stage not started and promised to nobody."""
        return self._stages[stage].unassigned

    def waiting(self, job: int) -> bool:
        """True while the job has such tasks in any stage."""
        return any(stage.unassigned > 0 for stage in self._jobs[job].stages)

    def held(self, job: int) -> int:
        """Executors in the job, moving to it or promised to it from elsewhere."""
        item = self._jobs[job]
        return item.attached + item.coming + item.promised_here

    def granted(self, job: int) -> int:
        """Executors given to the job from elsewhere so far; never falls."""
        return self._jobs[job].granted

    def remaining_ms(self, job: int) -> int:
        """Expected work of the tasks not started [executor-ms]."""
        return self._jobs[job].unstarted_ms

    def path_ms(self, stage: int) -> int:
        """Expected longest chain of tasks from the stage to the end of its job [ms]."""
        return self._stages[stage].path_ms

    def facts(self, job: int) -> DagJob:
        """What is known of a job that has arrived."""
        return self._jobs[job].facts

    def stages(self, job: int) -> range:
        """Numbers of the stages of a job, in the order of its facts."""
        first = self._jobs[job].first_stage
        return range(first, first + len(self._jobs[job].stages))

    def job_of(self, stage: int) -> int:
        """Job of a stage."""
        return self._stages[stage].job.number

    def weight(self, job: int) -> float:
        """Weight of a job."""
        return self._jobs[job].facts.weight

    def draw(self, stage: int) -> float:
        """A random number in (0, 1) for this answer and stage: equal seeds give equal numbers."""
        return uniform(self.seed, ANSWER, self.record.answers, stage)

    def expected_share(self, step: int) -> Sequence[float]:
        """Renewable share expected at ``step`` for it and the steps after it."""
        expected: list[float] = self.conditions.share[step].tolist()
        return expected

    # Executors.

    def _leave_stage(self, worker: ExecutorState) -> None:
        if worker.stage is not None:
            worker.stage.present -= 1
            worker.stage = None

    def _unpark(self, number: int) -> None:
        worker = self._workers[number]
        pool = self._pool if worker.job is None else worker.job.parked
        pool.pop(number, None)

    def _park(self, number: int, job: JobState | None) -> None:
        worker = self._workers[number]
        self._leave_stage(worker)
        if job is None:
            if worker.job is not None:
                worker.job.attached -= 1
                worker.job = None
            worker.task = NO_TASK
            self._pool[number] = None
        else:
            job.parked[number] = None

    def _move(self, number: int, stage: StageState) -> None:
        worker = self._workers[number]
        self._leave_stage(worker)
        if worker.job is not None:
            worker.job.attached -= 1
            worker.job = None
        worker.task = NO_TASK
        worker.moving_to, worker.moving = stage, True
        stage.moving += 1
        stage.job.coming += 1
        self._busy += 1
        self._push(self.now_ms + self.cluster.moving_delay_ms, number)

    def _fall_back(self, number: int) -> None:
        worker = self._workers[number]
        if worker.job is not None:
            ready = [stage for stage in worker.job.stages if stage.rank >= 0 and stage.unassigned > 0]
            if ready:
                self._start(number, min(ready, key=lambda stage: stage.rank))
                return
        self.source_job = NO_JOB if worker.job is None else worker.job.number
        for job in self._live:
            for stage in self.frontier(job):
                self._move(number, self._stages[stage])
                return
        self._park(number, worker.job)

    def _start(self, number: int, stage: StageState) -> None:
        worker = self._workers[number]
        kind = REST
        if worker.stage is not stage:
            # A worker forgets its last task when it changes job.
            kind = FRESH if worker.task == NO_TASK else FIRST
            self._leave_stage(worker)
            worker.stage = stage
            stage.present += 1
        job = stage.job
        if stage.lost:
            worker.task = stage.lost.pop()
        else:
            worker.task = stage.first_task + stage.fresh
            stage.fresh += 1
        worker.attempt = 0
        stage.started += 1
        job.unstarted -= 1
        job.unstarted_ms -= stage.task_ms[worker.task - stage.first_task]
        self._attempt(number, stage, kind)

    def _attempt(self, number: int, stage: StageState, kind: int = REST) -> None:
        worker = self._workers[number]
        task, seed = worker.task, self.seed
        duration = stage.task_ms[task - stage.first_task]
        if stage.waves is not None:
            counts = stage.waves.executors
            at = measured_at(counts, stage.job.attached, uniform(seed, MEASURED, task, worker.attempt))
            duration, warm = wave_ms(stage.waves, kind, at, uniform(seed, DURATION, task, worker.attempt))
            duration += self.cluster.warm_up_ms * warm
        fraction = self.cluster.task_failure_fraction
        worker.failing = fraction > 0.0 and uniform(seed, FAILURE, task, worker.attempt) < fraction
        if worker.failing:
            duration = max(1, int(duration * uniform(seed, FAILURE_PART, task, worker.attempt)))
        worker.running = True
        self._busy += 1
        end = self.now_ms + duration
        worker.row = len(self.record.rows)
        self.record.add(task, number, start_ms=self.now_ms, finish_ms=end, failed=worker.failing)
        self._push(end, number)

    def _push(self, time: int, number: int) -> None:
        heappush(self._heap, (time, self._sequence, number))
        self._sequence += 1
