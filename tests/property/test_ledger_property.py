"""Ledger invariants: totals close, and splitting, permuting or rescaling changes nothing."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulewright.account import carbon_methods, job_energy, service_energy, settle, split_change
from joulewright.account.matching import carbon_free_share
from joulewright.account.methods import location_based_kg, market_based_annual_kg, market_based_hourly_kg
from joulewright.model import CarbonPolicy, MarketFactors, Schedule

SEEDS = st.integers(0, 2**32 - 1)
MWH = st.lists(st.tuples(*[st.floats(0.0, 100.0)] * 4), min_size=1, max_size=12)


def columns(rows):
    return (np.array(column) for column in zip(*rows, strict=True))


def close(one, other):
    """Equal rows in any order, to 1e-9 relative."""
    left = {(row.site, row.section, row.item): row.value for row in one.rows}
    right = {(row.site, row.section, row.item): row.value for row in other.rows}
    assert left.keys() == right.keys()
    for key, value in left.items():
        assert right[key] == pytest.approx(value, rel=1e-9, abs=1e-9), key


@given(seed=SEEDS)
def test_supply_equals_use(random_case, seed):
    scenario, schedule = random_case(seed)
    ledger = settle(scenario, schedule)
    for site in scenario.sites:
        total = {item: ledger.total("energy", item, site.name) for item in ("import", "renewable", "generator")}
        supply = sum(total.values()) + sum(ledger.total("energy", x, site.name) for x in ("discharge", "unserved"))
        use = sum(ledger.total("energy", x, site.name) for x in ("facility load", "charge", "export"))
        assert supply == pytest.approx(use, rel=1e-9)


@given(seed=SEEDS)
def test_energy_of_all_work_and_idling_is_the_it_energy(random_case, seed):
    scenario, schedule = random_case(seed)
    ledger = settle(scenario, schedule)
    parts = [energy.it_mwh for energy in job_energy(scenario, schedule).values()]
    parts += [energy.it_mwh for energy in service_energy(scenario, schedule).values()]
    rest = ledger.total("it energy", "idle") + ledger.total("it energy", "fixed")
    assert math.fsum(parts) + rest == pytest.approx(ledger.total("it energy"), rel=1e-9)


@given(seed=SEEDS)
def test_benefit_is_value_less_cost_and_totals_are_sums_over_sites(random_case, seed):
    scenario, schedule = random_case(seed)
    ledger = settle(scenario, schedule)
    assert ledger.benefit == pytest.approx(ledger.total("value") - ledger.total("cost"), rel=1e-12)
    sites = [*(site.name for site in scenario.sites), ""]
    for section in ("cost", "value", "carbon", "energy"):
        assert math.fsum(ledger.total(section, site=name) for name in sites) == pytest.approx(ledger.total(section))


@given(seed=SEEDS)
def test_splitting_a_run_in_time_changes_nothing(random_case, seed):
    scenario, schedule = random_case(seed)
    jobs = {}
    for name, entry in schedule.jobs.items():
        pieces = []
        for run in entry.segments:
            middle = (run.first_step + run.stop_step) // 2
            if middle > run.first_step:
                pieces.append(replace(run, stop_step=middle, last_fraction=1.0))
                run = replace(run, first_step=middle)
            pieces.append(run)
        jobs[name] = replace(entry, segments=tuple(pieces))
    close(settle(scenario, schedule), settle(scenario, replace(schedule, jobs=jobs)))


@given(seed=SEEDS)
def test_splitting_a_job_by_size_changes_no_total(random_case, seed):
    scenario, schedule = random_case(seed)
    jobs, entries = [], {}
    for job in scenario.training:
        for part in ("/1", "/2"):
            half = {"gpus": job.gpus // 2, "value": job.value / 2, "delay_cost_per_h": job.delay_cost_per_h / 2}
            jobs.append(replace(job, name=job.name + part, checkpoint_gb=job.checkpoint_gb / 2, **half))
            runs = tuple(replace(run, accelerators=run.accelerators / 2) for run in schedule.jobs[job.name].segments)
            entries[job.name + part] = replace(schedule.jobs[job.name], job=job.name + part, segments=runs)
    split = settle(scenario.with_changes(training=tuple(jobs)), replace(schedule, jobs=entries))
    whole = settle(scenario, schedule)
    for section in ("energy", "it energy", "work", "cost", "value", "carbon"):
        assert split.total(section) == pytest.approx(whole.total(section), rel=1e-9)


@given(seed=SEEDS)
def test_order_of_sites_and_jobs_changes_nothing(random_case, seed):
    scenario, schedule = random_case(seed)
    turned = scenario.with_changes(
        sites=scenario.sites[::-1], training=scenario.training[::-1], inference=scenario.inference[::-1]
    )
    other = Schedule(
        planner=schedule.planner,
        jobs=dict(reversed(schedule.jobs.items())),
        services=dict(reversed(schedule.services.items())),
        sites=dict(reversed(schedule.sites.items())),
    )
    one, two = settle(scenario, schedule), settle(turned, other)
    assert one.summary() == two.summary()
    close(one, two)


@given(seed=SEEDS, factor=st.floats(1e-3, 1e3))
def test_money_scales_with_all_prices(random_case, seed, factor):
    scenario, schedule = random_case(seed)

    def scaled(part, *names):
        return replace(
            part, **{name: getattr(part, name) * factor for name in names if getattr(part, name) is not None}
        )

    sites = []
    for site in scenario.sites:
        grid = scaled(site.grid, "import_price_per_mwh", "export_price_per_mwh")
        grid = replace(grid, demand_windows=tuple(scaled(window, "price_per_mw") for window in grid.demand_windows))
        batteries = tuple(scaled(part, "terminal_value_per_mwh", "wear_cost_per_mwh") for part in site.batteries)
        costs = ("fuel_cost_per_mwh", "start_cost", "no_load_cost_per_h")
        units = tuple(scaled(part, *costs) for part in site.generators)
        site = replace(site, grid=grid, batteries=batteries, generators=units)
        sites.append(scaled(site, "unserved_power_penalty_per_mwh"))
    cheaper = scenario.with_changes(
        sites=tuple(sites),
        training=tuple(scaled(job, "value", "delay_cost_per_h") for job in scenario.training),
        inference=tuple(
            scaled(service, "revenue_per_mtoken", "unserved_penalty_per_mtoken") for service in scenario.inference
        ),
        links=tuple(scaled(link, "cost_per_gb") for link in scenario.links),
        carbon=scaled(scenario.carbon, "price_per_t", "excess_price_per_t"),
    )
    one, two = settle(scenario, schedule), settle(cheaper, schedule)
    assert two.cost == pytest.approx(factor * one.cost, rel=1e-9)
    assert two.total("value") == pytest.approx(factor * one.total("value"), rel=1e-9)
    assert two.carbon_kg == one.carbon_kg


@given(seed=SEEDS, factor=st.floats(1e-3, 1e3))
def test_carbon_scales_with_all_factors(random_case, seed, factor):
    scenario, schedule = random_case(seed)
    sites = []
    for site in scenario.sites:
        series = tuple(replace(one, kg_per_mwh=one.kg_per_mwh * factor) for one in site.grid.carbon_intensities)
        units = tuple(
            replace(
                unit,
                emission_kg_per_mwh=unit.emission_kg_per_mwh * factor,
                start_emission_kg=unit.start_emission_kg * factor,
            )
            for unit in site.generators
        )
        sites.append(replace(site, grid=replace(site.grid, carbon_intensities=series), generators=units))
    one, two = settle(scenario, schedule), settle(scenario.with_changes(sites=tuple(sites)), schedule)
    assert two.carbon_kg == pytest.approx(factor * one.carbon_kg, rel=1e-9)
    for key, kg in one.carbon_by_series_kg.items():
        assert two.carbon_by_series_kg[key] == pytest.approx(factor * kg, rel=1e-9)


@given(seed=SEEDS)
def test_export_credit_lowers_the_deciding_figure_by_exactly_what_is_shown_apart(random_case, seed):
    scenario, schedule = random_case(seed)
    credited = scenario.with_changes(carbon=replace(scenario.carbon, credit_export=True))
    one, two = settle(scenario, schedule), settle(credited, schedule)
    credit = one.total("export credit by series", one.carbon_series)
    assert one.carbon_kg - two.carbon_kg == pytest.approx(credit, rel=1e-9, abs=1e-9)
    assert one.carbon_by_series_kg == two.carbon_by_series_kg


@given(one=SEEDS, two=SEEDS)
def test_the_parts_of_a_change_add_up(random_case, one, two):
    reference, other = settle(*random_case(one)), settle(*random_case(two))
    change = split_change(reference, other)
    assert change.total_kg == pytest.approx(other.carbon_kg - reference.carbon_kg, rel=1e-9, abs=1e-6)
    assert change.total_cost == pytest.approx(other.cost - reference.cost, rel=1e-9, abs=1e-6)
    nothing = split_change(reference, reference)
    assert (nothing.total_kg, nothing.total_cost, nothing.work_fraction) == (0.0, 0.0, 1.0)


@given(rows=MWH)
def test_hourly_matching_never_beats_annual_matching(rows):
    imported, certificates, *_ = columns(rows)
    market = MarketFactors(certificates_mwh=certificates, residual_kg_per_mwh=np.full(imported.size, 500.0))
    hourly, annual = market_based_hourly_kg(imported, market), market_based_annual_kg(imported, market)
    assert hourly >= annual - 1e-6
    assert hourly <= location_based_kg(imported, market.residual_kg_per_mwh) + 1e-6


@given(rows=MWH, factor=st.floats(0.0, 100.0))
def test_location_based_carbon_is_linear_and_ignores_empty_steps(rows, factor):
    imported, intensity, *_ = columns(rows)
    kg = location_based_kg(imported, intensity)
    assert location_based_kg(factor * imported, intensity) == pytest.approx(factor * kg, rel=1e-9)
    assert location_based_kg(np.append(imported, 0.0), np.append(intensity, 9.0)) == kg


@given(rows=MWH, share=st.floats(0.0, 1.0), more=st.floats(0.0, 50.0))
def test_carbon_free_score_is_a_share_that_more_clean_supply_never_lowers(rows, share, more):
    load, clean, *_ = columns(rows)
    load = load + 1.0
    rest = np.full(load.size, share)
    score = carbon_free_share(load, clean, rest)
    assert -1e-12 <= score <= 1.0 + 1e-12
    assert carbon_free_share(load, clean + more, rest) >= score - 1e-12
    assert carbon_free_share(load, load, rest) == pytest.approx(1.0)
    assert carbon_free_share(load, clean, np.ones(load.size)) == pytest.approx(1.0)


@given(seed=SEEDS)
def test_every_share_of_a_schedule_lies_between_zero_and_one(random_case, seed):
    for figure in carbon_methods(*random_case(seed)):
        if figure.unit == "fraction":
            assert -1e-9 <= figure.value <= 1.0 + 1e-9, figure


@given(seed=SEEDS)
def test_prices_of_carbon_never_change_carbon(random_case, seed):
    scenario, schedule = random_case(seed)
    priced = scenario.with_changes(carbon=CarbonPolicy(price_per_t=80.0))
    one, two = settle(scenario.with_changes(carbon=CarbonPolicy()), schedule), settle(priced, schedule)
    assert two.carbon_kg == one.carbon_kg
    assert two.total("cost", "carbon price") == pytest.approx(0.08 * one.carbon_kg, rel=1e-9)
    assert one.total("cost", "carbon price") == 0.0
