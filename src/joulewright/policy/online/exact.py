"""Exact optima that online costs are measured against."""

from __future__ import annotations

from typing import NamedTuple

import highspy
import numpy as np
from numpy.typing import ArrayLike, NDArray

from joulewright.errors import PolicyError, SolverError
from joulewright.model.timeline import BoolArray, FloatArray
from joulewright.plan.program import Builder, Program, Term
from joulewright.plan.solver import LinearSolution, pass_program, read_solution
from joulewright.policy.online import kernels
from joulewright.policy.online.guarantee import check_work, checked_prices


class ExactRuns(NamedTuple):
    """Least cost (or greatest profit) and the slots that attain it, shape ``(T,)``."""

    cost: float
    runs: BoolArray


class ExactShares(NamedTuple):
    """Least cost and the shares that attain it, shape ``(T,)``."""

    cost: float
    shares: FloatArray


def checked_starts(starts: ArrayLike, *, slots: int, size: int) -> NDArray[np.int64]:
    """First slots of windows as integers, shape ``(starts,)``.

    Raises
    ------
    PolicyError
        If a window begins before slot 0 or ends after slot ``size``.
    """
    first = np.ascontiguousarray(starts, dtype=np.int64)
    if first.size and (first.min() < 0 or first.max() + slots > size):
        raise PolicyError(
            f"windows of {slots} slots begin in {first.min()} to {first.max()}; "
            f"a trace of {size} slots allows 0 to {size - slots}"
        )
    return first


def exact_pause_resume(
    prices: ArrayLike, *, work: int, switching_cost: float = 0.0, maximize: bool = False, running: bool = False
) -> ExactRuns:
    """Cheapest ``work`` slots when each start and each stop costs ``switching_cost``, by dynamic programming.

    Parameters
    ----------
    prices : array
        Shape ``(T,)`` [price].
    work : int
        Slots to run.
    switching_cost : float
        [price times slot]
    maximize : bool
        Whether prices are gains; then the profit less switching is maximised.
    running : bool
        Whether the job already runs before the first slot.

    Raises
    ------
    PolicyError
        If the work does not fit or a price is not finite.

    Notes
    -----
    ``D[t+1][j+y][y] = min over s of D[t][j][s] + y c_t + beta |y - s|``; time O(T k).

    Examples
    --------
    >>> exact_pause_resume([5.0, 1.0, 9.0, 1.0], work=2).cost
    2.0
    >>> exact_pause_resume([5.0, 1.0, 9.0, 1.0], work=2, switching_cost=3.0)  # 5 + 1 in one go: 2 switches of 3
    ExactRuns(cost=12.0, runs=array([ True,  True, False, False]))
    """
    check_work(work)
    values = checked_prices(prices, slots_needed=work)
    if not switching_cost >= 0.0:
        raise PolicyError(f"switching_cost is {switching_cost:g}; it must be at least 0")
    sign = -1.0 if maximize else 1.0
    _, came = kernels.pause_resume_table(sign * values, work, switching_cost, running)
    cost, runs = _walk_back(sign * values, came, work=work, switching_cost=switching_cost, running=running)
    return ExactRuns(sign * cost, runs)


def _walk_back(
    values: FloatArray, came: NDArray[np.uint8], *, work: int, switching_cost: float, running: bool
) -> tuple[float, BoolArray]:
    """The better of both ends, its runs and its cost added up anew."""
    best = (np.inf, np.zeros(values.size, dtype=bool))
    for state in (0, 1):
        runs = np.zeros(values.size, dtype=bool)
        done, now = work, state
        for slot in range(values.size - 1, -1, -1):
            runs[slot] = now == 1
            came_from = int(came[slot, done, now])
            done -= now
            now = came_from
        if done == 0 and now == int(running):
            best = min(best, (run_cost(values, runs, switching_cost, running=running), runs), key=lambda item: item[0])
    return best


def run_cost(prices: ArrayLike, shares: ArrayLike, switching_cost: float, *, running: float = 0.0) -> float:
    """Cost of running: prices times shares, plus the switching cost of every change, the last stop included.

    Examples
    --------
    >>> run_cost([5.0, 1.0, 9.0, 1.0], [0, 1, 0, 1], 3.0)  # 2 + 4 * 3
    14.0
    """
    taken = np.asarray(shares, dtype=float)
    moved = np.abs(np.diff(taken, prepend=float(running), append=0.0)).sum()
    return float(np.dot(np.asarray(prices, dtype=float), taken) + switching_cost * moved)


