"""Devices and grid of a site in one step: what is clipped, and in which order the balance closes."""

from __future__ import annotations

import math

import pytest

from joulewright.errors import PolicyError
from joulewright.policy.decision import SitePower
from joulewright.policy.observation import GeneratorState
from joulewright.sim.device import battery_power, generator_output
from joulewright.sim.journal import Journal
from joulewright.sim.plant import Conditions, PlantState, SitePlant


@pytest.fixture
def plant(tiny):
    """A site plant with one battery of full efficiency, two generators and two renewable plants."""

    def make(*, ramp=None, grid=True, step_h=1.0, **changes):
        parts = {
            "renewables": (tiny.plant(1.0, name="roof"), tiny.plant(1.0, name="field")),
            "batteries": (tiny.battery(charge_efficiency=1.0, discharge_efficiency=1.0),),
            "generators": (
                tiny.generator(name="one", min_load_mw=4.0, min_up_h=4.0),
                tiny.generator(name="two", min_load_mw=3.0, min_up_h=4.0),
            ),
            "grid": tiny.grid(ramp_mw_per_h=ramp) if grid else None,
        }
        return SitePlant(tiny.site(**(parts | changes)), step_h)

    return make


def settle(plant, power=None, *, state=None, **changes):
    """Flows, next state and journal of one step under ``power``."""
    values = {
        "load_mw": 10.0,
        "critical_mw": 0.0,
        "import_limit_mw": 100.0,
        "export_limit_mw": 50.0,
        "renewable_mw": (0.0,) * len(plant.site.renewables),
        "usable_mw": tuple(unit.capacity_mw for unit in plant.site.generators),
    }
    journal = Journal(1.0)
    state = plant.initial_state() if state is None else state
    flows, after = plant.step(state, power or SitePower(), Conditions(**(values | changes)), journal)
    return flows, after, journal


def running(plant, *outputs, hours=10.0, net=None, energy=5.0):
    """A state in which the generators run with these outputs."""
    units = tuple(GeneratorState(on=output > 0.0, hours=hours, output_mw=output) for output in outputs)
    return PlantState(energy_mwh=(energy,) * len(plant.site.batteries), generators=units, net_import_mw=net)


def clipped(journal):
    """Asked and allowed by component and quantity."""
    return {(clip.component, clip.quantity): (clip.asked, clip.allowed) for clip in journal.clips()}


def kinds(journal):
    """Happenings by kind and place."""
    return {(item.kind, item.where) for item in journal.happenings()}


class TestBattery:
    def test_what_fits_is_not_touched(self, tiny):
        assert battery_power(tiny.battery(), 5.0, 2.0, 0.0, step_h=1.0) == (2.0, 0.0)

    @pytest.mark.parametrize(
        ("energy", "asked", "allowed"),
        [
            (5.0, (9.0, 0.0), (5.0, 0.0)),  # power limit
            (9.2, (4.0, 0.0), (1.0, 0.0)),  # 0.8 MWh of room behind an efficiency of 0.8
            (3.0, (0.0, 4.0), (0.0, 1.5)),  # 3 MWh give half at the terminals
            (0.0, (0.0, 4.0), (0.0, 0.0)),
            (10.0, (4.0, 0.0), (0.0, 0.0)),
        ],
    )
    def test_limits_of_power_and_energy(self, tiny, energy, asked, allowed):
        found = battery_power(tiny.battery(), energy, *asked, step_h=1.0)
        assert found == pytest.approx(allowed)

    def test_both_directions_at_once_become_their_difference(self, tiny):
        assert battery_power(tiny.battery(), 5.0, 3.0, 1.0, step_h=1.0) == (2.0, 0.0)

    def test_shorter_steps_allow_more_power_from_the_same_energy(self, tiny):
        assert battery_power(tiny.battery(), 1.0, 0.0, 5.0, step_h=0.1) == (0.0, 5.0)

    def test_rounding_of_a_solver_is_no_excess(self, tiny):
        asked = 5.0 + 1e-8
        assert battery_power(tiny.battery(), 5.0, asked, 0.0, step_h=1.0) == (asked, 0.0)

    def test_self_discharge_may_pass_the_minimum_but_power_may_not(self, tiny):
        battery = tiny.battery(min_energy_mwh=5.0, self_discharge_per_h=0.1)
        assert battery_power(battery, 5.0, 0.0, 1.0, step_h=1.0) == (0.0, 0.0)


