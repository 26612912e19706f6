"""The ratio that a double-threshold rule for costs really has, and the inputs that attain it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from joulewright.model.timeline import FloatArray


class WorstCase(NamedTuple):
    """An input against a rule: units done before the block, units of them at L, and where the low units come.

    Attributes
    ----------
    done : int
        Units that the rule takes one by one at its thresholds.
    cheap : int
        Units that come at L in one run.
    after_block : bool
        Whether the run at L follows the block that the rule refuses, or goes before it.
    """

    done: int
    cheap: int
    after_block: bool


def worst_ratio(thresholds: FloatArray, *, low: float, high: float, switching_cost: float) -> float:
    """Largest cost over optimum of a double-threshold rule on prices within its bounds.

    Parameters
    ----------
    thresholds : FloatArray
        Thresholds l_i of an idle job, decreasing, shape ``(k,)``; those of a running job are l_i + 2 beta.
    low, high : float
        L and U [price].
    switching_cost : float
        beta [price times slot].

    Notes
    -----
    Let the rule take j units before the forced tail and y = l_{j+1} (y = L for j = k). It pays at most u_i = l_i + 2
    beta for unit i with its start and stop, at most U for each of the k - j others and 2 beta for the tail. Every slot
    that it refuses costs more than y, and the one that ends a run more than y + 2 beta: so an optimum that uses slots
    of r of the rule's runs pays 2 beta at least r times, and once more unless all its other slots lie before the last
    of these runs, where they cost more than the threshold of that run's first unit. Cost minus ratio times optimum is
    convex in the price of each unit used by both, so that its largest value has n of these units at L in one run, the
    others at their thresholds. The maximum over j, n and the two places of the block is this function; each is
    attained by :func:`worst_cases`. Ours; the published ratio covers n = 0 only.

    Examples
    --------
    One unit: the worst case is never better than U / threshold.

    >>> worst_ratio(np.array([2.0]), low=1.0, high=4.0, switching_cost=0.0)
    2.0
    """
    work = thresholds.size
    twice = 2.0 * switching_cost
    following = np.concatenate((thresholds, [low]))
    paid = np.concatenate(([0.0], np.cumsum(thresholds + twice)))
    worst = 1.0
    for done in range(work + 1):
        cheap = np.arange(done + 1.0)
        tail = twice * (done < work)
        fixed = paid[done - np.arange(done + 1)] + cheap * low + twice * (cheap > 0) + tail
        used = (done - cheap) * following[done] + cheap * low + twice * (cheap > 0) + twice * (cheap < work)
        worst = max(worst, *_both_tails(fixed, used, work - done, threshold=following[done], low=low, high=high))
        cheap = np.arange(1.0, work - done + 1.0)
        fixed = paid[done] + cheap * low + twice + twice * (done + cheap < work)
        used = done * following[done] + cheap * low + twice
        worst = max(
            worst, *_both_tails(fixed, used, work - done - cheap, threshold=following[done], low=low, high=high)
        )
    return worst


def _both_tails(
    fixed: FloatArray, used: FloatArray, tail: FloatArray | int, *, threshold: float, low: float, high: float
) -> tuple[float, ...]:
    """Ratios with the forced tail at U, refused by the optimum, and at L, used by it."""
    ratios = [(fixed + tail * price[0]) / (used + tail * price[1]) for price in ((high, threshold), (low, low))]
    return tuple(float(part.max(initial=1.0)) for part in ratios)


def worst_cases(work: int) -> Iterator[WorstCase]:
    """All shapes of input among which the worst one is, for ``work`` units."""
    for done in range(work + 1):
        for cheap in range(done + 1):
            yield WorstCase(done, cheap, False)
        for cheap in range(1, work - done + 1):
            yield WorstCase(done, cheap, True)


def worst_sequence(
    shape: WorstCase, thresholds: FloatArray, *, low: float, high: float, switching_cost: float, tiny: float = 1e-9
) -> FloatArray:
    """Prices of a worst case, the deadline at their end.

    Parameters
    ----------
    shape : WorstCase
        From :func:`worst_cases`.
    thresholds : FloatArray
        Thresholds of an idle job, shape ``(k,)``.
    low, high, switching_cost : float
        L, U and beta.
    tiny : float
        How far above a threshold the refused block lies, as a share of U.

    Examples
    --------
    >>> worst_sequence(WorstCase(1, 0, False), np.array([3.0, 2.0]), low=1.0, high=9.0, switching_cost=0.0).round(6)
    array([3., 9., 2., 2., 9.])
    """
    work = thresholds.size
    pause = [high] if switching_cost > 0.0 else []
    following = np.concatenate((thresholds, [low]))
    alone = shape.done if shape.after_block else shape.done - shape.cheap
    begin = [price for threshold in thresholds[:alone] for price in (float(threshold), high)]
    block = [min(following[shape.done] + tiny * high * (shape.done < work), high)] * work
    cheap = [low] * shape.cheap + (pause if shape.cheap else [])
    taken = shape.done + (shape.cheap if shape.after_block else 0)
    middle = block + cheap if shape.after_block else cheap + block
    return np.array(begin + middle + [high] * (work - taken))
