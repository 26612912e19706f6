"""Queues of very many jobs, worked by hand, and their figures."""

from __future__ import annotations

import math

import numpy as np
import pytest

from joulewright.errors import ScenarioError
from joulewright.sim.kernel import Kernel
from joulewright.sim.processes.queue import JobQueue, JobTable, QueuePool, job_energy, queue_figures


def table(*rows, deadlines=None):
    """A table of (arrival, duration, accelerators)."""
    arrival, duration, size = np.array(rows, dtype=float).reshape(-1, 3).T
    given = None if deadlines is None else np.array(deadlines, dtype=float)
    return JobTable(arrival_h=arrival, duration_h=duration, accelerators=size, deadline_h=given)


def pool(count=10.0, name="pod", steps=24, **changes):
    return QueuePool(name=name, count=count, **({"power_mw": 0.01, "kg_per_mwh": np.full(steps, 500.0)} | changes))


def starts(jobs, *pools, **options):
    return JobQueue(jobs, pools or (pool(),), **options).run().start_h.tolist()


def test_jobs_that_fit_start_when_they_arrive():
    assert starts(table((0.5, 1.0, 4.0), (0.75, 1.0, 6.0))) == [0.5, 0.75]


def test_without_backfilling_all_wait_for_the_first_in_line():
    jobs = table((0.0, 2.0, 6.0), (0.1, 1.0, 8.0), (0.2, 1.0, 4.0))
    assert starts(jobs, backfill=False) == [0.0, 2.0, 3.0]
    assert starts(jobs, backfill=True) == [0.0, 2.0, 0.2]


def test_the_earliest_deadline_goes_first():
    jobs = table((0.0, 2.0, 10.0), (0.1, 1.0, 10.0), (0.2, 1.0, 10.0), deadlines=[9.0, 8.0, 7.0])
    for backfill in (False, True):
        assert starts(jobs, order="deadline", backfill=backfill) == [0.0, 3.0, 2.0]
        assert starts(jobs, order="arrival", backfill=backfill) == [0.0, 2.0, 3.0]


def test_one_end_lets_several_go():
    jobs = table((0.0, 2.0, 10.0), (0.1, 1.0, 4.0), (0.2, 1.0, 4.0), (0.3, 1.0, 4.0))
    assert starts(jobs) == [0.0, 2.0, 2.0, 3.0]


def test_an_end_frees_before_an_arrival_at_the_same_time():
    assert starts(table((0.0, 2.0, 10.0), (2.0, 1.0, 10.0))) == [0.0, 2.0]


def test_fleets_are_tried_in_order_and_have_their_speed():
    jobs = table((0.0, 2.0, 6.0), (0.0, 2.0, 6.0), (0.0, 2.0, 6.0))
    outcome = JobQueue(jobs, [pool(), pool(name="fast", speed=4.0)]).run()
    assert outcome.pool.tolist() == [0, 1, 1]
    assert outcome.start_h.tolist() == [0.0, 0.0, 0.5]
    assert outcome.end_h.tolist() == [2.0, 0.5, 1.0]


def test_a_job_takes_the_fleet_on_which_it_fits():
    outcome = JobQueue(table((0.0, 1.0, 8.0)), [pool(count=4.0), pool(count=8.0)]).run()
    assert outcome.pool.tolist() == [1]


def test_rows_may_come_in_any_order():
    jobs = table((3.0, 1.0, 10.0), (0.0, 2.0, 10.0), (1.0, 1.0, 10.0))
    assert starts(jobs) == [3.0, 0.0, 2.0]


def test_what_has_not_started_is_nowhere():
    queue = JobQueue(table((0.0, 5.0, 10.0), (1.0, 5.0, 10.0)), [pool()])
    outcome = queue.run(4.0)
    assert outcome.pool.tolist() == [0, -1]
    assert math.isnan(outcome.start_h[1])
    assert queue.run().start_h.tolist() == [0.0, 5.0]


def test_it_shares_a_kernel():
    kernel, seen = Kernel(), []
    kernel.schedule(0.5, seen.append, "other")
    outcome = JobQueue(table((0.0, 1.0, 1.0)), [pool()], kernel=kernel).run()
    assert (seen, outcome.events) == (["other"], 3)


