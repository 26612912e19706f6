"""Variants of a scenario: every combination of the values that ``--set key=a,b`` lists."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from joulewright.errors import ScenarioError
from joulewright.study.result import Variant

_MOST_VARIANTS = 10_000
_CLOSES = {"]": "[", "}": "{", ")": "("}


def variants_of(overrides: Sequence[str]) -> tuple[Variant, ...]:
    """Variants that overrides with one or more values each describe.

    Parameters
    ----------
    overrides : sequence of str
        ``path=value`` or ``path=value,value``. A comma inside quotes, brackets or braces belongs to the value.

    Returns
    -------
    tuple of Variant
        All combinations, the last override varying fastest; overrides with one value are part of all of them and
        of no name.

    Raises
    ------
    ScenarioError
        If a value is empty, listed twice or given by two overrides, or there are more than 10,000 combinations.

    Examples
    --------
    >>> [item.name for item in variants_of(["carbon.price=80 USD/t", "site.a.battery.energy=1 MWh,2 MWh"])]
    ['site.a.battery.energy=1 MWh', 'site.a.battery.energy=2 MWh']
    """
    axes = [_axis(text) for text in overrides]
    swept = [path for path, values in axes if len(values) > 1]
    paths = [path for path, _ in axes]
    twice = next((path for path in swept if paths.count(path) > 1), None)
    if twice is not None:
        raise ScenarioError(f"{twice!r} is set twice; list all its values in one --set {twice}=a,b")
    count = 1
    for _, values in axes:
        count *= len(values)
    if count > _MOST_VARIANTS:
        raise ScenarioError(f"the sweep has {count} variants; allowed are {_MOST_VARIANTS}: sweep fewer values")
    found = []
    for choice in product(*(values for _, values in axes)):
        pairs = [f"{path}={value}" for path, value in zip(paths, choice, strict=True)]
        name = ", ".join(pair for pair, path in zip(pairs, paths, strict=True) if path in swept)
        found.append(Variant(name=name, overrides=tuple(pairs)))
    return tuple(found)


def _axis(text: str) -> tuple[str, list[str]]:
    path, equals, rest = text.partition("=")
    path, values = path.strip(), [value.strip() for value in split_values(rest)]
    if not path or not equals or not all(values):
        raise ScenarioError(f"--set {text!r} is not path=value or path=value,value")
    twice = next((value for value in values if values.count(value) > 1), None)
    if twice is not None:
        raise ScenarioError(f"--set {path}: the value {twice!r} is listed twice; list every value once")
    return path, values


def split_values(text: str) -> list[str]:
    """Parts between commas that stand outside quotes, brackets and braces.

    Examples
    --------
    >>> split_values('["a", "b"],"c, d",5 MW')
    ['["a", "b"]', '"c, d"', '5 MW']
    """
    parts, start, quote = [], 0, ""
    open_brackets: list[str] = []
    for position, sign in enumerate(text):
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "\"'":
            quote = sign
        elif sign in "[{(":
            open_brackets.append(sign)
        elif open_brackets and _CLOSES.get(sign) == open_brackets[-1]:
            open_brackets.pop()
        elif sign == "," and not open_brackets:
            parts.append(text[start:position])
            start = position + 1
    return [*parts, text[start:]]
