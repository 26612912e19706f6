"""Several futures of one window with common first decisions: a two-stage linear program, with or without risk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import highspy
import numpy as np

from joulewright.errors import SolverError
from joulewright.model import InferenceService, Scenario, Site
from joulewright.model.timeline import FloatArray, IntArray
from joulewright.plan.model import JointProgram
from joulewright.plan.program import Program
from joulewright.plan.solver import LinearSolution, pass_program, read_solution
from joulewright.plan.window_arrays import WindowArrays

Future = tuple[Sequence[Site], Sequence[InferenceService]]
_SHARED = ("charge", "discharge", "generator_output")


class TwoStageWindow:
    """The relaxed joint model of a window in S equally likely futures.

    Batteries and generators do the same in all futures for the first ``shared_steps`` steps, and so does routing in
    the first step, whose demand is known; everything else may differ.

    Parameters
    ----------
    scenario : Scenario
        The first window; see :class:`joulewright.plan.window_arrays.WindowArrays`.
    members : int
        Number S of futures.
    shared_steps : int
        Steps whose decisions all futures share.
    risk_aversion : float
        Weight lambda of the tail, within [0, 1].
    tail_fraction : float
        Part alpha of the futures, the dearest ones, that the tail holds, within (0, 1].

    Attributes
    ----------
    joint : JointProgram
        The program of one future.
    objective : float
        Mean and tail of the last solve, weighted [currency]; NaN before the first.

    Raises
    ------
    ValueError
        If a number is out of range.

    Notes
    -----
    With ``C_s`` the cost (minus the benefit) of future s, the objective is

        (1 - lambda) mean_s C_s + lambda CVaR,   CVaR = min over eta of eta + sum_s max(0, C_s - eta) / (alpha S),

    linear with ``z_s >= C_s - eta`` and ``z_s >= 0``. ``eta`` is the value at risk.

    References
    ----------
    Rockafellar and Uryasev (2000), Journal of Risk 2(3), 21-41, doi:10.21314/JOR.2000.038, eq. (17).
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        members: int,
        shared_steps: int,
        risk_aversion: float = 0.0,
        tail_fraction: float = 0.1,
    ) -> None:
        if members < 1 or shared_steps < 1:
            raise ValueError(f"{members} members and {shared_steps} shared steps are asked for; at least 1 is needed")
        if not (0.0 <= risk_aversion <= 1.0 and 0.0 < tail_fraction <= 1.0):
            raise ValueError(
                f"risk_aversion is {risk_aversion} and tail_fraction {tail_fraction}; allowed are 0 to 1, and above 0"
            )
        self._arrays = WindowArrays(scenario)
        self.joint: JointProgram = self._arrays.joint
        self._members, self._aversion, self._tail = members, risk_aversion, tail_fraction
        shared = _shared_columns(self.joint, shared_steps)
        size = self.joint.program.cost.size
        # Column of every future's column in the whole program: shared ones are those of the first future.
        private = int((~shared).sum())
        own = size + np.cumsum(~shared) - 1
        self._columns: list[IntArray] = [np.arange(size)]
        for member in range(1, members):
            self._columns.append(np.where(shared, np.arange(size), own + (member - 1) * private))
        self._width = size + (members - 1) * private
        self.objective = float("nan")
        self._basis: highspy.HighsBasis | None = None

    def solve(self, futures: Sequence[Future], options: Mapping[str, Any] | None = None) -> tuple[LinearSolution, ...]:
        """Solve for these futures, from the last basis.

        Returns
        -------
        tuple of LinearSolution
            One for each future, without duals; ``objective`` is the cost of that future.

        Raises
        ------
        ValueError
            If there are not S futures.
        SolverError
            If HiGHS refuses the program.
        """
        if len(futures) != self._members:
            raise ValueError(f"{len(futures)} futures are given; the program was built for {self._members}")
        program, offsets = self._assembled(futures)
        highs = pass_program(program, options={"threads": 1, **(options or {})})
        if self._basis is not None:
            highs.setBasis(self._basis)
        if highs.run() == highspy.HighsStatus.kError:
            raise SolverError(f"HiGHS {highs.version()} fails on a program of {self._members} futures")
        self._basis = highs.getBasis()
        whole = read_solution(highs)
        self.objective = whole.objective
        return tuple(self._part(whole, member, offset) for member, offset in enumerate(offsets))

    def _part(self, whole: LinearSolution, member: int, offset: tuple[FloatArray, float]) -> LinearSolution:
        cost, constant = offset
        if not whole.optimal:
            return whole
        values = whole.values[self._columns[member]]
        nothing = np.empty(0)
        return LinearSolution(whole.status, values, nothing, nothing, float(cost @ values) + constant)

    def _assembled(self, futures: Sequence[Future]) -> tuple[Program, list[tuple[FloatArray, float]]]:
        """The whole program, and cost and constant of every future."""
        base = self.joint.program
        rows, width = base.row_lower.size, self._width
        column_of = np.repeat(np.arange(base.cost.size), np.diff(base.start))
        cost, lower, upper = np.zeros(width), np.full(width, -np.inf), np.full(width, np.inf)
        sides: list[tuple[FloatArray, FloatArray]] = []
        entries: list[tuple[IntArray, IntArray, FloatArray]] = []
        offsets: list[tuple[FloatArray, float]] = []
        for member, (sites, services) in enumerate(futures):
            self._arrays.write(sites, services)
            columns = self._columns[member]
            np.add.at(cost, columns, base.cost / self._members)
            lower[columns] = np.maximum(lower[columns], base.lower)
            upper[columns] = np.minimum(upper[columns], base.upper)
            sides.append((base.row_lower.copy(), base.row_upper.copy()))
            entries.append((base.index.astype(np.int64) + member * rows, columns[column_of], base.value.copy()))
            offsets.append((base.cost.copy(), self._arrays.offset))
        whole = replace(base, cost=cost, lower=lower, upper=np.maximum(lower, upper), integer=np.zeros(width, bool))
        if self._aversion > 0.0:
            whole = self._with_tail(whole, (entries, sides, offsets))
        constant = (1.0 - self._aversion) * sum(offset for _, offset in offsets) / self._members
        return _compressed(whole, entries, sides, constant), offsets

    def _with_tail(self, whole: Program, parts: tuple[list[Any], list[Any], list[Any]]) -> Program:
        """Weights of mean and tail, the columns ``eta`` and ``z_s``, and the rows ``C_s - eta - z_s <= 0``."""
        entries, sides, offsets = parts
        members, width, first_row = self._members, self._width, self._members * self.joint.program.row_lower.size
        for member, (cost, constant) in enumerate(offsets):
            columns = np.concatenate([self._columns[member], [width, width + 1 + member]])
            values = np.concatenate([cost, [-1.0, -1.0]])
            entries.append((np.full(columns.size, first_row + member, np.int64), columns, values))
            sides.append((np.array([-np.inf]), np.array([-constant])))
        tail = np.concatenate([[1.0], np.full(members, 1.0 / (self._tail * members))])
        return replace(
            whole,
            cost=np.concatenate([(1.0 - self._aversion) * whole.cost, self._aversion * tail]),
            lower=np.concatenate([whole.lower, [-np.inf], np.zeros(members)]),
            upper=np.concatenate([whole.upper, np.full(1 + members, np.inf)]),
            integer=np.zeros(width + 1 + members, bool),
        )


def _shared_columns(joint: JointProgram, steps: int) -> np.ndarray:
    """Which columns of one future are common to all."""
    shared = np.zeros(joint.program.cost.size, bool)
    for family, count in (*((name, steps) for name in _SHARED), ("served", 1)):
        for block in joint.program.variables.get(family, []):
            shared[block.index[:count]] = True
    return shared


def _compressed(
    whole: Program,
    entries: list[tuple[IntArray, IntArray, FloatArray]],
    sides: list[tuple[FloatArray, FloatArray]],
    offset: float,
) -> Program:
    """The program with the matrix of these coordinates, column by column."""
    row, column, value = (np.concatenate([entry[item] for entry in entries]) for item in range(3))
    order = np.argsort(column, kind="stable")
    counts = np.bincount(column, minlength=whole.cost.size)
    return replace(
        whole,
        row_lower=np.concatenate([side[0] for side in sides]),
        row_upper=np.concatenate([side[1] for side in sides]),
        start=np.concatenate([[0], np.cumsum(counts)]).astype(np.int32),
        index=row[order].astype(np.int32),
        value=value[order],
        offset=offset,
    )
