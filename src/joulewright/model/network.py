"""Regions that ask for inference and links between sites."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Region:
    """Where inference demand arises.

    Attributes
    ----------
    name : str
        Unique in the scenario.
    latency_ms : mapping of str to float
        Network round trip to each site [ms]; a site that is not listed cannot serve the region.
    residency : tuple of str or None
        Sites where the region's data may be processed; None allows all.
    """

    name: str
    latency_ms: Mapping[str, float] = field(default_factory=dict)
    residency: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Link:
    """A wide-area link between two sites.

    Attributes
    ----------
    between : tuple of two str
        The sites it joins, in both directions.
    latency_ms : float
        Round trip [ms].
    bandwidth_gbit_s : float
        Usable bandwidth [Gbit/s].
    cost_per_gb : float
        Price of moved data [currency/GB].
    """

    between: tuple[str, str]
    latency_ms: float = 0.0
    bandwidth_gbit_s: float
    cost_per_gb: float = 0.0
