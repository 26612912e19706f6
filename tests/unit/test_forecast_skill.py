"""Skill scores worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from joulewright.errors import PolicyError
from joulewright.model import Event
from joulewright.model.disturbance import apply_events
from joulewright.policy.forecast import RecordedForecaster, RecordedSeries, make_forecaster, skill

CARBON = "a/carbon_kg_per_mwh"


@pytest.fixture(scope="module")
def counting(tiny):
    """Six hours in which the carbon intensity is 1, 2, 4, 8, 16, 32; nothing else changes."""
    grid = tiny.grid(6, carbon=2.0 ** np.arange(6))
    return tiny.scenario(tiny.site(6, grid=grid), steps=6)


def rows(forecaster, scenario, **options):
    made = make_forecaster(forecaster) if isinstance(forecaster, str) else forecaster
    return {(row.signal, row.lead_h): row for row in skill(made, scenario, 0, **options)}


def test_persistence_by_hand(counting) -> None:
    """One hour ahead it is 1, 2, 4, 8, 16 too low; the actual values are 2 to 32, mean 12.4."""
    found = rows("persistence", counting, leads_h=(1.0, 3.0))
    assert set(found) == {(CARBON, 1.0), (CARBON, 3.0)}
    hour = found[CARBON, 1.0]
    assert (hour.count, hour.mae, hour.bias) == (5, 6.2, -6.2)
    assert hour.rmse == pytest.approx(np.sqrt(341.0 / 5.0))
    assert hour.nmae_fraction == pytest.approx(0.5)
    assert hour.mape_fraction == pytest.approx(0.5)
    assert hour.skill == 0.0
    assert (found[CARBON, 3.0].count, found[CARBON, 3.0].mae) == (3, pytest.approx(49.0 / 3.0))


def test_a_recording_that_is_one_too_high(counting) -> None:
    """Its error is 1 at every lead, against 6.2 of persistence one hour ahead."""
    series = RecordedSeries.by_valid_time(counting.timeline, 2.0 ** np.arange(6) + 1.0)
    hour = rows(RecordedForecaster(recordings={CARBON: series}), counting, leads_h=(1.0,))[CARBON, 1.0]
    assert (hour.mae, hour.rmse, hour.bias) == (1.0, 1.0, 1.0)
    assert hour.skill == pytest.approx(1.0 - 1.0 / 6.2)


def test_perfect_has_skill_one(counting) -> None:
    assert [row.skill for row in rows("perfect", counting).values()] == [1.0]


def test_issues_further_apart_and_leads_that_do_not_fit(counting) -> None:
    found = rows("persistence", counting, leads_h=(1.0, 24.0), every_h=2.0)
    assert [(row.lead_h, row.count, row.bias) for row in found.values()] == [(1.0, 3, pytest.approx(-7.0))]
    assert rows("persistence", counting, leads_h=(24.0,)) == {}


def test_events_that_nobody_knew_cost_skill(counting) -> None:
    outage = Event(kind="grid-outage", site="a", start=counting.timeline.at(3), end=counting.timeline.at(4))
    eventful = counting.with_changes(events=(outage,))
    row = rows("persistence", eventful, leads_h=(1.0,))["a/import_limit_mw", 1.0]
    assert (row.count, row.mae, row.mape_fraction) == (5, 20.0, None)  # 100 MW expected and none there, once
    with_events = rows("persistence", apply_events(eventful, eventful.events), leads_h=(1.0,))
    assert with_events["a/import_limit_mw", 1.0].mae == 40.0  # as a plain series it also persists


def test_a_zero_series_has_no_relative_error(tiny) -> None:
    site = tiny.site(4, grid=tiny.grid(4, import_price_per_mwh=[0.0, 5.0, 0.0, 0.0]))
    row = rows("persistence", tiny.scenario(site, steps=4), leads_h=(2.0,))["a/import_price_per_mwh", 2.0]
    assert (row.mae, row.nmae_fraction, row.mape_fraction) == (2.5, None, None)


@pytest.mark.parametrize("options", [{"leads_h": (0.0,)}, {"leads_h": ()}, {"every_h": 0.0}, {"leads_h": (-1.0, 2.0)}])
def test_bad_options(counting, options) -> None:
    with pytest.raises(PolicyError, match="above 0"):
        rows("persistence", counting, **options)
