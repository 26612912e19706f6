"""Scope 2 and carbon-free matching against worked examples: a 10 MW load over four hours."""

from __future__ import annotations

import numpy as np
import pytest

from joulewright.account import carbon_methods, methods_frame
from joulewright.account.matching import self_matched_annual, stored_clean_mwh
from joulewright.account.methods import market_based_annual_kg, market_based_hourly_kg
from joulewright.model import BatterySchedule, MarketFactors

GRID_KG = [420.0, 220.0, 300.0, 420.0]
GRID_SHARE = [0.3, 0.6, 0.5, 0.3]
SOLAR = [0.0, 12.0, 6.0, 0.0]


def load_site(tiny, name="a", **changes):
    changes.setdefault("grid", tiny.grid(4, carbon=GRID_KG))
    return tiny.site(4, name=name, fleets=(), pue=1.0, fixed_it_power_mw=10.0, **changes)


def market(certificates=(0.0, 0.0, 0.0, 0.0), residual=600.0, share=None, instrument=0.0):
    return MarketFactors(
        certificates_mwh=np.array(certificates),
        instrument_kg_per_mwh=instrument,
        residual_kg_per_mwh=None if residual is None else np.full(4, residual),
        carbon_free_fraction=None if share is None else np.array(share),
    )


def figures(tiny, *sites, flows=None):
    scenario = tiny.scenario(*sites, steps=4)
    result = carbon_methods(scenario, tiny.schedule(scenario, flows=flows))
    return {(figure.site, figure.method): figure for figure in result}


def test_scope_2_example(tiny):
    site = load_site(tiny, grid=tiny.grid(4, carbon=GRID_KG, market=market(SOLAR)))
    got = figures(tiny, site)
    assert got["a", "location-based direct"].value == pytest.approx(13_600.0)
    assert got["a", "market-based annual"].value == pytest.approx(13_200.0)
    assert got["a", "market-based hourly"].value == pytest.approx(14_400.0)
    assert got["", "market-based hourly"].value == pytest.approx(14_400.0)


def test_instrument_factor_and_varying_residual():
    factors = MarketFactors(
        certificates_mwh=np.array([2.0, 20.0]),
        instrument_kg_per_mwh=30.0,
        residual_kg_per_mwh=np.array([600.0, 300.0]),
    )
    imported = np.array([10.0, 5.0])
    assert market_based_hourly_kg(imported, factors) == pytest.approx(7.0 * 30.0 + 8.0 * 600.0)
    assert market_based_annual_kg(imported, factors) == pytest.approx(15.0 * 30.0)
    fewer = MarketFactors(certificates_mwh=np.array([6.0, 0.0]), residual_kg_per_mwh=np.array([600.0, 300.0]))
    assert market_based_annual_kg(imported, fewer) == pytest.approx(9.0 * (6000.0 + 1500.0) / 15.0)


@pytest.mark.parametrize("factors", [None, market(SOLAR, residual=None)])
def test_a_missing_residual_factor_leaves_the_figure_open(tiny, factors):
    got = figures(tiny, load_site(tiny, grid=tiny.grid(4, carbon=GRID_KG, market=factors)))
    for method in ("market-based annual", "market-based hourly"):
        assert got["a", method].value is None
        assert "residual-mix" in got["a", method].note
        assert got["", method].value is None
        assert got["", method].note == "no figure for a"
    assert got["a", "location-based direct"].value == pytest.approx(13_600.0)


def test_no_residual_factor_is_needed_when_certificates_cover_all(tiny):
    full = market([10.0, 10.0, 10.0, 10.0], residual=None, instrument=5.0)
    got = figures(tiny, load_site(tiny, grid=tiny.grid(4, market=full)))
    assert got["a", "market-based annual"].value == pytest.approx(200.0)
    assert got["a", "market-based hourly"].value == pytest.approx(200.0)


def test_a_missing_average_series_leaves_location_based_open(tiny):
    grid = tiny.grid(4, carbon_intensities=(tiny.intensity(GRID_KG, 4, kind="marginal"),))
    got = figures(tiny, load_site(tiny, grid=grid))
    assert got["a", "location-based direct"].value is None
    assert got["a", "location-based direct"].note == "no average-direct intensity is given"


def test_an_islanded_site_imports_nothing(tiny):
    turbine = tiny.generator(4, emission_kg_per_mwh=500.0, start_emission_kg=10.0)
    site = load_site(tiny, grid=None, generators=(turbine,))
    got = figures(tiny, site, flows={"a": {"generators": {"turbine": 10.0}}})
    assert got["a", "location-based lifecycle"].value == 0.0
    assert got["a", "market-based hourly"].value == 0.0
    assert got["a", "scope 1 on-site generation"].value == pytest.approx(20_010.0)
    assert got["a", "24/7 carbon-free score"].value == 0.0


def solar_site(tiny, *batteries):
    plant = tiny.plant(np.array(SOLAR) / 12.0, 4, capacity_mw=12.0)
    return load_site(tiny, grid=tiny.grid(4, market=market(share=GRID_SHARE)), renewables=(plant,), batteries=batteries)


