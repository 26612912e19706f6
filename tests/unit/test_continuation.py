"""Planning on from an earlier plan: what runs goes on, what is done is dropped, the rest may move."""

from __future__ import annotations

from dataclasses import replace

import pytest

from joulewright.check import violations
from joulewright.errors import ScenarioError
from joulewright.model import JobSchedule, Schedule, Timeline
from joulewright.plan import PlanOptions, plan
from joulewright.plan.continuation import continue_from

EXACT = PlanOptions(strategy="exact", gap=0.0, threads=1)
STEPS = 8


@pytest.fixture
def before(tiny):
    """A scenario of eight hours and a plan for its jobs, given as segments."""

    def make(jobs, segments):
        scenario = tiny.scenario(tiny.site(STEPS), tiny.site(STEPS, name="b"), steps=STEPS, training=tuple(jobs))
        entries = {job.name: JobSchedule(job=job.name, segments=tuple(segments.get(job.name, ()))) for job in jobs}
        return scenario, Schedule(planner="exact", jobs=entries, services={}, sites={})

    return make


def later(scenario, tiny, hours, step_s=3600):
    """The same scenario some hours later."""
    steps = (STEPS - hours) * 3600 // step_s
    sites = tuple(tiny.site(steps, name=site.name) for site in scenario.sites)
    timeline = Timeline(start=tiny.at(hours), step_s=step_s, steps=steps)
    return scenario.with_changes(timeline=timeline, sites=sites)


def test_a_rigid_job_goes_on_where_it_runs(before, tiny):
    job = tiny.job("train", duration_h=5.0, sites=("a", "b"))
    scenario, schedule = before([job], {"train": [tiny.run(1, 6, site="b")]})
    now, previous = continue_from(later(scenario, tiny, 3), scenario, schedule)
    (kept,) = now.training
    assert (kept.running_since, kept.site, kept.start) == (tiny.at(1.0), "b", None)
    assert kept.required
    assert kept.duration_on(now.sites[1].fleets[0], now.timeline) == pytest.approx(3.0)
    assert previous.jobs["train"].segments == (tiny.run(0, 3, site="b"),)
    result = plan(now, EXACT)
    assert result.schedule.jobs["train"].segments == (tiny.run(0, 3, site="b"),)
    (note,) = now.diagnostics
    assert (note.code, note.severity, note.key) == ("T039", "note", "training.train")
    assert "runs at b since 2022-07-04T01:00:00+00:00 and goes on" in note.message


def test_a_job_that_has_ended_is_dropped_with_a_note(before, tiny):
    jobs = [tiny.job("done"), tiny.job("waits")]
    scenario, schedule = before(jobs, {"done": [tiny.run(0, 1)], "waits": [tiny.run(5, 6)]})
    now, previous = continue_from(later(scenario, tiny, 3), scenario, schedule)
    assert [job.name for job in now.training] == ["waits"]
    assert now.training[0] == jobs[1]
    assert previous.jobs["waits"].segments == (tiny.run(2, 3),)
    assert set(previous.jobs) == {"waits"}
    assert "ended at 2022-07-04T01:00:00+00:00" in now.diagnostics[0].message


def test_a_fraction_of_the_last_step_counts_as_the_end(before, tiny):
    """1.5 h from the start end at 01:30; at 02:00 the job is done although its accelerators were held until then."""
    scenario, schedule = before([tiny.job(duration_h=1.5)], {"train": [tiny.run(0, 2, last_fraction=0.5)]})
    assert continue_from(later(scenario, tiny, 2), scenario, schedule)[0].training == ()
    half = later(scenario, tiny, 1, step_s=1800)
    (kept,) = continue_from(half, scenario, schedule)[0].training
    assert kept.duration_on(half.sites[0].fleets[0], half.timeline) == pytest.approx(0.5)


def test_unknown_rejected_and_new_jobs_stay_as_they_are(before, tiny):
    jobs = [tiny.job("rejected"), tiny.job("gone")]
    scenario, schedule = before(jobs, {"gone": [tiny.run(0, 2)]})
    changed = later(scenario.with_changes(training=(jobs[0], tiny.job("new"))), tiny, 1)
    now, previous = continue_from(changed, scenario, schedule)
    assert now.training == changed.training
    assert now.diagnostics == ()
    assert previous.jobs["new"].rejected


def test_the_same_start_changes_nothing(before, tiny):
    job = tiny.job(duration_h=2.0)
    scenario, schedule = before([job], {"train": [tiny.run(0, 2)]})
    now, previous = continue_from(scenario, scenario, schedule)
    assert now.training == scenario.training
    assert previous.jobs == dict(schedule.jobs)


def test_a_pausable_job_keeps_its_work(before, tiny):
    """2 of 4 h are done with a restart that lost half an hour, so 2.5 h are left while it runs on."""
    job = tiny.job(kind="pausable", duration_h=4.0, restart_loss_h=0.5, min_run_h=2.0, value=900.0)
    runs = [tiny.run(0, 1), tiny.run(2, 6)]
    scenario, schedule = before([job], {"train": runs})
    now, previous = continue_from(later(scenario, tiny, 3), scenario, schedule)
    (kept,) = now.training
    assert (kept.running_since, kept.site) == (tiny.at(2.0), "a")
    assert kept.duration_on(now.sites[0].fleets[0], now.timeline) == pytest.approx(2.5)
    assert previous.jobs["train"].segments == (tiny.run(0, 3),)
    result = plan(now, EXACT)
    assert violations(now, result.schedule) == []
    assert result.schedule.jobs["train"].start_step == 0
    assert "2.5 of 4 h of work are left" in now.diagnostics[0].message


