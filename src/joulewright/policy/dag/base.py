"""What a scheduler of jobs with precedence sees and answers.

Whenever executors come free the simulator makes an *offer*: some executors of one source (the pool of those in no job,
a job, or a stage that ran out of tasks). It asks the scheduler until all are given away; every answer gives some of
them to one stage or keeps the rest where they are. Which stages may be answered (the *frontier*): those with tasks
that nobody is promised to, whose parents' tasks are all started or promised.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from joulewright.model.dag import DagCluster, DagJob, DagSignal
from joulewright.policy.dag.outlook import Outlook
from joulewright.policy.dag.rules import CompiledRule, Conditions

NO_STAGE = -1
NO_JOB = -1


class Grant(NamedTuple):
    """An answer: executors for a stage, or the rest of the offer for none.

    Attributes
    ----------
    stage : int
        Number of the stage, or ``NO_STAGE``; then ``executors`` has no meaning, all that are left stay idle.
    executors : int
        At least 1; what exceeds the tasks of the stage or the limit of its job is cut.
    deferred : bool
        With ``NO_STAGE``: what there is to do shall wait. Idle executors are offered again when the signal steps, a job
        arrives or other executors come free. It counts as a deferral if a task promised to nobody could be given one.
    """

    stage: int
    executors: int = 0
    deferred: bool = False


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """What is to be run, for schedulers that prepare themselves.

    Attributes
    ----------
    jobs : tuple of DagJob
        By number. A scheduler that claims to be online reads only those that its view shows as arrived.
    cluster, signal
        Where they run and what plays; only the outlook of a scheduler may look into the future of the signal.
    """

    jobs: tuple[DagJob, ...]
    cluster: DagCluster
    signal: DagSignal


class AbstractDagView(ABC):
    """The present as a scheduler sees it; jobs and stages are numbered over the run.

    Attributes
    ----------
    now_ms : int
        Time [ms].
    executors : int
        Size of the cluster.
    source_job : int
        Job that the offered executors belong to, ``NO_JOB`` for none.
    offered : int
        Executors still to be given away.
    active : int
        Executors running or moving, apart from those offered, and those given away earlier in this offer.
    step : int
        Step of the signal that holds the present.
    signal, low, high : float
        The signal now, and the least and greatest value of the window that the scheduler's outlook expects from now on.
    queued_ms, queued_ms_at : int
        Work of all tasks not yet started [executor-ms] when a job last arrived or ended, and when that was [ms].
    busy : int
        Executors running or moving, offered ones included, and those given away earlier in this offer.
    step_ms : int
        Length of a step of the signal [ms].
    """

    now_ms: int
    executors: int
    source_job: int
    offered: int
    active: int
    step: int
    signal: float
    low: float
    high: float
    queued_ms: int
    queued_ms_at: int
    busy: int
    step_ms: int

    @property
    def working(self) -> bool:
        """Whether anything runs or moves, or was given in this offer; else a scheduler that defers must go on."""
        return self.busy > 0

    @abstractmethod
    def jobs(self) -> Sequence[int]:
        """Jobs that arrived and have not ended, in order of arrival."""

    @abstractmethod
    def frontier(self, job: int) -> Iterable[int]:
        """Stages of a job that may be answered now, in their order."""

    @abstractmethod
    def runnable_rank(self, stage: int) -> int:
        """When all its parents had ended, as a rank among stages; -1 while they have not."""

    @abstractmethod
    def unassigned(self, stage: int) -> int:
        """Tasks of a stage not started and promised to nobody."""

    @abstractmethod
    def waiting(self, job: int) -> bool:
        """True while the job has such tasks in any stage."""

    @abstractmethod
    def held(self, job: int) -> int:
        """Executors in the job, moving to it or promised to it from elsewhere."""

    @abstractmethod
    def granted(self, job: int) -> int:
        """Executors given to the job from elsewhere so far, less those that failed in it or on their way to it."""

    @abstractmethod
    def remaining_ms(self, job: int) -> int:
        """Expected work of the tasks not started [executor-ms]."""

    @abstractmethod
    def path_ms(self, stage: int) -> int:
        """Expected longest chain of tasks from the stage to the end of its job [ms]."""

    @abstractmethod
    def facts(self, job: int) -> DagJob:
        """What is known of a job that has arrived: its stages, their parents and expected task durations."""

    @abstractmethod
    def stages(self, job: int) -> range:
        """Numbers of the stages of a job, in the order of its facts."""

    @abstractmethod
    def job_of(self, stage: int) -> int:
        """Job of a stage."""

    @abstractmethod
    def weight(self, job: int) -> float:
        """Weight of a job."""

    @abstractmethod
    def draw(self, stage: int) -> float:
        """A random number in (0, 1) for this answer and stage: equal seeds give equal numbers."""

    @abstractmethod
    def expected_share(self, step: int) -> Sequence[float]:
        """Renewable share expected at ``step`` for it and the steps after it."""


class AbstractDagScheduler(ABC):
    """Decides which stage gets executors. Schedulers hold parameters only; what changes is in the view.

    Attributes
    ----------
    sources : tuple of str
        Where it was published, keys of :data:`joulewright.policy.citations.REFERENCES`; what it wraps has its own.
    """

    sources: ClassVar[tuple[str, ...]] = ()

    @property
    def outlook(self) -> Outlook:
        """What it may know about the future of the signal."""
        return Outlook()

    @property
    def knows_arrivals(self) -> bool:
        """Whether it reads jobs before they arrive, which nobody can where a placement spreads them over sites."""
        return False

    def begun(self, facts: RunFacts) -> AbstractDagScheduler:
        """The scheduler of one run, asked for before its first answer; one that keeps a memory returns a fresh one."""
        return self

    @abstractmethod
    def answer(self, view: AbstractDagView) -> Grant:
        """Who gets executors of the present offer."""

    def compiled(self, conditions: Conditions) -> CompiledRule | None:
        """The same decisions as numbers for the compiled simulator; None if there are none."""
        return None
