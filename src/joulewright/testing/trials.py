"""Small scenarios in which every policy must hold: the situations that break rules in practice.

All last a day of twelve steps of 2 h unless said otherwise, have two sites with every kind of component, and leave load
and demand unserved at a price, so that nothing is infeasible.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from joulewright.model import (
    Battery,
    CarbonIntensity,
    CarbonPolicy,
    DemandWindow,
    Fleet,
    Generator,
    GridConnection,
    InferenceService,
    Link,
    Location,
    Region,
    RenewablePlant,
    Scenario,
    ServingPoint,
    Site,
    Timeline,
    TrainingJob,
)
from joulewright.model.timeline import FloatArray

START = datetime(2022, 7, 4, tzinfo=UTC)
STEPS = 12


def trial_scenario(steps: int = STEPS, step_s: int = 7200) -> Scenario:
    """Two sites ``east`` and ``west`` with grids, solar, batteries, generators, three kinds of jobs and one service.

    Site ``east`` has 1,000 accelerators of 1 kW and 0.1 kW idle, ``west`` 500. Loads are of the order of 1 MW.

    Examples
    --------
    >>> [site.name for site in trial_scenario().sites]
    ['east', 'west']
    """
    hours = step_s / 3600.0 * np.arange(steps, dtype=np.float64)
    sites = (_site("east", hours, count=1000, phase_h=0.0), _site("west", hours, count=500, phase_h=8.0))
    horizon_h = steps * step_s / 3600.0
    demand = 2e5 + 1e5 * np.sin(2.0 * np.pi * hours / 24.0)
    service = InferenceService(
        name="chat",
        demand_token_s={"coast": demand, "inland": 0.5 * demand},
        serving=ServingPoint(throughput_token_s=1000.0, active_power_mw=0.0007),
        latency_limit_ms=60.0,
        revenue_per_mtoken=0.5,
        unserved_penalty_per_mtoken=5.0,
    )
    return Scenario(
        name="trial",
        timeline=Timeline(start=START, step_s=step_s, steps=steps),
        sites=sites,
        links=(Link(between=("east", "west"), latency_ms=40.0, bandwidth_gbit_s=100.0, cost_per_gb=0.01),),
        regions=(
            Region(name="coast", latency_ms={"east": 10.0, "west": 45.0}),
            Region(name="inland", latency_ms={"east": 80.0, "west": 12.0}),
        ),
        training=_jobs(horizon_h),
        inference=(service,),
        carbon=CarbonPolicy(price_per_t=40.0),
    )


def _site(name: str, hours: FloatArray, *, count: int, phase_h: float) -> Site:
    day = 2.0 * np.pi * (hours - phase_h) / 24.0
    flat = np.ones(hours.size)
    fleet = Fleet(
        name="pod",
        accelerator="H100-SXM",
        count=count,
        availability=flat,
        active_power_mw=0.001,
        idle_power_mw=0.0001,
    )
    solar = RenewablePlant(name="solar", kind="solar", capacity_mw=1.2, per_unit=np.maximum(0.0, -np.cos(day)))
    return Site(
        name=name,
        location=Location(latitude_deg=37.0, longitude_deg=-100.0, time_zone="America/Chicago"),
        pue=1.2 * flat,
        fixed_it_power_mw=0.02 * flat,
        fixed_facility_power_mw=0.01 * flat,
        grid=_grid(day),
        renewables=(solar,),
        batteries=(_BATTERY,),
        generators=(_engine(flat),),
        fleets=(fleet,),
        unserved_power_penalty_per_mwh=5000.0,
    )


_BATTERY = Battery(
    name="battery",
    energy_mwh=2.0,
    min_energy_mwh=0.1,
    charge_limit_mw=0.6,
    discharge_limit_mw=0.6,
    charge_efficiency=0.94,
    discharge_efficiency=0.94,
    initial_energy_mwh=1.0,
    wear_cost_per_mwh=4.0,
)


def _grid(day: FloatArray) -> GridConnection:
    flat, price = np.ones(day.size), 60.0 + 30.0 * np.cos(day)
    carbon = CarbonIntensity(kind="average", scope="direct", kg_per_mwh=400.0 + 150.0 * np.sin(day), source="made up")
    return GridConnection(
        import_limit_mw=1.6 * flat,
        export_limit_mw=0.5 * flat,
        import_price_per_mwh=price,
        export_price_per_mwh=0.8 * price - 30.0,
        demand_windows=(DemandWindow(name="month", price_per_mw=900.0, members=flat > 0.0, peak_so_far_mw=0.4),),
        carbon_intensities=(carbon,),
    )


def _engine(flat: FloatArray) -> Generator:
    return Generator(
        name="engine",
        capacity_mw=0.8,
        min_load_mw=0.3,
        availability=flat,
        fuel_cost_per_mwh=75.0 * flat,
        ramp_mw_per_h=0.4,
        min_up_h=4.0,
        min_down_h=2.0,
        start_cost=10.0,
        no_load_cost_per_h=2.0,
        emission_kg_per_mwh=500.0,
    )


def _jobs(horizon_h: float) -> tuple[TrainingJob, ...]:
    def at(share: float) -> datetime:
        return START + timedelta(hours=share * horizon_h)

    common: dict[str, Any] = {"deadline": at(1.0), "value": 2000.0}
    return (
        TrainingJob(name="rigid", gpus=300, duration_h=0.25 * horizon_h, release=at(0.0), **common),
        TrainingJob(name="must", gpus=100, duration_h=0.3 * horizon_h, release=at(0.0), **common | {"mandatory": True}),
        TrainingJob(
            name="pausable",
            kind="pausable",
            gpus=200,
            duration_h=0.3 * horizon_h,
            release=at(0.1),
            min_run_h=horizon_h / 12.0,
            restart_loss_h=horizon_h / 100.0,
            migratable=True,
            checkpoint_gb=400.0,
            **common,
        ),
        TrainingJob(
            name="elastic",
            kind="elastic",
            gpus=100,
            duration_h=0.4 * horizon_h,
            release=at(0.2),
            min_gpus=50,
            max_gpus=250,
            speed=((50.0, 0.55), (100.0, 1.0), (250.0, 2.0)),
            **common,
        ),
        TrainingJob(name="late", gpus=50, duration_h=0.1 * horizon_h, release=at(0.55), **common),
    )


def _on_sites(scenario: Scenario, change: Callable[[Site], Site]) -> Scenario:
    return scenario.with_changes(sites=tuple(change(site) for site in scenario.sites))


def _islanded(site: Site) -> Site:
    if site.grid is None:
        return site
    inside = np.ones(site.pue.size)
    inside[inside.size // 3 : 2 * inside.size // 3] = 0.0
    limits = {name: getattr(site.grid, name) * inside for name in ("import_limit_mw", "export_limit_mw")}
    return replace(site, grid=replace(site.grid, **limits))


def _stored(share: float) -> Callable[[Site], Site]:
    def change(site: Site) -> Site:
        full = [replace(item, initial_energy_mwh=share * item.energy_mwh) for item in site.batteries]
        return replace(site, batteries=tuple(replace(item, terminal_energy_mwh=0.1) for item in full))

    return change


def _dark(site: Site) -> Site:
    return replace(site, renewables=tuple(replace(item, per_unit=0.0 * item.per_unit) for item in site.renewables))


def _single(scenario: Scenario) -> Scenario:
    regions = tuple(replace(region, latency_ms={"east": 10.0}) for region in scenario.regions)
    return scenario.with_changes(sites=scenario.sites[:1], links=(), regions=regions)


def _crowded(scenario: Scenario) -> Scenario:
    jobs = tuple(replace(job, gpus=4 * job.gpus) if job.kind != "elastic" else job for job in scenario.training)
    services = tuple(
        replace(item, demand_token_s={region: 4.0 * rate for region, rate in item.demand_token_s.items()})
        for item in scenario.inference
    )
    jobs = tuple(job for job in jobs if job.gpus <= 1000 and not job.mandatory)
    return scenario.with_changes(training=jobs, inference=services)


def trial_scenarios() -> dict[str, Scenario]:
    """Every situation by name.

    Examples
    --------
    >>> sorted(trial_scenarios())[:4]
    ['bare', 'crowded', 'dark', 'empty-battery']
    """
    plain = trial_scenario()
    return {
        "plain": plain,
        "quarter-hours": trial_scenario(steps=16, step_s=900),
        "single-site": _single(plain),
        "islanded": _on_sites(plain, _islanded),
        "no-grid": _on_sites(plain, lambda site: replace(site, grid=None)),
        "dark": _on_sites(plain, _dark),
        "full-battery": _on_sites(plain, _stored(1.0)),
        "empty-battery": _on_sites(plain, _stored(0.05)),
        "bare": _on_sites(plain, lambda site: replace(site, renewables=(), batteries=(), generators=())),
        "no-jobs": plain.with_changes(training=()),
        "no-work": plain.with_changes(training=(), inference=(), regions=()),
        "crowded": _crowded(plain),
    }
