"""Plans by simpler rules: what each rule does, and that it always ends with a judged schedule."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from joulewright.check import violations
from joulewright.model import CarbonPolicy, Region
from joulewright.plan import PlanOptions, plan
from joulewright.plan.baselines import BASELINES, run_baseline
from joulewright.plan.energy_stage import with_fixed_load
from joulewright.plan.inputs import build_inputs
from joulewright.plan.placement import place_cheaply, place_early, site_price, supply_limit_mw

EXACT = PlanOptions(strategy="exact", gap=0.0, threads=1)


@pytest.fixture
def two_sites(tiny):
    """Two sites over four hours, dear first; 40 accelerators draw 0.4 MW of IT power, 0.6 MW at the meter."""

    def make(**changes):
        steps = 4
        sites = [
            tiny.site(
                steps,
                name=name,
                grid=tiny.grid(steps, import_price_per_mwh=prices, carbon=carbon),
                fleets=(tiny.fleet(steps, idle_power_mw=0.0),),
                batteries=(tiny.battery(),),
            )
            for name, prices, carbon in (
                ("a", [90.0, 80.0, 20.0, 70.0], [600.0, 600.0, 600.0, 100.0]),
                ("b", [60.0, 60.0, 30.0, 60.0], [300.0] * 4),
            )
        ]
        values = {"training": (tiny.job(deadline=tiny.at(4.0)),)} | changes
        return tiny.scenario(*values.pop("sites", sites), steps=steps, **values)

    return make


def test_names_and_descriptions():
    assert list(BASELINES) == ["compute-only", "energy-only", "sequential", "carbon-agnostic", "greedy"]
    assert all(BASELINES.values())


def test_an_unknown_name_is_refused(two_sites):
    with pytest.raises(ValueError, match=r"no baseline 'best'; there are .*greedy"):
        run_baseline("best", two_sites())


@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_is_judged_and_settled(name, two_sites):
    scenario = two_sites()
    result = run_baseline(name, scenario, EXACT)
    assert result.strategy == result.schedule.planner == f"baseline:{name}"
    assert list(result.violations) == violations(scenario, result.schedule) == []
    assert result.objective == result.ledger.benefit
    assert result.cost == result.ledger.cost
    assert result.bound == float("inf")
    assert result.gap is None
    assert result.options["strategy"] == "exact"


def test_compute_only_starts_at_once_and_buys_what_it_needs(two_sites, tiny):
    """At the first site in file order in the first hour: 0.6 MWh at 90."""
    result = run_baseline("compute-only", two_sites(), EXACT)
    assert result.schedule.jobs["train"].segments == (tiny.run(0, 1),)
    assert result.ledger.cost == pytest.approx(0.6 * 90.0)
    battery = result.schedule.sites["a"].batteries["store"]
    assert battery.charge_mw.max() == battery.discharge_mw.max() == 0.0
    assert battery.energy_mwh == pytest.approx([5.0] * 5)


def test_compute_only_uses_its_own_sun_and_sells_nothing(tiny):
    site = tiny.site(renewables=(tiny.plant([0.0, 1.0]),), fixed_facility_power_mw=1.0)
    flows = run_baseline("compute-only", tiny.scenario(site), EXACT).schedule.sites["a"]
    assert flows.grid_import_mw == pytest.approx([1.15, 0.0])
    assert flows.renewable_used_mw["roof"] == pytest.approx([0.0, 1.15])
    assert flows.grid_export_mw.max() == 0.0


def test_compute_only_lists_the_limits_it_breaks(tiny):
    site = tiny.site(grid=tiny.grid(import_limit_mw=0.3))
    result = run_baseline("compute-only", tiny.scenario(site, training=(tiny.job(),)), EXACT)
    assert [item.constraint for item in result.violations] == ["import-limit"]
    assert not result.feasible


def test_compute_only_leaves_priced_load_unserved_at_the_limit(tiny):
    """Import stops at 0.1 of 0.15 MW where unserved power has a price; an island leaves all of it."""
    priced = tiny.site(grid=tiny.grid(import_limit_mw=0.1), unserved_power_penalty_per_mwh=500.0)
    island = tiny.site(name="b", grid=None, unserved_power_penalty_per_mwh=500.0)
    result = run_baseline("compute-only", tiny.scenario(priced, island), EXACT)
    assert result.violations == ()
    assert result.schedule.sites["a"].unserved_mw == pytest.approx([0.05, 0.05])
    assert result.schedule.sites["b"].unserved_mw == pytest.approx([0.15, 0.15])


def test_requests_go_to_the_nearest_site_with_room(tiny):
    """100 accelerators at the near site serve 100,000 token/s, the far one the rest; a job finds what is left."""
    sites = (tiny.site(name="near"), tiny.site(name="far"))
    scenario = tiny.scenario(
        *sites,
        training=(tiny.job(deadline=tiny.at(2.0)),),
        inference=(tiny.service(demand=1.5e5, unserved_penalty_per_mtoken=9.0),),
        regions=(Region(name="west", latency_ms={"near": 5.0, "far": 50.0}),),
    )
    result = run_baseline("compute-only", scenario, EXACT)
    service = result.schedule.services["chat"]
    assert [route.site for route in service.routes] == ["near", "far"]
    assert service.served_token_s == pytest.approx(np.array([[1e5, 1e5], [5e4, 5e4]]))
    assert result.schedule.jobs["train"].segments[0].site == "far"
    assert result.violations == ()


def test_demand_above_all_capacity_stays_unserved(tiny):
    scenario = tiny.scenario(
        inference=(tiny.service(demand=1.5e5),), regions=(Region(name="west", latency_ms={"a": 5.0}),)
    )
    result = run_baseline("greedy", scenario, EXACT)
    assert result.schedule.services["chat"].unserved_token_s["west"] == pytest.approx([5e4, 5e4])
    assert {item.constraint for item in result.violations} == {"unserved"}


def test_energy_only_keeps_the_placement_and_saves_on_energy(two_sites):
    early, better = (run_baseline(name, two_sites(), EXACT) for name in ("compute-only", "energy-only"))
    assert better.schedule.jobs == early.schedule.jobs
    assert better.ledger.cost < early.ledger.cost
    assert better.duals.power_price_per_mwh["a"].shape == (4,)


def test_greedy_and_sequential_wait_for_the_cheapest_hour(two_sites, tiny):
    for name in ("greedy", "sequential"):
        assert run_baseline(name, two_sites(), EXACT).schedule.jobs["train"].segments == (tiny.run(2, 3),)


def test_greedy_takes_the_denser_job_first_and_rejects_what_does_not_fit(two_sites, tiny):
    """Both want all accelerators of the same hours; 900 for 80 accelerator-hours is denser than 1000 for 100."""
    jobs = (
        tiny.job("light", gpus=100, value=1000.0, sites=("a",), release=tiny.at(2.0), deadline=tiny.at(3.0)),
        tiny.job("dense", gpus=80, value=900.0, sites=("a",), release=tiny.at(2.0), deadline=tiny.at(3.0)),
    )
    schedule = run_baseline("greedy", two_sites(training=jobs), EXACT).schedule
    assert schedule.jobs["light"].rejected
    assert schedule.jobs["dense"].start_step == 2


def test_greedy_heeds_the_power_of_a_site(tiny):
    """Import of 0.5 MW carries 0.15 MW of idle power and 25 of 40 accelerators: the job waits for the sun."""
    site = tiny.site(grid=tiny.grid(import_limit_mw=0.5), renewables=(tiny.plant([0.0, 0.5]),))
    scenario = tiny.scenario(site, training=(tiny.job(),))
    assert run_baseline("greedy", scenario, EXACT).schedule.jobs["train"].start_step == 1
    assert supply_limit_mw(site) == pytest.approx([0.5, 5.5])


def test_greedy_counts_the_price_of_carbon(two_sites):
    scenario = two_sites(carbon=CarbonPolicy(price_per_t=1000.0))
    assert site_price(scenario, scenario.sites[0]) == pytest.approx([690.0, 680.0, 620.0, 170.0])
    assert place_cheaply(build_inputs(scenario)).jobs["train"].start_step == 3


def test_an_island_is_priced_by_its_cheapest_generator(tiny):
    units = (tiny.generator(fuel_cost_per_mwh=60.0), tiny.generator(name="engine", fuel_cost_per_mwh=[40.0, 90.0]))
    site = tiny.site(grid=None, generators=units)
    assert site_price(tiny.scenario(site), site) == pytest.approx([40.0, 60.0])
    bare = tiny.site(grid=None)
    assert site_price(tiny.scenario(bare), bare) == pytest.approx([0.0, 0.0])


def test_required_jobs_run_even_without_room(tiny):
    jobs = (tiny.job("one", gpus=80, mandatory=True), tiny.job("two", gpus=80, mandatory=True, deadline=tiny.at(1.0)))
    result = run_baseline("compute-only", tiny.scenario(steps=1, training=jobs), EXACT)
    assert not result.schedule.jobs["two"].rejected
    assert [item.constraint for item in result.violations] == ["capacity"]


def test_carbon_agnostic_breaks_the_budget_and_says_so(two_sites):
    """It runs at a in the cheap hour with 600 kg/MWh; the budget of 100 kg forces the others elsewhere."""
    scenario = two_sites(carbon=CarbonPolicy(budget_kg=100.0))
    blind = run_baseline("carbon-agnostic", scenario, EXACT)
    assert {item.constraint for item in blind.violations} == {"carbon-budget"}
    joint = plan(scenario, EXACT)
    assert joint.ledger.carbon_kg <= 100.0 + 1e-6
    assert joint.objective <= blind.objective


def test_work_that_no_energy_plan_carries_is_listed_not_raised(tiny):
    """A fixed load of 1 MW behind 0.6 MW of import: 0.4 MW short in both hours, as little as can be."""
    site = tiny.site(fixed_facility_power_mw=1.0, fleets=(), grid=tiny.grid(import_limit_mw=0.6))
    result = run_baseline("energy-only", tiny.scenario(site), EXACT)
    assert result.schedule.sites["a"].unserved_mw == pytest.approx([0.4, 0.4])
    assert {item.constraint for item in result.violations} == {"unserved"}
    assert "what is short" in result.notes[0]


def test_a_budget_that_cannot_hold_is_listed_not_raised(tiny):
    scenario = tiny.scenario(tiny.site(fixed_facility_power_mw=1.0), carbon=CarbonPolicy(budget_kg=10.0))
    result = run_baseline("greedy", scenario, EXACT)
    assert {item.constraint for item in result.violations} == {"carbon-budget"}


def test_without_any_joint_plan_there_is_none_to_show(tiny):
    scenario = tiny.scenario(tiny.site(fixed_facility_power_mw=1.0, grid=tiny.grid(import_limit_mw=0.5)))
    result = run_baseline("carbon-agnostic", scenario, EXACT)
    assert result.schedule is None
    assert result.objective is None
    assert "no plan even without carbon limits" in result.notes[0]
    assert run_baseline("sequential", scenario, EXACT).schedule is not None


def test_sequential_falls_back_to_the_early_placement(tiny):
    """Two jobs that must run need 160 of 100 accelerators in the only hour."""
    jobs = tuple(tiny.job(name, gpus=80, mandatory=True) for name in ("one", "two"))
    result = run_baseline("sequential", tiny.scenario(steps=1, training=jobs), EXACT)
    assert {item.constraint for item in result.violations} == {"capacity"}
    assert result.notes[0].startswith("placed as in compute-only")


def test_flexibilities_that_are_off_stay_off(two_sites):
    result = run_baseline("energy-only", two_sites(), replace(EXACT, without=frozenset({"battery"})))
    assert result.schedule.sites["a"].batteries == {}
    assert result.options["without"] == ["battery"]


def test_divisible_pinned_and_running_jobs_run_in_one_piece(tiny):
    """2.5 h round up to 3 steps; 60 accelerators are 1.5 times as fast, so 3 h of work take 2; a pin is kept."""
    speed = ((20.0, 0.5), (60.0, 1.5))
    jobs = (
        tiny.job("pause", kind="pausable", duration_h=2.5, gpus=10),
        tiny.job("grow", kind="elastic", duration_h=3.0, gpus=60, min_gpus=20, max_gpus=60, speed=speed),
        tiny.job("pin", kind="pausable", gpus=10, start=tiny.at(3.0)),
        tiny.job("goes", kind="pausable", gpus=10, duration_h=3.0, running_since=tiny.at(-1.0), site="a"),
        tiny.job("done", gpus=10, duration_h=1.0, running_since=tiny.at(-1.0), site="a"),
    )
    scenario = (
        tiny.scenario(steps=6, training=jobs, sites=None)
        if False
        else tiny.scenario(tiny.site(6), steps=6, training=jobs)
    )
    schedule = place_early(build_inputs(scenario))
    spans = {name: [(s.first_step, s.stop_step) for s in entry.segments] for name, entry in schedule.jobs.items()}
    assert spans == {"pause": [(0, 3)], "grow": [(0, 2)], "pin": [(3, 4)], "goes": [(0, 2)], "done": []}
    assert run_baseline("compute-only", scenario, EXACT).violations == ()


def test_a_fixed_load_replaces_the_work(two_sites):
    scenario = two_sites()
    fixed = with_fixed_load(scenario, place_early(build_inputs(scenario)))
    assert fixed.training == fixed.inference == ()
    assert fixed.sites[0].fixed_facility_power_mw == pytest.approx([0.6, 0.0, 0.0, 0.0])


def test_joint_is_at_least_as_good_as_every_valid_baseline(two_sites, tiny):
    jobs = (
        tiny.job("one", duration_h=1.5),
        tiny.job("two", gpus=80),
        tiny.job("three", kind="pausable", duration_h=2.0),
    )
    scenario = two_sites(training=jobs, carbon=CarbonPolicy(budget_kg=1200.0))
    joint = plan(scenario, EXACT)
    found = {name: run_baseline(name, scenario, EXACT) for name in BASELINES}
    assert any(result.feasible for result in found.values())
    for name, result in found.items():
        assert not result.feasible or result.objective <= joint.objective + 1e-6, name
