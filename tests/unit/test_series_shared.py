"""The real grid files: every zone of 2022 and the carbon files of 2023."""

from __future__ import annotations

import csv
import gzip
from datetime import UTC, datetime

import numpy as np
import pytest

from joulewright.errors import ScenarioError
from joulewright.io.series import SeriesReference, read_series
from joulewright.model import Timeline

pytestmark = pytest.mark.shared

YEAR = Timeline(start=datetime(2022, 1, 1, tzinfo=UTC), step_s=3600, steps=8760)
WEEK = Timeline(start=datetime(2022, 7, 4, tzinfo=UTC), step_s=3600, steps=168)
ZONES = ["US-CAL-CISO", "US-TEX-ERCO", "US-MIDA-PJM", "DE-LU", "CA-ON"]


def column_of(path, name):
    """Every cell of a column, read in the plainest way."""
    with gzip.open(path, "rt", newline="") as stream:
        return [row[name] for row in csv.DictReader(stream)]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(
    ("column", "dimension", "scale"),
    [
        ("ci_direct_g_kwh", "carbon_intensity", 1.0),
        ("ci_lca_g_kwh", "carbon_intensity", 1.0),
        ("price_usd_mwh", "energy_price", 1.0),
        ("temp_c", "temperature", 1.0),
        ("cloud_pct", "fraction", 0.01),
        ("wind_kmh", "speed", 1 / 3.6),
    ],
)
def test_whole_year(shared, zone, column, dimension, scale):
    path = shared / "data" / "grid" / f"{zone}_2022.csv.gz"
    result = read_series(SeriesReference(path=path, column=column, dimension=dimension, label="start"), YEAR)
    raw = np.array([float(cell) for cell in column_of(path, column)])
    np.testing.assert_allclose(result.values, raw * scale, rtol=1e-15)
    assert result.diagnostics == ()
    assert (result.facts["rows"], result.facts["interpolated"]) == (8760, 0)


def test_week_inside_the_year_and_estimated_prices(shared):
    path = shared / "data" / "grid" / "US-MIDA-PJM_2022.csv.gz"
    reference = SeriesReference(
        path=path, column="price_usd_mwh", dimension="energy_price", currency="USD", estimated="price_imputed"
    )
    week, year = read_series(reference, WEEK), read_series(reference, YEAR)
    first = WEEK.floor(WEEK.start) + int(YEAR.position(WEEK.start))
    np.testing.assert_array_equal(week.values, year.values[first : first + 168])
    marks = np.array([float(cell) for cell in column_of(path, "price_imputed")])
    assert year.facts["estimated_fraction"] == pytest.approx(marks.mean())
    assert week.facts["estimated_fraction"] == pytest.approx(marks[first : first + 168].mean())


@pytest.mark.parametrize("zone", ["US-CAL-CISO", "DE-LU", "CA-ON"])
def test_naive_stamps_in_a_utc_column(shared, zone):
    path = shared / "data" / "grid" / f"{zone}_2023_carbon.csv.gz"
    timeline = Timeline(start=datetime(2023, 1, 1, tzinfo=UTC), step_s=3600, steps=8760)
    result = read_series(
        SeriesReference(path=path, column="ci_lca_g_kwh", dimension="carbon_intensity", label="start"), timeline
    )
    assert result.facts["time_zone"] == "UTC"
    assert result.values.min() > 0.0


def test_dropped_day_of_a_leap_year_is_found(shared):
    """The forecast file has 365 days in 2020: its last one is missing, and nobody says so."""
    path = shared / "data" / "grid" / "CISO_forecast_2019_2022.csv.gz"
    reference = SeriesReference(path=path, column="carbon_intensity", dimension="carbon_intensity", unit="g/kWh")
    four_years = Timeline(start=datetime(2019, 1, 1, tzinfo=UTC), step_s=3600, steps=35_064)
    with pytest.raises(ScenarioError) as caught:
        read_series(reference, four_years)
    (found,) = caught.value.problems
    assert found.code == "T011"
    assert found.message == "no values for 24 h from 2020-12-31T00:00Z to 2021-01-01T00:00Z"
    assert read_series(reference, WEEK).values.shape == (168,)


def test_daily_means_keep_the_sum(shared):
    path = shared / "data" / "grid" / "DE-LU_2022.csv.gz"
    reference = SeriesReference(path=path, column="ci_direct_g_kwh", dimension="carbon_intensity")
    days = Timeline(start=datetime(2022, 1, 1, tzinfo=UTC), step_s=86_400, steps=365)
    assert read_series(reference, days).values.sum() * 24 == pytest.approx(
        read_series(reference, YEAR).values.sum(), rel=1e-12
    )


@pytest.mark.parametrize(("zone", "longitude_deg"), [("US-CAL-CISO", -119.0), ("US-TEX-ERCO", -99.0)])
def test_hour_ending_generation_is_noticed(shared, zone, longitude_deg):
    """EIA-930 generation is published hour-ending; read as hour-beginning it lies late against solar noon."""
    path = shared / "data" / "grid" / f"{zone}_2022.csv.gz"
    months = Timeline(start=datetime(2022, 1, 2, tzinfo=UTC), step_s=3600, steps=8700)
    reference = SeriesReference(path=path, column="gen_sun_mw", dimension="power", longitude_deg=longitude_deg)
    result = read_series(reference, months)
    assert any("looks hour-ENDING" in item.message for item in result.diagnostics)
