"""Schedulers that time stages against the signal within allowed ends."""

from joulewright.policy.dag.planner.ends import Allowance, greedy_time_ms
from joulewright.policy.dag.planner.levels import room_after_reserve, water_level
from joulewright.policy.dag.planner.planned import Planned
from joulewright.policy.dag.planner.timed import AbstractTimedRun, AbstractTimedScheduler
from joulewright.policy.dag.planner.water import WaterLevel

__all__ = [
    "AbstractTimedRun",
    "AbstractTimedScheduler",
    "Allowance",
    "Planned",
    "WaterLevel",
    "greedy_time_ms",
    "room_after_reserve",
    "water_level",
]
