"""Runs that begin in the middle of a signal: schedulers keep the past of it that they would know by then."""

from __future__ import annotations

import copy
import dataclasses
import math
from dataclasses import dataclass

from joulewright.errors import ScenarioError
from joulewright.model.dag import DagSignal
from joulewright.model.timeline import FloatArray
from joulewright.policy.dag import AbstractDagScheduler, Outlook


def signal_from(signal: DagSignal, step: int) -> DagSignal:
    """The signal from a step on.

    Raises
    ------
    ScenarioError
        If there is no such step.

    Examples
    --------
    >>> import numpy as np
    >>> signal_from(DagSignal(step_ms=60_000, values=np.array([5.0, 3.0, 4.0])), 1).values
    array([3., 4.])
    """
    if not 0 <= step < signal.values.size:
        raise ScenarioError(f"a run begins in step {step} of a signal with {signal.values.size} steps")
    share = signal.renewable_fraction
    return dataclasses.replace(
        signal, values=signal.values[step:], renewable_fraction=None if share is None else share[step:]
    )


def knowing_past(scheduler: AbstractDagScheduler, signal: DagSignal, step: int) -> AbstractDagScheduler:
    """A scheduler that decides in :func:`signal_from` as one that has watched the signal since its beginning.

    Examples
    --------
    >>> import numpy as np
    >>> from joulewright.policy.dag import make_dag_scheduler
    >>> knowing_past(make_dag_scheduler("sap+fair"), DagSignal(step_ms=1, values=np.ones(3)), 1).base
    Fair()
    """
    if not step:
        return scheduler
    kind, made = type(scheduler), copy.copy(scheduler)
    if hasattr(scheduler, "base"):
        object.__setattr__(made, "base", knowing_past(scheduler.base, signal, step))

    def outlook(self: AbstractDagScheduler) -> Outlook:
        known = kind.outlook.__get__(self)
        facts = {item.name: getattr(known, item.name) for item in dataclasses.fields(Outlook)}
        return _PastOutlook(whole=signal, step=step, **facts)

    # Of a kind of its own, so that whatever the scheduler makes of its outlook, also for a run, has the past in it.
    informed = type(kind.__name__, (kind,), {"outlook": property(outlook), "__doc__": kind.__doc__})
    object.__setattr__(made, "__class__", informed)
    return made


@dataclass(frozen=True, kw_only=True)
class _PastOutlook(Outlook):
    """An outlook whose forecasts are made from all of a signal, but issued from a later step on."""

    whole: DagSignal
    step: int

    def issue(self, signal: DagSignal, values: FloatArray) -> FloatArray:
        """Expected values at each step from the start on, shape ``(T, W)``."""
        past = self.whole.values if values is signal.values else self.whole.renewable_fraction
        if past is None:
            return super().issue(signal, values)
        return super().issue(self.whole, past)[self.step :]


def spread_starts(signal: DagSignal, needed_ms: float, count: int) -> tuple[int, ...]:
    """Steps spread evenly over a signal from which a run of some length fits.

    Raises
    ------
    ScenarioError
        If the signal has too few of them: the hours needed and held.

    Examples
    --------
    >>> import numpy as np
    >>> spread_starts(DagSignal(step_ms=1000, values=np.ones(10)), 4000.0, 3)
    (0, 3, 6)
    """
    steps = signal.values.size
    last = steps - math.ceil(needed_ms / signal.step_ms)
    if last < count - 1:
        raise ScenarioError(
            f"{count} starts of runs of up to {(steps - last) * signal.step_h:g} h need at least "
            f"{(steps - last + count - 1) * signal.step_h:g} h of the signal, which holds {steps * signal.step_h:g} h; "
            "give a longer signal or fewer starts"
        )
    return tuple(round(position * last / (count - 1)) for position in range(count)) if count > 1 else (0,)
