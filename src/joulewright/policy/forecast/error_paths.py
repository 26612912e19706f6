"""Forecast errors that grow with lead time, drawn from a seed, block by block."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import get_args

import numpy as np

from joulewright.model.timeline import FloatArray
from joulewright.policy.forecast.place import SignalKind

KINDS: tuple[SignalKind, ...] = tuple(kind for kind in get_args(SignalKind) if kind != "known")
"""Kinds of signals that have errors."""

KIND_CORRELATION: Mapping[tuple[SignalKind, SignalKind], float] = {
    ("carbon", "price"): 0.39,
    ("carbon", "solar"): 0.06,
    ("carbon", "wind"): -0.32,
    ("price", "solar"): 0.02,
    ("price", "wind"): -0.11,
    ("solar", "wind"): -0.11,
}
"""Correlation of errors at one site; pairs that are not listed are independent. These are the correlations of hourly
departures from the mean of month and hour in 2022, mean of CISO, ERCOT, PJM Dominion, DE-LU and Ontario: carbon
intensity by Electricity Maps (ODbL), prices of the market operators, wind speed and cloud cover (with the sign turned,
for solar) by Open-Meteo (CC BY 4.0)."""

_BLOCK = 1024
_KEPT_BLOCKS = 16


class ErrorPaths:
    """Standard Gaussian errors of every kind at every place, correlated in time, between kinds and between places.

    The error of a forecast issued at step k for step t is ``Z(t) - phi^(t-k) Z(k)`` with a stationary AR(1) path Z:
    zero for the present, growing to the spread of Z, and revised little by little as k moves on.

    Parameters
    ----------
    places : int
        Sites and service regions.
    step_h, memory_h : float
        Length of a step and time in which the correlation of errors falls to 1/e [h]; 0 means none.
    shared_fraction : float
        Correlation of errors of one kind between places, in [0, 1].
    entropy : int
        Seed; equal seeds give equal errors in whatever order they are read.

    Notes
    -----
    ``Z(t) = phi Z(t-1) + sqrt(1 - phi^2) eps(t)``, ``phi = exp(-step_h / memory_h)``, so that the error is the AR(1)
    process in lead time l started at zero, with variance ``1 - phi^(2 l)``. It is the martingale model of forecast
    evolution with exponentially decaying updates.

    References
    ----------
    Heath and Jackson (1994), Modeling the evolution of demand forecasts, IIE Transactions 26(3):17-30,
    doi 10.1080/07408179408966604.
    """

    def __init__(
        self, places: int, step_h: float, memory_h: float, *, shared_fraction: float = 0.0, entropy: int = 0
    ) -> None:
        self._phi = math.exp(-step_h / memory_h) if memory_h > 0.0 else 0.0
        self._shared = (math.sqrt(shared_fraction), math.sqrt(1.0 - shared_fraction))
        self._entropy = entropy
        self._places = places
        self._mix = np.linalg.cholesky(_correlations()).T
        self._starts: list[FloatArray] = [self._noise(["start"], 1)[0]]
        self._blocks: dict[int, FloatArray] = {}
        self._decay: FloatArray = np.zeros(0)

    def errors(self, place: int, kind: SignalKind, step: int, stop: int) -> FloatArray:
        """Errors on the steps ``[step, stop)`` of a forecast issued at ``step``, shape ``(stop - step,)``."""
        column = KINDS.index(kind)
        path = self._path(step, stop)[:, place, column]
        revised: FloatArray = path - path[0] * self.decay(stop - step)
        return revised

    def members(self, step: int, steps: int, count: int) -> FloatArray:
        """Independent errors of an ensemble issued at ``step``, shape ``(steps, count, places, kinds)``."""
        noise = self._noise(["members", step], steps * count).reshape(steps, count, self._places, len(KINDS))
        errors = np.zeros_like(noise)
        for lead in range(1, steps):
            errors[lead] = self._phi * errors[lead - 1] + self._fresh * noise[lead]
        return errors

    def decay(self, steps: int) -> FloatArray:
        """``phi^l`` for the leads l = 0, 1, ..., shape ``(steps,)``."""
        if self._decay.size < steps:
            self._decay = np.power(self._phi, np.arange(2 * steps), dtype=np.float64)
        return self._decay[:steps]

    @property
    def _fresh(self) -> float:
        return math.sqrt(1.0 - self._phi**2)

    def _path(self, step: int, stop: int) -> FloatArray:
        first, last = step // _BLOCK, (stop - 1) // _BLOCK
        offset = first * _BLOCK
        if first == last:
            return self._block(first)[step - offset : stop - offset]
        joined = np.concatenate([self._block(number) for number in range(first, last + 1)])
        return joined[step - offset : stop - offset]

    def _block(self, number: int) -> FloatArray:
        """Steps of one block, shape ``(B, places, kinds)``; only the last few are kept."""
        while len(self._starts) <= number:
            self._starts.append(self._drawn(len(self._starts) - 1)[-1])
        if number not in self._blocks:
            if len(self._blocks) >= _KEPT_BLOCKS:
                del self._blocks[min(self._blocks)]
            self._blocks[number] = self._drawn(number)
        return self._blocks[number]

    def _drawn(self, number: int) -> FloatArray:
        path = self._fresh * self._noise(["block", number], _BLOCK)
        path[0] += self._phi * self._starts[number]
        for at in range(1, _BLOCK):
            path[at] += self._phi * path[at - 1]
        return path

    def _noise(self, name: Sequence[object], count: int) -> FloatArray:
        """Gaussian noise that is correlated between kinds and places, shape ``(count, places, kinds)``."""
        numbers = [_STREAMS[str(name[0])], *(int(str(part)) for part in name[1:])]
        generator = np.random.default_rng([self._entropy, *numbers])
        raw = generator.standard_normal((count, self._places + 1, len(KINDS))) @ self._mix
        common, own = self._shared
        mixed: FloatArray = common * raw[:, :1] + own * raw[:, 1:]
        return mixed


_STREAMS = {"start": 0, "block": 1, "members": 2}


def _correlations() -> FloatArray:
    matrix = np.eye(len(KINDS))
    for (one, other), value in KIND_CORRELATION.items():
        row, column = KINDS.index(one), KINDS.index(other)
        matrix[row, column] = matrix[column, row] = value
    return matrix
