"""The guided strategy: bound, construct, improve, certify."""

from __future__ import annotations

import numpy as np

from joulewright.errors import SolverError
from joulewright.model import Scenario
from joulewright.plan.clock import Clock
from joulewright.plan.exact import solve_exact
from joulewright.plan.formulation import build
from joulewright.plan.guided.board import JobBoard
from joulewright.plan.guided.columns import classify
from joulewright.plan.guided.dive import DiveOptions, Placed, dive
from joulewright.plan.guided.rounding import RoundingRule, one_way, round_columns
from joulewright.plan.guided.search import JobSearch, Window, improve_window
from joulewright.plan.guided.workbench import Workbench, lagrangian_bound
from joulewright.plan.incumbent import Incumbent, plan_cost
from joulewright.plan.infeasible import raise_infeasible
from joulewright.plan.model import JointProgram
from joulewright.plan.options import PlanOptions
from joulewright.plan.program import FloatArray
from joulewright.plan.result import Status
from joulewright.plan.solver import LinearSolution
from joulewright.plan.strategy import Outcome

SMALL_INTEGERS = 2_500
_RULES = (RoundingRule(0.85, 0.2), RoundingRule(0.95, 0.1), RoundingRule(0.7, 0.34))
_PATIENCE = 40


def solve_guided(
    scenario: Scenario, options: PlanOptions, clock: Clock, joint: JointProgram | None = None
) -> Outcome:
    """Solve the joint model by LP bound, LP-guided construction and neighbourhood search.

    Small programs are handed to HiGHS with the plan found as a start.

    Raises
    ------
    InfeasibleError
        If no plan satisfies every limit.
    """
    if joint is None:
        joint = build(scenario, without=options.without, previous=options.previous, churn_cost=options.churn_cost)
    search = GuidedSearch(joint, options, clock)
    ended = search.run()
    if ended in (None, "search-ended") and joint.program.integer.sum() <= SMALL_INTEGERS:
        return _finish_exactly(scenario, options, clock, search)
    best = search.best
    return Outcome(joint, None if best is None else best.solution, search.bound, ended or "search-ended")


def _finish_exactly(scenario: Scenario, options: PlanOptions, clock: Clock, search: GuidedSearch) -> Outcome:
    start = None if search.best is None else search.best.solution.values
    outcome = solve_exact(scenario, options, clock, start)
    bound, source = outcome.bound, outcome.bound_source
    if search.bound >= bound:
        bound, source = search.bound, "lagrangian"
    if outcome.solution is None or (search.best is not None and search.best.objective < outcome.solution.objective):
        solution = None if search.best is None else search.best.solution
        return Outcome(search.joint, solution, bound, outcome.status, source)
    return Outcome(outcome.joint, outcome.solution, bound, outcome.status, source)


