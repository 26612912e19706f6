"""One run after the other in this process: for debugging, and where processes may not be started."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from joulewright.study.engines.base import AbstractEngine, Crash, Function, Work


class SerialEngine(AbstractEngine):
    """Carries out the work here and now."""

    name = "serial"

    def run(
        self, function: Function, shared: Sequence[bytes], work: Sequence[Work]
    ) -> Iterator[tuple[int, Any | Crash]]:
        """Results in the order of the work."""
        for position, item in enumerate(work):
            yield position, function(shared[item.shared], item.payload)
