"""Accelerators, IT power and inference demand (equations 3 to 6)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from joulewright.check.violation import Judge, Limit, Violation
from joulewright.model import FloatArray, InferenceService, Scenario, Schedule, ServiceSchedule


@dataclass(frozen=True, eq=False)
class Loads:
    """Re-derived from the schedule: accelerators in use by (site, fleet), IT and facility power [MW] by site."""

    in_use: dict[tuple[str, str], FloatArray]
    it_mw: dict[str, FloatArray]
    facility_mw: dict[str, FloatArray]


def loads(scenario: Scenario, schedule: Schedule) -> Loads:
    """Accelerators in use and power, each array of shape ``(T,)``.

    Changes at step boundaries are collected and summed up once (equation 2 in its incremental form); the
    unused part of a job's last step is then taken out of its power.
    """
    steps = scenario.timeline.steps
    fleets = {(site.name, fleet.name): fleet for site, fleet in scenario.fleets()}
    held = {key: np.zeros(steps + 1) for key in fleets}
    work_mw: defaultdict[str, FloatArray] = defaultdict(lambda: np.zeros(steps + 1))
    unused_mw: defaultdict[str, FloatArray] = defaultdict(lambda: np.zeros(steps))
    for job in scenario.training:
        for segment in schedule.jobs[job.name].segments:
            key = (segment.site, segment.fleet)
            power = job.power_on(fleets[key]) * segment.accelerators
            end = min(segment.stop_step, steps)
            held[key][[segment.first_step, end]] += (segment.accelerators, -segment.accelerators)
            work_mw[segment.site][[segment.first_step, end]] += (power, -power)
            if segment.stop_step <= steps:
                unused_mw[segment.site][segment.stop_step - 1] += power * (1.0 - segment.last_fraction)
    in_use = {key: np.cumsum(changes)[:steps] for key, changes in held.items()}
    it_mw = {
        site.name: np.cumsum(work_mw[site.name])[:steps] - unused_mw[site.name] + site.fixed_it_power_mw
        for site in scenario.sites
    }
    for service in scenario.inference:
        entry = schedule.services[service.name]
        for position, route in enumerate(entry.routes):
            point = service.point_on(fleets[route.site, route.fleet])
            busy = entry.served_token_s[position] / point.throughput_token_s
            in_use[route.site, route.fleet] = in_use[route.site, route.fleet] + busy
            it_mw[route.site] = it_mw[route.site] + point.active_power_mw * busy
    for (site, name), fleet in fleets.items():
        it_mw[site] = it_mw[site] + fleet.idle_power_mw * (fleet.count * fleet.availability - in_use[site, name])
    facility = {site.name: site.fixed_facility_power_mw + site.pue * it_mw[site.name] for site in scenario.sites}
    return Loads(in_use, it_mw, facility)


def compute(judge: Judge, scenario: Scenario, schedule: Schedule, derived: Loads) -> Iterator[Violation]:
    """Accelerator capacity, IT limits, and where and how much of the demand is served."""
    for site, fleet in scenario.fleets():
        where = f"{site.name}/{fleet.name}"
        limit = Limit(constraint="capacity", where=where, quantity="Use", unit="accelerators")
        yield from judge.series(limit, derived.in_use[site.name, fleet.name], fleet.count * fleet.availability)
    for site in scenario.sites:
        if site.it_limit_mw is not None:
            limit = Limit(constraint="it-limit", where=site.name, quantity="IT power", unit="MW")
            yield from judge.series(limit, derived.it_mw[site.name], site.it_limit_mw)
    for service in scenario.inference:
        entry = schedule.services[service.name]
        yield from _routing(judge, scenario, service, entry)
        yield from _demand(judge, service, entry)


def _routing(
    judge: Judge, scenario: Scenario, service: InferenceService, entry: ServiceSchedule
) -> Iterator[Violation]:
    """Only pairs within the latency limit, the region's residency rule and the service's sites may be used."""
    for position, route in enumerate(entry.routes):
        served, region = entry.served_token_s[position], scenario.region(route.region)
        where = f"{service.name}/{route.region}/{route.site}"
        sign = Limit(constraint="sign", where=where, quantity="Served rate", unit="token/s", sense="at least")
        yield from judge.series(sign, served, 0.0)
        latency = region.latency_ms.get(route.site)
        reason = ""
        if service.sites is not None and route.site not in service.sites:
            reason = f"the service is hosted at {list(service.sites)}"
        elif latency is None:
            reason = "the region gives no latency to that site"
        elif region.residency is not None and route.site not in region.residency:
            reason = f"data of the region must stay at {list(region.residency)}"
        elif service.latency_limit_ms is not None and latency > service.latency_limit_ms:
            reason = f"{latency:g} ms is above the limit of {service.latency_limit_ms:g} ms"
        if reason:
            limit = Limit(constraint="routing", where=where, quantity="Served rate", unit="token/s")
            for violation in judge.series(limit, served, 0.0):
                yield replace(violation, message=f"{violation.message}: {reason}")


def _demand(judge: Judge, service: InferenceService, entry: ServiceSchedule) -> Iterator[Violation]:
    for region, demand in service.demand_token_s.items():
        where = f"{service.name}/{region}"
        unserved = entry.unserved_token_s.get(region, np.zeros(demand.size))
        served = sum(
            (entry.served_token_s[row] for row, route in enumerate(entry.routes) if route.region == region),
            np.zeros(demand.size),
        )
        limit = Limit(constraint="demand", where=where, quantity="Served and unserved", unit="token/s", sense="equal")
        yield from judge.series(limit, served + unserved, demand)
        least = Limit(constraint="sign", where=where, quantity="Unserved rate", unit="token/s", sense="at least")
        yield from judge.series(least, unserved, 0.0)
        if service.unserved_penalty_per_mtoken is None:
            limit = Limit(constraint="unserved", where=where, quantity="Unserved rate without a price", unit="token/s")
            yield from judge.series(limit, unserved, 0.0)
