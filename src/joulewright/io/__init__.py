"""Scenario files, series, run folders and exports.

Names are imported on first use: reading a scenario needs no data-frame library, reading a run does.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from joulewright.io.exports import export_schedule
    from joulewright.io.forecast_file import read_forecast
    from joulewright.io.pypsa_export import write_pypsa
    from joulewright.io.run_folder import FrontPoint, NamedPlan, Run, read_run, write_run
    from joulewright.io.scenario_file import read_scenario, scenario_schema
    from joulewright.io.templates import write_template
    from joulewright.io.trajectory_folder import read_trajectory, write_trajectory

_HOME = {
    "FrontPoint": "run_folder",
    "NamedPlan": "run_folder",
    "Run": "run_folder",
    "export_schedule": "exports",
    "read_forecast": "forecast_file",
    "read_run": "run_folder",
    "read_scenario": "scenario_file",
    "read_trajectory": "trajectory_folder",
    "scenario_schema": "scenario_file",
    "write_pypsa": "pypsa_export",
    "write_run": "run_folder",
    "write_template": "templates",
    "write_trajectory": "trajectory_folder",
}

__all__ = [
    "FrontPoint",
    "NamedPlan",
    "Run",
    "export_schedule",
    "read_forecast",
    "read_run",
    "read_scenario",
    "read_trajectory",
    "scenario_schema",
    "write_pypsa",
    "write_run",
    "write_template",
    "write_trajectory",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; public names are {', '.join(__all__)}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
