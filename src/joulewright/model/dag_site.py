"""Sites where data-processing jobs may run, and what it takes to send data between them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from joulewright.errors import ScenarioError
from joulewright.model.dag_cluster import DagCluster, DagSignal
from joulewright.model.dag_stage import LONGEST_MS


@dataclass(frozen=True, kw_only=True)
class DagSite:
    """A cluster with its own signal; several clusters of one place are several sites with a fast link.

    Attributes
    ----------
    name : str
        Unique among sites.
    cluster : DagCluster
        Its executors.
    signal : DagSignal
        What plays there.
    """

    name: str
    cluster: DagCluster
    signal: DagSignal


@dataclass(frozen=True, kw_only=True)
class DagLink:
    """How data gets from one site to another; every transfer has the whole bandwidth.

    Attributes
    ----------
    gb_per_s : float
        Bandwidth [GB/s of the run]; infinite for one place.
    latency_ms : int
        Added to every transfer [ms].
    kwh_per_gb : float
        Energy of a transfer [kWh/GB], half of it at either end.

    Raises
    ------
    ScenarioError
        If a number is out of range.

    Examples
    --------
    >>> DagLink(gb_per_s=0.5, latency_ms=20).transfer_ms(3.0)
    6020
    """

    gb_per_s: float = math.inf
    latency_ms: int = 0
    kwh_per_gb: float = 0.0

    def __post_init__(self) -> None:
        problems = []
        if not self.gb_per_s > 0.0:
            problems.append(f"a link of {self.gb_per_s!r} GB/s; allowed is any positive number, or inf")
        for name in ("latency_ms", "kwh_per_gb"):
            value = getattr(self, name)
            if not 0.0 <= value < math.inf:
                problems.append(f"{name} of a link is {value!r}; allowed is any finite number of at least 0")
        if problems:
            raise ScenarioError(problems)

    def transfer_ms(self, size_gb: float) -> int:
        """Time to send an amount [ms]; 0 for nothing.

        Raises
        ------
        ScenarioError
            If it is longer than a run can count to.
        """
        time_ms = 1000.0 * size_gb / self.gb_per_s + self.latency_ms if size_gb > 0.0 else 0.0
        if time_ms > LONGEST_MS:
            raise ScenarioError(
                f"sending {size_gb:g} GB over a link of {self.gb_per_s:g} GB/s and {self.latency_ms} ms takes "
                f"{time_ms:g} ms; allowed is at most {LONGEST_MS} ms: give a faster link or less data"
            )
        return math.ceil(time_ms)


@dataclass(frozen=True, kw_only=True)
class DagLinks:
    """Links between sites, the same in both directions.

    Attributes
    ----------
    default : DagLink
        Between sites that have none of their own.
    pairs : mapping
        Link by the names of two sites, in either order.
    """

    default: DagLink = DagLink()
    pairs: Mapping[tuple[str, str], DagLink] = field(default_factory=dict)

    def between(self, one: str, other: str) -> DagLink:
        """Link between two sites; within a site nothing is sent."""
        if one == other:
            return DagLink()
        return self.pairs.get((one, other)) or self.pairs.get((other, one)) or self.default
