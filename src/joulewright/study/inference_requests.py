"""Requests of a service from files or from a line of text, and the carbon intensity they meet."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from joulewright.errors import DataError, ScenarioError, UnitError
from joulewright.io.request_files import read_requests
from joulewright.sim.processes.inference import Intensity, RequestTrace
from joulewright.sim.processes.inference.generate import TokenLengths, generate_requests
from joulewright.study.dag_signal import DagSignalInput, read_signal, synthetic_signal
from joulewright.study.inference_settings import number_of, settings_of
from joulewright.units import parse_quantity

_KINDS: Mapping[str, float] = {"poisson": 1.0, "even": 0.0, "bursts": 3.0}
"""Kinds of arrivals, and the standard deviation of their gaps over the mean."""
_DRAWN = {"rate": "5", "input": "500", "output": "250", "requests": "10000", "seed": "0", "lengths": "lognormal",
          "spread": "1", "variation": "", "longest": ""}  # fmt: skip
_LENGTHS = ("lognormal", "constant", "zipf")
_LONGEST_STEP_S = 1e9


@dataclass(frozen=True, kw_only=True, eq=False)
class TraceInput:
    """Requests and where they come from.

    Attributes
    ----------
    trace : RequestTrace
        The requests.
    name : str
        File, or the text that was given.
    kind : str
        ``file`` or ``generated``.
    sha256 : str
        Of the file.
    notes : tuple of str
        What a reader must know.
    """

    trace: RequestTrace
    name: str
    kind: str
    sha256: str = ""
    notes: tuple[str, ...] = ()

    def facts(self) -> dict[str, Any]:
        """For manifests and documents."""
        trace = self.trace
        return {
            "source": self.name,
            "kind": self.kind,
            "sha256": self.sha256 or None,
            "requests": len(trace),
            "tenants": list(trace.tenants),
            "span_s": float(trace.arrival_s[-1]),
            "mean_input_tokens": float(trace.input_tokens.mean()),
            "mean_output_tokens": float(trace.output_tokens.mean()),
        }


def read_trace(text: str, *, longest_tokens: int = 131_072, first: int | None = None) -> TraceInput:
    """Requests that a text names.

    Parameters
    ----------
    text : str
        Path of a file (see :mod:`joulewright.io.request_files`), or
        ``poisson:rate=5,input=500,output=250,requests=10000,seed=1`` with the kinds ``poisson``, ``even`` and
        ``bursts``. Further settings: ``lengths`` (lognormal, constant, zipf), ``spread`` (their standard deviation
        over their mean, or the exponent of zipf), ``variation`` (the same of the gaps) and ``longest``.
    longest_tokens : int
        Longest prompt with its answer; lengths that are drawn are cut to half of it each.
    first : int or None
        Only so many requests from the beginning.

    Raises
    ------
    DataError
        If a file cannot be read.
    ScenarioError, TraceError
        If a setting is unknown or a request out of range.

    Examples
    --------
    >>> found = read_trace("even:rate=2,input=100,output=10,requests=3,lengths=constant")
    >>> found.trace.arrival_s.tolist(), found.kind
    ([0.5, 1.0, 1.5], 'generated')
    """
    kind, colon, rest = text.partition(":")
    if colon and not Path(text).exists() and "/" not in kind:
        found = _generated(kind.strip(), rest, text, longest_tokens)
    else:
        path = Path(text)
        if not path.is_file():
            raise DataError(
                f"the requests {text!r} cannot be read: there is no such file; give one, or "
                "poisson:rate=5,input=500,output=250,requests=10000,seed=1"
            )
        trace = read_requests(path)
        found = TraceInput(
            trace=trace, name=str(path), kind="file", sha256=hashlib.sha256(path.read_bytes()).hexdigest()
        )
    if first is None or first >= len(found.trace):
        return found
    note = f"Only the first {first} of {len(found.trace)} requests are served."
    return TraceInput(
        trace=found.trace.part(0, first),
        name=found.name,
        kind=found.kind,
        sha256=found.sha256,
        notes=(*found.notes, note),
    )


def _generated(kind: str, rest: str, text: str, longest_tokens: int) -> TraceInput:
    if kind not in _KINDS:
        close = get_close_matches(kind, _KINDS, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(_KINDS)}"
        raise ScenarioError(f"{kind!r} in {text!r} is no kind of arrivals; {hint}")
    what = f"the requests {text!r}"
    given = _DRAWN | settings_of(rest, _DRAWN, of=what)
    if given["lengths"] not in _LENGTHS:
        raise ScenarioError(f"lengths is {given['lengths']!r} in {text!r}; allowed are {', '.join(_LENGTHS)}")
    words = ("lengths", "longest", "variation")
    numbers = {name: number_of(value, name, of=what) for name, value in given.items() if name not in words}
    for name in ("requests", "seed"):
        if not isinstance(numbers[name], int) or numbers[name] < (0 if name == "seed" else 1):
            raise ScenarioError(f"{name} of {what} is {given[name]}; allowed is a whole number of at least "
                                f"{0 if name == 'seed' else 1}")  # fmt: skip
    most = int(number_of(given["longest"], "longest", of=what)) if given["longest"] else max(1, longest_tokens // 2)
    sizes = {name: _lengths(given["lengths"], numbers[name], numbers["spread"], most) for name in ("input", "output")}
    variation = number_of(given["variation"], "variation", of=what) if given["variation"] else _KINDS[kind]
    trace = generate_requests(
        int(numbers["requests"]),
        rate_per_s=float(numbers["rate"]),
        input_tokens=sizes["input"],
        output_tokens=sizes["output"],
        seed=int(numbers["seed"]),
        variation=float(variation),
    )
    return TraceInput(trace=trace, name=text, kind="generated", notes=("The requests are made up, not measured.",))


def _lengths(kind: str, mean: float, spread: float, most: int) -> TokenLengths:
    """Lengths of one side; those of zipf have the mean as their longest."""
    if kind == "zipf":
        longest = int(min(mean, most)) if math.isfinite(mean) else most
        return TokenLengths(kind="zipf", exponent=float(spread), most_tokens=longest)
    chosen: Any = kind
    return TokenLengths(kind=chosen, mean_tokens=float(mean), variation=float(spread), most_tokens=most)


@dataclass(frozen=True, kw_only=True)
class IntensityReading:
    """How a file of carbon intensities is read: column, unit, zone of its stamps, longest gap [h], and the start."""

    column: str | None = None
    unit: str | None = None
    time_zone: str | None = None
    max_gap_h: float = 0.0
    start: str | None = None


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
        If it is none of them, negative, or a file cannot be read as one.

    Examples
    --------
    >>> read_intensity("400 g/kWh").intensity.kg_per_mwh.tolist()
    [400.0]
    """
    how = reading or IntensityReading()
    if text.startswith("zone:"):
        return _played(synthetic_signal(text.removeprefix("zone:")), how)
    if Path(text).is_file():
        signal = read_signal(
            Path(text), column=how.column, unit=how.unit, time_zone=how.time_zone, max_gap_h=how.max_gap_h
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
    steps = max(1.0, round(_LONGEST_STEP_S / bin_s))
    return IntensityInput(intensity=Intensity(step_s=steps * bin_s, kg_per_mwh=np.array([value])), name=text)


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
