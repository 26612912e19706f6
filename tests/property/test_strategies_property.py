"""Guided and rolling plans against exact ones on random scenarios."""

from __future__ import annotations

import numpy as np
import pytest

from joulewright.check import violations
from joulewright.model import Link
from joulewright.plan import PlanOptions, plan
from joulewright.plan.formulation import build
from joulewright.plan.free_generators import relax_generators
from joulewright.plan.guided.board import JobBoard
from joulewright.plan.guided.tree import Tree, hold_costly
from joulewright.plan.guided.workbench import Workbench, lagrangian, lagrangian_bound
from joulewright.plan.outlook import look_ahead
from joulewright.plan.solver import pass_program, read_solution


def random_scenario(tiny, seed, *, steps=14, jobs=5):
    """Two sites with battery and generator, jobs of all three kinds, now and then a carbon budget."""
    random = np.random.default_rng(seed)

    def site(name):
        grid = tiny.grid(
            steps,
            import_limit_mw=1.9,
            export_limit_mw=0.5,
            import_price_per_mwh=random.uniform(10.0, 150.0, steps),
            export_price_per_mwh=5.0,
            carbon=random.uniform(50.0, 600.0, steps),
        )
        unit = tiny.generator(
            steps,
            capacity_mw=0.6,
            min_load_mw=0.2,
            ramp_mw_per_h=0.4,
            start_cost=4.0,
            min_up_h=2.0,
            min_down_h=2.0,
            fuel_cost_per_mwh=float(random.uniform(40.0, 100.0)),
            emission_kg_per_mwh=450.0,
        )
        battery = tiny.battery(energy_mwh=0.8, charge_limit_mw=0.3, discharge_limit_mw=0.3, initial_energy_mwh=0.4)
        return tiny.site(
            steps, name=name, grid=grid, generators=(unit,), batteries=(battery,), fleets=(tiny.fleet(steps),)
        )

    work = []
    for position in range(jobs):
        length = int(random.integers(2, 5))
        first = int(random.integers(0, steps - length - 2))
        kind = str(random.choice(["rigid", "rigid", "pausable", "elastic"]))
        changes = {"min_gpus": 10, "max_gpus": 60} if kind == "elastic" else {}
        work.append(
            tiny.job(
                f"job{position}",
                kind=kind,
                gpus=int(random.choice([30, 40, 60])),
                duration_h=float(length),
                release=tiny.at(first),
                deadline=tiny.at(min(steps, first + length + int(random.integers(2, 9)))),
                value=float(random.choice([30.0, 500.0])),
                **changes,
            )
        )
    links = (Link(between=("a", "b"), bandwidth_gbit_s=10.0),)
    return tiny.scenario(site("a"), site("b"), steps=steps, training=tuple(work), links=links)


@pytest.mark.parametrize("seed", range(50))
def test_guided_is_within_its_gap_of_exact(tiny, seed):
    scenario = random_scenario(tiny, seed)
    exact = plan(scenario, PlanOptions(strategy="exact", gap=1e-3, time_limit_s=30))
    guided = plan(scenario, PlanOptions(gap=1e-3, time_limit_s=30, seed=seed))
    assert violations(scenario, guided.schedule) == []
    assert guided.objective >= exact.bound - 1e-3 * guided.cost - 2e-3 * abs(exact.cost) - 1e-6
    assert exact.objective <= guided.bound + 1e-6
    assert guided.ledger.benefit == pytest.approx(guided.objective, rel=1e-6, abs=1e-5)


@pytest.mark.parametrize("seed", range(6))
def test_rolling_plans_pass_the_check_and_stay_below_their_bound(tiny, seed):
    scenario = random_scenario(tiny, 100 + seed, steps=30, jobs=8)
    options = PlanOptions(strategy="rolling", window_h=14.0, commit_h=8.0, gap=1e-3)
    result = plan(scenario, options)
    assert violations(scenario, result.schedule) == []
    assert result.objective <= result.bound + 1e-6
    guided = plan(scenario, PlanOptions(gap=1e-3, time_limit_s=20))
    assert result.objective <= guided.bound + 1e-6
    assert guided.objective - result.objective <= 0.35 * guided.cost


