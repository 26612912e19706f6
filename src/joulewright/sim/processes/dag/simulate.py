"""Run DAG jobs on executors under a scheduler."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol

import numpy as np

from joulewright.errors import PolicyError
from joulewright.model.dag import DagCluster, DagJob, DagSignal, DagStage, check_jobs
from joulewright.policy.citations import sources_of
from joulewright.policy.dag.base import AbstractDagScheduler, RunFacts
from joulewright.policy.dag.fixed import Fifo
from joulewright.policy.dag.rules import Conditions
from joulewright.sim.processes.dag.outages import down_times
from joulewright.sim.processes.dag.plain import PlainRun
from joulewright.sim.processes.dag.plain_state import NEVER_MS
from joulewright.sim.processes.dag.record import Counters
from joulewright.sim.processes.dag.result import DagRun

Engine = Literal["auto", "compiled", "plain"]


class Loop(Protocol):
    """What both loops offer."""

    seed: int

    def place(self, number: int, arrival_ms: int) -> None:
        """Let a job arrive at a time not yet reached [ms]."""

    def place_all(self) -> None:
        """Let every job arrive when its facts say."""

    def advance(self, until_ms: int = NEVER_MS) -> None:
        """Handle the events before a time [ms], or until every job placed has ended."""

    def pending_ms(self) -> int:
        """Expected work of placed jobs in tasks not started [executor-ms]."""

    def columns(self) -> list[Any]:
        """Task, executor, start, finish and failure of every attempt."""

    def completion_ms(self) -> Any:
        """End of each job [ms]."""

    def counters(self) -> Counters:
        """What the loop counted."""


def simulate_dag(
    jobs: Sequence[DagJob],
    cluster: DagCluster,
    signal: DagSignal,
    scheduler: AbstractDagScheduler,
    *,
    seed: int = 0,
    engine: Engine = "auto",
) -> DagRun:
    """Run jobs until all have ended; a pure function of its arguments.

    Parameters
    ----------
    jobs : sequence of DagJob
        Shape ``(J,)``, in any order.
    cluster : DagCluster
        Executors.
    signal : DagSignal
        What plays; the scheduler sees the present and what its outlook makes of it.
    scheduler : AbstractDagScheduler
        See :func:`joulewright.policy.dag.make_dag_scheduler` for the built-in ones.
    seed : int
        Of durations, failures and draws of the scheduler.
    engine : {"auto", "compiled", "plain"}
        ``plain`` takes any scheduler; ``compiled`` those that give a compiled rule, with equal results; ``auto`` takes
        the compiled one where it can.

    Returns
    -------
    DagRun
        Attempts and completion times.

    Raises
    ------
    ScenarioError
        If the jobs cannot run together on the cluster.
    PolicyError
        If the scheduler breaks its contract, or cannot be compiled although that is asked for.
    """
    check_jobs(jobs, cluster)
    check_seed_and_engine(seed, engine)
    loop = make_loop(jobs, cluster, signal, scheduler, seed=int(seed), engine=engine)
    loop.place_all()
    loop.advance()
    return collect(loop, jobs, cluster, signal, scheduler=scheduler)


def collect(
    loop: Loop,
    jobs: Sequence[DagJob],
    cluster: DagCluster,
    signal: DagSignal,
    *,
    scheduler: AbstractDagScheduler,
) -> DagRun:
    """Result of a loop that ended."""
    task, executor, start_ms, finish_ms, failed = loop.columns()
    completion_ms, counters = loop.completion_ms(), loop.counters()
    down_start_ms, down_finish_ms = down_times(cluster, loop.seed, int(completion_ms.max()))
    return DagRun(
        jobs=tuple(jobs),
        cluster=cluster,
        signal=signal,
        task=task,
        executor=executor,
        start_ms=start_ms,
        finish_ms=finish_ms,
        failed=failed.astype(bool),
        completion_ms=completion_ms,
        events=counters.events,
        answers=counters.answers,
        deferrals=counters.deferrals,
        scheduler=type(scheduler).__name__,
        sources=sources_of(scheduler),
        down_start_ms=down_start_ms,
        down_finish_ms=down_finish_ms,
    )


def make_loop(
    jobs: Sequence[DagJob],
    cluster: DagCluster,
    signal: DagSignal,
    scheduler: AbstractDagScheduler,
    *,
    seed: int,
    engine: Engine,
) -> Loop:
    """A loop at time 0 with no job placed.

    Raises
    ------
    PolicyError
        If the compiled loop is asked for and the scheduler has no compiled rule.
    """
    name = type(scheduler).__name__
    scheduler = scheduler.begun(RunFacts(jobs=tuple(jobs), cluster=cluster, signal=signal))
    conditions = dag_conditions(cluster, signal, scheduler)
    rule = None if engine == "plain" else scheduler.compiled(conditions)
    if rule is not None:
        from joulewright.sim.processes.dag.compiled import CompiledRun

        return CompiledRun(jobs, cluster, rule, conditions=conditions, step_ms=signal.step_ms, seed=seed)
    if engine == "compiled":
        raise PolicyError(f"{name} has no compiled rule; use engine='plain' or 'auto'")
    return PlainRun(jobs, cluster, scheduler, conditions=conditions, step_ms=signal.step_ms, seed=seed)


def check_seed_and_engine(seed: int, engine: str) -> None:
    """Refuse a seed or an engine that there is not.

    Raises
    ------
    ValueError
        If the seed is no integer of 0 to 2^63 - 1 or there is no such engine.
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 1 << 63:
        raise ValueError(f"seed is {seed!r}; it must be an integer of at least 0 and below 2^63, for example 0")
    if engine not in ("auto", "compiled", "plain"):
        raise ValueError(f"there is no engine {engine!r}; use auto, compiled or plain")


def prepare_kernel() -> None:
    """Compile the loop, or read it from the cache, so that the next run does not wait for it."""
    job = DagJob(name="first", arrival_ms=0, stages=(DagStage(name="only", task_ms=(1,)),))
    simulate_dag([job], DagCluster(executors=1), DagSignal(step_ms=1, values=np.ones(1)), Fifo(), engine="compiled")


def dag_conditions(cluster: DagCluster, signal: DagSignal, scheduler: AbstractDagScheduler) -> Conditions:
    """What a scheduler gets beforehand: the signal within its bounds, these, and the renewable share expected."""
    low, high = scheduler.outlook.bounds(signal)
    share = signal.renewable_fraction
    return Conditions(
        executors=cluster.executors,
        # A forecast may be wrong: decisions take the nearest value it allows, the accounts take the truth.
        signal=np.clip(signal.values, low, high),
        low=low,
        high=high,
        share=np.empty((0, 0)) if share is None else scheduler.outlook.issue(signal, share),
    )
