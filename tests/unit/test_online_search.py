"""k-search, pause and resume: published numbers, identities, the inputs that exceed published ratios, bad input."""

from __future__ import annotations

import json
import math

import numpy as np
import polars as pl
import pytest

from joulewright.errors import PolicyError
from joulewright.policy.online import (
    ConstantThreshold,
    KSearch,
    PauseResume,
    cheapest_slots,
    corrected_thresholds,
    exact_pause_resume,
    limit_ratio,
    maximum_ratio,
    minimum_ratio,
    run_cost,
    worst_cases,
    worst_ratio,
    worst_sequence,
)

MINIMUM = [
    (1, 2, [1.414213562, 1.366025404, 1.330140178, 1.316574140, 1.303521541, 1.302017136]),
    (1, 4, [2, 1.879385242, 1.791552376, 1.758739402, 1.727353670, 1.723747416]),
    (1, 10, [3.162277660, 2.892129814, 2.699647189, 2.628572376, 2.560985177, 2.553243324]),
    (200, 600, [1.732050808, 1.644972541, 1.581013281, 1.557009625, 1.533997707, 1.531350441]),
    (15, 181, [3.473710792, 3.162874296, 2.942185834, 2.860851576, 2.783582833, 2.774736527]),
]


@pytest.mark.parametrize(("low", "high", "values"), MINIMUM)
def test_minimum_ratio_matches_the_table(low, high, values):
    found = [minimum_ratio(low, high, k) for k in (1, 2, 5, 10, 100)] + [limit_ratio(low, high)]
    np.testing.assert_allclose(found, values, rtol=0, atol=6e-10)


@pytest.mark.parametrize(
    ("high", "values"),
    [
        (2, [math.sqrt(2), 1.355301398, 1.295709271, 1.278464543]),
        (4, [2, 1.821640164, 1.650911766, 1.603545740]),
        (10, [math.sqrt(10), 2.658711526, 2.216026231, 2.101002997]),
    ],
)
def test_maximum_ratio_matches_the_table(high, values):
    found = [maximum_ratio(1.0, high, k) for k in (1, 2, 10)] + [limit_ratio(1.0, high, "max")]
    np.testing.assert_allclose(found, values, rtol=0, atol=6e-10)


def test_ratio_of_very_many_units_reaches_the_limit_without_overflow():
    assert minimum_ratio(1.0, 1e6, 10**6) == pytest.approx(limit_ratio(1.0, 1e6), rel=1e-3)
    assert maximum_ratio(1.0, 1e6, 10**6) == pytest.approx(limit_ratio(1.0, 1e6, "max"), rel=1e-3)


@pytest.mark.parametrize(
    ("work", "low", "high", "published", "provable", "corrected"),
    [
        (2, 1, 2, 1.366025404, 1.366025404, 1.366025404),
        (2, 1, 4, 1.879385242, 1.900840787, 1.886000936),
        (2, 1, 10, 2.892129814, 3.306679320, 3.0),
        (10, 1, 10, 2.628572376, 3.113784125, 2.775965507),
        (10, 15, 181, 2.860851576, 3.487431904, 3.050564158),
        (10, 200, 600, 1.557009625, 1.605895974, 1.571307264),
        (80, 200, 600, 1.534656578, 1.589170691, 1.552408014),
    ],
)
def test_provable_and_corrected_ratios_of_k_min(work, low, high, published, provable, corrected):
    rule = KSearch(low=low, high=high, work=work)
    assert rule.guarantee().published == pytest.approx(published, abs=6e-10)
    assert rule.ratio() == pytest.approx(provable, abs=6e-10)
    exact = KSearch(low=low, high=high, work=work, calibration="exact")
    assert exact.ratio() == pytest.approx(corrected, abs=6e-10)
    assert corrected_thresholds(low, high, work)[0] == pytest.approx(exact.ratio(), rel=1e-12)


