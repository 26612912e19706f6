"""The present of a real cluster as schedulers see it, and what they answered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from joulewright.errors import PolicyError
from joulewright.live.spark.plant import Progress
from joulewright.model.dag import DagCluster, DagJob, DagSignal, DagStage, check_jobs
from joulewright.policy.dag.base import NO_JOB, NO_STAGE, AbstractDagScheduler, AbstractDagView, RunFacts
from joulewright.sim.processes.dag.durations import uniform
from joulewright.sim.processes.dag.simulate import dag_conditions
from joulewright.sim.processes.dag.streams import ANSWER


class Decision(NamedTuple):
    """One answer of the scheduler.

    Attributes
    ----------
    at_ms : int
        When [ms since the trace began to play].
    job, stage : str
        Who gets executors; empty where nobody does.
    executors : int
        How many more.
    active : int
        Executors in use before the answer.
    busy : int
        The same with those that still have tasks although they were taken back when the signal stepped.
    deferred : bool
        True where there is work that shall wait.
    signal, low, high : float
        What the scheduler saw.
    """

    at_ms: int
    job: str
    stage: str
    executors: int
    active: int
    busy: int
    deferred: bool
    signal: float
    low: float
    high: float


@dataclass(kw_only=True)
class StageState:
    """How far a stage is and how many executors it was given."""

    job: int
    facts: DagStage
    path_ms: int
    parents: tuple[int, ...]
    rank: int = -1
    started: int = 0
    done: int = 0
    granted: int = 0
    submitted: bool = False
    ended: bool = False

    @property
    def active(self) -> int:
        """Executors it uses: those given, as long as there are tasks for them."""
        return 0 if self.ended else min(self.granted, self.facts.tasks - self.done)

    @property
    def running(self) -> int:
        """Tasks that began and have not ended, whether or not executors were given for them."""
        return self.started - self.done

    @property
    def unassigned(self) -> int:
        """Tasks not done for which no executor was given."""
        return 0 if self.ended else max(0, self.facts.tasks - self.done - self.granted)


@dataclass(kw_only=True)
class JobState:
    """A job, the numbers of its stages, and whether it is there."""

    facts: DagJob
    stages: range
    arrived: bool = False
    open_stages: int = field(default=0)


class Board(AbstractDagView):
    """State of jobs on a real cluster; the same schedulers as in simulations answer its offers.

    It differs from the simulated view where a real Spark does: a stage is in the frontier only when all its parents
    have ended, executors belong to no job, so that all are offered from the pool, and ``granted`` is what a job holds.
    What is given to a stage counts for its tasks that run already as well: ``active`` and ``busy`` are what was given.
    """

    def __init__(
        self,
        jobs: Sequence[DagJob],
        cluster: DagCluster,
        signal: DagSignal,
        scheduler: AbstractDagScheduler,
        *,
        seed: int = 0,
    ) -> None:
        check_jobs(jobs, cluster)
        self._scheduler = scheduler.begun(RunFacts(jobs=tuple(jobs), cluster=cluster, signal=signal))
        self._conditions = dag_conditions(cluster, signal, self._scheduler)
        self._seed, self.executors, self.step_ms = seed, cluster.executors, signal.step_ms
        self.source_job, self.step = NO_JOB, -1
        self.now_ms = self.offered = self.active = self.busy = self.queued_ms = self.queued_ms_at = 0
        self._ranks, self.answers, self.deferrals = 0, 0, 0
        self.deferred = False
        """True if executors of the last offer are to wait although there is work."""
        self._chosen: set[int] = set()
        self._build(jobs)

    def _build(self, jobs: Sequence[DagJob]) -> None:
        self._jobs: list[JobState] = []
        self.states: list[StageState] = []
        for number, job in enumerate(jobs):
            first = len(self.states)
            for facts, path_ms, parents in zip(job.stages, job.path_ms, job.parents):
                above = tuple(first + parent for parent in parents)
                self.states.append(StageState(job=number, facts=facts, path_ms=path_ms, parents=above))
            stages = range(first, len(self.states))
            self._jobs.append(JobState(facts=job, stages=stages, open_stages=len(stages)))

    # What happened.

    @property
    def open_jobs(self) -> int:
        """Jobs that have not ended, those that have not arrived included."""
        return sum(job.open_stages > 0 for job in self._jobs)

    @property
    def in_use(self) -> int:
        """Executors given to stages that have tasks for them."""
        return sum(state.active for state in self.states)

    @property
    def at_work(self) -> int:
        """Executors in use or with tasks; one at least while a stage runs, as Spark cannot hold it."""
        return max(self.in_use, sum(state.running for state in self.states), int(self.running))

    @property
    def held_back(self) -> bool:
        """True if more executors would take tasks that shall wait."""
        return self.deferred or any(state.submitted and state.unassigned > 0 for state in self.states)

    @property
    def running(self) -> bool:
        """True while a stage that was submitted has not ended."""
        return any(state.submitted and not state.ended for state in self.states)

    def look(self, now_ms: int, progress: Mapping[int, Progress]) -> bool:
        """Take in the time and how far stages are; true if executors or work may have come free.

        At every step of the signal all executors are taken back, to be offered anew; tasks that run go on. Beyond the
        last step its value holds on.
        """
        self.now_ms = now_ms
        before = self.in_use, self.at_work
        changed = [self._arrive(number) for number in range(len(self._jobs))]
        for number, item in progress.items():
            state = self.states[number]
            if state.ended:
                continue
            state.done = min(item.done, state.facts.tasks)
            state.started = min(max(item.started, state.done), state.facts.tasks)
            if item.ended:
                self._end(state)
                changed.append(True)
        step = min(now_ms // self.step_ms, self._conditions.signal.size - 1)
        if step != self.step:
            self.step = step
            self.signal = float(self._conditions.signal[step])
            self.low, self.high = float(self._conditions.low[step]), float(self._conditions.high[step])
            for state in self.states:
                state.granted = 0
            changed.append(True)
        return any(changed) or self.in_use < before[0] or self.at_work < before[1]

    def _arrive(self, number: int) -> bool:
        job = self._jobs[number]
        if job.arrived or job.facts.arrival_ms > self.now_ms:
            return False
        job.arrived = True
        self._make_runnable(number)
        self._queue_changed()
        return True

    def _end(self, state: StageState) -> None:
        state.ended, state.done, state.started = True, state.facts.tasks, state.facts.tasks
        job = self._jobs[state.job]
        job.open_stages -= 1
        self._make_runnable(state.job)
        if not job.open_stages:
            self._queue_changed()

    def _make_runnable(self, job: int) -> None:
        for number in self._jobs[job].stages:
            state = self.states[number]
            if state.rank < 0 and all(self.states[parent].ended for parent in state.parents):
                state.rank = self._ranks
                self._ranks += 1

    def _queue_changed(self) -> None:
        self.queued_ms = sum(self.remaining_ms(job) for job in self.jobs())
        self.queued_ms_at = self.now_ms

    def offer(self) -> Iterator[tuple[int, int, Decision]]:
        """Offer executors not in use; stage, executors and the answer, each stage at most once."""
        self.active = self.busy = self.in_use
        self.offered = self.executors - self.active
        self._chosen.clear()
        self.deferred = False
        while self.offered > 0 and self.jobs():
            before = self.active, self.at_work
            grant = self._scheduler.answer(self)
            self.answers += 1
            if grant.stage == NO_STAGE:
                self.deferred = grant.deferred
                self.deferrals += grant.deferred
                self.offered = 0
                yield NO_STAGE, 0, self._decision("", "", 0, before, deferred=grant.deferred)
                return
            amount = self._give(grant.stage, grant.executors)
            state = self.states[grant.stage]
            job = self._jobs[state.job].facts.name
            yield grant.stage, amount, self._decision(job, state.facts.name, amount, before)

    def _decision(
        self, job: str, stage: str, executors: int, before: tuple[int, int], *, deferred: bool = False
    ) -> Decision:
        return Decision(self.now_ms, job, stage, executors, *before, deferred, self.signal, self.low, self.high)

    def _give(self, number: int, executors: int) -> int:
        known = 0 <= number < len(self.states)
        if executors < 1 or not known or number not in self.frontier(self.states[number].job):
            raise PolicyError(
                f"{type(self._scheduler).__name__} answers {executors} executors for stage {number} at {self.now_ms} "
                "ms; allowed are 1 or more for a stage of the frontier"
            )
        state = self.states[number]
        amount = min(executors, state.unassigned, self.offered)
        limit = self._jobs[state.job].facts.max_executors
        if limit is not None:
            amount = min(amount, limit - self.held(state.job))
        state.granted += amount
        self._chosen.add(number)
        self.offered -= amount
        self.active += amount
        self.busy += amount
        return amount

    def first_grant(self, number: int) -> bool:
        """True when called for the first time for a stage."""
        state = self.states[number]
        first, state.submitted = not state.submitted, True
        return first

    # What a scheduler sees.

    @property
    def working(self) -> bool:
        """True while anything is given or runs, although ``busy`` counts anew from each step of the signal."""
        return self.at_work > 0

    def jobs(self) -> Sequence[int]:
        """Jobs that arrived and have not ended, in order of arrival."""
        live = [number for number, job in enumerate(self._jobs) if job.arrived and job.open_stages]
        return sorted(live, key=lambda number: self._jobs[number].facts.arrival_ms)

    def frontier(self, job: int) -> Iterator[int]:
        """Stages of a job whose parents have ended and that can use more executors, in their order."""
        limit = self._jobs[job].facts.max_executors
        if not self._jobs[job].arrived or (limit is not None and self.held(job) >= limit):
            return
        for number in self._jobs[job].stages:
            state = self.states[number]
            if state.rank >= 0 and state.unassigned > 0 and number not in self._chosen:
                yield number

    def runnable_rank(self, stage: int) -> int:
        """When all its parents had ended, as a rank among stages; -1 while they have not."""
        return self.states[stage].rank

    def unassigned(self, stage: int) -> int:
        """Tasks of a stage not done for which no executor was given."""
        return self.states[stage].unassigned

    def waiting(self, job: int) -> bool:
        """True while the job has such tasks in any stage."""
        return any(self.states[number].unassigned > 0 for number in self._jobs[job].stages)

    def held(self, job: int) -> int:
        """Executors that stages of the job use."""
        return sum(self.states[number].active for number in self._jobs[job].stages)

    def granted(self, job: int) -> int:
        """As ``held``."""
        return self.held(job)

    def remaining_ms(self, job: int) -> int:
        """Expected work of the tasks not started [executor-ms]."""
        states = [self.states[number] for number in self._jobs[job].stages]
        return sum(round(s.facts.work_ms * (1.0 - s.started / s.facts.tasks)) for s in states)

    def path_ms(self, stage: int) -> int:
        """Expected longest chain of tasks from the stage to the end of its job [ms]."""
        return self.states[stage].path_ms

    def facts(self, job: int) -> DagJob:
        """What is known of a job that has arrived."""
        return self._jobs[job].facts

    def stages(self, job: int) -> range:
        """Numbers of the stages of a job, in the order of its facts."""
        return self._jobs[job].stages

    def job_of(self, stage: int) -> int:
        """Job of a stage."""
        return self.states[stage].job

    def weight(self, job: int) -> float:
        """Weight of a job."""
        return self._jobs[job].facts.weight

    def draw(self, stage: int) -> float:
        """A random number in (0, 1) for this answer and stage: equal seeds give equal numbers."""
        return uniform(self._seed, ANSWER, self.answers, stage)

    def expected_share(self, step: int) -> Sequence[float]:
        """Renewable share expected at ``step`` for it and the steps after it."""
        expected: list[float] = self._conditions.share[step].tolist()
        return expected
