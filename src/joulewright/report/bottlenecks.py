"""Which limits hold the plan back, and what relaxing each is worth."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from joulewright.model.timeline import FloatArray
from joulewright.report.clock import span_text
from joulewright.report.numbers import compact, percent, quantity, tonnes
from joulewright.report.view import ReportView

_LEAST_WORTH = 0.5


def bottlenecks(view: ReportView) -> Iterator[str]:
    """One sentence for each binding limit, from the marginal prices of the plan."""
    yield from _carbon(view)
    duals = view.duals
    if duals is None:
        return
    currency = view.scenario.currency
    for direction, prices in (("import", duals.import_limit_price_per_mw), ("export", duals.export_limit_price_per_mw)):
        for site, price in prices.items():
            worth, bound_h = _worth(view, price)
            if worth >= _LEAST_WORTH:
                yield (
                    f"The {direction} limit at {site} binds for {bound_h}; one more MW throughout would be worth "
                    f"{compact(worth, currency)}."
                )
    for fleet, price in duals.accelerator_price_per_h.items():
        worth, bound_h = _worth(view, view.step_h * price)
        if worth >= _LEAST_WORTH:
            site, _, name = fleet.partition("/")
            amount = compact(worth, currency)
            yield f"All accelerators of {name} at {site} are taken for {bound_h}; one more would be worth {amount}."


def _worth(view: ReportView, price: FloatArray) -> tuple[float, str]:
    """Sum of the prices of all steps, and the time in which they are positive."""
    positive = np.maximum(price, 0.0)
    bound = int(np.count_nonzero(positive > 1e-6))
    return float(positive.sum()), span_text(bound * view.step_h)


def _carbon(view: ReportView) -> Iterator[str]:
    carbon, duals, currency = view.scenario.carbon, view.duals, view.scenario.currency
    price = 0.0 if duals is None else duals.carbon_price_per_t
    if carbon.budget_kg is not None:
        used = carbon.used_kg + view.ledger.carbon_kg
        share = f" ({percent(used / carbon.budget_kg)})" if carbon.budget_kg else ""
        worth = f"; one tonne more would be worth {quantity(price, currency)}" if price > 1e-6 else ""
        yield f"The {view.noun} uses {tonnes(used)} of the carbon budget of {tonnes(carbon.budget_kg)}{share}{worth}."
    for site in view.scenario.sites:
        if site.carbon_budget_kg is None:
            continue
        used = view.ledger.total("carbon", site=site.name)
        price = 0.0 if duals is None else duals.site_carbon_price_per_t.get(site.name, 0.0)
        worth = f"; one tonne more would be worth {quantity(price, currency)}" if price > 1e-6 else ""
        yield f"{site.name} uses {tonnes(used)} of its own carbon budget of {tonnes(site.carbon_budget_kg)}{worth}."
