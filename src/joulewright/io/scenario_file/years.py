"""The same scenario in another year, and file names that follow the year."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from joulewright.errors import ScenarioError
from joulewright.io.scenario_file.document import Document
from joulewright.io.scenario_file.fields import tables

PLACEHOLDER = "{year}"
_TABLES = ("table", "tables", "rows")


def move_to_year(document: Document, year: int) -> None:
    """Move every instant of a document by the whole years between its horizon's start and ``year``.

    Month, day and clock stay as written. 29 February becomes 1 March in a year that has none, so a horizon keeps
    its calendar dates and loses or gains that day.

    Parameters
    ----------
    document : Document
        Changed in place.
    year : int
        Year that ``time.start`` moves to.

    Raises
    ------
    ScenarioError
        If the year of an instant leaves 1 to 9999.
    """
    start = _instant(_time(document).get("start"))
    if start is None:
        return  # reading reports a missing or wrong start
    years = year - start.year

    def moved(raw: Any) -> Any:
        found = _instant(raw)
        return raw if found is None else in_year(found, found.year + years)

    _each_instant(document.data, "scenario", moved)


def in_year(instant: datetime, year: int) -> datetime:
    """The same date and clock in another year; 29 February becomes 1 March where there is none.

    Raises
    ------
    ScenarioError
        If the year is not within 1 to 9999.

    Examples
    --------
    >>> in_year(datetime(2024, 2, 29, 6), 2023).isoformat()
    '2023-03-01T06:00:00'
    """
    if not 1 <= year <= 9999:
        raise ScenarioError(f"year {year} is asked for; allowed are 1 to 9999, and years that the series reach")
    if (instant.month, instant.day) == (2, 29) and not _is_leap(year):
        return instant.replace(year=year, month=3, day=1)
    return instant.replace(year=year)


def fill_year(document: Document) -> None:
    """Put the year in which the horizon starts where file names hold ``{year}``."""
    start = _instant(_time(document).get("start"))
    if start is not None:
        _fill(document.data, str(start.year))


def _fill(node: Any, year: str) -> None:
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        if isinstance(value, (dict, list)):
            _fill(value, year)
        elif key == "file" and isinstance(value, str):
            node[key] = value.replace(PLACEHOLDER, year)


def _each_instant(node: dict[str, Any], table: str, change: Callable[[Any], Any]) -> None:
    """Replace every value whose field is an instant, in this table and those below it."""
    for key, spec in tables()[table].items():
        if key not in node:
            continue
        if spec.type == "instant":
            node[key] = change(node[key])
        elif spec.type in _TABLES:
            inner = spec.argument.partition(":")[0]
            below = node[key] if isinstance(node[key], list) else [node[key]]
            for item in below:
                if isinstance(item, dict):
                    _each_instant(item, inner, change)


def _time(document: Document) -> dict[str, Any]:
    found = document.data.get("time")
    return found if isinstance(found, dict) else {}


def _instant(raw: Any) -> datetime | None:
    """A date-time as TOML gives it, or as text of ``--set`` and table files; None for anything else."""
    if isinstance(raw, str):
        try:
            return datetime.fromisoformat(raw)
        except ValueError:
            return None
    return raw if isinstance(raw, datetime) else None


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
