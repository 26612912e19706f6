"""A bound that owes nothing to the search tree of a solver: Lagrangian bounds over a partition of the plans.

The root bound is the Lagrangian bound from duals of the linear relaxation. Where it is not enough, the plans are split
in two, and so on: every plan lies in one part, so the lowest bound of all parts is a bound on every plan. Each part's
bound is recomputed from row duals.
"""

from __future__ import annotations

from joulewright.plan.guided.board import JobBoard
from joulewright.plan.guided.tree import SHORT_SOLVES, Tree
from joulewright.plan.guided.workbench import Workbench
from joulewright.plan.model import JointProgram


def partition_bound(joint: JointProgram, *, target: float, parts: int) -> float:
    """Lower bound on the objective of ``joint`` (minus the benefit), at most ``target``, over about ``parts`` parts.

    Stops as soon as the bound reaches ``target``.
    """
    bench = Workbench(joint.program, SHORT_SOLVES)
    bench.first_solve()
    tree = Tree(JobBoard(joint), [bench], bench.basis(), objective=lambda: target, margin=0.0)
    tree.run(lambda: tree.parts >= parts)
    return tree.bound
