"""Single values of the scenario file, converted to internal units and checked against their range."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from joulewright.errors import UnitError
from joulewright.io.scenario_file.document import FieldError
from joulewright.io.scenario_file.fields import UNITLESS, Field, did_you_mean
from joulewright.units import conversion, internal_unit, no_unit, parse_quantity, suffix_unit

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WEEKDAY_GROUPS = {"weekday": WEEKDAYS[:5], "weekend": WEEKDAYS[5:]}


@dataclass(frozen=True)
class Share:
    """A value given as a share of something else, e.g. ``"50 %"`` of a battery's capacity."""

    fraction: float

    def of(self, whole: float) -> float:
        """The value itself."""
        return self.fraction * whole


@dataclass(frozen=True, kw_only=True)
class Spelling:
    """How a key is spelled in the file: as it is, or with a unit at its end.

    Attributes
    ----------
    key : str
        Key as written.
    unit : str or None
        Unit that the key ends in.
    currency : str
        Currency of the scenario.
    suffixes : bool
        False for a name, which cannot end in a unit.
    """

    key: str
    unit: str | None = None
    currency: str = "USD"
    suffixes: bool = True


def convert(field: Field, raw: Any, spelling: Spelling) -> Any:
    """Value of a plain field (anything but tables, signals and maps) in internal units.

    Raises
    ------
    FieldError, UnitError
        With the code, the value found, what is allowed and the way out.
    """
    return _CONVERTERS[field.type](field, raw, spelling)


def quantity(field: Field, raw: Any, spelling: Spelling) -> float | Share:
    """A quantity string, or a number under a key that ends in its unit.

    Raises
    ------
    FieldError, UnitError
        If it has no unit, another dimension, or lies outside the range of the field.
    """
    value, dimension = _value_and_dimension(field, raw, spelling)
    share = dimension == "fraction" and field.dimensions[0] != "fraction"
    if share and not 0.0 <= value <= 1.0:
        amount = internal_unit(field.dimensions[0], spelling.currency)
        raise FieldError(
            "P002",
            f"{_shown(raw)} is not a share of the capacity; allowed is 0 to 1",
            help=f'write {spelling.key} = "50 %" or an amount such as {spelling.key} = "10 {amount}"',
        )
    check_range(field, value, raw, spelling)
    return Share(value) if share else value


def _value_and_dimension(field: Field, raw: Any, spelling: Spelling) -> tuple[float, str]:
    """Value in internal units, and which of the field's dimensions it has.

    Raises
    ------
    FieldError, UnitError
        If it is no quantity, has no unit or another dimension.
    """
    dimension = field.dimensions[0]
    if isinstance(raw, str) and spelling.unit is None:
        return _parsed(field, raw, spelling)
    if isinstance(raw, bool) or not isinstance(raw, (int, float)):
        wanted = "number" if spelling.unit else "quantity"
        example = "60" if spelling.unit else f'"60 {internal_unit(dimension, spelling.currency)}"'
        raise _wrong_type(raw, f"a {wanted} such as {example}")
    unit = spelling.unit or _own_unit(spelling.key, dimension)
    if unit is not None:
        scale, offset = conversion(unit, dimension, currency=spelling.currency)
        return raw * scale + offset, dimension
    unitless = next((name for name in field.dimensions if name in UNITLESS), None)
    if unitless is not None:
        return float(raw), unitless
    error = no_unit(raw, dimension, currency=spelling.currency, key=spelling.key)
    raise error if spelling.suffixes else UnitError(str(error), code=error.code, help=error.help.split(" or ")[0])


