"""Training jobs under way, worked by hand: 100 accelerators of 10 kW at site ``a`` unless said otherwise."""

from __future__ import annotations

import math

import pytest

from joulewright.account import job_energy, settle
from joulewright.check import violations
from joulewright.errors import ScenarioError
from joulewright.model import Link
from joulewright.policy.decision import JobAction
from joulewright.sim.kernel import Kernel
from joulewright.sim.processes.job_state import JobState
from joulewright.sim.processes.jobs import JobProcess

STEPS = 12


class Drive:
    """A process on a kernel of its own, driven by hand."""

    def __init__(self, scenario, **options):
        self.scenario, self.kernel = scenario, Kernel()
        self.process = JobProcess(scenario, self.kernel, policy="hand", **options)

    def act(self, time_h, *actions):
        self.process.apply([JobAction(**action) for action in actions], time_h)

    def start(self, time_h, job="train", site="a", fleet="gpus", **more):
        self.act(time_h, {"job": job, "kind": "start", "site": site, "fleet": fleet, **more})

    def pause(self, time_h, job="train"):
        self.act(time_h, {"job": job, "kind": "pause"})

    def steps(self, first, stop):
        """Means of the steps on the fleet of site ``a``."""
        found = []
        for step in range(first, stop):
            self.kernel.run((step + 1) * self.scenario.timeline.step_h)
            found.append(self.process.take_interval()["a", "gpus"])
        return found

    def segments(self, job="train"):
        return self.process.segments()[job].segments

    def record(self, job="train"):
        return self.process.records()[job]


def drive(tiny, *jobs, sites=None, steps=STEPS, links=(), step_s=3600, **options):
    sites = sites or (tiny.site(steps),)
    return Drive(tiny.scenario(*sites, steps=steps, step_s=step_s, training=jobs, links=links), **options)


def pausable(tiny, name="train", **changes):
    return tiny.job(name, kind="pausable", **({"duration_h": 4.0} | changes))


def elastic(tiny, **changes):
    curve = ((20.0, 0.6), (40.0, 1.0), (80.0, 1.5))
    return tiny.job(kind="elastic", **({"duration_h": 3.0, "min_gpus": 20, "max_gpus": 80, "speed": curve} | changes))


def two_sites(tiny, **changes):
    return tiny.site(STEPS), tiny.site(STEPS, name="b", **changes)


LINK = (Link(between=("b", "a"), bandwidth_gbit_s=100.0),)
HOUR_GB = 45_000.0

# rigid


def test_a_rigid_job_runs_and_shares_its_last_step(tiny):
    world = drive(tiny, tiny.job(duration_h=1.5))
    world.start(1.0)
    assert world.process.free("a", "gpus") == 60.0
    assert world.steps(0, 4) == [(0.0, 0.0), (40.0, 0.4), (20.0, 0.2), (0.0, 0.0)]
    assert world.segments() == (tiny.run(1, 3, last_fraction=0.5, frees_at_end=True),)
    record = world.record()
    assert (record.start_h, record.end_h, record.done_fraction, record.restarts) == (1.0, 2.5, 1.0, 0)


def test_a_plan_holds_accelerators_to_the_end_of_the_step(tiny):
    world = drive(tiny, tiny.job(duration_h=1.5), hold_to_boundary=True)
    world.start(1.0)
    assert world.steps(0, 2)[1] == (40.0, 0.4)
    world.kernel.run(2.75)
    assert world.process.observe(2.75) == {}
    assert world.process.free("a", "gpus") == 60.0
    assert world.steps(2, 4) == [(40.0, 0.2), (0.0, 0.0)]
    assert world.process.free("a", "gpus") == 100.0
    assert world.segments() == (tiny.run(1, 3, last_fraction=0.5),)


def test_a_job_may_start_between_boundaries(tiny):
    world = drive(tiny, tiny.job(duration_h=1.5))
    world.steps(0, 1)
    world.start(1.25)
    assert world.steps(1, 3) == [(30.0, pytest.approx(0.3)), (30.0, pytest.approx(0.3))]
    assert world.segments() == (tiny.run(1, 3, first_fraction=0.75, last_fraction=0.75, frees_at_end=True),)


