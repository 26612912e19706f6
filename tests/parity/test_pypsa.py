"""The exported PyPSA network solves to the same cost of energy."""

from __future__ import annotations

import logging
import sys
import warnings
from dataclasses import replace

import numpy as np
import pytest

from joulewright.errors import MissingExtraError, ScenarioError
from joulewright.io import write_pypsa
from joulewright.model import CarbonPolicy, DemandWindow
from joulewright.plan import PlanOptions, plan
from joulewright.plan.energy_stage import with_fixed_load

EXACT = PlanOptions(strategy="exact", gap=0.0, threads=1)
STEPS = 12

pytest.importorskip("pypsa", reason="PyPSA is not installed; it comes with the extra pypsa")


def solved(network):
    """Objective of the network with its constant."""
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            status = network.optimize(solver_name="highs", log_to_console=False)
    finally:
        logging.disable(logging.NOTSET)
    assert status == ("ok", "optimal")
    return float(network.objective) + network.meta["constant"]


@pytest.fixture(scope="module")
def draw():
    return np.random.default_rng(5)


@pytest.fixture(scope="module")
def case(tiny, draw):
    """Two sites with everything a linear network can hold, and a job that runs somewhere."""

    def site(name, **changes):
        windows = (
            DemandWindow(name="all", price_per_mw=300.0, members=np.ones(STEPS, bool), peak_so_far_mw=1.0),
            DemandWindow(name="noon", price_per_mw=200.0, members=np.arange(STEPS) % 4 < 2, share=0.5),
        )
        grid = tiny.grid(
            STEPS,
            import_price_per_mwh=draw.uniform(20.0, 120.0, STEPS),
            export_price_per_mwh=draw.uniform(5.0, 19.0, STEPS),
            import_limit_mw=draw.uniform(6.0, 9.0, STEPS),
            export_limit_mw=2.0,
            carbon=draw.uniform(100.0, 700.0, STEPS),
            demand_windows=windows,
            **changes.pop("grid", {}),
        )
        return tiny.site(
            STEPS,
            name=name,
            grid=grid,
            fixed_facility_power_mw=tiny.series(draw.uniform(4.0, 9.0, STEPS), STEPS),
            renewables=(tiny.plant(draw.random(STEPS), STEPS, capacity_mw=4.0),),
            batteries=(
                tiny.battery(
                    self_discharge_per_h=0.02,
                    wear_cost_per_mwh=6.0,
                    charge_efficiency=0.95,
                    discharge_efficiency=0.9,
                    min_energy_mwh=1.0,
                    **changes.pop("battery", {}),
                ),
            ),
            generators=(
                tiny.generator(
                    STEPS, capacity_mw=3.0, fuel_cost_per_mwh=70.0, emission_kg_per_mwh=450.0, ramp_mw_per_h=1.5
                ),
            ),
            unserved_power_penalty_per_mwh=900.0,
            **changes,
        )

    sites = (
        site("a", carbon_budget_kg=22_000.0),
        site("b", grid={"ramp_mw_per_h": 4.0}, battery={"terminal_value_per_mwh": 40.0}),
    )
    return tiny.scenario(
        *sites,
        steps=STEPS,
        training=(tiny.job(gpus=80, duration_h=5.0),),
        carbon=CarbonPolicy(price_per_t=15.0, budget_kg=41_000.0),
    )


@pytest.fixture(scope="module")
def planned(case):
    result = plan(case, EXACT)
    assert result.duals.carbon_price_per_t > 1.0
    return result


def energy_cost(result):
    """All costs of the ledger."""
    return result.ledger.cost - result.ledger.total("value", "export revenue")


def test_same_cost_of_energy(case, planned):
    energy = plan(with_fixed_load(case, planned.schedule), EXACT)
    network = write_pypsa(None, case, planned)
    assert solved(network) == pytest.approx(-energy.objective, rel=1e-6)
    assert network.meta["scenario"] == "tiny"
    stored = network.c.stores.dynamic.e["a store"].to_numpy()
    assert stored[-1] >= 5.0 - 1e-6


