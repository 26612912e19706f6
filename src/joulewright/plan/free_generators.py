"""A scenario whose generators need no commitment: a relaxation for long horizons."""

from __future__ import annotations

from dataclasses import replace

from joulewright.model import Generator, Scenario


def relax_generators(scenario: Scenario) -> Scenario:
    """The scenario with every generator free between zero and its capacity.

    No plan of the original is lost or becomes dearer: start costs, minimum load and minimum times are dropped,
    no-load cost and carbon are spread over full output, and the ramp is widened to the minimum load that a start
    may jump to.
    """
    sites = tuple(
        replace(site, generators=tuple(relax_generator(unit, scenario.timeline.step_h) for unit in site.generators))
        for site in scenario.sites
    )
    return scenario.with_changes(sites=sites)


def relax_generator(unit: Generator, step_h: float) -> Generator:
    """The generator free between zero and its capacity; see :func:`relax_generators`."""
    ramp = unit.ramp_mw_per_h
    return replace(
        unit,
        min_load_mw=0.0,
        min_up_h=0.0,
        min_down_h=0.0,
        start_cost=0.0,
        start_emission_kg=0.0,
        no_load_cost_per_h=0.0,
        no_load_emission_kg_per_h=0.0,
        fuel_cost_per_mwh=unit.fuel_cost_per_mwh + unit.no_load_cost_per_h / unit.capacity_mw,
        emission_kg_per_mwh=unit.emission_kg_per_mwh + unit.no_load_emission_kg_per_h / unit.capacity_mw,
        ramp_mw_per_h=None if ramp is None else max(ramp, unit.min_load_mw / step_h),
    )
