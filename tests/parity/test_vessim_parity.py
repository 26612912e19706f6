"""The compatible mode gives what Vessim 0.16 gives, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest

from joulewright.model import Battery
from joulewright.physics.clc_battery import ClcBattery
from joulewright.sim.microgrid import (
    MicrogridDesign,
    SimpleBattery,
    VessimDesign,
    VessimGrid,
    design_grid,
    microgrid_inputs,
    simulate_designs,
    simulate_microgrid,
    vessim_inputs,
)

SIMPLE = SimpleBattery(capacity_wh=4e6, initial_soc_fraction=0.5, min_soc_fraction=0.1, c_rate_per_h=0.25)
CLC = ClcBattery(cells=208_986, initial_soc_fraction=0.5, min_soc_fraction=0.1, cutoff_of="pack")
COLUMNS = {
    "p_delta_w": "p_delta",
    "p_grid_w": "p_grid",
    "p_battery_w": "dispatch_states__battery__current_power",
    "soc": "dispatch_states__battery__soc",
    "level_wh": "dispatch_states__battery__charge_level",
}


@pytest.fixture(scope="module")
def reference(shared):
    """Function of a file name that gives its arrays."""
    folder = shared / "reference" / "vessim"
    if not folder.is_dir():
        pytest.skip("the reference results of Vessim are absent")

    def read(name):
        with np.load(folder / name) as data:
            return {key: data[key] for key in data.files if key != "grid_signals"}

    return read


@pytest.fixture(scope="module")
def year(reference):
    """Function of the minutes of a step that gives the inputs of the year."""

    def inputs(minutes):
        data = reference(f"inputs_{minutes}min.npz")
        return vessim_inputs(
            step_s=60 * minutes,
            load_w=data["load_w"],
            solar_w=data["solar_w"],
            import_price_per_kwh=data["price"],
            carbon_kg_per_kwh=data["ci"],
        )

    return inputs


def recorded(found, columns):
    """Our series beside the recorded columns, which have no value at the horizon."""
    return [(name, found.series[name][: columns["p_grid"].size], columns[key]) for name, key in COLUMNS.items()]


@pytest.mark.parametrize(("minutes", "engine"), [(60, "compiled"), (60, "reference"), (5, "compiled")])
def test_simple_battery_bit_for_bit(year, reference, minutes, engine):
    found = simulate_microgrid(year(minutes), VessimDesign(battery=SIMPLE), record="series", engine=engine)
    columns = reference(f"vessim_out_simple_{minutes}min.npz")
    assert columns["p_grid"].size == 525_600 // minutes
    for name, ours, theirs in recorded(found, columns):
        assert np.array_equal(ours, theirs), name


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_clc_battery_to_rounding(year, reference, engine):
    found = simulate_microgrid(year(60), VessimDesign(battery=CLC), record="series", engine=engine)
    for name, ours, theirs in recorded(found, reference("vessim_out_clc_60min.npz")):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9, err_msg=name)


def test_published_totals_of_the_simple_battery(year):
    hourly = simulate_microgrid(year(60), VessimDesign(battery=SIMPLE)).figures
    assert hourly["import_wh"] == 4862104711.396912
    assert hourly["export_wh"] == 377268749.1461628
    assert hourly["import_cost"] == pytest.approx(862751.918068, abs=5e-7)
    assert hourly["carbon_kg"] == pytest.approx(1929698.903680, abs=5e-7)
    assert hourly["charge_wh"] == pytest.approx(563175351.0, abs=0.5)
    assert hourly["discharge_wh"] == pytest.approx(564775351.0, abs=0.5)
    assert hourly["peak_import_w"] == pytest.approx(1125710.711, abs=5e-4)
    assert hourly["peak_export_w"] == pytest.approx(1754473.169, abs=5e-4)
    assert hourly["final_soc"] == 0.1
    fine = simulate_microgrid(year(5), VessimDesign(battery=SIMPLE)).figures
    assert fine["import_wh"] == pytest.approx(4859375591.918985, rel=1e-15)
    assert fine["export_wh"] == pytest.approx(377428335.8479242, rel=1e-15)
    assert fine["import_cost"] == pytest.approx(869165.010680, abs=5e-7)
    assert fine["peak_import_w"] == pytest.approx(1147194.518, abs=5e-4)


def test_published_totals_of_the_clc_battery(year):
    hourly = simulate_microgrid(year(60), VessimDesign(battery=CLC)).figures
    fine = simulate_microgrid(year(5), VessimDesign(battery=CLC)).figures
    assert hourly["import_wh"] == pytest.approx(4874845660.050169, rel=1e-13)
    assert hourly["export_wh"] == pytest.approx(369725401.614315, rel=1e-13)
    assert fine["import_wh"] == pytest.approx(4871735009.012870, rel=1e-13)
    assert fine["export_wh"] == pytest.approx(369484878.616931, rel=1e-13)


SWEEP = {
    (0.5, 1.0): (6626.638612, 3.308850, 2584426.122, 22.488790),
    (0.5, 4.0): (6622.129762, 0.0, 2582820.334, 26.997640),
    (0.5, 16.0): (6617.329762, 0.0, 2580900.334, 31.797640),
    (1.0, 1.0): (5231.175664, 745.139701, 2075728.857, 195.704399),
    (1.0, 4.0): (4862.104711, 377.268749, 1929698.904, 564.775351),
    (1.0, 16.0): (4481.488744, 1.452782, 1777988.592, 945.391318),
    (2.0, 1.0): (4406.524223, 4195.075860, 1759950.122, 316.092799),
    (2.0, 4.0): (3548.441199, 3338.192837, 1417551.317, 1174.175823),
    (2.0, 16.0): (1884.176617, 1678.728255, 752505.673, 2838.440405),
}
"""Import [MWh], export [MWh], carbon [kg] and discharge [MWh] by solar scale and battery capacity [MWh]."""


def test_published_design_sweep_in_both_modes(year, reference):
    inputs, data = year(60), reference("inputs_60min.npz")
    watts = [
        VessimDesign(
            solar_scale=scale,
            battery=SimpleBattery(
                capacity_wh=1e6 * energy, initial_soc_fraction=0.5, min_soc_fraction=0.1, c_rate_per_h=0.25
            ),
        )
        for scale, energy in SWEEP
    ]
    found = simulate_designs(inputs, watts)
    cell = Battery(
        name="b",
        energy_mwh=4.0,
        min_energy_mwh=0.4,
        initial_energy_mwh=2.0,
        charge_limit_mw=1.0,
        discharge_limit_mw=1.0,
        charge_efficiency=1.0,
        discharge_efficiency=1.0,
    )
    megawatts = simulate_designs(
        microgrid_inputs(
            step_s=3600,
            load_mw=data["load_w"] / 1e6,
            per_unit={"solar": data["solar_w"] / 3e6},
            carbon_kg_per_mwh=1e3 * data["ci"],
        ),
        design_grid(MicrogridDesign(battery=cell), plants_mw={"solar": [1.5, 3.0, 6.0]}, battery_mwh=[1.0, 4.0, 16.0]),
    )
    expected = np.array(list(SWEEP.values())).T
    for column, name, tolerance in zip(
        expected, ("import", "export", "carbon_kg", "discharge"), (5e-7, 5e-7, 5e-4, 5e-7)
    ):
        ours = found[name] if name == "carbon_kg" else found[f"{name}_wh"] / 1e6
        np.testing.assert_allclose(ours, column, rtol=0.0, atol=tolerance, err_msg=name)
        own = megawatts[name] if name == "carbon_kg" else megawatts[f"{name}_mwh"]
        np.testing.assert_allclose(own, column, rtol=1e-9, atol=tolerance, err_msg=name)


def test_published_totals_without_a_battery(year):
    figures = simulate_microgrid(year(60), VessimDesign()).figures
    assert figures["import_wh"] / 1e6 == pytest.approx(5426.880062, abs=5e-7)
    assert figures["export_wh"] / 1e6 == pytest.approx(940.444100, abs=5e-7)
    assert figures["cycles"] == 0.0


# Live comparison with the installed package, on short random runs with everything the default policy knows.

GRIDS = {
    "open": VessimGrid(),
    "limited": VessimGrid(max_import_w=900.0, max_export_w=500.0),
    "import only": VessimGrid(max_export_w=0.0),
    "ramp": VessimGrid(ramp_up_w=600.0, ramp_down_w=500.0, initial_w=-200.0),
    "tight ramp": VessimGrid(ramp_up_w=40.0, ramp_down_w=900.0, initial_w=100.0),
    "island": VessimGrid(max_import_w=0.0, max_export_w=0.0),
}
BATTERIES = {
    "simple": SimpleBattery(capacity_wh=2000.0, initial_soc_fraction=0.5, min_soc_fraction=0.1, c_rate_per_h=0.4),
    "free": SimpleBattery(capacity_wh=9000.0, initial_soc_fraction=0.9),
    "below": SimpleBattery(capacity_wh=800.0, initial_soc_fraction=0.1, min_soc_fraction=0.3, c_rate_per_h=1.0),
    "clc": ClcBattery(cells=150, initial_soc_fraction=0.5, min_soc_fraction=0.1, cutoff_of="pack"),
    "none": None,
}


@pytest.fixture(scope="module")
def vessim():
    return pytest.importorskip("vessim", reason="Vessim is not installed; it comes with the extra bench")


def peer_battery(vessim, battery):
    """The battery in Vessim's terms."""
    if battery is None:
        return []
    soc = {"initial_soc": battery.initial_soc_fraction, "min_soc": battery.min_soc_fraction}
    if isinstance(battery, SimpleBattery):
        return [vessim.SimpleBattery("battery", battery.capacity_wh, c_rate=battery.c_rate_per_h, **soc)]
    return [vessim.ClcBattery("battery", number_of_cells=int(battery.cells), **soc)]


