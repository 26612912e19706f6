"""What an engine does: call one function on many pieces of work and hand back what comes out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

#: Called with the shared bytes and the payload of a piece of work; it lives in a module, so that workers can import it.
Function = Callable[[bytes, Any], Any]


@dataclass(frozen=True, kw_only=True)
class Work:
    """One call: its payload and the position of its bytes among those that many calls share."""

    shared: int
    payload: Any


@dataclass(frozen=True)
class Crash:
    """The process that did a piece of work ended before it was done, in the words of ``reason``."""

    reason: str


class AbstractEngine(ABC):
    """Carries out independent pieces of work.

    Attributes
    ----------
    name : str
        As the command line takes it.
    """

    name: str

    @abstractmethod
    def run(
        self, function: Function, shared: Sequence[bytes], work: Sequence[Work]
    ) -> Iterator[tuple[int, Any | Crash]]:
        """Call ``function(shared[item.shared], item.payload)`` for every item of ``work``.

        Parameters
        ----------
        function : callable
            A function of a module that workers can import. It raises nothing on purpose.
        shared : sequence of bytes
            Large inputs, sent once to where they are needed.
        work : sequence of Work
            The calls.

        Yields
        ------
        tuple
            Position of a piece of work and its result, or a :class:`Crash`: each position exactly once, in the
            order in which they end.

        Raises
        ------
        DataError
            If the workers cannot be reached or started.
        """