class TestGenerator:
    @staticmethod
    def output(unit, asked, *, on=True, hours=10.0, output=5.0, usable=10.0, step_h=1.0):
        before = GeneratorState(on=on, hours=hours, output_mw=output)
        return generator_output(unit, before, asked, usable_mw=usable, step_h=step_h)

    def test_free_unit_does_as_asked(self, tiny):
        assert self.output(tiny.generator(), 7.5) == (True, 7.5, 0.0)
        assert self.output(tiny.generator(), None) == (False, 0.0, 0.0)

    def test_listed_with_zero_means_on_at_least_load(self, tiny):
        assert self.output(tiny.generator(min_load_mw=4.0), 0.0) == (True, 4.0, 4.0)

    def test_ramp_holds_output_in_both_directions(self, tiny):
        unit = tiny.generator(ramp_mw_per_h=2.0)
        assert self.output(unit, 9.0)[1] == 7.0
        assert self.output(unit, 0.5)[1] == 3.0
        assert self.output(unit, 9.0, step_h=0.5)[1] == 6.0

    def test_start_may_jump_to_the_least_load(self, tiny):
        unit = tiny.generator(ramp_mw_per_h=2.0, min_load_mw=4.0)
        assert self.output(unit, 9.0, on=False, output=0.0) == (True, 4.0, 4.0)

    def test_stop_only_from_an_output_the_ramp_can_bring_down(self, tiny):
        unit = tiny.generator(ramp_mw_per_h=2.0, min_load_mw=4.0)
        assert self.output(unit, None, output=4.0) == (False, 0.0, 0.0)
        assert self.output(unit, None, output=9.0) == (True, 7.0, 7.0)

    def test_early_stop_stays_on_and_early_start_stays_off(self, tiny):
        unit = tiny.generator(min_load_mw=4.0, min_up_h=3.0, min_down_h=2.0)
        assert self.output(unit, None, hours=2.0) == (True, 4.0, 4.0)
        assert self.output(unit, None, hours=3.0) == (False, 0.0, 0.0)
        assert self.output(unit, 6.0, on=False, hours=1.0, output=0.0) == (False, 0.0, 0.0)
        assert self.output(unit, 6.0, on=False, hours=2.0, output=0.0) == (True, 6.0, 4.0)

    @pytest.mark.parametrize("usable", [0.0, 3.9])
    def test_without_usable_power_it_is_off_whatever_its_times(self, tiny, usable):
        unit = tiny.generator(min_load_mw=4.0, min_up_h=30.0)
        assert self.output(unit, 6.0, hours=1.0, usable=usable) == (False, 0.0, 0.0)

    def test_partial_outage_comes_before_the_ramp(self, tiny):
        unit = tiny.generator(ramp_mw_per_h=1.0, min_load_mw=2.0)
        assert self.output(unit, 9.0, output=9.0, usable=5.0) == (True, 5.0, 5.0)


