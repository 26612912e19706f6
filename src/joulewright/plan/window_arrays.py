"""The numbers of a window's linear program as arrays that are written again and again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from joulewright.account import coefficients
from joulewright.model import Battery, Generator, InferenceService, Scenario, Site
from joulewright.model.timeline import FloatArray, IntArray
from joulewright.plan.constraints.demand import TOKEN_UNIT, route_demand, serving_head
from joulewright.plan.constraints.grid import exchange_coefficients
from joulewright.plan.constraints.renewables import available_mw
from joulewright.plan.formulation import build
from joulewright.plan.free_generators import relax_generator, relax_generators
from joulewright.plan.inputs import RouteIndex
from joulewright.plan.model import JointProgram
from joulewright.plan.program import Block, Program, find_block


class WindowArrays:
    """The relaxed joint model of a window without jobs, whose numbers are all taken from other sites and services.

    The structure stays: the same components, demand windows and steps. Generators need no commitment
    (:func:`joulewright.plan.free_generators.relax_generators`), but one that may not start or stop yet stays off or at
    its minimum load. Ramps of a generator are not asked for where its availability falls, so that a failure cannot
    make a window infeasible.

    Parameters
    ----------
    scenario : Scenario
        The window. Its series only set the length; carbon budgets are left out.
    without : frozenset of str
        Rules of the model to switch off: ``routing``.

    Attributes
    ----------
    joint : JointProgram
        The program; the arrays of ``joint.program`` hold the numbers last written.
    offset : float
        Constant of the objective that belongs to them [currency].

    Raises
    ------
    ValueError
        If the scenario has training jobs.
    """

    def __init__(self, scenario: Scenario, *, without: frozenset[str] = frozenset()) -> None:
        if scenario.training:
            raise ValueError(f"a window of {len(scenario.training)} training jobs cannot be written again; drop them")
        self.joint: JointProgram = build(_template(scenario), without=without)
        self._sites = tuple(_places(self.joint, position) for position in range(len(scenario.sites)))
        self.offset = 0.0
        self._routes = tuple(_route_places(self.joint.program, route) for route in self.joint.inputs.routes)
        self.write(scenario.sites, scenario.inference)

    def write(self, sites: Sequence[Site], inference: Sequence[InferenceService]) -> None:
        """Take all numbers from ``sites`` and ``inference``, in the order of the first scenario.

        Raises
        ------
        ValueError
            If a series has another length or a demand window is new.
        """
        program, scenario, offset = self.joint.program, self.joint.inputs.scenario, 0.0
        for place, site in zip(self._sites, sites, strict=True):
            _write_exchange(program, scenario, place, site)
            _write_load(program, place, site)
            for columns, battery in zip(place.energy, site.batteries, strict=True):
                offset += _write_battery(program, columns, battery)
            for generator, unit in zip(place.generators, site.generators, strict=True):
                _write_generator(program, scenario, generator, unit)
            offset += _write_peaks(program, place, site)
        services = {service.name: service for service in inference}
        for route in self._routes:
            _write_demand(program, route, services)
        self.offset = offset


def _template(scenario: Scenario) -> Scenario:
    """The scenario with every column and row that any numbers may need, PUE 1, and no carbon budget."""
    ones = np.ones(scenario.timeline.steps)

    def opened(site: Site) -> Site:
        plants = tuple(replace(plant, per_unit=ones) for plant in site.renewables)
        grid = site.grid
        if grid is not None:
            windows = tuple(replace(window, members=ones > 0.0) for window in grid.demand_windows)
            grid = replace(grid, import_limit_mw=ones, export_limit_mw=ones, demand_windows=windows)
        return replace(site, pue=ones, grid=grid, renewables=plants, carbon_budget_kg=None)

    carbon = replace(scenario.carbon, budget_kg=None)
    opened_scenario = scenario.with_changes(sites=tuple(opened(site) for site in scenario.sites), carbon=carbon)
    return relax_generators(opened_scenario)


@dataclass(frozen=True, eq=False)
class _SitePlaces:
    """Where the numbers of one site are."""

    bought: slice | None
    sold: slice | None
    used: slice | None
    unserved: slice | None
    balance: slice
    unserved_limit: slice | None
    it_limit: slice | None
    accelerators: dict[str, slice]
    energy: tuple[slice, ...]
    generators: tuple[tuple[slice, slice | None], ...]
    peaks: dict[str, tuple[int, slice]]
    scaled: IntArray
    unit: FloatArray
    step: IntArray


@dataclass(frozen=True, eq=False)
class _RoutePlaces:
    """Where the demand of one route group is."""

    route: RouteIndex
    columns: tuple[slice, ...]
    rows: slice | None


def _span(block: Block | None) -> slice | None:
    return None if block is None else slice(block.first, block.first + block.size)


def _known(block: Block | None) -> slice:
    if block is None:
        raise KeyError("the window lacks a block that it was built with")
    return slice(block.first, block.first + block.size)


def _places(joint: JointProgram, position: int) -> _SitePlaces:
    program, site = joint.program, joint.inputs.scenario.sites[position]
    columns, rows = program.variables, program.rows
    balance = rows["balance"][position]
    unserved_limit = find_block(rows, "unserved_limit", site.name)
    heads = [f"{site.name}/{unit.name}" for unit in site.generators]
    scaled, unit, step = _scaled_by_pue(program, [balance] + ([unserved_limit] if unserved_limit else []))
    peaks = dict(_peak_places(program, site))
    for free in (*columns.get("peak", []), *columns.get("unserved_power", [])):
        # Upper bounds that follow from numbers which may change; rows bound these columns.
        program.upper[_known(free)] = np.inf
    return _SitePlaces(
        bought=_span(find_block(columns, "grid_import", site.name)),
        sold=_span(find_block(columns, "grid_export", site.name)),
        used=_span(find_block(columns, "renewable_used", site.name)),
        unserved=_span(find_block(columns, "unserved_power", site.name)),
        balance=_known(balance),
        unserved_limit=_span(unserved_limit),
        it_limit=_span(find_block(rows, "it_limit", site.name)),
        accelerators={
            fleet.name: _known(block)
            for fleet in site.fleets
            if (block := find_block(rows, "accelerators", f"{site.name}/{fleet.name}")) is not None
        },
        energy=tuple(
            _known(find_block(columns, "energy", f"{site.name}/{battery.name}")) for battery in site.batteries
        ),
        generators=tuple(
            (_known(find_block(columns, "generator_output", head)), _span(find_block(rows, "ramp", head)))
            for head in heads
        ),
        peaks=peaks,
        scaled=scaled,
        unit=unit,
        step=step,
    )


def _peak_places(program: Program, site: Site) -> Iterator[tuple[str, tuple[int, slice]]]:
    columns = {block.label(0): block.first for block in program.variables.get("peak", [])}
    for window in () if site.grid is None else site.grid.demand_windows:
        name = f"{site.name}/{window.name}"
        yield window.name, (columns[name], _known(find_block(program.rows, "peak", name)))


def _scaled_by_pue(program: Program, blocks: Sequence[Block]) -> tuple[IntArray, FloatArray, IntArray]:
    """Matrix entries of IT power in these rows: positions, values at PUE 1, and steps."""
    column = np.repeat(np.arange(program.cost.size), np.diff(program.start))
    serving = np.zeros(program.cost.size, bool)
    for block in program.variables.get("served", []):
        serving[_known(block)] = True
    found, steps = [], []
    for block in blocks:
        span = _known(block)
        inside = np.flatnonzero((program.index >= span.start) & (program.index < span.stop) & serving[column])
        found.append(inside)
        steps.append(program.index[inside] - span.start)
    scaled = np.concatenate(found).astype(np.int64)
    return scaled, program.value[scaled].copy(), np.concatenate(steps).astype(np.int64)


def _route_places(program: Program, route: RouteIndex) -> _RoutePlaces:
    name = f"{route.service.name},{'+'.join(route.regions)}"
    blocks = [
        find_block(program.variables, "served", serving_head(route, index, point))
        for index in route.fleets
        for point in range(len(route.service.points_on(index.fleet)))
    ]
    spans = [_known(block) for block in blocks if block is not None]
    unserved = find_block(program.variables, "unserved_demand", name)
    if unserved is not None:
        spans.append(_known(unserved))
    return _RoutePlaces(route, tuple(spans), _span(find_block(program.rows, "demand", name)))


def _write_exchange(program: Program, scenario: Scenario, place: _SitePlaces, site: Site) -> None:
    grid, unit = site.grid, coefficients.grid_coefficients(scenario, site)
    if grid is not None and unit is not None:
        cost, revenue = exchange_coefficients(scenario, unit)
        if place.bought is not None:
            program.cost[place.bought], program.upper[place.bought] = cost, grid.import_limit_mw
        if place.sold is not None:
            program.cost[place.sold], program.upper[place.sold] = -revenue, grid.export_limit_mw
    if place.used is not None:
        program.upper[place.used] = available_mw(site)


def _write_load(program: Program, place: _SitePlaces, site: Site) -> None:
    idle = site.fixed_it_power_mw
    for fleet in site.fleets:
        available = fleet.available
        idle = idle + fleet.idle_power_mw * available
        if fleet.name in place.accelerators:
            program.row_upper[place.accelerators[fleet.name]] = available
    fixed = idle * site.pue + site.fixed_facility_power_mw
    program.row_lower[place.balance] = program.row_upper[place.balance] = fixed
    if place.unserved_limit is not None:
        program.row_upper[place.unserved_limit] = fixed
    if place.it_limit is not None and site.it_limit_mw is not None:
        program.row_upper[place.it_limit] = site.it_limit_mw - idle
    program.value[place.scaled] = place.unit * site.pue[place.step]


def _write_battery(program: Program, columns: slice, battery: Battery) -> float:
    """Returns its part of the objective's offset [currency]."""
    value = battery.terminal_value_per_mwh or 0.0
    first, last = columns.start, columns.stop - 1
    program.lower[first] = program.upper[first] = battery.initial_energy_mwh
    program.lower[last] = max(battery.min_energy_mwh, battery.least_final_energy_mwh)
    program.cost[last] = -value
    return value * battery.initial_energy_mwh


