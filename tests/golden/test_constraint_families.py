"""Models of two or three steps that can be worked by hand, at least one for every constraint family."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import joulewright.plan.constraints
from joulewright.check import violations
from joulewright.model import CarbonPolicy, DemandWindow, Link, Region
from joulewright.plan import PlanOptions, plan

EXACT = PlanOptions(strategy="exact", gap=0.0, threads=1)


@pytest.fixture
def place(tiny):
    """A site without cooling and idle power: 100 accelerators of 100 kW; a job of 40 draws 4 MW. No export."""

    def make(steps=2, name="a", price=50.0, **changes):
        grid = {"export_limit_mw": 0.0, "import_price_per_mwh": price, **changes.pop("grid", {})}
        fleet = tiny.fleet(steps, active_power_mw=0.1, idle_power_mw=0.0, **changes.pop("fleet", {}))
        values = {"pue": 1.0, "grid": tiny.grid(steps, **grid), "fleets": (fleet,)} | changes
        for key in ("fixed_facility_power_mw",):
            if key in values:
                values[key] = tiny.series(values[key], steps)
        return tiny.site(steps, name=name, **values)

    return make


@pytest.fixture
def solved(tiny):
    """Plans a scenario exactly; the schedule passes the independent check and is worth what the ledger says."""

    def solve(*sites, steps=2, **changes):
        scenario = tiny.scenario(*sites, steps=steps, **changes)
        result = plan(scenario, EXACT)
        assert result.schedule is not None
        assert violations(scenario, result.schedule) == []
        assert result.objective == pytest.approx(result.ledger.benefit, rel=1e-9, abs=1e-9)
        return result

    return solve


def test_every_family_has_a_golden_model():
    folder = Path(joulewright.plan.constraints.__file__).parent
    families = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    golden = {name.removeprefix("test_").split("__")[0] for name in globals() if name.startswith("test_")}
    assert families <= golden, f"no golden model for {sorted(families - golden)}"


def test_assignment(tiny, place, solved):
    """Two jobs of 6 MW do not fit side by side: the cheap hour (60) pays for one, the dear one (300) for none."""
    jobs = (tiny.job("big", gpus=60, value=1000.0), tiny.job("small", gpus=60, value=200.0))
    result = solved(place(price=[50.0, 10.0]), training=jobs)
    assert result.objective == pytest.approx(1000.0 - 6.0 * 10.0)
    assert result.schedule.jobs["big"].start_step == 1
    assert result.schedule.jobs["small"].rejected


def test_assignment__equal_jobs_are_one_count(tiny, place, solved):
    """Three equal jobs of 4 MW: two fit into the cheap hour (40 each), the third pays 200."""
    jobs = tuple(tiny.job(name, value=500.0) for name in ("one", "two", "three"))
    result = solved(place(price=[50.0, 10.0]), training=jobs)
    assert result.objective == pytest.approx(1500.0 - 40.0 - 40.0 - 200.0)
    assert [result.schedule.jobs[name].start_step for name in ("one", "two", "three")] == [0, 1, 1]


def test_continuity(tiny, place, solved):
    """1.5 h from the first step: 4 MW for an hour at 10 and for half an hour at 50."""
    result = solved(place(price=[10.0, 50.0]), training=(tiny.job(duration_h=1.5, value=1000.0),))
    assert result.objective == pytest.approx(1000.0 - 4.0 * (10.0 + 0.5 * 50.0))
    assert result.schedule.sites["a"].grid_import_mw == pytest.approx([4.0, 2.0])
    assert result.schedule.jobs["train"].segments[0].last_fraction == pytest.approx(0.5)


def test_continuity__no_pause_in_the_dear_hour(tiny, place, solved):
    """A rigid job of two hours cannot skip the dear middle hour: 40 + 360 beats 360 + 80."""
    result = solved(place(3, price=[10.0, 90.0, 20.0]), steps=3, training=(tiny.job(duration_h=2.0),))
    assert result.objective == pytest.approx(500.0 - 4.0 * (10.0 + 90.0))


def test_capacity(tiny, place, solved):
    """Within 5 MW of IT power two jobs of 4 MW take turns although both fit the accelerators."""
    jobs = (tiny.job("one"), tiny.job("two"))
    result = solved(place(price=[10.0, 50.0], it_limit_mw=5.0), training=jobs)
    assert result.objective == pytest.approx(1000.0 - 40.0 - 200.0)
    assert result.schedule.sites["a"].grid_import_mw == pytest.approx([4.0, 4.0])


def test_capacity__serving_and_training_share_accelerators(tiny, place, solved):
    """70 of 100 accelerators serve in the cheap hour and 50 in the dear one, so a job of 40 must take that one."""
    service = tiny.service(demand=[7e4, 5e4])
    region = Region(name="west", latency_ms={"a": 5.0})
    result = solved(place(price=[10.0, 50.0]), training=(tiny.job(),), inference=(service,), regions=(region,))
    assert result.schedule.jobs["train"].start_step == 1
    assert result.objective == pytest.approx(500.0 - 10.0 * 0.35 - 50.0 * (0.25 + 4.0))


def test_demand(tiny, place, solved):
    """100 accelerators serve half of the demand: 360 Mtoken earn 360 and cost 25; 360 Mtoken unserved cost 720."""
    service = tiny.service(demand=2e5, revenue_per_mtoken=1.0, unserved_penalty_per_mtoken=2.0)
    result = solved(place(), inference=(service,), regions=(Region(name="west", latency_ms={"a": 5.0}),))
    assert result.objective == pytest.approx(2 * (360.0 - 0.5 * 50.0 - 720.0))
    assert result.schedule.services["chat"].served_token_s == pytest.approx(np.full((1, 2), 1e5))
    assert result.schedule.services["chat"].unserved_token_s["west"] == pytest.approx([1e5, 1e5])


def test_demand__latency_and_residency(tiny, place, solved):
    """The cheap site is too far for one region and closed to the other's data, so both use the dear one."""
    sites = (place(name="a", price=50.0), place(name="b", price=10.0))
    regions = (
        Region(name="west", latency_ms={"a": 5.0, "b": 80.0}),
        Region(name="east", latency_ms={"a": 5.0, "b": 5.0}, residency=("a",)),
    )
    demand = {"west": tiny.series(2e4, 2), "east": tiny.series(1e4, 2)}
    service = tiny.service(demand_token_s=demand, latency_limit_ms=40.0)
    result = solved(*sites, inference=(service,), regions=regions)
    assert {route.site for route in result.schedule.services["chat"].routes} == {"a"}
    assert result.objective == pytest.approx(-2 * 50.0 * 0.15)


