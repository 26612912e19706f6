"""``--set path=value``: changes to the parsed document before it is checked."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any

from joulewright.io.scenario_file.document import Document, Path
from joulewright.io.scenario_file.fields import did_you_mean, tables
from joulewright.io.scenario_file.names import item_names
from joulewright.io.scenario_file.tables import match_key


class OverridePathError(ValueError):
    """A path leads nowhere; the message says where it stops."""

    def __init__(self, message: str, help: str) -> None:
        self.help = help
        super().__init__(message)


def override_pairs(overrides: Mapping[str, str] | Sequence[str]) -> list[tuple[str, str]]:
    """Paths and value texts of overrides given as a mapping or as ``path=value`` texts."""
    if isinstance(overrides, Mapping):
        return [(path.strip(), str(text)) for path, text in overrides.items()]
    return [(path.strip(), text.strip()) for path, _, text in (item.partition("=") for item in overrides)]


def apply_overrides(document: Document, overrides: Iterable[tuple[str, str]]) -> None:
    """Set every path to its value; a path that leads nowhere is reported and changes nothing."""
    for dotted, text in overrides:
        try:
            if not dotted or not text:
                raise OverridePathError(f"{dotted!r} = {text!r} is not path=value", 'write e.g. carbon.budget="4000 t"')
            changed = deepcopy(document.data)
            path = _set(changed, dotted, _value(text))
        except OverridePathError as error:
            document.overridden[(dotted,)] = f"{dotted}={text}"
            document.add("S010", (dotted,), str(error), help=error.help)
        else:
            document.data, document.names = changed, {}
            document.overridden[path] = f"{dotted}={text}"


def _value(text: str) -> Any:
    """A TOML value where the text is one (numbers, dates, lists, tables, quoted text), else the text itself."""
    if "\n" in text:
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _set(data: dict[str, Any], dotted: str, value: Any) -> Path:
    """Set one value and return where it stands.

    Raises
    ------
    OverridePathError
        If a name or key on the way does not exist.
    """
    node, table, rest = data, "scenario", dotted
    path: Path = ()
    while True:
        key, rest = _next_key(table, rest)
        found = match_key(key, tables()[table], "USD")
        if found is None:
            raise OverridePathError(f"{dotted!r}: {table} has no key {key!r}", did_you_mean(key, list(tables()[table])))
        spec = found[0]
        if not rest:
            for other in [
                name for name in node if (known := match_key(name, tables()[table], "USD")) and known[0] == spec
            ]:
                del node[other]
            node[key] = value
            return (*path, key)
        path = (*path, key)
        if spec.type in ("tables", "rows"):
            table = spec.argument.partition(":")[0]
            node, rest, step = _item(node.get(key), key, rest, dotted)
            path = (*path, *step)
        elif spec.type in ("table", "signal", "relative", "column"):
            table = spec.argument or "reference"
            node = _subtable(node, key)
        elif spec.type in ("map", "demand"):
            return _set_in_map(_subtable(node, key), path, rest, value, nested=spec.argument in tables())
        else:
            raise OverridePathError(f"{dotted!r}: {'.'.join(map(str, path))} is a single value", f"remove .{rest}")


def _next_key(table: str, rest: str) -> tuple[str, str]:
    key, _, rest = rest.partition(".")
    return key, rest


def _subtable(node: dict[str, Any], key: str) -> dict[str, Any]:
    if not isinstance(node.get(key), dict):
        node[key] = {}
    child: dict[str, Any] = node[key]
    return child


def _set_in_map(node: dict[str, Any], path: Path, rest: str, value: Any, *, nested: bool = False) -> Path:
    """Set a value in a table whose keys are names, or in a table below one of them."""
    if nested:
        key, _, inner = rest.rpartition(".")
    else:
        key = next((name for name in node if rest.startswith(f"{name}.") and isinstance(node[name], dict)), "")
        inner = rest.removeprefix(f"{key}.")
    if not key:
        node[rest] = value
        return (*path, rest)
    _subtable(node, key)[inner] = value
    return (*path, key, inner)


def _item(items: Any, kind: str, rest: str, dotted: str) -> tuple[dict[str, Any], str, Path]:
    """The list item that ``rest`` starts with the name of, the rest after it, and its step in the path.

    Raises
    ------
    OverridePathError
        If there is no such item.
    """
    rows = [items] if isinstance(items, dict) else items
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise OverridePathError(f"{dotted!r}: there is no {kind} in the scenario", f"add [[{kind}]] to the file first")
    names = item_names(kind, rows)
    index = next((i for i, name in enumerate(names) if rest == name or rest.startswith(name + ".")), None)
    if index is not None:
        inner = rest[len(names[index]) + 1 :]
    elif len(rows) == 1 and match_key(rest.partition(".")[0], tables()[kind], "USD"):
        index, inner = 0, rest
    else:
        word = rest.partition(".")[0]
        raise OverridePathError(f"{dotted!r}: there is no {kind} named {word!r}", did_you_mean(word, names))
    if not inner:
        raise OverridePathError(f"{dotted!r}: {kind} {names[index]!r} is a table", "name one of its keys after it")
    return rows[index], inner, () if isinstance(items, dict) else (index,)