def test_a_run_within_one_step(tiny):
    world = drive(tiny, tiny.job(duration_h=0.25))
    world.start(0.5)
    assert world.steps(0, 1) == [(10.0, pytest.approx(0.1))]
    (segment,) = world.segments()
    assert (segment.first_fraction, segment.last_fraction) == (0.5, 0.75)
    assert job_energy(world.scenario, tiny.schedule(world.scenario, jobs={"train": [segment]}))[
        "train"
    ].it_mwh == pytest.approx(0.1)


def test_a_job_that_ends_on_a_boundary_frees_its_accelerators_for_the_decision_there(tiny):
    world = drive(tiny, tiny.job(gpus=100), tiny.job("next", gpus=100), step_s=360, steps=120)
    world.start(0.0)
    world.kernel.run(1.0)
    world.start(1.0, "next")
    world.kernel.run(1.5)
    assert world.process.records()["train"].end_h == pytest.approx(1.0)
    assert world.segments()[0].stop_step == world.segments("next")[0].first_step == 10


def test_the_accelerator_sets_the_speed(tiny):
    world = drive(tiny, tiny.job(duration_h=3.0, accelerator_speed={"H100-SXM": 2.0}))
    world.start(0.0)
    assert world.process.observe(0.0)["train"].remaining_h == 3.0
    world.kernel.run(1.0)
    assert world.process.observe(1.0)["train"].remaining_h == pytest.approx(1.0)
    assert world.process.records()["train"].done_fraction == pytest.approx(2.0 / 3.0)
    world.kernel.run(2.0)
    assert world.record().end_h == 1.5


def test_jobs_are_seen_from_their_release_in_order(tiny):
    jobs = (tiny.job("late", release=tiny.at(1.5)), tiny.job("early"), tiny.job("pinned", start=tiny.at(3.0)))
    world = drive(tiny, *jobs)
    assert list(world.process.observe(0.0)) == ["early"]
    assert list(world.process.observe(2.0)) == ["early", "late"]
    assert list(world.process.observe(3.0)) == ["early", "late", "pinned"]
    seen = world.process.observe(3.0)["late"]
    assert (seen.status, seen.status_h, seen.remaining_h, seen.site) == ("waiting", 1.5, 1.0, None)


def test_a_job_after_its_deadline_is_late_and_said_so(tiny):
    world = drive(tiny, tiny.job(duration_h=2.0, deadline=tiny.at(3.0)))
    world.steps(0, 2)
    world.start(2.0)
    world.steps(2, STEPS)
    (late,) = world.process.happenings
    assert (late.kind, late.start_h, late.end_h, late.where) == ("deadline-missed", 3.0, 4.0, "train")
    schedule = tiny.schedule(world.scenario, jobs={"train": world.segments()})
    assert settle(world.scenario, schedule).total("jobs", "late") == 1.0
    assert [violation.constraint for violation in violations(world.scenario, schedule)] == ["window"]


def test_only_rigid_jobs_with_leave_run_beyond_the_horizon(tiny):
    world = drive(tiny, tiny.job(duration_h=2.5, beyond=True), tiny.job("cut", duration_h=2.5), steps=2)
    world.start(1.0)
    world.start(1.0, "cut")
    assert world.steps(0, 2)[1] == (80.0, 0.8)
    assert world.segments() == (tiny.run(1, 4, last_fraction=0.5, frees_at_end=True),)
    assert world.segments("cut") == (tiny.run(1, 2, frees_at_end=True),)
    assert world.record().end_h is None
    assert world.record().done_fraction == pytest.approx(0.4)


def test_a_rejected_job_is_gone(tiny):
    world = drive(tiny, tiny.job())
    world.act(0.0, {"job": "train", "kind": "reject"})
    assert world.process.observe(0.0) == {}
    assert world.segments() == ()


# running before the horizon