def test_balance(place, solved):
    """2 MW of load, 1.5 MW of import: half a MW goes unserved in each hour."""
    site = place(
        fixed_facility_power_mw=2.0, grid={"import_limit_mw": 1.5}, unserved_power_penalty_per_mwh=1000.0, fleets=()
    )
    result = solved(site)
    assert result.objective == pytest.approx(-2 * (1.5 * 50.0 + 0.5 * 1000.0))
    assert result.schedule.sites["a"].unserved_mw == pytest.approx([0.5, 0.5])


def test_balance__cooling_and_idle_power(tiny, solved):
    """100 idle accelerators of 1 kW behind a PUE of 1.5 draw 0.15 MW; 40 busy ones add 40 x 9 kW x 1.5 = 0.54 MW."""
    result = solved(tiny.site(grid=tiny.grid(import_price_per_mwh=[50.0, 100.0])), training=(tiny.job(),))
    assert result.schedule.sites["a"].grid_import_mw == pytest.approx([0.69, 0.15])
    assert result.objective == pytest.approx(500.0 - 0.69 * 50.0 - 0.15 * 100.0)


def test_grid(tiny, place, solved):
    """10 MW of sun, 1 MW of load and an export limit of 5 MW: 6 MW are used in each hour."""
    grid = {"export_limit_mw": 5.0, "export_price_per_mwh": [30.0, 20.0]}
    result = solved(place(fixed_facility_power_mw=1.0, fleets=(), renewables=(tiny.plant(1.0),), grid=grid))
    assert result.objective == pytest.approx(5.0 * (30.0 + 20.0))
    assert result.schedule.sites["a"].renewable_used_mw["roof"] == pytest.approx([6.0, 6.0])


def test_grid__ramp(place, solved):
    """From 1 MW, import may rise by 2 MW to 3 MW; the other 2 of 5 MW stay unserved."""
    site = place(
        fixed_facility_power_mw=[1.0, 5.0],
        fleets=(),
        grid={"ramp_mw_per_h": 2.0},
        unserved_power_penalty_per_mwh=100.0,
    )
    result = solved(site)
    assert result.objective == pytest.approx(-(50.0 + 150.0 + 200.0))
    assert result.schedule.sites["a"].grid_import_mw == pytest.approx([1.0, 3.0])


