"""Any sequence of changes in place gives the optimum of a model built anew."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulewright.plan.formulation import build
from joulewright.plan.rolling_window import RollingWindow
from joulewright.plan.solver import pass_program, read_solution

STEPS = 6


def change(draw, window, scenario):
    """One random change of one site, in the window and in the scenario."""
    position = int(draw.integers(0, len(scenario.sites)))
    site = scenario.sites[position]
    kind = draw.choice(["prices", "limits", "renewables", "load", "energy"])
    if kind == "prices":
        series = {name: draw.uniform(-50.0, 200.0, STEPS) for name in ("import_price_per_mwh", "export_price_per_mwh")}
        window.set_prices(site.name, **series)
        site = replace(site, grid=replace(site.grid, **series))
    elif kind == "limits":
        series = {"import_limit_mw": draw.uniform(0.0, 120.0, STEPS), "export_limit_mw": draw.uniform(0.0, 40.0, STEPS)}
        window.set_limits(site.name, **series)
        site = replace(site, grid=replace(site.grid, **series))
    elif kind == "renewables":
        available = draw.uniform(0.0, 20.0, STEPS)
        window.set_renewables(site.name, available)
        site = replace(site, renewables=(replace(site.renewables[0], capacity_mw=20.0, per_unit=available / 20.0),))
    elif kind == "load":
        load = draw.uniform(0.0, 60.0, STEPS)
        window.set_load(site.name, load)
        site = replace(site, fixed_facility_power_mw=load)
    else:
        energy = float(draw.uniform(0.0, 10.0))
        window.set_initial_energy(site.name, "store", energy)
        site = replace(site, batteries=(replace(site.batteries[0], initial_energy_mwh=energy),))
    sites = list(scenario.sites)
    sites[position] = site
    return scenario.with_changes(sites=tuple(sites))


@given(seed=st.integers(0, 10**6))
def test_changes_in_place_equal_a_rebuilt_model(random_case, seed):
    draw = np.random.default_rng(seed)
    scenario, _ = random_case(seed)
    window = RollingWindow(scenario)
    for _ in range(int(draw.integers(1, 6))):
        scenario = change(draw, window, scenario)
        if draw.random() < 0.5:
            window.solve()
    highs = pass_program(build(scenario).program)
    highs.run()
    anew, found = read_solution(highs), window.solve()
    assert found.status == anew.status
    if anew.optimal:
        assert found.objective == pytest.approx(anew.objective, rel=1e-9, abs=1e-6)
