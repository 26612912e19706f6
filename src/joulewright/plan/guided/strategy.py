"""The guided strategy: bound, construct, improve, certify."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import highspy
import numpy as np

from joulewright.errors import SolverError
from joulewright.model import Scenario, Schedule
from joulewright.model.timeline import FloatArray, IntArray
from joulewright.plan.clock import Clock
from joulewright.plan.exact import solve_exact
from joulewright.plan.formulation import build
from joulewright.plan.guided.board import JobBoard
from joulewright.plan.guided.columns import classify
from joulewright.plan.guided.dive import DiveOptions, Placed, dive
from joulewright.plan.guided.held import HeldJobs, promises
from joulewright.plan.guided.rounding import RoundingRule, one_way, round_columns
from joulewright.plan.guided.search import JobSearch, Window, improve_window
from joulewright.plan.guided.tree import SHORT_SOLVES, Tree
from joulewright.plan.guided.workbench import Workbench, lagrangian_bound
from joulewright.plan.holding import integer_values
from joulewright.plan.incumbent import Incumbent, plan_cost
from joulewright.plan.infeasible import raise_infeasible
from joulewright.plan.integer import run_integer
from joulewright.plan.model import JointProgram
from joulewright.plan.options import PlanOptions
from joulewright.plan.result import Status
from joulewright.plan.solver import LinearSolution
from joulewright.plan.strategy import Outcome

SMALL_INTEGERS = 2_500
_RULES = (RoundingRule(0.85, 0.2), RoundingRule(0.95, 0.1), RoundingRule(0.7, 0.34))
_STUCK, _IDLE_ROUNDS, _IDLE_PARTS, _IDLE_WORK = 4, 5, 400, 60.0
# A round that leaves more than this share of the gap is slow, or in vain.
_SLOW, _IDLE = 0.97, 0.99
_PROOF_AFTER, _PROOF_SHARE, _MARGIN = 10.0, 3.0, 1e-6
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


@dataclass
class Patience:
    """Says when rounds without progress are enough: too many, and too many parts or too much work in them.

    Attributes
    ----------
    idle : int
        Rounds since the last progress.
    parts, work : int, float
        Parts of the proof and work units at that time.
    """

    idle: int = 0
    parts: int = 0
    work: float = 0.0

    def lost(self, progressed: bool, parts: int, work: float) -> bool:
        """Count a round; whether to give up after it."""
        if progressed:
            self.idle, self.parts, self.work = 0, parts, work
            return False
        self.idle += 1
        return self.idle > _IDLE_ROUNDS and (parts - self.parts > _IDLE_PARTS or work - self.work > _IDLE_WORK)


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
        self._benches = [self._bench]
        self._extra_work = 0.0
        self._root_basis: highspy.HighsBasis | None = None
        self._tree: Tree | None = None
        self._held = HeldJobs()

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
        self._root_basis = self._bench.basis()
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

    def _over(self) -> bool:
        return self.clock.why_stop() is not None

    def _account(self, phase: str) -> None:
        proof = 0.0 if self._tree is None else self._tree.work
        self.clock.work = sum(bench.work for bench in self._benches) + self._extra_work + proof
        self.clock.report(phase)

    def _construct(self, root: LinearSolution) -> Placed | None:
        begin, best = Placed(self.board.empty(), root), None
        for jump in (float("inf"), 3e-3, 1e-3):
            # The first dive is the quick one, and without it there is no plan: only the others obey the clock.
            stop = None if best is None else self._over
            placed = dive(self._bench, self.board, begin, DiveOptions(jump=jump * self.scale, stop=stop))
            if placed is not None and (best is None or placed.solution.objective < best.solution.objective):
                best = placed
            if best is not None and (self._over() or best.solution.objective <= root.objective + 0.01 * self.scale):
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
            self._take(run.values)
            self._bench.release(np.flatnonzero(program.integer))

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

    def _take(self, values: FloatArray) -> None:
        """Offer the plan with the integers of ``values``; they stay held."""
        integers = np.flatnonzero(self.joint.program.integer)
        held = np.rint(values[integers])
        self._bench.fix(integers, held, held)
        solution = self._bench.solve()
        if solution.optimal:
            self._offer(solution)

    def _improve(self, placed: Placed) -> Status:
        """Alternate job neighbourhoods, the commitment of generators and the proof until a limit or nothing moves."""
        self._benches += [Workbench(self.joint.program, {"threads": 1}) for _ in range(self.options.threads - 1)]
        for bench in self._benches[1:]:
            bench.restore(self._bench.basis())
        search = JobSearch(self.board, self._benches, self.scale, self.options.seed)
        committed, rounds, patience = placed, 0, Patience()
        if self.columns.divisible.size:
            self._improve_windows(1)
            self._improve_held(-1)
        while True:
            before, gap, work = self.best, self._distance(), self.clock.work
            placed = self._improve_jobs(search, placed)
            if placed is not committed:
                self._complete(placed, rounds)
            if not self.clock.why_stop():
                self._improve_windows(rounds)
            if self.columns.divisible.size:
                self._improve_held(rounds)
            elif search.failures > _STUCK:
                # For rigid jobs the other neighbourhoods find as much: no more work than they had.
                self._improve_held(rounds, 2.0 * self.clock.work - work)
            if self._distance() > _SLOW * gap and (patience.idle > 1 or self.clock.work > _PROOF_AFTER):
                self._prove(self.clock.work + _PROOF_SHARE * (self.clock.work - work))
            stop = self.clock.why_stop()
            if stop:
                return stop
            if self.best is not before or search.failures > _STUCK:
                # A search that is stuck goes on from the jobs of the best plan, whatever their relaxation says.
                placed = self._placed(None if search.failures > _STUCK else placed) or placed
            committed = placed
            rounds += 1
            parts, done = (0, False) if self._tree is None else (self._tree.parts, self._tree.done)
            lost = patience.lost(self._distance() <= _IDLE * gap, parts, self.clock.work)
            if done or (lost and self.options.time_limit_s is None):
                return "search-ended"

    def _improve_jobs(self, search: JobSearch, placed: Placed) -> Placed:
        # With pausable and elastic jobs a round is dear and the other neighbourhood finds more.
        for _ in range(1 if self.columns.divisible.size else 8):
            placed = search.step(placed) if self.board.count.size else placed
            self._account("improve jobs")
            if self.clock.why_stop():
                break
        return placed

    def _distance(self) -> float:
        """Objective of the best plan above the bound [currency]."""
        return float("inf") if self.best is None else self.best.objective - self.bound

    def _prove(self, work: float) -> None:
        """Raise the bound by branch and bound until the clock shows so much work."""
        if self.best is None or self._root_basis is None:
            return
        if self._tree is None:
            benches = [Workbench(self.joint.program, SHORT_SOLVES) for _ in range(min(2, self.options.threads))]
            best = self.best
            self._tree = Tree(
                self.board,
                benches,
                self._root_basis,
                objective=lambda: (self.best or best).objective,
                offer=self._take,
                margin=_MARGIN * self.scale,
            )
        self._tree.run(lambda: self._proved() >= work or self.clock.why_stop() is not None)
        self._bench.release(self._tree.integers)
        self._proved()

    def _proved(self) -> float:
        """Take over the bound of the tree; returns the work so far."""
        if self._tree is not None:
            self.bound = max(self.bound, self._tree.bound)
            self.clock.bound = -self.bound
        self._account("prove")
        return self.clock.work

    def _placed(self, otherwise: Placed | None) -> Placed | None:
        """The jobs of the best plan, under the relaxation that leaves the rest free; ``otherwise`` if it is worse."""
        if self.best is None or not self.board.count.size:
            return otherwise
        assignment = self.board.read(self.best.solution.values)
        self._bench.release(np.flatnonzero(self.joint.program.integer))
        self._bench.fix(self.board.bound_columns, *self.board.bounds(assignment))
        found = Placed(assignment, self._bench.solve())
        return found if otherwise is None or found.solution.objective < otherwise.solution.objective else otherwise

    def _improve_held(self, rounds: int, most_work: float = float("inf")) -> None:
        """Free one or two jobs, now and then with all generators, while every other decision is held.

        With so much held the relaxation is small, and what it finds counts at its true cost. This is the
        neighbourhood of pausable and elastic jobs, and of large programs.
        """
        jobs, rigid = self.columns.jobs, self.board.count.size
        if self.best is None or not jobs:
            return
        integers = np.flatnonzero(self.joint.program.integer)
        random = np.random.default_rng([self.options.seed, 77, rounds + 1])
        promise = partial(promises, jobs=jobs, rigid=rigid, least=1e-7 * self.scale)
        choices = self._held.choices(lambda: self.best, promise, random)
        for position, choice in enumerate(choices):
            if self.clock.why_stop() or self.clock.work >= most_work:
                break
            freed = [jobs[item] for item in choice] + ([self.columns.units] if position % 3 == 2 else [])
            self._try_held(integers, np.concatenate(freed))
        self._bench.release(integers)

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
        begin = int(length * _between(rounds))
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
            self._take(values)
            self._account("improve energy")
        self._bench.release(integers)


def _between(number: int) -> float:
    """The ``number``-th point of the sequence 0, 1/2, 1/4, 3/4, 1/8, ... (van der Corput 1935)."""
    point, place = 0.0, 0.5
    while number:
        number, bit = divmod(number, 2)
        point, place = point + bit * place, place / 2.0
    return point
