"""Named blocks of variables and rows, compiled to one sparse matrix."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from joulewright.model.timeline import FloatArray, IntArray

Labeller = Callable[[int], str]


@dataclass(frozen=True, eq=False)
class Block:
    """A named, contiguous range of variables or rows.

    Attributes
    ----------
    name : str
        Family name, e.g. ``grid_import`` or ``balance``.
    first, size : int
        Range in the program.
    shape : tuple of int
        Shape of the family.
    label : callable
        Name of an element inside the brackets, from its flat position.
    """

    name: str
    first: int
    shape: tuple[int, ...]
    label: Labeller

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape))

    @property
    def index(self) -> IntArray:
        """Indices of the elements in the program, in the shape of the block."""
        return np.arange(self.first, self.first + self.size, dtype=np.int64).reshape(self.shape)

    def values(self, vector: FloatArray) -> FloatArray:
        """The block's part of a solution or dual vector, in the shape of the block."""
        return vector[self.first : self.first + self.size].reshape(self.shape)


class Term(NamedTuple):
    """Coefficients of a row family: row positions within it, column indices and values (broadcast)."""

    rows: ArrayLike
    columns: ArrayLike
    values: ArrayLike


@dataclass(frozen=True, eq=False)
class Program:
    """A mixed-integer linear program ``min c x + offset`` in column-wise compressed form.

    Attributes
    ----------
    cost, lower, upper : FloatArray
        Per column, shape ``(n,)``; every bound is finite.
    integer : NDArray[np.bool_]
        Which columns are integral.
    row_lower, row_upper : FloatArray
        Per row, shape ``(m,)``.
    start, index, value : arrays
        Column-wise compressed matrix.
    offset : float
        Constant of the objective.
    variables, rows : dict of str to list of Block
        Blocks by family name.
    """

    cost: FloatArray
    lower: FloatArray
    upper: FloatArray
    integer: NDArray[np.bool_]
    row_lower: FloatArray
    row_upper: FloatArray
    start: NDArray[np.int32]
    index: NDArray[np.int32]
    value: FloatArray
    offset: float
    variables: dict[str, list[Block]]
    rows: dict[str, list[Block]]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.row_lower.size, self.cost.size

    def column_name(self, column: int) -> str:
        """Public name of a column, e.g. ``grid_import[california,2022-07-05T17:00]``."""
        return _name(self.variables, int(column))

    def row_name(self, row: int) -> str:
        """Public name of a row, e.g. ``balance[california,2022-07-05T17:00]``."""
        return _name(self.rows, int(row))


def find_block(families: dict[str, list[Block]], family: str, head: str) -> Block | None:
    """Block of a family whose labels begin with ``head`` and a comma, or None."""
    for block in families.get(family, []):
        if block.size and block.label(0).startswith(f"{head},"):
            return block
    return None


def _name(families: dict[str, list[Block]], position: int) -> str:
    for blocks in families.values():
        for block in blocks:
            if block.first <= position < block.first + block.size:
                return f"{block.name}[{block.label(position - block.first)}]"
    raise IndexError(f"no row or column {position}")


