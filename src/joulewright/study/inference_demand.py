"""Requests that follow a demand over time: rates or counts of a file, or one constant rate."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from joulewright.errors import ScenarioError
from joulewright.io.series.axis import time_column
from joulewright.io.series.findings import Findings
from joulewright.io.series.opening import open_table
from joulewright.io.series.table import ColumnTable
from joulewright.model.timeline import FloatArray
from joulewright.sim.processes.inference import RequestTrace
from joulewright.sim.processes.inference.generate import TokenLengths, requests_from_demand
from joulewright.sim.random import stream
from joulewright.study.dag_signal import read_signal

_PART = 1 << 18
"""Requests that are expected in one part of a demand; a demand of fewer is drawn at once."""
_PIECES = 8
"""Steps with more requests than a part's share of this many are cut; parts then differ little in size."""
_UNITS = {"requests/s": 1.0, "requests/min": 60.0, "requests/h": 3600.0}
_ENDINGS = {
    "per_s": "requests/s",
    "rate": "requests/s",
    "per_min": "requests/min",
    "per_h": "requests/h",
    "requests": "requests",
    "count": "requests",
    "token_s": "token/s",
    "tokens_s": "token/s",
    "tokens_per_s": "token/s",
}
UNITS = (*_UNITS, "requests", "token/s")
"""Units of a demand: rates of requests, requests in each step, or tokens of answers."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Demand:
    """A rate of requests in each step.

    Attributes
    ----------
    rate_per_s : FloatArray
        Requests [1/s], shape ``(T,)``.
    step_s : float
        Length of a step [s].
    name : str
        Where it comes from.
    sha256 : str
        Of the file.
    notes : tuple of str
        What a reader must know.

    Raises
    ------
    ScenarioError
        If a rate is negative or not finite, or no request can come of the demand.
    """

    rate_per_s: FloatArray
    step_s: float
    name: str
    sha256: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        wrong = np.flatnonzero(~(np.isfinite(self.rate_per_s) & (self.rate_per_s >= 0.0)))
        if wrong.size:
            raise ScenarioError(
                f"{self.name} asks for {self.rate_per_s[wrong[0]]:g} requests/s in step {wrong[0]}; give a finite "
                "number of at least 0 in every step"
            )
        if not self.rate_per_s.any():
            raise ScenarioError(f"{self.name} asks for no request in any of {self.rate_per_s.size} steps")

    @property
    def expected(self) -> float:
        """Requests that are expected of it."""
        return float(self.rate_per_s.sum()) * self.step_s

    @property
    def duration_s(self) -> float:
        """Time that it covers, steps without requests included [s]."""
        return float(self.rate_per_s.size * self.step_s)

    def parts(
        self, input_tokens: TokenLengths, output_tokens: TokenLengths, *, seed: int = 0
    ) -> Iterator[RequestTrace]:
        """Requests of a Poisson process with these rates, some hundred thousand at a time.

        Parameters
        ----------
        input_tokens, output_tokens : TokenLengths
            Lengths of prompts and answers.
        seed : int
            Equal seeds give equal requests.

        Raises
        ------
        TraceError
            If by chance no request comes of a small demand.

        Notes
        -----
        Steps may be cut and the process be drawn in parts, each with random numbers of its own: numbers of a Poisson
        process in intervals that do not overlap are independent.

        References
        ----------
        Kingman (1993), Poisson Processes, Oxford University Press, section 2.1.
        """
        count = max(1, math.ceil(self.expected / _PART))
        cut = 1 if count == 1 else math.ceil(self.rate_per_s.max() * self.step_s * _PIECES / _PART)
        rate, step_s = np.repeat(self.rate_per_s, cut), self.step_s / cut
        total = np.cumsum(rate) * step_s
        inner = np.searchsorted(total, total[-1] * np.arange(1, count) / count) + 1
        edges = [0, *inner.tolist(), rate.size]
        for number, (first, last) in enumerate(pairwise(edges)):
            trace = requests_from_demand(
                rate[first:last] * output_tokens.expected_tokens,
                step_s=step_s,
                input_tokens=input_tokens,
                output_tokens=output_tokens,
                seed=seed if count == 1 else int(stream(seed, f"demand/{number}").integers(1 << 62)),
            )
            yield replace(trace, arrival_s=trace.arrival_s + first * step_s)


def constant_demand(rate_per_s: float, hours: float) -> Demand:
    """The same rate of requests over some hours.

    Raises
    ------
    ScenarioError
        If the rate or the hours are not positive.

    Examples
    --------
    >>> constant_demand(2.0, 1.5).expected
    10800.0
    """
    if not 0.0 < hours < math.inf:
        raise ScenarioError(f"the demand lasts {hours:g} hours; allowed is a positive number")
    if not 0.0 < rate_per_s < math.inf:
        raise ScenarioError(f"the rate of the demand is {rate_per_s:g} requests/s; allowed is a positive number")
    name = f"{rate_per_s:g} requests/s over {hours:g} h"
    return Demand(rate_per_s=np.array([rate_per_s]), step_s=3600.0 * hours, name=name)


@dataclass(frozen=True, kw_only=True)
class DemandReading:
    """How a file of a demand is read.

    Attributes
    ----------
    column, unit : str or None
        Column of the demand and one of :data:`UNITS`; None takes the only column, and the unit from its name.
    step_s : float or None
        Length of a step [s] where the file has no time stamps.
    time_zone : str or None
        Of stamps without offset.
    max_gap_h : float
        Longest run of missing values that is interpolated [h].
    """

    column: str | None = None
    unit: str | None = None
    step_s: float | None = None
    time_zone: str | None = None
    max_gap_h: float = 0.0


def read_demand(path: Path, output_tokens: float, reading: DemandReading | None = None) -> Demand:
    """A demand from a CSV, gzipped CSV or Parquet file.

    Parameters
    ----------
    path : Path
        The file, with time stamps and one column of rates or counts.
    output_tokens : float
        Mean answer [token], by which a demand of tokens becomes one of requests.
    reading : DemandReading, optional
        Which column, in which unit.

    Raises
    ------
    ScenarioError
        If the file cannot be read, has gaps, or its column or unit is not clear: all problems are listed.
    """
    how = reading or DemandReading()
    table = Findings(file=str(path), key=_KEY).require(open_table, path)
    column = how.column or _only_column(table, path, stamped=how.step_s is None)
    unit = how.unit or next((unit for end, unit in _ENDINGS.items() if column.lower().endswith(end)), "")
    if unit not in UNITS:
        what = f"has the unit {how.unit!r}" if how.unit else "has no unit in its name"
        raise ScenarioError(f"column {column!r} of {path.name} {what}; give unit, one of {', '.join(UNITS)}")
    notes: tuple[str, ...] = ()
    if how.step_s is not None:
        step_s, values, sha256 = how.step_s, _rows(table, column, path), table.sha256
        if not 0.0 < step_s < math.inf:
            raise ScenarioError(f"step_s of the demand is {step_s:g} s; allowed is a positive number")
    else:
        found = read_signal(path, column=column, unit="1", time_zone=how.time_zone, max_gap_h=how.max_gap_h, key=_KEY)
        step_s, values, sha256 = float(found.timeline.step_s), found.signal.values, found.sha256
        notes = found.warnings
    per_s = {"requests": step_s, "token/s": output_tokens}.get(unit) or _UNITS[unit]
    return Demand(rate_per_s=values / per_s, step_s=step_s, name=f"{path}, column {column}", sha256=sha256, notes=notes)


_KEY = "demand"


def _only_column(table: ColumnTable, path: Path, *, stamped: bool) -> str:
    if stamped and len(table.columns) == 1:
        raise ScenarioError(f"{path.name} has no time stamps beside {table.columns[0]!r}; give step_s, e.g. 3600")
    time = {Findings(file=str(path), key=_KEY).require(time_column, table.columns)} if stamped else set()
    found = [name for name in table.columns if name not in time]
    if len(found) != 1:
        known = [name for name in found if any(name.lower().endswith(end) for end in _ENDINGS)]
        if len(known) != 1:
            raise ScenarioError(
                f"{path.name} has {len(found)} columns besides its time stamps; name that of the demand with column: "
                f"{', '.join(found) or 'there is none'}"
            )
        found = known
    return found[0]


def _rows(table: ColumnTable, column: str, path: Path) -> FloatArray:
    """All rows of a column; a blank one is an error."""
    findings = Findings(file=str(path), key=_KEY)
    findings.require(table.require, column)
    values = findings.require(table.numbers, column, 0, table.rows)
    wrong = np.flatnonzero(np.isnan(values))
    if wrong.size:
        raise ScenarioError(f"column {column!r} of {path.name} has no number in row {wrong[0]}; fill the gap")
    return values
