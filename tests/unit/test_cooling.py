"""Chiller and PUE profiles against hand-worked numbers and published vectors."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from joulewright.errors import ScenarioError
from joulewright.physics import cooling

TEMPERATURES = np.arange(5.0, 45.0, 5.0)


def test_chiller_vectors():
    power, unmet = cooling.chiller_power_mw(0.5, TEMPERATURES, capacity_mw=1.0)
    wanted_kw = [111.15, 108.40, 110.63, 116.86, 126.23, 137.98, 151.46, 166.07]
    assert 1000 * power == pytest.approx(wanted_kw, abs=0.01)
    assert 0.5 / power == pytest.approx([4.498, 4.613, 4.519, 4.278, 3.961, 3.624, 3.301, 3.011], abs=1e-3)
    assert unmet.tolist() == [0.0] * 8


def test_warmer_chilled_water_saves_power():
    power, _ = cooling.chiller_power_mw(0.5, 30.0, capacity_mw=1.0, evaporator_out_c=12.0)
    assert 1000 * power == pytest.approx(110.807, abs=1e-3)


def test_full_load_at_rating():
    # c = 0.944836 and r = 1.0134: P = r c / COP at part load 1 (shares sum to 1.00003).
    power, unmet = cooling.chiller_power_mw(2.0, 35.0, capacity_mw=1.0)
    assert power == pytest.approx(1.0134 * 0.944836 / 3.0, rel=1e-3)
    assert unmet == pytest.approx(2.0 - 0.944836)


def test_cycling_below_five_percent_and_the_efficiency_cap():
    zero, _ = cooling.chiller_power_mw(0.0, 20.0, capacity_mw=1.0)
    assert zero == 0.0
    low, _ = cooling.chiller_power_mw(0.01, 35.0, capacity_mw=1.0)
    lower, _ = cooling.chiller_power_mw(0.005, 35.0, capacity_mw=1.0)
    assert low == pytest.approx(2.0 * lower)
    capped, _ = cooling.chiller_power_mw(0.5, 10.0, capacity_mw=1.0, highest_cop=4.0)
    assert capped == pytest.approx(0.125)


def test_pue_of_the_chiller_by_hand():
    plant = cooling.ChillerPlant(
        evaporator_out_c=6.67,
        free_cooling_below_c=None,
        fan_fraction=0.04,
        pump_fraction=0.01,
        electrical_loss_fraction=0.06,
    )
    pue, unmet = cooling.chiller_pue(35.0, plant)
    assert pue == pytest.approx(1.11 + 1.04 * 0.15146 / 0.5, abs=1e-4)
    assert unmet == 0.0


def test_free_cooling_ramps_over_its_band():
    plant = cooling.ChillerPlant(free_cooling_below_c=12.0, free_cooling_band_k=8.0)
    pue, _ = cooling.chiller_pue([-10.0, 12.0, 16.0, 20.0], plant)
    assert pue[:2] == pytest.approx([1.11, 1.11])
    # Condensing pressure is held below 20 degC, so half the band carries half the chiller share.
    assert pue[2] - 1.11 == pytest.approx((pue[3] - 1.11) / 2.0)
    hard, _ = cooling.chiller_pue([12.0, 12.1], cooling.ChillerPlant(free_cooling_band_k=0.0))
    assert hard[1] - hard[0] > 0.2


def test_pue_never_falls_as_it_gets_hotter():
    pue, _ = cooling.chiller_pue(np.linspace(-20.0, 48.0, 200))
    assert (np.diff(pue) >= -1e-12).all()
    assert pue.min() >= 1.0


def test_constant_profile():
    values, notes = cooling.pue_profile("constant", steps=3, pue=1.2)
    assert values.tolist() == [1.2, 1.2, 1.2]
    assert notes == ()
    assert values.flags.writeable
    series, _ = cooling.pue_profile("constant", steps=2, pue=[1.1, 1.3])
    assert series.tolist() == [1.1, 1.3]


def test_points_hold_flat_and_report_it():
    points = [(30.0, 1.3), (10.0, 1.1)]
    values, notes = cooling.pue_profile("points", [0.0, 15.0, 35.0], steps=3, points=points)
    assert values == pytest.approx([1.1, 1.15, 1.3])
    assert [note.code for note in notes] == ["P018"]
    assert notes[0].severity == "note"
    assert "2 of 3 temperatures lie outside the PUE points (10 to 30 degC)" in notes[0].message
    assert "0.0 to 35.0 degC" in notes[0].help
    inside, silent = cooling.pue_profile("points", [10.0, 30.0], steps=2, points=points)
    assert (inside.tolist(), silent) == ([1.1, 1.3], ())


@pytest.mark.parametrize("model", ["chiller", "pue-temperature"])
def test_chiller_profile_follows_temperature(model):
    values, notes = cooling.pue_profile(model, TEMPERATURES, steps=8)
    assert values == pytest.approx(cooling.chiller_pue(TEMPERATURES)[0])
    assert notes == ()


def test_overloaded_chillers_warn():
    plant = cooling.ChillerPlant(load_fraction=1.0)
    _, notes = cooling.pue_profile("chiller", [20.0, 45.0], steps=2, plant=plant)
    assert [(note.code, note.severity) for note in notes] == [("P019", "warning")]
    assert "in 1 of 2 steps" in notes[0].message
    assert "load_fraction (1)" in notes[0].help


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": "magic"}, r"cooling model is 'magic'; allowed are \['chiller'"),
        ({"model": "constant"}, "gives no pue"),
        ({"model": "constant", "pue": 0.9}, "PUE is 0.9; allowed is 1 to 5"),
        ({"model": "chiller"}, "needs a temperature series"),
        ({"model": "points", "temperature_c": 10.0}, "at least two"),
        ({"model": "points", "temperature_c": 10.0, "points": [(5, 1.1), (5, 1.2)]}, "repeat a temperature"),
        ({"model": "points", "temperature_c": 10.0, "points": [(5, 0.8), (9, 1.2)]}, "PUE is 0.8"),
        ({"model": "chiller", "temperature_c": 300.0}, "temperature is 300 degC"),
    ],
)
def test_bad_cooling_is_refused(arguments, message):
    with pytest.raises(ScenarioError, match=message):
        cooling.pue_profile(**({"steps": 2} | arguments))


@pytest.mark.parametrize(
    "changes", [{"load_fraction": 0.0}, {"evaporator_out_c": 25.0}, {"cop": 0.5}, {"fan_fraction": -0.1}]
)
def test_bad_plants_are_refused(changes):
    with pytest.raises(ScenarioError, match="allowed is"):
        dataclasses.replace(cooling.STANDARD_PLANT, **changes)


def test_free_cooling_is_a_switch_without_a_band():
    assert cooling.free_cooling_fraction([11.9, 12.0, 12.1], 12.0).tolist() == [1.0, 1.0, 0.0]
    assert cooling.free_cooling_fraction([12.0, 14.0, 16.0, 20.0], 12.0, band_k=8.0).tolist() == [1.0, 0.75, 0.5, 0.0]
    assert cooling.free_cooling_fraction([-40.0, 40.0], None).tolist() == [0.0, 0.0]
