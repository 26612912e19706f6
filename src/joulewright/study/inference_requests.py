"""Requests of a service: from a file, drawn from distributions, or following a demand."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from joulewright.errors import DataError, ScenarioError
from joulewright.io.request_files import read_requests
from joulewright.sim.processes.inference import RequestTrace
from joulewright.sim.processes.inference.generate import TokenLengths, generate_requests, stream_requests
from joulewright.sim.processes.inference.requests import join_traces
from joulewright.study.inference_demand import Demand, DemandReading, constant_demand, read_demand
from joulewright.study.inference_lengths import drawn_mean_tokens, length_notes
from joulewright.study.inference_settings import nearest, number_of, settings_of

_KINDS: Mapping[str, float] = {"poisson": 1.0, "even": 0.0, "bursts": 3.0}
"""Kinds of arrivals, and the standard deviation of their gaps over the mean."""
_LENGTH_SETTINGS = {"input": "500", "output": "250", "seed": "0", "lengths": "lognormal", "spread": "1", "longest": ""}
_DRAWN = {"rate": "5", "requests": "10000", "variation": "", **_LENGTH_SETTINGS}
_DEMANDED = {"file": "", "column": "", "unit": "", "step_s": "", "time_zone": "", "max_gap_h": "0", "rate": "",
             "hours": "24", **_LENGTH_SETTINGS}  # fmt: skip
_LENGTHS = ("lognormal", "constant", "zipf")
_IGNORED = {
    ("constant", "spread"): "constant lengths have none",
    ("zipf", "longest"): "input and output are the longest lengths of zipf",
}
"""Settings that a distribution has no use for, and why."""
_MOST_ROWS = 1 << 20
"""More requests are drawn and served some at a time, and only sums and distributions of them are kept."""
_MADE_UP = "The requests are made up, not measured."


class Tally(NamedTuple):
    """What a run must know of requests it has not kept: number, last arrival [s], and sums of their lengths [token]."""

    requests: int = 0
    last_s: float = 0.0
    input_tokens: float = 0.0
    output_tokens: float = 0.0
    output_squares: float = 0.0

    def and_also(self, trace: RequestTrace) -> Tally:
        """With the requests of a further trace."""
        output = trace.output_tokens.astype(float)
        return Tally(
            self.requests + len(trace),
            float(trace.arrival_s[-1]),
            self.input_tokens + float(trace.input_tokens.sum()),
            self.output_tokens + float(output.sum()),
            self.output_squares + float(output @ output),
        )


class RequestStream:
    """Requests that do not fit into memory: traces one after the other, the same each time they are asked for.

    Parameters
    ----------
    parts : callable
        Gives the traces.
    most : int or None
        Only so many requests from the beginning.
    """

    def __init__(self, parts: Callable[[], Iterator[RequestTrace]], most: int | None = None) -> None:
        self._parts, self._most = parts, most
        self.tally = Tally()

    def __iter__(self) -> Iterator[RequestTrace]:
        self.tally = Tally()
        for trace in self._parts():
            left = len(trace) if self._most is None else min(len(trace), self._most - self.tally.requests)
            if left == 0:
                return
            part = trace.part(0, left) if left < len(trace) else trace
            self.tally = self.tally.and_also(part)
            yield part

    def first(self, most: int) -> RequestStream:
        """The first requests of it."""
        return RequestStream(self._parts, most)


@dataclass(frozen=True, kw_only=True, eq=False)
class TraceInput:
    """Requests and where they come from.

    Attributes
    ----------
    trace : RequestTrace or RequestStream
        The requests; a stream where they are too many to be kept.
    name : str
        File, or the text that was given.
    kind : str
        ``file``, ``generated`` or ``demand``.
    sha256 : str
        Of the file.
    notes : tuple of str
        What a reader must know.
    end_s : float or None
        When the demand ends that the requests follow [s]; None where the last request ends it.
    """

    trace: RequestTrace | RequestStream
    name: str
    kind: str
    sha256: str = ""
    notes: tuple[str, ...] = ()
    end_s: float | None = None

    @property
    def tally(self) -> Tally:
        """Number and lengths; of a stream, those that went through it."""
        trace = self.trace
        return trace.tally if isinstance(trace, RequestStream) else Tally().and_also(trace)

    def facts(self) -> dict[str, Any]:
        """For manifests and documents; of a stream, after it was served."""
        tally = self.tally
        return {
            "source": self.name,
            "kind": self.kind,
            "sha256": self.sha256 or None,
            "requests": tally.requests,
            "tenants": ["all"] if isinstance(self.trace, RequestStream) else list(self.trace.tenants),
            "span_s": tally.last_s,
            "mean_input_tokens": tally.input_tokens / max(tally.requests, 1),
            "mean_output_tokens": tally.output_tokens / max(tally.requests, 1),
        }


def read_trace(text: str, *, longest_tokens: int = 131_072, first: int | None = None) -> TraceInput:
    """Requests that a text names.

    Parameters
    ----------
    text : str
        Path of a file (see :mod:`joulewright.io.request_files`);
        ``poisson:rate=5,input=500,output=250,requests=10000,seed=1`` with the kinds ``poisson``, ``even`` and
        ``bursts``; or ``demand:FILE,input=500,output=250,seed=1`` for a file of rates or counts over time (settings
        ``column``, ``unit``, ``step_s``, ``time_zone``, ``max_gap_h``, see
        :class:`~joulewright.study.inference_demand.DemandReading`) and ``demand:rate=5,hours=24`` for a constant one.
        Further settings: ``lengths`` (lognormal, constant, zipf), ``spread`` (their standard deviation over their
        mean, or the exponent of zipf), ``variation`` (the same of the gaps) and ``longest``, at which lengths are cut.
        ``input`` and ``output`` are means, but the longest lengths of zipf.
    longest_tokens : int
        Longest prompt with its answer; lengths that are drawn are cut to half of it each.
    first : int or None
        Only so many requests from the beginning.

    Returns
    -------
    TraceInput
        The requests; of more than about a million that are drawn, a stream.

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
        found = _drawn(kind.strip(), rest, text, longest_tokens)
    else:
        found = _recorded(Path(text))
    if first is None:
        return found
    if isinstance(found.trace, RequestStream):
        note = f"Only the first {first} requests are served."
        return replace(found, trace=found.trace.first(first), notes=(*found.notes, note), end_s=None)
    if first >= len(found.trace):
        return found
    note = f"Only the first {first} of {len(found.trace)} requests are served."
    return replace(found, trace=found.trace.part(0, first), notes=(*found.notes, note), end_s=None)


