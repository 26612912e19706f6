"""Policies that plan, in the simulator: replay, optimality under perfect foresight, futures, risk and regret."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from joulewright.account import settle
from joulewright.errors import PolicyError
from joulewright.model import CarbonPolicy, DemandWindow, Event, Link, Region, scenario_window
from joulewright.plan import PlanOptions, plan
from joulewright.plan.formulation import build
from joulewright.plan.free_generators import relax_generators
from joulewright.plan.solver import pass_program, read_solution
from joulewright.policy.base import PolicyFacts
from joulewright.policy.combine import make_policy
from joulewright.policy.planned import FollowPlan, Oracle, RecedingHorizon, Stochastic, oracle_plan, regret_of
from joulewright.policy.planned.regret import Regret, owed_energy_cost
from joulewright.sim.simulate import simulate


@pytest.fixture(scope="module")
def grid_day(tiny):
    """Energy only: a day of two sites with batteries, sun, a generator, a demand charge and routable demand."""
    steps = 24
    hour = np.arange(steps)
    window = DemandWindow(name="day", price_per_mw=30.0, members=np.ones(steps, bool), peak_so_far_mw=1.0)

    def site(name, phase):
        price = 50.0 + 30.0 * np.sin((hour - phase) / 24.0 * 2.0 * np.pi)
        grid = tiny.grid(
            steps,
            import_price_per_mwh=price,
            export_price_per_mwh=0.8 * price,
            import_limit_mw=6.0,
            export_limit_mw=3.0,
            demand_windows=(window,),
        )
        return tiny.site(
            steps,
            name=name,
            grid=grid,
            pue=1.2 + 0.1 * np.sin(hour / 3.0),
            fixed_facility_power_mw=2.0 + np.cos(hour / 5.0),
            renewables=(tiny.plant(np.clip(np.sin((hour - 6.0) / 12.0 * np.pi), 0.0, 1.0), steps, capacity_mw=4.0),),
            batteries=(tiny.battery(charge_efficiency=0.95, discharge_efficiency=0.95, wear_cost_per_mwh=2.0,
                                    energy_mwh=4.0, charge_limit_mw=1.0, discharge_limit_mw=1.0,
                                    initial_energy_mwh=2.0),),
            generators=(tiny.generator(steps, capacity_mw=1.0, fuel_cost_per_mwh=65.0),),
            unserved_power_penalty_per_mwh=3000.0,
        )  # fmt: skip

    return tiny.scenario(
        site("a", 0.0),
        site("b", 6.0),
        steps=steps,
        carbon=CarbonPolicy(price_per_t=10.0),
        regions=(Region(name="west", latency_ms={"a": 5.0, "b": 9.0}),),
        inference=(tiny.service(steps, demand=6e4 + 2e4 * np.sin(hour), unserved_penalty_per_mtoken=40.0),),
    )


@pytest.fixture(scope="module")
def job_day(tiny):
    """A day in which moving, pausing, stretching and waiting pay."""
    steps = 24
    hour = np.arange(steps)
    price = {"a": 40.0 + 35.0 * np.cos(hour * np.pi / 12.0), "b": 40.0 - 35.0 * np.cos(hour * np.pi / 12.0)}

    def site(name):
        return tiny.site(
            steps,
            name=name,
            grid=tiny.grid(steps, import_price_per_mwh=price[name], import_limit_mw=1.5, export_limit_mw=0.5),
            fixed_facility_power_mw=0.2,
            batteries=(tiny.battery(energy_mwh=1.0, charge_limit_mw=0.4, discharge_limit_mw=0.4,
                                    charge_efficiency=0.95, discharge_efficiency=0.95, initial_energy_mwh=0.5),),
            generators=(tiny.generator(steps, capacity_mw=0.5, min_load_mw=0.2, min_up_h=3.0, min_down_h=2.0,
                                       start_cost=1.0, fuel_cost_per_mwh=55.0),),
            unserved_power_penalty_per_mwh=5000.0,
        )  # fmt: skip

    kinds = {"gpus": 20, "checkpoint_gb": 100.0, "deadline": tiny.at(24.0)}
    return tiny.scenario(
        site("a"),
        site("b"),
        steps=steps,
        links=(Link(between=("a", "b"), bandwidth_gbit_s=1.0, cost_per_gb=0.001),),
        regions=(Region(name="west", latency_ms={"a": 10.0, "b": 30.0}),),
        inference=(tiny.service(steps, demand=1e4 + 1e3 * hour, unserved_penalty_per_mtoken=50.0),),
        training=(
            tiny.job("rigid", duration_h=5.4, **kinds),
            tiny.job("pause", kind="pausable", duration_h=9.0, **kinds),
            tiny.job("move", kind="pausable", duration_h=16.0, migratable=True, **kinds),
            tiny.job("stretch", kind="elastic", duration_h=8.3, min_gpus=10, max_gpus=40,
                     speed=((10, 0.55), (20, 1.0), (40, 1.6)), **kinds),
        ),
    )  # fmt: skip


def optimum(scenario) -> float:
    """Benefit of the relaxation of the whole scenario."""
    highs = pass_program(build(relax_generators(scenario)).program)
    highs.run()
    solution = read_solution(highs)
    assert solution.optimal
    return -solution.objective


def benefit(found) -> float:
    return settle(found.trajectory.scenario, found.trajectory.schedule).benefit


@pytest.fixture(scope="module")
def planned(job_day):
    """A plan with everything worth replaying."""
    return plan(job_day, PlanOptions(gap=0.01, work_limit=10.0, threads=1))


class TestFollowPlan:
    @pytest.mark.parametrize("cover", ["grid", "battery"])
    def test_a_plan_is_replayed_exactly(self, job_day, planned, cover):
        policy = FollowPlan(schedule=planned.schedule, facts=job_day, cover=cover)
        found = simulate(job_day, policy, forecaster="perfect", events=())
        assert found.clips == ()
        told = {key: value for key, value in planned.ledger.summary().items() if value is not None}
        assert {key: found.figures[key] for key in told} == pytest.approx(told, rel=1e-9, abs=1e-9)
        for name, entry in planned.schedule.jobs.items():
            assert found.trajectory.schedule.jobs[name].segments == entry.segments

    def test_the_plan_moves_and_stretches(self, planned):
        segments = {name: entry.segments for name, entry in planned.schedule.jobs.items()}
        assert len({part.site for part in segments["move"]}) == 2
        assert len({part.accelerators for part in segments["stretch"]}) > 1
        assert segments["rigid"][0].last_fraction < 1.0

    def test_curtailed_and_sold_energy_is_replayed(self, grid_day):
        cheap = with_grids(grid_day, export_price_per_mwh=np.where(np.arange(24) % 5 < 2, -20.0, 30.0))
        planned = plan(cheap, PlanOptions(strategy="exact"))
        policy = FollowPlan(schedule=planned.schedule)
        found = simulate(cheap, policy, forecaster="perfect")
        assert benefit(found) == pytest.approx(planned.ledger.benefit, rel=1e-9)

    def test_without_a_plan_it_plans_on_the_first_forecast(self, grid_day):
        found = simulate(grid_day, "follow-plan", forecaster="perfect")
        assert benefit(found) == pytest.approx(optimum(grid_day), rel=2e-3)

    def test_a_wrong_forecast_costs_but_does_not_break(self, grid_day):
        found = simulate(grid_day, "follow-plan:cover=battery", forecaster="day-ahead", seed=3)
        assert found.clips == ()
        assert found.figures["unserved_mwh"] == 0.0
        assert benefit(found) <= optimum(grid_day) + 1e-6

    def test_jobs_that_lose_their_place_start_when_they_can(self, tiny):
        """Half of the accelerators fail for three hours in which the job was to run."""
        job = tiny.job("train", gpus=80, duration_h=2.0, start=tiny.at(1.0), deadline=tiny.at(8.0))
        steps = 8
        scenario = tiny.scenario(tiny.site(steps), steps=steps, training=(job,))
        planned = plan(scenario, PlanOptions(strategy="exact"))
        loss = Event(
            kind="accelerator-failure",
            site="a",
            start=tiny.at(0.0),
            end=tiny.at(3.0),
            component="gpus",
            lost_fraction=0.5,
        )
        found = simulate(scenario, FollowPlan(schedule=planned.schedule, facts=scenario), events=(loss,))
        assert found.jobs["train"].start_h == 3.0
        assert found.jobs["train"].done_fraction == 1.0

    def test_jobs_that_are_not_in_the_plan_run_too(self, tiny):
        jobs = (tiny.job("known", duration_h=2.0), tiny.job("late", duration_h=2.0, release=tiny.at(3.0)))
        scenario = tiny.scenario(tiny.site(8), steps=8, training=jobs)
        found = simulate(scenario, "follow-plan", forecaster="perfect")
        assert [found.jobs[name].done_fraction for name in ("known", "late")] == [1.0, 1.0]

    def test_jobs_that_the_plan_rejects_are_turned_away(self, tiny):
        scenario = tiny.scenario(tiny.site(4), steps=4, training=(tiny.job("poor", value=0.001),))
        planned = plan(scenario, PlanOptions(strategy="exact"))
        assert planned.schedule.jobs["poor"].rejected
        found = simulate(scenario, FollowPlan(schedule=planned.schedule))
        assert found.jobs["poor"].start_h is None

    def test_another_plan_is_refused(self, tiny, grid_day):
        planned = plan(tiny.scenario(), PlanOptions(strategy="exact"))
        with pytest.raises(PolicyError, match=r"the plan has the sites \['a'\]; the scenario has \['a', 'b'\]"):
            simulate(grid_day, FollowPlan(schedule=planned.schedule))
        longer = tiny.scenario(tiny.site(3), steps=3)
        with pytest.raises(PolicyError, match=r"the plan has \[2\] steps; the horizon has 3"):
            simulate(longer, FollowPlan(schedule=planned.schedule))

    def test_what_cannot_be_planned_is_told(self, tiny):
        job = tiny.job("must", gpus=100, duration_h=9.0, mandatory=True)
        with pytest.raises(PolicyError, match="finds no plan on its first forecast"):
            simulate(tiny.scenario(tiny.site(4), steps=4, training=(job,)), "follow-plan")


def with_grids(scenario, **changes):
    """The scenario with other series of all grids."""
    sites = (replace(site, grid=replace(site.grid, **changes)) for site in scenario.sites)
    return scenario.with_changes(sites=tuple(sites))


class TestRecedingHorizon:
    def test_the_whole_horizon_without_error_is_optimal(self, grid_day):
        found = simulate(grid_day, "receding-horizon:window_h=24", forecaster="perfect")
        assert benefit(found) == pytest.approx(optimum(grid_day), rel=1e-6)
        assert found.clips == ()

    @pytest.mark.parametrize("options", ["every_h=6", "every_h=24", "every_h=24,cover=battery"])
    def test_planning_less_often_changes_nothing_without_error(self, grid_day, options):
        found = simulate(grid_day, f"receding-horizon:window_h=24,{options}", forecaster="perfect")
        assert benefit(found) == pytest.approx(optimum(grid_day), rel=1e-6)

    def test_quarter_hours(self, tiny):
        prices = np.tile([20.0, 20.0, 80.0, 80.0], 8)
        battery = tiny.battery(charge_efficiency=0.9, discharge_efficiency=0.9)
        site = tiny.site(
            32,
            grid=tiny.grid(32, import_price_per_mwh=prices, export_limit_mw=0.0),
            fixed_facility_power_mw=6.0,
            batteries=(battery,),
        )
        scenario = tiny.scenario(site, steps=32, step_s=900)
        found = simulate(scenario, "receding-horizon:window_h=8,every_h=0.25", forecaster="perfect")
        assert benefit(found) == pytest.approx(optimum(scenario), rel=1e-6)

    def test_a_short_window_does_not_drain_the_battery(self, tiny):
        """Constant prices: energy is worth keeping until the end, where the battery must be as full as it was."""
        site = tiny.site(48, fixed_facility_power_mw=2.0, batteries=(tiny.battery(initial_energy_mwh=8.0),))
        found = simulate(tiny.scenario(site, steps=48), "receding-horizon:window_h=6", forecaster="perfect")
        energy = found.trajectory.schedule.sites["a"].batteries["store"].energy_mwh
        assert energy.min() == pytest.approx(8.0)

    def test_never_much_worse_than_optimal_with_a_wrong_forecast(self, grid_day):
        best = optimum(grid_day)
        cost = settle(grid_day, simulate(grid_day, "grid-first").trajectory.schedule).cost
        for seed in range(3):
            found = simulate(grid_day, "receding-horizon", forecaster="day-ahead", seed=seed)
            assert best + 1e-6 >= benefit(found) >= best - 0.05 * cost

    def test_jobs_wait_for_the_cheap_hours(self, job_day, planned):
        wise = simulate(job_day, "receding-horizon:window_h=24,jobs=milp", forecaster="perfect")
        eager = simulate(job_day, "grid-first+first-fit", forecaster="perfect")
        assert all(record.done_fraction == 1.0 for record in wise.jobs.values())
        assert benefit(wise) > benefit(eager)
        assert benefit(wise) >= planned.bound - 0.1 * planned.cost

    def test_jobs_may_be_left_to_a_rule(self, job_day):
        found = simulate(job_day, "receding-horizon:window_h=24,jobs=earliest-deadline", forecaster="perfect")
        rule = simulate(job_day, "grid-first+earliest-deadline", forecaster="perfect")
        assert all(record.done_fraction == 1.0 for record in found.jobs.values())
        assert found.jobs["rigid"].start_h == rule.jobs["rigid"].start_h

    def test_a_job_that_must_run_late_runs(self, tiny):
        """80 of 100 accelerators are busy until its deadline has passed."""
        jobs = (
            tiny.job("first", gpus=80, duration_h=5.0, mandatory=True, deadline=tiny.at(5.0)),
            tiny.job("late", gpus=80, duration_h=2.0, mandatory=True, deadline=tiny.at(5.0)),
        )
        scenario = tiny.scenario(tiny.site(10), steps=10, training=jobs)
        found = simulate(scenario, "receding-horizon:window_h=10", forecaster="perfect")
        assert sorted(record.start_h for record in found.jobs.values()) == [0.0, 5.0]
        assert [record.done_fraction for record in found.jobs.values()] == [1.0, 1.0]

    @pytest.mark.parametrize("jobs", ["milp", "cheapest-window"])
    def test_a_pausable_job_longer_than_the_window_is_done(self, tiny, jobs):
        """20 of 30 hours of work, seen through 12 hours at a time."""
        job = tiny.job(kind="pausable", duration_h=20.0, value=1e4, deadline=tiny.at(30.0))
        scenario = tiny.scenario(tiny.site(30), steps=30, training=(job,))
        found = simulate(scenario, f"receding-horizon:window_h=12,jobs={jobs}", forecaster="perfect")
        assert found.jobs[job.name].done_fraction == 1.0

    def test_work_that_is_known_counts_in_the_pace_of_a_budget(self, tiny):
        """A job that may run in clean or dirty hours and a battery: what the job will emit is left to it."""
        steps = 48
        carbon = np.tile(np.repeat([100.0, 700.0], 6), 4)
        battery = tiny.battery(charge_efficiency=0.95, discharge_efficiency=0.95, wear_cost_per_mwh=4.0)
        grid = tiny.grid(steps, carbon=carbon, export_limit_mw=0.0)
        site = tiny.site(steps, grid=grid, fixed_facility_power_mw=3.0, batteries=(battery,))
        job = tiny.job(kind="pausable", gpus=80, duration_h=24.0, value=1e5, deadline=tiny.at(48.0))
        loose = tiny.scenario(site, steps=steps, training=(job,))
        most_kg = settle(loose, simulate(loose, "grid-first").trajectory.schedule).carbon_kg
        tight = loose.with_changes(carbon=CarbonPolicy(budget_kg=0.9 * most_kg))
        found = simulate(tight, "receding-horizon:window_h=24", forecaster="perfect")
        assert found.jobs[job.name].done_fraction == 1.0
        assert settle(tight, found.trajectory.schedule).carbon_kg <= 0.92 * most_kg

    def test_hopeless_jobs_are_turned_away(self, tiny):
        job = tiny.job("hopeless", duration_h=5.0, deadline=tiny.at(3.0))
        found = simulate(tiny.scenario(tiny.site(6), steps=6, training=(job,)), "receding-horizon")
        assert found.jobs["hopeless"].start_h is None

    def test_a_demand_charge_is_paced_over_the_month(self, tiny):
        """The peak comes on day 3 and cannot be shaved much; to shave on day 1 would be wasted."""
        steps = 96
        load = np.full(steps, 2.0)
        load[60:72] = 6.0
        window = DemandWindow(name="month", price_per_mw=1000.0, members=np.ones(steps, bool))
        grid = tiny.grid(steps, demand_windows=(window,))
        battery = tiny.battery(charge_efficiency=0.9, discharge_efficiency=0.9, wear_cost_per_mwh=5.0)
        site = tiny.site(steps, fleets=(), grid=grid, fixed_facility_power_mw=load, batteries=(battery,))
        scenario = tiny.scenario(site, steps=steps)
        found = simulate(scenario, "receding-horizon:window_h=24", forecaster="perfect")
        # A third of the battery's cycle is lost to the coarse view; without any view the loss is the whole charge.
        assert benefit(found) >= optimum(scenario) - 0.02 * abs(optimum(scenario))

    def test_a_carbon_budget_is_kept(self, tiny):
        """Clean and dirty hours at one price: only the budget tells the battery to work."""
        steps = 72
        carbon = np.tile(np.repeat([100.0, 700.0], 6), 6)
        battery = tiny.battery(charge_efficiency=0.95, discharge_efficiency=0.95, wear_cost_per_mwh=4.0)
        grid = tiny.grid(steps, carbon=carbon, export_limit_mw=0.0)
        site = tiny.site(steps, fleets=(), grid=grid, fixed_facility_power_mw=3.0, batteries=(battery,))
        loose = tiny.scenario(site, steps=steps)
        free_kg = settle(loose, simulate(loose, "grid-first").trajectory.schedule).carbon_kg
        tight = loose.with_changes(carbon=CarbonPolicy(budget_kg=0.85 * free_kg))
        found = simulate(tight, "receding-horizon:window_h=24,outlook_every_h=12", forecaster="perfect")
        used_kg = settle(tight, found.trajectory.schedule).carbon_kg
        assert used_kg <= 0.87 * free_kg
        assert benefit(found) >= optimum(tight) - 0.03 * abs(optimum(tight))

    def test_an_outage_is_survived(self, grid_day, tiny):
        outage = Event(kind="grid-outage", site="a", start=tiny.at(5.0), end=tiny.at(8.0), notice_h=4.0)
        found = simulate(grid_day, "receding-horizon", forecaster="day-ahead", events=(outage,))
        assert found.trajectory.schedule.sites["a"].grid_import_mw[5:8].max() == 0.0

    def test_the_same_seed_gives_the_same_run(self, grid_day):
        one, other = (simulate(grid_day, "receding-horizon:window_h=12", seed=4).figures for _ in range(2))
        assert one == other

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"window_h": -1.0}, "window_h is -1"),
            ({"every_h": -2.0}, "every_h is -2"),
            ({"every_h": float("nan")}, "every_h is nan"),
            ({"every_h": 6.0, "window_h": 4.0}, "every_h is 6 h; allowed is up to window_h, 4 h"),
            ({"cover": "hope"}, "cover is 'hope'; allowed are grid, battery"),
            ({"jobs": "none-such"}, "no policy 'none-such'"),
            ({"jobs": "nearest"}, "'nearest' decides routing, not jobs"),
            ({"outlook_h": 0.0}, "outlook_h is 0"),
            ({"jobs_every_h": float("inf")}, "jobs_every_h is inf"),
        ],
    )
    def test_bad_options_are_refused(self, options, message):
        with pytest.raises(PolicyError, match=message):
            RecedingHorizon(**options)

    @pytest.mark.parametrize("window_h", [0.5, 5000.0])
    def test_a_window_that_does_not_fit_the_steps_is_refused(self, grid_day, window_h):
        with pytest.raises(PolicyError, match=f"window_h is {window_h:g} h; with steps of 1 h allowed are 1 to 2016 h"):
            simulate(grid_day, RecedingHorizon(window_h=window_h, every_h=min(1.0, window_h)))

    def test_the_specification_names_what_was_changed(self):
        assert RecedingHorizon(window_h=24.0, jobs="first-fit").specification == (
            "receding-horizon:window_h=24.0,jobs=first-fit"
        )


class TestStochastic:
    def test_one_member_is_the_receding_horizon(self, grid_day):
        alone = simulate(grid_day, "receding-horizon:window_h=12", seed=2)
        found = simulate(grid_day, "stochastic:window_h=12,members=1", seed=2)
        assert found.figures == alone.figures

    def test_futures_without_error_are_optimal(self, grid_day):
        found = simulate(grid_day, "stochastic:window_h=24,members=3", forecaster="perfect")
        assert benefit(found) == pytest.approx(optimum(grid_day), rel=1e-6)

    @pytest.mark.parametrize("options", ["", ",risk_aversion=0.5,tail_fraction=0.4", ",every_h=4"])
    def test_a_wrong_forecast_is_survived(self, grid_day, options):
        found = simulate(grid_day, f"stochastic:window_h=12,members=3{options}", seed=1)
        again = simulate(grid_day, f"stochastic:window_h=12,members=3{options}", seed=1)
        assert found.figures == again.figures
        assert found.figures["unserved_mwh"] == 0.0
        assert benefit(found) <= optimum(grid_day) + 1e-6

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"members": 0}, "members is 0"),
            ({"risk_aversion": 1.1}, "risk_aversion is 1.1"),
            ({"risk_aversion": -0.1}, "risk_aversion is -0.1"),
            ({"tail_fraction": 0.0}, "tail_fraction is 0"),
            ({"every_h": -1.0}, "every_h is -1"),
        ],
    )
    def test_bad_options_are_refused(self, options, message):
        with pytest.raises(PolicyError, match=message):
            Stochastic(**options)


class TestOracle:
    def test_it_is_the_plan_of_what_happens(self, grid_day):
        found = simulate(grid_day, Oracle().informed(grid_day), forecaster="day-ahead", seed=9)
        assert benefit(found) == pytest.approx(oracle_plan(grid_day).bound, rel=2e-3)
        assert found.policy == "oracle"

    def test_the_simulator_tells_it_the_future(self, grid_day):
        assert benefit(simulate(grid_day, "oracle")) == benefit(simulate(grid_day, Oracle().informed(grid_day)))

    def test_it_must_be_told_the_future(self, grid_day):
        facts = PolicyFacts(scenario=scenario_window(grid_day, 0, 1), steps=24, generator=np.random.default_rng(0))
        with pytest.raises(PolicyError, match="not told what is going to happen"):
            make_policy("oracle").init(facts)

    def test_what_is_impossible_in_hindsight_has_a_price(self, tiny):
        """An hour without a grid: 1.15 MWh are short at 1,000 per MWh."""
        dark = tiny.site(2, fixed_facility_power_mw=1.0)
        dark = replace(dark, grid=replace(dark.grid, import_limit_mw=np.array([100.0, 0.0])))
        assert -oracle_plan(tiny.scenario(dark)).bound == pytest.approx(1.15 * 50.0 + 1.15 * 1000.0)

    def test_telling_twice_changes_nothing(self, grid_day):
        told = Oracle().informed(grid_day)
        assert told.informed(grid_day) is told

    def test_a_plan_is_no_text(self):
        with pytest.raises(PolicyError, match="take a plan from a program, not text"):
            make_policy("follow-plan:schedule=plan.json")


class TestRegret:
    def test_of_the_oracle_there_is_none(self, grid_day):
        oracle = oracle_plan(grid_day, PlanOptions(strategy="exact", gap=0.0))
        none = simulate(grid_day, "grid-first").trajectory.schedule
        found = regret_of(grid_day, oracle.schedule, oracle, none)
        assert found.share == pytest.approx(0.0, abs=1e-6)
        assert regret_of(grid_day, none, oracle, none).share > 0.01

    def test_energy_that_is_owed_is_bought(self, tiny):
        """3 MWh are missing behind an efficiency of 0.8: 3.75 MWh at 50."""
        battery = tiny.battery(initial_energy_mwh=5.0)
        scenario = tiny.scenario(tiny.site(1, batteries=(battery,)), steps=1)
        flows = {"a": {"batteries": {"store": (0.0, 1.5)}}}
        assert owed_energy_cost(scenario, tiny.schedule(scenario, flows=flows)) == pytest.approx(3.75 * 50.0)
        fuller = {"a": {"batteries": {"store": (1.0, 0.0)}}}
        assert owed_energy_cost(scenario, tiny.schedule(scenario, flows=fuller)) == 0.0

    def test_without_costs_it_has_no_measure(self):
        with pytest.raises(ValueError, match="regret has no measure"):
            _ = Regret(benefit=0.0, bound=1.0, no_control_cost=0.0).share
