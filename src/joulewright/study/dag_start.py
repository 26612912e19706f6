"""Where in a signal runs begin, and how much of it they and their bounds take."""

from __future__ import annotations

import math

from joulewright.errors import ScenarioError, TraceError
from joulewright.model.dag import DagSignal

_ROUNDING = 1e-9


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


def horizon_steps(signal: DagSignal, end_ms: float, allowance_h: float = 0.0) -> int:
    """Whole steps of a horizon that begins with the signal: an end [ms] and what is allowed beyond it [h].

    Examples
    --------
    Half an hour beyond an hour and a half of the signal are two steps.

    >>> import numpy as np
    >>> horizon_steps(DagSignal(step_ms=1000, values=np.ones(10)), 1500, 0.5)
    2
    """
    return max(1, math.ceil(end_ms / signal.step_ms + allowance_h / signal.step_h - _ROUNDING))


def refuse_overrun(signal: DagSignal, end_ms: int, *, run: str = "the run", series: str = "the signal") -> None:
    """Refuse a run that outlasts its signal.

    Parameters
    ----------
    signal : DagSignal
        From the start of the run on.
    end_ms : int
        When the run ends [ms].
    run, series : str
        What they are called in the message.

    Raises
    ------
    TraceError
        With the hours needed and held.
    """
    needed, held = math.ceil(end_ms / signal.step_ms), signal.values.size
    if needed > held:
        raise TraceError(
            f"{run} needs {needed * signal.step_h:g} h of {series}, which holds {held * signal.step_h:g} h from its "
            "start; give a longer signal, an earlier start or more executors, or let an hour of the signal take longer"
        )
