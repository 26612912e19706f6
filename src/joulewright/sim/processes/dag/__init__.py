"""Data-processing jobs with precedence on executors: an exact event model, in Python and compiled."""

from joulewright.sim.processes.dag.bound import FluidBound, fluid_bound
from joulewright.sim.processes.dag.change import DagChange, split_dag_change
from joulewright.sim.processes.dag.result import DagRun, price_runs
from joulewright.sim.processes.dag.simulate import prepare_kernel, simulate_dag
from joulewright.sim.processes.dag.sites import DagSitesRun, DagTransfer, simulate_dag_sites

__all__ = [
    "DagChange",
    "DagRun",
    "DagSitesRun",
    "DagTransfer",
    "FluidBound",
    "fluid_bound",
    "prepare_kernel",
    "price_runs",
    "simulate_dag",
    "simulate_dag_sites",
    "split_dag_change",
]
