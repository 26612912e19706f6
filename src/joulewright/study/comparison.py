"""Figures of plans, and tables of several plans."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from joulewright.errors import ScenarioError
from joulewright.plan.result import PlanResult

if TYPE_CHECKING:
    import polars


def figures(result: PlanResult) -> dict[str, float | None]:
    """Headline figures of a plan: those of its ledger, then gap, bound, broken limits and CPU time.

    Amounts of money (``benefit``, ``cost``, ``value``, ``bound``) are in the currency of the scenario; other keys
    end in their unit. None marks what does not apply.
    """
    found: dict[str, float | None] = {} if result.ledger is None else dict(result.ledger.summary())
    carbon_kg = found.get("carbon_kg")
    return {
        **found,
        "carbon_t": None if carbon_kg is None else carbon_kg / 1000.0,
        "gap": result.gap,
        "bound": result.bound,
        "violations": float(len(result.violations)),
        "cpu_s": result.cpu_s,
    }


def compare(plans: Mapping[str, PlanResult]) -> polars.DataFrame:
    """Plans of one scenario side by side.

    Parameters
    ----------
    plans : mapping of str to PlanResult
        Plans by the name they get in the table, e.g. ``{"joint": plan(s), "greedy": run_baseline("greedy", s)}``.

    Returns
    -------
    polars.DataFrame
        One row for each plan: ``plan``, its :func:`figures` and ``benefit_to_first``, the difference of its
        benefit from that of the first plan [currency].

    Raises
    ------
    ScenarioError
        If there is no plan to compare.
    """
    import polars

    if not plans:
        raise ScenarioError("there are 0 plans to compare; give at least one")
    found = {name: figures(result) for name, result in plans.items()}
    first = next(iter(found.values())).get("benefit")
    rows = []
    for name, row in found.items():
        benefit = row.get("benefit")
        difference = None if benefit is None or first is None else benefit - first
        rows.append({"plan": name, **row, "benefit_to_first": difference})
    return polars.DataFrame(rows, infer_schema_length=None)