def test_a_running_job_goes_on(tiny):
    world = drive(tiny, tiny.job(duration_h=5.0, running_since=tiny.at(-3.5), site="a"))
    seen = world.process.observe(0.0)["train"]
    assert (seen.status, seen.remaining_h, seen.status_h, seen.accelerators) == ("running", 1.5, 3.5, 40.0)
    world.steps(0, 3)
    assert world.segments() == (tiny.run(0, 2, last_fraction=0.5, frees_at_end=True),)
    assert world.record().start_h is None
    assert world.record().end_h == 1.5


def test_a_running_job_may_be_put_on_another_fleet_at_the_first_instant(tiny):
    fleets = (tiny.fleet(STEPS), tiny.fleet(STEPS, "new"))
    job = tiny.job(duration_h=5.0, running_since=tiny.at(-3.0), site="a")
    world = drive(tiny, job, sites=(tiny.site(STEPS, fleets=fleets),))
    world.start(0.0, fleet="new")
    assert world.process.free("a", "gpus") == 100.0
    assert world.process.observe(0.0)["train"].status_h == 3.0
    world.steps(0, 3)
    assert world.segments() == (tiny.run(0, 2, fleet="new", frees_at_end=True),)


def test_a_running_job_with_nothing_left_is_done(tiny):
    world = drive(tiny, tiny.job(duration_h=3.0, running_since=tiny.at(-3.0), site="a"))
    assert world.process.observe(0.0) == {}
    assert world.record().done_fraction == 1.0
    assert settle(world.scenario, tiny.schedule(world.scenario)).total("jobs", "done") == 1.0


def test_a_running_job_without_room_waits_with_what_it_has_left(tiny):
    site = tiny.site(STEPS, fleets=(tiny.fleet(STEPS, availability=[0.0] + [1.0] * (STEPS - 1)),))
    world = drive(tiny, tiny.job(duration_h=5.0, running_since=tiny.at(-3.0), site="a"), sites=(site,))
    seen = world.process.observe(0.0)["train"]
    assert (seen.status, seen.remaining_h) == ("waiting", 2.0)
    world.process.set_available("a", "gpus", 100.0, 1.0)
    world.start(1.0)
    world.steps(1, 4)
    assert world.record().end_h == 3.0


def test_a_running_job_that_fits_nowhere_waits(tiny):
    world = drive(tiny, tiny.job(gpus=400, running_since=tiny.at(-3.0), site="a", duration_h=9.0))
    assert world.process.observe(0.0)["train"].status == "waiting"


# pausable


def test_a_pause_costs_the_restart_and_nothing_else(tiny):
    world = drive(tiny, pausable(tiny, restart_loss_h=0.5))
    world.start(0.0)
    world.kernel.run(1.0)
    world.pause(1.0)
    seen = world.process.observe(1.0)["train"]
    assert (seen.status, seen.remaining_h, seen.accelerators, seen.fleet) == ("paused", 3.5, 0.0, "gpus")
    world.kernel.run(3.0)
    world.start(3.0)
    assert world.process.observe(3.0)["train"].remaining_h == 3.5
    world.steps(3, STEPS)
    assert world.segments() == (tiny.run(0, 1, frees_at_end=True), tiny.run(3, 7, last_fraction=0.5, frees_at_end=True))
    record = world.record()
    assert (record.restarts, record.moves, record.lost_h, record.end_h) == (1, 0, 0.5, 6.5)
    schedule = tiny.schedule(world.scenario, jobs={"train": world.segments()})
    assert violations(world.scenario, schedule) == []
    assert settle(world.scenario, schedule).total("jobs", "done") == 1.0


def test_a_run_that_goes_on_at_the_same_moment_is_no_restart(tiny):
    world = drive(tiny, pausable(tiny, restart_loss_h=0.5, min_run_h=2.0))
    world.start(0.0)
    world.kernel.run(2.5)
    world.pause(2.5)
    world.start(2.5)
    world.kernel.run(3.0)
    world.pause(3.0)  # the run has lasted three hours, not half an hour
    assert world.record().restarts == 0
    schedule = tiny.schedule(world.scenario, jobs={"train": world.segments()})
    assert {violation.constraint for violation in violations(world.scenario, schedule)} == {"duration"}


