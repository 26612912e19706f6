"""The long view of a rolling plan: one relaxed program over the whole horizon."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from joulewright.model import Scenario
from joulewright.model.timeline import FloatArray
from joulewright.plan.extraction import Reader
from joulewright.plan.formulation import build
from joulewright.plan.free_generators import relax_generators
from joulewright.plan.guided.workbench import Workbench, lagrangian_bound
from joulewright.plan.infeasible import raise_infeasible
from joulewright.plan.inputs import FleetIndex, JobGroup


@dataclass(frozen=True, eq=False)
class Outlook:
    """Prices and trajectories of the relaxed plan of the whole horizon.

    Attributes
    ----------
    bound : float
        Lagrangian bound on the objective (minus the benefit) of the original scenario.
    stored_value : mapping of str to FloatArray
        Worth of stored energy after each step by ``site/battery`` [currency/MWh].
    job_price : mapping of str to FloatArray
        Price of one busy accelerator for one step by ``site/fleet``, power not included [currency].
    power_price : mapping of str to FloatArray
        Price of one MW of facility load for one step by site [currency/MW].
    peak_mw : mapping of str to float
        Peak import by ``site/window``.
    carbon_price_per_kg : mapping of str to float
        Prices of the carbon budgets by ``system`` or site [currency/kg].
    carbon_kg : mapping of str to FloatArray
        Carbon used up to each boundary by ``system`` or site, each of shape ``(T + 1,)``.
    starts : mapping of str to FloatArray
        Estimated cost of the best start of each job at or after each step, shape ``(T + 1,)``; infinite if none.
    work : float
        Work units spent.
    """

    bound: float
    stored_value: dict[str, FloatArray]
    job_price: dict[str, FloatArray]
    power_price: dict[str, FloatArray]
    peak_mw: dict[str, float]
    carbon_price_per_kg: dict[str, float]
    carbon_kg: dict[str, FloatArray]
    starts: dict[str, FloatArray]
    work: float


def look_ahead(scenario: Scenario, without: frozenset[str], *, relax: bool = True) -> Outlook:
    """Solve the relaxation of the whole horizon by interior point.

    Parameters
    ----------
    scenario : Scenario
        The facts.
    without : frozenset of str
        Rules of the model to switch off.
    relax : bool
        True to leave generator commitment out: a smaller program with a slightly weaker bound.

    Raises
    ------
    InfeasibleError
        If even the relaxation is infeasible.
    """
    relaxed = relax_generators(scenario) if relax else scenario
    joint = build(relaxed, without=without)
    bench = Workbench(joint.program, {"threads": 1})
    solution = bench.interior_solve()
    if solution.status == "Infeasible":
        raise_infeasible(joint)
    rows, columns = Reader(joint, solution.row_duals, rows=True), Reader(joint, solution.values)
    reduced = Reader(joint, solution.reduced_costs)
    steps = joint.inputs.steps
    job_price, power_price = {}, {}
    for site in scenario.sites:
        power_price[site.name] = rows.get("balance", site.name, steps)
        for fleet in site.fleets:
            head = f"{site.name}/{fleet.name}"
            held = np.maximum(0.0, -reduced.get("held", head, steps))
            job_price[head] = np.maximum(0.0, -rows.get("accelerators", head, steps)) + held
    budgets = {
        block.label(0): max(0.0, -float(block.values(solution.row_duals)[0]))
        for block in joint.program.rows.get("carbon_budget", [])
    }
    parts = (job_price, power_price)
    return Outlook(
        bound=lagrangian_bound(joint.program, solution.row_duals),
        stored_value={head: np.maximum(0.0, -values) for head, values in rows.family("storage").items()},
        job_price=job_price,
        power_price=power_price,
        peak_mw={
            block.label(0): float(block.values(solution.values)[0]) for block in joint.program.variables.get("peak", [])
        },
        carbon_price_per_kg=budgets,
        carbon_kg=_carbon(relaxed, columns),
        starts={name: _best_start(scenario, group, parts) for group in joint.inputs.rigid for name in group.names},
        work=bench.work,
    )


def _carbon(scenario: Scenario, columns: Reader) -> dict[str, FloatArray]:
    """Cumulative carbon by site and of the system."""
    steps, step_h = scenario.timeline.steps, scenario.timeline.step_h
    total = np.zeros(steps + 1)
    result = {}
    for site in scenario.sites:
        series = scenario.deciding_intensity(site)
        kg = np.zeros(steps)
        if series is not None:
            kg += step_h * series.kg_per_mwh * columns.get("grid_import", site.name, steps)
        for unit in site.generators:
            kg += step_h * unit.emission_kg_per_mwh * columns.get("generator_output", f"{site.name}/{unit.name}", steps)
        result[site.name] = np.concatenate([[0.0], np.cumsum(kg)])
        total = total + result[site.name]
    result["system"] = total
    return result


def _best_start(
    scenario: Scenario, group: JobGroup, prices: tuple[dict[str, FloatArray], dict[str, FloatArray]]
) -> FloatArray:
    """Cheapest estimated cost over all starts at or after each step."""
    steps = scenario.timeline.steps
    best = np.full(steps + 1, np.inf)
    for place in group.placements:
        per_step = _run_price(place.fleet, group.job.gpus, place.power_mw, prices)
        total = np.concatenate([[0.0], np.cumsum(per_step)])
        starts = np.arange(place.starts.start, place.starts.stop)
        cost = total[np.minimum(starts + place.steps, steps)] - total[starts]
        best[starts] = np.minimum(best[starts], cost)
    return np.minimum.accumulate(best[::-1])[::-1]


def _run_price(
    index: FleetIndex, gpus: int, power_mw: float, prices: tuple[dict[str, FloatArray], dict[str, FloatArray]]
) -> FloatArray:
    """Estimated cost of a step of a running job [currency], shape ``(T,)``."""
    job_price, power_price = prices
    head = f"{index.site.name}/{index.fleet.name}"
    extra_mw = (power_mw - index.fleet.idle_power_mw) * index.site.pue
    return np.asarray(gpus * (job_price[head] + extra_mw * power_price[index.site.name]))
