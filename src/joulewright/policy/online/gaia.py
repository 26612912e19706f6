"""GAIA: one start per job, chosen within a waiting limit from the expected length of its queue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from joulewright.errors import PolicyError
from joulewright.model.timeline import FloatArray, IntArray
from joulewright.policy.online.guarantee import checked_prices


class StartState(NamedTuple):
    """The chosen offset from arrival and the steps waited so far."""

    offset: int
    waited: int


@dataclass(frozen=True, kw_only=True)
class GaiaStart:
    """Choose when a job starts.

    Attributes
    ----------
    rule : {"lowest-slot", "lowest-window", "carbon-time"}
        ``lowest-slot`` takes the lowest step within the limit; ``lowest-window`` the start with the least sum over the
        expected length; ``carbon-time`` the start with the greatest saving per step until the expected end,
        ``(C(0) - C(s)) / (s + e)``.
    most_waiting : int
        Steps that a start may be put off.
    spacing : int
        Steps between the starts that are looked at; ``lowest-slot`` looks at every step.

    Notes
    -----
    Information used: the signal until the longest wait plus the expected length. Equal starts: the earliest. Without
    a ratio: a job that turns out longer or shorter than expected may end up anywhere.

    References
    ----------
    Hanafy et al. (2024), doi:10.1145/3620666.3651374.

    Examples
    --------
    >>> trace = [5.0, 4.0, 1.0, 1.0, 9.0, 9.0]
    >>> GaiaStart(rule="lowest-window", most_waiting=3).start(trace, arrival=0, expected=2)
    2
    >>> GaiaStart(rule="carbon-time", most_waiting=3).start(trace, arrival=0, expected=2)  # 7 / 4 beats 4 / 3
    2
    """

    rule: Literal["lowest-slot", "lowest-window", "carbon-time"]
    most_waiting: int
    spacing: int = 1
    sources: ClassVar[tuple[str, ...]] = ("hanafy2024",)

    def __post_init__(self) -> None:
        if self.rule not in ("lowest-slot", "lowest-window", "carbon-time"):
            raise PolicyError(f"rule is {self.rule!r}; choose lowest-slot, lowest-window or carbon-time")
        if self.most_waiting < 0 or self.spacing < 1:
            raise PolicyError(
                f"most_waiting is {self.most_waiting} and spacing {self.spacing}; they must be at least 0 and 1"
            )

    def init(self, trace: ArrayLike, *, arrival: int, expected: int) -> StartState:
        """Choose the start of a job that arrives at a step."""
        return StartState(self.start(trace, arrival=arrival, expected=expected) - arrival, 0)

    def step(self, state: StartState) -> tuple[StartState, bool]:
        """Whether the job runs in the next step."""
        return state._replace(waited=state.waited + 1), state.waited >= state.offset

    def start(self, trace: ArrayLike, *, arrival: int, expected: int) -> int:
        """Step in which a job starts that arrives at ``arrival`` and is expected to last ``expected`` steps."""
        values = checked_prices(trace)
        return int(self.starts(values, arrivals=[arrival], expected=[expected])[0])

    def starts(self, trace: ArrayLike, *, arrivals: ArrayLike, expected: ArrayLike) -> IntArray:
        """Starts of many jobs, shape ``(J,)``; prefix sums make each candidate one difference.

        Raises
        ------
        PolicyError
            If a value is not finite, an expected length is below one step, or the trace ends too early.
        """
        values = checked_prices(trace)
        first = np.atleast_1d(np.asarray(arrivals, dtype=np.int64))
        length = np.atleast_1d(np.asarray(expected, dtype=np.int64))
        seen = 1 if self.rule == "lowest-slot" else length
        last = int(np.max(first + self.most_waiting + seen, initial=0))
        if np.min(first, initial=0) < 0 or np.min(length, initial=1) < 1 or last > values.size:
            raise PolicyError(
                f"arrivals {np.min(first, initial=0)} to {np.max(first, initial=0)} with expected lengths from "
                f"{np.min(length, initial=1)} need steps 0 to {last}; the trace has {values.size}"
            )
        summed = np.concatenate(([0.0], np.cumsum(values)))
        return np.array([begin + self._offset(values, summed, begin, steps) for begin, steps in zip(first, length)])

    def _offset(self, values: FloatArray, summed: FloatArray, begin: int, length: int) -> int:
        if self.rule == "lowest-slot":
            return int(np.argmin(values[begin : begin + self.most_waiting + 1]))
        offsets = np.arange(0, self.most_waiting + 1, self.spacing)
        total = summed[begin + offsets + length] - summed[begin + offsets]
        if self.rule == "lowest-window":
            return int(offsets[np.argmin(total)])
        return int(offsets[np.argmax((total[0] - total) / (offsets + length))])
