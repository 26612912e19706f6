"""The plain implementation: one tick after the other, in the order written here.

A tick covers ``[t, t + step)``. In both modes:

1. the signals of the tick are read: load, renewable power, prices, limits;
2. the battery says what it can take and give over the tick from the state it has at t;
3. the rule or policy sets the power of the battery, within that range;
4. the grid closes the balance: surplus is exported up to the limit, then curtailed, shortage is imported up to the
   limit, then left unserved;
5. the tick is recorded: power during the tick, state before it;
6. the battery takes its new state.

The compiled implementation in :mod:`joulewright.sim.microgrid.kernels` does the same operations in the same order and
gives the same numbers to the last bit.
"""

from __future__ import annotations

import numpy as np

from joulewright.model.timeline import FloatArray
from joulewright.physics import battery as storage
from joulewright.physics.clc_battery import ClcBattery, clc_next_energy_wh, clc_power_range_w
from joulewright.sim.microgrid.design import MicrogridDesign
from joulewright.sim.microgrid.inputs import MicrogridInputs, VessimInputs
from joulewright.sim.microgrid.records import VESSIM_DESIGN, RecordArray
from joulewright.sim.microgrid.vessim import SimpleBattery, VessimDesign


def run_microgrid(
    inputs: MicrogridInputs, design: MicrogridDesign, plants_mw: FloatArray, total: RecordArray, series: RecordArray
) -> None:
    """Simulate one design in MW.

    Parameters
    ----------
    inputs : MicrogridInputs
        Signals.
    design : MicrogridDesign
        Battery and rule.
    plants_mw : FloatArray
        Capacity of every plant of the inputs [MW], shape ``(plants,)``.
    total : RecordArray
        Totals to add to, shape ``()``.
    series : RecordArray
        Series to fill, shape ``(T,)``, or nothing to fill, shape ``(0,)``.
    """
    step_h, cell, rule = inputs.step_s / 3600.0, design.battery, design.rule
    energy = 0.0 if cell is None else cell.initial_energy_mwh
    for tick, seen in enumerate(inputs.signals):
        # 1: signals.
        load, price = float(seen["load_mw"]), float(seen["import_price_per_mwh"])
        import_limit, export_limit = float(seen["import_limit_mw"]), float(seen["export_limit_mw"])
        renewable = 0.0
        for capacity, profile in zip(plants_mw, inputs.profiles, strict=True):
            renewable += float(capacity) * float(profile[tick])
        net = load - renewable
        # 2: range of the battery.
        room = usable = 0.0
        if cell is not None:
            room, usable = (float(limit) for limit in storage.power_range_mw(cell, energy, step_h=step_h))
        # 3: the rule, held to the limits of the connection.
        target = max(-export_limit, min(import_limit, rule.target_mw(net, price)))
        wanted = target - net
        charge, discharge = min(max(wanted, 0.0), room), min(max(-wanted, 0.0), usable)
        # 4: the grid. A target that is met is met exactly, without the rounding of the sum.
        exchange = target if charge - discharge == wanted else net + charge - discharge
        imported, exported = min(max(exchange, 0.0), import_limit), min(max(-exchange, 0.0), export_limit)
        unserved, curtailed = max(exchange, 0.0) - imported, max(-exchange, 0.0) - exported
        # 5: record.
        flows = (load, renewable, curtailed, unserved, imported, exported, charge, discharge)
        if series.size:
            series[tick] = (*flows, energy)
        _add(total, flows, step_h)
        total["import_cost"] += imported * step_h * price
        total["export_revenue"] += exported * step_h * float(seen["export_price_per_mwh"])
        total["carbon_kg"] += imported * step_h * float(seen["carbon_kg_per_mwh"])
        # 6: new state. Only rounding can carry it beyond a limit that the range has kept.
        if cell is not None:
            energy = float(storage.next_energy_mwh(cell, energy, charge, discharge, step_h=step_h))
            energy = min(energy, cell.energy_mwh)
            energy = max(energy, cell.min_energy_mwh) if discharge > 0.0 else energy
    total["final_energy_mwh"] = energy


def _add(total: RecordArray, flows: tuple[float, ...], step_h: float) -> None:
    """Add the flows, which come in the order of the first totals, and keep the peaks."""
    names: tuple[str, ...] = total.dtype.names or ()
    for name, flow in zip(names, flows, strict=False):
        total[name] += flow * step_h
    for name, flow in zip(names[len(flows) :], flows[4:6], strict=False):
        total[name] = max(float(total[name]), flow)


class _Rest:
    """No battery."""

    soc = level_wh = 0.0

    def limits_w(self, step_s: float) -> tuple[float, float]:
        return 0.0, 0.0

    def advance(self, power_w: float, step_s: float) -> None:
        return


