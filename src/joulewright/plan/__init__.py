"""Joint optimisation of compute and energy."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from joulewright.plan.options import PlanOptions, Progress
    from joulewright.plan.planner import plan
    from joulewright.plan.result import Duals, PlanResult

__all__ = ["Duals", "PlanOptions", "PlanResult", "Progress", "plan"]

_HOME = {
    "Duals": "result",
    "PlanOptions": "options",
    "PlanResult": "result",
    "Progress": "options",
    "plan": "planner",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {sorted(_HOME)}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
