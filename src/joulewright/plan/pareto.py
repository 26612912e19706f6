"""The front of benefit against carbon, and what avoiding the next tonne costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from joulewright.errors import InfeasibleError
from joulewright.model import Scenario, Schedule
from joulewright.model.timeline import FloatArray
from joulewright.plan.constraints.demand import TOKEN_UNIT
from joulewright.plan.formulation import build
from joulewright.plan.holding import integer_values
from joulewright.plan.model import JointProgram
from joulewright.plan.options import PlanOptions
from joulewright.plan.planner import plan
from joulewright.plan.reduction import reduce_scenario
from joulewright.plan.relaxation import value_options
from joulewright.plan.result import PlanResult
from joulewright.plan.solver import pass_program, read_solution

_MARGIN = 0.02
_NOISE = 1e-7


@dataclass(frozen=True, kw_only=True, eq=False)
class ParetoPoint:
    """A plan of the front.

    Attributes
    ----------
    budget_kg : float or None
        Carbon that was allowed over the horizon [kg]; None for the plan without a budget.
    carbon_kg, cost, benefit : float
        What the plan emits [kg], costs and is worth [currency].
    abatement_cost_per_t : float
        What one tonne less would cost: the marginal price of the budget [currency/t].
    gap : float or None
        Certified gap of the plan.
    bound : float
        No plan within this budget has a higher benefit [currency].
    result : PlanResult
        The plan itself.
    """

    budget_kg: float | None
    carbon_kg: float
    cost: float
    benefit: float
    abatement_cost_per_t: float
    gap: float | None
    bound: float
    result: PlanResult


def pareto_front(
    scenario: Scenario,
    options: PlanOptions | None = None,
    points: int = 8,
    *,
    found: Callable[[ParetoPoint], None] = lambda point: None,
) -> list[ParetoPoint]:
    """Plans from least cost to least carbon.

    The carbon of the best plan without a system budget is lowered in equal steps to the least that still allows all
    the work of that plan; in between each plan is the best one within its budget and may leave out work that is worth
    less than its carbon. A budget of the scenario itself is not used; budgets of single sites and prices stay.

    Parameters
    ----------
    scenario : Scenario
        The facts.
    options : PlanOptions, optional
        Strategy and limits of every single plan. Once its ``should_stop`` is true, no further plan is begun.
    points : int
        Number of plans, at least 2; budgets that turn out to be infeasible are left out.
    found : callable
        Called with every plan as soon as it is there.

    Returns
    -------
    list of ParetoPoint
        From most to least carbon; benefit never rises along it.

    Raises
    ------
    InfeasibleError
        If there is no plan even without a budget.
    ValueError
        If fewer than two points are asked for.
    """
    if points < 2:
        raise ValueError(f"a front needs at least 2 points, got {points}")
    options = options or PlanOptions()
    scenario = reduce_scenario(scenario, options.without)
    options = replace(options, previous=None, churn_cost=0.0)
    best = plan(_with_budget(scenario, None), options)
    if best.schedule is None or best.ledger is None:
        return []
    front = [_point(best, None)]
    found(front[0])
    most, relaxed = best.ledger.carbon_kg, _least_carbon_kg(scenario, options, best.schedule)
    # Whole jobs cannot reach what jobs in parts can.
    least = relaxed + _MARGIN * (most - relaxed)
    if most - least > 1e-6 * max(1.0, abs(most)):
        for budget_kg in np.linspace(most, least, points)[1:]:
            if options.should_stop is not None and options.should_stop():
                break
            point = _within(scenario, options, float(budget_kg))
            if point is not None:
                front.append(point)
                found(point)
    return _monotone(front)


def _with_budget(scenario: Scenario, budget_kg: float | None) -> Scenario:
    carbon = scenario.carbon
    total_kg = None if budget_kg is None else carbon.used_kg + budget_kg
    return scenario.with_changes(carbon=replace(carbon, budget_kg=total_kg, excess_price_per_t=None))


def _within(scenario: Scenario, options: PlanOptions, budget_kg: float) -> ParetoPoint | None:
    try:
        result = plan(_with_budget(scenario, budget_kg), options)
    except InfeasibleError:
        return None
    return None if result.schedule is None else _point(result, budget_kg)


def _point(result: PlanResult, budget_kg: float | None) -> ParetoPoint:
    if result.ledger is None:
        raise ValueError(f"the search ended as {result.status!r} without a plan")
    return ParetoPoint(
        budget_kg=budget_kg,
        carbon_kg=result.ledger.carbon_kg,
        cost=result.ledger.cost,
        benefit=result.ledger.benefit,
        abatement_cost_per_t=0.0 if result.duals is None else result.duals.carbon_price_per_t,
        gap=result.gap,
        bound=result.bound,
        result=result,
    )


def _least_carbon_kg(scenario: Scenario, options: PlanOptions, schedule: Schedule) -> float:
    """Least carbon with the work of a plan done, by the linear relaxation [kg]; infinite if that is not solved."""
    joint = build(_with_budget(scenario, None), without=options.without)
    program = joint.program
    upper = _with_work_held(joint, schedule)
    carbon = replace(program, cost=joint.carbon_kg, offset=0.0, upper=upper)
    highs = pass_program(carbon, options=value_options(program))
    highs.run()
    solution = read_solution(highs)
    if not solution.optimal:
        return float("inf")
    return float(solution.objective)


def _with_work_held(joint: JointProgram, schedule: Schedule) -> FloatArray:
    """Upper bounds of the columns with no more rejections and unserved load than in a plan, shape ``(n,)``."""
    program, upper = joint.program, joint.program.upper.copy()
    columns, values = integer_values(joint, schedule)
    held = np.zeros(upper.size)
    held[columns] = values
    for family in ("rejected", "rejected_divisible"):
        for block in program.variables.get(family, []):
            upper[block.index] = held[block.index]
    for block in program.variables.get("unserved_power", []):
        upper[block.index] = schedule.sites[block.label(0).rsplit(",", 1)[0]].unserved_mw
    for block in program.variables.get("unserved_demand", []):
        service, regions = block.label(0).rsplit(",", 1)[0].split(",", 1)
        missing = schedule.services[service].unserved_token_s
        upper[block.index] = sum(missing[region] for region in regions.split("+")) / TOKEN_UNIT
    return np.minimum(program.upper, upper + _NOISE)


def _monotone(points: list[ParetoPoint]) -> list[ParetoPoint]:
    """The points from most to least carbon, without those that another one beats in carbon and benefit."""
    kept: list[ParetoPoint] = []
    for point in sorted(points, key=lambda point: (point.carbon_kg, -point.benefit)):
        if not kept or point.benefit > kept[-1].benefit:
            kept.append(point)
    return kept[::-1]
