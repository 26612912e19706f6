"""Conversion, advice and places: published numbers, identities, real traces, bad input."""

from __future__ import annotations

import json
import math

import numpy as np
import polars as pl
import pytest

from joulewright.errors import PolicyError
from joulewright.policy.online import (
    AdviceAllocation,
    ConversionCurve,
    ConversionProgram,
    Places,
    PseudoCostAllocation,
    Roro,
    RoroAdvice,
    UnknownLength,
    advice_ratio,
    clip_rule,
    exact_allocation,
    run_cost,
)

CURVES = [
    (100, 300, 0, 1.5313504410682863, 195.90551708772605, 155.7124517414798, 100),
    (100, 300, 20, 1.7764962435082003, 188.87173338884418, 159.2501649782289, 120),
    (100, 300, 40, 2.0503376872142303, 186.31736121848616, 165.96853370396875, 140),
    (100, 300, 80, 2.666446734238977, 192.50927916458912, 186.83934811532748, 180),
    (50, 500, 25, 3.1466013189122064, 183.9016050412297, 133.76788254399594, 75),
]


@pytest.mark.parametrize(("low", "high", "beta", "alpha", "first", "middle", "last"), CURVES)
def test_curve_of_roro(low, high, beta, alpha, first, middle, last):
    curve = Roro(low=low, high=high, switching_cost=beta).curve
    assert curve.eta == pytest.approx(alpha, rel=1e-12)
    assert [curve.value(w) for w in (0.0, 0.5, 1.0)] == pytest.approx([first, middle, last], rel=1e-12)
    assert curve.value(0.0) == pytest.approx(high / alpha + beta, rel=1e-12)
    for done in (0.0, 0.3, 0.7, 1.0):
        left = curve.paid(np.array(done)) + (1.0 - done) * high
        assert left == pytest.approx(alpha * (curve.value(done) - beta), rel=1e-9)
        assert curve.progress(curve.value(done)) == pytest.approx(done, abs=1e-9)


@pytest.mark.parametrize(
    ("low", "high", "distance", "toggle", "eta", "values", "consistent"),
    [
        (100, 300, 40, 0, 1.7764962435081995, (208.87173338884426, 140), (1.7764962435081995, 208.87173338884426, 140)),
        (
            100,
            300,
            40,
            5,
            1.6968929289686498,
            (216.79371213028523, 154.01374186016278),
            (1.8092391310953244, 205.81556016775858, 140),
        ),
        (
            50,
            500,
            50,
            10,
            2.6277597175384106,
            (240.27614917104438, 124.63092429852566),
            (3.277582037668318, 202.55148284730703, 100),
        ),
    ],
)
def test_curve_of_places(low, high, distance, toggle, eta, values, consistent):
    published = ConversionCurve(low=low, high=high, distance=distance, toggle=toggle, calibration="published")
    assert published.eta == pytest.approx(eta, rel=1e-12)
    assert (published.value(0.0), published.value(1.0)) == pytest.approx(values, rel=1e-12)
    curve = ConversionCurve(low=low, high=high, distance=distance, toggle=toggle)
    assert (curve.eta, curve.value(0.0), curve.value(1.0)) == pytest.approx(consistent, rel=1e-12)
    assert advice_ratio(curve, curve.eta - 1.0) == pytest.approx(curve.eta, abs=1e-9)


@pytest.mark.parametrize(
    ("low", "high", "beta", "epsilon", "gamma"),
    [
        (100, 300, 20, 0.0, 3.0),
        (100, 300, 20, 0.1, 2.668074064449),
        (100, 300, 20, 0.25, 2.335672071435),
        (100, 300, 20, 0.5, 1.998747561278),
        (100, 300, 0, 0.1, 2.140187516048),
        (100, 300, 0, 0.5, 1.553614896236),
        (50, 500, 25, 0.1, 9.235814013269),
        (50, 500, 25, 0.5, 6.848473792765),
    ],
)
def test_ratio_with_advice(low, high, beta, epsilon, gamma):
    curve = Roro(low=low, high=high, switching_cost=beta).curve
    assert advice_ratio(curve, epsilon) == pytest.approx(gamma, abs=1e-11)
    assert advice_ratio(curve, curve.eta - 1.0) == pytest.approx(curve.eta, abs=1e-9)
    assert advice_ratio(curve, 50.0) == curve.eta


def test_vectors_of_the_reference(shared):
    vectors = json.loads((shared / "reference" / "dag" / "test_vectors.json").read_text())
    want = vectors["roro"]
    curve = Roro(low=want["L"], high=want["U"], switching_cost=want["beta"]).curve
    assert (curve.eta, curve.value(0.0), curve.value(1.0)) == pytest.approx((want["alpha"], want["phi0"], want["phi1"]))
    want = vectors["soad"]
    soad = ConversionCurve(
        low=want["L"], high=want["U"], distance=want["D"], toggle=want["tau"], calibration="published"
    )
    assert (soad.eta, soad.value(0.0), soad.value(1.0)) == pytest.approx((want["eta"], want["psi0"], want["psi1"]))
    for row in vectors["soad_gamma"]:
        assert advice_ratio(soad, row["eps"]) == pytest.approx(row["gamma"], rel=1e-9)


