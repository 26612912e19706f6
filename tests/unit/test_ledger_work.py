"""Work done, flexible connections and the split of a change."""

from __future__ import annotations

import numpy as np
import pytest

from joulewright.account import connection_report, job_outcome, settle, split_change
from joulewright.account.connection import run_lengths
from joulewright.account.work import continues, reference_energy_mwh, speed_at
from joulewright.model import CarbonPolicy, FlexibleConnection, JobSchedule, Region


def outcome(tiny, job, *segments, steps=8, **changes):
    scenario = tiny.scenario(tiny.site(steps), steps=steps, training=(job,), **changes)
    return job_outcome(scenario, job, JobSchedule(job=job.name, segments=segments))


def test_a_rigid_job_is_done_when_its_hours_are_run(tiny):
    job = tiny.job(duration_h=2.5)
    assert outcome(tiny, job, tiny.run(0, 3, last_fraction=0.5)).done
    assert not outcome(tiny, job, tiny.run(0, 3, last_fraction=0.4)).done
    assert not outcome(tiny, job).done


def test_restarts_cost_work_but_a_continued_run_does_not(tiny):
    job = tiny.job(kind="pausable", duration_h=3.0, restart_loss_h=0.5)
    assert outcome(tiny, job, tiny.run(0, 1), tiny.run(1, 3)).done
    assert not outcome(tiny, job, tiny.run(0, 1), tiny.run(2, 4)).done
    assert outcome(tiny, job, tiny.run(0, 1), tiny.run(2, 5, last_fraction=0.5)).done
    assert continues(tiny.run(0, 1), tiny.run(1, 2))
    assert not continues(tiny.run(0, 1), tiny.run(1, 2, site="b"))


def test_an_elastic_job_advances_at_its_concave_speed(tiny):
    job = tiny.job(
        kind="elastic", duration_h=2.0, min_gpus=20, max_gpus=80, speed=((20.0, 0.6), (40.0, 1.0), (80.0, 1.5))
    )
    assert speed_at(job, 30.0) == pytest.approx(0.8)
    assert speed_at(job, 60.0) == pytest.approx(1.25)
    result = outcome(tiny, job, tiny.run(0, 1, accelerators=80.0), tiny.run(1, 2, accelerators=20.0))
    assert result.horizon_fraction == 1.0  # 2.1 h of work, capped at the job
    assert result.done
    assert not outcome(tiny, job, tiny.run(0, 2, accelerators=30.0)).done


def test_a_faster_accelerator_needs_fewer_hours(tiny):
    job = tiny.job(duration_h=3.0, accelerator_speed={"H100-SXM": 1.5})
    assert outcome(tiny, job, tiny.run(0, 2)).done


def test_a_running_job_needs_only_what_is_left(tiny):
    job = tiny.job(duration_h=5.0, running_since=tiny.at(-3.0), site="a")
    result = outcome(tiny, job, tiny.run(0, 2))
    assert result.done
    assert result.horizon_fraction == pytest.approx(0.4)


def test_a_running_job_without_work_left_is_done_without_segments(tiny):
    job = tiny.job(duration_h=2.0, running_since=tiny.at(-3.0), site="a")
    assert outcome(tiny, job).done
    scenario = tiny.scenario(training=(job,))
    ledger = settle(scenario, tiny.schedule(scenario))
    assert ledger.figure("jobs", "done") == 1.0
    assert ledger.figure("jobs", "rejected") == 0.0
    assert ledger.total("value", "jobs") == 500.0


def test_the_part_beyond_the_horizon_is_no_work_of_this_horizon(tiny):
    job = tiny.job(duration_h=4.0, beyond=True)
    result = outcome(tiny, job, tiny.run(1, 5), steps=2)
    assert result.done
    assert result.horizon_fraction == pytest.approx(0.25)


def test_late_compares_the_instant_of_the_end(tiny):
    job = tiny.job(duration_h=1.5, deadline=tiny.at(1.5))
    assert not outcome(tiny, job, tiny.run(0, 2, last_fraction=0.5)).late
    assert outcome(tiny, job, tiny.run(1, 3, last_fraction=0.5)).late


def test_reference_energy_does_not_depend_on_the_hardware_chosen(tiny):
    job = tiny.job(duration_h=2.0)
    small = tiny.fleet(name="small", count=8)
    scenario = tiny.scenario(tiny.site(fleets=(small, tiny.fleet())), training=(job,))
    assert reference_energy_mwh(scenario, job) == pytest.approx(40 * 0.01 * 2.0)
    assert reference_energy_mwh(scenario, tiny.job(gpus=1000)) == 0.0


def test_run_lengths():
    assert run_lengths(np.array([False, True, True, False, True])) == [2, 1]
    assert run_lengths(np.array([False])) == []


