"""Actions on jobs that cannot be carried out: every one is refused with policy, time, limit and the way out."""

from __future__ import annotations

import math

import pytest

from joulewright.errors import PolicyError, ScenarioError
from joulewright.model import Link
from joulewright.policy.decision import JobAction
from joulewright.sim.kernel import Kernel
from joulewright.sim.processes.jobs import JobProcess

STEPS = 12
LINK = (Link(between=("a", "b"), bandwidth_gbit_s=100.0),)


@pytest.fixture
def world(tiny):
    """Three sites of 100 accelerators and jobs of every kind."""
    sites = (tiny.site(STEPS), tiny.site(STEPS, name="b"), tiny.site(STEPS, name="c"))
    jobs = (
        tiny.job("rigid", duration_h=3.0),
        tiny.job("late", release=tiny.at(5.0)),
        tiny.job("bound", sites=("b",)),
        tiny.job("pause", kind="pausable", duration_h=8.0, min_run_h=2.0),
        tiny.job("grow", kind="elastic", duration_h=8.0, min_gpus=20, max_gpus=80),
        tiny.job("move", kind="pausable", duration_h=8.0, migratable=True, checkpoint_gb=45_000.0, min_run_h=1.0),
        tiny.job("must", mandatory=True),
        tiny.job("huge", gpus=120),
        tiny.job("short", kind="pausable", duration_h=0.5, min_run_h=2.0),
    )
    return World(tiny.scenario(*sites, steps=STEPS, training=jobs, links=LINK))


class World:
    def __init__(self, scenario):
        self.kernel = Kernel()
        self.process = JobProcess(scenario, self.kernel, policy="first-fit:order=name")

    def run(self, time_h, *actions):
        self.process.apply([JobAction(**action) for action in actions], time_h)

    def refused(self, time_h, *actions):
        with pytest.raises(PolicyError) as caught:
            self.run(time_h, *actions)
        message = str(caught.value)
        assert message.startswith("first-fit:order=name at 2022-07-04T")
        return message


def start(job, site="a", fleet="gpus", **more):
    return {"job": job, "kind": "start", "site": site, "fleet": fleet, **more}


def act(kind, job, **more):
    return {"job": job, "kind": kind, **more}


def test_unknown_jobs_and_actions(world):
    assert "'nobody', which does not exist" in world.refused(0.0, start("nobody"))
    assert "known are start, pause, resize, migrate and reject" in world.refused(0.0, act("stop", "rigid"))


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        (start("rigid", site="z"), "no fleet; there are a/gpus, b/gpus, c/gpus"),
        (start("rigid", fleet="z"), "names site 'a' and fleet 'z', which is no fleet"),
        (start("rigid", site=None, fleet=None), "not one fleet"),
        (start("bound"), "may not run at 'a'; allowed sites are ['b']"),
        (start("late"), "which is unreleased; the job must be waiting or paused"),
        (start("huge"), "is to hold 120 accelerators; a/gpus has 100"),
        (start("rigid", accelerators=41.0), "is to hold 41 accelerators; allowed are 40 to 40"),
        (start("grow", accelerators=19.0), "allowed are 20 to 80"),
        (start("grow", accelerators=math.nan), "is to hold nan accelerators"),
        (start("grow", accelerators=-20.0), "is to hold -20 accelerators"),
        (act("pause", "rigid"), "pause of job 'rigid', which is waiting; the job must be running"),
        (act("resize", "grow", accelerators=30.0), "which is waiting"),
        (act("migrate", "move", site="b"), "which is waiting"),
        (act("reject", "must"), "is rejected, but it is mandatory"),
    ],
)
def test_refused_at_the_begin(world, action, reason):
    message = world.refused(0.0, action)
    assert message.startswith("first-fit:order=name at 2022-07-04T00:00:00+00:00: ")
    assert reason in message


@pytest.mark.parametrize(
    ("job", "action", "reason"),
    [
        ("rigid", start("rigid"), "which is running"),
        ("rigid", act("pause", "rigid"), "is rigid: it runs without a break"),
        ("rigid", act("migrate", "rigid", site="b"), "is not migratable"),
        ("rigid", act("reject", "rigid"), "which is running"),
        ("pause", act("pause", "pause"), "after 1.5 h; its shortest uninterrupted run is 2 h"),
        ("pause", act("resize", "pause", accelerators=40.0), "is pausable; only elastic jobs change size"),
        ("pause", act("migrate", "pause", site="b"), "is not migratable"),
        ("grow", act("resize", "grow", accelerators=81.0), "allowed are 20 to 80"),
        ("grow", act("resize", "grow", site="b", fleet="gpus"), "resized on b/gpus, where it does not run"),
        ("move", act("migrate", "move"), "needs a site"),
        ("move", act("migrate", "move", site="a", fleet="gpus"), "is already at a/gpus"),
        ("move", act("migrate", "move", site="c"), "from 'a' to 'c': no link joins them"),
        ("move", act("migrate", "move", site="z"), "no fleet"),
    ],
)
def test_refused_while_it_runs(world, job, action, reason):
    world.run(0.0, start(job))
    message = world.refused(1.5, action)
    assert message.startswith("first-fit:order=name at 2022-07-04T01:30:00+00:00: ")
    assert reason in message


