"""Transfers that share a link."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

from joulewright.physics.transfer import transfer_h
from joulewright.sim.kernel import Handle, Kernel


class LinkShare:
    """Transfers under way on one link, each with an equal share of its bandwidth.

    Parameters
    ----------
    kernel : Kernel
        Its time is in hours.
    bandwidth_gbit_s : float
        Bandwidth of the link in both directions together [Gbit/s].
    shared : bool
        False gives every transfer the whole bandwidth, as a plan assumes.
    priority : int
        Priority of the arrivals.

    Notes
    -----
    Egalitarian processor sharing: every transfer receives ``s(t)`` GB by time ``t`` with ``ds/dt = bandwidth / n(t)``,
    so one that begins at ``t0`` with ``b`` GB ends when ``s(t) = s(t0) + b``, and the one with the least such end
    leaves first. That takes one pending event for each link.

    References
    ----------
    Kleinrock (1967), Time-shared systems: a theoretical treatment, J. ACM 14(2), doi:10.1145/321386.321388.

    Examples
    --------
    Two transfers of 45 TB over 100 Gbit/s take an hour each alone and two hours together.

    >>> kernel, seen = Kernel(), []
    >>> link = LinkShare(kernel, 100.0)
    >>> for name in ("one", "two"):
    ...     link.add(45_000.0, lambda name: seen.append((name, kernel.now)), name)
    >>> kernel.run()
    >>> seen
    [('one', 2.0), ('two', 2.0)]
    """

    def __init__(self, kernel: Kernel, bandwidth_gbit_s: float, *, shared: bool = True, priority: int = 0) -> None:
        self._kernel = kernel
        self._bandwidth_gbit_s = bandwidth_gbit_s
        self._shared = shared
        self._priority = priority
        self._served_gb = 0.0
        self._since_h = kernel.now
        self._under_way: list[tuple[float, int, Callable[[Any], None], Any]] = []
        self._count = 0
        self._next: Handle | None = None

    def add(self, size_gb: float, done: Callable[[Any], None], payload: Any) -> None:
        """Begin a transfer now; ``done(payload)`` is called when it has arrived.

        Raises
        ------
        ScenarioError
            If the size is negative or the bandwidth is not positive.
        """
        alone_h = transfer_h(size_gb, self._bandwidth_gbit_s)
        if not self._shared:
            self._kernel.schedule(self._kernel.now + alone_h, done, payload, priority=self._priority)
            return
        self._advance()
        self._count += 1
        heapq.heappush(self._under_way, (self._served_gb + size_gb, self._count, done, payload))
        self._plan_next()

    def _advance(self) -> None:
        """Bring what every transfer has received up to now."""
        now = self._kernel.now
        if self._under_way:
            per_gb_h = transfer_h(1.0, self._bandwidth_gbit_s) * len(self._under_way)
            self._served_gb = min(self._under_way[0][0], self._served_gb + (now - self._since_h) / per_gb_h)
        else:
            self._served_gb = 0.0
        self._since_h = now

    def _plan_next(self) -> None:
        if self._next is not None:
            self._kernel.cancel(self._next)
        self._next = None
        if self._under_way:
            left_gb = self._under_way[0][0] - self._served_gb
            hours = transfer_h(left_gb, self._bandwidth_gbit_s) * len(self._under_way)
            self._next = self._kernel.schedule(
                self._kernel.now + hours, self._arrive, self._under_way[0], priority=self._priority
            )

    def _arrive(self, first: tuple[float, int, Callable[[Any], None], Any]) -> None:
        # Exactly what was sent has arrived, whatever the clock rounded.
        self._advance()
        self._served_gb = first[0]
        arrived = []
        while self._under_way and self._under_way[0][0] <= self._served_gb:
            arrived.append(heapq.heappop(self._under_way))
        self._plan_next()
        for _, _, done, payload in arrived:
            done(payload)
