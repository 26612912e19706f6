"""Perfect foresight: the joint plan of what is going to happen, followed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from joulewright.errors import PolicyError, SolverError
from joulewright.model import Scenario
from joulewright.plan.options import PlanOptions
from joulewright.plan.result import PlanResult
from joulewright.policy.base import Information, PolicyFacts
from joulewright.policy.planned.expectation import softened
from joulewright.policy.planned.follow_plan import FollowPlan
from joulewright.policy.registry import register

ORACLE_OPTIONS = PlanOptions(gap=0.002, work_limit=60.0, threads=1)
"""How an oracle plans unless told otherwise."""


def oracle_plan(scenario: Scenario, options: PlanOptions | None = None) -> PlanResult:
    """The joint plan of a scenario as it turned out; its bound is what no policy can exceed.

    Parameters
    ----------
    scenario : Scenario
        What happened, events applied, such as the scenario of a trajectory.
    options : PlanOptions, optional
        How to plan.

    Returns
    -------
    PlanResult
        Plan, bound and gap of :func:`joulewright.policy.planned.expectation.softened` of the scenario: what was
        impossible in hindsight, such as serving all load in an outage, has a price there.

    Raises
    ------
    InfeasibleError
        If jobs that must be done have no room.
    """
    from joulewright.plan.planner import plan

    return plan(softened(scenario), options or ORACLE_OPTIONS)


@register("oracle", kind="policy", summary="follow the joint plan of what is going to happen: the best there is")
@dataclass(frozen=True, kw_only=True)
class Oracle(FollowPlan):
    """Know the future, plan it with the joint model and follow the plan.

    Notes
    -----
    Information used: the future. It is no policy for use but the measure of the others: within the gap of its plan
    nothing is better. It must be told what is going to happen by :meth:`informed`.
    """

    uses: ClassVar[frozenset[Information]] = frozenset({"future"})

    @property
    def specification(self) -> str:
        """Name and parameters, as the command line takes them."""
        return "oracle" if self.work_limit == ORACLE_OPTIONS.work_limit else f"oracle:work_limit={self.work_limit:g}"

    def informed(self, truth: Scenario) -> Oracle:
        """The oracle with its plan of ``truth``.

        Raises
        ------
        InfeasibleError
            If jobs that must be done have no room.
        SolverError
            If no plan is found within the work limit.
        """
        if self.schedule is not None:
            return self
        result = oracle_plan(truth, replace(ORACLE_OPTIONS, work_limit=self.work_limit))
        if result.schedule is None:
            raise SolverError(f"the oracle finds no plan within work_limit={self.work_limit:g}; allow more")
        return replace(self, schedule=result.schedule, facts=truth)

    def init(self, facts: PolicyFacts) -> Any:
        """The plan.

        Raises
        ------
        PolicyError
            If it was not told the future.
        """
        if self.schedule is None:
            raise PolicyError("the oracle was not told what is going to happen; simulate Oracle().informed(truth)")
        return super().init(facts)
