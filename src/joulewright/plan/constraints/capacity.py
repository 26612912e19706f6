"""Accelerators and IT power are limited.

Constraint (3): training and serving together hold at most the available accelerators of a fleet, and
the IT power of a site stays within its limit.
"""

from __future__ import annotations

import numpy as np

from joulewright.model.timeline import FloatArray
from joulewright.plan.model import Model
from joulewright.plan.program import Term


def add_capacity(model: Model) -> None:
    """Add accelerator rows per fleet and IT-power rows per site."""
    for index in model.inputs.fleets:
        terms, name = model.capacity[index.position], f"{index.site.name}/{index.fleet.name}"
        # Accelerators held by rigid jobs alone are bounded by their own column.
        if terms and not (len(terms) == 1 and model.block_for("held", name)):
            model.builder.add_rows(
                "accelerators", model.inputs.steps, model.label(name), terms, upper=index.fleet.available
            )
    for position, site in enumerate(model.inputs.scenario.sites):
        if site.it_limit_mw is not None:
            model.builder.add_rows(
                "it_limit",
                model.inputs.steps,
                model.label(site.name),
                model.it_power[position] or [Term([], [], [])],
                upper=site.it_limit_mw - idle_power_mw(model, position) - site.fixed_it_power_mw,
            )


def idle_power_mw(model: Model, site_position: int) -> FloatArray:
    """IT power of all available accelerators at idle [MW], shape ``(T,)`` (constraint 5)."""
    total: FloatArray = np.zeros(model.inputs.steps)
    for index in model.inputs.site_fleets(site_position):
        total = total + index.fleet.available * index.fleet.idle_power_mw
    return total
