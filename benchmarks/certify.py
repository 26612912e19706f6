"""A bound that owes nothing to the search of any solver: Lagrangian bounds over a partition of the job starts.

The root bound is the Lagrangian bound from duals of the linear relaxation. Where it is not enough, the choices of
one job are split in two (earlier or later starts, or one site or the others), and so on: every plan lies in one
part, so the lowest bound of all parts is a bound on every plan. Each part's bound is recomputed from row duals.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from itertools import count

import numpy as np

from joulewright.plan.guided.board import JobBoard
from joulewright.plan.guided.workbench import Workbench, lagrangian_bound
from joulewright.plan.model import JointProgram
from joulewright.plan.program import FloatArray, IntArray
from joulewright.plan.solver import LinearSolution

_WHOLE = 1e-6


@dataclass(frozen=True, eq=False)
class Part:
    """A part of the plans: the start and rejection columns that are closed in it, its bound and its relaxation."""

    closed: IntArray
    bound: float
    solution: LinearSolution


def partition_bound(joint: JointProgram, *, target: float, parts: int) -> float:
    """Lower bound on the objective of ``joint`` (minus the benefit) over at most ``parts`` parts.

    Stops as soon as the bound reaches ``target``.
    """
    bench, board = Workbench(joint.program, {"threads": 1}), JobBoard(joint)
    root = bench.interior_solve()
    order, best = count(), lagrangian_bound(joint.program, root.row_duals)
    if best >= target or parts < 2 or board.starts is None:
        return best
    heap = [(best, next(order), Part(np.empty(0, np.int64), best, root))]
    closed_bound = float("inf")
    solved = 1
    while heap and solved < parts and min(heap[0][0], closed_bound) < target:
        bound, _, part = heapq.heappop(heap)
        halves = _halves(board, part)
        if halves is None:
            closed_bound = min(closed_bound, bound)
            continue
        for half in halves:
            child = _evaluate(bench, joint, part, half)
            solved += 1
            if child is not None:
                heapq.heappush(heap, (child.bound, next(order), child))
    return min([closed_bound, *(entry[0] for entry in heap)], default=target)


def _evaluate(bench: Workbench, joint: JointProgram, part: Part, half: IntArray) -> Part | None:
    """The part without the columns ``half``; None where it holds no plan."""
    closed = np.union1d(part.closed, half)
    bench.release(np.flatnonzero(joint.program.integer))
    bench.fix(closed, 0.0, 0.0)
    solution = bench.solve()
    if solution.status == "Infeasible":
        return None
    bound = lagrangian_bound(joint.program, solution.row_duals, box=(bench.lower, bench.upper))
    return Part(closed, max(bound, part.bound), solution)


def _halves(board: JobBoard, part: Part) -> tuple[IntArray, IntArray] | None:
    """Columns to close in either half: those of the job whose choice is most divided; None if no job's is."""
    starts = board.starts
    if starts is None:
        return None
    values: FloatArray = part.solution.values[board.columns]
    largest = np.zeros(board.count.size)
    np.maximum.at(largest, board.group, values - np.floor(values + _WHOLE))
    split = np.where((board.count == 1) & (largest < 1.0 - _WHOLE) & (largest > _WHOLE), largest, np.inf)
    if not np.isfinite(split).any():
        return None
    group = int(np.argmin(split))
    own = np.flatnonzero((board.group == group) & ~np.isin(board.columns, part.closed))
    rejection = board.rejection[board.optional == group]
    by_fleet = np.bincount(starts.fleet[own], weights=values[own])
    if by_fleet.max() < 0.9:
        first = starts.fleet[own] == int(np.argmax(by_fleet))
    else:
        middle = float(values[own] @ starts.step[own]) / float(values[own].sum())
        first = starts.step[own] <= middle
    if first.all() or not first.any():
        first = values[own] >= values[own].max()
    # A rejected job uses no column, so rejection may stay in one half only.
    return np.concatenate([board.columns[own[~first]], rejection]), board.columns[own[first]]
