"""Policies that plan: follow a plan, receding horizon, its stochastic form, and the oracle."""

from __future__ import annotations

from joulewright.policy.planned.follow_plan import FollowPlan
from joulewright.policy.planned.oracle import Oracle, oracle_plan
from joulewright.policy.planned.receding_horizon import RecedingHorizon
from joulewright.policy.planned.regret import Regret, regret_of
from joulewright.policy.planned.stochastic import Stochastic

__all__ = ["FollowPlan", "Oracle", "RecedingHorizon", "Regret", "Stochastic", "oracle_plan", "regret_of"]
