"""CSV and gzipped CSV files."""

from __future__ import annotations

import csv
import hashlib
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from joulewright.io.series.findings import SeriesError
from joulewright.io.series.table import MAX_ROWS, MAX_TEXT_BYTES, TO_PARQUET, ColumnTable, size_text
from joulewright.model.timeline import FloatArray

GZIP_MAGIC = b"\x1f\x8b"
_MISSING = frozenset({"", "-", "na", "n/a", "nan", "null", "none"})


class TextTable(ColumnTable):
    """A CSV file held as its lines; only the columns that are asked for are cut out.

    Comment lines starting with ``#`` may stand above the header. The separator is a comma, or a semicolon or
    tab where the header has no comma.

    Raises
    ------
    SeriesError
        If the file is too large, damaged, not UTF-8 text or empty.
    """

    def __init__(self, path: Path) -> None:
        raw, sha256 = read_text_bytes(path)
        lines = decoded(raw).replace("\r\n", "\n").replace("\r", "\n").split("\n")
        head = next((i for i, line in enumerate(lines) if line.strip() and not line.startswith("#")), len(lines))
        if head == len(lines):
            raise SeriesError("D004", "the file is empty", help="it needs a header line with column names, then rows")
        header = lines[head]
        self._separator = next((mark for mark in ",;\t" if mark in header), ",")
        while lines[-1].strip() == "":
            lines.pop()
        self._lines = lines[head + 1 :]
        self._line_numbers: list[int] | None = None
        if "" in self._lines:
            kept = [i for i, line in enumerate(self._lines) if line]
            self._line_numbers = [head + 2 + i for i in kept]
            self._lines = [self._lines[i] for i in kept]
        self._first_line = head + 2
        self._quoted = b'"' in raw
        self._checked = False
        columns = tuple(name.strip() for name in next(csv.reader([header], delimiter=self._separator)))
        if not self._lines:
            raise SeriesError("D004", f"the file has a header ({header[:80]}) but no rows", line=head + 1)
        if len(self._lines) > MAX_ROWS:
            raise SeriesError("D003", f"the file has {len(self._lines)} rows, more than {MAX_ROWS}", help=TO_PARQUET)
        note = next((line.lstrip("# ").strip() for line in lines[:head] if line.startswith("#")), None)
        super().__init__(columns, len(self._lines), sha256=sha256, note=note)

    def line(self, row: int) -> int | None:
        """Line of a row, counted from 1."""
        return self._first_line + row if self._line_numbers is None else self._line_numbers[row]

    def cells(self, column: str, first: int = 0, stop: int | None = None) -> list[str]:
        """Raw text of one column in rows ``[first, stop)``."""
        self._check_shape()
        index = self.columns.index(self.require(column))
        lines, separator = self._lines[first:stop], self._separator
        if self._quoted:
            return [row[index] for row in csv.reader(lines, delimiter=separator)]
        if index == 0:
            return [line.partition(separator)[0] for line in lines]
        return [line.split(separator, index + 1)[index] for line in lines]

    def records(self) -> Iterator[dict[str, Any]]:
        """Every row as a dictionary of text."""
        self._check_shape()
        for row in csv.reader(self._lines, delimiter=self._separator):
            yield dict(zip(self.columns, row, strict=True))

    def stamps(self, column: str) -> list[str]:
        """Time stamps as text, one per row."""
        return self.cells(column)

    def numbers(self, column: str, first: int, stop: int) -> FloatArray:
        """Values of rows ``[first, stop)``; empty cells and NaN, NA, null, none and ``-`` are NaN."""
        cells = self.cells(column, first, stop)
        try:
            values = np.fromiter(map(float, cells), dtype=np.float64, count=len(cells))
        except ValueError:
            values = np.fromiter(
                (self._number(cell, column, first + i) for i, cell in enumerate(cells)), np.float64, count=len(cells)
            )
        infinite = np.flatnonzero(np.isinf(values))
        if infinite.size:
            self._reject(cells[infinite[0]], column, first + int(infinite[0]))
        return values

    def _number(self, cell: str, column: str, row: int) -> float:
        text = cell.strip()
        if text.lower() in _MISSING:
            return float("nan")
        try:
            return float(text)
        except ValueError:
            return self._reject(text, column, row)

    def _reject(self, cell: str, column: str, row: int) -> float:
        help = "write a number such as 12.5; leave the cell empty where the value is missing"
        if cell.count(",") == 1 and cell.replace(",", "").lstrip("-").isdigit():
            help = f"write the decimal point as a point: {cell.replace(',', '.')}"
        raise SeriesError(
            "D006", f"{cell!r} in column {column!r} is not a finite number", line=self.line(row), help=help
        )

    def _check_shape(self) -> None:
        if self._checked:
            return
        wanted = len(self.columns)
        if self._quoted:
            counts = (len(row) for row in csv.reader(self._lines, delimiter=self._separator))
        else:
            counts = (line.count(self._separator) + 1 for line in self._lines)
        row, found = next(((row, count) for row, count in enumerate(counts) if count != wanted), (0, wanted))
        if found != wanted:
            raise SeriesError(
                "D007",
                f"the row has {found} cells; the header has {wanted} columns",
                line=self.line(row),
                help="give every row the columns of the header; put text that holds the separator in double quotes",
            )
        self._checked = True


def read_text_bytes(path: Path) -> tuple[bytes, str]:
    """Text of a plain or gzipped file as bytes, and the SHA-256 of the file as stored.

    Raises
    ------
    SeriesError
        If it is larger than 256 MB as text, or the compressed stream is damaged.
    """
    size = path.stat().st_size
    if size > MAX_TEXT_BYTES:
        raise _too_large(size)
    raw = path.read_bytes()
    sha256 = hashlib.sha256(raw).hexdigest()
    return (inflate(raw) if raw.startswith(GZIP_MAGIC) else raw), sha256


def inflate(raw: bytes) -> bytes:
    """Content of a gzip stream of one or more members, refused beyond 256 MB.

    Raises
    ------
    SeriesError
        If the stream is damaged or its content too large.
    """
    parts: list[bytes] = []
    left = MAX_TEXT_BYTES
    while raw:
        member = zlib.decompressobj(wbits=31)
        try:
            parts.append(member.decompress(raw, left + 1))
        except zlib.error as error:
            raise SeriesError(
                "D002", f"the gzip stream is damaged ({error})", help="compress the file again"
            ) from error
        left -= len(parts[-1])
        if left < 0:
            raise _too_large(MAX_TEXT_BYTES - left)
        if not member.eof:
            raise SeriesError("D002", "the gzip stream ends too early", help="copy or compress the file again")
        raw = member.unused_data.lstrip(b"\0")
    return b"".join(parts)


def decoded(raw: bytes) -> str:
    """UTF-8 text with or without a byte-order mark.

    Raises
    ------
    SeriesError
        If the bytes are not UTF-8 text.
    """
    if b"\0" in raw:
        raise SeriesError(
            "D002", "the file holds NUL bytes, so it is not CSV text", help="save it as UTF-8 CSV or Parquet"
        )
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise SeriesError(
            "D002", f"byte {raw[error.start]:#04x} is not UTF-8 text", line=line, help="save the file as UTF-8"
        ) from error


def _too_large(size: int) -> SeriesError:
    return SeriesError(
        "D003",
        f"the file holds {size_text(size)} of text or more; CSV files up to {size_text(MAX_TEXT_BYTES)} are read",
        help=TO_PARQUET,
    )