def test_divisible_jobs_of_a_plan_run_to_the_boundary(tiny):
    world = drive(tiny, pausable(tiny, duration_h=1.5), hold_to_boundary=True)
    world.start(0.0)
    assert world.steps(0, 3) == [(40.0, 0.4), (40.0, 0.4), (0.0, 0.0)]
    assert world.segments() == (tiny.run(0, 2),)


def test_what_is_left_within_a_tolerance_is_done(tiny):
    world = drive(tiny, pausable(tiny, duration_h=2.0 + 1e-7), hold_to_boundary=True)
    world.start(0.0)
    world.kernel.run(2.0)
    assert world.process.observe(2.0) == {}
    assert world.segments() == (tiny.run(0, 2),)


# elastic


def test_an_elastic_job_follows_the_concave_curve(tiny):
    world = drive(tiny, elastic(tiny))
    world.start(0.0, accelerators=60.0)
    world.kernel.run(1.0)
    assert world.process.observe(1.0)["train"].remaining_h == pytest.approx(3.0 - 1.25)
    world.act(1.0, {"job": "train", "kind": "resize", "accelerators": 30.0})
    assert world.process.free("a", "gpus") == 70.0
    world.kernel.run(2.0)
    assert world.process.observe(2.0)["train"].remaining_h == pytest.approx(3.0 - 1.25 - 0.8)
    world.kernel.run(4.0)
    one, other = world.segments()
    assert one == tiny.run(0, 1, accelerators=60.0, frees_at_end=True)
    assert world.record().end_h == pytest.approx(1.0 + 1.75 / 0.8)
    assert other.stop_step == 4
    assert (world.record().restarts, world.record().lost_h) == (0, 0.0)
    schedule = tiny.schedule(world.scenario, jobs={"train": world.segments()})
    assert violations(world.scenario, schedule) == []
    assert settle(world.scenario, schedule).total("jobs", "done") == 1.0


def test_a_resize_within_a_step_is_no_restart_for_ledger_and_checker(tiny):
    world = drive(tiny, elastic(tiny, restart_loss_h=1.0))
    world.start(0.0, accelerators=80.0)
    world.kernel.run(0.5)
    world.act(0.5, {"job": "train", "kind": "resize", "accelerators": 40.0})
    assert world.steps(0, 1) == [(60.0, pytest.approx(0.6))]
    world.kernel.run(STEPS)
    assert world.record().end_h == pytest.approx(2.75)
    schedule = tiny.schedule(world.scenario, jobs={"train": world.segments()})
    assert violations(world.scenario, schedule) == []
    assert settle(world.scenario, schedule).total("jobs", "done") == 1.0


def test_a_resize_to_the_same_size_changes_nothing(tiny):
    world = drive(tiny, elastic(tiny))
    world.start(0.0)
    world.kernel.run(1.0)
    world.act(1.0, {"job": "train", "kind": "resize"})
    assert world.segments() == (tiny.run(0, 1, frees_at_end=True),)


# migration


def moving(tiny, *, gb=HOUR_GB, jobs=("train",), **options):
    made = [pausable(tiny, name, migratable=True, checkpoint_gb=gb) for name in jobs]
    return drive(tiny, *made, sites=two_sites(tiny), links=LINK, **options)


def migrate(job="train", site="b", **more):
    return {"job": job, "kind": "migrate", "site": site, "fleet": "gpus", **more}


def test_a_move_takes_the_time_of_its_checkpoint(tiny):
    world = moving(tiny, gb=1.5 * HOUR_GB)
    world.start(0.0)
    world.kernel.run(1.0)
    world.act(1.0, migrate())
    assert world.process.observe(2.0)["train"].status == "moving"
    world.kernel.run(STEPS)
    one, other = world.segments()
    assert one == tiny.run(0, 1, frees_at_end=True)
    assert other == tiny.run(2, 6, site="b", first_fraction=0.5, last_fraction=0.5, frees_at_end=True)
    assert (world.record().moves, world.record().restarts) == (1, 1)
    (happening,) = world.process.happenings
    assert (happening.kind, happening.start_h, happening.end_h) == ("migration", 1.0, 2.5)
    assert happening.detail == "67500 GB from a to b"
    schedule = tiny.schedule(world.scenario, jobs={"train": world.segments()})
    assert violations(world.scenario, schedule) == []


