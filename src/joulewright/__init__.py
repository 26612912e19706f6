"""Plan, simulate and account for AI compute together with the energy it runs on.

Everything named in ``__all__`` is imported on first use, so ``import joulewright`` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from joulewright.account import Ledger, settle
    from joulewright.check import Violation, violations
    from joulewright.io import export_schedule, read_run, read_scenario, write_pypsa, write_run, write_template
    from joulewright.model import Scenario, Schedule, Trajectory
    from joulewright.plan import PlanOptions, PlanResult, plan
    from joulewright.policy.citations import cite
    from joulewright.report import write_report
    from joulewright.sim.processes.dag import simulate_dag
    from joulewright.sim.processes.inference import simulate_serving
    from joulewright.sim.simulate import Simulation, simulate
    from joulewright.study import StudyRequest, StudyResult, compare, run_study
    from joulewright.study.dag import compare_dag

_HOME = {
    "Ledger": "joulewright.account",
    "PlanOptions": "joulewright.plan",
    "PlanResult": "joulewright.plan",
    "Scenario": "joulewright.model",
    "Schedule": "joulewright.model",
    "Simulation": "joulewright.sim.simulate",
    "StudyRequest": "joulewright.study",
    "StudyResult": "joulewright.study",
    "Trajectory": "joulewright.model",
    "Violation": "joulewright.check",
    "cite": "joulewright.policy.citations",
    "compare": "joulewright.study",
    "compare_dag": "joulewright.study.dag",
    "export_schedule": "joulewright.io",
    "plan": "joulewright.plan",
    "read_run": "joulewright.io",
    "read_scenario": "joulewright.io",
    "run_study": "joulewright.study",
    "settle": "joulewright.account",
    "simulate": "joulewright.sim.simulate",
    "simulate_dag": "joulewright.sim.processes.dag",
    "simulate_serving": "joulewright.sim.processes.inference",
    "violations": "joulewright.check",
    "write_pypsa": "joulewright.io",
    "write_report": "joulewright.report",
    "write_run": "joulewright.io",
    "write_template": "joulewright.io",
}
"""Module of every public name."""

__all__ = [
    "__version__",
    "Ledger",
    "PlanOptions",
    "PlanResult",
    "Scenario",
    "Schedule",
    "Simulation",
    "StudyRequest",
    "StudyResult",
    "Trajectory",
    "Violation",
    "cite",
    "compare",
    "compare_dag",
    "export_schedule",
    "plan",
    "read_run",
    "read_scenario",
    "run_study",
    "settle",
    "simulate",
    "simulate_dag",
    "simulate_serving",
    "violations",
    "write_pypsa",
    "write_report",
    "write_run",
    "write_template",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("joulewright")
    if name not in _HOME:
        raise AttributeError(f"module 'joulewright' has no attribute {name!r}; public names are {', '.join(__all__)}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
