"""Windows of surplus, their survival and what is left of them."""

from __future__ import annotations

import numpy as np
import pytest

from joulewright.errors import ScenarioError
from joulewright.physics import windows

BITS = [1, 1, 0, 1, 0, 0, 0, 1, 1, 1, 0, 0, 1, 0, 1]


@pytest.mark.parametrize(("gap", "lengths"), [(0, [2, 1, 3, 1, 1]), (1, [4, 3, 3]), (2, [4, 8]), (3, [15]), (99, [15])])
def test_short_gaps_are_filled(gap, lengths):
    found = windows.surplus_windows(BITS, step_h=1.0, max_gap_steps=gap)
    assert found.length_h.tolist() == lengths
    assert (found.stop_step - found.first_step).tolist() == lengths


def test_leading_and_trailing_gaps_stay():
    found = windows.surplus_windows([0, 1, 0, 1, 0], step_h=0.25, max_gap_steps=9)
    assert (found.first_step.tolist(), found.stop_step.tolist()) == ([1], [4])
    assert found.length_h.tolist() == [0.75]
    assert found.open_ended.tolist() == [False]


def test_the_last_window_may_be_cut_short_by_the_data():
    assert windows.surplus_windows(BITS, step_h=1.0).open_ended.tolist() == [False] * 4 + [True]


@pytest.mark.parametrize("surplus", [[], [0, 0, 0]])
def test_no_surplus_no_window(surplus):
    found = windows.surplus_windows(surplus, step_h=1.0, max_gap_steps=2)
    assert found.length_h.size == found.open_ended.size == 0


def test_survival_is_the_share_of_windows_that_last():
    lengths = [4.0, 3.0, 3.0]
    assert windows.window_survival(lengths, [0.0, 3.0, 10.0 / 3.0, 4.0, 4.1]) == pytest.approx([1, 1, 1 / 3, 1 / 3, 0])
    # A length that is the same but for rounding still survives.
    assert windows.window_survival([0.3], 0.1 + 0.2) == 1.0


def test_open_ended_windows_are_censored_by_hand():
    """1 ends, 2 is cut, 3 ends: S = 1, then 2/3 after 1, and (2/3)(1 - 1/1) = 0 after 3; 2 does not step down."""
    survival = windows.window_survival([1.0, 2.0, 3.0], [1.0, 1.5, 2.5, 3.0, 3.5], open_ended=[False, True, False])
    assert survival == pytest.approx([1.0, 2 / 3, 2 / 3, 2 / 3, 0.0])
    forever = windows.window_survival([1.0, 5.0], [9.0], open_ended=[False, True])
    assert forever == pytest.approx([0.5])


def test_residual_life_of_an_old_window():
    lengths = [4.0, 2.0, 1.0]
    assert windows.residual_survival(lengths, 2.0, [0.0, 2.0, 2.5]) == pytest.approx([1.0, 0.5, 0.0])
    assert windows.residual_survival(lengths, 9.0, 1.0) == 0.0


def test_mean_residual_favours_long_windows():
    assert windows.mean_residual_h([4.0, 3.0, 3.0]) == pytest.approx(1.7)
    assert windows.mean_residual_h([6.0]) == 3.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: windows.surplus_windows(BITS, step_h=0.0), "step is 0 h"),
        (lambda: windows.surplus_windows(BITS, step_h=1.0, max_gap_steps=-1), "gap is -1 steps"),
        (lambda: windows.window_survival([], 1.0), "there are 0 windows"),
        (lambda: windows.window_survival([-1.0], 1.0), "window is -1 h"),
        (lambda: windows.window_survival([1.0], np.nan), "length is nan h"),
        (lambda: windows.mean_residual_h([]), "0 windows last 0 h"),
        (lambda: windows.mean_residual_h([0.0]), "1 windows last 0 h"),
    ],
)
def test_bad_values_are_refused(call, message):
    with pytest.raises(ScenarioError, match=message):
        call()
