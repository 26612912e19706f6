"""Opposite flows: binaries appear only where the relaxation used both directions, and then none is left."""

from __future__ import annotations

import numpy as np
import pytest

from joulewright.check import violations
from joulewright.plan.clock import Clock
from joulewright.plan.exact import solve_exact
from joulewright.plan.extraction import read_schedule
from joulewright.plan.formulation import build
from joulewright.plan.incumbent import losing_directions, opposite_flows
from joulewright.plan.options import PlanOptions
from joulewright.plan.solver import pass_program, read_solution

EXACT = PlanOptions(strategy="exact", gap=1e-9)


def relaxed(scenario, **options):
    joint = build(scenario, **options)
    highs = pass_program(joint.program)
    highs.run()
    return joint, read_solution(highs)


def full_battery(tiny):
    """Prices of +5 and then -50, wear of 6, a full battery of 10 MWh at 90 % each way, no load and no export."""
    battery = tiny.battery(
        charge_efficiency=0.9, discharge_efficiency=0.9, initial_energy_mwh=10.0, wear_cost_per_mwh=6.0
    )
    grid = tiny.grid(2, import_price_per_mwh=[5.0, -50.0], export_limit_mw=0.0)
    return tiny.scenario(tiny.site(2, grid=grid, fleets=(), batteries=(battery,)))


def trader(tiny):
    """Export is paid above import: the relaxation buys and sells at once."""
    grid = tiny.grid(2, import_price_per_mwh=[20.0, 50.0], export_price_per_mwh=[30.0, 30.0])
    return tiny.scenario(tiny.site(2, grid=grid))


def test_a_price_rule_would_miss_the_positive_step(tiny):
    joint, solution = relaxed(full_battery(tiny))
    found = opposite_flows(joint, solution.values)
    assert found["battery", "a", "store"].tolist() == [0, 1]


def test_exact_leaves_no_opposite_flow(tiny):
    """Without losses to burn nothing can be bought: the battery is full and must end full."""
    scenario = full_battery(tiny)
    outcome = solve_exact(scenario, EXACT, Clock(EXACT))
    assert opposite_flows(outcome.joint, outcome.solution.values) == {}
    assert outcome.solution.objective == pytest.approx(0.0, abs=1e-6)
    assert violations(scenario, read_schedule(outcome.joint, outcome.solution.values, "exact")) == []


def test_binaries_stand_only_in_the_steps_that_need_them(tiny):
    scenario = trader(tiny)
    joint, solution = relaxed(scenario)
    found = opposite_flows(joint, solution.values)
    assert {key: steps.tolist() for key, steps in found.items()} == {("grid", "a", ""): [0]}
    held = build(scenario, exclusive=found).program
    (direction,) = held.variables["direction"]
    assert direction.size == 1
    assert held.column_name(direction.first) == "direction[a,2022-07-04T00:00]"
    assert held.integer[direction.first]


def test_limits_of_the_binary_are_those_of_the_step(tiny):
    """inward: import - 100 z <= 0; outward: export + 50 z <= 50."""
    program = build(trader(tiny), exclusive={("grid", "a", ""): np.array([1])}).program
    direction = program.variables["direction"][0].first
    part = slice(program.start[direction], program.start[direction + 1])
    assert sorted(program.value[part].tolist()) == [-100.0, 50.0]
    assert program.row_upper[program.rows["outward"][0].first] == 50.0
    assert program.row_upper[program.rows["inward"][0].first] == 0.0


def test_a_trader_may_do_one_or_the_other(tiny):
    """Idle 0.15 MW must be bought in both steps, so nothing is sold: 0.15 x (20 + 50)."""
    scenario = trader(tiny)
    outcome = solve_exact(scenario, EXACT, Clock(EXACT))
    assert outcome.solution.objective == pytest.approx(10.5)
    assert outcome.bound <= outcome.solution.objective + 1e-6


def test_the_bound_of_the_relaxation_stays_valid(tiny):
    scenario = trader(tiny)
    _, solution = relaxed(scenario)
    outcome = solve_exact(scenario, EXACT, Clock(EXACT))
    assert solution.objective <= outcome.solution.objective


def test_the_smaller_direction_loses(tiny):
    joint, solution = relaxed(trader(tiny))
    (closed,) = losing_directions(joint, solution.values)
    assert joint.program.column_name(closed) == "grid_export[a,2022-07-04T00:00]"


@pytest.mark.parametrize("key", [("grid", "nowhere", ""), ("battery", "a", "tank")])
def test_pairs_that_the_model_lacks_are_left_out(tiny, key):
    program = build(trader(tiny), exclusive={key: np.array([0])}).program
    assert "direction" not in program.variables
