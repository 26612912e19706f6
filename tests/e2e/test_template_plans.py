"""Every template has a plan that keeps all limits and serves what it should."""

from __future__ import annotations

import pytest

from joulewright.check import violations
from joulewright.io.scenario_file import read_scenario
from joulewright.io.templates import write_template
from joulewright.plan import PlanOptions, plan


@pytest.mark.parametrize(
    ("template", "strategy"),
    [("three-sites", "guided"), ("flexible-interconnection", "guided"), ("microgrid-year", "rolling")],
)
def test_template_plans_feasibly_and_replays_exactly(template, strategy, tmp_path, sim_case):
    scenario = read_scenario(write_template(template, tmp_path)[0], use_cache=False)
    result = plan(scenario, PlanOptions(strategy=strategy, gap=0.1, time_limit_s=60.0))
    assert result.schedule is not None
    assert violations(scenario, result.schedule) == []
    assert result.objective > 0.0
    assert result.gap <= 0.1
    assert not any(job.rejected for job in result.schedule.jobs.values())
    replayed = sim_case.replay(scenario, result.schedule)
    assert replayed.figures == result.ledger.summary()
    assert replayed.clips == ()


def test_the_carbon_budget_of_three_sites_binds_mildly(tmp_path):
    scenario = read_scenario(write_template("three-sites", tmp_path)[0], use_cache=False)
    result = plan(scenario, PlanOptions(gap=0.1, time_limit_s=60.0))
    used_kg = sum(
        float((site.grid.carbon_intensity("average", "direct").kg_per_mwh * flows.grid_import_mw).sum())
        + sum(unit.emission_kg_per_mwh * float(flows.generators[unit.name].output_mw.sum()) for unit in site.generators)
        for site in scenario.sites
        for flows in (result.schedule.sites[site.name],)
    )
    assert 0.9 * scenario.carbon.budget_kg < used_kg <= scenario.carbon.budget_kg * (1 + 1e-6)
    assert result.duals.carbon_price_per_t > 0.0
