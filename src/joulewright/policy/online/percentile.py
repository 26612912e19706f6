"""Run while the signal is low against its own forecast: the percentile rule of Ecovisor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from joulewright.errors import PolicyError
from joulewright.model.timeline import BoolArray
from joulewright.policy.online.guarantee import check_work, checked_prices


class PercentileState(NamedTuple):
    """Threshold, units done and slots waited."""

    threshold: float
    done: int
    waited: int


@dataclass(frozen=True, kw_only=True)
class PercentileRule:
    """Run in a slot below a percentile of the forecast at arrival, and in every slot once the waiting is used up.

    Attributes
    ----------
    work : int
        Units of work, one per slot.
    most_waiting : int
        Slots that the job may wait in total.
    percentile : float
        Within 0 to 100.

    Notes
    -----
    A flat forecast lies nowhere below its percentile, so that the job waits as long as it may. No ratio is proved.

    References
    ----------
    Souza et al. (2023), doi:10.1145/3575693.3575709.

    Examples
    --------
    >>> rule = PercentileRule(work=2, most_waiting=2, percentile=50.0)
    >>> rule.run([5.0, 1.0, 9.0, 1.0], forecast=[5.0, 1.0, 9.0, 1.0]).astype(int)  # median 3
    array([0, 1, 0, 1])
    """

    work: int
    most_waiting: int
    percentile: float = 30.0
    sources: ClassVar[tuple[str, ...]] = ("souza2023",)

    def __post_init__(self) -> None:
        check_work(self.work)
        if not (0.0 <= self.percentile <= 100.0 and self.most_waiting >= 0):
            raise PolicyError(
                f"percentile is {self.percentile:g} and most_waiting {self.most_waiting}; "
                "they must lie within 0 to 100 and be at least 0"
            )

    def init(self, forecast: ArrayLike) -> PercentileState:
        """State at arrival, from the forecast the percentile is taken of."""
        return PercentileState(float(np.percentile(checked_prices(forecast), self.percentile)), 0, 0)

    def step(self, price: float, state: PercentileState) -> tuple[PercentileState, bool]:
        """Decide one slot."""
        if state.done == self.work:
            return state, False
        runs = price < state.threshold or state.waited >= self.most_waiting
        return PercentileState(state.threshold, state.done + runs, state.waited + (not runs)), runs

    def run(self, prices: ArrayLike, *, forecast: ArrayLike) -> BoolArray:
        """Slots in which the job runs, shape ``(T,)``.

        Raises
        ------
        PolicyError
            If a price is not finite or there are fewer slots than work and waiting.
        """
        values = checked_prices(prices, slots_needed=self.work)
        low = values < self.init(forecast).threshold
        waits = np.cumsum(~low)
        runs = low | (waits > self.most_waiting)
        chosen = np.asarray(runs & (np.cumsum(runs) <= self.work))
        if int(chosen.sum()) < self.work:
            raise PolicyError(
                f"{self.work} units of work and {self.most_waiting} slots of waiting do not fit "
                f"into {values.size} slots"
            )
        return chosen
