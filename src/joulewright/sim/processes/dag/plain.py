"""The event model in plain Python, for any scheduler; :mod:`joulewright.sim.processes.dag.kernels` does the same.

Rules, in the order in which an event applies them
--------------------------------------------------
1. At equal times jobs arrive first, then the signal steps, then executors end a task or arrive, in the order in which
   they set out.
2. An executor whose stage has tasks left starts the next one.
3. Otherwise, if its task was the last of the stage and a child became runnable, the executor follows a promise of its
   stage or parks in its job; then all executors parked in the job are offered.
4. Otherwise it follows a promise of its stage; without one, as many executors as are still on the stage are offered,
   of which the others follow when they end.
5. When a job ends, executors in it are in no job any more, parked ones go to the pool, and those that move to it
   arrive without a destination.
6. Answers are promises of the source, kept in their order, executor by executor: none means to park in the job while
   it has tasks not started, else to join the pool; a stage of the job starts, or the executor parks while the stage is
   not runnable; a stage of another job means to move; a stage without tasks left means rule 8.
7. An executor that arrives starts, or parks while the stage is not runnable; rule 8 if no task is left.
8. Without a destination: the first runnable stage of its job that lacks executors; else it moves to the first stage of
   the frontier; else it parks in its job, or joins the pool without one.
9. When a job arrives the pool is offered; at the start all executors are in it, in the order of their numbers.
10. After a deferral, idle executors are offered again, pool first, then job by job, when next a job arrives,
    executors come free or the signal steps.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from heapq import heappop, heappush

from joulewright.errors import PolicyError
from joulewright.model.dag import DagCluster, DagJob
from joulewright.policy.dag.base import NO_JOB, NO_STAGE, AbstractDagScheduler, AbstractDagView
from joulewright.policy.dag.rules import Conditions
from joulewright.sim.processes.dag.durations import FIRST, FRESH, REST, measured_at, uniform, wave_ms
from joulewright.sim.processes.dag.record import RunRecord
from joulewright.sim.processes.dag.state import NO_TASK, ExecutorState, JobState, StageState
from joulewright.sim.processes.dag.streams import ANSWER, DURATION, FAILURE, FAILURE_PART, MEASURED


class PlainRun(AbstractDagView):
    """One run; :meth:`run` once, then read ``record``."""

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
        self._arrivals = deque(sorted(range(len(jobs)), key=lambda number: jobs[number].arrival_ms))
        self._heap: list[tuple[int, int, int]] = []
        self._sequence = self._ranks = self._busy = 0
        self._chosen: set[int] = set()
        self._deferred = self._offers_made = False
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
        item = self._jobs[job]
        limit = item.facts.max_executors
        if limit is not None and job != self.source_job and self.held(job) >= limit:
            return
        for stage in item.stages:
            if stage.unassigned > 0 and stage.number not in self._chosen:
                for parent in stage.parents:
                    if parent.unassigned > 0:
                        break
                else:
                    yield stage.number

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

    # Events.

    def run(self) -> RunRecord:
        """Handle all events until every job has ended.

        Raises
        ------
        PolicyError
            If the scheduler leaves work undone while nothing runs that could wake it.
        """
        while self._arrivals and self._jobs[self._arrivals[0]].facts.arrival_ms == 0:
            self._arrive(offer=False)
        self._observe()
        self._offer(list(self._pool), len(self._pool), NO_JOB)
        while len(self._live) + len(self._arrivals):
            self._next_event()
        return self.record

    def _next_event(self) -> None:
        never = 1 << 62
        arrival = self._jobs[self._arrivals[0]].facts.arrival_ms if self._arrivals else never
        event = self._heap[0][0] if self._heap else never
        wake = (self.now_ms // self.step_ms + 1) * self.step_ms if self._deferred else never
        self._offers_made = False
        if min(arrival, event, wake) == never:
            names = ", ".join(self._jobs[job].facts.name for job in self._live)
            raise PolicyError(
                f"at {self.now_ms} ms nothing runs or moves and {type(self.scheduler).__name__} gives no executor to "
                f"the jobs left ({names}); answer a stage, or defer to be asked again"
            )
        self.now_ms = min(arrival, event, wake)
        self._observe()
        if arrival <= min(event, wake):
            self._arrive(offer=True)
        elif wake <= event:
            self._offers_made = True
        else:
            number = heappop(self._heap)[2]
            if self._workers[number].running:
                self._task_end(number)
            else:
                self._executor_arrival(number)
        if self._deferred and self._offers_made:
            self._offer_again()

    def _observe(self) -> None:
        step = min(self.now_ms // self.step_ms, self.conditions.signal.size - 1)
        self.step = step
        self.signal = float(self.conditions.signal[step])
        self.low, self.high = float(self.conditions.low[step]), float(self.conditions.high[step])

    def _arrive(self, *, offer: bool) -> None:
        number = self._arrivals.popleft()
        job = self._jobs[number]
        self._live[number] = None
        for stage in job.stages:
            if not stage.parents:
                self._make_runnable(stage)
        self._queue_changed()
        if offer:
            self._offers_made = True
            if self._pool:
                self._offer(list(self._pool), len(self._pool), NO_JOB)

    def _make_runnable(self, stage: StageState) -> None:
        stage.rank = self._ranks
        self._ranks += 1

    def _queue_changed(self) -> None:
        self.queued_ms = sum(self._jobs[job].unstarted_ms for job in self._live)
        self.queued_ms_at = self.now_ms

    def _task_end(self, number: int) -> None:
        worker = self._workers[number]
        stage = worker.stage
        if stage is None:
            raise RuntimeError(f"executor {number} ends a task without a stage")
        worker.running = False
        self._busy -= 1
        self.record.events += 1
        if worker.failing:
            worker.attempt += 1
            self._attempt(number, stage)
            return
        stage.done += 1
        runnable = False
        if stage.done == stage.tasks:
            stage.job.open_stages -= 1
            for child in stage.children:
                child.open_parents -= 1
                if not child.open_parents:
                    self._make_runnable(child)
                    runnable = True
        if stage.started < stage.tasks:
            self._start(number, stage)
            return
        self._offers_made = True
        if runnable:
            self._after_stage(number, stage)
            return
        present = stage.present
        followed = bool(stage.promises)
        if followed:
            self._keep_promises([number], stage.promises)
        if not stage.job.open_stages:
            self._end_job(stage.job)
        if not followed:
            self._offer([number], present, stage.job.number if worker.job is stage.job else NO_JOB)

    def _after_stage(self, number: int, stage: StageState) -> None:
        job = stage.job
        if stage.promises:
            self._keep_promises([number], stage.promises)
        else:
            self._park(number, job)
        if job.parked:
            self._offer(list(job.parked), len(job.parked), job.number)

    def _executor_arrival(self, number: int) -> None:
        worker = self._workers[number]
        stage, worker.moving_to = worker.moving_to, None
        self._busy -= 1
        self.record.events += 1
        if stage is None:
            self._fall_back(number)
            return
        stage.moving -= 1
        stage.job.coming -= 1
        worker.job = stage.job
        stage.job.attached += 1
        if stage.started == stage.tasks:
            self._fall_back(number)
        elif stage.rank >= 0:
            self._start(number, stage)
        else:
            self._park(number, stage.job)

    def _end_job(self, job: JobState) -> None:
        job.ended_ms = self.now_ms
        self.record.completion_ms[job.number] = self.now_ms
        for worker in self._workers:
            if worker.job is job:
                worker.job, worker.stage = None, None
            if worker.moving_to is not None and worker.moving_to.job is job:
                worker.moving_to = None
        self._pool.update(job.parked)
        job.parked.clear()
        job.attached = job.coming = 0
        del self._live[job.number]
        self._queue_changed()

    # Offers and promises.

    def _offer(self, free: list[int], count: int, source: int) -> None:
        """Ask for ``count`` executors, of which ``free`` can go at once."""
        if not free:
            return
        worker = self._workers[free[0]]
        promises = self._pool_promises
        if worker.stage is not None:
            promises = worker.stage.promises
        elif worker.job is not None:
            promises = worker.job.promises
        self.source_job, self.offered = source, count
        self.active, self.busy = self._busy - (count - len(free)), self._busy
        while self.offered > 0:
            self._ask(promises, source)
        self._chosen.clear()
        self._keep_promises(free, promises)

    def _ask(self, promises: deque[list[int]], source: int) -> None:
        grant = self.scheduler.answer(self)
        self.record.answers += 1
        if grant.stage == NO_STAGE:
            self._deferred |= grant.deferred
            self.record.deferrals += grant.deferred
            promises.append([NO_STAGE, self.offered])
            self.offered = 0
            return
        if grant.executors < 1 or not 0 <= grant.stage < len(self._stages):
            raise PolicyError(
                f"{type(self.scheduler).__name__} answers {grant.executors} executors for stage {grant.stage} at "
                f"{self.now_ms} ms; allowed are 1 or more for a stage of the frontier"
            )
        stage = self._stages[grant.stage]
        job = stage.job
        if grant.stage not in self.frontier(job.number) or job.number not in self._live:
            raise PolicyError(
                f"{type(self.scheduler).__name__} answers stage {grant.stage} of job {job.facts.name!r} at "
                f"{self.now_ms} ms, which is not in the frontier"
            )
        amount = min(grant.executors, stage.unassigned, self.offered)
        if job.number != source:
            if job.facts.max_executors is not None:
                amount = min(amount, job.facts.max_executors - self.held(job.number))
            job.promised_here += amount
            job.granted += amount
        self._chosen.add(grant.stage)
        stage.promised += amount
        promises.append([grant.stage, amount])
        self.offered -= amount
        self.active += amount
        self.busy += amount

    def _keep_promises(self, free: list[int], promises: deque[list[int]]) -> None:
        for number in free:
            if not promises:
                return
            first = promises[0]
            first[1] -= 1
            if not first[1]:
                promises.popleft()
            self._unpark(number)
            self._follow(number, first[0])

    def _follow(self, number: int, target: int) -> None:
        worker = self._workers[number]
        if target == NO_STAGE:
            self._park(number, worker.job if worker.job is not None and worker.job.unstarted else None)
            return
        stage = self._stages[target]
        stage.promised -= 1
        if worker.job is not stage.job:
            stage.job.promised_here -= 1
        if stage.started == stage.tasks:
            self._fall_back(number)
        elif worker.job is not stage.job:
            self._move(number, stage)
        elif stage.rank >= 0:
            self._start(number, stage)
        else:
            self._park(number, stage.job)

    def _offer_again(self) -> None:
        self._deferred = False
        self._offer(list(self._pool), len(self._pool), NO_JOB)
        for number in list(self._live):
            parked = self._jobs[number].parked
            self._offer(list(parked), len(parked), number)

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
        worker.moving_to = stage
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
        job, position = stage.job, stage.started
        worker.task, worker.attempt = stage.first_task + position, 0
        stage.started += 1
        job.unstarted -= 1
        job.unstarted_ms -= stage.task_ms[position]
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
        self.record.add(task, number, start_ms=self.now_ms, finish_ms=end, failed=worker.failing)
        self._push(end, number)

    def _push(self, time: int, number: int) -> None:
        heappush(self._heap, (time, self._sequence, number))
        self._sequence += 1