def test_renewables(tiny, place, solved):
    """Sun gives 2 of 3 MW, then 5 of which 2 are curtailed."""
    result = solved(place(fixed_facility_power_mw=3.0, fleets=(), renewables=(tiny.plant([0.2, 0.5]),)))
    assert result.objective == pytest.approx(-1.0 * 50.0)
    assert result.schedule.sites["a"].renewable_used_mw["roof"] == pytest.approx([2.0, 3.0])


def test_storage(tiny, place, solved):
    """1 MWh for the dear hour takes 2 MWh out of the store and 2.5 MWh from the grid; wear is 2 per MWh and way."""
    site = place(
        price=[10.0, 110.0], fixed_facility_power_mw=1.0, fleets=(), batteries=(tiny.battery(wear_cost_per_mwh=4.0),)
    )
    result = solved(site)
    assert result.objective == pytest.approx(-(3.5 * 10.0 + 2.0 * (2.5 + 1.0)))
    battery = result.schedule.sites["a"].batteries["store"]
    assert battery.charge_mw == pytest.approx([2.5, 0.0])
    assert battery.energy_mwh == pytest.approx([5.0, 7.0, 5.0])


def test_storage__self_discharge_within_the_step(tiny, place, solved):
    """With sigma = ln 2 per hour half is gone after an hour: 5, 2.5, then what is needed to end at 5 again."""
    battery = tiny.battery(
        self_discharge_per_h=np.log(2.0), charge_efficiency=1.0, energy_mwh=20.0, charge_limit_mw=20.0
    )
    result = solved(place(price=[50.0, 50.0], fleets=(), batteries=(battery,)))
    effective_h = 0.5 / np.log(2.0)
    # 1.25 MWh are left at the end, so 3.75 MWh are charged in the last hour; earlier charging would lose half.
    assert result.objective == pytest.approx(-50.0 * 3.75 / effective_h)
    assert result.schedule.sites["a"].batteries["store"].energy_mwh == pytest.approx([5.0, 2.5, 5.0])


def test_storage__terminal_value(tiny, place, solved):
    """Stored energy is worth 100 at the end: 6.25 MWh at 50 fill it from 5 to 10 MWh."""
    battery = tiny.battery(terminal_value_per_mwh=100.0)
    result = solved(place(fleets=(), batteries=(battery,)))
    assert result.objective == pytest.approx(5.0 * 100.0 - 6.25 * 50.0)


def test_demand_charge(place, solved):
    """Half of 100 per MW for the 3 MW above the peak of 1 MW so far, and 8 MWh of energy."""
    window = DemandWindow(
        name="day", price_per_mw=100.0, members=np.array([True, False]), peak_so_far_mw=1.0, share=0.5
    )
    result = solved(place(fixed_facility_power_mw=4.0, fleets=(), grid={"demand_windows": (window,)}))
    assert result.objective == pytest.approx(-(100.0 * 0.5 * 3.0 + 8.0 * 50.0))


def test_demand_charge__work_moves_out_of_the_window(tiny, place, solved):
    """The hour outside the window costs 40 more than the one inside, where the peak would cost 200."""
    window = DemandWindow(name="day", price_per_mw=50.0, members=np.array([True, False]))
    result = solved(place(price=[50.0, 60.0], grid={"demand_windows": (window,)}), training=(tiny.job(),))
    assert result.schedule.jobs["train"].start_step == 1
    assert result.objective == pytest.approx(500.0 - 4.0 * 60.0)


CARBON = {"carbon": [400.0, 100.0]}


def test_carbon(tiny, place, solved):
    """The cheap hour would emit 1.6 t; a budget of 0.8 t leaves the clean hour, at 80 instead of 40."""
    site = place(price=[10.0, 20.0], grid=CARBON)
    free = solved(site, training=(tiny.job(),))
    assert free.objective == pytest.approx(500.0 - 40.0)
    tight = solved(site, training=(tiny.job(),), carbon=CarbonPolicy(budget_kg=800.0))
    assert tight.objective == pytest.approx(500.0 - 80.0)
    assert tight.ledger.carbon_kg == pytest.approx(400.0)


@pytest.mark.parametrize(
    ("policy", "expected", "step"),
    [
        (CarbonPolicy(price_per_t=100.0), 500.0 - 80.0 - 0.4 * 100.0, 1),
        (CarbonPolicy(budget_kg=0.0, excess_price_per_t=10.0), 500.0 - 40.0 - 1.6 * 10.0, 0),
        (CarbonPolicy(budget_kg=1000.0, used_kg=900.0, excess_price_per_t=50.0), 500.0 - 80.0 - 0.3 * 50.0, 1),
    ],
)
def test_carbon__prices(tiny, place, solved, policy, expected, step):
    """1.6 t in the cheap hour against 0.4 t in the clean one, with a price on all of it or on what exceeds a budget."""
    result = solved(place(price=[10.0, 20.0], grid=CARBON), training=(tiny.job(),), carbon=policy)
    assert result.objective == pytest.approx(expected)
    assert result.schedule.jobs["train"].start_step == step