def peer_run(vessim, case, design, *, until):
    """Recorded frame and final battery state of Vessim; None where it refuses to go on."""
    import pandas

    step_s, load, solar = case
    trace = [vessim.Trace(pandas.Series(values, index=step_s * np.arange(load.size))) for values in (load, solar)]
    grid = design.grid
    environment = vessim.Environment(sim_start="2026-01-01", step_size=step_s)
    environment.add_microgrid(
        actors=[vessim.Consumer("load", trace[0]), vessim.Producer("solar", trace[1])],
        dispatchables=[
            *peer_battery(vessim, design.battery),
            vessim.GridConnection(
                max_import=grid.max_import_w,
                max_export=grid.max_export_w,
                ramp_up=grid.ramp_up_w,
                ramp_down=grid.ramp_down_w,
                initial_power=grid.initial_w,
            ),
        ],
        policy=vessim.DefaultDispatchPolicy(charge_power=design.charge_power_w),
        name="site",
    )
    recorder = environment.add_controller(vessim.Recorder())
    try:
        states = environment.run(until=until).states
    except RuntimeError as refused:
        if "must balance exactly" not in str(refused):
            raise
        return None
    return recorder.to_df(), states["site"]["dispatch_states"]


@pytest.mark.parametrize("battery", BATTERIES)
@pytest.mark.parametrize("grid", GRIDS)
def test_live_runs_agree_or_report_what_vessim_refuses(vessim, battery, grid):
    draw = np.random.default_rng([len(battery), len(grid)])
    step_s, steps, refused = int(draw.choice([60, 900, 3600])), 60, 0
    for charge_power_w in (0.0, 150.0, -120.0):
        load, solar = draw.uniform(0.0, 1000.0, steps), 1400.0 * np.clip(np.sin(np.arange(steps) / 4.0), 0.0, None)
        design = VessimDesign(battery=BATTERIES[battery], grid=GRIDS[grid], charge_power_w=charge_power_w)
        until = (steps - 0.4) * step_s
        found = simulate_microgrid(
            vessim_inputs(step_s=step_s, load_w=load, solar_w=solar, horizon_s=until), design, record="series"
        )
        peer = peer_run(vessim, (step_s, load, solar), design, until=until)
        broken = found.figures["unserved_wh"] > 0.0 or found.figures["curtailed_wh"] > 0.0
        assert (peer is None) == broken
        if peer is None:
            refused += 1
            continue
        frame, ended = peer
        assert np.array_equal(found.series["p_delta_w"], frame["p_delta"])
        assert np.array_equal(found.series["p_grid_w"], frame["p_grid"])
        if design.battery is not None:
            assert np.array_equal(found.series["p_battery_w"], frame["dispatch_states.battery.current_power"])
            for name, key in (("soc", "soc"), ("level_wh", "charge_level")):
                theirs = [*frame[f"dispatch_states.battery.{key}"], ended["battery"][key]]
                np.testing.assert_allclose(found.series[name], theirs, rtol=1e-14)
    assert refused == 0 or grid != "open"


