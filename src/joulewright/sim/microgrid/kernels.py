"""Compiled loops over steps and designs.

Each kernel does what its namesake in :mod:`joulewright.sim.microgrid.reference` does, operation by operation, so that
both give the same numbers to the last bit; the numbers in the comments are the parts of a tick listed there.
Everything a kernel calls stands in this file, because the cache on disk notices changes of this file only.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

from joulewright.model.timeline import FloatArray
from joulewright.sim.microgrid.records import RecordArray

_Function = TypeVar("_Function", bound=Callable[..., Any])


def _compiled(function: _Function) -> _Function:
    """Compile on the first call, keep the result on disk and let go of the interpreter while it runs.

    Without fast-math and without contraction, so that every operation rounds as it does in Python.
    """
    return cast(_Function, numba.njit(cache=True, nogil=True, error_model="numpy")(function))


@_compiled
def microgrid_kernel(
    step_h: float,
    signals: RecordArray,
    profiles: FloatArray,
    designs: RecordArray,
    plants_mw: FloatArray,
    totals: RecordArray,
    series: RecordArray,
) -> None:
    """Simulate designs in MW; arguments as in :func:`joulewright.sim.microgrid.reference.run_microgrid`.

    ``designs`` and ``totals`` have shape ``(designs,)``, ``plants_mw`` has shape ``(designs, plants)``.
    """
    for index in range(designs.size):
        _run_microgrid(step_h, signals, profiles, designs[index], plants_mw[index], totals[index], series)


@_compiled
def _run_microgrid(
    step_h: float, signals: Any, profiles: FloatArray, design: Any, plants_mw: FloatArray, total: Any, series: Any
) -> None:
    energy = design.initial_mwh
    for tick in range(signals.size):
        # 1: signals.
        seen = signals[tick]
        renewable = 0.0
        for plant in range(plants_mw.size):
            renewable += plants_mw[plant] * profiles[plant, tick]
        net = seen.load_mw - renewable
        # 2: range of the battery.
        kept = design.retention * energy
        room = (design.capacity_mwh - kept) / (design.effective_h * design.charge_efficiency)
        usable = (kept - design.least_mwh) * design.discharge_efficiency / design.effective_h
        room = min(max(room, 0.0), design.charge_limit_mw)
        usable = min(max(usable, 0.0), design.discharge_limit_mw)
        # 3: the rule.
        target = max(net, 0.0)
        if seen.import_price_per_mwh <= design.low_per_mwh:
            target = math.inf
        elif seen.import_price_per_mwh >= design.high_per_mwh:
            target = design.import_target_mw
        target = max(-seen.export_limit_mw, min(seen.import_limit_mw, target))
        wanted = target - net
        charge, discharge = min(max(wanted, 0.0), room), min(max(-wanted, 0.0), usable)
        # 4: the grid.
        exchange = target if charge - discharge == wanted else net + charge - discharge
        imported = min(max(exchange, 0.0), seen.import_limit_mw)
        exported = min(max(-exchange, 0.0), seen.export_limit_mw)
        unserved, curtailed = max(exchange, 0.0) - imported, max(-exchange, 0.0) - exported
        # 5: record.
        if series.size > 0:
            row = series[tick]
            row.load_mw, row.renewable_mw, row.curtailed_mw = seen.load_mw, renewable, curtailed
            row.unserved_mw, row.grid_import_mw, row.grid_export_mw = unserved, imported, exported
            row.charge_mw, row.discharge_mw, row.energy_mwh = charge, discharge, energy
        total.load_mwh += seen.load_mw * step_h
        total.renewable_mwh += renewable * step_h
        total.curtailed_mwh += curtailed * step_h
        total.unserved_mwh += unserved * step_h
        total.import_mwh += imported * step_h
        total.export_mwh += exported * step_h
        total.charge_mwh += charge * step_h
        total.discharge_mwh += discharge * step_h
        total.peak_import_mw = max(total.peak_import_mw, imported)
        total.peak_export_mw = max(total.peak_export_mw, exported)
        total.import_cost += imported * step_h * seen.import_price_per_mwh
        total.export_revenue += exported * step_h * seen.export_price_per_mwh
        total.carbon_kg += imported * step_h * seen.carbon_kg_per_mwh
        # 6: new state.
        into, out = design.charge_efficiency * charge, discharge / design.discharge_efficiency
        energy = min(kept + design.effective_h * (into - out), design.capacity_mwh)
        if discharge > 0.0:
            energy = max(energy, design.least_mwh)
    total.final_energy_mwh = energy


@_compiled
def vessim_kernel(
    step_s: float,
    last_step_s: float,
    signals: RecordArray,
    designs: RecordArray,
    totals: RecordArray,
    series: RecordArray,
) -> None:
    """Simulate designs in W; arguments as in :func:`joulewright.sim.microgrid.reference.run_vessim`.

    ``designs`` and ``totals`` have shape ``(designs,)``.
    """
    for index in range(designs.size):
        _run_vessim(step_s, last_step_s, signals, designs[index], totals[index], series)


@_compiled
def _run_vessim(step_s: float, last_step_s: float, signals: Any, design: Any, total: Any, series: Any) -> None:
    soc, before = design.initial_soc, design.initial_grid_w
    # The level is that of the pack, or that of one cell of a C-L-C battery.
    cellular = design.cells > 0.0
    level = (design.full_wh if cellular else design.capacity_wh) * soc
    for tick in range(signals.size):
        if tick == signals.size - 1:
            step_s = last_step_s
        # 1: signals.
        seen = signals[tick]
        solar = design.solar_scale * seen.solar_w
        delta = -seen.load_w + solar
        # 2: ranges.
        low, high = _clc_range(design, level, step_s) if cellular else _simple_range(design, level, soc, step_s)
        grid_low = max(-design.max_import_w, before - design.ramp_down_w)
        grid_high = min(design.max_export_w, before + design.ramp_up_w)
        # 3: the policy.
        reserved = max(grid_low, min(grid_high, 0.0))
        aim = design.charge_power_w if design.charge_power_w != 0.0 else delta - reserved
        battery = max(low, min(high, aim))
        # 4: the grid.
        left = delta - battery
        grid = max(grid_low, min(grid_high, left))
        missing = left - grid
        unserved, curtailed = max(-missing, 0.0), max(missing, 0.0)
        # 5: record.
        if series.size > 0:
            row = series[tick]
            row.p_delta_w, row.p_battery_w, row.p_grid_w = delta, battery, grid
            row.unserved_w, row.curtailed_w = unserved, curtailed
            row.soc, row.level_wh = soc, level * design.cells if cellular else level
        _add_vessim(total, seen, (solar, battery, grid, unserved, curtailed), step_s)
        # 6: new state.
        if cellular:
            level, soc = _clc_next(design, level, soc, battery, step_s)
        else:
            level, soc = _simple_next(design, level, soc, battery, step_s)
        before = grid
    total.final_level_wh = level * design.cells if cellular else level
    total.final_soc = soc


@_compiled
def _add_vessim(total: Any, seen: Any, flows: tuple[float, float, float, float, float], step_s: float) -> None:
    solar, battery, grid, unserved, curtailed = flows
    hours, imported, exported = step_s / 3600.0, max(0.0, -grid), max(0.0, grid)
    total.consumed_wh += seen.load_w * hours
    total.produced_wh += solar * hours
    total.curtailed_wh += curtailed * hours
    total.unserved_wh += unserved * hours
    total.import_wh += imported * hours
    total.export_wh += exported * hours
    total.charge_wh += max(0.0, battery) * hours
    total.discharge_wh += max(0.0, -battery) * hours
    total.peak_import_w = max(total.peak_import_w, imported)
    total.peak_export_w = max(total.peak_export_w, exported)
    total.import_cost += imported * step_s / 3_600_000.0 * seen.import_price_per_kwh
    total.export_revenue += exported * step_s / 3_600_000.0 * seen.export_price_per_kwh
    total.carbon_kg += imported * step_s / 3_600_000.0 * seen.carbon_kg_per_kwh


@_compiled
def _simple_range(design: Any, level: float, soc: float, step_s: float) -> tuple[float, float]:
    low = high = 0.0
    if soc > design.min_soc:
        usable = (level - design.min_soc * design.capacity_wh) * 3600.0
        low = max(-usable / step_s, -design.power_limit_w)
    if soc < 1.0:
        high = min((design.capacity_wh - level) * 3600.0 / step_s, design.power_limit_w)
    return low, high


@_compiled
def _simple_next(design: Any, level: float, soc: float, power_w: float, step_s: float) -> tuple[float, float]:
    if power_w == 0.0:
        return level, soc
    after, lowest = level + power_w * step_s / 3600.0, design.min_soc * design.capacity_wh
    if after < lowest:
        return lowest, design.min_soc
    if after > design.capacity_wh:
        return design.capacity_wh, 1.0
    return after, after / design.capacity_wh


@_compiled
def _clc_range(design: Any, cell_wh: float, step_s: float) -> tuple[float, float]:
    lowest = design.min_soc * design.full_wh
    charge = (cell_wh - design.full_wh) / (design.full_wh_per_w - step_s * design.charge_efficiency / 3600)
    charge = min(charge, design.charge_limit_w) * design.cells
    discharge = -(cell_wh - design.empty_wh) / (design.empty_wh_per_w - step_s * design.discharge_factor / 3600)
    discharge = min(discharge, design.discharge_limit_w) * design.cells
    discharge = min(discharge, (cell_wh - lowest) * 3600 / (design.discharge_factor * step_s) * design.cells)
    if cell_wh >= design.full_wh or charge < design.charge_cutoff_w:
        charge = 0.0
    if cell_wh <= lowest or discharge < design.discharge_cutoff_w:
        discharge = 0.0
    return -discharge, charge


@_compiled
def _clc_next(design: Any, cell_wh: float, soc: float, power_w: float, step_s: float) -> tuple[float, float]:
    if power_w == 0.0:
        return cell_wh, soc
    hours, lowest = step_s / 3600, design.min_soc * design.full_wh
    if power_w > 0.0:
        after = cell_wh + design.charge_efficiency * (power_w / design.cells) * hours
    else:
        after = cell_wh - design.discharge_factor * (-power_w / design.cells) * hours
        if after <= lowest:
            return lowest, design.min_soc
    return after, after / design.full_wh