def test_carbon__site_budget(tiny, place, solved):
    """The cheap site may emit nothing, so the job runs at the other one."""
    sites = (place(name="a", price=10.0, carbon_budget_kg=0.0), place(name="b", price=60.0))
    result = solved(*sites, training=(tiny.job(),))
    assert result.schedule.jobs["train"].segments[0].site == "b"
    assert result.objective == pytest.approx(500.0 - 240.0)


UNIT = {"min_load_mw": 4.0, "fuel_cost_per_mwh": 20.0, "start_cost": 100.0, "no_load_cost_per_h": 5.0}


def test_commitment(tiny, place, solved):
    """3 MW are below the least load, so they are bought; 6 MW cost 120 + 100 + 5 instead of 600."""
    site = place(price=100.0, fixed_facility_power_mw=[3.0, 6.0], fleets=(), generators=(tiny.generator(**UNIT),))
    result = solved(site)
    assert result.objective == pytest.approx(-(300.0 + 225.0))
    assert result.schedule.sites["a"].generators["turbine"].on.tolist() == [False, True]


def test_commitment__ramp(tiny, place, solved):
    """In the step of its start a unit that ramps by 3 MW/h gives its least load of 4 MW; 2 MW are bought."""
    unit = tiny.generator(**UNIT, ramp_mw_per_h=3.0)
    result = solved(place(price=100.0, fixed_facility_power_mw=[3.0, 6.0], fleets=(), generators=(unit,)))
    assert result.objective == pytest.approx(-(300.0 + 80.0 + 105.0 + 200.0))


def test_commitment__minimum_up_time(tiny, place, solved):
    """Once on it stays on for two hours, so it runs only where there is load of 4 MW in both."""
    unit = tiny.generator(3, **UNIT, min_up_h=2.0)
    site = place(3, price=100.0, fixed_facility_power_mw=[6.0, 4.0, 0.0], fleets=(), generators=(unit,))
    result = solved(site, steps=3)
    assert result.objective == pytest.approx(-(6.0 * 20.0 + 4.0 * 20.0 + 100.0 + 2 * 5.0))
    # With no load in the second hour it cannot run there, so it cannot start in the first one either.
    result = solved(
        place(3, price=100.0, fixed_facility_power_mw=[6.0, 0.0, 0.0], fleets=(), generators=(unit,)), steps=3
    )
    assert result.objective == pytest.approx(-600.0)


def test_commitment__initial_state(tiny, place, solved):
    """On for one of three hours, it must go on for two more at its least load, although import is cheaper."""
    unit = tiny.generator(3, **UNIT, min_up_h=3.0, initially_on=True, initial_hours=1.0, initial_output_mw=4.0)
    result = solved(place(3, price=1.0, fixed_facility_power_mw=6.0, fleets=(), generators=(unit,)), steps=3)
    assert result.schedule.sites["a"].generators["turbine"].on.tolist() == [True, True, False]
    assert result.objective == pytest.approx(-(2 * (4.0 * 20.0 + 5.0 + 2.0 * 1.0) + 6.0))


def test_commitment__plain_ramp(tiny, place, solved):
    """A unit without states ramps from nothing: 3, then 6 MW of the 6 MW needed."""
    unit = tiny.generator(fuel_cost_per_mwh=20.0, ramp_mw_per_h=3.0)
    result = solved(place(price=100.0, fixed_facility_power_mw=6.0, fleets=(), generators=(unit,)))
    assert result.schedule.sites["a"].generators["turbine"].output_mw == pytest.approx([3.0, 6.0])
    assert result.objective == pytest.approx(-(60.0 + 300.0 + 120.0))


def test_divisible(tiny, place, solved):
    """A pausable job leaves out the dear hour in the middle."""
    job = tiny.job(kind="pausable", duration_h=2.0)
    result = solved(place(3, price=[10.0, 90.0, 20.0]), steps=3, training=(job,))
    assert result.objective == pytest.approx(500.0 - 4.0 * (10.0 + 20.0))
    assert [segment.first_step for segment in result.schedule.jobs["train"].segments] == [0, 2]


