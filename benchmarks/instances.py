"""Random planning instances on real hourly grid data.

Sites take their price, carbon intensity and weather from real zones; batteries, generators, fleets, jobs
and demand are drawn from a seed. The carbon budget is a fraction of the carbon of the same instance
without one, so it binds; import limits and accelerator counts are set so that they bind too.
"""

from __future__ import annotations

import csv
import gzip
import os
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

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
    Region,
    RenewablePlant,
    Scenario,
    ServingPoint,
    Site,
    Timeline,
    TrainingJob,
)
from joulewright.plan.formulation import build
from joulewright.plan.solver import pass_program, read_solution

ZONES = ("US-CAL-CISO", "US-TEX-ERCO", "US-MIDA-PJM", "DE-LU", "CA-ON")
REGIONS = 8
_GPU_MW = 1.25e-3
_IDLE_MW = 0.25e-3
_TWO_WEEKS = 336
_MOST_SLACK_H = 72
_LARGEST_JOB = 0.25
# Training is to fill this share of all accelerator-hours; serving takes about 40 % and swings by the hour.
_TRAINING_SHARE = 0.22


@dataclass(frozen=True)
class Size:
    """Sites, hours and jobs of an instance."""

    sites: int
    hours: int
    jobs: int


SMALL, BASE, BIG = Size(3, 24, 6), Size(5, 168, 60), Size(10, 336, 200)


@dataclass(frozen=True)
class Zone:
    """Hourly columns of one zone and year."""

    start: datetime
    columns: dict[str, np.ndarray] = field(default_factory=dict)


def grid_folder() -> Path:
    """Folder with ``<ZONE>_<YEAR>.csv.gz`` files."""
    root = Path(__file__).resolve().parents[1]
    return Path(os.environ.get("JOULEWRIGHT_SHARED", root.parent / "shared")) / "data" / "grid"


_COLUMNS = ("price_usd_mwh", "ci_direct_g_kwh", "temp_c", "cloud_pct", "wind_kmh")


def read_zone(folder: Path, zone: str, year: int) -> Zone:
    """Read price, direct carbon intensity, temperature, cloud cover and wind speed of a zone."""
    with gzip.open(folder / f"{zone}_{year}.csv.gz", "rt") as stream:
        rows = list(csv.DictReader(stream))
    columns = {name: np.array([float(row[name]) for row in rows]) for name in _COLUMNS}
    return Zone(datetime.fromisoformat(rows[0]["utc"]).replace(tzinfo=UTC), columns)


def available_zones(folder: Path, year: int) -> tuple[str, ...]:
    """Zones in the folder whose file of that year has prices and weather."""
    suffix = f"_{year}.csv.gz"
    found = {path.name.removesuffix(suffix) for path in folder.glob(f"*{suffix}") if _is_complete(path)}
    return tuple([zone for zone in ZONES if zone in found] + sorted(found - set(ZONES)))


def _is_complete(path: Path) -> bool:
    with gzip.open(path, "rt") as stream:
        return set(_COLUMNS) <= set(next(csv.reader(stream)))


