"""Pausable, elastic and migrating jobs in the model: cases worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from joulewright.check import violations
from joulewright.errors import InfeasibleError
from joulewright.model import Link
from joulewright.plan.extraction import read_schedule
from joulewright.plan.formulation import build
from joulewright.plan.integer import hold_integers
from joulewright.plan.solver import pass_program, read_solution


def solve(scenario, **options):
    """Objective and (site, first, stop, size) of the pieces of every job; None where nothing is feasible."""
    joint = build(scenario, **options)
    highs = pass_program(joint.program, integer=True, options={"mip_rel_gap": 0.0})
    highs.run()
    found = read_solution(highs)
    if found.status == "Infeasible":
        return None, {}
    solution = hold_integers(joint.program, found.values)
    schedule = read_schedule(joint, solution.values, "test")
    assert violations(scenario, schedule) == []
    pieces = {
        name: [(p.site, p.first_step, p.stop_step, pytest.approx(p.accelerators)) for p in job.segments]
        for name, job in schedule.jobs.items()
    }
    return solution.objective, pieces


def priced(tiny, *prices, name="a", **changes):
    """A site whose import costs ``prices``, without export; only work draws power."""
    steps = len(prices)
    grid = tiny.grid(steps, import_price_per_mwh=np.array(prices, float), export_limit_mw=0.0)
    fleet = tiny.fleet(steps, **({"idle_power_mw": 0.0} | changes))
    return tiny.site(steps, name=name, grid=grid, pue=1.0, fleets=(fleet,))


def one(tiny, prices, job, **options):
    steps = len(prices)
    return solve(tiny.scenario(priced(tiny, *prices), steps=steps, training=(job,)), **options)


def pausable(tiny, hours, **changes):
    return tiny.job(kind="pausable", duration_h=hours, **({"value": 500.0} | changes))


def test_it_pauses_while_power_is_dear(tiny):
    """Two of four hours at 0.4 MW: 0.4 x (10 + 20) = 12, less the value of 500."""
    objective, pieces = one(tiny, [10, 90, 20, 90], pausable(tiny, 2.0))
    assert objective == pytest.approx(12.0 - 500.0)
    assert pieces["train"] == [("a", 0, 1, 40.0), ("a", 2, 3, 40.0)]


def test_a_loss_of_half_a_restart_costs_a_whole_step(tiny):
    """Pausing loses 0.5 h, so a third step is needed: 10 + 20 + 30 > 10 + 40: it runs on through the dear hour."""
    objective, pieces = one(tiny, [10, 40, 20, 35], pausable(tiny, 2.0, restart_loss_h=0.5))
    assert pieces["train"] == [("a", 0, 2, 40.0)]
    assert objective == pytest.approx(0.4 * 50.0 - 500.0)


def test_a_minimum_run_keeps_it_running(tiny):
    _, pieces = one(tiny, [90, 10, 90, 20], pausable(tiny, 2.0, min_run_h=2.0))
    assert pieces["train"] in ([("a", 0, 2, 40.0)], [("a", 1, 3, 40.0)])


def test_a_minimum_run_is_no_longer_than_the_job(tiny):
    _, pieces = one(tiny, [90, 10, 90], pausable(tiny, 1.0, min_run_h=3.0))
    assert pieces["train"] == [("a", 1, 2, 40.0)]


def test_a_run_may_not_begin_too_late_for_its_minimum(tiny):
    """Four steps in runs of two or more: the last hour alone is cheap but cannot be a run."""
    objective, pieces = one(tiny, [10, 10, 15, 90, 60, 1], pausable(tiny, 3.5, min_run_h=2.0))
    assert objective == pytest.approx(0.4 * (10 + 10 + 60 + 1) - 500.0)
    assert pieces["train"] == [("a", 0, 2, 40.0), ("a", 4, 6, 40.0)]


def test_a_running_job_has_part_of_its_minimum_behind_it(tiny):
    """Minimum 3 h, two of them before the horizon: one more hour, then a pause, then three hours at a stretch."""
    job = pausable(
        tiny, 6.0, min_run_h=3.0, running_since=tiny.at(-2.0), release=tiny.at(-3.0), site="a", deadline=tiny.at(6.0)
    )
    _, pieces = one(tiny, [10, 90, 90, 10, 10, 10], job)
    assert pieces["train"] == [("a", 0, 1, 40.0), ("a", 3, 6, 40.0)]


def test_a_job_that_has_ended_before_the_horizon_is_left_alone(tiny):
    job = pausable(tiny, 1.0, running_since=tiny.at(-2.0), release=tiny.at(-3.0), site="a")
    objective, pieces = one(tiny, [10, 10], job)
    assert objective == pytest.approx(-500.0)
    assert pieces["train"] == []


@pytest.mark.parametrize("price", [-50.0, -500.0])
def test_negative_prices_buy_no_useless_step(tiny, price):
    """1.5 h of work is two steps; a third would run for nothing although power is paid for."""
    _, pieces = one(tiny, [price] * 4, pausable(tiny, 1.5))
    assert sum(stop - first for _, first, stop, _ in pieces["train"]) == 2


def test_a_long_job_is_held_to_the_step_in_spite_of_the_solvers_tolerance(tiny):
    """One step of 90 is about 1 % of the work, far more than the tolerance in the row's own units."""
    _, pieces = one(tiny, [-10.0] * 100, pausable(tiny, 90.0, deadline=tiny.at(100.0)))
    assert sum(stop - first for _, first, stop, _ in pieces["train"]) == 90