def test_state_of_a_plan_is_used_from_the_next_step_on(tiny):
    world = moving(tiny, gb=1.5 * HOUR_GB, hold_to_boundary=True)
    world.start(0.0)
    world.kernel.run(1.0)
    world.act(1.0, migrate())
    world.kernel.run(STEPS)
    assert world.segments() == (tiny.run(0, 1), tiny.run(3, 6, site="b"))


def test_two_moves_share_the_link_unless_each_is_to_have_it_whole(tiny):
    for shared, arrival in ((True, 3.0), (False, 2.0)):
        world = moving(tiny, jobs=("one", "two"), share_links=shared)
        world.start(0.0, "one")
        world.start(0.0, "two")
        world.kernel.run(1.0)
        world.act(1.0, migrate("one"), migrate("two"))
        world.kernel.run(STEPS)
        assert [happening.end_h for happening in world.process.happenings] == [arrival, arrival]


def test_without_room_a_moved_job_waits_where_it_arrived(tiny):
    world = drive(
        tiny,
        pausable(tiny, migratable=True, checkpoint_gb=HOUR_GB),
        tiny.job("big", gpus=100, duration_h=4.0),
        sites=two_sites(tiny),
        links=LINK,
    )
    world.start(0.0)
    world.start(0.0, "big", site="b")
    world.kernel.run(1.0)
    world.act(1.0, migrate())
    world.kernel.run(3.0)
    seen = world.process.observe(3.0)["train"]
    assert (seen.status, seen.site, seen.status_h, seen.remaining_h) == ("paused", "b", 1.0, 3.0)
    world.start(4.0, site="b")
    world.kernel.run(STEPS)
    assert (world.record().moves, world.record().end_h) == (1, 7.0)


def test_a_paused_job_moves_and_a_move_within_a_site_is_immediate(tiny):
    fleets = (tiny.fleet(STEPS), tiny.fleet(STEPS, "new", accelerator="B200-SXM"))
    job = pausable(tiny, migratable=True, accelerator_speed={"B200-SXM": 2.0}, restart_loss_h=0.5)
    world = drive(tiny, job, sites=(tiny.site(STEPS, fleets=fleets),))
    world.start(0.0)
    world.kernel.run(1.0)
    world.pause(1.0)
    world.act(2.0, {"job": "train", "kind": "migrate", "site": "a", "fleet": "new"})
    # Three hours are left on the old fleet, so 1.5 on the new one and half an hour of restart there.
    assert world.process.observe(2.0)["train"].remaining_h == 4.0
    world.kernel.run(STEPS)
    assert world.record().end_h == 4.0
    schedule = tiny.schedule(world.scenario, jobs={"train": world.segments()})
    assert violations(world.scenario, schedule) == []
    assert settle(world.scenario, schedule).total("jobs", "done") == 1.0


def test_a_job_with_nothing_left_does_not_move(tiny):
    world = moving(tiny, hold_to_boundary=True)
    world.start(0.0)
    world.kernel.run(4.0 - 1e-7)
    world.act(4.0 - 1e-7, migrate())
    assert world.record().end_h == pytest.approx(4.0)


# failures


