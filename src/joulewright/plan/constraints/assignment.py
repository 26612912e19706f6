"""Every job starts once or is rejected.

Constraint (1): ``sum over fleets and steps of start[j, f, t] + rejected[j] = count[j]`` where equal jobs
are one group with an integer count. Starts exist only inside the window and on fleets that are large
enough. Rejection exists only for jobs that are not required; it costs the job's value, and the values of
all jobs are a constant of the objective.
"""

from __future__ import annotations

import numpy as np

from joulewright.account import coefficients
from joulewright.errors import InfeasibleError
from joulewright.model.timeline import FloatArray, IntArray
from joulewright.plan.explanation import Explanation
from joulewright.plan.inputs import Inputs, JobGroup, Placement
from joulewright.plan.model import Model, StartColumns
from joulewright.plan.program import Term


def add_assignment(model: Model) -> None:
    """Add start and rejection variables of the rigid jobs and their assignment rows."""
    groups = model.inputs.rigid
    model.builder.offset -= sum(job.value for job in model.inputs.finished)
    if not groups:
        return
    starts = _start_columns(model, groups)
    model.starts = starts
    counts = np.array([group.count for group in groups], float)
    model.builder.offset -= sum(group.count * group.job.value for group in groups)
    terms = [Term(starts.group, starts.block.index, 1.0)]
    rejected = _rejection_term(model, groups)
    if rejected is not None:
        terms.append(rejected)
    model.builder.add_rows(
        "assignment", len(groups), lambda position: groups[position].job.name, terms, lower=counts, upper=counts
    )


def _rejection_term(model: Model, groups: tuple[JobGroup, ...]) -> Term | None:
    """Rejection variables of the optional groups as a term with one row per group."""
    optional = [position for position, group in enumerate(groups) if not group.job.required]
    if not optional:
        return None
    counts = np.array([groups[position].count for position in optional], float)
    values = np.array([groups[position].job.value for position in optional])
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


def _chosen_starts(model: Model, groups: tuple[JobGroup, ...]) -> list[tuple[int, Placement, range]]:
    """Group, placement and start steps of every run that is possible."""
    chosen: list[tuple[int, Placement, range]] = []
    for position, group in enumerate(groups):
        options = [(position, place, _allowed_starts(model, group, place)) for place in group.placements]
        options = [option for option in options if option[2]]
        if not options and group.job.required:
            raise no_place(model.inputs, group)
        chosen.extend(options)
    return chosen


def _start_columns(model: Model, groups: tuple[JobGroup, ...]) -> StartColumns:
    inputs, chosen = model.inputs, _chosen_starts(model, groups)
    sizes = [len(steps) for _, _, steps in chosen]
    placements = [place for (_, place, _), size in zip(chosen, sizes, strict=True) for _ in range(size)]

    def spread(values: list[float]) -> FloatArray:
        return np.repeat(np.asarray(values, float), sizes)

    group_of = spread([position for position, _, _ in chosen]).astype(np.int64)
    step = np.array([step for _, _, steps in chosen for step in steps], np.int64)
    costs = [_start_costs(inputs, groups[position], place, steps) for position, place, steps in chosen]

    def label(position: int) -> str:
        place, job = placements[position].fleet, groups[group_of[position]].job.name
        return f"{job},{place.site.name}/{place.fleet.name},{inputs.step_label(int(step[position]))}"

    block = model.builder.variable(
        "start",
        len(placements),
        label,
        upper=spread([groups[position].count for position, _, _ in chosen]),
        cost=np.concatenate([*costs, np.empty(0)]),
        integer=True,
    )
    return StartColumns(
        block=block,
        group=group_of,
        fleet=spread([place.fleet.position for _, place, _ in chosen]).astype(np.int64),
        step=step,
        length=spread([place.steps for _, place, _ in chosen]).astype(np.int64),
        gpus=spread([groups[position].job.gpus for position, _, _ in chosen]),
        power_mw=spread([place.power_mw for _, place, _ in chosen]),
        last_fraction=spread([place.last_fraction for _, place, _ in chosen]),
        placements=placements,
    )


def _start_costs(inputs: Inputs, group: JobGroup, place: Placement, steps: range) -> FloatArray:
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
    if job.beyond:
        over = steps_beyond(inputs.steps, starts + place.steps, place.last_fraction)
        energy_mwh = over * inputs.step_h * job.gpus * place.power_mw
        costs += energy_mwh * coefficients.beyond_cost_per_it_mwh(scenario, place.fleet.site)
    return costs


def steps_beyond(horizon: int, stop: IntArray, last_fraction: float | FloatArray) -> FloatArray:
    """Steps of a run after the horizon, the last one counted by its fraction.

    Examples
    --------
    >>> steps_beyond(10, np.array([9, 10, 12]), 0.25).tolist()
    [0.0, 0.0, 1.25]
    """
    over = np.maximum(0, stop - horizon)
    return np.where(over > 0, over - 1.0 + last_fraction, 0.0)


def no_place(inputs: Inputs, group: JobGroup) -> InfeasibleError:
    """The error that says why a required job has no start at all."""
    job = group.job
    fleets = [
        f"{index.site.name}/{index.fleet.name} with {index.fleet.count:,}"
        for index in inputs.fleets
        if job.allows(index.site.name)
    ]
    window_h = (job.deadline - max(job.release, inputs.scenario.timeline.start)).total_seconds() / 3600.0
    explanation = Explanation(
        because=(
            f"job {job.name!r} must run for {job.duration_h:g} h on {job.smallest:,} accelerators",
            f"it has {max(0.0, window_h):g} h between its release at {job.release.isoformat()} and its deadline at "
            f"{job.deadline.isoformat()}",
            f"the horizon ends at {inputs.scenario.timeline.end.isoformat()}",
            f"it may use {', '.join(fleets) or 'no fleet'} accelerators",
        ),
        conclusion=f"job {job.name!r} has no possible start",
        basis="window",
        subject=("job", job.name),
    )
    return InfeasibleError(str(explanation), explanation)
