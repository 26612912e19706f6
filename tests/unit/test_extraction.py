"""From a solution vector to a schedule and prices."""

from __future__ import annotations

import numpy as np
import pytest

from joulewright.account import settle
from joulewright.check import violations
from joulewright.model import CarbonPolicy, Region
from joulewright.plan.extraction import Reader, read_duals, read_schedule
from joulewright.plan.formulation import build
from joulewright.plan.integer import hold_integers
from joulewright.plan.solver import pass_program, read_solution


def solve(scenario, **options):
    """The model, its integer optimum with the integers held, and the schedule of that."""
    joint = build(scenario, **options)
    highs = pass_program(joint.program, integer=True, options={"mip_rel_gap": 0.0})
    highs.run()
    solution = hold_integers(joint.program, read_solution(highs).values)
    assert solution.optimal
    schedule = read_schedule(joint, solution.values, "test")
    assert violations(scenario, schedule) == []
    assert settle(scenario, schedule).benefit == pytest.approx(-solution.objective, rel=1e-9, abs=1e-6)
    return joint, solution, schedule


def dear(tiny, price, steps=4, **changes):
    return tiny.grid(steps, import_price_per_mwh=price, export_limit_mw=0.0, **changes)


def test_a_reader_finds_families_by_head(tiny):
    joint = build(tiny.scenario())
    vector = np.arange(joint.program.shape[1], dtype=float)
    reader = Reader(joint, vector)
    assert reader.get("grid_export", "a", 2).tolist() == [2.0, 3.0]
    assert reader.get("grid_export", "nowhere", 2).tolist() == [0.0, 0.0]
    assert reader.family("no_family") == {}
    rows = Reader(joint, np.ones(joint.program.shape[0]), rows=True)
    assert rows.get("balance", "a", 2).tolist() == [1.0, 1.0]


def test_noise_is_read_as_zero(tiny):
    joint = build(tiny.scenario())
    vector = np.full(joint.program.shape[1], -1e-10)
    assert Reader(joint, vector).get("grid_import", "a", 2).tolist() == [0.0, 0.0]


def test_members_of_a_group_start_in_file_order(tiny):
    """Three equal jobs of 40 on 100 accelerators: two in the cheap step 2, one in the next cheapest step 1."""
    jobs = tuple(tiny.job(name) for name in ("first", "second", "third"))
    site = tiny.site(4, grid=dear(tiny, [90.0, 50.0, 10.0, 90.0]))
    _, _, schedule = solve(tiny.scenario(site, steps=4, training=jobs))
    assert {name: job.start_step for name, job in schedule.jobs.items()} == {"first": 1, "second": 2, "third": 2}
    assert list(schedule.jobs) == ["first", "second", "third"]


def test_a_fractional_last_step_is_kept(tiny):
    _, _, schedule = solve(tiny.scenario(tiny.site(4), steps=4, training=(tiny.job(duration_h=1.25),)))
    (segment,) = schedule.jobs["train"].segments
    assert segment.stop_step - segment.first_step == 2
    assert segment.last_fraction == pytest.approx(0.25)
    assert segment.accelerators == 40.0


def test_a_job_that_does_not_pay_is_rejected(tiny):
    """40 accelerators x 9 kW x 1.5 x 1000 per MWh = 540 for a value of 500."""
    _, _, schedule = solve(tiny.scenario(tiny.site(2, grid=dear(tiny, 1000.0, 2)), training=(tiny.job(),)))
    assert schedule.jobs["train"].rejected


def test_pausable_pieces_skip_the_dear_step(tiny):
    job = tiny.job(kind="pausable", duration_h=2.0, deadline=tiny.at(3.0))
    site = tiny.site(4, grid=dear(tiny, [10.0, 90.0, 10.0, 5.0]))
    _, _, schedule = solve(tiny.scenario(site, steps=4, training=(job,)))
    pieces = schedule.jobs["train"].segments
    assert [(piece.first_step, piece.stop_step) for piece in pieces] == [(0, 1), (2, 3)]


