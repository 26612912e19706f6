"""Which rigid job starts where: integer bookkeeping beside the LP."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from joulewright.model.timeline import FloatArray, IntArray
from joulewright.plan.model import JointProgram, StartColumns
from joulewright.plan.program import find_block

_SLACK = 1e-9


@dataclass(frozen=True, eq=False)
class Assignment:
    """Units of every group placed so far.

    Attributes
    ----------
    placed : IntArray
        Units on each start column.
    rejected : IntArray
        Units of each group that are rejected.
    """

    placed: IntArray
    rejected: IntArray


class JobBoard:
    """Start columns of the rigid groups, their capacity and their bounds.

    Parameters
    ----------
    joint : JointProgram
        The compiled model.
    """

    def __init__(self, joint: JointProgram) -> None:
        groups = joint.inputs.rigid
        self.count: IntArray = np.array([group.count for group in groups], dtype=np.int64)
        self.starts: StartColumns | None = joint.starts
        self.capacity: FloatArray = np.array([index.fleet.available for index in joint.inputs.fleets])
        self.columns: IntArray = np.empty(0, np.int64) if self.starts is None else self.starts.block.index
        self.group: IntArray = np.empty(0, np.int64) if self.starts is None else self.starts.group
        optional = [position for position, group in enumerate(groups) if not group.job.required]
        self.optional = np.array(optional, dtype=np.int64)
        blocks = joint.program.variables.get("rejected", [])
        self.rejection: IntArray = blocks[0].index if blocks and optional else np.empty(0, np.int64)
        self.bound_columns: IntArray = np.concatenate([self.columns, self.rejection])
        self._shapes = self._distinct_shapes()
        heads = [f"{index.site.name}/{index.fleet.name}" for index in joint.inputs.fleets]
        self._capacity_rows = [find_block(joint.program.rows, "accelerators", head) for head in heads]

    def _distinct_shapes(self) -> list[tuple[int, int, IntArray]]:
        """Columns by fleet and length of the run."""
        if self.starts is None:
            return []
        key = self.starts.fleet * 1_000_000 + self.starts.length
        order = np.argsort(key, kind="stable")
        parts = np.split(order, np.flatnonzero(np.diff(key[order])) + 1)
        return [
            (int(self.starts.fleet[part[0]]), int(self.starts.length[part[0]]), part) for part in parts if part.size
        ]

    def accelerator_prices(self, row_duals: FloatArray) -> FloatArray:
        """What one more accelerator is worth by the duals of a solution [currency], shape ``(F, T)``."""
        prices = np.zeros_like(self.capacity)
        for fleet, rows in enumerate(self._capacity_rows):
            if rows is not None:
                prices[fleet] = np.maximum(0.0, -rows.values(row_duals))
        return prices

    def empty(self) -> Assignment:
        """Nothing placed."""
        return Assignment(np.zeros(self.columns.size, np.int64), np.zeros(self.count.size, np.int64))

    def free(self, assignment: Assignment) -> IntArray:
        """Units of every group that are neither placed nor rejected."""
        placed = np.bincount(self.group, weights=assignment.placed, minlength=self.count.size)
        return self.count - placed.astype(np.int64) - assignment.rejected

    def without(self, assignment: Assignment, groups: IntArray) -> Assignment:
        """The assignment with all units of some groups taken back."""
        placed, rejected = assignment.placed.copy(), assignment.rejected.copy()
        placed[np.isin(self.group, groups)] = 0
        rejected[groups] = 0
        return Assignment(placed, rejected)

    def remaining(self, assignment: Assignment) -> FloatArray:
        """Accelerators left by the placed jobs, shape ``(F, T)``."""
        left = self.capacity.copy()
        if self.starts is not None:
            for column in np.flatnonzero(assignment.placed):
                self.take(left, int(column), int(assignment.placed[column]))
        return left

    def take(self, left: FloatArray, column: int, units: int = 1) -> None:
        """Subtract a run from the accelerators left, in place."""
        starts = self._require()
        first = int(starts.step[column])
        left[starts.fleet[column], first : first + int(starts.length[column])] -= starts.gpus[column] * units

    def fits(self, left: FloatArray, column: int) -> bool:
        """Whether one more run on this column fits into the accelerators left."""
        starts = self._require()
        first = int(starts.step[column])
        window = left[starts.fleet[column], first : first + int(starts.length[column])]
        return bool(window.size == 0 or window.min() >= starts.gpus[column] - _SLACK)

    def fitting(self, left: FloatArray) -> NDArray[np.bool_]:
        """Columns whose run fits into the accelerators left, shape ``(columns,)``."""
        mask = np.ones(self.columns.size, bool)
        if self.starts is None:
            return mask
        for fleet, length, part in self._shapes:
            padded = np.concatenate([left[fleet], np.full(length, np.inf)])
            lowest = sliding_window_view(padded, length).min(axis=1)
            mask[part] = lowest[self.starts.step[part]] >= self.starts.gpus[part] - _SLACK
        return mask

    def bounds(self, assignment: Assignment, allowed: NDArray[np.bool_] | None = None) -> tuple[FloatArray, FloatArray]:
        """Bounds of ``bound_columns`` that keep what is placed and leave the rest to the LP."""
        free = self.free(assignment)
        lower = assignment.placed.astype(float)
        room = free[self.group]
        if allowed is not None:
            room = np.where(allowed, room, 0)
        reject_low = assignment.rejected[self.optional].astype(float)
        reject_high = reject_low + free[self.optional]
        return np.concatenate([lower, reject_low]), np.concatenate([lower + room, reject_high])

    def read(self, values: FloatArray) -> Assignment:
        """Assignment of an integral solution."""
        rejected = np.zeros(self.count.size, np.int64)
        rejected[self.optional] = np.rint(values[self.rejection]).astype(np.int64)
        return Assignment(np.rint(values[self.columns]).astype(np.int64), rejected)

    def _require(self) -> StartColumns:
        if self.starts is None:
            raise ValueError("the model has no rigid jobs")
        return self.starts
