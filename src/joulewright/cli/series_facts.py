"""What a series file contains: columns, units, step, range, gaps and statistics."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from joulewright.io.series.axis import Axis, duration_text, label_of, read_axis
from joulewright.io.series.findings import Findings, SeriesError
from joulewright.io.series.opening import open_table
from joulewright.io.series.reference import SeriesReference
from joulewright.io.series.table import ColumnTable
from joulewright.units import unit_of_column


@dataclass(frozen=True, kw_only=True)
class ColumnFacts:
    """One column of numbers.

    Attributes
    ----------
    name : str
        As in the file.
    unit : str or None
        Unit that the name spells.
    missing : int
        Rows without a value.
    minimum, mean, maximum : float or None
        Of the values that are there, in the unit of the file.
    """

    name: str
    unit: str | None
    missing: int
    minimum: float | None
    mean: float | None
    maximum: float | None


def describe_file(path: Path, *, time_zone: str | None = None) -> dict[str, Any]:
    """Facts about a CSV, gzipped CSV or Parquet file.

    Returns
    -------
    dict
        ``file``, ``sha256``, ``rows``, ``note``, ``columns`` and ``time`` (None for a table without a time axis, and
        then ``time_problem`` says why).

    Raises
    ------
    ScenarioError
        If the file cannot be read.
    """
    table = Findings(file=str(path), key=None).require(open_table, path)
    time, problem, skipped = None, None, None
    try:
        axis = read_axis(table, SeriesReference(path=path, column="", dimension="power", time_zone=time_zone))
    except SeriesError as error:
        problem = error.diagnostic.message
    else:
        time, skipped = _time_facts(axis), axis.column
    columns = {name: _column_facts(table, name) for name in table.columns if name != skipped}
    return {
        "file": str(path),
        "sha256": table.sha256,
        "rows": table.rows,
        "note": table.note,
        "time": time,
        "time_problem": problem,
        "columns": [asdict(column) for column in columns.values() if column is not None],
        "text_columns": [name for name, column in columns.items() if column is None],
    }


def _time_facts(axis: Axis) -> dict[str, Any]:
    first, last = (np.datetime64(axis.first_s + axis.step_s * count, "s") for count in (0, axis.count - 1))
    return {
        "column": axis.column,
        "step": duration_text(axis.step_s),
        "first": f"{first}Z",
        "last": f"{last}Z",
        "time_zone": axis.time_zone,
        "label": label_of(axis.column) or "start (not declared)",
        "missing_rows": axis.count - int(axis.position.size),
    }


def _column_facts(table: ColumnTable, name: str) -> ColumnFacts | None:
    try:
        values = table.numbers(name, 0, table.rows)
    except SeriesError:
        return None
    found = values[~np.isnan(values)]
    statistics = (float(found.min()), float(found.mean()), float(found.max())) if found.size else (None, None, None)
    return ColumnFacts(
        name=name,
        unit=unit_of_column(name),
        missing=int(values.size - found.size),
        minimum=statistics[0],
        mean=statistics[1],
        maximum=statistics[2],
    )
