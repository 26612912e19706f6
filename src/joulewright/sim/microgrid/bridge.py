"""From a site of a scenario to a microgrid, and from its result to a schedule that the ledger settles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import ArrayLike

from joulewright.account import site_load
from joulewright.errors import ScenarioError
from joulewright.model import BatterySchedule, Scenario, Schedule, Site, SiteSchedule
from joulewright.model.disturbance import apply_events
from joulewright.model.timeline import FloatArray
from joulewright.physics.ranges import per_step
from joulewright.sim.microgrid.design import MicrogridDesign, MicrogridRule, self_consumption
from joulewright.sim.microgrid.inputs import MicrogridInputs, microgrid_inputs
from joulewright.sim.microgrid.simulate import MicrogridResult


def microgrid_from_site(
    scenario: Scenario, site: str, *, load_mw: ArrayLike | None = None, rule: MicrogridRule | None = None
) -> tuple[MicrogridInputs, MicrogridDesign]:
    """Inputs and design of a site, ready for :func:`joulewright.sim.microgrid.simulate_microgrid`.

    Parameters
    ----------
    scenario : Scenario
        What is given; its events are applied where they are not yet.
    site : str
        Name of the site.
    load_mw : array_like or None
        Load of the facility [MW], shape ``(T,)``, e.g. that of a plan; None takes the load without scheduled work:
        idle accelerators and fixed power.
    rule : MicrogridRule or None
        How the battery is run; None stores surplus and covers deficits.

    Returns
    -------
    inputs : MicrogridInputs
        Load, profiles, prices, limits and the deciding carbon intensity. The export limit is 0 where the export price
        is negative, so that power is curtailed rather than sold at a loss.
    design : MicrogridDesign
        Plants by name, the battery and the rule.

    Raises
    ------
    KeyError
        If there is no such site.
    ScenarioError
        If the site has what a single microgrid cannot hold: generators, more than one battery, a grid ramp.
    """
    if scenario.events and not scenario.events_applied:
        scenario = apply_events(scenario, scenario.events)
    place, timeline = scenario.site(site), scenario.timeline
    problems = list(_problems(place))
    if problems:
        raise ScenarioError([f"site {site!r} {problem}; use joulewright.sim.simulate" for problem in problems])
    if load_mw is None:
        idle = Schedule(planner="none", jobs={}, services={}, sites={})
        load_mw = site_load(scenario, idle, place).facility_mw
    inputs = microgrid_inputs(
        step_s=timeline.step_s,
        load_mw=per_step(load_mw, "load_mw", steps=timeline.steps, unit="MW"),
        per_unit={plant.name: plant.per_unit for plant in place.renewables},
        **_connection(scenario, place),
    )
    design = MicrogridDesign(
        plants_mw={plant.name: plant.capacity_mw for plant in place.renewables},
        battery=place.batteries[0] if place.batteries else None,
        rule=rule or self_consumption(),
    )
    return inputs, design


def site_schedule(site: Site, result: MicrogridResult) -> SiteSchedule:
    """The flows of a result as the schedule of the site it came from, for :func:`joulewright.account.settle`.

    Curtailed power is taken from all plants in proportion to what they could deliver.

    Raises
    ------
    ScenarioError
        If the result holds no series; simulate with ``record="series"``.
    """
    if not result.series:
        raise ScenarioError("the result holds figures only, 0 series; simulate with record='series'")
    series = result.series
    available = series["renewable_mw"]
    kept = 1.0 - np.divide(series["curtailed_mw"], available, out=np.zeros_like(available), where=available > 0.0)
    batteries = {
        battery.name: BatterySchedule(
            charge_mw=series["charge_mw"], discharge_mw=series["discharge_mw"], energy_mwh=series["energy_mwh"]
        )
        for battery in site.batteries
    }
    return SiteSchedule(
        grid_import_mw=series["grid_import_mw"],
        grid_export_mw=series["grid_export_mw"],
        unserved_mw=series["unserved_mw"],
        renewable_used_mw={plant.name: kept * plant.available_mw for plant in site.renewables},
        batteries=batteries,
    )


def _connection(scenario: Scenario, site: Site) -> Mapping[str, FloatArray | float]:
    """Prices, limits and carbon intensity; an island has no exchange to pay for."""
    grid, carbon = site.grid, scenario.carbon
    names = ("import_price_per_mwh", "export_price_per_mwh", "carbon_kg_per_mwh", "import_limit_mw", "export_limit_mw")
    if grid is None:
        return dict.fromkeys(names, 0.0)
    known = grid.carbon_intensity(carbon.kind, carbon.scope)
    sold = np.where(grid.export_price_per_mwh < 0.0, 0.0, grid.export_limit_mw)
    series = {
        "import_price_per_mwh": grid.import_price_per_mwh,
        "export_price_per_mwh": grid.export_price_per_mwh,
        "import_limit_mw": grid.import_limit_mw,
        "export_limit_mw": sold,
    }
    return series if known is None else series | {"carbon_kg_per_mwh": known.kg_per_mwh}


def _problems(site: Site) -> Iterator[str]:
    if site.generators:
        yield f"has {len(site.generators)} generators, a single microgrid has none"
    if len(site.batteries) > 1:
        yield f"has {len(site.batteries)} batteries, a single microgrid has at most one"
    if site.grid is not None and site.grid.ramp_mw_per_h is not None:
        yield f"has a grid ramp of {site.grid.ramp_mw_per_h:g} MW/h, which a single microgrid does not keep"
