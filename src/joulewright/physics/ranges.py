"""Range checks whose messages quote the value found, the allowed range and the unit."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from joulewright.errors import ScenarioError
from joulewright.model.timeline import FloatArray


def checked(
    values: ArrayLike, name: str, low: float = -math.inf, high: float = math.inf, *, unit: str = ""
) -> FloatArray:
    """The values as a float array, after a check that all are finite and within ``[low, high]``.

    Parameters
    ----------
    values : array_like
        What the user gave, any shape.
    name : str
        Key or quantity named in the message.
    low, high : float
        Allowed range, inclusive.
    unit : str
        Unit shown in the message.

    Returns
    -------
    FloatArray
        ``values`` as ``float64``, same shape.

    Raises
    ------
    ScenarioError
        If a value is not finite or lies outside the range.

    Examples
    --------
    >>> float(checked(0.5, "cloud cover", 0, 1))
    0.5
    """
    array = np.asarray(values, dtype=np.float64)
    wrong = ~((array >= low) & (array <= high))
    if wrong.any():
        found = array[wrong].flat[0]
        bounds = (
            f"at least {low:g}"
            if math.isinf(high)
            else f"at most {high:g}"
            if math.isinf(low)
            else f"{low:g} to {high:g}"
        )
        count = f" ({int(wrong.sum())} of {array.size} values)" if array.size > 1 else ""
        raise ScenarioError(
            f"{name} is {found:g}{unit and ' ' + unit}{count}; allowed is {bounds}{unit and ' ' + unit}"
        )
    return array


def per_step(
    values: ArrayLike, name: str, low: float = -math.inf, high: float = math.inf, *, steps: int, unit: str = ""
) -> FloatArray:
    """The values checked as :func:`checked` does and spread to shape ``(steps,)``.

    Raises
    ------
    ScenarioError
        If a value is out of range or the series has another length.

    Examples
    --------
    >>> per_step(20, "temperature", steps=2).tolist()
    [20.0, 20.0]
    """
    array = checked(values, name, low, high, unit=unit)
    if array.shape not in ((), (1,), (steps,)):
        raise ScenarioError(
            f"{name} has shape {array.shape}; the horizon has {steps} steps, so give one value or {steps}"
        )
    return np.broadcast_to(array, (steps,))
