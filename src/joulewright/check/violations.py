"""Every limit of a scenario that a schedule breaks, derived anew from the two alone.

This package shares no code with the planner or the ledger: what they believe is never asked.
"""

from __future__ import annotations

from joulewright.check.carbon import carbon
from joulewright.check.compute import compute, loads
from joulewright.check.energy import energy
from joulewright.check.generators import generators
from joulewright.check.jobs import jobs
from joulewright.check.storage import storage
from joulewright.check.structure import structure
from joulewright.check.violation import Judge, Violation
from joulewright.model import Scenario, Schedule


def violations(scenario: Scenario, schedule: Schedule, tolerance: float = 1e-6) -> list[Violation]:
    """Limits that ``schedule`` breaks; an empty list makes it feasible.

    Parameters
    ----------
    scenario : Scenario
        The limits.
    schedule : Schedule
        The decisions to judge.
    tolerance : float
        Power balance and exclusivity are judged to this many MW; every other limit to
        ``tolerance x max(1, |limit|)`` in its own unit.

    Returns
    -------
    list of Violation
        One per family and component at its worst step. When parts are missing, have another shape or hold
        values that are not finite, only these are returned, since nothing else can be derived.

    Raises
    ------
    ValueError
        If ``tolerance`` is not positive.
    """
    if not tolerance > 0.0:
        raise ValueError(f"tolerance is {tolerance!r}; it must be positive, for example 1e-6")
    judge = Judge(timeline=scenario.timeline, tolerance=tolerance)
    broken = list(structure(judge, scenario, schedule))
    if broken:
        return broken
    derived = loads(scenario, schedule)
    return [
        *jobs(judge, scenario, schedule),
        *compute(judge, scenario, schedule, derived),
        *energy(judge, scenario, schedule, derived.facility_mw),
        *storage(judge, scenario, schedule),
        *generators(judge, scenario, schedule),
        *carbon(judge, scenario, schedule),
    ]
