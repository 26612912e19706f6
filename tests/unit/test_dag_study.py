"""Schedulers of jobs with precedence side by side: figures worked by hand, starts with a past, bounds, intervals."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from joulewright.data.dag_generator import generate_dag_jobs
from joulewright.errors import InfeasibleError, PolicyError, ScenarioError, TraceError
from joulewright.model.dag import DagCluster, DagJob, DagSignal, DagStage
from joulewright.policy.dag import AbstractDagScheduler, AbstractDagView, Fifo, Grant, Spade, make_dag_scheduler
from joulewright.policy.dag.base import RunFacts
from joulewright.study.dag import DagProgress, compare_dag
from joulewright.study.dag_bounds import bound_dag
from joulewright.study.dag_headroom import share_of_headroom
from joulewright.study.dag_start import horizon_steps, refuse_overrun, spread_starts
from joulewright.study.result import Inference

STEP_MS = 1000
QUICK = DagCluster(executors=2, moving_delay_ms=0)


def wide(name: str = "a", arrival_ms: int = 0, tasks: int = 2, task_ms: int = STEP_MS) -> DagJob:
    """Tasks of one step each in one stage."""
    return DagJob(name=name, arrival_ms=arrival_ms, stages=(DagStage(name="s", task_ms=(task_ms,) * tasks),))


def playing(*values: float, step_h: float = 1.0, times: int = 1) -> DagSignal:
    return DagSignal(step_ms=STEP_MS, values=np.tile(np.array(values, dtype=float), times), step_h=step_h)


class OneAtATime(AbstractDagScheduler):
    """The first stage of the frontier, one executor of all."""

    def answer(self, view: AbstractDagView) -> Grant:
        base = Fifo().answer(view)
        return base._replace(executors=1) if view.active == 0 else Grant(-1, deferred=True)


def test_a_comparison_worked_by_hand() -> None:
    """Two tasks of 1 h: both in the hour of 400 g, or one there and one in the next hour of 100 g."""
    schedulers = {"fifo": Fifo(), "single": OneAtATime()}
    found = compare_dag([wide()], QUICK, playing(400.0, 100.0, 100.0), schedulers, allowances_h=(0.0, 1.0, 9.0))
    both, single = found.runs.rows(named=True)
    assert (both["cost"], single["cost"]) == (800.0, 500.0)
    assert (both["makespan_ms"], single["makespan_ms"]) == (1000, 2000)
    assert (single["change_work"], single["change_overhead"]) == (0.0, 0.0)
    assert single["change_shift"] == pytest.approx(-300.0, rel=1e-12)
    assert (single["cost_ratio"], single["shift_ratio"], single["work_ratio"]) == (0.625, 0.625, 1.0)
    # Within one hour nothing is cheaper than 800; within two both tasks fit into the hour of 100 g.
    assert (both["bound"], both["above_bound_fraction"]) == pytest.approx((800.0, 0.0))
    assert (single["bound"], single["above_bound_fraction"]) == pytest.approx((200.0, 1.5))
    assert [found.bounds["cost"][row] for row in range(2)] == pytest.approx([800.0, 200.0])
    assert found.bounds["cost"][2] is None
    assert any("too short for a bound 9 h" in note for note in found.notes)
    assert found.bounds["reference"].to_list() == [800.0] * 3
    assert found.base == "fifo"
    assert list(found.shown) == ["fifo", "single"]
    assert found.completions.filter(pl.col("scheduler") == "single")["stretch"].to_list() == [2.0]


@pytest.mark.parametrize("idle_power_kw", [0.0, 0.4])
def test_parts_of_the_change_sum_to_it(idle_power_kw: float) -> None:
    jobs = generate_dag_jobs("tpch-like", jobs=6, seed=2, waves=True)
    signal = DagSignal(step_ms=60_000, values=300.0 + 150.0 * np.sin(np.arange(200) / 4.0))
    cluster = DagCluster(executors=20, idle_power_kw=idle_power_kw)
    found = compare_dag(jobs, cluster, signal, ["fifo", "spade:gamma=0.8", "sap:minimum=5"], starts=(0, 30))
    base = {row["start"]: row["cost"] for row in found.runs.filter(pl.col("scheduler") == "fifo").to_dicts()}
    for row in found.runs.to_dicts():
        parts = row["change_work"] + row["change_overhead"] + row["change_shift"]
        assert parts == pytest.approx(row["cost"] - base[row["start"]], rel=1e-9, abs=1e-9 * row["cost"])
        factors = row["work_ratio"] * row["overhead_ratio"] * row["shift_ratio"]
        assert factors == pytest.approx(row["cost_ratio"], rel=1e-12)
        assert (row["bound"], row["headroom_share"]) == (None, None)
    assert any("no fluid bound" in note for note in found.notes)


def test_no_run_beats_the_bound_of_its_own_length() -> None:
    jobs = generate_dag_jobs("layered", jobs=8, seed=5)
    signal = DagSignal(step_ms=60_000, values=300.0 + 200.0 * np.cos(np.arange(300) / 5.0))
    names = ["fifo", "fair", "sap:minimum=3+critical-path", "spade:gamma=0.9"]
    found = compare_dag(jobs, DagCluster(executors=12), signal, names, starts=(0, 11, 40))
    assert (found.runs["above_bound_fraction"] >= -1e-9).all()
    for frame in found.bounds.partition_by("start"):
        assert (np.diff(frame["cost"].to_numpy()) <= 1e-6).all()


def test_intervals_are_over_starts_and_seeds_of_a_start_are_averaged() -> None:
    jobs = generate_dag_jobs("fork-join", jobs=4, seed=1)
    signal = DagSignal(step_ms=60_000, values=200.0 + np.arange(60.0))
    found = compare_dag(jobs, DagCluster(executors=6), signal, ["fifo", "softmax"], starts=(0, 10), seeds=(0, 1, 2))
    rows = found.runs.filter(pl.col("scheduler") == "softmax")
    means = [rows.filter(pl.col("start") == start)["cost"].mean() for start in (0, 10)]
    estimate = found.estimate("softmax", "cost")
    assert estimate is not None
    assert (estimate.count, found.samples) == (2, 2)
    assert estimate.mean == pytest.approx(float(np.mean(means)))
    # Student with one degree of freedom: 12.7062 s / sqrt(2).
    assert estimate.half_width == pytest.approx(12.70620474 * float(np.std(means, ddof=1)) / np.sqrt(2.0), rel=1e-8)
    alone = compare_dag(jobs, DagCluster(executors=6), signal, ["softmax"], seeds=(0, 1, 2), allowances_h=())
    assert alone.samples == 3
    assert alone.bounds.height == 0
    summary = found.summary()
    assert set(summary["scheduler"]) == {"fifo", "softmax"}
    assert summary.filter((pl.col("figure") == "cost") & (pl.col("scheduler") == "softmax"))["mean"][0] == estimate.mean


def test_the_share_of_headroom_is_saved_over_headroom() -> None:
    """From the first start 850 g fall to 500 g, which is the bound; from the second nothing can be saved."""
    signal = playing(400.0, 50.0, 50.0, 100.0, 100.0, 100.0)
    found = compare_dag([wide(tasks=3)], QUICK, signal, {"fifo": Fifo(), "single": OneAtATime()}, starts=(0, 3))
    rows = found.runs.filter(pl.col("scheduler") == "single")
    assert rows["saved"].to_list() == [350.0, 0.0]
    assert rows["headroom"].to_list() == pytest.approx([350.0, 0.0])
    assert rows["headroom_share"][0] == pytest.approx(1.0)
    estimate = found.estimate("single", "headroom_share")
    assert estimate is not None
    assert (estimate.mean, estimate.count) == (pytest.approx(1.0), 2)
    assert estimate.half_width == pytest.approx(0.0, abs=1e-9)
    flat = compare_dag([wide(tasks=1)], QUICK, playing(5.0, 5.0), {"fifo": Fifo(), "again": Fifo()})
    assert flat.estimate("again", "headroom_share") is None


def test_the_interval_of_a_share_is_that_of_a_ratio_of_sums() -> None:
    """30 of 40 and 10 of 60 saved: 0.4 of all; residuals 30 - 16 and 10 - 24 over the mean headroom of 50: 0.28."""
    found = share_of_headroom([30.0, 10.0], [40.0, 60.0])
    assert found is not None
    assert (found.mean, found.count, found.method) == (pytest.approx(0.4), 2, "t")
    # Student with one degree of freedom: 12.7062 s / sqrt(2), and s / sqrt(2) of 0.28 and -0.28 is 0.28.
    assert found.half_width == pytest.approx(12.70620474 * 0.28, rel=1e-8)
    # A sample without headroom that lost something counts with its loss, not with a share of its own.
    lost = share_of_headroom([30.0, 10.0, -1.0], [40.0, 60.0, 0.0])
    assert lost is not None
    assert lost.mean == pytest.approx(0.39)
    alone = share_of_headroom([1.0], [4.0])
    assert alone is not None
    assert (alone.mean, alone.low, alone.method) == (0.25, None, "none")
    assert share_of_headroom([0.0, -1.0], [0.0, 0.0]) is None
    assert share_of_headroom([], []) is None
    resampled = share_of_headroom([1.0, 2.0, 3.0, 4.0, 6.0], [4.0] * 5, Inference(interval="bootstrap"))
    assert resampled is not None
    assert resampled.low is not None
    assert resampled.low < resampled.mean == pytest.approx(0.8)
    with pytest.raises(ValueError, match="zip"):
        share_of_headroom([1.0], [1.0, 2.0])


def test_a_later_start_knows_the_past() -> None:
    """At the first step without a past L = U; with a day seen the forecast has its highs and lows."""
    signal = DagSignal(step_ms=1000, values=np.tile([500.0] * 12 + [100.0] * 12, 3).astype(float))
    spade = Spade(gamma=0.5)
    blind = spade.outlook.bounds(replace(signal.later(24), past=None))
    seen = spade.outlook.bounds(signal.later(24))
    assert (blind[0][0], blind[1][0]) == (500.0, 500.0)
    assert (seen[0][0], seen[1][0]) == (100.0, 500.0)
    assert seen[0].shape == (48,)
    whole = spade.outlook.bounds(signal)
    assert np.array_equal(seen[0], whole[0][24:])
    assert np.array_equal(seen[1], whole[1][24:])


def test_the_past_of_the_renewable_share_is_known_too() -> None:
    share = np.linspace(0.0, 1.0, 60)
    signal = DagSignal(step_ms=1000, values=np.ones(60), renewable_fraction=share)
    scheduler = make_dag_scheduler("green-hadoop:window_h=24")
    later = signal.later(30)
    assert later.renewable_fraction is not None
    issued = scheduler.outlook.issue(later, later.renewable_fraction)
    assert issued.shape == (30, 24)
    assert np.array_equal(issued, scheduler.outlook.issue(signal, share)[30:])


def test_schedulers_that_prepare_themselves_know_the_past() -> None:
    signal = DagSignal(step_ms=1000, values=np.tile([500.0] * 12 + [100.0] * 12, 3).astype(float))

    class Preparing(Fifo):
        """Takes its forecast when it is begun."""

        def begun(self, facts: RunFacts) -> AbstractDagScheduler:
            seen.append(self.outlook.bounds(facts.signal)[0][0])
            return Fifo()

    seen: list[float] = []
    compare_dag([wide()], QUICK, signal, {"own": Preparing()}, starts=(24, 0), allowances_h=())
    assert seen == [100.0, 500.0]


def test_spread_starts() -> None:
    assert spread_starts(playing(*range(1, 11)), 4000.0, 3) == (0, 3, 6)
    assert spread_starts(playing(1.0, 2.0), 1000.0, 1) == (0,)
    with pytest.raises(ScenarioError, match=r"3 starts of runs of up to 9 h need at least 11 h .* holds 10 h"):
        spread_starts(playing(*range(1, 11)), 9000.0, 3)


def test_a_run_that_outlasts_the_signal_says_by_how_much() -> None:
    with pytest.raises(TraceError, match=r"'fifo' needs 5 h of the signal, which holds 3 h from its start"):
        compare_dag([wide(tasks=10)], QUICK, playing(1.0, 2.0, 3.0), ["fifo"])
    with pytest.raises(TraceError, match=r"needs 1 h of the signal, which holds 0\.5 h"):
        compare_dag([wide(tasks=4)], QUICK, playing(5.0, 4.0, step_h=0.5), ["fifo"], starts=(1,))


def test_allowances_are_added_before_rounding_to_steps() -> None:
    """A step and a half and half an hour are two steps, in a comparison as in a bound."""
    job, signal = wide(tasks=1, task_ms=1500), playing(1.0, 2.0, 3.0, 4.0)
    compared = compare_dag([job], QUICK, signal, {"fifo": Fifo()}, allowances_h=(0.0, 0.5, 0.6))
    bounded = bound_dag([job], QUICK, signal, Fifo(), allowances_h=(0.0, 0.5, 0.6))
    assert compared.bounds["steps"].to_list() == [item.steps for item in bounded.items] == [2, 2, 3]
    quarters = playing(1.0, step_h=0.1)
    assert [horizon_steps(quarters, 0, hours) for hours in (0.0, 0.3, 0.7, 0.71)] == [1, 3, 7, 8]


def test_an_overrun_is_told_in_hours() -> None:
    refuse_overrun(playing(1.0, 2.0, step_h=0.5), 2000)
    with pytest.raises(TraceError, match=r"^it needs 1.5 h of the prices, which holds 1 h from its start; give a"):
        refuse_overrun(playing(1.0, 2.0, step_h=0.5), 2001, run="it", series="the prices")


@pytest.mark.parametrize(
    ("change", "kind", "text"),
    [
        ({"schedulers": []}, ScenarioError, "no scheduler to compare"),
        ({"starts": ()}, ScenarioError, "no start to compare"),
        ({"seeds": ()}, ScenarioError, "no seed to compare"),
        ({"starts": (3,)}, ScenarioError, "begins in step 3 of a signal with 3 steps"),
        ({"starts": (-1,)}, ScenarioError, "begins in step -1"),
        ({"schedulers": ["fifo", "fifo"]}, PolicyError, "'fifo' is given 2 times; give each once"),
        ({"schedulers": ["fivo"]}, PolicyError, "did you mean 'fifo'"),
        ({"schedulers": ["spade:gamma=2"]}, PolicyError, "gamma is 2.0; allowed is 0"),
        ({"jobs": []}, ScenarioError, "no job to run"),
        ({"jobs": [wide(), wide()]}, ScenarioError, "two jobs are called 'a'"),
    ],
)
def test_bad_requests(change: dict[str, Any], kind: type[Exception], text: str) -> None:
    asked: dict[str, Any] = {"jobs": [wide()], "schedulers": ["fifo"], **change}
    with pytest.raises(kind, match=text):
        compare_dag(asked.pop("jobs"), QUICK, playing(1.0, 2.0, 3.0), asked.pop("schedulers"), **asked)


def test_a_signal_without_cost_has_no_ratios() -> None:
    found = compare_dag([wide()], QUICK, playing(0.0, 0.0), ["fifo", "fair"])
    assert found.runs.select("cost_ratio", "shift_ratio").null_count().row(0) == (2, 2)
    assert found.runs.select("work_ratio", "makespan_ratio", "p95_completion_ratio").row(1) == (1.0, 1.0, 1.0)
    assert found.runs.select("change_cost", "change_work", "change_shift").row(1) == (0.0, 0.0, 0.0)
    assert found.estimate("fair", "cost_ratio") is None
    assert found.runs["above_bound_fraction"].to_list() == [None, None]


def test_progress_counts_every_run() -> None:
    seen: list[DagProgress] = []
    compare_dag([wide()], QUICK, playing(1.0, 2.0, 3.0), ["fifo", "fair"], starts=(0, 1), progress=seen.append)
    assert [item.done for item in seen] == [1, 2, 3, 4]
    assert {item.total for item in seen} == {4}
    assert seen[-1].eta_s == 0.0
    assert DagProgress(done=0, total=4, elapsed_s=1.0).eta_s is None
    assert DagProgress(done=1, total=4, elapsed_s=2.0).eta_s == 6.0


def test_bounds_beyond_a_horizon() -> None:
    """Three tasks on two executors: 2 h; the bound fills the hours of 100 g once they are allowed."""
    signal = playing(400.0, 300.0, 100.0, 100.0)
    found = bound_dag([wide(tasks=3)], QUICK, signal, Fifo(), name="fifo", allowances_h=(2.0, 0.0, 9.0))
    assert [(item.allowance_h, item.steps) for item in found.items] == [(0.0, 2), (2.0, 4), (9.0, 11)]
    frame = found.frame()
    assert frame["cost"].to_list()[:2] == pytest.approx([2 * 300.0 + 400.0, 300.0])
    assert frame["cost"][2] is None
    assert frame["reference"].to_list() == [2 * 400.0 + 300.0] * 3
    work = found.work_frame()
    assert work.filter(pl.col("allowance_h") == 2.0)["executors"].sum() == pytest.approx(3.0)
    assert "which fifo takes" in found.sentence()
    given = bound_dag([wide(tasks=3)], QUICK, signal, Fifo(), end_h=3.0, allowances_h=(0.0,), start=1)
    assert "3 h of the signal (3 steps), as given" in given.sentence()
    assert given.items[0].bound is not None
    assert given.items[0].bound.cost == pytest.approx(300.0)


def test_bounds_of_a_horizon_that_is_too_short() -> None:
    with pytest.raises(InfeasibleError, match=r"fit.* 2 executors .*allow more time"):
        bound_dag([wide(tasks=3)], QUICK, playing(1.0, 1.0, 1.0), Fifo(), end_h=1.0)
    with pytest.raises(TraceError, match="needs 2 h of the signal, which holds 1 h"):
        bound_dag([wide(tasks=3)], QUICK, playing(1.0), Fifo(), name="fifo")
