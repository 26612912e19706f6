"""Limits of jobs and inference: a valid schedule, then every limit broken in turn: exactly its family is reported."""

from __future__ import annotations

import pytest

from joulewright.check import violations
from joulewright.model import Link, Region

STEPS = 12


def judged(tiny, job, *segments, sites=None, **changes):
    """Violations of a scenario with this one job whose segments are given."""
    scenario = tiny.scenario(*(sites or (tiny.site(STEPS),)), steps=STEPS, training=(job,), **changes)
    return violations(scenario, tiny.schedule(scenario, jobs={job.name: segments}))


def only(found, constraint):
    (violation,) = found
    assert violation.constraint == constraint, violation
    return violation


def two_sites(tiny):
    return tiny.site(STEPS), tiny.site(STEPS, name="b")


# assignment and window


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"mandatory": True}, "is mandatory"),
        ({"value": 0.0}, "has no value to lose"),
    ],
)
def test_a_required_job_may_not_be_rejected(tiny, changes, reason):
    assert reason in only(judged(tiny, tiny.job(**changes)), "assignment").message
    assert judged(tiny, tiny.job()) == []


def test_a_running_job_may_not_be_rejected_unless_nothing_is_left(tiny):
    job = tiny.job(duration_h=5.0, running_since=tiny.at(-3.0), site="a")
    assert "runs already" in only(judged(tiny, job), "assignment").message
    assert judged(tiny, tiny.job(duration_h=3.0, running_since=tiny.at(-3.0), site="a")) == []


def test_window(tiny):
    job = tiny.job(duration_h=3.0, release=tiny.at(1.5), deadline=tiny.at(7.5))
    assert judged(tiny, job, tiny.run(2, 5)) == []
    assert judged(tiny, job, tiny.run(4, 7)) == []
    early = only(judged(tiny, job, tiny.run(1, 4)), "window")
    assert early.message == "First step of train is 1 steps at 2022-07-04T01:00; the least allowed is 2 steps"
    assert only(judged(tiny, job, tiny.run(5, 8)), "window").amount == 1.0


def test_only_rigid_jobs_with_leave_may_run_beyond_the_horizon(tiny):
    run = tiny.run(STEPS - 1, STEPS + 1)
    assert judged(tiny, tiny.job(duration_h=2.0, beyond=True), run) == []
    only(judged(tiny, tiny.job(duration_h=2.0), run), "window")
    only(judged(tiny, tiny.job(duration_h=2.0, beyond=True, kind="pausable"), run), "window")
    only(judged(tiny, tiny.job(duration_h=2.0, beyond=True, deadline=tiny.at(12.0)), run), "window")


def test_pinned_and_running_jobs(tiny):
    pinned = tiny.job(start=tiny.at(2.5))
    assert judged(tiny, pinned, tiny.run(3, 4)) == []
    only(judged(tiny, pinned, tiny.run(4, 5)), "pinned")
    running = tiny.job(duration_h=5.0, running_since=tiny.at(-3.0), site="a", release=tiny.at(2.0))
    assert judged(tiny, running, tiny.run(0, 2)) == []
    only(judged(tiny, running, tiny.run(1, 3)), "pinned")


# place, size and continuity


def test_eligible_sites_and_fleets(tiny):
    run = tiny.run(0, 1, site="b")
    assert judged(tiny, tiny.job(sites=("a", "b")), run, sites=two_sites(tiny)) == []
    elsewhere = only(judged(tiny, tiny.job(sites=("a",)), run, sites=two_sites(tiny)), "eligibility")
    assert "allowed sites are ['a']" in elsewhere.message
    only(judged(tiny, tiny.job(site="a"), run, sites=two_sites(tiny)), "eligibility")


def test_a_fleet_that_is_too_small(tiny):
    site = tiny.site(STEPS, fleets=(tiny.fleet(STEPS, count=30),))
    found = {violation.constraint for violation in judged(tiny, tiny.job(), tiny.run(0, 1), sites=(site,))}
    assert found == {"eligibility", "capacity"}