def _recorded(path: Path) -> TraceInput:
    if not path.is_file():
        what = "it is a folder" if path.is_dir() else "there is no such file"
        raise DataError(
            f"the requests {str(path)!r} cannot be read: {what}; give a file, "
            "poisson:rate=5,input=500,output=250,requests=10000,seed=1 or demand:FILE,input=500,output=250"
        )
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return TraceInput(trace=read_requests(path), name=str(path), kind="file", sha256=digest)


def _drawn(kind: str, rest: str, text: str, longest_tokens: int) -> TraceInput:
    what = f"the trace {text!r}"
    if kind == "demand":
        return _demanded(rest, text, what, longest_tokens)
    if kind not in _KINDS:
        raise ScenarioError(f"{kind!r} in {text!r} is no kind of arrivals; {nearest(kind, [*_KINDS, 'demand'])}")
    given = settings_of(rest, _DRAWN, of=what)
    prompts, answers = _sizes(given, what, longest_tokens)
    given = _DRAWN | given
    count = _whole(given["requests"], "requests", what, least=1)
    drawn = partial(
        generate_requests if count <= _MOST_ROWS else stream_requests,
        count,
        rate_per_s=float(number_of(given["rate"], "rate", of=what)),
        input_tokens=prompts,
        output_tokens=answers,
        seed=_whole(given["seed"], "seed", what),
        variation=float(number_of(given["variation"], "variation", of=what)) if given["variation"] else _KINDS[kind],
    )
    trace: Any = drawn() if count <= _MOST_ROWS else RequestStream(drawn)  # type: ignore[arg-type]
    notes = (_MADE_UP, *length_notes(prompts, answers))
    return TraceInput(trace=trace, name=text, kind="generated", notes=notes)


