"""Does the schedule have exactly the parts, shapes and finite numbers that the scenario asks for?"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np

from joulewright.check.span import begin
from joulewright.check.span import stop as stop_of
from joulewright.check.violation import Judge, Violation
from joulewright.model import Scenario, Schedule, Segment, Site, SiteSchedule


def structure(judge: Judge, scenario: Scenario, schedule: Schedule) -> Iterator[Violation]:
    """Missing or unknown parts, wrong shapes and values that are not finite: nothing else can be judged before."""
    yield from _names(judge, "job", schedule.jobs, [job.name for job in scenario.training])
    yield from _names(judge, "service", schedule.services, [service.name for service in scenario.inference])
    yield from _names(judge, "site", schedule.sites, [site.name for site in scenario.sites])
    for site in scenario.sites:
        if site.name in schedule.sites:
            yield from _site(judge, scenario, site, schedule.sites[site.name])
    fleets = {(site.name, fleet.name) for site, fleet in scenario.fleets()}
    for name, entry in schedule.jobs.items():
        if entry.job != name:
            yield judge.fact("structure", name, f"the entry of job {name!r} is that of job {entry.job!r}")
        for segment in entry.segments:
            yield from _segment(judge, scenario, name, segment, fleets)
    yield from _services(judge, scenario, schedule, fleets)


def _names(judge: Judge, kind: str, found: Mapping[str, Any], wanted: Collection[str]) -> Iterator[Violation]:
    for name in wanted:
        if name not in found:
            yield judge.fact("structure", name, f"{kind} {name!r} has no entry in the schedule")
    for name in found:
        if name not in wanted:
            yield judge.fact("structure", name, f"the schedule has a {kind} {name!r} that the scenario does not know")


def _array(judge: Judge, where: str, what: str, values: Any, shape: tuple[int, ...]) -> Iterator[Violation]:
    array = np.asarray(values)
    if array.shape != shape:
        yield judge.fact("structure", where, f"{what} of {where} has shape {array.shape}; the horizon asks for {shape}")
    elif array.dtype.kind not in "fiub":
        yield judge.fact("structure", where, f"{what} of {where} holds {array.dtype}, not numbers")
    elif not np.isfinite(array).all():
        bad = np.flatnonzero(~np.isfinite(array).reshape(-1, shape[-1]).all(axis=0))
        first = judge.timeline.label(int(bad[0]))
        message = f"{what} of {where} is not finite in {bad.size} steps, first at {first}"
        yield judge.fact("finite", where, message, int(bad[0]))


def _site(judge: Judge, scenario: Scenario, site: Site, flows: SiteSchedule) -> Iterator[Violation]:
    steps = scenario.timeline.steps
    for what in ("grid_import_mw", "grid_export_mw", "unserved_mw"):
        yield from _array(judge, site.name, what, getattr(flows, what), (steps,))
    yield from _names(judge, "renewable plant", flows.renewable_used_mw, [plant.name for plant in site.renewables])
    yield from _names(judge, "battery", flows.batteries, [battery.name for battery in site.batteries])
    yield from _names(judge, "generator", flows.generators, [generator.name for generator in site.generators])
    for name, used in flows.renewable_used_mw.items():
        yield from _array(judge, f"{site.name}/{name}", "renewable_used_mw", used, (steps,))
    for name, battery in flows.batteries.items():
        where = f"{site.name}/{name}"
        yield from _array(judge, where, "charge_mw", battery.charge_mw, (steps,))
        yield from _array(judge, where, "discharge_mw", battery.discharge_mw, (steps,))
        yield from _array(judge, where, "energy_mwh", battery.energy_mwh, (steps + 1,))
    for name, generator in flows.generators.items():
        where = f"{site.name}/{name}"
        yield from _array(judge, where, "output_mw", generator.output_mw, (steps,))
        yield from _array(judge, where, "on", generator.on, (steps,))


def _segment(
    judge: Judge, scenario: Scenario, job: str, segment: Segment, fleets: Collection[tuple[str, str]]
) -> Iterator[Violation]:
    if (segment.site, segment.fleet) not in fleets:
        yield judge.fact("structure", job, f"job {job!r} runs on {segment.site}/{segment.fleet}, which does not exist")
    first, stop = segment.first_step, segment.stop_step
    if not 0 <= first < min(stop, scenario.timeline.steps):
        message = f"a segment of job {job!r} covers steps {first} to {stop}; it must start in the horizon, not empty"
        yield judge.fact("structure", job, message)
    if not 0.0 < segment.last_fraction <= 1.0:
        message = f"last_fraction of job {job!r} is {segment.last_fraction:g}; allowed is above 0 up to 1"
        yield judge.fact("structure", job, message)
    if not 0.0 < segment.first_fraction <= 1.0:
        message = f"first_fraction of job {job!r} is {segment.first_fraction:g}; allowed is above 0 up to 1"
        yield judge.fact("structure", job, message)
    elif 0.0 < segment.last_fraction <= 1.0 and first < stop and not stop_of(segment) > begin(segment):
        message = f"a segment of job {job!r} runs from step {begin(segment):g} to {stop_of(segment):g}; it must run"
        yield judge.fact("structure", job, message)
    if segment.lost_h is not None and not 0.0 <= segment.lost_h < np.inf:
        message = f"lost_h of job {job!r} is {segment.lost_h:g} h; allowed is None or a finite number of at least 0 h"
        yield judge.fact("structure", job, message)
    if not (np.isfinite(segment.accelerators) and segment.accelerators > 0.0):
        message = f"job {job!r} holds {segment.accelerators:g} accelerators; a segment must hold a positive number"
        yield judge.fact("structure", job, message)


def _services(
    judge: Judge, scenario: Scenario, schedule: Schedule, fleets: Collection[tuple[str, str]]
) -> Iterator[Violation]:
    steps = scenario.timeline.steps
    for service in scenario.inference:
        entry = schedule.services.get(service.name)
        if entry is None:
            continue
        shape = (len(entry.routes), steps)
        if shape[0] > 0 or np.asarray(entry.served_token_s).size > 0:
            yield from _array(judge, service.name, "served_token_s", entry.served_token_s, shape)
        for route in entry.routes:
            if (route.site, route.fleet) not in fleets or route.region not in service.demand_token_s:
                message = (
                    f"service {service.name!r} has a route from {route.region!r} to {route.site}/{route.fleet}; "
                    "the region has no demand or the fleet does not exist"
                )
                yield judge.fact("structure", service.name, message)
        for region, values in entry.unserved_token_s.items():
            yield from _array(judge, f"{service.name}/{region}", "unserved_token_s", values, (steps,))
            if region not in service.demand_token_s:
                message = f"service {service.name!r} leaves demand of {region!r} unserved, which has none"
                yield judge.fact("structure", service.name, message)