def test_a_mandatory_job_counts_its_value_and_has_no_rejection(tiny):
    objective, pieces = one(tiny, [2000.0, 1000.0], pausable(tiny, 1.0, mandatory=True, value=10.0))
    assert objective == pytest.approx(0.4 * 1000.0 - 10.0)
    assert pieces["train"] == [("a", 1, 2, 40.0)]


def test_an_optional_job_that_does_not_pay_is_rejected(tiny):
    objective, pieces = one(tiny, [2000.0, 2000.0], pausable(tiny, 1.0))
    assert (objective, pieces["train"]) == (pytest.approx(0.0), [])


def test_a_window_that_is_too_short_rejects_or_raises(tiny):
    late = {"release": tiny.at(2.0), "deadline": tiny.at(2.0)}
    objective, pieces = one(tiny, [1.0, 1.0], pausable(tiny, 1.0, **late))
    assert (objective, pieces["train"]) == (pytest.approx(0.0), [])
    with pytest.raises(InfeasibleError, match="job 'train' has no possible start"):
        one(tiny, [1.0, 1.0], pausable(tiny, 1.0, mandatory=True, **late))


def test_without_shifting_it_runs_at_once(tiny):
    _, pieces = one(tiny, [90, 90, 10, 10], pausable(tiny, 2.0), without=frozenset({"shifting"}))
    assert pieces["train"] == [("a", 0, 2, 40.0)]


def test_a_pinned_start_is_kept(tiny):
    _, pieces = one(tiny, [10, 90, 10], pausable(tiny, 1.0, start=tiny.at(1.0)))
    assert pieces["train"] == [("a", 1, 2, 40.0)]


def test_one_pausable_job_alone_respects_availability(tiny):
    """30 of 100 accelerators in the cheap hour are too few for 40."""
    site = priced(tiny, 10, 20, 30, availability=np.array([0.3, 1.0, 1.0]))
    _, pieces = solve(tiny.scenario(site, steps=3, training=(pausable(tiny, 1.0),)))
    assert pieces["train"] == [("a", 1, 2, 40.0)]


def elastic(tiny, hours, **changes):
    return tiny.job(kind="elastic", duration_h=hours, **({"min_gpus": 20, "max_gpus": 80, "value": 500.0} | changes))


def test_an_elastic_job_is_large_while_power_is_cheap(tiny):
    """Two hours at 40 = one at 80: 0.8 MW in the cheap hour."""
    objective, pieces = one(tiny, [90, 10, 90], elastic(tiny, 2.0))
    assert pieces["train"] == [("a", 1, 2, 80.0)]
    assert objective == pytest.approx(8.0 - 500.0)


def test_a_concave_speed_is_used_at_its_efficient_end(tiny):
    """Speeds 0.6 at 20, 1 at 40, 1.2 at 80; 1.2 h of work in two equal hours: 20 in both beat 80 in one."""
    speed = ((20.0, 0.6), (40.0, 1.0), (80.0, 1.2))
    objective, pieces = one(tiny, [10, 10], elastic(tiny, 1.2, speed=speed))
    assert pieces["train"] == [("a", 0, 2, 20.0)]
    assert objective == pytest.approx(0.2 * 20.0 - 500.0)


def test_turns_between_two_sizes_are_no_waste(tiny):
    """A negative price makes the model mix 20 and 80 at their mean; the check accepts what takes turns."""
    speed = ((20.0, 0.6), (40.0, 1.0), (80.0, 1.2))
    _, pieces = one(tiny, [-10, -10, -10], elastic(tiny, 1.0, speed=speed))
    assert pieces["train"]


