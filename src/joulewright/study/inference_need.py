"""What a service needs, what to choose from, and what configurations are compared by, from names and numbers."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np

from joulewright.errors import DataError, ScenarioError
from joulewright.io.language_model_file import read_calibration
from joulewright.model.language_model import LanguageModel
from joulewright.model.timeline import FloatArray
from joulewright.physics.accelerator import Accelerator
from joulewright.physics.inference.constants import EngineConstants, constants_for
from joulewright.sim.processes.inference.generate import TokenLengths
from joulewright.study.configuration import ConfigurationSpace, QuantileObjectives, ServiceNeed
from joulewright.study.configuration.search import Minimise
from joulewright.study.inference_deployment import Catalogues, calibration_path, constants_of
from joulewright.study.inference_intensity import IntensityReading
from joulewright.study.inference_lengths import length_notes
from joulewright.study.inference_settings import nearest, record_of_table

Record = TypeVar("Record")
Figure = Literal["carbon_kg", "energy_kwh", "cost", "embodied_kg", "tpot_s"]
Document = Mapping[str, Any]

_DAY_SHAPE = (0.45, 0.36, 0.30, 0.27, 0.26, 0.29, 0.37, 0.52, 0.72, 0.88, 0.96, 1.0,
              0.98, 0.97, 0.98, 0.98, 0.96, 0.93, 0.90, 0.87, 0.84, 0.77, 0.67, 0.56)  # fmt: skip
"""A working day of requests as shares of its busiest hour, made up."""
_TAIL, _LEAST_MOST = 8.0, 64.0
"""Lengths that are drawn are cut at so many times their mean, but not below so many tokens."""
_TABLES = ("service", "space", "weighing")


@dataclass(frozen=True, kw_only=True)
class ServiceChoice:
    """A service as a user describes it.

    Attributes
    ----------
    model : str
        Name, or path of a ``config.json``.
    rate_per_s : tuple of float
        Requests of each hour [1/s]; one value is the busiest hour of a made-up day.
    input_tokens, output_tokens : float
        Mean lengths [token].
    lengths : {"lognormal", "constant"}
        Their distribution.
    spread : float
        Standard deviation over mean of the lengths [-].
    ttft_s, tpot_s : float or None
        Objectives [s].
    quantile : float, "mean" or None
        Share of requests that must keep each; ``"mean"`` or None asks for the mean.
    name : str or None
        For messages; None takes the name of the model.

    Raises
    ------
    ScenarioError
        If a rate or a length is out of range.
    """

    model: str
    rate_per_s: tuple[float, ...]
    input_tokens: float = 500.0
    output_tokens: float = 250.0
    lengths: Literal["lognormal", "constant"] = "lognormal"
    spread: float = 1.0
    ttft_s: float | None = None
    tpot_s: float | None = None
    quantile: float | Literal["mean"] | None = 0.95
    name: str | None = None

    def __post_init__(self) -> None:
        problems = [
            f"rate_per_s of {self.title!r} is {rate:g}; allowed is a finite number of at least 0 requests/s"
            for rate in self.rate_per_s
            if not 0.0 <= rate < math.inf
        ]
        problems += [
            f"{name} of {self.title!r} is {getattr(self, name):g}; allowed is a number of at least 1 token"
            for name in ("input_tokens", "output_tokens")
            if not 1.0 <= getattr(self, name) < math.inf
        ]
        if not self.rate_per_s:
            problems.append(f"rate_per_s of {self.title!r} is empty; give one rate for each hour")
        if self.lengths not in ("lognormal", "constant"):
            problems.append(f"lengths is {self.lengths!r}; allowed are lognormal and constant")
        if problems:
            raise ScenarioError(problems)

    @property
    def title(self) -> str:
        """Name of the service."""
        return self.name or self.model

    def need(self, catalogues: Catalogues) -> ServiceNeed:
        """The need.

        Raises
        ------
        ScenarioError
            If the model is unknown, a value is out of range, or a request of mean length is longer than the context.
        """
        model = catalogues.model(self.model)
        prompt, answer = self._lengths(model)
        return ServiceNeed(
            model=model,
            rate_per_s=hourly(self.rate_per_s),
            input_tokens=prompt,
            output_tokens=answer,
            objectives=QuantileObjectives(
                ttft_s=self.ttft_s,
                tpot_s=self.tpot_s,
                quantile=None if self.quantile is None or isinstance(self.quantile, str) else self.quantile,
            ),
            name=self.name or model.name,
        )

    def notes(self, need: ServiceNeed, *, busiest: bool = False) -> list[str]:
        """What a reader must know about the need, of all hours or of the busiest alone."""
        found = []
        if len(self.rate_per_s) == 1 and not busiest:
            found.append(f"The day is made up: its busiest hour has {self.rate_per_s[0]:g} requests/s.")
        return [*found, *length_notes(need.input_tokens, need.output_tokens)]

    def _lengths(self, model: LanguageModel) -> tuple[TokenLengths, TokenLengths]:
        """Lengths of prompts and answers; the longest of both fit into the context together."""
        context, means = model.context_tokens, (self.input_tokens, self.output_tokens)
        if sum(means) > context:
            raise ScenarioError(
                f"a request of {self.title!r} has {means[0]:g} and {means[1]:g} tokens on average, together longer "
                f"than the context of {model.name}, which holds {context}; shorten them"
            )
        most = dict.fromkeys(means, context)
        if self.lengths == "lognormal":
            short, long = min(means), max(means)
            room = (context // 2, context - math.ceil(long), max(_TAIL * short, _LEAST_MOST))
            most[short] = max(1, int(min(room)))
            most[long] = int(min(context - most[short], max(_TAIL * long, _LEAST_MOST)))
        prompt, answer = (
            TokenLengths(kind=self.lengths, mean_tokens=mean, variation=self.spread, most_tokens=most[mean])
            for mean in means
        )
        return prompt, answer


def hourly(rates: Sequence[float]) -> FloatArray:
    """Rates of each hour; one value becomes a made-up day of which it is the busiest hour.

    Examples
    --------
    >>> hourly([4.0]).size, float(hourly([4.0]).max()), hourly([1.0, 2.0]).tolist()
    (24, 4.0, [1.0, 2.0])
    """
    given = np.asarray(rates, dtype=np.float64)
    return given * np.array(_DAY_SHAPE) if given.size == 1 else given


@dataclass(frozen=True, kw_only=True)
class Weighing:
    """What configurations are compared by.

    Attributes
    ----------
    minimise : {"carbon", "energy", "cost", "embodied+operational"}
        The objective.
    intensity : str or None
        Carbon intensity as :func:`joulewright.study.inference_intensity.read_intensity` takes it.
    reading : IntensityReading or None
        How a file of it is read.
    price_per_kwh : float, tuple of float or None
        Price of electricity, one or one for each hour [per kWh].
    pareto_over : tuple of str or None
        Figures of the Pareto set; None takes all that are known.
    requests : int
        Requests of each verifying simulation at least.
    seed : int
        Equal seeds give equal results.
    """

    minimise: Minimise = "energy"
    intensity: str | None = None
    reading: IntensityReading | None = None
    price_per_kwh: float | tuple[float, ...] | None = None
    pareto_over: tuple[Figure, ...] | None = None
    requests: int = 1024
    seed: int = 0

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ScenarioError(f"seed is {self.seed}; allowed is at least 0")
        for what, name, lacks in (
            ("carbon", "intensity", self.intensity is None and self.minimise in ("carbon", "embodied+operational")),
            ("cost", "price_per_kwh", self.price_per_kwh is None and self.minimise == "cost"),
        ):
            if lacks:
                raise ScenarioError(f"{self.minimise} is to be least, but {what} cannot be known: give {name}")


def read_need(path: Path) -> dict[str, Any]:
    """Settings of services and of a space from a TOML file with the tables ``service``, ``space`` and ``weighing``.

    Raises
    ------
    DataError
        If the file cannot be read.
    ScenarioError
        If it is no TOML or has other tables.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{path.name} is no TOML: {error}") from error
    problems = [
        f"{path.name} has {name!r}; allowed are the tables {', '.join(_TABLES)}; {nearest(name, _TABLES)}"
        for name in document
        if name not in _TABLES
    ]
    problems += [
        f"{name!r} of {path.name} is {value!r}; it must be a table, [{name}]"
        for name, value in document.items()
        if name in _TABLES and not isinstance(value, Mapping) and not (name == "service" and _is_tables(value))
    ]
    if problems:
        raise ScenarioError(problems)
    return document


