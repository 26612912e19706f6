"""LP dive: fix what the relaxation is sure of, solve again, step back where the objective jumps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from joulewright.model.timeline import FloatArray
from joulewright.plan.guided.board import Assignment, JobBoard
from joulewright.plan.guided.workbench import Workbench
from joulewright.plan.solver import LinearSolution

_SURE = 0.999
_MOST_BANS = 12


@dataclass(frozen=True, eq=False)
class Placed:
    """A complete assignment and the relaxation's solution under it (generators may be fractional)."""

    assignment: Assignment
    solution: LinearSolution


@dataclass(frozen=True)
class DiveOptions:
    """How boldly to dive.

    Attributes
    ----------
    share : float
        Part of the open groups fixed per solve, besides those that are already integral.
    jump : float
        Increase of the objective per solve above which a batch is taken back.
    cutoff : float
        Objective at which the dive is given up.
    stop : callable, optional
        Asked before every solve whether to give up.
    """

    share: float = 0.15
    jump: float = float("inf")
    cutoff: float = float("inf")
    stop: Callable[[], bool] | None = None


def dive(bench: Workbench, board: JobBoard, begin: Placed, options: DiveOptions) -> Placed | None:
    """Place all open units of ``begin``.

    Returns
    -------
    Placed or None
        None when every way forward is infeasible or reaches the cutoff, or when it was told to stop.
    """
    state = begin
    banned = np.zeros(board.columns.size, bool)
    patience = 3 * board.count.size + 10
    size_limit = board.count.size
    while board.free(state.assignment).any():
        patience -= 1
        if patience < 0 or (options.stop is not None and options.stop()):
            return None
        allowed = board.fitting(board.remaining(state.assignment)) & ~banned
        batch = _choose(board, state, allowed, max(1, min(size_limit, _batch_size(board, state, options))))
        if batch is None:
            return None
        trial, fixed = batch
        solution = _evaluate(bench, board, trial, cutoff=options.cutoff)
        good = solution.optimal and solution.objective < options.cutoff
        if good and solution.objective <= state.solution.objective + options.jump:
            state, size_limit = Placed(trial, solution), board.count.size
            continue
        if len(fixed) > 1:
            size_limit = max(1, len(fixed) // 4)
            continue
        if (
            fixed[0] >= 0
            and banned.sum() < _MOST_BANS
            and np.any(allowed & (board.group == board.group[fixed[0]]) & ~_mask(board, fixed[0]))
        ):
            banned[fixed[0]] = True
            _back(bench, board, state)
            state = Placed(state.assignment, _evaluate(bench, board, state.assignment, allowed & ~banned))
            if not state.solution.optimal or state.solution.objective >= options.cutoff:
                return None
            continue
        if not good:
            return None
        state = Placed(trial, solution)
    return state


def _mask(board: JobBoard, column: int) -> NDArray[np.bool_]:
    mask = np.zeros(board.columns.size, bool)
    mask[column] = True
    return mask


def _batch_size(board: JobBoard, state: Placed, options: DiveOptions) -> int:
    return int(np.ceil(options.share * np.count_nonzero(board.free(state.assignment))))


def _evaluate(
    bench: Workbench,
    board: JobBoard,
    assignment: Assignment,
    allowed: NDArray[np.bool_] | None = None,
    *,
    cutoff: float = float("inf"),
) -> LinearSolution:
    if allowed is None:
        allowed = board.fitting(board.remaining(assignment))
    bench.fix(board.bound_columns, *board.bounds(assignment, allowed))
    return bench.solve(cutoff)


def _back(bench: Workbench, board: JobBoard, state: Placed) -> None:
    bench.fix(board.bound_columns, *board.bounds(state.assignment))


def _choose(
    board: JobBoard, state: Placed, allowed: NDArray[np.bool_], size: int
) -> tuple[Assignment, list[int]] | None:
    """Fix the most certain units: all integral ones and up to ``size`` groups; -1 marks a rejection."""
    free = board.free(state.assignment)
    spare = state.solution.values[board.columns] - state.assignment.placed
    spare = np.where(allowed, spare, -1.0)
    best_column, best_value = _best_by_group(board, spare, free)
    rejection: FloatArray = np.zeros(board.count.size)
    rejection[board.optional] = state.solution.values[board.rejection] - state.assignment.rejected[board.optional]
    certainty = np.maximum(best_value, rejection)
    order = [int(group) for group in np.argsort(-certainty, kind="stable") if free[group] > 0]
    placed, rejected = state.assignment.placed.copy(), state.assignment.rejected.copy()
    left = board.remaining(state.assignment)
    fixed: list[int] = []
    for rank, group in enumerate(order):
        if rank >= size and certainty[group] < _SURE:
            break
        column = int(best_column[group])
        if column >= 0 and best_value[group] >= rejection[group] and board.fits(left, column):
            board.take(left, column)
            placed[column] += 1
            fixed.append(column)
        elif rejection[group] > 0.0 or (column < 0 and group in board.optional):
            rejected[group] += 1
            fixed.append(-1)
    if not fixed:
        return None
    return Assignment(placed, rejected), fixed


def _best_by_group(board: JobBoard, spare: FloatArray, free: NDArray[np.int64]) -> tuple[NDArray[np.int64], FloatArray]:
    """Column with the largest open LP value of every group (-1 if none is allowed) and that value."""
    best_value = np.full(board.count.size, -1.0)
    np.maximum.at(best_value, board.group, spare)
    best_column = np.full(board.count.size, -1, dtype=np.int64)
    hit = np.flatnonzero((spare >= best_value[board.group]) & (spare >= 0.0) & (free[board.group] > 0))
    best_column[board.group[hit][::-1]] = hit[::-1]
    return best_column, best_value
