"""Follow a plan, and make up for what turns out otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from joulewright.errors import InfeasibleError, PolicyError, SolverError
from joulewright.model import Route, Scenario, Schedule
from joulewright.model.timeline import FloatArray
from joulewright.plan.options import PlanOptions
from joulewright.policy.base import AbstractPolicy, Information, PolicyFacts
from joulewright.policy.decision import PowerDecision, WorkDecision
from joulewright.policy.effect import after_actions
from joulewright.policy.observation import Observation
from joulewright.policy.options import check_choice, check_number
from joulewright.policy.planned.expectation import softened
from joulewright.policy.planned.job_steps import PlannedJobs
from joulewright.policy.planned.recourse import COVERS, SetPoint, site_power
from joulewright.policy.registry import register
from joulewright.policy.routing.overflow import rerouted

_SMALL_MW = 1e-9
_FULL = 1.0 - 1e-9


@register("follow-plan", kind="policy", summary="follow a plan and cover what deviates from it")
@dataclass(frozen=True, kw_only=True)
class FollowPlan(AbstractPolicy):
    """Do what a plan says; make the plan on the first forecast where none is given.

    Attributes
    ----------
    cover : {"grid", "battery"}
        What takes deviations from the plan first; see :func:`joulewright.policy.planned.recourse.site_power`.
    work_limit : float
        Work units for a plan that is made at the start.
    schedule : Schedule or None
        The plan, on the time line of the simulation.
    facts : Scenario or None
        What the plan was made on; without it the first forecast says what renewables it counted on.

    Notes
    -----
    Information used: the plan and the present. Work is done as planned: jobs run on the planned segments, demand is
    served by the planned shares of each region. A job that cannot start as planned for want of accelerators, fails, or
    is not in the plan runs as soon as possible. Batteries and generators do what is planned; deviations of load and
    renewables go to the grid or the batteries. Guarantee: where nothing deviates, the plan is reproduced exactly.
    """

    uses: ClassVar[frozenset[Information]] = frozenset({"present", "forecast", "plan"})
    cover: str = "grid"
    work_limit: float = 60.0
    schedule: Schedule | None = field(default=None, repr=False)
    facts: Scenario | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        check_choice("cover", self.cover, COVERS)
        check_number("work_limit", self.work_limit, low=1e-6)
        if isinstance(self.schedule, str) or isinstance(self.facts, str):
            raise PolicyError(
                "options schedule and facts of follow-plan take a plan from a program, not text; leave them out to "
                "plan on the first forecast"
            )

    @property
    def specification(self) -> str:
        """Name and parameters, as the command line takes them; a given plan is named after what made it."""
        options = [] if self.cover == "grid" else [f"cover={self.cover}"]
        if self.work_limit != 60.0 and self.schedule is None:
            options.append(f"work_limit={self.work_limit:g}")
        return f"follow-plan:{','.join(options)}" if options else "follow-plan"

    def init(self, facts: PolicyFacts) -> Any:
        """The plan, if there is one.

        Raises
        ------
        PolicyError
            If the plan is of other sites or another number of steps.
        """
        if self.schedule is not None:
            _check_fit(self.schedule, facts)
        return _Following(facts, self.schedule, self.facts)

    def work(self, state: Any, observation: Observation) -> tuple[WorkDecision, Any]:
        """Planned actions and routes."""
        state.begin(observation, self.work_limit)
        return state.work(observation), state

    def power(self, state: Any, observation: Observation) -> tuple[PowerDecision, Any]:
        """Planned power, adjusted to the load and the renewables that there are."""
        sites = {}
        for name, site in observation.sites.items():
            point = state.point(name, observation.step)
            sites[name] = site_power(site, point, step_h=observation.step_h, cover=self.cover).power
        return PowerDecision(sites=sites), state


def _check_fit(schedule: Schedule, facts: PolicyFacts) -> None:
    names = [site.name for site in facts.scenario.sites]
    if sorted(schedule.sites) != sorted(names):
        raise PolicyError(f"the plan has the sites {sorted(schedule.sites)}; the scenario has {sorted(names)}")
    steps = {flows.grid_import_mw.size for flows in schedule.sites.values()}
    if steps != {facts.steps}:
        raise PolicyError(f"the plan has {sorted(steps)} steps; the horizon has {facts.steps}: plan this scenario")


class _Following:
    """A plan that is being followed."""

    def __init__(self, known: PolicyFacts, schedule: Schedule | None, facts: Scenario | None) -> None:
        self._jobs = PlannedJobs(known)
        self._plant = known.scenario
        self._schedule = schedule
        self._facts = facts
        self._first = 0
        self._available: dict[tuple[str, str], FloatArray] = {}
        self._demand: dict[tuple[str, str], FloatArray] = {}

    def begin(self, observation: Observation, work_limit: float) -> None:
        """Make sure that there is a plan and what it was made on."""
        if self._schedule is None:
            self._schedule, self._facts = _plan_now(observation, work_limit)
            self._first = observation.step
        if self._available or self._demand:
            return
        facts = self._facts or observation.forecast.window(observation.steps_left)
        for site in facts.sites:
            for plant in site.renewables:
                self._available[site.name, plant.name] = plant.available_mw
        for service in facts.inference:
            for region, demand in service.demand_token_s.items():
                self._demand[service.name, region] = demand

    def work(self, observation: Observation) -> WorkDecision:
        """Planned actions and routes of a step."""
        schedule = self._given()
        plans = {name: entry.shifted(self._first) for name, entry in schedule.jobs.items() if name in observation.jobs}
        actions = self._jobs.actions(observation, plans)
        routes = rerouted(self._plant, after_actions(observation, actions), self._routes(observation))
        return WorkDecision(actions=actions, routes_token_s=routes)

    def point(self, site: str, step: int) -> SetPoint:
        """Planned power of a site in a step."""
        flows, at = self._given().sites[site], step - self._first
        used_share = {}
        for plant, used in flows.renewable_used_mw.items():
            available = float(self._available[site, plant][at])
            if used[at] < _FULL * available - _SMALL_MW:
                used_share[plant] = float(used[at]) / available
        return SetPoint(
            charge_mw={name: float(run.charge_mw[at]) for name, run in flows.batteries.items()},
            discharge_mw={name: float(run.discharge_mw[at]) for name, run in flows.batteries.items()},
            generator_mw={name: float(run.output_mw[at]) for name, run in flows.generators.items() if run.on[at]},
            import_mw=float(flows.grid_import_mw[at]),
            export_mw=float(flows.grid_export_mw[at]),
            unserved_mw=float(flows.unserved_mw[at]),
            used_share=used_share,
        )

    def _routes(self, observation: Observation) -> Mapping[str, Mapping[Route, float]]:
        """Planned rates, scaled to the demand of each region."""
        at = observation.step - self._first
        found: dict[str, Mapping[Route, float]] = {}
        for name, entry in self._given().services.items():
            rates: dict[Route, float] = {}
            for route, served in zip(entry.routes, entry.served_token_s, strict=True):
                planned = float(self._demand[name, route.region][at])
                now = observation.demand_token_s[name][route.region]
                rate = float(served[at]) * (now / planned if planned > 0.0 else 0.0)
                if rate > 0.0:
                    rates[route] = rate
            found[name] = rates
        return found

    def _given(self) -> Schedule:
        if self._schedule is None:
            raise PolicyError("follow-plan is asked for power before it was asked for work; ask for work first")
        return self._schedule


def _plan_now(observation: Observation, work_limit: float) -> tuple[Schedule, Scenario]:
    """A plan of the rest of the horizon on the forecast, with the jobs that are known."""
    from joulewright.plan.planner import plan

    jobs = tuple(item.job for item in observation.jobs.values())
    facts = softened(observation.forecast.window(observation.steps_left)).with_changes(training=jobs)
    try:
        result = plan(facts, PlanOptions(work_limit=work_limit, threads=1))
    except (InfeasibleError, SolverError) as error:
        raise PolicyError(f"follow-plan finds no plan on its first forecast: {error}") from error
    if result.schedule is None:
        raise PolicyError(f"follow-plan finds no plan within work_limit={work_limit:g}; allow more")
    return result.schedule, facts