def _is_tables(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, Mapping) for item in value)


@dataclass(frozen=True, kw_only=True)
class ConfigurationRequest:
    """A service, what to choose from, and what configurations are compared by."""

    service: ServiceChoice
    space: ConfigurationSpace
    weighing: Weighing


def request_of(document: Document, catalogues: Catalogues | None = None) -> ConfigurationRequest:
    """A request from tables of settings; lists become tuples, and names accelerators.

    Raises
    ------
    ScenarioError
        If a setting is unknown, missing, of another kind or out of range, or there are several services.

    Examples
    --------
    >>> found = request_of({"service": {"model": "Llama-3.1-8B", "rate_per_s": [2.0]},
    ...                     "space": {"accelerators": ["H100"]}})
    >>> found.space.devices[0].name, found.weighing.minimise
    ('H100-SXM', 'energy')
    """
    service = document.get("service", {})
    if not isinstance(service, Mapping):
        raise ScenarioError(f"there are {len(service)} services; give one table [service], or use jw infer pack")
    return ConfigurationRequest(
        service=record_of_table(ServiceChoice, service, of="the service"),
        space=space_of(document.get("space", {}), catalogues),
        weighing=weighing_of(Weighing, document.get("weighing", {})),
    )


def space_of(
    given: Document, catalogues: Catalogues | None = None, *, without: Sequence[str] = ()
) -> ConfigurationSpace:
    """What to choose from, from a table of settings; ``constants`` are names as of :func:`named_constants`.

    Raises
    ------
    ScenarioError
        If a setting is unknown, of another kind or out of range, or there is no accelerator.
    """
    known, chosen = catalogues or Catalogues(), dict(given)
    names = _texts(chosen.pop("accelerators", []), "accelerators")
    if not names:
        raise ScenarioError("no accelerator is given; name at least one to choose from")
    devices = [known.accelerator(name) for name in names]
    constants = named_constants(_texts(chosen.pop("constants", []), "constants"), devices)
    twice = sorted({item.name for item in devices if devices.count(item) > 1})
    if twice:
        raise ScenarioError(f"accelerators hold {', '.join(twice)} more than once; give each once")
    chosen |= {"accelerators": devices, "constants": constants}
    return record_of_table(ConfigurationSpace, chosen, of="the space", without=without)


