"""Conditions such as ``carbon_t > 5000 or gap > 0.01`` for ``--fail-if``."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any

import click

from joulewright.cli.failures import GateFailedError
from joulewright.cli.output import Output

_OPERATORS: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


def holds(expression: str, figures: Mapping[str, float | None]) -> bool:
    """Whether a condition on figures is true: numbers, names, ``+ - * /``, comparisons, ``and or not``.

    Raises
    ------
    click.UsageError
        If the expression cannot be read or names a figure that the run does not have.

    Examples
    --------
    >>> holds("gap > 0.01 or carbon_t >= 2 * 2500", {"gap": 0.001, "carbon_t": 5000.0})
    True
    """
    try:
        tree = ast.parse(expression, mode="eval")
    except SyntaxError as error:
        raise click.UsageError(f"--fail-if {expression!r} cannot be read: {error.msg}") from error
    return bool(_value(tree.body, figures, expression))


def _value(node: ast.AST, figures: Mapping[str, float | None], expression: str) -> Any:
    match node:
        case ast.Constant(value=float() | int() as number):
            return number
        case ast.Name(id=name):
            return _figure(name, figures)
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return -_value(inner, figures, expression)
        case ast.UnaryOp(op=ast.Not(), operand=inner):
            return not _value(inner, figures, expression)
        case ast.BoolOp(op=ast.And(), values=parts):
            return all(_value(part, figures, expression) for part in parts)
        case ast.BoolOp(op=ast.Or(), values=parts):
            return any(_value(part, figures, expression) for part in parts)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_value(left, figures, expression), _value(right, figures, expression))
        case ast.Compare(left=left, ops=ops, comparators=rights) if all(type(op) in _OPERATORS for op in ops):
            values = [_value(part, figures, expression) for part in (left, *rights)]
            return all(_OPERATORS[type(op)](a, b) for op, a, b in zip(ops, values, values[1:], strict=False))
    raise click.UsageError(
        f"--fail-if {expression!r} uses {type(node).__name__}; allowed are numbers, figures, + - * /, comparisons "
        "and the words and, or, not"
    )


def _figure(name: str, figures: Mapping[str, float | None]) -> float:
    value = figures.get(name)
    if value is not None:
        return value
    if name in figures:
        raise click.UsageError(f"--fail-if names {name!r}, which this run does not have a value for")
    close = get_close_matches(name, figures, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(sorted(figures))}"
    raise click.UsageError(f"--fail-if names {name!r}, which is no figure of a run; {hint}")


def check_gate(expression: str, rows: Mapping[str, Mapping[str, float | None]], output: Output) -> None:
    """Evaluate the condition on every run; figures of the first one are also there as ``first_...``.

    Raises
    ------
    GateFailedError
        If it holds for any run.
    """
    reference = {f"first_{name}": value for name, value in next(iter(rows.values())).items()}
    failed = [name for name, row in rows.items() if holds(expression, {**row, **reference})]
    if failed:
        raise GateFailedError(f"{expression} holds for {', '.join(failed)}")
    output.say(f"{expression} holds for none of {len(rows)} runs")
