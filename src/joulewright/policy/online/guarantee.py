"""What an online algorithm promises: the published ratio, and the one that holds for every input."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from joulewright.errors import PolicyError
from joulewright.model.timeline import FloatArray


@dataclass(frozen=True, kw_only=True)
class Guarantee:
    """Competitive ratio of an algorithm: cost over optimum for costs, optimum over profit for profits.

    Attributes
    ----------
    published : float or None
        The ratio of the paper, None where there is none or where it was not checked [1].
    provable : float or None
        The ratio that no input within ``holds`` exceeds; None where nothing is proved [1].
    holds : str
        For which inputs ``provable`` is a bound.
    sources : tuple of str
        Keys of :data:`joulewright.policy.online.REFERENCES`.
    """

    published: float | None
    provable: float | None
    holds: str
    sources: tuple[str, ...]


def check_bounds(low: float, high: float) -> None:
    """Refuse bounds of a price that are not finite, not positive or the wrong way round.

    Raises
    ------
    PolicyError
        If not 0 < low <= high.
    """
    if not (math.isfinite(low) and math.isfinite(high) and low > 0.0):
        raise PolicyError(
            f"price bounds are low = {low:g} and high = {high:g}; both must be finite and above 0 "
            "(with prices at or below zero plan on a forecast instead: no ratio exists)"
        )
    if low > high:
        raise PolicyError(f"low = {low:g} is above high = {high:g}; give 0 < low <= high")


def check_work(work: int) -> None:
    """Refuse less than one slot of work.

    Raises
    ------
    PolicyError
        If ``work`` is not a whole number of at least 1.
    """
    if work != int(work) or work < 1:
        raise PolicyError(f"work is {work!r} slots; give a whole number of at least 1")


def check_switching(switching_cost: float, limit: float, reason: str) -> None:
    """Refuse a switching cost outside [0, limit).

    Raises
    ------
    PolicyError
        If it is negative, not a number, or at or above ``limit``.
    """
    if not 0.0 <= switching_cost < limit and not (switching_cost == 0.0 == limit):
        raise PolicyError(f"switching_cost is {switching_cost:g}; it must be at least 0 and below {limit:g} ({reason})")


def checked_prices(prices: ArrayLike, *, slots_needed: float = 1.0) -> FloatArray:
    """The prices as an array of shape ``(T,)``.

    Parameters
    ----------
    prices : array
        Price or carbon intensity of each slot.
    slots_needed : float
        Slots that the work takes at least.

    Raises
    ------
    PolicyError
        If a price is not finite or there are fewer slots than the work needs.
    """
    values = np.ascontiguousarray(prices, dtype=float)
    if values.ndim != 1:
        raise PolicyError(f"prices have shape {values.shape}; give one price per slot, shape (T,)")
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        raise PolicyError(f"price {values[bad[0]]} of slot {bad[0]} is not finite; fill or drop {bad.size} such slots")
    if values.size < slots_needed - 1e-9:
        raise PolicyError(
            f"the work needs {slots_needed:g} slots and only {values.size} are left; "
            "move the deadline, raise the rate or take work away"
        )
    return values


def increasing_root(function: Callable[[float], float], lower: float, upper: float) -> float:
    """Root of an increasing function in (lower, infinity), to machine precision; ``upper`` is a first guess above it.

    Examples
    --------
    >>> round(increasing_root(lambda x: x * x - 2.0, 1.0, 1.1), 12)
    1.414213562373
    """
    from scipy.optimize import brentq

    while function(upper) < 0.0:
        upper = lower + 2.0 * (upper - lower)
    return float(brentq(function, lower, upper, xtol=1e-15, rtol=4.0 * np.finfo(float).eps, maxiter=500))


def lambert(argument: float) -> float:
    """Principal branch of the Lambert function, W e^W = argument."""
    from scipy.special import lambertw

    return float(lambertw(argument).real)
