"""The choice of a configuration for a service, from names and numbers to frames and documents."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import polars as pl

from joulewright.errors import DataError, ScenarioError
from joulewright.model.timeline import FloatArray
from joulewright.sim.processes.inference.generate import TokenLengths
from joulewright.study.configuration import (
    Configuration,
    Configurations,
    ConfigurationSpace,
    QuantileObjectives,
    ServiceNeed,
    Verification,
    configure,
)
from joulewright.study.configuration.search import Minimise
from joulewright.study.inference_deployment import Catalogues, deployment_facts, standing_of
from joulewright.study.inference_requests import IntensityReading, read_intensity

Record = TypeVar("Record")

_DAY_SHAPE = (0.45, 0.36, 0.30, 0.27, 0.26, 0.29, 0.37, 0.52, 0.72, 0.88, 0.96, 1.0,
              0.98, 0.97, 0.98, 0.98, 0.96, 0.93, 0.90, 0.87, 0.84, 0.77, 0.67, 0.56)  # fmt: skip
"""A working day of requests as shares of its busiest hour, made up."""
_OBJECTIVES = ("carbon_kg", "energy_kwh", "cost", "embodied_kg", "tpot_s")


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
    lengths : str
        ``lognormal`` or ``constant``.
    spread : float
        Standard deviation over mean of the lengths [-].
    ttft_s, tpot_s : float or None
        Objectives [s].
    quantile : float or None
        Share of requests that must keep each; None asks for the mean.
    """

    model: str
    rate_per_s: tuple[float, ...]
    input_tokens: float = 500.0
    output_tokens: float = 250.0
    lengths: str = "lognormal"
    spread: float = 1.0
    ttft_s: float | None = None
    tpot_s: float | None = None
    quantile: float | None = 0.95

    def need(self, catalogues: Catalogues) -> ServiceNeed:
        """The need.

        Raises
        ------
        ScenarioError
            If a value is out of range.
        """
        if self.lengths not in ("lognormal", "constant"):
            raise ScenarioError(f"lengths is {self.lengths!r}; allowed are lognormal and constant")
        model, kind = catalogues.model(self.model), self.lengths
        longest = model.context_tokens // 2

        def drawn(mean: float) -> TokenLengths:
            most = min(longest, int(max(8.0 * mean, 64.0)))
            chosen: Any = kind
            return TokenLengths(kind=chosen, mean_tokens=mean, variation=self.spread, most_tokens=most)

        return ServiceNeed(
            model=model,
            rate_per_s=hourly(self.rate_per_s),
            input_tokens=drawn(self.input_tokens),
            output_tokens=drawn(self.output_tokens),
            objectives=QuantileObjectives(ttft_s=self.ttft_s, tpot_s=self.tpot_s, quantile=self.quantile),
            name=model.name,
        )


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
        Carbon intensity as :func:`joulewright.study.inference_requests.read_intensity` takes it.
    reading : IntensityReading or None
        How a file of it is read.
    price_per_kwh : float or None
        Price of electricity [per kWh].
    pareto_over : tuple of str or None
        Figures of the Pareto set.
    requests : int
        Requests of each verifying simulation at least.
    seed : int
        Equal seeds give equal results.
    """

    minimise: Minimise = "energy"
    intensity: str | None = None
    reading: IntensityReading | None = None
    price_per_kwh: float | None = None
    pareto_over: tuple[str, ...] | None = None
    requests: int = 1024
    seed: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class ConfigurationStudy:
    """Outcome of :func:`study_configuration`."""

    need: ServiceNeed
    weighing: Weighing
    found: Configurations
    notes: tuple[str, ...]

    def configurations(self) -> pl.DataFrame:
        """One row for each configuration that was simulated, the best first, then by the objective."""
        pareto = {id(item) for item in self.found.pareto}
        rows = [
            {
                "configuration": item.label,
                "best": item is self.found.best,
                "pareto": id(item) in pareto,
                "met": item.met,
                "most_replicas": int(item.replicas.max()),
                "gpus": item.gpus,
                "capacity_per_s": item.capacity_per_s,
                "ttft_s": item.ttft_s,
                "energy_kwh": item.energy_kwh,
                **item.figures(),
                "unserved_requests": item.unserved_requests,
                "level": standing_of(item.deployment).level,
            }
            for item in self._ordered()
        ]
        kinds = dict.fromkeys(_OBJECTIVES, pl.Float64)
        return pl.DataFrame(rows, schema_overrides=kinds)

    def _ordered(self) -> list[Configuration]:
        best = self.found.best
        parts = {"carbon": "carbon_kg", "energy": "energy_kwh", "cost": "cost"}
        key = parts.get(self.found.minimise)

        def objective(item: Configuration) -> float:
            values = (item.carbon_kg, item.embodied_kg) if key is None else (getattr(item, key),)
            return sum(value or 0.0 for value in values)

        others = [item for item in self.found.evaluated if item is not best]
        return [best, *sorted(others, key=lambda item: (not item.met, objective(item)))]

    def replicas(self) -> pl.DataFrame:
        """Hour by hour: what is asked for and served, replicas and power of the Pareto set, the best first."""
        frames = []
        for item in dict.fromkeys((self.found.best, *self.found.pareto)):
            columns: dict[str, Any] = {
                "hour": np.arange(self.need.hours),
                "rate_per_s": self.need.rate_per_s,
                "served_per_s": item.served_per_s,
                "replicas": item.replicas,
                "loaded": item.loaded,
                "power_w": item.power_w,
            }
            frames.append(pl.DataFrame({"configuration": [item.label] * self.need.hours, **columns}))
        return pl.concat(frames)

    def tables(self) -> dict[str, pl.DataFrame]:
        """Frames of the run folder by name."""
        return {"configurations": self.configurations(), "replicas": self.replicas()}

    def best_by(self) -> dict[str, str]:
        """Configuration of the least of each figure among those that meet the need."""
        met = [item for item in self.found.evaluated if item.met]
        found = {}
        for figure in _OBJECTIVES:
            known = [(float(getattr(item, figure)), item.label) for item in met if getattr(item, figure) is not None]
            if known:
                found[figure] = min(known)[1]
        return found

    def document(self) -> dict[str, Any]:
        """For manifests and ``--json``."""
        need, best, curve = self.need, self.found.best, self.found.best.curve
        return {
            "need": {
                "model": need.model.name,
                "rate_per_s": need.rate_per_s.tolist(),
                "input_tokens": need.input_tokens.expected_tokens,
                "output_tokens": need.output_tokens.expected_tokens,
                "objectives": asdict(need.objectives),
                "requests": need.requests,
            },
            "minimise": self.found.minimise,
            "best": {
                **deployment_facts(best.deployment),
                "configuration": best.label,
                "max_sequences": best.options.max_sequences,
                "token_budget": best.options.token_budget,
                "replicas": best.replicas.tolist(),
                "gpus": best.gpus,
                "capacity_per_s": best.capacity_per_s,
                "ttft_s": best.ttft_s,
                "energy_kwh": best.energy_kwh,
                **best.figures(),
                "embodied_range_kg": best.embodied_range_kg,
                "curve": {"rate_token_s": list(curve.rate_token_s), "power_mw": list(curve.power_mw)},
            },
            "standing": asdict(standing_of(best.deployment)),
            "best_by": self.best_by(),
            "configurations": self.configurations().to_dicts(),
            "refused": [asdict(item) for item in self.found.refused],
            "pruned": self.found.pruned,
            "simulations": self.found.simulations,
            "notes": [*self.notes, *([self.found.shortage + "."] if self.found.shortage else [])],
        }


def study_configuration(
    service: ServiceChoice,
    space: ConfigurationSpace,
    weighing: Weighing | None = None,
    *,
    catalogues: Catalogues | None = None,
) -> ConfigurationStudy:
    """Choose how to serve a service.

    Parameters
    ----------
    service : ServiceChoice
        What is needed.
    space : ConfigurationSpace
        What to choose from.
    weighing : Weighing, optional
        Objective, carbon intensity and price.
    catalogues : Catalogues, optional
        The user's own models.

    Raises
    ------
    ScenarioError, InfeasibleError
        As :func:`joulewright.study.configuration.configure`.
    """
    how, notes = weighing or Weighing(), []
    need = service.need(catalogues or Catalogues())
    if len(service.rate_per_s) == 1:
        notes.append(f"The day is made up: its busiest hour has {service.rate_per_s[0]:g} requests/s.")
    intensity = None
    if how.intensity is not None:
        carbon = read_intensity(how.intensity, how.reading)
        intensity = _hours_of(carbon.intensity.kg_per_mwh, carbon.intensity.step_s, need.hours)
        notes += carbon.notes
    found = configure(
        need,
        space,
        minimise=how.minimise,
        intensity_g_per_kwh=intensity,
        price_per_kwh=how.price_per_kwh,
        verification=Verification(requests=how.requests),
        pareto_over=how.pareto_over,
        seed=how.seed,
    )
    return ConfigurationStudy(need=need, weighing=how, found=found, notes=tuple(notes))


def _hours_of(values: FloatArray, step_s: float, hours: int) -> FloatArray:
    """Means of the hours of a series; one value holds for all."""
    if values.size == 1:
        return np.full(hours, float(values[0]))
    if step_s >= 3600.0:
        spread: FloatArray = np.repeat(values, round(step_s / 3600.0))
    else:
        every = round(3600.0 / step_s)
        spread = values[: values.size // every * every].reshape(-1, every).mean(axis=1)
    if spread.size < hours:
        raise ScenarioError(
            f"the carbon intensity covers {timedelta(hours=spread.size)} from its start, but {hours} hours are needed"
        )
    return spread[:hours]


def read_need(path: Path) -> dict[str, Any]:
    """Settings of a service and of a space from a TOML file with the tables ``service``, ``space`` and ``weighing``.

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
    tables = ("service", "space", "weighing")
    unknown = [name for name in document if name not in tables or not isinstance(document[name], Mapping)]
    if unknown:
        raise ScenarioError(f"{path.name} has {', '.join(unknown)}; allowed are the tables {', '.join(tables)}")
    return document


