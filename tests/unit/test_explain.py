"""Why a job runs there and then, and what happens in an hour, on plans that can be worked by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from joulewright.model import CarbonPolicy, DemandWindow, JobSchedule, Link, Region
from joulewright.plan import PlanOptions, plan
from joulewright.plan.baselines import run_baseline
from joulewright.plan.explain import explain_hour, explain_job

EXACT = PlanOptions(strategy="exact", gap=0.0, threads=1)


@pytest.fixture
def case(tiny):
    """A job of 4 MW and 1 h at two sites over four hours; costs of its starts: a 400 120 40 200, b 240 80 360 360."""

    def make(*, job=None, prices_a=(100.0, 30.0, 10.0, 50.0), **changes):
        steps = 4
        sites = tuple(
            tiny.site(
                steps,
                name=name,
                pue=1.0,
                grid=tiny.grid(steps, import_price_per_mwh=prices, export_limit_mw=0.0, carbon=carbon),
                fleets=(tiny.fleet(steps, active_power_mw=0.1, idle_power_mw=0.0),),
                **changes.pop(f"site_{name}", {}),
            )
            for name, prices, carbon in (
                ("a", prices_a, 500.0),
                ("b", [60.0, 20.0, 90.0, 90.0], 100.0),
            )
        )
        jobs = (tiny.job("train", **({"deadline": tiny.at(4.0)} | (job or {}))), *changes.pop("others", ()))
        scenario = tiny.scenario(*sites, steps=steps, training=jobs, **changes)
        return scenario, plan(scenario, EXACT)

    return make


def found(explanation):
    """Benefit changes by what and where."""
    return {
        (item.what, item.site, item.start and item.start[11:13]): item.benefit_change
        for item in explanation.alternatives
    }


def test_alternatives_of_a_rigid_job(case):
    scenario, result = case()
    explanation = explain_job(scenario, result, "train")
    assert (explanation.site, explanation.fleet, explanation.start) == ("a", "gpus", "2022-07-04T02:00:00+00:00")
    assert explanation.end == "2022-07-04T03:00:00+00:00"
    assert explanation.slack_h == pytest.approx(1.0)
    assert explanation.energy_mwh == pytest.approx(4.0)
    assert explanation.import_price_per_mwh == pytest.approx(10.0)
    assert explanation.power_price_per_mwh == pytest.approx(10.0)
    assert explanation.carbon_kg_per_mwh == pytest.approx(500.0)
    assert found(explanation) == {
        ("cheapest there", "b", "01"): pytest.approx(-40.0),
        ("next cheapest here", "a", "01"): pytest.approx(-80.0),
        ("next cheapest here", "a", "03"): pytest.approx(-160.0),
        ("as early as possible", "a", "00"): pytest.approx(-360.0),
        ("rejected", None, None): pytest.approx(-460.0),
    }
    assert [item.benefit_change for item in explanation.alternatives] == sorted(
        found(explanation).values(), reverse=True
    )


def test_cost_and_carbon_of_an_alternative(case):
    """At b the hour costs 80 instead of 40 and emits 0.4 t instead of 2 t; not running saves 40 and 2 t."""
    scenario, result = case()
    there, *_, rejected = explain_job(scenario, result, "train").alternatives
    assert (there.cost_change, there.carbon_change_kg) == (pytest.approx(40.0), pytest.approx(-1600.0))
    assert (rejected.cost_change, rejected.carbon_change_kg) == (pytest.approx(-40.0), pytest.approx(-2000.0))
    assert str(there) == ("b/gpus from 04 Jul 01:00 UTC (cheapest there): benefit -40, cost +40, carbon -1.600 t")
    assert str(rejected) == "is not run (rejected): benefit -460, cost -40, carbon -2.000 t"


def test_the_text_says_what_was_held(case):
    text = str(explain_job(*case(), "train"))
    assert "train runs at a/gpus from 04 Jul 02:00 UTC to 04 Jul 03:00 UTC (40 accelerators, 4.0 MWh)." in text
    assert "1 h are left until its deadline" in text
    assert "power is worth 10.00 USD/MWh, the grid asks 10.00 USD/MWh, its carbon intensity is 500 kg/MWh" in text
    assert "all other jobs and the states of generators are held" in text


def test_as_dict_is_plain(case):
    document = json.loads(json.dumps(explain_job(*case(), "train").as_dict()))
    assert document["alternatives"][0]["site"] == "b"
    assert document["deadline"] == "2022-07-04T04:00:00+00:00"


NARROW = {"release": datetime(2022, 7, 4, 1, tzinfo=UTC), "deadline": datetime(2022, 7, 4, 2, tzinfo=UTC)}


def test_a_job_that_blocks_another_is_said_to_have_no_room(case, tiny):
    """The other job holds 80 of 100 accelerators in the only hour at b."""
    other = tiny.job("other", gpus=80, value=9000.0, sites=("b",), release=tiny.at(1.0), deadline=tiny.at(2.0))
    explanation = explain_job(*case(job=NARROW, others=(other,)), "train")
    (blocked,) = [item for item in explanation.alternatives if item.site == "b"]
    assert blocked.benefit_change is None
    assert "other jobs leave 20 of the 40 accelerators it needs" in str(blocked)
    assert explanation.alternatives[-1] is blocked


def test_a_thorough_explanation_lets_the_others_move(case, tiny):
    """Planned anew the other job makes room: its 8 MW move from 20 to 60 per MWh, and 4 MW from 30 to 20."""
    other = tiny.job("other", gpus=80, value=900.0, sites=("b",), deadline=tiny.at(2.0))
    scenario, result = case(job=NARROW, others=(other,))
    quick, thorough = (explain_job(scenario, result, "train", EXACT, thorough=flag) for flag in (False, True))
    assert found(quick)["cheapest there", "b", "01"] is None
    assert found(thorough)["cheapest there", "b", "01"] == pytest.approx(-320.0 + 40.0)
    assert "planned anew" in thorough.method
    assert found(thorough)["rejected", None, None] == pytest.approx(-500.0 + 120.0)


def test_thorough_says_when_a_pin_is_impossible(case, tiny):
    other = tiny.job("other", gpus=80, mandatory=True, sites=("b",), release=tiny.at(1.0), deadline=tiny.at(2.0))
    scenario, result = case(job=NARROW, others=(other,))
    thorough = explain_job(scenario, result, "train", EXACT, thorough=True)
    (blocked,) = [item for item in thorough.alternatives if item.site == "b"]
    assert blocked.note.startswith("not possible: error[X021]")


def test_a_rejected_job(case):
    scenario, result = case(job={"value": 30.0})
    explanation = explain_job(scenario, result, "train")
    assert explanation.start is explanation.slack_h is None
    assert found(explanation)["cheapest there", "a", "02"] == pytest.approx(-10.0)
    assert "is not run; it could run from" in str(explanation)


def test_a_job_without_alternatives(case):
    scenario, result = case(job={"mandatory": True, "sites": ("a",), "start": None, "duration_h": 4.0})
    explanation = explain_job(scenario, result, "train")
    assert explanation.alternatives == ()
    assert "no alternative" in str(explanation)


def test_a_pausable_job(case):
    """The two cheapest hours cost 40 + 120 at a and 80 + 240 at b; those at a happen to be in one piece."""
    scenario, result = case(job={"kind": "pausable", "duration_h": 2.0, "value": 900.0})
    explanation = explain_job(scenario, result, "train")
    assert found(explanation)["cheapest there", "b", None] == pytest.approx(-(80.0 + 240.0) + 160.0)
    assert found(explanation)["without a pause", "a", "01"] == pytest.approx(0.0)
    assert found(explanation)["as early as possible", "a", "00"] == pytest.approx(-(400.0 + 120.0) + 160.0)
    assert found(explanation)["rejected", None, None] == pytest.approx(-900.0 + 160.0)


def test_a_pausable_job_tells_its_breaks(case):
    """At a alone the two cheapest hours of 100, 30, 200 and 50 are the second and the fourth."""
    scenario, result = case(job={"kind": "pausable", "duration_h": 2.0, "sites": ("a",)}, prices_a=[100, 30, 200, 50])
    explanation = explain_job(scenario, result, "train")
    assert (explanation.runs, explanation.running_h, explanation.breaks_h) == (2, 2.0, 1.0)
    assert explanation.done_fraction == pytest.approx(1.0)
    assert explanation.import_price_per_mwh == pytest.approx(40.0)
    text = str(explanation)
    assert "from 04 Jul 01:00 UTC to 04 Jul 04:00 UTC (40 accelerators, 8.0 MWh)." in text
    assert "It runs 2 h in 2 runs with 1 break of 1 h in all and does 100 % of its work." in text


def test_an_elastic_job_tells_its_sizes(case):
    """160 accelerator-hours: all 100 accelerators in the cheapest hour, 60 in the next, nothing at 40 running."""
    job = {"kind": "elastic", "min_gpus": 10, "max_gpus": 100, "duration_h": 4.0, "sites": ("a",)}
    scenario, result = case(job=job)
    explanation = explain_job(scenario, result, "train")
    assert explanation.least_accelerators == pytest.approx(60.0)
    assert explanation.most_accelerators == pytest.approx(100.0)
    assert (explanation.runs, explanation.running_h, explanation.breaks_h) == (1, 2.0, 0.0)
    text = str(explanation)
    assert "(60 to 100 accelerators, 16.0 MWh)." in text
    assert "It runs 2 h without a break and does 100 % of its work, which takes 4 h at its reference size of 40" in text


def test_a_job_that_moves_tells_where_it_runs(case, tiny):
    job = {"kind": "pausable", "duration_h": 2.0, "migratable": True}
    scenario, result = case(job=job, links=(Link(between=("a", "b"), bandwidth_gbit_s=1.0),))
    runs = (tiny.run(1, 2), tiny.run(2, 3, site="b"))
    schedule = replace(result.schedule, jobs={"train": JobSchedule(job="train", segments=runs)})
    explanation = explain_job(scenario, replace(result, schedule=schedule), "train")
    assert explanation.places == ("a/gpus", "b/gpus")
    assert explanation.import_price_per_mwh == pytest.approx((30.0 + 90.0) / 2.0)
    assert explanation.carbon_kg_per_mwh == pytest.approx((500.0 + 100.0) / 2.0)
    assert "train runs at a/gpus, then b/gpus from 04 Jul 01:00" in str(explanation)


def test_a_job_that_needs_another_generator_state(case, tiny):
    """At b there is no grid at all in the cheap hour: its generator would have to run."""
    unit = tiny.generator(4, min_load_mw=2.0, fuel_cost_per_mwh=500.0)
    scenario, _ = case()
    sites = [
        replace(scenario.sites[0]),
        replace(
            scenario.sites[1],
            generators=(unit,),
            grid=replace(scenario.sites[1].grid, import_limit_mw=np.zeros(4)),
        ),
    ]
    scenario = scenario.with_changes(sites=tuple(sites))
    explanation = explain_job(scenario, plan(scenario, EXACT), "train")
    (there,) = [item for item in explanation.alternatives if item.site == "b" and "cheapest" in item.what]
    assert there.benefit_change == pytest.approx(-4.0 * 500.0 + 40.0)
    assert "generator states" in there.note


def test_a_schedule_that_breaks_limits_is_not_compared(case):
    scenario, _ = case()
    tight = scenario.with_changes(
        sites=tuple(replace(s, grid=replace(s.grid, import_limit_mw=np.full(4, 1.0))) for s in scenario.sites)
    )
    explanation = explain_job(tight, run_baseline("compute-only", tight, EXACT), "train")
    assert all("breaks limits" in str(item) for item in explanation.alternatives)


def test_unknown_jobs_and_results_without_a_plan(case):
    scenario, result = case()
    with pytest.raises(KeyError, match="no training job 'tarin'"):
        explain_job(scenario, result, "tarin")
    empty = replace(result, schedule=None, status="time-limit")
    with pytest.raises(ValueError, match="ended as 'time-limit' without a plan"):
        explain_job(scenario, empty, "train")
    with pytest.raises(ValueError, match="ended as 'time-limit' without a plan"):
        explain_hour(scenario, empty, 0)
    with pytest.raises(IndexError, match="step 4 lies outside the horizon; allowed are 0 to 3"):
        explain_hour(scenario, result, 4)


def test_a_job_that_has_ended_before(case, tiny):
    scenario, result = case()
    done = tiny.job("done", running_since=tiny.at(-2.0), site="a")
    jobs = {**result.schedule.jobs, "done": JobSchedule(job="done")}
    later = scenario.with_changes(training=(*scenario.training, done))
    explanation = explain_job(later, replace(result, schedule=replace(result.schedule, jobs=jobs)), "done")
    assert explanation.alternatives == ()


@pytest.fixture
def hour(tiny):
    """One busy hour and one idle one: sun, store, generator, demand charge, requests and a job at a; nothing at b."""
    steps = 2
    window = DemandWindow(name="day", price_per_mw=1.0, members=np.array([True, True]))
    busy = tiny.site(
        steps,
        pue=1.2,
        grid=tiny.grid(steps, import_price_per_mwh=[100.0, 10.0], import_limit_mw=[2.0, 9.0], demand_windows=(window,)),
        fleets=(tiny.fleet(steps, active_power_mw=0.1, idle_power_mw=0.01),),
        renewables=(tiny.plant([0.1, 0.0]),),
        batteries=(tiny.battery(charge_efficiency=1.0, discharge_efficiency=1.0),),
        generators=(tiny.generator(capacity_mw=1.0, fuel_cost_per_mwh=20.0),),
    )
    scenario = tiny.scenario(
        busy,
        tiny.site(name="b", grid=None, fleets=()),
        training=(tiny.job(mandatory=True, deadline=tiny.at(1.0)),),
        inference=(tiny.service(demand=[1e4, 0.0]),),
        regions=(Region(name="west", latency_ms={"a": 5.0}),),
        carbon=CarbonPolicy(budget_kg=5000.0),
    )
    return scenario, plan(scenario, EXACT)


def test_supply_equals_use(hour):
    for step in (0, 1):
        for site in explain_hour(*hour, step).sites:
            assert sum(site.supply_mw.values()) == pytest.approx(sum(site.use_mw.values()), abs=1e-9)


def test_what_runs_and_where_power_goes(hour):
    """40 busy accelerators draw 4 MW, 10 serving ones 0.05, 50 idle ones 0.5; cooling takes a fifth of 4.55 MW."""
    site = explain_hour(*hour, 0).sites[0]
    assert site.running == {"train": 40.0}
    assert site.serving == {"chat": pytest.approx(1e4)}
    assert site.use_mw["training"] == pytest.approx(4.0)
    assert site.use_mw["inference"] == pytest.approx(0.05)
    assert site.use_mw["idle accelerators"] == pytest.approx(0.5)
    assert site.use_mw["cooling and other"] == pytest.approx(0.2 * 4.55)
    assert site.supply_mw["roof"] == pytest.approx(1.0)
    assert site.supply_mw["turbine"] == pytest.approx(1.0)
    assert site.import_price_per_mwh == 100.0
    assert site.carbon_kg_per_mwh == 400.0


def test_limits_that_bind(hour):
    found = " | ".join(str(item) for item in explain_hour(*hour, 0).sites[0].binding)
    assert "turbine gives all of its 1 MW" in found
    idle = " | ".join(str(item) for item in explain_hour(*hour, 1).sites[0].binding)
    assert "turbine" not in idle
    assert "accelerators" not in idle


def test_limits_with_a_price(tiny):
    """A job worth 500 waits for the second hour because import stops at 2 MW; one more MW is worth nothing to it alone,
    but the fixed load that stays unserved at 1000 would pay 1000 - 50."""
    window = DemandWindow(name="day", price_per_mw=1.0, members=np.array([True, True]))
    site = tiny.site(
        fixed_facility_power_mw=3.0,
        fleets=(),
        it_limit_mw=0.0,
        grid=tiny.grid(import_limit_mw=[2.0, 9.0], demand_windows=(window,)),
        unserved_power_penalty_per_mwh=1000.0,
        batteries=(tiny.battery(initial_energy_mwh=0.0, charge_limit_mw=0.0),),
        carbon_budget_kg=2000.0,
    )
    scenario = tiny.scenario(site, carbon=CarbonPolicy(budget_kg=2000.0))
    explanation = explain_hour(scenario, plan(scenario, EXACT), 0)
    texts = [str(item) for item in explanation.sites[0].binding]
    assert "import limit of 2 MW (one more is worth 950.00 USD/MW)" in texts
    assert "IT limit of 0 MW" in texts
    assert "store is down to 0 MWh" in texts
    assert any(text.startswith("carbon budget of 2.0 t") for text in map(str, explanation.binding))
    assert any("at a" in text for text in map(str, explanation.binding))
    full = explain_hour(scenario, plan(scenario, EXACT), 1)
    assert any("peak of 3 MW that day bills" in str(item) for item in full.sites[0].binding)


def test_accelerators_and_batteries_at_their_limits(tiny):
    """All 100 accelerators train, the full store gives what it can, and a generator stays at its least load."""
    site = tiny.site(
        pue=1.0,
        fleets=(tiny.fleet(active_power_mw=0.1, idle_power_mw=0.0),),
        grid=tiny.grid(import_price_per_mwh=[100.0, 1.0], import_limit_mw=20.0),
        batteries=(tiny.battery(initial_energy_mwh=10.0, charge_efficiency=1.0, discharge_efficiency=1.0),),
        generators=(
            tiny.generator(
                min_load_mw=2.0, fuel_cost_per_mwh=150.0, initially_on=True, initial_hours=0.0, min_up_h=1.0
            ),
        ),
    )
    scenario = tiny.scenario(site, training=(tiny.job(gpus=100, duration_h=2.0, value=9e3),))
    result = plan(scenario, EXACT)
    first, second = (" | ".join(map(str, explain_hour(scenario, result, step).sites[0].binding)) for step in (0, 1))
    assert "all 100 accelerators of gpus" in first
    assert "store discharges at its limit of 5 MW" in first
    assert "turbine runs at its least load of 2 MW" in first
    assert "store is full with 10 MWh" in second
    assert "store charges at its limit of 5 MW" in second


def test_the_text_of_an_hour(hour):
    explanation = explain_hour(*hour, 0)
    text = str(explanation)
    assert text.startswith("04 Jul 2022 00:00 to 01:00 UTC")
    assert "trains train (40 accelerators)" in text
    assert "serves chat (10,000 token/s)" in text
    assert "b: " in text
    assert json.loads(json.dumps(explanation.as_dict()))["sites"][0]["site"] == "a"


def test_an_hour_of_a_baseline_has_no_prices_of_its_own(hour):
    scenario, _ = hour
    explanation = explain_hour(scenario, run_baseline("compute-only", scenario, EXACT), 0)
    assert explanation.sites[0].power_price_per_mwh is None
