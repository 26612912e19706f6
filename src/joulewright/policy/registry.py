"""Policies and rules by name: built-in, registered by a program, or found through entry points."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Literal

from joulewright.errors import PolicyError

RuleKind = Literal["dispatch", "jobs", "routing", "policy", "forecast", "dag"]
ENTRY_POINT_GROUP = "joulewright.policies"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A registered rule: its name, kind, one-line summary and the class that makes it."""

    name: str
    kind: RuleKind
    summary: str
    factory: Callable[..., Any]


_ENTRIES: dict[str, Entry] = {}
_BUILT_IN = (
    "joulewright.policy.dispatch",
    "joulewright.policy.jobs",
    "joulewright.policy.routing",
    "joulewright.policy.planned",
)


def register(name: str, *, kind: RuleKind, summary: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate a frozen dataclass to register it under ``name``.

    Raises
    ------
    PolicyError
        If the name is taken.
    """

    def add(factory: Callable[..., Any]) -> Callable[..., Any]:
        if name in _ENTRIES:
            raise PolicyError(f"two policies are called {name!r}; choose another name for {factory!r}")
        _ENTRIES[name] = Entry(name=name, kind=kind, summary=summary, factory=factory)
        return factory

    return add


def entries() -> Mapping[str, Entry]:
    """Every rule by name, sorted; built-in modules and entry points are imported first."""
    for module in _BUILT_IN:
        import_module(module)
    for point in entry_points(group=ENTRY_POINT_GROUP):
        point.load()
    return dict(sorted(_ENTRIES.items()))


def parse(text: str) -> tuple[str, dict[str, str]]:
    """Name and options of ``name:option=value,option=value``.

    Raises
    ------
    PolicyError
        If an option has no value or is given twice.

    Examples
    --------
    >>> parse("receding-horizon:window_h=48,every_h=1")
    ('receding-horizon', {'window_h': '48', 'every_h': '1'})
    """
    name, _, rest = text.strip().partition(":")
    options: dict[str, str] = {}
    for item in filter(None, rest.split(",")):
        key, equals, value = (part.strip() for part in item.partition("="))
        if not equals or not key or not value:
            raise PolicyError(f"option {item!r} of policy {name!r} is not of the form name=value")
        if key in options:
            raise PolicyError(f"option {key!r} of policy {name!r} is given twice")
        options[key] = value
    return name, options


def make(text: str, kind: RuleKind | None = None) -> Any:
    """The rule that ``text`` names, with its options.

    Raises
    ------
    PolicyError
        If there is no such rule, it is of another kind, or an option is unknown or not of the right type.
    """
    name, options = parse(text)
    known = entries()
    if name not in known:
        close = get_close_matches(name, known, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else f"; there are {', '.join(known)}"
        raise PolicyError(f"there is no policy {name!r}{hint}")
    entry = known[name]
    if kind is not None and entry.kind != kind:
        raise PolicyError(f"{name!r} decides {entry.kind}, not {kind}")
    return build(entry, options)


def build(entry: Entry, options: Mapping[str, str]) -> Any:
    """What an entry makes with these options, given as text.

    Raises
    ------
    PolicyError
        If an option is unknown or not of the right type.
    """
    return entry.factory(**_arguments(entry, options))


def _arguments(entry: Entry, options: Mapping[str, str]) -> dict[str, Any]:
    parameters = {item.name: item for item in dataclasses.fields(entry.factory)}  # type: ignore[arg-type]
    unknown = sorted(set(options) - set(parameters))
    if unknown:
        raise PolicyError(f"policy {entry.name!r} has no option {unknown[0]!r}; it has {sorted(parameters) or 'none'}")
    return {key: _value(entry, parameters[key], text) for key, text in options.items()}


def _value(entry: Entry, parameter: dataclasses.Field[Any], text: str) -> Any:
    # A string where annotations are postponed, else the type itself.
    kind = parameter.type.__name__ if isinstance(parameter.type, type) else str(parameter.type)
    try:
        if kind.startswith("bool"):
            return {"true": True, "yes": True, "false": False, "no": False}[text.lower()]
        if kind.startswith("int"):
            return int(text)
        if kind.startswith("float"):
            return float(text)
    except (ValueError, KeyError) as error:
        message = f"option {parameter.name!r} of policy {entry.name!r} is {text!r}; it takes a value of type {kind}"
        raise PolicyError(message) from error
    return text
