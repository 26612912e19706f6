"""Grid connection: what may be exchanged in a step, given limits, ramps, outages and the exchange before."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from joulewright.model.timeline import FloatArray
from joulewright.physics.ranges import checked


def net_import_range_mw(
    import_limit_mw: ArrayLike,
    export_limit_mw: ArrayLike,
    *,
    connected: ArrayLike = True,
    previous_net_import_mw: ArrayLike | None = None,
    ramp_mw_per_h: float | None = None,
    step_h: float = 1.0,
) -> tuple[FloatArray, FloatArray]:
    """Lowest and highest feasible net import (import less export) of a step [MW], broadcast shapes.

    Parameters
    ----------
    import_limit_mw, export_limit_mw : array_like
        Limits of the connection in this step [MW], not negative; infinite where there is none.
    connected : array_like of bool
        False in an outage: nothing can be exchanged.
    previous_net_import_mw : array_like, optional
        Net import of the step before [MW]; None where there is none, so that the ramp does not bind.
    ramp_mw_per_h : float, optional
        Largest change of net import per hour [MW/h]; None for no limit.
    step_h : float
        Length of the step [h].

    Returns
    -------
    lowest_mw, highest_mw : FloatArray
        Negative where power can be exported; lowest is never above highest.

    Raises
    ------
    ScenarioError
        If a limit or the ramp is negative or the step is not positive.

    Notes
    -----
    With n the net import, I and X the limits, R the ramp and h the step::

        max(-X, n_previous - R h) <= n <= min(I, n_previous + R h)        connected
        n = 0                                                            in an outage

    Limits come before ramps: where the limits have moved out of reach of the ramp, only the limit nearest to the
    previous exchange is left. The breaker opens at once in an outage, whatever the ramp.

    References
    ----------
    Ramping limits in both directions at a connection: Regulation (EU) 2016/631, article 15(6)(e).

    Examples
    --------
    >>> low, high = net_import_range_mw(50.0, 20.0, previous_net_import_mw=30.0, ramp_mw_per_h=60.0, step_h=0.25)
    >>> float(low), float(high)  # 30 - 15 and 30 + 15
    (15.0, 45.0)
    >>> [float(bound) for bound in net_import_range_mw(50.0, 20.0, connected=False)]
    [0.0, 0.0]
    """
    highest = np.where(connected, checked(import_limit_mw, "import limit", 0.0, unit="MW"), 0.0)
    lowest = 0.0 - np.where(connected, checked(export_limit_mw, "export limit", 0.0, unit="MW"), 0.0)
    if ramp_mw_per_h is None or previous_net_import_mw is None:
        low, high = np.broadcast_arrays(lowest, highest)
        return low.copy(), high.copy()
    reach = ramp_step_mw(ramp_mw_per_h, step_h=step_h)
    previous = checked(previous_net_import_mw, "previous net import", unit="MW")
    return np.clip(previous - reach, lowest, highest), np.clip(previous + reach, lowest, highest)


def ramp_step_mw(ramp_mw_per_h: float, *, step_h: float) -> float:
    """Largest change from one step to the next [MW] that a ramp [MW/h] allows in a step [h].

    Raises
    ------
    ScenarioError
        If the ramp is negative or the step is not positive.

    References
    ----------
    See :func:`net_import_range_mw`.

    Examples
    --------
    >>> ramp_step_mw(60.0, step_h=1.0 / 12.0)  # 1 MW/min over five minutes
    5.0
    """
    hours = float(checked(step_h, "step", 1e-9, unit="h"))
    return float(checked(ramp_mw_per_h, "ramp", 0.0, unit="MW/h")) * hours


def split_net_import(net_import_mw: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Import and export [MW], both not negative and never both positive, of a net import [MW], same shape.

    References
    ----------
    See :func:`net_import_range_mw`; the split is a definition.

    Examples
    --------
    >>> [flow.tolist() for flow in split_net_import([3.0, -2.0])]
    [[3.0, 0.0], [0.0, 2.0]]
    """
    net = np.asarray(net_import_mw, dtype=np.float64)
    return np.maximum(net, 0.0), np.maximum(-net, 0.0)


def grid_ramp_excess_mw(
    net_import_mw: ArrayLike, *, ramp_mw_per_h: float, step_h: float, before_mw: float | None = None
) -> FloatArray:
    """How far each change of net import exceeds the ramp [MW], shape ``(T,)``; 0 where it is kept.

    Parameters
    ----------
    net_import_mw : array_like
        Net import [MW], shape ``(T,)``.
    ramp_mw_per_h : float
        Largest change per hour [MW/h].
    step_h : float
        Length of a step [h].
    before_mw : float, optional
        Net import before the first step [MW]; None leaves the first step free.

    References
    ----------
    See :func:`net_import_range_mw`.

    Examples
    --------
    >>> grid_ramp_excess_mw([0.0, 5.0, 4.0], ramp_mw_per_h=2.0, step_h=1.0).tolist()
    [0.0, 3.0, 0.0]
    """
    net = np.asarray(net_import_mw, dtype=np.float64)
    change = np.abs(np.diff(net, prepend=net[:1] if before_mw is None else before_mw))
    return np.maximum(change - ramp_step_mw(ramp_mw_per_h, step_h=step_h), 0.0)
