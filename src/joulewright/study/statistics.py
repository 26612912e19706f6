"""Means, confidence intervals and tests of paired differences.

Policies of a study meet the same chance under the same seed, so differences are taken pair by pair before anything
is averaged: what all policies share cancels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from joulewright.model.timeline import FloatArray
from joulewright.study.result import Estimate, Inference, TestName

_RESAMPLES = 10_000
_FEWEST_BOOTSTRAP = 5
_SAME = 1e-12


def estimate(values: Sequence[float] | FloatArray, inference: Inference | None = None) -> Estimate:
    """Mean of independent samples with its confidence interval.

    Parameters
    ----------
    values : sequence of float, shape ``(N,)``
        One value for each seed.
    inference : Inference, optional
        Method and coverage.

    Returns
    -------
    Estimate
        Without an interval when there is one sample, or fewer than five for the bootstrap.

    Raises
    ------
    ValueError
        If there is no sample or one is not finite.

    Notes
    -----
    Student: ``mean +- t(1 - alpha/2, N - 1) s / sqrt(N)`` with the sample standard deviation ``s``.

    References
    ----------
    Student (1908), "The probable error of a mean", Biometrika 6(1), doi:10.2307/2331554. Efron (1979), "Bootstrap
    methods: another look at the jackknife", Annals of Statistics 7(1), doi:10.1214/aos/1176344552.

    Examples
    --------
    >>> estimate([1.0, 2.0, 3.0]).mean, round(estimate([1.0, 2.0, 3.0]).half_width, 4)
    (2.0, 2.4841)
    """
    chosen = inference or Inference()
    samples = np.asarray(values, dtype=np.float64)
    if samples.size == 0 or not np.isfinite(samples).all():
        raise ValueError(f"{samples.size} samples {samples.tolist()!r:.80} have no mean; give finite values")
    mean = math.fsum(samples) / samples.size
    fewest = 2 if chosen.interval == "t" else _FEWEST_BOOTSTRAP
    if samples.size < fewest:
        return Estimate(mean=mean, count=samples.size, confidence=chosen.confidence)
    low, high = _student(samples, mean, chosen) if chosen.interval == "t" else _bootstrap(samples, chosen)
    return Estimate(
        mean=mean, low=low, high=high, count=samples.size, confidence=chosen.confidence, method=chosen.interval
    )


def _student(samples: FloatArray, mean: float, inference: Inference) -> tuple[float, float]:
    from scipy.special import stdtrit

    quantile = float(stdtrit(samples.size - 1, 0.5 + 0.5 * inference.confidence))
    half = quantile * float(samples.std(ddof=1)) / math.sqrt(samples.size)
    return mean - half, mean + half


def _bootstrap(samples: FloatArray, inference: Inference) -> tuple[float, float]:
    generator = np.random.default_rng(samples.size)  # the same samples always give the same interval
    picks = generator.integers(samples.size, size=(_RESAMPLES, samples.size))
    tail = 0.5 - 0.5 * inference.confidence
    low, high = np.quantile(samples[picks].mean(axis=1), [tail, 1.0 - tail])
    return float(low), float(high)


def p_value(differences: Sequence[float] | FloatArray, test: TestName = "paired-t") -> tuple[float | None, str]:
    """Chance of differences at least as large as these if policies were alike, and why there is none.

    Parameters
    ----------
    differences : sequence of float, shape ``(N,)``
        One for each pair.
    test : {"paired-t", "wilcoxon"}
        Two-sided Student test of the mean, or Wilcoxon signed-rank test.

    Returns
    -------
    tuple
        The p-value and an empty text, or None and the reason.

    References
    ----------
    Wilcoxon (1945), "Individual comparisons by ranking methods", Biometrics Bulletin 1(6), doi:10.2307/3001968.

    Examples
    --------
    >>> round(p_value([1.0, 2.0, 3.0])[0], 4)
    0.0742
    """
    samples = np.asarray(differences, dtype=np.float64)
    if samples.size < 2:
        return None, f"{samples.size} pair: no interval and no test; ask for more seeds"
    if not samples.any():
        return 1.0, ""
    if np.ptp(samples) <= _SAME * np.abs(samples).max():
        return None, "every pair differs by the same amount: chance plays no part, so there is nothing to test"
    if test == "wilcoxon":
        from scipy.stats import wilcoxon

        return float(wilcoxon(samples).pvalue), ""
    from scipy.special import stdtr

    statistic = float(samples.mean() / (samples.std(ddof=1) / math.sqrt(samples.size)))
    return float(2.0 * stdtr(samples.size - 1, -abs(statistic))), ""


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """P-values corrected for looking at several comparisons at once; None stays None and does not count.

    References
    ----------
    Holm (1979), "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6(2),
    65-70.

    Examples
    --------
    >>> holm([0.01, 0.04, None, 0.03])
    [0.03, 0.06, None, 0.06]
    """
    ranked = sorted((value, position) for position, value in enumerate(p_values) if value is not None)
    corrected: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (value, position) in enumerate(ranked):
        highest = max(highest, min(1.0, (len(ranked) - rank) * value))
        corrected[position] = highest
    return corrected


def paired(one: Mapping[int, float | None], other: Mapping[int, float | None]) -> tuple[dict[int, float], int]:
    """Differences ``one - other`` of what both have, by pair, and how many pairs are left out.

    Examples
    --------
    >>> paired({1: 5.0, 2: 7.0, 3: None}, {1: 4.0, 3: 2.0})
    ({1: 1.0}, 2)
    """
    keys = dict.fromkeys([*one, *other])
    found: dict[int, float] = {}
    for key in keys:
        first, second = one.get(key), other.get(key)
        if first is not None and second is not None:
            found[key] = first - second
    return found, len(keys) - len(found)
