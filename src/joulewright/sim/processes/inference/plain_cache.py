"""Prefix caches of the plain serving loop: blocks in the order of their last use, and blocks that sequences hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence


class PlainCache:
    """Blocks that are there because they were used, the latest use last, or because sequences hold them."""

    def __init__(self) -> None:
        self.used: dict[int, None] = {}
        self.held: Counter[int] = Counter()

    def hits(self, names: Sequence[int]) -> int:
        """Blocks of the longest beginning that is there."""
        for count, name in enumerate(names):
            if name not in self.used and name not in self.held:
                return count
        return len(names)

    def touch(self, names: Sequence[int], most: float) -> None:
        """Use blocks, from the end, and keep at most so many at any time."""
        for name in reversed(names):
            self.used.pop(name, None)
            self.used[name] = None
            self.trim(most)

    def hold(self, names: Sequence[int]) -> None:
        """Let a sequence hold blocks."""
        for name in names:
            self.used.pop(name, None)
            self.held[name] += 1

    def release(self, names: Sequence[int]) -> None:
        """Let go of blocks; those that nobody holds any more count as used, the beginning last."""
        for name in reversed(names):
            self.held[name] -= 1
            if self.held[name] == 0:
                del self.held[name]
                self.used[name] = None

    def trim(self, most: float) -> None:
        """Keep at most so many blocks that nobody holds."""
        while len(self.used) > most:
            del self.used[next(iter(self.used))]

    def repeated(self) -> int:
        """Blocks that would be there once more if sequences did not share them."""
        return sum(self.held.values()) - len(self.held)
