"""Small programs cut out of a large one by fixing the other columns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from joulewright.model.timeline import FloatArray, IntArray
from joulewright.plan.guided.workbench import row_activity
from joulewright.plan.program import Program


def extract(
    program: Program,
    free: IntArray,
    values: FloatArray,
    *,
    cost: FloatArray | None = None,
    skip_rows: NDArray[np.bool_] | None = None,
) -> Program:
    """The program in the columns ``free`` alone, all others held at ``values``.

    Parameters
    ----------
    program : Program
        The large program.
    free : IntArray
        Columns to keep.
    values : FloatArray
        Values of all columns; those of ``free`` do not matter.
    cost : FloatArray, optional
        Other costs of all columns.
    skip_rows : NDArray of bool, optional
        Rows to leave out.

    Returns
    -------
    Program
        Without names and with a zero offset.
    """
    kept = np.zeros(program.cost.size, bool)
    kept[free] = True
    fixed_part = row_activity(program, np.where(kept, 0.0, values))
    lengths = np.diff(program.start)[free]
    entries = np.repeat(program.start[free].astype(np.int64), lengths) + _ranges(lengths)
    rows, coefficients = program.index[entries], program.value[entries]
    if skip_rows is not None:
        inside = ~skip_rows[rows]
        column_of = np.repeat(np.arange(free.size), lengths)[inside]
        rows, coefficients = rows[inside], coefficients[inside]
        lengths = np.bincount(column_of, minlength=free.size)
    used, index = np.unique(rows, return_inverse=True)
    start = np.concatenate([[0], np.cumsum(lengths)])
    return replace(
        program,
        cost=(program.cost if cost is None else cost)[free],
        lower=program.lower[free],
        upper=program.upper[free],
        integer=program.integer[free],
        row_lower=program.row_lower[used] - fixed_part[used],
        row_upper=program.row_upper[used] - fixed_part[used],
        start=start.astype(np.int32),
        index=index.astype(np.int32),
        value=coefficients,
        offset=0.0,
        variables={},
        rows={},
    )


def components(program: Program, free: IntArray, skip_rows: NDArray[np.bool_]) -> list[IntArray]:
    """Free columns split into sets that share no row outside ``skip_rows``."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    position = np.full(program.cost.size, -1, dtype=np.int64)
    position[free] = np.arange(free.size)
    column_of = np.repeat(np.arange(program.cost.size), np.diff(program.start))
    inside = (position[column_of] >= 0) & ~skip_rows[program.index]
    left, right = position[column_of[inside]], program.index[inside].astype(np.int64) + free.size
    nodes = free.size + program.shape[0]
    graph = coo_matrix((np.ones(left.size, np.int8), (left, right)), shape=(nodes, nodes))
    _, label = connected_components(graph, directed=False)
    order = np.argsort(label[: free.size], kind="stable")
    cuts = np.flatnonzero(np.diff(label[: free.size][order])) + 1
    return [free[part] for part in np.split(order, cuts)]


def _ranges(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """0..n-1 for every length, concatenated."""
    ends = np.cumsum(lengths)
    return np.arange(int(ends[-1]) if ends.size else 0) - np.repeat(ends - lengths, lengths)
