"""Frozen facts and decisions: scenario, schedule and their parts."""

from joulewright.model.event import Event, EventKind, EventRate
from joulewright.model.fleet import Fleet
from joulewright.model.network import Link, Region
from joulewright.model.scenario import CarbonPolicy, Scenario
from joulewright.model.schedule import (
    BatterySchedule,
    GeneratorSchedule,
    JobSchedule,
    Route,
    Schedule,
    Segment,
    ServiceSchedule,
    SiteSchedule,
)
from joulewright.model.signal import CarbonIntensity, CarbonKind, CarbonScope
from joulewright.model.site import (
    Battery,
    DemandWindow,
    FlexibleConnection,
    Generator,
    GridConnection,
    Location,
    MarketFactors,
    RenewablePlant,
    Site,
)
from joulewright.model.timeline import BoolArray, FloatArray, Timeline
from joulewright.model.trajectory import CARBON_BUDGET, Clip, Happening, JobRecord, Trajectory
from joulewright.model.window import cut_series, scenario_window
from joulewright.model.workload import InferenceService, JobKind, ServingCurve, ServingPoint, TrainingJob

__all__ = [
    "CARBON_BUDGET",
    "Battery",
    "BatterySchedule",
    "BoolArray",
    "CarbonIntensity",
    "CarbonKind",
    "CarbonPolicy",
    "CarbonScope",
    "Clip",
    "DemandWindow",
    "Event",
    "EventKind",
    "EventRate",
    "Fleet",
    "FlexibleConnection",
    "FloatArray",
    "Generator",
    "GeneratorSchedule",
    "GridConnection",
    "Happening",
    "InferenceService",
    "JobKind",
    "JobRecord",
    "JobSchedule",
    "Link",
    "Location",
    "MarketFactors",
    "Region",
    "RenewablePlant",
    "Route",
    "Scenario",
    "Schedule",
    "Segment",
    "ServiceSchedule",
    "ServingCurve",
    "ServingPoint",
    "Site",
    "SiteSchedule",
    "Timeline",
    "TrainingJob",
    "Trajectory",
    "cut_series",
    "scenario_window",
]
