"""The lines that show how far a solve or a study is, and Ctrl-C that keeps the best plan found."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import FrameType
from typing import Protocol

_REDRAW_S = 0.2


class SolveProgress(Protocol):
    """What a planner reports while it works."""

    @property
    def elapsed_s(self) -> float:
        """Wall-clock time since the start [s]."""

    @property
    def objective(self) -> float | None:
        """Benefit of the best plan found, if any."""

    @property
    def gap(self) -> float | None:
        """Certified gap of that plan."""

    @property
    def bound(self) -> float | None:
        """No plan has a higher benefit than this."""

    @property
    def phase(self) -> str:
        """What is being done."""


class RunProgress(Protocol):
    """What a study reports while it works."""

    @property
    def done(self) -> int:
        """Runs that have an outcome."""

    @property
    def total(self) -> int:
        """All runs."""

    @property
    def found(self) -> int:
        """Runs that were finished before."""

    @property
    def failed(self) -> int:
        """Runs that failed."""

    @property
    def elapsed_s(self) -> float:
        """Wall-clock time since the first run started [s]."""

    @property
    def eta_s(self) -> float | None:
        """Expected time until the end [s], once a run has ended."""


class _Line:
    """One line on stderr that is drawn over itself, at most five times a second; silent unless ``enabled``."""

    def __init__(self, *, enabled: bool) -> None:
        self.enabled = enabled
        self._last_s = float("-inf")

    def draw(self, elapsed_s: float, text: str) -> None:
        """Put ``text`` in the place of the line."""
        if self.enabled and elapsed_s - self._last_s >= _REDRAW_S:
            self._last_s = elapsed_s
            sys.stderr.write(f"\r\x1b[2K{text}")
            sys.stderr.flush()

    def close(self) -> None:
        """Remove the line."""
        if self.enabled:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()


class GapLine(_Line):
    """The gap line of a solve."""

    def __call__(self, progress: SolveProgress) -> None:
        """Draw the state of the solve."""
        self.draw(progress.elapsed_s, gap_line(progress))


class StudyLine(_Line):
    """How many runs of a study are done, and when it will end."""

    def __call__(self, progress: RunProgress) -> None:
        """Draw the state of the study."""
        self.draw(progress.elapsed_s, study_line(progress))


def gap_line(progress: SolveProgress) -> str:
    """The state of a solve in one line.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> gap_line(SimpleNamespace(elapsed_s=12.34, phase="search", objective=2.5e6, bound=2.51e6, gap=0.0043))
    ' 12.3 s  search        benefit 2,500,000  bound 2,510,000  gap 0.430 %'
    """
    parts = [f"{progress.elapsed_s:5.1f} s", f"{progress.phase:12s}"]
    parts.append("no plan yet" if progress.objective is None else f"benefit {progress.objective:,.0f}")
    if progress.bound is not None:
        parts.append(f"bound {progress.bound:,.0f}")
    if progress.gap is not None:
        parts.append(f"gap {100 * progress.gap:.3f} %")
    return "  ".join(parts)


def study_line(progress: RunProgress) -> str:
    """The state of a study in one line.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> study_line(SimpleNamespace(done=12, total=40, found=2, failed=1, elapsed_s=20.0, eta_s=3723.0))
    ' 20.0 s  12/40 runs  2 found  1 failed  1:02:03 left'
    """
    parts = [f"{progress.elapsed_s:5.1f} s", f"{progress.done}/{progress.total} runs"]
    parts += [f"{count} {word}" for count, word in ((progress.found, "found"), (progress.failed, "failed")) if count]
    if progress.eta_s is not None:
        parts.append(f"{timedelta(seconds=round(progress.eta_s))} left")
    return "  ".join(parts)


class Stop:
    """Whether the user asked to stop; callable so that a planner can poll it."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self) -> bool:
        """True once Ctrl-C was pressed."""
        return self.asked


@contextmanager
def stop_on_interrupt() -> Iterator[Stop]:
    """Turn the first Ctrl-C into a polite request; a second one interrupts at once."""
    stop = Stop()

    def ask(number: int, frame: FrameType | None) -> None:
        stop.asked = True
        signal.signal(signal.SIGINT, previous)

    previous = signal.signal(signal.SIGINT, ask)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, previous)
