"""An honest split of a change in carbon or cost: less work done, or the same work from better energy."""

from __future__ import annotations

from dataclasses import dataclass

from joulewright.account.ledger import Ledger

_SAME_WORK = 1e-9
"""Relative difference of work below which two plans do the same: sums of floats differ by less."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """Change from a reference to another ledger; every total is the sum of its two parts.

    Attributes
    ----------
    less_work_kg, less_work_cost : float
        Part that follows from doing less (negative) or more (positive) work [kg, currency].
    cleaner_energy_kg, cheaper_energy_cost : float
        Part that follows from where, when and from what the work is powered [kg, currency].
    work_fraction : float
        Work done over the reference's work; 1 when both do none.
    """

    less_work_kg: float
    cleaner_energy_kg: float
    less_work_cost: float
    cheaper_energy_cost: float
    work_fraction: float

    @property
    def total_kg(self) -> float:
        """Change of operational carbon [kg]; negative is a saving."""
        return self.less_work_kg + self.cleaner_energy_kg

    @property
    def total_cost(self) -> float:
        """Change of all costs [currency]; negative is a saving."""
        return self.less_work_cost + self.cheaper_energy_cost


def split_change(reference: Ledger, other: Ledger) -> Change:
    """Split the change from ``reference`` to ``other``.

    Notes
    -----
    Work ``w`` is the energy that the completed jobs and served tokens would take on reference hardware (see
    ``account.work.reference_energy_mwh``), equal for equal work. With carbon ``c`` the part of less work is
    ``(w_other - w_reference) c_reference / w_reference``, the rest is cleaner energy. Costs are split alike.
    Without any work in the reference the whole change counts as energy.

    Raises
    ------
    ValueError
        If the ledgers are in different currencies or decide by different carbon series.
    """
    for name in ("currency", "carbon_series"):
        one, two = getattr(reference, name), getattr(other, name)
        if one != two:
            raise ValueError(f"ledgers with {name} {one!r} and {two!r} cannot be compared")
    work, work_other = reference.total("work"), other.total("work")
    growth = (work_other - work) / work if work > 0.0 else 0.0
    if abs(growth) < _SAME_WORK:
        growth = 0.0
    less_work_kg, less_work_cost = growth * reference.carbon_kg, growth * reference.cost
    return Change(
        less_work_kg=less_work_kg,
        cleaner_energy_kg=other.carbon_kg - reference.carbon_kg - less_work_kg,
        less_work_cost=less_work_cost,
        cheaper_energy_cost=other.cost - reference.cost - less_work_cost,
        work_fraction=1.0 + growth,
    )