class TestBalance:
    def test_grid_closes_the_balance_in_both_directions(self, plant):
        flows, after, journal = settle(plant())
        assert (flows.import_mw, flows.export_mw, flows.unserved_mw) == (10.0, 0.0, 0.0)
        assert after.net_import_mw == 10.0
        flows, after, _ = settle(plant(), renewable_mw=(10.0, 5.0))
        assert (flows.import_mw, flows.export_mw) == (0.0, 5.0)
        assert after.net_import_mw == -5.0
        assert journal.clips() == ()

    def test_surplus_is_exported_then_curtailed_in_proportion(self, plant):
        flows, _, journal = settle(plant(), renewable_mw=(30.0, 10.0), export_limit_mw=6.0)
        assert flows.export_mw == 6.0
        assert flows.renewable_mw == pytest.approx([12.0, 4.0])
        assert clipped(journal) == {}

    def test_wanted_limits_of_plants_are_kept(self, plant):
        flows, _, _ = settle(plant(), SitePower(renewable_limit_mw={"roof": 3.0}), renewable_mw=(10.0, 5.0))
        assert flows.renewable_mw == [3.0, 5.0]
        assert flows.import_mw == 2.0

    def test_discharge_is_cut_after_renewables(self, plant):
        power = SitePower(discharge_mw={"store": 4.0})
        flows, after, journal = settle(plant(), power, load_mw=3.0, renewable_mw=(1.0, 1.0), export_limit_mw=0.0)
        assert flows.renewable_mw == [0.0, 0.0]
        assert flows.discharge_mw == pytest.approx([3.0])
        assert clipped(journal) == {("a/store", "discharge_mw"): (4.0, pytest.approx(3.0))}
        assert after.energy_mwh == pytest.approx((2.0,))

    def test_generators_come_down_to_their_least_load_before_they_trip(self, plant):
        site = plant()
        power = SitePower(generator_mw={"one": 8.0, "two": 6.0})
        flows, after, journal = settle(site, power, state=running(site, 8.0, 6.0), load_mw=9.0, export_limit_mw=0.0)
        assert sum(flows.output_mw) == pytest.approx(9.0)
        assert flows.output_mw == pytest.approx([8.0 - 5.0 * 4.0 / 7.0, 6.0 - 5.0 * 3.0 / 7.0])
        assert kinds(journal) == set()
        flows, after, journal = settle(
            site, power, state=running(site, 8.0, 6.0, hours=1.0), load_mw=5.0, export_limit_mw=0.0
        )
        assert flows.output_mw == [pytest.approx(5.0), 0.0]
        assert flows.on == [True, False]
        assert kinds(journal) == {("generator-trip", "a/two")}
        assert after.generators[1] == GeneratorState(on=False, hours=1.0, output_mw=0.0)

    def test_all_generators_trip_where_nothing_takes_their_least_load(self, plant):
        site = plant()
        power = SitePower(generator_mw={"one": 4.0, "two": 3.0})
        flows, _, journal = settle(
            site, power, state=running(site, 4.0, 3.0), load_mw=1.0, export_limit_mw=0.0, renewable_mw=(2.0, 0.0)
        )
        assert flows.output_mw == [0.0, 0.0]
        assert flows.renewable_mw == [pytest.approx(1.0), 0.0]
        assert (flows.import_mw, flows.unserved_mw) == (0.0, 0.0)
        assert kinds(journal) == {("generator-trip", "a/one"), ("generator-trip", "a/two")}

    def test_unwanted_export_comes_before_a_trip(self, plant):
        site = plant()
        power = SitePower(generator_mw={"one": 4.0}, export_limit_mw=0.0)
        flows, _, journal = settle(site, power, state=running(site, 4.0, 0.0), load_mw=1.0)
        assert (flows.output_mw[0], flows.export_mw) == (4.0, 3.0)
        assert clipped(journal) == {("a", "export_limit_mw"): (0.0, 3.0)}

    def test_shortage_cuts_charging_then_load(self, plant):
        power = SitePower(charge_mw={"store": 5.0})
        flows, _, journal = settle(plant(), power, import_limit_mw=12.0)
        assert (flows.charge_mw, flows.unserved_mw, flows.import_mw) == ([2.0], 0.0, 12.0)
        flows, _, journal = settle(plant(), power, import_limit_mw=7.0)
        assert (flows.charge_mw, flows.unserved_mw, flows.import_mw) == ([0.0], 3.0, 7.0)
        assert clipped(journal) == {("a/store", "charge_mw"): (5.0, 0.0)}
        assert kinds(journal) == {("shed-load", "a")}

    def test_shedding_into_the_critical_load_is_told(self, plant):
        _, _, journal = settle(plant(), import_limit_mw=7.0, critical_mw=8.0)
        shed = {item.kind: item.detail for item in journal.happenings()}
        assert shed == {
            "shed-load": "at most 3 MW, 3 MWh",
            "shed-critical-load": "at most 1 MW, 1 MWh",
        }

    def test_island_without_grid_serves_from_its_devices_only(self, plant):
        site = plant(grid=False)
        power = SitePower(discharge_mw={"store": 2.0}, generator_mw={"one": 4.0})
        flows, _, journal = settle(site, power, import_limit_mw=0.0, export_limit_mw=0.0)
        assert (flows.import_mw, flows.export_mw) == (0.0, 0.0)
        assert flows.unserved_mw == pytest.approx(4.0)
        assert kinds(journal) == {("shed-load", "a")}

    def test_wanted_import_limit_sheds_load_on_purpose(self, plant):
        flows, _, _ = settle(plant(), SitePower(import_limit_mw=6.0))
        assert (flows.import_mw, flows.unserved_mw) == (6.0, 4.0)

    def test_a_load_that_feeds_in_more_than_may_leave_is_told(self, plant):
        flows, _, journal = settle(plant(), load_mw=-2.0, export_limit_mw=0.5)
        assert flows.export_mw == 2.0
        assert [(item.kind, item.detail) for item in journal.happenings()] == [
            ("surplus-without-outlet", "at most 1.5 MW, 1.5 MWh")
        ]


