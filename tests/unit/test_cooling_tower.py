"""Wet-bulb temperature, tower water, the water-cooled chiller and its plant, worked by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from joulewright.errors import ScenarioError
from joulewright.physics import cooling_tower as tower

TOWER = tower.STANDARD_TOWER


def test_wet_bulb_of_the_published_example():
    # Stull (2011): 20 degC and 50 % give 13.7 degC; saturated air has its own temperature.
    assert tower.wet_bulb_c(20.0, 0.5) == pytest.approx(13.7, abs=0.01)
    assert tower.wet_bulb_c(25.0, 0.99) == pytest.approx(25.0, abs=0.3)


def test_reference_tower_scales_with_heat():
    water = tower.tower_water_l_per_h(20.0, [1.0, 2.0, 0.0], reference_heat_mw=1.0)
    # (0.044 x 20 + 0.3528 x 5 + 0.101) x 1.01 = 2.77245 m3/h.
    assert water == pytest.approx([2772.45, 5544.9, 0.0])
    assert tower.tower_water_l_per_h(-60.0, 1.0, reference_heat_mw=1.0) == 0.0


def test_evaporation_of_saturated_air_by_hand():
    """Air enters saturated at 20 degC and leaves saturated at 20 + 4 + 2.75 = 26.75 degC.

    Steam tables: vapour pressures 23.39 and 35.20 hPa, hence humidity ratios 14.70 and 22.38 g/kg and enthalpies
    57.4 and 83.9 kJ/kg: (22.38 - 14.70) / (83.9 - 57.4) = 0.2898 g/kJ, 3.6e6 kJ/h of which are 1,043 kg/h.
    """
    water = tower.tower_water(1.0, 20.0, 20.0)
    assert water.evaporation_l_per_h == pytest.approx(1043.0, rel=0.01)


def test_drift_and_blowdown_by_hand():
    water = tower.tower_water([1.0, 2.0], 25.0, 18.0)
    # 3.6e6 kJ/h / (4.186 x 5.5) = 156,365 L/h circulated, 0.008 % of it drifts.
    assert water.drift_l_per_h == pytest.approx([12.509, 25.018], rel=1e-4)
    # Three cycles: blowdown and drift together are half of the evaporation, makeup is 1.5 times it.
    both = water.blowdown_l_per_h + water.drift_l_per_h
    assert both == pytest.approx(water.evaporation_l_per_h / 2.0)
    assert water.makeup_l_per_h == pytest.approx(1.5 * water.evaporation_l_per_h)
    assert water.makeup_l_per_h[1] == pytest.approx(2.0 * water.makeup_l_per_h[0])


def test_more_cycles_save_blowdown_and_never_make_it_negative():
    blowdown = [
        float(tower.tower_water(1.0, 25.0, 18.0, dataclasses.replace(TOWER, concentration_cycles=n)).blowdown_l_per_h)
        for n in (2.0, 4.0, 8.0)
    ]
    assert blowdown == sorted(blowdown, reverse=True)
    wet = dataclasses.replace(TOWER, concentration_cycles=20.0, drift_fraction=0.01)
    assert tower.tower_water(1.0, 25.0, 18.0, wet).blowdown_l_per_h == 0.0


def test_dry_air_takes_up_more_water_and_cold_air_less():
    same_wet_bulb = tower.tower_water(1.0, [20.0, 30.0, 40.0], 20.0).evaporation_l_per_h
    assert (np.diff(same_wet_bulb) > 0.0).all()
    saturated = tower.tower_water(1.0, [-10.0, 5.0, 20.0, 30.0], [-10.0, 5.0, 20.0, 30.0]).evaporation_l_per_h
    assert (np.diff(saturated) > 0.0).all()
    # Air cannot be colder than its own wet bulb: rounding of the wet-bulb formula is absorbed.
    assert tower.tower_water(1.0, 19.8, 20.0).evaporation_l_per_h == pytest.approx(saturated[2])


def test_water_stays_above_freezing():
    assert TOWER.water_c(np.array([-20.0, 3.0, 10.0])).tolist() == [7.0, 7.0, 14.0]


def test_water_chiller_at_rating_and_its_limits():
    # At 6.67 and 29.4 degC the three curves give 1.0033, 0.9991 and 1: P = 1.0033 x 0.9991 x 1 / 5.5 at its capacity.
    power, unmet = tower.water_chiller_power_mw(2.0, 29.4, capacity_mw=1.0)
    assert power == pytest.approx(1.0033 * 0.9991 / 5.5, rel=1e-3)
    assert unmet == pytest.approx(2.0 - 1.0033, abs=1e-4)
    cool, _ = tower.water_chiller_power_mw(0.7, [5.0, 24.0, 35.0, 60.0], capacity_mw=1.0)
    assert cool[0] == cool[1] < cool[2] == cool[3]


def test_water_chiller_cycles_below_a_fifth_of_its_load():
    power, _ = tower.water_chiller_power_mw([0.0, 0.05, 0.1], 29.4, capacity_mw=1.0)
    assert power[0] == 0.0
    assert power[2] == pytest.approx(2.0 * power[1])


def test_plant_by_hand():
    """20 degC, 50 %: wet bulb 13.7, water 17.7 degC; the economiser ends at 10 - 2 + 6 = 14 degC, so it is off."""
    plant = tower.STANDARD_TOWER_PLANT
    result = tower.tower_cooling(20.0, 0.5, plant)
    power, _ = tower.water_chiller_power_mw(0.7, 17.7, capacity_mw=1.0, evaporator_out_c=10.0)
    chillers = 1.05 * float(power) / 0.7
    assert result.free_fraction == 0.0
    assert result.pue == pytest.approx(1.12 + chillers + 0.012 * (1.05 + chillers))
    wet = tower.wet_bulb_c(20.0, 0.5)
    water = tower.tower_water(1.05 + chillers, 20.0, wet).makeup_l_per_h
    assert result.water_l_per_it_kwh == pytest.approx(float(water) / 1000.0)
    assert result.unmet_fraction == 0.0


def test_economiser_hands_over_within_its_band():
    plant = dataclasses.replace(tower.STANDARD_TOWER_PLANT, tower=dataclasses.replace(TOWER, approach_k=4.0))
    result = tower.tower_cooling([0.0, 30.0], [0.5, 0.6], plant)
    assert result.free_fraction.tolist() == [1.0, 0.0]
    assert result.pue[0] == pytest.approx(1.12 + 0.012 * 1.05)
    none = tower.tower_cooling(0.0, 0.5, dataclasses.replace(plant, exchanger_k=None))
    assert none.free_fraction == 0.0
    assert none.pue > result.pue[0]
    switch = tower.tower_cooling([4.0, 8.0], 0.99, dataclasses.replace(plant, free_cooling_band_k=0.0))
    assert switch.free_fraction.tolist() == [1.0, 0.0]


def test_a_small_plant_reports_what_it_cannot_remove():
    tight = dataclasses.replace(tower.STANDARD_TOWER_PLANT, load_fraction=1.0, evaporator_out_c=5.0)
    result = tower.tower_cooling(45.0, 0.5, tight)
    assert result.unmet_fraction > 0.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"concentration_cycles": 1.0}, r"cycles of concentration is 1; allowed is 1\.05 to 20"),
        ({"range_k": 0.0}, "tower range is 0 K"),
        ({"approach_k": -1.0}, "tower approach is -1 K"),
        ({"drift_fraction": 0.5}, "tower drift is 0.5"),
        ({"fan_fraction": 1.0}, "tower fan_fraction is 1"),
        ({"least_water_c": -5.0}, "least tower water is -5 degC"),
    ],
)
def test_bad_towers_are_refused(changes, message):
    with pytest.raises(ScenarioError, match=message):
        tower.Tower(**changes)


@pytest.mark.parametrize("changes", [{"load_fraction": 0.0}, {"cop": 0.2}, {"pump_fraction": -0.1}])
def test_bad_plants_are_refused(changes):
    with pytest.raises(ScenarioError, match="allowed is"):
        tower.TowerPlant(**changes)


def test_bad_weather_is_refused():
    with pytest.raises(ScenarioError, match="relative humidity is 50; allowed is 0 to 1"):
        tower.tower_cooling(20.0, 50.0)
    with pytest.raises(ScenarioError, match="temperature is nan"):
        tower.tower_cooling(np.nan, 0.5)
    with pytest.raises(ScenarioError, match="heat is -1 MW"):
        tower.tower_water(-1.0, 20.0, 15.0)
