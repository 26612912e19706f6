"""Plans side by side."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from joulewright.errors import ScenarioError
from joulewright.study import compare, figures


def result(benefit: float | None, gap: float | None = 0.001) -> SimpleNamespace:
    summary = {"benefit": benefit, "cost": 10.0, "carbon_kg": 2500.0, "water_l": None}
    ledger = None if benefit is None else SimpleNamespace(summary=lambda: summary)
    return SimpleNamespace(
        ledger=ledger, gap=gap, bound=101.0, violations=("broken",) if gap is None else (), cpu_s=1.5
    )


def test_figures_join_ledger_and_search() -> None:
    found = figures(result(100.0))
    assert found["carbon_t"] == 2.5
    assert (found["gap"], found["bound"], found["violations"], found["cpu_s"]) == (0.001, 101.0, 0.0, 1.5)
    assert found["water_l"] is None


def test_figures_without_a_plan() -> None:
    found = figures(result(None))
    assert found["carbon_t"] is None
    assert "benefit" not in found


def test_compare_measures_against_the_first() -> None:
    table = compare({"joint": result(100.0), "greedy": result(80.0, gap=None)})
    assert table["plan"].to_list() == ["joint", "greedy"]
    assert table["benefit_to_first"].to_list() == [0.0, -20.0]
    assert table["violations"].to_list() == [0.0, 1.0]


def test_compare_without_a_plan_in_one_row() -> None:
    table = compare({"joint": result(100.0), "stopped": result(None)})
    assert table["benefit_to_first"].to_list() == [0.0, None]
    assert table["benefit"].to_list() == [100.0, None]


def test_nothing_to_compare() -> None:
    with pytest.raises(ScenarioError, match="0 plans"):
        compare({})
