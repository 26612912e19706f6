"""A rigid job holds its accelerators and draws its power from start to end.

Constraint (2), incremental form: ``held[f, t] - held[f, t-1] = sum_j gpus_j (start[j, f, t] - start[j, f, t-d])``
and likewise for power, where the last step of a run draws only its fraction. The increments need two
coefficients per start instead of ``d``, with the same linear relaxation.
"""

from __future__ import annotations

import numpy as np

from joulewright.plan.inputs import FleetIndex
from joulewright.plan.model import Model, StartColumns
from joulewright.plan.program import Term


def add_continuity(model: Model) -> None:
    """Add held accelerators and, where it is not proportional to them, training power per fleet."""
    if model.starts is None:
        return
    for index in model.inputs.fleets:
        chosen = np.flatnonzero(model.starts.fleet == index.position)
        if chosen.size:
            _add_fleet(model, model.starts, index, chosen)


def _add_fleet(model: Model, starts: StartColumns, index: FleetIndex, chosen: np.ndarray) -> None:
    name = f"{index.site.name}/{index.fleet.name}"
    gpus, power = starts.gpus[chosen], starts.power_mw[chosen]
    held = model.builder.variable("held", model.inputs.steps, model.label(name), upper=index.fleet.available)
    ones = np.ones(chosen.size)
    _add_increments(model, "continuity", name, (held.index, starts, chosen, gpus, ones))
    model.capacity[index.position].append(Term(model.steps, held.index, 1.0))
    idle = index.fleet.idle_power_mw
    fractions = starts.last_fraction[chosen]
    if np.all(fractions == 1.0) and np.ptp(power) == 0.0:
        model.add_load(index.site_position, held, float(power[0]) - idle)
        return
    highest = float(power.max()) * index.fleet.available
    drawn = model.builder.variable("training_power", model.inputs.steps, model.label(name), upper=highest)
    _add_increments(model, "training_power", name, (drawn.index, starts, chosen, gpus * power, fractions))
    model.add_load(index.site_position, drawn, 1.0)
    model.add_load(index.site_position, held, -idle)


def _add_increments(
    model: Model,
    family: str,
    name: str,
    parts: tuple[np.ndarray, StartColumns, np.ndarray, np.ndarray, np.ndarray],
) -> None:
    """Rows ``level[t] - level[t-1] = amounts starting at t - amounts ending at t``."""
    level, starts, chosen, amount, fraction = parts
    steps = model.inputs.steps
    columns, first, length = starts.block.index[chosen], starts.step[chosen], starts.length[chosen]
    terms = [
        Term(model.steps, level, 1.0),
        Term(model.steps[1:], level[:-1], -1.0),
        Term(first, columns, -amount),
    ]
    # The last step draws a fraction: the rest is taken back one step before the end.
    for boundary, share in ((first + length - 1, 1.0 - fraction), (first + length, fraction)):
        inside = (boundary < steps) & (share > 0.0)
        terms.append(Term(boundary[inside], columns[inside], (amount * share)[inside]))
    model.builder.add_rows(family, steps, model.label(name), terms, lower=0.0, upper=0.0)
