"""Five real zones of 2022 in one scenario, a week of July and the whole year, against the raw files."""

from __future__ import annotations

import csv
import gzip
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from joulewright.io.scenario_file import read_scenario
from joulewright.model import Scenario

pytestmark = pytest.mark.shared

#: Zone, latitude and longitude [deg], time zone, and the mean price [USD/MWh] and intensity [kg/MWh] of the year.
ZONES = {
    "US-CAL-CISO": (37.4, -121.9, "America/Los_Angeles", 88.980745, 196.046442),
    "US-TEX-ERCO": (32.8, -96.8, "America/Chicago", 64.320526, 338.172432),
    "US-MIDA-PJM": (39.0, -77.5, "America/New_York", 89.374483, 355.020662),
    "DE-LU": (50.1, 8.7, "Europe/Berlin", 254.109602, 410.969848),
    "CA-ON": (43.7, -79.4, "America/Toronto", 31.498093, 36.304689),
}
#: First row of the week: price [USD/MWh], direct intensity [kg/MWh], temperature [degC].
FIRST_OF_WEEK = {
    "US-CAL-CISO": (41.11, 84.78, 20.5),
    "US-TEX-ERCO": (81.68, 332.23, 32.0),
    "US-MIDA-PJM": (74.49, 371.56, 26.2),
    "DE-LU": (285.747, 490.98, 18.1),
    "CA-ON": (39.791, 53.25, 21.8),
}
WEEK = ("2022-07-04T00:00:00Z", "2022-07-11T00:00:00Z")
YEAR = ("2022-01-01T00:00:00Z", "2023-01-01T00:00:00Z")

SITE = """
[[site]]
name = "{zone}"
location = {{ latitude = {latitude}, longitude = {longitude}, time_zone = "{time_zone}" }}
weather = {{ file = "{file}", temperature = "temp_c", cloud_cover = "cloud_pct", wind_speed = "wind_kmh", \
humidity = "rh_pct", label = "start" }}
cooling = {{ model = "pue-temperature" }}
[site.grid]
import_limit = "60 MW"
export_limit = "20 MW"
demand_charge = "12 USD/kW/month"
price = {{ file = "{file}", column = "price_usd_mwh", estimated = "price_imputed", label = "start" }}
export_price = {{ factor = 0.9, offset = "-2 USD/MWh" }}
carbon_free_fraction = {{ file = "{file}", column = "low_carbon_pct", label = "start" }}
[[site.grid.carbon_intensity]]
file = "{file}"
column = "ci_direct_g_kwh"
estimated = "ci_estimated"
label = "start"
kind = "average"
scope = "direct"
[[site.grid.carbon_intensity]]
file = "{file}"
column = "ci_lca_g_kwh"
label = "start"
kind = "average"
scope = "lifecycle"
[[site.solar]]
capacity = "30 MW"
[[site.wind]]
capacity = "20 MW"
[[site.battery]]
energy = "80 MWh"
power = "20 MW"
round_trip_efficiency = "88 %"
[[site.fleet]]
accelerator = "H100-SXM"
count = 16384
"""


def scenario_text(grid: Path, span: tuple[str, str]) -> str:
    head = (
        'schema = "joulewright/scenario/1"\nname = "five zones"\ncurrency = "USD"\n'
        f'[time]\nstart = {span[0]}\nend = {span[1]}\nstep = "1 h"\n'
        '[carbon]\ndecides = { kind = "average", scope = "direct" }\nbudget = "20000 t"\n'
    )
    sites = [
        SITE.format(
            zone=zone, latitude=lat, longitude=lon, time_zone=tz, file=(grid / f"{zone}_2022.csv.gz").as_posix()
        )
        for zone, (lat, lon, tz, _, _) in ZONES.items()
    ]
    return head + "".join(sites)


def raw(grid: Path, zone: str, column: str) -> np.ndarray:
    """A column of the file, read without any part of the reader."""
    with gzip.open(grid / f"{zone}_2022.csv.gz", "rt", encoding="utf-8", newline="") as stream:
        return np.array([float(row[column]) for row in csv.DictReader(stream)])


