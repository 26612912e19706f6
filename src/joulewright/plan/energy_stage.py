"""The energy side alone: work is given, flows are chosen."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from joulewright.account import site_load
from joulewright.errors import InfeasibleError
from joulewright.model import BatterySchedule, GeneratorSchedule, Scenario, Schedule, Site, SiteSchedule
from joulewright.model.timeline import FloatArray
from joulewright.physics.battery import storage_coefficients
from joulewright.plan.formulation import build
from joulewright.plan.options import PlanOptions
from joulewright.plan.planner import plan
from joulewright.plan.relaxation import value_options
from joulewright.plan.result import Duals
from joulewright.plan.solver import pass_program, read_solution


@dataclass(frozen=True, eq=False)
class EnergyStage:
    """Energy decisions for given work.

    Attributes
    ----------
    sites : dict of str to SiteSchedule
        Flows of every site.
    duals : Duals or None
        Marginal prices; None where nothing was optimised.
    notes : tuple of str
        What a reader must know.
    """

    sites: dict[str, SiteSchedule]
    duals: Duals | None = None
    notes: tuple[str, ...] = ()


def with_fixed_load(scenario: Scenario, work: Schedule) -> Scenario:
    """The scenario with the load of ``work`` as given and nothing left to place.

    Parameters
    ----------
    scenario : Scenario
        The facts.
    work : Schedule
        Jobs and services; its energy flows are not read.
    """

    def fixed(site: Site) -> Site:
        nothing = np.zeros(scenario.timeline.steps)
        load_mw = site_load(scenario, work, site).facility_mw
        return replace(
            site,
            fleets=(),
            pue=nothing + 1.0,
            fixed_it_power_mw=nothing,
            fixed_facility_power_mw=load_mw,
            it_limit_mw=None,
        )

    return scenario.with_changes(
        sites=tuple(fixed(site) for site in scenario.sites), training=(), inference=(), regions=(), links=()
    )


def optimise_energy(scenario: Scenario, work: Schedule, options: PlanOptions) -> EnergyStage:
    """Best energy flows for given work; where no flows can carry it, what is short is left unserved.

    Such a shortage has a price far above all others, so it is as small as can be, and shows up as a broken limit.
    """
    fixed = with_fixed_load(scenario, work)
    notes: tuple[str, ...] = ()
    if not relaxation_is_feasible(fixed):
        fixed = _with_priced_shortage(fixed)
        notes = ("no energy plan carries this work within all limits; what is short shows as broken limits",)
    try:
        result = plan(fixed, options)
    except InfeasibleError:
        result = None
    if result is None or result.schedule is None:
        flows = {site.name: bought_as_needed(scenario, work, site) for site in scenario.sites}
        return EnergyStage(flows, notes=("no energy plan was found; energy is bought as needed",))
    return EnergyStage(dict(result.schedule.sites), result.duals, notes)


def relaxation_is_feasible(scenario: Scenario, without: frozenset[str] = frozenset()) -> bool:
    """Whether the linear relaxation of the joint model has a solution."""
    program = build(scenario, without=without).program
    highs = pass_program(program, options=value_options(program))
    highs.run()
    return read_solution(highs).status != "Infeasible"


def _with_priced_shortage(scenario: Scenario) -> Scenario:
    """The scenario with unserved power and excess carbon allowed where they are not, at prohibitive prices."""
    prices = [1.0]
    for site in scenario.sites:
        prices += [float(unit.fuel_cost_per_mwh.max()) for unit in site.generators]
        if site.grid is not None:
            prices.append(float(np.abs(site.grid.import_price_per_mwh).max()))
    penalty = 100.0 * max(prices)
    sites = tuple(
        replace(site, unserved_power_penalty_per_mwh=penalty) if site.unserved_power_penalty_per_mwh is None else site
        for site in scenario.sites
    )
    carbon = scenario.carbon
    if carbon.excess_price_per_t is None:
        carbon = replace(carbon, excess_price_per_t=penalty)
    return scenario.with_changes(sites=sites, carbon=carbon)


def bought_as_needed(scenario: Scenario, work: Schedule, site: Site) -> SiteSchedule:
    """Renewables as far as the load goes and import for the rest; batteries rest, generators are off, nothing is sold.

    Import may exceed its limit unless unserved power has a price; a site without a grid leaves the rest unserved.
    """
    steps = scenario.timeline.steps
    load_mw = site_load(scenario, work, site).facility_mw
    available = [plant.available_mw for plant in site.renewables]
    total = np.sum(available, axis=0) if available else np.zeros(steps)
    share = np.divide(np.minimum(load_mw, total), total, out=np.zeros(steps), where=total > 0.0)
    need_mw = load_mw - np.minimum(load_mw, total)
    most = need_mw
    if site.grid is None:
        most = np.zeros(steps)
    elif site.unserved_power_penalty_per_mwh is not None:
        most = site.grid.import_limit_mw
    bought = np.minimum(need_mw, most)
    off = np.zeros(steps)
    return SiteSchedule(
        grid_import_mw=bought,
        grid_export_mw=off,
        unserved_mw=need_mw - bought,
        renewable_used_mw={plant.name: share * plant.available_mw for plant in site.renewables},
        batteries={
            battery.name: BatterySchedule(
                charge_mw=off,
                discharge_mw=off,
                energy_mwh=_decay(battery.initial_energy_mwh, battery.self_discharge_per_h, scenario),
            )
            for battery in site.batteries
        },
        generators={unit.name: GeneratorSchedule(output_mw=off, on=off > 0.0) for unit in site.generators},
    )


def _decay(initial_mwh: float, rate_per_h: float, scenario: Scenario) -> FloatArray:
    retention, _ = storage_coefficients(scenario.timeline.step_h, rate_per_h)
    return np.asarray(initial_mwh * retention ** np.arange(scenario.timeline.steps + 1))