@pytest.mark.parametrize("seed", range(5))
def test_the_long_view_is_a_bound_for_the_whole_problem(tiny, seed):
    scenario = random_scenario(tiny, 200 + seed)
    exact = plan(scenario, PlanOptions(strategy="exact", gap=1e-4, time_limit_s=30))
    for relax in (False, True):
        assert -look_ahead(scenario, frozenset(), relax=relax).bound >= exact.objective - 1e-6


@pytest.mark.parametrize("seed", range(5))
def test_relaxed_generators_never_cost_more(tiny, seed):
    scenario = random_scenario(tiny, 300 + seed)
    values = []
    for facts in (scenario, relax_generators(scenario)):
        highs = pass_program(build(facts).program)
        highs.run()
        values.append(read_solution(highs).objective)
    assert values[1] <= values[0] + 1e-6


@pytest.mark.parametrize("seed", range(4))
def test_large_programs_are_planned_in_windows_and_improved_as_a_whole(tiny, seed, monkeypatch):
    scenario = random_scenario(tiny, 400 + seed, steps=30, jobs=8)
    whole = plan(scenario, PlanOptions(gap=1e-3, time_limit_s=20))
    monkeypatch.setattr("joulewright.plan.planner.LARGE_NONZEROS", 1000)
    options = PlanOptions(gap=1e-3, time_limit_s=20, window_h=14.0, commit_h=8.0)
    result = plan(scenario, options)
    assert violations(scenario, result.schedule) == []
    assert result.objective <= min(result.bound, whole.bound) + 1e-6
    assert whole.objective - result.objective <= 0.35 * whole.cost
    assert any("windows of 14 h" in note for note in result.notes)


def proved(joint, benches, parts=None):
    """Best objective, its integers and the bound of a tree that starts without a plan."""
    best = [float("inf"), None]

    def offer(values):
        objective = float(joint.program.cost @ values) + joint.program.offset
        if objective < best[0]:
            best[:] = [objective, np.rint(values[joint.program.integer])]

    benches[0].first_solve()
    basis = benches[0].basis()
    tree = Tree(JobBoard(joint), benches, basis, objective=lambda: best[0], offer=offer, margin=1e-6)
    tree.run(lambda: parts is not None and tree.parts >= parts)
    return best, tree


@pytest.mark.parametrize("seed", range(10))
def test_the_tree_ends_at_the_optimum_and_its_bound_never_passes_it(tiny, seed):
    joint = build(random_scenario(tiny, 500 + seed, steps=8, jobs=3))
    highs = pass_program(joint.program, integer=True, options={"mip_rel_gap": 0.0, "mip_abs_gap": 1e-7})
    highs.run()
    optimum = read_solution(highs)
    assert proved(joint, [Workbench(joint.program)], 10)[1].bound <= optimum.objective + 1e-5
    best, tree = proved(joint, [Workbench(joint.program) for _ in range(2)], 300)
    assert tree.bound <= optimum.objective + 1e-5
    assert best[0] >= optimum.objective - 1e-4
    if tree.done:
        assert best[0] == pytest.approx(optimum.objective, abs=1e-3)
        assert tree.bound == pytest.approx(optimum.objective, abs=1e-3)


@pytest.mark.parametrize("seed", range(20))
def test_holding_costly_columns_never_removes_the_optimum(tiny, seed):
    program = build(random_scenario(tiny, 600 + seed, steps=8, jobs=3)).program
    highs = pass_program(program, integer=True, options={"mip_rel_gap": 0.0, "mip_abs_gap": 1e-7})
    highs.run()
    optimum = read_solution(highs)
    duals = Workbench(program).first_solve().row_duals
    integers = np.flatnonzero(program.integer)
    box = (program.lower[integers].astype(np.int32), program.upper[integers].astype(np.int32))
    room = optimum.objective - lagrangian_bound(program, duals) + 1e-6 * abs(optimum.objective)
    lower, upper = hold_costly(box, lagrangian(program, duals)[1][program.integer], room)
    best = np.rint(optimum.values[integers])
    assert np.all(lower <= best)
    assert np.all(best <= upper)
    assert (upper - lower).sum() <= (box[1] - box[0]).sum()
