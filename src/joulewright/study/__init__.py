"""Putting plans and policies side by side: comparisons of plans, and studies of policies over seeds and variants.

Names are imported on first use: a comparison of plans needs no simulator.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from joulewright.study.comparison import compare, figures
    from joulewright.study.folder import read_study, write_study
    from joulewright.study.request import StudyRequest
    from joulewright.study.result import StudyResult
    from joulewright.study.runner import run_study

_HOME = {
    "StudyRequest": "request",
    "StudyResult": "result",
    "compare": "comparison",
    "figures": "comparison",
    "read_study": "folder",
    "run_study": "runner",
    "write_study": "folder",
}

__all__ = ["StudyRequest", "StudyResult", "compare", "figures", "read_study", "run_study", "write_study"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; public names are {', '.join(__all__)}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
