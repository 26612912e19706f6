"""Reading one series onto the horizon."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from joulewright.io.series.axis import Axis, duration_text, label_of, read_axis
from joulewright.io.series.convert import ColumnUnit, column_unit, column_values, estimated_share
from joulewright.io.series.findings import Findings
from joulewright.io.series.opening import open_table
from joulewright.io.series.reference import Label, SeriesReference, SeriesResult
from joulewright.io.series.resample import fill_gaps, resample
from joulewright.io.series.solar_noon import looks_solar, noon_delay_min
from joulewright.io.series.table import ColumnTable
from joulewright.io.series.window import Window, check_gaps, cut
from joulewright.model import Timeline
from joulewright.model.timeline import FloatArray

_LATE_STEPS = 0.6
"""A solar series this many steps off solar noon is taken to carry the other label."""


@dataclass(frozen=True)
class _Source:
    """A file opened for one reference."""

    reference: SeriesReference
    table: ColumnTable
    axis: Axis
    unit: ColumnUnit


def read_series(reference: SeriesReference, timeline: Timeline, *, key: str | None = None) -> SeriesResult:
    """Read a column of a file onto the horizon, in internal units.

    Parameters
    ----------
    reference : SeriesReference
        File, column and how to read them.
    timeline : Timeline
        Horizon of T steps.
    key : str, optional
        Dotted path of the scenario key, put into every diagnostic.

    Returns
    -------
    SeriesResult
        Values of shape ``(T,)``, warnings and notes, and facts about the file.

    Raises
    ------
    ScenarioError
        With one :class:`~joulewright.errors.Diagnostic` for every problem found; codes are listed in
        :mod:`joulewright.io.series`.
    """
    findings = Findings(file=reference.file, key=key)
    findings.attempt(column_unit, reference)
    table = findings.attempt(open_table, reference.path)
    if table is not None:
        findings.attempt(table.require, reference.column)
        if reference.estimated is not None:
            findings.attempt(table.require, reference.estimated)
        findings.attempt(read_axis, table, reference)
    findings.stop_on_errors()
    table = open_table(reference.path)
    source = _Source(reference, table, read_axis(table, reference), column_unit(reference))
    return _on_horizon(source, timeline, findings)


def _on_horizon(source: _Source, timeline: Timeline, findings: Findings) -> SeriesResult:
    reference, table, axis = source.reference, source.table, source.axis
    label = _label(source, findings)
    window = findings.require(cut, axis, label, timeline, max_gap_h=reference.max_gap_h)
    values = findings.require(column_values, table, axis, window, reference=reference, unit=source.unit)
    estimated = findings.require(estimated_share, table, axis, window, column=reference.estimated)
    missing = np.isnan(values)
    findings.require(check_gaps, missing, window, max_gap_h=reference.max_gap_h, table=table, axis=axis)
    if missing.any():
        values, estimated = fill_gaps(values, missing), np.where(missing, 1.0, estimated)
    _warn_about_noon(source, label, window, values, findings)
    grid = {"first_s": window.first_s, "step_s": window.step_s}
    facts = {
        "file": reference.file,
        "column": reference.column,
        "unit": source.unit.name,
        "sha256": table.sha256,
        "rows": table.rows,
        "interpolated": int(np.count_nonzero(missing[window.inside])),
        "estimated_fraction": float(np.mean(resample(estimated, timeline, **grid))),
        "label": label,
        "time_zone": axis.time_zone,
        "step_s": axis.step_s,
        "note": table.note,
    }
    _note(source, facts, timeline, findings)
    return SeriesResult(values=resample(values, timeline, **grid), diagnostics=findings.stop_on_errors(), facts=facts)


def _label(source: _Source, findings: Findings) -> Label:
    declared, column = source.reference.label, source.axis.column
    named = label_of(column)
    if declared is not None and named is not None and declared != named:
        message = f'time column {column!r} names the {named} of its interval; declared is label = "{declared}"'
        findings.add("warning", "T012", message, help=f'set label = "{named}"')
    elif declared is None and named == "end":
        message = f"label is not declared; time column {column!r} is read as the end of its interval"
        findings.add("warning", "T016", message, help='declare label = "end"')
    elif declared is None and named is None:
        message = "label is not declared; time stamps are read as the start of their interval"
        findings.add("note", "T016", message, help='declare label = "start" or label = "end"')
    return declared or named or "start"


def _warn_about_noon(source: _Source, label: Label, window: Window, values: FloatArray, findings: Findings) -> None:
    reference, step_s = source.reference, window.step_s
    if reference.longitude_deg is None or not looks_solar(reference.column, values, step_s):
        return
    delay = noon_delay_min(values, first_s=window.first_s, step_s=step_s, longitude_deg=reference.longitude_deg)
    other: Label = "end" if label == "start" else "start"
    if (delay if other == "end" else -delay) * 60 < _LATE_STEPS * step_s:
        return
    findings.add(
        "warning",
        "T012",
        f"column {reference.column!r} looks hour-{'ENDING' if other == 'end' else 'BEGINNING'}: its centroid is "
        f"{abs(delay):.0f} min {'late' if delay > 0 else 'early'} against solar noon at longitude "
        f'{reference.longitude_deg:g}; it is read with label = "{label}"',
        help=f'set label = "{other}" (EIA, IESO and ISO-NE publish hour-ending)',
    )


def _note(source: _Source, facts: dict[str, Any], timeline: Timeline, findings: Findings) -> None:
    step_s, column = source.axis.step_s, source.reference.column
    if source.unit.per_step:
        findings.add(
            "note", "U005", f"column {column!r} holds {source.unit.name} per step of {duration_text(step_s)}; "
            "it is read as mean power"
        )  # fmt: skip
    if facts["interpolated"]:
        findings.add("note", "T015", f"{facts['interpolated']} values of column {column!r} are interpolated")
    if facts["estimated_fraction"] > 0:
        findings.add(
            "note", "D010", f"{facts['estimated_fraction']:.1%} of column {column!r} is estimated or interpolated"
        )
    if step_s != timeline.step_s:
        how = "averaged" if timeline.step_s % step_s == 0 else "held" if step_s % timeline.step_s == 0 else "weighted"
        findings.add(
            "note", "T017", f"values of {duration_text(step_s)} are {how} to steps of {duration_text(timeline.step_s)}"
        )
