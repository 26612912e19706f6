"""Recorded forecasts from CSV and Parquet files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from joulewright.errors import ScenarioError
from joulewright.io.series import SeriesReference, read_series
from joulewright.io.series.axis import name_words
from joulewright.io.series.clock import ClockRules, instants, time_zone
from joulewright.io.series.convert import column_unit
from joulewright.io.series.findings import Findings
from joulewright.io.series.opening import open_table
from joulewright.io.series.table import ColumnTable
from joulewright.model import Timeline
from joulewright.model.timeline import FloatArray
from joulewright.policy.forecast import RecordedForecaster, RecordedSeries

_DIMENSIONS = {
    "import_price_per_mwh": "energy_price",
    "export_price_per_mwh": "energy_price",
    "carbon_kg_per_mwh": "carbon_intensity",
    "import_limit_mw": "power",
    "export_limit_mw": "power",
    "fixed_it_power_mw": "power",
    "fixed_facility_power_mw": "power",
    "demand_token_s": "token_rate",
    "per_unit": "fraction",
    "pue": "fraction",
}


def read_forecast(
    path: str | Path,
    timeline: Timeline,
    columns: Mapping[str, str],
    *,
    issued: str | None = None,
    time: str | None = None,
    zone: str | None = None,
    units: Mapping[str, str] | None = None,
) -> RecordedForecaster:
    """Read recorded forecasts of some signals.

    Parameters
    ----------
    path : str or Path
        CSV, gzipped CSV or Parquet file.
    timeline : Timeline
        Horizon of the run; forecasts of other times are left aside.
    columns : mapping of str to str
        Column of each signal key, e.g. ``{"west/carbon_kg_per_mwh": "forecast_g_per_kwh"}``.
    issued : str, optional
        Column with the time of issue, for files with one row for each issue and each time that it forecasts. Without
        it the file has one row for each time, which is taken as known from the start of the horizon.
    time : str, optional
        Column with the start of the interval that is forecast; found by its name when there is no ``issued`` column.
    zone : str, optional
        Time zone of stamps without offset; columns whose name says ``utc`` need none.
    units : mapping of str to str, optional
        Unit of a column whose name does not end in one, by column.

    Returns
    -------
    RecordedForecaster
        Falls back to the same hour of the last day where the recordings do not reach.

    Raises
    ------
    ScenarioError
        With the diagnostics of :mod:`joulewright.io.series`, or if a key is of no known quantity.
    """
    path, references = Path(path), {}
    for key, column in columns.items():
        dimension = _DIMENSIONS.get(key.rpartition("/")[2])
        if dimension is None:
            raise ScenarioError(f"{key!r} is no signal key; the last part is one of {', '.join(_DIMENSIONS)}")
        references[key] = SeriesReference(
            path=path,
            column=column,
            dimension=dimension,
            unit=(units or {}).get(column),
            time=time,
            time_zone=zone,
            label="start",
        )
    if issued is None:
        return RecordedForecaster(
            recordings={
                key: RecordedSeries.by_valid_time(timeline, read_series(reference, timeline, key=key).values)
                for key, reference in references.items()
            }
        )
    if time is None:
        raise ScenarioError(f"time is not given; with issued = {issued!r} name the column of the time that is forecast")
    return RecordedForecaster(
        recordings={key: _issued_series(reference, issued, key) for key, reference in references.items()}
    )


def _issued_series(reference: SeriesReference, issued: str, key: str) -> RecordedSeries:
    """A table of issue times by lead times from a file of (issue, time, value) rows; absent values are not numbers."""
    findings = Findings(file=reference.file, key=key)
    table = findings.require(open_table, reference.path)
    unit = findings.require(column_unit, reference)
    values = findings.require(_numbers, table, reference.column)
    when, what = (
        findings.require(_seconds, table, column, reference.time_zone) for column in (issued, str(reference.time))
    )
    issues, rows = np.unique(when, return_inverse=True)
    leads, places = np.unique(what - when, return_inverse=True)
    grid = np.full((issues.size, leads.size), np.nan)
    grid[rows, places] = values * unit.scale + unit.offset
    return RecordedSeries(issued=issues.astype("datetime64[s]"), lead_h=leads / 3600.0, values=grid)


def _numbers(table: ColumnTable, column: str) -> FloatArray:
    return table.numbers(table.require(column), 0, table.rows)


def _seconds(table: ColumnTable, column: str, zone: str | None) -> np.ndarray:
    name = zone or ("UTC" if name_words(column) & {"utc", "gmt"} else None)
    rules = ClockRules(column=column, zone=None if name is None else time_zone(name), first_dst=False)
    return instants(table.stamps(table.require(column)), rules, table.line)[0]
