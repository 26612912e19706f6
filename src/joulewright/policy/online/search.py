"""k-search: take k units, one per slot, at the first prices within k thresholds; 1-min and the limit of many units."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from joulewright.errors import PolicyError
from joulewright.model.timeline import FloatArray
from joulewright.policy.online.double_threshold import AbstractThresholdRule, Sense
from joulewright.policy.online.guarantee import Guarantee, check_bounds, check_work, increasing_root, lambert
from joulewright.policy.online.worst_ratio import worst_ratio

Calibration = Literal["published", "exact"]


def minimum_ratio(low: float, high: float, work: int, switching_cost: float = 0.0) -> float:
    """Published ratio alpha of k-min search (beta = 0) and OPR-min, the root above 1 of

    ``U - L - 2 beta = q^k (U (1 - 1/alpha) - 2 beta (1 - 1/k + 1/(k alpha)))`` with q = 1 + 1/(alpha k).

    Parameters
    ----------
    low, high : float
        L and U [price].
    work : int
        k [slots].
    switching_cost : float
        beta, with 2 beta < U - L [price times slot].

    References
    ----------
    Lorenz, Panagiotou and Steger (2009), doi:10.1007/s00453-008-9217-8, for beta = 0; Lechowicz et al. (2023),
    arXiv:2303.17551, for beta > 0, with the sign of 1/(k alpha) that agrees with its thresholds.

    Examples
    --------
    >>> round(minimum_ratio(1.0, 4.0, 1), 9)  # sqrt(4 / 1)
    2.0
    """
    if high == low:
        return 1.0
    twice = 2.0 * switching_cost
    span = math.log(high - low - twice)

    def excess(ratio: float) -> float:
        bracket = high * (1.0 - 1.0 / ratio) - twice * (1.0 - 1.0 / work + 1.0 / (work * ratio))
        return (math.log(bracket) if bracket > 0.0 else -math.inf) + work * math.log1p(1.0 / (ratio * work)) - span

    least = (high + twice / work) / (high - twice * (1.0 - 1.0 / work))
    return increasing_root(lambda ratio: max(excess(ratio), -1e6), least, least + math.sqrt(high / low))


def maximum_ratio(low: float, high: float, work: int, switching_cost: float = 0.0) -> float:
    """Ratio omega of k-max search (beta = 0) and OPR-max, the root above 1 of

    ``U - L - 2 beta = q^k (L (omega - 1) - 2 beta (1 - 1/k + omega/k))`` with q = 1 + omega/k; needs k L > 2 beta.

    References
    ----------
    Lorenz, Panagiotou and Steger (2009), doi:10.1007/s00453-008-9217-8, for beta = 0.

    Examples
    --------
    >>> round(maximum_ratio(1.0, 4.0, 1), 9)
    2.0
    """
    if high == low:
        return 1.0
    twice = 2.0 * switching_cost
    span = math.log(high - low - twice)

    def excess(ratio: float) -> float:
        bracket = low * (ratio - 1.0) - twice * (1.0 - 1.0 / work + ratio / work)
        return (math.log(bracket) if bracket > 0.0 else -math.inf) + work * math.log1p(ratio / work) - span

    least = (low + twice * (1.0 - 1.0 / work)) / (low - twice / work)
    return increasing_root(lambda ratio: max(excess(ratio), -1e6), least, least + math.sqrt(high / low))


def limit_ratio(low: float, high: float, sense: Sense = "min") -> float:
    """Ratio of k-search for k to infinity, which is that of one-way trading.

    References
    ----------
    El-Yaniv, Fiat, Karp and Turpin (2001), doi:10.1007/s00453-001-0003-0; W is the Lambert function.

    Examples
    --------
    >>> round(limit_ratio(1.0, 4.0), 9), round(limit_ratio(1.0, 4.0, "max"), 9)
    (1.723747416, 1.60354574)
    """
    check_bounds(low, high)
    if sense == "max":
        return 1.0 + lambert((high / low - 1.0) / math.e)
    return 1.0 / (1.0 + lambert((low / high - 1.0) / math.e))


def corrected_thresholds(low: float, high: float, work: int) -> tuple[float, FloatArray]:
    """Ratio and thresholds of k-min search that no input exceeds.

    The proof of the published ratio overlooks that a very low price can be used for one unit only. For a trial ratio
    each threshold here balances the worst case in which any number of accepted units came at L; the ratio is the one
    for which the threshold after the last unit is L. Ours.

    Returns
    -------
    ratio : float
    thresholds : FloatArray
        Shape ``(k,)`` [price].

    Examples
    --------
    >>> ratio, thresholds = corrected_thresholds(1.0, 10.0, 2)
    >>> round(ratio, 9), thresholds.round(6).tolist()
    (3.0, [3.333333, 2.666667])
    """
    if high == low:
        return 1.0, np.full(work, high)

    def thresholds(ratio: float) -> FloatArray:
        found = np.empty(work + 1)
        found[0] = high / ratio
        units_low = np.arange(work + 1)
        for done in range(1, work + 1):
            taken = np.concatenate(([0.0], np.cumsum(found[:done])))
            count = units_low[: min(done, work - 1) + 1]
            paid = taken[done - count] + count * low * (1.0 - ratio) + (work - done) * high
            found[done] = (paid / (ratio * (work - count))).max()
        return found

    ratio = increasing_root(lambda trial: low - float(thresholds(trial)[-1]), 1.0, minimum_ratio(low, high, work))
    return ratio, thresholds(ratio)[:work]


@dataclass(frozen=True, kw_only=True)
class KSearch(AbstractThresholdRule):
    """k-min or k-max search.

    Attributes
    ----------
    calibration : {"published", "exact"}
        ``exact`` takes the thresholds of :func:`corrected_thresholds` (k-min only).

    Notes
    -----
    k-min: ``Phi_i = U (1 - (1 - 1/alpha) q^(i-1))`` with q = 1 + 1/(alpha k); k-max: ``Phi_i = L (1 + (omega - 1)
    q^(i-1))`` with q = 1 + omega/k. Guarantee: k-max keeps omega on every input within the bounds; k-min keeps the
    published alpha for k = 1 only, and :func:`joulewright.policy.online.worst_ratio` (attained) for k > 1.

    Examples
    --------
    >>> rule = KSearch(low=1.0, high=10.0, work=2)
    >>> round(rule.guarantee().published, 4), round(rule.ratio(), 4)
    (2.8921, 3.3067)
    >>> rule.run([9.0, 3.0, 3.4, 2.0]).astype(int)  # thresholds 3.458 and 2.326
    array([0, 1, 0, 1])
    """

    calibration: Calibration = "published"
    sources: ClassVar[tuple[str, ...]] = ("lorenz2009", "elyaniv2001")

    def __post_init__(self) -> None:
        check_bounds(self.low, self.high)
        check_work(self.work)
        if self.calibration == "exact" and self.sense == "max":
            raise PolicyError("calibration 'exact' with sense 'max': k-max needs no correction; use 'published'")

    @property
    def cost_of_switching(self) -> float:
        """0: pausing is free."""
        return 0.0

    def idle_thresholds(self) -> FloatArray:
        """Phi_1 to Phi_k."""
        if self.calibration == "exact":
            return corrected_thresholds(self.low, self.high, self.work)[1]
        return geometric_thresholds(self.low, self.high, self.work, 0.0, self.sense)

    def running_thresholds(self) -> FloatArray:
        """The same thresholds: a running job has no advantage."""
        return self.idle_thresholds()

    def guarantee(self) -> Guarantee:
        """Published and provable ratio."""
        if self.sense == "max":
            omega = maximum_ratio(self.low, self.high, self.work)
            return Guarantee(published=omega, provable=omega, holds="low <= price <= high", sources=self.sources)
        published = None if self.calibration == "exact" else minimum_ratio(self.low, self.high, self.work)
        provable = worst_ratio(self.idle_thresholds(), low=self.low, high=self.high, switching_cost=0.0)
        return Guarantee(published=published, provable=provable, holds="low <= price <= high", sources=self.sources)


def geometric_thresholds(low: float, high: float, work: int, switching_cost: float, sense: Sense) -> FloatArray:
    """Thresholds of an idle job by units done, for the published calibration; shape ``(k,)``.

    Units done move the threshold away from the bound it starts near by a factor q each: ``u_i = U - B q^(i-1)`` for
    costs, ``l_i = L + B q^(i-1)`` for gains.
    """
    twice = 2.0 * switching_cost
    if high == low:
        return np.full(work, high)
    if sense == "min":
        ratio = minimum_ratio(low, high, work, switching_cost)
        first = high * (1.0 - 1.0 / ratio) - twice * (1.0 - 1.0 / work + 1.0 / (work * ratio))
        return np.asarray(high - twice - first * (1.0 + 1.0 / (ratio * work)) ** np.arange(work), dtype=float)
    ratio = maximum_ratio(low, high, work, switching_cost)
    first = low * (ratio - 1.0) - twice * (1.0 - 1.0 / work + ratio / work)
    return np.asarray(low + twice + first * (1.0 + ratio / work) ** np.arange(work), dtype=float)


@dataclass(frozen=True, kw_only=True)
class ConstantThreshold(AbstractThresholdRule):
    """One threshold for every unit: sqrt(L U) unless given (1-min and 1-max search).

    Notes
    -----
    Guarantee: sqrt(U/L) for one unit and the default threshold. For more units the threshold is not calibrated and no
    better ratio than that of :func:`joulewright.policy.online.worst_ratio` is claimed.

    References
    ----------
    El-Yaniv, Fiat, Karp and Turpin (2001), doi:10.1007/s00453-001-0003-0.

    Examples
    --------
    >>> ConstantThreshold(low=1.0, high=4.0, work=1).ratio()
    2.0
    """

    threshold: float | None = None
    sources: ClassVar[tuple[str, ...]] = ("elyaniv2001",)

    def __post_init__(self) -> None:
        check_bounds(self.low, self.high)
        check_work(self.work)
        if self.threshold is not None and not self.low <= self.threshold <= self.high:
            raise PolicyError(f"threshold is {self.threshold:g}; it must lie within {self.low:g} to {self.high:g}")

    @property
    def cost_of_switching(self) -> float:
        """0: pausing is free."""
        return 0.0

    def idle_thresholds(self) -> FloatArray:
        """The threshold, ``k`` times."""
        value = math.sqrt(self.low * self.high) if self.threshold is None else self.threshold
        return np.full(self.work, value)

    def running_thresholds(self) -> FloatArray:
        """The threshold, ``k`` times."""
        return self.idle_thresholds()

    def guarantee(self) -> Guarantee:
        """Published ratio of one unit, and the provable one."""
        published = math.sqrt(self.high / self.low) if self.work == 1 and self.threshold is None else None
        value = float(self.idle_thresholds()[0])
        if self.sense == "max":
            provable = max(self.high / value, value / self.low)
        else:
            provable = worst_ratio(self.idle_thresholds(), low=self.low, high=self.high, switching_cost=0.0)
        return Guarantee(published=published, provable=provable, holds="low <= price <= high", sources=self.sources)
