"""The series that plays while jobs with precedence run: a column of a file, or a made-up year of a zone."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from joulewright.data.climatology import zones
from joulewright.data.synthetic import synthetic_series
from joulewright.errors import ScenarioError, UnitError
from joulewright.io.series import SeriesReference, read_series
from joulewright.io.series.axis import label_of, read_axis
from joulewright.io.series.findings import Findings
from joulewright.io.series.opening import open_table
from joulewright.io.series.table import ColumnTable
from joulewright.model import Timeline
from joulewright.model.dag import DagSignal
from joulewright.model.timeline import FloatArray
from joulewright.units import conversion, currency_of, unit_of_column

_MS_PER_H = 3_600_000
_SYNTHETIC_YEAR = Timeline(start=datetime(2022, 1, 1, tzinfo=UTC), step_s=3600, steps=8760)


@dataclass(frozen=True, kw_only=True, eq=False)
class DagSignalInput:
    """A signal with its clock and unit.

    Attributes
    ----------
    signal : DagSignal
        What plays.
    timeline : Timeline
        When its steps were.
    name : str
        File and column, or the zone that was made up.
    unit : str
        Of the signal, e.g. ``g/kWh``.
    amount : str
        Unit of a cost times :attr:`amount_factor`: ``kg CO2e``, a currency, or ``signal x kWh``.
    amount_factor : float
        From a cost of :class:`~joulewright.sim.processes.dag.DagRun` to ``amount``.
    quantity : str
        What the cost is for people: carbon, cost or signal.
    sha256, note : str
        Of the file; what it says about itself.
    synthetic : bool
        Whether the values are made up.
    warnings : tuple of str
        What reading the file assumed or filled in.
    """

    signal: DagSignal
    timeline: Timeline
    name: str
    unit: str = "g/kWh"
    amount: str = "kg CO2e"
    amount_factor: float = 1e-3
    quantity: str = "carbon"
    sha256: str = ""
    note: str = ""
    synthetic: bool = False
    warnings: tuple[str, ...] = ()

    def step_at(self, when: str) -> int:
        """Step that an instant such as ``2022-07-04T00:00Z``, or a number of hours into the signal, lies in.

        Raises
        ------
        ScenarioError
            If it is neither, has no offset, or lies outside the signal.

        Examples
        --------
        >>> synthetic_signal("DE-LU", hour_ms=60_000).step_at("2022-01-02T01:30Z")
        25
        """
        try:
            hours = float(when)
        except ValueError:
            hours = self._hours_to(when)
        step = math.floor(hours / self.timeline.step_h + 1e-9) if math.isfinite(hours) else -1
        if not 0 <= step < self.timeline.steps:
            raise ScenarioError(
                f"the start {when!r} lies outside the signal, which goes from {self.timeline.start:%Y-%m-%dT%H:%MZ} to "
                f"{self.timeline.end:%Y-%m-%dT%H:%MZ} ({self.timeline.hours:g} h)"
            )
        return step

    def _hours_to(self, when: str) -> float:
        try:
            instant = datetime.fromisoformat(when)
        except ValueError as error:
            raise ScenarioError(
                f"the start {when!r} is neither a number of hours into the signal nor an instant such as "
                f"{self.timeline.start:%Y-%m-%dT%H:%MZ}"
            ) from error
        if instant.tzinfo is None:
            raise ScenarioError(f"the start {when!r} has no offset; write {when}Z or {when}+01:00")
        return (instant - self.timeline.start).total_seconds() / 3600.0


def played(values: FloatArray, step_h: float, hour_ms: float, renewable: FloatArray | None = None) -> DagSignal:
    """A signal whose hour takes ``hour_ms`` of the run.

    Raises
    ------
    ScenarioError
        If a step would not last a whole number of milliseconds.
    """
    step_ms = step_h * hour_ms
    if round(step_ms) < 1 or abs(step_ms - round(step_ms)) > 1e-6:
        raise ScenarioError(
            f"a step of {step_h:g} h lasts {step_ms:g} ms when an hour takes {hour_ms:g} ms; it must be a whole number "
            "of at least 1"
        )
    return DagSignal(step_ms=round(step_ms), step_h=step_h, values=values, renewable_fraction=renewable)


def synthetic_signal(zone: str, *, hour_ms: float = _MS_PER_H, seed: int = 0) -> DagSignalInput:
    """A year of direct carbon intensity that looks like 2022 in a zone; its low-carbon share counts as renewable.

    Raises
    ------
    ScenarioError
        If the zone is unknown.
    """
    if zone not in zones():
        raise ScenarioError(f"there is no zone {zone!r}; there are {', '.join(zones())}")
    series = synthetic_series(zone, _SYNTHETIC_YEAR, seed)
    return DagSignalInput(
        signal=played(series["ci_direct_g_kwh"], 1.0, hour_ms, series["low_carbon_pct"] / 100.0),
        timeline=_SYNTHETIC_YEAR,
        name=f"synthetic year of {zone}",
        note="Made up from the climatology of 2022; the low-carbon share stands for the renewable one.",
        synthetic=True,
    )


def read_signal(
    path: Path,
    *,
    column: str | None = None,
    unit: str | None = None,
    renewable: str | None = None,
    time_zone: str | None = None,
    max_gap_h: float = 0.0,
    hour_ms: float = _MS_PER_H,
    key: str = "--signal",
) -> DagSignalInput:
    """All steps of a column of a CSV, gzipped CSV or Parquet file.

    Parameters
    ----------
    path : Path
        The file.
    column : str, optional
        Column of carbon intensities or prices; needed where not exactly one column has a unit of carbon intensity.
    unit : str, optional
        Of the column; needed where its name does not end in one. ``1`` takes plain numbers.
    renewable : str, optional
        Column with the renewable share, in per cent or as a fraction.
    time_zone : str, optional
        Of stamps without offset.
    max_gap_h : float
        Longest run of missing values that is interpolated [h].
    hour_ms : float
        How long an hour of the signal takes in the run [ms].
    key : str
        Option that names the file, for messages.

    Raises
    ------
    ScenarioError
        If the file or a column cannot be read: all problems are listed.
    """
    table = Findings(file=str(path), key=key).require(open_table, path)
    chosen = column or _only_column(table, path)
    dimension, currency = _dimension(unit or unit_of_column(chosen))
    reference = SeriesReference(
        path=path,
        column=chosen,
        # Where there is no usable unit, reading the column says which ones there are.
        dimension=dimension or "carbon_intensity",
        unit=unit,
        currency=currency,
        time_zone=time_zone,
        max_gap_h=max_gap_h,
    )
    timeline = _whole(table, reference, key)
    found = read_series(reference, timeline, key=key)
    share = None
    if renewable is not None:
        share = _renewable(reference, renewable, timeline)
    shown: dict[str, Any] = {}
    if dimension == "energy_price":
        shown = {"unit": f"{currency}/MWh", "amount": currency, "quantity": "cost"}
    elif dimension == "fraction":
        shown = {"unit": "", "amount": "signal x kWh", "amount_factor": 1.0, "quantity": "signal"}
    note = str(found.facts.get("note") or "")
    return DagSignalInput(
        signal=played(found.values, timeline.step_h, hour_ms, share),
        timeline=timeline,
        name=f"{path}, column {chosen}",
        sha256=str(found.facts["sha256"]),
        note=note,
        synthetic="synthetic" in note.lower(),
        warnings=tuple(item.message for item in found.diagnostics),
        **shown,
    )


def _renewable(signal: SeriesReference, column: str, timeline: Timeline) -> FloatArray:
    reference = dataclasses.replace(
        signal, column=column, dimension="fraction", unit=None, currency=None, minimum=0.0, maximum=1.0
    )
    return read_series(reference, timeline, key="--renewable").values


def _whole(table: ColumnTable, reference: SeriesReference, key: str) -> Timeline:
    """All steps of a table; stamps at the end of their interval say so in the name of their column."""
    axis = Findings(file=str(reference.path), key=key).require(read_axis, table, reference)
    first = datetime.fromtimestamp(axis.first_s, UTC)
    if label_of(axis.column) == "end":
        first -= timedelta(seconds=axis.step_s)
    return Timeline(start=first, step_s=axis.step_s, steps=axis.count)


def _only_column(table: ColumnTable, path: Path) -> str:
    found = [name for name in table.columns if _dimension(unit_of_column(name))[0] == "carbon_intensity"]
    if len(found) == 1:
        return found[0]
    what = f"{len(found)} columns of carbon intensity" if found else "no column whose name ends in g_kwh or kg_mwh"
    raise ScenarioError(f"{path} has {what}; choose one with --column: {', '.join(found or table.columns)}")


def _dimension(unit: str | None) -> tuple[str, str | None]:
    """Dimension of a unit of a signal and the currency in it; empty where it is neither of those known."""
    currency = None if unit is None else currency_of(unit)
    for dimension in ("carbon_intensity", "energy_price", "fraction"):
        try:
            if unit is not None:
                conversion(unit, dimension, currency=currency)
                return dimension, currency
        except UnitError:
            continue
    return "", None
