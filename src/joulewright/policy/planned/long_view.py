"""A coarse plan of weeks or of the rest of the horizon: peaks to expect and what a carbon budget is worth."""

from __future__ import annotations

import math
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np

from joulewright.model import Scenario, Timeline
from joulewright.plan.outlook import look_ahead
from joulewright.policy.observation import Observation
from joulewright.policy.planned.expectation import Expectation, Guidance, Occupied

_MOST_STEPS = 250
_LONGEST_STEP_S = 86_400
_PREMIUM = 1.02


def wants_long_view(scenario: Scenario) -> bool:
    """Whether a scenario has demand charges or carbon budgets, which no short window can pace."""
    return has_budget(scenario) or any(
        window.price_per_mw for site in scenario.sites if site.grid is not None for window in site.grid.demand_windows
    )


def has_budget(scenario: Scenario) -> bool:
    """Whether the system or a site has a carbon budget."""
    return scenario.carbon.budget_kg is not None or any(site.carbon_budget_kg is not None for site in scenario.sites)


def look_far(observation: Observation, facts: Scenario, steps: int) -> Guidance:
    """Plan the next steps coarsely and read peaks and carbon prices from it.

    Steps are joined until at most 250 are left; series are averaged, which lowers peaks a little. Training jobs that
    are known and not done count as even load up to their deadline.

    Parameters
    ----------
    observation : Observation
        The present and its forecast.
    facts : Scenario
        What the policy was told of the plant: its budgets.
    steps : int
        How far to look; all that is left where there is a carbon budget.
    """
    budgeted = has_budget(facts)
    steps = observation.steps_left if budgeted else min(steps, observation.steps_left)
    expectation = Expectation()
    signals = expectation.signals(observation, steps)
    window = expectation.window(observation, signals, steps=steps, occupied=spread_work(observation, facts, steps))
    scenario = expectation.scenario(observation, window)
    if budgeted:
        scenario = _with_budgets(scenario, observation, facts)
    longest = max(1, _LONGEST_STEP_S // scenario.timeline.step_s)
    outlook = look_ahead(coarser(scenario, min(longest, math.ceil(steps / _MOST_STEPS))), frozenset())
    prices = outlook.carbon_price_per_kg
    common = prices.get("system", 0.0)
    # At exactly the price of its budget, saving carbon and not saving it are as good as each other.
    return Guidance(
        peak_mw=outlook.peak_mw,
        carbon_price_per_kg={site.name: _PREMIUM * (common + prices.get(site.name, 0.0)) for site in facts.sites},
    )


def spread_work(observation: Observation, facts: Scenario, steps: int) -> Occupied:
    """Work left of every known job as even load up to its deadline, where it is or over all fleets it may use."""
    taken = Occupied()
    for item in observation.jobs.values():
        job = item.job
        here = item.site if item.site is not None and not job.migratable else None
        places = [
            (site.name, fleet)
            for site, fleet in facts.fleets()
            if job.allows(site.name) and job.fits(fleet) and here in (None, site.name)
        ]
        until_h = max(observation.step_h, (job.deadline - observation.time).total_seconds() / 3600.0)
        share = min(1.0, item.remaining_h / until_h) / max(1, len(places))
        stop = min(steps, math.ceil(until_h / observation.step_h))
        for name, fleet in places:
            taken.add((name, fleet.name), (0, stop, steps), (share * job.gpus, job.power_on(fleet), 1.0))
    return taken


def _with_budgets(scenario: Scenario, observation: Observation, facts: Scenario) -> Scenario:
    """What is left of the budgets; a budget that is used up leaves nothing, at the price of its excess."""
    used = observation.carbon_kg
    sites = tuple(
        replace(site, carbon_budget_kg=_left(known.carbon_budget_kg, used.get(site.name, 0.0)))
        for site, known in zip(scenario.sites, facts.sites, strict=True)
    )
    total = _left(facts.carbon.budget_kg, facts.carbon.used_kg + used.get("system", 0.0))
    return scenario.with_changes(sites=sites, carbon=replace(scenario.carbon, budget_kg=total, used_kg=0.0))


def _left(budget_kg: float | None, used_kg: float) -> float | None:
    return None if budget_kg is None else max(0.0, budget_kg - used_kg)


def coarser(scenario: Scenario, factor: int) -> Scenario:
    """The scenario on steps ``factor`` times as long, series averaged, the last step shorter in truth than on paper.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> day = Timeline(start=datetime(2022, 7, 4, tzinfo=UTC), step_s=3600, steps=7)
    >>> coarser(Scenario(name="s", timeline=day, sites=()), 3).timeline.steps
    3
    """
    if factor <= 1:
        return scenario
    timeline = scenario.timeline
    longer = Timeline(start=timeline.start, step_s=timeline.step_s * factor, steps=math.ceil(timeline.steps / factor))
    return scenario.with_changes(
        timeline=longer, sites=_joined(scenario.sites, factor), inference=_joined(scenario.inference, factor)
    )


def _joined(value: Any, factor: int) -> Any:
    """A component with all its series averaged over blocks; a block belongs to a window if any of its steps does."""
    if isinstance(value, np.ndarray):
        starts = np.arange(0, value.size, factor)
        if value.dtype == np.bool_:
            return np.logical_or.reduceat(value, starts)
        return np.add.reduceat(value, starts) / np.diff(np.append(starts, value.size))
    if isinstance(value, tuple):
        return tuple(_joined(item, factor) for item in value)
    if isinstance(value, dict):
        return {key: _joined(item, factor) for key, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{item.name: _joined(getattr(value, item.name), factor) for item in fields(value)})
    return value
