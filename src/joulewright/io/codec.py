"""Frozen dataclasses to a JSON document plus arrays, and back, driven by their type hints.

A document holds only what JSON has. What JSON lacks is tagged: ``{"$array": path}`` refers to an array kept aside,
``{"$time": text}`` is a date-time with offset and ``{"$float": "inf"}`` a float that is not finite.
"""

from __future__ import annotations

import math
import types
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from datetime import datetime
from functools import cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from joulewright.errors import DataError

Array = NDArray[Any]
Value = TypeVar("Value")

_PLAIN = (str, int, float, bool)


def encode(value: object) -> tuple[Any, dict[str, Array]]:
    """Turn dataclasses, mappings with text keys, sequences, sets, arrays, date-times and plain values into a document.

    Parameters
    ----------
    value : object
        Usually a frozen dataclass, e.g. a :class:`~joulewright.model.Scenario`.

    Returns
    -------
    document : object
        What :func:`json.dumps` takes.
    arrays : dict of str to ndarray
        Arrays by their path inside the value, e.g. ``sites.0.grid.import_limit_mw``.

    Raises
    ------
    TypeError
        If a part is of another type.

    Examples
    --------
    >>> encode({"limit_mw": np.array([1.0, 2.0]), "gap": math.inf})[0]
    {'limit_mw': {'$array': 'limit_mw'}, 'gap': {'$float': 'inf'}}
    """
    arrays: dict[str, Array] = {}
    return _encoded(value, "", arrays), arrays


def _encoded(value: object, path: str, arrays: dict[str, Array]) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return {"$float": str(value)}
    if value is None or isinstance(value, _PLAIN):
        return value
    if isinstance(value, np.ndarray):
        while path in arrays:  # names with dots may spell the same path
            path += "'"
        arrays[path] = value
        return {"$array": path}
    if isinstance(value, datetime):
        return {"$time": value.isoformat()}
    if isinstance(value, AbstractSet):
        value = sorted(value)
    if isinstance(value, list | tuple):
        return [_encoded(item, _below(path, i), arrays) for i, item in enumerate(value)]
    return {name: _encoded(item, _below(path, name), arrays) for name, item in _parts(value, path)}


def _parts(value: object, path: str) -> list[tuple[str, Any]]:
    if is_dataclass(value) and not isinstance(value, type):
        return [(part.name, getattr(value, part.name)) for part in fields(value) if part.init]
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return [(f"${key}" if key.startswith("$") else key, item) for key, item in value.items()]
    raise TypeError(f"{path or 'the value'} is a {type(value).__name__}; it has no JSON form")


def _below(path: str, part: object) -> str:
    return f"{path}.{part}" if path else str(part)


def decode(kind: type[Value], document: Any, arrays: Mapping[str, Array]) -> Value:
    """Rebuild a value that :func:`encode` took apart.

    Parameters
    ----------
    kind : type
        What the document stands for; its type hints say how each part is read.
    document : object
        As parsed from JSON.
    arrays : mapping of str to ndarray
        The arrays it refers to.

    Returns
    -------
    object
        A ``kind``. Fields that are absent take their default; sequences inside ``Any`` become lists.

    Raises
    ------
    DataError
        If the document does not fit the type, or an array is missing.

    Examples
    --------
    >>> from joulewright.model import Link
    >>> decode(Link, {"between": ["a", "b"], "bandwidth_gbit_s": 100}, {}).bandwidth_gbit_s
    100.0
    """
    found: Value = _decoded(kind, document, arrays, "")
    return found


