"""The event model compiled: what :mod:`joulewright.sim.processes.dag.plain` does, with the same numbers."""

from joulewright.sim.processes.dag.kernels.loop import FULL, LONG, SHORT, STUCK, dag_kernel

__all__ = ["FULL", "LONG", "SHORT", "STUCK", "dag_kernel"]
