"""Schedulers that do not look at the signal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from joulewright.errors import PolicyError
from joulewright.policy.dag.listed import AbstractListScheduler, ListRule
from joulewright.policy.dag.rules import JobCap, JobOrder, StageOrder


@dataclass(frozen=True, kw_only=True)
class Fifo(AbstractListScheduler):
    """Jobs in order of arrival, each with the whole cluster.

    Attributes
    ----------
    count : str
        How the executors of a job are counted against the cluster: ``granted`` sums all it ever got from elsewhere, as
        the published simulator does; ``held`` counts what it has, so that a job that grows again is served again.

    Notes
    -----
    Information used: arrivals, precedence and task counts. No guarantee.
    """

    count: str = "granted"

    def __post_init__(self) -> None:
        if self.count not in ("granted", "held"):
            raise PolicyError(f"fifo counts {self.count!r}; use granted or held")

    @property
    def rule(self) -> ListRule:
        """Order of arrival."""
        return ListRule(job_cap=JobCap.GRANTED if self.count == "granted" else JobCap.HELD)


@dataclass(frozen=True, kw_only=True)
class Fair(AbstractListScheduler):
    """Jobs in order of arrival, each with an equal share of the cluster, rounded up.

    The cap is ``ceil(K / n)`` with the n jobs that have tasks promised to nobody. It is what the published simulator
    calls weighted fair or dynamic partition. Information used: arrivals, precedence and task counts.
    """

    @property
    def rule(self) -> ListRule:
        """Equal shares."""
        return ListRule(job_cap=JobCap.FAIR)


@dataclass(frozen=True, kw_only=True)
class WeightedFair(AbstractListScheduler):
    """As :class:`Fair`, with shares in proportion to the weights of the jobs; equal to it when all weights are."""

    @property
    def rule(self) -> ListRule:
        """Weighted shares."""
        return ListRule(job_cap=JobCap.WEIGHTED)


@dataclass(frozen=True, kw_only=True)
class ShortestWork(AbstractListScheduler):
    """The job with the least expected work in tasks not started comes first.

    Information used: expected task durations besides precedence. Least mean completion time on one machine with known
    work (Schrage 1968, doi 10.1287/opre.16.3.687); no guarantee with precedence.
    """

    sources: ClassVar[tuple[str, ...]] = ("schrage1968",)

    @property
    def rule(self) -> ListRule:
        """Least remaining work first."""
        return ListRule(job_order=JobOrder.SHORTEST_WORK)


@dataclass(frozen=True, kw_only=True)
class CriticalPath(AbstractListScheduler):
    """The stage with the longest expected chain of tasks behind it comes first, within a job and between jobs.

    Information used: expected task durations besides precedence. A list schedule: on P machines its makespan is at most
    2 - 1/P of the optimum for jobs that arrive together, without moving delay (Graham 1966, Bell System Technical
    Journal 45).
    """

    sources: ClassVar[tuple[str, ...]] = ("graham1966",)

    @property
    def rule(self) -> ListRule:
        """Longest path first."""
        return ListRule(job_order=JobOrder.LONGEST_PATH, stage_order=StageOrder.LONGEST_PATH)
