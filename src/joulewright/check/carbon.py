"""Carbon budgets of the system and of sites (equation 14)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from joulewright.check.violation import Judge, Limit, Violation
from joulewright.model import Scenario, Schedule, Site, SiteSchedule


def carbon(judge: Judge, scenario: Scenario, schedule: Schedule) -> Iterator[Violation]:
    """Budgets without a price for what exceeds them."""
    policy = scenario.carbon
    if policy.excess_price_per_t is not None:
        return
    total_kg = policy.used_kg
    for site in scenario.sites:
        own_kg = _site_kg(scenario, site, schedule.sites[site.name])
        total_kg += own_kg
        if site.carbon_budget_kg is not None:
            limit = Limit(constraint="site-carbon-budget", where=site.name, quantity="Operational carbon", unit="kg")
            yield from judge.scalar(limit, own_kg, site.carbon_budget_kg)
    if policy.budget_kg is not None:
        limit = Limit(constraint="carbon-budget", where="", quantity="Operational carbon", unit="kg")
        yield from judge.scalar(limit, total_kg, policy.budget_kg)


def _site_kg(scenario: Scenario, site: Site, flows: SiteSchedule) -> float:
    step_h, kg = scenario.timeline.step_h, 0.0
    for generator in site.generators:
        plan = flows.generators[generator.name]
        on = plan.on.astype(bool)
        started = int(on[0] and not generator.initially_on) + int(np.count_nonzero(on[1:] & ~on[:-1]))
        kg += step_h * generator.emission_kg_per_mwh * float(plan.output_mw.sum())
        kg += step_h * generator.no_load_emission_kg_per_h * int(np.count_nonzero(on))
        kg += generator.start_emission_kg * started
    series = scenario.deciding_intensity(site)
    if series is None:
        return kg
    counted_mw = flows.grid_import_mw
    if scenario.carbon.credit_export:
        counted_mw = counted_mw - flows.grid_export_mw
    return kg + step_h * float(series.kg_per_mwh @ counted_mw)
