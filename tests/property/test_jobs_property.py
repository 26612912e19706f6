"""Training jobs under random decisions and failures, and plans that are replayed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joulewright.account import settle, site_load
from joulewright.account.work import segment_hours, speed_at, whole_hours
from joulewright.check import violations
from joulewright.check.span import goes_on
from joulewright.model import JobSchedule, Link, Schedule
from joulewright.physics.transfer import transfer_h
from joulewright.policy.decision import JobAction
from joulewright.sim.kernel import Kernel
from joulewright.sim.processes.jobs import JobProcess
from joulewright.sim.random import stream

SEEDS = st.integers(0, 2**32 - 1)
STEPS = 16
KINDS = ("rigid", "pausable", "elastic")


def random_scenario(tiny, seed, step_s=3600):
    """Two sites, three fleets of two speeds and nine jobs of all kinds."""
    draw = np.random.default_rng(seed)
    hours = STEPS * step_s / 3600.0

    def job(number):
        kind = KINDS[number % 3]
        size = int(draw.integers(10, 60))
        return tiny.job(
            f"job-{number}",
            kind=kind,
            gpus=size,
            min_gpus=max(1, size // 2),
            max_gpus=size * 2,
            speed=((size // 2, 0.6), (size, 1.0), (2 * size, 1.6)) if kind == "elastic" and size % 2 == 0 else (),
            duration_h=float(draw.uniform(0.05, 0.6)) * hours,
            release=tiny.at(float(draw.uniform(-0.1, 0.6)) * hours),
            deadline=tiny.at(10.0 * hours),
            restart_loss_h=float(draw.choice([0.0, 0.3])),
            min_run_h=float(draw.choice([0.0, 0.2])) * hours / 4.0,
            migratable=kind != "rigid" and bool(draw.random() < 0.5),
            checkpoint_gb=float(draw.uniform(0.0, 9e4)),
            accelerator_speed={"B200-SXM": 2.0},
            beyond=bool(draw.random() < 0.3),
        )

    sites = (
        tiny.site(STEPS, fleets=(tiny.fleet(STEPS), tiny.fleet(STEPS, "new", accelerator="B200-SXM", count=60))),
        tiny.site(STEPS, name="b", fleets=(tiny.fleet(STEPS, count=80),)),
    )
    links = (Link(between=("a", "b"), bandwidth_gbit_s=100.0),)
    jobs = tuple(job(number) for number in range(9))
    return tiny.scenario(*sites, steps=STEPS, step_s=step_s, training=jobs, links=links)


def choose(process, draw, job, time_h):
    """A random action on an observed job that is allowed, or None."""
    if job.status in ("waiting", "paused"):
        places = [(job.site, job.fleet)] if job.site else [("a", "gpus"), ("a", "new"), ("b", "gpus")]
        site, fleet = places[draw.integers(len(places))]
        small = float(job.job.smallest)
        size = small if job.job.kind == "elastic" else float(job.job.gpus)
        if draw.random() < 0.8 and process.free(site, fleet) >= size:
            return JobAction(job=job.job.name, kind="start", site=site, fleet=fleet, accelerators=size)
        return None
    old_enough = job.status == "running" and job.status_h >= max(job.job.min_run_h, 1e-3)
    if not old_enough or draw.random() < 0.5:
        return None
    if job.job.kind == "elastic" and draw.random() < 0.6:
        room = process.free(job.site, job.fleet) + job.accelerators
        size = float(draw.uniform(job.job.smallest, min(job.job.largest, room)))
        return JobAction(job=job.job.name, kind="resize", accelerators=size)
    if job.job.migratable and draw.random() < 0.5:
        other = "b" if job.site == "a" else "a"
        return JobAction(job=job.job.name, kind="migrate", site=other, fleet="gpus")
    return None if job.job.kind == "rigid" else JobAction(job=job.job.name, kind="pause")


def wander(scenario, seed, *, failures=False, between=False, hold=False):
    """Drive jobs at random over the horizon; gives the process and the means of every step."""
    draw, kernel = stream(seed, "wander"), Kernel()
    places = {(site.name, fleet.name): fleet.count for site, fleet in scenario.fleets()}
    available = dict(places)

    def decide(time_h):
        for job in process.observe(time_h).values():
            action = choose(process, draw, job, time_h)
            if action is not None:
                process.apply([action], time_h)
        for place, count in available.items():
            assert process.held(*place) <= count + 1e-6

    process = JobProcess(
        scenario, kernel, hold_to_boundary=hold, on_change=decide if between else None, checkpoint_interval_h=0.7
    )
    means = []
    for step in range(STEPS):
        time_h = step * scenario.timeline.step_h
        if failures and draw.random() < 0.4:
            place = list(places)[draw.integers(len(places))]
            available[place] = float(draw.integers(0, places[place] + 1))
            process.set_available(*place, available[place], time_h)
        decide(time_h)
        kernel.run((step + 1) * scenario.timeline.step_h)
        means.append(process.take_interval())
    return process, means


def schedule_of(tiny, scenario, process):
    return tiny.schedule(scenario, jobs={name: entry.segments for name, entry in process.segments().items()})


# What follows the conventions of a plan decides on boundaries only.
OPTIONS = st.fixed_dictionaries(
    {"failures": st.booleans(), "times": st.sampled_from([{}, {"between": True}, {"hold": True}])}
).map(lambda chosen: {"failures": chosen["failures"], **chosen["times"]})


@given(seed=SEEDS, step_s=st.sampled_from([60, 900, 3600]), options=OPTIONS)
def test_means_of_the_steps_are_the_load_of_the_ledger(tiny, seed, step_s, options):
    scenario = random_scenario(tiny, seed, step_s)
    process, means = wander(scenario, seed, **options)
    schedule = schedule_of(tiny, scenario, process)
    for site in scenario.sites:
        load = site_load(scenario, schedule, site)
        power = sum(np.array([mean[site.name, fleet.name][1] for mean in means]) for fleet in site.fleets)
        np.testing.assert_allclose(power, load.training_mw, rtol=1e-12, atol=1e-9)
        for fleet in site.fleets:
            held = [mean[site.name, fleet.name][0] for mean in means]
            np.testing.assert_allclose(held, load.training_accelerators[fleet.name], rtol=1e-12, atol=1e-9)


@given(seed=SEEDS, step_s=st.sampled_from([60, 900, 3600]), options=OPTIONS)
def test_only_unfinished_work_is_ever_against_the_rules(tiny, seed, step_s, options):
    scenario = random_scenario(tiny, seed, step_s)
    process, _ = wander(scenario, seed, **options)
    schedule = schedule_of(tiny, scenario, process)
    done = {name for name, record in process.records().items() if record.end_h is not None}
    beyond = {name for name, entry in schedule.jobs.items() if any(run.stop_step > STEPS for run in entry.segments)}
    for violation in violations(scenario, schedule):
        unfinished = violation.where not in done | beyond
        assert violation.constraint in (("duration", "min-run") if unfinished else ()), violation


@given(seed=SEEDS, options=OPTIONS)
def test_work_is_neither_made_nor_lost(tiny, seed, options):
    scenario = random_scenario(tiny, seed)
    process, _ = wander(scenario, seed, **options)
    records = process.records()
    for job in scenario.training:
        record, entry = records[job.name], process.segments()[job.name]
        done = 0.0
        for number, segment in enumerate(entry.segments):
            if segment.stop_step > STEPS:
                segment = replace(segment, stop_step=STEPS, last_fraction=1.0)
            fleet = scenario.site(segment.site).fleet(segment.fleet)
            hours = segment_hours(scenario, segment) * speed_at(job, segment.accelerators) - (segment.lost_h or 0.0)
            whole_h = whole_hours(job, fleet)
            done += hours / whole_h
            restarted = number > 0 and not goes_on(entry.segments[number - 1], segment)
            done -= restarted * job.restart_loss_h / whole_h
        if options.get("hold") and job.kind != "rigid" and record.end_h is not None:
            assert done >= 1.0 - 1e-5
        else:
            # A restart that is under way may have cost more than has been run since.
            assert record.done_fraction == pytest.approx(min(1.0, max(0.0, done)), abs=1e-6)


@given(seed=SEEDS, options=OPTIONS)
def test_equal_seeds_give_equal_histories(tiny, seed, options):
    scenario = random_scenario(tiny, seed)
    one, other = (wander(scenario, seed, **options) for _ in range(2))
    assert one[0].segments() == other[0].segments()
    assert one[0].records() == other[0].records()
    assert one[0].happenings == other[0].happenings
    assert one[1] == other[1]


@given(seed=SEEDS, options=OPTIONS)
def test_the_ledger_counts_as_done_what_ended(tiny, seed, options):
    scenario = random_scenario(tiny, seed)
    process, _ = wander(scenario, seed, **options)
    schedule = schedule_of(tiny, scenario, process)
    beyond = [entry for entry in schedule.jobs.values() if any(run.stop_step > STEPS for run in entry.segments)]
    ended = [record for record in process.records().values() if record.end_h is not None]
    assert settle(scenario, schedule).total("jobs", "done") == len(ended) + len(beyond)


def due(scenario, schedule, seen, step):
    """What a schedule asks of a job at the begin of a step; a move begins so that it ends when the job goes on."""
    name, runs = seen.job.name, schedule.jobs[seen.job.name].segments
    now = next((run for run in runs if run.first_step <= step < run.stop_step), None)
    then = next((run for run in runs if run.first_step >= step), None)
    if seen.status == "moving":
        return
    if then is not None and seen.site not in (None, then.site):
        hours = transfer_h(seen.job.checkpoint_gb, scenario.link(seen.site, then.site).bandwidth_gbit_s)
        if step == then.first_step - scenario.timeline.steps_for(hours):
            yield JobAction(job=name, kind="migrate", site=then.site, fleet=then.fleet, accelerators=then.accelerators)
            return
    if now is None:
        if seen.status == "running":
            yield JobAction(job=name, kind="pause")
    elif seen.status != "running":
        yield JobAction(job=name, kind="start", site=now.site, fleet=now.fleet, accelerators=now.accelerators)
    elif now.accelerators != seen.accelerators:
        yield JobAction(job=name, kind="resize", accelerators=now.accelerators)


def replay(scenario, schedule):
    """Do at every boundary what a schedule says; gives the segments and the means of every step."""
    kernel = Kernel()
    process = JobProcess(scenario, kernel, hold_to_boundary=True, share_links=False)
    means = []
    for step in range(scenario.timeline.steps):
        time_h = step * scenario.timeline.step_h
        seen = process.observe(time_h)
        actions = [action for job in seen.values() for action in due(scenario, schedule, job, step)]
        process.apply(actions, time_h)
        kernel.run((step + 1) * scenario.timeline.step_h)
        means.append(process.take_interval())
    return process.segments(), means


def assert_replayed(scenario, schedule):
    segments, means = replay(scenario, schedule)
    assert segments == {name: JobSchedule(job=name, segments=entry.segments) for name, entry in schedule.jobs.items()}
    again = Schedule(planner=schedule.planner, jobs=segments, services=schedule.services, sites=schedule.sites)
    assert settle(scenario, again).rows == settle(scenario, schedule).rows
    for site in scenario.sites:
        training_mw = sum(np.array([mean[site.name, fleet.name][1] for mean in means]) for fleet in site.fleets)
        np.testing.assert_allclose(training_mw, site_load(scenario, schedule, site).training_mw, atol=1e-12)


@given(seed=SEEDS)
def test_a_replayed_schedule_is_the_same_to_the_last_bit(random_case, seed):
    assert_replayed(*random_case(seed))


@settings(max_examples=6)
@given(seed=st.integers(0, 1000), step_s=st.sampled_from([900, 3600]))
def test_a_replayed_plan_is_the_same_to_the_last_bit(tiny, seed, step_s):
    from joulewright.plan import plan

    draw = np.random.default_rng(seed)
    steps = 12
    hours = steps * step_s / 3600.0
    price = tiny.grid(steps, import_price_per_mwh=draw.uniform(10.0, 90.0, steps))
    other = tiny.grid(steps, import_price_per_mwh=draw.uniform(10.0, 90.0, steps))
    sites = (
        tiny.site(steps, grid=price),
        tiny.site(steps, name="b", grid=other, fleets=(tiny.fleet(steps, count=60),)),
    )
    jobs = (
        tiny.job("rigid", duration_h=hours * float(draw.uniform(0.1, 0.4))),
        tiny.job("pause", kind="pausable", duration_h=hours / 3.0, restart_loss_h=hours / 100.0, min_run_h=hours / 12),
        tiny.job("grow", kind="elastic", duration_h=hours / 3.0, min_gpus=10, max_gpus=60),
        tiny.job("move", kind="pausable", duration_h=hours / 4.0, migratable=True, checkpoint_gb=1e4 * hours / 12),
    )
    scenario = tiny.scenario(
        *sites,
        steps=steps,
        step_s=step_s,
        training=jobs,
        links=(Link(between=("a", "b"), bandwidth_gbit_s=100.0),),
    )
    found = plan(scenario)
    assert found.schedule is not None
    assert_replayed(scenario, found.schedule)
