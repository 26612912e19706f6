"""When executors fail as a whole and come back: known beforehand from the seed, whatever a scheduler does."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from joulewright.model.dag import DagCluster
from joulewright.sim.processes.dag.durations import uniform
from joulewright.sim.processes.dag.streams import OUTAGE

OUTAGE_EVENT = np.dtype([("time_ms", "i8"), ("executor", "i8"), ("back", "i8")])
"""Time, executor, and 1 if it comes back, 0 if it fails."""
_PER_EXECUTOR = 8


def outage_events(cluster: DagCluster, seed: int, until_ms: int) -> NDArray[np.void]:
    """Failures and repairs before a time, by time and executor; a longer list begins with a shorter one.

    Parameters
    ----------
    cluster : DagCluster
        Its executors work ``mean_up_ms`` on average, then are down for ``repair_ms``.
    seed : int
        Of the draws.
    until_ms : int
        Later events are left out [ms].

    Returns
    -------
    ndarray
        Records of ``OUTAGE_EVENT``, shape ``(N,)``; empty if executors do not fail.

    Examples
    --------
    >>> events = outage_events(DagCluster(executors=1, mean_up_ms=50.0, repair_ms=5), 1, 500)
    >>> events["back"][:4].tolist(), int(events["time_ms"][1] - events["time_ms"][0])
    ([0, 1, 0, 1], 5)
    """
    found: list[tuple[int, int, int]] = []
    for executor in range(cluster.executors if cluster.executors_fail else 0):
        time = failures = 0
        while time < until_ms:
            up_ms = -math.log(uniform(seed, OUTAGE, executor, failures)) * cluster.mean_up_ms
            time += max(1, math.ceil(up_ms))
            found.append((time, executor, 0))
            time += cluster.repair_ms
            found.append((time, executor, 1))
            failures += 1
    return np.array(sorted(event for event in found if event[0] < until_ms), dtype=OUTAGE_EVENT)


def first_outages(cluster: DagCluster, seed: int) -> tuple[NDArray[np.void], int]:
    """Events that will do for a while, and the time they reach [ms]."""
    if not cluster.executors_fail:
        return np.zeros(0, dtype=OUTAGE_EVENT), 0
    until_ms = math.ceil(_PER_EXECUTOR * (cluster.mean_up_ms + cluster.repair_ms))
    return more_outages(cluster, seed, until_ms // 2, 0)


def more_outages(cluster: DagCluster, seed: int, until_ms: int, known: int) -> tuple[NDArray[np.void], int]:
    """As many events again, more than ``known`` of them, and the time they reach [ms]."""
    while True:
        until_ms *= 2
        events = outage_events(cluster, seed, until_ms)
        if events.size > known:
            return events, until_ms


def down_times(cluster: DagCluster, seed: int, end_ms: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Begin and end of every time an executor is down until ``end_ms`` [ms], shape ``(N,)`` each."""
    events = outage_events(cluster, seed, end_ms)
    begins = events[events["back"] == 0]
    begin: NDArray[np.int64] = begins["time_ms"].copy()
    return begin, np.minimum(begin + cluster.repair_ms, end_ms)
