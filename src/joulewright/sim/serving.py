"""Inference demand on its routes: what is served where, and the accelerators that takes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from joulewright.errors import PolicyError
from joulewright.model import InferenceService, Route, Scenario, ServingCurve
from joulewright.physics.serving import whole_replicas
from joulewright.sim.device import SLACK
from joulewright.sim.journal import Journal

_ROUNDING = 1e-9

Routes = Mapping[str, Mapping[Route, float]]


@dataclass(frozen=True, kw_only=True)
class Lane:
    """A route that a service may use.

    Attributes
    ----------
    service : str
        Which service.
    route : Route
        Region, site and fleet.
    demand, fleet : int
        Positions of its demand and of its fleet.
    throughput_token_s, active_power_mw : float
        Of one accelerator.
    curve : ServingCurve or None
        Power along the load of whole replicas; None takes fractions of accelerators.
    """

    service: str
    route: Route
    demand: int
    fleet: int
    throughput_token_s: float
    active_power_mw: float
    curve: ServingCurve | None = None

    @property
    def group(self) -> tuple[str, int, int]:
        """Lanes of one group share replicas: service, fleet and operating point."""
        return self.service, self.fleet, self.route.point


class Serving:
    """Serves demand as a policy routes it, as far as demand and accelerators go.

    Parameters
    ----------
    scenario : Scenario
        Services, regions and fleets; series are not read.

    Attributes
    ----------
    lanes : tuple of Lane
        Every route that latency, residency and hosting allow: by service and region, nearest sites first.
    demands : tuple of (str, str)
        Service and region of each demand.
    served_token_s, unserved_token_s : list of float
        By lane and by demand in the present step [token/s].
    """

    def __init__(self, scenario: Scenario) -> None:
        self._fleets = tuple((site.name, fleet.name) for site, fleet in scenario.fleets())
        self.demands = tuple(
            (service.name, region) for service in scenario.inference for region in service.demand_token_s
        )
        self.lanes = tuple(lane for service in scenario.inference for lane in self._lanes(scenario, service))
        self.served_token_s = [0.0] * len(self.lanes)
        self.unserved_token_s = [0.0] * len(self.demands)
        self._busy = [0.0] * len(self._fleets)
        self._share = [0.0] * len(self.lanes)
        self._groups: dict[tuple[str, int, int], list[int]] = {}
        for position, lane in enumerate(self.lanes):
            self._groups.setdefault(lane.group, []).append(position)
        self._index = {(lane.service, lane.route): position for position, lane in enumerate(self.lanes)}
        self._scenario = scenario

    def _lanes(self, scenario: Scenario, service: InferenceService) -> list[Lane]:
        lanes = []
        for region in map(scenario.region, service.demand_token_s):
            near = [
                (region.latency_ms[site.name], site, fleet)
                for site, fleet in scenario.fleets()
                if service.runs_on(fleet) and service.reaches(site.name, region.latency_ms, region.residency)
            ]
            for _, site, fleet in sorted(near, key=lambda item: item[0]):
                lanes += [
                    Lane(
                        service=service.name,
                        route=Route(region=region.name, site=site.name, fleet=fleet.name, point=number),
                        demand=self.demands.index((service.name, region.name)),
                        fleet=self._fleets.index((site.name, fleet.name)),
                        throughput_token_s=point.throughput_token_s,
                        active_power_mw=point.active_power_mw,
                        curve=service.curve_on(fleet),
                    )
                    for number, point in enumerate(service.points_on(fleet))
                ]
        return lanes

    def serve(
        self, routes: Routes | None, demand_token_s: Sequence[float], free: Sequence[float], journal: Journal
    ) -> None:
        """Route the demand of a step.

        Parameters
        ----------
        routes : mapping or None
            What the policy wants [token/s]; None keeps the shares of the step before.
        demand_token_s : sequence of float
            In the order of ``demands``.
        free : sequence of float
            Accelerators that serving may take, by fleet in file order.
        journal : Journal
            Counts routes that were cut: more than the demand, or than the fleet can carry.

        Raises
        ------
        PolicyError
            If a route cannot be used, or its rate is negative or not finite.
        """
        if routes is None:
            served = [share * demand_token_s[lane.demand] for share, lane in zip(self._share, self.lanes, strict=True)]
        else:
            served = self._asked(routes)
        self._keep_to_demand(served, demand_token_s, journal)
        self._keep_to_fleets(served, free, journal)
        left = list(demand_token_s)
        for rate, lane in zip(served, self.lanes, strict=True):
            left[lane.demand] -= rate
        self.served_token_s = served
        self.unserved_token_s = [
            rest if rest > _ROUNDING * max(1.0, demand) else 0.0
            for rest, demand in zip(left, demand_token_s, strict=True)
        ]
        for position, lane in enumerate(self.lanes):
            if demand_token_s[lane.demand] > 0.0:
                self._share[position] = served[position] / demand_token_s[lane.demand]

    def accelerators(self) -> list[float]:
        """Accelerators that serve, by fleet in file order."""
        return self._busy

    def power_mw(self) -> list[float]:
        """IT power of serving by fleet in file order [MW]."""
        return self._draw(self.served_token_s)[1]

    def _asked(self, routes: Routes) -> list[float]:
        served = [0.0] * len(self.lanes)
        for service, rates in routes.items():
            for route, rate in rates.items():
                position = self._index.get((service, route))
                if position is None:
                    raise PolicyError(self._why_not(service, route))
                if not 0.0 <= rate < math.inf:
                    raise PolicyError(
                        f"{service} on {_name(route)} is given {rate!r} token/s; allowed is a finite rate of at least 0"
                    )
                served[position] = float(rate)
        return served

    def _why_not(self, service: str, route: Route) -> str:
        services = {item.name: item for item in self._scenario.inference}
        known = services.get(service)
        if known is None:
            return f"demand of {service!r} is routed; the scenario has the services {list(services)}"
        if route.region not in known.demand_token_s:
            return f"{service} has no demand in {route.region!r}; it has {list(known.demand_token_s)}"
        if (route.site, route.fleet) not in self._fleets:
            return f"{service} is routed to {route.site}/{route.fleet}, which does not exist; there are {self._fleets}"
        region = self._scenario.region(route.region)
        limit = "none" if known.latency_limit_ms is None else f"{known.latency_limit_ms:g} ms"
        return (
            f"{service} cannot serve {route.region!r} at {route.site!r}: latency "
            f"{region.latency_ms.get(route.site, math.inf):g} ms, limit {limit}, sites of the service "
            f"{known.sites or 'all'}, residency {region.residency or 'all'}"
        )

    def _keep_to_demand(self, served: list[float], demand: Sequence[float], journal: Journal) -> None:
        total = [0.0] * len(self.demands)
        for rate, lane in zip(served, self.lanes, strict=True):
            total[lane.demand] += rate
        for position, (asked, most) in enumerate(zip(total, demand, strict=True)):
            if asked > most + SLACK * max(1.0, most):
                _scale(served, most / asked, [lane.demand == position for lane in self.lanes])
                journal.clip("/".join(self.demands[position]), "served_token_s", asked, most)

    def _keep_to_fleets(self, served: list[float], free: Sequence[float], journal: Journal) -> None:
        self._busy = self._draw(served)[0]
        for position, (asked, most) in enumerate(zip(self._busy, free, strict=True)):
            if asked > most + SLACK * max(1.0, most):
                self._cut(served, position, max(0.0, most) / asked, max(0.0, most))
                journal.clip("/".join(self._fleets[position]), "serving_accelerators", asked, max(0.0, most))
                self._busy[position] = min(max(0.0, most), self._draw(served)[0][position])

    def _cut(self, served: list[float], fleet: int, factor: float, room: float) -> None:
        """Lower the rates on a fleet in proportion, then to the whole replicas that its room holds."""
        wanted = list(served)
        _scale(served, factor, [lane.fleet == fleet for lane in self.lanes])
        for group, lanes in self._groups.items():
            if group[1] == fleet and self.lanes[lanes[0]].curve is None:
                room -= sum(served[at] / self.lanes[at].throughput_token_s for at in lanes)
        for group, lanes in self._groups.items():
            first = self.lanes[lanes[0]]
            if group[1] != fleet or first.curve is None:
                continue
            total, most = sum(served[at] for at in lanes), sum(wanted[at] for at in lanes)
            size = first.curve.accelerators
            replicas = min(whole_replicas(total / first.throughput_token_s / size), math.floor(room / size + SLACK))
            allowed = min(most, max(0, replicas) * size * first.throughput_token_s)
            for at in lanes:
                served[at] = wanted[at] * allowed / most if most > 0.0 else 0.0
            room -= size * whole_replicas(allowed / first.throughput_token_s / size)

    def _draw(self, served: Sequence[float]) -> tuple[list[float], list[float]]:
        """Accelerators and their IT power [MW] by fleet."""
        busy, power_mw = [0.0] * len(self._fleets), [0.0] * len(self._fleets)
        for (_, fleet, _), lanes in self._groups.items():
            lane = self.lanes[lanes[0]]
            needed = sum(served[at] for at in lanes) / lane.throughput_token_s
            if lane.curve is None:
                busy[fleet] += needed
                power_mw[fleet] += needed * lane.active_power_mw
                continue
            size = lane.curve.accelerators
            replicas = whole_replicas(needed / size)
            last = min(1.0, needed / size - replicas + 1)
            last_mw = (
                lane.active_power_mw if last >= 1.0 else float(lane.curve.power_at(last * lane.throughput_token_s))
            )
            if replicas:
                busy[fleet] += size * replicas
                power_mw[fleet] += size * ((replicas - 1) * lane.active_power_mw + last_mw)
        return busy, power_mw


def _scale(rates: list[float], factor: float, chosen: Sequence[bool]) -> None:
    for position, this in enumerate(chosen):
        if this:
            rates[position] *= factor


def _name(route: Route) -> str:
    return f"{route.region} -> {route.site}/{route.fleet}"
