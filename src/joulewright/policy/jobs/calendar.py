"""What is expected to be free at every fleet in the coming steps, and what running there costs.

Rigid jobs that run are booked first, then inference demand at its nearest sites: training leaves free what serving is
expected to need. What is left is given to training jobs one after the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from joulewright.model import Scenario, Site, TrainingJob
from joulewright.model.timeline import BoolArray, FloatArray
from joulewright.policy.dispatch.machine import marginal_cost
from joulewright.policy.observation import AbstractForecast, JobObservation, Observation, SiteObservation
from joulewright.policy.routing.waterfill import Place, Room, latency_preference, waterfill

_TOLERANCE = 1e-6


@dataclass(frozen=True, kw_only=True)
class Objective:
    """What running a job costs: money times ``money`` plus carbon times ``carbon_per_kg``."""

    money: float = 1.0
    carbon_per_kg: float = 0.0


@dataclass(eq=False, kw_only=True)
class SiteOutlook:
    """Expected conditions of a site; every array has shape ``(H,)``.

    Attributes
    ----------
    pue : FloatArray
        Facility power per IT power.
    renewable_mw, import_mw : FloatArray
        Power of plants and limit of the grid [MW].
    import_price, export_price, generator_price : FloatArray or float
        Money for a MWh of each source [currency/MWh]; own surplus costs what it would earn.
    import_kg, generator_kg : FloatArray or float
        Carbon of a MWh [kg/MWh].
    limit_mw : FloatArray
        Largest load that can be carried [MW].
    load_mw : FloatArray
        Load booked so far [MW].
    """

    pue: FloatArray
    renewable_mw: FloatArray
    import_mw: FloatArray
    import_price: FloatArray
    export_price: FloatArray
    generator_price: float
    import_kg: FloatArray
    generator_kg: float
    limit_mw: FloatArray
    load_mw: FloatArray

    def running_cost(self, extra_mw: FloatArray, objective: Objective) -> FloatArray:
        """Cost per hour of ``extra_mw`` on top of the load: from surplus, then the grid, then generators."""
        tiers = (
            (self.renewable_mw, objective.money * np.maximum(self.export_price, 0.0)),
            (self.import_mw, objective.money * self.import_price + objective.carbon_per_kg * self.import_kg),
            (
                np.full(self.pue.size, np.inf),
                np.full(
                    self.pue.size, objective.money * self.generator_price + objective.carbon_per_kg * self.generator_kg
                ),
            ),
        )
        total, low = np.zeros(self.pue.size), np.zeros(self.pue.size)
        for width, price in tiers:
            high = low + width
            begin, end = (np.clip(load, low, high) for load in (self.load_mw, self.load_mw + extra_mw))
            total += (end - begin) * price
            low = high
        return total


class Calendar:
    """Free accelerators and power of the next ``steps`` steps; booking lowers them.

    Parameters
    ----------
    scenario : Scenario
        Parameters of the plant.
    observation : Observation
        The present, the jobs and the forecast.
    steps : int
        How far to look.
    """

    def __init__(self, scenario: Scenario, observation: Observation, steps: int) -> None:
        self.steps = steps
        self.step_h = observation.step_h
        self.sites = {
            site.name: _outlook(scenario, observation, site, steps)
            for site in scenario.sites
            if site.name in observation.sites
        }
        self.free: dict[Place, FloatArray] = {
            (name, fleet): np.full(steps, float(count))
            for name, site in observation.sites.items()
            for fleet, count in site.available_accelerators.items()
        }
        for item in observation.jobs.values():
            if item.status == "moving" or (item.status == "running" and item.job.kind == "rigid"):
                self._hold(scenario, item)
        self._serve(scenario, observation.forecast)
        self._limit_now(observation)

    def extra_mw(self, place: Place, job: TrainingJob, scenario: Scenario) -> FloatArray:
        """Facility power of one accelerator that runs the job beyond its idle power [MW], shape ``(H,)``."""
        fleet = scenario.site(place[0]).fleet(place[1])
        return self.sites[place[0]].pue * max(0.0, job.power_on(fleet) - fleet.idle_power_mw)

    def most(self, place: Place, each_mw: FloatArray) -> FloatArray:
        """Accelerators that still fit, at so much power each [MW], shape ``(H,)``."""
        site = self.sites[place[0]]
        spare = np.maximum(site.limit_mw - site.load_mw, 0.0)
        powered = np.divide(spare, each_mw, out=np.full(self.steps, np.inf), where=each_mw > 0.0)
        found: FloatArray = np.maximum(np.minimum(self.free[place], powered), 0.0)
        return found

    def fits(self, place: Place, each_mw: FloatArray, accelerators: float) -> BoolArray:
        """Whether so many accelerators fit, shape ``(H,)``."""
        enough: BoolArray = self.most(place, each_mw) >= accelerators * (1.0 - _TOLERANCE)
        return enough

    def book(self, place: Place, each_mw: FloatArray, accelerators: FloatArray) -> None:
        """Take accelerators, shape ``(H,)``, and their power."""
        self.free[place] = self.free[place] - accelerators
        self.sites[place[0]].load_mw = self.sites[place[0]].load_mw + accelerators * each_mw

    def _hold(self, scenario: Scenario, item: JobObservation) -> None:
        if item.site is None or item.fleet is None or (item.site, item.fleet) not in self.free:
            return
        place = (item.site, item.fleet)
        fleet = scenario.site(item.site).fleet(item.fleet)
        hours = item.remaining_h / item.job.accelerator_speed.get(fleet.accelerator, 1.0)
        held = item.accelerators if item.status == "running" else float(item.job.smallest)
        until = np.arange(self.steps) * self.step_h < hours - _TOLERANCE
        self.book(place, self.extra_mw(place, item.job, scenario), held * until.astype(np.float64))

    def _limit_now(self, observation: Observation) -> None:
        """Within a step routes stay: what they reserve now cannot be taken."""
        free = {
            (name, fleet): count
            for name, site in observation.sites.items()
            for fleet, count in site.free_accelerators.items()
        }
        for item in observation.jobs.values():
            place = (item.site or "", item.fleet or "")
            if item.status == "running" and item.job.kind != "rigid" and place in free:
                free[place] += item.accelerators
        for place, count in free.items():
            if place in self.free:
                self.free[place][0] = min(self.free[place][0], count)

    def _serve(self, scenario: Scenario, forecast: AbstractForecast) -> None:
        demand = {
            service.name: {
                region: forecast.series(f"{service.name}/{region}/demand_token_s", self.steps)
                for region in service.demand_token_s
            }
            for service in scenario.inference
        }
        if not demand:
            return
        room = Room(accelerators={place: np.maximum(free, 0.0) for place, free in self.free.items()})
        for name, routes in waterfill(scenario, demand, room, latency_preference(scenario)).items():
            service = next(item for item in scenario.inference if item.name == name)
            for route, rate in routes.items():
                fleet = scenario.site(route.site).fleet(route.fleet)
                point = service.point_on(fleet)
                each = self.sites[route.site].pue * max(0.0, point.active_power_mw - fleet.idle_power_mw)
                self.book((route.site, route.fleet), each, rate / point.throughput_token_s)


def _outlook(scenario: Scenario, observation: Observation, site: Site, steps: int) -> SiteOutlook:
    now = observation.sites[site.name]
    expected = _Expected(observation.forecast, site.name, steps)
    pue = expected("pue")
    renewable = np.zeros(steps)
    for plant in site.renewables:
        renewable = renewable + plant.capacity_mw * expected(f"{plant.name}/per_unit")
    grid, carbon = site.grid is not None, scenario.deciding_intensity(site) is not None
    imported = expected("import_limit_mw", grid)
    generator_mw, generator_price, generator_kg = _generators(now)
    idle = sum(count * site.fleet(fleet).idle_power_mw for fleet, count in now.available_accelerators.items())
    fixed = expected("fixed_facility_power_mw")
    limit = renewable + imported + generator_mw
    if site.it_limit_mw is not None:
        limit = np.minimum(limit, pue * site.it_limit_mw[0] + fixed)
    return SiteOutlook(
        pue=pue,
        renewable_mw=renewable,
        import_mw=imported,
        import_price=expected("import_price_per_mwh", grid),
        export_price=expected("export_price_per_mwh", grid and now.export_limit_mw > 0.0),
        generator_price=generator_price,
        import_kg=expected("carbon_kg_per_mwh", carbon),
        generator_kg=generator_kg,
        limit_mw=limit,
        load_mw=pue * (expected("fixed_it_power_mw") + idle) + fixed,
    )


class _Expected:
    """Expected series of one site; zeros for signals that it does not have."""

    def __init__(self, forecast: AbstractForecast, site: str, steps: int) -> None:
        self._forecast, self._site, self._steps = forecast, site, steps

    def __call__(self, signal: str, exists: bool = True) -> FloatArray:
        if not exists:
            return np.zeros(self._steps)
        return np.asarray(self._forecast.series(f"{self._site}/{signal}", self._steps), dtype=np.float64)


def _generators(site: SiteObservation) -> tuple[float, float, float]:
    """Power of all generators [MW], and cost [currency/MWh] and carbon [kg/MWh] of the cheapest."""
    units = site.site.generators
    usable: Mapping[str, float] = site.usable_mw
    total = sum(usable.get(unit.name, unit.capacity_mw) for unit in units)
    if not units:
        return 0.0, 0.0, 0.0
    cheapest = min(units, key=lambda unit: marginal_cost(site, unit, 0.0))
    return total, marginal_cost(site, cheapest, 0.0), cheapest.emission_kg_per_mwh
