"""What a policy is told: the present, the past and a forecast, never the future itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from joulewright.model import Generator, Scenario, Site, TrainingJob
from joulewright.model.timeline import FloatArray
from joulewright.physics.generator import OutputRange, output_range

JobStatus = Literal["waiting", "running", "paused", "moving"]


class AbstractForecast(Protocol):
    """What is expected from the present step on.

    Signals have the keys that :func:`joulewright.policy.signals.signal_keys` lists, e.g.
    ``california/import_price_per_mwh`` or ``chat/us-west/demand_token_s``.
    """

    def series(self, key: str, steps: int) -> FloatArray:
        """Expected values of a signal, shape ``(steps,)``; the first is the present, which is known."""

    def window(self, steps: int) -> Scenario:
        """The scenario that is expected for the next steps, cut at the end of the horizon; without training jobs."""

    def members(self, key: str, steps: int, count: int) -> FloatArray:
        """An ensemble of equally likely futures, shape ``(count, steps)``, consistent between signals."""


@dataclass(frozen=True, kw_only=True)
class GeneratorState:
    """Running state of a generator: on or off, for how long [h], and its output [MW]."""

    on: bool
    hours: float
    output_mw: float

    def output_range(self, generator: Generator, *, usable_mw: float, step_h: float) -> OutputRange:
        """What the generator can do in the next step, see :func:`joulewright.physics.generator.output_range`."""
        return output_range(
            generator, on=self.on, hours=self.hours, output_mw=self.output_mw, usable_mw=usable_mw, step_h=step_h
        )


@dataclass(frozen=True, kw_only=True)
class SiteObservation:
    """One site at the start of a step.

    Attributes
    ----------
    site : Site
        Its parameters; series hold the first step of the horizon only and must not be read as the present.
    import_limit_mw, export_limit_mw : float
        Limits of the grid connection now [MW]; zero while islanded or without a grid.
    import_price_per_mwh, export_price_per_mwh : float
        Prices now [currency/MWh].
    carbon_kg_per_mwh : float
        Deciding carbon intensity of the grid now [kg/MWh]; zero without a series.
    renewable_mw : mapping of str to float
        Power each plant could deliver now [MW].
    pue : float
        Facility power per IT power now.
    energy_mwh : mapping of str to float
        Stored energy by battery [MWh].
    generators : mapping of str to GeneratorState
        By generator name; ``usable_mw`` says what each may deliver now.
    usable_mw : mapping of str to float
        Rated power times availability of each generator [MW].
    fuel_cost_per_mwh : mapping of str to float
        Fuel and variable cost of each generator now [currency/MWh]; an unlisted one costs what it does in ``site``.
    free_accelerators : mapping of str to float
        Accelerators that neither train nor are reserved, by fleet.
    available_accelerators : mapping of str to float
        Accelerators that work, by fleet.
    peak_mw : mapping of str to float
        Highest mean import so far by demand window that this step belongs to [MW].
    load_mw : float
        Mean facility load of this step [MW]; in ``work`` the load of the work that already runs.
    critical_mw : float
        Load that must not be shed: fixed power and running services [MW].
    """

    site: Site
    import_limit_mw: float
    export_limit_mw: float
    import_price_per_mwh: float
    export_price_per_mwh: float
    carbon_kg_per_mwh: float
    renewable_mw: Mapping[str, float] = field(default_factory=dict)
    pue: float = 1.0
    energy_mwh: Mapping[str, float] = field(default_factory=dict)
    generators: Mapping[str, GeneratorState] = field(default_factory=dict)
    usable_mw: Mapping[str, float] = field(default_factory=dict)
    fuel_cost_per_mwh: Mapping[str, float] = field(default_factory=dict)
    free_accelerators: Mapping[str, float] = field(default_factory=dict)
    available_accelerators: Mapping[str, float] = field(default_factory=dict)
    peak_mw: Mapping[str, float] = field(default_factory=dict)
    load_mw: float = 0.0
    critical_mw: float = 0.0


@dataclass(frozen=True, kw_only=True)
class JobObservation:
    """A released training job that has not ended.

    Attributes
    ----------
    job : TrainingJob
        Its parameters.
    status : {"waiting", "running", "paused", "moving"}
        ``moving`` means its checkpoint is on its way.
    remaining_h : float
        Work left, as hours at ``job.gpus`` accelerators of relative speed 1, restart losses included [h].
    site, fleet : str or None
        Where it runs or last ran.
    accelerators : float
        Accelerators it holds now.
    status_h : float
        How long the status has lasted [h].
    """

    job: TrainingJob
    status: JobStatus
    remaining_h: float
    site: str | None = None
    fleet: str | None = None
    accelerators: float = 0.0
    status_h: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Observation:
    """All that is known at the start of a step, or at an event within it.

    Attributes
    ----------
    step : int
        Index of the step.
    time : datetime
        Now (UTC); later than the start of the step at an event within it.
    step_h : float
        Length of a step [h].
    steps_left : int
        Steps to the end of the horizon, this one included.
    sites : mapping of str to SiteObservation
        By site name, in file order.
    jobs : mapping of str to JobObservation
        Released and unfinished jobs by name, in order of release.
    demand_token_s : mapping of str to mapping of str to float
        Demand by service and region now [token/s].
    carbon_kg : mapping of str to float
        Operational carbon so far by site and ``system`` [kg].
    notices : tuple of str
        Announced events in plain words, e.g. a demand-response call with its start.
    stale : frozenset of str
        Signals whose value is the last one known because telemetry has a gap.
    forecast : AbstractForecast
        What is expected.
    """

    step: int
    time: datetime
    step_h: float
    steps_left: int
    sites: Mapping[str, SiteObservation]
    jobs: Mapping[str, JobObservation]
    demand_token_s: Mapping[str, Mapping[str, float]]
    forecast: AbstractForecast
    carbon_kg: Mapping[str, float] = field(default_factory=dict)
    notices: tuple[str, ...] = ()
    stale: frozenset[str] = frozenset()
