"""What a loop records, the same for the plain and the compiled one."""

from __future__ import annotations

from typing import NamedTuple


class Counters(NamedTuple):
    """What a loop counts: see :class:`RunRecord`."""

    events: int
    answers: int
    deferrals: int


class RunRecord:
    """Attempts of tasks in the order in which they began, and counters.

    Attributes
    ----------
    rows : list of tuple
        (task, executor, start [ms], finish [ms], failed) per attempt.
    completion_ms : list of int
        End of each job [ms].
    events : int
        Tasks that ended and executors that arrived.
    answers, deferrals : int
        Times a scheduler was asked, and times it deferred.
    """

    __slots__ = ("answers", "completion_ms", "deferrals", "events", "rows")

    def __init__(self, jobs: int) -> None:
        self.rows: list[tuple[int, int, int, int, bool]] = []
        self.completion_ms = [-1] * jobs
        self.events = self.answers = self.deferrals = 0

    def add(self, task: int, executor: int, *, start_ms: int, finish_ms: int, failed: bool) -> None:
        """Record an attempt."""
        self.rows.append((task, executor, start_ms, finish_ms, failed))

    def cut(self, row: int, finish_ms: int) -> None:
        """End an attempt early, as failed."""
        task, executor, start_ms = self.rows[row][:3]
        self.rows[row] = (task, executor, start_ms, finish_ms, True)
