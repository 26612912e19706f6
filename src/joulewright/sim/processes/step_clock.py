"""Times on the grid of steps, and runs cut into steps."""

from __future__ import annotations

import math
from dataclasses import dataclass

from joulewright.model import Segment

_TOLERANCE_STEPS = 1e-9
_TOLERANCE_RELATIVE = 1e-15


@dataclass(frozen=True, slots=True)
class Span:
    """A run cut into steps: the fields of a segment that say when."""

    first_step: int
    stop_step: int
    first_fraction: float
    last_fraction: float


@dataclass(frozen=True, slots=True)
class StepClock:
    """Converts hours to steps; what is within rounding of a boundary is on it.

    Attributes
    ----------
    step_h : float
        Length of a step [h].
    """

    step_h: float

    def position(self, time_h: float) -> float:
        """Steps from the start of the horizon to ``time_h``.

        Examples
        --------
        >>> StepClock(0.1).position(0.3), StepClock(0.5).position(1.75)
        (3.0, 3.5)
        """
        found = time_h / self.step_h
        near = float(round(found))
        return near if abs(found - near) <= _TOLERANCE_STEPS + _TOLERANCE_RELATIVE * abs(found) else found

    def snapped(self, time_h: float) -> float:
        """The time itself, or that of a boundary within rounding of it [h]."""
        position = self.position(time_h)
        return position * self.step_h if position.is_integer() else time_h

    def on_boundary(self, time_h: float) -> bool:
        """Whether ``time_h`` is a boundary between two steps."""
        return self.position(time_h).is_integer()

    def boundary_after(self, time_h: float) -> float:
        """First boundary at or after ``time_h`` [h]."""
        return math.ceil(self.position(time_h)) * self.step_h

    def span(self, begin_h: float, hours: float) -> Span:
        """Steps that a run of ``hours`` from ``begin_h`` on covers.

        A run that begins on a boundary is cut as a plan cuts it, to the last bit.

        Examples
        --------
        >>> StepClock(1.0).span(2.25, 1.5)
        Span(first_step=2, stop_step=4, first_fraction=0.75, last_fraction=0.75)
        """
        begin = self.position(begin_h)
        first = math.floor(begin)
        offset = begin - first
        length = offset + hours / self.step_h
        count = max(1, math.ceil(length - _TOLERANCE_STEPS))
        last = length - (count - 1)
        return Span(first, first + count, 1.0 - offset, 1.0 if last > 1.0 - _TOLERANCE_STEPS else last)


def shares(segment: Segment, step: int) -> tuple[float, float]:
    """Parts of a step in which a segment holds its accelerators and in which it draws power.

    Examples
    --------
    >>> run = Segment(site="a", fleet="f", first_step=3, stop_step=6, accelerators=8, last_fraction=0.5)
    >>> shares(run, 2), shares(run, 3), shares(run, 5)
    ((0.0, 0.0), (1.0, 1.0), (1.0, 0.5))
    """
    if not segment.first_step <= step < segment.stop_step:
        return 0.0, 0.0
    late = 1.0 - segment.first_fraction if step == segment.first_step else 0.0
    early = 1.0 - segment.last_fraction if step == segment.stop_step - 1 else 0.0
    held_early = early if segment.frees_at_end else 0.0
    # The ledger's order of operations, so that both agree to the last bit.
    return (1.0 - held_early) - late, (1.0 - early) - late
