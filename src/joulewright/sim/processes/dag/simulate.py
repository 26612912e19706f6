"""Run DAG jobs on executors under a scheduler."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from joulewright.errors import PolicyError, ScenarioError
from joulewright.model.dag import DagCluster, DagJob, DagSignal, DagStage, check_jobs
from joulewright.policy.dag.base import AbstractDagScheduler
from joulewright.policy.dag.rules import CompiledRule, Conditions
from joulewright.sim.processes.dag.plain import PlainRun
from joulewright.sim.processes.dag.result import DagRun

Engine = Literal["auto", "compiled", "plain"]


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
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 1 << 63:
        raise ValueError(f"seed is {seed!r}; it must be an integer of at least 0 and below 2^63, for example 0")
    if engine not in ("auto", "compiled", "plain"):
        raise ValueError(f"there is no engine {engine!r}; use auto, compiled or plain")
    conditions = dag_conditions(cluster, signal, scheduler)
    rule = None if engine == "plain" else scheduler.compiled(conditions)
    if rule is None:
        if engine == "compiled":
            raise PolicyError(f"{type(scheduler).__name__} has no compiled rule; use engine='plain' or 'auto'")
        run = PlainRun(jobs, cluster, scheduler, conditions=conditions, step_ms=signal.step_ms, seed=int(seed))
        record = run.run()
        columns: list[Any] = list(np.array(record.rows, dtype=np.int64).reshape(-1, 5).T)
        ends, counters = np.array(record.completion_ms), (record.events, record.answers, record.deferrals)
    else:
        columns, ends, counters = _compiled_run(jobs, cluster, rule, conditions, signal=signal, seed=int(seed))
    return DagRun(
        jobs=tuple(jobs),
        cluster=cluster,
        signal=signal,
        task=columns[0],
        executor=columns[1],
        start_ms=columns[2],
        finish_ms=columns[3],
        failed=columns[4].astype(bool),
        completion_ms=ends,
        events=counters[0],
        answers=counters[1],
        deferrals=counters[2],
        scheduler=type(scheduler).__name__,
    )


def prepare_kernel() -> None:
    """Compile the loop, or read it from the cache, so that the next run does not wait for it."""
    job = DagJob(name="first", arrival_ms=0, stages=(DagStage(name="only", task_ms=(1,)),))
    one, none = np.ones(1), np.empty(0)
    conditions = Conditions(executors=1, signal=one, low=one, high=one, share=np.empty((0, 0)))
    rule = CompiledRule(quota=none.astype(np.int64), base_psi=none, high_psi=none, shrink=none)
    signal = DagSignal(step_ms=1, values=one)
    _compiled_run([job], DagCluster(executors=1), rule, conditions, signal=signal, seed=0)


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


def _compiled_run(
    jobs: Sequence[DagJob],
    cluster: DagCluster,
    rule: CompiledRule,
    conditions: Conditions,
    *,
    signal: DagSignal,
    seed: int,
) -> tuple[list[Any], Any, tuple[int, int, int]]:
    """Columns of attempts, ends of jobs, and counters."""
    from joulewright.sim.processes.dag import kernels
    from joulewright.sim.processes.dag.arrays import build_world

    tasks = sum(stage.tasks for job in jobs for stage in job.stages)
    room = tasks
    if cluster.task_failure_fraction > 0.0:
        room = int(1.2 * tasks / (1.0 - cluster.task_failure_fraction)) + 1000
    while True:
        world = build_world(jobs, cluster, rule, conditions=conditions, step_ms=signal.step_ms, seed=seed, room=room)
        kernels.dag_kernel(world)
        run = world.run[0]
        if run["status"] != kernels.FULL:
            break
        room *= 2
    if run["status"] == kernels.STUCK:
        raise PolicyError(
            f"at {run['now_ms']} ms nothing runs or moves and the scheduler gives no executor to the rest"
        )
    if run["status"] == kernels.LONG:
        raise ScenarioError(
            f"the run reached {run['now_ms']} ms and event {run['sequence']}, beyond what the compiled loop counts; "
            "use engine='plain'"
        )
    rows = world.rows[: run["rows"]]
    columns = [rows[name].astype(np.int64) for name in ("task", "executor", "start_ms", "finish_ms", "failed")]
    counters = (int(run["events"]), int(run["answers"]), int(run["deferrals"]))
    return columns, world.jobs["completion_ms"][:-1].copy(), counters
