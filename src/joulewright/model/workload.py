"""Work to be placed: training jobs and inference services."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import numpy as np

from joulewright.model.fleet import Fleet
from joulewright.model.timeline import FloatArray, Timeline

JobKind = Literal["rigid", "pausable", "elastic"]


@dataclass(frozen=True, kw_only=True)
class TrainingJob:
    """A training job on accelerators of one fleet.

    A *rigid* job runs without a break. A *pausable* job may stop and go on; every restart costs
    ``restart_loss_h`` of work. An *elastic* job is off or holds between ``min_gpus`` and ``max_gpus``
    accelerators and advances at the concave rate ``speed``.

    Attributes
    ----------
    name : str
        Unique in the scenario.
    kind : {"rigid", "pausable", "elastic"}
        See above.
    gpus : int
        Accelerators held while running; the reference size of an elastic job.
    duration_h : float
        Work, as hours at ``gpus`` accelerators of relative speed 1 [h].
    release, deadline : datetime
        The job runs within ``[release, deadline)``; time-zone aware.
    sites : tuple of str or None
        Sites where it may run; None allows all.
    value : float
        Worth of the finished job [currency].
    mandatory : bool
        True if it may not be rejected.
    power_mw : float or None
        IT power of one accelerator with its host share while the job runs [MW]; None takes the fleet's.
    accelerator_speed : mapping of str to float
        Speed relative to the declared duration by accelerator; unlisted ones run at 1.
    checkpoint_gb : float
        State moved when the job migrates [GB].
    min_gpus, max_gpus : int or None
        Range of an elastic job.
    speed : tuple of (float, float)
        Concave points (accelerators, relative speed) of an elastic job; empty means proportional.
    min_run_h : float
        Shortest uninterrupted run of a pausable or elastic job [h].
    restart_loss_h : float
        Work lost at every restart of a pausable or elastic job [h].
    migratable : bool
        True if a pausable or elastic job may continue at another site.
    running_since : datetime or None
        Set when the job already runs at ``site``; it then goes on from the first step.
    start, site : datetime or None, str or None
        Pinned start and site.
    beyond : bool
        True if the job may run past the horizon.
    delay_cost_per_h : float
        Cost of every hour the job ends after its earliest possible end [currency/h].
    """

    name: str
    gpus: int
    duration_h: float
    release: datetime
    deadline: datetime
    kind: JobKind = "rigid"
    sites: tuple[str, ...] | None = None
    value: float = 0.0
    mandatory: bool = False
    power_mw: float | None = None
    accelerator_speed: Mapping[str, float] = field(default_factory=dict)
    checkpoint_gb: float = 0.0
    min_gpus: int | None = None
    max_gpus: int | None = None
    speed: tuple[tuple[float, float], ...] = ()
    min_run_h: float = 0.0
    restart_loss_h: float = 0.0
    migratable: bool = False
    running_since: datetime | None = None
    start: datetime | None = None
    site: str | None = None
    beyond: bool = False
    delay_cost_per_h: float = 0.0

    @property
    def required(self) -> bool:
        """True if the job may not be rejected: it is mandatory, pinned, running or has no value to lose."""
        return self.mandatory or self.value <= 0.0 or self.running_since is not None

    @property
    def smallest(self) -> int:
        """Fewest accelerators the job can run on."""
        return self.gpus if self.kind != "elastic" or self.min_gpus is None else self.min_gpus

    @property
    def largest(self) -> int:
        """Most accelerators the job can use."""
        return self.gpus if self.kind != "elastic" or self.max_gpus is None else self.max_gpus

    @property
    def speed_points(self) -> tuple[tuple[float, float], ...]:
        """Points (accelerators, relative speed) from the smallest to the largest size."""
        if self.speed:
            return tuple(sorted(self.speed))
        return ((float(self.smallest), self.smallest / self.gpus), (float(self.largest), self.largest / self.gpus))

    def allows(self, site: str) -> bool:
        """Whether the job may run at ``site``."""
        if self.site is not None:
            return site == self.site
        return self.sites is None or site in self.sites

    def fits(self, fleet: Fleet) -> bool:
        """Whether the fleet is large enough at full availability."""
        return fleet.count >= self.smallest

    def power_on(self, fleet: Fleet) -> float:
        """IT power of one accelerator on ``fleet`` while the job runs [MW]."""
        return fleet.active_power_mw if self.power_mw is None else self.power_mw

    def duration_on(self, fleet: Fleet, timeline: Timeline) -> float:
        """Work left at the start of the horizon, as hours at ``gpus`` accelerators of ``fleet`` [h]."""
        hours = self.duration_h / self.accelerator_speed.get(fleet.accelerator, 1.0)
        if self.running_since is not None:
            hours -= (timeline.start - self.running_since).total_seconds() / 3600.0
        return max(0.0, hours)

    def first_step(self, timeline: Timeline) -> int:
        """First step in which the job may run (release rounded up to a boundary)."""
        return max(0, timeline.ceil(self.release))

    def last_boundary(self, timeline: Timeline) -> int:
        """Boundary by which the job must have ended (deadline rounded down; the horizon unless ``beyond``)."""
        boundary = timeline.floor(self.deadline)
        return boundary if self.beyond else min(boundary, timeline.steps)

    def start_range(self, fleet: Fleet, timeline: Timeline) -> range:
        """Steps in which a rigid run on ``fleet`` may start; empty when the job cannot fit its window.

        Examples
        --------
        >>> from datetime import UTC, datetime
        >>> import numpy as np
        >>> day = Timeline(start=datetime(2022, 7, 4, tzinfo=UTC), step_s=3600, steps=24)
        >>> fleet = Fleet(name="f", accelerator="H100-SXM", count=8, availability=np.ones(24),
        ...               active_power_mw=0.001, idle_power_mw=0.0)
        >>> TrainingJob(name="j", gpus=8, duration_h=2.5, release=datetime(2022, 7, 4, 1, tzinfo=UTC),
        ...             deadline=datetime(2022, 7, 4, 6, tzinfo=UTC)).start_range(fleet, day)
        range(1, 4)
        """
        steps = timeline.steps_for(self.duration_on(fleet, timeline))
        first, last = self.first_step(timeline), self.last_boundary(timeline) - steps
        if self.running_since is not None:
            first, last = 0, min(0, last)
        elif self.start is not None:
            first = max(first, timeline.ceil(self.start))
            last = min(last, first)
        return range(first, min(last, timeline.steps - 1) + 1)


@dataclass(frozen=True, kw_only=True)
class ServingPoint:
    """How one accelerator type serves a model: throughput [token/s] and IT power [MW] per accelerator."""

    throughput_token_s: float
    active_power_mw: float


@dataclass(frozen=True, kw_only=True)
class ServingCurve:
    """IT power of a replica at every load, per accelerator.

    Attributes
    ----------
    accelerators : int
        Accelerators of one replica; replicas are whole.
    rate_token_s : tuple of float
        Rates of one accelerator [token/s], increasing from 0, shape ``(N,)``.
    power_mw : tuple of float
        IT power of one accelerator with its host share at those rates [MW], shape ``(N,)``; the first is that of a
        replica that waits for requests.

    Examples
    --------
    >>> curve = ServingCurve(accelerators=1, rate_token_s=(0.0, 1000.0), power_mw=(2e-4, 6e-4))
    >>> round(float(curve.power_at(250.0)), 6)
    0.0003
    """

    accelerators: int
    rate_token_s: tuple[float, ...]
    power_mw: tuple[float, ...]

    def power_at(self, rate_token_s: float | FloatArray) -> FloatArray:
        """IT power of one accelerator at a rate [MW], linear between the points."""
        return np.asarray(np.interp(rate_token_s, self.rate_token_s, self.power_mw))


@dataclass(frozen=True, kw_only=True, eq=False)
class InferenceService:
    """An inference service whose demand can be routed between sites.

    Attributes
    ----------
    name : str
        Unique in the scenario.
    demand_token_s : mapping of str to FloatArray
        Demand of each region [token/s], each of shape ``(T,)``.
    serving : ServingPoint
        Throughput and power of one accelerator.
    serving_on : mapping of str to ServingPoint
        Exceptions by accelerator name, or by :attr:`Fleet.kind` where fleets of one accelerator differ in power.
    listed_only : bool
        True when only the accelerators of ``serving_on`` can run the model.
    further_on : mapping of str to tuple of ServingPoint
        By the same names: operating points that serve fewer tokens per accelerator with less energy per token.
        A plan may mix them with the first one.
    curves : mapping of str to ServingCurve
        Power over load by the same names. A plan takes straight lines through the points; the simulator follows the
        curve with whole replicas.
    latency_limit_ms : float or None
        Longest network round trip [ms].
    sites : tuple of str or None
        Sites that host the model; None allows all.
    revenue_per_mtoken : float
        Earned per million tokens served [currency/Mtoken].
    unserved_penalty_per_mtoken : float or None
        Price of a million tokens not served [currency/Mtoken]; None forbids it.
    """

    name: str
    demand_token_s: Mapping[str, FloatArray]
    serving: ServingPoint
    serving_on: Mapping[str, ServingPoint] = field(default_factory=dict)
    listed_only: bool = False
    further_on: Mapping[str, tuple[ServingPoint, ...]] = field(default_factory=dict)
    curves: Mapping[str, ServingCurve] = field(default_factory=dict)
    latency_limit_ms: float | None = None
    sites: tuple[str, ...] | None = None
    revenue_per_mtoken: float = 0.0
    unserved_penalty_per_mtoken: float | None = None

    def runs_on(self, fleet: Fleet) -> bool:
        """Whether the accelerators of ``fleet`` can run the model."""
        return not self.listed_only or self._name_of(fleet) in self.serving_on

    def points_on(self, fleet: Fleet) -> tuple[ServingPoint, ...]:
        """Operating points on ``fleet``, shape ``(P,)``, the one with the highest throughput first."""
        name = self._name_of(fleet)
        return (self.serving_on.get(name, self.serving), *self.further_on.get(name, ()))

    def curve_on(self, fleet: Fleet) -> ServingCurve | None:
        """Power over load on ``fleet``; None where accelerators are counted in fractions."""
        return self.curves.get(self._name_of(fleet))

    def _name_of(self, fleet: Fleet) -> str:
        return fleet.kind if fleet.kind in self.serving_on else fleet.accelerator

    def point_on(self, fleet: Fleet, point: int = 0) -> ServingPoint:
        """Throughput and power on ``fleet`` at one of its operating points.

        Raises
        ------
        IndexError
            If there is no such point.
        """
        return self.points_on(fleet)[point]

    def reaches(self, site: str, latency_ms: Mapping[str, float], residency: tuple[str, ...] | None) -> bool:
        """Whether a region with these latencies and residency rule may be served at ``site``."""
        if self.sites is not None and site not in self.sites:
            return False
        if site not in latency_ms or (residency is not None and site not in residency):
            return False
        return self.latency_limit_ms is None or latency_ms[site] <= self.latency_limit_ms
