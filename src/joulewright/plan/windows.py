"""Pieces of a scenario for a rolling plan, and what has been decided so far."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from joulewright.model import (
    Battery,
    DemandWindow,
    Fleet,
    Generator,
    JobSchedule,
    Scenario,
    Schedule,
    Site,
    Timeline,
    TrainingJob,
)
from joulewright.model.window import cut_series
from joulewright.plan.outlook import Outlook

_SMALL_VALUE = 1e-6


@dataclass(frozen=True)
class Piece:
    """Steps ``[first, stop)`` that are planned together, of which ``[first, commit)`` are kept."""

    first: int
    stop: int
    commit: int


@dataclass(eq=False)
class Progressed:
    """What has been decided up to a step.

    Attributes
    ----------
    energy_mwh, output_mw : dict of str to float
        Stored energy and last output by ``site/component``.
    on_h : dict of str to (bool, float)
        State of each generator and the hours it has lasted.
    peak_mw : dict of str to float
        Highest import so far by ``site/window``.
    carbon_kg : dict of str to float
        Carbon used by site and ``system``.
    jobs : dict of str to JobSchedule
        Jobs whose whole run is decided, rejected ones included.
    """

    energy_mwh: dict[str, float] = field(default_factory=dict)
    output_mw: dict[str, float] = field(default_factory=dict)
    on_h: dict[str, tuple[bool, float]] = field(default_factory=dict)
    peak_mw: dict[str, float] = field(default_factory=dict)
    carbon_kg: dict[str, float] = field(default_factory=dict)
    jobs: dict[str, JobSchedule] = field(default_factory=dict)


def pieces(steps: int, window: int, commit: int) -> Iterator[Piece]:
    """Windows that cover the horizon; the last one commits to its end."""
    first = 0
    while first < steps:
        stop = min(steps, first + window)
        yield Piece(first, stop, steps if stop == steps else first + commit)
        first = steps if stop == steps else first + commit


def piece_scenario(scenario: Scenario, outlook: Outlook, done: Progressed, piece: Piece) -> Scenario:
    """The scenario of one window.

    Jobs that were started earlier become fixed load, stored energy and generator states go on, peaks of the
    long view are free, stored energy and carbon have the prices of the long view.
    """
    timeline = scenario.timeline
    part = Timeline(start=timeline.at(piece.first), step_s=timeline.step_s, steps=piece.stop - piece.first)
    sites = tuple(_site(scenario, site, outlook, (done, piece)) for site in scenario.sites)
    services = cut_series(scenario.inference, piece.first, piece.stop)
    jobs = tuple(_jobs(scenario, outlook, done, piece))
    return scenario.with_changes(
        timeline=part,
        sites=sites,
        inference=services,
        training=jobs,
        events=(),
        carbon=_carbon(scenario, outlook, done, piece),
    )


def _site(scenario: Scenario, site: Site, outlook: Outlook, parts: tuple[Progressed, Piece]) -> Site:
    done, piece = parts
    cut: Site = cut_series(site, piece.first, piece.stop)
    grid = cut.grid
    if grid is not None:
        windows = tuple(_window(site.name, window, outlook, done) for window in grid.demand_windows)
        grid = replace(grid, demand_windows=windows)
    view = (outlook, done, piece)
    batteries = tuple(_battery(scenario, f"{site.name}/{unit.name}", unit, view) for unit in site.batteries)
    fleets, fixed = _busy(scenario, site, cut, (done, piece))
    return replace(
        cut,
        grid=grid,
        batteries=batteries,
        generators=tuple(_generator(f"{site.name}/{unit.name}", unit, done) for unit in cut.generators),
        fleets=fleets,
        fixed_it_power_mw=cut.fixed_it_power_mw + fixed,
        carbon_budget_kg=_budget(site.carbon_budget_kg, site.name, outlook, (done, piece)),
    )


def _window(site: str, window: DemandWindow, outlook: Outlook, done: Progressed) -> DemandWindow:
    key = f"{site}/{window.name}"
    so_far = max(window.peak_so_far_mw, done.peak_mw.get(key, 0.0), outlook.peak_mw.get(key, 0.0))
    return replace(window, peak_so_far_mw=so_far)


def _battery(scenario: Scenario, key: str, battery: Battery, parts: tuple[Outlook, Progressed, Piece]) -> Battery:
    outlook, done, piece = parts
    stored = min(battery.energy_mwh, max(battery.min_energy_mwh, done.energy_mwh.get(key, battery.initial_energy_mwh)))
    if piece.stop == scenario.timeline.steps:
        return replace(battery, initial_energy_mwh=stored, terminal_energy_mwh=battery.least_final_energy_mwh)
    worth = float(outlook.stored_value[key][piece.stop - 1])
    return replace(battery, initial_energy_mwh=stored, terminal_value_per_mwh=worth, terminal_energy_mwh=None)


def _generator(key: str, unit: Generator, done: Progressed) -> Generator:
    if key not in done.on_h:
        return unit
    on, hours = done.on_h[key]
    return replace(unit, initially_on=on, initial_hours=hours, initial_output_mw=done.output_mw[key])


def _busy(
    scenario: Scenario, site: Site, cut: Site, parts: tuple[Progressed, Piece]
) -> tuple[tuple[Fleet, ...], np.ndarray]:
    """Fleets less the accelerators of jobs decided earlier, and the IT power of those jobs [MW]."""
    done, piece = parts
    fixed = np.zeros(piece.stop - piece.first)
    held = {fleet.name: np.zeros(piece.stop - piece.first) for fleet in site.fleets}
    for schedule in done.jobs.values():
        job = scenario.job(schedule.job)
        for segment in schedule.segments:
            first, stop = max(piece.first, segment.first_step), min(piece.stop, segment.stop_step)
            if segment.site != site.name or first >= stop:
                continue
            inside = slice(first - piece.first, stop - piece.first)
            held[segment.fleet][inside] += segment.accelerators
            power = np.full(stop - first, segment.accelerators * job.power_on(site.fleet(segment.fleet)))
            if stop == segment.stop_step:
                power[-1] *= segment.last_fraction
            fixed[inside] += power
    fleets = tuple(
        replace(fleet, availability=np.maximum(0.0, fleet.availability - held[fleet.name] / fleet.count))
        for fleet in cut.fleets
    )
    return fleets, fixed


def _jobs(scenario: Scenario, outlook: Outlook, done: Progressed, piece: Piece) -> Iterator[TrainingJob]:
    """Jobs that may start in this window; those that can wait have the price of waiting as their value."""
    timeline = scenario.timeline
    for job in scenario.training:
        if job.name in done.jobs or job.first_step(timeline) >= piece.stop:
            continue
        if job.kind != "rigid":
            yield from _divisible(scenario, job, piece)
            continue
        ranges = [
            job.start_range(fleet, timeline)
            for site, fleet in scenario.fleets()
            if job.allows(site.name) and job.fits(fleet)
        ]
        latest = max((starts.stop for starts in ranges), default=0)
        runs_over = timeline.floor(job.deadline) > piece.stop
        later = float(outlook.starts[job.name][min(piece.stop, timeline.steps)])
        changed = replace(job, beyond=job.beyond or runs_over)
        if latest <= piece.commit or not np.isfinite(later):
            yield changed
        else:
            worth = later if job.required else min(job.value, later)
            yield replace(changed, mandatory=False, value=max(_SMALL_VALUE, worth))


def _divisible(scenario: Scenario, job: TrainingJob, piece: Piece) -> Iterator[TrainingJob]:
    """A pausable or elastic job is planned whole, in the first window that holds enough of its time."""
    timeline = scenario.timeline
    boundary = job.last_boundary(timeline)
    room_h = (min(boundary, piece.stop) - max(piece.first, job.first_step(timeline))) * timeline.step_h
    needed_h = min(
        (
            job.duration_on(fleet, timeline)
            for site, fleet in scenario.fleets()
            if job.allows(site.name) and job.fits(fleet)
        ),
        default=job.duration_h,
    )
    if boundary <= piece.stop or room_h >= 1.5 * needed_h:
        yield replace(job, deadline=min(job.deadline, timeline.at(piece.stop)))


def _budget(budget_kg: float | None, key: str, outlook: Outlook, parts: tuple[Progressed, Piece]) -> float | None:
    """Carbon that the window may use: what the long view uses up to its end, less what is used."""
    if budget_kg is None:
        return None
    done, piece = parts
    planned = float(outlook.carbon_kg[key][piece.stop])
    total = float(outlook.carbon_kg[key][-1])
    spare = max(0.0, budget_kg - total) * piece.stop / (outlook.carbon_kg[key].size - 1)
    return max(0.0, planned + spare - done.carbon_kg.get(key, 0.0))


def _carbon(scenario: Scenario, outlook: Outlook, done: Progressed, piece: Piece) -> Any:
    policy = scenario.carbon
    left = None if policy.budget_kg is None else policy.budget_kg - policy.used_kg
    budget = _budget(left, "system", outlook, (done, piece))
    if policy.excess_price_per_t is not None or piece.stop == scenario.timeline.steps:
        return replace(policy, budget_kg=budget, used_kg=0.0)
    # Before the last window a budget is a price that rises steeply, so that a window cannot get stuck.
    highest = max([0.0, *outlook.carbon_price_per_kg.values()]) * 1000.0
    return replace(
        policy, budget_kg=budget, used_kg=0.0, excess_price_per_t=2.0 * (highest + policy.price_per_t) + 50.0
    )


def keep(scenario: Scenario, done: Progressed, piece: Piece, parts: tuple[Scenario, Schedule]) -> None:
    """Record what a window decided for its committed steps."""
    window, schedule = parts
    kept = piece.commit - piece.first
    for job in window.training:
        decided = schedule.jobs[job.name]
        original = scenario.job(job.name)
        if decided.segments and (job.kind != "rigid" or decided.start_step < kept):
            done.jobs[job.name] = decided.shifted(piece.first)
        elif not decided.segments and not _may_wait(scenario, original, piece):
            done.jobs[job.name] = decided
    for site in scenario.sites:
        _keep_site(scenario, site, done, (schedule, kept, piece.first))


def _may_wait(scenario: Scenario, job: TrainingJob, piece: Piece) -> bool:
    timeline = scenario.timeline
    if job.kind != "rigid":
        return job.last_boundary(timeline) > piece.stop
    return any(
        job.start_range(fleet, timeline).stop > piece.commit
        for site, fleet in scenario.fleets()
        if job.allows(site.name) and job.fits(fleet)
    )


def _keep_site(scenario: Scenario, site: Site, done: Progressed, parts: tuple[Schedule, int, int]) -> None:
    schedule, kept, first = parts
    plan = schedule.sites[site.name]
    step_h = scenario.timeline.step_h
    kg = 0.0
    series = scenario.deciding_intensity(site)
    if series is not None:
        kg += step_h * float(series.kg_per_mwh[first : first + kept] @ plan.grid_import_mw[:kept])
    for battery in site.batteries:
        done.energy_mwh[f"{site.name}/{battery.name}"] = float(plan.batteries[battery.name].energy_mwh[kept])
    for unit in site.generators:
        key, run = f"{site.name}/{unit.name}", plan.generators[unit.name]
        before = done.on_h.get(key, (unit.initially_on, unit.initial_hours))
        done.on_h[key] = _state(run.on[:kept], before, step_h)
        done.output_mw[key] = float(run.output_mw[kept - 1])
        starts = np.count_nonzero(np.diff(np.concatenate([[before[0]], run.on[:kept]]).astype(int)) > 0)
        kg += step_h * unit.emission_kg_per_mwh * float(run.output_mw[:kept].sum())
        kg += step_h * unit.no_load_emission_kg_per_h * float(run.on[:kept].sum()) + starts * unit.start_emission_kg
    for key in (site.name, "system"):
        done.carbon_kg[key] = done.carbon_kg.get(key, 0.0) + kg
    if site.grid is not None:
        for window in site.grid.demand_windows:
            members = window.members[first : first + kept]
            if members.any():
                name = f"{site.name}/{window.name}"
                done.peak_mw[name] = max(done.peak_mw.get(name, 0.0), float(plan.grid_import_mw[:kept][members].max()))


def _state(on: np.ndarray, before: tuple[bool, float], step_h: float) -> tuple[bool, float]:
    """Last state and the hours it has lasted."""
    last = bool(on[-1])
    changes = np.flatnonzero(on != last)
    if changes.size:
        return last, float(on.size - 1 - changes[-1]) * step_h
    return last, on.size * step_h + (before[1] if before[0] == last else 0.0)
