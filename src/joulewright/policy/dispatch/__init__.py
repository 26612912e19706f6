"""Rules for batteries and generators."""

from joulewright.policy.dispatch.peak import PeakShaving
from joulewright.policy.dispatch.settle import AbstractStorageRule, Common, Wish, settle
from joulewright.policy.dispatch.simple import GridFirst, SolarFirst, TimeOfUse
from joulewright.policy.dispatch.threshold import AbstractThresholdRule, CarbonThreshold, PriceThreshold

__all__ = [
    "AbstractStorageRule",
    "AbstractThresholdRule",
    "CarbonThreshold",
    "Common",
    "GridFirst",
    "PeakShaving",
    "PriceThreshold",
    "SolarFirst",
    "TimeOfUse",
    "Wish",
    "settle",
]