def test_an_empty_table_is_done_at_once():
    outcome = JobQueue(table(), [pool()]).run()
    figures = queue_figures(table(), [pool()], outcome)
    assert (figures.started, figures.utilisation, figures.mean_stretch) == (0, 0.0, 1.0)


def test_figures():
    jobs = table((0.0, 2.0, 10.0), (1.0, 1.0, 5.0), (20.0, 8.0, 10.0), deadlines=[2.0, 2.5, 30.0])
    pools = [pool(kg_per_mwh=np.arange(24.0))]
    outcome = JobQueue(jobs, pools).run()
    used, energy, carbon = job_energy(jobs, pools, outcome)
    assert used.tolist() == [20.0, 5.0, 40.0]  # the last job is cut at the horizon
    np.testing.assert_allclose(energy, [0.2, 0.05, 0.4])
    np.testing.assert_allclose(carbon, [0.1 * (0 + 1), 0.05 * 2, 0.1 * (20 + 21 + 22 + 23)])
    figures = queue_figures(jobs, pools, outcome)
    assert (figures.started, figures.ended, figures.late) == (3, 2, 2)
    assert figures.mean_wait_h == pytest.approx(1.0 / 3.0)
    assert figures.max_wait_h == 1.0
    assert figures.mean_stretch == pytest.approx((1.0 + 2.0 + 1.0) / 3.0)
    assert figures.utilisation == pytest.approx(65.0 / 240.0)
    assert figures.energy_mwh == pytest.approx(0.65)
    assert figures.carbon_kg == pytest.approx(8.8)


def test_carbon_within_steps_is_shared():
    pools = [pool(kg_per_mwh=np.array([100.0, 300.0]), step_h=0.5)]
    jobs = table((0.25, 0.5, 10.0))
    _, _, carbon = job_energy(jobs, pools, JobQueue(jobs, pools).run())
    assert carbon[0] == pytest.approx(0.1 * (0.25 * 100.0 + 0.25 * 300.0))


@pytest.mark.parametrize(
    ("rows", "deadlines", "message"),
    [
        ([(-1.0, 1.0, 1.0)], None, "arrival_h of job 0 is -1"),
        ([(0.0, 1.0, 1.0), (0.0, -2.0, 1.0)], None, "duration_h of job 1 is -2"),
        ([(0.0, 1.0, 0.0)], None, "accelerators of job 0 is 0; allowed is any finite number of at least 1"),
        ([(math.nan, 1.0, 1.0)], None, "arrival_h of job 0 is nan"),
        ([(0.0, math.inf, 1.0)], None, "duration_h of job 0 is inf"),
        ([(0.0, 1.0, 1.0)], [1.0, 2.0], r"deadline_h has shape \(2,\)"),
        ([(0.0, 1.0, 1.0)], [math.nan], "deadline_h of job 0 is nan"),
    ],
)
def test_columns_make_sense(rows, deadlines, message):
    with pytest.raises(ScenarioError, match=message):
        table(*rows, deadlines=deadlines)


@pytest.mark.parametrize("changes", [{"count": 0.0}, {"count": math.inf}, {"step_h": -1.0}, {"speed": math.nan}])
def test_pools_make_sense(changes):
    with pytest.raises(ScenarioError, match="allowed is above 0"):
        pool(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"power_mw": -0.1},
        {"power_mw": math.nan},
        {"kg_per_mwh": np.array([])},
        {"kg_per_mwh": np.array([1.0, math.nan])},
        {"kg_per_mwh": np.ones((2, 2))},
    ],
)
def test_power_and_carbon_make_sense(changes):
    with pytest.raises(ScenarioError, match=r"0 MW or more|a finite value for each step"):
        pool(**changes)


def test_a_queue_that_cannot_work():
    with pytest.raises(ScenarioError, match="needs 11 accelerators; the largest pool has 10"):
        JobQueue(table((0.0, 1.0, 11.0)), [pool()])
    with pytest.raises(ScenarioError, match="no pool"):
        JobQueue(table((0.0, 1.0, 1.0)), [])
    with pytest.raises(ScenarioError, match="no deadline_h"):
        JobQueue(table((0.0, 1.0, 1.0)), [pool()], order="deadline")
    with pytest.raises(ScenarioError, match="allowed are 'arrival' and 'deadline'"):
        JobQueue(table((0.0, 1.0, 1.0)), [pool()], order="size")
