"""The exact strategy: HiGHS on the whole program, with lazily added direction binaries."""

from __future__ import annotations

from typing import Any

import highspy
import numpy as np

from joulewright.errors import SolverError
from joulewright.model import Scenario
from joulewright.model.timeline import FloatArray
from joulewright.plan.clock import Clock
from joulewright.plan.formulation import build
from joulewright.plan.incumbent import opposite_flows, plan_cost
from joulewright.plan.infeasible import raise_infeasible
from joulewright.plan.integer import IntegerRun, hold_integers, run_integer
from joulewright.plan.model import Exclusive, JointProgram
from joulewright.plan.options import PlanOptions
from joulewright.plan.program import Program
from joulewright.plan.result import Status
from joulewright.plan.solver import pass_program, read_solution
from joulewright.plan.strategy import Outcome

_ENDINGS: dict[str, Status] = {"Optimal": "optimal", "Time limit reached": "time-limit"}


def solve_exact(scenario: Scenario, options: PlanOptions, clock: Clock, start: FloatArray | None = None) -> Outcome:
    """Solve the joint model with HiGHS alone.

    Binaries that forbid opposite flows are added for the steps in which a solution used both directions, until
    none is left.

    Raises
    ------
    InfeasibleError
        If no plan satisfies every limit.
    """
    exclusive: dict[tuple[str, str, str], np.ndarray] = {}
    while True:
        joint = build(
            scenario,
            without=options.without,
            exclusive=exclusive,
            previous=options.previous,
            churn_cost=options.churn_cost,
        )
        run = _run(joint, options, clock, start)
        clock.bound = min(clock.bound, -run.bound)
        if run.values is None:
            return Outcome(joint, None, run.bound, _ending(run.status, clock), "search-tree")
        solution = hold_integers(joint.program, run.values)
        found = opposite_flows(joint, solution.values) if solution.optimal else {}
        if not found:
            if not solution.optimal:
                raise SolverError(
                    f"HiGHS calls its incumbent feasible, but the program with it held is {solution.status!r}"
                )
            return Outcome(joint, solution, run.bound, _ending(run.status, clock), "search-tree")
        exclusive, start = _merged(exclusive, found), None


def _merged(known: Exclusive, found: Exclusive) -> dict[tuple[str, str, str], np.ndarray]:
    merged = dict(known)
    for key, steps in found.items():
        merged[key] = np.union1d(merged.get(key, np.empty(0, np.int64)), steps).astype(np.int64)
    return merged


def _ending(status: str, clock: Clock) -> Status:
    return _ENDINGS.get(status) or clock.why_stop() or "interrupted"


def _run(joint: JointProgram, options: PlanOptions, clock: Clock, start: FloatArray | None) -> IntegerRun:
    program = joint.program
    relaxed = read_solution(_relaxed(program))
    if relaxed.status == "Infeasible":
        raise_infeasible(joint)
    allowed = options.gap * max(1.0, plan_cost(program, relaxed.values))
    limits: dict[str, Any] = {
        "mip_rel_gap": 0.0,
        "mip_abs_gap": allowed,
        "random_seed": options.seed,
        "threads": 1,
    }
    run = run_integer(program, limits, clock, start=start)
    if run.status == "Infeasible":
        raise_infeasible(joint)
    return run


def _relaxed(program: Program) -> highspy.Highs:
    solver = "ipm" if program.value.size > 20_000 else "choose"
    highs = pass_program(program, options={"solver": solver, "run_crossover": "off" if solver == "ipm" else "on"})
    highs.run()
    return highs