def test_a_pausable_job_that_rests_pays_for_its_restart(before, tiny):
    """One hour is done; going on loses half an hour: 3.5 h are left, at any time, at its site."""
    job = tiny.job(kind="pausable", duration_h=4.0, restart_loss_h=0.5)
    scenario, schedule = before([job], {"train": [tiny.run(0, 1), tiny.run(5, 9)]})
    now, _ = continue_from(later(scenario, tiny, 3), scenario, schedule)
    (kept,) = now.training
    assert (kept.running_since, kept.site, kept.duration_h) == (None, "a", pytest.approx(3.5))
    assert "has paused at a" in now.diagnostics[0].message


def test_a_migratable_job_may_leave(before, tiny):
    job = tiny.job(kind="pausable", duration_h=4.0, migratable=True)
    scenario, schedule = before([job], {"train": [tiny.run(0, 2), tiny.run(4, 6)]})
    (kept,) = continue_from(later(scenario, tiny, 3), scenario, schedule)[0].training
    assert kept.site is None
    assert kept.duration_h == pytest.approx(2.0)


def test_an_elastic_job_counts_its_speed(before, tiny):
    """An hour at 80 accelerators is worth 1.5 h, an hour at 40 one; 0.5 of 3 h are left."""
    speed = ((20.0, 0.5), (40.0, 1.0), (80.0, 1.5))
    job = tiny.job(kind="elastic", duration_h=3.0, min_gpus=20, max_gpus=80, speed=speed, value=900.0)
    runs = [tiny.run(0, 1, accelerators=80.0), tiny.run(1, 4, accelerators=40.0)]
    scenario, schedule = before([job], {"train": runs})
    now, _ = continue_from(later(scenario, tiny, 2), scenario, schedule)
    (kept,) = now.training
    assert kept.running_since == tiny.at(1.0)
    assert kept.duration_on(now.sites[0].fleets[0], now.timeline) == pytest.approx(0.5)
    result = plan(now, EXACT)
    assert result.schedule.jobs["train"].segments[0].accelerators == pytest.approx(20.0)


def test_a_divisible_job_that_has_done_its_work(before, tiny):
    job = tiny.job(kind="pausable", duration_h=1.5)
    scenario, schedule = before([job], {"train": [tiny.run(0, 1), tiny.run(2, 3)]})
    now, _ = continue_from(later(scenario, tiny, 3), scenario, schedule)
    assert now.training == ()
    half = later(scenario, tiny, 2, step_s=1800)
    half = half.with_changes(
        timeline=replace(half.timeline, start=tiny.at(2.5), steps=4), sites=(tiny.site(4), tiny.site(4, name="b"))
    )
    assert "has done its 1.5 h of work" in continue_from(half, scenario, schedule)[0].diagnostics[0].message


def test_speed_of_the_accelerator(before, tiny):
    """On a fleet of twice the speed, one hour did two of four."""
    job = tiny.job(kind="pausable", duration_h=4.0, accelerator_speed={"H100-SXM": 2.0}, min_run_h=1.0)
    scenario, schedule = before([job], {"train": [tiny.run(0, 2)]})
    now, _ = continue_from(later(scenario, tiny, 1), scenario, schedule)
    (kept,) = now.training
    assert kept.duration_on(now.sites[0].fleets[0], now.timeline) == pytest.approx(1.0)


def test_a_site_that_is_gone(before, tiny):
    scenario, schedule = before([tiny.job(duration_h=4.0)], {"train": [tiny.run(0, 4, site="b")]})
    changed = later(scenario, tiny, 2)
    changed = changed.with_changes(sites=changed.sites[:1])
    with pytest.raises(ScenarioError, match=r"training.train runs on b/gpus when .* fleets are \['a/gpus'\]"):
        continue_from(changed, scenario, schedule)


def test_churn_keeps_jobs_in_place(before, tiny):
    """Moving to the cheaper hour saves 20; with a churn cost of 30 the job stays, with 10 it moves."""
    job = tiny.job(deadline=tiny.at(8.0))
    scenario, schedule = before([job], {"train": [tiny.run(4, 5)]})
    now = later(scenario, tiny, 3)
    prices = [50.0, 70.0, 50.0 - 1e-6, 60.0, 60.0]
    site = tiny.site(
        5, pue=1.0, grid=tiny.grid(5, import_price_per_mwh=prices), fleets=(tiny.fleet(5, active_power_mw=0.026),)
    )
    now = now.with_changes(sites=(site, tiny.site(5, name="b", fleets=())))
    moved, previous = continue_from(now, scenario, schedule)
    assert previous.jobs["train"].start_step == 1
    for churn, start in ((30.0, 1), (10.0, 2)):
        result = plan(moved, replace(EXACT, previous=previous, churn_cost=churn))
        assert result.schedule.jobs["train"].start_step == start
        assert result.churn_cost == pytest.approx(churn if start != 1 else 0.0)


def test_steps_of_another_length(before, tiny):
    scenario, schedule = before([tiny.job(duration_h=2.0)], {"train": [tiny.run(4, 6)]})
    _, previous = continue_from(later(scenario, tiny, 2, step_s=1800), scenario, schedule)
    assert [(run.first_step, run.stop_step) for run in previous.jobs["train"].segments] == [(4, 8)]
