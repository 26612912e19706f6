"""Rules that choose when and where training jobs run."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from joulewright.model import Scenario
from joulewright.policy.base import AbstractJobRule, Information, PolicyFacts
from joulewright.policy.decision import JobAction
from joulewright.policy.jobs.calendar import Objective
from joulewright.policy.jobs.placement import decide
from joulewright.policy.jobs.task import Task
from joulewright.policy.observation import Observation
from joulewright.policy.options import check_number
from joulewright.policy.registry import register

_INFORMATION: frozenset[Information] = frozenset({"present", "forecast"})
LOOK_AHEAD_H = 168.0
"""How far rules look by default [h]."""
MARGIN_FRACTION = 0.1
"""Part of the time to a deadline that rules leave free by default."""


@dataclass(frozen=True, kw_only=True)
class AbstractPlacementRule(AbstractJobRule):
    """A rule that is an order of jobs and an objective; placing them is common (see ``placement``).

    Attributes
    ----------
    look_ahead_h : float
        How far ahead forecasts are used [h]; a job whose deadline lies behind that does its share within it.
    margin_fraction : float
        Part of the time to a deadline that is left free, where it can be, for forecasts that turn out wrong.
    """

    look_ahead_h: float = LOOK_AHEAD_H
    margin_fraction: float = MARGIN_FRACTION

    def __post_init__(self) -> None:
        check_number("look_ahead_h", self.look_ahead_h, low=1e-6, unit="h")
        check_number("margin_fraction", self.margin_fraction, high=0.9)

    def init(self, facts: PolicyFacts) -> Any:
        """The parameters of the scenario; nothing else is remembered."""
        return facts.scenario

    def step(self, state: Any, observation: Observation) -> tuple[tuple[JobAction, ...], Any]:
        """Actions to take now."""
        actions = decide(
            state,
            observation,
            objective=self.objective(state),
            key=self.key,
            look_ahead_h=self.look_ahead_h,
            margin_fraction=self.margin_fraction,
        )
        return actions, state

    @abstractmethod
    def objective(self, scenario: Scenario) -> Objective | None:
        """What is minimised; None for the earliest run."""

    @abstractmethod
    def key(self, task: Task) -> tuple[Any, ...]:
        """Order among required jobs, and among optional ones: the lowest comes first."""


@register("first-fit", kind="jobs", summary="run jobs in order of release as soon as they fit")
@dataclass(frozen=True, kw_only=True)
class FirstFit(AbstractPlacementRule):
    """Run every job as early as it fits, in order of release; what runs goes on.

    Attributes
    ----------
    between_ticks : bool
        True to decide also at arrivals and ends of jobs within a step.

    Notes
    -----
    Information used: the present, and a forecast of demand and limits, only to leave room for serving and to start
    nothing that cannot be carried. Guarantee: no job starts earlier by passing one that was released before it, unless
    it delays it by nothing (conservative backfilling); required jobs come first.

    References
    ----------
    Mu'alem and Feitelson (2001), IEEE Trans. Parallel and Distributed Systems 12(6), 529-543, doi:10.1109/71.932708.
    """

    uses: ClassVar[frozenset[Information]] = _INFORMATION
    between_ticks: bool = False

    def objective(self, scenario: Scenario) -> Objective | None:
        """The earliest run."""
        return None

    def key(self, task: Task) -> tuple[Any, ...]:
        """What runs, then by release."""
        return (task.item.status != "running", task.item.job.release)


@register("earliest-deadline", kind="jobs", summary="run jobs in order of deadline as soon as they fit")
@dataclass(frozen=True, kw_only=True)
class EarliestDeadline(AbstractPlacementRule):
    """Run every job as early as it fits, the one with the earliest deadline first; divisible jobs give way.

    Attributes
    ----------
    between_ticks : bool
        True to decide also at arrivals and ends of jobs within a step.

    Notes
    -----
    Information used: as first-fit. Guarantee: on one fleet, with pausable jobs of its size without restart loss, all
    deadlines are met if any order meets them (Liu and Layland 1973, Journal of the ACM 20(1), 46-61,
    doi:10.1145/321738.321743); in general it is a heuristic.
    """

    uses: ClassVar[frozenset[Information]] = _INFORMATION
    between_ticks: bool = False

    def objective(self, scenario: Scenario) -> Objective | None:
        """The earliest run."""
        return None

    def key(self, task: Task) -> tuple[Any, ...]:
        """By deadline."""
        return (task.limit_h, task.item.job.release)


def by_slack(task: Task) -> tuple[Any, ...]:
    """The job that can wait least comes first."""
    return (task.slack_h, task.item.job.release)


def money(scenario: Scenario) -> Objective:
    """What the ledger charges for energy: money, and carbon at the price of the scenario."""
    return Objective(money=1.0, carbon_per_kg=scenario.carbon.price_per_t / 1000.0)


@register("cheapest-window", kind="jobs", summary="run each job when and where its energy is expected to be cheapest")
@dataclass(frozen=True, kw_only=True)
class CheapestWindow(AbstractPlacementRule):
    """Choose the start within the slack that minimises the expected energy cost, carbon price and delay cost included.

    A pausable job takes the cheapest steps that its shortest run and restart loss allow, an elastic one its sizes by
    cost per work. Surplus of the site costs what its export would earn.

    Notes
    -----
    Information used: the present and a forecast of prices, carbon, renewables, limits and demand. Guarantee: with a
    perfect forecast and one job the choice is optimal among starts at step boundaries; no job waits longer than its
    slack, so that deadlines that can be met at the present load are met.

    References
    ----------
    Wiesner, Behnke, Scheinert, Gontarska and Thamsen (2021), Let's Wait Awhile, Middleware '21,
    doi:10.1145/3464298.3493399.
    """

    uses: ClassVar[frozenset[Information]] = _INFORMATION

    def objective(self, scenario: Scenario) -> Objective | None:
        """Money, as the ledger counts it."""
        return money(scenario)

    def key(self, task: Task) -> tuple[Any, ...]:
        """By slack."""
        return by_slack(task)


@register("carbon-window", kind="jobs", summary="run each job when and where its energy is expected to be cleanest")
@dataclass(frozen=True, kw_only=True)
class CarbonWindow(AbstractPlacementRule):
    """As cheapest-window, but minimising expected carbon by the deciding series; money only breaks ties.

    Notes
    -----
    Information used and guarantees: as cheapest-window. Carbon of a running generator counts where the grid cannot
    carry the load.
    """

    uses: ClassVar[frozenset[Information]] = _INFORMATION

    def objective(self, scenario: Scenario) -> Objective | None:
        """Carbon."""
        return Objective(money=1e-6, carbon_per_kg=1.0)

    def key(self, task: Task) -> tuple[Any, ...]:
        """By slack."""
        return by_slack(task)


@register("cost-carbon-weight", kind="jobs", summary="run each job at the lowest sum of energy cost and priced carbon")
@dataclass(frozen=True, kw_only=True)
class CostCarbonWeight(AbstractPlacementRule):
    """As cheapest-window, with a carbon price of its own instead of the scenario's.

    Attributes
    ----------
    carbon_price_per_t : float
        What a tonne counts in this choice [currency/t].

    Notes
    -----
    Information used and guarantees: as cheapest-window. At 0 only money counts, for large prices only carbon.
    """

    uses: ClassVar[frozenset[Information]] = _INFORMATION
    carbon_price_per_t: float = 100.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("carbon_price_per_t", self.carbon_price_per_t, unit="currency/t")

    def objective(self, scenario: Scenario) -> Objective | None:
        """Money plus priced carbon."""
        return Objective(money=1.0, carbon_per_kg=self.carbon_price_per_t / 1000.0)

    def key(self, task: Task) -> tuple[Any, ...]:
        """By slack."""
        return by_slack(task)
