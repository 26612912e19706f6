"""A window changed in place: every setter against a model built anew."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from joulewright.errors import SolverError
from joulewright.model import CarbonPolicy, DemandWindow, Region
from joulewright.plan.formulation import build
from joulewright.plan.rolling_window import RollingWindow
from joulewright.plan.solver import pass_program, read_solution

STEPS = 4


def rebuilt(scenario) -> float:
    """Optimum of the relaxation built anew."""
    highs = pass_program(build(scenario).program)
    highs.run()
    solution = read_solution(highs)
    assert solution.optimal
    return solution.objective


def with_site(scenario, **changes):
    return scenario.with_changes(sites=(replace(scenario.sites[0], **changes), *scenario.sites[1:]))


def with_grid(scenario, **changes):
    return with_site(scenario, grid=replace(scenario.sites[0].grid, **changes))


@pytest.fixture
def scenario(tiny):
    """A site with everything that a window can hold: work, plants, demand charge, soft budget, priced shortage."""
    window = DemandWindow(name="day", price_per_mw=200.0, members=np.ones(STEPS, bool), peak_so_far_mw=0.5)
    site = tiny.site(
        STEPS,
        grid=tiny.grid(
            STEPS, import_limit_mw=3.0, demand_windows=(window,), import_price_per_mwh=[40.0, 60.0, 80.0, 20.0]
        ),
        fixed_facility_power_mw=1.0,
        renewables=(tiny.plant([0.1, 0.2, 0.0, 0.1], STEPS),),
        batteries=(tiny.battery(wear_cost_per_mwh=1.0, charge_efficiency=0.9, discharge_efficiency=0.9),),
        generators=(tiny.generator(STEPS, min_load_mw=1.0, start_cost=20.0, ramp_mw_per_h=4.0),),
        unserved_power_penalty_per_mwh=900.0,
    )
    other = tiny.site(STEPS, name="b", batteries=(tiny.battery(terminal_value_per_mwh=45.0),))
    return tiny.scenario(
        site,
        other,
        steps=STEPS,
        carbon=CarbonPolicy(price_per_t=20.0, budget_kg=900.0, excess_price_per_t=100.0, credit_export=True),
        regions=(Region(name="west", latency_ms={"a": 5.0, "b": 9.0}),),
        inference=(tiny.service(STEPS, unserved_penalty_per_mtoken=4.0),),
        training=(tiny.job("x", duration_h=2.0), tiny.job("y", duration_h=3.0, beyond=True, release=tiny.at(1.0))),
    )


def test_the_first_solve_equals_the_built_model(scenario):
    assert RollingWindow(scenario).solve().objective == pytest.approx(rebuilt(scenario), rel=1e-9)


def test_prices(scenario):
    window = RollingWindow(scenario)
    window.solve()
    bought, sold = np.array([10.0, -20.0, 200.0, 70.0]), np.array([90.0, 0.0, -5.0, 30.0])
    window.set_prices("a", import_price_per_mwh=bought, export_price_per_mwh=sold)
    changed = with_grid(scenario, import_price_per_mwh=bought, export_price_per_mwh=sold)
    assert window.solve().objective == pytest.approx(rebuilt(changed), rel=1e-9)


def test_one_price_leaves_the_other(scenario):
    window = RollingWindow(scenario)
    window.set_prices("a", export_price_per_mwh=75.0)
    window.set_prices("a", import_price_per_mwh=35.0)
    both = {"import_price_per_mwh": np.full(STEPS, 35.0), "export_price_per_mwh": np.full(STEPS, 75.0)}
    assert window.solve().objective == pytest.approx(rebuilt(with_grid(scenario, **both)), rel=1e-9)


def test_energy_beyond_the_window_follows_the_price(tiny):
    """One hour inside and two beyond: (1 + 2) x 0.6 MW x mean price; idle power is paid inside."""
    job = tiny.job(duration_h=3.0, beyond=True, mandatory=True, value=0.0, start=tiny.at(1.0))
    window = RollingWindow(tiny.scenario(training=(job,)))
    idle, work = 2 * 0.15, 0.4 * 1.5
    assert window.solve().objective == pytest.approx(50.0 * (idle + 0.36 * 1.5 + 2 * work))
    window.set_prices("a", import_price_per_mwh=100.0)
    assert window.solve().objective == pytest.approx(100.0 * (idle + 0.36 * 1.5 + 2 * work))


@pytest.mark.parametrize("limit", [0.5, 8.0])
def test_limits_both_ways(scenario, limit):
    """A higher limit needs a higher peak, a higher excess and no more unserved power than rows allow."""
    window = RollingWindow(scenario)
    window.solve()
    window.set_limits("a", import_limit_mw=limit, export_limit_mw=limit / 2.0)
    limits = {"import_limit_mw": np.full(STEPS, limit), "export_limit_mw": np.full(STEPS, limit / 2.0)}
    assert window.solve().objective == pytest.approx(rebuilt(with_grid(scenario, **limits)), rel=1e-9)


def test_renewables(tiny, scenario):
    window = RollingWindow(scenario)
    available = np.array([0.0, 9.0, 3.0, 0.5])
    window.set_renewables("a", available)
    changed = with_site(scenario, renewables=(tiny.plant(available / 10.0, STEPS),))
    assert window.solve().objective == pytest.approx(rebuilt(changed), rel=1e-9)


@pytest.mark.parametrize("load", [0.0, 2.0, [9.0, 0.0, 40.0, 1.0]])
def test_load_and_its_shortage(scenario, load):
    window = RollingWindow(scenario)
    window.solve()
    window.set_load("a", load)
    changed = with_site(scenario, fixed_facility_power_mw=np.broadcast_to(np.asarray(load, float), (STEPS,)).copy())
    assert window.solve().objective == pytest.approx(rebuilt(changed), rel=1e-9)


@pytest.mark.parametrize("energy", [0.0, 2.0, 10.0, 10.0 + 1e-8])
@pytest.mark.parametrize("site", ["a", "b"])
def test_initial_energy_and_what_is_left(tiny, scenario, site, energy):
    window = RollingWindow(scenario)
    window.solve()
    window.set_initial_energy(site, "store", 7.0)
    window.set_initial_energy(site, "store", energy)
    sites = tuple(
        replace(item, batteries=tuple(replace(b, initial_energy_mwh=min(energy, 10.0)) for b in item.batteries))
        if item.name == site
        else item
        for item in scenario.sites
    )
    assert window.solve().objective == pytest.approx(rebuilt(scenario.with_changes(sites=sites)), rel=1e-9)


def test_all_at_once_and_back(scenario):
    window = RollingWindow(scenario)
    before = window.solve().objective
    window.set_prices("b", import_price_per_mwh=500.0)
    window.set_limits("b", import_limit_mw=9.0)
    window.set_load("b", 1.0)
    window.set_initial_energy("b", "store", 0.0)
    assert window.solve().objective > before
    window.set_prices("b", import_price_per_mwh=50.0)
    window.set_limits("b", import_limit_mw=100.0)
    window.set_load("b", 0.0)
    window.set_initial_energy("b", "store", 5.0)
    assert window.solve().objective == pytest.approx(before, rel=1e-9)


def test_a_solution_is_read_by_the_blocks_of_the_program(tiny):
    window = RollingWindow(tiny.scenario())
    (bought,) = window.joint.program.variables["grid_import"]
    solution = window.solve()
    assert bought.values(solution.values) == pytest.approx([0.15, 0.15])
    (balance,) = window.joint.program.rows["balance"]
    assert balance.values(solution.row_duals) == pytest.approx([50.0, 50.0])


def test_an_infeasible_window_says_so_and_recovers(tiny):
    window = RollingWindow(tiny.scenario())
    window.set_limits("a", import_limit_mw=0.1)
    assert window.solve().status == "Infeasible"
    window.set_limits("a", import_limit_mw=1.0)
    assert window.solve().objective == pytest.approx(0.3 * 50.0)


def test_flexibilities_can_be_switched_off(scenario):
    window = RollingWindow(scenario, without=frozenset({"battery", "generation", "export"}))
    assert not {"charge", "generator_output", "grid_export", "renewable_used"} & set(window.joint.program.variables)


def test_options_reach_highs(scenario):
    with pytest.raises(SolverError, match="no_such_option"):
        RollingWindow(scenario, options={"no_such_option": 1})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.set_prices("nowhere", import_price_per_mwh=1.0), r"no site 'nowhere'.*\['a', 'b'\]"),
        (lambda w: w.set_prices("a", import_price_per_mwh=[1.0, 2.0]), r"shape \(2,\); the window has 4 steps"),
        (lambda w: w.set_prices("a", import_price_per_mwh=np.nan), "import_price_per_mwh ranges from nan"),
        (lambda w: w.set_prices("a", export_price_per_mwh=np.inf), "must be finite"),
        (lambda w: w.set_limits("a", import_limit_mw=-1.0), r"from -1\.0 to -1\.0; it must be finite and at least 0"),
        (lambda w: w.set_limits("c", export_limit_mw=1.0), "'c' has no grid_export in this window"),
        (lambda w: w.set_limits("c", import_limit_mw=0.0, export_limit_mw=1.0), "'c' has no grid_export"),
        (lambda w: w.set_renewables("b", 1.0), "'b' has no renewable_used"),
        (lambda w: w.set_load("a", -0.5), r"fixed_facility_power_mw ranges from -0\.5"),
        (lambda w: w.set_initial_energy("a", "tank", 1.0), r"no battery 'tank'; it has \['store'\]"),
        (lambda w: w.set_initial_energy("a", "store", 10.1), r"is 10\.1 MWh; allowed are 0 to 10 MWh"),
        (lambda w: w.set_initial_energy("a", "store", float("nan")), "is nan MWh"),
        (lambda w: w.set_prices("d", import_price_per_mwh=1.0), "'d' has no grid_import"),
        (lambda w: w.set_prices("d"), r"'d' has no grid connection"),
    ],
)
def test_a_wrong_change_is_refused_and_changes_nothing(tiny, scenario, change, message):
    if "'c'" in message or "'d'" in message:
        closed = tiny.site(STEPS, name="c", grid=tiny.grid(STEPS, export_limit_mw=0.0))
        island = tiny.site(STEPS, name="d", grid=None, generators=(tiny.generator(STEPS),))
        scenario = scenario.with_changes(sites=(*scenario.sites, closed, island))
    window = RollingWindow(scenario)
    before = window.solve().objective
    with pytest.raises(ValueError, match=message):
        change(window)
    assert window.solve().objective == pytest.approx(before, rel=1e-12)
