"""From a solution vector to a schedule and marginal prices."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from joulewright.model import (
    BatterySchedule,
    GeneratorSchedule,
    JobSchedule,
    Route,
    Schedule,
    Segment,
    ServiceSchedule,
    Site,
    SiteSchedule,
)
from joulewright.model.timeline import FloatArray
from joulewright.physics.battery import storage_coefficients
from joulewright.plan.constraints.demand import TOKEN_UNIT, serving_head
from joulewright.plan.constraints.renewables import available_mw
from joulewright.plan.divisible_schedule import divisible_segments
from joulewright.plan.inputs import Inputs, RouteIndex
from joulewright.plan.model import JointProgram
from joulewright.plan.result import Duals
from joulewright.plan.solver import LinearSolution

_NOISE = 1e-9
_Place = tuple[str, str, int]
"""Site, fleet and operating point."""


class Reader:
    """Reads families of a solution by the head of their labels.

    Parameters
    ----------
    joint : JointProgram
        The compiled model.
    vector : FloatArray
        Values of all columns, or duals of all rows.
    rows : bool
        True to read rows.
    """

    def __init__(self, joint: JointProgram, vector: FloatArray, *, rows: bool = False) -> None:
        self._families = joint.program.rows if rows else joint.program.variables
        self._vector = vector
        self._heads: dict[str, dict[str, FloatArray]] = {}

    def family(self, name: str) -> dict[str, FloatArray]:
        """Values of a family by label head (everything before the step)."""
        if name not in self._heads:
            blocks = self._families.get(name, [])
            self._heads[name] = {
                block.label(0).rsplit(",", 1)[0]: block.values(self._vector) for block in blocks if block.size
            }
        return self._heads[name]

    def get(self, name: str, head: str, size: int) -> FloatArray:
        """One series, zeros where the model has none."""
        values = self.family(name).get(head)
        return np.zeros(size) if values is None else np.where(np.abs(values) < _NOISE, 0.0, values)


def read_schedule(joint: JointProgram, values: FloatArray, planner: str) -> Schedule:
    """Schedule of an integral solution of the joint model."""
    reader = Reader(joint, values)
    inputs = joint.inputs
    return Schedule(
        planner=planner,
        jobs={job.job: job for job in _jobs(joint, values)},
        services=_services(inputs, reader),
        sites={site.name: _site(inputs, reader, site) for site in inputs.scenario.sites},
    )


def _jobs(joint: JointProgram, values: FloatArray) -> Iterator[JobSchedule]:
    inputs = joint.inputs
    placed: dict[str, JobSchedule] = {}
    starts = joint.starts
    if starts is not None:
        units = np.rint(starts.block.values(values)).astype(int)
        order = sorted(
            np.flatnonzero(units), key=lambda item: (starts.group[item], starts.step[item], starts.fleet[item])
        )
        taken = [0] * len(inputs.rigid)
        for column in order:
            group = inputs.rigid[int(starts.group[column])]
            place, first = starts.placements[int(column)], int(starts.step[column])
            for _ in range(units[column]):
                # Members of a group are equal, so the first in file order gets the earliest start.
                name = group.names[taken[int(starts.group[column])]]
                taken[int(starts.group[column])] += 1
                segment = Segment(
                    site=place.fleet.site.name,
                    fleet=place.fleet.fleet.name,
                    first_step=first,
                    stop_step=first + place.steps,
                    accelerators=float(group.job.gpus),
                    last_fraction=place.last_fraction,
                )
                placed[name] = JobSchedule(job=name, segments=(segment,))
    for group in inputs.divisible:
        name = group.job.name
        placed[name] = JobSchedule(job=name, segments=divisible_segments(joint, group.job, values))
    for job in inputs.scenario.training:
        yield placed.get(job.name, JobSchedule(job=job.name))


def _services(inputs: Inputs, reader: Reader) -> dict[str, ServiceSchedule]:
    services = {}
    for service in inputs.scenario.inference:
        routes: list[Route] = []
        served: list[FloatArray] = []
        unserved: dict[str, FloatArray] = {}
        for route in (route for route in inputs.routes if route.service is service):
            for region, series, missing in _split(inputs, reader, route):
                unserved[region] = missing
                for (site, fleet, point), flow in series.items():
                    routes.append(Route(region=region, site=site, fleet=fleet, point=point))
                    served.append(flow)
        services[service.name] = ServiceSchedule(
            routes=tuple(routes),
            served_token_s=np.array(served) if served else np.zeros((0, inputs.steps)),
            unserved_token_s={region: unserved[region] for region in service.demand_token_s},
        )
    return services


def _split(
    inputs: Inputs, reader: Reader, route: RouteIndex
) -> Iterator[tuple[str, dict[_Place, FloatArray], FloatArray]]:
    """Share the flow of regions with equal options among them, nearest sites first."""
    flows: dict[_Place, FloatArray] = {
        (index.site.name, index.fleet.name, point): np.maximum(
            0.0, TOKEN_UNIT * reader.get("served", serving_head(route, index, point), inputs.steps)
        )
        for index in route.fleets
        for point in range(len(route.service.points_on(index.fleet)))
    }
    missing = {region: np.asarray(route.service.demand_token_s[region], float).copy() for region in route.regions}
    result: dict[str, dict[_Place, FloatArray]] = {region: {} for region in route.regions}
    pairs = sorted(
        (
            (inputs.scenario.region(region).latency_ms[place[0]], position, region, place)
            for position, region in enumerate(route.regions)
            for place in flows
        ),
        key=lambda pair: (pair[0], pair[1]),
    )
    for _, _, region, place in pairs:
        part = np.minimum(flows[place], missing[region])
        if part.any():
            result[region][place] = part
            flows[place] = flows[place] - part
            missing[region] = missing[region] - part
    for region in route.regions:
        demand = route.service.demand_token_s[region]
        # What rounding left over goes to the first route, so demand closes exactly where nothing is unserved.
        rest = np.where(missing[region] <= 1e-7 * np.maximum(1.0, demand), missing[region], 0.0)
        if result[region] and rest.any():
            first = next(iter(result[region]))
            result[region][first] = result[region][first] + rest
            missing[region] = missing[region] - rest
        yield region, result[region], missing[region]


def _site(inputs: Inputs, reader: Reader, site: Site) -> SiteSchedule:
    steps = inputs.steps
    bought, sold = (np.maximum(0.0, reader.get(name, site.name, steps)) for name in ("grid_import", "grid_export"))
    return SiteSchedule(
        grid_import_mw=bought,
        grid_export_mw=sold,
        unserved_mw=np.maximum(0.0, reader.get("unserved_power", site.name, steps)),
        renewable_used_mw=_renewables(reader, site, steps),
        batteries={battery.name: _battery(inputs, reader, site, battery.name) for battery in site.batteries},
        generators={
            generator.name: _generator(reader, f"{site.name}/{generator.name}", steps) for generator in site.generators
        },
    )


def _renewables(reader: Reader, site: Site, steps: int) -> dict[str, FloatArray]:
    if not site.renewables:
        return {}
    used = np.maximum(0.0, reader.get("renewable_used", site.name, steps))
    total = available_mw(site)
    share = np.divide(used, total, out=np.zeros(steps), where=total > 0.0)
    return {plant.name: np.minimum(1.0, share) * plant.available_mw for plant in site.renewables}


def _battery(inputs: Inputs, reader: Reader, site: Site, name: str) -> BatterySchedule:
    battery = next(item for item in site.batteries if item.name == name)
    head, steps = f"{site.name}/{name}", inputs.steps
    charge, discharge = (np.maximum(0.0, reader.get(kind, head, steps)) for kind in ("charge", "discharge"))
    retention, effective_h = storage_coefficients(inputs.step_h, battery.self_discharge_per_h)
    gain = effective_h * (battery.charge_efficiency * charge - discharge / battery.discharge_efficiency)
    energy = np.empty(steps + 1)
    energy[0] = battery.initial_energy_mwh
    for step in range(steps):
        energy[step + 1] = retention * energy[step] + gain[step]
    return BatterySchedule(charge_mw=charge, discharge_mw=discharge, energy_mwh=energy)


def _generator(reader: Reader, head: str, steps: int) -> GeneratorSchedule:
    output = np.maximum(0.0, reader.get("generator_output", head, steps))
    states = reader.family("on").get(head)
    on = output > 1e-6 if states is None else states > 0.5
    return GeneratorSchedule(output_mw=np.where(on, output, 0.0), on=on)


def read_duals(joint: JointProgram, solution: LinearSolution) -> Duals:
    """Marginal prices of a solution whose integer columns are held."""
    inputs = joint.inputs
    rows = Reader(joint, solution.row_duals, rows=True)
    columns = Reader(joint, solution.reduced_costs)
    steps, step_h = inputs.steps, inputs.step_h
    sites = [site.name for site in inputs.scenario.sites]
    budgets = {
        block.label(0): -float(block.values(solution.row_duals)[0])
        for block in joint.program.rows.get("carbon_budget", [])
    }
    accelerators = {}
    for index in inputs.fleets:
        head = f"{index.site.name}/{index.fleet.name}"
        price = -rows.get("accelerators", head, steps)
        held = columns.family("held").get(head)
        accelerators[head] = (price if held is None else price + np.maximum(0.0, -held)) / step_h
    return Duals(
        power_price_per_mwh={name: rows.get("balance", name, steps) / step_h for name in sites},
        carbon_price_per_t=1000.0 * budgets.get("system", 0.0),
        site_carbon_price_per_t={name: 1000.0 * price for name, price in budgets.items() if name != "system"},
        import_limit_price_per_mw={name: np.maximum(0.0, -columns.get("grid_import", name, steps)) for name in sites},
        export_limit_price_per_mw={name: np.maximum(0.0, -columns.get("grid_export", name, steps)) for name in sites},
        accelerator_price_per_h=accelerators,
    )
