"""What a controller needs of a cluster: start stages, see how far they are, say how many executors it wants."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from joulewright.model.dag import DagJob, DagStage


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a submitted stage is.

    Attributes
    ----------
    started, done : int
        Tasks that began, and tasks that ended well.
    ended : bool
        True when nothing of the stage is left to do.
    error : str
        Why it failed; empty unless it did.
    """

    started: int
    done: int
    ended: bool = False
    error: str = ""


class AbstractSparkPlant(ABC):
    """A cluster, real or made for a test. Stages are numbered over all jobs."""

    @abstractmethod
    def now_ms(self) -> int:
        """Time since the trace began to play [ms]."""

    @abstractmethod
    def wait(self) -> None:
        """Let time pass until it is worth looking again."""

    @abstractmethod
    def submit(self, number: int, job: DagJob, stage: DagStage, executors: int) -> None:
        """Start a stage, all parents of which have ended, with a share of so many executors."""

    @abstractmethod
    def progress(self) -> Mapping[int, Progress]:
        """Progress of every stage submitted; one that ended may be left out once that was said."""

    @abstractmethod
    def resize(self, executors: int) -> None:
        """Want so many executors from now on; those with tasks finish them first. Called again and again."""
