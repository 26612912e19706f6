"""Named blocks and their compilation to one sparse matrix."""

from __future__ import annotations

import numpy as np
import pytest

from joulewright.plan.program import Block, Builder, Program, Term, find_block


def numbered(position: int) -> str:
    return f"x{position}"


def dense(program: Program) -> np.ndarray:
    """The matrix in full, from its columns."""
    matrix = np.zeros(program.shape)
    for column, (first, stop) in enumerate(zip(program.start[:-1], program.start[1:], strict=True)):
        matrix[program.index[first:stop], column] += program.value[first:stop]
    return matrix


def row_matrix(columns: int, *terms: Term, rows: int = 1) -> np.ndarray:
    """The matrix of one family over as many variables."""
    builder = Builder()
    builder.variable("x", columns, numbered, upper=1.0)
    builder.add_rows("r", rows, numbered, terms)
    return dense(builder.compile())


def test_blocks_follow_each_other_and_know_their_place() -> None:
    builder = Builder()
    one = builder.variable("one", 2, numbered, upper=3.0)
    two = builder.variable("two", (2, 3), numbered, upper=1.0)
    assert (one.first, one.size, two.first, two.size) == (0, 2, 2, 6)
    assert two.index.tolist() == [[2, 3, 4], [5, 6, 7]]
    assert two.values(np.arange(8.0)).tolist() == [[2.0, 3.0, 4.0], [5.0, 6.0, 7.0]]


def test_bounds_and_costs_broadcast() -> None:
    builder = Builder()
    builder.variable("x", (2, 2), numbered, lower=[1.0, 2.0], upper=[[3.0], [4.0]], cost=5.0, integer=True)
    builder.variable("y", 1, numbered, upper=9.0)
    program = builder.compile()
    assert program.lower.tolist() == [1.0, 2.0, 1.0, 2.0, 0.0]
    assert program.upper.tolist() == [3.0, 3.0, 4.0, 4.0, 9.0]
    assert program.cost.tolist() == [5.0, 5.0, 5.0, 5.0, 0.0]
    assert program.integer.tolist() == [True, True, True, True, False]


def test_terms_broadcast_rows_columns_and_values() -> None:
    matrix = row_matrix(3, Term([0, 1], [0, 2], 2.0), Term(0, [1, 2], [3.0, 4.0]), rows=2)
    assert matrix.tolist() == [[2.0, 3.0, 4.0], [0.0, 0.0, 2.0]]


def test_repeated_coefficients_are_summed_and_zeros_left_out() -> None:
    builder = Builder()
    builder.variable("x", 2, numbered, upper=1.0)
    builder.add_rows("r", 1, numbered, [Term(0, [0, 0, 1], [1.0, 2.5, 4.0]), Term(0, [1], [-4.0])])
    program = builder.compile()
    assert dense(program).tolist() == [[3.5, 0.0]]
    assert program.value.tolist() == [3.5]
    assert program.start.tolist() == [0, 1, 1]


def test_families_keep_their_rows_apart() -> None:
    builder = Builder()
    x = builder.variable("x", 2, numbered, upper=1.0)
    first = builder.add_rows("first", 2, numbered, [Term([0, 1], x.index, 1.0)], lower=[0.0, 1.0])
    second = builder.add_rows("second", 1, numbered, [Term(0, x.index, -1.0)], upper=7.0)
    program = builder.compile()
    assert (first.first, second.first) == (0, 2)
    assert dense(program).tolist() == [[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]]
    assert program.row_lower.tolist() == [0.0, 1.0, -np.inf]
    assert program.row_upper.tolist() == [np.inf, np.inf, 7.0]


def test_matrix_equals_scipy_on_random_coordinates() -> None:
    from scipy.sparse import coo_array

    draw = np.random.default_rng(3)
    rows, columns, values = draw.integers(0, 7, 60), draw.integers(0, 9, 60), draw.normal(size=60)
    expected = coo_array((values, (rows, columns)), shape=(7, 9)).toarray()
    assert np.allclose(row_matrix(9, Term(rows, columns, values), rows=7), expected, atol=1e-15)


def test_a_program_without_rows_is_a_program() -> None:
    builder = Builder(offset=4.0)
    builder.variable("x", 2, numbered, upper=1.0)
    program = builder.compile()
    assert program.shape == (0, 2)
    assert program.start.tolist() == [0, 0, 0]
    assert program.offset == 4.0


def test_an_empty_builder_compiles() -> None:
    assert Builder().compile().shape == (0, 0)


def test_names_are_family_and_label() -> None:
    builder = Builder()
    builder.variable("one", 2, lambda position: f"a,{position}", upper=1.0)
    builder.variable("two", 1, lambda _: "b", upper=1.0)
    builder.add_rows("r", 2, lambda position: f"c,{position}", [])
    program = builder.compile()
    assert [program.column_name(item) for item in range(3)] == ["one[a,0]", "one[a,1]", "two[b]"]
    assert program.row_name(1) == "r[c,1]"


@pytest.mark.parametrize("position", [-1, 1])
def test_a_name_outside_the_program_raises(position) -> None:
    builder = Builder()
    builder.variable("x", 1, numbered, upper=1.0)
    with pytest.raises(IndexError, match=str(position)):
        builder.compile().column_name(position)


def test_upper_bounds_can_be_looked_up_while_building() -> None:
    builder = Builder()
    builder.variable("x", 2, numbered, upper=[1.0, 2.0])
    y = builder.variable("y", (1, 2), numbered, upper=[3.0, 4.0])
    assert builder.upper_of(y).tolist() == [[3.0, 4.0]]
    assert builder.upper_at(Term(0, [0, 3], [10.0, -1.0])).tolist() == [10.0, -4.0]


def test_an_unknown_block_has_no_upper_bounds() -> None:
    with pytest.raises(KeyError, match="'x' starts at column 5"):
        Builder().upper_of(Block("x", 5, (1,), numbered))


def test_find_block_wants_the_whole_head() -> None:
    builder = Builder()
    west = builder.variable("flow", 1, lambda _: "west,0", upper=1.0)
    builder.variable("flow", 1, lambda _: "westend,0", upper=1.0)
    builder.variable("flow", 0, lambda _: "empty,0", upper=1.0)
    assert find_block(builder.variables, "flow", "west") is west
    assert find_block(builder.variables, "flow", "we") is None
    assert find_block(builder.variables, "flow", "empty") is None
    assert find_block(builder.variables, "other", "west") is None
