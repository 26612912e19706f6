"""The rolling strategy: long horizons, window by window, under the prices of a long view."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from joulewright.model import (
    BatterySchedule,
    GeneratorSchedule,
    JobSchedule,
    Route,
    Scenario,
    Schedule,
    ServiceSchedule,
    Site,
    SiteSchedule,
)
from joulewright.plan.clock import Clock
from joulewright.plan.extraction import read_schedule
from joulewright.plan.guided.strategy import solve_guided
from joulewright.plan.options import PlanOptions
from joulewright.plan.outlook import look_ahead
from joulewright.plan.strategy import Outcome
from joulewright.plan.windows import Piece, Progressed, keep, piece_scenario, pieces

_WINDOW_GAP = 0.001
_WINDOW_WORK = 8.0


def solve_rolling(
    scenario: Scenario, options: PlanOptions, clock: Clock, *, relax: bool = True, window_work: float = _WINDOW_WORK
) -> Outcome:
    """Plan a long horizon in overlapping windows.

    One linear program over the whole horizon, generators relaxed, gives the bound, the worth of stored energy
    at every window's end, the peaks to expect, the price of carbon and what a job would cost later. Each window
    is then planned by the guided strategy and its first hours are kept.

    Parameters
    ----------
    scenario, options, clock
        What to plan, how, and where progress is kept.
    relax : bool
        True to leave generator commitment out of the long view.
    window_work : float
        Most work units for one window.

    Raises
    ------
    InfeasibleError
        If the relaxation or a window has no plan.
    """
    outlook = look_ahead(scenario, options.without, relax=relax)
    clock.bound, clock.work = -outlook.bound, outlook.work
    clock.report("long view")
    step_h = scenario.timeline.step_h
    window, commit = (max(1, round(hours / step_h)) for hours in (options.window_h, options.commit_h))
    done, parts = Progressed(), []
    for piece in pieces(scenario.timeline.steps, window, commit):
        small = piece_scenario(scenario, outlook, done, piece)
        part = _plan_window(small, options, clock, window_work)
        if part is None:
            return Outcome(None, None, outlook.bound, clock.why_stop() or "search-ended")
        keep(scenario, done, piece, (small, part))
        parts.append((piece, part))
        clock.report(f"window to step {piece.commit} of {scenario.timeline.steps}")
        reason = clock.why_stop()
        if reason in ("interrupted", "time-limit", "work-limit") and piece.commit < scenario.timeline.steps:
            return Outcome(None, None, outlook.bound, reason, notes=(f"stopped at step {piece.commit}: no whole plan",))
    schedule = _join(scenario, done, parts)
    how = "without" if relax else "with"
    notes = (f"windows of {options.window_h:g} h, {options.commit_h:g} h kept; long view {how} generator commitment",)
    return Outcome(None, None, outlook.bound, "search-ended", notes=notes, schedule=schedule)


def _plan_window(small: Scenario, options: PlanOptions, clock: Clock, window_work: float) -> Schedule | None:
    """Plan of one window within a share of the limits."""
    work = min(window_work, clock.remaining_work())
    limits = replace(
        options,
        strategy="guided",
        gap=max(options.gap, _WINDOW_GAP),
        work_limit=work,
        time_limit_s=None,
        progress=None,
        previous=None,
        churn_cost=0.0,
    )
    inner = Clock(limits)
    outcome = solve_guided(small, limits, inner)
    clock.work += inner.work
    if outcome.solution is None or outcome.joint is None:
        return None
    return read_schedule(outcome.joint, outcome.solution.values, "rolling")


def _join(scenario: Scenario, done: Progressed, parts: list[tuple[Piece, Schedule]]) -> Schedule:
    jobs = {job.name: done.jobs.get(job.name, JobSchedule(job=job.name)) for job in scenario.training}
    return Schedule(
        planner="rolling",
        jobs=jobs,
        services={service.name: _join_service(scenario, service.name, parts) for service in scenario.inference},
        sites={site.name: _join_site(site, parts) for site in scenario.sites},
    )


def _join_site(site: Site, parts: list[tuple[Piece, Schedule]]) -> SiteSchedule:
    pieces_of = [(piece.commit - piece.first, plan.sites[site.name]) for piece, plan in parts]

    def series(name: str) -> np.ndarray:
        return np.concatenate([getattr(plan, name)[:kept] for kept, plan in pieces_of])

    batteries, generators = {}, {}
    for battery in site.batteries:
        runs = [(kept, plan.batteries[battery.name]) for kept, plan in pieces_of]
        energy = [run.energy_mwh[:kept] for kept, run in runs]
        last_kept, last = runs[-1]
        batteries[battery.name] = BatterySchedule(
            charge_mw=np.concatenate([run.charge_mw[:kept] for kept, run in runs]),
            discharge_mw=np.concatenate([run.discharge_mw[:kept] for kept, run in runs]),
            energy_mwh=np.concatenate([*energy, last.energy_mwh[last_kept : last_kept + 1]]),
        )
    for unit in site.generators:
        states = [(kept, plan.generators[unit.name]) for kept, plan in pieces_of]
        generators[unit.name] = GeneratorSchedule(
            output_mw=np.concatenate([state.output_mw[:kept] for kept, state in states]),
            on=np.concatenate([state.on[:kept] for kept, state in states]),
        )
    return SiteSchedule(
        grid_import_mw=series("grid_import_mw"),
        grid_export_mw=series("grid_export_mw"),
        unserved_mw=series("unserved_mw"),
        renewable_used_mw={
            plant.name: np.concatenate([plan.renewable_used_mw[plant.name][:kept] for kept, plan in pieces_of])
            for plant in site.renewables
        },
        batteries=batteries,
        generators=generators,
    )


def _join_service(scenario: Scenario, name: str, parts: list[tuple[Piece, Schedule]]) -> ServiceSchedule:
    steps = scenario.timeline.steps
    flows: dict[Route, np.ndarray] = {}
    unserved: dict[str, list[np.ndarray]] = {}
    for piece, plan in parts:
        service, kept = plan.services[name], piece.commit - piece.first
        for route, flow in zip(service.routes, service.served_token_s, strict=True):
            whole = flows.setdefault(route, np.zeros(steps))
            whole[piece.first : piece.commit] = flow[:kept]
        for region, missing in service.unserved_token_s.items():
            unserved.setdefault(region, []).append(missing[:kept])
    return ServiceSchedule(
        routes=tuple(flows),
        served_token_s=np.array(list(flows.values())) if flows else np.zeros((0, steps)),
        unserved_token_s={region: np.concatenate(series) for region, series in unserved.items()},
    )
