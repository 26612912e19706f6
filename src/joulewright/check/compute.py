"""Accelerators, IT power and inference demand (equations 3 to 6)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from joulewright.check.span import begin, freed
from joulewright.check.violation import Judge, Limit, Violation
from joulewright.model import Fleet, InferenceService, Scenario, Schedule, ServiceSchedule
from joulewright.model.timeline import FloatArray

_DECIMALS = 6
"""Of positions in steps: changes closer than that are at the same time."""

_REPLICA = 1e-9
"""Replicas this close to a whole number, relative to them, are whole."""


@dataclass(frozen=True, eq=False)
class Loads:
    """Re-derived from the schedule: accelerators in use by (site, fleet), IT and facility power [MW] by site.

    ``in_use`` is the mean of a step and ``most_in_use`` the most at any time within it.
    """

    in_use: dict[tuple[str, str], FloatArray]
    most_in_use: dict[tuple[str, str], FloatArray]
    it_mw: dict[str, FloatArray]
    facility_mw: dict[str, FloatArray]


def loads(scenario: Scenario, schedule: Schedule) -> Loads:
    """Accelerators in use and power, each array of shape ``(T,)``.

    Changes at step boundaries are collected and summed up once (equation 2 in its incremental form); the
    unused parts of a job's first and last step are then taken out.
    """
    steps = scenario.timeline.steps
    fleets = {(site.name, fleet.name): fleet for site, fleet in scenario.fleets()}
    held = {key: np.zeros(steps + 1) for key in fleets}
    work_mw: defaultdict[str, FloatArray] = defaultdict(lambda: np.zeros(steps + 1))
    unused_mw: defaultdict[str, FloatArray] = defaultdict(lambda: np.zeros(steps))
    unheld = {key: np.zeros(steps) for key in fleets}
    changes_at: dict[tuple[str, str], list[tuple[float, float]]] = {key: [] for key in fleets}
    for job in scenario.training:
        for segment in schedule.jobs[job.name].segments:
            key = (segment.site, segment.fleet)
            power = job.power_on(fleets[key]) * segment.accelerators
            end = min(segment.stop_step, steps)
            held[key][[segment.first_step, end]] += (segment.accelerators, -segment.accelerators)
            work_mw[segment.site][[segment.first_step, end]] += (power, -power)
            unused_mw[segment.site][segment.first_step] += power * (1.0 - segment.first_fraction)
            unheld[key][segment.first_step] += segment.accelerators * (1.0 - segment.first_fraction)
            if segment.stop_step <= steps:
                unused_mw[segment.site][segment.stop_step - 1] += power * (1.0 - segment.last_fraction)
                unheld[key][segment.stop_step - 1] += segment.accelerators * (segment.stop_step - freed(segment))
            changes_at[key] += ((begin(segment), segment.accelerators), (freed(segment), -segment.accelerators))
    in_use = {key: np.cumsum(changes)[:steps] - unheld[key] for key, changes in held.items()}
    most_in_use = {key: _most(changes, steps) for key, changes in changes_at.items()}
    it_mw = {
        site.name: np.cumsum(work_mw[site.name])[:steps] - unused_mw[site.name] + site.fixed_it_power_mw
        for site in scenario.sites
    }
    for service in scenario.inference:
        entry = schedule.services[service.name]
        for key in sorted({(route.site, route.fleet) for route in entry.routes}):
            busy, power_mw = _serving(service, entry, key, fleets[key])
            for used in (in_use, most_in_use):
                used[key] = used[key] + busy
            it_mw[key[0]] = it_mw[key[0]] + power_mw
    for (site, name), fleet in fleets.items():
        it_mw[site] = it_mw[site] + fleet.idle_power_mw * (fleet.count * fleet.availability - in_use[site, name])
    facility = {site.name: site.fixed_facility_power_mw + site.pue * it_mw[site.name] for site in scenario.sites}
    return Loads(in_use, most_in_use, it_mw, facility)


def _serving(
    service: InferenceService, entry: ServiceSchedule, place: tuple[str, str], fleet: Fleet
) -> tuple[FloatArray, FloatArray]:
    """Accelerators that serve on a fleet and their IT power, each of shape ``(T,)``."""
    busy = power_mw = np.zeros(entry.served_token_s.shape[1])
    curve = service.curve_on(fleet) if entry.whole_replicas else None
    for number, point in enumerate(service.points_on(fleet)):
        here = (*place, number)
        rows = [row for row, route in enumerate(entry.routes) if (route.site, route.fleet, route.point) == here]
        needed = entry.served_token_s[rows].sum(axis=0) / point.throughput_token_s
        if curve is None:
            busy, power_mw = busy + needed, power_mw + needed * point.active_power_mw
            continue
        loads = needed / curve.accelerators
        whole = np.rint(loads)
        whole = np.where(np.abs(loads - whole) <= _REPLICA * np.maximum(1.0, loads), whole, np.ceil(loads))
        # All replicas but the last are full.
        last = np.where(whole > 0.0, np.minimum(1.0, loads - whole + 1.0), 0.0)
        last_mw = np.interp(last * point.throughput_token_s, curve.rate_token_s, curve.power_mw)
        drawn = (whole - 1.0) * point.active_power_mw + np.where(last < 1.0, last_mw, point.active_power_mw)
        busy = busy + curve.accelerators * whole
        power_mw = power_mw + curve.accelerators * np.where(whole > 0.0, drawn, 0.0)
    return busy, power_mw


def _most(changes: list[tuple[float, float]], steps: int) -> FloatArray:
    """Most accelerators held at any time of each step, shape ``(T,)``, from changes at positions in steps.

    What is within rounding of another change happens with it, and what is freed goes before what is taken.
    """
    if not changes:
        return np.zeros(steps)
    position, change = np.array(changes).T
    position = np.round(position, _DECIMALS)
    order = np.lexsort((change, position))
    position, level = position[order], np.cumsum(change[order])
    # What is held when a step begins, before its own changes, and after each of them.
    at_start = np.searchsorted(position, np.arange(steps), side="right")
    most = np.concatenate([[0.0], level])[at_start]
    step = np.floor(position).astype(int)
    settled = np.append(np.diff(position) > 0.0, True) & (step < steps)
    np.maximum.at(most, step[settled], level[settled])
    return most


def compute(judge: Judge, scenario: Scenario, schedule: Schedule, derived: Loads) -> Iterator[Violation]:
    """Accelerator capacity, IT limits, and where and how much of the demand is served."""
    for site, fleet in scenario.fleets():
        where = f"{site.name}/{fleet.name}"
        limit = Limit(constraint="capacity", where=where, quantity="Use", unit="accelerators")
        yield from judge.series(limit, derived.most_in_use[site.name, fleet.name], fleet.count * fleet.availability)
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
        fleet = scenario.site(route.site).fleet(route.fleet)
        reason = ""
        if not service.runs_on(fleet):
            reason = f"the service does not run on {fleet.accelerator}"
        elif service.sites is not None and route.site not in service.sites:
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
