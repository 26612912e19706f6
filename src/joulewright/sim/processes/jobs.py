"""Training jobs on the fleets of a scenario: they wait, run, pause, change size, move, fail and end.

Order at equal times
--------------------
1. Runs end and free their accelerators.
2. Checkpoints arrive, and jobs go on where there is room.
3. Jobs are released.
4. ``on_change`` is called, once.

A job saves its state when it is paused, moved or resized and every ``checkpoint_interval_h`` while it runs. Nothing is
said about provisioning in a scenario, so a job works from the moment at which it starts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from joulewright.errors import ScenarioError
from joulewright.model import Happening, JobRecord, JobSchedule, Link, Scenario
from joulewright.policy.decision import JobAction
from joulewright.policy.observation import JobObservation
from joulewright.sim.kernel import Kernel
from joulewright.sim.processes.job_actions import ActionJudge
from joulewright.sim.processes.job_runs import END_PRIORITY, SLACK, JobRuns
from joulewright.sim.processes.job_state import JobState, Place, Pool
from joulewright.sim.processes.link_share import LinkShare

OnChange = Callable[[float], None]
ARRIVAL_PRIORITY, RELEASE_PRIORITY, CHANGE_PRIORITY = END_PRIORITY + 1, END_PRIORITY + 2, END_PRIORITY + 9


class JobProcess:
    """State of all training jobs.

    Parameters
    ----------
    scenario : Scenario
        The facts as they turn out; only jobs, fleets and links are read.
    kernel : Kernel
        Its time is hours after the start of the horizon; steps begin at ``step x step_h``.
    policy : str
        Named in errors.
    hold_to_boundary : bool
        True follows the conventions of a plan, for policies that decide on boundaries: accelerators stay held to the
        end of a job's last step, divisible jobs run to it, and state that arrives within a step is used from the next
        one on. False frees accelerators when a job ends.
    share_links : bool
        True halves the bandwidth of a link when two checkpoints move over it; False gives each the whole link, as a
        plan assumes.
    checkpoint_interval_h : float
        Time between checkpoints of a running job [h]; infinity takes none.
    on_change : callable or None
        Called with the time [h] after jobs were released, ended, failed or arrived strictly within a step.

    Raises
    ------
    ScenarioError
        If the checkpoint interval is not positive.

    Notes
    -----
    A job may end after its deadline: it is then late, as the ledger counts it. A job with a pinned start is not seen
    before it. A job with ``running_since`` goes on from the start of the horizon on the first fleet with room; at that
    moment a ``start`` may still put it on another one.
    """

    def __init__(
        self,
        scenario: Scenario,
        kernel: Kernel,
        *,
        policy: str = "policy",
        hold_to_boundary: bool = False,
        share_links: bool = True,
        checkpoint_interval_h: float = 1.0,
        on_change: OnChange | None = None,
    ) -> None:
        if not checkpoint_interval_h > 0.0:
            raise ScenarioError(
                f"checkpoint interval is {checkpoint_interval_h:g} h; allowed is above 0 h, or infinity"
            )
        self._scenario, self._kernel, self._on_change = scenario, kernel, on_change
        self._runs = JobRuns(
            scenario=scenario,
            kernel=kernel,
            hold=hold_to_boundary,
            interval_h=checkpoint_interval_h,
            changed=self._changed,
        )
        self._pools: dict[Place, Pool] = {
            (site.name, fleet.name): Pool(site=site, fleet=fleet, available=float(fleet.available[0]))
            for site, fleet in scenario.fleets()
        }
        self._judge = ActionJudge(scenario, self._pools, policy)
        self._links: dict[frozenset[str], LinkShare] = {}
        self._share_links = share_links
        self._asked_h = -math.inf
        self._states = {job.name: self._state(index) for index, job in enumerate(scenario.training)}
        for state in sorted(self._states.values(), key=lambda state: (state.release_h, state.index)):
            self._schedule_release(state)

    @property
    def happenings(self) -> tuple[Happening, ...]:
        """Restarts, migrations and missed deadlines, in the order in which they were over."""
        return tuple(self._runs.happenings)

    def observe(self, time_h: float) -> dict[str, JobObservation]:
        """Released jobs that have neither ended nor been rejected, in order of release."""
        self._advance(time_h)
        found = {}
        for state in self._runs.active.values():
            status = state.status
            if status in ("waiting", "running", "paused", "moving"):
                found[state.job.name] = state.observation(status, self._kernel.now)
        return found

    def free(self, site: str, fleet: str) -> float:
        """Accelerators that neither train nor are reserved."""
        return max(0.0, self._pool(site, fleet).free)

    def held(self, site: str, fleet: str) -> float:
        """Accelerators that training holds now."""
        return self._pool(site, fleet).held

    def records(self) -> dict[str, JobRecord]:
        """How every job has gone so far, what ends now included."""
        self._advance(self._kernel.now)
        return {name: self._record(state) for name, state in self._states.items()}

    def segments(self) -> dict[str, JobSchedule]:
        """What every job has done so far; at the end of the horizon, runs that may go on beyond it are complete."""
        self._advance(self._kernel.now)
        return {
            name: JobSchedule(job=name, segments=(*state.segments, *self._runs.open_segments(state)))
            for name, state in self._states.items()
        }

    def take_interval(self) -> Mapping[Place, tuple[float, float]]:
        """Mean accelerators held and mean training power [MW] by fleet in the step that ends now.

        Raises
        ------
        ScenarioError
            If the kernel does not stand on a boundary between two steps.
        """
        position = self._runs.clock.position(self._kernel.now)
        if not position.is_integer():
            raise ScenarioError(f"the mean of a step is asked for at step {position:g}; allowed are whole steps")
        return self._runs.interval(self._pools)

    def apply(self, actions: Sequence[JobAction], time_h: float) -> None:
        """Carry out actions in their order; what they start must fit once all are done.

        Raises
        ------
        PolicyError
            If an action cannot be carried out, with the policy, the time, the limit and the way out.
        """
        self._advance(time_h)
        grown: list[Pool] = []
        for action in actions:
            state = self._states.get(action.job)
            if state is None:
                sentence = f"{action.kind} of job {action.job!r}, which does not exist"
                raise self._judge.refusal(self._kernel.now, sentence)
            grown += self._carry_out(state, action)
        for pool in grown:
            self._judge.capacity(pool, self._kernel.now)

    def reserve(self, site: str, fleet: str, accelerators: float) -> float:
        """Reserve accelerators for serving until told otherwise; jobs that run keep theirs, others start beside it.

        Returns
        -------
        float
            How many of them serving can have now.

        Raises
        ------
        PolicyError
            If the number is negative or not finite.
        """
        pool = self._pool(site, fleet)
        if not 0.0 <= accelerators < math.inf:
            sentence = f"serving asks for {accelerators:g} accelerators of {pool.name}; allowed is 0 or more"
            raise self._judge.refusal(self._kernel.now, sentence)
        pool.reserved = accelerators
        return max(0.0, min(accelerators, pool.available - pool.held))

    def set_available(self, site: str, fleet: str, count: float, time_h: float) -> None:
        """Set how many accelerators work; where jobs hold more, the youngest runs fail until they do not.

        Raises
        ------
        ScenarioError
            If the count is negative or more than there are.
        """
        pool = self._pool(site, fleet)
        if not -SLACK <= count <= pool.fleet.count + SLACK:
            raise ScenarioError(f"{count:g} accelerators of {pool.name} work; allowed are 0 to {pool.fleet.count}")
        self._advance(time_h)
        self._runs.limit(pool, max(0.0, count))

    # Release

    def _state(self, index: int) -> JobState:
        job = self._scenario.training[index]
        release_h = self._hours(job.release)
        if job.running_since is not None:
            release_h = min(0.0, release_h)
        elif job.start is not None:
            release_h = max(release_h, self._hours(job.start))
        return JobState(job=job, index=index, release_h=release_h, left_h=job.duration_h)

    def _schedule_release(self, state: JobState) -> None:
        release_h = self._runs.clock.snapped(state.release_h)
        if release_h > self._kernel.now:
            self._kernel.schedule(release_h, self._release, state, priority=RELEASE_PRIORITY)
            return
        self._runs.active[state.index] = state
        state.set_status("waiting", self._kernel.now)
        if state.job.running_since is not None:
            self._go_on(state)

    def _release(self, state: JobState) -> None:
        self._runs.active[state.index] = state
        state.set_status("waiting", self._kernel.now)
        self._changed()

    def _go_on(self, state: JobState) -> None:
        """A job that ran before the horizon goes on; without room it waits with the work it has left."""
        job, size = state.job, state.usual_size
        places = [pool for pool in self._pools.values() if job.allows(pool.site.name) and pool.fleet.count >= size]
        if not places:
            return
        pool = next((pool for pool in places if pool.free >= size - SLACK), places[0])
        left_h = job.duration_on(pool.fleet, self._scenario.timeline)
        state.left_h = left_h * state.speed_on(pool)
        if left_h == 0.0:
            state.set_status("done", self._kernel.now)
            del self._runs.active[state.index]
        elif pool.free >= size - SLACK:
            self._runs.begin(state, pool, size)

    # Actions

    def _carry_out(self, state: JobState, action: JobAction) -> Iterable[Pool]:
        """Carry out one action; gives the fleets on which something was started."""
        now, judge = self._kernel.now, self._judge
        if action.kind == "start":
            self._undo_going_on(state)
            pool, size = judge.start(state, action, now)
            self._runs.begin(state, pool, size)
            return (pool,)
        if action.kind == "pause":
            judge.pause(state, action, now)
            self._runs.stop(state)
        elif action.kind == "resize":
            size = judge.resize(state, action, now)
            if size != state.accelerators:
                self._runs.resize(state, size)
                return (state.place,)
        elif action.kind == "migrate":
            pool, size, link = judge.migrate(state, action, now)
            return self._move(state, (pool, size), link)
        elif action.kind == "reject":
            judge.reject(state, action, now)
            state.set_status("rejected", now)
            del self._runs.active[state.index]
        else:
            sentence = f"{action.kind!r} of job {action.job!r}; known are start, pause, resize, migrate and reject"
            raise judge.refusal(now, sentence)
        return ()

    def _undo_going_on(self, state: JobState) -> None:
        """At the first instant a policy may still say on which fleet a job goes on that ran before the horizon."""
        first = state.status == "running" and not state.segments and state.begin_h == self._kernel.now
        if first and state.job.running_since is not None:
            self._runs.release(state)
            state.recall()
            state.set_status("waiting", self._kernel.now)

    def _move(self, state: JobState, target: tuple[Pool, float], link: Link | None) -> Iterable[Pool]:
        if state.status == "running":
            self._runs.stop(state)
        if state.status == "done":
            return ()
        if link is None:
            self._runs.begin(state, *target)
            return (target[0],)
        key, shared = frozenset(link.between), self._share_links
        if key not in self._links:
            self._links[key] = LinkShare(self._kernel, link.bandwidth_gbit_s, shared=shared, priority=ARRIVAL_PRIORITY)
        state.set_status("moving", self._kernel.now)
        self._links[key].add(state.job.checkpoint_gb, self._arrive, (state, *target))
        return ()

    def _arrive(self, arrival: tuple[JobState, Pool, float]) -> None:
        """A checkpoint has arrived: go on, or wait for accelerators."""
        state, pool, size = arrival
        now = self._kernel.now
        boundary_h = self._runs.clock.boundary_after(now)
        if self._runs.hold and boundary_h > now:
            self._kernel.schedule(boundary_h, self._arrive, arrival, priority=ARRIVAL_PRIORITY)
            return
        detail = f"{state.job.checkpoint_gb:g} GB from {state.place.site.name} to {pool.site.name}"
        self._runs.happenings.append(
            Happening(start_h=state.since_h, end_h=now, kind="migration", where=state.job.name, detail=detail)
        )
        # Where the horizon ends nothing begins.
        if pool.free >= size - SLACK and self._runs.clock.position(now) < self._scenario.timeline.steps:
            self._runs.begin(state, pool, size)
        else:
            state.place_at(pool)
            state.set_status("paused", now)
        self._changed()

    # Time

    def _advance(self, time_h: float) -> None:
        """Let everything happen that is due by ``time_h``; within a handler it has."""
        if not self._kernel.running:
            self._kernel.run(max(self._kernel.now, self._runs.clock.snapped(time_h)), inclusive=True)

    def _changed(self) -> None:
        """Ask once after all else at this time; on a boundary everybody is asked anyway."""
        now = self._kernel.now
        if self._on_change is None or self._asked_h == now or self._runs.clock.on_boundary(now):
            return
        self._asked_h = now
        self._kernel.schedule(now, self._ask, self._on_change, priority=CHANGE_PRIORITY)

    def _ask(self, on_change: OnChange) -> None:
        self._asked_h = -math.inf
        on_change(self._kernel.now)

    # Looking up

    def _hours(self, instant: datetime) -> float:
        return (instant - self._scenario.timeline.start).total_seconds() / 3600.0

    def _record(self, state: JobState) -> JobRecord:
        whole_h = state.job.duration_h
        left_h = state.left_at(self._kernel.now) * state.speed_on(state.pool)
        return JobRecord(
            job=state.job.name,
            release_h=self._hours(state.job.release),
            start_h=state.start_h,
            end_h=state.end_h,
            restarts=state.restarts,
            moves=state.moves,
            lost_h=state.lost_h,
            done_fraction=min(1.0, max(0.0, 1.0 - left_h / whole_h)) if whole_h > 0.0 else float(state.begun),
        )

    def _pool(self, site: str, fleet: str) -> Pool:
        pool = self._pools.get((site, fleet))
        if pool is None:
            known = ", ".join("/".join(key) for key in self._pools)
            raise self._judge.refusal(self._kernel.now, f"there is no fleet {site}/{fleet}; there are {known}")
        return pool
