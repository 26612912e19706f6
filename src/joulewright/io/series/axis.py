"""The regular time axis of a file: its time column, step and missing rows."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from joulewright.io.series.clock import ClockRules, Seconds, instants, time_zone
from joulewright.io.series.findings import SeriesError
from joulewright.io.series.reference import Label, SeriesReference
from joulewright.io.series.table import ColumnTable

_WORDS = frozenset(
    ["utc", "gmt", "time", "times", "timestamp", "timestamps", "datetime", "date", "start", "begin", "beginning", "end",
     "ending", "interval", "period", "hour", "local", "stamp", "index", "snapshot", "valid", "from", "to", "until"]
)  # fmt: skip
_ENDING = frozenset(("end", "ending", "to", "until"))
_STARTING = frozenset(("start", "begin", "beginning", "from"))


@dataclass(frozen=True, kw_only=True)
class Axis:
    """Where the rows of a file lie in time.

    Attributes
    ----------
    column : str
        Time column.
    first_s : int
        First stamp, as written [s since 1970-01-01 UTC].
    step_s : int
        Declared step or most frequent distance of two stamps [s]; all distances are multiples of it.
    position : Seconds
        Steps between the first stamp and each row, shape ``(rows,)``, strictly increasing.
    time_zone : str
        Declared or found zone; ``offset`` when the stamps carry their own.
    """

    column: str
    first_s: int
    step_s: int
    position: Seconds
    time_zone: str

    @property
    def count(self) -> int:
        """Steps from the first row to the last, missing ones included."""
        return int(self.position[-1]) + 1


def time_column(columns: tuple[str, ...]) -> str:
    """The column whose name is that of a time stamp; UTC wins over local time, starts over ends.

    Raises
    ------
    SeriesError
        With code T001 if none or several fit.

    Examples
    --------
    >>> time_column(("interval_end", "Interval_Start", "price_usd_mwh"))
    'Interval_Start'
    """
    found = [name for i, name in enumerate(columns) if (words := name_words(name)) <= _WORDS and (words or i == 0)]
    for wanted in (frozenset(("utc", "gmt")), _STARTING):
        if len(found) > 1:
            found = [name for name in found if name_words(name) & wanted] or found
    if len(found) == 1:
        return found[0]
    listed = ", ".join(repr(name) for name in (found or columns)[:12])
    what = (
        f"several columns may hold the time stamps: {listed}" if found else f"no column is named like a time: {listed}"
    )
    raise SeriesError("T001", what, help='declare it, e.g. time = "utc"')


def name_words(column: str) -> frozenset[str]:
    """Lower-case words of a column name."""
    return frozenset(re.findall(r"[a-z]+", column.lower()))


def label_of(column: str) -> Label | None:
    """End of the interval that a time column names by itself, or None.

    Examples
    --------
    >>> label_of("hour_ending"), label_of("utc")
    ('end', None)
    """
    words = name_words(column)
    if words & _ENDING:
        return "end"
    return "start" if words & _STARTING else None


def read_axis(table: ColumnTable, reference: SeriesReference) -> Axis:
    """Time axis of a table, computed once for each way of reading it.

    Raises
    ------
    SeriesError
        T001 no time column, T002 to T008 see :mod:`joulewright.io.series.clock`, T005 stamps out of order, T006 stamp
        that appears twice, T009 irregular stamps, T010 step differs from the declared one, T014 step unknown.
    """
    column = table.require(reference.time) if reference.time is not None else time_column(table.columns)
    key = (column, reference.time_zone, reference.ambiguous)
    if key not in table.cache:
        table.cache[key] = _instants(table, reference, column)
    utc, zone = table.cache[key]
    step_s = _step(utc, reference, table)
    position = (utc - utc[0]) // step_s
    return Axis(column=column, first_s=int(utc[0]), step_s=step_s, position=position, time_zone=zone)


def _instants(table: ColumnTable, reference: SeriesReference, column: str) -> tuple[Seconds, str]:
    zone_name = reference.time_zone
    if zone_name is None and name_words(column) & {"utc", "gmt"}:
        zone_name = "UTC"
    rules = ClockRules(
        column=column,
        zone=None if zone_name is None else time_zone(zone_name),
        first_dst=reference.ambiguous == "first-dst",
    )
    utc, aware = instants(table.stamps(column), rules, table.line)
    backwards = np.flatnonzero(np.diff(utc) <= 0)
    if backwards.size:
        _order_problem(utc, int(backwards[0]) + 1, table, aware=aware)
    return utc, "offset" if aware else str(zone_name)


def _order_problem(utc: Seconds, row: int, table: ColumnTable, *, aware: bool) -> None:
    stamp, before = (np.datetime64(int(utc[i]), "s") for i in (row, row - 1))
    if stamp == before:
        help = "keep one row for each instant"
        if not aware:
            help += '; if the stamps are local clock time, declare time_zone and ambiguous = "first-dst"'
        raise SeriesError("T006", f"{stamp} UTC appears twice", line=table.line(row), help=help)
    raise SeriesError(
        "T005", f"{stamp} UTC comes after {before} UTC; rows must be in order of time", line=table.line(row),
        help="sort the rows by time",
    )  # fmt: skip


def _step(utc: Seconds, reference: SeriesReference, table: ColumnTable) -> int:
    declared = reference.step_s
    if len(utc) == 1:
        if declared is None:
            raise SeriesError("T014", "one row does not tell the step", help='declare it, e.g. step = "1 h"')
        return declared
    distances, counts = np.unique(np.diff(utc), return_counts=True)
    step_s = int(distances[np.argmax(counts)])
    if declared is not None and declared in distances and not np.any(distances % declared):
        return declared
    if declared is not None and declared != step_s:
        raise SeriesError(
            "T010",
            f"the stamps are {duration_text(step_s)} apart, but step declares {duration_text(declared)}",
            help=f'set step = "{duration_text(step_s)}", or leave it out',
        )
    if np.any(distances % step_s):
        row = int(np.flatnonzero(np.diff(utc) % step_s)[0]) + 1
        apart = duration_text(int(utc[row] - utc[row - 1]))
        raise SeriesError(
            "T009",
            f"{np.datetime64(int(utc[row]), 's')} UTC lies {apart} after the row before; "
            f"the other rows are {duration_text(step_s)} apart",
            line=table.line(row),
            help="resample the file to equal steps",
        )
    return step_s


def duration_text(seconds: int) -> str:
    """Duration as a quantity string in the largest unit that keeps it whole.

    Examples
    --------
    >>> duration_text(90_000), duration_text(1800), duration_text(45)
    ('25 h', '30 min', '45 s')
    """
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds % length == 0:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"
