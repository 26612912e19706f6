"""Work placed by simple rules: requests first, then jobs one after the other into what is left."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from joulewright.account import coefficients
from joulewright.model import (
    InferenceService,
    JobSchedule,
    Route,
    Scenario,
    Schedule,
    Segment,
    ServiceSchedule,
    Site,
    TrainingJob,
)
from joulewright.model.timeline import FloatArray
from joulewright.plan.inputs import FleetIndex, Inputs, JobGroup, Placement

_SLACK = 1e-9


@dataclass(frozen=True, eq=False)
class Run:
    """An uninterrupted run of a job on one fleet.

    Attributes
    ----------
    place : Placement
        Where.
    starts : range
        Steps in which it may start.
    steps : int
        Steps it takes.
    last_fraction : float
        Part of its last step in which it draws power.
    gpus : float
        Accelerators it holds.
    """

    place: Placement
    starts: range
    steps: int
    last_fraction: float
    gpus: float

    @property
    def fleet(self) -> FleetIndex:
        """The fleet of the run."""
        return self.place.fleet


@dataclass(eq=False)
class Room:
    """What placed work leaves free.

    Attributes
    ----------
    inputs : Inputs
        Flat solver inputs.
    limit_mw : list of FloatArray
        Facility power each site may draw [MW], each of shape ``(T,)``; infinite where only the IT limit counts.
    accelerators : FloatArray
        Accelerators left, shape ``(F, T)``.
    power_mw : FloatArray
        Facility power left [MW], shape ``(S, T)``.
    """

    inputs: Inputs
    limit_mw: list[FloatArray]
    accelerators: FloatArray = field(init=False)
    power_mw: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        sites, steps = self.inputs.scenario.sites, self.inputs.steps
        self.accelerators = np.array([index.fleet.available for index in self.inputs.fleets]).reshape(-1, steps)
        self.power_mw = np.array(
            [np.maximum(0.0, _room_mw(site, limit)) for site, limit in zip(sites, self.limit_mw, strict=True)]
        ).reshape(-1, steps)

    def fits(self, run: Run) -> FloatArray:
        """Whether the run fits from each of its starts, shape ``(len(run.starts),)``."""
        index, first = run.fleet, np.arange(run.starts.start, run.starts.stop)
        added_mw = run.gpus * _added_mw(index, run.place.power_mw)
        enough = lowest(self.accelerators[index.position], run.steps)[first] >= run.gpus - _SLACK
        spare = self.power_mw[index.site_position] - added_mw
        return np.asarray(enough & (lowest(spare, run.steps)[first] >= -_SLACK))

    def take(self, run: Run, start: int) -> None:
        """Occupy accelerators and power; what is not there is taken nevertheless."""
        index, window = run.fleet, slice(start, start + run.steps)
        self.accelerators[index.position, window] -= run.gpus
        self.power_mw[index.site_position, window] -= run.gpus * _added_mw(index, run.place.power_mw)[window]

    def serve(self, service: InferenceService, index: FleetIndex, rate: FloatArray, steps: FloatArray) -> FloatArray:
        """Serve up to ``rate`` [token/s] in some steps and return what was served."""
        point = service.point_on(index.fleet)
        accelerators = np.maximum(0.0, self.accelerators[index.position]) * steps
        power_mw = np.maximum(0.0, self.power_mw[index.site_position])
        each_mw = np.maximum(0.0, _added_mw(index, point.active_power_mw)) / point.throughput_token_s
        most = np.divide(power_mw, each_mw, out=np.full(rate.size, np.inf), where=each_mw > 0.0)
        served: FloatArray = np.minimum(rate, np.minimum(accelerators * point.throughput_token_s, most))
        self.accelerators[index.position] -= served / point.throughput_token_s
        self.power_mw[index.site_position] -= served * each_mw
        return served


def lowest(values: FloatArray, steps: int) -> FloatArray:
    """Lowest value in the ``steps`` steps from each step on; nothing limits beyond the horizon.

    Examples
    --------
    >>> lowest(np.array([3.0, 1.0, 2.0]), 2).tolist()
    [1.0, 1.0, 2.0]
    """
    padded = np.concatenate([values, np.full(steps - 1, np.inf)])
    return np.asarray(sliding_window_view(padded, steps).min(axis=1))


def supply_limit_mw(site: Site) -> FloatArray:
    """Power the site can draw without its batteries: import limit, renewables and generators [MW], shape ``(T,)``."""
    total = np.zeros(site.pue.size) if site.grid is None else site.grid.import_limit_mw.copy()
    for plant in site.renewables:
        total += plant.available_mw
    for generator in site.generators:
        total += generator.capacity_mw * generator.availability
    return total


def site_price(scenario: Scenario, site: Site) -> FloatArray:
    """Price of a MWh of facility load from the grid, carbon price included [currency/MWh], shape ``(T,)``.

    Without a grid the fuel cost of the cheapest generator stands in, or zero.
    """
    unit = coefficients.grid_coefficients(scenario, site)
    if unit is None:
        costs = [generator.fuel_cost_per_mwh for generator in site.generators]
        return np.min(costs, axis=0) if costs else np.zeros(scenario.timeline.steps)
    carbon = coefficients.carbon_price_per_kg(scenario) * unit.import_carbon_kg
    return np.asarray((unit.import_cost + carbon) / scenario.timeline.step_h)


def place_early(inputs: Inputs) -> Schedule:
    """Jobs as early and requests as near as accelerators allow; sites in file order where it makes no difference.

    Jobs that must run but find no room start as early as possible all the same.
    """
    sites, steps = inputs.scenario.sites, inputs.steps
    room = Room(inputs, [np.full(steps, np.inf) for _ in sites])
    services = _serve(room, None)
    jobs: dict[str, JobSchedule] = {}
    for group in _in_file_order(inputs):
        for name in group.names:
            jobs[name] = _place(room, group, name, None)
    return Schedule(planner="early", jobs=_ordered(inputs, jobs), services=services, sites={})


def place_cheaply(inputs: Inputs, price_per_mwh: list[FloatArray] | None = None) -> Schedule:
    """Requests where power is cheapest, then jobs by value per accelerator-hour into their cheapest window.

    Windows must have room in accelerators and, counted without batteries, in power.

    Parameters
    ----------
    inputs : Inputs
        Flat solver inputs.
    price_per_mwh : list of FloatArray, optional
        Price of facility load at each site [currency/MWh], each of shape ``(T,)``; that of the grid by default.
    """
    scenario = inputs.scenario
    prices = [site_price(scenario, site) for site in scenario.sites] if price_per_mwh is None else price_per_mwh
    room = Room(inputs, [supply_limit_mw(site) for site in scenario.sites])
    services = _serve(room, prices)
    jobs: dict[str, JobSchedule] = {}
    for group in sorted(_in_file_order(inputs), key=lambda group: -_density(group.job)):
        for name in group.names:
            jobs[name] = _place(room, group, name, prices)
    return Schedule(planner="greedy", jobs=_ordered(inputs, jobs), services=services, sites={})


def _room_mw(site: Site, limit_mw: FloatArray) -> FloatArray:
    idle_mw = np.sum([fleet.available * fleet.idle_power_mw for fleet in site.fleets] or [0.0 * site.pue], axis=0)
    if site.it_limit_mw is not None:
        limit_mw = np.minimum(limit_mw, site.pue * site.it_limit_mw + site.fixed_facility_power_mw)
    base_mw = site.pue * (idle_mw + site.fixed_it_power_mw) + site.fixed_facility_power_mw
    return np.asarray(limit_mw - base_mw)


def _added_mw(index: FleetIndex, active_mw: float) -> FloatArray:
    """Facility power that one accelerator adds when it leaves idle [MW], shape ``(T,)``."""
    return index.site.pue * (active_mw - index.fleet.idle_power_mw)


def _density(job: TrainingJob) -> float:
    """Value per accelerator-hour; jobs that must run come first."""
    return float("inf") if job.required else job.value / (job.gpus * job.duration_h)


def _in_file_order(inputs: Inputs) -> list[JobGroup]:
    order = {job.name: position for position, job in enumerate(inputs.scenario.training)}
    return sorted((*inputs.rigid, *inputs.divisible), key=lambda group: order[group.names[0]])


def _ordered(inputs: Inputs, jobs: dict[str, JobSchedule]) -> dict[str, JobSchedule]:
    return {job.name: jobs.get(job.name, JobSchedule(job=job.name)) for job in inputs.scenario.training}


def single_runs(inputs: Inputs, group: JobGroup) -> Iterator[Run]:
    """Runs without a pause at the job's reference size, one per fleet."""
    job, timeline = group.job, inputs.scenario.timeline
    if job.kind == "rigid":
        for place in group.placements:
            yield Run(place, place.starts, place.steps, place.last_fraction, float(job.gpus))
        return
    size, rate = float(min(max(job.gpus, job.smallest), job.largest)), 1.0
    if job.kind == "elastic":
        sizes, speeds = np.array(job.speed_points).T
        rate = float(np.interp(size, sizes, speeds))
    for place in group.placements:
        steps = timeline.steps_for(job.duration_on(place.fleet.fleet, timeline) / rate)
        first, last = job.first_step(timeline), min(job.last_boundary(timeline), timeline.steps) - steps
        if job.running_since is not None:
            first, last = 0, min(0, last)
        elif job.start is not None:
            first = max(first, timeline.ceil(job.start))
            last = min(last, first)
        if last >= first and steps and place.fleet.fleet.count >= size:
            yield Run(place, range(first, last + 1), steps, 1.0, size)


