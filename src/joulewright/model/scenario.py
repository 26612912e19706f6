"""The scenario: everything that is given before anything is decided."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from joulewright.errors import Diagnostic, ScenarioError
from joulewright.model.event import Event, EventRate
from joulewright.model.fleet import Fleet
from joulewright.model.network import Link, Region
from joulewright.model.signal import CarbonIntensity, CarbonKind, CarbonScope
from joulewright.model.site import Site
from joulewright.model.timeline import Timeline
from joulewright.model.workload import InferenceService, TrainingJob


@dataclass(frozen=True, kw_only=True)
class CarbonPolicy:
    """What carbon means for decisions.

    Attributes
    ----------
    kind, scope : str
        The one series that drives decisions.
    price_per_t : float
        Price of operational carbon [currency/t].
    budget_kg : float or None
        Operational carbon of all sites over the horizon [kg], ``used_kg`` included.
    used_kg : float
        Carbon already used from the budget [kg].
    excess_price_per_t : float or None
        Price of carbon above a budget [currency/t]; None makes budgets hard.
    credit_export : bool
        True to subtract the deciding intensity for exported energy. Off by default; reports then show both.
    """

    kind: CarbonKind = "average"
    scope: CarbonScope = "direct"
    price_per_t: float = 0.0
    budget_kg: float | None = None
    used_kg: float = 0.0
    excess_price_per_t: float | None = None
    credit_export: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Scenario:
    """Frozen facts of a planning or simulation task.

    Attributes
    ----------
    name, currency : str
        Title and ISO 4217 code.
    timeline : Timeline
        The grid of T steps all series live on.
    sites, links, regions, training, inference, events : tuple
        What there is, in file order; names are unique within each.
    carbon : CarbonPolicy
        The deciding signal, price and budget.
    chances : tuple of EventRate
        How often chance brings further events; only simulations draw them.
    events_applied : bool
        True where the series already hold the effects of ``events``; see
        :func:`joulewright.model.disturbance.apply_events`.
    diagnostics : tuple of Diagnostic
        Warnings and notes found while reading: defaulted, interpolated, estimated or unused input.
    provenance : mapping
        Files, hashes and data notes shown in reports.

    Raises
    ------
    ScenarioError
        If names repeat or refer to nothing, or a series has not exactly T values.
    """

    name: str
    timeline: Timeline
    sites: tuple[Site, ...]
    currency: str = "USD"
    links: tuple[Link, ...] = ()
    regions: tuple[Region, ...] = ()
    training: tuple[TrainingJob, ...] = ()
    inference: tuple[InferenceService, ...] = ()
    events: tuple[Event, ...] = ()
    carbon: CarbonPolicy = field(default_factory=CarbonPolicy)
    chances: tuple[EventRate, ...] = ()
    events_applied: bool = False
    diagnostics: tuple[Diagnostic, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        problems = [*_name_problems(self), *_reference_problems(self), *_shape_problems(self)]
        if problems:
            raise ScenarioError(problems)

    def site(self, name: str) -> Site:
        """Site of that name.

        Raises
        ------
        KeyError
            If there is none.
        """
        for site in self.sites:
            if site.name == name:
                return site
        raise KeyError(f"no site {name!r}; the scenario has {[site.name for site in self.sites]}")

    def job(self, name: str) -> TrainingJob:
        """Training job of that name.

        Raises
        ------
        KeyError
            If there is none.
        """
        for job in self.training:
            if job.name == name:
                return job
        raise KeyError(f"no training job {name!r}; the scenario has {[job.name for job in self.training][:20]}")

    def link(self, one: str, other: str) -> Link | None:
        """Link between two sites in either direction, or None: without one a job cannot migrate."""
        for link in self.links:
            if set(link.between) == {one, other}:
                return link
        return None

    def region(self, name: str) -> Region:
        """Region of that name.

        Raises
        ------
        KeyError
            If there is none.
        """
        for region in self.regions:
            if region.name == name:
                return region
        raise KeyError(f"no region {name!r}; the scenario has {[region.name for region in self.regions]}")

    def deciding_intensity(self, site: Site) -> CarbonIntensity | None:
        """The carbon series that drives decisions at ``site`` (None without a grid or a series)."""
        return None if site.grid is None else site.grid.carbon_intensity(self.carbon.kind, self.carbon.scope)

    def fleets(self) -> Iterator[tuple[Site, Fleet]]:
        """Every (site, fleet) pair in file order."""
        for site in self.sites:
            for fleet in site.fleets:
                yield site, fleet

    def with_changes(self, **changes: Any) -> Scenario:
        """A new scenario with some fields replaced, validated again."""
        return replace(self, **changes)


def _name_problems(scenario: Scenario) -> list[str]:
    groups: dict[str, list[str]] = {
        "site": [site.name for site in scenario.sites],
        "region": [region.name for region in scenario.regions],
        "training": [job.name for job in scenario.training],
        "inference": [service.name for service in scenario.inference],
    }
    for site in scenario.sites:
        for kind in ("renewables", "batteries", "generators", "fleets"):
            groups[f"{site.name}.{kind}"] = [part.name for part in getattr(site, kind)]
    problems = []
    for group, names in groups.items():
        seen: set[str] = set()
        for name in names:
            if name in seen:
                problems.append(f"{group}: the name {name!r} is used twice; names must be unique")
            seen.add(name)
    return problems


def _reference_problems(scenario: Scenario) -> list[str]:
    sites = {site.name for site in scenario.sites}
    regions = {region.name for region in scenario.regions}
    problems: list[str] = []

    def known(names: tuple[str, ...] | None, pool: set[str], where: str) -> None:
        problems.extend(
            f"{where} names {name!r}, which does not exist; known are {sorted(pool)}"
            for name in names or ()
            if name not in pool
        )

    for link in scenario.links:
        known(link.between, sites, "link.between")
    for region in scenario.regions:
        known(tuple(region.latency_ms), sites, f"region {region.name}.latency")
        known(region.residency, sites, f"region {region.name}.residency")
    for job in scenario.training:
        known(job.sites, sites, f"training {job.name}.sites")
        known(None if job.site is None else (job.site,), sites, f"training {job.name}.site")
    for service in scenario.inference:
        known(service.sites, sites, f"inference {service.name}.sites")
        known(tuple(service.demand_token_s), regions, f"inference {service.name}.demand")
    return problems


def _series(value: Any, path: str) -> Iterator[tuple[str, np.ndarray]]:
    """Every array inside a component, with its path."""
    if isinstance(value, np.ndarray):
        yield path, value
    elif isinstance(value, tuple):
        for item in value:
            yield from _series(item, f"{path}.{getattr(item, 'name', '')}".rstrip("."))
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _series(item, f"{path}.{key}")
    elif hasattr(value, "__dataclass_fields__") and not isinstance(value, Timeline):
        for name in value.__dataclass_fields__:
            yield from _series(getattr(value, name), f"{path}.{name}")


def _shape_problems(scenario: Scenario) -> list[str]:
    wanted = (scenario.timeline.steps,)
    problems = []
    for path, array in _series((*scenario.sites, *scenario.inference), "scenario"):
        if array.shape != wanted:
            problems.append(f"{path} has shape {array.shape}; the horizon has {wanted[0]} steps")
        elif array.dtype != np.bool_ and not np.isfinite(array).all():
            problems.append(f"{path} holds {int((~np.isfinite(array)).sum())} values that are not finite")
    return problems