def test_divisible__restart_loss_and_minimum_run(tiny, place, solved):
    """Losing half an hour at a restart makes pausing cost a third step; a minimum run of two hours forbids it."""
    prices = [10.0, 90.0, 20.0, 30.0]
    lossy = tiny.job(kind="pausable", duration_h=2.0, restart_loss_h=0.5)
    result = solved(place(4, price=prices), steps=4, training=(lossy,))
    assert result.objective == pytest.approx(500.0 - 4.0 * (20.0 + 30.0))
    long_run = tiny.job(kind="pausable", duration_h=2.0, min_run_h=2.0)
    result = solved(place(4, price=[10.0, 60.0, 90.0, 20.0]), steps=4, training=(long_run,))
    assert result.objective == pytest.approx(500.0 - 4.0 * (10.0 + 60.0))


def test_divisible__elastic(tiny, place, solved):
    """Twice the accelerators do two hours of work in the cheap hour: 8 MW at 10."""
    job = tiny.job(kind="elastic", duration_h=2.0, min_gpus=20, max_gpus=80)
    result = solved(place(price=[10.0, 50.0]), training=(job,))
    assert result.objective == pytest.approx(500.0 - 8.0 * 10.0)
    assert [segment.accelerators for segment in result.schedule.jobs["train"].segments] == pytest.approx([80.0])


def test_divisible__concave_speed(tiny, place, solved):
    """80 accelerators are only 1.5 times as fast as 40, so 2 h of work take 1.5 + 0.5 h: 8 MW at 10 and 2 MW at 50."""
    speed = ((20.0, 0.5), (40.0, 1.0), (80.0, 1.5))
    job = tiny.job(kind="elastic", duration_h=2.0, min_gpus=20, max_gpus=80, speed=speed)
    result = solved(place(price=[10.0, 50.0]), training=(job,))
    assert result.objective == pytest.approx(500.0 - 8.0 * 10.0 - 2.0 * 50.0)


def test_exclusivity(place, solved):
    """Paid 50 for every MWh bought, a site would like to sell it again in the same hour; it may only use 1 MW."""
    grid = {"import_limit_mw": 10.0, "export_limit_mw": 10.0, "export_price_per_mwh": 0.0}
    result = solved(place(price=[-50.0, 50.0], fixed_facility_power_mw=1.0, fleets=(), grid=grid))
    assert result.objective == pytest.approx(50.0 - 50.0)
    flows = result.schedule.sites["a"]
    assert np.minimum(flows.grid_import_mw, flows.grid_export_mw) == pytest.approx([0.0, 0.0])


def test_exclusivity__battery(tiny, place, solved):
    """Prices +5 then -50: burning energy by charging and discharging at once would pay, but is not possible."""
    battery = tiny.battery(initial_energy_mwh=10.0, wear_cost_per_mwh=6.0, terminal_value_per_mwh=0.0)
    site = place(price=[5.0, -50.0], fixed_facility_power_mw=2.0, fleets=(), batteries=(battery,))
    result = solved(site)
    plan_of = result.schedule.sites["a"].batteries["store"]
    assert np.minimum(plan_of.charge_mw, plan_of.discharge_mw) == pytest.approx([0.0, 0.0])
    # Discharging 2 MW first costs wear of 3 per MWh and saves 5; it makes room for charging 4 / 0.8 = 5 MW at -50.
    assert result.objective == pytest.approx(-(2.0 * 3.0) + 50.0 * (2.0 + 5.0) - 5.0 * 3.0)


def test_migration(tiny, place, solved):
    """The state moves while the job waits in the dear middle hour: 40 at one site, 40 at the other, 10 for 100 GB."""
    sites = (place(3, name="a", price=[10.0, 99.0, 99.0]), place(3, name="b", price=[99.0, 99.0, 10.0]))
    link = Link(between=("a", "b"), bandwidth_gbit_s=100.0, cost_per_gb=0.1)
    job = tiny.job(kind="pausable", duration_h=2.0, migratable=True, checkpoint_gb=100.0)
    result = solved(*sites, steps=3, training=(job,), links=(link,))
    assert result.objective == pytest.approx(500.0 - 40.0 - 40.0 - 10.0)
    assert [(s.site, s.first_step) for s in result.schedule.jobs["train"].segments] == [("a", 0), ("b", 2)]


def test_migration__needs_a_link(tiny, place, solved):
    """Without a link the job stays: 10 and 99 at the first site."""
    sites = (place(3, name="a", price=[10.0, 99.0, 120.0]), place(3, name="b", price=[120.0, 120.0, 10.0]))
    job = tiny.job(kind="pausable", duration_h=2.0, migratable=True, checkpoint_gb=100.0)
    result = solved(*sites, steps=3, training=(job,))
    assert result.objective == pytest.approx(500.0 - 4.0 * (10.0 + 99.0))
