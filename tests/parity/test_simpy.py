"""The event kernel and the queue of jobs against SimPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joulewright.sim.kernel import Kernel
from joulewright.sim.processes.queue import JobQueue, JobTable, QueuePool

simpy = pytest.importorskip("simpy", reason="simpy is not installed; it comes with the extra bench")

SEEDS = st.integers(0, 2**32 - 1)


def random_system(seed, events=60):
    """Delays and children of a branching system; delays of whole numbers make many ties."""
    draw = np.random.default_rng(seed)
    delays = draw.integers(0, 4, events).tolist()
    parents = [int(draw.integers(-1, number)) for number in range(events)]
    children = {number: [child for child, parent in enumerate(parents) if parent == number] for number in range(-1, 60)}
    return delays, children


@settings(max_examples=40, deadline=None, derandomize=True)
@given(seed=SEEDS)
def test_events_come_in_the_same_order(seed):
    delays, children = random_system(seed)
    ours, theirs = [], []
    kernel, environment = Kernel(), simpy.Environment()

    def handle(number):
        ours.append((kernel.now, number))
        for child in children[number]:
            kernel.schedule(kernel.now + delays[child], handle, child)

    def happen(event):
        theirs.append((environment.now, event.value))
        for child in children[event.value]:
            environment.timeout(delays[child], child).callbacks.append(happen)

    for child in children[-1]:
        kernel.schedule(float(delays[child]), handle, child)
        environment.timeout(delays[child], child).callbacks.append(happen)
    kernel.run()
    environment.run()
    assert ours == theirs
    assert len(ours) == len(delays)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(seed=SEEDS)
def test_limits_leave_the_same_events(seed):
    delays, children = random_system(seed)
    ours, theirs = [], []
    kernel, environment = Kernel(), simpy.Environment()
    for child in children[-1]:
        kernel.schedule(float(delays[child]), ours.append, child)
        environment.timeout(delays[child], child).callbacks.append(lambda event: theirs.append(event.value))
    for limit in (1, 2, 3):
        kernel.run(float(limit))
        environment.run(until=limit)
        assert (ours, kernel.now) == (theirs, environment.now)


def simpy_starts(table, count):
    """Starts of the jobs when they queue for a container in order of arrival."""
    environment = simpy.Environment()
    pool = simpy.Container(environment, capacity=count, init=count)
    found = np.full(table.arrival_h.size, np.nan)
    order = []

    def job(number):
        yield environment.timeout(table.arrival_h[number])
        yield pool.get(table.accelerators[number])
        found[number] = environment.now
        order.append(number)
        yield environment.timeout(table.duration_h[number])
        yield pool.put(table.accelerators[number])

    for number in range(found.size):
        environment.process(job(number))
    environment.run()
    return found, order


@settings(max_examples=20, deadline=None, derandomize=True)
@given(seed=SEEDS)
def test_jobs_in_line_start_at_the_same_times(seed):
    draw = np.random.default_rng(seed)
    table = JobTable(
        arrival_h=draw.uniform(0.0, 50.0, 120),
        duration_h=draw.lognormal(0.5, 1.0, 120),
        accelerators=draw.choice([8.0, 16.0, 32.0], 120),
    )
    pool = QueuePool(name="pod", count=96.0, power_mw=0.001, kg_per_mwh=np.ones(1))
    outcome = JobQueue(table, [pool], backfill=False).run()
    starts, order = simpy_starts(table, 96.0)
    np.testing.assert_allclose(outcome.start_h, starts, rtol=1e-12)
    together = np.lexsort((table.arrival_h, outcome.start_h))
    assert order == together.tolist()
