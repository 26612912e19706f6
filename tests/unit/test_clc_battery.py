"""The C-L-C battery, worked by hand for one cell of 20 Wh at 4 V."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from joulewright.errors import ScenarioError
from joulewright.physics.clc_battery import ClcBattery, clc_next_energy_wh, clc_power_range_w

# Per hour and W: full at 20 - 0.5 p (u2 / V = -0.5), empty at 0.25 p (u1 / V = -0.25 with p < 0).
CELL = ClcBattery(
    cells=1,
    nominal_voltage_v=4.0,
    empty_slope_wh_per_a=-1.0,
    full_slope_wh_per_a=-2.0,
    full_wh=20.0,
    discharge_rate_per_h=0.5,
    charge_rate_per_h=0.4,
    discharge_factor=1.25,
    charge_efficiency=0.5,
    discharge_cutoff_a=0.1,
    charge_cutoff_a=0.1,
)


def limits(cell: ClcBattery, energy_wh, step_s: float = 3600.0):
    charge, discharge = clc_power_range_w(cell, energy_wh, step_s=step_s)
    return charge, discharge


def test_charge_ends_where_the_window_of_its_current_ends():
    # p = (20 - 15) / (0.5 + 0.5): the cell then holds 15 + 2.5 = 17.5 = 20 - 0.5 x 5.
    charge, _ = limits(CELL, 15.0)
    assert charge == pytest.approx(5.0)
    stored = clc_next_energy_wh(CELL, 15.0, charge, 0.0, step_s=3600.0)
    assert stored == pytest.approx(20.0 - 0.5 * 5.0)


def test_discharge_ends_where_the_window_of_its_current_ends():
    # p = 6 / (0.25 + 1.25): the cell then holds 6 - 5 = 1 = 0.25 x 4.
    _, discharge = limits(CELL, 6.0)
    assert discharge == pytest.approx(4.0)
    stored = clc_next_energy_wh(CELL, 6.0, 0.0, discharge, step_s=3600.0)
    assert stored == pytest.approx(1.0)


def test_power_limits_hold_in_the_middle_and_scale_with_the_cells():
    assert [float(limit) for limit in limits(CELL, 11.0, 60.0)] == [8.0, 10.0]
    many = replace(CELL, cells=250.5)
    assert [float(limit) for limit in limits(many, 11.0, 60.0)] == [8.0 * 250.5, 10.0 * 250.5]
    assert clc_next_energy_wh(many, 11.0, 0.0, 2505.0, step_s=3600.0) == pytest.approx(11.0 - 12.5 + 1.5)


def test_discharge_respects_the_lowest_state_of_charge():
    held = replace(CELL, min_soc_fraction=0.25)
    _, discharge = limits(held, [6.0, 5.0, 4.0])
    assert discharge == pytest.approx([0.8, 0.0, 0.0])
    assert clc_next_energy_wh(held, 6.0, 0.0, 0.8000000001, step_s=3600.0) == 5.0


def test_a_full_cell_does_not_charge_and_an_empty_one_does_not_discharge():
    charge, discharge = limits(CELL, [0.0, 20.0])
    assert charge == pytest.approx([8.0, 0.0])
    assert discharge == pytest.approx([0.0, 10.0])


def test_cut_offs_compare_cells_or_the_pack():
    # 0.1 A at 4 V: a cell rests below 0.4 W, that is within 0.4 Wh of full.
    assert [float(charge) for charge in limits(CELL, [19.59, 19.61])[0]] == [pytest.approx(0.41), 0.0]
    cells = replace(CELL, cells=1000.0)
    assert limits(cells, 19.61)[0] == 0.0
    assert limits(replace(cells, cutoff_of="pack"), 19.61)[0] == pytest.approx(390.0)
    assert cells.cutoffs_w() == pytest.approx((400.0, 400.0))
    assert limits(CELL, 0.5)[1] == 0.0


def test_a_pack_has_the_capacity_asked_for():
    pack = ClcBattery.of_capacity(4e6, min_soc_fraction=0.1)
    assert pack.capacity_wh == pytest.approx(4e6, rel=1e-15)
    assert pack.cells - int(pack.cells) > 0.0
    assert pack.min_soc_fraction == 0.1


def test_two_half_steps_store_what_one_step_stores():
    whole = clc_next_energy_wh(CELL, 5.0, 2.0, 0.0, step_s=3600.0)
    half = clc_next_energy_wh(CELL, clc_next_energy_wh(CELL, 5.0, 2.0, 0.0, step_s=1800.0), 2.0, 0.0, step_s=1800.0)
    assert whole == pytest.approx(half)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cells": 0.0}, r"cells is 0; allowed is 1e-06 to 1e\+15"),
        ({"initial_soc_fraction": 1.2}, r"initial_soc_fraction is 1\.2; allowed is 0 to 1"),
        ({"min_soc_fraction": -0.1}, r"min_soc_fraction is -0\.1; allowed is 0 to 1"),
        ({"discharge_factor": 0.9}, r"discharge_factor is 0\.9; allowed is 1 to"),
        ({"charge_efficiency": 1.1}, r"charge_efficiency is 1\.1; allowed is 1e-06 to 1"),
        ({"full_slope_wh_per_a": 0.5}, r"full_slope_wh_per_a is 0\.5 Wh/A"),
        ({"nominal_voltage_v": np.nan}, "nominal_voltage_v is nan V"),
        ({"full_wh": np.inf}, "full_wh is inf Wh"),
        ({"cutoff_of": "rack"}, "cutoff_of is 'rack'; allowed are 'cell' and 'pack'"),
    ],
)
def test_bad_parameters_are_refused(changes, message):
    with pytest.raises(ScenarioError, match=message):
        replace(CELL, **changes)
    with pytest.raises(ScenarioError, match="full_wh is 0 Wh"):
        ClcBattery.of_capacity(1e6, full_wh=0.0)