def store(tiny, efficiency=1.0, initial=0.0):
    return tiny.battery(charge_efficiency=efficiency, discharge_efficiency=1.0, initial_energy_mwh=initial)


def test_carbon_free_score_of_the_grid_alone(tiny):
    got = figures(tiny, solar_site(tiny))
    assert got["a", "24/7 carbon-free score"].value == pytest.approx(0.425)


def test_carbon_free_score_without_a_battery(tiny):
    flows = {"renewable_used_mw": {"roof": SOLAR}, "grid_export_mw": [0.0, 2.0, 0.0, 0.0]}
    got = figures(tiny, solar_site(tiny), flows={"a": flows})
    assert got["a", "24/7 carbon-free score"].value == pytest.approx(0.60)
    assert got["a", "self-matched hourly"].value == pytest.approx(0.40)
    assert got["a", "self-matched annual"].value == pytest.approx(0.45)


@pytest.mark.parametrize(("efficiency", "released", "score"), [(1.0, 2.0, 0.635), (0.88, 1.76, 0.6308)])
def test_carbon_free_score_with_a_battery(tiny, efficiency, released, score):
    flows = {
        "renewable_used_mw": {"roof": SOLAR},
        "batteries": {"store": ([0.0, 2.0, 0.0, 0.0], [0.0, 0.0, 0.0, released])},
    }
    got = figures(tiny, solar_site(tiny, store(tiny, efficiency)), flows={"a": flows})
    assert got["a", "24/7 carbon-free score"].value == pytest.approx(score)


def test_energy_stored_before_the_horizon_does_not_count_as_carbon_free(tiny):
    flows = {"batteries": {"store": (0.0, [2.0, 0.0, 0.0, 0.0])}}
    with_store = figures(tiny, solar_site(tiny, store(tiny, initial=5.0)), flows={"a": flows})
    assert with_store["a", "24/7 carbon-free score"].value == pytest.approx((0.3 * 8 + 6 + 5 + 3) / 40)


def test_the_store_mixes_clean_and_other_energy(tiny):
    plan = BatterySchedule(
        charge_mw=np.array([2.0, 0.0]), discharge_mw=np.array([0.0, 2.0]), energy_mwh=np.array([2.0, 4.0, 2.0])
    )
    battery = store(tiny, initial=2.0)
    released = stored_clean_mwh(battery, plan, charged_share=np.array([1.0, 0.0]), step_h=1.0)
    np.testing.assert_allclose(released, [0.0, 1.0])


def test_certificates_count_as_carbon_free_import_of_their_step(tiny):
    site = load_site(tiny, grid=tiny.grid(4, market=market(SOLAR, share=GRID_SHARE)))
    got = figures(tiny, site)
    assert got["a", "24/7 carbon-free score"].value == pytest.approx((3.0 + 10.0 + 8.0 + 3.0) / 40.0)


def test_an_unknown_grid_share_counts_as_zero_and_says_so(tiny):
    flows = {"renewable_used_mw": {"roof": [0.0, 10.0, 6.0, 0.0]}}
    plant = tiny.plant(np.array(SOLAR) / 12.0, 4, capacity_mw=12.0)
    got = figures(tiny, load_site(tiny, renewables=(plant,)), flows={"a": flows})
    assert got["a", "24/7 carbon-free score"].value == pytest.approx(0.4)
    assert "counts as 0" in got["a", "24/7 carbon-free score"].note


def test_shares_of_several_sites_are_weighted_with_their_load(tiny):
    full = tiny.grid(4, market=market(share=[1.0] * 4))
    big = tiny.site(4, name="b", fleets=(), pue=1.0, fixed_it_power_mw=30.0, grid=full)
    got = figures(tiny, solar_site(tiny), big)
    assert got["", "24/7 carbon-free score"].value == pytest.approx((0.425 * 40 + 1.0 * 120) / 160)
    assert got["", "24/7 carbon-free score"].weight_mwh == pytest.approx(160.0)


def test_a_site_without_load_has_no_share(tiny):
    got = figures(tiny, tiny.site(4, fleets=()))
    assert got["a", "24/7 carbon-free score"].value is None
    assert got["", "self-matched annual"].value is None


def test_annual_matching_is_capped_at_one():
    assert self_matched_annual(np.array([1.0]), np.array([5.0])) == 1.0


def test_export_lowers_no_figure(tiny):
    site = load_site(tiny, grid=tiny.grid(4, carbon=GRID_KG, market=market(SOLAR)))
    flows = {"grid_import_mw": 10.0, "grid_export_mw": 5.0}
    got = figures(tiny, site, flows={"a": flows})
    assert got["a", "location-based direct"].value == pytest.approx(13_600.0)


def test_figures_as_a_frame(tiny):
    scenario = tiny.scenario(load_site(tiny), steps=4)
    frame = methods_frame(carbon_methods(scenario, tiny.schedule(scenario)))
    assert frame.columns == ["site", "method", "value", "unit", "note", "weight_mwh"]
    assert frame.filter(site="", method="location-based direct")["value"].item() == pytest.approx(13_600.0)