def check_range(field: Field, value: float, raw: Any, spelling: Spelling) -> None:
    """Refuse a value outside the range of its field.

    Raises
    ------
    FieldError
        ``P001`` too low or not finite, ``P002`` a percentage without its sign, ``P003`` too high, or the field's own.
    """
    if field.allows(value):
        return
    if not math.isfinite(value):
        raise FieldError("P001", f"{raw} is not a finite number", help="write a number")
    unit = internal_unit(field.dimensions[0], spelling.currency) if field.dimensions else "1"
    allowed = field.range_for(value) + ("" if unit == "1" else f" {unit}")
    if 1.0 < value <= 100.0 and field.high == 1.0 and not isinstance(raw, str):
        raise FieldError(
            "P002",
            f"{raw} is not a fraction; allowed is {allowed}",
            help=f'write {spelling.key} = "{raw:g} %" or {spelling.key} = {value / 100:g}',
        )
    raise _out_of_range(value, raw, allowed, field.code)


def _parsed(field: Field, text: str, spelling: Spelling) -> tuple[float, str]:
    """Value and dimension of a quantity string, trying the dimensions of the field in turn."""
    errors: list[UnitError] = []
    for dimension in field.dimensions:
        try:
            return parse_quantity(text, dimension, currency=spelling.currency, key=spelling.key), dimension
        except UnitError as error:
            errors.append(error)
    raise errors[0]


def _own_unit(key: str, dimension: str) -> str | None:
    """Unit named by the last word of the key itself, as in ``curtailed_hours``."""
    unit = suffix_unit(key.rpartition("_")[2]) if "_" in key else None
    if unit is None:
        return None
    try:
        conversion(unit, dimension)
    except UnitError:
        return None
    return unit


def _out_of_range(value: float, raw: Any, allowed: str, code: str) -> FieldError:
    default = "P003" if value > 0 and not allowed.startswith(">") else "P001"
    return FieldError(code or default, f"{_shown(raw)} is out of range; allowed is {allowed}", help="correct the value")


def _wrong_type(raw: Any, wanted: str) -> FieldError:
    kind = {dict: "a table", list: "a list", bool: "true or false", str: "text"}.get(type(raw), type(raw).__name__)
    return FieldError("S004", f"found {_shown(raw)} ({kind}); expected {wanted}", help=f"write {wanted}")


def _shown(raw: Any) -> str:
    text = repr(raw) if not isinstance(raw, bool) else str(raw).lower()
    return text if len(text) <= 60 else text[:57] + "..."


def _text(field: Field, raw: Any, spelling: Spelling) -> str:
    if not isinstance(raw, str) or not raw.strip():
        raise _wrong_type(raw, 'text such as "name"')
    return raw


def _flag(field: Field, raw: Any, spelling: Spelling) -> bool:
    if isinstance(raw, str) and raw.lower() in ("true", "false"):
        return raw.lower() == "true"
    if not isinstance(raw, bool):
        raise _wrong_type(raw, "true or false")
    return raw


def _choice(field: Field, raw: Any, spelling: Spelling) -> str:
    choices = field.argument.split("|")
    if raw not in choices:
        close = did_you_mean(raw, choices) if isinstance(raw, str) else ""
        hint = close if close.startswith("did") else f"write one of {', '.join(choices)}"
        raise FieldError("S006", f"{_shown(raw)} is not allowed; allowed are {', '.join(choices)}", help=hint)
    return str(raw)


def _number(field: Field, raw: Any, spelling: Spelling) -> float:
    value = _from_text(raw, float)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _wrong_type(raw, "a number such as 1.2")
    check_range(field, float(value), raw, spelling)
    return float(value)


def _integer(field: Field, raw: Any, spelling: Spelling) -> int:
    value = _from_text(raw, int)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong_type(raw, "a whole number such as 8192")
    check_range(field, value, raw, spelling)
    return value


def _from_text(raw: Any, kind: Callable[[str], Any]) -> Any:
    """A number written as text, as in ``--set`` and CSV cells; anything else unchanged."""
    if isinstance(raw, str):
        try:
            return kind(raw)
        except ValueError:
            return raw
    return raw


