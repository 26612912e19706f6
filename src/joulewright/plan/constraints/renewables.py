"""Solar and wind power is used up to what is available; the rest is curtailed.

Constraint (8). Plants of a site are one variable: they cost nothing, so only their sum matters.
"""

from __future__ import annotations

import numpy as np

from joulewright.model import Site
from joulewright.model.timeline import FloatArray
from joulewright.plan.model import Model
from joulewright.plan.program import Term


def add_renewables(model: Model) -> None:
    """Add used renewable power per site."""
    for position, site in enumerate(model.inputs.scenario.sites):
        if site.renewables:
            used = model.builder.variable(
                "renewable_used", model.inputs.steps, model.label(site.name), upper=available_mw(site)
            )
            model.supply[position].append(Term(model.steps, used.index, 1.0))


def available_mw(site: Site) -> FloatArray:
    """Available power of all solar and wind plants together [MW], shape ``(T,)``."""
    return np.asarray(sum(plant.available_mw for plant in site.renewables), dtype=float)