def test_the_youngest_job_falls_back_to_its_last_checkpoint(tiny):
    world = drive(tiny, tiny.job("old", duration_h=9.0), tiny.job("young", duration_h=9.0), checkpoint_interval_h=0.75)
    world.start(0.0, "old")
    world.kernel.run(1.0)
    world.start(1.0, "young")
    world.kernel.run(3.0)
    world.process.set_available("a", "gpus", 79.0, 3.0)
    seen = world.process.observe(3.0)
    assert (seen["old"].status, seen["young"].status) == ("running", "waiting")
    # Two hours of work, checkpoints at 0.75 and 1.5 h: half an hour is lost.
    assert seen["young"].remaining_h == 7.5
    assert world.process.free("a", "gpus") == 39.0
    record = world.record("young")
    assert (record.lost_h, record.restarts, record.done_fraction) == (0.5, 0, pytest.approx(1.5 / 9.0))
    (happening,) = world.process.happenings
    assert (happening.kind, happening.where) == ("job-restart", "young")
    assert happening.detail == "a/gpus fell to 79 accelerators; 0.5 h of work lost"
    (segment,) = world.segments("young")
    assert segment == tiny.run(1, 3, frees_at_end=True, lost_h=0.5)


def test_a_rigid_job_that_failed_runs_again_and_checks_out(tiny):
    world = drive(tiny, tiny.job(duration_h=3.0, restart_loss_h=0.25), checkpoint_interval_h=math.inf)
    world.start(0.0)
    world.kernel.run(2.5)
    world.process.set_available("a", "gpus", 0.0, 2.5)
    assert world.process.observe(2.5)["train"].remaining_h == 3.25
    world.process.set_available("a", "gpus", 100.0, 4.0)
    world.start(4.0)
    world.kernel.run(STEPS)
    assert (world.record().end_h, world.record().lost_h, world.record().restarts) == (7.25, 2.75, 1)
    schedule = tiny.schedule(world.scenario, jobs={"train": world.segments()})
    assert violations(world.scenario, schedule) == []
    assert settle(world.scenario, schedule).total("jobs", "done") == 1.0


def test_lost_work_does_not_count_as_done(tiny):
    world = drive(tiny, tiny.job(duration_h=4.0), checkpoint_interval_h=math.inf, steps=6)
    world.start(0.0)
    world.kernel.run(3.0)
    world.process.set_available("a", "gpus", 0.0, 3.0)
    world.process.set_available("a", "gpus", 100.0, 3.0)
    world.start(3.0)
    world.kernel.run(6.0)
    schedule = tiny.schedule(world.scenario, jobs={"train": world.segments()})
    ledger = settle(world.scenario, schedule)
    assert (ledger.total("jobs", "done"), ledger.total("jobs", "unfinished")) == (0.0, 1.0)
    assert world.record().done_fraction == pytest.approx(0.75)


def test_a_failure_on_a_checkpoint_loses_nothing_but_the_restart(tiny):
    world = drive(tiny, pausable(tiny, restart_loss_h=0.5))
    world.start(0.0)
    world.kernel.run(2.0)
    world.process.set_available("a", "gpus", 50.0, 2.0)
    assert world.process.observe(2.0)["train"].status == "running"
    world.process.set_available("a", "gpus", 30.0, 2.0)
    world.process.set_available("a", "gpus", 50.0, 2.0)
    world.start(2.0)
    world.kernel.run(STEPS)
    assert (world.record().lost_h, world.record().end_h) == (0.5, 4.5)
    schedule = tiny.schedule(world.scenario, jobs={"train": world.segments()})
    assert violations(world.scenario, schedule) == []


def test_resizes_and_pauses_save_the_state(tiny):
    world = drive(tiny, elastic(tiny), checkpoint_interval_h=math.inf)
    world.start(0.0, accelerators=80.0)
    world.kernel.run(0.5)
    world.act(0.5, {"job": "train", "kind": "resize", "accelerators": 40.0})
    world.kernel.run(1.0)
    world.process.set_available("a", "gpus", 10.0, 1.0)
    assert world.process.observe(1.0)["train"].remaining_h == pytest.approx(3.0 - 0.75)
    assert world.record().lost_h == pytest.approx(0.5)


def test_hours_before_the_horizon_are_lost_too(tiny):
    job = tiny.job(duration_h=5.0, running_since=tiny.at(-1.5), site="a")
    world = drive(tiny, job, checkpoint_interval_h=2.0)
    world.kernel.run(0.25)
    world.process.set_available("a", "gpus", 0.0, 0.25)
    assert world.process.observe(0.25)["train"].remaining_h == 5.0


