"""The threshold curve of online conversion: what a share of work may cost, by progress."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from joulewright.errors import PolicyError
from joulewright.model.timeline import FloatArray
from joulewright.policy.online.guarantee import check_bounds, check_switching, increasing_root, lambert

_GRID = 257


@dataclass(frozen=True, kw_only=True)
class ConversionCurve:
    """``psi(w) = U - tau + (U/eta - U + D + tau) exp(w/eta)``.

    Attributes
    ----------
    low, high : float
        L and U [price].
    distance : float
        D: most that it costs to bring a resting share to where it runs, its start included [price].
    toggle : float
        tau: cost of a stop where it is [price].
    calibration : {"consistent", "published"}
        ``consistent`` solves psi(1) = L + D. ``published`` is the form of the code published with SOAD, which
        misses it for tau > 0.
    fixed_ratio : float or None
        Ratio to use instead of eta, as advice asks for.

    Notes
    -----
    D = tau = beta is RORO and D = tau = 0 one-way trading. Identities of the consistent form: psi(0) = U/eta + D,
    psi(1) = L + D, and for all w: integral of (psi + tau) from 0 to w, plus (1 - w) U, is eta (psi(w) - D).

    References
    ----------
    Lechowicz et al., arXiv:2310.20598 (RORO) and arXiv:2408.07831 (SOAD). The consistent form for D != tau is ours.

    Examples
    --------
    >>> curve = ConversionCurve(low=100.0, high=300.0, distance=20.0, toggle=20.0)
    >>> round(curve.eta, 9), round(curve.value(1.0), 9)
    (1.776496244, 120.0)
    """

    low: float
    high: float
    distance: float = 0.0
    toggle: float = 0.0
    calibration: Literal["consistent", "published"] = "consistent"
    fixed_ratio: float | None = None

    def __post_init__(self) -> None:
        check_bounds(self.low, self.high)
        span = self.high - self.low
        check_switching(self.distance + self.toggle, span, "high - low; for one place it is twice the cost")

    @cached_property
    def eta(self) -> float:
        """The ratio of the curve."""
        if self.fixed_ratio is not None:
            return self.fixed_ratio
        low, high, distance, toggle = self.low, self.high, self.distance, self.toggle
        if self.calibration == "published":
            inner = lambert((distance + low - high + 2.0 * toggle) / high * math.exp((distance - high) / high))
            return 1.0 / ((high - distance) / high + inner)
        both = distance + toggle
        return 1.0 / ((high - both) / high + lambert((both + low - high) / high * math.exp((both - high) / high)))

    @cached_property
    def _scale(self) -> float:
        return self.high - self.high / self.eta - self.distance - self.toggle

    def value(self, progress: float) -> float:
        """psi at a progress w in [0, 1] [price]."""
        return self.high - self.toggle - self._scale * math.exp(progress / self.eta)

    def progress(self, price: FloatArray | float) -> FloatArray:
        """Progress at which psi falls to a price; -infinity where the price is never reached."""
        rest = np.maximum(self.high - self.toggle - np.asarray(price, dtype=float), 0.0)
        if self._scale <= 0.0:
            return np.where(rest > 0.0, np.inf, -np.inf)
        with np.errstate(divide="ignore"):
            return np.asarray(self.eta * np.log(rest / self._scale))

    def paid(self, progress: FloatArray) -> FloatArray:
        """Integral of psi + tau from 0 to w [price]: most that the work done so far has cost."""
        return self.high * progress - self._scale * self.eta * np.expm1(progress / self.eta)

    def provable_ratio(self, rate: float = 1.0) -> float:
        """Ratio that no input within the bounds exceeds, by minimising price and moving cost less the integral of psi.

        Parameters
        ----------
        rate : float
            Largest share of the work in one slot, the same in every slot.

        Notes
        -----
        With w done before the forced tail the cost is at most the integral of psi + tau, (1 - w) U and 2 tau min(rate,
        1 - w) for the tail's start and stop, which the published proof leaves out. Every slot not used to its limit
        costs at least y = psi(w) - D. A slot used to its limit may cost less, down to L; then its cost is at most L + D
        + tau per share. The share of such slots is taken at its worst, on a grid that is refined around the largest
        ratio. At rate >= 1 a slot used to its limit ends the work, so there are none. Ours.

        Examples
        --------
        >>> round(ConversionCurve(low=100.0, high=300.0).provable_ratio(), 6)  # eta: beta = 0, no limit of the rate
        1.53135
        >>> round(ConversionCurve(low=100.0, high=300.0).provable_ratio(0.01), 3)
        1.587
        """
        if not rate > 0.0:
            raise PolicyError(f"rate is {rate:g}; it must be above 0")
        if self._scale <= 0.0:
            return self.high / self.low
        box = [(0.0, 1.0), (0.0, 0.0 if rate >= 1.0 else 1.0)]
        worst = 1.0
        for _ in range(6):
            points = [np.linspace(lower, upper, _GRID if upper > lower else 1) for lower, upper in box]
            done, cheap = np.meshgrid(*points, indexing="ij")
            ratios = self._ratio_at(done, cheap, rate)
            best = np.unravel_index(int(np.argmax(ratios)), ratios.shape)
            worst = max(worst, float(ratios[best]))
            box = [
                (max(lower, at - reach), min(upper, at + reach))
                for (lower, upper), at, reach in (
                    (limits, float(axis[best]), 4.0 * (limits[1] - limits[0]) / _GRID)
                    for limits, axis in zip(box, (done, cheap))
                )
            ]
        return worst

    def _ratio_at(self, done: FloatArray, cheap_share: FloatArray, rate: float) -> FloatArray:
        """Largest cost over least optimum for a progress and the share of it that came at L."""
        cheap = done * cheap_share
        least = np.maximum(self.high - self.toggle - self._scale * np.exp(done / self.eta) - self.distance, self.low)
        paid = self.paid(done - cheap) + cheap * (self.low + self.distance + self.toggle)
        paid = paid + 2.0 * self.toggle * np.minimum(rate, 1.0 - done)
        used = (done - cheap) * least + cheap * self.low
        tail = 1.0 - done
        near = min(self.high, self.low + self.distance - self.toggle)
        refused = (paid + tail * self.high) / (used + tail * least)
        return np.maximum(refused, (paid + tail * near) / (used + tail * self.low))


def advice_ratio(curve: ConversionCurve, epsilon: float) -> float:
    """Ratio gamma in [eta, U/L] that goes with a consistency of 1 + epsilon.

    Solves ``epsilon = gamma - U/L + (U - L)/L gamma ln((U - L - D - tau)/(U - U/gamma - D - tau))``;
    gamma(0) = U/L and gamma(eta - 1) = eta. For ``calibration="published"`` the form of the published SOAD code.

    References
    ----------
    Lechowicz et al., arXiv:2402.14012 (CLIP) and arXiv:2408.07831 (ST-CLIP).

    Examples
    --------
    >>> round(advice_ratio(ConversionCurve(low=100.0, high=300.0, distance=20.0, toggle=20.0), 0.5), 9)
    1.998747561
    """
    if not epsilon >= 0.0:
        raise PolicyError(f"epsilon is {epsilon:g}; it must be at least 0")
    low, high, both = curve.low, curve.high, curve.distance + curve.toggle
    if high == low:
        return 1.0
    published = curve.calibration == "published"
    above, below = (curve.distance + 2.0 * curve.toggle, curve.distance) if published else (both, both)
    shift = 2.0 * curve.toggle if published else 0.0

    def lack(gamma: float) -> float:
        log = math.log((high - low - above) / (high - high / gamma - below))
        return gamma - (high - shift * gamma) / low + (high - low) / low * gamma * log - epsilon

    if lack(curve.eta) <= 0.0:
        return curve.eta
    if lack(high / low) >= 0.0:
        return high / low
    return increasing_root(lambda gamma: -lack(gamma), curve.eta, high / low)
