"""Solving a plan again with one job elsewhere and everything else of its work held."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from joulewright.account import site_load
from joulewright.model import Scenario, Schedule
from joulewright.model.timeline import FloatArray, IntArray
from joulewright.plan.clock import Clock
from joulewright.plan.formulation import build
from joulewright.plan.guided.rounding import one_way
from joulewright.plan.guided.workbench import Workbench
from joulewright.plan.holding import find_run, integer_values, start_column
from joulewright.plan.incumbent import PAIRS, plan_cost
from joulewright.plan.inputs import JobGroup
from joulewright.plan.integer import run_integer
from joulewright.plan.options import PlanOptions
from joulewright.plan.placement import Run
from joulewright.plan.solver import LinearSolution

_TIME_S = 20.0


@dataclass(frozen=True)
class Figures:
    """Benefit and cost [currency] and operational carbon [kg] of a solution."""

    benefit: float
    cost: float
    carbon_kg: float


@dataclass(frozen=True, eq=False)
class _Move:
    """What to do with one job: another run, from a step or from wherever it is best; no run means rejection."""

    job: str
    run: Run | None
    start: int | None


class Resolver:
    """The joint model of a plan with its integer decisions held, ready to move one job.

    Parameters
    ----------
    scenario : Scenario
        The facts.
    schedule : Schedule
        The plan.
    without : frozenset of str
        Flexibilities that were switched off.
    """

    def __init__(self, scenario: Scenario, schedule: Schedule, without: frozenset[str] = frozenset()) -> None:
        self._scenario, self._schedule = scenario, schedule
        self._joint = build(scenario, without=without)
        self._bench = Workbench(self._joint.program)
        self._columns, self._values = integer_values(self._joint, schedule)
        variables = self._joint.program.variables
        flows = [block.index.ravel() for pair in PAIRS for name in pair for block in variables.get(name, [])]
        self._flows = np.concatenate(flows or [np.empty(0, np.int64)]).astype(np.int64)
        units = [block.index for block in variables.get("on", [])]
        self._units = np.concatenate(units or [np.empty(0, np.int64)]).astype(np.int64)

    def base(self) -> Figures | None:
        """Figures of the plan itself; None if the model with it held is infeasible."""
        return self._figures(self._solve(self._full(self._values)))

    def solve(self, job: str, run: Run | None, start: int | None) -> tuple[Figures | None, str]:
        """Figures with one job on another run, and a note; None where that is not possible.

        Without a start the run is wherever it is best, without a run the job is rejected.
        """
        move = _Move(job, run, start)
        full, opened = self._moved(move)
        solution = self._integer(full, opened) if opened.size else self._solve(full)
        if solution is not None:
            return self._figures(solution), ""
        solution = self._solve(full, free=self._units) if not opened.size else None
        if solution is not None:
            return self._figures(solution), "only with other generator states, here free to be fractional"
        return None, self._reason(move)

    def _full(self, values: FloatArray) -> FloatArray:
        full = np.zeros(self._joint.program.cost.size)
        full[self._columns] = values
        return full

    def _solve(self, full: FloatArray, free: IntArray | None = None) -> LinearSolution | None:
        """Solve the LP with the integer columns held, all but ``free`` ones; flows are made one-way."""
        self._bench.fix(self._columns, full[self._columns], full[self._columns])
        if free is not None:
            self._bench.release(free)
        solution = self._bench.solve()
        clean = one_way(self._bench, self._joint, solution) if solution.optimal else None
        self._bench.release(self._flows)
        return clean

    def _integer(self, full: FloatArray, opened: IntArray) -> LinearSolution | None:
        """Solve with the columns ``opened`` free and integral."""
        program = self._joint.program
        lower, upper = program.lower.copy(), program.upper.copy()
        lower[self._columns] = upper[self._columns] = full[self._columns]
        lower[opened], upper[opened] = program.lower[opened], program.upper[opened]
        clock = Clock(PlanOptions(time_limit_s=_TIME_S))
        run = run_integer(replace(program, lower=lower, upper=upper), {"mip_rel_gap": 1e-5}, clock)
        if run.values is None:
            return None
        found = full.copy()
        found[opened] = np.rint(run.values[opened])
        return self._solve(found)

    def _figures(self, solution: LinearSolution | None) -> Figures | None:
        if solution is None:
            return None
        program = self._joint.program
        carbon_kg = float(self._joint.carbon_kg @ solution.values)
        return Figures(-solution.objective, plan_cost(program, solution.values), carbon_kg)

    def _moved(self, move: _Move) -> tuple[FloatArray, IntArray]:
        """Values of all columns with the job moved, and the columns left free for it."""
        rigid = next((item for item, group in enumerate(self._joint.inputs.rigid) if move.job in group.names), None)
        if rigid is not None:
            return self._moved_rigid(move, rigid), np.empty(0, np.int64)
        group = next(item for item in self._joint.inputs.divisible if move.job in item.names)
        return self._moved_divisible(move, group)

    def _moved_rigid(self, move: _Move, position: int) -> FloatArray:
        full, group = self._full(self._values), self._joint.inputs.rigid[position]
        entry = self._schedule.jobs[move.job]
        rejection = self._column("rejected", group.job.name)
        if entry.segments:
            place = (entry.segments[0].site, entry.segments[0].fleet)
            full[start_column(self._joint, position, place, entry.start_step)] -= 1.0
        else:
            full[rejection] -= 1.0
        if move.run is None or move.start is None:
            full[rejection] += 1.0
        else:
            place = (move.run.fleet.site.name, move.run.fleet.fleet.name)
            full[start_column(self._joint, position, place, move.start)] += 1.0
        return full

    def _moved_divisible(self, move: _Move, group: JobGroup) -> tuple[FloatArray, IntArray]:
        full, name = self._full(self._values), group.job.name
        own = self._own_columns(name)
        full[own] = 0.0
        nothing = np.empty(0, np.int64)
        if move.run is None:
            full[self._column("rejected_divisible", name)] = 1.0
            return full, nothing
        index = move.run.fleet
        run = find_run(self._joint, name, (index.site.name, index.fleet.name))
        choice = self._column("fleet_choice", run.name)
        if choice >= 0:
            full[choice] = 1.0
        if move.start is None:
            return full, run.running.index
        full[run.running.index[move.start - run.first : move.start - run.first + move.run.steps]] = 1.0
        return full, nothing

    def _own_columns(self, name: str) -> IntArray:
        """Integer columns of one divisible job."""
        found = [run.running.index for run in self._joint.runs.get(name, ())]
        for family in ("fleet_choice", "move", "rejected_divisible"):
            blocks = self._joint.program.variables.get(family, [])
            found += [block.index for block in blocks if f"{block.label(0)},".startswith(f"{name},")]
        return np.concatenate(found or [np.empty(0, np.int64)]).astype(np.int64)

    def _column(self, family: str, label: str) -> int:
        """Column of a label, or -1."""
        for block in self._joint.program.variables.get(family, []):
            for position in range(block.size):
                if block.label(position) == label:
                    return block.first + position
        return -1

    def _reason(self, move: _Move) -> str:
        """Why a move is not possible: other jobs hold the accelerators, or some other limit."""
        if move.run is None or move.start is None:
            return "not possible while all other jobs stay where they are"
        run, schedule = move.run, self._schedule
        jobs = {name: entry for name, entry in schedule.jobs.items() if name != move.job}
        load = site_load(self._scenario, replace(schedule, jobs=jobs), run.fleet.site)
        name, window = run.fleet.fleet.name, slice(move.start, move.start + run.steps)
        free = run.fleet.fleet.available[window] - load.training_accelerators[name][window]
        if free.size and free.min() < run.gpus:
            left = max(0.0, float(free.min()))
            return f"not possible: other jobs leave {left:,.0f} of the {run.gpus:,.0f} accelerators it needs"
        return "not possible while all other jobs stay: power or another limit is short"
