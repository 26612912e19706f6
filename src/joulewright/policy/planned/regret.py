"""Regret: how far a policy stays behind perfect foresight."""

from __future__ import annotations

from dataclasses import dataclass

from joulewright.account import settle
from joulewright.model import Scenario, Schedule
from joulewright.plan.result import PlanResult
from joulewright.policy.planned.expectation import softened


@dataclass(frozen=True, kw_only=True)
class Regret:
    """A policy beside the oracle.

    Attributes
    ----------
    benefit : float
        Of the policy, stored energy it owes at the end subtracted [currency].
    bound : float
        Highest benefit that any decisions could have had [currency].
    no_control_cost : float
        Cost of the run without control, the measure of all [currency].
    """

    benefit: float
    bound: float
    no_control_cost: float

    @property
    def amount(self) -> float:
        """``bound - benefit`` [currency]; never below zero but for rounding."""
        return self.bound - self.benefit

    @property
    def share(self) -> float:
        """Regret as a fraction of the cost without control.

        Raises
        ------
        ValueError
            If the run without control costs nothing.

        Examples
        --------
        >>> Regret(benefit=-104.0, bound=-100.0, no_control_cost=160.0).share
        0.025
        """
        if self.no_control_cost <= 0.0:
            raise ValueError(f"the run without control costs {self.no_control_cost:g}; regret has no measure")
        return self.amount / self.no_control_cost


def regret_of(scenario: Scenario, schedule: Schedule, oracle: PlanResult, no_control: Schedule) -> Regret:
    """Regret of what a policy did.

    Parameters
    ----------
    scenario : Scenario
        What happened, such as the scenario of a trajectory.
    schedule : Schedule
        What the policy did in it.
    oracle : PlanResult
        :func:`joulewright.policy.planned.oracle.oracle_plan` of the scenario.
    no_control : Schedule
        What a run without control did in it, such as ``grid-first+first-fit+nearest``.

    Notes
    -----
    With ``B`` the benefit (value of completed work and revenues less all costs),

        regret = (bound of B over all decisions - B of the policy) / cost without control.

    Shortages count at the prices of :func:`joulewright.policy.planned.expectation.softened` in all three. Energy that a
    battery lacks at the end of what it must hold is bought at the mean price of import.
    """
    priced = softened(scenario)
    return Regret(
        benefit=settle(priced, schedule).benefit - owed_energy_cost(scenario, schedule),
        bound=oracle.bound,
        no_control_cost=settle(priced, no_control).cost,
    )


def owed_energy_cost(scenario: Scenario, schedule: Schedule) -> float:
    """Cost of refilling batteries to the least energy they must hold at the end [currency]."""
    cost = 0.0
    for site in scenario.sites:
        price = 0.0 if site.grid is None else float(site.grid.import_price_per_mwh.mean())
        for battery in site.batteries:
            final = float(schedule.sites[site.name].batteries[battery.name].energy_mwh[-1])
            missing = battery.least_final_energy_mwh - final
            cost += max(0.0, missing) / battery.charge_efficiency * max(0.0, price)
    return cost
