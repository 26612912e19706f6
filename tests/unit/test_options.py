"""Options of the planner and what they refuse."""

from __future__ import annotations

import dataclasses

import pytest

from joulewright.plan.options import PlanOptions, Progress


def test_the_defaults_are_the_documented_ones():
    options = PlanOptions()
    assert (options.strategy, options.gap, options.threads, options.seed) == ("guided", 0.001, 2, 0)
    assert (options.time_limit_s, options.work_limit, options.without) == (None, None, frozenset())
    assert (options.previous, options.churn_cost) == (None, 0.0)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"strategy": "magic"}, r"'magic' is not known.*guided.*exact.*rolling"),
        ({"without": frozenset({"battery", "gravity"})}, r"without \['gravity'\].*battery.*export"),
        ({"gap": -0.1}, r"gap is -0\.1; it must be 0 or more"),
        ({"gap": float("nan")}, "gap is nan"),
        ({"churn_cost": -1.0}, r"churn_cost is -1\.0"),
        ({"time_limit_s": -3.0}, r"time_limit_s is -3\.0"),
        ({"work_limit": -3.0}, r"work_limit is -3\.0"),
        ({"threads": 0}, "threads is 0; at least 1"),
        ({"commit_h": 0.0}, r"commit_h is 0\.0"),
        ({"commit_h": 200.0, "window_h": 100.0}, r"commit_h is 200\.0 and window_h 100\.0"),
    ],
)
def test_a_wrong_value_is_refused_with_the_value_and_the_way_out(wrong, message):
    with pytest.raises(ValueError, match=message):
        PlanOptions(**wrong)


def test_all_flexibilities_can_be_switched_off_at_once():
    names = {"battery", "export", "routing", "shifting", "generation"}
    assert PlanOptions(without=frozenset(names)).without == names


def test_options_are_frozen_and_compare_without_their_callbacks():
    assert PlanOptions(progress=print) == PlanOptions(should_stop=bool)
    assert "progress" not in repr(PlanOptions(progress=print))
    with pytest.raises(dataclasses.FrozenInstanceError):
        PlanOptions().gap = 0.5  # type: ignore[misc]


def test_progress_holds_a_moment_without_a_plan():
    moment = Progress(phase="bound", elapsed_s=1.0, cpu_s=0.5, objective=None, bound=7.0, gap=None)
    assert (moment.objective, moment.bound) == (None, 7.0)