def test_a_rigid_job_runs_once_for_its_whole_length(tiny):
    job = tiny.job(duration_h=2.5)
    assert judged(tiny, job, tiny.run(3, 6, last_fraction=0.5)) == []
    only(judged(tiny, job, tiny.run(0, 2), tiny.run(2, 3, last_fraction=0.5)), "continuity")
    assert only(judged(tiny, job, tiny.run(3, 5)), "duration").unit == "steps"
    assert only(judged(tiny, job, tiny.run(3, 7)), "duration").amount == 1.0
    power = only(judged(tiny, job, tiny.run(3, 6)), "duration")
    assert (power.unit, power.amount) == ("h", pytest.approx(0.5))


def test_a_rigid_job_holds_exactly_its_size(tiny):
    assert only(judged(tiny, tiny.job(), tiny.run(0, 1, accelerators=41.0)), "size").amount == 1.0
    assert only(judged(tiny, tiny.job(), tiny.run(0, 1, accelerators=39.0)), "size").amount == 1.0


def test_speed_of_the_accelerator_sets_the_length(tiny):
    job = tiny.job(duration_h=3.0, accelerator_speed={"H100-SXM": 2.0})
    assert judged(tiny, job, tiny.run(0, 2, last_fraction=0.5)) == []


# pausable


def pausable(tiny, **changes):
    return tiny.job(kind="pausable", **({"duration_h": 4.0} | changes))


def test_pausable_work_adds_up(tiny):
    assert judged(tiny, pausable(tiny), tiny.run(0, 1), tiny.run(3, 6)) == []
    assert only(judged(tiny, pausable(tiny), tiny.run(0, 3)), "duration").amount == pytest.approx(1.0)
    surplus = only(judged(tiny, pausable(tiny), tiny.run(0, 5)), "duration")
    assert "last step is not needed" in surplus.message


def test_restarts_lose_work(tiny):
    job = pausable(tiny, restart_loss_h=0.5)
    assert only(judged(tiny, job, tiny.run(0, 2), tiny.run(3, 5)), "duration").amount == pytest.approx(0.5)
    assert judged(tiny, job, tiny.run(0, 2), tiny.run(3, 6)) == []
    assert judged(tiny, job, tiny.run(0, 2), tiny.run(2, 4)) == []  # goes on without a break


def test_shortest_run(tiny):
    job = pausable(tiny, min_run_h=1.5)
    assert judged(tiny, job, tiny.run(0, 2), tiny.run(4, 6)) == []
    assert judged(tiny, job, tiny.run(0, 1), tiny.run(1, 2), tiny.run(4, 6)) == []
    assert only(judged(tiny, job, tiny.run(0, 3), tiny.run(4, 5)), "min-run").when == "2022-07-04T04:00"
    assert judged(tiny, pausable(tiny, duration_h=1.0, min_run_h=3.0), tiny.run(2, 3)) == []


def test_hours_before_the_horizon_count_for_the_first_run(tiny):
    job = pausable(tiny, duration_h=6.0, min_run_h=4.0, running_since=tiny.at(-3.0), site="a")
    assert judged(tiny, job, tiny.run(0, 3)) == []
    found = {violation.constraint for violation in judged(tiny, job, tiny.run(0, 1), tiny.run(2, 4))}
    assert found == {"min-run"}


def test_one_job_does_not_run_twice_at_a_time(tiny):
    found = judged(tiny, pausable(tiny), tiny.run(0, 3), tiny.run(2, 3))
    assert [violation.constraint for violation in found] == ["overlap"]


# migration


def moving(tiny, *segments, gb=45_000.0, links=None, **changes):
    job = pausable(tiny, migratable=True, checkpoint_gb=gb, **changes)
    wide = (Link(between=("b", "a"), bandwidth_gbit_s=100.0),)
    return judged(tiny, job, *segments, sites=two_sites(tiny), links=wide if links is None else links)


def test_a_job_stays_at_its_site_unless_migratable(tiny):
    segments = (tiny.run(0, 2), tiny.run(4, 6, site="b"))
    only(judged(tiny, pausable(tiny), *segments, sites=two_sites(tiny)), "single-site")
    assert moving(tiny, *segments) == []


