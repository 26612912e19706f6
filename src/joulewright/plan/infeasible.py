"""Why nothing is feasible."""

from __future__ import annotations

from typing import NoReturn

from joulewright.errors import InfeasibleError
from joulewright.plan.model import JointProgram


def raise_infeasible(joint: JointProgram) -> NoReturn:
    """Explain the conflict and raise.

    Raises
    ------
    InfeasibleError
        Always.
    """
    raise InfeasibleError("no plan satisfies every limit", None)