def test_corrected_thresholds_by_hand():
    ratio, thresholds = corrected_thresholds(15.0, 181.0, 10)
    assert thresholds[[0, -1]] == pytest.approx([59.333287, 20.451217], abs=6e-7)
    assert thresholds[0] == pytest.approx(181.0 / ratio, rel=1e-12)


def test_five_cheap_slots_break_the_published_ratio():
    rule = KSearch(low=15.0, high=181.0, work=10)
    prices = np.array([15.0] * 5 + [rule.idle_thresholds()[5] + 1e-7] * 10 + [181.0] * 5)
    paid = run_cost(prices, rule.run(prices), 0.0)
    assert paid == pytest.approx(980.0)
    best = exact_pause_resume(prices, work=10).cost
    assert paid / best == pytest.approx(3.4874, abs=5e-5)
    assert rule.guarantee().published < paid / best <= rule.ratio()


def test_vectors_of_the_reference(shared):
    vectors = json.loads((shared / "reference" / "dag" / "test_vectors.json").read_text())
    want = vectors["opr_plus"]
    rule = PauseResume(low=want["L"], high=want["U"], work=want["k"], switching_cost=want["beta"])
    assert rule.guarantee().published == pytest.approx(want["alpha"], rel=1e-12)
    np.testing.assert_allclose(rule.running_thresholds(), want["u"], rtol=1e-12)
    np.testing.assert_allclose(rule.idle_thresholds(), want["l"], rtol=1e-12)
    cap = vectors["cap"]
    quota = KSearch(low=cap["L"], high=cap["U"], work=cap["K"] - cap["B"])
    assert quota.guarantee().published == pytest.approx(cap["alpha_exact"], rel=1e-12)
    assert limit_ratio(cap["L"], cap["U"]) == pytest.approx(cap["alpha_limit"], rel=1e-12)
    assert quota.idle_thresholds()[[0, -1]] == pytest.approx([cap["phi_first_exact"], cap["phi_last_exact"]], rel=1e-12)


def test_ratios_of_the_reference_windows(shared):
    table = pl.read_csv(shared / "reference" / "dag" / "opr_reference.csv")
    for row in table.select("L", "U", "k", "beta", "alpha_kmin", "alpha_pr_plus").unique().iter_rows(named=True):
        assert minimum_ratio(row["L"], row["U"], row["k"]) == pytest.approx(row["alpha_kmin"], rel=1e-9)
        found = minimum_ratio(row["L"], row["U"], row["k"], row["beta"])
        assert found == pytest.approx(row["alpha_pr_plus"], rel=1e-9)


@pytest.mark.parametrize(
    ("work", "low", "high", "beta", "known"),
    [
        (10, 15, 181, 0, 3.48743),
        (10, 15, 181, 5, 3.53032),
        (10, 15, 181, 10, 3.60073),
        (10, 15, 181, 20, 3.94356),
        (10, 15, 181, 40, 4.86818),
        (10, 200, 600, 20, 1.67356),
        (4, 100, 600, 20, 2.33469),
    ],
)
def test_the_bound_is_the_worst_that_a_search_found(work, low, high, beta, known):
    rule = PauseResume(low=low, high=high, work=work, switching_cost=beta)
    assert rule.ratio() == pytest.approx(known, abs=6e-6)
    reached = 0.0
    for shape in worst_cases(work):
        prices = worst_sequence(shape, rule.idle_thresholds(), low=low, high=high, switching_cost=beta)
        best = exact_pause_resume(prices, work=work, switching_cost=beta).cost
        reached = max(reached, run_cost(prices, rule.run(prices), beta) / best)
    assert reached <= rule.ratio() * (1.0 + 1e-12)
    assert reached >= rule.ratio() * (1.0 - 1e-6)


@pytest.mark.parametrize("beta", [0.0, 5.0, 20.0, 60.0])
@pytest.mark.parametrize("work", [1, 4, 10, 30])
def test_identities_of_the_thresholds(work, beta):
    low, high = 15.0, 181.0
    rule = PauseResume(low=low, high=high, work=work, switching_cost=beta)
    alpha, idle, running = rule.guarantee().published, rule.idle_thresholds(), rule.running_thresholds()
    following = running[-1] + (running[-1] - high) / (alpha * work)  # u_{k+1} from u_k, as U - u_i grows by q
    assert following - 2.0 * beta == pytest.approx(low, abs=1e-9)
    for done in range(work):
        left = running[:done].sum() + (work - done) * high + 2.0 * beta
        assert left == pytest.approx(alpha * (work * idle[done] + 2.0 * beta), rel=1e-12)


