"""A hand-built plan for the report tests: three sites with plausible weather, prices, jobs and dispatch.

The dispatch follows simple rules (solar and wind first, battery on a daily price pattern, generator in dear hours, the
grid for the rest), so that every chart has something to show and the power balance closes exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from joulewright.account import Ledger, settle
from joulewright.account.load import site_load
from joulewright.errors import Diagnostic
from joulewright.model import (
    Battery,
    BatterySchedule,
    CarbonIntensity,
    CarbonPolicy,
    DemandWindow,
    Fleet,
    FlexibleConnection,
    Generator,
    GeneratorSchedule,
    GridConnection,
    InferenceService,
    JobSchedule,
    Link,
    Location,
    MarketFactors,
    Region,
    RenewablePlant,
    Route,
    Scenario,
    Schedule,
    Segment,
    ServiceSchedule,
    ServingPoint,
    Site,
    SiteSchedule,
    Timeline,
    TrainingJob,
)
from joulewright.model.timeline import FloatArray
from joulewright.plan.result import Duals, PlanResult

START = datetime(2022, 7, 4, tzinfo=UTC)
_PLACES = (
    ("california", 37.4, -121.9, "America/Los_Angeles", -7, (85.0, 45.0), (210.0, 110.0)),
    ("texas", 31.5, -99.2, "America/Chicago", -5, (62.0, 70.0), (390.0, 70.0)),
    ("ontario", 43.7, -79.4, "America/Toronto", -4, (48.0, 18.0), (60.0, 35.0)),
)
_REGIONS = {
    "us-west": (9.0, 41.0, 66.0),
    "us-south": (38.0, 8.0, 44.0),
    "us-east": (68.0, 36.0, 14.0),
    "canada": (72.0, 48.0, 6.0),
}


def make_scenario(
    *, days: int = 7, step_s: int = 3600, jobs: int = 18, names: tuple[str, ...] = (), **more: Any
) -> Scenario:
    """Scenario of three sites; ``names`` replaces the sites' names, ``more`` any field."""
    timeline = Timeline(start=START, step_s=step_s, steps=days * 86_400 // step_s)
    places = [(names[i] if i < len(names) else place[0], *place[1:]) for i, place in enumerate(_PLACES)]
    sites = tuple(_site(timeline, place, number) for number, place in enumerate(places))
    labels = [site.name for site in sites]
    regions = tuple(Region(name=name, latency_ms=dict(zip(labels, ms))) for name, ms in _REGIONS.items())
    fields: dict[str, Any] = {
        "name": "three sites, hand-built",
        "timeline": timeline,
        "sites": sites,
        "links": (Link(between=(labels[0], labels[1]), latency_ms=32, bandwidth_gbit_s=100),),
        "regions": regions,
        "training": tuple(_job(timeline, labels, number, jobs) for number in range(jobs)),
        "inference": (_service("chat", timeline, 1.0, 60.0), _service("search", timeline, 0.35, None)),
        "carbon": CarbonPolicy(budget_kg=900_000.0 * days, price_per_t=20.0),
        "diagnostics": (
            Diagnostic(
                code="T012",
                severity="warning",
                file="scenario.toml",
                line=14,
                key="site.california.solar",
                message="solar.csv looks hour-ending: its solar noon is 61 min late",
                help='set label = "end"',
            ),
            Diagnostic(code="D004", severity="note", message="battery initial energy defaults to half of 240 MWh"),
        ),
        "provenance": {
            "scenario": {"file": "scenario.toml", "sha256": "0c" * 32},
            "series": [
                {
                    "file": "california.csv",
                    "column": column,
                    "sha256": "4f" * 32,
                    "rows": timeline.steps,
                    "interpolated": 1,
                    "note": "synthetic, seed 0, climatology of 2022: not a measurement",
                }
                for column in ("price_usd_mwh", "ci_direct_g_kwh")
            ],
            "overrides": {"site.texas.grid.import_limit": "120 MW"},
        },
    }
    return Scenario(**{**fields, **more})


def _hours(timeline: Timeline, offset_h: int) -> FloatArray:
    return (np.arange(timeline.steps) * timeline.step_h + offset_h) % 24.0


def _site(timeline: Timeline, place: tuple[Any, ...], number: int) -> Site:
    name, latitude, longitude, zone, offset, (price, swing), (intensity, spread) = place
    rng = np.random.default_rng(number + 1)
    steps, hour = timeline.steps, _hours(timeline, offset)
    day = np.arange(steps) * timeline.step_h / 24.0
    noise = np.convolve(rng.normal(size=steps + 8), np.ones(9) / 3.0, mode="valid")
    evening = np.exp(-0.5 * ((hour - 19.0) / 2.5) ** 2)
    noon = np.maximum(0.0, np.cos((hour - 12.7) / 24.0 * 2.0 * np.pi * 0.95)) ** 1.4
    prices = price + swing * (1.5 * evening - 0.8 * noon) + 4.0 * noise + (price > 80) * -25.0 * (noon > 0.9)
    season = 1.0 + 0.2 * np.cos(2 * np.pi * (day - 15) / 365.0)
    carbon = np.maximum(15.0, intensity + spread * (0.6 * evening - 0.7 * noon) + 6.0 * noise)
    solar = np.clip(noon * season * (0.92 - 0.12 * np.abs(noise)), 0.0, 1.0)
    wind = np.clip(0.38 + 0.25 * np.sin(day * 2.1 + number) + 0.08 * noise, 0.02, 1.0)
    flexible = None
    if number == 1:
        flexible = FlexibleConnection(
            firm_limit_mw=60.0,
            flexible_limit_mw=np.full(steps, 60.0),
            curtailed=evening > 0.97,
            curtailed_hours_per_year=120.0,
            assumed=True,
        )
    limit = np.full(steps, 120.0)
    if flexible is not None:
        limit = np.where(flexible.curtailed, 60.0, 120.0)
    return Site(
        name=name,
        location=Location(latitude_deg=latitude, longitude_deg=longitude, time_zone=zone),
        pue=1.14 + 0.05 * noon,
        fixed_it_power_mw=np.full(steps, 1.5),
        fixed_facility_power_mw=np.full(steps, 0.8),
        water_l_per_it_kwh=0.6,
        unserved_power_penalty_per_mwh=5000.0,
        grid=GridConnection(
            import_limit_mw=limit,
            export_limit_mw=np.full(steps, 40.0),
            import_price_per_mwh=prices,
            export_price_per_mwh=0.9 * prices - 2.0,
            demand_windows=(
                DemandWindow(name="demand 2022-07", price_per_mw=12_000.0, members=np.ones(steps, bool), share=7 / 31),
            ),
            carbon_intensities=(
                CarbonIntensity(
                    kind="average",
                    scope="direct",
                    kg_per_mwh=carbon,
                    estimated_fraction=0.03,
                    source="synthetic grid 2022",
                ),
                CarbonIntensity(
                    kind="average", scope="lifecycle", kg_per_mwh=carbon * 1.12 + 18.0, source="synthetic grid 2022"
                ),
                CarbonIntensity(
                    kind="marginal",
                    scope="direct",
                    kg_per_mwh=np.maximum(carbon, 380.0) + 20.0,
                    source="synthetic grid 2022",
                ),
            ),
            flexible=flexible,
            market=MarketFactors(
                certificates_mwh=25.0 * solar * timeline.step_h,
                residual_kg_per_mwh=carbon * 1.2,
                carbon_free_fraction=np.clip(0.45 + 0.3 * noon, 0.0, 1.0),
            ),
        ),
        renewables=(
            RenewablePlant(name="pv", kind="solar", capacity_mw=60.0 - 10.0 * number, per_unit=solar),
            *((RenewablePlant(name="turbines", kind="wind", capacity_mw=45.0, per_unit=wind),) if number == 1 else ()),
        ),
        batteries=(
            Battery(
                name="battery",
                energy_mwh=200.0,
                charge_limit_mw=50.0,
                discharge_limit_mw=50.0,
                charge_efficiency=0.94,
                discharge_efficiency=0.94,
                initial_energy_mwh=100.0,
                wear_cost_per_mwh=6.0,
            ),
        ),
        generators=(
            Generator(
                name="turbine",
                capacity_mw=30.0,
                availability=np.ones(steps),
                fuel_cost_per_mwh=np.full(steps, 48.0),
                min_load_mw=12.0,
                start_cost=2500.0,
                emission_kg_per_mwh=490.0,
            ),
        )
        if number < 2
        else (),
        fleets=(
            Fleet(
                name="h100",
                accelerator="H100-SXM",
                count=40_960,
                availability=np.ones(steps),
                active_power_mw=0.00122,
                idle_power_mw=0.00016,
            ),
        ),
    )


def _job(timeline: Timeline, sites: list[str], number: int, jobs: int) -> TrainingJob:
    rng = np.random.default_rng(100 + number)
    span = timeline.hours * min(1.0, 60.0 / max(jobs, 1))
    duration = float(np.round(rng.uniform(0.1, 0.4) * min(span, 168.0), 1))
    release = float(rng.uniform(0.0, max(1.0, timeline.hours - 2.2 * duration - 12.0)))
    start = timeline.start + timedelta(hours=round(release))
    rejected = number % 9 == 8
    return TrainingJob(
        name=f"train-{['pretrain', 'finetune', 'distill', 'evaluate'][number % 4]}-{number:02d}",
        kind=("rigid", "rigid", "pausable", "elastic")[number % 4],  # type: ignore[arg-type]
        gpus=int(rng.choice([1024, 2048, 4096, 8192])),
        duration_h=duration,
        release=start,
        deadline=min(timeline.end, start + timedelta(hours=round(2.1 * duration + 10))),
        value=900.0 if rejected else float(np.round(rng.uniform(4e4, 4e5), -3)),
        min_gpus=512 if number % 4 == 3 else None,
    )


def _service(name: str, timeline: Timeline, scale: float, limit_ms: float | None) -> InferenceService:
    demand = {}
    for number, region in enumerate(_REGIONS):
        hour = _hours(timeline, -7 + number)
        rng = np.random.default_rng(50 + number)
        shape = 0.55 + 0.45 * np.sin((hour - 9.0) / 24.0 * 2 * np.pi) + 0.03 * rng.normal(size=timeline.steps)
        demand[region] = np.maximum(0.05, shape) * scale * (7e6, 5e6, 8e6, 2e6)[number]
    return InferenceService(
        name=name,
        demand_token_s=demand,
        serving=ServingPoint(throughput_token_s=2400.0, active_power_mw=0.00064),
        latency_limit_ms=limit_ms,
        revenue_per_mtoken=0.4,
        unserved_penalty_per_mtoken=4.0,
    )


def make_schedule(scenario: Scenario, *, planner: str = "guided", eager: bool = False) -> Schedule:
    """Schedule by simple rules; ``eager`` starts every job at once and leaves battery and generator alone."""
    jobs = {job.name: _place(scenario, job, number, eager) for number, job in enumerate(scenario.training)}
    services = {service.name: _route(scenario, service) for service in scenario.inference}
    idle = {site.name: _dispatch(scenario, site, np.zeros(scenario.timeline.steps), True) for site in scenario.sites}
    draft = Schedule(planner=planner, jobs=jobs, services=services, sites=idle)
    loads = {site.name: site_load(scenario, draft, site).facility_mw for site in scenario.sites}
    sites = {site.name: _dispatch(scenario, site, loads[site.name], eager) for site in scenario.sites}
    return Schedule(planner=planner, jobs=jobs, services=services, sites=sites)


def _place(scenario: Scenario, job: TrainingJob, number: int, eager: bool) -> JobSchedule:
    if job.value < 1000.0:
        return JobSchedule(job=job.name)
    site = scenario.sites[number % len(scenario.sites)]
    fleet = site.fleets[0]
    timeline = scenario.timeline
    hours = job.duration_on(fleet, timeline)
    steps = timeline.steps_for(hours)
    first, last = job.first_step(timeline), job.last_boundary(timeline) - steps
    start = first if eager or last <= first else int(first + 0.4 * (last - first))
    fraction = hours / timeline.step_h - (steps - 1)
    part = {"site": site.name, "fleet": fleet.name, "accelerators": float(job.gpus)}
    if job.kind == "pausable" and not eager and steps >= 4 and last - start >= 4:
        half = steps // 2
        return JobSchedule(
            job=job.name,
            segments=(
                Segment(first_step=start, stop_step=start + half, **part),  # type: ignore[arg-type]
                Segment(first_step=start + half + 4, stop_step=start + steps + 4, last_fraction=fraction, **part),  # type: ignore[arg-type]
            ),
        )
    return JobSchedule(
        job=job.name,
        segments=(
            Segment(first_step=start, stop_step=start + steps, last_fraction=fraction, **part),  # type: ignore[arg-type]
        ),
    )


def _route(scenario: Scenario, service: InferenceService) -> ServiceSchedule:
    """Half of the demand to the nearest site, the rest to the second nearest in reach; one thousandth left unserved."""
    routes, served = [], []
    unserved = {}
    for name, demand in service.demand_token_s.items():
        region = scenario.region(name)
        near = sorted(
            (site for site in region.latency_ms if service.reaches(site, region.latency_ms, None)),
            key=lambda site, region=region: region.latency_ms[site],
        )[:2]
        wave = 0.5 + 0.35 * np.sin(np.arange(scenario.timeline.steps) * scenario.timeline.step_h / 24.0 * 2 * np.pi)
        shares = (wave, 1.0 - wave) if len(near) == 2 else (np.ones_like(wave),)
        unserved[name] = 0.001 * demand
        for site, share in zip(near, shares):
            routes.append(Route(region=name, site=site, fleet="h100"))
            served.append(0.999 * demand * share)
    return ServiceSchedule(routes=tuple(routes), served_token_s=np.array(served), unserved_token_s=unserved)


def _dispatch(scenario: Scenario, site: Site, load_mw: FloatArray, eager: bool) -> SiteSchedule:
    assert site.grid is not None
    steps, step_h = scenario.timeline.steps, scenario.timeline.step_h
    available = {plant.name: plant.available_mw for plant in site.renewables}
    renewable = sum(available.values(), np.zeros(steps))
    price = site.grid.import_price_per_mwh
    low, high = np.percentile(price, (25, 80))
    output = np.where((price > high) & (not eager) & (len(site.generators) > 0), 24.0, 0.0)
    battery = site.batteries[0]
    charge, discharge, stored = np.zeros(steps), np.zeros(steps), np.empty(steps + 1)
    stored[0] = battery.initial_energy_mwh
    for step in range(steps):
        if not eager and price[step] < low:
            room = (battery.energy_mwh - stored[step]) / (battery.charge_efficiency * step_h)
            charge[step] = min(25.0, room)
        elif not eager and price[step] > high:
            have = stored[step] * battery.discharge_efficiency / step_h
            discharge[step] = min(30.0, have, load_mw[step])
        stored[step + 1] = stored[step] + step_h * (
            battery.charge_efficiency * charge[step] - discharge[step] / battery.discharge_efficiency
        )
    net = load_mw + charge - discharge - output - renewable
    surplus = np.maximum(-net, 0.0)
    export = np.minimum(surplus, site.grid.export_limit_mw)
    curtailed = surplus - export
    used, left = {}, curtailed
    for name, power in available.items():
        cut = np.minimum(power, left)
        used[name], left = power - cut, left - cut
    needed = np.maximum(net, 0.0)
    imported = np.minimum(needed, site.grid.import_limit_mw)
    generators = {unit.name: GeneratorSchedule(output_mw=output, on=output > 0) for unit in site.generators}
    return SiteSchedule(
        grid_import_mw=imported,
        grid_export_mw=export,
        unserved_mw=needed - imported,
        renewable_used_mw=used,
        batteries={battery.name: BatterySchedule(charge_mw=charge, discharge_mw=discharge, energy_mwh=stored)},
        generators=generators,
    )


def make_result(scenario: Scenario, **changes: Any) -> PlanResult:
    """Result around the hand-built schedule, as if it were certified to 0.08 %; ``changes`` replace fields."""
    schedule = make_schedule(scenario)
    ledger = settle(scenario, schedule)
    steps, sites = scenario.timeline.steps, [site for site in scenario.sites if site.grid is not None]
    prices = {site.name: 1.02 * site.grid.import_price_per_mwh for site in sites if site.grid is not None}
    scarce = np.where(np.arange(steps) % 24 == 2, 3.0, 0.0)
    fields: dict[str, Any] = {
        "schedule": schedule,
        "ledger": ledger,
        "status": "gap-reached",
        "objective": ledger.benefit,
        "bound": ledger.benefit + 0.0008 * ledger.cost,
        "gap": 0.0008,
        "cost": ledger.cost,
        "strategy": "guided",
        "solver": "HiGHS 1.15.1",
        "seconds": 12.3,
        "cpu_s": 21.9,
        "work": 20.0,
        "seed": 0,
        "threads": 2,
        "duals": Duals(
            power_price_per_mwh=prices,
            carbon_price_per_t=27.4,
            site_carbon_price_per_t={},
            import_limit_price_per_mw={site.name: scarce for site in sites[:1]},
            export_limit_price_per_mw={},
            accelerator_price_per_h={f"{site.name}/h100": scarce / 10.0 for site in sites[:1]},
        ),
        "notes": ("Durations were rounded up to whole steps by up to 0.9 h.",),
    }
    return PlanResult(**{**fields, **changes})


@dataclass(frozen=True)
class Row:
    """A comparison row as the report reads it."""

    name: str
    description: str
    ledger: Ledger
    violations: tuple[str, ...] = ()


@dataclass(frozen=True)
class Point:
    """A point of the cost-carbon front as the report reads it."""

    benefit: float
    carbon_kg: float
    abatement_cost_per_t: float


def make_comparisons(scenario: Scenario) -> list[Row]:
    """Two baselines, one of which breaks limits."""
    eager = settle(scenario, make_schedule(scenario, planner="baseline:compute-only", eager=True))
    again = settle(
        scenario, make_schedule(scenario.with_changes(training=scenario.training), planner="baseline:sequential")
    )
    return [
        Row("compute-only", "Every job as early as possible, power bought as needed.", eager),
        Row("sequential", "Compute first, then energy.", again, ("import limit at texas exceeded by 3.2 MW",)),
    ]


def make_front(ledger: Ledger) -> list[Point]:
    """Eight points of a concave front that passes through the plan."""
    shares = np.linspace(0.55, 0.98, 8).tolist()
    return [
        Point(
            ledger.benefit - 0.25 * abs(ledger.benefit) * (1.0 - share) ** 2,
            ledger.carbon_kg * share,
            300.0 * (1.0 - share),
        )
        for share in shares
    ]
