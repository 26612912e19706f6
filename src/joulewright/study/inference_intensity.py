"""The carbon intensity that a service meets: one value, a made-up year of a zone, or a file."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from joulewright.errors import ScenarioError, UnitError
from joulewright.io.series.resample import resample
from joulewright.model.timeline import FloatArray, Timeline
from joulewright.sim.processes.inference import Intensity
from joulewright.study.dag_signal import DagSignalInput, read_signal, synthetic_signal
from joulewright.units import parse_quantity

_LONGEST_STEP_S = 1e9


@dataclass(frozen=True, kw_only=True)
class IntensityReading:
    """How a file of carbon intensities is read: column, unit, zone of its stamps, longest gap [h], and the start."""

    column: str | None = None
    unit: str | None = None
    time_zone: str | None = None
    max_gap_h: float = 0.0
    start: str | None = None

    @property
    def given(self) -> tuple[str, ...]:
        """Names of what is not left as it is."""
        return tuple(item.name for item in fields(self) if getattr(self, item.name) != item.default)


@dataclass(frozen=True, kw_only=True, eq=False)
class IntensityInput:
    """A carbon intensity and where it comes from; ``synthetic`` if it is made up."""

    intensity: Intensity
    name: str
    sha256: str = ""
    synthetic: bool = False
    notes: tuple[str, ...] = ()

    def facts(self) -> dict[str, Any]:
        """For manifests and documents."""
        values = self.intensity.kg_per_mwh
        return {
            "source": self.name,
            "sha256": self.sha256 or None,
            "synthetic": self.synthetic,
            "step_s": self.intensity.step_s if values.size > 1 else None,
            "mean_g_per_kwh": float(values.mean()),
        }


def read_intensity(text: str, reading: IntensityReading | None = None, *, bin_s: float = 1.0) -> IntensityInput:
    """Carbon intensity that a text names: ``400 g/kWh``, ``zone:DE-LU`` (made up) or a file.

    Raises
    ------
    ScenarioError
        If it is none of them, negative, a file cannot be read as one, or the reading has what belongs to a file only.

    Examples
    --------
    >>> read_intensity("400 g/kWh").intensity.kg_per_mwh.tolist()
    [400.0]
    """
    how = reading or IntensityReading()
    if text.startswith("zone:"):
        _refuse(how, text, "a made-up year", kept=("start",))
        return _played(synthetic_signal(text.removeprefix("zone:")), how)
    if Path(text).is_file():
        signal = read_signal(
            Path(text),
            column=how.column,
            unit=how.unit,
            time_zone=how.time_zone,
            max_gap_h=how.max_gap_h,
            key="intensity",
        )
        if signal.quantity != "carbon":
            raise ScenarioError(
                f"{signal.name} holds {signal.unit or 'plain numbers'}, not a carbon intensity in g/kWh"
            )
        return _played(signal, how)
    try:
        value = parse_quantity(text, "carbon_intensity")
    except UnitError as error:
        raise ScenarioError(
            f"the carbon intensity {text!r} is no file and no value: {error}; give FILE, '400 g/kWh' or zone:DE-LU"
        ) from error
    _refuse(how, text, "one value")
    steps = max(1.0, round(_LONGEST_STEP_S / bin_s))
    return IntensityInput(intensity=Intensity(step_s=steps * bin_s, kg_per_mwh=np.array([value])), name=text)


def read_any_intensity(
    text: str | None, reading: IntensityReading | None = None, *, bin_s: float = 1.0
) -> IntensityInput | None:
    """The same, or None where no intensity is given.

    Raises
    ------
    ScenarioError
        As :func:`read_intensity`, or if there is a way to read a file but no file.
    """
    if text is not None:
        return read_intensity(text, reading, bin_s=bin_s)
    if reading is not None and reading.given:
        raise ScenarioError(f"{_named(reading.given)} belongs to a carbon intensity, and none is given; add intensity")
    return None


def hourly_intensity(intensity: Intensity, hours: int) -> FloatArray:
    """Means of the first hours, shape ``(hours,)`` [g/kWh]; steps that do not divide an hour count by their overlap.

    Raises
    ------
    ScenarioError
        If the intensity covers fewer hours.

    Examples
    --------
    >>> hourly_intensity(Intensity(step_s=2700.0, kg_per_mwh=np.array([100.0, 200.0, 300.0, 400.0])), 2).tolist()
    [125.0, 250.0]
    """
    covered = timedelta(seconds=intensity.step_s * intensity.kg_per_mwh.size)
    if covered < timedelta(hours=hours):
        raise ScenarioError(f"the carbon intensity covers {covered} from its start, but {hours} hours are needed")
    day = Timeline(start=datetime.fromtimestamp(0, UTC), step_s=3600, steps=hours)
    return resample(intensity.kg_per_mwh, day, first_s=0, step_s=round(intensity.step_s))


def _refuse(how: IntensityReading, text: str, what: str, *, kept: tuple[str, ...] = ()) -> None:
    wrong = [name for name in how.given if name not in kept]
    if wrong:
        raise ScenarioError(
            f"{_named(wrong)} belongs to a file of carbon intensities, and {text!r} is {what}; leave it out or give a "
            "file"
        )


def _named(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(name.removesuffix("_h").replace("_", "-") for name in names)


def _played(signal: DagSignalInput, how: IntensityReading) -> IntensityInput:
    first = 0 if how.start is None else signal.step_at(how.start)
    values = signal.signal.values[first:]
    notes = signal.warnings
    if signal.synthetic:
        notes = (*notes, f"The carbon intensity is made up, not measured: {signal.name}.")
    start = f" from {signal.timeline.at(first):%Y-%m-%dT%H:%MZ}" if how.start is not None else ""
    return IntensityInput(
        intensity=Intensity(step_s=float(signal.timeline.step_s), kg_per_mwh=values),
        name=f"{signal.name}{start}",
        sha256=signal.sha256,
        synthetic=signal.synthetic,
        notes=notes,
    )
