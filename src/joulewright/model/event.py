"""Events that disturb a scenario: known ones, and how often chance brings further ones."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from joulewright.errors import ScenarioError

EventKind = Literal[
    "grid-outage",
    "demand-response",
    "curtailment",
    "generator-failure",
    "site-loss",
    "price-spike",
    "accelerator-failure",
    "telemetry-gap",
]


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happens: an outage, a demand-response call, a failure, a price spike, a gap in telemetry.

    Attributes
    ----------
    kind : str
        One of :data:`EventKind`. An islanding is a ``grid-outage``; with ``notice_h`` it is a planned one.
    site : str
        Where.
    start, end : datetime
        When, time-zone aware; every step that overlaps the event is disturbed.
    limit_mw : float or None
        Import that remains allowed [MW].
    notice_h : float
        How long before ``start`` the event and its end become known [h].
    component : str or None
        Which generator or fleet.
    price_per_mwh : float or None
        Energy price during a spike [currency/MWh].
    lost_fraction : float or None
        Share of a fleet's accelerators that an ``accelerator-failure`` takes; None takes all.
    signals : tuple of str
        What a ``telemetry-gap`` hides, as signal keys without the site, e.g. ``carbon_kg_per_mwh`` or
        ``roof/per_unit``; empty hides every signal of the site.
    """

    kind: EventKind
    site: str
    start: datetime
    end: datetime
    limit_mw: float | None = None
    notice_h: float = 0.0
    component: str | None = None
    price_per_mwh: float | None = None
    lost_fraction: float | None = None
    signals: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class EventRate:
    """How often chance brings an event, and what it is like. Arrivals are a Poisson process.

    Attributes
    ----------
    name : str
        Unique; the stream of random numbers is called after it.
    kind, site, limit_mw, notice_h, component, price_per_mwh, lost_fraction, signals
        As in :class:`Event`.
    rate_per_h : float
        Mean number of events that start in an hour [1/h]; one over the mean time between starts.
    duration_h : float
        Mean duration [h].
    fixed_duration : bool
        True where every event lasts exactly ``duration_h``; otherwise durations are exponential.

    Raises
    ------
    ScenarioError
        If the rate is negative, or the duration not positive, or either is not finite.
    """

    name: str
    kind: EventKind
    site: str
    rate_per_h: float
    duration_h: float
    fixed_duration: bool = False
    limit_mw: float | None = None
    notice_h: float = 0.0
    component: str | None = None
    price_per_mwh: float | None = None
    lost_fraction: float | None = None
    signals: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        problems = []
        if not 0.0 <= self.rate_per_h < float("inf"):
            problems.append(f"chance {self.name!r}: the rate is {self.rate_per_h:g} 1/h; allowed is >= 0")
        if not 0.0 < self.duration_h < float("inf"):
            problems.append(f"chance {self.name!r}: the mean duration is {self.duration_h:g} h; allowed is > 0")
        if problems:
            raise ScenarioError(problems)
