"""Tables for the terminal."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from joulewright.account import Change
from joulewright.report.terminal import as_text, comparison_table, front_table, plan_table


@pytest.fixture(scope="module")
def case(report_case: Any) -> tuple[Any, Any]:
    scenario = report_case.make_scenario(days=2, jobs=9)
    return scenario, report_case.make_result(scenario)


def lines(table: Any) -> dict[str, list[str]]:
    """Cells of every line by its first cell."""
    rows = [
        [cell.strip() for cell in line.split("  ") if cell.strip()] for line in as_text(table, width=160).splitlines()
    ]
    return {row[0]: row[1:] for row in rows if row}


def test_the_plan_is_shown_by_site_and_in_all(case: tuple[Any, Any]) -> None:
    scenario, result = case
    shown = lines(plan_table(scenario, result))
    assert shown["california"] == ["texas", "ontario", "all"]
    load = result.ledger.total("energy", "facility load")
    assert float(shown["electricity used"][-1].replace(" MWh", "").replace(" ", "")) == pytest.approx(load, abs=0.6)
    assert len(shown["operational carbon"]) == 4
    assert shown["training jobs done"] == ["8 of 9"]
    assert shown["certified gap"] == ["0.08 %"]
    assert shown["broken limits"] == ["0"]
    assert "unserved" not in shown


def test_the_comparison_marks_gain_and_split(case: tuple[Any, Any], report_case: Any) -> None:
    scenario, result = case
    shown = lines(comparison_table(result.ledger, report_case.make_comparisons(scenario), name="guided"))
    assert set(shown) >= {"guided", "compute-only", "sequential"}
    assert shown["compute-only"][-1] == "0"
    assert shown["sequential"][-1] == "1"
    bare = SimpleNamespace(name="quoted", benefit=result.ledger.benefit - 5e4, cost=1.0, carbon_kg=2e3)
    row = lines(comparison_table(result.ledger, [bare]))["quoted"]
    assert row[1] == "+50.0 k USD"
    assert row[-1] == "0"


def test_the_signs_of_a_comparison_are_explained_and_add_up(case: tuple[Any, Any], report_case: Any) -> None:
    _, result = case
    kg = result.ledger.carbon_kg
    change = Change(
        less_work_kg=-5e3, cleaner_energy_kg=93e3, less_work_cost=0.0, cheaper_energy_cost=0.0, work_fraction=0.9
    )
    rival = SimpleNamespace(name="lean", benefit=0.0, cost=1.0, carbon_kg=kg - 88e3, change=change)
    text = as_text(comparison_table(result.ledger, [rival]), width=160)
    header = next(line for line in text.splitlines() if "benefit" in line and "plan earns" in line)
    assert header.split("  ")[-1].strip() == "broken limits"
    columns = [cell.strip() for cell in header.split("  ") if cell.strip()]
    shown = dict(zip(columns, ["lean", *lines(comparison_table(result.ledger, [rival]))["lean"]], strict=True))
    # The plan emits more, so the sign is a plus; only the caption's words tell which way is good.
    assert (shown["plan emits"], shown["by work"], shown["by energy"]) == ("+88.0 t", "−5.00 t", "+93.0 t")
    assert "+ for more" in " ".join(text.split())
    bare = SimpleNamespace(name="same", benefit=0.0, cost=1.0, carbon_kg=kg - 1e-6)
    row = lines(comparison_table(result.ledger, [bare]))["same"]
    assert row[-2:] == ["0 t", "0"]


def test_the_front_starts_with_the_cleanest_plan(case: tuple[Any, Any], report_case: Any) -> None:
    _, result = case
    text = as_text(front_table(reversed(report_case.make_front(result.ledger)), "USD"))
    rows = [line for line in text.splitlines() if " t " in line]
    assert len(rows) == 8
    assert "135" in rows[0]


def test_names_are_no_markup(report_case: Any) -> None:
    scenario = report_case.make_scenario(days=1, jobs=1, names=("[red]x[/red]", "[b]", "c"))
    text = as_text(plan_table(scenario, report_case.make_result(scenario)), width=200)
    assert "\x1b" not in text
    assert "[red]x[/red]" in text
    assert "texas" not in text


def test_there_is_nothing_to_show_without_a_plan(case: tuple[Any, Any], report_case: Any) -> None:
    scenario, _ = case
    with pytest.raises(ValueError, match="time-limit"):
        plan_table(scenario, report_case.make_result(scenario, ledger=None, status="time-limit"))