@pytest.mark.parametrize(
    ("work", "low", "high", "beta", "omega"),
    [
        (10, 15, 181, 5, 2.7195485010841),
        (10, 15, 181, 0, 2.345568621793),
        (10, 100, 600, 20, 2.118258448468),
        (4, 100, 600, 50, 2.926506715839),
        (24, 100, 600, 20, 2.056888023071),
    ],
)
def test_maximising_pause_and_resume(work, low, high, beta, omega):
    rule = PauseResume(low=low, high=high, work=work, switching_cost=beta, sense="max")
    assert rule.ratio() == pytest.approx(omega, abs=1e-11)
    start, stay = rule.idle_thresholds(), rule.running_thresholds()
    np.testing.assert_allclose(start - stay, 2.0 * beta)
    for done in range(work):
        gained = stay[:done].sum() + (work - done) * low - 2.0 * beta
        assert work * start[done] - 2.0 * beta == pytest.approx(omega * gained, rel=1e-9)


def test_real_windows_of_the_year(shared):
    """Mean cost over optimum of 730 windows of 48 slots, from the public table of CarbonCast's California data."""
    table = pl.read_csv(shared / "data" / "grid" / "CISO_forecast_2019_2022.csv.gz")
    actual = table["carbon_intensity"].to_numpy()
    starts = np.arange(0, 730 * 48, 48)
    low, high, work = 18.18, 338.74, 10
    windows = [actual[start : start + 48] for start in starts]
    for beta, mean, one, search, pause, exact in [
        (0.0, 1137.603699, 1.195746, 1.177349, 1.177349, 1.184911),
        (20.0, 1216.188219, 1.165211, 1.177548, 1.165442, 1.176228),
    ]:
        best = np.array([exact_pause_resume(row, work=work, switching_cost=beta).cost for row in windows])
        assert best.mean() == pytest.approx(mean, abs=5e-7)
        rules = {
            one: ConstantThreshold(low=low, high=high, work=work),
            search: KSearch(low=low, high=high, work=work),
            exact: KSearch(low=low, high=high, work=work, calibration="exact"),
        }
        for expected, rule in rules.items():
            paid = np.array([run_cost(row, rule.run(row), beta) for row in windows])
            assert np.mean(paid / best) == pytest.approx(expected, abs=6e-7)
        rule = PauseResume(low=low, high=high, work=work, switching_cost=beta)
        costs = rule.costs(actual, starts=starts, slots=48)
        assert np.mean(costs / best) == pytest.approx(pause, abs=6e-7)
        assert costs[0] == pytest.approx({0.0: 1203.20, 20.0: 1620.00}[beta])


def test_step_run_and_costs_agree():
    draw = np.random.default_rng(3)
    for sense in ("min", "max"):
        rule = PauseResume(low=100.0, high=600.0, work=4, switching_cost=20.0, sense=sense)
        trace = draw.uniform(100.0, 600.0, 40)
        costs = rule.costs(trace, starts=np.arange(30), slots=10)
        for start in range(30):
            prices = trace[start : start + 10]
            state, chosen = rule.init(10), []
            for price in prices:
                state, runs = rule.step(price, state)
                chosen.append(runs)
            assert state.done == 4
            np.testing.assert_array_equal(chosen, rule.run(prices))
            signed = 20.0 if sense == "min" else -20.0
            assert costs[start] == pytest.approx(run_cost(prices, chosen, signed), rel=1e-12)


