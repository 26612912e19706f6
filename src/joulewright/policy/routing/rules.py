"""Rules that choose where inference demand is served: nearest, cheapest, cleanest, and a weighted mean of the three.

Training comes before routing within a step, but leaves free what serving needs (see ``policy.jobs``); routing then
shares what is free. Accelerators that train are never taken away here.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from joulewright.model import Fleet, InferenceService, Route, Scenario, Site
from joulewright.model.timeline import FloatArray
from joulewright.policy.base import AbstractRoutingRule, Information, PolicyFacts
from joulewright.policy.observation import Observation, SiteObservation
from joulewright.policy.options import check_number
from joulewright.policy.registry import register
from joulewright.policy.routing.waterfill import Place, Preference, Room, latency_preference, waterfill


@dataclass(frozen=True, kw_only=True)
class AbstractPreferenceRule(AbstractRoutingRule):
    """Fill the routes in order of a preference, within latency, residency, accelerators and site power."""

    def init(self, facts: PolicyFacts) -> Any:
        """The parameters of the scenario; nothing else is remembered."""
        return facts.scenario

    def step(self, state: Any, observation: Observation) -> tuple[Mapping[str, Mapping[Route, float]], Any]:
        """Demand served on each route by service [token/s]."""
        demand = {
            service: {region: np.array([rate]) for region, rate in rates.items()}
            for service, rates in observation.demand_token_s.items()
        }
        served = waterfill(state, demand, serving_room(observation), self.preference(state, observation))
        return {name: {route: float(rate[0]) for route, rate in routes.items()} for name, routes in served.items()}, (
            state
        )

    @abstractmethod
    def preference(self, scenario: Scenario, observation: Observation) -> Preference:
        """Score of a route now; lower is better."""


def serving_room(observation: Observation) -> Room:
    """Accelerators that do not train, and the power that sites can carry beyond the load without serving."""
    held: dict[Place, float] = {}
    for item in observation.jobs.values():
        if item.site is not None and item.fleet is not None and item.accelerators > 0.0:
            held[item.site, item.fleet] = held.get((item.site, item.fleet), 0.0) + item.accelerators
    free: dict[Place, FloatArray] = {}
    for name, site in observation.sites.items():
        for fleet, count in site.available_accelerators.items():
            free[name, fleet] = np.array([max(0.0, count - held.get((name, fleet), 0.0))])
    return Room(accelerators=free)


def energy_per_mtoken_mwh(service: InferenceService, fleet: Fleet, site: SiteObservation) -> float:
    """Facility energy of a million tokens beyond idling [MWh/Mtoken].

    Examples
    --------
    An accelerator that draws 0.5 kW more than idle and serves 1000 token/s takes 1000 s for a million tokens.
    """
    point = service.point_on(fleet)
    extra = max(0.0, point.active_power_mw - fleet.idle_power_mw)
    return extra * site.pue / point.throughput_token_s * 1e6 / 3600.0


@register("nearest", kind="routing", summary="serve each region at the site with the shortest round trip")
@dataclass(frozen=True, kw_only=True)
class Nearest(AbstractPreferenceRule):
    """Serve each region where the network round trip is shortest, then at the next nearest site.

    Notes
    -----
    Information used: the present. Guarantee: latency limits and residency are kept.
    """

    uses: ClassVar[frozenset[Information]] = frozenset({"present"})

    def preference(self, scenario: Scenario, observation: Observation) -> Preference:
        """Round trip [ms]."""
        return latency_preference(scenario)


@register("cheapest", kind="routing", summary="serve where energy is cheapest within the latency limit")
@dataclass(frozen=True, kw_only=True)
class Cheapest(AbstractPreferenceRule):
    """Serve where the energy of a token costs least now, carbon price included; the nearer site wins ties.

    Notes
    -----
    Information used: the present. Guarantee: latency limits and residency are kept; it may use any round trip within
    the limit. A site with surplus energy pays what the surplus would earn.
    """

    uses: ClassVar[frozenset[Information]] = frozenset({"present"})

    def preference(self, scenario: Scenario, observation: Observation) -> Preference:
        """Energy cost [currency/Mtoken]."""
        return _blend(scenario, observation, cost=1.0, carbon=scenario.carbon.price_per_t / 1000.0, latency=_TIE)


@register("cleanest", kind="routing", summary="serve where carbon intensity is lowest within the latency limit")
@dataclass(frozen=True, kw_only=True)
class Cleanest(AbstractPreferenceRule):
    """Serve where a token emits least now by the deciding carbon series; the nearer site wins ties.

    Notes
    -----
    Information used: the present. Guarantee: latency limits and residency are kept. A site with surplus energy of its
    own counts as free of carbon.
    """

    uses: ClassVar[frozenset[Information]] = frozenset({"present"})

    def preference(self, scenario: Scenario, observation: Observation) -> Preference:
        """Carbon [kg/Mtoken]."""
        return _blend(scenario, observation, cost=0.0, carbon=1.0, latency=_TIE)


@register("weighted", kind="routing", summary="serve by a sum of energy cost, priced carbon and priced latency")
@dataclass(frozen=True, kw_only=True)
class Weighted(AbstractPreferenceRule):
    """Serve where the sum of energy cost, carbon at a price and latency at a price is lowest now.

    Attributes
    ----------
    carbon_price_per_t : float
        Price of carbon for this choice [currency/t].
    latency_price_per_mtoken_ms : float
        Worth of a millisecond for a million tokens [currency/Mtoken/ms].

    Notes
    -----
    Information used: the present. Guarantee: latency limits and residency are kept.
    """

    uses: ClassVar[frozenset[Information]] = frozenset({"present"})
    carbon_price_per_t: float = 100.0
    latency_price_per_mtoken_ms: float = 0.0001

    def __post_init__(self) -> None:
        check_number("carbon_price_per_t", self.carbon_price_per_t, unit="currency/t")
        check_number("latency_price_per_mtoken_ms", self.latency_price_per_mtoken_ms, unit="currency/Mtoken/ms")

    def preference(self, scenario: Scenario, observation: Observation) -> Preference:
        """Weighted sum [currency/Mtoken]."""
        latency = self.latency_price_per_mtoken_ms
        return _blend(scenario, observation, cost=1.0, carbon=self.carbon_price_per_t / 1000.0, latency=latency)


_TIE = 1e-12
"""Weight of latency that only decides between equal routes."""


def _blend(scenario: Scenario, observation: Observation, *, cost: float, carbon: float, latency: float) -> Preference:
    nearest = latency_preference(scenario)
    value = {name: _per_mwh(site, cost, carbon) for name, site in observation.sites.items()}

    def score(service: InferenceService, region: str, site: Site, fleet: Fleet) -> float:
        energy = energy_per_mtoken_mwh(service, fleet, observation.sites[site.name])
        return energy * value[site.name] + latency * nearest(service, region, site, fleet)

    return score


def _per_mwh(site: SiteObservation, cost: float, carbon: float) -> float:
    """Worth of one more MWh at a site: of its own surplus where it has any, else of the grid."""
    if sum(site.renewable_mw.values()) > site.load_mw:
        return cost * max(0.0, site.export_price_per_mwh)
    return cost * site.import_price_per_mwh + carbon * site.carbon_kg_per_mwh
