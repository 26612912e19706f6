"""Rows of a table, for lists such as ``[[training]]`` that come from a file."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from joulewright.io.series.findings import Findings, SeriesError
from joulewright.io.series.opening import open_table
from joulewright.io.series.table import ColumnTable

MAX_TABLE_ROWS = 200_000

_INTEGER = re.compile(r"[+-]?\d+")
_FLOAT = re.compile(r"[+-]?(\d+\.\d*|\.\d+|\d+(?=[eE]))([eE][+-]?\d+)?")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)?")


@dataclass(frozen=True, kw_only=True)
class TableRow:
    """One row of a table.

    Attributes
    ----------
    line : int
        Line in a text file or row in a Parquet file, counted from 1.
    values : mapping of str to object
        Values by column; empty cells are left out, so that defaults apply.
    """

    line: int
    values: Mapping[str, Any]


def read_table(
    path: Path,
    *,
    text: Collection[str] = ("name",),
    lists: Collection[str] = ("sites",),
    display: str = "",
    key: str | None = None,
) -> list[TableRow]:
    """Read a CSV, gzipped CSV or Parquet file of one row for each item of a list.

    Parameters
    ----------
    path : Path
        The file.
    text : collection of str
        Columns that stay text even where a cell looks like a number.
    lists : collection of str
        Columns with several names in a cell, separated by ``;`` (a list column in Parquet).
    display : str
        Name of the file in messages; the path when empty.
    key : str, optional
        Dotted path of the scenario key, put into every diagnostic.

    Returns
    -------
    list of TableRow
        Rows in file order. In text files whole numbers become int, decimals float, ``true`` and ``false`` bool,
        ISO 8601 stamps datetime and cells in ``[`` or ``{`` what they say as JSON; the rest, e.g. ``60 h``, stays text.

    Raises
    ------
    ScenarioError
        If the file cannot be read (D001 to D007) or has more than 200 000 rows (D003).
    """
    findings = Findings(file=display or str(path), key=key)
    table = findings.require(_opened, path)
    text_file = table.line(0) is not None
    lists, text = frozenset(lists), frozenset(text)
    rows = []
    for number, record in enumerate(findings.require(list, table.records())):
        values = {}
        for name, value in record.items():
            if text_file:
                value = _parsed(value.strip(), is_text=name in text, is_list=name in lists)
            if value is not None:
                values[name] = value
        rows.append(TableRow(line=table.line(number) or number + 1, values=values))
    return rows


def _opened(path: Path) -> ColumnTable:
    table = open_table(path)
    if table.rows > MAX_TABLE_ROWS:
        raise SeriesError("D003", f"the table has {table.rows} rows; up to {MAX_TABLE_ROWS} are read")
    for column in table.columns:
        table.require(column)
    return table


def _parsed(cell: str, *, is_text: bool, is_list: bool) -> Any:
    """Value of a text cell; None when it is empty."""
    if not cell:
        return None
    if cell[0] in "[{":
        try:
            return json.loads(cell)
        except ValueError:
            return cell
    if is_list:
        return [item.strip() for item in cell.split(";")]
    return cell if is_text else cell_value(cell)


def cell_value(cell: str) -> Any:
    """What a text cell stands for.

    Examples
    --------
    >>> cell_value("8192"), cell_value("1e3"), cell_value("true"), cell_value("60 h")
    (8192, 1000.0, True, '60 h')
    """
    if _INTEGER.fullmatch(cell):
        return int(cell)
    if _FLOAT.fullmatch(cell):
        return float(cell)
    if cell.lower() in ("true", "false"):
        return cell.lower() == "true"
    if _INSTANT.fullmatch(cell):
        try:
            return datetime.fromisoformat(cell)
        except ValueError:
            return cell
    return cell
