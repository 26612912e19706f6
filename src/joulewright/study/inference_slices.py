"""Several services on slices of accelerators, from names and numbers to frames and documents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from joulewright.errors import ScenarioError
from joulewright.physics.accelerator import Accelerator
from joulewright.physics.inference.mig import slice_layout
from joulewright.study.configuration import ConfigurationSpace, ServiceNeed, SlicedServices, Verification
from joulewright.study.configuration.slices import Minimise, SliceShare, configure_slices
from joulewright.study.inference_deployment import Catalogues, deployment_facts, standing_of
from joulewright.study.inference_intensity import IntensityReading, hourly_intensity, read_any_intensity
from joulewright.study.inference_need import ServiceChoice, space_of, weighing_of
from joulewright.study.inference_settings import record_of_table

COST_UNITS: Mapping[Minimise, str] = {"accelerators": "accelerators", "power": "W", "carbon": "kg CO2e/h"}
"""Unit of the cost of a packing by what it minimises; power and carbon are those of slices at their capacity."""
_NO_SLICES = ("tensor_parallel", "pipeline_parallel", "expert_parallel", "slices")


@dataclass(frozen=True, kw_only=True)
class SliceWeighing:
    """What ways to cut accelerators are compared by.

    Attributes
    ----------
    minimise : {"accelerators", "power", "carbon"}
        The objective.
    intensity : str or None
        Carbon intensity as :func:`joulewright.study.inference_intensity.read_intensity` takes it; of a series, the
        mean over the hours of the services.
    reading : IntensityReading or None
        How a file of it is read.
    requests : int
        Requests of each verifying simulation at least.
    seed : int
        Equal seeds give equal results.
    """

    minimise: Minimise = "accelerators"
    intensity: str | None = None
    reading: IntensityReading | None = None
    requests: int = 1024
    seed: int = 0

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ScenarioError(f"seed is {self.seed}; allowed is at least 0")
        if self.minimise == "carbon" and self.intensity is None:
            raise ScenarioError("carbon is to be least, but cannot be known: give intensity")


@dataclass(frozen=True, kw_only=True)
class MixRequest:
    """Several services, the accelerators that are cut for them, and what cuts are compared by."""

    services: tuple[ServiceChoice, ...]
    space: ConfigurationSpace
    weighing: SliceWeighing


def mix_of(document: Mapping[str, Any], catalogues: Catalogues | None = None) -> MixRequest:
    """A request from tables of settings: ``service`` a list of tables, ``space`` with one accelerator, ``weighing``.

    Raises
    ------
    ScenarioError
        If a setting is unknown, missing, of another kind or out of range, or there is no or more than one accelerator.

    Examples
    --------
    >>> one = {"model": "Llama-3.1-8B", "rate_per_s": [2.0]}
    >>> found = mix_of({"service": [one], "space": {"accelerators": "H100"}})
    >>> found.services[0].title, found.space.devices[0].name
    ('Llama-3.1-8B', 'H100-SXM')
    """
    given = document.get("service", [])
    tables = [given] if isinstance(given, Mapping) else list(given)
    if not tables:
        raise ScenarioError("there is no service; give a table [[service]] for each")
    space = space_of(document.get("space", {}), catalogues, without=_NO_SLICES)
    if len(space.devices) > 1:
        raise ScenarioError(
            f"accelerators of one type are cut; {', '.join(item.name for item in space.devices)} are given, choose one"
        )
    return MixRequest(
        services=tuple(
            record_of_table(ServiceChoice, table, of=f"service {number}" if len(tables) > 1 else "the service")
            for number, table in enumerate(tables, start=1)
        ),
        space=space,
        weighing=weighing_of(SliceWeighing, document.get("weighing", {})),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class SlicesStudy:
    """Outcome of :func:`study_slices`."""

    needs: tuple[ServiceNeed, ...]
    request: MixRequest
    found: SlicedServices
    intensity_g_per_kwh: float | None
    notes: tuple[str, ...]

    @property
    def accelerator(self) -> Accelerator:
        """What is cut."""
        return self.request.space.devices[0]

    @property
    def power_w(self) -> float:
        """Power of all accelerators in use at these rates, with their host share [W]."""
        idle_w = self.accelerator.idle_power_w + self.accelerator.host_idle_power_w
        above_w = sum(share.slices * share.above_idle_w for shares in self.found.shares.values() for share in shares)
        return len(self.found.packing.devices) * idle_w + above_w

    def shares(self) -> pl.DataFrame:
        """One row for each service and profile: slices, rates [1/s], times [s] and power above idle of a slice [W]."""
        rows = [
            {
                "service": name,
                "profile": share.profile,
                "slices": share.slices,
                "rate_per_s": share.rate_per_s,
                "capacity_per_s": share.capacity_per_s,
                "ttft_s": share.trial.ttft_s,
                "tpot_s": share.trial.tpot_s,
                "met": share.trial.met,
                "above_idle_w": share.above_idle_w,
            }
            for name, shares in self.found.shares.items()
            for share in shares
        ]
        return pl.DataFrame(rows, schema=_COLUMNS)

    def tables(self) -> dict[str, pl.DataFrame]:
        """Frames of the run folder by name."""
        return {"configurations": self.shares()}

    def document(self) -> dict[str, Any]:
        """For manifests and ``--json``."""
        layout, packing = slice_layout(self.accelerator), self.found.packing
        grams = self.intensity_g_per_kwh
        return {
            "services": [
                {
                    "name": need.name,
                    "model": need.model.name,
                    "rate_per_s": float(need.rate_per_s.max()),
                    "input_tokens": need.input_tokens.expected_tokens,
                    "output_tokens": need.output_tokens.expected_tokens,
                    "objectives": asdict(need.objectives),
                }
                for need in self.needs
            ],
            "accelerator": self.accelerator.name,
            "memory_slices": layout.memory_slices,
            "compute_slices": layout.compute_slices,
            "minimise": self.request.weighing.minimise,
            "accelerators": len(packing.devices),
            "slices": sum(len(device.slices) for device in packing.devices),
            "power_w": self.power_w,
            "intensity_g_per_kwh": grams,
            "carbon_kg_per_h": None if grams is None else self.power_w * grams * 1e-6,
            "embodied_kg_per_h": self.found.embodied_kg_per_h,
            "packing_cost": packing.cost,
            "packing_cost_unit": COST_UNITS[self.request.weighing.minimise],
            "placements": self._placements(),
            "shares": self.shares().to_dicts(),
            "deployments": [deployment_facts(share.deployment) for share in self._first_shares()],
            "standings": [asdict(standing_of(share.deployment)) for share in self._first_shares()],
            "refused": [asdict(item) for item in self.found.refused],
            "notes": list(self.notes),
        }

    def _first_shares(self) -> list[SliceShare]:
        """A share of each service that has one."""
        return [shares[0] for shares in self.found.shares.values() if shares]

    def _placements(self) -> list[dict[str, Any]]:
        """Accelerators that are cut alike together, the most frequent cut first."""
        layout = slice_layout(self.accelerator)
        alike = Counter(
            tuple((item.start, item.profile, owner) for item, owner in zip(device.slices, device.workloads))
            for device in self.found.packing.devices
        )
        return [
            {
                "accelerators": count,
                "slices": [
                    {
                        "start": start,
                        "memory_slices": layout.profile(profile).memory_slices,
                        "compute_slices": layout.profile(profile).compute_slices,
                        "profile": profile,
                        "service": owner,
                    }
                    for start, profile, owner in slices
                ],
            }
            for slices, count in alike.most_common()
        ]


_COLUMNS = {
    "service": pl.String,
    "profile": pl.String,
    "slices": pl.Int64,
    **dict.fromkeys(("rate_per_s", "capacity_per_s", "ttft_s", "tpot_s"), pl.Float64),
    "met": pl.Boolean,
    "above_idle_w": pl.Float64,
}


def study_slices(request: MixRequest, *, catalogues: Catalogues | None = None) -> SlicesStudy:
    """Cut accelerators for several services.

    Parameters
    ----------
    request : MixRequest
        What is needed and what there is.
    catalogues : Catalogues, optional
        The user's own models.

    Raises
    ------
    ScenarioError, InfeasibleError
        As :func:`joulewright.study.configuration.configure_slices`.
    """
    how, known = request.weighing, catalogues or Catalogues()
    needs = tuple(service.need(known) for service in request.services)
    notes = [note for service, need in zip(request.services, needs) for note in service.notes(need, busiest=True)]
    carbon, grams = read_any_intensity(how.intensity, how.reading), None
    if carbon is not None:
        grams = float(hourly_intensity(carbon.intensity, max(need.hours for need in needs)).mean())
        notes += carbon.notes
    found = configure_slices(
        needs,
        request.space.devices[0],
        minimise=how.minimise,
        intensity_g_per_kwh=grams,
        space=request.space,
        verification=Verification(requests=how.requests),
        seed=how.seed,
    )
    notes.append("Interference between slices of one accelerator is left out.")
    return SlicesStudy(needs=needs, request=request, found=found, intensity_g_per_kwh=grams, notes=tuple(notes))