@dataclass(eq=False)
class Builder:
    """Collects blocks; ``compile`` turns them into a :class:`Program`.

    Rows collected by one call form a family; terms are coordinate lists, so a family of a hundred
    thousand coefficients is a handful of array operations.
    """

    offset: float = 0.0
    variables: dict[str, list[Block]] = field(default_factory=dict)
    rows: dict[str, list[Block]] = field(default_factory=dict)
    _columns: int = 0
    _row_count: int = 0
    _column_parts: list[tuple[FloatArray, FloatArray, FloatArray, NDArray[np.bool_]]] = field(default_factory=list)
    _row_parts: list[tuple[FloatArray, FloatArray]] = field(default_factory=list)
    _terms: list[tuple[IntArray, IntArray, FloatArray]] = field(default_factory=list)

    def variable(
        self,
        name: str,
        shape: int | tuple[int, ...],
        label: Labeller,
        *,
        lower: ArrayLike = 0.0,
        upper: ArrayLike,
        cost: ArrayLike = 0.0,
        integer: bool = False,
    ) -> Block:
        """Add a block of variables; bounds and cost broadcast to ``shape``."""
        shape = (shape,) if isinstance(shape, int) else shape
        block = Block(name, self._columns, shape, label)
        flat = [np.broadcast_to(np.asarray(part, dtype=float), shape).ravel() for part in (cost, lower, upper)]
        self._column_parts.append((flat[0], flat[1], flat[2], np.full(block.size, integer)))
        self._columns += block.size
        self.variables.setdefault(name, []).append(block)
        return block

    def add_rows(
        self,
        name: str,
        count: int,
        label: Labeller,
        terms: Sequence[Term],
        *,
        lower: ArrayLike = -np.inf,
        upper: ArrayLike = np.inf,
    ) -> Block:
        """Add a family of ``count`` rows ``lower <= sum of terms <= upper``."""
        block = Block(name, self._row_count, (count,), label)
        self._row_parts.append(
            (np.broadcast_to(np.asarray(lower, float), count), np.broadcast_to(np.asarray(upper, float), count))
        )
        for term in terms:
            rows, columns, values = np.broadcast_arrays(
                np.asarray(term.rows, dtype=np.int64),
                np.asarray(term.columns, dtype=np.int64),
                np.asarray(term.values, dtype=float),
            )
            self._terms.append((rows.ravel() + self._row_count, columns.ravel(), values.ravel()))
        self._row_count += count
        self.rows.setdefault(name, []).append(block)
        return block

    def upper_of(self, block: Block) -> FloatArray:
        """Upper bounds of a block added earlier, in its shape."""
        first = 0
        for _, _, upper, _ in self._column_parts:
            if first == block.first:
                return upper.reshape(block.shape)
            first += upper.size
        raise KeyError(f"no variable block {block.name!r} starts at column {block.first}")

    def upper_at(self, term: Term) -> FloatArray:
        """Largest value of every product of a term: coefficient times upper bound."""
        upper = np.concatenate([part[2] for part in self._column_parts])
        return np.asarray(upper[np.asarray(term.columns)] * np.asarray(term.values), dtype=float)

    def compile(self) -> Program:
        """Assemble everything added so far."""
        cost, lower, upper = (
            np.concatenate([part[item] for part in self._column_parts] or [np.empty(0)]) for item in range(3)
        )
        integer = np.concatenate([part[3] for part in self._column_parts] or [np.empty(0, bool)])
        row_lower, row_upper = (
            np.concatenate([part[item] for part in self._row_parts] or [np.empty(0)]) for item in range(2)
        )
        start, index, value = _compress(self._terms, self._columns, self._row_count)
        return Program(
            cost=cost,
            lower=lower,
            upper=upper,
            integer=integer,
            row_lower=row_lower,
            row_upper=row_upper,
            start=start,
            index=index,
            value=value,
            offset=self.offset,
            variables=dict(self.variables),
            rows=dict(self.rows),
        )


def _compress(
    terms: list[tuple[IntArray, IntArray, FloatArray]], columns: int, rows: int
) -> tuple[NDArray[np.int32], NDArray[np.int32], FloatArray]:
    """Column-wise compressed matrix from coordinate lists; repeated coordinates are summed."""
    if not terms:
        return np.zeros(columns + 1, np.int32), np.empty(0, np.int32), np.empty(0)
    row = np.concatenate([term[0] for term in terms])
    column = np.concatenate([term[1] for term in terms])
    value = np.concatenate([term[2] for term in terms])
    key = column * max(rows, 1) + row
    order = np.argsort(key, kind="stable")
    key, value = key[order], value[order]
    first = np.concatenate([[True], key[1:] != key[:-1]])
    value = np.add.reduceat(value, np.flatnonzero(first))
    key = key[first]
    keep = value != 0.0
    key, value = key[keep], value[keep]
    start = np.searchsorted(key, np.arange(columns + 1, dtype=np.int64) * max(rows, 1))
    return start.astype(np.int32), (key % max(rows, 1)).astype(np.int32), value
