"""Flat solver inputs: numbering, grouping of equal jobs, routes of equal options."""

from __future__ import annotations

import pytest

from joulewright.model import JobSchedule, Region, Schedule, Segment
from joulewright.plan.inputs import build_inputs


def two_sites(tiny, steps=6, **changes):
    big = tiny.site(steps, name="a", fleets=(tiny.fleet(steps), tiny.fleet(steps, name="spare", count=10)))
    return tiny.scenario(big, tiny.site(steps, name="b"), steps=steps, **changes)


def groups(tiny, *jobs, **options):
    return build_inputs(two_sites(tiny, training=jobs), **options).rigid


def regions(**latencies):
    return tuple(Region(name=name, latency_ms={"a": one, "b": other}) for name, (one, other) in latencies.items())


def test_fleets_are_numbered_in_file_order(tiny):
    inputs = build_inputs(two_sites(tiny))
    assert [(index.position, index.site_position, index.fleet.name) for index in inputs.fleets] == [
        (0, 0, "gpus"),
        (1, 0, "spare"),
        (2, 1, "gpus"),
    ]
    assert [index.position for index in inputs.site_fleets(0)] == [0, 1]
    assert (inputs.steps, inputs.step_h, inputs.step_label(1)) == (6, 1.0, "2022-07-04T01:00")


def test_jobs_that_differ_in_name_only_are_one_group(tiny):
    found = groups(tiny, tiny.job("x"), tiny.job("y", gpus=8), tiny.job("z"))
    assert [group.names for group in found] == [("x", "z"), ("y",)]
    assert [group.count for group in found] == [2, 1]


@pytest.mark.parametrize(
    "change", [{"value": 501.0}, {"duration_h": 2.0}, {"sites": ("a",)}, {"delay_cost_per_h": 1.0}, {"beyond": True}]
)
def test_any_other_difference_keeps_jobs_apart(tiny, change):
    assert len(groups(tiny, tiny.job("x"), tiny.job("y", **change))) == 2


def test_divisible_jobs_are_never_grouped(tiny):
    jobs = [tiny.job(name, kind="pausable") for name in "xy"]
    inputs = build_inputs(two_sites(tiny, training=tuple(jobs)))
    assert inputs.rigid == ()
    assert [group.names for group in inputs.divisible] == [("x",), ("y",)]


def test_placements_are_the_fleets_that_are_large_enough_and_allowed(tiny):
    anywhere, small, pinned = groups(tiny, tiny.job("x"), tiny.job("y", gpus=10), tiny.job("z", gpus=10, site="b"))
    assert [place.fleet.position for place in anywhere.placements] == [0, 2]
    assert [place.fleet.position for place in small.placements] == [0, 1, 2]
    assert [place.fleet.position for place in pinned.placements] == [2]


def test_starts_steps_and_the_last_fraction(tiny):
    (group,) = groups(tiny, tiny.job(duration_h=2.25, release=tiny.at(0.5), deadline=tiny.at(5.5)))
    place = group.placements[0]
    # Released at 00:30: first start 01:00. Three steps must end by 05:00: last start 02:00.
    assert list(place.starts) == [1, 2]
    assert (place.steps, place.last_fraction) == (3, pytest.approx(0.25))
    assert place.power_mw == 0.01


def test_a_whole_number_of_steps_draws_the_whole_last_step(tiny):
    (group,) = groups(tiny, tiny.job(duration_h=3.0 * (1.0 - 1e-12)))
    assert group.placements[0].last_fraction == 1.0


def test_a_faster_accelerator_takes_fewer_steps(tiny):
    (group,) = groups(tiny, tiny.job(duration_h=4.0, accelerator_speed={"H100-SXM": 2.0}))
    assert group.placements[0].steps == 2


def test_a_rigid_job_that_cannot_end_in_time_has_no_placement(tiny):
    (group,) = groups(tiny, tiny.job(duration_h=4.0, deadline=tiny.at(3.0)))
    assert group.placements == ()


def previous(site="a", step=2, name="x"):
    segment = Segment(site=site, fleet="gpus", first_step=step, stop_step=step + 1, accelerators=40.0)
    return Schedule(planner="before", jobs={name: JobSchedule(job=name, segments=(segment,))}, services={}, sites={})


def test_a_previous_place_splits_a_group_only_at_a_price(tiny):
    jobs = (tiny.job("x"), tiny.job("y"))
    assert len(groups(tiny, *jobs, previous=previous())) == 1
    kept, free = groups(tiny, *jobs, previous=previous(), churn_cost=5.0)
    assert (kept.names, kept.before) == (("x",), ("a", "gpus", 2))
    assert (free.names, free.before) == (("y",), None)


def test_a_job_rejected_before_has_no_previous_place(tiny):
    before = Schedule(planner="before", jobs={"x": JobSchedule(job="x")}, services={}, sites={})
    (group,) = groups(tiny, tiny.job("x"), previous=before, churn_cost=5.0)
    assert group.before is None


def routed(tiny, latencies, **changes):
    service = tiny.service(6, demand_token_s={name: tiny.series(100.0, 6) for name in latencies}, **changes)
    scenario = two_sites(tiny, regions=regions(**latencies), inference=(service,))
    return [(route.regions, [f.position for f in route.fleets]) for route in build_inputs(scenario).routes]


def test_regions_with_equal_options_are_one_route(tiny):
    latencies = {"north": (10.0, 90.0), "mid": (40.0, 40.0), "south": (20.0, 80.0)}
    assert routed(tiny, latencies, latency_limit_ms=50.0) == [(("north", "south"), [0, 1]), (("mid",), [0, 1, 2])]


def test_hosting_and_residency_limit_the_options(tiny):
    assert routed(tiny, {"west": (10.0, 20.0)}, sites=("b",)) == [(("west",), [2])]
    service = tiny.service(6)
    home = (Region(name="west", latency_ms={"a": 1.0, "b": 1.0}, residency=("a",)),)
    (route,) = build_inputs(two_sites(tiny, regions=home, inference=(service,))).routes
    assert {index.site.name for index in route.fleets} == {"a"}


def test_a_region_that_reaches_nothing_is_a_route_without_fleets(tiny):
    assert routed(tiny, {"far": (200.0, 300.0)}, latency_limit_ms=50.0) == [(("far",), [])]
