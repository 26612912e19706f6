"""Carbon budgets of the system and of single sites.

Constraint (14): ``sum h (CI import + EF output + EF_on on) + EF_start start <= budget``. With an excess price a
budget is soft and the excess is paid for.
"""

from __future__ import annotations

import numpy as np

from joulewright.account import coefficients
from joulewright.plan.model import Model
from joulewright.plan.program import Term


def add_carbon(model: Model) -> None:
    """Add the budget rows."""
    scenario = model.inputs.scenario
    for position, site in enumerate(scenario.sites):
        if site.carbon_budget_kg is not None:
            _add_budget(model, site.name, model.carbon[position], site.carbon_budget_kg)
    if scenario.carbon.budget_kg is not None:
        everywhere = [term for terms in model.carbon for term in terms]
        _add_budget(model, "system", everywhere, scenario.carbon.budget_kg - scenario.carbon.used_kg)


def _add_budget(model: Model, name: str, terms: list[Term], budget_kg: float) -> None:
    terms = list(terms)
    price = coefficients.excess_carbon_price_per_kg(model.inputs.scenario)
    if price is not None:
        most = sum(float(np.maximum(0.0, model.builder.upper_at(term)).sum()) for term in terms)
        excess = model.builder.variable("excess_carbon", 1, lambda _: name, upper=most + abs(budget_kg), cost=price)
        terms.append(Term(0, excess.index, -1.0))
    model.builder.add_rows("carbon_budget", 1, lambda _: name, terms, upper=budget_kg)
