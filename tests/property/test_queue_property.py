"""Queues of jobs at random: nothing idles that could work, nothing is used twice, and the sums add up."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulewright.sim.kernel import Kernel
from joulewright.sim.processes.queue import JobQueue, JobTable, QueuePool, job_energy, queue_figures

SEEDS = st.integers(0, 2**32 - 1)
ORDERS = st.sampled_from(["arrival", "deadline"])


def system(seed, jobs=40):
    draw = np.random.default_rng(seed)
    arrival = draw.integers(0, 48, jobs) / 2.0 if draw.random() < 0.5 else draw.uniform(0.0, 24.0, jobs)
    made = JobTable(
        arrival_h=arrival,
        duration_h=draw.exponential(3.0, jobs),
        accelerators=draw.integers(1, 11, jobs).astype(float),
        deadline_h=arrival + draw.uniform(1.0, 30.0, jobs),
    )
    pools = tuple(
        QueuePool(
            name=str(number),
            count=float(draw.integers(10, 25)),
            power_mw=0.01,
            kg_per_mwh=draw.uniform(50.0, 500.0, 48),
            speed=float(draw.choice([1.0, 1.5])),
        )
        for number in range(int(draw.integers(1, 4)))
    )
    return made, pools


def held(table, outcome, pool, time_h):
    """Accelerators of a pool in use just after a time."""
    running = (outcome.pool == pool) & (outcome.start_h <= time_h) & (time_h < outcome.end_h)
    return table.accelerators[running].sum()


@given(seed=SEEDS, order=ORDERS, backfill=st.booleans())
def test_no_accelerator_serves_two_jobs(seed, order, backfill):
    table, pools = system(seed)
    outcome = JobQueue(table, pools, order=order, backfill=backfill).run()
    for time_h in outcome.start_h:
        for number, pool in enumerate(pools):
            assert held(table, outcome, number, time_h) <= pool.count
    assert np.all(outcome.start_h >= table.arrival_h)
    assert outcome.events == 2 * table.arrival_h.size


@given(seed=SEEDS, order=ORDERS)
def test_no_job_waits_beside_accelerators_on_which_it_fits(seed, order):
    table, pools = system(seed)
    outcome = JobQueue(table, pools, order=order, backfill=True).run()
    for time_h in np.concatenate([table.arrival_h, outcome.end_h]):
        waiting = (table.arrival_h <= time_h) & (outcome.start_h > time_h)
        for number, pool in enumerate(pools):
            free = pool.count - held(table, outcome, number, time_h)
            assert not np.any(table.accelerators[waiting] <= free)


@given(seed=SEEDS, order=ORDERS)
def test_in_line_nobody_overtakes(seed, order):
    table, pools = system(seed)
    outcome = JobQueue(table, pools, order=order, backfill=False).run()
    key = table.arrival_h if order == "arrival" else table.deadline_h
    for job in range(key.size):
        ahead = (table.arrival_h < outcome.start_h[job]) & (key < key[job])
        assert np.all(outcome.start_h[ahead] <= outcome.start_h[job])


@given(seed=SEEDS, order=ORDERS)
def test_backfilling_takes_the_first_that_fits(seed, order):
    table, pools = system(seed)
    outcome = JobQueue(table, pools, order=order, backfill=True).run()
    key = table.arrival_h if order == "arrival" else table.deadline_h
    for job in range(key.size):
        smaller = table.accelerators <= table.accelerators[job]
        ahead = (table.arrival_h < outcome.start_h[job]) & (key < key[job]) & smaller
        assert np.all(outcome.start_h[ahead] <= outcome.start_h[job])


@given(seed=SEEDS)
def test_work_energy_and_carbon_are_conserved(seed):
    table, pools = system(seed)
    outcome = JobQueue(table, pools).run()
    horizon_h = 48.0
    speed = np.array([pool.speed for pool in pools])[outcome.pool]
    np.testing.assert_allclose(outcome.end_h - outcome.start_h, table.duration_h / speed, rtol=1e-9, atol=1e-9)
    used, energy, carbon = job_energy(table, pools, outcome)
    fine = np.linspace(0.0, horizon_h, 48_001)
    middle = (fine[1:] + fine[:-1]) / 2.0
    for number, pool in enumerate(pools):
        mine = outcome.pool == number
        running = (outcome.start_h[mine, None] <= middle) & (middle < outcome.end_h[mine, None])
        in_use = table.accelerators[mine] @ running
        width = fine[1] - fine[0]
        assert used[mine].sum() == pytest.approx(in_use.sum() * width, rel=1e-3, abs=0.5)
        kg = 0.01 * (in_use * pool.kg_per_mwh[np.floor(middle).astype(int)]).sum() * width
        assert carbon[mine].sum() == pytest.approx(kg, rel=1e-2, abs=5.0)
    figures = queue_figures(table, pools, outcome)
    assert figures.energy_mwh == pytest.approx(energy.sum())
    assert 0.0 <= figures.utilisation <= 1.0
    assert figures.mean_stretch >= 1.0


@given(seed=SEEDS, order=ORDERS, backfill=st.booleans())
def test_equal_tables_give_equal_outcomes_and_a_stop_changes_nothing(seed, order, backfill):
    table, pools = system(seed)
    whole = JobQueue(table, pools, order=order, backfill=backfill).run()
    parts = JobQueue(table, pools, order=order, backfill=backfill)
    for time_h in (3.0, 3.0, 11.5):
        parts.run(time_h)
    found = parts.run()
    assert np.array_equal(whole.start_h, found.start_h)
    assert np.array_equal(whole.pool, found.pool)


@given(
    events=st.lists(st.tuples(st.integers(0, 5), st.integers(-1, 1), st.booleans()), max_size=60),
    limits=st.lists(st.integers(0, 6), max_size=4),
)
def test_the_kernel_sorts(events, limits):
    kernel, seen = Kernel(), []
    handles = [
        kernel.schedule(float(time), seen.append, (time, priority, number), priority=priority)
        for number, (time, priority, _) in enumerate(events)
    ]
    for handle, (_, _, dropped) in zip(handles, events, strict=True):
        if dropped:
            kernel.cancel(handle)
    wanted = sorted((time, priority, number) for number, (time, priority, out) in enumerate(events) if not out)
    for limit in sorted(limits):
        kernel.run(float(limit))
        assert seen == [event for event in wanted if event[0] < limit]
        assert kernel.pending == len(wanted) - len(seen)
    kernel.run()
    assert seen == wanted
    assert kernel.handled == len(wanted)
