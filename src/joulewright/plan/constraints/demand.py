"""Inference demand is served somewhere or left unserved at a price.

Constraint (4): ``sum_f served[k, r, f, t] + unserved[k, r, t] = demand[k, r, t]`` over the fleets that the
latency limit, the hosting list and the region's residency rule allow, and over the operating points of the service
there. Regions of a service with equal options are one row.
"""

from __future__ import annotations

import numpy as np

from joulewright.account import coefficients
from joulewright.errors import InfeasibleError
from joulewright.model import Scenario, ServingPoint
from joulewright.model.timeline import FloatArray
from joulewright.plan.explanation import Explanation
from joulewright.plan.inputs import FleetIndex, Inputs, RouteIndex
from joulewright.plan.model import Model
from joulewright.plan.program import Term

TOKEN_UNIT = 1e6
"""Tokens per second in one unit of the served and unserved variables: Mtoken/s keeps the program well scaled."""


def add_demand(model: Model) -> None:
    """Add routing and unserved-demand variables and the demand rows."""
    scenario = model.inputs.scenario
    for route in model.inputs.routes:
        demand = route_demand(route) / TOKEN_UNIT
        name = f"{route.service.name},{'+'.join(route.regions)}"
        earned = TOKEN_UNIT * coefficients.served_revenue_per_token_s(scenario, route.service)
        terms = [
            _served(model, index, point, (serving_head(route, index, number), demand, earned))
            for index in allowed_fleets(model, route)
            for number, point in enumerate(route.service.points_on(index.fleet))
        ]
        penalty = coefficients.unserved_cost_per_token_s(scenario, route.service)
        if penalty is not None:
            unserved = model.builder.variable(
                "unserved_demand", model.inputs.steps, model.label(name), upper=demand, cost=TOKEN_UNIT * penalty
            )
            terms.append(Term(model.steps, unserved.index, 1.0))
        elif not terms and demand.any():
            raise _no_route(scenario, route)
        if terms:
            model.builder.add_rows("demand", model.inputs.steps, model.label(name), terms, lower=demand, upper=demand)


def route_demand(route: RouteIndex) -> FloatArray:
    """Demand of the route's regions together [token/s], shape ``(T,)``."""
    return np.asarray(sum(route.service.demand_token_s[region] for region in route.regions), dtype=float)


def allowed_fleets(model: Model, route: RouteIndex) -> tuple[FleetIndex, ...]:
    """Fleets of the route; only those of the nearest site where routing is switched off."""
    return nearest_only(model.inputs, route) if "routing" in model.without else route.fleets


def nearest_only(inputs: Inputs, route: RouteIndex) -> tuple[FleetIndex, ...]:
    """Fleets of the site with the lowest summed latency to the route's regions."""
    if not route.fleets:
        return ()
    latencies = [inputs.scenario.region(region).latency_ms for region in route.regions]

    def total(index: FleetIndex) -> float:
        return sum(latency[index.site.name] for latency in latencies)

    nearest = min(route.fleets, key=total).site_position
    return tuple(index for index in route.fleets if index.site_position == nearest)


def serving_head(route: RouteIndex, index: FleetIndex, point: int = 0) -> str:
    """Head of the labels of what is served on a fleet at an operating point."""
    place = f"{index.site.name}/{index.fleet.name}" + (f"/{point}" if point else "")
    return f"{route.service.name},{'+'.join(route.regions)},{place}"


def _served(model: Model, index: FleetIndex, point: ServingPoint, parts: tuple[str, FloatArray, float]) -> Term:
    name, demand, earned = parts
    served = model.builder.variable("served", model.inputs.steps, model.label(name), upper=demand, cost=-earned)
    per_unit = TOKEN_UNIT / point.throughput_token_s
    model.capacity[index.position].append(Term(model.steps, served.index, per_unit))
    model.add_load(index.site_position, served, (point.active_power_mw - index.fleet.idle_power_mw) * per_unit)
    return Term(model.steps, served.index, 1.0)


def _no_route(scenario: Scenario, route: RouteIndex) -> InfeasibleError:
    """The error that says why demand that must be served has no site."""
    service = route.service
    limit = "no latency limit" if service.latency_limit_ms is None else f"{service.latency_limit_ms:g} ms at most"
    hosts = "all sites" if service.sites is None else f"{', '.join(service.sites)}"
    nearest = []
    for name in route.regions:
        latency = scenario.region(name).latency_ms
        far = "no site is listed" if not latency else f"the nearest site is {min(latency.values()):g} ms away"
        nearest.append(f"from {name} {far}")
    explanation = Explanation(
        because=(
            f"inference {service.name!r} may not go unserved: no unserved_penalty is given",
            f"it allows {limit} and is hosted at {hosts}",
            *nearest,
        ),
        conclusion=f"no site can serve {service.name!r} for {', '.join(route.regions)}",
        basis="window",
        subject=("service", service.name),
    )
    return InfeasibleError(str(explanation), explanation)
