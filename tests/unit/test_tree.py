"""Branch and bound with Lagrangian bounds, and the splits it works on."""

from __future__ import annotations

import numpy as np
import pytest

from joulewright.plan import PlanOptions, plan
from joulewright.plan.clock import Clock
from joulewright.plan.formulation import build
from joulewright.plan.guided.board import JobBoard
from joulewright.plan.guided.branching import job_sides, splits
from joulewright.plan.guided.held import HeldJobs, promises
from joulewright.plan.guided.strategy import GuidedSearch, Patience, _between
from joulewright.plan.guided.tree import Tree, hold_costly
from joulewright.plan.guided.workbench import Workbench, lagrangian, lagrangian_bound
from joulewright.plan.incumbent import Incumbent
from joulewright.plan.program import Builder, Term
from joulewright.plan.solver import LinearSolution, pass_program, read_solution


def label(position):
    return str(position)


@pytest.fixture
def knapsack():
    """min -5 a - 4 b - 3 c with 2 a + 3 b + c <= 5 and 4 a + b + 2 c <= 11 over {0, 1, 2}; the optimum is -13."""
    builder = Builder()
    block = builder.variable("x", 3, label, upper=2.0, cost=np.array([-5.0, -4.0, -3.0]), integer=True)
    for weights, limit in (([2.0, 3.0, 1.0], 5.0), ([4.0, 1.0, 2.0], 11.0)):
        builder.add_rows("limit", 1, label, [Term(0, block.index, np.array(weights))], upper=limit)
    return builder.compile()


@pytest.fixture
def two_places(tiny):
    """Jobs that fit one at a time on either of two sites whose prices differ by the hour."""

    def site(name, prices):
        grid = tiny.grid(6, import_price_per_mwh=np.array(prices, float), export_limit_mw=0.0)
        return tiny.site(6, name=name, grid=grid, fleets=(tiny.fleet(6),))

    jobs = tuple(
        tiny.job(name, gpus=gpus, duration_h=2.0, release=tiny.at(0), deadline=tiny.at(6), value=80.0)
        for name, gpus in zip("abcd", (70, 60, 80, 55), strict=True)
    )
    sites = site("east", [90, 20, 60, 35, 80, 40]), site("west", [30, 70, 45, 50, 25, 95])
    return tiny.scenario(*sites, steps=6, training=jobs)


def optimum(program):
    highs = pass_program(program, integer=True, options={"mip_rel_gap": 0.0, "mip_abs_gap": 0.0})
    highs.run()
    return read_solution(highs)


class Search:
    """A tree with its best plan, started without one."""

    def __init__(self, joint, benches=1):
        self.program, self.best = joint.program, float("inf")
        lanes = [Workbench(joint.program) for _ in range(benches)]
        lanes[0].first_solve()
        self.tree = Tree(
            JobBoard(joint), lanes, lanes[0].basis(), objective=lambda: self.best, offer=self.offer, margin=1e-7
        )

    def offer(self, values):
        assert np.abs(values - np.rint(values))[self.program.integer].max(initial=0.0) < 1e-5
        self.best = min(self.best, float(self.program.cost @ values) + self.program.offset)


def held_box(program, box, duals, room):
    return hold_costly(box, lagrangian(program, duals)[1][program.integer], room)