@pytest.fixture(scope="module")
def load(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("five")
    found: dict[tuple[str, str], Scenario] = {}

    def read(span: tuple[str, str]) -> Scenario:
        if span not in found:
            path = folder / "scenario.toml"
            path.write_text(scenario_text(shared / "data" / "grid", span), encoding="utf-8")
            found[span] = read_scenario(path, use_cache=False)
        return found[span]

    return read


@pytest.mark.parametrize("zone", ZONES)
def test_first_values_of_the_week(load, zone: str) -> None:
    site = load(WEEK).site(zone)
    price, intensity, temperature = FIRST_OF_WEEK[zone]
    assert site.grid.import_price_per_mwh[0] == price
    assert site.grid.carbon_intensity("average", "direct").kg_per_mwh[0] == intensity
    assert site.temperature_c[0] == temperature
    assert site.grid.export_price_per_mwh[0] == pytest.approx(0.9 * price - 2.0)


@pytest.mark.parametrize("zone", ZONES)
def test_means_of_the_year(load, zone: str) -> None:
    site = load(YEAR).site(zone)
    _, _, _, price, intensity = ZONES[zone]
    assert site.grid.import_price_per_mwh.size == 8760
    assert site.grid.import_price_per_mwh.mean() == pytest.approx(price, abs=1e-6)
    assert site.grid.carbon_intensity("average", "direct").kg_per_mwh.mean() == pytest.approx(intensity, abs=1e-6)


@pytest.mark.parametrize("zone", ZONES)
def test_the_year_is_the_file(load, shared: Path, zone: str) -> None:
    site, grid = load(YEAR).site(zone), shared / "data" / "grid"
    assert np.array_equal(site.grid.import_price_per_mwh, raw(grid, zone, "price_usd_mwh"))
    lifecycle = site.grid.carbon_intensity("average", "lifecycle").kg_per_mwh
    assert np.array_equal(lifecycle, raw(grid, zone, "ci_lca_g_kwh"))
    assert np.allclose(site.grid.market.carbon_free_fraction, raw(grid, zone, "low_carbon_pct") / 100.0, rtol=1e-12)
    assert site.grid.market.carbon_free_fraction.max() <= 1.0
    assert (lifecycle >= site.grid.carbon_intensity("average", "direct").kg_per_mwh).mean() > 0.99


@pytest.mark.parametrize("zone", ZONES)
def test_the_week_is_a_part_of_the_year(load, zone: str) -> None:
    """4 July is day 185 of 2022, so the week begins after 184 x 24 hours."""
    week, year = load(WEEK).site(zone), load(YEAR).site(zone)
    part = slice(184 * 24, 191 * 24)
    assert np.array_equal(week.grid.import_price_per_mwh, year.grid.import_price_per_mwh[part])
    assert np.array_equal(week.temperature_c, year.temperature_c[part])
    assert np.allclose(week.pue, year.pue[part])
    for one, other in zip(week.renewables, year.renewables, strict=True):
        assert np.allclose(one.per_unit, other.per_unit[part], atol=1e-12)


@pytest.mark.parametrize("zone", ZONES)
def test_weather_gives_power_and_cooling(load, zone: str) -> None:
    site = load(YEAR).site(zone)
    solar, wind = site.renewables
    assert (solar.kind, wind.kind) == ("solar", "wind")
    for plant in (solar, wind):
        assert plant.per_unit.min() >= 0.0
        assert plant.per_unit.max() <= 1.0
    assert 0.08 < solar.per_unit.mean() < 0.30  # capacity factors of fixed tilt between 37 and 50 degrees north
    assert 0.02 < wind.per_unit.mean() < 0.60
    assert 1.05 < site.pue.min() <= site.pue.max() < 1.7
    warm, cold = site.temperature_c > 30.0, site.temperature_c < 5.0
    assert site.pue[warm].mean() > site.pue[cold].mean()


def test_the_sun_of_texas_beats_the_sun_of_germany(load) -> None:
    year = load(YEAR)
    assert year.site("US-TEX-ERCO").renewables[0].per_unit.mean() > year.site("DE-LU").renewables[0].per_unit.mean()
    dark = year.site("DE-LU").renewables[0].per_unit.reshape(365, 24)
    assert dark[:, 23].max() == 0.0
    assert int(dark.mean(axis=0).argmax()) in (10, 11)


def test_demand_charges_follow_local_months(load) -> None:
    """A UTC year begins on the evening of 31 December in America, and ends on the morning of 1 January in Berlin."""
    year = load(YEAR)
    for zone, first, last in (("US-CAL-CISO", "2021-12", "2022-12"), ("DE-LU", "2022-01", "2023-01")):
        windows = year.site(zone).grid.demand_windows
        assert len(windows) == 13
        assert (windows[0].name, windows[-1].name) == (f"demand {first}", f"demand {last}")
        assert sum(int(window.members.sum()) for window in windows) == 8760
    california = year.site("US-CAL-CISO").grid.demand_windows
    assert california[0].share == pytest.approx(8.0 / 744.0)
    assert california[3].name == "demand 2022-03"
    assert (california[3].members.sum(), california[3].share) == (743, 1.0)
    assert california[-1].share == pytest.approx(736.0 / 744.0)
    (week,) = load(WEEK).site("DE-LU").grid.demand_windows
    assert week.share == pytest.approx(168.0 / 744.0)


def test_estimated_data_is_counted(load) -> None:
    year = load(YEAR)
    shares = {
        site.name: site.grid.carbon_intensity("average", "direct").estimated_fraction
        for site in year.sites
        if site.grid
    }
    assert shares["CA-ON"] == pytest.approx(0.040753, abs=1e-6)
    assert shares["US-CAL-CISO"] == pytest.approx(0.000913, abs=1e-6)
    assert shares["DE-LU"] == 0.0
    assert any(item.code == "D010" and "CA-ON" in (item.file or "") for item in year.diagnostics)


def test_provenance_names_every_column(load) -> None:
    series = load(YEAR).provenance["series"]
    assert len(series) == 5 * 8
    assert {fact["rows"] for fact in series} == {8760}
    assert {fact["label"] for fact in series} == {"start"}
    assert len({fact["sha256"] for fact in series}) == 5
    assert {fact["unit"] for fact in series} == {"degC", "%", "km/h", "USD/MWh", "g/kWh"}


def test_the_year_is_read_quickly(shared: Path, tmp_path: Path) -> None:
    path = tmp_path / "scenario.toml"
    path.write_text(scenario_text(shared / "data" / "grid", YEAR), encoding="utf-8")
    read_scenario(path, use_cache=False)
    before = time.process_time()
    read_scenario(path, use_cache=False)
    assert time.process_time() - before < 3.0


def test_steps_of_half_an_hour_keep_energy(shared: Path, tmp_path: Path, load) -> None:
    path = tmp_path / "scenario.toml"
    text = scenario_text(shared / "data" / "grid", WEEK).replace('step = "1 h"', 'step = "30 min"')
    path.write_text(text, encoding="utf-8")
    fine, coarse = read_scenario(path, use_cache=False), load(WEEK)
    for site in coarse.sites:
        halves = fine.site(site.name).grid.import_price_per_mwh
        assert np.allclose(halves.reshape(168, 2).mean(axis=1), site.grid.import_price_per_mwh)


def test_a_horizon_beyond_the_file_is_refused(shared: Path, tmp_path: Path) -> None:
    from joulewright.errors import ScenarioError

    path = tmp_path / "scenario.toml"
    path.write_text(scenario_text(shared / "data" / "grid", (WEEK[0], "2023-07-04T00:00:00Z")), encoding="utf-8")
    with pytest.raises(ScenarioError) as caught:
        read_scenario(path, use_cache=False)
    errors = [problem for problem in caught.value.problems if problem.severity == "error"]
    assert {problem.code for problem in errors} == {"T013"}
    assert len(errors) == 5  # once for each file, not for each of its columns
