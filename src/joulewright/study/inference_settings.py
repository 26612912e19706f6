"""Settings of a service, as text (``name=value,name=value``) or as a table, checked against what they are for."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from joulewright.errors import ScenarioError

Record = TypeVar("Record")


def settings_of(text: str, known: Iterable[str], *, of: str) -> dict[str, str]:
    """Names and values of a text.

    Parameters
    ----------
    text : str
        ``name=value`` pairs with commas between them.
    known : iterable of str
        Names that are allowed.
    of : str
        What they are settings of, for messages.

    Raises
    ------
    ScenarioError
        If a part is no pair, a name is unknown or given twice.

    Examples
    --------
    >>> settings_of("energy_kwh=2, tokens=1e6", ["energy_kwh", "tokens"], of="the budget")
    {'energy_kwh': '2', 'tokens': '1e6'}
    """
    names = list(known)
    found: dict[str, str] = {}
    for part in filter(None, (item.strip() for item in text.split(","))):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not value:
            raise ScenarioError(f"{part!r} of {of} is not of the form name=value; names are {', '.join(names)}")
        if name not in names:
            raise ScenarioError(f"{name!r} is no setting of {of}; {nearest(name, names)}")
        if name in found:
            raise ScenarioError(f"{name!r} of {of} is given twice, as {found[name]!r} and {value!r}; give it once")
        found[name] = value
    return found


def nearest(name: str, known: Iterable[str]) -> str:
    """The closest of the names that are known, or all of them, for messages.

    Examples
    --------
    >>> nearest("rat", ["rate", "input"]), nearest("x", ["rate", "input"])
    ("did you mean 'rate'?", 'there are rate, input')
    """
    names = list(known)
    close = get_close_matches(name, names, n=1)
    return f"did you mean {close[0]!r}?" if close else f"there are {', '.join(names)}"


def number_of(text: str, name: str, *, of: str) -> int | float:
    """A number, whole where it has neither a point nor an exponent.

    Raises
    ------
    ScenarioError
        If it is none.

    Examples
    --------
    >>> number_of("12", "rate", of="the trace"), number_of("5e9", "rate", of="the trace")
    (12, 5000000000.0)
    """
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError as error:
        raise ScenarioError(f"{name} of {of} is {text!r}; it must be a plain number in the unit of its name") from error


def record_of(kind: type[Record], text: str, *, of: str, without: Iterable[str] = ()) -> Record:
    """A frozen dataclass of numbers, flags and schedules from settings; its own checks follow.

    A schedule is written ``0:2/3600:4``: times [s], and what holds from each on.

    Raises
    ------
    ScenarioError
        If a setting is unknown, missing, of another kind or out of range.

    Examples
    --------
    >>> from joulewright.sim.processes.inference import ServiceBudget
    >>> record_of(ServiceBudget, "tokens=1000", of="the budget").tokens
    1000
    """
    hidden, hints = set(without), get_type_hints(kind)
    fields = {item.name: item for item in dataclasses.fields(kind) if item.name not in hidden}  # type: ignore[arg-type]
    given = settings_of(text, fields, of=of)
    missing = [name for name, item in fields.items() if _needed(item) and name not in given]
    if missing:
        raise ScenarioError(f"{of} lacks {', '.join(missing)}; write {','.join(f'{name}=NUMBER' for name in missing)}")
    values = {name: _value(text, hints[name], name, of) for name, text in given.items()}
    return kind(**values)


def record_of_table(kind: type[Record], given: Mapping[str, Any], *, of: str, without: Iterable[str] = ()) -> Record:
    """A frozen dataclass from a table such as one of a TOML file; one value stands for a list of one.

    Parameters
    ----------
    kind : type
        The dataclass; its annotations say which values its fields take.
    given : mapping
        Names and values.
    of : str
        What they are settings of, for messages.
    without : iterable of str
        Fields that a table cannot give, and messages do not name.

    Raises
    ------
    ScenarioError
        If a setting is unknown, missing, of another kind or out of range; all problems of the first three sorts are
        listed.

    Examples
    --------
    >>> from joulewright.sim.processes.inference import ServiceBudget
    >>> record_of_table(ServiceBudget, {"tokens": 1000}, of="the budget").tokens
    1000
    """
    hidden, hints = set(without), get_type_hints(kind)
    fields = {item.name: item for item in dataclasses.fields(kind) if item.name not in hidden}  # type: ignore[arg-type]
    problems = [f"{name!r} is no setting of {of}; {nearest(name, fields)}" for name in given if name not in fields]
    problems += [f"{of} lacks {name}" for name, item in fields.items() if _needed(item) and name not in given]
    values = {name: _listed(value, hints[name]) for name, value in given.items() if name in fields}
    problems += [
        f"{name} of {of} is {given[name]!r}; it must be {_described(hints[name])}"
        for name, value in values.items()
        if not _fits(value, hints[name])
    ]
    if problems:
        raise ScenarioError(problems)
    return kind(**values)


def _listed(value: Any, hint: Any) -> Any:
    """Lists as tuples, and one value as a tuple where only a tuple will do."""
    if isinstance(value, list):
        return tuple(value)
    wants = [item for item in (get_args(hint) if _is_union(hint) else (hint,)) if get_origin(item) is tuple]
    return (value,) if wants and not isinstance(value, tuple) and not _fits(value, hint) else value


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value is of the kind that an annotation names; numbers must be finite."""
    origin, inner = get_origin(hint), get_args(hint)
    if _is_union(hint):
        return any(_fits(value, item) for item in inner)
    if origin is Literal:
        return value in inner
    if origin is tuple:
        return isinstance(value, tuple) and all(_fits(item, inner[0]) for item in value)
    if origin is not None:
        return isinstance(value, Mapping) and all(_fits(item, inner[1]) for item in value.values())
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return isinstance(value, hint) and (hint is bool or not isinstance(value, bool))


def _described(hint: Any) -> str:
    origin, inner = get_origin(hint), get_args(hint)
    if _is_union(hint):
        return " or ".join(_described(item) for item in inner if item is not NoneType)
    if origin is Literal:
        return ", ".join(map(repr, inner))
    if origin is tuple:
        return f"a list, each {_described(inner[0])}"
    if origin is not None:
        return f"a table, each {_described(inner[1])}"
    return _WORDS.get(hint, "the name of one")


_WORDS: Mapping[type, str] = {float: "a finite number", int: "a whole number", str: "text", bool: "true or false"}


def _is_union(hint: Any) -> bool:
    return get_origin(hint) in (Union, UnionType)


def _needed(item: dataclasses.Field[Any]) -> bool:
    return item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING


def _value(text: str, hint: Any, name: str, of: str) -> Any:
    if get_origin(hint) is tuple:
        return _schedule(text, name, of)
    if str in get_args(hint):
        return text
    flags: Mapping[str, bool] = {"true": True, "false": False}
    value = flags[text] if text in flags else number_of(text, name, of=of)
    if not _fits(value, hint):
        raise ScenarioError(f"{name} of {of} is {text!r}; it must be {_described(hint)}")
    return value


def _schedule(text: str, name: str, of: str) -> tuple[tuple[float, int], ...]:
    steps = []
    for part in text.split("/"):
        time, _, count = part.partition(":")
        try:
            steps.append((float(time), int(count)))
        except ValueError as error:
            raise ScenarioError(
                f"{name} of {of} is {text!r}; it must be times in seconds and whole numbers, e.g. 0:2/3600:4, and "
                f"{part!r} is none such"
            ) from error
    return tuple(steps)
