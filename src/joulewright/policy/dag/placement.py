"""At which site a job with precedence runs; decided when it arrives, from what is known then."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np

from joulewright.errors import PolicyError
from joulewright.model.dag import DagJob
from joulewright.model.timeline import FloatArray
from joulewright.policy.dag.outlook import Foresight, Outlook
from joulewright.policy.registry import Entry, build, parse


@dataclass(frozen=True, kw_only=True)
class SiteNow:
    """A site as a placement sees it when a job arrives.

    Attributes
    ----------
    name : str
        Of the site.
    executors : int
        K.
    pending_ms : int
        Expected work of its jobs in tasks not started [executor-ms].
    expected : ndarray
        The signal now and what is expected of the steps after it, shape ``(W,)``.
    step_ms, into_step_ms : int
        Length of a step and how much of the present one is over [ms].
    kwh_per_ms : float
        Energy of a busy executor per time [kWh/ms].
    transfer_ms : int
        Time until the input of the job would be there [ms].
    transfer_cost : float
        Cost of sending its input there and its result back, at the present signals [g with a signal in g/kWh].
    is_home : bool
        True if the input lies there.
    """

    name: str
    executors: int
    pending_ms: int
    expected: FloatArray
    step_ms: int
    into_step_ms: int
    kwh_per_ms: float
    transfer_ms: int
    transfer_cost: float
    is_home: bool

    @property
    def wait_ms(self) -> float:
        """Rough time until the job could begin: the later of its input and of the work before it [ms]."""
        return max(float(self.transfer_ms), self.pending_ms / self.executors)

    def run_ms(self, job: DagJob) -> float:
        """Rough time the job takes once it begins [ms]."""
        most = min(self.executors, job.max_executors or self.executors)
        return max(float(job.critical_path_ms), job.work_ms / most)

    def expected_cost(self, job: DagJob) -> float:
        """Cost of the job and of its transfers if the forecast holds [g with a signal in g/kWh]."""
        begin = self.into_step_ms + self.wait_ms
        return self.transfer_cost + job.work_ms * self.kwh_per_ms * self._mean(begin, begin + self.run_ms(job))

    def _mean(self, begin_ms: float, end_ms: float) -> float:
        """Mean expected signal between two times; the last value holds beyond the window."""
        edges = np.arange(self.expected.size) * float(self.step_ms)
        until = np.append(edges[1:], math.inf)
        inside = np.clip(np.minimum(until, end_ms) - np.maximum(edges, begin_ms), 0.0, None)
        return float(inside @ self.expected) / (end_ms - begin_ms)


class AbstractDagPlacement(ABC):
    """Chooses a site for a job. Placements hold parameters only."""

    @property
    def outlook(self) -> Outlook:
        """What it may know about the future of the signals."""
        return Outlook()

    @abstractmethod
    def place(self, job: DagJob, sites: Sequence[SiteNow], placed: int) -> int:
        """Position of the site, when ``placed`` jobs have been placed before."""


@dataclass(frozen=True, kw_only=True)
class AtHome(AbstractDagPlacement):
    """Where the input of the job lies; the first site for jobs without a home."""

    def place(self, job: DagJob, sites: Sequence[SiteNow], placed: int) -> int:
        """Position of the home."""
        return next((position for position, site in enumerate(sites) if site.is_home), 0)


@dataclass(frozen=True, kw_only=True)
class RoundRobin(AbstractDagPlacement):
    """One site after the other, in their order."""

    def place(self, job: DagJob, sites: Sequence[SiteNow], placed: int) -> int:
        """Position of the next site."""
        return placed % len(sites)


@dataclass(frozen=True, kw_only=True)
class LowestSignal(AbstractDagPlacement):
    """Where the signal is lowest now; looks at neither queues nor transfers."""

    def place(self, job: DagJob, sites: Sequence[SiteNow], placed: int) -> int:
        """Position of the cleanest site."""
        return min(range(len(sites)), key=lambda position: float(sites[position].expected[0]))


@dataclass(frozen=True, kw_only=True)
class ShortestQueue(AbstractDagPlacement):
    """Where the job would end first by a rough count of waiting work, transfer and its own work."""

    def place(self, job: DagJob, sites: Sequence[SiteNow], placed: int) -> int:
        """Position of the quickest site."""
        return min(range(len(sites)), key=lambda position: sites[position].wait_ms + sites[position].run_ms(job))


@dataclass(frozen=True, kw_only=True)
class LeastCost(Foresight, AbstractDagPlacement):
    """Where the job and its transfers cost least if the forecast holds, among sites that are not much later.

    Attributes
    ----------
    most_delay_ms : float
        How much later than at the quickest site it may end, by the count of :class:`ShortestQueue` [ms].
    window_h, forecast
        See :class:`~joulewright.policy.dag.outlook.Foresight`.

    Notes
    -----
    Assumes that the work before the job and the job itself use all executors; schedulers that wait for a low signal
    are not foreseen.
    """

    most_delay_ms: float = math.inf

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.most_delay_ms >= 0.0:
            raise PolicyError(f"most_delay_ms is {self.most_delay_ms!r}; allowed is 0 or more, or inf")

    def place(self, job: DagJob, sites: Sequence[SiteNow], placed: int) -> int:
        """Position of the cheapest site that is quick enough."""
        ends = [site.wait_ms + site.run_ms(job) for site in sites]
        near = [position for position, end in enumerate(ends) if end <= min(ends) + self.most_delay_ms]
        return min(near, key=lambda position: sites[position].expected_cost(job))


_ENTRIES = {
    name: Entry(name=name, kind="dag", summary=summary, factory=factory)
    for name, factory, summary in (
        ("home", AtHome, "where the input lies"),
        ("round-robin", RoundRobin, "one site after the other"),
        ("lowest-signal", LowestSignal, "where the signal is lowest now"),
        ("shortest-queue", ShortestQueue, "where the job would end first"),
        ("least-cost", LeastCost, "where job and transfers cost least by the forecast"),
    )
}


def dag_placements() -> Mapping[str, str]:
    """Summary of every placement by name."""
    return {name: entry.summary for name, entry in _ENTRIES.items()}


def make_dag_placement(text: str) -> AbstractDagPlacement:
    """The placement that a text names, with its options.

    Raises
    ------
    PolicyError
        If there is no such placement, or an option is unknown or out of range.

    Examples
    --------
    >>> make_dag_placement("least-cost:most_delay_ms=60000").most_delay_ms
    60000.0
    """
    name, options = parse(text)
    if name not in _ENTRIES:
        close = get_close_matches(name, _ENTRIES, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else f"; there are {', '.join(_ENTRIES)}"
        raise PolicyError(f"there is no placement {name!r} for DAG jobs{hint}")
    made: Any = build(_ENTRIES[name], options)
    placement: AbstractDagPlacement = made
    return placement
