"""The front of benefit against carbon on plans that can be worked by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from joulewright.check import violations
from joulewright.errors import InfeasibleError
from joulewright.model import CarbonPolicy, Region
from joulewright.plan import PlanOptions
from joulewright.plan.pareto import _monotone, pareto_front

EXACT = PlanOptions(strategy="exact", gap=0.0, threads=1)


@pytest.fixture
def case(tiny):
    """10 MW from a dirty grid at 10 (1 t/MWh) or a clean generator at 60: a tonne less costs 50."""

    def make(**changes):
        site = tiny.site(
            fleets=(),
            fixed_facility_power_mw=10.0,
            grid=tiny.grid(import_price_per_mwh=10.0, export_limit_mw=0.0, carbon=1000.0),
            generators=(tiny.generator(fuel_cost_per_mwh=60.0, capacity_mw=8.0, min_load_mw=0.01),),
        )
        return tiny.scenario(site, **changes)

    return make


def test_from_least_cost_to_least_carbon(case):
    """20 t for 200; at least 4 t, with 16 MWh from the generator; 2 % of the way there are left for whole jobs."""
    scenario = case()
    front = pareto_front(scenario, EXACT, 5)
    assert [point.carbon_kg for point in front] == pytest.approx(np.linspace(20_000.0, 4000.0 + 0.02 * 16_000.0, 5))
    for point in front:
        assert point.cost == pytest.approx(200.0 + 50.0 * (20_000.0 - point.carbon_kg) / 1000.0)
        assert point.benefit == pytest.approx(-point.cost)
        assert point.gap == 0.0
        assert point.bound == pytest.approx(point.benefit)
        assert violations(scenario, point.result.schedule) == []
    assert front[0].budget_kg is None
    assert front[0].abatement_cost_per_t == 0.0
    assert [point.abatement_cost_per_t for point in front[1:]] == pytest.approx([50.0] * 4)
    assert [point.budget_kg for point in front[1:]] == pytest.approx([point.carbon_kg for point in front[1:]])


def test_points_are_told_as_they_are_found_and_none_is_begun_after_a_stop(case):
    told = []
    options = replace(EXACT, should_stop=lambda: len(told) >= 2)
    front = pareto_front(case(), options, 5, found=told.append)
    assert len(told) == 2
    assert [point.carbon_kg for point in front] == [point.carbon_kg for point in told]


def test_the_scenarios_own_budget_is_not_used(case):
    """Neither the budget nor what of it is used already moves the front; a price on carbon does."""
    plain = [point.carbon_kg for point in pareto_front(case(), EXACT, 3)]
    budget = case(carbon=CarbonPolicy(budget_kg=9000.0, used_kg=3000.0, excess_price_per_t=1.0))
    assert [point.carbon_kg for point in pareto_front(budget, EXACT, 3)] == pytest.approx(plain)
    dear = pareto_front(case(carbon=CarbonPolicy(price_per_t=80.0)), EXACT, 3)
    assert [point.carbon_kg for point in dear] == pytest.approx([4000.0])


def test_work_is_kept_where_it_is_worth_its_carbon(tiny):
    """Rejecting the job would save 4 t; its two hours differ by 2 t, so the least carbon with it done is 2 t."""
    site = tiny.site(
        pue=1.0,
        fleets=(tiny.fleet(active_power_mw=0.1, idle_power_mw=0.0),),
        grid=tiny.grid(import_price_per_mwh=[10.0, 50.0], carbon=[1000.0, 500.0]),
    )
    front = pareto_front(tiny.scenario(site, training=(tiny.job(value=5000.0),)), EXACT, 3)
    assert [point.carbon_kg for point in front] == pytest.approx([4000.0, 2000.0])
    assert [point.benefit for point in front] == pytest.approx([4960.0, 4800.0])


def test_unserved_load_does_not_grow(tiny):
    """Leaving demand unserved would be the cleanest plan, but the least-cost plan serves half of it."""
    site = tiny.site(fleets=(tiny.fleet(),), unserved_power_penalty_per_mwh=5000.0)
    service = tiny.service(demand=2e5, revenue_per_mtoken=1.0, unserved_penalty_per_mtoken=2.0)
    scenario = tiny.scenario(site, inference=(service,), regions=(Region(name="west", latency_ms={"a": 5.0}),))
    front = pareto_front(scenario, EXACT, 4)
    assert len(front) == 1
    assert front[0].result.schedule.services["chat"].served_token_s == pytest.approx(np.full((1, 2), 1e5))


def test_without_carbon_there_is_one_point(tiny):
    assert len(pareto_front(tiny.scenario(tiny.site(grid=tiny.grid(carbon=None))), EXACT, 6)) == 1


def test_flexibilities_that_are_off(case):
    without = replace(EXACT, without=frozenset({"generation"}))
    assert [point.carbon_kg for point in pareto_front(case(), without, 3)] == pytest.approx([20_000.0])


def test_dominated_points_are_left_out(case):
    front = pareto_front(case(), EXACT, 3)
    worse = replace(front[1], benefit=front[2].benefit - 1.0)
    assert _monotone([front[0], worse, front[2]]) == [front[0], front[2]]


def test_too_few_points(case):
    with pytest.raises(ValueError, match="at least 2 points, got 1"):
        pareto_front(case(), EXACT, 1)


def test_no_plan_at_all(tiny):
    site = tiny.site(fixed_facility_power_mw=5.0, grid=tiny.grid(import_limit_mw=1.0))
    with pytest.raises(InfeasibleError):
        pareto_front(tiny.scenario(site), EXACT, 3)
