"""By when jobs may end: what is allowed, and what can be kept whatever happens."""

from __future__ import annotations

import math
from dataclasses import dataclass

from joulewright.errors import PolicyError


@dataclass(frozen=True, kw_only=True)
class Allowance:
    """How long work may be put off.

    Attributes
    ----------
    allowance_h : float
        Added to the time by which a queue that never waits would have ended a job and all before it [h].
    stretch : float
        Factor on that time, counted from the arrival of the job.
    finish_by_h : float or None
        All jobs may end by then [h from the start of the run], whenever they arrive; the other two then apply only to
        jobs for which it is too early.

    Raises
    ------
    PolicyError
        If a number is out of range.
    """

    allowance_h: float = 24.0
    stretch: float = 1.0
    finish_by_h: float | None = None

    def __post_init__(self) -> None:
        if not 0.0 <= self.allowance_h < math.inf:
            raise PolicyError(f"allowance_h is {self.allowance_h!r}; allowed is any number of hours of at least 0")
        if not 1.0 <= self.stretch < math.inf:
            raise PolicyError(f"stretch is {self.stretch!r}; allowed is any factor of at least 1")
        if self.finish_by_h is not None and not 0.0 < self.finish_by_h < math.inf:
            raise PolicyError(f"finish_by_h is {self.finish_by_h!r}; allowed is any positive number of hours")

    def end_ms(self, arrival_ms: int, queue_end_ms: float, hour_ms: float) -> float:
        """By when a job may end [ms].

        Parameters
        ----------
        arrival_ms : int
            Of the job [ms].
        queue_end_ms : float
            When a queue that never waits would have ended the job and all before it [ms].
        hour_ms : float
            Length of an hour in the time of the run [ms].

        Examples
        --------
        >>> Allowance(allowance_h=2.0, stretch=1.5).end_ms(60_000, 80_000.0, 60_000.0)
        210000.0
        """
        soonest = arrival_ms + self.stretch * (queue_end_ms - arrival_ms)
        if self.finish_by_h is None:
            return soonest + self.allowance_h * hour_ms
        return max(self.finish_by_h * hour_ms, soonest)


def greedy_time_ms(
    work_ms: float, path_ms: float, *, executors: int, moving_ms: float, moves: int, stages: int, running_ms: float
) -> float:
    """Most time that work needs when no executor idles while a task could start [ms].

    Parameters
    ----------
    work_ms : float
        Work of the tasks not started [executor-ms].
    path_ms : float
        Longest chain of tasks that are not finished [ms].
    executors : int
        K.
    moving_ms : float
        Time of a move [ms].
    moves : int
        Most moves that can be made.
    stages : int
        Most stages on a chain; each may wait for a move, and again for as long if few executors are sent to it.
    running_ms : float
        Longest task that may be running now [ms].

    Notes
    -----
    Look at the task that ends last and at the chain of those that made it wait. While no task of the chain runs or
    is moved to, all executors run or move; that time is at most that of all work, moves and present tasks over K. A
    stage that gets fewer executors than there are, because its work is not worth more moves, has less than a move of
    work for each of them. So ``(W + d M) / K + r + P + 2 d S``: the bound of list schedules, with moves.

    References
    ----------
    Graham (1969), Bounds on multiprocessing timing anomalies, SIAM Journal on Applied Mathematics 17,
    doi 10.1137/0117039.

    Examples
    --------
    >>> greedy_time_ms(100.0, 20.0, executors=4, moving_ms=2.0, moves=6, stages=3, running_ms=5.0)
    65.0
    """
    return (work_ms + moving_ms * moves) / executors + running_ms + path_ms + 2.0 * moving_ms * stages
