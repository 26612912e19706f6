"""The guided strategy and its parts."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import numpy as np
import pytest

from joulewright.account import settle
from joulewright.check import violations
from joulewright.errors import InfeasibleError
from joulewright.plan import PlanOptions, plan
from joulewright.plan.clock import Clock
from joulewright.plan.formulation import build
from joulewright.plan.guided.board import Assignment, JobBoard
from joulewright.plan.guided.dive import DiveOptions, Placed, dive
from joulewright.plan.guided.extract import components, extract
from joulewright.plan.guided.strategy import GuidedSearch
from joulewright.plan.guided.workbench import Workbench, lagrangian, lagrangian_bound, reduced_costs, row_activity
from joulewright.plan.incumbent import losing_directions, opposite_flows
from joulewright.plan.solver import pass_program, read_solution

START = datetime(2022, 7, 4, tzinfo=UTC)


@pytest.fixture
def three_jobs(tiny):
    """Three equal jobs of two steps on ten accelerators each; only one fits at a time."""
    jobs = tuple(
        tiny.job(name, gpus=80, duration_h=2.0, release=tiny.at(0), deadline=tiny.at(6), value=1000.0) for name in "abc"
    )
    grid = tiny.grid(6, import_price_per_mwh=np.array([10.0, 20.0, 30.0, 40.0, 50.0, 60.0]))
    return tiny.scenario(tiny.site(6, grid=grid, fleets=(tiny.fleet(6, count=100),)), steps=6, training=jobs)


def solved(program, integer=True):
    highs = pass_program(program, integer=integer, options={"mip_rel_gap": 0.0})
    highs.run()
    return read_solution(highs)


class TestBoard:
    def test_equal_jobs_are_one_group_with_their_count(self, three_jobs):
        board = JobBoard(build(three_jobs))
        assert board.count.tolist() == [3]
        assert board.columns.size == 5

    def test_a_run_takes_its_accelerators_for_its_whole_length(self, three_jobs):
        board = JobBoard(build(three_jobs))
        left = board.remaining(board.empty())
        board.take(left, 1)
        assert left[0].tolist() == [100, 20, 20, 100, 100, 100]
        assert board.fitting(left).tolist() == [False, False, False, True, True]
        assert not board.fits(left, 2)
        assert board.fits(left, 3)

    def test_bounds_keep_what_is_placed_and_open_the_rest(self, three_jobs):
        board = JobBoard(build(three_jobs))
        placed = np.array([1, 0, 0, 0, 0])
        lower, upper = board.bounds(Assignment(placed, np.zeros(1, np.int64)))
        assert lower[:5].tolist() == [1, 0, 0, 0, 0]
        assert upper[:5].tolist() == [3, 2, 2, 2, 2]

    def test_without_takes_back_all_units_of_a_group(self, three_jobs):
        board = JobBoard(build(three_jobs))
        assignment = Assignment(np.array([1, 0, 1, 0, 1]), np.zeros(1, np.int64))
        assert board.free(assignment).tolist() == [0]
        assert board.free(board.without(assignment, np.array([0]))).tolist() == [3]


class TestBound:
    def test_any_duals_give_a_lower_bound(self, three_jobs):
        program = build(three_jobs).program
        optimum = solved(program).objective
        random = np.random.default_rng(1)
        for _ in range(20):
            assert lagrangian_bound(program, random.normal(0.0, 50.0, program.shape[0])) <= optimum + 1e-6

    def test_the_duals_of_the_relaxation_give_its_value(self, three_jobs):
        program = build(three_jobs).program
        relaxed = Workbench(program).first_solve()
        assert lagrangian_bound(program, relaxed.row_duals) == pytest.approx(relaxed.objective, abs=1e-4)

    def test_reduced_costs_are_those_of_the_solver(self, three_jobs):
        program = build(three_jobs).program
        relaxed = Workbench(program).first_solve()
        assert reduced_costs(program, relaxed.row_duals) == pytest.approx(relaxed.reduced_costs, abs=1e-6)

    def test_a_smaller_box_never_lowers_the_bound(self, three_jobs):
        program = build(three_jobs).program
        duals = Workbench(program).first_solve().row_duals
        upper = program.upper.copy()
        upper[program.integer] = np.minimum(upper[program.integer], 1.0)
        assert lagrangian(program, duals, box=(program.lower, upper))[0] >= lagrangian_bound(program, duals)


class TestDive:
    def test_all_jobs_get_a_place_that_fits(self, three_jobs):
        joint = build(three_jobs)
        board, bench = JobBoard(joint), Workbench(joint.program)
        found = dive(bench, board, Placed(board.empty(), bench.first_solve()), DiveOptions())
        assert found is not None
        assert not board.free(found.assignment).any()
        assert board.remaining(found.assignment).min() >= 0.0

    def test_a_cutoff_that_cannot_be_met_ends_the_dive(self, three_jobs):
        joint = build(three_jobs)
        board, bench = JobBoard(joint), Workbench(joint.program)
        root = bench.first_solve()
        assert dive(bench, board, Placed(board.empty(), root), DiveOptions(cutoff=root.objective - 1.0)) is None


class TestExtract:
    def test_holding_everything_but_one_site_keeps_its_optimum(self, three_jobs):
        program = build(three_jobs).program
        whole = solved(program)
        free = np.flatnonzero(~program.integer)
        small = extract(program, free, whole.values)
        again = solved(small)
        fixed = np.setdiff1d(np.arange(program.cost.size), free)
        rest = program.cost[fixed] @ whole.values[fixed] + program.offset
        assert again.objective + rest == pytest.approx(whole.objective, abs=1e-6)

    def test_row_activity_is_the_matrix_product(self, three_jobs):
        program = build(three_jobs).program
        dense = np.zeros(program.shape)
        for column in range(program.cost.size):
            entries = slice(program.start[column], program.start[column + 1])
            dense[program.index[entries], column] = program.value[entries]
        values = np.random.default_rng(0).uniform(size=program.cost.size)
        assert row_activity(program, values) == pytest.approx(dense @ values)

    def test_sites_without_common_rows_fall_apart(self, tiny):
        sites = tuple(tiny.site(2, name=name, fleets=()) for name in ("a", "b"))
        program = build(tiny.scenario(*sites, steps=2)).program
        parts = components(program, np.arange(program.cost.size), np.zeros(program.shape[0], bool))
        linked = [set(part.tolist()) for part in parts if part.size > 1]
        assert all(left.isdisjoint(right) for left, right in itertools.combinations(linked, 2))


class TestOneWay:
    def test_both_directions_are_found_and_the_smaller_one_is_closed(self, tiny):
        grid = tiny.grid(2, import_price_per_mwh=1.0, export_price_per_mwh=5.0, export_limit_mw=3.0)
        joint = build(tiny.scenario(tiny.site(2, grid=grid), steps=2))
        relaxed = Workbench(joint.program).first_solve()
        both = opposite_flows(joint, relaxed.values)
        assert [steps.tolist() for key, steps in both.items() if key[0] == "grid"] == [[0, 1]]
        assert losing_directions(joint, relaxed.values).size == 2

    def test_a_plan_never_imports_and_exports_at_once(self, tiny):
        grid = tiny.grid(2, import_price_per_mwh=1.0, export_price_per_mwh=5.0, export_limit_mw=3.0)
        result = plan(tiny.scenario(tiny.site(2, grid=grid), steps=2))
        flows = next(iter(result.schedule.sites.values()))
        assert np.minimum(flows.grid_import_mw, flows.grid_export_mw).max() <= 1e-6


class TestGuided:
    def test_cheapest_hours_first_and_the_price_rises_with_every_job(self, three_jobs):
        result = plan(three_jobs, PlanOptions(gap=0.0))
        starts = sorted(job.start_step for job in result.schedule.jobs.values())
        assert starts == [0, 2, 4]
        assert [result.schedule.jobs[name].start_step for name in "abc"] == starts

    def test_the_objective_is_the_ledger(self, three_jobs):
        result = plan(three_jobs)
        assert result.ledger.benefit == pytest.approx(result.objective, rel=1e-6)
        assert settle(three_jobs, result.schedule).benefit == result.ledger.benefit

    def test_the_bound_lies_above_and_the_gap_says_how_far(self, three_jobs):
        result = plan(three_jobs, PlanOptions(gap=0.0))
        assert result.bound >= result.objective - 1e-6
        assert result.gap == pytest.approx(max(0.0, result.bound - result.objective) / result.cost, abs=1e-9)
        assert result.violations == ()

    def test_same_seed_threads_and_work_limit_same_plan(self, three_jobs):
        options = PlanOptions(gap=0.0, work_limit=0.5, seed=3)
        first, second = (plan(three_jobs, options) for _ in range(2))
        assert {name: job.segments for name, job in first.schedule.jobs.items()} == {
            name: job.segments for name, job in second.schedule.jobs.items()
        }
        assert first.objective == second.objective

    def test_an_infeasible_scenario_is_refused(self, tiny):
        grid = tiny.grid(2, import_limit_mw=0.0)
        site = tiny.site(2, grid=grid, fixed_it_power_mw=np.full(2, 5.0))
        with pytest.raises(InfeasibleError):
            plan(tiny.scenario(site, steps=2))

    def test_stopping_at_once_claims_no_plan(self, three_jobs):
        result = plan(three_jobs, PlanOptions(should_stop=lambda: True, strategy="exact"))
        assert result.schedule is None or violations(three_jobs, result.schedule) == []

    def test_search_improves_or_keeps_the_plan(self, three_jobs):
        joint, options = build(three_jobs), PlanOptions(gap=0.0, work_limit=2.0)
        search = GuidedSearch(joint, options, Clock(options))
        search.run()
        assert search.best is not None
        first = search.best.objective
        search._improve_windows(0)
        search._improve_held(0)
        assert search.best.objective <= first + 1e-9
        assert search.bound <= search.best.objective + 1e-6
