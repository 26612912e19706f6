"""Timing of jobs with precedence."""

from joulewright.plan.dag.timing import StageWork, TimingSteps, plan_timing

__all__ = ["StageWork", "TimingSteps", "plan_timing"]
