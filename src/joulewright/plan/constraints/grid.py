"""Grid import and export within their limits and ramps.

Constraint (10), with the firm and flexible parts of the connection already in the import limit.
"""

from __future__ import annotations

import numpy as np

from joulewright.account import coefficients
from joulewright.model import GridConnection, Scenario
from joulewright.model.timeline import FloatArray
from joulewright.plan.model import Model
from joulewright.plan.program import Block, Term


def add_grid(model: Model) -> None:
    """Add import and export per site, their carbon and the ramp rows."""
    scenario = model.inputs.scenario
    for position, site in enumerate(scenario.sites):
        grid, unit = site.grid, coefficients.grid_coefficients(scenario, site)
        if grid is None or unit is None:
            continue
        label, steps = model.label(site.name), model.inputs.steps
        cost, revenue = exchange_coefficients(scenario, unit)
        bought = model.builder.variable("grid_import", steps, label, upper=grid.import_limit_mw, cost=cost)
        model.supply[position].append(Term(model.steps, bought.index, 1.0))
        model.emit(position, bought, unit.import_carbon_kg)
        sold = None
        if grid.export_limit_mw.any():
            sold = model.builder.variable("grid_export", steps, label, upper=grid.export_limit_mw, cost=-revenue)
            model.supply[position].append(Term(model.steps, sold.index, -1.0))
            model.emit(position, sold, -unit.export_credit_kg)
        if grid.ramp_mw_per_h is not None:
            _add_ramp(model, site.name, (grid, bought, sold))


def exchange_coefficients(scenario: Scenario, unit: coefficients.GridCoefficients) -> tuple[FloatArray, FloatArray]:
    """Cost of one MW of import and worth of one MW of export in each step, carbon price included [currency/MW]."""
    price = coefficients.carbon_price_per_kg(scenario)
    cost = unit.import_cost + price * unit.import_carbon_kg
    return cost, unit.export_revenue + price * unit.export_credit_kg


def _add_ramp(model: Model, name: str, parts: tuple[GridConnection, Block, Block | None]) -> None:
    grid, bought, sold = parts
    limit = float(np.float64(grid.ramp_mw_per_h) * model.inputs.step_h)
    rows = model.steps[:-1]
    terms = [Term(rows, bought.index[1:], 1.0), Term(rows, bought.index[:-1], -1.0)]
    if sold is not None:
        terms += [Term(rows, sold.index[1:], -1.0), Term(rows, sold.index[:-1], 1.0)]
    steps = model.inputs.step_label
    model.builder.add_rows(
        "grid_ramp", rows.size, lambda row: f"{name},{steps(row + 1)}", terms, lower=-limit, upper=limit
    )
