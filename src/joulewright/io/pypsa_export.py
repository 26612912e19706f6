"""The energy side of a scenario as a PyPSA network, for people who continue there and as an oracle in tests."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from joulewright.account import coefficients, site_load
from joulewright.errors import MissingExtraError, ScenarioError
from joulewright.model import Battery, Generator, Scenario, Schedule, Site
from joulewright.model.timeline import FloatArray
from joulewright.physics.battery import storage_coefficients
from joulewright.plan.constraints.commitment import needs_commitment
from joulewright.plan.result import PlanResult

_UNLIMITED_MW = 1e6
_UNLIMITED_KG = 1e12


def write_pypsa(path: str | Path | None, scenario: Scenario, schedule: Schedule | PlanResult) -> Any:
    """Write the energy side of a scenario as a PyPSA network, its load fixed by a plan.

    Parameters
    ----------
    path : str, Path or None
        File ending in ``.nc`` to write; None only returns the network.
    scenario : Scenario
        The facts.
    schedule : Schedule or PlanResult
        Where work runs; its energy flows are not read.

    Returns
    -------
    pypsa.Network
        Optimised with ``network.optimize()`` its objective is the cost of energy: import, fuel, start-ups, wear, demand
        charges, carbon price and penalties less export revenue, up to the constant ``network.meta["constant"]``.

    Raises
    ------
    MissingExtraError
        If PyPSA is not installed.
    ScenarioError
        If the scenario has something a PyPSA network cannot express; everything of that kind is listed.

    Notes
    -----
    Every site is a bus with its facility load. Import runs over a chain of links, one stage for each billing window of
    a demand charge: an extendable link in its hours beside a plain one outside them. Carbon flows to a bus ``carbon``
    whose store is the budget; sites with a budget of their own pass theirs through a store of their own. Batteries are
    a store between two links, with the exact factors of self-discharge within a step. Import and export, and charge
    and discharge, are not kept apart by binaries. Power is in MW, energy in MWh, carbon in kg, money in the currency of
    the scenario.
    """
    pypsa = _pypsa()
    plan = schedule.schedule if isinstance(schedule, PlanResult) else schedule
    if plan is None:
        raise ScenarioError("the result holds no plan, so there is no load to export")
    problems = [problem for site in scenario.sites for problem in _unsupported(scenario, site)]
    if problems:
        raise ScenarioError(problems)
    with warnings.catch_warnings():
        # PyPSA's own use of pandas warns; nothing of it concerns what is written here.
        warnings.simplefilter("ignore")
        network = pypsa.Network(name=scenario.name)
        network.set_snapshots(_snapshots(scenario))
        hours = dict.fromkeys(network.snapshot_weightings.columns, scenario.timeline.step_h)
        network.snapshot_weightings = network.snapshot_weightings.astype(float).assign(**hours)
        writer = _Writer(network, scenario)
        for site in scenario.sites:
            writer.add_site(site, site_load(scenario, plan, site).facility_mw)
        writer.add_budget()
        network.meta = {
            "constant": writer.constant,
            "currency": scenario.currency,
            "scenario": scenario.name,
            "planner": plan.planner,
        }
        if path is not None:
            network.export_to_netcdf(str(path))
    return network


def _pypsa() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pypsa
    except ImportError as error:
        raise MissingExtraError("PyPSA is not installed; run: pip install 'joulewright[pypsa]'") from error
    return pypsa


def _snapshots(scenario: Scenario) -> Any:
    import pandas

    return pandas.DatetimeIndex(scenario.timeline.starts(), name="snapshot")


def _unsupported(scenario: Scenario, site: Site) -> list[str]:
    """What of a site a PyPSA network cannot express."""
    limited = scenario.carbon.budget_kg is not None or site.carbon_budget_kg is not None
    found = []
    for unit in site.generators:
        states_emit = unit.start_emission_kg or unit.no_load_emission_kg_per_h
        if limited and states_emit:
            found.append(
                f"site.{site.name}.generator.{unit.name} emits when it starts or idles, which a PyPSA network cannot "
                "count in a carbon budget; leave out the budget"
            )
    if scenario.carbon.excess_price_per_t is not None and site.carbon_budget_kg is not None:
        found.append(
            f"site.{site.name}.carbon_budget may be exceeded at a price, which the export leaves out; make it hard"
        )
    return found


class _Writer:
    """Adds the parts of a scenario to a network.

    Parameters
    ----------
    network : pypsa.Network
        With its snapshots set.
    scenario : Scenario
        The facts.
    """

    def __init__(self, network: Any, scenario: Scenario) -> None:
        self._network, self._scenario = network, scenario
        self._step_h = scenario.timeline.step_h
        self.constant = 0.0
        network.add("Bus", "carbon", carrier="carbon", unit="kg")

    def add_site(self, site: Site, load_mw: FloatArray) -> None:
        """Bus, load, plants and grid of one site."""
        self._network.add("Bus", site.name, carrier="AC")
        self._network.add("Load", f"{site.name} load", bus=site.name, p_set=self._series(load_mw))
        carbon = self._carbon_bus(site)
        for plant in site.renewables:
            self._network.add(
                "Generator",
                f"{site.name} {plant.name}",
                bus=site.name,
                carrier=plant.kind,
                p_nom=plant.capacity_mw,
                p_max_pu=self._series(plant.per_unit),
            )
        for battery in site.batteries:
            self._add_battery(site, battery)
        for unit in site.generators:
            self._add_generator(site, unit, carbon)
        if site.grid is not None:
            self._add_import(site, carbon)
            self._add_export(site, carbon)
        penalty = site.unserved_power_penalty_per_mwh
        if penalty is not None:
            highest = float(load_mw.max(initial=0.0))
            share = load_mw / highest if highest > 0.0 else load_mw
            name = f"{site.name} unserved"
            self._network.add(
                "Generator", name, bus=site.name, p_nom=highest, p_max_pu=self._series(share), marginal_cost=penalty
            )

    def add_budget(self) -> None:
        """The store that holds the carbon of all sites, as large as the budget."""
        carbon = self._scenario.carbon
        limit = _UNLIMITED_KG if carbon.budget_kg is None else carbon.budget_kg - carbon.used_kg
        self._network.add("Store", "carbon budget", bus="carbon", e_nom=max(0.0, limit), e_min_pu=-1.0)
        if carbon.budget_kg is not None and carbon.excess_price_per_t is not None:
            price = carbon.excess_price_per_t / 1000.0
            self._network.add("Bus", "carbon excess", carrier="carbon", unit="kg")
            self._network.add("Store", "carbon excess", bus="carbon excess", e_nom=_UNLIMITED_KG)
            self._network.add(
                "Link", "carbon excess", bus0="carbon", bus1="carbon excess", p_nom=_UNLIMITED_KG, marginal_cost=price
            )

    def _series(self, values: FloatArray) -> Any:
        import pandas

        return pandas.Series(np.asarray(values, float), index=self._network.snapshots)

    def _carbon_bus(self, site: Site) -> str:
        """Where the carbon of a site goes: straight to the system, or through a count of its own."""
        if site.carbon_budget_kg is None:
            return "carbon"
        bus = f"{site.name} carbon"
        self._network.add("Bus", bus, carrier="carbon", unit="kg")
        # A store that is filled once per kg passed on: what flows to the system is also what the site has used.
        self._network.add("Bus", f"{bus} used", carrier="carbon", unit="kg")
        self._network.add("Store", f"{bus} budget", bus=f"{bus} used", e_nom=site.carbon_budget_kg, e_min_pu=-1.0)
        self._network.add(
            "Link",
            bus,
            bus0=bus,
            bus1="carbon",
            bus2=f"{bus} used",
            efficiency2=1.0,
            p_nom=_UNLIMITED_KG,
            p_min_pu=-1.0,
        )
        return bus

    def _add_battery(self, site: Site, battery: Battery) -> None:
        name, decay = f"{site.name} {battery.name}", battery.self_discharge_per_h
        retention, effective_h = storage_coefficients(self._step_h, decay)
        factor, wear = effective_h / self._step_h, battery.wear_cost_per_mwh / 2.0
        charge, discharge = battery.charge_efficiency * factor, battery.discharge_efficiency / factor
        self._network.add("Bus", name, carrier="battery")
        low = np.full(self._scenario.timeline.steps, battery.min_energy_mwh)
        low[-1] = max(low[-1], battery.least_final_energy_mwh)
        worth = np.zeros(low.size)
        worth[-1] = -(battery.terminal_value_per_mwh or 0.0) / self._step_h
        self.constant += (battery.terminal_value_per_mwh or 0.0) * battery.initial_energy_mwh
        size = max(battery.energy_mwh, 1e-9)
        self._network.add(
            "Store",
            name,
            bus=name,
            e_nom=battery.energy_mwh,
            e_min_pu=self._series(low / size),
            # PyPSA lets no standing loss act on what is there before the first snapshot.
            e_initial=battery.initial_energy_mwh * retention,
            standing_loss=-np.expm1(-decay),
            marginal_cost_storage=self._series(worth),
        )
        self._network.add(
            "Link",
            f"{name} charge",
            bus0=site.name,
            bus1=name,
            p_nom=battery.charge_limit_mw,
            efficiency=charge,
            marginal_cost=wear,
        )
        self._network.add(
            "Link",
            f"{name} discharge",
            bus0=name,
            bus1=site.name,
            p_nom=battery.discharge_limit_mw / discharge,
            efficiency=discharge,
            marginal_cost=wear * discharge,
        )

    def _add_generator(self, site: Site, unit: Generator, carbon: str) -> None:
        """A link from a fuel bus, so that its carbon can flow to a second bus."""
        name = f"{site.name} {unit.name}"
        price = coefficients.carbon_price_per_kg(self._scenario)
        self._network.add("Bus", f"{name} fuel", carrier="fuel")
        self._network.add("Generator", f"{name} fuel", bus=f"{name} fuel", p_nom=_UNLIMITED_MW)
        values: dict[str, Any] = {
            "p_nom": unit.capacity_mw,
            "marginal_cost": self._series(unit.fuel_cost_per_mwh + price * unit.emission_kg_per_mwh),
            "efficiency2": unit.emission_kg_per_mwh,
        }
        values |= self._range(unit)
        if unit.ramp_mw_per_h is not None:
            values |= self._ramps(unit)
        if needs_commitment(unit):
            values |= self._commitment(unit, price)
        self._network.add("Link", name, bus0=f"{name} fuel", bus1=site.name, bus2=carbon, carrier="generator", **values)

    def _range(self, unit: Generator) -> dict[str, Any]:
        """Highest and, without states, lowest output; in the first step the output before it counts."""
        most, least = np.array(unit.availability, float), np.zeros(unit.availability.size)
        committed, before_mw = needs_commitment(unit), unit.initial_output_mw * unit.initially_on
        if unit.ramp_mw_per_h is not None and (unit.initially_on or not committed):
            ramp_mw = unit.ramp_mw_per_h * self._step_h
            most[0] = min(most[0], (before_mw + ramp_mw) / unit.capacity_mw)
            least[0] = max(0.0, (before_mw - ramp_mw) / unit.capacity_mw)
        return {"p_max_pu": self._series(most)} | ({} if committed else {"p_min_pu": self._series(least)})

    def _ramps(self, unit: Generator) -> dict[str, float]:
        ramp = min(1.0, float(np.float64(unit.ramp_mw_per_h)) * self._step_h / unit.capacity_mw)
        switch = min(1.0, max(ramp, unit.min_load_mw / unit.capacity_mw))
        limits = {"ramp_limit_up": ramp, "ramp_limit_down": ramp}
        return limits | (
            {"ramp_limit_start_up": switch, "ramp_limit_shut_down": switch} if needs_commitment(unit) else {}
        )

    def _commitment(self, unit: Generator, price: float) -> dict[str, Any]:
        steps_for = self._scenario.timeline.steps_for
        before = max(1, steps_for(unit.initial_hours))
        return {
            "committable": True,
            "p_min_pu": unit.min_load_mw / unit.capacity_mw,
            "start_up_cost": unit.start_cost + price * unit.start_emission_kg,
            "stand_by_cost": unit.no_load_cost_per_h + price * unit.no_load_emission_kg_per_h,
            "min_up_time": steps_for(unit.min_up_h),
            "min_down_time": steps_for(unit.min_down_h),
            "up_time_before": before if unit.initially_on else 0,
            "down_time_before": 0 if unit.initially_on else before,
        }

    def _add_import(self, site: Site, carbon: str) -> None:
        grid, unit = site.grid, coefficients.grid_coefficients(self._scenario, site)
        if grid is None or unit is None:
            return
        market, price = f"{site.name} market", coefficients.carbon_price_per_kg(self._scenario)
        self._network.add("Bus", market, carrier="AC")
        self._network.add("Generator", market, bus=market, p_nom=_UNLIMITED_MW)
        stage = market
        for window in grid.demand_windows:
            following = f"{site.name} after {window.name}"
            self._network.add("Bus", following, carrier="AC")
            members = window.members.astype(float)
            rate = coefficients.demand_charge_per_mw(window)
            self.constant -= rate * window.peak_so_far_mw
            self._network.add(
                "Link",
                f"{site.name} {window.name} peak",
                bus0=stage,
                bus1=following,
                p_nom_extendable=True,
                p_nom_min=window.peak_so_far_mw,
                capital_cost=rate,
                p_max_pu=self._series(members),
            )
            name = f"{site.name} outside {window.name}"
            self._network.add(
                "Link", name, bus0=stage, bus1=following, p_nom=_UNLIMITED_MW, p_max_pu=self._series(1.0 - members)
            )
            stage = following
        door = self._add_ramp(site)
        highest = max(float(grid.import_limit_mw.max(initial=0.0)), 1e-9)
        self._network.add(
            "Link",
            f"{site.name} import",
            bus0=stage,
            bus1=door,
            bus2=carbon,
            p_nom=highest,
            p_max_pu=self._series(grid.import_limit_mw / highest),
            marginal_cost=self._series((unit.import_cost + price * unit.import_carbon_kg) / self._step_h),
            efficiency2=self._series(unit.import_carbon_kg / self._step_h),
        )

    def _door(self, site: Site) -> str:
        """Bus at which import and export meet the site."""
        ramped = site.grid is not None and site.grid.ramp_mw_per_h is not None
        return f"{site.name} connection" if ramped else site.name

    def _add_ramp(self, site: Site) -> str:
        """A link in both directions that limits how fast net import changes."""
        grid, door = site.grid, self._door(site)
        if grid is None or door == site.name:
            return site.name
        size = float(max(grid.import_limit_mw.max(), grid.export_limit_mw.max(), 1e-9))
        ramp = min(1.0, float(np.float64(grid.ramp_mw_per_h)) * self._step_h / size)
        self._network.add("Bus", door, carrier="AC")
        self._network.add(
            "Link", door, bus0=door, bus1=site.name, p_nom=size, p_min_pu=-1.0, ramp_limit_up=ramp, ramp_limit_down=ramp
        )
        return door

    def _add_export(self, site: Site, carbon: str) -> None:
        grid, unit = site.grid, coefficients.grid_coefficients(self._scenario, site)
        if grid is None or unit is None or not grid.export_limit_mw.any():
            return
        price, buyer = coefficients.carbon_price_per_kg(self._scenario), f"{site.name} buyer"
        highest = float(grid.export_limit_mw.max())
        worth = unit.export_revenue + price * unit.export_credit_kg
        self._network.add("Bus", buyer, carrier="AC")
        self._network.add("Generator", buyer, bus=buyer, p_nom=_UNLIMITED_MW, p_min_pu=-1.0, p_max_pu=0.0)
        self._network.add(
            "Link",
            f"{site.name} export",
            bus0=self._door(site),
            bus1=buyer,
            bus2=carbon,
            p_nom=highest,
            p_max_pu=self._series(grid.export_limit_mw / highest),
            marginal_cost=self._series(-worth / self._step_h),
            efficiency2=self._series(-unit.export_credit_kg / self._step_h),
        )
