"""Schedulers of data-processing jobs with precedence: which stage runs now, and on how many executors."""

from joulewright.policy.dag.base import NO_JOB, NO_STAGE, AbstractDagScheduler, AbstractDagView, Grant, RunFacts
from joulewright.policy.dag.fixed import CriticalPath, Fair, Fifo, ShortestWork, WeightedFair
from joulewright.policy.dag.learned import Learned
from joulewright.policy.dag.naming import dag_schedulers, make_dag_scheduler
from joulewright.policy.dag.outlook import Outlook
from joulewright.policy.dag.placement import (
    AbstractDagPlacement,
    AtHome,
    LeastCost,
    LowestSignal,
    RoundRobin,
    ShortestQueue,
    SiteNow,
    dag_placements,
    make_dag_placement,
)
from joulewright.policy.dag.planner import Allowance, Planned, WaterLevel
from joulewright.policy.dag.quota import GreenHadoop, Sap, green_quota, sap_quota, search_alpha, search_thresholds
from joulewright.policy.dag.rules import CompiledRule, Conditions
from joulewright.policy.dag.sampled import AbstractSampledScheduler, Choice, Softmax
from joulewright.policy.dag.spade import Spade, psi, shrink_factor, shrunk

__all__ = [
    "AbstractDagPlacement",
    "AtHome",
    "LeastCost",
    "LowestSignal",
    "RoundRobin",
    "ShortestQueue",
    "SiteNow",
    "dag_placements",
    "make_dag_placement",
    "NO_JOB",
    "NO_STAGE",
    "AbstractDagScheduler",
    "AbstractDagView",
    "AbstractSampledScheduler",
    "Allowance",
    "Choice",
    "CompiledRule",
    "Conditions",
    "CriticalPath",
    "Fair",
    "Fifo",
    "Grant",
    "GreenHadoop",
    "Learned",
    "Outlook",
    "Planned",
    "RunFacts",
    "Sap",
    "ShortestWork",
    "Softmax",
    "Spade",
    "WaterLevel",
    "WeightedFair",
    "dag_schedulers",
    "green_quota",
    "make_dag_scheduler",
    "psi",
    "sap_quota",
    "search_alpha",
    "search_thresholds",
    "shrink_factor",
    "shrunk",
]