class TestHoldCostly:
    def test_a_step_may_cost_at_most_the_room(self, knapsack):
        # With the multiplier -2.5 on the first row the reduced costs are 0, 3.5 and -0.5.
        duals = np.array([-2.5, 0.0])
        box = (np.zeros(3, np.int32), np.full(3, 2, np.int32))
        lower, upper = held_box(knapsack, box, duals, 1.2)
        assert lower.tolist() == [0, 0, 0]
        assert upper.tolist() == [2, 0, 2]
        lower, upper = held_box(knapsack, box, duals, 0.7)
        assert lower.tolist() == [0, 0, 1]
        assert upper.tolist() == [2, 0, 2]

    def test_room_without_end_holds_nothing(self, knapsack):
        box = (np.zeros(3, np.int32), np.full(3, 2, np.int32))
        lower, upper = held_box(knapsack, box, np.array([-2.5, 0.0]), float("inf"))
        assert lower.tolist() == [0, 0, 0]
        assert upper.tolist() == [2, 2, 2]

    def test_multipliers_of_the_wrong_sign_count_as_none(self, knapsack):
        box = (np.zeros(3, np.int32), np.full(3, 2, np.int32))
        right = held_box(knapsack, box, np.zeros(2), 3.5)
        wrong = held_box(knapsack, box, np.array([4.0, 9.0]), 3.5)
        assert [side.tolist() for side in right] == [side.tolist() for side in wrong] == [[2, 2, 1], [2, 2, 2]]

    @pytest.mark.parametrize("seed", range(40))
    def test_no_solution_within_the_room_is_lost(self, knapsack, seed):
        random = np.random.default_rng(seed)
        duals, room = -random.uniform(0.0, 3.0, 2), float(random.uniform(0.0, 6.0))
        lower, upper = held_box(knapsack, (np.zeros(3, np.int32), np.full(3, 2, np.int32)), duals, room)
        bound = lagrangian_bound(knapsack, duals)
        for point in np.ndindex(3, 3, 3):
            a, b, c = point
            if 2 * a + 3 * b + c > 5 or 4 * a + b + 2 * c > 11 or -5 * a - 4 * b - 3 * c > bound + room:
                continue
            assert np.all(lower <= point)
            assert np.all(point <= upper)


class TestSplits:
    def test_an_integral_solution_has_none(self, two_places):
        joint = build(two_places)
        box = (joint.program.lower, joint.program.upper)
        assert splits(joint.program, JobBoard(joint), optimum(joint.program).values, box) == []

    def test_every_start_of_a_job_is_left_on_exactly_one_side(self, two_places):
        joint = build(two_places)
        board, random = JobBoard(joint), np.random.default_rng(3)
        for group in range(board.count.size):
            own = board.columns[board.group == group]
            values = np.zeros(joint.program.cost.size)
            values[own] = random.dirichlet(np.ones(own.size))
            sides = job_sides(board, group, values, (joint.program.lower, joint.program.upper))
            first, second = (set(side.columns.tolist()) for side in sides)
            rejection = set(board.rejection[board.optional == group].tolist())
            assert first & second == set()
            assert first | second == set(own.tolist()) | rejection
            assert rejection <= first
            assert all(set(side.lower) == set(side.upper) == {0.0} for side in sides)

    def test_a_job_divided_between_sites_is_split_by_site(self, two_places):
        joint = build(two_places)
        board = JobBoard(joint)
        own = np.flatnonzero(board.group == 0)
        values = np.zeros(joint.program.cost.size)
        halves = [own[board.starts.fleet[own] == fleet][0] for fleet in (0, 1)]
        values[board.columns[halves]] = [0.6, 0.4]
        sides = job_sides(board, 0, values, (joint.program.lower, joint.program.upper))
        closed = own[np.isin(board.columns[own], sides[0].columns)]
        assert set(board.starts.fleet[closed].tolist()) == {1}

    def test_a_job_with_one_start_left_cannot_be_split(self, two_places):
        joint = build(two_places)
        board, upper = JobBoard(joint), joint.program.upper.copy()
        own = board.columns[board.group == 0]
        upper[own[1:]] = 0.0
        assert job_sides(board, 0, np.zeros(upper.size), (joint.program.lower, upper)) is None

    def test_a_job_with_one_start_left_is_split_by_its_rejection(self, two_places):
        joint = build(two_places)
        board, upper = JobBoard(joint), joint.program.upper.copy()
        own, rejection = board.columns[board.group == 0], int(board.rejection[0])
        upper[own[1:]] = 0.0
        values = np.zeros(upper.size)
        values[[own[0], rejection]] = 0.5
        found = splits(joint.program, board, values, (joint.program.lower, upper))
        assert [split.sides[0].columns.tolist() for split in found] == [[rejection]]

    def test_equal_fractions_beside_each_other_are_split_once(self, two_places):
        joint = build(two_places)
        values = np.zeros(joint.program.cost.size)
        values[joint.program.variables["rejected"][0].index[:2]] = 0.25
        found = splits(joint.program, JobBoard(joint), values, (joint.program.lower, joint.program.upper))
        assert [split.divided for split in found] == [0.25]
        down, up = found[0].sides
        assert (down.upper.tolist(), up.lower.tolist()) == ([0.0], [1.0])


