"""``plan``: from a scenario to a checked plan with a certified gap."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import highspy

from joulewright.account import settle
from joulewright.check import violations
from joulewright.errors import InfeasibleError, SolverError
from joulewright.model import Scenario, Schedule
from joulewright.plan.clock import Clock, relative_gap
from joulewright.plan.exact import solve_exact
from joulewright.plan.extraction import read_duals, read_schedule
from joulewright.plan.formulation import build
from joulewright.plan.guided.strategy import GuidedSearch, solve_guided
from joulewright.plan.infeasible import with_fixes
from joulewright.plan.model import JointProgram
from joulewright.plan.options import PlanOptions
from joulewright.plan.reduction import reduce_scenario
from joulewright.plan.result import PlanResult
from joulewright.plan.rolling import solve_rolling
from joulewright.plan.rounding_notes import rounding_notes
from joulewright.plan.strategy import Outcome

LARGE_NONZEROS = 250_000
"""Above this many coefficients the guided strategy works window by window under one long view."""
_WINDOW_H, _WINDOW_WORK = 96.0, 2.0


def plan(scenario: Scenario, options: PlanOptions | None = None) -> PlanResult:
    """Plan compute and energy together.

    Parameters
    ----------
    scenario : Scenario
        The facts.
    options : PlanOptions, optional
        Strategy, limits and switches.

    Returns
    -------
    PlanResult
        The best plan found, its ledger, bound and certified gap. Without a plan within the limits
        ``schedule`` is None.

    Raises
    ------
    InfeasibleError
        If no plan satisfies every limit; ``explanation`` says why and what would help.
    SolverError
        If the solver fails or its plan does not pass the independent check.
    """
    options = options or PlanOptions()
    scenario = reduce_scenario(scenario, options.without)
    clock = Clock(options)
    try:
        outcome = _solve(scenario, options, clock)
    except InfeasibleError as error:
        raise with_fixes(error, scenario, options.without) from None
    return finish(scenario, options, clock, outcome)


def _solve(scenario: Scenario, options: PlanOptions, clock: Clock) -> Outcome:
    if options.strategy == "exact":
        return solve_exact(scenario, options, clock)
    if options.strategy == "rolling":
        return solve_rolling(scenario, options, clock)
    joint = build(scenario, without=options.without, previous=options.previous, churn_cost=options.churn_cost)
    if joint.program.value.size > LARGE_NONZEROS:
        return _solve_large(scenario, options, clock, joint)
    return solve_guided(scenario, options, clock, joint)


def _solve_large(scenario: Scenario, options: PlanOptions, clock: Clock, joint: JointProgram) -> Outcome:
    """Window by window, then improved as a whole unless the program is very large."""
    relax = joint.program.value.size > 4 * LARGE_NONZEROS
    if relax:
        return solve_rolling(scenario, options, clock)
    # Short windows and little work in each: what they miss is found when the whole is improved.
    brief = replace(options, window_h=min(options.window_h, _WINDOW_H), commit_h=min(options.commit_h, _WINDOW_H / 2))
    outcome = solve_rolling(scenario, brief, clock, relax=False, window_work=_WINDOW_WORK)
    if outcome.schedule is None or clock.why_stop():
        return outcome
    search = GuidedSearch(joint, options, clock)
    status = search.polish(outcome.schedule, outcome.bound)
    if search.best is None:
        return outcome
    return Outcome(joint, search.best.solution, outcome.bound, status, notes=outcome.notes)


def finish(scenario: Scenario, options: PlanOptions, clock: Clock, outcome: Outcome) -> PlanResult:
    """Turn the end of a search into a checked result.

    Raises
    ------
    SolverError
        If the plan breaks a limit.
    """
    common: dict[str, Any] = {
        "bound": -outcome.bound,
        "bound_source": outcome.bound_source,
        "strategy": options.strategy,
        "solver": f"HiGHS {highspy.Highs().version()}",
        "seed": options.seed,
        "threads": options.threads,
        "options": plain_options(options),
        "notes": (*outcome.notes, *rounding_notes(scenario)),
    }
    schedule = _schedule(options, outcome)
    if schedule is None:
        return PlanResult(
            schedule=None,
            ledger=None,
            status=outcome.status,
            objective=None,
            gap=None,
            cost=0.0,
            **common,
            **_times(clock),
        )
    broken = violations(scenario, schedule)
    if broken:
        listed = "; ".join(str(item) for item in broken[:5])
        raise SolverError(f"the {options.strategy} plan breaks {len(broken)} limits and is not returned: {listed}")
    ledger = settle(scenario, schedule)
    objective = ledger.benefit if outcome.solution is None else -outcome.solution.objective
    clock.objective, clock.bound, clock.cost = objective, -outcome.bound, ledger.cost
    clock.report("done")
    gap = relative_gap(objective, -outcome.bound, ledger.cost)
    return PlanResult(
        schedule=schedule,
        ledger=ledger,
        status="gap-reached" if outcome.status == "search-ended" and gap <= options.gap else outcome.status,
        objective=objective,
        gap=gap,
        cost=ledger.cost,
        churn_cost=max(0.0, ledger.benefit - objective) if options.churn_cost else 0.0,
        duals=None
        if outcome.joint is None or outcome.solution is None
        else read_duals(outcome.joint, outcome.solution),
        trace=tuple(clock.trace),
        **common,
        **_times(clock),
    )


def _schedule(options: PlanOptions, outcome: Outcome) -> Schedule | None:
    if outcome.schedule is not None or outcome.joint is None or outcome.solution is None:
        return outcome.schedule
    return read_schedule(outcome.joint, outcome.solution.values, options.strategy)


def plain_options(options: PlanOptions) -> dict[str, Any]:
    """Options as plain values for the run folder."""
    skipped = {"progress", "should_stop", "previous"}
    values = {item.name: getattr(options, item.name) for item in fields(options) if item.name not in skipped}
    return {**values, "without": sorted(options.without), "from_previous": options.previous is not None}


def _times(clock: Clock) -> dict[str, Any]:
    return {"seconds": clock.elapsed_s, "cpu_s": clock.cpu_s, "work": clock.work}
