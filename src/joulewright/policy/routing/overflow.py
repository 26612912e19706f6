"""What to do with planned routes that do not fit: serve the rest where there is room."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from joulewright.model import Route, Scenario
from joulewright.model.timeline import FloatArray
from joulewright.policy.observation import Observation
from joulewright.policy.routing.rules import serving_room
from joulewright.policy.routing.waterfill import Room, latency_preference, waterfill

_ROUNDING = 1e-9

Rates = Mapping[str, Mapping[Route, float]]


def rerouted(scenario: Scenario, observation: Observation, planned_token_s: Rates) -> dict[str, dict[Route, float]]:
    """Planned routes, cut to the accelerators that there are; what is cut off is served at the nearest site with room.

    Parameters
    ----------
    scenario : Scenario
        Parameters of fleets, services and regions.
    observation : Observation
        The present, with jobs as they will run in this step.
    planned_token_s : mapping of str to mapping of Route to float
        Planned rates by service [token/s].

    Returns
    -------
    dict of str to dict of Route to float
        Rates by service [token/s]. Demand that the plan left unserved stays so.
    """
    room = serving_room(observation)
    if _fits(scenario, room, planned_token_s):
        return {service.name: dict(planned_token_s.get(service.name, {})) for service in scenario.inference}
    found: dict[str, dict[Route, float]] = {}
    cut: dict[str, dict[str, FloatArray]] = {}
    for service in scenario.inference:
        rates = found[service.name] = dict(planned_token_s.get(service.name, {}))
        for route, rate in rates.items():
            throughput = service.point_on(scenario.site(route.site).fleet(route.fleet), route.point).throughput_token_s
            wanted = np.array([rate / throughput])
            granted = float(room.take((route.site, route.fleet), wanted, 0.0)[0]) * throughput
            if granted < rate * (1.0 - _ROUNDING):
                rates[route] = granted
                missing = cut.setdefault(service.name, {})
                missing[route.region] = missing.get(route.region, np.zeros(1)) + (rate - granted)
    if cut:
        for name, routes in waterfill(scenario, cut, room, latency_preference(scenario)).items():
            for route, extra in routes.items():
                found[name][route] = found[name].get(route, 0.0) + float(extra[0])
    return found


def _fits(scenario: Scenario, room: Room, planned_token_s: Rates) -> bool:
    """Whether there are accelerators for all routes, which is nearly always so."""
    wanted = dict.fromkeys(room.accelerators, 0.0)
    fleets = {(site.name, fleet.name): fleet for site, fleet in scenario.fleets()}
    for service in scenario.inference:
        for route, rate in planned_token_s.get(service.name, {}).items():
            place = (route.site, route.fleet)
            wanted[place] += rate / service.point_on(fleets[place], route.point).throughput_token_s
    return all(amount <= float(room.accelerators[place][0]) for place, amount in wanted.items())