def test_real_windows(shared):
    """Work of four slots within a day on California's recorded intensity; the reference ran in single precision."""
    actual = pl.read_csv(shared / "data" / "grid" / "CISO_forecast_2019_2022.csv.gz")["carbon_intensity"].to_numpy()
    table = pl.read_csv(shared / "reference" / "dag" / "roro_reference.csv")
    programs = {beta: ConversionProgram(24, switching_cost=beta, rate=0.25) for beta in (0.0, 10.0, 20.0)}
    for row in table.iter_rows(named=True):
        prices, beta = actual[row["start"] : row["start"] + 24], row["beta"]
        rule = Roro(low=row["L"], high=row["U"], switching_cost=beta, rate=0.25)
        assert rule.curve.eta == pytest.approx(row["alpha"], rel=1e-12)
        assert 4.0 * programs[beta].solve(prices).cost == pytest.approx(row["opt_lp"], rel=1e-9)
        paid = 4.0 * run_cost(prices, rule.run(prices), beta)
        assert paid == pytest.approx(row["roro"], rel=1e-3)
        best = programs[beta].solve(prices).shares
        mixed = RoroAdvice(rule=rule, trust=0.5).run(prices, best)
        assert 4.0 * run_cost(prices, mixed, beta) <= 0.5 * paid + 0.5 * row["opt_lp"] + 1e-9


def test_solutions_of_the_reference(shared):
    for row in json.loads((shared / "reference" / "dag" / "roro_solutions.json").read_text()):
        rule = Roro(low=row["L"], high=row["U"], switching_cost=row["beta"], rate=0.25)
        np.testing.assert_allclose(4.0 * rule.run(row["seq"]), row["roro"], atol=3e-3)


def test_limited_rate_breaks_the_published_ratio():
    rule = Roro(low=15.0, high=181.0, rate=1 / 400)
    low = 240
    prices = [15.0] * low + [rule.curve.value(low / 400) + 1e-6] * 400 + [181.0] * (400 - low)
    best = ConversionProgram(len(prices), switching_cost=0.0, rate=1 / 400).solve(prices).cost
    ratio = run_cost(prices, rule.run(prices), 0.0) / best
    assert rule.curve.eta + 0.4 < ratio <= rule.ratio()
    assert rule.ratio() == pytest.approx(3.426, abs=5e-4)


def test_forced_tail_breaks_the_published_ratio():
    """A block just above the first threshold, then one slot at U that must take all: U + 2 beta against U / alpha."""
    rule = Roro(low=100.0, high=300.0, switching_cost=20.0)
    prices = np.array([rule.curve.value(0.0) - 20.0 + 1e-6] * 2000 + [300.0])
    paid = run_cost(prices, rule.run(prices), 20.0)
    assert paid == pytest.approx(340.0)
    best = ConversionProgram(prices.size, switching_cost=20.0).solve(prices).cost
    assert rule.curve.eta < paid / best <= rule.ratio()
    assert paid / best == pytest.approx(rule.ratio(), rel=1e-3)


def test_step_run_and_costs_agree():
    draw = np.random.default_rng(5)
    for beta, rate in ((0.0, 1.0), (20.0, 0.25), (60.0, 0.3)):
        rule = Roro(low=100.0, high=300.0, switching_cost=beta, rate=rate)
        trace = draw.uniform(90.0, 310.0, 40)
        costs = rule.costs(trace, starts=np.arange(31), slots=10)
        for start in range(31):
            prices = trace[start : start + 10]
            state, shares = rule.init(10), []
            for price in prices:
                state, share = rule.step(price, state)
                shares.append(share)
            np.testing.assert_allclose(shares, rule.run(prices), atol=1e-12)
            assert sum(shares) == pytest.approx(1.0)
            assert costs[start] == pytest.approx(run_cost(prices, shares, beta), rel=1e-9)


def test_one_place_is_roro():
    draw = np.random.default_rng(6)
    places = Places(distances=np.zeros((1, 1)), toggle_cost=20.0)
    for rate in (1.0, 0.25):
        rule = Roro(low=100.0, high=300.0, switching_cost=20.0, rate=rate)
        one = PseudoCostAllocation(low=100.0, high=300.0, places=places, rate=rate)
        assert one.ratio() == rule.ratio()
        program = ConversionProgram(12, switching_cost=20.0, rate=rate)
        for _ in range(20):
            prices = draw.uniform(100.0, 300.0, 12)
            found = one.run(prices[:, None])
            np.testing.assert_allclose(found.shares[:, 0], rule.run(prices), atol=1e-12)
            assert found.cost == pytest.approx(run_cost(prices, rule.run(prices), 20.0))
            best = exact_allocation(prices[:, None], places, rate=rate).cost
            assert best == pytest.approx(program.solve(prices).cost, rel=1e-9)