@dataclass(frozen=True, kw_only=True)
class ConfigurationRequest:
    """A service, what to choose from, and what configurations are compared by."""

    service: ServiceChoice
    space: ConfigurationSpace
    weighing: Weighing


def request_of(document: Mapping[str, Mapping[str, Any]], catalogues: Catalogues | None = None) -> ConfigurationRequest:
    """A request from tables of settings; lists become tuples, and names accelerators.

    Raises
    ------
    ScenarioError
        If a setting is unknown, missing or out of range.

    Examples
    --------
    >>> found = request_of({"service": {"model": "Llama-3.1-8B", "rate_per_s": [2.0]},
    ...                     "space": {"accelerators": ["H100"]}})
    >>> found.space.devices[0].name, found.weighing.minimise
    ('H100-SXM', 'energy')
    """
    known, space = catalogues or Catalogues(), dict(document.get("space", {}))
    if "accelerators" not in space:
        raise ScenarioError("no accelerator is given; name at least one to choose from")
    space["accelerators"] = [known.accelerator(str(name)) for name in _listed(space["accelerators"])]
    service = dict(document.get("service", {}))
    if "rate_per_s" in service:
        service["rate_per_s"] = _listed(service["rate_per_s"])
    return ConfigurationRequest(
        service=_record(ServiceChoice, service, "the service"),
        space=_record(ConfigurationSpace, space, "the space"),
        weighing=_record(Weighing, document.get("weighing", {}), "the weighing"),
    )


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _record(kind: type[Record], given: Mapping[str, Any], what: str) -> Record:
    names = [item.name for item in fields(kind) if item.name != "reading"]  # type: ignore[arg-type]
    for name in given:
        if name not in names and name != "reading":
            close = get_close_matches(name, names, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(names)}"
            raise ScenarioError(f"{name!r} is no setting of {what}; {hint}")
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    try:
        return kind(**values)
    except TypeError as error:
        raise ScenarioError(f"{what} is incomplete or of a wrong kind: {error}") from error
