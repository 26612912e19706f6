"""Online conversion: shares of work at any rate up to a limit, with a cost for every change of the rate."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from joulewright.errors import PolicyError
from joulewright.model.timeline import FloatArray
from joulewright.policy.online import kernels
from joulewright.policy.online.curve import ConversionCurve
from joulewright.policy.online.exact import checked_starts
from joulewright.policy.online.guarantee import Guarantee, checked_prices


class ConversionState(NamedTuple):
    """Slots left until the deadline, share of the work done, and the share of the last slot."""

    slots_left: int
    done: float
    share: float


def check_rate(rate: float) -> None:
    """Refuse a rate that is not in (0, 1].

    Raises
    ------
    PolicyError
        If it is not.
    """
    if not 0.0 < rate <= 1.0:
        raise PolicyError(f"rate is {rate:g}; give the largest share of the work in one slot, above 0 and at most 1")


@dataclass(frozen=True, kw_only=True)
class Roro:
    """RORO; with ``switching_cost=0`` one-way trading.

    Attributes
    ----------
    low, high : float
        L and U [price].
    switching_cost : float
        beta: cost of changing the rate, per share of the work, 2 beta < U - L [price].
    rate : float
        Largest share of the work in one slot: 1/m for a job that takes m slots.

    Notes
    -----
    Each slot minimises ``c x + beta |x - x_last| - integral of phi from w to w + x`` with the curve of
    :class:`joulewright.policy.online.ConversionCurve` for D = tau = beta; once only the slots that the rest needs are
    left it runs at the full rate. Costs are per share: multiply by m for a job of m slots.

    Information used: prices up to now, the two bounds, the rate and the deadline. Guarantee: ``ratio()`` on every input
    within the bounds. The published alpha = eta holds for beta = 0 and rate = 1; a limited rate exceeds it, and so does
    the start and stop of a forced tail, by up to 2 beta alpha / U.

    References
    ----------
    Lechowicz et al. (2023), arXiv:2310.20598; El-Yaniv et al. (2001), doi:10.1007/s00453-001-0003-0.

    Examples
    --------
    >>> rule = Roro(low=100.0, high=300.0)
    >>> rule.run([250.0, 180.0, 150.0, 290.0]).round(4)  # phi falls to 180 at 0.2177, to 150 at 0.5595
    array([0.    , 0.2177, 0.3417, 0.4405])
    """

    low: float
    high: float
    switching_cost: float = 0.0
    rate: float = 1.0
    sources: ClassVar[tuple[str, ...]] = ("lechowicz2023conversion", "elyaniv2001")

    def __post_init__(self) -> None:
        check_rate(self.rate)
        self.curve.value(0.0)

    @cached_property
    def curve(self) -> ConversionCurve:
        """The threshold curve phi."""
        cost = self.switching_cost
        return ConversionCurve(low=self.low, high=self.high, distance=cost, toggle=cost)

    def targets(self, prices: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Progress up to which a price is worth a higher rate, and worth the present one; each of shape ``(T,)``."""
        beta = self.switching_cost
        return self.curve.progress(prices + beta), self.curve.progress(prices - beta)

    def init(self, slots: int, *, share: float = 0.0) -> ConversionState:
        """State before the first of ``slots`` slots.

        Raises
        ------
        PolicyError
            If the work does not fit.
        """
        if slots * self.rate < 1.0 - 1e-9:
            raise PolicyError(
                f"{slots} slots at a rate of {self.rate:g} do {slots * self.rate:g} of the work; "
                "move the deadline or raise the rate"
            )
        return ConversionState(slots, 0.0, share)

    def step(self, price: float, state: ConversionState) -> tuple[ConversionState, float]:
        """Decide one slot: the state after it and its share of the work.

        Raises
        ------
        PolicyError
            If the price is not finite or the deadline has passed.
        """
        if not np.isfinite(price):
            raise PolicyError(f"price {price} is not finite; fill the gap before the rule sees it")
        if state.slots_left < 1:
            raise PolicyError("the deadline has passed: 0 slots are left; begin anew with init()")
        left = 1.0 - state.done
        most = min(self.rate, max(left, 0.0))
        if (state.slots_left - 1) * self.rate < left - 1e-9 * self.rate:
            share = most
        else:
            up, down = (float(part) - state.done for part in self.targets(np.asarray(price)))
            share = min(max(min(max(state.share, up), down), 0.0), most)
        return ConversionState(state.slots_left - 1, state.done + share, share), share

    def run(self, prices: ArrayLike, *, share: float = 0.0) -> FloatArray:
        """Share of the work in each slot, shape ``(T,)``; the deadline is the end of ``prices``.

        Raises
        ------
        PolicyError
            If a price is not finite or the work does not fit.
        """
        values = checked_prices(prices, slots_needed=1.0 / self.rate)
        return np.asarray(kernels.conversion_run(*self.targets(values), self.rate, share))

    def costs(self, trace: ArrayLike, *, starts: ArrayLike, slots: int) -> FloatArray:
        """Cost of the job from each start with a deadline ``slots`` later, per share of work, shape ``(starts,)``.

        Raises
        ------
        PolicyError
            If a price is not finite, a window leaves the trace, or the work does not fit into it.
        """
        values = checked_prices(trace, slots_needed=slots)
        self.init(slots)
        first = checked_starts(starts, slots=slots, size=values.size)
        found = kernels.conversion_costs(values, first, slots, *self.targets(values), self.rate, self.switching_cost)
        return np.asarray(found)

    def guarantee(self) -> Guarantee:
        """Published and provable ratio."""
        return Guarantee(
            published=self.curve.eta,
            provable=self.curve.provable_ratio(self.rate),
            holds="low <= price <= high, the same rate limit in every slot, off before and after",
            sources=self.sources,
        )

    def ratio(self) -> float:
        """The provable competitive ratio."""
        return self.curve.provable_ratio(self.rate)


