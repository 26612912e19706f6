"""Requests of a service in files: published traces, engine logs and plain tables.

=============  =====================================================================================================
format         columns or keys
=============  =====================================================================================================
``azure``      ``TIMESTAMP`` (up to 9 digits after the second), ``ContextTokens``, ``GeneratedTokens``; CSV
``mooncake``   ``timestamp`` or ``timestamp_ms``, ``input_length``, ``output_length`` and, in JSON lines, ``hash_ids``
``vllm``       ``queued_ts`` [s], ``input_toks``, ``output_toks`` and, where measured, ``first_token_ts``,
               ``last_token_ts``; JSON lines in any order
``table``      ``arrival_s``, ``input_tokens``, ``output_tokens`` and, if wanted, ``tenant``; CSV or Parquet
=============  =====================================================================================================

CSV and JSON lines may be gzipped. Times start at the first request, but in a ``table``, whose clock stays.
"""

from __future__ import annotations

import gzip
import io
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from joulewright.errors import DataError, TraceError
from joulewright.io.atomic import write_file
from joulewright.model.timeline import FloatArray
from joulewright.sim.processes.inference.requests import RequestTrace

RequestFormat = Literal["azure", "mooncake", "vllm", "table"]

_MARKS: dict[RequestFormat, frozenset[str]] = {
    "azure": frozenset({"TIMESTAMP", "ContextTokens", "GeneratedTokens"}),
    "mooncake": frozenset({"input_length", "output_length"}),
    "vllm": frozenset({"queued_ts", "input_toks", "output_toks"}),
    "table": frozenset({"arrival_s", "input_tokens", "output_tokens"}),
}
_HASH_BLOCK_TOKENS = 512


@dataclass(frozen=True, eq=False, kw_only=True)
class EngineLog:
    """Requests of an engine and when their tokens came.

    Attributes
    ----------
    trace : RequestTrace
        In the order in which they were queued.
    first_token_s, last_token_s : ndarray
        On the clock of the trace [s], shape ``(N,)``.
    """

    trace: RequestTrace
    first_token_s: FloatArray
    last_token_s: FloatArray

    @property
    def ttft_s(self) -> FloatArray:
        """Time to the first token [s], shape ``(N,)``."""
        return self.first_token_s - self.trace.arrival_s

    @property
    def tpot_s(self) -> FloatArray:
        """Time per token after the first [s], shape ``(N,)``; not a number for answers of one token."""
        gaps = self.trace.output_tokens - 1
        spans = self.last_token_s - self.first_token_s
        found: FloatArray = np.divide(spans, gaps, out=np.full(spans.size, np.nan), where=gaps > 0)
        return found

    @property
    def e2e_s(self) -> FloatArray:
        """Time to the last token [s], shape ``(N,)``."""
        return self.last_token_s - self.trace.arrival_s


def read_requests(path: str | Path) -> RequestTrace:
    """Requests of a file; its columns tell the format.

    Raises
    ------
    DataError
        If the file cannot be read.
    TraceError
        If it has the columns of no format, or a row is out of order, missing or out of range.
    """
    source = Path(path)
    frame = _frame(source)
    if frame.height == 0:
        raise TraceError(f"{source.name} has no requests; give at least one row")
    try:
        return _READERS[_format(frame, source.name)](frame)
    except TraceError as error:
        raise TraceError(f"{source.name}: {error}") from error


def read_engine_log(path: str | Path) -> EngineLog:
    """Requests of an engine's log with the times of their tokens, in the ``vllm`` format.

    Raises
    ------
    DataError
        If the file cannot be read.
    TraceError
        If it is of another format, has no times of tokens, or a row is out of range.
    """
    source = Path(path)
    frame = _frame(source)
    wanted = _MARKS["vllm"] | {"first_token_ts", "last_token_ts"}
    if not wanted <= set(frame.columns):
        raise TraceError(f"{source.name} has the keys {frame.columns}; an engine log needs {sorted(wanted)}")
    ordered = _queued(frame)
    start = float(ordered["queued_ts"][0])
    times = {name: _numbers(ordered, name) - start for name in ("first_token_ts", "last_token_ts")}
    log = EngineLog(trace=_vllm(frame), first_token_s=times["first_token_ts"], last_token_s=times["last_token_ts"])
    wrong = np.flatnonzero(~((log.ttft_s >= 0.0) & (log.last_token_s >= log.first_token_s)))
    if wrong.size:
        raise TraceError(
            f"{source.name}: request {wrong[0]} in the order of queueing has its first token "
            f"{log.ttft_s[wrong[0]]:g} s and its last {log.e2e_s[wrong[0]]:g} s after it was queued; they must follow"
        )
    return log


def write_requests(path: str | Path, trace: RequestTrace) -> Path:
    """Write a trace as a ``table``: Parquet where the ending is ``.parquet``, else CSV.

    Raises
    ------
    DataError
        If the file cannot be written; an earlier file is then unchanged.
    """
    target = Path(path)
    names = dict(enumerate(trace.tenants))
    frame = pl.DataFrame(
        {
            "arrival_s": trace.arrival_s,
            "input_tokens": trace.input_tokens,
            "output_tokens": trace.output_tokens,
            "tenant": pl.Series(trace.tenant).replace_strict(names, return_dtype=pl.String),
        }
    )
    buffer = io.BytesIO()
    if target.suffix == ".parquet":
        frame.write_parquet(buffer)
    else:
        frame.write_csv(buffer)
    write_file(target, buffer.getvalue())
    return target


