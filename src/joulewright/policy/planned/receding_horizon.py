"""Receding horizon: plan the next hours with the joint model, do the first ones, plan again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from joulewright.errors import PolicyError
from joulewright.policy.base import AbstractPolicy, Information, PolicyFacts
from joulewright.policy.decision import PowerDecision, WorkDecision
from joulewright.policy.observation import Observation
from joulewright.policy.options import check_choice, check_number, rule_text
from joulewright.policy.planned.horizon_options import HorizonOptions
from joulewright.policy.planned.recourse import COVERS
from joulewright.policy.registry import make, register

_MOST_STEPS = 2016


@dataclass(frozen=True, kw_only=True)
class AbstractHorizonPolicy(AbstractPolicy):
    """What the receding-horizon policies share.

    Attributes
    ----------
    window_h : float
        Hours that are planned [h].
    every_h : float
        Hours between plans; they are done as planned [h].
    cover : {"grid", "battery"}
        What takes deviations from the plan first; see :func:`joulewright.policy.planned.recourse.site_power`.
    jobs : str
        The job rule that decides on training jobs; ``milp`` plans their starts with the joint model, binaries and all.
    jobs_every_h : float
        Hours between plans of jobs; new jobs are planned at once [h].
    outlook_h, outlook_every_h : float
        Hours of the long view that paces demand charges and carbon budgets, and between long views [h]; a budget is
        looked after every day at least.
    """

    uses: ClassVar[frozenset[Information]] = frozenset({"present", "past", "forecast"})
    window_h: float = 48.0
    every_h: float = 1.0
    cover: str = "grid"
    jobs: str = "cheapest-window"
    jobs_every_h: float = 3.0
    outlook_h: float = 744.0
    outlook_every_h: float = 168.0

    def __post_init__(self) -> None:
        for name in ("window_h", "every_h", "jobs_every_h", "outlook_h", "outlook_every_h"):
            check_number(name, getattr(self, name), low=1e-6, unit="h")
        check_choice("cover", self.cover, COVERS)
        if self.every_h > self.window_h:
            raise PolicyError(f"option every_h is {self.every_h:g} h; allowed is up to window_h, {self.window_h:g} h")
        if self.jobs != "milp":
            make(self.jobs, "jobs")

    def init(self, facts: PolicyFacts) -> Any:
        """An empty plan.

        Raises
        ------
        PolicyError
            If the window is shorter than a step or longer than 2016 steps.
        """
        step_h = facts.scenario.timeline.step_h
        if not 1.0 <= self.window_h / step_h <= _MOST_STEPS + 1e-9:
            raise PolicyError(
                f"option window_h is {self.window_h:g} h; with steps of {step_h:g} h allowed are {step_h:g} to "
                f"{_MOST_STEPS * step_h:g} h"
            )
        # The solver is imported by what plans only.
        from joulewright.policy.planned.horizon_state import HorizonState

        jobs_every = max(1, round(self.jobs_every_h / step_h))
        return HorizonState(facts, self.horizon_options(step_h), jobs=self.jobs, jobs_every=jobs_every)

    def work(self, state: Any, observation: Observation) -> tuple[WorkDecision, Any]:
        """Decide on jobs, plan the energy around them, and route demand as planned."""
        return state.work(observation), state

    def power(self, state: Any, observation: Observation) -> tuple[PowerDecision, Any]:
        """Do what is planned for this step, adjusted to the load and the renewables that there are."""
        return state.power(observation, self.cover), state

    def horizon_options(self, step_h: float) -> HorizonOptions:
        """The options in steps."""

        def steps(hours: float) -> int:
            return max(1, round(hours / step_h))

        return HorizonOptions(
            window=steps(self.window_h),
            every=steps(self.every_h),
            far=steps(self.outlook_h),
            far_every=steps(self.outlook_every_h),
        )


@register(
    "receding-horizon",
    kind="policy",
    summary="plan the next hours on the forecast, do the first, plan again",
)
@dataclass(frozen=True, kw_only=True)
class RecedingHorizon(AbstractHorizonPolicy):
    """Plan the next ``window_h`` hours on the forecast every ``every_h`` hours and do the first of them.

    Notes
    -----
    Information used: the present, the forecast, peaks and carbon so far. Power and routes come from the linear
    relaxation of the joint model, generators without commitment, changed in place and solved from the last basis; jobs
    from a rule, or their starts from the joint model itself. Energy left at the end of a window has the value of the
    mean price of import; what must be left at the end of the horizon is asked for once the window reaches it. Where
    there are demand charges or carbon budgets, a coarse plan of the next weeks (of all that is left, with a budget)
    is made now and then, known jobs being even load: peaks up to those it expects cost nothing in a window, and carbon
    has the price of its budget.

    Guarantee: with a perfect forecast, a window over the whole horizon, no jobs and generators without commitment the
    result is optimal. Every decision keeps battery limits; shortage and excess are priced, never forbidden.

    References
    ----------
    Rawlings, Mayne and Diehl (2017), Model Predictive Control: Theory, Computation, and Design, 2nd ed., section 2.2.
    """

    @property
    def specification(self) -> str:
        """Name and parameters, as the command line takes them."""
        return rule_text("receding-horizon", self)
