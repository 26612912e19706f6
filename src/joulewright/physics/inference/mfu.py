"""Power from the share of peak operations alone: the baseline of earlier work, kept for comparison."""

from __future__ import annotations

from numpy.typing import ArrayLike

from joulewright.model.timeline import FloatArray
from joulewright.physics.ranges import checked

_SATURATION, _EXPONENT = 0.45, 0.7


def mfu_power_w(mfu_fraction: ArrayLike, *, idle_w: float, board_w: float) -> FloatArray:
    """Power of an accelerator from its share of peak operations [W], same shape.

    Parameters
    ----------
    mfu_fraction : array_like
        Operations over the peak [-], a fraction and not a percentage.
    idle_w, board_w : float
        Idle power and board limit [W].

    Raises
    ------
    ScenarioError
        If a share lies outside 0 to 1, as percentages do.

    Notes
    -----
    ``P = P_idle + (P_max - P_idle) min(1, (mfu / 0.45)^0.7)``. Decoding is bound by memory, so that this model
    misses by a third where the shares are small: it is a baseline, not a prediction.

    References
    ----------
    Ozcan et al. (2025), Quantifying the Energy Consumption and Carbon Emissions of LLM Inference via Simulations,
    arXiv:2507.11417.

    Examples
    --------
    >>> round(float(mfu_power_w(0.1, idle_w=100.0, board_w=400.0)), 3)
    204.682
    """
    share = checked(mfu_fraction, "share of peak operations", 0.0, 1.0)
    limited = checked(board_w, "board limit", idle_w, unit="W") - idle_w
    power: FloatArray = idle_w + limited * ((share / _SATURATION) ** _EXPONENT).clip(max=1.0)
    return power
