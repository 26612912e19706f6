"""Rules for training jobs.

Training leaves free what serving is expected to need at its nearest sites, so serving comes first; see ``placement``
for the order in which jobs are given what is left.
"""

from joulewright.policy.jobs.calendar import Calendar, Objective
from joulewright.policy.jobs.migrate import MigrateWhenFeasible
from joulewright.policy.jobs.rules import (
    AbstractPlacementRule,
    CarbonWindow,
    CheapestWindow,
    CostCarbonWeight,
    EarliestDeadline,
    FirstFit,
)
from joulewright.policy.jobs.task import Task

__all__ = [
    "AbstractPlacementRule",
    "Calendar",
    "CarbonWindow",
    "CheapestWindow",
    "CostCarbonWeight",
    "EarliestDeadline",
    "FirstFit",
    "MigrateWhenFeasible",
    "Objective",
    "Task",
]
