"""Accelerators and power that inference takes at a rate of tokens."""

from __future__ import annotations

import math

import numpy as np

from joulewright.model import Fleet, InferenceService
from joulewright.model.timeline import FloatArray

_WHOLE = 1e-9
"""A replica this close to full, relative to the number of replicas, counts as full."""


def serving_draw(
    service: InferenceService, fleet: Fleet, rate_token_s: FloatArray, *, whole_replicas: bool = False
) -> tuple[FloatArray, FloatArray]:
    """Accelerators busy with a service on a fleet, and their IT power.

    Parameters
    ----------
    service : InferenceService
        Operating points and curves.
    fleet : Fleet
        Where it is served.
    rate_token_s : FloatArray
        Rate at each operating point [token/s], shape ``(P, T)``.
    whole_replicas : bool
        Take whole replicas along the curve of the service where it has one: all but one are full, the last has the
        rest. Otherwise accelerators come in fractions at the throughput of the point.

    Returns
    -------
    accelerators : FloatArray
        Shape ``(T,)``.
    power_mw : FloatArray
        With the host share [MW], shape ``(T,)``.

    Examples
    --------
    >>> from joulewright.model import ServingCurve, ServingPoint
    >>> fleet = Fleet(name="f", accelerator="H100-SXM", count=8, availability=np.ones(1), active_power_mw=9e-4,
    ...               idle_power_mw=2e-4)
    >>> curve = ServingCurve(accelerators=2, rate_token_s=(0.0, 1000.0), power_mw=(3e-4, 7e-4))
    >>> service = InferenceService(name="s", demand_token_s={}, curves={"H100-SXM": curve},
    ...     serving=ServingPoint(throughput_token_s=1000.0, active_power_mw=7e-4))
    >>> fraction, whole = (serving_draw(service, fleet, np.array([[3000.0]]), whole_replicas=w) for w in (False, True))

    Three thousand tokens per second are three accelerators' work; in replicas of two a second one runs half full.

    >>> [round(float(value[0]), 6) for value in (*fraction, *whole)]
    [3.0, 0.0021, 4.0, 0.0024]
    """
    points = service.points_on(fleet)
    throughput = np.array([point.throughput_token_s for point in points])[:, None]
    power_mw = np.array([point.active_power_mw for point in points])[:, None]
    busy = rate_token_s / throughput
    curve = service.curve_on(fleet)
    if curve is None or not whole_replicas:
        return busy.sum(axis=0), (busy * power_mw).sum(axis=0)
    full, rest = split_replicas(busy / curve.accelerators)
    partial_mw = np.where(rest > 0.0, curve.power_at(rest * throughput), 0.0)
    accelerators = curve.accelerators * (full + (rest > 0.0))
    return accelerators.sum(axis=0), (curve.accelerators * (full * power_mw + partial_mw)).sum(axis=0)


def split_replicas(replicas: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Full replicas, and the load of the one that has the rest as a fraction; both in the shape of ``replicas``.

    Examples
    --------
    >>> [part.tolist() for part in split_replicas(np.array([2.25, 3.0]))]
    [[2.0, 3.0], [0.25, 0.0]]
    """
    slack = _WHOLE * np.maximum(1.0, replicas)
    full = np.floor(replicas + slack)
    rest = replicas - full
    return full, np.where(rest > slack, rest, 0.0)


def whole_replicas(load: float) -> int:
    """Replicas that a load in replicas takes: full ones, and one for the rest; :func:`split_replicas` of one number.

    Examples
    --------
    >>> whole_replicas(2.25), whole_replicas(3.0 + 1e-10), whole_replicas(3.0 - 1e-10)
    (3, 3, 3)
    """
    slack = _WHOLE * max(1.0, load)
    full = math.floor(load + slack)
    return full + (load - full > slack)
