"""Climatology, synthetic series and the templates made from them."""

from __future__ import annotations

import csv
import json
import tomllib
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from joulewright.data.climatology import VARIABLES, climatology, zones
from joulewright.data.synthetic import _arma, synthetic_series
from joulewright.errors import DataError, ScenarioError
from joulewright.io import templates
from joulewright.io.scenario_file import read_scenario
from joulewright.model import Timeline

YEAR = Timeline(start=datetime(2022, 1, 1, tzinfo=UTC), step_s=3600, steps=8760)
DAY = Timeline(start=datetime(2022, 7, 4, tzinfo=UTC), step_s=3600, steps=24)
SEEDS = range(4)


def residuals(zone: str, seed: int) -> np.ndarray:
    """Deviation from the climatological mean of each month and local hour, shape ``(6, 8760)``."""
    facts, series = climatology(zone), synthetic_series(zone, YEAR, seed)
    months, hours = local_calendar(facts.time_zone)
    return np.array([series[name] - facts.means[name][months, hours] for name in VARIABLES])


def local_calendar(time_zone: str) -> tuple[np.ndarray, np.ndarray]:
    from zoneinfo import ZoneInfo

    local = [YEAR.at(step).astimezone(ZoneInfo(time_zone)) for step in range(YEAR.steps)]
    return np.array([instant.month - 1 for instant in local]), np.array([instant.hour for instant in local])


def lag(values: np.ndarray, hours: int) -> float:
    return float(np.mean(values[hours:] * values[:-hours]) / np.mean(values**2))


@pytest.fixture(scope="module", params=zones())
def sampled(request) -> tuple[str, list[np.ndarray]]:
    return request.param, [residuals(request.param, seed) for seed in SEEDS]


@pytest.mark.parametrize("column", range(len(VARIABLES)), ids=VARIABLES)
def test_synthetic_years_have_the_statistics_of_the_climatology(sampled, column):
    zone, years = sampled
    facts, name = climatology(zone), VARIABLES[column]
    level, std = float(np.mean(np.abs(facts.means[name]))), facts.residual_std[name]
    heavy = name == "price_usd_mwh"
    runs = [year[column] for year in years]
    assert abs(np.mean(runs)) < (0.12 if heavy else 0.06) * level
    assert np.mean([run.std() for run in runs]) == pytest.approx(std, rel=0.35 if heavy else 0.12)
    assert np.mean([lag(run, 1) for run in runs]) == pytest.approx(facts.lag_1h[name], abs=0.05)
    assert np.mean([lag(run, 24) for run in runs]) == pytest.approx(facts.lag_24h[name], abs=0.12)


def test_synthetic_years_have_the_correlations_of_the_climatology(sampled):
    zone, years = sampled
    found = np.mean([np.corrcoef(year) for year in years], axis=0)
    for (one, two), wanted in climatology(zone).correlation.items():
        assert found[VARIABLES.index(one), VARIABLES.index(two)] == pytest.approx(wanted, abs=0.13)


@pytest.mark.parametrize("zone", zones())
def test_synthetic_series_are_physical(zone):
    series = synthetic_series(zone, YEAR, 5)
    assert set(series) == {*VARIABLES, "low_carbon_pct"}
    assert all(np.isfinite(values).all() for values in series.values())
    assert (series["ci_direct_g_kwh"] > 0.0).all()
    assert (series["ci_lca_g_kwh"] >= series["ci_direct_g_kwh"]).all()
    assert (series["wind_kmh"] >= 0.0).all()
    for share in ("cloud_pct", "low_carbon_pct"):
        assert ((series[share] >= 0.0) & (series[share] <= 100.0)).all()
    low, high = climatology(zone).extremes["price_usd_mwh"]
    assert ((series["price_usd_mwh"] >= low) & (series["price_usd_mwh"] <= high)).all()


