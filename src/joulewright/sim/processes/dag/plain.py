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
10. When an executor fails, its task is lost and belongs to the ones not started again, the last promise of its stage
    that nobody is left to follow is dropped, and all idle executors are offered, pool first, then job by job. When it
    is back it joins the pool, which is offered. Failures and repairs come behind arrivals of jobs and before all else.
    Where executors fail, those that wait in front of a stage, or were told to wait while they ran, count as deferred: a
    task lost since may need them.
11. After a deferral, idle executors are offered again, pool first, then job by job, when next a job arrives,
    executors come free or the signal steps. Deferred executors that still run park when they come free, and are
    offered then. No executor is offered twice in an event.
"""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Iterable
from heapq import heapify, heappop
from operator import itemgetter
from typing import Any

import numpy as np

from joulewright.errors import PolicyError
from joulewright.policy.dag.base import NO_JOB, NO_STAGE
from joulewright.sim.processes.dag.outages import more_outages
from joulewright.sim.processes.dag.plain_state import NEVER_MS, PlainState
from joulewright.sim.processes.dag.record import Counters, RunRecord
from joulewright.sim.processes.dag.state import DEFERRED, NO_TASK, JobState, StageState


class PlainRun(PlainState):
    """One run; :meth:`run` once, then read ``record``; or place jobs and advance step by step."""

    # Events.

    def place(self, number: int, arrival_ms: int) -> None:
        """Let a job arrive at a time not yet reached [ms]."""
        insort(self._arrivals, (arrival_ms, number), key=itemgetter(0))
        self._look_outside()

    def place_all(self) -> None:
        """Let every job arrive when its facts say."""
        self._arrivals = sorted(((job.facts.arrival_ms, job.number) for job in self._jobs), key=itemgetter(0))
        self._look_outside()

    def run(self) -> RunRecord:
        """Handle all events until every job has ended.

        Raises
        ------
        PolicyError
            If the scheduler leaves work undone while nothing runs that could wake it.
        """
        self.place_all()
        self.advance()
        return self.record

    def advance(self, until_ms: int = NEVER_MS) -> None:
        """Handle the events before a time [ms], or until every job placed has ended."""
        if not self._begun and until_ms > 0:
            self._begun = True
            while self._arrivals and self._arrivals[0][0] == 0:
                self._arrive(offer=False)
            self._observe()
            self._offer_parked(self._pool, NO_JOB)
        while self._live or self._arrivals:
            if not self._next_event(until_ms):
                return

    def pending_ms(self) -> int:
        """Expected work of placed jobs in tasks not started [executor-ms]."""
        live = sum(self._jobs[number].unstarted_ms for number in self._live)
        return live + sum(self._jobs[number].unstarted_ms for _, number in self._arrivals)

    def columns(self) -> list[Any]:
        """Task, executor, start, finish and failure of every attempt."""
        return list(np.array(self.record.rows, dtype=np.int64).reshape(-1, 5).T)

    def completion_ms(self) -> Any:
        """End of each job [ms]."""
        return np.array(self.record.completion_ms)

    def counters(self) -> Counters:
        """What the loop counted."""
        record = self.record
        return Counters(record.events, record.answers, record.deferrals)

    def _look_outside(self) -> None:
        """Find the next arrival of a job or outage of an executor."""
        arrival = self._arrivals[0][0] if self._arrivals else NEVER_MS
        if self._outages.size and self._next_outage == self._outages.size:
            self._outages, self._outages_until_ms = more_outages(
                self.cluster, self.seed, self._outages_until_ms, self._outages.size
            )
        outage = int(self._outages[self._next_outage]["time_ms"]) if self._outages.size else NEVER_MS
        self._outside_ms = min(arrival, outage)

    def _next_event(self, until_ms: int) -> bool:
        """Handle the next event, if it is before a time."""
        never = NEVER_MS
        outside = self._outside_ms
        event = self._heap[0][0] if self._heap else never
        wake = (self.now_ms // self.step_ms + 1) * self.step_ms if self._deferred else never
        if event == wake == never and not self._down and not self._arrivals:
            # Failures and repairs of executors alone bring nothing about.
            outside = never
        time = min(outside, event, wake)
        if time >= until_ms and until_ms < never:
            return False
        if time == never:
            names = ", ".join(self._jobs[job].facts.name for job in self._live)
            raise PolicyError(
                f"at {self.now_ms} ms nothing runs or moves and {type(self.scheduler).__name__} gives no executor to "
                f"the jobs left ({names}); answer a stage, or defer to be asked again"
            )
        self.now_ms = time
        self._moment += 1
        self._again, self._deferred, self._offers_made = self._deferred, False, False
        self._observe()
        if outside == time:
            self._from_outside()
        elif wake <= event:
            self._offers_made = True
        else:
            number = heappop(self._heap)[2]
            if self._workers[number].running:
                self._task_end(number)
            else:
                self._executor_arrival(number)
        if self._again:
            self._offer_again()
        return True

    def _from_outside(self) -> None:
        if self._arrivals and self._arrivals[0][0] == self.now_ms:
            self._arrive(offer=True)
            return
        outage = self._outages[self._next_outage]
        self._next_outage += 1
        self._look_outside()
        if outage["back"]:
            self._down -= 1
            self._pool[int(outage["executor"])] = None
            self._offers_made = True
            self._offer_parked(self._pool, NO_JOB)
        else:
            self._down += 1
            self._fail(int(outage["executor"]))
            self._again = self._offers_made = True

    def _fail(self, number: int) -> None:
        """Take a failed executor out of everything it is in."""
        worker = self._workers[number]
        stage, job = worker.stage, worker.job
        if worker.running and stage is not None:
            stage.started -= 1
            stage.lost.append(worker.task)
            stage.job.unstarted += 1
            stage.job.unstarted_ms += stage.task_ms[worker.task - stage.first_task]
            self.record.cut(worker.row, self.now_ms)
            worker.running = False
            self._forget(number)
        elif worker.moving:
            if worker.moving_to is not None:
                worker.moving_to.moving -= 1
                job = worker.moving_to.job
                job.coming -= 1
                worker.moving_to = None
            worker.moving = False
            self._forget(number)
        else:
            self._unpark(number)
        if job is not None:
            job.granted = max(0, job.granted - 1)
        self._leave_stage(worker)
        if worker.job is not None:
            worker.job.attached -= 1
            worker.job = None
        worker.task = NO_TASK
        if stage is not None:
            self._drop_promises(stage)

    def _forget(self, number: int) -> None:
        """Take the event of an executor out of the queue."""
        self._busy -= 1
        self._heap = [entry for entry in self._heap if entry[2] != number]
        heapify(self._heap)

    def _drop_promises(self, stage: StageState) -> None:
        """Drop the last promises of a stage while there are more than executors to follow them."""
        over = sum(count for _, count in stage.promises) - stage.present
        while over > 0:
            last = stage.promises[-1]
            last[1] -= 1
            if not last[1]:
                stage.promises.pop()
            over -= 1
            if last[0] in (NO_STAGE, DEFERRED):
                continue
            target = self._stages[last[0]]
            target.promised -= 1
            if target.job is not stage.job:
                target.job.promised_here -= 1
                target.job.granted = max(0, target.job.granted - 1)

    def _observe(self) -> None:
        step = min(self.now_ms // self.step_ms, self.conditions.signal.size - 1)
        self.step = step
        self.signal = float(self.conditions.signal[step])
        self.low, self.high = float(self.conditions.low[step]), float(self.conditions.high[step])

    def _arrive(self, *, offer: bool) -> None:
        number = self._arrivals.pop(0)[1]
        self._look_outside()
        job = self._jobs[number]
        self._live[number] = None
        for stage in job.stages:
            if not stage.parents:
                self._make_runnable(stage)
        self._queue_changed()
        if offer:
            self._offers_made = True
            self._offer_parked(self._pool, NO_JOB)

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
        present = stage.present
        followed = bool(stage.promises)
        self._again |= followed and stage.promises[0][0] == DEFERRED
        if runnable:
            self._after_stage(number, stage)
            return
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
        self._offer_parked(job.parked, job.number)

    def _executor_arrival(self, number: int) -> None:
        worker = self._workers[number]
        stage, worker.moving_to, worker.moving = worker.moving_to, None, False
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
            self._park_before(number, stage)

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
        for number in free:
            self._workers[number].asked = self._moment
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
            self.record.deferrals += grant.deferred and self._work_waits()
            # Where executors fail, work that there is not now may be lost and back before the promise is followed.
            waits = grant.deferred or self.cluster.executors_fail
            promises.append([DEFERRED if waits else NO_STAGE, self.offered])
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

    def _work_waits(self) -> bool:
        """Whether a task promised to nobody could be given an executor of the present offer."""
        # Of the stages with such tasks in a job at least one is behind parents without: it is in the frontier.
        return any(self.waiting(number) and not self._at_limit(number) for number in self._live)

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
        if target in (NO_STAGE, DEFERRED):
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
            self._park_before(number, stage)

    def _park_before(self, number: int, stage: StageState) -> None:
        """Park in front of a stage whose parents have not ended; they may have lost tasks that nobody else takes."""
        self._deferred |= self.cluster.executors_fail
        self._park(number, stage.job)

    def _offer_parked(self, parked: Iterable[int], source: int) -> None:
        """Offer those parked in a job, or in the pool, that were not offered in this event."""
        free = [number for number in parked if self._workers[number].asked != self._moment]
        self._offer(free, len(free), source)

    def _offer_again(self) -> None:
        """Offer all idle executors, now or at the next event that brings offers."""
        if not self._offers_made:
            self._deferred = True
            return
        self._offer_parked(self._pool, NO_JOB)
        for number in self._live:
            self._offer_parked(self._jobs[number].parked, number)
