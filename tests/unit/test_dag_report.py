"""What the report of jobs with precedence shows: use of executors worked by hand, sections, sentences, sizes."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from joulewright.data.dag_generator import generate_dag_jobs
from joulewright.model.dag import DagCluster, DagJob, DagSignal, DagStage
from joulewright.policy.dag import Fifo, Sap
from joulewright.report.dag_bound_page import render_bound_report
from joulewright.report.dag_charts import bound_ratios, tradeoff_section
from joulewright.report.dag_figures import change, dag_figures, length, mean_text
from joulewright.report.dag_page import render_dag_report
from joulewright.report.dag_terminal import bound_table, comparison_tables
from joulewright.report.dag_view import DagView
from joulewright.report.figure import Figures
from joulewright.report.study_figures import range_text
from joulewright.report.terminal import as_text
from joulewright.sim.processes.dag import simulate_dag
from joulewright.study.dag import DagComparison, compare_dag
from joulewright.study.dag_bounds import TOO_SHORT, bound_dag
from joulewright.study.dag_inputs import DagInput, read_dag_input
from joulewright.study.dag_profile import MOST_PIECES, executor_profile
from joulewright.study.dag_signal import DagSignalInput, synthetic_signal
from joulewright.study.result import Estimate

GENERATED = "generated:tpch-like,jobs=6,seed=1"


@pytest.fixture(scope="module")
def signal() -> DagSignalInput:
    return synthetic_signal("DE-LU", hour_ms=60_000.0)


@pytest.fixture(scope="module")
def source() -> DagInput:
    return read_dag_input(GENERATED)


def compared(source: DagInput, signal: DagSignalInput, *names: str, **options: Any) -> DagComparison:
    cluster = options.pop("cluster", DagCluster(executors=20))
    return compare_dag(source.jobs, cluster, signal.signal, names, **options)


def two_stages(name: str, arrival_ms: int = 0) -> DagJob:
    stages = (DagStage(name="map", task_ms=(1000, 1000)), DagStage(name="sum", task_ms=(500,), parents=("map",)))
    return DagJob(name=name, arrival_ms=arrival_ms, stages=stages)


def test_use_of_executors_by_hand() -> None:
    """Moves 0..500, maps 500..1500 on both, sum 1500..2000 on one; pieces of 500 ms."""
    signal = DagSignal(step_ms=500, values=np.arange(1.0, 9.0))
    run = simulate_dag([two_stages("a")], DagCluster(executors=2, moving_delay_ms=500), signal, Fifo())
    profile = executor_profile(replace(run, signal=signal))
    parts = 500 // profile.piece_ms
    assert profile.piece_h == pytest.approx(1.0 / parts)
    by_step = profile.by_job[0].reshape(-1, parts).mean(axis=1)
    held = profile.held_back.reshape(-1, parts).mean(axis=1)
    assert by_step.tolist() == [0.0, 2.0, 2.0, 1.0]
    # Both maps wait while their executors move; the idle executor at the end has nothing to do.
    assert held.tolist() == [2.0, 0.0, 0.0, 0.0]
    assert profile.signal.reshape(-1, parts)[:, 0].tolist() == [1.0, 2.0, 3.0, 4.0]
    assert profile.quota is None


def test_a_quota_is_shown_where_it_follows_from_the_signal() -> None:
    values = np.array([100.0, 500.0, 100.0, 500.0, 100.0, 100.0])
    signal = DagSignal(step_ms=1000, values=values)
    sap = Sap(minimum=1, forecast="perfect")
    run = simulate_dag([two_stages("a")], DagCluster(executors=4, moving_delay_ms=0), signal, sap)
    quota = executor_profile(run, sap).quota
    assert quota is not None
    assert (quota[0], quota.min()) == (4.0, 1.0)


def test_long_runs_are_cut_into_few_pieces() -> None:
    jobs = [two_stages("a"), two_stages("late", 5_000_000)]
    signal = DagSignal(step_ms=1000, values=np.arange(6000.0))
    run = simulate_dag(jobs, DagCluster(executors=3, moving_delay_ms=0), signal, Fifo())
    profile = executor_profile(run)
    assert profile.by_job.shape[1] <= MOST_PIECES
    assert profile.by_job.sum() * profile.piece_ms == pytest.approx(run.busy_ms)
    assert profile.signal[0] == pytest.approx(np.mean(np.arange(profile.piece_ms / 1000)))


def test_a_run_of_moments_in_a_long_step_is_cut_finely() -> None:
    signal = DagSignal(step_ms=3_600_000, values=np.array([7.0, 8.0]))
    run = simulate_dag([two_stages("a")], DagCluster(executors=2, moving_delay_ms=500), signal, Fifo())
    profile = executor_profile(run)
    assert 100 < profile.by_job.shape[1] <= MOST_PIECES
    assert profile.piece_h == pytest.approx(profile.piece_ms / 3_600_000)
    assert profile.by_job.sum() * profile.piece_ms == pytest.approx(run.busy_ms)
    assert set(profile.signal.tolist()) == {7.0}


def test_every_executor_time_is_in_the_picture(source: DagInput, signal: DagSignalInput) -> None:
    found = compared(source, signal, "fifo", "fair")
    for name, run in found.shown.items():
        profile = executor_profile(run, found.schedulers[name])
        own = [sum(stage.work_ms for stage in job.stages) for job in source.jobs]
        assert (profile.by_job.sum(axis=1) * profile.piece_ms).tolist() == pytest.approx(own)
        assert (profile.by_job.sum(axis=0) + profile.held_back <= found.cluster.executors + 1e-9).all()


def spec_of(page: str) -> dict[str, Any]:
    found = re.search(r'id="jw-spec">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    spec = json.loads(found[1])
    assert isinstance(spec, dict)
    return spec


def test_sections_of_a_comparison(source: DagInput, signal: DagSignalInput) -> None:
    found = compared(source, signal, "fifo", "spade:gamma=0.5", "sap:minimum=4", starts=(0, 1000, 4000))
    page = render_dag_report(found, source, signal, document={"command": ["jw", "dag", "compare"]})
    charts = spec_of(page)["charts"]
    assert set(charts) == {"tradeoff", "split", "timeline", "stretch", "bound", "means"}
    assert [view["name"] for view in charts["timeline"]["views"]] == list(found.schedulers)
    assert [level["name"] for level in charts["tradeoff"]["views"][0]["levels"]] == [
        "fluid bound, same makespan",
        "fluid bound, 24 h more",
    ]
    assert [point["current"] for point in charts["tradeoff"]["views"][0]["points"]] == [True, False, False]
    for words in ("3 starts, 1 seed", "The signal is made up", "No run beats the fluid bound", "synthetic jobs and"):
        assert words in page
    assert "<dt>Command</dt><dd><code>jw dag compare</code></dd>" in page


def test_sections_of_one_run(source: DagInput, signal: DagSignalInput) -> None:
    page = render_dag_report(compared(source, signal, "fifo"), source, signal)
    assert set(spec_of(page)["charts"]) == {"timeline", "stretch", "bound"}
    assert "6 jobs under fifo take" in page
    assert "Change of" not in page


def test_many_tasks_stay_small(signal: DagSignalInput) -> None:
    """Some 60,000 tasks of 200 jobs, two schedulers: the data of the page stays below 150 kB."""
    big = read_dag_input("generated:tpch-like,jobs=60,seed=2,gap_ms=5000")
    assert sum(stage.tasks for job in big.jobs for stage in job.stages) > 50_000
    found = compared(big, signal, "fifo", "fair", cluster=DagCluster(executors=100), allowances_h=())
    page = render_dag_report(found, big, signal)
    data = re.search(r'id="jw-data">(.*?)</script>', page, re.DOTALL)
    assert data is not None
    assert len(data[1]) < 150_000
    assert len(page) < 1_200_000


def test_names_are_escaped(signal: DagSignalInput) -> None:
    evil = "<script>alert(1)</script>"
    job = DagJob(name=evil, arrival_ms=0, stages=(DagStage(name="s", task_ms=(1000,)),))
    source = DagInput(jobs=(job,), name=evil, kind="jobs")
    page = render_dag_report(compared(source, signal, "fifo"), source, signal)
    assert evil not in page
    assert "&lt;script&gt;" in page


def test_a_saving_is_said_and_its_share_of_work() -> None:
    """Prices that pay for waiting: the perfect quota saves, and all of it is shift."""
    jobs = generate_dag_jobs("layered", jobs=6, seed=4)
    values = np.tile([500.0] * 6 + [50.0] * 6, 60)
    own = synthetic_signal("DE-LU", hour_ms=10_000.0)
    signal = replace(own, signal=DagSignal(step_ms=10_000, values=values))
    source = DagInput(jobs=jobs, name="jobs.json", kind="jobs")
    found = compared(
        source, signal, "fifo", "sap:minimum=1,forecast=perfect", starts=(0, 5, 10), cluster=DagCluster(executors=8)
    )
    page = render_dag_report(found, source, signal)
    assert "sap:minimum=1,forecast=perfect saves" in page
    assert "executors are busy for the same time" in page
    assert "Some schedulers know the future" in page
    view = DagView(found=found, source=source, signal=signal)
    ratios = bound_ratios(view)
    assert list(ratios) == [0.0, 6.0, 12.0, 24.0]
    assert sorted(ratios.values(), reverse=True) == pytest.approx(list(ratios.values()))


def test_waves_and_failures_are_told(signal: DagSignalInput) -> None:
    source = read_dag_input("generated:fork-join,jobs=3,waves=true")
    cluster = DagCluster(executors=9, idle_power_kw=0.3, task_failure_fraction=0.1)
    found = compared(source, signal, "fifo", "fair", cluster=cluster, seeds=(0, 1))
    page = render_dag_report(found, source, signal)
    assert "Work depends on the scheduler" in page
    assert "All meet the same signal" in page
    assert "Idle draw" in page
    assert "10\u202f% of the attempts of tasks fail" in page
    assert "bound" not in spec_of(page)["charts"]
    text = "".join(as_text(table, width=400) for table in comparison_tables(found, signal))
    assert "from idle draw" in text
    assert "Failed attempts" in text


def test_nothing_to_trade_off_without_cost(source: DagInput, signal: DagSignalInput) -> None:
    free = replace(signal, signal=DagSignal(step_ms=60_000, values=np.zeros(500)))
    found = compared(source, free, "fifo", "fair")
    assert tradeoff_section(DagView(found=found, source=source, signal=free), Figures()) == []
    assert "No scheduler clearly costs less" in render_dag_report(found, source, free)


def test_tables_of_a_terminal(source: DagInput, signal: DagSignalInput) -> None:
    found = compared(source, signal, "fifo", "spade", starts=(0, 500))
    carbon, service = (as_text(table, width=300) for table in comparison_tables(found, signal))
    assert "kg CO2e" in carbon
    assert "Share of headroom" in carbon
    assert "Change of makespan" in service
    assert "Deferrals" in service
    alone = "".join(as_text(table, width=300) for table in comparison_tables(compared(source, signal, "fifo"), signal))
    assert "Change of" not in alone
    assert "Deferrals" not in alone
    rows = as_text(bound_table([(0.0, 50_000.0, ""), (6.0, None, TOO_SHORT)], 100_000.0, signal), width=120)
    assert "50 %" in rows
    assert "n/a: the signal is too short" in rows


def test_bound_page(source: DagInput, signal: DagSignalInput) -> None:
    found = bound_dag(source.jobs, DagCluster(executors=20, idle_power_kw=0.1), signal.signal, Fifo(), name="fifo")
    page = render_bound_report(found, source, signal, document={"notes": ["a note"]})
    charts = spec_of(page)["charts"]
    assert set(charts) == {"bounds", "work"}
    assert [view["name"] for view in charts["work"]["views"]] == [
        "at the horizon",
        "6 h more",
        "12 h more",
        "24 h more",
    ]
    for words in ("can be saved at equal makespan", "Idle draw is not in the bound", "a note"):
        assert words in page
    short = replace(signal, signal=replace(signal.signal, values=np.ones(8), renewable_fraction=None))
    cut = bound_dag(source.jobs, DagCluster(executors=20), short.signal, Fifo(), name="fifo", end_h=9.0)
    text = render_bound_report(cut, source, short)
    assert "there is no bound: the signal is too short" in text
    assert set(spec_of(text)["charts"]) == {"bounds"}


def test_texts_of_figures(signal: DagSignalInput) -> None:
    figures = {figure.key: figure for figure in dag_figures(signal, 100_000.0)}
    ratio = Estimate(mean=0.9, low=0.85, high=0.95, count=4)
    assert mean_text(ratio, figures["cost_ratio"]).replace("\u202f", " ") == "−10.0 ± 5.0 %"
    fine = Estimate(mean=0.9, low=0.89998, high=0.90002, count=4)
    assert mean_text(fine, figures["cost_ratio"]).replace("\u202f", " ") == "−10.0000 ± 0.0020 %"
    exact = Estimate(mean=90_000.0, low=89_994.0, high=90_006.0, count=3)
    assert mean_text(exact, figures["makespan_ms"]).replace("\u202f", " ") == "1.50000 ± 0.00010 min"
    assert range_text(exact, length).replace("\u202f", " ") == "1.49990 min to 1.50010 min"
    assert mean_text(Estimate(mean=90_000.0), figures["makespan_ms"]).replace("\u202f", " ") == "1.50 min"
    time = Estimate(mean=90_000.0, low=84_000.0, high=96_000.0, count=3)
    assert mean_text(time, figures["makespan_ms"]).replace("\u202f", " ") == "1.50 ± 0.10 min"
    part = Estimate(mean=2500.0, low=2000.0, high=3000.0, count=3)
    assert mean_text(part, figures["change_shift"]).replace("\u202f", " ") == "+2.50 ± 0.50 kg CO2e"
    assert (length(0.0), change(1.0 + 1e-9)) == ("0\u202fms", "0\u202f%")


def test_the_quota_is_named_where_it_is_drawn(source: DagInput, signal: DagSignalInput) -> None:
    """The legend stays whichever scheduler is chosen, so a line that only some have is named beside them."""
    mixed = render_dag_report(compared(source, signal, "fifo", "sap:minimum=4"), source, signal)
    fifo, sap = spec_of(mixed)["charts"]["timeline"]["views"]
    assert "quota" not in fifo["note"]
    assert sap["note"].endswith("The line is the quota.")
    assert "></i>Quota" not in mixed
    assert "></i>Quota" in render_dag_report(compared(source, signal, "sap:minimum=4"), source, signal)


def test_bounds_of_negative_costs_are_told_in_amounts(source: DagInput, signal: DagSignalInput) -> None:
    earning = replace(signal, signal=replace(signal.signal, values=-signal.signal.values))
    found = bound_dag(source.jobs, DagCluster(executors=20), earning.signal, Fifo(), name="fifo", allowances_h=(0.0,))
    page = render_bound_report(found, source, earning).replace("\u202f", " ")
    assert re.search(r"so at most [\d.]+ kg CO2e can be saved", page)
    idle = bound_dag(source.jobs, DagCluster(executors=20, idle_power_kw=0.1), earning.signal, Fifo(), name="fifo")
    told = render_bound_report(idle, source, earning)
    assert "there is no bound: the signal is negative, where idle draw earns" in told
    assert "Some bounds are missing" in told
