"""Ledger items of two-step schedules, every figure worked by hand."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from joulewright.account import SECTIONS, LedgerRow, settle
from joulewright.errors import MissingExtraError
from joulewright.model import CarbonPolicy, DemandWindow, Link, Region


def test_energy_of_an_idle_site(tiny):
    scenario = tiny.scenario()
    ledger = settle(scenario, tiny.schedule(scenario))
    assert ledger.total("energy", "import") == pytest.approx(0.3)
    assert ledger.total("energy", "facility load") == pytest.approx(0.3)
    assert ledger.total("it energy") == pytest.approx(0.2)
    assert ledger.total("it energy", "idle") == pytest.approx(0.2)
    assert ledger.total("cost", "import") == pytest.approx(15.0)
    assert ledger.benefit == pytest.approx(-15.0)


def test_import_and_export_by_step_price_and_step_length(tiny):
    grid = tiny.grid(import_price_per_mwh=[50.0, -20.0], export_price_per_mwh=[30.0, -5.0])
    scenario = tiny.scenario(tiny.site(grid=grid, fleets=()), step_s=1800)
    flows = {"a": {"grid_import_mw": [4.0, 2.0], "grid_export_mw": [1.0, 3.0]}}
    ledger = settle(scenario, tiny.schedule(scenario, flows=flows))
    assert ledger.total("cost", "import") == pytest.approx(0.5 * (200.0 - 40.0))
    assert ledger.total("value", "export") == pytest.approx(0.5 * (30.0 - 15.0))
    assert ledger.total("energy", "export") == pytest.approx(2.0)
    assert ledger.figure("peak", "import", "a") == 4.0


def test_renewables_and_curtailment(tiny):
    scenario = tiny.scenario(tiny.site(renewables=(tiny.plant([0.5, 0.2]),), fixed_facility_power_mw=4.0))
    ledger = settle(scenario, tiny.schedule(scenario, flows={"a": {"renewable_used_mw": {"roof": [4.0, 2.0]}}}))
    assert ledger.total("energy", "renewable/roof") == pytest.approx(6.0)
    assert ledger.total("energy", "curtailed") == pytest.approx(1.0)
    assert ledger.summary()["curtailed_fraction"] == pytest.approx(1.0 / 7.0)


def test_demand_charge_counts_only_what_exceeds_the_peak_so_far(tiny):
    windows = (
        DemandWindow(name="day", price_per_mw=12000.0, members=np.array([True, False]), peak_so_far_mw=3.0, share=0.25),
        DemandWindow(name="low", price_per_mw=9000.0, members=np.array([False, True]), peak_so_far_mw=9.0),
        DemandWindow(name="none", price_per_mw=9000.0, members=np.array([False, False])),
    )
    scenario = tiny.scenario(tiny.site(grid=tiny.grid(demand_windows=windows), fleets=()))
    ledger = settle(scenario, tiny.schedule(scenario, flows={"a": {"grid_import_mw": [5.0, 8.0]}}))
    assert ledger.figure("cost", "demand charge/day", "a") == pytest.approx(12000.0 * 0.25 * 2.0)
    assert ledger.figure("cost", "demand charge/low", "a") == 0.0
    assert ledger.figure("cost", "demand charge/none", "a") == 0.0
    assert ledger.total("cost", "demand charge") == pytest.approx(6000.0)
    assert ledger.figure("peak", "window/low", "a") == 9.0
    with pytest.raises(ValueError, match="do not add up"):
        ledger.total("peak")


def test_generator_fuel_no_load_starts_and_emission(tiny):
    turbine = tiny.generator(
        steps=3,
        fuel_cost_per_mwh=[60.0, 60.0, 80.0],
        start_cost=100.0,
        no_load_cost_per_h=7.0,
        emission_kg_per_mwh=500.0,
        no_load_emission_kg_per_h=20.0,
        start_emission_kg=35.0,
    )
    scenario = tiny.scenario(tiny.site(3, generators=(turbine,), grid=None), steps=3)
    ledger = settle(scenario, tiny.schedule(scenario, flows={"a": {"generators": {"turbine": [4.0, 0.0, 2.0]}}}))
    assert ledger.total("cost", "fuel") == pytest.approx(240.0 + 160.0)
    assert ledger.total("cost", "no-load") == pytest.approx(14.0)
    assert ledger.total("cost", "start-up") == pytest.approx(200.0)
    assert ledger.total("carbon", "generator") == pytest.approx(6.0 * 500.0 + 2 * 20.0)
    assert ledger.total("carbon", "start-up") == pytest.approx(70.0)
    assert ledger.total("carbon", "import") == 0.0


def test_a_unit_that_is_on_before_the_horizon_does_not_start(tiny):
    turbine = tiny.generator(start_cost=100.0, initially_on=True)
    scenario = tiny.scenario(tiny.site(generators=(turbine,)))
    ledger = settle(scenario, tiny.schedule(scenario, flows={"a": {"generators": {"turbine": [4.0, 4.0]}}}))
    assert ledger.total("cost", "start-up") == 0.0


def test_battery_wear_cycles_and_terminal_value(tiny):
    store = tiny.battery(wear_cost_per_mwh=6.0, terminal_value_per_mwh=40.0)
    scenario = tiny.scenario(tiny.site(batteries=(store,)))
    ledger = settle(scenario, tiny.schedule(scenario, flows={"a": {"batteries": {"store": ([5.0, 0.0], [0.0, 3.0])}}}))
    assert ledger.total("cost", "battery wear") == pytest.approx(6.0 * 8.0 / 2.0)
    assert ledger.figure("battery", "cycles/store", "a") == pytest.approx(0.4)
    assert ledger.figure("battery", "stored at end/store", "a") == pytest.approx(5.0 + 4.0 - 6.0)
    assert ledger.total("value", "stored energy") == pytest.approx(-80.0)  # it lost 2 MWh
    assert ledger.total("energy", "charge") == pytest.approx(5.0)
    assert ledger.total("energy", "discharge/store") == pytest.approx(3.0)


def test_unserved_power_is_priced(tiny):
    scenario = tiny.scenario(tiny.site(unserved_power_penalty_per_mwh=1000.0))
    ledger = settle(scenario, tiny.schedule(scenario, flows={"a": {"unserved_mw": [0.1, 0.05]}}))
    assert ledger.total("cost", "unserved power") == pytest.approx(150.0)
    assert ledger.total("energy", "unserved") == pytest.approx(0.15)
    assert ledger.notes == ()


def test_unserved_power_without_a_price_is_noted(tiny):
    scenario = tiny.scenario()
    ledger = settle(scenario, tiny.schedule(scenario, flows={"a": {"unserved_mw": 0.1}}))
    assert "unserved power" not in {row.item for row in ledger.rows}
    assert ledger.notes == ("site a leaves load unserved without a price for it; the cost leaves it out",)


def test_inference_revenue_penalty_share_and_latency(tiny):
    regions = (Region(name="west", latency_ms={"a": 10.0, "b": 40.0}),)
    service = tiny.service(demand=1e6, revenue_per_mtoken=0.4, unserved_penalty_per_mtoken=4.0)
    fleet = tiny.fleet(count=10000)
    scenario = tiny.scenario(
        tiny.site(fleets=(fleet,)), tiny.site(name="b", fleets=(fleet,)), regions=regions, inference=(service,)
    )
    rates = {("west", "a", "gpus"): [1e6, 0.5e6], ("west", "b", "gpus"): [0.0, 0.25e6]}
    ledger = settle(scenario, tiny.schedule(scenario, services={"chat": rates}))
    # 1e6 token/s for an hour are 3600 Mtoken
    assert ledger.total("tokens", "asked") == pytest.approx(7200.0)
    assert ledger.total("tokens", "served/chat") == pytest.approx(6300.0)
    assert ledger.total("tokens", "unserved") == pytest.approx(900.0)
    assert ledger.total("value", "inference") == pytest.approx(2520.0)
    assert ledger.total("value", "inference", "b") == pytest.approx(360.0)
    assert ledger.total("cost", "unserved inference") == pytest.approx(3600.0)
    assert ledger.figure("service", "served share") == pytest.approx(0.875)
    assert ledger.figure("service", "mean latency/chat") == pytest.approx((1.5 * 10.0 + 0.25 * 40.0) / 1.75)
    assert ledger.summary()["mean_latency_ms"] == ledger.figure("service", "mean latency")


def test_carbon_of_import_price_and_excess(tiny):
    policy = CarbonPolicy(price_per_t=100.0, budget_kg=2000.0, used_kg=500.0, excess_price_per_t=1000.0)
    grid = tiny.grid(carbon=[400.0, 200.0])
    scenario = tiny.scenario(tiny.site(grid=grid, fleets=(), carbon_budget_kg=1900.0), carbon=policy)
    ledger = settle(scenario, tiny.schedule(scenario, flows={"a": {"grid_import_mw": [4.0, 2.0]}}))
    assert ledger.carbon_kg == pytest.approx(2000.0)
    assert ledger.total("cost", "carbon price") == pytest.approx(200.0)
    assert ledger.total("cost", "excess carbon", "a") == pytest.approx(100.0)
    assert ledger.total("cost", "excess carbon", "") == pytest.approx(500.0)
    assert ledger.cost == pytest.approx(300.0 + 200.0 + 600.0)


def test_hard_budgets_have_no_excess_cost(tiny):
    scenario = tiny.scenario(tiny.site(carbon_budget_kg=1.0), carbon=CarbonPolicy(budget_kg=1.0))
    ledger = settle(scenario, tiny.schedule(scenario))
    assert not any(row.item == "excess carbon" for row in ledger.rows)


@pytest.mark.parametrize(("credit", "expected"), [(False, 2000.0), (True, 2000.0 - 600.0)])
def test_export_is_credited_only_on_request_and_always_shown_apart(tiny, credit, expected):
    grid = tiny.grid(carbon=[400.0, 200.0])
    scenario = tiny.scenario(tiny.site(grid=grid, fleets=()), carbon=CarbonPolicy(credit_export=credit))
    flows = {"grid_import_mw": [4.0, 2.0], "grid_export_mw": [0.0, 3.0]}
    ledger = settle(scenario, tiny.schedule(scenario, flows={"a": flows}))
    assert ledger.carbon_kg == pytest.approx(expected)
    assert ledger.total("carbon by series", "average-direct") == pytest.approx(2000.0)
    assert ledger.total("export credit by series", "average-direct") == pytest.approx(600.0)


def test_all_declared_series_stand_beside_the_deciding_one(tiny):
    grid = tiny.grid(
        carbon_intensities=(tiny.intensity(400.0), tiny.intensity(700.0, kind="marginal", scope="lifecycle"))
    )
    turbine = tiny.generator(emission_kg_per_mwh=500.0)
    scenario = tiny.scenario(tiny.site(grid=grid, fleets=(), generators=(turbine,)))
    flows = {"grid_import_mw": [1.0, 1.0], "generators": {"turbine": [1.0, 0.0]}}
    ledger = settle(scenario, tiny.schedule(scenario, flows={"a": flows}))
    assert ledger.carbon_by_series_kg == pytest.approx({"average-direct": 1300.0, "marginal-lifecycle": 1900.0})
    assert ledger.carbon_series == "average-direct"


def test_a_series_that_a_site_lacks_gives_no_total(tiny):
    both = tiny.grid(carbon_intensities=(tiny.intensity(400.0), tiny.intensity(700.0, kind="marginal")))
    islanded = tiny.site(name="c", grid=None, fleets=())
    scenario = tiny.scenario(tiny.site(grid=both), tiny.site(name="b"), islanded)
    ledger = settle(scenario, tiny.schedule(scenario))
    assert ledger.carbon_by_series_kg["marginal-direct"] is None
    assert ledger.carbon_by_series_kg["average-direct"] == pytest.approx(240.0)
    assert ledger.notes == ("series marginal-direct is not declared at b; no total is given for it",)


def test_a_site_without_the_deciding_series_is_noted(tiny):
    scenario = tiny.scenario(tiny.site(grid=tiny.grid(carbon=None)))
    ledger = settle(scenario, tiny.schedule(scenario))
    assert ledger.carbon_kg == 0.0
    assert ledger.notes == ("site a declares no average-direct carbon intensity; its import counts as 0 kg",)


def test_job_value_delay_and_energy_beyond_the_horizon(tiny):
    job = tiny.job(duration_h=2.5, beyond=True, delay_cost_per_h=10.0)
    grid = tiny.grid(import_price_per_mwh=[40.0, 60.0], carbon=[400.0, 200.0])
    scenario = tiny.scenario(tiny.site(grid=grid), training=(job,), carbon=CarbonPolicy(price_per_t=100.0))
    ledger = settle(scenario, tiny.schedule(scenario, jobs={"train": [tiny.run(1, 4, last_fraction=0.5)]}))
    assert ledger.total("value", "jobs") == 500.0
    assert ledger.total("cost", "delay") == pytest.approx(10.0)  # ends at 4; the earliest end is 3
    # 0.6 MWh of IT energy after the horizon, PUE 1.5, mean price 50 and 300 kg/MWh at 100 per t
    assert ledger.total("cost", "energy beyond horizon") == pytest.approx(0.6 * 1.5 * (50.0 + 30.0))
    assert ledger.total("work", "training") == pytest.approx(0.4 * 2.5 * 1.0 / 2.5)


def test_energy_beyond_the_horizon_has_no_price_without_a_grid(tiny):
    job = tiny.job(duration_h=2.0, beyond=True)
    scenario = tiny.scenario(tiny.site(grid=None), training=(job,))
    ledger = settle(scenario, tiny.schedule(scenario, jobs={"train": [tiny.run(1, 3)]}))
    assert ledger.total("cost", "energy beyond horizon") == 0.0


def test_moving_a_checkpoint_is_paid(tiny):
    job = tiny.job(kind="pausable", duration_h=2.0, migratable=True, checkpoint_gb=100.0)
    link = Link(between=("b", "a"), bandwidth_gbit_s=100.0, cost_per_gb=0.05)
    scenario = tiny.scenario(tiny.site(), tiny.site(name="b"), training=(job,), links=(link,))
    ledger = settle(scenario, tiny.schedule(scenario, jobs={"train": [tiny.run(0, 1), tiny.run(1, 2, site="b")]}))
    assert ledger.total("cost", "data transfer", "a") == pytest.approx(5.0)
    assert ledger.total("value", "jobs", "b") == 500.0


def test_job_counts(tiny):
    jobs = (
        tiny.job("done"),
        tiny.job("late", deadline=tiny.at(1.0)),
        tiny.job("short", duration_h=2.0),
        tiny.job("rejected"),
    )
    scenario = tiny.scenario(tiny.site(fleets=(tiny.fleet(count=200),)), training=jobs)
    runs = {"done": [tiny.run(0, 1)], "late": [tiny.run(1, 2)], "short": [tiny.run(0, 1)]}
    ledger = settle(scenario, tiny.schedule(scenario, jobs=runs))
    expected = {"done": 2.0, "late": 1.0, "unfinished": 1.0, "rejected": 1.0, "deadlines met": 1.0}
    assert {item: ledger.figure("jobs", item) for item in SECTIONS["jobs"]} == expected
    assert ledger.total("value", "jobs") == 1000.0


def test_water_and_carbon_intensity_of_it_energy(tiny):
    scenario = tiny.scenario(tiny.site(water_l_per_it_kwh=1.8), tiny.site(name="b"))
    ledger = settle(scenario, tiny.schedule(scenario))
    assert ledger.total("water") == pytest.approx(1.8 * 200.0)
    assert ledger.figure("intensity", "carbon per it energy", "a") == pytest.approx(600.0)  # PUE 1.5 x 400
    assert ledger.summary()["water_l"] == pytest.approx(360.0)
    assert ledger.summary()["carbon_kg_per_it_mwh"] == pytest.approx(600.0)


def test_figures_that_do_not_apply_are_none(tiny):
    scenario = tiny.scenario(tiny.site(fleets=()))
    summary = settle(scenario, tiny.schedule(scenario)).summary()
    for key in ("water_l", "served_fraction", "mean_latency_ms", "carbon_kg_per_it_mwh", "curtailed_fraction"):
        assert summary[key] is None, key


def test_every_row_belongs_to_the_vocabulary(tiny):
    ledger = _full(tiny)
    for row in ledger.rows:
        assert row.section in SECTIONS
        known = SECTIONS[row.section]
        assert not known or row.item.split("/")[0] in known, row


def test_unknown_sections_and_items_raise(tiny):
    ledger = _full(tiny)
    with pytest.raises(KeyError, match="no ledger section 'costs'"):
        ledger.total("costs")
    with pytest.raises(KeyError, match="no item 'fule'"):
        ledger.total("cost", "fule")
    assert ledger.total("cost", "data transfer") == 0.0
    with pytest.raises(ValueError, match="do not add up"):
        ledger.total("service")


def test_frames_hold_every_row(tiny):
    ledger = _full(tiny)
    frame = ledger.frame()
    assert frame.columns == ["site", "section", "item", "value", "unit"]
    assert [LedgerRow(*row) for row in frame.rows()] == list(ledger.rows)
    pandas = pytest.importorskip("pandas")
    table = ledger.to_pandas()
    assert isinstance(table, pandas.DataFrame)
    assert table["value"].tolist() == frame["value"].to_list()


def test_a_missing_pandas_names_the_extra(tiny, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError, match=r"joulewright\[pandas\]"):
        _full(tiny).to_pandas()


def test_a_schedule_that_lacks_a_site_raises(tiny):
    scenario = tiny.scenario()
    other = tiny.scenario(tiny.site(), tiny.site(name="b"))
    with pytest.raises(KeyError, match="b"):
        settle(other, tiny.schedule(scenario))


def _full(tiny):
    """A ledger with every kind of row except transfers."""
    window = DemandWindow(name="day", price_per_mw=1000.0, members=np.array([True, True]))
    site = tiny.site(
        grid=tiny.grid(demand_windows=(window,)),
        renewables=(tiny.plant(0.1),),
        batteries=(tiny.battery(),),
        generators=(tiny.generator(),),
        water_l_per_it_kwh=1.0,
        unserved_power_penalty_per_mwh=1000.0,
    )
    region = Region(name="west", latency_ms={"a": 5.0})
    scenario = tiny.scenario(site, training=(tiny.job(),), inference=(tiny.service(),), regions=(region,))
    return settle(
        scenario,
        tiny.schedule(scenario, jobs={"train": [tiny.run(0, 1)]}, services={"chat": {("west", "a", "gpus"): 2e4}}),
    )
