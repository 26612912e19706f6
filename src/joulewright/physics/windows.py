"""Windows of surplus: runs of steps, merged over short gaps, and how long they last."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from joulewright.errors import ScenarioError
from joulewright.model.timeline import BoolArray, FloatArray
from joulewright.physics.ranges import checked


@dataclass(frozen=True, kw_only=True, eq=False)
class Windows:
    """Runs of steps in which there is a surplus; every array has shape ``(W,)``.

    Attributes
    ----------
    first_step, stop_step : NDArray[np.int64]
        Steps ``first_step <= t < stop_step``.
    length_h : FloatArray
        How long they last [h].
    open_ended : BoolArray
        True where the data end before the window does: its length is a lower bound.

    References
    ----------
    See :func:`surplus_windows`.
    """

    first_step: NDArray[np.int64]
    stop_step: NDArray[np.int64]
    length_h: FloatArray
    open_ended: BoolArray


def surplus_windows(surplus: ArrayLike, *, step_h: float, max_gap_steps: int = 0) -> Windows:
    """Windows of a surplus signal, those with short gaps between them merged.

    Parameters
    ----------
    surplus : array_like of bool
        Whether there is a surplus in each step, shape ``(T,)``.
    step_h : float
        Length of a step [h].
    max_gap_steps : int
        Gaps of up to so many steps between two windows are filled; leading and trailing ones never.

    Raises
    ------
    ScenarioError
        If the step is not positive or the gap is negative.

    References
    ----------
    Curtailment windows that jobs follow: Green Distributed AI Training (2025), arXiv:2511.16182; the merging rule is
    our own.

    Examples
    --------
    >>> surplus_windows([1, 1, 0, 1, 0, 0, 1, 0], step_h=0.5, max_gap_steps=1).length_h.tolist()
    [2.0, 0.5]
    """
    checked(step_h, "step", 1e-9, unit="h")
    checked(max_gap_steps, "gap", 0.0, unit="steps")
    padded = np.concatenate(([False], np.asarray(surplus, dtype=np.bool_), [False]))
    edges = np.flatnonzero(padded[1:] != padded[:-1]).astype(np.int64)
    first, stop = edges[::2], edges[1::2]
    apart = first[1:] - stop[:-1] > max_gap_steps
    first = first[np.concatenate(([True], apart))] if first.size else first
    stop = stop[np.concatenate((apart, [True]))] if stop.size else stop
    return Windows(
        first_step=first,
        stop_step=stop,
        length_h=step_h * (stop - first).astype(np.float64),
        open_ended=stop == padded.size - 2,
    )


def window_survival(length_h: ArrayLike, at_h: ArrayLike, *, open_ended: ArrayLike = False) -> FloatArray:
    """Probability that a window lasts at least so long, same shape as ``at_h``.

    Parameters
    ----------
    length_h : array_like
        Lengths of the observed windows [h], shape ``(W,)``.
    at_h : array_like
        Lengths asked about [h].
    open_ended : array_like of bool
        Windows that the data cut short, shape ``(W,)``.

    Raises
    ------
    ScenarioError
        If there is no window or a length is negative.

    Notes
    -----
    Product-limit estimate ``S(x) = product over lengths l < x of (1 - ended(l) / at_least(l))``; without open-ended
    windows this is the share of windows with a length of at least x. Beyond the longest window it is 0, or stays
    at its last value where that one is open-ended.

    References
    ----------
    Kaplan and Meier (1958), Journal of the American Statistical Association 53, 457-481,
    doi:10.1080/01621459.1958.10501452.

    Examples
    --------
    >>> window_survival([4.0, 3.0, 3.0], [2.0, 3.0, 3.5, 5.0]).round(6).tolist()
    [1.0, 1.0, 0.333333, 0.0]
    """
    lengths = np.atleast_1d(checked(length_h, "window", 0.0, unit="h"))
    if lengths.size == 0:
        raise ScenarioError("there are 0 windows; their survival needs at least one: widen the data or the threshold")
    ended = ~np.broadcast_to(np.asarray(open_ended, dtype=np.bool_), lengths.shape)
    levels = np.unique(lengths)
    stopped = (ended & (lengths == levels[:, None])).sum(axis=1)
    at_risk = (lengths >= levels[:, None]).sum(axis=1)
    survival = np.concatenate(([1.0], np.cumprod(1.0 - stopped / at_risk)))
    # A length of exactly x survives x: only shorter ones have ended, up to rounding of the step.
    passed = np.searchsorted(levels, checked(at_h, "length", 0.0, unit="h") * (1.0 - 1e-12), side="left")
    found: FloatArray = survival[passed]
    return found


def residual_survival(
    length_h: ArrayLike, age_h: ArrayLike, further_h: ArrayLike, *, open_ended: ArrayLike = False
) -> FloatArray:
    """Probability that a window of an age lasts further so long, broadcast shapes; 0 at ages that none reached.

    Parameters
    ----------
    length_h : array_like
        Lengths of the observed windows [h], shape ``(W,)``.
    age_h, further_h : array_like
        How long the window has lasted and how much longer it should [h].
    open_ended : array_like of bool
        As in :func:`window_survival`.

    Notes
    -----
    ``P(W - a >= x | W >= a) = S(a + x) / S(a)``.

    References
    ----------
    See :func:`window_survival`.

    Examples
    --------
    >>> float(residual_survival([4.0, 2.0, 1.0], 2.0, 2.0))  # of the two that reached 2 h, one reached 4 h
    0.5
    """
    age = np.asarray(age_h, dtype=np.float64)
    reached = window_survival(length_h, age, open_ended=open_ended)
    both = window_survival(length_h, age + np.asarray(further_h, dtype=np.float64), open_ended=open_ended)
    share: FloatArray = np.divide(both, reached, out=np.zeros(np.shape(both)), where=reached > 0.0)
    return share


def mean_residual_h(length_h: ArrayLike) -> float:
    """Mean time that is left of a window at a random instant inside one [h].

    Parameters
    ----------
    length_h : array_like
        Lengths of the windows [h], shape ``(W,)``.

    Raises
    ------
    ScenarioError
        If there is no window of positive length.

    Notes
    -----
    ``E[W^2] / (2 E[W])``: a random instant falls into long windows more often than into short ones.

    References
    ----------
    Feller (1971), An Introduction to Probability Theory and Its Applications, vol. II, section XI.4.

    Examples
    --------
    >>> mean_residual_h([4.0, 3.0, 3.0])  # 34 / 20
    1.7
    """
    lengths = checked(length_h, "window", 0.0, unit="h")
    total = float(lengths.sum())
    if total <= 0.0:
        raise ScenarioError(f"{lengths.size} windows last {total:g} h in all; allowed is above 0 h")
    return float((lengths**2).sum()) / (2.0 * total)
