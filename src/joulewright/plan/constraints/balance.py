"""Power balance of every site and step.

Constraints (5) to (7): IT power is idle power plus what training and serving add; facility power is PUE
times IT power plus the fixed load; import, renewables, generators, discharge and priced unserved power
cover facility power, charging and export.
"""

from __future__ import annotations

import numpy as np

from joulewright.account import coefficients
from joulewright.model.timeline import FloatArray
from joulewright.plan.constraints.capacity import idle_power_mw
from joulewright.plan.model import Model
from joulewright.plan.program import Term


def add_balance(model: Model) -> None:
    """Add unserved power where it is priced and the balance rows."""
    scenario = model.inputs.scenario
    for position, site in enumerate(scenario.sites):
        terms = list(model.supply[position])
        penalty = coefficients.unserved_power_cost_per_mw(scenario, site)
        if penalty is not None:
            unserved = model.builder.variable(
                "unserved_power",
                model.inputs.steps,
                model.label(site.name),
                upper=largest_load_mw(model, position),
                cost=penalty,
            )
            terms.append(Term(model.steps, unserved.index, 1.0))
        load = [
            Term(term.rows, term.columns, -np.asarray(term.values) * site.pue[np.asarray(term.rows)])
            for term in model.it_power[position]
        ]
        fixed = (idle_power_mw(model, position) + site.fixed_it_power_mw) * site.pue + site.fixed_facility_power_mw
        if penalty is not None:
            # Only load can go unserved: export must not be fed from it.
            rows = [terms[-1], *load]
            model.builder.add_rows("unserved_limit", model.inputs.steps, model.label(site.name), rows, upper=fixed)
        terms += load
        model.builder.add_rows("balance", model.inputs.steps, model.label(site.name), terms, lower=fixed, upper=fixed)


def largest_load_mw(model: Model, site_position: int) -> FloatArray:
    """Facility power with every accelerator at its highest power [MW], shape ``(T,)``."""
    site = model.inputs.scenario.sites[site_position]
    it_power = np.array(site.fixed_it_power_mw, float)
    for index in model.inputs.site_fleets(site_position):
        it_power = it_power + index.fleet.available * highest_power_mw(model, index.position)
    return it_power * site.pue + site.fixed_facility_power_mw


def highest_power_mw(model: Model, fleet_position: int) -> float:
    """Highest IT power one accelerator of a fleet can draw under any work [MW]."""
    index = model.inputs.fleets[fleet_position]
    powers = [index.fleet.idle_power_mw, index.fleet.active_power_mw]
    groups = (*model.inputs.rigid, *model.inputs.divisible)
    powers += [group.job.power_mw for group in groups if group.job.power_mw is not None]
    for route in model.inputs.routes:
        powers += [point.active_power_mw for point in route.service.points_on(index.fleet)]
    return max(powers)
