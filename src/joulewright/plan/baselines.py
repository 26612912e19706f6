"""Plans by simpler rules, to compare a joint plan with.

Every baseline is a schedule that the same check judges and the same ledger prices; it may break limits, which are
then listed in its result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import highspy
import numpy as np

from joulewright.account import settle
from joulewright.check import violations
from joulewright.errors import InfeasibleError
from joulewright.model import GridConnection, Scenario, Schedule, Site
from joulewright.plan.clock import Clock
from joulewright.plan.energy_stage import EnergyStage, bought_as_needed, optimise_energy
from joulewright.plan.inputs import Inputs, build_inputs
from joulewright.plan.options import PlanOptions
from joulewright.plan.placement import place_cheaply, place_early, site_price
from joulewright.plan.planner import plain_options, plan
from joulewright.plan.reduction import reduce_scenario
from joulewright.plan.result import PlanResult

BASELINES: Mapping[str, str] = MappingProxyType(
    {
        "compute-only": "jobs as early and requests as near as possible, energy bought as needed",
        "energy-only": "the compute-only placement with its energy optimised",
        "sequential": "work placed by the price of power at each site, then energy optimised",
        "carbon-agnostic": "compute and energy planned together, but blind to carbon prices and budgets",
        "greedy": "jobs by value per accelerator-hour into the cheapest window with room, then energy optimised",
    }
)
"""Name and description of every baseline."""

_GAP = 0.002
_WORK = 5.0


@dataclass(frozen=True, eq=False)
class _Draft:
    """Work and energy of a baseline, not yet judged."""

    work: Schedule
    energy: EnergyStage
    notes: tuple[str, ...] = ()


def run_baseline(name: str, scenario: Scenario, options: PlanOptions | None = None) -> PlanResult:
    """Plan by one of the simpler rules.

    Parameters
    ----------
    name : str
        A key of :data:`BASELINES`.
    scenario : Scenario
        The facts.
    options : PlanOptions, optional
        Strategy, seed and switches of the optimised parts; each part gets a gap of at least 0.2 % and 5 units of
        work at most, since a baseline need not be exact.

    Returns
    -------
    PlanResult
        The schedule with its ledger and the limits it breaks. ``bound`` is infinite: a rule proves nothing.
        ``schedule`` is None where the rule finds no plan at all.

    Raises
    ------
    ValueError
        If there is no such baseline.

    Notes
    -----
    *compute-only* serves requests at the nearest site with free accelerators and starts every job at the earliest step
    with free accelerators, at the first site in file order if there are several; renewables are used on site, all else
    is bought. *energy-only* optimises the energy of that placement. *sequential* places work against the price of
    import (and carbon, where it has a price) with all energy plants left out and no grid limit, then optimises the
    energy. *carbon-agnostic* is the joint plan without carbon prices and budgets. *greedy* serves requests at the
    cheapest site, then takes jobs by value per accelerator-hour; jobs it finds no room for are rejected.
    """
    if name not in _RULES:
        raise ValueError(f"there is no baseline {name!r}; there are {list(BASELINES)}")
    options = options or PlanOptions()
    scenario = reduce_scenario(scenario, options.without)
    clock = Clock(options)
    draft = _RULES[name](scenario, _quick(options))
    return _judge(name, scenario, options, (clock, draft))


def _quick(options: PlanOptions) -> PlanOptions:
    work = _WORK if options.work_limit is None else min(_WORK, options.work_limit)
    return replace(options, gap=max(options.gap, _GAP), work_limit=work, previous=None, churn_cost=0.0, progress=None)


def _judge(name: str, scenario: Scenario, options: PlanOptions, parts: tuple[Clock, _Draft | str]) -> PlanResult:
    clock, draft = parts
    schedule = ledger = None
    notes: tuple[str, ...] = (draft,) if isinstance(draft, str) else (*draft.notes, *draft.energy.notes)
    if not isinstance(draft, str):
        schedule = replace(draft.work, planner=f"baseline:{name}", sites=draft.energy.sites)
        ledger = settle(scenario, schedule)
    return PlanResult(
        schedule=schedule,
        ledger=ledger,
        status="search-ended",
        objective=None if ledger is None else ledger.benefit,
        bound=float("inf"),
        gap=None,
        cost=0.0 if ledger is None else ledger.cost,
        strategy=f"baseline:{name}",
        solver=f"HiGHS {highspy.Highs().version()}",
        seconds=clock.elapsed_s,
        cpu_s=clock.cpu_s,
        work=0.0,
        seed=options.seed,
        threads=options.threads,
        duals=None if isinstance(draft, str) else draft.energy.duals,
        violations=() if schedule is None else tuple(violations(scenario, schedule)),
        notes=notes,
        options=plain_options(options),
    )


def _compute_only(scenario: Scenario, _options: PlanOptions) -> _Draft:
    work = place_early(build_inputs(scenario))
    flows = {site.name: bought_as_needed(scenario, work, site) for site in scenario.sites}
    return _Draft(work, EnergyStage(flows))


def _energy_only(scenario: Scenario, options: PlanOptions) -> _Draft:
    work = place_early(build_inputs(scenario))
    return _Draft(work, optimise_energy(scenario, work, options))


def _greedy(scenario: Scenario, options: PlanOptions) -> _Draft:
    work = place_cheaply(build_inputs(scenario))
    return _Draft(work, optimise_energy(scenario, work, options))


def _sequential(scenario: Scenario, options: PlanOptions) -> _Draft | str:
    notes: tuple[str, ...] = ()
    try:
        work = plan(_bought_at_site_price(scenario), options).schedule
    except InfeasibleError as error:
        work, notes = place_early(build_inputs(scenario)), (f"placed as in compute-only, since {error}",)
    if work is None:
        return "no placement was found within the limits"
    return _Draft(work, optimise_energy(scenario, work, options), notes)


def _carbon_agnostic(scenario: Scenario, options: PlanOptions) -> _Draft | str:
    carbon = replace(scenario.carbon, price_per_t=0.0, budget_kg=None)
    sites = tuple(replace(site, carbon_budget_kg=None) for site in scenario.sites)
    try:
        result = plan(scenario.with_changes(carbon=carbon, sites=sites), options)
    except InfeasibleError as error:
        return f"no plan even without carbon limits: {error}"
    if result.schedule is None:
        return "no plan was found within the limits"
    return _Draft(result.schedule, EnergyStage(dict(result.schedule.sites), result.duals))


def _bought_at_site_price(scenario: Scenario) -> Scenario:
    """The scenario with nothing but an unlimited grid at every site, and no budget."""
    inputs = build_inputs(scenario)
    sites = tuple(_bare(scenario, inputs, position) for position in range(len(scenario.sites)))
    return scenario.with_changes(sites=sites, carbon=replace(scenario.carbon, budget_kg=None))


def _bare(scenario: Scenario, inputs: Inputs, position: int) -> Site:
    site, nothing = scenario.sites[position], np.zeros(scenario.timeline.steps)
    groups = (*inputs.rigid, *inputs.divisible)
    powers = [group.job.power_mw for group in groups if group.job.power_mw is not None]
    it_mw = nothing + site.fixed_it_power_mw
    for index in inputs.site_fleets(position):
        points = (point for route in inputs.routes for point in route.service.points_on(index.fleet))
        served = [point.active_power_mw for point in points]
        it_mw = it_mw + index.fleet.available * max(
            index.fleet.active_power_mw, index.fleet.idle_power_mw, *powers, *served
        )
    grid = GridConnection(
        import_limit_mw=site.pue * it_mw + site.fixed_facility_power_mw,
        export_limit_mw=nothing,
        import_price_per_mwh=site_price(scenario, site),
        export_price_per_mwh=nothing,
    )
    return replace(site, grid=grid, renewables=(), batteries=(), generators=(), carbon_budget_kg=None)


_RULES: Mapping[str, Callable[[Scenario, PlanOptions], _Draft | str]] = {
    "compute-only": _compute_only,
    "energy-only": _energy_only,
    "sequential": _sequential,
    "carbon-agnostic": _carbon_agnostic,
    "greedy": _greedy,
}
