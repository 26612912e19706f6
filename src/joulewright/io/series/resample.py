"""Moving interval means from one regular grid to another."""

from __future__ import annotations

import numpy as np

from joulewright.model import Timeline
from joulewright.model.timeline import BoolArray, FloatArray


def resample(values: FloatArray, timeline: Timeline, *, first_s: int, step_s: int) -> FloatArray:
    """Mean of a step-wise constant series over every step of the horizon.

    Every source value holds for its whole step, so integrals are kept: finer data are averaged, coarser data held,
    and steps that do not divide each other are weighted with their overlap.

    Parameters
    ----------
    values : FloatArray, shape ``(N,)``
        Interval means that cover the horizon.
    timeline : Timeline
        Target grid.
    first_s : int
        Start of the first source interval [s since 1970-01-01 UTC].
    step_s : int
        Source step [s].

    Returns
    -------
    FloatArray, shape ``(T,)``
        Interval means on the horizon.

    Raises
    ------
    ValueError
        If the source does not cover the horizon.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> two = Timeline(start=datetime(1970, 1, 1, tzinfo=UTC), step_s=3600, steps=2)
    >>> resample(np.array([1.0, 3.0, 5.0, 7.0]), two, first_s=0, step_s=1800).tolist()
    [2.0, 6.0]
    """
    offset = int(timeline.start.timestamp()) - first_s
    length = timeline.steps * timeline.step_s
    if offset < 0 or offset + length > len(values) * step_s:
        raise ValueError(f"source covers [0, {len(values) * step_s}) s; wanted is [{offset}, {offset + length}) s")
    if step_s == timeline.step_s and offset % step_s == 0:
        return values[offset // step_s : offset // step_s + timeline.steps].copy()
    targets = offset + np.arange(timeline.steps + 1, dtype=np.int64) * timeline.step_s
    sources = np.arange(offset // step_s + 1, -(-(offset + length) // step_s), dtype=np.int64) * step_s
    edges = np.union1d(targets, sources)
    pieces = values[edges[:-1] // step_s] * (np.diff(edges) / timeline.step_s)
    return np.add.reduceat(pieces, np.searchsorted(edges, targets[:-1]))


def fill_gaps(values: FloatArray, missing: BoolArray) -> FloatArray:
    """Linear interpolation of the missing values between their known neighbours; known values stay as they are.

    Examples
    --------
    >>> fill_gaps(np.array([1.0, np.nan, np.nan, 4.0]), np.array([False, True, True, False])).tolist()
    [1.0, 2.0, 3.0, 4.0]
    """
    known = np.flatnonzero(~missing)
    filled = values.copy()
    filled[missing] = np.interp(np.flatnonzero(missing), known, values[known])
    return filled


def gaps(missing: BoolArray) -> list[tuple[int, int]]:
    """Half-open ranges of consecutive missing values.

    Examples
    --------
    >>> gaps(np.array([True, False, True, True]))
    [(0, 1), (2, 4)]
    """
    edges = np.flatnonzero(np.diff(missing.astype(np.int8), prepend=0, append=0))
    return [(int(first), int(stop)) for first, stop in zip(edges[::2], edges[1::2])]