class TestTree:
    @pytest.mark.parametrize("benches", [1, 2])
    def test_it_ends_at_the_optimum(self, two_places, benches):
        joint = build(two_places)
        search = Search(joint, benches)
        search.tree.run(lambda: False)
        best = optimum(joint.program).objective
        assert search.tree.done
        assert search.best == pytest.approx(best, abs=1e-5)
        assert search.tree.bound == pytest.approx(best, abs=1e-5)

    def test_the_bound_only_rises_and_never_passes_the_optimum(self, two_places):
        joint = build(two_places)
        search, best = Search(joint), optimum(joint.program).objective
        known = -float("inf")
        while not search.tree.done:
            limit = search.tree.parts + 1
            search.tree.run(lambda limit=limit: search.tree.parts >= limit)
            assert known - 1e-9 <= search.tree.bound <= best + 1e-6
            known = search.tree.bound

    def test_two_runs_split_alike(self, two_places):
        joint = build(two_places)
        first, second = Search(joint, 2), Search(joint, 2)
        for search in (first, second):
            search.tree.run(lambda tree=search.tree: tree.parts >= 9)
        assert (first.tree.parts, first.tree.bound, first.best) == (second.tree.parts, second.tree.bound, second.best)
        assert first.tree.work == second.tree.work

    def test_with_the_optimum_known_it_only_proves(self, two_places):
        joint = build(two_places)
        search = Search(joint)
        search.best = optimum(joint.program).objective
        search.tree.run(lambda: False)
        assert search.tree.bound == pytest.approx(search.best, abs=1e-5)

    def test_a_solve_cut_short_offers_nothing_and_keeps_a_valid_bound(self, two_places):
        joint = build(two_places)
        whole = Workbench(joint.program)
        whole.first_solve()
        offered = []
        short = Workbench(joint.program, {"simplex_iteration_limit": 1, "presolve": "off"})
        start = Workbench(joint.program, {"simplex_iteration_limit": 0, "presolve": "off"})
        start.solve()
        tree = Tree(
            JobBoard(joint), [short], start.basis(), objective=lambda: float("inf"), offer=offered.append, margin=1e-7
        )
        tree.run(lambda: False)
        assert offered == []
        assert tree.done
        assert tree.bound <= optimum(joint.program).objective + 1e-6

    def test_it_stops_within_a_dive_and_loses_no_part(self, two_places):
        joint = build(two_places)
        search, best = Search(joint), optimum(joint.program).objective
        for _ in range(6):
            if search.tree.done:
                break
            limit = search.tree.parts + 1
            search.tree.run(lambda limit=limit: search.tree.parts >= limit)
            # At most three splits are compared before the question is asked again.
            assert search.tree.parts <= limit + 5
        search.tree.run(lambda: False)
        assert search.best == pytest.approx(best, abs=1e-5)

    def test_without_anyone_to_offer_to_it_only_bounds(self, two_places):
        joint = build(two_places)
        best = optimum(joint.program).objective
        bench = Workbench(joint.program)
        bench.first_solve()
        tree = Tree(JobBoard(joint), [bench], bench.basis(), objective=lambda: best, margin=0.0)
        tree.run(lambda: False)
        assert tree.bound == pytest.approx(best, abs=1e-5)


