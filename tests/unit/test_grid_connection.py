"""Feasible exchange with the grid: limits, ramps and outages."""

from __future__ import annotations

import numpy as np
import pytest

from joulewright.errors import ScenarioError
from joulewright.physics import grid


def bounds(*limits: object, **changes: object) -> tuple[object, object]:
    low, high = grid.net_import_range_mw(*limits, **changes)
    return low.tolist(), high.tolist()


def test_limits_without_a_ramp():
    assert bounds(50.0, [20.0, 0.0]) == ([-20.0, 0.0], [50.0, 50.0])
    assert bounds(50.0, 20.0, ramp_mw_per_h=1.0) == (-20.0, 50.0)
    assert bounds(50.0, 20.0, previous_net_import_mw=3.0) == (-20.0, 50.0)


def test_ramp_scales_with_the_step():
    # 60 MW/h are 1 MW/min.
    ramp = {"previous_net_import_mw": 10.0, "ramp_mw_per_h": 60.0}
    assert bounds(50.0, 20.0, step_h=1.0 / 60.0, **ramp) == (9.0, 11.0)
    assert bounds(50.0, 20.0, step_h=0.25, **ramp) == (-5.0, 25.0)
    assert bounds(50.0, 20.0, step_h=1.0, **ramp) == (-20.0, 50.0)


def test_limits_come_before_ramps():
    """The limit fell from 40 to 10 MW: only the limit is left; and it rose from an export of 30 to none."""
    assert bounds(10.0, 0.0, previous_net_import_mw=40.0, ramp_mw_per_h=5.0) == (10.0, 10.0)
    assert bounds(10.0, 0.0, previous_net_import_mw=-30.0, ramp_mw_per_h=5.0) == (0.0, 0.0)


def test_an_outage_opens_the_breaker_at_once():
    low, high = bounds(50.0, 20.0, connected=[True, False], previous_net_import_mw=30.0, ramp_mw_per_h=10.0)
    assert (low, high) == ([20.0, 0.0], [40.0, 0.0])
    assert bounds(np.inf, np.inf, connected=[True, False]) == ([-np.inf, 0.0], [np.inf, 0.0])


def test_no_negative_zero_reaches_a_report():
    low, _ = grid.net_import_range_mw(5.0, 0.0)
    assert not np.signbit(low)


def test_split_is_exclusive():
    bought, sold = grid.split_net_import([3.0, 0.0, -2.0])
    assert (bought.tolist(), sold.tolist()) == ([3.0, 0.0, 0.0], [0.0, 0.0, 2.0])


def test_ramp_excess():
    net = [0.0, 5.0, -5.0]
    assert grid.grid_ramp_excess_mw(net, ramp_mw_per_h=8.0, step_h=0.5).tolist() == [0.0, 1.0, 6.0]
    assert grid.grid_ramp_excess_mw(net, ramp_mw_per_h=8.0, step_h=0.5, before_mw=6.0).tolist() == [2.0, 1.0, 6.0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"import_limit_mw": -1.0}, "import limit is -1 MW"),
        ({"export_limit_mw": np.nan}, "export limit is nan MW"),
        ({"ramp_mw_per_h": -5.0, "previous_net_import_mw": 0.0}, "ramp is -5 MW/h"),
        ({"ramp_mw_per_h": 5.0, "previous_net_import_mw": 0.0, "step_h": 0.0}, "step is 0 h"),
        ({"ramp_mw_per_h": 5.0, "previous_net_import_mw": np.nan}, "previous net import is nan MW"),
    ],
)
def test_bad_values_are_refused(changes, message):
    with pytest.raises(ScenarioError, match=message):
        grid.net_import_range_mw(**({"import_limit_mw": 5.0, "export_limit_mw": 5.0} | changes))
