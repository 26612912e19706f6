"""Jobs brought to where their plans have them, and plans of jobs that wait."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from joulewright.model import JobSchedule, Link
from joulewright.policy.observation import JobObservation
from joulewright.policy.planned.horizon import Horizon
from joulewright.policy.planned.horizon_options import HorizonOptions
from joulewright.policy.planned.job_plan import JobPlan
from joulewright.policy.planned.job_steps import PlannedJobs
from joulewright.testing.observations import facts_of, observe

STEPS = 12


@pytest.fixture
def world(tiny):
    """Two sites joined by a link over which 900 GB take two hours."""
    link = Link(between=("a", "b"), bandwidth_gbit_s=1.0)
    return tiny.scenario(tiny.site(STEPS), tiny.site(STEPS, name="b"), steps=STEPS, links=(link,))


@pytest.fixture
def decide(world, tiny):
    """Actions at a step on one job in a state, given its planned segments; as (kind, site, accelerators)."""

    def actions(step, segments, *, job=None, sites=None, patient=(), **state):
        job = job or tiny.job(kind="pausable", checkpoint_gb=900.0, migratable=True)
        item = JobObservation(job=job, remaining_h=job.duration_h, **({"status": "waiting"} | state))
        entry = {} if segments is None else {job.name: JobSchedule(job=job.name, segments=tuple(segments))}
        seen = observe(world, step, jobs=[item], sites=sites)
        found = PlannedJobs(facts_of(world)).actions(seen, entry, patient=patient)
        return [(action.kind, action.site, action.accelerators) for action in found]

    return actions


RUNS = {"status": "running", "site": "a", "fleet": "gpus", "accelerators": 40.0}
PAUSED = {"status": "paused", "site": "a", "fleet": "gpus"}


class TestDivisible:
    def test_it_starts_on_time(self, decide, tiny):
        assert decide(2, [tiny.run(3, 5)]) == []
        assert decide(3, [tiny.run(3, 5)]) == [("start", "a", 40.0)]

    def test_it_goes_on_and_pauses_between_segments(self, decide, tiny):
        plan = [tiny.run(3, 5), tiny.run(7, 9)]
        assert decide(4, plan, **RUNS) == []
        assert decide(5, plan, **RUNS) == [("pause", None, None)]
        assert decide(6, plan, **PAUSED) == []
        assert decide(7, plan, **PAUSED) == [("start", "a", 40.0)]

    def test_it_changes_size(self, decide, tiny):
        job = tiny.job(kind="elastic", min_gpus=10, max_gpus=80)
        plan = [tiny.run(3, 5), tiny.run(5, 9, accelerators=60.0)]
        assert decide(5, plan, job=job, **RUNS) == [("resize", "a", 60.0)]

    @pytest.mark.parametrize(("step", "expected"), [(5, [("pause", None, None)]), (6, [("migrate", "b", 40.0)])])
    def test_its_state_leaves_as_late_as_it_can(self, decide, tiny, step, expected):
        assert decide(step, [tiny.run(3, 5), tiny.run(8, 10, site="b")], **RUNS) == expected

    def test_on_its_way_it_is_left_alone(self, decide, tiny):
        assert decide(7, [tiny.run(3, 5), tiny.run(8, 10, site="b")], **(PAUSED | {"status": "moving"})) == []

    def test_work_left_after_the_plan_is_done_soon(self, decide, tiny):
        assert decide(9, [tiny.run(3, 5)], **PAUSED) == [("start", "a", None)]
        assert decide(9, [tiny.run(3, 5)], **RUNS) == []


class TestRigid:
    def test_a_start_that_found_no_room_comes_up_again(self, decide, tiny):
        job, full = tiny.job(), {"a": {"free_accelerators": {"gpus": 39.0}}}
        assert decide(3, [tiny.run(3, 4)], job=job, sites=full) == []
        assert decide(5, [tiny.run(3, 4)], job=job) == [("start", "a", None)]

    def test_after_a_failure_it_runs_again_where_its_state_is(self, decide, tiny):
        failed = {"site": "b", "fleet": "gpus"}
        assert decide(6, [tiny.run(3, 9, site="b")], job=tiny.job(), **failed)[0][:2] == ("start", "b")

    def test_without_a_plan_it_runs_soon_unless_it_is_patient(self, decide, tiny):
        assert decide(2, None, job=tiny.job())[0][0] == "start"
        assert decide(2, None, job=tiny.job(), patient={"train"}) == []

    def test_what_the_plan_rejects_is_turned_away(self, decide, tiny):
        assert decide(2, [], job=tiny.job()) == [("reject", None, None)]
        assert decide(2, [], job=tiny.job(mandatory=True))[0][0] == "start"


def test_accelerators_are_freed_before_they_are_taken(world, tiny):
    """A job of 40 pauses, which makes room for one of 80."""
    old = JobObservation(job=tiny.job("old", kind="pausable", duration_h=4.0), remaining_h=2.0, **RUNS)
    new = JobObservation(job=tiny.job("new", gpus=80), status="waiting", remaining_h=1.0)
    plans = {
        "new": JobSchedule(job="new", segments=(tiny.run(5, 6, accelerators=80.0),)),
        "old": JobSchedule(job="old", segments=(tiny.run(3, 5), tiny.run(8, 10))),
    }
    seen = observe(world, 5, jobs=[new, old], sites={"a": {"free_accelerators": {"gpus": 60.0}}})
    found = PlannedJobs(facts_of(world)).actions(seen, plans)
    assert [(action.job, action.kind) for action in found] == [("old", "pause"), ("new", "start")]


def test_a_moved_schedule(tiny):
    entry = JobSchedule(job="x", segments=(tiny.run(1, 3),)).shifted(10)
    assert [(part.first_step, part.stop_step) for part in entry.segments] == [(11, 13)]


class TestJobPlan:
    @pytest.fixture
    def market(self, tiny):
        """Twelve hours of which the seventh and eighth are cheap."""
        price = np.where(np.arange(STEPS) // 2 == 3, 20.0, 90.0)

        def make(*jobs, **changes):
            grid = tiny.grid(STEPS, import_price_per_mwh=price, export_limit_mw=0.0)
            return tiny.scenario(tiny.site(STEPS, grid=grid, **changes), steps=STEPS, training=jobs)

        return make

    def run(self, scenario, *, window, step=0, jobs=None):
        plan = JobPlan(facts_of(scenario), window=window, every=1)
        horizon = Horizon(scenario, HorizonOptions(window=window, every=1, far=24, far_every=24))
        seen = observe(scenario, step, jobs=jobs)
        return plan, seen, [(action.job, action.kind) for action in plan.actions(seen, horizon)]

    @pytest.mark.parametrize("window", [12, 4])
    def test_a_job_waits_for_what_it_expects(self, market, tiny, window):
        """With four hours in view as well: the price after them is expected to be lower."""
        _, _, actions = self.run(market(tiny.job(duration_h=2.0)), window=window)
        assert actions == []

    def test_a_job_that_cannot_wait_starts(self, market, tiny):
        _, _, actions = self.run(market(tiny.job(duration_h=2.0, deadline=tiny.at(2.0))), window=12)
        assert actions == [("train", "start")]

    def test_a_job_that_is_not_worth_its_energy_does_not_start(self, market, tiny):
        """0.6 MW for two hours cost at least 24."""
        _, _, actions = self.run(market(tiny.job(duration_h=2.0, value=20.0, deadline=tiny.at(2.0))), window=12)
        assert actions == []

    def test_what_is_planned_and_what_runs_is_load(self, market, tiny):
        """40 accelerators are planned for hours 6 and 7; a job with 1.5 h left holds 30 for two hours."""
        waits, runs = tiny.job(duration_h=2.0), tiny.job("busy", gpus=30, duration_h=9.0)
        scenario = market(waits, runs)
        items = [
            JobObservation(job=waits, status="waiting", remaining_h=2.0),
            JobObservation(job=runs, remaining_h=1.5, **(RUNS | {"accelerators": 30.0})),
        ]
        plan, seen, actions = self.run(scenario, window=12, jobs=items)
        assert actions == []
        taken = plan.occupied(seen, 8)
        np.testing.assert_allclose(taken.held["a", "gpus"], [30.0, 30.0, 0.0, 0.0, 0.0, 0.0, 40.0, 40.0])
        np.testing.assert_allclose(taken.power_mw["a"][:2], [0.3, 0.15])

    def test_elastic_jobs_end_sooner_on_more(self, market, tiny):
        job = tiny.job(kind="elastic", min_gpus=20, max_gpus=80, speed=((20, 0.6), (40, 1.0), (80, 1.5)))
        item = JobObservation(job=job, remaining_h=3.0, **(RUNS | {"accelerators": 80.0}))
        plan, seen, _ = self.run(market(job), window=12, jobs=[item])
        np.testing.assert_allclose(plan.occupied(seen, 4).held["a", "gpus"], [80.0, 80.0, 0.0, 0.0])

    def test_where_no_plan_is_found_jobs_wait(self, market, tiny):
        """All accelerators have failed."""
        scenario = market(tiny.job(duration_h=2.0, mandatory=True))
        gone = replace(scenario.sites[0].fleets[0], availability=np.zeros(STEPS))
        dark = scenario.with_changes(sites=(replace(scenario.sites[0], fleets=(gone,)),))
        _, _, actions = self.run(dark, window=12)
        assert actions == []


def test_a_move_to_another_site_needs_no_room_before_it_arrives(decide, tiny):
    """The fleet at b is full until the state is there."""
    full = {"b": {"free_accelerators": {"gpus": 0.0}}}
    plan = [tiny.run(3, 4), tiny.run(6, 9, site="b")]
    assert decide(4, plan, sites=full, **PAUSED) == [("migrate", "b", 40.0)]
    assert decide(6, plan, sites=full, **PAUSED | {"site": "b"}) == []
