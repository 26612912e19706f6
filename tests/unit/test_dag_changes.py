"""What a comparison says where signals are negative, where deadlines pass, and of schedulers that know the future."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from joulewright.data.dag_generator import generate_dag_jobs
from joulewright.model.dag import DagCluster, DagJob, DagSignal, DagStage
from joulewright.policy.dag import (
    AbstractDagScheduler,
    AbstractDagView,
    Fifo,
    Grant,
    make_dag_placement,
    make_dag_scheduler,
)
from joulewright.report.dag_boxes import best_of, headline, validity_box
from joulewright.report.dag_page import render_dag_report
from joulewright.report.dag_terminal import comparison_tables
from joulewright.report.dag_view import DagView
from joulewright.report.terminal import as_text
from joulewright.study.dag import DagComparison, compare_dag
from joulewright.study.dag_bounds import TOO_SHORT, bound_dag
from joulewright.study.dag_changes import complete_samples
from joulewright.study.dag_foresight import knows_future
from joulewright.study.dag_headroom import bound_fails, share_of_headroom
from joulewright.study.dag_inputs import DagInput
from joulewright.study.dag_signal import synthetic_signal

HOUR_MS = 1000


class OneAtATime(AbstractDagScheduler):
    """The first stage of the frontier, one executor of all."""

    def answer(self, view: AbstractDagView) -> Grant:
        base = Fifo().answer(view)
        return base._replace(executors=1) if view.active == 0 else Grant(-1, deferred=True)


TWO: dict[str, AbstractDagScheduler] = {"fifo": Fifo(), "single": OneAtATime()}


def job(name: str = "a", tasks: int = 2, task_ms: int = HOUR_MS, **facts: Any) -> DagJob:
    return DagJob(name=name, arrival_ms=0, stages=(DagStage(name="s", task_ms=(task_ms,) * tasks),), **facts)


def compared(*values: float, jobs: tuple[DagJob, ...] = (job(),), **options: Any) -> DagComparison:
    cluster = DagCluster(**{"executors": 2, "moving_delay_ms": 0, **options.pop("cluster", {})})
    signal = DagSignal(step_ms=HOUR_MS, values=np.array(values))
    return compare_dag(jobs, cluster, signal, options.pop("schedulers", TWO), **{"allowances_h": (0.0,), **options})


def viewed(found: DagComparison) -> DagView:
    signal = replace(synthetic_signal("DE-LU", hour_ms=HOUR_MS), signal=found.signal)
    return DagView(found=found, source=DagInput(jobs=found.jobs, name="jobs", kind="jobs"), signal=signal)


def test_a_change_of_negative_costs_is_split_by_differences() -> None:
    """Two tasks at -10 g, or one there and one at 5 g; half a kW of idle draw makes 3 kWh of 2."""
    row = compared(-10.0, 5.0, 5.0).runs.row(1, named=True)
    assert [row[f"change_{part}"] for part in ("cost", "work", "overhead", "shift")] == [15.0, 0.0, 0.0, 15.0]
    assert (row["cost_ratio"], row["shift_ratio"]) == (None, None)
    assert (row["work_ratio"], row["makespan_ratio"], row["mean_completion_ratio"]) == (1.0, 2.0, 2.0)
    idle = compared(-10.0, 5.0, 5.0, cluster={"idle_power_kw": 0.5}).runs.row(1, named=True)
    parts = [idle[f"change_{part}"] for part in ("cost", "work", "overhead", "shift")]
    # Mean signal -10 and -2.5, energy per busy hour 1 and 1.5 kWh.
    assert parts == pytest.approx([12.5, 0.0, -6.25, 18.75])
    assert idle["overhead_ratio"] == pytest.approx(1.5)


def test_parts_of_a_change_sum_to_it_whatever_the_signs() -> None:
    jobs = generate_dag_jobs("tpch-like", jobs=6, seed=2, waves=True)
    signal = DagSignal(step_ms=60_000, values=20.0 * np.sin(np.arange(200) / 4.0) - 5.0)
    cluster = DagCluster(executors=20, idle_power_kw=0.3, task_failure_fraction=0.1)
    found = compare_dag(jobs, cluster, signal, ["fifo", "fair", "water-level"], starts=(0, 12, 30))
    assert 0 < found.runs["cost_ratio"].null_count() < found.runs.height
    for row in found.runs.to_dicts():
        parts = row["change_work"] + row["change_overhead"] + row["change_shift"]
        assert parts == pytest.approx(row["change_cost"], rel=1e-9, abs=1e-9 * abs(row["cost"]))


def test_means_over_some_starts_say_so() -> None:
    """From the first start costs are 2 and 3 g; from the last they are negative."""
    found = compared(1.0, 2.0, -4.0, -1.0, 9.0, starts=(0, 2))
    ratio, amount, makespan = (found.estimate("single", key) for key in ("cost_ratio", "change_cost", "makespan_ratio"))
    assert ratio is not None
    assert amount is not None
    assert makespan is not None
    assert (ratio.mean, ratio.count) == (1.5, 1)
    assert (amount.mean, amount.count) == (2.0, 2)
    assert (makespan.mean, makespan.count) == (2.0, 2)
    assert any("1 of 2 starts for single" in note and "Amounts" in note for note in found.notes)
    text, service = (as_text(table, width=300) for table in comparison_tables(found, viewed(found).signal))
    assert "+50 % (1 of 2)" in text.replace("\u202f", " ")
    assert "Whole change" in text
    assert "(1 of 2)" not in service
    whole = compared(1.0, 2.0, 4.0, 1.0, 9.0, starts=(0, 2))
    assert whole.notes == ()
    assert "Whole change" not in as_text(comparison_tables(whole, viewed(whole).signal)[0], width=300)


def test_a_sample_with_a_gap_among_its_seeds_does_not_count() -> None:
    runs = pl.DataFrame({"scheduler": "a", "start": [0, 0, 1, 1], "cost_ratio": [1.0, None, 2.0, 4.0]})
    assert complete_samples(runs, "a", "cost_ratio", "start") == [3.0]


def test_the_best_is_told_in_amounts_where_per_cents_are_of_some_starts() -> None:
    """Waiting saves 7 g from either start; from the last costs are negative."""
    found = compared(8.0, 1.0, 1.0, -1.0, -8.0, 9.0, starts=(0, 3), allowances_h=())
    view = viewed(found)
    assert best_of(view) == "single"
    said = headline(view).replace("\u202f", " ")
    assert said.startswith("single saves 0.00700 kg CO2e of the carbon of fifo (0.00700 kg CO2e);")
    page = render_dag_report(found, view.source, view.signal).replace("\u202f", " ")
    assert "single saves" in page
    assert "−0.00700 kg CO2e come from other hours" in page


def test_no_bound_where_idle_draw_or_failures_earn() -> None:
    """Idle at -10 g earns more than the bound of the tasks alone, which is -20 g."""
    found = compared(-10.0, -10.0, 5.0, 5.0, cluster={"executors": 4, "idle_power_kw": 0.5}, starts=(0, 2))
    assert found.runs.filter(pl.col("start") == 0)["bound"].to_list() == [None, None]
    assert found.runs.filter(pl.col("start") == 2)["bound"].null_count() == 0
    assert any("negative, where idle draw earns" in note for note in found.notes)
    assert not any("too short" in note for note in found.notes)
    assert found.runs.filter(pl.col("start") == 0)["cost"][0] < -20.0
    cluster, signal = DagCluster(executors=2, task_failure_fraction=0.1, idle_power_kw=0.2), found.signal
    assert bound_fails(cluster, signal, 1).startswith("the signal is negative, where idle draw and work done again")
    assert bound_fails(replace(cluster, idle_power_kw=0.0, task_failure_fraction=0.0, mean_up_ms=9.0), signal, 1)
    assert bound_fails(cluster, signal.later(2), 2) == ""
    one = bound_dag([job()], cluster, signal, Fifo(), allowances_h=(0.0, 9.0))
    assert [item.bound for item in one.items] == [None, None]
    assert one.items[0].missing.startswith("the signal is negative")
    assert one.items[1].missing == TOO_SHORT


def test_a_run_below_its_bound_is_seen_at_negative_costs() -> None:
    found = compared(-10.0, -10.0, 5.0)
    good = validity_box(viewed(found))
    assert "No run beats the fluid bound" in "".join(map(str, good))
    wrong = replace(found, runs=found.runs.with_columns(cost=pl.col("bound") - 1.0))
    assert "A run is below its bound" in "".join(map(str, validity_box(viewed(wrong))))


def test_a_share_of_next_to_no_headroom_is_not_given() -> None:
    assert share_of_headroom([0.5], [1.0], reference=[999.0]) is not None
    assert share_of_headroom([0.5], [1.0], reference=[1001.0]) is None
    assert share_of_headroom([0.5, 5.0], [1.0, 9.0], reference=[9.0, -9.0]) is None


def test_missed_deadlines_are_counted_and_told() -> None:
    """Ten tasks of an hour on two executors end after 5 h; the deadline was at 4 h."""
    late, early, free = job("a", 10, deadline_ms=4000), job("b", 2, deadline_ms=9000), job("c", 1)
    found = compared(*[1.0] * 9, jobs=(late, early, free), schedulers={"fifo": Fifo()})
    rows = found.completions.select("job", "deadline_ms", "late_ms").rows()
    assert rows == [("a", 4000, 1000), ("b", 9000, 0), ("c", None, None)]
    assert found.runs["missed_deadlines"].to_list() == [1]
    assert found.notes == ("fifo misses 1 of 2 deadlines, by up to 1 s of the run.",)
    view = viewed(found)
    text = as_text(comparison_tables(found, view.signal)[1], width=300)
    assert "Missed deadlines" in text
    page = render_dag_report(found, view.source, view.signal)
    assert "Deadlines are missed" in page
    assert "misses 1 of 2 deadlines" in page
    kept = compared(*[1.0] * 9, jobs=(early,), schedulers={"fifo": Fifo()})
    assert (kept.runs["missed_deadlines"].to_list(), kept.notes) == ([0], ())
    assert "Every deadline is met" in render_dag_report(kept, viewed(kept).source, view.signal)
    none = compared(*[1.0] * 9, schedulers={"fifo": Fifo()})
    assert none.runs["missed_deadlines"].to_list() == [None]
    page = render_dag_report(none, viewed(none).source, view.signal)
    assert "Every deadline" not in page
    assert "Deadlines are" not in page


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("spade:forecast= perfect", True),
        ("planned:known_arrivals=True", True),
        ("planned:known_arrivals=no", False),
        ("sap:minimum=1,forecast=perfect+spade:forecast=perfect", True),
        ("sap:minimum=1+fair", False),
        ("fifo", False),
    ],
)
def test_who_knows_the_future_is_asked_of_the_schedulers(text: str, seen: bool) -> None:
    assert knows_future(make_dag_scheduler(text)) is seen
    found = compare_dag([job()], DagCluster(executors=2), DagSignal(step_ms=HOUR_MS, values=np.ones(60)), [text])
    assert found.know_future == ((text,) if seen else ())
    view = viewed(found)
    page = render_dag_report(found, view.source, view.signal)
    assert ("Some schedulers know the future" in page) is seen
    assert ("No scheduler knows the future" in page) is not seen


def test_placements_are_asked_too() -> None:
    assert knows_future(make_dag_placement("least-cost:forecast= perfect"))
    assert not knows_future(make_dag_placement("least-cost"))


def test_work_depends_on_the_scheduler_where_executors_fail() -> None:
    found = compared(*[1.0] * 60, cluster={"mean_up_ms": 5000.0, "repair_ms": 1000}, schedulers={"fifo": Fifo()})
    page = render_dag_report(found, viewed(found).source, viewed(found).signal)
    assert "Work does not depend on the scheduler" not in page
    assert "Executors fail" in page


def test_one_run_has_no_interval() -> None:
    found = compared(*[1.0] * 9, schedulers={"fifo": Fifo()})
    page = render_dag_report(found, viewed(found).source, viewed(found).signal)
    assert "One run" in page
    assert "It has no interval" in page
