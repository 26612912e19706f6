"""Formulas of the DAG schedulers against published vectors and identities, and their names."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulewright.data.dag_generator import generate_dag_jobs
from joulewright.errors import PolicyError
from joulewright.model.dag import DagCluster, DagJob, DagSignal, DagStage
from joulewright.policy.dag import (
    AbstractDagScheduler,
    AbstractDagView,
    Choice,
    Conditions,
    Fair,
    Fifo,
    Outlook,
    RunFacts,
    Sap,
    Softmax,
    Spade,
    dag_schedulers,
    green_quota,
    make_dag_scheduler,
    psi,
    quota,
    sap_quota,
    search_alpha,
    search_thresholds,
    shrink_factor,
    shrunk,
)
from joulewright.policy.dag.outlook import FORECASTS
from joulewright.sim.processes.dag import simulate_dag


def test_formulas_match_the_published_vectors(shared: Path) -> None:
    vectors = json.loads((shared / "reference/dag/test_vectors.json").read_text(encoding="utf-8"))
    for row in vectors["pcaps_psi"]:
        assert psi(row["r"], row["L"], row["U"], row["gamma"]) == pytest.approx(row["psi"], rel=1e-12)
    cap = vectors["cap"]
    low, high, count = cap["L"], cap["U"], cap["K"] - cap["B"]
    assert search_alpha(low, high, count) == pytest.approx(cap["alpha_exact"], rel=1e-9)
    thresholds = search_thresholds(low, high, count)
    assert thresholds[0] == pytest.approx(cap["phi_first_exact"], rel=1e-9)
    assert thresholds[-1] == pytest.approx(cap["phi_last_exact"], rel=1e-9)
    for row in cap["quota"]:
        found = sap_quota(row["c"], low, high, executors=cap["K"], minimum=cap["B"])
        assert found == row["exact"]


@pytest.mark.parametrize(
    ("low", "high", "count"), [(200.0, 600.0, 80), (15.0, 181.0, 10), (1.0, 1000.0, 1), (9, 10, 7)]
)
def test_identities_of_k_search(low: float, high: float, count: int) -> None:
    alpha, phi = search_alpha(low, high, count), search_thresholds(low, high, count)
    beyond = high * (1.0 - (1.0 - 1.0 / alpha) * (1.0 + 1.0 / (alpha * count)) ** count)
    assert beyond == pytest.approx(low, rel=1e-9)
    for taken in range(count):
        spent = sum(phi[:taken]) + (count - taken) * high
        assert spent == pytest.approx(alpha * count * phi[taken], rel=1e-9)


@pytest.mark.parametrize("gamma", [0.0, 0.1, 0.5, 1.0])
def test_psi_rises_to_the_upper_bound(gamma: float) -> None:
    values = [psi(r, 200.0, 600.0, gamma) for r in np.linspace(0.0, 1.0, 11)]
    assert values == sorted(values)
    assert values[0] == pytest.approx(gamma * 200.0 + (1.0 - gamma) * 600.0)
    assert values[-1] == pytest.approx(600.0)


def test_a_flat_signal_defers_and_caps_nothing() -> None:
    assert psi(0.0, 300.0, 300.0, 0.9) == 300.0
    assert sap_quota(300.0, 300.0, 300.0, executors=10, minimum=2) == 10
    assert search_alpha(300.0, 300.0, 8) == 1.0


def test_parallelism_shrinks_as_published_and_without_units() -> None:
    gaps = (0, 1, 2, 5, 10, 50, 200)
    for gamma, wanted in ((0.1, [9] * 7), (0.5, [7, 7, 7, 5, 5, 5, 5]), (0.9, [1] * 7)):
        found = [shrunk(10, shrink_factor(200.0 + gap, 200.0, 600.0, gamma=gamma), gamma) for gap in gaps]
        assert found == wanted
    assert shrunk(1, 0.0, 0.5) == 1
    in_grams = shrink_factor(300.0, 200.0, 600.0, gamma=0.5, scale_free=True)
    in_kilograms = shrink_factor(0.3, 0.2, 0.6, gamma=0.5, scale_free=True)
    assert in_grams == pytest.approx(in_kilograms)


@pytest.mark.parametrize("low", [0.0, -5.0])
def test_where_the_signal_may_be_nothing_all_executors_run_at_no_cost_and_the_minimum_else(low: float) -> None:
    """The limit of the thresholds as L falls to 0: with alpha beyond all bounds every one of them is 0."""
    for signal, wanted in ((low, 10), (0.0, 10), (1e-9, 2), (60.0, 2)):
        assert sap_quota(signal, low, 60.0, executors=10, minimum=2) == wanted
    assert sap_quota(-3.0, -5.0, -1.0, executors=10, minimum=2) == 10
    assert max(search_thresholds(1e-9, 60.0, 8)) < 1e-3


@given(st.floats(1e-300, 1e3), st.floats(1.0, 1e18), st.integers(1, 300))
def test_all_executors_run_at_the_least_signal_however_small(low: float, ratio: float, count: int) -> None:
    assert sap_quota(low, low, low * ratio, executors=count + 1, minimum=1) == count + 1


@pytest.mark.parametrize("engine", ["plain", "compiled"])
@pytest.mark.parametrize("at", [80, 2])
def test_negative_prices_reached_or_not_stop_no_run(engine: Any, at: int) -> None:
    """A price below zero at step 80 of 100 changes nothing for a run of 4 steps; at step 2 it lets all run."""
    values = np.full(100, 50.0)
    values[at] = -5.0
    job = DagJob(name="a", arrival_ms=0, stages=(DagStage(name="s", task_ms=(10,) * 6),))
    cluster, signal = DagCluster(executors=3, moving_delay_ms=0), DagSignal(step_ms=20, values=values)
    scheduler = make_dag_scheduler("sap:minimum=1,forecast=perfect,window_h=5")
    run = simulate_dag([job], cluster, signal, scheduler, engine=engine)
    wanted = [0, 0, 0, 10, 10, 10] if at == 80 else [0, 10, 20, 30, 40, 40]
    assert run.start_ms.tolist() == wanted


@pytest.mark.parametrize(
    ("text", "inner"),
    [
        ("sap:minimum=5+spade:gamma=0.9,forecast=perfect", "Spade"),
        ("sap:window_h=24+green-hadoop", "GreenHadoop"),
        ("sap+sap+spade:window_h=24", "Spade"),
    ],
)
def test_wrappers_that_go_by_different_forecasts_are_refused(text: str, inner: str) -> None:
    words = rf"Sap goes by .* and its base {inner} by .*; a run has one forecast: give both the same"
    with pytest.raises(PolicyError, match=words):
        make_dag_scheduler(text)


def test_wrappers_that_go_by_one_forecast_differ_from_those_without() -> None:
    jobs = generate_dag_jobs("tpch-like", jobs=8, seed=1)
    signal = DagSignal(step_ms=60_000, values=350.0 + 150.0 * np.sin(np.arange(400) * np.pi / 7.0))
    names = (f"sap:minimum=5{option}+spade:gamma=0.9{option}" for option in ("", ",forecast=perfect"))
    runs = [simulate_dag(jobs, DagCluster(executors=20), signal, make_dag_scheduler(name)) for name in names]
    assert runs[0].cost != runs[1].cost


def test_a_wrapper_knows_arrivals_where_its_base_does() -> None:
    class Oracle(Fifo):
        @property
        def knows_arrivals(self) -> bool:
            return True

    assert Sap(base=Oracle()).knows_arrivals
    assert not Sap(base=Fifo()).knows_arrivals
    assert make_dag_scheduler("planned:known_arrivals=yes").knows_arrivals
    assert not make_dag_scheduler("planned").knows_arrivals


def test_bounds_that_have_no_meaning_are_refused() -> None:
    with pytest.raises(PolicyError, match=r"L = 600.0 and U = 200.0"):
        psi(0.5, 600.0, 200.0, 0.5)
    with pytest.raises(PolicyError, match=r"gamma is 1\.5"):
        psi(0.5, 200.0, 600.0, 1.5)
    with pytest.raises(PolicyError, match="importance"):
        psi(1.5, 200.0, 600.0, 0.5)
    with pytest.raises(PolicyError, match="positive L"):
        search_alpha(-1.0, 5.0, 3)
    with pytest.raises(PolicyError, match="1 to the 4 executors"):
        sap_quota(1.0, 1.0, 2.0, executors=4, minimum=5)


def test_green_quota_by_hand() -> None:
    """W = 20 on 10 executors: floor(pK) sums to 2, 6, 10, 12 (never 20, so all 4 steps), K to 20 in step 2: window 3.

    Renewable 2 + 4 + 4 = 10, so (20 - 10) / 3 other executors beside the 2 renewable ones of now: int(5.33) = 5.
    """
    assert green_quota(20, [0.2, 0.4, 0.4, 0.2], executors=10, rest=1.0, brown_fraction=0.5) == 5
    assert green_quota(0, [0.0, 0.0], executors=10, rest=1.0, brown_fraction=0.5) == 1
    assert green_quota(10_000, [0.2, math.nan], executors=10, rest=0.5, brown_fraction=0.5) == 10
    with pytest.raises(PolicyError, match="renewable_fraction"):
        green_quota(5, [], executors=10, rest=1.0, brown_fraction=0.5)


def test_outlooks_do_not_see_the_future_unless_perfect() -> None:
    values = np.arange(60.0)
    signal = DagSignal(step_ms=1000, values=values)
    other = DagSignal(step_ms=1000, values=np.append(values[:41], -values[41:]))
    for forecast in ("diurnal-persistence", "persistence"):
        outlook = Outlook(window_h=48, forecast=forecast)
        assert np.array_equal(outlook.issue(signal, signal.values)[:41], outlook.issue(other, other.values)[:41])
    low, high = Outlook(window_h=48).bounds(signal)
    assert (low[40], high[40]) == (17.0, 40.0)
    low, high = Outlook(window_h=5, forecast="perfect").bounds(signal)
    assert (low[40], high[40], high[58]) == (40.0, 44.0, 59.0)


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("fifo", Fifo()),
        ("sap:minimum=7,forecast=perfect+fair", Sap(minimum=7, forecast="perfect", base=Fair())),
        ("spade:gamma=0.25,scale_free=yes", Spade(gamma=0.25, scale_free=True)),
        ("sap+spade+softmax:temperature=2", Sap(base=Spade(base=Softmax(temperature=2.0)))),
    ],
)
def test_names(text: str, made: object) -> None:
    assert make_dag_scheduler(text) == made


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("fiffo", "did you mean 'fifo'"),
        ("fifo+fair", "wraps no other"),
        ("spade+fifo", "needs a scheduler that draws"),
        ("spade:gamma=2", "gamma is 2.0"),
        ("spade:gama=0.2", "no option 'gama'"),
        ("sap:base=fair", "behind a plus"),
        ("sap:minimum=0", "minimum of the quota is 0"),
        ("sap:window_h=-1", "window is -1.0 h"),
        ("spade:forecast=crystal-ball", "crystal-ball"),
        ("green-hadoop:brown_fraction=50", "allowed is 0 to 1"),
        ("softmax:temperature=0", "must be positive"),
        ("softmax:score=luck", "no score 'luck'"),
        ("softmax:limit=5", "no limit '5'; use none, fair, work"),
        ("fifo:count=twice", "granted or held"),
    ],
)
def test_names_and_options_that_are_refused(text: str, words: str) -> None:
    with pytest.raises(PolicyError, match=words):
        make_dag_scheduler(text)


@pytest.mark.parametrize("text", ["sap+planned:finish_by_h=9", "green-hadoop+water-level", "spade+water-level"])
def test_what_plans_when_work_waits_is_no_base_of_what_has_it_wait(text: str) -> None:
    with pytest.raises(PolicyError, match=r"(Planned|WaterLevel) cannot be the base of \w+: .* use \w+ alone, or put"):
        make_dag_scheduler(text)


def test_a_base_with_a_memory_is_begun_with_its_wrapper() -> None:
    """Two runs under one wrapper: each has a base of its own."""

    @dataclass(frozen=True, kw_only=True)
    class Remembering(Softmax):
        seen: list[int] = field(default_factory=list)

        def begun(self, facts: RunFacts) -> AbstractDagScheduler:
            return begun.append(Remembering()) or begun[-1]  # type: ignore[func-returns-value]

        def choose(self, view: AbstractDagView) -> Choice:
            self.seen.append(view.now_ms)
            return super().choose(view)

        def compiled(self, conditions: Conditions) -> None:
            return None

    begun: list[Remembering] = []
    job = DagJob(name="a", arrival_ms=0, stages=(DagStage(name="s", task_ms=(5, 5)),))
    signal, first = DagSignal(step_ms=10, values=np.ones(9)), Remembering()
    for wrapper in (Sap(minimum=1, base=first), Spade(base=first), Sap(minimum=1, base=Spade(base=first))):
        begun.clear()
        simulate_dag([job], DagCluster(executors=1, moving_delay_ms=0), signal, wrapper)
        assert len(begun) == 1
        assert begun[0].seen
    assert first.seen == []


def test_the_quota_of_green_hadoop_is_found_once_until_the_queue_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight jobs arrive and end at sixteen times at most; answers are far more."""
    found: list[int] = []

    def counted(*given: Any, **options: Any) -> int:
        found.append(green_quota(*given, **options))
        return found[-1]

    monkeypatch.setattr(quota, "green_quota", counted)
    jobs = generate_dag_jobs("layered", jobs=8, seed=3)
    share = 0.5 + 0.4 * np.sin(np.arange(400) / 3.0)
    signal = DagSignal(step_ms=60_000, values=np.ones(400), renewable_fraction=share)
    quota._kept_quota.cache_clear()
    run = simulate_dag(jobs, DagCluster(executors=10), signal, make_dag_scheduler("green-hadoop"), engine="plain")
    assert 1 < len(found) <= 2 * len(jobs) < run.answers