def test_state_moves_over_a_link_and_takes_time(tiny):
    # 45 000 GB at 100 Gbit/s are exactly one hour
    assert moving(tiny, tiny.run(0, 2), tiny.run(3, 5, site="b")) == []
    fast = only(moving(tiny, tiny.run(0, 2), tiny.run(2, 4, site="b")), "transfer")
    assert (fast.amount, fast.when) == (1.0, "2022-07-04T02:00")
    assert only(moving(tiny, tiny.run(0, 2), tiny.run(3, 5, site="b"), gb=45_001.0), "transfer").amount == 1.0
    assert "no link" in only(moving(tiny, tiny.run(0, 2), tiny.run(3, 5, site="b"), links=()), "transfer").message


def test_work_on_a_faster_fleet_counts_more(tiny):
    fleets = (tiny.fleet(STEPS), tiny.fleet(STEPS, "new", accelerator="B200-SXM"))
    job = pausable(tiny, accelerator_speed={"B200-SXM": 2.0})
    site = tiny.site(STEPS, fleets=fleets)
    assert judged(tiny, job, tiny.run(0, 2), tiny.run(3, 4, fleet="new"), sites=(site,)) == []
    assert judged(tiny, job, tiny.run(0, 1, fleet="new"), tiny.run(3, 5), sites=(site,)) == []


# elastic


def elastic(tiny, **changes):
    curve = ((20.0, 0.6), (40.0, 1.0), (80.0, 1.5))
    return tiny.job(kind="elastic", **({"duration_h": 3.0, "min_gpus": 20, "max_gpus": 80, "speed": curve} | changes))


def test_elastic_work_follows_the_concave_curve(tiny):
    assert judged(tiny, elastic(tiny), tiny.run(0, 2, accelerators=80.0)) == []
    assert judged(tiny, elastic(tiny), tiny.run(0, 1, accelerators=60.0), tiny.run(1, 3, accelerators=36.0)) == []
    assert only(judged(tiny, elastic(tiny), tiny.run(0, 3, accelerators=30.0)), "duration").amount == pytest.approx(0.6)
    only(judged(tiny, elastic(tiny), tiny.run(0, 3, accelerators=80.0)), "duration")


def test_elastic_size_stays_in_its_range(tiny):
    found = judged(tiny, elastic(tiny), tiny.run(0, 5, accelerators=19.0))
    assert only(found, "size").message.endswith("the least allowed is 20 accelerators")
    assert only(judged(tiny, elastic(tiny), tiny.run(0, 2, accelerators=81.0)), "size").amount == 1.0


def test_elastic_restarts_lose_work(tiny):
    job = elastic(tiny, restart_loss_h=0.5)
    segments = (tiny.run(0, 1, accelerators=80.0), tiny.run(2, 3, accelerators=80.0))
    assert only(judged(tiny, job, *segments), "duration").amount == pytest.approx(0.5)
    resized = (tiny.run(0, 1, accelerators=80.0), tiny.run(1, 3, accelerators=30.0))
    assert judged(tiny, job, *resized) == []


# accelerators and IT power


def test_accelerator_capacity(tiny):
    jobs = tuple(tiny.job(name) for name in ("one", "two", "three"))
    fleet = tiny.fleet(STEPS, availability=[1.0, 0.7] + [1.0] * (STEPS - 2))
    scenario = tiny.scenario(tiny.site(STEPS, fleets=(fleet,)), steps=STEPS, training=jobs)

    def judge(**starts):
        return violations(scenario, tiny.schedule(scenario, jobs={k: [tiny.run(v, v + 1)] for k, v in starts.items()}))

    assert judge(one=0, two=0, three=1) == []
    full = only(judge(one=0, two=0, three=0), "capacity")
    assert (full.where, full.amount) == ("a/gpus", pytest.approx(20.0))
    assert only(judge(one=1, two=1), "capacity").when == "2022-07-04T01:00"


def test_it_limit(tiny):
    # 40 active and 60 idle accelerators draw 0.46 MW
    for limit, expected in ((0.46, []), (0.45, ["it-limit"])):
        found = judged(tiny, tiny.job(), tiny.run(0, 1), sites=(tiny.site(STEPS, it_limit_mw=limit),))
        assert [violation.constraint for violation in found] == expected


