"""Segments that begin, end or fail within a step: the checker follows them to the minute."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from joulewright.account import settle, site_load
from joulewright.account.work import continues, job_outcome
from joulewright.check import violations
from joulewright.check.compute import loads
from joulewright.model import JobSchedule, Link

STEPS = 12


def judged(tiny, job, *segments, sites=None, **changes):
    scenario = tiny.scenario(*(sites or (tiny.site(STEPS),)), steps=STEPS, training=(job,), **changes)
    return violations(scenario, tiny.schedule(scenario, jobs={job.name: segments}))


def only(found, constraint):
    (violation,) = found
    assert violation.constraint == constraint, violation
    return violation


def free(tiny, first, stop, **changes):
    """A segment that frees its accelerators when it ends."""
    return tiny.run(first, stop, **({"frees_at_end": True} | changes))


def pausable(tiny, **changes):
    return tiny.job(kind="pausable", **({"duration_h": 4.0} | changes))


# structure


@pytest.mark.parametrize(
    "changes",
    [
        {"first_fraction": 0.0},
        {"first_fraction": 1.5},
        {"first_fraction": math.nan},
        {"first_fraction": 0.25, "last_fraction": 0.75},
        {"first_fraction": 0.25, "last_fraction": 0.5},
        {"lost_h": -1.0},
        {"lost_h": math.nan},
        {"lost_h": math.inf},
    ],
)
def test_segments_that_make_no_sense(tiny, changes):
    job = tiny.job()
    scenario = tiny.scenario(tiny.site(STEPS), steps=STEPS, training=(job,))
    schedule = tiny.schedule(scenario)
    segment = replace(tiny.run(0, 1), **changes)
    broken = replace(schedule, jobs={"train": JobSchedule(job="train", segments=(segment,))})
    assert only(violations(scenario, broken), "structure").where == "train"


# load and capacity


def test_mean_and_most_of_a_step(tiny):
    jobs = (tiny.job("one", duration_h=1.5), tiny.job("two", duration_h=1.5, gpus=70))
    scenario = tiny.scenario(tiny.site(3), steps=3, training=jobs)
    segments = {
        "one": [free(tiny, 0, 2, last_fraction=0.5)],
        "two": [free(tiny, 1, 3, first_fraction=0.5, accelerators=70.0)],
    }
    derived = loads(scenario, tiny.schedule(scenario, jobs=segments))
    np.testing.assert_allclose(derived.in_use["a", "gpus"], [40.0, 55.0, 70.0])
    np.testing.assert_allclose(derived.most_in_use["a", "gpus"], [40.0, 70.0, 70.0])
    load = site_load(scenario, tiny.schedule(scenario, jobs=segments), scenario.sites[0])
    np.testing.assert_allclose(derived.it_mw["a"], load.it_mw)
    assert violations(scenario, tiny.schedule(scenario, jobs=segments)) == []


@pytest.mark.parametrize(
    ("last", "first", "frees", "most"),
    [(0.5, 0.5, True, 70.0), (0.6, 0.5, True, 110.0), (0.5, 0.5, False, 110.0), (0.5, 0.4, True, 70.0)],
)
def test_capacity_is_judged_at_every_time_not_in_the_mean(tiny, last, first, frees, most):
    jobs = (tiny.job("one", duration_h=1.0 + last), tiny.job("two", duration_h=1.0 + first, gpus=70))
    scenario = tiny.scenario(tiny.site(3), steps=3, training=jobs)
    segments = {
        "one": [tiny.run(0, 2, last_fraction=last, frees_at_end=frees)],
        "two": [free(tiny, 1, 3, first_fraction=first, accelerators=70.0)],
    }
    schedule = tiny.schedule(scenario, jobs=segments)
    assert loads(scenario, schedule).most_in_use["a", "gpus"].max() == most
    found = [violation.constraint for violation in violations(scenario, schedule)]
    assert found == (["capacity"] if most > 100.0 else [])


def test_many_short_runs_in_one_step(tiny):
    jobs = tuple(tiny.job(f"job-{number}", duration_h=0.25, gpus=100) for number in range(4))
    scenario = tiny.scenario(tiny.site(1), steps=1, training=jobs)
    segments = {
        job.name: [free(tiny, 0, 1, accelerators=100.0, first_fraction=1 - number / 4, last_fraction=(number + 1) / 4)]
        for number, job in enumerate(jobs)
    }
    schedule = tiny.schedule(scenario, jobs=segments)
    assert violations(scenario, schedule) == []
    assert loads(scenario, schedule).in_use["a", "gpus"][0] == pytest.approx(100.0)


# window


def test_a_run_within_a_step_is_judged_at_its_own_time(tiny):
    job = tiny.job(duration_h=3.0, release=tiny.at(1.5), deadline=tiny.at(7.5))
    assert judged(tiny, job, free(tiny, 1, 5, first_fraction=0.5, last_fraction=0.5)) == []
    assert judged(tiny, job, free(tiny, 4, 8, first_fraction=0.5, last_fraction=0.5)) == []
    early = only(judged(tiny, job, free(tiny, 1, 5, first_fraction=0.75, last_fraction=0.25)), "window")
    assert early.amount == pytest.approx(0.25)
    late = only(judged(tiny, job, free(tiny, 4, 8, first_fraction=0.25, last_fraction=0.75)), "window")
    assert late.amount == pytest.approx(0.25)


def test_a_plan_must_be_out_by_the_boundary_before_the_deadline(tiny):
    job = tiny.job(duration_h=2.5, deadline=tiny.at(7.5))
    assert judged(tiny, job, free(tiny, 5, 8, last_fraction=0.5)) == []
    only(judged(tiny, job, tiny.run(5, 8, last_fraction=0.5)), "window")


def test_pinned_starts_within_a_step(tiny):
    job = tiny.job(start=tiny.at(2.5))
    assert judged(tiny, job, free(tiny, 2, 4, first_fraction=0.5, last_fraction=0.5)) == []
    assert judged(tiny, job, free(tiny, 3, 4)) == []
    assert only(judged(tiny, job, free(tiny, 3, 5, first_fraction=0.5, last_fraction=0.5)), "pinned").amount == 1.0


# runs


def test_length_of_a_run_within_steps(tiny):
    job = tiny.job(duration_h=2.0)
    assert judged(tiny, job, free(tiny, 1, 4, first_fraction=0.5, last_fraction=0.5)) == []
    short = only(judged(tiny, job, free(tiny, 1, 4, first_fraction=0.25, last_fraction=0.5)), "duration")
    assert (short.unit, short.amount) == ("h", pytest.approx(0.25))


def test_a_failure_excuses_the_break_and_asks_for_the_work_again(tiny):
    job = tiny.job(duration_h=3.0, restart_loss_h=0.5)
    failed = free(tiny, 0, 2, lost_h=1.0)
    assert judged(tiny, job, failed, free(tiny, 4, 7, last_fraction=0.5)) == []
    assert only(judged(tiny, job, failed, free(tiny, 4, 6)), "duration").amount == pytest.approx(0.5)
    assert only(judged(tiny, job, free(tiny, 0, 2), free(tiny, 4, 7)), "continuity").when == "2022-07-04T04:00"
    unlucky = (failed, free(tiny, 3, 4, lost_h=1.0), free(tiny, 5, 8))
    assert judged(tiny, job, *unlucky) == []


def test_a_failure_makes_a_divisible_job_restart_even_in_place(tiny):
    job = pausable(tiny, restart_loss_h=0.5)
    go_on = free(tiny, 2, 5, last_fraction=0.5)
    assert only(judged(tiny, job, free(tiny, 0, 2), go_on), "duration").amount == 1.0  # half an hour for nothing
    assert judged(tiny, job, free(tiny, 0, 2, lost_h=0.0), go_on) == []
    assert only(judged(tiny, job, free(tiny, 0, 2, lost_h=1.0), go_on), "duration").amount == pytest.approx(1.0)


def test_a_change_of_size_within_a_step_is_no_restart(tiny):
    job = tiny.job(kind="elastic", duration_h=3.0, min_gpus=20, max_gpus=80, restart_loss_h=1.0)
    segments = (
        free(tiny, 0, 1, accelerators=80.0, last_fraction=0.5),
        free(tiny, 0, 3, first_fraction=0.5, last_fraction=0.5),
    )
    assert judged(tiny, job, *segments) == []
    apart = replace(segments[1], first_fraction=0.25, last_fraction=0.75)
    assert only(judged(tiny, job, segments[0], apart), "duration").amount == pytest.approx(1.0)
    both = replace(segments[1], first_fraction=0.75, last_fraction=0.25)
    found = [violation.constraint for violation in judged(tiny, job, segments[0], both)]
    assert "overlap" in found


def test_shortest_run_within_steps(tiny):
    job = pausable(tiny, min_run_h=1.5)
    rest = free(tiny, 4, 7, last_fraction=0.5)
    assert judged(tiny, job, free(tiny, 0, 2, first_fraction=0.75, last_fraction=0.75), rest) == []
    more = free(tiny, 4, 7, last_fraction=0.75)
    short = judged(tiny, job, free(tiny, 0, 2, first_fraction=0.75, last_fraction=0.5), more)
    assert only(short, "min-run").amount == pytest.approx(0.25)


def test_a_run_that_ends_with_the_job_or_a_failure_may_be_short(tiny):
    job = pausable(tiny, min_run_h=3.0)
    assert judged(tiny, job, free(tiny, 0, 3), free(tiny, 5, 6)) == []
    only(judged(tiny, job, free(tiny, 0, 3), tiny.run(5, 6)), "min-run")
    assert judged(tiny, job, free(tiny, 0, 1, lost_h=1.0), free(tiny, 5, 9)) == []


def test_a_move_between_boundaries_takes_its_time(tiny):
    def moved(second, duration_h):
        job = pausable(tiny, migratable=True, checkpoint_gb=1.25 * 45_000.0, duration_h=duration_h)
        sites = (tiny.site(STEPS), tiny.site(STEPS, name="b"))
        links = (Link(between=("a", "b"), bandwidth_gbit_s=100.0),)
        return judged(tiny, job, free(tiny, 0, 2, last_fraction=0.5), second, sites=sites, links=links)

    there = free(tiny, 2, 6, site="b", first_fraction=0.25, last_fraction=0.75)
    assert moved(there, 4.5) == []
    early = only(moved(replace(there, first_fraction=0.5), 4.75), "transfer")
    assert early.amount == pytest.approx(0.25)


# the ledger


def test_the_ledger_counts_failures_and_changes_of_size(tiny):
    job = pausable(tiny, restart_loss_h=0.5)
    scenario = tiny.scenario(tiny.site(STEPS), steps=STEPS, training=(job,))

    def fraction(*segments):
        return job_outcome(scenario, job, JobSchedule(job="train", segments=segments)).horizon_fraction

    assert fraction(free(tiny, 0, 2), free(tiny, 2, 3)) == pytest.approx(0.75)
    assert fraction(free(tiny, 0, 2, lost_h=0.0), free(tiny, 2, 3)) == pytest.approx(0.625)
    assert fraction(free(tiny, 0, 2, lost_h=1.5), free(tiny, 2, 3)) == pytest.approx(0.25)
    one, other = free(tiny, 0, 2, last_fraction=0.5), free(tiny, 1, 3, first_fraction=0.5)
    assert continues(one, other)
    assert not continues(one, replace(other, fleet="new"))
    assert not continues(replace(one, frees_at_end=False), other)
    assert fraction(one, other) == pytest.approx(0.75)
    schedule = tiny.schedule(scenario, jobs={"train": [free(tiny, 0, 4, lost_h=0.5)]})
    assert settle(scenario, schedule).total("jobs", "unfinished") == 1.0
