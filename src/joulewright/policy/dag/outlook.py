"""What a scheduler expects of a signal: a forecast window made from the past, or from the truth where asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from joulewright.errors import PolicyError
from joulewright.model.dag import DagSignal
from joulewright.model.timeline import FloatArray

FORECASTS = ("diurnal-persistence", "persistence", "perfect")


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """A window of expected values that begins with the present, which so lies between its least and greatest one.

    Attributes
    ----------
    window_h : float
        Length of the window [h], the present step included.
    forecast : str
        ``diurnal-persistence``: the same hour of the last day seen, else the present; ``persistence``: the present;
        ``perfect``: what will be, a bound rather than a policy.

    Raises
    ------
    PolicyError
        If the window is not positive or there is no such forecast.

    Examples
    --------
    >>> signal = DagSignal(step_ms=60_000, values=np.array([5.0, 3.0, 4.0]))
    >>> Outlook(window_h=2, forecast="perfect").issue(signal, signal.values)
    array([[ 5.,  3.],
           [ 3.,  4.],
           [ 4., nan]])
    """

    window_h: float = 48.0
    forecast: str = "diurnal-persistence"

    def __post_init__(self) -> None:
        if not 0.0 < self.window_h < math.inf:
            raise PolicyError(f"the forecast window is {self.window_h!r} h; allowed is any positive length")
        if self.forecast not in FORECASTS:
            raise PolicyError(f"there is no forecast {self.forecast!r} for DAG schedulers; use {', '.join(FORECASTS)}")

    def issue(self, signal: DagSignal, values: FloatArray) -> FloatArray:
        """Expected values at each step, shape ``(T, W)``; not a number beyond the end of a perfect forecast.

        Parameters
        ----------
        signal : DagSignal
            What plays, with its past.
        values : ndarray
            Its values or its renewable share, shape ``(T,)``.

        Notes
        -----
        What is expected of the values last asked about is kept, and read-only: schedulers that plan and the bounds of
        a run ask for the same.
        """
        return _kept(self, _Same(signal)) if values is signal.values else self._issued(signal, values)

    def _issued(self, signal: DagSignal, values: FloatArray) -> FloatArray:
        steps, width = values.size, max(1, math.ceil(self.window_h / signal.step_h - 1e-9))
        if self.forecast == "perfect":
            return np.ascontiguousarray(sliding_window_view(np.append(values, np.full(width - 1, np.nan)), width))
        if self.forecast == "persistence":
            return np.broadcast_to(values[:, None], (steps, width)).copy()
        past = signal.before(values)
        known, now, ahead = np.append(past, values), past.size + np.arange(steps)[:, None], np.arange(width)
        day = max(1, round(24.0 / signal.step_h))
        # The latest step that is seen and a whole number of days before the one in question.
        source = now + ahead - -(-ahead // day) * day
        issued: FloatArray = known[np.where(source >= 0, source, now)]
        return issued

    def bounds(self, signal: DagSignal) -> tuple[FloatArray, FloatArray]:
        """Least and greatest expected value at each step, shape ``(T,)`` each."""
        issued = self.issue(signal, signal.values)
        return np.nanmin(issued, axis=1), np.nanmax(issued, axis=1)


class _Same:
    """A signal that is equal to itself only."""

    def __init__(self, signal: DagSignal) -> None:
        self.signal = signal

    def __hash__(self) -> int:
        return id(self.signal)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.signal is other.signal


@lru_cache(maxsize=1)
def _kept(outlook: Outlook, same: _Same) -> FloatArray:
    found = outlook._issued(same.signal, same.signal.values)
    found.setflags(write=False)
    return found


@dataclass(frozen=True, kw_only=True)
class Foresight:
    """Options of what goes by a forecast.

    Attributes
    ----------
    window_h : float
        Window of the forecast [h].
    forecast : str
        See :class:`Outlook`; ``perfect`` looks into the future.

    Raises
    ------
    PolicyError
        As in :class:`Outlook`.
    """

    window_h: float = 48.0
    forecast: str = "diurnal-persistence"

    def __post_init__(self) -> None:
        Outlook(window_h=self.window_h, forecast=self.forecast)

    @property
    def outlook(self) -> Outlook:
        """The forecast."""
        return Outlook(window_h=self.window_h, forecast=self.forecast)
