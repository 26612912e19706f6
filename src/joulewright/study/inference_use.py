"""What pools, prefix caches and budgets of a serving simulation were used for."""

from __future__ import annotations

from typing import Any

import numpy as np

from joulewright.physics.inference.deployment import Deployment
from joulewright.sim.processes.inference import ServingResult
from joulewright.sim.processes.inference.arrays import DAY_S
from joulewright.sim.processes.inference.result import J_PER_KWH
from joulewright.study.inference_deployment import deployment_name

_BUDGETS = {
    "energy_kwh": ("energy_j", 1.0 / J_PER_KWH),
    "carbon_g": ("carbon_g", 1.0),
    "tokens": ("tokens", 1.0),
    "gpu_h": ("gpu_s", 1.0 / 3600.0),
}
"""Column of the days and its factor for each limit."""


def pool_rows(result: ServingResult, deployment: Deployment, decode: Deployment | None) -> list[dict[str, Any]]:
    """Replicas, hardware and share of the time in steps of each pool; ``all`` where there is one."""
    pools = result.options.disaggregation
    replicas, span_s = result.world.replicas, result.end_s - result.start_s
    named = [("all", deployment)] if pools is None else [("prompts", deployment), ("answers", decode or deployment)]
    rows = []
    for number, (name, hardware) in enumerate(named):
        own = replicas[replicas["pool"] == number]
        busy_s, there_s = float(own["busy_s"].sum()), own.size * span_s
        rows.append(
            {
                "pool": name,
                "deployment": deployment_name(hardware),
                "replicas": int(own.size),
                "busy_fraction": busy_s / there_s if there_s else 0.0,
            }
        )
    return rows


def budget_rows(result: ServingResult) -> list[dict[str, Any]]:
    """Each limit of the budget, and the most that was used on a day; empty without a budget."""
    budget = result.options.budget
    if budget is None:
        return []
    first, last = (int((at_s - budget.midnight_s) // DAY_S) + 1 for at_s in (result.start_s, result.end_s))
    days = result.world.days[first : max(first + 1, last + 1)]
    return [
        {
            "limit": name,
            "most": float(getattr(budget, name)),
            "used": factor * float(np.max(days[column], initial=0.0)),
            "days": int(np.count_nonzero(days["energy_j"])),
        }
        for name, (column, factor) in _BUDGETS.items()
        if getattr(budget, name) is not None
    ]


def rest_notes(result: ServingResult) -> list[str]:
    """Limits of the budget that replicas exceed by resting, so that they leave nothing for requests."""
    units = {"energy_kwh": "kWh", "carbon_g": "g CO2e"}
    return [
        f"Replicas at rest alone take {rest:.4g} {units[name]} of a day, and the budget is {most:.4g} {units[name]}, "
        "which leaves nothing for requests; raise it, or have fewer replicas."
        for name, (rest, most) in result.rest_of_budget.items()
        if rest >= most
    ]


def cached_fraction(result: ServingResult) -> float | None:
    """Share of the prompt tokens of served requests that a prefix cache had [-]; None without any cache."""
    options, tokens = result.options, result.by_tenant
    if options.prefix_cache is None and options.prefix_hit_fraction == 0.0:
        return None
    asked = int(tokens["input_tokens"].sum())
    return int(tokens["cached_tokens"].sum()) / asked if asked else None
