"""What is the case in a step, and what of it a policy is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from joulewright.account.coefficients import grid_coefficients
from joulewright.model import DemandWindow, Event, Scenario, Site, scenario_window
from joulewright.model.disturbance import event_steps
from joulewright.model.timeline import BoolArray, FloatArray
from joulewright.policy.forecast.base import AbstractForecastSource
from joulewright.policy.forecast.telemetry import last_known, stale_steps
from joulewright.policy.observation import AbstractForecast, JobObservation, Observation, SiteObservation
from joulewright.policy.signals import replace_signals, signal_series
from joulewright.sim.plant import PlantState

BLOCK_STEPS = 4096
"""Steps whose series are held as plain numbers at a time."""

Columns = Callable[[Scenario], Sequence[FloatArray | BoolArray]]

_SCALARS = 11
_GRID = ("import_limit_mw", "export_limit_mw", "import_price_per_mwh", "export_price_per_mwh")


@dataclass(kw_only=True, slots=True)
class Present:
    """Signals of one site in one step; mappings are by plant, generator and fleet in file order.

    Attributes
    ----------
    import_limit_mw, export_limit_mw, import_price_per_mwh, export_price_per_mwh, carbon_kg_per_mwh, pue : float
        As in :class:`SiteObservation`.
    fixed_it_power_mw, fixed_facility_power_mw, it_limit_mw : float
        Load outside the decisions, and the limit of IT power [MW].
    import_carbon_kg, export_credit_kg : float
        Carbon of one MW exchanged during the step [kg/MW].
    windows : list of int
        Positions of the demand windows that the step belongs to.
    renewable_mw, usable_mw, fuel_cost_per_mwh, available_accelerators : mapping of str to float
        Available power of plants [MW], usable power [MW] and fuel cost [currency/MWh] of generators, accelerators.
    """

    import_limit_mw: float
    export_limit_mw: float
    import_price_per_mwh: float
    export_price_per_mwh: float
    carbon_kg_per_mwh: float
    import_carbon_kg: float
    export_credit_kg: float
    pue: float
    fixed_it_power_mw: float
    fixed_facility_power_mw: float
    it_limit_mw: float
    windows: list[int]
    renewable_mw: dict[str, float]
    usable_mw: dict[str, float]
    fuel_cost_per_mwh: dict[str, float]
    available_accelerators: dict[str, float]


class Rows:
    """Series as plain numbers, made a block of steps at a time so that memory does not grow with the horizon.

    Parameters
    ----------
    scenario : Scenario
        Whose series.
    columns : callable
        From a scenario the arrays that are wanted of it, each of shape ``(T,)``.
    """

    def __init__(self, scenario: Scenario, columns: Columns) -> None:
        self._scenario, self._columns = scenario.with_changes(training=()), columns
        self._rows: list[list[float]] = []
        self._first = 0

    def at(self, step: int) -> list[float]:
        """Values of all series in a step."""
        if not self._first <= step < self._first + len(self._rows):
            self._first, stop = step, min(step + BLOCK_STEPS, self._scenario.timeline.steps)
            columns = self._columns(scenario_window(self._scenario, step, stop))
            self._rows = np.array(columns).T.tolist() if columns else [[] for _ in range(stop - step)]
        return self._rows[step - self._first]


class SiteSignals:
    """Series of one site.

    Parameters
    ----------
    scenario : Scenario
        The facts as they turn out.
    position : int
        Which of its sites.
    """

    def __init__(self, scenario: Scenario, position: int) -> None:
        self.site = site = scenario.sites[position]
        self._rows = Rows(scenario, lambda window: _site_columns(window, window.sites[position]))
        self._names = (
            tuple(plant.name for plant in site.renewables),
            tuple(generator.name for generator in site.generators),
            tuple(generator.name for generator in site.generators),
            tuple(fleet.name for fleet in site.fleets),
        )

    def at(self, step: int) -> Present:
        """Signals of a step."""
        row = self._rows.at(step)
        edge, blocks = _SCALARS, []
        for names in self._names:
            blocks.append(dict(zip(names, row[edge : edge + len(names)], strict=True)))
            edge += len(names)
        renewable, usable, fuel, available = blocks
        return Present(
            import_limit_mw=row[0],
            export_limit_mw=row[1],
            import_price_per_mwh=row[2],
            export_price_per_mwh=row[3],
            carbon_kg_per_mwh=row[4],
            import_carbon_kg=row[5],
            export_credit_kg=row[6],
            pue=row[7],
            fixed_it_power_mw=row[8],
            fixed_facility_power_mw=row[9],
            it_limit_mw=row[10],
            windows=[position for position, member in enumerate(row[edge:]) if member],
            renewable_mw=renewable,
            usable_mw=usable,
            fuel_cost_per_mwh=fuel,
            available_accelerators=available,
        )

    def initial_peaks_mw(self) -> list[float]:
        """Peak of every demand window before the horizon [MW]."""
        return [window.peak_so_far_mw for window in _windows(self.site)]


def _site_columns(scenario: Scenario, site: Site) -> list[FloatArray | BoolArray]:
    """Series in the order in which :meth:`SiteSignals.at` reads them, each of shape ``(T,)``."""
    zero = np.zeros(scenario.timeline.steps)
    columns: list[FloatArray | BoolArray] = [zero if site.grid is None else getattr(site.grid, name) for name in _GRID]
    intensity, unit = scenario.deciding_intensity(site), grid_coefficients(scenario, site)
    columns += [zero if intensity is None else intensity.kg_per_mwh]
    columns += [zero, zero] if unit is None else [unit.import_carbon_kg, unit.export_credit_kg]
    columns += [site.pue, site.fixed_it_power_mw, site.fixed_facility_power_mw]
    columns += [np.full(zero.size, np.inf) if site.it_limit_mw is None else site.it_limit_mw]
    columns += [plant.available_mw for plant in site.renewables]
    columns += [generator.capacity_mw * generator.availability for generator in site.generators]
    columns += [generator.fuel_cost_per_mwh for generator in site.generators]
    columns += [fleet.available for fleet in site.fleets]
    return [*columns, *(window.members for window in _windows(site))]


def _windows(site: Site) -> tuple[DemandWindow, ...]:
    return () if site.grid is None else site.grid.demand_windows


def first_step(scenario: Scenario) -> Scenario:
    """What a policy may know of a scenario before the first step: its plant and the jobs that are released by then."""
    cut = scenario_window(scenario, 0, 1)
    known = tuple(job for job in scenario.training if job.release <= scenario.timeline.start)
    return cut.with_changes(training=known, events=(), chances=(), diagnostics=(), provenance={})


def demand_rows(scenario: Scenario) -> Rows:
    """Demand of every service and region, in file order [token/s]."""
    return Rows(
        scenario,
        lambda window: [series for service in window.inference for series in service.demand_token_s.values()],
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Glance:
    """What is seen of a step: signals by site in file order, demand, and the rest as in :class:`Observation`."""

    step: int
    sites: Sequence[Present]
    demand_token_s: Mapping[str, Mapping[str, float]]
    forecast: AbstractForecast
    notices: tuple[str, ...]
    stale: frozenset[str]


@dataclass(kw_only=True, slots=True)
class SiteView:
    """What a site contributes to an observation besides its signals.

    Attributes
    ----------
    plant : PlantState
        Batteries and generators.
    peaks_mw : list of float
        Highest mean import so far by demand window [MW].
    free : mapping of str to float
        Free accelerators by fleet.
    load_mw, critical_mw : float
        Facility load, and the part that must not be shed [MW].
    """

    plant: PlantState
    peaks_mw: list[float]
    free: Mapping[str, float]
    load_mw: float
    critical_mw: float


class Observer:
    """Tells a policy the present, through telemetry that may have gaps.

    Parameters
    ----------
    truth : Scenario
        The facts as they turn out.
    known : Scenario
        The scenario cut to its first step; see :func:`first_step`.
    events : sequence of Event
        Announced as their notice says.
    forecasts : ForecastSource
        Issues a forecast in every step.
    """

    def __init__(
        self, truth: Scenario, known: Scenario, events: Sequence[Event], forecasts: AbstractForecastSource
    ) -> None:
        self._timeline = truth.timeline
        stale = stale_steps(truth, events)
        series = signal_series(truth) if stale else {}
        shown = {key: last_known(series[key], hidden) for key, hidden in stale.items()}
        seen = replace_signals(truth, shown) if shown else truth
        self._shown = [SiteSignals(seen, position) for position in range(len(seen.sites))] if shown else None
        self._demand = demand_rows(seen)
        self._demands = [(service.name, tuple(service.demand_token_s)) for service in seen.inference]
        self._stale = stale
        self._sites = known.sites
        self._batteries = [tuple(battery.name for battery in site.batteries) for site in known.sites]
        self._generators = [tuple(generator.name for generator in site.generators) for site in known.sites]
        self._windows = [tuple(window.name for window in _windows(site)) for site in known.sites]
        self._forecasts = forecasts
        self._notices = [(*_known_h(truth, event), announcement(event)) for event in events]

    def look(self, step: int, truth: Sequence[Present]) -> Glance:
        """What is seen of a step whose true signals are ``truth``, and the forecast made in it."""
        hours = step * self._timeline.step_h
        rates = iter(self._demand.at(step))
        return Glance(
            step=step,
            sites=truth if self._shown is None else [signals.at(step) for signals in self._shown],
            demand_token_s={name: {region: next(rates) for region in regions} for name, regions in self._demands},
            forecast=self._forecasts.issue(step),
            notices=tuple(text for known_h, end_h, text in self._notices if known_h <= hours < end_h),
            stale=frozenset(key for key, hidden in self._stale.items() if hidden[step]),
        )

    def observation(
        self,
        glance: Glance,
        time: datetime,
        views: Sequence[SiteView],
        jobs: Mapping[str, JobObservation],
        carbon_kg: Mapping[str, float],
    ) -> Observation:
        """The observation of this moment in the step that was looked at."""
        sites = [self._site(position, glance, view) for position, view in enumerate(views)]
        return Observation(
            step=glance.step,
            time=time,
            step_h=self._timeline.step_h,
            steps_left=self._timeline.steps - glance.step,
            sites={entry.site.name: entry for entry in sites},
            jobs=jobs,
            demand_token_s=glance.demand_token_s,
            forecast=glance.forecast,
            carbon_kg=carbon_kg,
            notices=glance.notices,
            stale=glance.stale,
        )

    def _site(self, position: int, glance: Glance, view: SiteView) -> SiteObservation:
        seen, names = glance.sites[position], self._windows[position]
        return SiteObservation(
            site=self._sites[position],
            import_limit_mw=seen.import_limit_mw,
            export_limit_mw=seen.export_limit_mw,
            import_price_per_mwh=seen.import_price_per_mwh,
            export_price_per_mwh=seen.export_price_per_mwh,
            carbon_kg_per_mwh=seen.carbon_kg_per_mwh,
            renewable_mw=seen.renewable_mw,
            pue=seen.pue,
            energy_mwh=dict(zip(self._batteries[position], view.plant.energy_mwh, strict=True)),
            generators=dict(zip(self._generators[position], view.plant.generators, strict=True)),
            usable_mw=seen.usable_mw,
            fuel_cost_per_mwh=seen.fuel_cost_per_mwh,
            free_accelerators=view.free,
            available_accelerators=seen.available_accelerators,
            peak_mw={names[window]: view.peaks_mw[window] for window in seen.windows},
            load_mw=view.load_mw,
            critical_mw=view.critical_mw,
        )


def announcement(event: Event) -> str:
    """An event in plain words.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> announcement(Event(kind="demand-response", site="texas", limit_mw=5.0,
    ...                    start=datetime(2022, 7, 5, 17, tzinfo=UTC), end=datetime(2022, 7, 5, 20, tzinfo=UTC)))
    'demand-response at texas from 2022-07-05T17:00Z to 2022-07-05T20:00Z: import at most 5 MW'
    """
    where = event.site if event.component is None else f"{event.site}/{event.component}"
    start, end = (f"{instant.astimezone(UTC):%Y-%m-%dT%H:%MZ}" for instant in (event.start, event.end))
    terms = "" if event.limit_mw is None else f": import at most {event.limit_mw:g} MW"
    price = "" if event.price_per_mwh is None else f": {event.price_per_mwh:g} per MWh"
    return f"{event.kind} at {where} from {start} to {end}{terms}{price}"


def _known_h(scenario: Scenario, event: Event) -> tuple[float, float]:
    """From when an event is known, and when it is over [h after the start of the horizon]."""
    first, stop = event_steps(scenario.timeline, event)
    notice_h = (event.start - scenario.timeline.start).total_seconds() / 3600.0 - event.notice_h
    return min(notice_h, first * scenario.timeline.step_h), stop * scenario.timeline.step_h