class GuidedSearch:
    """State of one guided solve.

    Parameters
    ----------
    joint : JointProgram
        The compiled model.
    options : PlanOptions
        Limits, seed and threads.
    clock : Clock
        Where progress is kept.
    """

    def __init__(self, joint: JointProgram, options: PlanOptions, clock: Clock) -> None:
        self.joint = joint
        self.options = options
        self.clock = clock
        self.board = JobBoard(joint)
        self.columns = classify(joint, self.board)
        self.bound = -float("inf")
        self.best: Incumbent | None = None
        self.scale = 1.0
        self._bench = Workbench(joint.program, {"threads": 1})
        self._extra_work = 0.0

    def run(self) -> Status | None:
        """Search until a limit, the gap or the end of all neighbourhoods; None when nothing could be built."""
        root = self._bench.first_solve()
        if root.status == "Infeasible":
            raise_infeasible(self.joint)
        if not root.optimal:
            raise SolverError(f"HiGHS ends the linear relaxation with {root.status!r}")
        self.bound = lagrangian_bound(self.joint.program, root.row_duals)
        self.clock.bound = -self.bound
        self.scale = max(1.0, plan_cost(self.joint.program, root.values))
        self._account("bound")
        placed = self._construct(root)
        if placed is None:
            return None
        self._complete(placed)
        if self.clock.why_stop() or self.joint.program.integer.sum() <= SMALL_INTEGERS:
            return self.clock.why_stop()
        return self._improve(placed)

    def _account(self, phase: str) -> None:
        self.clock.work = self._bench.work + self._extra_work
        self.clock.report(phase)

    def _construct(self, root: LinearSolution) -> Placed | None:
        begin, best = Placed(self.board.empty(), root), None
        for jump in (3e-3, 1e-3, float("inf")):
            placed = dive(self._bench, self.board, begin, DiveOptions(jump=jump * self.scale))
            if placed is not None and (best is None or placed.solution.objective < best.solution.objective):
                best = placed
            if best is not None and best.solution.objective <= root.objective + 0.01 * self.scale:
                break
        self._account("construct")
        return best

    def _complete(self, placed: Placed, rule: RoundingRule = _RULES[0]) -> None:
        """Round everything but the jobs, and keep the result if it is the best so far."""
        bench = self._bench
        opened = np.concatenate([self.columns.divisible, self.columns.units])
        bench.fix(self.board.bound_columns, *self.board.bounds(placed.assignment))
        bench.release(opened)
        solution = bench.solve()
        for part in (self.columns.divisible, self.columns.units):
            rounded = round_columns(bench, part, solution, rule) if solution.optimal else None
            if rounded is None:
                bench.release(opened)
                return
            solution = rounded
        self._offer(solution)
        bench.release(opened)
        self._account("construct")

    def _offer(self, solution: LinearSolution) -> bool:
        """Keep a solution with all integers held if it is better; flows are made one-way first."""
        program = self.joint.program
        clean = one_way(self._bench, self.joint, solution)
        flows = [block.index.ravel() for name in ("grid_import", "grid_export", "charge", "discharge") for block in program.variables.get(name, [])]
        if flows:
            self._bench.release(np.concatenate(flows))
        if clean is None or (self.best is not None and clean.objective >= self.best.objective):
            return False
        self.best = Incumbent(clean, plan_cost(program, clean.values))
        self.clock.objective, self.clock.cost = -clean.objective, self.best.cost
        return True

    def _improve(self, placed: Placed) -> Status:
        """Alternate job neighbourhoods with the commitment of generators until a limit or nothing moves."""
        benches = [self._bench] + [Workbench(self.joint.program, {"threads": 1}) for _ in range(self.options.threads - 1)]
        for bench in benches[1:]:
            bench.restore(self._bench.basis())
        search = JobSearch(self.board, benches, self.scale, self.options.seed)
        rounds, slice_rounds = 0, 8
        committed = placed
        while True:
            for _ in range(slice_rounds):
                placed = search.step(placed) if self.board.count.size else placed
                self.clock.work = search.work + self._extra_work
                self.clock.report("improve jobs")
                stop = self.clock.why_stop()
                if stop:
                    break
            if placed is not committed:
                self._complete(placed, _RULES[rounds % len(_RULES)])
                committed = placed
            if stop:
                return stop
            self._improve_windows(rounds)
            self.clock.work = search.work + self._extra_work
            stop = self.clock.why_stop()
            if stop:
                return stop
            rounds += 1
            slice_rounds = min(64, slice_rounds * 2)
            if search.failures > _PATIENCE:
                return "search-ended"

    def _improve_windows(self, rounds: int) -> None:
        """Sweep the horizon with overlapping windows from the best plan."""
        if self.best is None or not self.columns.units.size:
            return
        steps = self.joint.inputs.steps
        length = min(steps, 24)
        begin = (length // 2) * (rounds % 2)
        jobs = np.concatenate([self.board.bound_columns, self.columns.divisible]).astype(np.int64)
        for first in range(-begin, steps, length):
            if self.clock.why_stop():
                return
            best = self.best.solution
            window = Window(max(0, first), min(steps, first + length))
            values, work = improve_window(self.joint, self.columns, best, window, scale=self.scale)
            self._extra_work += work
            if np.array_equal(np.rint(values[self.columns.units]), np.rint(best.values[self.columns.units])):
                continue
            self._bench.fix(jobs, np.rint(best.values[jobs]), np.rint(best.values[jobs]))
            units = np.rint(values[self.columns.units])
            self._bench.fix(self.columns.units, units, units)
            solution = self._bench.solve()
            if solution.optimal:
                self._offer(solution)
            self._bench.release(self.columns.units)
            self._bench.release(self.columns.divisible)
            self._account("improve energy")