class TestHeld:
    def solution(self, values, reduced):
        return Incumbent(LinearSolution("Optimal", np.array(values), np.array(reduced), np.empty(0), 0.0), 1.0)

    def test_a_rigid_job_promises_the_distance_to_its_best_start(self):
        best = self.solution([1.0, 0.0, 0.0, 1.0], [4.0, -3.0, 0.0, 5.0])
        jobs = (np.array([0, 1]), np.array([2, 3]))
        assert promises(best, jobs, 1, 1e-9).tolist() == [7.0, 5.0]
        assert promises(best, jobs, 2, 6.0).tolist() == [7.0, 0.0]

    def choices(self, jobs, best, gains):
        return list(jobs.choices(lambda: best, lambda _: np.array(gains), np.random.default_rng(0)))

    def test_most_promising_first_then_pairs_and_nothing_without_a_promise(self):
        best = self.solution([1.0], [1.0])
        found = self.choices(HeldJobs(), best, [0.0, 3.0, 5.0])
        assert found[:2] == [[2], [1]]
        assert all(len(pair) == 2 and pair[0] in (1, 2) and pair[0] != pair[1] for pair in found[2:])
        assert len(found) == 8
        assert self.choices(HeldJobs(), best, np.zeros(3)) == []
        assert self.choices(HeldJobs(), None, np.ones(3)) == []

    def test_jobs_freed_alone_are_not_freed_alone_again_for_the_same_plan(self):
        jobs, best = HeldJobs(), self.solution([1.0], [1.0])
        self.choices(jobs, best, [0.0, 3.0, 5.0])
        assert all(len(pair) == 2 for pair in self.choices(jobs, best, [0.0, 3.0, 5.0]))
        assert self.choices(jobs, self.solution([1.0], [1.0]), [0.0, 3.0, 5.0])[:2] == [[2], [1]]


class TestInTheSearch:
    def test_the_search_proves_its_plan(self, two_places, monkeypatch):
        monkeypatch.setattr("joulewright.plan.guided.strategy.SMALL_INTEGERS", 0)
        result = plan(two_places, PlanOptions(gap=0.0))
        exact = plan(two_places, PlanOptions(gap=0.0, strategy="exact"))
        assert result.objective == pytest.approx(exact.objective, abs=1e-4)
        assert result.gap <= 2e-6
        assert result.bound_source == "lagrangian"
        assert result.bound >= exact.objective - 1e-6

    def test_work_only_grows_and_covers_the_proof(self, two_places, monkeypatch):
        monkeypatch.setattr("joulewright.plan.guided.strategy.SMALL_INTEGERS", 0)
        joint, seen = build(two_places), []
        options = PlanOptions(gap=0.0, progress=lambda _: seen.append(clock.work))
        clock = Clock(options)
        search = GuidedSearch(joint, options, clock)
        search.run()
        assert seen == sorted(seen)
        assert clock.work >= search._tree.work > 0.0

    def test_patience_ends_after_idle_rounds_with_enough_parts_or_work(self):
        patience = Patience()
        assert [patience.lost(False, 1000, 0.0) for _ in range(7)] == [False] * 5 + [True] * 2
        assert not patience.lost(True, 1000, 0.0)
        assert [patience.lost(False, 1100, 10.0) for _ in range(7)] == [False] * 7
        assert patience.lost(False, 1100, 61.0)

    def test_same_work_limit_same_plan_and_bound(self, two_places, monkeypatch):
        monkeypatch.setattr("joulewright.plan.guided.strategy.SMALL_INTEGERS", 0)
        options = PlanOptions(gap=0.0, work_limit=0.12, seed=5)
        first, second = (plan(two_places, options) for _ in range(2))
        assert (first.objective, first.bound, first.work) == (second.objective, second.bound, second.work)
        assert {name: job.segments for name, job in first.schedule.jobs.items()} == {
            name: job.segments for name, job in second.schedule.jobs.items()
        }

    def test_points_between_are_halves_then_quarters(self):
        assert [_between(number) for number in range(6)] == [0.0, 0.5, 0.25, 0.75, 0.125, 0.625]
