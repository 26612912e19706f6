"""What a scenario says about a time series, and what reading it returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from joulewright.errors import Diagnostic
from joulewright.model.timeline import FloatArray

Label = Literal["start", "end"]


@dataclass(frozen=True, kw_only=True)
class SeriesReference:
    """A column of a CSV, gzipped CSV or Parquet file and how to read it.

    Attributes
    ----------
    path : Path
        The file.
    column : str
        Column with the values.
    dimension : str
        Dimension wanted, as named in :mod:`joulewright.units`; decides the internal unit.
    unit : str or None
        Unit of the values; None takes it from the column name.
    currency : str or None
        Currency that a price must be in; amounts are never converted.
    time : str or None
        Column with the time stamps; None looks for a column named like one.
    time_zone : str or None
        IANA name, ``UTC`` or a fixed offset such as ``+01:00`` for stamps that carry no offset.
    ambiguous : {"first-dst"} or None
        How to read an hour that the clock shows twice: the first one is daylight-saving time.
    label : {"start", "end"} or None
        Which end of its interval a stamp names; None reads ``start``, or what the time column's name says.
    step_s : int or None
        Declared length of a step [s]; it must agree with the stamps.
    max_gap_h : float
        Longest run of missing values that is interpolated [h]; 0 makes every gap an error.
    estimated : str or None
        Column of 0 and 1 that marks estimated or imputed values.
    minimum, maximum : float or None
        Range allowed for the values, in internal units.
    range_code : str
        Code of the diagnostic when a value is out of range.
    longitude_deg : float or None
        Where the series was measured, to compare solar columns with solar noon [deg, east positive].
    display : str
        Name of the file in messages; the path when empty.
    """

    path: Path
    column: str
    dimension: str
    unit: str | None = None
    currency: str | None = None
    time: str | None = None
    time_zone: str | None = None
    ambiguous: Literal["first-dst"] | None = None
    label: Label | None = None
    step_s: int | None = None
    max_gap_h: float = 0.0
    estimated: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    range_code: str = "D008"
    longitude_deg: float | None = None
    display: str = ""

    @property
    def file(self) -> str:
        """Name of the file in messages."""
        return self.display or str(self.path)


@dataclass(frozen=True, kw_only=True, eq=False)
class SeriesResult:
    """Values of one series on the horizon.

    Attributes
    ----------
    values : FloatArray
        Interval means in internal units, shape ``(T,)``, finite.
    diagnostics : tuple of Diagnostic
        Warnings and notes; errors are raised.
    facts : mapping
        ``file``, ``column``, ``unit``, ``sha256``, ``rows``, ``interpolated`` (source rows), ``estimated_fraction``
        (share of the horizon that is marked as estimated or was interpolated), ``label``, ``time_zone``,
        ``step_s`` and ``note`` (first comment line of the file, or None).
    """

    values: FloatArray
    diagnostics: tuple[Diagnostic, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
