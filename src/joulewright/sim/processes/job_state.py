"""What changes about a fleet and about a training job while time goes on."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from joulewright.errors import ScenarioError
from joulewright.model import Fleet, Segment, Site, TrainingJob
from joulewright.policy.observation import JobObservation, JobStatus
from joulewright.sim.kernel import Handle

Status = JobStatus | Literal["unreleased", "done", "rejected"]
Place = tuple[str, str]
"""Names of a site and one of its fleets."""

_SAVED = 1e-9
_MEMORY = ("left_h", "pool", "run_h", "stopped_h", "begun", "start_h", "restarts", "moves", "lost_h")


@dataclass(slots=True, eq=False, kw_only=True)
class Pool:
    """Accelerators of a fleet.

    Attributes
    ----------
    site, fleet : Site, Fleet
        Which.
    available : float
        Accelerators that work.
    reserved : float
        Accelerators that serving asks for.
    holds : dict of int to float
        Accelerators held by each job, by its index.
    held : float
        Their sum.
    ended : set of int
        Jobs that have ended and keep theirs to the next boundary.
    """

    site: Site
    fleet: Fleet
    available: float
    reserved: float = 0.0
    holds: dict[int, float] = field(default_factory=dict)
    held: float = 0.0
    ended: set[int] = field(default_factory=set)

    @property
    def name(self) -> str:
        """Site and fleet."""
        return f"{self.site.name}/{self.fleet.name}"

    @property
    def free(self) -> float:
        """Accelerators that a job could take now; negative when more are held and reserved than work."""
        return self.available - self.reserved - self.held

    def take(self, index: int, accelerators: float) -> None:
        """Give a job its accelerators."""
        self.holds[index] = accelerators
        self.held += accelerators

    def give_back(self, index: int) -> None:
        """Free the accelerators of a job; rounding does not pile up, as an empty fleet holds exactly none."""
        self.ended.discard(index)
        self.held -= self.holds.pop(index, 0.0)
        if not self.holds:
            self.held = 0.0


@dataclass(slots=True, eq=False, kw_only=True)
class JobState:
    """A training job under way.

    Attributes
    ----------
    job, index : TrainingJob, int
        Its parameters and its place in the scenario.
    release_h : float
        From when it may run [h].
    status, since_h : str, float
        Status and when it began [h].
    left_h : float
        Work left at ``begin_h``, as hours at the reference size on ``pool``; at relative speed 1 before it has one [h].
    pool : Pool or None
        Where it runs, or where its state is.
    accelerators, rate : float
        Size, and hours of work done in an hour.
    begin_h, planned_h : float
        Since when it has run at this size, and for how long it will unless something changes [h].
    run_h, saved_h : float
        Begin of the uninterrupted run, and from when on checkpoints are counted [h].
    stopped_h : float or None
        When it last stopped in order [h]; None while it runs and after a failure.
    begun : bool
        Whether it has run.
    ending : Handle or None
        Its end in the kernel.
    segments : list of Segment
        What is behind it.
    start_h, end_h, restarts, moves, lost_h
        As in :class:`~joulewright.model.JobRecord`.
    """

    job: TrainingJob
    index: int
    release_h: float
    status: Status = "unreleased"
    since_h: float = 0.0
    left_h: float = 0.0
    pool: Pool | None = None
    accelerators: float = 0.0
    rate: float = 1.0
    begin_h: float = 0.0
    planned_h: float = math.inf
    run_h: float = 0.0
    saved_h: float = 0.0
    stopped_h: float | None = None
    begun: bool = False
    ending: Handle | None = None
    segments: list[Segment] = field(default_factory=list)
    start_h: float | None = None
    end_h: float | None = None
    restarts: int = 0
    moves: int = 0
    lost_h: float = 0.0
    _memory: tuple[Any, ...] = ()

    @property
    def place(self) -> Pool:
        """Where it is.

        Raises
        ------
        ScenarioError
            If it has never been anywhere.
        """
        if self.pool is None:
            raise ScenarioError(f"job {self.job.name!r} is {self.status} and has no place; start it first")
        return self.pool

    @property
    def usual_size(self) -> float:
        """Accelerators it takes when nobody says how many."""
        if self.accelerators > 0.0:
            return self.accelerators
        return float(min(max(self.job.gpus, self.job.smallest), self.job.largest))

    def speed_on(self, pool: Pool | None) -> float:
        """Speed of an accelerator of ``pool`` relative to the declared duration; 1 without one."""
        return 1.0 if pool is None else self.job.accelerator_speed.get(pool.fleet.accelerator, 1.0)

    def rate_at(self, accelerators: float) -> float:
        """Hours of work in an hour at this size: concave in it for an elastic job, else 1."""
        if self.job.kind != "elastic":
            return 1.0
        sizes, speeds = zip(*self.job.speed_points, strict=True)
        return float(np.interp(accelerators, sizes, speeds))

    def left_at(self, time_h: float) -> float:
        """Work left at ``time_h``, as hours at the reference size on its fleet [h]."""
        if self.status != "running":
            return self.left_h
        return max(0.0, self.left_h - (time_h - self.begin_h) * self.rate)

    def unsaved_at(self, time_h: float, interval_h: float) -> float:
        """Work since the last checkpoint, taken every ``interval_h`` from ``saved_h`` on [h]."""
        since_h = time_h - self.saved_h
        kept_h = interval_h * math.floor(since_h / interval_h + _SAVED) if math.isfinite(interval_h) else 0.0
        return max(0.0, since_h - kept_h) * self.rate

    def place_at(self, pool: Pool) -> None:
        """Move what is left to ``pool``: on faster accelerators it takes fewer hours."""
        self.left_h *= self.speed_on(self.pool) / self.speed_on(pool)
        self.pool = pool

    def remember(self) -> None:
        """Keep what a start is about to change, in case it comes to nothing."""
        self._memory = tuple(getattr(self, name) for name in _MEMORY)

    def forget(self) -> None:
        """The start came to something."""
        self._memory = ()

    def recall(self) -> None:
        """Undo a start that came to nothing."""
        for name, value in zip(_MEMORY, self._memory, strict=False):
            setattr(self, name, value)

    def set_status(self, status: Status, time_h: float) -> None:
        """Note a new status and its time."""
        self.status = status
        self.since_h = time_h

    def observation(self, status: JobStatus, time_h: float) -> JobObservation:
        """What a policy is told; a stopped job still has its restart before it."""
        restart_h = self.job.restart_loss_h if self.begun and status != "running" else 0.0
        return JobObservation(
            job=self.job,
            status=status,
            remaining_h=(self.left_at(time_h) + restart_h) * self.speed_on(self.pool),
            site=None if self.pool is None else self.pool.site.name,
            fleet=None if self.pool is None else self.pool.fleet.name,
            accelerators=self.accelerators if status == "running" else 0.0,
            status_h=time_h - self.since_h,
        )
