"""HiGHS, reached directly: one persistent model, changed in place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import highspy
import numpy as np

from joulewright.errors import SolverError
from joulewright.model.timeline import FloatArray
from joulewright.plan.program import Program


@dataclass(frozen=True, eq=False)
class LinearSolution:
    """Solution of a linear (or integer) program.

    Attributes
    ----------
    status : str
        HiGHS model status, e.g. ``Optimal`` or ``Infeasible``.
    values, reduced_costs : FloatArray
        Per column.
    row_duals : FloatArray
        Per row.
    objective : float
        Including the offset.
    """

    status: str
    values: FloatArray
    reduced_costs: FloatArray
    row_duals: FloatArray
    objective: float

    @property
    def optimal(self) -> bool:
        """Whether HiGHS proved optimality."""
        return self.status == "Optimal"


def pass_program(program: Program, *, integer: bool = False, options: dict[str, Any] | None = None) -> highspy.Highs:
    """A HiGHS instance that holds the program; integrality only when asked for.

    Raises
    ------
    SolverError
        If HiGHS refuses the model or an option.
    """
    highs = highspy.Highs()
    for name, value in {"output_flag": False, **(options or {})}.items():
        if highs.setOptionValue(name, value) != highspy.HighsStatus.kOk:
            raise SolverError(f"HiGHS {highs.version()} refuses option {name} = {value!r}")
    rows, columns = program.shape
    linear = highspy.HighsLp()
    linear.num_col_, linear.num_row_ = columns, rows
    linear.col_cost_, linear.col_lower_, linear.col_upper_ = program.cost, program.lower, program.upper
    linear.row_lower_, linear.row_upper_ = program.row_lower, program.row_upper
    linear.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    linear.a_matrix_.start_ = program.start
    linear.a_matrix_.index_ = program.index
    linear.a_matrix_.value_ = program.value
    linear.offset_ = program.offset
    if integer:
        kinds = [highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger]
        linear.integrality_ = [kinds[flag] for flag in program.integer.astype(int)]
    if highs.passModel(linear) == highspy.HighsStatus.kError:
        raise SolverError(f"HiGHS {highs.version()} refuses a model of {rows} rows and {columns} columns")
    return highs


def read_solution(highs: highspy.Highs) -> LinearSolution:
    """Status, values and duals of the last run."""
    solution = highs.getSolution()
    return LinearSolution(
        status=highs.modelStatusToString(highs.getModelStatus()),
        values=np.asarray(solution.col_value),
        reduced_costs=np.asarray(solution.col_dual),
        row_duals=np.asarray(solution.row_dual),
        objective=highs.getInfo().objective_function_value,
    )
