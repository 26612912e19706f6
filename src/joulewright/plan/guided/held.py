"""Which jobs to free while every other decision is held."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from joulewright.model.timeline import FloatArray, IntArray
from joulewright.plan.incumbent import Incumbent


@dataclass(eq=False)
class HeldJobs:
    """Remembers which jobs were freed alone from the best plan, so that none is freed alone twice.

    Attributes
    ----------
    best : Incumbent or None
        The plan that the rest is about.
    gains : FloatArray
        What freeing each job promises [currency].
    queue : list of int
        Jobs to be freed alone, the most promising first.
    """

    best: Incumbent | None = None
    gains: FloatArray = field(default_factory=lambda: np.zeros(0))
    queue: list[int] = field(default_factory=list)

    def choices(
        self,
        best: Callable[[], Incumbent | None],
        promise: Callable[[Incumbent], FloatArray],
        random: np.random.Generator,
    ) -> Iterator[list[int]]:
        """Jobs to free: those whose reduced costs promise most one by one, then pairs with one of them."""
        tried, most = 0, 1
        while tried < most:
            tried += 1
            now = best()
            if now is None:
                return
            if now is not self.best:
                self.best, self.gains = now, promise(now)
                order = [int(item) for item in np.argsort(-self.gains, kind="stable") if self.gains[item] > 0.0]
                self.queue = order[: max(4, self.gains.size // 4)]
            most = max(8, self.gains.size)
            if self.queue:
                yield [self.queue.pop(0)]
            elif self.gains.size > 1 and self.gains.any():
                first = int(random.choice(self.gains.size, p=self.gains / self.gains.sum()))
                yield [first, int((first + random.integers(1, self.gains.size)) % self.gains.size)]
            else:
                return


def promises(best: Incumbent, jobs: Sequence[IntArray], rigid: int, least: float) -> FloatArray:
    """Most that freeing each job alone could gain by the duals of the best plan [currency].

    Parameters
    ----------
    best : Incumbent
        The best plan.
    jobs : sequence of IntArray
        Integer columns of every job, the rigid ones first.
    rigid : int
        How many of them are rigid.
    least : float
        Gains of at most this count as none [currency].
    """
    values, reduced = best.solution.values, best.solution.reduced_costs
    found = []
    for position, columns in enumerate(jobs):
        used = values[columns] > 0.5
        if position < rigid:
            gain = reduced[columns][used].max(initial=-np.inf) - reduced[columns].min(initial=np.inf)
        else:
            gain = np.maximum(0.0, np.where(used, reduced[columns], -reduced[columns])).sum()
        found.append(gain if np.isfinite(gain) and gain > least else 0.0)
    return np.array(found)
