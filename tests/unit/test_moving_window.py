"""A window whose numbers are all taken anew: against a model built anew, step after step."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from joulewright.model import CarbonPolicy, DemandWindow, Region
from joulewright.model.window import scenario_window
from joulewright.plan.formulation import build
from joulewright.plan.free_generators import relax_generators
from joulewright.plan.guided.workbench import row_activity
from joulewright.plan.moving_window import MovingWindow
from joulewright.plan.ring import Ring
from joulewright.plan.solver import pass_program, read_solution

STEPS, WINDOW = 12, 4


def rebuilt(scenario) -> float:
    """Optimum of the relaxation built anew."""
    highs = pass_program(build(relax_generators(scenario)).program)
    highs.run()
    solution = read_solution(highs)
    assert solution.optimal
    return solution.objective


@pytest.fixture
def scenario(tiny):
    """Two sites with everything that a window without jobs can hold, and numbers that change with every step."""
    draw = np.random.default_rng(5)
    window = DemandWindow(name="day", price_per_mw=200.0, members=np.arange(STEPS) % 3 > 0, peak_so_far_mw=0.5)
    site = tiny.site(
        STEPS,
        grid=tiny.grid(
            STEPS,
            import_limit_mw=draw.uniform(2.0, 4.0, STEPS),
            export_limit_mw=draw.uniform(0.0, 2.0, STEPS),
            import_price_per_mwh=draw.uniform(-10.0, 90.0, STEPS),
            demand_windows=(window,),
            carbon=draw.uniform(100.0, 500.0, STEPS),
            ramp_mw_per_h=3.0,
        ),
        pue=draw.uniform(1.1, 1.5, STEPS),
        fixed_facility_power_mw=draw.uniform(0.5, 1.5, STEPS),
        it_limit_mw=2.0,
        renewables=(tiny.plant(draw.uniform(0.0, 0.3, STEPS), STEPS),),
        batteries=(tiny.battery(wear_cost_per_mwh=1.0, charge_efficiency=0.9, self_discharge_per_h=0.01),),
        generators=(tiny.generator(STEPS, ramp_mw_per_h=4.0, fuel_cost_per_mwh=draw.uniform(40.0, 70.0, STEPS)),),
        unserved_power_penalty_per_mwh=900.0,
    )
    other = tiny.site(STEPS, name="b", batteries=(tiny.battery(terminal_value_per_mwh=45.0),))
    return tiny.scenario(
        site,
        other,
        steps=STEPS,
        carbon=CarbonPolicy(price_per_t=20.0, credit_export=True),
        regions=(Region(name="west", latency_ms={"a": 5.0, "b": 9.0}),),
        inference=(tiny.service(STEPS, demand=draw.uniform(1e4, 1.5e5, STEPS), unserved_penalty_per_mtoken=4.0),),
    )


def part(scenario, first):
    """The window from ``first`` on, its battery as full as it is then."""
    cut = scenario_window(scenario, first, first + WINDOW)
    stored = replace(cut.sites[0].batteries[0], initial_energy_mwh=3.0 + 0.5 * (first % 7))
    return cut.with_changes(sites=(replace(cut.sites[0], batteries=(stored,)), cut.sites[1]))


@pytest.mark.parametrize("stride", [1, 3])
def test_every_move_equals_a_model_built_anew(scenario, stride):
    window = MovingWindow(part(scenario, 0))
    assert window.solve().objective == pytest.approx(rebuilt(part(scenario, 0)), rel=1e-9)
    for first in range(stride, STEPS - WINDOW + 1, stride):
        moved = part(scenario, first)
        window.move(moved.sites, moved.inference, steps=stride)
        found, program = window.solve(), window.joint.program
        assert found.objective == pytest.approx(rebuilt(moved), rel=1e-9)
        activity = row_activity(program, found.values)
        assert (activity >= program.row_lower - 1e-6).all()
        assert (activity <= program.row_upper + 1e-6).all()


def test_numbers_can_change_without_a_move(scenario):
    """Another forecast of the same steps."""
    window, first = MovingWindow(part(scenario, 2)), part(scenario, 2)
    dearer = replace(first.sites[1], grid=replace(first.sites[1].grid, import_price_per_mwh=np.full(WINDOW, 75.0)))
    window.move((first.sites[0], dearer), first.inference)
    assert window.solve().objective == pytest.approx(rebuilt(first.with_changes(sites=(first.sites[0], dearer))))


def test_solutions_are_in_the_order_of_the_window(tiny):
    """Dear and cheap hours alternate: the battery charges in the cheap ones, wherever the ring begins."""
    battery = tiny.battery(
        charge_efficiency=1.0, discharge_efficiency=1.0, initial_energy_mwh=0.0, wear_cost_per_mwh=1.0
    )
    prices = np.tile([10.0, 90.0], 4)
    site = tiny.site(
        8, fleets=(), grid=tiny.grid(8, import_price_per_mwh=prices), fixed_facility_power_mw=6.0, batteries=(battery,)
    )
    whole = tiny.scenario(site, steps=8)
    window = MovingWindow(scenario_window(whole, 0, 4))
    for first in range(5):
        moved = scenario_window(whole, first, first + 4)
        window.move(moved.sites, steps=int(first > 0))
        found = window.solve()
        charge = window.joint.program.variables["charge"][0].values(found.values)
        cheap = moved.sites[0].grid.import_price_per_mwh < 50.0
        later_dear = np.array([(~cheap[step:]).any() for step in range(4)])
        np.testing.assert_allclose(charge, np.where(cheap & later_dear, 5.0, 0.0), atol=1e-9)


def test_a_generator_that_may_not_stop_yet_keeps_its_least_load(tiny):
    young = tiny.generator(
        4, min_load_mw=2.0, min_up_h=3.0, initially_on=True, initial_hours=1.0, initial_output_mw=2.0
    )
    site = tiny.site(4, fleets=(), fixed_facility_power_mw=5.0, generators=(young,))
    window = MovingWindow(tiny.scenario(site, steps=4))
    output = window.joint.program.variables["generator_output"][0].values(window.solve().values)
    np.testing.assert_allclose(output, [2.0, 2.0, 0.0, 0.0])


def test_a_generator_that_may_not_start_yet_stays_off(tiny):
    rested = tiny.generator(4, min_down_h=3.0, initial_hours=1.0, fuel_cost_per_mwh=1.0)
    site = tiny.site(4, fleets=(), fixed_facility_power_mw=5.0, generators=(rested,))
    site = replace(site, grid=replace(site.grid, export_limit_mw=np.zeros(4)))
    window = MovingWindow(tiny.scenario(site, steps=4))
    output = window.joint.program.variables["generator_output"][0].values(window.solve().values)
    np.testing.assert_allclose(output, [0.0, 0.0, 5.0, 5.0])


def test_a_failure_does_not_ask_for_the_impossible(tiny):
    """From 8 MW the ramp of 1 MW/h cannot follow a failure in the next hour."""
    failing = tiny.generator(
        3, ramp_mw_per_h=1.0, initially_on=True, initial_output_mw=8.0, availability=np.array([1.0, 0.0, 0.0])
    )
    site = tiny.site(3, fleets=(), fixed_facility_power_mw=8.0, generators=(failing,))
    window = MovingWindow(tiny.scenario(site, steps=3))
    found = window.solve()
    assert found.optimal
    output = window.joint.program.variables["generator_output"][0].values(found.values)
    assert 7.0 <= output[0] <= 9.0
    np.testing.assert_allclose(output[1:], 0.0)


def test_jobs_are_refused(tiny):
    with pytest.raises(ValueError, match="1 training jobs"):
        MovingWindow(tiny.scenario(training=(tiny.job(),)))


def test_new_demand_windows_are_refused(tiny):
    window = MovingWindow(tiny.scenario())
    site = tiny.site()
    new = DemandWindow(name="july", price_per_mw=1.0, members=np.ones(2, bool))
    with pytest.raises(ValueError, match="'july' of 'a' is new"):
        window.move((replace(site, grid=replace(site.grid, demand_windows=(new,))),))


def test_an_infeasible_window_says_so_and_recovers(tiny):
    site = tiny.site(fixed_facility_power_mw=1.0)
    window = MovingWindow(tiny.scenario(site))
    window.move((replace(site, grid=replace(site.grid, import_limit_mw=np.zeros(2))),))
    assert window.solve().status == "Infeasible"
    window.move((site,))
    assert window.solve().objective == pytest.approx(2 * 50.0 * 1.15)


@pytest.mark.parametrize("first", range(5))
def test_a_layout_is_a_permutation_and_keeps_the_program(scenario, first):
    program = build(relax_generators(part(scenario, 0))).program
    ring = Ring(program, WINDOW)
    layout = ring.layout(first)
    assert sorted(layout.columns) == list(range(program.cost.size))
    assert sorted(layout.rows) == list(range(program.row_lower.size))
    assert (np.diff(layout.keys) > 0).all()
    assert ring.layout(first + WINDOW) is layout


def test_moving_once_changes_only_the_seam(tiny):
    """One battery: its storage rows lose and gain an entry where the ring begins and where it begins next."""
    site = tiny.site(6, fleets=(), fixed_facility_power_mw=1.0, batteries=(tiny.battery(),))
    ring = Ring(build(tiny.scenario(site, steps=6)).program, 6)
    change = ring.change(2, 3)
    assert change.gone.size == 2
    assert int((change.match < 0).sum()) == 2
