"""Is an action on a job one that can be carried out? Everything a policy may get wrong is refused here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import timedelta

from joulewright.errors import PolicyError
from joulewright.model import Link, Scenario
from joulewright.policy.decision import JobAction
from joulewright.sim.processes.job_state import JobState, Pool

_TOLERANCE = 1e-6


class ActionJudge:
    """Reads actions and refuses those that break a limit of the scenario.

    Parameters
    ----------
    scenario : Scenario
        The limits.
    pools : mapping of (str, str) to Pool
        Fleets by site and name.
    policy : str
        Named in every refusal.
    """

    def __init__(self, scenario: Scenario, pools: Mapping[tuple[str, str], Pool], policy: str) -> None:
        self._scenario = scenario
        self._pools = pools
        self._policy = policy

    def refusal(self, time_h: float, sentence: str) -> PolicyError:
        """The error of a decision that cannot be carried out."""
        timeline = self._scenario.timeline
        when = (timeline.start + timedelta(seconds=round(time_h * 3600.0, 3))).isoformat()
        return PolicyError(f"{self._policy} at {when}: {sentence}")

    def start(self, state: JobState, action: JobAction, time_h: float) -> tuple[Pool, float]:
        """Where and with how many accelerators a job starts or goes on."""
        self._require(state, action, time_h, ("waiting", "paused"))
        pool = self._pool(state, action, time_h)
        if state.begun and state.pool is not None and pool.site is not state.pool.site:
            raise self.refusal(
                time_h,
                f"job {state.job.name!r} is to start at {pool.site.name!r}, but its state is at "
                f"{state.pool.site.name!r}; migrate it or start it there",
            )
        return pool, self._size(state, pool, action, time_h)

    def pause(self, state: JobState, action: JobAction, time_h: float) -> None:
        """Whether a job may stop."""
        self._require(state, action, time_h, ("running",))
        if state.job.kind == "rigid":
            raise self.refusal(time_h, f"job {state.job.name!r} is rigid: it runs without a break and may not pause")
        self._stop(state, action, time_h)

    def resize(self, state: JobState, action: JobAction, time_h: float) -> float:
        """New size of a job that runs."""
        self._require(state, action, time_h, ("running",))
        if state.job.kind != "elastic":
            raise self.refusal(time_h, f"job {state.job.name!r} is {state.job.kind}; only elastic jobs change size")
        pool = self._pool(state, action, time_h)
        if pool is not state.pool:
            raise self.refusal(time_h, f"job {state.job.name!r} is resized on {pool.name}, where it does not run")
        return self._size(state, pool, action, time_h)

    def migrate(self, state: JobState, action: JobAction, time_h: float) -> tuple[Pool, float, Link | None]:
        """Where a job moves, with how many accelerators it goes on, and over which link; None within a site."""
        self._require(state, action, time_h, ("running", "paused"))
        job, origin = state.job, state.pool
        if job.kind == "rigid" or not job.migratable:
            raise self.refusal(time_h, f"job {job.name!r} is not migratable; set migratable = true or leave it")
        if action.site is None or origin is None or not state.begun:
            raise self.refusal(time_h, f"job {job.name!r} cannot move: it needs a site and must have run; start it")
        pool = self._pool(state, action, time_h)
        size = self._size(state, pool, action, time_h)
        if pool is origin:
            raise self.refusal(time_h, f"job {job.name!r} is already at {pool.name}; start or resize it there")
        if state.status == "running":
            self._stop(state, action, time_h)
        link = self._scenario.link(origin.site.name, pool.site.name)
        if link is None and origin.site is not pool.site:
            raise self.refusal(
                time_h,
                f"job {job.name!r} cannot move from {origin.site.name!r} to {pool.site.name!r}: no link joins them",
            )
        return pool, size, None if origin.site is pool.site else link

    def reject(self, state: JobState, action: JobAction, time_h: float) -> None:
        """Whether a job may be turned away."""
        self._require(state, action, time_h, ("waiting",))
        if state.job.required:
            raise self.refusal(
                time_h, f"job {state.job.name!r} is rejected, but it is mandatory, runs already or has no value to lose"
            )
        if state.begun:
            raise self.refusal(time_h, f"job {state.job.name!r} is rejected, but it has run; leave it where it is")

    def capacity(self, pool: Pool, time_h: float) -> None:
        """Whether a fleet has room for what was started on it."""
        if pool.free < -_TOLERANCE:
            raise self.refusal(
                time_h,
                f"training holds {pool.held:g} and serving asks for {pool.reserved:g} accelerators of {pool.name}; "
                f"{pool.available:g} are available",
            )

    def _require(self, state: JobState, action: JobAction, time_h: float, allowed: tuple[str, ...]) -> None:
        if state.status not in allowed:
            raise self.refusal(
                time_h,
                f"{action.kind} of job {state.job.name!r}, which is {state.status}; "
                f"the job must be {' or '.join(allowed)}",
            )

    def _pool(self, state: JobState, action: JobAction, time_h: float) -> Pool:
        """The fleet an action names; what it leaves out is where the job is, or the only one there is."""
        job, here = state.job, state.pool
        site = action.site or (here.site.name if here is not None else job.site)
        named = {key: pool for key, pool in self._pools.items() if site is None or key[0] == site}
        if action.fleet is None and here is not None and here.site.name == site:
            return here
        chosen = [pool for key, pool in named.items() if action.fleet is None or key[1] == action.fleet]
        if len(chosen) != 1:
            known = ", ".join("/".join(key) for key in self._pools)
            raise self.refusal(
                time_h,
                f"{action.kind} of job {job.name!r} names site {action.site!r} and fleet {action.fleet!r}, which is "
                f"{'not one fleet' if chosen else 'no fleet'}; there are {known}",
            )
        if not job.allows(chosen[0].site.name):
            allowed = [job.site] if job.site is not None else list(job.sites or ())
            raise self.refusal(
                time_h, f"job {job.name!r} may not run at {chosen[0].site.name!r}; allowed sites are {allowed}"
            )
        return chosen[0]

    def _size(self, state: JobState, pool: Pool, action: JobAction, time_h: float) -> float:
        job = state.job
        size = state.usual_size if action.accelerators is None else float(action.accelerators)
        if action.accelerators is None and job.kind == "elastic":
            size = max(float(job.smallest), min(size, float(pool.fleet.count)))
        if not (math.isfinite(size) and job.smallest - _TOLERANCE <= size <= job.largest + _TOLERANCE):
            raise self.refusal(
                time_h,
                f"job {job.name!r} is to hold {size:g} accelerators; allowed are {job.smallest} to {job.largest}",
            )
        if size > pool.fleet.count + _TOLERANCE:
            raise self.refusal(
                time_h, f"job {job.name!r} is to hold {size:g} accelerators; {pool.name} has {pool.fleet.count}"
            )
        return size

    def _stop(self, state: JobState, action: JobAction, time_h: float) -> None:
        """Whether a run is long enough to be stopped: as long as the shortest run or the whole job."""
        job, pool = state.job, state.pool
        ran_h = time_h - state.run_h
        fastest = max(1.0, job.speed_points[-1][1]) if job.kind == "elastic" else 1.0
        whole_h = math.inf if pool is None else job.duration_on(pool.fleet, self._scenario.timeline) / fastest
        least_h = min(job.min_run_h, whole_h)
        if ran_h <= 0.0 or ran_h < least_h - _TOLERANCE * max(1.0, least_h):
            raise self.refusal(
                time_h,
                f"{action.kind} of job {job.name!r} after {ran_h:.6g} h; "
                f"its shortest uninterrupted run is {least_h:.6g} h and must be above 0 h",
            )
