"""Means, intervals and tests: numbers worked by hand, and scipy as the oracle."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from joulewright.errors import ScenarioError
from joulewright.study.result import Estimate, Inference
from joulewright.study.statistics import estimate, holm, p_value, paired

SAMPLES = [4.1, 5.3, 2.2, 6.8, 5.0, 3.9]


def test_students_interval_by_hand() -> None:
    found = estimate([1.0, 2.0, 3.0])
    assert found.mean == 2.0
    assert found.half_width == pytest.approx(4.302652729911275 * 1.0 / math.sqrt(3.0), rel=1e-9)
    assert (found.count, found.method, found.confidence) == (3, "t", 0.95)


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.99])
def test_students_interval_is_that_of_scipy(confidence: float) -> None:
    found = estimate(SAMPLES, Inference(confidence=confidence))
    low, high = stats.t.interval(confidence, len(SAMPLES) - 1, np.mean(SAMPLES), stats.sem(SAMPLES))
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-9)


def test_bootstrap_is_near_students_interval_and_the_same_every_time() -> None:
    normal = np.random.default_rng(1).normal(10.0, 2.0, size=200)
    wanted, found = estimate(normal), estimate(normal, Inference(interval="bootstrap"))
    assert found == estimate(normal, Inference(interval="bootstrap"))
    assert found.method == "bootstrap"
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), abs=0.05)


@pytest.mark.parametrize(("count", "interval"), [(1, "t"), (4, "bootstrap")])
def test_too_few_samples_have_no_interval(count: int, interval: str) -> None:
    found = estimate(SAMPLES[:count], Inference(interval=interval))
    assert (found.low, found.high, found.method) == (None, None, "none")
    assert found.half_width is None


@pytest.mark.parametrize("values", [[], [1.0, math.nan], [math.inf]])
def test_what_has_no_mean(values: list[float]) -> None:
    with pytest.raises(ValueError, match="have no mean"):
        estimate(values)


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0])
def test_coverage_out_of_range(confidence: float) -> None:
    with pytest.raises(ScenarioError, match=r"above 0 and below 1"):
        Inference(confidence=confidence)


def test_paired_t_is_that_of_scipy() -> None:
    one, other = SAMPLES, [3.0, 5.5, 1.0, 4.4, 5.1, 2.0]
    found, note = p_value(np.subtract(one, other))
    assert found == pytest.approx(stats.ttest_rel(one, other).pvalue, rel=1e-9)
    assert note == ""


def test_wilcoxon_by_hand() -> None:
    """Six differences of one sign: both tails together hold 2 of 2^6 sign patterns."""
    assert p_value([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], "wilcoxon")[0] == pytest.approx(2 / 64)


@pytest.mark.parametrize("test", ["paired-t", "wilcoxon"])
def test_what_is_not_tested(test: str) -> None:
    assert p_value([1.0], test)[0] is None
    assert "more seeds" in p_value([1.0], test)[1]
    assert p_value([2.0, 2.0, 2.0], test)[0] is None
    assert "same amount" in p_value([2.0, 2.0 + 1e-15, 2.0], test)[1]
    assert p_value([0.0, 0.0], test) == (1.0, "")


def test_holm_by_hand() -> None:
    """Sorted 0.01, 0.02, 0.03, 0.2 times 4, 3, 2, 1, none below the one before."""
    assert holm([0.2, 0.03, 0.01, 0.02]) == pytest.approx([0.2, 0.06, 0.04, 0.06])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([None, 0.04]) == [None, 0.04]
    assert holm([]) == []


def test_pairs_that_are_not_complete_are_left_out() -> None:
    assert paired({1: 3.0, 2: None, 3: 4.0}, {1: 1.0, 2: 1.0, 4: 0.0}) == ({1: 2.0}, 3)


def test_half_width_needs_both_ends() -> None:
    assert Estimate(mean=1.0, low=0.5, high=2.0).half_width == 0.75
    assert Estimate(mean=1.0).half_width is None
