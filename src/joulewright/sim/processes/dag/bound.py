"""What any schedule must cost at least: the jobs as fluid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from joulewright.errors import InfeasibleError, SolverError
from joulewright.model.dag import DagCluster, DagJob, DagSignal
from joulewright.model.timeline import FloatArray


@dataclass(frozen=True, kw_only=True)
class FluidBound:
    """Least cost of the work within a horizon.

    Attributes
    ----------
    cost : float
        Bound on the cost of the tasks [g with a signal in g/kWh]; idle executors are not in it.
    steps : int
        Steps of the horizon.
    work : ndarray
        Executors times steps per job and step, shape ``(J, T)``.
    """

    cost: float
    steps: int
    work: FloatArray

    def achieved_share(self, reference: float, cost: float) -> float | None:
        """Part of the headroom below a reference that a cost reaches; None where there is no headroom."""
        headroom = reference - self.cost
        return (reference - cost) / headroom if headroom > 0.0 else None


def fluid_bound(jobs: Sequence[DagJob], cluster: DagCluster, signal: DagSignal, end_ms: int) -> FluidBound:
    """Lower bound on the cost of every schedule that ends by ``end_ms``, for tasks of known duration.

    Parameters
    ----------
    jobs, cluster, signal
        As in :func:`~joulewright.sim.processes.dag.simulate.simulate_dag`.
    end_ms : int
        Horizon [ms], rounded up to whole steps: the end of a reference schedule and whatever is allowed beyond it.

    Raises
    ------
    InfeasibleError
        If the work does not fit.
    SolverError
        If the solver fails.

    Notes
    -----
    ``x_jt >= 0`` executor-steps of job j in step t: minimise ``sum c_t x_jt`` with ``sum_t x_jt = W_j``,
    ``sum_j x_jt <= K`` and ``x_jt <= K' clip(t + 1 - a_j, 0, 1)`` with the arrival ``a_j`` in steps and K' the limit of
    the job. Precedence, moving delay and integrality are dropped, so no schedule costs less.
    """
    from scipy.optimize import linprog
    from scipy.sparse import coo_matrix

    steps = max(1, math.ceil(end_ms / signal.step_ms))
    if steps > signal.values.size:
        raise InfeasibleError(
            f"the horizon of {end_ms} ms is {steps} steps, but the signal has {signal.values.size}; "
            "give a longer signal"
        )
    job, step, most = _variables(jobs, cluster, signal.step_ms, steps)
    work = np.array([item.work_ms for item in jobs]) / signal.step_ms
    ones, index = np.ones(job.size), np.arange(job.size)
    within: Any = coo_matrix((ones, (step, index)), shape=(steps, job.size))
    whole: Any = coo_matrix((ones, (job, index)), shape=(len(jobs), job.size))
    limits: Any = np.column_stack([np.zeros(job.size), most])
    found: Any = linprog(
        signal.values[step],
        A_ub=within,
        b_ub=np.full(steps, float(cluster.executors)),
        A_eq=whole,
        b_eq=work,
        bounds=limits,
        method="highs",
    )
    if found.status == 2:
        room: FloatArray = np.zeros(len(jobs))
        np.add.at(room, job, most)
        raise InfeasibleError(_too_much(jobs, work, room, steps=steps, executors=cluster.executors))
    if not found.success:
        raise SolverError(f"the bound was not found: status {found.status}, {found.message}")
    amounts = np.zeros((len(jobs), steps))
    amounts[job, step] = found.x
    return FluidBound(cost=float(found.fun) * signal.step_h * cluster.busy_power_kw, steps=steps, work=amounts)


def _too_much(jobs: Sequence[DagJob], work: FloatArray, room: FloatArray, *, steps: int, executors: int) -> str:
    """Why the work does not fit: the job that does not fit even alone, if there is one, else all of it."""
    horizon, cluster = f"{steps} step" + "s" * (steps > 1), f"{executors} executor" + "s" * (executors > 1)
    worst = int(np.argmax(work - room))
    job = jobs[worst]
    if work[worst] <= room[worst]:
        return (
            f"{work.sum():.6g} executor-steps of work do not fit into {horizon} of {cluster} "
            "after the arrivals; allow more time"
        )
    who, more = f"the {cluster}", ""
    if job.max_executors is not None:
        who, more = f"its max_executors of {job.max_executors}", " or raise max_executors"
    return (
        f"{work[worst]:.6g} executor-steps of job {job.name!r}, which arrives at {job.arrival_ms} ms, do not fit into "
        f"{horizon}: {who} can do {room[worst]:.6g} from then on; allow more time{more}"
    )


def _variables(
    jobs: Sequence[DagJob], cluster: DagCluster, step_ms: int, steps: int
) -> tuple[np.ndarray, np.ndarray, FloatArray]:
    """Job, step and greatest value of every variable that may be positive."""
    arrivals = np.array([job.arrival_ms for job in jobs]) / step_ms
    limits = np.array([job.max_executors or cluster.executors for job in jobs], dtype=float)
    most = limits[:, None] * np.clip(np.arange(steps) + 1.0 - arrivals[:, None], 0.0, 1.0)
    job, step = np.nonzero(most)
    return job, step, most[job, step]
