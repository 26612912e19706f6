"""The simulator as a whole: replay of plans, time, events, jobs within steps, and policies that misbehave."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from joulewright.account import settle, site_load
from joulewright.errors import PolicyError, ScenarioError
from joulewright.model import CARBON_BUDGET, CarbonPolicy, Event, Link, Region, Route, Timeline
from joulewright.plan import PlanOptions, plan
from joulewright.policy.decision import JobAction, PowerDecision, SitePower, WorkDecision
from joulewright.sim.observe import first_step
from joulewright.sim.simulate import simulate


def actions(by_step):
    """A work decision that carries out these actions at these steps."""
    return lambda observation: WorkDecision(actions=tuple(by_step.get(observation.step, ())))


def start(job, **where):
    return JobAction(job=job, kind="start", **where)


@pytest.fixture(scope="module")
def day(tiny):
    """A day of two sites in which moving, pausing, stretching, storing and generating all pay."""
    steps = 24
    hour = np.arange(steps)
    price = {"a": 40.0 + 35.0 * np.cos(hour * np.pi / 12.0), "b": 40.0 - 35.0 * np.cos(hour * np.pi / 12.0)}

    def site(name):
        grid = tiny.grid(steps, import_price_per_mwh=price[name], import_limit_mw=1.5, export_limit_mw=0.5)
        return tiny.site(
            steps,
            name=name,
            grid=grid,
            pue=1.1 + 0.1 * np.sin(hour),
            fixed_facility_power_mw=0.2,
            renewables=(tiny.plant(np.maximum(0.0, np.sin(hour / 4.0)), steps, capacity_mw=0.6),),
            batteries=(tiny.battery(energy_mwh=1.0, charge_limit_mw=0.4, discharge_limit_mw=0.4,
                                    charge_efficiency=0.95, discharge_efficiency=0.95, initial_energy_mwh=0.5,
                                    self_discharge_per_h=0.001),),
            generators=(tiny.generator(steps, capacity_mw=0.5, min_load_mw=0.2, min_up_h=3.0, min_down_h=2.0,
                                       ramp_mw_per_h=0.2, start_cost=1.0, fuel_cost_per_mwh=55.0),),
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


@pytest.fixture(scope="module")
def planned(day):
    """The plan, and a run that follows it."""
    return plan(day, PlanOptions(gap=0.01, time_limit_s=20.0))


class TestReplay:
    def test_the_plan_holds_everything_worth_replaying(self, planned):
        segments = {name: entry.segments for name, entry in planned.schedule.jobs.items()}
        assert segments["rigid"][0].last_fraction < 1.0
        assert len(segments["pause"]) > 1
        assert len({segment.site for segment in segments["move"]}) == 2
        assert len({segment.accelerators for segment in segments["stretch"]}) > 1
        flows = planned.schedule.sites.values()
        assert any(flow.generators["turbine"].on.any() for flow in flows)
        assert any(flow.batteries["store"].discharge_mw.any() for flow in flows)

    def test_the_ledger_comes_out_to_the_last_bit(self, sim_case, day, planned):
        found = sim_case.replay(day, planned.schedule)
        assert found.clips == ()
        assert found.figures == planned.ledger.summary()
        again = settle(found.trajectory.scenario, found.trajectory.schedule)
        told = {(row.site, row.section, row.item): row.value for row in again.rows if row.value != 0.0}
        assert told == {(row.site, row.section, row.item): row.value for row in planned.ledger.rows if row.value != 0.0}

    def test_the_schedule_comes_back(self, sim_case, day, planned):
        schedule = sim_case.replay(day, planned.schedule).trajectory.schedule
        for name, entry in planned.schedule.jobs.items():
            assert schedule.jobs[name].segments == entry.segments
        for name, flows in planned.schedule.sites.items():
            assert np.array_equal(
                schedule.sites[name].batteries["store"].energy_mwh, flows.batteries["store"].energy_mwh
            )
            assert np.array_equal(schedule.sites[name].grid_import_mw, flows.grid_import_mw)

    def test_moves_are_told(self, sim_case, day, planned):
        found = sim_case.replay(day, planned.schedule)
        moves = found.trajectory.jobs["move"].moves
        assert [item.kind for item in found.happenings].count("migration") == moves > 0


class TestTime:
    @pytest.mark.parametrize(("step_s", "steps"), [(1, 30), (60, 10), (900, 8), (3600, 5), (86_400, 3)])
    def test_every_length_of_step(self, sim_case, tiny, step_s, steps):
        site = tiny.site(steps, fixed_facility_power_mw=1.0, batteries=(tiny.battery(discharge_efficiency=1.0),))
        scenario = tiny.scenario(site, steps=steps, step_s=step_s)
        power = PowerDecision(sites={"a": SitePower(discharge_mw={"store": 1.0})})
        found = sim_case.run(scenario, on_power=lambda observation: power)
        hours = steps * step_s / 3600.0
        assert found.figures["facility_load_mwh"] == pytest.approx(1.15 * hours)
        assert found.figures["discharge_mwh"] == pytest.approx(min(5.0, hours))
        assert sim_case.imbalance_mw(found) < 1e-9

    @pytest.mark.parametrize(
        "begin",
        [
            datetime(2024, 2, 28, 12, tzinfo=UTC),
            datetime(2022, 3, 13, 8, tzinfo=UTC),
            datetime(2022, 11, 6, 7, tzinfo=UTC),
            datetime(2023, 12, 31, 23, tzinfo=UTC),
        ],
    )
    def test_leap_days_clock_changes_and_new_years_are_hours_like_others(self, sim_case, tiny, begin):
        steps = 30
        scenario = tiny.scenario(tiny.site(steps), steps=steps, training=())
        scenario = scenario.with_changes(timeline=Timeline(start=begin, step_s=3600, steps=steps))
        policy = sim_case.Scripted()
        found = simulate(scenario, policy, forecaster="persistence")
        times = [observation.time for observation in policy.seen[::2]]
        assert all((late - early).total_seconds() == 3600.0 for early, late in itertools.pairwise(times))
        assert found.figures["facility_load_mwh"] == pytest.approx(0.15 * steps)

    def test_the_load_of_a_job_within_steps_is_shared_correctly(self, sim_case, tiny):
        scenario = tiny.scenario(tiny.site(4), steps=4, training=(tiny.job(duration_h=1.5, release=tiny.at(0.75)),))

        def go(observation):
            waiting = [name for name, job in observation.jobs.items() if job.status == "waiting"]
            return WorkDecision(actions=tuple(start(name) for name in waiting))

        found = sim_case.run(scenario, on_work=go, between_ticks=True)
        (segment,) = found.trajectory.schedule.jobs["train"].segments
        assert (segment.first_step, segment.stop_step) == (0, 3)
        assert (segment.first_fraction, segment.last_fraction) == pytest.approx((0.25, 0.25))
        load = site_load(found.trajectory.scenario, found.trajectory.schedule, found.trajectory.scenario.sites[0])
        assert load.training_mw == pytest.approx([0.1, 0.4, 0.1, 0.0])
        flows = found.trajectory.schedule.sites["a"]
        assert flows.grid_import_mw == pytest.approx(load.facility_mw)
        assert (found.jobs["train"].start_h, found.jobs["train"].end_h) == pytest.approx((0.75, 2.25))

    def test_a_policy_of_ticks_starts_at_the_next_one(self, sim_case, tiny):
        scenario = tiny.scenario(tiny.site(4), steps=4, training=(tiny.job(duration_h=1.5, release=tiny.at(0.75)),))
        found = sim_case.run(
            scenario, on_work=lambda seen: WorkDecision(actions=tuple(map(start, seen.jobs)) if seen.step == 1 else ())
        )
        assert found.jobs["train"].start_h == 1.0
        assert found.trajectory.schedule.jobs["train"].segments[0].frees_at_end is False

    def test_a_job_that_ends_lets_another_start_within_the_step(self, sim_case, tiny):
        jobs = tuple(tiny.job(name, gpus=100, duration_h=0.4) for name in ("one", "two"))

        def go(observation):
            running = any(job.status == "running" for job in observation.jobs.values())
            waiting = [name for name, job in observation.jobs.items() if job.status == "waiting"]
            return WorkDecision(actions=() if running else tuple(map(start, waiting[:1])))

        found = sim_case.run(tiny.scenario(training=jobs), on_work=go, between_ticks=True)
        assert found.jobs["two"].end_h == pytest.approx(0.8)
        assert found.figures["jobs_done"] == 2.0

    def test_a_job_that_ends_with_the_horizon_is_done(self, sim_case, tiny):
        scenario = tiny.scenario(training=(tiny.job(duration_h=2.0),))
        found = sim_case.run(scenario, on_work=actions({0: [start("train")]}))
        assert found.figures["jobs_done"] == 1.0
        assert found.jobs["train"].end_h == 2.0


class TestEvents:
    @pytest.fixture
    def scenario(self, tiny):
        steps = 6
        site = tiny.site(
            steps,
            fixed_facility_power_mw=1.0,
            generators=(tiny.generator(steps, min_load_mw=2.0, initially_on=True, initial_output_mw=2.0),),
        )
        return tiny.scenario(site, steps=steps, training=(tiny.job(duration_h=4.0, gpus=60, kind="pausable"),))

    def event(self, tiny, kind, first, stop, **changes):
        return Event(kind=kind, site="a", start=tiny.at(first), end=tiny.at(stop), **changes)

    def test_an_outage_islands_the_site_and_sheds_what_it_cannot_carry(self, sim_case, scenario, tiny):
        outage = self.event(tiny, "grid-outage", 2, 4)
        found = sim_case.run(scenario, events=(outage,))
        flows = found.trajectory.schedule.sites["a"]
        assert flows.grid_import_mw.tolist() == pytest.approx([1.15, 1.15, 0.0, 0.0, 1.15, 1.15])
        assert flows.unserved_mw.tolist() == pytest.approx([0.0, 0.0, 1.15, 1.15, 0.0, 0.0])
        told = [(item.kind, item.where, item.start_h, item.end_h) for item in found.happenings]
        assert told == [
            ("grid-outage", "a", 2.0, 4.0),
            ("shed-load", "a", 2.0, 4.0),
            ("shed-critical-load", "a", 2.0, 4.0),
        ]
        assert found.trajectory.scenario.events == (outage,)

    def test_events_of_the_scenario_happen_unless_others_are_given(self, sim_case, scenario, tiny):
        disturbed = scenario.with_changes(events=(self.event(tiny, "grid-outage", 2, 4),))
        assert sim_case.run(disturbed).figures["unserved_mwh"] == pytest.approx(2.3)
        assert sim_case.run(disturbed, events=()).figures["unserved_mwh"] == 0.0

    def test_a_failed_generator_is_off_whatever_its_times(self, sim_case, scenario, tiny):
        power = PowerDecision(sites={"a": SitePower(generator_mw={"turbine": 3.0})})
        failure = self.event(tiny, "generator-failure", 1, 3, component="turbine")
        found = sim_case.run(scenario, events=(failure,), on_power=lambda observation: power)
        assert found.trajectory.schedule.sites["a"].generators["turbine"].on.tolist() == [1, 0, 0, 1, 1, 1]
        (clip,) = found.clips
        assert (clip.component, clip.quantity, clip.asked, clip.allowed, clip.count) == (
            "a/turbine", "generator_mw", 3.0, 0.0, 2,
        )  # fmt: skip

    def test_failed_accelerators_throw_jobs_back_to_their_checkpoint(self, sim_case, scenario, tiny):
        failure = self.event(tiny, "accelerator-failure", 1.5, 2, component="gpus", lost_fraction=0.5)
        begin = actions({0: [start("train")], 2: [start("train")]})
        found = sim_case.run(scenario, events=(failure,), on_work=begin)
        assert "job-restart" in {item.kind for item in found.happenings}
        assert found.jobs["train"].restarts == 1
        assert found.figures["jobs_done"] == float(found.jobs["train"].end_h is not None)

    def test_series_that_hold_events_already_are_taken_as_they_are(self, sim_case, scenario, tiny):
        outage = self.event(tiny, "grid-outage", 2, 4)
        applied = sim_case.run(scenario, events=(outage,)).trajectory.scenario
        found = sim_case.run(applied)
        assert found.figures == sim_case.run(scenario, events=(outage,)).figures
        assert found.happenings[0].kind == "grid-outage"
        with pytest.raises(ScenarioError, match="already hold"):
            sim_case.run(applied, events=(outage,))

    def test_events_that_fit_nothing_are_refused(self, sim_case, scenario, tiny):
        with pytest.raises(ScenarioError, match="no such site"):
            sim_case.run(scenario, events=(replace(self.event(tiny, "site-loss", 1, 2), site="z"),))

    def test_events_outside_the_horizon_change_nothing(self, sim_case, scenario, tiny):
        late = self.event(tiny, "grid-outage", 40, 50)
        assert sim_case.run(scenario, events=(late,)).figures == sim_case.run(scenario, events=()).figures

    def test_chance_is_drawn_from_the_seed(self, sim_case, scenario, tiny):
        from joulewright.model import EventRate

        rate = EventRate(name="storm", kind="grid-outage", site="a", rate_per_h=0.3, duration_h=0.6)
        stormy = scenario.with_changes(chances=(rate,))
        found = [sim_case.run(stormy, seed=seed) for seed in range(6)]
        counts = [len(run.trajectory.scenario.events) for run in found]
        assert len(set(counts)) > 1
        assert sim_case.run(stormy, seed=3).figures == found[3].figures


class TestServices:
    @pytest.fixture
    def scenario(self, tiny):
        region = Region(name="west", latency_ms={"a": 5.0})
        return tiny.scenario(
            tiny.site(3),
            steps=3,
            regions=(region,),
            inference=(tiny.service(3, demand=5e4),),
            training=(tiny.job(gpus=70, duration_h=1.0),),
        )

    def test_serving_takes_what_training_leaves(self, sim_case, scenario):
        route = Route(region="west", site="a", fleet="gpus")

        def work(observation):
            begin = (start("train"),) if observation.step == 1 else ()
            return WorkDecision(actions=begin, routes_token_s={"chat": {route: 5e4}})

        found = sim_case.run(scenario, on_work=work)
        service = found.trajectory.schedule.services["chat"]
        assert service.served_token_s.tolist() == pytest.approx(np.array([[5e4, 3e4, 5e4]]))
        assert service.unserved_token_s["west"].tolist() == pytest.approx([0.0, 2e4, 0.0])
        assert [(clip.component, clip.count) for clip in found.clips] == [("a/gpus", 1)]

    def test_demand_is_never_served_twice(self, sim_case, scenario):
        route = Route(region="west", site="a", fleet="gpus")
        found = sim_case.run(scenario, on_work=lambda _: WorkDecision(routes_token_s={"chat": {route: 9e4}}))
        assert found.trajectory.schedule.services["chat"].served_token_s.tolist() == [[5e4, 5e4, 5e4]]
        assert found.clips[0].quantity == "served_token_s"

    def test_routes_that_are_never_used_are_left_out(self, sim_case, scenario):
        assert sim_case.run(scenario).trajectory.schedule.services["chat"].routes == ()


class TestMisbehaviour:
    WHEN = r"scripted at 2022-07-04T01:00:00\+00:00: "

    def at_one(self, decision, otherwise):
        return lambda observation: decision if observation.step == 1 else otherwise

    @pytest.mark.parametrize(
        ("power", "words"),
        [
            (SitePower(charge_mw={"cell": 1.0}), "charge_mw names 'cell'"),
            (SitePower(charge_mw={"store": math.nan}), "is nan MW; allowed is a finite number"),
            (SitePower(generator_mw={"turbine": -2.0}), "is -2.0 MW"),
        ],
    )
    def test_power_that_means_nothing_names_policy_time_and_limit(self, sim_case, tiny, power, words):
        scenario = tiny.scenario(tiny.site(batteries=(tiny.battery(),), generators=(tiny.generator(),)))
        decision = self.at_one(PowerDecision(sites={"a": power}), PowerDecision())
        with pytest.raises(PolicyError, match=self.WHEN + ".*" + words):
            sim_case.run(scenario, on_power=decision)

    def test_power_for_an_unknown_site(self, sim_case, tiny):
        decision = self.at_one(PowerDecision(sites={"z": SitePower()}), PowerDecision())
        with pytest.raises(PolicyError, match=self.WHEN + r"power is decided for 'z'; there are \['a'\]"):
            sim_case.run(tiny.scenario(), on_power=decision)

    @pytest.mark.parametrize(
        ("action", "words"),
        [
            (JobAction(job="nobody", kind="start"), "'nobody', which does not exist"),
            (JobAction(job="train", kind="start", site="a", fleet="tpus"), "names site 'a' and fleet 'tpus'"),
            (JobAction(job="large", kind="start"), "101 accelerators; a/gpus has 100"),
            (JobAction(job="train", kind="pause"), "the job must be running"),
        ],
    )
    def test_actions_that_cannot_be(self, sim_case, tiny, action, words):
        scenario = tiny.scenario(training=(tiny.job(), tiny.job("large", gpus=101)))
        with pytest.raises(PolicyError, match=self.WHEN + ".*" + words):
            sim_case.run(scenario, on_work=self.at_one(WorkDecision(actions=(action,)), WorkDecision()))

    def test_more_jobs_than_accelerators(self, sim_case, tiny):
        scenario = tiny.scenario(training=(tiny.job("one", gpus=60), tiny.job("two", gpus=60)))
        both = WorkDecision(actions=(start("one"), start("two")))
        with pytest.raises(PolicyError, match=self.WHEN + ".*120 .*100 are available"):
            sim_case.run(scenario, on_work=self.at_one(both, WorkDecision()))

    def test_a_route_that_cannot_be(self, sim_case, tiny):
        scenario = tiny.scenario(
            regions=(Region(name="west", latency_ms={"a": 500.0}),),
            inference=(tiny.service(latency_limit_ms=60.0),),
        )
        route = Route(region="west", site="a", fleet="gpus")
        decision = WorkDecision(routes_token_s={"chat": {route: 1.0}})
        with pytest.raises(PolicyError, match=self.WHEN + "chat cannot serve 'west' at 'a': latency 500 ms"):
            sim_case.run(scenario, on_work=self.at_one(decision, WorkDecision()))

    @pytest.mark.parametrize("decision", [None, PowerDecision()])
    def test_a_decision_of_another_kind(self, sim_case, tiny, decision):
        with pytest.raises(PolicyError, match=self.WHEN + "the policy decided .*; it must be a WorkDecision"):
            sim_case.run(tiny.scenario(), on_work=self.at_one(decision, WorkDecision()))

    def test_a_policy_that_gives_up_is_named(self, sim_case, tiny):
        def fails(observation):
            raise PolicyError("the forecast is missing")

        with pytest.raises(PolicyError, match=r"scripted at .*T00:00:00\+00:00: the forecast is missing"):
            sim_case.run(tiny.scenario(), on_work=fails)

    def test_a_policy_that_breaks_within_a_step_is_named_once(self, sim_case, tiny):
        scenario = tiny.scenario(training=(tiny.job(release=tiny.at(0.5)),))

        def fails(observation):
            if observation.time == tiny.at(0.5):
                raise PolicyError("not now")
            return WorkDecision()

        with pytest.raises(PolicyError) as caught:
            sim_case.run(scenario, on_work=fails, between_ticks=True)
        assert str(caught.value) == "scripted at 2022-07-04T00:30:00+00:00: not now"

    def test_errors_of_a_program_stay_what_they_are(self, sim_case, tiny):
        def breaks(observation):
            return {}["missing"]

        with pytest.raises(KeyError, match="missing"):
            sim_case.run(tiny.scenario(), on_power=breaks)

    def test_a_policy_that_cannot_start_is_named(self, sim_case, tiny):
        class Unable(sim_case.Scripted):
            def init(self, facts):
                raise PolicyError("this scenario has no battery; use another policy")

        with pytest.raises(PolicyError, match=r"scripted at 2022-07-04.*no battery"):
            simulate(tiny.scenario(), Unable(), forecaster="perfect")

    def test_unknown_names(self, tiny, sim_case):
        with pytest.raises(PolicyError, match="no policy 'nonsense'"):
            simulate(tiny.scenario(), "nonsense")
        with pytest.raises(PolicyError, match="nonsense"):
            simulate(tiny.scenario(), sim_case.Scripted(), forecaster="nonsense")
        with pytest.raises(ValueError, match="seed is -1"):
            simulate(tiny.scenario(), sim_case.Scripted(), seed=-1)


def test_policies_by_name(tiny):
    scenario = tiny.scenario(
        tiny.site(6, batteries=(tiny.battery(),), renewables=(tiny.plant(0.1, 6),)),
        steps=6,
        regions=(Region(name="west", latency_ms={"a": 5.0}),),
        inference=(tiny.service(6, demand=2e4),),
        training=(tiny.job(duration_h=2.0),),
    )
    found = simulate(scenario, "solar-first+first-fit+nearest")
    assert found.figures["jobs_done"] == 1.0
    assert found.figures["served_fraction"] == pytest.approx(1.0)
    assert found.policy.startswith("solar-first")
    assert found.forecaster.startswith("day-ahead")
    assert found.trajectory.notes == (f"forecasts: {found.forecaster}",)


def test_first_step_keeps_the_plant_and_drops_the_rest(tiny):
    known = first_step(tiny.scenario(training=(tiny.job(), tiny.job("late", release=tiny.at(1.0)))))
    assert known.timeline.steps == 1
    assert [job.name for job in known.training] == ["train"]


def test_an_exceeded_carbon_budget_is_told(tiny):
    """Two hours of 1 MW at 400 kg/MWh are 800 kg."""
    grid = tiny.grid(2, carbon=400.0)
    site = tiny.site(2, fleets=(), grid=grid, fixed_facility_power_mw=1.0, carbon_budget_kg=900.0)
    scenario = tiny.scenario(site, steps=2, carbon=CarbonPolicy(budget_kg=500.0))
    found = simulate(scenario, "grid-first", events=())
    told = [item for item in found.happenings if item.kind == CARBON_BUDGET]
    assert [(item.where, item.detail) for item in told] == [("all sites", "0.8 t of a budget of 0.5 t")]
    assert not simulate(scenario.with_changes(carbon=CarbonPolicy(budget_kg=800.0)), "grid-first").happenings
