"""Whatever numbers a window takes, and however far it moves, it has the optimum of a model built anew."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulewright.plan.formulation import build
from joulewright.plan.free_generators import relax_generators
from joulewright.plan.moving_window import MovingWindow
from joulewright.plan.solver import pass_program, read_solution
from joulewright.plan.two_stage import TwoStageWindow


def energy_only(random_case, seed):
    """A random scenario without jobs and budgets; the demand window may have no members."""
    scenario, _ = random_case(seed)
    return scenario.with_changes(training=(), carbon=replace(scenario.carbon, budget_kg=None))


def optimum(scenario) -> float:
    highs = pass_program(build(relax_generators(scenario)).program)
    highs.run()
    solution = read_solution(highs)
    assert solution.optimal
    return solution.objective


@given(seeds=st.lists(st.integers(0, 10**6), min_size=1, max_size=5), stride=st.integers(0, 7))
def test_a_moved_window_equals_a_rebuilt_model(random_case, seeds, stride):
    window = MovingWindow(energy_only(random_case, seeds[0]))
    for seed in seeds:
        scenario = energy_only(random_case, seed)
        window.move(scenario.sites, scenario.inference, steps=stride)
        assert window.solve().objective == pytest.approx(optimum(scenario), rel=1e-9, abs=1e-6)


@given(seed=st.integers(0, 10**6), aversion=st.floats(0.0, 1.0), tail=st.floats(0.05, 1.0))
def test_sharing_decisions_never_helps_and_risk_is_at_least_the_mean(random_case, seed, aversion, tail):
    scenarios = [energy_only(random_case, seed + item) for item in range(3)]
    futures = [(scenario.sites, scenario.inference) for scenario in scenarios]
    alone = np.mean([optimum(scenario) for scenario in scenarios])
    window = TwoStageWindow(scenarios[0], members=3, shared_steps=2, risk_aversion=aversion, tail_fraction=tail)
    costs = [solution.objective for solution in window.solve(futures)]
    assert np.mean(costs) >= alone - 1e-6 * abs(alone)
    assert window.objective >= np.mean(costs) - 1e-6 * max(1.0, abs(window.objective))