def test_a_start_that_fails_at_once_leaves_no_trace(tiny):
    world = drive(tiny, pausable(tiny, restart_loss_h=0.5))
    world.start(0.0)
    world.process.set_available("a", "gpus", 0.0, 0.0)
    seen = world.process.observe(0.0)["train"]
    assert (seen.status, seen.remaining_h, world.record().start_h) == ("waiting", 4.0, None)
    world.process.set_available("a", "gpus", 100.0, 1.0)
    world.start(1.0)
    world.kernel.run(2.0)
    world.pause(2.0)
    world.start(3.0)
    world.process.set_available("a", "gpus", 0.0, 3.0)
    assert (world.record().restarts, world.record().lost_h) == (0, 0.0)
    assert world.segments() == (tiny.run(1, 2, frees_at_end=True),)


def test_accelerators_held_by_ended_jobs_go_first(tiny):
    world = drive(tiny, tiny.job(duration_h=0.5), tiny.job("other", duration_h=2.0), hold_to_boundary=True)
    world.start(0.0)
    world.start(0.0, "other")
    world.kernel.run(0.75)
    world.process.set_available("a", "gpus", 40.0, 0.75)
    assert world.process.held("a", "gpus") == 40.0
    assert world.process.observe(0.75)["other"].status == "running"


# serving and callbacks


def test_serving_reserves_accelerators_from_jobs_that_start_later(tiny):
    world = drive(tiny, tiny.job(), tiny.job("next"))
    world.start(0.0)
    assert world.process.reserve("a", "gpus", 50.0) == 50.0
    assert world.process.free("a", "gpus") == 10.0
    assert world.process.reserve("a", "gpus", 70.0) == 60.0
    assert world.process.free("a", "gpus") == 0.0
    world.process.reserve("a", "gpus", 20.0)
    world.start(0.0, "next")
    assert world.process.held("a", "gpus") == 80.0


def test_changes_within_a_step_are_announced_once(tiny):
    called = []
    jobs = (
        tiny.job("one", duration_h=0.5),
        tiny.job("two", release=tiny.at(0.5)),
        tiny.job("three", release=tiny.at(0.5)),
        tiny.job("four", release=tiny.at(1.0)),
    )
    world = drive(tiny, *jobs, on_change=lambda time_h: called.append((time_h, len(world.process.observe(time_h)))))
    world.start(0.0, "one")
    world.kernel.run(2.0)
    assert called == [(0.5, 2)]


def test_a_policy_may_act_within_a_step(tiny):
    def act(time_h):
        if "next" in world.process.observe(time_h):
            world.start(time_h, "next")

    world = drive(tiny, tiny.job(gpus=100, duration_h=0.5), tiny.job("next", gpus=100), on_change=act)
    world.start(0.0)
    assert world.steps(0, 2) == [(100.0, pytest.approx(1.0)), (50.0, pytest.approx(0.5))]
    assert world.record("next").start_h == 0.5


def test_steady_steps_have_equal_means(tiny):
    world = drive(tiny, tiny.job(duration_h=6.0))
    world.start(0.0)
    assert world.steps(0, 7) == [(40.0, 0.4)] * 6 + [(0.0, 0.0)]


def test_a_size_without_speed_never_ends(tiny):
    job = tiny.job(kind="elastic", min_gpus=20, max_gpus=80, speed=((20.0, 0.0), (80.0, 1.0)))
    world = drive(tiny, job)
    world.start(0.0, accelerators=20.0)
    assert world.steps(0, STEPS)[-1] == (20.0, pytest.approx(0.2))
    assert world.record().done_fraction == 0.0
    assert world.segments() == (tiny.run(0, STEPS, accelerators=20.0, frees_at_end=True),)


def test_a_job_that_never_ran_has_no_place(tiny):
    state = JobState(job=tiny.job(), index=0, release_h=0.0)
    with pytest.raises(ScenarioError, match="is unreleased and has no place; start it first"):
        state.place.give_back(0)
