"""Which slot of its executor an attempt of a task took."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from joulewright.io.spark_events.events import AttemptFacts, SparkFacts


@dataclass(kw_only=True)
class HeldExecutor:
    """An executor, its slots and how long it held them [ms since the epoch]."""

    name: str
    capacity: int | None
    added_ms: int
    removed_ms: int
    ends: list[int] = field(default_factory=list)
    latest: list[AttemptFacts] = field(default_factory=list)
    numbers: tuple[int, ...] = ()

    def take(self, attempt: AttemptFacts) -> tuple[int, int]:
        """Slot of an attempt, and by how much the one before it was cut [ms]; attempts come by their start."""
        cut = 0
        slot = next((slot for slot, end in enumerate(self.ends) if end <= attempt.start_ms), len(self.ends))
        if slot == self.capacity:
            # The driver notes the end of a task after its executor got the next one.
            slot = min(range(slot), key=self.ends.__getitem__)
            cut = self.ends[slot] - attempt.start_ms
            self.latest[slot].finish_ms = attempt.start_ms
        if slot == len(self.ends):
            self.ends.append(0)
            self.latest.append(attempt)
        self.ends[slot], self.latest[slot] = attempt.finish_ms, attempt
        return slot, cut


@dataclass(kw_only=True)
class Assignment:
    """Executors, the slot of every attempt within its executor, and what was found."""

    executors: dict[str, HeldExecutor]
    slots: list[int]
    cuts_ms: list[int]
    unknown: list[str]

    def number(self, attempt: AttemptFacts, slot: int) -> int:
        """Slot over the whole cluster."""
        return self.executors[attempt.executor].numbers[slot]


def assign_slots(facts: SparkFacts, attempts: Sequence[AttemptFacts]) -> Assignment:
    """Give each attempt, in order of start, a slot; finishes that overlap the next start are cut in place."""
    last = max((attempt.finish_ms for attempt in attempts), default=0)
    executors = {
        item.name: HeldExecutor(
            name=item.name,
            capacity=max(1, item.cores // facts.cpus_per_task),
            added_ms=item.added_ms,
            removed_ms=item.removed_ms or last,
        )
        for item in facts.executors.values()
    }
    unknown, slots, cuts = [], [], []
    for attempt in attempts:
        name = attempt.executor
        if name not in executors:
            unknown.append(name)
            executors[name] = HeldExecutor(name=name, capacity=None, added_ms=attempt.start_ms, removed_ms=last)
        slot, cut = executors[name].take(attempt)
        slots.append(slot)
        cuts += [cut] if cut else []
    for attempt in attempts:
        held = executors[attempt.executor]
        held.added_ms = min(held.added_ms, attempt.start_ms)
        held.removed_ms = max(held.removed_ms, attempt.finish_ms)
    _number(executors.values())
    return Assignment(executors=executors, slots=slots, cuts_ms=cuts, unknown=unknown)


def _number(executors: Iterable[HeldExecutor]) -> None:
    """Lowest numbers that no executor present holds."""
    free: list[int] = []
    gone: list[tuple[int, tuple[int, ...]]] = []
    made = 0
    for held in sorted(executors, key=lambda item: item.added_ms):
        while gone and gone[0][0] <= held.added_ms:
            for number in heapq.heappop(gone)[1]:
                heapq.heappush(free, number)
        wanted = max(held.capacity or 0, len(held.ends))
        taken = []
        for _ in range(wanted):
            if not free:
                heapq.heappush(free, made)
                made += 1
            taken.append(heapq.heappop(free))
        held.numbers = tuple(taken)
        heapq.heappush(gone, (held.removed_ms, held.numbers))
