"""Helpers for people who test rules: observations by hand, forecasts that hide, facts before the first step."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from joulewright.errors import PolicyError
from joulewright.policy.observation import JobObservation
from joulewright.testing.observations import KnownForecast, PresentOnly, facts_of, observe
from joulewright.testing.policy_suite import plain
from joulewright.testing.trials import START, trial_scenario


def test_facts_hold_the_first_step_only():
    scenario = trial_scenario()
    facts = facts_of(scenario, seed=3)
    assert facts.steps == 12
    assert facts.scenario.timeline.steps == 1
    assert facts.scenario.sites[0].pue.shape == (1,)
    assert {job.name for job in facts.scenario.training} == {"rigid", "must"}
    assert facts.generator.random() == np.random.default_rng(3).random()


def test_observation_of_a_step():
    scenario = trial_scenario()
    seen = observe(scenario, 6)
    east = seen.sites["east"]
    assert (seen.step, seen.steps_left, seen.step_h) == (6, 6, 2.0)
    assert seen.time == START + timedelta(hours=12)
    assert east.renewable_mw["solar"] == pytest.approx(1.2)  # noon
    assert east.import_price_per_mwh == pytest.approx(30.0)
    assert east.export_price_per_mwh == pytest.approx(-6.0)
    assert east.carbon_kg_per_mwh == pytest.approx(400.0)
    assert east.peak_mw == {"month": 0.4}
    assert east.load_mw == pytest.approx(1.2 * (0.02 + 0.1) + 0.01)
    assert east.critical_mw == pytest.approx(1.2 * 0.02 + 0.01)
    assert seen.demand_token_s["chat"]["coast"] == pytest.approx(2e5)
    assert sorted(seen.jobs) == ["elastic", "must", "pausable", "rigid"]


def test_running_jobs_hold_accelerators_and_draw_power():
    scenario = trial_scenario()
    job = scenario.job("rigid")
    item = JobObservation(job=job, status="running", remaining_h=2.0, site="east", fleet="pod", accelerators=300.0)
    east = observe(scenario, jobs=[item]).sites["east"]
    assert east.free_accelerators == {"pod": 700.0}
    assert east.load_mw == pytest.approx(1.2 * (0.02 + 0.1 + 300 * 0.0009) + 0.01)


def test_fields_may_be_set():
    seen = observe(trial_scenario(), sites={"west": {"import_limit_mw": 0.0, "energy_mwh": {"battery": 2.0}}})
    assert seen.sites["west"].import_limit_mw == 0.0
    assert seen.sites["west"].energy_mwh == {"battery": 2.0}
    assert seen.sites["east"].energy_mwh == {"battery": 1.0}
    with pytest.raises(TypeError):
        observe(trial_scenario(), sites={"west": {"color": "red"}})


def test_the_known_forecast_is_the_scenario_from_now_on():
    scenario = trial_scenario()
    known = KnownForecast(scenario, 4)
    assert known.series("east/import_price_per_mwh", 3).tolist() == (
        scenario.sites[0].grid.import_price_per_mwh[4:7].tolist()
    )
    window = known.window(5)
    assert (window.timeline.steps, window.training) == (5, ())
    assert window.timeline.start == scenario.timeline.at(4)
    assert known.window(100).timeline.steps == 8
    assert known.members("east/pue", 2, 3).shape == (3, 2)


def test_the_present_only_tells_the_present():
    hidden = PresentOnly(KnownForecast(trial_scenario(), 4))
    assert hidden.series("east/pue", 1).tolist() == [1.2]
    assert hidden.window(1).timeline.steps == 1
    assert hidden.members("east/pue", 1, 2).tolist() == [[1.2], [1.2]]
    for ask in (
        lambda: hidden.series("east/pue", 2),
        lambda: hidden.window(2),
        lambda: hidden.members("east/pue", 2, 1),
    ):
        with pytest.raises(PolicyError, match="2 steps of a forecast are asked for; declare 'forecast'"):
            ask()


def test_plain_forms_compare_by_value():
    seen = observe(trial_scenario())
    assert plain(seen) == plain(observe(trial_scenario()))
    assert plain(seen) != plain(observe(trial_scenario(), 1))
    assert plain({"a": {2, 1}, "b": [True, None]}) == (("a", ("1", "2")), ("b", (True, None)))
    assert plain(object).startswith("<class")
