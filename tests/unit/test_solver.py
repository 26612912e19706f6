"""HiGHS behind one function in and one out; a time limit without an incumbent is never a plan."""

from __future__ import annotations

from dataclasses import replace

import highspy
import numpy as np
import pytest

from joulewright.errors import InfeasibleError, SolverError
from joulewright.plan.clock import Clock
from joulewright.plan.exact import solve_exact
from joulewright.plan.integer import hold_integers, run_integer
from joulewright.plan.options import PlanOptions
from joulewright.plan.planner import plan
from joulewright.plan.program import Builder, Program, Term
from joulewright.plan.solver import pass_program, read_solution


def program(*, integer: bool = False, least: float = 3.0) -> Program:
    """``min 2 x + 1.5 y + 10`` over x in [0, 2], y in [0, 5] with ``2 x + y >= least``."""
    builder = Builder(offset=10.0)
    block = builder.variable("v", 2, lambda item: "xy"[item], upper=[2.0, 5.0], cost=[2.0, 1.5], integer=integer)
    builder.add_rows("need", 1, lambda _: "all", [Term(0, block.index, [2.0, 1.0])], lower=least)
    return builder.compile()


def solved(wanted: Program, **options):
    highs = pass_program(wanted, **options)
    highs.run()
    return read_solution(highs)


def test_an_optimum_is_read_with_its_duals() -> None:
    solution = solved(program())
    assert solution.optimal
    assert solution.values == pytest.approx([1.5, 0.0])
    assert solution.objective == pytest.approx(13.0)
    assert solution.row_duals == pytest.approx([1.0])
    assert solution.reduced_costs == pytest.approx([0.0, 0.5])


def test_integrality_is_used_only_when_asked_for() -> None:
    assert solved(program(integer=True)).objective == pytest.approx(13.0)
    assert solved(program(integer=True), integer=True).objective == pytest.approx(13.5)


def test_an_infeasible_program_is_not_optimal() -> None:
    solution = solved(program(least=10.0))
    assert solution.status == "Infeasible"
    assert not solution.optimal


def test_an_unknown_option_names_itself_and_the_version() -> None:
    with pytest.raises(SolverError, match=rf"{highspy.Highs().version()}.*'no_such_option' = 1|no_such_option = 1"):
        pass_program(program(), options={"no_such_option": 1})


def test_a_model_that_highs_refuses_raises() -> None:
    broken = replace(program(), cost=np.array([np.nan, 1.0]), upper=np.array([-np.inf, -np.inf]))
    broken = replace(broken, index=np.array([0, 7], np.int32))
    with pytest.raises(SolverError, match="1 rows and 2 columns"):
        pass_program(broken)


def test_nothing_is_printed(capfd) -> None:
    solved(program(integer=True), integer=True)
    assert capfd.readouterr() == ("", "")


def test_holding_integers_leaves_the_rest_to_the_linear_program() -> None:
    wanted = program()
    wanted = replace(wanted, integer=np.array([True, False]))
    held = hold_integers(wanted, np.array([0.9999999, 3.0]))
    assert held.values == pytest.approx([1.0, 1.0])
    assert held.objective == pytest.approx(13.5)


def hard_program(items: int = 60) -> Program:
    """A market-split program: two equality knapsacks over binaries, with no solution that a rounding finds."""
    draw = np.random.default_rng(1)
    builder = Builder()
    block = builder.variable("x", items, str, upper=1.0, cost=draw.uniform(1.0, 2.0, items), integer=True)
    weights = draw.integers(1, 100, (5, items)).astype(float)
    half = np.floor(weights.sum(axis=1) / 2)
    terms = [Term(row, block.index, weights[row]) for row in range(5)]
    builder.add_rows("split", 5, str, terms, lower=half, upper=half)
    return builder.compile()


def test_a_time_limit_without_incumbent_gives_no_values() -> None:
    wanted = hard_program()
    clock = Clock(PlanOptions(time_limit_s=0.2))
    run = run_integer(wanted, {"threads": 1}, clock)
    assert run.status == "Time limit reached"
    assert run.values is None
    assert np.isfinite(run.bound)


def test_a_known_solution_survives_a_time_limit() -> None:
    wanted = program(integer=True)
    run = run_integer(wanted, {"threads": 1}, Clock(PlanOptions()), start=np.array([2.0, 5.0]))
    assert run.status == "Optimal"
    assert run.values == pytest.approx([0.0, 3.0]) or run.values == pytest.approx([1.0, 1.0])
    assert run.bound == pytest.approx(13.5)


def knapsack_scenario(tiny, count=12):
    """Jobs that compete for accelerators, so that HiGHS has to branch."""
    draw = np.random.default_rng(5)
    jobs = tuple(
        tiny.job(
            f"j{n}",
            gpus=int(draw.integers(20, 60)),
            duration_h=float(draw.integers(2, 7)),
            value=9e3,
            deadline=tiny.at(24),
        )
        for n in range(count)
    )
    price = 50.0 + 30.0 * np.sin(np.arange(24))
    return tiny.scenario(tiny.site(24, grid=tiny.grid(24, import_price_per_mwh=price)), steps=24, training=jobs)


def test_a_plan_without_incumbent_is_no_plan(tiny, monkeypatch) -> None:
    """HiGHS holds a vector after a time limit; without its own word for feasibility that vector is not used."""
    seen = []

    def stopped(wanted, limits, clock, *, start=None):
        run = run_integer(hard_program(), limits, Clock(PlanOptions(time_limit_s=0.05)))
        seen.append(run)
        return run

    monkeypatch.setattr("joulewright.plan.exact.run_integer", stopped)
    result = plan(knapsack_scenario(tiny), PlanOptions(strategy="exact", time_limit_s=0.05))
    assert seen[0].values is None
    assert result.status == "time-limit"
    assert (result.schedule, result.ledger, result.objective, result.gap) == (None, None, None, None)
    assert not result.feasible


def test_exact_proves_the_gap_it_was_asked_for(tiny) -> None:
    scenario, options = knapsack_scenario(tiny, 4), PlanOptions(strategy="exact", gap=1e-6)
    outcome = solve_exact(scenario, options, Clock(options))
    assert outcome.status == "optimal"
    assert outcome.bound_source == "search-tree"
    assert outcome.bound <= outcome.solution.objective + 1e-6 * abs(outcome.bound)


def test_an_infeasible_scenario_is_an_error_not_a_plan(tiny) -> None:
    site = tiny.site(2, grid=tiny.grid(2, import_limit_mw=0.01))
    with pytest.raises(InfeasibleError):
        plan(tiny.scenario(site), PlanOptions(strategy="exact"))


def test_a_program_without_integers_is_bounded_by_its_optimum(tiny):
    """HiGHS reports a dual bound of zero where it runs no search tree."""
    scenario = tiny.scenario(tiny.site(2), steps=2)
    result = plan(scenario, PlanOptions(strategy="exact"))
    assert result.objective != 0.0
    assert result.bound == pytest.approx(result.objective)
    assert result.gap == 0.0