def _place(room: Room, group: JobGroup, name: str, prices: list[FloatArray] | None) -> JobSchedule:
    """The earliest (without prices) or cheapest start that fits; a job that must run takes one that does not."""
    job, runs = group.job, list(single_runs(room.inputs, group))
    best: tuple[float, int, int] | None = None
    for position, run in enumerate(runs):
        starts = np.arange(run.starts.start, run.starts.stop)
        rank = starts.astype(float) if prices is None else _window_cost(run, prices)
        rank = np.where(room.fits(run), rank, np.inf)
        item = int(np.argmin(rank))
        if np.isfinite(rank[item]) and (best is None or rank[item] < best[0]):
            best = (float(rank[item]), position, int(starts[item]))
    if best is None and job.required and runs:
        position = min(range(len(runs)), key=lambda item: runs[item].starts.start)
        best = (0.0, position, runs[position].starts.start)
    if best is None:
        return JobSchedule(job=name)
    run, start = runs[best[1]], best[2]
    room.take(run, start)
    segment = Segment(
        site=run.fleet.site.name,
        fleet=run.fleet.fleet.name,
        first_step=start,
        stop_step=start + run.steps,
        accelerators=run.gpus,
        last_fraction=run.last_fraction,
    )
    return JobSchedule(job=name, segments=(segment,))


