"""LLM serving with continuous batching: an event loop, compiled and in Python, with exact energy."""

from joulewright.sim.processes.inference.budgets import ServiceBudget
from joulewright.sim.processes.inference.options import (
    Autoscaling,
    Disaggregation,
    Intensity,
    LatencyObjectives,
    PrefixCache,
    ServingOptions,
)
from joulewright.sim.processes.inference.requests import RequestTrace, join_traces, merge_traces
from joulewright.sim.processes.inference.result import ServingResult
from joulewright.sim.processes.inference.serve import prepare_kernels, simulate_serving

__all__ = [
    "Autoscaling",
    "Disaggregation",
    "Intensity",
    "LatencyObjectives",
    "PrefixCache",
    "RequestTrace",
    "ServiceBudget",
    "ServingOptions",
    "ServingResult",
    "join_traces",
    "merge_traces",
    "prepare_kernels",
    "simulate_serving",
]
