"""What a receding-horizon year costs in CPU time, and how far it stays behind perfect foresight on real grids."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.instances import Size, Zone, available_zones, generate, grid_folder, read_zone
from benchmarks.registry import Measurement, case
from joulewright.model import (
    Battery,
    CarbonIntensity,
    DemandWindow,
    GridConnection,
    RenewablePlant,
    Scenario,
    Site,
    Timeline,
    scenario_window,
)
from joulewright.policy.planned import oracle_plan, regret_of
from joulewright.sim.recorder import MetricsRecorder
from joulewright.sim.simulate import Simulation, simulate
from joulewright.study.statistics import estimate

YEAR_H, SMOKE_H = 8760, 72
JOBS_PER_WEEK = 30
POLICY, NO_CONTROL, FORECAST = "receding-horizon:window_h=48", "grid-first+first-fit+nearest", "day-ahead"
LOAD_MW = 20.0
_SEEDS = 3


@case("sim-mpc", "CPU time of a receding-horizon year of three sites, and its regret on real grids")
def measure(smoke: bool) -> Measurement:
    """Simulate every hour of a year; ``JOULEWRIGHT_BENCH_SEEDS`` sets the seeds of the regret."""
    hours = SMOKE_H if smoke else YEAR_H
    conditions: dict[str, Any] = {"hours": hours, "policy": POLICY, "forecast": FORECAST, "no_control": NO_CONTROL}
    figures: dict[str, float | None] = {"year_s": None, "week_jobs_s": None}
    zones = available_zones(grid_folder(), 2022) if grid_folder().is_dir() else ()
    if not zones:
        return Measurement(figures=figures, conditions=conditions | {"data": "the grid data are absent"})
    whole = three_sites(hours)
    for key, scenario in (("year_s", whole.with_changes(training=())), ("week_jobs_s", whole)):
        policy = f"{POLICY},jobs=milp" if scenario.training else POLICY
        figures[key], found = _timed(scenario, policy)
        conditions[key] = {
            "policy": policy,
            "jobs": len(scenario.training),
            "jobs_done": sum(record.done_fraction >= 1.0 for record in found.jobs.values()),
            "unserved_mwh": found.figures["unserved_mwh"],
            "clips": sum(clip.count for clip in found.clips),
        }
    seeds = 1 if smoke else int(os.environ.get("JOULEWRIGHT_BENCH_SEEDS", _SEEDS))
    for zone in zones:
        shares = regret_shares(microgrid(read_zone(grid_folder(), zone, 2022), hours), seeds)
        found_share = estimate(shares)
        figures[f"regret_share_{zone}"] = found_share.mean
        conditions[zone] = {"shares": shares, "low": found_share.low, "high": found_share.high, "confidence": 0.95}
    return Measurement(figures=figures, conditions=conditions | {"seeds": seeds})


def _timed(scenario: Scenario, policy: str) -> tuple[float, Simulation]:
    """CPU time of a simulation that keeps metrics only [s], and the simulation."""
    begin = time.process_time()
    found = simulate(scenario, policy, forecaster=FORECAST, events=(), recorder=MetricsRecorder())
    return time.process_time() - begin, found


def three_sites(hours: int) -> Scenario:
    """A year of three random sites on real grids, three services from eight regions and thirty jobs a week, cut.

    The demand charge is billed by calendar month; jobs that reach beyond the horizon may.
    """
    year = generate(Size(3, YEAR_H, JOBS_PER_WEEK * YEAR_H // 168))
    cut = scenario_window(year, 0, hours)
    jobs = tuple(replace(job, beyond=True) for job in year.training if job.release < cut.timeline.end)
    windows = _months(cut.timeline, 12_000.0)
    sites = tuple(
        site if site.grid is None else replace(site, grid=replace(site.grid, demand_windows=windows))
        for site in cut.sites
    )
    return cut.with_changes(sites=sites, training=jobs)


def microgrid(zone: Zone, hours: int) -> Scenario:
    """A site of 20 MW with sun, a four-hour battery, an import limit and a monthly demand charge on a real grid."""
    part = {name: values[:hours] for name, values in zone.columns.items()}
    timeline = Timeline(start=zone.start, step_s=3600, steps=part["temp_c"].size)
    ones, clock = np.ones(timeline.steps), np.arange(timeline.steps) % 24
    daylight = np.clip(np.sin((clock - 6.0) / 12.0 * np.pi), 0.0, None)
    price = part["price_usd_mwh"]
    grid = GridConnection(
        import_limit_mw=1.5 * LOAD_MW * ones,
        export_limit_mw=0.5 * LOAD_MW * ones,
        import_price_per_mwh=price + 4.0,
        export_price_per_mwh=0.9 * price - 2.0,
        demand_windows=_months(timeline, 8_000.0),
        carbon_intensities=(CarbonIntensity(kind="average", scope="direct", kg_per_mwh=part["ci_direct_g_kwh"]),),
    )
    battery = Battery(
        name="battery",
        energy_mwh=1.6 * LOAD_MW,
        charge_limit_mw=0.4 * LOAD_MW,
        discharge_limit_mw=0.4 * LOAD_MW,
        charge_efficiency=0.94,
        discharge_efficiency=0.94,
        initial_energy_mwh=0.8 * LOAD_MW,
        wear_cost_per_mwh=6.0,
    )
    solar = daylight * (1.0 - 0.75 * (part["cloud_pct"] / 100.0) ** 3.4)
    site = Site(
        name="site",
        pue=1.08 + 0.008 * np.maximum(part["temp_c"] - 12.0, 0.0),
        fixed_it_power_mw=0.75 * LOAD_MW * (1.0 + 0.15 * np.sin((clock - 9.0) / 12.0 * np.pi)),
        fixed_facility_power_mw=0.025 * LOAD_MW * ones,
        grid=grid,
        renewables=(RenewablePlant(name="solar", kind="solar", capacity_mw=0.6 * LOAD_MW, per_unit=solar),),
        batteries=(battery,),
        unserved_power_penalty_per_mwh=2_000.0,
    )
    return Scenario(name="microgrid", timeline=timeline, sites=(site,))


def regret_shares(scenario: Scenario, seeds: int) -> list[float]:
    """Regret against the oracle as a share of the cost without control, by seed of the forecast."""
    oracle = oracle_plan(scenario)
    none = _schedule(simulate(scenario, NO_CONTROL, events=()))
    runs = (simulate(scenario, POLICY, forecaster=FORECAST, events=(), seed=seed) for seed in range(seeds))
    return [regret_of(scenario, _schedule(run), oracle, none).share for run in runs]


def _schedule(found: Simulation) -> Any:
    if found.trajectory is None:
        raise RuntimeError(f"{found.policy} left no trajectory")
    return found.trajectory.schedule


def _months(timeline: Timeline, price_per_mw: float) -> tuple[DemandWindow, ...]:
    """A demand window for every calendar month (UTC); a month that is cut pays its part."""
    month = timeline.starts().astype("datetime64[M]")
    windows = []
    for item in np.unique(month):
        members = month == item
        whole_h = ((item + 1).astype("datetime64[h]") - item.astype("datetime64[h]")).astype(float)
        share = min(1.0, float(members.sum()) * timeline.step_h / whole_h)
        windows.append(DemandWindow(name=f"demand {item}", price_per_mw=price_per_mw, members=members, share=share))
    return tuple(windows)
