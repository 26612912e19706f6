"""A linear relaxation kept warm while bounds are moved."""

from __future__ import annotations

from typing import Any

import highspy
import numpy as np
from numpy.typing import NDArray

from joulewright.model.timeline import FloatArray, IntArray
from joulewright.plan.program import Program
from joulewright.plan.solver import LinearSolution, pass_program, read_solution
from joulewright.plan.work import work_per_iteration


class Workbench:
    """The LP relaxation of a program in one persistent HiGHS instance.

    Bounds of columns are changed in place and the LP is solved again from the last basis by the dual
    simplex method. ``work`` counts what was done in deterministic units.

    Parameters
    ----------
    program : Program
        The program; integrality is ignored.
    options : dict, optional
        HiGHS options.
    """

    def __init__(self, program: Program, options: dict[str, Any] | None = None) -> None:
        self.program = program
        self.lower: FloatArray = program.lower.copy()
        self.upper: FloatArray = program.upper.copy()
        self.work = 0.0
        self._highs = pass_program(program, options=options)
        self._unit = work_per_iteration(program)

    def first_solve(self) -> LinearSolution:
        """Solve by interior point with crossover, then switch to the dual simplex method."""
        large = self.program.value.size > 20_000
        self._set(solver="ipm" if large else "simplex", run_crossover="on")
        solution = self.solve()
        self._set(solver="simplex")
        return solution

    def interior_solve(self) -> LinearSolution:
        """Solve by interior point without crossover: no basis, but quick and good duals."""
        self._set(solver="ipm", run_crossover="off")
        solution = self.solve()
        self._set(solver="simplex", run_crossover="on")
        return solution

    def fix(self, columns: IntArray, lower: FloatArray | float, upper: FloatArray | float) -> None:
        """Set the bounds of some columns."""
        self.lower[columns] = lower
        self.upper[columns] = upper
        self._highs.changeColsBounds(columns.size, columns.astype(np.int32), self.lower[columns], self.upper[columns])

    def release(self, columns: IntArray) -> None:
        """Give some columns their original bounds back."""
        self.fix(columns, self.program.lower[columns], self.program.upper[columns])

    def solve(self, cutoff: float = float("inf")) -> LinearSolution:
        """Solve the LP with the present bounds, from the last basis where there is one.

        The solve ends early, without being optimal, once its objective is sure to exceed ``cutoff``.
        """
        self._set(objective_bound=cutoff)
        self._highs.run()
        info = self._highs.getInfo()
        iterations = info.simplex_iteration_count + 40 * max(0, info.ipm_iteration_count)
        self.work += self._unit * (iterations + 20)
        return read_solution(self._highs)

    def basis(self) -> highspy.HighsBasis:
        """The present basis."""
        return self._highs.getBasis()

    def restore(self, basis: highspy.HighsBasis) -> None:
        """Go back to a basis."""
        self._highs.setBasis(basis)

    def _set(self, **options: Any) -> None:
        for name, value in options.items():
            self._highs.setOptionValue(name, value)


def lagrangian(
    program: Program, row_duals: FloatArray, *, box: tuple[FloatArray, FloatArray] | None = None
) -> tuple[float, FloatArray]:
    """Lower bound on the program's objective from any row duals, and the reduced costs behind it.

    ``L(y) = offset + sum_i max-side(y_i) + sum_j min over [l_j, u_j] of (c_j - A_j y) x_j``: valid for every
    ``y`` because all columns are bounded, so a solver's tolerance cannot make it wrong beyond rounding.

    Parameters
    ----------
    program : Program
        The program.
    row_duals : FloatArray
        Any multipliers, shape ``(m,)``; signs that a one-sided row does not allow are set to zero.
    box : pair of FloatArray, optional
        Other column bounds, for a part of the search space.

    Returns
    -------
    float, FloatArray
        The bound, offset included, and the reduced costs of all columns, shape ``(n,)``.
    """
    lower, upper = (program.lower, program.upper) if box is None else box
    duals = np.where(np.isinf(program.row_lower), np.minimum(row_duals, 0.0), row_duals)
    duals = np.where(np.isinf(program.row_upper), np.maximum(duals, 0.0), duals)
    side = np.where(duals > 0.0, program.row_lower, program.row_upper)
    fixed = float(np.sum(np.where(duals == 0.0, 0.0, duals * np.where(duals == 0.0, 0.0, side))))
    reduced = reduced_costs(program, duals)
    inside = np.where(reduced > 0.0, reduced * lower, reduced * upper)
    return program.offset + fixed + float(inside.sum()), reduced


def lagrangian_bound(program: Program, row_duals: FloatArray) -> float:
    """The bound of :func:`lagrangian` alone."""
    return lagrangian(program, row_duals)[0]


def reduced_costs(program: Program, row_duals: FloatArray) -> FloatArray:
    """``c - A^T y``, shape ``(n,)``."""
    products = program.value * row_duals[program.index]
    sums = np.concatenate([[0.0], np.cumsum(products)])
    return np.asarray(program.cost - (sums[program.start[1:]] - sums[program.start[:-1]]))


def row_activity(program: Program, values: FloatArray) -> NDArray[np.float64]:
    """``A x``, shape ``(m,)``."""
    columns = np.repeat(np.arange(program.cost.size), np.diff(program.start))
    products = program.value * values[columns]
    return np.asarray(np.bincount(program.index, weights=products, minlength=program.shape[0]), dtype=float)