def _decoded(hint: Any, document: Any, arrays: Mapping[str, Array], path: str) -> Any:
    if isinstance(document, dict) and len(document) == 1:
        tag, content = next(iter(document.items()))
        if tag == "$time":
            return datetime.fromisoformat(content)
        if tag == "$float":
            return float(content)
        if tag == "$array":
            return _array(content, arrays, path)
    if is_dataclass(hint) and isinstance(hint, type):
        return _dataclass(hint, document, arrays, path)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _union(arguments, document, arrays, path)
    if origin is Literal:
        return _checked(document, document in arguments, f"one of {', '.join(map(repr, arguments))}", path)
    if hint in (Any, object):
        return _untyped(document, arrays, path)
    if hint is float and isinstance(document, int) and not isinstance(document, bool):
        return float(document)
    if hint in _PLAIN or hint is types.NoneType:
        fits = isinstance(document, hint) and (hint is not int or not isinstance(document, bool))
        return _checked(document, fits, hint.__name__, path)
    return _container(origin or hint, arguments, document, arrays=arrays, path=path)


def _container(kind: Any, arguments: tuple[Any, ...], document: Any, *, arrays: Mapping[str, Array], path: str) -> Any:
    if kind is tuple and len(arguments) > 0 and arguments[-1] is not ...:
        _checked(
            document, isinstance(document, list) and len(document) == len(arguments), f"{len(arguments)} items", path
        )
        return tuple(
            _decoded(hint, item, arrays, _below(path, i)) for i, (hint, item) in enumerate(zip(arguments, document))
        )
    if isinstance(kind, type) and issubclass(kind, Mapping):
        _checked(document, isinstance(document, dict), "a mapping", path)
        hint = arguments[1] if arguments else Any
        return _mapping(hint, document, arrays, path)
    make = {tuple: tuple, list: list, frozenset: frozenset, set: set}.get(kind, tuple)
    _checked(document, isinstance(document, list), f"a list for {kind}", path)
    hint = arguments[0] if arguments else Any
    return make(_decoded(hint, item, arrays, _below(path, i)) for i, item in enumerate(document))


def _dataclass(kind: type, document: Any, arrays: Mapping[str, Array], path: str) -> Any:
    _checked(document, isinstance(document, dict), f"a {kind.__name__}", path)
    hints = _hints(kind)
    unknown = sorted(set(document) - set(hints))
    if unknown:
        raise DataError(f"{path or kind.__name__} has the field {unknown[0]!r}, which {kind.__name__} does not know")
    parts = {name: _decoded(hints[name], item, arrays, _below(path, name)) for name, item in document.items()}
    try:
        return kind(**parts)
    except (TypeError, ValueError) as error:
        raise DataError(f"{path or 'the document'} is no valid {kind.__name__}: {error}") from error


@cache
def _hints(kind: type) -> dict[str, Any]:
    """Type hint of every field that the constructor takes."""
    hints = get_type_hints(kind)
    return {part.name: hints[part.name] for part in fields(kind) if part.init}


def _union(options: tuple[Any, ...], document: Any, arrays: Mapping[str, Array], path: str) -> Any:
    if document is None and types.NoneType in options:
        return None
    problems = []
    for hint in options:
        if hint is types.NoneType:
            continue
        try:
            return _decoded(hint, document, arrays, path)
        except DataError as error:
            problems.append(str(error))
    raise DataError("; or ".join(problems))


def _untyped(document: Any, arrays: Mapping[str, Array], path: str) -> Any:
    if isinstance(document, dict):
        return _mapping(Any, document, arrays, path)
    if isinstance(document, list):
        return [_decoded(Any, item, arrays, _below(path, i)) for i, item in enumerate(document)]
    return document


def _mapping(hint: Any, document: dict[str, Any], arrays: Mapping[str, Array], path: str) -> dict[str, Any]:
    return {
        name[1:] if name.startswith("$") else name: _decoded(hint, item, arrays, _below(path, name))
        for name, item in document.items()
    }


def _array(name: str, arrays: Mapping[str, Array], path: str) -> Array:
    if name not in arrays:
        raise DataError(f"{path} refers to the array {name!r}, which is missing")
    return arrays[name]


def _checked(document: Any, fits: bool, wanted: str, path: str) -> Any:
    if not fits:
        raise DataError(f"{path or 'the document'} is {document!r:.80}; expected {wanted}")
    return document