def _write_generator(
    program: Program, scenario: Scenario, place: tuple[slice, slice | None], generator: Generator
) -> None:
    columns, rows = place
    unit = relax_generator(generator, scenario.timeline.step_h)
    rates = coefficients.generator_coefficients(scenario, unit)
    usable = unit.capacity_mw * unit.availability
    needed_h = generator.min_up_h if generator.initially_on else generator.min_down_h
    held = scenario.timeline.steps_for(max(0.0, needed_h - generator.initial_hours))
    least = np.zeros(usable.size)
    if generator.initially_on:
        least[:held] = generator.min_load_mw
    else:
        usable[:held] = 0.0
    program.upper[columns] = usable
    program.lower[columns] = np.where(least <= usable, least, 0.0)
    program.cost[columns] = rates.output_cost + coefficients.carbon_price_per_kg(scenario) * rates.output_carbon_kg
    if rows is None or unit.ramp_mw_per_h is None:
        return
    ramp = unit.ramp_mw_per_h * scenario.timeline.step_h
    before = np.zeros(usable.size)
    before[0] = unit.initial_output_mw if unit.initially_on else 0.0
    lower = before - ramp
    lower[1:][usable[1:] < usable[:-1]] = -np.inf
    if usable[0] < lower[0]:
        lower[0] = -np.inf
    program.row_lower[rows] = lower
    program.row_upper[rows] = before + ramp


def _write_peaks(program: Program, place: _SitePlaces, site: Site) -> float:
    """Returns its part of the objective's offset [currency]."""
    offset = 0.0
    for window in () if site.grid is None else site.grid.demand_windows:
        if window.name not in place.peaks:
            raise ValueError(f"demand window {window.name!r} of {site.name!r} is new; there are {sorted(place.peaks)}")
        column, rows = place.peaks[window.name]
        rate = coefficients.demand_charge_per_mw(window)
        program.cost[column], program.lower[column] = rate, window.peak_so_far_mw
        program.row_lower[rows] = np.where(window.members, 0.0, -np.inf)
        offset -= rate * window.peak_so_far_mw
    return offset


def _write_demand(program: Program, place: _RoutePlaces, services: dict[str, InferenceService]) -> None:
    demand = route_demand(replace(place.route, service=services[place.route.service.name])) / TOKEN_UNIT
    for columns in place.columns:
        program.upper[columns] = demand
    if place.rows is not None:
        program.row_lower[place.rows] = program.row_upper[place.rows] = demand
