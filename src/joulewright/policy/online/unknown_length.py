"""A job whose length is only predicted: RORO on the prediction, with room kept for the longest it may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from joulewright.errors import PolicyError
from joulewright.model.timeline import FloatArray
from joulewright.policy.online.conversion import Roro
from joulewright.policy.online.guarantee import Guarantee, checked_prices


class LengthState(NamedTuple):
    """Slots left, slots of work done, rate of the last slot, and the present estimate of the length [slots]."""

    slots_left: int
    done: float
    rate: float
    estimate: float


@dataclass(frozen=True, kw_only=True)
class UnknownLength:
    """Run RORO for the predicted length; at full rate once only the longest length still fits.

    Attributes
    ----------
    low, high, switching_cost : float
        L, U and beta of RORO [price].
    predicted, longest : float
        Predicted and largest length, 0 < predicted <= longest [slots at full rate].
    growth : float
        Factor on the estimate each time the job outlasts it.

    Notes
    -----
    Follows the idea of LACS, whose thresholds are not reproduced here; this rule is ours, and no ratio is proved. It
    always ends in time for any length up to ``longest``, and with ``predicted = longest`` it is RORO. Information used:
    prices up to now, both lengths, and whether the job has ended.

    References
    ----------
    Bostandoost et al. (2024), arXiv:2404.15211, for the problem.

    Examples
    --------
    >>> rule = UnknownLength(low=1.0, high=9.0, predicted=1.0, longest=2.0)
    >>> rule.run([9.0, 1.0, 9.0, 9.0], length=2.0)
    array([0., 1., 0., 1.])
    """

    low: float
    high: float
    switching_cost: float = 0.0
    predicted: float
    longest: float
    growth: float = 2.0
    sources: ClassVar[tuple[str, ...]] = ("bostandoost2024", "lechowicz2023conversion")

    def __post_init__(self) -> None:
        if not (0.0 < self.predicted <= self.longest and self.growth > 1.0):
            raise PolicyError(
                f"predicted {self.predicted:g}, longest {self.longest:g}, growth {self.growth:g}: "
                "need 0 < predicted <= longest and growth above 1"
            )
        self._rule(self.predicted)

    def _rule(self, estimate: float) -> Roro:
        rate = min(1.0 / estimate, 1.0)
        return Roro(low=self.low, high=self.high, switching_cost=self.switching_cost, rate=rate)

    def init(self, slots: int) -> LengthState:
        """State before the first of ``slots`` slots.

        Raises
        ------
        PolicyError
            If the longest length does not fit.
        """
        if slots < self.longest - 1e-9:
            raise PolicyError(f"longest is {self.longest:g} slots and only {slots} are left; move the deadline")
        return LengthState(slots, 0.0, 0.0, self.predicted)

    def step(self, price: float, state: LengthState) -> tuple[LengthState, float]:
        """Decide one slot while the job has not ended: the state after it and the rate in [0, 1]."""
        if not np.isfinite(price) or state.slots_left < 1:
            raise PolicyError(
                f"price {price} with {state.slots_left} slots left; give a finite price before the deadline"
            )
        estimate = state.estimate
        while state.done >= estimate - 1e-9 and estimate < self.longest:
            estimate = min(estimate * self.growth, self.longest)
        if state.slots_left - 1 < self.longest - state.done - 1e-9:
            rate = min(1.0, max(self.longest - state.done, 0.0))
        else:
            rule = self._rule(estimate)
            up, down = (float(part) * estimate - state.done for part in rule.targets(np.asarray(price)))
            rate = min(max(min(max(state.rate, up), down), 0.0), 1.0, estimate - state.done)
        return _after(state, rate, estimate), rate

    def run(self, prices: ArrayLike, *, length: float) -> FloatArray:
        """Rate in each slot, shape ``(T,)``, of a job that turns out to take ``length`` slots.

        Raises
        ------
        PolicyError
            If the length is above ``longest`` or a price is not finite.
        """
        values = checked_prices(prices, slots_needed=self.longest)
        if not 0.0 < length <= self.longest + 1e-9:
            raise PolicyError(f"length is {length:g} slots; it must be above 0 and at most longest = {self.longest:g}")
        state, rates = self.init(values.size), np.zeros(values.size)
        for slot, price in enumerate(values):
            if state.done >= length - 1e-12:
                break
            after, rate = self.step(float(price), state)
            rates[slot] = min(rate, length - state.done)
            state = _after(state, float(rates[slot]), after.estimate)
        return rates

    def guarantee(self) -> Guarantee:
        """None is proved."""
        return Guarantee(
            published=None, provable=None, holds="our own rule; it only ends in time", sources=self.sources
        )


def _after(state: LengthState, rate: float, estimate: float) -> LengthState:
    """State after a slot at a rate."""
    return LengthState(state.slots_left - 1, state.done + rate, rate, estimate)