@dataclass(frozen=True, kw_only=True)
class RoroAdvice:
    """A mixture of advice and RORO: lambda times the advised share plus 1 - lambda times RORO's own.

    Attributes
    ----------
    rule : Roro
        The robust part.
    trust : float
        lambda in [0, 1].

    Notes
    -----
    The cost is convex in the shares, so that of the mixture is at most lambda times that of the advice plus 1 - lambda
    times that of RORO. With optimal advice the ratio is thus at most lambda + (1 - lambda) rho, with any advice at most
    lambda (U + 2 beta)/L + (1 - lambda) rho, where rho is RORO's provable ratio.

    References
    ----------
    Lechowicz et al. (2023), arXiv:2310.20598.

    Examples
    --------
    >>> mix = RoroAdvice(rule=Roro(low=1.0, high=4.0), trust=1.0)
    >>> mix.run([3.0, 2.0, 1.0], [0.0, 0.0, 1.0])
    array([0., 0., 1.])
    """

    rule: Roro
    trust: float
    sources: ClassVar[tuple[str, ...]] = ("lechowicz2023conversion",)

    def __post_init__(self) -> None:
        if not 0.0 <= self.trust <= 1.0:
            raise PolicyError(f"trust is {self.trust:g}; it must lie within 0 (only RORO) and 1 (only the advice)")

    def init(self, slots: int) -> ConversionState:
        """State of the robust part before the first of ``slots`` slots."""
        return self.rule.init(slots)

    def step(self, price: float, advised: float, state: ConversionState) -> tuple[ConversionState, float]:
        """Decide one slot from its price and the advised share."""
        state, share = self.rule.step(price, state)
        return state, self.trust * advised + (1.0 - self.trust) * share

    def run(self, prices: ArrayLike, advice: ArrayLike) -> FloatArray:
        """Shares of the mixture, shape ``(T,)``.

        Raises
        ------
        PolicyError
            If the advice is not a way to do the work at the rate.
        """
        advised = checked_advice(advice, rate=self.rule.rate, slots=np.size(prices))
        return self.trust * advised + (1.0 - self.trust) * self.rule.run(prices)

    def consistency(self) -> float:
        """Ratio with optimal advice."""
        return self.trust + (1.0 - self.trust) * self.rule.ratio()

    def ratio(self) -> float:
        """Ratio with any advice (robustness)."""
        worst = (self.rule.high + 2.0 * self.rule.switching_cost) / self.rule.low
        return self.trust * worst + (1.0 - self.trust) * self.rule.ratio()

    def guarantee(self) -> Guarantee:
        """Robustness; the published form was not checked."""
        holds = f"any advice; with optimal advice the ratio is {self.consistency():.4g}"
        return Guarantee(published=None, provable=self.ratio(), holds=holds, sources=self.sources)


def checked_advice(advice: ArrayLike, *, rate: float, slots: int) -> FloatArray:
    """Advised shares, shape ``(T,)``.

    Raises
    ------
    PolicyError
        If the shape is wrong, a share is outside [0, rate] or they do not add up to 1.
    """
    shares = np.asarray(advice, dtype=float)
    if shares.shape != (slots,):
        raise PolicyError(f"advice has shape {shares.shape}; give one share per slot, shape ({slots},)")
    if not (np.all(shares >= -1e-9) and np.all(shares <= rate + 1e-9) and abs(shares.sum() - 1.0) < 1e-6):
        raise PolicyError(
            f"advised shares lie within {shares.min():g} to {shares.max():g} and add up to {shares.sum():g}; "
            f"they must lie within 0 to {rate:g} and add up to 1"
        )
    return shares
