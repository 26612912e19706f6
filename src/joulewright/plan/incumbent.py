"""Integral solutions of the joint program and how they are made clean."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from joulewright.model.timeline import FloatArray, IntArray
from joulewright.plan.model import JointProgram
from joulewright.plan.program import Program
from joulewright.plan.solver import LinearSolution

_BOTH_MW = 1e-6
_EARNINGS = frozenset({"served", "grid_export", "rejected", "rejected_divisible", "energy"})
PAIRS = (("grid_import", "grid_export"), ("charge", "discharge"))


@dataclass(frozen=True, eq=False)
class Incumbent:
    """A feasible solution.

    Attributes
    ----------
    solution : LinearSolution
        The LP with every integer column held at its value.
    cost : float
        The plan's costs without values and revenues [currency].
    """

    solution: LinearSolution
    cost: float

    @property
    def objective(self) -> float:
        """Objective of the program: minus the benefit."""
        return self.solution.objective


def plan_cost(program: Program, values: FloatArray) -> float:
    """Costs of a solution without job values and revenues [currency]."""
    total = 0.0
    for name, blocks in program.variables.items():
        if name in _EARNINGS:
            continue
        for block in blocks:
            part = slice(block.first, block.first + block.size)
            base = program.lower[part] if name == "peak" else 0.0
            total += float(program.cost[part] @ (values[part] - base))
    return total


def opposite_flows(joint: JointProgram, values: FloatArray) -> dict[tuple[str, str, str], IntArray]:
    """Steps in which both flows of a pair exceed 1e-6 MW, keyed as ``Model.exclusive``."""
    found: dict[tuple[str, str, str], IntArray] = {}
    for inward_name, outward_name in PAIRS:
        inward = {_head(block.label(0)): block for block in joint.program.variables.get(inward_name, [])}
        for block in joint.program.variables.get(outward_name, []):
            other = inward[_head(block.label(0))]
            both = (block.values(values) > _BOTH_MW) & (other.values(values) > _BOTH_MW)
            if both.any():
                site, _, part = _head(block.label(0)).partition("/")
                kind = "battery" if inward_name == "charge" else "grid"
                found[kind, site, part] = np.flatnonzero(both)
    return found


def losing_directions(joint: JointProgram, values: FloatArray) -> IntArray:
    """Columns to close so that no pair flows both ways: the smaller of the two, by effect on the bus."""
    closed: list[NDArray[np.int64]] = []
    for inward_name, outward_name in PAIRS:
        inward = {_head(block.label(0)): block for block in joint.program.variables.get(inward_name, [])}
        for outward in joint.program.variables.get(outward_name, []):
            other = inward[_head(outward.label(0))]
            out_values, in_values = outward.values(values), other.values(values)
            both = (out_values > _BOTH_MW) & (in_values > _BOTH_MW)
            if both.any():
                smaller_out = both & (out_values <= in_values)
                closed += [outward.index[smaller_out], other.index[both & ~smaller_out]]
    return np.concatenate(closed) if closed else np.empty(0, np.int64)


def _head(label: str) -> str:
    return label.rsplit(",", 1)[0]
