"""Online algorithms for jobs that can wait: thresholds, conversion, places, scaling, selection and pacing."""

from joulewright.policy.citations import REFERENCES, cite
from joulewright.policy.online.advice import AdviceAllocation, clip_rule
from joulewright.policy.online.allocation import (
    AllocationResult,
    Places,
    PseudoCostAllocation,
    exact_allocation,
)
from joulewright.policy.online.capacity import CapacityCurve, CapacityPlanner
from joulewright.policy.online.conversion import Roro, RoroAdvice
from joulewright.policy.online.curve import ConversionCurve, advice_ratio
from joulewright.policy.online.exact import (
    ConversionProgram,
    cheapest_slots,
    exact_pause_resume,
    run_cost,
)
from joulewright.policy.online.gaia import GaiaStart
from joulewright.policy.online.guarantee import Guarantee
from joulewright.policy.online.pacing import (
    AbstractReferenceFunction,
    DualMirrorDescent,
    Entropy,
    Euclidean,
    bregman_step,
)
from joulewright.policy.online.pause_resume import PauseResume
from joulewright.policy.online.percentile import PercentileRule
from joulewright.policy.online.scaling import Scaling, ScalingPlan
from joulewright.policy.online.search import (
    ConstantThreshold,
    KSearch,
    corrected_thresholds,
    limit_ratio,
    maximum_ratio,
    minimum_ratio,
)
from joulewright.policy.online.selection import BanditSelection, FollowTheLeader
from joulewright.policy.online.unknown_length import UnknownLength
from joulewright.policy.online.wait_awhile import WaitAwhile, cheapest_costs
from joulewright.policy.online.worst_ratio import WorstCase, worst_cases, worst_ratio, worst_sequence

__all__ = [
    "REFERENCES",
    "AbstractReferenceFunction",
    "AdviceAllocation",
    "AllocationResult",
    "BanditSelection",
    "CapacityCurve",
    "CapacityPlanner",
    "ConstantThreshold",
    "ConversionCurve",
    "ConversionProgram",
    "DualMirrorDescent",
    "Entropy",
    "Euclidean",
    "FollowTheLeader",
    "GaiaStart",
    "Guarantee",
    "KSearch",
    "PauseResume",
    "PercentileRule",
    "Places",
    "PseudoCostAllocation",
    "Roro",
    "RoroAdvice",
    "Scaling",
    "ScalingPlan",
    "UnknownLength",
    "WaitAwhile",
    "WorstCase",
    "advice_ratio",
    "bregman_step",
    "cheapest_costs",
    "cheapest_slots",
    "cite",
    "clip_rule",
    "corrected_thresholds",
    "exact_allocation",
    "exact_pause_resume",
    "limit_ratio",
    "maximum_ratio",
    "minimum_ratio",
    "run_cost",
    "worst_cases",
    "worst_ratio",
    "worst_sequence",
]
