"""Which part of what could be saved was saved, over several samples, and where a bound says what could be."""

from __future__ import annotations

import math
from collections.abc import Sequence

from joulewright.model.dag import DagCluster, DagSignal
from joulewright.study.result import Estimate, Inference
from joulewright.study.statistics import estimate

LEAST_HEADROOM_FRACTION = 1e-3
"""Headroom below this part of the costs says nothing: shares of it are shares of next to nothing."""


def bound_fails(cluster: DagCluster, signal: DagSignal, steps: int) -> str:
    """Why the fluid bound of a horizon does not hold; empty where it does.

    Idle draw and repeated work add to the cost of a schedule, and the bound leaves them out. Where the signal is
    negative they lower it instead.

    Parameters
    ----------
    cluster, signal
        Where the jobs run, and what plays from their start on.
    steps : int
        Of the horizon.

    Examples
    --------
    >>> import numpy as np
    >>> signal = DagSignal(step_ms=1000, values=np.array([2.0, -1.0]))
    >>> bound_fails(DagCluster(executors=1, idle_power_kw=0.5), signal, 2)
    'the signal is negative, where idle draw earns and is not in the bound'
    >>> bound_fails(DagCluster(executors=1), signal, 2)
    ''
    """
    extra = [
        what
        for what, is_so in (
            ("idle draw", cluster.idle_power_kw > 0.0),
            ("work done again after failures", cluster.task_failure_fraction > 0.0 or cluster.executors_fail),
        )
        if is_so
    ]
    if not extra or float(signal.values[:steps].min()) >= 0.0:
        return ""
    verbs = "earns and is" if len(extra) == 1 else "earn and are"
    return f"the signal is negative, where {' and '.join(extra)} {verbs} not in the bound"


def share_of_headroom(
    saved: Sequence[float],
    headroom: Sequence[float],
    inference: Inference | None = None,
    *,
    reference: Sequence[float] = (),
) -> Estimate | None:
    """All that was saved over all that could be saved, with its interval; None where next to nothing could be.

    A mean of shares would let samples that have next to no headroom decide.

    Parameters
    ----------
    saved, headroom : sequence of float, shape ``(N,)``
        Of each independent sample, in one unit.
    inference : Inference, optional
        Method and coverage.
    reference : sequence of float
        Costs of the base: there is no share where one is not positive, or the headroom is below
        :data:`LEAST_HEADROOM_FRACTION` of them.

    Notes
    -----
    A ratio of sums ``R = sum s_i / sum h_i`` varies as the mean of ``R + (s_i - R h_i) / mean(h)``, the first terms of
    its series, which have the mean R; the interval is that of their mean.

    References
    ----------
    Cochran (1977), Sampling Techniques, 3rd edition, chapter 6, ISBN 978-0-471-16240-7.

    Examples
    --------
    >>> found = share_of_headroom([30.0, 10.0], [40.0, 40.0])
    >>> found.mean, round(found.half_width, 4)  # Student with one degree of freedom: 12.7062 x 0.25
    (0.5, 3.1766)
    """
    total = math.fsum(headroom)
    if min(reference, default=1.0) <= 0.0 or total <= LEAST_HEADROOM_FRACTION * math.fsum(reference):
        return None
    share, mean = math.fsum(saved) / total, total / len(headroom)
    return estimate([share + (own - share * room) / mean for own, room in zip(saved, headroom, strict=True)], inference)
