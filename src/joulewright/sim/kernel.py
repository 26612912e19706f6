"""A deterministic event kernel.

Order of events
---------------
1. An earlier time comes first.
2. At equal times a smaller priority comes first.
3. At equal time and priority the event that was scheduled first comes first.

So a run depends on nothing but what was scheduled: no set order, no address, no clock of the machine.
Times are plain numbers in whatever unit the caller chose.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import Any

Handler = Callable[[Any], None]
Handle = list[Any]
"""What ``schedule`` returns: opaque, good for ``cancel`` only."""

_HANDLER = 3
_FEWEST_STALE = 64


class Kernel:
    """Events in order of time, priority and sequence.

    Parameters
    ----------
    start : float
        The time at which it begins.

    Attributes
    ----------
    now : float
        Time of the event that is being handled, or up to which events were handled. Read only.
    running : bool
        True while events are being handled. Read only.

    Examples
    --------
    >>> kernel, seen = Kernel(), []
    >>> _ = kernel.schedule(2.0, seen.append, "late")
    >>> _ = kernel.schedule(1.0, seen.append, "second", priority=1)
    >>> _ = kernel.schedule(1.0, seen.append, "first")
    >>> kernel.run(2.0)
    >>> seen, kernel.now, kernel.pending
    (['first', 'second'], 2.0, 1)
    """

    __slots__ = ("_cancelled", "_heap", "_sequence", "_stale", "now", "running")

    def __init__(self, start: float = 0.0) -> None:
        if not math.isfinite(start):
            raise ValueError(f"the kernel starts at {start!r}; allowed is any finite time, for example 0.0")
        self.now = start
        self.running = False
        self._heap: list[Handle] = []
        self._sequence = 0
        self._cancelled = 0
        self._stale = 0

    @property
    def pending(self) -> int:
        """Events that are scheduled and neither handled nor cancelled."""
        return len(self._heap) - self._stale

    @property
    def handled(self) -> int:
        """Events handled so far."""
        return self._sequence - self._cancelled - self.pending

    def schedule(self, time: float, handler: Handler, payload: Any = None, *, priority: int = 0) -> Handle:
        """Have ``handler(payload)`` called at ``time``.

        Parameters
        ----------
        time : float
            Not before ``now``.
        handler : callable
            Takes the payload; it may schedule and cancel.
        payload : object
            Handed to the handler.
        priority : int
            Decides between events at the same time; smaller comes first.

        Returns
        -------
        Handle
            For :meth:`cancel`.

        Raises
        ------
        ValueError
            If the time has passed or is not finite.
        """
        if not self.now <= time < math.inf:
            raise ValueError(
                f"an event is scheduled at {time!r}; allowed is any finite time from now, {self.now!r}, on"
            )
        self._sequence = sequence = self._sequence + 1
        entry = [time, priority, sequence, handler, payload]
        heappush(self._heap, entry)
        return entry

    def cancel(self, handle: Handle) -> bool:
        """Take an event back; False if it was handled or cancelled before."""
        if handle[_HANDLER] is None:
            return False
        handle[_HANDLER] = None
        self._cancelled += 1
        self._stale += 1
        # What is cancelled stays in the heap until it surfaces; a heap of mostly such entries is rebuilt.
        if self._stale > _FEWEST_STALE and 2 * self._stale > len(self._heap):
            self._heap[:] = [entry for entry in self._heap if entry[_HANDLER] is not None]
            heapify(self._heap)
            self._stale = 0
        return True

    def run(self, until: float = math.inf, *, inclusive: bool = False) -> None:
        """Handle all events before ``until``, then stand at ``until``.

        The limit is looked at before an event is taken: one exactly at ``until`` stays pending unless ``inclusive``.
        Without a limit it runs until nothing is pending and stands at the last event.

        Parameters
        ----------
        until : float
            Time to run to, not before ``now``.
        inclusive : bool
            True to handle events at exactly ``until`` as well.

        Raises
        ------
        ValueError
            If ``until`` has passed or is not a number.
        RuntimeError
            If a handler calls it.
        """
        if not until >= self.now:
            raise ValueError(f"the kernel is asked to run until {until!r}; allowed is from now, {self.now!r}, on")
        if self.running:
            raise RuntimeError(f"run({until!r}) is called by a handler at {self.now!r}; schedule an event instead")
        limit = math.nextafter(until, math.inf) if inclusive else until
        self.running = True
        try:
            self._handle_before(limit)
        finally:
            self.running = False
        if until < math.inf:
            self.now = until

    def _handle_before(self, limit: float) -> None:
        heap, pop = self._heap, heappop
        while heap and heap[0][0] < limit:
            entry = pop(heap)
            handler = entry[3]
            if handler is None:
                self._stale -= 1
                continue
            entry[3] = None
            self.now = entry[0]
            handler(entry[4])
