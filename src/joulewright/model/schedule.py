"""Decisions: what runs where and when, and how every plant and battery runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from joulewright.model.timeline import BoolArray, FloatArray


@dataclass(frozen=True, kw_only=True)
class Segment:
    """An uninterrupted piece of a job: steps ``[first_step, stop_step)`` on one fleet.

    Attributes
    ----------
    site, fleet : str
        Where.
    first_step, stop_step : int
        Half-open range of steps; ``stop_step`` may exceed the horizon for a job that runs beyond it.
    accelerators : float
        Accelerators held during the whole segment (fractional only for elastic jobs).
    last_fraction : float
        Part of the last step, from its start, in which the job still draws power, in (0, 1].
    first_fraction : float
        Part of the first step, up to its end, in which the job runs, in (0, 1]; below 1 only in what was simulated.
    frees_at_end : bool
        True when the accelerators are free as soon as the job ends; a plan holds them to the end of the last step.
    lost_h : float or None
        None when the segment ended in order; else a failure ended it and undid this much of the work done before, as
        hours at the reference size on this fleet [h].

    Notes
    -----
    A segment within one step runs for ``first_fraction + last_fraction - 1`` of it.
    """

    site: str
    fleet: str
    first_step: int
    stop_step: int
    accelerators: float
    last_fraction: float = 1.0
    first_fraction: float = 1.0
    frees_at_end: bool = False
    lost_h: float | None = None


@dataclass(frozen=True, kw_only=True)
class JobSchedule:
    """What happens to one training job; no segments means it is rejected."""

    job: str
    segments: tuple[Segment, ...] = ()

    @property
    def rejected(self) -> bool:
        """True when the job does not run."""
        return not self.segments

    @property
    def start_step(self) -> int:
        """First step of the first segment.

        Raises
        ------
        ValueError
            If the job is rejected.
        """
        if not self.segments:
            raise ValueError(f"job {self.job!r} is rejected and has no start")
        return self.segments[0].first_step

    def shifted(self, steps: int) -> JobSchedule:
        """The same runs on a time grid that begins ``steps`` earlier.

        Examples
        --------
        >>> run = Segment(site="a", fleet="f", first_step=1, stop_step=3, accelerators=8)
        >>> JobSchedule(job="j", segments=(run,)).shifted(10).start_step
        11
        """
        segments = (
            replace(run, first_step=run.first_step + steps, stop_step=run.stop_step + steps) for run in self.segments
        )
        return replace(self, segments=tuple(segments))


@dataclass(frozen=True, kw_only=True, eq=False)
class BatterySchedule:
    """Charge and discharge at the terminals [MW], shape ``(T,)``, and stored energy [MWh], shape ``(T + 1,)``."""

    charge_mw: FloatArray
    discharge_mw: FloatArray
    energy_mwh: FloatArray


@dataclass(frozen=True, kw_only=True, eq=False)
class GeneratorSchedule:
    """Output [MW] and commitment of a generator, both of shape ``(T,)``."""

    output_mw: FloatArray
    on: BoolArray


@dataclass(frozen=True, kw_only=True, eq=False)
class SiteSchedule:
    """Energy decisions at one site; every flow is non-negative [MW], shape ``(T,)``.

    Attributes
    ----------
    grid_import_mw, grid_export_mw, unserved_mw : FloatArray
        Exchange with the grid and facility load not served.
    renewable_used_mw : mapping of str to FloatArray
        Power used from each solar or wind plant; the rest of what is available is curtailed.
    batteries : mapping of str to BatterySchedule
        By battery name.
    generators : mapping of str to GeneratorSchedule
        By generator name.
    """

    grid_import_mw: FloatArray
    grid_export_mw: FloatArray
    unserved_mw: FloatArray
    renewable_used_mw: Mapping[str, FloatArray] = field(default_factory=dict)
    batteries: Mapping[str, BatterySchedule] = field(default_factory=dict)
    generators: Mapping[str, GeneratorSchedule] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Route:
    """Demand of ``region`` served at ``site`` on ``fleet``, at an operating point of the service there."""

    region: str
    site: str
    fleet: str
    point: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class ServiceSchedule:
    """Routing of one inference service.

    Attributes
    ----------
    routes : tuple of Route
        The R routes.
    served_token_s : FloatArray
        Tokens per second on each route, shape ``(R, T)``.
    unserved_token_s : mapping of str to FloatArray
        Demand of each region left unserved [token/s], each of shape ``(T,)``.
    whole_replicas : bool
        True in what was simulated: where the service has a curve, replicas are whole and draw power along it.
        A plan takes fractions of accelerators at full throughput.
    """

    routes: tuple[Route, ...]
    served_token_s: FloatArray
    unserved_token_s: Mapping[str, FloatArray]
    whole_replicas: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Schedule:
    """All decisions for one scenario.

    Attributes
    ----------
    planner : str
        What made it, e.g. ``guided`` or ``baseline:greedy``.
    jobs : mapping of str to JobSchedule
        One entry per training job of the scenario.
    services : mapping of str to ServiceSchedule
        One entry per inference service.
    sites : mapping of str to SiteSchedule
        One entry per site.
    """

    planner: str
    jobs: Mapping[str, JobSchedule]
    services: Mapping[str, ServiceSchedule]
    sites: Mapping[str, SiteSchedule]
