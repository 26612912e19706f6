"""Several futures of a window: shared decisions, means and tails that can be worked by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from joulewright.plan.moving_window import MovingWindow
from joulewright.plan.two_stage import TwoStageWindow


@pytest.fixture
def priced(tiny):
    """Builds a scenario of one hour of 1 MW at a price."""

    def make(price, **changes):
        grid = tiny.grid(1, import_price_per_mwh=price, export_limit_mw=0.0)
        return tiny.scenario(tiny.site(1, fleets=(), grid=grid, fixed_facility_power_mw=1.0, **changes), steps=1)

    return make


@pytest.mark.parametrize(
    ("aversion", "tail", "expected"),
    [
        (0.0, 0.5, 25.0),  # the mean of 10, 20, 30 and 40
        (1.0, 0.5, 35.0),  # the mean of the dearer half
        (1.0, 0.25, 40.0),  # the dearest
        (1.0, 1.0, 25.0),  # the tail is all
        (0.5, 0.5, 30.0),  # half of each
        (1.0, 0.375, (40.0 + 0.5 * 30.0) / 1.5),  # one and a half of the four
    ],
)
def test_value_at_risk_by_hand(priced, aversion, tail, expected):
    scenarios = [priced(price) for price in (10.0, 20.0, 30.0, 40.0)]
    window = TwoStageWindow(scenarios[0], members=4, shared_steps=1, risk_aversion=aversion, tail_fraction=tail)
    window.solve([(scenario.sites, scenario.inference) for scenario in scenarios])
    assert window.objective == pytest.approx(expected)


def test_the_costs_of_the_futures_are_told(priced):
    scenarios = [priced(price) for price in (10.0, 40.0)]
    window = TwoStageWindow(scenarios[0], members=2, shared_steps=1)
    solutions = window.solve([(scenario.sites, scenario.inference) for scenario in scenarios])
    assert [solution.objective for solution in solutions] == pytest.approx([10.0, 40.0])


@pytest.fixture
def stored(tiny):
    """Two hours of 1 MW with a lossless battery of 1 MWh; the first hour costs 50, the second what is asked for."""

    def make(later):
        battery = tiny.battery(
            energy_mwh=1.0,
            charge_limit_mw=1.0,
            discharge_limit_mw=1.0,
            charge_efficiency=1.0,
            discharge_efficiency=1.0,
            initial_energy_mwh=0.0,
        )
        grid = tiny.grid(2, import_price_per_mwh=[50.0, later], export_limit_mw=0.0)
        return tiny.scenario(
            tiny.site(2, fleets=(), grid=grid, fixed_facility_power_mw=1.0, batteries=(battery,)), steps=2
        )

    return make


def charged(window, scenarios):
    """Charging in the first hour by future, and cost of each future."""
    solutions = window.solve([(scenario.sites, scenario.inference) for scenario in scenarios])
    block = window.joint.program.variables["charge"][0]
    return [block.values(solution.values)[0] for solution in solutions], [solution.objective for solution in solutions]


@pytest.mark.parametrize(("later", "expected"), [((20.0, 90.0), 1.0), ((20.0, 70.0), 0.0)])
def test_first_decisions_are_shared(stored, later, expected):
    """Charging 1 MWh at 50 saves the mean price later: 55 is worth it, 45 is not."""
    scenarios = [stored(price) for price in later]
    amounts, costs = charged(TwoStageWindow(scenarios[0], members=2, shared_steps=1), scenarios)
    assert amounts == pytest.approx([expected, expected])
    saved = np.array(later) - 50.0
    assert costs == pytest.approx(50.0 + np.array(later) - expected * saved)


def test_the_averse_pay_for_safety(stored):
    """The mean is against charging, the dearer future for it."""
    scenarios = [stored(price) for price in (20.0, 70.0)]
    window = TwoStageWindow(scenarios[0], members=2, shared_steps=1, risk_aversion=1.0, tail_fraction=0.5)
    amounts, costs = charged(window, scenarios)
    assert amounts == pytest.approx([1.0, 1.0])
    assert costs == pytest.approx([100.0, 100.0])


def test_one_future_is_the_window_itself(stored):
    scenario = stored(90.0)
    alone = MovingWindow(scenario).solve()
    (found,) = TwoStageWindow(scenario, members=1, shared_steps=1).solve([(scenario.sites, scenario.inference)])
    assert found.objective == pytest.approx(alone.objective)
    np.testing.assert_allclose(found.values, alone.values, atol=1e-9)


def test_equal_futures_are_one(stored):
    scenario = stored(80.0)
    future = (scenario.sites, scenario.inference)
    solutions = TwoStageWindow(scenario, members=3, shared_steps=2, risk_aversion=0.3).solve([future] * 3)
    alone = MovingWindow(scenario).solve().objective
    assert [solution.objective for solution in solutions] == pytest.approx([alone] * 3)


def test_the_next_futures_start_from_the_last_basis(stored):
    window = TwoStageWindow(stored(20.0), members=2, shared_steps=1)
    for later in ((20.0, 90.0), (20.0, 70.0), (90.0, 90.0)):
        amounts, _ = charged(window, [stored(price) for price in later])
        assert amounts[0] == pytest.approx(float(np.mean(later) > 50.0))


def test_an_infeasible_future_is_told(stored):
    scenario = stored(20.0)
    site = scenario.sites[0]
    dark = replace(site, grid=replace(site.grid, import_limit_mw=np.zeros(2)))
    window = TwoStageWindow(scenario, members=2, shared_steps=1)
    assert not window.solve([((site,), ()), ((dark,), ())])[0].optimal


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"members": 0, "shared_steps": 1}, "0 members"),
        ({"members": 2, "shared_steps": 0}, "0 shared steps"),
        ({"members": 2, "shared_steps": 1, "risk_aversion": 1.5}, "risk_aversion is 1.5"),
        ({"members": 2, "shared_steps": 1, "tail_fraction": 0.0}, "tail_fraction 0.0"),
    ],
)
def test_bad_numbers_are_refused(stored, changes, message):
    with pytest.raises(ValueError, match=message):
        TwoStageWindow(stored(20.0), **changes)


def test_another_number_of_futures_is_refused(stored):
    with pytest.raises(ValueError, match="1 futures are given; the program was built for 2"):
        TwoStageWindow(stored(20.0), members=2, shared_steps=1).solve([(stored(20.0).sites, ())])
