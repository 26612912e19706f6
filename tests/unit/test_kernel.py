"""The event kernel: order, limits, cancelling."""

from __future__ import annotations

import math

import pytest

from joulewright.sim.kernel import Kernel


def test_events_come_by_time_then_priority_then_sequence():
    kernel, seen = Kernel(), []
    for time, priority, name in [(2.0, 0, "e"), (1.0, 1, "c"), (1.0, 0, "a"), (1.0, 0, "b"), (1.0, 1, "d")]:
        kernel.schedule(time, seen.append, name, priority=priority)
    kernel.run()
    assert seen == ["a", "b", "c", "d", "e"]
    assert (kernel.now, kernel.pending, kernel.handled) == (2.0, 0, 5)


def test_payloads_are_never_compared():
    kernel, seen = Kernel(), []
    for payload in ({}, {}, object()):
        kernel.schedule(1.0, seen.append, payload)
    kernel.run()
    assert len(seen) == 3


def test_an_event_at_the_limit_waits():
    kernel, seen = Kernel(), []
    kernel.schedule(1.0, seen.append, "inside")
    kernel.schedule(2.0, seen.append, "at the limit")
    kernel.run(2.0)
    assert (seen, kernel.now, kernel.pending) == (["inside"], 2.0, 1)
    kernel.run(2.0)
    assert seen == ["inside"]
    kernel.run(2.0, inclusive=True)
    assert seen == ["inside", "at the limit"]


def test_handlers_schedule_more_also_at_the_same_time():
    kernel, seen = Kernel(), []

    def chain(count):
        seen.append((kernel.now, count))
        if count:
            kernel.schedule(kernel.now, chain, count - 1)

    kernel.schedule(1.5, chain, 3)
    kernel.run(2.0)
    assert seen == [(1.5, 3), (1.5, 2), (1.5, 1), (1.5, 0)]
    assert kernel.now == 2.0


def test_a_new_event_of_smaller_priority_overtakes_what_waits_at_the_same_time():
    kernel, seen = Kernel(), []
    kernel.schedule(1.0, lambda _: kernel.schedule(1.0, seen.append, "urgent", priority=-1))
    kernel.schedule(1.0, seen.append, "calm")
    kernel.run()
    assert seen == ["urgent", "calm"]


def test_cancelled_events_do_not_happen():
    kernel, seen = Kernel(), []
    handles = [kernel.schedule(float(time), seen.append, time) for time in range(5)]
    assert kernel.cancel(handles[3])
    assert not kernel.cancel(handles[3])
    assert kernel.pending == 4
    kernel.run()
    assert seen == [0, 1, 2, 4]
    assert not kernel.cancel(handles[0])
    assert kernel.handled == 4


def test_a_handler_may_cancel_what_is_due_at_the_same_time():
    kernel, seen = Kernel(), []
    victim = kernel.schedule(1.0, seen.append, "victim", priority=1)
    kernel.schedule(1.0, lambda _: kernel.cancel(victim))
    kernel.run()
    assert seen == []


def test_many_cancelled_events_are_swept_away_also_while_it_runs():
    kernel, seen = Kernel(), []
    handles = [kernel.schedule(10.0 + time, seen.append, time) for time in range(1000)]

    def sweep(_):
        for handle in handles[:-1]:
            kernel.cancel(handle)

    kernel.schedule(1.0, sweep)
    kernel.run(5.0)
    assert kernel.pending == 1
    assert len(kernel._heap) < 100
    kernel.run()
    assert seen == [999]
    assert (kernel.pending, kernel.handled) == (0, 2)


def test_a_run_that_raises_leaves_a_kernel_that_can_go_on():
    kernel, seen = Kernel(), []

    def fail(_):
        raise ZeroDivisionError

    kernel.schedule(1.0, fail)
    kernel.schedule(2.0, seen.append, "later")
    with pytest.raises(ZeroDivisionError):
        kernel.run()
    assert (kernel.now, kernel.running) == (1.0, False)
    kernel.run()
    assert seen == ["later"]


@pytest.mark.parametrize("time", [0.5, -1.0, math.nan, math.inf])
def test_events_are_scheduled_from_now_on(time):
    kernel = Kernel(start=1.0)
    with pytest.raises(ValueError, match="allowed is any finite time"):
        kernel.schedule(time, print)


@pytest.mark.parametrize("until", [0.5, math.nan])
def test_the_limit_does_not_lie_in_the_past(until):
    with pytest.raises(ValueError, match="allowed is from now"):
        Kernel(start=1.0).run(until)


def test_handlers_do_not_run_the_kernel():
    kernel = Kernel()
    kernel.schedule(1.0, lambda _: kernel.run(2.0))
    with pytest.raises(RuntimeError, match="schedule an event instead"):
        kernel.run()


@pytest.mark.parametrize("start", [math.nan, math.inf])
def test_the_start_is_a_time(start):
    with pytest.raises(ValueError, match="finite"):
        Kernel(start=start)
