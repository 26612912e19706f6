"""From a site of a scenario to a microgrid and back to the ledger; the full simulator gives the same flows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from joulewright.account import settle
from joulewright.check import violations
from joulewright.errors import ScenarioError
from joulewright.model import Event, Schedule
from joulewright.sim.microgrid import (
    microgrid_from_site,
    peak_shaving,
    price_threshold,
    self_consumption,
    simulate_microgrid,
    site_schedule,
)

STEPS = 48


@pytest.fixture(scope="module")
def scenario(tiny):
    """One site with two plants, a battery, tight limits and prices of either sign."""
    draw = np.random.default_rng(2)
    grid = tiny.grid(
        STEPS,
        import_limit_mw=draw.uniform(1.0, 6.0, STEPS),
        export_limit_mw=2.0,
        import_price_per_mwh=draw.uniform(10.0, 120.0, STEPS),
        export_price_per_mwh=draw.uniform(-10.0, 40.0, STEPS),
        carbon=draw.uniform(100.0, 600.0, STEPS),
    )
    battery = tiny.battery(self_discharge_per_h=0.001, charge_efficiency=0.9, terminal_value_per_mwh=0.0)
    site = tiny.site(
        STEPS,
        grid=grid,
        fixed_facility_power_mw=draw.uniform(0.0, 6.0, STEPS),
        renewables=(
            tiny.plant(draw.random(STEPS) ** 2, STEPS, capacity_mw=6.0),
            tiny.plant(draw.random(STEPS), STEPS, name="hill", capacity_mw=3.0),
        ),
        batteries=(battery,),
        unserved_power_penalty_per_mwh=1000.0,
    )
    return tiny.scenario(site, steps=STEPS)


def changed(scenario, **changes):
    """The scenario with another site."""
    return replace(scenario, sites=(replace(scenario.sites[0], **changes),))


def test_inputs_and_design_are_those_of_the_site(scenario):
    inputs, design = microgrid_from_site(scenario, "a")
    site = scenario.site("a")
    # 100 idle accelerators of 1 kW behind a PUE of 1.5.
    np.testing.assert_allclose(inputs.signals["load_mw"], site.fixed_facility_power_mw + 0.15)
    assert np.array_equal(inputs.signals["import_price_per_mwh"], site.grid.import_price_per_mwh)
    assert np.array_equal(inputs.signals["carbon_kg_per_mwh"], site.grid.carbon_intensities[0].kg_per_mwh)
    assert inputs.plants == ("roof", "hill")
    assert design.plants_mw == {"roof": 6.0, "hill": 3.0}
    assert design.battery is site.batteries[0]
    assert inputs.absent == frozenset()
    # Nothing is sold at a loss.
    assert np.array_equal(inputs.signals["export_limit_mw"] == 0.0, site.grid.export_price_per_mwh < 0.0)
    given, _ = microgrid_from_site(scenario, "a", load_mw=2.0)
    assert given.signals["load_mw"].tolist() == [2.0] * STEPS


def test_the_ledger_settles_what_the_microgrid_did(scenario):
    inputs, design = microgrid_from_site(scenario, "a")
    found = simulate_microgrid(inputs, design, record="series")
    schedule = Schedule(planner="rule", jobs={}, services={}, sites={"a": site_schedule(scenario.site("a"), found)})
    assert violations(scenario, schedule) == []
    ledger, figures = settle(scenario, schedule), found.figures
    energy = {
        "import": "import_mwh",
        "export": "export_mwh",
        "curtailed": "curtailed_mwh",
        "unserved": "unserved_mwh",
        "facility load": "load_mwh",
        "discharge": "discharge_mwh",
    }
    for item, name in energy.items():
        assert ledger.total("energy", item) == pytest.approx(figures[name], rel=1e-12), item
    assert figures["unserved_mwh"] > 0.0
    assert figures["curtailed_mwh"] > 0.0
    assert ledger.figure("battery", "cycles/store", "a") == pytest.approx(figures["cycles"])
    assert ledger.carbon_kg == pytest.approx(figures["carbon_kg"])
    assert ledger.figure("peak", "import", "a") == figures["peak_import_mw"]
    assert ledger.total("cost", "import") == pytest.approx(figures["import_cost"])


def test_an_island_has_no_exchange(scenario, tiny):
    inputs, design = microgrid_from_site(changed(scenario, grid=None), "a")
    figures = simulate_microgrid(inputs, design).figures
    assert figures["import_mwh"] == figures["export_mwh"] == figures["import_cost"] == figures["carbon_kg"] == 0.0
    assert figures["unserved_mwh"] > 0.0


def test_a_grid_without_the_deciding_intensity_leaves_carbon_out(scenario):
    grid = replace(scenario.site("a").grid, carbon_intensities=())
    inputs, design = microgrid_from_site(changed(scenario, grid=grid), "a")
    assert "carbon_kg" not in simulate_microgrid(inputs, design).figures


def test_events_of_the_scenario_happen(scenario, tiny):
    outage = Event(kind="grid-outage", site="a", start=tiny.at(5.0), end=tiny.at(8.0))
    inputs, _ = microgrid_from_site(replace(scenario, events=(outage,)), "a")
    limits = inputs.signals["import_limit_mw"]
    assert limits[5:8].tolist() == [0.0, 0.0, 0.0]
    assert limits[4] > 0.0
    assert limits[8] > 0.0


def test_what_a_single_microgrid_cannot_hold_is_refused(scenario, tiny):
    site = scenario.site("a")
    too_much = changed(
        scenario,
        generators=(tiny.generator(STEPS),),
        batteries=(*site.batteries, tiny.battery("second")),
        grid=replace(site.grid, ramp_mw_per_h=3.0),
    )
    with pytest.raises(ScenarioError) as caught:
        microgrid_from_site(too_much, "a")
    message = str(caught.value)
    assert "site 'a' has 1 generators" in message
    assert "site 'a' has 2 batteries" in message
    assert "has a grid ramp of 3 MW/h" in message
    assert message.count("use joulewright.sim.simulate") == 3
    with pytest.raises(KeyError, match="b"):
        microgrid_from_site(scenario, "b")
    with pytest.raises(ScenarioError, match=r"load_mw has shape \(3,\); the horizon has 48 steps"):
        microgrid_from_site(scenario, "a", load_mw=[1.0, 2.0, 3.0])


def test_a_schedule_needs_the_series(scenario):
    found = simulate_microgrid(*microgrid_from_site(scenario, "a"))
    with pytest.raises(ScenarioError, match="simulate with record='series'"):
        site_schedule(scenario.site("a"), found)


@pytest.mark.parametrize(
    ("policy", "rule"),
    [
        ("solar-first", self_consumption()),
        ("price-threshold:low_per_mwh=40,high_per_mwh=80", price_threshold(40.0, 80.0)),
        ("peak-shaving:target_mw=2.5", peak_shaving(2.5)),
    ],
)
def test_the_full_simulator_gives_the_same_flows(scenario, policy, rule):
    from joulewright.sim.simulate import simulate

    simulated = simulate(scenario, policy, forecaster="perfect").trajectory.schedule.sites["a"]
    found = simulate_microgrid(*microgrid_from_site(scenario, "a", rule=rule), record="series").series
    for name in ("grid_import_mw", "grid_export_mw", "unserved_mw"):
        np.testing.assert_allclose(found[name], getattr(simulated, name), rtol=1e-9, atol=1e-9, err_msg=name)
    battery = simulated.batteries["store"]
    for name in ("charge_mw", "discharge_mw", "energy_mwh"):
        np.testing.assert_allclose(found[name], getattr(battery, name), rtol=1e-9, atol=1e-9, err_msg=name)
