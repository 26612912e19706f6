"""Deterministic work units."""

from __future__ import annotations

from joulewright.plan.program import Program


def work_per_iteration(program: Program) -> float:
    """Cost of one simplex iteration in work units, about seconds on a 2020s core."""
    return 1e-6 * (20.0 + 0.004 * program.value.size)
