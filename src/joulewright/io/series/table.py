"""A file of columns, opened once per process and shared by every series that uses it."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joulewright.io.series.findings import SeriesError
from joulewright.model.timeline import FloatArray

MAX_TEXT_BYTES = 256 * 2**20
MAX_FILE_BYTES = 2 * 2**30
MAX_ROWS = 50_000_000

TO_PARQUET = (
    'keep the rows of the horizon, or convert it once: polars.scan_csv("big.csv").sink_parquet("big.parquet"), and '
    "name the Parquet file"
)


class ColumnTable(ABC):
    """Rows and named columns of one file.

    Attributes
    ----------
    columns : tuple of str
        Names in file order.
    rows : int
        Data rows.
    note : str or None
        First comment line of a text file.
    sha256 : str
        Hash of the file as stored.
    cache : dict
        Facts derived from the file by other modules, e.g. its time axis.
    """

    def __init__(self, columns: tuple[str, ...], rows: int, *, sha256: str, note: str | None = None) -> None:
        self.columns = columns
        self.rows = rows
        self.note = note
        self.sha256 = sha256
        self.cache: dict[Hashable, Any] = {}

    @abstractmethod
    def stamps(self, column: str) -> list[str] | tuple[NDArray[np.int64], bool]:
        """Time stamps as text, or as seconds since 1970 with a flag that is True when they are UTC."""

    @abstractmethod
    def numbers(self, column: str, first: int, stop: int) -> FloatArray:
        """Values of rows ``[first, stop)``; a missing value is NaN.

        Raises
        ------
        SeriesError
            With code D006 if a cell is not a number.
        """

    @abstractmethod
    def records(self) -> Iterator[dict[str, Any]]:
        """Every row as a dictionary: text in CSV files, typed values in Parquet files."""

    def line(self, row: int) -> int | None:
        """Line of a row in a text file, counted from 1; None where there are no lines."""
        return None

    def require(self, column: str) -> str:
        """The column's own name after a check that it exists once.

        Raises
        ------
        SeriesError
            With code D005 if it is missing or not unique.
        """
        found = self.columns.count(column)
        if found == 1:
            return column
        if found:
            raise SeriesError(
                "D005", f"the column name {column!r} appears {found} times", help="give every column its own name"
            )
        raise SeriesError("D005", f"there is no column {column!r}", help=did_you_mean(column, self.columns))


def did_you_mean(name: str, known: tuple[str, ...]) -> str:
    """Help text that names the nearest of the known names, or lists them."""
    import difflib

    lowered = {item.lower(): item for item in known}
    near = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.6)
    listed = ", ".join(known[:20]) + (", ..." if len(known) > 20 else "")
    return f"did you mean {lowered[near[0]]!r}? columns are: {listed}" if near else f"columns are: {listed}"


def size_text(size: int) -> str:
    """Size of a file for messages, e.g. ``3.2 GB``."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def digest(path: Path) -> str:
    """SHA-256 of a file in hexadecimal, read in pieces."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
