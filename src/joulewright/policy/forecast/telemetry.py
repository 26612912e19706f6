"""Gaps in telemetry: which signals are stale when, and what is known of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from joulewright.model import Event, Scenario
from joulewright.model.disturbance import event_steps
from joulewright.model.timeline import BoolArray, FloatArray
from joulewright.policy.signals import signal_keys


def stale_steps(scenario: Scenario, events: Sequence[Event]) -> Mapping[str, BoolArray]:
    """Steps in which telemetry gaps hide a signal.

    Parameters
    ----------
    scenario : Scenario
        Any with the signals and the horizon of the run.
    events : sequence of Event
        All events; those that are no ``telemetry-gap`` are left out.

    Returns
    -------
    mapping of str to BoolArray
        True where the signal is stale, shape ``(T,)``, by key; signals that are never stale are left out.
    """
    found: dict[str, BoolArray] = {}
    for event in events:
        if event.kind != "telemetry-gap":
            continue
        first, stop = event_steps(scenario.timeline, event)
        for key in signal_keys(scenario):
            site, _, signal = key.partition("/")
            if site == event.site and (not event.signals or signal in event.signals):
                found.setdefault(key, np.zeros(scenario.timeline.steps, dtype=np.bool_))[first:stop] = True
    return found


def last_known(values: FloatArray, stale: BoolArray) -> FloatArray:
    """Values with every stale one replaced by the last one before it that was not.

    Parameters
    ----------
    values : FloatArray
        True values, shape ``(T,)``.
    stale : BoolArray
        Where they are hidden, shape ``(T,)``. A gap at the very start keeps the first value, as set at installation.

    Returns
    -------
    FloatArray
        What telemetry shows, shape ``(T,)``.

    Examples
    --------
    >>> last_known(np.array([1.0, 2.0, 3.0, 4.0]), np.array([False, True, True, False])).tolist()
    [1.0, 1.0, 1.0, 4.0]
    """
    sources = np.where(stale, 0, np.arange(values.size))
    shown: FloatArray = values[np.maximum.accumulate(sources)]
    return shown
