"""Opening a table file once per process."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from joulewright.io.series.findings import SeriesError
from joulewright.io.series.table import MAX_FILE_BYTES, ColumnTable, size_text

_PARQUET_MAGIC = b"PAR1"


def open_table(path: Path) -> ColumnTable:
    """The table in a CSV, gzipped CSV or Parquet file; the content decides which, not the name.

    The result is kept for the process and opened again only when time stamp or size of the file change.

    Raises
    ------
    SeriesError
        If the file is missing (D001), unreadable (D002), too large (D003) or empty (D004).
    """
    try:
        facts = path.stat()
        return _open(path, facts.st_mtime_ns, facts.st_size)
    except FileNotFoundError as error:
        raise SeriesError("D001", "the file does not exist", help=_nearby(path)) from error
    except OSError as error:
        raise SeriesError("D002", f"the file cannot be read: {error.strerror or error}") from error


def forget_tables() -> None:
    """Release every file kept by :func:`open_table`."""
    _open.cache_clear()


@lru_cache(maxsize=32)
def _open(path: Path, modified_ns: int, size: int) -> ColumnTable:
    del modified_ns  # part of the cache key only
    if size > MAX_FILE_BYTES:
        raise SeriesError(
            "D003",
            f"the file holds {size_text(size)}; files up to {size_text(MAX_FILE_BYTES)} are read",
            help="keep only the rows of the horizon and the columns in use",
        )
    with path.open("rb") as stream:
        magic = stream.read(4)
    if magic == _PARQUET_MAGIC:
        from joulewright.io.series.parquet_table import ParquetTable

        return ParquetTable(path)
    from joulewright.io.series.text_table import TextTable

    return TextTable(path)


def _nearby(path: Path) -> str:
    from joulewright.io.series.table import did_you_mean

    if not path.parent.is_dir():
        return f"the folder {path.parent} does not exist; paths are relative to the scenario file"
    names = tuple(sorted(item.name for item in path.parent.iterdir() if item.is_file()))
    if not names:
        return f"the folder {path.parent} holds no files"
    return did_you_mean(path.name, names).replace("columns are", "files there are")
