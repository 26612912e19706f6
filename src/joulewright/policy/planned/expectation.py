"""The next hours as a planner wants them: expected series, present states, and soft limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from joulewright.account.coefficients import demand_charge_per_mw
from joulewright.model import (
    Battery,
    CarbonIntensity,
    DemandWindow,
    Fleet,
    Generator,
    GridConnection,
    InferenceService,
    RenewablePlant,
    Scenario,
    Site,
)
from joulewright.model.timeline import FloatArray
from joulewright.model.window import scenario_window
from joulewright.physics.battery import storage_coefficients
from joulewright.policy.observation import Observation, SiteObservation
from joulewright.policy.signals import signal_keys

Signals = Mapping[str, FloatArray]
ReadSignal = Callable[[str, int], FloatArray]

_REFRESH_STEPS = 24
_PAYBACK_H = 4.0
_LEAST_SHORTAGE_PRICE = 1000.0
_SHORTAGE_FACTOR = 10.0


@dataclass(eq=False)
class Occupied:
    """Accelerators held by jobs and the IT power that these draw [MW], by site and fleet, each of shape ``(T,)``."""

    held: dict[tuple[str, str], FloatArray] = field(default_factory=dict)
    power_mw: dict[str, FloatArray] = field(default_factory=dict)

    def add(self, place: tuple[str, str], steps: tuple[int, int, int], amounts: tuple[float, float, float]) -> None:
        """Hold accelerators in a part of the window.

        Parameters
        ----------
        place : (str, str)
            Site and fleet.
        steps : (int, int, int)
            First step, step after the last, and length of the window.
        amounts : (float, float, float)
            Accelerators, power of one of them [MW], and the part of the last step in which they draw it.
        """
        (first, stop, length), (count, power_mw, last) = steps, amounts
        inside = slice(max(0, first), max(0, min(stop, length)))
        held = self.held.setdefault(place, np.zeros(length))
        power = self.power_mw.setdefault(place[0], np.zeros(length))
        held[inside] += count
        power[inside] += count * power_mw
        if 0 < stop <= length:
            power[stop - 1] -= (1.0 - last) * count * power_mw


@dataclass(frozen=True, kw_only=True, eq=False)
class Guidance:
    """What a longer view says about a window.

    Attributes
    ----------
    peak_mw : mapping of str to float
        Import by ``site/window`` that is paid for, or will be [MW].
    carbon_price_per_kg : mapping of str to float
        Worth of carbon budgets by site [currency/kg].
    """

    peak_mw: Mapping[str, float] = field(default_factory=dict)
    carbon_price_per_kg: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, eq=False)
class Window:
    """An expected window: sites and services in file order, and a key that is equal for windows of equal structure."""

    sites: tuple[Site, ...]
    inference: tuple[InferenceService, ...]
    key: tuple[int, tuple[str, ...]]


class Expectation:
    """Puts windows together from the forecast and the present.

    What is no signal (availability, fuel, calendars) is taken from the expected scenario, which is asked for once a
    day, and when an announcement or a failure makes it old. Shortages have a price far above all others, and carbon
    budgets are left to :class:`Guidance`, so a window always has a plan.
    """

    def __init__(self) -> None:
        self._facts: Scenario | None = None
        self._first = 0
        self._notices: tuple[str, ...] = ()
        self._keys: tuple[str, ...] = ()

    def signals(self, observation: Observation, steps: int, read: ReadSignal | None = None) -> dict[str, FloatArray]:
        """Every signal that matters over the next steps, as forecast or as ``read`` gives it."""
        self._fresh(observation, steps)
        read = read or observation.forecast.series
        return {key: read(key, steps) for key in self._keys}

    def window(
        self,
        observation: Observation,
        signals: Signals,
        *,
        steps: int,
        occupied: Occupied | None = None,
        guidance: Guidance | None = None,
    ) -> Window:
        """The window of the next ``steps`` steps with the present states of batteries and generators."""
        known, first = self._fresh(observation, steps)
        part = _Part(
            known, observation, signals, (first, first + steps), occupied or Occupied(), guidance or Guidance()
        )
        sites = tuple(_expected_site(part, site) for site in known.sites)
        names = tuple(
            f"{site.name}/{window.name}"
            for site in sites
            if site.grid is not None
            for window in site.grid.demand_windows
        )
        services = tuple(_expected_service(part, service) for service in known.inference)
        return Window(sites=sites, inference=services, key=(steps, names))

    def scenario(self, observation: Observation, window: Window) -> Scenario:
        """The scenario of a window."""
        steps = window.key[0]
        known, first = self._fresh(observation, steps)
        cut = scenario_window(known, first, first + steps)
        return cut.with_changes(sites=window.sites, inference=window.inference)

    def _fresh(self, observation: Observation, steps: int) -> tuple[Scenario, int]:
        """The known scenario and the present step in it."""
        if self._facts is None or self._is_old(observation, self._facts, steps):
            expected = observation.forecast.window(min(steps + _REFRESH_STEPS, observation.steps_left))
            self._facts = softened(expected)
            self._first, self._notices = observation.step, observation.notices
            left_out = () if _uses_carbon(self._facts) else ("/carbon_kg_per_mwh",)
            self._keys = tuple(key for key in signal_keys(self._facts) if not key.endswith(left_out))
        return self._facts, observation.step - self._first

    def _is_old(self, observation: Observation, known: Scenario, steps: int) -> bool:
        first = observation.step - self._first
        if first < 0 or first + steps > known.timeline.steps or observation.notices != self._notices:
            return True
        return any(_differs(observation.sites[site.name], site, first) for site in known.sites)


def _differs(observed: SiteObservation, site: Site, step: int) -> bool:
    """Whether generators or accelerators fail, or are back, otherwise than expected."""
    units = ((unit.name, unit.capacity_mw * unit.availability[step]) for unit in site.generators)
    fleets = ((fleet.name, fleet.count * fleet.availability[step]) for fleet in site.fleets)
    return any(abs(observed.usable_mw.get(name, usable) - usable) > 1e-9 for name, usable in units) or any(
        abs(observed.available_accelerators.get(name, count) - count) > 1e-9 for name, count in fleets
    )


def _uses_carbon(scenario: Scenario) -> bool:
    budgets = [scenario.carbon.budget_kg, *(site.carbon_budget_kg for site in scenario.sites)]
    return scenario.carbon.price_per_t != 0.0 or any(budget is not None for budget in budgets)


def softened(scenario: Scenario) -> Scenario:
    """The scenario with a price on every shortage, in power, demand and carbon, where none is given.

    The price is ten times the highest price of energy, and at least 1,000 per MWh. Shedding load never pays to keep a
    peak down either: the demand charge of a MW for a step comes on top.
    """
    prices, peaks = [0.0], [0.0]
    for site in scenario.sites:
        prices += [float(unit.fuel_cost_per_mwh.max()) for unit in site.generators]
        if site.grid is not None:
            prices.append(float(np.abs(site.grid.import_price_per_mwh).max()))
            peaks.append(sum(demand_charge_per_mw(window) for window in site.grid.demand_windows))
    price = max(_LEAST_SHORTAGE_PRICE, _SHORTAGE_FACTOR * max(prices)) + max(peaks) / scenario.timeline.step_h
    sites = tuple(
        replace(site, unserved_power_penalty_per_mwh=site.unserved_power_penalty_per_mwh or price)
        for site in scenario.sites
    )
    services = tuple(
        replace(service, unserved_penalty_per_mtoken=_demand_price(service, price)) for service in scenario.inference
    )
    carbon = scenario.carbon
    if carbon.excess_price_per_t is None:
        carbon = replace(carbon, excess_price_per_t=price)
    return scenario.with_changes(sites=sites, inference=services, carbon=carbon, events=())


def _demand_price(service: InferenceService, price_per_mwh: float) -> float:
    """The given penalty, or what the energy of a million tokens would cost at the price of shortage, twice over."""
    if service.unserved_penalty_per_mtoken is not None:
        return service.unserved_penalty_per_mtoken
    point = service.serving
    return 2.0 * price_per_mwh * point.active_power_mw / point.throughput_token_s * 1e6 / 3600.0


@dataclass(frozen=True, eq=False)
class _Part:
    """What the parts of a window are made from; ``span`` are its steps in the known scenario."""

    known: Scenario
    observation: Observation
    signals: Signals
    span: tuple[int, int]
    occupied: Occupied
    guidance: Guidance

    def series(self, key: str, otherwise: FloatArray) -> FloatArray:
        """A signal, or a part of a known series."""
        found = self.signals.get(key)
        return otherwise[slice(*self.span)] if found is None else found

    @property
    def ends(self) -> bool:
        """Whether the window reaches the end of the horizon."""
        return self.span[1] - self.span[0] >= self.observation.steps_left


def _expected_site(part: _Part, site: Site) -> Site:
    observed, name = part.observation.sites[site.name], site.name
    steps = slice(*part.span)
    price = part.guidance.carbon_price_per_kg.get(name, 0.0)
    grid = None if site.grid is None else _expected_grid(part, site, site.grid, price)
    fixed = part.series(f"{name}/fixed_it_power_mw", site.fixed_it_power_mw)
    if name in part.occupied.power_mw:
        fixed = fixed + part.occupied.power_mw[name]
    plants = tuple(_expected_plant(part, name, plant) for plant in site.renewables)
    return replace(
        site,
        pue=part.series(f"{name}/pue", site.pue),
        fixed_it_power_mw=fixed,
        fixed_facility_power_mw=part.series(f"{name}/fixed_facility_power_mw", site.fixed_facility_power_mw),
        grid=grid,
        renewables=plants,
        batteries=tuple(_expected_battery(part, observed, battery, grid) for battery in site.batteries),
        generators=tuple(_expected_generator(part, observed, unit, price) for unit in site.generators),
        fleets=tuple(_expected_fleet(part, name, fleet) for fleet in site.fleets),
        it_limit_mw=None if site.it_limit_mw is None else site.it_limit_mw[steps],
        temperature_c=None,
        carbon_budget_kg=None,
    )


def _expected_plant(part: _Part, site: str, plant: RenewablePlant) -> RenewablePlant:
    return replace(plant, per_unit=part.series(f"{site}/{plant.name}/per_unit", plant.per_unit))


def _expected_grid(part: _Part, site: Site, grid: GridConnection, carbon_price: float) -> GridConnection:
    name = site.name
    bought = part.series(f"{name}/import_price_per_mwh", grid.import_price_per_mwh)
    series = part.known.deciding_intensity(site)
    intensities: tuple[CarbonIntensity, ...] = ()
    if series is not None:
        kg = part.series(f"{name}/carbon_kg_per_mwh", series.kg_per_mwh)
        intensities = (replace(series, kg_per_mwh=kg),)
        if carbon_price:
            bought = bought + carbon_price * kg
    windows = (_expected_window(part, name, window) for window in grid.demand_windows)
    return GridConnection(
        import_limit_mw=part.series(f"{name}/import_limit_mw", grid.import_limit_mw),
        export_limit_mw=part.series(f"{name}/export_limit_mw", grid.export_limit_mw),
        import_price_per_mwh=bought,
        export_price_per_mwh=part.series(f"{name}/export_price_per_mwh", grid.export_price_per_mwh),
        demand_windows=tuple(window for window in windows if window is not None),
        carbon_intensities=intensities,
        ramp_mw_per_h=grid.ramp_mw_per_h,
    )


def _expected_window(part: _Part, site: str, window: DemandWindow) -> DemandWindow | None:
    members = window.members[slice(*part.span)]
    if not members.any() or demand_charge_per_mw(window) == 0.0:
        return None
    key = f"{site}/{window.name}"
    paid = part.observation.sites[site].peak_mw.get(window.name, 0.0)
    paid = max(window.peak_so_far_mw, paid, part.guidance.peak_mw.get(key, 0.0))
    return replace(window, members=members, peak_so_far_mw=paid)


def _expected_battery(part: _Part, observed: SiteObservation, battery: Battery, grid: GridConnection | None) -> Battery:
    stored = observed.energy_mwh.get(battery.name, battery.initial_energy_mwh)
    stored = min(battery.energy_mwh, max(battery.min_energy_mwh, stored))
    if part.ends:
        reachable = _reachable_mwh(battery, stored, part)
        least = min(battery.least_final_energy_mwh, reachable)
        return replace(battery, initial_energy_mwh=stored, terminal_energy_mwh=least)
    return replace(
        battery,
        initial_energy_mwh=stored,
        terminal_value_per_mwh=_stored_value(battery, grid),
        terminal_energy_mwh=battery.min_energy_mwh,
    )


def _reachable_mwh(battery: Battery, stored_mwh: float, part: _Part) -> float:
    """Stored energy at the end of the window with charging all the way, a little below [MWh]."""
    steps, step_h = part.span[1] - part.span[0], part.observation.step_h
    retention, effective_h = storage_coefficients(step_h, battery.self_discharge_per_h)
    gain = effective_h * battery.charge_efficiency * battery.charge_limit_mw
    for _ in range(steps if stored_mwh < battery.least_final_energy_mwh else 0):
        stored_mwh = min(battery.energy_mwh, retention * stored_mwh + gain)
    return stored_mwh * (1.0 - 1e-9)


def _stored_value(battery: Battery, grid: GridConnection | None) -> float:
    """Worth of energy left at the end of a window at the mean price of import [currency/MWh].

    The mean of what it saves when it is used and what it costs to replace: between the two it pays to keep it. Off the
    grid it has no worth: what a window's end leaves is then whatever renewables could not be used for.
    """
    if grid is None:
        return 0.0
    factor = (battery.discharge_efficiency + 1.0 / battery.charge_efficiency) / 2.0
    return max(0.0, factor * float(grid.import_price_per_mwh.mean()) - battery.wear_cost_per_mwh / 2.0)


def _expected_generator(part: _Part, observed: SiteObservation, unit: Generator, carbon_price: float) -> Generator:
    steps, state = slice(*part.span), observed.generators.get(unit.name)
    per_mwh = carbon_price * unit.emission_kg_per_mwh
    if state is not None and not state.on:
        # The relaxation knows no starts: a run must earn its start within a few hours at full output.
        start = unit.start_cost + carbon_price * unit.start_emission_kg
        per_mwh += start / (unit.capacity_mw * max(unit.min_up_h, _PAYBACK_H))
    changed = replace(
        unit,
        availability=unit.availability[steps],
        fuel_cost_per_mwh=unit.fuel_cost_per_mwh[steps] + per_mwh,
        no_load_cost_per_h=unit.no_load_cost_per_h + carbon_price * unit.no_load_emission_kg_per_h,
    )
    if state is None:
        return changed
    return replace(changed, initially_on=state.on, initial_hours=state.hours, initial_output_mw=state.output_mw)


def _expected_fleet(part: _Part, site: str, fleet: Fleet) -> Fleet:
    available = fleet.availability[slice(*part.span)]
    held = part.occupied.held.get((site, fleet.name))
    if held is not None:
        available = np.maximum(0.0, available - held / fleet.count)
    return replace(fleet, availability=available)


def _expected_service(part: _Part, service: InferenceService) -> InferenceService:
    demand = {
        region: part.series(f"{service.name}/{region}/demand_token_s", series)
        for region, series in service.demand_token_s.items()
    }
    return replace(service, demand_token_s=demand)