class _Simple:
    """A battery without losses; state of charge is kept beside the energy because a limit sets it exactly."""

    def __init__(self, battery: SimpleBattery) -> None:
        self.battery = battery
        self.soc = battery.initial_soc_fraction
        self.level_wh = battery.capacity_wh * battery.initial_soc_fraction

    def limits_w(self, step_s: float) -> tuple[float, float]:
        cell, low, high = self.battery, 0.0, 0.0
        if self.soc > cell.min_soc_fraction:
            usable = (self.level_wh - cell.min_soc_fraction * cell.capacity_wh) * 3600.0
            low = max(-usable / step_s, -cell.power_limit_w)
        if self.soc < 1.0:
            high = min((cell.capacity_wh - self.level_wh) * 3600.0 / step_s, cell.power_limit_w)
        return low, high

    def advance(self, power_w: float, step_s: float) -> None:
        if power_w == 0.0:
            return
        cell, level = self.battery, self.level_wh + power_w * step_s / 3600.0
        lowest = cell.min_soc_fraction * cell.capacity_wh
        if level < lowest:
            self.level_wh, self.soc = lowest, cell.min_soc_fraction
        elif level > cell.capacity_wh:
            self.level_wh, self.soc = cell.capacity_wh, 1.0
        else:
            self.level_wh, self.soc = level, level / cell.capacity_wh


class _Clc:
    """A C-L-C battery; the state is the energy of one cell, with the state of charge kept as above."""

    def __init__(self, battery: ClcBattery) -> None:
        self.battery = battery
        self.soc = battery.initial_soc_fraction
        self.cell_wh = battery.full_wh * battery.initial_soc_fraction

    @property
    def level_wh(self) -> float:
        return self.cell_wh * self.battery.cells

    def limits_w(self, step_s: float) -> tuple[float, float]:
        charge, discharge = clc_power_range_w(self.battery, self.cell_wh, step_s=step_s)
        return -float(discharge), float(charge)

    def advance(self, power_w: float, step_s: float) -> None:
        if power_w == 0.0:
            return
        cell, charge, discharge = self.battery, max(power_w, 0.0), max(-power_w, 0.0)
        self.cell_wh = float(clc_next_energy_wh(cell, self.cell_wh, charge, discharge, step_s=step_s))
        emptied = discharge > 0.0 and self.cell_wh <= cell.min_soc_fraction * cell.full_wh
        self.soc = cell.min_soc_fraction if emptied else self.cell_wh / cell.full_wh


def _store(battery: SimpleBattery | ClcBattery | None) -> _Rest | _Simple | _Clc:
    if battery is None:
        return _Rest()
    return _Simple(battery) if isinstance(battery, SimpleBattery) else _Clc(battery)


def run_vessim(inputs: VessimInputs, design: VessimDesign, total: RecordArray, series: RecordArray) -> None:
    """Simulate one design in W under Vessim's default dispatch policy.

    Parameters
    ----------
    inputs : VessimInputs
        Signals.
    design : VessimDesign
        Battery, grid connection and policy.
    total : RecordArray
        Totals to add to, shape ``()``.
    series : RecordArray
        Series to fill, shape ``(T,)``, or nothing to fill, shape ``(0,)``.
    """
    store, grid_of = _store(design.battery), np.array(design.values(), VESSIM_DESIGN)
    ramp_down, ramp_up = float(grid_of["ramp_down_w"]), float(grid_of["ramp_up_w"])
    most_import, most_export = float(grid_of["max_import_w"]), float(grid_of["max_export_w"])
    before, fixed = design.grid.initial_w, design.charge_power_w
    for tick, seen in enumerate(inputs.signals):
        step_s = inputs.step_s if tick < inputs.signals.size - 1 else inputs.last_step_s
        # 1: signals. Actors add up in their order, the load first.
        load, solar = float(seen["load_w"]), design.solar_scale * float(seen["solar_w"])
        delta = -load + solar
        # 2: ranges of the battery and of the grid, which may change by its ramps.
        low, high = store.limits_w(step_s)
        grid_low = max(-most_import, before - ramp_down)
        grid_high = min(most_export, before + ramp_up)
        # 3: what the grid must do is reserved; the battery takes the rest unless its power is fixed.
        reserved = max(grid_low, min(grid_high, 0.0))
        battery = max(low, min(high, fixed if fixed != 0.0 else delta - reserved))
        # 4: the grid takes what is left.
        left = delta - battery
        grid = max(grid_low, min(grid_high, left))
        missing = left - grid
        unserved, curtailed = max(-missing, 0.0), max(missing, 0.0)
        # 5: record.
        if series.size:
            series[tick] = (delta, battery, grid, unserved, curtailed, store.soc, store.level_wh)
        imported, exported = max(0.0, -grid), max(0.0, grid)
        flows = (load, solar, curtailed, unserved, imported, exported, max(0.0, battery), max(0.0, -battery))
        _add(total, flows, step_s / 3600.0)
        total["import_cost"] += imported * step_s / 3_600_000.0 * float(seen["import_price_per_kwh"])
        total["export_revenue"] += exported * step_s / 3_600_000.0 * float(seen["export_price_per_kwh"])
        total["carbon_kg"] += imported * step_s / 3_600_000.0 * float(seen["carbon_kg_per_kwh"])
        # 6: new state.
        store.advance(battery, step_s)
        before = grid
    total["final_level_wh"], total["final_soc"] = store.level_wh, store.soc
