"""One run of HiGHS on a mixed-integer program, and its incumbent made clean."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import highspy
import numpy as np

from joulewright.model.timeline import FloatArray
from joulewright.plan.clock import Clock
from joulewright.plan.program import Program
from joulewright.plan.solver import LinearSolution, pass_program, read_solution
from joulewright.plan.work import work_per_iteration


@dataclass(frozen=True, eq=False)
class IntegerRun:
    """One run of HiGHS on a mixed-integer program.

    Attributes
    ----------
    values : FloatArray or None
        The incumbent; None when HiGHS itself does not call it feasible.
    bound : float
        Dual bound of the search tree.
    status : str
        HiGHS model status.
    """

    values: FloatArray | None
    bound: float
    status: str


def run_integer(
    program: Program, limits: dict[str, Any], clock: Clock, *, start: FloatArray | None = None
) -> IntegerRun:
    """Run HiGHS under the limits of the clock, from a known solution where there is one."""
    remaining = clock.remaining_s()
    if np.isfinite(remaining):
        limits = {**limits, "time_limit": max(0.01, remaining)}
    highs = pass_program(program, integer=True, options=limits)
    if start is not None:
        guess = highspy.HighsSolution()
        guess.col_value = start.tolist()
        highs.setSolution(guess)
    unit, before = work_per_iteration(program), clock.work

    def poll(event: Any) -> None:
        clock.work = before + unit * max(0, event.data_out.simplex_iteration_count)
        dual = -float(event.data_out.mip_dual_bound)
        if np.isfinite(dual):
            clock.bound = min(clock.bound, dual)
        primal = -float(event.data_out.mip_primal_bound)
        if np.isfinite(primal) and abs(primal) < 1e29:
            clock.objective = primal if clock.objective is None else max(clock.objective, primal)
        clock.report("search tree")
        stop = clock.options.should_stop is not None and clock.options.should_stop()
        event.interrupt(bool(stop or clock.remaining_work() <= 0.0))

    highs.cbMipInterrupt.subscribe(poll)
    highs.run()
    info = highs.getInfo()
    status = highs.modelStatusToString(highs.getModelStatus())
    feasible = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
    clock.work = before + unit * max(0, info.simplex_iteration_count)
    values = np.asarray(highs.getSolution().col_value) if feasible else None
    # Without integer columns HiGHS runs no search tree and leaves its dual bound at zero.
    proved = not program.integer.any() and status == "Optimal"
    bound = float(info.objective_function_value if proved else info.mip_dual_bound)
    if not program.integer.any() and not proved:
        bound = -float("inf")
    return IntegerRun(values, bound, status)


def hold_integers(program: Program, values: FloatArray) -> LinearSolution:
    """The LP with every integer column held at its rounded value."""
    held = np.rint(values)
    lower = np.where(program.integer, held, program.lower)
    upper = np.where(program.integer, held, program.upper)
    highs = pass_program(replace(program, lower=lower, upper=upper))
    highs.run()
    return read_solution(highs)
