"""The checker agrees with the ledger's load, and answers as limits move."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulewright.account import settle, site_load
from joulewright.check import violations
from joulewright.check.compute import loads
from joulewright.model import CarbonPolicy

SEEDS = st.integers(0, 2**32 - 1)


def families(scenario, schedule, **options):
    return {violation.constraint for violation in violations(scenario, schedule, **options)}


@given(seed=SEEDS)
def test_a_schedule_that_is_valid_by_construction_passes(random_case, seed):
    scenario, schedule = random_case(seed)
    assert violations(scenario, schedule) == []


@given(seed=SEEDS)
def test_ledger_and_checker_derive_the_same_load(random_case, seed):
    scenario, schedule = random_case(seed)
    derived = loads(scenario, schedule)
    for site in scenario.sites:
        load = site_load(scenario, schedule, site)
        np.testing.assert_allclose(derived.it_mw[site.name], load.it_mw, atol=1e-9)
        np.testing.assert_allclose(derived.facility_mw[site.name], load.facility_mw, atol=1e-9)
        for name, used in load.accelerators_in_use.items():
            np.testing.assert_allclose(derived.in_use[site.name, name], used, atol=1e-9)


@given(seed=SEEDS)
def test_ledger_and_checker_derive_the_same_carbon(random_case, seed):
    scenario, schedule = random_case(seed)
    kg = settle(scenario, schedule).carbon_kg
    for budget, expected in ((kg * (1.0 + 2e-6), set()), (kg * (1.0 - 2e-6), {"carbon-budget"})):
        assert families(scenario.with_changes(carbon=CarbonPolicy(budget_kg=budget)), schedule) == expected


@given(seed=SEEDS)
def test_order_of_sites_and_jobs_changes_nothing(random_case, seed):
    scenario, schedule = random_case(seed)
    tight = replace(scenario.sites[0], it_limit_mw=np.zeros(scenario.timeline.steps))
    scenario = scenario.with_changes(sites=(tight, *scenario.sites[1:]))
    turned = scenario.with_changes(sites=scenario.sites[::-1], training=scenario.training[::-1])
    other = replace(schedule, jobs=dict(reversed(schedule.jobs.items())))
    one, two = violations(scenario, schedule), violations(turned, other)
    assert sorted(map(str, one)) == sorted(map(str, two))
    assert [violation.constraint for violation in one] == ["it-limit"]


@given(seed=SEEDS, step=st.integers(0, 5), error=st.floats(2e-6, 10.0))
def test_an_imbalance_is_found_where_it_is(random_case, seed, step, error):
    scenario, schedule = random_case(seed)
    site = schedule.sites["a"]
    imported = site.grid_import_mw.copy()
    imported[step] += error
    broken = replace(schedule, sites=dict(schedule.sites) | {"a": replace(site, grid_import_mw=imported)})
    (violation,) = violations(scenario, broken)
    assert (violation.constraint, violation.where, violation.steps) == ("balance", "a", 1)
    assert violation.when == scenario.timeline.label(step)
    assert violation.amount == pytest.approx(error, rel=1e-6, abs=1e-9)
    assert violations(scenario, broken, tolerance=2.0 * error) == []


@given(seed=SEEDS, limit=st.floats(0.0, 60.0), more=st.floats(0.0, 60.0))
def test_a_looser_limit_never_breaks_more(random_case, seed, limit, more):
    scenario, schedule = random_case(seed)

    def amounts(value):
        grids = (replace(site.grid, import_limit_mw=np.full(scenario.timeline.steps, value)) for site in scenario.sites)
        sites = tuple(replace(site, grid=grid) for site, grid in zip(scenario.sites, grids, strict=True))
        found = violations(scenario.with_changes(sites=sites), schedule)
        return {violation.where: violation.amount for violation in found}

    tight, loose = amounts(limit), amounts(limit + more)
    assert loose.keys() <= tight.keys()
    assert all(loose[key] <= tight[key] + 1e-9 for key in loose)


@given(seed=SEEDS)
def test_splitting_a_pausable_run_changes_nothing(random_case, seed):
    scenario, schedule = random_case(seed)
    entry = schedule.jobs["pause"]
    runs = []
    for run in entry.segments:
        steps = range(run.first_step, run.stop_step)
        runs += [replace(run, first_step=step, stop_step=step + 1, last_fraction=1.0) for step in steps]
        runs[-1] = replace(runs[-1], last_fraction=run.last_fraction)
    jobs = dict(schedule.jobs) | {"pause": replace(entry, segments=tuple(runs))}
    assert violations(scenario, replace(schedule, jobs=jobs)) == []


@given(seed=SEEDS, factor=st.integers(-40, 40))
def test_scaling_money_changes_nothing(random_case, seed, factor):
    scenario, schedule = random_case(seed)
    jobs = tuple(replace(job, value=job.value * 2.0**factor) for job in scenario.training)
    assert violations(scenario.with_changes(training=jobs), schedule) == []