def test_elastic_pieces_hold_the_mixed_size(tiny):
    """1 h of work at 40 within one of two equal hours: 20 to 80 accelerators, proportional speed."""
    job = tiny.job(kind="elastic", min_gpus=20, max_gpus=80, duration_h=2.0, deadline=tiny.at(2.0))
    site = tiny.site(2, grid=dear(tiny, [10.0, 30.0], 2))
    _, _, schedule = solve(tiny.scenario(site, training=(job,)))
    (piece,) = schedule.jobs["train"].segments
    assert (piece.first_step, piece.stop_step, piece.accelerators) == (0, 1, pytest.approx(80.0))


def test_battery_energy_follows_from_its_flows(tiny):
    battery = tiny.battery(initial_energy_mwh=0.0, wear_cost_per_mwh=0.0)
    site = tiny.site(2, batteries=(battery,), fixed_facility_power_mw=1.0, grid=dear(tiny, [10.0, 100.0], 2))
    _, _, schedule = solve(tiny.scenario(site))
    stored = schedule.sites["a"].batteries["store"]
    # Step 1 needs 1.15 MW: 2.3 MWh taken out at 50 %, 2.875 MW charged at 80 %.
    assert stored.charge_mw == pytest.approx([2.875, 0.0])
    assert stored.discharge_mw == pytest.approx([0.0, 1.15])
    assert stored.energy_mwh == pytest.approx([0.0, 2.3, 0.0])


def test_renewables_share_the_curtailment(tiny):
    plants = (tiny.plant(0.02, name="roof"), tiny.plant(0.06, name="field"))
    grid = tiny.grid(2, export_limit_mw=0.0)
    _, _, schedule = solve(tiny.scenario(tiny.site(2, renewables=plants, grid=grid)))
    used = schedule.sites["a"].renewable_used_mw
    # 0.2 and 0.6 MW are available for 0.15 MW of idle power.
    assert used["roof"] == pytest.approx([0.0375, 0.0375])
    assert used["field"] == pytest.approx([0.1125, 0.1125])


def test_a_generator_is_on_where_the_model_says_so(tiny):
    turbine = tiny.generator(3, min_load_mw=0.1, start_cost=1.0, fuel_cost_per_mwh=60.0)
    site = tiny.site(3, generators=(turbine,), grid=dear(tiny, [10.0, 500.0, 10.0], 3))
    _, _, schedule = solve(tiny.scenario(site, steps=3))
    plan = schedule.sites["a"].generators["turbine"]
    assert plan.on.tolist() == [False, True, False]
    assert plan.output_mw == pytest.approx([0.0, 0.15, 0.0])


def routed(tiny, regions, **changes):
    names = [region.name for region in regions]
    service = tiny.service(demand_token_s={name: tiny.series(2e4, 2) for name in names}, **changes)
    sites = (tiny.site(2, name="a", fleets=(tiny.fleet(2, count=30),)), tiny.site(2, name="b"))
    _, _, schedule = solve(tiny.scenario(*sites, regions=regions, inference=(service,)))
    return schedule.services["chat"]


def test_a_shared_route_is_split_so_that_near_regions_stay_near(tiny):
    """Site a holds 30 of the 40 accelerators that two regions of 20 need: the one closest to a keeps all of it."""
    regions = (
        Region(name="west", latency_ms={"a": 5.0, "b": 50.0}),
        Region(name="east", latency_ms={"a": 40.0, "b": 9.0}),
    )
    plan = routed(tiny, regions)
    flows = {(route.region, route.site): rate for route, rate in zip(plan.routes, plan.served_token_s, strict=True)}
    total = {site: sum(rate for (_, where), rate in flows.items() if where == site) for site in "ab"}
    assert np.add(*total.values()) == pytest.approx([4e4, 4e4])
    if ("west", "b") in flows:
        assert total["a"] == pytest.approx(flows["west", "a"])
    assert list(plan.unserved_token_s) == ["west", "east"]
    assert all((left == 0.0).all() for left in plan.unserved_token_s.values())


def test_unserved_demand_is_what_the_routes_leave(tiny):
    region = (Region(name="west", latency_ms={"a": 5.0}),)
    plan = routed(tiny, region, demand=4e4, sites=("a",), unserved_penalty_per_mtoken=4.0, latency_limit_ms=10.0)
    assert plan.unserved_token_s["west"] == pytest.approx([0.0, 0.0])