class TestGridRamp:
    def test_first_step_is_free(self, plant):
        assert settle(plant(ramp=2.0))[0].import_mw == 10.0

    def test_import_rises_no_faster_than_the_ramp(self, plant):
        site = plant(ramp=2.0)
        flows, _, _ = settle(site, state=running(site, 0.0, 0.0, net=5.0))
        assert (flows.import_mw, flows.unserved_mw) == (7.0, 3.0)

    def test_import_falls_no_faster_than_devices_can_absorb(self, plant):
        site = plant(ramp=2.0)
        flows, _, journal = settle(site, state=running(site, 0.0, 0.0, net=9.0), renewable_mw=(6.0, 2.0))
        assert flows.import_mw == 7.0
        assert sum(flows.renewable_mw) == pytest.approx(3.0)
        assert kinds(journal) == set()

    def test_ramp_breaks_where_nothing_absorbs(self, plant):
        site = plant(ramp=2.0)
        flows, _, journal = settle(site, state=running(site, 0.0, 0.0, net=20.0), renewable_mw=(6.0, 2.0))
        assert flows.import_mw == 10.0
        assert flows.renewable_mw == [0.0, 0.0]
        assert kinds(journal) == {("grid-ramp", "a")}

    def test_outage_comes_before_the_ramp(self, plant):
        site = plant(ramp=2.0)
        flows, _, _ = settle(site, state=running(site, 0.0, 0.0, net=9.0), import_limit_mw=0.0, export_limit_mw=0.0)
        assert (flows.import_mw, flows.unserved_mw) == (0.0, 10.0)

    def test_forced_export_is_given_up_rather_than_fed(self, plant):
        site = plant(ramp=2.0)
        flows, _, journal = settle(site, state=running(site, 0.0, 0.0, net=-20.0))
        assert (flows.export_mw, flows.unserved_mw) == (pytest.approx(0.0, abs=1e-12), 10.0)
        assert ("grid-ramp", "a") in kinds(journal)


class TestBadDecisions:
    @pytest.mark.parametrize(
        ("power", "words"),
        [
            (SitePower(charge_mw={"cell": 1.0}), r"charge_mw names 'cell'; the site has \['store'\]"),
            (SitePower(discharge_mw={"store": -1.0}), "discharge_mw of 'store' is -1.0 MW"),
            (SitePower(charge_mw={"store": math.nan}), "is nan MW"),
            (SitePower(generator_mw={"one": math.inf}), "is inf MW"),
            (SitePower(generator_mw={"three": 1.0}), "generator_mw names 'three'"),
            (SitePower(renewable_limit_mw={"sea": 1.0}), "renewable_limit_mw names 'sea'"),
            (SitePower(import_limit_mw=-0.1), "import_limit_mw is -0.1 MW"),
            (SitePower(export_limit_mw=math.nan), "export_limit_mw is nan MW"),
        ],
    )
    def test_what_cannot_be_interpreted_is_refused(self, plant, power, words):
        with pytest.raises(PolicyError, match=words):
            settle(plant(), power)


class TestJournal:
    def test_interrupted_happenings_are_told_apart(self):
        journal = Journal(0.5)
        for step in (0, 1, 4):
            journal.step = step
            journal.happen("shed-load", "a", 1.0 + step)
        spans = [(item.start_h, item.end_h, item.detail) for item in journal.happenings()]
        assert spans == [(0.0, 1.0, "at most 2 MW, 1.5 MWh"), (2.0, 2.5, "at most 5 MW, 2.5 MWh")]

    def test_clips_keep_the_first_and_count_all(self):
        journal = Journal(1.0)
        for step in (2, 3, 9):
            journal.step = step
            journal.clip("a/store", "charge_mw", float(step), 1.0)
        (clip,) = journal.clips()
        assert (clip.step, clip.asked, clip.allowed, clip.count) == (2, 2.0, 1.0, 3)
