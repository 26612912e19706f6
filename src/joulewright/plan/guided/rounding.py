"""From placed jobs to a solution in which every integer column is integral."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from joulewright.model.timeline import IntArray
from joulewright.plan.guided.workbench import Workbench
from joulewright.plan.incumbent import losing_directions
from joulewright.plan.model import JointProgram
from joulewright.plan.solver import LinearSolution

_INTEGRAL = 1e-6


@dataclass(frozen=True)
class RoundingRule:
    """How fast to round.

    Attributes
    ----------
    sure : float
        Values this close to an integer are rounded at once.
    share : float
        Part of the other fractional columns rounded per solve.
    """

    sure: float = 0.85
    share: float = 0.2


def round_columns(
    bench: Workbench, columns: IntArray, solution: LinearSolution, rule: RoundingRule, cutoff: float = float("inf")
) -> LinearSolution | None:
    """Round ``columns`` in batches, solving in between, until all are integral and held.

    A batch that makes the LP infeasible is rounded one by one, each to the other side if need be.

    Returns
    -------
    LinearSolution or None
        None when a column fits on neither side or the cutoff is reached.
    """
    open_columns = columns[bench.lower[columns] < bench.upper[columns]]
    while True:
        values = solution.values[open_columns]
        distance = np.abs(values - np.rint(values))
        fractional = np.flatnonzero(distance > _INTEGRAL)
        if not fractional.size:
            break
        order = fractional[np.argsort(distance[fractional], kind="stable")]
        size = max(1, int(np.sum(distance[order] < 1.0 - rule.sure)), int(rule.share * order.size))
        batch = open_columns[order[:size]]
        tried = _hold(bench, batch, solution)
        if tried is None:
            tried = _hold(bench, batch[:1], solution) or _hold(bench, batch[:1], solution, other_side=True)
        if tried is None or tried.objective >= cutoff:
            return None
        solution = tried
        open_columns = open_columns[bench.lower[open_columns] < bench.upper[open_columns]]
    bench.fix(columns, np.rint(solution.values[columns]), np.rint(solution.values[columns]))
    return solution


def _hold(
    bench: Workbench, batch: IntArray, solution: LinearSolution, *, other_side: bool = False
) -> LinearSolution | None:
    """Hold a batch at its rounded values; None, with the bounds put back, if that is infeasible."""
    lower, upper = bench.lower[batch].copy(), bench.upper[batch].copy()
    values = solution.values[batch]
    rounded = np.rint(values)
    if other_side:
        rounded = np.where(values > rounded, rounded + 1.0, rounded - 1.0)
    rounded = np.clip(rounded, lower, upper)
    bench.fix(batch, rounded, rounded)
    result = bench.solve()
    if result.optimal:
        return result
    bench.fix(batch, lower, upper)
    return None


def one_way(bench: Workbench, joint: JointProgram, solution: LinearSolution) -> LinearSolution | None:
    """Close the smaller of two opposite flows until every pair flows one way; the bounds stay closed."""
    for _ in range(20):
        closed = losing_directions(joint, solution.values)
        if not closed.size:
            return solution
        bench.fix(closed, 0.0, 0.0)
        solution = bench.solve()
        if not solution.optimal:
            return None
    return None
