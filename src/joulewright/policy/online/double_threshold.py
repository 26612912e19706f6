"""Rules with one threshold for a job that rests and one for a job that runs, both by units of work done."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from joulewright.errors import PolicyError
from joulewright.model.timeline import BoolArray, FloatArray
from joulewright.policy.online import kernels
from joulewright.policy.online.exact import checked_starts
from joulewright.policy.online.guarantee import Guarantee, checked_prices

Sense = Literal["min", "max"]


class ThresholdState(NamedTuple):
    """Where a job stands: slots left until the deadline, units done, and whether it ran in the last slot."""

    slots_left: int
    done: int
    running: bool


@dataclass(frozen=True, kw_only=True)
class AbstractThresholdRule(abc.ABC):
    """Runs a unit of work in a slot whose price is within a threshold, and in every slot once only the needed ones
    are left.

    Attributes
    ----------
    low, high : float
        Bounds of the price, 0 < low <= high [price].
    work : int
        Units of work k, one per slot.
    sense : {"min", "max"}
        Whether prices are costs or gains.

    Notes
    -----
    Information used: prices up to now, the two bounds, the work and the deadline. Prices outside the bounds are served
    by the same thresholds; the guarantee then does not hold.
    """

    low: float
    high: float
    work: int
    sense: Sense = "min"
    sources: ClassVar[tuple[str, ...]] = ()

    @property
    @abc.abstractmethod
    def cost_of_switching(self) -> float:
        """Cost of each start and each stop [price times slot]."""

    @abc.abstractmethod
    def idle_thresholds(self) -> FloatArray:
        """Threshold of each unit while the job rests, shape ``(k,)``."""

    @abc.abstractmethod
    def running_thresholds(self) -> FloatArray:
        """Threshold of each unit while the job runs, shape ``(k,)``."""

    @abc.abstractmethod
    def guarantee(self) -> Guarantee:
        """Published and provable competitive ratio."""

    def init(self, slots: int, *, running: bool = False) -> ThresholdState:
        """State before the first of ``slots`` slots.

        Raises
        ------
        PolicyError
            If the deadline comes before the work can end.
        """
        if slots < self.work:
            raise PolicyError(
                f"{self.work} slots of work do not fit into {slots} slots; move the deadline or take work away"
            )
        return ThresholdState(slots, 0, running)

    def step(self, price: float, state: ThresholdState) -> tuple[ThresholdState, bool]:
        """Decide one slot: the state after it, and whether the job runs in it.

        Raises
        ------
        PolicyError
            If the price is not finite or the deadline has passed.
        """
        if not np.isfinite(price):
            raise PolicyError(f"price {price} is not finite; fill the gap before the rule sees it")
        if state.slots_left < 1:
            raise PolicyError("the deadline has passed: 0 slots are left; begin anew with init()")
        if state.done == self.work:
            return state._replace(slots_left=state.slots_left - 1, running=False), False
        runs = state.slots_left <= self.work - state.done or self._accepts(price, state)
        return ThresholdState(state.slots_left - 1, state.done + runs, runs), runs

    def _accepts(self, price: float, state: ThresholdState) -> bool:
        limits = self.running_thresholds() if state.running else self.idle_thresholds()
        return bool(self._sign * price <= self._sign * limits[state.done])

    @property
    def _sign(self) -> float:
        return 1.0 if self.sense == "min" else -1.0

    def run(self, prices: ArrayLike, *, running: bool = False) -> BoolArray:
        """Slots in which the job runs, shape ``(T,)``; the deadline is the end of ``prices``.

        Raises
        ------
        PolicyError
            If a price is not finite or there are fewer slots than units of work.
        """
        values = checked_prices(prices, slots_needed=self.work)
        sign = self._sign
        idle, on = sign * self.idle_thresholds(), sign * self.running_thresholds()
        return np.asarray(kernels.threshold_run(sign * values, idle, on, running), dtype=bool)

    def costs(self, trace: ArrayLike, *, starts: ArrayLike, slots: int) -> FloatArray:
        """Cost of the job from each start with a deadline ``slots`` later, switching included, shape ``(starts,)``.

        With ``sense="max"`` the profit: prices less switching.

        Raises
        ------
        PolicyError
            If a price is not finite, a window leaves the trace, or the work does not fit into it.
        """
        values = checked_prices(trace, slots_needed=slots)
        self.init(slots)
        first = checked_starts(starts, slots=slots, size=values.size)
        sign = self._sign
        idle, on = sign * self.idle_thresholds(), sign * self.running_thresholds()
        return sign * kernels.threshold_costs(sign * values, first, slots, idle, on, self.cost_of_switching)

    def ratio(self) -> float:
        """The provable competitive ratio.

        Raises
        ------
        PolicyError
            If none is proved.
        """
        found = self.guarantee()
        if found.provable is None:
            raise PolicyError(f"no ratio of {type(self).__name__} is proved: {found.holds}")
        return found.provable