def generate(
    size: Size,
    *,
    seed: int = 0,
    grid: Path | None = None,
    year: int = 2022,
) -> Scenario:
    """Draw an instance.

    Parameters
    ----------
    size : Size
        Sites, hours and jobs.
    seed : int
        Decides everything that is drawn, the first hour included.
    grid : Path, optional
        Folder with the zone files.
    year : int
        Year of the zone files.
    """
    folder = grid_folder() if grid is None else grid
    random = np.random.default_rng([seed, size.sites, size.hours, size.jobs])
    zones = available_zones(folder, year)
    data = {name: read_zone(folder, name, year) for name in zones[: size.sites]}
    rows = min(zone.columns["temp_c"].size for zone in data.values())
    if size.hours > rows:
        raise ValueError(f"{size.hours} hours asked for, the zone files hold {rows}")
    offset = int(random.integers(0, max(1, rows - size.hours - 24) // 24 + 1)) * 24
    start = next(iter(data.values())).start + timedelta(hours=offset)
    timeline = Timeline(start=start, step_s=3600, steps=size.hours)
    sites = tuple(
        _site(random, position, data[zones[position % len(data)]], (rows, offset, size.hours))
        for position in range(size.sites)
    )
    regions = _regions(random, sites)
    return Scenario(
        name=f"random-{size.sites}x{size.hours}x{size.jobs}-{seed}",
        timeline=timeline,
        sites=sites,
        regions=regions,
        training=_jobs(random, size, timeline, sites),
        inference=_services(random, timeline, regions, sites),
        carbon=CarbonPolicy(),
    )


def with_binding_budget(scenario: Scenario, fraction: float = 0.85) -> Scenario:
    """The scenario with a budget of ``fraction`` of the carbon of its best plan without one (LP relaxation)."""
    joint = build(scenario)
    highs = pass_program(joint.program, options={"solver": "ipm", "run_crossover": "off"})
    highs.run()
    budget_kg = fraction * float(joint.carbon_kg @ read_solution(highs).values)
    return scenario.with_changes(carbon=replace(scenario.carbon, budget_kg=budget_kg))


def _site(random: np.random.Generator, position: int, zone: Zone, place: tuple[int, int, int]) -> Site:
    rows, offset, hours = place
    # Sites beyond the number of zones reuse a zone some weeks later.
    first = (offset + 24 * 21 * (position // len(ZONES))) % (rows - hours + 1)
    part = {name: values[first : first + hours] for name, values in zone.columns.items()}
    count = int(random.integers(24, 56)) * 1024
    peak_mw = count * _GPU_MW * 1.2
    pue = 1.08 + 0.008 * np.maximum(part["temp_c"] - 12.0, 0.0)
    return Site(
        name=f"site{position}",
        pue=pue,
        fixed_it_power_mw=np.full(hours, 0.5),
        fixed_facility_power_mw=np.full(hours, 0.2),
        grid=_grid(part, peak_mw),
        renewables=_renewables(random, part, peak_mw),
        batteries=(_battery(random, peak_mw),),
        generators=tuple(_generator(random, name, hours, peak_mw) for name in ("turbine", "engine")),
        fleets=(
            Fleet(
                name="h100",
                accelerator="H100-SXM",
                count=count,
                availability=np.ones(hours),
                active_power_mw=_GPU_MW,
                idle_power_mw=_IDLE_MW,
            ),
        ),
    )


def _grid(part: dict[str, np.ndarray], peak_mw: float) -> GridConnection:
    hours = part["temp_c"].size
    price = part["price_usd_mwh"]
    return GridConnection(
        import_limit_mw=np.full(hours, 0.72 * peak_mw),
        export_limit_mw=np.full(hours, 0.3 * peak_mw),
        import_price_per_mwh=price + 4.0,
        export_price_per_mwh=0.9 * price - 2.0,
        demand_windows=(
            DemandWindow(
                name="demand",
                price_per_mw=12_000.0,
                members=np.ones(hours, bool),
                peak_so_far_mw=0.3 * peak_mw,
                share=hours / 730.0,
            ),
        ),
        carbon_intensities=(CarbonIntensity(kind="average", scope="direct", kg_per_mwh=part["ci_direct_g_kwh"]),),
    )


def _renewables(random: np.random.Generator, part: dict[str, np.ndarray], peak_mw: float) -> tuple[RenewablePlant, ...]:
    hours = part["temp_c"].size
    clock = np.arange(hours) % 24
    daylight = np.clip(np.sin((clock - 6.0) / 12.0 * np.pi), 0.0, None)
    solar = daylight * (1.0 - 0.75 * (part["cloud_pct"] / 100.0) ** 3.4)
    hub = part["wind_kmh"] / 3.6 * 8.0 ** (1 / 7)
    wind = np.clip((hub - 3.0) / 9.0, 0.0, 1.0) ** 3 * (hub < 25.0)
    sizes = random.uniform(0.2, 0.6, 2) * peak_mw
    return (
        RenewablePlant(name="solar", kind="solar", capacity_mw=float(sizes[0]), per_unit=solar),
        RenewablePlant(name="wind", kind="wind", capacity_mw=float(sizes[1]), per_unit=wind),
    )


def _battery(random: np.random.Generator, peak_mw: float) -> Battery:
    power = float(random.uniform(0.2, 0.4)) * peak_mw
    return Battery(
        name="battery",
        energy_mwh=4.0 * power,
        charge_limit_mw=power,
        discharge_limit_mw=power,
        charge_efficiency=0.94,
        discharge_efficiency=0.94,
        initial_energy_mwh=2.0 * power,
        wear_cost_per_mwh=6.0,
    )


def _generator(random: np.random.Generator, name: str, hours: int, peak_mw: float) -> Generator:
    capacity = float(random.uniform(0.06, 0.12)) * peak_mw
    return Generator(
        name=name,
        capacity_mw=capacity,
        availability=np.ones(hours),
        fuel_cost_per_mwh=np.full(hours, float(random.uniform(45.0, 95.0))),
        min_load_mw=0.4 * capacity,
        ramp_mw_per_h=0.5 * capacity,
        min_up_h=3.0,
        min_down_h=2.0,
        start_cost=80.0 * capacity,
        emission_kg_per_mwh=float(random.uniform(420.0, 560.0)),
        no_load_cost_per_h=2.0 * capacity,
    )


def _regions(random: np.random.Generator, sites: tuple[Site, ...]) -> tuple[Region, ...]:
    places = random.uniform(0.0, 1.0, (len(sites), 2))
    regions = []
    for position in range(REGIONS):
        home = places[position % len(sites)] + random.normal(0.0, 0.08, 2)
        distance = np.hypot(*(places - home).T)
        latency = {site.name: float(5.0 + 110.0 * far) for site, far in zip(sites, distance, strict=True)}
        regions.append(Region(name=f"region{position}", latency_ms=latency))
    return tuple(regions)


def _jobs(
    random: np.random.Generator, size: Size, timeline: Timeline, sites: tuple[Site, ...]
) -> tuple[TrainingJob, ...]:
    total = sum(site.fleets[0].count for site in sites)
    lengths = random.integers(4, max(5, min(60, size.hours // 2)), size.jobs)
    weights = random.choice([1, 2, 4, 8], size.jobs, p=[0.3, 0.3, 0.25, 0.15])
    largest = _LARGEST_JOB * min(site.fleets[0].count for site in sites)
    counts = _job_sizes(weights, lengths, wanted=_TRAINING_SHARE * total * size.hours, largest=largest)
    jobs = []
    for position in range(size.jobs):
        length, gpus = int(lengths[position]), int(counts[position])
        # A year's jobs are spread over the year.
        latest = (size.hours - length) // 2 if size.hours <= _TWO_WEEKS else size.hours - 2 * length
        release = int(random.integers(0, max(1, latest)))
        slack = int(random.integers(2, _MOST_SLACK_H + 1))
        deadline = min(size.hours, release + length + slack)
        allowed = random.permutation(len(sites))[: max(2, len(sites) * 2 // 3)]
        jobs.append(
            TrainingJob(
                name=f"job{position}",
                gpus=gpus,
                duration_h=float(length),
                release=timeline.at(release),
                deadline=timeline.at(deadline),
                sites=tuple(sites[item].name for item in sorted(allowed)),
                value=2.0 * gpus * length,
            )
        )
    return tuple(jobs)


def _job_sizes(weights: np.ndarray, lengths: np.ndarray, *, wanted: float, largest: float) -> np.ndarray:
    """Accelerators of each job in multiples of 64, proportional to the weights where the largest size allows it."""
    unit = wanted / float((lengths * weights).sum())
    for _ in range(20):
        sizes = np.minimum(weights * unit, largest)
        unit *= wanted / float((lengths * sizes).sum())
    return np.clip(np.rint(sizes / 64.0) * 64.0, 64.0, largest // 64 * 64.0)


def _services(
    random: np.random.Generator, timeline: Timeline, regions: tuple[Region, ...], sites: tuple[Site, ...]
) -> tuple[InferenceService, ...]:
    total = sum(site.fleets[0].count for site in sites)
    clock = np.arange(timeline.steps)
    services = []
    kinds = (("chat", 2400.0, 90.0, 0.2), ("code", 1800.0, 75.0, 0.1), ("batch", 4000.0, None, 0.1))
    for name, throughput, limit, share in kinds:
        demand = {}
        for region in regions:
            phase = random.uniform(0.0, 24.0)
            shape = 1.0 + 0.5 * np.sin((clock - phase) / 24.0 * 2.0 * np.pi) + random.normal(0.0, 0.03, clock.size)
            demand[region.name] = share * total * throughput / len(regions) * np.maximum(shape, 0.1)
        services.append(
            InferenceService(
                name=name,
                demand_token_s=demand,
                serving=ServingPoint(throughput_token_s=throughput, active_power_mw=1.15e-3),
                latency_limit_ms=limit,
                revenue_per_mtoken=0.4,
                unserved_penalty_per_mtoken=4.0,
            )
        )
    return tuple(services)