def test_moving_pays_by_hand():
    places = Places(distances=np.array([[0.0, 5.0], [5.0, 0.0]]), toggle_cost=1.0)
    prices = [[300.0, 100.0], [300.0, 300.0]]
    rule = PseudoCostAllocation(low=100.0, high=300.0, places=places)
    assert rule.run(prices).cost == pytest.approx(107.0)  # 100, move 5, start 1, stop 1
    assert exact_allocation(prices, places).cost == pytest.approx(107.0)
    advice = AdviceAllocation(robust=rule, epsilon=0.0)
    assert advice.run(prices, [[0.0, 1.0], [0.0, 0.0]]).cost == pytest.approx(107.0)


def test_the_longest_length_as_prediction_is_roro():
    prices = np.random.default_rng(7).uniform(100.0, 300.0, 20)
    rule = UnknownLength(low=100.0, high=300.0, switching_cost=10.0, predicted=4.0, longest=4.0)
    same = Roro(low=100.0, high=300.0, switching_cost=10.0, rate=0.25)
    np.testing.assert_allclose(rule.run(prices, length=4.0), 4.0 * same.run(prices), atol=1e-9)
    assert rule.guarantee().provable is None


@pytest.mark.parametrize("length", [0.5, 2.0, 3.3, 6.0])
def test_a_job_of_unknown_length_ends_in_time(length):
    draw = np.random.default_rng(8)
    rule = UnknownLength(low=100.0, high=300.0, predicted=2.0, longest=6.0)
    for _ in range(30):
        rates = rule.run(draw.uniform(100.0, 300.0, 8), length=length)
        assert rates.sum() == pytest.approx(length)
        assert rates.max() <= 1.0


FAR = np.array([[0.0, 5.0, 1.0], [5.0, 0.0, 1.0], [1.0, 1.0, 0.0]])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Roro(low=3.0, high=2.0), "low = 3"),
        (lambda: Roro(low=100.0, high=300.0, switching_cost=100.0), "below 200"),
        (lambda: Roro(low=1.0, high=3.0, rate=0.0), "rate is 0"),
        (lambda: Roro(low=1.0, high=3.0, rate=math.nan), "rate is nan"),
        (lambda: Roro(low=1.0, high=3.0, rate=0.25).run([1.0, 2.0, 3.0]), "needs 4 slots and only 3"),
        (lambda: Roro(low=1.0, high=3.0, rate=0.25).init(3), "move the deadline"),
        (lambda: Roro(low=1.0, high=3.0).run([1.0, math.nan]), "not finite"),
        (lambda: RoroAdvice(rule=Roro(low=1.0, high=3.0), trust=1.5), "trust is 1.5"),
        (lambda: RoroAdvice(rule=Roro(low=1.0, high=3.0), trust=0.5).run([1.0, 2.0], [0.4, 0.4]), "add up to 0.8"),
        (lambda: RoroAdvice(rule=Roro(low=1.0, high=3.0), trust=0.5).run([1.0, 2.0], [1.0]), "shape"),
        (lambda: Places(distances=FAR), "way around"),
        (lambda: Places(distances=np.array([[0.0, 1.0], [2.0, 0.0]])), "symmetric"),
        (lambda: Places(distances=np.zeros((2, 3))), "shape"),
        (lambda: Places(distances=np.zeros((2, 2)), toggle_cost=-1.0), "toggle_cost is -1"),
        (lambda: clip_rule(low=1.0, high=3.0, switching_cost=0.0, epsilon=-0.1), "epsilon is -0.1"),
        (lambda: ConversionProgram(3, switching_cost=0.0, rate=0.25), "must reach 1"),
        (lambda: ConversionProgram(3, switching_cost=0.0).solve([1.0, 2.0]), "2 prices for a program of 3"),
        (lambda: UnknownLength(low=1.0, high=3.0, predicted=3.0, longest=2.0), "predicted 3"),
        (lambda: UnknownLength(low=1.0, high=3.0, predicted=1.0, longest=2.0).run([1.0] * 3, length=2.5), "2.5"),
        (lambda: UnknownLength(low=1.0, high=3.0, predicted=1.0, longest=2.0).init(1), "only 1 are left"),
    ],
)
def test_bad_input_is_named(make, words):
    with pytest.raises(PolicyError, match=words):
        make()


def test_bad_places_are_named():
    places = Places(distances=np.zeros((2, 2)))
    with pytest.raises(PolicyError, match="places are 0 to 1"):
        PseudoCostAllocation(low=1.0, high=3.0, places=places, origin=2)
    rule = PseudoCostAllocation(low=1.0, high=3.0, places=places)
    with pytest.raises(PolicyError, match="3 prices for 2 places"):
        rule.step([1.0, 2.0, 3.0], rule.init(2))
    with pytest.raises(PolicyError, match="shape"):
        exact_allocation([[1.0], [2.0]], places)
    with pytest.raises(PolicyError, match=r"adds up to 0\.5"):
        AdviceAllocation(robust=rule, epsilon=0.1).run([[1.0, 2.0]], [[0.5, 0.0]])


def test_equal_bounds():
    rule = Roro(low=5.0, high=5.0)
    assert rule.curve.eta == pytest.approx(1.0)
    assert rule.ratio() == pytest.approx(1.0)
    assert rule.run([5.0, 5.0]).sum() == pytest.approx(1.0)