def test_same_load_and_limits(case, planned):
    network = write_pypsa(None, case, planned.schedule)
    load = network.c.loads.dynamic.p_set["a load"].to_numpy()
    assert load == pytest.approx(with_fixed_load(case, planned.schedule).sites[0].fixed_facility_power_mw)
    static = network.c.links.static
    assert static.loc["a import", "p_nom"] == pytest.approx(case.sites[0].grid.import_limit_mw.max())
    assert network.c.stores.static.loc["carbon budget", "e_nom"] == pytest.approx(41_000.0)
    assert str(network.snapshots[0]) == "2022-07-04 00:00:00"


def test_half_hours_and_a_priced_budget(tiny):
    """Power for half an hour costs half: 2 MW at 50 and 100 for 0.5 h, and 0.4 t above the budget at 30."""
    site = tiny.site(fleets=(), fixed_facility_power_mw=2.0, grid=tiny.grid(import_price_per_mwh=[50.0, 100.0]))
    policy = CarbonPolicy(budget_kg=400.0, excess_price_per_t=30.0)
    scenario = tiny.scenario(site, step_s=1800, carbon=policy)
    result = plan(scenario, EXACT)
    assert result.objective == pytest.approx(-(150.0 + 12.0))
    assert solved(write_pypsa(None, scenario, result)) == pytest.approx(162.0)


def test_export_credit(tiny):
    """Exported power is credited with 400 kg/MWh at 100 per t: selling earns 30 + 40."""
    site = tiny.site(fleets=(), renewables=(tiny.plant(1.0),), grid=tiny.grid(export_limit_mw=4.0))
    scenario = tiny.scenario(site, carbon=CarbonPolicy(price_per_t=100.0, credit_export=True))
    result = plan(scenario, EXACT)
    assert solved(write_pypsa(None, scenario, result)) == pytest.approx(-2 * 4.0 * 70.0)
    assert result.objective == pytest.approx(560.0)


def test_commitment(tiny):
    """Least load, start and no-load cost and minimum times: the two mixed-integer programs agree."""
    unit = tiny.generator(
        6,
        min_load_mw=4.0,
        fuel_cost_per_mwh=20.0,
        start_cost=100.0,
        no_load_cost_per_h=5.0,
        min_up_h=3.0,
        min_down_h=2.0,
    )
    load = tiny.series([5.0, 5.0, 1.0, 6.0, 6.0, 6.0], 6)
    site = tiny.site(
        6,
        fleets=(),
        fixed_facility_power_mw=load,
        generators=(unit,),
        grid=tiny.grid(6, import_price_per_mwh=[90.0, 30.0, 30.0, 60.0, 60.0, 60.0], export_limit_mw=0.0),
    )
    scenario = tiny.scenario(site, steps=6)
    result = plan(scenario, EXACT)
    assert result.schedule.sites["a"].generators["turbine"].on.tolist() == [False, False, False, True, True, True]
    assert solved(write_pypsa(None, scenario, result)) == pytest.approx(-result.objective, rel=1e-6)


def test_a_network_can_be_written_and_read(tmp_path, case, planned):
    import pypsa

    path = tmp_path / "week.nc"
    written = write_pypsa(path, case, planned)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        again = pypsa.Network(str(path))
    assert again.meta["constant"] == pytest.approx(written.meta["constant"])
    assert list(again.c.links.static.index) == list(written.c.links.static.index)


def test_what_a_network_cannot_hold_is_refused(tiny):
    unit = tiny.generator(start_emission_kg=30.0)
    site = tiny.site(generators=(unit,), carbon_budget_kg=10.0)
    scenario = tiny.scenario(site, carbon=CarbonPolicy(excess_price_per_t=10.0))
    with pytest.raises(ScenarioError) as caught:
        write_pypsa(None, scenario, tiny.schedule(scenario))
    assert len(caught.value.problems) == 2
    assert "emits when it starts" in str(caught.value)
    free = tiny.scenario(tiny.site(generators=(unit,)), carbon=CarbonPolicy(price_per_t=10.0))
    assert "a turbine" in write_pypsa(None, free, tiny.schedule(free)).c.links.static.index


def test_without_a_plan_there_is_no_load(case, planned):
    with pytest.raises(ScenarioError, match="holds no plan"):
        write_pypsa(None, case, replace(planned, schedule=None))


def test_without_pypsa_the_extra_is_named(monkeypatch, case, planned):
    monkeypatch.setitem(sys.modules, "pypsa", None)
    with pytest.raises(MissingExtraError, match=r"joulewright\[pypsa\]"):
        write_pypsa(None, case, planned)
