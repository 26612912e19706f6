"""Choosing how to serve a language model: accelerators, parallelism, limits, caps and replicas over a day."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from joulewright.study.configuration.day import Operation
    from joulewright.study.configuration.need import QuantileObjectives, ServiceNeed
    from joulewright.study.configuration.result import Configuration, Configurations, Refusal
    from joulewright.study.configuration.search import configure
    from joulewright.study.configuration.slices import SlicedServices, configure_slices
    from joulewright.study.configuration.space import ConfigurationSpace
    from joulewright.study.configuration.trial import Verification

_HOME = {
    "Configuration": "result",
    "ConfigurationSpace": "space",
    "Configurations": "result",
    "Operation": "day",
    "QuantileObjectives": "need",
    "Refusal": "result",
    "ServiceNeed": "need",
    "SlicedServices": "slices",
    "Verification": "trial",
    "configure": "search",
    "configure_slices": "slices",
}

__all__ = [
    "Configuration",
    "ConfigurationSpace",
    "Configurations",
    "Operation",
    "QuantileObjectives",
    "Refusal",
    "ServiceNeed",
    "SlicedServices",
    "Verification",
    "configure",
    "configure_slices",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; public names are {', '.join(__all__)}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
