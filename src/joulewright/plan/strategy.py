"""What every strategy returns to the planner."""

from __future__ import annotations

from dataclasses import dataclass

from joulewright.model import Schedule
from joulewright.plan.model import JointProgram
from joulewright.plan.result import Status
from joulewright.plan.solver import LinearSolution


@dataclass(frozen=True, eq=False)
class Outcome:
    """End of a search.

    Attributes
    ----------
    joint : JointProgram or None
        The program the solution belongs to.
    solution : LinearSolution or None
        Best solution, all integer columns held; None without one.
    bound : float
        Lower bound of the program's objective (minus the benefit).
    status : str
        Why the search ended.
    bound_source : str
        ``lagrangian`` or ``search-tree``.
    notes : tuple of str
        For the reader.
    schedule : Schedule or None
        Set where the plan was put together from several programs; ``joint`` and ``solution`` are then None.
    """

    joint: JointProgram | None
    solution: LinearSolution | None
    bound: float
    status: Status
    bound_source: str = "lagrangian"
    notes: tuple[str, ...] = ()
    schedule: Schedule | None = None
