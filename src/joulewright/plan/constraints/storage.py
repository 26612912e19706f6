"""Batteries: stored energy follows charge and discharge.

Constraint (9): ``energy[t+1] = e^(-sigma h) energy[t] + (1 - e^(-sigma h))/sigma (eta_c charge - discharge/eta_d)``,
exact for constant power within the step. Without a terminal value the battery ends at least as full as
it began.
"""

from __future__ import annotations

import numpy as np

from joulewright.account import coefficients
from joulewright.model import Battery
from joulewright.physics.battery import storage_coefficients
from joulewright.plan.model import Model
from joulewright.plan.program import Term


def add_storage(model: Model) -> None:
    """Add charge, discharge and stored energy of every battery."""
    for position, site in enumerate(model.inputs.scenario.sites):
        for battery in site.batteries:
            _add_battery(model, position, f"{site.name}/{battery.name}", battery)


def _add_battery(model: Model, position: int, name: str, battery: Battery) -> None:
    builder, steps, count = model.builder, model.steps, model.inputs.steps
    wear = coefficients.battery_wear_per_mw(model.inputs.scenario, battery)
    charge = builder.variable("charge", count, model.label(name), upper=battery.charge_limit_mw, cost=wear)
    discharge = builder.variable("discharge", count, model.label(name), upper=battery.discharge_limit_mw, cost=wear)
    lower, upper = np.full(count + 1, battery.min_energy_mwh), np.full(count + 1, battery.energy_mwh)
    lower[0] = upper[0] = battery.initial_energy_mwh
    cost = np.zeros(count + 1)
    lower[-1] = max(lower[-1], battery.least_final_energy_mwh)
    if battery.terminal_value_per_mwh is not None:
        cost[-1] = -battery.terminal_value_per_mwh
        builder.offset += battery.terminal_value_per_mwh * battery.initial_energy_mwh
    energy = builder.variable("energy", count + 1, model.label(name), lower=lower, upper=upper, cost=cost)
    retention, effective_h = storage_coefficients(model.inputs.step_h, battery.self_discharge_per_h)
    terms = [
        Term(steps, energy.index[1:], 1.0),
        Term(steps, energy.index[:-1], -retention),
        Term(steps, charge.index, -effective_h * battery.charge_efficiency),
        Term(steps, discharge.index, effective_h / battery.discharge_efficiency),
    ]
    builder.add_rows("storage", count, model.label(name), terms, lower=0.0, upper=0.0)
    model.supply[position] += [Term(steps, discharge.index, 1.0), Term(steps, charge.index, -1.0)]
