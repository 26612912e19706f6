"""Load of a site from its schedule, worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from joulewright.account import WorkEnergy, job_energy, service_energy, site_load


def test_an_idle_site_draws_idle_power_of_all_accelerators(tiny):
    scenario = tiny.scenario()
    load = site_load(scenario, tiny.schedule(scenario), scenario.sites[0])
    np.testing.assert_allclose(load.it_mw, [0.1, 0.1])
    np.testing.assert_allclose(load.facility_mw, [0.15, 0.15])
    assert load.training_mw.sum() == load.inference_mw.sum() == 0.0


def test_last_step_draws_its_fraction_while_accelerators_stay_held(tiny):
    scenario = tiny.scenario(training=(tiny.job(duration_h=1.5),))
    schedule = tiny.schedule(scenario, jobs={"train": [tiny.run(0, 2, last_fraction=0.5)]})
    load = site_load(scenario, schedule, scenario.sites[0])
    np.testing.assert_allclose(load.training_accelerators["gpus"], [40.0, 40.0])
    np.testing.assert_allclose(load.training_mw, [0.4, 0.2])
    np.testing.assert_allclose(load.idle_mw, [0.06, 0.06])  # 60 idle ones; the held ones draw nothing when done
    np.testing.assert_allclose(load.it_mw, [0.46, 0.26])
    np.testing.assert_allclose(load.facility_mw, [0.69, 0.39])


def test_serving_uses_accelerators_and_reduces_idle_power(tiny):
    scenario = tiny.scenario(
        inference=(tiny.service(),),
        regions=(_west(),),
    )
    schedule = tiny.schedule(scenario, services={"chat": {("west", "a", "gpus"): [2e4, 1e4]}})
    load = site_load(scenario, schedule, scenario.sites[0])
    np.testing.assert_allclose(load.serving_accelerators["gpus"], [20.0, 10.0])
    np.testing.assert_allclose(load.inference_mw, [0.1, 0.05])
    np.testing.assert_allclose(load.idle_mw, [0.08, 0.09])
    np.testing.assert_allclose(load.accelerators_in_use["gpus"], [20.0, 10.0])


def test_fixed_loads_and_availability(tiny):
    site = tiny.site(fixed_it_power_mw=1.0, fixed_facility_power_mw=0.5, fleets=(tiny.fleet(availability=[1.0, 0.5]),))
    scenario = tiny.scenario(site)
    load = site_load(scenario, tiny.schedule(scenario), site)
    np.testing.assert_allclose(load.idle_mw, [0.1, 0.05])
    np.testing.assert_allclose(load.facility_mw, [1.5 * 1.1 + 0.5, 1.5 * 1.05 + 0.5])


def test_only_work_at_the_site_counts(tiny):
    scenario = tiny.scenario(tiny.site(), tiny.site(name="b"), training=(tiny.job(),))
    schedule = tiny.schedule(scenario, jobs={"train": [tiny.run(0, 1, site="b")]})
    assert site_load(scenario, schedule, scenario.sites[0]).training_mw.sum() == 0.0
    np.testing.assert_allclose(site_load(scenario, schedule, scenario.sites[1]).training_mw, [0.4, 0.0])


def test_the_power_of_the_job_overrides_that_of_the_fleet(tiny):
    scenario = tiny.scenario(training=(tiny.job(power_mw=0.02),))
    schedule = tiny.schedule(scenario, jobs={"train": [tiny.run(0, 1)]})
    np.testing.assert_allclose(site_load(scenario, schedule, scenario.sites[0]).training_mw, [0.8, 0.0])


def test_energy_by_job_splits_at_the_horizon(tiny):
    scenario = tiny.scenario(training=(tiny.job(duration_h=2.5, beyond=True), tiny.job("other")))
    schedule = tiny.schedule(scenario, jobs={"train": [tiny.run(1, 4, last_fraction=0.5)]})
    energy = job_energy(scenario, schedule)
    assert energy["train"].it_mwh == pytest.approx(0.4)
    assert energy["train"].facility_mwh == pytest.approx(0.6)
    assert energy["train"].beyond_it_mwh == pytest.approx(0.4 + 0.2)
    assert energy["other"] == WorkEnergy()


def test_energy_by_service(tiny):
    scenario = tiny.scenario(steps=2, step_s=1800, inference=(tiny.service(),), regions=(_west(),))
    schedule = tiny.schedule(scenario, services={"chat": {("west", "a", "gpus"): [2e4, 1e4]}})
    energy = service_energy(scenario, schedule)["chat"]
    assert energy.it_mwh == pytest.approx(0.5 * 0.15)
    assert energy.facility_mwh == pytest.approx(0.5 * 0.15 * 1.5)
    assert energy.beyond_it_mwh == 0.0


def test_an_unknown_fleet_raises(tiny):
    scenario = tiny.scenario(training=(tiny.job(),))
    with pytest.raises(KeyError, match="nowhere"):
        tiny.schedule(scenario, jobs={"train": [tiny.run(0, 1, fleet="nowhere")]})


def _west():
    from joulewright.model import Region

    return Region(name="west", latency_ms={"a": 10.0})
