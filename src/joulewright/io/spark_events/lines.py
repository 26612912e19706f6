"""Lines of a Spark event log: one file or a folder of rolled ones, plain or compressed."""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import polars as pl

from joulewright.errors import DataError, MissingExtraError

_ROLLED = re.compile(r"events_(\d+)_.*?(\.compact)?$")
_UNREAD = (".lz4", ".lzf", ".snappy")


class CutOffError(Exception):
    """A compressed file ends before its data does; the lines before that were given."""


def log_files(path: Path) -> tuple[Path, ...]:
    """Files of a log in their order; of a folder ``eventlog_v2_*`` those since it was last compacted.

    Raises
    ------
    DataError
        If there is no such file, or the folder holds no events.
    """
    if not path.is_dir():
        if not path.exists():
            raise DataError(f"{path} does not exist; give an event log or a folder eventlog_v2_* of Spark")
        return (path,)
    folders = sorted(path.glob("eventlog_v2_*/"))
    if len(folders) == 1:
        return log_files(folders[0])
    found = sorted(
        (int(match[1]), match[2] is not None, item)
        for item in path.iterdir()
        if (match := _ROLLED.match(item.name)) is not None
    )
    if not found:
        raise DataError(
            f"{path} holds {len(folders)} folders eventlog_v2_* and no file events_*; give the log of one application"
        )
    # A compacted file stands for all events up to its number.
    first = max((number for number, compact, _ in found if compact), default=0)
    return tuple(item for number, compact, item in found if number > first or (compact and number == first))


def log_lines(path: Path) -> Iterator[str]:
    """Lines of one file, plain or by its ending ``.gz``, ``.zstd`` or ``.zst``; bytes that are no text are replaced.

    Raises
    ------
    CutOffError
        At the end of a compressed file that is not complete.
    DataError
        If the file cannot be read.
    MissingExtraError
        If it is an incomplete ``.zstd`` file and pyarrow is absent.
    """
    ending = Path(path.name.removesuffix(".inprogress").removesuffix(".compact")).suffix
    if ending in _UNREAD:
        raise DataError(
            f"{path} is compressed as {ending}, which is not read; write logs with "
            "spark.eventLog.compress=false or spark.eventLog.compression.codec=zstd"
        )
    try:
        if ending in (".zstd", ".zst"):
            yield from _zstd_lines(path)
        else:
            with gzip.open(path) if ending == ".gz" else path.open("rb") as file:
                yield from _texts(file)
    except (EOFError, zlib.error) as error:
        raise CutOffError(str(error)) from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error}") from error


def _texts(file: Iterable[bytes]) -> Iterator[str]:
    for line in file:
        yield line.decode(errors="replace")


def _zstd_lines(path: Path) -> Iterator[str]:
    try:
        # Polars unpacks by itself; a separator that JSON never holds makes every line one field.
        frame = pl.read_csv(
            path,
            separator="\x1f",
            has_header=False,
            quote_char=None,
            schema={"line": pl.String},
            encoding="utf8-lossy",
        )
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    except OSError as error:
        if "incomplete" not in str(error):
            raise
        yield from _incomplete(path)
        return
    for line in frame["line"]:
        yield line or ""


def _incomplete(path: Path) -> Iterator[str]:
    try:
        import pyarrow as arrow
    except ImportError as error:
        raise MissingExtraError(
            f"{path} is an incomplete zstd file; to read what there is run: pip install 'joulewright[pandas]'"
        ) from error
    stream: Any = arrow.input_stream(str(path), compression="zstd")
    data, end = io.BytesIO(), ""
    try:
        while part := stream.read(1 << 16):
            data.write(part)
    except OSError as error:
        end = str(error)
    data.seek(0)
    yield from _texts(data)
    if end:
        raise CutOffError(end)
