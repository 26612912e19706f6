"""The microgrid, worked by hand; every case runs on both engines."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from joulewright.errors import ScenarioError
from joulewright.physics.clc_battery import ClcBattery
from joulewright.sim.microgrid import (
    MicrogridDesign,
    MicrogridRule,
    SimpleBattery,
    VessimDesign,
    VessimGrid,
    design_grid,
    microgrid_inputs,
    peak_shaving,
    prepare_kernels,
    price_threshold,
    scaled_battery,
    self_consumption,
    simulate_designs,
    simulate_microgrid,
    vessim_inputs,
)
from joulewright.sim.microgrid.records import TOTALS, record


@pytest.fixture(params=["compiled", "reference"])
def engine(request):
    return request.param


@pytest.fixture
def cell(tiny):
    """10 MWh, 5 MW, efficiencies 0.8 and 0.5, half full."""
    return tiny.battery()


def run(engine, cell, load, *, renewable=0.0, rule=None, step_s=3600, **signals):
    """Series and figures with a plant of 1 MW that delivers ``renewable``."""
    inputs = microgrid_inputs(step_s=step_s, load_mw=load, per_unit={"plant": renewable}, **signals)
    design = MicrogridDesign(plants_mw={"plant": 1.0}, battery=cell, rule=rule or self_consumption())
    found = simulate_microgrid(inputs, design, record="series", engine=engine)
    return found.series, found.figures


def test_surplus_is_stored_and_deficit_covered_through_the_losses(engine, cell):
    series, figures = run(engine, cell, [1.0, 4.0, 4.0], renewable=[3.0, 0.0, 0.0])
    # 2 MW in: 5 + 0.8 x 2 = 6.6; 3.3 MWh out is all there is (6.6 x 0.5), the grid brings the rest.
    assert series["charge_mw"].tolist() == [2.0, 0.0, 0.0]
    assert series["discharge_mw"] == pytest.approx([0.0, 3.3, 0.0])
    assert series["energy_mwh"] == pytest.approx([5.0, 6.6, 0.0, 0.0])
    assert series["grid_import_mw"] == pytest.approx([0.0, 0.7, 4.0])
    assert figures["cycles"] == pytest.approx((2.0 + 3.3) / 2.0 / 10.0)
    assert figures["final_soc_fraction"] == pytest.approx(0.0)


def test_power_limits_and_a_full_battery_leave_surplus_for_the_grid(engine, cell):
    series, _ = run(engine, cell, [0.0, 0.0], renewable=[8.0, 8.0], step_s=1800)
    # 5 MW for half an hour: 5 + 0.5 x 4 = 7, again = 9; 3 MW go to the grid.
    assert series["energy_mwh"] == pytest.approx([5.0, 7.0, 9.0])
    assert series["grid_export_mw"].tolist() == [3.0, 3.0]
    full, _ = run(engine, replace(cell, initial_energy_mwh=10.0), [0.0], renewable=[8.0])
    assert full["charge_mw"].tolist() == [0.0]
    assert full["grid_export_mw"].tolist() == [8.0]


def test_the_lowest_energy_stays(engine, cell):
    series, _ = run(engine, replace(cell, min_energy_mwh=4.0), [5.0, 5.0])
    assert series["discharge_mw"].tolist() == [0.5, 0.0]
    assert series["energy_mwh"].tolist() == [5.0, 4.0, 4.0]


def test_self_discharge_is_exact(engine, cell):
    series, _ = run(engine, replace(cell, self_discharge_per_h=0.1), [0.0, 0.0], step_s=7200)
    assert series["energy_mwh"] == pytest.approx([5.0 * math.exp(-0.2 * k) for k in range(3)], rel=1e-15)
    # It can carry the energy below what discharging has to leave; then the battery gives nothing.
    kept = replace(cell, self_discharge_per_h=0.1, min_energy_mwh=5.0)
    series, _ = run(engine, kept, [3.0, 3.0])
    assert series["discharge_mw"].tolist() == [0.0, 0.0]
    assert series["energy_mwh"][2] == pytest.approx(5.0 * math.exp(-0.2))


def test_limits_leave_load_unserved_and_power_curtailed(engine):
    series, figures = run(
        engine, None, [5.0, 0.0], renewable=[0.0, 4.0], import_limit_mw=3.0, export_limit_mw=1.0, step_s=1800
    )
    assert series["unserved_mw"].tolist() == [2.0, 0.0]
    assert series["curtailed_mw"].tolist() == [0.0, 3.0]
    assert (figures["unserved_mwh"], figures["curtailed_mwh"]) == (1.0, 1.5)
    assert (figures["peak_import_mw"], figures["peak_export_mw"]) == (3.0, 1.0)
    assert (figures["cycles"], figures["final_soc_fraction"], figures["final_energy_mwh"]) == (0.0, 0.0, 0.0)


def test_an_island_lives_from_its_battery(engine, cell):
    island = {"import_limit_mw": 0.0, "export_limit_mw": 0.0}
    series, _ = run(engine, cell, [2.0, 2.0, 0.0], renewable=[0.0, 0.0, 9.0], **island)
    assert series["discharge_mw"] == pytest.approx([2.0, 0.5, 0.0])
    assert series["unserved_mw"] == pytest.approx([0.0, 1.5, 0.0])
    assert series["curtailed_mw"] == pytest.approx([0.0, 0.0, 4.0])


def test_prices_decide_when_the_battery_buys_and_when_it_helps(engine, cell):
    series, figures = run(
        engine, cell, [1.0, 1.0, 1.0, 1.0], import_price_per_mwh=[20.0, 60.0, 100.0, 60.0],
        renewable=[0.0, 0.0, 0.0, 3.0], rule=price_threshold(20.0, 100.0), export_price_per_mwh=10.0,
    )  # fmt: skip
    # Cheap: 5 MW in; in between nothing; dear: the load; surplus is stored as far as there is room (3 / 0.8).
    assert series["charge_mw"] == pytest.approx([5.0, 0.0, 0.0, 2.0])
    assert series["discharge_mw"].tolist() == [0.0, 0.0, 1.0, 0.0]
    assert series["grid_import_mw"].tolist() == [6.0, 1.0, 0.0, 0.0]
    assert figures["import_cost"] == 6.0 * 20.0 + 60.0
    assert figures["export_revenue"] == 0.0


def test_buying_for_storage_stays_within_the_connection(engine, cell):
    series, _ = run(
        engine, cell, [1.0, 3.0], import_price_per_mwh=10.0, rule=price_threshold(20.0, 100.0), import_limit_mw=2.5
    )
    assert series["charge_mw"].tolist() == [1.5, 0.0]
    # Though cheap, the battery covers what the connection cannot bring.
    assert series["discharge_mw"].tolist() == [0.0, 0.5]
    assert series["unserved_mw"].tolist() == [0.0, 0.0]


def test_peak_shaving_holds_the_import(engine, cell):
    series, figures = run(engine, cell, [3.0, 1.0, 3.0], rule=peak_shaving(2.0))
    assert series["discharge_mw"] == pytest.approx([1.0, 0.0, 1.0])
    assert series["charge_mw"] == pytest.approx([0.0, 1.0, 0.0])
    assert series["grid_import_mw"].tolist() == [2.0, 2.0, 2.0]
    assert figures["peak_import_mw"] == 2.0


def test_figures_follow_from_the_series(engine, cell):
    draw = np.random.default_rng(5)
    prices = {
        "import_price_per_mwh": draw.uniform(-20.0, 90.0, 30),
        "export_price_per_mwh": draw.uniform(0.0, 30.0, 30),
    }
    series, figures = run(
        engine, cell, draw.uniform(0.0, 6.0, 30), renewable=draw.uniform(0.0, 9.0, 30), step_s=900,
        carbon_kg_per_mwh=400.0, import_limit_mw=2.0, export_limit_mw=1.0, **prices,
    )  # fmt: skip
    for name in ("load", "renewable", "curtailed", "unserved", "charge", "discharge"):
        assert figures[f"{name}_mwh"] == pytest.approx(series[f"{name}_mw"].sum() / 4.0), name
    imported, exported = series["grid_import_mw"] / 4.0, series["grid_export_mw"] / 4.0
    assert figures["import_mwh"] == pytest.approx(imported.sum())
    assert figures["import_cost"] == pytest.approx(imported @ prices["import_price_per_mwh"])
    assert figures["export_revenue"] == pytest.approx(exported @ prices["export_price_per_mwh"])
    assert figures["carbon_kg"] == pytest.approx(400.0 * imported.sum())
    assert figures["peak_export_mw"] == exported.max() * 4.0
    assert figures["final_energy_mwh"] == series["energy_mwh"][-1]


def test_figures_without_a_price_are_left_out_and_metrics_keep_no_series(engine, cell):
    inputs = microgrid_inputs(step_s=3600, load_mw=[1.0], carbon_kg_per_mwh=300.0)
    found = simulate_microgrid(inputs, MicrogridDesign(battery=cell), engine=engine)
    assert {"import_cost", "export_revenue"} & set(found.figures) == set()
    assert found.figures["carbon_kg"] == 0.0
    assert found.series == {}


def test_plants_add_up_and_unbuilt_ones_give_nothing(engine):
    inputs = microgrid_inputs(step_s=3600, load_mw=[0.0], per_unit={"solar": [0.5], "wind": [0.2]})
    for plants, power in (({"solar": 2.0, "wind": 10.0}, 3.0), ({"wind": 10.0}, 2.0), ({}, 0.0)):
        found = simulate_microgrid(inputs, MicrogridDesign(plants_mw=plants), engine=engine)
        assert found.figures["export_mwh"] == power


def test_many_designs_give_what_each_gives_alone(engine, cell, tiny):
    draw = np.random.default_rng(11)
    inputs = microgrid_inputs(
        step_s=3600,
        load_mw=draw.uniform(0.5, 2.0, 50),
        per_unit={"solar": draw.random(50), "wind": draw.random(50)},
        import_price_per_mwh=draw.uniform(10.0, 90.0, 50),
    )
    base = MicrogridDesign(plants_mw={"wind": 0.5}, battery=cell, rule=price_threshold(30.0, 60.0))
    designs = design_grid(base, plants_mw={"solar": [0.0, 2.0, 4.0]}, battery_mwh=[0.0, 5.0])
    together = simulate_designs(inputs, designs, threads=4, engine=engine)
    assert together["import_mwh"].shape == (6,)
    for index, design in enumerate(designs):
        alone = simulate_microgrid(inputs, design, engine=engine).figures
        assert alone == {name: column[index] for name, column in together.items()}
    once = simulate_designs(inputs, designs, threads=1, engine=engine)
    assert all(np.array_equal(once[name], together[name]) for name in once)


def test_a_scaled_battery_keeps_its_proportions(cell):
    double = scaled_battery(replace(cell, min_energy_mwh=1.0), 20.0)
    assert (double.energy_mwh, double.min_energy_mwh, double.initial_energy_mwh) == (20.0, 2.0, 10.0)
    assert (double.charge_limit_mw, double.discharge_limit_mw) == (10.0, 10.0)
    designs = design_grid(MicrogridDesign(battery=cell), plants_mw={})
    assert [design.battery for design in designs] == [cell]


def test_compiling_is_reported_once():
    prepare_kernels()
    assert prepare_kernels() == 0.0
    inputs = microgrid_inputs(step_s=3600, load_mw=[1.0])
    assert simulate_microgrid(inputs, MicrogridDesign()).compile_s == 0.0


def test_the_compiler_is_imported_only_for_the_compiled_engine():
    code = (
        "import sys; from joulewright.sim.microgrid import *; "
        "inputs = microgrid_inputs(step_s=3600, load_mw=[1.0]); "
        "simulate_microgrid(inputs, MicrogridDesign(), engine='reference'); print('numba' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["False"]


def test_memory_of_metrics_does_not_grow_with_the_steps(cell):
    import tracemalloc

    design = MicrogridDesign(battery=cell)
    peaks = []
    for steps in (1_000, 100_000):
        inputs = microgrid_inputs(step_s=60, load_mw=np.ones(steps))
        simulate_microgrid(inputs, design)
        tracemalloc.start()
        simulate_microgrid(inputs, design)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 10_000


# Bad input.


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"load_mw": [1.0, -2.0]}, r"load_mw is -2 MW \(1 of 2 values\); allowed is 0 to"),
        ({"load_mw": [1.0, np.nan]}, "load_mw is nan MW"),
        ({"load_mw": [1.0, np.inf]}, "load_mw is inf MW"),
        ({"load_mw": 1.0}, r"load_mw has shape \(\)"),
        ({"load_mw": []}, r"load_mw has shape \(0,\)"),
        ({"step_s": 0}, "step is 0 s; allowed are 1 s to 1 day"),
        ({"step_s": 90_000}, "step is 90000 s"),
        ({"per_unit": {"solar": [0.1, -0.1]}}, r"per_unit\['solar'\] is -0\.1 MW/MW"),
        ({"per_unit": {"solar": [0.1, 0.2, 0.3]}}, r"per_unit\['solar'\] has shape \(3,\); the horizon has 2 steps"),
        ({"import_price_per_mwh": [np.nan, 1.0]}, "import_price_per_mwh is nan /MWh"),
        ({"carbon_kg_per_mwh": -1.0}, "carbon_kg_per_mwh is -1 kg/MWh"),
        ({"import_limit_mw": -1.0}, "import_limit_mw is -1 MW"),
        ({"export_limit_mw": np.nan}, "export_limit_mw is nan MW"),
    ],
)
def test_bad_signals_are_refused(changes, message):
    with pytest.raises(ScenarioError, match=message):
        microgrid_inputs(**({"step_s": 3600, "load_mw": [1.0, 1.0]} | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"load_w": [-1.0]}, "load_w is -1 W"),
        ({"solar_w": [np.nan]}, "solar_w is nan W"),
        ({"step_s": 0}, "step is 0 s"),
        ({"horizon_s": 0.0}, r"horizon_s is 0\.0 s; 1 steps of 3600 s end after 0 s and at most 3600 s"),
        ({"horizon_s": 3601.0}, r"horizon_s is 3601\.0 s"),
        ({"carbon_kg_per_kwh": [-0.1]}, r"carbon_kg_per_kwh is -0\.1 kg/kWh"),
    ],
)
def test_bad_signals_in_watts_are_refused(changes, message):
    with pytest.raises(ScenarioError, match=message):
        vessim_inputs(**({"step_s": 3600, "load_w": [1.0]} | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"energy_mwh": 0.0}, "battery 'store' has energy_mwh 0; allowed is above 0 MWh; leave the battery out"),
        ({"energy_mwh": np.nan}, "energy_mwh nan"),
        ({"initial_energy_mwh": 11.0}, "battery 'store': initial_energy_mwh is 11 MWh; allowed is 0 to 10 MWh"),
        ({"min_energy_mwh": 6.0}, "initial_energy_mwh is 5 MWh; allowed is 6 to 10 MWh"),
        ({"charge_limit_mw": -1.0}, "charge_limit_mw is -1 MW"),
        ({"discharge_efficiency": 0.0}, "discharge_efficiency is 0;"),
        ({"charge_efficiency": 1.01}, r"charge_efficiency is 1\.01"),
    ],
)
def test_bad_batteries_are_refused(cell, changes, message):
    with pytest.raises(ScenarioError, match=message):
        MicrogridDesign(battery=replace(cell, **changes))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SimpleBattery(capacity_wh=0.0), "capacity_wh is 0 Wh; allowed is above 0 Wh; leave the battery out"),
        (lambda: SimpleBattery(capacity_wh=1.0, initial_soc_fraction=1.5), r"initial_soc_fraction is 1\.5"),
        (lambda: SimpleBattery(capacity_wh=1.0, min_soc_fraction=-0.5), r"min_soc_fraction is -0\.5"),
        (lambda: SimpleBattery(capacity_wh=1.0, c_rate_per_h=-1.0), "c_rate_per_h is -1 1/h"),
        (lambda: VessimGrid(max_import_w=-1.0), "max_import_w is -1 W"),
        (lambda: VessimGrid(max_export_w=5.0, initial_w=6.0), r"initial_w is 6 W; allowed is -1e\+15 to 5 W"),
        (lambda: VessimGrid(ramp_up_w=np.nan), "ramp_up_w is nan W"),
        (lambda: VessimDesign(charge_power_w=np.inf), "charge_power_w is inf W"),
        (lambda: VessimDesign(solar_scale=-1.0), "solar_scale is -1"),
        (lambda: peak_shaving(-1.0), "import_target_mw is -1 MW"),
        (lambda: price_threshold(100.0, 20.0), "low_per_mwh is 100 and high_per_mwh is 20; the first must be below"),
        (lambda: price_threshold(np.nan, 20.0), "low_per_mwh is nan"),
        (lambda: MicrogridRule(low_per_mwh=5.0), "the first must be below"),
        (lambda: design_grid(MicrogridDesign(), plants_mw={}, battery_mwh=[4.0]), "no battery to scale"),
    ],
)
def test_bad_designs_are_refused(make, message):
    with pytest.raises(ScenarioError, match=message):
        make()


def test_inputs_and_designs_must_fit_together(cell):
    inputs = microgrid_inputs(step_s=3600, load_mw=[1.0], per_unit={"solar": 0.5})
    watts = vessim_inputs(step_s=3600, load_w=[1.0])
    with pytest.raises(ScenarioError, match="MicrogridInputs go with one MicrogridDesign or more; found VessimDesign"):
        simulate_microgrid(inputs, VessimDesign())
    with pytest.raises(ScenarioError, match="VessimInputs go with one VessimDesign or more; found MicrogridDesign"):
        simulate_microgrid(watts, MicrogridDesign())
    with pytest.raises(ScenarioError, match="found 0 designs"):
        simulate_designs(inputs, [])
    with pytest.raises(ScenarioError, match=r"plants \['wind'\] without a profile; per_unit has \['solar'\]"):
        simulate_microgrid(inputs, MicrogridDesign(plants_mw={"wind": 1.0}))
    with pytest.raises(ScenarioError, match="give import_price_per_mwh"):
        simulate_microgrid(inputs, MicrogridDesign(battery=cell, rule=price_threshold(1.0, 2.0)))
    with pytest.raises(ScenarioError, match="threads is 0; allowed is at least 1"):
        simulate_designs(inputs, [MicrogridDesign()], threads=0)
    with pytest.raises(ScenarioError, match="engine is 'fast'; allowed are 'compiled' and 'reference'"):
        simulate_microgrid(inputs, MicrogridDesign(), engine="fast")
    with pytest.raises(ScenarioError, match="record is 'all'"):
        simulate_microgrid(inputs, MicrogridDesign(), record="all")
    with pytest.raises(ScenarioError, match="battery capacity is -1 MWh"):
        scaled_battery(cell, -1.0)


def test_a_record_refuses_what_it_has_no_place_for():
    assert record(TOTALS, load_mwh=2.0)[:2] == (2.0, 0.0)
    with pytest.raises(KeyError, match="'speed'"):
        record(TOTALS, speed=1.0)


# The compatible mode, where it goes beyond what Vessim allows.


def watts(engine, battery, load, solar=0.0, **changes):
    """Series and figures of the compatible mode."""
    inputs = vessim_inputs(step_s=3600, load_w=load, solar_w=solar)
    found = simulate_microgrid(inputs, VessimDesign(battery=battery, **changes), record="series", engine=engine)
    return found.series, found.figures


def test_what_vessim_refuses_is_unserved_or_curtailed(engine):
    battery = SimpleBattery(capacity_wh=100.0, initial_soc_fraction=0.5)
    grid = VessimGrid(max_import_w=10.0, max_export_w=0.0)
    series, figures = watts(engine, battery, [40.0, 40.0, 0.0], [0.0, 0.0, 130.0], grid=grid)
    assert series["p_battery_w"].tolist() == [-40.0, -10.0, 100.0]
    assert series["p_grid_w"].tolist() == [0.0, -10.0, 0.0]
    assert series["unserved_w"].tolist() == [0.0, 20.0, 0.0]
    assert series["curtailed_w"].tolist() == [0.0, 0.0, 30.0]
    assert (figures["unserved_wh"], figures["curtailed_wh"], figures["final_soc"]) == (20.0, 30.0, 1.0)


def test_ramps_count_per_step_and_make_the_battery_give_way(engine):
    battery = SimpleBattery(capacity_wh=1000.0, initial_soc_fraction=0.5)
    grid = VessimGrid(ramp_up_w=20.0, ramp_down_w=20.0, initial_w=-50.0)
    series, _ = watts(engine, battery, [0.0, 0.0], grid=grid)
    # The grid must go on importing at least 30, then 10; the battery takes it.
    assert series["p_grid_w"].tolist() == [-30.0, -10.0]
    assert series["p_battery_w"].tolist() == [30.0, 10.0]


def test_a_fixed_charging_power_holds_until_the_battery_is_full(engine):
    battery = SimpleBattery(capacity_wh=100.0, initial_soc_fraction=0.5)
    series, _ = watts(engine, battery, [5.0, 5.0], charge_power_w=40.0)
    assert series["p_battery_w"].tolist() == [40.0, 10.0]
    assert series["p_grid_w"].tolist() == [-45.0, -15.0]
    assert series["soc"].tolist() == [0.5, 0.9, 1.0]


def test_cells_may_be_fractional_and_the_solar_power_scales(engine):
    pack = ClcBattery.of_capacity(1000.0, initial_soc_fraction=0.5)
    series, figures = watts(engine, pack, [10.0], [5.0], solar_scale=4.0)
    assert series["p_battery_w"].tolist() == [10.0]
    assert figures["final_level_wh"] == pytest.approx(500.0 + 0.978 * 10.0)
    assert figures["produced_wh"] == 20.0
