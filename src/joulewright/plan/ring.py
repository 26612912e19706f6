"""A window's program laid out as a ring: a step keeps its columns and rows while the window moves past it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import NamedTuple

import numpy as np

from joulewright.model.timeline import IntArray
from joulewright.plan.program import Block, Program


class Layout(NamedTuple):
    """Where the window's own columns, rows and entries are in the ring.

    Attributes
    ----------
    columns, rows : IntArray
        Place in the ring of every column and row.
    order : IntArray
        The window's matrix entries in the order of ``keys``.
    keys : IntArray
        Column times number of rows plus row in the ring, ascending.
    """

    columns: IntArray
    rows: IntArray
    order: IntArray
    keys: IntArray


class Change(NamedTuple):
    """From one layout to the next: entries that are gone, and for every new entry the old one at its place, or -1."""

    gone: IntArray
    match: IntArray


class Ring:
    """Layouts of a program of T steps, by the place of its first step.

    A block of T columns or rows, and the T + 1 boundaries of stored energy, go round; all others stay. Moving the first
    step along with the clock then leaves most numbers and the basis where they are.

    Parameters
    ----------
    program : Program
        The window's program.
    steps : int
        Its number T of steps.
    """

    def __init__(self, program: Program, steps: int) -> None:
        self._program = program
        self._steps = steps
        self._column_of = np.repeat(np.arange(program.cost.size), np.diff(program.start))
        self._layouts: dict[int, Layout] = {}
        self._changes: dict[tuple[int, int], Change] = {}

    def layout(self, first: int) -> Layout:
        """The layout whose first step is at place ``first`` of the ring."""
        first %= self._steps
        if first not in self._layouts:
            program = self._program
            columns = self._around(program.variables.values(), program.cost.size, first)
            rows = self._around(program.rows.values(), program.row_lower.size, first)
            keys = columns[self._column_of] * max(1, rows.size) + rows[program.index]
            order = np.argsort(keys)
            self._layouts[first] = Layout(columns, rows, order, keys[order])
        return self._layouts[first]

    def change(self, before: int, after: int) -> Change:
        """What changes in the pattern of the matrix between two layouts."""
        pair = (before % self._steps, after % self._steps)
        if pair not in self._changes:
            old, new = self.layout(before).keys, self.layout(after).keys
            place = np.minimum(np.searchsorted(old, new), max(0, old.size - 1))
            match = np.where(old[place] == new, place, -1) if old.size else np.empty(0, np.int64)
            self._changes[pair] = Change(np.flatnonzero(~np.isin(old, new)), match)
        return self._changes[pair]

    def _around(self, families: Iterable[list[Block]], size: int, first: int) -> IntArray:
        places = np.arange(size, dtype=np.int64)
        for block in chain.from_iterable(families):
            if block.size == self._steps:
                places[block.first : block.first + block.size] = block.first + self._turned(first)
            elif block.name == "energy":
                places[block.first + 1 : block.first + block.size] = block.first + 1 + self._turned(first)
        return places

    def _turned(self, first: int) -> IntArray:
        return (first + np.arange(self._steps, dtype=np.int64)) % self._steps
