"""Elastic jobs with fractions of accelerators, as whole ones that a job scheduler can follow."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joulewright.account import site_load
from joulewright.account.work import job_outcome
from joulewright.io.exports import schedule_document, schedule_frame
from joulewright.io.whole_sizes import whole_sizes

STEPS = 4


@pytest.fixture
def case(tiny):
    """An elastic job of 1 to 9 accelerators, 10 for reference, in each of the given sizes for one hour."""

    def make(*sizes, job=None, fleet=None, others=None):
        wanted = {"kind": "elastic", "gpus": 10, "min_gpus": 1, "max_gpus": 9, "duration_h": sum(sizes) / 10.0}
        train = tiny.job("train", **(wanted | (job or {})))
        site = tiny.site(STEPS, fleets=(tiny.fleet(STEPS, **(fleet or {})),))
        runs = {"train": [tiny.run(at, at + 1, accelerators=size) for at, size in enumerate(sizes) if size]}
        others = others or {}
        training = (train, *(job for job, _ in others.values()))
        scenario = tiny.scenario(site, steps=STEPS, training=training)
        return scenario, tiny.schedule(scenario, jobs=runs | {name: held for name, (_, held) in others.items()})

    return make


def sizes(schedule, name="train"):
    """Accelerators by step."""
    found = np.zeros(STEPS)
    for segment in schedule.jobs[name].segments:
        found[segment.first_step : segment.stop_step] = segment.accelerators
    return found.tolist()


def test_the_largest_remainders_are_raised_and_the_work_stays(case):
    """1.6 + 2.7 + 3.3 + 4.4 = 12 accelerator-hours: floors give 10, and the two largest remainders the rest."""
    scenario, schedule = case(1.6, 2.7, 3.3, 4.4)
    whole, change_h = whole_sizes(scenario, schedule)
    assert sizes(whole) == [2.0, 3.0, 3.0, 4.0]
    assert change_h == {"train": pytest.approx(0.0)}
    # Equal sizes in a row are one run.
    assert [(run.first_step, run.stop_step) for run in whole.jobs["train"].segments] == [(0, 1), (1, 3), (3, 4)]


def test_work_that_is_no_whole_number_is_rounded_up(case):
    """4.8 accelerator-hours take 5: 0.02 h more at 10 accelerators."""
    whole, change_h = whole_sizes(*case(2.4, 2.4))
    assert sizes(whole) == [3.0, 2.0, 0.0, 0.0]
    assert change_h == {"train": pytest.approx(0.02)}


def test_no_more_than_there_are(case, tiny):
    """9 accelerators have room for 3 beside the other 5; 7.9 have not, so the next hour gets the one more."""
    other = tiny.job("other", gpus=5, kind="pausable")
    others = {"other": (other, [tiny.run(0, 2, accelerators=5)])}
    whole, change_h = whole_sizes(*case(2.9, 3.1, fleet={"count": 9}, others=others))
    assert sizes(whole) == [3.0, 3.0, 0.0, 0.0]
    full = {"availability": np.array([0.79, 1.0, 1.0, 1.0]), "count": 10}
    whole, change_h = whole_sizes(*case(2.9, 3.1, fleet=full, others=others))
    assert sizes(whole) == [2.0, 4.0, 0.0, 0.0]
    assert change_h == {"train": pytest.approx(0.0)}


def test_two_jobs_that_share_one_accelerator(case, tiny):
    """1.5 and 1.5 of 3: one of them gets two, and the other two in the next hour."""
    other = tiny.job("other", kind="elastic", gpus=10, min_gpus=1, max_gpus=9, duration_h=0.3)
    others = {"other": (other, [tiny.run(0, 2, accelerators=1.5)])}
    scenario, schedule = case(1.5, 1.5, fleet={"count": 3}, others=others)
    whole, change_h = whole_sizes(scenario, schedule)
    assert (sizes(whole), sizes(whole, "other")) == ([2.0, 1.0, 0.0, 0.0], [1.0, 2.0, 0.0, 0.0])
    assert change_h == {"train": pytest.approx(0.0), "other": pytest.approx(0.0)}


def test_work_that_finds_no_room_is_told(case):
    whole, change_h = whole_sizes(*case(2.5, fleet={"count": 10, "availability": np.full(STEPS, 0.25)}))
    assert sizes(whole)[0] == 2.0
    assert change_h == {"train": pytest.approx(-0.05)}


def test_work_counts_where_the_speed_is_concave(case):
    """Accelerators 2 to 6 give 0.05 each and 7 to 9 only 0.02: floors keep 0.45 of 0.485, the first step adds 0.05."""
    curve = ((1.0, 0.1), (6.0, 0.35), (9.0, 0.41))
    scenario, schedule = case(1.5, 6.5, job={"speed": curve, "duration_h": 0.485})
    whole, change_h = whole_sizes(scenario, schedule)
    assert sizes(whole) == [2.0, 6.0, 0.0, 0.0]
    assert change_h == {"train": pytest.approx(0.45 - 0.485 + 0.05)}
    assert job_outcome(scenario, scenario.job("train"), whole.jobs["train"]).done


def test_a_partial_last_step_stays_last(case, tiny):
    scenario, _ = case(1.0)
    run = tiny.run(0, 2, accelerators=2.5, last_fraction=0.5, first_fraction=0.75, frees_at_end=True, lost_h=0.01)
    whole, _ = whole_sizes(scenario, tiny.schedule(scenario, jobs={"train": [run]}))
    first, last = whole.jobs["train"].segments
    # Short by half an accelerator in 1.25 h; one more in the first 0.75 h is enough.
    assert (first.accelerators, last.accelerators) == (3.0, 2.0)
    assert (first.first_fraction, first.last_fraction, first.frees_at_end, first.lost_h) == (0.75, 1.0, False, None)
    assert (last.first_fraction, last.last_fraction, last.frees_at_end, last.lost_h) == (1.0, 0.5, True, 0.01)


def test_what_is_whole_stays_as_it_is(case, tiny):
    scenario, schedule = case(2.0, 3.0)
    whole, change_h = whole_sizes(scenario, schedule)
    assert whole.jobs["train"] is schedule.jobs["train"]
    assert change_h == {}


def test_the_export_has_whole_accelerators_and_says_what_changed(case):
    scenario, schedule = case(2.4, 2.4)
    rows = schedule_frame(scenario, schedule).filter(record="job")
    assert rows["accelerators"].to_list() == [3.0, 2.0]
    assert rows["power_mw"].to_list() == pytest.approx([0.03, 0.02])
    document = schedule_document(scenario, schedule)
    assert [row["accelerators"] for row in document["jobs"]] == [3.0, 2.0]
    assert document["work_change_h"] == {"train": pytest.approx(0.02)}


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(1.0, 9.0).map(lambda size: round(size, 3)), min_size=1, max_size=STEPS),
    st.lists(st.floats(1.0, 9.0).map(lambda size: round(size, 3)), min_size=1, max_size=STEPS),
    st.floats(0.0, 3.0),
)
def test_whole_sizes_keep_capacity_range_and_work(tiny, first, second, spare):
    both = np.zeros(STEPS)
    both[: len(first)] += first
    both[: len(second)] += second
    jobs = [
        tiny.job(name, kind="elastic", gpus=10, min_gpus=1, max_gpus=9, duration_h=sum(held) / 10.0)
        for name, held in (("train", first), ("other", second))
    ]
    fleet = tiny.fleet(STEPS, count=20, availability=np.minimum(1.0, (both + spare) / 20.0))
    scenario = tiny.scenario(tiny.site(STEPS, fleets=(fleet,)), steps=STEPS, training=tuple(jobs))
    runs = {
        job.name: [tiny.run(at, at + 1, accelerators=size) for at, size in enumerate(held)]
        for job, held in zip(jobs, (first, second), strict=True)
    }
    whole, change_h = whole_sizes(scenario, tiny.schedule(scenario, jobs=runs))
    used = site_load(scenario, whole, scenario.sites[0]).accelerators_in_use["gpus"]
    assert np.all(used <= fleet.available + 1e-6)
    for job, held in zip(jobs, (first, second), strict=True):
        found = np.array(sizes(whole, job.name))
        assert np.all(found == np.rint(found))
        assert np.all((found == 0) == (np.arange(STEPS) >= len(held)))
        assert np.all(found[: len(held)] >= 1)
        assert found.max() <= 9
        change = float(found.sum() - np.sum(held)) / 10.0
        assert change == pytest.approx(change_h.get(job.name, 0.0), abs=1e-6)
        assert change < 0.1
        if spare >= 2.0:
            assert change > -1e-6


def test_serving_keeps_its_accelerators(tiny):
    """8 of 10 serve, so 1.5 accelerators become one in the first hour and two in the next."""
    from joulewright.model import Region

    job = tiny.job("train", kind="elastic", gpus=10, min_gpus=1, max_gpus=9, duration_h=0.3)
    scenario = tiny.scenario(
        tiny.site(2, fleets=(tiny.fleet(2, count=10),)),
        training=(job,),
        inference=(tiny.service(2),),
        regions=(Region(name="west", latency_ms={"a": 9.0}),),
    )
    schedule = tiny.schedule(
        scenario,
        jobs={"train": [tiny.run(0, 2, accelerators=1.5)]},
        services={"chat": {("west", "a", "gpus"): [8.5e3, 0.0]}},
    )
    whole, _ = whole_sizes(scenario, replace(schedule, planner="hand"))
    assert [run.accelerators for run in whole.jobs["train"].segments] == [1.0, 2.0]