def test_flexible_connection_by_hand(tiny):
    terms = FlexibleConnection(
        firm_limit_mw=40.0,
        flexible_limit_mw=np.array([20.0, 20.0, 20.0, 10.0, 20.0, 20.0]),
        curtailed=np.array([False, True, True, False, True, False]),
        curtailed_hours_per_year=100.0,
        assumed=True,
    )
    limit = np.array([60.0, 40.0, 40.0, 50.0, 40.0, 60.0])
    grid = tiny.grid(6, import_limit_mw=limit, flexible=terms)
    scenario = tiny.scenario(tiny.site(6, grid=grid, fleets=()), tiny.site(6, name="b"), steps=6, step_s=1800)
    flows = {"a": {"grid_import_mw": [55.0, 40.0, 30.0, 50.0, 40.0, 60.0]}}
    (report,) = connection_report(scenario, tiny.schedule(scenario, flows=flows))
    assert (report.site, report.firm_limit_mw, report.assumed) == ("a", 40.0, True)
    assert report.curtailed_h == pytest.approx(1.5)
    assert report.longest_curtailment_h == pytest.approx(1.0)
    assert report.curtailments == 2
    assert report.withheld_mwh == pytest.approx(0.5 * 60.0)
    assert report.above_firm_mwh == pytest.approx(0.5 * (15.0 + 10.0 + 20.0))
    assert report.above_firm_h == pytest.approx(1.5)
    assert report.longest_above_firm_h == pytest.approx(0.5)
    assert report.peak_import_mw == 60.0


def test_a_connection_that_is_never_curtailed(tiny):
    terms = FlexibleConnection(
        firm_limit_mw=40.0, flexible_limit_mw=np.full(2, 20.0), curtailed=np.zeros(2, dtype=bool)
    )
    scenario = tiny.scenario(tiny.site(grid=tiny.grid(flexible=terms)))
    (report,) = connection_report(scenario, tiny.schedule(scenario))
    assert report.curtailed_h == report.longest_curtailment_h == report.above_firm_mwh == report.withheld_mwh == 0.0


def two_jobs(tiny, *, carbon, run):
    jobs = (tiny.job("one"), tiny.job("two"))
    fleet = tiny.fleet(idle_power_mw=0.0)
    scenario = tiny.scenario(tiny.site(grid=tiny.grid(carbon=carbon), fleets=(fleet,)), training=jobs)
    return settle(scenario, tiny.schedule(scenario, jobs=run))


def test_the_same_work_at_a_cleaner_hour_is_all_cleaner_energy(tiny):
    dirty = two_jobs(tiny, carbon=[400.0, 100.0], run={"one": [tiny.run(0, 1)]})
    clean = two_jobs(tiny, carbon=[400.0, 100.0], run={"one": [tiny.run(1, 2)]})
    change = split_change(dirty, clean)
    assert change.less_work_kg == 0.0
    assert change.cleaner_energy_kg == pytest.approx(0.6 * (100.0 - 400.0))
    assert change.work_fraction == 1.0
    assert change.total_cost == pytest.approx(0.0)


def test_half_the_work_is_all_less_work(tiny):
    both = two_jobs(tiny, carbon=400.0, run={"one": [tiny.run(0, 1)], "two": [tiny.run(1, 2)]})
    half = two_jobs(tiny, carbon=400.0, run={"one": [tiny.run(0, 1)]})
    change = split_change(both, half)
    assert change.less_work_kg == pytest.approx(-240.0)
    assert change.cleaner_energy_kg == pytest.approx(0.0, abs=1e-9)
    assert change.less_work_cost == pytest.approx(-30.0)
    assert change.total_kg == pytest.approx(half.carbon_kg - both.carbon_kg)
    assert change.work_fraction == pytest.approx(0.5)


def test_a_reference_without_work_counts_all_as_energy(tiny):
    none = two_jobs(tiny, carbon=400.0, run={})
    one = two_jobs(tiny, carbon=400.0, run={"one": [tiny.run(0, 1)]})
    change = split_change(none, one)
    assert (change.less_work_kg, change.work_fraction) == (0.0, 1.0)
    assert change.cleaner_energy_kg == pytest.approx(240.0)


def test_tokens_are_work_in_reference_energy(tiny):
    region = Region(name="west", latency_ms={"a": 5.0})
    scenario = tiny.scenario(inference=(tiny.service(),), regions=(region,))
    ledger = settle(scenario, tiny.schedule(scenario, services={"chat": {("west", "a", "gpus"): [2e4, 0.0]}}))
    assert ledger.total("work", "inference") == pytest.approx(20 * 0.005)


def test_ledgers_of_other_series_or_currency_do_not_compare(tiny):
    scenario = tiny.scenario()
    base = settle(scenario, tiny.schedule(scenario))
    euro = scenario.with_changes(currency="EUR")
    with pytest.raises(ValueError, match="'USD' and 'EUR'"):
        split_change(base, settle(euro, tiny.schedule(euro)))
    marginal = scenario.with_changes(carbon=CarbonPolicy(kind="marginal"))
    with pytest.raises(ValueError, match="marginal-direct"):
        split_change(base, settle(marginal, tiny.schedule(marginal)))