def test_seed_and_zone_decide_the_series():
    first = synthetic_series("DE-LU", DAY, 3)
    again = synthetic_series("DE-LU", DAY, 3)
    assert all((first[name] == again[name]).all() for name in first)
    for other in (synthetic_series("DE-LU", DAY, 4), synthetic_series("CA-ON", DAY, 3)):
        assert not np.allclose(first["temp_c"], other["temp_c"])


def test_other_steps_share_the_hours():
    hourly = synthetic_series("CA-ON", DAY, 2)["temp_c"]
    quarter = Timeline(start=DAY.start, step_s=900, steps=96)
    assert synthetic_series("CA-ON", quarter, 2)["temp_c"].tolist() == pytest.approx(np.repeat(hourly, 4).tolist())
    whole = Timeline(start=DAY.start, step_s=86_400, steps=1)
    assert synthetic_series("CA-ON", whole, 2)["temp_c"][0] == pytest.approx(hourly.mean())


@pytest.mark.parametrize(("lag_1h", "lag_24h"), [(0.96, 0.54), (0.85, 0.08), (0.9, 0.9 * 0.9**23), (0.59, 0.18)])
def test_arma_coefficients_give_the_wanted_autocorrelation(lag_1h, lag_24h):
    phi, theta = _arma(lag_1h, lag_24h)
    first = (1 + phi * theta) * (phi + theta) / (1 + 2 * phi * theta + theta**2)
    assert first == pytest.approx(lag_1h)
    assert first * phi**23 == pytest.approx(lag_24h)
    assert abs(theta) <= 1.0


def test_arma_takes_the_smoothest_process_where_none_is_smooth_enough():
    assert _arma(0.992, 0.2)[1] == 1.0


def test_unknown_zone_lists_the_embedded_ones():
    with pytest.raises(ScenarioError, match=r"zone 'FR'; embedded are \['US-CAL-CISO'"):
        climatology("FR")


