"""JSON Schema of the scenario file, made from the same field table that the reader uses."""

from __future__ import annotations

import math
from typing import Any

from joulewright.io.scenario_file.fields import SCHEMA_VERSION, UNITLESS, Field, tables
from joulewright.units import DIMENSIONS, internal_unit

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_PAIR = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
_TEXTS = {"type": "array", "items": {"type": "string"}, "minItems": 1}


def scenario_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of the scenario file.

    Dimensional keys take a quantity string; the same key followed by a unit, as in ``import_limit_mw``, takes a
    number.

    Examples
    --------
    >>> scenario_schema()["$defs"]["battery"]["properties"]["energy"]["description"]
    'Usable capacity [MWh].'
    """
    definitions = {name: _table(name, fields) for name, fields in tables().items() if name != "scenario"}
    root = _table("scenario", tables()["scenario"])
    root["properties"]["schema"]["const"] = SCHEMA_VERSION
    return {"$schema": _DIALECT, "title": "joulewright scenario", **root, "$defs": definitions}


def _table(name: str, fields: dict[str, Field]) -> dict[str, Any]:
    required = [key for key, spec in fields.items() if spec.required and not spec.dimensions]
    suffixed = {f"^{key}_[a-z0-9_]+$": {"type": "number"} for key, spec in fields.items() if _takes_suffix(spec)}
    table: dict[str, Any] = {
        "type": "object",
        "properties": {key: _property(spec) for key, spec in fields.items()},
        "additionalProperties": False,
    }
    if suffixed:
        table["patternProperties"] = suffixed
    if required:
        table["required"] = required
    return table


def _takes_suffix(spec: Field) -> bool:
    return bool(spec.dimensions) and spec.dimensions[0] in DIMENSIONS and spec.type not in ("map", "demand")


def _property(spec: Field) -> dict[str, Any]:
    found = {"description": spec.description, **_value(spec)}
    if spec.default and not spec.required:
        found["default"] = _default(spec)
    return found


def _default(spec: Field) -> Any:
    if spec.type == "flag":
        return spec.default == "true"
    return float(spec.default) if spec.type == "number" else spec.default.replace("XXX", "USD")


def _value(spec: Field) -> dict[str, Any]:
    """Schema of a value by the type of its field."""
    simple: dict[str, dict[str, Any]] = {
        "text": {"type": "string", "minLength": 1},
        "flag": {"type": "boolean"},
        "instant": {"type": "string", "format": "date-time"},
        "names": _TEXTS,
        "weekdays": {"anyOf": [{"type": "string"}, _TEXTS]},
        "hours": {"anyOf": [_PAIR, {"type": "array", "items": _PAIR}]},
        "points": {"type": "array", "items": _PAIR, "minItems": 2},
        "curve": {"anyOf": [{"type": "string"}, {"type": "array", "items": _PAIR, "minItems": 2}]},
        "integers": {"type": "array", "items": {"type": "integer", **_bounds(spec)}},
        "integer": {"type": "integer", **_bounds(spec)},
        "number": {"type": "number", **_bounds(spec)},
    }
    if spec.type in simple:
        return simple[spec.type]
    if spec.type == "choice":
        return {"enum": spec.argument.split("|")}
    if spec.type == "quantity":
        return _quantity(spec)
    reference = {"$ref": "#/$defs/reference"}
    if spec.type in ("signal", "relative", "column"):
        return {"anyOf": [_quantity(spec), reference]}
    kind, _, shorthand = spec.argument.partition(":")
    if spec.type == "table":
        return {"$ref": f"#/$defs/{kind}"}
    if spec.type in ("tables", "rows"):
        item = {"$ref": f"#/$defs/{kind}"}
        other = {"$ref": "#/$defs/rows"} if spec.type == "rows" else item
        options = [{"type": "array", "items": item}, other, *([{"type": "string"}] if shorthand else [])]
        return {"anyOf": options}
    if spec.type == "demand":
        each = {"type": "object", "additionalProperties": {"anyOf": [_quantity(spec), reference]}}
        return {"anyOf": [{"$ref": "#/$defs/demand"}, each]}
    inner = {"$ref": f"#/$defs/{kind}"} if kind in tables() else {"type": "string"} if kind else _quantity(spec)
    return {"type": "object", "additionalProperties": inner}


def _quantity(spec: Field) -> dict[str, Any]:
    """A quantity string, and a bare number where the dimension or the key itself needs no unit."""
    dimensions = [name for name in spec.dimensions if name in DIMENSIONS]
    text: dict[str, Any] = {"type": "string"}
    if dimensions:
        text["examples"] = ["10 %" if name == "fraction" else f"10 {internal_unit(name)}" for name in dimensions]
    if not UNITLESS.isdisjoint(dimensions) or spec.name.rpartition("_")[2] == "hours":
        bounds = {} if spec.dimensions[0] not in UNITLESS else _bounds(spec)
        return {"anyOf": [text, {"type": "number", **bounds}]}
    return text


def _bounds(spec: Field) -> dict[str, float]:
    bounds = {}
    if not math.isinf(spec.low):
        bounds["exclusiveMinimum" if spec.open_low else "minimum"] = spec.low
    if not math.isinf(spec.high):
        bounds["maximum"] = spec.high
    return bounds