def _texts(value: Any, name: str) -> list[str]:
    found = list(value) if isinstance(value, (list, tuple)) else [value]
    wrong = [item for item in found if not isinstance(item, str)]
    if wrong:
        raise ScenarioError(f"{name} of the space holds {wrong[0]!r}; each must be text")
    return found


def named_constants(names: Sequence[str], devices: Sequence[Accelerator]) -> dict[str, EngineConstants]:
    """Constants by accelerator.

    Parameters
    ----------
    names : sequence of str
        Each a calibration, which knows its accelerator, or ``ACCELERATOR=NAME`` with a shipped set or a calibration;
        with one accelerator, a shipped set alone.
    devices : sequence of Accelerator
        To choose from.

    Raises
    ------
    ScenarioError
        If a set is unknown, of an accelerator that is not to choose from, or there are two for one.

    Examples
    --------
    >>> from joulewright.physics.accelerator import find_accelerator
    >>> pair = [find_accelerator("H100"), find_accelerator("L40S")]
    >>> {name: item.name for name, item in named_constants(["H100=H100-1"], pair).items()}
    {'H100-SXM': 'H100-1'}
    """
    found: dict[str, EngineConstants] = {}
    for text in names:
        device, what = _owner(text, devices)
        if device.name in found:
            raise ScenarioError(f"there are two sets of constants for {device.name}, the second {what!r}; give one")
        constants = constants_of(what, device)
        if constants is not None:
            found[device.name] = constants
    return found


def _owner(text: str, devices: Sequence[Accelerator]) -> tuple[Accelerator, str]:
    """The accelerator whose constants are named, and their name."""
    name, equals, what = text.partition("=")
    path = calibration_path(text)
    if path is not None:
        name, what = read_calibration(path).accelerator, text
    elif not equals:
        constants_of(text, devices[0])
        if len(devices) > 1:
            raise ScenarioError(f"constants {text!r} do not say of which accelerator; write {devices[0].name}={text}")
        return devices[0], text
    for device in devices:
        if name in (device.name, *device.aliases):
            return device, what
    raise ScenarioError(
        f"constants {text!r} are of {name}, which is not to choose from; accelerators are "
        f"{', '.join(item.name for item in devices)}"
    )


def constants_notes(space: ConfigurationSpace) -> list[str]:
    """Which accelerators have no constants of the user, where others have."""
    others = [item for item in space.devices if item.name not in space.constants]
    if not space.constants or not others:
        return []
    listed = ", ".join(f"{item.name} ({constants_for(item).name})" for item in others)
    return [
        f"No constants are given for {listed}; figures of these rest on the shipped sets named here, and a comparison "
        f"with {', '.join(space.constants)} holds only as far as both sets do."
    ]


def weighing_of(kind: type[Record], given: Document) -> Record:
    """A weighing from a table of settings, with the way to read a file of carbon intensities.

    Raises
    ------
    ScenarioError
        If a setting is unknown or of another kind.
    """
    names = [item.name for item in fields(IntensityReading)]
    reading = {name: value for name, value in given.items() if name in names}
    rest: dict[str, Any] = {name: value for name, value in given.items() if name not in names}
    if "reading" in rest:
        raise ScenarioError(f"'reading' is no setting of the weighing; there are {', '.join(names)} beside intensity")
    found = record_of_table(kind, rest, of="the weighing", without=("reading",))
    if not reading:
        return found
    how = record_of_table(IntensityReading, reading, of="the weighing")
    return replace(found, reading=how)  # type: ignore[type-var]
