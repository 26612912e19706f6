"""Parquet files; polars is imported only when one is used."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from joulewright.io.series.findings import SeriesError
from joulewright.io.series.table import MAX_ROWS, ColumnTable, digest
from joulewright.model.timeline import FloatArray


class ParquetTable(ColumnTable):
    """A Parquet file that is scanned column by column; a value column is read only for the rows needed.

    Raises
    ------
    SeriesError
        If the file is damaged, empty or has more than 50 million rows.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._schema = pl.read_parquet_schema(path)
            rows = int(pl.scan_parquet(path).select(pl.len()).collect().item())
        except (pl.exceptions.PolarsError, OSError) as error:
            raise SeriesError("D002", f"the Parquet file is damaged ({error})", help="write it again") from error
        if rows == 0:
            raise SeriesError("D004", "the file has no rows")
        if rows > MAX_ROWS:
            raise SeriesError(
                "D003", f"the file has {rows} rows, more than {MAX_ROWS}", help="keep only the rows of the horizon"
            )
        super().__init__(tuple(self._schema), rows, sha256=digest(path))

    def stamps(self, column: str) -> list[str] | tuple[NDArray[np.int64], bool]:
        """Time stamps: text as it is, dates and times as seconds since 1970 with a flag for UTC."""
        kind = self._schema[self.require(column)]
        values = self._column(column, 0, self.rows)
        if values.null_count():
            raise SeriesError("T002", f"{values.null_count()} time stamps in column {column!r} are missing")
        if kind == pl.String:
            return list(values)
        if not isinstance(kind, pl.Datetime | pl.Date):
            raise SeriesError(
                "T002",
                f"column {column!r} has type {kind}, not time stamps",
                help="store a date-time with a time zone, or ISO 8601 text such as 2022-07-04T00:00:00Z",
            )
        micros = values.cast(pl.Datetime("us")).to_physical().to_numpy()
        seconds = micros // 1_000_000
        fractional = np.flatnonzero(micros != seconds * 1_000_000)
        if fractional.size:
            raise SeriesError(
                "T002", f"row {int(fractional[0]) + 1}: {values[int(fractional[0])]} has fractions of a second"
            )
        return seconds.astype(np.int64), isinstance(kind, pl.Datetime) and kind.time_zone is not None

    def numbers(self, column: str, first: int, stop: int) -> FloatArray:
        """Values of rows ``[first, stop)``; nulls are NaN."""
        kind = self._schema[self.require(column)]
        if not (kind.is_numeric() or kind == pl.Boolean):
            raise SeriesError("D006", f"column {column!r} has type {kind}, not numbers", help="store it as a number")
        values = self._column(column, first, stop).cast(pl.Float64).to_numpy(writable=True)
        infinite = np.flatnonzero(np.isinf(values))
        if infinite.size:
            raise SeriesError("D006", f"row {first + int(infinite[0]) + 1} of column {column!r} is not finite")
        return np.asarray(values, dtype=np.float64)

    def records(self) -> Iterator[dict[str, Any]]:
        """Every row as a dictionary of typed values; None where there is none."""
        return pl.read_parquet(self._path).iter_rows(named=True)

    def _column(self, column: str, first: int, stop: int) -> pl.Series:
        scan = pl.scan_parquet(self._path).select(column)
        return scan.slice(first, stop - first).collect()[column]
