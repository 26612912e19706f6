"""Settings of a service written as text, ``name=value,name=value``, checked against what they are for."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

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
            close = get_close_matches(name, names, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(names)}"
            raise ScenarioError(f"{name!r} is no setting of {of}; {hint}")
        if name in found:
            raise ScenarioError(f"{name!r} of {of} is given twice, as {found[name]!r} and {value!r}; give it once")
        found[name] = value
    return found


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
    """A frozen dataclass of numbers and flags from settings; its own checks follow.

    Raises
    ------
    ScenarioError
        If a setting is unknown, missing or out of range.

    Examples
    --------
    >>> from joulewright.sim.processes.inference import ServiceBudget
    >>> record_of(ServiceBudget, "tokens=1000", of="the budget").tokens
    1000
    """
    hidden = set(without)
    fields = {item.name: item for item in dataclasses.fields(kind) if item.name not in hidden}  # type: ignore[arg-type]
    given = settings_of(text, fields, of=of)
    missing = [name for name, item in fields.items() if _needed(item) and name not in given]
    if missing:
        raise ScenarioError(f"{of} lacks {', '.join(missing)}; write {','.join(f'{name}=NUMBER' for name in missing)}")
    values = {name: _value(text, name, of) for name, text in given.items()}
    return kind(**values)


def _needed(item: dataclasses.Field[Any]) -> bool:
    return item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING


def _value(text: str, name: str, of: str) -> bool | int | float:
    flags: Mapping[str, bool] = {"true": True, "false": False}
    return flags[text] if text in flags else number_of(text, name, of=of)