def neighbours(tiny, *prices, link=100.0, second=None, **job):
    """Sites a and b with their prices, a link in Gbit/s, and a migratable job of 2 h with 900 GB of state."""
    steps = len(prices[0])
    sites = [priced(tiny, *prices[0]), priced(tiny, *prices[1], name="b", **(second or {}))]
    links = (Link(between=("a", "b"), bandwidth_gbit_s=link, cost_per_gb=0.001),) if link else ()
    values = {"migratable": True, "checkpoint_gb": 900.0} | job
    return tiny.scenario(*sites, steps=steps, links=links, training=(pausable(tiny, 2.0, **values),))


def test_it_stays_unless_it_may_move(tiny):
    prices = ([10, 90, 90], [90, 90, 10])
    objective, pieces = solve(neighbours(tiny, *prices, migratable=False))
    assert objective == pytest.approx(0.4 * 100.0 - 500.0)
    assert len({piece[0] for piece in pieces["train"]}) == 1


def test_it_follows_the_cheap_hours_and_pays_for_the_data(tiny):
    """900 GB at 100 Gbit/s are 72 s, rounded up to one hour in which it waits; 0.9 for the data."""
    objective, pieces = solve(neighbours(tiny, [10, 90, 90], [90, 90, 10]))
    assert pieces["train"] == [("a", 0, 1, 40.0), ("b", 2, 3, 40.0)]
    assert objective == pytest.approx(0.4 * 20.0 + 0.9 - 500.0)


def test_a_move_takes_time(tiny):
    """The cheap hours follow each other, but the state takes an hour: no move."""
    _, pieces = solve(neighbours(tiny, [10, 90], [90, 10]))
    assert len({piece[0] for piece in pieces["train"]}) == 1


def test_without_state_a_move_takes_no_time(tiny):
    _, pieces = solve(neighbours(tiny, [10, 90], [90, 10], checkpoint_gb=0.0))
    assert pieces["train"] == [("a", 0, 1, 40.0), ("b", 1, 2, 40.0)]


@pytest.mark.parametrize("link", [0.0, 0.1])
def test_no_link_or_one_slower_than_the_window_means_no_move(tiny, link):
    """900 GB at 0.1 Gbit/s are 20 h, longer than the window of three steps."""
    _, pieces = solve(neighbours(tiny, [10, 90, 90], [90, 90, 10], link=link))
    assert len({piece[0] for piece in pieces["train"]}) == 1


def test_no_relay_through_a_site_it_does_not_use(tiny):
    """a and c are each joined to b only; without state a relay would take no time, but is no move from a to c."""
    sites = [priced(tiny, 10, 90, name="a"), priced(tiny, 90, 90, name="b"), priced(tiny, 90, 10, name="c")]
    links = tuple(Link(between=pair, bandwidth_gbit_s=1.0) for pair in (("a", "b"), ("b", "c")))
    job = pausable(tiny, 2.0, migratable=True, checkpoint_gb=0.0)
    objective, _ = solve(tiny.scenario(*sites, steps=2, links=links, training=(job,)))
    assert objective == pytest.approx(0.4 * 100.0 - 500.0)


def test_two_fleets_of_a_site_need_no_link(tiny):
    fleets = (
        tiny.fleet(2, idle_power_mw=0.0, availability=np.array([1.0, 0.0])),
        tiny.fleet(2, name="other", idle_power_mw=0.0, availability=np.array([0.0, 1.0])),
    )
    site = tiny.site(2, pue=1.0, fleets=fleets)
    job = pausable(tiny, 2.0, migratable=True, checkpoint_gb=900.0)
    _, pieces = solve(tiny.scenario(site, training=(job,)))
    assert [piece[:3] for piece in pieces["train"]] == [("a", 0, 1), ("a", 1, 2)]


def test_the_first_run_gets_its_loss_back_at_its_own_speed(tiny):
    """Fleet b is half as fast; a run of two hours on a needs no more although b's loss is a smaller share."""
    scenario = neighbours(
        tiny,
        [10, 10, 90],
        [90, 90, 90],
        second={"accelerator": "A100-SXM"},
        accelerator_speed={"A100-SXM": 0.5},
        restart_loss_h=0.25,
        deadline=tiny.at(3.0),
    )
    _, pieces = solve(scenario)
    assert pieces["train"] == [("a", 0, 2, 40.0)]


def test_rows_have_public_names(tiny):
    joint = build(neighbours(tiny, [10, 90, 90], [90, 90, 10]))
    names = {joint.program.row_name(row).split("[")[0] for row in range(joint.program.shape[0])}
    assert {"work", "work_limit", "first_location", "location_flow", "at_location", "arrival"} <= names
    assert joint.program.row_name(joint.program.rows["work"][0].first) == "work[train]"
    move = joint.program.variables["move"][0]
    assert joint.program.column_name(move.first + 1) == "move[train,a/gpus>train,b/gpus,2022-07-04T01:00]"
