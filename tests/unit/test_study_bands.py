"""Aggregates of a run: means by hand, sums over sites, and what is left out."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from joulewright.model import JobRecord, Timeline
from joulewright.study.bands import bands_of, bin_hours, binned
from joulewright.study.result import BAND_QUANTITIES, RunKey, RunOutcome
from joulewright.study.task import job_summary

START = datetime(2022, 1, 1, tzinfo=UTC)


def timeline(step_s: int, steps: int) -> Timeline:
    return Timeline(start=START, step_s=step_s, steps=steps)


@pytest.fixture
def bands(tiny):
    """By quantity and place, of two sites over four half hours; site a has a battery, a turbine and a roof."""
    steps = 4
    grid = tiny.grid(steps, carbon=[400.0, 200.0, 100.0, 100.0], import_price_per_mwh=[50.0, 70.0, 10.0, 10.0])
    rich = tiny.site(
        steps,
        grid=grid,
        batteries=(tiny.battery(),),
        generators=(tiny.generator(steps, emission_kg_per_mwh=500.0),),
        renewables=(tiny.plant(0.5, steps),),
    )
    poor = tiny.site(steps, name="b", fleets=(tiny.fleet(steps),))
    scenario = tiny.scenario(rich, poor, steps=steps, step_s=1800)
    flows = {
        "a": {
            "renewable_used_mw": {"roof": [1.0, 3.0, 0.0, 0.0]},
            "generators": {"turbine": [0.0, 2.0, 0.0, 0.0]},
            "batteries": {"store": ([4.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0])},
            "grid_import_mw": [6.0, 2.0, 1.0, 1.0],
            "grid_export_mw": [0.0, 1.0, 0.0, 0.0],
        }
    }
    outcome = RunOutcome(
        key=RunKey(variant="", policy="p", seed=0), bands=bands_of(scenario, tiny.schedule(scenario, flows=flows))
    )
    return lambda quantity, place="": outcome.band(quantity, place)


def test_means_over_hours(bands) -> None:
    assert bands("grid_import_mw", "a").values.tolist() == [4.0, 1.0]
    assert bands("renewable_used_mw", "a").values.tolist() == [2.0, 0.0]
    assert bands("curtailed_mw", "a").values.tolist() == [3.0, 5.0]
    assert bands("facility_load_mw", "a").values == pytest.approx([0.15, 0.15])
    assert bands("grid_import_mw", "a").bin_h == 1.0


def test_flows_of_all_sites_are_sums(bands) -> None:
    assert bands("facility_load_mw").values == pytest.approx([0.3, 0.3])
    total = bands("grid_import_mw", "a").values + bands("grid_import_mw", "b").values
    assert bands("grid_import_mw").values == pytest.approx(total)


def test_prices_of_all_sites_are_weighted_with_the_load(bands) -> None:
    """Loads are equal, so the mean of 60 and 50, then of 10 and 50."""
    assert bands("import_price_per_mwh", "a").values.tolist() == [60.0, 10.0]
    assert bands("import_price_per_mwh").values == pytest.approx([55.0, 30.0])
    assert bands("carbon_kg_per_mwh").values == pytest.approx([350.0, 250.0])


def test_cost_and_carbon_by_hand(bands) -> None:
    """Hour 1: import 6 at 50 and 2 at 70, fuel 2 at 60, export 1 at 30: halves of 300 and 140 + 120 - 30."""
    assert bands("energy_cost_per_h", "a").values.tolist() == [265.0, 10.0]
    assert bands("carbon_kg_per_h", "a").values.tolist() == [0.5 * (6 * 400 + 2 * 200 + 2 * 500), 100.0]


def test_stored_energy_and_its_share(bands) -> None:
    """4 MW for half an hour at 80 % put 1.6 MWh to the 5 MWh of a 10 MWh battery."""
    assert bands("stored_energy_mwh", "a").values == pytest.approx([6.6, 6.6])
    assert bands("state_of_charge_fraction").values == pytest.approx([0.66, 0.66])
    assert bands("state_of_charge_fraction", "b") is None


def test_a_site_without_a_grid_has_no_price(tiny) -> None:
    scenario = tiny.scenario(tiny.site(grid=None, fleets=()))
    found = bands_of(scenario, tiny.schedule(scenario))
    quantities = {band.quantity for band in found}
    assert "import_price_per_mwh" not in quantities
    assert "carbon_kg_per_mwh" not in quantities
    assert quantities <= set(BAND_QUANTITIES)


def test_a_load_of_nothing_has_the_plain_mean_price(tiny) -> None:
    sites = [
        tiny.site(name=name, fleets=(), grid=tiny.grid(import_price_per_mwh=price))
        for name, price in (("a", 10), ("b", 20))
    ]
    scenario = tiny.scenario(*sites)
    found = RunOutcome(key=RunKey(variant="", policy="p", seed=0), bands=bands_of(scenario, tiny.schedule(scenario)))
    assert found.band("import_price_per_mwh").values.tolist() == [15.0, 15.0]


@pytest.mark.parametrize(
    ("step_s", "days", "wanted"),
    [
        (3600, 16, 1.0),
        (3600, 17, 24.0),
        (900, 7, 1.0),
        (3600, 366, 24.0),
        (3600, 401, 168.0),
        (60, 3650, 168.0),
        (86400, 30, 24.0),
        (7200, 7, 24.0),
    ],
)
def test_length_of_pieces(step_s: int, days: int, wanted: float) -> None:
    line = timeline(step_s, days * 86_400 // step_s)
    assert bin_hours(line) == wanted


def test_the_last_piece_may_be_shorter() -> None:
    values = np.arange(26.0)
    assert binned(values, timeline(3600, 26), 24.0).tolist() == [11.5, 24.5]
    assert binned(values[:1], timeline(3600, 1), 24.0).tolist() == [0.0]


def test_jobs_in_short() -> None:
    records = {
        "a": JobRecord(job="a", release_h=0.0, start_h=1.0, end_h=5.0, restarts=2, moves=1, lost_h=0.5),
        "b": JobRecord(job="b", release_h=2.0, start_h=5.0, restarts=1),
        "c": JobRecord(job="c", release_h=9.0),
    }
    found = job_summary(records)
    assert (found.jobs, found.started, found.finished, found.restarts, found.moves) == (3, 2, 1, 3, 1)
    assert (found.lost_h, found.mean_wait_h, found.longest_wait_h) == (0.5, 2.0, 3.0)
    assert job_summary({}) is None
    assert job_summary({"c": records["c"]}).mean_wait_h is None