def test_the_last_fraction_lowers_it_power(tiny):
    site = tiny.site(STEPS, it_limit_mw=[1.0, 0.26] + [1.0] * (STEPS - 2))
    run = tiny.run(0, 2, last_fraction=0.5)
    assert judged(tiny, tiny.job(duration_h=1.5), run, sites=(site,)) == []


# inference


def served(tiny, rates, *, regions=None, sites=None, hosts=None, **service):
    regions = regions or (Region(name="west", latency_ms={"a": 10.0, "b": 40.0}),)
    scenario = tiny.scenario(
        *(sites or two_sites(tiny)),
        steps=STEPS,
        regions=regions,
        inference=(tiny.service(STEPS, sites=hosts, **service),),
    )
    return scenario, tiny.schedule(scenario, services={"chat": rates})


def test_demand_is_met_or_unserved_at_a_price(tiny):
    assert violations(*served(tiny, {("west", "a", "gpus"): 1e4, ("west", "b", "gpus"): 1e4})) == []
    short = {("west", "a", "gpus"): [1e4] + [2e4] * (STEPS - 1)}
    violation = only(violations(*served(tiny, short)), "unserved")
    assert (violation.where, violation.amount) == ("chat/west", pytest.approx(1e4))
    assert violations(*served(tiny, short, unserved_penalty_per_mtoken=4.0)) == []


def test_demand_must_add_up(tiny):
    scenario, schedule = served(tiny, {("west", "a", "gpus"): 2e4})
    schedule.services["chat"].unserved_token_s["west"][3] = -100.0
    schedule.services["chat"].served_token_s[0, 3] += 200.0
    found = {violation.constraint for violation in violations(scenario, schedule)}
    assert found == {"demand", "sign", "balance"}
    schedule.services["chat"].served_token_s[0, 3] -= 100.0
    found = {violation.constraint for violation in violations(scenario, schedule)}
    assert found == {"sign", "balance"}


def test_a_service_without_routes(tiny):
    assert only(violations(*served(tiny, {})), "unserved").steps == STEPS
    assert violations(*served(tiny, {}, demand=0.0)) == []


@pytest.mark.parametrize(
    ("region", "service", "reason"),
    [
        ({"latency_ms": {"a": 10.0, "b": 40.0}}, {"latency_limit_ms": 30.0}, "40 ms is above the limit of 30 ms"),
        ({"latency_ms": {"a": 10.0}}, {}, "gives no latency to that site"),
        ({"latency_ms": {"a": 10.0, "b": 40.0}, "residency": ("a",)}, {}, "must stay at ['a']"),
        ({"latency_ms": {"a": 10.0, "b": 40.0}}, {"hosts": ("a",)}, "hosted at ['a']"),
    ],
)
def test_routing_only_over_allowed_pairs(tiny, region, service, reason):
    regions = (Region(name="west", **region),)
    assert violations(*served(tiny, {("west", "a", "gpus"): 2e4}, regions=regions, **service)) == []
    far = violations(*served(tiny, {("west", "b", "gpus"): 2e4}, regions=regions, **service))
    violation = only(far, "routing")
    assert violation.message.endswith(reason)
    unused = {("west", "a", "gpus"): 2e4, ("west", "b", "gpus"): 0.0}
    assert violations(*served(tiny, unused, regions=regions, **service)) == []


def test_serving_uses_accelerators(tiny):
    site = tiny.site(STEPS, fleets=(tiny.fleet(STEPS, count=19),))
    violation = only(
        violations(
            *served(
                tiny,
                {("west", "a", "gpus"): 2e4},
                sites=(site,),
                regions=(Region(name="west", latency_ms={"a": 10.0}),),
            )
        ),
        "capacity",
    )
    assert violation.amount == pytest.approx(1.0)


def test_served_rates_are_not_negative(tiny):
    rates = {("west", "a", "gpus"): 3e4, ("west", "b", "gpus"): -1e4}
    only(violations(*served(tiny, rates)), "sign")
