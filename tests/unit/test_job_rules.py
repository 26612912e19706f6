"""Job rules on one or two sites, worked by hand.

The tiny site has 100 accelerators of 10 kW (1 kW idle) behind a PUE of 1.5; a grid of 100 MW carries anything unless a
test says otherwise. Rules wait for nothing but money: ``margin_fraction=0`` switches their margin off.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from joulewright.errors import PolicyError
from joulewright.model import CarbonPolicy, Link, Region
from joulewright.policy.effect import after_actions
from joulewright.policy.observation import JobObservation
from joulewright.policy.registry import make
from joulewright.testing.observations import facts_of, observe

STEPS = 24
EXACT = ":margin_fraction=0"


@pytest.fixture
def world(tiny):
    """A scenario of one site with the given prices, carbon and jobs."""

    def build(*jobs, prices=50.0, carbon=400.0, steps=STEPS, services=(), grid=None, site=None, **changes):
        connection = tiny.grid(steps, carbon=carbon, import_price_per_mwh=prices, **(grid or {}))
        place = tiny.site(steps, grid=connection, **(site or {}))
        regions = (Region(name="west", latency_ms={"a": 5.0}),) if services else ()
        return tiny.scenario(place, steps=steps, training=jobs, inference=services, regions=regions, **changes)

    return build


def actions(rule, scenario, step=0, jobs=None, state=None, **changes):
    """What the rule does, as {job: (kind, site, accelerators)}."""
    made = make(rule)
    seen = observe(scenario, step, jobs=jobs, **changes)
    found, _ = made.step(made.init(facts_of(scenario)) if state is None else state, seen)
    return {action.job: (action.kind, action.site, action.accelerators) for action in found}


def item(job, status="running", *, left=None, site="a", size=None, for_h=5.0):
    begun = status != "waiting"
    return JobObservation(
        job=job,
        status=status,
        remaining_h=job.duration_h if left is None else left,
        site=site if begun else None,
        fleet="gpus" if begun else None,
        accelerators=(job.gpus if size is None else size) if status == "running" else 0.0,
        status_h=for_h,
    )


def cheap_at(*hours, low=10.0, high=50.0):
    prices = np.full(STEPS, high)
    prices[list(hours)] = low
    return prices


STARTS = ("start", "a", None)

# First fit and earliest deadline


def test_first_fit_starts_what_fits_in_order_of_release(world, tiny):
    jobs = [tiny.job("b", gpus=60), tiny.job("a", gpus=60, release=tiny.at(1)), tiny.job("c", gpus=40)]
    found = actions("first-fit", world(*jobs), step=1)
    assert found == {"b": STARTS, "c": STARTS}


def test_a_later_job_may_not_delay_an_earlier_one(world, tiny):
    running = item(tiny.job("runs", gpus=50, duration_h=3.0))
    large, long = tiny.job("large", gpus=80, duration_h=2.0), tiny.job("long", gpus=50, release=tiny.at(1))
    for duration, starts in ((2.0, True), (4.0, False)):  # large may start at 3 h: a job that ends by then may pass it
        late = replace(long, duration_h=duration)
        waiting = [item(large, "waiting"), item(late, "waiting")]
        found = actions("first-fit", world(running.job, large, late), step=1, jobs=[running, *waiting])
        assert found == ({"long": STARTS} if starts else {})


def test_first_fit_keeps_what_runs_and_earliest_deadline_does_not(world, tiny):
    runs = tiny.job("runs", kind="pausable", gpus=80, duration_h=4.0)
    urgent = tiny.job("urgent", gpus=80, duration_h=2.0, release=tiny.at(1), deadline=tiny.at(6))
    scenario, jobs = world(runs, urgent), [item(runs), item(urgent, "waiting")]
    assert actions("first-fit", scenario, step=1, jobs=jobs) == {}
    found = actions("earliest-deadline", scenario, step=1, jobs=jobs)
    assert found == {"runs": ("pause", None, None), "urgent": STARTS}


def test_a_young_run_is_not_paused(world, tiny):
    runs = tiny.job("runs", kind="pausable", gpus=80, duration_h=4.0, min_run_h=6.0)
    urgent = tiny.job("urgent", gpus=80, duration_h=2.0, release=tiny.at(1), deadline=tiny.at(6))
    jobs = [item(runs, for_h=3.0), item(urgent, "waiting")]
    assert actions("earliest-deadline", world(runs, urgent), step=1, jobs=jobs) == {}


def test_required_jobs_come_first(world, tiny):
    optional = tiny.job("optional", gpus=80, deadline=tiny.at(4))
    must = tiny.job("must", gpus=80, mandatory=True, release=tiny.at(1))
    for rule in ("first-fit", "earliest-deadline"):
        assert actions(rule, world(optional, must), step=1) == {"must": STARTS}


def test_an_elastic_job_takes_what_is_left(world, tiny):
    grows = tiny.job("grows", kind="elastic", gpus=40, min_gpus=20, max_gpus=90, duration_h=8.0)
    fixed = tiny.job("fixed", gpus=45)
    assert actions("first-fit", world(fixed, grows)) == {"fixed": STARTS, "grows": ("start", "a", 55.0)}
    jobs = [item(fixed), item(grows, size=30.0)]
    assert actions("first-fit", world(fixed, grows), jobs=jobs) == {"grows": ("resize", None, 55.0)}
    large = tiny.job("large", gpus=85)
    assert actions("first-fit", world(large, grows), jobs=[item(large), item(grows, size=30.0)]) == {
        "grows": ("pause", None, None)
    }


def test_a_faster_fleet_ends_a_job_earlier(tiny):
    slow, fast = tiny.fleet(STEPS, "slow"), tiny.fleet(STEPS, "fast", accelerator="B200")
    site = tiny.site(STEPS, grid=tiny.grid(STEPS), fleets=(slow, fast))
    job = tiny.job(duration_h=4.0, accelerator_speed={"B200": 2.0})
    made, scenario = make("first-fit"), tiny.scenario(site, steps=STEPS, training=(job,))
    found, _ = made.step(made.init(facts_of(scenario)), observe(scenario))
    assert found[0].fleet == "fast"


def test_nothing_to_decide_takes_no_forecast(world, tiny):
    job = tiny.job()
    assert actions("first-fit", world(job), jobs=[item(job)], forecast=object()) == {}
    assert actions("cheapest-window", world(), forecast=object()) == {}


# Serving and power


def test_training_leaves_free_what_serving_is_expected_to_need(world, tiny):
    # At hour 3 demand takes 70 of 100 accelerators.
    demand = np.full(STEPS, 2e4)
    demand[3] = 7e4
    service = tiny.service(STEPS, demand=demand)
    for duration, starts in ((3.0, True), (4.0, False)):
        job = tiny.job(duration_h=duration, deadline=tiny.at(duration + 1.5))
        assert actions("first-fit", world(job, services=(service,))) == ({"train": STARTS} if starts else {})


def test_a_pausable_job_gives_way_to_serving(world, tiny):
    job = tiny.job(kind="pausable", duration_h=4.0)
    service = tiny.service(STEPS, demand=np.r_[7e4, np.full(STEPS - 1, 2e4)])
    assert actions("first-fit", world(job, services=(service,)), jobs=[item(job)]) == {"train": ("pause", None, None)}


def test_no_job_starts_that_the_site_cannot_carry(world, tiny):
    # Idle 0.15 MW; 40 accelerators add 40 x 9 kW x 1.5 = 0.54 MW.
    for limit, starts in ((0.7, True), (0.68, False)):
        scenario = world(tiny.job(), grid={"import_limit_mw": limit})
        assert actions("first-fit", scenario) == ({"train": STARTS} if starts else {})
    # The IT limit counts all IT power: 0.1 + 0.36 MW.
    for limit, starts in ((0.47, True), (0.45, False)):
        assert actions("first-fit", world(tiny.job(), site={"it_limit_mw": limit})) == (
            {"train": STARTS} if starts else {}
        )


def test_generators_and_the_sun_count_as_supply(world, tiny):
    little = {"import_limit_mw": 0.3}
    assert actions("first-fit", world(tiny.job(), grid=little)) == {}
    generator = {"generators": (tiny.generator(STEPS, capacity_mw=0.5),)}
    assert actions("first-fit", world(tiny.job(), grid=little, site=generator)) == {"train": STARTS}
    sun = {"renewables": (tiny.plant(np.r_[1.0, np.zeros(STEPS - 1)], STEPS, capacity_mw=1.0),)}
    assert actions("first-fit", world(tiny.job(), grid=little, site=sun)) == {"train": STARTS}
    assert actions("first-fit", world(tiny.job(duration_h=2.0), grid=little, site=sun)) == {}


def test_a_required_job_starts_even_where_power_is_short(world, tiny):
    scenario = world(tiny.job(mandatory=True), grid={"import_limit_mw": 0.3})
    assert actions("first-fit", scenario) == {"train": STARTS}
    full = tiny.job("full", gpus=80)
    must = tiny.job(mandatory=True)
    held = world(full, must, grid={"import_limit_mw": 0.3})
    assert actions("first-fit", held, jobs=[item(full), item(must, "waiting")]) == {}


def test_between_steps_what_routes_reserve_is_taken(world, tiny):
    scenario = world(tiny.job())
    assert actions("first-fit", scenario, sites={"a": {"free_accelerators": {"gpus": 30.0}}}) == {}
    assert make("first-fit:between_ticks=true").between_ticks
    assert not make("first-fit").between_ticks


# Jobs that cannot end any more


def test_a_hopeless_job_is_rejected_unless_it_is_required(world, tiny):
    late = {"duration_h": 5.0, "deadline": tiny.at(4.0)}
    assert actions("first-fit", world(tiny.job(**late))) == {"train": ("reject", None, None)}
    assert actions("first-fit", world(tiny.job(**late, mandatory=True))) == {"train": STARTS}


def test_a_hopeless_job_that_has_begun_stays_paused(world, tiny):
    job = tiny.job(kind="pausable", duration_h=5.0, deadline=tiny.at(4.0))
    assert actions("cheapest-window", world(job), jobs=[item(job)]) == {"train": ("pause", None, None)}
    assert actions("cheapest-window", world(job), jobs=[item(job, "paused")]) == {}
    must = replace(job, mandatory=True)
    assert actions("cheapest-window", world(must), jobs=[item(must)]) == {}
    assert actions("cheapest-window", world(must), jobs=[item(must, "paused")]) == {"train": STARTS}


def test_the_end_of_the_horizon_is_a_deadline_unless_a_job_may_pass_it(world, tiny):
    job = tiny.job(duration_h=30.0, deadline=tiny.at(48.0))
    assert actions("first-fit", world(job)) == {"train": ("reject", None, None)}
    assert actions("first-fit", world(replace(job, beyond=True))) == {"train": STARTS}


def test_an_optional_divisible_job_without_a_whole_plan_runs_while_it_fits(world, tiny):
    # The sun carries it now only; it could end in time, but nothing says that it will.
    sun = {"renewables": (tiny.plant(np.r_[1.0, np.zeros(STEPS - 1)], STEPS, capacity_mw=1.0),)}
    job = tiny.job(kind="pausable", duration_h=4.0)
    scenario = world(job, grid={"import_limit_mw": 0.3}, site=sun)
    assert actions("cheapest-window", scenario) == {"train": STARTS}


# Windows


def test_cheapest_window_waits_for_the_cheapest_start(world, tiny):
    scenario = world(tiny.job(duration_h=2.0, deadline=tiny.at(8.0)), prices=cheap_at(3, 4))
    found = [actions("cheapest-window" + EXACT, scenario, step) for step in range(4)]
    assert found == [{}, {}, {}, {"train": STARTS}]


def test_the_margin_keeps_the_last_hours_free(world, tiny):
    scenario = world(tiny.job(deadline=tiny.at(10.0)), prices=cheap_at(5, 9, high=50.0, low=10.0) - np.arange(STEPS))
    assert actions("cheapest-window" + EXACT, scenario, 5) == {}
    assert actions("cheapest-window:margin_fraction=0.4", scenario, 5) == {"train": STARTS}  # 3 of 5 h are used


def test_slack_used_up_forces_the_start(world, tiny):
    scenario = world(tiny.job(duration_h=2.0, deadline=tiny.at(4.0)), prices=cheap_at(10, 11))
    assert actions("cheapest-window" + EXACT, scenario, 2) == {"train": STARTS}


def test_carbon_and_money_choose_differently(world, tiny):
    carbon = np.full(STEPS, 400.0)
    carbon[2] = 100.0
    scenario = world(tiny.job(deadline=tiny.at(6.0)), prices=cheap_at(4), carbon=carbon)
    starts = {}
    for rule in ("cheapest-window", "carbon-window", "cost-carbon-weight", "cost-carbon-weight"):
        # Saving 40 of money against 300 kg: equal at 133 per t.
        for price in (130.0, 137.0) if rule == "cost-carbon-weight" else (None,):
            text = rule + EXACT + (f",carbon_price_per_t={price}" if price else "")
            starts[rule, price] = next(step for step in range(6) if actions(text, scenario, step))
    assert starts == {
        ("cheapest-window", None): 4,
        ("carbon-window", None): 2,
        ("cost-carbon-weight", 130.0): 4,
        ("cost-carbon-weight", 137.0): 2,
    }


def test_the_carbon_price_of_the_scenario_counts_as_money(world, tiny):
    carbon = np.full(STEPS, 400.0)
    carbon[2] = 100.0
    job = tiny.job(deadline=tiny.at(6.0))
    for price, starts in ((130.0, False), (137.0, True)):
        scenario = world(job, prices=cheap_at(4), carbon=carbon).with_changes(carbon=CarbonPolicy(price_per_t=price))
        assert bool(actions("cheapest-window" + EXACT, scenario, 2)) is starts


def test_delay_costs_count(world, tiny):
    # Waiting two hours saves 40 x 0.6 MWh x ... = 0.54 MWh x 40 = 21.6.
    for delay, waits in ((10.0, True), (11.0, False)):
        job = tiny.job(deadline=tiny.at(6.0), delay_cost_per_h=delay)
        found = actions("cheapest-window" + EXACT, world(job, prices=cheap_at(2)))
        assert found == ({} if waits else {"train": STARTS})


def test_surplus_costs_what_its_export_would_earn(world, tiny):
    # 2 MW of sun at noon would earn 30; the grid asks 50, and 20 at hour 2.
    sun = {"renewables": (tiny.plant(np.eye(STEPS)[4], STEPS, capacity_mw=2.0),)}
    for export, hour in ((30.0, 2), (10.0, 4), (-5.0, 4)):
        scenario = world(
            tiny.job(deadline=tiny.at(6.0)),
            prices=cheap_at(2, low=20.0),
            site=sun,
            grid={"export_price_per_mwh": export},
        )
        assert next(step for step in range(6) if actions("cheapest-window" + EXACT, scenario, step)) == hour


def test_two_jobs_do_not_take_the_same_accelerators(world, tiny):
    jobs = [tiny.job(name, gpus=60, deadline=tiny.at(6.0)) for name in ("one", "two")]
    scenario = world(*jobs, prices=cheap_at(2, 3, low=10.0))
    assert actions("cheapest-window" + EXACT, scenario, 2) == {"one": STARTS}
    waits = [item(jobs[0], left=0.5), item(jobs[1], "waiting")]
    assert actions("cheapest-window" + EXACT, scenario, 3, jobs=[waits[1]]) == {"two": STARTS}


def test_a_pausable_job_takes_the_cheapest_steps(world, tiny):
    job = tiny.job(kind="pausable", duration_h=2.0, deadline=tiny.at(6.0))
    scenario = world(job, prices=cheap_at(1, 4))
    assert actions("cheapest-window" + EXACT, scenario, 0) == {}
    assert actions("cheapest-window" + EXACT, scenario, 1) == {"train": STARTS}
    assert actions("cheapest-window" + EXACT, scenario, 2, jobs=[item(job, left=1.0)]) == {
        "train": ("pause", None, None)
    }
    assert actions("cheapest-window" + EXACT, scenario, 3, jobs=[item(job, "paused", left=1.0)]) == {}
    assert actions("cheapest-window" + EXACT, scenario, 4, jobs=[item(job, "paused", left=1.0)]) == {"train": STARTS}


def test_restart_loss_keeps_a_job_running(world, tiny):
    # Pausing saves 40 per MWh of one hour; a restart repeats half an hour at the mean price.
    for loss, pauses in ((0.1, True), (2.0, False)):
        job = tiny.job(kind="pausable", duration_h=4.0, deadline=tiny.at(12.0), restart_loss_h=loss)
        scenario = world(job, prices=cheap_at(3, 4, 5, 6, 7, low=20.0, high=50.0))
        found = actions("cheapest-window" + EXACT, scenario, 2, jobs=[item(job, left=1.0)])
        assert found == ({"train": ("pause", None, None)} if pauses else {})


def test_an_elastic_job_grows_when_energy_is_cheap(world, tiny):
    job = tiny.job(kind="elastic", gpus=20, min_gpus=10, max_gpus=40, duration_h=4.0, deadline=tiny.at(8.0))
    scenario = world(job, prices=cheap_at(0, 1))
    assert actions("cheapest-window" + EXACT, scenario) == {"train": ("start", "a", 40.0)}
    assert actions("cheapest-window" + EXACT, scenario, 1, jobs=[item(job, left=2.0, size=40.0)]) == {}
    assert (
        actions("cheapest-window" + EXACT, scenario, 2, jobs=[item(job, left=0.5, size=40.0)])["train"][0] == "resize"
    )


def test_an_elastic_job_that_would_lose_work_shrinks_instead_of_pausing(world, tiny):
    job = tiny.job(
        kind="elastic", gpus=20, min_gpus=10, max_gpus=40, duration_h=4.0, deadline=tiny.at(8.0), restart_loss_h=0.5
    )
    scenario = world(job, prices=cheap_at(2, 3))
    assert actions("cheapest-window" + EXACT, scenario, 0, jobs=[item(job, size=40.0)]) == {
        "train": ("resize", None, 10.0)
    }


def test_a_job_whose_deadline_is_far_does_its_share_within_the_look_ahead(world, tiny):
    job = tiny.job(kind="pausable", duration_h=18.0, deadline=tiny.at(24.0))
    prices = np.r_[20.0, 90.0, 80.0, 70.0, np.full(STEPS - 4, 10.0)]
    # All could wait until hour 6. Of 4 h ahead 3 must be used, all but the dearest.
    short = "cheapest-window:margin_fraction=0,look_ahead_h=4"
    assert actions("cheapest-window" + EXACT, world(job, prices=prices)) == {}
    assert actions(short, world(job, prices=prices)) == {"train": STARTS}
    later = [item(job, "paused", left=17.0)]
    assert actions(short, world(job, prices=prices), 1, jobs=later) == {}


def test_a_pinned_start_is_kept(world, tiny):
    job = tiny.job(start=tiny.at(0.0), deadline=tiny.at(8.0))
    assert actions("cheapest-window" + EXACT, world(job, prices=cheap_at(3))) == {"train": STARTS}


# Sites


@pytest.fixture
def pair(tiny):
    """Two equal sites with a link; prices of each may be given."""

    def build(*jobs, a=50.0, b=50.0, carbon=(400.0, 400.0), bandwidth=10.0, cost_per_gb=0.0, limits=(100.0, 100.0)):
        sites = [
            tiny.site(
                STEPS,
                name,
                grid=tiny.grid(STEPS, carbon=intensity, import_price_per_mwh=price, import_limit_mw=limit),
            )
            for name, price, intensity, limit in zip("ab", (a, b), carbon, limits)
        ]
        link = Link(between=("a", "b"), bandwidth_gbit_s=bandwidth, cost_per_gb=cost_per_gb)
        return tiny.scenario(*sites, steps=STEPS, training=jobs, links=(link,))

    return build


def test_a_job_starts_at_the_better_site_that_it_may_use(pair, tiny):
    assert actions("cheapest-window", pair(tiny.job(deadline=tiny.at(1.0)), b=20.0))["train"][1] == "b"
    only = tiny.job(deadline=tiny.at(1.0), sites=("a",))
    assert actions("cheapest-window", pair(only, b=20.0))["train"][1] == "a"
    assert actions("first-fit", pair(tiny.job(), b=20.0))["train"][1] == "a"


def movable(tiny, **changes):
    values = {"kind": "pausable", "duration_h": 6.0, "deadline": tiny.at(20.0), "migratable": True}
    return tiny.job(**values | {"checkpoint_gb": 400.0} | changes)


def test_a_job_moves_to_the_cheaper_site(pair, tiny):
    # 400 GB at 10 Gbit/s and 0.8: 400 s, writing and reading 200 s each: 800 s need a window of 2.22 h.
    job = movable(tiny)
    scenario = pair(job, b=20.0)
    assert actions("migrate-when-feasible", scenario, jobs=[item(job)]) == {"train": ("migrate", "b", None)}
    assert actions("migrate-when-feasible", scenario, jobs=[item(job, "paused")]) == {"train": ("migrate", "b", None)}
    assert actions("cheapest-window", scenario, jobs=[item(job)]) == {}


@pytest.mark.parametrize("window", [2, 3])
def test_the_window_must_be_ten_times_as_long_as_the_move(pair, tiny, window):
    job = movable(tiny, duration_h=1.0, deadline=tiny.at(window + 1.0))
    prices = np.full(STEPS, 90.0)
    prices[:window] = 20.0
    found = actions("migrate-when-feasible", pair(job, b=prices), jobs=[item(job)])
    assert found == ({"train": ("migrate", "b", None)} if window == 3 else {})
    wide = actions("migrate-when-feasible:window_fraction=0.2", pair(job, b=prices), jobs=[item(job)])
    assert wide == {"train": ("migrate", "b", None)}


def test_a_slow_link_or_slow_start_forbids_the_move(pair, tiny):
    # The window is the horizon of 20 h: 2 h may be lost. At 0.4 Gbit/s the transfer takes 10,000 s.
    job = movable(tiny)
    assert actions("migrate-when-feasible", pair(job, b=20.0, bandwidth=0.4), jobs=[item(job)]) == {}
    slow = "migrate-when-feasible:provisioning_s=7200"
    assert actions(slow, pair(job, b=20.0), jobs=[item(job)]) == {}


def test_the_move_must_pay(pair, tiny):
    # 0.4 MW x 1.5 x 6 h = 3.24 MWh beyond idling save 30 each: 97; the link asks 400 x cost.
    job = movable(tiny)
    for cost, moves in ((0.15, True), (0.3, False)):
        found = actions("migrate-when-feasible", pair(job, b=20.0, cost_per_gb=cost), jobs=[item(job)])
        assert bool(found) is moves


def test_the_view_of_the_network_matters(pair, tiny):
    # By volume 400 GB x 30 kWh/GB = 12 MWh; what the network draws more is 0.03 MWh.
    job = movable(tiny)
    rule = "migrate-when-feasible:network_mwh_per_gb=0.03"
    assert actions(rule, pair(job, b=20.0), jobs=[item(job)]) == {}
    assert actions(f"{rule},network=marginal", pair(job, b=20.0), jobs=[item(job)]) != {}


def test_what_may_not_move_stays(pair, tiny):
    for job, state in (
        (movable(tiny, migratable=False), {}),
        (movable(tiny, kind="rigid"), {}),
        (movable(tiny, sites=("a",)), {}),
        (movable(tiny), {"for_h": 1.0}),  # dwell
        (movable(tiny, min_run_h=6.0), {}),
    ):
        assert "migrate" not in {
            kind
            for kind, _, _ in actions("migrate-when-feasible", pair(job, b=20.0), jobs=[item(job, **state)]).values()
        }


def test_a_job_that_could_not_end_in_time_there_stays(pair, tiny):
    job = movable(tiny, deadline=tiny.at(6.0))
    assert actions("migrate-when-feasible", pair(job, b=20.0), jobs=[item(job)]) == {}


def test_carbon_may_decide_on_moves(pair, tiny):
    job = movable(tiny)
    scenario = pair(job, b=60.0, carbon=(500.0, 100.0))
    assert actions("migrate-when-feasible", scenario, jobs=[item(job)]) == {}
    found = actions("migrate-when-feasible:minimise=carbon", scenario, jobs=[item(job)])
    assert found == {"train": ("migrate", "b", None)}


def test_one_transfer_per_link(pair, tiny):
    jobs = [movable(tiny, name=name) for name in ("one", "two")]
    scenario, seen = pair(*jobs, b=20.0), [item(job) for job in jobs]
    rule = make("migrate-when-feasible")
    first, state = rule.step(rule.init(facts_of(scenario)), observe(scenario, jobs=seen))
    assert [(action.job, action.kind) for action in first] == [("one", "migrate")]
    moving = replace(seen[0], status="moving", accelerators=0.0, status_h=1.0)
    second, _ = rule.step(state, observe(scenario, 1, jobs=[moving, seen[1]]))
    assert second == ()
    assert len(actions("migrate-when-feasible:transfers_per_link=2", scenario, jobs=seen)) == 2


def test_room_is_kept_where_a_job_is_going(pair, tiny):
    going, other = movable(tiny, gpus=80), tiny.job("other", gpus=60, sites=("b",), deadline=tiny.at(12.0))
    scenario = pair(going, other, b=20.0)
    rule = make("migrate-when-feasible")
    _, state = rule.step(rule.init(facts_of(scenario)), observe(scenario, jobs=[item(going)]))
    moving = replace(item(going), status="moving", accelerators=0.0)
    late = observe(scenario, 1, jobs=[moving, item(other, "waiting")])
    # The job that arrives has 6 h of work: the other one may start after it.
    assert rule.step(state, late)[0] == ()
    assert [action.kind for action in rule.step(rule.init(facts_of(scenario)), late)[0]] == ["start"]


def test_an_elastic_job_moves_with_a_size(pair, tiny):
    job = movable(tiny, kind="elastic", gpus=40, min_gpus=20, max_gpus=60)
    found = actions("migrate-when-feasible", pair(job, b=20.0), jobs=[item(job)])
    kind, site, size = found["train"]
    assert (kind, site) == ("migrate", "b")
    assert 20.0 <= size <= 60.0


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("first-fit:look_ahead_h=0", "look_ahead_h is 0 h"),
        ("carbon-window:margin_fraction=1", "margin_fraction is 1; allowed is 0 to 0.9"),
        ("cost-carbon-weight:carbon_price_per_t=-1", "carbon_price_per_t is -1 currency/t"),
        ("migrate-when-feasible:window_fraction=0", "window_fraction is 0"),
        ("migrate-when-feasible:minimise=fun", "minimise is 'fun'; allowed are cost, carbon"),
        ("migrate-when-feasible:network=wide", "network is 'wide'"),
        ("migrate-when-feasible:transfers_per_link=0", "transfers_per_link is 0"),
        ("migrate-when-feasible:idle_fraction=2", "idle_fraction is 2"),
        ("migrate-when-feasible:save_gb_s=0", "save_gb_s is 0"),
        ("first-fit:between_ticks=sometimes", "between_ticks"),
    ],
)
def test_options_out_of_range_are_refused(rule, message):
    with pytest.raises(PolicyError) as caught:
        make(rule)
    assert message in str(caught.value)


# Effects


def test_effects_of_actions(world, tiny):
    from joulewright.policy.decision import JobAction

    jobs = [tiny.job(name, kind="elastic") for name in ("one", "two", "three", "four")]
    waits, runs, stops, goes = (item(jobs[0], "waiting"), item(jobs[1]), item(jobs[2]), item(jobs[3], "paused"))
    seen = observe(world(*jobs), jobs=[waits, runs, stops, goes])
    after = after_actions(
        seen,
        [
            JobAction(job="one", kind="start", site="a", fleet="gpus"),
            JobAction(job="two", kind="resize", accelerators=10.0),
            JobAction(job="three", kind="pause"),
            JobAction(job="four", kind="migrate", site="b", fleet="gpus", accelerators=5.0),
            JobAction(job="unknown", kind="pause"),
        ],
    )
    assert {name: (entry.status, entry.site, entry.accelerators) for name, entry in after.jobs.items()} == {
        "one": ("running", "a", 40.0),
        "two": ("running", "a", 10.0),
        "three": ("paused", "a", 0.0),
        "four": ("moving", "b", 0.0),
    }
    assert "one" not in after_actions(seen, [JobAction(job="one", kind="reject")]).jobs
    assert after_actions(seen, []) is seen