def test_demand_without_any_option_is_unserved(tiny):
    region = (Region(name="west", latency_ms={"a": 50.0}),)
    plan = routed(tiny, region, unserved_penalty_per_mtoken=4.0, latency_limit_ms=10.0)
    assert plan.routes == ()
    assert plan.served_token_s.shape == (0, 2)
    assert plan.unserved_token_s["west"] == pytest.approx([2e4, 2e4])


def duals(tiny, *sites, **changes):
    joint, solution, _ = solve(tiny.scenario(*sites, **changes))
    return read_duals(joint, solution)


def test_the_price_of_power_is_the_import_price(tiny):
    found = duals(tiny, tiny.site(2, grid=tiny.grid(2, import_price_per_mwh=[50.0, 70.0])))
    assert found.power_price_per_mwh["a"] == pytest.approx([50.0, 70.0])
    assert found.import_limit_price_per_mw["a"] == pytest.approx([0.0, 0.0])
    assert (found.carbon_price_per_t, found.site_carbon_price_per_t) == (0.0, {})


def test_half_hour_steps_price_power_per_mwh_all_the_same(tiny):
    found = duals(tiny, tiny.site(2), steps=2, step_s=1800)
    assert found.power_price_per_mwh["a"] == pytest.approx([50.0, 50.0])


def test_a_binding_import_limit_is_worth_the_dearer_source(tiny):
    site = tiny.site(2, grid=tiny.grid(2, import_limit_mw=[0.1, 1.0]), generators=(tiny.generator(2),))
    found = duals(tiny, site)
    assert found.power_price_per_mwh["a"] == pytest.approx([60.0, 50.0])
    assert found.import_limit_price_per_mw["a"] == pytest.approx([10.0, 0.0])


def test_a_binding_export_limit_is_worth_its_revenue(tiny):
    site = tiny.site(2, grid=tiny.grid(2, export_limit_mw=1.0), renewables=(tiny.plant(0.9),))
    assert duals(tiny, site).export_limit_price_per_mw["a"] == pytest.approx([30.0, 30.0])


def test_a_binding_budget_prices_carbon(tiny):
    """A clean generator at 60 replaces grid power at 50 with 400 kg/MWh: 10 per 0.4 t."""
    site = tiny.site(2, generators=(tiny.generator(2),))
    found = duals(tiny, site, carbon=CarbonPolicy(budget_kg=60.0))
    assert found.carbon_price_per_t == pytest.approx(25.0)


def test_a_site_budget_is_priced_apart(tiny):
    site = tiny.site(2, generators=(tiny.generator(2),), carbon_budget_kg=60.0)
    found = duals(tiny, site)
    assert (found.carbon_price_per_t, found.site_carbon_price_per_t) == (0.0, {"a": pytest.approx(25.0)})


def test_full_accelerators_have_a_price(tiny):
    """One more accelerator serves 3.6 Mtoken an hour that cost 4 each unserved, and draws 4 kW x 1.5 more at 50."""
    service = tiny.service(demand=2e5, unserved_penalty_per_mtoken=4.0)
    region = (Region(name="west", latency_ms={"a": 5.0}),)
    found = duals(tiny, tiny.site(2), regions=region, inference=(service,))
    assert found.accelerator_price_per_h["a/gpus"] == pytest.approx([14.4 - 0.3, 14.4 - 0.3])


def test_accelerators_held_by_jobs_alone_have_a_price_too(tiny):
    """Two jobs of 60 and one hour: the second is lost, worth 500 - 60 x 9 kW x 1.5 x 50 per MWh on 60 accelerators."""
    jobs = tuple(tiny.job(name, gpus=60, value=500.0) for name in "xy")
    joint = build(tiny.scenario(tiny.site(1), steps=1, training=jobs))
    highs = pass_program(joint.program)
    highs.run()
    price = read_duals(joint, read_solution(highs)).accelerator_price_per_h["a/gpus"]
    assert price == pytest.approx([500.0 / 60.0 - 0.009 * 1.5 * 50.0])
