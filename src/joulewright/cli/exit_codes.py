"""What the exit status of ``jw`` means."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit status of every command; scripts may rely on it."""

    OK = 0
    INTERNAL = 1
    USAGE = 2
    INVALID_INPUT = 3
    INFEASIBLE = 4
    LIMIT_REACHED = 5
    UNAVAILABLE = 6
    GATE_FAILED = 7
    SAFE_STATE = 8
    INTERRUPTED = 130
