"""Pacing, selection and citations: worked examples, bounds and bad input."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from joulewright.errors import PolicyError
from joulewright.policy import online
from joulewright.policy.online import (
    REFERENCES,
    BanditSelection,
    DualMirrorDescent,
    Entropy,
    Euclidean,
    FollowTheLeader,
    KSearch,
    PauseResume,
    bregman_step,
    cite,
)

VALUES = [1.0, 0.5, 2.0, 0.8, 1.5, 0.3]
USES = [1.0, 2.0, 1.0, 0.5, 2.0, 1.0]
BLOCKED = [0.610701379, 0.452418709, 0.552585459, 0.525635548, 1.058500008, 0.784156093]
FREE = [0.740818221, 0.548811636, 0.670320046, 0.637628152, 1.284025417, 0.951229425]


@pytest.mark.parametrize(
    ("reference", "first", "prices", "accepted", "reward", "spent"),
    [
        (Entropy(), 1.0, FREE, [2, 3, 4], 4.3, 3.5),
        (Euclidean(), 1.0, [0.7, 0.4, 0.6, 0.55, 1.25, 0.95], [2, 3, 4], 4.3, 3.5),
        (Entropy(), 0.5, BLOCKED, [0, 2, 3], 3.8, 2.5),
    ],
)
def test_worked_example(reference, first, prices, accepted, reward, spent):
    rule = DualMirrorDescent(
        per_period=np.array([0.6]), periods=6, first_price=first, learning_rate=0.5, reference=reference
    )
    found = rule.run(VALUES, USES)
    np.testing.assert_allclose(found.prices[1:, 0], prices, atol=6e-10)
    assert found.accepted.nonzero()[0].tolist() == accepted
    assert found.reward == pytest.approx(reward)
    assert found.spent == pytest.approx([spent])


def test_euclidean_price_after_a_blocked_request():
    rule = DualMirrorDescent(
        per_period=np.array([0.6]), periods=6, first_price=0.5, learning_rate=0.5, reference=Euclidean()
    )
    found = rule.run(VALUES, USES)
    assert found.accepted.nonzero()[0].tolist() == [0, 2, 3]
    np.testing.assert_allclose(found.prices[1:, 0], [0.7, 0.4, 0.6, 0.55, 1.25, 0.95])


def test_each_of_several_budgets_can_refuse():
    rule = DualMirrorDescent(per_period=np.array([1.0, 0.25]), periods=4, first_price=0.1, learning_rate=1e-6)
    found = rule.run([5.0] * 4, [[1.0, 0.6]] * 4)
    assert found.accepted.tolist() == [True, False, False, False]
    assert found.spent.tolist() == [1.0, 0.6]


class Cubic(online.AbstractReferenceFunction):
    """h = mu^3 / 3: neither of those that ship."""

    def derivative(self, price):
        return price**2

    def inverse_derivative(self, value):
        return np.sign(value) * np.sqrt(np.abs(value))


@pytest.mark.parametrize("reference", [Entropy(), Euclidean(), Cubic()])
@pytest.mark.parametrize("gradient", [-0.8, 0.3, 2.5])
def test_bregman_step_minimises_for_any_reference_function(reference, gradient):
    price, rate = np.array([0.7]), 0.5
    integral = {
        Entropy: lambda m: m * math.log(m) if m > 0.0 else 0.0,
        Euclidean: lambda m: m * m / 2.0,
        Cubic: lambda m: m**3 / 3.0,
    }[type(reference)]

    def objective(m):
        slope = float(reference.derivative(price)[0])
        return gradient * m + (integral(m) - integral(0.7) - slope * (m - 0.7)) / rate

    found = float(bregman_step(reference, price, np.array([gradient]), rate)[0])
    grid = np.linspace(0.0, 3.0, 3001)
    assert objective(found) <= min(objective(m) for m in grid) + 1e-9


def test_budget_lasts_and_reward_is_near_the_best():
    draw = np.random.default_rng(0)
    count = 4000
    values, uses = draw.lognormal(0.0, 0.6, count), draw.lognormal(0.0, 0.4, count)
    rule = DualMirrorDescent(per_period=np.array([uses.mean() / 2.0]), periods=count)
    found = rule.run(values, uses)
    order = np.argsort(-values / uses)
    within = np.cumsum(uses[order]) <= uses.sum() / 2.0
    assert found.spent[0] <= uses.sum() / 2.0
    assert found.reward >= 0.97 * values[order][within].sum()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: DualMirrorDescent(per_period=np.array([0.0]), periods=2), "per_period"),
        (lambda: DualMirrorDescent(per_period=np.array([1.0]), periods=0), "periods 0"),
        (lambda: DualMirrorDescent(per_period=np.array([1.0]), periods=2, first_price=0.0), "first_price is 0"),
        (lambda: DualMirrorDescent(per_period=np.array([1.0]), periods=2, learning_rate=0.0), "learning_rate is 0"),
        (lambda: DualMirrorDescent(per_period=np.array([1.0]), periods=1).run([1.0, 1.0], [1.0, 1.0]), "2 requests"),
        (lambda: DualMirrorDescent(per_period=np.array([1.0]), periods=1).run([1.0], [-1.0]), "at least 0"),
        (lambda: DualMirrorDescent(per_period=np.array([1.0]), periods=1).run([math.nan], [1.0]), "nan"),
        (lambda: FollowTheLeader(candidates=0), "candidates is 0"),
        (lambda: FollowTheLeader(candidates=2).run([[1.0, 2.0, 3.0]]), "2 candidates"),
        (lambda: FollowTheLeader(candidates=2).run([[1.0, math.nan]]), "finite"),
        (lambda: BanditSelection(candidates=2, jobs=0, largest_cost=1.0), "jobs is 0"),
        (lambda: BanditSelection(candidates=1, jobs=1, largest_cost=1.0).run([[2.0]], seed=0), "largest_cost = 1"),
        (lambda: cite("nobody1999"), "nobody1999"),
        (lambda: cite(3), "names no sources"),
    ],
)
def test_bad_input_is_named(make, words):
    with pytest.raises(PolicyError, match=re.escape(words)):
        make()


def test_follow_the_leader_by_hand_and_step_by_step():
    costs = np.array([[3.0, 1.0], [0.0, 4.0], [0.0, 9.0]])
    rule = FollowTheLeader(candidates=2)
    found = rule.run(costs)
    assert found.chosen.tolist() == [0, 1, 0]
    assert (found.cost, found.best_fixed, found.regret) == (7.0, 3.0, 4.0)
    state = rule.init()
    for row, chosen in zip(costs, found.chosen):
        assert rule.choose(state) == chosen
        state = rule.update(row, state)
    alone = FollowTheLeader(candidates=1).run([[1.0], [2.0]])
    assert alone.regret == 0.0


@pytest.mark.parametrize("kind", ["fixed", "switching", "noise"])
def test_bandit_regret_stays_within_its_bound(kind):
    jobs = 400
    draw = np.random.default_rng(1)
    costs = {
        "fixed": np.tile([0.9, 0.2, 0.8], (jobs, 1)),
        "switching": np.where(np.arange(jobs)[:, None] % 3 == np.arange(3), 1.0, 0.0),
        "noise": draw.random((jobs, 3)),
    }[kind]
    rule = BanditSelection(candidates=3, jobs=jobs, largest_cost=1.0)
    regrets = [rule.run(costs, seed=seed).regret for seed in range(20)]
    assert np.mean(regrets) <= rule.regret_bound()
    assert rule.run(costs, seed=3).chosen.tolist() == rule.run(costs, seed=3).chosen.tolist()


def test_cite_prints_each_reference_once():
    text = cite(KSearch(low=1.0, high=2.0, work=1), PauseResume)
    keys = re.findall(r"@\w+\{(\w+),", text)
    assert keys == ["lorenz2009", "elyaniv2001", "lechowicz2023"]
    assert "10.1007/s00453-008-9217-8" in text


def test_every_algorithm_names_sources_that_exist():
    found = [item for name in online.__all__ if hasattr(item := getattr(online, name), "sources")]
    assert len(found) >= 15
    for item in found:
        if isinstance(item.sources, tuple):
            assert set(item.sources) <= set(REFERENCES), item
            assert item.sources, item


def test_public_names_are_sorted_and_exist():
    assert all(hasattr(online, name) for name in online.__all__)
    assert len(set(online.__all__)) == len(online.__all__)
