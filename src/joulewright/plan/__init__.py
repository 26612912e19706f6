"""Joint optimisation of compute and energy.

The package is callable: ``joulewright.plan(scenario)`` is :func:`joulewright.plan.planner.plan`, because the
package and its main function share one name.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
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


class _CallablePackage(ModuleType):
    """A package that can be called like its main function."""

    def __call__(self, *args: Any, **kwargs: Any) -> PlanResult:
        """Plan; see :func:`joulewright.plan.planner.plan`."""
        result: PlanResult = import_module(f"{__name__}.planner").plan(*args, **kwargs)
        return result


sys.modules[__name__].__class__ = _CallablePackage
