"""Rules for inference routing."""

from joulewright.policy.routing.rules import AbstractPreferenceRule, Cheapest, Cleanest, Nearest, Weighted
from joulewright.policy.routing.waterfill import Room, waterfill

__all__ = ["AbstractPreferenceRule", "Cheapest", "Cleanest", "Nearest", "Room", "Weighted", "waterfill"]
