"""Limits that cannot hold together, found in the linear relaxation and told in the scenario's own terms."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import highspy
import numpy as np
from numpy.typing import NDArray

from joulewright.model import Scenario, Timeline
from joulewright.model.timeline import FloatArray, IntArray
from joulewright.plan.constraints.demand import TOKEN_UNIT
from joulewright.plan.explanation import figure
from joulewright.plan.model import JointProgram
from joulewright.plan.program import Block, Program
from joulewright.plan.solver import pass_program

_TIME_S = 10.0
_SHOWN_SPANS = 3
_SHOWN_JOBS = 5
_SHOWN = 9
_FREE, _LOWER = 1, 2


@dataclass(frozen=True, eq=False)
class Member:
    """A row or the bounds of a column in a conflict.

    Attributes
    ----------
    family, label : str
        Its name.
    position : int
        Flat position within its block.
    side : {"row", "lower", "upper"}
        What of it matters; boxed columns count as ``upper``.
    index : int
        Row or column of the program.
    """

    family: str
    label: str
    position: int
    side: str
    index: int

    @property
    def head(self) -> str:
        """Label without the step."""
        return self.label.rsplit(",", 1)[0]


@dataclass(frozen=True, eq=False)
class Conflict:
    """Members of an infeasible subsystem; ``irreducible`` if each of them is needed."""

    members: tuple[Member, ...]
    irreducible: bool

    def families(self) -> set[str]:
        """Families that take part."""
        return {item.family for item in self.members}

    def touches(self, rows: IntArray, columns: IntArray) -> bool:
        """Whether some of the rows, or upper bounds of the columns, take part."""
        own_rows = {item.index for item in self.members if item.side == "row"}
        own_columns = {item.index for item in self.members if item.side == "upper"}
        return not (own_rows.isdisjoint(rows.tolist()) and own_columns.isdisjoint(columns.tolist()))

    def steps(self, *families: str) -> dict[str, list[int]]:
        """Positions of the members of some families, by head of their label."""
        found: dict[str, list[int]] = {}
        for item in self.members:
            if item.family in families:
                found.setdefault(item.head, []).append(item.position)
        return {head: sorted(set(steps)) for head, steps in found.items()}


def find_conflict(program: Program) -> Conflict:
    """An irreducible infeasible subsystem of the relaxation; empty if the relaxation is feasible.

    HiGHS first proves infeasibility by a dual ray; the rows of that proof, usually few, are then reduced. Where time
    runs out the rows of the proof itself are returned.
    """
    weights = _proof(program)
    rows = np.flatnonzero(np.abs(weights) > 1e-9 * np.abs(weights).max(initial=0.0)).astype(np.int64)
    if not rows.size:
        return Conflict((), True)
    part, columns = _rows_only(program, rows)
    highs = pass_program(part, options={"iis_strategy": 6, "iis_time_limit": _TIME_S})
    _, found = highs.getIis()
    irreducible = bool(found.valid_) and found.status_ == 3 and len(found.row_index_) > 0
    if not irreducible:
        return Conflict(tuple(_all_members(program, weights, rows)), False)
    members = [member(program.rows, int(rows[row]), "row") for row in found.row_index_]
    for column, side in zip(found.col_index_, found.col_bound_, strict=True):
        if int(side) != _FREE:
            kind = "lower" if int(side) == _LOWER else "upper"
            members.append(member(program.variables, int(columns[column]), kind))
    return Conflict(tuple(members), True)


def _proof(program: Program) -> FloatArray:
    """Weights of rows whose sum cannot be satisfied, shape ``(m,)``; all zero if the relaxation is feasible.

    A positive weight stands on the lower side of its row, a negative one on the upper side.
    """
    free = replace(program, cost=np.zeros_like(program.cost), offset=0.0)
    highs = pass_program(free, options={"presolve": "off", "solver": "simplex"})
    highs.run()
    if highs.getModelStatus() != highspy.HighsModelStatus.kInfeasible:
        return np.zeros(program.shape[0])
    proof: Any = highs
    _, exists, ray = proof.getDualRay()
    if not exists:
        return np.ones(program.shape[0])
    weights = np.asarray(ray, float)
    return weights if _excess(program, weights) > _excess(program, -weights) else -weights


def _excess(program: Program, weights: FloatArray) -> float:
    """What the weighted rows ask for beyond what the bounds of the columns allow; positive proves infeasibility."""
    side = np.where(weights > 0.0, program.row_lower, program.row_upper)
    if not np.isfinite(side[weights != 0.0]).all():
        return -np.inf
    asked = float(np.where(weights != 0.0, weights * np.where(weights != 0.0, side, 0.0), 0.0).sum())
    slopes = _slopes(program, weights)
    return asked - float(np.where(slopes > 0.0, slopes * program.upper, slopes * program.lower).sum())


def _slopes(program: Program, weights: FloatArray) -> FloatArray:
    columns = np.repeat(np.arange(program.cost.size), np.diff(program.start))
    products = program.value * weights[program.index]
    return np.asarray(np.bincount(columns, weights=products, minlength=program.cost.size), dtype=float)


def _all_members(program: Program, weights: FloatArray, rows: IntArray) -> Iterator[Member]:
    """Everything that takes part in a proof."""
    for row in rows:
        yield member(program.rows, int(row), "row")
    slopes = _slopes(program, weights)
    for column in np.flatnonzero(np.abs(slopes) > 1e-9 * np.abs(slopes).max(initial=0.0)):
        yield member(program.variables, int(column), "upper" if slopes[column] > 0.0 else "lower")


def _rows_only(program: Program, rows: IntArray) -> tuple[Program, IntArray]:
    """The program in some rows and the columns they use."""
    kept = np.zeros(program.shape[0], bool)
    kept[rows] = True
    inside = kept[program.index]
    column_of = np.repeat(np.arange(program.cost.size), np.diff(program.start))[inside]
    columns, position = np.unique(column_of, return_inverse=True)
    start = np.searchsorted(position, np.arange(columns.size + 1))
    renumbered = np.cumsum(kept) - 1
    part = replace(
        program,
        cost=np.zeros(columns.size),
        lower=program.lower[columns],
        upper=program.upper[columns],
        integer=program.integer[columns],
        row_lower=program.row_lower[rows],
        row_upper=program.row_upper[rows],
        start=start.astype(np.int32),
        index=renumbered[program.index[inside]].astype(np.int32),
        value=program.value[inside],
        offset=0.0,
        variables={},
        rows={},
    )
    return part, columns.astype(np.int64)


def member(families: dict[str, list[Block]], index: int, side: str) -> Member:
    """The row or column of that number.

    Raises
    ------
    IndexError
        If there is none.
    """
    for blocks in families.values():
        for block in blocks:
            if block.first <= index < block.first + block.size:
                position = index - block.first
                return Member(block.name, block.label(position), position, side, index)
    raise IndexError(f"no row or column {index}")


def tell(joint: JointProgram, conflict: Conflict) -> tuple[str, ...]:
    """One statement for each limit in a conflict, consecutive steps merged; long lists end with how many are left."""
    scenario = joint.inputs.scenario
    asked = [*_budgets(scenario, conflict), *_work(joint, conflict), *_loads(joint, conflict)]
    given = [
        *_grid_limits(scenario, conflict),
        *_compute_limits(scenario, conflict),
        *_plant_limits(scenario, conflict),
    ]
    if len(asked) + len(given) <= _SHOWN:
        return (*given, *asked)
    shown = [*asked, *given][:_SHOWN]
    return (*shown, f"{len(asked) + len(given) - _SHOWN} more limits of sites and plants")


def _upper(conflict: Conflict, family: str) -> dict[str, list[int]]:
    members = tuple(item for item in conflict.members if item.family == family and item.side == "upper")
    return Conflict(members, True).steps(family)


def _grid_limits(scenario: Scenario, conflict: Conflict) -> Iterator[str]:
    timeline = scenario.timeline
    for family, word in (("grid_import", "import"), ("grid_export", "export")):
        for name, steps in _upper(conflict, family).items():
            grid = scenario.site(name).grid
            if grid is not None:
                limit = grid.import_limit_mw if word == "import" else grid.export_limit_mw
                yield f"site.{name}.grid.{word}_limit <= {_values(limit[steps], 'MW')} {spans(timeline, steps)}"
    for name, steps in conflict.steps("grid_ramp").items():
        grid = scenario.site(name).grid
        if grid is not None:
            yield f"site.{name}.grid.ramp <= {grid.ramp_mw_per_h:g} MW/h {spans(timeline, [s + 1 for s in steps])}"
    for site in scenario.sites:
        if site.grid is None and site.name in conflict.steps("balance"):
            yield f"site {site.name} has no grid connection"


def _plant_limits(scenario: Scenario, conflict: Conflict) -> Iterator[str]:
    timeline = scenario.timeline
    for name, steps in _upper(conflict, "renewable_used").items():
        total = np.sum([plant.available_mw for plant in scenario.site(name).renewables], axis=0)
        yield f"solar and wind at {name} give at most {_values(total[steps], 'MW')} {spans(timeline, steps)}"
    for name, steps in _upper(conflict, "generator_output").items():
        site, _, unit = name.partition("/")
        generator = next(item for item in scenario.site(site).generators if item.name == unit)
        most = generator.capacity_mw * generator.availability
        yield f"generator {unit} at {site} gives at most {_values(most[steps], 'MW')} {spans(timeline, steps)}"
    for words, families in _GENERATOR_RULES.items():
        for name, steps in conflict.steps(*families).items():
            yield f"generator {name} has a {words} {spans(timeline, steps)}"
    yield from _battery_limits(scenario, conflict)


_GENERATOR_RULES = {
    "minimum load": ("min_load",),
    "minimum time on": ("min_up",),
    "minimum time off": ("min_down",),
    "ramp limit": ("ramp", "ramp_up", "ramp_down"),
}


def _battery_limits(scenario: Scenario, conflict: Conflict) -> Iterator[str]:
    timeline, steps = scenario.timeline, scenario.timeline.steps
    for site in scenario.sites:
        for battery in site.batteries:
            name, key = f"{site.name}/{battery.name}", f"site.{site.name}.battery.{battery.name}"
            for family, word in (("discharge", "discharge"), ("charge", "charge")):
                at = _upper(conflict, family).get(name)
                if at:
                    limit = battery.discharge_limit_mw if word == "discharge" else battery.charge_limit_mw
                    yield f"{key} can {word} at most {limit:g} MW {spans(timeline, at)}"
            held = [item for item in conflict.members if item.family == "energy" and item.head == name]
            if any(item.side == "upper" and item.position > 0 for item in held):
                yield f"{key}.energy <= {battery.energy_mwh:g} MWh"
            if any(item.position == 0 for item in held):
                yield f"{key} begins with {battery.initial_energy_mwh:g} MWh"
            if any(item.side == "lower" and item.position == steps for item in held):
                yield f"{key} must end with at least {battery.least_final_energy_mwh:g} MWh"


def _compute_limits(scenario: Scenario, conflict: Conflict) -> Iterator[str]:
    fleets = conflict.steps("accelerators")
    for name, steps in _upper(conflict, "held").items():
        fleets.setdefault(name, steps)
    for item in conflict.members:
        if item.family == "served" and item.side == "upper":
            fleets.setdefault(item.head.rsplit(",", 1)[1], [item.position])
    for name, steps in fleets.items():
        site, _, part = name.partition("/")
        available = scenario.site(site).fleet(part).available
        yield f"fleet {name} has {_values(available[steps], 'accelerators')} {spans(scenario.timeline, steps)}"
    for name, steps in conflict.steps("it_limit").items():
        limit = scenario.site(name).it_limit_mw
        if limit is not None:
            yield f"site.{name}.it_limit <= {_values(limit[steps], 'MW')} {spans(scenario.timeline, steps)}"


def _budgets(scenario: Scenario, conflict: Conflict) -> Iterator[str]:
    for item in conflict.members:
        if item.family != "carbon_budget":
            continue
        limit = scenario.carbon.budget_kg if item.label == "system" else scenario.site(item.label).carbon_budget_kg
        key = "carbon.budget" if item.label == "system" else f"site.{item.label}.carbon_budget"
        if limit is not None:
            yield f"{key} <= {limit / 1000.0:,.6g} t"


def _loads(joint: JointProgram, conflict: Conflict) -> Iterator[str]:
    """Load that is there whatever is placed: fixed load and idle accelerators."""
    for name, steps in conflict.steps("balance").items():
        for block in joint.program.rows["balance"]:
            if block.label(0).startswith(f"{name},"):
                fixed: FloatArray = block.values(joint.program.row_lower)[steps]
                if fixed.max() > 0.0:
                    span = spans(joint.inputs.scenario.timeline, steps)
                    yield f"site {name} draws {_values(fixed, 'MW')} without any work {span}"


def _work(joint: JointProgram, conflict: Conflict) -> Iterator[str]:
    scenario = joint.inputs.scenario
    names = jobs_of(conflict)
    for name in names[:_SHOWN_JOBS]:
        yield describe_job(joint, name)
    if len(names) > _SHOWN_JOBS:
        yield f"{len(names) - _SHOWN_JOBS} more jobs must run"
    rates: dict[str, dict[int, float]] = {}
    for block in joint.program.rows.get("demand", []):
        head = block.label(0).rsplit(",", 1)[0]
        asked = rates.setdefault(head.split(",", 1)[0], {})
        demand = TOKEN_UNIT * block.values(joint.program.row_lower)
        for step in conflict.steps("demand").get(head, ()):
            asked[step] = asked.get(step, 0.0) + float(demand[step])
    for service, asked in rates.items():
        if asked:
            span = spans(scenario.timeline, asked)
            total = _values(np.array(list(asked.values())), "token/s")
            yield f"inference {service!r} asks for {total} {span} and may not go unserved"


def jobs_of(conflict: Conflict) -> list[str]:
    """Jobs whose rows take part; the first of a group of equal ones stands for all."""
    rules = ("assignment", "work", "one_fleet", "pinned_start", "first_location")
    return list(dict.fromkeys(item.label for item in conflict.members if item.family in rules))


def describe_job(joint: JointProgram, name: str) -> str:
    """What a job asks for, in one clause."""
    groups = (*joint.inputs.rigid, *joint.inputs.divisible)
    group = next(item for item in groups if name in item.names)
    job, count = group.job, group.count
    it_mw = max((job.smallest * place.power_mw for place in group.placements), default=0.0)
    who = f"job {job.name!r}" if count == 1 else f"{count} jobs like {job.name!r}"
    window = f"{_moment(job.release)} and {_moment(job.deadline)}"
    size = f"{job.smallest:,} accelerators ({it_mw:.4g} MW of IT power)"
    return f"{who} must run {job.duration_h:g} h on {size} between {window}"


def spans(timeline: Timeline, steps: Iterable[int]) -> str:
    """Steps as spells of time, consecutive ones merged.

    Examples
    --------
    >>> from datetime import UTC
    >>> spans(Timeline(start=datetime(2022, 7, 4, tzinfo=UTC), step_s=3600, steps=48), [1, 2, 23, 24])
    'on 4 Jul 01:00-03:00 and 4 Jul 23:00 to 5 Jul 01:00'
    """
    chosen = np.unique(np.fromiter(steps, dtype=np.int64))
    if chosen.size >= timeline.steps:
        return "throughout"
    runs = np.split(chosen, np.flatnonzero(np.diff(chosen) > 1) + 1)
    texts = [_spell(timeline.at(int(run[0])), timeline.at(int(run[-1]) + 1)) for run in runs if run.size]
    if len(texts) > _SHOWN_SPANS:
        texts = [*texts[:_SHOWN_SPANS], f"{len(texts) - _SHOWN_SPANS} more spells"]
    return "on " + " and ".join(part for part in (", ".join(texts[:-1]), texts[-1]) if part)


def _spell(begin: datetime, end: datetime) -> str:
    if begin.date() == end.date():
        return f"{_moment(begin)}-{end.astimezone(UTC):%H:%M}"
    return f"{_moment(begin)} to {_moment(end)}"


def _moment(instant: datetime) -> str:
    utc = instant.astimezone(UTC)
    return f"{utc.day} {utc:%b %H:%M}"


def _values(values: NDArray[np.float64], unit: str) -> str:
    low, high = float(values.min()), float(values.max())
    if high - low <= 1e-6 * max(1.0, abs(high)):
        return f"{figure(high)} {unit}"
    return f"{figure(low)} to {figure(high)} {unit}"