def _window_cost(run: Run, prices: list[FloatArray]) -> FloatArray:
    """Price of the power that one accelerator of the run takes from every start."""
    return window_sums(run, prices[run.fleet.site_position] * run.fleet.site.pue * run.place.power_mw)


def window_sums(run: Run, each: FloatArray) -> FloatArray:
    """Sum of a series over the run from every start, shape ``(N,)``; beyond the horizon its mean counts."""
    reach = np.concatenate([[0.0], np.cumsum(np.concatenate([each, np.full(run.steps, each.mean())]))])
    first = np.arange(run.starts.start, run.starts.stop)
    return np.asarray(reach[first + run.steps] - reach[first])


def _serve(room: Room, prices: list[FloatArray] | None) -> dict[str, ServiceSchedule]:
    """Serve every service at the nearest site, or step by step at the cheapest, then at the next one."""
    services = {}
    for service in room.inputs.scenario.inference:
        routes: list[Route] = []
        served: list[FloatArray] = []
        unserved: dict[str, FloatArray] = {}
        for region, demand in service.demand_token_s.items():
            missing = np.array(demand, float)
            choices = _reachable(room.inputs, service, region)
            flows = np.zeros((len(choices), missing.size))
            for turn in _turns(service, choices, prices, missing.size):
                for position, index in enumerate(choices):
                    part = room.serve(service, index, missing, (turn == position).astype(float))
                    flows[position] += part
                    missing = missing - part
            for index, flow in zip(choices, flows, strict=True):
                if flow.any():
                    routes.append(Route(region=region, site=index.site.name, fleet=index.fleet.name))
                    served.append(flow)
            unserved[region] = np.where(missing <= 1e-9 * np.maximum(1.0, demand), 0.0, missing)
        services[service.name] = ServiceSchedule(
            routes=tuple(routes),
            served_token_s=np.array(served) if served else np.zeros((0, room.inputs.steps)),
            unserved_token_s=unserved,
        )
    return services


def _reachable(inputs: Inputs, service: InferenceService, name: str) -> list[FleetIndex]:
    """Fleets that may serve a region, nearest first."""
    region = inputs.scenario.region(name)
    found = [
        index
        for index in inputs.fleets
        if service.runs_on(index.fleet) and service.reaches(index.site.name, region.latency_ms, region.residency)
    ]
    return sorted(found, key=lambda index: region.latency_ms[index.site.name])


def _turns(
    service: InferenceService, choices: list[FleetIndex], prices: list[FloatArray] | None, steps: int
) -> FloatArray:
    """Position of the fleet to use in every step, one row per turn, shape ``(K, T)``."""
    if prices is None or not choices:
        return np.tile(np.arange(len(choices), dtype=float)[:, None], (1, steps))
    costs = []
    for index in choices:
        point = service.point_on(index.fleet)
        costs.append(prices[index.site_position] * _added_mw(index, point.active_power_mw) / point.throughput_token_s)
    return np.argsort(np.array(costs), axis=0, kind="stable").astype(float)
