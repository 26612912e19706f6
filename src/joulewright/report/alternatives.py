"""What a plan is compared with: baselines and the points of the cost-carbon front."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from joulewright.account import Change, Ledger, split_change


@dataclass(frozen=True, kw_only=True)
class Rival:
    """One alternative to the plan.

    Attributes
    ----------
    name, description : str
        Short name and what it does.
    benefit, cost : float
        As in the ledger [currency].
    carbon_kg : float
        Operational carbon under the deciding series [kg].
    violations : int
        Broken limits; a rival with any is no real alternative.
    change : Change or None
        From the rival to the plan, split into less work and better energy.
    ledger : Ledger or None
        All its figures.
    """

    name: str
    description: str
    benefit: float
    cost: float
    carbon_kg: float
    violations: int
    change: Change | None
    ledger: Ledger | None


def read_rivals(comparisons: Iterable[Any], plan: Ledger) -> tuple[Rival, ...]:
    """Rivals from comparison rows.

    A row has a ``name`` and either a ``ledger`` or the figures ``benefit``, ``cost`` and ``carbon_kg``; it may have
    ``description``, ``violations`` (a count or a sequence) and ``change`` (from the row to the plan). Rows without a
    plan are left out.
    """
    return tuple(_rival(row, plan) for row in comparisons if _has_plan(row))


def _has_plan(row: Any) -> bool:
    """Whether the row has figures; a baseline for which no plan was found has a ledger of None."""
    return getattr(row, "ledger", None) is not None or hasattr(row, "benefit")


def _rival(row: Any, plan: Ledger) -> Rival:
    ledger = getattr(row, "ledger", None)
    figures = row if ledger is None else ledger
    broken = getattr(row, "violations", ())
    change = getattr(row, "change", None)
    if change is None and ledger is not None:
        change = split_change(ledger, plan)
    return Rival(
        name=row.name,
        description=getattr(row, "description", ""),
        benefit=float(figures.benefit),
        cost=float(figures.cost),
        carbon_kg=float(figures.carbon_kg),
        violations=broken if isinstance(broken, int) else len(broken),
        change=change,
        ledger=ledger,
    )


def best_rival(rivals: Sequence[Rival]) -> Rival | None:
    """The rival with the highest benefit among those that keep every limit."""
    valid = [rival for rival in rivals if rival.violations == 0]
    return max(valid, key=lambda rival: rival.benefit, default=None)


@dataclass(frozen=True, kw_only=True)
class FrontPoint:
    """A plan of the front: benefit [currency], carbon [kg], price of the last avoided tonne [currency/t], its gap."""

    benefit: float
    carbon_kg: float
    abatement_cost_per_t: float | None
    gap: float | None = None
    current: bool = False


def read_front(points: Iterable[Any]) -> list[FrontPoint]:
    """Points from rows with ``benefit``, ``carbon_kg`` and, where known, ``abatement_cost_per_t``, cleanest first.

    Raises
    ------
    AttributeError
        If a row lacks its benefit or carbon.
    """
    found = [
        FrontPoint(
            benefit=float(row.benefit),
            carbon_kg=float(row.carbon_kg),
            abatement_cost_per_t=getattr(row, "abatement_cost_per_t", None),
            gap=getattr(row, "gap", None),
        )
        for row in points
    ]
    return sorted(found, key=lambda point: point.carbon_kg)