def cheapest_slots(prices: ArrayLike, work: int) -> BoolArray:
    """The ``work`` cheapest slots, the earliest of equal ones: the optimum when pausing costs nothing.

    Examples
    --------
    >>> cheapest_slots([5.0, 1.0, 9.0, 1.0, 1.0], 2).astype(int)
    array([0, 1, 0, 1, 0])
    """
    check_work(work)
    values = checked_prices(prices, slots_needed=work)
    runs = np.zeros(values.size, dtype=bool)
    runs[np.argsort(values, kind="stable")[:work]] = True
    return runs


def solve(program: Program, *, integer: bool = False) -> LinearSolution:
    """Optimal solution of a program by HiGHS.

    Raises
    ------
    SolverError
        If HiGHS does not prove optimality.
    """
    highs = pass_program(program, integer=integer, options={"threads": 1})
    highs.run()
    found = read_solution(highs)
    if not found.optimal:
        raise SolverError(f"HiGHS ended with {found.status}; expected Optimal")
    return found


def slot_label(slot: int) -> str:
    """Label of a slot in the names of rows and columns."""
    return str(slot)


class ConversionProgram:
    """Exact optimum of conversion with switching cost over ``slots`` slots: one linear program, new prices in place.

    min sum c_t x_t + beta sum |x_t - x_{t-1}| with sum x_t = 1 and 0 <= x_t <= rate; x is 0 before and after.

    Parameters
    ----------
    slots : int
        Number of slots T.
    switching_cost : float
        beta [price times share].
    rate : float
        Largest share of the work in one slot.

    Examples
    --------
    >>> program = ConversionProgram(3, switching_cost=1.0, rate=0.5)
    >>> round(program.solve([4.0, 2.0, 8.0]).cost, 9)  # 0.5 * (4 + 2) + 2 * 0.5 * 1
    4.0
    """

    def __init__(self, slots: int, *, switching_cost: float, rate: float = 1.0) -> None:
        if not (slots >= 1 and rate > 0.0 and slots * rate >= 1.0 - 1e-9 and switching_cost >= 0.0):
            raise PolicyError(
                f"{slots} slots at a rate of {rate:g} with switching_cost {switching_cost:g}: "
                "slots times rate must reach 1 and the cost must be at least 0"
            )
        builder = Builder()
        self._shares = builder.variable("share", slots, slot_label, upper=min(rate, 1.0))
        moved = [
            builder.variable(name, slots + 1, slot_label, upper=1.0, cost=switching_cost) for name in ("up", "down")
        ]
        slot = np.arange(slots)
        terms = [Term(np.arange(slots + 1), moved[0].index, -1.0), Term(np.arange(slots + 1), moved[1].index, 1.0)]
        terms += [Term(slot, self._shares.index, 1.0), Term(slot + 1, self._shares.index, -1.0)]
        builder.add_rows("change", slots + 1, slot_label, terms, lower=0.0, upper=0.0)
        builder.add_rows("work", 1, slot_label, [Term(0, self._shares.index, 1.0)], lower=1.0, upper=1.0)
        self._highs = pass_program(builder.compile(), options={"threads": 1})

    def solve(self, prices: ArrayLike) -> ExactShares:
        """Optimum for prices of shape ``(T,)``.

        Raises
        ------
        PolicyError
            If there are more or fewer prices than slots.
        SolverError
            If HiGHS fails.
        """
        values = checked_prices(prices)
        if values.size != self._shares.size:
            raise PolicyError(f"{values.size} prices for a program of {self._shares.size} slots; build it anew")
        index = self._shares.index.astype(np.int32)
        self._highs.changeColsCost(index.size, index, values)
        if self._highs.run() != highspy.HighsStatus.kOk:
            raise SolverError(f"HiGHS {self._highs.version()} failed on a conversion of {values.size} slots")
        found = read_solution(self._highs)
        if not found.optimal:
            raise SolverError(f"HiGHS ended with {found.status}; expected Optimal")
        return ExactShares(found.objective, self._shares.values(found.values))
