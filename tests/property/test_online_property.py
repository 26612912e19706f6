"""No input within the bounds exceeds a provable ratio; costs scale with prices; all work is done in time."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from joulewright.policy.online import (
    AdviceAllocation,
    ConversionProgram,
    DualMirrorDescent,
    KSearch,
    PauseResume,
    Places,
    PseudoCostAllocation,
    Roro,
    RoroAdvice,
    exact_allocation,
    exact_pause_resume,
    run_cost,
)

LOW, HIGH = 15.0, 181.0
prices_of = st.lists(
    st.sampled_from([LOW, 20.0, 40.0, 60.0, 90.0, 150.0, HIGH]) | st.floats(LOW, HIGH), min_size=12, max_size=30
)


@given(prices_of, st.integers(1, 12), st.sampled_from([0.0, 3.0, 20.0, 60.0]))
def test_pause_and_resume_keeps_its_ratio(prices, work, beta):
    rule = PauseResume(low=LOW, high=HIGH, work=work, switching_cost=beta)
    runs = rule.run(prices)
    best = exact_pause_resume(prices, work=work, switching_cost=beta)
    assert runs.sum() == best.runs.sum() == work
    assert np.isclose(run_cost(prices, best.runs, beta), best.cost)
    assert best.cost - 1e-9 <= run_cost(prices, runs, beta) <= rule.ratio() * best.cost * (1.0 + 1e-9)


@given(prices_of, st.integers(1, 12), st.sampled_from([0.0, 2.0, 7.0]))
def test_profit_keeps_its_ratio(prices, work, beta):
    rule = PauseResume(low=LOW, high=HIGH, work=work, switching_cost=beta, sense="max")
    best = exact_pause_resume(prices, work=work, switching_cost=beta, maximize=True).cost
    gained = run_cost(prices, rule.run(prices), -beta)
    assert gained <= best + 1e-9
    assert best <= rule.ratio() * gained * (1.0 + 1e-9)


@given(prices_of, st.integers(1, 12))
def test_corrected_thresholds_keep_their_ratio(prices, work):
    rule = KSearch(low=LOW, high=HIGH, work=work, calibration="exact")
    best = exact_pause_resume(prices, work=work).cost
    assert run_cost(prices, rule.run(prices), 0.0) <= rule.ratio() * best * (1.0 + 1e-9)


def test_brute_force_finds_no_worse_input_for_two_units():
    for beta in (0.0, 1.0):
        rule = PauseResume(low=1.0, high=10.0, work=2, switching_cost=beta)
        tops = np.concatenate((rule.idle_thresholds(), rule.running_thresholds()))
        levels = [1.0, 10.0, *tops, *(tops + 1e-7)]
        worst = 1.0
        for prices in itertools.product(levels, repeat=5):
            best = exact_pause_resume(prices, work=2, switching_cost=beta).cost
            worst = max(worst, run_cost(prices, rule.run(prices), beta) / best)
        assert worst <= rule.ratio() * (1.0 + 1e-9)
        assert worst >= rule.ratio() * 0.98


@given(st.lists(st.floats(1.0, 9.0), min_size=4, max_size=8), st.integers(1, 4), st.floats(0.0, 5.0))
def test_dynamic_program_equals_trying_everything(prices, work, beta):
    choices = (np.isin(np.arange(len(prices)), chosen) for chosen in itertools.combinations(range(len(prices)), work))
    least = min(run_cost(prices, runs, beta) for runs in choices)
    assert np.isclose(exact_pause_resume(prices, work=work, switching_cost=beta).cost, least)


@given(prices_of, st.sampled_from([1.0, 0.3, 0.1]), st.sampled_from([0.0, 5.0, 30.0]))
def test_conversion_keeps_its_ratio(prices, rate, beta):
    rule = Roro(low=LOW, high=HIGH, switching_cost=beta, rate=rate)
    shares = rule.run(prices)
    assert np.isclose(shares.sum(), 1.0)
    assert shares.min() >= 0.0
    assert shares.max() <= rate + 1e-9
    best = ConversionProgram(len(prices), switching_cost=beta, rate=rate).solve(prices)
    paid = run_cost(prices, shares, beta)
    assert best.cost - 1e-7 <= paid <= rule.ratio() * best.cost * (1.0 + 1e-9)
    mix = RoroAdvice(rule=rule, trust=0.6)
    mixed = run_cost(prices, mix.run(prices, best.shares), beta)
    assert mixed <= 0.6 * best.cost + 0.4 * paid + 1e-7
    assert mixed <= mix.consistency() * best.cost * (1.0 + 1e-9)


@given(prices_of, st.floats(0.1, 50.0))
def test_units_of_price_do_not_matter(prices, factor):
    rule = PauseResume(low=LOW, high=HIGH, work=5, switching_cost=4.0)
    scaled = PauseResume(low=LOW * factor, high=HIGH * factor, work=5, switching_cost=4.0 * factor)
    assert np.isclose(rule.ratio(), scaled.ratio(), rtol=1e-9)
    np.testing.assert_allclose(scaled.idle_thresholds(), factor * rule.idle_thresholds(), rtol=1e-9)
    one, other = (Roro(low=LOW * f, high=HIGH * f, switching_cost=4.0 * f) for f in (1.0, factor))
    np.testing.assert_allclose(one.run(prices), other.run(factor * np.array(prices)), atol=1e-6)


@given(
    st.integers(0, 10**6), st.sampled_from([1.0, 0.25]), st.sampled_from([0.0, 5.0]), st.sampled_from([0.0, 0.1, 0.6])
)
def test_places_keep_their_ratio_and_advice_its_consistency(seed, rate, toggle, epsilon):
    draw = np.random.default_rng(seed)
    spots = draw.uniform(0.0, 15.0, (3, 2))
    places = Places(distances=np.sqrt(((spots[:, None] - spots[None]) ** 2).sum(axis=2)), toggle_cost=toggle)
    prices = np.where(
        draw.random((6, 3)) < 0.5, draw.choice([100.0, 300.0], (6, 3)), draw.uniform(100.0, 300.0, (6, 3))
    )
    rule = PseudoCostAllocation(low=100.0, high=300.0, places=places, rate=rate)
    found, best = rule.run(prices), exact_allocation(prices, places, rate=rate)
    assert np.isclose(found.shares.sum(), 1.0)
    assert best.cost - 1e-6 <= found.cost <= rule.ratio() * best.cost * (1.0 + 1e-9)
    if rate == 1.0:
        advised = AdviceAllocation(robust=rule, epsilon=epsilon).run(prices, best.shares)
        assert best.cost - 1e-6 <= advised.cost <= (1.0 + epsilon) * best.cost * (1.0 + 1e-7)


@given(st.lists(st.tuples(st.floats(0.0, 5.0), st.floats(0.0, 5.0)), min_size=1, max_size=40))
def test_no_budget_is_exceeded(requests):
    values, uses = zip(*requests)
    rule = DualMirrorDescent(per_period=np.array([0.7]), periods=len(requests))
    assert rule.run(values, uses).spent[0] <= 0.7 * len(requests) + 1e-9
