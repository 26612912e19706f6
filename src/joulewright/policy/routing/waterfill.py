"""Greedy filling of accelerators with inference demand, for one step or for many at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from joulewright.model import Fleet, InferenceService, Route, Scenario, Site
from joulewright.model.timeline import FloatArray

Place = tuple[str, str]
"""Site and fleet."""

Preference = Callable[[InferenceService, str, Site, Fleet], float]
"""Score of serving a region of a service on a fleet; lower is better."""


@dataclass(kw_only=True)
class Room:
    """What serving may use, each of shape ``(H,)``; filling lowers it.

    Attributes
    ----------
    accelerators : mapping of (site, fleet) to FloatArray
        Free accelerators.
    power_mw : mapping of str to FloatArray
        Facility power left at each site [MW]; a site that is not listed has no limit.
    pue : mapping of str to FloatArray
        Facility power per IT power at each site.
    """

    accelerators: dict[Place, FloatArray]
    power_mw: dict[str, FloatArray] = field(default_factory=dict)
    pue: Mapping[str, FloatArray] = field(default_factory=dict)

    def take(self, place: Place, wanted: FloatArray, extra_power_mw: float) -> FloatArray:
        """Accelerators granted of those ``wanted``, each drawing ``extra_power_mw`` more than idle."""
        granted = np.minimum(wanted, np.maximum(self.accelerators[place], 0.0))
        each = extra_power_mw * self.pue.get(place[0], np.ones(1))
        if place[0] in self.power_mw and extra_power_mw > 0.0:
            granted = np.minimum(granted, np.maximum(self.power_mw[place[0]], 0.0) / each)
            self.power_mw[place[0]] = self.power_mw[place[0]] - granted * each
        self.accelerators[place] = self.accelerators[place] - granted
        return granted


def waterfill(
    scenario: Scenario, demand_token_s: Mapping[str, Mapping[str, FloatArray]], room: Room, preference: Preference
) -> dict[str, dict[Route, FloatArray]]:
    """Demand served on each route by service [token/s], each of shape ``(H,)``.

    Services are served in falling order of what an accelerator is worth to them, within a service the regions with
    the fewest routes first, each on its best route with room left. A route respects latency, residency and the sites
    of the service. ``room`` is lowered by what is used.

    Notes
    -----
    The filling serves all demand whenever one accelerator type and one site are enough for every region; with several
    it is a heuristic for a transportation problem: a region with many routes may take room that one with few needs.
    """
    served: dict[str, dict[Route, FloatArray]] = {service.name: {} for service in scenario.inference}
    for service, region in _requests(scenario, demand_token_s):
        left = np.asarray(demand_token_s[service.name][region], dtype=np.float64)
        for site, fleet in _ranked(scenario, service, region, preference):
            if not (left > 0.0).any():
                break
            point = service.point_on(fleet)
            place = (site.name, fleet.name)
            extra = max(0.0, point.active_power_mw - fleet.idle_power_mw)
            granted = room.take(place, left / point.throughput_token_s, extra) * point.throughput_token_s
            granted = np.minimum(granted, left)
            if (granted > 0.0).any():
                served[service.name][Route(region=region, site=site.name, fleet=fleet.name)] = granted
                left = left - granted
    return served


def reachable(scenario: Scenario, service: InferenceService, region: str) -> Iterator[tuple[Site, Fleet]]:
    """Fleets that may serve a region of a service, in file order."""
    known = scenario.region(region)
    for site, fleet in scenario.fleets():
        if service.runs_on(fleet) and service.reaches(site.name, known.latency_ms, known.residency):
            yield site, fleet


def accelerator_worth(service: InferenceService) -> float:
    """Revenue and penalty of what one accelerator serves [currency/s], forbidden loss counting as infinite."""
    penalty = service.unserved_penalty_per_mtoken
    if penalty is None:
        return float("inf")
    return (service.revenue_per_mtoken + penalty) * service.serving.throughput_token_s / 1e6


def _requests(
    scenario: Scenario, demand_token_s: Mapping[str, Mapping[str, FloatArray]]
) -> list[tuple[InferenceService, str]]:
    requests = [
        (service, region)
        for service in scenario.inference
        for region in demand_token_s.get(service.name, {})
        if any(True for _ in reachable(scenario, service, region))
    ]
    return sorted(requests, key=lambda item: (-accelerator_worth(item[0]), sum(1 for _ in reachable(scenario, *item))))


def _ranked(
    scenario: Scenario, service: InferenceService, region: str, preference: Preference
) -> list[tuple[Site, Fleet]]:
    return sorted(
        reachable(scenario, service, region), key=lambda place: preference(service, region, place[0], place[1])
    )


def latency_preference(scenario: Scenario) -> Preference:
    """Prefer the site with the shortest network round trip."""
    latency = {region.name: region.latency_ms for region in scenario.regions}
    return lambda service, region, site, fleet: latency[region][site.name]