def test_live_metrics_agree(vessim):
    import pandas

    draw, steps = np.random.default_rng(3), 100
    load, solar = draw.uniform(0.0, 1000.0, steps), draw.uniform(0.0, 1500.0, steps)
    price, carbon = draw.uniform(-0.1, 0.4, steps), draw.uniform(0.1, 0.5, steps)
    trace = {
        name: vessim.Trace(pandas.Series(values, index=900 * np.arange(steps)))
        for name, values in {"load": load, "solar": solar, "price": price, "carbon": carbon}.items()
    }
    environment = vessim.Environment(sim_start="2026-01-01", step_size=900)
    environment.add_microgrid(
        actors=[vessim.Consumer("load", trace["load"]), vessim.Producer("solar", trace["solar"])],
        dispatchables=[*peer_battery(vessim, BATTERIES["simple"]), vessim.GridConnection()],
        grid_signals={"price": trace["price"], "carbon": trace["carbon"]},
        name="site",
    )
    extra = {
        "cost": vessim.ElectricityImportCost("site", "price"),
        "revenue": vessim.ElectricityExportRevenue("site", "price"),
        "carbon": vessim.GridImportEmissions("site", "carbon"),
    }
    recorder = environment.add_controller(vessim.Recorder(timeseries=False, custom_metrics=extra))
    environment.run(until=900 * steps)
    theirs = recorder.metrics["microgrids"]["site"]
    inputs = vessim_inputs(
        step_s=900,
        load_w=load,
        solar_w=solar,
        import_price_per_kwh=price,
        export_price_per_kwh=price,
        carbon_kg_per_kwh=carbon,
    )
    ours = simulate_microgrid(inputs, VessimDesign(battery=BATTERIES["simple"])).figures
    names = {
        "import_wh": "grid_import",
        "export_wh": "grid_export",
        "peak_import_w": "peak_grid_import",
        "peak_export_w": "peak_grid_export",
        "produced_wh": "energy_produced",
        "consumed_wh": "energy_consumed",
        "import_cost": "cost",
        "export_revenue": "revenue",
        "carbon_kg": "carbon",
    }
    assert {name: ours[name] for name in names} == {name: theirs[key] for name, key in names.items()}
