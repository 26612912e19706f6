"""The real CISO forecasts: published figures of their errors, and an artificial error of the same size."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from joulewright.io import read_forecast
from joulewright.io.series import SeriesReference, read_series
from joulewright.model import CarbonIntensity, GridConnection, Scenario, Site, Timeline
from joulewright.policy.forecast import make_forecaster, skill

CARBON = "a/carbon_kg_per_mwh"
FORECAST = "avg_carbon_intensity_forecast"


@pytest.fixture(scope="module")
def recording(shared) -> Path:
    return shared / "data" / "grid" / "CISO_forecast_2019_2022.csv.gz"


def scenario_of(path: Path, year: int, steps: int = 8760) -> Scenario:
    timeline = Timeline(start=datetime(year, 1, 1, tzinfo=UTC), step_s=3600, steps=steps)
    reference = SeriesReference(
        path=path, column="carbon_intensity", dimension="carbon_intensity", unit="g/kWh", label="start"
    )
    actual = CarbonIntensity(kind="average", scope="direct", kg_per_mwh=read_series(reference, timeline).values)
    flat = np.zeros(steps)
    grid = GridConnection(
        import_limit_mw=flat,
        export_limit_mw=flat,
        import_price_per_mwh=flat,
        export_price_per_mwh=flat,
        carbon_intensities=(actual,),
    )
    site = Site(name="a", grid=grid, pue=flat + 1.0, fixed_it_power_mw=flat, fixed_facility_power_mw=flat)
    return Scenario(name="ciso", timeline=timeline, sites=(site,))


def score(path: Path, forecaster, year: int, leads_h=(1.0, 24.0), every_h: float = 1.0):
    return {row.lead_h: row for row in skill(forecaster, scenario_of(path, year), 3, leads_h=leads_h, every_h=every_h)}


@pytest.mark.parametrize(("year", "mae", "mape"), [(2019, 49.81, 0.502), (2021, 29.89, 0.202), (2022, 26.10, 0.177)])
def test_recorded_errors_are_those_of_the_file(recording, year, mae, mape) -> None:
    scenario = scenario_of(recording, year)
    made = read_forecast(recording, scenario.timeline, {CARBON: FORECAST}, units={FORECAST: "g/kWh"})
    row = score(recording, made, year)[24.0]
    assert row.mae == pytest.approx(mae, abs=0.15)
    assert row.mape_fraction == pytest.approx(mape, abs=0.003)


def test_the_artificial_error_has_the_size_of_the_real_one(recording) -> None:
    """Long after the issue: 14.9 % of the mean intensity over 2020 to 2022 is the mean absolute error of the file."""
    row = score(recording, make_forecaster("day-ahead"), 2022, leads_h=(48.0,), every_h=3.0)[48.0]
    assert row.nmae_fraction == pytest.approx(0.149, abs=0.012)
    assert abs(row.bias) < 0.03 * row.mae / row.nmae_fraction


def test_the_artificial_error_has_the_memory_of_the_real_one(recording) -> None:
    scenario = scenario_of(recording, 2022)
    actual = scenario.site("a").grid.carbon_intensities[0].kg_per_mwh
    recorded = read_forecast(recording, scenario.timeline, {CARBON: FORECAST}, units={FORECAST: "g/kWh"})
    source = make_forecaster("day-ahead").prepare(scenario, scenario, (), np.random.default_rng(1))
    made = source.issue(0).series(CARBON, 8760)

    def after_an_hour(forecast) -> float:
        error = np.log(forecast / actual)[100:]
        return float(np.corrcoef(error[1:], error[:-1])[0, 1])

    assert after_an_hour(made) == pytest.approx(0.91, abs=0.02)
    assert after_an_hour(recorded.recordings[CARBON].values[0]) == pytest.approx(after_an_hour(made), abs=0.05)


def test_what_the_past_tells_of_2022(recording) -> None:
    """Yesterday's same hour is as good at 24 h as the present, and three times better at 6 h."""
    rows = score(recording, make_forecaster("diurnal-persistence"), 2022, leads_h=(1.0, 6.0, 24.0), every_h=6.0)
    assert rows[24.0].skill == pytest.approx(0.0)
    assert 0.6 < rows[6.0].skill < 0.75
    assert rows[1.0].skill < 0.0


def test_a_missing_day_is_an_error(recording) -> None:
    from joulewright.errors import ScenarioError

    timeline = Timeline(start=datetime(2020, 12, 30, tzinfo=UTC), step_s=3600, steps=72)
    with pytest.raises(ScenarioError, match="T011"):
        read_forecast(recording, timeline, {CARBON: FORECAST}, units={FORECAST: "g/kWh"})
