"""A run of the compiled loop, all at once or paused where jobs are placed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from joulewright.errors import PolicyError, ScenarioError
from joulewright.model.dag import DagCluster, DagJob
from joulewright.policy.dag.rules import CompiledRule, Conditions
from joulewright.sim.processes.dag import kernels
from joulewright.sim.processes.dag.arrays import build_world
from joulewright.sim.processes.dag.outages import first_outages, more_outages
from joulewright.sim.processes.dag.plain_state import NEVER_MS
from joulewright.sim.processes.dag.record import Counters


class CompiledRun:
    """What :class:`~joulewright.sim.processes.dag.plain.PlainRun` does, for schedulers with a compiled rule."""

    def __init__(
        self,
        jobs: Sequence[DagJob],
        cluster: DagCluster,
        rule: CompiledRule,
        *,
        conditions: Conditions,
        step_ms: int,
        seed: int,
    ) -> None:
        self.cluster, self.seed = cluster, seed
        tasks = sum(job.table.task_ms.size for job in jobs)
        room = tasks + cluster.executors
        if cluster.task_failure_fraction > 0.0:
            room = int(1.2 * room / (1.0 - cluster.task_failure_fraction)) + 1000
        self.world = build_world(jobs, cluster, rule, conditions=conditions, step_ms=step_ms, seed=seed, room=room)
        outages, self._outages_until_ms = first_outages(cluster, seed)
        self.world = self.world._replace(outages=outages)

    def place(self, number: int, arrival_ms: int) -> None:
        """Let a job arrive at a time not yet reached [ms]."""
        run, world = self.world.run[0], self.world
        waiting = world.order[run["arrived"] : run["placed"]]
        world.jobs["arrival_ms"][number] = arrival_ms
        at = np.searchsorted(world.jobs["arrival_ms"][waiting], arrival_ms, side="right")
        world.order[run["arrived"] : run["placed"] + 1] = np.insert(waiting, at, number)
        run["placed"] += 1

    def place_all(self) -> None:
        """Let every job arrive when its facts say."""
        world = self.world
        world.order[:] = np.argsort(world.jobs["arrival_ms"][:-1], kind="stable")
        world.run[0]["placed"] = world.order.size

    def advance(self, until_ms: int = NEVER_MS) -> None:
        """Handle the events before a time [ms], or until every job placed has ended.

        Raises
        ------
        PolicyError
            If the scheduler leaves work undone while nothing runs that could wake it.
        ScenarioError
            If the time is beyond what the loop counts.
        """
        while True:
            run = self.world.run[0]
            run["until_ms"] = until_ms
            kernels.dag_kernel(self.world)
            status = run["status"]
            if status == kernels.FULL:
                rows = self.world.rows
                self.world = self.world._replace(rows=np.concatenate([rows, np.zeros_like(rows)]))
            elif status == kernels.SHORT:
                known = self.world.outages.size
                outages, self._outages_until_ms = more_outages(self.cluster, self.seed, self._outages_until_ms, known)
                self.world = self.world._replace(outages=outages)
            elif status == kernels.STUCK:
                raise PolicyError(
                    f"at {run['now_ms']} ms nothing runs or moves and the scheduler gives no executor to the rest"
                )
            elif status == kernels.LONG:
                raise ScenarioError(
                    f"at {run['now_ms']} ms a task or move begins that ends too late: the compiled loop counts to "
                    f"{run['last_ms']} ms with {self.world.executors.size} executors; give shorter tasks, earlier "
                    "arrivals or fewer executors (in Python engine='plain' is slower and has no such limit)"
                )
            else:
                return

    def pending_ms(self) -> int:
        """Expected work of placed jobs in tasks not started [executor-ms]."""
        world, run = self.world, self.world.run[0]
        numbers = np.append(world.live[: run["live"]], world.order[run["arrived"] : run["placed"]])
        return int(world.jobs["unstarted_ms"][numbers].sum())

    def columns(self) -> list[Any]:
        """Task, executor, start, finish and failure of every attempt."""
        rows = self.world.rows[: self.world.run[0]["rows"]]
        return [rows[name].astype(np.int64) for name in ("task", "executor", "start_ms", "finish_ms", "failed")]

    def completion_ms(self) -> Any:
        """End of each job [ms]."""
        return self.world.jobs["completion_ms"][:-1].copy()

    def counters(self) -> Counters:
        """What the loop counted."""
        run = self.world.run[0]
        return Counters(*(int(run[name]) for name in Counters._fields))
