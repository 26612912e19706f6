"""Interfaces of online decision rules.

A rule is frozen parameters. Its state is made by ``init`` and handed back and forth, so that one rule object
can serve many runs at once and a run can be resumed. A rule learns parameters of the plant in ``init`` and
everything that changes from the observation.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from joulewright.model import Route, Scenario
from joulewright.policy.decision import JobAction, PowerDecision, SitePower, WorkDecision
from joulewright.policy.effect import after_actions
from joulewright.policy.observation import Observation, SiteObservation

Information = Literal["present", "past", "forecast", "plan", "future"]


@dataclass(frozen=True, kw_only=True)
class PolicyFacts:
    """What a policy may know before the first step.

    Attributes
    ----------
    scenario : Scenario
        Parameters of the plant: the scenario cut to its first step, without the jobs released later.
    steps : int
        Steps of the horizon.
    generator : numpy.random.Generator
        Source of the policy's own random draws.
    """

    scenario: Scenario
    steps: int
    generator: np.random.Generator


class AbstractPolicy(ABC):
    """Decides work and power of all sites.

    Attributes
    ----------
    uses : frozenset of str
        Information it uses: present, past, forecast, plan or future.
    between_ticks : bool
        True to be asked for work again at every arrival and end of a job within a step.
    """

    uses: ClassVar[frozenset[Information]] = frozenset({"present"})
    between_ticks: bool = False

    @property
    @abstractmethod
    def specification(self) -> str:
        """Name and parameters, as the command line takes them."""

    def informed(self, truth: Scenario) -> AbstractPolicy:
        """The policy told what is going to happen; the simulator asks only those that use the future."""
        return self

    @abstractmethod
    def init(self, facts: PolicyFacts) -> Any:
        """State before the first step.

        Raises
        ------
        PolicyError
            If the policy cannot run this scenario; the message says why and what to use instead.
        """

    @abstractmethod
    def work(self, state: Any, observation: Observation) -> tuple[WorkDecision, Any]:
        """Decide on jobs and routes at the start of a step."""

    @abstractmethod
    def power(self, state: Any, observation: Observation) -> tuple[PowerDecision, Any]:
        """Decide on batteries and generators once the load of the step is known."""


class AbstractDispatchRule(ABC):
    """Decides batteries and generators of one site at a time."""

    uses: ClassVar[frozenset[Information]] = frozenset({"present"})

    def init(self, facts: PolicyFacts) -> Any:
        """State before the first step; None where the rule needs none."""
        return None

    @abstractmethod
    def step(self, state: Any, observation: Observation, site: SiteObservation) -> tuple[SitePower, Any]:
        """Power of ``site`` in this step."""


class AbstractJobRule(ABC):
    """Decides when and where training jobs run."""

    uses: ClassVar[frozenset[Information]] = frozenset({"present"})
    between_ticks: bool = False

    def init(self, facts: PolicyFacts) -> Any:
        """State before the first step; None where the rule needs none."""
        return None

    @abstractmethod
    def step(self, state: Any, observation: Observation) -> tuple[tuple[JobAction, ...], Any]:
        """Actions to take now."""


class AbstractRoutingRule(ABC):
    """Decides which site serves the inference demand of which region."""

    uses: ClassVar[frozenset[Information]] = frozenset({"present"})

    def init(self, facts: PolicyFacts) -> Any:
        """State before the first step; None where the rule needs none."""
        return None

    @abstractmethod
    def step(self, state: Any, observation: Observation) -> tuple[Mapping[str, Mapping[Route, float]], Any]:
        """Demand served on each route by service [token/s]; what is left out is unserved."""


@dataclass(frozen=True, kw_only=True)
class CombinedPolicy(AbstractPolicy):
    """A dispatch rule, a job rule and a routing rule that decide side by side.

    Attributes
    ----------
    dispatch, jobs, routing
        The rules.
    specification_text : str
        How the combination was asked for.
    """

    dispatch: AbstractDispatchRule
    jobs: AbstractJobRule
    routing: AbstractRoutingRule
    specification_text: str

    @property
    def specification(self) -> str:
        """Name and parameters, as the command line takes them."""
        return self.specification_text

    @property
    def uses(self) -> frozenset[Information]:  # type: ignore[override]
        """Information that any of the rules uses."""
        return self.dispatch.uses | self.jobs.uses | self.routing.uses

    @property
    def between_ticks(self) -> bool:  # type: ignore[override]
        """Whether the job rule wants to act within steps."""
        return self.jobs.between_ticks

    def init(self, facts: PolicyFacts) -> Any:
        """States of the three rules; one dispatch state for each site."""
        dispatch = {site.name: self.dispatch.init(facts) for site in facts.scenario.sites}
        return dispatch, self.jobs.init(facts), self.routing.init(facts)

    def work(self, state: Any, observation: Observation) -> tuple[WorkDecision, Any]:
        """Ask the job rule, then the routing rule, which sees the jobs as the actions leave them."""
        dispatch, jobs, routing = state
        actions, jobs = self.jobs.step(jobs, observation)
        routes, routing = self.routing.step(routing, after_actions(observation, actions))
        return WorkDecision(actions=actions, routes_token_s=routes), (dispatch, jobs, routing)

    def power(self, state: Any, observation: Observation) -> tuple[PowerDecision, Any]:
        """Ask the dispatch rule for every site."""
        dispatch, jobs, routing = state
        found, states = {}, {}
        for name, site in observation.sites.items():
            found[name], states[name] = self.dispatch.step(dispatch[name], observation, site)
        return PowerDecision(sites=found), (states, jobs, routing)
