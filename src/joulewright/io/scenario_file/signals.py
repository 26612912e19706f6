"""Signals of the scenario file turned into one value for every step."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from joulewright.errors import Diagnostic, ScenarioError
from joulewright.io.scenario_file.document import Document
from joulewright.io.scenario_file.fields import Field
from joulewright.io.scenario_file.plausible import doubt, implausible
from joulewright.io.scenario_file.tables import Signal
from joulewright.io.series import SeriesReference, read_series
from joulewright.model import Timeline
from joulewright.model.timeline import FloatArray
from joulewright.units import LARGEST, internal_unit


@dataclass(kw_only=True)
class SignalReader:
    """Reads signals onto the horizon and remembers what it read.

    Attributes
    ----------
    document : Document
        Where problems are kept; files are relative to its folder.
    timeline : Timeline
        The horizon.
    currency : str
        Currency of the scenario.
    facts : list of dict
        One entry for every column read: key, file, hash, rows, columns used, what was declared, inferred or filled.
    """

    document: Document
    timeline: Timeline
    currency: str
    facts: list[dict[str, Any]] = field(default_factory=list)

    def read(self, signal: Signal | None, *, longitude_deg: float | None = None) -> FloatArray | None:
        """Values of shape ``(T,)``; None where there is no signal, it is relative, or it cannot be read.

        Parameters
        ----------
        signal : Signal or None
            What the scenario says.
        longitude_deg : float, optional
            Of the site, for series that follow the sun.
        """
        if signal is None or signal.relative:
            return None
        if signal.constant is not None:
            return np.full(self.timeline.steps, signal.constant)
        try:
            return self._from_file(signal, longitude_deg)
        except ScenarioError as error:
            self.document.keep(error, signal.path)
            return None

    def estimated_fraction(self, signal: Signal) -> float:
        """Share of the horizon that the source marks as estimated or that was interpolated."""
        key = self.document.key(signal.path)
        found = (fact for fact in self.facts if fact["key"] == key)
        return float(next(found, {}).get("estimated_fraction", 0.0))

    def _from_file(self, signal: Signal, longitude_deg: float | None) -> FloatArray:
        """Values of a file reference.

        Raises
        ------
        ScenarioError
            If the file, the column, its unit, its time axis or a value cannot be used.
        """
        key = self.document.key(signal.path)
        result = read_series(self._reference(signal, longitude_deg), self.timeline, key=key)
        self.facts.append({"key": key, **result.facts})
        for item in result.diagnostics:
            self.document.keep_once(item)
        values, file = result.values, str(result.facts["file"])
        if signal.factor != 1.0 or signal.offset != 0.0:
            values = values * signal.factor + signal.offset
            check_values(signal.field, values, self.timeline, currency=self.currency, file=file)
        dimension, what = signal.field.dimensions[0], f"column {result.facts['column']!r}"
        message = implausible(values, dimension, self.timeline, currency=self.currency, what=what)
        if message:
            self.document.keep_once(doubt(message, file=file, key=key))
        return values

    def _reference(self, signal: Signal, longitude_deg: float | None) -> SeriesReference:
        given = signal.reference or {}
        spec = signal.field
        plain = signal.factor == 1.0 and signal.offset == 0.0
        step_h, display = given.get("step"), str(given.get("file"))
        return SeriesReference(
            path=self.document.path.parent / display,
            display=display,
            column=str(given.get("column")),
            dimension=spec.dimensions[0],
            currency=self.currency,
            unit=given.get("unit"),
            time=given.get("time"),
            time_zone=given.get("time_zone"),
            ambiguous=given.get("ambiguous"),
            label=given.get("label"),
            step_s=None if step_h is None else round(step_h * 3600.0),
            max_gap_h=given.get("max_gap") or 0.0,
            estimated=given.get("estimated"),
            minimum=spec.low if plain and np.isfinite(spec.low) else None,
            maximum=spec.high if plain and np.isfinite(spec.high) else None,
            range_code=spec.code or "D008",
            longitude_deg=longitude_deg,
        )


def check_values(spec: Field, values: FloatArray, timeline: Timeline, *, currency: str, file: str) -> None:
    """Refuse a series with values out of range after its factor and offset were applied.

    Raises
    ------
    ScenarioError
        With the first value out of range, when it is, and how many there are.
    """
    wrong = (values <= spec.low if spec.open_low else values < spec.low) | (values > spec.high)
    wrong |= np.abs(values) > LARGEST
    if not wrong.any():
        return
    first = int(np.flatnonzero(wrong)[0])
    unit = internal_unit(spec.dimensions[0], currency)
    message = (
        f"with factor and offset the value is {values[first]:g} {unit} at {timeline.label(first)} UTC "
        f"({int(wrong.sum())} of {values.size} steps out of range); allowed is {spec.range_for(values[first])} {unit}"
    )
    raise ScenarioError(
        [Diagnostic(code=spec.code or "D008", message=message, file=file, help="correct factor, offset or the file")]
    )
