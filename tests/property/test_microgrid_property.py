"""Properties of the microgrid that hold for every input; compiled and plain implementation give the same numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulewright.model import Battery
from joulewright.physics.clc_battery import ClcBattery
from joulewright.sim.microgrid import (
    MicrogridDesign,
    SimpleBattery,
    VessimDesign,
    VessimGrid,
    microgrid_inputs,
    peak_shaving,
    price_threshold,
    self_consumption,
    simulate_microgrid,
    vessim_inputs,
)

seeds = st.integers(0, 2**32 - 1)
steps_s = st.sampled_from([1, 60, 900, 3600, 86_400])
rules = st.sampled_from([self_consumption(), price_threshold(30.0, 60.0), peak_shaving(0.7)])
batteries = st.builds(
    lambda energy, low, initial, power, efficiency, decay: Battery(
        name="b",
        energy_mwh=energy,
        min_energy_mwh=low * energy,
        initial_energy_mwh=energy * (low + initial * (1.0 - low)),
        charge_limit_mw=power[0],
        discharge_limit_mw=power[1],
        charge_efficiency=efficiency[0],
        discharge_efficiency=efficiency[1],
        self_discharge_per_h=decay,
    ),
    energy=st.floats(0.01, 100.0),
    low=st.floats(0.0, 0.9),
    initial=st.floats(0.0, 1.0),
    power=st.tuples(st.floats(0.0, 10.0), st.floats(0.0, 10.0)),
    efficiency=st.tuples(st.floats(0.5, 1.0), st.floats(0.5, 1.0)),
    decay=st.sampled_from([0.0, 1e-5, 0.01]),
)
grids = st.sampled_from([(np.inf, np.inf), (1.0, 0.5), (0.0, 0.0), (0.6, np.inf)])


def signals(seed, step_s, limits, steps=40):
    """Random inputs with a cloudy sun and times without import."""
    draw = np.random.default_rng(seed)
    return microgrid_inputs(
        step_s=step_s,
        load_mw=draw.uniform(0.0, 2.0, steps) * (draw.random(steps) < 0.9),
        per_unit={"solar": draw.random(steps) * (draw.random(steps) < 0.6), "wind": draw.random(steps)},
        import_price_per_mwh=draw.uniform(-20.0, 90.0, steps),
        export_price_per_mwh=draw.uniform(-20.0, 60.0, steps),
        carbon_kg_per_mwh=draw.uniform(0.0, 700.0, steps),
        import_limit_mw=np.where(draw.random(steps) < 0.2, 0.0, limits[0]),
        export_limit_mw=limits[1],
    )


def same(one, other):
    """Whether two results hold the same numbers to the last bit."""
    assert one.figures == other.figures
    assert one.series.keys() == other.series.keys()
    for name in one.series:
        assert np.array_equal(one.series[name], other.series[name]), name


@given(seed=seeds, step_s=steps_s, limits=grids, battery=st.none() | batteries, rule=rules)
def test_both_engines_give_the_same_numbers(seed, step_s, limits, battery, rule):
    design = MicrogridDesign(plants_mw={"solar": 1.5, "wind": 0.3}, battery=battery, rule=rule)
    inputs = signals(seed, step_s, limits)
    same(*(simulate_microgrid(inputs, design, record="series", engine=name) for name in ("compiled", "reference")))


@given(seed=seeds, step_s=steps_s, limits=grids, battery=batteries, rule=rules)
def test_energy_is_conserved_and_limits_hold(seed, step_s, limits, battery, rule):
    inputs = signals(seed, step_s, limits)
    design = MicrogridDesign(plants_mw={"solar": 1.5, "wind": 0.3}, battery=battery, rule=rule)
    found = simulate_microgrid(inputs, design, record="series")
    flow = found.series
    supply = flow["renewable_mw"] - flow["curtailed_mw"] + flow["grid_import_mw"] + flow["discharge_mw"]
    demand = flow["load_mw"] - flow["unserved_mw"] + flow["grid_export_mw"] + flow["charge_mw"]
    np.testing.assert_allclose(supply, demand, rtol=1e-9, atol=1e-12)
    assert all((flow[name] >= 0.0).all() for name in flow)
    assert (flow["grid_import_mw"] <= inputs.signals["import_limit_mw"]).all()
    assert (flow["grid_export_mw"] <= inputs.signals["export_limit_mw"]).all()
    assert (flow["charge_mw"] <= battery.charge_limit_mw).all()
    assert (flow["discharge_mw"] <= battery.discharge_limit_mw).all()
    assert not (flow["charge_mw"] * flow["discharge_mw"]).any()
    assert (flow["energy_mwh"] <= battery.energy_mwh).all()
    if battery.self_discharge_per_h == 0.0:
        assert (flow["energy_mwh"] >= battery.min_energy_mwh).all()
        hours = step_s / 3600.0
        stored = battery.charge_efficiency * found.figures["charge_mwh"]
        stored -= found.figures["discharge_mwh"] / battery.discharge_efficiency
        change = flow["energy_mwh"][-1] - flow["energy_mwh"][0]
        assert stored == pytest.approx(change, abs=1e-9 * max(1.0, 20.0 * hours))


@given(seed=seeds, limits=grids, battery=batteries)
def test_nothing_is_lost_that_the_battery_could_have_saved(seed, limits, battery):
    design = MicrogridDesign(plants_mw={"solar": 1.5, "wind": 0.3}, battery=battery)
    flow = simulate_microgrid(signals(seed, 3600, limits), design, record="series").series
    plain = simulate_microgrid(
        signals(seed, 3600, limits), MicrogridDesign(plants_mw=design.plants_mw), record="series"
    ).series
    for name in ("unserved_mw", "curtailed_mw", "grid_import_mw", "grid_export_mw"):
        assert (flow[name] <= plain[name]).all(), name


# A limit in between is met on average over a long step where a battery fills up within it, and broken in a short one.
@given(seed=seeds, limits=st.sampled_from([(np.inf, np.inf), (0.0, 0.0)]), battery=batteries)
def test_halving_the_step_keeps_the_energy(seed, limits, battery):
    whole = signals(seed, 3600, limits)
    names = whole.signals.dtype.names
    half = microgrid_inputs(
        step_s=1800,
        per_unit={name: np.repeat(row, 2) for name, row in zip(whole.plants, whole.profiles, strict=True)},
        **{name: np.repeat(whole.signals[name], 2) for name in names},
    )
    design = MicrogridDesign(plants_mw={"solar": 1.5, "wind": 0.3}, battery=battery)
    coarse, fine = (simulate_microgrid(inputs, design).figures for inputs in (whole, half))
    if battery.self_discharge_per_h == 0.0:
        for name in ("import_mwh", "export_mwh", "unserved_mwh", "curtailed_mwh", "charge_mwh", "discharge_mwh"):
            assert fine[name] == pytest.approx(coarse[name], rel=1e-9, abs=1e-9), name
    assert fine["load_mwh"] == pytest.approx(coarse["load_mwh"])


@given(
    seed=seeds,
    step_s=st.sampled_from([60, 900, 3600]),
    grid=st.sampled_from(
        [VessimGrid(), VessimGrid(max_import_w=800.0, max_export_w=300.0), VessimGrid(ramp_up_w=90.0, ramp_down_w=80.0)]
    ),
    kind=st.sampled_from(["simple", "clc", "none"]),
    charge_power_w=st.sampled_from([0.0, 100.0, -80.0]),
    soc=st.tuples(st.floats(0.0, 1.0), st.floats(0.0, 1.0)),
)
def test_both_engines_agree_in_the_compatible_mode(seed, step_s, grid, kind, charge_power_w, soc):
    draw, steps = np.random.default_rng(seed), 40
    values = {"initial_soc_fraction": soc[0], "min_soc_fraction": soc[1]}
    battery = {
        "simple": SimpleBattery(capacity_wh=900.0, c_rate_per_h=0.7, **values),
        "clc": ClcBattery(cells=50.5, cutoff_of="cell", **values),
        "none": None,
    }[kind]
    design = VessimDesign(battery=battery, grid=grid, charge_power_w=charge_power_w, solar_scale=1.3)
    inputs = vessim_inputs(
        step_s=step_s,
        load_w=draw.uniform(0.0, 1000.0, steps),
        solar_w=draw.uniform(0.0, 1200.0, steps),
        import_price_per_kwh=draw.uniform(-0.1, 0.4, steps),
        horizon_s=(steps - 0.3) * step_s,
    )
    found = simulate_microgrid(inputs, design, record="series")
    same(found, simulate_microgrid(inputs, design, record="series", engine="reference"))
    flow = found.series
    residual = flow["p_delta_w"] + flow["unserved_w"] - flow["curtailed_w"] - flow["p_battery_w"] - flow["p_grid_w"]
    np.testing.assert_allclose(residual, 0.0, atol=1e-9)
    assert ((flow["soc"] >= 0.0) & (flow["soc"] <= 1.0 + 1e-12)).all()