def test_a_running_job_pays_no_first_start():
    rule = PauseResume(low=1.0, high=9.0, work=1, switching_cost=2.0)
    limit = rule.running_thresholds()[0]
    prices = [limit - 1e-6, 1.0]
    assert rule.run(prices, running=True).tolist() == [True, False]
    assert rule.run(prices).tolist() == [False, True]
    assert exact_pause_resume([5.0, 1.5], work=1, switching_cost=2.0, running=True).cost == pytest.approx(7.0)


def test_equal_bounds_give_ratio_one():
    for sense in ("min", "max"):
        rule = KSearch(low=7.0, high=7.0, work=3, sense=sense)
        assert rule.ratio() == 1.0
        assert rule.run([7.0] * 5).tolist() == [True] * 3 + [False] * 2
    assert KSearch(low=7.0, high=7.0, work=3, calibration="exact").ratio() == pytest.approx(1.0)
    assert ConstantThreshold(low=4.0, high=4.0, work=2).ratio() == 1.0


def test_constant_threshold_of_many_units_is_not_the_published_one():
    assert ConstantThreshold(low=1.0, high=4.0, work=1).guarantee().published == 2.0
    many = ConstantThreshold(low=1.0, high=4.0, work=5)
    assert many.guarantee().published is None
    assert many.ratio() == worst_ratio(np.full(5, 2.0), low=1.0, high=4.0, switching_cost=0.0)
    assert ConstantThreshold(low=1.0, high=4.0, work=2, threshold=3.0, sense="max").ratio() == 3.0


def test_cheapest_slots_takes_the_earliest_of_equals():
    assert cheapest_slots([2.0, 1.0, 1.0, 1.0], 2).tolist() == [False, True, True, False]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: KSearch(low=5.0, high=4.0, work=2), "low = 5 is above high = 4"),
        (lambda: KSearch(low=0.0, high=4.0, work=2), "low = 0"),
        (lambda: KSearch(low=1.0, high=math.nan, work=2), "nan"),
        (lambda: KSearch(low=1.0, high=4.0, work=0), "work is 0"),
        (lambda: KSearch(low=1.0, high=4.0, work=2, calibration="exact", sense="max"), "no correction"),
        (lambda: ConstantThreshold(low=1.0, high=4.0, work=1, threshold=5.0), "threshold is 5"),
        (lambda: PauseResume(low=1.0, high=4.0, work=2, switching_cost=1.5), "below 1.5"),
        (lambda: PauseResume(low=4.0, high=4.0, work=2, switching_cost=0.1), "below 0"),
        (lambda: PauseResume(low=1.0, high=4.0, work=2, switching_cost=-1.0), "-1"),
        (lambda: PauseResume(low=1.0, high=9.0, work=2, switching_cost=2.0, sense="max"), "work x low"),
        (lambda: limit_ratio(3.0, 2.0), "low = 3"),
    ],
)
def test_bad_parameters_are_named(make, words):
    with pytest.raises(PolicyError, match=words.replace("(", r"\(")):
        make()


def test_bad_traces_are_named():
    rule = KSearch(low=1.0, high=4.0, work=3)
    with pytest.raises(PolicyError, match="needs 3 slots and only 2"):
        rule.run([1.0, 2.0])
    with pytest.raises(PolicyError, match="slot 1 is not finite"):
        rule.run([1.0, math.nan, 2.0, 3.0])
    with pytest.raises(PolicyError, match="one price per slot"):
        rule.run([[1.0, 2.0, 3.0]])
    with pytest.raises(PolicyError, match="do not fit into 2 slots"):
        rule.init(2)
    with pytest.raises(PolicyError, match="allows 0 to 1"):
        rule.costs([1.0, 2.0, 3.0, 4.0], starts=[2], slots=3)
    state = rule.init(3)
    with pytest.raises(PolicyError, match="not finite"):
        rule.step(math.inf, state)
    for price in (1.0, 2.0, 3.0):
        state, _ = rule.step(price, state)
    with pytest.raises(PolicyError, match="deadline has passed"):
        rule.step(1.0, state)
    with pytest.raises(PolicyError, match="switching_cost is -1"):
        exact_pause_resume([1.0], work=1, switching_cost=-1.0)
