"""Random events: streams, Poisson arrivals, durations."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from joulewright.errors import ScenarioError
from joulewright.model import EventRate, Scenario
from joulewright.sim.chance import draw_events

HOURS = 24 * 365
OUTAGE = EventRate(name="outage", kind="grid-outage", site="a", rate_per_h=1 / 50, duration_h=4.0)
CALL = EventRate(
    name="call", kind="demand-response", site="a", rate_per_h=1 / 100, duration_h=2.0, limit_mw=5.0, notice_h=3.0,
    fixed_duration=True,
)  # fmt: skip


@pytest.fixture(scope="module")
def year(tiny) -> Scenario:
    return tiny.scenario(tiny.site(HOURS), steps=HOURS)


def test_equal_seeds_give_equal_events(year) -> None:
    assert draw_events(year, [OUTAGE, CALL], 3) == draw_events(year, [OUTAGE, CALL], 3)
    assert draw_events(year, [OUTAGE], 3) != draw_events(year, [OUTAGE], 4)


def test_one_rate_does_not_disturb_another(year) -> None:
    alone = draw_events(year, [OUTAGE], 1)
    both = draw_events(year, [CALL, OUTAGE], 1)
    assert tuple(event for event in both if event.kind == "grid-outage") == alone


def test_durations_do_not_move_arrivals(year) -> None:
    longer = draw_events(year, [replace(OUTAGE, duration_h=40.0)], 1)
    assert [event.start for event in longer] == [event.start for event in draw_events(year, [OUTAGE], 1)]


def test_a_longer_horizon_begins_alike(tiny, year) -> None:
    short = tiny.scenario(tiny.site(1000), steps=1000)
    first = draw_events(short, [OUTAGE], 1)
    assert draw_events(year, [OUTAGE], 1)[: len(first)] == first
    assert all(event.start < short.timeline.end for event in first)


def test_events_carry_what_the_rate_says_and_come_in_order(year) -> None:
    events = draw_events(year, [CALL, OUTAGE], 0)
    assert [event.start for event in events] == sorted(event.start for event in events)
    call = next(event for event in events if event.kind == "demand-response")
    assert (call.limit_mw, call.notice_h, call.end - call.start) == (5.0, 3.0, timedelta(hours=2))


def test_means_are_those_of_the_rate(year) -> None:
    drawn = [event for seed in range(40) for event in draw_events(year, [OUTAGE], seed)]
    expected = 40 * HOURS / 50
    assert abs(len(drawn) - expected) < 4 * np.sqrt(expected)  # Poisson counts
    lasts_h = np.array([(event.end - event.start).total_seconds() / 3600.0 for event in drawn])
    assert abs(lasts_h.mean() - 4.0) < 4 * 4.0 / np.sqrt(lasts_h.size)
    assert abs(np.median(lasts_h) - 4.0 * np.log(2.0)) < 0.2  # exponential, not normal


def test_never_is_never(year) -> None:
    assert draw_events(year, [replace(OUTAGE, rate_per_h=0.0)], 0) == ()
    assert draw_events(year, [], 0) == ()


@pytest.mark.parametrize(
    ("rates", "words"),
    [
        ([replace(OUTAGE, site="q")], "no such site"),
        ([replace(OUTAGE, component="turbine")], "no component 'turbine'"),
        ([OUTAGE, OUTAGE], "two chances are called 'outage'"),
    ],
)
def test_bad_rates(year, rates, words) -> None:
    with pytest.raises(ScenarioError, match=words):
        draw_events(year, rates, 0)
