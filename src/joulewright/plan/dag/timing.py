"""When stages of jobs with precedence do their work, as a linear program over the steps of a signal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from joulewright.errors import SolverError
from joulewright.model.timeline import FloatArray, IntArray

_EARLIER = 1e-5
_LEFT_OVER = 10.0
"""Prices in spreads of the prices: of a later step, and of work that finds no room."""


@dataclass(frozen=True, kw_only=True)
class StageWork:
    """What is left of a stage.

    Attributes
    ----------
    work_ms : float
        Work of its tasks not started, positive [executor-ms].
    width : int
        Most executors it can use: the tasks left, the limit of the job or the size of the cluster.
    earliest_ms, latest_ms : float
        Between when it can run, by the chains of tasks before and behind it [ms].
    parents : tuple of int
        Positions of those of its parents that have work left, in the list of stages.
    """

    work_ms: float
    width: int
    earliest_ms: float
    latest_ms: float
    parents: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TimingSteps:
    """Steps in which work may be done; steps that are not worth it may be left out.

    Attributes
    ----------
    begin_ms, end_ms : ndarray
        Of each step, the first one cut to what is left of it [ms], shape ``(T,)``, increasing.
    price : ndarray
        Expected signal, shape ``(T,)``.
    room_ms : ndarray
        Work that the cluster can do [executor-ms], shape ``(T,)``.
    """

    begin_ms: FloatArray
    end_ms: FloatArray
    price: FloatArray
    room_ms: FloatArray


def plan_timing(stages: Sequence[StageWork], steps: TimingSteps) -> FloatArray:
    """Work of each stage in each step that costs least [executor-ms], shape ``(V, T)``.

    Raises
    ------
    SolverError
        If the solver fails. Work that cannot be placed is no failure: it is left over, at a price above all others.

    Notes
    -----
    ``min sum c_t x_vt + M sum u_v`` over ``0 <= x_vt <= m_v |step t within [e_v, l_v]|`` and ``u_v >= 0`` with
    ``sum_t x_vt + u_v = W_v``, ``sum_v x_vt <= R_t`` and, for every parent p of v and step t,
    ``sum_{s<=t} x_vs / W_v <= sum_{s<=t} x_ps / W_p``: no stage is further than its parents. Every schedule satisfies
    this, as it starts a stage only when its parents are done; the converse holds up to a step.

    Examples
    --------
    >>> first = StageWork(work_ms=10.0, width=1, earliest_ms=0.0, latest_ms=30.0)
    >>> second = StageWork(work_ms=10.0, width=1, earliest_ms=0.0, latest_ms=30.0, parents=(0,))
    >>> edges = np.array([0.0, 10.0, 20.0, 30.0])
    >>> price, room = np.array([3.0, 1.0, 2.0]), np.full(3, 10.0)
    >>> steps = TimingSteps(begin_ms=edges[:-1], end_ms=edges[1:], price=price, room_ms=room)
    >>> plan_timing([first, second], steps).sum(axis=0).tolist()
    [0.0, 10.0, 10.0]
    """
    from scipy.optimize import linprog
    from scipy.sparse import coo_matrix

    if not stages:
        return np.zeros((0, steps.price.size))
    work = np.array([stage.work_ms for stage in stages])
    most = _most(stages, steps)
    stage, step = np.nonzero(most > 0.0)
    count, width = len(stages), steps.price.size
    column = np.full(most.shape, -1)
    column[stage, step] = np.arange(stage.size)
    columns = stage.size + count
    unit, step_rows = np.ones(stage.size), np.arange(stage.size)
    whole: Any = coo_matrix(
        (
            np.ones(columns),
            (np.concatenate([stage, np.arange(count)]), np.arange(columns)),
        ),
        shape=(count, columns),
    )
    rows, entries, values, further = _precedence(stages, work, column)
    upper: Any = coo_matrix(
        (
            np.concatenate([unit, values]),
            (np.concatenate([step, width + rows]), np.concatenate([step_rows, entries])),
        ),
        shape=(width + further, columns),
    )
    least, spread = float(steps.price.min()), float(np.ptp(steps.price)) or 1.0
    # Equal prices: the earlier step, so that a plan does not put off what it gains nothing by.
    price = (steps.price - least) / spread + _EARLIER * np.arange(width)
    limits: Any = np.column_stack([np.zeros(columns), np.concatenate([most[stage, step], work])])
    found: Any = linprog(
        np.concatenate([price[step], np.full(count, _LEFT_OVER)]),
        A_ub=upper.tocsr(),
        b_ub=np.concatenate([steps.room_ms, np.zeros(further)]),
        A_eq=whole.tocsr(),
        b_eq=work,
        bounds=limits,
        method="highs",
    )
    if not found.success:
        raise SolverError(f"the timing of {count} stages was not found: status {found.status}, {found.message}")
    plan = np.zeros(most.shape)
    plan[stage, step] = found.x[: stage.size]
    return plan


def _most(stages: Sequence[StageWork], steps: TimingSteps) -> FloatArray:
    """Most work of each stage in each step, shape ``(V, T)``."""
    earliest = np.array([stage.earliest_ms for stage in stages])[:, None]
    latest = np.array([stage.latest_ms for stage in stages])[:, None]
    width = np.array([float(stage.width) for stage in stages])[:, None]
    overlap = np.minimum(steps.end_ms, latest) - np.maximum(steps.begin_ms, earliest)
    most: FloatArray = width * np.maximum(0.0, overlap)
    return most


def _precedence(
    stages: Sequence[StageWork], work: FloatArray, column: IntArray
) -> tuple[IntArray, IntArray, FloatArray, int]:
    """Rows, columns and coefficients of ``progress of the stage - progress of its parent <= 0``, and how many rows."""
    rows: list[IntArray] = []
    entries: list[IntArray] = []
    values: list[FloatArray] = []
    count, width = 0, column.shape[1]
    # Row r holds the steps up to r.
    row, step = np.tril_indices(width)
    for position, stage in enumerate(stages):
        for parent in stage.parents:
            for item, sign in ((position, 1.0), (parent, -1.0)):
                at = column[item, step]
                kept = at >= 0
                rows.append(count + row[kept])
                entries.append(at[kept])
                values.append(np.full(int(kept.sum()), sign / work[item]))
            count += width
    if not rows:
        empty = np.empty(0, dtype=np.int64)
        return empty, empty, np.empty(0), 0
    return np.concatenate(rows), np.concatenate(entries), np.concatenate(values), count