def _instant(field: Field, raw: Any, spelling: Spelling) -> datetime:
    if isinstance(raw, str):
        try:
            raw = datetime.fromisoformat(raw)
        except ValueError as error:
            raise _wrong_type(raw, "an instant such as 2022-07-04T00:00:00Z") from error
    if isinstance(raw, datetime):
        if raw.tzinfo is None:
            shown = raw.isoformat()
            raise FieldError("T021", f"{shown} has no UTC offset", help=f"write {shown}Z for UTC, or {shown}-07:00")
        return raw.astimezone(UTC)
    if isinstance(raw, date):
        raise FieldError("T021", f"{raw} is a date without time", help=f"write {raw}T00:00:00Z")
    raise _wrong_type(raw, "an instant such as 2022-07-04T00:00:00Z")


def _names(field: Field, raw: Any, spelling: Spelling) -> tuple[str, ...]:
    if isinstance(raw, str) and ";" in raw:
        raw = [part.strip() for part in raw.split(";")]
    if not isinstance(raw, list) or not raw or not all(isinstance(item, str) and item for item in raw):
        raise _wrong_type(raw, 'a list of names such as ["california", "texas"]')
    return tuple(raw)


def _integers(field: Field, raw: Any, spelling: Spelling) -> tuple[int, ...]:
    if not isinstance(raw, list) or not raw or not all(type(item) is int and field.allows(item) for item in raw):
        raise _wrong_type(raw, f"a list of whole numbers within {field.range_text}")
    return tuple(raw)


def _weekdays(field: Field, raw: Any, spelling: Spelling) -> tuple[int, ...]:
    words = [raw] if isinstance(raw, str) else raw
    days: set[int] = set()
    for word in words if isinstance(words, list) else [words]:
        group = _WEEKDAY_GROUPS.get(word, (word,)) if isinstance(word, str) else ()
        if not group or any(day not in WEEKDAYS for day in group):
            raise FieldError(
                "S006",
                f"{_shown(word)} is not a weekday; allowed are {', '.join(WEEKDAYS)}, weekday and weekend",
                help='write weekdays = ["mon", "tue"] or weekdays = ["weekday"]',
            )
        days.update(WEEKDAYS.index(day) for day in group)
    return tuple(sorted(days))


def _hours(field: Field, raw: Any, spelling: Spelling) -> tuple[tuple[float, float], ...]:
    pairs = raw if isinstance(raw, list) and raw and isinstance(raw[0], list) else [raw]
    wanted = "hours such as [16, 21], two different ones within 0 to 24"
    found = tuple(_pair(pair, wanted) for pair in pairs)
    if any(not 0.0 <= hour <= 24.0 for pair in found for hour in pair) or any(first == last for first, last in found):
        raise _wrong_type(raw, wanted)
    return found


def _points(field: Field, raw: Any, spelling: Spelling) -> tuple[tuple[float, float], ...]:
    wanted = "a list of at least two pairs of numbers such as [[10, 1.2], [30, 1.4]]"
    if not isinstance(raw, list) or len(raw) < 2:
        raise _wrong_type(raw, wanted)
    return tuple(_pair(pair, wanted) for pair in raw)


def _pair(raw: Any, wanted: str) -> tuple[float, float]:
    numbers = isinstance(raw, list) and len(raw) == 2 and all(type(item) in (int, float) for item in raw)
    if not numbers or not all(math.isfinite(item) for item in raw):
        raise _wrong_type(raw, wanted)
    return float(raw[0]), float(raw[1])


def _curve(field: Field, raw: Any, spelling: Spelling) -> str | tuple[tuple[float, float], ...]:
    return raw if isinstance(raw, str) else _points(field, raw, spelling)


_CONVERTERS: dict[str, Callable[[Field, Any, Spelling], Any]] = {
    "text": _text,
    "flag": _flag,
    "choice": _choice,
    "number": _number,
    "integer": _integer,
    "integers": _integers,
    "instant": _instant,
    "names": _names,
    "weekdays": _weekdays,
    "hours": _hours,
    "points": _points,
    "curve": _curve,
    "quantity": quantity,
}
PLAIN_TYPES = frozenset(_CONVERTERS)
