"""The guided strategy: bound, construct, improve, certify."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from joulewright.errors import SolverError
from joulewright.model import Scenario, Schedule
from joulewright.plan.clock import Clock
from joulewright.plan.exact import solve_exact
from joulewright.plan.formulation import build
from joulewright.plan.guided.board import JobBoard
from joulewright.plan.guided.columns import classify
from joulewright.plan.guided.dive import DiveOptions, Placed, dive
from joulewright.plan.guided.rounding import RoundingRule, one_way, round_columns
from joulewright.plan.guided.search import JobSearch, Window, improve_window
from joulewright.plan.guided.workbench import Workbench, lagrangian_bound
from joulewright.plan.holding import integer_values
from joulewright.plan.incumbent import Incumbent, plan_cost
from joulewright.plan.infeasible import raise_infeasible
from joulewright.plan.integer import run_integer
from joulewright.plan.model import JointProgram
from joulewright.plan.options import PlanOptions
from joulewright.plan.program import FloatArray, IntArray
from joulewright.plan.result import Status
from joulewright.plan.solver import LinearSolution
from joulewright.plan.strategy import Outcome

SMALL_INTEGERS = 2_500
_RULES = (RoundingRule(0.85, 0.2), RoundingRule(0.95, 0.1), RoundingRule(0.7, 0.34))
_STUCK, _IDLE_ROUNDS = 4, 5
_EXACT_WORK = 30.0
_POLISH_ROUNDS = 8


def solve_guided(scenario: Scenario, options: PlanOptions, clock: Clock, joint: JointProgram | None = None) -> Outcome:
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

    def polish(self, schedule: Schedule, bound: float) -> Status:
        """Take over a plan of the same scenario and improve it with most decisions held.

        Raises
        ------
        ValueError
            If the schedule holds a decision for which the model has no column.
        """
        columns, values = integer_values(self.joint, schedule)
        self.bound, self.clock.bound = bound, -bound
        self._bench.fix(columns, values, values)
        solution = self._bench.first_solve()
        if not solution.optimal:
            return "search-ended"
        self.scale = max(1.0, plan_cost(self.joint.program, solution.values))
        self._offer(solution)
        self._account("join windows")
        for rounds in range(_POLISH_ROUNDS):
            before = self.best
            self._improve_windows(rounds)
            self._improve_held(rounds)
            if self.clock.why_stop() or self.best is before:
                break
        return self.clock.why_stop() or "search-ended"

    def _account(self, phase: str) -> None:
        self.clock.work = self._bench.work + self._extra_work
        self.clock.report(phase)

    def _construct(self, root: LinearSolution) -> Placed | None:
        begin, best = Placed(self.board.empty(), root), None
        for jump in (float("inf"), 3e-3, 1e-3):
            placed = dive(self._bench, self.board, begin, DiveOptions(jump=jump * self.scale))
            if placed is not None and (best is None or placed.solution.objective < best.solution.objective):
                best = placed
            if best is not None and best.solution.objective <= root.objective + 0.01 * self.scale:
                break
        self._account("construct")
        return best

    def _complete(self, placed: Placed, first_rule: int = 0) -> None:
        """Round everything but the jobs, and keep the result if it is the best so far."""
        bench = self._bench
        opened = np.concatenate([self.columns.divisible, self.columns.units])
        # Without any plan yet, all rules are tried and HiGHS after them.
        tries = len(_RULES) if self.best is None else 1
        for attempt in range(tries):
            rule = _RULES[(first_rule + attempt) % len(_RULES)]
            bench.fix(self.board.bound_columns, *self.board.bounds(placed.assignment))
            bench.release(opened)
            solution = self._round(bench.solve(), rule)
            if solution is not None:
                self._offer(solution)
                break
        bench.release(opened)
        if self.best is None:
            self._complete_exactly()
        self._account("construct")

    def _round(self, solution: LinearSolution, rule: RoundingRule) -> LinearSolution | None:
        for part in (self.columns.divisible, self.columns.units):
            rounded = round_columns(self._bench, part, solution, rule) if solution.optimal else None
            if rounded is None:
                return None
            solution = rounded
        return solution

    def _complete_exactly(self) -> None:
        """Let HiGHS find any completion of the placed rigid jobs."""
        program = replace(self.joint.program, lower=self._bench.lower.copy(), upper=self._bench.upper.copy())
        remaining = self.clock.remaining_s()
        limits = replace(
            self.options,
            work_limit=min(_EXACT_WORK, self.clock.remaining_work()),
            time_limit_s=remaining if np.isfinite(remaining) else None,
            progress=None,
        )
        # The bound of a part of the search space says nothing about the whole, so it gets a clock of its own.
        inner = Clock(limits)
        run = run_integer(program, {"mip_rel_gap": 0.0, "mip_abs_gap": 0.02 * self.scale, "threads": 1}, inner)
        self._extra_work += inner.work
        if run.values is not None:
            integers = np.flatnonzero(program.integer)
            held = np.rint(run.values[integers])
            self._bench.fix(integers, held, held)
            solution = self._bench.solve()
            if solution.optimal:
                self._offer(solution)
            self._bench.release(integers)

    def _offer(self, solution: LinearSolution) -> bool:
        """Keep a solution with all integers held if it is better; flows are made one-way first."""
        program = self.joint.program
        clean = one_way(self._bench, self.joint, solution)
        flows = [
            block.index.ravel()
            for name in ("grid_import", "grid_export", "charge", "discharge")
            for block in program.variables.get(name, [])
        ]
        if flows:
            self._bench.release(np.concatenate(flows))
        if clean is None or (self.best is not None and clean.objective >= self.best.objective):
            return False
        self.best = Incumbent(clean, plan_cost(program, clean.values))
        self.clock.objective, self.clock.cost = -clean.objective, self.best.cost
        return True

    def _improve(self, placed: Placed) -> Status:
        """Alternate job neighbourhoods with the commitment of generators until a limit or nothing moves."""
        benches = [self._bench] + [
            Workbench(self.joint.program, {"threads": 1}) for _ in range(self.options.threads - 1)
        ]
        for bench in benches[1:]:
            bench.restore(self._bench.basis())
        search = JobSearch(self.board, benches, self.scale, self.options.seed)
        # With pausable and elastic jobs a round is dear and the other neighbourhood finds more.
        rounds, slice_rounds = 0, 1 if self.columns.divisible.size else 8
        committed, idle = placed, 0
        if self.columns.divisible.size:
            self._improve_windows(1)
            self._improve_held(-1)
        while True:
            for _ in range(slice_rounds):
                placed = search.step(placed) if self.board.count.size else placed
                self.clock.work = search.work + self._extra_work
                self.clock.report("improve jobs")
                stop = self.clock.why_stop()
                if stop:
                    break
            if placed is not committed:
                self._complete(placed, rounds)
                committed = placed
            if stop:
                return stop
            before = self.best
            self._improve_windows(rounds)
            if self.columns.divisible.size or search.failures > _STUCK:
                self._improve_held(rounds)
            self.clock.work = search.work + self._extra_work
            stop = self.clock.why_stop()
            if stop:
                return stop
            if self.best is not before:
                placed = committed = self._placed(placed)
            idle = 0 if self.best is not before or search.failures == 0 else idle + 1
            rounds += 1
            if idle > _IDLE_ROUNDS or (not self.board.count.size and rounds > 3):
                return "search-ended"

    def _placed(self, otherwise: Placed) -> Placed:
        """The jobs of the best plan, under the relaxation that leaves the rest free; ``otherwise`` if it is worse."""
        if self.best is None or not self.board.count.size:
            return otherwise
        assignment = self.board.read(self.best.solution.values)
        self._bench.release(np.flatnonzero(self.joint.program.integer))
        self._bench.fix(self.board.bound_columns, *self.board.bounds(assignment))
        solution = self._bench.solve()
        return Placed(assignment, solution) if solution.objective < otherwise.solution.objective else otherwise

    def _improve_held(self, rounds: int) -> None:
        """Free one or two jobs, now and then with all generators, while every other decision is held.

        With so much held the relaxation is small, and what it finds counts at its true cost. This is the
        neighbourhood of pausable and elastic jobs, and of large programs.
        """
        jobs = self.columns.jobs
        if self.best is None or not jobs:
            return
        integers = np.flatnonzero(self.joint.program.integer)
        random = np.random.default_rng([self.options.seed, 77, rounds + 1])
        for position, choice in enumerate(self._held_choices(random)):
            if self.clock.why_stop():
                break
            freed = [jobs[item] for item in choice] + ([self.columns.units] if position % 3 == 2 else [])
            self._try_held(integers, np.concatenate(freed))
        self._bench.release(integers)

    def _held_choices(self, random: np.random.Generator) -> Iterator[list[int]]:
        """Jobs to free: those whose reduced costs promise most one by one, then pairs with one of them."""
        count, known, queue = len(self.columns.jobs), None, []
        promise = np.zeros(count)
        for _ in range(max(8, count)):
            if self.best is not known:
                known, promise = self.best, self._promise()
                queue = [int(item) for item in np.argsort(-promise, kind="stable") if promise[item] > 0.0]
                queue = queue[: max(4, count // 4)]
            if queue:
                yield [queue.pop(0)]
            elif count > 1 and promise.any():
                first = int(random.choice(count, p=promise / promise.sum()))
                yield [first, int((first + random.integers(1, count)) % count)]
            else:
                return

    def _promise(self) -> FloatArray:
        """Most that freeing each job alone could gain by the duals of the best plan [currency]."""
        if self.best is None:
            return np.zeros(len(self.columns.jobs))
        values, reduced = self.best.solution.values, self.best.solution.reduced_costs
        found = []
        for position, columns in enumerate(self.columns.jobs):
            used = values[columns] > 0.5
            if position < self.board.count.size:
                gain = reduced[columns][used].max(initial=-np.inf) - reduced[columns].min(initial=np.inf)
            else:
                gain = np.maximum(0.0, np.where(used, reduced[columns], -reduced[columns])).sum()
            found.append(gain if np.isfinite(gain) and gain > 1e-7 * self.scale else 0.0)
        return np.array(found)

    def _try_held(self, integers: IntArray, freed: IntArray) -> None:
        if self.best is None:
            return
        bench, best = self._bench, self.best.solution
        target = best.objective - 1e-7 * self.scale
        held = np.rint(best.values[integers])
        bench.fix(integers, held, held)
        bench.release(freed)
        relaxed = bench.solve(target)
        if relaxed.optimal and relaxed.objective < target:
            rounded = round_columns(bench, freed, relaxed, _RULES[0], target)
            if rounded is not None and rounded.objective < target:
                self._offer(rounded)
        self._account("improve jobs")

    def _improve_windows(self, rounds: int) -> None:
        """Sweep the horizon with overlapping windows from the best plan."""
        decided = np.concatenate([self.columns.units, self.columns.divisible]).astype(np.int64)
        if self.best is None or not decided.size:
            return
        steps = self.joint.inputs.steps
        length = min(steps, 24)
        begin = (length // 2) * (rounds % 2)
        integers = np.flatnonzero(self.joint.program.integer)
        for first in range(-begin, steps, length):
            if self.clock.why_stop():
                break
            best = self.best.solution
            window = Window(max(0, first), min(steps, first + length))
            values, work = improve_window(self.joint, self.columns, best, window, scale=self.scale)
            self._extra_work += work
            if np.array_equal(np.rint(values[decided]), np.rint(best.values[decided])):
                continue
            held = np.rint(values[integers])
            self._bench.fix(integers, held, held)
            solution = self._bench.solve()
            if solution.optimal:
                self._offer(solution)
            self._account("improve energy")
        self._bench.release(integers)
