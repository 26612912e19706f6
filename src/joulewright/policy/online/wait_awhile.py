"""Wait-Awhile: pause in the dirtiest slots, or run once in the cleanest window, on a forecast up to the deadline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from joulewright.errors import PolicyError
from joulewright.model.timeline import BoolArray, FloatArray
from joulewright.policy.online import kernels
from joulewright.policy.online.exact import cheapest_slots, checked_starts
from joulewright.policy.online.guarantee import check_work, checked_prices


class PlanState(NamedTuple):
    """Slots that were chosen, and how many of them have passed."""

    runs: BoolArray
    slot: int


@dataclass(frozen=True, kw_only=True)
class WaitAwhile:
    """Run in the ``work`` cheapest slots before the deadline, or in the cheapest window without a break.

    Attributes
    ----------
    work : int
        Units of work, one per slot.
    interruptible : bool
        Whether the job may pause.

    Notes
    -----
    Information used: a forecast of every slot up to the deadline. With a perfect one this is the optimum without
    switching cost; with any other there is no guarantee. Equal slots or windows: the earliest.

    References
    ----------
    Wiesner et al. (2021), doi:10.1145/3464298.3493399.

    Examples
    --------
    >>> WaitAwhile(work=2).run([5.0, 1.0, 9.0, 1.0]).astype(int)
    array([0, 1, 0, 1])
    >>> WaitAwhile(work=2, interruptible=False).run([5.0, 1.0, 9.0, 1.0]).astype(int)
    array([1, 1, 0, 0])
    """

    work: int
    interruptible: bool = True
    sources: ClassVar[tuple[str, ...]] = ("wiesner2021",)

    def __post_init__(self) -> None:
        check_work(self.work)

    def init(self, forecast: ArrayLike) -> PlanState:
        """Choose the slots from a forecast of shape ``(T,)``."""
        return PlanState(self.run(forecast), 0)

    def step(self, price: float, state: PlanState) -> tuple[PlanState, bool]:
        """Decide one slot; the price seen changes nothing.

        Raises
        ------
        PolicyError
            If the deadline has passed.
        """
        if state.slot >= state.runs.size:
            raise PolicyError(f"the deadline after {state.runs.size} slots has passed; begin anew with init()")
        return state._replace(slot=state.slot + 1), bool(state.runs[state.slot])

    def run(self, forecast: ArrayLike) -> BoolArray:
        """Slots in which the job runs, shape ``(T,)``.

        Raises
        ------
        PolicyError
            If a price is not finite or the work does not fit.
        """
        if self.interruptible:
            return cheapest_slots(forecast, self.work)
        values = checked_prices(forecast, slots_needed=self.work)
        first = int(np.argmin(window_sums(values, self.work)))
        slots = np.arange(values.size)
        return np.asarray((slots >= first) & (slots < first + self.work))

    def costs(self, trace: ArrayLike, *, starts: ArrayLike, slots: int) -> FloatArray:
        """Cost of the job from each start with a deadline ``slots`` later, shape ``(starts,)``.

        Raises
        ------
        PolicyError
            If a price is not finite, a window leaves the trace, or the work does not fit into it.
        """
        if self.interruptible:
            return cheapest_costs(trace, starts=starts, slots=slots, works=[self.work])[:, 0]
        values = checked_prices(trace, slots_needed=slots)
        _check_fit(self.work, slots)
        first = checked_starts(starts, slots=slots, size=values.size)
        sums = window_sums(values, self.work)
        views = np.lib.stride_tricks.sliding_window_view(sums, slots - self.work + 1)
        return np.asarray(views.min(axis=1)[first])


def window_sums(values: FloatArray, work: int) -> FloatArray:
    """Sum of each window of ``work`` slots, shape ``(T - work + 1,)``.

    Examples
    --------
    >>> window_sums(np.array([5.0, 1.0, 9.0]), 2)
    array([ 6., 10.])
    """
    return np.asarray(np.lib.stride_tricks.sliding_window_view(values, work).sum(axis=1))


def cheapest_costs(trace: ArrayLike, *, starts: ArrayLike, slots: int, works: ArrayLike) -> FloatArray:
    """Sum of the cheapest slots of each window for many amounts of work at once, shape ``(starts, works)``.

    Parameters
    ----------
    trace : array
        Price or carbon intensity, shape ``(N,)``.
    starts : array of int
        First slots of the windows.
    slots : int
        Length of a window.
    works : array of int
        Units of work of each job.

    Examples
    --------
    >>> cheapest_costs([5.0, 1.0, 9.0, 1.0], starts=[0, 1], slots=3, works=[1, 2])
    array([[1., 6.],
           [1., 2.]])
    """
    values = checked_prices(trace, slots_needed=slots)
    units = np.ascontiguousarray(works, dtype=np.int64)
    check_work(int(units.min(initial=1)))
    _check_fit(int(units.max(initial=1)), slots)
    first = checked_starts(starts, slots=slots, size=values.size)
    return np.asarray(kernels.cheapest_costs(values, first, slots, units))


def _check_fit(work: int, slots: int) -> None:
    if work > slots:
        raise PolicyError(f"{work} slots of work do not fit into windows of {slots} slots; move the deadline")
