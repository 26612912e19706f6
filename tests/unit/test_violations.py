"""Energy limits: a valid schedule, then every limit broken in turn: exactly its family is reported."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from joulewright.check import violations
from joulewright.model import CarbonPolicy, GeneratorSchedule, JobSchedule, Region, Route, Schedule, ServiceSchedule

STEPS = 4


def families(scenario, schedule, **options):
    return {violation.constraint for violation in violations(scenario, schedule, **options)}


def with_site(schedule, name="a", **changes):
    return replace(schedule, sites=dict(schedule.sites) | {name: replace(schedule.sites[name], **changes)})


def idle(tiny, *, flows=None, steps=STEPS, **site):
    """A site that idles at 0.15 MW, its schedule and the families it breaks."""
    scenario = tiny.scenario(tiny.site(steps, **site), steps=steps)
    return scenario, tiny.schedule(scenario, flows={"a": flows or {}})


def only(scenario, schedule, constraint, **options):
    """The single violation, which must be of this family."""
    (violation,) = violations(scenario, schedule, **options)
    assert violation.constraint == constraint
    return violation


def test_a_valid_schedule_breaks_nothing(tiny):
    assert violations(*rich(tiny)) == []


def test_the_message_quotes_value_limit_place_and_time(tiny):
    scenario, schedule = idle(tiny, grid=tiny.grid(STEPS, import_limit_mw=[1.0, 0.1, 0.1, 1.0]))
    violation = only(scenario, schedule, "import-limit")
    assert (violation.where, violation.when, violation.unit, violation.steps) == ("a", "2022-07-04T01:00", "MW", 2)
    assert violation.amount == pytest.approx(0.05)
    assert violation.message == (
        "Grid import of a is 0.15 MW at 2022-07-04T01:00; the limit is 0.1 MW (and 1 other steps)"
    )
    assert str(violation).startswith("import-limit[a,2022-07-04T01:00]: Grid import")


@pytest.mark.parametrize("tolerance", [0.0, -1.0, float("nan")])
def test_the_tolerance_must_be_positive(tiny, tolerance):
    with pytest.raises(ValueError, match="must be positive"):
        violations(*idle(tiny), tolerance=tolerance)


# structure


def test_missing_and_unknown_parts(tiny):
    scenario, schedule = rich(tiny)
    for part in ("jobs", "services", "sites"):
        entries = dict(getattr(schedule, part))
        name, entry = entries.popitem()
        violation = only(scenario, replace(schedule, **{part: entries}), "structure")
        assert name in violation.message
        known = dict(getattr(schedule, part))
        key = "stranger"
        extra = JobSchedule(job=key) if part == "jobs" else entry
        assert "does not know" in only(scenario, replace(schedule, **{part: known | {key: extra}}), "structure").message


def test_missing_components(tiny):
    scenario, schedule = rich(tiny)
    for part, name in (("renewable_used_mw", "roof"), ("batteries", "store"), ("generators", "turbine")):
        assert name in only(scenario, with_site(schedule, **{part: {}}), "structure").where


def test_wrong_shapes_and_types(tiny):
    scenario, schedule = rich(tiny)
    assert "(3,)" in only(scenario, with_site(schedule, grid_import_mw=np.zeros(3)), "structure").message
    store = schedule.sites["a"].batteries["store"]
    short = replace(store, energy_mwh=store.energy_mwh[:-1])
    assert "asks for (5,)" in only(scenario, with_site(schedule, batteries={"store": short}), "structure").message
    words = np.array(["x"] * STEPS)
    assert "not numbers" in only(scenario, with_site(schedule, unserved_mw=words), "structure").message
    chat = schedule.services["chat"]
    cut = replace(chat, served_token_s=chat.served_token_s[:0])
    only(scenario, replace(schedule, services={"chat": cut}), "structure")


def test_values_that_are_not_finite(tiny):
    scenario, schedule = rich(tiny)
    bad = schedule.sites["a"].grid_import_mw.copy()
    bad[[1, 3]] = np.nan, np.inf
    violation = only(scenario, with_site(schedule, grid_import_mw=bad), "finite")
    assert violation.when == "2022-07-04T01:00"
    assert "in 2 steps" in violation.message


@pytest.mark.parametrize(
    "changes",
    [
        {"site": "z"},
        {"fleet": "z"},
        {"first_step": -1},
        {"first_step": 2},
        {"first_step": 4, "stop_step": 6},
        {"last_fraction": 0.0},
        {"last_fraction": 1.1},
        {"accelerators": 0.0},
        {"accelerators": float("nan")},
    ],
)
def test_segments_that_make_no_sense(tiny, changes):
    scenario, schedule = rich(tiny)
    segment = replace(tiny.run(0, 2), **changes)
    jobs = dict(schedule.jobs) | {"train": JobSchedule(job="train", segments=(segment,))}
    assert only(scenario, replace(schedule, jobs=jobs), "structure").where == "train"


def test_an_entry_of_another_job(tiny):
    scenario, schedule = rich(tiny)
    jobs = {"train": JobSchedule(job="other", segments=schedule.jobs["train"].segments)}
    only(scenario, replace(schedule, jobs=jobs), "structure")


def test_routes_and_regions_that_do_not_exist(tiny):
    scenario, schedule = rich(tiny)
    chat = schedule.services["chat"]
    for route in (
        Route(region="east", site="a", fleet="gpus"),
        Route(region="west", site="z", fleet="gpus"),
        Route(region="west", site="a", fleet="z"),
    ):
        only(scenario, replace(schedule, services={"chat": replace(chat, routes=(route,))}), "structure")
    left = dict(chat.unserved_token_s) | {"east": np.zeros(STEPS)}
    only(scenario, replace(schedule, services={"chat": replace(chat, unserved_token_s=left)}), "structure")


# balance, unserved, renewables, grid


def test_balance_is_judged_to_a_millionth_of_a_megawatt(tiny):
    scenario, schedule = idle(tiny)
    imported = schedule.sites["a"].grid_import_mw
    assert violations(scenario, with_site(schedule, grid_import_mw=imported + 9e-7)) == []
    violation = only(scenario, with_site(schedule, grid_import_mw=imported + 2e-6 * np.eye(STEPS)[2]), "balance")
    assert violation.amount == pytest.approx(2e-6)
    assert violation.when == "2022-07-04T02:00"


def test_unserved_load_needs_a_price(tiny):
    assert only(*idle(tiny, flows={"unserved_mw": 0.05}), "unserved").amount == pytest.approx(0.05)
    assert violations(*idle(tiny, flows={"unserved_mw": 0.05}, unserved_power_penalty_per_mwh=1000.0)) == []


def test_unserved_load_cannot_exceed_the_load(tiny):
    flows = {"unserved_mw": 0.25, "grid_export_mw": 0.1}
    only(*idle(tiny, flows=flows, unserved_power_penalty_per_mwh=1.0), "unserved")


def test_renewables_are_limited_by_what_is_available(tiny):
    flows = {"renewable_used_mw": {"roof": [0.1, 0.1, 0.0, 0.0]}}
    assert violations(*idle(tiny, flows=flows, renewables=(tiny.plant(0.01, STEPS),))) == []
    few = (tiny.plant([0.01, 0.005, 0.01, 0.01], STEPS),)
    violation = only(*idle(tiny, flows=flows, renewables=few), "renewable")
    assert (violation.where, violation.when) == ("a/roof", "2022-07-04T01:00")


def test_export_limit(tiny):
    flows = {"renewable_used_mw": {"roof": 51.15}, "grid_export_mw": 51.0}
    violation = only(*idle(tiny, flows=flows, renewables=(tiny.plant(1.0, STEPS, capacity_mw=60.0),)), "export-limit")
    assert violation.amount == pytest.approx(1.0)


def test_an_islanded_site_has_no_grid(tiny):
    assert only(*idle(tiny, grid=None), "import-limit").amount == pytest.approx(0.15)


def test_import_and_export_exclude_each_other(tiny):
    assert only(*idle(tiny, flows={"grid_export_mw": 2e-6}), "exclusivity").steps == STEPS
    assert violations(*idle(tiny, flows={"grid_export_mw": 9e-7})) == []


def test_grid_ramp_bounds_the_change_of_net_import(tiny):
    grid = tiny.grid(STEPS, ramp_mw_per_h=1.0)
    plant = tiny.plant(1.0, STEPS)
    flows = {"renewable_used_mw": {"roof": [0.0, 1.15, 1.15, 0.0]}, "grid_export_mw": [0.0, 1.0, 1.0, 0.0]}
    violation = only(*idle(tiny, flows=flows, grid=grid, renewables=(plant,)), "grid-ramp")
    assert violation.amount == pytest.approx(0.15)  # from +0.15 to -1.0 MW
    assert (violation.when, violation.steps) == ("2022-07-04T01:00", 2)


def test_ramps_scale_with_the_step(tiny):
    grid = tiny.grid(2, ramp_mw_per_h=1.0)
    site = tiny.site(grid=grid, fleets=(), fixed_facility_power_mw=2.0, renewables=(tiny.plant([0.0, 0.05]),))
    flows = {"a": {"renewable_used_mw": {"roof": [0.0, 0.5]}}}
    hourly, quarterly = tiny.scenario(site), tiny.scenario(site, step_s=900)
    assert violations(hourly, tiny.schedule(hourly, flows=flows)) == []
    assert only(quarterly, tiny.schedule(quarterly, flows=flows), "grid-ramp").amount == pytest.approx(0.25)


@pytest.mark.parametrize("what", ["grid_import_mw", "grid_export_mw", "unserved_mw"])
def test_exchange_is_not_negative(tiny, what):
    scenario, schedule = idle(tiny)
    flows = {name: np.zeros(STEPS) for name in ("grid_import_mw", "grid_export_mw", "unserved_mw")}
    flows["grid_import_mw"] = np.full(STEPS, 0.15)
    flows[what] = flows[what] - 1.0
    if what == "grid_import_mw":
        flows["grid_import_mw"] = np.full(STEPS, -1.0)
        scenario = tiny.scenario(tiny.site(STEPS, renewables=(tiny.plant(1.0, STEPS),)), steps=STEPS)
        schedule = tiny.schedule(scenario, flows={"a": {"renewable_used_mw": {"roof": 1.15}}})
    elif what == "grid_export_mw":
        flows["grid_import_mw"] = np.zeros(STEPS)
        flows[what] = np.full(STEPS, -0.15)
    else:
        flows["grid_import_mw"] = np.full(STEPS, 1.15)
    only(scenario, with_site(schedule, **flows), "sign")


def test_renewable_power_is_not_negative(tiny):
    only(*idle(tiny, flows={"renewable_used_mw": {"roof": -0.1}}, renewables=(tiny.plant(1.0, STEPS),)), "sign")


# storage


def stored(tiny, charge, discharge, **battery):
    """A site with 5.15 MW of load whose battery runs as given."""
    site = {"batteries": (tiny.battery(**battery),), "fixed_facility_power_mw": 5.0}
    return idle(tiny, flows={"batteries": {"store": (charge, discharge)}}, **site)


def test_a_battery_cycle_that_ends_where_it_began(tiny):
    # 0.8 x 5 in, 2 / 0.5 out
    assert violations(*stored(tiny, [5.0, 0.0, 0.0, 0.0], [0.0, 2.0, 0.0, 0.0], energy_mwh=20.0)) == []


def test_stored_energy_follows_from_the_flows(tiny):
    scenario, schedule = stored(tiny, 0.0, 0.0)
    plan = schedule.sites["a"].batteries["store"]
    energy = plan.energy_mwh + np.array([0.0, 0.0, 0.1, 0.1, 0.1])
    changed = with_site(schedule, batteries={"store": replace(plan, energy_mwh=energy)})
    violation = only(scenario, changed, "storage")
    assert (violation.when, violation.steps) == ("2022-07-04T02:00", 1)
    other_start = with_site(schedule, batteries={"store": replace(plan, energy_mwh=plan.energy_mwh + 1.0)})
    assert only(scenario, other_start, "storage").when == "2022-07-04T00:00"


def test_self_discharge_is_exact(tiny):
    battery = {"self_discharge_per_h": 0.1, "terminal_value_per_mwh": 0.0}
    scenario, schedule = stored(tiny, [5.0, 0.0, 0.0, 0.0], 0.0, **battery)
    assert violations(scenario, schedule) == []
    energy = schedule.sites["a"].batteries["store"].energy_mwh
    assert energy[1] == pytest.approx(5.0 * np.exp(-0.1) + 4.0 * (1.0 - np.exp(-0.1)) / 0.1)
    lossless = replace(scenario.sites[0].batteries[0], self_discharge_per_h=0.0)
    other = scenario.with_changes(sites=(replace(scenario.sites[0], batteries=(lossless,)),))
    only(other, schedule, "storage")


def test_storage_bounds(tiny):
    full = only(*stored(tiny, [5.0, 5.0, 0.0, 0.0], 0.0), "storage-bound")
    assert (full.amount, full.when) == (pytest.approx(3.0), "2022-07-04T02:00")
    empty = {"min_energy_mwh": 4.0, "terminal_value_per_mwh": 10.0}
    assert only(*stored(tiny, 0.0, [1.0, 0.0, 0.0, 0.0], **empty), "storage-bound").amount == pytest.approx(1.0)


def test_stored_energy_must_return_unless_it_has_a_value(tiny):
    discharge = [0.0, 0.0, 0.0, 0.1]
    violation = only(*stored(tiny, 0.0, discharge), "storage-end")
    assert (violation.amount, violation.when) == (pytest.approx(0.2), "2022-07-04T04:00")
    assert violations(*stored(tiny, 0.0, discharge, terminal_value_per_mwh=50.0)) == []


def test_battery_power_limits(tiny):
    large = {"energy_mwh": 50.0, "terminal_value_per_mwh": 1.0, "initial_energy_mwh": 25.0}
    assert only(*stored(tiny, [5.5, 0.0, 0.0, 0.0], 0.0, **large), "battery-power").amount == pytest.approx(0.5)
    export = {"grid_export_mw": [5.35, 0.0, 0.0, 0.0]}
    flows = {"batteries": {"store": (0.0, [5.5, 0.0, 0.0, 0.0])}} | export
    only(*idle(tiny, flows=flows, batteries=(tiny.battery(**large),)), "battery-power")


def test_charge_and_discharge_exclude_each_other(tiny):
    violation = only(*stored(tiny, [0.4, 0.0, 0.0, 0.0], [0.1, 0.0, 0.0, 0.0]), "exclusivity")
    assert "smaller of charge and discharge" in violation.message
    assert violation.amount == pytest.approx(0.1)


def test_charge_and_discharge_are_not_negative(tiny):
    assert families(*stored(tiny, [-0.5, 0.5, 0.0, 0.0], 0.0)) == {"sign"}
    assert families(*stored(tiny, 0.0, [0.05, -0.05, 0.0, 0.0])) == {"sign"}


# generators


def generated(tiny, output, *, on=None, **turbine):
    """A site with 20 MW of load whose turbine runs as given."""
    site = {"generators": (tiny.generator(STEPS, **turbine),), "fixed_facility_power_mw": 20.0}
    scenario, schedule = idle(tiny, flows={"generators": {"turbine": output}}, **site)
    if on is not None:
        plan = replace(schedule.sites["a"].generators["turbine"], on=np.array(on))
        schedule = with_site(schedule, generators={"turbine": plan})
    return scenario, schedule


def test_generator_range(tiny):
    assert violations(*generated(tiny, [4.0, 10.0, 0.0, 4.0], min_load_mw=4.0)) == []
    assert only(*generated(tiny, [3.0, 0.0, 0.0, 0.0], min_load_mw=4.0), "generator-range").amount == pytest.approx(1.0)
    assert only(*generated(tiny, [0.0, 10.5, 0.0, 0.0]), "generator-range").amount == pytest.approx(0.5)
    assert only(*generated(tiny, -1.0, on=[False] * STEPS), "generator-range").amount == pytest.approx(1.0)


def test_output_needs_the_unit_on_and_available(tiny):
    assert only(*generated(tiny, 5.0, on=[True, False, True, True]), "generator-range").when == "2022-07-04T01:00"
    assert only(*generated(tiny, 5.0, availability=[1.0, 1.0, 0.4, 0.5]), "generator-range").steps == 1


def test_commitment_is_on_or_off(tiny):
    only(*generated(tiny, 2.0, on=[1.0, 1.0, 0.5, 1.0]), "commitment")


def test_min_up(tiny):
    assert violations(*generated(tiny, [0.0, 5.0, 5.0, 0.0], min_up_h=2.0)) == []
    violation = only(*generated(tiny, [0.0, 5.0, 0.0, 0.0], min_up_h=1.5), "min-up")
    assert violation.message == "Time on of a/turbine is 1 steps at 2022-07-04T02:00; the least allowed is 2 steps"
    assert violations(*generated(tiny, [0.0, 0.0, 0.0, 5.0], min_up_h=3.0)) == []  # goes on after the horizon


def test_an_outage_excuses_a_short_run(tiny):
    outage = {"availability": [1.0, 1.0, 0.0, 1.0], "min_up_h": 3.0}
    assert violations(*generated(tiny, [0.0, 5.0, 0.0, 0.0], **outage)) == []
    only(*generated(tiny, [5.0, 0.0, 0.0, 0.0], **outage), "min-up")


def test_a_unit_without_capacity_is_off(tiny):
    idle_on = generated(tiny, [5.0, 5.0, 0.0, 5.0], on=[True] * STEPS, availability=[1.0, 1.0, 0.0, 1.0])
    assert only(*idle_on, "commitment").when == "2022-07-04T02:00"


def test_min_down(tiny):
    assert violations(*generated(tiny, [5.0, 0.0, 0.0, 5.0], min_down_h=2.0)) == []
    only(*generated(tiny, [5.0, 0.0, 5.0, 5.0], min_down_h=2.0), "min-down")


def test_time_before_the_horizon_counts(tiny):
    on = {"initially_on": True, "initial_output_mw": 5.0, "min_up_h": 3.0}
    assert violations(*generated(tiny, [5.0, 0.0, 0.0, 0.0], initial_hours=2.0, **on)) == []
    only(*generated(tiny, [5.0, 0.0, 0.0, 0.0], initial_hours=1.0, **on), "min-up")
    only(*generated(tiny, [5.0, 5.0, 5.0, 5.0], initial_hours=1.0, min_down_h=2.0), "min-down")


def test_ramps_with_start_and_stop_allowance(tiny):
    slow = {"ramp_mw_per_h": 2.0, "min_load_mw": 4.0}
    assert violations(*generated(tiny, [4.0, 6.0, 4.0, 0.0], **slow)) == []
    assert only(*generated(tiny, [4.5, 5.0, 5.0, 5.0], **slow), "generator-ramp").amount == pytest.approx(0.5)
    assert only(*generated(tiny, [4.0, 6.5, 6.0, 5.0], **slow), "generator-ramp").when == "2022-07-04T01:00"
    fall = only(*generated(tiny, [4.0, 6.0, 0.0, 0.0], **slow), "generator-ramp")
    assert "Fall of output" in fall.message
    assert fall.amount == pytest.approx(2.0)


def test_the_output_before_the_horizon_bounds_the_first_step(tiny):
    before = {"ramp_mw_per_h": 2.0, "initially_on": True, "initial_output_mw": 8.0}
    assert violations(*generated(tiny, [6.0, 6.0, 6.0, 6.0], **before)) == []
    assert only(*generated(tiny, [5.0, 5.0, 5.0, 5.0], **before), "generator-ramp").when == "2022-07-04T00:00"


# carbon


def test_carbon_budgets(tiny):
    # four hours at 0.15 MW and 400 kg/MWh are 240 kg
    assert violations(*budgeted(tiny, CarbonPolicy(budget_kg=240.0), site_kg=240.0)) == []
    violation = only(*budgeted(tiny, CarbonPolicy(budget_kg=250.0, used_kg=20.0)), "carbon-budget")
    assert violation.amount == pytest.approx(10.0)
    assert violation.where == ""
    assert only(*budgeted(tiny, CarbonPolicy(), site_kg=200.0), "site-carbon-budget").amount == pytest.approx(40.0)


def test_a_price_for_excess_makes_budgets_soft(tiny):
    assert violations(*budgeted(tiny, CarbonPolicy(budget_kg=1.0, excess_price_per_t=100.0), site_kg=1.0)) == []


def test_carbon_of_generators_counts(tiny):
    turbine = tiny.generator(STEPS, emission_kg_per_mwh=500.0, no_load_emission_kg_per_h=10.0, start_emission_kg=50.0)
    site = tiny.site(STEPS, grid=None, fixed_facility_power_mw=0.85, generators=(turbine,))
    output = {"a": {"generators": {"turbine": [1.0, 1.0, 1.0, 1.0]}}}
    kg = 4 * 500.0 + 4 * 10.0 + 50.0
    for budget, expected in ((kg, set()), (kg - 1.0, {"carbon-budget"})):
        scenario = tiny.scenario(site, steps=STEPS, carbon=CarbonPolicy(budget_kg=budget))
        assert families(scenario, tiny.schedule(scenario, flows=output)) == expected


def test_export_is_credited_only_on_request(tiny):
    site = tiny.site(STEPS, renewables=(tiny.plant(1.0, STEPS),))
    flows = {"a": {"renewable_used_mw": {"roof": [0.0, 1.15, 0.0, 0.0]}, "grid_export_mw": [0.0, 1.0, 0.0, 0.0]}}
    for credit, expected in ((False, {"carbon-budget"}), (True, set())):
        policy = CarbonPolicy(budget_kg=0.0, credit_export=credit)
        scenario = tiny.scenario(site, steps=STEPS, carbon=policy)
        assert families(scenario, tiny.schedule(scenario, flows=flows)) == expected


def budgeted(tiny, policy, site_kg=None):
    scenario = tiny.scenario(tiny.site(STEPS, carbon_budget_kg=site_kg), steps=STEPS, carbon=policy)
    return scenario, tiny.schedule(scenario)


def rich(tiny):
    """One site with every component, a rigid job and a service, and a schedule that breaks nothing."""
    site = tiny.site(
        STEPS,
        renewables=(tiny.plant(0.05, STEPS),),
        batteries=(tiny.battery(),),
        generators=(tiny.generator(STEPS, min_load_mw=2.0, min_up_h=2.0, ramp_mw_per_h=5.0),),
        fixed_facility_power_mw=6.0,
        it_limit_mw=1.0,
        carbon_budget_kg=1e4,
    )
    scenario = tiny.scenario(
        site,
        steps=STEPS,
        training=(tiny.job(duration_h=2.0),),
        inference=(tiny.service(STEPS, latency_limit_ms=20.0),),
        regions=(Region(name="west", latency_ms={"a": 10.0}), Region(name="east", latency_ms={"a": 90.0})),
        carbon=CarbonPolicy(budget_kg=1e4),
    )
    schedule: Schedule = tiny.schedule(
        scenario,
        jobs={"train": [tiny.run(1, 3)]},
        services={"chat": {("west", "a", "gpus"): 2e4}},
        flows={
            "a": {
                "renewable_used_mw": {"roof": [0.5, 0.4, 0.5, 0.0]},
                "batteries": {"store": ([2.5, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0])},
                "generators": {"turbine": [0.0, 2.0, 3.0, 0.0]},
            }
        },
    )
    assert isinstance(schedule.services["chat"], ServiceSchedule)
    assert isinstance(schedule.sites["a"].generators["turbine"], GeneratorSchedule)
    return scenario, schedule
