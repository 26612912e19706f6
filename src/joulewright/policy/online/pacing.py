"""Carbon budget pacing: a price per unit of budget decides admission, so that the budget lasts the whole period."""

from __future__ import annotations

import abc
import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from joulewright.errors import PolicyError
from joulewright.model.timeline import BoolArray, FloatArray


class AbstractReferenceFunction(abc.ABC):
    """A separable, strictly convex function h of the price, given by its derivative and the inverse of that."""

    @abc.abstractmethod
    def derivative(self, price: FloatArray) -> FloatArray:
        """h'(price), elementwise."""

    @abc.abstractmethod
    def inverse_derivative(self, value: FloatArray) -> FloatArray:
        """Price at which h' has a value, elementwise."""


@dataclass(frozen=True)
class Entropy(AbstractReferenceFunction):
    """h = sum mu log mu: prices change by factors; the first must be above 0."""

    def derivative(self, price: FloatArray) -> FloatArray:
        """1 + log mu."""
        return np.asarray(1.0 + np.log(price))

    def inverse_derivative(self, value: FloatArray) -> FloatArray:
        """exp(value - 1)."""
        return np.asarray(np.exp(value - 1.0))


@dataclass(frozen=True)
class Euclidean(AbstractReferenceFunction):
    """h = |mu|^2 / 2: prices change by differences."""

    def derivative(self, price: FloatArray) -> FloatArray:
        """mu."""
        return price

    def inverse_derivative(self, value: FloatArray) -> FloatArray:
        """The value itself."""
        return value


def bregman_step(
    reference: AbstractReferenceFunction, price: FloatArray, gradient: FloatArray, learning_rate: float
) -> FloatArray:
    """``argmin over mu >= 0 of gradient . mu + V_h(mu, price) / learning_rate``, for any separable h.

    V_h is the Bregman divergence of h. Each component is minimised where ``h'(mu) = h'(price) - learning_rate
    gradient``, or at 0 where that is negative, since the objective is convex in it.

    Examples
    --------
    >>> bregman_step(Euclidean(), np.array([1.0]), np.array([0.4]), 0.5)
    array([0.8])
    >>> bregman_step(Entropy(), np.array([1.0]), np.array([0.6]), 0.5).round(9)  # exp(-0.3)
    array([0.74081822])
    """
    return np.maximum(reference.inverse_derivative(reference.derivative(price) - learning_rate * gradient), 0.0)


class PacingState(NamedTuple):
    """Price of each budget and what is left of it, shape ``(B,)``."""

    price: FloatArray
    left: FloatArray


class PacingResult(NamedTuple):
    """What was accepted, shape ``(T,)``, the reward, what was spent, and the prices over time."""

    accepted: BoolArray
    reward: float
    spent: FloatArray
    prices: FloatArray


@dataclass(frozen=True, kw_only=True, eq=False)
class DualMirrorDescent:
    """Accept a request when it is worth more than its use of the budgets at their prices.

    Attributes
    ----------
    per_period : FloatArray
        rho: mean budget per request, shape ``(B,)``; the whole budget is rho times ``periods`` [any].
    periods : int
        T: requests in the accounting period.
    first_price : float
        Price of every budget before the first request.
    learning_rate : float or None
        eta; None for 1/sqrt(T). Scale uses to a mean of about 1 first.
    reference : AbstractReferenceFunction
        Entropy (default) or Euclidean, or any other.

    Notes
    -----
    The price moves with what a request would have used if wanted, even where the budget blocks it: ``g = rho - b``.
    Guarantee: no budget is ever exceeded. The published regret is O(sqrt T) for independent, equally distributed
    requests and asymptotically max(b/rho, 1)-competitive against an adversary [constants not checked]. Over-relaxed
    steps only rescale the learning rate here and are not offered.

    References
    ----------
    Balseiro, Lu and Mirrokni (2020), arXiv:2011.10124.

    Examples
    --------
    >>> rule = DualMirrorDescent(per_period=np.array([0.6]), periods=6, learning_rate=0.5)
    >>> found = rule.run([1.0, 0.5, 2.0, 0.8, 1.5, 0.3], [1.0, 2.0, 1.0, 0.5, 2.0, 1.0])
    >>> found.accepted.nonzero()[0], round(found.reward, 9), found.spent
    (array([2, 3, 4]), 4.3, array([3.5]))
    """

    per_period: FloatArray
    periods: int
    first_price: float = 1.0
    learning_rate: float | None = None
    reference: AbstractReferenceFunction = Entropy()
    sources: ClassVar[tuple[str, ...]] = ("balseiro2020",)

    def __post_init__(self) -> None:
        budget = np.asarray(self.per_period, dtype=float)
        if budget.ndim != 1 or not np.all(budget > 0.0) or self.periods < 1:
            raise PolicyError(
                f"per_period is {budget.tolist()} and periods {self.periods}; give budgets above 0, shape (B,), "
                "and at least one period"
            )
        if not (math.isfinite(self.first_price) and self.first_price > 0.0):
            raise PolicyError(f"first_price is {self.first_price:g}; it must be above 0 (an entropic price stays at 0)")
        if self.learning_rate is not None and not self.learning_rate > 0.0:
            raise PolicyError(f"learning_rate is {self.learning_rate:g}; it must be above 0")

    @property
    def step_size(self) -> float:
        """eta."""
        return 1.0 / math.sqrt(self.periods) if self.learning_rate is None else self.learning_rate

    def init(self) -> PacingState:
        """State before the first request."""
        budget = np.asarray(self.per_period, dtype=float)
        return PacingState(np.full(budget.size, self.first_price), budget * self.periods)

    def step(self, value: float, uses: ArrayLike, state: PacingState) -> tuple[PacingState, bool]:
        """Decide a request: the state after it, and whether it is accepted.

        Parameters
        ----------
        value : float
            Worth of the request.
        uses : array
            Use of each budget, shape ``(B,)``.

        Raises
        ------
        PolicyError
            If a value or use is not finite or a use is negative.
        """
        needed = np.atleast_1d(np.asarray(uses, dtype=float))
        if needed.shape != state.left.shape or not (np.all(needed >= 0.0) and np.all(np.isfinite([value, *needed]))):
            raise PolicyError(
                f"a request of value {value} uses {needed.tolist()}; give {state.left.size} finite uses of at least 0"
            )
        wanted = bool(value - np.dot(state.price, needed) > 0.0)
        accepted = wanted and bool(np.all(needed <= state.left))
        gradient = np.asarray(self.per_period, dtype=float) - needed * wanted
        price = bregman_step(self.reference, state.price, gradient, self.step_size)
        return PacingState(price, state.left - needed * accepted), accepted

    def run(self, values: ArrayLike, uses: ArrayLike) -> PacingResult:
        """Decide requests in order; ``values`` of shape ``(T,)``, ``uses`` of shape ``(T,)`` or ``(T, B)``.

        Raises
        ------
        PolicyError
            If there are more requests than periods.
        """
        worth = np.asarray(values, dtype=float)
        needed = np.asarray(uses, dtype=float).reshape(worth.size, -1)
        if worth.size > self.periods:
            raise PolicyError(f"{worth.size} requests in {self.periods} periods; raise periods or begin a new period")
        state = self.init()
        accepted, prices = np.zeros(worth.size, dtype=bool), [state.price]
        for index, (value, use) in enumerate(zip(worth, needed)):
            state, accepted[index] = self.step(float(value), use, state)
            prices.append(state.price)
        return PacingResult(accepted, float(worth[accepted].sum()), needed[accepted].sum(axis=0), np.array(prices))