def test_embedded_figures_equal_their_source(shared):
    with (shared / "data/grid/climatology_2022.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["zone"] for row in rows} == set(zones())
    for row in rows:
        means = climatology(row["zone"]).means
        for name in VARIABLES:
            found = means[name][int(row["local_month"]) - 1, int(row["local_hour"])]
            assert found == pytest.approx(float(row[f"{name}_mean"]), abs=0.51 if name == "cloud_pct" else 0.051)
    statistics = json.loads((shared / "data/grid/climatology_2022.json").read_text("utf-8"))
    for zone in zones():
        facts = climatology(zone)
        assert facts.residual_std == pytest.approx(statistics[zone]["residual_std"], abs=6e-3)
        assert facts.lag_1h == pytest.approx(statistics[zone]["lag1"], abs=6e-4)
        assert facts.lag_24h == pytest.approx(statistics[zone]["lag24"], abs=6e-4)


def test_data_package_describes_every_table():
    folder = resources.files("joulewright.data")
    package = json.loads(folder.joinpath("datapackage.json").read_text("utf-8"))
    assert {source["title"].split(",")[0] for source in package["sources"]} >= {"Electricity Maps", "Open-Meteo"}
    for resource in package["resources"]:
        if resource["format"] == "csv":
            text = folder.joinpath(resource["path"]).read_text("utf-8")
            lines = [line for line in text.splitlines() if line[:1] != "#"]
            assert lines[0].split(",") == [field["name"] for field in resource["schema"]["fields"]]
        else:
            assert folder.joinpath(resource["path"]).is_file()


@pytest.fixture(scope="module", params=templates.TEMPLATES)
def written(request, tmp_path_factory) -> tuple[str, Path]:
    folder = tmp_path_factory.mktemp("template") / request.param
    paths = templates.write_template(request.param, folder)
    assert paths[0] == folder / "scenario.toml"
    assert sorted(paths) == sorted(folder.iterdir())
    return request.param, folder


def test_series_say_that_they_are_synthetic(written):
    name, folder = written
    zone_of = templates._TEMPLATES[name].zones
    for path in folder.glob("*.csv"):
        first, header, row = path.read_text("utf-8").splitlines()[:3]
        assert first.startswith("# synthetic, seed 7, ")
        assert first.endswith(": not a measurement")
        if path.stem in zone_of:
            assert f"calibrated on the 2022 climatology of {zone_of[path.stem]}" in first
        assert header.startswith("utc_start,")
        assert header.count(",") == row.count(",")


def test_templates_load_without_errors_or_warnings(written):
    name, folder = written
    scenario = read_scenario(folder / "scenario.toml", use_cache=False)
    assert scenario.name == name
    assert [str(item) for item in scenario.diagnostics if item.severity != "note"] == []
    assert sum("not a measurement" in item.message for item in scenario.diagnostics) == len(list(folder.glob("*.csv")))


def test_every_series_column_has_the_horizon_of_its_scenario(written):
    _, folder = written
    time = tomllib.loads((folder / "scenario.toml").read_text("utf-8"))["time"]
    hours = (time["end"] - time["start"]).total_seconds() / 3600.0
    for path in folder.glob("*.csv"):
        rows = path.read_text("utf-8").splitlines()[2:]
        assert len(rows) == hours
        assert datetime.fromisoformat(rows[0].split(",")[0]) == time["start"]


def test_three_sites_shows_what_can_be_planned(tmp_path):
    scenario = read_scenario(templates.write_template("three-sites", tmp_path)[0], use_cache=False)
    assert [site.name for site in scenario.sites] == ["california", "texas", "virginia"]
    assert {job.kind for job in scenario.training} == {"rigid", "pausable", "elastic"}
    assert 10 <= len(scenario.training) <= 16
    assert len(scenario.inference) == 2
    assert scenario.carbon.budget_kg is not None
    assert scenario.carbon.price_per_t > 0.0
    assert {plant.kind for site in scenario.sites for plant in site.renewables} == {"solar", "wind"}
    assert all(site.grid.demand_windows and site.batteries for site in scenario.sites)
    assert any(site.generators for site in scenario.sites)


def test_year_spans_every_hour_and_month_of_demand_charges(tmp_path):
    scenario = read_scenario(templates.write_template("microgrid-year", tmp_path)[0], use_cache=False)
    assert scenario.timeline.steps == 8760
    (site,) = scenario.sites
    monthly = [window for window in site.grid.demand_windows if window.name.startswith("month")]
    assert len(monthly) == 12
    assert {window.share for window in monthly} == {1.0}


def test_flexible_connection_has_its_curtailment_calendar(tmp_path):
    scenario = read_scenario(templates.write_template("flexible-interconnection", tmp_path)[0], use_cache=False)
    (site,) = scenario.sites
    flexible = site.grid.flexible
    assert flexible.firm_limit_mw == 14.0
    assert flexible.assumed is False
    # 5 + 7 + 5 + 24 hours of curtailment; demand response lowers the limit to 8 MW for 3 hours.
    assert flexible.curtailed.sum() == 41
    assert np.unique(site.grid.import_limit_mw).tolist() == [8.0, 14.0, 26.0]
    assert (site.grid.import_limit_mw == 8.0).sum() == 3


def test_existing_files_are_kept_unless_forced(tmp_path):
    (tmp_path / "scenario.toml").write_text("mine", encoding="utf-8")
    with pytest.raises(DataError, match=r"already holds scenario\.toml; .*--force"):
        templates.write_template("three-sites", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["scenario.toml"]
    assert (tmp_path / "scenario.toml").read_text("utf-8") == "mine"
    templates.write_template("three-sites", tmp_path, force=True)
    assert "joulewright/scenario/1" in (tmp_path / "scenario.toml").read_text("utf-8")


def test_unusable_targets_are_refused(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(DataError, match=r"cannot write .*choose another directory"):
        templates.write_template("three-sites", tmp_path / "file" / "below")
    with pytest.raises(DataError, match="no template 'moon'; there are three-sites, microgrid-year"):
        templates.write_template("moon", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_equal_calls_write_equal_files(tmp_path):
    first = templates.write_template("flexible-interconnection", tmp_path / "a")
    second = templates.write_template("flexible-interconnection", tmp_path / "b")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
