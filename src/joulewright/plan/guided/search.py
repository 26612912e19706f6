"""Neighbourhood search on the placement of jobs, and commitment of generators in time windows."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import highspy
import numpy as np

from joulewright.model.timeline import FloatArray, IntArray
from joulewright.plan.guided.board import Assignment, JobBoard
from joulewright.plan.guided.columns import Columns
from joulewright.plan.guided.dive import DiveOptions, Placed, dive
from joulewright.plan.guided.extract import extract
from joulewright.plan.guided.workbench import Workbench
from joulewright.plan.model import JointProgram
from joulewright.plan.solver import LinearSolution, pass_program, read_solution


@dataclass(eq=False)
class JobSearch:
    """Frees a few jobs at a time and dives again, on every bench side by side.

    Attributes
    ----------
    board : JobBoard
        Jobs and capacity.
    benches : list of Workbench
        One per thread; each keeps its own warm basis.
    scale : float
        Costs of a plan [currency]: the measure of what counts as better.
    seed : int
        Seed of the neighbourhoods.
    """

    board: JobBoard
    benches: list[Workbench]
    scale: float
    seed: int
    round_number: int = 0
    failures: int = 0

    @property
    def work(self) -> float:
        """Work units of all benches."""
        return sum(bench.work for bench in self.benches)

    def step(self, best: Placed) -> Placed:
        """One round: a neighbourhood per bench; improvements that do not touch the same jobs are combined."""
        self.round_number += 1
        choices = [self._neighbourhood(best, lane) for lane in range(len(self.benches))]
        if len(self.benches) == 1:
            found = [self._evaluate(self.benches[0], best, choices[0])]
        else:
            with ThreadPoolExecutor(len(self.benches)) as pool:
                lanes = zip(self.benches, choices, strict=True)
                found = list(pool.map(lambda lane: self._evaluate(lane[0], best, lane[1]), lanes))
        better = sorted((item for item in found if item is not None), key=lambda item: item.solution.objective)
        self.failures = 0 if better else self.failures + 1
        if not better:
            return best
        if len(better) > 1:
            combined = self._combine(best, better)
            if combined is not None and combined.solution.objective < better[0].solution.objective:
                return combined
        return better[0]

    def _neighbourhood(self, best: Placed, lane: int) -> IntArray:
        """Groups to free: random, jobs that run at the same time, or jobs where accelerators are dearest."""
        random = np.random.default_rng([self.seed, self.round_number, lane])
        count = self.board.count.size
        size = min(int(count), int(random.integers(3, 11)))
        kind = random.random()
        if kind < 0.3 or self.board.starts is None:
            return np.asarray(random.choice(count, size, replace=False), dtype=np.int64)
        if kind < 0.55:
            return self._where_dear(best, size, random)
        turned_away = np.flatnonzero(best.assignment.rejected)
        if turned_away.size and random.random() < 0.7:
            return self._room_for(int(random.choice(turned_away)), best, (size + 4, random))
        middle = np.full(count, random.uniform(0, self.board.capacity.shape[1]))
        placed = np.flatnonzero(best.assignment.placed)
        starts = self.board.starts
        middle[starts.group[placed]] = starts.step[placed] + starts.length[placed] / 2.0
        centre = middle[random.integers(count)]
        distance = np.abs(middle - centre) + random.uniform(0.0, 0.25 * self.board.capacity.shape[1], count)
        return np.argsort(distance, kind="stable")[:size].astype(np.int64)

    def _where_dear(self, best: Placed, size: int, random: np.random.Generator) -> IntArray:
        """Jobs that run at a step and place drawn by the square of its price, and some that run then elsewhere."""
        starts = self.board.starts
        weight = np.square(self.board.accelerator_prices(best.solution.row_duals)).ravel()
        if starts is None or not weight.any():
            return np.asarray(random.choice(self.board.count.size, size, replace=False), dtype=np.int64)
        fleet, step = divmod(int(random.choice(weight.size, p=weight / weight.sum())), self.board.capacity.shape[1])
        placed = np.flatnonzero(best.assignment.placed)
        then = placed[(starts.step[placed] <= step) & (starts.step[placed] + starts.length[placed] > step)]
        here = random.permutation(np.unique(self.board.group[then[starts.fleet[then] == fleet]]))[: max(2, size - 2)]
        elsewhere = random.permutation(np.setdiff1d(self.board.group[then], here))[: max(0, size - here.size)]
        return np.unique(np.concatenate([here, elsewhere])).astype(np.int64)

    def _room_for(self, group: int, best: Placed, parts: tuple[int, np.random.Generator]) -> IntArray:
        """A rejected group and jobs that stand where it could run."""
        size, random = parts
        starts = self.board.starts
        if starts is None:
            return np.array([group], np.int64)
        mine = self.board.group == group
        first, last = starts.step[mine].min(initial=0), (starts.step + starts.length)[mine].max(initial=0)
        placed = np.flatnonzero(best.assignment.placed)
        near = placed[
            np.isin(starts.fleet[placed], np.unique(starts.fleet[mine]))
            & (starts.step[placed] < last)
            & (starts.step[placed] + starts.length[placed] > first)
        ]
        others = random.permutation(np.unique(self.board.group[near]))[: size - 1]
        return np.unique(np.append(others, group)).astype(np.int64)

    def _evaluate(self, bench: Workbench, best: Placed, groups: IntArray) -> Placed | None:
        target = best.solution.objective - 1e-7 * self.scale
        kept = self.board.without(best.assignment, groups)
        allowed = self.board.fitting(self.board.remaining(kept))
        bench.fix(self.board.bound_columns, *self.board.bounds(kept, allowed))
        relaxed = bench.solve(target)
        if not relaxed.optimal or relaxed.objective >= target:
            return None
        return dive(bench, self.board, Placed(kept, relaxed), DiveOptions(share=0.34, cutoff=target))

    def _combine(self, best: Placed, better: list[Placed]) -> Placed | None:
        placed, rejected = best.assignment.placed.copy(), best.assignment.rejected.copy()
        for item in better:
            placed += item.assignment.placed - best.assignment.placed
            rejected += item.assignment.rejected - best.assignment.rejected
        merged = Assignment(placed, rejected)
        if placed.min(initial=0) < 0 or rejected.min(initial=0) < 0 or self.board.free(merged).any():
            return None
        if self.board.remaining(merged).min(initial=0.0) < 0.0:
            return None
        self.benches[0].fix(self.board.bound_columns, *self.board.bounds(merged))
        solution = self.benches[0].solve()
        return Placed(merged, solution) if solution.optimal else None


@dataclass(frozen=True, eq=False)
class Window:
    """Steps ``[first, stop)`` whose energy decisions are free while everything else is held."""

    first: int
    stop: int


def improve_window(
    joint: JointProgram, columns: Columns, solution: LinearSolution, window: Window, *, scale: float
) -> tuple[FloatArray, float]:
    """Solve the energy decisions of a time window as a small integer program.

    Carbon budgets are replaced by their prices, so a window may trade carbon with the rest; the caller solves the
    whole LP again.

    Returns
    -------
    FloatArray, float
        Values of all columns with the window's replaced, and work units.
    """
    program = joint.program
    inside = (columns.step >= window.first) & (columns.step < window.stop)
    inside &= ~(columns.state & (columns.step == window.first))
    free = np.union1d(np.flatnonzero(inside), columns.shared)
    skipped = np.zeros(program.shape[0], bool)
    cost = program.cost
    for block in program.rows.get("carbon_budget", []):
        skipped[block.index] = True
        if block.label(0) == "system":
            cost = cost - float(block.values(solution.row_duals)[0]) * joint.carbon_kg
    small = extract(program, free, solution.values, cost=cost, skip_rows=skipped)
    limits = {"mip_abs_gap": 1e-5 * scale, "mip_rel_gap": 0.0, "threads": 1, "mip_max_nodes": 60}
    highs = pass_program(small, integer=True, options=limits)
    guess = highspy.HighsSolution()
    guess.col_value = solution.values[free].tolist()
    highs.setSolution(guess)
    highs.run()
    work = 1e-6 * (20.0 + 0.004 * small.value.size) * (200 + max(0, highs.getInfo().simplex_iteration_count))
    if highs.getInfo().primal_solution_status != highspy.SolutionStatus.kSolutionStatusFeasible:
        return solution.values, work
    values = solution.values.copy()
    values[free] = read_solution(highs).values
    return values, work
