"""What a policy is told: the present, announced events, gaps, peaks, and nothing of the future."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from joulewright.model import DemandWindow, Event
from joulewright.policy.decision import JobAction, PowerDecision, SitePower, WorkDecision
from joulewright.sim.observe import announcement, first_step


@pytest.fixture
def scenario(tiny):
    """Six hours of one site with every kind of signal, a job that comes later and a demand charge."""
    steps = 6
    members = np.array([True, True, True, False, False, False])
    window = DemandWindow(name="morning", price_per_mw=10.0, members=members, peak_so_far_mw=0.4)
    grid = tiny.grid(
        steps,
        carbon=np.arange(100.0, 700.0, 100.0),
        import_price_per_mwh=np.arange(10.0, 70.0, 10.0),
        demand_windows=(window,),
    )
    site = tiny.site(
        steps,
        grid=grid,
        fixed_it_power_mw=np.array([0.0, 1.0, 0.0, 0.0, 0.0, 0.0]),
        renewables=(tiny.plant(np.linspace(0.0, 0.01, steps), steps),),
        batteries=(tiny.battery(),),
        generators=(tiny.generator(steps, fuel_cost_per_mwh=np.arange(60.0, 66.0)),),
    )
    from joulewright.model import Region

    return tiny.scenario(
        site,
        steps=steps,
        regions=(Region(name="west", latency_ms={"a": 5.0}),),
        inference=(tiny.service(steps, demand=np.arange(1e4, 7e4, 1e4)),),
        training=(tiny.job("now", gpus=10), tiny.job("later", release=tiny.at(2.5), gpus=10)),
    )


def works(case, scenario, **options):
    """Observations of the work decisions."""
    policy = case.Scripted(**{key: options.pop(key) for key in ("on_work", "on_power") if key in options})
    case.simulate(scenario, policy, forecaster="perfect", **options)
    return policy.seen[0::2], policy.seen[1::2], policy.facts[0]


def test_signals_are_those_of_the_step(sim_case, scenario):
    seen, _, _ = works(sim_case, scenario)
    sites = [entry.sites["a"] for entry in seen]
    assert [site.import_price_per_mwh for site in sites] == [10.0, 20.0, 30.0, 40.0, 50.0, 60.0]
    assert [site.carbon_kg_per_mwh for site in sites] == [100.0, 200.0, 300.0, 400.0, 500.0, 600.0]
    assert [site.fuel_cost_per_mwh["turbine"] for site in sites] == [60.0, 61.0, 62.0, 63.0, 64.0, 65.0]
    assert [site.renewable_mw["roof"] for site in sites] == pytest.approx(np.linspace(0.0, 0.1, 6))
    assert [entry.demand_token_s["chat"]["west"] for entry in seen] == [1e4, 2e4, 3e4, 4e4, 5e4, 6e4]
    assert (sites[0].import_limit_mw, sites[0].export_limit_mw, sites[0].pue) == (100.0, 50.0, 1.5)
    assert [entry.steps_left for entry in seen] == [6, 5, 4, 3, 2, 1]
    assert [(entry.time - seen[0].time).total_seconds() for entry in seen] == [0, 3600, 7200, 10800, 14400, 18000]


def test_jobs_appear_when_they_are_released(sim_case, scenario):
    seen, _, facts = works(sim_case, scenario)
    assert [list(entry.jobs) for entry in seen] == [["now"]] * 3 + [["now", "later"]] * 3
    assert [job.name for job in facts.scenario.training] == ["now"]


def test_facts_hold_the_first_step_only(sim_case, scenario, tiny):
    event = Event(kind="grid-outage", site="a", start=tiny.at(3.0), end=tiny.at(4.0))
    _, _, facts = works(sim_case, scenario.with_changes(events=(event,), provenance={"file": "x"}))
    assert facts.steps == 6
    assert facts.scenario.timeline.steps == 1
    assert facts.scenario.events == ()
    assert facts.scenario.provenance == {}
    assert facts.scenario.sites[0].grid.import_price_per_mwh.tolist() == [10.0]
    assert first_step(scenario).inference[0].demand_token_s["west"].tolist() == [1e4]


def test_the_site_of_an_observation_holds_the_first_step_only(sim_case, scenario):
    seen, _, _ = works(sim_case, scenario)
    assert all(entry.sites["a"].site.pue.shape == (1,) for entry in seen)


def test_load_counts_the_work_that_runs(sim_case, scenario, tiny):
    def start(observation):
        return WorkDecision(actions=(JobAction(job="now", kind="start"),) if observation.step == 0 else ())

    long = scenario.with_changes(training=(tiny.job("now", gpus=10, duration_h=4.0),))
    before, after, _ = works(sim_case, long, on_work=start)
    idle, busy = 1.5 * 0.1, 1.5 * (0.1 + 10 * 0.009)
    assert before[0].sites["a"].load_mw == pytest.approx(idle)
    assert after[0].sites["a"].load_mw == pytest.approx(busy)
    assert before[1].sites["a"].load_mw == pytest.approx(busy + 1.5)
    assert before[1].sites["a"].critical_mw == pytest.approx(1.5)
    assert [entry.sites["a"].free_accelerators["gpus"] for entry in before] == [100.0, 90.0, 90.0, 90.0, 100.0, 100.0]


def test_free_accelerators_respect_the_limit_of_it_power(sim_case, scenario):
    limited = replace(scenario.sites[0], it_limit_mw=np.full(6, 0.145))
    seen, _, _ = works(sim_case, scenario.with_changes(sites=(limited,)))
    assert seen[0].sites["a"].free_accelerators["gpus"] == pytest.approx(5.0)  # 45 kW at 9 kW beyond idle
    assert seen[1].sites["a"].free_accelerators["gpus"] == 0.0


def test_state_of_devices_is_seen(sim_case, scenario):
    def charge(observation):
        power = SitePower(charge_mw={"store": 1.0}, generator_mw={"turbine": 2.0} if observation.step < 2 else {})
        return PowerDecision(sites={"a": power})

    seen, _, _ = works(sim_case, scenario, on_power=charge)
    assert [entry.sites["a"].energy_mwh["store"] for entry in seen] == pytest.approx([5.0, 5.8, 6.6, 7.4, 8.2, 9.0])
    states = [entry.sites["a"].generators["turbine"] for entry in seen]
    assert [(state.on, state.hours, state.output_mw) for state in states[:4]] == [
        (False, 8760.0, 0.0),
        (True, 1.0, 2.0),
        (True, 2.0, 2.0),
        (False, 1.0, 0.0),
    ]
    assert seen[0].sites["a"].usable_mw == {"turbine": 10.0}


def test_peaks_are_those_of_the_windows_of_the_step(sim_case, scenario):
    seen, _, _ = works(sim_case, scenario)
    peaks = [entry.sites["a"].peak_mw for entry in seen]
    assert peaks[0] == {"morning": 0.4}
    assert peaks[2] == {"morning": pytest.approx(1.65 - 0.02)}  # 1.5 MW of fixed load less the plant
    assert peaks[3:] == [{}, {}, {}]


def test_carbon_so_far_is_what_the_ledger_counts(sim_case, scenario):
    from joulewright.account import settle

    policy = sim_case.Scripted()
    found = sim_case.simulate(scenario, policy, forecaster="perfect").trajectory
    last = policy.seen[-2].carbon_kg
    hour = [row.value for row in settle(found.scenario, found.schedule).rows if row.section == "carbon"]
    final = 600.0 * found.schedule.sites["a"].grid_import_mw[-1]
    assert last["system"] == pytest.approx(sum(hour) - final)
    assert last["a"] == last["system"]
    assert policy.seen[0].carbon_kg == {"a": 0.0, "system": 0.0}


def test_events_are_announced_with_their_notice(sim_case, scenario, tiny):
    call = Event(kind="demand-response", site="a", start=tiny.at(3), end=tiny.at(5), notice_h=2.0, limit_mw=1.0)
    sudden = Event(kind="generator-failure", site="a", component="turbine", start=tiny.at(4.5), end=tiny.at(5))
    seen, _, _ = works(sim_case, scenario, events=(call, sudden))
    told = [len(entry.notices) for entry in seen]
    assert told == [0, 1, 1, 1, 2, 0]
    assert seen[1].notices == (announcement(call),)
    assert "import at most 1 MW" in seen[1].notices[0]
    assert [entry.sites["a"].import_limit_mw for entry in seen] == [100.0, 100.0, 100.0, 1.0, 1.0, 100.0]
    assert [entry.sites["a"].usable_mw["turbine"] for entry in seen] == [10.0, 10.0, 10.0, 10.0, 0.0, 10.0]


def test_a_gap_in_telemetry_shows_the_last_known_value(sim_case, scenario, tiny):
    gap = Event(kind="telemetry-gap", site="a", start=tiny.at(2), end=tiny.at(4), signals=("import_price_per_mwh",))
    seen, _, _ = works(sim_case, scenario, events=(gap,))
    assert [entry.sites["a"].import_price_per_mwh for entry in seen] == [10.0, 20.0, 20.0, 20.0, 50.0, 60.0]
    assert [entry.sites["a"].carbon_kg_per_mwh for entry in seen] == [100.0, 200.0, 300.0, 400.0, 500.0, 600.0]
    stale = frozenset({"a/import_price_per_mwh"})
    assert [entry.stale for entry in seen] == [frozenset()] * 2 + [stale] * 2 + [frozenset()] * 2


def test_a_gap_hides_but_does_not_change_what_happens(sim_case, scenario, tiny):
    gap = Event(kind="telemetry-gap", site="a", start=tiny.at(1), end=tiny.at(4))
    plain, hidden = (sim_case.run(scenario, events=events) for events in ((), (gap,)))
    assert plain.figures == hidden.figures
    assert [item.kind for item in hidden.happenings] == ["telemetry-gap"]
