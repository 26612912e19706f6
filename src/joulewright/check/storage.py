"""Batteries: recursion, bounds, power limits and the end of the horizon (equations 9 and 11)."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from joulewright.check.energy import exclusive, non_negative
from joulewright.check.violation import Judge, Limit, Violation
from joulewright.model import Battery, BatterySchedule, Scenario, Schedule


def storage(judge: Judge, scenario: Scenario, schedule: Schedule) -> Iterator[Violation]:
    """Every battery of every site."""
    for site in scenario.sites:
        for battery in site.batteries:
            plan, where = schedule.sites[site.name].batteries[battery.name], f"{site.name}/{battery.name}"
            yield from _power(judge, battery, plan, where)
            yield from _energy(judge, scenario.timeline.step_h, battery, plan, where)


def _power(judge: Judge, battery: Battery, plan: BatterySchedule, where: str) -> Iterator[Violation]:
    yield from non_negative(judge, where, {"Charge": plan.charge_mw, "Discharge": plan.discharge_mw})
    charge = Limit(constraint="battery-power", where=where, quantity="Charge", unit="MW")
    yield from judge.series(charge, plan.charge_mw, battery.charge_limit_mw)
    discharge = Limit(constraint="battery-power", where=where, quantity="Discharge", unit="MW")
    yield from judge.series(discharge, plan.discharge_mw, battery.discharge_limit_mw)
    yield from exclusive(judge, where, ("charge", plan.charge_mw), ("discharge", plan.discharge_mw))


def _energy(judge: Judge, step_h: float, battery: Battery, plan: BatterySchedule, where: str) -> Iterator[Violation]:
    stored, decay = plan.energy_mwh, battery.self_discharge_per_h
    retained = math.exp(-decay * step_h)
    hours = -math.expm1(-decay * step_h) / decay if decay > 0.0 else step_h
    net_mw = battery.charge_efficiency * plan.charge_mw - plan.discharge_mw / battery.discharge_efficiency
    expected = np.concatenate(([battery.initial_energy_mwh], retained * stored[:-1] + hours * net_mw))
    recursion = Limit(constraint="storage", where=where, quantity="Stored energy", unit="MWh", sense="equal")
    yield from judge.series(recursion, stored, expected)
    least = Limit(constraint="storage-bound", where=where, quantity="Stored energy", unit="MWh", sense="at least")
    yield from judge.series(least, stored, battery.min_energy_mwh)
    most = Limit(constraint="storage-bound", where=where, quantity="Stored energy", unit="MWh")
    yield from judge.series(most, stored, battery.energy_mwh)
    final_mwh = battery.terminal_energy_mwh
    if final_mwh is None and battery.terminal_value_per_mwh is None:
        final_mwh = battery.initial_energy_mwh
    if final_mwh is not None:
        end = Limit(constraint="storage-end", where=where, quantity="Stored energy", unit="MWh", sense="at least")
        yield from judge.scalar(end, float(stored[-1]), final_mwh, plan.charge_mw.size)
