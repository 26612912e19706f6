"""Generators: what each can do in the next step, and which of them run."""

from __future__ import annotations

from dataclasses import dataclass

from joulewright.model import Generator
from joulewright.policy.observation import GeneratorState, SiteObservation

PAYBACK_H = 4.0
"""Hours over which the cost of a start must pay off, unless the shortest run is longer [h]."""

_TOLERANCE = 1e-9


@dataclass(frozen=True, kw_only=True)
class Call:
    """Why generators are called at a site.

    Attributes
    ----------
    need_mw : float
        Load less renewable and battery power [MW].
    import_mw : float
        What the grid can carry [MW].
    bridge_mw : float
        Shortage that the batteries carry alone before a generator starts [MW].
    grid_cost_per_mwh : float
        What a MWh from the grid costs, carbon price included [currency/MWh].
    carbon_price_per_kg : float
        Price of carbon [currency/kg].
    economic : bool
        True to run a generator that is cheaper than the grid; otherwise only shortage starts one.
    step_h : float
        Length of the step [h].
    """

    need_mw: float
    import_mw: float
    bridge_mw: float
    grid_cost_per_mwh: float
    carbon_price_per_kg: float
    economic: bool
    step_h: float


def run_generators(site: SiteObservation, call: Call) -> dict[str, float]:
    """Output by generator that runs [MW], cheapest first.

    A generator runs when the grid and ``bridge_mw`` of battery power cannot carry the load (once on, until the grid
    can), when it must (shortest run, ramp down), and, if ``economic``, when a MWh from it costs less than one from the
    grid: fuel, no-load cost and carbon, and for a start its cost over ``max(min_up_h, PAYBACK_H)`` hours. It delivers
    what is missing or what it displaces, within its ramp and least load, and never runs to export.
    """
    output: dict[str, float] = {}
    units = {unit.name: unit for unit in site.site.generators}
    for name in sorted(units, key=lambda name: marginal_cost(site, units[name], call.carbon_price_per_kg)):
        wanted = _wanted_mw(site, units[name], call, sum(output.values()))
        if wanted is not None:
            output[name] = wanted
    return output


def marginal_cost(site: SiteObservation, generator: Generator, carbon_price_per_kg: float) -> float:
    """Fuel and carbon of one more MWh [currency/MWh]."""
    fuel = site.fuel_cost_per_mwh.get(generator.name, float(generator.fuel_cost_per_mwh[0]))
    return fuel + carbon_price_per_kg * generator.emission_kg_per_mwh


def _wanted_mw(site: SiteObservation, generator: Generator, call: Call, delivered_mw: float) -> float | None:
    state = site.generators.get(generator.name, GeneratorState(on=False, hours=8760.0, output_mw=0.0))
    usable = site.usable_mw.get(generator.name, generator.capacity_mw)
    able = state.output_range(generator, usable_mw=usable, step_h=call.step_h)
    if not able.may_run:
        return None
    need = max(0.0, call.need_mw - delivered_mw)
    shortage = need - call.import_mw
    wanted = shortage if shortage > (_TOLERANCE if state.on else call.bridge_mw + _TOLERANCE) else 0.0
    worth = min(need, able.high_mw)
    if call.economic and call.import_mw > 0.0 and _pays(site, generator, call, worth):
        wanted = max(wanted, worth)
    if wanted <= 0.0 and able.may_stop:
        return None
    return min(max(wanted, able.low_mw), able.high_mw)


def _pays(site: SiteObservation, generator: Generator, call: Call, output_mw: float) -> bool:
    if output_mw < generator.min_load_mw - _TOLERANCE or output_mw <= 0.0:
        return False
    price = call.carbon_price_per_kg
    hourly = generator.no_load_cost_per_h + price * generator.no_load_emission_kg_per_h
    state = site.generators.get(generator.name)
    if state is None or not state.on:
        start = generator.start_cost + price * generator.start_emission_kg
        hourly += start / max(generator.min_up_h, PAYBACK_H)
    return marginal_cost(site, generator, price) + hourly / output_mw < call.grid_cost_per_mwh