def test_what_has_ended_or_was_rejected_takes_no_actions(world):
    world.run(0.0, start("short"), act("reject", "rigid"))
    assert "'short', which is done" in world.refused(1.0, start("short"))
    assert "'rigid', which is rejected" in world.refused(1.0, start("rigid"))


def test_a_moving_job_waits_for_its_state(world):
    world.run(0.0, start("move"))
    world.run(1.0, act("migrate", "move", site="b"))
    assert "which is moving" in world.refused(1.5, start("move", site="b"))


def test_state_does_not_jump(world):
    world.run(0.0, start("move"))
    world.run(1.0, act("pause", "move"))
    assert "its state is at 'a'; migrate it or start it there" in world.refused(2.0, start("move", site="b"))


def test_a_job_does_not_start_and_stop_at_once(world):
    assert "after 0 h" in world.refused(0.0, start("short"), act("pause", "short"))


def test_the_shortest_run_is_at_most_the_whole_job(world):
    world.run(0.0, start("move"))
    world.run(1.0, act("pause", "move"))
    world.run(2.0, start("move"))
    assert "after 0.5 h" in world.refused(2.5, act("migrate", "move", site="b"))
    world.run(3.0, act("migrate", "move", site="b"))


def test_what_is_started_must_fit_once_all_is_done(world):
    world.run(0.0, start("rigid"), start("grow", accelerators=60.0))
    full = world.refused(1.0, start("must"))
    assert full.endswith("training holds 140 and serving asks for 0 accelerators of a/gpus; 100 are available")


def test_room_made_by_a_later_action_counts(world):
    world.run(0.0, start("rigid"), start("grow", accelerators=60.0))
    world.run(1.0, start("must"), act("resize", "grow", accelerators=20.0))
    assert world.process.free("a", "gpus") == 0.0


def test_growing_needs_room(world):
    world.run(0.0, start("rigid"), start("grow", accelerators=50.0))
    assert "training holds 120" in world.refused(1.0, act("resize", "grow", accelerators=80.0))


def test_jobs_do_not_start_on_what_serving_asks_for(world):
    world.process.reserve("a", "gpus", 70.0)
    assert "training holds 40 and serving asks for 70" in world.refused(0.0, start("rigid"))


@pytest.mark.parametrize("count", [-1.0, math.nan, math.inf])
def test_serving_asks_for_a_number(world, count):
    with pytest.raises(PolicyError, match=r"serving asks for .* accelerators of a/gpus; allowed is 0 or more"):
        world.process.reserve("a", "gpus", count)


def test_unknown_fleets(world):
    with pytest.raises(PolicyError, match="there is no fleet a/z; there are a/gpus"):
        world.process.free("a", "z")
    with pytest.raises(PolicyError, match="there is no fleet z/gpus"):
        world.process.reserve("z", "gpus", 1.0)


@pytest.mark.parametrize("count", [-1.0, 101.0, math.nan])
def test_availability_is_between_none_and_all(world, count):
    with pytest.raises(ScenarioError, match="allowed are 0 to 100"):
        world.process.set_available("a", "gpus", count, 0.0)


@pytest.mark.parametrize("interval_h", [0.0, -1.0, math.nan])
def test_checkpoints_are_some_time_apart(tiny, interval_h):
    with pytest.raises(ScenarioError, match="checkpoint interval"):
        JobProcess(tiny.scenario(), Kernel(), checkpoint_interval_h=interval_h)


def test_means_are_those_of_whole_steps(world):
    world.kernel.run(0.5)
    with pytest.raises(ScenarioError, match=r"at step 0\.5"):
        world.process.take_interval()


def test_a_failed_rigid_job_may_not_be_rejected_after_it_has_run(world):
    world.run(0.0, start("rigid"))
    world.kernel.run(1.0)
    world.process.set_available("a", "gpus", 0.0, 1.0)
    assert "it has run" in world.refused(1.0, act("reject", "rigid"))


def test_names_may_be_left_out_where_there_is_one_choice(world):
    world.run(0.0, start("bound", site="b", fleet=None))
    world.run(0.0, act("start", "move", site="a"))
    world.run(1.0, act("pause", "move"))
    world.run(2.0, act("start", "move"))
    assert world.process.observe(2.0)["move"].site == "a"
