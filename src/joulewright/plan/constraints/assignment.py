"""Every job starts once or is rejected.

Constraint (1): ``sum over fleets and steps of start[j, f, t] + rejected[j] = count[j]`` where equal jobs
are one group with an integer count. Starts exist only inside the window and on fleets that are large
enough. Rejection exists only for jobs that are not required; it costs the job's value, and the values of
all such jobs are a constant of the objective.
"""

from __future__ import annotations

import numpy as np

from joulewright.account import coefficients
from joulewright.errors import InfeasibleError
from joulewright.plan.inputs import Inputs, JobGroup, Placement
from joulewright.plan.model import Model, StartColumns
from joulewright.plan.program import Term


def add_assignment(model: Model) -> None:
    """Add start and rejection variables of the rigid jobs and their assignment rows."""
    groups = model.inputs.rigid
    if not groups:
        return
    starts = _start_columns(model, groups)
    model.starts = starts
    counts = np.array([group.count for group in groups], float)
    terms = [Term(starts.group, starts.block.index, 1.0)]
    rejected = add_rejection(model, groups)
    if rejected is not None:
        terms.append(rejected)
    model.builder.add_rows(
        "assignment", len(groups), lambda position: groups[position].job.name, terms, lower=counts, upper=counts
    )


def add_rejection(model: Model, groups: tuple[JobGroup, ...]) -> Term | None:
    """Rejection variables of the optional groups as a term with one row per group."""
    optional = [position for position, group in enumerate(groups) if not group.job.required]
    if not optional:
        return None
    counts = np.array([groups[position].count for position in optional], float)
    values = np.array([groups[position].job.value for position in optional])
    model.builder.offset -= float((counts * values).sum())
    values = values + [model.inputs.churn_cost * (groups[item].before is not None) for item in optional]
    block = model.builder.variable(
        "rejected",
        len(optional),
        lambda position: groups[optional[position]].job.name,
        upper=counts,
        cost=values,
        integer=True,
    )
    return Term(optional, block.index, 1.0)


def _allowed_starts(model: Model, group: JobGroup, placement: Placement) -> range:
    """Start steps; only the first one where shifting work in time is switched off."""
    if "shifting" not in model.without:
        return placement.starts
    first = min(other.starts.start for other in group.placements)
    return range(max(first, placement.starts.start), min(placement.starts.stop, first + 1))


def _start_columns(model: Model, groups: tuple[JobGroup, ...]) -> StartColumns:
    inputs = model.inputs
    chosen: list[tuple[int, Placement, range]] = []
    for position, group in enumerate(groups):
        options = [(position, place, _allowed_starts(model, group, place)) for place in group.placements]
        options = [option for option in options if option[2]]
        if not options and group.job.required:
            raise InfeasibleError(no_place(inputs, group))
        chosen.extend(options)
    sizes = [len(steps) for _, _, steps in chosen]
    groups_of = np.repeat([position for position, _, _ in chosen], sizes).astype(np.int64)
    placements = [place for (_, place, _), size in zip(chosen, sizes, strict=True) for _ in range(size)]
    step = np.concatenate([np.arange(steps.start, steps.stop) for _, _, steps in chosen] or [np.empty(0)])
    cost = np.concatenate(
        [start_costs(inputs, groups[position], place, steps) for position, place, steps in chosen] or [np.empty(0)]
    )
    starts_step = step.astype(np.int64)

    def label(position: int) -> str:
        place = placements[position].fleet
        job = groups[groups_of[position]].job.name
        return f"{job},{place.site.name}/{place.fleet.name},{inputs.step_label(int(starts_step[position]))}"

    def spread(values: list[float]) -> np.ndarray:
        return np.repeat(np.asarray(values, float), sizes)

    counts = spread([groups[position].count for position, _, _ in chosen])
    block = model.builder.variable("start", len(placements), label, upper=counts, cost=cost, integer=True)
    return StartColumns(
        block=block,
        group=groups_of,
        fleet=spread([place.fleet.position for _, place, _ in chosen]).astype(np.int64),
        step=starts_step,
        length=spread([place.steps for _, place, _ in chosen]).astype(np.int64),
        gpus=spread([groups[position].job.gpus for position, _, _ in chosen]),
        power_mw=spread([place.power_mw for _, place, _ in chosen]),
        last_fraction=spread([place.last_fraction for _, place, _ in chosen]),
        placements=placements,
    )


def start_costs(inputs: Inputs, group: JobGroup, place: Placement, steps: range) -> np.ndarray:
    """Delay, churn and energy beyond the horizon of each start [currency], shape ``(len(steps),)``."""
    scenario, job = inputs.scenario, group.job
    starts = np.arange(steps.start, steps.stop)
    costs = np.zeros(starts.size)
    if job.delay_cost_per_h:
        costs += [coefficients.delay_cost(scenario, job, int(start) + place.steps) for start in starts]
    if group.before is not None:
        site, fleet, step = group.before
        stays = (place.fleet.site.name == site) & (place.fleet.fleet.name == fleet) & (starts == step)
        costs += inputs.churn_cost * ~stays
    over = np.maximum(0, starts + place.steps - inputs.steps) * 1.0
    over[over > 0] -= 1.0 - place.last_fraction
    if over.any():
        energy_mwh = over * inputs.step_h * job.gpus * place.power_mw
        costs += energy_mwh * coefficients.beyond_cost_per_it_mwh(scenario, place.fleet.site)
    return costs


def no_place(inputs: Inputs, group: JobGroup) -> str:
    """Sentence that says why a required job has no start at all."""
    job = group.job
    sizes = {f"{index.site.name}/{index.fleet.name}": index.fleet.count for index in inputs.fleets}
    return (
        f"job {job.name!r} must run but has no possible start: it needs {job.smallest} accelerators for "
        f"{job.duration_h:g} h between {job.release.isoformat()} and {job.deadline.isoformat()}; fleets: {sizes}"
    )
