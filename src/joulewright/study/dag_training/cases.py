"""Generated job sequences to learn from and to check on: kinds, cluster sizes and loads drawn from a seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from joulewright.data.dag_generator import generate_dag_jobs
from joulewright.model.dag import DagCluster, DagJob, DagSignal
from joulewright.policy.dag import AbstractDagScheduler
from joulewright.sim.processes.dag import DagRun, simulate_dag

KINDS = ("tpch-like", "layered", "fork-join")
TRAINING, CHECKING, HELD_OUT = 0, 1, 2
"""Streams of cases: to learn from, to choose the best network by, and neither."""
JOBS = (8, 15)
EXECUTORS = (8, 30)
LOAD = (0.5, 2.0)

_CONSTANT = DagSignal(step_ms=1_000_000_000, values=np.ones(1))


@dataclass(frozen=True, kw_only=True)
class TrainingCase:
    """A sequence of jobs on a cluster; ``seed`` is that of the run."""

    jobs: tuple[DagJob, ...]
    cluster: DagCluster
    seed: int

    def run(self, scheduler: AbstractDagScheduler) -> DagRun:
        """The sequence under a scheduler, without a signal."""
        return simulate_dag(self.jobs, self.cluster, _CONSTANT, scheduler, seed=self.seed)


def training_case(seed: int, number: int, stream: int = TRAINING) -> TrainingCase:
    """Case ``number`` of a stream: 8 to 15 jobs of one kind on 8 to 30 executors, loaded to 0.5 to 2 times capacity.

    Every other case has durations that grow with the number of executors; the load counts their expected values. Seeds
    of jobs differ between streams, so that what is checked on was not trained on.

    Examples
    --------
    >>> case = training_case(0, 3)
    >>> 8 <= len(case.jobs) <= 15, 8 <= case.cluster.executors <= 30, case == training_case(0, 3)
    (True, True, True)
    """
    random = np.random.default_rng([seed, number, stream])
    kind = KINDS[int(random.integers(len(KINDS)))]
    count, executors = int(random.integers(JOBS[0], JOBS[1] + 1)), int(random.integers(EXECUTORS[0], EXECUTORS[1] + 1))
    load, job_seed = float(np.exp(random.uniform(*np.log(LOAD)))), int(random.integers(1 << 40))
    waves = bool(number % 2)
    made = generate_dag_jobs(kind, jobs=count, seed=job_seed, waves=waves)
    work_ms = float(np.mean([job.work_ms for job in made]))
    gap_ms = work_ms / (executors * load)
    return TrainingCase(
        jobs=generate_dag_jobs(kind, jobs=count, seed=job_seed, mean_gap_ms=gap_ms, waves=waves),
        cluster=DagCluster(executors=executors),
        seed=number,
    )
