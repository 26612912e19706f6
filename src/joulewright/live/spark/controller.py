"""The loop that lets a scheduler of jobs with precedence command a cluster while a signal plays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from joulewright.errors import LiveError
from joulewright.live.spark.board import Board, Decision
from joulewright.live.spark.plant import AbstractSparkPlant
from joulewright.policy.dag.base import NO_STAGE


class Target(NamedTuple):
    """Executors wanted from a time on [ms since the trace began to play]."""

    at_ms: int
    executors: int


@dataclass(frozen=True, kw_only=True)
class ControlRecord:
    """What a controller did.

    Attributes
    ----------
    decisions : tuple of Decision
        Every answer of the scheduler.
    targets : tuple of Target
        Every change of the number of executors wanted.
    deferrals : int
        Answers that had executors wait although there was work.
    """

    decisions: tuple[Decision, ...]
    targets: tuple[Target, ...]
    deferrals: int


class Sizing:
    """How many executors to want: those in use, and for a while those that only lack work.

    Where tasks shall wait, executors that would take them are let go at once. Where there are none, between two stages
    say, they are kept for ``hold_ms``, as starting others takes long.

    Examples
    --------
    >>> sizing = Sizing(4, 1000)
    >>> [sizing.look(at_ms, 1, held_back=False) for at_ms in (0, 500, 1000)]
    [4, 4, 1]
    """

    def __init__(self, executors: int, hold_ms: int) -> None:
        self.wanted, self._hold_ms, self._full_ms = executors, hold_ms, 0

    def look(self, now_ms: int, needed: int, *, held_back: bool) -> int:
        """Executors wanted now, when ``needed`` are in use."""
        if needed >= self.wanted or held_back or now_ms - self._full_ms >= self._hold_ms:
            self.wanted, self._full_ms = needed, now_ms
        return self.wanted


def control(board: Board, plant: AbstractSparkPlant, *, limit_ms: int, hold_ms: int = 10_000) -> ControlRecord:
    """Run all jobs of a board on a plant.

    Executors not in use are offered to the scheduler when a job arrives or executors come free, and all of them when
    the signal steps; what it answers is submitted, and the plant is told how many executors to keep. While any stage
    runs that is one at least, as Spark cannot hold a stage that it has begun.

    Parameters
    ----------
    board : Board
        Jobs, signal and scheduler.
    plant : AbstractSparkPlant
        The cluster.
    limit_ms : int
        When to give up [ms since the trace began to play].
    hold_ms : int
        How long an executor is kept for which there is no work [ms].

    Returns
    -------
    ControlRecord
        Decisions and numbers of executors.

    Raises
    ------
    LiveError
        If a stage fails or jobs are left at the limit.
    PolicyError
        If the scheduler breaks its contract.
    """
    decisions: list[Decision] = []
    sizing = Sizing(board.executors, hold_ms)
    targets: list[Target] = []
    while True:
        now_ms, progress = plant.now_ms(), plant.progress()
        failed = [(number, item.error) for number, item in progress.items() if item.error]
        if failed:
            raise LiveError(f"stage {_name(board, failed[0][0])} failed: {failed[0][1]}")
        if board.look(now_ms, progress):
            decisions += _submit(board, plant)
        if not board.open_jobs:
            return ControlRecord(decisions=tuple(decisions), targets=tuple(targets), deferrals=board.deferrals)
        wanted = sizing.look(now_ms, max(board.in_use, int(board.running)), held_back=board.held_back)
        if not targets or targets[-1].executors != wanted:
            targets.append(Target(now_ms, wanted))
        plant.resize(wanted)
        if now_ms >= limit_ms:
            raise LiveError(
                f"{board.open_jobs} jobs were left after {now_ms} ms, the limit is {limit_ms} ms; raise it, or give "
                "the scheduler more executors"
            )
        plant.wait()


def _submit(board: Board, plant: AbstractSparkPlant) -> list[Decision]:
    made = []
    for number, executors, decision in board.offer():
        made.append(decision)
        if number != NO_STAGE and board.first_grant(number):
            plant.submit(number, board.facts(board.job_of(number)), board.states[number].facts, executors)
    return made


def _name(board: Board, number: int) -> str:
    return f"{board.states[number].facts.name!r} of job {board.facts(board.job_of(number)).name!r}"
