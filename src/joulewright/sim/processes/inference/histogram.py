"""Quantiles from counts in buckets whose bounds grow by a constant factor."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from joulewright.sim.processes.inference.arrays import GROWTH, LEAST_S


def histogram_quantile(counts: NDArray[np.int64], fraction: float) -> float:
    """Value below which a fraction of the counted ones lies; not a number without counts.

    Parameters
    ----------
    counts : ndarray
        Shape ``(4096,)``; bucket i holds values from ``LEAST_S GROWTH^i`` up to the next bound.
    fraction : float
        Between 0 and 1.

    Returns
    -------
    float
        Geometric middle of the bucket, hence within half of its width of 1 %.

    References
    ----------
    Masson, Rim and Lee (2019), DDSketch, PVLDB 12(12), doi:10.14778/3352063.3352135.

    Examples
    --------
    >>> counts = np.zeros(4096, dtype=np.int64)
    >>> counts[0] = 1
    >>> round(histogram_quantile(counts, 0.5) / 1.005e-6, 4)  # first bucket: 1 to 1.01 us
    1.0
    """
    total = int(counts.sum())
    if total == 0:
        return math.nan
    rank = fraction * (total - 1)
    bucket = int(np.searchsorted(np.cumsum(counts), rank, side="right"))
    return float(LEAST_S * GROWTH ** (min(bucket, counts.size - 1) + 0.5))
