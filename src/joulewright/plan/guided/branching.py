"""Ways to split the plans in two, taken from a fractional solution of the relaxation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from joulewright.model.timeline import FloatArray, IntArray
from joulewright.plan.guided.board import JobBoard
from joulewright.plan.program import Program

WHOLE = 1e-6
"""Values this close to an integer count as integral."""
_ONE_PLACE = 0.9


@dataclass(frozen=True, eq=False)
class Side:
    """Bounds that hold on one side of a split; shape of all three ``(k,)``."""

    columns: IntArray
    lower: FloatArray
    upper: FloatArray


@dataclass(frozen=True, eq=False)
class Split:
    """Two sides that share no plan and leave none out.

    Attributes
    ----------
    key : str
        Splits with the same key are expected to raise the bound alike.
    sides : tuple of Side
        The two sides.
    divided : float
        How far the relaxation is from either side, 0 to 0.5.
    """

    key: str
    sides: tuple[Side, Side]
    divided: float


def splits(program: Program, board: JobBoard, values: FloatArray, box: tuple[FloatArray, FloatArray]) -> list[Split]:
    """All splits worth trying: one per job whose start is divided, one per run of equal fractions of other columns.

    Parameters
    ----------
    program : Program
        The program.
    board : JobBoard
        Its rigid jobs.
    values : FloatArray
        Solution of the relaxation, shape ``(n,)``.
    box : pair of FloatArray
        Column bounds that hold now, each of shape ``(n,)``.

    Returns
    -------
    list of Split
        Empty where every integer column is integral.
    """
    distance = np.abs(values - np.rint(values))
    fractional = program.integer & (distance > WHOLE)
    found: list[Split] = []
    single = np.flatnonzero(board.count == 1)
    for group in np.intersect1d(np.unique(board.group[fractional[board.columns]]), single):
        sides = job_sides(board, int(group), values, box)
        if sides is not None:
            largest = float(values[board.columns[board.group == group]].max())
            found.append(Split(f"job {group}", sides, min(largest, 1.0 - largest)))
    fractional[board.columns[np.isin(board.group, single)]] = False
    columns = np.flatnonzero(fractional)
    if columns.size:
        cuts = np.flatnonzero((np.diff(columns) > 1) | (np.abs(np.diff(values[columns])) > 1e-4)) + 1
        middles = [part[part.size // 2] for part in np.split(columns, cuts)]
        found += [_column_split(int(column), values, box) for column in middles]
    return found


def job_sides(
    board: JobBoard, group: int, values: FloatArray, box: tuple[FloatArray, FloatArray]
) -> tuple[Side, Side] | None:
    """One place or the others, or earlier and later starts, of a single job; None if it has one start column left.

    A rejected job uses no start column, so rejection stays on the second side only.
    """
    starts = board.starts
    if starts is None:
        return None
    own = np.flatnonzero((board.group == group) & (box[1][board.columns] > 0.5))
    if own.size < 2:
        return None
    weight: FloatArray = np.maximum(values[board.columns[own]], 0.0)
    by_fleet = np.bincount(starts.fleet[own], weights=weight)
    if by_fleet.max() < _ONE_PLACE * weight.sum():
        first = starts.fleet[own] == int(np.argmax(by_fleet))
    else:
        first = starts.step[own] <= float(weight @ starts.step[own]) / float(weight.sum())
    if first.all() or not first.any():
        first = weight >= weight.max()
    rejection = board.rejection[board.optional == group]
    return (
        _closed(np.concatenate([board.columns[own[~first]], rejection])),
        _closed(board.columns[own[first]]),
    )


def _closed(columns: IntArray) -> Side:
    zeros = np.zeros(columns.size)
    return Side(columns, zeros, zeros)


def _column_split(column: int, values: FloatArray, box: tuple[FloatArray, FloatArray]) -> Split:
    """At most the value rounded down, or at least the value rounded up."""
    below, position = float(np.floor(values[column])), np.array([column])
    down = Side(position, box[0][position], np.array([below]))
    up = Side(position, np.array([below + 1.0]), box[1][position])
    part = float(values[column]) - below
    return Split(f"column {column // 12}", (down, up), min(part, 1.0 - part))
