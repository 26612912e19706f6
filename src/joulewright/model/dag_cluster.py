"""The executors that data-processing jobs run on, and the signal that plays."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from joulewright.errors import ScenarioError
from joulewright.model.dag_stage import LONGEST_MS
from joulewright.model.timeline import FloatArray


@dataclass(frozen=True, kw_only=True)
class DagCluster:
    """Identical executors, each running one task at a time.

    Attributes
    ----------
    executors : int
        How many.
    moving_delay_ms : int
        Time an executor needs to change to another job, the first one included [ms].
    warm_up_ms : int
        Added to the first task of an executor in a job whose :class:`WaveTable` has no ``fresh_ms`` [ms].
    busy_power_kw, idle_power_kw : float
        Draw of an executor that runs a task, and of one that does not [kW]; idle draw ends with the run.
    task_failure_fraction : float
        Chance that an attempt of a task fails, after a random part of its duration; the executor then tries again.
    mean_up_ms : float
        Mean time from the start or a repair until an executor fails as a whole [ms of the run], drawn from an
        exponential distribution; its task is lost and started anew elsewhere. Infinite without failures.
    repair_ms : int
        Time until a failed executor is back in the pool [ms]; it draws no power meanwhile.

    Raises
    ------
    ScenarioError
        If a number is out of range.
    """

    executors: int
    moving_delay_ms: int = 2000
    warm_up_ms: int = 1000
    busy_power_kw: float = 1.0
    idle_power_kw: float = 0.0
    task_failure_fraction: float = 0.0
    mean_up_ms: float = math.inf
    repair_ms: int = 60_000

    def __post_init__(self) -> None:
        problems = []
        if self.executors < 1:
            problems.append(f"a cluster of {self.executors!r} executors; it takes at least 1")
        for name in ("busy_power_kw", "idle_power_kw"):
            value = getattr(self, name)
            if not 0.0 <= value < math.inf:
                problems.append(f"{name} of the cluster is {value!r}; allowed is any finite number of at least 0")
        for name in ("moving_delay_ms", "warm_up_ms"):
            value = getattr(self, name)
            if not 0 <= value <= LONGEST_MS:
                problems.append(f"{name} of the cluster is {value!r}; allowed is 0 to {LONGEST_MS} ms")
        if not self.mean_up_ms >= 1.0:
            problems.append(f"mean_up_ms of the cluster is {self.mean_up_ms!r}; allowed is 1 ms or more, or inf")
        if isinstance(self.repair_ms, bool) or not 1 <= self.repair_ms < 1 << 31:
            problems.append(f"repair_ms of the cluster is {self.repair_ms!r}; allowed is 1 ms to 24 days")
        if not 0.0 <= self.task_failure_fraction <= 0.9:
            problems.append(
                f"task_failure_fraction is {self.task_failure_fraction!r}; allowed is 0 to 0.9, "
                "because a task is tried until it succeeds"
            )
        if problems:
            raise ScenarioError(problems)

    @property
    def executors_fail(self) -> bool:
        """True if executors may fail as a whole."""
        return math.isfinite(self.mean_up_ms)


@dataclass(frozen=True, kw_only=True)
class DagSignal:
    """What the energy of each step costs: carbon, price or any other series.

    Attributes
    ----------
    step_ms : int
        Length of a step [ms of the run]. A trace played faster than it was recorded has a shorter one.
    values : ndarray
        Per step, shape ``(T,)``; a time t belongs to step ``floor(t / step_ms)`` [g/kWh, or currency/MWh].
    renewable_fraction : ndarray, optional
        Share of renewable energy, 0 to 1, shape ``(T,)``.
    step_h : float
        What a step stands for [h]: 1 for hourly traces, however fast they are played.
    past : DagSignal, optional
        What played before the first step; forecasts look back on it.

    Raises
    ------
    ScenarioError
        If a value is not finite, a fraction out of range, the shapes differ or the past is of another kind.
    """

    step_ms: int
    values: FloatArray
    renewable_fraction: FloatArray | None = None
    step_h: float = 1.0
    past: DagSignal | None = None

    def __post_init__(self) -> None:
        problems = []
        values = np.ascontiguousarray(self.values, dtype=float)
        object.__setattr__(self, "values", values)
        if self.step_ms < 1 or not 0.0 < self.step_h < math.inf:
            problems.append(f"a signal with steps of {self.step_ms!r} ms and {self.step_h!r} h; both must be positive")
        if values.ndim != 1 or not values.size:
            problems.append(f"the signal has shape {values.shape}; give one number for each step")
        elif not np.isfinite(values).all():
            step = int(np.flatnonzero(~np.isfinite(values))[0])
            problems.append(f"the signal is {values[step]!r} in step {step}; every value must be finite")
        if self.renewable_fraction is not None:
            share = np.ascontiguousarray(self.renewable_fraction, dtype=float)
            object.__setattr__(self, "renewable_fraction", share)
            problems += _share_problems(share, values)
        if self.past is not None and self._kind() != self.past._kind():
            problems.append("the past of the signal has other steps, or another number of series, than the signal")
        if problems:
            raise ScenarioError(problems)

    def _kind(self) -> tuple[int, float, bool]:
        return self.step_ms, self.step_h, self.renewable_fraction is None

    def before(self, series: FloatArray) -> FloatArray:
        """What went before ``values`` or ``renewable_fraction``, shape ``(P,)``; nothing for any other series."""
        for name in ("values", "renewable_fraction"):
            if self.past is not None and series is getattr(self, name):
                found: FloatArray = getattr(self.past, name)
                return found
        return np.empty(0)

    def later(self, step: int) -> DagSignal:
        """The signal from a step on, with the steps before it as its past.

        Raises
        ------
        ScenarioError
            If there is no such step.

        Examples
        --------
        >>> late = DagSignal(step_ms=60_000, values=np.array([5.0, 3.0, 4.0])).later(2)
        >>> late.values, late.before(late.values)
        (array([4.]), array([5., 3.]))
        """
        if not 0 <= step < self.values.size:
            raise ScenarioError(f"a run begins in step {step} of a signal with {self.values.size} steps")
        if not step:
            return self
        before, share_before, share = np.append(self.before(self.values), self.values[:step]), None, None
        if self.renewable_fraction is not None:
            share = self.renewable_fraction[step:]
            share_before = np.append(self.before(self.renewable_fraction), self.renewable_fraction[:step])
        past = replace(self, values=before, renewable_fraction=share_before, past=None)
        return replace(self, values=self.values[step:], renewable_fraction=share, past=past)


def _share_problems(share: FloatArray, values: FloatArray) -> list[str]:
    if share.shape != values.shape:
        return [f"renewable_fraction has shape {share.shape}, the signal has {values.shape}; they must agree"]
    bad = np.flatnonzero(~((share >= 0.0) & (share <= 1.0)))
    if bad.size:
        return [
            f"renewable_fraction is {share[bad[0]]!r} in step {bad[0]}; it is a fraction of 0 to 1, not a percentage"
        ]
    return []
