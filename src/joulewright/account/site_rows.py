"""Ledger rows of one site: energy, its cost, carbon, batteries, peaks and water."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np

from joulewright.account import coefficients
from joulewright.account.entry import LedgerRow
from joulewright.account.load import SiteLoad
from joulewright.model import Generator, Scenario, Site, SiteSchedule
from joulewright.model.timeline import BoolArray, FloatArray


def site_rows(scenario: Scenario, site: Site, flows: SiteSchedule, load: SiteLoad) -> Iterator[LedgerRow]:
    """All rows of one site except those of its jobs and services."""
    carbon = list(_carbon_rows(scenario, site, flows))
    yield from _energy_rows(scenario, site, flows, load)
    yield from _cost_rows(scenario, site, flows)
    yield from carbon
    yield from _carbon_price_rows(scenario, site, math.fsum(row.value for row in carbon))
    yield from _series_rows(scenario, site, flows)
    yield from _battery_rows(scenario, site, flows)
    yield from _peak_rows(site, flows)
    if site.water_l_per_it_kwh is not None:
        it_kwh = 1000.0 * scenario.timeline.step_h * _sum(load.it_mw)
        yield LedgerRow(site.name, "water", "cooling", site.water_l_per_it_kwh * it_kwh, "L")


def starts(generator: Generator, on: BoolArray) -> int:
    """How often the generator starts, its state before the horizon included."""
    before = np.concatenate(([generator.initially_on], on[:-1]))
    return int(np.count_nonzero(on & ~before))


def excess_row(scenario: Scenario, site: str, carbon_kg: float, budget_kg: float | None) -> Iterator[LedgerRow]:
    """Cost of carbon above a budget; nothing where there is no budget or it is hard."""
    price = coefficients.excess_carbon_price_per_kg(scenario)
    if budget_kg is not None and price is not None:
        yield LedgerRow(site, "cost", "excess carbon", price * max(0.0, carbon_kg - budget_kg), "currency")


def _sum(values: FloatArray) -> float:
    return math.fsum(values.tolist())


def _energy_rows(scenario: Scenario, site: Site, flows: SiteSchedule, load: SiteLoad) -> Iterator[LedgerRow]:
    step_h = scenario.timeline.step_h

    def row(item: str, power_mw: FloatArray, section: str = "energy") -> LedgerRow:
        return LedgerRow(site.name, section, item, step_h * _sum(power_mw), "MWh")

    yield row("import", flows.grid_import_mw)
    for plant in site.renewables:
        used = flows.renewable_used_mw[plant.name]
        yield row(f"renewable/{plant.name}", used)
        yield row(f"curtailed/{plant.name}", plant.available_mw - used)
    for name, generator in flows.generators.items():
        yield row(f"generator/{name}", generator.output_mw)
    for name, battery in flows.batteries.items():
        yield row(f"discharge/{name}", battery.discharge_mw)
        yield row(f"charge/{name}", battery.charge_mw)
    yield row("unserved", flows.unserved_mw)
    yield row("facility load", load.facility_mw)
    yield row("export", flows.grid_export_mw)
    yield row("training", load.training_mw, "it energy")
    yield row("inference", load.inference_mw, "it energy")
    yield row("idle", load.idle_mw, "it energy")
    yield row("fixed", load.fixed_it_mw, "it energy")


def _cost_rows(scenario: Scenario, site: Site, flows: SiteSchedule) -> Iterator[LedgerRow]:
    def row(item: str, value: float, section: str = "cost") -> LedgerRow:
        return LedgerRow(site.name, section, item, value, "currency")

    grid = coefficients.grid_coefficients(scenario, site)
    if grid is not None and site.grid is not None:
        yield row("import", _sum(grid.import_cost * flows.grid_import_mw))
        yield row("export", _sum(grid.export_revenue * flows.grid_export_mw), "value")
        for window in site.grid.demand_windows:
            above = max(0.0, _peak(flows.grid_import_mw[window.members]) - window.peak_so_far_mw)
            yield row(f"demand charge/{window.name}", coefficients.demand_charge_per_mw(window) * above)
    for generator in site.generators:
        plan, unit = flows.generators[generator.name], coefficients.generator_coefficients(scenario, generator)
        yield row(f"fuel/{generator.name}", _sum(unit.output_cost * plan.output_mw))
        yield row(f"no-load/{generator.name}", unit.on_cost * int(np.count_nonzero(plan.on)))
        yield row(f"start-up/{generator.name}", unit.start_cost * starts(generator, plan.on))
    for battery in site.batteries:
        store = flows.batteries[battery.name]
        wear = coefficients.battery_wear_per_mw(scenario, battery)
        yield row(f"battery wear/{battery.name}", wear * _sum(store.charge_mw + store.discharge_mw))
        if battery.terminal_value_per_mwh is not None:
            gained_mwh = float(store.energy_mwh[-1]) - battery.initial_energy_mwh
            yield row(f"stored energy/{battery.name}", battery.terminal_value_per_mwh * gained_mwh, "value")
    penalty = coefficients.unserved_power_cost_per_mw(scenario, site)
    if penalty is not None:
        yield row("unserved power", penalty * _sum(flows.unserved_mw))


def _carbon_rows(scenario: Scenario, site: Site, flows: SiteSchedule) -> Iterator[LedgerRow]:
    """Operational carbon under the deciding series."""
    grid = coefficients.grid_coefficients(scenario, site)
    if grid is not None:
        yield LedgerRow(site.name, "carbon", "import", _sum(grid.import_carbon_kg * flows.grid_import_mw), "kg")
        if scenario.carbon.credit_export:
            credit = _sum(grid.export_credit_kg * flows.grid_export_mw)
            yield LedgerRow(site.name, "carbon", "export credit", -credit, "kg")
    for generator in site.generators:
        plan, unit = flows.generators[generator.name], coefficients.generator_coefficients(scenario, generator)
        output_kg = unit.output_carbon_kg * _sum(plan.output_mw) + unit.on_carbon_kg * int(np.count_nonzero(plan.on))
        yield LedgerRow(site.name, "carbon", f"generator/{generator.name}", output_kg, "kg")
        start_kg = unit.start_carbon_kg * starts(generator, plan.on)
        yield LedgerRow(site.name, "carbon", f"start-up/{generator.name}", start_kg, "kg")


def _carbon_price_rows(scenario: Scenario, site: Site, carbon_kg: float) -> Iterator[LedgerRow]:
    price = coefficients.carbon_price_per_kg(scenario)
    yield LedgerRow(site.name, "cost", "carbon price", price * carbon_kg, "currency")
    yield from excess_row(scenario, site.name, carbon_kg, site.carbon_budget_kg)


def series_keys(sites: Iterable[Site]) -> list[str]:
    """Keys of every declared carbon series, in order of appearance."""
    grids = (site.grid for site in sites if site.grid is not None)
    return list(dict.fromkeys(series.key for grid in grids for series in grid.carbon_intensities))


def _series_rows(scenario: Scenario, site: Site, flows: SiteSchedule) -> Iterator[LedgerRow]:
    """Carbon under every declared series beside each other; credit for export is shown apart."""
    own_kg = math.fsum(
        row.value for row in _carbon_rows(scenario, site, flows) if row.item.startswith(("gen", "start"))
    )
    declared = {} if site.grid is None else {series.key: series for series in site.grid.carbon_intensities}
    for key in series_keys(scenario.sites):
        if site.grid is not None and key not in declared:
            continue
        if key in declared:
            intensity = scenario.timeline.step_h * declared[key].kg_per_mwh
            credit = _sum(intensity * flows.grid_export_mw)
            yield LedgerRow(site.name, "export credit by series", key, credit, "kg")
            yield LedgerRow(
                site.name, "carbon by series", f"{key}/import", _sum(intensity * flows.grid_import_mw), "kg"
            )
        yield LedgerRow(site.name, "carbon by series", f"{key}/generator", own_kg, "kg")


def _battery_rows(scenario: Scenario, site: Site, flows: SiteSchedule) -> Iterator[LedgerRow]:
    """Equivalent full cycles (mean of both directions at the terminals over the capacity) and the energy left."""
    for battery in site.batteries:
        store = flows.batteries[battery.name]
        moved_mwh = scenario.timeline.step_h * _sum(store.charge_mw + store.discharge_mw) / 2.0
        cycles = moved_mwh / battery.energy_mwh if battery.energy_mwh > 0.0 else 0.0
        yield LedgerRow(site.name, "battery", f"cycles/{battery.name}", cycles, "cycles")
        left_mwh = float(store.energy_mwh[-1])
        yield LedgerRow(site.name, "battery", f"stored at end/{battery.name}", left_mwh, "MWh")


def _peak(power_mw: FloatArray) -> float:
    return float(power_mw.max(initial=0.0))


def _peak_rows(site: Site, flows: SiteSchedule) -> Iterator[LedgerRow]:
    yield LedgerRow(site.name, "peak", "import", _peak(flows.grid_import_mw), "MW")
    for window in () if site.grid is None else site.grid.demand_windows:
        peak_mw = max(window.peak_so_far_mw, _peak(flows.grid_import_mw[window.members]))
        yield LedgerRow(site.name, "peak", f"window/{window.name}", peak_mw, "MW")