def _frame(source: Path) -> pl.DataFrame:
    try:
        content = source.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
        if content[:4] == b"PAR1":
            return pl.read_parquet(io.BytesIO(content))
        if content.lstrip()[:1] == b"{":
            return pl.read_ndjson(io.BytesIO(content), infer_schema_length=None)
        return pl.read_csv(io.BytesIO(content), infer_schema_length=None)
    except pl.exceptions.NoDataError as error:
        raise TraceError(f"{source.name} is empty; give a header and at least one request") from error
    except (OSError, EOFError, zlib.error, pl.exceptions.PolarsError) as error:
        raise DataError(f"{source} cannot be read: {error}") from error


def _format(frame: pl.DataFrame, name: str) -> RequestFormat:
    for found, marks in _MARKS.items():
        if marks <= set(frame.columns):
            return found
    known = "; ".join(f"{key}: {', '.join(sorted(marks))}" for key, marks in _MARKS.items())
    raise TraceError(f"{name} has the columns {', '.join(frame.columns)}; known formats are {known}")


def _numbers(frame: pl.DataFrame, name: str) -> FloatArray:
    """A column as floats; a value that is absent or no number is an error that names the row."""
    values = frame[name].cast(pl.Float64, strict=False)
    wrong = np.flatnonzero((values.is_null() | values.is_nan()).to_numpy())
    if wrong.size:
        raise TraceError(f"{name} of request {wrong[0]} is {frame[name][int(wrong[0])]!r}; it must be a number")
    return values.to_numpy()


def _azure(frame: pl.DataFrame) -> RequestTrace:
    text = frame["TIMESTAMP"].cast(pl.String)
    times = text.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="ns", strict=False)
    wrong = np.flatnonzero(times.is_null().to_numpy())
    if wrong.size:
        raise TraceError(
            f"TIMESTAMP of request {wrong[0]} is {text[int(wrong[0])]!r}; it must look like 2023-11-16 18:17:03.9799600"
        )
    since = times.to_physical().to_numpy()
    return _trace((since - since[0]) / 1e9, frame, "ContextTokens", "GeneratedTokens")


def _mooncake(frame: pl.DataFrame) -> RequestTrace:
    name = "timestamp_ms" if "timestamp_ms" in frame.columns else "timestamp"
    if name not in frame.columns:
        raise TraceError("there is no column timestamp or timestamp_ms")
    times = _numbers(frame, name)
    trace = _trace((times - times[0]) / 1e3, frame, "input_length", "output_length")
    if "hash_ids" not in frame.columns:
        return trace
    hashes, counts = _hash_ids(frame["hash_ids"])
    return replace(
        trace,
        block_hashes=hashes,
        block_at=np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]),
        block_tokens=_HASH_BLOCK_TOKENS,
    )


def _hash_ids(column: pl.Series) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Hashes of all requests one after the other, and how many each has."""
    none = pl.List(pl.Null)
    lists = column.cast(none) if column.dtype == pl.Null else column
    if not (isinstance(lists.dtype, pl.List) and (lists.dtype == none or lists.dtype.inner.is_integer())):
        raise TraceError(f"hash_ids hold {column.dtype}; each request needs a list of whole numbers")
    empty = lists.list.eval(pl.element().is_null()).list.any().fill_null(value=False)
    if empty.any():
        raise TraceError(f"hash_ids of request {empty.arg_max()} has an empty entry; it must hold whole numbers")
    counts = lists.list.len().fill_null(0).to_numpy().astype(np.int64)
    return lists.cast(pl.List(pl.Int64)).explode().drop_nulls().to_numpy(), counts


def _queued(frame: pl.DataFrame) -> pl.DataFrame:
    _numbers(frame, "queued_ts")
    return frame.sort("queued_ts", maintain_order=True)


def _vllm(frame: pl.DataFrame) -> RequestTrace:
    ordered = _queued(frame)
    times = _numbers(ordered, "queued_ts")
    return _trace(times - times[0], ordered, "input_toks", "output_toks")


def _table(frame: pl.DataFrame) -> RequestTrace:
    trace = _trace(_numbers(frame, "arrival_s"), frame, "input_tokens", "output_tokens")
    if "tenant" not in frame.columns:
        return trace
    tenant = frame["tenant"].cast(pl.String)
    if tenant.null_count():
        row = int(tenant.is_null().arg_max() or 0)
        raise TraceError(f"tenant of request {row} is empty; name one in every row or leave the column out")
    names, numbers = np.unique(tenant.to_numpy().astype(str), return_inverse=True)
    return replace(trace, tenant=numbers.astype(np.int64), tenants=tuple(names.tolist()))


def _trace(arrival_s: FloatArray, frame: pl.DataFrame, inputs: str, outputs: str) -> RequestTrace:
    return RequestTrace(
        arrival_s=arrival_s,
        input_tokens=_numbers(frame, inputs),  # type: ignore[arg-type]
        output_tokens=_numbers(frame, outputs),  # type: ignore[arg-type]
    )


_READERS = {"azure": _azure, "mooncake": _mooncake, "vllm": _vllm, "table": _table}
