"""Where in a signal runs begin."""

from __future__ import annotations

import math

from joulewright.errors import ScenarioError
from joulewright.model.dag import DagSignal


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
