"""Requests to a service: when they arrive, how long they are and whose they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from joulewright.errors import TraceError
from joulewright.model.timeline import FloatArray, IntArray

_MOST_TOKENS = 1 << 30


@dataclass(frozen=True, eq=False, kw_only=True)
class RequestTrace:
    """Requests in the order of their arrival, shape ``(N,)`` each.

    Attributes
    ----------
    arrival_s : array_like
        Arrival after the start of the trace [s], never falling; ties keep the order of the rows.
    input_tokens, output_tokens : array_like
        Length of the prompt and of the answer [token], both at least 1.
    tenant : array_like or None
        Number of the tenant in ``tenants``; None gives all requests to the first.
    tenants : tuple of str
        Names of tenants.
    block_hashes, block_at : array_like or None
        Names of the blocks of all prompts one after the other, shape ``(B,)``, and where those of each request begin,
        shape ``(N + 1,)``; equal names are equal beginnings of prompts.
    block_tokens : int
        Tokens of such a block; the last one of a prompt may be shorter.

    Raises
    ------
    TraceError
        If there is no request, a row is out of order or out of range, columns differ in length, or a prompt is shorter
        than its blocks.

    Examples
    --------
    >>> trace = RequestTrace(arrival_s=[0.0, 0.5], input_tokens=[100, 3000], output_tokens=[3, 2])
    >>> len(trace), trace.scheduled_tokens
    (2, 3103)
    """

    arrival_s: FloatArray
    input_tokens: IntArray
    output_tokens: IntArray
    tenant: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    tenants: tuple[str, ...] = ("all",)
    block_hashes: IntArray | None = None
    block_at: IntArray | None = None
    block_tokens: int = 512

    def __post_init__(self) -> None:
        arrival = np.require(self.arrival_s, np.float64, ["C", "W"])
        if arrival.ndim != 1 or arrival.size == 0:
            raise TraceError("the trace has no requests; give at least one arrival, input length and output length")
        columns: dict[str, Any] = {"arrival_s": arrival}
        columns["input_tokens"] = _whole(self.input_tokens, "input_tokens", arrival.size)
        columns["output_tokens"] = _whole(self.output_tokens, "output_tokens", arrival.size)
        given = np.zeros(arrival.size, dtype=np.int64) if np.size(self.tenant) == 0 else self.tenant
        columns["tenant"] = _whole(given, "tenant", arrival.size)
        _check_arrivals(arrival)
        for name in ("input_tokens", "output_tokens"):
            _check_range(columns[name], name, 1, _MOST_TOKENS)
        _check_range(columns["tenant"], "tenant", 0, len(self.tenants) - 1)
        if self.block_hashes is not None:
            columns["block_hashes"], columns["block_at"] = self._blocks(columns["input_tokens"])
        for name, values in columns.items():
            object.__setattr__(self, name, values)

    def __len__(self) -> int:
        return int(self.arrival_s.size)

    @property
    def scheduled_tokens(self) -> int:
        """Tokens that steps process: all but the last token of each answer, without caches and preemption."""
        return int(self.input_tokens.sum() + self.output_tokens.sum()) - len(self)

    def part(self, first: int, last: int) -> RequestTrace:
        """Requests from number ``first`` up to, but without, ``last``; the clock stays."""
        hashes, starts = self.block_hashes, self.block_at
        if hashes is not None and starts is not None:
            starts = starts[first : last + 1]
            hashes, starts = hashes[starts[0] : starts[-1]], starts - starts[0]
        return RequestTrace(
            arrival_s=self.arrival_s[first:last],
            input_tokens=self.input_tokens[first:last],
            output_tokens=self.output_tokens[first:last],
            tenant=self.tenant[first:last],
            tenants=self.tenants,
            block_hashes=hashes,
            block_at=starts,
            block_tokens=self.block_tokens,
        )

    def by_tenant(self) -> dict[str, RequestTrace]:
        """A trace of each tenant that has requests, on the same clock."""
        found = {}
        for number, name in enumerate(self.tenants):
            rows = np.flatnonzero(self.tenant == number)
            if rows.size:
                found[name] = RequestTrace(
                    arrival_s=self.arrival_s[rows],
                    input_tokens=self.input_tokens[rows],
                    output_tokens=self.output_tokens[rows],
                    tenants=(name,),
                    **_in_order([self], rows),
                )
        return found

    def _blocks(self, input_tokens: IntArray) -> tuple[IntArray, IntArray]:
        hashes = np.asarray(self.block_hashes)
        starts = _whole(self.block_at if self.block_at is not None else [], "block_at", input_tokens.size + 1)
        if starts[0] != 0 or starts[-1] != hashes.size or np.any(np.diff(starts) < 0):
            raise TraceError(
                f"block_at goes from {starts[0]} to {starts[-1]} over {hashes.size} block hashes; it must rise from 0 "
                "to their number"
            )
        if not 1 <= self.block_tokens <= _MOST_TOKENS:
            raise TraceError(f"block_tokens is {self.block_tokens!r}; allowed is 1 to {_MOST_TOKENS}")
        most = -(-input_tokens // self.block_tokens)
        wrong = np.flatnonzero(np.diff(starts) > most)
        if wrong.size:
            row = wrong[0]
            raise TraceError(
                f"request {row} has {starts[row + 1] - starts[row]} block hashes for {input_tokens[row]} tokens; "
                f"blocks of {self.block_tokens} tokens make at most {most[row]}"
            )
        return _whole(hashes, "block_hashes", hashes.size), starts


def merge_traces(traces: dict[str, RequestTrace]) -> RequestTrace:
    """One trace with a tenant per entry, ordered by arrival and, at ties, by entry.

    Block hashes are kept and renamed, so that tenants never share a beginning of a prompt.

    Raises
    ------
    TraceError
        If there is no trace, or blocks differ in length.

    Examples
    --------
    >>> late = RequestTrace(arrival_s=[2.0], input_tokens=[8], output_tokens=[1])
    >>> early = RequestTrace(arrival_s=[1.0], input_tokens=[4], output_tokens=[1])
    >>> merge_traces({"a": late, "b": early}).input_tokens.tolist()
    [4, 8]
    """
    if not traces:
        raise TraceError("there is no trace to merge; give at least one")
    parts = list(traces.values())
    arrival = np.concatenate([part.arrival_s for part in parts])
    order = np.argsort(arrival, kind="stable")
    numbers = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    return RequestTrace(
        arrival_s=arrival[order],
        input_tokens=np.concatenate([part.input_tokens for part in parts])[order],
        output_tokens=np.concatenate([part.output_tokens for part in parts])[order],
        tenant=numbers[order],
        tenants=tuple(traces),
        **_in_order(_apart(parts), order),
    )


def join_traces(traces: Sequence[RequestTrace]) -> RequestTrace:
    """Traces on one clock, one after the other; they must have the same tenants. Equal block hashes stay equal.

    Raises
    ------
    TraceError
        If tenants or the length of blocks differ, or one begins before the one before it ends.
    """
    if len({part.tenants for part in traces}) != 1:
        raise TraceError(f"{len(traces)} traces have the tenants {[part.tenants for part in traces]}; they must agree")
    columns = ("arrival_s", "input_tokens", "output_tokens", "tenant")
    joined: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in traces]) for name in columns}
    order = np.arange(joined["arrival_s"].size)
    return RequestTrace(tenants=traces[0].tenants, **joined, **_in_order(traces, order))


def _apart(traces: Sequence[RequestTrace]) -> list[RequestTrace]:
    """The traces with block hashes that no other one has."""
    found, first = [], 0
    for part in traces:
        if part.block_hashes is not None:
            names, numbers = np.unique(part.block_hashes, return_inverse=True)
            part = replace(part, block_hashes=first + numbers)
            first += names.size
        found.append(part)
    return found


def _in_order(traces: Sequence[RequestTrace], rows: IntArray) -> dict[str, Any]:
    """Block hashes of some of the requests of all traces, one after the other; nothing if no trace has any."""
    sizes = {part.block_tokens for part in traces if part.block_hashes is not None}
    if not sizes:
        return {}
    if len(sizes) > 1:
        raise TraceError(f"the traces have blocks of {sorted(sizes)} tokens; they must agree")
    none = np.empty(0, dtype=np.int64)
    hashes = np.concatenate([none if part.block_hashes is None else part.block_hashes for part in traces])
    counts = np.concatenate(
        [np.zeros(len(part), dtype=np.int64) if part.block_at is None else np.diff(part.block_at) for part in traces]
    )
    begins, counts = (np.cumsum(counts) - counts)[rows], counts[rows]
    starts = np.concatenate([[0], np.cumsum(counts)])
    at = np.repeat(begins - starts[:-1], counts) + np.arange(starts[-1])
    return {"block_hashes": hashes[at], "block_at": starts, "block_tokens": sizes.pop()}


def _whole(values: ArrayLike, name: str, size: int) -> IntArray:
    """Whole numbers of a column, shape ``(size,)``."""
    found = np.asarray(values)
    if found.shape != (size,):
        raise TraceError(f"{name} has shape {found.shape}; expected ({size},), one value per request")
    if found.dtype.kind in "iu":
        return np.require(found, np.int64, ["C", "W"])
    if found.dtype.kind != "f":
        raise TraceError(f"{name} holds {found.dtype} values; it must hold whole numbers")
    wrong = np.flatnonzero(~(np.isfinite(found) & (found == np.floor(found))))
    if wrong.size:
        raise TraceError(f"{name} of request {wrong[0]} is {found[wrong[0]]}; it must be a whole number")
    return found.astype(np.int64)


def _check_arrivals(arrival: FloatArray) -> None:
    wrong = np.flatnonzero(~np.isfinite(arrival))
    if wrong.size:
        raise TraceError(f"arrival_s of request {wrong[0]} is {arrival[wrong[0]]}; it must be a finite time")
    if arrival[0] < 0.0:
        raise TraceError(f"arrival_s of request 0 is {arrival[0]:g} s; times count from the start of the trace")
    falls = np.flatnonzero(np.diff(arrival) < 0.0)
    if falls.size:
        row = falls[0] + 1
        raise TraceError(
            f"request {row} arrives at {arrival[row]:g} s, before request {row - 1} at {arrival[row - 1]:g} s; "
            "sort the trace by arrival"
        )


def _check_range(values: IntArray, name: str, least: int, most: int) -> None:
    wrong = np.flatnonzero((values < least) | (values > most))
    if wrong.size:
        raise TraceError(f"{name} of request {wrong[0]} is {values[wrong[0]]}; allowed is {least} to {most}")
