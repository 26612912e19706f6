"""One physics: what the planner's rows allow, cost and emit is what the physics functions say, at every breakpoint."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import pytest
from scipy.sparse import csc_matrix

from joulewright.account import site_load
from joulewright.model import Link
from joulewright.physics import battery, cooling, generator, grid, migration, part_load, transfer
from joulewright.plan.formulation import build
from joulewright.plan.model import JointProgram

EXACT = 1e-9


@dataclass
class Rows:
    """The program of a scenario as a matrix, with a vector of columns that tests fill in."""

    joint: JointProgram

    def __post_init__(self) -> None:
        program = self.joint.program
        self.matrix = csc_matrix((program.value, program.index, program.start), shape=program.shape)
        self.x = np.zeros(program.cost.size)

    def set(self, family: str, values: object, block: int = 0) -> None:
        found = self.joint.program.variables[family][block]
        self.x[found.index.ravel()] = np.broadcast_to(np.asarray(values, dtype=float), (found.size,))

    def excess(self, *families: str) -> np.ndarray:
        """Largest violation of the rows of some families, and of every column bound."""
        program, activity = self.joint.program, self.matrix @ self.x
        over = np.maximum(program.row_lower - activity, activity - program.row_upper)
        found = [0.0, *(self.x - program.upper), *(program.lower - self.x)]
        for family in families:
            for block in program.rows.get(family, []):
                found += over[block.index].tolist()
        return np.array(found)

    def keeps(self, *families: str) -> bool:
        return bool(self.excess(*families).max() <= EXACT)

    @property
    def cost(self) -> float:
        return float(self.joint.program.cost @ self.x)

    @property
    def carbon_kg(self) -> float:
        return float(self.joint.carbon_kg @ self.x)


@pytest.mark.parametrize("step_s", [300, 3600, 14_400])
@pytest.mark.parametrize("sigma", [0.0, 1e-4, 0.02])
def test_storage_recursion(tiny, step_s, sigma):
    store = tiny.battery(self_discharge_per_h=sigma, min_energy_mwh=1.0, terminal_value_per_mwh=0.0)
    scenario = tiny.scenario(tiny.site(1, batteries=(store,)), steps=1, step_s=step_s)
    rows, step_h = Rows(build(scenario)), scenario.timeline.step_h
    highest = [float(limit) for limit in battery.power_range_mw(store, store.initial_energy_mwh, step_h=step_h)]
    for share, charging in product((0.0, 0.5, 1.0), (True, False)):
        charge, discharge = (share * highest[0], 0.0) if charging else (0.0, share * highest[1])
        after = float(battery.next_energy_mwh(store, store.initial_energy_mwh, charge, discharge, step_h=step_h))
        rows.set("charge", charge)
        rows.set("discharge", discharge)
        rows.set("energy", [store.initial_energy_mwh, after])
        assert rows.keeps("storage")
        rows.set("energy", [store.initial_energy_mwh, after + 1e-6])
        assert not rows.keeps("storage")


def test_feasible_power_ends_on_the_bounds_of_the_stored_energy(tiny):
    store = tiny.battery(self_discharge_per_h=0.01, min_energy_mwh=4.0, terminal_value_per_mwh=0.0, energy_mwh=6.0)
    rows = Rows(build(tiny.scenario(tiny.site(1, batteries=(store,)), steps=1)))
    charge, discharge = (float(limit) for limit in battery.power_range_mw(store, 5.0, step_h=1.0))
    for more in (0.0, 1e-6):
        full = battery.next_energy_mwh(store, 5.0, charge + more, 0.0, step_h=1.0)
        rows.set("charge", charge + more)
        rows.set("discharge", 0.0)
        rows.set("energy", [5.0, float(full)])
        assert rows.keeps("storage") == (more == 0.0)
        empty = battery.next_energy_mwh(store, 5.0, 0.0, discharge + more, step_h=1.0)
        rows.set("charge", 0.0)
        rows.set("discharge", discharge + more)
        rows.set("energy", [5.0, float(empty)])
        assert rows.keeps("storage") == (more == 0.0)


CURVE = part_load.QuadraticFuel(
    constant_per_mw_h=60.0, linear_per_mw_h=210.0, quadratic_per_mw_h=40.0, emission_kg_per_unit=2.68
)


@pytest.mark.parametrize("step_s", [900, 3600])
def test_generator_fuel_and_carbon(tiny, step_s):
    """Cost and carbon of running at a load are fuel price and emission factor times the physical fuel flow."""
    price, capacity, least = 1.2, 4.0, 0.3
    line, error = part_load.linear_fuel(CURVE, min_load_fraction=least, capacity_mw=capacity)
    output_kg, on_kg = generator.emission_coefficients(line, capacity_mw=capacity)
    unit = tiny.generator(
        1,
        capacity_mw=capacity,
        min_load_mw=least * capacity,
        fuel_cost_per_mwh=price * line.per_mwh,
        no_load_cost_per_h=price * line.no_load_per_mw_h * capacity,
        emission_kg_per_mwh=output_kg,
        no_load_emission_kg_per_h=on_kg,
        initially_on=True,
        initial_output_mw=2.0,
    )
    rows = Rows(build(tiny.scenario(tiny.site(1, generators=(unit,)), steps=1, step_s=step_s)))
    step_h = step_s / 3600.0
    rows.set("on", 1.0)
    for load in (least, 0.5, 0.65, 1.0):
        rows.set("generator_output", load * capacity)
        straight = float(generator.fuel_per_h(load * capacity, True, line, capacity_mw=capacity))
        assert rows.cost == pytest.approx(price * straight * step_h, rel=1e-12)
        assert rows.carbon_kg == pytest.approx(straight * CURVE.emission_kg_per_unit * step_h, rel=1e-12)
        curved = float(part_load.part_load_fuel_per_h(load * capacity, True, CURVE, capacity_mw=capacity))
        if load in (least, 1.0):
            assert straight == pytest.approx(curved, rel=1e-12)
        else:
            assert 0.0 < straight - curved <= error + EXACT


COMMITMENT = ("commitment", "min_load", "output_limit", "stop_limit", "min_up", "min_down", "ramp_up", "ramp_down")


@pytest.mark.parametrize(
    ("changes", "step_s"),
    [
        ({"ramp_mw_per_h": 3.0}, 3600),
        ({"ramp_mw_per_h": 1.0}, 3600),
        ({"ramp_mw_per_h": 12.0, "min_up_h": 0.5, "min_down_h": 0.75}, 900),
        ({"ramp_mw_per_h": 3.0, "min_up_h": 2.0}, 3600),
        ({"min_up_h": 2.0, "min_down_h": 2.0, "initially_on": True, "initial_hours": 1.0}, 3600),
        ({"ramp_mw_per_h": 4.0, "min_up_h": 3.0, "initially_on": True, "initial_output_mw": 6.0}, 3600),
        ({"min_down_h": 3.0, "initial_hours": 1.5}, 3600),
        ({"ramp_mw_per_h": 40.0}, 3600),
    ],
)
def test_generator_ramps_and_minimum_times(tiny, changes, step_s):
    """Every sequence of four steps over the breakpoints of output is allowed by the rows if and only if by physics."""
    least, capacity, step_h = 2.0, 10.0, step_s / 3600.0
    values = {"min_load_mw": least, "capacity_mw": capacity, "initial_output_mw": 5.0} | changes
    unit = tiny.generator(4, **values)
    # A horizon longer than the four steps that are judged: the last one may be followed by anything.
    rows = Rows(build(tiny.scenario(tiny.site(4, generators=(unit,)), steps=4, step_s=step_s)))
    ramp = (unit.ramp_mw_per_h or 1e3) * step_h
    levels = sorted({least, max(ramp, least), least + ramp, 5.0, capacity} & set(np.linspace(0, 10, 1001).tolist()))
    before_mw = unit.initial_output_mw if unit.initially_on else 0.0
    outcomes = set()
    for outputs in product((0.0, *levels), repeat=4):
        output = np.array(outputs)
        on = output > 0.0
        was = np.concatenate(([unit.initially_on], on[:-1]))
        rows.set("generator_output", output)
        rows.set("on", on)
        rows.set("start_up", on & ~was)
        rows.set("shut_down", was & ~on)
        ramps = generator.ramp_excess_mw(
            output, on, ramp_mw_per_h=ramp / step_h, min_load_mw=least, step_h=step_h,
            before=(before_mw, unit.initially_on),
        )  # fmt: skip
        early = generator.short_run_steps(
            on, step_h=step_h, min_up_h=unit.min_up_h, min_down_h=unit.min_down_h,
            before=(unit.initially_on, unit.initial_hours),
        )  # fmt: skip
        allowed = bool((ramps <= EXACT).all() and not early.any())
        assert rows.keeps(*COMMITMENT) == allowed, (outputs, ramps, early)
        outcomes.add(allowed)
    assert outcomes == {True, False} or unit.ramp_mw_per_h == 40.0


@pytest.mark.parametrize("step_s", [900, 3600])
def test_generator_without_states_has_the_plain_ramp(tiny, step_s):
    unit = tiny.generator(3, ramp_mw_per_h=4.0, initially_on=True, initial_output_mw=5.0)
    rows = Rows(build(tiny.scenario(tiny.site(3, generators=(unit,)), steps=3, step_s=step_s)))
    step_h = step_s / 3600.0
    for outputs in product((0.0, 1.0, 4.0, 5.0, 6.0, 9.0, 10.0), repeat=3):
        rows.set("generator_output", outputs)
        excess = generator.ramp_excess_mw(
            outputs, [True] * 3, ramp_mw_per_h=4.0, min_load_mw=0.0, step_h=step_h, before=(5.0, True)
        )
        assert rows.keeps("ramp") == bool((excess <= EXACT).all())


@pytest.mark.parametrize("step_s", [60, 3600])
def test_grid_limits_and_ramp(tiny, step_s):
    limits = {"import_limit_mw": 8.0, "export_limit_mw": 4.0}
    scenario = tiny.scenario(
        tiny.site(2, grid=tiny.grid(2, ramp_mw_per_h=180.0 * 60.0 / step_s, **limits)), steps=2, step_s=step_s
    )
    rows, connection, step_h = Rows(build(scenario)), scenario.sites[0].grid, step_s / 3600.0
    for before, now in product((-4.0, -1.0, 0.0, 2.0, 5.0, 8.0), (-5.0, -4.0, -1.0, 0.0, 2.0, 5.0, 8.0, 9.0)):
        bought, sold = grid.split_net_import([before, now])
        rows.set("grid_import", bought)
        rows.set("grid_export", sold)
        low, high = grid.net_import_range_mw(
            8.0, 4.0, previous_net_import_mw=before, ramp_mw_per_h=connection.ramp_mw_per_h, step_h=step_h
        )
        within = bool(low - EXACT <= now <= high + EXACT)
        excess = grid.grid_ramp_excess_mw([before, now], ramp_mw_per_h=connection.ramp_mw_per_h, step_h=step_h)
        assert rows.keeps("grid_ramp") == within
        assert within == bool((excess <= EXACT).all() and -4.0 <= now <= 8.0)


def test_an_outage_is_a_limit_of_zero(tiny):
    rows = Rows(build(tiny.scenario(tiny.site(grid=tiny.grid(import_limit_mw=[8.0, 0.0], export_limit_mw=[4.0, 0.0])))))
    for step, connected in enumerate((True, False)):
        low, high = grid.net_import_range_mw(8.0, 4.0, connected=connected)
        program = rows.joint.program
        assert program.upper[program.variables["grid_import"][0].index[step]] == high
        assert program.upper[program.variables["grid_export"][0].index[step]] == -low


def test_facility_load_follows_the_pue_of_the_chiller(tiny):
    """Import that equals the physical load closes the balance, in every free-cooling regime."""
    temperatures = [5.0, 12.0, 16.0, 20.0, 30.0, 40.0]
    pue, _ = cooling.pue_profile("chiller", temperatures, steps=6)
    site = tiny.site(6, pue=pue, fixed_it_power_mw=0.3, fixed_facility_power_mw=0.2)
    scenario = tiny.scenario(site, steps=6, training=(tiny.job(duration_h=1.5, deadline=tiny.at(6.0)),))
    rows = Rows(build(scenario))
    starts = rows.joint.starts
    assert starts is not None
    for start in range(5):
        segment = tiny.run(start, start + 2, last_fraction=0.5)
        load = site_load(scenario, tiny.schedule(scenario, jobs={"train": (segment,)}), site)
        rows.x[:] = 0.0
        rows.x[starts.block.index[starts.step == start]] = 1.0
        rows.set("held", load.training_accelerators["gpus"])
        rows.set("training_power", load.training_mw)
        rows.set("grid_import", load.facility_mw)
        assert rows.keeps("balance", "continuity", "training_power")
        by_hand = pue * load.it_mw + 0.2
        assert load.facility_mw == pytest.approx(by_hand, rel=1e-14)
        rows.set("grid_import", load.facility_mw + 1e-6)
        assert not rows.keeps("balance")


@pytest.mark.parametrize("size_gb", [0.0, 100.0, 4499.0, 4500.0, 4501.0, 9000.0, 13_000.0])
def test_moves_take_the_transfer_time(tiny, size_gb):
    """10 Gbit/s move 4,500 GB in an hour: a move that leaves in step t must arrive within the horizon."""
    job = tiny.job(kind="pausable", migratable=True, checkpoint_gb=size_gb, deadline=tiny.at(6.0))
    sites = (tiny.site(6), tiny.site(6, name="b"))
    link = Link(between=("a", "b"), bandwidth_gbit_s=10.0)
    scenario = tiny.scenario(*sites, steps=6, training=(job,), links=(link,))
    program = build(scenario).program
    delay = scenario.timeline.steps_for(transfer.transfer_h(size_gb, 10.0))
    assert delay == int(np.ceil(size_gb / 4500.0))
    for block in program.variables["move"]:
        steps = np.arange(block.size)
        assert program.upper[block.index].tolist() == ((steps > 0) & (steps + delay < 6)).tolist()
    # The planner's move is the wide-area part of a migration: storage and provisioning are none.
    bare = migration.MigrationTerms(goodput_fraction=1.0, save_gb_s=1e12, load_gb_s=1e12)
    assert float(migration.migration_s(size_gb, 10.0, bare)) == pytest.approx(
        3600.0 * transfer.transfer_h(size_gb, 10.0), abs=1e-6
    )


@pytest.mark.parametrize(("loss_h", "step_s"), [(0.0, 3600), (0.5, 3600), (0.25, 900)])
def test_every_restart_loses_its_work(tiny, loss_h, step_s):
    """Over all on/off patterns, work is done if and only if hours run less restart losses reach the duration."""
    step_h = step_s / 3600.0
    job = tiny.job(
        kind="pausable", restart_loss_h=loss_h, duration_h=3.0 * step_h, deadline=tiny.at(6.0 * step_h), mandatory=True
    )
    rows = Rows(build(tiny.scenario(tiny.site(6), steps=6, step_s=step_s, training=(job,))))
    for pattern in product((0.0, 1.0), repeat=6):
        on = np.array(pattern)
        begun = (on > 0.0) & (np.concatenate(([0.0], on[:-1])) == 0.0)
        rows.set("running", on)
        rows.set("fleet_choice", 1.0)
        if "begun" in rows.joint.program.variables:
            rows.set("begun", begun)
        done_h = step_h * on.sum() - loss_h * max(0, int(begun.sum()) - 1)
        spare_h = done_h - 3.0 * step_h
        assert rows.keeps("work", "begin") == (on.any() and spare_h >= -EXACT)
        if spare_h >= -EXACT:
            assert rows.keeps("work_limit") == (spare_h < step_h)


def test_initial_state_of_a_unit_that_is_off_costs_nothing(tiny):
    unit = tiny.generator(1, min_load_mw=2.0, no_load_cost_per_h=100.0)
    rows = Rows(build(tiny.scenario(tiny.site(1, generators=(unit,)), steps=1)))
    assert (rows.cost, rows.carbon_kg) == (0.0, 0.0)
    assert rows.keeps(*COMMITMENT)
    busy = Rows(build(tiny.scenario(tiny.site(1, generators=(replace(unit, initially_on=True),)), steps=1)))
    assert not busy.keeps("commitment")
