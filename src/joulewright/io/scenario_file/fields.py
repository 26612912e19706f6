"""Every key of the scenario file: type, dimension, default, range and meaning, read from ``fields.csv``.

The reader, the JSON Schema and the reference documentation all use these rows, so they cannot disagree.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from joulewright.units import LARGEST

SCHEMA_VERSION = "joulewright/scenario/1"
REQUIRED = "required"
UNITLESS = frozenset({"fraction", "angle"})
"""Dimensions whose values may be bare numbers: 0.88, or degrees."""


@dataclass(frozen=True, kw_only=True)
class Field:
    """One key of one table.

    Attributes
    ----------
    name : str
        The key.
    type : str
        How the value is read, without its argument: ``text``, ``quantity``, ``signal``, ``tables`` and so on.
    argument : str
        What follows the colon of the type: the table, the choices or the element type.
    dimensions : tuple of str
        Dimensions of a quantity in order of preference, as named in :mod:`joulewright.units`.
    default : str
        As it would stand in a file; empty for none.
    low, high : float
        Range of allowed values in internal units.
    open_low : bool
        True if ``low`` itself is not allowed.
    code : str
        Code of a diagnostic about a value out of range; empty for the general one.
    description : str
        Meaning, with the internal unit in brackets.
    """

    name: str
    type: str
    argument: str
    dimensions: tuple[str, ...]
    default: str
    low: float
    high: float
    open_low: bool
    code: str
    description: str

    @property
    def required(self) -> bool:
        """Whether the key must be given."""
        return self.default == REQUIRED

    @property
    def range_text(self) -> str:
        """Allowed range for messages, e.g. ``> 0`` or ``0 to 1``."""
        if math.isinf(self.high):
            return "any" if math.isinf(self.low) else f"{'>' if self.open_low else '>='} {self.low:g}"
        return f"{'above ' if self.open_low else ''}{self.low:g} to {self.high:g}"

    def allows(self, value: float) -> bool:
        """Whether a value in internal units is finite, in range and of a size that sums can hold."""
        above = value > self.low if self.open_low else value >= self.low
        return math.isfinite(value) and above and value <= self.high and not self._too_large(value)

    def range_for(self, value: float) -> str:
        """Allowed range for a message about a value that is refused."""
        if not self._too_large(value):
            return self.range_text
        return f"{max(self.low, -LARGEST):g} to {min(self.high, LARGEST):g}"

    def _too_large(self, value: float) -> bool:
        return bool(self.dimensions) and abs(value) > LARGEST


def _field(row: Mapping[str, str]) -> Field:
    low_text, dots, high_text = row["range"].partition("..")
    kind, _, argument = row["type"].partition(":")
    bare = low_text.lstrip(">=")
    return Field(
        name=row["key"],
        type=kind,
        argument=argument,
        dimensions=tuple(row["dimension"].split("|")) if row["dimension"] else (),
        default=row["default"],
        low=float(bare) if bare else -math.inf,
        high=float(high_text) if dots else math.inf,
        open_low=low_text.startswith(">") and not low_text.startswith(">="),
        code=row["code"],
        description=row["description"],
    )


@cache
def tables() -> dict[str, dict[str, Field]]:
    """Fields by table and key, in file order.

    Examples
    --------
    >>> tables()["battery"]["energy"].description
    'Usable capacity [MWh].'
    """
    found: dict[str, dict[str, Field]] = {}
    includes: list[tuple[str, str]] = []
    with Path(__file__).with_name("fields.csv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            if row["key"] == "*":
                includes.append((row["table"], row["type"].partition(":")[2]))
            else:
                found.setdefault(row["table"], {})[row["key"]] = _field(row)
    for table, source in includes:
        found[table] = {**found[source], **found[table]}
    return found


def did_you_mean(word: str, known: list[str]) -> str:
    """Help that names the closest known word, or all of them.

    Examples
    --------
    >>> did_you_mean("imprt_limit", ["import_limit", "export_limit"])
    "did you mean 'import_limit'?"
    """
    from difflib import get_close_matches

    close = get_close_matches(word, known, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    listed = ", ".join(known[:30]) + (", ..." if len(known) > 30 else "")
    return f"known are {listed}" if known else "there are none"
