"""How fast DAG jobs run: events per second of the compiled loop, a large run, and the plain loop of the same rules."""

from __future__ import annotations

from time import process_time
from typing import Any

import numpy as np

from benchmarks.registry import Measurement, case
from joulewright.data.dag_generator import generate_dag_jobs
from joulewright.model.dag import DagCluster, DagJob, DagSignal
from joulewright.policy.dag import AbstractDagScheduler, make_dag_scheduler
from joulewright.sim.processes.dag import DagRun, prepare_kernel, simulate_dag
from joulewright.sim.processes.dag.plain import PlainRun
from joulewright.sim.processes.dag.simulate import dag_conditions

_SEED = 1
_REPEATS, _PLAIN_REPEATS = 10, 3


@case("dag-speed", "Events per second of DAG runs, compiled against a plain Python loop with the same rules")
def measure(smoke: bool) -> Measurement:
    """Take CPU time of loops on prepared inputs, and of whole calls; every repetition must give the same run."""
    from joulewright.sim.processes.dag.compiled import CompiledRun

    count, executors = (10, 20) if smoke else (200, 100)
    cluster = DagCluster(executors=executors)
    signal = DagSignal(step_ms=60_000, values=300.0 + 100.0 * np.sin(np.arange(2000) * np.pi / 12.0))
    prepare_kernel()
    figures: dict[str, float | None] = {}
    ratios: dict[str, float | None] = {}
    repeats = [_REPEATS, _PLAIN_REPEATS]
    conditions: dict[str, Any] = {"jobs": count, "executors": executors, "seed": _SEED, "repeats": repeats}
    for suffix, waves, name in (("", True, "fair"), ("_exact_durations", False, "fair"), ("_spade", True, "spade")):
        jobs, scheduler = generate_dag_jobs("tpch-like", jobs=count, seed=_SEED, waves=waves), make_dag_scheduler(name)
        known = dag_conditions(cluster, signal, scheduler)
        rule = scheduler.compiled(known)
        if rule is None:
            raise ValueError(f"{name} has no compiled rule")
        loop_s, whole_s, plain_taken = [], [], []
        for _ in range(_PLAIN_REPEATS):
            plain = PlainRun(jobs, cluster, scheduler, conditions=known, step_ms=signal.step_ms, seed=_SEED)
            started = process_time()
            record = plain.run()
            plain_taken.append(process_time() - started)
        plain_s = min(plain_taken)
        for _ in range(_REPEATS):
            compiled = CompiledRun(jobs, cluster, rule, conditions=known, step_ms=signal.step_ms, seed=_SEED)
            compiled.place_all()
            started = process_time()
            compiled.advance()
            loop_s.append(process_time() - started)
            found, taken = _whole(jobs, cluster, signal, scheduler)
            whole_s.append(taken)
            if [*found.completion_ms] != record.completion_ms or found.events != record.events:
                raise RuntimeError(f"the compiled run of {name} ends at {found.makespan_ms} ms, the plain one does not")
        figures[f"events_per_s{suffix}"] = record.events / min(loop_s)
        figures[f"jobs{count}_s{suffix}"] = min(whole_s)
        figures[f"plain_events_per_s{suffix}"] = record.events / plain_s
        ratios[f"vs_plain_loop{suffix}"] = plain_s / min(loop_s)
        ratios[f"vs_plain_whole_call{suffix}"] = plain_s / min(whole_s)
        conditions[f"events{suffix}"] = record.events
        conditions[f"tasks{suffix}"] = _tasks(jobs)
    return Measurement(figures=figures, ratios=ratios, conditions=conditions)


def _tasks(jobs: tuple[DagJob, ...]) -> int:
    return sum(stage.tasks for job in jobs for stage in job.stages)


def _whole(
    jobs: tuple[DagJob, ...], cluster: DagCluster, signal: DagSignal, scheduler: AbstractDagScheduler
) -> tuple[DagRun, float]:
    started = process_time()
    found = simulate_dag(jobs, cluster, signal, scheduler, seed=_SEED, engine="compiled")
    return found, process_time() - started
