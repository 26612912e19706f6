"""The schedule that Spark executed, and what its energy cost under a signal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import polars as pl

from joulewright.model.dag import DagCluster, DagJob, DagSignal
from joulewright.model.timeline import FloatArray, IntArray
from joulewright.sim.processes.dag.result import DagRun, busy_per_step


@dataclass(frozen=True, kw_only=True)
class ExecutedRun(DagRun):
    """A run of which is known when each executor was there, so that idle draw is that of executors present.

    Attributes
    ----------
    held_from_ms, held_until_ms : ndarray
        Spans in which a slot for one task existed [ms], shape ``(H,)``.
    """

    held_from_ms: IntArray
    held_until_ms: IntArray

    @property
    def held_ms(self) -> int:
        """Time of slots, busy or idle [executor-ms]."""
        return int((self.held_until_ms - self.held_from_ms).sum())

    @cached_property
    def energy_kwh(self) -> FloatArray:
        """Energy of each step, idle slots from their beginning to their end included [kWh], shape ``(T,)``."""
        signal, cluster, busy = self.signal, self.cluster, self.busy_per_step_ms
        held = busy_per_step(self.held_from_ms, self.held_until_ms, signal)
        draw = busy * cluster.busy_power_kw + (held - busy) * cluster.idle_power_kw
        energy: FloatArray = draw * (signal.step_h / signal.step_ms)
        return energy

    def figures(self) -> Mapping[str, float]:
        """Those of a simulated run, and the time of executors."""
        return {**super().figures(), "held_ms": self.held_ms}


@dataclass(frozen=True, kw_only=True)
class SparkRun:
    """Attempts of tasks as executed, and the executors they ran on; times count from ``origin``.

    Attributes
    ----------
    origin : datetime
        Zero of all times: the start of the application unless another was asked for.
    jobs : tuple of DagJob
        What was run, shape ``(J,)``.
    schedule : polars.DataFrame
        A row per attempt that ended, by start: ``job``, ``stage``, ``task`` (its number over all jobs and stages, -1
        where no attempt of it succeeded), ``executor``, ``slot``, ``pool``, ``start_ms``, ``finish_ms`` and ``failed``
        (true where the attempt did not count: failed, killed, or done again later).
    executors : polars.DataFrame
        A row per slot of an executor: ``executor``, ``slot``, ``added_ms``, ``removed_ms``. An executor has a slot
        for each task it can run at once; slots of executors that are gone are given to later ones.
    completion_ms : ndarray
        End of each job [ms], shape ``(J,)``.
    """

    origin: datetime
    jobs: tuple[DagJob, ...]
    schedule: pl.DataFrame
    executors: pl.DataFrame
    completion_ms: IntArray

    @property
    def slots(self) -> int:
        """Most tasks that could run at once."""
        return int(self.executors["slot"].to_numpy().max()) + 1

    @property
    def busy_ms(self) -> int:
        """Time of slots with tasks [executor-ms]."""
        return int((self.schedule["finish_ms"] - self.schedule["start_ms"]).sum())

    @property
    def idle_ms(self) -> int:
        """Time of slots without tasks [executor-ms]."""
        return int((self.executors["removed_ms"] - self.executors["added_ms"]).sum()) - self.busy_ms

    def priced(self, signal: DagSignal, *, busy_power_kw: float = 1.0, idle_power_kw: float = 0.0) -> ExecutedRun:
        """The run under a signal whose first step begins at ``origin``.

        Parameters
        ----------
        signal : DagSignal
            What played or is supposed to.
        busy_power_kw, idle_power_kw : float
            Draw of a slot with and without a task [kW].

        Returns
        -------
        ExecutedRun
            Its figures of energy and cost raise ``TraceError`` where the signal ends before the run.
        """
        rows, spans = self.schedule, self.executors
        return ExecutedRun(
            jobs=self.jobs,
            cluster=DagCluster(
                executors=self.slots,
                moving_delay_ms=0,
                warm_up_ms=0,
                busy_power_kw=busy_power_kw,
                idle_power_kw=idle_power_kw,
            ),
            signal=signal,
            task=rows["task"].to_numpy(),
            executor=rows["slot"].to_numpy(),
            start_ms=rows["start_ms"].to_numpy(),
            finish_ms=rows["finish_ms"].to_numpy(),
            failed=rows["failed"].to_numpy(),
            completion_ms=self.completion_ms,
            events=rows.height,
            answers=0,
            deferrals=0,
            scheduler="spark",
            held_from_ms=spans["added_ms"].to_numpy(),
            held_until_ms=spans["removed_ms"].to_numpy(),
        )
