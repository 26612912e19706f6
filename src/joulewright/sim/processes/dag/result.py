"""What a run of DAG jobs did, and what its energy cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from joulewright.errors import TraceError
from joulewright.model.dag import DagCluster, DagJob, DagSignal
from joulewright.model.timeline import FloatArray, IntArray


def _no_times() -> IntArray:
    return np.empty(0, dtype=np.int64)


@dataclass(frozen=True, kw_only=True)
class DagRun:
    """Attempts of tasks in the order in which they began, and the end of every job.

    Attributes
    ----------
    jobs, cluster, signal
        What was run.
    task, executor, start_ms, finish_ms : ndarray
        Per attempt, shape ``(R,)``: number of the task over all jobs and stages, executor, and when [ms].
    failed : ndarray of bool
        True where the task had to be tried again, shape ``(R,)``.
    completion_ms : ndarray
        End of each job [ms], shape ``(J,)``.
    events : int
        Tasks that ended and executors that arrived.
    answers, deferrals : int
        Times the scheduler was asked, and times it had executors wait although there was work.
    scheduler : str
        Name of its class.
    sources : tuple of str
        Where it was published, for :func:`joulewright.cite`.
    down_start_ms, down_finish_ms : ndarray
        When executors failed and when they were back, at the latest at the end of the run [ms], shape ``(N,)``.
    end_ms : int or None
        Until when idle executors draw power [ms]; None for the end of the last job.

    Raises
    ------
    TraceError
        From any figure of energy or cost, if the signal ends before the run.
    """

    jobs: tuple[DagJob, ...]
    cluster: DagCluster
    signal: DagSignal
    task: IntArray
    executor: IntArray
    start_ms: IntArray
    finish_ms: IntArray
    failed: NDArray[np.bool_]
    completion_ms: IntArray
    events: int
    answers: int
    deferrals: int
    scheduler: str = field(default="")
    sources: tuple[str, ...] = ()
    down_start_ms: IntArray = field(default_factory=_no_times)
    down_finish_ms: IntArray = field(default_factory=_no_times)
    end_ms: int | None = None

    @property
    def makespan_ms(self) -> int:
        """End of the last job [ms]."""
        return int(self.completion_ms.max(initial=0))

    @property
    def busy_ms(self) -> int:
        """Time of executors with tasks, failed attempts included [executor-ms]."""
        return int((self.finish_ms - self.start_ms).sum())

    @property
    def completion_times_ms(self) -> IntArray:
        """Completion less arrival of each job [ms], shape ``(J,)``."""
        return self.completion_ms - np.array([job.arrival_ms for job in self.jobs], dtype=np.int64)

    @property
    def stretch(self) -> FloatArray:
        """Completion time of each job over its critical path, shape ``(J,)``."""
        shortest = np.array([job.critical_path_ms for job in self.jobs], dtype=float)
        stretch: FloatArray = self.completion_times_ms / shortest
        return stretch

    @cached_property
    def busy_per_step_ms(self) -> IntArray:
        """Time of executors with tasks in each step [executor-ms], shape ``(T,)``."""
        return busy_per_step(self.start_ms, self.finish_ms, self.signal)

    @cached_property
    def energy_kwh(self) -> FloatArray:
        """Energy of each step, idle executors until the end of the run included [kWh], shape ``(T,)``."""
        cluster, signal = self.cluster, self.signal
        busy = self.busy_per_step_ms
        begins = np.arange(signal.values.size, dtype=np.int64) * signal.step_ms
        end_ms = self.makespan_ms if self.end_ms is None else self.end_ms
        check_end(end_ms, signal)
        present = np.clip(end_ms - begins, 0, signal.step_ms) * cluster.executors
        down = busy_per_step(self.down_start_ms, self.down_finish_ms, signal)
        draw = busy * cluster.busy_power_kw + (present - down - busy) * cluster.idle_power_kw
        energy: FloatArray = draw * (signal.step_h / signal.step_ms)
        return energy

    @property
    def cost(self) -> float:
        """Energy times signal [g with a signal in g/kWh]."""
        return float(self.energy_kwh @ self.signal.values)

    def figures(self) -> Mapping[str, float]:
        """The figures a comparison shows; the key ends in the unit."""
        times = self.completion_times_ms
        energy = float(self.energy_kwh.sum())
        return {
            "cost": self.cost,
            "energy_kwh": energy,
            "mean_signal": self.cost / energy if energy else 0.0,
            "busy_ms": self.busy_ms,
            "makespan_ms": self.makespan_ms,
            "mean_completion_ms": float(times.mean()),
            "p95_completion_ms": float(np.percentile(times, 95)),
            "mean_stretch": float(self.stretch.mean()),
            "deferrals": self.deferrals,
            "failed_attempts": int(self.failed.sum()),
            "executor_failures": self.down_start_ms.size,
        }


def busy_per_step(start_ms: IntArray, finish_ms: IntArray, signal: DagSignal) -> IntArray:
    """Time covered by intervals in each step of a signal [ms], shape ``(T,)``, exact in whole milliseconds.

    Raises
    ------
    TraceError
        If an interval ends after the signal.
    """
    steps, length = signal.values.size, signal.step_ms
    check_end(int(finish_ms.max(initial=0)), signal)
    return _covered(finish_ms, steps, length) - _covered(start_ms, steps, length)


def check_end(end_ms: int, signal: DagSignal) -> None:
    """Refuse an end [ms] after that of a signal.

    Raises
    ------
    TraceError
        With both ends.
    """
    steps, length = signal.values.size, signal.step_ms
    if end_ms > steps * length:
        raise TraceError(
            f"the run ends at {end_ms} ms, but the signal of {steps} steps of {length} ms ends at {steps * length} ms; "
            "give a longer signal"
        )


def _covered(until_ms: IntArray, steps: int, length: int) -> IntArray:
    """Sum over intervals from 0 to each time of their part in each step [ms], shape ``(T,)``."""
    whole, part = np.divmod(until_ms, length)
    ends = np.bincount(whole, minlength=steps + 1)[: steps + 1].astype(np.int64)
    # Whole steps lie before the one an interval ends in.
    full = until_ms.size - np.cumsum(ends)[:steps]
    parts = np.zeros(steps + 1, dtype=np.int64)
    np.add.at(parts, whole, part)
    covered: IntArray = full * length + parts[:steps]
    return covered


def price_runs(start_ms: Sequence[int] | IntArray, finish_ms: Sequence[int] | IntArray, signal: DagSignal) -> float:
    """Cost of running tasks at 1 kW each over intervals [g with a signal in g/kWh].

    Examples
    --------
    >>> price_runs([0], [90_000], DagSignal(step_ms=60_000, values=np.array([100.0, 40.0])))
    120.0
    """
    busy = busy_per_step(np.asarray(start_ms, dtype=np.int64), np.asarray(finish_ms, dtype=np.int64), signal)
    return float(busy @ signal.values) * (signal.step_h / signal.step_ms)
