"""The choice of a configuration for a service, from names and numbers to frames and documents."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, get_args

import numpy as np
import polars as pl

from joulewright.study.configuration import (
    Configuration,
    Configurations,
    ConfigurationSpace,
    ServiceNeed,
    Verification,
    configure,
)
from joulewright.study.inference_deployment import Catalogues, deployment_facts, standing_of
from joulewright.study.inference_intensity import hourly_intensity, read_any_intensity
from joulewright.study.inference_need import Figure, ServiceChoice, Weighing, constants_notes

_FIGURES: tuple[str, ...] = get_args(Figure)
_OBJECTIVE = {"carbon": "carbon_kg", "energy": "energy_kwh", "cost": "cost"}
"""Figure of each objective that is one."""


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
                **self._figures(item),
                "unserved_requests": item.unserved_requests,
                "level": standing_of(item.deployment).level,
            }
            for item in self._ordered()
        ]
        kinds = dict.fromkeys(("ttft_s", *_FIGURES), pl.Float64)
        return pl.DataFrame(rows, schema_overrides=kinds)

    def _figures(self, item: Configuration) -> dict[str, float | None]:
        """Figures of a configuration; without any request there are no times."""
        found = {"ttft_s": item.ttft_s, "energy_kwh": item.energy_kwh, **item.figures()}
        return found if self.need.requests else found | {"ttft_s": None, "tpot_s": None}

    def _ordered(self) -> list[Configuration]:
        best = self.found.best
        key = _OBJECTIVE.get(self.found.minimise)

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
        """Configuration of the least of each figure among those that meet the need; the best where several have it.

        Only of figures that the search was for, the objective and those of the Pareto set: for others, candidates that
        have less of them may have been left out.
        """
        over = self.weighing.pareto_over
        searched = _FIGURES if over is None else (*over, _OBJECTIVE.get(self.found.minimise))
        met = [item for item in self._ordered() if item.met]
        found = {}
        for figure in (name for name in _FIGURES if name in searched):
            known = [(value, item.label) for item in met if (value := self._figures(item)[figure]) is not None]
            if known:
                found[figure] = min(known, key=lambda pair: pair[0])[1]
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
                **self._figures(best),
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
    how = weighing or Weighing()
    need = service.need(catalogues or Catalogues())
    notes = [*service.notes(need), *constants_notes(space)]
    carbon = read_any_intensity(how.intensity, how.reading)
    notes += () if carbon is None else carbon.notes
    found = configure(
        need,
        space,
        minimise=how.minimise,
        intensity_g_per_kwh=None if carbon is None else hourly_intensity(carbon.intensity, need.hours),
        price_per_kwh=how.price_per_kwh,
        verification=Verification(requests=how.requests),
        pareto_over=how.pareto_over,
        seed=how.seed,
    )
    return ConfigurationStudy(need=need, weighing=how, found=found, notes=tuple(notes))
