"""Demand charges on the highest import of each billing window.

Constraint (13): ``peak >= grid_import[t]`` for the window's steps and ``peak >= peak_so_far``; the charge is
linear in ``peak - peak_so_far``.
"""

from __future__ import annotations

import numpy as np

from joulewright.account import coefficients
from joulewright.model import DemandWindow, GridConnection
from joulewright.plan.model import Model
from joulewright.plan.program import Block, Term


def add_demand_charges(model: Model) -> None:
    """Add the peaks of all billing windows."""
    for site in model.inputs.scenario.sites:
        bought = model.block_for("grid_import", site.name)
        if site.grid is not None and bought is not None:
            for window in site.grid.demand_windows:
                _add_window(model, site.name, window, (site.grid, bought))


def _add_window(model: Model, site: str, window: DemandWindow, parts: tuple[GridConnection, Block]) -> None:
    grid, bought = parts
    chosen = np.flatnonzero(window.members)
    if not chosen.size:
        return
    name, rate = f"{site}/{window.name}", coefficients.demand_charge_per_mw(window)
    highest = max(float(grid.import_limit_mw[chosen].max()), window.peak_so_far_mw)
    peak = model.builder.variable("peak", 1, lambda _: name, lower=window.peak_so_far_mw, upper=highest, cost=rate)
    model.builder.offset -= rate * window.peak_so_far_mw
    rows = np.arange(chosen.size)
    model.builder.add_rows(
        "peak",
        chosen.size,
        lambda row: f"{name},{model.inputs.step_label(int(chosen[row]))}",
        [Term(rows, peak.index[0], 1.0), Term(rows, bought.index[chosen], -1.0)],
        lower=0.0,
    )