def _demanded(rest: str, text: str, what: str, longest_tokens: int) -> TraceInput:
    """Requests of a demand; its file may stand first without a name."""
    head, _, tail = rest.partition(",")
    given = settings_of(f"file={head},{tail}" if head and "=" not in head else rest, _DEMANDED, of=what)
    if ("file" in given) == ("rate" in given):
        raise ScenarioError(f"{what} has {'both a file and a rate' if given else 'neither a file nor a rate'}; "
                            "give one: demand:FILE or demand:rate=5,hours=24")  # fmt: skip
    prompts, answers = _sizes(given, what, longest_tokens)
    demand = _demand(given, what, answers)
    seed = _whole(given.get("seed", "0"), "seed", what)
    stream = RequestStream(partial(demand.parts, prompts, answers, seed=seed))
    note = "Arrivals and lengths of the requests are drawn, not measured; their rate is that of the demand."
    return TraceInput(
        trace=join_traces(list(stream)) if demand.expected <= _MOST_ROWS else stream,
        name=f"{text} ({demand.name})",
        kind="demand",
        sha256=demand.sha256,
        notes=(note, *length_notes(prompts, answers), *demand.notes),
        end_s=demand.duration_s,
    )


def _demand(given: Mapping[str, str], what: str, output: TokenLengths) -> Demand:
    """The demand of a file or a constant; settings of the other kind are refused."""
    wrong = [name for name in given if name in (("hours",) if "file" in given else _OF_FILES)]
    if wrong:
        other = "a constant rate" if "file" in given else "a file"
        raise ScenarioError(f"{', '.join(wrong)} of {what} belongs to a demand from {other}; leave it out")
    numbers = {name: float(number_of(given[name], name, of=what)) for name in _NUMBERS if name in given}
    if "rate" in given:
        return constant_demand(numbers["rate"], numbers.get("hours", float(_DEMANDED["hours"])))
    path = Path(given["file"])
    if not path.is_file():
        raise DataError(f"the demand {given['file']!r} cannot be read: there is no such file")
    reading = DemandReading(
        column=given.get("column"),
        unit=given.get("unit"),
        step_s=numbers.get("step_s"),
        time_zone=given.get("time_zone"),
        max_gap_h=numbers.get("max_gap_h", 0.0),
    )
    return read_demand(path, drawn_mean_tokens(output), reading)


_OF_FILES = ("column", "unit", "step_s", "time_zone", "max_gap_h")
_NUMBERS = ("rate", "hours", "step_s", "max_gap_h")


def _sizes(asked: Mapping[str, str], what: str, longest_tokens: int) -> tuple[TokenLengths, TokenLengths]:
    """Lengths of prompts and answers.

    Raises
    ------
    ScenarioError
        If a mean is longer than the longest, so that no such lengths could be drawn, or a setting has no effect.
    """
    given = _LENGTH_SETTINGS | dict(asked)
    kind: Any = given["lengths"]
    if kind not in _LENGTHS:
        raise ScenarioError(f"lengths of {what} is {kind!r}; allowed are {', '.join(_LENGTHS)}")
    for name in asked:
        if (kind, name) in _IGNORED:
            raise ScenarioError(f"{name} of {what} has no effect: {_IGNORED[kind, name]}; leave it out")
    most = max(1, longest_tokens // 2)
    if given["longest"]:
        most = _whole(given["longest"], "longest", what, least=1)
    spread = float(number_of(given["spread"], "spread", of=what))

    def lengths(name: str) -> TokenLengths:
        value = float(number_of(given[name], name, of=what))
        if not 1.0 <= value <= most:
            raise ScenarioError(
                f"{name} of {what} is {given[name]} tokens; allowed is 1 to {most}, half of what context and cache "
                "hold, or longest where it is given"
            )
        if kind == "zipf":
            return TokenLengths(kind=kind, exponent=spread, most_tokens=_whole(given[name], name, what))
        return TokenLengths(kind=kind, mean_tokens=value, variation=spread, most_tokens=most)

    return lengths("input"), lengths("output")


def _whole(text: str, name: str, what: str, *, least: int = 0) -> int:
    """A whole number, ``1e7`` included."""
    value = number_of(text, name, of=what)
    if not (value >= least and float(value).is_integer()):
        raise ScenarioError(f"{name} of {what} is {text}; allowed is a whole number of at least {least}")
    return int(value)
