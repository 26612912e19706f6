"""Which jobs to free while every other decision is held."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from joulewright.plan.incumbent import Incumbent
from joulewright.plan.program import FloatArray, IntArray


def held_choices(
    best: Callable[[], Incumbent | None],
    promise: Callable[[Incumbent], FloatArray],
    random: np.random.Generator,
) -> Iterator[list[int]]:
    """Jobs to free: those whose reduced costs promise most one by one, then pairs with one of them."""
    known, gains, queue = None, np.zeros(0), list[int]()
    tried, most = 0, 1
    while tried < most:
        tried += 1
        now = best()
        if now is None:
            return
        if now is not known:
            known, gains = now, promise(now)
            queue = [int(item) for item in np.argsort(-gains, kind="stable") if gains[item] > 0.0]
            queue, most = queue[: max(4, gains.size // 4)], max(8, gains.size)
        if queue:
            yield [queue.pop(0)]
        elif gains.size > 1 and gains.any():
            first = int(random.choice(gains.size, p=gains / gains.sum()))
            yield [first, int((first + random.integers(1, gains.size)) % gains.size)]
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