def test_what_is_expected_of_a_signal_is_issued_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scheduler that plans and the bounds of its run ask for the same."""
    issued: list[Outlook] = []
    issue = Outlook._issued

    def counted(self: Outlook, signal: DagSignal, values: Any) -> Any:
        issued.append(self)
        return issue(self, signal, values)

    monkeypatch.setattr(Outlook, "_issued", counted)
    job = DagJob(name="a", arrival_ms=0, stages=(DagStage(name="s", task_ms=(5, 5)),))
    signal = DagSignal(step_ms=10, values=np.arange(1.0, 40.0))
    simulate_dag([job], DagCluster(executors=1), signal, make_dag_scheduler("water-level:window_h=5"))
    assert issued == [Outlook(window_h=5.0)]
    same = Outlook(window_h=5.0).issue(signal, signal.values)
    with pytest.raises(ValueError, match="read-only"):
        same[0, 0] = 3.0
    other = DagSignal(step_ms=10, values=np.arange(2.0, 41.0))
    assert Outlook(window_h=5.0).issue(other, other.values)[0, 0] == 2.0


@given(st.lists(st.floats(-50.0, 900.0), min_size=1, max_size=60), st.sampled_from(FORECASTS), st.integers(1, 40))
def test_the_present_lies_within_the_bounds(values: list[float], forecast: str, window_h: int) -> None:
    signal = DagSignal(step_ms=10, values=np.array(values)).later(len(values) // 3)
    low, high = Outlook(window_h=window_h, forecast=forecast).bounds(signal)
    assert (low <= signal.values).all()
    assert (signal.values <= high).all()


def test_every_name_makes_a_scheduler() -> None:
    for name in dag_schedulers():
        assert make_dag_scheduler(name).outlook.window_h > 0.0
