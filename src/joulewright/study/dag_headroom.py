"""Which part of what could be saved was saved, over several samples."""

from __future__ import annotations

import math
from collections.abc import Sequence

from joulewright.study.result import Estimate, Inference
from joulewright.study.statistics import estimate


def share_of_headroom(
    saved: Sequence[float], headroom: Sequence[float], inference: Inference | None = None
) -> Estimate | None:
    """All that was saved over all that could be saved, with its interval; None where nothing could be.

    A mean of shares would let samples that have next to no headroom decide.

    Parameters
    ----------
    saved, headroom : sequence of float, shape ``(N,)``
        Of each independent sample, in one unit.
    inference : Inference, optional
        Method and coverage.

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
    if total <= 0.0:
        return None
    share, mean = math.fsum(saved) / total, total / len(headroom)
    return estimate([share + (own - share * room) / mean for own, room in zip(saved, headroom, strict=True)], inference)
