"""Runs of training jobs: how they begin, change size, stop, fail and end, and the segments they leave."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from joulewright.model import Happening, Scenario, Segment
from joulewright.sim.kernel import Kernel
from joulewright.sim.processes.job_state import JobState, Place, Pool
from joulewright.sim.processes.step_clock import StepClock, shares

END_PRIORITY = 0
SLACK = 1e-6
_ROUNDING = 1e-9


@dataclass(eq=False, kw_only=True)
class JobRuns:
    """Jobs that run, and what those before them left behind.

    Attributes
    ----------
    scenario, kernel : Scenario, Kernel
        The facts, and the clock in hours.
    hold : bool
        Whether accelerators stay held, and divisible jobs run, to the end of the last step.
    interval_h : float
        Time between checkpoints [h].
    changed : callable
        Called after a run has ended or failed.
    active : dict of int to JobState
        Released and unfinished jobs by index, in order of release.
    happenings : list of Happening
        Missed deadlines and failures are added here.
    """

    scenario: Scenario
    kernel: Kernel
    hold: bool
    interval_h: float
    changed: Callable[[], None]
    active: dict[int, JobState] = field(default_factory=dict)
    happenings: list[Happening] = field(default_factory=list)
    clock: StepClock = field(init=False)
    _running: dict[int, JobState] = field(default_factory=dict, init=False)
    _closed: list[tuple[int, Segment]] = field(default_factory=list, init=False)
    _touched: bool = field(default=True, init=False)
    _steady: dict[Place, tuple[float, float]] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.clock = StepClock(self.scenario.timeline.step_h)

    def begin(self, state: JobState, pool: Pool, size: float) -> None:
        """Start a run. One that goes on where it stopped at this very moment is no restart."""
        now = self.kernel.now
        goes_on = state.stopped_h == now and pool is state.pool
        state.remember()
        if not state.begun:
            self._begin_first(state, pool)
        elif goes_on:
            state.saved_h = now
        else:
            state.place_at(pool)
            state.left_h += state.job.restart_loss_h
            state.lost_h += state.job.restart_loss_h * state.speed_on(pool)
            state.restarts += 1
            state.moves += bool(state.segments) and state.segments[-1].site != pool.site.name
            state.run_h = state.saved_h = now
        state.begun, state.stopped_h, state.begin_h = True, None, now
        state.set_status("running", state.saved_h)
        self._take(state, size)

    def _begin_first(self, state: JobState, pool: Pool) -> None:
        job, now, timeline = state.job, self.kernel.now, self.scenario.timeline
        state.pool, state.left_h = pool, job.duration_on(pool.fleet, timeline)
        state.run_h = state.saved_h = now
        if job.running_since is None:
            state.start_h = now
        elif now <= 0.0:
            state.run_h = state.saved_h = (job.running_since - timeline.start).total_seconds() / 3600.0

    def resize(self, state: JobState, size: float) -> None:
        """Go on with another number of accelerators; the state is saved."""
        now = self.kernel.now
        state.left_h = state.left_at(now)
        self._close(state, now - state.begin_h)
        self.release(state)
        state.forget()
        state.begin_h = state.saved_h = now
        self._take(state, size)

    def stop(self, state: JobState) -> None:
        """End a run in order; a job with nothing left to do has ended."""
        now = self.kernel.now
        state.left_h = state.left_at(now)
        self._close(state, now - state.begin_h)
        self.release(state)
        state.stopped_h = now
        state.set_status("paused", now)
        if state.left_h <= self._slack_h(state):
            self._finish(state)

    def fail(self, state: JobState) -> None:
        """Take the accelerators of a job: it falls back to its last checkpoint."""
        pool, now, lost_h = state.place, self.kernel.now, 0.0
        if now > state.begin_h:
            lost_h = state.unsaved_at(now, self.interval_h)
            state.left_h = state.left_at(now) + lost_h
            state.lost_h += lost_h * state.speed_on(pool)
            self._close(state, now - state.begin_h, lost_h=lost_h)
        self.release(state)
        if now == state.begin_h:
            state.recall()
        state.set_status("paused" if state.begun and state.job.kind != "rigid" else "waiting", now)
        detail = f"{pool.name} fell to {pool.available:g} accelerators; {lost_h:.3g} h of work lost"
        self.happenings.append(
            Happening(start_h=now, end_h=now, kind="job-restart", where=state.job.name, detail=detail)
        )
        self.changed()

    def release(self, state: JobState) -> None:
        """Free the accelerators of a job and forget its planned end."""
        self._running.pop(state.index)
        state.place.give_back(state.index)
        if state.ending is not None:
            self.kernel.cancel(state.ending)
            state.ending = None
        self._touched = True

    def limit(self, pool: Pool, count: float) -> None:
        """Set how many accelerators of a fleet work; the youngest runs fail until the others have room."""
        pool.available = count
        for index in sorted(pool.ended) if pool.held > count + SLACK else ():
            pool.give_back(index)
        holders = [state for state in self._running.values() if state.pool is pool]
        for state in sorted(holders, key=lambda state: (state.run_h, state.index), reverse=True):
            if pool.held > count + SLACK:
                self.fail(state)

    # Segments

    def interval(self, places: Iterable[Place]) -> dict[Place, tuple[float, float]]:
        """Mean accelerators held and mean power [MW] by fleet in the step that ends now."""
        if self._steady is not None and not self._touched:
            return self._steady
        step = int(self.clock.position(self.kernel.now)) - 1
        held = dict.fromkeys(places, 0.0)
        power_mw = held.copy()
        runs = list(self._closed)
        runs += [(index, self._open(state)) for index, state in self._running.items()]
        # In the order of the scenario, as the ledger adds.
        for index, segment in sorted(runs, key=lambda run: run[0]):
            key = (segment.site, segment.fleet)
            holds, draws = shares(segment, step)
            job = self.scenario.training[index]
            fleet = self.scenario.site(segment.site).fleet(segment.fleet)
            held[key] += segment.accelerators * holds
            power_mw[key] += segment.accelerators * job.power_on(fleet) * draws
        found = {key: (held[key], power_mw[key]) for key in held}
        self._steady = None if self._touched else found
        self._closed.clear()
        self._touched = False
        return found

    def open_segments(self, state: JobState) -> tuple[Segment, ...]:
        """The run that is under way, up to now; at the end of the horizon also beyond it where the job may."""
        if state.status != "running":
            return ()
        timeline, now = self.scenario.timeline, self.kernel.now
        hours = now - state.begin_h
        if state.job.beyond and state.job.kind == "rigid" and self.clock.position(now) >= timeline.steps:
            hours = state.planned_h
        return (self._segment(state, hours),) if hours > _ROUNDING * timeline.step_h else ()

    def _open(self, state: JobState) -> Segment:
        return self._segment(state, max(0.0, self.kernel.now - state.begin_h))

    def _segment(self, state: JobState, hours: float) -> Segment:
        span, pool = self.clock.span(state.begin_h, hours), state.place
        return Segment(
            site=pool.site.name,
            fleet=pool.fleet.name,
            first_step=span.first_step,
            stop_step=span.stop_step,
            accelerators=state.accelerators,
            last_fraction=span.last_fraction,
            first_fraction=span.first_fraction,
            frees_at_end=not self.hold,
        )

    def _close(self, state: JobState, hours: float, *, ends: bool = False, lost_h: float | None = None) -> None:
        """Write down what was run since the last change of size; only an end holds accelerators to the boundary."""
        if hours > _ROUNDING * self.clock.step_h:
            segment = replace(self._segment(state, hours), lost_h=lost_h)
            if not ends and segment.last_fraction < 1.0:
                segment = replace(segment, frees_at_end=True)
            state.segments.append(segment)
            self._closed.append((state.index, segment))

    # Ends

    def _take(self, state: JobState, size: float) -> None:
        """Take accelerators and plan the end of the run."""
        now = self.kernel.now
        state.place.take(state.index, size)
        state.accelerators, state.rate = size, state.rate_at(size)
        state.planned_h = self._hours_to_end(state)
        self._running[state.index] = state
        self._touched = True
        if state.planned_h < math.inf:
            end_h = max(now, self.clock.snapped(now + state.planned_h))
            state.ending = self.kernel.schedule(end_h, self._end, state, priority=END_PRIORITY)

    def _hours_to_end(self, state: JobState) -> float:
        if state.rate <= 0.0:
            return math.inf
        if not self.hold or state.job.kind == "rigid":
            return state.left_h / state.rate
        needed_h = max(0.0, state.left_h - self._slack_h(state)) / state.rate
        return self.clock.boundary_after(state.begin_h + needed_h) - state.begin_h

    def _slack_h(self, state: JobState) -> float:
        """Work so small that a solver's tolerance or rounding explains it [h]."""
        whole_h = state.job.duration_h / state.speed_on(state.pool)
        return (SLACK if self.hold else _ROUNDING) * max(1.0, whole_h)

    def _end(self, state: JobState) -> None:
        pool, now, size = state.place, self.kernel.now, state.accelerators
        state.ending = None
        self._close(state, state.planned_h, ends=True)
        self.release(state)
        boundary_h = self.clock.boundary_after(now)
        if self.hold and boundary_h > now:
            pool.take(state.index, size)
            pool.ended.add(state.index)
            self.kernel.schedule(boundary_h, pool.give_back, state.index, priority=END_PRIORITY)
        self._finish(state)
        self.changed()

    def _finish(self, state: JobState) -> None:
        now = self.kernel.now
        state.left_h, state.end_h = 0.0, now
        state.set_status("done", now)
        del self.active[state.index]
        deadline_h = (state.job.deadline - self.scenario.timeline.start).total_seconds() / 3600.0
        if now > deadline_h + _ROUNDING:
            detail = f"ended {now - deadline_h:.3g} h late"
            self.happenings.append(
                Happening(start_h=deadline_h, end_h=now, kind="deadline-missed", where=state.job.name, detail=detail)
            )
